/** Ages in words. They change in coarse steps: a number that ticks on every row is noise. */

const DAY_S = 86_400;

/** @param {number} seconds */
export function age(seconds) {
  if (seconds < 10) return "just now";
  if (seconds < 60) return `${Math.floor(seconds / 10) * 10} s ago`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ago`;
  if (seconds < DAY_S) return `${Math.floor(seconds / 3600)} h ago`;
  if (seconds < 7 * DAY_S) return `${Math.floor(seconds / DAY_S)} d ago`;
  return "";
}

const day = new Intl.DateTimeFormat(undefined, { dateStyle: "medium" });
const exact = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });

/** @param {HTMLTimeElement} place */
function tellAge(place) {
  const at = Date.parse(place.dateTime);
  if (Number.isNaN(at)) return;
  const words = age((Date.now() - at) / 1000) || day.format(at);
  if (place.textContent !== words) place.textContent = words;
  if (!place.title) place.title = exact.format(at);
}

/** @param {ParentNode} [root] */
export function tellAges(root = document) {
  for (const place of root.querySelectorAll("time[data-ago]")) tellAge(/** @type {HTMLTimeElement} */ (place));
}

/** Set the moment that a `<time data-ago>` tells. @param {HTMLElement} place @param {string} moment ISO 8601 */
export function setMoment(place, moment) {
  const time = /** @type {HTMLTimeElement} */ (place);
  time.dateTime = moment;
  time.title = "";
  tellAge(time);
}

/** On paper "3 min ago" means nothing. */
function tellMoments() {
  for (const place of document.querySelectorAll("time[data-ago]")) {
    const at = Date.parse(/** @type {HTMLTimeElement} */ (place).dateTime);
    if (!Number.isNaN(at)) place.textContent = exact.format(at);
  }
}

tellAges();
addEventListener("beforeprint", tellMoments);
addEventListener("afterprint", () => tellAges());
setInterval(() => document.visibilityState === "visible" && tellAges(), 5000);
document.addEventListener("visibilitychange", () => tellAges());
