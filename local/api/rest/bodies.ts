/** Request bodies of table writes and RPC, brought to what lite handles as PostgREST would. */
import { DEFAULT_MARK } from "./defaults.ts";
import { ExactNumber, markExact, markJsonScalar, mayHoldInexact, parseJson } from "./numbers.ts";

export interface BodyPlan {
  /** Columns of type json or jsonb: a string value is a JSON string, not JSON text. */
  jsonColumns: Set<string>;
  /** `?columns=`: the columns to write; others in the body are ignored. */
  columns: string[] | null;
  /** `Prefer: missing=default`. */
  missingDefault: boolean;
  /** A column to name in an INSERT of an empty object, which lite would leave without any. */
  fallbackColumn: string | null;
}

type Row = Record<string, unknown>;

function isRow(value: unknown): value is Row {
  return value !== null && typeof value === "object" && !Array.isArray(value);
}

function markValue(name: string, value: unknown, jsonNames: Set<string>): unknown {
  const scalar = typeof value === "string" || value instanceof ExactNumber;
  return scalar && jsonNames.has(name) ? markJsonScalar(value) : value;
}

/** One row as PostgREST's json_to_record sees it: only `columns`, absent ones null or, if asked for, their default. */
function fitRow(row: Row, plan: BodyPlan): Row {
  const absent = plan.missingDefault ? DEFAULT_MARK : null;
  const names = plan.columns ?? Object.keys(row);
  if (names.length === 0 && plan.fallbackColumn !== null) return { [plan.fallbackColumn]: DEFAULT_MARK };
  return Object.fromEntries(
    names.map((name) => [name, name in row ? markValue(name, row[name], plan.jsonColumns) : absent]),
  );
}

/** The body of a table write. Unreadable bodies pass unchanged: lite answers them with PGRST102. */
export function tableBody(body: string, plan: BodyPlan): string {
  const asIs = plan.jsonColumns.size === 0 && plan.columns === null && !mayHoldInexact(body);
  if (asIs && !/\{\s*\}/.test(body)) return body;
  let parsed: unknown;
  try {
    parsed = parseJson(body);
  } catch {
    return body;
  }
  const rows = Array.isArray(parsed) ? parsed : [parsed];
  if (!rows.every(isRow)) return body;
  const fitted = rows.map((row) => markExact(fitRow(row, plan)));
  return JSON.stringify(Array.isArray(parsed) ? fitted : fitted[0]);
}

/** The arguments of an RPC; `jsonArguments` are those of type json or jsonb. */
export function rpcBody(body: string, jsonArguments: Set<string>): string {
  if (jsonArguments.size === 0 && !mayHoldInexact(body)) return body;
  let parsed: unknown;
  try {
    parsed = parseJson(body);
  } catch {
    return body;
  }
  if (!isRow(parsed)) return JSON.stringify(markExact(parsed));
  const marked = Object.entries(parsed).map(([name, value]) => [name, markValue(name, value, jsonArguments)]);
  return JSON.stringify(markExact(Object.fromEntries(marked)));
}

/** `value` without members that are null, at any depth of objects: json_strip_nulls. */
export function stripNulls(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(stripNulls);
  if (!isRow(value) || value.constructor !== Object) return value;
  const kept = Object.entries(value).filter(([, inner]) => inner !== null);
  return Object.fromEntries(kept.map(([key, inner]) => [key, stripNulls(inner)]));
}
