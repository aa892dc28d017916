import { matchesAny } from "./protocol.js";

/** @typedef {import("./protocol.js").RealtimeEvent & {position: number}} DurableEvent */

/**
 * The newest durable events, for those who come late, and from where on they are complete: each event type has a floor,
 * the position after which none of its events is missing here.
 */
export class RecentEvents {
  /** @type {DurableEvent[]} in order of position, each position once */
  #events = [];
  /** @type {Map<string, number>} */
  #floors = new Map();
  #forgotten = 0; // the last position that there was no room for
  #limit;

  /** @param {number} [limit] */
  constructor(limit = 1000) {
    this.#limit = limit;
  }

  /** @param {DurableEvent} event */
  add(event) {
    let index = this.#events.length;
    while (index > 0 && this.#events[index - 1].position > event.position) index -= 1;
    if (index > 0 && this.#events[index - 1].position === event.position) return;
    this.#events.splice(index, 0, event);
    if (this.#events.length <= this.#limit) return;
    this.#forgotten = Math.max(this.#forgotten, /** @type {DurableEvent} */ (this.#events.shift()).position);
  }

  /** From `position` on nothing of these types is missing. @param {Iterable<string>} types @param {number} position */
  completeFrom(types, position) {
    for (const type of types) this.#floors.set(type, Math.min(position, this.#floors.get(type) ?? position));
  }

  /** Only these types are still received. @param {ReadonlySet<string>} types @returns {string[]} those that ended */
  keep(types) {
    const ended = [...this.#floors.keys()].filter((type) => !types.has(type));
    for (const type of ended) this.#floors.delete(type);
    return ended;
  }

  /**
   * @param {string[]} patterns
   * @param {Iterable<string>} types all that are received
   * @param {number} position
   * @returns {boolean} whether everything that fits the patterns is here from that position on
   */
  covers(patterns, types, position) {
    for (const type of types) {
      if (matchesAny(patterns, type) && (this.#floors.get(type) ?? Infinity) > position) return false;
    }
    return position >= this.#forgotten;
  }

  /** @param {number} position */
  after(position) {
    return this.#events.filter((event) => event.position > position);
  }

  clear() {
    this.#events = [];
    this.#floors.clear();
    this.#forgotten = 0;
  }
}
