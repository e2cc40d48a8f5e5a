-- How far every account is from each of its limits of money.
create table public.risk_standings (
  account_id uuid not null references public.broker_accounts (id),
  scope text not null check (scope in ('user', 'broker', 'account')),
  rule text not null,
  user_id uuid not null references public.profiles (id),
  value numeric,
  threshold numeric,
  distance numeric,
  why text check (char_length(why) <= 200),
  at timestamptz not null,
  primary key (account_id, scope, rule)
) with (fillfactor = 70);
comment on table public.risk_standings is
'Where each limit of money stands since the last read of its account, in the account''s currency. Written by the watch.';
comment on column public.risk_standings.distance is 'What may still be lost (or, for a cap, won) until it is reached; null = not armed, and why.';
create index risk_standings_user on public.risk_standings (user_id);
alter table public.risk_standings enable row level security;
grant select on public.risk_standings to authenticated;
grant select, insert, update, delete on public.risk_standings to empire_engine;
create policy "Traders read how far they are from their limits, admins all"
on public.risk_standings for select to authenticated
using (
  ((select auth.uid()) = user_id and (select private.session_is_strong_enough()))
  or (select private.is_admin())
);

create view public.account_risk with (security_invoker = true) as
select s.user_id, s.account_id, s.scope, s.rule, s.value, s.threshold, s.distance, a.currency, s.why, s.at,
  case when a.locked_until > now() then a.locked_until end as locked_until,
  case when a.locked_until > now() then a.lock_reason end as lock_reason
from public.risk_standings s join public.broker_accounts a on a.id = s.account_id;
comment on view public.account_risk is
'Each limit of money of each account: value, threshold (buffer taken off), distance in money, and the account''s lock.';
grant select on public.account_risk to authenticated;

create function engine.record_standings(p_accounts jsonb) returns void
language plpgsql security definer set search_path = '' as $$
begin
  perform set_config('synchronous_commit', 'off', true);
  insert into public.risk_standings as s (account_id, scope, rule, user_id, value, threshold, distance, why, at)
  select a.id, y ->> 'scope', y ->> 'rule', a.user_id, (y ->> 'value')::numeric, (y ->> 'threshold')::numeric,
    (y ->> 'distance')::numeric, left(y ->> 'why', 200), (x ->> 'at')::timestamptz
  from jsonb_array_elements(p_accounts) x
  join public.broker_accounts a on a.id = (x ->> 'account')::uuid
  cross join lateral jsonb_array_elements(x -> 'standings') y
  order by a.id, 2, 3
  on conflict (account_id, scope, rule) do update
  set value = excluded.value, threshold = excluded.threshold, distance = excluded.distance, why = excluded.why, at = excluded.at
  where s.at < excluded.at;
  -- What is not set any more stands nowhere.
  delete from public.risk_standings s using jsonb_array_elements(p_accounts) x
  where s.account_id = (x ->> 'account')::uuid and s.at < (x ->> 'at')::timestamptz and not exists (
    select 1 from jsonb_array_elements(x -> 'standings') y where y ->> 'scope' = s.scope and y ->> 'rule' = s.rule
  );
end
$$;
comment on function engine.record_standings(jsonb) is
'Where the limits of money of these accounts stand ({account, at, standings}); an older read changes nothing.';
alter function engine.record_standings(jsonb) owner to empire_engine;
revoke all on function engine.record_standings(jsonb) from public;
grant execute on function engine.record_standings(jsonb) to empire_worker;
