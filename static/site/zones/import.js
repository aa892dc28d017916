import { Problem, post, request, zoneUrl } from "../api.js";
import { element, find, seek } from "../dom.js";
import { alarm, say } from "../saying.js";
import { toast } from "../toasts.js";
import { offerUndo } from "../undo.js";
import { counted } from "../words.js";
import { Basis } from "./basis.js";
import { withProgress } from "./progress.js";

/** Import of a zone file: choose it, look at the difference, then import. Nothing is changed before the last step. */

const MOST_SHOWN = 500;
const KINDS = [[".csv", "text/csv"], [".json", "application/json"]];

/** @typedef {{name: string, type: string, ttl: number, rdata: string[]}} RRset */

/** @param {RRset | null | undefined} rrset */
const values = (rrset) => (rrset ? rrset.rdata.map((content) => `${rrset.ttl} ${content}`) : []);

/** @param {any} difference @returns {{before: RRset | null, after: RRset | null}[]} */
function rows({ added = [], removed = [], changed = [] }) {
  const rrsets = [
    ...added.map((/** @type {RRset} */ after) => ({ before: null, after })),
    ...removed.map((/** @type {RRset} */ before) => ({ before, after: null })),
    ...changed.map((/** @type {any} */ pair) => ({ before: pair.before ?? pair[0], after: pair.after ?? pair[1] })),
  ];
  const key = (/** @type {any} */ { before, after }) => `${(after ?? before).name} ${(after ?? before).type}`;
  return rrsets.sort((one, other) => (key(one) < key(other) ? -1 : 1));
}

/** @param {any} difference */
function preview(difference) {
  const all = rows(difference);
  const { added_count: added, removed_count: removed, changed_count: changed } = difference;
  const hidden = added + removed + changed - Math.min(all.length, MOST_SHOWN);
  if (!all.length) return element("p", { class: "note" }, "The file has nothing that the zone has not. There is nothing to import.");
  const lines = all.slice(0, MOST_SHOWN).map(({ before, after }) => {
    const [old, now] = [values(before), values(after)];
    return element("li", {},
      element("span", {}, before ? (after ? "changed" : "deleted") : "added"),
      element("span", { class: "mono" }, `${(after ?? before)?.name} ${(after ?? before)?.type}`),
      element("span", { class: "mono" },
        ...old.filter((value) => !now.includes(value)).map((value) => element("del", {}, value)),
        ...now.filter((value) => !old.includes(value)).map((value) => element("ins", {}, value))));
  });
  return element("div", { class: "stack" },
    element("p", {}, element("strong", {}, `${counted(added, "RRset")} added, ${changed} changed, ${removed} deleted.`), " Nothing is imported yet."),
    element("ul", { class: "difference", tabindex: 0, "aria-label": "The difference" }, ...lines),
    hidden > 0 && element("p", { class: "soft" }, `and ${hidden} more`));
}

/** @param {HTMLFormElement} form */
function begin(form) {
  const dialog = /** @type {HTMLDialogElement} */ (form.closest("dialog"));
  const [choose, shown] = ["choose", "preview"].map((step) => find(`[data-step=${step}]`, form));
  const problem = find("[data-problem]", form);
  const back = find("[data-back]", form);
  const submit = /** @type {HTMLButtonElement} */ (find("[type=submit]", form));
  let looked = false;

  const zone = () => form.dataset.zone ?? String(new FormData(form).get("name")).trim().toLowerCase().replace(/\.$/, "");

  /** @param {boolean} preview */
  const step = (preview) => {
    looked = preview;
    if (!preview) basis.set({});
    choose.hidden = preview;
    shown.hidden = !preview;
    back.hidden = !preview;
    submit.textContent = preview ? "Import" : "Show the difference";
  };

  /** The chosen file as it is, octet by octet, or the text. */
  const content = () => {
    const data = new FormData(form);
    const file = data.get("file");
    return file instanceof File && file.size ? file : String(data.get("text"));
  };

  /** What kind of file it is: by its name, or for pasted text by how it begins. @param {File | string} given */
  const kind = (given) => {
    if (given instanceof File) return KINDS.find(([suffix]) => given.name.toLowerCase().endsWith(suffix))?.[1] ?? "text/dns";
    if (/^\s*[[{]/.test(given)) return "application/json";
    return /^"?name"?,/i.test(given.trim()) ? "text/csv" : "text/dns";
  };

  /** @param {string} query @param {string} [trace] */
  const send = (query, trace) => {
    const given = content();
    if (!given) throw new Problem(400, "Choose a file that is not empty, or paste its text.");
    const merge = new FormData(form).has("merge") ? "&merge=1" : "";
    return request("POST", `${zoneUrl(zone(), "import/")}?${query}${merge}`, given, { type: kind(given), trace });
  };

  /** @param {unknown} error */
  const tell = (error) => {
    const { message, data = {}, status } = /** @type {Problem} */ (error);
    const lines = (data.problems ?? []).map((/** @type {any} */ { line, message: reason }) => element("li", {}, line ? `Line ${line}: ${reason}` : reason));
    problem.replaceChildren(element("div", { class: "note bad" }, element("div", {},
      element("p", {}, lines.length ? `Nothing was imported: ${counted(lines.length, "problem")} in the file. The text is still here.` : `Nothing was imported. ${message} The text is still here.`),
      lines.length > 0 && element("ul", { class: "lines-wrong mono", tabindex: 0, "aria-label": "Problems" }, ...lines))));
    problem.scrollIntoView({ block: "nearest" });
    alarm(`Nothing was imported. ${status ? message : "The site cannot be reached."}`);
  };

  const look = async () => {
    const { difference, warnings, new: isNew, based_on: basedOn } = await send("dry_run=1");
    shown.replaceChildren(
      element("div", { class: "stack" },
        isNew && element("p", {}, "There is no zone ", element("strong", { class: "mono" }, zone()), " yet; it will be added."),
        preview(difference),
        ...warnings.map((/** @type {any} */ { line, reason }) => element("p", { class: "note wait" }, line ? `Line ${line}: ${reason}` : reason))));
    submit.disabled = rows(difference).length === 0;
    step(true);
    basis.set({ [zone()]: basedOn });
    say("The difference is shown. Nothing is imported yet.");
    submit.focus();
  };

  const basis = new Basis(shown, look);

  /** @param {Record<string, number>} basedOn */
  const carryOut = async (basedOn) => {
    const done = await withProgress(shown, "Importing", (trace) => send(`replace=1&based_on=${basedOn[zone()]}`, trace));
    dialog.close();
    if (!form.dataset.zone) return location.assign(`/zones/${zone()}/`);
    if (done.change_set) offerUndo(zone(), { id: done.change_set }, "Imported the zone file");
    else toast("Nothing had to be changed.");
    form.reset();
    step(false);
  };

  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    problem.replaceChildren();
    submit.disabled = true;
    try {
      if (looked) await basis.carryOut(carryOut);
      else await look();
    } catch (error) {
      tell(error);
      submit.disabled = false;
      if (!looked) return;
      step(false);
    }
    if (!looked) submit.disabled = false;
  });
  const choosing = () => {
    submit.disabled = false;
    step(false);
  };
  back.addEventListener("click", choosing);
  dialog.addEventListener("close", choosing);
}

const form = seek("form[data-import]");
if (form instanceof HTMLFormElement) begin(form);
