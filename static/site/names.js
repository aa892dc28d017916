import { decode } from "/static/punycode/punycode.es6.js";

/**
 * Internationalised names as people read them. Events carry names as DNS has them, in A-labels; the server shows the same of
 * its own rows (`readable` in `zones/names.py`, which says why).
 */

const A_LABEL = /^xn--(?!-)[a-z0-9-]+$/;
const PLAIN = /^(?!\p{M})[\p{L}\p{M}\p{Nd}-]+$/u;
const ASCII = /^\p{ASCII}*$/u;
const UNSEEN = /[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180d\u180f\ufe00-\ufe0f\u{e0100}-\u{e01ef}]/u;

/** @param {string} name labels that do not decode, or to what is no plain word, stay as they are @returns {string} */
export const readable = (name) => name.split(".").map(read).join(".");

/** @param {string} label */
function read(label) {
  if (!A_LABEL.test(label)) return label;
  try {
    const shown = decode(label.slice(4));
    return plain(shown) ? shown : label;
  } catch {
    return label;
  }
}

/** @param {string} shown */
const plain = (shown) =>
  PLAIN.test(shown.replaceAll("l·l", "ll")) && !ASCII.test(shown) && !UNSEEN.test(shown) && shown === shown.normalize("NFKC").toLowerCase();
