import { get } from "../api.js";
import { setMoment } from "../clock.js";
import { copyOf, fill, find, seek, slot } from "../dom.js";
import { events } from "../live.js";
import { oneAfterAnother } from "../reading.js";

/** The health of every component, read again whenever one of them has changed. */

const AT_MOST_EVERY_MS = 1000;
const SILENCE_MS = 4000; // the name server's status comes every two seconds; while it does not, we look for ourselves
const WORDS = { up: "All is well", degraded: "Something works less well", down: "Something is down", unknown: "Not known yet" };

const list = find("#health .components");
const whole = find("#health [data-whole]");
/** @type {Set<(summary: any) => void>} */
const listeners = new Set();

/** Hear of each summary that is read. @param {(summary: any) => void} listener */
export const onSummary = (listener) => listeners.add(listener);

export const readSoon = oneAfterAnother(async (signal) => {
  const summary = await get("/api/monitoring/summary/", { signal }).catch(() => null);
  if (!summary) return;
  show(summary);
  for (const listener of listeners) listener(summary);
}, AT_MOST_EVERY_MS);

/** @param {any} summary */
function show({ state, components }) {
  whole.dataset.state = state;
  const words = WORDS[/** @type {keyof WORDS} */ (state)] ?? state;
  if (whole.textContent !== words) whole.textContent = words;
  for (const component of components) {
    const place = seek(`[data-component="${CSS.escape(component.name)}"]`, list) ?? added(component.name);
    fill(place, { title: component.title, state: component.state, reason: component.reason });
    slot(place, "title").dataset.state = component.state;
    setMoment(slot(place, "since"), component.since);
  }
  seek("#health .nothing")?.remove();
}

/** @param {string} name */
function added(name) {
  const place = copyOf("component");
  place.dataset.component = name;
  list.append(place);
  return place;
}

events.on(["health_update", "system_status", "service_*", "bind_reload"], readSoon);
events.onResync(readSoon);

let heard = performance.now();
events.on("bind_status_update", () => (heard = performance.now()));
setInterval(() => document.visibilityState === "visible" && performance.now() - heard > SILENCE_MS && readSoon(), SILENCE_MS / 2);
