import { post, request } from "../api.js";
import { open } from "../dialogs.js";
import { element, find, left, seek } from "../dom.js";
import { forgive, set, submits, values } from "../form.js";
import { events } from "../live.js";
import { toast } from "../toasts.js";
import { counted } from "../words.js";

/** Policies and feeds: their order and mode, fetching, importing, and their dialogs. */

const section = find("#policies");

/** @type {() => unknown} */
let again = () => undefined;

/** @param {import("../held.js").Held} held @param {() => unknown} readAgain */
export function listensForFeeds(held, readAgain) {
  again = readAgain;
  const changed = (/** @type {any} */ { data }) => held.offer(`feed ${data.feed.id}`, readAgain);
  events.on("threat_feed_update", changed);
  events.on("threat_feed_failed", changed);
}

/** @param {() => Promise<unknown>} act @param {string} what */
async function attempt(act, what) {
  try {
    await act();
  } catch (error) {
    toast(`${what}: ${/** @type {Error} */ (error).message}`, { bad: true });
  }
  await again();
}

/** @param {HTMLElement} row */
const facts = (row) => ({
  id: Number(row.dataset.policy),
  feed: row.dataset.feed ? Number(row.dataset.feed) : null,
  version: Number(row.dataset.version),
  position: Number(row.dataset.position),
  name: find('[data-slot="name"]', row).textContent ?? "",
});

/** @param {HTMLElement} row @param {Record<string, unknown>} fields */
function change(row, fields) {
  const { id, version, name } = facts(row);
  attempt(() => request("PATCH", `/api/rpz/policies/${id}/`, { ...fields, version }), `${name} is not changed`);
}

/** @param {HTMLElement} row @param {boolean} accept */
async function fetchFeed(row, accept) {
  const { feed, name } = facts(row);
  const place = find('[data-slot="feed-state"]', row);
  place.textContent = "Being fetched …";
  await attempt(async () => {
    const answer = await post(`/api/rpz/feeds/${feed}/refresh/`, { accept });
    if (answer.state === "failed") toast(`${name} is refused: ${answer.error}. What was there stays in force.`, { bad: true });
    else if (answer.state === "current") toast(`${name} has ${counted(answer.entries, "name")}.`);
  }, `${name} is not fetched`);
}

section.addEventListener("change", (event) => {
  const select = /** @type {HTMLSelectElement} */ (event.target);
  const row = /** @type {HTMLElement | null} */ (select.closest("tr"));
  if (row && select.matches("[data-mode]")) change(row, { mode: select.value });
});

section.addEventListener("click", (event) => {
  const button = /** @type {Element} */ (event.target).closest("button");
  const row = /** @type {HTMLElement | null} */ (button?.closest("tr[data-policy]"));
  if (!button || !row) return;
  const { id, feed, position } = facts(row);
  if (button.hasAttribute("data-up")) change(row, { position: Math.max(1, position - 1) });
  else if (button.hasAttribute("data-down")) change(row, { position: position + 1 });
  else if (button.hasAttribute("data-refresh")) fetchFeed(row, false);
  else if (button.hasAttribute("data-accept")) fetchFeed(row, true);
  else if (button.hasAttribute("data-repair")) attempt(() => post(`/api/rpz/policies/${id}/sync/`, {}), "It is not set right");
  else if (button.hasAttribute("data-import")) openImport(row);
  else if (button.hasAttribute("data-delete-policy")) openDelete(row);
  else if (button.hasAttribute("data-edit-policy")) {
    if (feed) openForm("feed-form", (left("feed-data") ?? []).find((/** @type {any} */ one) => one.id === feed));
    else openForm("policy-form", { ...facts(row), comment: find(".comment bdi", row).textContent, mode: /** @type {HTMLSelectElement} */ (find("[data-mode]", row)).value });
  }
});

/** @type {Record<string, any>} */
const edited = {};

/** A key goes with a transfer. @param {HTMLElement} form */
function adaptFeed(form) {
  find("[data-transfer]", form).hidden = !values(form).url.startsWith("axfr://");
}

/** @param {string} id @param {any} thing null for a new one */
function openForm(id, thing) {
  const dialog = /** @type {HTMLDialogElement} */ (find(`#${id}`));
  const form = /** @type {HTMLFormElement} */ (find("[data-form]", dialog));
  edited[id] = thing;
  forgive(form);
  form.reset();
  find("[data-title]", form).textContent = `${thing ? "Edit" : "Add"} ${id === "feed-form" ? "feed" : "policy"}`;
  if (thing) set(form, thing);
  if (id === "feed-form") {
    find("[data-present-key]", form).textContent = thing?.key ? `Now it is ${thing.key}.` : "";
    adaptFeed(form);
  }
  if (!dialog.open) open(dialog);
}

for (const [id, path] of [["policy-form", "policies"], ["feed-form", "feeds"]]) {
  const dialog = /** @type {HTMLDialogElement | null} */ (seek(`#${id}`));
  const form = dialog && find("[data-form]", dialog);
  if (!dialog || !form) continue;
  if (id === "feed-form") form.addEventListener("input", () => adaptFeed(form));
  submits(form, async () => {
    const sent = values(form);
    const before = edited[id];
    if (sent.interval_s) sent.interval_s = Number(sent.interval_s);
    if (!sent.tsig) delete sent.tsig;
    if (id === "feed-form" && !sent.url.startsWith("axfr://")) sent.key = "";
    if (before) await request("PATCH", `/api/rpz/${path}/${before.id}/`, { ...sent, version: before.version });
    else await post(`/api/rpz/${path}/`, sent);
    dialog.close();
    toast(`${sent.name}: saved.`);
    again();
  });
  document.addEventListener("click", (event) => {
    if (/** @type {Element} */ (event.target).closest(`[data-opens="${id}"]`)) openForm(id, null);
  });
}

/** @param {HTMLElement} row */
function openDelete(row) {
  const { id, feed, name } = facts(row);
  const dialog = /** @type {HTMLDialogElement} */ (find("#delete-policy"));
  find("[data-name]", dialog).textContent = name;
  dialog.returnValue = "";
  open(dialog);
  dialog.addEventListener("close", () => {
    if (dialog.returnValue !== "delete") return;
    const path = feed ? `/api/rpz/feeds/${feed}/` : `/api/rpz/policies/${id}/`;
    attempt(() => request("DELETE", path), `${name} is not deleted`);
  }, { once: true });
}

let importInto = 0;

/** @param {HTMLElement} row */
function openImport(row) {
  const dialog = /** @type {HTMLDialogElement} */ (find("#import-policy"));
  const form = /** @type {HTMLFormElement} */ (find("[data-import-form]", dialog));
  importInto = facts(row).id;
  form.reset();
  forgive(form);
  find("[data-result]", form).replaceChildren();
  open(dialog);
}

const importForm = seek("[data-import-form]");
if (importForm)
  submits(importForm, async () => {
    const answer = await request("POST", `/api/rpz/policies/${importInto}/import/`, new FormData(/** @type {HTMLFormElement} */ (importForm)));
    const refused = answer.refused.slice(0, 20).map((/** @type {any} */ one) => element("li", {}, element("bdi", { class: "mono" }, one.name), `: ${one.reason}`));
    find("[data-result]", importForm).replaceChildren(
      element("p", {}, `${counted(answer.created, "rule")} made, ${answer.present} there already, ${answer.refused.length} refused.`),
      element("ul", {}, ...refused),
    );
    again();
  }, "Nothing was imported");
