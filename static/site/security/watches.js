import { post, request } from "../api.js";
import { find, seek } from "../dom.js";
import { submits, values } from "../form.js";
import { toast } from "../toasts.js";

/** Which hits raise an alert. */

const section = find("#watches");

/** @type {() => unknown} */
let again = () => undefined;

/** @param {() => unknown} readAgain */
export function watchesHits(readAgain) {
  again = readAgain;
}

const form = seek("[data-watch-form]", section);
if (form)
  submits(form, async () => {
    const { policy, category, severity } = values(form);
    await post("/api/rpz/watches/", { policy: policy ? Number(policy) : null, category, severity });
    /** @type {HTMLFormElement} */ (form).reset();
    toast("These hits raise an alert from now on.");
    again();
  });

section.addEventListener("click", async (event) => {
  const button = /** @type {Element} */ (event.target).closest("[data-unwatch]");
  const row = /** @type {HTMLElement | null} */ (button?.closest("[data-watch]") ?? null);
  if (!row) return;
  try {
    await request("DELETE", `/api/rpz/watches/${row.dataset.watch}/`);
    toast("These hits raise no alert any more.");
  } catch (error) {
    toast(`It is still watched: ${/** @type {Error} */ (error).message}`, { bad: true });
  }
  again();
});
