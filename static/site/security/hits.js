import { draw, shownValues } from "../charts/chart.js";
import { setMoment } from "../clock.js";
import { open } from "../dialogs.js";
import { find, seek } from "../dom.js";
import { events } from "../live.js";
import { counted } from "../words.js";

/**
 * Hits: behind each number (`data-hits-of`, with whose they are in `data-name`) a dialog shows them over time. Numbers move
 * at most once a second, and never back: a list that is read again may be some seconds behind what was told.
 */

/** The most that was told, by whose hits they are. @type {Map<string, number>} */
const told = new Map();

/** @param {any} event */
function hit({ data, timestamp }) {
  for (const { rule, policy, of_rule: ofRule, of_policy: ofPolicy } of data.hits) {
    if (rule) told.set(`rule:${rule}`, ofRule);
    told.set(`policy:${policy}`, ofPolicy);
    const last = rule && seek(`#rule-${rule} [data-slot="last-hit"]`);
    if (last) setMoment(last, timestamp);
  }
}

/** @param {HTMLElement} button */
function show(button) {
  const place = seek("[data-slot=hits]", button);
  if (!place) return;
  const total = told.get(button.dataset.hitsOf ?? "") ?? 0;
  const news = total > Number(place.textContent);
  if (news) place.textContent = String(total);
  place.classList.toggle("news", news);
}

setInterval(() => {
  if (told.size) for (const button of document.querySelectorAll("[data-hits-of]")) show(/** @type {HTMLElement} */ (button));
}, 1000);
events.on("rpz_hits", hit);

const dialog = /** @type {HTMLDialogElement} */ (find("#hits-over-time"));
const blank = /** @type {HTMLElement} */ (find("[data-figure]", dialog).cloneNode(true));

/** @param {string} metric @param {string} name */
function showOverTime(metric, name) {
  const figure = /** @type {HTMLElement} */ (blank.cloneNode(true));
  find("li", figure).dataset.metric = metric;
  find("[data-figure]", dialog).replaceWith(figure);
  find("[data-of]", dialog).textContent = name;
  const total = find("[data-total]", dialog);
  total.textContent = "";
  figure.addEventListener("drawn", () => {
    const values = shownValues(figure, metric).map(([, value]) => value);
    const sum = (/** @type {number[]} */ some) => some.reduce((one, other) => one + other, 0);
    const words = values.length ? `${counted(sum(values.slice(-24)), "hit")} in 24 hours, ${sum(values)} in 7 days.` : "";
    if (total.textContent !== words) total.textContent = words;
  });
  open(dialog);
  draw(figure); // it is as wide as it gets only now
}

document.addEventListener("click", (event) => {
  const button = /** @type {HTMLElement | null} */ (/** @type {Element} */ (event.target).closest("[data-hits-of]"));
  if (button) showOverTime(button.dataset.hitsOf ?? "", button.dataset.name ?? "");
});
