/** News is marked for a while, then fades. Short, because many rows may be new at once and each frame of a fade costs. */

const MARKED_MS = 10_000;
const FADING_MS = 1500;
let count = 0;

/**
 * @param {HTMLElement} row
 * @param {string} kind `updated`, `created`, `deleted` or `new`; the style sheet decides how it looks
 * @param {() => void} [faded] when the mark is gone, unless there is newer news
 */
export function markNews(row, kind, faded = () => {}) {
  const mark = String(++count);
  delete row.dataset.leaving;
  Object.assign(row.dataset, { news: kind, mark });
  const still = () => row.isConnected && row.dataset.mark === mark;
  setTimeout(() => {
    if (still()) row.dataset.leaving = "";
  }, MARKED_MS);
  setTimeout(() => {
    if (!still()) return;
    for (const name of ["news", "mark", "leaving"]) delete row.dataset[name];
    faded();
  }, MARKED_MS + FADING_MS);
}
