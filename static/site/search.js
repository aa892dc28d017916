import { get } from "./api.js";
import { element, find } from "./dom.js";
import { shortcut } from "./keyboard.js";
import { say } from "./saying.js";

/** The search of the top line: zones and records, found while one types; arrows choose, Enter opens. */

const WAIT_MS = 150;
const form = /** @type {HTMLFormElement} */ (find("form.search"));
const input = /** @type {HTMLInputElement} */ (find("input", form));
const list = find("#found");
/** @type {AbortController | undefined} */
let asking;
/** @type {ReturnType<typeof setTimeout> | undefined} */
let timer;

const options = () => /** @type {HTMLAnchorElement[]} */ ([...list.querySelectorAll("[role=option]")]);
const chosen = () => options().findIndex((option) => option.getAttribute("aria-selected") === "true");

/** @param {number} index -1 for none */
function choose(index) {
  options().forEach((option, at) => option.setAttribute("aria-selected", String(at === index)));
  const option = options()[index];
  if (option) input.setAttribute("aria-activedescendant", option.id);
  else input.removeAttribute("aria-activedescendant");
  option?.scrollIntoView({ block: "nearest" });
}

function close() {
  clearTimeout(timer);
  asking?.abort();
  list.hidden = true;
  input.setAttribute("aria-expanded", "false");
  input.removeAttribute("aria-activedescendant");
}

/** What there is to say where there is nothing to choose from. @param {string} words */
function tell(words) {
  list.replaceChildren(element("p", { class: "nothing" }, words));
  list.removeAttribute("role"); // a list of choices without one is none
  list.hidden = false;
  input.setAttribute("aria-expanded", "false");
  say(words);
}

/** @param {any[]} found */
function show(found) {
  if (!found.length) return tell("Nothing found that you may see.");
  const rows = found.map((entry, index) =>
    element("a", { role: "option", id: `found-${index}`, href: entry.url, "aria-selected": "false", tabindex: -1 },
      element("span", { class: "mono from-right" }, element("bdi", {}, entry.type ? `${entry.name} ${entry.type}` : entry.name)),
      element("span", { class: "soft small" }, entry.type ? entry.zone : "zone"),
      entry.content && element("span", { class: "soft small mono" }, entry.content.slice(0, 60)),
      entry.comment && element("span", { class: "soft small" }, `“${entry.comment.slice(0, 60)}”`)));
  list.replaceChildren(...rows);
  list.setAttribute("role", "listbox");
  list.hidden = false;
  input.setAttribute("aria-expanded", "true");
  say(`${rows.length} found`);
}

async function ask() {
  asking?.abort();
  const query = input.value.trim();
  if (!query) return close();
  asking = new AbortController();
  try {
    const { zones, records } = await get(`${form.dataset.search}?q=${encodeURIComponent(query)}`, { signal: asking.signal });
    show([...zones, ...records]);
  } catch (error) {
    if (/** @type {Error} */ (error).name === "AbortError") return;
    tell(/** @type {Error} */ (error).message);
  }
}

input.addEventListener("input", () => {
  clearTimeout(timer);
  timer = setTimeout(ask, WAIT_MS);
});
input.addEventListener("keydown", (event) => {
  const count = options().length;
  if (event.key === "Escape" && !list.hidden) close();
  else if (event.key === "Escape") input.blur();
  else if (event.key === "ArrowDown" && count) choose((chosen() + 1) % count);
  else if (event.key === "ArrowUp" && count) choose((chosen() - 1 + count) % count);
  else if (event.key === "Enter" && chosen() >= 0) options()[chosen()].click();
  else return;
  event.preventDefault();
});
input.addEventListener("focus", () => input.value && list.childElementCount && ask());
form.addEventListener("focusout", (event) => form.contains(/** @type {Node | null} */ (event.relatedTarget)) || setTimeout(close, 150));
shortcut("/", () => {
  input.focus();
  input.select();
});
