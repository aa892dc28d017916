import { post } from "../api.js";
import { element, find, seek } from "../dom.js";
import { submits, values } from "../form.js";

/** "Why is a name blocked?": what the rules say, and what the running name server did, side by side. */

const form = find("[data-check]");
const place = find("[data-verdict]", form);

/** @param {string} term @param {...(Node | string | null | undefined | false)} what */
const line = (term, ...what) => [element("dt", {}, term), element("dd", {}, ...what)];

/** @param {string} text */
const mono = (text) => element("bdi", { class: "mono" }, text);

/** @param {any} match */
function matchWords(match) {
  const by = match.rule ? "rule" : "entry of the feed";
  const said = [match.category, match.comment, match.confidence !== null && `confidence ${match.confidence}`, match.first_seen && `since ${match.first_seen}`, match.reference];
  return [`${match.action}${match.target ? ` ${match.target}` : ""} by ${match.policy_name}, ${by} `, mono(match.trigger), ...said.filter(Boolean).map((text) => ` · ${text}`)];
}

/** @param {any} named */
function running(named) {
  if (!named.asked) return [named.note];
  const agrees = named.agrees === null ? "" : named.agrees ? "That is what the rules say." : "That is not what the rules say.";
  const hits = (named.hits ?? []).map((/** @type {any} */ hit) =>
    element("p", {}, `${hit.trial ? "On trial: " : ""}${hit.policy ?? "a policy that is not ours"}: ${hit.trigger_type} ${hit.action} via `, mono(hit.via)));
  return [
    element("p", {}, `${named.rcode}${named.answer.length ? ":" : ""} `, mono(named.answer.join(" · "))),
    ...hits,
    element("p", { class: named.agrees === false ? "problem" : "soft" }, [agrees, named.note].filter(Boolean).join(" ")),
  ];
}

submits(form, async () => {
  const { name, client } = values(form);
  place.replaceChildren(element("p", { class: "soft" }, "Asking …"));
  const verdict = await post("/api/rpz/check/", client ? { name, client } : { name }).catch((error) => {
    place.replaceChildren();
    throw error;
  });
  place.replaceChildren(
    element(
      "div",
      { class: "verdict" },
      element("p", { class: "headline" }, verdict.explanation),
      element(
        "dl",
        {},
        ...(verdict.acts ? line("Decides", ...matchWords(verdict.acts)) : []),
        ...verdict.later.flatMap((/** @type {any} */ match) => line("Else", ...matchWords(match))),
        ...verdict.trials.flatMap((/** @type {any} */ match) => line("On trial", ...matchWords(match))),
        ...line("Name server", ...running(verdict.named)),
      ),
    ),
  );
}, "No answer");

const asked = new URL(location.href).searchParams.get("check");
if (asked) {
  seek('[data-opens="check"]')?.click();
  /** @type {HTMLInputElement} */ (find("[name=name]", form)).value = asked;
}
