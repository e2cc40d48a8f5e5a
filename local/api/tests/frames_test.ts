import assert from "node:assert/strict";
import { type Broadcast, broadcastBinary, broadcastText, decode, encode } from "../realtime/frames.ts";

const bytes = (text: string) => new TextEncoder().encode(text);
const message: Broadcast = {
  topic: "orders:1",
  event: "hello",
  private: true,
  bytes: bytes('{"qty":1.50,"id":9007199254740993}'),
  binary: false,
  id: "m-1",
};

Deno.test("version 1 replies are objects with a ref and without a join_ref", () => {
  const frame = JSON.parse(encode(1, "phoenix", "phx_reply", { status: "ok", response: {} }, null, "6"));
  assert.deepEqual(Object.keys(frame), ["topic", "event", "payload", "ref"]);
  assert.equal(frame.ref, null);
});

Deno.test("version 2 replies are arrays with both refs", () => {
  assert.deepEqual(JSON.parse(encode(2, "realtime:a", "phx_reply", {}, "7", "6")), [
    "6",
    "7",
    "realtime:a",
    "phx_reply",
    {},
  ]);
});

Deno.test("the captured binary broadcast of supabase-js is understood", () => {
  const head = [3, 1, 1, 0x11, 5, 0, 1];
  const frame = Uint8Array.from([...head, ...bytes('67realtime:orders:1hello{"a":1}')]);
  const push = decode(frame.buffer)!;
  assert.deepEqual([push.joinRef, push.ref, push.topic, push.event], [
    "6",
    "7",
    "realtime:orders:1",
    "broadcast",
  ]);
  assert.equal(new TextDecoder().decode(push.broadcast!.bytes), '{"a":1}');
  assert.equal(push.broadcast!.binary, false);
});

Deno.test("a broadcast's payload reaches both versions byte for byte", () => {
  const v1 = broadcastText(1, message)!;
  assert.match(v1, /"payload":\{"qty":1\.50,"id":9007199254740993\},"meta":\{"id":"m-1"\}/);
  assert.equal(JSON.parse(v1).ref, null);
  const v2 = broadcastBinary(message) as Uint8Array;
  assert.deepEqual([...v2.subarray(0, 5)], [4, "realtime:orders:1".length, 5, '{"id":"m-1"}'.length, 1]);
  assert.ok(new TextDecoder().decode(v2).endsWith('{"qty":1.50,"id":9007199254740993}'));
});

Deno.test("a name too long for a binary frame goes as text", () => {
  assert.equal(typeof broadcastBinary({ ...message, topic: "x".repeat(300) }), "string");
});

Deno.test("bytes that are no JSON do not reach version 1", () => {
  assert.equal(broadcastText(1, { ...message, binary: true }), null);
});

Deno.test("a frame that is none is dropped", () => {
  for (const data of ["", "{", "5", "[]", '{"topic":1}']) assert.equal(decode(data), null);
  for (const data of [[], [3], [3, 255, 255, 255, 255, 255, 1], [9, 9]]) {
    assert.equal(decode(Uint8Array.from(data).buffer), null);
  }
});
