// Two lanes of the client's own session, at once over one socket; then a lane that has an error.
import { ResponsesWebSocketSession } from 'openai/lib/responses/responses-websocket-session';
import { MODEL, connect, report, textOf, words } from './common.mjs';

const { ws } = connect();
const order = [];
ws.on('event', (event) => order.push(event.stream_id));
const session = new ResponsesWebSocketSession(ws, {
  maxLanes: 8,
  maxBufferedEvents: 10_000,
  maxBufferedBytes: 2 ** 24,
});
await new Promise((resolve) => ws.socket.once('open', resolve));

const lanes = ['a', 'b'].map((name) => session.lane(name));
for (const lane of lanes) {
  lane.create({ model: MODEL, input: `${lane.streamID} ${words(1_500)}`, store: false });
}
const responses = await Promise.all(lanes.map((lane) => lane.finalResponse()));
report({
  right: responses.map(
    (response, index) => textOf(response) === `You said: ${lanes[index].streamID} ${words(1_500)}`,
  ),
  interleaved: order.indexOf('b') < order.lastIndexOf('a'),
});

lanes[0].create({ model: MODEL, input: 'hi', previous_response_id: 'resp_none', store: false });
const failure = await lanes[0].finalResponse().catch((error) => error);
lanes[1].create({ model: MODEL, input: 'hi', previous_response_id: responses[1].id, store: false });
report({ code: failure.error.error.code, text: textOf(await lanes[1].finalResponse()) });
ws.close();
