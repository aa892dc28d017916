import { Problem, change, post, zoneUrl } from "../api.js";
import { element, find, seek } from "../dom.js";
import { alarm, say } from "../saying.js";
import { toast } from "../toasts.js";
import { offerUndo } from "../undo.js";
import { sentence } from "../words.js";
import { compare } from "./compare.js";
import { warned } from "./difference.js";
import { forget, keep } from "./drafts.js";
import { merge } from "./merging.js";
import { apart, fault, together } from "./rdata.js";

/** @typedef {import("./records.js").Record} Row */
/** @typedef {import("./rdata.js").Field} Field */
/** @typedef {{name: string, label: string, help: string, example: string, fields: Field[]}} RecordType */
/** @typedef {{name: string, type: string, ttl: string, content: string, comment: string, private: boolean, asText?: boolean}} Typed */

/**
 * @typedef {object} Place what the editor needs of the page
 * @property {string} zone
 * @property {RecordType[]} types
 * @property {(record: Row, changeSet: any, own: boolean) => void} saved a record that was changed; own: the one edited
 * @property {(editor: Editor) => void} closed the row may be shown again; called once
 * @property {(id: number | "new", draft: import("./drafts.js").Draft) => void} reopen
 * @property {import("./basket.js").Basket | null} basket
 */

let count = 0;

/** A row that is being edited: its inputs by the fields of its type, its draft, and what happens when others were faster. */
export class Editor {
  /** @type {Row | null} what somebody saved while we edit */
  #theirs = null;
  #gone = false;
  #who = "";
  #saving = false;
  #place;
  #id = `edit-${++count}`;
  #base;
  #collected;

  /**
   * @param {Place} place @param {Row | null} base null for a new record @param {Typed | null} [typed] a draft
   * @param {number} [collected] the key of a new record that is collected already
   */
  constructor(place, base, typed = null, collected = 0) {
    this.#place = place;
    this.#collected = collected;
    this.#base = base;
    this.form = this.#form();
    this.row = element("tr", { class: "editing", role: "row" }, element("td", { role: "cell", colspan: 7 }, this.form));
    this.#fill(typed ?? (base ? { ...base, ttl: String(base.ttl) } : EMPTY));
    this.form.addEventListener("submit", (/** @type {Event} */ event) => {
      event.preventDefault();
      this.save();
    });
    this.form.addEventListener("input", () => {
      this.#draft();
      this.#foreseeSoon();
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
    const { name, type } = this.typed();
    return `${name || "@"} ${type}`;
  }

  focus() {
    // A name is seldom what one comes to change.
    (this.#base ? seek(".part input, .part textarea, .part select", this.form) : find("[name=name]", this.form))?.focus();
  }

  /** What stands in the inputs now. @returns {Typed} */
  typed() {
    const value = (/** @type {string} */ name) => /** @type {HTMLInputElement} */ (find(`[name=${name}]`, this.form)).value;
    const type = value("type").trim();
    const asText = Boolean(seek("[name=content]", this.form));
    const fields = this.#fields(type);
    const parts = () => fields.map((field) => this.#part(field)?.value ?? this.#hidden.get(field.name) ?? "");
    return {
      name: value("name").trim(),
      type: type === OTHER ? type : type.toUpperCase(),
      ttl: value("ttl").trim(),
      content: asText ? value("content").trim() : together(fields, parts()),
      comment: value("comment"),
      private: /** @type {HTMLInputElement} */ (find("[name=private]", this.form)).checked,
      asText,
    };
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
    const typed = this.typed();
    const merged = merge(this.#base, typed, this.#theirs);
    if (!merged) return false;
    const taken = FIELDS.filter((name) => String(merged[name] ?? "") !== String(typed[name] ?? ""));
    this.#base = this.#theirs;
    this.#theirs = null;
    for (const name of taken.filter((field) => field !== "content")) /** @type {HTMLInputElement} */ (find(`[name=${name}]`, this.form)).value = String(merged[name] ?? "");
    if (taken.includes("content")) this.#fillParts(typed.type, merged.content, Boolean(typed.asText));
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
    clearTimeout(this.#pause);
    const typed = merged ? { ...this.typed(), ...merged } : this.typed();
    if (this.#theirs && !merged) return this.#compare();
    if (this.#base && !this.#gone && !merged && same(typed, this.#base) && typed.private === this.#base.private) return this.cancel();
    this.#problems({});
    const faults = typed.asText || merged ? {} : this.#faults(typed.type);
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
      const news = (result.warnings ?? []).filter((/** @type {any} */ { message }) => !this.#foreseen.has(message));
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
    const draft = { base: this.#base, typed: this.typed(), at: Date.now() };
    const untouched = this.#base ? same(draft.typed, this.#base) : same(draft.typed, EMPTY);
    const { label, id } = this;
    forget(this.#place.zone, id);
    this.#close();
    if (!untouched)
      toast(`What you typed for ${label} was not saved.`, { action: { label: "Bring it back", run: () => this.#place.reopen(id, draft) } });
  }

  #close() {
    clearTimeout(this.#pause);
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
    const { fields } = problem;
    const placed = this.#problems(fields);
    const rest = Object.entries(fields).filter(([name]) => !placed.has(name)).map(([, text]) => text);
    const why = rest.join(" ") || (placed.size ? "" : problem.message);
    const next = problem.status === 0 || problem.status >= 500 ? " It is safe to try again." : "";
    this.#note(`Not saved: ${sentence(why || "look at the fields that are marked")}${next} What you typed is kept.`, null, true);
    find("[aria-invalid=true], [type=submit]", this.form).focus();
  }

  #compare() {
    const theirs = this.#theirs;
    if (!theirs) return;
    seek(".compare", this.form)?.remove();
    this.#note("");
    const mine = this.typed();
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
    this.#fill({ ...this.typed(), ...fields, ttl: String(fields.ttl) });
    this.save(fields);
  }

  /** What the single fields show by themselves to be wrong; of the whole the server is the judge. @param {string} type */
  #faults(type) {
    const found = this.#fields(type).map((field) => [`part-${field.name}`, this.#part(field) ? fault(field, this.#part(field)?.value ?? "") : ""]);
    return Object.fromEntries(found.filter(([, text]) => text));
  }

  // -- inputs ----------------------------------------------------------------------------------------------------------

  /** Values of fields that are not edited. @type {Map<string, string>} */
  #hidden = new Map();

  /** @param {string} type @returns {Field[]} */
  #fields(type) {
    return this.#place.types.find(({ name }) => name === type)?.fields ?? [];
  }

  /** @param {Field} field @returns {HTMLInputElement | null} */
  #part(field) {
    return /** @type {HTMLInputElement | null} */ (seek(`[name=part-${field.name}]`, this.form));
  }

  #form() {
    const types = this.#place.types.map(({ name }) => name);
    if (this.#base && !types.includes(this.#base.type)) types.push(this.#base.type);
    const form = element("form", { class: "editor", novalidate: true, "aria-label": this.#base ? `Edit ${this.#base.name} ${this.#base.type}` : "New record" },
      element("div", { class: "inputs" },
        this.#field("name", "Name", { class: "name-field", placeholder: "@", autocapitalize: "none" }),
        this.#field("type", "Type", { class: "type-field" },
          element("select", { disabled: this.#base !== null, onchange: () => this.#retype() },
            ...types.map((type) => element("option", {}, type)), element("option", { value: OTHER }, "Other …"))),
        this.#field("ttl", "TTL", { class: "ttl-field", inputmode: "numeric", placeholder: this.#base ? "" : "auto" }),
        element("div", { class: "inputs part-list grow" })),
      element("div", { class: "inputs" },
        this.#field("comment", "Comment", { class: "comment-field" }),
        element("label", { class: "check" }, element("input", { type: "checkbox", name: "private" }), "Comment for editors only")),
      element("div", { class: "row" },
        element("button", { type: "submit", class: "primary" }, this.#place.basket?.collecting ? "Collect" : "Save"),
        element("button", { type: "button", onclick: () => this.cancel() }, "Cancel"),
        element("button", { type: "button", class: "quiet", "data-as-text": true, onclick: () => this.#toggleText() }, "Edit as text"),
        element("p", { class: "help soft small", "data-help": true })),
      element("div", { role: "status", "data-foreseen": true }),
      element("p", { class: "note wait", "data-note": true, hidden: true }));
    return form;
  }

  /** @param {string} name @param {string} label @param {Record<string, any>} attributes @param {HTMLElement} [input] */
  #field(name, label, { class: kind = "", help = "", ...attributes }, input) {
    const id = `${this.#id}-${name}`;
    const control = input ?? element("input", { autocomplete: "off", spellcheck: "false", ...attributes });
    control.id = id;
    control.setAttribute("name", name);
    control.setAttribute("aria-describedby", help ? `${id}-help ${id}-problem` : `${id}-problem`);
    return element("div", { class: `field ${kind}` },
      element("label", { for: id }, label), control,
      help && element("p", { class: "help soft small", id: `${id}-help` }, help),
      element("p", { class: "problem", id: `${id}-problem`, "data-problem-of": name }));
  }

  /** @param {Typed} typed */
  #fill(typed) {
    const set = (/** @type {string} */ name, /** @type {string} */ value) => {
      /** @type {HTMLInputElement} */ (find(`[name=${name}]`, this.form)).value = value;
    };
    set("name", typed.name);
    if (!this.#fields(typed.type).length && !this.#base) this.#typeByHand(typed.type);
    set("type", typed.type);
    set("ttl", typed.ttl);
    set("comment", typed.comment ?? "");
    /** @type {HTMLInputElement} */ (find("[name=private]", this.form)).checked = Boolean(typed.private);
    this.#fillParts(typed.type, typed.content, Boolean(typed.asText));
  }

  /** @param {string} type @param {string} content @param {boolean} asText */
  #fillParts(type, content, asText) {
    const fields = this.#fields(type);
    const values = content ? apart(fields, content) : fields.map(() => "");
    const text = asText || !fields.length || values === null;
    const list = find(".part-list", this.form);
    this.#hidden.clear();
    if (text) list.replaceChildren(this.#field("content", "Content", { class: "part text" }, element("textarea", { rows: 2, spellcheck: "false" })));
    else list.replaceChildren(...fields.flatMap((field, index) => this.#partField(type, field, values?.[index] ?? "")));
    this.#showExample(type);
    if (text) /** @type {HTMLTextAreaElement} */ (find("[name=content]", this.form)).value = content;
    const declared = this.#place.types.find(({ name }) => name === type);
    find("[data-help]", this.form).textContent = declared
      ? `${declared.help} For example ${declared.example}` : "Content as text, or octets in the form for any type (RFC 3597): \\# 2 abcd";
    const toggle = find("[data-as-text]", this.form);
    toggle.textContent = text ? "Edit by fields" : "Edit as text";
    toggle.hidden = !fields.length;
  }

  /** @param {string} type @param {Field} field @param {string} value @returns {HTMLElement[]} */
  #partField(type, field, value) {
    if (type === "SOA" && field.name === "serial") {
      this.#hidden.set("serial", value || "0");
      return [];
    }
    const { choices } = field;
    /** @type {any} */
    let control;
    if (choices) {
      const known = new Map(value ? [...choices, [value, new Map(choices).get(value) ?? ""]] : choices);
      control = element("select", {}, ...[...known].map(([choice, meaning]) =>
        element("option", { value: choice }, meaning ? `${choice} – ${meaning}` : choice)));
    } else if (takesLines(field, this.#fields(type))) control = element("textarea", { rows: value.length > 80 ? 3 : 1, spellcheck: "false" });
    const whole = field.kind === "integer" ? { inputmode: "numeric" } : { autocapitalize: "none" };
    const made = this.#field(`part-${field.name}`, field.label, { class: `part ${field.kind}`, help: field.help, ...whole }, control);
    /** @type {HTMLInputElement} */ (find("input, select, textarea", made)).value = value || (choices?.[0][0] ?? "");
    return [made];
  }

  /** An empty field shows what the example of the type has there. @param {string} type */
  #showExample(type) {
    const declared = this.#place.types.find(({ name }) => name === type);
    const values = declared && apart(declared.fields, declared.example);
    for (const [index, field] of (declared?.fields ?? []).entries()) this.#part(field)?.setAttribute("placeholder", values?.[index] ?? "");
  }

  #retype() {
    const { type, asText } = this.typed();
    if (type === OTHER) this.#typeByHand("TYPE");
    this.#fillParts(type, "", Boolean(asText));
    this.#draft();
  }

  /** Types that nobody has declared are named by hand, and their content is text (RFC 3597). @param {string} type */
  #typeByHand(type) {
    const select = find("[name=type]", this.form);
    const input = element("input", { name: "type", value: type, autocomplete: "off", spellcheck: "false", autocapitalize: "characters",
      "aria-describedby": select.getAttribute("aria-describedby") ?? "" });
    input.id = select.id;
    input.addEventListener("change", () => this.#fields(this.typed().type).length && this.#fillParts(this.typed().type, this.typed().content, false));
    select.replaceWith(input);
    input.focus();
  }

  #toggleText() {
    const { type, content, asText } = this.typed();
    this.#fillParts(type, content, !asText);
    if (asText && seek("[name=content]", this.form))
      this.#note("This content does not fit the fields of its type, so it stays text.");
    this.#draft();
  }

  #draft() {
    const typed = this.typed();
    keep(this.#place.zone, this.id, { base: this.#base, typed, at: Date.now() });
  }

  // -- what saving would warn of ---------------------------------------------------------------------------------------

  #pause = 0;
  /** What the person has read of it. @type {Set<string>} */
  #foreseen = new Set();

  #foreseeSoon() {
    clearTimeout(this.#pause);
    this.#pause = window.setTimeout(() => this.#foresee(), PAUSE_MS);
  }

  /** Say it while one may still think better of it. What is half typed is refused, of which nobody needs to hear yet. */
  async #foresee() {
    const asked = this.#change(this.typed());
    const { warnings, changes } = await post(zoneUrl(this.#place.zone, "changes/"), { changes: [asked], dry_run: true }).catch(() => ({ warnings: [], changes: [] }));
    if (this.#saving || JSON.stringify(this.#change(this.typed())) !== JSON.stringify(asked)) return;
    this.#foreseen = new Set(warnings.map((/** @type {any} */ { message }) => message));
    find("[data-foreseen]", this.form).replaceChildren(...warned(warnings));
    const made = changes.find((/** @type {any} */ { op }) => op === "create");
    if (made) /** @type {HTMLInputElement} */ (find("[name=ttl]", this.form)).placeholder = String(made.after.ttl);
  }

  // -- telling ---------------------------------------------------------------------------------------------------------

  /** @param {Record<string, string>} fields @returns {Set<string>} those that have a place */
  #problems(fields) {
    const placed = new Set();
    for (const place of this.form.querySelectorAll("[data-problem-of]")) {
      place.textContent = "";
      find("input, select, textarea", place.parentElement).removeAttribute("aria-invalid");
    }
    for (const [name, text] of Object.entries(fields)) {
      const place = seek(`[data-problem-of=${CSS.escape(name || "none")}]`, this.form) ?? (name === "content" ? seek(".part [data-problem-of]", this.form) : null);
      if (!place) continue;
      place.textContent = text;
      find("input, select, textarea", /** @type {HTMLElement} */ (place.parentElement)).setAttribute("aria-invalid", "true");
      placed.add(name);
    }
    return placed;
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
    const label = this.#place.basket?.collecting ? "Collect" : "Save";
    button.textContent = busy ? "Saving …" : label;
  }
}

const OTHER = "other";
const FIELDS = /** @type {("name" | "ttl" | "content" | "comment")[]} */ (["name", "ttl", "content", "comment"]);

/** Milliseconds after a key until somebody has stopped typing. */
const PAUSE_MS = 500;

/** Whether a value may take several lines: keys, digests, and text that is all of the content or has no end of its own.
 * @param {Field} field @param {Field[]} fields */
const takesLines = ({ kind, quoted }, fields) => kind === "hex" || kind === "base64" || (kind === "text" && (!quoted || fields.length === 1));

/** @type {Typed} */
const EMPTY = { name: "", type: "A", ttl: "", content: "", comment: "", private: false };

/** @param {any} typed @param {any} other */
const same = (typed, other) =>
  ["name", "type", "ttl", "content", "comment"].every((name) => String(typed[name] ?? "") === String(other[name] ?? ""));
