import { Problem, newTrace, post } from "../api.js";
import { element } from "../dom.js";
import { events } from "../live.js";
import { alarm } from "../saying.js";
import { counted } from "../words.js";

/**
 * Send what takes long, and show how far it is, as the events of this very request tell; it may be cancelled until it is done.
 * As long as that is so, it is the only thing to do in a dialog: whoever cancels means this, and not only the dialog.
 * @template T
 * @param {HTMLElement} place what it is shown in
 * @param {string} doing as in "Importing"
 * @param {(trace: string) => Promise<T>} send
 * @returns {Promise<T>}
 */
export async function withProgress(place, doing, send) {
  const trace = newTrace();
  const bar = element("progress", { "aria-label": doing });
  const words = element("p", {}, `${doing} …`);
  const cancel = element("button", { type: "button", hidden: true }, "Cancel");
  place.replaceChildren(element("div", { class: "stack" }, words, bar, element("p", { class: "row" }, cancel)));
  const dialog = place.closest("dialog");
  const others = /** @type {HTMLElement | null} */ (dialog?.querySelector(".actions"));
  const stay = (/** @type {Event} */ event) => {
    event.preventDefault();
    cancel.focus();
  };
  const stop = events.on(["bulk_operation_started", "bulk_operation_progress"], (/** @type {any} */ { data, trace_id: of }) => {
    if (of !== trace) return;
    const { id, done, total } = data.operation;
    if (cancel.hidden) {
      cancel.hidden = false;
      if (others) others.hidden = true;
      dialog?.addEventListener("cancel", stay);
      if (dialog?.open) cancel.focus();
    }
    cancel.onclick = () => post(`/api/operations/${id}/cancel/`, {}).catch((/** @type {Problem} */ { message }) => alarm(`Not cancelled: ${message}`));
    words.textContent = `${doing}: ${done} of ${counted(total, "record")}`;
    if (total) Object.assign(bar, { max: total, value: done });
  });
  try {
    return await send(trace);
  } finally {
    stop();
    if (others) others.hidden = false;
    dialog?.removeEventListener("cancel", stay);
  }
}
