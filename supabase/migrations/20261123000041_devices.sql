-- A trader's own device: it shows us its public key, has credentials sealed to it, and says that it is there.

create function private.key_bytes(p_public_key text) returns bytea
language plpgsql immutable set search_path = '' as $$
begin
  if p_public_key is null or p_public_key !~ '^[A-Za-z0-9_-]{43}$' then
    perform private.refuse(422, 'invalid', 'A device''s public key is 32 bytes of X25519, as 43 characters of base64url.');
  end if;
  return decode(translate(p_public_key, '-_', '+/') || '=', 'base64');
end
$$;
comment on function private.key_bytes(text) is 'The bytes of a public key as clients send it.';
revoke all on function private.key_bytes(text) from public;

create function private.register_device(p_name text, p_public_key text) returns uuid
language plpgsql security definer set search_path = '' as $$
declare
  c_most constant integer := 20;
  v_me constant uuid := private.me();
  v_key constant bytea := private.key_bytes(p_public_key);
  d public.devices;
begin
  if coalesce(char_length(btrim(p_name)), 0) not between 1 and 80 or p_name ~ '[[:cntrl:]]' then
    perform private.refuse(422, 'invalid', 'A device has a name of 1 to 80 characters.');
  end if;
  -- Whoever registers a device can be given credentials and trade with them.
  perform private.require_step_up();
  perform 1 from public.profiles p where p.id = v_me for no key update;
  select x.* into d from public.devices x where x.user_id = v_me and x.public_key = v_key;
  if d.revoked_at is not null then
    perform private.refuse(409, 'revoked', 'This device was revoked: it needs a new key.');
  elsif d.id is not null then
    update public.devices set name = btrim(p_name) where id = d.id;
    return d.id;
  elsif (select count(*) from public.devices x where x.user_id = v_me and x.revoked_at is null) >= c_most then
    perform private.refuse(409, 'too_many', format('You have %s devices, which is the most we keep: revoke one.', c_most));
  end if;
  insert into public.devices (user_id, name, public_key) values (v_me, btrim(p_name), v_key) returning * into d;
  perform private.note(v_me, 'warning', 'device_added', format('The device %s was added, its key is %s.', d.name, d.key_id),
    jsonb_build_object('device_id', d.id, 'key_id', d.key_id));
  return d.id;
end
$$;
comment on function private.register_device(text, text) is 'public.register_device, checked.';

create function private.my_device(p_device_id uuid) returns public.devices
language plpgsql security definer set search_path = '' as $$
declare
  d public.devices;
begin
  select x.* into d from public.devices x where x.id = p_device_id and x.user_id = private.me() for no key update;
  if not found then
    perform private.refuse(404, 'not_found', 'You have no such device.');
  end if;
  return d;
end
$$;
comment on function private.my_device(uuid) is 'The user''s own device, locked; anybody else''s does not exist for him.';
revoke all on function private.my_device(uuid) from public;

create function private.device_seen(p_device_id uuid) returns timestamptz
language plpgsql security definer set search_path = '' as $$
declare
  d public.devices := private.my_device(p_device_id);
begin
  if d.revoked_at is not null then
    perform private.refuse(409, 'revoked', 'This device was revoked: it needs a new key.');
  end if;
  -- A device that talks too much costs nothing.
  if d.last_seen_at is null or d.last_seen_at < clock_timestamp() - interval '5 seconds' then
    update public.devices set last_seen_at = clock_timestamp() where id = d.id returning * into d;
  end if;
  return d.last_seen_at;
end
$$;
comment on function private.device_seen(uuid) is 'public.device_seen, checked.';

create function private.revoke_device(p_device_id uuid) returns void
language plpgsql security definer set search_path = '' as $$
declare
  d constant public.devices := private.my_device(p_device_id);
begin
  if d.revoked_at is not null then
    return;
  end if;
  update public.devices set revoked_at = clock_timestamp() where id = d.id;
  delete from public.credential_seals where recipient = d.id::text;
  perform private.note(d.user_id, 'warning', 'device_revoked', format(
    'The device %s was revoked: nothing is given to it any more. What it has opened it has seen: change the passwords of its logins.',
    d.name), jsonb_build_object('device_id', d.id));
end
$$;
comment on function private.revoke_device(uuid) is 'public.revoke_device, checked.';

create function private.seal_to_device(p_connection_id uuid, p_version integer, p_key_id text, p_sealed text) returns void
language plpgsql security definer set search_path = '' as $$
declare
  c constant public.broker_connections := private.my_connection(p_connection_id);
  v_recipient text;
begin
  if c.environment = 'live' then
    perform private.require_step_up();
  end if;
  v_recipient := private.recipient_of(p_connection_id, p_key_id);
  if c.status = 'disabled' then
    perform private.refuse(409, 'disconnected', 'This login is disconnected: connect it again first (reseal_connection).');
  elsif v_recipient = 'fleet' then
    perform private.refuse(422, 'invalid', 'That is the fleet''s key: seal a new version (reseal_connection).');
  elsif p_version is distinct from c.seal_version then
    perform private.refuse(409, 'version_conflict',
      format('The credential in force is version %s, not %s: read the connection again.', c.seal_version, p_version));
  elsif exists (
    select 1 from public.credential_seals s
    where s.connection_id = c.id and s.recipient = v_recipient and s.version = p_version
  ) then
    return;
  end if;
  insert into public.credential_seals (connection_id, recipient, key_id, version, sealed)
  values (c.id, v_recipient, p_key_id, p_version, private.seal_bytes(p_sealed));
  perform private.note(c.user_id, 'warning', 'connection_sealed_to_device', format(
    'The credential of %s at %s was sealed to a device of yours, key %s.', c.login_label, c.broker, p_key_id),
    jsonb_build_object('connection_id', c.id, 'device_id', v_recipient));
end
$$;
comment on function private.seal_to_device(uuid, integer, text, text) is 'public.seal_to_device, checked.';

create function public.register_device(p_name text, p_public_key text) returns uuid
language sql security invoker set search_path = '' as $$ select private.register_device(p_name, p_public_key) $$;
comment on function public.register_device(text, text) is
'Makes a device with its X25519 public key (base64url) known; its id. Again with the same key: the same device. Step-up.';
create function public.device_seen(p_device_id uuid) returns timestamptz
language sql security invoker set search_path = '' as $$ select private.device_seen(p_device_id) $$;
comment on function public.device_seen(uuid) is
'The device is there, for a minute; to be said every 20 seconds. Entries of its accounts are denied while none is.';
create function public.revoke_device(p_device_id uuid) returns void
language sql security invoker set search_path = '' as $$ select private.revoke_device(p_device_id) $$;
comment on function public.revoke_device(uuid) is
'Ends a device: it counts as absent, and what was sealed to it is deleted. Always possible, and for ever.';
create function public.seal_to_device(p_connection_id uuid, p_version integer, p_key_id text, p_sealed text) returns void
language sql security invoker set search_path = '' as $$
  select private.seal_to_device(p_connection_id, p_version, p_key_id, p_sealed)
$$;
comment on function public.seal_to_device(uuid, integer, text, text) is
'Gives the credential in force to one more device, for logins that are traded from a device. Live: step-up.';

revoke all on function private.register_device(text, text) from public, anon, authenticated, service_role;
revoke all on function private.device_seen(uuid) from public, anon, authenticated, service_role;
revoke all on function private.revoke_device(uuid) from public, anon, authenticated, service_role;
revoke all on function private.seal_to_device(uuid, integer, text, text) from public, anon, authenticated, service_role;
revoke all on function public.register_device(text, text) from public, anon, authenticated, service_role;
revoke all on function public.device_seen(uuid) from public, anon, authenticated, service_role;
revoke all on function public.revoke_device(uuid) from public, anon, authenticated, service_role;
revoke all on function public.seal_to_device(uuid, integer, text, text) from public, anon, authenticated, service_role;
grant execute on function private.register_device(text, text) to authenticated;
grant execute on function private.device_seen(uuid) to authenticated;
grant execute on function private.revoke_device(uuid) to authenticated;
grant execute on function private.seal_to_device(uuid, integer, text, text) to authenticated;
grant execute on function public.register_device(text, text) to authenticated;
grant execute on function public.device_seen(uuid) to authenticated;
grant execute on function public.revoke_device(uuid) to authenticated;
grant execute on function public.seal_to_device(uuid, integer, text, text) to authenticated;
