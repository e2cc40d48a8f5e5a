import { deepStrictEqual, notStrictEqual, strictEqual, throws } from "node:assert/strict";
import { loadVectors } from "./payloads.ts";
import { TokenKeys } from "./token.ts";

interface TokenVectors {
  keys: string;
  good: { kid: string; endpoint_id: string; version: number; token: string; signing_secret: string }[];
  forged: { name: string; token: string }[];
  bad_keys: { name: string; keys: string }[];
}

const vectors = loadVectors<TokenVectors>("crypto/tokens.json");
const keys = TokenKeys.parse(vectors.keys);

Deno.test("tokens and signing secrets of the vector file are made and verified as in Python", () => {
  for (const { kid, endpoint_id, version, token, signing_secret } of vectors.good) {
    deepStrictEqual(keys.verify(token), { kid, endpointId: endpoint_id, version });
    strictEqual(keys.signingSecret(endpoint_id, version, kid), signing_secret);
    if (kid === "k2") strictEqual(keys.token(endpoint_id, version), token);
  }
});

Deno.test("every forged or malformed token of the vector file is refused", () => {
  for (const { name, token } of vectors.forged) strictEqual(keys.verify(token), null, name);
});

Deno.test("keys that are not one or two times 32 bytes in one spelling stop the start", () => {
  for (const { name, keys: text } of vectors.bad_keys) {
    throws(() => TokenKeys.parse(text), /EMPIRE_TOKEN_KEYS/, name);
  }
});

Deno.test("after a rotation new tokens carry the new key and old ones still count", () => {
  const [first, second] = vectors.keys.split(",").toReversed() as [string, string];
  const before = TokenKeys.parse(first);
  const { endpoint_id } = vectors.good[0]!;
  const old = before.token(endpoint_id, 1);
  strictEqual(keys.verify(old)?.kid, "k1");
  notStrictEqual(keys.token(endpoint_id, 1), old);
  strictEqual(TokenKeys.parse(second).verify(old), null);
});
