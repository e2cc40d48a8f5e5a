/**
 * Filter literals without loss. lite reads `eq.1.50`, `eq.12345678901234567890` and `eq.null` as JavaScript values
 * before it looks at the column; PostgREST compares the text. A quoted literal reaches Postgres as it is.
 */
import { survives } from "./numbers.ts";

const SCALAR = /^((?:not\.)?(?:eq|neq|gt|gte|lt|lte)\.)([\s\S]*)$/;
const LIST = /^((?:not\.)?in\.)\(([\s\S]*)\)$/;
const IN_TREE = /(\.(?:eq|neq|gt|gte|lt|lte)\.)([^,()"{}]+)(?=[,)])/g;
const LIST_IN_TREE = /(\.in\.)\(([^()"]*)\)/g;
const NUMBER = /^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$/;
const RESERVED = /^(null|not_null|unknown)$/i;
const NOT_FILTERS = new Set(["select", "order", "limit", "offset", "columns", "on_conflict", "apikey"]);
const TREES = /(^|\.)(not\.)?(and|or)$/;

/** True when lite would compare with something else than `literal`. */
function changes(literal: string): boolean {
  const text = literal.trim();
  return (NUMBER.test(text) && !survives(text)) || RESERVED.test(text);
}

function quoteScalar(literal: string): string {
  const quoted = literal.length >= 2 && literal.startsWith('"') && literal.endsWith('"');
  return changes(literal) || quoted ? `"${literal}"` : literal;
}

function quoteItem(literal: string): string {
  return changes(literal) ? `"${literal}"` : literal;
}

function quoteList(items: string): string {
  return items.includes('"') ? items : items.split(",").map(quoteItem).join(",");
}

/** One filter's value (`eq.1.50`, `in.(1,2)`, `(a.gt.1.0,b.is.null)`) with its fragile literals quoted. */
export function exactFilter(key: string, value: string): string {
  if (TREES.test(key)) {
    return value
      .replace(IN_TREE, (_all, operator, literal) => operator + quoteItem(literal))
      .replace(LIST_IN_TREE, (_all, operator, items) => `${operator}(${quoteList(items)})`);
  }
  const scalar = SCALAR.exec(value);
  if (scalar) return scalar[1] + quoteScalar(scalar[2]);
  const list = LIST.exec(value);
  return list ? `${list[1]}(${quoteList(list[2])})` : value;
}

/** Rewrites the filters of `url` in place; true when anything changed. */
export function exactFilters(url: URL): boolean {
  let changed = false;
  const rewritten: [string, string][] = [];
  for (const [key, value] of url.searchParams) {
    const last = key.slice(key.lastIndexOf(".") + 1);
    const exact = NOT_FILTERS.has(last) ? value : exactFilter(key, value);
    changed ||= exact !== value;
    rewritten.push([key, exact]);
  }
  if (changed) {
    url.search = rewritten.map(([k, v]) => `${encodeURIComponent(k)}=${encodeURIComponent(v)}`).join("&");
  }
  return changed;
}
