import assert from "node:assert/strict";
import { test } from "node:test";

import { EventManager } from "../../static/realtime/event_manager.js";
import { Signals } from "../../static/realtime/signals.js";
import { profile } from "./parts/tabs.js";
import { pause, until } from "./parts/waiting.js";

/** Where events come from, in the hand of the test; it writes down what is asked of it. */
class Source extends Signals {
  wishes = [];
  holds = [];
  want(patterns, need) {
    this.wishes.push({ patterns, need });
  }
  hold(onHold) {
    this.holds.push(onHold);
  }
  send(...events) {
    this.tell("events", events);
  }
}

let count = 0;
const durable = (position, event_type = "record_updated") => ({
  type: "event",
  event_type,
  id: `d${position}`,
  position,
  data: {},
});
const flow = (event_type = "dns_query_batch") => ({ type: "event", event_type, id: `f${++count}`, data: { n: count } });

function stage(options) {
  const source = new Source();
  const events = new EventManager(source, options);
  const seen = [];
  const note = ({ position, event_type }) => seen.push(position ?? event_type);
  return { source, events, seen, note };
}

test("handlers get the events of their types and patterns, and nothing else", async () => {
  const { source, events } = stage();
  const heard = [];
  events.on("record_updated", () => heard.push("exact"));
  events.on(["zone_*", "record_*"], () => heard.push("pattern"));
  events.on("alert_resolved", () => heard.push("other"));
  source.send(durable(1));
  await until(() => heard.length === 2);
  assert.deepEqual(heard, ["exact", "pattern"]);
});

test("a page that is hidden for a while asks for no streams until somebody looks again", async (context) => {
  const page = new EventTarget();
  page.visibilityState = "visible";
  globalThis.document = page;
  context.after(() => delete globalThis.document);
  const show = (state) => {
    page.visibilityState = state;
    page.dispatchEvent(new Event("visibilitychange"));
  };
  const { source, events } = stage({ awayMs: 30 });
  events.on(["dns_query_*", "record_updated", "invented_*"], () => {});
  await until(() => source.wishes.length === 1);
  show("hidden");
  show("visible");
  await pause(80);
  assert.equal(source.wishes.length, 1, "not for a moment");
  show("hidden");
  await until(() => source.wishes.length === 2);
  assert.deepEqual(source.wishes[1].patterns, ["record_updated", "invented_*"]);
  show("visible");
  await until(() => source.wishes.length === 3);
  assert.deepEqual(source.wishes[2].patterns, ["dns_query_*", "record_updated", "invented_*"]);
});

test("what on() returns ends it", async () => {
  const { source, events, seen, note } = stage();
  const stop = events.on("*", note);
  source.send(durable(1));
  await until(() => seen.length === 1);
  stop();
  source.send(durable(2));
  await pause(80);
  assert.deepEqual(seen, [1]);
});

test("events that arrive together are delivered together, later, in order of position", async () => {
  const { source, events, seen, note } = stage();
  events.on("*", note);
  source.send(durable(5), durable(3));
  source.send(durable(4), flow(), durable(6));
  assert.deepEqual(seen, []);
  await until(() => seen.length === 5);
  assert.deepEqual(
    seen.filter((each) => typeof each === "number"),
    [3, 4, 5, 6],
  );
});

test("events wait while what they are about is read again, and come after it", async () => {
  const { source, events, seen, note } = stage();
  events.on("*", note);
  await events.during(async () => {
    source.send(durable(1));
    await events.during(() => pause(30));
    source.send(durable(2));
    await pause(80);
    assert.deepEqual(seen, []);
  });
  await until(() => seen.length === 2);
  await assert.rejects(events.during(() => Promise.reject(new Error("not to be read"))));
  source.send(durable(3));
  await until(() => seen.length === 3);
  assert.deepEqual(seen, [1, 2, 3]);
});

test("an event that comes twice is delivered once", async () => {
  const { source, events, seen, note } = stage();
  events.on("*", note);
  source.send(durable(1), durable(1));
  await until(() => seen.length);
  source.send(durable(1), durable(2));
  await until(() => seen.length === 2);
  assert.deepEqual(seen, [1, 2]);
});

test("a handler that throws harms no other, and its error is reported with the event", async () => {
  const { source, events, seen, note } = stage();
  const errors = [];
  events.onError((error, event) => errors.push([error.message, event.position]));
  events.on("*", () => {
    throw new Error("broken");
  });
  events.on("*", async () => {
    await pause(1);
    throw new Error("broken later");
  });
  events.on("*", note);
  source.send(durable(1));
  await until(() => errors.length === 2);
  assert.deepEqual(seen, [1]);
  assert.deepEqual(errors, [
    ["broken", 1],
    ["broken later", 1],
  ]);
});

test("slow handlers do not hold up the page: the rest of the events waits for the next frames", async () => {
  const { source, events } = stage();
  let given = 0;
  events.on("*", () => {
    given += 1;
    const until = performance.now() + 4;
    while (performance.now() < until);
  });
  source.send(...Array.from({ length: 30 }, (_, i) => durable(i + 1)));
  await until(() => given > 0);
  assert.ok(given < 30, `${given} at once`);
  await until(() => given === 30);
});

test("what the handlers want travels together, and again when it changes", async () => {
  const { source, events } = stage();
  const stop = events.on("zone_*", () => {});
  events.on(["record_updated", "zone_*"], () => {});
  await until(() => source.wishes.length === 1);
  assert.deepEqual(source.wishes[0], { patterns: ["zone_*", "record_updated"], need: null });
  stop();
  events.on("alert_resolved", () => {});
  await until(() => source.wishes.length === 2);
  assert.deepEqual(source.wishes[1].patterns, ["record_updated", "zone_*", "alert_resolved"]);
});

test("handlers ask for what happened since their page was read, or their own content was", async () => {
  const { source, events } = stage({ position: { epoch: "e", position: 10 } });
  events.on("zone_*", () => {});
  events.on("record_*", () => {}, { since: { epoch: "e", position: 7 } });
  events.on("alert_*", () => {}, { since: null });
  await until(() => source.wishes.length === 1);
  assert.deepEqual(source.wishes[0].need, { patterns: ["zone_*", "record_*"], since: { epoch: "e", position: 7 } });
});

test("a handler gets no event that its content has already", async () => {
  const { source, events } = stage({ position: { epoch: "e", position: 10 } });
  const page = [];
  const older = [];
  events.on("*", ({ position }) => page.push(position));
  events.on("*", ({ position }) => older.push(position), { since: { epoch: "e", position: 8 } });
  source.send(durable(8), durable(9), durable(10), durable(11));
  await until(() => page.length && older.length === 3);
  assert.deepEqual(page, [11]);
  assert.deepEqual(older, [9, 10, 11]);
});

test("a module of the page that loads late gets what the others got before", async () => {
  const { source, events, seen, note } = stage({ position: { epoch: "e", position: 0 } });
  events.on("*", note);
  source.send(durable(1), durable(2));
  await until(() => seen.length === 2);
  const late = [];
  events.on("record_*", ({ position }) => late.push(position));
  source.send(durable(3));
  await until(() => late.length === 3);
  assert.deepEqual(late, [1, 2, 3]);
  assert.deepEqual(seen, [1, 2, 3]);
});

test("a pause holds events back and counts them; its end delivers them in order", async () => {
  const { source, events, seen, note } = stage();
  const waiting = [];
  events.onWaiting((number) => waiting.push(number));
  events.on("*", note);
  events.pause();
  source.send(durable(2), durable(1));
  await until(() => waiting.includes(2));
  assert.equal(events.waiting, 2);
  assert.deepEqual(seen, []);
  events.resume();
  await until(() => seen.length === 2);
  assert.deepEqual(seen, [1, 2]);
  assert.equal(events.waiting, 0);
  await until(() => waiting.at(-1) === 0);
  assert.deepEqual(source.holds, [true, false]);
});

test("a pause of one stream leaves the others alone", async () => {
  const { source, events, seen, note } = stage();
  events.on("*", note);
  events.pause("dns_query_*");
  source.send(flow(), durable(1));
  await until(() => seen.length === 1);
  assert.deepEqual(seen, [1]);
  assert.equal(events.waiting, 1);
  assert.deepEqual(source.holds, []);
});

test("a pause that lasts too long lets go of what passes by first, and says so when it loses more", async () => {
  const { source, events, seen, note } = stage();
  const resyncs = [];
  events.onResync(({ reason }) => resyncs.push(reason));
  events.on("*", note);
  events.pause();
  source.send(flow(), ...Array.from({ length: 5000 }, (_, i) => durable(i + 1)));
  assert.deepEqual(resyncs, []);
  assert.equal(events.waiting, 5000);
  source.send(durable(5001));
  assert.deepEqual(resyncs, ["paused_too_long"]);
  events.resume();
  await until(() => seen.length === 5000);
  assert.equal(seen[0], 2);
});

test("asking for the connection ends the pause", async () => {
  const { source, events, seen, note } = stage();
  events.on("*", note);
  events.pause();
  source.send(durable(1));
  source.tell("released");
  await until(() => seen.length === 1);
});

test("a page on hold shows as paused, and as live again after it", async (t) => {
  const { open, live } = await profile(t);
  const tab = open();
  await live(tab);
  tab.events.pause();
  assert.equal(tab.socket.state.name, "paused");
  tab.socket.reconnect();
  assert.equal(tab.socket.state.name, "live");
  assert.deepEqual(tab.states.slice(-3), ["live", "paused", "live"]);
});

test("while data arrives the state tells how new it is", async (t) => {
  const { peer, open, live } = await profile(t);
  const tab = open();
  await live(tab);
  await pause(50);
  const before = Date.now();
  let told = null;
  tab.socket.onState(({ lastEventAt }) => (told = lastEventAt));
  peer.emit("record_updated");
  await until(() => told >= before);
});
