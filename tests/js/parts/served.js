/** For modules of the pages that import one of a package: where the site serves what, as its settings say. Import this first. */
import { register } from "node:module";
import { isMainThread } from "node:worker_threads";

const PACKAGES = new URL("../../../node_modules/", import.meta.url);

if (isMainThread) register(import.meta.url); // Node loads this again, beside the main thread, to ask `resolve`

/** @type {import("node:module").ResolveHook} */
export async function resolve(specifier, context, next) {
  const served = /^\/static\/(punycode\/.*)/.exec(specifier);
  return served ? { url: new URL(served[1], PACKAGES).href, format: "module", shortCircuit: true } : next(specifier, context);
}
