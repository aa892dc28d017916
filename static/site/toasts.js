import { element, find, icon } from "./dom.js";
import { alarm, say } from "./saying.js";

/** Notices at the edge. What only informs goes away by itself, but not while it is pointed at or has the focus. */

const AT_MOST = 4;

/**
 * @param {string} text
 * @param {{action?: {label: string, run: () => void}, seconds?: number, bad?: boolean}} [options] a bad one stays
 * @returns {() => void} takes it away
 */
export function toast(text, { action, seconds = 10, bad = false } = {}) {
  const stack = find("#toasts");
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  const remove = () => {
    clearTimeout(timer);
    if (shown.contains(document.activeElement)) find("#main").focus();
    shown.remove();
  };
  const wait = () => {
    clearTimeout(timer);
    if (!bad) timer = setTimeout(remove, seconds * 1000);
  };
  const act = () => {
    remove();
    action?.run();
  };
  const shown = element(
    "div",
    { class: bad ? "toast bad" : "toast", onpointerenter: () => clearTimeout(timer), onpointerleave: wait,
      onfocusin: () => clearTimeout(timer), onfocusout: wait },
    element("p", {}, text),
    action && element("button", { type: "button", onclick: act }, action.label),
    element("button", { type: "button", class: "quiet square", "aria-label": "Dismiss", onclick: remove }, icon("close")),
  );
  stack.append(shown);
  while (stack.childElementCount > AT_MOST) stack.firstElementChild?.remove();
  wait();
  if (bad) alarm(text);
  else say(action ? `${text} ${action.label} is offered.` : text);
  return remove;
}
