import { deepStrictEqual, match, strictEqual } from "node:assert/strict";
import { judge } from "./alert.ts";
import { decode } from "./body.ts";
import { type AlertVector, bytesOf, loadVectors } from "./payloads.ts";

function verdict(vector: AlertVector): [string, string[]] {
  const { text, valid } = decode(bytesOf(vector));
  if (!valid) return ["unreadable", ["$"]];
  const { problems } = judge(text);
  if (problems.length === 0) return ["accepted", []];
  const unreadable = problems.some(({ code }) => code === "unreadable");
  return [unreadable ? "unreadable" : "invalid", problems.map(({ path }) => path).sort()];
}

Deno.test("every body of the vector file gets the verdict and the paths that Python gives", () => {
  const vectors = loadVectors<AlertVector[]>("alerts/vectors.json");
  strictEqual(vectors.length >= 120, true);
  for (const vector of vectors) {
    deepStrictEqual([vector.name, ...verdict(vector)], [vector.name, vector.expect, vector.paths.toSorted()]);
  }
});

function alert(intent: unknown): string {
  return JSON.stringify({ version: "unify.v1", intent });
}

Deno.test("a bare stop is refused with the sentence that says what to write", () => {
  const { problems } = judge(alert({ symbol: "EURUSD", side: "buy", sl: 20 }));
  deepStrictEqual(problems.map(({ message }) => message), [
    'intent.sl must be an object that says which unit, such as {"mode":"pips","value":20}',
  ]);
});

Deno.test("a quantity without a unit is refused with the sentence that asks for it", () => {
  const { problems } = judge(alert({ symbol: "EURUSD", side: "buy", qty: 1 }));
  match(problems[0]!.message, /^intent\.qty_mode is missing: say which unit/);
});

Deno.test("an unfilled placeholder is named although it makes the body unreadable", () => {
  const { problems } = judge('{"version":"unify.v1","intent":{"qty":{{close}}}}');
  match(problems[0]!.message, /\{\{placeholder\}\} near character 40 was not filled in/);
});

Deno.test("a refused body that could be read is given back, so that it can be stored without its secrets", () => {
  strictEqual(judge(alert({})).document !== null, true);
  strictEqual(judge("{").document, null);
});
