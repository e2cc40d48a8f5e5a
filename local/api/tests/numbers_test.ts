import assert from "node:assert/strict";
import {
  ExactNumber,
  markExact,
  markJsonScalar,
  parseJson,
  parseNumber,
  serializeJson,
  unmark,
} from "../rest/numbers.ts";

Deno.test("a number that JavaScript holds exactly stays a number", () => {
  for (const text of ["0", "1", "-7", "1.5", "0.1", "9007199254740991"]) {
    assert.equal(parseNumber(text), Number(text));
  }
});

Deno.test("a number that JavaScript would change is sent as the literal Postgres printed", () => {
  for (const text of ["1.50", "9.0000", "9007199254740993", "123456789012345678901234567890.12", "1e-9"]) {
    assert.equal(JSON.stringify({ x: parseNumber(text) }), `{"x":${text}}`);
  }
});

Deno.test("NaN and infinities are strings, as PostgREST quotes them", () => {
  assert.equal(JSON.stringify([parseNumber("NaN"), parseNumber("-Infinity")]), '["NaN","-Infinity"]');
});

Deno.test("JSON keeps the digits of nested numbers through parse and stringify", () => {
  const text = '{"a":1.50,"b":[90071992547409931234,{"c":2.0}],"d":"1.50","e":null}';
  assert.equal(JSON.stringify(parseJson(text)), text);
});

Deno.test("an exact number survives lite: marked in the body, a literal again in a jsonb parameter", () => {
  const marked = JSON.parse(JSON.stringify(markExact(parseJson('{"a":{"b":12345678901234567890.10}}'))));
  assert.equal(serializeJson(marked.a), '{"b":12345678901234567890.10}');
});

Deno.test("the mark of a plain text parameter is removed", () => {
  const [marked] = markExact([new ExactNumber("1.50")]) as string[];
  assert.equal(unmark(marked), "1.50");
  assert.equal(unmark("1.50"), "1.50");
});

Deno.test("what lite has serialised is not serialised again, a JSON string stays a string", () => {
  assert.equal(serializeJson('{"a":1}'), '{"a":1}');
  assert.equal(serializeJson({ a: 1 }), '{"a":1}');
  assert.equal(serializeJson(markJsonScalar("5")), '"5"');
  assert.equal(serializeJson(markJsonScalar('{"a":1}')), '"{\\"a\\":1}"');
});
