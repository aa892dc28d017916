/**
 * What tabs and the owner of the shared socket say to each other. They may be of different releases of the site, so the
 * owner is looked up by this version too.
 */
export const VERSION = 1;

/**
 * Where a tab may go on: everything it wants up to there has been posted to it. `turn` is the last wish of the tab that
 * this takes into account. Null while something from before is still to come.
 * @typedef {{at: import("./protocol.js").Position, turn: number} | null} Reached
 */

/**
 * Events of these patterns from a position on.
 * @typedef {{patterns: string[], since: import("./protocol.js").Position}} Need
 */

/**
 * A tab introduces itself. `fresh`: the page was just opened, which counts as asking for a connection; `state` is what
 * it was told last, so that a new owner does not undo what only a person may undo.
 * @typedef {object} Hello
 * @property {"hello"} kind
 * @property {string} url
 * @property {string} client
 * @property {number | null} userId
 * @property {import("./protocol.js").Position | null} position
 * @property {string[]} patterns
 * @property {Need[]} needs
 * @property {number} turn
 * @property {boolean} fresh
 * @property {import("./state.js").State} state
 */

/**
 * @typedef {(
 *   | Hello
 *   | {kind: "want", turn: number, patterns: string[], need: Need | null}
 *   | {kind: "command", ref: number, name: string, data: Record<string, unknown>, timeoutMs: number}
 *   | {kind: "reconnect"}
 *   | {kind: "check"}
 *   | {kind: "here"}
 *   | {kind: "leave"}
 * )} ToOwner
 */

/**
 * @typedef {{code: string, message: string, details: Record<string, any>, help: string}} PlainError
 * @typedef {(
 *   | {kind: "owner"}
 *   | {kind: "here"}
 *   | {kind: "state", state: import("./state.js").State, reached: Reached}
 *   | {kind: "events", events: import("./protocol.js").RealtimeEvent[], reached: Reached}
 *   | {kind: "resync", reason: string}
 *   | {kind: "gap", gap: import("./protocol.js").Gap}
 *   | {kind: "notice", notice: import("./protocol.js").Notice}
 *   | {kind: "answer", ref: number, data: any}
 *   | {kind: "refusal", ref: number, error: PlainError}
 * )} ToTab
 */
