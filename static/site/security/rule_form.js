import { Problem, post, request } from "../api.js";
import { open } from "../dialogs.js";
import { element, find, seek } from "../dom.js";
import { control, forgive, set, submits, values } from "../form.js";
import { alarm } from "../saying.js";
import { toast } from "../toasts.js";

/** Adding and changing a rule. A rule that would block much is saved only after its reasons were read and ticked off. */

const dialog = /** @type {HTMLDialogElement | null} */ (seek("#rule-form"));
const form = dialog && find("[data-form]", dialog);

/** The rule as it was when the form was opened, or as somebody has changed it since. @type {any} */
let editing = null;
/** One that was edited here and that somebody has deleted meanwhile: what the form does not show comes back as it was. @type {any} */
let lost = null;
let saving = false;
/** @type {() => unknown} */
let done = () => undefined;

/** @param {any} rule null for a new one @param {() => unknown} saved */
export function openRule(rule, saved) {
  if (!dialog || !form) return;
  [editing, lost, done] = [rule, null, saved];
  find("[data-meanwhile]", form).hidden = true;
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

const TOLD = ["policy_name", "trigger", "action", "target", "category", "comment", "enabled", "trial", "expires_at"];

/**
 * Somebody changed or deleted a rule. If it is in the form: what was typed stays, and saving puts it in the place of theirs.
 * @param {number} id @param {any} rule as it is now, null when it was deleted @param {string} who
 */
export function ruleBecame(id, rule, who) {
  if (!saving) became(id, rule, who); // what is on its way is our own change, or else the answer says so
}

/** @param {any} rule @param {string} field */
function shown(rule, field) {
  const value = rule[field];
  if (typeof value === "boolean") return value ? "yes" : "no";
  return value && field === "expires_at" ? new Date(value).toLocaleString() : String(value || "none");
}

/** @param {number} id @param {any} rule @param {string} who */
function became(id, rule, who) {
  if (!form || !dialog?.open || editing?.id !== id || rule?.version <= editing.version) return;
  if (rule) {
    const theirs = TOLD.filter((field) => field in rule && shown(rule, field) !== shown(editing, field));
    const words = theirs.map((field) => `${field.replace("_", " ")} ${shown(rule, field)}`).join(", ");
    tell(`${who} has changed this rule meanwhile${words && `: ${words}`}. What you see here is kept; saving puts it in the place of theirs.`);
    editing = { ...editing, ...rule };
    return;
  }
  [lost, editing] = [editing, null];
  find("[data-title]", form).textContent = "Add rule";
  tell(`${who} has deleted this rule meanwhile. What you see here is kept; saving adds it again.`);
}

/** @param {string} words */
function tell(words) {
  const place = find("[data-meanwhile]", form ?? document);
  place.textContent = words;
  place.hidden = false;
  alarm(words);
}

/** What is let through belongs into the first policy, so that it comes before all others; the rest into the last. */
function place() {
  if (!form || editing || lost) return;
  const policies = /** @type {HTMLSelectElement} */ (control(form, "policy"));
  policies.selectedIndex = values(form).action === "passthru" ? 0 : policies.length - 1;
}

function adapt() {
  if (!form) return;
  const { trigger_type: kind, action } = values(form);
  find("[data-target]", form).hidden = action !== "redirect";
  find("[data-below]", form).hidden = Boolean(editing ?? lost) || kind !== "qname";
}

/** What was asked for, as the API takes it. @param {Record<string, any>} asked @returns {Record<string, any>} */
function fields(asked) {
  const { below, expires_in: time, confirm, ...rest } = asked;
  /** @type {Record<string, any>} */
  const fields = { ...rest, policy: Number(rest.policy), target: rest.action === "redirect" ? rest.target : "" };
  if (time && time !== "keep") fields.expires_in = Number(time);
  else if (!time) fields.expires_at = null;
  else if (lost) fields.expires_at = lost.expires_at;
  if (lost && !lost.expired) fields.enabled = lost.enabled;
  return confirm ? { ...fields, confirm } : fields;
}

async function save() {
  if (!form || !dialog) return;
  const asked = values(form);
  const sent = fields(asked);
  saving = true;
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
    if (editing && problem.status === 404) return became(editing.id, null, "Somebody");
    if (editing && problem.data?.code === "stale_version") return became(editing.id, problem.data.current, "Somebody");
    if (problem.data?.code !== "needs_confirmation") throw error;
    find("[data-reasons]", form).replaceChildren(...problem.data.reasons.map((/** @type {string} */ reason) => element("li", {}, `${reason}.`)));
    find("[data-confirmation]", form).hidden = false;
    control(form, "confirm").focus();
    return;
  } finally {
    saving = false;
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
