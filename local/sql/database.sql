-- What a new Supabase database holds before the first migration. Run per database as supabase_admin; idempotent.
-- Tables and functions of schemas auth and realtime follow in auth.sql and realtime.sql (local/api/bootstrap.ts).

do $$
begin
  execute format('alter database %I owner to postgres', current_database());
end
$$;

create schema if not exists auth authorization supabase_auth_admin;
create schema if not exists realtime authorization supabase_realtime_admin;
create schema if not exists extensions authorization postgres;
comment on schema auth is 'Users, sessions, factors: belongs to the auth service.';
comment on schema realtime is 'Messages and authorisation of realtime channels: belongs to the realtime service.';
comment on schema extensions is 'Where Supabase keeps extensions.';

grant usage on schema public to postgres, anon, authenticated, service_role;
grant usage on schema extensions to postgres, anon, authenticated, service_role;
grant all on schema extensions to dashboard_user;
grant usage on schema auth to postgres, anon, authenticated, service_role, authenticator, dashboard_user;
grant usage on schema realtime to postgres, anon, authenticated, service_role, authenticator;

-- Nothing new in public is granted to the API's roles (Supabase's rule for projects since 2026): every migration names
-- its grants. The built-in EXECUTE for PUBLIC on functions stays, as on hosted; migrations revoke it.
alter default privileges for role postgres in schema public
  revoke all on tables from anon, authenticated, service_role;
alter default privileges for role postgres in schema public
  revoke all on sequences from anon, authenticated, service_role;
alter default privileges for role postgres in schema public
  revoke all on functions from anon, authenticated, service_role;

-- Postgres changes: migrations add their tables with "alter publication supabase_realtime add table ...".
do $$
begin
  if not exists (select from pg_catalog.pg_publication where pubname = 'supabase_realtime') then
    create publication supabase_realtime;
  end if;
end
$$;
alter publication supabase_realtime owner to postgres;
