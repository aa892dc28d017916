import { find } from "./dom.js";
import { age } from "./clock.js";
import { service } from "./live.js";
import { alarm, say } from "./saying.js";
import { toast } from "./toasts.js";

/** The badge: how the connection is, in a shape and words, how old the newest data is, and what one can do. */

/** @typedef {import("../realtime/state.js").State} State */
/** @typedef {{words: string, act?: string, alarm?: string}} Telling */

const signIn = () => location.assign(`/accounts/login/?next=${encodeURIComponent(location.pathname + location.search)}`);

/** @type {Record<string, (state: State) => Telling>} */
const TELLINGS = {
  connecting: () => ({ words: "Connecting" }),
  live: () => ({ words: "Live" }),
  polling: () => ({ words: "Live, every few seconds" }),
  reconnecting: ({ retryInS }) => ({
    words: retryInS ? `Reconnecting in ${Math.ceil(retryInS)} s` : "Reconnecting",
    act: retryInS ? "Now" : undefined,
  }),
  offline: () => ({ words: "Offline", act: "Reconnect", alarm: "The connection is lost. What you see may be out of date." }),
  displaced: () => ({ words: "Moved to another window", act: "Resume here", alarm: "Live changes have moved to another window." }),
  paused: () => ({ words: "Paused", act: "Resume" }),
  signed_out: () => ({ words: "Signed out", act: "Sign in", alarm: "You are signed out. What you typed is kept on this page." }),
  refused: ({ message }) => ({ words: "No live changes", act: "Try again", alarm: `No live changes. ${message}` }),
};

const badge = find("#connection");
const words = find(".state", badge);
const button = find("button", badge);
const newest = find(".age", badge);
/** @type {State} */
let state = service.state;
let told = "";

/** @param {State} next */
function show(next) {
  const before = state.name;
  state = next;
  const telling = (TELLINGS[state.name] ?? TELLINGS.refused)(state);
  words.dataset.state = state.name === "polling" ? "live" : state.name;
  if (words.textContent !== telling.words) words.textContent = telling.words;
  button.hidden = !telling.act;
  button.textContent = telling.act ?? "";
  badge.title = state.message;
  if (telling.alarm && telling.words !== told) alarm([telling.alarm, state.message].filter(Boolean).join(" "));
  if (told && state.name === "live" && before !== "live") say("Live again.");
  if (telling.alarm) told = telling.words;
  else if (state.name === "live") told = "";
  showAge();
}

function showAge() {
  const fresh = state.name === "live" || state.name === "polling";
  const at = fresh ? state.lastEventAt : (state.lastHeardAt ?? state.lastEventAt);
  const ago = at ? age((Date.now() - at) / 1000) || "over a week ago" : "";
  const text = fresh ? (ago ? `newest ${ago}` : "nothing new yet") : ago ? `as of ${ago}` : "";
  if (newest.textContent !== text) newest.textContent = text;
}

button.addEventListener("click", () => (state.name === "signed_out" ? signIn() : service.reconnect()));
service.onState(show);
service.onNotice(({ code, message }) => code === "message" && toast(`An administrator: ${message}`, { bad: true }));
setInterval(showAge, 5000);
