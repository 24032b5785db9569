// A text turn: the deltas, and the response that they make.
import { MODEL, connect, readToEnd, report, textOf } from './common.mjs';

const { ws, messages } = connect();
ws.send({ type: 'response.create', model: MODEL, input: 'Say hello.', store: false });
const events = await readToEnd(messages);
const deltas = events.filter((event) => event.type === 'response.output_text.delta');
const { response } = events.at(-1);
report({
  end: events.at(-1).type,
  streamed: deltas.map((event) => event.delta).join(''),
  text: textOf(response),
  model: response.model,
});
ws.close();
