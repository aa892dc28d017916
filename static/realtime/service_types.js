/** What a `UnifiedWebSocketService` is told when it is made, and what can be heard of it. */

/** @typedef {import("./protocol.js").Position} Position */

/**
 * @typedef {object} Options
 * @property {string} url address of the endpoint; in a page a relative one will do
 * @property {string} [client] name of this client: there is one connection per user and client name
 * @property {Position | null} [position] where to begin; null is "from now on"
 * @property {(() => Promise<string | null>) | null} [getToken] asked for a fresh token before each connection and
 *   before one expires; without it the session cookie has to do
 * @property {string | null} [eventsUrl] where the log can be read over HTTP, for when no WebSocket gets through
 * @property {typeof globalThis.WebSocket} [WebSocket]
 * @property {Partial<import("./timing.js").Timing>} [timing]
 */

/**
 * What can be heard. `event` tells whether `resume()` brought it back; `resync`: events may be missing, read again what
 * is shown; `gap`: what the server left out; `welcome` comes with the position that was asked for; `settled`: the
 * server now sends what is wanted.
 * @typedef {{
 *   state: [import("./state.js").State],
 *   event: [import("./protocol.js").RealtimeEvent, {replayed: boolean}],
 *   resync: [{reason: string}],
 *   gap: [import("./protocol.js").Gap],
 *   notice: [import("./protocol.js").Notice],
 *   welcome: [import("./protocol.js").Welcome, Position | null],
 *   settled: [ReadonlySet<string>],
 * }} Heard
 */

export {};
