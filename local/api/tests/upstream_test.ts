import assert from "node:assert/strict";
import { FunctionsProxy } from "../functions_proxy.ts";
import { Tokens } from "../keys.ts";
import { Upstream, UpstreamError } from "../upstream.ts";

type Handler = (request: Request) => Response | Promise<Response>;

async function serving(handler: Handler, use: (port: number) => Promise<void>): Promise<void> {
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, handler);
  try {
    await use(server.addr.port);
  } finally {
    await server.shutdown();
  }
}

function proxyTo(port: number): FunctionsProxy {
  const config = {
    functionsUrl: `http://127.0.0.1:${port}`,
    functionsSecret: "boot-secret",
    verifyJwtOff: new Set(["webhook"]),
  };
  return new FunctionsProxy(config, new Tokens("s".repeat(40)));
}

Deno.test("requests follow one another on kept connections, with answers of every length and form", async () => {
  const long = "x".repeat(300_000);
  const answers: Record<string, () => Response> = {
    "/short": () => new Response("ok", { status: 202, headers: { "x-a": "1" } }),
    "/long": () => new Response(long),
    "/stream": () => new Response(new Blob([long]).stream()),
    "/none": () => new Response(null, { status: 204 }),
  };
  await serving((request) => answers[new URL(request.url).pathname](), async (port) => {
    const upstream = new Upstream("127.0.0.1", port);
    for (const path of ["/short", "/long", "/stream", "/none", "/short", "/stream", "/short"]) {
      const response = await upstream.request("GET", path, [], null);
      const expected = answers[path]();
      assert.equal(response.status, expected.status);
      assert.equal(await response.text(), await expected.text());
    }
    upstream.close();
  });
});

Deno.test("a connection that its neighbour closed is not used again", async () => {
  const upstream = await (async () => {
    let made: Upstream | undefined;
    await serving(() => new Response("one"), async (port) => {
      made = new Upstream("127.0.0.1", port);
      await (await made.request("GET", "/", [], null)).text();
    });
    return made!;
  })();
  await assert.rejects(upstream.request("GET", "/", [], null), UpstreamError);
  upstream.close();
});

Deno.test("the functions process sees the body, the peer behind the forwarded chain and the boot's secret", async () => {
  let seen: unknown;
  const handler: Handler = async (request) => {
    seen = {
      forwarded: request.headers.get("x-forwarded-for"),
      secret: request.headers.get("x-empire-gateway"),
      search: new URL(request.url).search,
      body: await request.text(),
    };
    return Response.json({ accepted: true }, { status: 202 });
  };
  await serving(handler, async (port) => {
    const request = new Request("http://127.0.0.1/functions/v1/webhook/paper/t?x=1", {
      method: "POST",
      body: '{"a":1}',
      headers: { "content-length": "7", "x-forwarded-for": "9.9.9.9", "x-empire-gateway": "forged" },
    });
    const response = await proxyTo(port).handle(request, "/functions/v1/webhook/paper/t", "?x=1", "10.0.0.1");
    assert.equal(response.status, 202);
    await response.body?.cancel();
  });
  assert.deepEqual(seen, {
    forwarded: "9.9.9.9, 10.0.0.1",
    secret: "boot-secret",
    search: "?x=1",
    body: '{"a":1}',
  });
});

Deno.test("a function with a JWT check is not reached without a valid token", async () => {
  await serving(() => assert.fail("reached"), async (port) => {
    const proxy = proxyTo(port);
    for (const authorization of [undefined, "Bearer a.b.c", "Bearer sb_publishable_x", "Basic x"]) {
      const headers: Record<string, string> = authorization ? { authorization } : {};
      const request = new Request("http://127.0.0.1/functions/v1/endpoint", { headers });
      const response = await proxy.handle(request, "/functions/v1/endpoint", "", "10.0.0.1");
      assert.equal(response.status, 401);
    }
  });
});

Deno.test("a functions process that is away is a 503 that may be tried again", async () => {
  const request = new Request("http://127.0.0.1/functions/v1/webhook/t", { method: "POST", body: "{}" });
  const response = await proxyTo(1).handle(request, "/functions/v1/webhook/t", "", "10.0.0.1");
  assert.equal(response.status, 503);
  assert.equal(response.headers.get("retry-after"), "1");
});
