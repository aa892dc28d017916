import { RecentIds } from "../recent_ids.js";
import { overOldSockets } from "./old_page.js";

/** @typedef {"unified" | "legacy"} System */
/** @typedef {import("../messages.js").ToTab} ToTab */
/** @typedef {import("../messages.js").ToOwner} ToOwner */
/** @typedef {import("../ways.js").Open} Open */
/** @typedef {import("../shared_socket.js").Way} Way */

const OTHER_SYSTEM = 4510;

/**
 * The way to the system that this user is on, and over to the other one when the roll-out says so. The new one is open
 * before the old one is left, and what comes by both is passed on once.
 * @param {System} system @returns {(unified: Open) => Open}
 */
export const eitherWay = (system) => (unified) => (receive) => {
  const crossing = new Crossing({ unified, legacy: overOldSockets }, system, receive);
  return {
    post: (message) => crossing.post(message),
    revive: () => crossing.revive(),
    close: () => crossing.close(),
  };
};

class Crossing {
  #opens;
  #receive;
  /** @type {System} */
  #here;
  /** @type {System | null} where we are going */
  #next = null;
  /** @type {Partial<Record<System, Way>>} */
  #ways = {};
  /** @type {import("../messages.js").Hello | null} */
  #hello = null;
  #seen = new RecentIds();

  /** @param {Record<System, Open>} opens @param {System} system @param {(message: ToTab) => void} receive */
  constructor(opens, system, receive) {
    this.#opens = opens;
    this.#here = system;
    this.#receive = receive;
    this.#open(system);
  }

  /** @param {ToOwner} message */
  post(message) {
    if (message.kind === "hello") this.#hello = message;
    if (message.kind === "want" && this.#hello)
      this.#hello = { ...this.#hello, patterns: message.patterns, turn: message.turn };
    this.#ways[this.#here]?.post(message);
  }

  revive() {
    this.#ways[this.#here]?.revive();
  }

  close() {
    for (const system of /** @type {System[]} */ (Object.keys(this.#ways))) this.#leave(system);
  }

  /** @param {System} system */
  #open(system) {
    this.#ways[system] = this.#opens[system]((message) => this.#heard(system, message));
  }

  /** @param {System} system */
  #leave(system) {
    const way = this.#ways[system];
    delete this.#ways[system];
    way?.post({ kind: "leave" });
    way?.close();
  }

  /** @param {System} system @param {ToTab} message */
  #heard(system, message) {
    if (message.kind === "notice" && message.notice.code === "system_changed")
      return this.#go(/** @type {any} */ (message.notice).data.system);
    if (message.kind === "state" && system === "unified" && message.state.code === OTHER_SYSTEM) {
      if (this.#next === "unified") this.#stay();
      return this.#go("legacy");
    }
    if (message.kind === "events") {
      const events = message.events.filter((event) => this.#isNew(system, event));
      if (message.reached && this.#hello) this.#hello = { ...this.#hello, position: message.reached.at, needs: [] };
      return this.#receive({ ...message, events });
    }
    if (system === this.#next && message.kind === "state" && message.state.name === "live") this.#arrive();
    if (system === this.#here) this.#receive(message);
  }

  /** Frames of the old system have no id; an event is known by its type, its time and what it says. */
  #isNew(/** @type {System} */ system, /** @type {any} */ event) {
    if (system === "unified" && typeof event.position !== "number") return true; // a stream: never on the old system
    return this.#seen.add(`${event.event_type} ${event.timestamp} ${JSON.stringify(event.data)}`);
  }

  /** @param {System} system */
  #go(system) {
    if (system === (this.#next ?? this.#here)) return;
    if (system === this.#here) return this.#stay();
    this.#next = system;
    this.#open(system);
    if (this.#hello) this.#ways[system]?.post({ ...this.#hello, fresh: true });
    if (system === "unified") this.#ways.unified?.post({ kind: "reconnect" });
  }

  #stay() {
    if (this.#next) this.#leave(this.#next);
    this.#next = null;
  }

  #arrive() {
    const before = this.#here;
    this.#here = /** @type {System} */ (this.#next);
    this.#next = null;
    this.#leave(before);
    this.#receive({ kind: "owner" });
  }
}
