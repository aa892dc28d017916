import { post, request } from "../api.js";
import { shown } from "../charts/units.js";
import { setMoment } from "../clock.js";
import { find, seek } from "../dom.js";
import { complain, forgive, submits, values } from "../form.js";
import { events } from "../live.js";
import { toast } from "../toasts.js";
import { readSoon } from "./health.js";

/** The page of the monitoring: facts about the name server as they come, what people do with it, and the intervals. */

const server = find("#server");
/** @param {string} name */
const fact = (name) => seek(`[data-fact="${name}"]`, server);

/** @param {string} name @param {string} text */
function tell(name, text) {
  const place = fact(name);
  if (place && place.textContent !== text) place.textContent = text;
}

events.on("bind_status_update", ({ data }) => {
  const state = fact("state");
  if (state) state.dataset.state = data.up ? "up" : "down";
  tell("state", data.up ? "Answers" : "Down");
  tell("reason", data.up ? "" : data.reason);
  if (data.version) tell("version", data.version);
  if (data.zones !== null) tell("zones", String(data.zones));
  tell("dns_queries", data.up && "dns_queries" in data.rates ? shown(data.rates.dns_queries, "/s") : "–");
  const since = fact("since");
  if (since) setMoment(since, data.since);
  for (const button of server.querySelectorAll("[data-action]")) /** @type {HTMLElement} */ (button).hidden = data.up === (/** @type {HTMLElement} */ (button).dataset.action === "start");
});

server.addEventListener("click", async (event) => {
  const button = /** @type {Element} */ (event.target).closest("[data-action]");
  if (!(button instanceof HTMLButtonElement)) return;
  const { action = "", words } = button.dataset;
  if (words && !confirm(words)) return;
  forgive(server);
  button.disabled = true;
  const before = button.textContent;
  button.textContent = "Wait …";
  try {
    await post(`/api/monitoring/name-server/${action}/`, {});
    toast({ start: "The name server runs.", stop: "The name server is stopped.", restart: "The name server runs again." }[action] ?? "The name server has read it.");
  } catch (error) {
    complain(server, error, "Not done");
  } finally {
    button.textContent = before;
    button.disabled = false;
    readSoon();
  }
});

const intervals = find("#intervals");
if (seek("[type=submit]", intervals))
  submits(intervals, async () => {
    await request("PATCH", "/api/monitoring/intervals/", values(intervals));
    toast("Saved. It holds from the next measurement on.");
  });
