import { formatPosition, parsePosition } from "./protocol.js";

/** @typedef {import("./protocol.js").Position} Position */
/** @typedef {import("./protocol.js").Batch} Batch */

const MOST = 500;

/**
 * @typedef {object} Sink
 * @property {() => Position | null} position where to go on
 * @property {(batch: Batch) => void} batch durable events, in order
 * @property {(position: Position, reason: string | null) => void} begin go on from here; with a reason if
 *   events may be missing
 * @property {(working: boolean) => void} change
 */

/**
 * Reads the log of durable events over plain HTTP, every few seconds: for networks that let no WebSocket through. Flow
 * events, commands and presence have to wait for a socket.
 */
export class Polling {
  #url;
  #getToken;
  #sink;
  #everyMs;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;
  #turn = 0; // counts starts and stops, so that a late answer is known as such

  /**
   * @param {string} url
   * @param {(() => Promise<string | null>) | null} getToken
   * @param {Sink} sink
   * @param {number} everyMs
   */
  constructor(url, getToken, sink, everyMs) {
    this.#url = url;
    this.#getToken = getToken;
    this.#sink = sink;
    this.#everyMs = everyMs;
  }

  start() {
    if (this.#timer === undefined) this.#next(0, ++this.#turn);
  }

  stop() {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#turn += 1;
  }

  /** @param {number} delayMs @param {number} turn */
  #next(delayMs, turn) {
    this.#timer = setTimeout(() => this.#look(turn), delayMs);
  }

  /** @param {number} turn */
  async #look(turn) {
    let answer = null;
    try {
      answer = await this.#get();
    } catch {
      // Nothing to be had; the next look may be luckier.
    }
    if (turn !== this.#turn) return;
    this.#sink.change(answer !== null);
    if (answer) this.#take(answer);
    this.#next(answer?.results.length === MOST ? 0 : this.#everyMs, turn);
  }

  async #get() {
    const since = this.#sink.position();
    const address = new URL(this.#url, globalThis.location?.href);
    address.searchParams.set("limit", String(since ? MOST : 1));
    if (since) address.searchParams.set("since", formatPosition(since));
    const token = await this.#getToken?.();
    const headers = { Accept: "application/json", ...(token ? { Authorization: `Bearer ${token}` } : {}) };
    const response = await fetch(address, {
      headers,
      cache: "no-store",
      signal: AbortSignal.timeout(this.#everyMs * 2),
    });
    if (!response.ok) throw new Error(`polling was answered with ${response.status}`);
    return { since, ...(await response.json()) };
  }

  /**
   * @param {object} answer
   * @param {Position | null} answer.since what was asked for
   * @param {string} answer.upto
   * @param {Batch["events"]} answer.results
   * @param {boolean} [answer.recovered]
   * @param {string} [answer.reason]
   */
  #take({ since, upto, results, recovered, reason }) {
    const reached = parsePosition(upto);
    if (!reached) return;
    const goesOn = since !== null && recovered !== false;
    if (goesOn) this.#sink.batch({ type: "batch", events: results });
    this.#sink.begin(reached, goesOn || !since ? null : (reason ?? "not_resumed"));
  }
}
