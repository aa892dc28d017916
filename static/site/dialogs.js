import { find } from "./dom.js";

/**
 * An open dialog makes everything outside of it inert, notices included; so they go along into it, and come back.
 * @param {HTMLDialogElement} dialog
 */
export function open(dialog) {
  const notices = find("#notices");
  dialog.append(notices);
  dialog.addEventListener("close", () => document.body.append(notices), { once: true });
  dialog.showModal();
}
