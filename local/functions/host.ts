/** The door of the functions process: only the gateway may enter, every request goes to one function. */
import { timingSafeEqual } from "node:crypto";
import type { Loaded } from "./registry.ts";

const PREFIX = "/functions/v1/";
const GATEWAY_HEADER = "x-empire-gateway";
/** A body announced as no longer than this is read before the function is called; others are streamed. */
const SMALL_BODY = 65_536;

export interface HostConfig {
  nonce: string;
  secret: string;
}

/** A request handler over the loaded functions. It never throws: a broken function answers 500, the others serve. */
export function makeHost(config: HostConfig, loaded: Loaded) {
  const isGateway = secretCheck(config.secret);
  return async (
    request: Request,
    info: Deno.ServeHandlerInfo,
  ): Promise<Response> => {
    const path = pathOf(request.url);
    if (path === "/health") return health(config, loaded);
    if (!isGateway(request.headers.get(GATEWAY_HEADER))) {
      return problem(403, "only the gateway may call this port");
    }
    const name = path.startsWith(PREFIX) ? path.slice(PREFIX.length).split("/", 1)[0] : "";
    const handler = loaded.handlers.get(name);
    if (!handler) {
      return loaded.failed.has(name)
        ? problem(503, "function failed to start")
        : problem(404, "function not found");
    }
    try {
      return await handler(await withoutSecret(request), info);
    } catch (error) {
      console.error(`${name}:`, error);
      return problem(500, "internal server error");
    }
  };
}

/** Compares in constant time, whatever the lengths. */
function secretCheck(secret: string): (given: string | null) => boolean {
  const encoder = new TextEncoder();
  const expected = encoder.encode(secret);
  return (given) => {
    const bytes = encoder.encode(given ?? "");
    const comparable = bytes.length === expected.length ? bytes : new Uint8Array(expected.length);
    return timingSafeEqual(comparable, expected) &&
      bytes.length === expected.length;
  };
}

/** The path of an address as the server gives it: absolute, without a fragment. */
function pathOf(url: string): string {
  const start = url.indexOf("/", url.indexOf("//") + 2);
  const end = url.indexOf("?", start);
  return end < 0 ? url.slice(start) : url.slice(start, end);
}

/**
 * The function must not see the secret: it could log or forward its headers. A request made anew from its parts costs
 * half of a copy, which carries the signal, the stream and an error for the signal along.
 */
async function withoutSecret(request: Request): Promise<Request> {
  const headers = [...request.headers].filter(([name]) => name !== GATEWAY_HEADER);
  const { method, url } = request;
  if (method === "GET" || method === "HEAD") return new Request(url, { method, headers });
  const length = Number(request.headers.get("content-length") ?? NaN);
  if (method !== "POST" || !(length <= SMALL_BODY)) return new Request(request, { headers });
  return new Request(url, { method, headers, body: await request.bytes() });
}

function health(config: HostConfig, loaded: Loaded): Response {
  const body = {
    status: "ok",
    nonce: config.nonce,
    functions: [...loaded.handlers.keys()],
    failed: [...loaded.failed.keys()],
  };
  return Response.json(body, { headers: { "cache-control": "no-store" } });
}

function problem(status: number, message: string): Response {
  return Response.json({ error: message }, { status });
}
