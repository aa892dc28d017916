import assert from "node:assert/strict";
import { test } from "node:test";

import { stage } from "./parts/stage.js";
import { pause, until } from "./parts/waiting.js";

const subscribed = (connection) => [...connection.subscriptions].sort();

test("who says nothing gets the server's defaults", async (t) => {
  const { peer, connection } = await stage(t);
  await pause(30);
  assert.deepEqual(connection().commands, []);
  assert.deepEqual(subscribed(connection()), [...peer.available].sort());
});

test("patterns are turned into what is available, and the rest is left out", async (t) => {
  const { service, connection } = await stage(t);
  service.want(["record_*", "zone_created"]);
  await until(() => connection().subscriptions.size === 4);
  assert.deepEqual(subscribed(connection()), ["record_created", "record_deleted", "record_updated", "zone_created"]);
});

test("after a reconnect the server is asked again only if it answers with something else", async (t) => {
  const { peer, service, live, connection } = await stage(t);
  service.want(["record_*"]);
  await until(() => connection().subscriptions.size === 3);
  peer.defaults = ["record_created", "record_updated", "record_deleted"];
  peer.cut();
  await until(() => peer.handshakes.length === 2);
  await live();
  await pause(30);
  assert.deepEqual(connection().commands, []);
  peer.defaults = ["zone_created"];
  peer.cut();
  await until(() => peer.handshakes.length === 3);
  await live();
  await until(() => subscribed(connection()).join() === "record_created,record_deleted,record_updated");
});

test("what is not permitted is not asked for again and again", async (t) => {
  const { peer, service, connection } = await stage(t);
  const real = peer.available;
  peer.available = [...real, "user_login"];
  peer.cut();
  await until(() => peer.handshakes.length === 2 && service.state.name === "live");
  peer.available = real;
  service.want(["user_login"]);
  await until(() => connection()?.commands.some(({ type }) => type === "unsubscribe"));
  await pause(50);
  assert.equal(connection().commands.filter(({ type }) => type === "subscribe").length, 1);
});

test("new rights are used as soon as the server tells of them", async (t) => {
  const { peer, service, connection } = await stage(t);
  service.want(["*"]);
  await pause(20);
  peer.available = [...peer.available, "rpz_update"];
  peer.send({ type: "notice", code: "permissions_changed", message: "Your rights changed." });
  await until(() => connection().subscriptions.has("rpz_update"));
});

test("new rights are asked for again when the server has no time for the question", async (t) => {
  const { peer, service, connection } = await stage(t);
  service.want(["*"]);
  await pause(20);
  peer.busy.add("get_subscriptions");
  peer.available = [...peer.available, "rpz_update"];
  peer.send({ type: "notice", code: "permissions_changed", message: "Your rights changed." });
  await until(() => connection().subscriptions.has("rpz_update"));
});

test("a connection that ends while new rights are asked for harms nothing", async (t) => {
  const { peer, service, live } = await stage(t);
  peer.send({ type: "notice", code: "permissions_changed", message: "Your rights changed." });
  peer.silent = true; // the question is not answered
  await pause(20);
  peer.silent = false;
  peer.cut();
  await until(() => peer.handshakes.length === 2);
  await live();
  assert.equal(service.state.name, "live");
});

test("it is told when the server sends what is wanted", async (t) => {
  const { service } = await stage(t);
  const settled = [];
  service.on("settled", (granted) => settled.push([...granted].sort().join()));
  service.want(["zone_*"]);
  await until(() => settled.includes("zone_created,zone_synced"));
});
