import { watchHints } from "./hints.js";
import { Inbox } from "./inbox.js";
import { LastingLink } from "./lasting_link.js";
import { Polling } from "./polling.js";
import { Signals } from "./signals.js";
import { INITIAL_STATE, whenLive } from "./state.js";
import { Subscriptions } from "./subscriptions.js";
import { TIMING } from "./timing.js";

/** @typedef {import("./state.js").State} State */
/** @typedef {import("./protocol.js").Position} Position */
/** @typedef {import("./service_types.js").Options} Options */
/** @typedef {import("./service_types.js").Heard} Heard */

/**
 * One socket's life: opens it, keeps it, brings it back, and goes on where it ended. Knows nothing of pages.
 *
 *     const service = new UnifiedWebSocketService({ url: "wss://dns.example/ws/", getToken });
 *     service.on("event", (event) => console.log(event.event_type, event.data));
 *     service.want(["record_*"]);
 *     service.start();
 */
export class UnifiedWebSocketService {
  #timing;
  #getToken;
  #link;
  #inbox;
  #subscriptions;
  #polling;
  #polls = false; // and with success
  /** @type {Signals<Heard>} */
  #signals = new Signals();
  /** @type {State} */
  #state = INITIAL_STATE;
  #unwatch = () => {};
  /** @type {Promise<any>} */
  #rewound = Promise.resolve();

  /** @param {Options} options */
  constructor({ url, client = "api", position = null, getToken = null, eventsUrl = null, WebSocket, timing }) {
    this.#timing = { ...TIMING, ...timing };
    this.#getToken = getToken;
    this.#link = new LastingLink(
      { url, client, getToken, WebSocket: WebSocket ?? globalThis.WebSocket },
      this.#timing,
      {
        begin: () => this.#inbox.begin(),
        frame: (frame, asked) => this.#receive(frame, asked),
        lost: () => {
          this.#subscriptions.end();
          this.#inbox.lost();
        },
        change: (news) => this.#become(news),
      },
    );
    this.#inbox = new Inbox(position, {
      event: (event, how) => {
        this.#state = { ...this.#state, lastEventAt: Date.now() };
        this.#signals.tell("event", event, how);
      },
      resync: (why) => this.#signals.tell("resync", why),
    });
    const sink = {
      position: () => this.position,
      batch: (/** @type {import("./protocol.js").Batch} */ batch) => this.#inbox.batch(batch),
      begin: (/** @type {Position} */ from, /** @type {string | null} */ reason) => this.#inbox.restart(from, reason),
      change: (/** @type {boolean} */ working) => this.#polled(working),
    };
    this.#polling = eventsUrl ? new Polling(eventsUrl, getToken, sink, this.#timing.pollMs) : null;
    this.#subscriptions = new Subscriptions(
      (granted) => this.#signals.tell("settled", granted),
      (name, code) => this.#signals.tell("notice", { type: "notice", code: "rejected", message: `${name}: ${code}` }),
    );
  }

  get state() {
    return this.#state;
  }

  /** Where a new connection would go on. */
  get position() {
    return this.#inbox.position;
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

  /** Called at once, at each change, and at each ping of the server. @param {(state: State) => void} listener */
  onState(listener) {
    listener(this.#state);
    return this.on("state", listener);
  }

  /** Which events to receive, by names or patterns; kept over reconnects. @param {Iterable<string>} patterns */
  want(patterns) {
    this.#subscriptions.want(patterns);
  }

  /** @param {Position | null} [position] where to begin, if nothing is known yet */
  start(position = null) {
    if (!this.position && position) this.#inbox.restart(position, null);
    this.#unwatch();
    this.#unwatch = watchHints(() => this.check());
    this.reconnect();
  }

  /** End the connection and stay away until `start()`. */
  close() {
    this.#unwatch();
    this.#link.close();
    this.#become({ name: "paused", retryInS: null, message: "" });
  }

  /** Connect anew, now, whatever the state. */
  reconnect() {
    this.#link.reconnect();
  }

  /** Something hints at a change: see whether the connection lives, or try at once instead of waiting. */
  check() {
    this.#link.check();
  }

  /**
   * Send a command as soon as there is a connection.
   * @param {string} name
   * @param {Record<string, unknown>} [data]
   * @param {{timeoutMs?: number}} [options]
   * @returns {Promise<any>} the answer's data; rejected with `RealtimeError`
   */
  async command(name, data = {}, { timeoutMs = this.#timing.commandMs } = {}) {
    await whenLive(this, timeoutMs);
    return this.#link.request(name, data, timeoutMs);
  }

  /**
   * Have everything after a position sent again, as `replayed` events.
   * @param {Position} position
   * @returns {Promise<import("./protocol.js").Resumed>} when all of it has arrived
   */
  resume({ epoch, position }) {
    const ask = () => this.#link.request("resume", { epoch, position }, this.#timing.resumeMs);
    const rewind = () => this.#inbox.rewind(ask);
    this.#rewound = this.#rewound.then(rewind, rewind);
    return this.#rewound;
  }

  /** @param {import("./protocol.js").Frame} frame @param {Position | null} asked */
  #receive(frame, asked) {
    if (frame.type === "event") this.#inbox.event(frame);
    else if (frame.type === "batch") this.#inbox.batch(frame);
    else if (frame.type === "gap") this.#signals.tell("gap", frame);
    else if (frame.type === "notice") this.#noticed(frame);
    else if (frame.type === "welcome") this.#welcomed(frame, asked);
    else if (frame.type === "ping") {
      this.#inbox.nothingUpTo(frame.upto);
      this.#become({ lastHeardAt: Date.now() });
    }
  }

  /** @param {import("./protocol.js").Welcome} frame @param {Position | null} asked */
  #welcomed(frame, asked) {
    this.#inbox.welcome(frame);
    this.#signals.tell("welcome", frame, asked);
    const { user } = frame;
    this.#become({ name: "live", retryInS: null, attempt: 0, message: "", code: null, lastHeardAt: Date.now(), user });
    this.#subscriptions.begin(frame, (name, eventTypes) =>
      this.#link.request(name, eventTypes ? { event_types: eventTypes } : {}, this.#timing.commandMs),
    );
  }

  /** @param {import("./protocol.js").Notice} notice */
  #noticed(notice) {
    if (notice.code === "token_expiring") this.#renewToken();
    if (notice.code === "permissions_changed") this.#subscriptions.refresh();
    this.#signals.tell("notice", notice);
  }

  async #renewToken() {
    try {
      const token = await this.#getToken?.();
      if (token) await this.command("authenticate", { token });
    } catch {
      // The server closes with 4003 when the old token ends, and we come back with a new one.
    }
  }

  /** Reading over HTTP works, or no longer does. @param {boolean} working */
  #polled(working) {
    if (working === this.#polls) return;
    this.#polls = working;
    this.#become({ name: working ? "polling" : "reconnecting" });
  }

  /** @param {Partial<State>} news */
  #become(news) {
    this.#state = { ...this.#state, ...news };
    const { name, attempt } = this.#state;
    const away = name === "reconnecting" || name === "offline" || name === "polling";
    if (!away) {
      this.#polling?.stop();
      this.#polls = false;
    } else if (attempt >= this.#timing.pollAfter) {
      this.#polling?.start();
      if (this.#polls) this.#state = { ...this.#state, name: "polling" };
    }
    this.#signals.tell("state", this.#state);
  }
}
