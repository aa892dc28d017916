/** Small texts that outlive the page. Where the browser keeps nothing, because that is forbidden or it is full, they last as long as the page. */

class Shelf {
  #storage;
  /** What could not be put there; null for what could not be taken away. @type {Map<string, string | null>} */
  #loose = new Map();

  /** @param {() => Storage} storage even asking for it may be forbidden */
  constructor(storage) {
    this.#storage = storage;
  }

  /** @param {string} name @returns {string | null} */
  get(name) {
    const loose = this.#loose.get(name);
    if (loose !== undefined) return loose;
    try {
      return this.#storage().getItem(name);
    } catch {
      return null;
    }
  }

  /** @param {string} name @param {string | null} text null takes it away */
  set(name, text) {
    this.#loose.set(name, text);
    try {
      if (text === null) this.#storage().removeItem(name);
      else this.#storage().setItem(name, text);
      this.#loose.delete(name);
    } catch {
      // It stays loose.
    }
  }

  /** What was set as JSON. @param {string} name @returns {any} null for nothing, and for what is no JSON */
  read(name) {
    try {
      return JSON.parse(this.get(name) ?? "null");
    } catch {
      return null;
    }
  }

  /** @param {string} name @param {any} value */
  write(name, value) {
    this.set(name, JSON.stringify(value));
  }

  /** The names that begin so. @param {string} start */
  names(start) {
    /** @type {string[]} */
    let kept = [];
    try {
      kept = Object.keys(this.#storage());
    } catch {
      // There are only loose ones.
    }
    return [...new Set([...kept, ...this.#loose.keys()])].filter((name) => name.startsWith(start) && this.get(name) !== null);
  }
}

/** For this person, in all tabs. */
export const ofPerson = new Shelf(() => localStorage);

/** For this tab, over reloads. */
export const ofTab = new Shelf(() => sessionStorage);
