/** Wait until something is so. @template T @param {() => T} look @returns {Promise<NonNullable<T>>} */
export async function until(look, what = look.toString(), timeoutMs = 20_000) {
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    const seen = look();
    if (seen) return seen;
    if (performance.now() > deadline) throw new Error(`in ${timeoutMs} ms it never came true: ${what}`);
    await pause(5);
  }
}

/** @param {number} ms */
export const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
