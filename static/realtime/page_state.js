import { INITIAL_STATE } from "./state.js";

/** @typedef {import("./state.js").State} State */

/** How the connection is, as one page shows it: the state of the socket, and what is true of this page alone. */
export class PageState {
  /** @type {State} */
  #socket = { ...INITIAL_STATE, name: "connecting" };
  #onHold = false;
  #reached = true;
  #tell;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #telling;

  /** @param {(state: State) => void} tell */
  constructor(tell) {
    this.#tell = tell;
  }

  /** As the owner of the socket told it last. */
  get socket() {
    return this.#socket;
  }

  /** @returns {State} */
  get shown() {
    if (this.#socket.name !== "live") return this.#socket;
    // The socket lives elsewhere and may be well while this page cannot even save anything.
    if (!this.#reached) return { ...this.#socket, name: "offline", message: "This page cannot reach the server." };
    return this.#onHold ? { ...this.#socket, name: "paused" } : this.#socket;
  }

  get onHold() {
    return this.#onHold;
  }

  /** @param {State} state */
  set(state) {
    this.#socket = { ...state, lastEventAt: state.lastEventAt ?? this.#socket.lastEventAt };
    this.#tell(this.shown);
  }

  /** The page shows nothing new for now. @param {boolean} onHold */
  hold(onHold) {
    this.#onHold = onHold;
    this.#tell(this.shown);
  }

  /** @param {boolean} reached whether the page reaches the server */
  reach(reached) {
    this.#reached = reached;
    this.#tell(this.shown);
  }

  /** Data has arrived; told at most once a second. */
  noteData() {
    this.#socket = { ...this.#socket, lastEventAt: Date.now() };
    this.#telling ??= setTimeout(() => {
      this.#telling = undefined;
      this.#tell(this.shown);
    }, 1000);
  }

  stop() {
    clearTimeout(this.#telling);
    this.#telling = undefined;
  }
}
