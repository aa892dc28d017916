import { element } from "../dom.js";
import { counted } from "../words.js";

/** Changes as resource records that go and come. */

/** @typedef {{name: string, type: string, ttl?: number | string, content: string, comment?: string}} Values */
/** @typedef {{before: Values | null, after: Values | null}} Change */

const MOST_SHOWN = 300;

/** @param {Values} values */
const text = ({ name, type, ttl, content }) => [name, ttl, type, content].filter((each) => each !== undefined).join(" ");

/** @param {Change} change @returns {[string, string][]} sign and text of each line */
function lines({ before, after }) {
  const [was, is] = [before && text(before), after && text(after)];
  if (was && was === is) {
    const now = after?.comment ? `now “${after.comment}”` : "gone";
    return [["~", `${was}, comment ${now}`]];
  }
  /** @type {[string, string][]} */
  const found = [];
  if (was) found.push(["-", was]);
  if (is) found.push(["+", is]);
  return found;
}

const WORDS = /** @type {Record<string, string>} */ ({ "-": "gone: ", "+": "come: ", "~": "changed: " });

/** @param {Change[]} changes @returns {HTMLElement} */
export function difference(changes) {
  const shown = changes.slice(0, MOST_SHOWN).flatMap(lines).map(([sign, words]) =>
    element("li", { "data-op": sign }, element("span", { class: "visually-hidden" }, WORDS[sign]), words));
  const list = element("ul", { class: "rr-lines mono", tabindex: 0, role: "list", "aria-label": "The difference" }, ...shown);
  if (changes.length <= MOST_SHOWN) return list;
  return element("div", {}, list, element("p", { class: "soft" }, `and ${counted(changes.length - MOST_SHOWN, "more change")}`));
}

/** @param {{message: string}[]} warnings @returns {HTMLElement[]} */
export const warned = (warnings) => warnings.map(({ message }) => element("p", { class: "note wait" }, `${message}.`));
