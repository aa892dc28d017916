import { Backoff } from "./backoff.js";

/** Waits for the next attempt, counting down each second for those who watch. */
export class Retry {
  #backoff;
  #go;
  #onCount;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;
  #dueAt = 0;
  #told = -1;

  /**
   * @param {{baseMs: number, capMs: number}} limits
   * @param {() => void} go the next attempt
   * @param {(seconds: number) => void} onCount seconds left, rounded up
   */
  constructor(limits, go, onCount) {
    this.#backoff = new Backoff(limits);
    this.#go = go;
    this.#onCount = onCount;
  }

  /** Attempts waited for since the last success. */
  get attempt() {
    return this.#backoff.attempt;
  }

  get waiting() {
    return this.#timer !== undefined;
  }

  /** @param {number | null} askedMs the wait that the server asked for */
  wait(askedMs) {
    this.#dueAt = performance.now() + this.#backoff.next(askedMs);
    this.#told = -1;
    this.#count();
  }

  now() {
    this.stop();
    this.#go();
  }

  stop() {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  /** The connection has proved itself: the next wait is a short one again. */
  reset() {
    this.#backoff.reset();
  }

  #count() {
    const leftMs = Math.max(0, this.#dueAt - performance.now());
    const begun = this.#told >= 0;
    const seconds = Math.max(begun ? 0 : 1, Math.ceil(leftMs / 1000)); // however short the wait, there is one
    if (!begun || (leftMs >= 1 && seconds !== this.#told)) this.#onCount(seconds);
    this.#told = seconds;
    if (leftMs < 1) this.now();
    else this.#timer = setTimeout(() => this.#count(), leftMs % 1000 || 1000);
  }
}
