/**
 * How the owner of the socket learns that a tab is gone, however it went: each tab holds a lock of its own for as long
 * as it lives, and the owner waits in line for it (Web Locks). Where there are no locks (plain HTTP) the owner goes by
 * the tab's regular questions instead.
 */

/** @param {string} tab */
const lockName = (tab) => `dnsadmin-tab-${tab}`;

/** Show that a tab lives. @param {string} tab @returns {() => void} ends it */
export function showLife(tab) {
  let end = () => {};
  const life = new Promise((resolve) => (end = () => resolve(undefined)));
  globalThis.navigator?.locks?.request(lockName(tab), () => life).catch(() => {});
  return end;
}

const LOOK_MS = 30_000;
const GONE_MS = 150_000; // hidden tabs get to run their timers once a minute

/**
 * Watch for tabs to go.
 * @param {string} tab
 * @param {() => void} gone
 * @param {() => number} lastSeen when it was heard of (milliseconds since 1970)
 */
export function watchLife(tab, gone, lastSeen) {
  const locks = globalThis.navigator?.locks;
  if (locks) {
    // A little later, so that the tab is first in line.
    setTimeout(() => locks.request(lockName(tab), gone).catch(() => {}), 1000);
    return;
  }
  const timer = setInterval(() => {
    if (Date.now() - lastSeen() < GONE_MS) return;
    clearInterval(timer);
    gone();
  }, LOOK_MS);
}
