import { strictEqual } from "node:assert/strict";
import { FloodGate } from "./flood.ts";

Deno.test("a key is closed past its limit and open again after the window", () => {
  let now = 0;
  const gate = new FloodGate(2, 1000, 10, () => now);
  for (let i = 0; i < 3; i++) {
    strictEqual(gate.closed("a"), false);
    gate.count("a");
  }
  strictEqual(gate.closed("a"), true);
  strictEqual(gate.closed("b"), false);
  strictEqual(gate.retryAfter("a"), 1);
  now = 1001;
  strictEqual(gate.closed("a"), false);
});

Deno.test("memory is bounded: the key unseen for longest is forgotten", () => {
  const gate = new FloodGate(0, 1000, 2, () => 0);
  for (const key of ["a", "b", "a", "c"]) gate.count(key);
  strictEqual(gate.closed("b"), false);
  strictEqual(gate.closed("a"), true);
  strictEqual(gate.closed("c"), true);
});
