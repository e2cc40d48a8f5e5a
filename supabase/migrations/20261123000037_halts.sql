-- The kill switch of narrower and wider scopes than a user: an account, a user's broker, the whole system. The account's
-- own row says who halts it, so that the road asks nothing more than it did.

create table engine.halts (
  id bigint generated always as identity primary key,
  scope text not null check (scope in ('broker', 'system')),
  user_id uuid references public.profiles (id),
  broker public.broker,
  reason text check (char_length(reason) <= 200),
  halted_at timestamptz not null default clock_timestamp(),
  constraint a_broker_of_a_user_or_all check ((scope = 'broker') = (user_id is not null) and (scope = 'broker') = (broker is not null)),
  constraint one_halt_per_scope unique nulls not distinct (scope, user_id, broker)
);
comment on table engine.halts is
'Kill switches that are on for more than one account: an account that is added meanwhile is halted, too.';
create index halts_user on engine.halts (user_id);

create function private.inherit_halts() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  -- A switch thrown at this moment either finds the account or is found by it.
  perform pg_advisory_xact_lock_shared(hashtextextended('engine.halts', 0));
  new.halted_by := new.halted_by || array(
    select h.scope from engine.halts h
    where (h.scope = 'system' or (h.user_id = new.user_id and h.broker = new.broker)) and h.scope <> all (new.halted_by)
    order by h.scope
  );
  return new;
end
$$;
comment on function private.inherit_halts() is 'A new account is halted where its broker or the system is.';
revoke all on function private.inherit_halts() from public;
create trigger inherit_halts before insert on public.broker_accounts
for each row execute function private.inherit_halts();

create function private.accounts_halted(p_scope text, p_user uuid, p_broker public.broker, p_account uuid) returns uuid []
language plpgsql stable security definer set search_path = '' as $$
begin
  return array(
    select a.id from public.broker_accounts a
    where (p_scope = 'system' or a.user_id = p_user) and (p_broker is null or a.broker = p_broker)
      and (p_account is null or a.id = p_account)
    order by a.id
  );
end
$$;
comment on function private.accounts_halted(text, uuid, public.broker, uuid) is 'The accounts that a kill switch is for.';
revoke all on function private.accounts_halted(text, uuid, public.broker, uuid) from public;

create function private.mark_halted(p_scope text, p_user uuid, p_broker public.broker, p_account uuid, p_on boolean, p_reason text)
returns uuid []
language plpgsql security definer set search_path = '' as $$
declare
  v_accounts uuid [] := private.accounts_halted(p_scope, p_user, p_broker, p_account);
begin
  if p_scope = 'user' then
    return v_accounts;
  end if;
  perform 1 from public.broker_accounts a where a.id = any (v_accounts) order by a.id for no key update;
  if p_scope in ('broker', 'system') then
    perform pg_advisory_xact_lock(hashtextextended('engine.halts', 0));
    delete from engine.halts h
    where h.scope = p_scope and h.user_id is not distinct from p_user and h.broker is not distinct from p_broker;
    if p_on then
      insert into engine.halts (scope, user_id, broker, reason) values (p_scope, p_user, p_broker, p_reason);
    end if;
    -- Accounts that were added since we looked.
    v_accounts := private.accounts_halted(p_scope, p_user, p_broker, p_account);
  end if;
  update public.broker_accounts a set halted_by = array_remove(a.halted_by, p_scope) || case when p_on then array[p_scope] else '{}' end
  where a.id = any (v_accounts) and (p_scope = any (a.halted_by)) <> p_on;
  return v_accounts;
end
$$;
comment on function private.mark_halted(text, uuid, public.broker, uuid, boolean, text) is
'Throws or releases the switch of an account, a user''s broker or the system; the accounts it is for.';
revoke all on function private.mark_halted(text, uuid, public.broker, uuid, boolean, text) from public;

create function private.flatten_halted(p_accounts uuid []) returns bigint []
language plpgsql security definer set search_path = '' as $$
declare
  u record;
  v_events bigint [] := '{}';
begin
  for u in
    select a.user_id, jsonb_agg(a.id order by a.id) as accounts from public.broker_accounts a
    where a.id = any (p_accounts) group by a.user_id order by a.user_id
  loop
    v_events := v_events || (engine.accept_intent(jsonb_build_object(
      'user_id', u.user_id, 'source', 'system', 'intent', '{"action": "flatten"}'::jsonb, 'accounts', u.accounts, 'aal2', true
    )) ->> 'event_id')::bigint;
  end loop;
  return v_events;
end
$$;
comment on function private.flatten_halted(uuid []) is
'Flattens accounts before anything else; one event per user, which ends when a read shows that they are flat.';
revoke all on function private.flatten_halted(uuid []) from public;

create function private.halt(
  p_scope text, p_user uuid, p_broker public.broker, p_account uuid, p_on boolean, p_reason text, p_flatten boolean
) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  v_accounts constant uuid [] := private.mark_halted(p_scope, p_user, p_broker, p_account, p_on, p_reason);
  v_ended integer := 0;
  v_events bigint [] := '{}';
begin
  if p_on then
    v_ended := private.stop_entries(v_accounts);
    if p_flatten then
      v_events := private.flatten_halted(v_accounts);
    else
      perform private.cancel_waiting_entries(v_accounts);
    end if;
  end if;
  return jsonb_build_object(
    'on', p_on, 'scope', p_scope, 'accounts', cardinality(v_accounts), 'ended', v_ended, 'events', to_jsonb(v_events)
  );
end
$$;
comment on function private.halt(text, uuid, public.broker, uuid, boolean, text, boolean) is
'The kill switch itself: no entry from this commit on, what waits is ended, pending entries are canceled or everything is '
'closed. events = the flattens that were begun.';
revoke all on function private.halt(text, uuid, public.broker, uuid, boolean, text, boolean) from public;

create function private.admin_kill_switch(p_on boolean, p_reason text, p_flatten boolean) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  v_answer jsonb;
begin
  perform private.require_admin(p_reason);
  if p_on is null or (p_flatten and not p_on) then
    perform private.refuse(422, 'invalid', 'The switch is on or off, and only what is switched on can flatten.');
  end if;
  v_answer := private.halt('system', null, null, null, p_on, p_reason, coalesce(p_flatten, false));
  insert into public.admin_actions (admin_user_id, actor, action, details)
  values ((select auth.uid()), private.actor(), 'admin_kill_switch', v_answer || jsonb_build_object('reason', p_reason));
  perform private.note(u.user_id, 'warning', case when p_on then 'system_halted' else 'system_released' end,
    case when p_on then format('The operator has halted trading: no entries, exits go on. %s', p_reason)
      else 'The operator allows trading again.' end, '{}')
  from (select distinct a.user_id from public.broker_accounts a) u;
  return v_answer;
end
$$;
comment on function private.admin_kill_switch(boolean, text, boolean) is 'public.admin_kill_switch, checked.';

create function public.admin_kill_switch(p_on boolean, p_reason text, p_flatten boolean default false) returns jsonb
language sql security invoker set search_path = '' as $$ select private.admin_kill_switch(p_on, p_reason, p_flatten) $$;
comment on function public.admin_kill_switch(boolean, text, boolean) is
'Admins: no entry on any account of anybody until released; exits go on, and with p_flatten everything is closed. Recorded.';
revoke all on function private.admin_kill_switch(boolean, text, boolean) from public, anon, authenticated, service_role;
revoke all on function public.admin_kill_switch(boolean, text, boolean) from public, anon, authenticated, service_role;
grant execute on function private.admin_kill_switch(boolean, text, boolean) to authenticated;
grant execute on function public.admin_kill_switch(boolean, text, boolean) to authenticated;
