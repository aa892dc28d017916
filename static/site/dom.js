/** Small words for the document. Text only ever becomes a text node: nothing that people typed is read as markup. */

/**
 * The element that must be there.
 * @param {string} selector
 * @param {ParentNode} [root]
 * @returns {HTMLElement}
 */
export function find(selector, root = document) {
  const found = root.querySelector(selector);
  if (!(found instanceof HTMLElement)) throw new Error(`nothing fits ${selector}`);
  return found;
}

/**
 * The element that may be there.
 * @param {string} selector
 * @param {ParentNode} [root]
 * @returns {HTMLElement | null}
 */
export function seek(selector, root = document) {
  const found = root.querySelector(selector);
  return found instanceof HTMLElement ? found : null;
}

/**
 * A new element. Attributes that are null or false are left out; `on…` are listeners; children may be text.
 * @param {string} tag
 * @param {Record<string, any>} [attributes]
 * @param {...(Node | string | null | undefined | false)} children
 * @returns {any}
 */
export function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else made.setAttribute(name, value === true ? "" : String(value));
  }
  for (const child of children) if (child || child === "") made.append(child);
  return made;
}

/**
 * The place of one value in a row or line that the server made, or its template.
 * @param {ParentNode} root
 * @param {string} name
 * @returns {HTMLElement}
 */
export const slot = (root, name) => find(`[data-slot="${name}"]`, root);

/**
 * Write text into slots; what is already there stays untouched, so that a selection survives.
 * @param {ParentNode} root
 * @param {Record<string, unknown>} values
 */
export function fill(root, values) {
  for (const [name, value] of Object.entries(values)) {
    const place = seek(`[data-slot="${name}"]`, root);
    const text = value === null || value === undefined ? "" : String(value);
    if (place && place.textContent !== text) place.textContent = text;
  }
}

/**
 * A copy of a template's one element.
 * @param {string} id
 * @returns {HTMLElement}
 */
export function copyOf(id) {
  const template = /** @type {HTMLTemplateElement} */ (find(`template#${id}`));
  const copy = template.content.firstElementChild?.cloneNode(true);
  return /** @type {HTMLElement} */ (copy);
}

/**
 * Data that the server left in the page.
 * @param {string} id
 * @returns {any}
 */
export function left(id) {
  const place = document.getElementById(id);
  return place ? JSON.parse(place.textContent || "null") : null;
}

/**
 * One of the site's icons.
 * @param {string} name
 * @returns {SVGElement}
 */
export function icon(name) {
  const anyone = document.querySelector("svg.icon use")?.getAttribute("href") ?? "/static/site/icons.svg#";
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  const use = document.createElementNS("http://www.w3.org/2000/svg", "use");
  use.setAttribute("href", anyone.replace(/#.*/, `#${name}`));
  svg.append(use);
  return svg;
}

/** The state words of a zone or a change, with their shape. @param {string} state @param {string} words */
export const standing = (state, words) => element("span", { class: "state", "data-state": state }, words);

/** Who is looking at this page. */
export const me = { id: Number(document.body.dataset.user), username: document.body.dataset.username ?? "" };
