/** The rows of schema auth this service reads, and how a user looks from outside. */
import type postgres from "postgres";

export type Sql = postgres.Sql | postgres.TransactionSql;
type Json = Record<string, unknown>;

/** Times are ISO 8601 text, as the wire types of the pool give them. */
export interface UserRow {
  id: string;
  aud: string;
  role: string;
  email: string | null;
  phone: string | null;
  encrypted_password: string | null;
  raw_app_meta_data: Json | null;
  raw_user_meta_data: Json | null;
  banned_until: string | null;
  is_anonymous: boolean;
  [column: string]: unknown;
}

export interface SessionRow {
  id: string;
  user_id: string;
  aal: "aal1" | "aal2" | null;
  not_after: string | null;
}

/** Columns of a user that clients see as they are; the rest is renamed or hidden. */
const PUBLIC_COLUMNS = [
  "email_confirmed_at",
  "invited_at",
  "confirmation_sent_at",
  "confirmed_at",
  "recovery_sent_at",
  "email_change_sent_at",
  "last_sign_in_at",
  "created_at",
  "updated_at",
  "banned_until",
];

export async function findUser(sql: Sql, id: string): Promise<UserRow | null> {
  const [row] = await sql<UserRow[]>`select * from auth.users where id = ${id} and deleted_at is null`;
  return row ?? null;
}

export async function findSession(sql: Sql, id: string): Promise<SessionRow | null> {
  const [row] = await sql<SessionRow[]>`
    select id, user_id, aal, not_after from auth.sessions
    where id = ${id} and (not_after is null or not_after > now())`;
  return row ?? null;
}

export function isBanned(user: UserRow): boolean {
  return user.banned_until !== null && Date.parse(user.banned_until) > Date.now();
}

/** The factors of a user, without their secrets. */
export async function listFactors(sql: Sql, userId: string): Promise<Json[]> {
  return await sql`
    select id, friendly_name, factor_type, status, created_at, updated_at, last_challenged_at
    from auth.mfa_factors where user_id = ${userId} order by created_at`;
}

export async function hasVerifiedFactor(sql: Sql, userId: string): Promise<boolean> {
  const [{ found }] = await sql`
    select exists (select from auth.mfa_factors where user_id = ${userId} and status = 'verified') as found`;
  return found;
}

/** A user as Supabase Auth shows one. */
export async function publicUser(sql: Sql, user: UserRow): Promise<Json> {
  const identities = await sql`
    select id as identity_id, provider_id as id, user_id, identity_data, provider, last_sign_in_at, created_at,
           updated_at, email
    from auth.identities where user_id = ${user.id} order by created_at`;
  const factors = await listFactors(sql, user.id);
  const shown = PUBLIC_COLUMNS.filter((name) => user[name] !== null).map((name) => [name, user[name]]);
  return {
    id: user.id,
    aud: user.aud ?? "authenticated",
    role: user.role ?? "authenticated",
    email: user.email ?? "",
    phone: user.phone ?? "",
    ...Object.fromEntries(shown),
    ...(user.email_change ? { new_email: user.email_change } : {}),
    app_metadata: user.raw_app_meta_data ?? {},
    user_metadata: user.raw_user_meta_data ?? {},
    identities,
    ...(factors.length > 0 ? { factors } : {}),
    is_anonymous: user.is_anonymous,
  };
}
