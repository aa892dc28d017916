import assert from "node:assert/strict";
import { test } from "node:test";
import { shown } from "../../static/site/charts/units.js";
import { TimeWindow } from "../../static/site/charts/window.js";
import { parsed, written } from "../../static/site/forwarders/targets.js";

const at = (/** @type {number} */ seconds) => new Date(seconds * 1000).toISOString();
const bucket = (/** @type {number} */ seconds, /** @type {number} */ total) => ({ at: at(seconds), step: 10, weight: 10, totals: { q: total } });

test("the past and the present join without a gap, and what comes twice is the same", () => {
  const time = new TimeWindow(["q"], 60, 10);
  time.read("q", [{ at: at(1000), value: 1 }, { at: at(1010), value: 2 }, { at: at(1020), value: 3 }]);
  time.running(bucket(1020, 30));
  time.running(bucket(1030, 10));
  time.running(bucket(1030, 40));
  assert.deepEqual(time.columns(1035), [[970, 980, 990, 1000, 1010, 1020, 1030], [null, null, null, 1, 2, 3, 4]]);
  assert.equal(time.newest("q"), 4);
});

test("a span that is told in other steps, or that nobody watched, is not drawn", () => {
  const time = new TimeWindow(["q"], 60, 60);
  assert.equal(time.running(bucket(1020, 30)), false);
  assert.equal(new TimeWindow(["q"], 60, 10).running({ ...bucket(1020, 30), weight: 0 }), false);
  assert.equal(time.newest("q"), null);
});

test("however long it runs, it keeps no more than its time", () => {
  const time = new TimeWindow(["q", "r"], 900, 10);
  for (let second = 0; second < 100_000; second += 10) {
    time.running({ ...bucket(second, 1), totals: { q: 1, r: 2 } });
    time.columns(second);
  }
  assert.ok(time.size <= 2 * 92, String(time.size));
});

test("figures are short and have their unit", () => {
  assert.deepEqual([0, 0.04, 3.14159, 42.42, 123.4, 12_345].map((value) => shown(value, "/s")), ["0/s", "0.04/s", "3.1/s", "42.4/s", "123/s", "12 345/s"]);
  assert.deepEqual([512, 1536, 5_000_000].map((value) => shown(value, "B")), ["512 B", "1.5 KiB", "4.8 MiB"]);
  assert.equal(shown(2048, "B/s"), "2 KiB/s");
});

test("targets are written as they are read", () => {
  const text = "192.0.2.1\n192.0.2.2#5353 tcp\n2001:db8::1 dot dns.example.net";
  const targets = parsed(text);
  assert.deepEqual(targets, [
    { address: "192.0.2.1" },
    { address: "192.0.2.2", port: 5353, transport: "tcp" },
    { address: "2001:db8::1", transport: "dot", tls_name: "dns.example.net" },
  ]);
  const stored = [
    { address: "192.0.2.1", port: 53, transport: "udp", tls_name: "" },
    { address: "192.0.2.2", port: 5353, transport: "tcp", tls_name: "" },
    { address: "2001:db8::1", port: 853, transport: "dot", tls_name: "dns.example.net" },
  ];
  assert.equal(written(stored), text);
});
