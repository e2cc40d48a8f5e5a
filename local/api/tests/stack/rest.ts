/** The table and function calls of supabase-js. */
import assert from "node:assert/strict";
import { admin, client, migrate, token, unique } from "./support.ts";

const T = unique("rest");
await migrate(
  `create table public.${T} (id int primary key, name text not null, price numeric(12, 4), tags text[], doc jsonb,
                             owner uuid default auth.uid());
   create table public.${T}_part (id int primary key, parent_id int references public.${T}, note text);
   alter table public.${T} enable row level security;
   create policy "a user sees his own rows" on public.${T} for all to authenticated
     using (owner = (select auth.uid())) with check (owner = (select auth.uid()));
   grant select, insert, update, delete on public.${T}, public.${T}_part to authenticated, service_role;
   create function public.${T}_add(a int, b int default 2) returns int language sql as $f$ select a + b $f$;
   create function public.${T}_rows(low int) returns setof public.${T} language sql stable as
     $f$ select * from public.${T} where id >= low $f$;
   create function public.${T}_refuse() returns void language plpgsql as
     $f$ begin raise exception 'not today' using hint = 'tomorrow', errcode = 'P0001'; end $f$`,
  T,
);

const db = admin();
const rows = [1, 2, 3, 4, 5].map((id) => ({
  id,
  name: `n${id}`,
  price: id + 0.5,
  tags: ["a", `t${id}`],
  doc: { k: id },
}));
assert.equal((await db.from(T).insert(rows)).error, null);
assert.equal((await db.from(`${T}_part`).insert([{ id: 1, parent_id: 1, note: "x" }])).error, null);

Deno.test("rows are inserted, changed and deleted, and come back when asked for", async () => {
  const made = await db.from(T).insert({ id: 50, name: "new", price: "1.2500" }).select("id,name,price")
    .single();
  assert.deepEqual([made.error, made.data], [null, { id: 50, name: "new", price: 1.25 }]);
  const changed = await db.from(T).update({ name: "other" }).eq("id", 50).select("name");
  assert.deepEqual(changed.data, [{ name: "other" }]);
  assert.equal((await db.from(T).delete().eq("id", 50)).error, null);
  assert.equal((await db.from(T).select().eq("id", 50).maybeSingle()).data, null);
});

Deno.test("an upsert merges or ignores", async () => {
  await db.from(T).upsert({ id: 60, name: "first" });
  const merged = await db.from(T).upsert({ id: 60, name: "second" }).select("name").single();
  assert.equal(merged.data!.name, "second");
  await db.from(T).upsert({ id: 60, name: "third" }, { ignoreDuplicates: true });
  assert.equal((await db.from(T).select("name").eq("id", 60).single()).data!.name, "second");
  await db.from(T).delete().eq("id", 60);
});

Deno.test("count, range and head", async () => {
  const page = await db.from(T).select("id", { count: "exact" }).lte("id", 5).order("id").range(1, 2);
  assert.deepEqual([page.count, page.data], [5, [{ id: 2 }, { id: 3 }]]);
  const head = await db.from(T).select("*", { count: "exact", head: true }).lte("id", 5);
  assert.deepEqual([head.count, head.data], [5, null]);
  const beyond = await db.from(T).select("id", { count: "exact" }).range(100, 110);
  assert.equal(beyond.error?.code, "PGRST103");
});

Deno.test("filters", async () => {
  const ids = async (query: PromiseLike<{ data: unknown; error: unknown }>) => {
    const { data, error } = await query;
    assert.equal(error, null);
    return (data as { id: number }[]).map((row) => row.id);
  };
  const all = () => db.from(T).select("id").lte("id", 5).order("id");
  assert.deepEqual(await ids(all().in("name", ["n1", "n3"])), [1, 3]);
  assert.deepEqual(await ids(all().or("id.eq.1,name.eq.n5")), [1, 5]);
  assert.deepEqual(await ids(all().gte("price", 4.5)), [4, 5]);
  assert.deepEqual(await ids(all().contains("tags", ["t2"])), [2]);
  assert.deepEqual(await ids(all().contains("doc", { k: 3 })), [3]);
  assert.deepEqual(await ids(all().eq("doc->>k", "4")), [4]);
  assert.deepEqual(await ids(all().not("name", "like", "n%")), []);
  assert.deepEqual(await ids(all().is("owner", null)), [1, 2, 3, 4, 5]);
});

Deno.test("related rows are embedded", async () => {
  const { data } = await db.from(T).select(`id,${T}_part(note)`).lte("id", 2).order("id");
  assert.deepEqual(data, [{ id: 1, [`${T}_part`]: [{ note: "x" }] }, { id: 2, [`${T}_part`]: [] }]);
});

Deno.test("functions with defaults, sets and errors", async () => {
  assert.equal((await db.rpc(`${T}_add`, { a: 1 })).data, 3);
  assert.equal((await db.rpc(`${T}_add`, { a: 1, b: 5 }, { get: true })).data, 6);
  const set = await db.rpc(`${T}_rows`, { low: 4 }).select("id").lte("id", 5).order("id", {
    ascending: false,
  });
  assert.deepEqual(set.data, [{ id: 5 }, { id: 4 }]);
  const { error, status } = await db.rpc(`${T}_refuse`);
  assert.deepEqual([status, error!.code, error!.message, error!.hint], [
    400,
    "P0001",
    "not today",
    "tomorrow",
  ]);
  assert.equal((await db.rpc("no_such_function")).error!.code, "PGRST202");
});

Deno.test("errors have PostgREST's codes", async () => {
  assert.equal((await db.from(T).insert({ id: 1, name: "x" })).error!.code, "23505");
  assert.equal((await db.from(T).insert({ id: 70 })).error!.code, "23502");
  assert.equal((await db.from(`${T}_part`).insert({ id: 9, parent_id: 999 })).error!.code, "23503");
  assert.equal((await db.from("no_such_table").select()).error!.code, "PGRST205");
  assert.equal((await db.from(T).select("no_such_column")).error!.code, "42703");
  assert.equal((await db.from(T).insert({ id: 71, name: "x", nope: 1 })).error!.code, "PGRST204");
  assert.equal((await db.from(T).select().lte("id", 2).single()).error!.code, "PGRST116");
});

Deno.test("RLS: users see and write their own rows only", async () => {
  const [mine, other] = [crypto.randomUUID(), crypto.randomUUID()];
  const [a, b] = [client(undefined, await token(mine)), client(undefined, await token(other))];
  assert.equal((await a.from(T).insert({ id: 80, name: "mine" })).error, null);
  assert.deepEqual((await a.from(T).select("id")).data, [{ id: 80 }]);
  assert.deepEqual((await b.from(T).select("id")).data, []);
  assert.equal((await b.from(T).insert({ id: 81, name: "x", owner: mine })).error!.code, "42501");
  assert.deepEqual((await b.from(T).update({ name: "x" }).eq("id", 80).select()).data, []);
  assert.equal((await client().from(T).select()).error!.code, "42501");
});
