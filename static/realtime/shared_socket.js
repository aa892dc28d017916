import { watchHints } from "./hints.js";
import { PageState } from "./page_state.js";
import { PendingCommands } from "./pending_commands.js";
import { RealtimeError } from "./protocol.js";
import { Reach } from "./reach.js";
import { Signals } from "./signals.js";

/** @typedef {import("./protocol.js").Position} Position */
/** @typedef {import("./state.js").State} State */
/** @typedef {import("./messages.js").ToOwner} ToOwner */
/** @typedef {import("./messages.js").ToTab} ToTab */

/**
 * A way to the owner of the socket. `revive` is called when the owner has not answered for a while.
 * @typedef {{post: (message: ToOwner) => void, revive: () => void, close: () => void}} Way
 */

/**
 * @typedef {{
 *   state: [State],
 *   events: [import("./protocol.js").RealtimeEvent[]],
 *   resync: [{reason: string}],
 *   gap: [import("./protocol.js").Gap],
 *   notice: [import("./protocol.js").Notice],
 *   released: [],
 * }} Heard
 */

const ASK_MS = 10_000; // how often a visible tab asks whether the owner is still there

/** One tab's share of the socket: what a page sees of the connection. The socket itself may live in a worker. */
export class SharedSocket {
  #about;
  #open;
  /** @type {Way | null} */
  #way = null;
  /** @type {Signals<Heard>} */
  #signals = new Signals();
  #commands = new PendingCommands();
  #state = new PageState((state) => this.#signals.tell("state", state));
  #fresh = true;
  /** @type {string[]} */
  #patterns = [];
  /** @type {Position | null} */
  #position;
  #turn = 0; // counts wishes: what the owner said before it heard of the last one does not move the position
  #unanswered = 0;
  /** @type {ReturnType<typeof setInterval> | undefined} */
  #asking;
  /** @type {(() => void)[]} */
  #undo = [];

  /**
   * @param {{url: string, client: string, userId: number | null, position: Position | null}} about
   * @param {import("./ways.js").Open} open
   */
  constructor({ position, ...about }, open) {
    this.#about = about;
    this.#position = position;
    this.#open = open;
    this.enter();
  }

  /** Take part; again after `close()`, as when a page comes back from the back/forward cache. */
  enter() {
    if (this.#way) return;
    this.#way = this.#open((message) => this.#receive(message));
    const health = new URL("/health/live", this.#about.url.replace(/^ws/, "http"));
    const reach = new Reach(health.href, (reached) => this.#state.reach(reached));
    this.#undo = [watchHints(() => this.#post({ kind: "check" })), () => reach.stop()];
    this.#asking = setInterval(() => this.#ask(), ASK_MS);
    this.#fresh = true;
    this.#hello();
  }

  /** @returns {State} how the connection is, as this page shows it */
  get state() {
    return this.#state.shown;
  }

  /** Where this tab would go on: everything up to here has reached it. */
  get position() {
    return this.#position;
  }

  /**
   * @template {keyof Heard} Name
   * @param {Name} name
   * @param {(...args: Heard[Name]) => void} listener
   * @returns {() => void} the undo
   */
  on(name, listener) {
    return this.#signals.on(name, listener);
  }

  /** Called at once, at each change, and while data arrives once a second. @param {(state: State) => void} listener */
  onState(listener) {
    listener(this.state);
    return this.on("state", listener);
  }

  /** @param {(notice: import("./protocol.js").Notice) => void} listener */
  onNotice(listener) {
    return this.on("notice", listener);
  }

  /**
   * Which events this tab wants.
   * @param {string[]} patterns all of them
   * @param {import("./messages.js").Need | null} [need] what it also wants from before
   */
  want(patterns, need = null) {
    this.#patterns = patterns;
    this.#turn += 1;
    if (need && (!this.#position || need.since.position < this.#position.position)) this.#position = need.since;
    this.#post({ kind: "want", turn: this.#turn, patterns, need });
  }

  /** Connect again, whatever stood in the way, and end a pause. */
  reconnect() {
    if (this.#state.onHold) this.#signals.tell("released");
    if (this.#state.socket.name !== "live") this.#post({ kind: "reconnect" });
  }

  /** The page shows nothing new for now. @param {boolean} onHold */
  hold(onHold) {
    this.#state.hold(onHold);
  }

  /**
   * @param {string} name
   * @param {Record<string, unknown>} [data]
   * @param {{timeoutMs?: number}} [options]
   * @returns {Promise<any>} the answer's data; rejected with `RealtimeError`
   */
  command(name, data = {}, { timeoutMs = 10_000 } = {}) {
    const { id, answer } = this.#commands.add(timeoutMs + 1000); // the owner gives up first, and says why
    this.#post({ kind: "command", ref: id, name, data, timeoutMs });
    return answer;
  }

  /** Leave; the page goes away. */
  close() {
    clearInterval(this.#asking);
    this.#state.stop();
    for (const undo of this.#undo) undo();
    this.#post({ kind: "leave" });
    this.#way?.close();
    this.#way = null;
    this.#commands.rejectAll(new RealtimeError("not_connected", "The page has left the connection."));
  }

  #hello() {
    const { url, client, userId } = this.#about;
    const needs = this.#position && this.#patterns.length ? [{ patterns: this.#patterns, since: this.#position }] : [];
    const common = { url, client, userId, position: this.#position, patterns: this.#patterns, needs, turn: this.#turn };
    this.#post({ kind: "hello", ...common, fresh: this.#fresh, state: this.#state.socket });
  }

  /** @param {ToOwner} message */
  #post(message) {
    this.#way?.post(message);
  }

  /** Is the owner still there? Only a visible page judges: the timers of hidden ones are slowed down. */
  #ask() {
    if (globalThis.document?.visibilityState === "hidden") return;
    this.#unanswered += 1;
    if (this.#unanswered > 2) this.#way?.revive();
    else this.#post({ kind: "here" });
  }

  /** @param {ToTab} message */
  #receive(message) {
    this.#unanswered = 0;
    switch (message.kind) {
      case "owner":
        this.#commands.rejectAll(new RealtimeError("connection_lost", "The connection ended before the answer came."));
        return this.#hello();
      case "state":
        this.#fresh = false;
        this.#moveTo(message.reached);
        return this.#state.set(message.state);
      case "events":
        this.#signals.tell("events", message.events);
        this.#moveTo(message.reached);
        return this.#state.noteData();
      case "resync":
        return this.#signals.tell("resync", { reason: message.reason });
      case "gap":
        return this.#signals.tell("gap", message.gap);
      case "notice":
        return this.#signals.tell("notice", message.notice);
      case "answer":
        return this.#commands.resolve(message.ref, message.data);
      case "refusal": {
        const { code, message: words, details, help } = message.error;
        return void this.#commands.reject(message.ref, new RealtimeError(code, words, { details, help }));
      }
    }
  }

  /** @param {import("./messages.js").Reached} reached */
  #moveTo(reached) {
    if (reached && reached.turn === this.#turn) this.#position = reached.at;
  }
}
