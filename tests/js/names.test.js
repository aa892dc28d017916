import assert from "node:assert/strict";
import test from "node:test";
import { readable } from "../../static/site/names.js";

// The same as the server's, by the examples of its own tests and of RFC 3492, 7.1.
for (const [name, shown] of [
  ["xn--bcher-kva.example.", "bücher.example."],
  ["_dmarc.xn--mnchen-3ya", "_dmarc.münchen"],
  ["xn--strae-oqa.example.", "straße.example."],
  ["xn--ihqwcrb4cv8a8dqg056pqjye.example", "他们为什么不说中文.example"],
  ["xn--fiqs8s.xn--p1ai", "中国.рф"],
  ["www.example.com.", "www.example.com."],
  ["*", "*"],
])
  test(`${name} reads ${shown}`, () => assert.equal(readable(name), shown));

test("labels that do not decode, or to what is no name, stay as they are", () => {
  for (const name of ["xn--a", "xn--", "xn--ls8h", "xn--b-xgn", "xn--99999999", "xn--a.example"]) assert.equal(readable(name), name);
});
