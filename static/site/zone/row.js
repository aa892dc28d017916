import { setMoment } from "../clock.js";
import { element, fill, left, seek, slot, standing } from "../dom.js";
import { readable } from "../names.js";
import { markNews } from "../news.js";
import { changeStanding } from "../words.js";
import { BEYOND, permits } from "./rights.js";

/** The row of one record: what it says of the record, of who changed it and when, and of how that change stands. */

/** @typedef {import("./records.js").Record} Record */
/** @typedef {import("./records.js").Origin} Origin */

/** How long a change is said to be served. */
const SERVED_MS = 6_000;
/** Types of records that point to a host: their last word. @type {Set<string>} */
const POINTING = new Set((left("record-types") ?? []).filter((/** @type {any} */ { targets }) => targets).map((/** @type {any} */ { name }) => name));

/** @param {HTMLElement} row @param {Record} record */
export function write(row, record) {
  const label = `${record.name} ${record.type}`;
  const target = POINTING.has(record.type) ? record.content.slice(record.content.lastIndexOf(" ") + 1) : "";
  fill(row, { idn: asRead(record.name), "target-idn": asRead(target), name: record.name, type: record.type, ttl: record.ttl, comment: record.comment,
    "pick-label": `Select ${label}`, "edit-label": `Edit ${label}`, "delete-label": `Delete ${label}` });
  const value = slot(row, "content");
  if (value.textContent !== record.content) value.textContent = record.content;
  offer(row, record);
}

/** What one can do with it: see all of a long content, and what one's rights reach. @param {HTMLElement} row @param {Record} record */
export function offer(row, record) {
  slot(row, "content").title = (slot(row, "content").textContent ?? "").length > 80 ? "Double-click to see all of it" : "";
  for (const [selector, action] of [["[data-edit]", "update"], ["[data-delete]", "delete"]]) {
    const button = /** @type {HTMLButtonElement | null} */ (seek(selector, row));
    if (!button) continue;
    button.disabled = !permits(action, record);
    button.title = button.disabled ? BEYOND : "";
  }
}

/** @param {HTMLElement} row @param {Origin} origin */
export function attribute(row, { who, at }) {
  fill(row, { who });
  setMoment(slot(row, "when"), at);
}

/** Mark it, with what was there before beside what is now. @param {HTMLElement} row @param {string} kind @param {Origin["changes"]} [changes] */
export function announce(row, kind, changes = []) {
  const value = slot(row, "content");
  const forget = () => value.querySelectorAll("del, .also").forEach((old) => old.remove());
  forget();
  for (const { field, old, new: now } of changes) {
    const before = old === null || old === "" ? null : element("del", {}, element("span", { class: "visually-hidden" }, "before: "), String(old));
    if (field === "content" && before) value.prepend(before);
    else if (field === "ttl" || field === "name") value.append(element("span", { class: "also soft" }, `${field} `, before, String(now)));
  }
  markNews(row, kind, forget);
}

/** How its change stands; that it is served is said for a while. @param {HTMLElement} row @param {string} state @param {number | null} serial */
export function stand(row, state, serial) {
  if (row.dataset.news === "deleted") return;
  const words = standing(state, changeStanding(state));
  if (serial) words.title = `at serial ${serial}`;
  slot(row, "mark").replaceChildren(words);
  if (state !== "served") return;
  const { changeSet } = row.dataset;
  setTimeout(() => row.dataset.changeSet === changeSet && (slot(row, "mark").replaceChildren(), delete row.dataset.changeSet), SERVED_MS);
}

/** It is struck out, and nothing can be done with it any more. @param {HTMLElement} row */
export function strikeOut(row) {
  row.dataset.news = "deleted";
  slot(row, "mark").replaceChildren(element("strong", {}, "deleted by"));
  for (const control of row.querySelectorAll(".actions button, .pick label")) control.remove();
}

/** An internationalised name as people read it; nothing when that is how it is written. @param {string} name */
const asRead = (name) => (readable(name) === name ? "" : readable(name));
