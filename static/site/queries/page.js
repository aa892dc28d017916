import { get } from "../api.js";
import { element, fill, find, seek } from "../dom.js";
import { Held } from "../held.js";
import { moveAlong, shortcut } from "../keyboard.js";
import { events, service } from "../live.js";
import { oneAfterAnother } from "../reading.js";
import { mention, say } from "../saying.js";
import { act, offerActs } from "./acts.js";
import { rowOf } from "./rows.js";
import { showStatistics, told } from "./statistics.js";

/** The live tail. Rows arrive at the top; they wait while somebody looks closely, and nothing is sent while it pauses. */

const MOST_ROWS = 1000;
const BATCH = "dns_query_batch";
const OTHER_FILTER_MS = 3000;

const tail = find("#tail");
const list = find(".queries", tail);
const flow = JSON.parse(tail.dataset.flow || "null");
const pausing = find("[data-pause]", tail);
const paused = () => pausing.getAttribute("aria-pressed") === "true";
const older = /** @type {HTMLButtonElement} */ (find("button[data-older]", tail));

/** @type {any[]} rows that wait, the newest last */
let waiting = [];
let waitingCount = 0;
/** The list was read up to this time: what is told of it later is in there. */
let readTo = "";
const held = new Held(list, find("[data-held]", tail), () => list.contains(document.activeElement), () => waitingCount);

// -- rows -----------------------------------------------------------------------------------------------------------------

/** @param {any} event */
function arrive({ data }) {
  if (!same(data.filter, flow)) return filteredElsewhere();
  filteredHere();
  shown += data.shown;
  asked += data.total;
  mention("new query", "new queries");
  const fresh = data.queries.filter((/** @type {any} */ { time }) => time > readTo);
  waiting.push(...fresh);
  waitingCount += fresh.length;
  if (waiting.length > MOST_ROWS) waiting = waiting.slice(-MOST_ROWS);
  if (waiting.length) held.offer("rows", letIn);
}

function letIn() {
  const fresh = waiting.map(rowOf).reverse();
  [waiting, waitingCount] = [[], 0];
  list.prepend(...fresh);
  trim();
  find(".nothing", tail).hidden = true;
}

function trim() {
  while (list.childElementCount > MOST_ROWS) list.lastElementChild?.remove();
  if (list.childElementCount === MOST_ROWS) older.hidden = true; // what is below was cut off
}

let shown = 0;
let asked = 0;

/** Once a second, so that it can be read. */
setInterval(() => {
  const words = !asked ? "" : shown === asked ? `last second: all ${asked.toLocaleString()} shown` : `last second: ${shown.toLocaleString()} of ${asked.toLocaleString()} shown`;
  fill(tail, { shown: words });
  [shown, asked] = [0, 0];
}, 1000);

// -- the filter of the connection, which all tabs share ---------------------------------------------------------------------

/** @type {number | null} */
let otherSince = null;

const filterHere = () =>
  flow && service.command("subscribe", { event_types: [BATCH], filter: flow }).catch(() => {}); // the state tells why

function filteredElsewhere() {
  otherSince ??= performance.now();
  if (performance.now() - otherSince < OTHER_FILTER_MS || seek("[data-other]", tail)) return;
  find("header", tail).after(
    element("p", { class: "note wait", "data-other": true }, "Another tab of yours filters the stream in another way. ",
      element("button", { type: "button", onclick: filterHere }, "Filter as here")),
  );
}

function filteredHere() {
  otherSince = null;
  seek("[data-other]", tail)?.remove();
}

/** @param {Record<string, any>} a @param {Record<string, any>} b */
function same(a, b) {
  const names = Object.keys(a ?? {});
  return Boolean(b) && names.length === Object.keys(b).length && names.every((name) => a[name] === b[name]);
}

service.onState(({ name }) => {
  if (name === "live" && !paused()) filterHere();
});

// -- pausing: nothing is asked for, so nothing is made ------------------------------------------------------------------------

/** @type {() => void} */
let stop = () => {};
let askedBefore = 0;

function listen() {
  stop = events.on(BATCH, arrive);
  setTimeout(filterHere, 100); // after the wish for the events themselves
}

function pause() {
  stop();
  askedBefore = told();
  pausing.setAttribute("aria-pressed", "true");
  pausing.textContent = "Resume";
  say("Paused.");
}

async function resume() {
  pausing.setAttribute("aria-pressed", "false");
  pausing.textContent = "Pause";
  fill(tail, { back_to: "" });
  listen();
  await readAgain();
  say("Live again.");
}

/** What was asked meanwhile, from the log; what streams by waits, and follows it. */
const readAgain = oneAfterAnother((signal) => events.during(() => readLog(signal)));

/** @param {AbortSignal} signal */
async function readLog(signal) {
  const answer = await get(`/api/queries/?${new URLSearchParams({ ...flow, page_size: "100" })}`, { signal }).catch(() => null);
  if (!answer) return;
  readTo = answer.results[0]?.time ?? "";
  [waiting, waitingCount] = [[], 0];
  list.replaceChildren(...answer.results.map(rowOf));
  place(answer.next);
}

pausing.addEventListener("click", () => (paused() ? resume() : pause()));
shortcut(" ", () => (paused() ? resume() : pause()));
setInterval(() => {
  if (paused() && told()) pausing.textContent = `Resume · ${(told() - askedBefore).toLocaleString()} asked since`;
}, 1000);

// -- further back -----------------------------------------------------------------------------------------------------------

let next = tail.dataset.older ? `/api/queries/?${new URLSearchParams({ ...flow, cursor: tail.dataset.older })}` : "";

/** @param {string | null} link */
function place(link) {
  next = link ? new URL(link).pathname + new URL(link).search : "";
  older.hidden = !next;
}

older.addEventListener("click", async () => {
  older.disabled = true;
  try {
    const answer = await get(next);
    list.append(...answer.results.map(rowOf));
    const back = answer.back_to ? new Date(answer.back_to).toLocaleTimeString() : "";
    fill(tail, { back_to: answer.next ? `searched back to ${back}` : "That is as far back as the log goes." });
    place(answer.next);
    trim();
  } catch (error) {
    fill(tail, { back_to: /** @type {Error} */ (error).message });
  } finally {
    older.disabled = false;
  }
});

// -- keys and buttons ---------------------------------------------------------------------------------------------------------

moveAlong(".query");
shortcut("Enter", () => document.activeElement?.closest(".query")?.querySelector(/** @type {any} */ (".name a"))?.click());
shortcut("b", () => {
  const row = document.activeElement?.closest(".query");
  if (row instanceof HTMLElement) act("block", row);
});
offerActs(list);
events.onResync(readAgain);
if (flow) listen();
if (tail.dataset.seesAll === "true") showStatistics();
