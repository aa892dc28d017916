import { createHash } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:http";
import { deflateRawSync } from "node:zlib";

import { matchesAny } from "../../../static/realtime/protocol.js";
import { BINARY, CLOSE, TEXT, decoder, encode } from "./frames.js";

const ACCEPT = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"; // RFC 6455, section 1.3

/**
 * A server of the protocol with a real log behind real sockets, which a test can make misbehave: it can fall silent,
 * lose connections without a word, forget its log, or say goodbye.
 */
export class Peer {
  epoch = "e1";
  user = { id: 7, username: "alice", is_admin: false };
  available = ["record_created", "record_updated", "record_deleted", "zone_created", "zone_synced", "dns_query_batch"];
  defaults = this.available;
  heartbeatS = 25;
  /** The oldest position that can be resumed from. */
  floor = 0;
  log = [];
  connections = [];
  /** Each connection ever made. */
  handshakes = [];
  silent = false;
  /** No WebSocket gets through, as behind some proxies. */
  blocked = false;
  polls = 0;
  /** Commands that are turned down the next time, with the word to try again. */
  busy = new Set();
  #http = createServer((request, response) => this.#answer(request, response));
  #port = 0;

  constructor() {
    this.#http.on("upgrade", (request, socket) => this.#upgrade(request, socket));
  }

  async start() {
    this.#http.listen(this.#port, "127.0.0.1");
    await once(this.#http, "listening");
    this.#port = this.#http.address().port;
    return this;
  }

  /** Gone as after `kill -9`; `start()` brings it back on the same port, with its log. */
  async stop() {
    this.cut();
    this.#http.close();
    this.#http.closeAllConnections?.();
    await once(this.#http, "close");
  }

  get url() {
    return `ws://127.0.0.1:${this.#port}/ws/`;
  }

  get eventsUrl() {
    return this.url.replace("ws:", "http:").replace("/ws/", "/api/realtime/events/");
  }

  get position() {
    return this.log.length;
  }

  /** Commit a durable event, and tell everybody who is subscribed. */
  emit(event_type, data = {}) {
    const event = {
      type: "event",
      event_type,
      id: `id-${this.epoch}-${this.position + 1}`,
      position: this.position + 1,
    };
    Object.assign(event, {
      category: "dns",
      priority: "high",
      severity: "info",
      timestamp: "2026-01-01T00:00:00Z",
      data,
    });
    this.log.push(event);
    for (const connection of this.connections) connection.offer(event);
    return event;
  }

  /** Tell something that has no position. */
  stream(event_type, data = {}) {
    const event = { type: "event", event_type, id: `flow-${Math.random()}`, category: "query", priority: "low", data };
    for (const connection of this.connections) connection.offer(event);
  }

  send(frame) {
    for (const connection of this.connections) connection.send(frame);
  }

  ping(n = 1) {
    this.send({ type: "ping", n, upto: this.position });
  }

  /** Say goodbye to everybody and close. */
  dismiss(code, more = {}) {
    for (const connection of [...this.connections]) connection.dismiss(code, more);
  }

  /** Break every connection without a word. */
  cut() {
    for (const { socket } of this.connections.splice(0)) socket.destroy();
  }

  /** The log over HTTP, as `/api/realtime/events/` has it. */
  #answer(request, response) {
    this.polls += 1;
    const address = new URL(request.url, this.url);
    const here = `${this.epoch}:${this.position}`;
    const [epoch, position] = address.searchParams.get("since")?.split(":") ?? [];
    let body = { results: [], upto: here };
    if (epoch === this.epoch) body = { recovered: true, results: this.log.slice(Number(position)), upto: here };
    else if (epoch) body = { recovered: false, reason: "epoch_changed", results: [], upto: here };
    response.writeHead(200, { "Content-Type": "application/json" }).end(JSON.stringify(body));
  }

  #upgrade(request, socket) {
    if (this.blocked) {
      socket.end("HTTP/1.1 502 Bad Gateway\r\nConnection: close\r\n\r\n");
      return;
    }
    const key = createHash("sha1")
      .update(request.headers["sec-websocket-key"] + ACCEPT)
      .digest("base64");
    socket.write(
      "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
        `Sec-WebSocket-Accept: ${key}\r\nSec-WebSocket-Protocol: dnsadmin.v1\r\n\r\n`,
    );
    const since = new URL(request.url, this.url).searchParams.get("since");
    const protocols = request.headers["sec-websocket-protocol"].split(", ");
    this.handshakes.push({ since, protocols });
    new Connection(this, socket, since, protocols);
  }
}

class Connection {
  commands = [];
  subscriptions;
  #deflate;

  constructor(peer, socket, since, protocols) {
    this.peer = peer;
    this.socket = socket;
    this.protocols = protocols;
    this.#deflate = protocols.includes("feature.deflate");
    this.subscriptions = new Set(peer.defaults);
    peer.connections.push(this);
    const read = decoder((opcode, payload) => {
      if (opcode === TEXT) this.#hear(JSON.parse(payload.toString()));
      if (opcode === CLOSE) socket.end();
    });
    socket.on("data", read);
    socket.on("error", () => {});
    socket.on("close", () => {
      peer.connections = peer.connections.filter((connection) => connection !== this);
    });
    if (!peer.silent) this.#welcome(since);
  }

  get answers() {
    return this.commands.filter(({ type }) => type === "pong").map(({ data }) => data.n);
  }

  send(frame) {
    if (!this.peer.silent) this.socket.write(encode(TEXT, Buffer.from(JSON.stringify(frame))));
  }

  sendDeflated(frame) {
    if (!this.#deflate) throw new Error("this client did not offer to read compressed frames");
    this.socket.write(encode(BINARY, deflateRawSync(JSON.stringify(frame))));
  }

  offer(event) {
    if (this.subscriptions.has(event.event_type)) this.send({ ...event, upto: event.position ?? this.peer.position });
  }

  dismiss(code, more = {}, { bye = true, closeCode = code } = {}) {
    if (bye) this.send({ type: "bye", code, reason: "test", ...more });
    const payload = Buffer.alloc(2);
    payload.writeUInt16BE(closeCode);
    this.socket.end(encode(CLOSE, payload));
  }

  #welcome(since) {
    const { peer } = this;
    const [epoch, position] = since?.split(":") ?? [];
    const resumed = since ? this.#outcome(epoch, Number(position)) : null;
    this.send({
      type: "welcome",
      protocol: 1,
      connection_id: "c",
      node: "n",
      user: peer.user,
      subscriptions: [...this.subscriptions],
      available: peer.available,
      resume: { epoch: peer.epoch, position: peer.position },
      resumed,
      heartbeat_s: peer.heartbeatS,
    });
    if (resumed?.recovered) this.#replay(Number(position));
  }

  #outcome(epoch, position) {
    if (epoch !== this.peer.epoch) return { recovered: false, reason: "epoch_changed" };
    if (position < this.peer.floor) return { recovered: false, reason: "too_old" };
    return { recovered: true, replayed: this.peer.position - position };
  }

  #replay(position) {
    for (const event of this.peer.log.slice(position)) this.offer(event);
  }

  #hear(command) {
    this.commands.push(command);
    const { type, id, data } = command;
    const answer = (/** @type {object} */ value) => this.send({ type: "response", id, data: value });
    const listed = () => ({ subscriptions: [...this.subscriptions] });
    if (this.peer.busy.delete(type))
      this.send({ type: "error", id, code: "rate_limited", message: "Too many.", details: { retry_after_s: 0.02 } });
    else if (type === "ping") this.send({ type: "pong", id });
    else if (type === "echo") answer(data);
    else if (type === "authenticate") answer({ token_expires_at: null });
    else if (type === "get_subscriptions") answer({ ...listed(), defaults: [], available: this.peer.available });
    else if (type === "fail")
      this.send({ type: "error", id, code: "permission_denied", message: "No.", details: { a: 1 } });
    else if (type === "subscribe") {
      const allowed = this.peer.available.filter((name) => matchesAny(data.event_types, name));
      for (const name of allowed) this.subscriptions.add(name);
      answer({ ...listed(), rejected: [] });
    } else if (type === "unsubscribe") {
      for (const name of data.event_types) this.subscriptions.delete(name);
      answer(listed());
    } else if (type === "resume") {
      const outcome = this.#outcome(data.epoch, data.position);
      if (outcome.recovered) this.#replay(data.position);
      answer(outcome);
    }
  }
}
