import { get } from "../api.js";
import { element, fill, find, seek } from "../dom.js";
import { events, service } from "../live.js";
import { oneAfterAnother } from "../reading.js";

/** Counts beside the stream, once a second, and whether they can be believed. */

const SILENT_MS = 4000;
const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;

/** What each minute of the last hour counted, by its beginning; whatever comes later is put in its place. @type {Map<number, any>} */
const minutes = new Map();
/** What is shown of them, and how to find it in one. @type {Record<string, (minute: any) => number>} */
const SHOWN = {
  total: ({ total }) => total,
  blocked: ({ outcomes }) => outcomes.blocked ?? 0,
  missing: ({ missing }) => missing,
  own_checks: ({ own_checks }) => own_checks,
};
const openedAt = Date.now();
let heardAt = performance.now();
/** @type {any} */
let source = null;
let hourRead = false;
let counted = 0;

/** All that was asked since the page was opened: grows with each query. */
export const told = () => counted;

export function showStatistics() {
  events.on("dns_query_statistics", (/** @type {any} */ { data }) => {
    heardAt = performance.now();
    source = data.source;
    data.minutes.forEach(take);
    fill(find("#counts"), { per_s: data.per_s.toLocaleString() });
    showCounts();
    if (data.top) for (const name of ["names", "clients", "blocked"]) showTop(name, data.top[name], data.top.errors[name]);
    showSource();
  });
  events.onResync(readHour);
  setInterval(showSource, 1000);
  readHour();
}

/** The hour as the database has it. */
const readHour = oneAfterAnother(async (signal) => {
  const answer = await get("/api/queries/stats/?from=-3600&top=1", { signal }).catch(() => null);
  for (const minute of answer?.series ?? []) {
    const known = minutes.get(Date.parse(minute.start));
    if (!known || known.total < minute.total) minutes.set(Date.parse(minute.start), minute); // the stream is ahead of it
  }
  hourRead ||= Boolean(answer);
  showCounts();
});

/** @param {any} minute */
function take(minute) {
  const at = Date.parse(minute.start);
  // Of a minute that had begun before, what it counted until then does not count as asked since.
  if (minutes.has(at) || at > openedAt) counted += Math.max(0, minute.total - (minutes.get(at)?.total ?? 0));
  minutes.set(at, minute);
}

function showCounts() {
  const oldest = Math.floor((Date.now() - HOUR_MS) / MINUTE_MS) * MINUTE_MS;
  for (const at of minutes.keys()) if (at < oldest) minutes.delete(at);
  if (!hourRead) return; // until then, what the page was made with
  const all = [...minutes.values()];
  fill(find("#counts"), Object.fromEntries(
    Object.entries(SHOWN).map(([name, of]) => [name, all.reduce((sum, minute) => sum + of(minute), 0).toLocaleString()]),
  ));
}

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
