/**
 * Who may join a private topic: RLS on realtime.messages decides. Probe rows are written, looked at as the user, and
 * rolled back; they never reach the replication stream.
 */
import type postgres from "postgres";
import type { Claims } from "../keys.ts";
import { failure, log } from "../log.ts";

const API_ROLES = new Set(["anon", "authenticated", "service_role"]);
const INSUFFICIENT_PRIVILEGE = "42501";

class Rollback extends Error {
  constructor(readonly allowed: boolean) {
    super("rollback");
  }
}

/** Runs `probe` in a transaction that is always rolled back. A policy that fails allows nothing. */
async function rolledBack(
  sql: postgres.Sql,
  probe: (transaction: postgres.TransactionSql) => Promise<boolean>,
): Promise<boolean> {
  try {
    await sql.begin(async (transaction) => {
      throw new Rollback(await probe(transaction));
    });
  } catch (error) {
    if (error instanceof Rollback) return error.allowed;
    if ((error as { code?: string }).code !== INSUFFICIENT_PRIVILEGE) {
      log("realtime_policy_error", failure(error));
    }
  }
  return false;
}

async function become(transaction: postgres.TransactionSql, claims: Claims, topic: string): Promise<void> {
  await transaction`
    select set_config('request.jwt.claims', ${JSON.stringify(claims)}, true),
           set_config('request.jwt.claim.sub', ${claims.sub ?? ""}, true),
           set_config('request.jwt.claim.role', ${claims.role}, true),
           set_config('request.headers', '{}', true),
           set_config('realtime.topic', ${topic}, true),
           set_config('role', ${claims.role}, true)`;
}

export class Authorizer {
  /** `sql` must be able to write realtime.messages and to become any API role. */
  constructor(private readonly sql: postgres.Sql) {}

  /** True when a select policy shows the user a broadcast of `topic`. */
  async mayRead(claims: Claims, topic: string): Promise<boolean> {
    if (!API_ROLES.has(claims.role)) return false;
    return await rolledBack(this.sql, async (transaction) => {
      const id = crypto.randomUUID();
      await transaction`insert into realtime.messages (id, topic, extension) values (${id}, ${topic}, 'broadcast')`;
      await become(transaction, claims, topic);
      return (await transaction`select id from realtime.messages where id = ${id}`).length > 0;
    });
  }

  /** True when an insert policy lets the user broadcast to `topic`. */
  async mayWrite(claims: Claims, topic: string): Promise<boolean> {
    if (!API_ROLES.has(claims.role)) return false;
    return await rolledBack(this.sql, async (transaction) => {
      await become(transaction, claims, topic);
      await transaction`insert into realtime.messages (topic, extension) values (${topic}, 'broadcast')`;
      return true;
    });
  }
}
