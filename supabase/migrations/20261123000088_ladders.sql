-- Ladders: targets of an entry that waits, or beyond the one that a broker holds. Each exit that one asks for is an event of
-- its own (a reduce, by the ordinary road), noted here in the transaction that puts it in line.
create table engine.guard_exits (
  event_id bigint primary key,
  guard_id bigint not null references engine.guards (id) on delete cascade,
  nth smallint not null check (nth >= 0),
  qty numeric not null check (qty > 0),
  price numeric check (price > 0),
  asked_at timestamptz not null default clock_timestamp()
);
comment on table engine.guard_exits is
'Exits that guards with targets have asked for: which target, for how much, at what price (null = at the market), by which event.';
create index guard_exits_of_a_guard on engine.guard_exits (guard_id);
grant select, insert, update, delete on engine.guard_exits to empire_engine;

create function engine.exits_of_guard(g engine.guards) returns jsonb
language plpgsql stable set search_path = '' as $$
begin
  return (
    select coalesce(jsonb_agg(jsonb_build_object(
      'nth', x.nth, 'qty', x.qty, 'at', x.asked_at, 'outcome', case
        when d.status in ('done', 'dead') then coalesce(d.outcome, 'rejected')
        -- A delivery that was forgotten after 90 days had its outcome.
        when d.id is null then 'executed'
      end, 'ended_at', d.finished_at, 'venue_order_id', o.venue_order_id, 'filled', coalesce(o.filled, 0), 'working', coalesce(o.working, 0)
    ) order by x.event_id), '[]')
    from engine.guard_exits x
    left join public.deliveries d on d.event_id = x.event_id and d.account_id = g.account_id
    left join lateral (
      select sum(y.filled_qty) as filled, max(y.venue_order_id) as venue_order_id,
        sum(case when y.status in ('pending', 'submitting', 'working', 'partially_filled', 'unknown') then y.qty - y.filled_qty else 0 end) as working
      from public.orders y where y.delivery_id = d.id
    ) o on true
    where x.guard_id = g.id
  );
end
$$;
comment on function engine.exits_of_guard(engine.guards) is
'What a guard has asked for at its targets, and what became of each; no outcome = it is under way.';
alter function engine.exits_of_guard(engine.guards) owner to empire_engine;

create function engine.ask_exits(g engine.guards, a public.broker_accounts, p_exits jsonb) returns void
language plpgsql set search_path = '' as $$
declare
  c_account constant text := coalesce(a.label, a.account_id);
  v_event bigint;
  x jsonb;
begin
  for x in select y from jsonb_array_elements(p_exits) y loop
    v_event := nextval('public.webhook_events_id_seq');
    perform engine.store_intent(v_event, g.user_id, 'system',
      jsonb_build_object('version', 'unify.v1', 'intent', x -> 'intent')::text, array[a.id]);
    insert into engine.guard_exits (event_id, guard_id, nth, qty, price)
    values (v_event, g.id, (x ->> 'nth')::smallint, (x ->> 'qty')::numeric, (x ->> 'price')::numeric);
    perform engine.note(g.user_id, 'info', case when x ->> 'price' is null then 'target_reached' else 'target_set' end,
      format('%s: %s', c_account, x ->> 'told'),
      jsonb_build_object('account_id', a.id, 'guard_id', g.id, 'target', (x ->> 'nth')::integer + 1, 'qty', x -> 'qty', 'price', x -> 'price'),
      v_event);
    if (x ->> 'failures')::integer in (2, 4, 8, 16, 64, 256, 1024) then
      perform engine.alarm('ladder:' || g.id || ':' || (x ->> 'nth') || ':' || (x ->> 'failures'), g.user_id, 'guard_failed', format(
        '%s: what was asked for %s times has not been done: %s It is asked for again; look at it in %s.', c_account,
        x ->> 'failures', x ->> 'told', engine.name_of(a.broker)
      ), jsonb_build_object('account_id', a.id, 'guard_id', g.id, 'failures', x -> 'failures'), v_event);
    end if;
  end loop;
end
$$;
comment on function engine.ask_exits(engine.guards, public.broker_accounts, jsonb) is
'Asks for the exits of a guard''s targets, through inbox and queue like everybody, each once, and tells the trader.';
alter function engine.ask_exits(engine.guards, public.broker_accounts, jsonb) owner to empire_engine;

create function engine.exits_waiting(p_account uuid, p_root text, p_side public.side, p_not_order bigint) returns numeric
language plpgsql stable set search_path = '' as $$
begin
  return (
    select coalesce(sum(o.qty - o.filled_qty), 0) from public.orders o
    where o.account_id = p_account and o.root = p_root and o.side = p_side and o.reduce_only and o.type = 'limit'
      and o.status in ('pending', 'submitting', 'working', 'partially_filled', 'unknown')
      and o.id is distinct from p_not_order
  );
end
$$;
comment on function engine.exits_waiting(uuid, text, public.side, bigint) is
'What limit exits of a root that wait at the broker, or are on their way to it, will close.';
alter function engine.exits_waiting(uuid, text, public.side, bigint) owner to empire_engine;
