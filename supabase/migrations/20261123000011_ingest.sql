-- From the door to the queue: one call, one transaction, one answer.
create type engine.alert as (
  endpoint_id uuid, token_version integer, broker text, action public.action, side public.side, symbol text, tag text,
  order_id text, scope text, accounts jsonb, dry_run boolean, fired_at timestamptz, key text, sha256 text,
  signature_valid boolean, client_ip inet, problem text
);
comment on type engine.alert is 'What ingest needs of an alert, typed; problem = why it cannot be stored.';

create function engine.read_alert(p jsonb) returns engine.alert
language plpgsql stable set search_path = '' as $$
declare
  i constant jsonb := p #> '{payload,intent}';
  r engine.alert;
begin
  r.endpoint_id := (p ->> 'endpoint_id')::uuid;
  r.token_version := (p ->> 'token_version')::integer;
  r.signature_valid := (p ->> 'signature_valid')::boolean;
  -- An address that cannot be read is an unknown one, and unknown fails every list.
  r.client_ip := case when pg_input_is_valid(p ->> 'client_ip', 'inet') then (p ->> 'client_ip')::inet end;
  r.sha256 := p ->> 'body_sha256';
  if octet_length(p ->> 'body') > 32768 or coalesce(r.sha256, '') !~ '^[0-9a-f]{64}$' then
    r.problem := 'the body is too long or has no hash';
  elsif jsonb_typeof(i) is distinct from 'object' then
    r.problem := 'there is no intent';
  elsif char_length(p #>> '{payload,id}') > 200 then
    r.problem := 'id is too long';
  end if;
  r.broker := coalesce(i ->> 'broker', p ->> 'broker');
  r.action := coalesce(i ->> 'action', 'open')::public.action;
  r.side := (i ->> 'side')::public.side;
  r.symbol := i ->> 'symbol';
  r.tag := i ->> 'tag';
  r.order_id := i ->> 'order_id';
  r.scope := i ->> 'scope';
  r.accounts := nullif(i -> 'accounts', 'null');
  r.dry_run := coalesce((i ->> 'dry_run')::boolean, false);
  r.fired_at := (p #>> '{payload,ts}')::timestamptz;
  r.key := coalesce('id:' || (p #>> '{payload,id}'), 'body:' || r.sha256);
  return r;
exception when data_exception then
  r.problem := sqlerrm;
  return r;
end
$$;
comment on function engine.read_alert(jsonb) is
'The argument of ingest, typed. Never fails: no input may cause more than a 4xx.';
alter function engine.read_alert(jsonb) owner to empire_engine;

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
      user_id, source, broker, endpoint_id, body, payload, signature, processed, status, reason, details
    ) values (
      p_endpoint.user_id, 'tradingview', p_endpoint.broker, p_endpoint.id,
      case when octet_length(p ->> 'body') > 32768 then left(p ->> 'body', 200) else coalesce(p ->> 'body', '') end,
      nullif(p -> 'payload', 'null'), p ->> 'signature', true, 'refused', p_reason,
      jsonb_build_object('message', p_message, 'details', coalesce(p_details, '[]'))
    ) returning id into v_event;
  end if;
  return jsonb_strip_nulls(jsonb_build_object(
    'http', p_http, 'error', p_reason, 'message', p_message, 'details', p_details, 'event_id', v_event
  ));
end
$$;
comment on function engine.refuse(public.webhook_endpoints, jsonb, integer, public.reason, text, jsonb) is
'Keeps a refused body of an authenticated sender with its reason, at most 100 an hour, and makes the answer.';
alter function engine.refuse(public.webhook_endpoints, jsonb, integer, public.reason, text, jsonb) owner to empire_engine;

create function engine.at_path(p_path text, p_message text) returns jsonb
language sql immutable set search_path = '' as $$
  select jsonb_build_array(jsonb_build_object('path', p_path, 'message', p_message))
$$;
comment on function engine.at_path(text, text) is 'The details of a refusal: one field and what is wrong with it.';
alter function engine.at_path(text, text) owner to empire_engine;

create function engine.refusal_of_door(e public.webhook_endpoints, r engine.alert) returns jsonb
language plpgsql stable set search_path = '' as $$
begin
  if r.signature_valid is false or (e.require_signature and r.signature_valid is not true) then
    return '{"http": 401, "error": "signature_invalid",
      "message": "This endpoint wants a valid X-Webhook-Signature header."}';
  elsif e.allow_cidrs is not null and r.client_ip is null then
    return '{"http": 403, "error": "address_unknown",
      "message": "This endpoint allows listed addresses only and yours cannot be told."}';
  elsif e.allow_cidrs is not null and not r.client_ip <<= any (e.allow_cidrs) then
    return '{"http": 403, "error": "address_not_allowed",
      "message": "This endpoint does not accept alerts from your address."}';
  end if;
  return null;
end
$$;
comment on function engine.refusal_of_door(public.webhook_endpoints, engine.alert) is
'Signature and address rules of an endpoint; null = may come in.';
alter function engine.refusal_of_door(public.webhook_endpoints, engine.alert) owner to empire_engine;

create function engine.refusal_of_body(e public.webhook_endpoints, p jsonb, r engine.alert) returns jsonb
language plpgsql set search_path = '' as $$
begin
  if jsonb_typeof(p -> 'refusal') = 'object' then
    return engine.refuse(e, p, case when p #>> '{refusal,status}' ~ '^4\d\d$' then (p #>> '{refusal,status}')::integer else 422 end,
      'invalid', 'The alert cannot be read.', p #> '{refusal,details}')
      || jsonb_build_object('error', coalesce(p #>> '{refusal,error}', 'invalid'));
  elsif r.problem is not null then
    return engine.refuse(e, p, 422, 'invalid', 'The alert cannot be read.', engine.at_path('$', r.problem));
  elsif r.broker <> e.broker::text or p ->> 'broker' <> e.broker::text then
    return engine.refuse(e, p, 422, 'broker_mismatch', format('This endpoint belongs to %s.', e.broker),
      engine.at_path('intent.broker', format('must be %s or absent', e.broker)));
  end if;
  return null;
end
$$;
comment on function engine.refusal_of_body(public.webhook_endpoints, jsonb, engine.alert) is
'What the edge function or the types refuse, and a broker that is not the endpoint''s; null = readable.';
alter function engine.refusal_of_body(public.webhook_endpoints, jsonb, engine.alert) owner to empire_engine;

create function engine.answer_if_seen(e public.webhook_endpoints, p jsonb, r engine.alert) returns jsonb
language plpgsql set search_path = '' as $$
declare
  s engine.dedupe;
begin
  select d.* into s from engine.dedupe d
  where d.endpoint_id = e.id and d.key = r.key and d.expires_at > clock_timestamp();
  if not found then
    return null;
  elsif s.body_sha256 <> r.sha256 then
    return engine.refuse(e, p, 409, 'id_reused', 'This id was used before with another body.',
      engine.at_path('id', 'already used; ids are kept for 90 days'));
  end if;
  return jsonb_build_object('http', 202, 'status', 'duplicate', 'event_id', s.event_id, 'deliveries', (
    select count(*) from public.deliveries d where d.event_id = s.event_id
  ));
end
$$;
comment on function engine.answer_if_seen(public.webhook_endpoints, jsonb, engine.alert) is
'The answer to an alert whose key is taken: duplicate with the original event, or id_reused; null = it is new.';
alter function engine.answer_if_seen(public.webhook_endpoints, jsonb, engine.alert) owner to empire_engine;

create function engine.refusal_of_age(e public.webhook_endpoints, p jsonb, r engine.alert) returns jsonb
language plpgsql set search_path = '' as $$
declare
  v_age constant numeric := round(extract(epoch from clock_timestamp() - r.fired_at));
begin
  if v_age < -60 then
    return engine.refuse(e, p, 422, 'ts_in_future', 'ts lies more than 60 seconds in the future.',
      engine.at_path('ts', format('%s seconds ahead of our clock, at most 60', -v_age)));
  elsif v_age >= e.max_age_s and not engine.is_exit(r.action) then
    return engine.refuse(e, p, 409, 'stale',
      format('The alert is %s seconds old, this endpoint accepts %s.', v_age, e.max_age_s)
      || case when mod(v_age, 60) < 5 then ' Did you send {{time}}? Use {{timenow}}.' else '' end,
      engine.at_path('ts', format('%s seconds old, at most %s', v_age, e.max_age_s)));
  end if;
  return null;
end
$$;
comment on function engine.refusal_of_age(public.webhook_endpoints, jsonb, engine.alert) is
'Entries may be max_age_s old, exits any age; nothing may come from the future. null = of the right age.';
alter function engine.refusal_of_age(public.webhook_endpoints, jsonb, engine.alert) owner to empire_engine;

create function engine.targets(p_endpoint uuid, p_accounts jsonb, out accounts uuid [], out foreign_name text)
language plpgsql stable set search_path = '' as $$
begin
  select array_agg(t.account_id) into accounts
  from public.webhook_endpoint_accounts t where t.endpoint_id = p_endpoint;
  if jsonb_typeof(p_accounts) <> 'array' then
    foreign_name := p_accounts::text;
  elsif p_accounts is not null then
    select min(n.name) filter (where a.id is null), array_agg(distinct a.id) filter (where a.id is not null)
    into foreign_name, accounts
    from jsonb_array_elements_text(p_accounts) as n (name)
    left join public.broker_accounts a
      on a.id = any (accounts) and n.name in (a.account_id, a.label, a.id::text);
  end if;
end
$$;
comment on function engine.targets(uuid, jsonb) is
'The accounts an alert goes to: the endpoint''s, narrowed by the alert''s own list of numbers, labels or ids; '
'foreign_name is none of them.';
alter function engine.targets(uuid, jsonb) owner to empire_engine;

create function engine.count_alert(e public.webhook_endpoints, p_entry boolean, out limited boolean, out retry_after integer)
language plpgsql set search_path = '' as $$
declare
  v_utc constant timestamp := clock_timestamp() at time zone 'UTC';
  v_n integer;
begin
  insert into engine.endpoint_counters as c (endpoint_id, window_start, kind, n)
  values (e.id, date_trunc('minute', v_utc) at time zone 'UTC', 'alerts', 1)
  on conflict (endpoint_id, kind, window_start) do update set n = c.n + 1
  returning n into v_n;
  -- Exits pass up to five times the limit: a flood of entries must not keep a position open.
  limited := v_n > e.alerts_per_minute * (case when p_entry then 1 else 5 end);
  retry_after := 60 - floor(extract(second from v_utc))::integer;
  if not limited and p_entry and e.max_entries_per_day is not null then
    insert into engine.endpoint_counters as c (endpoint_id, window_start, kind, n)
    values (e.id, date_trunc('day', v_utc) at time zone 'UTC', 'entries', 1)
    on conflict (endpoint_id, kind, window_start) do update set n = c.n + 1
    returning n into v_n;
    limited := v_n > e.max_entries_per_day;
    retry_after := 86400 - floor(extract(epoch from v_utc::time))::integer;
  end if;
end
$$;
comment on function engine.count_alert(public.webhook_endpoints, boolean) is
'Counts an alert against the endpoint''s limits a minute and a day (UTC).';
alter function engine.count_alert(public.webhook_endpoints, boolean) owner to empire_engine;

create function engine.take_key(p_owner uuid, p_key text, p_event bigint, p_sha256 text, p_keep interval) returns boolean
language plpgsql set search_path = '' as $$
begin
  insert into engine.dedupe as d (endpoint_id, key, event_id, body_sha256, expires_at)
  values (p_owner, p_key, p_event, p_sha256, clock_timestamp() + p_keep)
  on conflict (endpoint_id, key) do update
  set event_id = excluded.event_id, body_sha256 = excluded.body_sha256, expires_at = excluded.expires_at
  where d.expires_at <= clock_timestamp();
  return found;
end
$$;
comment on function engine.take_key(uuid, text, bigint, text, interval) is
'Takes a dedupe key for an event; false = taken. Another copy under way is waited for.';
alter function engine.take_key(uuid, text, bigint, text, interval) owner to empire_engine;

create function engine.accept_alert(e public.webhook_endpoints, p jsonb, r engine.alert, p_accounts uuid []) returns jsonb
language plpgsql set search_path = '' as $$
declare
  v_entry constant boolean := not engine.is_exit(r.action);
  v_now constant timestamptz := clock_timestamp();
  v_event constant bigint := nextval('public.webhook_events_id_seq');
  v_limit record;
begin
  if not engine.take_key(e.id, r.key, v_event, r.sha256, case
    when r.key like 'id:%' or r.fired_at is not null then interval '90 days' else make_interval(secs => e.dedupe_window_s) end)
  then
    return engine.answer_if_seen(e, p, r);
  end if;
  v_limit := engine.count_alert(e, v_entry);
  if v_limit.limited then
    delete from engine.dedupe where endpoint_id = e.id and key = r.key;
    return engine.refuse(e, p, 429, 'rate_limited', 'Too many alerts on this endpoint.', null)
      || jsonb_build_object('retry_after', v_limit.retry_after);
  end if;
  insert into public.webhook_events (
    id, user_id, source, broker, endpoint_id, body, payload, signature, signature_valid, status, dry_run, fired_at,
    received_at, open_deliveries
  ) overriding system value values (
    v_event, e.user_id, 'tradingview', e.broker, e.id, p ->> 'body', p -> 'payload', p ->> 'signature',
    r.signature_valid, 'accepted', r.dry_run, r.fired_at, v_now, cardinality(p_accounts)
  );
  perform engine.enqueue(v_event, p_accounts, 'tradingview', r.action, r.symbol, r.side, r.tag, e.id,
    coalesce(r.scope, e.scope::text) = 'symbol',
    case when v_entry then least(coalesce(r.fired_at, v_now), v_now) + make_interval(secs => e.max_age_s) end,
    r.dry_run, r.order_id);
  if e.last_seen_at is null or e.last_seen_at < v_now - interval '1 minute' then
    update public.webhook_endpoints set last_seen_at = v_now where id = e.id;
  end if;
  return jsonb_build_object(
    'http', 202, 'status', 'accepted', 'event_id', v_event, 'deliveries', cardinality(p_accounts)
  );
end
$$;
comment on function engine.accept_alert(public.webhook_endpoints, jsonb, engine.alert, uuid []) is
'Key, limits, inbox, deliveries, queue. A refused alert occupies no key.';
alter function engine.accept_alert(public.webhook_endpoints, jsonb, engine.alert, uuid []) owner to empire_engine;

create function engine.ingest(p jsonb) returns jsonb
language plpgsql security definer
set search_path = '' set plan_cache_mode = force_generic_plan set enable_seqscan = off as $$
declare
  r constant engine.alert := engine.read_alert(p);
  e public.webhook_endpoints;
  v_target record;
  v_answer jsonb;
begin
  select w.* into e from public.webhook_endpoints w join public.profiles u on u.id = w.user_id and u.status = 'active'
  where w.id = r.endpoint_id and w.enabled and (
    w.token_version = r.token_version
    or (w.token_version = r.token_version + 1 and w.previous_valid_until > clock_timestamp())
  );
  if not found then
    return '{"http": 401, "error": "unauthorized", "message": "This address is not valid (any more)."}';
  end if;
  -- A resend is answered before anything that could refuse it by now: what was accepted stays accepted.
  v_answer := coalesce(engine.refusal_of_door(e, r), engine.refusal_of_body(e, p, r), engine.answer_if_seen(e, p, r),
    engine.refusal_of_age(e, p, r));
  if v_answer is not null then
    return v_answer;
  elsif e.allowed_actions is not null and not engine.is_exit(r.action) and not r.action = any (e.allowed_actions) then
    return engine.refuse(e, p, 422, 'endpoint_limit', format('This endpoint does not allow %s.', r.action),
      engine.at_path('intent.action', 'not allowed on this endpoint'));
  end if;
  v_target := engine.targets(e.id, r.accounts);
  if v_target.foreign_name is not null or v_target.accounts is null then
    return engine.refuse(e, p, 422, 'invalid', 'The alert names no account of this endpoint.',
      engine.at_path('intent.accounts', coalesce(format('%s is not an account of this endpoint', v_target.foreign_name),
        'this endpoint has no accounts yet')));
  end if;
  return engine.accept_alert(e, p, r, v_target.accounts);
end
$$;
comment on function engine.ingest(jsonb) is
'The webhook''s one call: endpoint, age, dedupe, limits, inbox, deliveries, queue. Takes the credential, never a '
'user. Returns the HTTP answer.';
alter function engine.ingest(jsonb) owner to empire_engine;
revoke all on function engine.ingest(jsonb) from public;
grant execute on function engine.ingest(jsonb) to empire_edge;
