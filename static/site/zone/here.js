import { find } from "../dom.js";
import { events } from "../live.js";

/** The zone that the page is about, and what happens to it. */

export const head = find("#zone");
export const zone = head.dataset.zone ?? "";

/** @param {string | string[]} names of events @param {(event: any) => void} handle called for those about this zone */
export const onZone = (names, handle) => events.on(names, (/** @type {any} */ event) => event.data.zone === zone && handle(event));
