-- The relay: what happened goes out, in order per account, at least once. It claims rows by a lease with a token, tells
-- the trader, hands them to every other sink, and deletes what all of them have (with one sink: in one commit).
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

create function engine.outbox_rows(p_ids bigint [], p_token bigint) returns setof json
language plpgsql stable set search_path = '' as $$
begin
  return query
    select json_build_object(
      'id', o.id, 'token', p_token, 'account_id', o.account_id, 'user_id', o.user_id, 'subject', o.subject, 'body', o.body,
      'created_at', o.created_at, 'told', o.told,
      -- Of a delivery its account as the owner calls it, and its orders, as far as a sentence about it needs them.
      'context', case when d.id is not null then json_build_object(
        'account', coalesce(a.label, a.account_id), 'broker', engine.name_of(a.broker), 'currency', a.currency,
        'dry_run', d.dry_run, 'side', d.side, 'orders', (
          select coalesce(json_agg(json_build_object(
            'kind', w.kind, 'reduce_only', w.reduce_only, 'side', w.side, 'symbol', w.symbol, 'type', w.type, 'status', w.status,
            'qty', w.qty::text, 'filled_qty', w.filled_qty::text, 'price', coalesce(w.price, w.stop_price)::text,
            'avg_price', w.avg_price::text, 'stop_loss', w.stop_loss::text, 'take_profit', w.take_profit::text,
            'reason_text', w.reason_text
          ) order by w.leg), '[]') from public.orders w where w.delivery_id = d.id
        )
      ) end
    )
    from engine.outbox o
    left join public.deliveries d
      on o.subject like 'empire.delivery.%' and not o.told and d.id = (o.body ->> 'delivery_id')::bigint
    left join public.broker_accounts a on a.id = d.account_id
    where o.id = any (p_ids)
    order by o.id;
end
$$;
comment on function engine.outbox_rows(bigint [], bigint) is
'Rows of the outbox as a relay gets them, each with what a sentence about it needs.';
alter function engine.outbox_rows(bigint [], bigint) owner to empire_engine;

create function engine.claim_outbox(p_worker text, p_limit integer, p_lease_ms integer) returns setof json
language plpgsql security definer
set search_path = '' set plan_cache_mode = force_generic_plan
set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off as $$
declare
  v_token constant bigint := engine.new_token();
  v_held bigint [];
  v_busy uuid [];
  v_ids bigint [];
  v_accounts uuid [];
begin
  -- Asked four times a second: mostly there is nothing, and nothing is written.
  if (select true from engine.outbox o limit 1) is null then
    return;
  end if;
  -- Two at the same moment could take an account's rows out of order: one after the other, each sees the other's claim.
  if not pg_try_advisory_xact_lock(hashtextextended('engine.claim_outbox', 0)) then
    return;
  end if;
  perform set_config('synchronous_commit', 'off', true);
  delete from engine.outbox_claims c where c.lease_until < clock_timestamp();
  v_held := array(select unnest(c.ids) from engine.outbox_claims c);
  v_busy := array(select unnest(c.accounts) from engine.outbox_claims c);
  select array_agg(x.id), coalesce(array_agg(distinct x.account_id) filter (where x.account_id is not null), '{}')
  into v_ids, v_accounts from (
    select o.id, o.account_id from engine.outbox o
    where o.id <> all (v_held) and (o.account_id <> all (v_busy)) is not false
    order by o.id limit p_limit
  ) x;
  if v_ids is not null then
    insert into engine.outbox_claims (token, worker, lease_until, ids, accounts)
    values (v_token, p_worker, clock_timestamp() + make_interval(secs => p_lease_ms / 1000.0), v_ids, v_accounts);
    return query select engine.outbox_rows(v_ids, v_token);
  end if;
end
$$;
comment on function engine.claim_outbox(text, integer, integer) is
'The oldest rows for the outside, for one relay at a time; of an account a batch is under way it hands out nothing.';
alter function engine.claim_outbox(text, integer, integer) owner to empire_engine;
revoke all on function engine.claim_outbox(text, integer, integer) from public;
grant execute on function engine.claim_outbox(text, integer, integer) to empire_relay;

create function engine.write_told(p_told jsonb, p_ids bigint []) returns void
language plpgsql set search_path = '' as $$
begin
  -- All lines of a batch in one statement, so that they are told live once. They come from the outbox: of their types none
  -- may go out again, which is why this need not be engine.note.
  insert into public.logs (user_id, level, type, message, details, correlation_id)
  select o.user_id, (t #>> '{line,level}')::public.log_level, t #>> '{line,type}', left(t ->> 'message', 1000),
    jsonb_strip_nulls(jsonb_build_object('account_id', o.account_id, 'delivery_id', o.body -> 'delivery_id')),
    (t ->> 'event_id')::bigint
  from jsonb_array_elements(p_told) with ordinality as x (t, nth)
  -- Each row by its own look-up, here and below: joined, every one of a batch would be compared with every other.
  cross join lateral (select w.* from engine.outbox w where w.id = (t ->> 'id')::bigint limit 1) o
  where o.id = any (p_ids) and jsonb_typeof(t -> 'line') = 'object' order by x.nth;
  insert into public.notifications (user_id, target_id, kind, target_name, event_class, event_key, event_id, message, due_at)
  select o.user_id, n.id, n.kind, n.name, c.class, t ->> 'key', (t ->> 'event_id')::bigint, t ->> 'message',
    case when engine.is_urgent(c.class) then clock_timestamp() else engine.after_quiet(n, clock_timestamp()) end
  from jsonb_array_elements(p_told) with ordinality as x (t, nth)
  cross join lateral (select w.id, w.user_id from engine.outbox w where w.id = (t ->> 'id')::bigint limit 1) o
  cross join lateral (select (t ->> 'class')::public.notification_class as class) c
  join public.notification_targets n on n.user_id = o.user_id
  where o.id = any (p_ids) and n.enabled and n.verified_at is not null and c.class = any (n.classes)
  order by x.nth, n.id
  on conflict (target_id, event_key, event_class) do nothing;
end
$$;
comment on function engine.write_told(jsonb, bigint []) is
'Lines for the logs, and messages for the targets that want their class, of these rows of the outbox.';
alter function engine.write_told(jsonb, bigint []) owner to empire_engine;

create function engine.tell_outbox(p_token bigint, p_told jsonb, p_last boolean) returns integer
language plpgsql security definer
set search_path = '' set plan_cache_mode = force_generic_plan
set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off as $$
declare
  v_held bigint [];
  v_mine bigint [];
begin
  select c.ids into v_held from engine.outbox_claims c
  where c.token = p_token and c.lease_until > clock_timestamp() for update;
  if v_held is null then
    -- Under a lease that ran out nothing is told: another relay has it by now, or will.
    return 0;
  end if;
  v_mine := array(
    select o.id from jsonb_array_elements(p_told) t
    cross join lateral (select w.id, w.told from engine.outbox w where w.id = (t ->> 'id')::bigint limit 1) o
    where o.id = any (v_held) and not o.told
  );
  if v_mine <> '{}' then
    perform engine.write_told(p_told, v_mine);
  end if;
  if p_last then
    perform engine.outbox_delivered(p_token, v_held);
  elsif v_mine <> '{}' then
    update engine.outbox set told = true where id = any (v_mine);
  end if;
  return cardinality(v_mine);
end
$$;
comment on function engine.tell_outbox(bigint, jsonb, boolean) is
'Tells traders of rows held by this token, each row once: lines for their logs, messages for their targets. p_last = no '
'other sink wants the rows: they go in the same commit. Returns how many rows were told now.';
alter function engine.tell_outbox(bigint, jsonb, boolean) owner to empire_engine;
revoke all on function engine.tell_outbox(bigint, jsonb, boolean) from public;
grant execute on function engine.tell_outbox(bigint, jsonb, boolean) to empire_relay;

create function engine.outbox_delivered(p_token bigint, p_ids bigint []) returns integer
language plpgsql security definer
set search_path = '' set plan_cache_mode = force_generic_plan set enable_seqscan = off as $$
declare
  v_held bigint [];
  v_n integer;
begin
  -- A lease that ran out may still hand in what was delivered under it, as long as nobody else has the rows.
  delete from engine.outbox_claims c where c.token = p_token returning c.ids into v_held;
  delete from engine.outbox o where o.id = any (p_ids) and o.id = any (v_held);
  get diagnostics v_n = row_count;
  return v_n;
end
$$;
comment on function engine.outbox_delivered(bigint, bigint []) is
'Every sink has these rows: they go, and the claim ends. Rows of another token stay. Returns how many went.';
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
