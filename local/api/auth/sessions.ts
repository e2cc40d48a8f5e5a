/** The life of a session after sign-in: refresh and sign-out. */
import type postgres from "postgres";
import { AuthFault } from "./errors.ts";
import { findUser, isBanned, type SessionRow, type Sql, type UserRow } from "./store.ts";

/** A client that lost our answer, or two tabs at once, may use a token again this long after its rotation. */
const REUSE_SECONDS = 10;

export type SignOutScope = "global" | "local" | "others";

interface TokenRow {
  id: string;
  token: string;
  parent: string | null;
  revoked: boolean;
  just_rotated: boolean;
}

export interface Refreshed {
  user: UserRow;
  session: SessionRow;
  refreshToken: string;
}

function randomToken(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(24));
  return btoa(String.fromCharCode(...bytes)).replaceAll("+", "-").replaceAll("/", "_");
}

const notFound = () =>
  new AuthFault(400, "refresh_token_not_found", "Invalid Refresh Token: Refresh Token Not Found");

async function rotate(sql: Sql, old: TokenRow, session: SessionRow): Promise<string> {
  const token = randomToken();
  await sql`update auth.refresh_tokens set revoked = true, updated_at = now() where id = ${old.id}`;
  await sql`
    insert into auth.refresh_tokens (id, token, user_id, session_id, parent)
    values (${crypto.randomUUID()}, ${token}, ${session.user_id}, ${session.id}, ${old.token})`;
  await sql`
    update auth.sessions set refreshed_at = now() at time zone 'utc', updated_at = now() where id = ${session.id}`;
  return token;
}

/** The token in force, for one that was rotated a moment ago; null when it is stolen or stale. */
async function inForce(sql: Sql, old: TokenRow, session: SessionRow): Promise<string | null> {
  const [active] = await sql<TokenRow[]>`
    select id, token, parent from auth.refresh_tokens
    where session_id = ${session.id} and not revoked order by created_at desc limit 1`;
  return active && (active.parent === old.token || old.just_rotated) ? active.token : null;
}

/** Exchanges a refresh token. One that was used before ends its session: somebody else has it too. */
export async function refresh(sql: postgres.Sql, token: unknown): Promise<Refreshed> {
  if (typeof token !== "string" || token === "") throw notFound();
  const outcome = await sql.begin(async (transaction): Promise<Refreshed | "reused"> => {
    // The session's row is the lock: two refreshes of one session come one after the other.
    const [session] = await transaction<SessionRow[]>`
      select id, user_id, aal, not_after from auth.sessions
      where id = (select session_id from auth.refresh_tokens where token = ${token}) for update`;
    if (!session) throw notFound();
    const [old] = await transaction<TokenRow[]>`
      select id, token, parent, revoked,
             updated_at > now() - make_interval(secs => ${REUSE_SECONDS}) as just_rotated
      from auth.refresh_tokens where token = ${token}`;
    const user = await findUser(transaction, session.user_id);
    if (!user) throw notFound();
    if (isBanned(user)) throw new AuthFault(400, "user_banned", "Invalid Refresh Token: User Banned");
    if (session.not_after !== null && Date.parse(session.not_after) <= Date.now()) {
      throw new AuthFault(400, "session_expired", "Invalid Refresh Token: Session Expired");
    }
    if (!old.revoked) return { user, session, refreshToken: await rotate(transaction, old, session) };
    const current = await inForce(transaction, old, session);
    if (current !== null) return { user, session, refreshToken: current };
    await transaction`update auth.refresh_tokens set revoked = true where session_id = ${session.id}`;
    return "reused";
  });
  if (outcome === "reused") {
    throw new AuthFault(400, "refresh_token_already_used", "Invalid Refresh Token: Already Used");
  }
  return outcome as Refreshed;
}

/** Ends sessions of a user: this one, all others, or all. */
export async function signOut(
  sql: Sql,
  userId: string,
  sessionId: string,
  scope: SignOutScope,
): Promise<void> {
  await sql`
    delete from auth.sessions
    where user_id = ${userId}
      and case ${scope}::text when 'local' then id = ${sessionId} when 'others' then id <> ${sessionId} else true end`;
}

/** The refresh token of a session, for an answer that keeps the session and renews its access token. */
export async function currentRefreshToken(sql: Sql, sessionId: string): Promise<string> {
  const [row] = await sql`
    select token from auth.refresh_tokens where session_id = ${sessionId} and not revoked
    order by created_at desc limit 1`;
  if (!row) {
    throw new AuthFault(403, "session_not_found", "Session from session_id claim in JWT does not exist");
  }
  return row.token;
}
