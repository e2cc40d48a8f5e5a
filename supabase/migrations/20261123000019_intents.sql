-- What users ask for themselves (API, dashboard, CLI, kill switch) enters by the same inbox and queue.
create function engine.accounts_of_intent(p_user uuid, p jsonb) returns uuid []
language sql stable set search_path = '' as $$
  select array_agg(a.id) from public.broker_accounts a
  where a.user_id = p_user and (
    exists (
      select 1 from jsonb_array_elements_text(coalesce(nullif(p -> 'accounts', 'null'), '[]')) n where n = a.id::text
    ) or exists (
      select 1 from jsonb_array_elements_text(coalesce(nullif(p #> '{intent,accounts}', 'null'), '[]')) n
      where n in (a.id::text, a.account_id, a.label)
    )
  )
$$;
comment on function engine.accounts_of_intent(uuid, jsonb) is
'The user''s own accounts that an intent names, by id, number or label; null = none.';
alter function engine.accounts_of_intent(uuid, jsonb) owner to empire_engine;

create function engine.invalid_intent(p_message text) returns jsonb
language sql immutable set search_path = '' as $$
  select jsonb_build_object('http', 422, 'error', 'invalid', 'message', p_message)
$$;
comment on function engine.invalid_intent(text) is 'The answer to an intent that makes no sense.';
alter function engine.invalid_intent(text) owner to empire_engine;

create function engine.hide(p_text text) returns text
language sql immutable set search_path = '' as $$
  select regexp_replace(p_text,
    '[a-z0-9]{1,8}\.[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\.[0-9]{1,9}\.[A-Za-z0-9_-]{22}'
    || '|whsec_[A-Za-z0-9_-]*|eth_[A-Za-z0-9]{8}_[A-Za-z0-9]{43}|sb_secret_[A-Za-z0-9_-]+'
    || '|eyJ[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*',
    '[redacted]', 'g')
$$;
comment on function engine.hide(text) is
'The text without what is a secret by its look: endpoint tokens, signing secrets, API keys, JWTs. As redact.ts at the door.';
alter function engine.hide(text) owner to empire_engine;

create function engine.without_secrets(p jsonb, p_depth integer default 0) returns jsonb
language plpgsql immutable set search_path = '' as $$
begin
  return case
    -- Deeper than the format allows (8): refused later. What nobody reads need not be walked through.
    when p_depth > 12 then '"[redacted]"'
    when jsonb_typeof(p) = 'object' then (
      select coalesce(jsonb_object_agg(engine.hide(m.key), case
        when m.value <> 'null' and replace(replace(lower(m.key), '_', ''), '-', '')
          ~ 'passw|passphrase|pwd|token|secret|apikey|licen[sc]e|credential|authori[sz]ation|privatekey' then '"[redacted]"'
        else engine.without_secrets(m.value, p_depth + 1)
      end), '{}')
      from jsonb_each(p) m
    )
    when jsonb_typeof(p) = 'array' then (
      select coalesce(jsonb_agg(engine.without_secrets(e.value, p_depth + 1) order by e.n), '[]')
      from jsonb_array_elements(p) with ordinality e (value, n)
    )
    when jsonb_typeof(p) = 'string' then to_jsonb(engine.hide(p #>> '{}'))
    else p
  end;
end
$$;
comment on function engine.without_secrets(jsonb, integer) is
'The JSON as it may be stored: fields that name a secret and texts that look like one are masked. As redact.ts at the door.';
alter function engine.without_secrets(jsonb, integer) owner to empire_engine;

create function engine.accept_intent(p jsonb) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  v_user constant uuid := (p ->> 'user_id')::uuid;
  v_source constant public.event_source := coalesce(p ->> 'source', 'api')::public.event_source;
  i constant jsonb := p -> 'intent';
  v_given constant jsonb := jsonb_build_object('version', 'unify.v1', 'intent', i)
    -- Nobody can send an alert as the system: the format knows no such source. The inbox's own column says it.
    || case when v_source = 'system' then '{}' else jsonb_build_object('source', v_source) end;
  v_sha constant text := encode(sha256(convert_to(v_given::text, 'UTF8')), 'hex');
  v_key constant text := 'key:' || (p ->> 'idempotency_key');
  v_event bigint;
  v_accounts uuid [];
  s engine.dedupe;
begin
  if jsonb_typeof(i) is distinct from 'object' or octet_length(v_given::text) > 16384 then
    return engine.invalid_intent('intent must be an object of at most 16 kB.');
  elsif not pg_input_is_valid(coalesce(i ->> 'action', 'open'), 'public.action') then
    return engine.invalid_intent('intent.action is not one we know.');
  elsif coalesce(i ->> 'side', 'buy') not in ('buy', 'sell') then
    return engine.invalid_intent('intent.side must be buy or sell.');
  elsif not pg_input_is_valid(coalesce(i ->> 'dry_run', 'false'), 'boolean') then
    return engine.invalid_intent('intent.dry_run must be true or false.');
  end if;
  v_accounts := engine.accounts_of_intent(v_user, p);
  if v_accounts is null then
    return '{"http": 404, "error": "invalid", "message": "None of these accounts is yours."}';
  end if;
  v_event := nextval('public.webhook_events_id_seq');
  if v_key is not null and engine.take_keys(array[
    row(v_user, v_key, v_event, v_sha, clock_timestamp() + interval '24 hours')::engine.dedupe
  ]) = '{}' then
    select d.* into s from engine.dedupe d where d.endpoint_id = v_user and d.key = v_key;
    return case when s.body_sha256 <> v_sha then
      '{"http": 422, "error": "id_reused", "message": "This idempotency key was used before with another intent."}'
    else jsonb_build_object('http', 202, 'status', 'duplicate', 'event_id', s.event_id, 'deliveries', (
      select count(*) from public.deliveries d where d.event_id = s.event_id
    )) end;
  end if;
  perform engine.store_intent(v_event, v_user, v_source, engine.without_secrets(v_given)::text, v_accounts);
  return jsonb_build_object(
    'http', 202, 'status', 'accepted', 'event_id', v_event, 'deliveries', cardinality(v_accounts)
  );
end
$$;
comment on function engine.accept_intent(jsonb) is
'An intent of a user (API, dashboard, CLI) into the same inbox and queue. The caller has proved who the user is.';
alter function engine.accept_intent(jsonb) owner to empire_engine;
revoke all on function engine.accept_intent(jsonb) from public;
grant execute on function engine.accept_intent(jsonb) to postgres;

create function engine.store_intent(
  p_event bigint, p_user uuid, p_source public.event_source, p_body text, p_accounts uuid [], p_endpoint uuid default null
) returns void
language plpgsql set search_path = '' as $$
declare
  i constant jsonb := p_body::jsonb -> 'intent';
  v_action constant public.action := coalesce(i ->> 'action', 'open')::public.action;
  v_dry constant boolean := coalesce((i ->> 'dry_run')::boolean, false);
begin
  insert into public.webhook_events (id, user_id, source, endpoint_id, body, payload, status, dry_run, open_deliveries)
  overriding system value values (
    p_event, p_user, p_source, p_endpoint, p_body, p_body::jsonb, 'accepted', v_dry, cardinality(p_accounts)
  );
  perform engine.enqueue(array[row(p_event, p_accounts, p_source, v_action, i ->> 'symbol', i ->> 'side', i ->> 'tag', p_endpoint,
    p_endpoint is null, case when not engine.is_exit(v_action) then clock_timestamp() + interval '60 seconds' end,
    v_dry, coalesce(i ->> 'order_id', i ->> 'position_id'))::engine.arrival]);
end
$$;
comment on function engine.store_intent(bigint, uuid, public.event_source, text, uuid [], uuid) is
'Inbox, deliveries and queue of an intent; p_endpoint = it is asked for on behalf of an endpoint, with its rules and scope.';
alter function engine.store_intent(bigint, uuid, public.event_source, text, uuid [], uuid) owner to empire_engine;
