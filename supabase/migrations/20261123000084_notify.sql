-- Sending: one worker at a time for a target, its urgent messages first, the rest in their order.
create function engine.notification_batch(p_target uuid, p_limit integer) returns jsonb
language plpgsql stable set search_path = '' as $$
begin
  return (
    select jsonb_agg(jsonb_build_object(
      'id', x.id, 'class', x.event_class, 'urgent', x.urgent, 'message', x.message, 'event_id', x.event_id, 'attempts', x.attempts,
      'created_at', x.created_at
    ) order by x.urgent desc, x.id)
    from (
      select t.*, engine.is_urgent(t.event_class) as urgent from public.notifications t
      where t.target_id = p_target and t.status = 'waiting' and t.due_at <= clock_timestamp()
      order by engine.is_urgent(t.event_class) desc, t.id limit p_limit
    ) x
  );
end
$$;
comment on function engine.notification_batch(uuid, integer) is 'What is due at a target, urgent first.';
alter function engine.notification_batch(uuid, integer) owner to empire_engine;

create function engine.sent_lately(p_target uuid) returns bigint
language plpgsql stable set search_path = '' as $$
begin
  return (
    select count(distinct t.sent_at) from public.notifications t
    where t.target_id = p_target and t.status = 'sent' and t.sent_at > clock_timestamp() - interval '1 minute'
  );
end
$$;
comment on function engine.sent_lately(uuid) is 'Messages that went to a target in the last minute; a digest is one.';
alter function engine.sent_lately(uuid) owner to empire_engine;

create function engine.claim_notifications(p_worker text, p_limit integer, p_batch integer, p_lease_ms integer, p_per_minute integer)
returns setof jsonb
language plpgsql security definer set search_path = '' as $$
declare
  v_token constant bigint := engine.new_token();
begin
  with due as (
    select h.target_id
    from (
      select t.target_id, bool_or(t.event_class = 'test' or engine.is_urgent(t.event_class)) as at_once
      from public.notifications t where t.status = 'waiting' and t.due_at <= clock_timestamp() group by t.target_id
    ) w
    join engine.notification_doors h on h.target_id = w.target_id
    where (h.lease_until is null or h.lease_until < clock_timestamp())
      and (h.rest_until is null or h.rest_until <= clock_timestamp())
      and (w.at_once or engine.sent_lately(h.target_id) < p_per_minute)
    order by h.target_id limit p_limit for update of h skip locked
  )
  update engine.notification_doors h
  set token = v_token, worker = p_worker, lease_until = clock_timestamp() + make_interval(secs => p_lease_ms / 1000.0)
  from due where h.target_id = due.target_id;
  return query
    select jsonb_build_object(
      'target_id', n.id, 'user_id', n.user_id, 'kind', n.kind, 'name', n.name, 'key_id', h.key_id,
      'sealed', encode(h.sealed, 'hex'), 'token', h.token, 'failures', h.failures,
      'code', case when n.verified_at is null then (
        select c.code from engine.notification_codes c where c.target_id = n.id and c.expires_at > clock_timestamp()
      ) end,
      'lately', engine.sent_lately(n.id), 'messages', engine.notification_batch(n.id, p_batch)
    )
    from engine.notification_doors h join public.notification_targets n on n.id = h.target_id
    where h.token = v_token order by n.id;
end
$$;
comment on function engine.claim_notifications(text, integer, integer, integer, integer) is
'Targets with messages that are due, each with its sealed address for one relay at a time, and how many messages it got in '
'the last minute.';
alter function engine.claim_notifications(text, integer, integer, integer, integer) owner to empire_engine;
revoke all on function engine.claim_notifications(text, integer, integer, integer, integer) from public;
grant execute on function engine.claim_notifications(text, integer, integer, integer, integer) to empire_relay;

create function engine.complain(n public.notification_targets, p_n integer, p_error text) returns void
language plpgsql set search_path = '' as $$
begin
  -- One line an hour: a target that is gone must not fill the log.
  update engine.notification_doors set complained_at = clock_timestamp()
  where target_id = n.id and (complained_at is null or complained_at < clock_timestamp() - interval '1 hour');
  if found then
    perform engine.note(n.user_id, 'error', 'notification_dead', format(
      '%s message%s could not be delivered to %s (%s) and will not be tried again: %s', p_n, case p_n when 1 then '' else 's' end,
      n.name, n.kind, p_error), jsonb_build_object('target_id', n.id));
  end if;
end
$$;
comment on function engine.complain(public.notification_targets, integer, text) is
'Says in the trader''s log that messages were given up; once an hour and target.';
alter function engine.complain(public.notification_targets, integer, text) owner to empire_engine;

create function engine.record_sending(n public.notification_targets, p jsonb, p_most integer) returns void
language plpgsql set search_path = '' as $$
declare
  v_ids constant bigint [] := array(select i::bigint from jsonb_array_elements_text(p -> 'ids') i);
  v_error constant text := left(p ->> 'error', 300);
  -- One moment for all of a digest: it counts once.
  v_now constant timestamptz := clock_timestamp();
  v_dead integer;
begin
  if p ->> 'outcome' = 'sent' then
    update public.notifications
    set status = 'sent', sent_at = v_now, attempts = attempts + 1, in_digest = cardinality(v_ids) > 1, last_error = null
    where id = any (v_ids) and target_id = n.id and status = 'waiting';
    update public.notification_targets set last_sent_at = v_now, last_error = null where id = n.id;
    update engine.notification_doors set failures = 0, rest_until = null where target_id = n.id;
    return;
  end if;
  update public.notifications
  set attempts = attempts + 1, last_error = v_error,
    status = case when p ->> 'outcome' = 'dead' or attempts + 1 >= p_most then 'dead' else 'waiting' end::public.notification_status
  where id = any (v_ids) and target_id = n.id and status = 'waiting';
  update public.notification_targets set last_error = v_error where id = n.id and last_error is distinct from v_error;
  update engine.notification_doors
  set failures = failures + 1,
    rest_until = clock_timestamp() + make_interval(secs => coalesce((p ->> 'retry_ms')::bigint, 0) / 1000.0) where target_id = n.id;
  select count(*) into v_dead from public.notifications t where t.id = any (v_ids) and t.status = 'dead';
  if v_dead > 0 then
    perform engine.complain(n, v_dead, v_error);
  end if;
end
$$;
comment on function engine.record_sending(public.notification_targets, jsonb, integer) is
'What became of one message (or digest): sent, to be tried again after a rest of the target, or given up.';
alter function engine.record_sending(public.notification_targets, jsonb, integer) owner to empire_engine;

create function engine.record_notifications(p_target uuid, p_token bigint, p_results jsonb, p_release boolean, p_most integer) returns boolean
language plpgsql security definer set search_path = '' as $$
declare
  n public.notification_targets;
  p jsonb;
begin
  select t.* into n from public.notification_targets t where t.id = p_target for no key update;
  perform 1 from engine.notification_doors h where h.target_id = p_target and h.token = p_token for update;
  if not found then
    return false;
  end if;
  for p in select x from jsonb_array_elements(p_results) with ordinality as r (x, nth) order by nth loop
    perform engine.record_sending(n, p, p_most);
  end loop;
  if p_release then
    update engine.notification_doors set lease_until = null, worker = null where target_id = p_target and token = p_token;
  end if;
  return true;
end
$$;
comment on function engine.record_notifications(uuid, bigint, jsonb, boolean, integer) is
'What became of messages to a target held by this token; false = another relay has it, or the target is gone.';
alter function engine.record_notifications(uuid, bigint, jsonb, boolean, integer) owner to empire_engine;
revoke all on function engine.record_notifications(uuid, bigint, jsonb, boolean, integer) from public;
grant execute on function engine.record_notifications(uuid, bigint, jsonb, boolean, integer) to empire_relay;
