import { get } from "../api.js";
import { left } from "../dom.js";
import { events } from "../live.js";
import { oneAfterAnother } from "../reading.js";

/**
 * The alerts that nobody looks after yet, as everybody's pages know them: from the page as it was read, then event by event.
 * @typedef {{id: number, severity: string, title: string}} OpenAlert
 */

/** Events that announce an alert, or announce it again because it became worse. */
export const RAISING = ["security_alert", "health_alert", "performance_alert"];

/** @type {Map<number, OpenAlert>} */
const open = new Map((left("open-alerts") ?? []).map((/** @type {OpenAlert} */ alert) => [alert.id, alert]));
/** @type {Set<() => void>} */
const listeners = new Set();

export const openAlerts = () => [...open.values()];
export const criticalAlerts = () => openAlerts().filter(({ severity }) => severity === "critical");

/** @param {() => void} listener called when an alert came or went */
export function onOpenAlerts(listener) {
  listeners.add(listener);
  listener();
}

const tell = () => listeners.forEach((listener) => listener());

events.on(RAISING, (/** @type {any} */ { data }) => {
  open.set(data.alert, { id: data.alert, severity: data.severity, title: data.title });
  tell();
});

events.on(["alert_acknowledged", "alert_resolved"], (/** @type {any} */ { data }) => {
  if (open.delete(data.alert)) tell();
});

/** Events wait meanwhile: one that was acknowledged since the answer was made must not come back. */
const readAgain = oneAfterAnother((signal) => events.during(() => read(signal)));

/** @param {AbortSignal} signal */
async function read(signal) {
  const answer = await get("/api/alerts/?state=open&muted=false&page_size=500", { signal }).catch(() => null);
  if (!answer) return;
  open.clear();
  for (const { id, severity, title } of answer.results) open.set(id, { id, severity, title });
  tell();
}

events.onResync(readAgain);
events.on("permission_changed", readAgain);
