import { tellAges } from "./clock.js";
import { find, seek } from "./dom.js";
import { events } from "./live.js";
import { documentAt, inTime } from "./reading.js";
import { toast } from "./toasts.js";

/**
 * Lists change their rows without leaving the page: the same URL is read again, or another one is, and the part marked
 * `data-swap` is replaced except for its tools. Without scripts the same links and forms load the whole page.
 */

const WAIT_MS = 250;
/** @type {AbortController | undefined} */
let reading;
/** Where the reading that is under way leads to: a list that is read again meanwhile is read there. */
let target = "";
/** What was to be read, and was not. @type {Set<HTMLElement>} */
const unread = new Set();

/**
 * Show what is at `url` in the section, and in others that the same document has; each then hears `swapped` with the
 * document read as detail. Events wait meanwhile; `data-read-at` is the position up to which they are in what was read.
 * @param {HTMLElement} section
 * @param {string} [url]
 * @param {HTMLElement[]} [others]
 */
export const swap = (section, url = target || location.href, others = []) => events.during(() => read(section, url, others));

/** @param {HTMLElement} section @param {string} url @param {HTMLElement[]} others */
async function read(section, url, others) {
  for (const each of [section, ...others]) unread.add(each); // what this reading interrupts is read along
  const sections = [...unread];
  reading?.abort();
  const mine = (reading = new AbortController());
  target = url;
  section.setAttribute("aria-busy", "true");
  try {
    const fresh = await documentAt(url, inTime(mine.signal));
    if (mine.signal.aborted) return undefined;
    if (!fresh) return location.assign(url);
    unread.clear();
    const focused = document.activeElement?.id;
    const [, position] = (fresh.querySelector("meta[name=dnsadmin-position]")?.getAttribute("content") ?? "").split(":");
    for (const each of sections) {
      replace(each, find(`#${each.id}`, fresh));
      each.dataset.readAt = position;
    }
    if (url !== location.href) history.replaceState(null, "", url);
    if (focused && document.activeElement?.id !== focused) seek(`#${CSS.escape(focused)}`)?.focus();
    for (const each of sections) {
      tellAges(each);
      each.dispatchEvent(new CustomEvent("swapped", { detail: fresh }));
    }
  } catch (error) {
    if (/** @type {Error} */ (error).name === "AbortError") return;
    toast("The list could not be read: the site cannot be reached. What you see is the older one.", { bad: true });
  } finally {
    if (reading === mine) {
      target = "";
      for (const each of sections) each.removeAttribute("aria-busy");
    }
  }
}

/** @param {HTMLElement} section @param {HTMLElement} fresh */
function replace(section, fresh) {
  const tools = seek(":scope > .tools", section);
  for (const child of [...section.childNodes]) if (child !== tools) child.remove();
  for (const child of [...fresh.childNodes]) if (!(child instanceof HTMLElement && child.matches(".tools"))) section.append(child);
  for (const name of fresh.getAttributeNames()) section.setAttribute(name, fresh.getAttribute(name) ?? "");
}

/** Filters, order and pages of a section without leaving the page. @param {HTMLElement} section */
export function swapsItself(section) {
  const form = /** @type {HTMLFormElement} */ (find("[data-filters]", section));
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  const filter = () => {
    clearTimeout(timer);
    const wanted = new URLSearchParams(/** @type {any} */ (new FormData(form)));
    for (const [name, value] of [...wanted]) if (!value) wanted.delete(name);
    const sort = new URL(location.href).searchParams.get("sort");
    if (sort) wanted.set("sort", sort);
    swap(section, `${location.pathname}${wanted.size ? `?${wanted}` : ""}`);
  };
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    filter();
  });
  form.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(filter, WAIT_MS);
  });
  section.addEventListener("click", (event) => {
    const link = /** @type {Element} */ (event.target).closest(":is(thead, .pages, .empty) a");
    if (!(link instanceof HTMLAnchorElement) || event.ctrlKey || event.metaKey || event.shiftKey) return;
    if (new URL(link.href).pathname !== location.pathname) return;
    event.preventDefault();
    if (link.closest(".empty")) form.reset();
    swap(section, link.href).then(() => link.closest(".pages") && section.scrollIntoView({ block: "nearest" }));
  });
}
