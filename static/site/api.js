import { seek } from "./dom.js";
import { sentence } from "./words.js";

/** What went wrong with a request, in words for the person; `data` is the problem document (RFC 9457), if there was one. */
export class Problem extends Error {
  /** @param {number} status 0 when there was no answer @param {string} message @param {any} [data] */
  constructor(status, message, data = {}) {
    super(message);
    this.status = status;
    this.data = data;
  }

  /** Messages by field; those of the whole under `""`. @returns {Record<string, string>} */
  get fields() {
    /** @type {Record<string, string>} */
    const fields = {};
    for (const [name, messages] of Object.entries(this.data.errors ?? {})) fields[name] = [fields[name], words(messages)].filter(Boolean).join(" ");
    return fields;
  }

  /** All of it as a sentence: what the message leaves out of those of the fields is said after it. */
  get words() {
    const ofFields = Object.entries(this.data.errors ?? {}).flatMap(([, messages]) => [messages].flat().map(words));
    return sentence([this.message, ...new Set(ofFields.filter((text) => !this.message.includes(text)))].join(" "));
  }
}

/** @param {any} messages @returns {string} */
function words(messages) {
  if (Array.isArray(messages)) return messages.map(words).join(" ");
  return typeof messages === "object" && messages ? String(messages.message ?? JSON.stringify(messages)) : String(messages);
}

const WITHOUT_ANSWER = "The site cannot be reached.";

const SIGNED_OUT = "You are signed out. Sign in in another tab, then try again here.";

/** Where the answer has no words of its own. @type {Record<number, string>} */
const BY_STATUS = {
  403: "You may not do this, or you have been signed out.",
  404: "It is not there any more, or you may not see it.",
  429: "Too many requests in a short time. Wait a moment, then try again.",
};

/** @param {number} octets @returns {string} in hexadecimal digits */
const random = (octets) => Array.from(crypto.getRandomValues(new Uint8Array(octets)), (octet) => octet.toString(16).padStart(2, "0")).join("");

/** What a request can be known by in the events that it causes (W3C Trace Context). */
export const newTrace = () => random(16);

/** The address of a zone in the API. @param {string} zone @param {string} [rest] */
export const zoneUrl = (zone, rest = "") => `/api/zones/${encodeURIComponent(zone)}/${rest}`;

/**
 * Ask the API. The session says who we are; writes carry the token against forged requests.
 * @param {string} method
 * @param {string} path
 * @param {any} [data] sent as JSON, or as it is when it is a form, a file or text with `type`
 * @param {{type?: string, signal?: AbortSignal, trace?: string}} [options] trace: what the events that it causes carry
 * @returns {Promise<any>} the answer's JSON, or null; rejected with `Problem`
 */
export async function request(method, path, data, { type, signal, trace } = {}) {
  const token = /** @type {HTMLInputElement | null} */ (seek("[name=csrfmiddlewaretoken]"))?.value ?? "";
  /** @type {Record<string, string>} */
  const headers = { Accept: "application/json", "X-CSRFToken": token };
  let body = data;
  if (trace) headers.traceparent = `00-${trace}-${random(8)}-01`;
  if (type) headers["Content-Type"] = type;
  else if (data !== undefined && !(data instanceof FormData)) {
    headers["Content-Type"] = "application/json";
    body = JSON.stringify(data);
  }
  const response = await fetch(path, { method, headers, body, signal, credentials: "same-origin" }).catch((error) => {
    if (error.name === "AbortError") throw error;
    throw new Problem(0, WITHOUT_ANSWER);
  });
  const json = (response.headers.get("Content-Type") ?? "").includes("json");
  const answer = json ? await response.json().catch(() => null) : null;
  if (response.ok) return answer;
  const known = response.status === 401 ? SIGNED_OUT : answer?.detail || answer?.title || BY_STATUS[response.status];
  throw new Problem(response.status, known || `The site answered ${response.status}.`, answer ?? {});
}

export const get = (/** @type {string} */ path, /** @type {{signal?: AbortSignal}} */ options = {}) =>
  request("GET", path, undefined, options);
export const post = (/** @type {string} */ path, /** @type {any} */ data, /** @type {{trace?: string}} */ options = {}) =>
  request("POST", path, data, options);

/**
 * Save changes of one zone as one change set.
 * @param {string} zone
 * @param {any[]} changes `{op, id?, version?, …fields}`
 * @returns {Promise<any>} the change set
 */
export const change = (zone, changes) => post(zoneUrl(zone, "changes/"), { changes, comment: "" });
