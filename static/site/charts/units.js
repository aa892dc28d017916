/** Figures with their units, short enough for an axis. */

const BYTES = ["B", "KiB", "MiB", "GiB", "TiB"];

/** @param {number} value @param {string} unit */
export function shown(value, unit) {
  if (unit === "B" || unit === "B/s") return bytes(value) + (unit === "B/s" ? "/s" : "");
  if (unit === "%") return `${rounded(value)} %`;
  if (unit === "ms") return `${rounded(value)} ms`;
  return unit ? `${rounded(value)}${unit}` : rounded(value);
}

/** @param {number} value */
function bytes(value) {
  let power = 0;
  for (; value >= 1000 && power < BYTES.length - 1; power++) value /= 1024;
  return `${rounded(value)} ${BYTES[power]}`;
}

/** Three figures that mean something. @param {number} value */
function rounded(value) {
  if (value >= 10_000) return Math.round(value).toLocaleString("en").replaceAll(",", " ");
  if (value >= 100) return String(Math.round(value));
  return String(Number(value.toPrecision(value >= 10 ? 3 : 2)));
}
