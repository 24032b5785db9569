// Words that arrive while a turn runs are accepted, and their own response follows unasked.
import { MODEL, connect, next, readToEnd, report, textOf, words } from './common.mjs';

const { ws, messages } = connect();
ws.send({ type: 'response.create', model: MODEL, input: words(4_000), store: false });
const { response: first } = await next(messages);
ws.send({ type: 'response.steer', previous_response_id: first.id, input: 'Make it short.' });
const kinds = (await readToEnd(messages)).map((event) => event.type);
report({ accepted: kinds.filter((kind) => kind === 'response.steer.accepted').length });
const { response: successor } = (await readToEnd(messages)).at(-1);
report({
  text: textOf(successor),
  continued: successor.previous_response_id === first.id,
});
ws.close();
