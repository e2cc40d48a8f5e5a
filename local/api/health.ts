/** /health: 200 only while the gateway can do its work. */
import { type Kysely, sql } from "kysely";
import { json } from "./http.ts";

const PROBE_MS = 2000;

export interface HealthSources {
  nonce: string;
  // deno-lint-ignore no-explicit-any
  serving: Kysely<any>;
  replication: () => boolean;
}

async function answersInTime(probe: Promise<unknown>): Promise<boolean> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const timeout = new Promise<boolean>((resolve) => {
    timer = setTimeout(() => resolve(false), PROBE_MS);
  });
  try {
    return await Promise.race([probe.then(() => true, () => false), timeout]);
  } finally {
    clearTimeout(timer);
  }
}

/** `select 1` on the pool that serves requests (a wedged pool must show) and a live replication stream. */
export async function health(sources: HealthSources): Promise<Response> {
  const database = await answersInTime(sql`select 1`.execute(sources.serving));
  const replication = sources.replication();
  const ok = database && replication;
  const body = { status: ok ? "ok" : "down", nonce: sources.nonce, database, replication };
  return json(body, ok ? 200 : 503, { "cache-control": "no-store" });
}
