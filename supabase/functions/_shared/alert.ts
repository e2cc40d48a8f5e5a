/** Judges an alert of format unify.v1: the JSON Schema that pydantic exports, then the rules between fields. */
import schema from "./alert.schema.json" with { type: "json" };
import { checkRules } from "./alert_rules.ts";
import { checkOf, type Schema } from "./json_schema.ts";
import { type Problem, ROOT } from "./problem.ts";
import { type Document, readJson } from "./strict_json.ts";

const checkSchema = checkOf(schema as Schema);

/** What was found: the document where the text could be read, and everything that is wrong, one per path. */
export interface Verdict {
  document: Document | null;
  problems: Problem[];
}

/** Judges `text`. An alert without problems may be acted on. Never throws. */
export function judge(text: string): Verdict {
  const document = readJson(text);
  if (Array.isArray(document)) return { document: null, problems: onePerPath(document) };
  const faults: Problem[] = [];
  checkSchema(document.value, ROOT, faults);
  return { document, problems: faults.length > 0 ? faults : checkRules(document) };
}

function onePerPath(problems: Problem[]): Problem[] {
  return [...new Map(problems.map((problem) => [problem.path, problem])).values()];
}
