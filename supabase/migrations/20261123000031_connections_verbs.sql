-- Connecting: the client seals, these verbs keep. Nothing here can open what it is given.

create function private.arm_check(p_connection_id uuid) returns void
language sql security definer set search_path = '' as $$
  insert into engine.connection_checks (connection_id) values (p_connection_id)
  on conflict (connection_id) do update
  set run_at = clock_timestamp(), attempts = 0, token = null, worker = null, lease_until = null
$$;
comment on function private.arm_check(uuid) is 'A worker is to log in now and say what it found; a check under way counts no more.';
revoke all on function private.arm_check(uuid) from public;

create function private.seal_bytes(p_sealed text) returns bytea
language plpgsql immutable set search_path = '' as $$
declare
  v bytea;
begin
  if char_length(p_sealed) <= 21846 and p_sealed ~ '^[A-Za-z0-9_-]+$' then
    v := decode(translate(p_sealed, '-_', '+/') || repeat('=', (4 - char_length(p_sealed) % 4) % 4), 'base64');
  end if;
  if v is null or octet_length(v) not between 48 and 16384 then
    perform private.refuse(422, 'invalid', 'The sealed credential is base64url text of 48 to 16384 bytes.');
  end if;
  return v;
exception when invalid_parameter_value then
  perform private.refuse(422, 'invalid', 'The sealed credential is base64url text of 48 to 16384 bytes.');
  return null;
end
$$;
comment on function private.seal_bytes(text) is 'The bytes of a sealed credential as clients send it.';
revoke all on function private.seal_bytes(text) from public;

create function private.recipient_of(p_connection_id uuid, p_key_id text) returns text
language plpgsql security definer set search_path = '' as $$
declare
  c constant public.broker_connections := (select b from public.broker_connections b where b.id = p_connection_id);
  v_device constant text := (
    select d.id from public.devices d where d.user_id = c.user_id and d.key_id = p_key_id and d.revoked_at is null limit 1
  );
begin
  if exists (select 1 from public.fleet_keys k where k.key_id = p_key_id and k.retired_at is null) then
    return 'fleet';
  elsif v_device is null then
    perform private.refuse(422, 'unknown_key', 'Sealed to a key that is not in use here: load the key again and seal anew.');
  elsif c.executor <> 'edge' then
    perform private.refuse(422, 'not_on_a_device', 'This login is traded by our workers, not by a device: seal it to the fleet''s key.');
  end if;
  return v_device;
end
$$;
comment on function private.recipient_of(uuid, text) is
'Whose key it is: the fleet''s, or a device of the owner where the login is traded from a device. Refuses any other.';
revoke all on function private.recipient_of(uuid, text) from public;

create function private.put_seal(p_connection_id uuid, p_version integer, p_key_id text, p_sealed text) returns void
language plpgsql security definer set search_path = '' as $$
declare
  v_recipient constant text := private.recipient_of(p_connection_id, p_key_id);
begin
  insert into public.credential_seals (connection_id, recipient, key_id, version, sealed)
  values (p_connection_id, v_recipient, p_key_id, p_version, private.seal_bytes(p_sealed));
  update public.broker_connections set seal_version = p_version where id = p_connection_id;
  -- What an earlier credential opened is not used any more.
  delete from engine.sessions where connection_id = p_connection_id;
  if v_recipient = 'fleet' then
    perform private.arm_check(p_connection_id);
  else
    delete from engine.connection_checks where connection_id = p_connection_id;
  end if;
end
$$;
comment on function private.put_seal(uuid, integer, text, text) is
'A credential comes into force and is to be checked, if it is sealed to those who can.';
revoke all on function private.put_seal(uuid, integer, text, text) from public;

create function private.check_broker_room(p_user_id uuid, p_broker public.broker) returns void
language plpgsql security definer set search_path = '' as $$
declare
  c_most constant integer := 100;
  v_limit constant integer := (
    select l.brokers from public.plan_limits l where l.plan = private.effective_plan(p_user_id)
  );
  v_used constant public.broker [] := array(
    select distinct c.broker from public.broker_connections c
    where c.user_id = p_user_id and c.broker <> 'paper' and c.status <> 'disabled'
  );
begin
  if p_broker <> all (v_used) and cardinality(v_used) >= v_limit then
    perform private.refuse(403, 'plan_limit', format(
      'Your plan includes %s broker%s and you use %s: disconnect one, or change the plan.', v_limit,
      case v_limit when 1 then '' else 's' end, array_to_string(v_used, ', ')));
  elsif (select count(*) from public.broker_connections c where c.user_id = p_user_id and c.broker <> 'paper') >= c_most then
    perform private.refuse(409, 'too_many', format('You have %s broker logins, which is the most we keep.', c_most));
  end if;
end
$$;
comment on function private.check_broker_room(uuid, public.broker) is 'Refuses a broker that the plan has no room for; paper is not counted.';
revoke all on function private.check_broker_room(uuid, public.broker) from public;

create function private.check_login(p_connection_id uuid, p_broker public.broker, p_server text, p_login text, p_hint text)
returns void
language plpgsql set search_path = '' as $$
begin
  if p_connection_id is null or p_broker is null then
    perform private.refuse(422, 'invalid', 'Name the broker, and an id (uuid) that you have chosen for the connection.');
  elsif p_broker = 'paper' then
    perform private.refuse(422, 'invalid', 'A paper account needs no login: use connect_paper.');
  elsif coalesce(char_length(btrim(p_login)), 0) not between 1 and 254 or p_login <> btrim(p_login) or p_login ~ '[[:cntrl:]]' then
    perform private.refuse(422, 'invalid', 'A login has 1 to 254 characters, without spaces around it.');
  elsif p_server !~ '^[A-Za-z0-9._ -]{1,64}$' then
    perform private.refuse(422, 'invalid', 'A server is a name such as OSP-DEMO: letters, digits, dots, hyphens; never an address.');
  elsif char_length(p_hint) > 4 then
    perform private.refuse(422, 'invalid', 'The hint is at most the last four characters.');
  end if;
end
$$;
comment on function private.check_login(uuid, public.broker, text, text, text) is 'Refuses what is no login at a broker.';
revoke all on function private.check_login(uuid, public.broker, text, text, text) from public;

create function private.connect_broker(
  p_connection_id uuid, p_broker public.broker, p_environment public.environment, p_server text, p_login text,
  p_key_id text, p_sealed text, p_hint text
) returns uuid
language plpgsql security definer set search_path = '' as $$
declare
  v_me constant uuid := private.me();
begin
  perform private.check_login(p_connection_id, p_broker, p_server, p_login, p_hint);
  if p_environment is distinct from 'demo' and p_environment is distinct from 'simulated' then
    perform private.require_step_up();
  end if;
  -- Two connects at the same moment are made one after the other.
  perform 1 from public.profiles p where p.id = v_me for no key update;
  if exists (
    select 1 from public.broker_connections c
    where c.user_id = v_me and c.broker = p_broker and c.environment = p_environment
      and c.server is not distinct from p_server and c.login_label = p_login
  ) then
    perform private.refuse(409, 'already_connected',
      'This login is connected already, or was: seal for its connection (reseal_connection); its limits and locks go on.');
  end if;
  perform private.check_broker_room(v_me, p_broker);
  insert into public.broker_connections (id, user_id, broker, environment, server, login_label, executor, credential_hint)
  values (p_connection_id, v_me, p_broker, p_environment, p_server, p_login,
    case when p_broker = 'topstepx' and p_environment <> 'simulated' then 'edge' else 'fleet' end::public.executor, p_hint);
  perform private.put_seal(p_connection_id, 1, p_key_id, p_sealed);
  perform private.note(v_me, 'warning', 'connection_added', format('A %s login at %s was connected: %s.', p_environment, p_broker, p_login),
    jsonb_build_object('connection_id', p_connection_id));
  return p_connection_id;
exception when unique_violation then
  perform private.refuse(409, 'id_taken', 'That connection id is taken: choose another and seal anew.');
  return null;
end
$$;
comment on function private.connect_broker(uuid, public.broker, public.environment, text, text, text, text, text) is
'public.connect_broker, checked.';

create function private.my_connection(p_connection_id uuid) returns public.broker_connections
language plpgsql security definer set search_path = '' as $$
declare
  c public.broker_connections;
begin
  select b.* into c from public.broker_connections b
  where b.id = p_connection_id and b.user_id = private.me() for no key update;
  if not found then
    perform private.refuse(404, 'not_found', 'You have no such connection.');
  end if;
  return c;
end
$$;
comment on function private.my_connection(uuid) is
'The user''s own connection, locked; anybody else''s does not exist for him.';
revoke all on function private.my_connection(uuid) from public;

create function private.reseal_connection(p_connection_id uuid, p_version integer, p_key_id text, p_sealed text, p_hint text)
returns void
language plpgsql security definer set search_path = '' as $$
declare
  c constant public.broker_connections := private.my_connection(p_connection_id);
begin
  if c.broker = 'paper' then
    perform private.refuse(422, 'invalid', 'A paper account has no credential.');
  elsif c.environment = 'live' then
    perform private.require_step_up();
  end if;
  perform private.check_login(c.id, c.broker, c.server, coalesce(c.login_label, '-'), p_hint);
  if p_version is distinct from c.seal_version + 1 then
    perform private.refuse(409, 'version_conflict',
      format('The next version of this credential is %s, not %s: read the connection again.', c.seal_version + 1, p_version));
  elsif c.status = 'disabled' then
    perform private.check_broker_room(c.user_id, c.broker);
  end if;
  update public.broker_connections
  set status = 'new', last_error = null, credential_hint = p_hint where id = c.id;
  perform private.put_seal(c.id, p_version, p_key_id, p_sealed);
  perform private.note(c.user_id, 'warning', 'connection_resealed', format('The credential of %s at %s was replaced.', c.login_label, c.broker),
    jsonb_build_object('connection_id', c.id));
end
$$;
comment on function private.reseal_connection(uuid, integer, text, text, text) is 'public.reseal_connection, checked.';

create function private.check_connection(p_connection_id uuid) returns void
language plpgsql security definer set search_path = '' as $$
declare
  c constant public.broker_connections := private.my_connection(p_connection_id);
begin
  if c.broker = 'paper' or c.status = 'disabled' then
    perform private.refuse(409, 'nothing_to_check', 'There is no login to check: connect it first.');
  elsif not exists (
    select 1 from public.credential_seals s
    where s.connection_id = c.id and s.recipient = 'fleet' and s.version = c.seal_version
  ) then
    perform private.refuse(409, 'nothing_to_check', 'This login is sealed to your device alone: we cannot log in.');
  elsif exists (
    select 1 from engine.connection_checks k where k.connection_id = c.id and k.lease_until > clock_timestamp()
  ) then
    return;
  end if;
  perform private.arm_check(c.id);
end
$$;
comment on function private.check_connection(uuid) is 'public.check_connection, checked.';

create function private.disconnect_broker(p_connection_id uuid) returns void
language plpgsql security definer set search_path = '' as $$
declare
  c constant public.broker_connections := private.my_connection(p_connection_id);
  v_accounts constant uuid [] := array(select a.id from public.broker_accounts a where a.connection_id = c.id);
begin
  if c.broker = 'paper' then
    perform private.refuse(422, 'invalid', 'A paper account has no login: disable it instead.');
  elsif c.status = 'disabled' then
    return;
  end if;
  perform 1 from public.broker_accounts a where a.id = any (v_accounts) order by a.id for no key update;
  update public.broker_accounts set trading_enabled = false where id = any (v_accounts) and trading_enabled;
  -- No seal of before fits the version that comes next.
  update public.broker_connections
  set status = 'disabled', last_error = null, credential_hint = null, seal_version = seal_version + 1 where id = c.id;
  delete from public.credential_seals where connection_id = c.id;
  delete from engine.sessions where connection_id = c.id;
  delete from engine.connection_checks where connection_id = c.id;
  perform private.note(c.user_id, 'warning', 'connection_removed', format(
    '%s at %s is disconnected: its credential is deleted, positions that are open there stay open and are yours to watch.',
    c.login_label, c.broker), jsonb_build_object('connection_id', c.id));
end
$$;
comment on function private.disconnect_broker(uuid) is 'public.disconnect_broker, checked.';

create function public.connect_broker(
  p_connection_id uuid, p_broker public.broker, p_environment public.environment, p_login text, p_key_id text,
  p_sealed text, p_server text default null, p_hint text default null
) returns uuid
language sql security invoker set search_path = '' as $$
  select private.connect_broker(p_connection_id, p_broker, p_environment, p_server, p_login, p_key_id, p_sealed, p_hint)
$$;
comment on function public.connect_broker(uuid, public.broker, public.environment, text, text, text, text, text) is
'Adds a broker login under an id the client chose, with its credential as the client sealed it (version 1). Live: step-up.';
create function public.reseal_connection(
  p_connection_id uuid, p_version integer, p_key_id text, p_sealed text, p_hint text default null
) returns void
language sql security invoker set search_path = '' as $$
  select private.reseal_connection(p_connection_id, p_version, p_key_id, p_sealed, p_hint)
$$;
comment on function public.reseal_connection(uuid, integer, text, text, text) is
'Replaces a connection''s credential (a new password, a new fleet key, connecting again). Live: step-up.';
create function public.check_connection(p_connection_id uuid) returns void
language sql security invoker set search_path = '' as $$ select private.check_connection(p_connection_id) $$;
comment on function public.check_connection(uuid) is 'Has a worker log in again and look for accounts.';
create function public.disconnect_broker(p_connection_id uuid) returns void
language sql security invoker set search_path = '' as $$ select private.disconnect_broker(p_connection_id) $$;
comment on function public.disconnect_broker(uuid) is
'Ends all access to a broker login and deletes its credential. Always possible. Open positions stay open.';

revoke all on function private.connect_broker(uuid, public.broker, public.environment, text, text, text, text, text)
from public, anon, authenticated, service_role;
revoke all on function private.reseal_connection(uuid, integer, text, text, text) from public, anon, authenticated, service_role;
revoke all on function private.check_connection(uuid) from public, anon, authenticated, service_role;
revoke all on function private.disconnect_broker(uuid) from public, anon, authenticated, service_role;
revoke all on function public.connect_broker(uuid, public.broker, public.environment, text, text, text, text, text)
from public, anon, authenticated, service_role;
revoke all on function public.reseal_connection(uuid, integer, text, text, text) from public, anon, authenticated, service_role;
revoke all on function public.check_connection(uuid) from public, anon, authenticated, service_role;
revoke all on function public.disconnect_broker(uuid) from public, anon, authenticated, service_role;
grant execute on function private.connect_broker(uuid, public.broker, public.environment, text, text, text, text, text) to authenticated;
grant execute on function private.reseal_connection(uuid, integer, text, text, text) to authenticated;
grant execute on function private.check_connection(uuid) to authenticated;
grant execute on function private.disconnect_broker(uuid) to authenticated;
grant execute on function public.connect_broker(uuid, public.broker, public.environment, text, text, text, text, text) to authenticated;
grant execute on function public.reseal_connection(uuid, integer, text, text, text) to authenticated;
grant execute on function public.check_connection(uuid) to authenticated;
grant execute on function public.disconnect_broker(uuid) to authenticated;
