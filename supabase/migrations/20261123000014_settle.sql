-- Recovery. A lease that ran out: pending = provably unsent, the next holder goes on; submitting = unknown, ask the broker.
create function engine.rescue(p_limit integer) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  c_attempts constant integer := 20;
  r record;
  v_rearmed integer := 0;
  v_unsettled integer := 0;
  v_ids bigint [];
begin
  v_ids := array(select q.id from engine.queue q where q.state = 'claimed' and q.lease_until < clock_timestamp() order by q.id limit p_limit);
  if v_ids = '{}' then
    return jsonb_build_object('rearmed', 0, 'unsettled', 0, 'promoted', engine.promote_hung_exits(p_limit));
  end if;
  perform engine.lock_accounts(v_ids);
  for r in
    select q.id, q.account_id, q.lane, d.attempts from engine.queue q join public.deliveries d on d.id = q.id
    where q.id = any (v_ids) and q.state = 'claimed' and q.lease_until < clock_timestamp() order by q.id for update of q
  loop
    insert into engine.counters as c (name, n) values ('lease_expired', 1) on conflict (name) do update set n = c.n + 1;
    update public.deliveries
    set attempts = attempts + 1, status = 'claimed', trace = trace || jsonb_build_array(jsonb_build_object(
      'stage', 'claim', 'outcome', 'lease_expired', 'ms', 0, 'detail', jsonb_build_object('attempt', attempts + 1)
    ))
    where id = r.id;
    if engine.make_unknown(r.id) > 0 then
      perform engine.finish(r.id, '{"finish": {"outcome": "unknown"}}');
      v_unsettled := v_unsettled + 1;
    elsif r.attempts >= c_attempts then
      insert into engine.dead_letters (delivery_id, error) values (r.id, format('its lease ran out %s times', r.attempts + 1));
      update engine.commands set state = 'canceled', reason = 'internal_error' where delivery_id = r.id and state = 'pending';
      update public.orders set status = 'canceled', reason = 'internal_error' where delivery_id = r.id and status = 'pending';
      perform engine.finish(r.id, '{"finish": {"outcome": "invalid", "reason": "internal_error"}}');
      update public.deliveries set status = 'dead' where id = r.id;
    else
      perform engine.give_back(r.id, 0);
      v_rearmed := v_rearmed + 1;
    end if;
  end loop;
  return jsonb_build_object('rearmed', v_rearmed, 'unsettled', v_unsettled, 'promoted', engine.promote_hung_exits(p_limit));
end
$$;
comment on function engine.rescue(integer) is 'Re-arms expired leases: unsent work is ready again, work that was being sent goes to the settler. Also promotes exits whose lane hangs.';

create function engine.promote_hung_exits(p_limit integer) returns integer
language plpgsql set search_path = '' as $$
declare
  r record;
  v_epoch bigint;
  v_ids bigint [];
  v_n integer := 0;
begin
  v_ids := array(
    select q.id from engine.queue q join public.deliveries d on d.id = q.id
    where q.state = 'waiting' and q.lane = 'normal' and q.is_exit and d.created_at < clock_timestamp() - interval '5 seconds'
      and exists (
        select 1 from engine.queue h where h.account_id = q.account_id and h.lane = 'normal' and h.state = 'claimed'
      )
    order by q.id limit p_limit
  );
  if v_ids = '{}' then
    return 0;
  end if;
  perform engine.lock_accounts(v_ids);
  for r in
    select q.id, q.account_id from engine.queue q where q.id = any (v_ids) and q.state = 'waiting' and q.lane = 'normal' order by q.id
  loop
    v_epoch := engine.halt(r.account_id, r.id);
    update engine.queue set lane = 'urgent' where id = r.id;
    update public.deliveries set lane = 'urgent' where id = r.id;
    -- What came after it is not old: it keeps its turn.
    update public.deliveries set halt_epoch = v_epoch
    where id in (select q.id from engine.queue q where q.account_id = r.account_id and q.id >= r.id);
    perform engine.promote(r.account_id, 'urgent');
    v_n := v_n + 1;
  end loop;
  return v_n;
end
$$;
comment on function engine.promote_hung_exits(integer) is 'An alert''s exit that has waited 5 s behind a hung head goes to the urgent lane, and nothing older may be sent any more.';
alter function engine.promote_hung_exits(integer) owner to empire_engine;
alter function engine.rescue(integer) owner to empire_engine;
revoke all on function engine.rescue(integer) from public;
grant execute on function engine.rescue(integer) to empire_worker;

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
    where x.account_id = d.account_id and x.id > d.id and x.action in ('close', 'cancel', 'flatten', 'reverse', 'target') and not x.dry_run
      and (x.symbol is null or engine.symbol_key(x.symbol) = engine.symbol_key(d.symbol))
  ) then
    return 'superseded';
  elsif k.sends >= 3 then
    return 'too_often';
  end if;
  return 'yes';
end
$$;
comment on function engine.may_resend(engine.commands, public.deliveries, public.broker_accounts) is 'Whether a command that provably never arrived may be sent again, and if not, why. Entries that a later exit covers are never sent again.';
alter function engine.may_resend(engine.commands, public.deliveries, public.broker_accounts) owner to empire_engine;

create function engine.claim_unsettled(p_worker text, p_executor text, p_limit integer, p_lease_ms integer) returns setof jsonb
language plpgsql security definer set search_path = '' as $$
declare
  v_checker constant bigint := nextval('engine.lease_token');
begin
  return query
    with due as (
      select c.id from engine.commands c
      join public.broker_accounts b on b.id = c.account_id join public.broker_connections n on n.id = b.connection_id
      where c.state = 'unknown' and c.check_at <= clock_timestamp() and n.executor = p_executor::public.executor
      order by c.id limit p_limit for update of c skip locked
    ), taken as (
      update engine.commands c
      set checker = v_checker, lookups = lookups + 1, check_at = clock_timestamp() + make_interval(secs => p_lease_ms / 1000.0)
      from due where c.id = due.id returning c.*
    )
    select jsonb_build_object(
      'command', jsonb_build_object(
        'id', k.id, 'delivery_id', k.delivery_id, 'leg', k.leg, 'kind', k.kind, 'order_id', k.order_id,
        'client_order_id', k.client_order_id, 'request', k.request, 'submitted_at', k.submitted_at,
        'send_deadline', k.send_deadline, 'lookups', k.lookups,
        'may_resend', engine.may_resend(k::engine.commands, d, a) = 'yes'
      ),
      'checker', v_checker, 'account', engine.account_json(a, n),
      'delivery', jsonb_build_object('id', d.id, 'event_id', d.event_id, 'action', d.action, 'symbol', d.symbol, 'attempts', d.attempts)
    )
    from (select t.id from taken t) t
    join engine.commands k on k.id = t.id
    join public.deliveries d on d.id = k.delivery_id
    join public.broker_accounts a on a.id = k.account_id
    join public.broker_connections n on n.id = a.connection_id
    order by k.id;
end
$$;
comment on function engine.claim_unsettled(text, text, integer, integer) is 'Unknown commands that are due to be asked about, each for one worker at a time.';
alter function engine.claim_unsettled(text, text, integer, integer) owner to empire_engine;
revoke all on function engine.claim_unsettled(text, text, integer, integer) from public;
grant execute on function engine.claim_unsettled(text, text, integer, integer) to empire_worker;

create function engine.requeue(d public.deliveries) returns void
language plpgsql set search_path = '' as $$
begin
  update engine.queue set state = 'waiting', token = null, worker = null, lease_until = null, run_at = '-infinity' where id = d.id;
  update public.deliveries set outcome = null, status = 'queued' where id = d.id;
  perform engine.promote(d.account_id, d.lane);
end
$$;
comment on function engine.requeue(public.deliveries) is 'A settled delivery with legs still to send stands in its lane again; its id puts it in front.';
alter function engine.requeue(public.deliveries) owner to empire_engine;

create function engine.conclude(d public.deliveries) returns void
language plpgsql set search_path = '' as $$
declare
  c record;
begin
  if not exists (select 1 from engine.queue q where q.id = d.id and q.state = 'unsettled') then
    return;
  end if;
  if exists (select 1 from engine.commands k where k.delivery_id = d.id and k.state in ('unknown', 'submitting')) then
    return;
  end if;
  select count(*) filter (where k.state = 'pending') as pending, count(*) filter (where k.state = 'accepted') as accepted,
    (array_agg(k.reason order by k.leg) filter (where k.state = 'rejected'))[1] as rejected,
    (array_agg(k.reason order by k.leg) filter (where k.state = 'expired'))[1] as expired
  into c from engine.commands k where k.delivery_id = d.id;
  if c.pending > 0 then
    perform engine.requeue(d);
  else
    perform engine.finish(d.id, jsonb_build_object('finish', case
      when c.accepted > 0 then '{"outcome": "executed"}'::jsonb
      when c.rejected is not null then jsonb_build_object('outcome', 'rejected', 'reason', c.rejected)
      else jsonb_build_object('outcome', 'denied', 'reason', coalesce(c.expired, 'never_arrived'))
    end));
  end if;
end
$$;
comment on function engine.conclude(public.deliveries) is 'After a lookup: when nothing of the delivery is unknown any more it goes on with its next leg, or ends.';
alter function engine.conclude(public.deliveries) owner to empire_engine;

create function engine.settle_one(p jsonb) returns jsonb
language plpgsql set search_path = '' as $$
declare
  k engine.commands;
  d public.deliveries;
  a public.broker_accounts;
  v_verdict text := p ->> 'verdict';
  v_why text;
begin
  select * into k from engine.commands
  where id = (p ->> 'command_id')::bigint and state = 'unknown' and checker = (p ->> 'checker')::bigint for update;
  if not found then
    return jsonb_build_object('command_id', p -> 'command_id', 'settled', false);
  end if;
  select * into d from public.deliveries where id = k.delivery_id;
  select * into a from public.broker_accounts where id = k.account_id;
  if v_verdict = 'found' then
    perform engine.apply_command(k, a, jsonb_build_object('id', k.id) || (p -> 'command'));
  elsif v_verdict = 'absent' then
    v_why := engine.may_resend(k, d, a);
    if v_why = 'too_early' then
      v_verdict := 'cannot_tell';
    elsif v_why = 'yes' then
      -- Absent by a lookup that is proof, and nobody can be sending it any more: as good as never sent.
      update engine.commands set state = 'pending', token = null, check_at = null where id = k.id;
      if k.kind in ('place', 'close') then
        update public.orders set status = 'pending' where id = k.order_id;
      end if;
    else
      perform engine.apply_command(k, a, jsonb_build_object('outcome', 'expired', 'reason', 'never_arrived', 'numbers', jsonb_build_object('why', v_why)));
    end if;
  end if;
  if v_verdict = 'cannot_tell' then
    update engine.commands
    set check_at = greatest(
      clock_timestamp() + make_interval(secs => coalesce((p ->> 'next_ms')::integer, 1000) / 1000.0),
      case when v_why = 'too_early' then send_deadline + make_interval(secs => coalesce(request_timeout_ms, 5000) / 1000.0) end
    ) where id = k.id;
  end if;
  update public.deliveries
  set trace = case when jsonb_array_length(trace) < 60 then trace || coalesce(nullif(p -> 'trace', 'null'), '[]')
    || case when v_why is not null then jsonb_build_array(jsonb_build_object(
      'stage', 'settle', 'outcome', case when v_why = 'yes' then 'resend' else v_why end, 'ms', 0, 'detail', jsonb_build_object('leg', k.leg)
    )) else '[]' end else trace end
  where id = d.id returning * into d;
  -- A leg that came out otherwise than filled ends the legs that wait for its fill.
  if v_verdict <> 'cannot_tell' then
    perform engine.cancel_waiting_legs(k);
    perform engine.conclude(d);
  end if;
  return jsonb_build_object('command_id', k.id, 'settled', v_verdict <> 'cannot_tell');
end
$$;
comment on function engine.settle_one(jsonb) is 'What a lookup told about one unknown command: recorded, sent again through the queue, expired, or asked again later.';

create function engine.cancel_waiting_legs(k engine.commands) returns void
language plpgsql set search_path = '' as $$
declare
  x engine.commands;
  a public.broker_accounts;
begin
  if exists (select 1 from engine.commands c where c.id = k.id and c.state in ('accepted', 'pending')) then
    return;
  end if;
  select * into a from public.broker_accounts where id = k.account_id;
  for x in
    select c.* from engine.commands c where c.delivery_id = k.delivery_id and c.leg > k.leg and c.after_fill and c.state = 'pending'
  loop
    perform engine.apply_command(x, a, '{"outcome": "canceled", "reason": "leg_not_filled"}');
  end loop;
end
$$;
comment on function engine.cancel_waiting_legs(engine.commands) is 'Legs that wait for the fill of a leg which will not fill are never sent.';
alter function engine.cancel_waiting_legs(engine.commands) owner to empire_engine;
alter function engine.settle_one(jsonb) owner to empire_engine;

create function engine.settle(p_results jsonb) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  v_answer jsonb := '[]';
  p jsonb;
begin
  perform 1 from engine.scope_counters s
  where s.id in (
    select i::bigint from jsonb_array_elements(p_results) x
    join engine.commands c on c.id = (x ->> 'command_id')::bigint
    join engine.commands c2 on c2.delivery_id = c.delivery_id, jsonb_array_elements_text(c2.reserved) i
  )
  order by (s.account_id is not null), (s.broker is not null), s.user_id, s.broker, s.account_id, s.trading_day for update;
  perform engine.lock_accounts(array(
    select c.delivery_id from engine.commands c join jsonb_array_elements(p_results) x on c.id = (x ->> 'command_id')::bigint
  ));
  for p in select x from jsonb_array_elements(p_results) x order by (x ->> 'command_id')::bigint loop
    v_answer := v_answer || jsonb_build_array(engine.settle_one(p));
  end loop;
  return v_answer;
end
$$;
comment on function engine.settle(jsonb) is 'Settles unknown commands by what the broker said when asked.';
alter function engine.settle(jsonb) owner to empire_engine;
revoke all on function engine.settle(jsonb) from public;
grant execute on function engine.settle(jsonb) to empire_worker;
