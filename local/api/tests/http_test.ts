import assert from "node:assert/strict";
import { hookFunction, readConfig } from "../config.ts";
import { functionPath, plainPath } from "../functions_proxy.ts";
import { Doorman, readBody } from "../http.ts";

const door = new Doorman(24320, "https://hub.example.com");

function request(headers: Record<string, string>): Request {
  return new Request("http://127.0.0.1:24320/rest/v1/", { headers });
}

Deno.test("only our own names are answered: a rebound DNS name is not", () => {
  for (const host of ["127.0.0.1:24320", "localhost", "[::1]:24320", "hub.example.com"]) {
    assert.ok(door.knowsHost(request({ host })), host);
  }
  for (const host of ["evil.example", "127.0.0.1.evil.example", "hub.example.com.evil"]) {
    assert.ok(!door.knowsHost(request({ host })), host);
  }
});

Deno.test("our pages may read our answers, other pages may not", () => {
  const ours = door.withCors(request({ origin: "https://hub.example.com" }), new Response("x"));
  assert.equal(ours.headers.get("access-control-allow-origin"), "https://hub.example.com");
  const answer = new Response("x", { headers: { "access-control-allow-origin": "*" } });
  assert.equal(
    door.withCors(request({ origin: "https://evil.example" }), answer).headers.get(
      "access-control-allow-origin",
    ),
    null,
  );
});

Deno.test("a preflight is answered 204 on every path with the headers it asks for", () => {
  const asked = request({
    "origin": "http://localhost:24320",
    "access-control-request-headers": "x-foo,apikey",
  });
  const answer = door.preflight(asked);
  assert.equal(answer.status, 204);
  assert.equal(answer.headers.get("access-control-allow-headers"), "x-foo,apikey");
});

Deno.test("the product's own address of the webhook is the function's", () => {
  assert.equal(functionPath("/api/unify/v1/webhook/paper/tok"), "/functions/v1/webhook/paper/tok");
  assert.equal(functionPath("/functions/v1/unify/order"), "/functions/v1/unify/order");
  assert.equal(functionPath("/api/unify/v1/other"), null);
});

Deno.test("a path that is read without parsing is the one that parsing gives", () => {
  const token = "k1.0b6a9c1e-1111-4222-8333-444455556666.3.AbC_-0123456789abcdefgh";
  for (const path of ["/", "/functions/v1/x", `/api/unify/v1/webhook/paper/${token}`, "/a//b/c~:d..e"]) {
    assert.equal(plainPath(`http://127.0.0.1:24320${path}`), path);
    assert.equal(new URL(`http://127.0.0.1:24320${path}`).pathname, path);
  }
});

Deno.test("a path that parsing would change is not read without it", () => {
  const changed = [
    "/a/../b",
    "/a/./b",
    "/..",
    "/a/%2e%2e/b",
    "/a\\..\\b",
    "/a b",
    "/ä",
    "/a?b",
    "/a#b",
    "",
    "/a\tb",
  ];
  for (const path of changed) assert.equal(plainPath(`http://127.0.0.1:24320${path}`), null, path);
});

Deno.test("the hook's setting takes the CLI's uri or a function's name, and nothing else", () => {
  assert.equal(
    hookFunction("pg-functions://postgres/public/custom_access_token_hook"),
    "public.custom_access_token_hook",
  );
  assert.equal(hookFunction("private.hook"), "private.hook");
  assert.equal(hookFunction(""), null);
  assert.throws(() => hookFunction("a.b; drop table x"));
});

Deno.test("an incomplete environment is refused by name", () => {
  assert.throws(() => readConfig(() => undefined), /EMPIRE_JWT_SECRET/);
});

Deno.test("a body is counted while it is read, whatever length it announces", async () => {
  const streamed = (size: number) =>
    new Request("http://x/", { method: "POST", body: new Blob([new Uint8Array(size)]).stream() });
  assert.equal((await readBody(streamed(1000), 1000))!.length, 1000);
  assert.equal(await readBody(streamed(1001), 1000), null);
  const announced = new Request("http://x/", {
    method: "POST",
    body: "abc",
    headers: { "content-length": "3" },
  });
  assert.equal((await readBody(announced, 3))!.length, 3);
});
