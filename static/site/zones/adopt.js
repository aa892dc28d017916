import { get, post } from "../api.js";
import { element, find, seek } from "../dom.js";
import { submits, values } from "../form.js";

/** Zones from elsewhere: adopted from the name server, or copied from another one. Only who may make zones has the dialog. */

const head = () => element("thead", {}, element("tr", {},
  element("th", { scope: "col" }, "Zone"), element("th", { scope: "col" }, "Kind there"), element("th", { scope: "col", class: "number" }, "Serial"),
  element("th", { scope: "col" }, element("span", { class: "visually-hidden" }, "Actions"))));

/** @param {HTMLElement} dialog */
function begin(dialog) {
  const place = find("[data-adoptable]", dialog);
  const form = find("[data-transfer]", dialog);

  async function list() {
    try {
      const zones = await get("/api/zones/adopt/");
      const rows = zones.map((/** @type {any} */ zone) => element("tr", {},
        element("th", { scope: "row", class: "mono" }, zone.name), element("td", {}, zone.kind), element("td", { class: "number mono" }, zone.serial),
        element("td", { class: "number" }, element("button", { type: "button", onclick: (/** @type {Event} */ event) => adopt(zone.name, /** @type {HTMLButtonElement} */ (event.currentTarget)) },
          "Adopt", element("span", { class: "visually-hidden" }, ` ${zone.name}`)))));
      place.replaceChildren(rows.length ? element("table", {}, head(), element("tbody", {}, ...rows)) : element("p", {}, "Every zone of the name server is managed here."));
    } catch (error) {
      place.replaceChildren(element("p", { class: "problem" }, /** @type {Error} */ (error).message));
    }
  }

  /** @param {string} name @param {HTMLButtonElement} button */
  async function adopt(name, button) {
    button.disabled = true;
    seek(".problem", button.parentElement ?? place)?.remove();
    try {
      await post("/api/zones/adopt/", { name });
      location.assign(`/zones/${name}/`);
    } catch (error) {
      button.disabled = false;
      button.after(element("p", { class: "problem" }, /** @type {Error} */ (error).message));
    }
  }

  submits(form, async () => {
    const { name, server, port, tsig } = values(form);
    const { zone } = await post("/api/zones/transfer/", { name, server, port: Number(port || 53), tsig: tsig || null });
    location.assign(`/zones/${zone}/`);
  }, "Nothing was copied");

  new MutationObserver(() => dialog.hasAttribute("open") && list()).observe(dialog, { attributeFilter: ["open"] });
}

const dialog = seek("#adopt");
if (dialog) begin(dialog);
