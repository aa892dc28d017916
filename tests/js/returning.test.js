import assert from "node:assert/strict";
import { test } from "node:test";

import { stage } from "./parts/stage.js";
import { pause, until } from "./parts/waiting.js";

test("what was committed while the line was down arrives after it, once and in order", async (t) => {
  const { peer, positions, heard } = await stage(t, { position: { epoch: "e1", position: 0 } });
  peer.emit("record_created");
  peer.emit("record_updated");
  await until(() => positions().length === 2);
  peer.cut();
  peer.emit("record_updated");
  peer.emit("record_deleted");
  await until(() => positions().length === 4);
  assert.deepEqual(positions(), [1, 2, 3, 4]);
  assert.equal(peer.handshakes[1].since, "e1:2");
  assert.deepEqual(heard.resyncs, []);
});

test("a server that was killed and comes back is found again, and nothing is lost", async (t) => {
  const { peer, positions, service, live } = await stage(t, { position: { epoch: "e1", position: 0 } });
  await peer.stop();
  await until(() => service.state.attempt >= 2);
  for (let i = 0; i < 20; i++) peer.emit("record_updated");
  await peer.start();
  await live();
  await until(() => positions().length === 20);
  assert.deepEqual(
    positions(),
    Array.from({ length: 20 }, (_, i) => i + 1),
  );
});

test("while it waits it says how long and for the how-manieth time, and calls it offline after a while", async (t) => {
  const { peer, service } = await stage(t, { timing: { baseMs: 5, capMs: 10, patienceMs: 100 } });
  const waits = [];
  service.on("state", (state) => state.retryInS !== null && waits.push(state));
  await peer.stop();
  await until(() => service.state.name === "offline");
  assert.deepEqual(
    waits.map(({ name, attempt, retryInS }) => [name, attempt, retryInS]).slice(0, 7),
    [1, 2, 3, 4, 5, 6, 7].map((attempt) => [attempt < 7 ? "reconnecting" : "offline", attempt, 1]),
  );
  await peer.start();
  await until(() => service.state.name === "live");
  assert.equal(service.state.attempt, 0);
});

test("reconnect() does not wait for the back-off", async (t) => {
  const { peer, service, live } = await stage(t, { timing: { baseMs: 60_000, capMs: 60_000 } });
  peer.cut();
  await until(() => service.state.name === "reconnecting");
  service.reconnect();
  await live();
});

test("a hint that the network is back ends the wait", async (t) => {
  const { peer, service, live } = await stage(t, { timing: { baseMs: 60_000, capMs: 60_000 } });
  peer.cut();
  await until(() => service.state.name === "reconnecting");
  globalThis.dispatchEvent?.(new Event("online"));
  service.check();
  await live();
});

test("the wait that the server asks for in its goodbye is kept", async (t) => {
  const { peer, service, live } = await stage(t);
  const before = performance.now();
  peer.dismiss(4000, { retry_in_ms: 300 });
  await until(() => service.state.name === "reconnecting");
  assert.equal(service.state.code, 4000);
  await live();
  assert.ok(performance.now() - before >= 300);
});

test("the wait of a rate limit is kept", async (t) => {
  const { peer, service, live } = await stage(t);
  const before = performance.now();
  peer.send({ type: "error", id: null, code: "rate_limited", message: "Too many.", details: { retry_after_s: 0.3 } });
  peer.dismiss(4029);
  await until(() => service.state.name === "reconnecting");
  assert.equal(service.state.message, "Too many.");
  await live();
  assert.ok(performance.now() - before >= 300);
});

for (const [code, state] of [
  [4501, "signed_out"],
  [4503, "refused"],
  [4509, "displaced"],
  [4510, "refused"],
]) {
  test(`closed with ${code} it is ${state} and quiet until asked`, async (t) => {
    const { peer, service, live } = await stage(t);
    peer.dismiss(code);
    await until(() => service.state.name === state);
    service.check();
    await pause(200);
    assert.equal(peer.handshakes.length, 1);
    assert.equal(service.state.code, code);
    service.reconnect();
    await live();
    assert.equal(peer.handshakes.length, 2);
  });
}

test("the goodbye counts when the close that follows has lost its code", async (t) => {
  const { service, connection } = await stage(t);
  connection().dismiss(4509, {}, { closeCode: 1000 });
  await until(() => service.state.name === "displaced");
});

test("a close without a goodbye counts by its code", async (t) => {
  const { service, connection } = await stage(t);
  connection().dismiss(4509, {}, { bye: false });
  await until(() => service.state.name === "displaced");
});

test("a connection that lived long enough starts the back-off afresh; a short-lived one does not", async (t) => {
  const { peer, service, live } = await stage(t);
  const attempts = [];
  service.on("state", ({ retryInS, attempt }) => retryInS !== null && attempts.push(attempt));
  const lose = async () => {
    const made = peer.handshakes.length;
    peer.cut();
    await until(() => peer.handshakes.length > made);
    await live();
  };
  await lose();
  await lose();
  await pause(200);
  await lose();
  assert.deepEqual(attempts, [1, 2, 1]);
});
