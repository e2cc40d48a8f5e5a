-- Endpoints: where alerts come in. The token is derived from id and version by whoever holds the master key, so a new
-- version is a new token, and nothing here ever sees one.

create function private.my_endpoint(p_endpoint_id uuid) returns public.webhook_endpoints
language plpgsql security definer set search_path = '' as $$
declare
  e public.webhook_endpoints;
begin
  select w.* into e from public.webhook_endpoints w
  where w.id = p_endpoint_id and w.user_id = private.me() for no key update;
  if not found then
    perform private.refuse(404, 'not_found', 'You have no such endpoint.');
  end if;
  return e;
end
$$;
comment on function private.my_endpoint(uuid) is
'The user''s own endpoint, locked; anybody else''s does not exist for him.';
revoke all on function private.my_endpoint(uuid) from public;

create function private.endpoint_is_live(p_endpoint_id uuid) returns boolean
language sql stable security definer set search_path = '' as $$
  select private.any_live(array(
    select t.account_id from public.webhook_endpoint_accounts t where t.endpoint_id = p_endpoint_id
  ))
$$;
comment on function private.endpoint_is_live(uuid) is 'Whether alerts of this endpoint can move real money.';
revoke all on function private.endpoint_is_live(uuid) from public;

create function private.check_endpoint_accounts(p_broker public.broker, p_account_ids uuid []) returns void
language plpgsql stable security definer set search_path = '' as $$
declare
  v_me constant uuid := private.me();
begin
  if exists (
    select 1 from unnest(p_account_ids) i
    where not exists (select 1 from public.broker_accounts a where a.id = i and a.user_id = v_me)
  ) then
    perform private.refuse(404, 'not_found', 'You have no such account.');
  elsif exists (select 1 from public.broker_accounts a where a.id = any (p_account_ids) and a.broker <> p_broker) then
    perform private.refuse(422, 'broker_mismatch', 'All accounts of an endpoint are at the endpoint''s broker.');
  end if;
end
$$;
comment on function private.check_endpoint_accounts(public.broker, uuid []) is
'Refuses accounts that are not the user''s own or are at another broker.';
revoke all on function private.check_endpoint_accounts(public.broker, uuid []) from public;

create function private.with_settings(e public.webhook_endpoints, p_settings jsonb) returns public.webhook_endpoints
language plpgsql stable set search_path = '' as $$
declare
  c_names constant text [] := array[
    'name', 'require_signature', 'allow_cidrs', 'max_age_s', 'dedupe_window_s', 'on_same', 'on_opposite', 'scope',
    'qty_mode', 'qty', 'allowed_symbols', 'allowed_actions', 'max_qty', 'max_entries_per_day', 'alerts_per_minute',
    'on_gap', 'heartbeat_s'
  ];
  v_unknown text;
begin
  if jsonb_typeof(p_settings) is distinct from 'object' then
    perform private.refuse(422, 'invalid', 'Settings are an object of names and values.');
  end if;
  select k into v_unknown from jsonb_object_keys(p_settings) k where k <> all (c_names) limit 1;
  if found then
    perform private.refuse(422, 'invalid', format('An endpoint has no setting called %s.', v_unknown));
  end if;
  return jsonb_populate_record(e, p_settings);
exception when data_exception then
  perform private.refuse(422, 'invalid', format('A setting cannot be read: %s.', sqlerrm));
end
$$;
comment on function private.with_settings(public.webhook_endpoints, jsonb) is
'The endpoint with these settings; unknown names and unreadable values are refused.';
revoke all on function private.with_settings(public.webhook_endpoints, jsonb) from public;

create function private.save_endpoint(e public.webhook_endpoints) returns void
language plpgsql security definer set search_path = '' as $$
begin
  update public.webhook_endpoints
  set name = e.name, require_signature = e.require_signature, allow_cidrs = e.allow_cidrs, max_age_s = e.max_age_s,
    dedupe_window_s = e.dedupe_window_s, on_same = e.on_same, on_opposite = e.on_opposite, scope = e.scope,
    qty_mode = e.qty_mode, qty = e.qty, allowed_symbols = e.allowed_symbols, allowed_actions = e.allowed_actions,
    max_qty = e.max_qty, max_entries_per_day = e.max_entries_per_day, alerts_per_minute = e.alerts_per_minute,
    on_gap = e.on_gap, heartbeat_s = e.heartbeat_s
  where id = e.id;
exception when integrity_constraint_violation then
  perform private.refuse(422, 'invalid', format('A setting has a value we do not allow: %s.', sqlerrm));
end
$$;
comment on function private.save_endpoint(public.webhook_endpoints) is 'Writes the settings of an endpoint.';
revoke all on function private.save_endpoint(public.webhook_endpoints) from public;

create function private.higher(p_old numeric, p_new numeric) returns boolean
language sql immutable set search_path = '' as $$
  select p_old is not null and (p_new is null or p_new > p_old)
$$;
comment on function private.higher(numeric, numeric) is 'Whether a ceiling admits more than before. Null = no ceiling.';
revoke all on function private.higher(numeric, numeric) from public;

create function private.endpoint_admits_more(o public.webhook_endpoints, n public.webhook_endpoints) returns boolean
language sql immutable set search_path = '' as $$
  select (o.require_signature and not n.require_signature)
    or (o.allow_cidrs is not null and (n.allow_cidrs is null or exists (
      select 1 from unnest(n.allow_cidrs) c where not c <<= any (o.allow_cidrs)
    )))
    or n.max_age_s > o.max_age_s or n.dedupe_window_s < o.dedupe_window_s
    or n.alerts_per_minute > o.alerts_per_minute
    or private.higher(o.max_qty, n.max_qty) or private.higher(o.max_entries_per_day, n.max_entries_per_day)
    or (o.allowed_symbols is not null and not coalesce(n.allowed_symbols <@ o.allowed_symbols, false))
    or (o.allowed_actions is not null and not coalesce(n.allowed_actions <@ o.allowed_actions, false))
    or (n.on_gap <> o.on_gap and n.on_gap <> 'notify')
    or (n.on_same, n.on_opposite, n.scope, n.qty_mode, n.qty)
    is distinct from (o.on_same, o.on_opposite, o.scope, o.qty_mode, o.qty)
$$;
comment on function private.endpoint_admits_more(public.webhook_endpoints, public.webhook_endpoints) is
'Whether the changed endpoint could send an order that it could not send before.';
revoke all on function private.endpoint_admits_more(public.webhook_endpoints, public.webhook_endpoints) from public;

create function private.create_endpoint(p_broker public.broker, p_name text, p_account_ids uuid [], p_settings jsonb)
returns uuid
language plpgsql security definer set search_path = '' as $$
declare
  c_most constant integer := 500;
  v_me constant uuid := private.me();
  e public.webhook_endpoints;
begin
  if p_broker is null or char_length(btrim(coalesce(p_name, ''))) not between 1 and 80 then
    perform private.refuse(422, 'invalid', 'An endpoint has a broker and a name of 1 to 80 characters.');
  elsif (select count(*) from public.webhook_endpoints w where w.user_id = v_me) >= c_most then
    perform private.refuse(409, 'too_many', format('You have %s endpoints, which is the most we keep.', c_most));
  end if;
  perform private.check_endpoint_accounts(p_broker, p_account_ids);
  if private.any_live(p_account_ids) then
    perform private.require_step_up();
  end if;
  insert into public.webhook_endpoints (user_id, broker, name)
  values (v_me, p_broker, btrim(p_name)) returning * into e;
  perform private.save_endpoint(private.with_settings(e, coalesce(p_settings, '{}')));
  insert into public.webhook_endpoint_accounts (endpoint_id, account_id, user_id)
  select distinct e.id, i, v_me from unnest(p_account_ids) i;
  return e.id;
end
$$;
comment on function private.create_endpoint(public.broker, text, uuid [], jsonb) is 'public.create_endpoint, checked.';

create function private.update_endpoint(p_endpoint_id uuid, p_settings jsonb) returns void
language plpgsql security definer set search_path = '' as $$
declare
  o constant public.webhook_endpoints := private.my_endpoint(p_endpoint_id);
  n constant public.webhook_endpoints := private.with_settings(o, p_settings);
begin
  if private.endpoint_admits_more(o, n) and private.endpoint_is_live(o.id) then
    perform private.require_step_up();
  end if;
  perform private.save_endpoint(n);
end
$$;
comment on function private.update_endpoint(uuid, jsonb) is 'public.update_endpoint, checked.';

create function private.set_endpoint_accounts(p_endpoint_id uuid, p_account_ids uuid [], p_multipliers numeric [])
returns void
language plpgsql security definer set search_path = '' as $$
declare
  e constant public.webhook_endpoints := private.my_endpoint(p_endpoint_id);
  v_growing uuid [];
begin
  if p_multipliers is not null and (
    cardinality(p_multipliers) <> coalesce(cardinality(p_account_ids), 0)
    or exists (select 1 from unnest(p_multipliers) m where m is null or m <= 0 or m > 100)
  ) then
    perform private.refuse(422, 'invalid', 'There is one multiplier above 0 and up to 100 for each account.');
  end if;
  perform private.check_endpoint_accounts(e.broker, p_account_ids);
  select array_agg(w.id) into v_growing
  from unnest(p_account_ids, p_multipliers) w (id, multiplier)
  left join public.webhook_endpoint_accounts t on t.endpoint_id = e.id and t.account_id = w.id
  where t.account_id is null or w.multiplier > t.multiplier;
  if private.any_live(v_growing) then
    perform private.require_step_up();
  end if;
  delete from public.webhook_endpoint_accounts t
  where t.endpoint_id = e.id and t.account_id <> all (coalesce(p_account_ids, '{}'));
  insert into public.webhook_endpoint_accounts as t (endpoint_id, account_id, user_id, multiplier)
  select distinct on (w.id) e.id, w.id, e.user_id, coalesce(w.multiplier, 1)
  from unnest(p_account_ids, p_multipliers) w (id, multiplier)
  order by w.id, w.multiplier
  on conflict (endpoint_id, account_id) do update
  set multiplier = excluded.multiplier
  where p_multipliers is not null and t.multiplier <> excluded.multiplier;
end
$$;
comment on function private.set_endpoint_accounts(uuid, uuid [], numeric []) is
'public.set_endpoint_accounts, checked.';

create function private.rotate_endpoint(p_endpoint_id uuid) returns integer
language plpgsql security definer set search_path = '' as $$
declare
  e constant public.webhook_endpoints := private.my_endpoint(p_endpoint_id);
begin
  if private.endpoint_is_live(e.id) then
    perform private.require_step_up();
  end if;
  update public.webhook_endpoints
  set token_version = token_version + 1, previous_valid_until = clock_timestamp() + interval '24 hours'
  where id = e.id;
  perform private.note(e.user_id, 'warning', 'endpoint_rotated',
    format('%s has a new address; the old one works for 24 hours more.', e.name),
    jsonb_build_object('endpoint_id', e.id));
  return e.token_version + 1;
end
$$;
comment on function private.rotate_endpoint(uuid) is 'public.rotate_endpoint, checked.';

create function private.revoke_endpoint(p_endpoint_id uuid) returns void
language plpgsql security definer set search_path = '' as $$
declare
  e constant public.webhook_endpoints := private.my_endpoint(p_endpoint_id);
begin
  update public.webhook_endpoints
  set enabled = false, token_version = token_version + 1, previous_valid_until = null
  where id = e.id;
  perform private.note(e.user_id, 'warning', 'endpoint_revoked',
    format('Every address of %s is dead.', e.name), jsonb_build_object('endpoint_id', e.id));
end
$$;
comment on function private.revoke_endpoint(uuid) is 'public.revoke_endpoint, checked.';

create function private.enable_endpoint(p_endpoint_id uuid, p_enabled boolean) returns void
language plpgsql security definer set search_path = '' as $$
declare
  e constant public.webhook_endpoints := private.my_endpoint(p_endpoint_id);
begin
  if p_enabled and not e.enabled and private.endpoint_is_live(e.id) then
    perform private.require_step_up();
  end if;
  update public.webhook_endpoints set enabled = p_enabled where id = e.id and enabled <> p_enabled;
end
$$;
comment on function private.enable_endpoint(uuid, boolean) is
'public.enable_endpoint and public.disable_endpoint, checked.';

create function private.reveal_endpoint(p_endpoint_id uuid) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  e constant public.webhook_endpoints := private.my_endpoint(p_endpoint_id);
begin
  if private.endpoint_is_live(e.id) or not private.session_is_strong_enough() then
    perform private.require_step_up();
  end if;
  insert into public.admin_actions (actor, action, target_user_id, details)
  values ('owner', 'endpoint_revealed', e.user_id, jsonb_build_object('endpoint_id', e.id, 'version', e.token_version));
  perform private.note(e.user_id, 'info', 'endpoint_revealed',
    format('The address of %s was shown.', e.name), jsonb_build_object('endpoint_id', e.id));
  return jsonb_build_object('endpoint_id', e.id, 'version', e.token_version, 'broker', e.broker);
end
$$;
comment on function private.reveal_endpoint(uuid) is 'public.reveal_endpoint, checked.';

create function public.create_endpoint(
  p_broker public.broker, p_name text, p_account_ids uuid [] default '{}', p_settings jsonb default '{}'
) returns uuid
language sql security invoker set search_path = '' as $$
  select private.create_endpoint(p_broker, p_name, p_account_ids, p_settings)
$$;
comment on function public.create_endpoint(public.broker, text, uuid [], jsonb) is
'Makes an address for alerts and returns its id. On live accounts: step-up.';
create function public.update_endpoint(p_endpoint_id uuid, p_settings jsonb) returns void
language sql security invoker set search_path = '' as $$ select private.update_endpoint(p_endpoint_id, p_settings) $$;
comment on function public.update_endpoint(uuid, jsonb) is
'Changes settings, absent = unchanged. Whatever admits more on a live account: step-up; tightening: always possible.';
create function public.set_endpoint_accounts(
  p_endpoint_id uuid, p_account_ids uuid [], p_multipliers numeric [] default null
) returns void
language sql security invoker set search_path = '' as $$
  select private.set_endpoint_accounts(p_endpoint_id, p_account_ids, p_multipliers)
$$;
comment on function public.set_endpoint_accounts(uuid, uuid [], numeric []) is
'Replaces the accounts that alerts go to; multipliers absent = unchanged. Adding a live account: step-up.';
create function public.rotate_endpoint(p_endpoint_id uuid) returns integer
language sql security invoker set search_path = '' as $$ select private.rotate_endpoint(p_endpoint_id) $$;
comment on function public.rotate_endpoint(uuid) is
'A new address; the old one works for 24 hours more. Returns the version. On live accounts: step-up.';
create function public.revoke_endpoint(p_endpoint_id uuid) returns void
language sql security invoker set search_path = '' as $$ select private.revoke_endpoint(p_endpoint_id) $$;
comment on function public.revoke_endpoint(uuid) is
'Every address of the endpoint is dead at once. Always possible.';
create function public.disable_endpoint(p_endpoint_id uuid) returns void
language sql security invoker set search_path = '' as $$ select private.enable_endpoint(p_endpoint_id, false) $$;
comment on function public.disable_endpoint(uuid) is
'Alerts are refused until it is enabled again. Always possible.';
create function public.enable_endpoint(p_endpoint_id uuid) returns void
language sql security invoker set search_path = '' as $$ select private.enable_endpoint(p_endpoint_id, true) $$;
comment on function public.enable_endpoint(uuid) is
'Alerts are taken again. On live accounts: step-up.';
create function public.reveal_endpoint(p_endpoint_id uuid) returns jsonb
language sql security invoker set search_path = '' as $$ select private.reveal_endpoint(p_endpoint_id) $$;
comment on function public.reveal_endpoint(uuid) is
'What the address is derived from; audited. On live accounts: step-up.';
