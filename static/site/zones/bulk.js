import { Problem, post } from "../api.js";
import { element, find, seek } from "../dom.js";
import { alarm, say } from "../saying.js";
import { counted } from "../words.js";
import { difference, warned } from "../zone/difference.js";
import { Basis } from "./basis.js";
import { withProgress } from "./progress.js";

/** Find and replace over zones: what it would do is shown first; then it is done in all of them or in none. */

/** @param {any} zone */
const shown = (zone) => element("section", { class: "stack", "aria-label": zone.zone },
  element("h3", { class: "mono" }, zone.zone),
  element("p", {}, counted(zone.change_count, "record"), zone.change_count > zone.changes.length && zone.changes.length > 0 && `; the first ${zone.changes.length}:`),
  zone.changes.length > 0 && difference(zone.changes), ...warned(zone.warnings),
  ...zone.problems.map((/** @type {any} */ { message }) => element("p", { class: "note bad" }, `${message}.`)));

/** @param {HTMLFormElement} form */
function begin(form) {
  const [choose, preview] = ["choose", "preview"].map((step) => find(`[data-step=${step}]`, form));
  const back = find("[data-back]", form);
  const submit = /** @type {HTMLButtonElement} */ (find("[type=submit]", form));
  const problem = find("[data-problem]", form);
  let looked = false;

  /** @param {boolean} now */
  const step = (now) => {
    looked = now;
    if (!now) basis.set({});
    choose.hidden = now;
    preview.hidden = back.hidden = !now;
    submit.hidden = false;
    submit.textContent = now ? "Change them" : "Show the difference";
  };

  const dialog = /** @type {HTMLDialogElement} */ (form.closest("dialog"));
  const selected = seek("[data-selected]", form);
  /** Records that were selected on the page when the dialog was opened. @type {number[]} */
  let ids = [];

  /** What is selected is what is meant, unless one says otherwise. */
  const select = () => {
    if (!selected) return;
    ids = [...document.querySelectorAll("#records [data-pick]:checked")].map((box) => Number(box.closest("tr")?.dataset.id));
    selected.hidden = !ids.length;
    find("[data-selected-count]", selected).textContent = `Only in the ${counted(ids.length, "selected record")}`;
    /** @type {HTMLInputElement} */ (find("[name=selected]", selected)).checked = ids.length > 0;
  };

  const asked = () => {
    const { selected: only, ...data } = Object.fromEntries([...new FormData(form)].map(([name, value]) => [name, String(value)]));
    const ttl = data.ttl.trim();
    const zones = form.dataset.zone ? [form.dataset.zone] : data.zones.split(/\s+/).filter(Boolean);
    return { ...data, type: data.type.trim(), name: data.name.trim(), zones, records: only ? ids : [], ttl: ttl ? (/^\d+$/.test(ttl) ? Number(ttl) : ttl) : null };
  };

  const look = async () => {
    const { zones, change_count: count } = await post("/api/bulk-edits/", { ...asked(), dry_run: true });
    const wrong = zones.some((/** @type {any} */ { problems }) => problems.length);
    preview.replaceChildren(element("div", { class: "stack" },
      element("p", {}, element("strong", {}, count ? `${counted(count, "record")} in ${counted(zones.length, "zone")} would change.` : "Nothing matches."), wrong ? " What is marked is not possible, so nothing is." : " Nothing is changed yet."),
      ...zones.map(shown)));
    step(true);
    basis.set(Object.fromEntries(zones.map((/** @type {any} */ { zone, based_on: basedOn }) => [zone, basedOn])));
    submit.hidden = wrong || !count;
    say(`${counted(count, "record")} would change. Nothing is changed yet.`);
    submit.disabled = false;
    (submit.hidden ? back : submit).focus();
  };

  const basis = new Basis(preview, look);

  /** In the zones that were shown, and no others. @param {Record<string, number>} basedOn */
  const carryOut = async (basedOn) => {
    const { zones, change_count: count, operation } = await withProgress(preview, "Changing", (trace) =>
      post("/api/bulk-edits/", { ...asked(), zones: Object.keys(basedOn), based_on: basedOn, dry_run: false }, { trace }));
    preview.replaceChildren(element("div", { class: "stack" },
      element("p", {}, element("strong", {}, `Changed ${counted(count, "record")} in ${counted(zones.length, "zone")}.`), " Each zone has it in its history, where it can be taken back."),
      element("ul", {}, ...zones.map((/** @type {any} */ { zone, change_count: changed, change_set: id }) => element("li", {},
        element("a", { class: "mono", href: `/zones/${zone}/history/#change-${id}` }, zone), ` ${counted(changed, "record")}`))),
      operation && element("p", {}, element("a", { class: "button", href: `/api/operations/${operation}/result/`, download: `bulk-edit-${operation}.csv` }, "Keep the result (CSV)"))));
    submit.hidden = true;
    say(`Changed ${counted(count, "record")}.`);
    find("a", preview).focus();
  };

  /** @param {unknown} error */
  function tell(error) {
    const { message, words = message } = /** @type {Problem} */ (error);
    problem.replaceChildren(element("p", { class: "note bad" }, `Nothing was changed: ${words}`));
    alarm(`Nothing was changed: ${words}`);
  }

  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    problem.replaceChildren();
    submit.disabled = true;
    try {
      await (looked ? basis.carryOut(carryOut) : look());
    } catch (error) {
      tell(error);
      step(false);
    }
    submit.disabled = false;
  });
  back.addEventListener("click", () => step(false));
  dialog.addEventListener("close", () => step(false));
  new MutationObserver(() => dialog.open && select()).observe(dialog, { attributeFilter: ["open"] });
}

const form = seek("form[data-bulk]");
if (form instanceof HTMLFormElement) begin(form);
