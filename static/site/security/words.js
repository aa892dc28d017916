/** How a rule stands, in the words that the server uses too (`security/rule_state.html`). */

/**
 * @param {any} rule as events and the API tell it
 * @returns {[string, string]} the state that gives the shape, and the words
 */
export function ruleStanding(rule) {
  const expired = rule.expires_at && Date.parse(rule.expires_at) <= Date.now();
  if (rule.sync_state === "failed") return ["failed", `Not in force: ${rule.sync_error}`];
  if (rule.sync_state === "pushing") return ["pending", "Accepted, not in force yet"];
  if (rule.sync_state !== "served") return ["pending", "About to be pushed"];
  if (expired) return ["none", "Run out"];
  if (!rule.enabled) return ["none", "Switched off"];
  return rule.trial ? ["paused", "On trial: only logged"] : ["served", "In force"];
}

/** @param {any} policy @returns {[string, string]} */
export function policyStanding(policy) {
  const { sync_state: state, sync_error: error, mode } = policy;
  if (state === "failed") return ["failed", `Not in force: ${error || "the name server refused it"}`];
  if (state === "pushing") return ["pushing", "Accepted, not in force yet"];
  if (state === "pending") return ["pending", error ? `Waits: ${error}` : "About to be pushed"];
  if (mode === "off") return ["none", "Off"];
  return mode === "trial" ? ["paused", "On trial: only logged"] : ["served", "In force"];
}

const moment = new Intl.DateTimeFormat(undefined, { dateStyle: "short", timeStyle: "short" });

/** "in 1 h 58 min", or the moment itself when that is far. @param {string} until ISO 8601 */
export function untilWords(until) {
  const minutes = Math.ceil((Date.parse(until) - Date.now()) / 60_000);
  if (minutes <= 0) return `ran out ${moment.format(Date.parse(until))}`;
  if (minutes < 60) return `in ${minutes} min`;
  if (minutes < 24 * 60) return `in ${Math.floor(minutes / 60)} h ${minutes % 60} min`;
  return moment.format(Date.parse(until));
}
