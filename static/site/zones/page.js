import { post } from "../api.js";
import { setMoment } from "../clock.js";
import { open } from "../dialogs.js";
import { fill, find, seek, slot, standing } from "../dom.js";
import { submits, values } from "../form.js";
import { Held } from "../held.js";
import { moveAlong, shortcut } from "../keyboard.js";
import { events } from "../live.js";
import { mention } from "../saying.js";
import { swap, swapsItself } from "../swap.js";
import { zoneStanding } from "../words.js";
import "./adopt.js";
import "./bulk.js";
import "./import.js";
import { withProgress } from "./progress.js";

/** The list of zones: states and counts change in their rows; new and deleted zones come by reading the list again. */

const section = find("#zones");
const held = new Held(section, find("[data-held]", section));

/** @param {string} zone @returns {HTMLElement | null} */
const rowOf = (zone) => seek(`tr[data-zone="${CSS.escape(zone)}"]`, section);

/** @param {string} zone @param {{sync_state: string, serial?: number | null, sync_error?: string}} state */
function stand(zone, state) {
  const row = rowOf(zone);
  if (!row) return;
  slot(row, "state").replaceChildren(standing(state.sync_state, zoneStanding(state)));
  if (state.serial) fill(row, { serial: state.serial });
}

/** @param {any} event */
function changed({ data, timestamp, position }) {
  const row = rowOf(data.zone);
  if (!row || position <= Number(section.dataset.readAt ?? 0)) return;
  fill(row, { records: Number(slot(row, "records").textContent) + data.created - data.deleted });
  setMoment(slot(row, "changed"), timestamp);
}

/** @param {any} event */
function listChanged({ data, event_type: type }) {
  if (type === "zone_created") mention("zone added", "zones added");
  else mention("zone deleted", "zones deleted");
  held.offer(`${type} ${data.zone}`, () => swap(section));
}

events.on("zone_synced", (/** @type {any} */ { data }) => stand(data.zone, { sync_state: data.state, serial: data.serial, sync_error: data.error }));
events.on("zone_sync_failed", (/** @type {any} */ { data }) => stand(data.zone, { sync_state: data.state, sync_error: data.error }));
events.on("zone_updated", (/** @type {any} */ { data }) => {
  const row = rowOf(data.zone);
  if (row) fill(row, { comment: data.comment });
});
events.on("change_set_applied", changed);
events.on("change_set_reverted", changed);
events.on("zone_created", listChanged);
events.on("zone_deleted", listChanged);
events.onResync(() => held.offer("read again", () => swap(section)));
events.on("permission_changed", () => held.offer("read again", () => swap(section)));
swapsItself(section);
moveAlong("tr.zone-row");
shortcut("Enter", () => document.activeElement?.closest("tr.zone-row")?.querySelector("a")?.click());

const form = seek("[data-add-zone]");
const kind = /** @type {HTMLSelectElement} */ (form && find("[name=kind]", form));

/** Where the records of a zone come from, or where questions for a forward zone go. @param {Record<string, string>} typed */
function origin({ kind, clone, servers, tsig }) {
  const listed = servers.split(",").map((server) => server.trim()).filter(Boolean);
  if (kind === "clone") return { kind: "primary", clone_of: clone };
  if (kind === "forward") return { forwarders: listed };
  return kind === "secondary" ? { primaries: listed, ...(tsig && { tsig }) } : {};
}

function askFor() {
  find("[data-clone]", form ?? document).hidden = kind.value !== "clone";
  find("[data-servers]", form ?? document).hidden = !["secondary", "forward"].includes(kind.value);
  find("[data-tsig]", form ?? document).hidden = kind.value !== "secondary";
}

kind?.addEventListener("change", askFor);
const cloned = new URLSearchParams(location.search).get("clone");
if (form && cloned) {
  kind.value = "clone";
  /** @type {HTMLInputElement} */ (find("[name=clone]", form)).value = cloned;
  askFor();
  open(/** @type {HTMLDialogElement} */ (find("#add-zone")));
}
if (form)
  submits(form, async () => {
    const typed = values(form);
    const asked = { name: typed.name, kind: typed.kind, comment: typed.comment, ...origin(typed) };
    const progress = find("[data-progress]", form);
    const send = (/** @type {string} */ trace = "") => post("/api/zones/", asked, { trace });
    try {
      const { name } = await (typed.kind === "clone" ? withProgress(progress, "Cloning", send) : send());
      location.assign(`/zones/${name}/`);
    } catch (error) {
      progress.replaceChildren();
      throw error;
    }
  }, "The zone is not added");
