import assert from "node:assert/strict";
import { acceptedStep, enroll } from "../auth/totp.ts";

// RFC 6238, appendix B: the ASCII secret 12345678901234567890, last six digits.
const SECRET = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";

Deno.test("codes of the RFC are accepted in their step and told apart by it", () => {
  assert.equal(acceptedStep(SECRET, "287082", 59_000), 1);
  assert.equal(acceptedStep(SECRET, "081804", 1_111_111_109_000), 37_037_036);
});

Deno.test("one step early or late is accepted and keeps its own number, two are not", () => {
  assert.equal(acceptedStep(SECRET, "287082", 59_000 + 30_000), 1);
  assert.equal(acceptedStep(SECRET, "287082", 59_000 + 90_000), null);
});

Deno.test("what is no code of six digits is refused", () => {
  for (const code of ["", "12345", "1234567", "abcdef", "28708 "]) {
    assert.equal(acceptedStep(SECRET, code, 59_000), null);
  }
});

Deno.test("an enrolment comes with a secret, its uri and a picture", async () => {
  const { secret, uri, qr_code } = await enroll("hub", "a@example.com");
  assert.match(uri, new RegExp(`secret=${secret}`));
  assert.match(qr_code, /^<svg/);
});
