// Whether JavaScript's well-known clients can be tested against the sandbox: chat, tools, a schema, a
// stream. In an empty folder, with this file in it:
//
//   npm install groq-sdk openai @aws-sdk/client-bedrock-runtime @smithy/node-http-handler \
//     ai @ai-sdk/groq @ai-sdk/amazon-bedrock zod
//   node clients.mjs http://127.0.0.1:8080
//
// The URL is that of a sandbox: `PYTHONPATH=backend python -m sandbox --port 8080`.

import {
  BedrockRuntimeClient,
  ConverseCommand,
  ConverseStreamCommand,
  InvokeModelCommand,
  InvokeModelWithResponseStreamCommand,
} from "@aws-sdk/client-bedrock-runtime";
import { createAmazonBedrock } from "@ai-sdk/amazon-bedrock";
import { createGroq } from "@ai-sdk/groq";
import { NodeHttpHandler } from "@smithy/node-http-handler";
import { generateObject, generateText, stepCountIs, streamText, tool } from "ai";
import Groq from "groq-sdk";
import OpenAI from "openai";
import { z } from "zod";

const url = process.argv[2];
const GPT = "openai/gpt-oss-120b";
const SONNET = "us.anthropic.claude-sonnet-4-6";
const QUESTION = "How warm is it in Rome?";
const parameters = {
  type: "object",
  properties: { city: { type: "string" } },
  required: ["city"],
};
const schema = {
  type: "object",
  properties: { city: { type: "string" }, degrees: { type: "integer" } },
  required: ["city", "degrees"],
  additionalProperties: false,
};

/** Groq's own client, or OpenAI's. */
function chats(client) {
  const question = [{ role: "user", content: QUESTION }];
  const tools = [{ type: "function", function: { name: "weather", parameters } }];
  const ask = (more) =>
    client.chat.completions.create({ model: GPT, messages: question, ...more });
  const message = async (more) => (await ask(more)).choices[0].message;
  return {
    chat: async () => (await message()).content,
    tools: async () => {
      const asked = await message({ tools });
      const [call] = asked.tool_calls;
      const result = { role: "tool", tool_call_id: call.id, content: "22 degrees" };
      return (await message({ tools, messages: [...question, asked, result] })).content;
    },
    schema: async () => {
      const json_schema = { name: "weather", schema, strict: true };
      const response_format = { type: "json_schema", json_schema };
      return JSON.parse((await message({ response_format })).content).city;
    },
    stream: async () => {
      let text = "";
      for await (const chunk of await ask({ stream: true }))
        text += chunk.choices[0]?.delta?.content ?? "";
      return text;
    },
  };
}

/** AWS's own client, whose default handler speaks HTTP/2, which the sandbox does not. */
function aws() {
  const client = new BedrockRuntimeClient({
    endpoint: url,
    region: "us-east-1",
    credentials: { accessKeyId: "any", secretAccessKey: "any" },
    requestHandler: new NodeHttpHandler(),
  });
  const question = [{ role: "user", content: [{ text: QUESTION }] }];
  const toolConfig = {
    tools: [{ toolSpec: { name: "weather", inputSchema: { json: parameters } } }],
  };
  const input = (more) => ({ modelId: SONNET, messages: question, ...more });
  const message = async (more) =>
    (await client.send(new ConverseCommand(input(more)))).output.message;
  const invoked = {
    modelId: SONNET,
    contentType: "application/json",
    body: JSON.stringify({
      anthropic_version: "bedrock-2023-05-31",
      max_tokens: 100,
      messages: [{ role: "user", content: QUESTION }],
    }),
  };
  const parsed = (bytes) => JSON.parse(new TextDecoder().decode(bytes));
  return {
    chat: async () => (await message()).content[0].text,
    tools: async () => {
      const asked = await message({ toolConfig });
      const { toolUse } = asked.content.find((block) => block.toolUse);
      const content = [{ text: "22 degrees" }];
      const toolResult = { toolUseId: toolUse.toolUseId, content };
      const result = { role: "user", content: [{ toolResult }] };
      const messages = [...question, asked, result];
      return (await message({ toolConfig, messages })).content[0].text;
    },
    schema: async () => {
      const structure = { jsonSchema: { schema: JSON.stringify(schema), name: "weather" } };
      const outputConfig = { textFormat: { type: "json_schema", structure } };
      return JSON.parse((await message({ outputConfig })).content[0].text).city;
    },
    stream: async () => {
      const { stream } = await client.send(new ConverseStreamCommand(input()));
      let text = "";
      for await (const event of stream) text += event.contentBlockDelta?.delta?.text ?? "";
      return text;
    },
    invoke: async () =>
      parsed((await client.send(new InvokeModelCommand(invoked))).body).content[0].text,
    "invoke's stream": async () => {
      const command = new InvokeModelWithResponseStreamCommand(invoked);
      let text = "";
      for await (const event of (await client.send(command)).body)
        text += parsed(event.chunk.bytes).delta?.text ?? "";
      return text;
    },
  };
}

/** A model of the AI SDK's. */
function vercel(model) {
  const weather = tool({
    inputSchema: z.object({ city: z.string() }),
    execute: async () => "22 degrees",
  });
  const ask = { model, prompt: QUESTION };
  return {
    chat: async () => (await generateText(ask)).text,
    tools: async () =>
      (await generateText({ ...ask, tools: { weather }, stopWhen: stepCountIs(3) })).text,
    schema: async () => {
      const fitting = z.object({ city: z.string(), degrees: z.number() });
      return (await generateObject({ ...ask, schema: fitting })).object.city;
    },
    stream: async () => {
      let text = "";
      for await (const piece of streamText(ask).textStream) text += piece;
      return text;
    },
  };
}

const openai = `${url}/openai/v1`;
const keys = { region: "us-east-1", accessKeyId: "any", secretAccessKey: "any" };
const clients = {
  "groq-sdk": chats(new Groq({ apiKey: "any", baseURL: url, maxRetries: 0 })),
  openai: chats(new OpenAI({ apiKey: "any", baseURL: openai, maxRetries: 0 })),
  "@aws-sdk/client-bedrock-runtime": aws(),
  "@ai-sdk/groq": vercel(createGroq({ apiKey: "any", baseURL: openai })(GPT)),
  "@ai-sdk/amazon-bedrock": vercel(createAmazonBedrock({ baseURL: url, ...keys })(SONNET)),
};
let failed = 0;
for (const [name, tasks] of Object.entries(clients)) {
  for (const [task, run] of Object.entries(tasks)) {
    let outcome;
    try {
      outcome = await run();
      if (!outcome) throw new Error("nothing came");
    } catch (error) {
      failed += 1;
      outcome = `FAILED: ${String(error).slice(0, 300)}`;
    }
    console.log(`${name} ${task}: ${outcome}`);
  }
}
process.exit(failed ? 1 : 0);
