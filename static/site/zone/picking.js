import { find, seek } from "../dom.js";
import { shortcut } from "../keyboard.js";

/** Rows that are selected, and the bar that says how many they are. A shift-click selects all from the last one on. */
export class Picking {
  #section;
  /** @type {HTMLInputElement | null} */
  #last = null;

  /** @param {HTMLElement} section */
  constructor(section) {
    this.#section = section;
    section.addEventListener("click", (event) => {
      const box = event.target;
      if (!(box instanceof HTMLInputElement) || box.type !== "checkbox") return;
      if (box.dataset.pickAll !== undefined) for (const each of this.#boxes) each.checked = box.checked;
      else if (box.dataset.pick !== undefined) this.#pick(box, event.shiftKey);
      this.show();
    });
    find("[data-pick-none]", section).addEventListener("click", () => this.none());
    section.addEventListener("swapped", () => this.show());
    shortcut("x", () => {
      const box = document.activeElement?.closest("tr.record")?.querySelector("[data-pick]");
      if (box instanceof HTMLInputElement) box.checked = !box.checked;
      this.show();
    });
  }

  /** The ids of the records that are selected. */
  get ids() {
    return this.#boxes.filter(({ checked }) => checked).map((box) => Number(box.closest("tr")?.dataset.id));
  }

  none() {
    for (const box of this.#boxes) box.checked = false;
    this.show();
  }

  show() {
    const { length } = this.ids;
    find("[data-picked]", this.#section).hidden = length === 0;
    find("[data-picked-count]", this.#section).textContent = `${length} selected`;
    const all = seek("[data-pick-all]", this.#section);
    if (!(all instanceof HTMLInputElement)) return;
    all.checked = length > 0 && length === this.#boxes.length;
    all.indeterminate = length > 0 && !all.checked;
  }

  /** @returns {HTMLInputElement[]} */
  get #boxes() {
    return [...this.#section.querySelectorAll(/** @type {any} */ ("tr.record [data-pick]"))];
  }

  /** @param {HTMLInputElement} box @param {boolean} from whether all from the last one on are meant */
  #pick(box, from) {
    const boxes = this.#boxes;
    const [start, end] = [boxes.indexOf(/** @type {any} */ (this.#last)), boxes.indexOf(box)].sort((one, other) => one - other);
    if (from && start >= 0) for (const each of boxes.slice(start, end + 1)) each.checked = box.checked;
    this.#last = box;
  }
}
