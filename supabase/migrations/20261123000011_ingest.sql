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

create function engine.targets(p_all uuid [], p_accounts jsonb, out accounts uuid [], out foreign_name text)
language plpgsql stable set search_path = '' as $$
begin
  accounts := p_all;
  if jsonb_typeof(p_accounts) <> 'array' then
    foreign_name := p_accounts::text;
  elsif p_accounts is not null then
    select min(n.name) filter (where a.id is null), array_agg(distinct a.id) filter (where a.id is not null)
    into foreign_name, accounts
    from jsonb_array_elements_text(p_accounts) as n (name)
    left join public.broker_accounts a
      on a.id = any (p_all) and n.name in (a.account_id, a.label, a.id::text);
  end if;
end
$$;
comment on function engine.targets(uuid [], jsonb) is
'The accounts an alert goes to: the endpoint''s, narrowed by the alert''s own list of numbers, labels or ids; '
'foreign_name is none of them.';
alter function engine.targets(uuid [], jsonb) owner to empire_engine;

create type engine.caller as (
  nth integer, said jsonb, alert engine.alert, endpoint public.webhook_endpoints, accounts uuid [], is_seen boolean
);
comment on type engine.caller is
'An alert as it came: where it stood in the call, who sent it (null = nobody whom we know), the accounts of its endpoint, and '
'whether its key is taken.';

create function engine.callers(p_alerts jsonb) returns setof engine.caller
language plpgsql stable set search_path = '' as $$
begin
  -- One statement for all of them: three for each alert were a tenth of their way in.
  return query
    select t.nth::integer, t.said, r.alert, e.endpoint, array(
      select x.account_id from public.webhook_endpoint_accounts x where x.endpoint_id = (e.endpoint).id
    ), (
      select true from engine.dedupe d
      where d.endpoint_id = (e.endpoint).id and d.key = (r.alert).key and d.expires_at > clock_timestamp() limit 1
    )
    from jsonb_array_elements(p_alerts) with ordinality as t (said, nth)
    cross join lateral (select engine.read_alert(t.said) as alert offset 0) r
    left join lateral (
      select w as endpoint from public.webhook_endpoints w
      join public.profiles u on u.id = w.user_id and u.status = 'active'
      where w.id = (r.alert).endpoint_id and w.enabled and (
        w.token_version = (r.alert).token_version
        or (w.token_version = (r.alert).token_version + 1 and w.previous_valid_until > clock_timestamp())
      ) limit 1
    ) e on true
    -- In one order, because a refusal is counted under a lock.
    order by t.said ->> 'endpoint_id', t.nth;
end
$$;
comment on function engine.callers(jsonb) is 'The alerts of a call with what there is to know of them, by endpoint.';
alter function engine.callers(jsonb) owner to empire_engine;

create type engine.candidate as (
  nth integer, said jsonb, alert engine.alert, endpoint public.webhook_endpoints, accounts uuid [], event_id bigint
);
comment on type engine.candidate is
'An alert that nothing speaks against but the counters: where it stood in the call, who may send it, where it goes.';

create function engine.count_alerts(p engine.candidate [], out passed engine.candidate [], out limited engine.candidate [])
language plpgsql set search_path = '' as $$
begin
  with counted as (
    insert into engine.endpoint_counters as c (endpoint_id, window_start, kind, n)
    select (x.endpoint).id, date_trunc('minute', clock_timestamp() at time zone 'UTC') at time zone 'UTC', 'alerts', count(*)
    from unnest(p) x group by 1, 2 order by 1
    on conflict (endpoint_id, kind, window_start) do update set n = c.n + excluded.n
    returning c.endpoint_id, c.n
  ), numbered as (
    -- The last of an endpoint in this call has the counter's number, those before it the numbers before.
    select x as one, c.n + 1 - row_number() over (partition by c.endpoint_id order by x.nth desc)
      -- Exits pass up to five times the limit: a flood of entries must not keep a position open.
      > (x.endpoint).alerts_per_minute * (case when engine.is_exit((x.alert).action) then 5 else 1 end) as is_limited
    from unnest(p) x join counted c on c.endpoint_id = (x.endpoint).id
  )
  select array_agg(n.one order by (n.one).nth) filter (where not n.is_limited),
    array_agg(n.one order by (n.one).nth) filter (where n.is_limited)
  into passed, limited from numbered n;
end
$$;
comment on function engine.count_alerts(engine.candidate []) is
'Counts alerts against their endpoints'' limits a minute (UTC).';
alter function engine.count_alerts(engine.candidate []) owner to empire_engine;

create function engine.count_entry(e public.webhook_endpoints, r engine.alert) returns boolean
language plpgsql set search_path = '' as $$
declare
  v_n integer;
begin
  if e.max_entries_per_day is null or engine.is_exit(r.action) then
    return true;
  end if;
  insert into engine.endpoint_counters as c (endpoint_id, window_start, kind, n)
  values (e.id, date_trunc('day', clock_timestamp() at time zone 'UTC') at time zone 'UTC', 'entries', 1)
  on conflict (endpoint_id, kind, window_start) do update set n = c.n + 1
  returning n into v_n;
  return v_n <= e.max_entries_per_day;
end
$$;
comment on function engine.count_entry(public.webhook_endpoints, engine.alert) is
'Counts an entry against its endpoint''s limit a day (UTC), where it has one; false = one too many.';
alter function engine.count_entry(public.webhook_endpoints, engine.alert) owner to empire_engine;

create function engine.take_keys(p engine.dedupe []) returns bigint []
language plpgsql set search_path = '' as $$
declare
  v_events bigint [];
begin
  with taken as (
    insert into engine.dedupe as d (endpoint_id, key, event_id, body_sha256, expires_at)
    -- Of the same key twice in one call the first tries.
    select distinct on (k.endpoint_id, k.key) k.* from unnest(p) k order by k.endpoint_id, k.key, k.event_id
    on conflict (endpoint_id, key) do update
    set event_id = excluded.event_id, body_sha256 = excluded.body_sha256, expires_at = excluded.expires_at
    where d.expires_at <= clock_timestamp()
    returning d.event_id
  )
  select coalesce(array_agg(t.event_id), '{}') into v_events from taken t;
  return v_events;
end
$$;
comment on function engine.take_keys(engine.dedupe []) is
'Takes dedupe keys for events; returns the events whose key was free. Another copy under way is waited for.';
alter function engine.take_keys(engine.dedupe []) owner to empire_engine;

create function engine.key_of(c engine.candidate) returns engine.dedupe
language plpgsql stable set search_path = '' as $$
begin
  return row((c.endpoint).id, (c.alert).key, c.event_id, (c.alert).sha256, clock_timestamp() + case
    when (c.alert).key like 'id:%' or (c.alert).fired_at is not null then interval '90 days'
    else make_interval(secs => (c.endpoint).dedupe_window_s) end)::engine.dedupe;
end
$$;
comment on function engine.key_of(engine.candidate) is
'An alert''s dedupe key: kept 90 days where the sender names it or the time is in the body, else for the endpoint''s window.';
alter function engine.key_of(engine.candidate) owner to empire_engine;

create function engine.arrival_of(c engine.candidate) returns engine.arrival
language plpgsql stable set search_path = '' as $$
declare
  r constant engine.alert := c.alert;
  v_now constant timestamptz := clock_timestamp();
begin
  return row(c.event_id, c.accounts, 'tradingview', r.action, r.symbol, r.side, r.tag, (c.endpoint).id,
    coalesce(r.scope, (c.endpoint).scope::text) = 'symbol',
    case when not engine.is_exit(r.action)
      then least(coalesce(r.fired_at, v_now), v_now) + make_interval(secs => (c.endpoint).max_age_s) end,
    r.dry_run, r.order_id)::engine.arrival;
end
$$;
comment on function engine.arrival_of(engine.candidate) is 'An alert as the queue takes it.';
alter function engine.arrival_of(engine.candidate) owner to empire_engine;

create function engine.store_alerts(p engine.candidate []) returns void
language plpgsql set search_path = '' as $$
declare
  v_quiet uuid [];
begin
  insert into public.webhook_events (
    id, user_id, source, broker, endpoint_id, body, payload, signature, signature_valid, status, dry_run, fired_at,
    open_deliveries
  ) overriding system value
  select c.event_id, (c.endpoint).user_id, 'tradingview', (c.endpoint).broker, (c.endpoint).id, c.said ->> 'body',
    c.said -> 'payload', c.said ->> 'signature', (c.alert).signature_valid, 'accepted', (c.alert).dry_run,
    (c.alert).fired_at, cardinality(c.accounts)
  from unnest(p) c order by c.event_id;
  perform engine.enqueue(array(select engine.arrival_of(c) from unnest(p) c order by c.event_id));
  v_quiet := array(
    select distinct (c.endpoint).id from unnest(p) c
    where ((c.endpoint).last_seen_at < clock_timestamp() - interval '1 minute') is not false order by 1
  );
  if v_quiet <> '{}' then
    update public.webhook_endpoints set last_seen_at = clock_timestamp() where id = any (v_quiet);
  end if;
end
$$;
comment on function engine.store_alerts(engine.candidate []) is 'Inbox, deliveries and queue of accepted alerts.';
alter function engine.store_alerts(engine.candidate []) owner to empire_engine;

create function engine.too_many(c engine.candidate, p_message text) returns jsonb
language plpgsql set search_path = '' as $$
begin
  -- A refused alert occupies no key.
  delete from engine.dedupe d
  where d.endpoint_id = (c.endpoint).id and d.key = (c.alert).key and d.event_id = c.event_id;
  return engine.refuse(c.endpoint, c.said, 429, 'rate_limited', p_message, null)
    || jsonb_build_object('retry_after', 60 - floor(extract(second from clock_timestamp()))::integer);
end
$$;
comment on function engine.too_many(engine.candidate, text) is 'The answer to an alert beyond its endpoint''s limits.';
alter function engine.too_many(engine.candidate, text) owner to empire_engine;

create function engine.accept_alerts(p engine.candidate []) returns table (nth integer, answer jsonb)
language plpgsql set search_path = '' as $$
declare
  v_taken constant bigint [] := engine.take_keys(array(select engine.key_of(c) from unnest(p) c));
  v_counted record;
  v_passed engine.candidate [] := '{}';
  c engine.candidate;
begin
  v_counted := engine.count_alerts(array(select x from unnest(p) x where x.event_id = any (v_taken)));
  foreach c in array coalesce(v_counted.limited, '{}') loop
    nth := c.nth;
    answer := engine.too_many(c,
      format('Too many alerts: this endpoint accepts %s a minute.', (c.endpoint).alerts_per_minute));
    return next;
  end loop;
  foreach c in array coalesce(v_counted.passed, '{}') loop
    nth := c.nth;
    if engine.count_entry(c.endpoint, c.alert) then
      v_passed := v_passed || c;
      answer := jsonb_build_object(
        'http', 202, 'status', 'accepted', 'event_id', c.event_id, 'deliveries', cardinality(c.accounts)
      );
    else
      answer := engine.too_many(c,
        format('This endpoint accepts %s entries a day (UTC); exits pass.', (c.endpoint).max_entries_per_day)
      ) || jsonb_build_object(
        'retry_after', 86400 - floor(extract(epoch from (clock_timestamp() at time zone 'UTC')::time))::integer
      );
    end if;
    return next;
  end loop;
  if v_passed <> '{}' then
    perform engine.store_alerts(v_passed);
  end if;
  -- Another copy was faster; it may stand in this very call.
  foreach c in array p loop
    if c.event_id <> all (v_taken) then
      nth := c.nth;
      answer := engine.answer_if_seen(c.endpoint, c.said, c.alert);
      return next;
    end if;
  end loop;
end
$$;
comment on function engine.accept_alerts(engine.candidate []) is
'Keys, limits, inbox, deliveries, queue: for all at once. A null answer = its key was being freed: send it again.';
alter function engine.accept_alerts(engine.candidate []) owner to empire_engine;

create function engine.judge_alert(c engine.caller, out answer jsonb, out accounts uuid [])
language plpgsql set search_path = '' as $$
declare
  e constant public.webhook_endpoints := c.endpoint;
  p constant jsonb := c.said;
  r constant engine.alert := c.alert;
  v_target record;
begin
  -- A resend is answered before anything that could refuse it by now: what was accepted stays accepted.
  answer := coalesce(engine.refusal_of_door(e, r), engine.refusal_of_body(e, p, r),
    case when c.is_seen then engine.answer_if_seen(e, p, r) end, engine.refusal_of_age(e, p, r));
  if answer is not null then
    return;
  elsif e.allowed_actions is not null and not engine.is_exit(r.action) and not r.action = any (e.allowed_actions) then
    answer := engine.refuse(e, p, 422, 'endpoint_limit', format('This endpoint does not allow %s.', r.action),
      engine.at_path('intent.action', 'not allowed on this endpoint'));
    return;
  end if;
  v_target := engine.targets(c.accounts, r.accounts);
  accounts := v_target.accounts;
  if v_target.foreign_name is not null or coalesce(accounts, '{}') = '{}' then
    answer := engine.refuse(e, p, 422, 'invalid', 'The alert names no account of this endpoint.',
      engine.at_path('intent.accounts', coalesce(format('%s is not an account of this endpoint', v_target.foreign_name),
        'this endpoint has no accounts yet')));
  end if;
end
$$;
comment on function engine.judge_alert(engine.caller) is
'Everything that can be said of an alert before it is counted: a refusal, the answer of its first copy, or its accounts.';
alter function engine.judge_alert(engine.caller) owner to empire_engine;

create function engine.ingest(p_alerts jsonb, p_patient boolean default true) returns jsonb
language plpgsql security definer
set search_path = '' set plan_cache_mode = force_generic_plan set enable_seqscan = off as $$
declare
  v_answers jsonb [] := array_fill(null::jsonb, array[jsonb_array_length(p_alerts)]);
  v_candidates engine.candidate [] := '{}';
  v_judged record;
  w engine.caller;
  x record;
begin
  if not p_patient then
    -- Nobody's alert waits long behind the locked account of another: the caller then tries each alone.
    perform set_config('lock_timeout', '250ms', true);
  end if;
  foreach w in array array(select y from engine.callers(p_alerts) y) loop
    if (w.endpoint).id is null then
      v_answers[w.nth] := '{"http": 401, "error": "unauthorized", "message": "This address is not valid (any more)."}';
      continue;
    end if;
    v_judged := engine.judge_alert(w);
    v_answers[w.nth] := v_judged.answer;
    if v_judged.answer is null then
      v_candidates := v_candidates || row(w.nth, w.said, w.alert, w.endpoint, v_judged.accounts, null)::engine.candidate;
    end if;
  end loop;
  if v_candidates <> '{}' then
    for x in
      select a.nth, a.answer from engine.accept_alerts(array(
        select row(c.nth, c.said, c.alert, c.endpoint, c.accounts, nextval('public.webhook_events_id_seq'))::engine.candidate
        from (select u.* from unnest(v_candidates) u order by u.nth) c
      )) a
    loop
      v_answers[x.nth] := x.answer;
    end loop;
  end if;
  return to_jsonb(v_answers);
end
$$;
comment on function engine.ingest(jsonb, boolean) is
'The webhook''s one call, for one alert or for several that arrived together: endpoint, age, dedupe, limits, inbox, '
'deliveries, queue. Takes credentials, never a user. Returns the HTTP answers in the order given. Not patient: gives up '
'(55P03) when a lock is not to be had in 250 ms.';
alter function engine.ingest(jsonb, boolean) owner to empire_engine;
revoke all on function engine.ingest(jsonb, boolean) from public;
grant execute on function engine.ingest(jsonb, boolean) to empire_edge;
