/**
 * @supabase/lite over a real Postgres, made safe. Everything overridden here is an undocumented member of an alpha
 * package: its version is pinned exactly and tests/quirks_test.ts holds one test per override.
 */
import { App } from "@supabase/lite";
import { createPostgresConnection } from "@supabase/lite/postgres";
import { type Kysely, sql } from "kysely";
import type { ApiKeys } from "../keys.ts";
import { defaultsPlugin } from "./defaults.ts";
import { normalizeError } from "./errors.ts";
import { WIRE_TYPES } from "./wire.ts";

// deno-lint-ignore no-explicit-any
type Database = Kysely<any>;

interface Introspection {
  tables: { name: string; schema: string }[];
  views: { name: string; schema: string }[];
  columns: { table: string; schema: string; name: string; type: string; pg_type?: string }[];
  functions?: { schema: string; name: string; arg_names: string[]; arg_types: string[] }[];
}

interface RpcRequest {
  method: string;
  path: string;
  readOnly?: boolean;
  requestHeaders?: Record<string, string>;
}

interface RequestContext {
  auth?: { role?: string; jwt?: Record<string, unknown> | null };
}

interface ContextOptions {
  transaction?: Database;
  rpc?: RpcRequest;
}

/** The members of lite's connection this module relies on. */
export interface LiteConnection {
  kysely: Database;
  rlsState: string;
  introspection: Introspection;
  introspect(options?: { useCache?: boolean }): Promise<Introspection>;
  clearSchemaCache(): Promise<void>;
  ensureRlsContext(): Promise<boolean>;
  normalizeDbError(error: unknown): unknown;
  withContext<T>(
    context: RequestContext | undefined,
    run: (db: Database) => Promise<T>,
    options?: ContextOptions,
  ): Promise<T>;
  close(): Promise<void>;
}

export interface RestSettings {
  authenticatorUrl: string;
  adminUrl: string;
  jwtSecret: string;
  publishableKey: string;
  secretKey: string;
  pool: number;
  /** Seconds after which a session without work is closed: each holds 5 MB in Postgres. */
  idle: number;
}

function connect(url: string, max: number, idle: number): LiteConnection {
  // contextStatement() quotes by doubling: backslashes must mean themselves whatever a database's settings say.
  const parameters = { application_name: "empire-rest", standard_conforming_strings: "on" };
  const postgresOptions = {
    max,
    idle_timeout: idle,
    onnotice: () => {},
    types: WIRE_TYPES,
    connection: parameters,
  };
  return createPostgresConnection(
    { url, postgresOptions } as unknown as Parameters<typeof createPostgresConnection>[0],
  ) as unknown as LiteConnection;
}

function literal(text: string): string {
  return `'${text.replaceAll("\0", "").replaceAll("'", "''")}'`;
}

function setting(name: string, value: string): string {
  return `set_config('${name}', ${literal(value)}, true)`;
}

/** One statement, one round trip: who is asking and with which request. */
export function contextStatement(context: RequestContext | undefined, rpc?: RpcRequest): string {
  const role = context?.auth?.role || "anon";
  const claims: Record<string, unknown> = context?.auth?.jwt ?? { role };
  const settings = [
    setting("request.jwt.claims", JSON.stringify(claims)),
    setting("request.jwt.claim.sub", typeof claims.sub === "string" ? claims.sub : ""),
    setting("request.jwt.claim.role", role),
    setting("request.jwt.claim.email", typeof claims.email === "string" ? claims.email : ""),
  ];
  if (rpc) {
    settings.push(
      setting("request.method", rpc.method),
      setting("request.path", rpc.path),
      setting("request.headers", JSON.stringify(rpc.requestHeaders ?? {})),
      setting("response.status", ""),
      setting("response.headers", ""),
    );
    if (rpc.readOnly) settings.push(setting("transaction_read_only", "on"));
  }
  // Last: a role that may not be set must fail the statement, whatever was set before.
  return `select ${settings.join(", ")}, ${setting("role", role)}`;
}

/** Runs every request in a transaction as its own role. lite runs it as the login role where it sees no RLS table. */
function failClosed(connection: LiteConnection): void {
  connection.rlsState = "active";
  connection.ensureRlsContext = () => Promise.resolve(true);
  connection.withContext = (context, run, options) => {
    const statement = sql.raw(contextStatement(context, options?.rpc));
    if (options?.transaction) {
      const transaction = options.transaction;
      return statement.execute(transaction).then(() => run(transaction));
    }
    return connection.kysely.transaction().execute(async (transaction) => {
      await statement.execute(transaction);
      return await run(transaction);
    });
  };
}

/**
 * Introspects over `admin`: information_schema shows the login role nothing. numeric and int8 are called text, else
 * lite turns their values into JavaScript numbers before the driver sees them.
 */
function introspectThrough(connection: LiteConnection, admin: LiteConnection): void {
  const read = admin.introspect.bind(admin);
  let cached: Promise<Introspection> | undefined;
  const load = async () => {
    const found = await read({ useCache: false });
    // On any database error lite answers with an empty schema that has no functions member.
    if (!found.functions) {
      throw Object.assign(new Error("introspection failed"), { code: "CONNECTION_CLOSED" });
    }
    for (const column of found.columns) {
      if (column.pg_type === "numeric" || column.pg_type === "int8") column.type = column.pg_type = "text";
    }
    connection.introspection = found;
    return found;
  };
  connection.introspect = () => {
    cached ??= load().catch((error) => {
      cached = undefined;
      throw error;
    });
    return cached;
  };
  connection.clearSchemaCache = async () => {
    const fresh = load();
    await fresh;
    cached = fresh;
  };
}

export interface Lite {
  app: { fetch(request: Request, env?: unknown): Promise<Response> };
  connection: LiteConnection;
  close(): Promise<void>;
}

/** The REST half of lite, serving as `authenticatorUrl`'s role. */
export async function createLite(settings: RestSettings, keys: ApiKeys): Promise<Lite> {
  const connection = connect(settings.authenticatorUrl, settings.pool, settings.idle);
  const admin = connect(settings.adminUrl, 1, settings.idle);
  connection.kysely = connection.kysely.withPlugin(defaultsPlugin);
  failClosed(connection);
  introspectThrough(connection, admin);
  connection.normalizeDbError = normalizeError;
  const resolver = async (key: string) => {
    const claims = await keys.claims(key);
    return claims && { type: claims.role === "service_role" ? "secret" : "publishable", claims };
  };
  const app = new App(
    {
      connection,
      auth: {
        enabled: true,
        jwt_secret: settings.jwtSecret,
        publishable_key: settings.publishableKey,
        secret_key: settings.secretKey,
      },
      options: { server: { disableStudio: true, apiKeys: { resolver } } },
      // deno-lint-ignore no-explicit-any
    } as any,
  );
  await app.init();
  await connection.introspect();
  return {
    app: app as unknown as Lite["app"],
    connection,
    close: async () => void await Promise.all([connection.close(), admin.close()]),
  };
}
