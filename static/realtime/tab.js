import { matchesAny } from "./protocol.js";

/** @typedef {import("./protocol.js").RealtimeEvent} RealtimeEvent */
/** @typedef {import("./protocol.js").Position} Position */
/** @typedef {import("./messages.js").ToTab} ToTab */
/** @typedef {import("./messages.js").Need} Need */

/**
 * A tab, as the owner of the shared socket sees it. While the tab still needs events from before, everything durable is
 * held back for it, so that it gets one sequence in order.
 */
export class Tab {
  /** @type {Need[]} */
  needs = [];
  /** It belongs to somebody else than the socket: signed in anew in this browser meanwhile. */
  stranger = false;
  lastSeen = Date.now();
  /** @type {Map<number, RealtimeEvent>} by position */
  #held = new Map();
  /** @type {RealtimeEvent[]} */
  #outbox = [];
  #position;

  /**
   * @param {{userId: number | null, patterns: string[], turn: number}} who
   * @param {(message: ToTab) => void} post
   * @param {() => Position | null} position of the socket
   */
  constructor({ userId, patterns, turn }, post, position) {
    this.userId = userId;
    this.patterns = patterns;
    this.turn = turn;
    this.post = post;
    this.#position = position;
  }

  /** @param {string} eventType */
  wants(eventType) {
    return !this.stranger && matchesAny(this.patterns, eventType);
  }

  /** @param {RealtimeEvent} event @param {{replayed: boolean}} how */
  offer(event, { replayed }) {
    if (!this.wants(event.event_type)) return;
    if (this.needs.length && typeof event.position === "number") this.#held.set(event.position, event);
    else if (!replayed) this.#send(event);
  }

  /** These needs are met, together with what was held back. @param {Need[]} met @param {RealtimeEvent[]} events */
  meet(met, events) {
    for (const event of events) this.offer(event, { replayed: true });
    this.needs = this.needs.filter((need) => !met.includes(need));
    if (this.needs.length) return;
    const held = [...this.#held.entries()].sort(([a], [b]) => a - b);
    this.#held.clear();
    for (const [, event] of held) this.#send(event);
    this.#flush();
  }

  /** It has to read again what it shows, and needs nothing from before. @param {string} reason */
  resync(reason) {
    this.needs = [];
    this.#held.clear();
    this.#outbox = [];
    this.post({ kind: "resync", reason });
  }

  /** @param {import("./messages.js").ToOwner & {kind: "want"}} wish */
  want({ patterns, need, turn }) {
    this.patterns = patterns;
    this.turn = turn;
    if (need) this.needs.push(need);
  }

  /** @returns {import("./messages.js").Reached} */
  get reached() {
    const at = this.needs.length ? null : this.#position();
    return at && { at, turn: this.turn };
  }

  /** What arrives together is passed on together. @param {RealtimeEvent} event */
  #send(event) {
    if (this.#outbox.push(event) === 1) queueMicrotask(() => this.#flush());
  }

  #flush() {
    const events = this.#outbox;
    this.#outbox = [];
    this.post({ kind: "events", events, reached: this.reached });
  }
}
