/**
 * Prepares one database for the gateway: @supabase/lite's auth tables, then auth.sql and realtime.sql.
 *
 * Run after roles.sql and database.sql, before the migrations. Idempotent: every start may run it.
 * Environment: EMPIRE_ADMIN_DATABASE_URL (superuser). Exits 0 when the database is ready.
 */
import { App } from "@supabase/lite";
import { createPostgresConnection } from "@supabase/lite/postgres";
import postgres from "postgres";

const SQL_FILES = ["auth.sql", "realtime.sql"];

/** Creates the tables lite's auth needs (`create ... if not exists`), as the superuser of `url`. */
async function createLiteAuthTables(url: string): Promise<void> {
  const connection = createPostgresConnection({ url, postgresOptions: { max: 1, onnotice: () => {} } });
  const app = new App({ connection, auth: { enabled: true } });
  try {
    await app.init();
    await app.ensureSystemSchema();
  } finally {
    await connection.close();
  }
}

/** Brings the database behind `url` to the state the gateway expects; safe to run again. */
export async function bootstrap(url: string): Promise<void> {
  const sql = postgres(url, { max: 1, onnotice: () => {} });
  try {
    const [{ made }] = await sql`select to_regclass('auth.users') is not null as made`;
    // lite replaces auth.uid() and its siblings by narrower ones: only let it near a database that has no tables yet.
    if (!made) {
      await createLiteAuthTables(url);
      // A by-product, owned by the superuser: the Supabase CLI makes its own as postgres.
      await sql`drop schema if exists supabase_migrations cascade`;
    }
    for (const file of SQL_FILES) {
      const text = await Deno.readTextFile(new URL(`../sql/${file}`, import.meta.url));
      await sql.begin((transaction) => transaction.unsafe(text));
    }
  } finally {
    await sql.end();
  }
}

if (import.meta.main) {
  const url = Deno.env.get("EMPIRE_ADMIN_DATABASE_URL");
  if (!url) {
    console.error("EMPIRE_ADMIN_DATABASE_URL is not set");
    Deno.exit(64);
  }
  await bootstrap(url);
}
