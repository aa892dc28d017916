import { Problem, request } from "../api.js";
import { open } from "../dialogs.js";
import { find, seek } from "../dom.js";
import { alarm } from "../saying.js";
import { toast } from "../toasts.js";
import { parsed, written } from "./targets.js";

/** The form of a forwarder, for a new one and for changes. What was typed stays when it is refused. */

const FIELDS = ["domain", "use", "slow_ms", "probe_name", "probe_type", "expected", "comment"];
const dialog = /** @type {HTMLDialogElement | null} */ (seek("#forwarder-form"));
const form = /** @type {HTMLFormElement | null} */ (dialog && find("form", dialog));
/** @type {any} */
let changed = null;

/** @param {string} name @returns {HTMLInputElement} */
const field = (name) => /** @type {HTMLInputElement} */ (form?.elements.namedItem(name));

/** Open it, for a forwarder as the API shows it or a new one. @param {any} [forwarder] */
export function edit(forwarder = null) {
  if (!dialog || !form) return;
  changed = forwarder;
  form.reset();
  tell({});
  find("#forwarder-form-title").textContent = forwarder ? `Change ${forwarder.domain}` : "Add forwarder";
  if (forwarder) {
    for (const name of FIELDS) field(name).value = forwarder[name];
    if (forwarder.probe_name === forwarder.domain) field("probe_name").value = "";
    field("targets").value = written(forwarder.targets);
    field("only").checked = forwarder.only;
    field("enabled").checked = forwarder.enabled;
  }
  open(dialog);
  field("domain").focus();
}

/** @param {Record<string, string>} problems by field */
function tell(problems, whole = "") {
  for (const place of form?.querySelectorAll(".problem") ?? []) place.textContent = "";
  for (const input of form?.querySelectorAll("[aria-invalid]") ?? []) input.removeAttribute("aria-invalid");
  const rest = [];
  for (const [name, words] of Object.entries(problems)) {
    const place = seek(`#f-${CSS.escape(name)}-problem`);
    if (!place) rest.push(words);
    else {
      place.textContent = words;
      field(name)?.setAttribute("aria-invalid", "true");
    }
  }
  const place = form && seek("[data-problem]", form);
  if (place) place.textContent = [whole, ...rest].filter(Boolean).join(" ");
}

form?.addEventListener("submit", async (event) => {
  event.preventDefault();
  const button = /** @type {HTMLButtonElement} */ (find("[type=submit]", form));
  button.disabled = true;
  const values = Object.fromEntries(FIELDS.map((name) => [name, field(name).value.trim()]));
  const body = {
    ...values,
    slow_ms: Number(values.slow_ms),
    probe_name: values.probe_name || (values.domain === "." ? "." : values.domain),
    targets: parsed(field("targets").value),
    only: field("only").checked,
    enabled: field("enabled").checked,
    ...(changed ? { version: changed.version } : {}),
  };
  try {
    const saved = await request(changed ? "PATCH" : "POST", `/api/forwarders/${changed ? `${changed.id}/` : ""}`, body);
    dialog?.close();
    toast(saved.apply_error ? `Saved, but the name server has not taken it: ${saved.apply_error}` : `Saved: ${saved.domain} is forwarded.`, { bad: Boolean(saved.apply_error) });
    dispatchEvent(new CustomEvent("forwarders-changed"));
  } catch (error) {
    const problem = /** @type {Problem} */ (error);
    const stale = problem.status === 409;
    tell(problem.fields ?? {}, stale ? "Somebody else has changed it meanwhile. Close this, look at it as it is now, and change it again." : Object.keys(problem.fields ?? {}).length ? "" : problem.message);
    alarm(`Not saved: ${problem.message}`);
  } finally {
    button.disabled = false;
  }
});
