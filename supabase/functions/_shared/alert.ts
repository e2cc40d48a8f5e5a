/** Judges an alert of format unify.v1: the JSON Schema that pydantic exports, then the rules between fields. */
// On hosted Supabase these files are bundled with each function and have no deno.json of their own.
// deno-lint-ignore no-import-prefix
import { type OutputUnit, type Schema, Validator } from "npm:@cfworker/json-schema@4.1.6";
import schema from "./alert.schema.json" with { type: "json" };
import { checkRules } from "./alert_rules.ts";
import { element, member, type Problem, ROOT } from "./problem.ts";
import { type Document, type Json, readJson } from "./strict_json.ts";

// Names what holds an error further down; the error itself is reported at its own place.
const WRAPPERS = new Set(["properties", "additionalProperties", "items"]);
const LENGTHS = new Set(["minItems", "maxItems"]);
const validator = new Validator(schema as unknown as Schema, "2020-12", false);

interface Node {
  description?: string;
  required?: string[];
  properties?: Record<string, Node>;
  items?: Node;
}

/** What was found: the document where the text could be read, and everything that is wrong, one per path. */
export interface Verdict {
  document: Document | null;
  problems: Problem[];
}

/** Judges `text`. An alert without problems may be acted on. Never throws. */
export function judge(text: string): Verdict {
  const document = readJson(text);
  if (Array.isArray(document)) return { document: null, problems: onePerPath(document) };
  const faults = checkSchema(document.value);
  return { document, problems: faults.length > 0 ? faults : checkRules(document) };
}

function onePerPath(problems: Problem[]): Problem[] {
  return [...new Map(problems.map((problem) => [problem.path, problem])).values()];
}

function checkSchema(value: Json): Problem[] {
  const { valid, errors } = validator.validate(value);
  if (valid) return [];
  // A list of the wrong length is one fault, whatever its elements are.
  const lists = errors.filter(({ keyword }) => LENGTHS.has(keyword)).map((error) => error.instanceLocation);
  const faults = errors.filter(({ keyword, instanceLocation }) =>
    !WRAPPERS.has(keyword) && !lists.some((list) => instanceLocation.startsWith(`${list}/`))
  );
  return onePerPath(faults.flatMap((error) => problemsOf(error, value)));
}

function problemsOf(error: OutputUnit, value: Json): Problem[] {
  const steps = error.instanceLocation.split("/").slice(1).map(unescape);
  const { path, node, here } = locate(steps, value);
  if (error.keyword !== "required") return [problem(path, sentence(path, error.keyword, node))];
  return (node.required ?? [])
    .filter((name) => !Object.hasOwn(here as object, name))
    .map((name) => {
      const missing = member(path, name);
      return problem(missing, `${missing} is missing: it must be ${node.properties?.[name]?.description}`);
    });
}

function problem(path: string, message: string): Problem {
  return { path, message, code: "invalid" };
}

function sentence(path: string, keyword: string, node: Node): string {
  if (path === ROOT) return "the body must be a JSON object";
  if (keyword === "false") return `${path} is not a field of unify.v1`;
  return `${path} must be ${node.description ?? "as the format says"}`;
}

/** The path of a place in the body, the schema that holds there, and the value there. */
function locate(steps: string[], value: Json): { path: string; node: Node; here: Json } {
  let [path, node, here]: [string, Node, Json] = [ROOT, schema as Node, value];
  for (const step of steps) {
    if (Array.isArray(here)) {
      const index = Number(step);
      [path, node, here] = [element(path, index), node.items ?? {}, here[index]!];
    } else {
      const fields = node.properties ?? {};
      const field = Object.hasOwn(fields, step) ? fields[step]! : {};
      [path, node, here] = [member(path, step), field, (here as { [name: string]: Json })[step]!];
    }
  }
  return { path, node, here };
}

/** One step of a JSON pointer in a URI fragment. */
function unescape(step: string): string {
  return decodeURIComponent(step).replaceAll("~1", "/").replaceAll("~0", "~");
}
