import { draw } from "../charts/chart.js";
import { get } from "../api.js";
import { open } from "../dialogs.js";
import { find } from "../dom.js";
import { counted } from "../words.js";

/** Hits over time, in a dialog: behind every number of hits (`data-hits-of`, with whose they are in `data-name`). */

const dialog = /** @type {HTMLDialogElement} */ (find("#hits-over-time"));
const blank = /** @type {HTMLElement} */ (find("[data-figure]", dialog).cloneNode(true));

/** @param {string} metric @param {string} name */
async function show(metric, name) {
  const figure = /** @type {HTMLElement} */ (blank.cloneNode(true));
  find("li", figure).dataset.metric = metric;
  find("[data-figure]", dialog).replaceWith(figure);
  find("[data-of]", dialog).textContent = name;
  const total = find("[data-total]", dialog);
  total.textContent = "";
  open(dialog);
  draw(figure); // it is as wide as it gets only now
  const { points } = await get(`/api/rpz/hits/?metric=${encodeURIComponent(metric)}`);
  const values = points.map((/** @type {{value: number}} */ { value }) => value);
  const sum = (/** @type {number[]} */ some) => some.reduce((one, other) => one + other, 0);
  total.textContent = `${counted(sum(values.slice(-24)), "hit")} in 24 hours, ${sum(values)} in 7 days.`;
}

document.addEventListener("click", (event) => {
  const button = /** @type {HTMLElement | null} */ (/** @type {Element} */ (event.target).closest("[data-hits-of]"));
  if (button) show(button.dataset.hitsOf ?? "", button.dataset.name ?? "");
});
