-- What a worker may do for a drill: make synthetic traders and act for them, for nobody else.
create function engine.claim_drill(p_worker text, p_lease_ms integer) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  c_tries constant integer := 3;
  v_token constant bigint := engine.new_token();
  r public.drill_runs;
begin
  for r in
    update public.drill_runs d set status = 'failed', error = 'It was begun three times and never ended.', finished_at = clock_timestamp()
    where d.status = 'running' and d.lease_until < clock_timestamp() and d.attempts >= c_tries returning d.*
  loop
    perform engine.rest_twins(r.id);
  end loop;
  select d.* into r from public.drill_runs d
  where d.status = 'waiting' or (d.status = 'running' and d.lease_until < clock_timestamp())
  order by d.id limit 1 for update skip locked;
  if not found then
    return null;
  end if;
  update public.drill_runs d
  set status = 'running', token = v_token, attempts = attempts + 1,
    lease_until = clock_timestamp() + make_interval(secs => p_lease_ms / 1000.0)
  where d.id = r.id;
  return (
    select jsonb_build_object(
      -- What an attempt before this one could not close any more: this one does, before it begins.
      'left', (
        select coalesce(jsonb_agg(b.id order by b.id), '[]')
        from engine.drill_twins t join public.broker_accounts b on b.user_id = t.user_id
        where t.run_id = r.id and (
          exists (select 1 from public.positions p where p.account_id = b.id and p.closed_at is null)
          or exists (
            select 1 from public.orders o where o.account_id = b.id
            and o.status in ('pending', 'submitting', 'working', 'partially_filled', 'unknown')
          )
        )
      ),
      'id', r.id, 'token', v_token, 'broker', a.broker, 'environment', c.environment, 'server', c.server,
      'margin_mode', a.margin_mode, 'initial_balance', coalesce(a.initial_balance, a.equity, a.balance),
      'limits', (
        select coalesce(jsonb_agg(jsonb_build_object('scope', s.scope, 'rule', s.rule, 'settings', s.settings) order by s.rule, s.scope), '[]')
        from public.drill_status s where s.account_id = a.id and (r.rule is null or s.rule = r.rule)
      )
    )
    from public.broker_accounts a join public.broker_connections c on c.id = a.connection_id where a.id = r.account_id
  );
end
$$;
comment on function engine.claim_drill(text, integer) is
'The next drill that was asked for, leased to one worker: the account''s broker and its limits in force. Null = there is none.';

create function engine.rest_twins(p_run bigint) returns void
language plpgsql set search_path = '' as $$
begin
  update public.broker_accounts a set trading_enabled = false
  from engine.drill_twins t where t.run_id = p_run and a.user_id = t.user_id and a.trading_enabled;
  update public.broker_connections c set status = 'disabled'
  from engine.drill_twins t where t.run_id = p_run and c.id = t.connection_id and c.status <> 'disabled';
end
$$;
comment on function engine.rest_twins(bigint) is 'A drill''s synthetic accounts trade no more and are read no more.';
alter function engine.rest_twins(bigint) owner to empire_engine;
alter function engine.claim_drill(text, integer) owner to empire_engine;

create function engine.holds_drill(p_run bigint, p_token bigint) returns boolean
language plpgsql set search_path = '' as $$
begin
  update public.drill_runs d set lease_until = greatest(d.lease_until, clock_timestamp() + interval '30 seconds')
  where d.id = p_run and d.token = p_token and d.status = 'running' and d.lease_until > clock_timestamp();
  return found;
end
$$;
comment on function engine.holds_drill(bigint, bigint) is 'Whether a token is the live lease of a drill; it lives half a minute longer then.';
alter function engine.holds_drill(bigint, bigint) owner to empire_engine;

create function engine.twin_account(p_run bigint, p_token bigint, p_account uuid) returns public.broker_accounts
language plpgsql set search_path = '' as $$
declare
  a public.broker_accounts;
begin
  select b.* into a from public.broker_accounts b join engine.drill_twins t on t.user_id = b.user_id
  where b.id = p_account and t.run_id = p_run for no key update of b;
  if not found or not engine.holds_drill(p_run, p_token) then
    raise exception 'no account of a drill of this worker' using errcode = '42501';
  end if;
  return a;
end
$$;
comment on function engine.twin_account(bigint, bigint, uuid) is 'A synthetic account of a drill, locked; any other account is refused.';
alter function engine.twin_account(bigint, bigint, uuid) owner to empire_engine;

create function private.make_twin(p_run bigint, p jsonb) returns void
language plpgsql security definer set search_path = '' as $$
declare
  v_user constant uuid := (p ->> 'user_id')::uuid;
  v_connection constant uuid := (p ->> 'connection_id')::uuid;
  b jsonb;
begin
  if p ->> 'environment' <> 'simulated' then
    raise exception 'a drill is never on a real account' using errcode = '42501';
  end if;
  insert into public.profiles (id, name) values (v_user, 'Drill ' || p_run);
  insert into public.broker_connections (id, user_id, broker, environment, server, login_label, status, seal_version)
  values (v_connection, v_user, (p ->> 'broker')::public.broker, 'simulated', p ->> 'server', p ->> 'login',
    case when p ->> 'sealed' is null then 'connected' else 'new' end, 0);
  insert into engine.drill_twins (user_id, run_id, connection_id) values (v_user, p_run, v_connection);
  for b in select x from jsonb_array_elements(p -> 'books') x loop
    insert into public.broker_accounts (
      id, connection_id, user_id, broker, account_id, label, currency, reset_time, margin_mode, trading_enabled, balance, equity,
      as_of, freshness, last_sync
    ) values (
      -- Its day ends in half a day: a limit of the day that is drilled at midnight fires like at any other time.
      (b ->> 'id')::uuid, v_connection, v_user, (p ->> 'broker')::public.broker, 'D' || upper(left(b ->> 'id', 8)), 'drill', 'USD',
      date_trunc('minute', clock_timestamp() at time zone 'UTC' + interval '12 hours')::time,
      (b ->> 'margin_mode')::public.margin_mode, true, (b ->> 'balance')::numeric, (b ->> 'balance')::numeric, clock_timestamp(),
      'fresh', clock_timestamp()
    );
    insert into engine.paper_accounts (account_id, balance, currency, book)
    values ((b ->> 'id')::uuid, (b ->> 'balance')::numeric, 'USD', jsonb_build_object('terms', b -> 'terms'));
  end loop;
  if p ->> 'sealed' is not null then
    insert into public.credential_seals (connection_id, recipient, key_id, version, sealed)
    values (v_connection, 'fleet', p ->> 'key_id', 1, decode(p ->> 'sealed', 'hex'));
    update public.broker_connections set seal_version = 1 where id = v_connection;
    insert into engine.connection_checks (connection_id) values (v_connection);
  end if;
end
$$;
comment on function private.make_twin(bigint, jsonb) is 'engine.open_twin, which has checked who asks.';
revoke all on function private.make_twin(bigint, jsonb) from public, anon, authenticated, service_role;
grant execute on function private.make_twin(bigint, jsonb) to empire_engine;

create function private.put_twin_limits(a public.broker_accounts, p_rows jsonb) returns void
language plpgsql security definer set search_path = '' as $$
declare
  r public.risk_settings;
  x jsonb;
begin
  update public.risk_settings s set superseded_at = clock_timestamp() where s.user_id = a.user_id and s.superseded_at is null;
  for x in select e from jsonb_array_elements(p_rows) e loop
    r := jsonb_populate_record(null::public.risk_settings, x);
    insert into public.risk_settings (
      user_id, broker, account_id, max_daily_loss_usd, max_daily_loss_pct, max_trades_per_day, max_open_trades,
      max_concurrent_positions, max_order_qty, max_risk_per_trade_pct, max_price_deviation_pct, stop_required, allowed_symbols,
      rules, effective_from
    ) values (
      a.user_id, case x ->> 'scope' when 'broker' then a.broker end, case x ->> 'scope' when 'account' then a.id end,
      r.max_daily_loss_usd, r.max_daily_loss_pct, r.max_trades_per_day, r.max_open_trades, r.max_concurrent_positions,
      r.max_order_qty, r.max_risk_per_trade_pct, r.max_price_deviation_pct, coalesce(r.stop_required, false), r.allowed_symbols,
      coalesce(r.rules, '{}'), clock_timestamp()
    );
  end loop;
end
$$;
comment on function private.put_twin_limits(public.broker_accounts, jsonb) is
'Limits of a synthetic trader, as his account''s drill wants them; engine.arm_twin has checked whose it is.';
revoke all on function private.put_twin_limits(public.broker_accounts, jsonb) from public, anon, authenticated, service_role;
grant execute on function private.put_twin_limits(public.broker_accounts, jsonb) to empire_engine;

create function engine.open_twin(p_run bigint, p_token bigint, p_twin jsonb) returns boolean
language plpgsql security definer set search_path = '' as $$
begin
  if not engine.holds_drill(p_run, p_token) then
    return false;
  end if;
  perform private.make_twin(p_run, p_twin);
  return true;
end
$$;
comment on function engine.open_twin(bigint, bigint, jsonb) is
'Makes a synthetic trader for a drill with a login at a simulated broker: books of our own with their terms, or a sealed login '
'that is checked like every other. False = the lease is over.';
alter function engine.open_twin(bigint, bigint, jsonb) owner to empire_engine;

create function engine.twin_accounts(p_run bigint, p_token bigint, p_connection uuid) returns jsonb
language plpgsql security definer set search_path = '' as $$
begin
  if not engine.holds_drill(p_run, p_token) then
    return null;
  end if;
  return (
    select jsonb_build_object('status', c.status, 'error', c.last_error, 'accounts', (
      select coalesce(jsonb_agg(engine.account_json(a, c) order by a.account_id), '[]')
      from public.broker_accounts a where a.connection_id = c.id
    ))
    from engine.drill_twins t join public.broker_connections c on c.id = t.connection_id
    where t.run_id = p_run and t.connection_id = p_connection
  );
end
$$;
comment on function engine.twin_accounts(bigint, bigint, uuid) is 'How a synthetic login stands, and the accounts it has.';
alter function engine.twin_accounts(bigint, bigint, uuid) owner to empire_engine;

create function engine.arm_twin(p_run bigint, p_token bigint, p_account uuid, p_values jsonb) returns void
language plpgsql security definer set search_path = '' as $$
declare
  a constant public.broker_accounts := engine.twin_account(p_run, p_token, p_account);
begin
  update public.broker_accounts b
  set trading_enabled = true, timezone = coalesce(p_values ->> 'timezone', b.timezone),
    reset_time = coalesce((p_values ->> 'reset_time')::time, b.reset_time),
    initial_balance = coalesce((p_values ->> 'initial_balance')::numeric, b.initial_balance)
  where b.id = a.id;
  perform private.put_twin_limits(a, p_values -> 'limits');
  -- Read now: its day may have just begun. A read that is under way began before, and knows nothing of it.
  perform engine.wake_accounts(array[a.id]);
  if p_values -> 'terms' is not null then
    update engine.paper_accounts k set version = version + 1, book = book || jsonb_build_object('terms', p_values -> 'terms')
    where k.account_id = a.id;
  end if;
  if p_values ->> 'week_start' is not null then
    -- As if it had been there when the week began: a new account is not, and knows nothing of it.
    insert into engine.account_days (account_id, trading_day, began_at, ends_at, start_balance, start_equity, source)
    select a.id, w.first, engine.day_began(b.timezone, b.reset_time, w.first), engine.day_began(b.timezone, b.reset_time, w.first + 1),
      (p_values ->> 'week_start')::numeric, (p_values ->> 'week_start')::numeric, 'confirmed'
    from public.broker_accounts b
    cross join lateral (select engine.trading_day(b.timezone, b.reset_time, now()) as today) t
    cross join lateral (select t.today - extract(dow from t.today)::integer as first) w
    where b.id = a.id
    on conflict (account_id, trading_day) do nothing;
  end if;
  if p_values ->> 'trades_today' is not null then
    perform engine.lock_users(array[a.id]);
    update engine.scope_counters c set trades = (p_values ->> 'trades_today')::integer
    from engine.account_scopes s
    where s.account_id = a.id and c.user_id = s.user_id and c.scope = s.scope and c.trading_day = s.trading_day;
  end if;
end
$$;
comment on function engine.arm_twin(bigint, bigint, uuid, jsonb) is
'A synthetic account gets the limits to be drilled (rows as of risk_settings with their scope), its clocks, and the conditions '
'of its own book.';
alter function engine.arm_twin(bigint, bigint, uuid, jsonb) owner to empire_engine;

create function engine.twin_price(p_run bigint, p_token bigint, p_account uuid, p_symbol text, p_price numeric) returns void
language plpgsql security definer set search_path = '' as $$
declare
  a constant public.broker_accounts := engine.twin_account(p_run, p_token, p_account);
begin
  update engine.paper_accounts k
  set version = version + 1,
    book = book || jsonb_build_object('prices', coalesce(book -> 'prices', '{}') || jsonb_build_object(p_symbol, p_price))
  where k.account_id = a.id;
end
$$;
comment on function engine.twin_price(bigint, bigint, uuid, text, numeric) is 'The market of a synthetic account''s own book is here now.';
alter function engine.twin_price(bigint, bigint, uuid, text, numeric) owner to empire_engine;

create function engine.twin_intent(p_run bigint, p_token bigint, p_account uuid, p_intent jsonb, p_fired_at timestamptz) returns bigint
language plpgsql security definer set search_path = '' as $$
declare
  a constant public.broker_accounts := engine.twin_account(p_run, p_token, p_account);
  v_answer jsonb;
begin
  v_answer := engine.accept_intent(jsonb_build_object(
    'user_id', a.user_id, 'source', 'drill', 'accounts', jsonb_build_array(a.id), 'intent', p_intent,
    'idempotency_key', gen_random_uuid()
  ));
  if v_answer ->> 'http' <> '202' then
    raise exception '%', v_answer ->> 'message' using errcode = '22023';
  end if;
  if p_fired_at is not null then
    update public.webhook_events e set fired_at = p_fired_at where e.id = (v_answer ->> 'event_id')::bigint;
  end if;
  return (v_answer ->> 'event_id')::bigint;
end
$$;
comment on function engine.twin_intent(bigint, bigint, uuid, jsonb, timestamptz) is
'An alert of a drill to a synthetic account, by the same inbox and queue as every other. p_fired_at = as if it had fired then.';
alter function engine.twin_intent(bigint, bigint, uuid, jsonb, timestamptz) owner to empire_engine;

create function engine.twin_seen(p_run bigint, p_token bigint, p_account uuid, p_event bigint) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  a constant public.broker_accounts := engine.twin_account(p_run, p_token, p_account);
begin
  return jsonb_build_object(
    'now', clock_timestamp(), 'locked_until', a.locked_until, 'lock_reason', a.lock_reason, 'balance', a.balance,
    'equity', a.equity, 'as_of', a.as_of, 'freshness', a.freshness,
    'positions', (select count(*) from public.positions p where p.account_id = a.id and p.closed_at is null),
    'working', (
      select count(*) from public.orders o where o.account_id = a.id and o.status in
      ('pending', 'submitting', 'working', 'partially_filled', 'unknown')
    ),
    'waiting', (select count(*) from engine.queue q where q.account_id = a.id),
    'answer', (
      select jsonb_build_object('outcome', d.outcome, 'reason', d.reason, 'numbers', d.numbers)
      from public.deliveries d where d.event_id = p_event and d.account_id = a.id and d.status in ('done', 'dead')
    )
  );
end
$$;
comment on function engine.twin_seen(bigint, bigint, uuid, bigint) is
'What is known of a synthetic account now, and what became of an alert to it (null = not finished).';
alter function engine.twin_seen(bigint, bigint, uuid, bigint) owner to empire_engine;

create function engine.record_drill(p_run bigint, p_token bigint, p_result jsonb) returns boolean
language plpgsql security definer set search_path = '' as $$
begin
  if not engine.holds_drill(p_run, p_token) then
    return false;
  end if;
  insert into public.drills (run_id, user_id, account_id, scope, rule, settings, settings_hash, passed, told, numbers)
  select r.id, r.user_id, r.account_id, p_result ->> 'scope', p_result ->> 'rule', p_result -> 'settings',
    md5((p_result -> 'settings')::text), (p_result ->> 'passed')::boolean, left(p_result ->> 'told', 1000), p_result -> 'numbers'
  from public.drill_runs r where r.id = p_run;
  return true;
end
$$;
comment on function engine.record_drill(bigint, bigint, jsonb) is 'What one limit did. False = the lease is over.';
alter function engine.record_drill(bigint, bigint, jsonb) owner to empire_engine;

create function engine.finish_drill(p_run bigint, p_token bigint, p_error text) returns boolean
language plpgsql security definer set search_path = '' as $$
begin
  if not engine.holds_drill(p_run, p_token) then
    return false;
  end if;
  perform engine.rest_twins(p_run);
  update public.drill_runs r
  set status = case when p_error is null then 'done' else 'failed' end, error = left(p_error, 500), finished_at = clock_timestamp(),
    token = null, lease_until = null
  where r.id = p_run;
  perform engine.note(r.user_id, case when p_error is null and s.failed = 0 then 'info' else 'warning' end::public.log_level, 'drill',
    case when p_error is not null then format('The drill could not be finished: %s', left(p_error, 500))
      else format('%s of %s limits fired in the drill.', s.n - s.failed, s.n) end,
    jsonb_build_object('run_id', r.id, 'account_id', r.account_id, 'limits', s.n, 'failed', s.failed))
  from public.drill_runs r cross join lateral (
    select count(*) as n, count(*) filter (where not d.passed) as failed from public.drills d where d.run_id = r.id
  ) s where r.id = p_run;
  return true;
end
$$;
comment on function engine.finish_drill(bigint, bigint, text) is
'Ends a drill: its synthetic accounts rest, its owner reads how many limits fired. False = the lease is over.';
alter function engine.finish_drill(bigint, bigint, text) owner to empire_engine;

revoke all on function engine.claim_drill(text, integer) from public;
revoke all on function engine.open_twin(bigint, bigint, jsonb) from public;
revoke all on function engine.twin_accounts(bigint, bigint, uuid) from public;
revoke all on function engine.arm_twin(bigint, bigint, uuid, jsonb) from public;
revoke all on function engine.twin_price(bigint, bigint, uuid, text, numeric) from public;
revoke all on function engine.twin_intent(bigint, bigint, uuid, jsonb, timestamptz) from public;
revoke all on function engine.twin_seen(bigint, bigint, uuid, bigint) from public;
revoke all on function engine.record_drill(bigint, bigint, jsonb) from public;
revoke all on function engine.finish_drill(bigint, bigint, text) from public;
grant execute on function engine.claim_drill(text, integer) to empire_worker;
grant execute on function engine.open_twin(bigint, bigint, jsonb) to empire_worker;
grant execute on function engine.twin_accounts(bigint, bigint, uuid) to empire_worker;
grant execute on function engine.arm_twin(bigint, bigint, uuid, jsonb) to empire_worker;
grant execute on function engine.twin_price(bigint, bigint, uuid, text, numeric) to empire_worker;
grant execute on function engine.twin_intent(bigint, bigint, uuid, jsonb, timestamptz) to empire_worker;
grant execute on function engine.twin_seen(bigint, bigint, uuid, bigint) to empire_worker;
grant execute on function engine.record_drill(bigint, bigint, jsonb) to empire_worker;
grant execute on function engine.finish_drill(bigint, bigint, text) to empire_worker;
