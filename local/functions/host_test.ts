import { deepEqual, equal } from "node:assert/strict";
import { makeHost } from "./host.ts";
import { functionNames, handlerOf, loadFunctions } from "./registry.ts";

const FOLDER = new URL("./testdata/", import.meta.url);
const SECRET = "a secret of this start";
const info = {} as Deno.ServeHandlerInfo;

const loaded = await loadFunctions(FOLDER);
const host = makeHost({ nonce: "n1", secret: SECRET }, loaded);

function call(path: string, secret: string | null = SECRET): Promise<Response> {
  const headers = new Headers(secret === null ? {} : { "x-empire-gateway": secret });
  return host(new Request(`http://127.0.0.1${path}`, { headers }), info);
}

Deno.test("folders that begin with _ are no functions", () => {
  deepEqual(functionNames(FOLDER), ["broken", "exported", "served", "silent"]);
});

Deno.test("a handler is found wherever Deno.serve takes one", () => {
  const handler = () => new Response();
  for (const args of [[handler], [{ port: 1 }, handler], [{ handler }]]) equal(handlerOf(args), handler);
  equal(handlerOf([{ port: 1 }]), undefined);
});

Deno.test("one function that fails to start leaves the others serving", async () => {
  deepEqual([...loaded.handlers.keys()], ["exported", "served"]);
  deepEqual([...loaded.failed.keys()], ["broken", "silent"]);
  equal((await call("/functions/v1/served/any/path")).status, 200);
  equal((await call("/functions/v1/broken")).status, 503);
  equal((await call("/functions/v1/silent")).status, 503);
});

Deno.test("an exception in a function is a 500 of that request only", async () => {
  equal((await call("/functions/v1/exported")).status, 500);
  equal((await call("/functions/v1/served")).status, 200);
});

Deno.test("strangers are refused before anything is looked up", async () => {
  for (const secret of [null, "", "x", SECRET.slice(1), `${SECRET}x`, SECRET.toUpperCase()]) {
    equal((await call("/functions/v1/served", secret)).status, 403);
    equal((await call("/functions/v1/unknown", secret)).status, 403);
  }
});

Deno.test("a function never sees the gateway's secret", async () => {
  equal(await (await call("/functions/v1/served")).text(), "no secret");
});

Deno.test("unknown names and other paths are 404", async () => {
  for (const path of ["/functions/v1/unknown", "/functions/v1/", "/functions/v1/_shared", "/"]) {
    equal((await call(path)).status, 404);
  }
});

Deno.test("health names the start and what is served, without a secret", async () => {
  const answer = await call("/health", null);
  deepEqual(await answer.json(), {
    status: "ok",
    nonce: "n1",
    functions: ["exported", "served"],
    failed: ["broken", "silent"],
  });
});
