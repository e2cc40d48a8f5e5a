/**
 * The auth service in a Worker of its own: hashing a password takes 70 ms of CPU, during which the gateway's thread
 * goes on serving. Speaks messages, not a port: nothing but the gateway can reach it.
 */
import { App } from "@supabase/lite";
import { createPostgresConnection } from "@supabase/lite/postgres";
import type postgres from "postgres";
import { failure, log, silenceConsole } from "../log.ts";
import { normalizeError } from "../rest/errors.ts";
import { WIRE_TYPES } from "../rest/wire.ts";
import { AuthService, type AuthSettings } from "./service.ts";

export interface WorkerSettings extends AuthSettings {
  adminUrl: string;
  publishableKey: string;
  enableSignup: boolean;
}

export interface WorkerRequest {
  id: number;
  method: string;
  url: string;
  headers: [string, string][];
  body: string | null;
  keyRole: string;
}

export interface WorkerResponse {
  id: number;
  status: number;
  headers: [string, string][];
  body: string;
}

const POOL = 4;
const scope = self as unknown as {
  onmessage: (event: MessageEvent) => void;
  postMessage: (message: unknown) => void;
};

function connect(url: string) {
  const postgresOptions = {
    max: POOL,
    onnotice: () => {},
    types: WIRE_TYPES,
    // The login is the superuser; everything, the project's hook included, runs as the owner of schema auth.
    connection: { application_name: "empire-auth", role: "supabase_auth_admin", statement_timeout: 8000 },
  };
  return createPostgresConnection(
    { url, postgresOptions } as unknown as Parameters<typeof createPostgresConnection>[0],
  );
}

async function start(settings: WorkerSettings): Promise<AuthService> {
  const connection = connect(settings.adminUrl);
  // As in rest/lite.ts: no grants of its own, no statement as another role.
  const inner = connection as unknown as {
    rlsState: string;
    driver: postgres.Sql;
    normalizeDbError: (error: unknown) => unknown;
  };
  inner.rlsState = "inactive";
  inner.normalizeDbError = normalizeError;
  const app = new App(
    {
      connection,
      auth: {
        enabled: true,
        jwt_secret: settings.jwtSecret,
        jwt_expiry: settings.expiry,
        publishable_key: settings.publishableKey,
        site_url: settings.siteUrl,
        minimum_password_length: settings.minimumPasswordLength,
        enable_signup: settings.enableSignup,
      },
      options: { server: { disableStudio: true } },
    } as unknown as ConstructorParameters<typeof App>[0],
  );
  await app.init();
  const lite = app as unknown as { fetch(request: Request, env: unknown): Promise<Response> };
  const ask = (request: Request) => lite.fetch(request, { peerAddress: "127.0.0.1" });
  return new AuthService(inner.driver, ask, settings);
}

async function answer(service: AuthService, message: WorkerRequest): Promise<WorkerResponse> {
  const request = new Request(message.url, {
    method: message.method,
    headers: message.headers,
    body: message.body || null,
  });
  const response = await service.handle(request, message.keyRole);
  return {
    id: message.id,
    status: response.status,
    headers: [...response.headers],
    body: await response.text(),
  };
}

silenceConsole();
// Without a mail server lite prints confirmation codes; they are not for a log.
console.log = () => {};

let service: Promise<AuthService> | null = null;
scope.onmessage = async ({ data }: MessageEvent) => {
  if (service === null) {
    service = start(data as WorkerSettings);
    await service;
    return scope.postMessage("ready");
  }
  const message = data as WorkerRequest;
  try {
    scope.postMessage(await answer(await service, message));
  } catch (error) {
    log("auth_worker_failed", failure(error));
    scope.postMessage({ id: message.id, status: 500, headers: [], body: "" });
  }
};
