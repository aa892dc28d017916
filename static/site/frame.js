import "./alerts/alarms.js";
import "./alerts/bell.js";
import "./clock.js";
import "./connection.js";
import "./maintenance.js";
import "./search.js";
import { open } from "./dialogs.js";
import { find, seek } from "./dom.js";
import { shortcut, shortcutsOn, switchShortcuts } from "./keyboard.js";
import { ofPerson } from "./storage.js";

/** What all pages share: theme, menu, dialogs, keys that lead elsewhere. */

const root = document.documentElement;

function showTheme() {
  const theme = root.dataset.theme ?? "auto";
  for (const button of document.querySelectorAll("[data-theme-choice]"))
    button.setAttribute("aria-pressed", String(/** @type {HTMLElement} */ (button).dataset.themeChoice === theme));
}

/** @param {string} theme */
function chooseTheme(theme) {
  if (theme === "auto") delete root.dataset.theme;
  else root.dataset.theme = theme;
  ofPerson.set("theme", theme === "auto" ? null : theme);
  showTheme();
}

document.addEventListener("click", (event) => {
  const target = /** @type {Element} */ (event.target);
  const menu = /** @type {HTMLDetailsElement} */ (find("#user-menu"));
  if (!menu.contains(target)) menu.open = false;
  const button = target.closest("button");
  if (!(button instanceof HTMLButtonElement)) return;
  const { themeChoice, opens, closes } = button.dataset;
  if (themeChoice) chooseTheme(themeChoice);
  if (opens) open(/** @type {HTMLDialogElement} */ (find(`#${opens}`)));
  if (closes !== undefined) button.closest("dialog")?.close();
  if (button.dataset.print !== undefined) print();
});

document.addEventListener("keydown", (event) => {
  const menu = /** @type {HTMLDetailsElement} */ (find("#user-menu"));
  if (event.key !== "Escape" || !menu.open) return;
  menu.open = false;
  menu.querySelector("summary")?.focus();
});

addEventListener("storage", ({ key, newValue }) => key === "theme" && chooseTheme(newValue ?? "auto"));

const switching = /** @type {HTMLInputElement} */ (find("#shortcuts"));
switching.checked = shortcutsOn();
switching.addEventListener("change", () => switchShortcuts(switching.checked));

showTheme();
shortcut("g d", () => location.assign("/"));
shortcut("g z", () => location.assign("/zones/"));
shortcut("g l", () => location.assign("/alerts/"));
if (seek('.nav a[href="/security/"]')) shortcut("g s", () => location.assign("/security/"));
shortcut("g q", () => location.assign("/queries/"));
if (seek('.nav a[href="/forwarders/"]')) shortcut("g f", () => location.assign("/forwarders/"));
if (seek('.nav a[href="/monitoring/"]')) shortcut("g m", () => location.assign("/monitoring/"));
shortcut("g a", () => location.assign("/activity/"));
shortcut("?", () => open(/** @type {HTMLDialogElement} */ (find("#keys"))));
