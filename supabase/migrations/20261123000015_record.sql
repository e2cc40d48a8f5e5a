-- What came back: outcomes, fills, positions, the trace, the outbox row and the end of the delivery, in one transaction.
create type engine.news as (account_id uuid, order_id bigint, said jsonb);
comment on type engine.news is 'What a broker said about an order (null = one we do not know) of an account.';

create function engine.news_of(p_results jsonb []) returns engine.news []
language plpgsql stable set search_path = '' as $$
begin
  return (
    select array_agg(row(n.account_id, n.order_id, n.said)::engine.news order by n.nth, n.part) from (
      select r.nth, 0::bigint as part, k.account_id, case when k.kind in ('place', 'close') then k.order_id end as order_id,
        r.said
      from unnest(p_results) with ordinality as r (said, nth)
      join engine.commands k on k.id = (r.said ->> 'id')::bigint
      where k.kind in ('place', 'close') or jsonb_path_exists(r.said, '$.fills[*]')
      union all
      select r.nth, e.nth, k.account_id, (
        select o.id from public.orders o where o.account_id = k.account_id and (
          o.client_order_id = e.said ->> 'client_order_id' or o.venue_order_id = e.said ->> 'venue_order_id'
        ) order by o.id desc limit 1
      ), e.said
      from unnest(p_results) with ordinality as r (said, nth)
      join engine.commands k on k.id = (r.said ->> 'id')::bigint
      cross join lateral jsonb_array_elements(
        case when jsonb_typeof(r.said -> 'effects') = 'array' then r.said -> 'effects' else '[]' end
      ) with ordinality as e (said, nth)
    ) n
  );
end
$$;
comment on function engine.news_of(jsonb []) is
'What results say about orders: the command''s own, and others (triggered stops, canceled siblings), in the order '
'told.';
alter function engine.news_of(jsonb []) owner to empire_engine;

create function engine.add_fills(p_news engine.news []) returns bigint []
language plpgsql set search_path = '' as $$
declare
  v_new bigint [];
  v_result boolean;
begin
  if p_news is null then
    return '{}';
  end if;
  with added as (
    insert into public.fills (
      user_id, account_id, order_id, venue_fill_id, venue_order_id, position_id, effect, symbol, side, qty, price,
      commission, swap, fee, realised, currency, filled_at
    )
    select a.user_id, a.id, n.order_id, f ->> 'venue_fill_id', f ->> 'venue_order_id', f ->> 'position_id',
      (f ->> 'effect')::public.effect, coalesce(f ->> 'symbol', o.symbol), (f ->> 'side')::public.side,
      (f ->> 'qty')::numeric, (f ->> 'price')::numeric, coalesce((f ->> 'commission')::numeric, 0),
      coalesce((f ->> 'swap')::numeric, 0), coalesce((f ->> 'fee')::numeric, 0),
      coalesce((f ->> 'realised')::numeric, 0), a.currency, (f ->> 'filled_at')::timestamptz
    from unnest(p_news) with ordinality as n (account_id, order_id, said, nth)
    cross join lateral jsonb_path_query(n.said, '$.fills[*] ? (@.type() == "object")') f
    join public.broker_accounts a on a.id = n.account_id
    left join public.orders o on o.id = n.order_id
    order by n.nth
    on conflict on constraint a_fill_is_recorded_once do nothing
    returning id, realised
  )
  select coalesce(array_agg(x.id order by x.id), '{}'), bool_or(x.realised <> 0) into v_new, v_result from added x;
  if v_result is not true then
    return v_new;
  end if;
  insert into engine.account_days as t (account_id, trading_day, realised)
  select f.account_id, engine.trading_day(a.timezone, a.reset_time, f.filled_at), sum(f.realised)
  from public.fills f join public.broker_accounts a on a.id = f.account_id
  where f.id = any (v_new) and f.realised <> 0 group by 1, 2
  on conflict (account_id, trading_day) do update set realised = t.realised + excluded.realised;
  return v_new;
end
$$;
comment on function engine.add_fills(engine.news []) is
'Records each fill once, with the day''s result; returns those that are new.';
alter function engine.add_fills(engine.news []) owner to empire_engine;

create function engine.next_position(p public.positions, f public.fills, o public.orders, a public.broker_accounts)
returns public.positions
language plpgsql stable set search_path = '' as $$
declare
  n public.positions := p;
  v_opens constant boolean := f.effect = 'open';
  v_reborn constant boolean := p.id is null or (v_opens and (f.filled_at > p.closed_at) is true);
  -- One of the other side opens only where nothing is left: what closed the last one is told later.
  v_turned constant boolean := p.id is not null and v_opens and (f.side <> p.side and f.filled_at >= p.opened_at) is true;
  v_qty constant numeric := f.qty * (case when v_opens then 1 else -1 end);
begin
  if v_reborn or v_turned then
    n.qty := case when v_reborn then 0 else n.qty end;
    n.side := case when v_opens then f.side when f.side = 'buy' then 'sell' else 'buy' end;
    n.symbol := f.symbol;
    n.root := coalesce(o.root, f.symbol);
    n.entry_price := f.price;
    n.endpoint_id := o.endpoint_id;
    n.tag := o.tag;
    n.stop_loss := null;
    n.take_profit := null;
    n.opened_at := f.filled_at;
  end if;
  n.qty := greatest(n.qty + v_qty, 0);
  if v_opens and not v_reborn and p.closed_at is not null then
    -- Late news: what closed this was recorded before it. The fills together say what is left.
    n.qty := greatest(0, (
      select sum(case when x.effect = 'open' then x.qty else -x.qty end) from public.fills x
      where x.account_id = f.account_id and x.position_id = f.position_id
    ));
  end if;
  if v_opens and n.qty > 0 and not v_reborn and not v_turned then
    n.entry_price := case when p.qty = 0 then f.price else (p.entry_price * p.qty + f.price * f.qty) / (p.qty + f.qty) end;
  end if;
  n.closed_at := case when n.qty = 0 then greatest(p.closed_at, f.filled_at) end;
  return n;
end
$$;
comment on function engine.next_position(public.positions, public.fills, public.orders, public.broker_accounts) is
'A position after one more fill: by the difference, because answers of two lanes may be recorded in either order.';
alter function engine.next_position(public.positions, public.fills, public.orders, public.broker_accounts)
owner to empire_engine;

create function engine.shown_of(p_results jsonb []) returns jsonb
language plpgsql stable set search_path = '' as $$
begin
  -- Of two answers about one position the later one counts.
  return (
    select jsonb_object_agg(concat_ws(' ', k.account_id, x ->> 'venue_position_id'), x order by r.nth)
    from unnest(p_results) with ordinality as r (body, nth)
    join engine.commands k on k.id = (r.body ->> 'id')::bigint
    cross join lateral jsonb_path_query(r.body, '$.positions[*] ? (@.type() == "object")') x
  );
end
$$;
comment on function engine.shown_of(jsonb []) is
'Positions as answers told them, by account and broker''s id with a blank between.';
alter function engine.shown_of(jsonb []) owner to empire_engine;

create function engine.change_positions(p_fills bigint [], p_shown jsonb) returns void
language plpgsql set search_path = '' as $$
begin
  update public.positions t
  set symbol = n.symbol, root = coalesce(s.said ->> 'root', n.root), side = n.side, qty = n.qty,
    entry_price = n.entry_price, endpoint_id = n.endpoint_id, tag = n.tag, opened_at = n.opened_at,
    closed_at = n.closed_at, as_of = clock_timestamp(), version = t.version + 1,
    stop_loss = case when s.said is null then n.stop_loss else (s.said ->> 'stop_loss')::numeric end,
    take_profit = case when s.said is null then n.take_profit else (s.said ->> 'take_profit')::numeric end,
    unrealized_pnl = case when s.said is null then t.unrealized_pnl else (s.said ->> 'unrealized_pnl')::numeric end,
    freshness = case when s.said is null then t.freshness else 'fresh' end
  from public.fills f
  join public.broker_accounts a on a.id = f.account_id
  left join public.orders o on o.id = f.order_id
  join public.positions p on p.account_id = f.account_id and p.venue_position_id = f.position_id
  cross join lateral engine.next_position(p, f, o, a) n
  cross join lateral (select p_shown -> concat_ws(' ', f.account_id, f.position_id) as said offset 0) s
  where f.id = any (p_fills) and t.id = p.id;
end
$$;
comment on function engine.change_positions(bigint [], jsonb) is
'Adds fills, one a position, to positions that have a row. p_shown: what the answers say of them.';
alter function engine.change_positions(bigint [], jsonb) owner to empire_engine;

create function engine.make_positions(p_fills bigint [], p_shown jsonb) returns void
language plpgsql set search_path = '' as $$
begin
  insert into public.positions as t (
    user_id, broker, account_id, venue_position_id, symbol, root, side, qty, entry_price, unrealized_pnl, stop_loss,
    take_profit, endpoint_id, tag, opened_at, closed_at
  )
  select a.user_id, a.broker, a.id, f.position_id, n.symbol, coalesce(s.said ->> 'root', n.root), n.side, n.qty,
    n.entry_price, (s.said ->> 'unrealized_pnl')::numeric, (s.said ->> 'stop_loss')::numeric,
    (s.said ->> 'take_profit')::numeric, n.endpoint_id, n.tag, n.opened_at, n.closed_at
  from public.fills f
  join public.broker_accounts a on a.id = f.account_id
  left join public.orders o on o.id = f.order_id
  cross join lateral engine.next_position(null, f, o, a) n
  cross join lateral (select p_shown -> concat_ws(' ', f.account_id, f.position_id) as said offset 0) s
  where f.id = any (p_fills);
end
$$;
comment on function engine.make_positions(bigint [], jsonb) is
'The rows of positions that fills, one a position, have opened. p_shown: what the answers say of them.';
alter function engine.make_positions(bigint [], jsonb) owner to empire_engine;

create function engine.move_positions(p_fills bigint [], p_shown jsonb) returns text []
language plpgsql set search_path = '' as $$
declare
  t record;
  v_moved text [] := '{}';
begin
  -- In turns of one fill a position: the second must see what the first made of it. Known and new positions are written
  -- apart, so that each write is told live once; with what the answer says of stop, target and value, for the same reason.
  for t in
    select array_agg(x.id) filter (where x.is_known) as known, array_agg(x.id) filter (where not x.is_known) as new,
      array_agg(x.name) as names
    from (
      select f.id, row_number() over (partition by f.account_id, f.position_id order by f.id) as nth,
        p.id is not null or row_number() over (partition by f.account_id, f.position_id order by f.id) > 1 as is_known,
        concat_ws(' ', f.account_id, f.position_id) as name
      from public.fills f
      left join public.positions p on p.account_id = f.account_id and p.venue_position_id = f.position_id
      where f.id = any (p_fills) and f.position_id is not null
    ) x group by x.nth order by x.nth
  loop
    if t.known is not null then
      perform engine.change_positions(t.known, p_shown);
    end if;
    if t.new is not null then
      perform engine.make_positions(t.new, p_shown);
    end if;
    v_moved := v_moved || t.names;
  end loop;
  return v_moved;
end
$$;
comment on function engine.move_positions(bigint [], jsonb) is
'Adds new fills to the positions they name, opening or closing rows, with what the answers show of them (null = nothing). '
'Returns the names of these positions, as engine.shown_of has them.';
alter function engine.move_positions(bigint [], jsonb) owner to empire_engine;

create function engine.update_orders(p_news engine.news []) returns void
language plpgsql set search_path = '' as $$
begin
  update public.orders o
  -- News may come late: what the state machine does not allow from here is older than what we know.
  set status = coalesce((
      select t.to_status from public.order_transitions t
      where t.from_status = o.status and t.to_status = n.status::public.order_status
    ), o.status),
    venue_order_id = coalesce(n.said ->> 'venue_order_id', o.venue_order_id),
    filled_qty = greatest(o.filled_qty, coalesce((n.said ->> 'filled_qty')::numeric, 0), case
      when jsonb_typeof(n.said -> 'fills') = 'array' and n.said -> 'fills' <> '[]' then (
        select sum(f.qty) from public.fills f where f.order_id = o.id
      ) end),
    avg_price = coalesce((n.said ->> 'avg_price')::numeric, o.avg_price),
    stop_loss = coalesce((n.said ->> 'stop_loss')::numeric, o.stop_loss),
    take_profit = coalesce((n.said ->> 'take_profit')::numeric, o.take_profit),
    reason = coalesce((n.said ->> 'reason')::public.reason, o.reason),
    reason_text = coalesce(left(n.said ->> 'text', 500), o.reason_text),
    position_id = coalesce(n.said #>> '{fills,0,position_id}', o.position_id), version = o.version + 1, updated_at = clock_timestamp()
  from (
    select distinct on (x.order_id) x.order_id, x.said,
      -- Of our own command the outcome says it, of any other order its status.
      case when x.said ->> 'outcome' = 'accepted' then coalesce(x.said ->> 'status', 'working')
        else coalesce(x.said ->> 'outcome', x.said ->> 'status') end as status
    from unnest(p_news) with ordinality as x (account_id, order_id, said, nth)
    where x.order_id is not null order by x.order_id, x.nth desc
  ) n
  where o.id = n.order_id;
end
$$;
comment on function engine.update_orders(engine.news []) is 'Status and quantities of orders as the broker told them.';
alter function engine.update_orders(engine.news []) owner to empire_engine;

create function engine.change_orders(p_results jsonb []) returns void
language plpgsql set search_path = '' as $$
begin
  update public.orders o
  set qty = coalesce((k.request ->> 'qty')::numeric, o.qty), price = coalesce((k.request ->> 'price')::numeric, o.price),
    stop_price = coalesce((k.request ->> 'stop_price')::numeric, o.stop_price),
    venue_order_id = coalesce(r ->> 'venue_order_id', o.venue_order_id)
  from unnest(p_results) r join engine.commands k on k.id = (r ->> 'id')::bigint
  where o.id = k.order_id and k.kind = 'modify' and r ->> 'outcome' = 'accepted';
end
$$;
comment on function engine.change_orders(jsonb []) is 'An accepted modify has made the order what was asked for.';
alter function engine.change_orders(jsonb []) owner to empire_engine;

create function engine.protect_positions(p_shown jsonb) returns void
language plpgsql set search_path = '' as $$
begin
  -- What the broker says of protection and value is taken as said; quantities come from fills alone.
  update public.positions p
  set stop_loss = (s.said ->> 'stop_loss')::numeric, take_profit = (s.said ->> 'take_profit')::numeric,
    unrealized_pnl = (s.said ->> 'unrealized_pnl')::numeric, root = coalesce(s.said ->> 'root', p.root),
    as_of = clock_timestamp(), freshness = 'fresh', version = p.version + 1
  from jsonb_each(p_shown) as s (name, said)
  where p.account_id = split_part(s.name, ' ', 1)::uuid and p.venue_position_id = s.said ->> 'venue_position_id' and (
    p.as_of < clock_timestamp() - interval '1 second'
    or (p.stop_loss, p.take_profit, p.unrealized_pnl, p.root, p.freshness) is distinct from (
      (s.said ->> 'stop_loss')::numeric, (s.said ->> 'take_profit')::numeric, (s.said ->> 'unrealized_pnl')::numeric,
      coalesce(s.said ->> 'root', p.root), 'fresh'
    )
  );
end
$$;
comment on function engine.protect_positions(jsonb) is
'Stop, target and value of positions as answers told them (engine.shown_of).';
alter function engine.protect_positions(jsonb) owner to empire_engine;

create function engine.apply_results(p_results jsonb []) returns void
language plpgsql set search_path = '' as $$
declare
  v_pending bigint [];
  v_modifies boolean;
  v_shows boolean;
  v_closes boolean;
  v_others boolean;
  v_shown jsonb;
  v_news engine.news [];
begin
  select array_agg(c.order_id) filter (where c.state = 'pending' and c.kind in ('place', 'close')
      and r ->> 'outcome' in ('accepted', 'unknown')),
    bool_or(c.kind = 'modify' and r ->> 'outcome' = 'accepted'), bool_or(jsonb_path_exists(r, '$.positions[*]')),
    bool_or(c.kind = 'close' and r ->> 'venue_order_id' is not null), bool_or(jsonb_path_exists(r, '$.effects[*].fills[*]'))
  into v_pending, v_modifies, v_shows, v_closes, v_others
  from unnest(p_results) r join engine.commands c on c.id = (r ->> 'id')::bigint;
  if v_pending is not null then
    -- The broker's answer is the truth, even to what was never begun by the rules.
    update public.orders o set status = 'submitting' where o.id = any (v_pending) and o.status = 'pending';
  end if;
  if v_closes then
    -- Where closes carry no id, two workers may have seen the same order and each taken it for its own.
    p_results := engine.without_claimed(p_results);
  end if;
  update engine.commands c
  set state = (r ->> 'outcome')::public.command_state, reason = (r ->> 'reason')::public.reason,
    answered_at = clock_timestamp(), answer = r - array['fills', 'positions', 'effects'],
    check_at = case when r ->> 'outcome' = 'unknown' then clock_timestamp() end
  from unnest(p_results) r where c.id = (r ->> 'id')::bigint;
  if v_shows then
    v_shown := engine.shown_of(p_results);
  end if;
  v_news := engine.news_of(p_results);
  if v_news is not null then
    v_shown := v_shown - engine.move_positions(engine.add_fills(v_news), v_shown);
    perform engine.update_orders(v_news);
    if v_others then
      perform engine.anchor_later(array(
        select n.order_id from unnest(v_news) n
        where n.order_id is not null and n.order_id <> all (array(
          select c.order_id from unnest(p_results) r join engine.commands c on c.id = (r ->> 'id')::bigint where c.order_id is not null
        ))
      ));
    end if;
  end if;
  if v_modifies then
    perform engine.change_orders(p_results);
  end if;
  if v_shown <> '{}' then
    perform engine.protect_positions(v_shown);
  end if;
end
$$;
comment on function engine.apply_results(jsonb []) is
'Outcomes of commands: accepted, rejected, unknown, canceled or expired, with all that the answers tell. The '
'caller holds accounts and fence.';
alter function engine.apply_results(jsonb []) owner to empire_engine;

create function engine.make_unknown(p_deliveries bigint []) returns void
language plpgsql set search_path = '' as $$
begin
  update public.orders set status = 'unknown'
  where status = 'submitting' and id in (
    select c.order_id from engine.commands c
    where c.delivery_id = any (p_deliveries) and c.state = 'submitting' and c.kind in ('place', 'close')
  );
  update engine.commands set state = 'unknown', check_at = clock_timestamp()
  where delivery_id = any (p_deliveries) and state = 'submitting';
end
$$;
comment on function engine.make_unknown(bigint []) is
'submitting without an answer: whether it arrived cannot be known from here.';
alter function engine.make_unknown(bigint []) owner to empire_engine;

create function engine.end_deliveries(p_ends jsonb [], p_unknown bigint []) returns void
language plpgsql set search_path = '' as $$
begin
  update public.deliveries d
  set status = (case when d.id = any (p_unknown) then 'claimed' else 'done' end)::public.delivery_status,
    outcome = (case when d.id = any (p_unknown) then 'unknown' else e #>> '{finish,outcome}' end)::public.delivery_outcome,
    reason = (e #>> '{finish,reason}')::public.reason, numbers = nullif(e #> '{finish,numbers}', 'null'),
    -- Put together, every value is written anew: what comes at once is taken as it is.
    trace = case when d.trace = '[]' and jsonb_typeof(e -> 'trace') = 'array' then e -> 'trace'
      else d.trace || coalesce(nullif(e -> 'trace', 'null'), '[]') end,
    timings = case when d.timings = '{}' and jsonb_typeof(e -> 'timings') = 'object' then e -> 'timings'
      else d.timings || coalesce(nullif(e -> 'timings', 'null'), '{}') end,
    finished_at = case when d.id <> all (p_unknown) then clock_timestamp() end, version = d.version + 1
  from unnest(p_ends) e
  where d.id = (e ->> 'delivery_id')::bigint;
end
$$;
comment on function engine.end_deliveries(jsonb [], bigint []) is 'Outcome, reason and trace; an unknown one is not done.';
alter function engine.end_deliveries(jsonb [], bigint []) owner to empire_engine;

create function engine.finish(p_ends jsonb [], out events bigint [], out promoted boolean)
language plpgsql set search_path = '' as $$
declare
  v_ids constant bigint [] := array(select (e ->> 'delivery_id')::bigint from unnest(p_ends) e);
  v_accounts constant uuid [] := array(select distinct d.account_id from public.deliveries d where d.id = any (v_ids));
  v_sent bigint [];
  v_unknown bigint [];
  v_unsent bigint [];
  v_done bigint [];
begin
  select coalesce(array_agg(c.delivery_id) filter (where c.state = 'submitting'), '{}'),
    coalesce(array_agg(distinct c.delivery_id) filter (where c.state in ('submitting', 'unknown')), '{}'),
    coalesce(array_agg(distinct c.delivery_id) filter (where c.state not in ('accepted', 'unknown', 'submitting')), '{}')
  into v_sent, v_unknown, v_unsent
  from engine.commands c where c.delivery_id = any (v_ids);
  if v_sent <> '{}' then
    perform engine.make_unknown(v_sent);
  end if;
  v_done := v_ids;
  if v_unknown <> '{}' then
    v_done := array(select unnest(v_ids) except select unnest(v_unknown));
    v_unsent := array(select unnest(v_unsent) except select unnest(v_unknown));
  end if;
  if v_unsent <> '{}' then
    perform engine.cancel_unsent(v_unsent, false, 'leg_not_filled');
    perform engine.release_trades(v_unsent);
  end if;
  perform engine.end_deliveries(p_ends, v_unknown);
  if v_unknown <> '{}' then
    -- The settler has the unknown ones from here; their lanes go on.
    update engine.queue set state = 'unsettled', token = null, worker = null, lease_until = null
    where id = any (v_unknown);
  end if;
  delete from engine.queue where id = any (v_done);
  -- Its own statement: its snapshot is younger than the delete and the lock on the accounts.
  promoted := exists (select from engine.queue q where q.account_id = any (v_accounts) and q.state = 'waiting');
  if promoted then
    perform engine.promote(v_accounts);
  end if;
  perform engine.tell(v_ids);
  events := array(select d.event_id from public.deliveries d where d.id = any (v_done));
end
$$;
comment on function engine.finish(jsonb []) is
'Ends deliveries (or hands them to the settler) and makes the next of their lanes ready; returns events to be '
'closed, and whether somebody has waited behind them. The caller holds the accounts.';
alter function engine.finish(jsonb []) owner to empire_engine;

create function engine.record_held(p_results jsonb []) returns void
language plpgsql set search_path = '' as $$
declare
  v_commands constant jsonb [] := array(
    select y from unnest(p_results) x cross join lateral jsonb_path_query(x, '$.commands[*] ? (@.type() == "object")') y
    join engine.commands c on c.id = (y ->> 'id')::bigint and c.delivery_id = (x ->> 'delivery_id')::bigint
    where c.state in ('pending', 'submitting')
      and y ->> 'outcome' in ('accepted', 'rejected', 'unknown', 'canceled', 'expired')
  );
  v_limited uuid [];
begin
  if v_commands <> '{}' then
    perform engine.apply_results(v_commands);
  end if;
  with told as (
    update public.broker_accounts a
    set balance = (x #>> '{account,balance}')::numeric, equity = (x #>> '{account,equity}')::numeric,
      as_of = coalesce((x #>> '{account,as_of}')::timestamptz, clock_timestamp()), freshness = 'fresh',
      last_sync = clock_timestamp(), version = a.version + 1, updated_at = clock_timestamp()
    from unnest(p_results) x join public.deliveries d on d.id = (x ->> 'delivery_id')::bigint
    where a.id = d.account_id and x #>> '{account,balance}' is not null
    returning a.id, a.user_id
  )
  select array_agg(t.id) into v_limited from told t
  where (select true from public.risk_settings r where r.user_id = t.user_id limit 1);
  if v_limited is not null then
    perform engine.note_money(v_limited);
  end if;
  if exists (
    select from unnest(p_results) x where jsonb_typeof(x -> 'finish') is distinct from 'object'
  ) then
    -- No finish: more legs follow, only the trace grows.
    update public.deliveries d
    set trace = d.trace || coalesce(nullif(x -> 'trace', 'null'), '[]'),
      timings = d.timings || coalesce(nullif(x -> 'timings', 'null'), '{}')
    from unnest(p_results) x
    where d.id = (x ->> 'delivery_id')::bigint and jsonb_typeof(x -> 'finish') is distinct from 'object';
  end if;
end
$$;
comment on function engine.record_held(jsonb []) is
'Outcomes, money and trace of deliveries whose tokens hold them.';
alter function engine.record_held(jsonb []) owner to empire_engine;

create function engine.record_executions(p_results jsonb) returns jsonb
language plpgsql security definer
set search_path = '' set plan_cache_mode = force_generic_plan
set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off as $$
declare
  v_ids constant bigint [] := engine.delivery_ids(p_results);
  v_held bigint [];
  v_kept jsonb [];
  v_ends jsonb [];
  v_finished record;
  v_promoted boolean := false;
begin
  perform engine.lock_accounts(v_ids);
  -- The fence: an older lease records nothing. What it did is found out by asking the broker.
  v_held := engine.held(p_results, false);
  -- Arrays, not jsonb_agg: that would write every value of every trace anew, which was a fifth of the recording.
  v_kept := array(select x from jsonb_array_elements(p_results) x where (x ->> 'delivery_id')::bigint = any (v_held));
  v_ends := array(select x from unnest(v_kept) x where jsonb_typeof(x -> 'finish') = 'object');
  if v_kept <> '{}' then
    perform engine.record_held(v_kept);
  end if;
  if v_ends <> '{}' then
    v_finished := engine.finish(v_ends);
    v_promoted := v_finished.promoted;
    perform engine.close_events(v_finished.events);
  end if;
  return (
    select coalesce(jsonb_agg(jsonb_build_object(
      'delivery_id', t.id, 'recorded', t.id = any (v_held), 'promoted', v_promoted
    ) order by t.nth), '[]')
    from unnest(v_ids) with ordinality as t (id, nth)
  );
end
$$;
comment on function engine.record_executions(jsonb) is
'One transaction for a batch: outcomes, fills, positions, traces, outbox rows, deliveries finished, the next of '
'each lane ready; promoted = somebody has waited for that, whom whoever hears it had better claim.';
alter function engine.record_executions(jsonb) owner to empire_engine;
revoke all on function engine.record_executions(jsonb) from public;
grant execute on function engine.record_executions(jsonb) to empire_worker;
