import { deepStrictEqual, doesNotMatch, strictEqual } from "node:assert/strict";
import { redact } from "./redact.ts";
import { type Document, readJson } from "./strict_json.ts";
import { TokenKeys } from "./token.ts";

const TOKEN = TokenKeys.parse(`k1:${"A".repeat(43)}`).token("0b6a9c1e-1111-4222-8333-444455556666", 1);
const MAC = TOKEN.slice(TOKEN.lastIndexOf(".") + 1);

function stored(text: string) {
  const document = readJson(text);
  return redact(text, Array.isArray(document) ? null : document as Document, [TOKEN, MAC]);
}

Deno.test("a body without secrets is stored to the letter", () => {
  const text = ' {"a": 1.10, "b": [true, null]}\n';
  deepStrictEqual(stored(text), { body: text, payload: text });
});

Deno.test("fields that name a secret lose their value, numbers keep theirs to the digit", () => {
  const text =
    '{"n":1.10,"meta":{"Password":"p","api-key":{"x":1},"license_id":12,"webhookToken":["t"],"qty":0.10}}';
  const hidden = '"[redacted]"';
  strictEqual(
    stored(text).body,
    `{"n":1.10,"meta":{"Password":${hidden},"api-key":${hidden},"license_id":${hidden},` +
      `"webhookToken":${hidden},"qty":0.10}}`,
  );
});

Deno.test("the endpoint's token, its MAC and any signing secret are hidden wherever they stand", () => {
  const texts = [
    JSON.stringify({ comment: `see ${TOKEN}.` }),
    JSON.stringify({ [TOKEN]: 1 }),
    JSON.stringify({ list: [MAC] }),
    JSON.stringify({ tag: "whsec_abcDEF123" }),
    JSON.stringify({ tag: TOKEN.replace(MAC, "abcDEF123".padEnd(22, "x")) }),
    JSON.stringify({ tag: `eth_a1B2c3D4_${"abcDEF123".padEnd(43, "x")}` }),
    JSON.stringify({ tag: "Bearer eyJhbGciOiJI.eyJzdWIiOiJ1.abcDEF123" }),
    JSON.stringify({ broker_pwd: "hunter2", "p-w-d": "hunter2" }),
    `{"tag":"${TOKEN.replace("k1", "\\u006b1")}"}`,
    `{"\\u0070assword":"hunter2"}`,
  ];
  for (const text of texts) {
    const { body, payload } = stored(text);
    strictEqual(body, payload);
    doesNotMatch(body, new RegExp(`${MAC}|abcDEF123|hunter2`));
  }
});

Deno.test("of an unreadable body 200 characters are kept, long runs masked, NUL written out", () => {
  const { body, payload } = stored(`{"token": ${TOKEN} \0 ${"word ".repeat(100)}`);
  strictEqual(payload, null);
  strictEqual(body.startsWith('{"token": [redacted] \\u0000 word '), true);
  strictEqual(body.length <= 205, true);
});

Deno.test("in an unreadable body the value of a name that tells a secret is masked, however short", () => {
  for (
    const text of [
      "password=hunter2",
      '{"my_api-key" : "hun ter2", ',
      "buy, Token: hunter2; sell",
      "pwd:'hunter2'",
    ]
  ) {
    doesNotMatch(stored(text).body, /ter2/);
  }
  strictEqual(stored("buy EURUSD, qty=0.1").body, "buy EURUSD, qty=0.1");
});

Deno.test("no text makes masking slow", () => {
  const begun = performance.now();
  for (const text of ["password", "a-", "token=", '"', "eyJ.", "a.0"]) {
    stored(text.repeat(16_384 / text.length));
  }
  strictEqual(performance.now() - begun < 10_000, true);
});

Deno.test("a secret at the cut of an unreadable body leaves no part of itself", () => {
  const { body } = stored("x ".repeat(95) + "secretsecretsecretsecret");
  doesNotMatch(body, /secret/);
});
