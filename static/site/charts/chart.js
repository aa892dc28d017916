import uPlot from "/static/uplot/uPlot.esm.js";
import { get } from "../api.js";
import { find, seek } from "../dom.js";
import { events } from "../live.js";
import { inTime } from "../reading.js";
import { shown } from "./units.js";
import { TimeWindow } from "./window.js";

/** Charts over time (`parts/chart.html`): read from the database once, then drawn on from the stream. */

const DRAW_MS = 1000; // numbers change at most once a second
const SHORTEST_TAIL_MS = 10_000;
const DASHES = [[], [6, 3], [2, 3], [8, 3, 2, 3]];

/** Steps between the lines of an axis of bytes. */
const BINARY = Array.from({ length: 50 }, (_, power) => 2 ** power);

/** Points that no line leads to, which would not be seen. @param {uPlot} plot @param {number} number of the series */
function alone({ data, series }, number) {
  const column = data[number];
  const there = [...column.keys()].filter((place) => typeof column[place] === "number");
  if (series[number].spanGaps) return there.length === 1 ? there : [];
  return there.filter((place) => typeof column[place - 1] !== "number" && typeof column[place + 1] !== "number");
}

/** The colour that an element has now, in whichever theme. @param {Element} place */
const ink = (place) => getComputedStyle(place).color;

/** A moment on the axis: a time of day, or a day where those are marked. @param {number} at @param {number} every seconds */
function moment(at, every) {
  const date = new Date(at * 1000);
  const midnight = date.getHours() === 0 && date.getMinutes() === 0;
  if (every >= 86_400 || midnight) return date.toLocaleDateString("en-GB", { day: "numeric", month: "short" });
  return date.toLocaleTimeString("en-GB", every < 60 ? { timeStyle: "medium" } : { hour: "2-digit", minute: "2-digit" });
}

class Chart {
  #figure;
  #source;
  #metrics;
  #window;
  #unit;
  /** @type {uPlot | undefined} */
  #plot;
  #drawn = 0;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #drawing;
  #reading = false;
  #fitting;
  #timer;

  /** @param {HTMLElement} figure */
  constructor(figure) {
    const { seconds, step, unit = "", source = "/api/monitoring/series/" } = figure.dataset;
    this.#figure = figure;
    this.#source = source;
    this.#unit = unit;
    this.#metrics = [.../** @type {NodeListOf<HTMLElement>} */ (figure.querySelectorAll("[data-metric]"))];
    this.#window = new TimeWindow(this.#metrics.map(({ dataset }) => dataset.metric ?? ""), Number(seconds), Number(step));
    this.seconds = Number(seconds);
    this.read(this.seconds);
    this.#fitting = new ResizeObserver(() => this.#fit());
    this.#fitting.observe(find("[data-plot]", figure));
    const tail = Math.max(SHORTEST_TAIL_MS, Math.min(this.#window.step * 500, 60_000));
    this.#timer = setInterval(() => document.visibilityState === "visible" && this.read(3 * this.#window.step), tail);
  }

  get gone() {
    return !this.#figure.isConnected;
  }

  stop() {
    clearInterval(this.#timer);
    clearTimeout(this.#drawing);
    this.#fitting.disconnect();
    this.#plot?.destroy();
  }

  /** Read the last `seconds` from the database. @param {number} seconds */
  async read(seconds) {
    if (this.#reading) return;
    this.#reading = true;
    const query = `from=-${Math.ceil(seconds)}&step=${this.#window.step}`;
    try {
      await Promise.all(this.#metrics.map(async ({ dataset: { metric = "" } }) => {
        const answer = await get(`${this.#source}?metric=${encodeURIComponent(metric)}&${query}`, { signal: inTime() });
        this.#window.read(metric, answer.points);
      }));
      this.#note(this.#window.size ? "" : "Nothing was measured in this time yet. Figures appear here as soon as there are some.");
    } catch (error) {
      this.#note(`The figures could not be read: ${/** @type {Error} */ (error).message}`);
    } finally {
      this.#reading = false;
    }
    this.#drawSoon();
  }

  /** @param {any} bucket */
  running(bucket) {
    if (!this.#window.running(bucket)) return;
    this.#note("");
    this.#drawSoon();
  }

  /** @param {string} metric @returns {[number, number][]} the points of a metric as they were `drawn`: seconds, value */
  values(metric) {
    const [times, ...columns] = this.#window.columns(Date.now() / 1000);
    const column = columns[this.#metrics.findIndex(({ dataset }) => dataset.metric === metric)] ?? [];
    return times.flatMap((at, place) => (typeof column[place] === "number" ? [/** @type {[number, number]} */ ([at, column[place]])] : []));
  }

  get figure() {
    return this.#figure;
  }

  redraw() {
    this.#plot?.redraw(false, true);
  }

  #drawSoon() {
    this.#drawing ??= setTimeout(() => {
      this.#drawing = undefined;
      this.#draw();
    }, Math.max(0, this.#drawn + DRAW_MS - performance.now()));
  }

  #draw() {
    if (this.gone) return; // while it was read
    this.#drawn = performance.now();
    const columns = /** @type {any} */ (this.#window.columns(Date.now() / 1000));
    if (this.#plot) this.#plot.setData(columns);
    else this.#plot = new uPlot(this.#options(), columns, find("[data-plot]", this.#figure));
    this.#metrics.forEach((place) => this.#tell(place, this.#window.newest(place.dataset.metric ?? "")));
    this.#figure.dispatchEvent(new Event("drawn"));
  }

  /** @param {HTMLElement} place @param {number | null | undefined} value */
  #tell(place, value) {
    const text = value === null || value === undefined ? "–" : shown(value, this.#unit);
    const now = find("[data-now]", place);
    if (now.textContent !== text) now.textContent = text;
  }

  /** @returns {any} */
  #options() {
    const soft = () => ink(this.#figure.querySelector("[data-note]") ?? this.#figure);
    const line = () => getComputedStyle(find("[data-plot]", this.#figure)).outlineColor;
    const most = this.#figure.dataset.most;
    const axis = { stroke: soft, font: "11px system-ui, sans-serif", grid: { stroke: line, width: 1 }, ticks: { show: false } };
    return {
      ...this.#size,
      legend: { show: false },
      cursor: { y: false, drag: { setScale: false, x: false } },
      scales: { y: { range: (/** @type {any} */ _, /** @type {number} */ __, /** @type {number} */ max) => [0, most ? Number(most) : Math.max(max * 1.1, 1)] } },
      axes: [
        { ...axis, space: 60, size: 28, values: (/** @type {any} */ _, /** @type {number[]} */ times, /** @type {any} */ __, /** @type {any} */ ___, /** @type {number} */ every) => times.map((at) => moment(at, every)) },
        { ...axis, size: 62, ...(this.#unit.startsWith("B") && { incrs: BINARY }), values: (/** @type {any} */ _, /** @type {number[]} */ values) => values.map((value) => shown(value, this.#unit)) },
      ],
      series: [
        {},
        ...this.#metrics.map((place, number) => ({
          label: place.dataset.metric,
          stroke: () => ink(find(".swatch", place)),
          width: 1.5,
          dash: DASHES[number % DASHES.length],
          points: { show: false, size: 4, filter: alone },
          spanGaps: place.dataset.counted !== "true",
        })),
      ],
      hooks: { setCursor: [(/** @type {uPlot} */ plot) => this.#point(plot)] },
    };
  }

  /** What the pointer is at, in the legend. @param {uPlot} plot */
  #point({ cursor: { idx }, data }) {
    const at = idx === null || idx === undefined ? null : data[0][idx];
    this.#metrics.forEach((place, number) =>
      this.#tell(place, at === null ? this.#window.newest(place.dataset.metric ?? "") : data[number + 1][/** @type {number} */ (idx)]));
    if (this.#window.size) this.#note(at === null ? "" : new Date(at * 1000).toLocaleString());
  }

  /** @param {string} text */
  #note(text) {
    const place = find("[data-note]", this.#figure);
    if (place.textContent !== text) place.textContent = text;
  }

  #fit() {
    const size = this.#size;
    if (this.#plot && size.width && size.width !== this.#plot.width) this.#plot.setSize(size);
  }

  /** What the style gives it. */
  get #size() {
    const place = find("[data-plot]", this.#figure);
    return { width: place.clientWidth, height: place.clientHeight };
  }
}

/** @type {Set<Chart>} */
const charts = new Set();
/** Draw a chart that has come into the page; those that have left it end. @param {HTMLElement} figure */
export function draw(figure) {
  for (const chart of charts) {
    if (!chart.gone) continue;
    chart.stop();
    charts.delete(chart);
  }
  charts.add(new Chart(figure));
}

/** What a chart shows of a metric. @param {Element} figure @param {string} metric */
export const shownValues = (figure, metric) => [...charts].find((chart) => chart.figure === figure)?.values(metric) ?? [];

const readAll = () => charts.forEach((chart) => chart.read(chart.seconds));
const redrawAll = () => charts.forEach((chart) => chart.redraw());

for (const figure of document.querySelectorAll("[data-chart]")) draw(/** @type {HTMLElement} */ (figure));
events.on("bind_status_update", ({ data: { bucket } }) => bucket && charts.forEach((chart) => chart.running(bucket)));
events.onResync(readAll);
events.onGap(readAll);
document.addEventListener("visibilitychange", () => document.visibilityState === "visible" && readAll());
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redrawAll);
new MutationObserver(redrawAll).observe(document.documentElement, { attributeFilter: ["data-theme"] });
