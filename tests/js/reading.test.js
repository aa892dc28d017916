import assert from "node:assert/strict";
import test from "node:test";
import { oneAfterAnother } from "../../static/site/reading.js";

/** A site whose answers come when they are let go. */
function slowSite() {
  /** @type {((answer: unknown) => void)[]} */
  const asked = [];
  return { asked, read: () => new Promise((resolve) => asked.push(resolve)) };
}

const soon = () => new Promise((resolve) => setTimeout(resolve, 1));

test("what asks together is read once", async () => {
  const { asked, read } = slowSite();
  const again = oneAfterAnother(read);
  again();
  again();
  await soon();
  assert.equal(asked.length, 1);
});

test("what asks while a reading is under way is read after it, once", async () => {
  const { asked, read } = slowSite();
  const again = oneAfterAnother(read);
  again();
  await soon();
  again();
  again();
  await soon();
  assert.equal(asked.length, 1);
  asked[0]("older");
  await soon();
  assert.equal(asked.length, 2);
  asked[1]("newer");
  await soon();
  assert.equal(asked.length, 2);
});

test("it is read however fast the reasons follow each other", async () => {
  let readings = 0;
  const again = oneAfterAnother(async () => (readings += 1), 10);
  for (let reason = 0; reason < 30; reason += 1) {
    again();
    await soon();
  }
  assert.ok(readings > 1);
});

test("a reading that fails is told to who asked, and the next one is read", async () => {
  let readings = 0;
  const again = oneAfterAnother(async () => {
    readings += 1;
    if (readings === 1) throw new Error("the site cannot be reached");
  });
  await assert.rejects(again());
  await again();
  assert.equal(readings, 2);
});
