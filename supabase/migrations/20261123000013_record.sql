-- What came back: outcomes, fills, positions, the trace, the outbox row and the end of the delivery, in one transaction.
create function engine.apply_fill(o public.orders, a public.broker_accounts, f jsonb) returns boolean
language plpgsql set search_path = '' as $$
declare
  v_id bigint;
begin
  insert into public.fills (
    user_id, account_id, order_id, venue_fill_id, venue_order_id, position_id, effect, symbol, side, qty, price,
    commission, swap, fee, realised, currency, filled_at
  ) values (
    a.user_id, a.id, o.id, f ->> 'venue_fill_id', f ->> 'venue_order_id', f ->> 'position_id', (f ->> 'effect')::public.effect,
    coalesce(f ->> 'symbol', o.symbol), (f ->> 'side')::public.side, (f ->> 'qty')::numeric, (f ->> 'price')::numeric,
    coalesce((f ->> 'commission')::numeric, 0), coalesce((f ->> 'swap')::numeric, 0), coalesce((f ->> 'fee')::numeric, 0),
    coalesce((f ->> 'realised')::numeric, 0), a.currency, (f ->> 'filled_at')::timestamptz
  ) on conflict on constraint a_fill_is_recorded_once do nothing returning id into v_id;
  if v_id is null then
    return false;
  end if;
  if (f ->> 'position_id') is not null then
    perform engine.move_position(o, a, f);
  end if;
  insert into engine.account_days as t (account_id, trading_day, realised)
  select a.id, engine.trading_day(a.timezone, a.reset_time, (f ->> 'filled_at')::timestamptz), (f ->> 'realised')::numeric
  where (f ->> 'realised')::numeric <> 0
  on conflict (account_id, trading_day) do update set realised = t.realised + excluded.realised;
  return true;
end
$$;
comment on function engine.apply_fill(public.orders, public.broker_accounts, jsonb) is 'Records a fill once and moves its position by it; false when it was known. The order may be null (a fill of somebody else''s order).';

create function engine.move_position(o public.orders, a public.broker_accounts, f jsonb) returns void
language plpgsql set search_path = '' as $$
declare
  v_qty constant numeric := (f ->> 'qty')::numeric * (case when f ->> 'effect' = 'open' then 1 else -1 end);
  v_side constant public.side := case
    when f ->> 'effect' = 'open' then f ->> 'side' when f ->> 'side' = 'buy' then 'sell' else 'buy'
  end::public.side;
begin
  -- By the difference, not by a stated total: answers of two lanes may be recorded in either order.
  insert into public.positions as p (
    user_id, broker, account_id, venue_position_id, symbol, root, side, qty, entry_price, endpoint_id, tag, opened_at, closed_at
  ) values (
    a.user_id, a.broker, a.id, f ->> 'position_id', coalesce(f ->> 'symbol', o.symbol), coalesce(o.root, f ->> 'symbol'), v_side,
    greatest(v_qty, 0), (f ->> 'price')::numeric, o.endpoint_id, o.tag, (f ->> 'filled_at')::timestamptz,
    case when v_qty <= 0 then (f ->> 'filled_at')::timestamptz end
  ) on conflict on constraint one_row_per_venue_position do update
  set qty = greatest(p.qty + v_qty, 0),
    entry_price = case
      when v_qty > 0 then (p.entry_price * p.qty + excluded.entry_price * v_qty) / (p.qty + v_qty) else p.entry_price
    end,
    closed_at = case when p.qty + v_qty <= 0 then (f ->> 'filled_at')::timestamptz end,
    as_of = clock_timestamp();
end
$$;
comment on function engine.move_position(public.orders, public.broker_accounts, jsonb) is 'Adds a fill to the position it names, opening or closing the row.';
alter function engine.move_position(public.orders, public.broker_accounts, jsonb) owner to empire_engine;
alter function engine.apply_fill(public.orders, public.broker_accounts, jsonb) owner to empire_engine;

create function engine.apply_order(o public.orders, a public.broker_accounts, r jsonb) returns void
language plpgsql set search_path = '' as $$
declare
  f jsonb;
  v_status public.order_status := (r ->> 'status')::public.order_status;
begin
  for f in select x from jsonb_array_elements(coalesce(nullif(r -> 'fills', 'null'), '[]')) x loop
    perform engine.apply_fill(o, a, f);
  end loop;
  if o.id is null then
    return;
  end if;
  -- News may come late: what the state machine does not allow from here is older than what we know.
  if v_status is not null and v_status <> o.status and not exists (
    select 1 from public.order_transitions t where t.from_status = o.status and t.to_status = v_status
  ) then
    v_status := null;
  end if;
  update public.orders
  set status = coalesce(v_status, status),
    venue_order_id = coalesce(r ->> 'venue_order_id', venue_order_id),
    filled_qty = greatest(filled_qty, coalesce((r ->> 'filled_qty')::numeric, 0)),
    avg_price = coalesce((r ->> 'avg_price')::numeric, avg_price),
    stop_loss = coalesce((r ->> 'stop_loss')::numeric, stop_loss),
    take_profit = coalesce((r ->> 'take_profit')::numeric, take_profit),
    reason = coalesce((r ->> 'reason')::public.reason, reason),
    reason_text = coalesce(left(r ->> 'text', 500), reason_text),
    position_id = coalesce(r #>> '{fills,0,position_id}', position_id)
  where id = o.id;
end
$$;
comment on function engine.apply_order(public.orders, public.broker_accounts, jsonb) is 'Fills and status of one order as the broker told them.';
alter function engine.apply_order(public.orders, public.broker_accounts, jsonb) owner to empire_engine;

create function engine.apply_effects(a public.broker_accounts, r jsonb) returns void
language plpgsql set search_path = '' as $$
declare
  x jsonb;
  o public.orders;
begin
  for x in select e from jsonb_array_elements(coalesce(nullif(r -> 'effects', 'null'), '[]')) e loop
    select * into o from public.orders t
    where t.account_id = a.id and (t.client_order_id = x ->> 'client_order_id' or t.venue_order_id = x ->> 'venue_order_id')
    limit 1;
    perform engine.apply_order(o, a, x);
  end loop;
  -- What the broker says of protection and value is taken as said; quantities come from fills alone.
  update public.positions p
  set stop_loss = (x2 ->> 'stop_loss')::numeric, take_profit = (x2 ->> 'take_profit')::numeric,
    unrealized_pnl = (x2 ->> 'unrealized_pnl')::numeric, root = coalesce(x2 ->> 'root', p.root), as_of = clock_timestamp(), freshness = 'fresh'
  from jsonb_array_elements(coalesce(nullif(r -> 'positions', 'null'), '[]')) x2
  where p.account_id = a.id and p.venue_position_id = x2 ->> 'venue_position_id';
end
$$;
comment on function engine.apply_effects(public.broker_accounts, jsonb) is 'Other orders and positions that a command''s answer tells about: triggered stops, canceled siblings, protection.';
alter function engine.apply_effects(public.broker_accounts, jsonb) owner to empire_engine;

create function engine.apply_command(k engine.commands, a public.broker_accounts, r jsonb) returns void
language plpgsql set search_path = '' as $$
declare
  o public.orders;
  v_state constant public.command_state := (r ->> 'outcome')::public.command_state;
begin
  update engine.commands
  set state = v_state, reason = (r ->> 'reason')::public.reason, answered_at = clock_timestamp(),
    answer = r - array['fills', 'positions', 'effects'],
    check_at = case when v_state = 'unknown' then clock_timestamp() end
  where id = k.id;
  if k.kind in ('place', 'close') then
    select * into o from public.orders where id = k.order_id;
    perform engine.apply_order(o, a, r || case
      when v_state = 'rejected' then '{"status": "rejected"}' when v_state = 'unknown' then '{"status": "unknown"}'
      when v_state in ('canceled', 'expired') then jsonb_build_object('status', v_state) else '{}'
    end::jsonb);
  end if;
  perform engine.apply_effects(a, r);
  if v_state in ('rejected', 'canceled', 'expired') and k.is_entry then
    perform engine.release_trade(k.delivery_id);
  end if;
end
$$;
comment on function engine.apply_command(engine.commands, public.broker_accounts, jsonb) is 'One command''s outcome: accepted, rejected, unknown or never sent.';
alter function engine.apply_command(engine.commands, public.broker_accounts, jsonb) owner to empire_engine;

create function engine.tell(d public.deliveries, p_event text, p_body jsonb) returns void
language sql set search_path = '' as $$
  insert into engine.outbox (id, account_id, user_id, subject, body)
  values (nextval('engine.outbox_id'), d.account_id, d.user_id, 'empire.delivery.' || p_event || '.' || d.user_id, jsonb_build_object(
    'schema', 1, 'delivery_id', d.id, 'event_id', d.event_id, 'account_id', d.account_id, 'action', d.action, 'symbol', d.symbol
  ) || p_body)
$$;
comment on function engine.tell(public.deliveries, text, jsonb) is 'One row for the outside. The caller holds the account row, so ids rise in the order of what happened.';
alter function engine.tell(public.deliveries, text, jsonb) owner to empire_engine;

create function engine.finish(p_delivery bigint, p jsonb) returns void
language plpgsql set search_path = '' as $$
declare
  d public.deliveries;
  v_unknown constant boolean := exists (
    select 1 from engine.commands c where c.delivery_id = p_delivery and c.state in ('unknown', 'submitting')
  );
  v_outcome constant public.delivery_outcome := case when v_unknown then 'unknown' else p #>> '{finish,outcome}' end;
begin
  update public.deliveries
  set status = case when v_unknown then 'claimed' else 'done' end::public.delivery_status, outcome = v_outcome,
    reason = (p #>> '{finish,reason}')::public.reason, numbers = nullif(p #> '{finish,numbers}', 'null'),
    trace = trace || coalesce(nullif(p -> 'trace', 'null'), '[]'), timings = timings || coalesce(nullif(p -> 'timings', 'null'), '{}'),
    finished_at = case when not v_unknown then clock_timestamp() end
  where id = p_delivery returning * into d;
  if v_unknown then
    -- The settler has it from here; the lane goes on.
    update engine.queue set state = 'unsettled', token = null, worker = null, lease_until = null where id = p_delivery;
  else
    delete from engine.queue where id = p_delivery;
    perform engine.close_event(d.event_id);
  end if;
  perform engine.promote(d.account_id, d.lane);
  perform engine.tell(d, v_outcome::text, jsonb_build_object('outcome', v_outcome, 'reason', d.reason, 'numbers', d.numbers));
end
$$;
comment on function engine.finish(bigint, jsonb) is 'Ends a delivery (or hands it to the settler) and makes the next of its lane ready. The caller holds the account row.';
alter function engine.finish(bigint, jsonb) owner to empire_engine;

create function engine.record_one(p jsonb) returns jsonb
language plpgsql set search_path = '' as $$
declare
  v_id constant bigint := (p ->> 'delivery_id')::bigint;
  a public.broker_accounts;
  k engine.commands;
  r jsonb;
begin
  -- The fence: an older lease records nothing. What it did is found out by asking the broker.
  if not engine.still_held(v_id, (p ->> 'token')::bigint) then
    return jsonb_build_object('delivery_id', v_id, 'recorded', false);
  end if;
  select b.* into a from public.broker_accounts b join public.deliveries d on d.account_id = b.id where d.id = v_id;
  for r in select x from jsonb_array_elements(coalesce(nullif(p -> 'commands', 'null'), '[]')) x loop
    select * into k from engine.commands where id = (r ->> 'id')::bigint and delivery_id = v_id;
    if k.state in ('pending', 'submitting') then
      perform engine.apply_command(k, a, r);
    end if;
  end loop;
  if p #>> '{account,balance}' is not null then
    update public.broker_accounts
    set balance = (p #>> '{account,balance}')::numeric, equity = (p #>> '{account,equity}')::numeric,
      as_of = coalesce((p #>> '{account,as_of}')::timestamptz, clock_timestamp()), freshness = 'fresh', last_sync = clock_timestamp()
    where id = a.id;
  end if;
  if jsonb_typeof(p -> 'finish') = 'object' then
    perform engine.finish(v_id, p);
  else
    update public.deliveries
    set trace = trace || coalesce(nullif(p -> 'trace', 'null'), '[]'), timings = timings || coalesce(nullif(p -> 'timings', 'null'), '{}')
    where id = v_id;
  end if;
  return jsonb_build_object('delivery_id', v_id, 'recorded', true);
end
$$;
comment on function engine.record_one(jsonb) is 'Records what one delivery brought, if its token still holds it.';
alter function engine.record_one(jsonb) owner to empire_engine;

create function engine.record_executions(p_results jsonb) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  v_answer jsonb := '[]';
  p jsonb;
begin
  -- Releasing a reserved trade touches the scope counters, which come before accounts in the lock order.
  perform 1 from engine.scope_counters s
  where s.id in (
    select i::bigint from jsonb_array_elements(p_results) x
    join engine.commands c on c.delivery_id = (x ->> 'delivery_id')::bigint, jsonb_array_elements_text(c.reserved) i
    where exists (select 1 from jsonb_array_elements(x -> 'commands') y where y ->> 'outcome' in ('rejected', 'canceled', 'expired'))
  )
  order by (s.account_id is not null), (s.broker is not null), s.user_id, s.broker, s.account_id, s.trading_day for update;
  perform engine.lock_accounts(array(select (x ->> 'delivery_id')::bigint from jsonb_array_elements(p_results) x));
  for p in select x from jsonb_array_elements(p_results) x loop
    v_answer := v_answer || jsonb_build_array(engine.record_one(p));
  end loop;
  return v_answer;
end
$$;
comment on function engine.record_executions(jsonb) is 'One transaction for a batch: outcomes, fills, positions, traces, outbox rows, deliveries finished, the next of each lane ready.';
alter function engine.record_executions(jsonb) owner to empire_engine;
revoke all on function engine.record_executions(jsonb) from public;
grant execute on function engine.record_executions(jsonb) to empire_worker;

create function engine.dead_letter(p_delivery_id bigint, p_token bigint, p_error text, p_trace jsonb) returns boolean
language plpgsql security definer set search_path = '' as $$
declare
  d public.deliveries;
begin
  perform engine.lock_accounts(array[p_delivery_id]);
  if not engine.still_held(p_delivery_id, p_token) then
    return false;
  end if;
  insert into engine.dead_letters (delivery_id, error) values (p_delivery_id, left(p_error, 4000));
  update engine.commands set state = 'canceled', reason = 'internal_error', answered_at = clock_timestamp()
  where delivery_id = p_delivery_id and state = 'pending';
  update public.orders set status = 'canceled', reason = 'internal_error' where delivery_id = p_delivery_id and status = 'pending';
  -- What was being sent is not lost with the bug: it is unknown, and the settler asks.
  perform engine.make_unknown(p_delivery_id);
  perform engine.finish(p_delivery_id, jsonb_build_object(
    'finish', jsonb_build_object('outcome', 'invalid', 'reason', 'internal_error'), 'trace', p_trace
  ));
  update public.deliveries set status = 'dead' where id = p_delivery_id and status = 'done' returning * into d;
  return true;
end
$$;
comment on function engine.dead_letter(bigint, bigint, text, jsonb) is 'A stage failed with a bug or a broken machine: the delivery ends dead with the error kept, its account goes on.';

create function engine.make_unknown(p_delivery bigint) returns integer
language plpgsql set search_path = '' as $$
declare
  v_n integer;
begin
  update public.orders set status = 'unknown'
  where id in (
    select c.order_id from engine.commands c
    where c.delivery_id = p_delivery and c.state = 'submitting' and c.kind in ('place', 'close')
  );
  update engine.commands set state = 'unknown', check_at = clock_timestamp() where delivery_id = p_delivery and state = 'submitting';
  get diagnostics v_n = row_count;
  return v_n;
end
$$;
comment on function engine.make_unknown(bigint) is 'submitting whose holder is gone: whether it arrived cannot be known from here.';
alter function engine.make_unknown(bigint) owner to empire_engine;
alter function engine.dead_letter(bigint, bigint, text, jsonb) owner to empire_engine;
revoke all on function engine.dead_letter(bigint, bigint, text, jsonb) from public;
grant execute on function engine.dead_letter(bigint, bigint, text, jsonb) to empire_worker;
