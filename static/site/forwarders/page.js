import { get, post, request } from "../api.js";
import { draw } from "../charts/chart.js";
import { setMoment } from "../clock.js";
import { element, fill, find, seek, slot, standing } from "../dom.js";
import { Held } from "../held.js";
import { events } from "../live.js";
import { alarm, mention } from "../saying.js";
import { swap } from "../swap.js";
import { toast } from "../toasts.js";
import { edit } from "./form.js";

/** The forwarders: probes change figures in place; what is added, changed or removed comes by reading the list again. */

const section = find("#forwarders");
const held = new Held(section, find("[data-held]"));

/** What the last test of a forwarder found, by its id: it outlives the list being read again. @type {Map<string, HTMLElement[]>} */
const found = new Map();

/** @param {number | string} id @returns {HTMLElement | null} */
const cardOf = (id) => seek(`[data-forwarder="${id}"]`, section);
const again = () => swap(section);

/** @param {any} target */
function showTarget(target) {
  const row = seek(`[data-target="${target.id}"]`, section);
  if (!row) return false;
  const state = slot(row, "state");
  state.dataset.state = target.state;
  fill(row, {
    state: target.state === "unknown" ? "not known" : target.state,
    latency: target.latency_ms === null ? "–" : `${target.latency_ms.toFixed(1)} ms`,
    loss: target.loss_percent === null ? "–" : `${Math.round(target.loss_percent)} %`,
    use: target.transport === "dot" ? "watched only" : target.in_use ? "in use" : "standing by",
  });
  return true;
}

events.on("forwarder_health_check", ({ data: { forwarder, targets } }) => {
  const card = cardOf(forwarder.id);
  if (!card || !targets.every(showTarget)) held.offer("read again", again);
});

events.on("forwarder_status_change", ({ data, timestamp }) => {
  const { forwarder, target, old, new: now, reason, targets } = data;
  const card = cardOf(forwarder.id);
  if (now === "removed" || reason === "it was changed") found.delete(String(forwarder.id)); // of targets that it had
  if (!card || now === "removed" || old === "none" || reason === "it was changed") return held.offer("read again", again);
  targets.forEach(showTarget);
  if (target) return;
  const whole = slot(card, "whole");
  whole.dataset.state = now;
  fill(card, { whole: now, reason: reason.charAt(0).toUpperCase() + reason.slice(1) });
  setMoment(slot(card, "since"), timestamp);
  if (now === "down") alarm(`Forwarder ${forwarder.domain} is down: ${reason}`);
  else mention("forwarder changed its state", "forwarders changed their state");
});
events.on("permission_changed", () => held.offer("read again", again));
events.onResync(() => held.offer("read again", again));
addEventListener("forwarders-changed", again);
section.addEventListener("swapped", () => {
  section.querySelectorAll("[data-chart]").forEach((figure) => draw(/** @type {HTMLElement} */ (figure)));
  for (const id of found.keys()) showFound(id);
});

document.addEventListener("click", async (event) => {
  const button = /** @type {Element} */ (event.target).closest("button");
  if (!button) return;
  const card = /** @type {HTMLElement | null} */ (button.closest("[data-forwarder]"));
  const id = card?.dataset.forwarder;
  try {
    if (button.dataset.add !== undefined) edit();
    if (button.dataset.change !== undefined) edit(await get(`/api/forwarders/${id}/`));
    if (button.dataset.test !== undefined && id) await test(id, button);
    if (button.dataset.remove !== undefined && card) await remove(card);
  } catch (error) {
    toast(`Not done: ${/** @type {Error} */ (error).message}`, { bad: true });
  }
});

/** @param {string} id @param {HTMLButtonElement} button */
async function test(id, button) {
  button.disabled = true;
  button.textContent = "Testing …";
  try {
    const { ok, question, results } = await post(`/api/forwarders/${id}/test/`, {});
    found.set(id, [
      element("h3", {}, `Asked now for ${question}: ${ok ? "all is well" : "not all is well"}`),
      element("ul", {}, ...results.map(result)),
    ]);
    showFound(id);
  } finally {
    button.disabled = false;
    button.textContent = "Test";
  }
}

/** In the card that is there now; the one that was clicked may have been replaced. @param {string} id */
function showFound(id) {
  const card = cardOf(id);
  if (!card) return;
  const place = find("[data-results]", card);
  place.hidden = false;
  place.replaceChildren(...(found.get(id) ?? []));
}

/** @param {any} result */
function result({ address, port, transport, ok, wrong, latency_ms: latency, rcode, records, error }) {
  const words = ok ? `${rcode} in ${latency} ms${wrong ? ", a wrong answer" : ""}` : error;
  return element("li", {}, standing(ok && !wrong ? "up" : ok ? "degraded" : "down", `${address}#${port} over ${transport === "dot" ? "TLS" : transport.toUpperCase()}: ${words}`), " ", element("span", { class: "mono soft small" }, records.join("; ")));
}

/** @param {HTMLElement} card */
async function remove(card) {
  const name = find("h2", card).textContent;
  if (!confirm(`Remove the forwarder for ${name}? The name server then looks for those names by itself.`)) return;
  await request("DELETE", `/api/forwarders/${card.dataset.forwarder}/`);
  toast(`The forwarder for ${name} is removed.`);
  await again();
}
