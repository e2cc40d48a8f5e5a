import { deepStrictEqual, strictEqual } from "node:assert/strict";
import { TokenKeys } from "../_shared/token.ts";
import { handleEndpoint, type Reveal } from "./handler.ts";

const ENDPOINT = "0b6a9c1e-1111-4222-8333-444455556666";
const keys = TokenKeys.parse(`k1:${"A".repeat(43)}`);

function ask(reveal: Reveal, body: string, headers: HeadersInit = { authorization: "Bearer jwt" }) {
  const request = new Request("http://host/endpoint", { method: "POST", body, headers });
  return handleEndpoint(request, keys, reveal);
}

const own: Reveal = () => Promise.resolve({ endpoint_id: ENDPOINT, version: 2, broker: "paper" });

Deno.test("the owner is shown the address and the signing secret of the current version", async () => {
  const shown = await (await ask(own, JSON.stringify({ endpoint_id: ENDPOINT.toUpperCase() }))).json();
  const token = keys.token(ENDPOINT, 2);
  deepStrictEqual(shown, {
    endpoint_id: ENDPOINT,
    version: 2,
    broker: "paper",
    token,
    path: `/functions/v1/webhook/paper/${token}`,
    signing_secret: keys.signingSecret(ENDPOINT, 2),
  });
});

Deno.test("what the database refuses is refused with its status, code and sentence", async () => {
  const refused: Reveal = () =>
    Promise.resolve({ status: 403, code: "step_up_required", message: "Confirm." });
  const response = await ask(refused, JSON.stringify({ endpoint_id: ENDPOINT }));
  strictEqual(response.status, 403);
  deepStrictEqual(await response.json(), { error: "step_up_required", message: "Confirm." });
});

Deno.test("without a token of a user, or without an id, nothing is asked", async () => {
  const never: Reveal = () => Promise.reject(new Error("asked"));
  strictEqual((await ask(never, JSON.stringify({ endpoint_id: ENDPOINT }), {})).status, 401);
  for (const body of ["", "[]", "null", '{"endpoint_id":5}', '{"endpoint_id":"x"}', "x".repeat(20_000)]) {
    strictEqual((await ask(never, body)).status, 422, body.slice(0, 20));
  }
});
