-- What a trader says about his account's days and locks.
create function engine.refusal_to_lift(a public.broker_accounts) returns text
language plpgsql stable set search_path = '' as $$
declare
  b engine.breaches;
  k engine.account_marks;
begin
  select x.* into k from engine.account_marks x where x.account_id = a.id;
  select x.* into b from engine.locks_of(a.id) x
  -- The watch says so at every read in which a limit is touched; a read after the last of these has found it well.
  where (k.read_at > x.seen_at and a.freshness = 'fresh') is not true limit 1;
  if not found then
    return null;
  end if;
  return format('The limit %s of %s is still reached (%s), or the account has not been read since: the lock stays.',
    replace(b.rule, '_', ' '), coalesce(a.label, a.account_id), engine.in_words(b.numbers));
end
$$;
comment on function engine.refusal_to_lift(public.broker_accounts) is
'Why the lock of an account cannot be lifted now, as a sentence. Null = it can.';
alter function engine.refusal_to_lift(public.broker_accounts) owner to empire_engine;

create function engine.lift_locks(p_account uuid, p_reason text) returns void
language plpgsql set search_path = '' as $$
begin
  update engine.breaches set lifted_at = clock_timestamp(), lift_reason = p_reason
  where id = any (array(select b.id from engine.locks_of(p_account) b));
  update public.broker_accounts set locked_until = null, lock_reason = null
  where id = any ((engine.identity_of(p_account)).accounts) and locked_until is not null;
end
$$;
comment on function engine.lift_locks(uuid, text) is 'Ends every lock of an account, in all its rows.';
alter function engine.lift_locks(uuid, text) owner to empire_engine;
grant execute on function engine.refusal_to_lift(public.broker_accounts), engine.lift_locks(uuid, text),
engine.locks_of(uuid) to postgres;

create function private.lift_lock(p_account_id uuid, p_reason text) returns void
language plpgsql security definer set search_path = '' as $$
declare
  a constant public.broker_accounts := private.my_account(p_account_id);
  v_refusal text;
begin
  if private.any_live(array[a.id]) then
    perform private.require_step_up();
  end if;
  if char_length(btrim(coalesce(p_reason, ''))) not between 3 and 200 then
    perform private.refuse(422, 'invalid', 'Say why, in 3 to 200 characters: it is recorded.');
  elsif (a.locked_until > clock_timestamp()) is not true then
    return;
  end if;
  v_refusal := engine.refusal_to_lift(a);
  if v_refusal is not null then
    perform private.refuse(409, 'still_reached', v_refusal);
  end if;
  perform engine.lift_locks(a.id, p_reason);
  perform private.note(a.user_id, 'warning', 'lock_lifted', format('The lock of %s was lifted: %s',
    coalesce(a.label, a.account_id), p_reason), jsonb_build_object(
    'account_id', a.id, 'was_until', a.locked_until, 'lock', a.lock_reason, 'reason', p_reason));
end
$$;
comment on function private.lift_lock(uuid, text) is 'public.lift_lock, checked.';

create function engine.confirm_start(a public.broker_accounts, p_amount numeric, p_week numeric) returns void
language plpgsql set search_path = '' as $$
declare
  c_day constant date := engine.trading_day(a.timezone, a.reset_time, clock_timestamp());
  c_week constant date := c_day - extract(dow from c_day)::integer;
begin
  perform engine.put_day(a, c_day, row(p_amount, p_amount, 'confirmed', false)::engine.day_start, a.equity);
  if p_week is not null and c_week < c_day then
    perform engine.put_day(a, c_week, row(p_week, p_week, 'confirmed', false)::engine.day_start, null);
  end if;
end
$$;
comment on function engine.confirm_start(public.broker_accounts, numeric, numeric) is
'The trader''s figures for the start of the day, and of the week.';
alter function engine.confirm_start(public.broker_accounts, numeric, numeric) owner to empire_engine;

create function engine.source_of_day(a public.broker_accounts, p_week boolean) returns text
language plpgsql stable set search_path = '' as $$
declare
  v_day date := engine.trading_day(a.timezone, a.reset_time, clock_timestamp());
begin
  if p_week then
    v_day := v_day - extract(dow from v_day)::integer;
  end if;
  return (
    select d.source from engine.account_days d
    where d.account_id = a.id and d.trading_day = v_day and d.began_at = engine.day_began(a.timezone, a.reset_time, v_day)
  );
end
$$;
comment on function engine.source_of_day(public.broker_accounts, boolean) is
'How the start of today, or of this week, is known. Null = it is not.';
alter function engine.source_of_day(public.broker_accounts, boolean) owner to empire_engine;
grant execute on function engine.confirm_start(public.broker_accounts, numeric, numeric),
engine.source_of_day(public.broker_accounts, boolean) to postgres;

create function private.confirm_day_start(p_account_id uuid, p_amount numeric, p_week numeric) returns void
language plpgsql security definer set search_path = '' as $$
declare
  a constant public.broker_accounts := private.my_account(p_account_id);
  v numeric;
begin
  if private.any_live(array[a.id]) then
    perform private.require_step_up();
  end if;
  foreach v in array array[p_amount, coalesce(p_week, p_amount)] loop
    if v is null or v = 'NaN' or v <= 0 or v > 1000000000 then
      perform private.refuse(422, 'invalid', 'The money at the reset is more than 0 and at most 1,000,000,000.');
    elsif a.equity > 0 and v not between a.equity / 10 and a.equity * 10 then
      perform private.refuse(422, 'invalid', format('%s cannot be right: the account has %s %s now.', v, round(a.equity, 2), a.currency));
    end if;
  end loop;
  if engine.source_of_day(a, false) in ('seen', 'rebuilt') then
    perform private.refuse(409, 'known', 'What the account was worth at the reset is known: nothing is to be confirmed.');
  elsif p_week is not null and engine.source_of_day(a, true) in ('seen', 'rebuilt') then
    perform private.refuse(409, 'known', 'What the account was worth when the week began is known: nothing is to be confirmed.');
  end if;
  perform engine.confirm_start(a, p_amount, p_week);
  perform private.note(a.user_id, 'warning', 'day_start_confirmed', format('You confirmed that %s had %s %s at the reset.',
    coalesce(a.label, a.account_id), p_amount, a.currency), jsonb_build_object(
    'account_id', a.id, 'amount', p_amount, 'week', p_week));
end
$$;
comment on function private.confirm_day_start(uuid, numeric, numeric) is 'public.confirm_day_start, checked.';

create function public.lift_lock(p_account_id uuid, p_reason text) returns void
language sql security invoker set search_path = '' as $$ select private.lift_lock(p_account_id, p_reason) $$;
comment on function public.lift_lock(uuid, text) is
'Lifts every lock of an account, those of limits too; refused while a limit is still reached. On a live account: step-up.';
create function public.confirm_day_start(p_account_id uuid, p_amount numeric, p_week numeric default null) returns void
language sql security invoker set search_path = '' as $$
  select private.confirm_day_start(p_account_id, p_amount, p_week)
$$;
comment on function public.confirm_day_start(uuid, numeric, numeric) is
'Says what an account was worth at today''s reset (and at the week''s first), where nobody saw it. On a live account: step-up.';

revoke all on function private.lift_lock(uuid, text) from public, anon, authenticated, service_role;
revoke all on function private.confirm_day_start(uuid, numeric, numeric) from public, anon, authenticated, service_role;
revoke all on function public.lift_lock(uuid, text) from public, anon, authenticated, service_role;
revoke all on function public.confirm_day_start(uuid, numeric, numeric) from public, anon, authenticated, service_role;
grant execute on function private.lift_lock(uuid, text) to authenticated;
grant execute on function private.confirm_day_start(uuid, numeric, numeric) to authenticated;
grant execute on function public.lift_lock(uuid, text) to authenticated;
grant execute on function public.confirm_day_start(uuid, numeric, numeric) to authenticated;
