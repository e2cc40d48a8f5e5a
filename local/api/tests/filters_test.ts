import assert from "node:assert/strict";
import { exactFilter, exactFilters } from "../rest/filters.ts";

Deno.test("a literal that lite would change is quoted, any other passes", () => {
  assert.equal(exactFilter("t", "eq.1.50"), 'eq."1.50"');
  assert.equal(exactFilter("b", "eq.9007199254740993"), 'eq."9007199254740993"');
  assert.equal(exactFilter("t", "not.eq.null"), 'not.eq."null"');
  for (const value of ["eq.15", "eq.abc", "is.null", "like.1.50*", "fts.1.0"]) {
    assert.equal(exactFilter("t", value), value);
  }
});

Deno.test("a quoted literal at top level is part of the value, as in PostgREST", () => {
  assert.equal(exactFilter("t", 'eq."x"'), 'eq.""x""');
});

Deno.test("lists and trees are treated item by item", () => {
  assert.equal(exactFilter("n", "in.(1,2.0,9007199254740993)"), 'in.(1,"2.0","9007199254740993")');
  assert.equal(exactFilter("or", "(a.gt.1.0,b.is.null)"), '(a.gt."1.0",b.is.null)');
  assert.equal(exactFilter("child.or", "(a.in.(1.0,2),b.eq.3)"), '(a.in.("1.0",2),b.eq.3)');
});

Deno.test("select, order and limits are no filters", () => {
  const url = new URL("http://x/rest/v1/t?select=a,b&order=a.desc&limit=1.0&a=eq.1.0");
  assert.equal(exactFilters(url), true);
  assert.equal(url.searchParams.get("limit"), "1.0");
  assert.equal(url.searchParams.get("a"), 'eq."1.0"');
});
