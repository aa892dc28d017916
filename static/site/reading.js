/** Reading again what is shown: every reading comes to an end, and they come one after the other. */

const READ_WITHIN_MS = 30_000;

/** The signal of a reading that begins now. @param {AbortSignal} [earlier] ends it earlier */
export const inTime = (earlier) => AbortSignal.any([AbortSignal.timeout(READ_WITHIN_MS), ...(earlier ? [earlier] : [])]);

/**
 * A page as it is now. Null when the site leads elsewhere or has it no more, as when one is signed out; rejected when the
 * site cannot be reached.
 * @param {string} url
 * @param {AbortSignal} signal
 */
export async function documentAt(url, signal) {
  const response = await fetch(url, { signal, credentials: "same-origin" });
  if (!response.ok || new URL(response.url).pathname !== new URL(url, location.href).pathname) return null;
  return new DOMParser().parseFromString(await response.text(), "text/html");
}

/**
 * Whoever has a reason to read calls what this answers, as often as there are reasons. Those that come while a reading is
 * waited for share it; those that come while one is under way get one more after it. So an older answer never overwrites a
 * newer one, a busy site is not asked again before it has answered, and it is read after the last reason.
 * @param {(signal: AbortSignal) => Promise<unknown>} read
 * @param {number} [gatherMs] how long more reasons are waited for
 * @returns {() => Promise<unknown>} settles as the reading does
 */
export function oneAfterAnother(read, gatherMs = 0) {
  /** @type {Promise<unknown>} */
  let last = Promise.resolve();
  /** @type {Promise<unknown> | null} */
  let coming = null;
  const begin = async () => {
    if (gatherMs) await new Promise((resolve) => setTimeout(resolve, gatherMs));
    coming = null;
    return read(inTime());
  };
  return () => {
    if (coming) return coming;
    coming = last.then(begin);
    last = coming.catch(() => {}); // the next one is read all the same
    return coming;
  };
}
