-- The verbs of targets. Where alarms go is as much worth as the limits they tell of: adding, changing and removing asks for
-- a step-up, as security.md has it for everything that goes out.

create function private.check_quiet(p_quiet jsonb) returns void
language plpgsql set search_path = '' as $$
begin
  if p_quiet is null or p_quiet = 'null' then
    return;
  elsif jsonb_typeof(p_quiet) <> 'object' or not p_quiet ?& array['from', 'to', 'zone'] or p_quiet - array['from', 'to', 'zone'] <> '{}'
    or not coalesce(p_quiet ->> 'from' ~ '^([01]\d|2[0-3]):[0-5]\d$' and p_quiet ->> 'to' ~ '^([01]\d|2[0-3]):[0-5]\d$', false)
    or p_quiet ->> 'from' = p_quiet ->> 'to' then
    perform private.refuse(422, 'invalid', 'Quiet hours are {"from": "22:00", "to": "07:00", "zone": "Europe/Berlin"}, with two different times.');
  elsif not exists (select 1 from pg_catalog.pg_timezone_names z where z.name = p_quiet ->> 'zone') then
    perform private.refuse(422, 'invalid', format('There is no time zone called %s: write it like Europe/Berlin.', left(p_quiet ->> 'zone', 40)));
  end if;
end
$$;
comment on function private.check_quiet(jsonb) is 'Refuses quiet hours that are none.';
revoke all on function private.check_quiet(jsonb) from public;

create function private.check_classes(p_classes text []) returns public.notification_class []
language plpgsql set search_path = '' as $$
declare
  c_all constant text [] := enum_range(null::public.notification_class)::text [];
  v_unknown text;
begin
  select c into v_unknown from unnest(p_classes) c where c is null or c <> all (c_all) or c = 'test' limit 1;
  if found or coalesce(cardinality(p_classes), 0) = 0 then
    perform private.refuse(422, 'invalid', format('Name at least one of these classes: %s.', array_to_string(array_remove(c_all, 'test'), ', ')));
  end if;
  return array(select distinct c::public.notification_class as class from unnest(p_classes) c order by class);
end
$$;
comment on function private.check_classes(text []) is 'The classes a target wants; refuses what is none.';
revoke all on function private.check_classes(text []) from public;

create function private.my_target(p_target_id uuid) returns public.notification_targets
language plpgsql security definer set search_path = '' as $$
declare
  n public.notification_targets;
begin
  select t.* into n from public.notification_targets t
  where t.id = p_target_id and t.user_id = private.me() for no key update;
  if not found then
    perform private.refuse(404, 'not_found', 'You have no such target.');
  end if;
  return n;
end
$$;
comment on function private.my_target(uuid) is 'The user''s own target, locked; anybody else''s does not exist for him.';
revoke all on function private.my_target(uuid) from public;

create function private.send_test(n public.notification_targets, p_text text) returns bigint
language plpgsql security definer set search_path = '' as $$
declare
  c_most constant integer := 10;
  v_id bigint;
begin
  if (
    select count(*) from public.notifications t
    where t.user_id = n.user_id and t.event_class = 'test' and t.created_at > clock_timestamp() - interval '1 hour'
  ) >= c_most then
    perform private.refuse(429, 'rate_limited', format('%s tests and codes an hour are the most we send: try again later.', c_most));
  end if;
  insert into public.notifications (user_id, target_id, kind, target_name, event_class, event_key, message)
  values (n.user_id, n.id, n.kind, n.name, 'test', 't' || gen_random_uuid(), p_text) returning id into v_id;
  update engine.notification_doors set rest_until = null, failures = 0 where target_id = n.id;
  return v_id;
end
$$;
comment on function private.send_test(public.notification_targets, text) is 'A message that is no event, at most ten an hour and user.';
revoke all on function private.send_test(public.notification_targets, text) from public;

create function private.send_code(n public.notification_targets) returns bigint
language plpgsql security definer set search_path = '' as $$
begin
  -- Not from random(), which can be foreseen: these are the random bits of a uuid.
  insert into engine.notification_codes (target_id, code, expires_at)
  values (n.id, lpad((('x' || right(replace(gen_random_uuid()::text, '-', ''), 8))::bit(32)::bigint % 1000000)::text, 6, '0'),
    clock_timestamp() + interval '30 minutes')
  on conflict (target_id) do update
  set code = excluded.code, wrong = 0, expires_at = excluded.expires_at;
  return private.send_test(n, 'A code was sent to this target: confirm it, and messages will be sent here.');
end
$$;
comment on function private.send_code(public.notification_targets) is 'Sends a new code to a target; it counts for 30 minutes and five tries.';
revoke all on function private.send_code(public.notification_targets) from public;

create function private.add_notification_target(
  p_id uuid, p_kind text, p_name text, p_hint text, p_key_id text, p_sealed text, p_classes text [], p_quiet jsonb
) returns uuid
language plpgsql security definer set search_path = '' as $$
declare
  c_most constant integer := 20;
  v_me constant uuid := private.me();
  n public.notification_targets;
begin
  perform private.require_step_up();
  perform 1 from public.profiles p where p.id = v_me for no key update;
  if p_id is null or p_kind is null or p_kind <> all (enum_range(null::public.notification_kind)::text []) then
    perform private.refuse(422, 'invalid', 'Name an id (uuid) that you have chosen, and a kind: email, telegram, discord, slack or webhook.');
  elsif coalesce(char_length(btrim(p_name)), 0) not between 1 and 80 or p_name ~ '[[:cntrl:]]' or char_length(p_hint) > 80 then
    perform private.refuse(422, 'invalid', 'A target has a name of 1 to 80 characters, and a hint of at most 80.');
  elsif (select count(*) from public.notification_targets t where t.user_id = v_me) >= c_most then
    perform private.refuse(409, 'too_many', format('You have %s targets, which is the most we keep.', c_most));
  elsif exists (select 1 from public.notification_targets t where t.id = p_id) then
    perform private.refuse(409, 'id_reused', 'This id is in use: choose another one and seal again.');
  elsif not exists (select 1 from public.fleet_keys k where k.key_id = p_key_id and k.retired_at is null) then
    perform private.refuse(422, 'unknown_key', 'Sealed to a key that is not in use here: load the key again and seal anew.');
  end if;
  perform private.check_quiet(p_quiet);
  insert into public.notification_targets (id, user_id, kind, name, hint, classes, quiet_from, quiet_to, quiet_zone)
  values (p_id, v_me, p_kind::public.notification_kind, btrim(p_name), p_hint, private.check_classes(p_classes),
    (p_quiet ->> 'from')::time, (p_quiet ->> 'to')::time, p_quiet ->> 'zone') returning * into n;
  insert into engine.notification_doors (target_id, key_id, sealed) values (p_id, p_key_id, private.seal_bytes(p_sealed));
  perform private.note(v_me, 'warning', 'target_added', format('Messages can go to %s (%s) once its code is confirmed.', n.name, n.kind),
    jsonb_build_object('target_id', n.id, 'kind', n.kind));
  perform private.send_code(n);
  return n.id;
end
$$;
comment on function private.add_notification_target(uuid, text, text, text, text, text, text [], jsonb) is
'public.add_notification_target, checked.';

create function private.verify_notification_target(p_target_id uuid, p_code text) returns boolean
language plpgsql security definer set search_path = '' as $$
declare
  n constant public.notification_targets := private.my_target(p_target_id);
  k engine.notification_codes;
begin
  if n.verified_at is not null then
    return true;
  end if;
  select c.* into k from engine.notification_codes c where c.target_id = n.id for update;
  if not found or k.expires_at < clock_timestamp() or k.wrong >= 5 then
    perform private.refuse(409, 'code_expired', 'The code is too old, or was tried five times: ask for a new one by a test.');
  elsif k.code is distinct from p_code then
    -- Counted, so no error: one would take the count back.
    update engine.notification_codes set wrong = wrong + 1 where target_id = n.id;
    return false;
  end if;
  delete from engine.notification_codes where target_id = n.id;
  update public.notification_targets set verified_at = clock_timestamp() where id = n.id;
  return true;
end
$$;
comment on function private.verify_notification_target(uuid, text) is 'public.verify_notification_target, checked.';

create function private.update_notification_target(p_target_id uuid, p_settings jsonb) returns void
language plpgsql security definer set search_path = '' as $$
declare
  c_names constant text [] := array['name', 'classes', 'quiet', 'enabled'];
  n public.notification_targets := private.my_target(p_target_id);
  v_unknown text;
begin
  perform private.require_step_up();
  if jsonb_typeof(p_settings) is distinct from 'object' then
    perform private.refuse(422, 'invalid', 'Settings are an object of names and values.');
  end if;
  select k into v_unknown from jsonb_object_keys(p_settings) k where k <> all (c_names) limit 1;
  if found then
    perform private.refuse(422, 'invalid', format('A target has no setting called %s.', left(v_unknown, 40)));
  elsif (p_settings ? 'name' and coalesce(char_length(btrim(p_settings ->> 'name')), 0) not between 1 and 80)
    or (p_settings ? 'enabled' and jsonb_typeof(p_settings -> 'enabled') <> 'boolean')
    or (p_settings ? 'classes' and jsonb_typeof(p_settings -> 'classes') <> 'array') then
    perform private.refuse(422, 'invalid', 'name has 1 to 80 characters, classes is a list, enabled is true or false.');
  end if;
  n.name := coalesce(btrim(p_settings ->> 'name'), n.name);
  n.enabled := coalesce((p_settings ->> 'enabled')::boolean, n.enabled);
  if p_settings ? 'classes' then
    n.classes := private.check_classes(array(select jsonb_array_elements_text(p_settings -> 'classes')));
  end if;
  if p_settings ? 'quiet' then
    perform private.check_quiet(p_settings -> 'quiet');
    n.quiet_from := (p_settings #>> '{quiet,from}')::time;
    n.quiet_to := (p_settings #>> '{quiet,to}')::time;
    n.quiet_zone := p_settings #>> '{quiet,zone}';
  end if;
  update public.notification_targets
  set name = n.name, enabled = n.enabled, classes = n.classes, quiet_from = n.quiet_from, quiet_to = n.quiet_to,
    quiet_zone = n.quiet_zone where id = n.id;
  if not n.enabled then
    perform engine.drop_waiting(n.id);
  end if;
  perform private.note(n.user_id, 'warning', 'target_changed', format('What is sent to %s (%s) was changed.', n.name, n.kind),
    jsonb_build_object('target_id', n.id, 'changed', p_settings));
end
$$;
comment on function private.update_notification_target(uuid, jsonb) is 'public.update_notification_target, checked.';

create function private.test_notification_target(p_target_id uuid) returns bigint
language plpgsql security definer set search_path = '' as $$
declare
  n constant public.notification_targets := private.my_target(p_target_id);
begin
  if not n.enabled then
    perform private.refuse(409, 'target_disabled', format('%s is switched off: switch it on first.', n.name));
  elsif n.verified_at is null then
    return private.send_code(n);
  end if;
  return private.send_test(n, format('This is a test: messages of your account arrive at %s.', n.name));
end
$$;
comment on function private.test_notification_target(uuid) is 'public.test_notification_target, checked.';

create function private.remove_notification_target(p_target_id uuid) returns void
language plpgsql security definer set search_path = '' as $$
declare
  n constant public.notification_targets := private.my_target(p_target_id);
begin
  perform private.require_step_up();
  perform engine.drop_waiting(n.id);
  delete from public.notification_targets where id = n.id;
  perform private.note(n.user_id, 'warning', 'target_removed', format('Nothing is sent to %s (%s) any more.', n.name, n.kind),
    jsonb_build_object('target_id', n.id, 'kind', n.kind));
end
$$;
comment on function private.remove_notification_target(uuid) is 'public.remove_notification_target, checked.';

create function public.add_notification_target(
  p_id uuid, p_kind text, p_name text, p_hint text, p_key_id text, p_sealed text, p_classes text [], p_quiet jsonb default null
) returns uuid
language sql security invoker set search_path = '' as $$
  select private.add_notification_target(p_id, p_kind, p_name, p_hint, p_key_id, p_sealed, p_classes, p_quiet)
$$;
comment on function public.add_notification_target(uuid, text, text, text, text, text, text [], jsonb) is
'Adds a target; its address is sealed to the fleet (base64url) for the id that the client chose. A code is sent there. Step-up.';
create function public.verify_notification_target(p_target_id uuid, p_code text) returns boolean
language sql security invoker set search_path = '' as $$ select private.verify_notification_target(p_target_id, p_code) $$;
comment on function public.verify_notification_target(uuid, text) is
'Confirms the code that was sent to a target; false = it is another one.';
create function public.update_notification_target(p_target_id uuid, p_settings jsonb) returns void
language sql security invoker set search_path = '' as $$ select private.update_notification_target(p_target_id, p_settings) $$;
comment on function public.update_notification_target(uuid, jsonb) is
'Changes name, classes, quiet ({from, to, zone} or null) or enabled of a target. Another address is another target. Step-up.';
create function public.test_notification_target(p_target_id uuid) returns bigint
language sql security invoker set search_path = '' as $$ select private.test_notification_target(p_target_id) $$;
comment on function public.test_notification_target(uuid) is
'Sends a test, or a new code to a target that is not confirmed; the id of the message.';
create function public.remove_notification_target(p_target_id uuid) returns void
language sql security invoker set search_path = '' as $$ select private.remove_notification_target(p_target_id) $$;
comment on function public.remove_notification_target(uuid) is 'Removes a target with its address; what was sent stays listed. Step-up.';

do $$
declare
  f text;
begin
  foreach f in array array[
    'add_notification_target(uuid, text, text, text, text, text, text [], jsonb)', 'verify_notification_target(uuid, text)',
    'update_notification_target(uuid, jsonb)', 'test_notification_target(uuid)', 'remove_notification_target(uuid)'
  ] loop
    execute pg_catalog.format('revoke all on function private.%s, public.%s from public, anon, authenticated, service_role', f, f);
    execute pg_catalog.format('grant execute on function private.%s, public.%s to authenticated', f, f);
  end loop;
end
$$;
