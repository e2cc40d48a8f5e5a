/**
 * Reads JSON as strictly as money deserves. The same reader, line for line, is shared/models/strict_json.py:
 * tests/payloads/alerts/vectors.json holds both to equal verdicts.
 */
import { element, member, type Problem, ROOT } from "./problem.ts";

export type Json = null | boolean | number | string | Json[] | { [name: string]: Json };

/** A body that was read without fault. `numbers` holds each number as it was written, by its path. */
export interface Document {
  value: Json;
  numbers: Map<string, string>;
}

const MAX_DEPTH = 8;
const MAX_MEMBERS = 200;
const MAX_NUMBER_LENGTH = 32;
const MAX_EXPONENT = 20;

const SPACE = /[ \t\n\r]*/y;
// deno-lint-ignore no-control-regex
const PLAIN_STRING = /"([^"\\\x00-\x1f]*)"/y;
// deno-lint-ignore no-control-regex
const STRING = /"(?:[^"\\\x00-\x1f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"/y;
const NUMBER = /-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE]([+-]?[0-9]+))?/y;
const NOT_FINITE = /NaN|-?Infinity/y;
const WORD = /true|false|null/y;
const WORDS: Record<string, boolean | null> = { true: true, false: false, null: null };

/** The text is not JSON; the position says where. */
class Unreadable extends Error {
  constructor(readonly at: number) {
    super();
  }
}

/** Depth or number of members: reading on would only cost time. */
class Limit extends Error {}

/** The value of `text`, or everything that is wrong with it. Never throws. */
export function readJson(text: string): Document | Problem[] {
  const reader = new Reader(text);
  try {
    const value = reader.document();
    return reader.problems.length > 0 ? reader.problems : { value, numbers: reader.numbers };
  } catch (error) {
    if (error instanceof Limit) return reader.problems;
    if (error instanceof Unreadable) {
      return [{ path: ROOT, message: explain(text, error.at), code: "unreadable" }];
    }
    throw error;
  }
}

function explain(text: string, at: number): string {
  if (/^[ \t\n\r]*$/.test(text)) return "the body is empty";
  if (text.slice(Math.max(at - 1, 0), at + 2).includes("{{")) {
    return `the body is not JSON: the {{placeholder}} near character ${at + 1} was not filled in`;
  }
  return `the body is not JSON: unexpected text at character ${at + 1}`;
}

class Reader {
  readonly problems: Problem[] = [];
  readonly numbers = new Map<string, string>();
  private at = 0;
  private members = 0;

  constructor(private readonly text: string) {}

  document(): Json {
    this.space();
    const value = this.value(ROOT, 0);
    this.space();
    if (this.at !== this.text.length) throw new Unreadable(this.at);
    return value;
  }

  private value(path: string, depth: number): Json {
    const first = this.text[this.at];
    if (first === '"') return this.string(path);
    if (first === "{") return this.object(path, this.deeper(path, depth));
    if (first === "[") return this.array(path, this.deeper(path, depth));
    return this.numberOrWord(path);
  }

  private deeper(path: string, depth: number): number {
    if (depth === MAX_DEPTH) {
      this.refuse(path, `is nested more than ${MAX_DEPTH} levels deep`);
      throw new Limit();
    }
    this.at += 1;
    this.space();
    return depth + 1;
  }

  private object(path: string, depth: number): Json {
    // Without a prototype: a name such as "constructor" is a name like any other.
    const found: { [name: string]: Json } = Object.create(null);
    if (this.skip("}")) return found;
    while (true) {
      if (this.text[this.at] !== '"') throw new Unreadable(this.at);
      const name = this.string(path);
      const child = member(path, name);
      this.count(child);
      if (Object.hasOwn(found, name)) this.refuse(child, "appears twice");
      if (name === "__proto__") this.refuse(child, "is not an allowed name");
      this.expect(":");
      found[name] = this.value(child, depth);
      this.space();
      if (this.skip("}")) return found;
      this.expect(",");
    }
  }

  private array(path: string, depth: number): Json {
    const found: Json[] = [];
    if (this.skip("]")) return found;
    while (true) {
      const child = element(path, found.length);
      this.count(child);
      found.push(this.value(child, depth));
      this.space();
      if (this.skip("]")) return found;
      this.expect(",");
    }
  }

  private string(path: string): string {
    const plain = this.match(PLAIN_STRING);
    let value: string;
    if (plain) {
      value = plain[1]!;
    } else {
      const escaped = this.match(STRING);
      if (!escaped) throw new Unreadable(this.at);
      value = JSON.parse(escaped[0]) as string;
      this.checkCharacters(path, value);
    }
    if (value.includes("{{")) this.refuse(path, "still holds a {{placeholder}} that was not filled in");
    return value;
  }

  private checkCharacters(path: string, value: string): void {
    if (value.includes("\0")) this.refuse(path, "holds a NUL character");
    if (!value.isWellFormed()) this.refuse(path, "holds half of a surrogate pair");
  }

  private numberOrWord(path: string): Json {
    const word = this.match(WORD);
    if (word) return WORDS[word[0]]!;
    const notFinite = this.match(NOT_FINITE);
    if (notFinite) {
      this.refuse(path, `is ${notFinite[0]}: the chart had no value here`);
      return null;
    }
    const number = this.match(NUMBER);
    if (!number) throw new Unreadable(this.at);
    if (number[0].length > MAX_NUMBER_LENGTH) {
      this.refuse(path, `is a number of more than ${MAX_NUMBER_LENGTH} characters`);
      return null;
    }
    if (number[1] && Math.abs(Number(number[1])) > MAX_EXPONENT) {
      this.refuse(path, `is a number with an exponent beyond ${MAX_EXPONENT}`);
      return null;
    }
    this.numbers.set(path, number[0]);
    return Number(number[0]);
  }

  private count(path: string): void {
    this.members += 1;
    if (this.members > MAX_MEMBERS) {
      this.refuse(path, `is one too many: a body may hold ${MAX_MEMBERS} members`);
      throw new Limit();
    }
  }

  private refuse(path: string, message: string): void {
    this.problems.push({ path, message: `${path} ${message}`, code: "invalid" });
  }

  private match(pattern: RegExp): RegExpExecArray | null {
    pattern.lastIndex = this.at;
    const found = pattern.exec(this.text);
    if (found) this.at += found[0].length;
    return found;
  }

  private space(): void {
    const code = this.text.charCodeAt(this.at);
    if (code === 32 || code === 10 || code === 13 || code === 9) this.match(SPACE);
  }

  private skip(character: string): boolean {
    if (this.text[this.at] !== character) return false;
    this.at += 1;
    return true;
  }

  private expect(character: string): void {
    this.space();
    if (!this.skip(character)) throw new Unreadable(this.at);
    this.space();
  }
}
