// An unknown previous id comes as the client's error, and the socket works on.
import { MODEL, connect, next, report, takeTurn, textOf } from './common.mjs';

const connection = connect();
connection.ws.send({
  type: 'response.create',
  model: MODEL,
  input: 'hi',
  previous_response_id: 'resp_none',
  store: false,
});
const { failure } = await next(connection.messages);
report({
  kind: failure.constructor.name,
  message: failure.message,
  code: failure.error.error.code,
  status: failure.error.status,
});
report({ text: textOf(await takeTurn(connection, { input: 'hi' })) });
connection.ws.close();
