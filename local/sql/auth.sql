-- Schema auth, after @supabase/lite has made its tables: the tables it lacks, the helpers as Supabase Auth defines
-- them, owners and rights. Run as supabase_admin; idempotent.

create table if not exists auth.mfa_factors (
  id uuid primary key default gen_random_uuid(),
  user_id uuid not null references auth.users (id) on delete cascade,
  friendly_name text,
  factor_type text not null check (factor_type = 'totp'),
  status text not null check (status in ('unverified', 'verified')),
  secret text not null,
  last_counter bigint not null default 0,
  last_challenged_at timestamptz,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);
create unique index if not exists mfa_factors_user_friendly_name_unique
  on auth.mfa_factors (friendly_name, user_id) where trim(friendly_name) <> '';
create index if not exists mfa_factors_user_id_idx on auth.mfa_factors (user_id);
comment on table auth.mfa_factors is 'Second factors. secret is the base32 TOTP seed, as Supabase Auth keeps it.';
comment on column auth.mfa_factors.last_counter is 'The newest TOTP time step that was accepted: an older or equal one is a replay.';

create table if not exists auth.mfa_challenges (
  id uuid primary key default gen_random_uuid(),
  factor_id uuid not null references auth.mfa_factors (id) on delete cascade,
  created_at timestamptz not null default now(),
  verified_at timestamptz,
  ip_address inet,
  attempts integer not null default 0
);
create index if not exists mfa_challenges_factor_id_idx on auth.mfa_challenges (factor_id);
create index if not exists mfa_challenges_created_at_idx on auth.mfa_challenges (created_at desc);
comment on table auth.mfa_challenges is 'One attempt to prove a factor; good for 5 minutes and 5 codes.';

create table if not exists auth.mfa_amr_claims (
  id uuid primary key default gen_random_uuid(),
  session_id uuid not null references auth.sessions (id) on delete cascade,
  authentication_method text not null,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  unique (session_id, authentication_method)
);
comment on table auth.mfa_amr_claims is 'How a session proved who it is: the source of the amr claim.';

create or replace function auth.uid() returns uuid language sql stable as $$
  select coalesce(
    nullif(current_setting('request.jwt.claim.sub', true), ''),
    nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'sub'
  )::uuid
$$;
create or replace function auth.role() returns text language sql stable as $$
  select coalesce(
    nullif(current_setting('request.jwt.claim.role', true), ''),
    nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'role'
  )
$$;
create or replace function auth.email() returns text language sql stable as $$
  select coalesce(
    nullif(current_setting('request.jwt.claim.email', true), ''),
    nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'email'
  )
$$;
create or replace function auth.jwt() returns jsonb language sql stable as $$
  select coalesce(
    nullif(current_setting('request.jwt.claim', true), ''),
    nullif(current_setting('request.jwt.claims', true), '')
  )::jsonb
$$;
comment on function auth.uid() is 'Id of the user who makes this request, null for anon.';
comment on function auth.role() is 'Role of this request. Deprecated in favour of policies "to <role>".';
comment on function auth.email() is 'E-mail address in the access token of this request. Deprecated in favour of auth.jwt().';
comment on function auth.jwt() is 'Claims of the access token of this request.';

-- Owners and rights, as the real service has them: postgres reads, references and puts triggers on them; clients nothing.
do $$
declare item record;
begin
  for item in
    select c.oid::regclass as name from pg_catalog.pg_class c
    where c.relnamespace = 'auth'::regnamespace and c.relkind in ('r', 'p')
  loop
    execute format('alter table %s owner to supabase_auth_admin', item.name);
    execute format('alter table %s enable row level security', item.name);
  end loop;
  for item in
    select p.oid::regprocedure as name from pg_catalog.pg_proc p where p.pronamespace = 'auth'::regnamespace
  loop
    execute format('alter function %s owner to supabase_auth_admin', item.name);
  end loop;
end
$$;
revoke all on all tables in schema auth from public, anon, authenticated, service_role, authenticator;
grant all on all tables in schema auth to postgres, dashboard_user;
grant select on all tables in schema auth to postgres with grant option;
grant execute on all functions in schema auth to public, postgres, dashboard_user;
