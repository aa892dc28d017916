import { setMoment } from "../clock.js";
import { copyOf, element, fill, left, slot, standing } from "../dom.js";
import { changeStanding, counted } from "../words.js";

/** Lines of activity, as the server makes them (`dnsadmin/activity.py`, `activity/line.html`). */

/** @type {Record<string, string>} */
const verbs = left("verbs") ?? {};

/** @param {any} event @returns {string} */
function what({ event_type: type, data, source_user: user }) {
  if (data.record) return `${data.record.name} ${data.record.type}`;
  if (type === "rpz_update") return `${data.policy?.name ?? "any policy"}: ${data.what.replaceAll("_", " ")}`;
  if (type.startsWith("rpz_rule_")) return `${data.rule.trigger ?? "for a client"}: ${data.rule.action}`;
  if (type.startsWith("threat_feed_")) return data.feed.name;
  if (data.title) return data.title;
  if (data.forwarder && "target" in data) return data.forwarder.domain + (data.target ? ` by ${data.target.address}#${data.target.port}` : "");
  if (data.service || data.what) return data.service || data.what;
  return data.operation?.kind ?? (data.username === user?.username ? "" : (data.username ?? ""));
}

/** @param {any} event @returns {{field: string, old: any, new: any}[]} */
function values({ event_type: type, data }) {
  if (type === "record_created") return [{ field: "", old: null, new: data.record.content }];
  if (type === "record_deleted") return [{ field: "", old: data.record.content, new: null }];
  return data.changes ?? [];
}

/** @param {any} event @returns {string} */
function note({ event_type: type, data }) {
  if (["zone_imported", "change_set_applied", "change_set_reverted"].includes(type))
    return (!(data.created || data.updated || data.deleted) && data.comment) || `${data.created} added, ${data.updated} changed, ${data.deleted} deleted`;
  if (type === "zone_synced") return `serial ${data.serial}`;
  if (type === "zone_sync_failed") return data.error;
  if (type === "zone_drift_detected") return counted(data.count, "difference");
  if (type === "alert_acknowledged" || type === "alert_resolved") return data.comment;
  if (type === "health_update" || type === "forwarder_status_change") return `${data.old} → ${data.new}: ${data.reason}`;
  if (type === "system_status") return `${data.old} → ${data.new}`;
  if (type === "bind_reload") return data.changed ? `${counted(data.changed, "statement")} changed` : "nothing changed";
  if (type === "service_stopped") return data.reason;
  if (type === "threat_feed_failed") return data.feed.error;
  if (type === "threat_feed_update") return data.what || `${counted(data.added, "name")} more, ${data.removed} fewer`;
  return type === "permission_changed" ? data.reason : "";
}

/** @param {{field: string, old: any, new: any}} value */
function valueChange(value) {
  const [old, now] = [value.old, value.new].map((side) => (side === null || side === undefined || side === "" ? null : String(side)));
  return element("span", { class: "value-change" },
    value.field && element("span", { class: "soft" }, value.field), value.field && " ",
    old !== null && element("del", {}, old),
    old !== null && now !== null && element("span", { "aria-hidden": "true" }, " → "),
    old !== null && now !== null && element("span", { class: "visually-hidden" }, "is now "),
    now !== null && element("ins", {}, now));
}

/** A line for an event. @param {any} event @returns {HTMLElement} */
export function line(event) {
  const { data } = event;
  const row = copyOf("activity-line");
  Object.assign(row.dataset, { event: event.id, changeSet: data.change_set ?? "", severity: event.severity });
  fill(row, { who: event.source_user?.username, verb: verbs[event.event_type] ?? event.event_type.replaceAll("_", " "), what: what(event), note: note(event), zone: data.zone });
  const link = /** @type {HTMLAnchorElement} */ (slot(row, "zone"));
  link.hidden = !data.zone;
  if (data.zone) link.href = `/zones/${data.zone}/`;
  setMoment(slot(row, "at"), event.timestamp);
  slot(row, "values").replaceChildren(...values(event).map(valueChange));
  if (data.change_set) stand(row, "pending");
  return row;
}

/** @param {HTMLElement} row @param {string} state @param {number | null} [serial] */
export function stand(row, state, serial) {
  slot(row, "state").replaceChildren(standing(state, changeStanding(state, serial)));
}
