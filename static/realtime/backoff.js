/**
 * How long to wait before trying again: "full jitter" (a random part of a limit that doubles), so that the clients of a
 * restarted server do not return in waves.
 */
export class Backoff {
  #attempt = 0;
  #baseMs;
  #capMs;
  #random;

  /** @param {{baseMs?: number, capMs?: number, random?: () => number}} [options] */
  constructor({ baseMs = 500, capMs = 20_000, random = Math.random } = {}) {
    this.#baseMs = baseMs;
    this.#capMs = capMs;
    this.#random = random;
  }

  /** Waits handed out since the last success. */
  get attempt() {
    return this.#attempt;
  }

  /**
   * The next wait in milliseconds.
   * @param {number | null} [askedMs] the wait that the server asked for, which it has spread itself
   */
  next(askedMs = null) {
    const limit = Math.min(this.#capMs, this.#baseMs * 2 ** this.#attempt);
    this.#attempt += 1;
    return askedMs ?? this.#random() * limit;
  }

  reset() {
    this.#attempt = 0;
  }
}
