/**
 * The position to go on from after a break. While a resume is under way nothing moves it: what arrives then may have
 * been sent before the server heard of it, and says nothing about what is still to be sent again.
 */
export class Bookmark {
  /** @type {import("./protocol.js").Position | null} */
  #position;
  #held = false;

  /** @param {import("./protocol.js").Position | null} position */
  constructor(position) {
    this.#position = position;
  }

  get position() {
    return this.#position;
  }

  hold() {
    this.#held = true;
  }

  release() {
    this.#held = false;
  }

  /** Start again from here. @param {import("./protocol.js").Position} position */
  set(position) {
    this.#position = { epoch: position.epoch, position: position.position };
  }

  /** Everything up to here has arrived. @param {number | undefined} upto */
  move(upto) {
    if (this.#held || !this.#position || typeof upto !== "number" || upto <= this.#position.position) return;
    this.#position = { epoch: this.#position.epoch, position: upto };
  }
}
