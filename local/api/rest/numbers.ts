/**
 * Numbers without loss. Postgres numeric and int8 hold more than a JavaScript number; PostgREST passes them through
 * as JSON literals, and so do we: out with JSON.rawJSON, in with a mark that Postgres reads as leading white space.
 */

// deno-lint-ignore no-explicit-any
const rawJson: (text: string) => unknown = (JSON as any).rawJSON;

type Reviver = (this: unknown, key: string, value: unknown, context: { source?: string }) => unknown;
const parseWithSource = JSON.parse as (text: string, reviver: Reviver) => unknown;

const JSON_NUMBER = /^-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?$/;
/** Only such texts can hold a number that does not survive: a fraction, an exponent, sixteen digits. */
const MAY_HOLD_INEXACT = /\d\.\d|\d[eE][+-]?\d|\d{16}/;

/** A number of Postgres that Number would change; prints and serialises as its own text. */
export class ExactNumber {
  constructor(readonly text: string) {}
  toString(): string {
    return this.text;
  }
  toJSON(): unknown {
    return rawJson(this.text);
  }
}

/** True when `text` written as a JavaScript number and back is the same text. */
export function survives(text: string): boolean {
  return String(Number(text)) === text;
}

/** The value of a numeric or int8 as Postgres prints it. NaN and infinities stay strings, as PostgREST quotes them. */
export function parseNumber(text: string): number | ExactNumber | string {
  if (!JSON_NUMBER.test(text)) return text;
  return survives(text) ? Number(text) : new ExactNumber(text);
}

/** A float4 or float8: JSON has no NaN, PostgREST sends its name. */
export function parseFloatText(text: string): number | string {
  const value = Number(text);
  return Number.isFinite(value) ? value : text;
}

/** JSON.parse that keeps the digits of every number. */
export function parseJson(text: string): unknown {
  if (!MAY_HOLD_INEXACT.test(text)) return JSON.parse(text);
  return parseWithSource(text, (_key, value, { source }) => {
    return typeof value === "number" && source !== undefined ? parseNumber(source) : value;
  });
}

// Vertical tab, form feed, vertical tab: white space to the input functions of numeric, int8 and arrays, and nothing
// that anyone sends.
const MARK = "\v\f\v";
const MARKED_IN_JSON = /"\\u000b\\f\\u000b(-?[0-9.eE+-]+)"/g;

/** True when a request body may hold a number that lite's JSON.parse would change. */
export function mayHoldInexact(body: string): boolean {
  return MAY_HOLD_INEXACT.test(body);
}

/** `value` with every exact number as a marked string: what lite can carry to the driver unharmed. */
export function markExact(value: unknown): unknown {
  if (value instanceof ExactNumber) return MARK + value.text;
  if (Array.isArray(value)) return value.map(markExact);
  if (value === null || typeof value !== "object") return value;
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, markExact(inner)]));
}

// No white space: lite trims and parses what it takes for the text of a json value.
const JSON_MARK = "\u0001json:";

/** A JSON string or exact number on its way to a json or jsonb parameter: lite would take its text for JSON. */
export function markJsonScalar(value: string | ExactNumber): string {
  return JSON_MARK + JSON.stringify(value);
}

/** For a text parameter: the literal without its mark. */
export function unmark(text: string): string {
  return text.startsWith(MARK) ? text.slice(MARK.length) : text;
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

/** A json or jsonb parameter. lite has serialised some of them already and the driver would do it again. */
export function serializeJson(value: unknown): string {
  if (typeof value === "string" && value.startsWith(JSON_MARK)) return value.slice(JSON_MARK.length);
  const text = typeof value === "string" && isJson(value) ? value : JSON.stringify(value);
  return text.includes("\\u000b\\f\\u000b") ? text.replaceAll(MARKED_IN_JSON, "$1") : text;
}
