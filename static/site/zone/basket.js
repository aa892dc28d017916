import { Problem, post, zoneUrl } from "../api.js";
import { element, find } from "../dom.js";
import { alarm, say } from "../saying.js";
import { ofTab } from "../storage.js";
import { toast } from "../toasts.js";
import { offerUndo } from "../undo.js";
import { counted } from "../words.js";
import { difference, warned } from "./difference.js";
import { merge } from "./merging.js";

/**
 * Changes that are collected and saved together. They live in this tab, over reloads; the server is asked at each step what
 * they would do, so that what is wrong is told at once, and what others do meanwhile is shown beside them.
 */

/** @typedef {import("./records.js").Record} Row */
/**
 * @typedef {object} Item
 * @property {number} key the id of the record; negative for a new one
 * @property {any} change as the API takes it: `{op, id?, version?, …fields}`
 * @property {Row | null} base the record when the change was collected
 * @property {Row | null} [theirs] what somebody saved since, where it collides
 * @property {string} [who] who that was
 * @property {boolean} [gone] somebody deleted the record
 */

const FIELDS = ["name", "type", "ttl", "content", "comment", "private"];

export class Basket {
  /** @type {Item[]} */
  #items = [];
  /** @type {{message: string}[]} */
  #warnings = [];
  #zone;
  #section = find("#basket");
  #toggle = find("[data-collect]");
  /** Changes are tried one after the other. @type {Promise<unknown>} */
  #trying = Promise.resolve();
  #marked;
  #saved;
  #edit;

  /**
   * @param {string} zone
   * @param {{marked: (ids: Set<number>) => void, saved: (changeSet: any) => void, edit: (item: Item) => void}} page
   */
  constructor(zone, { marked, saved, edit }) {
    this.#zone = zone;
    this.#marked = marked;
    this.#saved = saved;
    this.#edit = edit;
    this.#toggle.addEventListener("click", () => this.#collect(!this.collecting));
    find("[data-discard]", this.#section).addEventListener("click", () => this.#discard());
    find("[data-apply]", this.#section).addEventListener("submit", (event) => {
      event.preventDefault();
      this.#apply();
    });
    const kept = ofTab.read(this.#storage) ?? [];
    if (kept.length || ofTab.get(`${this.#storage}:on`)) this.#collect(true);
    this.#items = kept;
    this.#show();
  }

  get #storage() {
    return `basket:${this.#zone}`;
  }

  get collecting() {
    return this.#toggle.getAttribute("aria-pressed") === "true";
  }

  /** What is collected for a record. @param {number} id @returns {Item | undefined} */
  of(id) {
    return this.#items.find(({ key }) => key === id);
  }

  /**
   * Collect a change, if the server would take it together with the others. Rejected with `Problem` otherwise.
   * @param {any} change @param {Row | null} base
   */
  async add(change, base) {
    await this.#keepIfGood((items) => {
      const key = base?.id ?? Math.min(0, ...items.map((item) => item.key)) - 1;
      return [...items.filter((item) => item.key !== key), { key, change, base }];
    });
    say(`Collected. ${counted(this.#items.length, "change")} to be saved.`);
  }

  /** A collected new record, typed anew. @param {number} key @param {any} change */
  async replace(key, change) {
    await this.#keepIfGood((items) => items.map((item) => (item.key === key ? { ...item, change } : item)));
  }

  /** Somebody saved a record of which something is collected. @param {Row} record @param {string} who */
  changed(record, who) {
    const item = this.of(record.id);
    if (!item || !item.base || record.version <= (item.theirs ?? item.base).version) return;
    const mine = { ...item.base, ...fieldsOf(item.change) };
    const merged = item.change.op === "delete" ? null : merge(item.base, mine, record);
    if (merged) {
      item.change = { ...item.change, version: record.version };
      item.base = record;
      toast(`${who} changed ${record.name} ${record.type} too; both changes fit together.`);
    } else Object.assign(item, { theirs: record, who });
    this.#show();
  }

  /** Somebody deleted it. @param {number} id @param {string} who */
  deleted(id, who) {
    const item = this.of(id);
    if (!item) return;
    Object.assign(item, { gone: true, who });
    this.#show();
  }

  /** Mark the rows again, after they were read anew. */
  mark() {
    this.#marked(new Set(this.#items.map(({ key }) => key)));
  }

  // -- what is kept --------------------------------------------------------------------------------------------------------

  /**
   * What else was collected, dropped or saved while the server looked at it stays so.
   * @param {(items: Item[]) => Item[]} collect
   */
  #keepIfGood(collect) {
    const attempt = async () => {
      const { warnings } = await this.#ask(collect(this.#items), true);
      this.#items = collect(this.#items);
      this.#warnings = warnings;
      this.#show();
    };
    const tried = this.#trying.then(attempt);
    this.#trying = tried.catch(() => {});
    return tried;
  }

  /** @param {Item[]} items @param {boolean} dryRun @param {string} [comment] */
  #ask(items, dryRun, comment = "") {
    return post(zoneUrl(this.#zone, "changes/"), { changes: items.map(({ change }) => change), comment, dry_run: dryRun });
  }

  #keep() {
    ofTab.write(this.#storage, this.#items);
    ofTab.set(`${this.#storage}:on`, this.collecting ? "1" : null);
  }

  /** @param {boolean} on */
  #collect(on) {
    if (!on && this.#items.length) {
      toast("Save or discard what is collected first.", { seconds: 5 });
      return;
    }
    this.#toggle.setAttribute("aria-pressed", String(on));
    this.#show();
  }

  /** @param {Item} item */
  #drop(item) {
    this.#items = this.#items.filter((other) => other !== item);
    this.#warnings = [];
    this.#show();
    find(this.#items.length ? "[data-apply] [type=submit]" : "[data-collect]", this.#items.length ? this.#section : document).focus();
  }

  #discard() {
    const items = this.#items;
    this.#items = this.#warnings = [];
    this.#show();
    this.#toggle.focus();
    toast(`Discarded ${counted(items.length, "change")}.`, { action: { label: "Bring them back", run: () => {
      this.#items = [...items, ...this.#items];
      this.#show();
    } } });
  }

  async #apply() {
    const items = this.#items;
    const comment = /** @type {HTMLInputElement} */ (find("#basket-comment", this.#section));
    if (!items.length) return;
    if (items.some(({ theirs, gone }) => theirs || gone)) return this.#tell("Choose first what is kept where somebody else was faster.");
    const button = find("[data-apply] [type=submit]", this.#section);
    button.setAttribute("aria-disabled", "true");
    try {
      const changeSet = await this.#ask(items, false, comment.value);
      this.#items = this.#items.filter((item) => !items.includes(item));
      this.#warnings = [];
      comment.value = "";
      this.#tell("");
      if (this.#items.length) this.#show();
      else this.#collect(false);
      this.#saved(changeSet);
      if (changeSet.id) offerUndo(this.#zone, changeSet, `Saved ${counted(items.length, "change")} together`);
      this.#toggle.focus();
    } catch (error) {
      this.#failed(/** @type {Problem} */ (error), items);
    } finally {
      button.removeAttribute("aria-disabled");
    }
  }

  /** Nothing was saved: what is collected stays. @param {Problem} problem @param {Item[]} sent */
  #failed(problem, sent) {
    const item = sent[problem.data?.index ?? -1];
    if (problem.status === 409 && item) {
      const current = problem.data.current;
      if (current) this.changed(current, current.updated_by || "Somebody");
      else this.deleted(item.key, "Somebody");
      return this.#tell("Nothing was saved yet: somebody else was faster. Look at what is marked, then save again.");
    }
    this.#tell(`Nothing was saved: ${problem.words} What you collected is kept.`);
  }

  /** @param {string} text */
  #tell(text) {
    find("[data-problem]", this.#section).textContent = text;
    if (text) alarm(text);
  }

  // -- what is shown -------------------------------------------------------------------------------------------------------

  #show() {
    this.#keep();
    this.#section.hidden = !this.collecting && this.#items.length === 0;
    find("[data-count-of-basket]", this.#section).textContent = String(this.#items.length);
    find("[data-items]", this.#section).replaceChildren(...(this.#items.length
      ? this.#items.map((item) => this.#row(item))
      : [element("li", { class: "soft" }, "Add, edit or delete records: the changes are collected here.")]));
    find("[data-warnings]", this.#section).replaceChildren(...warned(this.#warnings));
    this.mark();
  }

  /** @param {Item} item @returns {HTMLElement} */
  #row(item) {
    const { base, change, theirs, gone, who } = item;
    const after = change.op === "delete" ? null : { ...(base ?? { comment: "" }), ...fieldsOf(change) };
    const label = `${(after ?? base)?.name} ${(after ?? base)?.type}`;
    return element("li", theirs || gone ? { class: "collides" } : {},
      difference([{ before: base, after: /** @type {any} */ (after) }]),
      theirs && this.#choice(item, `${who} changed it meanwhile to: ${theirs.ttl} ${theirs.content}${theirs.comment ? ` (${theirs.comment})` : ""}`, () => {
        Object.assign(item, { base: theirs, theirs: null, change: { ...change, version: theirs.version } });
      }),
      gone && this.#choice(item, `${who} deleted it meanwhile.`, () => {
        if (change.op === "delete") this.#items = this.#items.filter((other) => other !== item);
        else Object.assign(item, { base: null, gone: false, key: Math.min(0, ...this.#items.map(({ key }) => key)) - 1,
          change: { op: "create", ...Object.fromEntries(FIELDS.map((field) => [field, /** @type {any} */ (after)[field]])) } });
      }),
      element("p", { class: "row end" },
        change.op !== "delete" && element("button", { type: "button", class: "quiet", onclick: () => this.#edit(item) }, "Edit", element("span", { class: "visually-hidden" }, ` ${label}`)),
        element("button", { type: "button", class: "quiet", onclick: () => this.#drop(item) }, "Drop", element("span", { class: "visually-hidden" }, ` the change of ${label}`))));
  }

  /** Both versions, and what to do. @param {Item} item @param {string} text @param {() => void} mine */
  #choice(item, text, mine) {
    const keep = () => {
      mine();
      this.#tell("");
      this.#show();
    };
    return element("div", { class: "note bad" }, element("p", {}, text),
      element("p", { class: "row" }, element("button", { type: "button", onclick: keep }, "Keep mine"),
        element("button", { type: "button", onclick: () => this.#drop(item) }, "Take theirs")));
  }
}

/** @param {any} change @returns {any} */
const fieldsOf = (change) => Object.fromEntries(FIELDS.filter((field) => field in change).map((field) => [field, change[field]]));
