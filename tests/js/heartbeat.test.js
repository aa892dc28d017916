import assert from "node:assert/strict";
import { test } from "node:test";

import { canInflate } from "../../static/realtime/frame_reader.js";
import { stage } from "./parts/stage.js";
import { pause, until } from "./parts/waiting.js";

test("each ping of the server is answered with its number", async (t) => {
  const { peer, connection } = await stage(t);
  peer.ping(17);
  peer.ping(18);
  await until(() => connection().answers.length === 2);
  assert.deepEqual(connection().answers, [17, 18]);
});

test("a ping confirms compressed frames only after they were read", { skip: !canInflate() }, async (t) => {
  const { peer, connection, heard } = await stage(t);
  const order = [];
  const event = { ...peer.emit("record_created"), id: "other", position: 2, upto: 2 };
  await until(() => heard.events.length === 1);
  connection().sendDeflated(event);
  peer.ping(5);
  await until(() => {
    if (heard.events.length === 2 && !order.length) order.push("event");
    if (connection().answers.length && !order.includes("pong")) order.push("pong");
    return order.length === 2;
  });
  assert.deepEqual(order, ["event", "pong"]);
});

test("a line that has gone silent without being closed is noticed and replaced", async (t) => {
  const { peer, service, live, positions } = await stage(t, { start: false, position: { epoch: "e1", position: 0 } });
  peer.heartbeatS = 0.1;
  service.start();
  await live();
  const zombie = peer.connections[0];
  peer.silent = true;
  await until(() => zombie.commands.some(({ type }) => type === "ping"));
  await until(() => service.state.name === "reconnecting");
  peer.emit("record_updated");
  peer.silent = false;
  await until(() => positions().length === 1);
  assert.deepEqual(positions(), [1]);
});

test("a quiet but living line is kept", async (t) => {
  const { peer, service, live } = await stage(t, { start: false });
  peer.heartbeatS = 0.1;
  service.start();
  await live();
  await pause(600);
  assert.equal(service.state.name, "live");
  assert.equal(peer.handshakes.length, 1);
  assert.ok(peer.connections[0].commands.filter(({ type }) => type === "ping").length >= 2);
});

test("a hint makes a dead line known at once, without waiting for a quiet spell", async (t) => {
  const { peer, service } = await stage(t);
  peer.silent = true;
  service.check();
  await until(() => service.state.name === "reconnecting", "noticed", 1000);
});
