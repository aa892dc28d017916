import { find, seek } from "./dom.js";
import { alarm } from "./saying.js";
import { sentence } from "./words.js";

/**
 * Forms: values in, values out, and what is wrong at the field that it is about. `data-problem-of` names the fields of the API
 * whose problems a place shows, and the control there has the place in its `aria-describedby`; `data-problem` is the place for
 * what no field has a place for.
 */

/** @typedef {HTMLInputElement | HTMLSelectElement | HTMLTextAreaElement} Control */

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
  for (const place of form.querySelectorAll(/** @type {"input"} */ ("input[name], select[name], textarea[name]"))) {
    if (place.type === "checkbox") found[place.name] = place.checked;
    else if (place.type !== "file") found[place.name] = place.type === "number" ? Number(place.value) : place.value.trim();
  }
  return found;
}

/** Take away what was said to be wrong. @param {HTMLElement} form */
export function forgive(form) {
  for (const place of form.querySelectorAll("[data-problem-of], [data-problem]")) place.textContent = "";
  for (const place of form.querySelectorAll("[aria-invalid]")) place.removeAttribute("aria-invalid");
}

/**
 * Say at each field what is wrong there.
 * @param {HTMLElement} form @param {Record<string, string>} fields problems by field
 * @returns {string[]} those of fields that have no place
 */
export function mark(form, fields) {
  const rest = [];
  for (const [name, words] of Object.entries(fields)) {
    const place = seek(`[data-problem-of~="${CSS.escape(name)}"]`, form);
    if (!place) {
      rest.push(words);
      continue;
    }
    place.textContent = [place.textContent, words].filter(Boolean).join(" ");
    seek(`[aria-describedby~="${place.id}"]`, form)?.setAttribute("aria-invalid", "true");
  }
  return rest;
}

/**
 * Show what was wrong with what was sent, at its fields and as a whole; the first of these fields has the focus then.
 * @param {HTMLElement} form @param {unknown} error @param {string} [lead] what has not happened
 */
export function complain(form, error, lead = "Not saved") {
  const { fields = {}, message, words = message } = /** @type {import("./api.js").Problem} */ (error);
  const rest = mark(form, fields);
  const first = seek("[aria-invalid]", form);
  const whole = first ? rest.join(" ") : words;
  if (whole) find("[data-problem]", form).textContent = `${lead}: ${sentence(whole)}`;
  alarm(`${lead}: ${message}`);
  first?.focus();
}

/**
 * Send a form once at a time; what fails stays in the form.
 * @param {HTMLElement} form @param {() => Promise<void>} send @param {string} [lead] what has not happened when that fails
 */
export function submits(form, send, lead) {
  const button = /** @type {HTMLButtonElement} */ (find("[type=submit]", form));
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    forgive(form);
    button.disabled = true;
    try {
      await send();
    } catch (error) {
      complain(form, error, lead);
    } finally {
      button.disabled = false;
    }
  });
}
