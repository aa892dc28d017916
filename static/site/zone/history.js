import { Problem, post, zoneUrl } from "../api.js";
import { open } from "../dialogs.js";
import { find, slot, standing } from "../dom.js";
import { Held } from "../held.js";
import { moveAlong } from "../keyboard.js";
import { events } from "../live.js";
import { alarm, mention } from "../saying.js";
import { swap, swapsItself } from "../swap.js";
import { toast } from "../toasts.js";
import { offerUndo, onUndone } from "../undo.js";
import { changeStanding, counted } from "../words.js";
import { difference, warned } from "./difference.js";

/** The history of a zone: what others do comes in live; each change can be taken back, the zone brought back to a serial. */

const zone = find("#zone").dataset.zone ?? "";
const section = find("#history");
const held = new Held(section, find("[data-held]", section));
const dialog = /** @type {HTMLDialogElement} */ (find("#going-back"));
const again = () => swap(section);

/** @param {unknown} error */
function words(error) {
  const { message, fields = {}, status } = /** @type {Problem} */ (error);
  return status === 409 ? "what it changed has been changed again since. Look at the newer changes first." : Object.values(fields).join(" ") || message;
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

/** Show what going back would do, and do it when that is wanted. @param {string} serial */
async function restore(serial) {
  const path = zoneUrl(zone, "restore/");
  const [preview, problem, go] = ["[data-preview]", "[data-problem]", "[data-go]"].map((place) => find(place, dialog));
  find("[data-serial]", dialog).textContent = serial;
  preview.textContent = "Looking …";
  problem.textContent = "";
  go.hidden = true;
  open(dialog);
  try {
    const { changes, change_count: count, warnings } = await post(path, { serial: Number(serial), dry_run: true });
    go.hidden = count === 0;
    if (count) preview.replaceChildren(`${counted(count, "record")} would change. Nothing is changed yet.`, difference(changes), ...warned(warnings));
    else preview.textContent = "The zone is like that already.";
    (count ? go : find("[data-closes]", dialog)).focus();
  } catch (error) {
    preview.textContent = "";
    problem.textContent = `That is not possible: ${words(error)}`;
  }
  go.onclick = async () => {
    try {
      const made = await post(path, { serial: Number(serial) });
      dialog.close();
      offerUndo(zone, made, `Back to serial ${serial}`);
      again();
    } catch (error) {
      problem.textContent = `Nothing was changed: ${words(error)}`;
      alarm(problem.textContent);
    }
  };
}

section.addEventListener("click", (event) => {
  const button = /** @type {Element} */ (event.target).closest("button");
  const item = button?.closest(".change-set");
  if (!(item instanceof HTMLElement)) return;
  if (button?.dataset.revert !== undefined) revert(item);
  else if (button?.dataset.restore) restore(button.dataset.restore);
});
find("[data-closes]", dialog).addEventListener("click", () => dialog.close());

/** @param {number[]} changeSets @param {string} state @param {number | null} serial */
function stand(changeSets, state, serial) {
  for (const id of changeSets) {
    const item = document.getElementById(`change-${id}`);
    if (item) slot(item, "state").replaceChildren(standing(state, changeStanding(state, serial)));
  }
}

/** @param {string} name @param {(event: any) => void} handle */
const onZone = (name, handle) => events.on(name, (/** @type {any} */ event) => event.data.zone === zone && handle(event));

for (const name of ["change_set_applied", "change_set_reverted"])
  onZone(name, ({ data }) => {
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

