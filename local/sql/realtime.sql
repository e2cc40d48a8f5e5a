-- Schema realtime: broadcast from the database and channel authorisation. Run as supabase_admin; idempotent.
-- Written from the documented behaviour of Supabase Realtime; unpartitioned, the gateway purges what is older than 72 h.

create table if not exists realtime.messages (
  topic text not null,
  extension text not null,
  payload jsonb,
  event text,
  private boolean default false,
  -- No time zone, as upstream; UTC whatever the session's TimeZone is.
  updated_at timestamp not null default (now() at time zone 'utc'),
  inserted_at timestamp not null default (now() at time zone 'utc'),
  id uuid not null default gen_random_uuid(),
  binary_payload bytea,
  -- One index for both that read here, who missed something and who clears up: every message of every alert is in it.
  -- (Upstream has (id, inserted_at) and a second one.)
  primary key (inserted_at, topic, id),
  constraint messages_payload_exclusive check (payload is null or binary_payload is null)
);
-- Stacks set up before had upstream's two.
do $$
begin
  if to_regclass('realtime.messages_inserted_at_topic_index') is not null then
    drop index realtime.messages_inserted_at_topic_index;
    alter table realtime.messages drop constraint messages_pkey, add primary key (inserted_at, topic, id);
  end if;
end
$$;
comment on table realtime.messages is 'One row per message to a channel. RLS: select = may receive, insert = may send.';

create or replace function realtime.topic() returns text language sql stable as $$
  select nullif(current_setting('realtime.topic', true), '')
$$;
comment on function realtime.topic() is 'The channel that is being joined or sent to: for policies on realtime.messages.';

create or replace function realtime.send(payload jsonb, event text, topic text, private boolean default true)
returns void language plpgsql as $$
declare
  message_id constant uuid := gen_random_uuid();
begin
  perform set_config('realtime.topic', topic, true);
  if not payload ? 'id' then
    payload := jsonb_set(payload, '{id}', to_jsonb(message_id));
  end if;
  insert into realtime.messages (id, payload, event, topic, private, extension)
  values (message_id, payload, event, topic, private, 'broadcast');
exception when others then
  -- A message is a hint: losing one must not undo the write that caused it.
  raise warning 'WarnSendingBroadcastMessage: %', sqlerrm;
end
$$;
comment on function realtime.send(jsonb, text, text, boolean) is
  'Broadcast payload (a JSON object) to topic. Never raises: a failure is a WARNING and the message is lost.';

create or replace function realtime.send_binary(payload bytea, event text, topic text, private boolean default true)
returns void language plpgsql as $$
begin
  perform set_config('realtime.topic', topic, true);
  insert into realtime.messages (binary_payload, event, topic, private, extension)
  values (payload, event, topic, private, 'broadcast');
exception when others then
  raise warning 'WarnSendingBroadcastMessage: %', sqlerrm;
end
$$;
comment on function realtime.send_binary(bytea, text, text, boolean) is
  'Broadcast bytes to topic; only sockets of protocol 2.0.0 receive them. Never raises.';

create or replace function realtime.broadcast_changes(
  topic_name text, event_name text, operation text, table_name text, table_schema text,
  new record, old record, level text default 'ROW'
) returns void language plpgsql as $$
begin
  if level = 'STATEMENT' then
    raise exception 'function can only be triggered for each row, not for each statement';
  end if;
  if operation not in ('INSERT', 'UPDATE', 'DELETE') then
    raise exception 'Unexpected operation type: %', operation;
  end if;
  perform realtime.send(
    jsonb_build_object(
      'schema', table_schema, 'table', table_name, 'operation', operation,
      'record', case when operation <> 'DELETE' then to_jsonb(new) end,
      'old_record', case when operation <> 'INSERT' then to_jsonb(old) end
    ),
    event_name, topic_name
  );
end
$$;
comment on function realtime.broadcast_changes(text, text, text, text, text, record, record, text) is
  'From a row trigger: broadcast the change of one row to a private topic.';

do $$
declare item record;
begin
  if (select c.relowner from pg_catalog.pg_class c where c.oid = 'realtime.messages'::regclass)
     is distinct from 'supabase_realtime_admin'::regrole then
    alter table realtime.messages owner to supabase_realtime_admin;
  end if;
  for item in
    select p.oid::regprocedure as name from pg_catalog.pg_proc p where p.pronamespace = 'realtime'::regnamespace
  loop
    execute format('alter function %s owner to supabase_realtime_admin', item.name);
  end loop;
  if not exists (select from pg_catalog.pg_publication where pubname = 'supabase_realtime_messages_publication') then
    create publication supabase_realtime_messages_publication for table realtime.messages with (publish = 'insert');
  end if;
end
$$;
alter table realtime.messages enable row level security;
revoke all on realtime.messages from public;
grant select, insert, update on realtime.messages to anon, authenticated, service_role;
grant all on realtime.messages to postgres, dashboard_user;
grant execute on all functions in schema realtime to public, postgres, anon, authenticated, service_role;

-- Through its membership in supabase_realtime_admin (roles.sql) postgres could alter or drop what it may not touch on
-- hosted Supabase. Policies, grants and comments pass; the rest is refused as the real owner check would.
create or replace function realtime.refuse_foreign_ddl() returns event_trigger
language plpgsql set search_path = '' as $$
declare item record;
begin
  if (select r.rolsuper from pg_catalog.pg_roles r where r.rolname = current_user) then
    return;
  end if;
  for item in select * from pg_catalog.pg_event_trigger_ddl_commands() loop
    if item.schema_name = 'realtime'
       and item.command_tag not in ('CREATE POLICY', 'ALTER POLICY', 'GRANT', 'REVOKE', 'COMMENT', 'ALTER PUBLICATION') then
      raise exception 'must be owner of %', item.object_identity using errcode = '42501';
    end if;
  end loop;
end
$$;
create or replace function realtime.refuse_foreign_drop() returns event_trigger
language plpgsql set search_path = '' as $$
declare item record;
begin
  if (select r.rolsuper from pg_catalog.pg_roles r where r.rolname = current_user) then
    return;
  end if;
  for item in select * from pg_catalog.pg_event_trigger_dropped_objects() d where d.original loop
    if item.schema_name = 'realtime' and item.object_type <> 'policy' then
      raise exception 'must be owner of %', item.object_identity using errcode = '42501';
    end if;
  end loop;
end
$$;
alter function realtime.refuse_foreign_ddl() owner to supabase_realtime_admin;
alter function realtime.refuse_foreign_drop() owner to supabase_realtime_admin;
comment on function realtime.refuse_foreign_ddl() is 'Keeps schema realtime as closed to role postgres as it is on hosted Supabase.';
comment on function realtime.refuse_foreign_drop() is 'Keeps schema realtime as closed to role postgres as it is on hosted Supabase.';
revoke execute on function realtime.refuse_foreign_ddl() from public, postgres, anon, authenticated, service_role;
revoke execute on function realtime.refuse_foreign_drop() from public, postgres, anon, authenticated, service_role;
drop event trigger if exists realtime_refuse_ddl;
drop event trigger if exists realtime_refuse_drop;
create event trigger realtime_refuse_ddl on ddl_command_end execute function realtime.refuse_foreign_ddl();
create event trigger realtime_refuse_drop on sql_drop execute function realtime.refuse_foreign_drop();
