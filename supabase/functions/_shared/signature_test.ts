import { strictEqual } from "node:assert/strict";
import { sign, verify } from "./signature.ts";
import { loadVectors } from "./payloads.ts";

interface SignatureVectors {
  secret: string;
  cases: { name: string; header: string; body: string; now: number; valid: boolean }[];
}

Deno.test("every signature header of the vector file is judged as in Python", () => {
  const { secret, cases } = loadVectors<SignatureVectors>("crypto/signatures.json");
  for (const { name, header, body, now, valid } of cases) {
    strictEqual(verify(header, secret, new TextEncoder().encode(body), now), valid, name);
  }
});

Deno.test("what is signed here is verified here, and by nobody with another secret", () => {
  const body = new TextEncoder().encode("{}");
  const header = sign("whsec_a", body, 1_700_000_000);
  strictEqual(verify(header, "whsec_a", body, 1_700_000_100), true);
  strictEqual(verify(header, "whsec_b", body, 1_700_000_100), false);
});
