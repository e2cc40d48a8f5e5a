-- The roles of a Supabase cluster. Run once per cluster, as supabase_admin (superuser); running it again changes nothing.
-- Passwords are never in this file: the supervisor sets them with ALTER ROLE afterwards.

create or replace function pg_temp.ensure_role(name text, attributes text) returns void
language plpgsql as $$
begin
  if not exists (select from pg_catalog.pg_roles where rolname = name) then
    execute format('create role %I', name);
  end if;
  execute format('alter role %I with %s', name, attributes);
end
$$;

-- Who may connect. As on hosted Supabase, postgres is no superuser: what works here works there.
select pg_temp.ensure_role('postgres', 'nosuperuser createdb createrole replication bypassrls inherit login');
select pg_temp.ensure_role('authenticator', 'nosuperuser nocreatedb nocreaterole noreplication nobypassrls noinherit login');
select pg_temp.ensure_role('supabase_auth_admin', 'nosuperuser nocreatedb createrole noreplication nobypassrls noinherit login');

-- Who a request may be.
select pg_temp.ensure_role('anon', 'nosuperuser nocreatedb nocreaterole noreplication nobypassrls inherit nologin');
select pg_temp.ensure_role('authenticated', 'nosuperuser nocreatedb nocreaterole noreplication nobypassrls inherit nologin');
select pg_temp.ensure_role('service_role', 'nosuperuser nocreatedb nocreaterole noreplication bypassrls inherit nologin');

-- Who owns what is not ours.
select pg_temp.ensure_role('supabase_realtime_admin', 'nosuperuser nocreatedb nocreaterole noreplication nobypassrls noinherit nologin');
select pg_temp.ensure_role('dashboard_user', 'nosuperuser createdb createrole replication nobypassrls inherit nologin');

grant anon, authenticated, service_role to authenticator;
grant anon, authenticated, service_role, authenticator, pg_monitor, pg_read_all_data, pg_signal_backend
  to postgres with admin option;
-- CREATE POLICY on realtime.messages asks for the owner's rights. Hosted gives them to postgres through supautils; here
-- it inherits them, and the event trigger of database.sql refuses everything else on that schema.
grant supabase_realtime_admin to postgres with inherit true, set false;

-- A client that goes away leaves its statement running: these bounds free the pool slot. The login role's settings
-- count, SET LOCAL ROLE does not apply those of anon or authenticated.
alter role authenticator set statement_timeout = '8s';
alter role authenticator set lock_timeout = '8s';
alter role authenticator set idle_in_transaction_session_timeout = '10s';
-- A client's own mistake is told to the client; its text quotes what he sent, a token perhaps, and has no place in a log.
alter role authenticator set log_min_messages = 'fatal';
alter role supabase_auth_admin set search_path = auth;
alter role supabase_auth_admin set idle_in_transaction_session_timeout = '60s';
alter role postgres set search_path = "$user", public, extensions;

comment on role postgres is 'Owner of the application schemas; migrations run as this role. No superuser, as on hosted Supabase.';
comment on role authenticator is 'Login of the REST gateway; becomes anon, authenticated or service_role per request.';
comment on role supabase_auth_admin is 'Owner of schema auth; runs the auth service and the access-token hook.';
comment on role supabase_realtime_admin is 'Owner of schema realtime.';
comment on role anon is 'A request with nothing but a publishable key.';
comment on role authenticated is 'A request with the access token of a signed-in user.';
comment on role service_role is 'A request with the secret key. Bypasses RLS.';
