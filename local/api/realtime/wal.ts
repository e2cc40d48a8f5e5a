/**
 * Rows of realtime.messages as they are committed: a temporary logical slot, plugin pgoutput. Nothing is kept while
 * nobody reads; after a loss the stream starts anew and `onGap` says that messages may have been missed. A slot costs
 * Postgres and us CPU time for every transaction (0.4 ms an alert), so it can be paused while nobody listens.
 */
import type { Duplex } from "node:stream";
import { Buffer } from "node:buffer";
import postgres from "postgres";
import { failure, log } from "../log.ts";
import type { Broadcast } from "./frames.ts";
import { InsertDecoder, type Row } from "./pgoutput.ts";

const PUBLICATION = "supabase_realtime_messages_publication";
const RETRY_MS = 100;
const MAX_RETRY_MS = 2000;
/** A stream that is not back by then counts as lost: clients must not believe that they are up to date. */
const GRACE_MS = 2000;
/** A slot can be made when the transactions that write at that moment have ended. Who joins waits so long for that, */
const PATIENCE_MS = 5000;
/** the start so long: everything else is served meanwhile, alerts first of all, */
const START_MS = 1000;
/** and a connection so long: it may have come to nothing, and nobody would know. */
const OPENING_MS = 30_000;

export interface WalEvents {
  /** Whether anybody would get a message of this topic; without, it is not read any further. */
  wants(topic: string): boolean;
  onMessage(message: Broadcast): void;
  onGap(): void;
}

const decoder = new TextDecoder();

/** The broadcast of a row, or null for rows that nobody wants or that are none (presence, rows without an event). */
export function broadcastOf(row: Row, wants: (topic: string) => boolean = () => true): Broadcast | null {
  const text = (name: string) => row[name] ? decoder.decode(row[name]) : null;
  const topic = text("topic");
  if (topic === null || !wants(topic)) return null;
  const event = text("event");
  if (text("extension") !== "broadcast" || event === null) return null;
  const base = { topic, event, private: text("private") === "t", id: text("id") ?? undefined };
  const binary = text("binary_payload");
  if (binary !== null) return { ...base, bytes: Buffer.from(binary.slice(2), "hex"), binary: true };
  // A copy: the driver reuses the chunk this is a view of.
  return row.payload ? { ...base, bytes: row.payload.slice(), binary: false } : null;
}

export class WalStream {
  #active = false;
  #opening = false;
  #paused = false;
  #stopped = false;
  #failures = 0;
  #sql: postgres.Sql | null = null;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #grace: ReturnType<typeof setTimeout> | undefined;
  #gapAnnounced = true;
  #waiting: (() => void)[] = [];

  constructor(private readonly url: string, private readonly events: WalEvents) {}

  /** False while the stream should be live and Postgres is not even asked. What it waits for, a restart waits for, too. */
  get well(): boolean {
    return this.#active || this.#opening || this.#paused;
  }

  /** Ends the stream, or the wait for it: for as long as nobody listens. */
  pause(): void {
    if (this.#paused || this.#stopped) return;
    this.#paused = true;
    this.#active = this.#opening = false;
    clearTimeout(this.#timer);
    const sql = this.#sql;
    this.#sql = null;
    sql?.end({ timeout: 0 }).catch(() => {});
  }

  /** Begins anew after a pause. Whoever has to miss nothing waits for `live`. */
  resume(): void {
    if (!this.#paused || this.#stopped) return;
    this.#paused = false;
    this.#begin();
  }

  /** True as soon as the stream is live, false when it is not within `patience` ms. */
  async live(patience = PATIENCE_MS): Promise<boolean> {
    if (this.#active) return true;
    let timer: ReturnType<typeof setTimeout> | undefined;
    await new Promise<void>((resolve) => {
      this.#waiting.push(resolve);
      timer = setTimeout(resolve, patience);
    });
    clearTimeout(timer);
    return this.#active;
  }

  /** Resolves when the stream is live for the first time or has to wait for others; rejects when Postgres refuses it. */
  async start(): Promise<void> {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const waits = new Promise<void>((resolve) => timer = setTimeout(resolve, START_MS));
    await Promise.race([this.#open(), waits]).finally(() => clearTimeout(timer));
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#timer);
    clearTimeout(this.#grace);
    await this.#sql?.end({ timeout: 0 });
  }

  #begin(): void {
    this.#open().catch((error) => log("replication_refused", failure(error)));
  }

  async #open(): Promise<void> {
    const sql = this.#connect();
    this.#sql = sql;
    this.#opening = true;
    const limit = setTimeout(() => this.#lost(sql), OPENING_MS);
    try {
      const stream = await this.#stream(sql);
      if (this.#sql !== sql) return;
      this.#read(stream, sql);
      this.#live();
    } catch (error) {
      if (this.#paused || this.#stopped) return; // that its connection was ended is no news
      this.#lost(sql);
      throw error;
    } finally {
      clearTimeout(limit);
    }
  }

  #connect(): postgres.Sql {
    const sql = postgres(this.url, {
      max: 1,
      fetch_types: false,
      idle_timeout: undefined,
      max_lifetime: null,
      onnotice: () => {},
      connection: { application_name: "empire-realtime-wal", replication: "database" } as Record<
        string,
        string
      >,
      onclose: () => this.#lost(sql),
    });
    return sql;
  }

  async #stream(sql: postgres.Sql): Promise<Duplex> {
    const slot = `supabase_realtime_messages_replication_slot_${crypto.randomUUID().slice(0, 8)}`;
    const [created] = await sql.unsafe(
      `CREATE_REPLICATION_SLOT ${slot} TEMPORARY LOGICAL pgoutput NOEXPORT_SNAPSHOT`,
    ).simple();
    const options = `proto_version '1', publication_names '${PUBLICATION}'`;
    return await sql.unsafe(
      `START_REPLICATION SLOT ${slot} LOGICAL ${created.consistent_point} (${options})`,
    ).writable() as unknown as Duplex;
  }

  #read(stream: Duplex, sql: postgres.Sql): void {
    const inserts = new InsertDecoder("realtime", "messages");
    stream.on("error", () => this.#lost(sql));
    stream.on("close", () => this.#lost(sql));
    stream.on("data", (chunk: Buffer) => {
      if (chunk[0] === 0x6b) {
        if (chunk[17]) stream.write(statusUpdate(chunk.subarray(1, 9)));
        return;
      }
      if (chunk[0] !== 0x77) return;
      const row = inserts.decode(chunk.subarray(25));
      const message = row && broadcastOf(row, this.events.wants);
      if (message) this.events.onMessage(message);
    });
  }

  #live(): void {
    this.#active = true;
    this.#opening = false;
    this.#failures = 0;
    clearTimeout(this.#grace);
    if (!this.#gapAnnounced) this.events.onGap();
    this.#gapAnnounced = true;
    for (const go of this.#waiting.splice(0)) go();
  }

  /** The connection of `sql` is gone. Announced when the new stream is live, so that whoever refetches misses nothing. */
  #lost(sql: postgres.Sql): void {
    if (this.#stopped || sql !== this.#sql) return;
    this.#sql = null;
    if (this.#active) {
      log("replication_lost");
      this.#gapAnnounced = false;
      this.#grace = setTimeout(() => {
        this.events.onGap();
        this.#gapAnnounced = false;
      }, GRACE_MS);
    }
    this.#active = this.#opening = false;
    void sql.end({ timeout: 0 }).catch(() => {});
    const delay = Math.min(RETRY_MS * 2 ** this.#failures++, MAX_RETRY_MS);
    this.#timer = setTimeout(() => this.#begin(), delay);
  }
}

/** Standby status update: everything up to `lsn` is done. Without it Postgres would keep the WAL, then cut us off. */
function statusUpdate(lsn: Uint8Array): Buffer {
  const update = Buffer.alloc(34);
  update[0] = 0x72;
  for (const offset of [1, 9, 17]) update.set(lsn, offset);
  update.writeBigInt64BE(BigInt(Date.now() - Date.UTC(2000, 0, 1)) * 1000n, 25);
  return update;
}
