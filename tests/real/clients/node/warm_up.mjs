// A warm-up that holds the question, and a turn that continues it without any input.
import { QUESTION, TOOL, connect, report, takeTurn } from './common.mjs';

const connection = connect();
const warm = await takeTurn(connection, { input: QUESTION, generate: false });
report({ output: warm.output, output_tokens: warm.usage.output_tokens });
const more = await takeTurn(connection, {
  input: [],
  previous_response_id: warm.id,
  tools: [TOOL],
});
report({ arguments: more.output[0].arguments });
connection.ws.close();
