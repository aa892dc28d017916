import { UnifiedWebSocketService } from "../../../static/realtime/websocket_service.js";
import { Peer } from "./peer.js";
import { WebSocket } from "./websocket.js";
import { until } from "./waiting.js";

export const QUICK = {
  baseMs: 20,
  capMs: 60,
  stableMs: 150,
  openMs: 400,
  patienceMs: 100,
  commandMs: 500,
  resumeMs: 500,
  pollMs: 30,
};

/**
 * A peer, and a service that writes down what it hears. Both end with the test.
 * @param {import("node:test").TestContext} test
 */
export async function stage(test, { start = true, ...options } = {}) {
  const peer = await new Peer().start();
  const service = new UnifiedWebSocketService({
    url: peer.url,
    eventsUrl: peer.eventsUrl,
    WebSocket,
    timing: QUICK,
    ...options,
  });
  test.after(async () => {
    service.close();
    await peer.stop();
  });
  const heard = { events: [], replayed: [], states: [], resyncs: [], gaps: [], notices: [] };
  service.on("event", (event, { replayed }) => (replayed ? heard.replayed : heard.events).push(event));
  service.on("state", (state) => heard.states.push(state.name));
  service.on("resync", ({ reason }) => heard.resyncs.push(reason));
  service.on("gap", (gap) => heard.gaps.push(gap));
  service.on("notice", (notice) => heard.notices.push(notice));
  const live = () => until(() => service.state.name === "live" && peer.connections.length === 1, "live");
  if (start) {
    service.start();
    await live();
  }
  const positions = () => heard.events.map(({ position }) => position);
  return { peer, service, heard, live, positions, connection: () => peer.connections.at(-1) };
}
