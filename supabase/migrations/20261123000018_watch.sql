-- What must never be: each view is empty, in tests and in production.
create view engine.invariant_sent_has_an_outcome as
select c.id, c.delivery_id, c.state, c.submitted_at from engine.commands c
where c.state in ('submitting', 'unknown') and c.submitted_at < clock_timestamp() - interval '10 minutes';
comment on view engine.invariant_sent_has_an_outcome is 'A command was sent long ago and has no outcome.';

create view engine.invariant_done_has_an_outcome as
select d.id from public.deliveries d where d.status = 'done' and d.outcome is null;
comment on view engine.invariant_done_has_an_outcome is 'A delivery is done without an outcome.';

create view engine.invariant_no_account_sleeps as
select q.account_id, q.lane from engine.queue q
where q.state = 'waiting' and not exists (
  select 1 from engine.queue h where h.account_id = q.account_id and h.lane = q.lane and h.is_head
);
comment on view engine.invariant_no_account_sleeps is
'An account has a waiting row and none ready or claimed: nobody would ever wake it.';

create view engine.invariant_order_and_command_agree as
select o.id, o.status, c.state from public.orders o join engine.commands c on c.order_id = o.id and c.kind in ('place', 'close')
where (c.state = 'rejected' and o.status not in ('rejected', 'filled', 'partially_filled'))
  or (c.state = 'accepted' and o.status in ('pending', 'submitting', 'unknown', 'rejected'))
  or (c.state in ('canceled', 'expired') and o.status in ('pending', 'submitting', 'unknown'));
comment on view engine.invariant_order_and_command_agree is 'An order''s status contradicts what its command brought.';

create view engine.invariant_queue_and_delivery_agree as
select q.id, q.state, d.status from engine.queue q join public.deliveries d on d.id = q.id where d.status in ('done', 'dead')
union all
select d.id, null, d.status from public.deliveries d
where d.status in ('queued', 'claimed') and not exists (select 1 from engine.queue q where q.id = d.id)
  and d.id > (select coalesce(max(m.id), 0) - 100000 from public.deliveries m);
comment on view engine.invariant_queue_and_delivery_agree is
'A finished delivery still stands in the queue, or an unfinished one does not.';

create view engine.invariant_done_leaves_nothing_unsent as
select c.id, c.delivery_id, c.state from engine.commands c
where c.state in ('pending', 'submitting', 'unknown') and not exists (select 1 from engine.queue q where q.id = c.delivery_id);
comment on view engine.invariant_done_leaves_nothing_unsent is
'A delivery has ended and one of its commands has not: nobody would ever send it or ask about it.';

create view engine.invariant_events_count_their_deliveries as
select e.id, e.open_deliveries, e.processed, d.n as unfinished from public.webhook_events e
cross join lateral (
  select count(*) as n from public.deliveries x where x.event_id = e.id and x.status not in ('done', 'dead')
) d
where e.status = 'accepted' and (e.open_deliveries <> d.n or e.processed <> (d.n = 0))
  and e.id > (select coalesce(max(m.id), 0) - 10000 from public.webhook_events m);
comment on view engine.invariant_events_count_their_deliveries is
'A recent alert''s count of unfinished deliveries, or its processed flag, is wrong.';

create function engine.invariant_rows() returns jsonb
language plpgsql security definer stable set search_path = '' as $$
declare
  v record;
  v_n bigint;
  v_all jsonb := '{}';
begin
  for v in select c.relname from pg_catalog.pg_class c
    where c.relnamespace = 'engine'::regnamespace and c.relkind = 'v' and c.relname like 'invariant\_%' order by 1
  loop
    execute format('select count(*) from engine.%I', v.relname) into v_n;
    v_all := v_all || jsonb_build_object(v.relname, v_n);
  end loop;
  return v_all;
end
$$;
comment on function engine.invariant_rows() is 'Rows in each invariant view: all must be 0.';
grant select on all tables in schema engine to empire_engine;
alter function engine.invariant_rows() owner to empire_engine;
revoke all on function engine.invariant_rows() from public;
grant execute on function engine.invariant_rows() to empire_worker;

create function engine.stats() returns jsonb
language sql security definer stable set search_path = '' as $$
  select jsonb_build_object(
    'queue_ready', (select count(*) from engine.queue where is_head and state = 'ready'),
    'queue_waiting', (select count(*) from engine.queue where state = 'waiting'),
    'queue_oldest_seconds', coalesce((
      select round(extract(epoch from clock_timestamp() - d.created_at), 3) from engine.queue q join public.deliveries d on d.id = q.id
      where q.state in ('ready', 'waiting') order by q.id limit 1
    ), 0),
    'unknown_orders', (select count(*) from engine.commands where state = 'unknown'),
    'dead_letters', (select count(*) from engine.dead_letters),
    'counters', (select coalesce(jsonb_object_agg(c.name, c.n), '{}') from engine.counters c),
    'workers', (select coalesce(jsonb_agg(jsonb_build_object('id', w.id, 'kind', w.kind, 'seen_seconds', round(extract(epoch from clock_timestamp() - w.seen_at), 1))), '[]') from engine.workers w where w.seen_at > now() - interval '1 hour'),
    'oldest_xmin_seconds', coalesce((
      select round(extract(epoch from max(clock_timestamp() - s.xact_start)), 1) from pg_catalog.pg_stat_activity s
      where s.datname = current_database() and s.backend_xmin is not null and s.pid <> pg_backend_pid()
    ), 0)
  )
$$;
comment on function engine.stats() is 'The numbers that metrics and doctor show.';
alter function engine.stats() owner to empire_engine;
revoke all on function engine.stats() from public;
grant execute on function engine.stats() to empire_worker;

create function engine.trace_of(p_event bigint) returns jsonb
language plpgsql security definer stable set search_path = '' as $$
begin
  return (select jsonb_build_object(
    'event', to_jsonb(e) - array['body', 'payload', 'signature'],
    'intent', e.payload -> 'intent',
    'deliveries', (
      select coalesce(jsonb_agg(to_jsonb(d) || jsonb_build_object(
        'account', (select jsonb_build_object('label', a.label, 'account_id', a.account_id, 'broker', a.broker) from public.broker_accounts a where a.id = d.account_id),
        'orders', (select coalesce(jsonb_agg(to_jsonb(o) order by o.leg), '[]') from public.orders o where o.delivery_id = d.id),
        'commands', (select coalesce(jsonb_agg(to_jsonb(c) - 'request' order by c.leg), '[]') from engine.commands c where c.delivery_id = d.id),
        'guards', (
          select coalesce(jsonb_agg(to_jsonb(g) - array['user_id', 'account_id'] order by g.id), '[]')
          from engine.guards g join engine.commands k on k.id = g.command_id where k.delivery_id = d.id
        ),
        'fills', (select coalesce(jsonb_agg(to_jsonb(f) order by f.id), '[]') from public.fills f join public.orders o on o.id = f.order_id where o.delivery_id = d.id)
      ) order by d.id), '[]') from public.deliveries d where d.event_id = e.id
    )
  ) from public.webhook_events e where e.id = p_event);
end
$$;
comment on function engine.trace_of(bigint) is 'An alert from door to fill: for the operator''s trace command.';
alter function engine.trace_of(bigint) owner to empire_engine;
revoke all on function engine.trace_of(bigint) from public;
