import { copyOf, find, left, me, seek } from "../dom.js";
import { Held } from "../held.js";
import { mention } from "../saying.js";
import { counted } from "../words.js";
import { announce, attribute, offer, stand, strikeOut, write } from "./row.js";

/**
 * @typedef {{id: number, name: string, type: string, ttl: number, content: string, comment: string, private: boolean,
 *   version: number, [more: string]: any}} Record
 * @typedef {{who: string, userId: number | null, at: string, changeSet: number | null,
 *   position?: number | null, changes?: {field: string, old: any, new: any}[]}} Origin
 */

/** So long a row that goes is still seen, with who did it. */
const LEAVES_MS = 4_000;
const MOST_SERVED = 1000;

/** The rows of the records: what is shown, and how changes come into it without moving what somebody looks at. */
export class Records {
  /** @type {Map<number, Record>} */
  #records = new Map();
  /** @type {Map<number, import("./editor.js").Editor>} */
  #editors = new Map();
  /** Change sets that are served, and at which serial: the news may come before the answer to our own save. @type {Map<number, number>} */
  #served = new Map();
  /** Records of the list that are not on this page of it, and came since it was read. @type {Set<number>} */
  #elsewhere = new Set();
  /** Those that were deleted since, here or elsewhere: the list no longer counts them. @type {Set<number>} */
  #gone = new Set();
  #section;
  #held;
  #serial = "";

  /** @param {HTMLElement} section */
  constructor(section) {
    this.#section = section;
    this.#held = new Held(section, find("[data-held]", section), () => section.querySelector(".editing") !== null);
    section.addEventListener("swapped", () => this.#read());
    this.#read();
  }

  /** What the server's page says. */
  #read() {
    this.#records = new Map((left("record-data") ?? []).map((/** @type {Record} */ record) => [record.id, record]));
    this.#elsewhere.clear();
    this.#gone.clear();
    for (const record of this.#records.values()) {
      const row = this.row(record.id);
      if (row && record.unserved) row.dataset.changeSet = record.unserved.change_set;
      if (row) offer(row, record);
    }
    for (const editor of this.#editors.values()) this.#show(editor);
  }

  /** @param {number} id */
  get(id) {
    return this.#records.get(id);
  }

  /** @param {number} id @returns {HTMLElement | null} */
  row(id) {
    return seek(`#record-${id}`, this.#section);
  }

  /** The record of the row that the keyboard is on. */
  get current() {
    const row = document.activeElement?.closest("tr.record");
    return row instanceof HTMLElement ? this.get(Number(row.dataset.id)) : undefined;
  }

  // -- editing -----------------------------------------------------------------------------------------------------------

  /** Put an editor in the place of its row. @param {import("./editor.js").Editor} editor */
  edit(editor) {
    const id = editor.id === "new" ? 0 : editor.id;
    const open = this.#editors.get(id);
    if (open) return open.focus();
    this.#editors.set(id, editor);
    this.#show(editor);
    editor.focus();
  }

  /** @param {import("./editor.js").Editor} editor */
  #show(editor) {
    const row = editor.id === "new" ? null : this.row(editor.id);
    const body = seek("table.records > tbody", this.#section);
    if (row) row.after(editor.row);
    else body?.prepend(editor.row);
    if (row) row.hidden = true;
  }

  /** @param {import("./editor.js").Editor} editor */
  closed(editor) {
    const id = editor.id === "new" ? 0 : editor.id;
    this.#editors.delete(id);
    const row = this.row(id);
    const inside = editor.row.contains(document.activeElement);
    if (row) row.hidden = false;
    if (inside) (row ?? seek("[data-add-record]"))?.focus();
    queueMicrotask(() => this.#held.settle());
  }

  get editing() {
    return this.#editors.size > 0;
  }

  // -- changes -------------------------------------------------------------------------------------------------------------

  /** Our own change, as the answer to its save. @param {Record} record @param {Origin} origin */
  saved(record, origin) {
    if (this.row(record.id)) this.#update(record, origin, false);
    else this.#insert(record, origin, false, true);
  }

  /** @param {Record} record @param {Origin} origin */
  updated(record, origin) {
    const known = this.#records.get(record.id);
    if (!known) {
      const was = asItWas(record, origin);
      if (this.#held.waits(`insert ${record.id}`) || (this.#fits(record) && !this.#fits(was))) this.created(record, origin);
      else if (this.#fits(was) && !this.#fits(record)) this.#deletedElsewhere(was, origin); // of the list, that is
      return;
    }
    if (known.version >= record.version) return this.#mark(record.id, origin);
    if (record.comment === null || record.comment === undefined) record.comment = known.comment;
    this.#tell(origin, "record changed", "records changed");
    this.#editors.get(record.id)?.theirs(this.#asShown(record), origin.who);
    const apply = () => {
      this.#update(record, origin, true);
      if (this.#fits(known) && !this.#fits(record)) this.#leaves(record.id);
    };
    if (this.#touched(record.id)) this.#held.offer(`update ${record.id}`, apply);
    else apply();
  }

  /** @param {Record} record @param {Origin} origin */
  created(record, origin) {
    if (this.#records.has(record.id)) return this.#mark(record.id, origin);
    if (this.#elsewhere.has(record.id) || this.#wasRead(origin)) return;
    if (!this.#fits(record)) return this.#held.withdraw(`insert ${record.id}`);
    this.#tell(origin, "record added", "records added");
    this.#held.offer(`insert ${record.id}`, () => this.#insert(record, origin, true, false));
  }

  /** @param {Record} record @param {Origin} origin @param {boolean} [own] */
  deleted(record, origin, own = false) {
    const row = this.row(record.id);
    if (!row) return this.#deletedElsewhere(record, origin);
    this.#held.withdraw(`update ${record.id}`);
    this.#records.delete(record.id);
    this.#gone.add(record.id);
    if (!own) this.#tell(origin, "record deleted", "records deleted");
    this.#editors.get(record.id)?.gone(origin.who);
    attribute(row, origin);
    strikeOut(row);
    const remove = () => this.#remove(row);
    if (own) remove();
    else setTimeout(() => this.#held.offer(`remove ${record.id}`, remove), LEAVES_MS);
  }

  /** One that was changed so that it no longer fits what is looked at; unless it does again. @param {number} id */
  #leaves(id) {
    const remove = () => {
      const [row, record] = [this.row(id), this.#records.get(id)];
      if (!row || !record || this.#fits(record) || this.#editors.has(id)) return;
      this.#records.delete(id);
      this.#gone.add(id);
      this.#remove(row);
    };
    setTimeout(() => this.#held.offer(`remove ${id}`, remove), LEAVES_MS);
  }

  /** @param {HTMLElement} row */
  #remove(row) {
    if (!row.isConnected) return; // the list was read again
    const next = /** @type {HTMLElement | null} */ (row.nextElementSibling ?? row.previousElementSibling);
    if (row.contains(document.activeElement)) next?.focus();
    row.remove();
    this.#count("[data-count], [data-end]", -1);
  }

  /** Of a record that has no row here. @param {Record} record @param {Origin} origin */
  #deletedElsewhere(record, origin) {
    if (this.#held.waits(`insert ${record.id}`)) return this.#held.withdraw(`insert ${record.id}`);
    if (this.#gone.has(record.id) || this.#wasRead(origin)) return;
    if (!this.#elsewhere.delete(record.id) && !this.#fits(record)) return;
    this.#gone.add(record.id);
    this.#count("[data-count]", -1);
  }

  /** Whether the list was read after that, and so has it. @param {Origin} origin */
  #wasRead({ position }) {
    return typeof position === "number" && position <= Number(this.#section.dataset.readAt ?? 0);
  }

  /** The rows are no longer what the server has: offer to read them again. @param {() => void} read */
  outdated(read) {
    this.#held.offer("read again", read);
  }

  // -- served or not -----------------------------------------------------------------------------------------------------

  /** @param {number[]} changeSets @param {number} serial */
  served(changeSets, serial) {
    this.#serial = String(serial);
    for (const id of changeSets) this.#served.set(id, serial);
    for (const id of [...this.#served.keys()].slice(0, -MOST_SERVED)) this.#served.delete(id);
    this.#stand(changeSets, "served", serial);
    for (const [id, record] of this.#records) if (record.type === "SOA") this.#rewrite(id);
  }

  /** @param {number[]} changeSets @param {string} state */
  unserved(changeSets, state) {
    this.#stand(changeSets, state, null);
  }

  /** @param {number[]} changeSets @param {string} state @param {number | null} serial */
  #stand(changeSets, state, serial) {
    for (const id of changeSets)
      for (const row of this.#section.querySelectorAll(`tr[data-change-set="${id}"]`)) stand(/** @type {HTMLElement} */ (row), state, serial);
  }

  // -- rows ----------------------------------------------------------------------------------------------------------------

  /** @param {Record} record @param {Origin} origin @param {boolean} news */
  #update(record, origin, news) {
    const row = this.row(record.id);
    if (!row || (this.#records.get(record.id)?.version ?? 0) > record.version) return;
    const shown = this.#asShown(record);
    this.#records.set(record.id, shown);
    write(row, shown);
    attribute(row, origin);
    this.#mark(record.id, origin);
    if (news) announce(row, "updated", origin.changes);
  }

  /** @param {Record} record @param {Origin} origin @param {boolean} news @param {boolean} own wherever it belongs, show it */
  #insert(record, origin, news, own) {
    const body = seek("table.records > tbody", this.#section);
    if (!body || this.row(record.id)) return;
    const place = this.#place(record);
    this.#gone.delete(record.id); // one that was deleted may come back as itself
    if (place === undefined && !own) {
      this.#elsewhere.add(record.id);
      return this.#count("[data-count]", 1);
    }
    const row = copyOf("record-row");
    const shown = this.#asShown({ ...record, comment: record.comment ?? "" });
    row.id = `record-${record.id}`;
    row.dataset.id = String(record.id);
    this.#records.set(record.id, shown);
    write(row, shown);
    attribute(row, origin);
    body.insertBefore(row, place ?? null);
    this.#mark(record.id, origin);
    this.#count(this.#elsewhere.delete(record.id) ? "[data-end]" : "[data-count], [data-end]", 1);
    if (news) announce(row, "created");
  }

  /** Where a new row belongs: before which row, null for the end, undefined when it is on another page. @param {Record} record */
  #place(record) {
    const { sort, page, pages } = this.#section.dataset;
    const rows = /** @type {HTMLElement[]} */ ([...this.#section.querySelectorAll("tr.record")]);
    if (sort !== "name") return rows[0] ?? null;
    const after = rows.find((row) => {
      const other = this.#records.get(Number(row.dataset.id));
      return other !== undefined && before(record, other);
    });
    if (after) return after === rows[0] && page !== "1" ? undefined : after;
    return page === pages ? null : undefined;
  }

  /** Whether a record is part of what is looked at, as the server decides it (`zones/listing.py`). @param {Record} record */
  #fits(record) {
    const { query = "", queryAsNamesAre = query, type = "", zone = "" } = this.#section.dataset;
    if (type && type !== record.type) return false;
    const whole = queryAsNamesAre.toLowerCase().replace(/\.+$/, "");
    if (whole === zone && record.name === "@") return true;
    if (whole.endsWith(`.${zone}`) && record.name.includes(whole.slice(0, -zone.length - 1))) return true;
    const text = `${record.name}\n${record.content}\n${record.comment ?? ""}`.toLowerCase();
    return [query, queryAsNamesAre].some((sought) => text.includes(sought.toLowerCase()));
  }

  /** @param {number} id */
  #rewrite(id) {
    const record = this.#records.get(id);
    const row = this.row(id);
    if (!record || !row || this.#touched(id)) return;
    this.#records.set(id, this.#asShown(record));
    write(row, this.#asShown(record));
  }

  /** The serial of the SOA is the name server's. @param {Record} record @returns {Record} */
  #asShown(record) {
    if (record.type !== "SOA" || !this.#serial) return record;
    return { ...record, content: record.content.replace(/^(\S+ \S+) \d+/, `$1 ${this.#serial}`) };
  }

  /** @param {number} id @param {Origin} origin */
  #mark(id, { changeSet }) {
    const row = this.row(id);
    if (!row || !changeSet || row.dataset.changeSet === String(changeSet)) return;
    row.dataset.changeSet = String(changeSet);
    const serial = this.#served.get(changeSet);
    stand(row, serial ? "served" : "pending", serial ?? null);
  }

  /** @param {Origin} origin @param {string} one @param {string} many */
  #tell({ userId }, one, many) {
    if (userId !== me.id) mention(one, many);
  }

  /** Whether somebody points at the row, or selects in it. @param {number} id */
  #touched(id) {
    const row = this.row(id);
    const selection = document.getSelection();
    return Boolean(row && (row.matches(":hover") || (selection && !selection.isCollapsed && row.contains(selection.anchorNode))));
  }

  /** "1–12 of 12 records": the last one shown, and how many there are. @param {string} places @param {number} by */
  #count(places, by) {
    for (const place of /** @type {NodeListOf<HTMLElement>} */ (this.#section.querySelectorAll(places))) {
      const [count, thing] = [Number.parseInt(place.textContent ?? "", 10) + by, place.dataset.count];
      place.textContent = thing ? counted(count, thing) : String(count);
    }
  }
}

/** A record before a change of it, as far as one may see it. @param {Record} record @param {Origin} origin @returns {Record} */
const asItWas = (record, { changes = [] }) => ({ ...record, ...Object.fromEntries(changes.map(({ field, old }) => [field, old ?? ""])) });

/** The order of the server: apex first, its SOA and NS before other types; then by name. @param {Record} one @param {Record} other */
function before(one, other) {
  const key = (/** @type {Record} */ { name, type, content }) => [
    name === "@" ? "0" : "1", name, name !== "@" ? "" : type === "SOA" ? "0" : type === "NS" ? "1" : "2", type, content];
  const [a, b] = [key(one), key(other)];
  const at = a.findIndex((part, index) => part !== b[index]);
  return at >= 0 && a[at] < b[at];
}
