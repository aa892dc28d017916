import { randomBytes } from "node:crypto";
import { request } from "node:http";

import { BINARY, CLOSE, TEXT, decoder, encode } from "./frames.js";

/** The part of the browser's WebSocket that the client uses, over a real TCP connection. */
export class WebSocket {
  readyState = 0;
  binaryType = "blob";
  onmessage = null;
  onclose = null;
  #socket = null;

  constructor(url, protocols) {
    this.url = url;
    const upgrade = request(url.replace("ws:", "http:"), {
      headers: {
        Connection: "Upgrade",
        Upgrade: "websocket",
        "Sec-WebSocket-Version": 13,
        "Sec-WebSocket-Key": randomBytes(16).toString("base64"),
        "Sec-WebSocket-Protocol": protocols.join(", "),
      },
    });
    upgrade.on("upgrade", (response, socket, head) => this.#opened(socket, head));
    upgrade.on("response", () => this.#ended(1006));
    upgrade.on("error", () => this.#ended(1006));
    upgrade.end();
  }

  send(text) {
    this.#socket.write(encode(TEXT, Buffer.from(text), randomBytes(4)));
  }

  close() {
    if (this.readyState >= 2) return;
    this.readyState = 2;
    this.#socket?.end(encode(CLOSE, Buffer.from([0x03, 0xe8]), randomBytes(4)));
  }

  #opened(socket, head) {
    if (this.readyState === 2) {
      socket.destroy();
      return;
    }
    this.readyState = 1;
    this.#socket = socket;
    let code = 1006;
    const read = decoder((opcode, payload) => {
      if (opcode === TEXT) this.onmessage?.({ data: payload.toString() });
      if (opcode === BINARY) this.onmessage?.({ data: Uint8Array.from(payload).buffer });
      if (opcode === CLOSE) {
        code = payload.readUInt16BE(0);
        socket.end();
      }
    });
    socket.on("data", read);
    socket.on("error", () => {});
    socket.on("close", () => this.#ended(code));
    if (head.length) read(head);
  }

  #ended(code) {
    if (this.readyState === 3) return;
    this.readyState = 3;
    this.onclose?.({ code });
  }
}
