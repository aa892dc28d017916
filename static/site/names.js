/**
 * Internationalised names as people read them. Events carry names as DNS has them (A-labels); the server shows the same of its
 * own rows (`readable` in `zones/names.py`).
 */

const [LOWEST, HIGHEST, DIGITS] = [1, 26, 36];

/** @param {string} name its labels that do not decode stay as they are @returns {string} */
export const readable = (name) => name.split(".").map((label) => (label.startsWith("xn--") ? (decoded(label.slice(4)) ?? label) : label)).join(".");

/** What IDNA allows in a label, near enough: no signs that are not seen, and nothing that has another way of being written. @param {string} label */
const allowed = (label) => /^[\p{L}\p{M}\p{N}·-]+$/u.test(label) && label === label.toLowerCase().normalize("NFC");

/** Punycode (RFC 3492, 6.2). @param {string} text @returns {string | undefined} */
function decoded(text) {
  const border = text.lastIndexOf("-");
  const shown = border > 0 ? [...text.slice(0, border)] : [];
  let [point, index, bias] = [128, 0, 72];
  for (let at = border > 0 ? border + 1 : 0; at < text.length; ) {
    const before = index;
    for (let weight = 1, step = DIGITS; ; step += DIGITS) {
      const digit = "abcdefghijklmnopqrstuvwxyz0123456789".indexOf(text[at++] ?? "?");
      if (digit < 0) return undefined;
      index += digit * weight;
      const least = Math.min(Math.max(step - bias, LOWEST), HIGHEST);
      if (digit < least) break;
      weight *= DIGITS - least;
    }
    const length = shown.length + 1;
    bias = adapted(index - before, length, before === 0);
    point += Math.floor(index / length);
    index %= length;
    if (point > 0x10ffff) return undefined;
    shown.splice(index++, 0, String.fromCodePoint(point));
  }
  const label = shown.join("");
  return allowed(label) ? label : undefined;
}

/** The bias after a code point (RFC 3492, 6.1). @param {number} delta @param {number} length @param {boolean} first */
function adapted(delta, length, first) {
  let rest = Math.floor(delta / (first ? 700 : 2));
  rest += Math.floor(rest / length);
  let bias = 0;
  for (; rest > 455; bias += DIGITS) rest = Math.floor(rest / 35);
  return bias + Math.floor((36 * rest) / (rest + 38));
}
