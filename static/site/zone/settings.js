import { Problem, get, request, zoneUrl } from "../api.js";
import { element, find, seek } from "../dom.js";
import { alarm } from "../saying.js";
import { toast } from "../toasts.js";

/** The settings of a zone: comment, who may do what, deletion. Only those who may manage it have this dialog. */

const LEVELS = /** @type {Record<string, string>} */ ({ view: "may see it", edit: "may change records", manage: "may manage it" });

/** To what a right is limited, in words. @param {{names: string[], types: string[], actions: string[]}} grant */
const limits = ({ names, types, actions }) => [actions, types, names].filter((words) => words.length).map((words) => words.join(", ")).join("; ");

/** @param {FormDataEntryValue | null} typed */
const words = (typed) => String(typed ?? "").split(/[\s,]+/).filter(Boolean);

/** @param {HTMLElement} dialog */
function begin(dialog) {
  const head = find("#zone");
  const zone = head.dataset.zone ?? "";
  const grants = find("[data-grants]", dialog);

  const tell = (/** @type {HTMLElement} */ place, /** @type {unknown} */ error) => {
    const problem = /** @type {Problem} */ (error);
    place.textContent = [problem.message, ...new Set(Object.values(problem.fields ?? {}))].join(" ");
    alarm(place.textContent);
  };

  const list = async () => {
    try {
      const { results } = await get(zoneUrl(zone, "grants/"));
      const rows = results.map((/** @type {any} */ grant) => element("tr", {},
        element("th", { scope: "row" }, grant.user ?? `group ${grant.group}`),
        element("td", {}, LEVELS[grant.level] ?? grant.level, limits(grant) && element("span", { class: "soft" }, ` only ${limits(grant)}`)),
        element("td", { class: "number" }, element("button", { type: "button", class: "danger", onclick: () => close(grant) },
          "Take away", element("span", { class: "visually-hidden" }, ` from ${grant.user ?? grant.group}`)))));
      grants.replaceChildren(rows.length ? element("table", {}, element("tbody", {}, ...rows)) : element("p", {}, "Nobody has a right of their own."));
    } catch (error) {
      grants.replaceChildren(element("p", { class: "problem" }, `The rights could not be read: ${/** @type {Error} */ (error).message}`));
    }
  };

  const close = async (/** @type {any} */ grant) => {
    try {
      await request("DELETE", zoneUrl(zone, `grants/${grant.id}/`));
      toast(`${grant.user ?? grant.group} has no right of their own to this zone any more.`);
    } catch (error) {
      tell(find("[data-grant-problem]", dialog), error);
    }
    list();
  };

  find("[data-add-grant]", dialog).addEventListener("submit", async (event) => {
    event.preventDefault();
    const form = /** @type {HTMLFormElement} */ (event.target);
    const data = new FormData(form);
    const place = find("[data-grant-problem]", dialog);
    place.textContent = "";
    try {
      const who = String(data.get("user")).trim();
      await request("POST", zoneUrl(zone, "grants/"), {
        [data.get("whom") === "group" ? "group" : "user"]: who, level: data.get("level"),
        names: words(data.get("names")), types: words(data.get("types")), actions: data.getAll("actions") });
      form.reset();
      list();
    } catch (error) {
      tell(place, error);
    }
  });

  find("[data-settings]", dialog).addEventListener("submit", async (event) => {
    event.preventDefault();
    const form = /** @type {HTMLFormElement} */ (event.target);
    const place = find("[data-problem]", form);
    place.textContent = "";
    try {
      const saved = await request("PATCH", zoneUrl(zone), {
        comment: new FormData(form).get("comment"), version: Number(head.dataset.version),
        ...(seek("[name=follows]", form) && { follows_addresses: new FormData(form).has("follows") }) });
      head.dataset.version = saved.version;
      toast(seek("[name=follows]", form) ? "Settings saved." : "Comment saved.");
    } catch (error) {
      const { status, data } = /** @type {Problem} */ (error);
      if (status !== 409) return tell(place, error);
      head.dataset.version = data.current?.version;
      place.textContent = `Somebody has just changed it to “${data.current?.comment}”. Yours is still here; save again to replace theirs.`;
      alarm(place.textContent);
    }
  });

  find("[data-delete-zone]", dialog).addEventListener("submit", async (event) => {
    event.preventDefault();
    const form = /** @type {HTMLFormElement} */ (event.target);
    const place = find("[data-problem]", form);
    if (String(new FormData(form).get("name")).trim().toLowerCase() !== zone) {
      place.textContent = "That is not the name of this zone; nothing was deleted.";
      return find("input", form).focus();
    }
    try {
      await request("DELETE", zoneUrl(zone));
      location.assign("/zones/");
    } catch (error) {
      tell(place, error);
    }
  });

  new MutationObserver(() => dialog.hasAttribute("open") && list()).observe(dialog, { attributeFilter: ["open"] });
}

const dialog = seek("#settings");
if (dialog) begin(dialog);
