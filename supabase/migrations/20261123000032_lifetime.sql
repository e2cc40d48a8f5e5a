-- Pending entries do not live for ever, and not on where nothing may be opened any more.
create table engine.endings (
  order_id bigint primary key,
  event_id bigint not null,
  asked integer not null default 1,
  ask_again_at timestamptz not null
);
comment on table engine.endings is 'Pending entries that were to be canceled: how often it was asked for, the last alert that did, and when it is asked again if the order still stands.';
grant select, insert, update, delete on engine.endings to empire_engine;

create function engine.entries_to_end(p_limit integer)
returns table (order_id bigint, user_id uuid, account_id uuid, symbol text, why text)
language plpgsql stable set search_path = '' as $$
begin
  return query
    select o.id, o.user_id, o.account_id, coalesce(o.tv_symbol, o.symbol), x.why
    from public.orders o
    join public.broker_accounts a on a.id = o.account_id
    join public.profiles u on u.id = o.user_id
    left join public.webhook_endpoints w on w.id = o.endpoint_id
    cross join lateral (
      select case
        when o.expires_at <= clock_timestamp() then 'Its time is over.'
        when u.trading_halted or a.halted_by <> '{}' or u.status <> 'active' then 'Trading is halted.'
        when not a.trading_enabled then 'The account is disabled.'
        when a.locked_until > clock_timestamp() then 'The account is locked.'
        when w.enabled is false then 'The endpoint is disabled.'
      end as why
    ) x
    where o.status in ('working', 'partially_filled') and not o.reduce_only and o.kind = 'place' and o.origin <> 'broker'
      and x.why is not null
      and not exists (
        select 1 from engine.endings n
        where n.order_id = o.id and (n.ask_again_at > clock_timestamp() or exists (
          select 1 from public.deliveries d where d.event_id = n.event_id and d.status in ('queued', 'claimed')
        ))
      )
    order by o.account_id, o.id limit p_limit;
end
$$;
comment on function engine.entries_to_end(integer) is
'Pending entries of ours that are to be canceled, with the reason: over their time, or nothing may be opened there any '
'more. Not those that were asked for a while ago or whose cancel is under way.';
alter function engine.entries_to_end(integer) owner to empire_engine;

create function engine.end_entries(p_limit integer) returns integer
language plpgsql security definer set search_path = '' as $$
declare
  r record;
  v_event bigint;
  v_body text;
  v_n integer := 0;
begin
  -- Every worker asks; one at a time is enough.
  if not pg_try_advisory_xact_lock(hashtextextended('engine.end_entries', 0)) then
    return 0;
  end if;
  for r in select e.* from engine.entries_to_end(p_limit) e loop
    v_event := nextval('public.webhook_events_id_seq');
    v_body := jsonb_build_object('version', 'unify.v1', 'intent', jsonb_build_object(
      'action', 'cancel', 'symbol', r.symbol, 'order_id', r.order_id::text, 'scope', 'symbol', 'comment', r.why
    ))::text;
    -- A broker that cannot be reached for days is not asked every minute of them.
    insert into engine.endings as n (order_id, event_id, ask_again_at)
    values (r.order_id, v_event, clock_timestamp() + interval '1 minute')
    on conflict (order_id) do update
    set event_id = excluded.event_id, asked = n.asked + 1,
      ask_again_at = clock_timestamp() + least(interval '1 hour', interval '1 minute' * power(2, least(n.asked, 6)));
    perform engine.store_intent(v_event, r.user_id, 'system', v_body, array[r.account_id]);
    v_n := v_n + 1;
  end loop;
  return v_n;
end
$$;
comment on function engine.end_entries(integer) is
'Asks for the cancel of pending entries that may not live on, through the inbox and queue like everybody. Asked again '
'while they stand, after a minute at first and later every hour. Returns how many.';
alter function engine.end_entries(integer) owner to empire_engine;
revoke all on function engine.end_entries(integer) from public;
grant execute on function engine.end_entries(integer) to empire_worker;
