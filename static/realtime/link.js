import { FrameReader } from "./frame_reader.js";
import { Heartbeat } from "./heartbeat.js";
import { PendingCommands } from "./pending_commands.js";
import { RealtimeError, command, pong } from "./protocol.js";

/**
 * How a connection ended. `retryInMs` is the wait that the server asked for; `message` its refusal, and `reason`
 * its last words, if any.
 * @typedef {{code: number, retryInMs: number | null, message: string, reason: string, welcomedForMs: number}} Ending
 */

/** One WebSocket connection from its opening to its end, which comes exactly once. Knows frames, not what they mean. */
export class Link {
  #socket;
  #on;
  #patienceMs;
  #reader;
  #commands = new PendingCommands();
  /** @type {Heartbeat | null} */
  #heartbeat = null;
  /** @type {ReturnType<typeof setTimeout>} */
  #openTimer;
  /** @type {import("./protocol.js").Bye | null} */
  #bye = null;
  /** @type {import("./protocol.js").Refusal | null} */
  #refusal = null;
  #welcomedAt = 0;
  #ended = false;

  /**
   * @param {WebSocket} socket
   * @param {{frame: (frame: import("./protocol.js").Frame) => void, end: (ending: Ending) => void}} on
   * @param {{openMs: number, patienceMs: number}} timing
   */
  constructor(socket, on, { openMs, patienceMs }) {
    this.#socket = socket;
    this.#on = on;
    this.#patienceMs = patienceMs;
    this.#reader = new FrameReader(
      (frame) => this.#ended || this.#receive(frame),
      () => this.end(1007),
    );
    this.#openTimer = setTimeout(() => this.end(1006), openMs);
    socket.binaryType = "arraybuffer";
    socket.onmessage = ({ data }) => {
      this.#heartbeat?.heard();
      this.#reader.read(data);
    };
    socket.onclose = ({ code }) => this.end(code);
  }

  /** Send a command. @param {string} name @param {Record<string, unknown>} data @param {number} timeoutMs */
  request(name, data, timeoutMs) {
    const { id, answer } = this.#commands.add(timeoutMs);
    this.#send(command(name, id, data));
    return answer;
  }

  /** Find out now whether the other side is still there. */
  check() {
    this.#heartbeat?.check(this.#patienceMs / 2);
  }

  /** End it from this side, without waiting for a peer that may no longer be there. @param {number} code */
  end(code) {
    if (this.#ended) return;
    this.#ended = true;
    clearTimeout(this.#openTimer);
    this.#heartbeat?.stop();
    this.#socket.onmessage = this.#socket.onclose = null;
    this.#socket.close();
    this.#commands.rejectAll(new RealtimeError("connection_lost", "The connection ended before the answer came."));
    const retryAfterS = this.#refusal?.details?.retry_after_s;
    this.#on.end({
      code: this.#bye?.code ?? code, // servers and proxies may lose the code of a close; the bye frame has it too
      retryInMs: this.#bye?.retry_in_ms ?? (typeof retryAfterS === "number" ? retryAfterS * 1000 : null),
      message: this.#refusal?.message ?? "",
      reason: this.#bye?.reason ?? "",
      welcomedForMs: this.#welcomedAt ? performance.now() - this.#welcomedAt : 0,
    });
  }

  /** End it without a word to anybody. */
  abandon() {
    this.#on = { frame: () => {}, end: () => {} };
    this.end(1000);
  }

  /** @param {object} frame */
  #send(frame) {
    if (this.#socket.readyState === 1) this.#socket.send(JSON.stringify(frame));
  }

  /** @param {import("./protocol.js").Frame} frame */
  #receive(frame) {
    switch (frame.type) {
      case "response":
        return this.#commands.resolve(frame.id, frame.data);
      case "pong":
        return undefined;
      case "error":
        return this.#refused(frame);
      case "bye":
        this.#bye = frame;
        return undefined;
      case "ping":
        this.#on.frame(frame);
        return this.#send(pong(frame.n));
      case "welcome":
        this.#welcomed(frame.heartbeat_s);
        return this.#on.frame(frame);
      default:
        return this.#on.frame(frame);
    }
  }

  /** @param {import("./protocol.js").Refusal} frame */
  #refused(frame) {
    const error = new RealtimeError(frame.code, frame.message, { details: frame.details, help: frame.help });
    if (typeof frame.id === "number" && this.#commands.reject(frame.id, error)) return;
    this.#refusal = frame;
    this.#on.frame(frame);
  }

  /** @param {number} heartbeatS */
  #welcomed(heartbeatS) {
    clearTimeout(this.#openTimer);
    this.#welcomedAt = performance.now();
    this.#heartbeat = new Heartbeat({
      quietMs: heartbeatS * 500, // half of the server's own rhythm: a dead line is noticed before it would ping twice
      patienceMs: this.#patienceMs,
      ask: () => this.#send(command("ping", this.#commands.nextId(), {})),
      lost: () => this.end(1006),
    });
  }
}
