-- What a trader is told: the words for it, and the one function that writes a line into his log.
create type public.notification_kind as enum ('email', 'telegram', 'discord', 'slack', 'webhook');
create type public.notification_class as enum (
  'executed', 'denied', 'rejected', 'skipped', 'exit_failed', 'unknown', 'naked', 'breach', 'offline', 'credentials',
  'position', 'gap', 'security', 'test'
);
comment on type public.notification_class is
'What a message is about. Quiet hours never hold back exit_failed, unknown, naked, breach, offline and credentials.';
create type public.notification_status as enum ('waiting', 'sent', 'dead', 'dropped');
comment on type public.notification_status is
'waiting (to be sent, or sent again) | sent | dead (given up, the log says why) | dropped (its target was removed or switched off)';

create table engine.log_classes (
  type text primary key,
  class public.notification_class not null
);
comment on table engine.log_classes is 'Lines of the log that are also sent to the trader''s targets, by their type. What is not here is only kept.';
insert into engine.log_classes (type, class) values
('connection_failed', 'credentials'),
('account_locked', 'breach'), ('opened_behind_lock', 'breach'), ('kill_switch_on', 'breach'), ('system_halted', 'breach'), ('system_released', 'security'),
('unknown', 'unknown'), ('exit_late', 'exit_failed'), ('offline', 'offline'), ('naked', 'naked'),
('naked_closes', 'naked'), ('guard_failed', 'exit_failed'), ('guard_blind', 'position'), ('stop_again', 'position'),
('gap', 'gap'), ('position_changed', 'position'), ('endpoint_silent', 'gap'),
('connection_added', 'security'), ('connection_resealed', 'security'), ('connection_removed', 'security'),
('account_enabled', 'security'), ('account_disabled', 'security'), ('account_unlocked', 'security'),
('kill_switch_off', 'security'), ('lock_lifted', 'security'), ('day_start_confirmed', 'security'), ('limits_loosened', 'security'),
('endpoint_rotated', 'security'), ('endpoint_revoked', 'security'), ('endpoint_revealed', 'security'),
('device_added', 'security'), ('device_revoked', 'security'),
('target_added', 'security'), ('target_changed', 'security'), ('target_removed', 'security'),
('admin_disable_account', 'security'), ('admin_flatten', 'security');

create function engine.is_urgent(p_class public.notification_class) returns boolean
language plpgsql immutable set search_path = '' as $$
begin
  return p_class in ('exit_failed', 'unknown', 'naked', 'breach', 'offline', 'credentials');
end
$$;
comment on function engine.is_urgent(public.notification_class) is
'Whether money may be at stake this minute: such messages are sent in quiet hours too, one by one, before all others.';
alter function engine.is_urgent(public.notification_class) owner to empire_engine;

create function engine.note(
  p_user uuid, p_level public.log_level, p_type text, p_message text, p_details jsonb default '{}', p_event bigint default null
) returns bigint
language plpgsql set search_path = '' as $$
declare
  v_class constant public.notification_class := (select c.class from engine.log_classes c where c.type = p_type);
  v_log bigint;
begin
  insert into public.logs (user_id, level, type, message, details, correlation_id)
  values (p_user, p_level, p_type, left(p_message, 1000), coalesce(p_details, '{}'), p_event) returning id into v_log;
  if v_class is not null and p_user is not null then
    insert into engine.outbox (id, account_id, user_id, subject, body)
    values (nextval('engine.outbox_id'), (p_details ->> 'account_id')::uuid, p_user, 'empire.log.' || p_type || '.' || p_user,
      jsonb_build_object(
        'schema', 1, 'log_id', v_log, 'event_id', p_event, 'account_id', p_details ->> 'account_id', 'type', p_type,
        'class', v_class, 'level', p_level, 'message', left(p_message, 1000)
      ));
  end if;
  return v_log;
end
$$;
comment on function engine.note(uuid, public.log_level, text, text, jsonb, bigint) is
'A line in a user''s log, about an alert where there is one (its id is the correlation id); of some types it is told to '
'the outside, too. The only writer of logs.';
alter function engine.note(uuid, public.log_level, text, text, jsonb, bigint) owner to empire_engine;
