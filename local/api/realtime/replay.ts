/** Messages a client missed: at most 25, sent from the database to a private topic within the last three days. */
import type postgres from "postgres";
import type { Broadcast } from "./frames.ts";

const encoder = new TextEncoder();

/** The newest `limit` messages of `topic` since `since` (milliseconds since 1970), oldest first. */
export async function replay(
  sql: postgres.Sql,
  topic: string,
  since: number,
  limit: number,
): Promise<Broadcast[]> {
  const rows = await sql`
    select id, event, payload::text as payload from realtime.messages
    where topic = ${topic} and private and extension = 'broadcast' and payload is not null and event is not null
      and inserted_at >= to_timestamp(${since}::float8 / 1000) at time zone 'utc'
      and inserted_at < (now() + interval '1 minute') at time zone 'utc'
    order by inserted_at desc, id desc
    limit ${limit}`;
  return rows.reverse().map((row) => ({
    topic,
    event: row.event,
    private: true,
    bytes: encoder.encode(row.payload),
    binary: false,
    id: row.id,
  }));
}

/** Deletes what is older than 72 hours, in bites that hold no lock for long. Returns the number of rows. */
export async function purge(sql: postgres.Sql): Promise<number> {
  let total = 0;
  for (;;) {
    const { count } = await sql`
      delete from realtime.messages where ctid = any(array(
        select ctid from realtime.messages
        where inserted_at < (now() - interval '72 hours') at time zone 'utc' limit 5000))`;
    total += count;
    if (count < 5000) return total;
  }
}
