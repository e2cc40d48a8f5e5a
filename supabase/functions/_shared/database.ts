/** The edge functions' way into the database: role empire_edge, which may execute listed functions only. */
// On hosted Supabase these files are bundled with each function and have no deno.json of their own.
// deno-lint-ignore no-import-prefix
import postgres, { type Sql } from "npm:postgres@3.4.9";
import { AlertQueue, LIMITS, RolledBack } from "./alert_queue.ts";
import type { Answer } from "./answers.ts";

const PAUSE_AFTER_FAILURE_MS = 100;
const POOLER_PORT = "6543";
/** Faults of data, constraints, locks and code: with these the server itself ended the transaction. */
const ROLLED_BACK = /^(?:22|23|40|42|55|P0)/;

// Two statements never share a connection: one that waits for a lock would hold up the other. (An option of
// postgres 3.4.9 that its types do not name.)
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

/**
 * The first session takes whatever comes while it is free, the others only what overlaps. The driver's own pool goes round
 * all of its sessions: each would be kept, with 12 MB in Postgres, and none of them warm.
 */
class Sessions {
  private readonly first: Sql;
  private readonly others: Sql;
  private busy = false;

  constructor(settings: DatabaseSettings) {
    const most = settings.poolSize ?? LIMITS.statements;
    this.first = open(settings, 1, 60);
    this.others = open(settings, Math.max(1, most - 1), 20);
  }

  async run<T>(query: (sql: Sql) => Promise<T>): Promise<T> {
    if (this.busy) return await query(this.others);
    this.busy = true;
    try {
      return await query(this.first);
    } finally {
      this.busy = false;
    }
  }

  async end(seconds: number): Promise<void> {
    await Promise.all([this.first, this.others].map((sql) => sql.end({ timeout: seconds })));
  }
}

export class Database {
  private sessions: Sessions | null = null;
  private failedAt = -Infinity;
  private readonly queue: AlertQueue<Answer | null>;

  constructor(private readonly settings: DatabaseSettings) {
    this.queue = new AlertQueue((texts) => this.write(texts), () => this.discard(this.sessions), {
      statements: settings.poolSize ?? LIMITS.statements,
    });
  }

  /**
   * The durable write of one alert; alerts of one `line` (an endpoint) are written in the order of their arrival.
   * Throws NotConfirmed when the commit is not known.
   */
  async ingest(argument: string, line: string): Promise<Answer> {
    try {
      const answer = await this.queue.put(argument, line);
      if (answer === null) throw new NotConfirmed("its key was being freed");
      return answer;
    } catch (error) {
      throw error instanceof NotConfirmed
        ? error
        : new NotConfirmed((error as Error).message, { cause: error });
    }
  }

  /** One call and one commit, for one alert or for several. Only an alert that is alone waits for a lock. */
  private async write(texts: string[]): Promise<(Answer | null)[]> {
    const sessions = this.sessions ?? await this.reconnected();
    const alone = texts.length === 1;
    try {
      const argument = `[${texts.join(",")}]`;
      const [row] = await sessions.run((sql) =>
        sql`select engine.ingest(${argument}::text::jsonb, ${alone}) as answers`
      );
      return row!["answers"] as (Answer | null)[];
    } catch (error) {
      return this.refused(error, texts.length, sessions);
    }
  }

  private refused(error: unknown, alerts: number, sessions: Sessions): Answer[] {
    const state = sqlState(error);
    if (state === undefined) this.discard(sessions);
    // Nothing of the batch is stored, whichever alert was to blame.
    else if (alerts > 1 && ROLLED_BACK.test(state)) throw new RolledBack(state);
    // Class 22: the value cannot be stored. It is the sender's, whatever slipped past the validators.
    else if (state.startsWith("22")) {
      return [{ http: 400, error: "unreadable", message: "The alert cannot be stored." }];
    }
    throw new NotConfirmed(state ?? (error as Error).message, { cause: error });
  }

  /** Closes every connection. */
  async close(): Promise<void> {
    await this.sessions?.end(1);
    this.sessions = null;
  }

  /** Sessions, at once or after the pause that keeps a dead server from being asked by every request. */
  private async reconnected(): Promise<Sessions> {
    const pause = this.failedAt + PAUSE_AFTER_FAILURE_MS - performance.now();
    if (pause > 0) await new Promise((resume) => setTimeout(resume, pause));
    return this.sessions ??= new Sessions(this.settings);
  }

  /**
   * A connection of this driver that was cut under load may keep half a message and never send again
   * (postgres 3.4.9, nextWrite): after a cut all of them are replaced.
   */
  private discard(sessions: Sessions | null): void {
    if (sessions === null || this.sessions !== sessions) return;
    this.sessions = null;
    this.failedAt = performance.now();
    sessions.end(3).catch(() => {});
  }
}

/** At most `most` sessions, each ended after `idle` seconds without work. */
function open({ url, ca }: DatabaseSettings, most: number, idle: number): Sql {
  return postgres(url, {
    max: most,
    ...ONE_AT_A_TIME,
    connect_timeout: 2,
    idle_timeout: idle,
    fetch_types: false,
    // A transaction pooler gives every statement another session: prepared ones would not be found.
    prepare: new URL(url).port !== POOLER_PORT,
    connection: { application_name: "empire-edge" },
    onnotice: () => {},
    ...(ca ? { ssl: { ca, rejectUnauthorized: true } } : {}),
  });
}

/** The SQLSTATE of an error that the server itself reported; undefined when the connection failed. */
function sqlState(error: unknown): string | undefined {
  if (!(error instanceof postgres.PostgresError)) return undefined;
  const state = error.code;
  // 57P01..57P05: the server ends the session. The connection is gone.
  return state.startsWith("57P") ? undefined : state;
}
