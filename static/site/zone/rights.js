import { left } from "../dom.js";

/**
 * What this person may do to which records. The server decides (`zones/access.py`); the page only offers nothing that it
 * would refuse. A right reaches the names, types and actions that it lists, or all where it lists none.
 */

/** @typedef {{names: string[], types: string[], actions: string[]}} Right */

const rights = /** @type {Right[]} */ (left("rights") ?? []);

/** `*` stands for any characters, dots included. @param {string} pattern @param {string} name */
const fits = (pattern, name) => new RegExp(`^${pattern.split("*").map((part) => part.replace(/[\\^$.*+?()[\]{}|]/g, "\\$&")).join(".*")}$`, "s").test(name);

/** @param {string} action create, update or delete @param {{name: string, type: string}} record */
export const permits = (action, { name, type }) =>
  rights.some(({ names, types, actions }) =>
    (!actions.length || actions.includes(action)) && (!types.length || types.includes(type)) && (!names.length || names.some((pattern) => fits(pattern, name))));

/** Whether there is any record to which one may do that. @param {string} action */
export const permitsSome = (action) => rights.some(({ actions }) => !actions.length || actions.includes(action));

export const BEYOND = "Your rights to this zone do not reach that far.";
