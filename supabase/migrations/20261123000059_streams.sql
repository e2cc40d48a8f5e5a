-- Brokers that tell of their own accord: who listens to which login, how it is going, and what an event leads to, a read.
create table public.streams (
  connection_id uuid primary key references public.broker_connections (id) on delete cascade,
  user_id uuid not null references public.profiles (id) on delete cascade,
  state text not null default 'connecting' check (state in ('connecting', 'live', 'silent', 'down')),
  why text check (char_length(why) <= 300),
  since timestamptz not null default clock_timestamp(),
  until timestamptz not null,
  worker text not null,
  token bigint not null
) with (fillfactor = 50);
comment on table public.streams is
'Logins that are listened to, each by one worker. While one is live, what happens at the broker is seen within a second; '
'otherwise its accounts are read as often as those of a broker that tells nothing.';
comment on column public.streams.state is
'connecting; live (everything is told); silent (it stands, and not even a ping comes: not trusted); down (why says why).';
comment on column public.streams.until is 'The lease: the state counts until then, whoever told it may be gone.';
create index streams_user on public.streams (user_id);
grant select, insert, update, delete on public.streams to empire_engine;
alter table public.streams enable row level security;
grant select (connection_id, user_id, state, why, since, until) on public.streams to authenticated;
create policy "Traders read how their logins are listened to, admins read all"
on public.streams for select to authenticated
using (
  ((select auth.uid()) = user_id and (select private.session_is_strong_enough()))
  or (select private.is_admin())
);

create function engine.is_live(p_connection uuid) returns boolean
language plpgsql stable set search_path = '' as $$
begin
  return (
    select true from public.streams s where s.connection_id = p_connection and s.state = 'live' and s.until > clock_timestamp()
  ) is not null;
end
$$;
comment on function engine.is_live(uuid) is 'Whether a login is listened to, so that what happens on its accounts is told.';
alter function engine.is_live(uuid) owner to empire_engine;

create function engine.wake_accounts(p_accounts uuid []) returns integer
language plpgsql security definer set search_path = '' as $$
declare
  c_now timestamptz;
  v_n integer;
begin
  perform set_config('synchronous_commit', 'off', true);
  perform from engine.account_marks w where w.account_id = any (p_accounts) order by w.account_id for update;
  c_now := clock_timestamp();
  update engine.account_marks w set woken_at = c_now, due_at = least(w.due_at, c_now) where w.account_id = any (p_accounts);
  get diagnostics v_n = row_count;
  return v_n;
end
$$;
comment on function engine.wake_accounts(uuid []) is
'Something has happened on these accounts: they are read now, also where a read is under way that began before, and once a '
'second for some time after: lists may lag behind events. Returns how many of them are watched.';
alter function engine.wake_accounts(uuid []) owner to empire_engine;
revoke all on function engine.wake_accounts(uuid []) from public;
grant execute on function engine.wake_accounts(uuid []) to empire_worker;

create function engine.fall_back(p_connections uuid []) returns void
language plpgsql set search_path = '' as $$
begin
  -- Nobody tells any more: what could wait for an event is read at the pace of those that are not told.
  perform from engine.account_marks w join public.broker_accounts a on a.id = w.account_id
  where a.connection_id = any (p_connections) order by w.account_id for update of w;
  update engine.account_marks w set due_at = least(w.due_at, clock_timestamp() + random() * interval '2 seconds')
  from public.broker_accounts a where a.id = w.account_id and a.connection_id = any (p_connections);
end
$$;
comment on function engine.fall_back(uuid []) is 'The accounts of logins that are listened to no more are read soon.';
alter function engine.fall_back(uuid []) owner to empire_engine;

create function engine.renew_streams(p_worker text, p_told jsonb, p_until timestamptz) returns void
language plpgsql set search_path = '' as $$
declare
  v_lost uuid [];
begin
  perform from public.streams s where s.worker = p_worker order by s.connection_id for update;
  select coalesce(array_agg(s.connection_id), '{}') into v_lost
  from jsonb_to_recordset(p_told) as t (connection uuid, token bigint, state text)
  join public.streams s on s.connection_id = t.connection and s.token = t.token and s.worker = p_worker
  where s.state = 'live' and (t.state <> 'live' or p_until <= clock_timestamp());
  update public.streams s
  set until = p_until, state = t.state, why = left(t.why, 300),
    since = case when s.state = t.state then s.since else clock_timestamp() end
  from jsonb_to_recordset(p_told) as t (connection uuid, token bigint, state text, why text)
  where s.connection_id = t.connection and s.token = t.token and s.worker = p_worker;
  perform engine.fall_back(v_lost);
end
$$;
comment on function engine.renew_streams(text, jsonb, timestamptz) is
'What a worker tells of the logins it listens to; those under an older token are somebody else''s by now.';
alter function engine.renew_streams(text, jsonb, timestamptz) owner to empire_engine;

create function engine.take_streams(p_worker text, p_brokers text [], p_limit integer, p_until timestamptz) returns void
language plpgsql set search_path = '' as $$
declare
  v_lost uuid [];
begin
  -- Whoever had them and is gone may have left them live.
  with free as (
    select c.id, c.user_id from public.broker_connections c
    where c.broker::text = any (p_brokers) and c.status = 'connected' and (
      select true from public.broker_accounts a where a.connection_id = c.id and coalesce(a.executor, c.executor) = 'fleet' limit 1
    ) and (select true from public.streams s where s.connection_id = c.id and s.until > clock_timestamp()) is null
    order by c.id limit p_limit
  ), before as (
    select s.connection_id from public.streams s join free f on f.id = s.connection_id where s.state = 'live'
  ), taken as (
    insert into public.streams as s (connection_id, user_id, until, worker, token)
    select f.id, f.user_id, p_until, p_worker, engine.new_token() from free f order by f.id
    on conflict (connection_id) do update
    set state = 'connecting', why = null, since = clock_timestamp(), until = excluded.until, worker = excluded.worker, token = excluded.token
    where s.until <= clock_timestamp()
    returning s.connection_id
  )
  select coalesce(array_agg(b.connection_id), '{}') into v_lost from before b join taken t on t.connection_id = b.connection_id;
  perform engine.fall_back(v_lost);
end
$$;
comment on function engine.take_streams(text, text [], integer, timestamptz) is 'Logins that nobody listens to are this worker''s until then.';
alter function engine.take_streams(text, text [], integer, timestamptz) owner to empire_engine;

create function engine.hold_streams(p_worker text, p_brokers text [], p_told jsonb, p_limit integer, p_lease_ms integer) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  c_until constant timestamptz := clock_timestamp() + make_interval(secs => p_lease_ms / 1000.0);
begin
  perform set_config('synchronous_commit', 'off', true);
  perform engine.renew_streams(p_worker, p_told, c_until);
  if p_limit > 0 then
    perform engine.take_streams(p_worker, p_brokers, p_limit, c_until);
  end if;
  -- Disconnected, refused, or moved to the trader's own device: nobody listens.
  delete from public.streams s using public.broker_connections c
  where s.worker = p_worker and c.id = s.connection_id and (c.status <> 'connected' or (
    select true from public.broker_accounts a where a.connection_id = c.id and coalesce(a.executor, c.executor) = 'fleet' limit 1
  ) is null);
  return (
    select coalesce(jsonb_agg(jsonb_build_object(
      'connection', s.connection_id, 'token', s.token, 'account', engine.account_json(x.first, c), 'accounts', x.ids
    ) order by s.connection_id), '[]')
    from public.streams s join public.broker_connections c on c.id = s.connection_id
    cross join lateral (
      select (array_agg(a order by a.id)) [1] as first, jsonb_object_agg(a.account_id, a.id) as ids
      from public.broker_accounts a where a.connection_id = c.id and coalesce(a.executor, c.executor) = 'fleet'
    ) x
    where s.worker = p_worker and s.until > clock_timestamp()
  );
end
$$;
comment on function engine.hold_streams(text, text [], jsonb, integer, integer) is
'What a worker tells of the logins it listens to ([{connection, token, state, why}]: renewed), up to p_limit more of p_brokers that '
'nobody listens to, and all that are its by now: [{connection, token, account (one of its accounts), accounts {number: id}}]. What is '
'not in the answer it has to leave. p_lease_ms 0 gives them back.';
alter function engine.hold_streams(text, text [], jsonb, integer, integer) owner to empire_engine;
revoke all on function engine.hold_streams(text, text [], jsonb, integer, integer) from public;
grant execute on function engine.hold_streams(text, text [], jsonb, integer, integer) to empire_worker;
