import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import test from "node:test";

import "./parts/served.js";

const { readable } = await import("../../static/site/names.js");

/** The same table as for the server: `tests/zones/test_hostile.py`. @type {Record<string, string>} */
const NAMES = JSON.parse(readFileSync(new URL("../zones/readable_names.json", import.meta.url), "utf8"));

for (const [name, shown] of Object.entries(NAMES)) test(`${name} reads ${shown}`, () => assert.equal(readable(name), shown));
