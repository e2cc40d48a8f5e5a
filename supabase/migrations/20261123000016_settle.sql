-- Recovery. A lease that ran out: pending = provably unsent, the next holder goes on; submitting = unknown, ask the broker.
create function engine.bury(p_delivery bigint, p_error text, p_trace jsonb) returns bigint []
language plpgsql set search_path = '' as $$
declare
  v_events bigint [];
begin
  insert into engine.dead_letters (delivery_id, error) values (p_delivery, left(p_error, 4000));
  perform engine.cancel_unsent(array[p_delivery], false, 'internal_error');
  -- What was being sent is not lost with the bug: it is unknown, and the settler asks.
  v_events := (engine.finish(array[jsonb_build_object('delivery_id', p_delivery, 'trace', p_trace, 'finish',
    '{"outcome": "invalid", "reason": "internal_error"}'::jsonb)])).events;
  update public.deliveries set status = 'dead' where id = p_delivery and status = 'done';
  return v_events;
end
$$;
comment on function engine.bury(bigint, text, jsonb) is
'Ends a delivery dead with the error kept; returns events to be closed. The caller holds the account.';
alter function engine.bury(bigint, text, jsonb) owner to empire_engine;

create function engine.dead_letter(p_delivery_id bigint, p_token bigint, p_error text, p_trace jsonb) returns boolean
language plpgsql security definer
set search_path = '' set plan_cache_mode = force_generic_plan set enable_seqscan = off as $$
begin
  perform engine.lock_accounts(array[p_delivery_id]);
  if engine.held(jsonb_build_array(jsonb_build_object('delivery_id', p_delivery_id, 'token', p_token)), false) = '{}' then
    return false;
  end if;
  perform engine.close_events(engine.bury(p_delivery_id, p_error, p_trace));
  return true;
end
$$;
comment on function engine.dead_letter(bigint, bigint, text, jsonb) is
'A stage failed with a bug or a broken machine: the delivery ends dead with the error kept, its account goes on.';
alter function engine.dead_letter(bigint, bigint, text, jsonb) owner to empire_engine;
revoke all on function engine.dead_letter(bigint, bigint, text, jsonb) from public;
grant execute on function engine.dead_letter(bigint, bigint, text, jsonb) to empire_worker;

create function engine.rescue_one(p_delivery bigint, p_lost integer) returns bigint []
language plpgsql set search_path = '' as $$
declare
  c_patience constant integer := 20;
begin
  update public.deliveries
  set attempts = attempts + 1, trace = trace || jsonb_build_array(jsonb_build_object(
    'stage', 'claim', 'outcome', 'lease_expired', 'ms', 0, 'detail', jsonb_build_object('times', p_lost + 1)
  ))
  where id = p_delivery;
  if engine.unsent(array[p_delivery]) = '{}' then
    return (engine.finish(array[jsonb_build_object(
      'delivery_id', p_delivery, 'finish', '{"outcome": "unknown"}'::jsonb
    )])).events;
  elsif p_lost >= c_patience then
    return engine.bury(p_delivery, format('its lease ran out %s times', p_lost + 1), null);
  end if;
  perform engine.give_back(p_delivery, 0);
  return '{}';
end
$$;
comment on function engine.rescue_one(bigint, integer) is
'A delivery whose lease ran out: to the settler, ready again, or, after 20 times, dead. Returns events to be closed.';
alter function engine.rescue_one(bigint, integer) owner to empire_engine;

create function engine.rescue(p_limit integer) returns jsonb
language plpgsql security definer
set search_path = '' set plan_cache_mode = force_generic_plan set enable_seqscan = off as $$
declare
  v_now constant timestamptz := clock_timestamp();
  r record;
  v_ids bigint [];
  v_hung bigint [];
  v_rescued bigint [] := '{}';
  v_events bigint [] := '{}';
begin
  v_ids := array(
    select h.id from (
      -- By itself, from the index of the heads: with order and limit every row that waits would be passed in the order of ids.
      select q.id from engine.queue q where q.is_head and q.state = 'claimed' and q.lease_until < v_now offset 0
    ) h
    order by h.id limit p_limit
  );
  v_hung := engine.hung_exits(p_limit);
  if v_ids = '{}' and v_hung = '{}' then
    return '{"rearmed": 0, "unsettled": 0, "promoted": 0}';
  end if;
  perform engine.lock_accounts(v_ids || v_hung);
  for r in
    select q.id, jsonb_array_length(jsonb_path_query_array(d.trace, '$[*] ? (@.outcome == "lease_expired")')) as lost
    from engine.queue q join public.deliveries d on d.id = q.id
    where q.id = any (v_ids) and q.state = 'claimed' and q.lease_until < v_now order by q.id for update of q
  loop
    v_events := v_events || engine.rescue_one(r.id, r.lost);
    v_rescued := v_rescued || r.id;
  end loop;
  v_events := v_events || engine.promote_exits(v_hung);
  perform engine.close_events(v_events);
  -- What is ready now has waited for seconds: told with the commit.
  perform pg_notify('empire_work', '');
  insert into engine.counters as c (name, n) values ('lease_expired', cardinality(v_rescued))
  on conflict (name) do update set n = c.n + excluded.n;
  return (
    select jsonb_build_object(
      'rearmed', count(*) filter (where q.state = 'ready'), 'unsettled', count(*) filter (where q.state = 'unsettled'),
      'promoted', cardinality(v_hung)
    ) from engine.queue q where q.id = any (v_rescued)
  );
end
$$;
comment on function engine.rescue(integer) is
'Re-arms expired leases: unsent work is ready again, work that was being sent goes to the settler. Also promotes '
'exits whose lane hangs.';
alter function engine.rescue(integer) owner to empire_engine;
revoke all on function engine.rescue(integer) from public;
grant execute on function engine.rescue(integer) to empire_worker;

create function engine.hung_exits(p_limit integer) returns bigint []
language plpgsql stable set search_path = '' as $$
declare
  -- First the heads: of lanes that go on nothing is looked at, however long they are.
  c_hung constant uuid [] := array(
    select h.account_id from engine.queue h
    where h.lane = 'normal' and h.is_head and h.held_since < clock_timestamp() - interval '5 seconds'
  );
begin
  if c_hung = '{}' then
    return '{}';
  end if;
  return (
    select array(
      select q.id
      from engine.queue q join public.deliveries d on d.id = q.id
      where q.account_id = any (c_hung) and q.lane = 'normal' and q.state = 'waiting' and q.is_exit
        and d.created_at < clock_timestamp() - interval '5 seconds' and not d.dry_run
      order by q.id limit p_limit
    )
  );
end
$$;
comment on function engine.hung_exits(integer) is
'Exits of alerts that have waited 5 s behind a head which has held its lane for 5 s.';
alter function engine.hung_exits(integer) owner to empire_engine;

create function engine.promote_exits(p_deliveries bigint []) returns bigint []
language plpgsql set search_path = '' as $$
declare
  d public.deliveries;
  v_events bigint [] := '{}';
begin
  for d in
    select t.* from public.deliveries t join engine.queue q on q.id = t.id
    where t.id = any (p_deliveries) and q.state = 'waiting' and q.lane = 'normal' order by t.id
  loop
    -- An earlier one of this loop may have covered it.
    update engine.queue set lane = 'urgent' where id = d.id and state = 'waiting';
    continue when not found;
    update public.deliveries set lane = 'urgent' where id = d.id;
    v_events := v_events || engine.halt(array[d.account_id], d.action = 'flatten' and d.symbol is null,
      case when d.action = 'flatten' or (d.action = 'close' and d.side is null and d.tag is null)
        then engine.symbol_key(d.symbol) end, d.id, d.event_id);
    perform engine.promote(array[d.account_id]);
  end loop;
  return v_events;
end
$$;
comment on function engine.promote_exits(bigint []) is
'Waiting exits go to the urgent lane, and nothing older that they cover may be sent any more. Returns events to '
'be closed. The caller holds the accounts.';
alter function engine.promote_exits(bigint []) owner to empire_engine;

create function engine.may_resend(k engine.commands, d public.deliveries, a public.broker_accounts) returns text
language plpgsql stable set search_path = '' as $$
begin
  -- The old holder could still be sending until its deadline, and its request still be under way after it.
  if clock_timestamp() < k.send_deadline + make_interval(secs => coalesce(k.request_timeout_ms, 5000) / 1000.0) then
    return 'too_early';
  elsif d.expires_at <= clock_timestamp() then
    return 'stale';
  elsif d.halt_epoch < a.halt_epoch then
    return 'superseded';
  elsif k.is_entry and exists (
    select 1 from public.deliveries x
    where x.account_id = d.account_id and x.id > d.id and not x.dry_run
      and x.action in ('close', 'cancel', 'flatten', 'reverse', 'target')
      and (x.symbol is null or engine.symbol_key(x.symbol) = engine.symbol_key(d.symbol))
  ) then
    return 'superseded';
  elsif k.sends >= 3 then
    return 'too_often';
  end if;
  return 'yes';
end
$$;
comment on function engine.may_resend(engine.commands, public.deliveries, public.broker_accounts) is
'Whether a command that provably never arrived may be sent again, and if not, why. Entries that a later exit '
'covers are never sent again.';
alter function engine.may_resend(engine.commands, public.deliveries, public.broker_accounts) owner to empire_engine;

create function engine.taken_orders(k engine.commands) returns jsonb
language plpgsql stable set search_path = '' as $$
begin
  return (
    select coalesce(jsonb_agg(o.venue_order_id), '[]') from public.orders o
    where k.kind in ('place', 'close') and o.account_id = k.account_id and o.id <> k.order_id and o.kind in ('place', 'close')
      and o.venue_order_id is not null and o.created_at > k.submitted_at - interval '1 hour'
      -- Of what somebody else has placed, what was in our books before this was sent.
      and (o.delivery_id is not null or o.created_at < k.submitted_at)
  );
end
$$;
comment on function engine.taken_orders(engine.commands) is
'The broker''s ids of orders that other commands of the account have made, closes too, and of those that our books knew before this '
'command was sent: none of them is this command''s.';
alter function engine.taken_orders(engine.commands) owner to empire_engine;

create function engine.rival_closes(k engine.commands) returns jsonb
language plpgsql stable set search_path = '' as $$
begin
  if k.kind <> 'close' then
    return '[]';
  end if;
  return (
    select coalesce(jsonb_agg(jsonb_build_object(
      'client_order_id', c.client_order_id, 'qty', c.request -> 'qty', 'held_qty', c.request -> 'held_qty',
      'submitted_at', c.submitted_at, 'certain', c.state = 'accepted', 'under_way', c.state = 'submitting'
    ) order by c.id), '[]')
    from public.orders o join engine.commands c on c.delivery_id = o.delivery_id and c.order_id = o.id
    where o.account_id = k.account_id and o.id <> k.order_id and o.kind = 'close' and o.venue_order_id is null
      and o.status in ('submitting', 'working', 'partially_filled', 'unknown')
      and c.kind = 'close' and c.state in ('submitting', 'unknown', 'accepted') and c.submitted_at is not null
      and c.request ->> 'venue_position_id' = k.request ->> 'venue_position_id'
  );
end
$$;
comment on function engine.rival_closes(engine.commands) is
'Other closes of a close''s position that were sent and whose order at the broker is not known: where closes carry no id, one of '
'theirs must not be taken for this one''s.';
alter function engine.rival_closes(engine.commands) owner to empire_engine;

create function engine.claim_unsettled(p_worker text, p_executor text, p_limit integer, p_lease_ms integer) returns setof jsonb
language plpgsql security definer
set search_path = '' set plan_cache_mode = force_generic_plan set enable_seqscan = off as $$
declare
  v_checker constant bigint := engine.new_token();
begin
  perform set_config('synchronous_commit', 'off', true);
  return query
    with due as (
      select c.id from engine.commands c
      join public.broker_accounts b on b.id = c.account_id join public.broker_connections n on n.id = b.connection_id
      where c.state = 'unknown' and c.check_at <= clock_timestamp() and coalesce(b.executor, n.executor) = p_executor::public.executor
      order by c.id limit p_limit for update of c skip locked
    ), taken as (
      update engine.commands c
      set checker = v_checker, lookups = lookups + 1,
        check_at = clock_timestamp() + make_interval(secs => p_lease_ms / 1000.0)
      from due where c.id = due.id
      returning c as k
    )
    select jsonb_build_object(
      'command', jsonb_build_object(
        'id', (t.k).id, 'delivery_id', (t.k).delivery_id, 'leg', (t.k).leg, 'kind', (t.k).kind,
        'order_id', (t.k).order_id, 'client_order_id', (t.k).client_order_id, 'request', (t.k).request,
        'submitted_at', (t.k).submitted_at, 'send_deadline', (t.k).send_deadline, 'lookups', (t.k).lookups,
        'may_resend', engine.may_resend(t.k, d, a) = 'yes', 'taken', engine.taken_orders(t.k),
        'rivals', engine.rival_closes(t.k)
      ),
      'checker', v_checker, 'account', engine.account_json(a, n),
      'delivery', jsonb_build_object(
        'id', d.id, 'event_id', d.event_id, 'action', d.action, 'symbol', d.symbol, 'attempts', d.attempts
      )
    )
    from taken t
    join public.deliveries d on d.id = (t.k).delivery_id
    join public.broker_accounts a on a.id = (t.k).account_id
    join public.broker_connections n on n.id = a.connection_id
    order by (t.k).id;
end
$$;
comment on function engine.claim_unsettled(text, text, integer, integer) is
'Unknown commands that are due to be asked about, each for one worker at a time.';
alter function engine.claim_unsettled(text, text, integer, integer) owner to empire_engine;
revoke all on function engine.claim_unsettled(text, text, integer, integer) from public;
grant execute on function engine.claim_unsettled(text, text, integer, integer) to empire_worker;

create function engine.send_again(k engine.commands) returns void
language plpgsql set search_path = '' as $$
begin
  -- Absent by a lookup that is proof, and nobody can be sending it any more: as good as never sent.
  update engine.commands set state = 'pending', token = null, check_at = null where id = k.id;
  update public.orders set status = 'pending' where id = k.order_id and status = 'unknown' and k.kind in ('place', 'close');
end
$$;
comment on function engine.send_again(engine.commands) is 'A command that never arrived is written ahead again.';
alter function engine.send_again(engine.commands) owner to empire_engine;

create function engine.is_claimed(k engine.commands, p_command jsonb) returns boolean
language plpgsql stable set search_path = '' as $$
begin
  return k.kind in ('place', 'close') and (
    -- Written so that no index but that of the broker's ids fits: by the account's all its orders of all time were looked through.
    select true from public.orders o
    where o.account_id is not distinct from k.account_id and o.venue_order_id = p_command ->> 'venue_order_id'
      and o.id <> k.order_id and o.delivery_id is not null and o.kind = k.kind limit 1
  ) is not null;
end
$$;
comment on function engine.is_claimed(engine.commands, jsonb) is
'Whether the order that was found for a command is already another command''s: then it cannot be this one''s.';
alter function engine.is_claimed(engine.commands, jsonb) owner to empire_engine;

create function engine.without_claimed(p_results jsonb []) returns jsonb []
language plpgsql stable set search_path = '' as $$
begin
  return array(
    select case when c.kind = 'close' and engine.is_claimed(c, r.said)
      then r.said - array['venue_order_id', 'filled_qty', 'avg_price', 'fills'] || '{"status": "working"}' else r.said end
    from unnest(p_results) with ordinality as r (said, nth) join engine.commands c on c.id = (r.said ->> 'id')::bigint
    order by r.nth
  );
end
$$;
comment on function engine.without_claimed(jsonb []) is
'Results, those of closes without an order that another command has had: the close was taken, and its own order is told later.';
alter function engine.without_claimed(jsonb []) owner to empire_engine;

create function engine.judge(k engine.commands, p jsonb) returns text
language plpgsql set search_path = '' as $$
declare
  v_why text;
begin
  if p ->> 'verdict' = 'found' and p #>> '{command,outcome}' in ('accepted', 'rejected', 'canceled', 'expired')
    and not engine.is_claimed(k, p -> 'command') then
    perform engine.apply_results(array[(p -> 'command') || jsonb_build_object('id', k.id)]);
    return 'found';
  elsif p ->> 'verdict' = 'absent' then
    select engine.may_resend(k, d, a) into v_why
    from public.deliveries d join public.broker_accounts a on a.id = d.account_id where d.id = k.delivery_id;
    if v_why = 'yes' then
      perform engine.send_again(k);
      return 'resend';
    elsif v_why <> 'too_early' then
      perform engine.apply_results(array[jsonb_build_object(
        'id', k.id, 'outcome', 'expired', 'reason', 'never_arrived', 'why', v_why
      )]);
      return v_why;
    end if;
  end if;
  update engine.commands
  set check_at = greatest(
    clock_timestamp() + make_interval(secs => coalesce((p ->> 'next_ms')::integer, 1000) / 1000.0),
    case when v_why = 'too_early'
      then send_deadline + make_interval(secs => coalesce(request_timeout_ms, 5000) / 1000.0) end
  ) where id = k.id;
  return null;
end
$$;
comment on function engine.judge(engine.commands, jsonb) is
'What a lookup means for an unknown command: recorded, written again, or ended; null = asked again later.';
alter function engine.judge(engine.commands, jsonb) owner to empire_engine;

create function engine.is_unanchored(p_delivery bigint) returns boolean
language sql stable set search_path = '' as $$
  select exists (
    select 1 from engine.commands k join public.orders o on o.id = k.order_id
    where k.delivery_id = p_delivery and k.kind = 'place' and k.is_entry and k.state = 'accepted' and o.filled_qty > 0 and (
      k.request #>> '{sl,mode}' not in ('price', 'none') or k.request #>> '{tp,mode}' not in ('price', 'none')
    )
  ) and not exists (
    select 1 from engine.commands c where c.delivery_id = p_delivery and c.kind in ('protect', 'modify')
  )
$$;
comment on function engine.is_unanchored(bigint) is
'Whether a delivery has a filled entry whose stop or target is a distance, and nothing has measured it from the '
'fill yet.';
alter function engine.is_unanchored(bigint) owner to empire_engine;

create function engine.conclude(p_delivery bigint) returns bigint []
language plpgsql set search_path = '' as $$
declare
  c record;
begin
  select count(*) filter (where k.state in ('unknown', 'submitting')) as unknown,
    count(*) filter (where k.state = 'pending') as pending, count(*) filter (where k.state = 'accepted') as accepted,
    -- An adjustment that failed leaves what its entry was sent with.
    (array_agg(k.reason order by k.leg) filter (where k.state = 'rejected' and not a.adjusts))[1] as rejected,
    (array_agg(k.reason order by k.leg) filter (where k.state in ('expired', 'canceled') and not a.adjusts))[1] as expired
  into c from engine.commands k
  cross join lateral (select coalesce((k.request ->> 'adjusts')::boolean, false) as adjusts) a
  where k.delivery_id = p_delivery;
  if c.unknown > 0 or not exists (select 1 from engine.queue q where q.id = p_delivery and q.state = 'unsettled') then
    return '{}';
  elsif c.pending > 0 or engine.is_unanchored(p_delivery)
    or exists (select 1 from public.deliveries d where d.id = p_delivery and d.action = 'flatten') then
    -- It stands in its lane again, in front of what arrived later and is not claimed yet. A flatten looks again at
    -- what the account holds now: flat is never concluded from answers.
    update engine.queue q set state = 'waiting', held_since = null
    from engine.queue mine
    where mine.id = p_delivery and q.account_id = mine.account_id and q.lane = mine.lane and q.id >= mine.id
      and q.state in ('ready', 'unsettled') and (q.id = mine.id or q.state = 'ready');
    update public.deliveries set outcome = null, status = 'queued' where id = p_delivery;
    perform engine.promote(array(select d.account_id from public.deliveries d where d.id = p_delivery));
    return '{}';
  end if;
  return (engine.finish(array[jsonb_build_object('delivery_id', p_delivery, 'finish', case
    when c.rejected is not null then jsonb_build_object('outcome', 'rejected', 'reason', c.rejected)
    when c.expired is not null then jsonb_build_object('outcome', 'denied', 'reason', c.expired)
    when c.accepted > 0 then '{"outcome": "executed"}'
    else '{"outcome": "denied", "reason": "never_arrived"}'
  end)])).events;
end
$$;
comment on function engine.conclude(bigint) is
'After a lookup: when nothing of the delivery is unknown any more it goes on with its next leg, or ends. Returns '
'events to be closed. A flatten always goes on.';
alter function engine.conclude(bigint) owner to empire_engine;

create function engine.settle_one(p jsonb, out answer jsonb, out events bigint [])
language plpgsql set search_path = '' as $$
declare
  k engine.commands;
  v_how text;
begin
  answer := jsonb_build_object('command_id', p -> 'command_id', 'settled', false);
  events := '{}';
  select c.* into k from engine.commands c
  where c.id = (p ->> 'command_id')::bigint and c.state = 'unknown' and c.checker = (p ->> 'checker')::bigint for update;
  if not found then
    return;
  end if;
  v_how := engine.judge(k, p);
  update public.deliveries
  set trace = trace || coalesce(nullif(p -> 'trace', 'null'), '[]') || case
    when v_how is null or v_how = 'found' then '[]'
    else jsonb_build_array(jsonb_build_object(
      'stage', 'settle', 'outcome', v_how, 'ms', 0, 'detail', jsonb_build_object('leg', k.leg)
    )) end
  where id = k.delivery_id and (v_how is not null or jsonb_array_length(trace) < 60);
  if v_how is null then
    return;
  end if;
  -- Legs that wait for the fill of a leg which will not fill are never sent.
  perform engine.cancel_waiting_legs(k.id);
  events := engine.conclude(k.delivery_id);
  answer := jsonb_build_object('command_id', k.id, 'settled', true);
end
$$;
comment on function engine.settle_one(jsonb) is
'What a lookup told about one unknown command. The caller holds the accounts.';
alter function engine.settle_one(jsonb) owner to empire_engine;

create function engine.cancel_waiting_legs(p_command bigint) returns void
language sql set search_path = '' as $$
  select engine.apply_results(array_agg(jsonb_build_object('id', w.id, 'outcome', 'canceled', 'reason', 'leg_not_filled')))
  from engine.commands k join engine.commands w on w.delivery_id = k.delivery_id and w.leg > k.leg
  where k.id = p_command and k.kind in ('place', 'close') and k.state in ('rejected', 'canceled', 'expired')
    and w.after_fill and w.state = 'pending'
  having count(*) > 0
$$;
comment on function engine.cancel_waiting_legs(bigint) is
'Ends the legs behind an order that will not fill.';
alter function engine.cancel_waiting_legs(bigint) owner to empire_engine;

create function engine.settle(p_results jsonb) returns jsonb
language plpgsql security definer
set search_path = '' set plan_cache_mode = force_generic_plan
set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off as $$
declare
  v_answer jsonb := '[]';
  v_events bigint [] := '{}';
  v_one record;
  p jsonb;
begin
  perform engine.lock_accounts(array(
    select c.delivery_id from jsonb_array_elements(p_results) x
    join engine.commands c on c.id = (x ->> 'command_id')::bigint
  ));
  for p in select x from jsonb_array_elements(p_results) x order by (x ->> 'command_id')::bigint loop
    v_one := engine.settle_one(p);
    v_answer := v_answer || jsonb_build_array(v_one.answer);
    v_events := v_events || v_one.events;
  end loop;
  perform engine.close_events(v_events);
  return v_answer;
end
$$;
comment on function engine.settle(jsonb) is 'Settles unknown commands by what the broker said when asked.';
alter function engine.settle(jsonb) owner to empire_engine;
revoke all on function engine.settle(jsonb) from public;
grant execute on function engine.settle(jsonb) to empire_worker;
