import { Problem, change } from "../api.js";
import { element, find, left, me, seek, slot, standing } from "../dom.js";
import { moveAlong, shortcut } from "../keyboard.js";
import { events, service } from "../live.js";
import { alarm, say } from "../saying.js";
import { swap, swapsItself } from "../swap.js";
import { toast } from "../toasts.js";
import { offerUndo, onUndone } from "../undo.js";
import { counted, zoneStanding } from "../words.js";
import { Basket } from "./basket.js";
import { Counts } from "./counts.js";
import { kept } from "./drafts.js";
import { Editor } from "./editor.js";
import { head, onZone, zone } from "./here.js";
import { Picking } from "./picking.js";
import { presence } from "./presence.js";
import { Records } from "./records.js";
import { BEYOND, permits, permitsSome } from "./rights.js";
import "./settings.js";
import "../zones/bulk.js";
import "../zones/import.js";

/** The page of one zone. */

const PENDING_AFTER_MS = 300;
const mayEdit = head.dataset.mayEdit === "true";
const section = find("#records");
const records = new Records(section);
const counts = new Counts(section);

// -- how the zone stands ---------------------------------------------------------------------------------------------

/** @type {ReturnType<typeof setTimeout> | undefined} */
let pending;

/** @param {{sync_state: string, serial?: number | null, sync_error?: string}} state */
function stand(state) {
  clearTimeout(pending);
  slot(head, "state").replaceChildren(standing(state.sync_state, zoneStanding(state)));
}

/** A change was saved. Most are served at once; only what takes longer is said to be pending. */
function waits() {
  const failed = seek('[data-state="failed"]', slot(head, "state"));
  clearTimeout(pending);
  if (!failed) pending = setTimeout(() => stand({ sync_state: "pending" }), PENDING_AFTER_MS);
}

/** @param {string} key @param {string} text @param {{label: string, run: () => void} | null} [action] @param {string} [kind] */
function note(key, text, action = null, kind = "wait") {
  seek(`[data-note="${key}"]`, find("#notes"))?.remove();
  if (!text) return;
  find("#notes").append(element("p", { class: `note ${kind}`, "data-note": key }, text,
    action && element("button", { type: "button", onclick: action.run }, action.label)));
  if (kind === "bad") alarm(text);
  else say(text);
}

// -- writing -----------------------------------------------------------------------------------------------------------

/** @param {any} changeSet @returns {import("./records.js").Origin} */
const ours = (changeSet) => ({ who: me.username, userId: me.id, at: new Date().toISOString(), changeSet: changeSet.id });

/** @type {import("./editor.js").Place} */
const place = {
  zone,
  types: left("record-types") ?? [],
  saved(record, changeSet, own) {
    records.saved(record, ours(changeSet));
    if (own) records.row(record.id)?.focus();
    if (changeSet.sync_state !== "served") waits();
  },
  closed(editor) {
    records.closed(editor);
    people.edits(0);
  },
  reopen: (id, draft) => edit(id, draft),
  basket: null,
};

/** What a change set did to the rows. @param {any} changeSet */
function applied(changeSet) {
  for (const { before, after } of changeSet.changes) {
    if (after) records.saved(after, ours(changeSet));
    else records.deleted(before, ours(changeSet), true);
  }
  waits();
}

const basket = mayEdit
  ? new Basket(zone, {
      marked(ids) {
        for (const row of section.querySelectorAll("tr[data-collected]")) if (!ids.has(Number(/** @type {HTMLElement} */ (row).dataset.id))) row.removeAttribute("data-collected");
        for (const id of ids) records.row(id)?.setAttribute("data-collected", "");
      },
      saved: applied,
      edit({ key, change: collected, base }) {
        if (key > 0) return edit(key);
        records.edit(new Editor(place, base, { ...collected, ttl: String(collected.ttl ?? "") }, key));
      },
    })
  : null;
place.basket = basket;

/** @param {number | "new"} id @param {import("./drafts.js").Draft | null} [draft] */
function edit(id, draft = null) {
  if (!mayEdit) return toast("You may look at this zone, not change it.");
  const base = draft?.base ?? (id === "new" ? null : (records.get(id) ?? null));
  if (!draft && (base ? !permits("update", base) : !permitsSome("create"))) return toast(BEYOND);
  if (id !== "new" && !base) return;
  const collected = id === "new" ? undefined : basket?.of(id);
  const typed = collected?.base && { ...collected.base, ...collected.change, ttl: String(collected.change.ttl ?? collected.base.ttl) };
  const editor = new Editor(place, collected?.base ?? base, draft?.typed ?? typed ?? null);
  records.edit(editor);
  const now = id === "new" ? undefined : records.get(id);
  if (draft && base && id !== "new" && !now) note(`draft ${id}`, "A record that you were editing is not on this page of the list, or was deleted; your text is in the first row.");
  if (draft && base && now && now.version !== base.version) editor.theirs(now, now.updated_by || "Somebody");
  if (id !== "new") people.edits(id);
}

/** @param {number} id */
async function remove(id) {
  const record = records.get(id);
  if (!record) return;
  const label = `${record.name} ${record.type}`;
  const deletion = { op: "delete", id, version: record.version };
  try {
    if (basket?.collecting) return await basket.add(deletion, record);
    const changeSet = await change(zone, [deletion]);
    records.deleted(record, ours(changeSet), true);
    waits();
    offerUndo(zone, changeSet, `Deleted ${label}`);
  } catch (error) {
    const problem = /** @type {Problem} */ (error);
    const why = problem.status === 409 ? "somebody has just changed it. Look at it again before you delete it." : problem.words;
    toast(`${label} is not deleted: ${why}`, { bad: true });
  }
}

onUndone((where, changeSet) => where === zone && applied(changeSet));

/** What was asked for all selected records, as one change set. @param {(record: any) => any} ask @param {string} done */
async function changePicked(ask, done) {
  const picked = picking?.ids.map((id) => records.get(id)).filter((record) => record !== undefined) ?? [];
  try {
    if (basket?.collecting) {
      for (const record of picked) await basket.add(ask(record), record);
      return picking?.none();
    }
    const changeSet = await change(zone, picked.map(ask));
    applied(changeSet);
    picking?.none();
    if (changeSet.changes.length) offerUndo(zone, changeSet, `${done} ${counted(changeSet.changes.length, "record")}`);
  } catch (error) {
    const problem = /** @type {Problem} */ (error);
    const why = problem.status === 409 ? "somebody has just changed one of them. Look at them again." : problem.words;
    toast(`Nothing was changed: ${why} Your selection is kept.`, { bad: true });
  }
}

const picking = mayEdit ? new Picking(section) : null;
if (picking) {
  find("[data-delete-picked]", section).addEventListener("click", () =>
    changePicked(({ id, version }) => ({ op: "delete", id, version }), "Deleted"));
  find("[data-set-ttl]", section).addEventListener("submit", (event) => {
    event.preventDefault();
    const typed = /** @type {HTMLInputElement} */ (find("#picked-ttl", section)).value.trim();
    const ttl = /^\d+$/.test(typed) ? Number(typed) : typed; // what is no number is refused, in words
    changePicked(({ id, version }) => ({ op: "update", id, version, ttl }), "Set the TTL of");
  });
}

/** @param {HTMLElement} row */
async function copy(row) {
  const record = records.get(Number(row.dataset.id));
  try {
    await navigator.clipboard.writeText(record?.content ?? "");
    toast("Copied.", { seconds: 3 });
  } catch {
    toast("The browser does not allow copying here. Select the text instead.", { bad: true });
  }
}

section.addEventListener("click", (event) => {
  const button = /** @type {Element} */ (event.target).closest("button");
  const row = button?.closest("tr.record");
  if (!button || !(row instanceof HTMLElement)) return;
  if (button.dataset.edit !== undefined) edit(Number(row.dataset.id));
  else if (button.dataset.delete !== undefined) remove(Number(row.dataset.id));
  else if (button.dataset.copy !== undefined) copy(row);
});
section.addEventListener("dblclick", (event) => {
  const row = /** @type {Element} */ (event.target).closest(".value")?.closest("tr");
  row?.toggleAttribute("data-whole");
});
const add = /** @type {HTMLButtonElement | null} */ (seek("[data-add-record]"));
add?.addEventListener("click", () => edit("new"));
if (add && !permitsSome("create")) Object.assign(add, { disabled: true, title: BEYOND });
shortcut("n", () => edit("new"));
shortcut("e", () => (records.current ? edit(records.current.id) : toast("Choose a row with j and k first.", { seconds: 4 })));
moveAlong("tr.record:not([hidden])");
swapsItself(section);
section.addEventListener("swapped", (event) => {
  basket?.mark();
  const fresh = /** @type {CustomEvent<Document>} */ (event).detail;
  slot(head, "state").replaceChildren(...slot(find("#zone", fresh), "state").childNodes);
});

// -- others ------------------------------------------------------------------------------------------------------------

const people = presence((id, who) => {
  const row = records.row(id);
  if (!row) return;
  seek(".being-edited", row)?.remove();
  if (who.length) find(".changed", row).prepend(element("span", { class: "being-edited" }, `${who.join(", ")} editing `));
});

/** @param {any} event @returns {import("./records.js").Origin} */
const origin = ({ source_user: user, timestamp, position, data }) => ({
  who: user?.username ?? "the system", userId: user?.id ?? null, at: timestamp, position, changeSet: data.change_set, changes: data.changes });

/** The page as a whole, but not while somebody types. @param {string} why */
function loadAnew(why) {
  if (records.editing) note("rights", why, { label: "Load the page again", run: () => location.reload() });
  else location.reload();
}

onZone("record_created", (event) => {
  records.created(event.data.record, origin(event));
  counts.add(event.data.record.type, 1, event.position);
});
onZone("record_updated", (event) => {
  records.updated(event.data.record, origin(event));
  for (const { field, old, new: now } of event.data.changes ?? []) {
    if (field !== "type") continue;
    counts.add(old, -1, event.position);
    counts.add(now, 1, event.position);
  }
  if (event.source_user?.id !== me.id) basket?.changed(event.data.record, origin(event).who);
});
onZone("record_deleted", (event) => {
  records.deleted(event.data.record, origin(event));
  counts.add(event.data.record.type, -1, event.position);
  if (event.source_user?.id !== me.id) basket?.deleted(event.data.record.id, origin(event).who);
});
onZone(["change_set_applied", "change_set_reverted"], ({ data, source_user: user }) => {
  if (data.to_push) waits();
  if (data.announced) return;
  // Too many to be told one by one. What one has just done oneself does not wait for the pointer to leave.
  if (user?.id === me.id && !records.editing) swap(section);
  else records.outdated(() => swap(section));
});
onZone("zone_synced", ({ data }) => {
  stand({ sync_state: data.state, serial: data.serial, sync_error: data.error });
  records.served(data.change_sets, data.serial);
});
onZone("zone_sync_failed", ({ data }) => {
  stand({ sync_state: data.state, sync_error: data.error });
  records.unserved(data.change_sets, data.state);
  if (data.state === "failed") alarm(`Not served: ${data.error}`);
});
onZone("zone_drift_detected", ({ data }) =>
  stand({ sync_state: "failed", sync_error: `somebody changed it at the name server, in ${counted(data.count, "RRset")}` }));
onZone("zone_imported", (event) => {
  if (event.source_user?.id !== me.id) note("imported", `${event.source_user?.username ?? "The system"} imported a zone file.`);
});
onZone("zone_updated", ({ data }) => {
  slot(head, "comment").textContent = data.comment;
  head.dataset.version = data.version;
  if (data.changes?.some((/** @type {any} */ { field }) => field === "watched")) // what may be changed here, and by whom, is another thing now
    loadAnew("It is changed in another place from now on. What you typed is kept.");
});
onZone("zone_deleted", (event) => {
  note("deleted", `${event.source_user?.username ?? "The system"} deleted this zone. What you see is what it was.`,
    { label: "Go to the zones", run: () => location.assign("/zones/") }, "bad");
});
events.on("permission_changed", (/** @type {any} */ event) => {
  if (event.data.user !== me.id) return;
  loadAnew("Your rights have changed. What you typed is kept.");
});
events.onResync(() => records.outdated(() => swap(section)));
service.on?.("notice", (/** @type {any} */ notice) => notice.code === "permissions_changed" && !records.editing && swap(section));

// -- what was typed before the page was loaded anew --------------------------------------------------------------------

for (const [id, draft] of kept(zone)) if (draft && mayEdit) edit(id, draft);
if (kept(zone).length && mayEdit) toast("What you had typed before is here again.");
