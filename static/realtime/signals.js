/**
 * Named things to listen for. A listener that throws harms neither the others nor the one who tells.
 * @template {Record<string, unknown[]>} Arguments
 */
export class Signals {
  /** @type {Map<keyof Arguments, Set<{listener: (...args: any[]) => void}>>} */
  #listeners = new Map();

  /**
   * @template {keyof Arguments} Name
   * @param {Name} name
   * @param {(...args: Arguments[Name]) => void} listener
   * @returns {() => void} the undo
   */
  on(name, listener) {
    const entry = { listener };
    const entries = this.#listeners.get(name) ?? new Set();
    this.#listeners.set(name, entries.add(entry));
    return () => void entries.delete(entry);
  }

  /**
   * @template {keyof Arguments} Name
   * @param {Name} name
   * @param {Arguments[Name]} args
   */
  tell(name, ...args) {
    for (const { listener } of [...(this.#listeners.get(name) ?? [])]) {
      try {
        listener(...args);
      } catch (error) {
        report(error);
      }
    }
  }
}

/** Show an error where uncaught ones are shown, without stopping what goes on here. @param {unknown} error */
export function report(error) {
  if (typeof globalThis.reportError === "function") globalThis.reportError(error);
  else console.error(error);
}
