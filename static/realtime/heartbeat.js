/**
 * Finds out that a connection is dead although nobody closed it (Wi-Fi gone, laptop slept, Chromium offline). After a
 * quiet spell it asks; when nothing at all is heard for the time of patience, the connection is lost. Because death is
 * only ever concluded from an unanswered question, a timer that the browser delays cannot kill a healthy connection.
 */
export class Heartbeat {
  #options;
  #heardAt = performance.now();
  #asked = false;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;

  /** @param {{quietMs: number, patienceMs: number, ask: () => void, lost: () => void}} options */
  constructor(options) {
    this.#options = options;
    this.#wait(options.quietMs);
  }

  /** Something arrived. */
  heard() {
    this.#heardAt = performance.now();
    if (!this.#asked) return;
    this.#asked = false;
    this.#wait(this.#options.quietMs);
  }

  /** Ask now. @param {number} [patienceMs] */
  check(patienceMs = this.#options.patienceMs) {
    if (this.#asked) return;
    this.#asked = true;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(this.#options.lost, patienceMs);
    this.#options.ask();
  }

  stop() {
    clearTimeout(this.#timer);
  }

  /** @param {number} delayMs */
  #wait(delayMs) {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      const left = this.#heardAt + this.#options.quietMs - performance.now();
      if (left > 0) this.#wait(left);
      else this.check();
    }, delayMs);
  }
}
