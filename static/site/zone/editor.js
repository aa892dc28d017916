import { Problem, change } from "../api.js";
import { element, find, seek } from "../dom.js";
import { forgive, mark } from "../form.js";
import { alarm, say } from "../saying.js";
import { toast } from "../toasts.js";
import { offerUndo } from "../undo.js";
import { sentence } from "../words.js";
import { compare } from "./compare.js";
import { forget, keep } from "./drafts.js";
import { Foresight } from "./foresight.js";
import { EMPTY, Inputs } from "./inputs.js";
import { merge } from "./merging.js";

/** @typedef {import("./records.js").Record} Row */
/** @typedef {import("./inputs.js").Typed} Typed */

/**
 * @typedef {object} Place what the editor needs of the page
 * @property {string} zone
 * @property {import("./inputs.js").RecordType[]} types
 * @property {(record: Row, changeSet: any, own: boolean) => void} saved a record that was changed; own: the one edited
 * @property {(editor: Editor) => void} closed the row may be shown again; called once
 * @property {(id: number | "new", draft: import("./drafts.js").Draft) => void} reopen
 * @property {import("./basket.js").Basket | null} basket
 */

/** A row that is being edited: its draft, its saving, and what happens when others were faster. */
export class Editor {
  /** @type {Row | null} what somebody saved while we edit */
  #theirs = null;
  #gone = false;
  #who = "";
  #saving = false;
  #place;
  #base;
  #collected;
  #inputs;
  #foresight;

  /**
   * @param {Place} place @param {Row | null} base null for a new record @param {Typed | null} [typed] a draft
   * @param {number} [collected] the key of a new record that is collected already
   */
  constructor(place, base, typed = null, collected = 0) {
    this.#place = place;
    this.#collected = collected;
    this.#base = base;
    this.form = element("form", { class: "editor", novalidate: true, "aria-label": base ? `Edit ${base.name} ${base.type}` : "New record" });
    this.#inputs = new Inputs(this.form, place.types, base?.type ?? "", () => this.#draft());
    this.#foresight = new Foresight(place.zone, this.form, () => this.#change(this.typed));
    this.form.append(...this.#actions());
    this.row = element("tr", { class: "editing", role: "row" }, element("td", { role: "cell", colspan: 7 }, this.form));
    this.#inputs.fill(typed ?? (base ? { ...base, ttl: String(base.ttl) } : EMPTY));
    this.form.addEventListener("submit", (/** @type {Event} */ event) => {
      event.preventDefault();
      this.save();
    });
    this.form.addEventListener("input", () => {
      this.#draft();
      this.#foresight.soon();
    });
    this.form.addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => {
      if (event.key !== "Escape") return;
      event.stopPropagation();
      this.cancel();
    });
  }

  /** Which record; "new" for one that is not saved yet. */
  get id() {
    return this.#base?.id ?? "new";
  }

  get label() {
    const { name, type } = this.typed;
    return `${name || "@"} ${type}`;
  }

  focus() {
    this.#inputs.focus();
  }

  /** What is typed now. @returns {Typed} */
  get typed() {
    return this.#inputs.typed;
  }

  /** Somebody saved this record; ours is kept, and both can be compared. @param {Row} record @param {string} who */
  theirs(record, who) {
    this.#theirs = record;
    this.#who = who;
    const changed = ["name", "ttl", "content", "comment"].filter((name) => this.#base && String(record[name] ?? "") !== String(this.#base[name] ?? ""));
    const text = changed.map((name) => (name === "content" ? record.content : `${name} ${record[name]}`)).join(", ");
    if (this.#mergeTheirs())
      return this.#note(`${who} changed this record meanwhile: ${text || "back to what it was"}. That is taken over, and what you typed is kept.`);
    this.#note(`${who} changed this record meanwhile: ${text || "back to what it was"}. What you typed is kept.`, {
      label: "Compare",
      run: () => this.#compare(),
    });
  }

  /** Take over what only they changed. Nothing that was typed here changes; where both changed a field, it is left to be chosen. */
  #mergeTheirs() {
    if (!this.#base || !this.#theirs) return false;
    const { typed } = this;
    const merged = merge(this.#base, typed, this.#theirs);
    if (!merged) return false;
    const taken = FIELDS.filter((name) => String(merged[name] ?? "") !== String(typed[name] ?? ""));
    this.#base = this.#theirs;
    this.#theirs = null;
    for (const name of taken) this.#inputs.put(name, String(merged[name] ?? ""));
    seek(".compare", this.form)?.remove();
    this.#draft();
    return true;
  }

  /** Somebody deleted this record. @param {string} who */
  gone(who) {
    this.#gone = true;
    this.#note(`${who} deleted this record meanwhile. What you typed is kept; saving adds it anew.`);
  }

  /** @param {any} [merged] what was chosen between two versions */
  async save(merged) {
    if (this.#saving) return;
    this.#foresight.stop();
    const typed = { ...this.typed, ...merged };
    if (this.#theirs && !merged) return this.#compare();
    if (this.#base && !this.#gone && !merged && same(typed, this.#base) && typed.private === this.#base.private) return this.cancel();
    forgive(this.form);
    const faults = merged ? {} : this.#inputs.faults;
    if (Object.keys(faults).length) return this.#failed(new Problem(400, "", { errors: faults }));
    this.#busy(true);
    try {
      if (this.#place.basket?.collecting) return await this.#collect(this.#place.basket, typed);
      const result = await change(this.#place.zone, [this.#change(typed)]);
      forget(this.#place.zone, this.id);
      this.#close();
      // The TTL is that of the whole RRset, so that others may have changed along.
      const own = result.changes.find((/** @type {any} */ each) => each.id === this.#base?.id || each.op === "create");
      for (const { id, after } of result.changes) if (after) this.#place.saved(after, result, id === own?.id);
      offerUndo(this.#place.zone, result, `${this.#base && !this.#gone ? "Changed" : "Added"} ${typed.name || "@"} ${typed.type}`);
      const news = (result.warnings ?? []).filter((/** @type {any} */ { message }) => !this.#foresight.told(message));
      for (const { message } of news) toast(`Saved, but look: ${message}.`, { seconds: 20 });
    } catch (error) {
      this.#failed(/** @type {Error} */ (error));
    } finally {
      this.#busy(false);
    }
  }

  /** @param {import("./basket.js").Basket} basket @param {Typed} typed */
  async #collect(basket, typed) {
    if (this.#collected < 0) await basket.replace(this.#collected, this.#change(typed));
    else await basket.add(this.#change(typed), this.#gone ? null : this.#base);
    forget(this.#place.zone, this.id);
    this.#close();
  }

  /** Leave; what was typed can be brought back. */
  cancel() {
    const draft = { base: this.#base, typed: this.typed, at: Date.now() };
    const untouched = this.#base ? same(draft.typed, this.#base) : same(draft.typed, EMPTY);
    const { label, id } = this;
    forget(this.#place.zone, id);
    this.#close();
    if (!untouched)
      toast(`What you typed for ${label} was not saved.`, { action: { label: "Bring it back", run: () => this.#place.reopen(id, draft) } });
  }

  #close() {
    this.#foresight.stop();
    this.#place.closed(this);
    this.row.remove();
  }

  /** @param {Typed} typed */
  #change({ name, type, ttl, content, comment, private: hidden }) {
    const seconds = /^\d+$/.test(ttl) ? Number(ttl) : ttl;
    const fields = { name: name || "@", type, ttl: seconds, content, comment, private: hidden };
    // Without a TTL, a new record takes that of its RRset, or else of the zone.
    if (!this.#base || this.#gone) return { op: "create", ...fields, ttl: ttl === "" ? undefined : seconds };
    const base = this.#theirs ?? this.#base;
    const changed = Object.entries(fields).filter(([field, value]) => value !== base[field]);
    return { op: "update", id: this.#base.id, version: base.version, ...Object.fromEntries(changed) };
  }

  /** @param {Error} error */
  #failed(error) {
    const problem = error instanceof Problem ? error : new Problem(0, error.message);
    if (problem.status === 409) {
      const current = problem.data.current ?? null;
      if (!current) return this.gone("Somebody");
      this.#theirs = { ...current };
      this.#who = current.updated_by || this.#who || "Somebody";
      if (this.#mergeTheirs()) {
        this.#note(`${this.#who} changed other fields of this record meanwhile. They are taken over; look, and save again.`);
        return find("[type=submit]", this.form).focus();
      }
      alarm("Not saved: somebody changed this record while you edited it. Both versions are shown.");
      return this.#compare();
    }
    const rest = mark(this.form, this.#inputs.placed(problem.fields));
    const why = rest.join(" ") || (seek("[aria-invalid]", this.form) ? "" : problem.message);
    const next = problem.status === 0 || problem.status >= 500 ? " It is safe to try again." : "";
    this.#note(`Not saved: ${sentence(why || "look at the fields that are marked")}${next} What you typed is kept.`, null, true);
    find("[aria-invalid=true], [type=submit]", this.form).focus();
  }

  #compare() {
    const theirs = this.#theirs;
    if (!theirs) return;
    seek(".compare", this.form)?.remove();
    this.#note("");
    const mine = this.typed;
    const panel = compare(this.#base, mine, theirs, {
      who: this.#who,
      choose: (fields) => this.#take(fields),
      keepMine: () => this.#take({ name: mine.name, ttl: mine.ttl, content: mine.content, comment: mine.comment }),
      takeTheirs: () => this.cancel(),
    });
    this.form.append(panel);
    find("input:checked, button", panel).focus();
  }

  /** @param {any} fields */
  #take(fields) {
    seek(".compare", this.form)?.remove();
    this.#inputs.fill({ ...this.typed, ...fields, ttl: String(fields.ttl) });
    this.save(fields);
  }

  // -- what stands below the inputs ------------------------------------------------------------------------------------

  /** @returns {HTMLElement[]} */
  #actions() {
    const { toggle, help } = this.#inputs;
    toggle.addEventListener("click", () => this.#turn());
    return [
      element("div", { class: "row" },
        element("button", { type: "submit", class: "primary" }, this.#verb),
        element("button", { type: "button", onclick: () => this.cancel() }, "Cancel"), toggle, help),
      element("div", { role: "status", "data-foreseen": true }),
      element("p", { class: "note wait", "data-note": true, hidden: true })];
  }

  get #verb() {
    return this.#place.basket?.collecting ? "Collect" : "Save";
  }

  #turn() {
    if (!this.#inputs.turn()) this.#note("This content does not fit the fields of its type, so it stays text.");
    this.#draft();
  }

  #draft() {
    keep(this.#place.zone, this.id, { base: this.#base, typed: this.typed, at: Date.now() });
  }

  /** @param {string} text @param {{label: string, run: () => void} | null} [action] @param {boolean} [bad] */
  #note(text, action = null, bad = false) {
    const place = find("[data-note]", this.form);
    place.hidden = !text;
    place.className = bad ? "note bad" : "note wait";
    place.replaceChildren(text, ...(action ? [element("button", { type: "button", onclick: action.run }, action.label)] : []));
    if (text && bad) alarm(text);
    else if (text) say(text);
  }

  /** @param {boolean} busy */
  #busy(busy) {
    this.#saving = busy;
    const button = /** @type {HTMLButtonElement} */ (find("[type=submit]", this.form));
    button.setAttribute("aria-disabled", String(busy));
    button.textContent = busy ? "Saving …" : this.#verb;
  }
}

const FIELDS = /** @type {("name" | "ttl" | "content" | "comment")[]} */ (["name", "ttl", "content", "comment"]);

/** @param {any} typed @param {any} other */
const same = (typed, other) =>
  ["name", "type", "ttl", "content", "comment"].every((name) => String(typed[name] ?? "") === String(other[name] ?? ""));
