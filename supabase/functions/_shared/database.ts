/** The edge functions' way into the database: role empire_edge, which may execute listed functions only. */
// On hosted Supabase these files are bundled with each function and have no deno.json of their own.
// deno-lint-ignore no-import-prefix
import postgres, { type Sql } from "npm:postgres@3.4.9";
import type { Answer } from "./answers.ts";
import { Gather } from "./gather.ts";

/** TradingView waits 3 s, and resends after a 503 only. The role's statement_timeout (2.5 s) comes first. */
const DEADLINE_MS = 2_700;
const MAX_WAITING = 4_096;
const PAUSE_AFTER_FAILURE_MS = 100;
/** Calls under way for several alerts at once, and how many go in one; the rest of the pool is for alerts tried alone. */
const LINES = 2;
const BATCH = 32;
const LOCKED = "55P03";
const POOLER_PORT = "6543";

// Behind an alert that waits for its account's lock no other account may wait. (An option of postgres 3.4.9 that
// its types do not name.)
const ONE_AT_A_TIME: object = { max_pipeline: 0 };

export interface DatabaseSettings {
  url: string;
  /** Certificate authority (PEM) to verify the server with; hosted Supabase has its own. */
  ca?: string | undefined;
  poolSize?: number | undefined;
}

/** The commit is not confirmed: it may have happened or not. */
export class NotConfirmed extends Error {}

/** The settings of EMPIRE_EDGE_DATABASE_URL, _CA, _POOL_SIZE. */
export function databaseSettings(environment: (name: string) => string | undefined): DatabaseSettings {
  const url = environment("EMPIRE_EDGE_DATABASE_URL");
  if (!url) throw new Error("EMPIRE_EDGE_DATABASE_URL is missing: the address of role empire_edge");
  const size = environment("EMPIRE_EDGE_POOL_SIZE");
  return { url, ca: environment("EMPIRE_EDGE_DATABASE_CA"), poolSize: size ? Number(size) : undefined };
}

export class Database {
  private pool: Sql | null = null;
  private waiting = 0;
  private failedAt = -Infinity;
  // The server has rolled a call back that it answered with an error: each of its alerts may be tried alone.
  private readonly gathered = new Gather(
    (alerts: string[], alone) => this.ingestAll(alerts, alone),
    (error, alerts) => alerts > 1 ? sqlState(error) !== undefined : sqlState(error) === LOCKED,
    LINES,
    BATCH,
  );
  private waking = false;
  private wakeAgain = false;

  constructor(private readonly settings: DatabaseSettings) {}

  /** The durable write of one alert. Throws NotConfirmed when its commit is not known. */
  async ingest(argument: string): Promise<Answer> {
    if (this.waiting >= MAX_WAITING) throw new NotConfirmed("too many alerts wait for the database");
    this.waiting += 1;
    try {
      const answer = await this.gathered.ask(argument);
      if (answer === null) throw new NotConfirmed("its key was being freed");
      return answer;
    } catch (error) {
      const state = sqlState(error);
      // Class 22: the value cannot be stored. It is the sender's, whatever slipped past the validators.
      if (state?.startsWith("22")) {
        return { http: 400, error: "unreadable", message: "The alert cannot be stored." };
      }
      throw error instanceof NotConfirmed
        ? error
        : new NotConfirmed(state ?? (error as Error).message, { cause: error });
    } finally {
      this.waiting -= 1;
    }
  }

  /** One call of engine.ingest for alerts that came together: one round trip, one commit. */
  private async ingestAll(alerts: string[], patient: boolean): Promise<(Answer | null)[]> {
    const pool = this.pool ?? await this.reconnected();
    try {
      const argument = `[${alerts.join()}]`;
      const [row] = await deadline(
        pool`select engine.ingest(${argument}::text::jsonb, ${patient}) as answers`,
      );
      return row!["answers"] as (Answer | null)[];
    } catch (error) {
      if (sqlState(error) === undefined) this.discard(pool);
      throw error;
    }
  }

  /**
   * Wakes the workers, in a transaction of its own and without waiting: NOTIFY inside the durable one would
   * serialise all commits. One at a time; a lost one costs a poll.
   */
  wake(): void {
    if (this.waking) {
      this.wakeAgain = true;
      return;
    }
    this.waking = true;
    this.notify().catch(() => {}).finally(() => {
      this.waking = false;
      if (!this.wakeAgain) return;
      this.wakeAgain = false;
      this.wake();
    });
  }

  /** Closes every connection. */
  async close(): Promise<void> {
    await this.pool?.end({ timeout: 1 });
    this.pool = null;
  }

  private async notify(): Promise<void> {
    const pool = this.pool ?? await this.reconnected();
    await deadline(
      pool`select set_config('synchronous_commit', 'off', true), pg_notify('empire_work', '')`,
    );
  }

  /** A pool, at once or after the pause that keeps a dead server from being asked by every request. */
  private async reconnected(): Promise<Sql> {
    const pause = this.failedAt + PAUSE_AFTER_FAILURE_MS - performance.now();
    if (pause > 0) await new Promise((resume) => setTimeout(resume, pause));
    return this.pool ??= open(this.settings);
  }

  /**
   * A connection of this driver that was cut under load may keep half a message and never send again
   * (postgres 3.4.9, nextWrite): after a cut the whole pool is replaced.
   */
  private discard(pool: Sql): void {
    if (this.pool !== pool) return;
    this.pool = null;
    this.failedAt = performance.now();
    pool.end({ timeout: 3 }).catch(() => {});
  }
}

function open({ url, ca, poolSize }: DatabaseSettings): Sql {
  return postgres(url, {
    max: poolSize ?? 8,
    ...ONE_AT_A_TIME,
    connect_timeout: 2,
    idle_timeout: 300,
    fetch_types: false,
    // A transaction pooler gives every statement another session: prepared ones would not be found.
    prepare: new URL(url).port !== POOLER_PORT,
    connection: { application_name: "empire-edge" },
    onnotice: () => {},
    ...(ca ? { ssl: { ca, rejectUnauthorized: true } } : {}),
  });
}

async function deadline<T>(query: Promise<T>): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new NotConfirmed("no answer in time")), DEADLINE_MS);
  });
  try {
    return await Promise.race([query, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** The SQLSTATE of an error that the server itself reported; undefined when the connection failed. */
function sqlState(error: unknown): string | undefined {
  if (!(error instanceof postgres.PostgresError)) return undefined;
  const state = error.code;
  // 57P01..57P05: the server ends the session. The connection is gone.
  return state.startsWith("57P") ? undefined : state;
}
