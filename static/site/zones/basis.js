import { Problem } from "../api.js";
import { element, seek } from "../dom.js";
import { events } from "../live.js";
import { alarm } from "../saying.js";

/**
 * What a shown difference is based on: the newest change of each zone when it was made. What somebody changes after that is
 * said beside it, at once; the server refuses to carry out what is outdated, and then the difference is shown as it is now.
 */
export class Basis {
  /** @type {Record<string, number>} */
  #newest = {};
  #place;
  #look;

  /** @param {HTMLElement} place where the difference is shown @param {() => Promise<void>} look shows it anew */
  constructor(place, look) {
    this.#place = place;
    this.#look = look;
    events.on(["change_set_applied", "change_set_reverted"], (/** @type {any} */ { data, source_user: user }) => {
      if (!(data.change_set > this.#newest[data.zone])) return;
      this.#say(`${user?.username ?? "The system"} has changed ${data.zone} since the difference was made.`,
        element("button", { type: "button", onclick: () => this.#look().catch(({ message }) => this.#say(message)) }, "Show it again"));
    });
  }

  /** @param {Record<string, number>} newest by zone; of none when nothing is shown */
  set(newest) {
    this.#newest = newest;
  }

  /** Do what is shown, if it still is what would happen. @param {(newest: Record<string, number>) => Promise<void>} send */
  async carryOut(send) {
    const newest = this.#newest;
    this.#newest = {}; // what is heard from now on may be our own change
    try {
      await send(newest);
    } catch (error) {
      const { data, message } = /** @type {Problem} */ (error);
      if (data?.code !== "outdated") throw error;
      await this.#look();
      this.#say(`${message} This is the difference now.`);
    }
  }

  /** @param {string} words @param {HTMLElement} [button] */
  #say(words, button) {
    seek("[data-outdated]", this.#place)?.remove();
    (seek(".stack", this.#place) ?? this.#place).prepend(element("p", { class: "note wait row", "data-outdated": true }, element("span", {}, words), button));
    alarm(words);
  }
}
