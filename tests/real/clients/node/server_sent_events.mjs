// The same over HTTP: `stream: true`, the `stream()` helper, a tool with its answer, an error.
import { MODEL, QUESTION, TOOL, answerCall, client, report } from './common.mjs';

const texts = [];
let last;
for await (const event of await client.responses.create({
  model: MODEL,
  input: 'Say hello.',
  stream: true,
})) {
  if (event.type === 'response.output_text.delta') texts.push(event.delta);
  last = event;
}
report({ end: last.type, streamed: texts.join('') });

const first = await client.responses
  .stream({ model: MODEL, input: QUESTION, tools: [TOOL] })
  .finalResponse();
const second = await client.responses
  .stream({
    model: MODEL,
    input: answerCall(first),
    previous_response_id: first.id,
    tools: [TOOL],
  })
  .finalResponse();
report({ arguments: first.output[0].arguments, text: second.output_text });

const failure = await client.responses
  .create({ model: MODEL, input: 'hi', previous_response_id: 'resp_none', stream: true })
  .catch((error) => error);
report({ kind: failure.constructor.name, status: failure.status, code: failure.code });
