/** Waits and limits of a connection; tests shorten them. */
export const TIMING = Object.freeze({
  baseMs: 500, // first limit of the back-off, and
  capMs: 20_000, // its last
  stableMs: 10_000, // a connection that lived this long starts the back-off afresh
  openMs: 15_000, // from opening to welcome
  patienceMs: 8_000, // for the answer to our own ping
  commandMs: 10_000, // for the answer to a command
  resumeMs: 60_000, // for all of a replay to arrive
  pollMs: 5_000, // between two looks over HTTP, and
  pollAfter: 3, // failed attempts until they begin
  offlineAfter: 6, // failed attempts until we call it offline, and go on trying
});

/** @typedef {{-readonly [Key in keyof typeof TIMING]: number}} Timing */
