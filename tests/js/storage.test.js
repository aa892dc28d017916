import assert from "node:assert/strict";
import test from "node:test";
import { ofPerson, ofTab } from "../../static/site/storage.js";

// Here there is no storage at all, as where a browser forbids it.
test("what cannot be kept lasts as long as the page", () => {
  ofTab.write("draft:example.com:7", { typed: "x" });
  ofTab.set("draft:example.com:8", "no JSON");
  ofTab.set("other", "y");
  assert.deepEqual(ofTab.names("draft:example.com:"), ["draft:example.com:7", "draft:example.com:8"]);
  assert.deepEqual(ofTab.read("draft:example.com:7"), { typed: "x" });
  assert.equal(ofTab.read("draft:example.com:8"), null);
  ofTab.set("draft:example.com:7", null);
  assert.deepEqual(ofTab.names("draft:example.com:"), ["draft:example.com:8"]);
  assert.equal(ofTab.get("draft:example.com:7"), null);
  assert.equal(ofPerson.get("other"), null);
});
