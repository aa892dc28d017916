import { EventManager } from "./event_manager.js";
import { parsePosition } from "./protocol.js";
import { SharedSocket } from "./shared_socket.js";
import { alone, overBroadcast, overWorker } from "./ways.js";

export { EventManager } from "./event_manager.js";
export { RealtimeError } from "./protocol.js";
export { SharedSocket } from "./shared_socket.js";
export { UnifiedWebSocketService } from "./websocket_service.js";

/**
 * A page's share of the one connection that all tabs of a browser profile have together.
 * @param {object} options
 * @param {string} options.url address of the endpoint, for instance `/ws/`
 * @param {string | null} [options.position] `<epoch>:<position>` that the page was read at: it gets what happened since
 * @param {number | null} [options.userId] who the page was made for; a connection of somebody else is not used
 * @param {string} [options.client] name of the client: there is one connection per user and client name
 * @param {(way: import("./ways.js").Open) => import("./ways.js").Open} [options.through] what stands between this page and
 *   the owner of the socket
 * @returns {{service: SharedSocket, events: EventManager}}
 */
export function connect({ url, position = null, userId = null, client = "web", through = (way) => way }) {
  const at = parsePosition(position);
  const address = new URL(url, location.href).href;
  const service = new SharedSocket(
    { url: address, client, userId, position: at },
    through(wayFor(`dnsadmin:${client}:${address}`)),
  );
  const events = new EventManager(service, { position: at });
  addEventListener("pagehide", () => service.close());
  addEventListener("pageshow", ({ persisted }) => persisted && service.enter());
  return { service, events };
}

/** @param {string} name @returns {import("./ways.js").Open} the best way of sharing that this browser has */
function wayFor(name) {
  const second = "BroadcastChannel" in globalThis && navigator.locks ? overBroadcast(name) : alone();
  return "SharedWorker" in globalThis ? overWorker(name, second) : second;
}
