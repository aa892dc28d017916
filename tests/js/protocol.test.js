import assert from "node:assert/strict";
import { test } from "node:test";

import { formatPosition, matches, parsePosition, subprotocols, verdict } from "../../static/realtime/protocol.js";

for (const code of [1000, 1001, 1005, 1006, 1011, 1012, 1013, 4000, 4001, 4002, 4003, 4029, 4499]) {
  test(`a connection closed with ${code} comes back`, () => assert.equal(verdict(code).again, true));
}

for (const [code, state] of Object.entries({
  4500: "refused",
  4501: "signed_out",
  4503: "refused",
  4509: "displaced",
  4510: "refused",
  4999: "refused",
})) {
  test(`a connection closed with ${code} stays away: ${state}`, () => {
    const judged = verdict(Number(code));
    assert.equal(judged.again, false);
    assert.equal(judged.state, state);
    assert.match(judged.message, /\.$/);
  });
}

test("who is sent away is told why in the server's words", () => {
  const { message } = verdict(4503, "disconnected by an administrator");
  assert.equal(message, "The server ended live updates: disconnected by an administrator.");
});

test("the token and the client's name are offered as subprotocols, never in the address", () => {
  assert.deepEqual(subprotocols({ client: "web" }), ["dnsadmin.v1", "client.web"]);
  assert.deepEqual(subprotocols({ client: "tail", token: "a.b.c", deflate: true }), [
    "dnsadmin.v1",
    "client.tail",
    "bearer.a.b.c",
    "feature.deflate",
  ]);
});

test("a position survives being written and read", () => {
  assert.deepEqual(parsePosition("k3f0:1234"), { epoch: "k3f0", position: 1234 });
  assert.equal(formatPosition({ epoch: "k3f0", position: 1234 }), "k3f0:1234");
});

for (const text of ["", null, undefined, "k3f0", "k3f0:", ":12", "k3f0:-1", "k3f0:1.5", "k3f0:1:2", "k3f0:abc"]) {
  test(`${JSON.stringify(text)} is no position`, () => assert.equal(parsePosition(text), null));
}

test("a pattern names every event that fits it, and no other", () => {
  assert.ok(matches("zone_*", "zone_created"));
  assert.ok(matches("*", "zone_created"));
  assert.ok(matches("*_created", "zone_created"));
  assert.ok(!matches("zone_*", "rpz_zone_created"));
  assert.ok(!matches("zone", "zone_created"));
  assert.ok(!matches("zone.*", "zone_created"));
});
