import { element, find, seek } from "../dom.js";
import { control } from "../form.js";
import { head } from "./here.js";
import { apart, fault, together } from "./rdata.js";

/** @typedef {import("./rdata.js").Field} Field */
/** @typedef {{name: string, label: string, help: string, example: string, fields: Field[]}} RecordType */
/** @typedef {{name: string, type: string, ttl: string, content: string, comment: string, private: boolean, asText?: boolean}} Typed */

const OTHER = "other";

/** What stands in the inputs of a new record. @type {Typed} */
export const EMPTY = { name: "", type: head.dataset.usualType ?? "A", ttl: "", content: "", comment: "", private: false };

let count = 0;

/**
 * The inputs of one record: name, type, TTL and comment; and its content by the fields of its type, or as text where it does
 * not fit them, where the type is none that is declared, or where that is asked for.
 */
export class Inputs {
  /** Values of fields that are not edited. @type {Map<string, string>} */
  #hidden = new Map();
  #id = `edit-${++count}`;
  #form;
  #types;
  #own;
  #retyped;

  /**
   * @param {HTMLFormElement} form where they are put
   * @param {RecordType[]} types @param {string} own the type of a record that is there already, which stays; empty for a new one
   * @param {() => void} retyped another type was chosen
   */
  constructor(form, types, own, retyped) {
    this.#form = form;
    this.#types = types;
    this.#own = own;
    this.#retyped = retyped;
    const names = types.map(({ name }) => name);
    if (own && !names.includes(own)) names.push(own);
    form.append(
      element("div", { class: "inputs" },
        this.#field("name", "Name", { class: "name-field", placeholder: "@", autocapitalize: "none" }),
        this.#field("type", "Type", { class: "type-field" },
          element("select", { disabled: own !== "", onchange: () => this.#retype() },
            ...names.map((name) => element("option", {}, name)), element("option", { value: OTHER }, "Other …"))),
        this.#field("ttl", "TTL", { class: "ttl-field", inputmode: "numeric", placeholder: own ? "" : "auto" }),
        element("div", { class: "inputs part-list grow" })),
      element("div", { class: "inputs" },
        this.#field("comment", "Comment", { class: "comment-field" }),
        element("label", { class: "check" }, element("input", { type: "checkbox", name: "private" }), "Comment for editors only")));
    this.toggle = element("button", { type: "button", class: "quiet", "data-as-text": true });
    this.help = element("p", { class: "help soft small", "data-help": true });
  }

  /** A name is seldom what one comes to change. */
  focus() {
    (this.#own ? seek(".part input, .part textarea, .part select", this.#form) : control(this.#form, "name"))?.focus();
  }

  /** What stands in them now. @returns {Typed} */
  get typed() {
    const value = (/** @type {string} */ name) => control(this.#form, name).value;
    const type = value("type").trim();
    const asText = Boolean(seek("[name=content]", this.#form));
    const fields = this.#fields(type);
    const parts = () => fields.map((field) => this.#part(field)?.value ?? this.#hidden.get(field.name) ?? "");
    return {
      name: value("name").trim(),
      type: type === OTHER ? type : type.toUpperCase(),
      ttl: value("ttl").trim(),
      content: asText ? value("content").trim() : together(fields, parts()),
      comment: value("comment"),
      private: /** @type {HTMLInputElement} */ (control(this.#form, "private")).checked,
      asText,
    };
  }

  /** @param {Typed} typed */
  fill(typed) {
    if (!this.#fields(typed.type).length && !this.#own) this.#typeByHand(typed.type);
    for (const name of /** @type {("name" | "type" | "ttl" | "comment")[]} */ (["name", "type", "ttl", "comment"])) this.put(name, typed[name] ?? "");
    /** @type {HTMLInputElement} */ (control(this.#form, "private")).checked = Boolean(typed.private);
    this.#fillContent(typed.type, typed.content, Boolean(typed.asText));
  }

  /** One of them alone, so that the others keep the cursor. @param {string} name @param {string} value */
  put(name, value) {
    if (name !== "content") control(this.#form, name).value = value;
    else this.#fillContent(this.typed.type, value, Boolean(this.typed.asText));
  }

  /** By fields or as text, the other way round. Returns whether that was possible: not all text fits the fields. */
  turn() {
    const { type, content, asText } = this.typed;
    this.#fillContent(type, content, !asText);
    return !asText || !seek("[name=content]", this.#form);
  }

  /** What the single fields show by themselves to be wrong; of the whole the server is the judge. @returns {Record<string, string>} */
  get faults() {
    const { type, asText } = this.typed;
    const found = asText ? [] : this.#fields(type).map((field) => [nameOf(field), this.#part(field) ? fault(field, this.#part(field)?.value ?? "") : ""]);
    return Object.fromEntries(found.filter(([, text]) => text));
  }

  /** Problems by input: what is wrong with the content as a whole is said at the first of its fields. @param {Record<string, string>} fields */
  placed({ content, ...others }) {
    const first = seek(".part [data-problem-of]", this.#form)?.dataset.problemOf ?? "content";
    return content ? { ...others, [first]: [others[first], content].filter(Boolean).join(" ") } : others;
  }

  /** @param {string} type @returns {Field[]} */
  #fields(type) {
    return this.#declared(type)?.fields ?? [];
  }

  /** @param {string} type */
  #declared(type) {
    return this.#types.find(({ name }) => name === type);
  }

  /** @param {Field} field @returns {HTMLInputElement | null} */
  #part(field) {
    return /** @type {HTMLInputElement | null} */ (seek(`[name=${nameOf(field)}]`, this.#form));
  }

  /** @param {string} name @param {string} label @param {Record<string, any>} attributes @param {HTMLElement} [input] */
  #field(name, label, { class: kind = "", help = "", ...attributes }, input) {
    const id = `${this.#id}-${name}`;
    const made = input ?? element("input", { autocomplete: "off", spellcheck: "false", ...attributes });
    made.id = id;
    made.setAttribute("name", name);
    made.setAttribute("aria-describedby", help ? `${id}-help ${id}-problem` : `${id}-problem`);
    return element("div", { class: `field ${kind}` },
      element("label", { for: id }, label), made,
      help && element("p", { class: "help soft small", id: `${id}-help` }, help),
      element("p", { class: "problem", id: `${id}-problem`, "data-problem-of": name }));
  }

  /** @param {string} type @param {string} content @param {boolean} asText */
  #fillContent(type, content, asText) {
    const fields = this.#fields(type);
    const values = content ? apart(fields, content) : fields.map(() => "");
    const text = asText || !fields.length || values === null;
    const list = find(".part-list", this.#form);
    this.#hidden.clear();
    if (text) list.replaceChildren(this.#field("content", "Content", { class: "part text" }, element("textarea", { rows: 2, spellcheck: "false" })));
    else list.replaceChildren(...fields.flatMap((field, index) => this.#partField(type, field, values?.[index] ?? "")));
    if (text) control(this.#form, "content").value = content;
    this.#showExample(type);
    const declared = this.#declared(type);
    this.help.textContent = declared
      ? `${declared.help} For example ${declared.example}` : "Content as text, or octets in the form for any type (RFC 3597): \\# 2 abcd";
    this.toggle.textContent = text ? "Edit by fields" : "Edit as text";
    this.toggle.hidden = !fields.length;
  }

  /** @param {string} type @param {Field} field @param {string} value @returns {HTMLElement[]} */
  #partField(type, field, value) {
    if (type === "SOA" && field.name === "serial") {
      this.#hidden.set("serial", value || "0");
      return [];
    }
    const { choices } = field;
    /** @type {any} */
    let input;
    if (choices) {
      const known = new Map(value ? [...choices, [value, new Map(choices).get(value) ?? ""]] : choices);
      input = element("select", {}, ...[...known].map(([choice, meaning]) =>
        element("option", { value: choice }, meaning ? `${choice} – ${meaning}` : choice)));
    } else if (takesLines(field, this.#fields(type))) input = element("textarea", { rows: value.length > 80 ? 3 : 1, spellcheck: "false" });
    const whole = field.kind === "integer" ? { inputmode: "numeric" } : { autocapitalize: "none" };
    const made = this.#field(nameOf(field), field.label, { class: `part ${field.kind}`, help: field.help, ...whole }, input);
    control(made, nameOf(field)).value = value || (choices?.[0][0] ?? "");
    return [made];
  }

  /** An empty field shows what the example of the type has there. @param {string} type */
  #showExample(type) {
    const declared = this.#declared(type);
    const values = declared && apart(declared.fields, declared.example);
    for (const [index, field] of (declared?.fields ?? []).entries()) this.#part(field)?.setAttribute("placeholder", values?.[index] ?? "");
  }

  #retype() {
    const { type, asText } = this.typed;
    if (type === OTHER) this.#typeByHand("TYPE");
    this.#fillContent(type, "", Boolean(asText));
    this.#retyped();
  }

  /** Types that nobody has declared are named by hand, and their content is text (RFC 3597). @param {string} type */
  #typeByHand(type) {
    const select = control(this.#form, "type");
    const input = element("input", { name: "type", value: type, autocomplete: "off", spellcheck: "false", autocapitalize: "characters",
      "aria-describedby": select.getAttribute("aria-describedby") ?? "" });
    input.id = select.id;
    input.addEventListener("change", () => this.#fields(this.typed.type).length && this.#fillContent(this.typed.type, this.typed.content, false));
    select.replaceWith(input);
    input.focus();
  }
}

/** @param {Field} field */
const nameOf = ({ name }) => `part-${name}`;

/** Whether a value may take several lines: keys, digests, and text that is all of the content or has no end of its own.
 * @param {Field} field @param {Field[]} fields */
const takesLines = ({ kind, quoted }, fields) => kind === "hex" || kind === "base64" || (kind === "text" && (!quoted || fields.length === 1));
