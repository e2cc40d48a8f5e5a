-- The hard limits, asked again and last, under the locks: what a worker decided may have been overtaken.
create type engine.situation as (
  delivery_id bigint, user_id uuid, account_id uuid, broker public.broker, expires_at timestamptz, max_age_s integer,
  epoch_then bigint, epoch_now bigint, user_stopped boolean, endpoint_disabled boolean, account_enabled boolean,
  locked_until timestamptz, lock_reason text, currency text, capital numeric, max_order_qty numeric,
  max_risk_pct numeric, unresolved text []
);
comment on type engine.situation is 'A delivery as the hard limits see it.';

create function engine.limits_of(p_account uuid) returns engine.account_limits
language plpgsql stable set search_path = '' as $$
begin
  return (select l from engine.account_limits l where l.account_id = p_account);
end
$$;
comment on function engine.limits_of(uuid) is 'The limits in force for an account.';
alter function engine.limits_of(uuid) owner to empire_engine;

create function engine.situations(p_deliveries bigint []) returns setof engine.situation
language plpgsql stable set search_path = '' as $$
begin
  return query
    select d.id, d.user_id, a.id, a.broker, d.expires_at, coalesce(w.max_age_s, 60), d.halt_epoch, a.halt_epoch,
      u.trading_halted or a.halted_by <> '{}' or u.status <> 'active', w.enabled is false, a.trading_enabled, a.locked_until, a.lock_reason,
      a.currency, least(a.balance, a.equity), least((l.set).max_order_qty, w.max_qty),
      coalesce((l.set).max_risk_per_trade_pct, 5),
      array(
        select k.root from engine.commands k
        where k.account_id = a.id and k.delivery_id <> d.id and k.state in ('submitting', 'unknown')
      )
    from public.deliveries d
    join public.webhook_events e on e.id = d.event_id
    join public.broker_accounts a on a.id = d.account_id
    join public.profiles u on u.id = d.user_id
    left join public.webhook_endpoints w on w.id = e.endpoint_id
    cross join lateral (
      select case when (select true from public.risk_settings r where r.user_id = d.user_id limit 1)
        then engine.limits_of(a.id) end as set
    ) l
    where d.id = any (p_deliveries)
    order by d.id;
end
$$;
comment on function engine.situations(bigint []) is
'The situation of each delivery. Final under the account lock only.';
alter function engine.situations(bigint []) owner to empire_engine;

create function engine.denied(p_reason public.reason, p_value numeric default null, p_limit numeric default null) returns jsonb
language sql immutable set search_path = '' as $$
  select jsonb_build_object(
    'reason', p_reason, 'numbers', jsonb_strip_nulls(jsonb_build_object('value', p_value, 'limit', p_limit))
  )
$$;
comment on function engine.denied(public.reason, numeric, numeric) is 'A denial with the value and the limit it broke.';
alter function engine.denied(public.reason, numeric, numeric) owner to empire_engine;

create function engine.denial_of_state(s engine.situation) returns jsonb
language plpgsql stable set search_path = '' as $$
declare
  v_late constant numeric := round(extract(epoch from clock_timestamp() - s.expires_at), 1);
begin
  if v_late >= 0 then
    return jsonb_build_object('reason', 'stale', 'numbers', jsonb_build_object(
      'age_s', s.max_age_s + v_late, 'limit_s', s.max_age_s
    ));
  elsif s.epoch_then < s.epoch_now then
    return engine.denied('halted');
  elsif s.user_stopped then
    return engine.denied('kill_switch');
  elsif not s.account_enabled then
    return engine.denied('account_disabled');
  elsif s.locked_until > clock_timestamp() then
    return jsonb_build_object('reason', 'account_locked', 'numbers', jsonb_strip_nulls(jsonb_build_object(
      'until', s.locked_until, 'lock', s.lock_reason
    )));
  elsif s.endpoint_disabled then
    return engine.denied('endpoint_disabled');
  end if;
  return null;
end
$$;
comment on function engine.denial_of_state(engine.situation) is
'Why an entry may not be sent now whatever its size: age, halt, kill switch, account, lock, endpoint. Null = it may.';
alter function engine.denial_of_state(engine.situation) owner to empire_engine;

create function engine.denial_of_entry(s engine.situation, l jsonb) returns jsonb
language plpgsql stable set search_path = '' as $$
declare
  v_denial jsonb := engine.denial_of_state(s);
  v_loss constant numeric := (l ->> 'worst_loss')::numeric;
begin
  if v_denial is not null then
    return v_denial;
  elsif l ->> 'root' = any (s.unresolved) then
    return jsonb_build_object('reason', 'unresolved_order', 'numbers', jsonb_build_object('symbol', l ->> 'root'));
  elsif (l ->> 'qty')::numeric > s.max_order_qty then
    return engine.denied('max_order_size', (l ->> 'qty')::numeric, s.max_order_qty);
  elsif v_loss > s.capital * s.max_risk_pct / 100 then
    return jsonb_build_object('reason', 'max_risk_per_trade', 'numbers', jsonb_build_object(
      'loss', round(v_loss, 2), 'currency', s.currency, 'base', round(s.capital, 2), 'limit', s.max_risk_pct,
      'value', case when s.capital > 0 then round(v_loss / s.capital * 100, 2) end
    ));
  end if;
  return null;
end
$$;
comment on function engine.denial_of_entry(engine.situation, jsonb) is
'Whether an entry leg may be sent: state, unresolved orders, order size, the ceiling of loss. Null = it may.';
alter function engine.denial_of_entry(engine.situation, jsonb) owner to empire_engine;

create function engine.exits_in_flight(p_account uuid, p_root text, p_side public.side, p_position text, p_not_order bigint)
returns numeric
language plpgsql stable set search_path = '' as $$
begin
  return (
    select coalesce(sum(o.qty - o.filled_qty), 0) from public.orders o
    where o.account_id = p_account and o.root = p_root and o.side = p_side and o.reduce_only and o.type = 'market'
      and o.status in ('pending', 'submitting', 'working', 'partially_filled', 'unknown')
      and o.id is distinct from p_not_order
      and (p_position is null or o.position_id is null or o.position_id = p_position)
  );
end
$$;
comment on function engine.exits_in_flight(uuid, text, public.side, text, bigint) is
'What market exits of a root that have no final answer yet may still close.';
alter function engine.exits_in_flight(uuid, text, public.side, text, bigint) owner to empire_engine;

create function engine.denial_of_exit(s engine.situation, l jsonb, p_planned numeric, p_order bigint) returns jsonb
language plpgsql stable set search_path = '' as $$
declare
  v_side constant public.side := l ->> 'side';
  v_position constant text := l ->> 'venue_position_id';
  v_qty constant numeric := l ->> 'qty';
  v_left numeric;
begin
  -- Something newer (a flatten) covers it.
  if s.epoch_then < s.epoch_now then
    return engine.denied('superseded');
  end if;
  -- The venue's own close of all there is cannot open a position; anything with a quantity could.
  if l ->> 'kind' not in ('place', 'close') or v_qty is null or v_side is null or (l ->> 'after_fill')::boolean then
    return null;
  elsif v_position is not null and not exists (
    select 1 from public.positions p where p.account_id = s.account_id and p.venue_position_id = v_position
  ) then
    return null;
  end if;
  -- What is not fresh is not known to be there.
  select coalesce(sum(p.qty), 0) - p_planned into v_left from public.positions p
  where p.account_id = s.account_id and p.closed_at is null and p.freshness = 'fresh' and p.root = l ->> 'root'
    and p.side <> v_side and (v_position is null or p.venue_position_id = v_position);
  v_left := v_left - engine.exits_in_flight(s.account_id, l ->> 'root', v_side, v_position, p_order);
  if l ->> 'type' = 'limit' then
    -- It waits beside others: filled together they must not turn the position around.
    v_left := v_left - engine.exits_waiting(s.account_id, l ->> 'root', v_side, p_order);
  end if;
  if v_qty > v_left then
    return engine.denied('reduce_too_large', v_qty, greatest(v_left, 0));
  end if;
  return null;
end
$$;
comment on function engine.denial_of_exit(engine.situation, jsonb, numeric, bigint) is
'Whether an exit leg really reduces: at most the fresh open quantity minus exits in flight and earlier legs of '
'its plan. Null = it does.';
alter function engine.denial_of_exit(engine.situation, jsonb, numeric, bigint) owner to empire_engine;

create function engine.lock_users(p_accounts uuid []) returns void
language plpgsql set search_path = '' as $$
begin
  -- One lock a user whatever the day: accounts in two time zones share limits that know no day.
  perform pg_advisory_xact_lock(u.key) from (
    select distinct hashtextextended(a.user_id::text, 0) as key
    from public.broker_accounts a where a.id = any (p_accounts) order by 1
  ) u;
  insert into engine.scope_counters (user_id, scope, trading_day)
  select distinct s.user_id, s.scope, s.trading_day from engine.account_scopes s
  where s.account_id = any (p_accounts) and not exists (
    select 1 from engine.scope_counters c
    where c.user_id = s.user_id and c.scope = s.scope and c.trading_day = s.trading_day
  );
end
$$;
comment on function engine.lock_users(uuid []) is
'Entries of one user are admitted one batch at a time; their counters exist. Before any account is locked.';
alter function engine.lock_users(uuid []) owner to empire_engine;

create function engine.open_trades(p_user uuid, p_scope text) returns integer
language plpgsql stable set search_path = '' as $$
begin
  return (
    select sum(
      (select count(*) from public.positions p where p.account_id = s.account_id and p.closed_at is null)
      + (
        select count(*) from public.orders o
        where o.account_id = s.account_id and not o.reduce_only and o.kind = 'place' and o.origin <> 'broker'
          and o.status in ('pending', 'submitting', 'working', 'unknown')
      )
    )::integer
    from engine.account_scopes s where s.user_id = p_user and s.scope = p_scope
  );
end
$$;
comment on function engine.open_trades(uuid, text) is
'Open positions plus entries that have not filled yet, in a scope. A partly filled entry is a position already.';
alter function engine.open_trades(uuid, text) owner to empire_engine;

create function engine.room_of(p_accounts uuid []) returns table (account_id uuid, scopes jsonb)
language plpgsql stable set search_path = '' as $$
begin
  return query
    with scope as materialized (
      select distinct s.user_id, s.scope, s.trading_day from engine.account_scopes s where s.account_id = any (p_accounts)
    ), counted as materialized (
      select c.id, c.user_id, c.scope, c.trades, cap.trades as max_trades, cap.open_trades as max_open,
        cap.positions as max_positions,
        case when cap.open_trades is not null or cap.positions is not null
          then engine.open_trades(c.user_id, c.scope) end as open_now
      from scope s
      join engine.scope_counters c on c.user_id = s.user_id and c.scope = s.scope and c.trading_day = s.trading_day
      cross join lateral (
        select case when s.scope = 'month' then (
            select l.trades_per_month from public.plan_limits l where l.plan = private.effective_plan(s.user_id)
          ) else min(r.max_trades_per_day) end as trades,
          min(r.max_open_trades) as open_trades, min(r.max_concurrent_positions) as positions
        from engine.limits_in_force r
        where r.user_id = s.user_id and (
          coalesce(r.account_id::text, r.broker::text) = s.scope
          or (r.account_id is null and r.broker is null and s.scope in ('live', 'paper'))
        )
      ) cap
    )
    select s.account_id, jsonb_agg(to_jsonb(c) order by c.id)
    from engine.account_scopes s join counted c on c.user_id = s.user_id and c.scope = s.scope
    where s.account_id = any (p_accounts)
    group by s.account_id;
end
$$;
comment on function engine.room_of(uuid []) is
'Per account its scopes: counter, trades and open trades now, and the limits set there. Final under the users'' '
'locks only.';
alter function engine.room_of(uuid []) owner to empire_engine;

create function engine.denial_of_room(p_scopes jsonb, p_taken bigint [], p_closing integer) returns jsonb
language plpgsql immutable set search_path = '' as $$
declare
  s jsonb;
  v_new integer;
  v_open integer;
begin
  for s in select x from jsonb_array_elements(p_scopes) x loop
    v_new := 1 + cardinality(array_positions(p_taken, (s ->> 'id')::bigint));
    -- A reverse frees the room it needs: what it closes first is not counted against it.
    v_open := (s ->> 'open_now')::integer + v_new - p_closing;
    if (s ->> 'trades')::integer + v_new > (s ->> 'max_trades')::integer then
      return engine.denied(
        (case s ->> 'scope' when 'month' then 'max_trades_per_month' else 'max_trades_per_day' end)::public.reason,
        (s ->> 'trades')::integer + v_new, (s ->> 'max_trades')::integer
      );
    elsif v_open > (s ->> 'max_open')::integer then
      return engine.denied('max_open_trades', v_open, (s ->> 'max_open')::integer);
    elsif v_open > (s ->> 'max_positions')::integer then
      return engine.denied('max_concurrent_positions', v_open, (s ->> 'max_positions')::integer);
    end if;
  end loop;
  return null;
end
$$;
comment on function engine.denial_of_room(jsonb, bigint [], integer) is
'Which limit of number one more trade would break; p_taken = counters of the trades admitted before it in this '
'batch. Null = none.';
alter function engine.denial_of_room(jsonb, bigint [], integer) owner to empire_engine;

create function engine.release_trades(p_deliveries bigint []) returns void
language plpgsql set search_path = '' as $$
declare
  v_ids bigint [];
begin
  -- Kept while an entry of the delivery was accepted or may have been; given back once, when none can be.
  v_ids := array(
    select c.id from engine.commands c
    where c.delivery_id = any (p_deliveries) and c.reserved is not null and (
      select true from engine.commands k
      where k.delivery_id = c.delivery_id and k.kind = 'place' and k.is_entry
        and k.state not in ('rejected', 'canceled', 'expired') limit 1
    ) is null
  );
  if v_ids = '{}' then
    return;
  end if;
  perform 1 from engine.scope_counters s
  where s.id in (select i::bigint from engine.commands c, jsonb_array_elements_text(c.reserved) i where c.id = any (v_ids))
  order by s.id for update;
  update engine.scope_counters s set trades = s.trades - r.n
  from (
    select i::bigint as id, count(*)::integer as n
    from engine.commands c, jsonb_array_elements_text(c.reserved) i where c.id = any (v_ids) group by 1
  ) r
  where s.id = r.id;
  update engine.commands set reserved = null where id = any (v_ids);
end
$$;
comment on function engine.release_trades(bigint []) is
'Gives back the trades reserved for deliveries of which no entry reached the broker.';
alter function engine.release_trades(bigint []) owner to empire_engine;
