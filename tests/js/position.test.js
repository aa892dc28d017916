import assert from "node:assert/strict";
import { test } from "node:test";

import { stage } from "./parts/stage.js";
import { pause, until } from "./parts/waiting.js";

test("events from the page's snapshot on arrive, and the saved position follows them", async (t) => {
  const { peer, service, positions, live } = await stage(t, { start: false, position: { epoch: "e1", position: 1 } });
  peer.emit("record_created");
  peer.emit("record_updated");
  peer.emit("record_updated");
  service.start();
  await live();
  await until(() => positions().length === 2);
  assert.deepEqual(positions(), [2, 3]);
  assert.deepEqual(service.position, { epoch: "e1", position: 3 });
});

test("a ping moves the position when nothing was for us", async (t) => {
  const { peer, service } = await stage(t);
  for (const connection of peer.connections) connection.subscriptions.clear();
  peer.emit("record_updated");
  assert.equal(service.position?.position, 0);
  peer.ping();
  await until(() => service.position?.position === 1);
});

test("a batch moves the position when all of it has been delivered", async (t) => {
  const { peer, service, positions } = await stage(t);
  const event = peer.emit("record_created");
  await until(() => positions().length === 1);
  const events = [2, 3].map((position) => ({ ...event, id: `b${position}`, position }));
  const seen = [];
  service.on("event", () => seen.push(service.position?.position));
  peer.send({ type: "batch", events, upto: 3 });
  await until(() => positions().length === 3);
  assert.deepEqual(seen, [1, 1]);
  assert.equal(service.position?.position, 3);
});

test("an event that comes twice is delivered once", async (t) => {
  const { peer, heard } = await stage(t);
  const event = peer.emit("record_created");
  peer.send({ ...event, upto: 1 });
  peer.emit("record_updated");
  await until(() => heard.events.length === 2);
  assert.deepEqual(
    heard.events.map(({ position }) => position),
    [1, 2],
  );
});

test("a critical event that overtakes does not move the position past what is still to come", async (t) => {
  const { peer, service, heard } = await stage(t);
  const event = peer.emit("record_created");
  await until(() => heard.events.length === 1);
  peer.send({ ...event, id: "critical", position: 9, upto: 1, priority: "critical" });
  await until(() => heard.events.length === 2);
  assert.equal(service.position?.position, 1);
});

for (const [reason, spoil] of [
  ["too_old", (peer) => (peer.floor = 3)],
  ["epoch_changed", (peer) => (peer.epoch = "e2")],
]) {
  test(`when the server cannot go on (${reason}) the page is told to read again, and goes on from there`, async (t) => {
    const { peer, service, heard, live } = await stage(t, { start: false, position: { epoch: "e1", position: 1 } });
    for (let i = 0; i < 4; i++) peer.emit("record_updated");
    spoil(peer);
    service.start();
    await live();
    assert.deepEqual(heard.resyncs, [reason]);
    assert.deepEqual(service.position, { epoch: peer.epoch, position: 4 });
    peer.emit("record_deleted");
    await until(() => heard.events.length === 1);
    assert.equal(heard.events[0].position, 5);
  });
}

test("a connection that asked for nothing is not told to read again", async (t) => {
  const { heard, service } = await stage(t);
  assert.deepEqual(heard.resyncs, []);
  assert.deepEqual(service.position, { epoch: "e1", position: 0 });
});

test("resume() brings events back as replayed ones, also those that were seen before", async (t) => {
  const { peer, service, heard } = await stage(t);
  for (let i = 0; i < 3; i++) peer.emit("record_updated");
  await until(() => heard.events.length === 3);
  const answer = await service.resume({ epoch: "e1", position: 1 });
  assert.deepEqual(answer, { recovered: true, replayed: 2 });
  assert.deepEqual(
    heard.replayed.map(({ position }) => position),
    [2, 3],
  );
  assert.equal(heard.events.length, 3);
});

test("a resume that cannot be done says why and leaves everything as it is", async (t) => {
  const { peer, service, heard } = await stage(t);
  peer.emit("record_updated");
  await until(() => heard.events.length === 1);
  assert.deepEqual(await service.resume({ epoch: "old", position: 0 }), { recovered: false, reason: "epoch_changed" });
  assert.equal(service.position?.position, 1);
});

test("until a resume is answered nothing moves the position", async (t) => {
  const { peer, service, heard, connection } = await stage(t);
  peer.emit("record_updated");
  await until(() => heard.events.length === 1);
  peer.silent = true;
  const answer = service.resume({ epoch: "e1", position: 0 });
  await until(() => connection().commands.some(({ type }) => type === "resume"));
  peer.silent = false;
  peer.send({ type: "ping", n: 3, upto: 99 });
  await until(() => connection().answers.includes(3));
  assert.equal(service.position?.position, 1);
  await assert.rejects(answer, { code: "timeout" });
  peer.send({ type: "ping", n: 4, upto: 100 });
  await until(() => service.position?.position === 100);
});

test("a connection that breaks before the replay came asks for it again", async (t) => {
  const { peer, service, positions, live } = await stage(t, { position: { epoch: "e1", position: 0 } });
  peer.cut();
  peer.emit("record_updated");
  const floor = peer.log;
  peer.log = Object.assign([], { length: 1, slice: () => [] }); // welcomed, but the replay does not come
  await live();
  assert.equal(service.position?.position, 0);
  peer.log = floor;
  peer.cut();
  await until(() => positions().length === 1);
  await pause(20);
  assert.deepEqual(positions(), [1]);
});
