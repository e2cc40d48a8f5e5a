-- From the door to the queue: one call, one transaction, one answer.
grant select, insert, update, delete on all tables in schema engine to empire_engine;
grant usage on all sequences in schema engine to empire_engine;
grant select on all tables in schema public to empire_engine;
grant insert, update on public.webhook_events, public.deliveries, public.orders, public.positions, public.logs to empire_engine;
grant update on public.profiles, public.broker_accounts, public.webhook_endpoints, public.health to empire_engine;
grant insert on public.fills, public.equity_history to empire_engine;
grant delete on public.webhook_events, public.deliveries, public.logs to empire_engine;
grant usage on all sequences in schema public to empire_engine;

create function engine.symbol_key(p_symbol text) returns text
language sql immutable set search_path = '' as $$
  select pg_catalog.upper(pg_catalog.regexp_replace(p_symbol, '^[^:]*:', ''))
$$;
comment on function engine.symbol_key(text) is 'A TradingView symbol without its exchange, upper case: what two alerts must share to mean the same thing.';
alter function engine.symbol_key(text) owner to empire_engine;

create function engine.trading_day(p_timezone text, p_reset time, p_at timestamptz) returns date
language sql stable set search_path = '' as $$
  select ((p_at at time zone p_timezone) - p_reset)::date
$$;
comment on function engine.trading_day(text, time, timestamptz) is 'The trading day a moment belongs to: days run from reset to reset in the account''s zone.';
alter function engine.trading_day(text, time, timestamptz) owner to empire_engine;

create function engine.is_exit(p_action public.action) returns boolean
language sql immutable set search_path = '' as $$
  select p_action in ('close', 'reduce', 'cancel', 'flatten')
$$;
comment on function engine.is_exit(public.action) is 'Actions that can only reduce exposure: never refused by limits, locks or age.';
alter function engine.is_exit(public.action) owner to empire_engine;

create function engine.promote(p_account uuid, p_lane public.lane) returns void
language plpgsql set search_path = '' as $$
begin
  -- Its own statement, so its snapshot is younger than the lock on the account row that the caller holds:
  -- in one statement with the delete it would miss a row enqueued in between, and the account would sleep.
  if exists (
    select 1 from engine.queue q
    where q.account_id = p_account and q.lane = p_lane and q.state in ('ready', 'claimed')
  ) then
    return;
  end if;
  update engine.queue set state = 'ready'
  where id = (
    select q.id from engine.queue q
    where q.account_id = p_account and q.lane = p_lane and q.state = 'waiting'
    order by q.id limit 1
  );
end
$$;
comment on function engine.promote(uuid, public.lane) is 'Makes the oldest waiting row of an account and lane its head, if it has none. The caller holds the account row.';
alter function engine.promote(uuid, public.lane) owner to empire_engine;

create function engine.close_event(p_event bigint) returns void
language sql set search_path = '' as $$
  update public.webhook_events
  set open_deliveries = open_deliveries - 1, processed = (open_deliveries <= 1)
  where id = p_event
$$;
comment on function engine.close_event(bigint) is 'One delivery of the event is finished.';
alter function engine.close_event(bigint) owner to empire_engine;

create function engine.supersede(
  p_account uuid, p_before bigint, p_actions public.action [], p_symbol text, p_endpoint uuid, p_tag text, p_side public.side
) returns integer
language plpgsql set search_path = '' as $$
declare
  v record;
  v_n integer := 0;
begin
  for v in
    delete from engine.queue q
    using public.deliveries d
    where d.id = q.id and q.account_id = p_account and q.id < p_before and q.state in ('waiting', 'ready')
      and d.action = any (p_actions)
      and (p_symbol is null or q.symbol = p_symbol)
      and (p_endpoint is null or q.endpoint_id = p_endpoint)
      and (p_tag is null or q.tag = p_tag)
      and (p_side is null or d.side is distinct from p_side)
      and not exists (select 1 from engine.commands c where c.delivery_id = q.id)
    returning q.id, q.lane, d.event_id
  loop
    update public.deliveries
    set status = 'done', outcome = 'skipped', reason = 'superseded', finished_at = clock_timestamp(),
      numbers = jsonb_build_object('by', p_before),
      trace = trace || jsonb_build_array(jsonb_build_object(
        'stage', 'ingest', 'outcome', 'superseded', 'ms', 0, 'detail', jsonb_build_object('by_delivery', p_before)
      ))
    where id = v.id;
    perform engine.close_event(v.event_id);
    v_n := v_n + 1;
  end loop;
  if v_n > 0 then
    perform engine.promote(p_account, 'normal');
    perform engine.promote(p_account, 'urgent');
  end if;
  return v_n;
end
$$;
comment on function engine.supersede(uuid, bigint, public.action [], text, uuid, text, public.side) is 'Ends deliveries that an exit makes pointless while they still wait. The caller holds the account row. Null = any.';
alter function engine.supersede(uuid, bigint, public.action [], text, uuid, text, public.side) owner to empire_engine;

create function engine.halt(p_account uuid, p_before bigint) returns bigint
language plpgsql set search_path = '' as $$
declare
  v_epoch bigint;
begin
  update public.broker_accounts set halt_epoch = halt_epoch + 1 where id = p_account returning halt_epoch into v_epoch;
  perform engine.supersede(
    p_account, p_before, array['open', 'add', 'reverse', 'target', 'modify', 'close', 'reduce', 'cancel']::public.action [],
    null, null, null, null
  );
  return v_epoch;
end
$$;
comment on function engine.halt(uuid, bigint) is 'Raises the account''s halt epoch and ends what waits before the given delivery: nothing older may be sent. The caller holds the account row.';
alter function engine.halt(uuid, bigint) owner to empire_engine;

create function engine.enqueue(
  p_event bigint, p_accounts uuid [], p_source public.event_source, p_action public.action, p_symbol text, p_side public.side,
  p_tag text, p_endpoint uuid, p_by_symbol boolean, p_expires_at timestamptz, p_dry_run boolean
) returns integer
language plpgsql set search_path = '' as $$
declare
  c_cap constant integer := 200;
  v record;
  v_delivery bigint;
  v_epoch bigint;
  v_exit constant boolean := engine.is_exit(p_action);
  v_key constant text := engine.symbol_key(p_symbol);
  v_endpoint uuid;
  v_waiting integer;
  -- Only people use the urgent lane here; alerts keep their order of arrival.
  v_lane constant public.lane := case
    when p_source in ('dashboard', 'cli', 'system') and p_action in ('flatten', 'close') and not p_dry_run then 'urgent' else 'normal'
  end;
  v_n integer := 0;
begin
  -- The account row is the lock under which "am I the head?" is asked and answered; ascending, as everywhere.
  for v in
    select a.id, a.user_id, a.margin_mode, a.halt_epoch, c.executor
    from public.broker_accounts a join public.broker_connections c on c.id = a.connection_id
    where a.id = any (p_accounts) order by a.id for no key update of a
  loop
    v_delivery := nextval('public.deliveries_id_seq');
    v_epoch := v.halt_epoch;
    if v_lane = 'urgent' then
      v_epoch := engine.halt(v.id, v_delivery);
    elsif p_action in ('close', 'cancel') and not p_dry_run then
      -- On a netting account there is one position a symbol, so the endpoint does not narrow the scope.
      v_endpoint := case when p_by_symbol or v.margin_mode = 'netting' then null else p_endpoint end;
      perform engine.supersede(
        v.id, v_delivery,
        case
          when p_action = 'cancel' or p_side is not null then array['open', 'add']::public.action []
          else array['open', 'add', 'reverse', 'target', 'modify', 'close', 'reduce', 'cancel']::public.action []
        end,
        v_key, v_endpoint, p_tag, case when p_action = 'close' then p_side end
      );
    end if;
    select count(*) into v_waiting from (
      select 1 from engine.queue q where q.account_id = v.id and q.lane = v_lane limit c_cap
    ) w;
    insert into public.deliveries (
      id, event_id, user_id, account_id, lane, action, symbol, side, tag, halt_epoch, expires_at, dry_run,
      status, outcome, reason, numbers, finished_at
    ) overriding system value values (
      v_delivery, p_event, v.user_id, v.id, v_lane, p_action, p_symbol, p_side, p_tag, v_epoch, p_expires_at, p_dry_run,
      case when v_waiting >= c_cap and not v_exit then 'done' else 'queued' end::public.delivery_status,
      case when v_waiting >= c_cap and not v_exit then 'denied' end::public.delivery_outcome,
      case when v_waiting >= c_cap and not v_exit then 'queue_full' end::public.reason,
      case when v_waiting >= c_cap and not v_exit then jsonb_build_object('value', v_waiting, 'limit', c_cap) end,
      case when v_waiting >= c_cap and not v_exit then clock_timestamp() end
    );
    if v_waiting >= c_cap and not v_exit then
      perform engine.close_event(p_event);
    else
      insert into engine.queue (id, account_id, user_id, executor, lane, state, is_exit, symbol, tag, endpoint_id)
      values (v_delivery, v.id, v.user_id, v.executor, v_lane,
        case when v_waiting > 0 and exists (
          select 1 from engine.queue q where q.account_id = v.id and q.lane = v_lane and q.state in ('ready', 'claimed')
        ) then 'waiting' else 'ready' end,
        v_exit, v_key, p_tag, p_endpoint);
    end if;
    v_n := v_n + 1;
  end loop;
  return v_n;
end
$$;
comment on function engine.enqueue(bigint, uuid [], public.event_source, public.action, text, public.side, text, uuid, boolean, timestamptz, boolean) is 'One delivery and one queue row per account, in the order of the account lock. Exits supersede what waits in their scope.';
alter function engine.enqueue(bigint, uuid [], public.event_source, public.action, text, public.side, text, uuid, boolean, timestamptz, boolean) owner to empire_engine;

create function engine.refuse(
  p_endpoint public.webhook_endpoints, p jsonb, p_http integer, p_reason public.reason, p_message text, p_details jsonb
) returns jsonb
language plpgsql set search_path = '' as $$
declare
  v_event bigint;
  v_n integer;
begin
  insert into engine.endpoint_counters as c (endpoint_id, window_start, kind, n)
  values (p_endpoint.id, date_trunc('hour', clock_timestamp()), 'refused', 1)
  on conflict (endpoint_id, kind, window_start) do update set n = c.n + 1
  returning n into v_n;
  -- A flood of bad bodies is counted, not kept.
  if v_n <= 100 then
    insert into public.webhook_events (
      user_id, source, broker, endpoint_id, body, payload, signature, signature_valid, processed, status, reason, details
    ) values (
      p_endpoint.user_id, 'tradingview', p_endpoint.broker, p_endpoint.id, p ->> 'body', nullif(p -> 'payload', 'null'),
      p ->> 'signature', (p ->> 'signature_valid')::boolean, true, 'refused', p_reason,
      jsonb_build_object('message', p_message, 'details', coalesce(p_details, '[]'))
    ) returning id into v_event;
  end if;
  return jsonb_strip_nulls(jsonb_build_object(
    'http', p_http, 'error', p_reason, 'message', p_message, 'details', p_details, 'event_id', v_event
  ));
end
$$;
comment on function engine.refuse(public.webhook_endpoints, jsonb, integer, public.reason, text, jsonb) is 'Keeps a refused body of an authenticated sender with its reason, and makes the answer.';
alter function engine.refuse(public.webhook_endpoints, jsonb, integer, public.reason, text, jsonb) owner to empire_engine;

create function engine.refusal_of_door(e public.webhook_endpoints, p jsonb) returns jsonb
language plpgsql stable set search_path = '' as $$
begin
  if (p ->> 'signature_valid')::boolean is false or (e.require_signature and (p ->> 'signature_valid')::boolean is not true) then
    return '{"http": 401, "error": "signature_invalid", "message": "This endpoint wants a valid X-Webhook-Signature header."}';
  end if;
  if e.allow_cidrs is not null then
    if p ->> 'client_ip' is null then
      return '{"http": 403, "error": "address_unknown", "message": "This endpoint allows listed addresses only and yours cannot be told."}';
    elsif not (p ->> 'client_ip')::inet <<= any (e.allow_cidrs) then
      return '{"http": 403, "error": "address_not_allowed", "message": "This endpoint does not accept alerts from your address."}';
    end if;
  end if;
  return null;
end
$$;
comment on function engine.refusal_of_door(public.webhook_endpoints, jsonb) is 'Signature and address rules of an endpoint; null = may come in.';
alter function engine.refusal_of_door(public.webhook_endpoints, jsonb) owner to empire_engine;

create function engine.targets(p_endpoint uuid, p_accounts jsonb, out accounts uuid [], out foreign_name text)
language plpgsql stable set search_path = '' as $$
begin
  select array_agg(a.id) into accounts
  from public.webhook_endpoint_accounts t join public.broker_accounts a on a.id = t.account_id
  where t.endpoint_id = p_endpoint;
  if jsonb_typeof(p_accounts) = 'array' then
    select n into foreign_name from jsonb_array_elements_text(p_accounts) n
    where not exists (
      select 1 from public.broker_accounts a
      where a.id = any (accounts) and n in (a.account_id, a.label, a.id::text)
    ) limit 1;
    select array_agg(a.id) into accounts from public.broker_accounts a
    where a.id = any (accounts) and exists (
      select 1 from jsonb_array_elements_text(p_accounts) n where n in (a.account_id, a.label, a.id::text)
    );
  end if;
end
$$;
comment on function engine.targets(uuid, jsonb) is 'The accounts an alert goes to: the endpoint''s, narrowed by the alert''s own list of numbers, labels or ids.';
alter function engine.targets(uuid, jsonb) owner to empire_engine;

create function engine.count_alert(e public.webhook_endpoints, p_entry boolean, out limited boolean, out retry_after integer)
language plpgsql set search_path = '' as $$
declare
  v_n integer;
begin
  limited := false;
  insert into engine.endpoint_counters as c (endpoint_id, window_start, kind, n)
  values (e.id, date_trunc('minute', clock_timestamp()), 'alerts', 1)
  on conflict (endpoint_id, kind, window_start) do update set n = c.n + 1
  returning n into v_n;
  -- Exits pass up to five times the limit: a flood of entries must not keep a position open.
  if v_n > e.alerts_per_minute * (case when p_entry then 1 else 5 end) then
    limited := true;
    retry_after := 60 - floor(extract(second from clock_timestamp()))::integer;
  elsif p_entry and e.max_entries_per_day is not null then
    insert into engine.endpoint_counters as c (endpoint_id, window_start, kind, n)
    values (e.id, date_trunc('day', clock_timestamp() at time zone 'UTC') at time zone 'UTC', 'entries', 1)
    on conflict (endpoint_id, kind, window_start) do update set n = c.n + 1
    returning n into v_n;
    limited := v_n > e.max_entries_per_day;
    retry_after := 86400 - floor(extract(epoch from (clock_timestamp() at time zone 'UTC')::time))::integer;
  end if;
end
$$;
comment on function engine.count_alert(public.webhook_endpoints, boolean) is 'Counts an alert against the endpoint''s limits a minute and a day.';
alter function engine.count_alert(public.webhook_endpoints, boolean) owner to empire_engine;

create function engine.ingest(p jsonb) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  c_unauthorized constant jsonb := '{"http": 401, "error": "unauthorized", "message": "This address is not valid (any more)."}';
  e public.webhook_endpoints;
  v_now constant timestamptz := clock_timestamp();
  v_intent constant jsonb := p #> '{payload,intent}';
  v_version constant integer := (p ->> 'token_version')::integer;
  v_action public.action;
  v_ts timestamptz;
  v_age numeric;
  v_expires timestamptz;
  v_entry boolean;
  v_key text;
  v_event bigint;
  v_seen record;
  v_target record;
  v_limit record;
  v_answer jsonb;
begin
  select w.* into e from public.webhook_endpoints w join public.profiles u on u.id = w.user_id and u.status = 'active'
  where w.id = (p ->> 'endpoint_id')::uuid and w.enabled
    and (w.token_version = v_version or (w.token_version = v_version + 1 and w.previous_valid_until > v_now));
  if not found then
    return c_unauthorized;
  end if;
  v_answer := engine.refusal_of_door(e, p);
  if v_answer is not null then
    return v_answer;
  end if;
  if jsonb_typeof(p -> 'refusal') = 'object' then
    return engine.refuse(e, p, (p #>> '{refusal,status}')::integer, 'invalid', 'The alert cannot be read.', p #> '{refusal,details}')
      || jsonb_build_object('error', coalesce(p #>> '{refusal,error}', 'invalid'));
  end if;
  if coalesce(p ->> 'broker', e.broker::text) <> e.broker::text
    or coalesce(v_intent ->> 'broker', e.broker::text) <> e.broker::text then
    return engine.refuse(e, p, 422, 'broker_mismatch', format('This endpoint belongs to %s.', e.broker),
      jsonb_build_array(jsonb_build_object('path', 'intent.broker', 'message', format('must be %s or absent', e.broker))));
  end if;

  v_action := coalesce(v_intent ->> 'action', 'open')::public.action;
  v_entry := not engine.is_exit(v_action);
  v_key := case when p #>> '{payload,id}' is not null then 'id:' || (p #>> '{payload,id}') else 'body:' || (p ->> 'body_sha256') end;
  -- A resend is answered before anything that could refuse it: what was accepted stays accepted.
  select d.event_id, d.body_sha256 into v_seen from engine.dedupe d
  where d.endpoint_id = e.id and d.key = v_key and d.expires_at > v_now;
  if found then
    return engine.answer_seen(e, p, v_key, v_seen.event_id, v_seen.body_sha256);
  end if;

  v_ts := (p #>> '{payload,ts}')::timestamptz;
  if v_ts > v_now + interval '60 seconds' then
    return engine.refuse(e, p, 422, 'ts_in_future', 'ts lies more than 60 seconds in the future.',
      jsonb_build_array(jsonb_build_object('path', 'ts', 'message', format('%s seconds ahead of our clock, at most 60', round(extract(epoch from v_ts - v_now))))));
  end if;
  if v_entry then
    v_expires := least(coalesce(v_ts, v_now), v_now) + make_interval(secs => e.max_age_s);
    if v_expires <= v_now then
      v_age := round(extract(epoch from v_now - v_ts));
      return engine.refuse(e, p, 409, 'stale',
        format('The alert is %s seconds old, this endpoint accepts %s.', v_age, e.max_age_s)
        || case when mod(v_age, 60) < 5 then ' Did you send {{time}}? Use {{timenow}}.' else '' end,
        jsonb_build_array(jsonb_build_object('path', 'ts', 'message', format('%s seconds old, at most %s', v_age, e.max_age_s))));
    end if;
  end if;
  if e.allowed_actions is not null and v_entry and not v_action = any (e.allowed_actions) then
    return engine.refuse(e, p, 422, 'endpoint_limit', format('This endpoint does not allow %s.', v_action),
      jsonb_build_array(jsonb_build_object('path', 'intent.action', 'message', 'not allowed on this endpoint')));
  end if;
  select * into v_target from engine.targets(e.id, v_intent -> 'accounts');
  if v_target.foreign_name is not null or v_target.accounts is null then
    return engine.refuse(e, p, 422, 'invalid', 'The alert names no account of this endpoint.',
      jsonb_build_array(jsonb_build_object('path', 'intent.accounts', 'message',
        coalesce(format('%s is not an account of this endpoint', v_target.foreign_name), 'this endpoint has no accounts yet'))));
  end if;
  select * into v_limit from engine.count_alert(e, v_entry);
  if v_limit.limited then
    return engine.refuse(e, p, 429, 'rate_limited', 'Too many alerts on this endpoint.', null)
      || jsonb_build_object('retry_after', v_limit.retry_after);
  end if;

  v_event := nextval('public.webhook_events_id_seq');
  insert into engine.dedupe as d (endpoint_id, key, event_id, body_sha256, expires_at)
  values (e.id, v_key, v_event, p ->> 'body_sha256', v_now + case
    when p #>> '{payload,id}' is not null or v_ts is not null then interval '90 days' else make_interval(secs => e.dedupe_window_s) end)
  on conflict (endpoint_id, key) do update
  set event_id = excluded.event_id, body_sha256 = excluded.body_sha256, expires_at = excluded.expires_at
  where d.expires_at <= v_now;
  if not found then
    -- Another copy committed while we waited for its row.
    select d.event_id, d.body_sha256 into v_seen from engine.dedupe d where d.endpoint_id = e.id and d.key = v_key;
    return engine.answer_seen(e, p, v_key, v_seen.event_id, v_seen.body_sha256);
  end if;
  insert into public.webhook_events (
    id, user_id, source, broker, endpoint_id, body, payload, signature, signature_valid, status, dry_run, fired_at, received_at, open_deliveries
  ) overriding system value values (
    v_event, e.user_id, 'tradingview', e.broker, e.id, p ->> 'body', p -> 'payload', p ->> 'signature', (p ->> 'signature_valid')::boolean,
    'accepted', coalesce((v_intent ->> 'dry_run')::boolean, false), v_ts, v_now, cardinality(v_target.accounts)
  );
  perform engine.enqueue(v_event, v_target.accounts, 'tradingview', v_action, v_intent ->> 'symbol',
    (v_intent ->> 'side')::public.side, v_intent ->> 'tag', e.id,
    coalesce(v_intent ->> 'scope', e.scope::text) = 'symbol', v_expires, coalesce((v_intent ->> 'dry_run')::boolean, false));
  update public.webhook_endpoints set last_seen_at = v_now
  where id = e.id and (last_seen_at is null or last_seen_at < v_now - interval '1 minute');
  return jsonb_build_object('http', 202, 'status', 'accepted', 'event_id', v_event, 'deliveries', cardinality(v_target.accounts));
end
$$;
comment on function engine.ingest(jsonb) is 'The webhook''s one call: endpoint, limits, age, dedupe, inbox, deliveries, queue. Takes the credential, never a user. Returns the HTTP answer.';

create function engine.answer_seen(e public.webhook_endpoints, p jsonb, p_key text, p_event bigint, p_sha text) returns jsonb
language plpgsql set search_path = '' as $$
begin
  if p_key like 'id:%' and p_sha <> p ->> 'body_sha256' then
    return engine.refuse(e, p, 409, 'id_reused', 'This id was used before with another body.',
      jsonb_build_array(jsonb_build_object('path', 'id', 'message', 'already used; ids are kept for 90 days')));
  end if;
  return jsonb_build_object('http', 202, 'status', 'duplicate', 'event_id', p_event, 'deliveries', (
    select count(*) from public.deliveries d where d.event_id = p_event
  ));
end
$$;
comment on function engine.answer_seen(public.webhook_endpoints, jsonb, text, bigint, text) is 'The answer to an alert whose key is taken: duplicate with the original event, or id_reused.';
alter function engine.answer_seen(public.webhook_endpoints, jsonb, text, bigint, text) owner to empire_engine;
alter function engine.ingest(jsonb) owner to empire_engine;
revoke all on function engine.ingest(jsonb) from public;
grant execute on function engine.ingest(jsonb) to empire_edge;

create function engine.accept_intent(p jsonb) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  v_user constant uuid := (p ->> 'user_id')::uuid;
  v_source constant public.event_source := coalesce(p ->> 'source', 'api')::public.event_source;
  v_intent constant jsonb := p -> 'intent';
  v_key constant text := 'key:' || (p ->> 'idempotency_key');
  v_body constant text := jsonb_build_object('version', 'unify.v1', 'source', v_source, 'intent', v_intent)::text;
  v_sha constant text := encode(sha256(convert_to(v_body, 'UTF8')), 'hex');
  v_now constant timestamptz := clock_timestamp();
  v_action public.action;
  v_accounts uuid [];
  v_event bigint;
  v_seen record;
begin
  if jsonb_typeof(v_intent) is distinct from 'object' or octet_length(v_body) > 16384 then
    return '{"http": 422, "error": "invalid", "message": "intent must be an object of at most 16 kB."}';
  end if;
  if coalesce(v_intent ->> 'action', 'open') not in (select unnest(enum_range(null::public.action))::text) then
    return '{"http": 422, "error": "invalid", "message": "intent.action is not one we know."}';
  end if;
  if coalesce(v_intent ->> 'side', 'buy') not in ('buy', 'sell') then
    return '{"http": 422, "error": "invalid", "message": "intent.side must be buy or sell."}';
  end if;
  v_action := coalesce(v_intent ->> 'action', 'open')::public.action;
  select array_agg(a.id) into v_accounts from public.broker_accounts a
  where a.user_id = v_user and (
    exists (select 1 from jsonb_array_elements_text(coalesce(nullif(p -> 'accounts', 'null'), '[]')) n where n = a.id::text)
    or exists (select 1 from jsonb_array_elements_text(coalesce(nullif(v_intent -> 'accounts', 'null'), '[]')) n where n in (a.id::text, a.account_id, a.label))
  );
  if v_accounts is null then
    return '{"http": 404, "error": "invalid", "message": "None of these accounts is yours."}';
  end if;
  v_event := nextval('public.webhook_events_id_seq');
  if p ->> 'idempotency_key' is not null then
    insert into engine.dedupe as d (endpoint_id, key, event_id, body_sha256, expires_at)
    values (v_user, v_key, v_event, v_sha, v_now + interval '24 hours')
    on conflict (endpoint_id, key) do update
    set event_id = excluded.event_id, body_sha256 = excluded.body_sha256, expires_at = excluded.expires_at
    where d.expires_at <= v_now;
    if not found then
      select d.event_id, d.body_sha256 into v_seen from engine.dedupe d where d.endpoint_id = v_user and d.key = v_key;
      if v_seen.body_sha256 <> v_sha then
        return '{"http": 422, "error": "id_reused", "message": "This idempotency key was used before with another intent."}';
      end if;
      return jsonb_build_object('http', 202, 'status', 'duplicate', 'event_id', v_seen.event_id, 'deliveries', (
        select count(*) from public.deliveries d where d.event_id = v_seen.event_id
      ));
    end if;
  end if;
  insert into public.webhook_events (
    id, user_id, source, broker, body, payload, status, dry_run, received_at, open_deliveries
  ) overriding system value values (
    v_event, v_user, v_source, null, v_body, v_body::jsonb, 'accepted',
    coalesce((v_intent ->> 'dry_run')::boolean, false), v_now, cardinality(v_accounts)
  );
  perform engine.enqueue(v_event, v_accounts, v_source, v_action, v_intent ->> 'symbol', (v_intent ->> 'side')::public.side,
    v_intent ->> 'tag', null, true, case when not engine.is_exit(v_action) then v_now + interval '60 seconds' end,
    coalesce((v_intent ->> 'dry_run')::boolean, false));
  return jsonb_build_object('http', 202, 'status', 'accepted', 'event_id', v_event, 'deliveries', cardinality(v_accounts));
end
$$;
comment on function engine.accept_intent(jsonb) is 'An intent of a user (API, dashboard, CLI) into the same inbox and queue. The caller has proved who the user is.';
alter function engine.accept_intent(jsonb) owner to empire_engine;
revoke all on function engine.accept_intent(jsonb) from public;
grant execute on function engine.accept_intent(jsonb) to postgres;
