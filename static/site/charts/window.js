/**
 * The points of some metrics in a time that ends now: what the database answered, and what the stream has told since. Both
 * speak of the same spans, so what comes twice is the same, and nothing lies between them.
 */

/** @typedef {{at: string, value: number}} Point */

export class TimeWindow {
  /** @type {Map<string, Map<number, number>>} metric -> beginning of a span (s) -> value */
  #values;
  #seconds;
  #step;

  /** @param {string[]} metrics @param {number} seconds how much time is shown @param {number} step seconds of a point */
  constructor(metrics, seconds, step) {
    this.#values = new Map(metrics.map((metric) => [metric, new Map()]));
    this.#seconds = seconds;
    this.#step = step;
  }

  get step() {
    return this.#step;
  }

  /** What the database has of a metric; it replaces what is known of these spans. @param {string} metric @param {Point[]} points */
  read(metric, points) {
    const values = this.#values.get(metric);
    for (const { at, value } of points) values?.set(Date.parse(at) / 1000, value);
  }

  /**
   * The span that is running, as the stream tells it: it is told again and again, and replaced.
   * @param {{at: string, step: number, weight: number, totals: Record<string, number>}} bucket
   */
  running({ at, step, weight, totals }) {
    if (step !== this.#step || weight <= 0) return false;
    for (const [metric, values] of this.#values)
      if (metric in totals) values.set(Date.parse(at) / 1000, totals[metric] / weight);
    return true;
  }

  /**
   * Columns for a chart: times, then the values of each metric; null where nothing was measured. Forgets what is too old.
   * @param {number} now seconds
   * @returns {[number[], ...(number | null)[][]]}
   */
  columns(now) {
    const end = Math.floor(now / this.#step) * this.#step;
    const first = end - Math.floor(this.#seconds / this.#step) * this.#step;
    for (const values of this.#values.values()) for (const at of values.keys()) if (at < first) values.delete(at);
    const times = [];
    for (let at = first; at <= end; at += this.#step) times.push(at);
    const columns = [...this.#values.values()].map((values) => times.map((at) => values.get(at) ?? null));
    return [times, ...columns];
  }

  /** The newest value of a metric. @param {string} metric @returns {number | null} */
  newest(metric) {
    const values = this.#values.get(metric);
    if (!values?.size) return null;
    return values.get(Math.max(...values.keys())) ?? null;
  }

  /** How many values are kept, of all metrics together. */
  get size() {
    return [...this.#values.values()].reduce((sum, values) => sum + values.size, 0);
  }
}
