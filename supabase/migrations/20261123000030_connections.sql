-- Broker logins as workers see them: who checks them, who opens what is sealed, who refreshes a session.

create table public.fleet_keys (
  key_id text primary key check (key_id ~ '^f[0-9a-f]{16}$'),
  public_key text not null check (public_key ~ '^[A-Za-z0-9_-]{43}$'),
  expires_on date not null,
  signature text not null check (signature ~ '^[A-Za-z0-9_-]{86}$'),
  created_at timestamptz not null default now(),
  retired_at timestamptz
);
comment on table public.fleet_keys is
'Public keys that credentials are sealed to, each signed by the offline root. Clients check the signature: this table is not trusted.';
alter table public.fleet_keys enable row level security;
grant select on public.fleet_keys to authenticated;
create policy "Everyone signed in reads the keys to seal to"
on public.fleet_keys for select to authenticated
using (true);

create table engine.connection_checks (
  connection_id uuid primary key,
  run_at timestamptz not null default clock_timestamp(),
  attempts integer not null default 0,
  token bigint,
  worker text,
  lease_until timestamptz
);
comment on table engine.connection_checks is
'Logins to be checked: when next, or by whom now; no row for one that was refused, until its owner does something.';
create index connection_checks_due on engine.connection_checks (run_at);

create table engine.session_turns (
  connection_id uuid primary key,
  worker text not null,
  until timestamptz not null
);
comment on table engine.session_turns is 'Who refreshes a connection''s session now: one at a time, for some seconds.';

create table engine.credential_opens (
  hour timestamptz not null,
  connection_id uuid not null,
  n integer not null,
  primary key (hour, connection_id)
);
comment on table engine.credential_opens is 'How often sealed credentials were handed out, per hour and connection.';

grant select, insert, update, delete on engine.connection_checks, engine.session_turns, engine.credential_opens
to empire_engine;
grant update on public.broker_connections to empire_engine;
grant insert on public.broker_accounts to empire_engine;

create function private.guard_seal() returns trigger
language plpgsql set search_path = '' as $$
declare
  v_in_force constant integer := (select c.seal_version from public.broker_connections c where c.id = new.connection_id);
begin
  if tg_op <> 'INSERT' then
    raise exception 'credential_seals is insert only' using errcode = '42501';
  elsif new.version < v_in_force + (new.recipient = 'fleet')::integer then
    raise exception 'version % of a sealed credential was there before', new.version using errcode = '42501';
  end if;
  return new;
end
$$;
comment on function private.guard_seal() is
'A seal is never changed, and its version only rises: an old row cannot be put back. A device may be given the version '
'in force: only who knows the credential can seal it for that.';
revoke all on function private.guard_seal() from public;
create trigger guard_seal before insert or update on public.credential_seals
for each row execute function private.guard_seal();
create trigger never_emptied before truncate on public.credential_seals
for each statement execute function private.guard_seal();
alter table public.credential_seals enable always trigger guard_seal;
alter table public.credential_seals enable always trigger never_emptied;
create trigger audit after insert or update or delete on public.fleet_keys for each row
when (pg_trigger_depth() = 0 and session_user not in ('empire_worker', 'empire_edge')) execute function private.audit();
alter table public.fleet_keys enable always trigger audit;

-- Checking a login.
create function engine.claim_connections(p_worker text, p_limit integer, p_lease_ms integer) returns setof jsonb
language plpgsql security definer set search_path = '' as $$
declare
  v_token constant bigint := engine.new_token();
begin
  return query
    with due as (
      select k.connection_id from engine.connection_checks k
      where k.run_at <= clock_timestamp() and (k.lease_until is null or k.lease_until < clock_timestamp())
      order by k.run_at limit p_limit for update skip locked
    ), taken as (
      update engine.connection_checks k
      set token = v_token, worker = p_worker, attempts = k.attempts + 1,
        lease_until = clock_timestamp() + make_interval(secs => p_lease_ms / 1000.0)
      from due where k.connection_id = due.connection_id
      returning k.connection_id, k.attempts
    )
    select jsonb_build_object(
      'token', v_token, 'attempts', t.attempts, 'id', c.id, 'user_id', c.user_id, 'broker', c.broker,
      'environment', c.environment, 'server', c.server, 'base_url', c.base_url, 'login', c.login_label,
      'executor', c.executor, 'seal_version', c.seal_version
    )
    from taken t join public.broker_connections c on c.id = t.connection_id;
end
$$;
comment on function engine.claim_connections(text, integer, integer) is
'Logins that are due to be checked, each for one worker at a time.';
alter function engine.claim_connections(text, integer, integer) owner to empire_engine;
revoke all on function engine.claim_connections(text, integer, integer) from public;
grant execute on function engine.claim_connections(text, integer, integer) to empire_worker;

create function engine.executor_of(c public.broker_connections, p_name text) returns public.executor
language sql immutable set search_path = '' as $$
  select case when c.executor = 'edge' and c.broker = 'topstepx' and p_name like 'PRAC-%' then 'fleet' end::public.executor
$$;
comment on function engine.executor_of(public.broker_connections, text) is
'Who trades an account of a login: null = who trades the login; Topstep''s practice accounts need no device.';
alter function engine.executor_of(public.broker_connections, text) owner to empire_engine;

create function engine.put_accounts(c public.broker_connections, p_accounts jsonb) returns integer
language plpgsql set search_path = '' as $$
declare
  v_n integer;
begin
  perform 1 from public.broker_accounts a where a.connection_id = c.id order by a.id for no key update;
  insert into public.broker_accounts as a (
    connection_id, user_id, broker, account_id, label, venue_name, executor, currency, margin_mode, balance, as_of,
    api_key
  )
  select c.id, c.user_id, c.broker, f ->> 'number', left(f ->> 'name', 80), left(f ->> 'name', 120),
    engine.executor_of(c, f ->> 'name'), f ->> 'currency', (f ->> 'margin_mode')::public.margin_mode,
    (f ->> 'balance')::numeric, case when f ->> 'balance' is not null then clock_timestamp() end, c.credential_hint
  from jsonb_array_elements(p_accounts) f order by f ->> 'number'
  on conflict (connection_id, account_id) do update
  set venue_name = excluded.venue_name, executor = excluded.executor, currency = excluded.currency,
    margin_mode = excluded.margin_mode, api_key = excluded.api_key,
    -- What was read while trading is newer and whole; a balance from a list is only better than nothing.
    balance = case when a.freshness = 'fresh' then a.balance else coalesce(excluded.balance, a.balance) end;
  get diagnostics v_n = row_count;
  return v_n;
end
$$;
comment on function engine.put_accounts(public.broker_connections, jsonb) is
'The accounts that a login was found to have; new ones do not trade before their owner says so.';
alter function engine.put_accounts(public.broker_connections, jsonb) owner to empire_engine;

create function engine.tell_connection(c public.broker_connections, p_level public.log_level, p_type text, p_message text)
returns void
language plpgsql set search_path = '' as $$
begin
  perform engine.note(c.user_id, p_level, p_type, p_message,
    jsonb_build_object('connection_id', c.id, 'broker', c.broker, 'environment', c.environment));
end
$$;
comment on function engine.tell_connection(public.broker_connections, public.log_level, text, text) is
'A line about a login in its owner''s log.';
alter function engine.tell_connection(public.broker_connections, public.log_level, text, text) owner to empire_engine;

create function engine.record_connection(p_connection uuid, p_token bigint, p_result jsonb) returns boolean
language plpgsql security definer set search_path = '' as $$
declare
  c public.broker_connections;
  v_outcome constant text := p_result ->> 'outcome';
  v_error constant text := left(p_result ->> 'error', 500);
  v_n integer;
begin
  select b.* into c from public.broker_connections b where b.id = p_connection for no key update;
  -- A new credential or a disconnect in the meantime has taken the check away.
  perform 1 from engine.connection_checks k
  where k.connection_id = p_connection and k.token = p_token and k.lease_until > clock_timestamp() for update;
  if not found or c.status = 'disabled' then
    return false;
  elsif v_outcome = 'later' then
    update engine.connection_checks
    set token = null, worker = null, lease_until = null,
      run_at = clock_timestamp() + make_interval(secs => (p_result ->> 'retry_ms')::integer / 1000.0)
    where connection_id = p_connection;
    update public.broker_connections set last_error = v_error where id = c.id and last_error is distinct from v_error;
    return true;
  end if;
  if v_outcome = 'failed' then
    -- Not tried again by itself: many brokers lock a user after some refused logins.
    delete from engine.connection_checks where connection_id = p_connection;
    update public.broker_connections set status = 'failed', last_error = v_error where id = c.id;
    perform engine.tell_connection(c, 'error', 'connection_failed', v_error);
    return true;
  end if;
  -- Looked at again in a day: accounts come and go, passwords are changed elsewhere.
  update engine.connection_checks
  set token = null, worker = null, lease_until = null, attempts = 0, run_at = clock_timestamp() + interval '1 day'
  where connection_id = p_connection;
  v_n := engine.put_accounts(c, p_result -> 'accounts');
  update public.broker_connections
  set status = 'connected', last_error = null, verified_at = clock_timestamp() where id = c.id;
  if c.status <> 'connected' then
    perform engine.tell_connection(c, 'info', 'connection_verified', format(
      'Connected to %s as %s: %s account%s.', c.broker, coalesce(c.login_label, '?'), v_n, case v_n when 1 then '' else 's' end));
  end if;
  return true;
end
$$;
comment on function engine.record_connection(uuid, bigint, jsonb) is
'What a check of a login came to: connected with its accounts, failed with a sentence, or to be tried later. False = the check was taken away.';
alter function engine.record_connection(uuid, bigint, jsonb) owner to empire_engine;
revoke all on function engine.record_connection(uuid, bigint, jsonb) from public;
grant execute on function engine.record_connection(uuid, bigint, jsonb) to empire_worker;

create function engine.recheck_connection(p_connection uuid) returns boolean
language plpgsql security definer set search_path = '' as $$
begin
  insert into engine.connection_checks as k (connection_id)
  select c.id from public.broker_connections c where c.id = p_connection and c.status = 'connected'
  on conflict (connection_id) do update set run_at = clock_timestamp()
  where k.run_at > clock_timestamp() and k.lease_until is null;
  return found;
end
$$;
comment on function engine.recheck_connection(uuid) is
'A worker was refused by the broker of a connected login: it is checked now, so that its owner sees it.';
alter function engine.recheck_connection(uuid) owner to empire_engine;
revoke all on function engine.recheck_connection(uuid) from public;
grant execute on function engine.recheck_connection(uuid) to empire_worker;

-- Opening what is sealed.
create function engine.has_work_for(p_connection uuid, p_worker text, p_tokens bigint []) returns boolean
language plpgsql stable set search_path = '' as $$
begin
  return exists (
    select 1 from engine.queue q join public.broker_accounts a on a.id = q.account_id
    where a.connection_id = p_connection and q.state = 'claimed' and q.worker = p_worker
      and q.token = any (p_tokens) and q.lease_until > clock_timestamp()
  ) or exists (
    select 1 from engine.commands c join public.broker_accounts a on a.id = c.account_id
    where a.connection_id = p_connection and c.state = 'unknown' and c.checker = any (p_tokens)
      and c.check_at > clock_timestamp()
  ) or exists (
    select 1 from engine.connection_checks k
    where k.connection_id = p_connection and k.worker = p_worker and k.token = any (p_tokens)
      and k.lease_until > clock_timestamp()
  ) or exists (
    select 1 from public.broker_accounts a join engine.account_marks w on w.account_id = a.id
    where a.connection_id = p_connection and w.worker = p_worker and w.token = any (p_tokens)
      and w.lease_until > clock_timestamp()
  ) or exists (
    select 1 from engine.drill_twins t join public.drill_runs r on r.id = t.run_id
    where t.connection_id = p_connection and r.token = any (p_tokens) and r.lease_until > clock_timestamp()
  ) or exists (
    select 1 from public.streams s
    where s.connection_id = p_connection and s.worker = p_worker and s.token = any (p_tokens) and s.until > clock_timestamp()
  );
end
$$;
comment on function engine.has_work_for(uuid, text, bigint []) is
'Whether one of these tokens is a live lease on something of this connection: a delivery, an unknown order, a '
'check, an account that is read, a login that is listened to.';
alter function engine.has_work_for(uuid, text, bigint []) owner to empire_engine;

create function engine.count_open(p_connection uuid) returns boolean
language plpgsql set search_path = '' as $$
declare
  c_times constant integer := 10;
  v_hour constant timestamptz := date_trunc('hour', clock_timestamp());
  v_one integer;
  v_all bigint;
  v_usual numeric;
begin
  insert into engine.credential_opens as o (hour, connection_id, n) values (v_hour, p_connection, 1)
  on conflict (hour, connection_id) do update set n = o.n + 1
  returning n into v_one;
  select coalesce(sum(o.n) filter (where o.hour = v_hour), 0), coalesce(sum(o.n) filter (where o.hour < v_hour), 0) / 168.0
  into v_all, v_usual from engine.credential_opens o where o.hour > v_hour - interval '7 days';
  delete from engine.credential_opens o where o.hour < v_hour - interval '8 days';
  -- Usual: each login once for each worker that starts, or what the last week was like.
  v_usual := greatest(20, v_usual, (select count(*) from public.broker_connections b where b.status = 'connected'));
  if v_all <= c_times * v_usual
    and v_one <= c_times * greatest(3, (select count(*) from engine.workers w where w.seen_at > clock_timestamp() - interval '1 minute'))
  then
    return true;
  end if;
  insert into engine.counters as k (name, n) values ('credential_alarm', 1)
  on conflict (name) do update set n = k.n + 1;
  return false;
end
$$;
comment on function engine.count_open(uuid) is
'Counts an opening. False = ten times the usual number this hour, of all logins or of this one: nothing more is handed out.';
alter function engine.count_open(uuid) owner to empire_engine;

create function engine.open_credential(p_connection uuid, p_worker text, p_tokens bigint []) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  c public.broker_connections;
  s public.credential_seals;
begin
  select b.* into c from public.broker_connections b where b.id = p_connection;
  if not found or not engine.has_work_for(p_connection, p_worker, p_tokens) then
    return '{"refusal": "no_lease"}';
  elsif c.status = 'disabled' then
    return '{"refusal": "disconnected"}';
  elsif not engine.count_open(p_connection) then
    return '{"refusal": "stopped"}';
  end if;
  select t.* into s from public.credential_seals t
  where t.connection_id = p_connection and t.recipient = 'fleet' order by t.version desc limit 1;
  if not found or s.version <> c.seal_version then
    return '{"refusal": "missing"}';
  end if;
  return jsonb_build_object(
    'key_id', s.key_id, 'version', s.version, 'sealed', encode(s.sealed, 'hex'), 'user_id', c.user_id, 'broker', c.broker,
    'environment', c.environment, 'base_url', c.base_url, 'server', c.server, 'login', c.login_label
  );
end
$$;
comment on function engine.open_credential(uuid, text, bigint []) is
'The sealed credential of one connection, for a worker that holds a lease on something of it; counted. Else why not.';
alter function engine.open_credential(uuid, text, bigint []) owner to empire_engine;
revoke all on function engine.open_credential(uuid, text, bigint []) from public;
grant execute on function engine.open_credential(uuid, text, bigint []) to empire_worker;

-- Sessions: tokens of a login, sealed to the fleet, shared by its workers.
create function engine.load_session(p_connection uuid) returns jsonb
language sql security definer stable set search_path = '' as $$
  select jsonb_build_object(
    'version', s.version, 'key_id', s.key_id, 'sealed', encode(s.sealed, 'hex'), 'expires_at', s.expires_at
  )
  from engine.sessions s where s.connection_id = p_connection
$$;
comment on function engine.load_session(uuid) is 'The newest session of a connection, sealed; null = none.';
alter function engine.load_session(uuid) owner to empire_engine;
revoke all on function engine.load_session(uuid) from public;
grant execute on function engine.load_session(uuid) to empire_worker;

create function engine.take_session_turn(p_connection uuid, p_worker text, p_ms integer) returns boolean
language plpgsql security definer set search_path = '' as $$
begin
  insert into engine.session_turns as t (connection_id, worker, until)
  values (p_connection, p_worker, clock_timestamp() + make_interval(secs => p_ms / 1000.0))
  on conflict (connection_id) do update set worker = excluded.worker, until = excluded.until
  where t.until < clock_timestamp() or t.worker = excluded.worker;
  return found;
end
$$;
comment on function engine.take_session_turn(uuid, text, integer) is
'True = this worker, and nobody else for the time, asks the broker for a newer session.';
alter function engine.take_session_turn(uuid, text, integer) owner to empire_engine;
revoke all on function engine.take_session_turn(uuid, text, integer) from public;
grant execute on function engine.take_session_turn(uuid, text, integer) to empire_worker;

create function engine.save_session(
  p_connection uuid, p_worker text, p_version bigint, p_key_id text, p_sealed bytea, p_expires_at timestamptz
) returns boolean
language plpgsql security definer set search_path = '' as $$
declare
  v_saved boolean;
begin
  -- The row of the connection: a disconnect or a new credential in the meantime ends its sessions.
  perform 1 from public.broker_connections c where c.id = p_connection and c.status <> 'disabled' for share;
  if not found then
    return false;
  end if;
  insert into engine.sessions as s (connection_id, version, key_id, sealed, expires_at)
  select p_connection, p_version, p_key_id, p_sealed, p_expires_at
  where p_version = 1 or exists (select 1 from engine.sessions o where o.connection_id = p_connection)
  on conflict (connection_id) do update
  set version = excluded.version, key_id = excluded.key_id, sealed = excluded.sealed, expires_at = excluded.expires_at,
    updated_at = clock_timestamp()
  where s.version = excluded.version - 1;
  v_saved := found;
  delete from engine.session_turns t where t.connection_id = p_connection and t.worker = p_worker;
  return v_saved;
end
$$;
comment on function engine.save_session(uuid, text, bigint, text, bytea, timestamptz) is
'Keeps a session if the stored version is one less (none counts as 0), and ends the turn. False = somebody was faster.';
alter function engine.save_session(uuid, text, bigint, text, bytea, timestamptz) owner to empire_engine;
revoke all on function engine.save_session(uuid, text, bigint, text, bytea, timestamptz) from public;
grant execute on function engine.save_session(uuid, text, bigint, text, bytea, timestamptz) to empire_worker;
