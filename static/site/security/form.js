import { Problem } from "../api.js";
import { find, seek } from "../dom.js";
import { alarm } from "../saying.js";

/** Dialogs that hold one form: values in, values out, and what is wrong beside the field that it is about. */

/** @typedef {HTMLInputElement | HTMLSelectElement} Control */

/** @param {HTMLElement} form @param {string} name */
export const control = (form, name) => /** @type {Control} */ (find(`[name="${name}"]`, form));

/** @param {HTMLElement} form @param {Record<string, unknown>} values */
export function set(form, values) {
  for (const [name, value] of Object.entries(values)) {
    const place = /** @type {Control | null} */ (seek(`[name="${name}"]`, form));
    if (!place) continue;
    if (place instanceof HTMLInputElement && place.type === "checkbox") place.checked = Boolean(value);
    else place.value = value === null || value === undefined ? "" : String(value);
  }
}

/** @param {HTMLElement} form @returns {Record<string, any>} */
export function values(form) {
  /** @type {Record<string, any>} */
  const found = {};
  for (const place of form.querySelectorAll(/** @type {"input"} */ ("input[name], select[name]"))) {
    if (place.type === "checkbox") found[place.name] = place.checked;
    else if (place.type !== "file") found[place.name] = place.type === "number" ? Number(place.value) : place.value.trim();
  }
  return found;
}

/** @param {HTMLElement} form */
export function forgive(form) {
  for (const place of form.querySelectorAll(".problem")) place.textContent = "";
  for (const place of form.querySelectorAll("[aria-invalid]")) place.removeAttribute("aria-invalid");
}

/** Show what was wrong with what was sent. @param {HTMLElement} form @param {unknown} error */
export function complain(form, error) {
  const problem = /** @type {Problem} */ (error);
  const fields = problem.fields ?? {};
  let first = null;
  let placed = false;
  for (const [name, words] of Object.entries(fields)) {
    const place = seek(`[data-problem-of="${name}"]`, form);
    if (!place) continue;
    place.textContent = words;
    placed = true;
    const field = seek(`[name="${name}"]`, form);
    field?.setAttribute("aria-invalid", "true");
    first ??= field;
  }
  if (!placed) find("[data-problem]", form).textContent = `Not saved: ${problem.message}`;
  alarm(`Not saved: ${problem.message}`);
  first?.focus();
}

/**
 * Send a form once at a time; what fails stays in the form.
 * @param {HTMLElement} form @param {() => Promise<void>} send
 */
export function submits(form, send) {
  const button = /** @type {HTMLButtonElement} */ (find("[type=submit]", form));
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    forgive(form);
    button.disabled = true;
    try {
      await send();
    } catch (error) {
      complain(form, error);
    } finally {
      button.disabled = false;
    }
  });
}
