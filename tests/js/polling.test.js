import assert from "node:assert/strict";
import { test } from "node:test";

import { stage } from "./parts/stage.js";
import { profile } from "./parts/tabs.js";
import { pause, until } from "./parts/waiting.js";

const at = (position) => ({ epoch: "e1", position });

test("where no WebSocket gets through the log is read over HTTP, and the state says so", async (t) => {
  const { peer, service, positions, heard } = await stage(t, { start: false, position: at(0) });
  peer.blocked = true;
  peer.emit("record_created");
  service.start();
  await until(() => positions().length === 1);
  assert.equal(service.state.name, "polling");
  peer.emit("record_updated");
  await until(() => positions().length === 2);
  assert.deepEqual(positions(), [1, 2]);
  assert.deepEqual(service.position, at(2));
  assert.ok(heard.states.indexOf("reconnecting") < heard.states.indexOf("polling"));
});

test("as soon as a WebSocket gets through it takes over, and nothing comes twice or is lost", async (t) => {
  const { peer, service, positions, live } = await stage(t, { start: false, position: at(0) });
  peer.blocked = true;
  service.start();
  peer.emit("record_created");
  await until(() => positions().length === 1);
  peer.blocked = false;
  await live();
  peer.emit("record_updated");
  await until(() => positions().length === 2);
  const { polls } = peer;
  await pause(100);
  assert.equal(peer.polls, polls);
  assert.deepEqual(positions(), [1, 2]);
});

test("a page that began with nothing begins where the log is now", async (t) => {
  const { peer, service, positions, heard } = await stage(t, { start: false });
  peer.blocked = true;
  peer.emit("record_created");
  service.start();
  await until(() => service.state.name === "polling" && service.position);
  peer.emit("record_updated");
  await until(() => positions().length === 1);
  assert.deepEqual(positions(), [2]);
  assert.deepEqual(heard.resyncs, []);
});

test("a log that is another one now is not mixed up with the old one", async (t) => {
  const { peer, service, heard, positions } = await stage(t, { start: false, position: { epoch: "e0", position: 7 } });
  peer.blocked = true;
  peer.emit("record_created");
  service.start();
  await until(() => heard.resyncs.length);
  assert.deepEqual(heard.resyncs, ["epoch_changed"]);
  peer.emit("record_updated");
  await until(() => positions().length === 1);
  assert.deepEqual(positions(), [2]);
});

test("when neither way works it is not called polling", async (t) => {
  const { peer, service, heard } = await stage(t);
  await peer.stop();
  await until(() => service.state.attempt >= 5);
  assert.ok(!heard.states.includes("polling"));
  await peer.start();
  await until(() => service.state.name === "live");
});

test("a lasting refusal ends the reading over HTTP as well", async (t) => {
  const { peer, service, live } = await stage(t, { start: false, position: at(0) });
  peer.blocked = true;
  service.start();
  await until(() => service.state.name === "polling");
  peer.blocked = false;
  await live();
  peer.dismiss(4503);
  await until(() => service.state.name === "refused");
  const { polls } = peer;
  await pause(100);
  assert.equal(peer.polls, polls);
});

test("tabs are supplied while the log is read over HTTP, late ones too", async (t) => {
  const { peer, open } = await profile(t);
  peer.blocked = true;
  const first = open({ position: "e1:0", wants: ["record_*"] });
  await until(() => first.socket.state.name === "polling");
  peer.emit("record_created");
  peer.emit("zone_created");
  await until(() => first.seen.length === 1);
  const late = open({ position: "e1:1" });
  await until(() => late.seen.length === 1);
  assert.deepEqual(late.positions(), [2]);
  peer.emit("record_updated");
  await until(() => late.seen.length === 2 && first.seen.length === 2);
  assert.deepEqual(first.positions(), [1, 3]);
});
