-- What trading came to: closed trades with their net result and how far they went for and against the trader, and the
-- figures of each day, week and month, by the account's own clock. Views: who reads them sees his own rows only.
alter table public.positions
add column worst_pnl numeric,
add column best_pnl numeric,
add column extremes_of timestamptz;
comment on column public.positions.worst_pnl is
'The lowest unrealised result that a read has seen since it was opened (about one a second), in the account''s currency.';
comment on column public.positions.best_pnl is 'The highest, likewise.';
comment on column public.positions.extremes_of is
'The opening that worst_pnl and best_pnl are of: some brokers use the id of a position again.';

create table public.excursions (
  account_id uuid not null references public.broker_accounts (id),
  position_id text not null,
  opened_at timestamptz not null,
  user_id uuid not null references public.profiles (id),
  worst_pnl numeric not null,
  best_pnl numeric not null,
  primary key (account_id, position_id, opened_at)
);
comment on table public.excursions is
'How far closed positions went against and for the trader while they were open, as reads have seen it. Insert only.';
create index excursions_user on public.excursions (user_id);
alter table public.excursions enable row level security;
grant select on public.excursions to authenticated;
grant select, insert on public.excursions to empire_engine;
create policy "Traders read how far their trades went, admins read all"
on public.excursions for select to authenticated
using (
  ((select auth.uid()) = user_id and (select private.session_is_strong_enough()))
  or (select private.is_admin())
);

create function engine.keep_excursion() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  insert into public.excursions (account_id, position_id, opened_at, user_id, worst_pnl, best_pnl)
  values (old.account_id, old.venue_position_id, old.opened_at, old.user_id, old.worst_pnl, old.best_pnl)
  on conflict do nothing;
  return null;
end
$$;
comment on function engine.keep_excursion() is
'A position that ends, or is turned around, leaves its extremes behind: its row may be used again.';
alter function engine.keep_excursion() owner to empire_engine;
revoke all on function engine.keep_excursion() from public;
create trigger keep_excursion after update of closed_at, opened_at on public.positions
for each row when (
  old.closed_at is null and old.extremes_of = old.opened_at
  and (new.closed_at is not null or new.opened_at is distinct from old.opened_at)
) execute function engine.keep_excursion();

create view public.trades with (security_invoker = true) as
with steps as (
  select f.id, f.user_id, f.account_id, f.position_id, f.symbol, f.side, f.effect, f.qty, f.price, f.realised,
    f.commission + f.swap + f.fee as costs, f.currency, f.filled_at,
    sum(case f.effect when 'open' then f.qty else -f.qty end) over w as held
  from public.fills f where f.position_id is not null
  window w as (partition by f.user_id, f.account_id, f.position_id order by f.filled_at, f.id)
), trips as (
  -- From flat to flat: an id that is used again is another trade.
  select s.*, coalesce(count(*) filter (where s.held = 0) over w, 0) as nth
  from steps s
  window w as (
    partition by s.user_id, s.account_id, s.position_id order by s.filled_at, s.id rows between unbounded preceding and 1 preceding
  )
), sums as (
  select t.user_id, t.account_id, t.position_id, t.nth, min(t.symbol) as symbol,
    (array_agg(case when t.effect = 'open' then t.side when t.side = 'buy' then 'sell' else 'buy' end order by t.filled_at, t.id))[1] as side,
    coalesce(sum(t.qty) filter (where t.effect = 'open'), sum(t.qty)) as qty,
    sum(t.qty * t.price) filter (where t.effect = 'open') / sum(t.qty) filter (where t.effect = 'open') as entry_price,
    sum(t.qty * t.price) filter (where t.effect = 'close') / sum(t.qty) filter (where t.effect = 'close') as exit_price,
    min(t.filled_at) as opened_at, max(t.filled_at) filter (where t.effect = 'close') as closed_at, max(t.currency) as currency,
    sum(t.realised) as gross, sum(t.costs) as costs, sum(t.realised) - sum(t.costs) as net, count(*) as fills,
    bool_or(t.held = 0) as is_flat,
    row_number() over (partition by t.user_id, t.account_id, t.position_id order by t.nth desc) = 1 as is_last
  from trips t group by t.user_id, t.account_id, t.position_id, t.nth
)
select s.user_id, s.account_id, a.broker, s.position_id, s.symbol, s.side, s.qty,
  trim_scale(round(coalesce(s.entry_price, p.entry_price), 10)) as entry_price, trim_scale(round(s.exit_price, 10)) as exit_price,
  s.opened_at, s.closed_at, coalesce(s.currency, a.currency) as currency, s.gross, s.costs, s.net,
  least(e.worst, s.gross, 0) as mae, greatest(e.best, s.gross, 0) as mfe, s.fills, y.day as trading_day
from sums s
join public.broker_accounts a on a.id = s.account_id
left join public.positions p on p.account_id = s.account_id and p.venue_position_id = s.position_id
left join lateral (
  select min(x.worst_pnl) as worst, max(x.best_pnl) as best from public.excursions x
  where x.account_id = s.account_id and x.position_id = s.position_id
    and x.opened_at >= s.opened_at and (x.opened_at < s.closed_at or x.opened_at = s.opened_at)
) e on true
-- As engine.trading_day, which the trader cannot call.
cross join lateral (select ((s.closed_at at time zone a.timezone) - a.reset_time)::date as day) x
cross join lateral (
  select case when (x.day + a.reset_time) at time zone a.timezone > s.closed_at then x.day - 1 else x.day end as day
) y
-- What was opened before we came has more closed than opened: it has ended when its position has.
where s.closed_at is not null and (s.is_flat or (s.is_last and p.closed_at is not null));
comment on view public.trades is
'Closed trades, from flat to flat, by the broker''s own fills: net = gross less commission, swap and fees, in the account''s '
'currency. mae and mfe: the worst and the best result while it was open, seen about once a second, and its own. trading_day is '
'the account''s.';
grant select on public.trades to authenticated;

create view public.results with (security_invoker = true) as
with days as (
  select f.user_id, f.account_id, p.period, p.starts, sum(f.realised) as gross, sum(f.commission + f.swap + f.fee) as costs
  from public.fills f
  join public.broker_accounts a on a.id = f.account_id
  cross join lateral (select ((f.filled_at at time zone a.timezone) - a.reset_time)::date as day) x
  cross join lateral (
    select case when (x.day + a.reset_time) at time zone a.timezone > f.filled_at then x.day - 1 else x.day end as day
  ) y
  cross join lateral (values
    ('day', y.day), ('week', date_trunc('week', y.day)::date), ('month', date_trunc('month', y.day)::date), ('all', null)
  ) p (period, starts)
  group by f.user_id, f.account_id, p.period, p.starts
), closed as (
  select t.user_id, t.account_id, p.period, p.starts, t.net, t.mae, t.mfe,
    sum(t.net) over (
      partition by t.user_id, t.account_id, p.period, p.starts order by t.closed_at, t.position_id rows unbounded preceding
    ) as so_far, t.closed_at, t.position_id
  from public.trades t
  cross join lateral (values
    ('day', t.trading_day), ('week', date_trunc('week', t.trading_day)::date),
    ('month', date_trunc('month', t.trading_day)::date), ('all', null)
  ) p (period, starts)
), falls as (
  select c.*, greatest(0, max(c.so_far) over (
    partition by c.user_id, c.account_id, c.period, c.starts order by c.closed_at, c.position_id rows unbounded preceding
  )) - c.so_far as fall
  from closed c
), stats as (
  select f.user_id, f.account_id, f.period, f.starts, count(*) as trades, count(*) filter (where f.net > 0) as wins,
    count(*) filter (where f.net < 0) as losses, sum(f.net) as closed_net, coalesce(sum(f.net) filter (where f.net > 0), 0) as won,
    coalesce(-sum(f.net) filter (where f.net < 0), 0) as lost, max(f.net) as best, min(f.net) as worst, max(f.fall) as drawdown,
    avg(f.mae) as mae, avg(f.mfe) as mfe
  from falls f group by f.user_id, f.account_id, f.period, f.starts
)
select d.user_id, d.account_id, a.broker, a.currency, d.period, d.starts, d.gross, d.costs, d.gross - d.costs as net,
  coalesce(s.trades, 0) as trades, coalesce(s.wins, 0) as wins, coalesce(s.losses, 0) as losses,
  round(100.0 * s.wins / s.trades, 2) as win_rate, round(s.closed_net / s.trades, 2) as expectancy,
  round(s.won / nullif(s.lost, 0), 2) as profit_factor, s.won, s.lost, s.best as best_trade, s.worst as worst_trade, s.drawdown,
  round(s.mae, 2) as average_mae, round(s.mfe, 2) as average_mfe
from days d
join public.broker_accounts a on a.id = d.account_id
left join stats s on s.user_id = d.user_id and s.account_id = d.account_id and s.period = d.period and s.starts is not distinct from d.starts;
comment on view public.results is
'Each account''s day, week (from Monday), month and whole time (period all, starts null) by its own trading days. net: what fills '
'of that time have added to the balance. Statistics are of the trades closed in it, by their net: win_rate in percent, expectancy '
'per trade, profit_factor (null without a loss), drawdown = the deepest fall of the summed results from their peak.';
grant select on public.results to authenticated;
