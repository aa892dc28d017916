import { element, fill, find, seek } from "../dom.js";
import { events, service } from "../live.js";

/** Counts beside the stream, once a second, and whether they can be believed. */

const SILENT_MS = 4000;
const HOUR_MS = 3_600_000;

/** What each minute counted, by its beginning: an event puts the newest value in place. @type {Map<number, any>} */
const minutes = new Map();
let heardAt = performance.now();
/** @type {any} */
let source = null;
/** Of the last hour, when the page was made, without the minutes that are told since. @type {Record<string, number> | null} */
let before = null;
/** How to find in a minute what is counted beside the stream. @type {Record<string, (minute: any) => number>} */
const COUNTED = {
  total: ({ total }) => total,
  blocked: ({ outcomes }) => outcomes.blocked ?? 0,
  missing: ({ missing }) => missing,
  own_checks: ({ own_checks }) => own_checks,
};

/** All that was told of so far: grows with each query. */
export const told = () => sum(COUNTED.total);

export function showStatistics() {
  const counts = find("#counts");
  const names = Object.keys(COUNTED);
  const figures = Object.fromEntries(names.map((name) => [name, Number(find(`[data-slot="${name}"]`, counts).textContent)]));
  events.on("dns_query_statistics", (/** @type {any} */ { data }) => {
    heardAt = performance.now();
    source = data.source;
    for (const minute of data.minutes) minutes.set(Date.parse(minute.start), minute);
    // The page's own figures hold part of the minutes that are told first; from then on the difference counts.
    before ??= Object.fromEntries(names.map((name) => [name, figures[name] - sum(COUNTED[name])]));
    const since = before;
    for (const at of minutes.keys()) if (at < Date.now() - HOUR_MS) minutes.delete(at);
    fill(counts, {
      per_s: data.per_s.toLocaleString(),
      ...Object.fromEntries(names.map((name) => [name, Math.max(0, since[name] + sum(COUNTED[name])).toLocaleString()])),
    });
    if (data.top) for (const name of ["names", "clients", "blocked"]) showTop(name, data.top[name], data.top.errors[name]);
    showSource();
  });
  setInterval(showSource, 1000);
}

/** Over all minutes. @param {(minute: any) => number} of */
const sum = (of) => [...minutes.values()].reduce((all, minute) => all + of(minute), 0);

/** @param {string} name @param {{value: string | null, count: number}[]} values @param {number} error */
function showTop(name, values, error) {
  const card = seek(`[data-top="${name}"]`);
  if (!card || card.matches(":hover, :focus-within")) return; // nothing moves under the pointer
  const field = card.dataset.filter ?? "";
  const list = find("ol", card);
  const text = JSON.stringify(values);
  if (!values.length || list.dataset.shown === text) return;
  list.dataset.shown = text;
  fill(card, { error: error ? `each up to ${error.toLocaleString()} too low` : "" });
  list.replaceChildren(
    ...values.map(({ value, count }) =>
      element("li", {},
        element("a", { class: "mono", href: `?${new URLSearchParams({ [field]: value ?? "" })}` }, value ?? "hidden"),
        element("span", { class: "number" }, count.toLocaleString()))),
  );
}

function showSource() {
  const place = find("#source");
  const words = problem();
  place.hidden = !words;
  if (place.textContent !== words) place.textContent = words;
}

/** What is wrong, in words; empty when nothing is. */
function problem() {
  const silent = performance.now() - heardAt;
  if (service.state.name !== "live") return ""; // the badge says so
  if (silent > SILENT_MS) return `No news from the collector for ${Math.floor(silent / 1000)} s: what is asked now is not shown. It is counted when the collector is back.`;
  if (!source) return "";
  if (source.named === "down") return `The name server is down: ${source.named_reason}`;
  if (source.state === "catching_up") return `The collector is catching up: ${Math.ceil(source.behind_bytes / 1024 / 1024)} MB of log to go.`;
  return source.state === "following" ? "" : source.reason;
}
