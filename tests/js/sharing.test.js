import assert from "node:assert/strict";
import { test } from "node:test";

import { profile } from "./parts/tabs.js";
import { pause, until } from "./parts/waiting.js";

test("ten tabs have one socket, and each gets every event once", async (t) => {
  const { peer, open, live } = await profile(t);
  const tabs = Array.from({ length: 10 }, () => open({ position: "e1:0" })); // as a page is: read at a position
  await live(...tabs);
  for (let i = 0; i < 5; i++) peer.emit("record_updated");
  await until(() => tabs.every(({ seen }) => seen.length === 5));
  assert.equal(peer.handshakes.length, 1);
  for (const tab of tabs) assert.deepEqual(tab.positions(), [1, 2, 3, 4, 5]);
});

test("the first connection begins where the first page was read", async (t) => {
  const { peer, open } = await profile(t);
  for (let i = 0; i < 3; i++) peer.emit("record_updated");
  const tab = open({ position: "e1:1" });
  await until(() => tab.seen.length === 2);
  assert.deepEqual(tab.positions(), [2, 3]);
  assert.equal(peer.handshakes[0].since, "e1:1");
});

test("a tab that comes late gets what happened since its page was read, without asking the server", async (t) => {
  const { peer, open, live, connection } = await profile(t);
  const first = open({ position: "e1:0" });
  await live(first);
  for (let i = 0; i < 4; i++) peer.emit("record_updated");
  await until(() => first.seen.length === 4);
  const late = open({ position: "e1:2" });
  await until(() => late.seen.length === 2);
  assert.deepEqual(late.positions(), [3, 4]);
  assert.deepEqual(first.positions(), [1, 2, 3, 4]);
  assert.deepEqual(
    connection().commands.filter(({ type }) => type === "resume"),
    [],
  );
});

test("a late tab that wants events nobody wanted before gets them from the server, and only it", async (t) => {
  const { peer, open, live, connection } = await profile(t);
  const first = open({ position: "e1:0", wants: ["zone_*"] });
  await live(first);
  await until(() => connection().subscriptions.size === 2);
  peer.emit("record_created");
  peer.emit("zone_created");
  peer.emit("record_updated");
  await until(() => first.seen.length === 1);
  const late = open({ position: "e1:0", wants: ["record_*", "zone_*"] });
  await until(() => late.seen.length === 3);
  assert.deepEqual(late.positions(), [1, 2, 3]);
  assert.deepEqual(first.positions(), [2]);
  peer.emit("zone_synced");
  await until(() => late.seen.length === 4 && first.seen.length === 2);
  assert.deepEqual(first.positions(), [2, 4]);
});

test("a late tab whose page is older than what is remembered gets it from the server", async (t) => {
  const { peer, open, live, connection } = await profile(t, { remembered: 3 });
  const first = open({ position: "e1:0" });
  await live(first);
  await pause(50); // its wishes have arrived
  for (let i = 0; i < 10; i++) peer.emit("record_updated");
  await until(() => first.seen.length === 10);
  const late = open({ position: "e1:2" });
  await until(() => late.seen.length === 8);
  assert.deepEqual(late.positions(), [3, 4, 5, 6, 7, 8, 9, 10]);
  assert.equal(connection().commands.filter(({ type }) => type === "resume").length, 1);
  assert.equal(first.seen.length, 10);
});

test("a late tab whose page is older than the server's log is told to read again", async (t) => {
  const { peer, open, live } = await profile(t, { remembered: 1 });
  for (let i = 0; i < 9; i++) peer.emit("record_updated");
  const first = open({ position: "e1:9" });
  await live(first);
  peer.floor = 5;
  const late = open({ position: "e1:2" });
  await until(() => late.resyncs.length);
  assert.deepEqual(late.resyncs, ["too_old"]);
  assert.deepEqual(first.resyncs, []);
  peer.emit("record_deleted");
  await until(() => late.seen.length === 1 && first.seen.length === 1);
});

test("a page of another epoch is told to read again", async (t) => {
  const { open, live } = await profile(t);
  const first = open({ position: "e1:0" });
  await live(first);
  const late = open({ position: "e0:7" });
  await until(() => late.resyncs.length);
  assert.deepEqual(late.resyncs, ["epoch_changed"]);
  assert.deepEqual(first.resyncs, []);
});

test("events that come while a late tab is being supplied reach it once and in order", async (t) => {
  const { peer, open, live } = await profile(t, { remembered: 2 });
  const first = open({ position: "e1:0" });
  await live(first);
  for (let i = 0; i < 20; i++) peer.emit("record_updated");
  await until(() => first.seen.length === 20);
  const late = open({ position: "e1:0" });
  for (let i = 0; i < 40; i++) {
    peer.emit("record_updated");
    await pause(1);
  }
  await until(() => late.seen.length === 60 && first.seen.length === 60);
  const all = Array.from({ length: 60 }, (_, i) => i + 1);
  assert.deepEqual(late.positions(), all);
  assert.deepEqual(first.positions(), all);
});

test("the line breaks while a late tab is being supplied: it is supplied over the next one", async (t) => {
  const { peer, open, live, connection } = await profile(t, { remembered: 2 });
  const first = open({ position: "e1:0" });
  await live(first);
  for (let i = 0; i < 9; i++) peer.emit("record_updated");
  await until(() => first.seen.length === 9);
  peer.silent = true;
  const late = open({ position: "e1:0" });
  await until(() => connection().commands.some(({ type }) => type === "resume"));
  peer.silent = false;
  peer.cut();
  peer.emit("record_deleted");
  await until(() => late.seen.length === 10 && first.seen.length === 10);
  assert.deepEqual(late.positions(), [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
  assert.deepEqual(first.positions(), [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
});

test("after a reconnect that brings fewer events the missing ones are fetched for those who want them", async (t) => {
  const { peer, open, live } = await profile(t);
  const tab = open({ position: "e1:0", wants: ["record_*", "zone_*"] });
  await live(tab);
  peer.emit("record_created");
  await until(() => tab.seen.length === 1);
  peer.defaults = ["zone_created"];
  peer.cut();
  peer.emit("record_updated");
  peer.emit("zone_created");
  await until(() => tab.seen.length === 3);
  assert.deepEqual(tab.positions(), [1, 2, 3]);
});

test("the server is asked for what all tabs want together, and for less when one of them is gone", async (t) => {
  const { open, live, connection } = await profile(t);
  const zones = open({ wants: ["zone_*"] });
  const records = open({ wants: ["record_created"] });
  await live(zones, records);
  await until(() => connection().subscriptions.size === 3);
  records.close();
  await until(() => [...connection().subscriptions].sort().join() === "zone_created,zone_synced");
});

test("when the last tab is gone the socket is closed, and a new tab opens it again", async (t) => {
  const { peer, open, live } = await profile(t);
  const tab = open({ position: "e1:0" });
  await live(tab);
  tab.close();
  await until(() => peer.connections.length === 0);
  peer.emit("record_updated");
  const next = open({ position: "e1:0" });
  await until(() => next.seen.length === 1);
});

test("a command of a tab is answered to that tab", async (t) => {
  const { open, live } = await profile(t);
  const [one, other] = [open(), open()];
  await live(one, other);
  const answers = await Promise.all([
    one.socket.command("echo", { from: 1 }),
    other.socket.command("echo", { from: 2 }),
  ]);
  assert.deepEqual(answers, [{ from: 1 }, { from: 2 }]);
  await assert.rejects(one.socket.command("fail"), {
    name: "RealtimeError",
    code: "permission_denied",
    details: { a: 1 },
  });
});

test("a gap is told to the tabs that want such events", async (t) => {
  const { peer, open, connection } = await profile(t);
  const zones = open({ wants: ["zone_*"] });
  const queries = open({ wants: ["dns_query_batch"] });
  const told = [];
  zones.events.onGap(() => told.push("zones"));
  queries.events.onGap(({ dropped }) => told.push(`queries ${dropped}`));
  await until(() => connection()?.subscriptions.size === 3);
  peer.send({ type: "gap", event_type: "dns_query_batch", dropped: 412, reason: "slow_consumer" });
  await until(() => told.length);
  assert.deepEqual(told, ["queries 412"]);
});

test("all tabs are displaced together, and any of them brings all back", async (t) => {
  const { peer, open, live } = await profile(t);
  const [one, other] = [open(), open()];
  await live(one, other);
  peer.dismiss(4509);
  await until(() => [one, other].every(({ socket }) => socket.state.name === "displaced"));
  await pause(100);
  assert.equal(peer.handshakes.length, 1);
  other.socket.reconnect();
  await live(one, other);
  assert.equal(peer.handshakes.length, 2);
});

test("opening a page is asking for a connection, also where it had moved away or was signed out", async (t) => {
  const { peer, open, live } = await profile(t);
  const tab = open();
  await live(tab);
  peer.dismiss(4501);
  await until(() => tab.socket.state.name === "signed_out");
  const next = open();
  await live(tab, next);
});

test("when another tab takes over nothing is lost", async (t) => {
  const { peer, open, live, newOwner } = await profile(t);
  const tabs = [open({ position: "e1:0" }), open({ position: "e1:0" })];
  await live(...tabs);
  peer.emit("record_created");
  await until(() => tabs.every(({ seen }) => seen.length === 1));
  await until(() => tabs.every(({ socket }) => socket.position?.position === 1));
  newOwner();
  peer.emit("record_updated");
  peer.emit("record_updated");
  await until(() => tabs.every(({ seen }) => seen.length === 3));
  for (const tab of tabs) {
    assert.deepEqual(tab.positions(), [1, 2, 3]);
    assert.deepEqual(tab.resyncs, []);
  }
});

test("a new owner does not undo what only a person may undo", async (t) => {
  const { peer, open, live, newOwner } = await profile(t);
  const tab = open();
  await live(tab);
  peer.dismiss(4509);
  await until(() => tab.socket.state.name === "displaced");
  newOwner();
  await pause(100);
  assert.equal(tab.socket.state.name, "displaced");
  assert.equal(peer.handshakes.length, 1);
  tab.socket.reconnect();
  await live(tab);
});

test("somebody who signs in as somebody else gets a connection of their own, and the old pages are told", async (t) => {
  const { peer, open, live } = await profile(t);
  const old = open({ userId: 7, position: "e1:0" });
  await live(old);
  peer.emit("record_created", { secret: "of alice" });
  await until(() => old.seen.length === 1);
  peer.user = { id: 8, username: "bob", is_admin: false };
  peer.available = ["zone_created"];
  peer.defaults = peer.available;
  const fresh = open({ userId: 8, position: "e1:0" });
  await live(fresh);
  await until(() => old.socket.state.name === "signed_out");
  assert.match(old.socket.state.message, /somebody else/);
  assert.equal(fresh.socket.state.user.username, "bob");
  peer.emit("zone_created");
  await until(() => fresh.seen.length === 1);
  assert.deepEqual(fresh.positions(), [2]);
  assert.deepEqual(old.positions(), [1]);
});

test("a page of the right person does not cause a new connection", async (t) => {
  const { peer, open, live } = await profile(t);
  const tabs = [open({ userId: 7 }), open({ userId: 7 }), open()];
  await live(...tabs);
  const late = open({ userId: 7 });
  await live(late);
  assert.equal(peer.handshakes.length, 1);
});

test("when events may be missing every tab is told to read again, once", async (t) => {
  const { peer, open, live } = await profile(t);
  const tabs = [open({ position: "e1:0" }), open({ position: "e1:0" })];
  await live(...tabs);
  await pause(50);
  peer.epoch = "e2";
  peer.log = [];
  peer.cut();
  await until(() => tabs.every(({ resyncs }) => resyncs.length));
  await pause(50);
  for (const tab of tabs) assert.deepEqual(tab.resyncs, ["epoch_changed"]);
  peer.emit("record_created");
  await until(() => tabs.every(({ seen }) => seen.length === 1));
});

test("a tab that was wrongly taken for gone introduces itself again and loses nothing", async (t) => {
  const { peer, open, live, forget } = await profile(t);
  const [tab, other] = [open({ position: "e1:0" }), open({ position: "e1:0" })];
  await live(tab, other);
  await pause(50);
  forget(tab);
  peer.emit("record_created");
  await until(() => other.seen.length === 1);
  assert.equal(tab.seen.length, 0);
  await assert.rejects(tab.socket.command("echo"), { code: "connection_lost" });
  await until(() => tab.seen.length === 1);
});
