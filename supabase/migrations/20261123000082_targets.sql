-- Where a trader wants to be told, and what was sent there.
create table public.notification_targets (
  id uuid primary key,
  user_id uuid not null references public.profiles (id),
  kind public.notification_kind not null,
  name text not null check (char_length(name) between 1 and 80),
  hint text check (char_length(hint) <= 80),
  classes public.notification_class [] not null check (cardinality(classes) between 1 and 20),
  quiet_from time,
  quiet_to time,
  quiet_zone text,
  enabled boolean not null default true,
  verified_at timestamptz,
  last_sent_at timestamptz,
  last_error text check (char_length(last_error) <= 300),
  version integer not null default 1,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  constraint quiet_hours_have_beginning_end_and_zone check (
    num_nonnulls(quiet_from, quiet_to, quiet_zone) in (0, 3) and quiet_from is distinct from coalesce(quiet_to, '24:00')
  )
);
comment on table public.notification_targets is 'Where a trader wants to be told of what. Nothing is sent before he has confirmed the code that was sent there.';
comment on column public.notification_targets.hint is 'The address for the eye (m***@example.com, the host of a webhook). The address itself is sealed.';
comment on column public.notification_targets.classes is 'What is sent there.';
create index notification_targets_user on public.notification_targets (user_id);
create trigger touch before update on public.notification_targets
for each row execute function private.touch('both');

create table engine.notification_doors (
  target_id uuid primary key references public.notification_targets (id) on delete cascade,
  key_id text not null,
  sealed bytea not null check (octet_length(sealed) between 48 and 16384),
  token bigint,
  worker text,
  lease_until timestamptz,
  rest_until timestamptz,
  failures integer not null default 0,
  complained_at timestamptz
);
comment on table engine.notification_doors is 'The sealed address of a target, and who sends there now. Nobody reads it through the API.';

create table engine.notification_codes (
  target_id uuid primary key references public.notification_targets (id) on delete cascade,
  code text not null check (code ~ '^[0-9]{6}$'),
  wrong integer not null default 0,
  sends integer not null default 1,
  since timestamptz not null default clock_timestamp(),
  expires_at timestamptz not null
);
comment on table engine.notification_codes is 'The code that was sent to a new target: who can read it there owns it.';

create table public.notifications (
  id bigint generated always as identity primary key,
  user_id uuid not null references public.profiles (id),
  target_id uuid references public.notification_targets (id) on delete set null,
  kind public.notification_kind not null,
  target_name text not null,
  event_class public.notification_class not null,
  event_key text not null check (char_length(event_key) <= 120),
  event_id bigint,
  message text not null check (char_length(message) <= 1500),
  status public.notification_status not null default 'waiting',
  attempts integer not null default 0,
  in_digest boolean not null default false,
  last_error text check (char_length(last_error) <= 300),
  due_at timestamptz not null default clock_timestamp(),
  created_at timestamptz not null default clock_timestamp(),
  sent_at timestamptz,
  constraint told_once_per_target_event_and_class unique (target_id, event_key, event_class)
) with (fillfactor = 80);
comment on table public.notifications is 'What was sent to whom, when, and what became of it.';
comment on column public.notifications.event_key is 'What it is about: d12 a delivery, l55 a line of the log, o99 another row for the outside, t.. a test.';
create index notifications_user on public.notifications (user_id, id);
create index notifications_waiting on public.notifications (due_at) where status = 'waiting';
create index notifications_sent on public.notifications (target_id, sent_at) where status = 'sent';
create index notifications_created on public.notifications (created_at);

alter table public.notification_targets enable row level security;
grant select on public.notification_targets to authenticated;
create policy "Traders read their own targets, admins read all"
on public.notification_targets for select to authenticated
using (
  ((select auth.uid()) = user_id and (select private.session_is_strong_enough()))
  or (select private.is_admin())
);
alter table public.notifications enable row level security;
grant select on public.notifications to authenticated;
create policy "Traders read what was sent to them, admins read all"
on public.notifications for select to authenticated
using (
  ((select auth.uid()) = user_id and (select private.session_is_strong_enough()))
  or (select private.is_admin())
);

-- Studio or psql changing where a trader's alarms go is recorded, like every setting.
create trigger audit after insert or update or delete on public.notification_targets for each row
when (pg_trigger_depth() = 0 and session_user not in ('empire_worker', 'empire_edge', 'empire_relay', 'empire_maintenance'))
execute function private.audit();
alter table public.notification_targets enable always trigger audit;

grant select, insert, update, delete on engine.log_classes, engine.notification_doors, engine.notification_codes to empire_engine;
grant select, update on public.notification_targets to empire_engine;
grant select, insert, update, delete on public.notifications to empire_engine;
grant usage on all sequences in schema public to empire_engine;

create function engine.after_quiet(n public.notification_targets, p_at timestamptz) returns timestamptz
language plpgsql stable set search_path = '' as $$
declare
  v_local constant timestamp := p_at at time zone n.quiet_zone;
  v_end timestamp;
begin
  if n.quiet_from is null or not (
    case when n.quiet_from < n.quiet_to
      then v_local::time >= n.quiet_from and v_local::time < n.quiet_to
      else v_local::time >= n.quiet_from or v_local::time < n.quiet_to
    end
  ) then
    return p_at;
  end if;
  v_end := v_local::date + n.quiet_to;
  if v_end <= v_local then
    v_end := v_end + interval '1 day';
  end if;
  return v_end at time zone n.quiet_zone;
end
$$;
comment on function engine.after_quiet(public.notification_targets, timestamptz) is
'When something of that moment may be sent to a target: then, or when its quiet hours end, by the clock of their zone.';
alter function engine.after_quiet(public.notification_targets, timestamptz) owner to empire_engine;

create function engine.drop_waiting(p_target uuid) returns void
language plpgsql set search_path = '' as $$
begin
  update public.notifications set status = 'dropped' where target_id = p_target and status = 'waiting';
end
$$;
comment on function engine.drop_waiting(uuid) is 'What still waits for a target is not sent any more.';
alter function engine.drop_waiting(uuid) owner to empire_engine;
