/** WebSocket frames (RFC 6455, section 5.2), as much of them as the tests need: whole messages, no fragments. */

export const TEXT = 1;
export const BINARY = 2;
export const CLOSE = 8;

/** @param {number} opcode @param {Buffer} payload @param {Buffer | null} mask clients mask, servers do not */
export function encode(opcode, payload, mask = null) {
  const head = [0x80 | opcode];
  const masked = mask ? 0x80 : 0;
  if (payload.length < 126) head.push(masked | payload.length);
  else if (payload.length < 65536) head.push(masked | 126, payload.length >> 8, payload.length & 255);
  else head.push(masked | 127, 0, 0, 0, 0, ...Buffer.from(Uint32Array.of(payload.length).buffer).reverse());
  if (!mask) return Buffer.concat([Buffer.from(head), payload]);
  const hidden = payload.map((byte, index) => byte ^ mask[index % 4]);
  return Buffer.concat([Buffer.from(head), mask, hidden]);
}

/** Cuts a stream of bytes into messages. @param {(opcode: number, payload: Buffer) => void} onMessage */
export function decoder(onMessage) {
  let bytes = Buffer.alloc(0);
  return (/** @type {Buffer} */ chunk) => {
    bytes = Buffer.concat([bytes, chunk]);
    for (;;) {
      if (bytes.length < 2) return;
      let length = bytes[1] & 0x7f;
      let start = 2;
      if (length === 126) {
        if (bytes.length < 4) return;
        length = bytes.readUInt16BE(2);
        start = 4;
      } else if (length === 127) {
        if (bytes.length < 10) return;
        length = Number(bytes.readBigUInt64BE(2));
        start = 10;
      }
      const mask = bytes[1] & 0x80 ? bytes.subarray(start, start + 4) : null;
      if (mask) start += 4;
      if (bytes.length < start + length) return;
      let payload = bytes.subarray(start, start + length);
      if (mask) payload = payload.map((byte, index) => byte ^ mask[index % 4]);
      const opcode = bytes[0] & 0x0f;
      bytes = bytes.subarray(start + length);
      onMessage(opcode, Buffer.from(payload));
    }
  };
}
