import { get, post, request, zoneUrl } from "../api.js";
import { tellAges } from "../clock.js";
import { element, find, seek } from "../dom.js";
import { events } from "../live.js";
import { documentAt, oneAfterAnother } from "../reading.js";
import { toast } from "../toasts.js";
import { onZone, zone } from "./here.js";

/** What the name server really serves: differences and how they end, how a copy stands, which servers have the serial. */

const TOLD_AT_MOST_EVERY_MS = 500;

/** Read the part of the page again that tells it. */
const refresh = oneAfterAnother(async (signal) => {
  const fresh = await documentAt(location.href, signal).catch(() => null);
  const now = fresh && seek("#truth", fresh);
  const here = find("#truth");
  if (!now || now.innerHTML === here.innerHTML) return;
  const focused = here.contains(document.activeElement);
  here.replaceChildren(...now.childNodes);
  tellAges(here);
  if (focused) find("#main").focus();
}, TOLD_AT_MOST_EVERY_MS);

onZone(["zone_drift_detected", "zone_synced", "zone_sync_failed", "zone_updated"], refresh);
// What waits to be pushed is given up by accepting a difference, and told beside it.
onZone(["change_set_applied", "change_set_reverted"], () => seek("#truth .drift") && refresh());
events.onResync(refresh);

/** @param {HTMLButtonElement} button @param {() => Promise<any>} act @param {string} done */
async function run(button, act, done) {
  button.disabled = true;
  try {
    await act();
    toast(done);
  } catch (error) {
    const { message } = /** @type {Error} */ (error);
    toast(message.startsWith("Nothing ") ? message : `Nothing was changed: ${message}`, { bad: true });
  } finally {
    await refresh();
    button.disabled = false;
  }
}

document.addEventListener("click", (event) => {
  const button = /** @type {Element} */ (event.target).closest("button");
  if (!button?.closest("#truth")) return;
  const { resolve } = button.dataset;
  const shown = /** @type {HTMLElement | null} */ (button.closest("[data-serial]"))?.dataset;
  const [seen, basedOn] = [Number(shown?.serial), Number(shown?.basedOn)];
  if (resolve) run(button, () => post(zoneUrl(zone, "drift/"), { resolution: resolve, seen, based_on: basedOn }), resolve === "accept" ? "What is served is accepted." : "What is wanted is pushed.");
  else if (button.dataset.retry !== undefined) run(button, () => post(zoneUrl(zone, "retry/"), {}), "It is tried again.");
  else if (button.dataset.takeOver !== undefined) {
    run(button, () => request("PATCH", zoneUrl(zone), { watched: false }).then(() => location.reload()), "The zone is changed here from now on.");
  }
});

// -- what the name server is asked only when somebody opens it, and again while it is open -------------------------------------

/** @type {Record<string, string>} */
const ROLES = { this: "this site's", secondary: "secondary", primary: "primary" };

/** @param {any[]} found */
const servers = (found) => element("ul", { class: "plain" }, ...found.map((server) =>
  element("li", {}, element("span", { class: "mono" }, server.server), ` (${ROLES[server.role]}): `,
    element("span", { class: "state", "data-state": server.has_serial ? "served" : server.error ? "failed" : "pending" },
      server.error || `serial ${server.serial}`))));

/** What it signed the zone with, which nobody edits. @param {any} served */
const generated = (served) => element("div", { class: "across" }, element("table", {},
  element("thead", {}, element("tr", {}, ...["Name", "Type", "TTL", "Content"].map((head) => element("th", { scope: "col" }, head)))),
  element("tbody", {}, ...served.generated.flatMap((/** @type {any} */ rrset) => rrset.rdata.map((/** @type {string} */ content) =>
    element("tr", {}, element("th", { scope: "row", class: "mono" }, rrset.name), element("td", {}, rrset.type),
      element("td", { class: "number" }, String(rrset.ttl)), element("td", { class: "mono content" }, content)))))),
  served.generated_count > served.generated.length && element("p", { class: "soft" }, `The first ${served.generated.length} of ${served.generated_count} RRsets.`));

/** @type {Record<string, [path: string, shown: (answer: any) => HTMLElement]>} */
const ASKED = { servers: ["servers/", servers], generated: ["served/", generated] };

for (const part of /** @type {NodeListOf<HTMLDetailsElement>} */ (document.querySelectorAll("details[data-asks]"))) {
  const place = find("[data-answer]", part);
  const [path, shown] = ASKED[part.dataset.asks ?? ""];
  const ask = oneAfterAnother(async (signal) => {
    try {
      place.replaceChildren(shown(await get(zoneUrl(zone, path), { signal })));
    } catch (error) {
      place.replaceChildren(element("p", { class: "problem" }, /** @type {Error} */ (error).message));
    }
  });
  part.addEventListener("toggle", () => {
    if (!part.open) return;
    place.replaceChildren(element("p", { class: "soft" }, "Asking …"));
    ask();
  });
  onZone("zone_synced", () => part.open && ask());
}
