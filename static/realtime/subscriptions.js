import { matches, matchesAny } from "./protocol.js";

/** @typedef {(name: "subscribe" | "unsubscribe" | "get_subscriptions", event_types?: string[]) => Promise<any>} Ask */

/** Keeps what the server sends in step with what is wanted, over reconnects and changes of rights. */
export class Subscriptions {
  /** @type {string[] | null} patterns; null until somebody says: the server's defaults stay */
  #wanted = null;
  /** @type {Set<string>} */
  #granted = new Set();
  /** @type {string[]} */
  #available = [];
  /** @type {Set<string>} what the server would not change: not asked for again */
  #refused = new Set();
  /** @type {Ask | null} */
  #ask = null;
  #busy = false;
  #changed = false; // what is wanted, since it was last compared
  #onSettled;
  #onRejected;

  /**
   * @param {(granted: ReadonlySet<string>) => void} onSettled the server sends what is wanted and permitted
   * @param {(eventType: string, code: string) => void} onRejected
   */
  constructor(onSettled, onRejected) {
    this.#onSettled = onSettled;
    this.#onRejected = onRejected;
  }

  /** @param {Iterable<string>} patterns */
  want(patterns) {
    this.#wanted = [...patterns];
    this.#changed = true;
    this.#reconcile();
  }

  /** @param {{subscriptions: string[], available: string[]}} server @param {Ask} ask */
  begin({ subscriptions, available }, ask) {
    this.#ask = ask;
    this.#busy = false;
    this.#take(subscriptions, available);
    this.#reconcile();
  }

  /** The connection is gone. */
  end() {
    this.#ask = null;
  }

  /** What this user may see has changed. */
  async refresh() {
    const ask = this.#ask;
    if (!ask) return;
    try {
      const { subscriptions, available } = await ask("get_subscriptions");
      if (ask !== this.#ask) return;
      this.#take(subscriptions, available);
      this.#reconcile();
    } catch (error) {
      if (ask === this.#ask) this.#retry(error, () => this.refresh());
    }
  }

  /** @param {string[]} subscriptions @param {string[]} available */
  #take(subscriptions, available) {
    this.#available = available;
    this.#refused.clear();
    this.#grant(subscriptions);
  }

  /** @param {string[]} subscriptions */
  #grant(subscriptions) {
    const patterns = subscriptions.filter((name) => name.includes("*"));
    this.#granted = new Set(subscriptions.filter((name) => !name.includes("*")));
    for (const name of this.#available) if (matchesAny(patterns, name)) this.#granted.add(name);
  }

  async #reconcile() {
    const ask = this.#ask;
    if (!ask || this.#busy) return;
    this.#busy = true;
    try {
      let worked = true;
      while (ask === this.#ask && (worked || this.#changed)) {
        this.#changed = false;
        worked = await this.#step(ask);
      }
    } catch (error) {
      if (ask === this.#ask) this.#retry(error, () => this.#reconcile());
      return;
    } finally {
      if (ask === this.#ask) this.#busy = false;
    }
    if (ask === this.#ask) this.#onSettled(this.#granted);
  }

  /** @param {any} error @param {() => void} again */
  #retry(error, again) {
    const ask = this.#ask;
    const waitMs = (error?.details?.retry_after_s ?? 2) * 1000;
    setTimeout(() => ask === this.#ask && again(), waitMs);
  }

  /** @param {Ask} ask @returns {Promise<boolean>} whether there was something to do */
  async #step(ask) {
    const patterns = this.#wanted;
    if (patterns === null) return false;
    const wanted = new Set(this.#available.filter((name) => matchesAny(patterns, name)));
    const missing = [...wanted].filter((name) => !this.#granted.has(name) && !this.#refused.has(name));
    const surplus = [...this.#granted].filter((name) => !wanted.has(name) && !this.#refused.has(name));
    if (surplus.length) {
      // Before anything is added: the server limits how much one connection may ask for.
      const answer = await ask("unsubscribe", surplus);
      this.#grant(answer.subscriptions);
      for (const name of surplus) if (this.#granted.has(name)) this.#refused.add(name);
    }
    if (missing.length) {
      const asked = patterns.filter((pattern) => missing.some((name) => matches(pattern, name)));
      const answer = await ask("subscribe", asked);
      this.#grant(answer.subscriptions);
      for (const name of missing) if (!this.#granted.has(name)) this.#refused.add(name);
      for (const { event_type, code } of answer.rejected ?? []) this.#onRejected(event_type, code);
    }
    return missing.length + surplus.length > 0;
  }
}
