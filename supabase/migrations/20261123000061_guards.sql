-- Guards: exits that brokers lack (trailing stop, break-even, time exit), kept here while a position is open. What is to be
-- done is decided by the watch (shared/risk/guarding.py) and done by the ordinary road: a modify or an urgent close, once.
create table engine.guards (
  id bigint generated always as identity primary key,
  command_id bigint not null unique,
  user_id uuid not null,
  account_id uuid not null,
  order_id bigint,
  side public.side not null,
  symbol text not null,
  root text not null,
  position_id text,
  opened_at timestamptz,
  trail jsonb,
  be jsonb,
  time_exit_s integer check (time_exit_s > 0),
  ladder jsonb,
  anchor jsonb,
  entered_at timestamptz,
  risk_distance numeric check (risk_distance >= 0),
  best numeric,
  quoted_at timestamptz,
  is_secured boolean not null default false,
  stop numeric,
  failures integer not null default 0,
  event_id bigint,
  asked_for text check (asked_for in ('move', 'close', 'reduce')),
  asked_at timestamptz,
  version integer not null default 1,
  created_at timestamptz not null default clock_timestamp(),
  ended_at timestamptz,
  why text,
  constraint an_ended_guard_says_why check ((ended_at is null) = (why is null))
) with (fillfactor = 70);
comment on table engine.guards is
'What we see to for an open position because its broker does not: written with the entry or change that asked for it, before '
'anything is sent; over when the position is closed.';
comment on column engine.guards.symbol is 'The alert''s own word, for what is asked for later.';
comment on column engine.guards.opened_at is 'When the position it belongs to was opened: its id may name another one later.';
comment on column engine.guards.ladder is
'Targets that are ours to see to: at which the broker holds no order, or not yet. Exits asked for: engine.guard_exits.';
comment on column engine.guards.anchor is
'An entry that was filled after its own answer: its stop and target have to be measured again from its average.';
comment on column engine.guards.best is 'The best price to get out at that was seen.';
comment on column engine.guards.event_id is 'The last event by which it asked for something; the next one only after that has its outcome.';
create index guards_open on engine.guards (account_id) where ended_at is null;
create index guards_over on engine.guards (ended_at) where ended_at is not null;
grant select, insert, update, delete on engine.guards to empire_engine;

create function engine.open_guards(p_legs engine.leg []) returns void
language plpgsql set search_path = '' as $$
begin
  insert into engine.guards (
    command_id, user_id, account_id, order_id, side, symbol, root, position_id, trail, be, time_exit_s, ladder
  )
  select k.id, l.user_id, l.account_id, l.order_id, l.side, coalesce(l.tv_symbol, l.said ->> 'symbol'), l.said ->> 'root',
    l.said ->> 'venue_position_id', nullif(l.said #> '{guard,trail}', 'null'), nullif(l.said #> '{guard,be}', 'null'),
    (l.said #>> '{guard,time_exit_s}')::integer, nullif(l.said #> '{guard,ladder}', 'null')
  from unnest(p_legs) l join engine.commands k on k.delivery_id = l.delivery_id and k.leg = l.leg
  where jsonb_typeof(l.said -> 'guard') = 'object'
  order by k.id
  on conflict (command_id) do nothing;
end
$$;
comment on function engine.open_guards(engine.leg []) is 'The guards that legs come with, in the transaction that writes the legs.';
alter function engine.open_guards(engine.leg []) owner to empire_engine;

create function engine.anchor_of(o public.orders, k engine.commands) returns jsonb
language plpgsql stable set search_path = '' as $$
declare
  v_change engine.commands;
  -- What was said of the entry while it waited is the last word about it, and was a price.
  v_said constant text [] := array(
    select w.name from engine.commands c
    cross join lateral (values ('sl', 'stop_loss'), ('tp', 'take_profit')) as w (name, level)
    where c.account_id = o.account_id and c.root = o.root and c.kind = 'modify' and c.state = 'accepted' and c.order_id = o.id
      and (c.request #>> array['protection', w.level] is not null or (c.request #>> array['protection', 'clear_' || w.level])::boolean)
  );
begin
  select x.* into v_change from engine.commands x
  where x.account_id = o.account_id and x.root = o.root and x.kind = 'protect' and x.state = 'accepted' and x.id > k.id
    and x.request ->> 'venue_position_id' = o.position_id and x.request #>> '{protection,stop_loss}' is not null
  order by x.id desc limit 1;
  return jsonb_build_object(
    'sl', case when k.request #>> '{sl,mode}' <> 'none' and 'sl' <> all (v_said) then k.request -> 'sl' end,
    'tp', case when k.request #>> '{tp,mode}' <> 'none' and 'tp' <> all (v_said) then k.request -> 'tp' end,
    'stop', coalesce((v_change.request #>> '{protection,stop_loss}')::numeric, engine.entry_stop(o)),
    'target', coalesce((v_change.request #>> '{protection,take_profit}')::numeric, o.take_profit),
    'is_first', v_change.id is null and (select count(*) from public.fills f where f.order_id = o.id) <= 1
  );
end
$$;
comment on function engine.anchor_of(public.orders, engine.commands) is
'How far from its average an entry''s stop and target were asked to be, and where they stand by our last word.';
alter function engine.anchor_of(public.orders, engine.commands) owner to empire_engine;

create function engine.anchor_later(p_orders bigint []) returns void
language plpgsql set search_path = '' as $$
begin
  insert into engine.guards as g (command_id, user_id, account_id, order_id, side, symbol, root, anchor)
  select k.id, o.user_id, o.account_id, o.id, o.side, coalesce(o.tv_symbol, o.symbol), o.root, a.said
  from public.orders o
  join engine.commands k on k.delivery_id = o.delivery_id and k.order_id = o.id and k.kind = 'place' and k.is_entry
  cross join lateral (select engine.anchor_of(o, k) as said offset 0) a
  where o.id = any (p_orders) and k.state = 'accepted' and o.filled_qty > 0
    and (jsonb_typeof(a.said -> 'sl') = 'object' or jsonb_typeof(a.said -> 'tp') = 'object')
  order by k.id
  on conflict (command_id) do update
  set anchor = coalesce(g.anchor, excluded.anchor), version = g.version + 1, ended_at = null, why = null
  where g.ended_at is null or (g.trail is null and g.be is null and g.time_exit_s is null and g.ladder is null);
end
$$;
comment on function engine.anchor_later(bigint []) is
'Entries of ours that were filled after their own answer: the watch measures their stops and targets again. The caller holds the '
'accounts.';
alter function engine.anchor_later(bigint []) owner to empire_engine;

create function engine.last_asked(g engine.guards) returns jsonb
language plpgsql stable set search_path = '' as $$
begin
  if g.event_id is null then
    return null;
  end if;
  return (
    select jsonb_build_object('kind', g.asked_for, 'at', g.asked_at, 'outcome', case
      when d.status in ('done', 'dead') then coalesce(d.outcome, 'rejected')
    end, 'reason', d.reason, 'ended_at', coalesce(d.finished_at, g.asked_at))
    from public.deliveries d where d.event_id = g.event_id and d.account_id = g.account_id order by d.id limit 1
  );
end
$$;
comment on function engine.last_asked(engine.guards) is
'What a guard asked for last, and what became of it; no outcome = it is under way.';
alter function engine.last_asked(engine.guards) owner to empire_engine;

create function engine.guards_json(p_account uuid) returns jsonb
language plpgsql stable set search_path = '' as $$
begin
  return (
    select coalesce(jsonb_agg(jsonb_build_object(
      'id', g.id, 'version', g.version, 'side', g.side, 'symbol', g.symbol, 'root', g.root,
      -- A command that is forgotten after 90 days was accepted: else its guard would be over.
      'command_state', coalesce(k.state, 'accepted'), 'order_id', g.order_id, 'order_status', o.status,
      'qty', case when g.order_id is not null then o.filled_qty end,
      'entered_at', coalesce(g.entered_at, (select min(f.filled_at) from public.fills f where f.order_id = g.order_id)),
      'position_id', p.venue_position_id, 'opened_at', g.opened_at, 'row_opened_at', p.opened_at,
      'row_open', p.id is not null and p.closed_at is null and p.side = g.side,
      'trail', g.trail, 'be', g.be, 'time_exit_s', g.time_exit_s, 'risk_distance', g.risk_distance, 'best', g.best,
      'quoted_at', g.quoted_at, 'is_secured', g.is_secured, 'stop', g.stop, 'failures', g.failures,
      'asked', engine.last_asked(g), 'created_at', g.created_at, 'ladder', g.ladder, 'anchor', g.anchor, 'entry_price', o.avg_price,
      'exits', case when g.ladder is not null then engine.exits_of_guard(g) else '[]' end
    ) order by g.id), '[]')
    from engine.guards g
    left join engine.commands k on k.id = g.command_id
    left join public.orders o on o.id = g.order_id
    left join public.positions p
      on p.account_id = g.account_id and p.venue_position_id = coalesce(g.position_id, o.position_id)
    where g.account_id = p_account and g.ended_at is null
  );
end
$$;
comment on function engine.guards_json(uuid) is 'The guards of an account that are not over, with their orders and positions.';
alter function engine.guards_json(uuid) owner to empire_engine;

create function engine.act_of_guard(g engine.guards, a public.broker_accounts, x jsonb) returns bigint
language plpgsql set search_path = '' as $$
declare
  c_account constant text := coalesce(a.label, a.account_id);
  v_event constant bigint := nextval('public.webhook_events_id_seq');
begin
  perform engine.store_intent(v_event, g.user_id, 'system',
    jsonb_build_object('version', 'unify.v1', 'intent', x #> '{act,intent}')::text, array[a.id]);
  perform engine.note(g.user_id, 'info', case x #>> '{act,kind}' when 'move' then 'stop_moved' else 'guard_closes' end,
    format('%s: %s', c_account, x #>> '{act,told}'),
    jsonb_build_object('account_id', a.id, 'guard_id', g.id, 'stop', x -> 'stop', 'best', x -> 'best'), v_event);
  -- The second time in a row, the fourth, the eighth: not at every one.
  if (x ->> 'failures')::integer in (2, 4, 8, 16, 64, 256, 1024) then
    perform engine.alarm('guard:' || g.id || ':' || (x ->> 'failures'), g.user_id, 'guard_failed', format(
      '%s: what was asked for %s times has not been done: %s It is asked for again; look at it in %s.', c_account,
      x ->> 'failures', x #>> '{act,told}', engine.name_of(a.broker)
    ), jsonb_build_object('account_id', a.id, 'guard_id', g.id, 'failures', x -> 'failures'), v_event);
  end if;
  return v_event;
end
$$;
comment on function engine.act_of_guard(engine.guards, public.broker_accounts, jsonb) is
'Asks for what a guard wants, through inbox and queue like everybody, and tells the trader. Returns the event.';
alter function engine.act_of_guard(engine.guards, public.broker_accounts, jsonb) owner to empire_engine;

create function engine.keep_guard(a public.broker_accounts, x jsonb) returns boolean
language plpgsql set search_path = '' as $$
declare
  v_event bigint;
  g engine.guards;
begin
  -- Whoever saw another version of it decided from what is not so any more.
  select y.* into g from engine.guards y
  where y.id = (x ->> 'id')::bigint and y.account_id = a.id and y.version = (x ->> 'version')::integer and y.ended_at is null
  for update;
  if not found then
    return false;
  end if;
  if jsonb_typeof(x -> 'act') = 'object' then
    v_event := engine.act_of_guard(g, a, x);
    if x #>> '{act,kind}' = 'move' then
      -- Whoever moves it plans with our books, and what this read has seen is recorded a moment later. What was recorded since it
      -- began is younger.
      update public.positions p set stop_loss = (x #>> '{act,stands}')::numeric
      where p.account_id = a.id and p.venue_position_id = x ->> 'position_id' and p.closed_at is null
        and p.stop_loss is distinct from (x #>> '{act,stands}')::numeric
        and p.as_of < (select w.began_at from engine.account_marks w where w.account_id = a.id limit 1);
    end if;
  end if;
  if jsonb_typeof(x -> 'exits') = 'array' then
    perform engine.ask_exits(g, a, x -> 'exits');
  end if;
  if (x ->> 'blind')::boolean then
    perform engine.alarm('blind:' || g.id || ':' || coalesce(extract(epoch from g.quoted_at)::bigint, 0), g.user_id, 'guard_blind', format(
      '%s: there has been no price of %s for a minute: its stop is not moved meanwhile, the one at %s stays in force.',
      coalesce(a.label, a.account_id), g.symbol, engine.name_of(a.broker)
    ), jsonb_build_object('account_id', a.id, 'guard_id', g.id));
  end if;
  update engine.guards y
  set version = y.version + 1, position_id = coalesce(x ->> 'position_id', y.position_id), opened_at = (x ->> 'opened_at')::timestamptz,
    trail = nullif(x -> 'trail', 'null'), be = nullif(x -> 'be', 'null'), time_exit_s = (x ->> 'time_exit_s')::integer,
    ladder = nullif(x -> 'ladder', 'null'), anchor = nullif(x -> 'anchor', 'null'), entered_at = (x ->> 'entered_at')::timestamptz, risk_distance = (x ->> 'risk_distance')::numeric,
    best = (x ->> 'best')::numeric, quoted_at = (x ->> 'quoted_at')::timestamptz, is_secured = (x ->> 'is_secured')::boolean,
    stop = (x ->> 'stop')::numeric, failures = (x ->> 'failures')::integer, event_id = coalesce(v_event, y.event_id),
    asked_for = coalesce(case when v_event is not null then x #>> '{act,kind}' end, y.asked_for),
    asked_at = case when v_event is not null then clock_timestamp() else y.asked_at end,
    ended_at = case when x ->> 'ended' is not null then clock_timestamp() end, why = x ->> 'ended'
  where y.id = g.id;
  return true;
end
$$;
comment on function engine.keep_guard(public.broker_accounts, jsonb) is
'One guard after a read: what it remembers, and what it asks for, together. False = it is another version by now.';
alter function engine.keep_guard(public.broker_accounts, jsonb) owner to empire_engine;

create function engine.keep_guards(p_results jsonb) returns integer
language plpgsql security definer set search_path = '' as $$
declare
  r record;
  v_kept integer := 0;
begin
  perform from public.broker_accounts b
  where b.id = any (array(select (x ->> 'account')::uuid from jsonb_array_elements(p_results) x))
  order by b.id for no key update;
  for r in
    select b as account, y.said from jsonb_array_elements(p_results) x
    join engine.account_marks w on w.account_id = (x ->> 'account')::uuid and w.token = (x ->> 'token')::bigint
    join public.broker_accounts b on b.id = w.account_id
    cross join lateral jsonb_array_elements(x -> 'guards') as y (said)
    order by b.id, (y.said ->> 'id')::bigint
  loop
    v_kept := v_kept + engine.keep_guard(r.account, r.said)::integer;
  end loop;
  return v_kept;
end
$$;
comment on function engine.keep_guards(jsonb) is
'Guards of accounts after a read ({account, token, guards}), only under the tokens that watched_accounts gave: what they '
'remember, and the events by which they ask for something. Asked again it changes nothing. Returns how many were kept.';
alter function engine.keep_guards(jsonb) owner to empire_engine;
revoke all on function engine.keep_guards(jsonb) from public;
grant execute on function engine.keep_guards(jsonb) to empire_worker;
