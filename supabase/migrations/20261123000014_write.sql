-- Write ahead, then send: an order and its command exist, with the limits reserved, before anything leaves.
create function engine.is_entry(l jsonb) returns boolean
language plpgsql immutable set search_path = '' as $$
begin
  return l ->> 'kind' = 'place' and not coalesce((l ->> 'reduce_only')::boolean, false);
end
$$;
comment on function engine.is_entry(jsonb) is 'Whether a leg is an order that opens.';
alter function engine.is_entry(jsonb) owner to empire_engine;

create function engine.is_limited(l jsonb) returns boolean
language plpgsql immutable set search_path = '' as $$
begin
  return l ->> 'kind' = 'place' and not coalesce((l ->> 'reduce_only')::boolean, false)
    or coalesce((coalesce(l -> 'request', l) ->> 'adds_risk')::boolean, false);
end
$$;
comment on function engine.is_limited(jsonb) is
'Whether locks and limits apply to a leg: an entry, or a change that adds risk (a stop widened or removed).';
alter function engine.is_limited(jsonb) owner to empire_engine;

create function engine.decide(
  s engine.situation, p_legs jsonb, p_scopes jsonb, p_taken bigint [], out denial jsonb, out takes jsonb
)
language plpgsql stable set search_path = '' as $$
declare
  l jsonb;
  v_own jsonb;
  v_planned numeric := 0;
  v_entry boolean := false;
  v_closing integer := 0;
begin
  for l in select x from jsonb_array_elements(p_legs) x order by (x ->> 'leg')::integer loop
    if engine.is_limited(l) then
      denial := engine.denial_of_entry(s, l);
      v_entry := v_entry or engine.is_entry(l);
    else
      -- A close of all there is has no quantity of its own, whatever was read as all.
      v_own := l || jsonb_build_object('qty', coalesce(l -> 'request', l) -> 'qty');
      denial := engine.denial_of_exit(s, v_own, v_planned, null);
      if l ->> 'kind' in ('place', 'close') and coalesce(l ->> 'type', 'market') = 'market' then
        v_planned := v_planned + coalesce((v_own ->> 'qty')::numeric, 0);
      end if;
    end if;
    if denial is not null then
      return;
    end if;
    v_closing := v_closing + (l ->> 'kind' = 'close')::integer;
  end loop;
  if v_entry then
    denial := engine.denial_of_room(p_scopes, p_taken, v_closing);
    takes := jsonb_path_query_array(p_scopes, '$[*].id');
  end if;
end
$$;
comment on function engine.decide(engine.situation, jsonb, jsonb, bigint []) is
'The hard limits for one plan: a denial with its numbers, or the counters its trade is counted in.';
alter function engine.decide(engine.situation, jsonb, jsonb, bigint []) owner to empire_engine;

create function engine.client_order_id(p_delivery bigint, p_leg integer) returns text
language sql stable set search_path = '' as $$
  select 'E' || (select i.code from engine.installation i) || '_' || to_hex(p_delivery) || '_' || to_hex(p_leg)
$$;
comment on function engine.client_order_id(bigint, integer) is
'The name of a leg at the broker: at most 26 characters, which is the tightest broker, and the same whenever asked.';
alter function engine.client_order_id(bigint, integer) owner to empire_engine;

create type engine.leg as (
  delivery_id bigint, account_id uuid, user_id uuid, broker public.broker, currency text, trading_day date,
  endpoint_id uuid, origin public.order_origin, tv_symbol text, leg integer, kind public.command_kind, begins boolean,
  token bigint, lease_until timestamptz, client_order_id text, order_id bigint, side public.side, qty numeric,
  reserved jsonb, said jsonb
);
comment on type engine.leg is 'A leg that is about to be written: what it says, and what it is written with.';

create function engine.legs_of(p_plans jsonb [], p_reserved jsonb [], p_begin boolean) returns engine.leg []
language plpgsql set search_path = '' as $$
declare
  c_installation constant text := (select i.code from engine.installation i);
begin
  return (
    select array_agg(row(
      d.id, a.id, d.user_id, a.broker, a.currency, engine.trading_day(a.timezone, a.reset_time, now()), q.endpoint_id,
      case
        when d.action = 'flatten' then 'flatten' when e.source = 'dashboard' then 'dashboard'
        when e.source = 'tradingview' then 'alert' else 'api'
      end, d.symbol, l.leg, l.said ->> 'kind', p_begin and l.leads, q.token, q.lease_until,
      -- At most 26 characters, which is the tightest broker, and the same whenever asked.
      'E' || c_installation || '_' || to_hex(d.id) || '_' || to_hex(l.leg),
      case when l.is_order and coalesce((l.said ->> 'qty')::numeric, c.qty) > 0
        and coalesce(l.said ->> 'side', c.closing_side) is not null then nextval('public.orders_id_seq')
        when not l.is_order then (l.said ->> 'order_id')::bigint
      end, coalesce(l.said ->> 'side', c.closing_side), coalesce((l.said ->> 'qty')::numeric, c.qty),
      case when l.leg = l.first then p.reserved end, l.said
    )::engine.leg order by d.id, l.leg)
    from unnest(p_plans, p_reserved) as p (plan, reserved)
    join public.deliveries d on d.id = (p.plan ->> 'delivery_id')::bigint
    join engine.queue q on q.id = d.id
    join public.broker_accounts a on a.id = d.account_id
    join public.webhook_events e on e.id = d.event_id
    cross join lateral (
      select x as said, (x ->> 'leg')::integer as leg, x ->> 'kind' in ('place', 'close') as is_order,
        min((x ->> 'leg')::integer) over () as first,
        not bool_or(coalesce((x ->> 'after_fill')::boolean, false)) over (order by (x ->> 'leg')::integer) as leads
      from jsonb_array_elements(p.plan -> 'legs') x
    ) l
    left join lateral engine.what_it_closes(a.id, l.said) c on true
  );
end
$$;
comment on function engine.legs_of(jsonb [], jsonb [], boolean) is
'The legs of plans, typed, in order; with p_begin those before any that waits for a fill begin at once.';

create function engine.what_it_closes(p_account uuid, l jsonb, out closing_side text, out qty numeric)
language plpgsql stable set search_path = '' as $$
begin
  if l ->> 'kind' = 'close' and (l ->> 'side' is null or l ->> 'qty' is null) then
    select case o.side when 'buy' then 'sell' else 'buy' end, o.qty into closing_side, qty from public.positions o
    where o.account_id = p_account and o.closed_at is null and case
      when l ->> 'venue_position_id' is not null then o.venue_position_id = l ->> 'venue_position_id'
      else o.root = l ->> 'root' end
    order by o.id limit 1;
  end if;
end
$$;
comment on function engine.what_it_closes(uuid, jsonb) is
'Side and quantity of a close that leaves them to the venue, as far as we know the position.';
alter function engine.what_it_closes(uuid, jsonb) owner to empire_engine;
alter function engine.legs_of(jsonb [], jsonb [], boolean) owner to empire_engine;

create function engine.write_orders(p_legs engine.leg []) returns void
language plpgsql set search_path = '' as $$
begin
  -- A close of what could not be read has no side or quantity to show: its fills will say what it was.
  insert into public.orders (
    id, user_id, broker, account_id, delivery_id, leg, client_order_id, origin, kind, reduce_only, position_id,
    endpoint_id, tv_symbol, symbol, root, side, type, qty, price, stop_price, stop_loss, take_profit, tif, currency,
    tag, trading_day, expires_at, status
  ) overriding system value
  select l.order_id, l.user_id, l.broker, l.account_id, l.delivery_id, l.leg, l.client_order_id, l.origin, l.kind,
    not engine.is_entry(l.said), l.said ->> 'venue_position_id', l.endpoint_id, l.tv_symbol, l.said ->> 'symbol',
    l.said ->> 'root', l.side, coalesce(l.said ->> 'type', 'market')::public.order_type, l.qty,
    (l.said ->> 'price')::numeric, (l.said ->> 'stop_price')::numeric, (l.said ->> 'stop_loss')::numeric,
    (l.said ->> 'take_profit')::numeric, coalesce(l.said ->> 'tif', 'gtc')::public.tif, l.currency, l.said ->> 'tag',
    l.trading_day, (l.said ->> 'expires_at')::timestamptz,
    (case when l.begins then 'submitting' else 'pending' end)::public.order_status
  from unnest(p_legs) l where l.kind in ('place', 'close') and l.order_id is not null;
end
$$;
comment on function engine.write_orders(engine.leg []) is 'The order rows of legs.';
alter function engine.write_orders(engine.leg []) owner to empire_engine;

create function engine.write_commands(p_legs engine.leg [], p_request_timeout_ms integer) returns jsonb
language plpgsql set search_path = '' as $$
declare
  v_answers jsonb;
begin
  with written as (
    insert into engine.commands as c (
      delivery_id, account_id, user_id, leg, kind, order_id, client_order_id, root, is_entry, after_fill, request,
      reserved, state, token, send_deadline, request_timeout_ms, submitted_at, sends
    )
    select l.delivery_id, l.account_id, l.user_id, l.leg, l.kind, l.order_id, l.client_order_id,
      coalesce(l.said ->> 'root', ''), engine.is_limited(l.said), coalesce((l.said ->> 'after_fill')::boolean, false),
      coalesce(l.said -> 'request', l.said), l.reserved,
      (case when l.begins then 'submitting' else 'pending' end)::public.command_state, b.token, b.lease_until,
      case when l.begins then p_request_timeout_ms end, case when l.begins then clock_timestamp() end, l.begins::integer
    from unnest(p_legs) l left join lateral (select l.token, l.lease_until) b on l.begins
    returning c.*
  )
  select jsonb_object_agg(o.delivery_id, o.answer) into v_answers from (
    select w.delivery_id, jsonb_build_object('delivery_id', w.delivery_id, 'verdict', 'opened', 'commands', jsonb_agg(
      jsonb_build_object(
        'id', w.id, 'leg', w.leg, 'order_id', w.order_id, 'client_order_id', w.client_order_id,
        'go', w.state = 'submitting', 'submitted_at', w.submitted_at
      ) order by w.leg
    )) as answer from written w group by w.delivery_id
  ) o;
  return v_answers;
end
$$;
comment on function engine.write_commands(engine.leg [], integer) is
'The commands of legs: pending, or submitting where they begin. Answers by delivery.';
alter function engine.write_commands(engine.leg [], integer) owner to empire_engine;

create function engine.mark_submitting(p_commands bigint [], p_request_timeout_ms integer) returns void
language plpgsql set search_path = '' as $$
begin
  update engine.commands c
  set state = 'submitting', token = q.token, submitted_at = clock_timestamp(), send_deadline = q.lease_until,
    request_timeout_ms = p_request_timeout_ms, sends = c.sends + 1
  from engine.queue q
  where c.id = any (p_commands) and c.state = 'pending' and q.id = c.delivery_id;
  update public.orders set status = 'submitting'
  where status = 'pending' and id in (
    select c.order_id from engine.commands c where c.id = any (p_commands) and c.kind in ('place', 'close')
  );
end
$$;
comment on function engine.mark_submitting(bigint [], integer) is
'pending -> submitting for the holder of the lease. The caller holds the accounts and has asked the limits.';
alter function engine.mark_submitting(bigint [], integer) owner to empire_engine;

create function engine.denial_of_send(k engine.commands) returns jsonb
language plpgsql stable set search_path = '' as $$
declare
  s constant engine.situation := (select x from engine.situations(array[k.delivery_id]) x);
begin
  if k.is_entry then
    return coalesce(engine.denial_of_state(s), case when engine.is_overtaken(k) then engine.denied('superseded') end);
  end if;
  -- Since it was written other exits may have closed what it meant to close.
  return engine.denial_of_exit(s, k.request || jsonb_build_object('kind', k.kind, 'root', k.root), 0, k.order_id);
end
$$;
comment on function engine.denial_of_send(engine.commands) is
'What the limits say about a command that was written ahead earlier. Null = it may be sent.';
alter function engine.denial_of_send(engine.commands) owner to empire_engine;

create function engine.try_begin(k engine.commands, p_request_timeout_ms integer) returns jsonb
language plpgsql set search_path = '' as $$
declare
  v_denial jsonb;
begin
  if k.state <> 'pending' then
    return jsonb_strip_nulls(jsonb_build_object('id', k.id, 'go', false, 'state', k.state, 'reason',
      case when k.state = 'canceled' then k.reason end));
  end if;
  v_denial := engine.denial_of_send(k);
  if v_denial is not null then
    return jsonb_build_object('id', k.id, 'go', false) || v_denial;
  end if;
  perform engine.mark_submitting(array[k.id], p_request_timeout_ms);
  return jsonb_build_object('id', k.id, 'go', true, 'submitted_at', clock_timestamp());
end
$$;
comment on function engine.try_begin(engine.commands, integer) is
'Begins one command written ahead earlier: whoever gets go = true is the only one who may send. The caller holds '
'lease and account.';
alter function engine.try_begin(engine.commands, integer) owner to empire_engine;

create function engine.open_again(p_delivery bigint, p_begin boolean, p_request_timeout_ms integer) returns jsonb
language plpgsql set search_path = '' as $$
declare
  k engine.commands;
  v_leading boolean := p_begin;
  v_commands jsonb := '[]';
begin
  for k in select c.* from engine.commands c where c.delivery_id = p_delivery order by c.leg loop
    v_leading := v_leading and not k.after_fill;
    v_commands := v_commands || jsonb_build_array(
      case when v_leading then engine.try_begin(k, p_request_timeout_ms) else '{"go": false}' end || jsonb_build_object(
        'id', k.id, 'leg', k.leg, 'order_id', k.order_id, 'client_order_id', k.client_order_id
      )
    );
  end loop;
  return jsonb_build_object('delivery_id', p_delivery, 'verdict', 'opened', 'commands', v_commands);
end
$$;
comment on function engine.open_again(bigint, boolean, integer) is
'Asked again after a lost answer, or by the next holder: what was written the first time is the answer.';
alter function engine.open_again(bigint, boolean, integer) owner to empire_engine;

create function engine.open_held(
  p_plans jsonb, p_held bigint [], p_entering uuid [], p_begin boolean, p_request_timeout_ms integer
) returns jsonb
language plpgsql set search_path = '' as $$
declare
  v_answers jsonb := '{}';
  v_taken bigint [] := '{}';
  v_passed jsonb [] := '{}';
  v_reserved jsonb [] := '{}';
  v_legs engine.leg [];
  -- Found by their place: joined, every plan of a batch would be taken apart for every other.
  v_plans constant jsonb [] := array(select x from jsonb_array_elements(p_plans) x);
  v_ids constant bigint [] := engine.delivery_ids(p_plans);
  v_room constant jsonb := (
    select jsonb_object_agg(r.account_id, r.scopes) from engine.room_of(p_entering) r
  );
  r record;
  v record;
begin
  for r in
    select s as situation, s.delivery_id, s.account_id, v_plans[array_position(v_ids, s.delivery_id)] as plan
    from engine.situations(p_held) s order by s.delivery_id
  loop
    v := engine.decide(r.situation, r.plan -> 'legs', v_room -> r.account_id::text, v_taken);
    if v.denial is null and jsonb_typeof(r.plan -> 'risk') = 'object' then
      v.denial := engine.stake(r.situation, r.plan -> 'risk');
    end if;
    if v.denial is not null then
      v_answers := v_answers || jsonb_build_object(
        r.delivery_id, jsonb_build_object('delivery_id', r.delivery_id, 'verdict', 'denied') || v.denial
      );
      continue;
    end if;
    v_passed := array_append(v_passed, r.plan);
    v_reserved := array_append(v_reserved, v.takes);
    if v.takes is not null then
      v_taken := v_taken || array(select i::bigint from jsonb_array_elements_text(v.takes) i);
    end if;
  end loop;
  if v_taken <> '{}' then
    update engine.scope_counters c set trades = c.trades + t.n
    from (select i as id, count(*)::integer as n from unnest(v_taken) as i group by i) t
    where c.id = t.id;
  end if;
  v_legs := engine.legs_of(v_passed, v_reserved, p_begin);
  perform engine.write_orders(v_legs);
  v_answers := v_answers || coalesce(engine.write_commands(v_legs, p_request_timeout_ms), '{}');
  if jsonb_path_exists(p_plans, '$[*].legs[*].guard') then
    perform engine.open_guards(v_legs);
  end if;
  return v_answers;
end
$$;
comment on function engine.open_held(jsonb, bigint [], uuid [], boolean, integer) is
'Decides plans of different accounts one after another, each seeing what those before it took, and writes what '
'passes. Answers by delivery.';
alter function engine.open_held(jsonb, bigint [], uuid [], boolean, integer) owner to empire_engine;

create function engine.entering(p_plans jsonb) returns uuid []
language plpgsql stable set search_path = '' as $$
begin
  return (
    select array(
      select distinct d.account_id
      from jsonb_array_elements(p_plans) x join public.deliveries d on d.id = (x ->> 'delivery_id')::bigint
      where exists (select 1 from jsonb_array_elements(x -> 'legs') l where engine.is_entry(l))
    )
  );
end
$$;
comment on function engine.entering(jsonb) is 'The accounts on which plans would open something.';
alter function engine.entering(jsonb) owner to empire_engine;

create function engine.turns(p_deliveries bigint []) returns table (ids bigint [])
language plpgsql stable set search_path = '' as $$
begin
  return query
    select array_agg(t.id order by t.id) from (
      select d.id, row_number() over (partition by d.account_id order by d.id) as nth
      from public.deliveries d where d.id = any (p_deliveries)
    ) t group by t.nth order by t.nth;
end
$$;
comment on function engine.turns(bigint []) is
'Deliveries in turns of one per account: the second of an account (its other lane) must see what the first wrote.';
alter function engine.turns(bigint []) owner to empire_engine;

create function engine.open_orders(p_plans jsonb, p_begin boolean, p_request_timeout_ms integer) returns jsonb
language plpgsql security definer
set search_path = '' set plan_cache_mode = force_generic_plan
set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off as $$
declare
  v_ids constant bigint [] := engine.delivery_ids(p_plans);
  v_entering constant uuid [] := engine.entering(p_plans);
  v_answers jsonb := '{}';
  v_held bigint [];
  v_known bigint [];
  v_turn bigint [];
begin
  if v_entering <> '{}' then
    perform engine.lock_users(v_entering);
  end if;
  perform engine.lock_accounts(v_ids);
  v_held := engine.held(p_plans, true);
  -- Legs behind those that are written are news: the next round of a flatten.
  v_known := array(
    select distinct c.delivery_id from jsonb_array_elements(p_plans) x
    join engine.commands c on c.delivery_id = (x ->> 'delivery_id')::bigint and c.leg >= (x #>> '{legs,0,leg}')::integer
    where c.delivery_id = any (v_held)
  );
  if v_known <> '{}' then
    v_held := array(select unnest(v_held) except select unnest(v_known));
  end if;
  for v_turn in select t.ids from engine.turns(v_held) t loop
    v_answers := v_answers || engine.open_held(p_plans, v_turn, v_entering, p_begin, p_request_timeout_ms);
  end loop;
  if v_known <> '{}' then
    select v_answers || jsonb_object_agg(k, engine.open_again(k, p_begin, p_request_timeout_ms))
    into v_answers from unnest(v_known) k;
  end if;
  return (
    select coalesce(jsonb_agg(coalesce(v_answers -> t.id::text, jsonb_build_object(
      'delivery_id', t.id, 'verdict', 'lost', 'reason', 'lease_lost'
    )) order by t.nth), '[]') from unnest(v_ids) with ordinality as t (id, nth)
  );
end
$$;
comment on function engine.open_orders(jsonb, boolean, integer) is
'Writes orders and commands of a batch before anything is sent, re-checking the hard limits under the locks; with '
'p_begin also begins the leading legs in the same commit.';
alter function engine.open_orders(jsonb, boolean, integer) owner to empire_engine;
revoke all on function engine.open_orders(jsonb, boolean, integer) from public;
grant execute on function engine.open_orders(jsonb, boolean, integer) to empire_worker;

create function engine.begin_send(p_commands jsonb, p_request_timeout_ms integer) returns jsonb
language plpgsql security definer
set search_path = '' set plan_cache_mode = force_generic_plan
set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off as $$
declare
  r record;
  k engine.commands;
  v_answer jsonb := '[]';
begin
  perform engine.lock_accounts(array(
    select c.delivery_id from jsonb_array_elements(p_commands) x join engine.commands c on c.id = (x ->> 'id')::bigint
  ));
  for r in
    select (x ->> 'id')::bigint as id, (x ->> 'token')::bigint as token from jsonb_array_elements(p_commands) x order by 1
  loop
    select c.* into k from engine.commands c where c.id = r.id;
    v_answer := v_answer || jsonb_build_array(case
      when engine.held(jsonb_build_array(jsonb_build_object('delivery_id', k.delivery_id, 'token', r.token)), true) <> '{}'
        then engine.try_begin(k, p_request_timeout_ms)
      else jsonb_build_object('id', r.id, 'go', false, 'reason', 'lease_lost') end);
  end loop;
  return v_answer;
end
$$;
comment on function engine.begin_send(jsonb, integer) is
'Begins the send of pending commands: later legs and resumed ones. Only a go = true may be sent.';
alter function engine.begin_send(jsonb, integer) owner to empire_engine;
revoke all on function engine.begin_send(jsonb, integer) from public;
grant execute on function engine.begin_send(jsonb, integer) to empire_worker;
