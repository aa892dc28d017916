import { get, post } from "../api.js";
import { find, standing } from "../dom.js";
import { toast } from "../toasts.js";

/** The page of notifications: a test tells how it went, and what was given up can be tried again. */

const LOOK_MS = 700;
const PATIENCE = 60;
const WORDS = /** @type {Record<string, [string, string]>} */ ({
  waiting: ["pending", "on its way"],
  sent: ["served", "arrived"],
  dropped: ["none", "not needed any more"],
  dead: ["failed", "given up"],
});

/** @param {string} id @param {(delivery: any) => void} show */
async function watch(id, show) {
  for (let look = 0; look < PATIENCE; look++) {
    const delivery = await get(`/api/alerts/deliveries/${id}/`);
    show(delivery);
    if (delivery.state !== "waiting" || delivery.error) return;
    await new Promise((done) => setTimeout(done, LOOK_MS));
  }
}

document.addEventListener("click", async (event) => {
  const button = /** @type {Element} */ (event.target).closest("[data-test], [data-retry]");
  if (!(button instanceof HTMLButtonElement)) return;
  const { test, retry } = button.dataset;
  button.disabled = true;
  try {
    const { id } = await post(test ? `/api/alerts/channels/${test}/test/` : `/api/alerts/deliveries/${retry}/retry/`, {});
    if (retry) return location.reload();
    const place = find("[data-outcome]", /** @type {HTMLElement} */ (button.parentElement));
    await watch(id, ({ state, error }) => {
      const [look, words] = WORDS[state] ?? WORDS.waiting;
      place.replaceChildren(standing(error ? "failed" : look, [words, error].filter(Boolean).join(": ")));
    });
  } catch (error) {
    toast(`Not sent: ${/** @type {Error} */ (error).message}`, { bad: true });
  } finally {
    button.disabled = false;
  }
});
