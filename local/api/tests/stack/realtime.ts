/** Private broadcast as supabase-js sees it, and the protocol itself where it hides details. */
import assert from "node:assert/strict";
import type { RealtimeChannel } from "@supabase/supabase-js";
import {
  API,
  asOwner,
  asSuperuser,
  type Client,
  client,
  PUBLISHABLE,
  raw,
  SECRET,
  token,
  until,
} from "./support.ts";
import { Wire } from "./wire_support.ts";

const PREFIX = `room${crypto.randomUUID().slice(0, 8)}`;
await asOwner((sql) =>
  sql.unsafe(`create policy "${PREFIX} is read by its user" on realtime.messages for select to authenticated
    using (extension = 'broadcast' and (select realtime.topic()) = '${PREFIX}:' || (select auth.uid())::text)`)
);

type Seen = { event: string; payload: Record<string, unknown>; meta?: { id: string; replayed?: boolean } };

/** supabase-js sends a first join without its token unless it has been asked for: setAuth comes before subscribe. */
async function listen(user: Client, topic: string, broadcast: Record<string, unknown> = {}) {
  const seen: Seen[] = [];
  const states: string[] = [];
  const system: string[] = [];
  await user.realtime.setAuth();
  const channel = user.channel(topic, { config: { private: true, broadcast } });
  channel.on("broadcast", { event: "*" }, (message) => seen.push(message as unknown as Seen));
  channel.on("system", {}, ({ message }: { message: string }) => system.push(message));
  let reason = "";
  channel.subscribe((state, error) => {
    states.push(state);
    reason = error?.message ?? reason;
  });
  return { channel, seen, states, system, reason: () => reason };
}

async function joined(user: Client, topic: string, broadcast: Record<string, unknown> = {}) {
  const listening = await listen(user, topic, broadcast);
  await until(() => listening.states.length > 0);
  assert.equal(listening.states[0], "SUBSCRIBED", listening.reason());
  return listening;
}

async function send(topic: string, payload: string, event = "created", isPrivate = true): Promise<void> {
  await asOwner((sql) =>
    sql`select realtime.send(${payload}::text::jsonb, ${event}, ${topic}, ${isPrivate})`
  );
}

async function end(user: Client, ...channels: RealtimeChannel[]): Promise<void> {
  for (const channel of channels) await user.removeChannel(channel);
  await user.realtime.disconnect();
}

async function room(): Promise<{ topic: string; jwt: string; sub: string }> {
  const sub = crypto.randomUUID();
  return { topic: `${PREFIX}:${sub}`, jwt: await token(sub), sub };
}

const join = (jwt: string | undefined, config: Record<string, unknown> = {}) => ({
  config: { private: true, broadcast: {}, ...config },
  access_token: jwt,
});

Deno.test("what the database sends reaches its user, in order of commit, with the row's id", async () => {
  const { topic, jwt } = await room();
  const user = client(undefined, jwt);
  const { seen, channel } = await joined(user, topic);
  for (let i = 0; i < 20; i++) await send(topic, `{"i":${i}}`);
  await until(() => seen.length === 20);
  assert.deepEqual(seen.map(({ payload }) => payload.i), Array.from({ length: 20 }, (_, i) => i));
  assert.equal(seen[0].event, "created");
  assert.equal(seen[0].meta!.id, seen[0].payload.id);
  await end(user, channel);
});

Deno.test("numbers of a payload pass untouched in both versions", async () => {
  const { topic, jwt } = await room();
  const one = await new Wire("1.0.0").open();
  await one.ask(`realtime:${topic}`, "phx_join", join(jwt), "1", "1");
  const two = await new Wire("2.0.0").open();
  two.ws.send(JSON.stringify(["1", "1", `realtime:${topic}`, "phx_join", join(jwt)]));
  await until(() => two.frames.length > 0);
  const payload = '{"id": "x", "qty": 1.50, "big": 9007199254740993}';
  await send(topic, payload);
  await until(() => one.frames.length === 2 && two.frames.length === 2);
  const text = [one.frames[1] as string, new TextDecoder().decode(two.frames[1] as Uint8Array)];
  for (const frame of text) assert.match(frame, /"qty": 1\.50/);
  for (const frame of text) assert.match(frame, /"big": 9007199254740993/);
  assert.equal((two.frames[1] as Uint8Array)[0], 4);
  await Promise.all([one.close(), two.close()]);
});

Deno.test("another user's topic is refused, and so is everybody without a token", async () => {
  const { topic } = await room();
  const strangers = [client(undefined, (await room()).jwt), client()];
  for (const stranger of strangers) {
    const { channel, states, reason } = await listen(stranger, topic);
    await until(() => states.length > 0);
    assert.equal(states[0], "CHANNEL_ERROR");
    assert.equal(
      reason(),
      `Unauthorized: You do not have permissions to read from this Channel topic: ${topic}`,
    );
    await end(stranger, channel);
  }
});

Deno.test("nobody but the database sends: a client's broadcast reaches no one", async () => {
  const { topic, jwt } = await room();
  const [sender, reader] = [client(undefined, jwt), client(undefined, jwt)];
  const from = await joined(sender, topic, { self: true });
  const to = await joined(reader, topic);
  await from.channel.send({ type: "broadcast", event: "forged", payload: { a: 1 } });
  const rest = await raw(
    "POST",
    `/realtime/v1/api/broadcast/${encodeURIComponent(topic)}/events/forged?private=true`,
    "{}",
    {
      apikey: PUBLISHABLE,
      authorization: `Bearer ${jwt}`,
    },
  );
  assert.equal(rest.status, 403);
  await send(topic, '{"real":true}');
  await until(() => to.seen.length > 0 && from.seen.length > 0);
  assert.deepEqual([...from.seen, ...to.seen].map(({ event }) => event), ["created", "created"]);
  await end(sender, from.channel);
  await end(reader, to.channel);
});

Deno.test("a topic whose policy lets users write carries their broadcasts between both versions", async () => {
  const { topic, jwt, sub } = await room();
  await asOwner((sql) =>
    sql.unsafe(`create policy "${sub} writes" on realtime.messages for insert to authenticated
                with check ((select realtime.topic()) = '${topic}')`)
  );
  const user = client(undefined, jwt);
  const two = await joined(user, topic, { ack: true });
  const one = await new Wire("1.0.0").open();
  await one.ask(`realtime:${topic}`, "phx_join", join(jwt, { broadcast: { ack: true } }), "1", "1");
  assert.equal(await two.channel.send({ type: "broadcast", event: "hi", payload: { n: 1 } }), "ok");
  await until(() => one.texts().some(({ event }) => event === "broadcast"));
  await one.ask(
    `realtime:${topic}`,
    "broadcast",
    { type: "broadcast", event: "ho", payload: { n: 2 } },
    "2",
    "1",
  );
  await until(() => two.seen.length === 1);
  assert.deepEqual([two.seen[0].event, two.seen[0].payload], ["ho", { n: 2 }]);
  await asOwner((sql) => sql.unsafe(`drop policy "${sub} writes" on realtime.messages`));
  await one.close();
  await end(user, two.channel);
});

Deno.test("public channels are refused, and public messages of the database reach nobody", async () => {
  const { topic, jwt } = await room();
  const wire = await new Wire("1.0.0").open();
  const refused = await wire.ask(
    `realtime:${topic}`,
    "phx_join",
    { config: { private: false }, access_token: jwt },
    "1",
    "1",
  );
  assert.equal(refused.payload.response.reason, "PrivateOnly: This project only allows private channels");
  await wire.ask(`realtime:${topic}`, "phx_join", join(jwt), "2", "2");
  await send(topic, '{"a":1}', "open", false);
  await send(topic, '{"a":2}', "closed", true);
  await until(() => wire.texts().some(({ event }) => event === "broadcast"));
  const events = wire.texts().filter(({ event }) => event === "broadcast").map(({ payload }) =>
    (payload as Seen).event
  );
  assert.deepEqual(events, ["closed"]);
  await wire.close();
});

Deno.test("an expired token closes its channel, and opens none", async () => {
  const { topic, sub } = await room();
  const wire = await new Wire("1.0.0").open();
  const old = await wire.ask(`realtime:${topic}`, "phx_join", join(await token(sub, -5)), "1", "1");
  assert.match(String(old.payload.response.reason), /^InvalidJWTToken: Token has expired \d+ seconds ago$/);
  await wire.ask(`realtime:${topic}`, "phx_join", join(await token(sub, 4)), "2", "2");
  await until(() => wire.texts().some(({ event }) => event === "phx_close"));
  const [system, close] = wire.texts().slice(-2) as {
    event: string;
    payload: Record<string, string>;
    ref: string | null;
  }[];
  assert.deepEqual([system.event, system.ref, system.payload.status], ["system", null, "error"]);
  assert.match(system.payload.message, /^Token has expired/);
  assert.equal(system.payload.channel, topic);
  assert.deepEqual([close.event, close.ref], ["phx_close", "2"]);
  await wire.close();
});

Deno.test("a new token keeps the channel open; one of another user closes it", async () => {
  const { topic, sub } = await room();
  const wire = await new Wire("1.0.0").open();
  const name = `realtime:${topic}`;
  await wire.ask(name, "phx_join", join(await token(sub, 30)), "1", "1");
  const push = (access_token: string | null) =>
    wire.ws.send(
      JSON.stringify({
        topic: name,
        event: "access_token",
        payload: { access_token },
        ref: "2",
        join_ref: "1",
      }),
    );
  push(null);
  push(PUBLISHABLE);
  push(await token(sub, 600));
  await until(() => wire.ws.readyState === WebSocket.OPEN && Date.now() > 0);
  await send(topic, '{"a":1}');
  await until(() => wire.texts().some(({ event }) => event === "broadcast"));
  push(await token(crypto.randomUUID()));
  await until(() => wire.texts().some(({ event }) => event === "phx_close"));
  const system = wire.texts().find(({ event }) => event === "system") as { payload: { message: string } };
  assert.match(system.payload.message, /^You do not have permissions/);
  await wire.close();
});

Deno.test("messages a client missed are replayed to it, oldest first, and not sent twice", async () => {
  const { topic, jwt } = await room();
  const since = Date.now() - 60_000;
  const [early, late] = [client(undefined, jwt), client(undefined, jwt)];
  const witness = await joined(early, topic);
  for (let i = 0; i < 3; i++) await send(topic, `{"i":${i}}`);
  await until(() => witness.seen.length === 3);
  const { seen, channel } = await joined(late, topic, { replay: { since, limit: 2 } });
  await until(() => seen.length === 2);
  await send(topic, '{"i":3}');
  await until(() => seen.length === 3);
  const expected = [[1, true], [2, true], [3, false]];
  assert.deepEqual(seen.map(({ payload, meta }) => [payload.i, meta?.replayed ?? false]), expected);
  await end(early, witness.channel);
  await end(late, channel);
});

Deno.test("heartbeats, leaves, doubled joins and stray messages are answered as the real server does", async () => {
  const { topic, jwt } = await room();
  const name = `realtime:${topic}`;
  const wire = await new Wire("1.0.0").open();
  const beat = await wire.ask("phoenix", "heartbeat", {}, null);
  assert.deepEqual(
    beat,
    { topic: "phoenix", event: "phx_reply", payload: { status: "ok", response: {} }, ref: null } as unknown,
  );
  const stray = await wire.ask(name, "broadcast", {}, "1");
  assert.deepEqual(stray.payload, { status: "error", response: { reason: "unmatched topic" } });
  const first = await wire.ask(name, "phx_join", join(jwt), "2", "2");
  assert.deepEqual(first.payload, { status: "ok", response: { postgres_changes: [] } });
  await wire.ask(name, "phx_join", join(jwt), "3", "3");
  const closed = wire.texts().find(({ event }) => event === "phx_close");
  assert.equal(closed!.ref, "2");
  const left = await wire.ask(name, "phx_leave", {}, "4", "3");
  assert.equal(left.payload.status, "ok");
  await until(() => wire.texts().some(({ event, ref }) => event === "phx_close" && ref === "3"));
  wire.ws.send("no json");
  wire.ws.send(JSON.stringify({ nonsense: true }));
  assert.equal((await wire.ask("phoenix", "heartbeat", {}, "5")).payload.status, "ok");
  await wire.close();
});

Deno.test("a socket has at most 100 channels and frames of at most 5 MB", async () => {
  const { jwt, topic } = await room();
  const wire = await new Wire("1.0.0", SECRET).open();
  for (let i = 0; i < 100; i++) {
    const reply = await wire.ask(`realtime:many${i}`, "phx_join", join(undefined), `${i}`, `${i}`);
    assert.equal(reply.payload.status, "ok");
  }
  const refused = await wire.ask(`realtime:${topic}`, "phx_join", join(jwt), "x", "x");
  assert.equal(refused.payload.response.reason, "ChannelRateLimitReached: Too many channels");
  wire.ws.send("x".repeat(5_000_001));
  await until(() => wire.closed !== 0);
  assert.equal(wire.closed, 1009);
});

Deno.test("a socket needs a key that is ours", async () => {
  for (const key of ["", "sb_publishable_wrong", "a.b.c"]) {
    const answer = await fetch(`${API}/realtime/v1/websocket?apikey=${key}`, {
      headers: { upgrade: "websocket" },
    });
    assert.equal(answer.status, 401);
    assert.equal(typeof (await answer.json()).error, "string");
  }
});

Deno.test("postgres_changes is said not to be served, the channel stays open", async () => {
  const { topic, jwt } = await room();
  const wire = await new Wire("1.0.0").open();
  const wanted = { event: "*", schema: "public", table: "orders" };
  const reply = await wire.ask(
    `realtime:${topic}`,
    "phx_join",
    join(jwt, { postgres_changes: [wanted] }),
    "1",
    "1",
  );
  assert.deepEqual(reply.payload.response.postgres_changes, [{ ...wanted, id: 1 }]);
  await until(() => wire.texts().some(({ event }) => event === "system"));
  const system = wire.texts().find(({ event }) => event === "system") as { payload: Record<string, string> };
  assert.deepEqual([system.payload.extension, system.payload.status], ["postgres_changes", "error"]);
  await wire.close();
});

Deno.test("the back end broadcasts over REST, one message or many", async () => {
  const { topic, jwt } = await room();
  const user = client(undefined, jwt);
  const { seen, channel } = await joined(user, topic);
  const one = await raw(
    "POST",
    `/realtime/v1/api/broadcast/${encodeURIComponent(topic)}/events/a%20b?private=true`,
    '{"n":1}',
  );
  assert.equal(one.status, 202);
  const messages = [{ topic, event: "c", payload: { n: 2 }, private: true }, {
    topic,
    event: "d",
    payload: { n: 3 },
  }];
  assert.equal((await raw("POST", "/realtime/v1/api/broadcast", JSON.stringify({ messages }))).status, 202);
  await until(() => seen.length === 2);
  assert.deepEqual(seen.map(({ event, payload }) => [event, payload.n]), [["a b", 1], ["c", 2]]);
  assert.equal((await raw("POST", "/realtime/v1/api/broadcast", '{"messages":[{"topic":"x"}]}')).status, 422);
  await end(user, channel);
});

Deno.test("after the replication stream is cut, clients are told, join again and receive", async () => {
  const { topic, jwt } = await room();
  const user = client(undefined, jwt);
  const { seen, states, system, channel } = await joined(user, topic);
  await asSuperuser((sql) =>
    sql`select pg_terminate_backend(active_pid) from pg_replication_slots
        where database = current_database() and active_pid is not null`
  );
  await until(() => states.filter((state) => state === "SUBSCRIBED").length === 2);
  assert.match(system[0], /messages may be missing/);
  await send(topic, '{"after":true}');
  await until(() => seen.length === 1);
  await end(user, channel);
});

Deno.test("a message that cannot be written does not undo the write that caused it", async () => {
  const warnings = await asOwner(async (sql) => {
    await sql`select realtime.send('[1]'::jsonb, 'e', 'nobody')`;
    return await sql`select 1 as alive`;
  });
  assert.equal(warnings[0].alive, 1);
});
