import { post, zoneUrl } from "../api.js";
import { find } from "../dom.js";
import { control } from "../form.js";
import { warned } from "./difference.js";

/** Milliseconds after a key until somebody has stopped typing. */
const PAUSE_MS = 500;

/**
 * What saving would warn of, said while one may still think better of it; and which TTL a new record would get. What is half
 * typed is refused, of which nobody needs to hear yet.
 */
export class Foresight {
  #pause = 0;
  /** The change that is looked at. */
  #asked = "";
  /** What the person has read of it. @type {Set<string>} */
  #said = new Set();
  #zone;
  #form;
  #change;

  /** @param {string} zone @param {HTMLFormElement} form @param {() => any} change what would be saved now */
  constructor(zone, form, change) {
    this.#zone = zone;
    this.#form = form;
    this.#change = change;
  }

  /** Look, as soon as nobody types. */
  soon() {
    clearTimeout(this.#pause);
    this.#pause = window.setTimeout(() => this.#look(), PAUSE_MS);
  }

  stop() {
    clearTimeout(this.#pause);
    this.#asked = "";
  }

  /** Whether the person has read that already. @param {string} message */
  told(message) {
    return this.#said.has(message);
  }

  async #look() {
    const change = this.#change();
    const asked = JSON.stringify(change);
    this.#asked = asked;
    const { warnings, changes } = await post(zoneUrl(this.#zone, "changes/"), { changes: [change], dry_run: true }).catch(() => ({ warnings: [], changes: [] }));
    if (asked !== this.#asked || asked !== JSON.stringify(this.#change())) return;
    this.#said = new Set(warnings.map((/** @type {any} */ { message }) => message));
    find("[data-foreseen]", this.#form).replaceChildren(...warned(warnings));
    const made = changes.find((/** @type {any} */ { op }) => op === "create");
    if (made) /** @type {HTMLInputElement} */ (control(this.#form, "ttl")).placeholder = String(made.after.ttl);
  }
}
