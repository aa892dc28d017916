import { RealtimeError } from "./protocol.js";

/** @typedef {"connecting" | "live" | "polling" | "reconnecting" | "offline" | "paused"} PassingState */

/**
 * @typedef {object} State
 * @property {PassingState | import("./protocol.js").FinalState} name
 * @property {number | null} retryInS seconds to the next attempt, counting down; null while trying, and otherwise
 * @property {number} attempt failed attempts since it was live
 * @property {string} message what to tell the person, in a sentence; may be empty
 * @property {number | null} code the close code that led here
 * @property {number | null} lastEventAt when the newest event arrived (milliseconds since 1970)
 * @property {number | null} lastHeardAt when the server was last heard of
 * @property {{id: number, username: string, is_admin: boolean} | null} user as the server knows us
 */

/** @type {Readonly<State>} */
export const INITIAL_STATE = Object.freeze({
  name: "paused",
  retryInS: null,
  attempt: 0,
  message: "",
  code: null,
  lastEventAt: null,
  lastHeardAt: null,
  user: null,
});

/** States that only a person ends. @param {State} state */
export const isFinal = ({ name }) => name === "displaced" || name === "signed_out" || name === "refused";

/**
 * @param {{state: State, on: (name: "state", listener: (state: State) => void) => () => void}} service
 * @param {number} timeoutMs
 * @returns {Promise<void>} when it is live; rejected with `RealtimeError` when it will not be, or not in time
 */
export function whenLive(service, timeoutMs) {
  return new Promise((resolve, reject) => {
    const look = (/** @type {State} */ state) => {
      if (state.name === "live") settle(resolve);
      else if (isFinal(state) || state.name === "paused") settle(refuse);
    };
    const refuse = () => reject(new RealtimeError("not_connected", "There is no connection to the server."));
    const timer = setTimeout(() => settle(refuse), timeoutMs);
    const undo = service.on("state", look);
    const settle = (/** @type {() => void} */ outcome) => {
      clearTimeout(timer);
      undo();
      outcome();
    };
    look(service.state);
  });
}
