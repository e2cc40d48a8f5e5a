/** /rest/v1: checks the caller, repairs the request where lite would misread it, lets lite answer. */
import { readBody } from "../http.ts";
import { apiKeyOf, type ApiKeys, bearerOf, TokenError, type Tokens } from "../keys.ts";
import { type BodyPlan, rpcBody, stripNulls, tableBody } from "./bodies.ts";
import { normalizeError, restError } from "./errors.ts";
import { exactFilters } from "./filters.ts";
import type { Lite } from "./lite.ts";
import { parseJson } from "./numbers.ts";

const BASE = "/rest/v1/";
const STRIPPED = /;\s*nulls\s*=\s*stripped/i;
const MAX_BODY_BYTES = 10_000_000;
const WITH_BODY = new Set(["POST", "PATCH", "PUT"]);

/** 401 as PostgREST words it. */
function tokenRefused(error: TokenError): Response {
  const code = error.fault === "expired" || error.fault === "claims" ? "PGRST303" : "PGRST301";
  const challenge = `Bearer error="invalid_token", error_description="${error.message}"`;
  return restError(401, code, error.message, { "www-authenticate": challenge });
}

export class Rest {
  constructor(
    private readonly lite: Lite,
    private readonly keys: ApiKeys,
    private readonly tokens: Tokens,
  ) {}

  async handle(request: Request, url: URL): Promise<Response> {
    const key = apiKeyOf(request, url);
    if (!key) return keyRefused("No API key found in request");
    if (!await this.keys.claims(key)) return keyRefused("Invalid API key");
    try {
      const headers = await this.#headers(request, key);
      return await this.#answer(request, url, headers);
    } catch (error) {
      if (error instanceof TokenError) return tokenRefused(error);
      throw error;
    }
  }

  /**
   * The headers lite sees: no bearer, and the token in the place of the key. As a bearer lite would look its user and
   * session up in schema auth at every request, which PostgREST does not and the authenticator may not.
   */
  async #headers(request: Request, key: string): Promise<Headers> {
    const headers = new Headers(request.headers);
    headers.delete("authorization");
    headers.set("apikey", key);
    const authorization = request.headers.get("authorization");
    const bearer = bearerOf(request);
    if (bearer !== null) {
      await this.tokens.verify(bearer);
      headers.set("apikey", bearer);
    } else if (authorization && !await this.keys.claims(authorization.replace(/^Bearer\s+/i, ""))) {
      throw new TokenError("malformed", "Expected 3 parts in JWT; got 1");
    }
    return headers;
  }

  async #answer(request: Request, url: URL, headers: Headers): Promise<Response> {
    const target = new URL(url);
    target.searchParams.delete("apikey");
    const relation = decodeURIComponent(target.pathname.slice(BASE.length));
    const isRpc = relation.startsWith("rpc/");
    if (!isRpc) exactFilters(target);
    const accept = headers.get("accept") ?? "";
    const stripped = STRIPPED.test(accept);
    if (stripped) headers.set("accept", accept.replace(STRIPPED, ""));
    let body: string | null = null;
    if (WITH_BODY.has(request.method)) {
      const bytes = await readBody(request, MAX_BODY_BYTES);
      if (bytes === null) return restError(413, "PGRST102", "Request body is too large");
      body = new TextDecoder().decode(bytes);
      if (isRpc) body = rpcBody(body, await this.#jsonArguments(relation.slice("rpc/".length), headers));
      else body = tableBody(body, await this.#plan(relation, target, headers, request.method === "POST"));
      headers.delete("content-length");
    }
    const inner = new Request(target, { method: request.method, headers, body: body || null });
    const response = await this.#fetch(inner);
    return stripped && response.ok ? strip(response) : withPrefix(response);
  }

  async #fetch(request: Request): Promise<Response> {
    try {
      return await this.lite.app.fetch(request, { peerAddress: "127.0.0.1" });
    } catch (error) {
      const raised = normalizeError(error) as { code?: string; message: string; detail?: string };
      if (raised.code !== "PGRST") throw error;
      const { code, message } = JSON.parse(raised.message);
      return restError(JSON.parse(raised.detail ?? "{}").status ?? 500, code, message);
    }
  }

  /** Names of the arguments of type json or jsonb of a function (of any overload). */
  async #jsonArguments(name: string, headers: Headers): Promise<Set<string>> {
    const schema = headers.get("content-profile") ?? "public";
    const { functions } = await this.lite.connection.introspect();
    const own = (functions ?? []).filter((found) => found.name === name && found.schema === schema);
    return new Set(own.flatMap((f) => f.arg_names.filter((_, i) => /^jsonb?$/.test(f.arg_types[i] ?? ""))));
  }

  /** How the body of a write to `relation` is to be read. Consumes `?columns=`. */
  async #plan(relation: string, target: URL, headers: Headers, inserts: boolean): Promise<BodyPlan> {
    const schema = headers.get("content-profile") ?? "public";
    const json = (headers.get("content-type") ?? "application/json").includes("json");
    const { columns } = await this.lite.connection.introspect();
    const own = columns.filter((column) => column.table === relation && column.schema === schema);
    const wanted = target.searchParams.get("columns");
    const known = wanted !== null && json &&
      splitColumns(wanted).every((name) => own.some((c) => c.name === name));
    // A column lite does not know stays in the URL: lite answers PGRST204.
    if (known) target.searchParams.delete("columns");
    return {
      jsonColumns: json ? new Set(own.filter((c) => /^jsonb?$/.test(c.type)).map((c) => c.name)) : new Set(),
      columns: known ? splitColumns(wanted) : null,
      fallbackColumn: inserts ? own[0]?.name ?? null : null,
      missingDefault: /(^|,)\s*missing=default\s*(,|$)/.test(headers.get("prefer") ?? ""),
    };
  }
}

function splitColumns(list: string): string[] {
  return list.split(",").map((name) => name.trim().replace(/^"(.*)"$/, "$1"));
}

function keyRefused(message: string): Response {
  const hint = "No `apikey` request header or url param was found.";
  return new Response(JSON.stringify({ message, ...(message.startsWith("No") ? { hint } : {}) }), {
    status: 401,
    headers: { "content-type": "application/json; charset=utf-8" },
  });
}

/** lite leaves out the mount point in Location. */
function withPrefix(response: Response): Response {
  const location = response.headers.get("location");
  if (location?.startsWith("/") && !location.startsWith(BASE)) {
    response.headers.set("location", "/rest/v1" + location);
  }
  return response;
}

async function strip(response: Response): Promise<Response> {
  const headers = new Headers(response.headers);
  headers.delete("content-length");
  const media = (headers.get("content-type") ?? "").includes("pgrst.object") ? "object" : "array";
  headers.set("content-type", `application/vnd.pgrst.${media}+json;nulls=stripped; charset=utf-8`);
  const body = JSON.stringify(stripNulls(parseJson(await response.text())));
  return new Response(body, { status: response.status, headers });
}
