/** The gateway's settings: environment only, read once, refused at the start when incomplete. */

export interface Config {
  port: number;
  nonce: string;
  /** supabase_admin: introspection, replication and, with SET ROLE, the auth tables. */
  adminUrl: string;
  /** The login role that serves requests; becomes anon, authenticated or service_role. */
  authenticatorUrl: string;
  jwtSecret: string;
  publishableKey: string;
  secretKey: string;
  anonJwt: string;
  serviceJwt: string;
  functionsUrl: string;
  functionsSecret: string;
  staticDir: string | null;
  siteUrl: string;
  /** Life of an access token, seconds. */
  jwtExpiry: number;
  /** Functions that are called without a JWT check. */
  verifyJwtOff: Set<string>;
  /** `schema.function` of the custom access-token hook, or null. */
  accessTokenHook: string | null;
  minimumPasswordLength: number;
  enableSignup: boolean;
  /** REST connections to Postgres. */
  restPool: number;
  /** Seconds without work after which a database session is closed. */
  idle: number;
  /** Seconds without a caller after which the auth worker ends. */
  authIdle: number;
  /** Seconds without a socket after which the stream of messages pauses. */
  serviceIdle: number;
  /** Refuse realtime channels that are not private. */
  privateOnly: boolean;
}

type Env = (name: string) => string | undefined;

function required(env: Env, name: string): string {
  const value = env(name);
  if (!value) throw new Error(`${name} is not set`);
  return value;
}

function positive(env: Env, name: string, fallback: number): number {
  const value = Number(env(name) || fallback);
  if (!Number.isInteger(value) || value <= 0) throw new Error(`${name} is not a positive integer`);
  return value;
}

/** `pg-functions://postgres/public/fn`, `public.fn` and `fn` all name a function; empty is none. */
export function hookFunction(value: string | undefined): string | null {
  const name = (value ?? "").trim().replace(/^pg-functions:\/\/[^/]+\//, "").replace("/", ".");
  if (name === "") return null;
  if (!/^([a-z_][a-z0-9_]*\.)?[a-z_][a-z0-9_]*$/.test(name)) {
    throw new Error("EMPIRE_ACCESS_TOKEN_HOOK is not the name of a function");
  }
  return name.includes(".") ? name : `public.${name}`;
}

/** Reads the configuration; throws an Error naming the first setting that is missing or malformed. */
export function readConfig(env: Env = (name) => Deno.env.get(name)): Config {
  const port = positive(env, "EMPIRE_API_PORT", 24320);
  const jwtSecret = required(env, "EMPIRE_JWT_SECRET");
  if (jwtSecret.length < 32) throw new Error("EMPIRE_JWT_SECRET is shorter than 32 characters");
  return {
    port,
    nonce: env("EMPIRE_BOOT_NONCE") ?? "",
    adminUrl: required(env, "EMPIRE_ADMIN_DATABASE_URL"),
    authenticatorUrl: required(env, "EMPIRE_AUTHENTICATOR_DATABASE_URL"),
    jwtSecret,
    publishableKey: required(env, "EMPIRE_PUBLISHABLE_KEY"),
    secretKey: required(env, "EMPIRE_SECRET_KEY"),
    anonJwt: env("EMPIRE_ANON_JWT") ?? "",
    serviceJwt: env("EMPIRE_SERVICE_JWT") ?? "",
    functionsUrl: env("EMPIRE_FUNCTIONS_URL") || "http://127.0.0.1:1",
    functionsSecret: env("EMPIRE_FUNCTIONS_SECRET") ?? "",
    staticDir: env("EMPIRE_STATIC_DIR") || null,
    siteUrl: env("EMPIRE_SITE_URL") || `http://127.0.0.1:${port}`,
    jwtExpiry: positive(env, "EMPIRE_JWT_EXPIRY", 900),
    verifyJwtOff: new Set(
      (env("EMPIRE_VERIFY_JWT_OFF") ?? "").split(",").map((s) => s.trim()).filter(Boolean),
    ),
    accessTokenHook: hookFunction(env("EMPIRE_ACCESS_TOKEN_HOOK")),
    minimumPasswordLength: positive(env, "EMPIRE_MINIMUM_PASSWORD_LENGTH", 6),
    enableSignup: env("EMPIRE_ENABLE_SIGNUP") !== "0",
    restPool: positive(env, "EMPIRE_REST_POOL", 10),
    // Looks at the health come every two seconds and use another session in turn: with longer a few would never be idle.
    idle: positive(env, "EMPIRE_IDLE_S", 3),
    authIdle: positive(env, "EMPIRE_AUTH_IDLE_S", 3),
    serviceIdle: positive(env, "EMPIRE_SERVICE_IDLE_S", 5),
    privateOnly: env("EMPIRE_REALTIME_ALLOW_PUBLIC") !== "1",
  };
}
