import { MessageChannel } from "node:worker_threads";

import { EventManager } from "../../../static/realtime/event_manager.js";
import { Hub } from "../../../static/realtime/hub.js";
import { parsePosition } from "../../../static/realtime/protocol.js";
import { SharedSocket } from "../../../static/realtime/shared_socket.js";
import { UnifiedWebSocketService } from "../../../static/realtime/websocket_service.js";
import { Peer } from "./peer.js";
import { QUICK } from "./stage.js";
import { until } from "./waiting.js";
import { WebSocket } from "./websocket.js";

/**
 * A browser profile: tabs that share one socket to a peer, over real message channels. `newOwner()` is what happens
 * when the tab that owned the socket goes and another takes over.
 * @param {import("node:test").TestContext} test
 */
export async function profile(test, { remembered = 1000, lingerMs = 50 } = {}) {
  const peer = await new Peer().start();
  const tabs = [];
  const goings = new Map();
  let hub, service;

  function makeOwner() {
    service = new UnifiedWebSocketService({
      url: peer.url,
      eventsUrl: peer.eventsUrl,
      client: "web",
      WebSocket,
      timing: QUICK,
    });
    hub = new Hub(service, (id, gone) => goings.set(id, gone), { remembered, lingerMs });
  }
  makeOwner();

  test.after(async () => {
    for (const tab of tabs) tab.close();
    hub.close();
    await peer.stop();
  });

  /** Open a tab whose page was read at `position` (`<epoch>:<position>`). */
  function open({ position = null, userId = null, wants = ["*"] } = {}) {
    const at = parsePosition(position);
    const id = `tab${tabs.length}`;
    const { port1: here, port2: there } = new MessageChannel();
    there.on("message", (message) => hub.receive(id, message, (answer) => there.postMessage(answer)));
    const way = (receive) => {
      here.on("message", receive);
      return {
        post: (message) => here.postMessage(message),
        revive: () => {},
        close: () => setTimeout(() => here.close(), 20),
      };
    };
    const socket = new SharedSocket({ url: peer.url, client: "web", userId, position: at }, way);
    const events = new EventManager(socket, { position: at });
    const tab = {
      id,
      socket,
      events,
      seen: [],
      states: [],
      resyncs: [],
      close: () => socket.close(),
      tell: (message) => there.postMessage(message),
    };
    tab.positions = () => tab.seen.map((event) => event.position);
    socket.onState(({ name }) => tab.states.at(-1) === name || tab.states.push(name));
    events.onResync(({ reason }) => tab.resyncs.push(reason));
    if (wants.length) events.on(wants, (event) => tab.seen.push(event));
    tabs.push(tab);
    return tab;
  }

  function newOwner() {
    hub.close();
    makeOwner();
    for (const tab of tabs) tab.tell({ kind: "owner" });
  }

  /** The owner believes that a tab is gone. */
  const forget = ({ id }) => goings.get(id)();

  const live = (...all) => until(() => all.every(({ socket }) => socket.state.name === "live"), "live");
  return {
    peer,
    open,
    live,
    newOwner,
    forget,
    connection: () => peer.connections.at(-1),
    position: () => service.position,
  };
}
