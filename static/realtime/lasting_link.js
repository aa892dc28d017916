import { dial } from "./dial.js";
import { Link } from "./link.js";
import { RealtimeError, verdict } from "./protocol.js";
import { Retry } from "./retry.js";

/** @typedef {import("./protocol.js").Position} Position */
/** @typedef {import("./protocol.js").Frame} Frame */
/** @typedef {Partial<import("./state.js").State>} News */

/**
 * @typedef {object} Hooks
 * @property {() => Position | null} begin a connection is about to be opened; returns where it is to resume
 * @property {(frame: Frame, asked: Position | null) => void} frame
 * @property {() => void} lost the connection has ended
 * @property {(news: News) => void} change
 */

/** A link that comes back: after each ending it does what the close code asks for, and says so. */
export class LastingLink {
  #address;
  #timing;
  #hooks;
  #retry;
  /** @type {Link | null} */
  #link = null;
  #cause = { code: 1006, message: "" }; // of the last ending
  #turn = 0; // counts attempts, so that what belongs to an older one is known as such

  /** @param {import("./dial.js").Address} address @param {import("./timing.js").Timing} timing @param {Hooks} hooks */
  constructor(address, timing, hooks) {
    this.#address = address;
    this.#timing = timing;
    this.#hooks = hooks;
    this.#retry = new Retry(
      timing,
      () => this.#connect(),
      (retryInS) => hooks.change({ name: this.#away(), retryInS, attempt: this.#retry.attempt, ...this.#cause }),
    );
  }

  /** Connect anew, now. */
  reconnect() {
    this.close();
    this.#retry.reset();
    this.#hooks.change({ name: "connecting", retryInS: null, attempt: 0, code: null, message: "" });
    this.#connect();
  }

  close() {
    this.#turn += 1;
    this.#retry.stop();
    this.#link?.abandon();
    this.#link = null;
    this.#hooks.lost();
  }

  /** See whether the connection lives; without one, try at once instead of waiting. */
  check() {
    if (this.#link) this.#link.check();
    else if (this.#retry.waiting) this.#retry.now();
  }

  /** @param {string} name @param {Record<string, unknown>} data @param {number} timeoutMs @returns {Promise<any>} */
  async request(name, data, timeoutMs) {
    if (!this.#link) throw new RealtimeError("connection_lost", "There is no connection to the server.");
    return this.#link.request(name, data, timeoutMs);
  }

  async #connect() {
    const turn = ++this.#turn;
    this.#retry.stop();
    if (this.#retry.attempt) this.#hooks.change({ retryInS: null });
    const asked = this.#hooks.begin();
    let socket;
    try {
      socket = await dial(this.#address, asked, () => turn === this.#turn);
    } catch (error) {
      // No token, or an address that cannot be: as its author put it.
      if (turn === this.#turn) this.#comeBack(1006, null, error instanceof Error ? error.message : String(error));
      return;
    }
    if (!socket) return;
    const on = {
      frame: (/** @type {Frame} */ frame) => this.#hooks.frame(frame, asked),
      end: (/** @type {import("./link.js").Ending} */ ending) => this.#ended(ending),
    };
    this.#link = new Link(socket, on, this.#timing);
  }

  /** @param {import("./link.js").Ending} ending */
  #ended({ code, retryInMs, message, reason, welcomedForMs }) {
    this.#link = null;
    this.#hooks.lost();
    if (welcomedForMs >= this.#timing.stableMs) this.#retry.reset();
    const judged = verdict(code, reason);
    if (judged.again) this.#comeBack(code, retryInMs, message);
    else this.#hooks.change({ name: judged.state, retryInS: null, code, message: judged.message });
  }

  /** @param {number} code @param {number | null} retryInMs @param {string} message */
  #comeBack(code, retryInMs, message) {
    this.#cause = { code, message };
    this.#retry.wait(retryInMs);
  }

  /** @returns {"offline" | "reconnecting"} what to call it while there is no connection */
  #away() {
    const hopeless = this.#retry.attempt > this.#timing.offlineAfter || globalThis.navigator?.onLine === false;
    return hopeless ? "offline" : "reconnecting";
  }
}
