import { find } from "./dom.js";

/** What a screen reader hears: little, and not often. */

const EVERY_MS = 10_000;
const GATHER_MS = 1000; // the first of many does not go alone
/** @type {Map<string, number>} */
const news = new Map();
let last = -EVERY_MS;
/** @type {ReturnType<typeof setTimeout> | undefined} */
let timer;

/** The answer to what the person just did; said at once. @param {string} text */
export function say(text) {
  find("#polite").textContent = text;
}

/** Something lost or failed; interrupts. @param {string} text */
export function alarm(text) {
  const place = find("#alert");
  place.textContent = "";
  place.textContent = text;
}

/**
 * What others did, gathered and said together at most every ten seconds: "3 records changed, 1 record added".
 * @param {string} one "record changed" @param {string} many "records changed"
 */
export function mention(one, many) {
  const key = `${one}|${many}`;
  news.set(key, (news.get(key) ?? 0) + 1);
  timer ??= setTimeout(tell, Math.max(GATHER_MS, last + EVERY_MS - performance.now()));
}

function tell() {
  timer = undefined;
  last = performance.now();
  const parts = [...news].map(([key, count]) => `${count} ${key.split("|")[count === 1 ? 0 : 1]}`);
  news.clear();
  say(parts.join(", "));
}
