import { ofPerson } from "./storage.js";

/** Keys for those who like them. One setting switches all of them off (WCAG 2.1.4). */

const SEQUENCE_MS = 1200;
/** @type {Map<string, () => void>} */
const shortcuts = new Map();
/** @type {string} */
let first = "";
let since = 0;

/** @param {string} keys "e", or "g z" for one after the other @param {() => void} run */
export function shortcut(keys, run) {
  shortcuts.set(keys, run);
}

export const shortcutsOn = () => ofPerson.get("shortcuts") !== "off";

/** @param {boolean} on */
export const switchShortcuts = (on) => ofPerson.set("shortcuts", on ? "on" : "off");

/** Whether keys belong to what has the focus. @param {EventTarget | null} target */
const types = (target) =>
  target instanceof HTMLElement && (target.isContentEditable || target.matches("input:not([type=checkbox], [type=radio]), select, textarea"));

/** Space and Enter work on what has the focus. @param {KeyboardEvent} event */
const activates = (event) =>
  (event.key === " " || event.key === "Enter") && event.target instanceof HTMLElement && event.target.matches("a, button, summary, input");

document.addEventListener("keydown", (event) => {
  if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
  if (types(event.target) || activates(event) || document.querySelector("dialog[open]") || !shortcutsOn()) return;
  const now = event.timeStamp;
  const sequence = first && now - since < SEQUENCE_MS ? `${first} ${event.key}` : event.key;
  const run = shortcuts.get(sequence) ?? shortcuts.get(event.key);
  const begins = [...shortcuts.keys()].some((keys) => keys.startsWith(`${event.key} `));
  [first, since] = !run && begins ? [event.key, now] : ["", 0];
  if (!run) return;
  event.preventDefault();
  run();
});

/** `j` and `k` move the focus along rows. @param {string} selector */
export function moveAlong(selector) {
  /** @param {number} step */
  const move = (step) => {
    const rows = /** @type {HTMLElement[]} */ ([...document.querySelectorAll(selector)]);
    const at = rows.findIndex((row) => row.contains(document.activeElement));
    const to = rows[at === -1 ? (step > 0 ? 0 : rows.length - 1) : Math.min(rows.length - 1, Math.max(0, at + step))];
    to?.focus();
    to?.scrollIntoView({ block: "nearest" });
  };
  shortcut("j", () => move(1));
  shortcut("k", () => move(-1));
}
