import { DURABLE, EventType } from "./catalogue.js";
import { Delivery } from "./delivery.js";
import { matchesAny } from "./protocol.js";
import { RecentIds } from "./recent_ids.js";
import { Signals, report } from "./signals.js";

/** @typedef {import("./protocol.js").RealtimeEvent} RealtimeEvent */
/** @typedef {import("./protocol.js").Position} Position */
/** @typedef {{patterns: string[], handler: (event: RealtimeEvent) => unknown, since: Position | null}} Subscription */

/**
 * Where the events come from: a `SharedSocket`.
 * @typedef {Pick<import("./shared_socket.js").SharedSocket, "on" | "want" | "hold">} Source
 */

/**
 * @typedef {{
 *   resync: [{reason: string}],
 *   gap: [import("./protocol.js").Gap],
 *   error: [unknown, RealtimeEvent],
 *   waiting: [number],
 * }} Heard
 */

const SETTLE_MS = 20; // modules of a page register one after the other; their wishes travel together
const LOADING_MS = 5000; // handlers that come later than this are not part of the page as it was read
const REMEMBERED = 500;
const AWAY_MS = 10_000; // who looks at another tab for a moment keeps the streams

/**
 * Gives events to the handlers of a page: by type or pattern, in order, once per animation frame, each event once. What
 * the handlers want is what is subscribed to. Knows nothing of sockets.
 *
 *     const stop = events.on("record_*", ({ data }) => table.apply(data.record));
 *     events.onResync(() => table.load());
 */
export class EventManager {
  #source;
  #snapshot;
  #delivery;
  #seen = new RecentIds();
  /** @type {Set<Subscription>} */
  #subscriptions = new Set();
  /** @type {RealtimeEvent[]} the newest durable ones, for handlers of the page that come late */
  #remembered = [];
  /** @type {Subscription[]} not yet told to the source */
  #added = [];
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #wishing;
  #loadedAt = performance.now();
  /** @type {Signals<Heard>} */
  #signals = new Signals();
  #errorsWatched = false;
  #away = false;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #leaving;

  /**
   * @param {Source} source
   * @param {{position?: Position | null, awayMs?: number}} [options] the position that the page was read at; how long it
   *   must be hidden until streams are no longer asked for
   */
  constructor(source, { position = null, awayMs = AWAY_MS } = {}) {
    this.#source = source;
    globalThis.document?.addEventListener("visibilitychange", () => this.#looked(awayMs));
    this.#snapshot = position;
    this.#delivery = new Delivery(
      (event) => this.#dispatch(event),
      (count) => this.#signals.tell("waiting", count),
      () => this.#resync({ reason: "paused_too_long" }),
    );
    source.on("events", (events) => events.forEach((event) => this.#take(event)));
    source.on("gap", (gap) => this.#signals.tell("gap", gap));
    source.on("resync", (why) => this.#resync(why));
    source.on("released", () => this.resume());
  }

  /**
   * Hear of events. `since` is the position that the handler's content was read at (`X-Dnsadmin-Position` of an API
   * answer): it gets the durable events after it, and only those. Left out it is the page's own position, for handlers
   * registered while the page loads; later ones get what happens from now on.
   * @param {string | string[]} patterns `record_updated`, `zone_*`, `*`
   * @param {(event: RealtimeEvent) => unknown} handler
   * @param {{since?: Position | null}} [options]
   * @returns {() => void} the undo
   */
  on(patterns, handler, { since = this.#loading ? this.#snapshot : null } = {}) {
    const subscription = { patterns: [patterns].flat(), handler, since };
    const missed = since ? this.#remembered.filter((event) => concerns(subscription, event)) : [];
    this.#subscriptions.add(subscription);
    this.#added.push(subscription);
    this.#wish();
    queueMicrotask(() => missed.forEach((event) => this.#call(subscription, event)));
    return () => {
      this.#subscriptions.delete(subscription);
      this.#wish();
    };
  }

  /** Events may be missing: read again what is shown. @param {(why: {reason: string}) => void} listener */
  onResync(listener) {
    return this.#signals.on("resync", listener);
  }

  /** The server has left something out. @param {(gap: import("./protocol.js").Gap) => void} listener */
  onGap(listener) {
    return this.#signals.on("gap", listener);
  }

  /**
   * A handler has failed. Without a listener errors are reported as uncaught.
   * @param {(error: unknown, event: RealtimeEvent) => void} listener
   */
  onError(listener) {
    this.#errorsWatched = true;
    return this.#signals.on("error", listener);
  }

  /** How many events a pause holds back; told at most once a frame. @param {(count: number) => void} listener */
  onWaiting(listener) {
    return this.#signals.on("waiting", listener);
  }

  get waiting() {
    return this.#delivery.waiting;
  }

  /** Hold back events of a kind, all by default. @param {string | string[]} [patterns] */
  pause(patterns = "*") {
    this.#delivery.pause([patterns].flat());
    if (patterns === "*") this.#source.hold(true);
  }

  /** Deliver what has waited. @param {string | string[]} [patterns] */
  resume(patterns = "*") {
    this.#delivery.resume([patterns].flat());
    if (patterns === "*") this.#source.hold(false);
  }

  /**
   * Read again what is shown, while events wait: what they changed meanwhile would be overwritten by an older state. They
   * come afterwards, those too that the new state has already. A read must come to an end.
   * @template T
   * @param {() => Promise<T>} read
   * @returns {Promise<T>}
   */
  async during(read) {
    this.#delivery.stand();
    try {
      return await read();
    } finally {
      this.#delivery.go();
    }
  }

  /**
   * Nobody looks at a hidden page: what passes by is not even asked for until somebody does. Durable events go on.
   * @param {number} awayMs
   */
  #looked(awayMs) {
    clearTimeout(this.#leaving);
    const hidden = document.visibilityState === "hidden";
    this.#leaving = setTimeout(
      () => {
        if (this.#away === hidden) return;
        this.#away = hidden;
        this.#wish();
      },
      hidden ? awayMs : 0,
    );
  }

  get #loading() {
    return performance.now() - this.#loadedAt < LOADING_MS;
  }

  #wish() {
    this.#wishing ??= setTimeout(() => {
      this.#wishing = undefined;
      const added = this.#added.filter((subscription) => this.#subscriptions.has(subscription));
      this.#added = [];
      const patterns = [...new Set([...this.#subscriptions].flatMap((subscription) => subscription.patterns))];
      this.#source.want(this.#away ? withoutStreams(patterns) : patterns, needOf(added));
    }, SETTLE_MS);
  }

  /** @param {RealtimeEvent} event */
  #take(event) {
    if (typeof event.position === "number" && !this.#seen.add(event.id)) return;
    this.#delivery.add(event);
  }

  /** @param {RealtimeEvent} event */
  #dispatch(event) {
    if (typeof event.position === "number" && this.#remembered.push(event) > REMEMBERED) this.#remembered.shift();
    for (const subscription of [...this.#subscriptions]) {
      if (concerns(subscription, event)) this.#call(subscription, event);
    }
  }

  /** @param {Subscription} subscription @param {RealtimeEvent} event */
  async #call({ handler }, event) {
    try {
      await handler(event);
    } catch (error) {
      if (this.#errorsWatched) this.#signals.tell("error", error, event);
      else report(error);
    }
  }

  /** @param {{reason: string}} why */
  #resync(why) {
    this.#remembered = [];
    for (const subscription of this.#subscriptions) subscription.since = null; // positions of a log that is gone
    this.#snapshot = null;
    this.#signals.tell("resync", why);
  }
}

/** @param {string[]} patterns @returns {string[]} the durable events that they name, and the patterns that name nothing known */
function withoutStreams(patterns) {
  const known = Object.values(EventType);
  const durable = known.filter((name) => DURABLE.has(name) && matchesAny(patterns, name));
  return [...durable, ...patterns.filter((pattern) => !known.some((name) => matchesAny([pattern], name)))];
}

/** @param {Subscription} subscription @param {RealtimeEvent} event */
function concerns({ patterns, since }, event) {
  if (typeof event.position === "number" && since && event.position <= since.position) return false;
  return matchesAny(patterns, event.event_type);
}

/**
 * @param {Subscription[]} subscriptions
 * @returns {import("./messages.js").Need | null} their needs in one: from the oldest on
 */
function needOf(subscriptions) {
  const building = subscriptions.filter(({ since }) => since);
  const positions = building.flatMap(({ since }) => since ?? []).sort((a, b) => a.position - b.position);
  return positions.length ? { patterns: building.flatMap(({ patterns }) => patterns), since: positions[0] } : null;
}
