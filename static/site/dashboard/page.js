import { onOpenAlerts, openAlerts } from "../alerts/open.js";
import { get } from "../api.js";
import { element, find, seek, standing } from "../dom.js";
import { events } from "../live.js";
import { onSummary, readSoon } from "../monitoring/health.js";
import { oneAfterAnother } from "../reading.js";

/** The short lists of the dashboard: open alerts, forwarders, what is asked most. None of them grows or moves others. */

const SHOWN = 6;
const TOP_EVERY_MS = 15_000;
/** @type {Record<string, string>} */
const EMPTY = { names: "No queries yet.", blocked: "Nothing was blocked.", clients: "No queries yet." };

// -- alerts

const alerts = find("[data-alerts]");
const noAlerts = find("[data-no-alerts]");

onOpenAlerts(() => {
  const newest = openAlerts().sort((a, b) => b.id - a.id);
  alerts.replaceChildren(...newest.slice(0, SHOWN).map(({ id, severity, title }) =>
    element("li", {}, element("a", { href: `/alerts/#alert-${id}` },
      element("span", { class: "severity", "data-severity": severity }, severity.charAt(0).toUpperCase() + severity.slice(1)), " ",
      element("bdi", {}, title)))));
  if (newest.length > SHOWN) alerts.append(element("li", {}, element("a", { href: "/alerts/", class: "soft" }, `and ${newest.length - SHOWN} more`)));
  noAlerts.hidden = newest.length > 0;
});

// -- forwarders

const forwarders = seek("[data-forwarders]");

onSummary(({ forwarders: now }) => {
  forwarders?.replaceChildren(...now.slice(0, SHOWN).map((/** @type {any} */ { id, domain, state }) =>
    element("li", { "data-forwarder": id },
      element("a", { class: "mono", href: `/forwarders/#forwarder-${id}` }, element("bdi", {}, domain === "." ? "everything else" : domain)), " ",
      standing(state, state))));
});
events.on("forwarder_status_change", readSoon);

// -- what is asked most

const top = seek("#top");

const readTop = oneAfterAnother(async (signal) => {
  if (!top || document.visibilityState !== "visible") return;
  const answer = await get(`/api/queries/stats/?from=-${top.dataset.seconds}&top=${SHOWN}`, { signal }).catch(() => null);
  if (!answer) return;
  for (const list of top.querySelectorAll("[data-top]")) {
    const name = /** @type {HTMLElement} */ (list).dataset.top ?? "";
    const rows = (answer.top?.[name] ?? []).filter((/** @type {any} */ { value }) => value !== null).slice(0, SHOWN);
    list.replaceChildren(...(rows.length ? rows.map((/** @type {any} */ row) => counted(row, name === "clients")) : [element("li", { class: "soft" }, EMPTY[name])]));
  }
});

/** Domain names are read from the right, addresses are not. @param {{value: string, count: number}} row @param {boolean} address */
const counted = ({ value, count }, address) =>
  element("li", {}, element("span", { class: address ? "mono" : "mono from-right", title: value }, element("bdi", {}, value)), element("span", { class: "count" }, count.toLocaleString("en")));

readTop();
setInterval(readTop, TOP_EVERY_MS);
events.onResync(readTop);
