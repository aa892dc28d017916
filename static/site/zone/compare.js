import { element } from "../dom.js";

/** Yours beside theirs: what to do when two people changed one record. Nothing is saved or dropped before a choice. */

/** @typedef {import("./records.js").Record} Record */
/** @typedef {import("./inputs.js").Typed} Typed */

const LABELS = { name: "Name", ttl: "TTL", content: "Content", comment: "Comment" };
let count = 0;

/** @param {any} value */
const shown = (value) => (value === "" || value === undefined || value === null ? "(empty)" : String(value));

/**
 * @param {Record | null} base the record when editing began
 * @param {Typed} mine
 * @param {Record} theirs
 * @param {{who: string, choose: (fields: any) => void, takeTheirs: () => void, keepMine: () => void}} what
 * @returns {HTMLElement}
 */
export function compare(base, mine, theirs, { who, choose, takeTheirs, keepMine }) {
  const group = `compare-${++count}`;
  const names = /** @type {(keyof typeof LABELS)[]} */ (Object.keys(LABELS));
  const differing = names.filter((name) => String(mine[name]) !== String(theirs[name] ?? ""));
  const rows = differing.map((name) => {
    // What only they changed is theirs, what I changed is mine, until the person says otherwise.
    const onlyTheirs = base !== null && String(mine[name]) === String(base[name] ?? "");
    const both = base !== null && !onlyTheirs && String(base[name] ?? "") !== String(theirs[name] ?? "");
    const option = (/** @type {"mine" | "theirs"} */ side, /** @type {any} */ value, /** @type {boolean} */ checked) =>
      element("td", {}, element("label", {},
        element("input", { type: "radio", name: `${group}-${name}`, value: side, checked }),
        element("span", { class: name === "comment" ? "" : "mono" }, shown(value))));
    return element("tr", {},
      element("th", { scope: "row" }, LABELS[name], both && element("span", { class: "chip" }, "both changed")),
      option("theirs", theirs[name], onlyTheirs), option("mine", mine[name], !onlyTheirs));
  });
  const merged = () => {
    /** @type {any} */
    const fields = Object.fromEntries(names.map((name) => [name, theirs[name] ?? ""]));
    for (const name of differing) if (chosen(name) === "mine") fields[name] = mine[name];
    return fields;
  };
  const chosen = (/** @type {string} */ name) =>
    /** @type {HTMLInputElement | null} */ (panel.querySelector(`[name="${group}-${name}"]:checked`))?.value;
  const panel = element("section", { class: "compare", "aria-label": "Two versions of this record" },
    element("header", {}, element("p", {}, element("strong", {}, `${who} changed this record while you edited it.`),
      " Nothing of yours is lost; choose what to keep.")),
    rows.length
      ? element("table", {},
          element("thead", {}, element("tr", {}, element("th", {}, element("span", { class: "visually-hidden" }, "Field")),
            element("th", { scope: "col" }, "Theirs, saved"), element("th", { scope: "col" }, "Yours, not saved"))),
          element("tbody", {}, ...rows))
      : element("p", { class: "body" }, "Both versions are the same now."),
    element("footer", { class: "row" },
      rows.length > 0 && element("button", { type: "button", class: "primary", onclick: () => choose(merged()) }, "Save what is chosen"),
      rows.length > 0 && element("button", { type: "button", onclick: keepMine }, "Keep all of mine"),
      element("button", { type: "button", onclick: takeTheirs }, "Take theirs")));
  return panel;
}
