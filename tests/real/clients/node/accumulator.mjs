// The client's accumulator, fed with every event of a turn, shows each text so far, then the end.
import { ResponsesWebSocketAccumulator } from 'openai/lib/responses/responses-websocket-accumulator';
import { MODEL, connect, readToEnd, report, textOf } from './common.mjs';

const { ws, messages } = connect();
ws.send({ type: 'response.create', model: MODEL, input: 'one two', store: false });
const accumulator = new ResponsesWebSocketAccumulator();
const texts = [];
for (const event of await readToEnd(messages)) {
  accumulator.add(event);
  if (event.type === 'response.output_text.delta') texts.push(accumulator.current.snapshot.output_text);
}
const { phase, event } = accumulator.current;
report({ texts, phase, text: textOf(event.response) });
ws.close();
