import { copyOf, element, slot } from "../dom.js";

/** Rows of queries, as the server makes them (`templates/queries/row.html`). */

/** @type {Record<string, string>} */
const WORDS = { tcp_only: "TCP only", passthru: "passed through" };

/** @param {HTMLElement} row @param {string} place @param {string} field @param {string} value @param {string} [words] */
function link(row, place, field, value, words = value) {
  const found = /** @type {HTMLAnchorElement} */ (slot(row, place));
  found.textContent = words;
  found.href = `?${new URLSearchParams({ [field]: value })}`;
  return found;
}

/** @param {{time: string, client: string | null, name: string, type: string, outcome: string}} query */
export function rowOf({ time, client, name, type, outcome }) {
  const row = copyOf("query-row");
  row.dataset.name = name;
  row.dataset.outcome = outcome;
  const at = /** @type {HTMLTimeElement} */ (slot(row, "time"));
  at.dateTime = time;
  at.textContent = time.slice(11, 23);
  slot(row, "client").append(
    client === null
      ? element("span", { class: "soft", title: "You may not see the addresses of clients" }, "hidden")
      : element("a", { class: "mono", href: `?${new URLSearchParams({ client })}` }, client),
  );
  link(row, "name", "name_suffix", name).title = name;
  link(row, "type", "qtype", type);
  link(row, "outcome", "outcome", outcome, WORDS[outcome] ?? outcome).dataset.state = outcome;
  return row;
}
