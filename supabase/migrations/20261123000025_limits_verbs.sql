-- Limits and the kill switch. Tightening is always possible and counts at once; what admits more asks for a step-up.

create function private.limits_admit_more(o public.risk_settings, n public.risk_settings) returns boolean
language sql immutable set search_path = '' as $$
  select private.higher(o.max_daily_loss_usd, n.max_daily_loss_usd)
    or private.higher(o.max_daily_loss_pct, n.max_daily_loss_pct)
    or private.higher(o.max_trades_per_day, n.max_trades_per_day)
    or private.higher(o.max_open_trades, n.max_open_trades)
    or private.higher(o.max_concurrent_positions, n.max_concurrent_positions)
    or private.higher(o.max_order_qty, n.max_order_qty)
    or private.higher(o.max_risk_per_trade_pct, n.max_risk_per_trade_pct)
    or private.higher(o.max_price_deviation_pct, n.max_price_deviation_pct)
    or (o.stop_required and not n.stop_required)
    or (o.allowed_symbols is not null and not coalesce(n.allowed_symbols <@ o.allowed_symbols, false))
    -- A rule may be added; changing or dropping one might admit more, so it counts as that.
    or not n.rules @> o.rules
$$;
comment on function private.limits_admit_more(public.risk_settings, public.risk_settings) is
'Whether the changed limits could admit an order that the old ones refused.';
revoke all on function private.limits_admit_more(public.risk_settings, public.risk_settings) from public;

create function private.with_limits(r public.risk_settings, p_values jsonb) returns public.risk_settings
language plpgsql stable set search_path = '' as $$
declare
  c_names constant text [] := array[
    'max_daily_loss_usd', 'max_daily_loss_pct', 'max_trades_per_day', 'max_open_trades', 'max_concurrent_positions',
    'max_order_qty', 'max_risk_per_trade_pct', 'max_price_deviation_pct', 'stop_required', 'allowed_symbols', 'rules'
  ];
  v_unknown text;
begin
  if jsonb_typeof(p_values) is distinct from 'object' then
    perform private.refuse(422, 'invalid', 'Limits are an object of names and values.');
  end if;
  select k into v_unknown from jsonb_object_keys(p_values) k where k <> all (c_names) limit 1;
  if found then
    perform private.refuse(422, 'invalid', format('There is no limit called %s.', v_unknown));
  end if;
  r := jsonb_populate_record(r, p_values);
  if r.rules is null or jsonb_typeof(r.rules) <> 'object' or r.stop_required is null then
    perform private.refuse(422, 'invalid', 'rules is an object and stop_required is true or false.');
  end if;
  return r;
exception when data_exception then
  perform private.refuse(422, 'invalid', format('A limit cannot be read: %s.', sqlerrm));
end
$$;
comment on function private.with_limits(public.risk_settings, jsonb) is
'The limits with these values; unknown names and unreadable values are refused.';
revoke all on function private.with_limits(public.risk_settings, jsonb) from public;

create function private.put_limits(r public.risk_settings) returns bigint
language plpgsql security definer set search_path = '' as $$
declare
  v_id bigint;
begin
  update public.risk_settings s set superseded_at = now()
  where s.user_id = r.user_id and s.broker is not distinct from r.broker
    and s.account_id is not distinct from r.account_id and s.superseded_at is null;
  insert into public.risk_settings (
    user_id, broker, account_id, max_daily_loss_usd, max_daily_loss_pct, max_trades_per_day, max_open_trades,
    max_concurrent_positions, max_order_qty, max_risk_per_trade_pct, max_price_deviation_pct, stop_required,
    allowed_symbols, rules
  ) values (
    r.user_id, r.broker, r.account_id, r.max_daily_loss_usd, r.max_daily_loss_pct, r.max_trades_per_day,
    r.max_open_trades, r.max_concurrent_positions, r.max_order_qty, r.max_risk_per_trade_pct,
    r.max_price_deviation_pct, r.stop_required, r.allowed_symbols, r.rules
  ) returning id into v_id;
  return v_id;
exception when check_violation then
  perform private.refuse(422, 'invalid', 'A limit is 0 or more: 0 allows nothing, null is no limit.');
end
$$;
comment on function private.put_limits(public.risk_settings) is
'Puts limits in force; those they replace stay as history.';
revoke all on function private.put_limits(public.risk_settings) from public;

create function private.set_risk(p_scope jsonb, p_values jsonb) returns bigint
language plpgsql security definer set search_path = '' as $$
declare
  v_me constant uuid := private.me();
  v_scope constant jsonb := coalesce(p_scope, '{}');
  v_practice boolean;
  o public.risk_settings;
  n public.risk_settings;
begin
  if jsonb_typeof(v_scope) <> 'object' or v_scope - array['broker', 'account_id'] <> '{}'
    or (v_scope ->> 'broker' is not null and v_scope ->> 'account_id' is not null)
    or coalesce(v_scope ->> 'broker', 'paper') not in (select unnest(enum_range(null::public.broker))::text) then
    perform private.refuse(422, 'invalid', 'The scope is {}, {"broker": ...} or {"account_id": ...}.');
  end if;
  -- Two changes at the same moment are made one after the other.
  perform 1 from public.profiles p where p.id = v_me for no key update;
  o.user_id := v_me;
  o.broker := (v_scope ->> 'broker')::public.broker;
  if v_scope ->> 'account_id' is not null then
    o.account_id := (private.my_account((v_scope ->> 'account_id')::uuid)).id;
  end if;
  v_practice := o.broker = 'paper' or (o.account_id is not null and not private.any_live(array[o.account_id]));
  select r.* into n from public.risk_settings r
  where r.user_id = v_me and r.broker is not distinct from o.broker
    and r.account_id is not distinct from o.account_id and r.superseded_at is null;
  if found then
    o := n;
  else
    o.stop_required := false;
    o.rules := '{}';
  end if;
  n := private.with_limits(o, p_values);
  if n is not distinct from o and o.id is not null then
    return o.id;
  end if;
  if private.limits_admit_more(o, n) then
    if not coalesce(v_practice, false) then
      perform private.require_step_up();
    end if;
    perform private.note(v_me, 'warning', 'limits_loosened', 'Your limits were loosened.',
      jsonb_build_object('scope', v_scope, 'changed', p_values));
  end if;
  return private.put_limits(n);
end
$$;
comment on function private.set_risk(jsonb, jsonb) is 'public.set_risk, checked.';

create function private.stop_entries(p_user_id uuid) returns integer
language plpgsql security definer set search_path = '' as $$
declare
  v_accounts constant uuid [] := array(select a.id from public.broker_accounts a where a.user_id = p_user_id);
  v_ended bigint [];
begin
  -- All accounts before anything else: the order of locks everywhere.
  perform 1 from public.broker_accounts a where a.id = any (v_accounts) order by a.id for no key update;
  update public.broker_accounts set halt_epoch = halt_epoch + 1 where id = any (v_accounts);
  v_ended := engine.supersede(
    v_accounts, array['open', 'add', 'reverse', 'target', 'modify']::public.action [], null, null, null, null, null
  );
  -- Exits are never refused: those in the queue, and deliveries whose protection is still to be sent, go on.
  update public.deliveries d set halt_epoch = a.halt_epoch
  from engine.queue q join public.broker_accounts a on a.id = q.account_id
  where q.account_id = any (v_accounts) and d.id = q.id and (q.is_exit or exists (
    select 1 from engine.commands c where c.delivery_id = q.id and c.state <> 'pending'
  ));
  perform engine.close_events(v_ended);
  return cardinality(v_ended);
end
$$;
comment on function private.stop_entries(uuid) is
'Nothing of the user that opens a position and was accepted before now is sent any more. Returns how many were ended.';
revoke all on function private.stop_entries(uuid) from public;

create function private.cancel_waiting_entries(p_user_id uuid) returns void
language plpgsql security definer set search_path = '' as $$
declare
  v record;
begin
  for v in
    select coalesce(o.tv_symbol, o.symbol) as symbol, array_agg(distinct o.account_id) as accounts
    from public.orders o
    where o.user_id = p_user_id and o.kind = 'place' and not o.reduce_only
      and o.status in ('working', 'partially_filled', 'unknown')
    group by 1
  loop
    perform engine.accept_intent(jsonb_build_object(
      'user_id', p_user_id, 'source', 'system', 'accounts', to_jsonb(v.accounts),
      'intent', jsonb_build_object('action', 'cancel', 'symbol', v.symbol, 'scope', 'symbol')
    ));
  end loop;
end
$$;
comment on function private.cancel_waiting_entries(uuid) is
'Asks the brokers to cancel every entry of the user that has not filled yet.';
revoke all on function private.cancel_waiting_entries(uuid) from public;

create function private.kill_switch(p_on boolean, p_reason text) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  v_me constant uuid := private.me();
  v_ended integer := 0;
begin
  if p_on is null or char_length(p_reason) > 200 then
    perform private.refuse(422, 'invalid', 'The switch is on or off, and its reason has at most 200 characters.');
  elsif not p_on then
    perform private.require_step_up();
  end if;
  update public.profiles
  set trading_halted = p_on, halted_at = case when p_on then clock_timestamp() end,
    halt_reason = case when p_on then p_reason end
  where id = v_me;
  if p_on then
    v_ended := private.stop_entries(v_me);
    perform private.cancel_waiting_entries(v_me);
  end if;
  perform private.note(v_me, 'warning', case when p_on then 'kill_switch_on' else 'kill_switch_off' end,
    case when p_on then 'No entries on any account until you release the switch; exits go on.'
      else 'The kill switch is released: entries are allowed again.' end,
    jsonb_build_object('reason', p_reason, 'ended', v_ended));
  return jsonb_build_object('on', p_on, 'ended', v_ended);
end
$$;
comment on function private.kill_switch(boolean, text) is 'public.kill_switch, checked.';

create function public.set_risk(p_scope jsonb, p_values jsonb) returns bigint
language sql security invoker set search_path = '' as $$ select private.set_risk(p_scope, p_values) $$;
comment on function public.set_risk(jsonb, jsonb) is
'Sets limits of a scope ({}, {"broker"} or {"account_id"}); absent = unchanged, null = no limit. Loosening: step-up.';
create function public.kill_switch(p_on boolean, p_reason text default null) returns jsonb
language sql security invoker set search_path = '' as $$ select private.kill_switch(p_on, p_reason) $$;
comment on function public.kill_switch(boolean, text) is
'On: no entry on any account, at once, always possible; exits go on. Off: step-up.';
