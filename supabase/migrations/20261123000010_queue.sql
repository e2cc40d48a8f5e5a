-- The queue: who stands in which line, who is next, and who is sent home by what came later.
grant select, insert, update, delete on all tables in schema engine to empire_engine;
grant usage on all sequences in schema engine to empire_engine;
grant select on all tables in schema public to empire_engine;
grant insert, update on public.webhook_events, public.deliveries, public.orders, public.positions, public.logs
to empire_engine;
grant update on public.profiles, public.broker_accounts, public.webhook_endpoints, public.health to empire_engine;
grant insert on public.fills, public.equity_history to empire_engine;
grant delete on public.webhook_events, public.deliveries, public.logs to empire_engine;
grant usage on all sequences in schema public to empire_engine;

create function engine.symbol_key(p_symbol text) returns text
language plpgsql immutable set search_path = '' as $$
declare
  v_ticker constant text := pg_catalog.upper(pg_catalog.regexp_replace(p_symbol, '^.*:', ''));
begin
  if v_ticker !~ '[0-9]!?$' then
    return v_ticker;
  end if;
  -- Two digits are a year of the twenties or thirties: ESX50 and HK50 are indices.
  return pg_catalog.regexp_replace(
    pg_catalog.regexp_replace(v_ticker, '[1-9]!$', ''), '^([A-Z0-9]{2,5})[FGHJKMNQUVXZ](20\d\d|[23]\d|\d)$', '\1'
  );
end
$$;
comment on function engine.symbol_key(text) is
'A TradingView symbol without its exchange, upper case, and of a future its root: what two alerts must share to mean '
'the same thing. Equal to shared/models/symbol_key.py.';
alter function engine.symbol_key(text) owner to empire_engine;

create function engine.day_began(p_timezone text, p_reset time, p_day date) returns timestamptz
language plpgsql stable set search_path = '' as $$
begin
  return (p_day + p_reset) at time zone p_timezone;
end
$$;
comment on function engine.day_began(text, time, date) is
'When a trading day begins. A time that the clocks skip or show twice is its later moment. Equal to shared/risk/resets.py.';
alter function engine.day_began(text, time, date) owner to empire_engine;

create function engine.trading_day(p_timezone text, p_reset time, p_at timestamptz) returns date
language plpgsql stable set search_path = '' as $$
declare
  v_day constant date := ((p_at at time zone p_timezone) - p_reset)::date;
begin
  -- Where the clocks change at the reset, the time of day alone may be there before the reset is.
  return case when (v_day + p_reset) at time zone p_timezone > p_at then v_day - 1 else v_day end;
end
$$;
comment on function engine.trading_day(text, time, timestamptz) is
'The trading day a moment belongs to: days run from reset to reset in the account''s zone.';
alter function engine.trading_day(text, time, timestamptz) owner to empire_engine;

create function engine.is_exit(p_action public.action) returns boolean
language plpgsql immutable set search_path = '' as $$
begin
  return p_action in ('close', 'reduce', 'cancel', 'flatten');
end
$$;
comment on function engine.is_exit(public.action) is
'Actions that can only reduce exposure: never refused by limits, locks or age.';
alter function engine.is_exit(public.action) owner to empire_engine;

create function engine.lock_accounts(p_deliveries bigint []) returns void
language plpgsql set search_path = '' as $$
begin
  perform from public.broker_accounts a
  where a.id = any (array(select d.account_id from public.deliveries d where d.id = any (p_deliveries)))
  order by a.id for no key update;
end
$$;
comment on function engine.lock_accounts(bigint []) is
'Locks the account rows of these deliveries, ascending. Order everywhere: user, accounts, queue, orders, '
'counters, events.';
alter function engine.lock_accounts(bigint []) owner to empire_engine;

create function engine.promote(p_accounts uuid []) returns void
language plpgsql set search_path = '' as $$
begin
  -- Its own statement, so its snapshot is younger than the lock on the account rows that the caller holds: in one
  -- statement with the delete it would miss a row enqueued in between, and the account would sleep.
  update engine.queue q set state = 'ready'
  from (
    select (
      select w.id from engine.queue w
      where w.account_id = a.id and w.lane = l.lane and w.state = 'waiting' order by w.id limit 1
    ) as id
    from unnest(p_accounts) as a (id) cross join unnest(enum_range(null::public.lane)) as l (lane)
    where not exists (
      select 1 from engine.queue h
      where h.account_id = a.id and h.lane = l.lane and h.is_head
    )
  ) n
  where q.id = n.id;
end
$$;
comment on function engine.promote(uuid []) is
'Makes the oldest waiting row of each lane of these accounts its head, where it has none. The caller holds the '
'accounts.';
alter function engine.promote(uuid []) owner to empire_engine;

create function engine.close_events(p_events bigint []) returns void
language plpgsql set search_path = '' as $$
begin
  if cardinality(p_events) > 1 then
    -- Events are shared by accounts, so they are locked last, once a transaction and in one order. The last open delivery
    -- of an event shares it with nobody: its account is held.
    perform from public.webhook_events e
    where e.id = any (p_events) and e.open_deliveries > 1 order by e.id for no key update;
  end if;
  update public.webhook_events e
  set open_deliveries = e.open_deliveries - c.n, processed = (e.open_deliveries <= c.n), version = e.version + 1
  from (
    select x.id, count(*)::integer as n from unnest(p_events) as x (id) where x.id is not null group by x.id
  ) c
  where e.id = c.id;
end
$$;
comment on function engine.close_events(bigint []) is
'Deliveries of these events have ended (one entry each); an event with none left open is processed. Last in a '
'transaction.';
alter function engine.close_events(bigint []) owner to empire_engine;

create function engine.tell(p_deliveries bigint []) returns void
language plpgsql set search_path = '' as $$
begin
  insert into engine.outbox (id, account_id, user_id, subject, body)
  select nextval('engine.outbox_id'), d.account_id, d.user_id, 'empire.delivery.' || d.outcome || '.' || d.user_id,
    jsonb_build_object(
      'schema', 1, 'delivery_id', d.id, 'event_id', d.event_id, 'account_id', d.account_id, 'action', d.action,
      'symbol', d.symbol, 'outcome', d.outcome, 'reason', d.reason, 'numbers', d.numbers
    )
  from (select * from public.deliveries t where t.id = any (p_deliveries) order by t.id) d;
end
$$;
comment on function engine.tell(bigint []) is
'A row for the outside per delivery. The caller holds the accounts, so ids rise in the order of what happened.';
alter function engine.tell(bigint []) owner to empire_engine;

create function engine.end_waiting(p_deliveries bigint [], p_by bigint) returns bigint []
language plpgsql set search_path = '' as $$
declare
  v_ended bigint [];
begin
  -- A claim may have taken a row since it was chosen, and what has commands may have been sent: both go on.
  with gone as (
    delete from engine.queue q
    where q.id = any (p_deliveries) and q.state in ('waiting', 'ready')
      and (select true from engine.commands c where c.delivery_id = q.id limit 1) is null
    returning q.id
  )
  select coalesce(array_agg(g.id), '{}') into v_ended from gone g;
  update public.deliveries
  set status = 'done', outcome = 'skipped', reason = 'superseded', finished_at = clock_timestamp(),
    numbers = jsonb_strip_nulls(jsonb_build_object('by_event', p_by)),
    trace = trace || jsonb_build_array(jsonb_build_object(
      'stage', 'ingest', 'outcome', 'superseded', 'ms', 0,
      'detail', jsonb_strip_nulls(jsonb_build_object('by_event', p_by))
    ))
  where id = any (v_ended);
  perform engine.tell(v_ended);
  perform engine.promote(array(select d.account_id from public.deliveries d where d.id = any (v_ended)));
  return array(select d.event_id from public.deliveries d where d.id = any (v_ended));
end
$$;
comment on function engine.end_waiting(bigint [], bigint) is
'Ends deliveries that still wait, made pointless by an event; returns their events, to be closed. The caller '
'holds the accounts.';
alter function engine.end_waiting(bigint [], bigint) owner to empire_engine;

create function engine.supersede(
  p_accounts uuid [], p_actions public.action [], p_symbol text, p_endpoint uuid, p_tag text, p_side public.side,
  p_by bigint
) returns bigint []
language sql set search_path = '' as $$
  select engine.end_waiting(array(
    select q.id from engine.queue q
    join public.deliveries d on d.id = q.id join public.broker_accounts a on a.id = q.account_id
    where q.account_id = any (p_accounts) and q.state in ('waiting', 'ready') and d.action = any (p_actions)
      and not d.dry_run
      and (p_symbol is null or q.symbol = p_symbol)
      -- A netting account has one position a symbol, so there the endpoint does not narrow the scope.
      and (p_endpoint is null or a.margin_mode = 'netting' or q.endpoint_id = p_endpoint)
      and (p_tag is null or q.tag = p_tag)
      and (p_side is null or d.side is null or d.side = p_side)
  ), p_by)
$$;
comment on function engine.supersede(uuid [], public.action [], text, uuid, text, public.side, bigint) is
'Ends what waits in a scope; null = any. p_side = side of what is ended. Returns events to be closed. The caller '
'holds the accounts.';
alter function engine.supersede(uuid [], public.action [], text, uuid, text, public.side, bigint) owner to empire_engine;

create function engine.halt(p_accounts uuid [], p_all boolean, p_symbol text, p_before bigint, p_by bigint) returns bigint []
language plpgsql set search_path = '' as $$
declare
  v_events bigint [];
begin
  update public.broker_accounts set halt_epoch = halt_epoch + 1 where id = any (p_accounts);
  v_events := engine.end_waiting(array(
    select q.id from engine.queue q
    where q.account_id = any (p_accounts) and q.id < p_before and q.state in ('waiting', 'ready')
      and (not q.is_exit or p_all or q.symbol = p_symbol)
  ), p_by);
  -- An entry written ahead and not begun is provably unsent, and never will be sent now.
  perform engine.cancel_unsent(array(
    select q.id from engine.queue q where q.account_id = any (p_accounts) and q.id < p_before
  ), true, 'halted');
  -- What the halt does not cover keeps its right: later arrivals, exits of other symbols, protection still to be sent.
  update public.deliveries d set halt_epoch = a.halt_epoch
  from engine.queue q join public.broker_accounts a on a.id = q.account_id
  where q.account_id = any (p_accounts) and d.id = q.id and (
    q.id >= p_before or (not p_all and (q.symbol = p_symbol) is not true and (q.is_exit or (
      select true from engine.commands c where c.delivery_id = q.id and c.state not in ('pending', 'canceled') limit 1
    )))
  );
  return v_events;
end
$$;
comment on function engine.halt(uuid [], boolean, text, bigint, bigint) is
'Raises the halt epoch: nothing older may be sent, except exits it does not cover (it covers all, or those of a '
'symbol, or with null none). Returns events to be closed. The caller holds the accounts.';
alter function engine.halt(uuid [], boolean, text, bigint, bigint) owner to empire_engine;

create function engine.cancel_unsent(p_deliveries bigint [], p_entries_only boolean, p_reason public.reason) returns void
language plpgsql set search_path = '' as $$
begin
  update public.orders set status = 'canceled', reason = p_reason
  where status = 'pending' and id in (
    select c.order_id from engine.commands c
    where c.delivery_id = any (p_deliveries) and c.state = 'pending' and c.kind in ('place', 'close')
      and (c.is_entry or not p_entries_only)
  );
  update engine.commands set state = 'canceled', reason = p_reason, answered_at = clock_timestamp()
  where delivery_id = any (p_deliveries) and state = 'pending' and (is_entry or not p_entries_only);
end
$$;
comment on function engine.cancel_unsent(bigint [], boolean, public.reason) is
'Commands written ahead and never begun will not be sent. The caller holds the accounts.';
alter function engine.cancel_unsent(bigint [], boolean, public.reason) owner to empire_engine;

create function engine.lane_of(p_source public.event_source, p_action public.action, p_dry_run boolean) returns public.lane
language plpgsql immutable set search_path = '' as $$
begin
  return case
    when p_dry_run then 'normal'
    when p_action = 'flatten' and p_source in ('dashboard', 'cli', 'system', 'api') then 'urgent'
    when p_action = 'close' and p_source in ('dashboard', 'cli', 'system') then 'urgent'
    -- A time exit of a part of a position.
    when p_action = 'reduce' and p_source = 'system' then 'urgent'
    -- A kill switch cancels what stands at the broker; it must not wait behind what hangs there.
    when p_action = 'cancel' and p_source = 'system' then 'urgent'
    else 'normal'
  end::public.lane;
end
$$;
comment on function engine.lane_of(public.event_source, public.action, boolean) is
'The urgent lane is for people and risk rules; alerts keep their order of arrival.';
alter function engine.lane_of(public.event_source, public.action, boolean) owner to empire_engine;

create type engine.arrival as (
  event_id bigint, accounts uuid [], source public.event_source, action public.action, symbol text, side public.side,
  tag text, endpoint_id uuid, by_symbol boolean, expires_at timestamptz, dry_run boolean, order_id text
);
comment on type engine.arrival is
'What is to be done for accounts, as the queue takes it. by_symbol = whatever endpoint opened it is meant.';

create function engine.stand_in_line(p engine.arrival []) returns bigint []
language plpgsql set search_path = '' as $$
declare
  v_full bigint [];
begin
  with line as materialized (
    select nextval('public.deliveries_id_seq') as id, l.*, not l.is_exit and l.waiting + l.nth > 200 as is_full from (
      select x.*, b.id as account_id, b.user_id, b.halt_epoch, coalesce(b.executor, c.executor) as executor, t.lane,
        engine.is_exit(x.action) as is_exit,
        row_number() over (partition by b.id, t.lane order by x.event_id) as nth,
        (
          select count(*) from (
            select from engine.queue q where q.account_id = b.id and q.lane = t.lane limit 200
          ) w
        ) as waiting,
        (
          select true from engine.queue q
          where q.account_id = b.id and q.lane = t.lane and q.is_head limit 1
        ) as has_head
      from unnest(p) x
      cross join lateral (select engine.lane_of(x.source, x.action, x.dry_run) as lane) t
      cross join lateral unnest(x.accounts) as g (id)
      join public.broker_accounts b on b.id = g.id
      join public.broker_connections c on c.id = b.connection_id
      order by x.event_id, b.id
    ) l
  ), delivered as (
    insert into public.deliveries (
      id, event_id, user_id, account_id, lane, action, symbol, side, tag, halt_epoch, expires_at, dry_run,
      status, outcome, reason, numbers, finished_at
    ) overriding system value
    select l.id, l.event_id, l.user_id, l.account_id, l.lane, l.action, l.symbol, l.side, l.tag, l.halt_epoch, l.expires_at,
      l.dry_run, (case when l.is_full then 'done' else 'queued' end)::public.delivery_status,
      (case when l.is_full then 'denied' end)::public.delivery_outcome,
      (case when l.is_full then 'queue_full' end)::public.reason,
      case when l.is_full then jsonb_build_object('value', l.waiting + l.nth - 1, 'limit', 200) end,
      case when l.is_full then clock_timestamp() end
    from line l
  ), queued as (
    insert into engine.queue (id, account_id, user_id, executor, lane, state, is_exit, symbol, tag, endpoint_id)
    select l.id, l.account_id, l.user_id, l.executor, l.lane,
      case when l.has_head or l.nth > 1 then 'waiting' else 'ready' end, l.is_exit, engine.symbol_key(l.symbol), l.tag,
      l.endpoint_id
    from line l where not l.is_full
  )
  select coalesce(array_agg(l.event_id) filter (where l.is_full), '{}') into v_full from line l;
  return v_full;
end
$$;
comment on function engine.stand_in_line(engine.arrival []) is
'One delivery and one queue row per arrival and account; entries behind 200 others are denied. Returns the events of '
'those, to be closed. The caller holds the accounts.';
alter function engine.stand_in_line(engine.arrival []) owner to empire_engine;

create function engine.makes_room(a engine.arrival) returns boolean
language plpgsql immutable set search_path = '' as $$
begin
  return engine.lane_of(a.source, a.action, a.dry_run) = 'urgent'
    or (a.action in ('close', 'cancel', 'flatten') and not a.dry_run);
end
$$;
comment on function engine.makes_room(engine.arrival) is 'Whether it ends what waits in its scope.';
alter function engine.makes_room(engine.arrival) owner to empire_engine;

create function engine.make_room(a engine.arrival) returns bigint []
language plpgsql set search_path = '' as $$
declare
  c_entries constant public.action [] := array['open', 'add'];
  c_all constant public.action [] := array['open', 'add', 'reverse', 'target', 'modify', 'close', 'reduce', 'cancel'];
  v_key constant text := engine.symbol_key(a.symbol);
  v_endpoint constant uuid := case when not a.by_symbol then a.endpoint_id end;
begin
  if a.source = 'system' and a.order_id is not null then
    -- What we see to ourselves means one order or one position, and nothing that waits.
    return '{}';
  elsif engine.lane_of(a.source, a.action, a.dry_run) = 'urgent' and a.action <> 'cancel' then
    -- A close of one side or tag leaves other exits of its symbol something to do.
    return engine.halt(a.accounts, a.action = 'flatten' and v_key is null,
      case when a.action = 'flatten' or (a.side is null and a.tag is null) then v_key end, 9223372036854775807, a.event_id);
  elsif a.action = 'flatten' then
    return engine.supersede(a.accounts, c_all || 'flatten'::public.action, v_key, null, null, null, a.event_id);
  elsif a.action = 'close' and a.side is null then
    return engine.supersede(a.accounts, c_all, v_key, v_endpoint, a.tag, null, a.event_id);
  elsif a.action = 'close' then
    -- A sell closes what buys would have opened.
    return engine.supersede(a.accounts, c_entries, v_key, v_endpoint, a.tag,
      (case a.side when 'sell' then 'buy' else 'sell' end)::public.side, a.event_id);
  elsif a.order_id is null then
    return engine.supersede(a.accounts, c_entries, v_key, v_endpoint, a.tag, a.side, a.event_id);
  end if;
  -- A cancel of one order by its id covers nothing that waits.
  return '{}';
end
$$;
comment on function engine.make_room(engine.arrival) is
'A close, cancel or flatten ends what waits in its scope; an urgent one halts its accounts. Returns events to be '
'closed. The caller holds the accounts.';
alter function engine.make_room(engine.arrival) owner to empire_engine;

create function engine.enqueue(p engine.arrival []) returns void
language plpgsql set search_path = '' as $$
declare
  a engine.arrival;
  v_line engine.arrival [] := '{}';
  v_events bigint [] := '{}';
begin
  -- The account row is the lock under which "am I the head?" is asked and answered; ascending, as everywhere.
  perform from public.broker_accounts b
  where b.id = any (array(select u.id from unnest(p) x cross join lateral unnest(x.accounts) as u (id)))
  order by b.id for no key update;
  foreach a in array p loop
    if engine.makes_room(a) then
      -- What arrived before it stands in line first, so that it is covered too.
      if v_line <> '{}' then
        v_events := v_events || engine.stand_in_line(v_line);
        v_line := '{}';
      end if;
      v_events := v_events || engine.make_room(a);
    end if;
    v_line := v_line || a;
  end loop;
  v_events := v_events || engine.stand_in_line(v_line);
  if v_events <> '{}' then
    perform engine.close_events(v_events);
  end if;
  -- Told with the commit (decision 0009). Only a hint: workers look by themselves, too.
  perform pg_notify('empire_work', '');
end
$$;
comment on function engine.enqueue(engine.arrival []) is
'One delivery and one queue row per arrival and account, in the order given, under the locks of the accounts. Exits '
'supersede what waits in their scope. Wakes the workers.';
alter function engine.enqueue(engine.arrival []) owner to empire_engine;
