/**
 * Turns what a WebSocket receives into frames, in the order of arrival: text is JSON, binary is the raw deflate of JSON
 * (RFC 1951). Inflating takes a moment, so whatever arrives meanwhile waits behind it.
 */

/** @returns {boolean} whether this browser can read compressed frames */
export function canInflate() {
  try {
    return Boolean(new DecompressionStream("deflate-raw"));
  } catch {
    return false;
  }
}

/** @param {ArrayBuffer} bytes @returns {Promise<string>} */
function inflate(bytes) {
  const plain = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate-raw"));
  return new Response(plain).text();
}

export class FrameReader {
  #onFrame;
  #onBroken;
  /** @type {Promise<void>} */
  #tail = Promise.resolve();
  #waiting = 0;

  /**
   * @param {(frame: import("./protocol.js").Frame) => void} onFrame
   * @param {(error: unknown) => void} onBroken called for data that is no frame
   */
  constructor(onFrame, onBroken) {
    this.#onFrame = onFrame;
    this.#onBroken = onBroken;
  }

  /** @param {string | ArrayBuffer} data */
  read(data) {
    if (typeof data === "string" && this.#waiting === 0) {
      this.#parse(data);
      return;
    }
    this.#waiting += 1;
    const text = typeof data === "string" ? data : inflate(data);
    this.#tail = this.#tail
      .then(async () => this.#parse(await text))
      .catch(this.#onBroken)
      .finally(() => (this.#waiting -= 1));
  }

  /** @param {string} text */
  #parse(text) {
    let frame;
    try {
      frame = JSON.parse(text);
    } catch (error) {
      this.#onBroken(error);
      return;
    }
    this.#onFrame(frame);
  }
}
