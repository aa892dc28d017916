import { ofTab } from "../storage.js";

/** What is typed and not saved, kept over reloads in this tab. */

/** @typedef {import("./records.js").Record} Record */
/**
 * @typedef {object} Draft
 * @property {Record | null} base the record when editing began; null for a new one
 * @property {import("./inputs.js").Typed} typed
 * @property {number} at
 */

const start = (/** @type {string} */ zone) => `draft:${zone}:`;
const key = (/** @type {string} */ zone, /** @type {number | "new"} */ id) => `${start(zone)}${id}`;

/** @param {string} zone @param {number | "new"} id @param {Draft} draft */
export const keep = (zone, id, draft) => ofTab.write(key(zone, id), draft);

/** @param {string} zone @param {number | "new"} id */
export const forget = (zone, id) => ofTab.set(key(zone, id), null);

/** All drafts of a zone. @param {string} zone @returns {[number | "new", Draft][]} */
export function kept(zone) {
  return ofTab.names(start(zone)).map((name) => {
    const id = name.slice(start(zone).length);
    return [id === "new" ? "new" : Number(id), ofTab.read(name)];
  });
}
