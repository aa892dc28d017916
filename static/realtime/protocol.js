/**
 * The wire protocol, version 1, as a client speaks it: the shapes of the frames, how to build the ones that are sent,
 * and what a close code asks for. Names of events are not here: the server generates them into `catalogue.js`.
 */

/**
 * A place in the log of durable events; `position` counts within an `epoch`.
 * @typedef {{epoch: string, position: number}} Position
 */

/**
 * @typedef {object} RealtimeEvent
 * @property {"event"} type
 * @property {string} event_type
 * @property {string} id
 * @property {number | null} [position] place in the log; absent for flow events, which pass by only once
 * @property {number} [upto] everything for this connection up to here has been sent
 * @property {string} category
 * @property {"critical" | "high" | "normal" | "low"} priority
 * @property {"info" | "warning" | "error" | "critical"} severity
 * @property {string} timestamp
 * @property {{id: number, username: string} | null} [source_user]
 * @property {string} [trace_id]
 * @property {string[]} [redacted] names of the fields that this user may not see
 * @property {Record<string, any>} data
 */

/**
 * What became of a wish to go on from a position.
 * @typedef {{recovered: true, replayed: number} | {recovered: false, reason: "too_old" | "epoch_changed"}} Resumed
 */

/**
 * @typedef {object} Welcome
 * @property {"welcome"} type
 * @property {number} protocol
 * @property {string} connection_id
 * @property {string} node
 * @property {{id: number, username: string, is_admin: boolean}} user
 * @property {string[]} subscriptions
 * @property {string[]} available
 * @property {Position} resume
 * @property {Resumed | null} resumed
 * @property {number} heartbeat_s
 * @property {string | null} [token_expires_at]
 */

/** @typedef {{type: "batch", events: RealtimeEvent[], upto?: number}} Batch */
/** @typedef {{type: "gap", event_type: string, dropped: number, reason: string}} Gap */
/** @typedef {{type: "notice", code: string, message: string, data?: Record<string, any>}} Notice */
/** @typedef {{type: "ping", n: number, upto?: number}} Ping */
/** @typedef {{type: "pong", id: number}} Pong */
/** @typedef {{type: "bye", code: number, reason: string, retry_in_ms?: number | null}} Bye */
/** @typedef {{type: "response", id: number, data: Record<string, any>}} Answer */
/**
 * @typedef {object} Refusal
 * @property {"error"} type
 * @property {number | null} [id]
 * @property {string} code
 * @property {string} message
 * @property {Record<string, any>} [details]
 * @property {string} [help]
 */
/** @typedef {Welcome | RealtimeEvent | Batch | Gap | Notice | Ping | Pong | Bye | Answer | Refusal} Frame */

export const SUBPROTOCOL = "dnsadmin.v1";

/** The server refused a command, or the connection ended before it answered (`code` "connection_lost", "timeout"). */
export class RealtimeError extends Error {
  /**
   * @param {string} code
   * @param {string} message
   * @param {{details?: Record<string, any>, help?: string}} [more]
   */
  constructor(code, message, { details = {}, help = "" } = {}) {
    super(message);
    this.name = "RealtimeError";
    this.code = code;
    this.details = details;
    this.help = help;
  }
}

/**
 * The subprotocols to offer. The token travels here, not in the address: addresses end up in logs.
 * @param {{client: string, token?: string | null, deflate?: boolean}} options
 * @returns {string[]}
 */
export function subprotocols({ client, token = null, deflate = false }) {
  const offered = [SUBPROTOCOL, `client.${client}`];
  if (token) offered.push(`bearer.${token}`);
  if (deflate) offered.push("feature.deflate");
  return offered;
}

/**
 * @param {string} name
 * @param {number} id
 * @param {Record<string, unknown>} data
 */
export const command = (name, id, data) => ({ type: name, id, data });

/** The answer to the server's ping `n`; confirms all frames before it. @param {number} n */
export const pong = (n) => ({ type: "pong", data: { n } });

/** @param {string | null | undefined} text `<epoch>:<position>` @returns {Position | null} */
export function parsePosition(text) {
  const [, epoch, position] = /^([^:]+):(\d+)$/.exec(text ?? "") ?? [];
  return epoch ? { epoch, position: Number(position) } : null;
}

/** @param {Position} position @returns {string} `<epoch>:<position>` */
export const formatPosition = ({ epoch, position }) => `${epoch}:${position}`;

/** @type {Map<string, RegExp>} */
const patterns = new Map();

/**
 * Whether a subscription pattern (`record_updated`, `zone_*`, `*`) names an event.
 * @param {string} pattern
 * @param {string} eventType
 */
export function matches(pattern, eventType) {
  if (!pattern.includes("*")) return pattern === eventType;
  let expression = patterns.get(pattern);
  if (!expression) {
    const parts = pattern.split("*").map((part) => part.replace(/[.+?^${}()|[\]\\]/g, "\\$&"));
    expression = new RegExp(`^${parts.join(".*")}$`);
    patterns.set(pattern, expression);
  }
  return expression.test(eventType);
}

/** @param {Iterable<string>} wanted @param {string} eventType */
export function matchesAny(wanted, eventType) {
  for (const pattern of wanted) if (matches(pattern, eventType)) return true;
  return false;
}

/** @typedef {"signed_out" | "displaced" | "refused"} FinalState */
/** @typedef {{again: true} | {again: false, state: FinalState, message: string}} Verdict */

/** @type {Record<number, {state: FinalState, message: string}>} */
const FINAL = {
  4501: { state: "signed_out", message: "You are signed out. Sign in again to get live updates." },
  4509: { state: "displaced", message: "Live updates have moved to another window." },
  4510: { state: "refused", message: "Your account gets live updates over the previous system." },
};

/**
 * What a close code asks for: only 4500-4999 say "stay away"; everything else, a broken line included, "come back".
 * @param {number} code
 * @param {string} [reason] why, in the server's words
 * @returns {Verdict}
 */
export function verdict(code, reason = "") {
  if (code < 4500 || code > 4999) return { again: true };
  if (FINAL[code]) return { again: false, ...FINAL[code] };
  const message = reason
    ? `The server ended live updates: ${reason.replace(/\.$/, "")}.`
    : `The server refused this connection (${code}).`;
  return { again: false, state: "refused", message };
}
