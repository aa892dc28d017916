import { Problem, post, zoneUrl } from "../api.js";
import { open } from "../dialogs.js";
import { element, find, slot, standing } from "../dom.js";
import { Held } from "../held.js";
import { moveAlong } from "../keyboard.js";
import { events } from "../live.js";
import { alarm, mention } from "../saying.js";
import { swap, swapsItself } from "../swap.js";
import { toast } from "../toasts.js";
import { offerUndo, onUndone } from "../undo.js";
import { changeStanding, counted } from "../words.js";
import { Basis } from "../zones/basis.js";
import { difference, warned } from "./difference.js";
import { onZone, zone } from "./here.js";

/** The history of a zone: what others do comes in live; each change can be taken back, the zone brought back to a serial. */

const section = find("#history");
const held = new Held(section, find("[data-held]", section));
const dialog = /** @type {HTMLDialogElement} */ (find("#going-back"));
const again = () => swap(section);

/** @param {unknown} error */
function words(error) {
  const { message, words: all = message, status } = /** @type {Problem} */ (error);
  return status === 409 ? "what it changed has been changed again since. Look at the newer changes first." : all;
}

/** @param {HTMLElement} item */
async function revert(item) {
  const id = Number(item.dataset.changeSet);
  try {
    const made = await post(zoneUrl(zone, `changes/${id}/revert/`), {});
    if (made.id) offerUndo(zone, made, `Took change ${id} back`);
    else toast("There is nothing to take back: the zone is like that already.");
    again();
  } catch (error) {
    toast(`Not taken back: ${words(error)}`, { bad: true });
  }
}

// -- back to a serial: what that would do is shown first

const path = zoneUrl(zone, "restore/");
const [preview, problem, go] = ["[data-preview]", "[data-problem]", "[data-go]"].map((place) => find(place, dialog));
const basis = new Basis(preview, look);
let serial = 0;

/** @param {number} wanted */
async function offerToGoBack(wanted) {
  serial = wanted;
  find("[data-serial]", dialog).textContent = String(serial);
  preview.textContent = "Looking …";
  problem.textContent = "";
  go.hidden = true;
  open(dialog);
  try {
    await look();
  } catch (error) {
    preview.textContent = "";
    problem.textContent = `That is not possible: ${words(error)}`;
  }
}

async function look() {
  const wanted = serial;
  const { changes, change_count: count, warnings, based_on: basedOn } = await post(path, { serial, dry_run: true });
  if (wanted !== serial) return; // another one is looked at by now
  go.hidden = count === 0;
  if (count) preview.replaceChildren(element("p", {}, `${counted(count, "record")} would change. Nothing is changed yet.`), difference(changes), ...warned(warnings));
  else preview.textContent = "The zone is like that already.";
  basis.set({ [zone]: basedOn });
  (count ? go : find("[data-closes]", dialog)).focus();
}

/** @param {Record<string, number>} basedOn */
async function goBack(basedOn) {
  const made = await post(path, { serial, based_on: basedOn[zone] });
  dialog.close();
  offerUndo(zone, made, `Back to serial ${serial}`);
  again();
}

go.addEventListener("click", async () => {
  problem.textContent = "";
  try {
    await basis.carryOut(goBack);
  } catch (error) {
    problem.textContent = `Nothing was changed: ${words(error)}`;
    alarm(problem.textContent);
  }
});
dialog.addEventListener("close", () => basis.set({}));

section.addEventListener("click", (event) => {
  const button = /** @type {Element} */ (event.target).closest("button");
  const item = button?.closest(".change-set");
  if (!(item instanceof HTMLElement)) return;
  if (button?.dataset.revert !== undefined) revert(item);
  else if (button?.dataset.restore) offerToGoBack(Number(button.dataset.restore));
});
find("[data-closes]", dialog).addEventListener("click", () => dialog.close());

/** @param {number[]} changeSets @param {string} state @param {number | null} serial */
function stand(changeSets, state, serial) {
  for (const id of changeSets) {
    const item = document.getElementById(`change-${id}`);
    if (item) slot(item, "state").replaceChildren(standing(state, changeStanding(state, serial)));
  }
}

onZone(["change_set_applied", "change_set_reverted"], ({ data }) => {
  if (document.getElementById(`change-${data.change_set}`)) return;
  mention("change", "changes");
  held.offer("read again", again);
});
onZone("zone_synced", ({ data }) => stand(data.change_sets, "served", data.serial));
onZone("zone_sync_failed", ({ data }) => stand(data.change_sets, data.state, null));
events.onResync(() => held.offer("read again", again));
onUndone((where) => where === zone && again());
swapsItself(section);
moveAlong(".change-set");

