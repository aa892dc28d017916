import { Problem, post } from "../api.js";
import { copyOf, find, left, seek, slot } from "../dom.js";
import { events } from "../live.js";
import { say } from "../saying.js";
import { ofTab } from "../storage.js";
import { toast } from "../toasts.js";
import { chime } from "./chime.js";
import { criticalAlerts, onOpenAlerts } from "./open.js";

/**
 * Critical alerts on every page, until somebody acknowledges them: on whichever screen that is, they go from all. One may put
 * an alarm aside on the own screen; the bell keeps it, and an escalation to one's group brings it back.
 */

const stack = find("#alarms");
const groups = new Set(left("my-groups") ?? []);
const ASIDE = "alarms-aside";
/** What was put aside stays so on the pages that one opens next in this tab. @type {Set<number>} */
const aside = new Set(ofTab.read(ASIDE) ?? []);
const MOST = 3;

/** @param {number} id @param {boolean} now */
function putAside(id, now) {
  if (now) aside.add(id);
  else aside.delete(id);
  ofTab.write(ASIDE, [...aside]);
  show();
}

/** @param {number} id @returns {HTMLElement | null} */
const alarmOf = (id) => seek(`[data-alarm="${id}"]`, stack);

function show() {
  const wanted = criticalAlerts().filter(({ id }) => !aside.has(id)).slice(0, MOST);
  const ids = new Set(wanted.map(({ id }) => String(id)));
  for (const shown of [...stack.children])
    if (shown instanceof HTMLElement && !ids.has(shown.dataset.alarm ?? "")) remove(shown);
  for (const { id, title } of wanted) if (!alarmOf(id)) stack.append(made(id, title));
}

/** @param {HTMLElement} alarm */
function remove(alarm) {
  if (alarm.contains(document.activeElement)) find("#main").focus();
  alarm.remove();
}

/** @param {number} id @param {string} title */
function made(id, title) {
  const alarm = copyOf("alarm");
  alarm.dataset.alarm = String(id);
  slot(alarm, "title").textContent = title;
  /** @type {HTMLAnchorElement} */ (slot(alarm, "link")).href = `/alerts/#alert-${id}`;
  return alarm;
}

stack.addEventListener("click", async (event) => {
  const button = /** @type {Element} */ (event.target).closest("button");
  const alarm = button?.closest("[data-alarm]");
  if (!(button instanceof HTMLButtonElement) || !(alarm instanceof HTMLElement)) return;
  const id = Number(alarm.dataset.alarm);
  if (button.dataset.alarmAct === "later") return putAside(id, true);
  button.disabled = true;
  try {
    await post(`/api/alerts/${id}/acknowledge/`, {});
  } catch (error) {
    button.disabled = false;
    toast(`Not acknowledged: ${/** @type {Problem} */ (error).message}`, { bad: true });
  }
});

events.on(["security_alert", "health_alert"], (/** @type {any} */ { data }) => {
  if (data.severity !== "critical") return;
  putAside(data.alert, false);
  chime();
});

events.on("alert_escalated", (/** @type {any} */ { data }) => {
  if (data.group && !groups.has(data.group)) return;
  putAside(data.alert, false);
  const alarm = alarmOf(data.alert);
  if (alarm) {
    slot(alarm, "why").textContent = `Nobody has acknowledged it: escalated${data.group ? ` to ${data.group}` : ""}.`;
    stack.append(alarm); // inserted anew, so that it is said anew
  }
  chime();
});

events.on("alert_acknowledged", (/** @type {any} */ { data }) => say(`${data.acknowledged_by} looks after: ${data.title}`));

onOpenAlerts(show);
