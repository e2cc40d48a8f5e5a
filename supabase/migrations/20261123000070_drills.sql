-- Drills: each limit is driven through the real road on a synthetic account, and what it did is kept as data.
create table public.drill_runs (
  id bigint generated always as identity primary key,
  user_id uuid not null references public.profiles (id),
  account_id uuid not null references public.broker_accounts (id),
  rule text,
  status text not null default 'waiting' check (status in ('waiting', 'running', 'done', 'failed')),
  error text check (char_length(error) <= 500),
  requested_at timestamptz not null default clock_timestamp(),
  finished_at timestamptz,
  attempts integer not null default 0,
  token bigint,
  lease_until timestamptz
);
comment on table public.drill_runs is 'Drills as they were asked for: of an account''s limits, or of one rule.';
create index drill_runs_open on public.drill_runs (id) where status in ('waiting', 'running');
create index drill_runs_account on public.drill_runs (account_id);
create index drill_runs_user on public.drill_runs (user_id);

create table public.drills (
  id bigint generated always as identity primary key,
  run_id bigint not null references public.drill_runs (id),
  user_id uuid not null references public.profiles (id),
  account_id uuid not null references public.broker_accounts (id),
  scope text not null check (scope in ('user', 'broker', 'account')),
  rule text not null,
  settings jsonb not null,
  settings_hash text not null,
  passed boolean not null,
  told text not null check (char_length(told) <= 1000),
  numbers jsonb not null default '{}',
  at timestamptz not null default clock_timestamp()
);
comment on table public.drills is
'What each limit did when it was drilled: fired where it should, and not one notch below. Insert only.';
comment on column public.drills.settings_hash is 'Of the limit''s settings then: a drill of other settings proves nothing.';
create index drills_limit on public.drills (account_id, scope, rule, at desc);
create index drills_run on public.drills (run_id);
create index drills_user on public.drills (user_id);

create table engine.drill_twins (
  user_id uuid primary key,
  run_id bigint not null,
  connection_id uuid not null
);
comment on table engine.drill_twins is
'Synthetic traders, each with one login: whatever a drill does it does to their accounts, never to a trader''s own.';
create index drill_twins_run on engine.drill_twins (run_id);
grant select, insert, update, delete on engine.drill_twins to empire_engine;
grant select on public.drill_runs, public.drills to empire_engine;
grant insert on public.drills to empire_engine;
grant update on public.drill_runs to empire_engine;

alter table public.drill_runs enable row level security;
grant select (id, user_id, account_id, rule, status, error, requested_at, finished_at) on public.drill_runs to authenticated;
create policy "Traders read their own drills as asked for, admins read all"
on public.drill_runs for select to authenticated
using (
  ((select auth.uid()) = user_id and (select private.session_is_strong_enough()))
  or (select private.is_admin())
);

alter table public.drills enable row level security;
grant select on public.drills to authenticated;
create policy "Traders read what their limits did in drills, admins read all"
on public.drills for select to authenticated
using (
  ((select auth.uid()) = user_id and (select private.session_is_strong_enough()))
  or (select private.is_admin())
);

create view public.drill_status with (security_invoker = true) as
select c.user_id, c.account_id, c.scope, c.rule, c.settings, md5(c.settings::text) as settings_hash,
  p.at as passed_at, l.at as drilled_at, l.told, case
    when l.id is null then 'never'
    when not l.passed and l.settings_hash = md5(c.settings::text) then 'failed'
    when coalesce(p.settings_hash <> md5(c.settings::text), true) then 'stale_settings'
    when p.at < now() - interval '30 days' then 'stale_age'
    else 'passed'
  end as state
from (
  select a.user_id, a.id as account_id,
    case when r.account_id is not null then 'account' when r.broker is not null then 'broker' else 'user' end as scope,
    s.rule, s.settings
  from public.broker_accounts a
  join public.risk_settings r on r.user_id = a.user_id
    and (r.broker is null or r.broker = a.broker) and (r.account_id is null or r.account_id = a.id)
    -- As engine.limits_in_force, which the trader does not see.
    and r.superseded_at is null and r.effective_from <= greatest(now(), r.created_at) and (r.ends_at is null or r.ends_at > now())
  cross join lateral (
    select e.key as rule, e.value as settings from jsonb_each(jsonb_strip_nulls(jsonb_build_object(
      'max_daily_loss_usd', r.max_daily_loss_usd, 'max_daily_loss_pct', r.max_daily_loss_pct,
      'max_trades_per_day', r.max_trades_per_day, 'max_open_trades', r.max_open_trades,
      'max_concurrent_positions', r.max_concurrent_positions, 'max_order_qty', r.max_order_qty,
      'max_risk_per_trade_pct', r.max_risk_per_trade_pct, 'max_price_deviation_pct', r.max_price_deviation_pct,
      'stop_required', nullif(r.stop_required, false), 'allowed_symbols', r.allowed_symbols
    )) || (jsonb_strip_nulls(r.rules) - 'pack')) e
  ) s
) c
left join lateral (
  select d.* from public.drills d
  where d.account_id = c.account_id and d.scope = c.scope and d.rule = c.rule order by d.at desc limit 1
) l on true
left join lateral (
  select d.* from public.drills d
  where d.account_id = c.account_id and d.scope = c.scope and d.rule = c.rule and d.passed order by d.at desc limit 1
) p on true;
comment on view public.drill_status is
'Every limit in force of every account, and whether it has been seen to fire: passed, failed, never, stale_age (30 days) or '
'stale_settings (it was set otherwise then).';
grant select on public.drill_status to authenticated, empire_engine;

create function private.request_drill(p_account_id uuid, p_rule text) returns bigint
language plpgsql security definer set search_path = '' as $$
declare
  c_most constant integer := 12;
  a constant public.broker_accounts := private.my_account(p_account_id);
  v_run bigint;
begin
  if not exists (
    select 1 from public.drill_status s where s.account_id = a.id and (p_rule is null or s.rule = p_rule)
  ) then
    perform private.refuse(422, 'invalid', case when p_rule is null then 'No limit is set for this account.'
      else format('The limit %s is not set for this account.', left(p_rule, 64)) end);
  elsif exists (
    select 1 from public.drill_runs r where r.account_id = a.id and r.status in ('waiting', 'running')
  ) then
    perform private.refuse(409, 'already_running', 'This account''s limits are being drilled already.');
  elsif (
    select count(*) from public.drill_runs r where r.user_id = a.user_id and r.requested_at > clock_timestamp() - interval '1 hour'
  ) >= c_most then
    perform private.refuse(429, 'too_many', format('You have drilled %s times in the last hour, which is the most.', c_most));
  end if;
  insert into public.drill_runs (user_id, account_id, rule) values (a.user_id, a.id, p_rule) returning id into v_run;
  return v_run;
end
$$;
comment on function private.request_drill(uuid, text) is 'public.request_drill, checked.';
create function public.request_drill(p_account_id uuid, p_rule text default null) returns bigint
language sql security invoker set search_path = '' as $$ select private.request_drill(p_account_id, p_rule) $$;
comment on function public.request_drill(uuid, text) is
'Has every limit of an account (or one) shown to fire, on a synthetic twin of it. Returns the run; public.drills has the results.';
revoke all on function private.request_drill(uuid, text) from public, anon, authenticated, service_role;
revoke all on function public.request_drill(uuid, text) from public, anon, authenticated, service_role;
grant execute on function private.request_drill(uuid, text) to authenticated;
grant execute on function public.request_drill(uuid, text) to authenticated;
