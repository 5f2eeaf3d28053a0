"""Whether well-known clients can be tested against the sandbox: chat, tools, a schema, a stream.

Each client of `bench/langchain.txt` does what its own documentation shows.
Run it with `PYTHONPATH=backend python -m bench.clients`; what is not installed is left out.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import warnings
from collections.abc import Callable
from typing import Any

from pydantic import BaseModel

from sandbox import Sandbox

GPT, SONNET = "openai/gpt-oss-120b", "us.anthropic.claude-sonnet-4-6"
QUESTION = "How warm is it in Rome?"
PARAMETERS = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
Do = Callable[[], str]


class Weather(BaseModel):
    """What a schema is made of."""

    city: str
    degrees: int


def weather(city: str) -> str:
    """Tell how warm it is in a city."""
    return "22 degrees"


def groq_sdk(url: str) -> dict[str, Do]:
    """The bare SDK."""
    groq: Any = importlib.import_module("groq")
    client = groq.Groq(api_key="any", base_url=url)
    messages = [{"role": "user", "content": QUESTION}]
    schema = {"name": "weather", "schema": Weather.model_json_schema()}

    def ask(messages: list[Any] = messages, **more: Any) -> Any:
        return client.chat.completions.create(model=GPT, messages=messages, **more)

    def text(**more: Any) -> str:
        return str(ask(**more).choices[0].message.content)

    def use_tool() -> str:
        tools = [{"type": "function", "function": {"name": "weather", "parameters": PARAMETERS}}]
        message = ask(tools=tools).choices[0].message
        (call,) = message.tool_calls
        asked = {"role": "assistant", "tool_calls": [call.model_dump()]}
        result = {"role": "tool", "tool_call_id": call.id, "content": weather("Rome")}
        return text(messages=[*messages, asked, result], tools=tools)

    return {
        "chat": text,
        "tools": use_tool,
        "schema": lambda: text(response_format={"type": "json_schema", "json_schema": schema}),
        "stream": lambda: "".join(
            chunk.choices[0].delta.content or "" for chunk in ask(stream=True)
        ),
    }


def boto3_sdk(url: str) -> dict[str, Do]:
    """The bare SDK, over Converse."""
    boto3: Any = importlib.import_module("boto3")
    client = boto3.client("bedrock-runtime", "us-east-1", endpoint_url=url)
    messages: list[Any] = [{"role": "user", "content": [{"text": QUESTION}]}]
    strict = Weather.model_json_schema() | {"additionalProperties": False}
    structure = {"schema": json.dumps(strict), "name": "weather"}
    form = {"type": "json_schema", "structure": {"jsonSchema": structure}}

    def ask(messages: list[Any] = messages, **more: Any) -> Any:
        return client.converse(modelId=SONNET, messages=messages, **more)["output"]["message"]

    def text(**more: Any) -> str:
        return str(ask(**more)["content"][0]["text"])

    def use_tool() -> str:
        spec = {"name": "weather", "inputSchema": {"json": PARAMETERS}}
        tools = {"tools": [{"toolSpec": spec}]}
        message = ask(toolConfig=tools)
        (used,) = (block["toolUse"] for block in message["content"] if "toolUse" in block)
        result = {"toolUseId": used["toolUseId"], "content": [{"text": weather("Rome")}]}
        turn = {"role": "user", "content": [{"toolResult": result}]}
        return text(messages=[*messages, message, turn], toolConfig=tools)

    def stream() -> str:
        events = client.converse_stream(modelId=SONNET, messages=messages)["stream"]
        deltas = (event.get("contentBlockDelta", {}) for event in events)
        return "".join(delta["delta"]["text"] for delta in deltas if delta)

    return {
        "chat": text,
        "tools": use_tool,
        "schema": lambda: text(outputConfig={"textFormat": form}),
        "stream": stream,
    }


def litellm(url: str) -> dict[str, Do]:
    """LiteLLM, on both providers."""
    library: Any = importlib.import_module("litellm")
    library.suppress_debug_info = True
    messages = [{"role": "user", "content": QUESTION}]
    function = {"name": "weather", "parameters": {"type": "object", "properties": {}}}
    tools = [{"type": "function", "function": function}]
    routes: dict[str, dict[str, Any]] = {
        "groq": {"model": f"groq/{GPT}", "api_base": f"{url}/openai/v1", "api_key": "any"},
        "bedrock": {
            "model": f"bedrock/converse/{SONNET}",
            "aws_bedrock_runtime_endpoint": url,
            "aws_region_name": "us-east-1",
        },
    }

    def both(read: Callable[[Any], Any], **more: Any) -> Do:
        def do() -> str:
            replies = [
                read(library.completion(messages=messages, **route, **more))
                for route in routes.values()
            ]
            assert all(replies), replies
            return str(replies[-1])

        return do

    return {
        "chat": both(lambda reply: reply.choices[0].message.content),
        "tools": both(lambda reply: reply.choices[0].message.tool_calls, tools=tools),
        "schema": both(lambda reply: reply.choices[0].message.content, response_format=Weather),
        "stream": both(
            lambda reply: "".join(chunk.choices[0].delta.content or "" for chunk in reply),
            stream=True,
        ),
    }


def langchain(model: Any) -> dict[str, Do]:
    """Any chat model of LangChain's."""
    tools: Any = importlib.import_module("langchain_core.tools")
    messages: Any = importlib.import_module("langchain_core.messages")
    tool = tools.tool(weather)

    def agent() -> str:
        bound = model.bind_tools([tool])
        talk = [messages.HumanMessage(QUESTION)]
        for _ in range(5):
            reply = bound.invoke(talk)
            if not reply.tool_calls:
                return str(reply.text)
            talk += [reply, *(tool.invoke(call) for call in reply.tool_calls)]
        raise AssertionError("the agent never ended")

    return {
        "chat": lambda: str(model.invoke(QUESTION).text),
        "tools": agent,
        "schema": lambda: repr(model.with_structured_output(Weather).invoke(QUESTION)),
        "stream": lambda: "".join(str(chunk.text) for chunk in model.stream(QUESTION)),
    }


def langchain_groq(url: str) -> dict[str, Do]:
    """langchain-groq."""
    library: Any = importlib.import_module("langchain_groq")
    return langchain(library.ChatGroq(model=GPT, api_key="any", base_url=url))


def langchain_aws(url: str) -> dict[str, Do]:
    """langchain-aws, over Converse."""
    library: Any = importlib.import_module("langchain_aws")
    return langchain(
        library.ChatBedrockConverse(
            model=SONNET, region_name="us-east-1", endpoint_url=url, base_model_id=SONNET[3:]
        )
    )


def pydantic_ai(model: Any) -> dict[str, Do]:
    """Any model of pydantic-ai's."""
    library: Any = importlib.import_module("pydantic_ai")
    plain = library.Agent(model)
    with_tool = library.Agent(model, tools=[weather])
    typed = library.Agent(model, output_type=Weather)

    def stream() -> str:
        result = plain.run_stream_sync(QUESTION)
        return "".join(result.stream_text(delta=True))

    return {
        "chat": lambda: str(plain.run_sync(QUESTION).output),
        "tools": lambda: str(with_tool.run_sync(QUESTION).output),
        "schema": lambda: repr(typed.run_sync(QUESTION).output),
        "stream": stream,
    }


def pydantic_ai_groq(url: str) -> dict[str, Do]:
    """pydantic-ai on Groq."""
    models: Any = importlib.import_module("pydantic_ai.models.groq")
    providers: Any = importlib.import_module("pydantic_ai.providers.groq")
    provider = providers.GroqProvider(api_key="any", base_url=url)
    return pydantic_ai(models.GroqModel(GPT, provider=provider))


def pydantic_ai_bedrock(url: str) -> dict[str, Do]:
    """pydantic-ai on Bedrock."""
    models: Any = importlib.import_module("pydantic_ai.models.bedrock")
    providers: Any = importlib.import_module("pydantic_ai.providers.bedrock")
    provider = providers.BedrockProvider(
        region_name="us-east-1",
        base_url=url,
        aws_access_key_id="AKIA",
        aws_secret_access_key="any",
    )
    return pydantic_ai(models.BedrockConverseModel(SONNET, provider=provider))


def instructor(url: str) -> dict[str, Do]:
    """instructor over the groq SDK."""
    library: Any = importlib.import_module("instructor")
    groq: Any = importlib.import_module("groq")
    messages = [{"role": "user", "content": QUESTION}]

    def ask(kind: Any, mode: str, method: str = "create") -> Any:
        sdk = groq.Groq(api_key="any", base_url=url)
        chats = library.from_groq(sdk, mode=getattr(library.Mode, mode)).chat.completions
        return getattr(chats, method)(model=GPT, messages=messages, response_model=kind)

    return {
        "chat": lambda: str(ask(None, "JSON").choices[0].message.content),
        "tools": lambda: repr(ask(Weather, "TOOLS")),
        "schema": lambda: repr(ask(Weather, "JSON")),
        "stream": lambda: repr(list(ask(Weather, "TOOLS", "create_partial"))[-1]),
    }


CLIENTS: dict[str, Callable[[str], dict[str, Do]]] = {
    "groq": groq_sdk,
    "boto3": boto3_sdk,
    "litellm": litellm,
    "langchain-groq": langchain_groq,
    "langchain-aws": langchain_aws,
    "pydantic-ai (groq)": pydantic_ai_groq,
    "pydantic-ai (bedrock)": pydantic_ai_bedrock,
    "instructor": instructor,
}


def main() -> int:
    """Print a line for each thing that each client does; returns 1 where one fails."""
    warnings.simplefilter("ignore")
    keys = {"AWS_ACCESS_KEY_ID": "AKIA", "AWS_SECRET_ACCESS_KEY": "any"}
    # LiteLLM looks for newer prices as it is imported.
    os.environ.update(keys | {"LITELLM_LOCAL_MODEL_COST_MAP": "True"})
    failed = 0
    with Sandbox() as sandbox:
        for name, make in CLIENTS.items():
            try:
                tasks = make(sandbox.url)
            except ImportError as error:
                print(f"{name}: not installed ({error})")
                continue
            for task, do in tasks.items():
                try:
                    outcome = do().replace("\n", " ")[:70]
                    assert outcome
                except Exception as error:  # whatever a client raises is its failure
                    failed += 1
                    outcome = f"FAILED: {type(error).__name__}: {str(error)[:300]}"
                print(f"{name} {task}: {outcome}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
