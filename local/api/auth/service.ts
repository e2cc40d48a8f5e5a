/** /auth/v1: what @supabase/lite lacks or does differently from Supabase Auth, in front of what it does well. */
import type postgres from "postgres";
import { decodeJwt } from "jose";
import { json } from "../http.ts";
import { bearerOf, type Claims, TokenError, Tokens } from "../keys.ts";
import { failure, log } from "../log.ts";
import { Admin } from "./admin.ts";
import { AuthFault, faultResponse, unexpected } from "./errors.ts";
import { Factors } from "./factors.ts";
import { refresh, signOut, type SignOutScope } from "./sessions.ts";
import { findSession, findUser, hasVerifiedFactor, isBanned, publicUser } from "./store.ts";
import { proved, TokenIssuer, type TokenSettings } from "./tokens.ts";

const BASE = "/auth/v1/";
const SCOPES = new Set(["global", "local", "others"]);

export interface AuthSettings extends TokenSettings {
  siteUrl: string;
  minimumPasswordLength: number;
}

/** The signed-in user of a request. */
export interface Caller {
  userId: string;
  sessionId: string;
  aal: string;
}

type Body = Record<string, unknown>;
type Lite = (request: Request) => Promise<Response>;

export class AuthService {
  readonly #tokens: Tokens;
  readonly #issuer: TokenIssuer;
  readonly #factors: Factors;
  readonly #admin: Admin;

  constructor(private readonly sql: postgres.Sql, private readonly lite: Lite, settings: AuthSettings) {
    this.#tokens = new Tokens(settings.jwtSecret);
    this.#issuer = new TokenIssuer(sql, settings);
    this.#factors = new Factors(sql, this.#issuer, new URL(settings.siteUrl).host);
    this.#admin = new Admin(sql, settings.minimumPasswordLength);
  }

  /** The answer to any request; never rejects. `keyRole` is what the caller's API key may do. */
  async handle(request: Request, keyRole: string): Promise<Response> {
    try {
      return await this.#route(request, keyRole);
    } catch (error) {
      if (error instanceof AuthFault) return faultResponse(error);
      log("auth_failed", failure(error));
      return faultResponse(unexpected());
    }
  }

  async #route(request: Request, keyRole: string): Promise<Response> {
    const url = new URL(request.url);
    const path = url.pathname.slice(BASE.length).replace(/\/+$/, "").split("/");
    switch (path[0]) {
      case "factors":
        return await this.#factors.handle(
          request.method,
          path.slice(1),
          await bodyOf(request),
          await this.#caller(request),
        );
      case "admin":
        await this.#requireAdmin(request, keyRole);
        return await this.#admin.handle(request.method, path.slice(1), await bodyOf(request), url);
      case "logout":
        return await this.#logout(request, url);
      case "token":
        if (url.searchParams.get("grant_type") === "refresh_token") return await this.#refresh(request);
        return await this.#signIn(request, "password");
      case "signup":
        return await this.#signIn(request, "password");
      case "verify":
        return await this.#signIn(request, "otp");
      case "user":
        return await this.#user(request);
      default:
        return await this.#ask(request);
    }
  }

  async #caller(request: Request): Promise<Caller> {
    const claims = await this.#claims(request);
    const session = typeof claims.session_id === "string"
      ? await findSession(this.sql, claims.session_id)
      : null;
    if (!session || session.user_id !== claims.sub) {
      throw new AuthFault(403, "session_not_found", "Session from session_id claim in JWT does not exist");
    }
    return { userId: session.user_id, sessionId: session.id, aal: String(claims.aal ?? "aal1") };
  }

  async #claims(request: Request): Promise<Claims> {
    const bearer = bearerOf(request);
    if (bearer === null) {
      throw new AuthFault(401, "no_authorization", "This endpoint requires a valid Bearer token");
    }
    try {
      return await this.#tokens.verify(bearer);
    } catch (error) {
      if (!(error instanceof TokenError)) throw error;
      throw new AuthFault(
        403,
        "bad_jwt",
        `invalid JWT: unable to parse or verify signature, ${error.message}`,
      );
    }
  }

  /** The secret key, or a token of role service_role; a user's token beside the secret key counts as the user. */
  async #requireAdmin(request: Request, keyRole: string): Promise<void> {
    const role = bearerOf(request) === null ? keyRole : (await this.#claims(request)).role;
    if (role !== "service_role") throw new AuthFault(403, "not_admin", "User not allowed");
  }

  async #logout(request: Request, url: URL): Promise<Response> {
    const scope = url.searchParams.get("scope") ?? "global";
    if (!SCOPES.has(scope)) {
      throw new AuthFault(400, "validation_failed", `Unsupported logout scope "${scope}"`);
    }
    const caller = await this.#caller(request);
    await signOut(this.sql, caller.userId, caller.sessionId, scope as SignOutScope);
    return new Response(null, { status: 204 });
  }

  async #refresh(request: Request): Promise<Response> {
    const { user, session, refreshToken } = await refresh(this.sql, (await bodyOf(request)).refresh_token);
    return json(await this.#issuer.sessionBody(user, session, refreshToken, "token_refresh"));
  }

  /** Lets lite sign in, then puts the claims of Supabase Auth into the token it made. */
  async #signIn(request: Request, method: string): Promise<Response> {
    const response = await this.#ask(request);
    const location = response.headers.get("location");
    if (location?.includes("#access_token=")) {
      return await this.#redirect(response, location, request, method);
    }
    if (!response.ok || !isJson(response)) return response;
    const body = await response.json();
    if (typeof body.access_token !== "string") return await this.#withUser(body, response);
    return json(await this.#session(body.access_token, body.refresh_token, request, method));
  }

  /** A link of a mail: the session is in the fragment of the address the browser is sent to. */
  async #redirect(response: Response, location: string, request: Request, method: string): Promise<Response> {
    const [address, fragment] = location.split("#", 2);
    const values = new URLSearchParams(fragment);
    const made = await this.#session(
      values.get("access_token")!,
      values.get("refresh_token")!,
      request,
      method,
    );
    values.set("access_token", String(made.access_token));
    values.set("expires_in", String(made.expires_in));
    values.set("expires_at", String(made.expires_at));
    return new Response(null, { status: response.status, headers: { location: `${address}#${values}` } });
  }

  async #session(made: string, refreshToken: string, request: Request, method: string): Promise<Body> {
    const { sub, session_id: sessionId } = decodeJwt(made) as { sub: string; session_id: string };
    try {
      const user = await findUser(this.sql, sub);
      const session = await findSession(this.sql, sessionId);
      if (!user || !session) throw unexpected();
      if (isBanned(user)) throw new AuthFault(400, "user_banned", "User is banned");
      await this.sql`
        update auth.sessions set user_agent = ${request.headers.get("user-agent")},
                                 ip = ${request.headers.get("x-empire-peer")}::inet
        where id = ${sessionId}`;
      await proved(this.sql, sessionId, method);
      return await this.#issuer.sessionBody(user, session, refreshToken, method);
    } catch (error) {
      // No token leaves, so no session stays.
      await this.sql`delete from auth.sessions where id = ${sessionId}`;
      throw error;
    }
  }

  async #user(request: Request): Promise<Response> {
    if (request.method !== "PUT") return await this.#answerUser(await this.#ask(request));
    const caller = await this.#caller(request);
    const text = await request.text();
    const body = parseBody(text);
    const guarded = body.password !== undefined || body.email !== undefined || body.phone !== undefined;
    if (guarded && caller.aal !== "aal2" && await hasVerifiedFactor(this.sql, caller.userId)) {
      throw new AuthFault(
        401,
        "insufficient_aal",
        "AAL2 session is required to update email or password when MFA is enabled.",
      );
    }
    const copy = new Request(request.url, { method: "PUT", headers: request.headers, body: text });
    const response = await this.#answerUser(await this.#ask(copy));
    if (response.ok && body.password !== undefined) {
      await signOut(this.sql, caller.userId, caller.sessionId, "others");
    }
    return response;
  }

  async #answerUser(response: Response): Promise<Response> {
    return response.ok && isJson(response) ? await this.#withUser(await response.json(), response) : response;
  }

  /** `body` with our view of the user (factors included) in place of lite's. */
  async #withUser(body: Body, response: Response): Promise<Response> {
    const id = body.id ?? (body.user as Body | undefined)?.id;
    const user = typeof id === "string" ? await findUser(this.sql, id) : null;
    return json(user ? await publicUser(this.sql, user) : body, response.status);
  }

  async #ask(request: Request): Promise<Response> {
    const response = await this.lite(request);
    if (response.status < 500) return response;
    await response.body?.cancel();
    throw request.url.includes("/signup")
      ? new AuthFault(500, "unexpected_failure", "Database error saving new user")
      : unexpected();
  }
}

function isJson(response: Response): boolean {
  return response.headers.get("content-type")?.includes("json") ?? false;
}

function parseBody(text: string): Body {
  if (text === "") return {};
  try {
    const body = JSON.parse(text);
    if (body !== null && typeof body === "object" && !Array.isArray(body)) return body;
  } catch {
    // Told below, with what is no object.
  }
  throw new AuthFault(400, "bad_json", "Could not parse request body as JSON");
}

async function bodyOf(request: Request): Promise<Body> {
  return parseBody(await request.text());
}
