import { find } from "../dom.js";
import { criticalAlerts, onOpenAlerts, openAlerts } from "./open.js";

/** The bell of the top line, and the number in the document's title, which is seen when another tab is in front. */

const bell = find("#bell");
const count = find("[data-count]", bell);
const words = find("[data-words]", bell);
const BADGE = /^\(\d+\) /;

function show() {
  const open = openAlerts().length;
  const critical = criticalAlerts().length;
  count.textContent = open ? String(open) : "";
  bell.dataset.severity = critical ? "critical" : open ? "warning" : "none";
  words.textContent = open ? `${open === 1 ? "open alert" : "open alerts"}${critical ? `, ${critical} critical` : ""}` : "No open alerts";
  const title = document.title.replace(BADGE, "");
  const badged = critical ? `(${critical}) ${title}` : title;
  if (document.title !== badged) document.title = badged;
}

onOpenAlerts(show);
