-- Who is asking, and how sure are we. Everything here reads the token's claims; policies and verbs ask these functions
-- and nothing else.
grant usage on schema private to authenticated;

create function private.is_admin() returns boolean
language sql stable security definer set search_path = '' as $$
  select coalesce(
    (select auth.jwt()) -> 'app_metadata' ->> 'role' = 'admin'
    and (select auth.jwt()) ->> 'aal' = 'aal2'
    and exists (select 1 from private.admins a where a.user_id = (select auth.uid())),
    false
  )
$$;
comment on function private.is_admin() is
'A row in private.admins, the role claim and a session with a second factor: all three.';

create function private.mfa_enrolled() returns boolean
language plpgsql stable security definer set search_path = '' as $$
begin
  -- Not every footing has the table; where it is missing nobody can have a factor.
  if pg_catalog.to_regclass('auth.mfa_factors') is null then
    return false;
  end if;
  return exists (
    select 1 from auth.mfa_factors f where f.user_id = (select auth.uid()) and f.status = 'verified'
  );
end
$$;
comment on function private.mfa_enrolled() is 'Whether the user has a verified second factor.';

create function private.session_is_strong_enough() returns boolean
language sql stable security definer set search_path = '' as $$
  select coalesce((select auth.jwt()) ->> 'aal' = 'aal2', false) or not private.mfa_enrolled()
$$;
comment on function private.session_is_strong_enough() is
'Who has enrolled a second factor must have used it in this session; who has none, need not.';

create function private.step_up() returns boolean
language sql stable security definer set search_path = '' as $$
  select coalesce((select auth.jwt()) ->> 'aal' = 'aal2', false) and exists (
    select 1
    from jsonb_array_elements(
      case when jsonb_typeof((select auth.jwt()) -> 'amr') = 'array' then (select auth.jwt()) -> 'amr' else '[]' end
    ) as used (entry)
    where used.entry ->> 'method' = 'totp'
      and (used.entry ->> 'timestamp')::numeric >= extract(epoch from clock_timestamp()) - 900
  )
$$;
comment on function private.step_up() is 'The second factor was used in this session at most 15 minutes ago.';

revoke all on function private.is_admin() from public;
revoke all on function private.mfa_enrolled() from public;
revoke all on function private.session_is_strong_enough() from public;
revoke all on function private.step_up() from public;
grant execute on function private.is_admin() to authenticated;
grant execute on function private.session_is_strong_enough() to authenticated;

create function private.custom_access_token_hook(event jsonb) returns jsonb
language plpgsql stable set search_path = '' as $$
declare
  claims jsonb := event -> 'claims';
begin
  if exists (select 1 from private.admins a where a.user_id = (event ->> 'user_id')::uuid) then
    claims := jsonb_set(
      claims, '{app_metadata}', coalesce(nullif(claims -> 'app_metadata', 'null'), '{}') || '{"role": "admin"}'
    );
  elsif claims #>> '{app_metadata,role}' = 'admin' then
    claims := claims #- '{app_metadata,role}';
  end if;
  return jsonb_build_object('claims', claims);
end
$$;
comment on function private.custom_access_token_hook(jsonb) is
'Runs when the auth service makes an access token: app_metadata.role is admin for the rows of private.admins only.';
revoke all on function private.custom_access_token_hook(jsonb) from public, anon, authenticated, service_role;
do $$
begin
  -- Written as rights of the auth service instead of a definer function, as Supabase advises for hooks.
  if exists (select 1 from pg_catalog.pg_roles where rolname = 'supabase_auth_admin') then
    grant usage on schema private to supabase_auth_admin;
    grant select on private.admins to supabase_auth_admin;
    grant execute on function private.custom_access_token_hook(jsonb) to supabase_auth_admin;
  end if;
end
$$;

-- The plan.
create function private.effective_plan(p_user_id uuid) returns public.plan
language sql stable security definer set search_path = '' as $$
  select coalesce((
    select case
      when s.status = 'trialing' and s.trial_end > now() then greatest('pro', s.plan)
      when s.status in ('active', 'past_due') then s.plan
    end
    from public.subscriptions s where s.user_id = p_user_id
  ), 'starter')
$$;
comment on function private.effective_plan(uuid) is
'The plan whose limits count now: a trial of 14 days has those of Pro; without a paid subscription it is Starter.';
revoke all on function private.effective_plan(uuid) from public;
grant execute on function private.effective_plan(uuid) to empire_engine;

create function private.mirror_plan() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  update public.profiles
  set plan_tier = private.effective_plan(new.user_id), trial_end = new.trial_end
  where id = new.user_id;
  return null;
end
$$;
comment on function private.mirror_plan() is 'Shows the subscription on the profile. Nothing decides by the mirror.';
revoke all on function private.mirror_plan() from public;
create trigger mirror_plan after insert or update on public.subscriptions
for each row execute function private.mirror_plan();

-- The profile follows the login; a deleted login leaves a tombstone, because orders, fills and audit stay under it.
create function private.follow_login() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  if tg_op = 'INSERT' then
    insert into public.profiles (id, email, name)
    values (new.id, new.email, left(new.raw_user_meta_data ->> 'name', 120))
    on conflict (id) do nothing;
    insert into public.subscriptions (user_id, plan, status, trial_end)
    values (new.id, 'starter', 'trialing', now() + interval '14 days')
    on conflict (user_id) do nothing;
  elsif tg_op = 'UPDATE' then
    update public.profiles set email = new.email where id = new.id;
  else
    update public.profiles set status = 'deleted', email = null, name = null, totp_enabled = false where id = old.id;
    update public.webhook_endpoints set enabled = false where user_id = old.id and enabled;
    update public.broker_accounts set trading_enabled = false where user_id = old.id and trading_enabled;
    update public.api_keys set revoked_at = now() where user_id = old.id and revoked_at is null;
  end if;
  return null;
end
$$;
comment on function private.follow_login() is
'Sign-up makes the profile and starts the trial; a deleted login leaves a tombstone that trades no more.';
revoke all on function private.follow_login() from public;

create function private.mirror_factor() returns trigger
language plpgsql security definer set search_path = '' as $$
declare
  owner constant uuid := case tg_op when 'DELETE' then old.user_id else new.user_id end;
begin
  update public.profiles
  set totp_enabled = exists (select 1 from auth.mfa_factors f where f.user_id = owner and f.status = 'verified')
  where id = owner;
  return null;
end
$$;
comment on function private.mirror_factor() is
'Shows on the profile whether a second factor is on. Nothing decides by the mirror.';
revoke all on function private.mirror_factor() from public;

create trigger empire_profile_made after insert on auth.users
for each row execute function private.follow_login();
create trigger empire_profile_mirrored after update of email on auth.users
for each row execute function private.follow_login();
create trigger empire_profile_buried after delete on auth.users
for each row execute function private.follow_login();
do $$
begin
  create trigger empire_factor_mirrored after insert or update of status or delete on auth.mfa_factors
  for each row execute function private.mirror_factor();
exception when insufficient_privilege or undefined_table then
  raise notice 'no trigger on auth.mfa_factors on this footing: profiles.totp_enabled is not kept';
end
$$;
