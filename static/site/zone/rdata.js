/**
 * The content of a record as the fields of its type, and back. The server declares the fields (`zones/rdata.py`) and is the
 * judge; here only the presentation format is taken apart (RFC 1035, section 5.1): words, quoted strings, escapes.
 */

/**
 * @typedef {object} Field
 * @property {string} name
 * @property {string} label
 * @property {string} kind
 * @property {string} help
 * @property {number | null} least
 * @property {number | null} most
 * @property {[string, string][] | null} choices
 * @property {boolean} quoted
 */

const LONGEST_STRING = 255;
const encoder = new TextEncoder();

const STRING = '"(?:[^"\\\\]|\\\\.)*"';
// A string, or a word, which may have a string inside: alpn="h2,h3".
const WORD = new RegExp(`${STRING}|(?:\\\\.|[^\\s"\\\\])(?:${STRING}|\\\\.|[^\\s"\\\\])*`, "gs");

/** The words of a content; strings keep their quotes. Null when quotes do not close. @param {string} content */
function wordsOf(content) {
  const found = content.match(WORD) ?? [];
  return found.join("").replace(/\s/g, "") === content.replace(/\s/g, "") ? [...found] : null;
}

const OPEN_ENDED = ["text", "hex", "base64"];

/** @param {Field[]} fields */
const takesAll = (fields) => fields.length === 1 || (OPEN_ENDED.includes(fields.at(-1)?.kind ?? "") && !fields.at(-1)?.quoted);

/**
 * The values of the fields, or null when the content does not fit them: then it is edited as text.
 * @param {Field[]} fields @param {string} content
 * @returns {string[] | null}
 */
export function apart(fields, content) {
  const words = wordsOf(content);
  if (!words || words.length < fields.length - (takesAll(fields) ? 1 : 0)) return null;
  if (fields.length === 1 && fields[0].quoted) {
    const text = words.map(unquoted);
    return text.some((part) => part === null) ? null : [text.join("")];
  }
  const rest = takesAll(fields) ? words.splice(fields.length - 1).join(" ") : null;
  if (rest !== null) words.push(rest);
  if (words.length !== fields.length) return null;
  const values = words.map((word, index) => (fields[index].quoted ? unquoted(word) : word));
  return values.some((value) => value === null) ? null : /** @type {string[]} */ (values);
}

/** The content that the values make. @param {Field[]} fields @param {string[]} values @returns {string} */
export function together(fields, values) {
  if (fields.length === 1 && fields[0].quoted) return strings(values[0]).map(quoted).join(" ");
  return values
    .map((value, index) => (fields[index].quoted ? quoted(value) : onOneLine(fields[index], value)))
    .filter(Boolean)
    .join(" ");
}

/** What is wrong with the value of one field, or nothing. @param {Field} field @param {string} value @returns {string} */
export function fault({ label, kind, least, most }, value) {
  if (kind === "text" || kind === "choice") return "";
  if (!value.trim()) return `${label} is missing`;
  if (kind !== "integer") return "";
  const number = /^\d+$/.test(value.trim()) ? Number(value) : NaN;
  return number >= (least ?? 0) && number <= (most ?? Infinity) ? "" : `${label} is a whole number from ${least ?? 0} to ${most}`;
}

/** Digests and keys are pasted in lines, which mean nothing. @param {Field} field @param {string} value */
const onOneLine = ({ kind }, value) => value.trim().replace(/\s+/g, kind === "hex" || kind === "base64" ? "" : " ");

/** Text in pieces of at most 255 octets, never within a character. @param {string} text @returns {string[]} */
function strings(text) {
  const pieces = [""];
  let size = 0;
  for (const character of text) {
    const octets = encoder.encode(character).length;
    if (size + octets > LONGEST_STRING) {
      pieces.push("");
      size = 0;
    }
    pieces[pieces.length - 1] += character;
    size += octets;
  }
  return pieces;
}

/** @param {string} text */
export function quoted(text) {
  let written = "";
  for (const octet of encoder.encode(text)) {
    if (octet === 0x22 || octet === 0x5c) written += `\\${String.fromCharCode(octet)}`;
    else if (octet >= 0x20 && octet < 0x7f) written += String.fromCharCode(octet);
    else written += `\\${String(octet).padStart(3, "0")}`;
  }
  return `"${written}"`;
}

/** The text of a word, or null when its octets are not text. @param {string} word @returns {string | null} */
function unquoted(word) {
  const inner = word.startsWith('"') ? word.slice(1, -1) : word;
  /** @type {number[]} */
  const octets = [];
  for (const [part, decimal, escaped] of inner.matchAll(/\\(\d{3})|\\(.)|[^\\]/gsu)) {
    if (decimal !== undefined) octets.push(Number(decimal));
    else octets.push(...encoder.encode(escaped ?? part));
  }
  if (octets.some((octet) => octet > 255 || octet < 32)) return null;
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(new Uint8Array(octets));
  } catch {
    return null;
  }
}
