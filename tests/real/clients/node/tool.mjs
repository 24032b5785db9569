// A call of a tool, its answer by the id before, and one more turn after it.
import { QUESTION, TOOL, answerCall, connect, report, takeTurn, textOf } from './common.mjs';

const connection = connect();
const first = await takeTurn(connection, { input: QUESTION, tools: [TOOL] });
report({ name: first.output[0].name, arguments: first.output[0].arguments });
const second = await takeTurn(connection, {
  input: answerCall(first),
  previous_response_id: first.id,
  tools: [TOOL],
});
report({ text: textOf(second), continued: second.previous_response_id === first.id });
const third = await takeTurn(connection, {
  input: 'Thank you.',
  previous_response_id: second.id,
  tools: [TOOL],
});
report({ text: textOf(third), continued: third.previous_response_id === second.id });
connection.ws.close();
