import assert from "node:assert/strict";
import { readJoin } from "../realtime/join.ts";
import { InsertDecoder } from "../realtime/pgoutput.ts";
import { broadcastOf } from "../realtime/wal.ts";

const text = (value: string) => [...new TextEncoder().encode(value)];
const int = (value: number) => [value >>> 24, (value >>> 16) & 255, (value >>> 8) & 255, value & 255];

function relation(id: number, schema: string, table: string, columns: string[]): Uint8Array {
  const named = columns.flatMap((name) => [0, ...text(name), 0, ...int(25), ...int(-1)]);
  return Uint8Array.from([
    82,
    ...int(id),
    ...text(schema),
    0,
    ...text(table),
    0,
    100,
    0,
    columns.length,
    ...named,
  ]);
}

function insert(id: number, values: (string | null)[]): Uint8Array {
  const cells = values.flatMap((value) =>
    value === null ? [110] : [116, ...int(text(value).length), ...text(value)]
  );
  return Uint8Array.from([73, ...int(id), 78, 0, values.length, ...cells]);
}

Deno.test("an insert into realtime.messages is a broadcast with its payload untouched", () => {
  const decoder = new InsertDecoder("realtime", "messages");
  decoder.decode(
    relation(7, "realtime", "messages", ["topic", "extension", "payload", "event", "private", "id"]),
  );
  const row = decoder.decode(insert(7, ["orders:1", "broadcast", '{"q": 1.50}', "created", "t", "m-1"]))!;
  const message = broadcastOf(row)!;
  assert.equal(new TextDecoder().decode(message.bytes), '{"q": 1.50}');
  assert.deepEqual([message.topic, message.event, message.private, message.id], [
    "orders:1",
    "created",
    true,
    "m-1",
  ]);
});

Deno.test("rows of other tables and messages without an event are nothing", () => {
  const decoder = new InsertDecoder("realtime", "messages");
  decoder.decode(relation(8, "public", "messages", ["topic"]));
  assert.equal(decoder.decode(insert(8, ["x"])), null);
  decoder.decode(relation(9, "realtime", "messages", ["topic", "extension", "event"]));
  assert.equal(broadcastOf(decoder.decode(insert(9, ["x", "broadcast", null]))!), null);
  assert.equal(broadcastOf(decoder.decode(insert(9, ["x", "presence", "e"]))!), null);
});

Deno.test("a join is read with the real server's tolerance", () => {
  const join = readJoin({
    config: { private: "true", broadcast: { ack: true, self: null, replay: null } },
    access_token: "t",
  });
  assert.deepEqual([join.private, join.ack, join.self, join.replay, join.accessToken], [
    true,
    true,
    false,
    null,
    "t",
  ]);
  for (const odd of [null, 5, [], { config: 7 }]) assert.equal(readJoin(odd).private, false);
});

Deno.test("a replay asks for at most 25 messages and is refused when it is no replay", () => {
  const replay = (value: unknown) => readJoin({ config: { broadcast: { replay: value } } });
  assert.deepEqual(replay({ since: 5, limit: 1000 }).replay, { since: 5, limit: 25 });
  assert.deepEqual(replay({ since: 5 }).replay, { since: 5, limit: 25 });
  assert.ok(replay({ since: "yesterday" }).replayInvalid);
});
