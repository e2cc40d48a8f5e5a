/** Access tokens with the claims of Supabase Auth, after the project's hook has had its say. */
import { SignJWT } from "jose";
import type postgres from "postgres";
import { failure, log } from "../log.ts";
import { AuthFault } from "./errors.ts";
import { publicUser, type SessionRow, type Sql, type UserRow } from "./store.ts";

type Claims = Record<string, unknown>;

const HOOK_TIMEOUT_MS = 2000;
/** Without these a token is none: what the hook may not take away. */
const REQUIRED = ["aud", "exp", "iat", "sub", "email", "phone", "role", "aal", "session_id", "is_anonymous"];

export interface TokenSettings {
  jwtSecret: string;
  /** Life of a token, seconds. */
  expiry: number;
  issuer: string;
  /** `schema.function` of the custom access-token hook. */
  hook: string | null;
}

/** How a session proved who it is, newest first; seconds since 1970. */
async function methods(sql: Sql, sessionId: string): Promise<{ method: string; timestamp: number }[]> {
  return await sql`
    select authentication_method as method, extract(epoch from updated_at)::int as timestamp
    from auth.mfa_amr_claims where session_id = ${sessionId} order by updated_at desc`;
}

/** Notes that the session has just proved itself by `method`. */
export async function proved(sql: Sql, sessionId: string, method: string): Promise<void> {
  await sql`
    insert into auth.mfa_amr_claims (session_id, authentication_method) values (${sessionId}, ${method})
    on conflict (session_id, authentication_method) do update set updated_at = now()`;
}

export class TokenIssuer {
  readonly #secret: Uint8Array;

  constructor(private readonly sql: postgres.Sql, private readonly settings: TokenSettings) {
    this.#secret = new TextEncoder().encode(settings.jwtSecret);
  }

  /** A new access token for `session`. `method` is how the caller has proved himself just now. */
  async mint(user: UserRow, session: SessionRow, method: string): Promise<string> {
    const now = Math.floor(Date.now() / 1000);
    const claims: Claims = {
      iss: this.settings.issuer,
      sub: user.id,
      aud: user.aud ?? "authenticated",
      exp: now + this.settings.expiry,
      iat: now,
      email: user.email ?? "",
      phone: user.phone ?? "",
      app_metadata: user.raw_app_meta_data ?? {},
      user_metadata: user.raw_user_meta_data ?? {},
      role: user.role ?? "authenticated",
      aal: session.aal ?? "aal1",
      amr: await methods(this.sql, session.id),
      session_id: session.id,
      is_anonymous: user.is_anonymous,
    };
    const final = this.settings.hook === null ? claims : await this.#hook(user.id, claims, method);
    return await new SignJWT(final).setProtectedHeader({ alg: "HS256", typ: "JWT" }).sign(this.#secret);
  }

  /** The answer to a sign-in, a refresh or a proved factor. */
  async sessionBody(
    user: UserRow,
    session: SessionRow,
    refreshToken: string,
    method: string,
  ): Promise<Claims> {
    return {
      access_token: await this.mint(user, session, method),
      token_type: "bearer",
      expires_in: this.settings.expiry,
      expires_at: Math.floor(Date.now() / 1000) + this.settings.expiry,
      refresh_token: refreshToken,
      user: await publicUser(this.sql, user),
    };
  }

  /** Runs the hook as supabase_auth_admin, the role of this pool. */
  async #hook(userId: string, claims: Claims, method: string): Promise<Claims> {
    const [schema, name] = this.settings.hook!.split(".");
    const event = {
      metadata: { uuid: crypto.randomUUID(), time: new Date().toISOString(), name: "customize-access-token" },
      user_id: userId,
      claims,
      authentication_method: method,
    };
    let output: { claims?: Claims; error?: { http_code?: number; message?: string } } | null;
    try {
      output = await this.sql.begin(async (transaction) => {
        await transaction.unsafe(`set local statement_timeout = ${HOOK_TIMEOUT_MS}`);
        const call = transaction`${transaction(schema)}.${transaction(name)}`;
        const [row] = await transaction`select ${call}(${JSON.stringify(event)}::jsonb) as output`;
        return row.output;
      }) as typeof output;
    } catch (error) {
      log("access_token_hook_failed", failure(error));
      throw new AuthFault(500, "unexpected_failure", "Error invoking access token hook.");
    }
    if (output?.error) {
      throw new AuthFault(output.error.http_code ?? 500, "unknown", output.error.message ?? "Error in hook");
    }
    return checkedClaims(output?.claims);
  }
}

function checkedClaims(claims: Claims | undefined): Claims {
  const missing = REQUIRED.filter((name) => claims?.[name] === undefined);
  if (!claims || missing.length > 0) {
    const message = `output claims do not conform to the expected schema: missing ${missing.join(", ")}`;
    throw new AuthFault(500, "unexpected_failure", message);
  }
  return claims;
}
