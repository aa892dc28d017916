import { showLife } from "./life_sign.js";
import { VERSION } from "./messages.js";
import { Owner } from "./owner.js";

/** @typedef {import("./messages.js").ToTab} ToTab */
/** @typedef {import("./shared_socket.js").Way} Way */
/** @typedef {(receive: (message: ToTab) => void) => Way} Open */

/** @returns {string} for a tab or an owner; `randomUUID` would need HTTPS */
const newId = () => Array.from(crypto.getRandomValues(new Uint32Array(4)), (part) => part.toString(36)).join("");

/**
 * The owner runs in this page: one socket per tab.
 * @param {() => {receive: Owner["receive"], close: () => void}} [create]
 * @returns {Open}
 */
export function alone(create = () => new Owner()) {
  return (receive) => {
    const owner = create();
    const post = (/** @type {ToTab} */ message) => queueMicrotask(() => receive(message));
    return {
      post: (message) => owner.receive("only", message, post),
      revive: () => {},
      close: () => owner.close(),
    };
  };
}

/**
 * The owner runs in a SharedWorker.
 * @param {string} name
 * @param {Open} second the way to take if the worker cannot be loaded
 * @returns {Open}
 */
export function overWorker(name, second) {
  return (receive) => {
    const tab = newId();
    const die = showLife(tab);
    /** @type {Way | null} */
    let instead = null;
    const open = () => {
      const url = new URL("./worker.js", import.meta.url);
      const worker = new SharedWorker(url, { type: "module", name: `${name}:${VERSION}` });
      worker.port.onmessage = ({ data }) => receive(data);
      worker.onerror = () => {
        instead ??= second(receive);
        receive({ kind: "owner" });
      };
      return worker.port;
    };
    let port = open();
    return {
      post: (message) => (instead ? instead.post(message) : port.postMessage({ tab, message })),
      revive: () => {
        if (instead) return instead.revive();
        port.close();
        port = open();
        receive({ kind: "owner" });
      },
      close: () => {
        instead?.close();
        port.close();
        die();
      },
    };
  };
}

/**
 * The owner runs in one of the tabs: the one that holds the lock. When that goes, the next in line takes over.
 * @param {string} name @returns {Open}
 */
export function overBroadcast(name) {
  return (receive) => {
    const tab = newId();
    const die = showLife(tab);
    const channel = new BroadcastChannel(`${name}:${VERSION}`);
    /** @type {string | null} whom to listen to: one that was overthrown may still have something to say */
    let owner = null;
    channel.onmessage = ({ data: { to, by, message } }) => {
      if (to === "tabs" || (to === tab && owner === null)) owner = by;
      if (owner === by && (to === tab || to === "tabs")) receive(message);
    };
    const reign = new Reign(`${name}:${VERSION}`);
    reign.waitForTurn();
    return {
      post: (message) => channel.postMessage({ from: tab, message }),
      revive: () => reign.takeOver(),
      close: () => {
        channel.close();
        reign.end();
        die();
      },
    };
  };
}

/** The time in which this tab owns the socket for all: as long as it holds the lock. */
class Reign {
  #name;
  #end = () => {};
  #ended = false;

  /** @param {string} name */
  constructor(name) {
    this.#name = name;
  }

  waitForTurn() {
    this.#request({});
  }

  /** The present owner does not answer (frozen): the lock is taken from it. */
  takeOver() {
    this.#request({ steal: true });
  }

  end() {
    this.#ended = true;
    this.#end();
  }

  /** @param {LockOptions} options */
  async #request(options) {
    try {
      await navigator.locks.request(`${this.#name}:owner`, options, () => this.#reign());
    } catch {
      // It was taken from us: another tab owns the socket now.
      this.#end();
      if (!this.#ended) this.waitForTurn();
    }
  }

  #reign() {
    if (this.#ended) return undefined;
    const owner = new Owner();
    const by = newId();
    const channel = new BroadcastChannel(this.#name);
    channel.onmessage = ({ data: { from, message } }) => {
      if (from) owner.receive(from, message, (answer) => channel.postMessage({ to: from, by, message: answer }));
    };
    channel.postMessage({ to: "tabs", by, message: { kind: "owner" } });
    return new Promise((resolve) => {
      this.#end = () => {
        this.#end = () => {};
        channel.close();
        owner.close();
        resolve(undefined);
      };
    });
  }
}
