const AGAIN_MS = 3000;

/**
 * Whether this page can reach the server. The browser's word that it is offline is taken as a reason to look, not as an
 * answer: it knows of network interfaces, not of servers, and says "offline" also while a server on this machine
 * answers.
 */
export class Reach {
  #url;
  #onChange;
  #reached = true;
  #looking = false;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;
  #undo;

  /** @param {string} url something small that anybody may get @param {(reached: boolean) => void} onChange */
  constructor(url, onChange) {
    this.#url = url;
    this.#onChange = onChange;
    const look = () => void this.look();
    const target = globalThis.window;
    for (const name of ["offline", "online"]) target?.addEventListener(name, look);
    this.#undo = () => {
      for (const name of ["offline", "online"]) target?.removeEventListener(name, look);
    };
  }

  /** Look now; and again until the server is reached. */
  async look() {
    if (this.#looking) return;
    this.#looking = true;
    clearTimeout(this.#timer);
    const reached = await this.#answers();
    this.#looking = false;
    if (!reached) this.#timer = setTimeout(() => this.look(), AGAIN_MS);
    if (reached === this.#reached) return;
    this.#reached = reached;
    this.#onChange(reached);
  }

  stop() {
    clearTimeout(this.#timer);
    this.#undo();
  }

  /** Any answer will do, an error as well. */
  async #answers() {
    try {
      await fetch(this.#url, {
        method: "HEAD",
        mode: "no-cors",
        cache: "no-store",
        signal: AbortSignal.timeout(AGAIN_MS),
      });
      return true;
    } catch {
      return false;
    }
  }
}
