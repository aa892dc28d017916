import { canInflate } from "./frame_reader.js";
import { formatPosition, subprotocols } from "./protocol.js";

/**
 * @typedef {object} Address
 * @property {string} url
 * @property {string} client
 * @property {(() => Promise<string | null>) | null} getToken
 * @property {typeof globalThis.WebSocket} WebSocket
 */

/**
 * Open a WebSocket.
 * @param {Address} to
 * @param {import("./protocol.js").Position | null} since where to resume
 * @param {() => boolean} stillWanted asked once more after the token has come
 * @returns {Promise<WebSocket | null>} null when it is no longer wanted; rejected when there is no token to be had
 */
export async function dial({ url, client, getToken, WebSocket }, since, stillWanted) {
  const token = getToken ? await getToken() : null;
  if (!stillWanted()) return null;
  const address = new URL(url, globalThis.location?.href);
  address.protocol = address.protocol.replace("http", "ws");
  if (since) address.searchParams.set("since", formatPosition(since));
  return new WebSocket(address.href, subprotocols({ client, token, deflate: canInflate() }));
}
