-- Alarms: what nobody reports because it is something that does not happen. Looked for every few seconds, off the road.
create table engine.alarms (
  key text primary key,
  at timestamptz not null default clock_timestamp()
);
comment on table engine.alarms is 'What the trader was alarmed about: once for each thing.';
create table engine.thinned (
  grade text primary key,
  day date not null
);
comment on table engine.thinned is 'Up to which day (UTC) equity_history was thinned to a grade: minute, hour, day.';
create index equity_history_time on public.equity_history using brin (timestamp);
create index commands_unknown_since on engine.commands (submitted_at) where state = 'unknown';
grant select, insert, update, delete on engine.alarms, engine.thinned to empire_engine;
grant delete on public.equity_history to empire_engine;

create function engine.alarm(p_key text, p_user uuid, p_class text, p_message text, p_details jsonb, p_event bigint default null) returns boolean
language plpgsql set search_path = '' as $$
begin
  insert into engine.alarms (key) values (p_key) on conflict (key) do nothing;
  if not found then
    return false;
  end if;
  perform engine.note(p_user, 'error', p_class, p_message, p_details, p_event);
  return true;
end
$$;
comment on function engine.alarm(text, uuid, text, text, jsonb, bigint) is
'Alarms the trader, once for each key: a line in the log that also goes to his targets. False = he knows.';
alter function engine.alarm(text, uuid, text, text, jsonb, bigint) owner to empire_engine;

create function engine.alarm_unknown(p_limit integer) returns integer
language plpgsql set search_path = '' as $$
declare
  r record;
  v_n integer := 0;
begin
  for r in
    select c.id, c.kind, c.user_id, c.account_id, c.root, c.is_entry, c.lookups, d.event_id, coalesce(a.label, a.account_id) as account,
      a.broker, round(extract(epoch from clock_timestamp() - c.submitted_at)) as age, o.side, o.qty, o.symbol
    from engine.commands c
    join public.deliveries d on d.id = c.delivery_id join public.broker_accounts a on a.id = c.account_id
    left join public.orders o on o.id = c.order_id
    where c.state = 'unknown' and c.submitted_at < clock_timestamp() - interval '30 seconds'
      and (select true from engine.alarms k where k.key = 'unknown:' || c.id limit 1) is null
    order by c.submitted_at limit p_limit
  loop
    v_n := v_n + engine.alarm('unknown:' || r.id, r.user_id, 'unknown', format(
      'We have not known for %s s whether %s has carried out "%s" on %s (asked %s times). It counts as open risk%s. Look in %s.',
      r.age, engine.name_of(r.broker), concat_ws(' ', r.kind, r.side, r.qty, coalesce(r.symbol, r.root)), r.account, r.lookups,
      case when r.is_entry then ' and is not sent again on a guess' else '' end, engine.name_of(r.broker)),
      jsonb_build_object('account_id', r.account_id, 'command_id', r.id, 'seconds', r.age), r.event_id)::integer;
  end loop;
  return v_n;
end
$$;
comment on function engine.alarm_unknown(integer) is 'Commands whose outcome has not been known for 30 seconds.';
alter function engine.alarm_unknown(integer) owner to empire_engine;

create function engine.alarm_late_exits(p_limit integer) returns integer
language plpgsql set search_path = '' as $$
declare
  r record;
  v_n integer := 0;
begin
  for r in
    select d.id, d.user_id, d.account_id, d.event_id, d.action, d.symbol, d.numbers, coalesce(a.label, a.account_id) as account, a.broker,
      round(extract(epoch from clock_timestamp() - d.created_at)) as age
    from engine.queue q
    join public.deliveries d on d.id = q.id join public.broker_accounts a on a.id = q.account_id
    where q.is_exit and q.state <> 'unsettled' and d.created_at < clock_timestamp() - interval '30 seconds' and not d.dry_run
      and d.action <> 'cancel' and (select true from engine.alarms k where k.key = 'exit:' || d.id limit 1) is null
    order by d.id limit p_limit
  loop
    v_n := v_n + engine.alarm('exit:' || r.id, r.user_id, 'exit_late', format(
      '%s on %s has not been carried out for %s s. We go on trying; if you cannot wait, close it in %s.',
      concat_ws(' ', initcap(r.action::text), r.symbol), r.account, r.age, engine.name_of(r.broker)),
      jsonb_build_object('account_id', r.account_id, 'delivery_id', r.id, 'seconds', r.age), r.event_id)::integer;
  end loop;
  return v_n;
end
$$;
comment on function engine.alarm_late_exits(integer) is 'Exits that have waited for 30 seconds.';
alter function engine.alarm_late_exits(integer) owner to empire_engine;

create function engine.offline_accounts() returns table (account_id uuid, device boolean, positions bigint, what text)
language plpgsql stable set search_path = '' as $$
begin
  return query
    select a.id, x.edge, p.n, left(p.what, 300)
    from (
      select y.account_id, count(*) as n, string_agg(concat_ws(' ', y.side, y.qty, y.symbol), ', ' order by y.id) as what
      from public.positions y where y.closed_at is null group by y.account_id
    ) p
    join public.broker_accounts a on a.id = p.account_id join public.broker_connections c on c.id = a.connection_id
    join public.health h on h.broker = a.broker
    cross join lateral (select coalesce(a.executor, c.executor) = 'edge' and not engine.device_seen(a.user_id) as edge) x
    left join engine.account_marks m on m.account_id = a.id
    -- One account that cannot be read is as much out of reach as a whole broker.
    where x.edge or h.status = 'down' or (m.failures >= 3 and m.read_at < clock_timestamp() - interval '30 seconds');
end
$$;
comment on function engine.offline_accounts() is
'Accounts with open positions that cannot be read, whose broker is down, or whose device is not seen (device = true).';
alter function engine.offline_accounts() owner to empire_engine;

create function engine.alarm_offline(p_limit integer) returns integer
language plpgsql set search_path = '' as $$
declare
  r record;
  v_n integer := 0;
begin
  for r in
    select f.*, a.user_id, a.broker, coalesce(a.label, a.account_id) as account
    from engine.offline_accounts() f join public.broker_accounts a on a.id = f.account_id
    where (select true from engine.alarms k where k.key = 'offline:' || f.account_id limit 1) is null
    order by a.id limit p_limit
  loop
    v_n := v_n + engine.alarm('offline:' || r.account_id, r.user_id, 'offline', format(
      '%s cannot be reached while %s position%s open on %s: %s. Nothing can be closed from here now; watch it in %s.',
      case when r.device then 'Your device' else engine.name_of(r.broker) end, r.positions,
      case r.positions when 1 then ' is' else 's are' end, r.account, r.what, engine.name_of(r.broker)),
      jsonb_build_object('account_id', r.account_id, 'positions', r.positions))::integer;
  end loop;
  -- It may alarm again once it was there again; what comes and goes all the time does so every ten minutes.
  delete from engine.alarms k where k.key like 'offline:%' and k.at < clock_timestamp() - interval '10 minutes'
    and k.key not in (select 'offline:' || f.account_id from engine.offline_accounts() f);
  return v_n;
end
$$;
comment on function engine.alarm_offline(integer) is
'Tells of open positions that nothing can be done about from here: once for each time the broker or the device is away.';
alter function engine.alarm_offline(integer) owner to empire_engine;

create function engine.naked_positions(p_limit integer) returns setof public.positions
language plpgsql stable set search_path = '' as $$
begin
  return query
    select p.* from public.positions p join public.broker_accounts a on a.id = p.account_id
    where p.closed_at is null and p.stop_loss is null and p.freshness = 'fresh'
      and p.opened_at < clock_timestamp() - interval '10 seconds'
      -- Who asks for stops; without that rule a position without one is the trader's own will.
      and (
        select true from engine.limits_in_force r
        where r.user_id = a.user_id and r.stop_required and (r.broker is null or r.broker = a.broker)
          and (r.account_id is null or r.account_id = a.id) limit 1
      )
      and (
        select true from public.orders o
        where o.account_id = p.account_id and o.status in ('working', 'partially_filled') and o.reduce_only
          and o.stop_price is not null and o.root = p.root and o.side <> p.side limit 1
      ) is null
      and (select true from engine.alarms k where k.key = 'naked:' || p.id limit 1) is null
    order by p.id limit p_limit;
end
$$;
comment on function engine.naked_positions(integer) is
'Open positions that have had no stop for 10 seconds where the trader''s limits require one, and of which nobody was told.';
alter function engine.naked_positions(integer) owner to empire_engine;

create function engine.alarm_naked(p_limit integer) returns integer
language plpgsql set search_path = '' as $$
declare
  r record;
  v_n integer := 0;
begin
  for r in
    select p.id, p.user_id, p.account_id, p.side, p.qty, p.symbol, p.entry_price, coalesce(a.label, a.account_id) as account, a.broker,
      round(extract(epoch from clock_timestamp() - p.opened_at)) as age
    from engine.naked_positions(p_limit) p join public.broker_accounts a on a.id = p.account_id
  loop
    v_n := v_n + engine.alarm('naked:' || r.id, r.user_id, 'naked', format(
      '%s %s %s on %s, opened at %s, has no stop for %s s, and your limits require one. Set one or close it in %s.',
      initcap(r.side::text), r.qty, r.symbol, r.account, trim_scale(r.entry_price), r.age, engine.name_of(r.broker)),
      jsonb_build_object('account_id', r.account_id, 'position_id', r.id, 'seconds', r.age))::integer;
  end loop;
  return v_n;
end
$$;
comment on function engine.alarm_naked(integer) is 'Tells of positions without the stop that they should have, once each.';
alter function engine.alarm_naked(integer) owner to empire_engine;

create function engine.raise_alarms(p_limit integer) returns jsonb
language plpgsql security definer set search_path = '' as $$
begin
  -- Every maintenance worker asks; one at a time is enough.
  if not pg_try_advisory_xact_lock(hashtextextended('engine.raise_alarms', 0)) then
    return '{"unknown": 0, "exits": 0, "offline": 0, "naked": 0, "silent": 0}';
  end if;
  return jsonb_build_object(
    'unknown', engine.alarm_unknown(p_limit), 'exits', engine.alarm_late_exits(p_limit), 'offline', engine.alarm_offline(p_limit),
    'naked', engine.alarm_naked(p_limit), 'silent', engine.alarm_silence(p_limit)
  );
end
$$;
comment on function engine.raise_alarms(integer) is 'Looks for what should have happened and did not, and tells the traders; how many of each.';
alter function engine.raise_alarms(integer) owner to empire_engine;
revoke all on function engine.raise_alarms(integer) from public;
grant execute on function engine.raise_alarms(integer) to empire_worker, empire_maintenance;

create function engine.thin_day(p_grade text, p_day date, p_limit integer) returns integer
language plpgsql set search_path = '' as $$
declare
  c_from constant timestamptz := p_day::timestamp at time zone 'UTC';
  v_n integer;
begin
  delete from public.equity_history where id = any (array(
    select h.id from (
      select e.id, row_number() over (
          partition by e.account_id, date_trunc(p_grade, e.timestamp, 'UTC') order by e.timestamp desc, e.id desc
        ) as nth,
        row_number() over (partition by e.account_id, d.day order by e.equity desc, e.timestamp, e.id) as high,
        row_number() over (partition by e.account_id, d.day order by e.equity, e.timestamp, e.id) as low,
        -- Where the account's own day ends within this one its last value is how that day ended.
        row_number() over (partition by e.account_id, d.day order by e.timestamp desc, e.id desc) as last
      from public.equity_history e
      join public.broker_accounts a on a.id = e.account_id
      cross join lateral (select ((e.timestamp at time zone a.timezone) - a.reset_time)::date as day) d
      where e.timestamp >= c_from and e.timestamp < c_from + interval '1 day'
    ) h
    where h.nth > 1 and h.high > 1 and h.low > 1 and h.last > 1 limit p_limit
  ));
  get diagnostics v_n = row_count;
  return v_n;
end
$$;
comment on function engine.thin_day(text, date, integer) is
'Of a day (UTC) the last equity of each minute, hour or of the day stays, and of each trading day of the account that reaches into '
'it the highest, the lowest and the last. Returns how many went.';
alter function engine.thin_day(text, date, integer) owner to empire_engine;

create function engine.thin_equity(p_limit integer) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  v_today constant date := (clock_timestamp() at time zone 'UTC')::date;
  v_gone integer := 0;
  v_more boolean := false;
  g record;
begin
  if not pg_try_advisory_xact_lock(hashtextextended('engine.thin_equity', 0)) then
    return '{"gone": 0, "more": false}';
  end if;
  for g in select * from (values ('minute', v_today - 2), ('hour', v_today - 8), ('day', v_today - 91)) as t (grade, until) loop
    insert into engine.thinned (grade, day)
    select g.grade, least(coalesce((min(e.timestamp) at time zone 'UTC')::date, g.until) - 1, g.until) from public.equity_history e
    on conflict (grade) do nothing;
    -- A day at a time and the batch at most: a long delete would hold back vacuum of the queue.
    update engine.thinned t set day = t.day + 1 where t.grade = g.grade and t.day < g.until;
    if found then
      v_gone := v_gone + engine.thin_day(g.grade, (select t.day from engine.thinned t where t.grade = g.grade), p_limit);
      if v_gone >= p_limit then
        update engine.thinned t set day = t.day - 1 where t.grade = g.grade;
        return jsonb_build_object('gone', v_gone, 'more', true);
      end if;
      v_more := v_more or exists (select 1 from engine.thinned t where t.grade = g.grade and t.day < g.until);
    end if;
  end loop;
  return jsonb_build_object('gone', v_gone, 'more', v_more);
end
$$;
comment on function engine.thin_equity(integer) is
'Thins equity_history with age: after a day one value a minute, after a week one an hour, after 90 days one a day, and always the '
'high, the low and the end of each trading day.';
alter function engine.thin_equity(integer) owner to empire_engine;
revoke all on function engine.thin_equity(integer) from public;
grant execute on function engine.thin_equity(integer) to empire_worker, empire_maintenance;
