import { Bookmark } from "./bookmark.js";
import { RecentIds } from "./recent_ids.js";

/**
 * @typedef {object} Outlet
 * @property {(event: import("./protocol.js").RealtimeEvent, how: {replayed: boolean}) => void} event
 * @property {(why: {reason: string}) => void} resync
 */

/**
 * Takes in what a connection brings: drops repeats, keeps the bookmark, and knows what is being sent again on request.
 * Replayed events are those that a `resume` brings back although they were received before.
 */
export class Inbox {
  #bookmark;
  #outlet;
  #seen = new RecentIds();
  /** @type {import("./protocol.js").Position | null} what this connection asked to go on from */
  #asked = null;
  /** @type {{from: number} | null} the running `resume`, and where the bookmark was when it was asked for */
  #rewind = null;

  /** @param {import("./protocol.js").Position | null} position @param {Outlet} outlet */
  constructor(position, outlet) {
    this.#bookmark = new Bookmark(position);
    this.#outlet = outlet;
  }

  /** Where to go on from after a break. */
  get position() {
    return this.#bookmark.position;
  }

  /** A new connection is being opened. @returns {import("./protocol.js").Position | null} what it is to resume from */
  begin() {
    this.#rewind = null;
    this.#asked = this.#bookmark.position;
    if (this.#asked) this.#bookmark.hold();
    else this.#bookmark.release();
    return this.#asked;
  }

  /** @param {import("./protocol.js").Welcome} frame */
  welcome({ resume, resumed }) {
    this.#bookmark.release();
    if (this.#asked && resumed?.recovered) return; // the replay may still be on its way: its events move the bookmark
    this.#bookmark.set(resume);
    if (this.#asked) this.#outlet.resync({ reason: resumed?.recovered === false ? resumed.reason : "not_resumed" });
  }

  /** The connection is gone: what arrives by other ways moves the bookmark. */
  lost() {
    this.#rewind = null;
    this.#bookmark.release();
  }

  /**
   * Go on from here; with a reason if events may be missing.
   * @param {import("./protocol.js").Position} position
   * @param {string | null} reason
   */
  restart(position, reason) {
    this.#bookmark.set(position);
    if (reason) this.#outlet.resync({ reason });
  }

  /** @param {import("./protocol.js").RealtimeEvent} event */
  event(event) {
    this.#deliver(event);
    this.#bookmark.move(event.upto);
  }

  /** @param {import("./protocol.js").Batch} batch */
  batch(batch) {
    for (const event of batch.events) this.#deliver(event);
    this.#bookmark.move(batch.upto);
  }

  /** @param {number | undefined} upto */
  nothingUpTo(upto) {
    this.#bookmark.move(upto);
  }

  /**
   * Ask for a part of the log again; one at a time.
   * @param {() => Promise<import("./protocol.js").Resumed>} ask
   */
  async rewind(ask) {
    const rewind = { from: this.#bookmark.position?.position ?? 0 };
    this.#rewind = rewind;
    this.#bookmark.hold();
    try {
      return await ask();
    } finally {
      if (this.#rewind === rewind) {
        this.#rewind = null;
        this.#bookmark.release();
      }
    }
  }

  /** @param {import("./protocol.js").RealtimeEvent} event */
  #deliver(event) {
    const { id, position } = event;
    if (typeof position !== "number") {
      this.#outlet.event(event, { replayed: false });
      return;
    }
    const repeated = !this.#seen.add(id);
    const replayed = this.#rewind !== null && (repeated || position <= this.#rewind.from);
    if (!repeated || replayed) this.#outlet.event(event, { replayed });
  }
}
