-- The audit trail. A user's own writes are his own; every other write to settings, accounts, endpoints, keys, profiles,
-- plans and admins is recorded with who did it, in the same transaction: Studio, psql, the secret key, later billing.

create function private.actor() returns text
language sql stable set search_path = '' as $$
  select session_user || case
    when current_setting('role') in ('none', session_user) then '' else ' as ' || current_setting('role')
  end
$$;
comment on function private.actor() is 'Who is at the keyboard: the login and the role it has taken.';
revoke all on function private.actor() from public;

create function private.audit() returns trigger
language plpgsql security definer set search_path = '' as $$
declare
  -- That these changed is recorded, what they were or are is not.
  c_secret constant text [] := array['api_key_hash', 'key_hash', 'sealed', 'stripe_customer_id'];
  c_silent constant text [] := array['version', 'updated_at'];
  v_old constant jsonb := case when tg_op <> 'INSERT' then to_jsonb(old) else '{}' end;
  v_new constant jsonb := case when tg_op <> 'DELETE' then to_jsonb(new) else '{}' end;
  v_row constant jsonb := v_old || v_new;
  v_owner constant uuid := coalesce(
    v_row ->> 'user_id', case when tg_table_name = 'profiles' then v_row ->> 'id' end
  )::uuid;
  v_changes jsonb;
begin
  -- Behind this login PostgREST has checked the token, so auth.uid() is true; behind any other it is only claimed.
  if session_user = 'authenticator' and v_owner = (select auth.uid()) then
    return null;
  end if;
  select jsonb_object_agg(k, case
    when k = any (c_secret) then '"(not shown)"'
    when tg_op = 'UPDATE' then jsonb_build_array(v_old -> k, v_new -> k)
    else v_row -> k
  end) into v_changes
  from jsonb_object_keys(v_row) k
  where k <> all (c_silent) and (tg_op <> 'UPDATE' or v_old -> k is distinct from v_new -> k);
  if v_changes is null then
    return null;
  end if;
  insert into public.admin_actions (admin_user_id, actor, action, target_user_id, details, ip_address)
  values (
    case when session_user = 'authenticator' then (select auth.uid()) end, private.actor(),
    lower(tg_op) || ' ' || tg_table_name, v_owner,
    jsonb_build_object('table', tg_table_schema || '.' || tg_table_name, 'id', v_row -> 'id', 'changes', v_changes),
    case when session_user <> 'authenticator' then inet_client_addr() end
  );
  return null;
end
$$;
comment on function private.audit() is
'Records a write that is not the owner''s: who, what, old and new values (never secrets).';
revoke all on function private.audit() from public;

-- Not recorded: what another trigger does (the cause is recorded), and what workers and edge functions do through
-- functions that decide by themselves what may change.
do $$
declare
  t text;
begin
  foreach t in array array[
    'public.profiles', 'public.brands', 'public.plan_limits', 'public.subscriptions', 'public.broker_connections',
    'public.broker_accounts', 'public.credential_seals', 'public.devices', 'public.webhook_endpoints',
    'public.webhook_endpoint_accounts', 'public.api_keys', 'public.symbol_map', 'public.risk_settings',
    'public.trading_config', 'private.admins'
  ] loop
    execute format(
      'create trigger audit after insert or update or delete on %s for each row '
      || 'when (pg_trigger_depth() = 0 and session_user not in (''empire_worker'', ''empire_edge'')) '
      || 'execute function private.audit()', t
    );
    execute format('alter table %s enable always trigger audit', t);
  end loop;
end
$$;

create function private.refuse_tampering() returns trigger
language plpgsql set search_path = '' as $$
begin
  raise exception 'admin_actions is insert only: nobody changes or deletes what is recorded' using errcode = '42501';
end
$$;
comment on function private.refuse_tampering() is 'Keeps the audit trail as it was written, for every role.';
revoke all on function private.refuse_tampering() from public;
create trigger insert_only before update or delete on public.admin_actions
for each row execute function private.refuse_tampering();
create trigger never_emptied before truncate on public.admin_actions
for each statement execute function private.refuse_tampering();
alter table public.admin_actions enable always trigger insert_only;
alter table public.admin_actions enable always trigger never_emptied;

-- What an admin may do: stop, never start. Each verb records itself.
create function private.require_admin(p_reason text) returns void
language plpgsql security definer set search_path = '' as $$
begin
  if not private.is_admin() then
    perform private.refuse(403, 'admin_required', 'Only an admin, signed in with a second factor, may do this.');
  end if;
  perform private.require_step_up();
  if char_length(btrim(coalesce(p_reason, ''))) not between 3 and 200 then
    perform private.refuse(422, 'invalid', 'Say why, in 3 to 200 characters: it is recorded and shown to the trader.');
  end if;
end
$$;
comment on function private.require_admin(text) is 'Refuses all but an admin with a fresh second factor and a reason.';
revoke all on function private.require_admin(text) from public;

create function private.as_admin(p_action text, p_account_id uuid, p_reason text) returns public.broker_accounts
language plpgsql security definer set search_path = '' as $$
declare
  a public.broker_accounts;
begin
  perform private.require_admin(p_reason);
  select b.* into a from public.broker_accounts b where b.id = p_account_id for no key update;
  if not found then
    perform private.refuse(404, 'not_found', 'There is no such account.');
  end if;
  insert into public.admin_actions (admin_user_id, actor, action, target_user_id, details)
  values ((select auth.uid()), private.actor(), p_action, a.user_id,
    jsonb_build_object('account_id', a.id, 'reason', p_reason));
  perform private.note(a.user_id, 'warning', p_action,
    format('An operator acted on %s: %s', coalesce(a.label, a.account_id), p_reason),
    jsonb_build_object('account_id', a.id));
  return a;
end
$$;
comment on function private.as_admin(text, uuid, text) is
'Refuses all but an admin with a fresh second factor, records the act, tells the trader; returns the account, locked.';
revoke all on function private.as_admin(text, uuid, text) from public;

create function private.admin_disable_account(p_account_id uuid, p_reason text) returns void
language plpgsql security definer set search_path = '' as $$
declare
  a constant public.broker_accounts := private.as_admin('admin_disable_account', p_account_id, p_reason);
begin
  update public.broker_accounts set trading_enabled = false where id = a.id and trading_enabled;
end
$$;
comment on function private.admin_disable_account(uuid, text) is 'public.admin_disable_account, checked.';

create function private.admin_flatten(p_account_id uuid, p_reason text) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  a constant public.broker_accounts := private.as_admin('admin_flatten', p_account_id, p_reason);
begin
  return engine.accept_intent(jsonb_build_object(
    'user_id', a.user_id, 'source', 'system', 'intent', '{"action": "flatten"}'::jsonb,
    'accounts', jsonb_build_array(a.id), 'aal2', true
  ));
end
$$;
comment on function private.admin_flatten(uuid, text) is 'public.admin_flatten, checked.';

create function public.admin_disable_account(p_account_id uuid, p_reason text) returns void
language sql security invoker set search_path = '' as $$
  select private.admin_disable_account(p_account_id, p_reason)
$$;
comment on function public.admin_disable_account(uuid, text) is
'Admins: no new entries on an account. Recorded, and shown to the trader.';
create function public.admin_flatten(p_account_id uuid, p_reason text) returns jsonb
language sql security invoker set search_path = '' as $$ select private.admin_flatten(p_account_id, p_reason) $$;
comment on function public.admin_flatten(uuid, text) is
'Admins: closes everything on an account. Recorded, and shown to the trader.';
