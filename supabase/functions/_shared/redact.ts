/** Takes secrets out of a body before it is stored. */
import { member, ROOT } from "./problem.ts";
import type { Document, Json } from "./strict_json.ts";

const MASK = "[redacted]";
const KEPT_OF_UNREADABLE = 200;
// Endpoint tokens, signing secrets, API keys and JWTs, ours or another installation's, wherever they stand.
const UUID = "[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}";
const OURS = new RegExp(
  `[a-z0-9]{1,8}\\.${UUID}\\.[0-9]{1,9}\\.[A-Za-z0-9_-]{22}|whsec_[A-Za-z0-9_-]*` +
    "|eth_[A-Za-z0-9]{8}_[A-Za-z0-9]{43}|sb_secret_[A-Za-z0-9_-]+|eyJ[A-Za-z0-9_-]+\\.[A-Za-z0-9_-]+\\.[A-Za-z0-9_-]*",
  "g",
);
const RUN = /[A-Za-z0-9_+/=~.-]{16,}/g;
const SECRET_NAME =
  /passw|passphrase|pwd|token|secret|apikey|licen[sc]e|credential|authori[sz]ation|privatekey/;
// The same where a name can be written in several ways: in a text that is not taken apart.
const SPELLED_NAME =
  "passw|passphrase|pwd|token|secret|api[_-]?key|licen[sc]e|credential|authori[sz]ation|private[_-]?key";
// A body without any of these has nothing to hide; an escape could spell anything.
const SUSPICIOUS = new RegExp(
  `${SPELLED_NAME}|p[_-]?w[_-]?d|whsec_|eth_|eyJ|[0-9a-f]{12}\\.[0-9]{1,9}\\.|\\\\u`,
  "i",
);
// `password: x` and `"password": "x"` in a text that is no JSON. Bounded, so that no text makes it slow.
const NAMED_VALUE = new RegExp(
  `([\\w-]{0,40}(?:${SPELLED_NAME})[\\w-]{0,40}["']?\\s{0,5}[:=]\\s{0,5})("[^"\\n]{0,500}"?|[^\\s,;}]{1,500})`,
  "gi",
);

/** What may be stored of a body: its text, and the same as JSON where it could be read. */
export interface Stored {
  body: string;
  payload: string | null;
}

/** `text` without secrets. `known` are this endpoint's own: its token, the token's MAC. */
export function redact(text: string, document: Document | null, known: string[]): Stored {
  if (document === null) {
    return { body: unreadable(text, known), payload: null };
  }
  if (!SUSPICIOUS.test(text) && !known.some((secret) => text.includes(secret))) {
    return { body: text, payload: text };
  }
  const clean = write(document.value, ROOT, document.numbers, known);
  return { body: clean, payload: clean };
}

/** `text` with everything masked that is a secret by its look. */
export function hide(text: string, known: string[]): string {
  return known.reduce((clean, secret) => clean.replaceAll(secret, MASK), text.replace(OURS, MASK));
}

function unreadable(text: string, known: string[]): string {
  const masked = hide(text, known).replace(NAMED_VALUE, `$1${MASK}`).replace(RUN, MASK);
  return Array.from(masked).slice(0, KEPT_OF_UNREADABLE).join("").replaceAll("\0", "\\u0000");
}

/** JSON again, with numbers as they were written. */
function write(value: Json, path: string, numbers: Map<string, string>, known: string[]): string {
  if (typeof value === "string") return JSON.stringify(hide(value, known));
  if (typeof value === "number") return numbers.get(path) ?? String(value);
  if (Array.isArray(value)) {
    return `[${
      value.map((item, i) => write(item, `${path === ROOT ? "" : path}[${i}]`, numbers, known)).join(",")
    }]`;
  }
  if (value === null || typeof value === "boolean") return String(value);
  const members = Object.entries(value).map(([name, item]) => {
    const shown = isSecret(name, item) ? `"${MASK}"` : write(item, member(path, name), numbers, known);
    return `${JSON.stringify(hide(name, known))}:${shown}`;
  });
  return `{${members.join(",")}}`;
}

function isSecret(name: string, value: Json): boolean {
  return value !== null && SECRET_NAME.test(name.toLowerCase().replaceAll(/[_-]/g, ""));
}
