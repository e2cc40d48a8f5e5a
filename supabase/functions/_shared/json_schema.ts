/**
 * A JSON Schema as a function that finds what is wrong with a value: made once, so that an alert costs it 1 us. It knows
 * the keywords that shared/models/alert_schema.py writes; one that it does not know is an error when it is made.
 */
import { element, member, type Problem, ROOT } from "./problem.ts";
import type { Json } from "./strict_json.ts";

/** The schema of one value. Its description says what the value must be. */
export interface Schema {
  description?: string;
  type: string | string[];
  const?: Json;
  enum?: Json[];
  pattern?: string;
  format?: string;
  minLength?: number;
  maxLength?: number;
  minimum?: number;
  maximum?: number;
  exclusiveMinimum?: number;
  properties?: Record<string, Schema>;
  required?: string[];
  additionalProperties?: boolean;
  items?: Schema;
  minItems?: number;
  maxItems?: number;
}

/** Adds everything that is wrong with the value at `path` to `found`, one problem a path. */
export type Check = (value: Json, path: string, found: Problem[]) => void;

type Fits<Value> = (value: Value) => boolean;
type Members = { [name: string]: Json };

const ABOUT = ["$schema", "$comment", "description", "default"];
const KEYWORDS = new Set([
  ...ABOUT,
  ...["type", "const", "enum", "pattern", "format", "minLength", "maxLength", "minimum", "maximum"],
  ...["exclusiveMinimum", "properties", "required", "additionalProperties", "items", "minItems", "maxItems"],
]);

/** The check of a schema. Throws when the schema says something that would not be looked at. */
export function checkOf(schema: Schema): Check {
  assertKnown(schema);
  const types = new Set([schema.type].flat());
  const allowed = schema.enum === undefined ? null : new Set(schema.enum);
  const fitsText = textCheck(schema);
  const fitsNumber = numberCheck(schema);
  const fitsList = listCheck(schema);
  const checkMembers = membersCheck(schema);
  const checkElement = schema.items === undefined ? null : checkOf(schema.items);

  function fits(value: Json, type: string): boolean {
    if (!types.has(type) && !(types.has("integer") && Number.isInteger(value))) return false;
    if (schema.const !== undefined && value !== schema.const) return false;
    if (allowed !== null && !allowed.has(value)) return false;
    if (type === "string") return fitsText(value as string);
    if (type === "number") return fitsNumber(value as number);
    return type === "array" ? fitsList(value as Json[]) : true;
  }

  return (value, path, found) => {
    const type = typeOf(value);
    if (!fits(value, type)) found.push(invalid(path, sentence(path, schema)));
    else if (type === "object") checkMembers(value as Members, path, found);
    else if (type === "array" && checkElement !== null) {
      (value as Json[]).forEach((item, i) => checkElement(item, element(path, i), found));
    }
  };
}

function assertKnown(schema: Schema): void {
  const unknown = Object.keys(schema).filter((keyword) => !KEYWORDS.has(keyword));
  if (typeof (schema.additionalProperties ?? true) !== "boolean") unknown.push("additionalProperties");
  if ((schema.format ?? "date-time") !== "date-time") unknown.push(`format ${schema.format}`);
  if (unknown.length > 0) throw new Error(`the schema says what is not looked at: ${unknown.join(", ")}`);
}

function typeOf(value: Json): string {
  if (value === null) return "null";
  return Array.isArray(value) ? "array" : typeof value;
}

function textCheck({ pattern, format, minLength = 0, maxLength = Infinity }: Schema): Fits<string> {
  const expression = pattern === undefined ? null : new RegExp(pattern, "u");
  return (text) => {
    // Counted in code points, as Python counts; a code point is one or two of what `length` counts.
    if (text.length < 2 * minLength || text.length > maxLength) {
      const length = Array.from(text).length;
      if (length < minLength || length > maxLength) return false;
    }
    if (expression !== null && !expression.test(text)) return false;
    return format === undefined || isDate(text);
  };
}

/** Whether there is such a day; that a time is a time, its pattern says. */
function isDate(text: string): boolean {
  const [year, month, day] = [0, 5, 8].map((at) => Number(text.slice(at, at === 0 ? 4 : at + 2)));
  return new Date(Date.UTC(year!, month! - 1, day)).getUTCDate() === day;
}

function numberCheck(schema: Schema): Fits<number> {
  const { minimum = -Infinity, maximum = Infinity, exclusiveMinimum = -Infinity } = schema;
  return (value) => value >= minimum && value <= maximum && value > exclusiveMinimum;
}

function listCheck({ minItems = 0, maxItems = Infinity }: Schema): Fits<Json[]> {
  return ({ length }) => length >= minItems && length <= maxItems;
}

function membersCheck({ properties = {}, required = [], additionalProperties }: Schema) {
  const checks = new Map(Object.entries(properties).map(([name, schema]) => [name, checkOf(schema)]));
  return (value: Members, path: string, found: Problem[]) => {
    for (const name of required) {
      if (Object.hasOwn(value, name)) continue;
      const missing = member(path, name);
      found.push(invalid(missing, `${missing} is missing: it must be ${properties[name]?.description}`));
    }
    for (const name of Object.keys(value)) {
      const [check, place] = [checks.get(name), member(path, name)];
      if (check !== undefined) check(value[name]!, place, found);
      else if (additionalProperties === false) {
        found.push(invalid(place, `${place} is not a field of unify.v1`));
      }
    }
  };
}

function sentence(path: string, { description }: Schema): string {
  if (path === ROOT) return "the body must be a JSON object";
  return `${path} must be ${description ?? "as the format says"}`;
}

function invalid(path: string, message: string): Problem {
  return { path, message, code: "invalid" };
}
