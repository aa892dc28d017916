import { Problem, get, request, zoneUrl } from "../api.js";
import { element, find, left, seek } from "../dom.js";
import { complain, forgive, submits } from "../form.js";
import { toast } from "../toasts.js";
import { head, zone } from "./here.js";

/** The settings of a zone: comment, its servers, who may do what, deletion. Only those who may manage it have this dialog. */

const LEVELS = /** @type {Record<string, string>} */ ({ view: "may see it", edit: "may change records", manage: "may manage it" });

/** To what a right is limited, in words. @param {{names: string[], types: string[], actions: string[]}} grant */
const limits = ({ names, types, actions }) => [actions, types, names].filter((words) => words.length).map((words) => words.join(", ")).join("; ");

/** @param {FormDataEntryValue | null} typed */
const words = (typed) => String(typed ?? "").split(/[\s,]+/).filter(Boolean);

const OTHER_NAME = "That is not the name of this zone; nothing was deleted.";

/** @typedef {{address: string, port: number, key: string}} Server */

/** As people write one. @param {Server} server */
const written = ({ address, port }) => (port === 53 ? address : `${address} port ${port}`);

/** The servers of a secondary or forward zone, as one line. One that stays as it is keeps its TSIG key, which is not shown. */
class Servers {
  /** @type {Server[]} */
  #now;
  #field;
  #name;

  /** @param {HTMLInputElement} field @param {string} kind */
  constructor(field, kind) {
    this.#field = field;
    this.#name = kind === "forward" ? "forwarders" : "primaries";
    this.#now = left("zone-servers-now");
    field.value = this.#now.map(written).join(", ");
  }

  /** @param {HTMLElement} dialog @param {string} kind @returns {Servers | null} for a zone that has none, or who may not say */
  static of(dialog, kind) {
    const field = /** @type {HTMLInputElement | null} */ (seek("[name=servers]", dialog));
    return field && new Servers(field, kind);
  }

  /** What is asked for. @param {HTMLFormElement} form */
  asked(form) {
    const tsig = String(new FormData(form).get("tsig") ?? "").trim();
    const typed = this.#field.value.split(",").map((server) => server.trim()).filter(Boolean);
    const listed = typed.map((server) => (tsig ? server : (this.#now.find((known) => written(known) === server) ?? server)));
    if (this.#name === "forwarders") return { forwarders: listed, forward_only: new FormData(form).has("forward_only") };
    return { primaries: listed, ...(tsig && { tsig }) };
  }

  /** @param {any} saved the zone */
  show(saved) {
    this.#now = saved[this.#name];
    const secret = /** @type {HTMLInputElement | null} */ (seek("[name=tsig]", this.#field.form ?? document));
    if (secret) secret.value = ""; // it is kept now, and nobody is shown it
    this.#field.value = this.#now.map(written).join(", ");
  }
}

/** @param {HTMLElement} dialog */
function begin(dialog) {
  const grants = find("[data-grants]", dialog);
  const grant = /** @type {HTMLFormElement} */ (find("[data-add-grant]", dialog));

  const list = async () => {
    try {
      const { results } = await get(zoneUrl(zone, "grants/"));
      const rows = results.map((/** @type {any} */ right) => element("tr", {},
        element("th", { scope: "row" }, right.user ?? `group ${right.group}`),
        element("td", {}, LEVELS[right.level] ?? right.level, limits(right) && element("span", { class: "soft" }, ` only ${limits(right)}`)),
        element("td", { class: "number" }, element("button", { type: "button", class: "danger", onclick: () => close(right) },
          "Take away", element("span", { class: "visually-hidden" }, ` from ${right.user ?? right.group}`)))));
      grants.replaceChildren(rows.length ? element("table", {}, element("tbody", {}, ...rows)) : element("p", {}, "Nobody has a right of their own."));
    } catch (error) {
      grants.replaceChildren(element("p", { class: "problem" }, `The rights could not be read: ${/** @type {Error} */ (error).message}`));
    }
  };

  const close = async (/** @type {any} */ { id, user, group }) => {
    forgive(grant);
    try {
      await request("DELETE", zoneUrl(zone, `grants/${id}/`));
      toast(`${user ?? group} has no right of their own to this zone any more.`);
    } catch (error) {
      complain(grant, error, "Not taken away");
    }
    list();
  };

  submits(grant, async () => {
    const data = new FormData(grant);
    await request("POST", zoneUrl(zone, "grants/"), {
      [data.get("whom") === "group" ? "group" : "user"]: String(data.get("user")).trim(), level: data.get("level"),
      names: words(data.get("names")), types: words(data.get("types")), actions: data.getAll("actions") });
    grant.reset();
    list();
  }, "Not given");

  const settings = /** @type {HTMLFormElement} */ (find("[data-settings]", dialog));
  const servers = Servers.of(dialog, head.dataset.kind ?? "");
  const follows = seek("[name=follows]", settings);
  /** From now on, saving replaces what somebody else has saved. @param {Problem} problem */
  const changedMeanwhile = (problem) => {
    const { status, data } = problem;
    if (status !== 409) throw problem;
    head.dataset.version = data.current?.version;
    throw new Problem(status, servers
      ? "Somebody has just changed the settings. Yours are still here; save again to replace theirs."
      : `Somebody has just changed it to “${data.current?.comment}”. Yours is still here; save again to replace theirs.`);
  };
  submits(settings, async () => {
    const data = new FormData(settings);
    const saved = await request("PATCH", zoneUrl(zone), {
      comment: data.get("comment"), version: Number(head.dataset.version), ...servers?.asked(settings),
      ...(follows && { follows_addresses: data.has("follows") }) }).catch(changedMeanwhile);
    head.dataset.version = saved.version;
    servers?.show(saved);
    toast(servers || follows ? "Settings saved." : "Comment saved.");
  });

  const deletion = /** @type {HTMLFormElement} */ (find("[data-delete-zone]", dialog));
  submits(deletion, async () => {
    if (String(new FormData(deletion).get("name")).trim().toLowerCase() !== zone) throw new Problem(400, OTHER_NAME, { errors: { name: [OTHER_NAME] } });
    await request("DELETE", zoneUrl(zone));
    location.assign("/zones/");
  }, "Not deleted");

  new MutationObserver(() => dialog.hasAttribute("open") && list()).observe(dialog, { attributeFilter: ["open"] });
}

const dialog = seek("#settings");
if (dialog) begin(dialog);
