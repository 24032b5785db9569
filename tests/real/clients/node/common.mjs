// What the programs share: a client of the server that the environment names, and turns over it.
import OpenAI from 'openai';
import { ResponsesWS } from 'openai/resources/responses/ws';

export const MODEL = 'gpt-6-astra';
export const QUESTION = 'What is the weather in Paris?';
export const TOOL = {
  type: 'function',
  name: 'get_weather',
  parameters: {
    type: 'object',
    properties: { city: { type: 'string' } },
    required: ['city'],
    additionalProperties: false,
  },
  strict: true,
};
export const ENDS = new Set(['response.completed', 'response.incomplete', 'response.failed']);

export const client = new OpenAI({ maxRetries: 0, timeout: 40_000 });

/** Print one JSON line, which the test reads. */
export function report(fields) {
  console.log(JSON.stringify(fields));
}

/** Make a text of so many words. */
export function words(count) {
  return Array.from({ length: count }, (_, number) => `word${number}`).join(' ');
}

/** Open a WebSocket; its errors come through the iterator and not as an unhandled rejection. */
export function connect() {
  const ws = new ResponsesWS(client);
  ws.on('error', () => {});
  return { ws, messages: ws.stream() };
}

/** Return the next event of the server; an error event comes as the client's error. */
export async function next(messages) {
  for (;;) {
    const { value, done } = await messages.next();
    if (done || value.type === 'close') throw new Error('the socket closed');
    if (value.type === 'message') return value.message;
    if (value.type === 'error') return { type: 'error', failure: value.error };
  }
}

/** Read to the end of a response, or to an error; return the events. */
export async function readToEnd(messages) {
  const events = [];
  do {
    events.push(await next(messages));
  } while (!ENDS.has(events.at(-1).type) && events.at(-1).type !== 'error');
  return events;
}

/** Take one turn; return its final response. */
export async function takeTurn({ ws, messages }, fields) {
  ws.send({ type: 'response.create', model: MODEL, store: false, ...fields });
  const last = (await readToEnd(messages)).at(-1);
  if (last.type === 'error') throw last.failure;
  return last.response;
}

/** Return the text of a response; over WebSocket the client does not compute `output_text`. */
export function textOf(response) {
  return response.output
    .flatMap((item) => (item.type === 'message' ? item.content : []))
    .map((part) => part.text)
    .join('');
}

/** Make the output of the one call of a response. */
export function answerCall(response) {
  const [call] = response.output;
  return [{ type: 'function_call_output', call_id: call.call_id, output: '14 °C' }];
}
