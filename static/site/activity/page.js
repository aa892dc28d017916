import { get } from "../api.js";
import { tellAges } from "../clock.js";
import { element, fill, find, seek, standing } from "../dom.js";
import { Held } from "../held.js";
import { moveAlong, shortcut } from "../keyboard.js";
import { events, service } from "../live.js";
import { markNews } from "../news.js";
import { documentAt, inTime, oneAfterAnother } from "../reading.js";
import { alarm, mention } from "../saying.js";
import { line, stand } from "./lines.js";

/** Dashboard and log: lines arrive at the top as it happens; figures are read again when something moved. */

const MOST_LINES = 300;
const MOST_STANDINGS = 1000;
const SHOWN_OF_A_CHANGE_SET = 3;
const FIGURES_MS = 1500;
const NAME_SERVER_MS = 10_000;

const feed = find("#feed");
const list = find(".lines", feed);
const held = new Held(list, find("[data-held]", feed));
const { feed: what, kind = "", zone = "", who = "", live = "true" } = feed.dataset;

/** Told on the lines of the changes that they are about. */
const FOLDED = what === "zones" ? ["zone_synced", "change_set_applied"] : [];
/** @type {Record<string, string[]>} */
const CATEGORIES = { zones: ["dns", "bulk_operation"], people: ["user", "connection"], system: ["system", "health", "alert"], security: ["security"] };
const wanted = what === "zones" ? CATEGORIES.zones : CATEGORIES[kind];

/** @type {Map<number, {state: string, serial: number | null}>} */
const standings = new Map();

/** @param {any} event */
const belongs = ({ event_type: type, category, data, source_user: user, position }) =>
  position !== null && position !== undefined && !FOLDED.includes(type) && (!wanted || wanted.includes(category)) &&
  (!zone || data.zone === zone) && (!who || user?.username === who);

/** @param {any} event */
function arrive(event) {
  follow(event);
  if (live !== "true" || !belongs(event)) return;
  mention("new line of activity", "new lines of activity");
  held.offer(event.id, () => add(event));
}

/** The dashboard sums a large change set up: its last line counts the others. @param {any} event */
function summedUp({ event_type: type, data }) {
  if (what !== "zones" || !type.startsWith("record_")) return false;
  const lines = list.querySelectorAll(`[data-change-set="${data.change_set}"]`);
  if (!data.change_set || lines.length < SHOWN_OF_A_CHANGE_SET) return false;
  const last = /** @type {HTMLElement} */ (lines[lines.length - 1]);
  last.dataset.more = String(Number(last.dataset.more ?? 0) + 1);
  fill(last, { note: `and ${last.dataset.more} more` });
  return true;
}

/** @param {any} event */
function add(event) {
  if (seek(`[data-event="${CSS.escape(event.id)}"]`, list) || summedUp(event)) return;
  const row = line(event);
  const known = standings.get(event.data.change_set);
  if (known) stand(row, known.state, known.serial);
  list.prepend(row);
  find(".nothing", feed).hidden = true;
  while (list.childElementCount > MOST_LINES) list.lastElementChild?.remove();
  markNews(row, "new");
}

/** What becomes of changes: on their lines, where they are shown. @param {any} event */
function follow({ event_type: type, data }) {
  if (type !== "zone_synced" && type !== "zone_sync_failed") return;
  const state = type === "zone_synced" ? "served" : data.state;
  for (const id of data.change_sets ?? []) {
    standings.set(id, { state, serial: data.serial ?? null });
    if (standings.size > MOST_STANDINGS) standings.delete(standings.keys().next().value ?? 0);
    for (const row of list.querySelectorAll(`[data-change-set="${id}"]`)) stand(/** @type {HTMLElement} */ (row), state, data.serial);
  }
  if (state === "failed") alarm(`Not served: ${data.zone}. ${data.error}`);
}

events.on("*", arrive);
events.onResync(() => held.offer("read again", () => location.reload()));
moveAlong(".line");
shortcut("Enter", () => document.activeElement?.closest(".line")?.querySelector("a")?.click());

// -- pausing: the whole page, as the badge says too ------------------------------------------------------------------------

const pausing = find("[data-pause]", feed);
const paused = () => pausing.getAttribute("aria-pressed") === "true";
const pause = () => (paused() ? events.resume() : events.pause());

/** @param {boolean} now @param {number} waiting */
function showPause(now, waiting) {
  pausing.setAttribute("aria-pressed", String(now));
  pausing.textContent = now ? (waiting ? `Resume · ${waiting} waiting` : "Resume") : "Pause";
}

pausing.addEventListener("click", pause);
shortcut(" ", pause);
service.onState(({ name }) => showPause(name === "paused", events.waiting));
events.onWaiting((count) => paused() && showPause(true, count));

// -- the figures of the dashboard --------------------------------------------------------------------------------------

const figures = seek("#figures");

const readFigures = oneAfterAnother(async (signal) => {
  const fresh = await documentAt(location.href, signal).catch(() => null);
  if (!fresh || !figures) return;
  for (const figure of figures.querySelectorAll("[data-figure]")) {
    const now = find(`[data-figure="${/** @type {HTMLElement} */ (figure).dataset.figure}"]`, fresh).textContent;
    if (figure.textContent !== now) figure.textContent = now;
  }
  for (const state of figures.querySelectorAll("[data-state-of]"))
    state.setAttribute("data-state", find(`[data-state-of="${/** @type {HTMLElement} */ (state).dataset.stateOf}"]`, fresh).dataset.state ?? "none");
  showUnserved(seek(".unserved", fresh));
}, FIGURES_MS);

/** @param {HTMLElement | null} fresh */
function showUnserved(fresh) {
  const shown = seek(".unserved");
  if (shown && fresh) shown.replaceChildren(...fresh.childNodes);
  else if (shown) held.offer("unserved", () => shown.remove());
  else if (fresh) held.offer("unserved", () => feed.before(fresh));
}

const askNameServer = oneAfterAnother(async (signal) => {
  const place = find("#name-server");
  if (document.visibilityState !== "visible") return;
  const details = find("[data-details]", /** @type {HTMLElement} */ (place.parentElement));
  try {
    const answer = await get(place.dataset.from ?? "", { signal });
    if (seek(".state", place)?.textContent !== answer.words) place.replaceChildren(standing(answer.state, answer.words));
    details.textContent = answer.details;
  } catch (error) {
    place.replaceChildren(standing("none", "Not known"));
    details.textContent = /** @type {Error} */ (error).message;
  }
});

if (figures) {
  for (const name of ["zone_*", "change_set_*"]) events.on(name, readFigures);
  for (const name of ["zone_sync_failed", "zone_synced"]) events.on(name, () => setTimeout(askNameServer, FIGURES_MS));
  askNameServer();
  setInterval(askNameServer, NAME_SERVER_MS);
}

// -- older lines of the log ------------------------------------------------------------------------------------------

document.addEventListener("click", async (event) => {
  const link = /** @type {Element} */ (event.target).closest("[data-older]");
  if (!(link instanceof HTMLAnchorElement)) return;
  event.preventDefault();
  link.textContent = "Loading …";
  const fresh = await documentAt(link.href, inTime()).catch(() => null);
  if (!fresh) {
    link.textContent = "Not loaded; try again";
    return;
  }
  const lines = [...find(".lines", fresh).children];
  list.append(...lines);
  tellAges(list);
  const next = seek("[data-older]", fresh);
  if (next instanceof HTMLAnchorElement) link.href = next.getAttribute("href") ?? "";
  else link.parentElement?.replaceChildren(element("p", { class: "soft" }, "This is the beginning of the log."));
  link.textContent = "Load older";
  /** @type {HTMLElement | undefined} */ (lines[0])?.focus({ preventScroll: true });
});
