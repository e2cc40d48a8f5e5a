/**
 * The gateway process: Supabase's API on one port. Environment: config.ts; what it serves: gateway.ts.
 * Prints `ready <port>` on stdout once it serves; exits 0 on SIGTERM, 64 on a bad environment, 70 on a fatal error.
 */
import { Auth } from "./auth/auth.ts";
import { type Config, readConfig } from "./config.ts";
import { FunctionsProxy } from "./functions_proxy.ts";
import { Gateway } from "./gateway.ts";
import { health } from "./health.ts";
import { Doorman } from "./http.ts";
import { ApiKeys, Tokens } from "./keys.ts";
import { failure, log, silenceConsole } from "./log.ts";
import { Realtime } from "./realtime/realtime.ts";
import { createLite, type Lite } from "./rest/lite.ts";
import { reloadOnNotify } from "./rest/reload.ts";
import { Rest } from "./rest/rest.ts";

const EXIT_USAGE = 64;
const EXIT_FATAL = 70;

/** An orderly end waits so long for connections to be closed: a database that hangs must not keep us. */
const END_WITHIN_MS = 3000;

function die(error: unknown): never {
  log("fatal", failure(error));
  Deno.exit(EXIT_FATAL);
}

/**
 * A cut connection with a write in flight leaves postgres.js's pool wedged behind an uncaught error: the process must
 * go and be started again. Rejections nobody waits for come only from connections that are being replaced.
 */
function dieOnFatalErrors(): void {
  globalThis.addEventListener("error", (event) => die(event.error));
  globalThis.addEventListener("unhandledrejection", (event) => {
    event.preventDefault();
    log("unhandled_rejection", failure(event.reason));
  });
}

function authSettings(config: Config) {
  return {
    adminUrl: config.adminUrl,
    jwtSecret: config.jwtSecret,
    expiry: config.jwtExpiry,
    issuer: `http://127.0.0.1:${config.port}/auth/v1`,
    hook: config.accessTokenHook,
    siteUrl: config.siteUrl,
    minimumPasswordLength: config.minimumPasswordLength,
    publishableKey: config.publishableKey,
    enableSignup: config.enableSignup,
  };
}

async function connectLite(config: Config, keys: ApiKeys): Promise<Lite> {
  const lite = await createLite({ ...config, pool: config.restPool }, keys);
  await reloadOnNotify(config.adminUrl, lite.connection);
  return lite;
}

async function main(config: Config): Promise<void> {
  const tokens = new Tokens(config.jwtSecret);
  const keys = new ApiKeys(tokens, config.publishableKey, config.secretKey);
  const realtime = new Realtime(config, keys, tokens);
  const [lite, auth] = await Promise.all([
    connectLite(config, keys),
    Auth.start(authSettings(config), keys, () => die(new Error("auth worker ended")), config.authIdle),
    realtime.start(),
  ]);
  const gateway = new Gateway(config, new Doorman(config.port, config.siteUrl), {
    rest: new Rest(lite, keys, tokens),
    auth,
    realtime,
    functions: new FunctionsProxy(config, tokens),
    health: () =>
      health({
        nonce: config.nonce,
        serving: lite.connection.kysely,
        replication: () => realtime.well,
      }),
  });
  const server = Deno.serve({
    hostname: "127.0.0.1",
    port: config.port,
    onListen: () => console.log(`ready ${config.port}`),
  }, (request, info) => gateway.handle(request, info));
  const stop = async () => {
    setTimeout(() => Deno.exit(0), END_WITHIN_MS);
    void server.shutdown();
    auth.stop();
    await Promise.allSettled([realtime.stop(), lite.close()]);
    Deno.exit(0);
  };
  Deno.addSignalListener("SIGTERM", stop);
  Deno.addSignalListener("SIGINT", stop);
}

if (import.meta.main) {
  silenceConsole();
  dieOnFatalErrors();
  let config: Config;
  try {
    config = readConfig();
  } catch (error) {
    log("bad_environment", { message: (error as Error).message });
    Deno.exit(EXIT_USAGE);
  }
  try {
    await main(config);
  } catch (error) {
    // Nothing of a client is in it yet: what went wrong may be said in full.
    log("start_failed", { ...failure(error), message: (error as Error).message });
    Deno.exit(EXIT_FATAL);
  }
}
