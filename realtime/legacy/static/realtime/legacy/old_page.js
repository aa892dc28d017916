import { matchesAny } from "../protocol.js";
import { INITIAL_STATE } from "../state.js";
import { OldSocket } from "./old_socket.js";

/** @typedef {import("../messages.js").ToTab} ToTab */
/** @typedef {import("../messages.js").ToOwner} ToOwner */
/** @typedef {import("../protocol.js").Position} Position */

const KINDS = ["health", "dns_management", "security", "system", "admin"];
const AT_ONCE = 500;
const AGAIN_MS = 1000;
/** What came by a name of the old system and has one of its own today, which it says in `what`. */
const RENAMED = new Set(["rpz_rule_created", "rpz_rule_updated", "rpz_rule_deleted", "bind_config_change"]);

/**
 * The client of the old system: five sockets of this page alone. What it missed before they were open, and while one was
 * away, it reads from the log over HTTP, which the old client never did.
 * @type {import("../ways.js").Open}
 */
export const overOldSockets = (receive) => {
  const page = new OldPage(receive);
  return { post: (message) => page.post(message), revive: () => {}, close: () => page.close() };
};

class OldPage {
  #receive;
  /** @type {OldSocket[]} */
  #sockets = [];
  /** @type {string[]} */
  #patterns = [];
  #turn = 0;
  /** @type {Position | null} up to where this page has read the log */
  #at = null;
  #reading = false;
  #state = { ...INITIAL_STATE };

  /** @param {(message: ToTab) => void} receive */
  constructor(receive) {
    this.#receive = receive;
  }

  /** @param {ToOwner} message */
  post(message) {
    switch (message.kind) {
      case "hello":
        this.#patterns = message.patterns;
        this.#turn = message.turn;
        if (!this.#sockets.length) {
          this.#at = message.position;
          this.#open(message.url);
        }
        return this.#tell();
      case "want":
        this.#patterns = message.patterns;
        this.#turn = message.turn;
        if (message.need) this.#read(message.need.since);
        return undefined;
      case "command": {
        const words = "Not possible for now: you are on the old system.";
        const error = { code: "other_system", message: words, details: {}, help: "/docs/how-to/leave-the-old-sockets/" };
        return this.#receive({ kind: "refusal", ref: message.ref, error });
      }
      case "here":
        return this.#receive({ kind: "here" });
      case "reconnect":
      case "check":
        return this.#sockets.forEach((socket) => socket.check());
      case "leave":
        return this.close();
    }
  }

  close() {
    for (const socket of this.#sockets) socket.close();
    this.#sockets = [];
  }

  /** @param {string} url of the unified endpoint; the old ones lie below it */
  #open(url) {
    this.#become({ name: "connecting" });
    this.#sockets = KINDS.map(
      (kind) =>
        new OldSocket(new URL(`${kind}/`, url).href, {
          frame: (frame) => this.#heard(frame),
          change: (retryInS) => this.#changed(retryInS),
        }),
    );
  }

  /** @param {number | null} retryInS */
  async #changed(retryInS) {
    if (!this.#sockets.every(({ settled }) => settled)) {
      if (retryInS !== null) this.#become({ name: "reconnecting", retryInS });
      return;
    }
    if (this.#at) await this.#read(this.#at);
    this.#become({ name: "live", retryInS: null, lastHeardAt: Date.now() });
  }

  /** @param {import("./old_socket.js").OldFrame} frame */
  #heard({ type, data, timestamp }) {
    if (type === "system_changed") {
      const notice = { type: /** @type {"notice"} */ ("notice"), code: type, message: data.message, data };
      return this.#receive({ kind: "notice", notice: /** @type {any} */ (notice) });
    }
    if (RENAMED.has(data?.what)) {
      const { what, ...rest } = data;
      [type, data] = [what, rest];
    }
    if (timestamp && matchesAny(this.#patterns, type)) {
      const event = { type: "event", event_type: type, id: `${type}@${timestamp}`, timestamp, source_user: null, data };
      this.#receive({ kind: "events", events: [/** @type {any} */ (event)], reached: null });
    }
  }

  /** Read the log over HTTP, all of it after a position. @param {Position} since */
  async #read(since) {
    if (this.#reading) return;
    this.#reading = true;
    let at = since;
    for (let more = true; more && this.#sockets.length; ) {
      const piece = await pieceAfter(at);
      if (piece === "later") {
        await new Promise((resolve) => setTimeout(resolve, AGAIN_MS * (0.5 + Math.random())));
        continue;
      }
      if (piece === "refused") break;
      const { recovered, reason, results, upto } = piece;
      const [epoch, position] = upto.split(":");
      this.#at = at = { epoch, position: Number(position) };
      if (recovered) {
        const events = results.filter((/** @type {any} */ event) => matchesAny(this.#patterns, event.event_type));
        this.#receive({ kind: "events", events, reached: { at, turn: this.#turn } });
      } else this.#receive({ kind: "resync", reason });
      more = recovered && results.length === AT_ONCE;
    }
    this.#reading = false;
  }

  /** @param {Partial<import("../state.js").State>} news */
  #become(news) {
    this.#state = { ...this.#state, ...news };
    this.#tell();
  }

  #tell() {
    this.#receive({ kind: "state", state: this.#state, reached: null });
  }
}

/**
 * A piece of the log over HTTP. "later": the server cannot now, or could not be reached. @param {Position} at
 * @returns {Promise<any | "later" | "refused">}
 */
async function pieceAfter(at) {
  const query = new URLSearchParams({ since: `${at.epoch}:${at.position}`, limit: String(AT_ONCE) });
  try {
    const answer = await fetch(`/api/realtime/events/?${query}`, { headers: { Accept: "application/json" } });
    if (answer.status >= 500 || answer.status === 429) return "later";
    return answer.ok ? await answer.json() : "refused";
  } catch {
    return "later";
  }
}
