/** What is typed and not saved, kept over reloads in this tab. */

/** @typedef {import("./records.js").Record} Record */
/**
 * @typedef {object} Draft
 * @property {Record | null} base the record when editing began; null for a new one
 * @property {import("./editor.js").Typed} typed
 * @property {number} at
 */

const key = (/** @type {string} */ zone, /** @type {number | "new"} */ id) => `draft:${zone}:${id}`;

/** @param {string} zone @param {number | "new"} id @param {Draft} draft */
export function keep(zone, id, draft) {
  try {
    sessionStorage.setItem(key(zone, id), JSON.stringify(draft));
  } catch {
    // Full or forbidden: the text stays in its fields, only a reload would lose it.
  }
}

/** @param {string} zone @param {number | "new"} id */
export function forget(zone, id) {
  try {
    sessionStorage.removeItem(key(zone, id));
  } catch {
    // Nothing was kept either.
  }
}

/** All drafts of a zone. @param {string} zone @returns {[number | "new", Draft][]} */
export function kept(zone) {
  try {
    const start = key(zone, "new").slice(0, -3);
    const keys = Object.keys(sessionStorage).filter((name) => name.startsWith(start));
    return keys.map((name) => {
      const id = name.slice(start.length);
      return [id === "new" ? "new" : Number(id), JSON.parse(sessionStorage.getItem(name) ?? "null")];
    });
  } catch {
    return [];
  }
}
