-- Trading by hand: everything goes through the same inbox and queue as an alert.

create function private.accounts_named(p_user_id uuid, p_names jsonb) returns uuid []
language plpgsql stable security definer set search_path = '' as $$
declare
  v_accounts uuid [];
begin
  if coalesce(jsonb_typeof(p_names), 'null') = 'null' then
    select array_agg(a.id) into v_accounts from public.broker_accounts a where a.user_id = p_user_id;
    if cardinality(v_accounts) > 1 then
      perform private.refuse(422, 'invalid', 'You have several accounts: say in "accounts" which ones are meant.');
    end if;
  elsif jsonb_typeof(p_names) <> 'array' then
    perform private.refuse(422, 'invalid', '"accounts" is a list of account ids, numbers or labels.');
  else
    select array_agg(distinct a.id) into v_accounts
    from jsonb_array_elements_text(p_names) n
    join public.broker_accounts a on a.user_id = p_user_id and n in (a.id::text, a.account_id, a.label);
    if exists (
      select 1 from jsonb_array_elements_text(p_names) n where not exists (
        select 1 from public.broker_accounts a where a.user_id = p_user_id and n in (a.id::text, a.account_id, a.label)
      )
    ) then
      v_accounts := null;
    end if;
  end if;
  if v_accounts is null then
    perform private.refuse(404, 'not_found', 'You have no such account.');
  end if;
  return v_accounts;
end
$$;
comment on function private.accounts_named(uuid, jsonb) is
'The user''s accounts by id, number or label; none named = his only account.';
revoke all on function private.accounts_named(uuid, jsonb) from public;

create function private.check_trading_session(p_account_ids uuid [], p_exit boolean) returns void
language plpgsql stable security definer set search_path = '' as $$
begin
  if not private.any_live(p_account_ids) then
    return;
  elsif not private.session_is_strong_enough() then
    perform private.refuse(403, 'aal2_required', 'Sign in with your authenticator app to trade on live accounts.');
  elsif not p_exit and not private.mfa_enrolled() then
    perform private.refuse(403, 'second_factor_required',
      'Live accounts need a second factor: set up an authenticator app in your security settings first.');
  end if;
end
$$;
comment on function private.check_trading_session(uuid [], boolean) is
'Live accounts: entries want a second factor, exits want it where it is enrolled. Paper accounts want nothing.';
revoke all on function private.check_trading_session(uuid [], boolean) from public;

create function private.submit_intent(p_intent jsonb, p_idempotency_key text, p_source text) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  v_me constant uuid := private.me();
  v_exit constant boolean := coalesce(p_intent ->> 'action', 'open') in ('close', 'reduce', 'cancel', 'flatten');
  v_accounts uuid [];
  v_answer jsonb;
begin
  if jsonb_typeof(p_intent) is distinct from 'object' then
    perform private.refuse(422, 'invalid', 'An intent is an object such as {"action": "open", "side": "buy", ...}.');
  elsif coalesce(p_source, '') not in ('dashboard', 'cli') then
    perform private.refuse(422, 'invalid', 'The source is dashboard or cli.');
  elsif char_length(p_idempotency_key) not between 1 and 128 then
    perform private.refuse(422, 'invalid', 'An idempotency key has 1 to 128 characters.');
  end if;
  v_accounts := private.accounts_named(v_me, p_intent -> 'accounts');
  perform private.check_trading_session(v_accounts, v_exit);
  v_answer := engine.accept_intent(jsonb_build_object(
    'user_id', v_me, 'source', p_source, 'intent', p_intent - 'accounts', 'idempotency_key', p_idempotency_key,
    'accounts', to_jsonb(v_accounts), 'aal2', coalesce((select auth.jwt()) ->> 'aal' = 'aal2', false)
  ));
  if (v_answer ->> 'http')::integer <> 202 then
    perform private.refuse((v_answer ->> 'http')::integer, v_answer ->> 'error', v_answer ->> 'message');
  end if;
  return v_answer;
exception when data_exception then
  perform private.refuse(422, 'invalid', format('The intent cannot be read: %s.', sqlerrm));
end
$$;
comment on function private.submit_intent(jsonb, text, text) is 'public.submit_intent, checked.';

create function private.flatten(p_account_ids uuid [], p_source text) returns jsonb
language sql security definer set search_path = '' as $$
  select private.submit_intent(jsonb_build_object('action', 'flatten', 'accounts', coalesce(
    to_jsonb(p_account_ids),
    (select jsonb_agg(a.id) from public.broker_accounts a where a.user_id = private.me()), '[]'
  )), null, p_source)
$$;
comment on function private.flatten(uuid [], text) is 'public.flatten, checked.';

create function private.close_position(p_position_id bigint) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  p public.positions;
begin
  select o.* into p from public.positions o
  where o.id = p_position_id and o.user_id = private.me() and o.closed_at is null;
  if not found then
    perform private.refuse(404, 'not_found', 'You have no such open position.');
  end if;
  -- The side is that of the order: what closes a long is a sell.
  return private.submit_intent(jsonb_build_object(
    'action', 'close', 'symbol', p.symbol, 'side', case p.side when 'buy' then 'sell' else 'buy' end,
    'scope', 'symbol', 'accounts', jsonb_build_array(p.account_id)
  ), null, 'dashboard');
end
$$;
comment on function private.close_position(bigint) is 'public.close_position, checked.';

create function private.cancel_order(p_order_id bigint) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  o public.orders;
begin
  select w.* into o from public.orders w where w.id = p_order_id and w.user_id = private.me();
  if not found then
    perform private.refuse(404, 'not_found', 'You have no such order.');
  elsif o.status in ('filled', 'canceled', 'rejected', 'expired') then
    perform private.refuse(409, 'order_is_done', format('The order is %s already.', o.status));
  end if;
  return private.submit_intent(jsonb_build_object(
    'action', 'cancel', 'symbol', coalesce(o.tv_symbol, o.symbol), 'order_id', o.id::text, 'scope', 'symbol',
    'accounts', jsonb_build_array(o.account_id)
  ), null, 'dashboard');
end
$$;
comment on function private.cancel_order(bigint) is 'public.cancel_order, checked.';

create function public.submit_intent(
  intent jsonb, idempotency_key text default null, p_source text default 'dashboard'
) returns jsonb
language sql security invoker set search_path = '' as $$
  select private.submit_intent(intent, idempotency_key, p_source)
$$;
comment on function public.submit_intent(jsonb, text, text) is
'What an alert can say, said by a person: into the same inbox and queue. Returns event_id, status, deliveries.';
create function public.flatten(p_account_ids uuid [] default null, p_source text default 'dashboard') returns jsonb
language sql security invoker set search_path = '' as $$ select private.flatten(p_account_ids, p_source) $$;
comment on function public.flatten(uuid [], text) is
'Closes every position and cancels every order of the accounts (none named = all), before anything else.';
create function public.close_position(p_position_id bigint) returns jsonb
language sql security invoker set search_path = '' as $$ select private.close_position(p_position_id) $$;
comment on function public.close_position(bigint) is
'Closes the position''s side of its symbol on its account, before anything else that waits.';
create function public.cancel_order(p_order_id bigint) returns jsonb
language sql security invoker set search_path = '' as $$ select private.cancel_order(p_order_id) $$;
comment on function public.cancel_order(bigint) is
'Cancels an entry that has not filled.';
