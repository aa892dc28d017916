/** The last ids seen, to drop what arrives a second time; forgets the oldest. */
export class RecentIds {
  /** @type {Set<string>} */
  #ids = new Set();
  #limit;

  /** @param {number} [limit] */
  constructor(limit = 4096) {
    this.#limit = limit;
  }

  /** Remember an id. @param {string} id @returns {boolean} whether it is new */
  add(id) {
    if (this.#ids.has(id)) return false;
    this.#ids.add(id);
    if (this.#ids.size > this.#limit) this.#ids.delete(/** @type {string} */ (this.#ids.values().next().value));
    return true;
  }
}
