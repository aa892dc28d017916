import { Problem, post } from "../api.js";
import { element, me } from "../dom.js";
import { events } from "../live.js";
import { alarm } from "../saying.js";
import { counted } from "../words.js";

/**
 * How far our own long operation is, as the events tell; it may be cancelled until it is done.
 *
 * @param {HTMLElement} place what it is shown in
 * @param {string} doing as in "Importing"
 * @param {string} kind of the operation
 * @returns {() => void} ends it
 */
export function showProgress(place, doing, kind) {
  const bar = element("progress", { "aria-label": doing });
  const words = element("p", {}, `${doing} …`);
  const cancel = element("button", { type: "button", hidden: true }, "Cancel");
  place.replaceChildren(element("div", { class: "stack" }, words, bar, cancel));
  return events.on(["bulk_operation_started", "bulk_operation_progress"], (/** @type {any} */ { data, source_user: user }) => {
    const { id, done, total } = data.operation;
    if (user?.id !== me.id || data.operation.kind !== kind) return;
    cancel.hidden = false;
    cancel.onclick = () => post(`/api/operations/${id}/cancel/`, {}).catch((/** @type {Problem} */ { message }) => alarm(`Not cancelled: ${message}`));
    words.textContent = `${doing}: ${done} of ${counted(total, "record")}`;
    if (total) Object.assign(bar, { max: total, value: done });
  });
}
