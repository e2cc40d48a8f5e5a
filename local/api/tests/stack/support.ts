/** What the tests against a running stack share. Run by tests/integration/test_api_javascript.py, which sets these. */
import { createClient, type SupabaseClient } from "@supabase/supabase-js";
import { SignJWT } from "jose";
import postgres from "postgres";

function env(name: string): string {
  const value = Deno.env.get(name);
  if (!value) throw new Error(`${name} is not set: run these through pytest`);
  return value;
}

export const API = env("SUPABASE_URL");
export const PUBLISHABLE = env("EMPIRE_PUBLISHABLE_KEY");
export const SECRET = env("EMPIRE_SECRET_KEY");
const JWT_SECRET = new TextEncoder().encode(env("EMPIRE_JWT_SECRET"));

// deno-lint-ignore no-explicit-any
export type Client = SupabaseClient<any, any, any>;

/** A client of supabase-js that keeps nothing between runs. */
export function client(key = PUBLISHABLE, token?: string): Client {
  const auth = { persistSession: false, autoRefreshToken: false };
  return token
    ? createClient(API, key, { accessToken: () => Promise.resolve(token) })
    : createClient(API, key, { auth });
}

export const admin = () => client(SECRET);

/** Runs `use` with a connection as role postgres, the role of migrations. */
export async function asOwner<T>(use: (sql: postgres.Sql) => Promise<T>): Promise<T> {
  return await connected("EMPIRE_OWNER_DATABASE_URL", use);
}

/** Runs `use` with a superuser's connection. */
export async function asSuperuser<T>(use: (sql: postgres.Sql) => Promise<T>): Promise<T> {
  return await connected("EMPIRE_ADMIN_DATABASE_URL", use);
}

async function connected<T>(name: string, use: (sql: postgres.Sql) => Promise<T>): Promise<T> {
  const sql = postgres(env(name), { max: 1, onnotice: () => {} });
  try {
    return await use(sql);
  } finally {
    await sql.end();
  }
}

/** Migrations revoke execute on new functions from everybody: these are for the API's roles. */
const OPEN_FUNCTIONS = (prefix: string) =>
  `do $do$ declare f regprocedure; begin
     for f in select oid from pg_proc where starts_with(proname, '${prefix}') loop
       execute format('grant execute on function %s to anon, authenticated, service_role', f);
     end loop; end $do$`;

/** Runs DDL as postgres and waits until the gateway serves what it made: `table` and functions that begin so. */
export async function migrate(ddl: string, table: string): Promise<void> {
  await asOwner((sql) =>
    sql.unsafe(`${ddl}; ${OPEN_FUNCTIONS(table)}; notify pgrst, 'reload schema'`).simple()
  );
  await until(async () => (await raw("GET", `/rest/v1/${table}?limit=0`)).status === 200);
}

/** A token as Supabase Auth signs it, for a user that need not exist. */
export async function token(
  sub: string,
  seconds = 600,
  claims: Record<string, unknown> = {},
): Promise<string> {
  const now = Math.floor(Date.now() / 1000);
  return await new SignJWT({ role: "authenticated", aud: "authenticated", aal: "aal1", sub, ...claims })
    .setProtectedHeader({ alg: "HS256", typ: "JWT" }).setIssuedAt(now).setExpirationTime(now + seconds)
    .sign(JWT_SECRET);
}

export interface RawAnswer {
  status: number;
  headers: Headers;
  text: string;
}

/** One HTTP request whose answer is compared as text: digits matter. */
export async function raw(
  method: string,
  path: string,
  body?: string,
  headers: Record<string, string> = {},
): Promise<RawAnswer> {
  const response = await fetch(API + path, {
    method,
    body,
    headers: {
      apikey: SECRET,
      ...(body === undefined ? {} : { "content-type": "application/json" }),
      ...headers,
    },
  });
  return { status: response.status, headers: response.headers, text: await response.text() };
}

/** Waits for a condition; throws when it does not come true within `ms`. */
export async function until(condition: () => boolean | Promise<boolean>, ms = 60_000): Promise<void> {
  const deadline = Date.now() + ms;
  while (!await condition()) {
    if (Date.now() > deadline) throw new Error("the condition did not come true in time");
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

export function unique(prefix: string): string {
  return `${prefix}_${crypto.randomUUID().slice(0, 8)}`;
}

/** A new user's address and password. */
export function person(): { email: string; password: string } {
  return { email: `${unique("p")}@example.com`, password: crypto.randomUUID() };
}
