-- Limits and the kill switch. Tightening is always possible and counts at once; what admits more asks for a step-up and
-- waits for the user's delay.

create function private.with_limits(r public.risk_settings, p_values jsonb) returns public.risk_settings
language plpgsql stable set search_path = '' as $$
declare
  c_names constant text [] := array[
    'max_daily_loss_usd', 'max_daily_loss_pct', 'max_trades_per_day', 'max_open_trades', 'max_concurrent_positions',
    'max_order_qty', 'max_risk_per_trade_pct', 'max_price_deviation_pct', 'stop_required', 'naked_policy',
    'allowed_symbols', 'rules'
  ];
  v_unknown text;
begin
  if jsonb_typeof(p_values) is distinct from 'object' then
    perform private.refuse(422, 'invalid', 'Limits are an object of names and values.');
  end if;
  select k into v_unknown from jsonb_object_keys(p_values) k where k <> all (c_names) limit 1;
  if found then
    perform private.refuse_value(v_unknown, p_values -> v_unknown, 'there is no such limit.');
  end if;
  if jsonb_typeof(p_values -> 'rules') = 'object' then
    p_values := jsonb_set(p_values, '{rules}', private.with_numbers(p_values -> 'rules'));
  end if;
  perform private.check_columns(p_values);
  if jsonb_typeof(p_values -> 'rules') = 'null' or jsonb_typeof(p_values -> 'stop_required') = 'null' then
    perform private.refuse(422, 'invalid', 'rules is an object and stop_required is true or false.');
  end if;
  r := jsonb_populate_record(r, p_values - 'rules');
  r.rules := jsonb_strip_nulls(r.rules || coalesce(p_values -> 'rules', '{}'));
  return r;
exception when data_exception then
  perform private.refuse(422, 'invalid', format('A limit cannot be read: %s.', sqlerrm));
end
$$;
comment on function private.with_limits(public.risk_settings, jsonb) is
'The limits with these values and rules (absent = unchanged, null = none); what makes no sense is refused.';
revoke all on function private.with_limits(public.risk_settings, jsonb) from public;

create function private.limit_values(r public.risk_settings) returns jsonb
language plpgsql immutable set search_path = '' as $$
begin
  return to_jsonb(r) - array['id', 'user_id', 'broker', 'account_id', 'effective_from', 'ends_at', 'superseded_at', 'created_at'];
end
$$;
comment on function private.limit_values(public.risk_settings) is 'What a row of limits limits, without whose it is and since when.';
revoke all on function private.limit_values(public.risk_settings) from public;

create function private.limits_diff(o public.risk_settings, n public.risk_settings) returns jsonb
language plpgsql immutable set search_path = '' as $$
begin
  return (
    select coalesce(jsonb_object_agg(b.key, jsonb_build_array(a.value, b.value)), '{}')
    from jsonb_each(private.limit_values(o)) a join jsonb_each(private.limit_values(n)) b on b.key = a.key
    where b.value <> a.value
  );
end
$$;
comment on function private.limits_diff(public.risk_settings, public.risk_settings) is 'What differs: by name, old and new value.';
revoke all on function private.limits_diff(public.risk_settings, public.risk_settings) from public;

create function private.risk_scope(p_user uuid, p_scope jsonb) returns public.risk_settings
language plpgsql security definer set search_path = '' as $$
declare
  v_scope constant jsonb := coalesce(p_scope, '{}');
  s public.risk_settings;
begin
  if jsonb_typeof(v_scope) <> 'object' or v_scope - array['broker', 'account_id'] <> '{}'
    or (v_scope ->> 'broker' is not null and v_scope ->> 'account_id' is not null)
    or coalesce(v_scope ->> 'broker', 'paper') not in (select unnest(enum_range(null::public.broker))::text)
    or not pg_input_is_valid(coalesce(v_scope ->> 'account_id', p_user::text), 'uuid') then
    perform private.refuse(422, 'invalid', 'The scope is {}, {"broker": ...} or {"account_id": ...}.');
  end if;
  -- Two changes at the same moment are made one after the other, and none while entries of the user are admitted: what
  -- was admitted before is written, what comes after finds the new limits. In the order of locks everywhere.
  perform 1 from public.profiles p where p.id = p_user for no key update;
  perform pg_advisory_xact_lock(hashtextextended(p_user::text, 0));
  s.user_id := p_user;
  s.broker := (v_scope ->> 'broker')::public.broker;
  if v_scope ->> 'account_id' is not null then
    s.account_id := (private.my_account((v_scope ->> 'account_id')::uuid)).id;
  end if;
  s.stop_required := false;
  s.rules := '{}';
  return s;
end
$$;
comment on function private.risk_scope(uuid, jsonb) is
'A row without limits for a scope of the user''s; changes of his limits are locked out until the end.';
revoke all on function private.risk_scope(uuid, jsonb) from public;

create function private.limits_of_scope(s public.risk_settings, p_waiting boolean) returns public.risk_settings
language plpgsql security definer set search_path = '' as $$
declare
  r public.risk_settings;
begin
  select x.* into r from public.risk_settings x
  where x.user_id = s.user_id and x.broker is not distinct from s.broker and x.account_id is not distinct from s.account_id
    and x.superseded_at is null and (x.effective_from > greatest(clock_timestamp(), x.created_at)) = p_waiting
    and (x.ends_at is null or x.ends_at > clock_timestamp());
  return case when found then r else s end;
end
$$;
comment on function private.limits_of_scope(public.risk_settings, boolean) is
'The limits of a scope that are in force, or that wait; the given row where there are none.';
revoke all on function private.limits_of_scope(public.risk_settings, boolean) from public;

create function private.is_live_scope(s public.risk_settings) returns boolean
language plpgsql stable security definer set search_path = '' as $$
begin
  return exists (
    select 1 from public.broker_connections c
    where c.user_id = s.user_id and c.environment = 'live' and (s.broker is null or c.broker = s.broker)
      and (s.account_id is null or c.id = (select a.connection_id from public.broker_accounts a where a.id = s.account_id))
  );
end
$$;
comment on function private.is_live_scope(public.risk_settings) is 'Whether real money is in a scope of limits.';
revoke all on function private.is_live_scope(public.risk_settings) from public;

create function private.loosen_minutes(p public.profiles) returns integer
language plpgsql stable set search_path = '' as $$
begin
  return case when p.loosen_delay_next_from <= clock_timestamp() then p.loosen_delay_next else p.loosen_delay end;
end
$$;
comment on function private.loosen_minutes(public.profiles) is 'The user''s delay before looser limits count, in minutes.';
revoke all on function private.loosen_minutes(public.profiles) from public;

create function private.loosens_from(s public.risk_settings) returns timestamptz
language plpgsql stable security definer set search_path = '' as $$
begin
  return clock_timestamp() + make_interval(mins => case when private.is_live_scope(s) then (
    select private.loosen_minutes(p) from public.profiles p where p.id = s.user_id
  ) else 0 end);
end
$$;
comment on function private.loosens_from(public.risk_settings) is
'When a change that admits more would count if asked for now: after the user''s delay; at once where only practice money is.';
revoke all on function private.loosens_from(public.risk_settings) from public;

create function private.put_limits(
  o public.risk_settings, t public.risk_settings, n public.risk_settings, p_from timestamptz
) returns bigint
language plpgsql security definer set search_path = '' as $$
declare
  v_keeps constant boolean := private.limit_values(t) = private.limit_values(o) and (o.id is not null or p_from is not null);
  v_id bigint;
begin
  update public.risk_settings s set superseded_at = least(coalesce(s.ends_at, now()), now())
  where s.user_id = n.user_id and s.broker is not distinct from n.broker and s.account_id is not distinct from n.account_id
    and s.superseded_at is null and not (v_keeps and s.id = o.id);
  if v_keeps then
    update public.risk_settings s set ends_at = p_from where s.id = o.id;
    v_id := o.id;
  else
    v_id := private.insert_limits(t, now(), p_from);
  end if;
  return case when p_from is null then v_id else private.insert_limits(n, p_from, null) end;
end
$$;
comment on function private.put_limits(public.risk_settings, public.risk_settings, public.risk_settings, timestamptz) is
'Puts t in force now and n from a moment on (null = t is all); what they replace stays as history. o = what is in force.';
revoke all on function private.put_limits(public.risk_settings, public.risk_settings, public.risk_settings, timestamptz)
from public;

create function private.insert_limits(r public.risk_settings, p_from timestamptz, p_until timestamptz) returns bigint
language sql security definer set search_path = '' as $$
  insert into public.risk_settings (
    user_id, broker, account_id, max_daily_loss_usd, max_daily_loss_pct, max_trades_per_day, max_open_trades,
    max_concurrent_positions, max_order_qty, max_risk_per_trade_pct, max_price_deviation_pct, stop_required,
    naked_policy, allowed_symbols, rules, effective_from, ends_at
  ) values (
    r.user_id, r.broker, r.account_id, r.max_daily_loss_usd, r.max_daily_loss_pct, r.max_trades_per_day,
    r.max_open_trades, r.max_concurrent_positions, r.max_order_qty, r.max_risk_per_trade_pct,
    r.max_price_deviation_pct, r.stop_required, r.naked_policy, r.allowed_symbols, r.rules, p_from, p_until
  ) returning id
$$;
comment on function private.insert_limits(public.risk_settings, timestamptz, timestamptz) is 'A row of limits that counts between two moments.';
revoke all on function private.insert_limits(public.risk_settings, timestamptz, timestamptz) from public;

create function private.record_change(p_user uuid, p_action text, p_loosens boolean, p_message text, p_details jsonb) returns void
language sql security definer set search_path = '' as $$
  insert into public.admin_actions (actor, action, target_user_id, details) values ('owner', p_action, p_user, p_details);
  select private.note(p_user, case when p_loosens then 'warning' else 'info' end::public.log_level, p_action, p_message, p_details)
$$;
comment on function private.record_change(uuid, text, boolean, text, jsonb) is
'A change of limits by their owner, in the audit trail and in his log.';
revoke all on function private.record_change(uuid, text, boolean, text, jsonb) from public;

create function private.record_limits(
  o public.risk_settings, t public.risk_settings, n public.risk_settings, p_from timestamptz
) returns void
language plpgsql security definer set search_path = '' as $$
declare
  v_loosens constant boolean := p_from is not null or private.limits_admit_more(o, n);
begin
  perform private.record_change(n.user_id, case when v_loosens then 'limits_loosened' else 'limits_tightened' end, v_loosens,
    case when p_from is not null then format('Your limits will be looser from %s on; until then those of before count.',
      to_char(p_from at time zone 'UTC', 'YYYY-MM-DD HH24:MI "UTC"'))
    when v_loosens then 'Your limits were loosened.' else 'Your limits were tightened.' end,
    jsonb_strip_nulls(jsonb_build_object('broker', n.broker, 'account_id', n.account_id))
    || jsonb_build_object('now', private.limits_diff(o, t), 'effective_from', coalesce(p_from, clock_timestamp()))
    || case when p_from is null then '{}' else jsonb_build_object('later', private.limits_diff(t, n)) end);
end
$$;
comment on function private.record_limits(public.risk_settings, public.risk_settings, public.risk_settings, timestamptz) is
'Who changed which limits: old and new values, what counts at once and what from when on.';
revoke all on function private.record_limits(public.risk_settings, public.risk_settings, public.risk_settings, timestamptz)
from public;

create function private.set_risk(p_scope jsonb, p_values jsonb) returns bigint
language plpgsql security definer set search_path = '' as $$
declare
  s constant public.risk_settings := private.risk_scope(private.me(), p_scope);
  o constant public.risk_settings := private.limits_of_scope(s, false);
  -- What was asked for last is what an absent value leaves unchanged.
  w constant public.risk_settings := private.limits_of_scope(o, true);
  n constant public.risk_settings := private.with_limits(w, p_values);
  t public.risk_settings := n;
  v_from timestamptz;
begin
  if w.id is not null and private.limit_values(n) = private.limit_values(w) then
    return w.id;
  end if;
  if private.limits_admit_more(w, n) and coalesce(s.broker <> 'paper', true)
    and (s.account_id is null or private.any_live(array[s.account_id])) then
    perform private.require_step_up();
  end if;
  if private.limits_admit_more(o, n) then
    -- What waits already has not to wait anew because something was tightened.
    v_from := case when w.id is distinct from o.id and not private.limits_admit_more(w, n) then w.effective_from
      else private.loosens_from(s) end;
    if v_from > clock_timestamp() then
      t := private.tighter_limits(o, n);
    else
      v_from := null;
    end if;
  end if;
  perform private.record_limits(o, t, n, v_from);
  return private.put_limits(o, t, n, v_from);
end
$$;
comment on function private.set_risk(jsonb, jsonb) is 'public.set_risk, checked.';

create function private.cancel_pending_risk(p_scope jsonb) returns boolean
language plpgsql security definer set search_path = '' as $$
declare
  s constant public.risk_settings := private.risk_scope(private.me(), p_scope);
  o constant public.risk_settings := private.limits_of_scope(s, false);
  w constant public.risk_settings := private.limits_of_scope(s, true);
begin
  if w.id is null then
    return false;
  end if;
  update public.risk_settings r set superseded_at = now() where r.id = w.id;
  update public.risk_settings r set ends_at = null where r.id = o.id;
  perform private.record_change(s.user_id, 'limits_kept', false, 'Your limits stay as they are: what waited to loosen them was cancelled.',
    jsonb_strip_nulls(jsonb_build_object('broker', s.broker, 'account_id', s.account_id, 'cancelled', private.limits_diff(o, w))));
  return true;
end
$$;
comment on function private.cancel_pending_risk(jsonb) is 'public.cancel_pending_risk, checked.';

create function private.set_loosen_delay(p_minutes integer) returns timestamptz
language plpgsql security definer set search_path = '' as $$
declare
  v_me constant uuid := (private.risk_scope(private.me(), '{}')).user_id;
  v_now constant integer := (select private.loosen_minutes(p) from public.profiles p where p.id = v_me);
  v_from constant timestamptz := clock_timestamp() + make_interval(mins => v_now);
begin
  if p_minutes is null or p_minutes not between 0 and 43200 then
    perform private.refuse_value('minutes', to_jsonb(p_minutes), '0 to 43200 minutes (30 days) are allowed.');
  elsif p_minutes >= v_now then
    update public.profiles set loosen_delay = p_minutes, loosen_delay_next = null, loosen_delay_next_from = null where id = v_me;
  else
    -- Shorter is looser: it waits for the delay it shortens.
    perform private.require_step_up();
    update public.profiles set loosen_delay = v_now, loosen_delay_next = p_minutes, loosen_delay_next_from = v_from where id = v_me;
  end if;
  perform private.record_change(v_me, 'loosen_delay_changed', p_minutes < v_now,
    format('Looser limits wait %s minutes instead of %s.', p_minutes, v_now),
    jsonb_build_object('old', v_now, 'new', p_minutes, 'effective_from', case when p_minutes < v_now then v_from end));
  return case when p_minutes < v_now then v_from end;
end
$$;
comment on function private.set_loosen_delay(integer) is 'public.set_loosen_delay, checked.';

create view public.pending_risk with (security_invoker = true) as
select r.user_id, 'limits' as kind, r.broker, r.account_id, r.effective_from,
  to_jsonb(r) - array['id', 'user_id', 'broker', 'account_id', 'effective_from', 'ends_at', 'superseded_at', 'created_at'] as waits
from public.risk_settings r
where r.superseded_at is null and r.effective_from > greatest(now(), r.created_at)
union all
select p.id, 'loosen_delay', null, null, p.loosen_delay_next_from, jsonb_build_object('minutes', p.loosen_delay_next)
from public.profiles p where p.loosen_delay_next_from > now()
union all
select a.user_id, 'account', a.broker, a.id, a.next_settings_from, a.next_settings
from public.broker_accounts a where a.next_settings_from is not null;
comment on view public.pending_risk is
'What the user has asked for and does not count yet: looser limits by scope, a shorter delay, another day or start of an account; from when on, and all values '
'that will count then.';
grant select on public.pending_risk to authenticated;

create function private.stop_entries(p_accounts uuid []) returns integer
language plpgsql security definer set search_path = '' as $$
declare
  v_ended bigint [];
begin
  -- All accounts before anything else: the order of locks everywhere.
  perform 1 from public.broker_accounts a where a.id = any (p_accounts) order by a.id for no key update;
  update public.broker_accounts set halt_epoch = halt_epoch + 1 where id = any (p_accounts);
  v_ended := engine.supersede(
    p_accounts, array['open', 'add', 'reverse', 'target', 'modify']::public.action [], null, null, null, null, null
  );
  -- Exits are never refused: those in the queue, and deliveries whose protection is still to be sent, go on.
  update public.deliveries d set halt_epoch = a.halt_epoch
  from engine.queue q join public.broker_accounts a on a.id = q.account_id
  where q.account_id = any (p_accounts) and d.id = q.id and (q.is_exit or exists (
    select 1 from engine.commands c where c.delivery_id = q.id and c.state <> 'pending'
  ));
  perform engine.close_events(v_ended);
  return cardinality(v_ended);
end
$$;
comment on function private.stop_entries(uuid []) is
'Nothing of these accounts that opens a position and was accepted before now is sent any more. Returns how many were ended.';
revoke all on function private.stop_entries(uuid []) from public;

create function private.cancel_waiting_entries(p_accounts uuid []) returns void
language plpgsql security definer set search_path = '' as $$
declare
  v record;
begin
  for v in
    select o.user_id, coalesce(o.tv_symbol, o.symbol) as symbol, array_agg(distinct o.account_id) as accounts
    from public.orders o
    where o.account_id = any (p_accounts) and o.kind = 'place' and not o.reduce_only
      and o.status in ('working', 'partially_filled', 'unknown')
    group by 1, 2 order by 1, 2
  loop
    perform engine.accept_intent(jsonb_build_object(
      'user_id', v.user_id, 'source', 'system', 'accounts', to_jsonb(v.accounts),
      'intent', jsonb_build_object('action', 'cancel', 'symbol', v.symbol, 'scope', 'symbol')
    ));
  end loop;
end
$$;
comment on function private.cancel_waiting_entries(uuid []) is
'Asks the brokers to cancel every entry of these accounts that has not filled yet, before anything else.';
revoke all on function private.cancel_waiting_entries(uuid []) from public;

create function private.check_kill_switch(
  s public.risk_settings, p_on boolean, p_reason text, p_flatten boolean
) returns void
language plpgsql security definer set search_path = '' as $$
begin
  if p_on is null or char_length(p_reason) > 200 then
    perform private.refuse(422, 'invalid', 'The switch is on or off, and its reason has at most 200 characters.');
  elsif p_flatten and not p_on then
    perform private.refuse(422, 'invalid', 'Only a switch that is thrown can flatten, not one that is released.');
  elsif not p_on and coalesce(s.broker <> 'paper', true) and (s.account_id is null or private.any_live(array[s.account_id])) then
    perform private.require_step_up();
  elsif p_flatten then
    perform private.check_trading_session(private.accounts_halted('user', s.user_id, s.broker, s.account_id), true);
  end if;
end
$$;
comment on function private.check_kill_switch(public.risk_settings, boolean, text, boolean) is
'On is always possible, off asks for a step-up (not where only practice money is), closing for what closing asks for.';
revoke all on function private.check_kill_switch(public.risk_settings, boolean, text, boolean) from public;

create function private.kill_switch(p_on boolean, p_reason text, p_scope jsonb, p_flatten boolean) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  s constant public.risk_settings := private.risk_scope(private.me(), p_scope);
  v_scope constant text := case when s.account_id is not null then 'account' when s.broker is not null then 'broker' else 'user' end;
  v_answer jsonb;
begin
  perform private.check_kill_switch(s, p_on, p_reason, p_flatten);
  if v_scope = 'user' then
    update public.profiles
    set trading_halted = p_on, halted_at = case when p_on then clock_timestamp() end,
      halt_reason = case when p_on then p_reason end
    where id = s.user_id;
  end if;
  v_answer := private.halt(v_scope, s.user_id, s.broker, s.account_id, p_on, p_reason, coalesce(p_flatten, false));
  perform private.note(s.user_id, 'warning', case when p_on then 'kill_switch_on' else 'kill_switch_off' end,
    format(case when p_on then 'No entries on %s until you release the switch; exits go on.'
      else 'The kill switch is released: entries are allowed again on %s.' end, case v_scope
        when 'user' then 'any account' when 'broker' then 'your accounts at ' || engine.name_of(s.broker)
        else (select coalesce(a.label, a.account_id) from public.broker_accounts a where a.id = s.account_id) end),
    v_answer || jsonb_strip_nulls(jsonb_build_object('reason', p_reason, 'broker', s.broker, 'account_id', s.account_id)));
  return v_answer;
end
$$;
comment on function private.kill_switch(boolean, text, jsonb, boolean) is 'public.kill_switch, checked.';

create function public.set_risk(p_scope jsonb, p_values jsonb) returns bigint
language sql security invoker set search_path = '' as $$ select private.set_risk(p_scope, p_values) $$;
comment on function public.set_risk(jsonb, jsonb) is
'Sets limits of a scope ({}, {"broker"} or {"account_id"}); absent = unchanged, null = no limit. Tightening counts at once; '
'loosening asks for a step-up and counts after the user''s delay.';
create function public.cancel_pending_risk(p_scope jsonb default '{}') returns boolean
language sql security invoker set search_path = '' as $$ select private.cancel_pending_risk(p_scope) $$;
comment on function public.cancel_pending_risk(jsonb) is
'Keeps the limits of a scope as they are: what waits to loosen them is cancelled. Always possible. False = nothing waited.';
create function public.set_loosen_delay(p_minutes integer) returns timestamptz
language sql security invoker set search_path = '' as $$ select private.set_loosen_delay(p_minutes) $$;
comment on function public.set_loosen_delay(integer) is
'How long looser limits of live accounts wait. Longer counts at once (null); shorter asks for a step-up and counts from the '
'returned moment on.';
create function public.kill_switch(
  p_on boolean, p_reason text default null, p_scope jsonb default '{}', p_flatten boolean default false
) returns jsonb
language sql security invoker set search_path = '' as $$ select private.kill_switch(p_on, p_reason, p_scope, p_flatten) $$;
comment on function public.kill_switch(boolean, text, jsonb, boolean) is
'On: no entry in the scope ({}, {"broker"} or {"account_id"}), at once, always possible; pending entries are canceled, with '
'p_flatten everything is closed; exits go on. Off: step-up. events = flattens begun.';
