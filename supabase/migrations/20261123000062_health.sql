-- How the house is, in one function: the brokers as the watch sees them, the workers by their heartbeats, and what waits.
create function engine.fade_unread() returns integer
language plpgsql set search_path = '' as $$
declare
  c_now constant timestamptz := clock_timestamp();
  c_unknown constant timestamptz := c_now - interval '60 seconds';
  -- Where nobody reads at all, that is another trouble.
  c_watched constant boolean := (select true from engine.account_marks w where w.lease_until > c_now limit 1) is not null;
  v_late uuid [];
begin
  -- Every worker asks; one at a time is enough.
  if not pg_try_advisory_xact_lock(hashtextextended('engine.fade_unread', 0)) then
    return 0;
  end if;
  v_late := array(
    select b.id from public.broker_accounts b
    -- A read is under way and hangs, the last one has failed, or those who read do not come to it.
    join engine.account_marks w on w.account_id = b.id
      and (w.failures > 0 or w.lease_until > c_now or (c_watched and w.due_at <= c_now))
    join public.broker_connections c on c.id = b.connection_id
    where b.freshness <> 'unknown' and b.as_of < c_now - case b.freshness
      when 'fresh' then (w.every_s + 4) * interval '1 second' else interval '60 seconds' end
      and (w.failures > 0 or w.lease_until > c_now or (c.status = 'connected' and coalesce(b.executor, c.executor) = 'fleet'))
      and (select true from public.positions p where p.account_id = b.id and p.closed_at is null limit 1)
    -- Who holds an account is just telling what it is worth. Not so many that those who trade there wait for us.
    order by b.id for no key update of b skip locked limit 500
  );
  update public.broker_accounts b set freshness = f.freshness from (
    select x.id, case when x.as_of < c_unknown then 'unknown' else 'stale' end::public.freshness as freshness
    from public.broker_accounts x where x.id = any (v_late)
  ) f where b.id = f.id and b.freshness < f.freshness;
  update public.positions p set freshness = b.freshness from public.broker_accounts b
  where b.id = any (v_late) and p.account_id = b.id and p.closed_at is null and p.freshness < b.freshness;
  return cardinality(v_late);
end
$$;
comment on function engine.fade_unread() is
'Accounts with open positions that are being read in vain, or to which those who read do not come: stale when the last read is 4 '
'seconds older than it should be, after 60 seconds unknown, also while a read hangs. Returns how many.';
alter function engine.fade_unread() owner to empire_engine;

create function engine.broker_health() returns table (broker public.broker, status text, message text)
language plpgsql stable set search_path = '' as $$
begin
  return query
    select s.broker,
      case when s.failed + s.read = 0 then 'unknown' when s.failed = 0 then 'operational' when s.read = 0 then 'down' else 'degraded' end,
      case when s.failed > 0 then format('%s of %s accounts could not be read.', s.failed, s.failed + s.read) end
    from (
      select o.broker, count(x.failed) filter (where x.failed) as failed, count(x.failed) filter (where not x.failed) as read
      from public.health o
      left join (
        -- Something is open there, and nobody has seen it lately: that no read fails only means that nobody has asked.
        select a.broker, m.failures > 0 or t.late as failed
        from public.broker_accounts a
        join public.broker_connections c on c.id = a.connection_id and c.status = 'connected'
        join engine.account_marks m on m.account_id = a.id
        cross join lateral (
          select m.is_flat is false and coalesce(m.read_at < clock_timestamp() - (m.every_s + 4) * interval '1 second', false) as late
        ) t
        where m.failures > 0 or t.late or m.read_at > clock_timestamp() - interval '2 minutes'
      ) x on x.broker = o.broker
      group by o.broker
    ) s;
end
$$;
comment on function engine.broker_health() is
'Every broker by what the watch has read in the last two minutes: operational, degraded (some accounts could not be read), down '
'(none could), unknown (nobody looked).';
alter function engine.broker_health() owner to empire_engine;

create function engine.worker_health() returns table (kind text, alive bigint, seen_s numeric)
language plpgsql stable set search_path = '' as $$
begin
  return query
    select k.kind, count(w.id) filter (where w.seen_at > clock_timestamp() - interval '20 seconds'),
      round(extract(epoch from clock_timestamp() - max(w.seen_at)), 1)
    from unnest(array['execution', 'positions', 'maintenance', 'relay']) as k (kind)
    left join engine.workers w on w.kind = 'all' or k.kind = any (string_to_array(w.kind, '+'))
    group by k.kind;
end
$$;
comment on function engine.worker_health() is
'Every kind of worker: how many told of themselves in the last 20 seconds, and how long ago the last one did (null = never).';
alter function engine.worker_health() owner to empire_engine;

create function engine.health_now() returns jsonb
language plpgsql security definer stable set search_path = '' as $$
declare
  v_brokers jsonb;
  v_workers jsonb;
  v_missing text [];
  v_ill text [];
  v_waits numeric;
  v_slow boolean;
begin
  select jsonb_object_agg(h.broker, jsonb_strip_nulls(jsonb_build_object(
    'status', b.status, 'message', b.message, 'latency_ms', h.latency_ms))),
    array_agg(format('%s is %s: %s', h.broker, b.status, b.message) order by h.broker) filter (where b.status in ('degraded', 'down'))
  into v_brokers, v_ill
  from engine.broker_health() b join public.health h on h.broker = b.broker;
  select jsonb_object_agg(w.kind, jsonb_build_object('alive', w.alive, 'seen_s', w.seen_s)),
    array_agg(w.kind order by w.kind) filter (where w.alive = 0)
  into v_workers, v_missing from engine.worker_health() w;
  select round(extract(epoch from clock_timestamp() - d.created_at), 1) into v_waits
  from engine.queue q join public.deliveries d on d.id = q.id where q.state = 'ready' order by q.id limit 1;
  v_slow := coalesce(v_waits > 60, false);
  return jsonb_build_object(
    'status', case when 'execution' = any (v_missing) then 'down' when v_missing || v_ill <> '{}' or v_slow then 'degraded' else 'healthy' end,
    'message', nullif(concat_ws(' ', case when v_missing <> '{}' then
      format('No worker for %s has been seen in the last 20 seconds.', array_to_string(v_missing, ', ')) end,
      array_to_string(v_ill, ' '), case when v_slow then 'An alert has waited for more than 60 seconds.' end), ''),
    'brokers', v_brokers, 'workers', v_workers, 'queue_oldest_s', coalesce(v_waits, 0)
  );
end
$$;
comment on function engine.health_now() is
'How the house is: {status healthy | degraded | down, message (a sentence each that is not well), brokers, workers, queue_oldest_s}. '
'down = nobody carries out alerts; degraded = a broker cannot be read in part or at all, a kind of worker is missing, or alerts wait.';
alter function engine.health_now() owner to empire_engine;
revoke all on function engine.health_now() from public;

create function private.system_health() returns jsonb
language plpgsql security definer stable set search_path = '' as $$
begin
  return engine.health_now();
end
$$;
comment on function private.system_health() is 'public.system_health: the house''s health is no secret of anybody''s.';
revoke all on function private.system_health() from public;
grant execute on function private.system_health() to authenticated;

create function public.system_health() returns jsonb
language plpgsql stable set search_path = '' as $$
begin
  return private.system_health();
end
$$;
comment on function public.system_health() is
'How the house is now, for everyone who is signed in: see engine.health_now. Changes are told on the topic health:system.';
revoke all on function public.system_health() from public, anon, service_role;
grant execute on function public.system_health() to authenticated;

create table engine.health_told (
  one boolean primary key default true check (one),
  status text not null,
  message text,
  version bigint not null default 1
);
comment on table engine.health_told is 'The health of the whole house as it was told last: one row.';
insert into engine.health_told (status) values ('down');
grant select, update on engine.health_told to empire_engine;

create function private.tell_system() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  insert into realtime.messages (id, topic, extension, private, event, payload)
  select private.message_id(), 'health:system', 'broadcast', true, 'system.updated',
    jsonb_build_object('v', n.version, 'status', n.status, 'message', n.message)
  from changed n;
  return null;
exception when others then
  perform private.count_realtime_failure();
  return null;
end
$$;
comment on function private.tell_system() is 'Tells everyone when the health of the house changes.';
revoke all on function private.tell_system() from public;
create trigger tell_update after update on engine.health_told
referencing new table as changed for each statement execute function private.tell_system();

create function engine.tell_health() returns void
language plpgsql set search_path = '' as $$
declare
  c_now constant jsonb := engine.health_now();
begin
  -- Nothing is told twice: an update of no row has no message, either.
  if (select true from engine.health_told t where (t.status, t.message) is distinct from (c_now ->> 'status', c_now ->> 'message')) then
    update engine.health_told t
    set status = c_now ->> 'status', message = c_now ->> 'message', version = t.version + 1
    where (t.status, t.message) is distinct from (c_now ->> 'status', c_now ->> 'message');
  end if;
end
$$;
comment on function engine.tell_health() is 'Tells the topic health:system when the health of the house is another one than before.';
alter function engine.tell_health() owner to empire_engine;
