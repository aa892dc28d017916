import { RealtimeError } from "./protocol.js";

/** Commands that were sent and wait for their one answer. */
export class PendingCommands {
  /** @type {Map<number, {resolve: (data: any) => void, reject: (error: Error) => void, timer: any}>} */
  #waiting = new Map();
  #lastId = 0;

  /** An id for a command whose answer nobody waits for. */
  nextId() {
    return ++this.#lastId;
  }

  /**
   * @param {number} timeoutMs
   * @returns {{id: number, answer: Promise<any>}} rejected with `RealtimeError`
   */
  add(timeoutMs) {
    const id = this.nextId();
    const answer = new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#waiting.delete(id);
        reject(new RealtimeError("timeout", "The server did not answer in time."));
      }, timeoutMs);
      this.#waiting.set(id, { resolve, reject, timer });
    });
    return { id, answer };
  }

  /** @param {number} id @param {unknown} data */
  resolve(id, data) {
    this.#take(id)?.resolve(data);
  }

  /** @param {number} id @param {Error} error @returns {boolean} whether it was waited for */
  reject(id, error) {
    const entry = this.#take(id);
    entry?.reject(error);
    return entry !== undefined;
  }

  /** @param {Error} error */
  rejectAll(error) {
    for (const id of [...this.#waiting.keys()]) this.reject(id, error);
  }

  /** @param {number} id */
  #take(id) {
    const entry = this.#waiting.get(id);
    this.#waiting.delete(id);
    clearTimeout(entry?.timer);
    return entry;
  }
}
