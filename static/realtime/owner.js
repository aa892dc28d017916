import { Hub } from "./hub.js";
import { watchLife } from "./life_sign.js";
import { UnifiedWebSocketService } from "./websocket_service.js";

/**
 * The owner of the socket, wherever it runs: begins with the first tab that introduces itself, which says where to
 * connect to.
 */
export class Owner {
  /** @type {Hub | null} */
  #hub = null;

  /**
   * @param {string} tab
   * @param {import("./messages.js").ToOwner} message
   * @param {(message: import("./messages.js").ToTab) => void} post
   */
  receive(tab, message, post) {
    if (message.kind === "hello") {
      const { url, client } = message;
      const eventsUrl = new URL("/api/realtime/events/", url.replace(/^ws/, "http")).href;
      this.#hub ??= new Hub(new UnifiedWebSocketService({ url, client, eventsUrl }), watchLife);
    }
    if (this.#hub) this.#hub.receive(tab, message, post);
    else if (message.kind !== "leave") post({ kind: "owner" });
  }

  close() {
    this.#hub?.close();
    this.#hub = null;
  }
}
