-- Replay: the same alert through today's rules, sending nothing.
create function engine.replay(p_user uuid, p_event bigint) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  e public.webhook_events;
  v_accounts uuid [];
  v_event bigint;
begin
  select * into e from public.webhook_events where id = p_event and user_id = p_user and status = 'accepted';
  if not found then
    return '{"http": 404, "error": "invalid", "message": "There is no accepted alert of yours with this number."}';
  end if;
  select array_agg(d.account_id) into v_accounts from public.deliveries d where d.event_id = p_event;
  v_event := nextval('public.webhook_events_id_seq');
  insert into public.webhook_events (
    id, user_id, source, broker, endpoint_id, body, payload, status, dry_run, fired_at, received_at, open_deliveries
  ) overriding system value values (
    v_event, p_user, 'drill', e.broker, e.endpoint_id, e.body, e.payload, 'accepted', true, e.fired_at, clock_timestamp(),
    cardinality(v_accounts)
  );
  perform engine.enqueue(array[row(
    v_event, v_accounts, 'drill', coalesce(e.payload #>> '{intent,action}', 'open'), e.payload #>> '{intent,symbol}',
    e.payload #>> '{intent,side}', e.payload #>> '{intent,tag}', e.endpoint_id, false, null, true, null
  )::engine.arrival]);
  return jsonb_build_object(
    'http', 202, 'status', 'accepted', 'event_id', v_event, 'deliveries', cardinality(v_accounts)
  );
end
$$;
comment on function engine.replay(uuid, bigint) is
'A copy of an accepted alert as a dry run for the same accounts. The caller has proved who the user is.';
alter function engine.replay(uuid, bigint) owner to empire_engine;
revoke all on function engine.replay(uuid, bigint) from public;
grant execute on function engine.replay(uuid, bigint) to postgres;

create function private.replay_event(p_event_id bigint) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  v_answer constant jsonb := engine.replay(private.me(), p_event_id);
begin
  if (v_answer ->> 'http')::integer <> 202 then
    perform private.refuse((v_answer ->> 'http')::integer, v_answer ->> 'error', v_answer ->> 'message');
  end if;
  return v_answer;
end
$$;
comment on function private.replay_event(bigint) is 'public.replay_event, checked.';
revoke all on function private.replay_event(bigint) from public;
grant execute on function private.replay_event(bigint) to authenticated;

create function public.replay_event(p_event_id bigint) returns jsonb
language sql security invoker set search_path = '' as $$ select private.replay_event(p_event_id) $$;
comment on function public.replay_event(bigint) is
'The same alert through today''s rules as a dry run: nothing is sent. Returns event_id, status, deliveries.';
revoke all on function public.replay_event(bigint) from public;
grant execute on function public.replay_event(bigint) to authenticated;
grant execute on function private.replay_event(bigint) to authenticated;
