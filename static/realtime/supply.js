import { RealtimeError } from "./protocol.js";
import { RecentEvents } from "./recent_events.js";
import { report } from "./signals.js";

/** @typedef {import("./protocol.js").Position} Position */
/** @typedef {import("./messages.js").Need} Need */
/** @typedef {import("./tab.js").Tab} Tab */
/** @typedef {import("./websocket_service.js").UnifiedWebSocketService} Service */

/** Gives tabs the events from before they came: from memory where that is complete, else by asking the server again. */
export class Supply {
  #service;
  #tabs;
  #recent;
  /** @type {ReadonlySet<string>} what the server sends */
  #granted = new Set();
  #ready = false;
  #busy = false;
  /** @type {number | null} while the log is read over HTTP: where that began */
  #polledFrom = null;

  /** @param {Service} service @param {() => Iterable<Tab>} tabs @param {number} [remembered] how many events */
  constructor(service, tabs, remembered) {
    this.#service = service;
    this.#tabs = tabs;
    this.#recent = new RecentEvents(remembered);
  }

  /** @param {import("./protocol.js").RealtimeEvent} event */
  remember(event) {
    if (typeof event.position === "number") this.#recent.add({ ...event, position: event.position });
  }

  /** Others may see other things. */
  forget() {
    this.#recent.clear();
  }

  /** Until the server sends what is wanted, nobody can be supplied. */
  wait() {
    this.#ready = false;
  }

  /** The server sends all that is wanted. @param {ReadonlySet<string>} granted */
  settled(granted) {
    this.#granted = new Set(granted);
    this.#recent.keep(this.#granted);
    this.#ready = true;
    this.run();
  }

  /**
   * A connection begins where the last one ended.
   * @param {ReadonlySet<string>} types it brings
   * @param {Position} asked
   */
  continued(types, asked) {
    const ended = this.#recent.keep(types);
    this.#recent.completeFrom(types, asked.position);
    for (const tab of this.#tabs()) {
      if (ended.some((type) => tab.wants(type))) tab.needs.push({ patterns: tab.patterns, since: asked });
    }
  }

  /** A connection begins anew. @param {ReadonlySet<string>} types it brings @param {Position} from */
  begun(types, from) {
    this.#recent.clear();
    this.#recent.completeFrom(types, from.position);
  }

  /** The log is read over HTTP now, or no longer: all of it, but it cannot be rewound. @param {boolean} polling */
  polled(polling) {
    if (!polling) this.#polledFrom = null;
    else this.#polledFrom ??= this.#service.position?.position ?? null;
    this.run();
  }

  async run() {
    const now = this.#service.position;
    if (now && this.#polledFrom !== null) this.#whilePolling(this.#polledFrom);
    if (!now || !this.#ready || this.#busy) return;
    const lacking = this.#fromMemory(now.epoch);
    if (!lacking.size) return;
    const position = Math.min(...[...lacking.values()].flat().map(({ since }) => since.position));
    this.#busy = true;
    try {
      const answer = await this.#service.resume({ epoch: now.epoch, position });
      if (answer.recovered) this.#recent.completeFrom(this.#granted, position);
      for (const [tab, needs] of lacking) {
        if (answer.recovered) tab.meet(needs, []);
        else tab.resync(answer.reason);
      }
    } catch (error) {
      await this.#failed(error, lacking.keys());
    } finally {
      this.#busy = false;
    }
    this.run();
  }

  /** @param {number} from */
  #whilePolling(from) {
    for (const tab of this.#tabs()) {
      if (!tab.needs.length) continue;
      const oldest = Math.min(...tab.needs.map(({ since }) => since.position));
      if (oldest >= from) tab.meet(tab.needs, this.#recent.after(oldest));
      else tab.resync("not_resumed");
    }
  }

  /** @param {string} epoch @returns {Map<Tab, Need[]>} what memory does not hold */
  #fromMemory(epoch) {
    const lacking = new Map();
    for (const tab of this.#tabs()) {
      if (tab.needs.some(({ since }) => since.epoch !== epoch)) tab.resync("epoch_changed");
      const held = tab.needs.filter(({ patterns, since }) =>
        this.#recent.covers(patterns, this.#granted, since.position),
      );
      const rest = tab.needs.filter((need) => !held.includes(need));
      if (held.length) tab.meet(held, this.#recent.after(Math.min(...held.map(({ since }) => since.position))));
      if (rest.length) lacking.set(tab, rest);
    }
    return lacking;
  }

  /** @param {unknown} error @param {Iterable<Tab>} tabs */
  async #failed(error, tabs) {
    const code = error instanceof RealtimeError ? error.code : "";
    if (code === "connection_lost") {
      this.wait(); // until the next connection has settled
    } else if (error instanceof RealtimeError && code === "rate_limited") {
      await new Promise((resolve) => setTimeout(resolve, (error.details.retry_after_s ?? 1) * 1000));
    } else {
      report(error);
      for (const tab of tabs) tab.resync("not_resumed"); // it is always right to read again
    }
  }
}
