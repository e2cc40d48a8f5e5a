-- Write ahead, then send: an order and its command exist, with the limits reserved, before anything leaves.
create function engine.base36(p bigint) returns text
language plpgsql immutable set search_path = '' as $$
declare
  c_digits constant text := '0123456789abcdefghijklmnopqrstuvwxyz';
  v text := '';
  n bigint := p;
begin
  loop
    v := substr(c_digits, (n % 36)::integer + 1, 1) || v;
    n := n / 36;
    exit when n = 0;
  end loop;
  return v;
end
$$;
comment on function engine.base36(bigint) is 'A number in base 36, to keep client order ids short (26 characters is the tightest broker).';
alter function engine.base36(bigint) owner to empire_engine;

create function engine.denied(p_reason public.reason, p_value anyelement, p_limit anyelement) returns jsonb
language sql immutable set search_path = '' as $$
  select jsonb_build_object('reason', p_reason, 'numbers', jsonb_strip_nulls(jsonb_build_object('value', p_value, 'limit', p_limit)))
$$;
comment on function engine.denied(public.reason, anyelement, anyelement) is 'A denial with the value and the limit it broke.';
alter function engine.denied(public.reason, anyelement, anyelement) owner to empire_engine;

create function engine.denial_of_state(d public.deliveries, a public.broker_accounts, p_endpoint uuid) returns jsonb
language plpgsql stable set search_path = '' as $$
declare
  v_now constant timestamptz := clock_timestamp();
begin
  if d.expires_at <= v_now then
    return jsonb_build_object('reason', 'stale', 'numbers', jsonb_build_object(
      'age_s', round(extract(epoch from v_now - d.created_at), 1), 'expired_at', d.expires_at
    ));
  elsif d.halt_epoch < a.halt_epoch then
    return engine.denied('halted', d.halt_epoch, a.halt_epoch);
  elsif exists (select 1 from public.profiles u where u.id = d.user_id and (u.trading_halted or u.status <> 'active')) then
    return engine.denied('kill_switch', null::integer, null);
  elsif not a.trading_enabled then
    return engine.denied('account_disabled', null::integer, null);
  elsif a.locked_until > v_now then
    return jsonb_build_object('reason', 'account_locked', 'numbers', jsonb_build_object('until', a.locked_until, 'why', a.lock_reason));
  elsif exists (select 1 from public.webhook_endpoints w where w.id = p_endpoint and not w.enabled) then
    return engine.denied('endpoint_disabled', null::integer, null);
  end if;
  return null;
end
$$;
comment on function engine.denial_of_state(public.deliveries, public.broker_accounts, uuid) is 'Why an entry may not be sent now whatever its size: age, halt, kill switch, account, lock, endpoint. Null = it may.';
alter function engine.denial_of_state(public.deliveries, public.broker_accounts, uuid) owner to empire_engine;

create function engine.denial_of_open_trades(a public.broker_accounts) returns jsonb
language plpgsql stable set search_path = '' as $$
declare
  s record;
  v_open integer;
  v_positions integer;
begin
  for s in
    select r.broker, r.account_id, r.max_open_trades, r.max_concurrent_positions from public.risk_settings r
    where r.user_id = a.user_id and r.superseded_at is null and r.effective_from <= now()
      and (r.broker is null or r.broker = a.broker) and (r.account_id is null or r.account_id = a.id)
      and (r.max_open_trades is not null or r.max_concurrent_positions is not null)
  loop
    -- Live and paper are counted apart: practice never uses up the room of real money.
    select count(*) into v_positions from public.positions p
    where p.user_id = a.user_id and p.closed_at is null and (p.broker = 'paper') = (a.broker = 'paper')
      and (s.broker is null or p.broker = s.broker) and (s.account_id is null or p.account_id = s.account_id);
    select count(*) into v_open from public.orders o
    where o.user_id = a.user_id and not o.reduce_only and o.kind = 'place' and o.origin <> 'broker'
      and o.status in ('pending', 'submitting', 'working', 'partially_filled', 'unknown') and (o.broker = 'paper') = (a.broker = 'paper')
      and (s.broker is null or o.broker = s.broker) and (s.account_id is null or o.account_id = s.account_id);
    if v_positions + v_open >= s.max_open_trades then
      return engine.denied('max_open_trades', v_positions + v_open, s.max_open_trades);
    elsif v_positions + v_open >= s.max_concurrent_positions then
      return engine.denied('max_concurrent_positions', v_positions + v_open, s.max_concurrent_positions);
    end if;
  end loop;
  return null;
end
$$;
comment on function engine.denial_of_open_trades(public.broker_accounts) is 'Open positions plus entries in flight against the limits of every scope. The caller holds the scopes'' rows.';
alter function engine.denial_of_open_trades(public.broker_accounts) owner to empire_engine;

create function engine.lock_scopes(p_accounts uuid []) returns void
language plpgsql set search_path = '' as $$
begin
  -- user, then user + broker, then account; then the account rows themselves: the one order that cannot deadlock.
  insert into engine.scope_counters (user_id, broker, account_id, trading_day)
  select distinct s.user_id, s.broker, s.account_id, s.day from engine.scopes_of(p_accounts) s
  order by s.user_id, s.broker nulls first, s.account_id nulls first, s.day
  on conflict do nothing;
  perform 1 from engine.scope_counters c
  where exists (
    select 1 from engine.scopes_of(p_accounts) s
    where s.user_id = c.user_id and s.broker is not distinct from c.broker
      and s.account_id is not distinct from c.account_id and s.day = c.trading_day
  )
  order by (c.account_id is not null), (c.broker is not null), c.user_id, c.broker, c.account_id, c.trading_day
  for update;
end
$$;
create function engine.scopes_of(p_accounts uuid []) returns table (user_id uuid, broker public.broker, account_id uuid, day date)
language sql stable set search_path = '' as $$
  select a.user_id, x.broker, x.account_id, engine.trading_day(a.timezone, a.reset_time, now())
  from public.broker_accounts a
  cross join lateral (values
    -- The user's own counter counts real money only; practice counts at the paper broker and the account.
    (case when a.broker = 'paper' then 'paper'::public.broker end, null::uuid), (a.broker, null::uuid), (a.broker, a.id)
  ) x (broker, account_id)
  where a.id = any (p_accounts)
$$;
comment on function engine.scopes_of(uuid []) is 'The counter rows an entry on these accounts is counted in: user, user + broker, account, each for the account''s trading day.';
comment on function engine.lock_scopes(uuid []) is 'Makes and locks the counter rows of these accounts in the order of scopes.';
alter function engine.scopes_of(uuid []) owner to empire_engine;
alter function engine.lock_scopes(uuid []) owner to empire_engine;

create function engine.reserve_trade(a public.broker_accounts, out denial jsonb, out reserved jsonb)
language plpgsql set search_path = '' as $$
declare
  s record;
  v_day constant date := engine.trading_day(a.timezone, a.reset_time, now());
  v_ids bigint [] := '{}';
begin
  for s in
    select c.id, c.trades, (
      select min(r.max_trades_per_day) from public.risk_settings r
      where r.user_id = a.user_id and r.superseded_at is null and r.effective_from <= now()
        and r.account_id is not distinct from c.account_id
        and (r.broker is not distinct from case when c.account_id is null then c.broker end or (r.broker is null and c.broker = 'paper' and c.account_id is null))
    ) as cap
    from engine.scope_counters c
    where c.user_id = a.user_id and c.trading_day = v_day
      and (c.account_id = a.id or (c.account_id is null and (c.broker = a.broker or (c.broker is null and a.broker <> 'paper'))))
  loop
    if s.trades >= s.cap then
      denial := engine.denied('max_trades_per_day', s.trades, s.cap);
      return;
    end if;
    v_ids := v_ids || s.id;
  end loop;
  update engine.scope_counters set trades = trades + 1 where id = any (v_ids);
  reserved := to_jsonb(v_ids);
end
$$;
comment on function engine.reserve_trade(public.broker_accounts) is 'Counts one trade in every scope of the account, or says which limit it would break. The caller holds the counter rows.';
alter function engine.reserve_trade(public.broker_accounts) owner to empire_engine;

create function engine.release_trade(p_delivery bigint) returns void
language plpgsql set search_path = '' as $$
begin
  -- Kept while any entry of the delivery was accepted or is unknown; released once, when none can be.
  if exists (
    select 1 from engine.commands c where c.delivery_id = p_delivery and c.is_entry and c.state not in ('rejected', 'canceled', 'expired')
  ) then
    return;
  end if;
  update engine.scope_counters set trades = trades - 1
  where id in (select i::bigint from engine.commands c, jsonb_array_elements_text(c.reserved) i where c.delivery_id = p_delivery);
  update engine.commands set reserved = null where delivery_id = p_delivery and reserved is not null;
end
$$;
comment on function engine.release_trade(bigint) is 'Gives a reserved trade back when no entry of the delivery reached the broker.';
alter function engine.release_trade(bigint) owner to empire_engine;

create function engine.denial_of_exit(d public.deliveries, a public.broker_accounts, l jsonb) returns jsonb
language plpgsql stable set search_path = '' as $$
declare
  v_open numeric;
  v_flying numeric;
begin
  -- Something newer (a flatten) covers it: an old exit sent now could turn the position around.
  if d.halt_epoch < a.halt_epoch then
    return engine.denied('superseded', d.halt_epoch, a.halt_epoch);
  end if;
  if l ->> 'kind' not in ('place', 'close') or l ->> 'qty' is null or l ->> 'type' <> 'market' then
    return null;
  end if;
  select coalesce(sum(p.qty), 0) into v_open from public.positions p
  where p.account_id = a.id and p.closed_at is null and p.root = l ->> 'root'
    and p.side <> (l ->> 'side')::public.side
    and (l ->> 'venue_position_id' is null or p.venue_position_id = l ->> 'venue_position_id');
  select coalesce(sum(o.qty - o.filled_qty), 0) into v_flying from public.orders o
  where o.account_id = a.id and o.root = l ->> 'root' and o.reduce_only and o.type = 'market' and o.side = (l ->> 'side')::public.side
    and o.delivery_id is distinct from d.id and o.status in ('pending', 'submitting', 'unknown')
    and (l ->> 'venue_position_id' is null or o.position_id is null or o.position_id = l ->> 'venue_position_id');
  if (l ->> 'qty')::numeric > v_open - v_flying then
    return engine.denied('reduce_too_large', (l ->> 'qty')::numeric, greatest(v_open - v_flying, 0));
  end if;
  return null;
end
$$;
comment on function engine.denial_of_exit(public.deliveries, public.broker_accounts, jsonb) is 'Whether an exit leg really reduces: at most the open quantity minus exits in flight. Null = it does.';
alter function engine.denial_of_exit(public.deliveries, public.broker_accounts, jsonb) owner to empire_engine;

create function engine.denial_of_entry(d public.deliveries, a public.broker_accounts, p_endpoint uuid, l jsonb) returns jsonb
language plpgsql stable set search_path = '' as $$
declare
  v_denial jsonb := engine.denial_of_state(d, a, p_endpoint);
  v_cap numeric;
begin
  if v_denial is not null then
    return v_denial;
  end if;
  if exists (
    select 1 from engine.commands c
    where c.account_id = a.id and c.root = l ->> 'root' and c.state in ('submitting', 'unknown') and c.delivery_id <> d.id
  ) then
    return jsonb_build_object('reason', 'unresolved_order', 'numbers', jsonb_build_object('symbol', l ->> 'root'));
  end if;
  select least(min(r.max_order_qty), (select w.max_qty from public.webhook_endpoints w where w.id = p_endpoint)) into v_cap
  from public.risk_settings r
  where r.user_id = a.user_id and r.superseded_at is null and r.effective_from <= now()
    and (r.broker is null or r.broker = a.broker) and (r.account_id is null or r.account_id = a.id);
  if (l ->> 'qty')::numeric > v_cap then
    return engine.denied('max_order_size', (l ->> 'qty')::numeric, v_cap);
  end if;
  v_cap := (engine.limits_of(a.user_id, a.broker, a.id) ->> 'max_risk_per_trade_pct')::numeric;
  if (l ->> 'worst_loss')::numeric > least(a.balance, a.equity) * v_cap / 100 then
    return engine.denied('max_risk_per_trade', round((l ->> 'worst_loss')::numeric, 2), round(least(a.balance, a.equity) * v_cap / 100, 2));
  end if;
  return null;
end
$$;
comment on function engine.denial_of_entry(public.deliveries, public.broker_accounts, uuid, jsonb) is 'Whether an entry leg may be sent: state, unresolved orders, order size, the ceiling of loss. Null = it may.';
alter function engine.denial_of_entry(public.deliveries, public.broker_accounts, uuid, jsonb) owner to empire_engine;

create function engine.write_legs(d public.deliveries, a public.broker_accounts, p_endpoint uuid, p_source public.event_source, p_legs jsonb, p_reserved jsonb)
returns void
language plpgsql set search_path = '' as $$
declare
  l jsonb;
  v_base constant text := 'E' || (select i.code from engine.installation i) || '_' || engine.base36(d.id) || '_';
  v_order bigint;
begin
  for l in select x from jsonb_array_elements(p_legs) x order by (x ->> 'leg')::integer loop
    v_order := (l ->> 'order_id')::bigint;
    if l ->> 'kind' in ('place', 'close') then
      insert into public.orders (
        user_id, broker, account_id, delivery_id, leg, client_order_id, origin, kind, reduce_only, position_id, endpoint_id, tv_symbol,
        symbol, root, side, type, qty, price, stop_price, stop_loss, take_profit, tif, currency, tag, trading_day
      ) values (
        d.user_id, a.broker, a.id, d.id, (l ->> 'leg')::integer, v_base || engine.base36((l ->> 'leg')::bigint),
        case
          when d.action = 'flatten' then 'flatten' when p_source = 'dashboard' then 'dashboard'
          when p_source = 'tradingview' then 'alert' else 'api'
        end::public.order_origin,
        (l ->> 'kind')::public.command_kind, coalesce((l ->> 'reduce_only')::boolean, false) or l ->> 'kind' = 'close',
        l ->> 'venue_position_id', p_endpoint, d.symbol, l ->> 'symbol', l ->> 'root', (l ->> 'side')::public.side,
        coalesce(l ->> 'type', 'market')::public.order_type,
        -- A close without a quantity means all that is open.
        coalesce((l ->> 'qty')::numeric, (
          select p.qty from public.positions p
          where p.account_id = a.id and p.venue_position_id = l ->> 'venue_position_id' and p.closed_at is null
        )), (l ->> 'price')::numeric, (l ->> 'stop_price')::numeric,
        (l ->> 'stop_loss')::numeric, (l ->> 'take_profit')::numeric, coalesce(l ->> 'tif', 'gtc')::public.tif, a.currency, l ->> 'tag',
        engine.trading_day(a.timezone, a.reset_time, now())
      ) returning id into v_order;
    end if;
    insert into engine.commands (
      delivery_id, account_id, user_id, leg, kind, order_id, client_order_id, root, is_entry, after_fill, request, reserved
    ) values (
      d.id, a.id, d.user_id, (l ->> 'leg')::integer, (l ->> 'kind')::public.command_kind, v_order,
      v_base || engine.base36((l ->> 'leg')::bigint), l ->> 'root',
      l ->> 'kind' = 'place' and not coalesce((l ->> 'reduce_only')::boolean, false), coalesce((l ->> 'after_fill')::boolean, false),
      coalesce(l -> 'request', l), p_reserved
    );
    p_reserved := null;
  end loop;
end
$$;
comment on function engine.write_legs(public.deliveries, public.broker_accounts, uuid, public.event_source, jsonb, jsonb) is 'Orders and commands of a delivery, with their client order ids, in state pending.';
alter function engine.write_legs(public.deliveries, public.broker_accounts, uuid, public.event_source, jsonb, jsonb) owner to empire_engine;

create function engine.try_begin(k engine.commands, p_token bigint, p_request_timeout_ms integer) returns jsonb
language plpgsql set search_path = '' as $$
declare
  d public.deliveries;
  a public.broker_accounts;
  v_denial jsonb;
  v_lease timestamptz;
  v_endpoint uuid;
begin
  select q.lease_until, q.endpoint_id into v_lease, v_endpoint from engine.queue q
  where q.id = k.delivery_id and q.token = p_token and q.state = 'claimed' and q.lease_until > clock_timestamp() for update;
  if not found then
    return jsonb_build_object('id', k.id, 'go', false, 'reason', 'lease_lost');
  elsif k.state <> 'pending' then
    return jsonb_build_object('id', k.id, 'go', false, 'state', k.state);
  end if;
  select * into d from public.deliveries where id = k.delivery_id;
  select * into a from public.broker_accounts where id = k.account_id;
  v_denial := case when k.is_entry then engine.denial_of_state(d, a, v_endpoint)
    when d.halt_epoch < a.halt_epoch then engine.denied('superseded', d.halt_epoch, a.halt_epoch) end;
  if v_denial is not null then
    return jsonb_build_object('id', k.id, 'go', false) || v_denial;
  end if;
  update engine.commands
  set state = 'submitting', token = p_token, submitted_at = clock_timestamp(), send_deadline = v_lease,
    request_timeout_ms = p_request_timeout_ms, sends = sends + 1
  where id = k.id and state = 'pending' returning submitted_at into k.submitted_at;
  if k.kind in ('place', 'close') then
    update public.orders set status = 'submitting' where id = k.order_id;
  end if;
  return jsonb_build_object('id', k.id, 'go', true, 'submitted_at', k.submitted_at);
end
$$;
comment on function engine.try_begin(engine.commands, bigint, integer) is 'pending -> submitting, for the holder of the lease only: whoever gets go = true is the only one who may send. The caller holds the account row.';
alter function engine.try_begin(engine.commands, bigint, integer) owner to empire_engine;

create function engine.decide(d public.deliveries, a public.broker_accounts, p_endpoint uuid, p_legs jsonb, out denial jsonb, out reserved jsonb)
language plpgsql set search_path = '' as $$
declare
  l jsonb;
  v_entry boolean := false;
begin
  for l in select x from jsonb_array_elements(p_legs) x order by (x ->> 'leg')::integer loop
    if l ->> 'kind' = 'place' and not coalesce((l ->> 'reduce_only')::boolean, false) then
      v_entry := true;
      denial := engine.denial_of_entry(d, a, p_endpoint, l);
    -- A reduce-only leg that waits for an entry's fill reduces what is not there yet.
    elsif not coalesce((l ->> 'after_fill')::boolean, false) then
      denial := engine.denial_of_exit(d, a, l);
    end if;
    if denial is not null then
      return;
    end if;
  end loop;
  if v_entry then
    -- A reverse frees the room it needs: what it closes first is not counted against it.
    if not exists (select 1 from jsonb_array_elements(p_legs) x where x ->> 'kind' = 'close') then
      denial := engine.denial_of_open_trades(a);
    end if;
    if denial is null then
      select r.denial, r.reserved into denial, reserved from engine.reserve_trade(a) r;
    end if;
  end if;
end
$$;
comment on function engine.decide(public.deliveries, public.broker_accounts, uuid, jsonb) is 'The hard limits, again and last, under the locks: denial with its numbers, or the trade reserved.';
alter function engine.decide(public.deliveries, public.broker_accounts, uuid, jsonb) owner to empire_engine;

create function engine.open_one(p jsonb, p_begin boolean, p_request_timeout_ms integer) returns jsonb
language plpgsql set search_path = '' as $$
declare
  v_id constant bigint := (p ->> 'delivery_id')::bigint;
  v_token constant bigint := (p ->> 'token')::bigint;
  d public.deliveries;
  a public.broker_accounts;
  k engine.commands;
  v_verdict record;
  v_endpoint uuid;
  v_source public.event_source;
  v_leading boolean := true;
  v_commands jsonb := '[]';
  v_go jsonb;
begin
  select q.endpoint_id into v_endpoint from engine.queue q
  where q.id = v_id and q.token = v_token and q.state = 'claimed' and q.lease_until > clock_timestamp() for update;
  if not found then
    return jsonb_build_object('delivery_id', v_id, 'verdict', 'lost', 'reason', 'lease_lost');
  end if;
  -- Asked again after a lost answer: what was written the first time is the answer.
  if not exists (select 1 from engine.commands c where c.delivery_id = v_id) then
    select * into d from public.deliveries where id = v_id;
    select * into a from public.broker_accounts where id = d.account_id;
    select e.source into v_source from public.webhook_events e where e.id = d.event_id;
    select * into v_verdict from engine.decide(d, a, v_endpoint, p -> 'legs');
    if v_verdict.denial is not null then
      return jsonb_build_object('delivery_id', v_id, 'verdict', 'denied') || v_verdict.denial;
    end if;
    perform engine.write_legs(d, a, v_endpoint, v_source, p -> 'legs', v_verdict.reserved);
  end if;
  for k in select c.* from engine.commands c where c.delivery_id = v_id order by c.leg loop
    v_leading := v_leading and not k.after_fill;
    v_go := case when p_begin and v_leading then engine.try_begin(k, v_token, p_request_timeout_ms) else '{"go": false}' end;
    v_commands := v_commands || jsonb_build_array(
      v_go || jsonb_build_object('id', k.id, 'leg', k.leg, 'order_id', k.order_id, 'client_order_id', k.client_order_id)
    );
  end loop;
  return jsonb_build_object('delivery_id', v_id, 'verdict', 'opened', 'commands', v_commands);
end
$$;
comment on function engine.open_one(jsonb, boolean, integer) is 'Write ahead for one delivery: fence, limits, orders and commands, and the begin of its leading legs.';
alter function engine.open_one(jsonb, boolean, integer) owner to empire_engine;

create function engine.open_orders(p_plans jsonb, p_begin boolean, p_request_timeout_ms integer) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  v_answer jsonb := '[]';
  p jsonb;
begin
  perform engine.lock_scopes(array(
    select distinct d.account_id from jsonb_array_elements(p_plans) x join public.deliveries d on d.id = (x ->> 'delivery_id')::bigint
    where exists (
      select 1 from jsonb_array_elements(x -> 'legs') l where l ->> 'kind' = 'place' and not coalesce((l ->> 'reduce_only')::boolean, false)
    )
  ));
  perform engine.lock_accounts(array(select (x ->> 'delivery_id')::bigint from jsonb_array_elements(p_plans) x));
  for p in select x from jsonb_array_elements(p_plans) x loop
    v_answer := v_answer || jsonb_build_array(engine.open_one(p, p_begin, p_request_timeout_ms));
  end loop;
  return v_answer;
end
$$;
comment on function engine.open_orders(jsonb, boolean, integer) is 'Writes orders and commands of a batch before anything is sent, re-checking the hard limits under the locks; with p_begin also begins the leading legs in the same commit.';
alter function engine.open_orders(jsonb, boolean, integer) owner to empire_engine;
revoke all on function engine.open_orders(jsonb, boolean, integer) from public;
grant execute on function engine.open_orders(jsonb, boolean, integer) to empire_worker;

create function engine.begin_send(p_commands jsonb, p_request_timeout_ms integer) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  r record;
  k engine.commands;
  v_answer jsonb := '[]';
begin
  perform engine.lock_accounts(array(
    select c.delivery_id from engine.commands c join jsonb_array_elements(p_commands) x on c.id = (x ->> 'id')::bigint
  ));
  for r in select (x ->> 'id')::bigint as id, (x ->> 'token')::bigint as token from jsonb_array_elements(p_commands) x order by 1 loop
    select * into k from engine.commands where id = r.id for update;
    v_answer := v_answer || jsonb_build_array(
      case when found then engine.try_begin(k, r.token, p_request_timeout_ms)
        else jsonb_build_object('id', r.id, 'go', false, 'reason', 'lease_lost') end
    );
  end loop;
  return v_answer;
end
$$;
comment on function engine.begin_send(jsonb, integer) is 'Begins the send of pending commands: later legs and resumed ones. Only a go = true may be sent.';
alter function engine.begin_send(jsonb, integer) owner to empire_engine;
revoke all on function engine.begin_send(jsonb, integer) from public;
grant execute on function engine.begin_send(jsonb, integer) to empire_worker;
