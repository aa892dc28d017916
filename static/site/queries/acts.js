import { Problem, post, request } from "../api.js";
import { find } from "../dom.js";
import { toast } from "../toasts.js";

/** Blocking and allowing a name from its row, with a way back. */

const template = /** @type {HTMLTemplateElement} */ (find("template#query-acts"));

/** Show the buttons on the row that is pointed at or has the focus. @param {HTMLElement} list */
export function offerActs(list) {
  const acts = template.content.firstElementChild?.cloneNode(true);
  if (!(acts instanceof HTMLElement)) return; // may not
  /** @param {Event} event */
  const show = ({ target }) => {
    const row = /** @type {Element} */ (target).closest(".query");
    if (row instanceof HTMLElement && acts.parentElement !== row) row.append(acts);
  };
  list.addEventListener("pointerover", show);
  list.addEventListener("focusin", show);
  list.addEventListener("pointerleave", () => !acts.contains(document.activeElement) && acts.remove());
  acts.addEventListener("click", (event) => {
    const button = /** @type {Element} */ (event.target).closest("button");
    const row = acts.closest(".query");
    if (!button || !(row instanceof HTMLElement)) return;
    button.blur(); // rows wait while one of them has the focus
    act(button.dataset.act === "allow" ? "allow" : "block", row);
  });
}

/** @param {"block" | "allow"} what @param {HTMLElement} row */
export function act(what, row) {
  if (template.content.firstElementChild) set(what, row.dataset.name ?? "");
}

/** @param {"block" | "allow"} what @param {string} name @param {boolean} [confirm] */
async function set(what, name, confirm = false) {
  const rule = { trigger_type: "qname", trigger: name, action: what === "block" ? "nxdomain" : "passthru", comment: "From the query stream", confirm };
  try {
    const made = await post("/api/rpz/rules/", rule);
    toast(`${name} is ${what === "block" ? "blocked" : "let through"}.`, { action: { label: "Undo", run: () => undo(made.id, name) } });
  } catch (error) {
    const problem = /** @type {Problem} */ (error);
    const anyway = problem.data?.code === "needs_confirmation";
    toast(problem.words ?? problem.message, anyway ? { action: { label: "Do it all the same", run: () => set(what, name, true) } } : { bad: true });
  }
}

/** @param {number} id @param {string} name */
async function undo(id, name) {
  try {
    await request("DELETE", `/api/rpz/rules/${id}/`);
    toast(`The rule on ${name} is taken back.`);
  } catch (error) {
    toast(`Not taken back: ${/** @type {Error} */ (error).message}`, { bad: true });
  }
}
