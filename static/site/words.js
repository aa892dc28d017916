/** How a zone stands, in the words that the server uses too (`zones/state.html`). */

/**
 * @param {{sync_state: string, serial?: number | null, sync_error?: string}} zone
 * @returns {string}
 */
export function zoneStanding({ sync_state: state, serial, sync_error: error }) {
  if (state === "served") return serial ? `Served at serial ${serial}` : "In force at the name server";
  if (state === "pushing") return "Being pushed to the name server";
  if (state === "failed") return `Not served: ${error || "the name server refused it"}`;
  return error ? `Pending: ${error}. It is tried again by itself.` : "Pending: about to be pushed";
}

/** How a single change stands. @param {string} state @param {number | null} [serial] */
export function changeStanding(state, serial) {
  if (state === "served") return serial ? `served at ${serial}` : "served";
  if (state === "pushing") return "being pushed";
  return state === "failed" ? "not served" : "pending";
}

/** "3 records" @param {number} count @param {string} thing */
export const counted = (count, thing) => `${count} ${thing}${count === 1 ? "" : "s"}`;

/** With its full stop. @param {string} text */
export const sentence = (text) => (/[.!?…]$/.test(text) ? text : `${text}.`);
