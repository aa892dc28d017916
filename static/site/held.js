import { element } from "./dom.js";

/**
 * Nothing moves under the pointer. Changes that would move rows wait while somebody points at the list, selects text in
 * it, edits it, or has scrolled into it; how many wait is shown, with a button that lets them in. A list that was read
 * again has them.
 */
export class Held {
  /** @type {Map<string, () => void>} */
  #waiting = new Map();
  #list;
  #place;
  #busy;
  #count;
  #pointed = false;
  #settling = false;

  /**
   * @param {HTMLElement} list what must not move
   * @param {HTMLElement} place where the number of those that wait is shown
   * @param {() => boolean} [busy] more reasons to wait
   * @param {() => number} [count] how many wait, if one change stands for several
   */
  constructor(list, place, busy = () => false, count = () => this.#waiting.size) {
    this.#list = list;
    this.#place = place;
    this.#busy = busy;
    this.#count = count;
    list.addEventListener("pointerenter", (event) => this.#point(event.pointerType === "mouse"));
    list.addEventListener("pointerleave", () => this.#point(false));
    list.addEventListener("swapped", () => {
      this.#waiting.clear();
      this.#show();
    });
    document.addEventListener("selectionchange", () => this.settle());
    addEventListener("scroll", () => this.settle(), { passive: true });
  }

  /** Why changes wait now; empty when they don't. */
  get reason() {
    if (this.#busy()) return "editing";
    if (this.#pointed) return "pointed";
    if (this.#selects()) return "selecting";
    return this.#list.getBoundingClientRect().top < 0 ? "scrolled" : "";
  }

  get count() {
    return this.#waiting.size && this.#count();
  }

  /**
   * Let a change in now or later. A later change of the same thing replaces one that waits.
   * @param {string} key @param {() => void} apply
   */
  offer(key, apply) {
    this.#waiting.set(key, apply);
    if (this.#settling) return;
    this.#settling = true; // whether anybody looks is asked once for all that arrives together
    queueMicrotask(() => {
      this.#settling = false;
      this.settle();
    });
  }

  /** @param {string} key */
  waits(key) {
    return this.#waiting.has(key);
  }

  /** What waits is no longer true. @param {string} key */
  withdraw(key) {
    if (this.#waiting.delete(key)) this.#show();
  }

  /** Let in what waits, if nothing keeps it out any more. */
  settle() {
    if (this.#waiting.size && !this.reason) this.letIn();
    else this.#show();
  }

  letIn() {
    const changes = [...this.#waiting.values()];
    this.#waiting.clear();
    for (const apply of changes) apply();
    this.#show();
  }

  /** @param {boolean} pointed */
  #point(pointed) {
    this.#pointed = pointed;
    this.settle();
  }

  #selects() {
    const selection = document.getSelection();
    return Boolean(selection && !selection.isCollapsed && this.#list.contains(selection.anchorNode));
  }

  #show() {
    const count = this.count;
    const button = this.#place.firstElementChild;
    if (!count) {
      if (button?.contains(document.activeElement)) this.#list.querySelector(/** @type {any} */ ("[tabindex]"))?.focus();
      button?.remove();
    } else if (button) button.textContent = words(count);
    else this.#place.append(element("button", { type: "button", onclick: () => this.letIn() }, words(count)));
  }
}

/** @param {number} count */
const words = (count) => `${count} new · show`;
