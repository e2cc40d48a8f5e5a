-- An account's zone, reset and initial balance are limits, too: days, floors and percentages count from them. Whoever moves
-- a reset moves what counts as today's loss, so a change waits as any looser limit does.

create function private.check_account_settings(p_values jsonb) returns void
language plpgsql set search_path = '' as $$
declare
  m record;
begin
  if jsonb_typeof(p_values) is distinct from 'object' then
    perform private.refuse(422, 'invalid', 'Settings of an account are an object of names and values.');
  end if;
  for m in select * from jsonb_each(p_values) loop
    case m.key
      when 'timezone' then perform private.check_zone(m.key, m.value);
      when 'reset_time' then perform private.check_clock(m.key, m.value);
      when 'initial_balance' then
        perform private.check_number(m.key, private.as_number(m.value), 0, 1000000000, false);
      else perform private.refuse_value(left(m.key, 60), m.value, 'there is no such setting.');
    end case;
  end loop;
end
$$;
comment on function private.check_account_settings(jsonb) is 'Refuses settings of an account that are unknown, unreadable or absurd.';
revoke all on function private.check_account_settings(jsonb) from public;

create function private.account_settings(a public.broker_accounts) returns jsonb
language plpgsql immutable set search_path = '' as $$
begin
  return jsonb_build_object(
    'timezone', a.timezone, 'reset_time', left(a.reset_time::text, 5), 'initial_balance', trim_scale(a.initial_balance)
  );
end
$$;
comment on function private.account_settings(public.broker_accounts) is 'From what an account''s days and floors count now.';
revoke all on function private.account_settings(public.broker_accounts) from public;

create function engine.with_settings(a public.broker_accounts, p jsonb) returns public.broker_accounts
language plpgsql immutable set search_path = '' as $$
begin
  a.timezone := coalesce(p ->> 'timezone', a.timezone);
  a.reset_time := coalesce((p ->> 'reset_time')::time, a.reset_time);
  a.initial_balance := coalesce((p ->> 'initial_balance')::numeric, a.initial_balance);
  return a;
end
$$;
comment on function engine.with_settings(public.broker_accounts, jsonb) is 'The account with these settings.';
alter function engine.with_settings(public.broker_accounts, jsonb) owner to empire_engine;
grant execute on function engine.with_settings(public.broker_accounts, jsonb) to postgres;

create function engine.apply_account_settings() returns integer
language plpgsql set search_path = '' as $$
declare
  v_ids constant uuid [] := array(
    select a.id from public.broker_accounts a where a.next_settings_from <= clock_timestamp() order by a.id
  );
  a public.broker_accounts;
begin
  -- Late is safe: until then the tighter of the two is not known, but the old one is what counted all day.
  for a in select x.* from public.broker_accounts x where x.id = any (v_ids) order by x.id for no key update loop
    continue when (a.next_settings_from <= clock_timestamp()) is not true;
    a := engine.with_settings(a, a.next_settings);
    update public.broker_accounts set timezone = a.timezone, reset_time = a.reset_time, initial_balance = a.initial_balance,
      next_settings = null, next_settings_from = null
    where id = a.id;
  end loop;
  return cardinality(v_ids);
end
$$;
comment on function engine.apply_account_settings() is 'Puts settings of accounts in force whose time has come. Returns how many.';
alter function engine.apply_account_settings() owner to empire_engine;

create function private.set_account(p_account_id uuid, p_values jsonb) returns timestamptz
language plpgsql security definer set search_path = '' as $$
declare
  a public.broker_accounts := private.my_account(p_account_id);
  c_live constant boolean := private.any_live(array[a.id]);
  v_old constant jsonb := private.account_settings(a);
  v_new jsonb;
  v_from timestamptz;
begin
  perform private.check_account_settings(p_values);
  v_new := private.account_settings(engine.with_settings(a, coalesce(a.next_settings, '{}') || p_values));
  if v_new = private.account_settings(engine.with_settings(a, coalesce(a.next_settings, '{}'))) then
    return a.next_settings_from;
  elsif v_new = v_old then
    update public.broker_accounts set next_settings = null, next_settings_from = null where id = a.id;
  elsif not c_live then
    a := engine.with_settings(a, v_new);
  else
    perform private.require_step_up();
    v_from := clock_timestamp() + make_interval(mins => (select private.loosen_minutes(p) from public.profiles p where p.id = a.user_id));
    a.next_settings := v_new - array(select k from jsonb_object_keys(v_new) k where v_new -> k = v_old -> k);
    a.next_settings_from := v_from;
  end if;
  update public.broker_accounts set timezone = a.timezone, reset_time = a.reset_time, initial_balance = a.initial_balance,
    next_settings = a.next_settings, next_settings_from = a.next_settings_from
  where id = a.id and v_new <> v_old;
  perform private.record_change(a.user_id, 'account_settings_changed', v_new <> v_old,
    format('The day and the start of %s count by other settings%s.', coalesce(a.label, a.account_id),
      coalesce(to_char(v_from at time zone 'UTC', '" from "YYYY-MM-DD HH24:MI" UTC on"'), '')),
    jsonb_build_object('account_id', a.id, 'old', v_old, 'new', v_new, 'effective_from', coalesce(v_from, clock_timestamp())));
  return v_from;
end
$$;
comment on function private.set_account(uuid, jsonb) is 'public.set_account, checked.';

create function public.set_account(p_account_id uuid, p_values jsonb) returns timestamptz
language sql security invoker set search_path = '' as $$ select private.set_account(p_account_id, p_values) $$;
comment on function public.set_account(uuid, jsonb) is
'Sets timezone, reset_time and initial_balance of an account, from which its days, floors and percentages count. On a live '
'account: step-up, and counts from the returned moment on; what was there before again cancels what waits.';
revoke all on function private.set_account(uuid, jsonb) from public, anon, authenticated, service_role;
revoke all on function public.set_account(uuid, jsonb) from public, anon, authenticated, service_role;
grant execute on function private.set_account(uuid, jsonb) to authenticated;
grant execute on function public.set_account(uuid, jsonb) to authenticated;
