import { post, zoneUrl } from "./api.js";
import { shortcut } from "./keyboard.js";
import { toast } from "./toasts.js";

/** One's own changes, newest last, as long as this page lives; `u` takes the newest back. */

/** @type {{zone: string, id: number, label: string}[]} */
const done = [];
/** @type {((zone: string, changeSet: any) => void)[]} */
const listeners = [];

/** Hear of the change sets that took ours back. @param {(zone: string, changeSet: any) => void} listener */
export const onUndone = (listener) => listeners.push(listener);

/**
 * Tell that a change was saved, and offer to take it back.
 * @param {string} zone
 * @param {{id: number}} changeSet
 * @param {string} label what was done: "Deleted www A"
 */
export function offerUndo(zone, changeSet, label) {
  const entry = { zone, id: changeSet.id, label };
  done.push(entry);
  toast(`${label}.`, { action: { label: "Undo", run: () => undo(entry) } });
}

/** @param {{zone: string, id: number, label: string} | undefined} entry */
async function undo(entry) {
  if (!entry || !done.includes(entry)) return;
  done.splice(done.indexOf(entry), 1);
  try {
    const changeSet = await post(zoneUrl(entry.zone, `changes/${entry.id}/revert/`), {});
    for (const listener of listeners) listener(entry.zone, changeSet);
    toast(`Taken back: ${entry.label}.`);
  } catch (error) {
    const stale = /** @type {any} */ (error).status === 409;
    const why = stale ? "somebody has changed the same record since. Look at it, and change it by hand." : /** @type {Error} */ (error).message;
    if (!stale) done.push(entry);
    toast(`Not taken back: ${why}`, { bad: true });
  }
}

shortcut("u", () => (done.length ? undo(done.at(-1)) : toast("There is nothing of yours to undo on this page.")));
