import { deepStrictEqual, throws } from "node:assert/strict";
import { checkOf, type Schema } from "./json_schema.ts";
import { type Problem, ROOT } from "./problem.ts";
import type { Json } from "./strict_json.ts";

/** The paths of what is wrong with `value`. */
function wrong(schema: Schema, value: Json): string[] {
  const found: Problem[] = [];
  checkOf(schema)(value, ROOT, found);
  return found.map(({ path }) => path);
}

Deno.test("a schema that says what would not be looked at is an error, however deep it says so", () => {
  const unknown = { type: "string", contentEncoding: "base64" } as Schema;
  throws(() => checkOf(unknown), /contentEncoding/);
  throws(() => checkOf({ type: "object", properties: { a: unknown } }), /contentEncoding/);
  throws(() => checkOf({ type: "array", items: { type: "string", format: "uri" } }), /format uri/);
});

Deno.test("lengths count code points, as Python counts", () => {
  const two: Schema = { type: "string", minLength: 2, maxLength: 2 };
  deepStrictEqual(["ab", "\u{1f600}b", "\u{1f600}", "abc"].map((text) => wrong(two, text).length), [
    0,
    0,
    1,
    1,
  ]);
});

Deno.test("a date is a day that there is", () => {
  const date: Schema = { type: "string", format: "date-time" };
  const days = ["2024-02-29", "2026-02-29", "2026-04-30", "2026-04-31", "2000-02-29"];
  deepStrictEqual(days.map((day) => wrong(date, `${day}T00:00:00Z`).length), [0, 1, 0, 1, 0]);
});

Deno.test("every field that is wrong, missing or unknown has its path; a list of the wrong length has one", () => {
  const item: Schema = { type: "object", properties: { n: { type: "integer" } }, required: ["n"] };
  const list: Schema = { type: "array", items: { ...item, additionalProperties: false }, maxItems: 2 };
  const schema: Schema = { type: "object", properties: { list } };
  deepStrictEqual(wrong(schema, { list: [{ n: 1.5 }, { m: 1 }] }), ["list[0].n", "list[1].n", "list[1].m"]);
  deepStrictEqual(wrong(schema, { list: [{}, {}, {}] }), ["list"]);
});
