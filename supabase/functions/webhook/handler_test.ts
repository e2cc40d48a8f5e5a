import { deepStrictEqual, doesNotMatch, strictEqual } from "node:assert/strict";
import type { Answer } from "../_shared/answers.ts";
import { NotConfirmed } from "../_shared/database.ts";
import { sign } from "../_shared/signature.ts";
import { TokenKeys } from "../_shared/token.ts";
import { WebhookHandler } from "./handler.ts";

const NOW = 1_700_000_000;
const ENDPOINT = "0b6a9c1e-1111-4222-8333-444455556666";
const keys = TokenKeys.parse(`k1:${"A".repeat(43)}`);
const token = keys.token(ENDPOINT, 3);
const ALERT = '{"version":"unify.v1","intent":{"side":"buy","symbol":"EURUSD","qty_mode":"lots","qty":0.10}}';

// deno-lint-ignore no-explicit-any
type Argument = any;

/** A handler whose inbox records what it is asked. The inbox is the border to the database. */
function door(answered: Answer | Error = { http: 202, status: "accepted", event_id: 7, deliveries: 2 }) {
  const asked: Argument[] = [];
  const texts: string[] = [];
  const lines: string[] = [];
  const handler = new WebhookHandler({
    keys,
    inbox: {
      ingest(argument) {
        texts.push(argument);
        asked.push(JSON.parse(argument));
        return answered instanceof Error ? Promise.reject(answered) : Promise.resolve(answered);
      },
    },
    trustedHops: 1,
    log: (line) => lines.push(JSON.stringify(line)),
    now: () => NOW,
  });
  const post = (path: string, body: BodyInit | null = ALERT, headers: HeadersInit = {}, method = "POST") => {
    const request = new Request(`http://host${path}`, { method, body, headers });
    return handler.handle(request, "127.0.0.1");
  };
  return { asked, texts, lines, post };
}

const PATH = `/functions/v1/webhook/tradelocker/${token}`;

Deno.test("an accepted alert is answered 202 with its event", async () => {
  const { asked, post } = door();
  const response = await post(PATH, ALERT, { "x-forwarded-for": "6.6.6.6, 52.89.214.238" });
  strictEqual(response.status, 202);
  deepStrictEqual(await response.json(), { status: "accepted", event_id: 7, deliveries: 2 });
  const [{ body_sha256, ...argument }] = asked;
  strictEqual(body_sha256.length, 64);
  deepStrictEqual(argument, {
    endpoint_id: ENDPOINT,
    token_version: 3,
    broker: "tradelocker",
    body: ALERT,
    signature: null,
    signature_valid: null,
    client_ip: "52.89.214.238",
    refusal: null,
    payload: JSON.parse(ALERT),
  });
});

Deno.test("numbers reach the database as the sender wrote them", async () => {
  const { texts, post } = door();
  await post(PATH, ALERT.replace("0.10", "0.1000000000000000000000000001"));
  strictEqual(texts[0]!.includes('"qty":0.1000000000000000000000000001}}'), true);
});

Deno.test("every name of a broker in the path means its broker", async () => {
  const { asked, post } = door();
  const names = ["tradelocker", "topstep", "topstepx", "truforex", "mt4", "mt5", "metatrader", "paper"];
  for (const name of names) await post(`/webhook/${name}/${token}`);
  deepStrictEqual(asked.map(({ broker }) => broker), [
    "tradelocker",
    ...Array(2).fill("topstepx"),
    ...Array(4).fill("metatrader"),
    "paper",
  ]);
});

Deno.test("a wrong path is 404, a wrong method 405, both before anything else", async () => {
  const { asked, post } = door();
  for (
    const path of ["/", "/webhook", `/webhook/binance/${token}`, `/webhook/constructor/${token}`, `${PATH}/x`]
  ) {
    strictEqual((await post(path)).status, 404, path);
  }
  const got = await post(PATH, null, {}, "GET");
  strictEqual(got.status, 405);
  strictEqual(got.headers.get("allow"), "POST");
  strictEqual((await post(PATH, ALERT, {}, "PUT")).status, 405);
  strictEqual(asked.length, 0);
});

Deno.test("a forged token is 401 without a question to the database, and the answer of a revoked one is the same", async () => {
  const forged = door();
  const first = await forged.post(PATH.slice(0, -1) + "!");
  const revoked = door({ http: 401, error: "unauthorized", message: "whatever the database says" });
  const second = await revoked.post(PATH);
  strictEqual(first.status, 401);
  strictEqual(second.status, 401);
  strictEqual(await first.text(), await second.text());
  strictEqual(forged.asked.length, 0);
});

Deno.test("a flood of forged tokens is 429 without a log line each; a right token from there still passes", async () => {
  const { lines, post } = door();
  const forged = PATH.slice(0, -22) + "A".repeat(22);
  const statuses = new Set<number>();
  for (let i = 0; i < 700; i++) statuses.add((await post(forged, "")).status);
  deepStrictEqual([...statuses], [401, 429]);
  strictEqual(lines.length <= 601, true);
  strictEqual((await post(PATH)).status, 202);
});

Deno.test("a flood with a revoked token stops asking the database", async () => {
  const { asked, post } = door({ http: 401, error: "unauthorized", message: "" });
  for (let i = 0; i < 200; i++) strictEqual((await post(PATH)).status, 401);
  strictEqual(asked.length < 30, true);
});

Deno.test("over 16 kB is 413, an encoded body 415, neither is asked of the database", async () => {
  const { asked, post } = door();
  strictEqual((await post(PATH, "x".repeat(16_385))).status, 413);
  strictEqual((await post(PATH, ALERT, { "content-encoding": "gzip" })).status, 415);
  strictEqual(asked.length, 0);
  strictEqual((await post(PATH, ALERT, { "content-encoding": "identity" })).status, 202);
});

Deno.test("text/plain that holds JSON is an alert like any other", async () => {
  const { asked, post } = door();
  strictEqual((await post(PATH, ALERT, { "content-type": "text/plain" })).status, 202);
  strictEqual(asked[0].refusal, null);
});

Deno.test("a signature is verified over the raw bytes and its verdict handed on", async () => {
  const { asked, post } = door();
  const secret = keys.signingSecret(ENDPOINT, 3);
  const header = sign(secret, new TextEncoder().encode(ALERT), NOW);
  await post(PATH, ALERT, { "x-webhook-signature": header });
  await post(PATH, ALERT + " ", { "x-webhook-signature": header });
  await post(PATH, ALERT, [["x-webhook-signature", header], ["x-webhook-signature", header]]);
  await post(PATH, ALERT);
  deepStrictEqual(asked.map(({ signature_valid }) => signature_valid), [true, false, false, null]);
});

Deno.test("a body that is wrong is handed on as refused, without a payload, with every path", async () => {
  const { asked, post } = door({ http: 422, error: "invalid", message: "", details: [], event_id: 9 });
  const response = await post(PATH, ALERT.replace('"buy"', '"long"'));
  strictEqual(response.status, 422);
  strictEqual(asked[0].payload, null);
  deepStrictEqual(asked[0].refusal, {
    status: 422,
    error: "invalid",
    details: [{ path: "intent.side", message: "intent.side must be buy or sell" }],
  });
});

Deno.test("a body that is no JSON is handed on as unreadable, with what may be kept of it", async () => {
  const { asked, post } = door({ http: 400, error: "unreadable", message: "" });
  strictEqual((await post(PATH, `buy EURUSD ${token}`)).status, 400);
  strictEqual((await post(PATH, new Uint8Array([0xff, 0x00]))).status, 400);
  strictEqual(asked[0].body, "buy EURUSD [redacted]");
  strictEqual(asked[0].refusal.status, 400);
  strictEqual(asked[1].body, "\ufffd\\u0000");
});

Deno.test("a commit that is not confirmed is 503 with Retry-After", async () => {
  const { post } = door(new NotConfirmed("connection lost"));
  const response = await post(PATH);
  strictEqual(response.status, 503);
  strictEqual(response.headers.get("retry-after"), "5");
});

Deno.test("a limit of the endpoint is 429 with Retry-After", async () => {
  const { post } = door({ http: 429, error: "rate_limited", message: "", retry_after: 17 });
  const response = await post(PATH);
  strictEqual(response.status, 429);
  strictEqual(response.headers.get("retry-after"), "17");
});

Deno.test("the token is in no log line and in nothing that is handed to be stored", async () => {
  const { lines, texts, post } = door({ http: 422, error: "invalid", message: "" });
  const mac = token.slice(token.lastIndexOf(".") + 1);
  const bodies = [
    token,
    `{"${token}":1}`,
    `{"version":"unify.v1","intent":{"tag":"${mac}","meta":{"a":"${token}"}}}`,
  ];
  for (const body of bodies) await post(PATH, body, { "x-webhook-signature": token });
  await post(PATH.slice(0, -1));
  strictEqual(lines.length, 4);
  for (const text of [...lines, ...texts]) doesNotMatch(text, new RegExp(mac.slice(0, -1)));
});
