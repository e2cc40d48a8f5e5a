-- Claiming: design E, the head of each account and lane is `ready`; a claim takes heads, never searches for them.
-- Rejected: `not exists (earlier unfinished row of this account)` on the event table: one account with a backlog
-- makes every claim slow (234 ms measured), and a plan made while the queue was empty becomes quadratic.
create function engine.in_every_list(p_lists jsonb) returns jsonb
language sql immutable set search_path = '' as $$
  select coalesce(jsonb_agg(s.symbol), '[]') from (
    select engine.symbol_key(m.symbol) as symbol
    from jsonb_array_elements(p_lists) with ordinality as l (list, nth), jsonb_array_elements_text(l.list) as m (symbol)
    group by 1 having count(distinct l.nth) = jsonb_array_length(p_lists)
  ) s
$$;
comment on function engine.in_every_list(jsonb) is 'The symbols that each of several lists holds, by their keys.';
alter function engine.in_every_list(jsonb) owner to empire_engine;

create view engine.account_limits as
select a.id as account_id, l.*
from public.broker_accounts a cross join lateral (
  select min(r.max_order_qty) as max_order_qty, min(r.max_trades_per_day) as max_trades_per_day,
    min(r.max_open_trades) as max_open_trades, min(r.max_concurrent_positions) as max_concurrent_positions,
    coalesce(min(r.max_risk_per_trade_pct), 5) as max_risk_per_trade_pct, min(r.max_daily_loss_usd) as max_daily_loss_usd,
    min(r.max_daily_loss_pct) as max_daily_loss_pct, min(r.max_price_deviation_pct) as max_price_deviation_pct,
    coalesce(bool_or(r.stop_required), false) as stop_required,
    -- Allowed means allowed by every scope that has a list.
    case when count(r.allowed_symbols) > 0 then engine.in_every_list(
      jsonb_agg(to_jsonb(r.allowed_symbols)) filter (where r.allowed_symbols is not null)
    ) end as allowed_symbols
  from engine.limits_in_force r
  where r.user_id = a.user_id
    and (r.broker is null or r.broker = a.broker) and (r.account_id is null or r.account_id = a.id)
) l;
comment on view engine.account_limits is
'The limits in force for an account: the tightest of user, user + broker and account. Null = no limit.';

create view engine.account_defaults as
select a.id as account_id, d.*
from public.broker_accounts a cross join lateral (
  select (array_agg(c.lot_size_mode order by c.far) filter (where c.fixed_lot_size is not null))[1] as qty_mode,
    (array_agg(c.fixed_lot_size order by c.far) filter (where c.fixed_lot_size is not null))[1] as qty,
    (array_agg(c.sl_percentage order by c.far) filter (where c.sl_percentage is not null))[1] as sl_pct,
    (array_agg(c.tp_percentage order by c.far) filter (where c.tp_percentage is not null))[1] as tp_pct,
    (array_agg(c.risk_reward_ratio order by c.far) filter (where c.risk_reward_ratio is not null))[1] as rr
  from (
    select t.*, case when t.account_id is not null then 1 when t.broker is not null then 2 else 3 end as far
    from public.trading_config t
    where t.user_id = a.user_id and (t.broker is null or t.broker = a.broker)
      and (t.account_id is null or t.account_id = a.id)
  ) c
) d;
comment on view engine.account_defaults is
'What a silent alert gets for an account: the nearest scope that says something.';

create view engine.account_scopes as
select a.id as account_id, a.user_id, s.scope,
  case s.scope when 'month' then date_trunc('month', now() at time zone 'UTC')::date else t.day end as trading_day
from public.broker_accounts a
cross join lateral (select engine.trading_day(a.timezone, a.reset_time, now()) as day) t
-- Live and paper are counted apart: practice never uses up the room of real money. A plan counts months, and of those
-- only trades that reach a broker: no paper, no simulated venue.
cross join lateral unnest(case
  when a.broker = 'paper' then array['paper', a.id::text]
  when (select c.environment from public.broker_connections c where c.id = a.connection_id) = 'simulated'
    then array['live', a.broker::text, a.id::text]
  else array['live', a.broker::text, a.id::text, 'month']
end) as s (scope);
comment on view engine.account_scopes is
'What an entry on an account counts for: the user''s live or paper trading, the broker, the account, on its trading '
'day; and for the plan the user''s UTC month, by its first day.';
grant select on engine.account_limits, engine.account_defaults, engine.account_scopes to empire_engine;
-- The first of the three reads through a view: its function is called as the view's owner.
grant execute on function engine.in_every_list(jsonb), engine.symbol_key(text), engine.trading_day(text, time, timestamptz) to postgres;

create function engine.account_json(a public.broker_accounts, c public.broker_connections) returns json
language plpgsql immutable set search_path = '' as $$
begin
  return json_build_object(
    'id', a.id, 'user_id', a.user_id, 'connection_id', a.connection_id, 'broker', a.broker, 'account_id', a.account_id,
    'currency', a.currency, 'margin_mode', a.margin_mode, 'timezone', a.timezone, 'reset_time', a.reset_time,
    'trading_enabled', a.trading_enabled,
    'halt_epoch', a.halt_epoch, 'locked_until', a.locked_until, 'lock_reason', a.lock_reason, 'balance', a.balance,
    'equity', a.equity, 'as_of', a.as_of, 'freshness', a.freshness, 'environment', c.environment, 'server', c.server,
    'base_url', c.base_url, 'executor', coalesce(a.executor, c.executor), 'login', c.login_label,
    'seal_version', c.seal_version, 'connection_version', c.version
  );
end
$$;
comment on function engine.account_json(public.broker_accounts, public.broker_connections) is
'An account as workers see it.';
alter function engine.account_json(public.broker_accounts, public.broker_connections) owner to empire_engine;

-- What few deliveries have is asked by functions of its own: a plan is set up in full at every call, used or not, and
-- for an alert alone that cost more than everything else in the claim.
create function engine.limits_json(p_account uuid) returns jsonb
language plpgsql stable set search_path = '' as $$
begin
  return (
    select to_jsonb(l) - 'account_id' || jsonb_build_object('rule_sets', engine.rule_sets(p_account))
    from engine.account_limits l where l.account_id = p_account
  );
end
$$;
comment on function engine.limits_json(uuid) is 'The limits in force for an account, as workers read them.';
alter function engine.limits_json(uuid) owner to empire_engine;

create function engine.defaults_json(p_account uuid) returns jsonb
language plpgsql stable set search_path = '' as $$
begin
  return (select to_jsonb(f) - 'account_id' from engine.account_defaults f where f.account_id = p_account);
end
$$;
comment on function engine.defaults_json(uuid) is 'What a silent alert gets for an account, as workers read it.';
alter function engine.defaults_json(uuid) owner to empire_engine;

create function engine.counters_json(a public.broker_accounts, p_delivery bigint) returns jsonb
language plpgsql stable set search_path = '' as $$
begin
  return jsonb_build_object(
    'trades_today', coalesce((
      select s.trades from engine.scope_counters s
      where s.user_id = a.user_id and s.scope = a.id::text
        and s.trading_day = engine.trading_day(a.timezone, a.reset_time, now())
    ), 0),
    'entries_in_flight', (
      select count(*) from engine.commands k
      where k.account_id = a.id and k.kind = 'place' and k.is_entry and k.delivery_id <> p_delivery
        and k.state in ('pending', 'submitting', 'unknown')
    )
  );
end
$$;
comment on function engine.counters_json(public.broker_accounts, bigint) is
'What limits of number are compared with: trades of the day, and entries of other deliveries on their way.';
alter function engine.counters_json(public.broker_accounts, bigint) owner to empire_engine;

create function engine.working_orders(p_account uuid) returns jsonb
language plpgsql stable set search_path = '' as $$
begin
  return (
    select coalesce(jsonb_agg(to_jsonb(o) order by o.id), '[]') from public.orders o
    where o.account_id = p_account and o.status in ('working', 'partially_filled')
  );
end
$$;
comment on function engine.working_orders(uuid) is 'The orders of an account that stand at the broker.';
alter function engine.working_orders(uuid) owner to empire_engine;

create function engine.unresolved_roots(d public.deliveries) returns jsonb
language plpgsql stable set search_path = '' as $$
begin
  return (
    select coalesce(jsonb_agg(distinct k.root), '[]') from engine.commands k
    where k.account_id = d.account_id and k.delivery_id <> d.id and k.state in ('pending', 'submitting', 'unknown')
      -- What is only written down keeps an account from being flat.
      and (k.state <> 'pending' or d.action = 'flatten')
  );
end
$$;
comment on function engine.unresolved_roots(public.deliveries) is
'Roots of a delivery''s account with a command of another delivery whose outcome is not known; for a flatten also '
'with one that is only written down.';
alter function engine.unresolved_roots(public.deliveries) owner to empire_engine;

create function engine.commands_json(d public.deliveries) returns jsonb
language plpgsql stable set search_path = '' as $$
begin
  return (
    select coalesce(jsonb_agg(jsonb_build_object(
      'id', k.id, 'leg', k.leg, 'kind', k.kind, 'order_id', k.order_id, 'client_order_id', k.client_order_id,
      'state', k.state, 'request', k.request, 'after_fill', k.after_fill, 'submitted_at', k.submitted_at,
      'order_status', o.status, 'order_filled_qty', o.filled_qty, 'order_qty', o.qty,
      'order_avg_price', o.avg_price, 'order_venue_id', o.venue_order_id, 'order_position_id', o.position_id
    ) order by k.leg), '[]')
    from engine.commands k left join public.orders o on o.id = k.order_id and k.kind in ('place', 'close')
    -- A flatten may have had hundreds of rounds: of those only how far they counted.
    where k.delivery_id = d.id and (
      d.action <> 'flatten' or k.state in ('pending', 'submitting', 'unknown')
      or k.leg = (select max(m.leg) from engine.commands m where m.delivery_id = d.id)
    )
  );
end
$$;
comment on function engine.commands_json(public.deliveries) is
'What was written ahead for a delivery by an earlier holder.';
alter function engine.commands_json(public.deliveries) owner to empire_engine;

create function engine.contexts(p_deliveries bigint [], p_token bigint) returns setof json
language plpgsql stable set search_path = '' as $$
begin
  -- json, not jsonb: it is read once, as text, and jsonb would take every value apart and together again on the way.
  return query
    select json_build_object(
      'token', p_token, 'now', clock_timestamp(),
      'queued_ms', round(extract(epoch from clock_timestamp() - d.created_at) * 1000, 3),
      'delivery', json_build_object(
        'id', d.id, 'event_id', d.event_id, 'user_id', d.user_id, 'account_id', d.account_id, 'lane', d.lane,
        'action', d.action, 'symbol', d.symbol, 'tag', d.tag, 'attempts', d.attempts, 'expires_at', d.expires_at,
        'halt_epoch', d.halt_epoch, 'dry_run', d.dry_run, 'created_at', d.created_at
      ),
      'event', json_build_object(
        'id', e.id, 'source', e.source, 'body', e.body, 'fired_at', e.fired_at, 'received_at', e.received_at,
        'endpoint_id', e.endpoint_id
      ),
      'endpoint', case when w.id is not null then json_build_object(
        'id', w.id, 'on_same', w.on_same, 'on_opposite', w.on_opposite, 'scope', w.scope,
        'multiplier', coalesce(t.multiplier, 1), 'max_qty', w.max_qty, 'allowed_symbols', w.allowed_symbols,
        'qty_mode', w.qty_mode, 'qty', w.qty
      ) end,
      'account', engine.account_json(a, c), 'trading_halted', u.trading_halted or a.halted_by <> '{}',
      -- `limit 1`, not `exists`: the planner may answer an `exists` by hashing the whole table.
      'word', case when (select true from public.symbol_map m where m.user_id = d.user_id limit 1)
        then engine.word_for(d) end,
      'tag_held', case when d.tag is not null and a.margin_mode = 'netting' then engine.held_by_tag(d) end,
      'limits', case when s.has_limits then engine.limits_json(a.id) end,
      'counters', case when s.has_limits then engine.counters_json(a, d.id) end,
      'risk', case when s.has_limits then engine.risk_json(a, d.id) end,
      'stakes', case when s.has_limits then engine.stakes_json(a) end,
      'defaults', case when (select true from public.trading_config g where g.user_id = d.user_id limit 1)
        then engine.defaults_json(a.id) end,
      'positions', (
        select coalesce(json_agg(p order by p.id), '[]') from public.positions p
        where p.account_id = a.id and p.closed_at is null
      ),
      'orders', case when (
        select true from public.orders o
        where o.account_id = a.id and o.status in ('pending', 'submitting', 'working', 'partially_filled', 'unknown')
        limit 1
      ) then engine.working_orders(a.id) else '[]' end,
      'unresolved', case when (
        select true from engine.commands k
        where k.account_id = a.id and k.state in ('pending', 'submitting', 'unknown') limit 1
      ) then engine.unresolved_roots(d) else '[]' end,
      'commands', case when (select true from engine.commands k where k.delivery_id = d.id limit 1)
        then engine.commands_json(d) else '[]' end
    )
    from public.deliveries d
    join public.webhook_events e on e.id = d.event_id
    join public.broker_accounts a on a.id = d.account_id
    join public.broker_connections c on c.id = a.connection_id
    join public.profiles u on u.id = d.user_id
    left join public.webhook_endpoints w on w.id = e.endpoint_id
    left join public.webhook_endpoint_accounts t on t.endpoint_id = w.id and t.account_id = a.id
    cross join lateral (
      select (select true from public.risk_settings r where r.user_id = d.user_id limit 1) as has_limits
    ) s
    where d.id = any (p_deliveries)
    order by d.id;
end
$$;
comment on function engine.contexts(bigint [], bigint) is
'Everything the decision about a delivery may look at, in one snapshot: alert, endpoint, account, limits, '
'positions, orders, what is unresolved.';
alter function engine.contexts(bigint [], bigint) owner to empire_engine;

create function engine.take_heads(
  p_worker text, p_executor public.executor, p_lane public.lane, p_limit integer, p_lease interval, p_token bigint
) returns bigint []
language plpgsql set search_path = '' as $$
declare
  v_until constant timestamptz := clock_timestamp() + p_lease;
  v_ids bigint [];
begin
  if (
    select count(*) from (
      select from engine.queue q
      where q.executor = p_executor and q.lane = p_lane and q.is_head and q.state = 'ready' and q.run_at <= clock_timestamp()
      limit p_limit + 1
    ) w
  ) <= p_limit then
    -- Room for all of them: nobody has to stand back.
    with taken as (
      update engine.queue q
      set state = 'claimed', token = p_token, worker = p_worker, lease_until = v_until,
        held_since = coalesce(q.held_since, clock_timestamp())
      where q.id = any (array(
        select r.id from engine.queue r
        where r.executor = p_executor and r.lane = p_lane and r.is_head and r.state = 'ready' and r.run_at <= clock_timestamp()
        order by r.id limit p_limit for update skip locked
      ))
      returning q.id
    )
    select array_agg(t.id) into v_ids from taken t;
    return v_ids;
  end if;
  with heads as materialized (
    select q.id, q.user_id from engine.queue q
    where q.executor = p_executor and q.lane = p_lane and q.is_head and q.state = 'ready' and q.run_at <= clock_timestamp()
    order by q.id limit p_limit * 4
  ), greedy as materialized (
    select array_agg(g.user_id) as users from (
      select h.user_id from heads h group by h.user_id having count(*) > greatest(1, p_limit / 4)
    ) g
  ), behind as materialized (
    -- Only when the window is full of few users: whoever waits behind them. Heads are one per account, so few.
    select q.id, q.user_id from engine.queue q, greedy g
    where g.users is not null and (select count(*) from heads) = p_limit * 4
      and q.executor = p_executor and q.lane = p_lane and q.is_head and q.state = 'ready' and q.run_at <= clock_timestamp()
      and q.id > (select max(h.id) from heads h) and q.user_id <> all (g.users)
    order by q.id limit p_limit
  ), ranked as (
    select h.id, row_number() over (partition by h.user_id order by h.id) > greatest(1, p_limit / 4) as is_extra
    from (select * from heads union all select * from behind) h
  ), locked as materialized (
    -- One user gets a quarter of a batch while others wait; nobody waits for an empty seat.
    select q.id from ranked r join engine.queue q on q.id = r.id
    where q.state = 'ready' order by r.is_extra, r.id limit p_limit for update of q skip locked
  ), taken as (
    update engine.queue q
    set state = 'claimed', token = p_token, worker = p_worker, lease_until = v_until,
      held_since = coalesce(q.held_since, clock_timestamp())
    from locked l where q.id = l.id
    returning q.id
  )
  select array_agg(t.id) into v_ids from taken t;
  return v_ids;
end
$$;
comment on function engine.take_heads(text, public.executor, public.lane, integer, interval, bigint) is
'Up to n heads, oldest first, leased to a worker under one token; rows that another worker is taking are passed over.';
alter function engine.take_heads(text, public.executor, public.lane, integer, interval, bigint) owner to empire_engine;

create function engine.claim(
  p_worker text, p_executor text, p_lane text, p_limit integer, p_lease_ms integer
) returns setof json
language plpgsql security definer
set search_path = '' set plan_cache_mode = force_generic_plan set enable_seqscan = off as $$
declare
  v_token constant bigint := engine.new_token();
  v_ids bigint [];
begin
  -- Losing a claim in a crash of the database is harmless: the row is ready again and nothing was written under it.
  perform set_config('synchronous_commit', 'off', true);
  v_ids := engine.take_heads(p_worker, p_executor::public.executor, p_lane::public.lane, p_limit,
    make_interval(secs => p_lease_ms / 1000.0), v_token);
  if v_ids is not null then
    return query select engine.contexts(v_ids, v_token);
  end if;
end
$$;
comment on function engine.claim(text, text, text, integer, integer) is
'Takes up to n heads of a lane for a worker, with one fencing token and a lease, and returns each with its context.';
alter function engine.claim(text, text, text, integer, integer) owner to empire_engine;
revoke all on function engine.claim(text, text, text, integer, integer) from public;
grant execute on function engine.claim(text, text, text, integer, integer) to empire_worker;

create function engine.heartbeat(p_worker text, p_tokens bigint [], p_lease_ms integer) returns jsonb
language plpgsql security definer
set search_path = '' set plan_cache_mode = force_generic_plan set enable_seqscan = off as $$
declare
  v_now constant timestamptz := clock_timestamp();
  v_alive bigint [];
begin
  perform set_config('synchronous_commit', 'off', true);
  -- A lease that ran out is not revived, even if nobody has taken it yet: its holder may have been stopped for a while.
  with extended as (
    update engine.queue set lease_until = v_now + make_interval(secs => p_lease_ms / 1000.0)
    where is_head and state = 'claimed' and lease_until > v_now and worker = p_worker and token = any (p_tokens)
    returning token
  )
  select array_agg(distinct x.token) into v_alive from extended x;
  return jsonb_build_object('alive', coalesce(to_jsonb(v_alive), '[]'));
end
$$;
comment on function engine.heartbeat(text, bigint [], integer) is
'Extends the leases of a worker''s claims; a token that is missing in the answer is lost: nothing may be sent '
'under it.';
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

create function engine.delivery_ids(p jsonb) returns bigint []
language plpgsql immutable set search_path = '' as $$
begin
  return (select array_agg((x ->> 'delivery_id')::bigint) from jsonb_array_elements(p) x);
end
$$;
comment on function engine.delivery_ids(jsonb) is 'The delivery_id of each element.';
alter function engine.delivery_ids(jsonb) owner to empire_engine;

create function engine.held(p jsonb, p_alive boolean) returns bigint []
language plpgsql set search_path = '' as $$
begin
  -- Nothing is locked here: under the account's lock a claimed row is only written by the heartbeat, which lengthens its
  -- lease. Whoever takes a claim away, gives it back or ends it has to have the account first.
  return array(
    -- Each by its own look-up: a plan made when the line was short would compare everything that waits with each of them.
    select q.id from jsonb_array_elements(p) x cross join lateral (
      select w.id, w.token, w.state, w.lease_until from engine.queue w where w.id = (x ->> 'delivery_id')::bigint limit 1
    ) q
    where q.token = (x ->> 'token')::bigint and q.state = 'claimed' and (q.lease_until > clock_timestamp() or not p_alive)
    order by q.id
  );
end
$$;
comment on function engine.held(jsonb, boolean) is
'The fence: which deliveries each element''s token still holds (p_alive: with a lease that has not run out). The caller '
'holds the accounts, so that it stays so.';
alter function engine.held(jsonb, boolean) owner to empire_engine;

create function engine.give_back(p_delivery bigint, p_ms integer) returns void
language sql set search_path = '' as $$
  update engine.queue
  set state = 'ready', token = null, worker = null, lease_until = null,
    run_at = clock_timestamp() + make_interval(secs => greatest(p_ms, 0) / 1000.0)
  where id = p_delivery
$$;
comment on function engine.give_back(bigint, integer) is
'A claimed row becomes the ready head again, not before the given delay. The caller holds the account row.';
alter function engine.give_back(bigint, integer) owner to empire_engine;

create function engine.unsent(p_deliveries bigint []) returns bigint []
language plpgsql stable set search_path = '' as $$
begin
  return (
    select array(select unnest(p_deliveries) except (
      select c.delivery_id from engine.commands c
      where c.delivery_id = any (p_deliveries) and c.state in ('submitting', 'unknown')
    ) order by 1)
  );
end
$$;
comment on function engine.unsent(bigint []) is
'Those of the deliveries with nothing under way to a broker: only these may be given back.';
alter function engine.unsent(bigint []) owner to empire_engine;

create function engine.defer(p_deliveries jsonb) returns jsonb
language plpgsql security definer
set search_path = '' set plan_cache_mode = force_generic_plan set enable_seqscan = off as $$
declare
  r record;
  v_given bigint [];
begin
  perform engine.lock_accounts(engine.delivery_ids(p_deliveries));
  v_given := engine.unsent(engine.held(p_deliveries, false));
  for r in
    select (x ->> 'delivery_id')::bigint as id, (x ->> 'ms')::integer as ms, (x ->> 'reason')::public.reason as reason,
      nullif(x -> 'numbers', 'null') as numbers, coalesce(nullif(x -> 'trace', 'null'), '[]') as trace
    from jsonb_array_elements(p_deliveries) x where (x ->> 'delivery_id')::bigint = any (v_given)
  loop
    perform engine.give_back(r.id, r.ms);
    update public.deliveries
    set attempts = attempts + 1, reason = r.reason, numbers = r.numbers,
      trace = case when jsonb_array_length(trace) < 40 then trace || r.trace else trace end
    where id = r.id;
  end loop;
  return to_jsonb(v_given);
end
$$;
comment on function engine.defer(jsonb) is
'Gives deliveries back to be claimed again after a while: exits that wait for a position to be read or an order '
'to be settled.';
alter function engine.defer(jsonb) owner to empire_engine;
revoke all on function engine.defer(jsonb) from public;
grant execute on function engine.defer(jsonb) to empire_worker;

create function engine.release(p_deliveries jsonb) returns integer
language plpgsql security definer
set search_path = '' set plan_cache_mode = force_generic_plan set enable_seqscan = off as $$
declare
  v_given bigint [];
begin
  perform engine.lock_accounts(engine.delivery_ids(p_deliveries));
  v_given := engine.unsent(engine.held(p_deliveries, false));
  perform engine.give_back(i, 0) from unnest(v_given) as g (i);
  return cardinality(v_given);
end
$$;
comment on function engine.release(jsonb) is
'A draining worker gives back what it claimed and has not begun to send.';
alter function engine.release(jsonb) owner to empire_engine;
revoke all on function engine.release(jsonb) from public;
grant execute on function engine.release(jsonb) to empire_worker;
