-- NaN is greater than every number here, so each limit has an end.
create table public.risk_settings (
  id bigint generated always as identity primary key,
  user_id uuid not null references public.profiles (id),
  broker public.broker,
  account_id uuid references public.broker_accounts (id),
  max_daily_loss_usd numeric check (max_daily_loss_usd between 0 and 1000000000),
  max_daily_loss_pct numeric check (max_daily_loss_pct between 0 and 100),
  max_trades_per_day integer check (max_trades_per_day between 0 and 100000),
  max_open_trades integer check (max_open_trades between 0 and 100000),
  max_concurrent_positions integer check (max_concurrent_positions between 0 and 100000),
  max_order_qty numeric check (max_order_qty between 0 and 1000000000),
  max_risk_per_trade_pct numeric check (max_risk_per_trade_pct between 0 and 100),
  max_price_deviation_pct numeric check (max_price_deviation_pct between 0 and 100),
  stop_required boolean not null default false,
  naked_policy text check (naked_policy in ('close', 'alarm')),
  allowed_symbols text [],
  rules jsonb not null default '{}',
  effective_from timestamptz not null default now(),
  ends_at timestamptz,
  superseded_at timestamptz,
  created_at timestamptz not null default now(),
  constraint scope_of_limits_is_user_broker_or_account check (account_id is null or broker is null)
);
comment on table public.risk_settings is 'Limits of a user, a user at a broker, or an account. Null = no limit, 0 = nothing allowed; the tightest scope wins. Written by set_risk() only.';
comment on column public.risk_settings.naked_policy is
'What follows when a position has stood without its stop for ten seconds: close, or alarm only. Null = close where stop_required.';
comment on column public.risk_settings.effective_from is
'When it begins to count. Later than created_at only for what admits more: it waits for the user''s delay.';
comment on column public.risk_settings.ends_at is 'When the row that waits takes its place; null = nothing waits.';
comment on column public.risk_settings.superseded_at is 'Since when it does not count any more: history.';
-- At most two rows of a scope are not history: the one in force (with an end, if something waits) and the one that waits.
create unique index one_limit_row_in_force
on public.risk_settings (user_id, broker, account_id, (ends_at is null)) nulls not distinct where superseded_at is null;
create index risk_settings_user on public.risk_settings (user_id);
create index risk_settings_account on public.risk_settings (account_id);

create table public.trading_config (
  id bigint generated always as identity primary key,
  user_id uuid not null references public.profiles (id),
  broker public.broker,
  account_id uuid references public.broker_accounts (id),
  lot_size_mode public.qty_mode,
  fixed_lot_size numeric check (fixed_lot_size > 0),
  sl_percentage numeric check (sl_percentage > 0 and sl_percentage < 100),
  tp_percentage numeric check (tp_percentage > 0),
  risk_reward_ratio numeric check (risk_reward_ratio > 0),
  use_trailing_sl boolean not null default false,
  updated_at timestamptz not null default now(),
  constraint scope_of_config_is_user_broker_or_account check (account_id is null or broker is null),
  constraint one_config_per_scope unique nulls not distinct (user_id, broker, account_id)
);
comment on table public.trading_config is 'What an alert that is silent about size, stop or target gets. account > broker > user.';
create index trading_config_account on public.trading_config (account_id);
