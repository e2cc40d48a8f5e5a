-- Claiming: design E, the head of each account and lane is `ready`; a claim takes heads, never searches for them.
-- Rejected: `not exists (earlier unfinished row of this account)` on the event table: one account with a backlog
-- makes every claim slow (234 ms measured), and a plan made while the queue was empty becomes quadratic.
create function engine.limits_of(p_user uuid, p_broker public.broker, p_account uuid) returns jsonb
language sql stable set search_path = '' as $$
  with r as (
    select * from public.risk_settings s
    where s.user_id = p_user and s.superseded_at is null and s.effective_from <= now()
      and (s.broker is null or s.broker = p_broker) and (s.account_id is null or s.account_id = p_account)
  )
  select jsonb_build_object(
    'max_order_qty', min(max_order_qty),
    'max_trades_per_day', min(max_trades_per_day),
    'max_open_trades', min(max_open_trades),
    'max_concurrent_positions', min(max_concurrent_positions),
    'max_risk_per_trade_pct', coalesce(min(max_risk_per_trade_pct), 5),
    'max_daily_loss_usd', min(max_daily_loss_usd),
    'max_daily_loss_pct', min(max_daily_loss_pct),
    'max_price_deviation_pct', min(max_price_deviation_pct),
    'stop_required', coalesce(bool_or(stop_required), false),
    -- Allowed means allowed by every scope that has a list.
    'allowed_symbols', case when bool_or(allowed_symbols is not null) then (
      select coalesce(jsonb_agg(s.symbol), '[]') from (
        select upper(a.symbol) as symbol from r r2, unnest(r2.allowed_symbols) as a (symbol)
        group by upper(a.symbol) having count(distinct r2.id) = (select count(*) from r r3 where r3.allowed_symbols is not null)
      ) s
    ) end
  ) from r
$$;
comment on function engine.limits_of(uuid, public.broker, uuid) is 'The limits in force for an account: the tightest of user, user + broker and account. Null = no limit.';
alter function engine.limits_of(uuid, public.broker, uuid) owner to empire_engine;

create function engine.defaults_of(p_user uuid, p_broker public.broker, p_account uuid) returns jsonb
language sql stable set search_path = '' as $$
  with t as (
    select c.*, case when c.account_id is not null then 1 when c.broker is not null then 2 else 3 end as nearness
    from public.trading_config c
    where c.user_id = p_user and (c.broker is null or c.broker = p_broker) and (c.account_id is null or c.account_id = p_account)
  )
  select jsonb_build_object(
    'qty_mode', (select lot_size_mode from t where fixed_lot_size is not null order by nearness limit 1),
    'qty', (select fixed_lot_size from t where fixed_lot_size is not null order by nearness limit 1),
    'sl_pct', (select sl_percentage from t where sl_percentage is not null order by nearness limit 1),
    'tp_pct', (select tp_percentage from t where tp_percentage is not null order by nearness limit 1),
    'rr', (select risk_reward_ratio from t where risk_reward_ratio is not null order by nearness limit 1)
  )
$$;
comment on function engine.defaults_of(uuid, public.broker, uuid) is 'What a silent alert gets for this account: the nearest scope that says something.';
alter function engine.defaults_of(uuid, public.broker, uuid) owner to empire_engine;

create function engine.account_json(a public.broker_accounts, c public.broker_connections) returns jsonb
language sql immutable set search_path = '' as $$
  select jsonb_build_object(
    'id', a.id, 'user_id', a.user_id, 'connection_id', a.connection_id, 'broker', a.broker, 'account_id', a.account_id,
    'currency', a.currency, 'margin_mode', a.margin_mode, 'timezone', a.timezone, 'trading_enabled', a.trading_enabled,
    'halt_epoch', a.halt_epoch, 'locked_until', a.locked_until, 'lock_reason', a.lock_reason, 'balance', a.balance,
    'equity', a.equity, 'as_of', a.as_of, 'freshness', a.freshness, 'environment', c.environment, 'server', c.server,
    'base_url', c.base_url, 'executor', c.executor
  )
$$;
comment on function engine.account_json(public.broker_accounts, public.broker_connections) is 'An account as workers see it.';
alter function engine.account_json(public.broker_accounts, public.broker_connections) owner to empire_engine;

create function engine.context_of(p_delivery bigint) returns jsonb
language sql stable set search_path = '' as $$
  select jsonb_build_object(
    'delivery', jsonb_build_object(
      'id', d.id, 'event_id', d.event_id, 'user_id', d.user_id, 'account_id', d.account_id, 'lane', d.lane, 'action', d.action,
      'symbol', d.symbol, 'tag', d.tag, 'attempts', d.attempts, 'expires_at', d.expires_at, 'halt_epoch', d.halt_epoch,
      'dry_run', d.dry_run, 'created_at', d.created_at
    ),
    'now', clock_timestamp(),
    'queued_ms', round(extract(epoch from clock_timestamp() - d.created_at) * 1000, 3),
    'event', jsonb_build_object(
      'id', e.id, 'source', e.source, 'body', e.body, 'fired_at', e.fired_at, 'received_at', e.received_at, 'endpoint_id', e.endpoint_id
    ),
    'endpoint', case when w.id is not null then jsonb_build_object(
      'id', w.id, 'on_same', w.on_same, 'on_opposite', w.on_opposite, 'scope', w.scope, 'multiplier', coalesce(t.multiplier, 1),
      'max_qty', w.max_qty, 'allowed_symbols', w.allowed_symbols, 'qty_mode', w.qty_mode, 'qty', w.qty
    ) end,
    'account', engine.account_json(a, c),
    'trading_halted', u.trading_halted,
    'limits', engine.limits_of(d.user_id, a.broker, a.id),
    'defaults', engine.defaults_of(d.user_id, a.broker, a.id),
    'positions', (select coalesce(jsonb_agg(to_jsonb(p) order by p.id), '[]') from public.positions p where p.account_id = a.id and p.closed_at is null),
    'orders', (
      select coalesce(jsonb_agg(to_jsonb(o) order by o.id), '[]') from public.orders o
      where o.account_id = a.id and o.status in ('working', 'partially_filled')
    ),
    'unresolved', (
      select coalesce(jsonb_agg(distinct k.root), '[]') from engine.commands k
      where k.account_id = a.id and k.delivery_id <> d.id and k.state in ('submitting', 'unknown')
    ),
    'counters', jsonb_build_object(
      'trades_today', coalesce((
        select s.trades from engine.scope_counters s
        where s.user_id = d.user_id and s.broker = a.broker and s.account_id = a.id
          and s.trading_day = engine.trading_day(a.timezone, a.reset_time, now())
      ), 0),
      'entries_in_flight', (
        select count(*) from engine.commands k
        where k.account_id = a.id and k.is_entry and k.delivery_id <> d.id and k.state in ('pending', 'submitting', 'unknown')
      )
    ),
    'commands', (
      select coalesce(jsonb_agg(jsonb_build_object(
        'id', k.id, 'leg', k.leg, 'kind', k.kind, 'order_id', k.order_id, 'client_order_id', k.client_order_id, 'state', k.state,
        'request', k.request, 'after_fill', k.after_fill, 'order_status', o.status, 'order_filled_qty', o.filled_qty, 'order_qty', o.qty
      ) order by k.leg), '[]')
      from engine.commands k left join public.orders o on o.id = k.order_id where k.delivery_id = d.id
    )
  )
  from public.deliveries d
  join public.webhook_events e on e.id = d.event_id
  join public.broker_accounts a on a.id = d.account_id
  join public.broker_connections c on c.id = a.connection_id
  join public.profiles u on u.id = d.user_id
  left join public.webhook_endpoints w on w.id = e.endpoint_id
  left join public.webhook_endpoint_accounts t on t.endpoint_id = w.id and t.account_id = a.id
  where d.id = p_delivery
$$;
comment on function engine.context_of(bigint) is 'Everything the decision about one delivery may look at, in one snapshot: alert, endpoint, account, limits, positions, orders, what is unresolved.';
alter function engine.context_of(bigint) owner to empire_engine;

create function engine.claim(p_worker text, p_executor text, p_lane text, p_limit integer, p_lease_ms integer) returns setof jsonb
language plpgsql security definer set search_path = '' set enable_seqscan = off as $$
declare
  v_token constant bigint := nextval('engine.lease_token');
  v_ids bigint [];
begin
  -- Losing a claim in a crash of the database is harmless: the row is ready again and nothing was written under it.
  perform set_config('synchronous_commit', 'off', true);
  with heads as materialized (
    select q.id, q.user_id from engine.queue q
    where q.executor = p_executor::public.executor and q.lane = p_lane::public.lane and q.state = 'ready' and q.run_at <= clock_timestamp()
    order by q.id limit p_limit * 4
  ), ranked as (
    select h.id, row_number() over (partition by h.user_id order by h.id) as nth from heads h
  ), fair as (
    -- One user gets a quarter of a batch while others wait; nobody waits for an empty seat.
    select r.id from ranked r order by (r.nth > greatest(1, p_limit / 4)), r.id limit p_limit
  ), locked as (
    select q.id from engine.queue q where q.id in (select f.id from fair f) and q.state = 'ready' order by q.id for update skip locked
  ), taken as (
    update engine.queue q
    set state = 'claimed', token = v_token, worker = p_worker, lease_until = clock_timestamp() + make_interval(secs => p_lease_ms / 1000.0)
    from locked l where q.id = l.id
    returning q.id
  )
  select array_agg(t.id order by t.id) into v_ids from taken t;
  return query
    select engine.context_of(i.id) || jsonb_build_object('token', v_token) from unnest(v_ids) as i (id) order by i.id;
end
$$;
comment on function engine.claim(text, text, text, integer, integer) is 'Takes up to n heads of a lane for a worker, with one fencing token and a lease, and returns each with its context.';
alter function engine.claim(text, text, text, integer, integer) owner to empire_engine;
revoke all on function engine.claim(text, text, text, integer, integer) from public;
grant execute on function engine.claim(text, text, text, integer, integer) to empire_worker;

create function engine.heartbeat(p_worker text, p_tokens bigint [], p_lease_ms integer) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  v_alive bigint [];
begin
  perform set_config('synchronous_commit', 'off', true);
  -- A lease that ran out is not revived, even if nobody has taken it yet: its holder may have been stopped for a while.
  with extended as (
    update engine.queue set lease_until = clock_timestamp() + make_interval(secs => p_lease_ms / 1000.0)
    where token = any (p_tokens) and worker = p_worker and state = 'claimed' and lease_until > clock_timestamp()
    returning token
  )
  select array_agg(distinct x.token) into v_alive from extended x;
  return jsonb_build_object('alive', coalesce(to_jsonb(v_alive), '[]'));
end
$$;
comment on function engine.heartbeat(text, bigint [], integer) is 'Extends the leases of a worker''s claims; a token that is missing in the answer is lost: nothing may be sent under it.';
alter function engine.heartbeat(text, bigint [], integer) owner to empire_engine;
revoke all on function engine.heartbeat(text, bigint [], integer) from public;
grant execute on function engine.heartbeat(text, bigint [], integer) to empire_worker;

create function engine.worker_seen(p_worker text, p_kind text, p_details jsonb) returns void
language plpgsql security definer set search_path = '' as $$
begin
  perform set_config('synchronous_commit', 'off', true);
  insert into engine.workers as w (id, kind, details) values (p_worker, p_kind, p_details)
  on conflict (id) do update set seen_at = clock_timestamp(), details = excluded.details;
end
$$;
comment on function engine.worker_seen(text, text, jsonb) is 'A worker process says that it lives.';
alter function engine.worker_seen(text, text, jsonb) owner to empire_engine;
revoke all on function engine.worker_seen(text, text, jsonb) from public;
grant execute on function engine.worker_seen(text, text, jsonb) to empire_worker;

create function engine.still_held(p_delivery bigint, p_token bigint) returns boolean
language sql set search_path = '' as $$
  select exists (
    select 1 from engine.queue q where q.id = p_delivery and q.token = p_token and q.state = 'claimed' for update
  )
$$;
comment on function engine.still_held(bigint, bigint) is 'The fence: true (and the queue row locked) when this token still holds the delivery.';
alter function engine.still_held(bigint, bigint) owner to empire_engine;

create function engine.lock_accounts(p_deliveries bigint []) returns void
language sql set search_path = '' as $$
  select a.id from public.broker_accounts a
  where a.id in (select d.account_id from public.deliveries d where d.id = any (p_deliveries))
  order by a.id for no key update
$$;
comment on function engine.lock_accounts(bigint []) is 'Locks the account rows of these deliveries, ascending: the order everywhere.';
alter function engine.lock_accounts(bigint []) owner to empire_engine;

create function engine.give_back(p_delivery bigint, p_ms integer) returns void
language plpgsql set search_path = '' as $$
begin
  update engine.queue
  set state = 'ready', token = null, worker = null, lease_until = null, run_at = clock_timestamp() + make_interval(secs => p_ms / 1000.0)
  where id = p_delivery;
end
$$;
comment on function engine.give_back(bigint, integer) is 'A claimed row becomes the ready head again, not before the given delay. The caller holds the account row.';
alter function engine.give_back(bigint, integer) owner to empire_engine;

create function engine.defer(p_deliveries jsonb) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  r record;
  v_done bigint [] := '{}';
begin
  perform engine.lock_accounts(array(select (x ->> 'delivery_id')::bigint from jsonb_array_elements(p_deliveries) x));
  for r in
    select (x ->> 'delivery_id')::bigint as id, (x ->> 'token')::bigint as token, (x ->> 'ms')::integer as ms,
      x ->> 'reason' as reason, x -> 'numbers' as numbers, x -> 'trace' as trace
    from jsonb_array_elements(p_deliveries) x order by 1
  loop
    if engine.still_held(r.id, r.token) then
      perform engine.give_back(r.id, r.ms);
      update public.deliveries
      set attempts = attempts + 1, status = 'claimed', reason = r.reason::public.reason, numbers = r.numbers,
        trace = case when jsonb_array_length(trace) < 40 then trace || coalesce(r.trace, '[]') else trace end
      where id = r.id;
      v_done := v_done || r.id;
    end if;
  end loop;
  return to_jsonb(v_done);
end
$$;
comment on function engine.defer(jsonb) is 'Gives deliveries back to be claimed again after a while: exits that wait for a position to be read or an order to be settled.';
alter function engine.defer(jsonb) owner to empire_engine;
revoke all on function engine.defer(jsonb) from public;
grant execute on function engine.defer(jsonb) to empire_worker;

create function engine.release(p_deliveries jsonb) returns integer
language plpgsql security definer set search_path = '' as $$
declare
  r record;
  v_n integer := 0;
begin
  perform engine.lock_accounts(array(select (x ->> 'delivery_id')::bigint from jsonb_array_elements(p_deliveries) x));
  for r in
    select (x ->> 'delivery_id')::bigint as id, (x ->> 'token')::bigint as token from jsonb_array_elements(p_deliveries) x order by 1
  loop
    if engine.still_held(r.id, r.token) and not exists (
      select 1 from engine.commands c where c.delivery_id = r.id and c.state = 'submitting'
    ) then
      perform engine.give_back(r.id, 0);
      v_n := v_n + 1;
    end if;
  end loop;
  return v_n;
end
$$;
comment on function engine.release(jsonb) is 'A draining worker gives back what it claimed and has not begun to send.';
alter function engine.release(jsonb) owner to empire_engine;
revoke all on function engine.release(jsonb) from public;
grant execute on function engine.release(jsonb) to empire_worker;
