/**
 * /functions/v1/<name>/...: the JWT check Supabase makes in front of functions, then the functions process.
 * On the road of every alert; a path may hold an endpoint's token, so nothing here logs one.
 */
import type { Config } from "./config.ts";
import { json } from "./http.ts";
import { bearerOf, TokenError, type Tokens } from "./keys.ts";
import { failure, log } from "./log.ts";

const PREFIX = "/functions/v1/";
const WEBHOOK_ALIAS = "/api/unify/v1/webhook/";
/** A body announced as shorter than this is read first: one write to the functions process instead of three. */
const SMALL_BODY = 65_536;
const HOP_BY_HOP = [
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
];

/** `/functions/v1/webhook/...` for the product's own address of it, else the path itself. */
export function functionPath(pathname: string): string | null {
  if (pathname.startsWith(PREFIX)) return pathname;
  if (pathname.startsWith(WEBHOOK_ALIAS)) return PREFIX + "webhook/" + pathname.slice(WEBHOOK_ALIAS.length);
  return null;
}

export class FunctionsProxy {
  readonly #origin: string;

  constructor(
    private readonly config: Pick<Config, "functionsUrl" | "functionsSecret" | "verifyJwtOff">,
    private readonly tokens: Tokens,
  ) {
    this.#origin = config.functionsUrl.replace(/\/+$/, "");
  }

  /** Answers for the function named in `path`; `peer` is the socket's address, appended to X-Forwarded-For. */
  async handle(request: Request, path: string, search: string, peer: string): Promise<Response> {
    const name = path.slice(PREFIX.length).split("/", 1)[0];
    if (!this.config.verifyJwtOff.has(name)) {
      const refused = await this.#checkToken(request);
      if (refused) return refused;
    }
    try {
      const response = await fetch(this.#origin + path + search, {
        method: request.method,
        headers: this.#headers(request, peer),
        body: await bodyOf(request),
        redirect: "manual",
        signal: request.signal,
      });
      return new Response(response.body, { status: response.status, headers: answerHeaders(response) });
    } catch (error) {
      if (request.signal.aborted) return new Response(null, { status: 499 });
      log("functions_unreachable", failure(error));
      return json({ code: 503, message: "Function is not available" }, 503, { "retry-after": "1" });
    }
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

  #headers(request: Request, peer: string): Headers {
    const headers = new Headers(request.headers);
    for (const name of HOP_BY_HOP) headers.delete(name);
    const forwarded = headers.get("x-forwarded-for");
    headers.set("x-forwarded-for", forwarded ? `${forwarded}, ${peer}` : peer);
    headers.set("x-empire-gateway", this.config.functionsSecret);
    return headers;
  }
}

async function bodyOf(request: Request): Promise<BodyInit | null> {
  if (request.body === null) return null;
  const length = Number(request.headers.get("content-length") ?? NaN);
  return length <= SMALL_BODY ? await request.arrayBuffer() : request.body;
}

/** fetch has already decoded the body: its encoding and length no longer hold. */
function answerHeaders(response: Response): Headers {
  const headers = new Headers(response.headers);
  if (headers.has("content-encoding")) {
    headers.delete("content-encoding");
    headers.delete("content-length");
  }
  for (const name of ["connection", "keep-alive", "transfer-encoding"]) headers.delete(name);
  return headers;
}
