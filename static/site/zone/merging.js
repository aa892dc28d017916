/** Two changes of one record, brought together where they do not touch the same field. */

/** @typedef {import("./records.js").Record} Record */

const FIELDS = ["name", "ttl", "content", "comment", "private"];

/** @param {any} value */
const plain = (value) => String(value ?? "");

/**
 * What both made of a record: mine where only I changed a field, theirs where only they did. Null when both changed the same
 * field to different values; then somebody has to choose.
 * @param {Record} base as both saw it @param {any} mine @param {Record} theirs
 * @returns {any} the fields, as far as they are mine
 */
export function merge(base, mine, theirs) {
  /** @type {any} */
  const merged = {};
  for (const field of FIELDS) {
    const [was, my, their] = [base[field], mine[field], theirs[field]].map(plain);
    if (my !== was && their !== was && my !== their) return null;
    merged[field] = my !== was ? mine[field] : theirs[field];
  }
  return merged;
}
