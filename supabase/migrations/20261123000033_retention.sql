-- What is forgotten, and when: events, deliveries, logs and messages after 90 days; orders, fills and the audit never.
create function engine.forget_deliveries(p_before timestamptz, p_limit integer) returns integer
language plpgsql set search_path = '' as $$
declare
  v_ids constant bigint [] := array(
    select d.id from public.webhook_events e join public.deliveries d on d.event_id = e.id
    where e.received_at < p_before and d.status in ('done', 'dead')
    order by e.received_at, d.id limit p_limit
  );
begin
  -- Orders outlive their alert. All at once here, not one by one by the foreign key.
  update public.orders set delivery_id = null where delivery_id = any (v_ids);
  delete from engine.commands where delivery_id = any (v_ids);
  delete from engine.reservations where delivery_id = any (v_ids);
  delete from engine.dead_letters where delivery_id = any (v_ids);
  delete from public.deliveries where id = any (v_ids);
  return cardinality(v_ids);
end
$$;
comment on function engine.forget_deliveries(timestamptz, integer) is
'Deletes ended deliveries of alerts received before a time, with their commands. One that is not done is kept however '
'old it is. Returns how many.';
alter function engine.forget_deliveries(timestamptz, integer) owner to empire_engine;

create function engine.forget_events(p_before timestamptz, p_limit integer) returns integer
language plpgsql set search_path = '' as $$
declare
  v_n integer;
begin
  delete from public.webhook_events where id = any (array(
    select e.id from public.webhook_events e
    where e.received_at < p_before and not exists (select 1 from public.deliveries d where d.event_id = e.id)
    order by e.received_at limit p_limit
  ));
  get diagnostics v_n = row_count;
  return v_n;
end
$$;
comment on function engine.forget_events(timestamptz, integer) is
'Deletes alerts received before a time that have no delivery (any more), refused ones too. Returns how many.';
alter function engine.forget_events(timestamptz, integer) owner to empire_engine;

create function engine.housekeeping(p_limit integer default 2000) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  c_keep constant timestamptz := now() - interval '90 days';
  v_dedupe integer;
  v_deliveries integer;
  v_events integer;
  v_logs integer;
  v_notifications integer;
  v_outbox integer;
begin
  -- Every worker asks; one at a time is enough.
  if not pg_try_advisory_xact_lock(hashtextextended('engine.housekeeping', 0)) then
    return '{"more": false}';
  end if;
  perform engine.apply_account_settings();
  -- Small batches: a long delete would hold back vacuum of the queue.
  delete from engine.dedupe where ctid = any (array(select d.ctid from engine.dedupe d where d.expires_at < now() limit p_limit));
  get diagnostics v_dedupe = row_count;
  v_deliveries := engine.forget_deliveries(c_keep, p_limit);
  v_events := engine.forget_events(c_keep, p_limit);
  delete from public.logs where id = any (array(select l.id from public.logs l where l.created_at < c_keep limit p_limit));
  get diagnostics v_logs = row_count;
  delete from public.notifications where id = any (array(
    select n.id from public.notifications n where n.created_at < c_keep limit p_limit
  ));
  get diagnostics v_notifications = row_count;
  -- Nothing is left here for so long unless no relay runs: then nobody wants it.
  delete from engine.outbox where id = any (array(
    select o.id from engine.outbox o where o.created_at < c_keep order by o.id limit p_limit
  ));
  get diagnostics v_outbox = row_count;
  delete from engine.alarms where at < c_keep;
  delete from engine.notification_codes where expires_at < now() - interval '1 day';
  delete from engine.endpoint_counters where window_start < now() - interval '2 days';
  delete from engine.scope_counters where trading_day < now() - interval '100 days';
  delete from engine.guards where ended_at < c_keep;
  delete from engine.naked where ended_at < c_keep;
  delete from engine.endings where ask_again_at < now() - interval '1 day';
  delete from engine.workers where seen_at < now() - interval '1 day';
  return jsonb_build_object(
    'dedupe', v_dedupe, 'deliveries', v_deliveries, 'events', v_events, 'logs', v_logs,
    'notifications', v_notifications, 'outbox', v_outbox,
    'more', greatest(v_dedupe, v_deliveries, v_events, v_logs, v_notifications, v_outbox) >= p_limit
  );
end
$$;
comment on function engine.housekeeping(integer) is
'Forgets what need not be remembered, a small batch of each kind; more = there is more of something.';
alter function engine.housekeeping(integer) owner to empire_engine;
revoke all on function engine.housekeeping(integer) from public;
grant execute on function engine.housekeeping(integer) to empire_worker;
