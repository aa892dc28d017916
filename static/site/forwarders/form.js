import { Problem, request } from "../api.js";
import { open } from "../dialogs.js";
import { find, seek } from "../dom.js";
import { control, forgive, set, submits, values } from "../form.js";
import { toast } from "../toasts.js";
import { parsed, written } from "./targets.js";

/** The form of a forwarder, for a new one and for changes. What was typed stays when it is refused. */

const dialog = /** @type {HTMLDialogElement | null} */ (seek("#forwarder-form"));
const form = /** @type {HTMLFormElement | null} */ (dialog && find("form", dialog));
/** @type {any} */
let changed = null;

/** Open it, for a forwarder as the API shows it or a new one. @param {any} [forwarder] */
export function edit(forwarder = null) {
  if (!dialog || !form) return;
  changed = forwarder;
  form.reset();
  forgive(form);
  find("#forwarder-form-title").textContent = forwarder ? `Change ${forwarder.domain}` : "Add forwarder";
  if (forwarder) {
    const { domain, probe_name: probed, targets } = forwarder;
    set(form, { ...forwarder, targets: written(targets), probe_name: probed === domain ? "" : probed });
  }
  open(dialog);
  control(form, "domain").focus();
}

async function save() {
  if (!form) return;
  const asked = values(form);
  const body = { ...asked, probe_name: asked.probe_name || asked.domain, targets: parsed(asked.targets), ...(changed && { version: changed.version }) };
  const saved = await request(changed ? "PATCH" : "POST", `/api/forwarders/${changed ? `${changed.id}/` : ""}`, body).catch((/** @type {Problem} */ problem) => {
    if (problem.status !== 409) throw problem;
    throw new Problem(409, "Somebody else has changed it meanwhile. Close this, look at it as it is now, and change it again.");
  });
  dialog?.close();
  toast(saved.apply_error ? `Saved, but the name server has not taken it: ${saved.apply_error}` : `Saved: ${saved.domain} is forwarded.`, { bad: Boolean(saved.apply_error) });
  dispatchEvent(new CustomEvent("forwarders-changed"));
}

if (form) submits(form, save);
