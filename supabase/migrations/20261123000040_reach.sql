-- Who can be reached. Topstep allows orders from the trader's own device only: while no device is seen nothing is sent
-- for such an account and nothing is kept for later, and a disconnected login is nobody's to trade with.

create function engine.device_seen(p_user_id uuid) returns boolean
language sql stable set search_path = '' as $$
  select exists (
    select 1 from public.devices d
    where d.user_id = p_user_id and d.revoked_at is null and d.last_seen_at > clock_timestamp() - interval '60 seconds'
  )
$$;
comment on function engine.device_seen(uuid) is 'Whether a device of the user has been heard of in the last minute.';
alter function engine.device_seen(uuid) owner to empire_engine;

create index broker_connections_disabled on public.broker_connections (updated_at) where status = 'disabled';

create function engine.unreachable_accounts(p_limit integer) returns uuid []
language plpgsql stable set search_path = '' as $$
begin
  return array(
    select q.account_id from engine.queue q
    where q.executor = 'edge' and q.is_head and q.state = 'ready' and not engine.device_seen(q.user_id)
    union
    select a.id from public.broker_connections c
    join public.broker_accounts a on a.connection_id = c.id join engine.queue q on q.account_id = a.id
    -- Whoever was disconnected long ago has nothing in the queue any more.
    where c.status = 'disabled' and c.updated_at > clock_timestamp() - interval '1 day' and q.state = 'ready'
    order by 1 limit p_limit
  );
end
$$;
comment on function engine.unreachable_accounts(integer) is
'Accounts with something to do that nobody can do: their device is not seen, or their login is disconnected.';
alter function engine.unreachable_accounts(integer) owner to empire_engine;

create function engine.name_of(p_broker public.broker) returns text
language sql immutable set search_path = '' as $$
  select case p_broker when 'tradelocker' then 'TradeLocker' when 'topstepx' then 'TopstepX' when 'metatrader' then 'MetaTrader' else 'Paper' end
$$;
comment on function engine.name_of(public.broker) is 'A broker as its customers write it.';
alter function engine.name_of(public.broker) owner to empire_engine;

create function engine.end_unreachable(p_limit integer) returns integer
language plpgsql security definer set search_path = '' as $$
declare
  v_accounts constant uuid [] := engine.unreachable_accounts(p_limit);
  v_ended bigint [];
begin
  if cardinality(v_accounts) = 0 then
    return 0;
  end if;
  perform 1 from public.broker_accounts a where a.id = any (v_accounts) order by a.id for no key update;
  -- What may have been sent is settled by asking; a device may have come back while we waited for the locks.
  with gone as (
    delete from engine.queue q
    using public.broker_accounts a join public.broker_connections c on c.id = a.connection_id
    where q.account_id = any (v_accounts) and a.id = q.account_id and q.state in ('waiting', 'ready')
      and (c.status = 'disabled' or (q.executor = 'edge' and not engine.device_seen(q.user_id)))
      and not exists (select 1 from engine.commands k where k.delivery_id = q.id and k.state in ('submitting', 'unknown'))
    returning q.id, q.is_exit, c.status = 'disabled' as disconnected, engine.name_of(a.broker) as broker
  ), ended as (
    update public.deliveries d
    set status = 'done', outcome = 'denied', finished_at = clock_timestamp(),
      reason = (case when g.disconnected then 'account_disconnected' else 'executor_offline' end)::public.reason,
      numbers = case when g.is_exit then jsonb_build_object('close_in', g.broker) end,
      trace = d.trace || jsonb_build_array(jsonb_build_object(
        'stage', 'claim', 'outcome', 'denied', 'ms', 0,
        'detail', jsonb_build_object('reason', case when g.disconnected then 'account_disconnected' else 'executor_offline' end)
      ))
    from gone g where d.id = g.id
    returning d.id
  )
  select coalesce(array_agg(e.id), '{}') into v_ended from ended e;
  perform engine.cancel_unsent(array[d.id], false, d.reason) from public.deliveries d where d.id = any (v_ended);
  perform engine.tell_unreachable(v_ended);
  perform engine.tell(v_ended);
  perform engine.promote(v_accounts);
  perform engine.close_events(array(select d.event_id from public.deliveries d where d.id = any (v_ended)));
  return cardinality(v_ended);
end
$$;
comment on function engine.end_unreachable(integer) is
'Ends what waits for accounts that nobody can reach: entries are not kept for later, exits say where to close by hand.';

create function engine.tell_unreachable(p_deliveries bigint []) returns void
language plpgsql set search_path = '' as $$
begin
  perform engine.note(d.user_id, 'error', d.reason::text,
    format('%s of %s was not sent: %s', d.action, coalesce(a.label, a.account_id), case d.reason
      when 'executor_offline' then format('cannot reach your device: close in %s now.', d.numbers ->> 'close_in')
      else format('the login is disconnected: close in %s now.', d.numbers ->> 'close_in') end),
    jsonb_build_object('account_id', d.account_id, 'delivery_id', d.id), d.event_id)
  from public.deliveries d join public.broker_accounts a on a.id = d.account_id
  where d.id = any (p_deliveries) and d.numbers ? 'close_in' order by d.id;
end
$$;
comment on function engine.tell_unreachable(bigint []) is 'An exit that cannot be sent is an alarm in the trader''s log.';
alter function engine.tell_unreachable(bigint []) owner to empire_engine;
alter function engine.end_unreachable(integer) owner to empire_engine;
revoke all on function engine.end_unreachable(integer) from public;
grant execute on function engine.end_unreachable(integer) to empire_worker;
