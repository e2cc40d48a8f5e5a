-- Every RLS policy of the product, in the order of the tables: who may see and change which rows, as a sentence.
-- The migrations create them; this is the copy to read. tests/security/test_policies_file.py fails when they differ.
-- What is not listed is closed: no policy, no right. service_role and the login roles of ours have no table rights.

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

create policy "Traders read the brand they belong to, admins read all"
on public.brands for select to authenticated
using (
  id = (select p.brand_id from public.profiles p where p.id = (select auth.uid()))
  or (select private.is_admin())
);

create policy "Everyone signed in reads what each plan includes"
on public.plan_limits for select to authenticated
using (true);

create policy "Traders read their own subscription, admins read all"
on public.subscriptions for select to authenticated
using (
  ((select auth.uid()) = user_id and (select private.session_is_strong_enough()))
  or (select private.is_admin())
);

create policy "Traders read what was done to them, admins read all"
on public.admin_actions for select to authenticated
using (
  ((select auth.uid()) = target_user_id and (select private.session_is_strong_enough()))
  or (select private.is_admin())
);

create policy "Traders read their own broker logins, admins read all"
on public.broker_connections for select to authenticated
using (
  ((select auth.uid()) = user_id and (select private.session_is_strong_enough()))
  or (select private.is_admin())
);

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

create policy "Nobody reads sealed credentials through the API"
on public.credential_seals for select to authenticated
using (false);

create policy "Traders read their own devices, admins read all"
on public.devices for select to authenticated
using (
  ((select auth.uid()) = user_id and (select private.session_is_strong_enough()))
  or (select private.is_admin())
);

create policy "Traders read their own endpoints, admins read all"
on public.webhook_endpoints for select to authenticated
using (
  ((select auth.uid()) = user_id and (select private.session_is_strong_enough()))
  or (select private.is_admin())
);

create policy "Traders read their endpoints' accounts, admins read all"
on public.webhook_endpoint_accounts for select to authenticated
using (
  ((select auth.uid()) = user_id and (select private.session_is_strong_enough()))
  or (select private.is_admin())
);

create policy "Traders read their own API keys, admins read all"
on public.api_keys for select to authenticated
using (
  ((select auth.uid()) = user_id and (select private.session_is_strong_enough()))
  or (select private.is_admin())
);

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

create policy "Traders read their own limits, admins read all"
on public.risk_settings for select to authenticated
using (
  ((select auth.uid()) = user_id and (select private.session_is_strong_enough()))
  or (select private.is_admin())
);

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

create policy "Traders read their own alerts, admins read all"
on public.webhook_events for select to authenticated
using (
  ((select auth.uid()) = user_id and (select private.session_is_strong_enough()))
  or (select private.is_admin())
);

create policy "Traders read their own deliveries, admins read all"
on public.deliveries for select to authenticated
using (
  ((select auth.uid()) = user_id and (select private.session_is_strong_enough()))
  or (select private.is_admin())
);

create policy "Everyone signed in reads how an order may proceed"
on public.order_transitions for select to authenticated
using (true);

create policy "Traders read their own orders, admins read all"
on public.orders for select to authenticated
using (
  ((select auth.uid()) = user_id and (select private.session_is_strong_enough()))
  or (select private.is_admin())
);

create policy "Traders read their own fills, admins read all"
on public.fills for select to authenticated
using (
  ((select auth.uid()) = user_id and (select private.session_is_strong_enough()))
  or (select private.is_admin())
);

create policy "Traders read their own positions, admins read all"
on public.positions for select to authenticated
using (
  ((select auth.uid()) = user_id and (select private.session_is_strong_enough()))
  or (select private.is_admin())
);

create policy "Traders read their own equity, admins read all"
on public.equity_history for select to authenticated
using (
  ((select auth.uid()) = user_id and (select private.session_is_strong_enough()))
  or (select private.is_admin())
);

create policy "Traders read their own log, admins read all"
on public.logs for select to authenticated
using (
  ((select auth.uid()) = user_id and (select private.session_is_strong_enough()))
  or (select private.is_admin())
);

create policy "Everyone reads the health of the brokers"
on public.health for select to anon, authenticated
using (true);

create policy "Everyone signed in reads exchange rates"
on public.fx_rates for select to authenticated
using (true);

create policy "Everyone signed in reads the keys to seal to"
on public.fleet_keys for select to authenticated
using (true);

create policy "Traders read how their logins are listened to, admins read all"
on public.streams for select to authenticated
using (
  ((select auth.uid()) = user_id and (select private.session_is_strong_enough()))
  or (select private.is_admin())
);

create policy "Traders read how far their trades went, admins read all"
on public.excursions for select to authenticated
using (
  ((select auth.uid()) = user_id and (select private.session_is_strong_enough()))
  or (select private.is_admin())
);

create policy "Traders read their own corrections, admins read all"
on public.corrections for select to authenticated
using (
  ((select auth.uid()) = user_id and (select private.session_is_strong_enough()))
  or (select private.is_admin())
);

create policy "Traders read their own drills as asked for, admins read all"
on public.drill_runs for select to authenticated
using (
  ((select auth.uid()) = user_id and (select private.session_is_strong_enough()))
  or (select private.is_admin())
);

create policy "Traders read what their limits did in drills, admins read all"
on public.drills for select to authenticated
using (
  ((select auth.uid()) = user_id and (select private.session_is_strong_enough()))
  or (select private.is_admin())
);

create policy "Traders read how far they are from their limits, admins all"
on public.risk_standings for select to authenticated
using (
  ((select auth.uid()) = user_id and (select private.session_is_strong_enough()))
  or (select private.is_admin())
);

create policy "Traders read their own targets, admins read all"
on public.notification_targets for select to authenticated
using (
  ((select auth.uid()) = user_id and (select private.session_is_strong_enough()))
  or (select private.is_admin())
);

create policy "Traders read what was sent to them, admins read all"
on public.notifications for select to authenticated
using (
  ((select auth.uid()) = user_id and (select private.session_is_strong_enough()))
  or (select private.is_admin())
);

create policy "Traders read their own gaps, admins read all"
on public.gaps for select to authenticated
using (
  ((select auth.uid()) = user_id and (select private.session_is_strong_enough()))
  or (select private.is_admin())
);

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
