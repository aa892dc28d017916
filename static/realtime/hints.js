/**
 * Signs that a connection may have died, or may now be possible again: the network came or went, the page was looked at
 * again, or came back from the back/forward cache. Works in pages and in workers, which have only some of them.
 * @param {() => void} check
 * @returns {() => void} the undo
 */
export function watchHints(check) {
  /** @type {[EventTarget | undefined, string][]} */
  const hints = [
    [globalThis.window ?? globalThis, "online"],
    [globalThis.window ?? globalThis, "offline"],
    [globalThis.window, "pageshow"],
    [globalThis.document, "visibilitychange"],
  ];
  const heard = () => globalThis.document?.visibilityState === "hidden" || check();
  for (const [target, name] of hints) target?.addEventListener?.(name, heard);
  return () => {
    for (const [target, name] of hints) target?.removeEventListener?.(name, heard);
  };
}
