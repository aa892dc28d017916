import { Problem, post, request } from "../api.js";
import { open } from "../dialogs.js";
import { element, find, seek } from "../dom.js";
import { toast } from "../toasts.js";
import { control, forgive, set, submits, values } from "./form.js";

/** Adding and changing a rule. A rule that would block much is saved only after its reasons were read and ticked off. */

const dialog = /** @type {HTMLDialogElement | null} */ (seek("#rule-form"));
const form = dialog && find("[data-form]", dialog);

/** @type {any} */
let editing = null;
/** @type {() => unknown} */
let done = () => undefined;

/** @param {any} rule null for a new one @param {() => unknown} saved */
export function openRule(rule, saved) {
  if (!dialog || !form) return;
  [editing, done] = [rule, saved];
  forgive(form);
  /** @type {HTMLFormElement} */ (form).reset();
  find("[data-title]", form).textContent = rule ? "Edit rule" : "Add rule";
  find("[data-confirmation]", form).hidden = true;
  const keep = /** @type {HTMLOptionElement} */ (find('option[value="keep"]', form));
  keep.hidden = !rule?.expires_at || rule.expired;
  if (rule) set(form, { ...rule, expires_in: keep.hidden ? "" : "keep", confirm: false });
  else {
    const wanted = new URL(location.href).searchParams;
    set(form, { trigger: wanted.get("block") ?? wanted.get("allow") ?? "", action: wanted.has("allow") ? "passthru" : "nxdomain" });
  }
  place();
  adapt();
  if (!dialog.open) open(dialog);
  control(form, "trigger").focus();
}

/** What is let through belongs into the first policy, so that it comes before all others; the rest into the last. */
function place() {
  if (!form || editing) return;
  const policies = /** @type {HTMLSelectElement} */ (control(form, "policy"));
  policies.selectedIndex = values(form).action === "passthru" ? 0 : policies.length - 1;
}

function adapt() {
  if (!form) return;
  const { trigger_type: kind, action } = values(form);
  find("[data-target]", form).hidden = action !== "redirect";
  find("[data-below]", form).hidden = Boolean(editing) || kind !== "qname";
}

/** What was asked for, as the API takes it. @param {Record<string, any>} asked @returns {Record<string, any>} */
function fields(asked) {
  const { below, expires_in: time, confirm, ...rest } = asked;
  /** @type {Record<string, any>} */
  const fields = { ...rest, policy: Number(rest.policy), target: rest.action === "redirect" ? rest.target : "" };
  if (time && time !== "keep") fields.expires_in = Number(time);
  else if (!time) fields.expires_at = null;
  return confirm ? { ...fields, confirm } : fields;
}

async function save() {
  if (!form || !dialog) return;
  const asked = values(form);
  const sent = fields(asked);
  try {
    if (editing) await request("PATCH", `/api/rpz/rules/${editing.id}/`, { ...sent, ...(editing.expired ? { enabled: true } : {}), version: editing.version });
    else {
      await post("/api/rpz/rules/", sent);
      const name = sent.trigger.replace(/\.$/, "");
      if (asked.below && sent.trigger_type === "qname" && !name.startsWith("*."))
        await post("/api/rpz/rules/", { ...sent, trigger: `*.${name}`, confirm: true });
    }
  } catch (error) {
    const problem = /** @type {Problem} */ (error);
    if (problem.data?.code !== "needs_confirmation") throw error;
    find("[data-reasons]", form).replaceChildren(...problem.data.reasons.map((/** @type {string} */ reason) => element("li", {}, `${reason}.`)));
    find("[data-confirmation]", form).hidden = false;
    control(form, "confirm").focus();
    return;
  }
  dialog.close();
  toast(`${sent.trigger}: saved. It is in force in a moment.`);
  done();
}

if (form) {
  control(form, "action").addEventListener("change", place);
  form.addEventListener("change", adapt);
  submits(form, save);
}
