const PING_MS = 25_000;
const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 20_000;

/** @typedef {{type: string, data?: any, timestamp?: string}} OldFrame */

/** One socket of the old system, opened again whenever it ends, unless the server says that it is of no use. */
export class OldSocket {
  #url;
  #on;
  /** @type {WebSocket | null} */
  #socket = null;
  #attempt = 0;
  #ended = false;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;
  /** @type {ReturnType<typeof setInterval> | undefined} */
  #pinging;
  #silent = 0;
  /** Whether there is nothing to wait for: it is open, or will never be. */
  settled = false;

  /** @param {string} url @param {{frame: (frame: OldFrame) => void, change: (retryInS: number | null) => void}} on */
  constructor(url, on) {
    this.#url = url;
    this.#on = on;
    this.#open();
  }

  /** Try at once instead of waiting. */
  check() {
    if (!this.#socket && !this.#ended) this.#open();
  }

  close() {
    this.#ended = true;
    clearTimeout(this.#timer);
    clearInterval(this.#pinging);
    this.#socket?.close();
  }

  #open() {
    clearTimeout(this.#timer);
    const socket = (this.#socket = new WebSocket(this.#url));
    socket.onopen = () => {
      this.#silent = 0;
      this.#pinging = setInterval(() => this.#ping(), PING_MS);
    };
    socket.onmessage = ({ data }) => {
      this.#silent = 0;
      const frame = JSON.parse(data);
      // "deprecated" comes before the sign-in; the answer to our first wish, after it.
      if (frame.type === "deprecated") socket.send(JSON.stringify({ type: "get_stats" }));
      else if (frame.type === "stats") this.#settle(true);
      else this.#on.frame(frame);
    };
    socket.onclose = ({ code }) => {
      clearInterval(this.#pinging);
      if (this.#socket !== socket || this.#ended) return;
      this.#socket = null;
      if (code >= 4500) return this.#settle(true);
      this.#settle(false);
    };
  }

  #ping() {
    this.#silent += 1;
    if (this.#silent > 2) this.#socket?.close();
    else this.#socket?.send(JSON.stringify({ type: "ping" }));
  }

  /** @param {boolean} settled */
  #settle(settled) {
    this.settled = settled;
    if (settled) {
      this.#attempt = 0;
      return this.#on.change(null);
    }
    const pause = Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** this.#attempt) * (0.5 + Math.random() / 2);
    this.#attempt += 1;
    this.#timer = setTimeout(() => this.#open(), pause);
    this.#on.change(pause / 1000);
  }
}
