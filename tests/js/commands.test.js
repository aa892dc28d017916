import assert from "node:assert/strict";
import { test } from "node:test";

import { canInflate } from "../../static/realtime/frame_reader.js";
import { stage } from "./parts/stage.js";
import { until } from "./parts/waiting.js";

test("a command is answered with its data", async (t) => {
  const { service } = await stage(t);
  assert.deepEqual(await service.command("echo", { a: 1 }), { a: 1 });
});

test("answers find their commands, whatever their order", async (t) => {
  const { service } = await stage(t);
  const answers = await Promise.all([1, 2, 3].map((n) => service.command("echo", { n })));
  assert.deepEqual(
    answers.map(({ n }) => n),
    [1, 2, 3],
  );
});

test("a refused command is rejected with the server's code and words", async (t) => {
  const { service } = await stage(t);
  await assert.rejects(service.command("fail"), {
    name: "RealtimeError",
    code: "permission_denied",
    message: "No.",
    details: { a: 1 },
  });
});

test("a command that is not answered is given up", async (t) => {
  const { service } = await stage(t);
  await assert.rejects(service.command("unheard_of", {}, { timeoutMs: 30 }), { code: "timeout" });
});

test("a command under way when the connection breaks is rejected, not repeated", async (t) => {
  const { peer, service, connection, live } = await stage(t);
  const answer = service.command("unheard_of");
  await until(() => connection().commands.length);
  peer.cut();
  await assert.rejects(answer, { code: "connection_lost" });
  await until(() => peer.handshakes.length === 2);
  await live();
  assert.deepEqual(
    connection().commands.filter(({ type }) => type === "unheard_of"),
    [],
  );
});

test("a command given while connecting waits for the connection", async (t) => {
  const { service } = await stage(t, { start: false });
  service.start();
  assert.deepEqual(await service.command("echo", { early: true }), { early: true });
});

test("what the server left out is told with its count", async (t) => {
  const { peer, heard } = await stage(t);
  peer.send({ type: "gap", event_type: "dns_query_batch", dropped: 412, reason: "slow_consumer" });
  await until(() => heard.gaps.length === 1);
  assert.equal(heard.gaps[0].dropped, 412);
});

test("a listener that throws harms no other, and not the connection", async (t) => {
  const { peer, service, heard } = await stage(t);
  const reported = t.mock.method(console, "error", () => {});
  service.on("event", () => {
    throw new Error("broken page");
  });
  const after = [];
  service.on("event", (event) => after.push(event));
  peer.emit("record_created");
  peer.emit("record_created");
  await until(() => after.length === 2);
  assert.equal(heard.events.length, 2);
  assert.equal(reported.mock.callCount(), 2);
});

test("a frame that is not JSON ends the connection, and the service comes back", async (t) => {
  const { peer, connection, live } = await stage(t);
  connection().socket.write(Buffer.from([0x81, 1, 0x7b]));
  await until(() => peer.handshakes.length === 2);
  await live();
});

test("frames of a type that is not known yet are let pass", async (t) => {
  const { peer, service } = await stage(t);
  peer.send({ type: "something_new", data: {} });
  assert.deepEqual(await service.command("echo", { still: "here" }), { still: "here" });
});

test("compressed and plain frames keep their order", { skip: !canInflate() }, async (t) => {
  const { peer, connection, heard } = await stage(t);
  const event = peer.emit("record_created", { text: "x".repeat(2000) });
  for (let position = 2; position <= 20; position++) {
    const next = { ...event, id: `n${position}`, position, upto: position };
    if (position % 3) connection().sendDeflated(next);
    else connection().send(next);
  }
  await until(() => heard.events.length === 20);
  assert.deepEqual(
    heard.events.map(({ position }) => position),
    Array.from({ length: 20 }, (_, i) => i + 1),
  );
});
