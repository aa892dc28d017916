import { element, find } from "../dom.js";

/** How many records of each type the zone has, beside the types to choose from: as the server counted them, and as events go on. */
export class Counts {
  #section;
  #choice;

  /** @param {HTMLElement} section */
  constructor(section) {
    this.#section = section;
    this.#choice = /** @type {HTMLSelectElement} */ (find("#record-type", section));
    section.addEventListener("swapped", (event) => this.#read(/** @type {CustomEvent<Document>} */ (event).detail));
  }

  /** @param {string} type @param {number} by @param {number} position of the event; what was counted since has it */
  add(type, by, position) {
    if (position <= Number(this.#section.dataset.readAt ?? 0)) return;
    const options = [...this.#choice.options];
    const option = options.find(({ value }) => value === type);
    const count = Number(option?.dataset.ofType ?? 0) + by;
    const next = options.find(({ value }) => value > type) ?? null;
    if (!option && count > 0) this.#choice.insertBefore(element("option", { value: type, "data-of-type": count }, words(type, count)), next);
    else if (option && count <= 0 && !option.selected) option.remove();
    else if (option) Object.assign(option, { textContent: words(type, count) }).dataset.ofType = String(count);
  }

  /** @param {Document} fresh the list as it was read again */
  #read(fresh) {
    const counted = find("#record-type", fresh);
    if (counted.textContent === this.#choice.textContent) return;
    const { value } = this.#choice;
    this.#choice.replaceChildren(...counted.childNodes);
    this.#choice.value = value;
  }
}

/** @param {string} type @param {number} count */
const words = (type, count) => `${type} (${count})`;
