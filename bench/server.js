// A chat completion for every POST, after the milliseconds that are given: node server.js 50
const http = require('http');
const message = { role: 'assistant', content: 'Hello!' };
const body = JSON.stringify({
  id: 'chatcmpl-0', object: 'chat.completion', created: 1790000000, model: 'openai/gpt-oss-120b',
  choices: [{ index: 0, message, logprobs: null, finish_reason: 'stop' }],
  usage: { prompt_tokens: 9, completion_tokens: 3, total_tokens: 12, total_time: 0.001 },
  x_groq: { id: 'req_0' },
});
const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) };
const delay = Number(process.argv[2]);
const server = http.createServer((request, response) => {
  const answer = () => { response.writeHead(200, headers); response.end(body); };
  request.resume();
  request.on('end', () => (delay ? setTimeout(answer, delay) : answer()));
});
server.keepAliveTimeout = 60000;
server.listen(0, '127.0.0.1', 8192, () => console.log(server.address().port));
