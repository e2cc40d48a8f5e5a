-- What the rules may look at: the state of an account's money, as JSON. Only what a rule of the user asks for is gathered.
create function engine.rule_sets(p_account uuid) returns jsonb
language plpgsql stable set search_path = '' as $$
begin
  return (
    select coalesce(jsonb_agg(jsonb_build_object('scope', x.scope, 'rules', x.rules) order by x.scope), '[]') from (
      select case when r.account_id is not null then 'account' when r.broker is not null then 'broker' else 'user' end as scope,
        jsonb_strip_nulls(r.rules) as rules
      from public.broker_accounts a join engine.limits_in_force r on r.user_id = a.user_id
      where a.id = p_account and (r.broker is null or r.broker = a.broker) and (r.account_id is null or r.account_id = a.id)
    ) x where x.rules <> '{}'
  );
end
$$;
comment on function engine.rule_sets(uuid) is
'The rules in force for an account, per scope: user, broker, account. All of them are asked.';
alter function engine.rule_sets(uuid) owner to empire_engine;

create function engine.rules_of(p_user uuid) returns text []
language plpgsql stable set search_path = '' as $$
begin
  return array(
    select k.key from engine.limits_in_force r cross join lateral jsonb_each(r.rules) k
    where r.user_id = p_user and k.value <> 'null'
    union
    select 'daily_loss' from engine.limits_in_force r
    where r.user_id = p_user and coalesce(r.max_daily_loss_usd, r.max_daily_loss_pct) is not null
  );
end
$$;
comment on function engine.rules_of(uuid) is 'Names of the rules that a user has in force in any scope.';
alter function engine.rules_of(uuid) owner to empire_engine;

create function engine.day_json(a public.broker_accounts, p_now timestamptz) returns jsonb
language plpgsql stable set search_path = '' as $$
declare
  c_day constant date := engine.trading_day(a.timezone, a.reset_time, p_now);
  c_began constant timestamptz := engine.day_began(a.timezone, a.reset_time, c_day);
  d engine.account_days;
  k engine.account_marks;
  s engine.day_start;
begin
  select x.* into d from engine.account_days x where x.account_id = a.id and x.trading_day = c_day;
  if d.began_at is distinct from c_began then
    -- The watch has not read the account since the reset: what it would make of what is known now. Nobody but us trades a
    -- paper book, so what is known of it is always of now.
    select x.* into k from engine.account_marks x where x.account_id = a.id;
    s := engine.find_start(a, k, row(
      case when a.broker = 'paper' then p_now when a.as_of >= c_began then a.as_of end, a.balance, a.equity, null, null, null
    )::engine.mark, c_began);
    d := row(
      a.id, c_day, 0, 0, c_began, engine.day_began(a.timezone, a.reset_time, c_day + 1), s.balance, s.equity, s.source, 0,
      s.equity, s.equity, null, null, null
    );
  end if;
  if d.source is null then
    return null;
  end if;
  return jsonb_build_object(
    'trading_day', d.trading_day, 'began_at', d.began_at, 'ends_at', d.ends_at, 'start_balance', d.start_balance,
    'start_equity', d.start_equity, 'flows', d.flows, 'high_water', d.high_water, 'low_water', d.low_water,
    'source', d.source
  );
end
$$;
comment on function engine.day_json(public.broker_accounts, timestamptz) is
'The trading day of an account. Null = its start is not known.';
alter function engine.day_json(public.broker_accounts, timestamptz) owner to empire_engine;

create function engine.week_json(a public.broker_accounts, p_now timestamptz, p_day jsonb) returns jsonb
language plpgsql stable set search_path = '' as $$
declare
  c_day constant date := engine.trading_day(a.timezone, a.reset_time, p_now);
  c_first constant date := c_day - extract(dow from c_day)::integer;
  v_start numeric := (p_day ->> 'start_equity')::numeric;
begin
  if c_first < c_day then
    select d.start_equity into v_start from engine.account_days d
    where d.account_id = a.id and d.trading_day = c_first and d.source is not null
      and d.began_at = engine.day_began(a.timezone, a.reset_time, c_first);
  end if;
  if v_start is null then
    return null;
  end if;
  return jsonb_build_object(
    'start_equity', v_start, 'ends_at', engine.day_began(a.timezone, a.reset_time, c_first + 7), 'flows', (
      select coalesce(sum(d.flows), 0) from engine.account_days d
      where d.account_id = a.id and d.trading_day between c_first and c_day
    )
  );
end
$$;
comment on function engine.week_json(public.broker_accounts, timestamptz, jsonb) is
'The trading week so far, from the first day after Sunday''s reset. Null = its start is not known.';
alter function engine.week_json(public.broker_accounts, timestamptz, jsonb) owner to empire_engine;

create function engine.profits_json(p_account uuid) returns jsonb
language plpgsql stable set search_path = '' as $$
begin
  return (
    select jsonb_build_object('best_day', max(d.net), 'net_profit', sum(d.net)) from engine.account_days d
    where d.account_id = p_account and d.net is not null
  );
end
$$;
comment on function engine.profits_json(uuid) is 'The best net day and the sum of all, of days that are over.';
alter function engine.profits_json(uuid) owner to empire_engine;

create function engine.losses_json(p_account uuid) returns jsonb
language plpgsql stable set search_path = '' as $$
begin
  return (
    with recent as (
      select f.* from public.fills f where f.account_id = p_account and f.position_id is not null order by f.id desc limit 400
    ), held as (
      select r.position_id, r.filled_at, r.id, engine.net_of(r::public.fills) as net,
        sum(case r.effect when 'open' then r.qty else -r.qty end) over w as held
      from recent r window w as (partition by r.position_id order by r.filled_at, r.id)
    ), numbered as (
      -- A round trip ends where nothing is held any more.
      select h.*, count(*) filter (where h.held = 0) over (
        partition by h.position_id order by h.filled_at, h.id rows between unbounded preceding and 1 preceding
      ) as trip
      from held h
    ), trips as (
      select sum(n.net) as net, max(n.filled_at) as at, max(n.id) as id from numbered n
      group by n.position_id, n.trip having bool_or(n.held = 0)
    ), ranked as (
      select t.net, t.at, row_number() over (order by t.at desc, t.id desc) as nth from trips t
    )
    select jsonb_build_object(
      'losses_in_a_row', coalesce(min(r.nth) filter (where r.net >= 0) - 1, count(*)),
      'last_loss_at', max(r.at) filter (where r.net < 0)
    ) from ranked r
  );
end
$$;
comment on function engine.losses_json(uuid) is
'How many of the last closed round trips lost in a row, after costs, and when the last one that lost was closed.';
alter function engine.losses_json(uuid) owner to empire_engine;

create function engine.assumed_loss(a public.broker_accounts) returns numeric
language plpgsql stable set search_path = '' as $$
begin
  return least(a.balance, a.equity) * coalesce((
    select l.max_risk_per_trade_pct from engine.account_limits l where l.account_id = a.id
  ), 5) / 100;
end
$$;
comment on function engine.assumed_loss(public.broker_accounts) is
'What an entry without a stop is taken to lose where nothing better is known: the ceiling of a trade.';
alter function engine.assumed_loss(public.broker_accounts) owner to empire_engine;

create function engine.in_flight_json(a public.broker_accounts, p_delivery bigint) returns jsonb
language plpgsql stable set search_path = '' as $$
begin
  return (
    select jsonb_build_object(
      'in_flight_loss', coalesce(sum(coalesce(
        (r.loss ->> o.leg::text)::numeric, (k.request ->> 'worst_loss')::numeric, engine.assumed_loss(a)
      ) * (o.qty - o.filled_qty) / o.qty), 0),
      'in_flight', coalesce(jsonb_agg(jsonb_build_object(
        'root', o.root, 'side', o.side, 'qty', o.qty - o.filled_qty,
        'notional_usd', (r.notional_usd ->> o.leg::text)::numeric * (o.qty - o.filled_qty) / o.qty
      ) order by o.id), '[]')
    )
    from public.orders o
    left join engine.commands k on k.delivery_id = o.delivery_id and k.leg = o.leg
    left join engine.reservations r on r.delivery_id = o.delivery_id
    where o.account_id = a.id and o.status in ('pending', 'submitting', 'working', 'partially_filled', 'unknown')
      and not o.reduce_only and o.kind = 'place' and o.qty > o.filled_qty and o.delivery_id is distinct from p_delivery
  );
end
$$;
comment on function engine.in_flight_json(public.broker_accounts, bigint) is
'Entries of other deliveries that are admitted and no position yet (pending, sent, unknown, working), and what they lose '
'at worst.';
alter function engine.in_flight_json(public.broker_accounts, bigint) owner to empire_engine;

create function engine.unprotected(p_account uuid) returns bigint
language plpgsql stable set search_path = '' as $$
begin
  return (
    select count(*) from public.positions p
    where p.account_id = p_account and p.closed_at is null and p.stop_loss is null and not exists (
      select 1 from public.orders o
      where o.account_id = p.account_id and o.status in ('working', 'partially_filled') and o.reduce_only
        and o.stop_price is not null and o.root = p.root and o.side <> p.side
    )
  );
end
$$;
comment on function engine.unprotected(uuid) is 'How many open positions have no stop.';
alter function engine.unprotected(uuid) owner to empire_engine;

create function engine.others_json(a public.broker_accounts) returns jsonb
language plpgsql stable set search_path = '' as $$
begin
  return (
    select coalesce(jsonb_agg(jsonb_strip_nulls(to_jsonb(x))), '[]')
    from public.broker_accounts b
    cross join lateral (
      select b.id as account_id, p.root, p.side, p.qty, null::numeric as notional_usd from public.positions p
      where p.account_id = b.id and p.closed_at is null
      union all
      select b.id, o.root, o.side, o.qty - o.filled_qty,
        (r.notional_usd ->> o.leg::text)::numeric * (o.qty - o.filled_qty) / o.qty
      from public.orders o left join engine.reservations r on r.delivery_id = o.delivery_id
      where o.account_id = b.id and not o.reduce_only and o.kind = 'place' and o.qty > o.filled_qty
        and o.status in ('pending', 'submitting', 'working', 'partially_filled', 'unknown')
    ) x
    -- Practice is no exposure, and real money is none for practice.
    where b.user_id = a.user_id and b.id <> a.id and (b.broker = 'paper') = (a.broker = 'paper')
  );
end
$$;
comment on function engine.others_json(public.broker_accounts) is
'Open positions and entries on their way of the trader''s other accounts; paper and real apart.';
alter function engine.others_json(public.broker_accounts) owner to empire_engine;

create function engine.twin_of(p_account uuid, p_delivery bigint) returns bigint
language plpgsql stable set search_path = '' as $$
declare
  v_window constant interval := make_interval(secs => (
    select max((x #>> '{rules,duplicates,window_s}')::numeric)::double precision
    from jsonb_array_elements(engine.rule_sets(p_account)) x
  ));
  d public.deliveries;
begin
  if v_window is null then
    return null;
  end if;
  select t.* into d from public.deliveries t where t.id = p_delivery;
  return (
    select max(e.id) from (
      select t.* from public.deliveries t where t.account_id = p_account and t.id < p_delivery order by t.id desc limit 500
    ) e
    where e.created_at > d.created_at - v_window and e.action = d.action and e.side is not distinct from d.side
      and engine.symbol_key(e.symbol) = engine.symbol_key(d.symbol) and not e.dry_run
      -- What opened nothing is repeated rightly.
      and (e.outcome is null or e.outcome in ('executed', 'unknown'))
  );
end
$$;
comment on function engine.twin_of(uuid, bigint) is
'The latest earlier delivery of the account that asked for the same (root, side, action) within the window of '
'`duplicates`, and got it. Null = none.';
alter function engine.twin_of(uuid, bigint) owner to empire_engine;

create function engine.order_json(a public.broker_accounts, p_delivery bigint, p_rules text []) returns jsonb
language plpgsql stable set search_path = '' as $$
begin
  return engine.in_flight_json(a, p_delivery)
    || case when 'cool_down' = any (p_rules) then engine.losses_json(a.id) else '{}' end
    || case when p_rules && array['no_opposite', 'exposure']
      then jsonb_build_object('others', engine.others_json(a)) else '{}' end
    || case when 'duplicates' = any (p_rules)
      then jsonb_build_object('twin', engine.twin_of(a.id, p_delivery)) else '{}' end;
end
$$;
comment on function engine.order_json(public.broker_accounts, bigint, text []) is
'What rules that only orders are refused by look at: entries on their way, losses in a row, other accounts, twins.';
alter function engine.order_json(public.broker_accounts, bigint, text []) owner to empire_engine;

create function engine.risk_json(a public.broker_accounts, p_delivery bigint) returns jsonb
language plpgsql stable set search_path = '' as $$
declare
  c_now constant timestamptz := clock_timestamp();
  c_rules constant text [] := engine.rules_of(a.user_id);
  v_day jsonb;
begin
  if c_rules = '{}' then
    return null;
  end if;
  v_day := engine.day_json(a, c_now);
  return jsonb_build_object(
    'initial_balance', a.initial_balance, 'day', v_day, 'week', engine.week_json(a, c_now, v_day),
    'unprotected', engine.unprotected(a.id)
  ) || coalesce((
    select jsonb_build_object('high_close', m.high_close, 'peak_equity', m.peak_equity)
    from engine.account_marks m where m.account_id = a.id
  ), '{}') || case when 'consistency' = any (c_rules) then engine.profits_json(a.id) else '{}' end
  -- The watch asks every second what an account is worth; what only an order is refused by it need not know.
  || case when p_delivery is not null then engine.order_json(a, p_delivery, c_rules) else '{}' end;
end
$$;
comment on function engine.risk_json(public.broker_accounts, bigint) is
'What the rules may know of an account''s money (RiskState), for a delivery or (null) for its watch. Null = the user has no '
'such rule.';
alter function engine.risk_json(public.broker_accounts, bigint) owner to empire_engine;
