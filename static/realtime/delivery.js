import { matchesAny } from "./protocol.js";

/** @typedef {import("./protocol.js").RealtimeEvent} RealtimeEvent */

const FRAME_MS = 12; // what event handlers may take of an animation frame; the rest waits for the next
const HIDDEN_MS = 100; // the same while nobody looks
const LATEST_MS = 250; // frames do not come while the window is covered
const MOST_HELD = 5000;

/** Calls once, with the next animation frame, or soon when there are none. @param {() => void} run */
function nextFrame(run) {
  if (typeof requestAnimationFrame !== "function" || document.visibilityState === "hidden") {
    setTimeout(run, 50);
    return;
  }
  let done = false;
  const once = () => {
    if (done) return;
    done = true;
    run();
  };
  requestAnimationFrame(once);
  setTimeout(once, LATEST_MS);
}

/** Holds events until the next frame, or as long as their kind is paused, and gives them out in order of position. */
export class Delivery {
  #give;
  #onWaiting;
  #overflowed;
  /** @type {RealtimeEvent[]} */
  #queue = [];
  /** @type {RealtimeEvent[]} */
  #held = [];
  /** @type {Set<string>} */
  #paused = new Set();
  #scheduled = false;
  #standing = 0;

  /**
   * @param {(event: RealtimeEvent) => void} give
   * @param {(count: number) => void} onWaiting how many events a pause holds back; told once a frame
   * @param {() => void} overflowed more waited than can be kept, and something durable was let go
   */
  constructor(give, onWaiting, overflowed) {
    this.#give = give;
    this.#onWaiting = onWaiting;
    this.#overflowed = overflowed;
  }

  /** How many events a pause holds back. */
  get waiting() {
    return this.#held.length;
  }

  /** @param {RealtimeEvent} event */
  add(event) {
    if (matchesAny(this.#paused, event.event_type)) this.#hold(event);
    else insert(this.#queue, event);
    this.#schedule();
  }

  /** @param {string[]} patterns */
  pause(patterns) {
    for (const pattern of patterns) this.#paused.add(pattern);
  }

  /** @param {string[]} patterns */
  resume(patterns) {
    for (const pattern of patterns) this.#paused.delete(pattern);
    const held = this.#held;
    this.#held = [];
    for (const event of held) this.add(event);
    this.#schedule();
  }

  /** Give nothing out until `go()`; of several, until the last. */
  stand() {
    this.#standing += 1;
  }

  go() {
    this.#standing -= 1;
    this.#schedule();
  }

  /** @param {RealtimeEvent} event */
  #hold(event) {
    insert(this.#held, event);
    if (this.#held.length <= MOST_HELD) return;
    const passing = this.#held.findIndex(({ position }) => typeof position !== "number");
    this.#held.splice(Math.max(0, passing), 1);
    if (passing < 0) this.#overflowed();
  }

  #schedule() {
    if (this.#scheduled) return;
    this.#scheduled = true;
    nextFrame(() => this.#run());
  }

  #run() {
    this.#scheduled = false;
    this.#onWaiting(this.#held.length);
    if (this.#standing) return;
    const until = performance.now() + (globalThis.document?.visibilityState === "hidden" ? HIDDEN_MS : FRAME_MS);
    let given = 0;
    while (given < this.#queue.length && performance.now() < until) this.#give(this.#queue[given++]);
    this.#queue.splice(0, given);
    if (this.#queue.length) this.#schedule();
  }
}

/**
 * Put a durable event before those of a later position; others just follow.
 * @param {RealtimeEvent[]} queue
 * @param {RealtimeEvent} event
 */
function insert(queue, event) {
  let index = queue.length;
  if (typeof event.position === "number") {
    while (index > 0 && (queue[index - 1].position ?? -1) > event.position) index -= 1;
  }
  queue.splice(index, 0, event);
}
