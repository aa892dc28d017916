import { element, find, me } from "../dom.js";
import { service } from "../live.js";
import { onZone, zone } from "./here.js";

/** Who else has this zone open, and who edits which record. Renewed every 20 s; gone when it is not. */

const RENEW_MS = 20_000;
/** @type {Map<number, {username: string, record: number, until: number}>} */
const editing = new Map();
/** @type {{id: number, username: string}[]} */
let viewers = [];

/** @param {(record: number, who: string[]) => void} showEditing */
export function presence(showEditing) {
  const people = find("#people");
  let mine = 0;

  const show = () => {
    people.replaceChildren(...viewers.filter(({ id }) => id !== me.id).map(({ id, username }) =>
      element("li", {}, element("span", { class: editing.has(id) ? "person editing" : "person", role: "img",
        "aria-label": editing.has(id) ? `${username}, editing a record` : username, title: editing.has(id) ? `${username} edits a record` : `${username} has this zone open` },
        username.slice(0, 2).toUpperCase()))));
  };
  const showRow = (/** @type {number} */ record) =>
    showEditing(record, [...editing.values()].filter((entry) => entry.record === record).map(({ username }) => username));
  const edited = (/** @type {{id: number, username: string}} */ { id, username }, /** @type {number} */ record) => {
    const left = editing.get(id)?.record;
    editing.set(id, { username, record, until: Date.now() + 3 * RENEW_MS });
    if (left && left !== record) showRow(left);
    showRow(record);
  };
  const announce = async () => {
    const data = mine ? { zone, record: mine, state: "editing" } : { zone, state: "viewing" };
    try {
      const { others } = await service.command("announce", data);
      viewers = [...new Map(others.map(({ user }) => [user.id, user])).values()]; // a person may be here twice
      for (const { user, record } of others) if (record) edited(user, record);
      show();
    } catch {
      // Who else is here is nice to know, not more; the next renewal asks again.
    }
  };

  onZone("zone_viewers", ({ data }) => {
    viewers = data.users;
    show();
  });
  onZone("record_editing", ({ data }) => {
    if (data.user.id === me.id) return;
    if (data.state === "editing") edited(data.user, data.record);
    else if (editing.delete(data.user.id)) showRow(data.record);
    show();
  });
  setInterval(() => {
    for (const [id, { record, until }] of editing) if (until < Date.now()) editing.delete(id) && showRow(record);
    if (service.state.name === "live" && document.visibilityState === "visible") announce();
  }, RENEW_MS);
  let was = "";
  service.onState(({ name }) => {
    if (name === "live" && was !== "live") announce();
    was = name;
  });

  return {
    /** We edit this record, 0 for none. @param {number} record */
    edits(record) {
      const left = mine;
      mine = record;
      if (left && !record) service.command("announce", { zone, record: left, state: "left" }).catch(() => {});
      announce();
    },
  };
}
