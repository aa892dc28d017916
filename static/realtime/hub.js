import { INITIAL_STATE, isFinal } from "./state.js";
import { Supply } from "./supply.js";
import { Tab } from "./tab.js";

/** @typedef {import("./messages.js").Hello} Hello */
/** @typedef {import("./state.js").State} State */
/** @typedef {import("./websocket_service.js").UnifiedWebSocketService} Service */
/** @typedef {(message: import("./messages.js").ToTab) => void} Post */

const STRANGER = "You are signed in as somebody else in this browser. Reload the page.";

/**
 * The owner of the one socket of a browser profile: takes the wishes of all tabs to the server, and gives each tab what
 * it wants, from the position on that the tab was read at.
 */
export class Hub {
  #service;
  #departure;
  #lingerMs;
  /** @type {Map<string, Tab>} */
  #tabs = new Map();
  #supply;
  /** @type {State} what the tabs were told by the owner before us */
  #inherited = INITIAL_STATE;
  /** @type {Set<string>} the patterns that the server was asked for */
  #wanted = new Set();
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #lingering;

  /**
   * @param {Service} service not yet started
   * @param {(tab: string, gone: () => void, lastSeen: () => number) => void} departure calls back when a
   *   tab is gone; `lastSeen` tells when it was last heard of (milliseconds since 1970)
   * @param {{lingerMs?: number, remembered?: number}} [options] what nobody wants any more is kept for `lingerMs`,
   *   for the next page of somebody who navigates
   */
  constructor(service, departure, { lingerMs = 3000, remembered } = {}) {
    this.#service = service;
    this.#departure = departure;
    this.#lingerMs = lingerMs;
    this.#supply = new Supply(service, () => this.#tabs.values(), remembered);
    this.#listen();
  }

  /** @param {string} id of the tab @param {import("./messages.js").ToOwner} message @param {Post} post to the tab */
  receive(id, message, post) {
    if (message.kind === "hello") return this.#greet(id, message, post);
    const tab = this.#tabs.get(id);
    if (!tab) return post({ kind: "owner" }); // it was taken for gone: let it introduce itself again
    tab.lastSeen = Date.now();
    switch (message.kind) {
      case "want":
        tab.want(message);
        return this.#wishesChanged();
      case "command":
        return this.#command(message, post);
      case "reconnect":
        return this.#service.start();
      case "check":
        return this.#service.check();
      case "here":
        return post({ kind: "here" });
      case "leave":
        return this.#drop(id, tab);
    }
  }

  /** The owner goes; the tabs keep what they know, for the next one. */
  close() {
    clearTimeout(this.#lingering);
    this.#tabs.clear();
    this.#service.close();
  }

  #listen() {
    const service = this.#service;
    const each = (/** @type {(tab: Tab) => void} */ act) => this.#tabs.forEach(act);
    service.on("state", ({ name }) => {
      if (name !== "live") this.#supply.wait();
      this.#supply.polled(name === "polling");
      each((tab) => this.#tell(tab));
    });
    service.on("event", (event, how) => {
      this.#supply.remember(event);
      each((tab) => tab.offer(event, how));
    });
    service.on("welcome", (frame, asked) => {
      const before = service.state.user;
      if (before && before.id !== frame.user.id) this.#supply.forget();
      each((tab) => (tab.stranger = tab.userId !== null && tab.userId !== frame.user.id));
      const types = new Set(frame.subscriptions);
      if (asked && frame.resumed?.recovered) this.#supply.continued(types, asked);
      else this.#supply.begun(types, frame.resume);
    });
    service.on("resync", ({ reason }) => each((tab) => tab.resync(reason)));
    service.on("settled", (granted) => this.#supply.settled(granted));
    service.on("gap", (gap) => each((tab) => tab.wants(gap.event_type) && tab.post({ kind: "gap", gap })));
    service.on("notice", (notice) => each((tab) => tab.post({ kind: "notice", notice })));
  }

  /** @param {string} id @param {Hello} hello @param {Post} post */
  #greet(id, hello, post) {
    const service = this.#service;
    const tab = new Tab(hello, post, () => service.position);
    this.#tabs.set(id, tab);
    this.#departure(
      id,
      () => this.#drop(id, tab),
      () => tab.lastSeen,
    );
    const { name, user } = service.state;
    tab.stranger = name === "live" && tab.userId !== null && tab.userId !== user?.id;
    if (!tab.stranger) tab.needs.push(...hello.needs);
    this.#wishesChanged();
    if (name === "paused" && !hello.fresh && isFinal(hello.state)) this.#inherited = hello.state;
    else if (name === "paused") service.start(hello.position);
    else if (hello.fresh && (isFinal(service.state) || tab.stranger)) service.reconnect();
    this.#tell(tab);
  }

  /** Ask the server for what the tabs want together: more at once, less after a while. */
  #wishesChanged() {
    const now = new Set([...this.#tabs.values()].flatMap(({ patterns }) => patterns));
    clearTimeout(this.#lingering);
    if ([...this.#wanted].some((pattern) => !now.has(pattern)) || !this.#tabs.size) {
      this.#lingering = setTimeout(() => (this.#tabs.size ? this.#want(now) : this.#service.close()), this.#lingerMs);
    }
    if ([...now].some((pattern) => !this.#wanted.has(pattern))) this.#want(new Set([...this.#wanted, ...now]));
    else this.#supply.run();
  }

  /** @param {Set<string>} patterns */
  #want(patterns) {
    this.#wanted = patterns;
    this.#supply.wait();
    this.#service.want(patterns);
  }

  /** @param {Extract<import("./messages.js").ToOwner, {kind: "command"}>} command @param {Post} post */
  async #command({ ref, name, data, timeoutMs }, post) {
    try {
      post({ kind: "answer", ref, data: await this.#service.command(name, data, { timeoutMs }) });
    } catch (error) {
      const { code = "internal", message, details = {}, help = "" } = /** @type {any} */ (error);
      post({ kind: "refusal", ref, error: { code, message, details, help } });
    }
  }

  /** @param {Tab} tab */
  #tell(tab) {
    const own = this.#service.state.name === "paused" ? this.#inherited : this.#service.state;
    /** @type {State} */
    const state = tab.stranger ? { ...own, name: "signed_out", message: STRANGER } : own;
    tab.post({ kind: "state", state, reached: tab.reached });
  }

  /** @param {string} id @param {Tab} tab */
  #drop(id, tab) {
    if (this.#tabs.get(id) !== tab) return;
    this.#tabs.delete(id);
    this.#wishesChanged();
  }
}
