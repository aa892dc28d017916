import { post, request } from "../api.js";
import { find, left, seek, slot, standing } from "../dom.js";
import { Held } from "../held.js";
import { moveAlong, shortcut } from "../keyboard.js";
import { events } from "../live.js";
import { mention } from "../saying.js";
import { swap, swapsItself } from "../swap.js";
import { toast } from "../toasts.js";
import "./check.js";
import "./hits.js";
import { listensForFeeds } from "./policies.js";
import { openRule, ruleBecame } from "./rule_form.js";
import { watchesHits } from "./watches.js";
import { policyStanding, ruleStanding, untilWords } from "./words.js";

/** The rules: states and hits change in their rows; new, changed and deleted ones come by reading the list again. */

const rules = find("#rules");
const policies = find("#policies");
const watches = find("#watches");
const held = new Held(rules, find("[data-held]", rules));

/** @type {Map<number, any>} */
let known = new Map();

function read() {
  known = new Map((left("rule-data") ?? []).map((/** @type {any} */ rule) => [rule.id, rule]));
  for (const place of rules.querySelectorAll(/** @type {"time"} */ ("time[data-until]"))) place.textContent = untilWords(place.dateTime);
}

/** All lists anew. */
const again = () => swap(rules, undefined, [policies, watches]);

/** @param {number} id */
const rowOf = (id) => seek(`#rule-${id}`, rules);

/** @param {any} rule */
function stand(rule) {
  const row = rowOf(rule.id);
  if (row) slot(row, "state").replaceChildren(standing(...ruleStanding(rule)));
}

/** @param {any} event */
function ruleChanged({ data, event_type: type, source_user: user }) {
  const verb = { rpz_rule_created: "added", rpz_rule_deleted: "deleted" }[/** @type {string} */ (type)] ?? "changed";
  mention(`rule ${verb}`, `rules ${verb}`);
  ruleBecame(data.rule.id, verb === "deleted" ? null : data.rule, user?.username ?? "The system");
  held.offer(`rule ${data.rule.id}`, again);
}

/** @param {any} event */
function policyChanged({ data }) {
  const { policy, what, rules: ids, rule, watch } = data;
  if (watch) return again();
  if (["created", "changed", "deleted", "imported", "drifted"].includes(what)) return held.offer(`policy ${policy.id}`, again);
  const row = seek(`[data-policy="${policy.id}"]`, policies);
  if (row) slot(row, "state").replaceChildren(standing(...policyStanding(policy)));
  if (what === "failed" && !ids.length) return undefined;
  if (rule) return stand(rule);
  const state = { in_force: "served", accepted: "pushing" }[/** @type {string} */ (what)];
  for (const id of ids) {
    const one = known.get(id);
    if (one && state) stand({ ...one, sync_state: state });
  }
  return undefined;
}

setInterval(read, 30_000);

for (const type of ["rpz_rule_created", "rpz_rule_updated", "rpz_rule_deleted"]) events.on(type, ruleChanged);
events.on("rpz_update", policyChanged);
events.onResync(() => held.offer("read again", again));
events.on("permission_changed", () => held.offer("read again", again));
listensForFeeds(held, again);
watchesHits(again);
rules.addEventListener("swapped", read);
read();
swapsItself(rules);
moveAlong("tr.rule-row");

/** @param {any} rule @param {Record<string, unknown>} change @param {string} said */
async function change(rule, change, said) {
  try {
    await request("PATCH", `/api/rpz/rules/${rule.id}/`, { ...change, version: rule.version });
    toast(said);
    await again();
  } catch (error) {
    toast(`${rule.trigger} is not changed: ${/** @type {Error} */ (error).message}`, { bad: true });
    await again();
  }
}

/** @param {any} rule */
async function retry(rule) {
  try {
    await post(`/api/rpz/rules/${rule.id}/retry/`, {});
  } catch (error) {
    toast(`${rule.trigger} is not tried again: ${/** @type {Error} */ (error).message}`, { bad: true });
  }
  return again();
}

/** Delete, and offer to make it again as it was. @param {any} rule */
async function remove(rule) {
  try {
    await request("DELETE", `/api/rpz/rules/${rule.id}/?version=${rule.version}`);
  } catch (error) {
    toast(`${rule.trigger} is not deleted: ${/** @type {Error} */ (error).message}`, { bad: true });
    return again();
  }
  const { policy, trigger_type, trigger, action, target, category, comment, enabled, trial, expires_at, expired } = rule;
  const fields = { policy, trigger_type, trigger, action, target, category, comment, enabled: enabled && !expired, trial, confirm: true };
  const run = () =>
    post("/api/rpz/rules/", { ...fields, expires_at: expired ? null : expires_at }).then(
      () => (toast(`${trigger} is back.`), again()),
      (error) => toast(`${trigger} did not come back: ${error.message}`, { bad: true }),
    );
  toast(`Deleted the rule for ${trigger}.`, { action: { label: "Undo", run } });
  return again();
}

rules.addEventListener("click", (event) => {
  const button = /** @type {Element} */ (event.target).closest("button");
  const row = /** @type {HTMLElement | null} */ (button?.closest("tr.rule-row"));
  const rule = row && known.get(Number(row.dataset.rule));
  if (!button || !rule) return;
  if (button.hasAttribute("data-edit")) openRule(rule, again);
  else if (button.hasAttribute("data-delete")) remove(rule);
  else if (button.hasAttribute("data-retry")) retry(rule);
  else if (button.hasAttribute("data-toggle")) {
    const on = rule.enabled && !rule.expired;
    change(rule, { enabled: !on, ...(rule.expired ? { expires_at: null } : {}) }, `${rule.trigger} is switched ${on ? "off" : "on"}.`);
  }
});

document.addEventListener("click", (event) => {
  const button = /** @type {Element} */ (event.target).closest('[data-opens="rule-form"]');
  if (button) openRule(null, again);
});

shortcut("n", () => /** @type {HTMLElement | null} */ (document.querySelector('[data-opens="rule-form"]'))?.click());
shortcut("e", () => /** @type {HTMLElement | null} */ (document.activeElement?.closest("tr.rule-row")?.querySelector("[data-edit]") ?? null)?.click());
