import { post } from "../api.js";
import { tellAges } from "../clock.js";
import { find, seek } from "../dom.js";
import { complain, forgive } from "../form.js";
import { Held } from "../held.js";
import { moveAlong, shortcut } from "../keyboard.js";
import { events } from "../live.js";
import { markNews } from "../news.js";
import { documentAt, oneAfterAnother } from "../reading.js";
import { mention, say } from "../saying.js";
import { swap, swapsItself } from "../swap.js";
import { RAISING } from "./open.js";

/** The list of alerts. A card changes in its place, at once; cards come and go when nobody points at the list. */

const GATHER_MS = 150;
const section = find("#alerts");
const held = new Held(section, find("[data-held]", section), () => Boolean(seek("[data-acts] input:focus", section)));
/** Cards that wait to come in. @type {Set<string>} */
const entering = new Set();

const cards = () => /** @type {HTMLElement[]} */ ([...section.querySelectorAll(".alert-card")]);

/** Read the page again, soon, and let its cards in one by one. */
const readSoon = oneAfterAnother((signal) => events.during(() => read(signal)), GATHER_MS);

/** @param {AbortSignal} signal */
async function read(signal) {
  const url = location.href;
  const fresh = await documentAt(url, signal).catch(() => null);
  if (!fresh || url !== location.href) return; // another filter meanwhile is a list of its own
  reconcile(/** @type {HTMLElement[]} */ ([...find("#alerts", fresh).querySelectorAll(".alert-card")]));
}

/** @param {HTMLElement[]} fresh */
function reconcile(fresh) {
  const shown = new Map(cards().map((card) => [card.id, card]));
  if (!shown.size || !fresh.length) {
    held.offer("list", () => swap(section));
    return;
  }
  const there = new Set(fresh.map(({ id }) => id));
  for (const id of entering) if (!there.has(id)) held.withdraw(id); // it is over before anybody saw it here
  entering.clear();
  for (const card of fresh) {
    const old = shown.get(card.id);
    shown.delete(card.id);
    if (!old) {
      entering.add(card.id);
      held.offer(card.id, () => enter(card));
      continue;
    }
    held.withdraw(card.id); // it was to go, and is here again
    if (old.dataset.mark !== card.dataset.mark) replace(old, card);
  }
  for (const gone of shown.values()) held.offer(gone.id, () => gone.remove());
}

/** @param {HTMLElement} card */
function enter(card) {
  if (document.getElementById(card.id)) return;
  find(".alert-cards", section).prepend(card);
  tellAges(card);
  markNews(card, "new");
}

/** A card in its place, with what one was doing in it. @param {HTMLElement} old @param {HTMLElement} card */
function replace(old, card) {
  const opened = /** @type {HTMLDetailsElement | null} */ (seek("details", old))?.open ?? false;
  const typed = /** @type {HTMLInputElement | null} */ (seek("[name=comment]", old));
  const details = /** @type {HTMLDetailsElement | null} */ (seek("details", card));
  const comment = /** @type {HTMLInputElement | null} */ (seek("[name=comment]", card));
  if (details) details.open = opened;
  if (comment && typed) comment.value = typed.value;
  const focused = old.contains(document.activeElement) ? (document.activeElement?.id ?? "") : null;
  old.replaceWith(card);
  tellAges(card);
  markNews(card, "updated");
  if (focused !== null) (focused ? (seek(`#${CSS.escape(focused)}`, card) ?? card) : card).focus();
}

// -- what one does -----------------------------------------------------------------------------------------------------------

const DONE = /** @type {Record<string, string>} */ ({ acknowledge: "Acknowledged.", resolve: "Resolved.", mute: "Muted." });

/** @param {HTMLElement} card @param {string} act */
async function perform(card, act) {
  const form = /** @type {HTMLFormElement} */ (find("[data-acts]", card));
  const { comment, seconds } = Object.fromEntries(/** @type {any} */ (new FormData(form)));
  forgive(form);
  try {
    await post(`/api/alerts/${card.dataset.alert}/${act}/`, { comment, ...(act === "mute" && { seconds: Number(seconds) }) });
    /** @type {HTMLInputElement} */ (find("[name=comment]", form)).value = "";
    say(DONE[act]);
    readSoon();
  } catch (error) {
    complain(form, error, "Not done");
  }
}

section.addEventListener("submit", (event) => {
  const form = /** @type {Element} */ (event.target).closest("[data-acts]");
  const card = form?.closest(".alert-card");
  if (!(card instanceof HTMLElement)) return;
  event.preventDefault();
  const button = /** @type {SubmitEvent} */ (event).submitter;
  perform(card, button?.dataset.act ?? (card.dataset.state === "open" ? "acknowledge" : "resolve"));
});

section.addEventListener("click", (event) => {
  const button = /** @type {Element} */ (event.target).closest("button[type=button][data-act]");
  const card = button?.closest(".alert-card");
  if (button instanceof HTMLElement && card instanceof HTMLElement) perform(card, button.dataset.act ?? "");
});

section.addEventListener("change", (event) => {
  const choice = /** @type {Element} */ (event.target).closest("select[data-act=mute]");
  const card = choice?.closest(".alert-card");
  if (choice instanceof HTMLSelectElement && choice.value && card instanceof HTMLElement) perform(card, "mute");
});

// -- what others do ------------------------------------------------------------------------------------------------------------

events.on([...RAISING, "alert_*"], (/** @type {any} */ { event_type: type }) => {
  if (type === "alert_acknowledged") mention("alert acknowledged", "alerts acknowledged");
  else if (type === "alert_resolved") mention("alert is over", "alerts are over");
  readSoon();
});
events.onResync(readSoon);
events.on("permission_changed", () => held.offer("list", () => swap(section)));
swapsItself(section);

moveAlong(".alert-card");
const current = () => /** @type {HTMLElement | null} */ (document.activeElement?.closest(".alert-card") ?? null);
shortcut("Enter", () => {
  const details = /** @type {HTMLDetailsElement | null} */ (current()?.querySelector("details") ?? null);
  if (details) details.open = !details.open;
});
