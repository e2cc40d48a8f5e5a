-- Who reads and writes which rows. Grants by name first: what is not granted here no policy can open.
-- One permissive policy per table and verb; its name is the sentence a customer would read.
-- supabase/policies.sql repeats every policy; tests/security/test_policies_file.py holds the two together.

alter table public.profiles enable row level security;
grant select, update (name, locale, timezone) on public.profiles to authenticated;
create policy "Traders read their own profile, admins read all"
on public.profiles for select to authenticated
using (
  ((select auth.uid()) = id and (select private.session_is_strong_enough()))
  or (select private.is_admin())
);
create policy "Traders change their own name, language and time zone"
on public.profiles for update to authenticated
using ((select auth.uid()) = id and (select private.session_is_strong_enough()))
with check ((select auth.uid()) = id and (select private.session_is_strong_enough()));

alter table public.brands enable row level security;
grant select on public.brands to authenticated;
create policy "Traders read the brand they belong to, admins read all"
on public.brands for select to authenticated
using (
  id = (select p.brand_id from public.profiles p where p.id = (select auth.uid()))
  or (select private.is_admin())
);

alter table public.plan_limits enable row level security;
grant select on public.plan_limits to authenticated;
create policy "Everyone signed in reads what each plan includes"
on public.plan_limits for select to authenticated
using (true);

alter table public.subscriptions enable row level security;
grant select on public.subscriptions to authenticated;
create policy "Traders read their own subscription, admins read all"
on public.subscriptions for select to authenticated
using (
  ((select auth.uid()) = user_id and (select private.session_is_strong_enough()))
  or (select private.is_admin())
);

alter table public.admin_actions enable row level security;
grant select (id, admin_user_id, actor, action, target_user_id, details, created_at)
on public.admin_actions to authenticated;
create policy "Traders read what was done to them, admins read all"
on public.admin_actions for select to authenticated
using (
  ((select auth.uid()) = target_user_id and (select private.session_is_strong_enough()))
  or (select private.is_admin())
);

alter table public.broker_connections enable row level security;
grant select on public.broker_connections to authenticated;
create policy "Traders read their own broker logins, admins read all"
on public.broker_connections for select to authenticated
using (
  ((select auth.uid()) = user_id and (select private.session_is_strong_enough()))
  or (select private.is_admin())
);

alter table public.broker_accounts enable row level security;
grant select (
  id, connection_id, user_id, broker, account_id, label, venue_name, executor, currency, margin_mode, timezone,
  reset_time, trading_enabled,
  halt_epoch, halted_by, locked_until, lock_reason, initial_balance, next_settings, next_settings_from, balance, equity, as_of, freshness, last_sync, api_key, version, created_at,
  updated_at
), update (label) on public.broker_accounts to authenticated;
create policy "Traders read their own accounts, admins read all"
on public.broker_accounts for select to authenticated
using (
  ((select auth.uid()) = user_id and (select private.session_is_strong_enough()))
  or (select private.is_admin())
);
create policy "Traders name their own accounts and what follows on drift"
on public.broker_accounts for update to authenticated
using ((select auth.uid()) = user_id and (select private.session_is_strong_enough()))
with check ((select auth.uid()) = user_id and (select private.session_is_strong_enough()));

alter table public.credential_seals enable row level security;
create policy "Nobody reads sealed credentials through the API"
on public.credential_seals for select to authenticated
using (false);

alter table public.devices enable row level security;
grant select on public.devices to authenticated;
create policy "Traders read their own devices, admins read all"
on public.devices for select to authenticated
using (
  ((select auth.uid()) = user_id and (select private.session_is_strong_enough()))
  or (select private.is_admin())
);

alter table public.webhook_endpoints enable row level security;
grant select on public.webhook_endpoints to authenticated;
create policy "Traders read their own endpoints, admins read all"
on public.webhook_endpoints for select to authenticated
using (
  ((select auth.uid()) = user_id and (select private.session_is_strong_enough()))
  or (select private.is_admin())
);

alter table public.webhook_endpoint_accounts enable row level security;
grant select on public.webhook_endpoint_accounts to authenticated;
create policy "Traders read their endpoints' accounts, admins read all"
on public.webhook_endpoint_accounts for select to authenticated
using (
  ((select auth.uid()) = user_id and (select private.session_is_strong_enough()))
  or (select private.is_admin())
);

alter table public.api_keys enable row level security;
grant select (id, user_id, name, scopes, allow_cidrs, expires_at, revoked_at, last_used_at, created_at)
on public.api_keys to authenticated;
create policy "Traders read their own API keys, admins read all"
on public.api_keys for select to authenticated
using (
  ((select auth.uid()) = user_id and (select private.session_is_strong_enough()))
  or (select private.is_admin())
);

alter table public.symbol_map enable row level security;
grant select, delete, insert (user_id, account_id, tv_symbol, venue_symbol, pip_size),
update (account_id, tv_symbol, venue_symbol, pip_size) on public.symbol_map to authenticated;
create policy "Traders read their own symbols, admins read all"
on public.symbol_map for select to authenticated
using (
  ((select auth.uid()) = user_id and (select private.session_is_strong_enough()))
  or (select private.is_admin())
);
create policy "Traders add their own symbols"
on public.symbol_map for insert to authenticated
with check (
  (select auth.uid()) = user_id and (select private.session_is_strong_enough())
  and (symbol_map.account_id is null or exists (
    select 1 from public.broker_accounts a
    where a.id = symbol_map.account_id and a.user_id = (select auth.uid())
  ))
);
create policy "Traders change their own symbols"
on public.symbol_map for update to authenticated
using ((select auth.uid()) = user_id and (select private.session_is_strong_enough()))
with check (
  (select auth.uid()) = user_id and (select private.session_is_strong_enough())
  and (symbol_map.account_id is null or exists (
    select 1 from public.broker_accounts a
    where a.id = symbol_map.account_id and a.user_id = (select auth.uid())
  ))
);
create policy "Traders delete their own symbols"
on public.symbol_map for delete to authenticated
using ((select auth.uid()) = user_id and (select private.session_is_strong_enough()));

alter table public.risk_settings enable row level security;
grant select on public.risk_settings to authenticated;
create policy "Traders read their own limits, admins read all"
on public.risk_settings for select to authenticated
using (
  ((select auth.uid()) = user_id and (select private.session_is_strong_enough()))
  or (select private.is_admin())
);

alter table public.trading_config enable row level security;
grant select, delete, insert (
  user_id, broker, account_id, lot_size_mode, fixed_lot_size, sl_percentage, tp_percentage, risk_reward_ratio,
  use_trailing_sl
), update (
  lot_size_mode, fixed_lot_size, sl_percentage, tp_percentage, risk_reward_ratio, use_trailing_sl
) on public.trading_config to authenticated;
create policy "Traders read their own defaults, admins read all"
on public.trading_config for select to authenticated
using (
  ((select auth.uid()) = user_id and (select private.session_is_strong_enough()))
  or (select private.is_admin())
);
create policy "Traders add their own defaults"
on public.trading_config for insert to authenticated
with check (
  (select auth.uid()) = user_id and (select private.session_is_strong_enough())
  and (trading_config.account_id is null or exists (
    select 1 from public.broker_accounts a
    where a.id = trading_config.account_id and a.user_id = (select auth.uid())
  ))
);
create policy "Traders change their own defaults"
on public.trading_config for update to authenticated
using ((select auth.uid()) = user_id and (select private.session_is_strong_enough()))
with check (
  (select auth.uid()) = user_id and (select private.session_is_strong_enough())
  and (trading_config.account_id is null or exists (
    select 1 from public.broker_accounts a
    where a.id = trading_config.account_id and a.user_id = (select auth.uid())
  ))
);
create policy "Traders delete their own defaults"
on public.trading_config for delete to authenticated
using ((select auth.uid()) = user_id and (select private.session_is_strong_enough()));

alter table public.webhook_events enable row level security;
grant select on public.webhook_events to authenticated;
create policy "Traders read their own alerts, admins read all"
on public.webhook_events for select to authenticated
using (
  ((select auth.uid()) = user_id and (select private.session_is_strong_enough()))
  or (select private.is_admin())
);

alter table public.deliveries enable row level security;
grant select on public.deliveries to authenticated;
create policy "Traders read their own deliveries, admins read all"
on public.deliveries for select to authenticated
using (
  ((select auth.uid()) = user_id and (select private.session_is_strong_enough()))
  or (select private.is_admin())
);

alter table public.order_transitions enable row level security;
grant select on public.order_transitions to authenticated;
create policy "Everyone signed in reads how an order may proceed"
on public.order_transitions for select to authenticated
using (true);

alter table public.orders enable row level security;
grant select on public.orders to authenticated;
create policy "Traders read their own orders, admins read all"
on public.orders for select to authenticated
using (
  ((select auth.uid()) = user_id and (select private.session_is_strong_enough()))
  or (select private.is_admin())
);

alter table public.fills enable row level security;
grant select on public.fills to authenticated;
create policy "Traders read their own fills, admins read all"
on public.fills for select to authenticated
using (
  ((select auth.uid()) = user_id and (select private.session_is_strong_enough()))
  or (select private.is_admin())
);

alter table public.positions enable row level security;
grant select on public.positions to authenticated;
create policy "Traders read their own positions, admins read all"
on public.positions for select to authenticated
using (
  ((select auth.uid()) = user_id and (select private.session_is_strong_enough()))
  or (select private.is_admin())
);

alter table public.equity_history enable row level security;
grant select on public.equity_history to authenticated;
create policy "Traders read their own equity, admins read all"
on public.equity_history for select to authenticated
using (
  ((select auth.uid()) = user_id and (select private.session_is_strong_enough()))
  or (select private.is_admin())
);

alter table public.logs enable row level security;
grant select on public.logs to authenticated;
create policy "Traders read their own log, admins read all"
on public.logs for select to authenticated
using (
  ((select auth.uid()) = user_id and (select private.session_is_strong_enough()))
  or (select private.is_admin())
);

alter table public.health enable row level security;
grant select on public.health to anon, authenticated;
create policy "Everyone reads the health of the brokers"
on public.health for select to anon, authenticated
using (true);

alter table public.fx_rates enable row level security;
grant select on public.fx_rates to authenticated;
create policy "Everyone signed in reads exchange rates"
on public.fx_rates for select to authenticated
using (true);

-- Channels. Topics are compared whole; there is no insert policy, so only the database sends.
do $live$
begin
  if pg_catalog.to_regclass('realtime.messages') is null then
    raise notice 'no schema realtime on this footing: nothing is live';
    return;
  end if;
  create policy "Traders listen to their own topics and to broker health"
  on realtime.messages for select to authenticated
  using (
    extension = 'broadcast' and (
      topic = 'health:system'
      or (topic in (
        'orders:' || (select auth.uid())::text, 'positions:' || (select auth.uid())::text,
        'logs:' || (select auth.uid())::text, 'events:' || (select auth.uid())::text
      ) and (select private.session_is_strong_enough()))
    )
  );
  create policy "Visitors listen to broker health"
  on realtime.messages for select to anon
  using (extension = 'broadcast' and topic = 'health:system');
end
$live$;
