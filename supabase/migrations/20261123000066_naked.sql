-- Naked positions: open without the stop that was asked for, or that the limits require. What is to be done is decided by the
-- watch (shared/risk/naked.py) and done by the ordinary road: a modify, and an urgent close, one at a time. What was asked for
-- is not kept a second time: the write-ahead rows of entries and changes say it.
create index commands_of_protection on engine.commands (account_id, root, id) where kind in ('protect', 'modify');

create table engine.naked (
  id bigint generated always as identity primary key,
  user_id uuid not null,
  account_id uuid not null,
  position_id text not null,
  opened_at timestamptz not null,
  side public.side not null,
  symbol text not null,
  root text not null,
  since timestamptz not null,
  seen_stop numeric,
  seen_at timestamptz,
  failures integer not null default 0,
  event_id bigint,
  asked_for text check (asked_for in ('stop', 'close')),
  asked_at timestamptz,
  told_at timestamptz,
  version integer not null default 1,
  created_at timestamptz not null default clock_timestamp(),
  ended_at timestamptz,
  why text,
  constraint a_time_without_a_stop_that_ended_says_why check ((ended_at is null) = (why is null))
) with (fillfactor = 70);
comment on table engine.naked is
'Times during which a position stood without the stop that it should have: since the first read that showed it so.';
comment on column engine.naked.symbol is 'The alert''s own word, for what is asked for.';
comment on column engine.naked.opened_at is 'When the position was opened: its id may name another one later.';
comment on column engine.naked.seen_stop is 'The stop that was last seen standing, as of seen_at; null = none ever was, by our books.';
comment on column engine.naked.event_id is 'The last event by which something was asked for; the next one only after that has its outcome.';
create unique index naked_open on engine.naked (account_id, position_id) where ended_at is null;
create index naked_over on engine.naked (ended_at) where ended_at is not null;
grant select, insert, update, delete on engine.naked to empire_engine;

create type engine.asked_stop as (stop numeric, at timestamptz, is_asked boolean, symbol text);
comment on type engine.asked_stop is
'The stop that a position should have by our own words: at = when the last of them was done, symbol = the word they name it by. '
'is_asked = every part of the position was asked to have one.';

create function engine.opening_orders(p public.positions) returns setof public.orders
language plpgsql stable set search_path = '' as $$
begin
  return query
    select o.* from public.orders o where o.id = any (array(
      select f.order_id from public.fills f
      where f.account_id = p.account_id and f.position_id = p.venue_position_id and f.effect = 'open' and f.filled_at >= p.opened_at
    ));
end
$$;
comment on function engine.opening_orders(public.positions) is 'The orders that have opened what an open position is, ours and others''.';
alter function engine.opening_orders(public.positions) owner to empire_engine;

create function engine.entry_stop(o public.orders) returns numeric
language plpgsql stable set search_path = '' as $$
declare
  k engine.commands;
begin
  -- A change of the entry while it waited is a later word than the entry.
  select c.* into k from engine.commands c
  where c.account_id = o.account_id and c.root = o.root and c.kind = 'modify' and c.order_id = o.id and c.state = 'accepted'
    and (c.request #>> '{protection,stop_loss}' is not null or (c.request #>> '{protection,clear_stop_loss}')::boolean)
  order by c.id desc limit 1;
  return case when found then (k.request #>> '{protection,stop_loss}')::numeric else o.stop_loss end;
end
$$;
comment on function engine.entry_stop(public.orders) is 'The stop that an entry asked for last; null = none.';
alter function engine.entry_stop(public.orders) owner to empire_engine;

create function engine.last_change(p public.positions, p_after timestamptz) returns engine.commands
language plpgsql stable set search_path = '' as $$
declare
  k engine.commands;
begin
  select c.* into k from engine.commands c
  where c.account_id = p.account_id and c.root = p.root and c.kind = 'protect' and c.state = 'accepted'
    and c.submitted_at >= p_after and c.request ->> 'venue_position_id' = p.venue_position_id
    and (c.request #>> '{protection,stop_loss}' is not null or (c.request #>> '{protection,clear_stop_loss}')::boolean)
  order by c.id desc limit 1;
  return k;
end
$$;
comment on function engine.last_change(public.positions, timestamptz) is
'The last change of a position''s stop that the broker accepted; null = there was none.';
alter function engine.last_change(public.positions, timestamptz) owner to empire_engine;

create function engine.stop_asked(p public.positions) returns engine.asked_stop
language plpgsql stable set search_path = '' as $$
declare
  s engine.asked_stop;
  k engine.commands;
  v_began timestamptz;
  v_changed timestamptz;
begin
  select min(o.created_at) filter (where o.origin not in ('broker', 'protection')), (array_agg(o.tv_symbol order by o.id desc))[1]
  into v_began, s.symbol from engine.opening_orders(p) o;
  s.symbol := coalesce(s.symbol, p.symbol);
  s.is_asked := false;
  if v_began is null then
    return s;
  end if;
  k := engine.last_change(p, v_began);
  v_changed := coalesce(k.submitted_at, '-infinity');
  -- A change means the whole of what was open then; what was added later came with a word of its own. Of several stops the
  -- tightest: what is set again is never looser than what was asked for.
  select case p.side when 'buy' then max(w.stop) else min(w.stop) end, greatest(max(w.at), k.answered_at), bool_and(w.stop is not null)
  into s.stop, s.at, s.is_asked
  from (
    select engine.entry_stop(o) as stop, (select max(f.created_at) from public.fills f where f.order_id = o.id) as at
    from engine.opening_orders(p) o where o.created_at > v_changed
    union all
    select (k.request #>> '{protection,stop_loss}')::numeric, k.answered_at where k.id is not null
  ) w;
  s.is_asked := coalesce(s.is_asked, false);
  return s;
end
$$;
comment on function engine.stop_asked(public.positions) is
'Which stop a position should have by what its entries and the last accepted change of it asked for. Of what was opened '
'elsewhere, and where a part of it was to have none, nothing is asked.';
alter function engine.stop_asked(public.positions) owner to empire_engine;

create function engine.stop_wanted(p public.positions, p_seen numeric, p_seen_at timestamptz) returns engine.asked_stop
language plpgsql stable set search_path = '' as $$
declare
  s engine.asked_stop := engine.stop_asked(p);
begin
  -- What stood at the broker after our last word is the last word: somebody has moved it there.
  if p_seen is not null and (s.at is null or s.at <= p_seen_at) then
    s.stop := p_seen;
  end if;
  return s;
end
$$;
comment on function engine.stop_wanted(public.positions, numeric, timestamptz) is
'engine.stop_asked, or the stop that was seen standing after that.';
alter function engine.stop_wanted(public.positions, numeric, timestamptz) owner to empire_engine;

create function engine.naked_rules(a public.broker_accounts, out required boolean, out policy text)
language plpgsql stable set search_path = '' as $$
begin
  select coalesce(bool_or(r.stop_required), false), case
    when bool_or(coalesce(r.naked_policy = 'close', r.stop_required)) then 'close' when bool_or(r.naked_policy = 'alarm') then 'alarm'
  end into required, policy
  from engine.limits_in_force r
  where r.user_id = a.user_id and (r.broker is null or r.broker = a.broker) and (r.account_id is null or r.account_id = a.id);
end
$$;
comment on function engine.naked_rules(public.broker_accounts) is
'Whether an account''s limits require a stop, and what follows without one: close (the tightest scope wins), alarm where somebody '
'has said so, null = nobody has.';
alter function engine.naked_rules(public.broker_accounts) owner to empire_engine;

create function engine.is_being_closed(p_account uuid, p_root text) returns boolean
language plpgsql stable set search_path = '' as $$
begin
  return engine.is_explained(p_account, p_root) or (
    select true from engine.queue q where q.account_id = p_account and q.lane = 'urgent' and q.state <> 'unsettled' limit 1
  ) is not null;
end
$$;
comment on function engine.is_being_closed(uuid, text) is
'Whether a command of ours under way may be why a position has no stop, or something urgent of the account is still to be done.';
alter function engine.is_being_closed(uuid, text) owner to empire_engine;

create function engine.asked_by(n engine.naked) returns jsonb
language plpgsql stable set search_path = '' as $$
begin
  if n.event_id is null then
    return null;
  end if;
  return (
    select jsonb_build_object('kind', n.asked_for, 'at', n.asked_at, 'outcome', case
      when d.status in ('done', 'dead') then coalesce(d.outcome, 'rejected')
    end, 'reason', d.reason, 'ended_at', coalesce(d.finished_at, n.asked_at))
    from public.deliveries d where d.event_id = n.event_id and d.account_id = n.account_id order by d.id limit 1
  );
end
$$;
comment on function engine.asked_by(engine.naked) is 'What was asked for last, and what became of it; no outcome = it is under way.';
alter function engine.asked_by(engine.naked) owner to empire_engine;

create function engine.naked_due(p_account uuid) returns timestamptz
language plpgsql stable set search_path = '' as $$
declare
  c_now constant timestamptz := clock_timestamp();
begin
  -- As in shared/risk/naked.py.
  return (
    select min(n.since + case when c_now < n.since + interval '3 seconds' then interval '3 seconds'
      when c_now < n.since + interval '10 seconds' then interval '10 seconds' end)
    from engine.naked n where n.account_id = p_account and n.ended_at is null
  );
end
$$;
comment on function engine.naked_due(uuid) is
'When something about a naked position of the account is to be decided next: it is read then, though its turn be later. Null = none.';
alter function engine.naked_due(uuid) owner to empire_engine;

create function engine.naked_json(a public.broker_accounts) returns jsonb
language plpgsql stable set search_path = '' as $$
declare
  r constant record := engine.naked_rules(a);
begin
  return (
    select coalesce(jsonb_agg(jsonb_build_object(
      'id', n.id, 'version', n.version, 'position_id', n.position_id, 'opened_at', n.opened_at, 'side', n.side, 'symbol', n.symbol,
      'since', n.since, 'stop', w.stop, 'is_asked', coalesce(w.is_asked, false), 'word_at', w.at, 'has_stood', n.seen_stop is not null,
      'required', r.required, 'policy', r.policy, 'failures', n.failures, 'is_told', n.told_at is not null,
      'row_opened_at', p.opened_at, 'row_open', p.id is not null and p.closed_at is null and p.side = n.side,
      'is_busy', engine.is_being_closed(a.id, n.root), 'is_changing', (
        select true from engine.queue q join public.deliveries d on d.id = q.id
        where q.account_id = a.id and d.action = 'modify' and q.state <> 'unsettled' limit 1
      ) is not null, 'asked', engine.asked_by(n)
    ) order by n.id), '[]')
    from engine.naked n
    left join public.positions p on p.account_id = n.account_id and p.venue_position_id = n.position_id
    left join lateral engine.stop_wanted(p, n.seen_stop, n.seen_at) w on p.id is not null
    where n.account_id = a.id and n.ended_at is null
  );
end
$$;
comment on function engine.naked_json(public.broker_accounts) is
'The naked positions of an account with what they should have, and what was done about them.';
alter function engine.naked_json(public.broker_accounts) owner to empire_engine;

create function engine.opened_bare(p public.positions) returns boolean
language plpgsql stable set search_path = '' as $$
declare
  o public.orders;
begin
  -- One look-up, however many fills a position of a busy account consists of.
  select w.* into o from public.fills f join public.orders w on w.id = f.order_id
  where f.account_id = p.account_id and f.position_id = p.venue_position_id and f.effect = 'open' and f.filled_at >= p.opened_at
  order by f.filled_at desc limit 1;
  return found and engine.entry_stop(o) is null and (engine.last_change(p, o.created_at)).id is null;
end
$$;
comment on function engine.opened_bare(public.positions) is
'Whether what has opened an open position last asked for no stop, then or since: then engine.stop_asked says of the whole that '
'none is asked.';
alter function engine.opened_bare(public.positions) owner to empire_engine;

create function engine.is_naked(a public.broker_accounts, x jsonb) returns text
language plpgsql stable set search_path = '' as $$
declare
  p public.positions;
begin
  select y.* into p from public.positions y
  where y.account_id = a.id and y.venue_position_id = x ->> 'position_id' and y.closed_at is null and y.side = (x ->> 'side')::public.side;
  if not found or engine.is_being_closed(a.id, p.root) then
    return 'later';
  elsif (engine.naked_rules(a)).required or not (engine.opened_bare(p) or not (engine.stop_asked(p)).is_asked) then
    return 'naked';
  end if;
  return 'clean';
end
$$;
comment on function engine.is_naked(public.broker_accounts, jsonb) is
'What a position is that a read has shown without a stop: naked, clean (it need not have one), or later (it may be on its way out).';
alter function engine.is_naked(public.broker_accounts, jsonb) owner to empire_engine;

create function engine.begin_naked(a public.broker_accounts, x jsonb, p_since timestamptz) returns text
language plpgsql set search_path = '' as $$
declare
  v_is constant text := engine.is_naked(a, x);
  p public.positions;
  b engine.naked;
  s engine.asked_stop;
begin
  if v_is <> 'naked' then
    return v_is;
  end if;
  select y.* into p from public.positions y where y.account_id = a.id and y.venue_position_id = x ->> 'position_id';
  s := engine.stop_wanted(p, p.stop_loss, p.as_of);
  -- Where what was set goes again and again it is not set again without a pause.
  select y.* into b from engine.naked y
  where y.account_id = a.id and y.position_id = p.venue_position_id and y.opened_at = p.opened_at and y.event_id is not null
    and y.ended_at > clock_timestamp() - interval '10 minutes'
  order by y.id desc limit 1;
  insert into engine.naked (
    user_id, account_id, position_id, opened_at, side, symbol, root, since, seen_stop, seen_at, failures, event_id, asked_for, asked_at
  ) values (
    a.user_id, a.id, p.venue_position_id, p.opened_at, p.side, s.symbol, p.root, p_since, p.stop_loss,
    case when p.stop_loss is not null then p.as_of end, coalesce(b.failures, 0), b.event_id, b.asked_for, b.asked_at
  ) on conflict (account_id, position_id) where ended_at is null do nothing;
  return v_is;
end
$$;
comment on function engine.begin_naked(public.broker_accounts, jsonb, timestamptz) is
'A read has shown a position without a stop: where it is naked (engine.is_naked) that is kept. The caller holds the account.';
alter function engine.begin_naked(public.broker_accounts, jsonb, timestamptz) owner to empire_engine;

create function engine.act_of_naked(n engine.naked, a public.broker_accounts, x jsonb) returns bigint
language plpgsql set search_path = '' as $$
declare
  v_event constant bigint := nextval('public.webhook_events_id_seq');
begin
  perform engine.store_intent(v_event, n.user_id, 'system',
    jsonb_build_object('version', 'unify.v1', 'intent', x #> '{act,intent}')::text, array[a.id]);
  perform engine.note(n.user_id, case x #>> '{act,kind}' when 'close' then 'error' else 'warning' end::public.log_level,
    case x #>> '{act,kind}' when 'close' then 'naked_closes' else 'stop_again' end
    -- Sent out at the first time only; that an exit is late is told by the alarm for that.
    || case when n.asked_for = x #>> '{act,kind}' then '_tried' else '' end,
    format('%s: %s', coalesce(a.label, a.account_id), x #>> '{act,told}'),
    jsonb_build_object('account_id', a.id, 'position', n.position_id, 'stop', x #> '{act,stop}', 'since', n.since), v_event);
  return v_event;
end
$$;
comment on function engine.act_of_naked(engine.naked, public.broker_accounts, jsonb) is
'Asks for the stop, or for the close, through inbox and queue like everybody, and tells the trader. Returns the event.';
alter function engine.act_of_naked(engine.naked, public.broker_accounts, jsonb) owner to empire_engine;

create function engine.tell_naked(n engine.naked, a public.broker_accounts, p_told text) returns void
language plpgsql set search_path = '' as $$
begin
  -- The alarm for positions that the watch does not come to says no more than this one.
  insert into engine.alarms (key)
  select 'naked:' || p.id from public.positions p where p.account_id = a.id and p.venue_position_id = n.position_id
  on conflict (key) do nothing;
  perform engine.alarm('naked:spell:' || n.id, n.user_id, 'naked', format(
    '%s: %s Set one or close it in %s.', coalesce(a.label, a.account_id), p_told, engine.name_of(a.broker)
  ), jsonb_build_object('account_id', a.id, 'position', n.position_id, 'since', n.since));
end
$$;
comment on function engine.tell_naked(engine.naked, public.broker_accounts, text) is 'Alarms the trader of a naked position, once each time.';
alter function engine.tell_naked(engine.naked, public.broker_accounts, text) owner to empire_engine;

create function engine.keep_spell(a public.broker_accounts, x jsonb) returns boolean
language plpgsql set search_path = '' as $$
declare
  v_event bigint;
  n engine.naked;
begin
  -- Whoever saw another version of it decided from what is not so any more.
  select y.* into n from engine.naked y
  where y.id = (x ->> 'id')::bigint and y.account_id = a.id and y.version = (x ->> 'version')::integer and y.ended_at is null
  for update;
  if not found then
    return false;
  end if;
  if jsonb_typeof(x -> 'act') = 'object' then
    v_event := engine.act_of_naked(n, a, x);
    if x #>> '{act,kind}' = 'stop' then
      -- Whoever sets it plans with our books, and what this read has seen is recorded a moment later.
      update public.positions p set stop_loss = null
      where p.account_id = a.id and p.venue_position_id = n.position_id and p.closed_at is null and p.stop_loss is not null;
    end if;
  end if;
  if x ->> 'alarm' is not null then
    perform engine.tell_naked(n, a, x ->> 'alarm');
  end if;
  update engine.naked y
  set version = y.version + 1, failures = (x ->> 'failures')::integer, event_id = coalesce(v_event, y.event_id),
    asked_for = coalesce(case when v_event is not null then x #>> '{act,kind}' end, y.asked_for),
    asked_at = case when v_event is not null then clock_timestamp() else y.asked_at end,
    told_at = case when x ->> 'alarm' is not null then clock_timestamp() else y.told_at end,
    ended_at = case when x ->> 'ended' is not null then clock_timestamp() end, why = x ->> 'ended'
  where y.id = n.id;
  return true;
end
$$;
comment on function engine.keep_spell(public.broker_accounts, jsonb) is
'One naked position after a read: what is asked for, told, or that it is over, together. False = it is another version by now.';
alter function engine.keep_spell(public.broker_accounts, jsonb) owner to empire_engine;

create function engine.bare_in(p_results jsonb, out clean jsonb, out changing uuid [])
language plpgsql stable set search_path = '' as $$
begin
  select coalesce(jsonb_agg(jsonb_build_object('account', v.id, 'position_id', v.position_id)) filter (where v.what = 'clean'), '[]'),
    coalesce(array_agg(distinct v.id) filter (where v.what = 'naked'), '{}')
  into clean, changing
  from (
    select a.id, x ->> 'position_id' as position_id, case when x is not null then engine.is_naked(a, x) else 'naked' end as what
    from jsonb_array_elements(p_results) y (said)
    join engine.account_marks w on w.account_id = (y.said ->> 'account')::uuid and w.token = (y.said ->> 'token')::bigint
    join public.broker_accounts a on a.id = w.account_id
    cross join lateral (
      select e as x from jsonb_array_elements(y.said -> 'bare') e
      union all
      select null where y.said -> 'spells' <> '[]'
    ) b
  ) v;
end
$$;
comment on function engine.bare_in(jsonb, out jsonb, out uuid []) is
'Of what engine.keep_naked is given: the positions that need no stop, and the accounts on which something is to be kept.';
alter function engine.bare_in(jsonb, out jsonb, out uuid []) owner to empire_engine;

create function engine.keep_naked(p_results jsonb) returns jsonb
language plpgsql security definer
-- Plans made when the tables were small would look through all orders for each position, with the accounts locked.
set search_path = '' set plan_cache_mode = force_generic_plan
set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off as $$
declare
  -- Mostly there is nothing to keep, and then no account is locked: its orders would wait. What is recorded meanwhile was not
  -- in the read, which is what is judged here.
  v_found constant record := engine.bare_in(p_results);
  r record;
  x jsonb;
begin
  if v_found.changing = '{}' then
    return v_found.clean;
  end if;
  perform from public.broker_accounts b where b.id = any (v_found.changing) order by b.id for no key update;
  for r in
    select b as account, y.said from jsonb_array_elements(p_results) y (said)
    join engine.account_marks w on w.account_id = (y.said ->> 'account')::uuid and w.token = (y.said ->> 'token')::bigint
    join public.broker_accounts b on b.id = w.account_id
    where b.id = any (v_found.changing) order by b.id
  loop
    for x in select e from jsonb_array_elements(r.said -> 'spells') e order by (e ->> 'id')::bigint loop
      perform engine.keep_spell(r.account, x);
    end loop;
    perform engine.begin_naked(r.account, e, (r.said ->> 'at')::timestamptz) from jsonb_array_elements(r.said -> 'bare') e;
  end loop;
  return v_found.clean;
end
$$;
comment on function engine.keep_naked(jsonb) is
'Positions without a stop after reads of accounts ({account, token, at, bare, spells}), only under the tokens that '
'watched_accounts gave: bare are those seen first, spells those that are known, with what they ask for. Asked again it changes '
'nothing. Returns the bare ones that need no stop ([{account, position_id}]).';
alter function engine.keep_naked(jsonb) owner to empire_engine;
revoke all on function engine.keep_naked(jsonb) from public;
grant execute on function engine.keep_naked(jsonb) to empire_worker;
