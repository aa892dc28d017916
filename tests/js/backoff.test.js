import assert from "node:assert/strict";
import { test } from "node:test";

import { Backoff } from "../../static/realtime/backoff.js";

test("the limit of the wait doubles from half a second to twenty", () => {
  const backoff = new Backoff({ random: () => 1 });
  const waits = Array.from({ length: 8 }, () => backoff.next());
  assert.deepEqual(waits, [500, 1000, 2000, 4000, 8000, 16000, 20000, 20000]);
});

test("any part of the limit may be drawn, so that clients do not return in waves", () => {
  const drawn = [0, 0.25, 0.999];
  const backoff = new Backoff({ random: () => drawn.shift() ?? 0 });
  assert.deepEqual([backoff.next(), backoff.next(), backoff.next()], [0, 250, 1998]);
});

test("the wait that the server asks for is taken as it is, and counts as an attempt", () => {
  const backoff = new Backoff({ random: () => 1 });
  assert.equal(backoff.next(7340), 7340);
  assert.equal(backoff.attempt, 1);
  assert.equal(backoff.next(), 1000);
});

test("after a success the waits are short again", () => {
  const backoff = new Backoff({ random: () => 1 });
  backoff.next();
  backoff.next();
  backoff.reset();
  assert.equal(backoff.attempt, 0);
  assert.equal(backoff.next(), 500);
});
