-- Closed by default: nothing in any schema is reachable until a later line grants it by name.
alter default privileges in schema public revoke all on tables from anon, authenticated, service_role;
alter default privileges in schema public revoke all on sequences from anon, authenticated, service_role;
alter default privileges in schema public revoke execute on functions from anon, authenticated, service_role;
alter default privileges revoke execute on functions from public;
revoke create on schema public from public;

create schema private;
comment on schema private is 'Security definer functions behind the public verbs. Not exposed by the API.';
create schema engine;
comment on schema engine is 'The queue, the commands and the functions of workers and edge functions. Not exposed by the API.';
revoke all on schema private from public;
revoke all on schema engine from public;

-- Roles are per cluster, so another database of the same cluster may have made them already.
do $$
declare
  r text;
begin
  foreach r in array array['empire_engine', 'empire_worker', 'empire_edge'] loop
    if not exists (select 1 from pg_catalog.pg_roles where rolname = r) then
      execute pg_catalog.format('create role %I nologin noinherit', r);
    end if;
  end loop;
  alter role empire_engine bypassrls;
end
$$;
-- postgres is no superuser on hosted Supabase: it must be a member to hand functions over to empire_engine.
grant empire_engine to postgres;
grant usage, create on schema engine to empire_engine;
grant usage on schema public to empire_engine;
grant usage on schema private to empire_engine;
grant usage on schema engine to empire_worker, empire_edge;
-- The words are readable by everyone who reads the schema's types; tables are what is guarded.
alter role empire_worker set statement_timeout = '10s';
alter role empire_worker set idle_in_transaction_session_timeout = '10s';
alter role empire_edge set statement_timeout = '2500ms';
alter role empire_edge set idle_in_transaction_session_timeout = '5s';

create type public.broker as enum ('tradelocker', 'topstepx', 'metatrader', 'paper');
create type public.action as enum (
  'open', 'add', 'close', 'reduce', 'reverse', 'target', 'cancel', 'modify', 'flatten'
);
create type public.side as enum ('buy', 'sell');
create type public.order_type as enum ('market', 'limit', 'stop');
create type public.qty_mode as enum (
  'lots', 'units', 'contracts', 'risk_pct', 'risk_usd', 'equity_pct', 'notional', 'position_pct'
);
create type public.stop_mode as enum ('price', 'offset', 'pips', 'ticks', 'pct', 'usd', 'rr', 'none');
create type public.tif as enum ('gtc', 'day', 'gtd', 'ioc', 'fok');
create type public.margin_mode as enum ('netting', 'hedging');
create type public.freshness as enum ('fresh', 'stale', 'unknown');
create type public.lane as enum ('normal', 'urgent');
create type public.on_same as enum ('add', 'ignore');
create type public.on_opposite as enum ('refuse', 'reverse', 'close', 'hedge');
create type public.scope as enum ('endpoint', 'symbol');
create type public.effect as enum ('open', 'close');
create type public.environment as enum ('live', 'demo', 'simulated');
create type public.executor as enum ('fleet', 'edge');
create type public.event_source as enum ('tradingview', 'api', 'dashboard', 'cli', 'drill', 'system');
create type public.event_status as enum ('accepted', 'refused');
create type public.delivery_status as enum ('queued', 'claimed', 'done', 'dead');
create type public.delivery_outcome as enum (
  'executed', 'denied', 'rejected', 'invalid', 'skipped', 'unknown'
);
create type public.order_origin as enum ('alert', 'api', 'dashboard', 'broker', 'protection', 'flatten');
create type public.order_status as enum (
  'pending', 'submitting', 'working', 'partially_filled', 'filled', 'canceled', 'rejected', 'expired', 'unknown'
);
create type public.command_kind as enum ('place', 'modify', 'cancel', 'close', 'protect');
create type public.command_state as enum (
  'pending', 'submitting', 'accepted', 'rejected', 'unknown', 'canceled', 'expired'
);
create type public.plan as enum ('starter', 'pro', 'elite');
create type public.log_level as enum ('debug', 'info', 'warning', 'error');
create type public.reason as enum (
  'already_in_position',
  'already_on_side',
  'already_at_target',
  'nothing_to_add_to',
  'nothing_to_close',
  'nothing_to_cancel',
  'nothing_to_modify',
  'wrong_side',
  'superseded',
  'dry_run',
  'below_minimum',
  'above_maximum',
  'size_missing',
  'side_missing',
  'stop_required',
  'stop_too_close',
  'stop_wrong_side',
  'stop_passed',
  'price_missing',
  'no_quote',
  'price_deviation',
  'pip_undefined',
  'instrument_unknown',
  'symbol_ambiguous',
  'symbol_not_allowed',
  'conversion_unknown',
  'opposite_position',
  'position_unknown',
  'balance_unknown',
  'ambiguous',
  'not_supported',
  'account_disabled',
  'account_locked',
  'account_disconnected',
  'endpoint_disabled',
  'kill_switch',
  'halted',
  'max_order_size',
  'max_trades_per_day',
  'max_trades_per_month',
  'max_open_trades',
  'max_concurrent_positions',
  'max_risk_per_trade',
  'daily_loss',
  'day_start_unknown',
  'plan_limit',
  'endpoint_limit',
  'queue_full',
  'stale',
  'ts_in_future',
  'unresolved_order',
  'reduce_too_large',
  'not_flat',
  'executor_offline',
  'lease_lost',
  'leg_not_filled',
  'never_arrived',
  'internal_error',
  'weekly_loss',
  'daily_profit',
  'trailing_drawdown',
  'static_floor',
  'drawdown_not_armed',
  'initial_unknown',
  'max_qty',
  'exposure',
  'margin_use',
  'stop_distance',
  'spread_too_wide',
  'quote_stale',
  'alert_too_old',
  'cool_down',
  'outside_hours',
  'market_holiday',
  'no_calendar_data',
  'flat_by',
  'news_blackout',
  'opposite_elsewhere',
  'consistency',
  'side_not_allowed',
  'duplicate_intent',
  'invalid',
  'broker_mismatch',
  'id_reused',
  'address_not_allowed',
  'address_unknown',
  'signature_invalid',
  'rate_limited',
  'insufficient_margin',
  'insufficient_funds',
  'market_closed',
  'invalid_price',
  'invalid_quantity',
  'invalid_stops',
  'order_not_found',
  'position_not_found',
  'duplicate_order',
  'trading_disabled',
  'risk_rejected',
  'not_authorized',
  'broker_busy',
  'broker_unreachable',
  'broker_rejected'
);
comment on type public.reason is 'Why something was denied, rejected, skipped or refused. Equal to shared/models/reasons.py.';
comment on type public.order_status is 'The life of an order; what may follow what is the table order_transitions.';
