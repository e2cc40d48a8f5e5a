/**
 * /functions/v1/<name>/...: the JWT check Supabase makes in front of functions, then the functions process.
 * On the road of every alert; a path may hold an endpoint's token, so nothing here logs one.
 */
import type { Config } from "./config.ts";
import { json } from "./http.ts";
import { bearerOf, TokenError, type Tokens } from "./keys.ts";
import { failure, log } from "./log.ts";
import { Upstream } from "./upstream.ts";

const PREFIX = "/functions/v1/";
const WEBHOOK_ALIAS = "/api/unify/v1/webhook/";
/** A body announced as no longer than this is read first and sent with the head in one write; others are streamed. */
const SMALL_BODY = 65_536;
/** Headers of one connection or of our own making: not passed on. */
const OWN_HEADERS = new Set([
  "connection",
  "keep-alive",
  "proxy-authenticate",
  "proxy-authorization",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
  "host",
  "content-length",
  "expect",
  "x-forwarded-for",
  "x-empire-gateway",
]);

const PLAIN = /^[a-z]+:\/\/[^/?#]+(\/[A-Za-z0-9_~:/.-]*)$/;

/**
 * The path of an address, where parsing it as a URL would give the same; null for anything that would need it. Every
 * alert's address is plain, and parsing it is a tenth of the gateway's work for an alert.
 */
export function plainPath(address: string): string | null {
  const path = PLAIN.exec(address)?.[1];
  return path === undefined || path.includes("/.") ? null : path;
}

/** `/functions/v1/webhook/...` for the product's own address of it, else the path itself. */
export function functionPath(pathname: string): string | null {
  if (pathname.startsWith(PREFIX)) return pathname;
  if (pathname.startsWith(WEBHOOK_ALIAS)) return PREFIX + "webhook/" + pathname.slice(WEBHOOK_ALIAS.length);
  return null;
}

export class FunctionsProxy {
  readonly #origin: string;
  readonly #upstream: Upstream;

  constructor(
    private readonly config: Pick<Config, "functionsUrl" | "functionsSecret" | "verifyJwtOff">,
    private readonly tokens: Tokens,
  ) {
    const url = new URL(config.functionsUrl);
    this.#origin = url.origin;
    this.#upstream = new Upstream(url.hostname, Number(url.port || 80));
  }

  /** Answers for the function named in `path`; `peer` is the socket's address, appended to X-Forwarded-For. */
  async handle(request: Request, path: string, search: string, peer: string): Promise<Response> {
    const name = path.slice(PREFIX.length).split("/", 1)[0];
    if (!this.config.verifyJwtOff.has(name)) {
      const refused = await this.#checkToken(request);
      if (refused) return refused;
    }
    try {
      return isSmall(request)
        ? await this.#sendWhole(request, path + search, peer)
        : await this.#sendStream(request, path + search, peer);
    } catch (error) {
      log("functions_unreachable", failure(error));
      return json({ code: 503, message: "Function is not available" }, 503, { "retry-after": "1" });
    }
  }

  async #sendWhole(request: Request, target: string, peer: string): Promise<Response> {
    const body = request.headers.has("content-length") ? await request.bytes() : null;
    return await this.#upstream.request(request.method, target, this.#headers(request, peer), body);
  }

  async #sendStream(request: Request, target: string, peer: string): Promise<Response> {
    const headers = new Headers(this.#headers(request, peer));
    // fetch would decode the answer and leave its headers wrong.
    headers.set("accept-encoding", "identity");
    const response = await fetch(this.#origin + target, {
      method: request.method,
      headers,
      body: request.body,
      redirect: "manual",
    });
    const kept = [...response.headers].filter(([name]) => !OWN_HEADERS.has(name));
    return new Response(response.body, { status: response.status, headers: kept });
  }

  async #checkToken(request: Request): Promise<Response | null> {
    const bearer = bearerOf(request);
    if (bearer === null) return json({ code: 401, message: "Missing authorization header" }, 401);
    try {
      await this.tokens.verify(bearer);
      return null;
    } catch (error) {
      if (error instanceof TokenError) return json({ code: 401, message: "Invalid JWT" }, 401);
      throw error;
    }
  }

  #headers(request: Request, peer: string): [string, string][] {
    const forwarded = request.headers.get("x-forwarded-for");
    const headers: [string, string][] = [
      ["x-forwarded-for", forwarded ? `${forwarded}, ${peer}` : peer],
      ["x-empire-gateway", this.config.functionsSecret],
    ];
    for (const header of request.headers) if (!OWN_HEADERS.has(header[0])) headers.push(header);
    return headers;
  }
}

/** Told by the length where there is one: looking at request.body would make a stream of it. */
function isSmall(request: Request): boolean {
  const length = request.headers.get("content-length");
  return length === null ? request.body === null : Number(length) <= SMALL_BODY;
}
