-- The relay: what happened goes out, in order per account, at least once. It claims rows by a lease with a token, tells
-- the trader, hands them to every other sink, and deletes what all of them have.
do $$
declare
  r text;
begin
  foreach r in array array['empire_relay', 'empire_maintenance'] loop
    if not exists (select 1 from pg_catalog.pg_roles where rolname = r) then
      execute pg_catalog.format('create role %I nologin noinherit', r);
    end if;
  end loop;
end
$$;
grant usage on schema engine to empire_relay, empire_maintenance;
alter role empire_relay set statement_timeout = '10s';
alter role empire_relay set idle_in_transaction_session_timeout = '10s';
alter role empire_maintenance set statement_timeout = '10s';
alter role empire_maintenance set idle_in_transaction_session_timeout = '10s';

create function engine.delivery_context(p_delivery bigint) returns jsonb
language plpgsql stable set search_path = '' as $$
begin
  return (
    select jsonb_build_object(
      'account', coalesce(a.label, a.account_id), 'broker', engine.name_of(a.broker), 'currency', a.currency,
      'dry_run', d.dry_run, 'side', d.side, 'orders', (
        select coalesce(jsonb_agg(jsonb_build_object(
          'kind', o.kind, 'reduce_only', o.reduce_only, 'side', o.side, 'symbol', o.symbol, 'type', o.type, 'status', o.status,
          'qty', o.qty::text, 'filled_qty', o.filled_qty::text, 'price', coalesce(o.price, o.stop_price)::text,
          'avg_price', o.avg_price::text, 'stop_loss', o.stop_loss::text, 'take_profit', o.take_profit::text,
          'reason_text', o.reason_text
        ) order by o.leg), '[]') from public.orders o where o.delivery_id = d.id
      )
    )
    from public.deliveries d join public.broker_accounts a on a.id = d.account_id where d.id = p_delivery
  );
end
$$;
comment on function engine.delivery_context(bigint) is
'What a sentence about a delivery needs beside its outbox row: the account as its owner calls it, and the orders.';
alter function engine.delivery_context(bigint) owner to empire_engine;

create function engine.claim_outbox(p_worker text, p_limit integer, p_lease_ms integer) returns setof jsonb
language plpgsql security definer set search_path = '' as $$
declare
  v_token constant bigint := engine.new_token();
begin
  -- Two at the same moment could take an account's rows out of order: one after the other, each sees the other's leases.
  if not pg_try_advisory_xact_lock(hashtextextended('engine.claim_outbox', 0)) then
    return;
  end if;
  perform set_config('synchronous_commit', 'off', true);
  with due as (
    select o.id from engine.outbox o
    where (o.lease_until is null or o.lease_until < clock_timestamp()) and (
      select true from engine.outbox h
      where h.token is not null and h.account_id = o.account_id and h.lease_until >= clock_timestamp() limit 1
    ) is null
    order by o.id limit p_limit
  )
  update engine.outbox o
  set token = v_token, worker = p_worker, lease_until = clock_timestamp() + make_interval(secs => p_lease_ms / 1000.0)
  from due where o.id = due.id;
  return query
    select jsonb_build_object(
      'id', o.id, 'token', o.token, 'account_id', o.account_id, 'user_id', o.user_id, 'subject', o.subject, 'body', o.body,
      'created_at', o.created_at, 'told', o.told,
      'context', case when o.subject like 'empire.delivery.%' and not o.told
        then engine.delivery_context((o.body ->> 'delivery_id')::bigint) end
    )
    from engine.outbox o where o.token = v_token order by o.id;
end
$$;
comment on function engine.claim_outbox(text, integer, integer) is
'The oldest rows for the outside, for one relay at a time; of an account a batch is under way it hands out nothing.';
alter function engine.claim_outbox(text, integer, integer) owner to empire_engine;
revoke all on function engine.claim_outbox(text, integer, integer) from public;
grant execute on function engine.claim_outbox(text, integer, integer) to empire_relay;

create function engine.tell_outbox(p_token bigint, p_told jsonb) returns integer
language plpgsql security definer set search_path = '' as $$
declare
  v_mine bigint [];
begin
  -- Under a lease that ran out nothing is told: another relay has it by now, or will.
  with mine as (
    update engine.outbox o set told = true
    from jsonb_array_elements(p_told) t
    where o.id = (t ->> 'id')::bigint and o.token = p_token and o.lease_until > clock_timestamp() and not o.told
    returning o.id
  )
  select coalesce(array_agg(m.id), '{}') into v_mine from mine m;
  perform engine.note(o.user_id, (t #>> '{line,level}')::public.log_level, t #>> '{line,type}', t ->> 'message',
    jsonb_strip_nulls(jsonb_build_object('account_id', o.account_id, 'delivery_id', o.body -> 'delivery_id')),
    (t ->> 'event_id')::bigint)
  from jsonb_array_elements(p_told) with ordinality as x (t, nth) join engine.outbox o on o.id = (t ->> 'id')::bigint
  where o.id = any (v_mine) and jsonb_typeof(t -> 'line') = 'object' order by x.nth;
  insert into public.notifications (user_id, target_id, kind, target_name, event_class, event_key, event_id, message, due_at)
  select o.user_id, n.id, n.kind, n.name, c.class, t ->> 'key', (t ->> 'event_id')::bigint, t ->> 'message',
    case when engine.is_urgent(c.class) then clock_timestamp() else engine.after_quiet(n, clock_timestamp()) end
  from jsonb_array_elements(p_told) with ordinality as x (t, nth) join engine.outbox o on o.id = (t ->> 'id')::bigint
  cross join lateral (select (t ->> 'class')::public.notification_class as class) c
  join public.notification_targets n on n.user_id = o.user_id
  where o.id = any (v_mine) and n.enabled and n.verified_at is not null and c.class = any (n.classes)
  order by x.nth, n.id
  on conflict (target_id, event_key, event_class) do nothing;
  return cardinality(v_mine);
end
$$;
comment on function engine.tell_outbox(bigint, jsonb) is
'Lines for the logs, and messages for the targets that want their class, of rows held by this token; each row once. '
'Returns how many rows were told now.';
alter function engine.tell_outbox(bigint, jsonb) owner to empire_engine;
revoke all on function engine.tell_outbox(bigint, jsonb) from public;
grant execute on function engine.tell_outbox(bigint, jsonb) to empire_relay;

create function engine.outbox_delivered(p_token bigint, p_ids bigint []) returns integer
language plpgsql security definer set search_path = '' as $$
declare
  v_n integer;
begin
  delete from engine.outbox where id = any (p_ids) and token = p_token;
  get diagnostics v_n = row_count;
  return v_n;
end
$$;
comment on function engine.outbox_delivered(bigint, bigint []) is
'Every sink has these rows: they go. Those of another token stay. Returns how many went.';
alter function engine.outbox_delivered(bigint, bigint []) owner to empire_engine;
revoke all on function engine.outbox_delivered(bigint, bigint []) from public;
grant execute on function engine.outbox_delivered(bigint, bigint []) to empire_relay;

create function engine.relay_stats() returns jsonb
language plpgsql security definer stable set search_path = '' as $$
begin
  return jsonb_build_object(
    'outbox', (select count(*) from engine.outbox),
    'outbox_oldest_seconds', coalesce((
      select round(extract(epoch from clock_timestamp() - o.created_at), 3) from engine.outbox o order by o.id limit 1
    ), 0),
    'notifications_waiting', (select count(*) from public.notifications n where n.status = 'waiting'),
    'notifications_oldest_seconds', coalesce((
      select round(extract(epoch from clock_timestamp() - min(n.due_at)), 3) from public.notifications n
      where n.status = 'waiting' and n.due_at <= clock_timestamp()
    ), 0)
  );
end
$$;
comment on function engine.relay_stats() is 'What waits for the relay, and for how long.';
alter function engine.relay_stats() owner to empire_engine;
revoke all on function engine.relay_stats() from public;
grant execute on function engine.relay_stats() to empire_relay;
grant execute on function engine.worker_seen(text, text, jsonb) to empire_relay, empire_maintenance;
grant execute on function engine.rescue(integer) to empire_maintenance;
grant execute on function engine.end_entries(integer) to empire_maintenance;
grant execute on function engine.end_unreachable(integer) to empire_maintenance;
grant execute on function engine.housekeeping(integer) to empire_maintenance;
grant execute on function engine.invariant_rows() to empire_maintenance;
grant execute on function engine.stats() to empire_maintenance;
