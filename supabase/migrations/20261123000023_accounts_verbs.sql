-- Verbs: what a signed-in user may do beyond editing his own rows. public.<verb> is an invoker function and one call to
-- private.<verb>, a definer function that asks who it is, how sure we are, and whose row it is.
-- A refusal is SQLSTATE PTnnn (PostgREST answers HTTP nnn), a sentence as message, and a stable code as hint.

create function private.refuse(p_status integer, p_code text, p_message text) returns void
language plpgsql set search_path = '' as $$
begin
  raise exception using errcode = 'PT' || p_status, message = p_message, hint = p_code;
end
$$;
comment on function private.refuse(integer, text, text) is
'Ends the call with an HTTP status, a stable code (as hint) and a sentence.';
revoke all on function private.refuse(integer, text, text) from public;

create function private.me() returns uuid
language plpgsql stable security definer set search_path = '' as $$
declare
  who constant uuid := (select auth.uid());
begin
  if who is null or not exists (select 1 from public.profiles p where p.id = who and p.status <> 'deleted') then
    perform private.refuse(401, 'sign_in_required', 'Sign in first.');
  end if;
  return who;
end
$$;
comment on function private.me() is 'The signed-in user; refuses where there is none.';
revoke all on function private.me() from public;

create function private.require_step_up() returns void
language plpgsql stable security definer set search_path = '' as $$
begin
  if private.step_up() then
    return;
  elsif private.mfa_enrolled() then
    perform private.refuse(403, 'step_up_required',
      'Confirm with a new code from your authenticator app, then try again. A code counts for 15 minutes.');
  end if;
  perform private.refuse(403, 'second_factor_required',
    'This needs a second factor: set up an authenticator app in your security settings first.');
end
$$;
comment on function private.require_step_up() is 'Refuses unless the second factor was used in the last 15 minutes.';
revoke all on function private.require_step_up() from public;

create function private.any_live(p_account_ids uuid []) returns boolean
language sql stable security definer set search_path = '' as $$
  select exists (
    select 1 from public.broker_accounts a join public.broker_connections c on c.id = a.connection_id
    where a.id = any (p_account_ids) and c.environment = 'live'
  )
$$;
comment on function private.any_live(uuid []) is 'Whether real money is behind one of these accounts.';
revoke all on function private.any_live(uuid []) from public;

create function private.my_account(p_account_id uuid) returns public.broker_accounts
language plpgsql security definer set search_path = '' as $$
declare
  a public.broker_accounts;
begin
  select b.* into a from public.broker_accounts b
  where b.id = p_account_id and b.user_id = private.me() for no key update;
  if not found then
    perform private.refuse(404, 'not_found', 'You have no such account.');
  end if;
  return a;
end
$$;
comment on function private.my_account(uuid) is
'The user''s own account, locked; anybody else''s does not exist for him.';
revoke all on function private.my_account(uuid) from public;

create function private.note(p_user_id uuid, p_level public.log_level, p_type text, p_message text, p_details jsonb)
returns void
language plpgsql security definer set search_path = '' as $$
begin
  perform engine.note(p_user_id, p_level, p_type, p_message, p_details);
end
$$;
comment on function private.note(uuid, public.log_level, text, text, jsonb) is 'A line in the user''s own log.';
revoke all on function private.note(uuid, public.log_level, text, text, jsonb) from public;

create function private.connect_paper(
  p_label text, p_currency text, p_balance numeric, p_margin_mode public.margin_mode, p_server text
) returns uuid
language plpgsql security definer set search_path = '' as $$
declare
  c_most constant integer := 500;
  v_me constant uuid := private.me();
  v_connection uuid;
  v_account constant uuid := gen_random_uuid();
begin
  if p_balance is null or p_balance <= 0 or p_balance > 1000000000 then
    perform private.refuse(422, 'invalid', 'A paper account starts with more than 0 and at most 1,000,000,000.');
  elsif p_currency is null or p_currency !~ '^[A-Z]{3,5}$' then
    perform private.refuse(422, 'invalid', 'The currency is three to five capital letters, such as USD.');
  elsif char_length(p_label) > 80 then
    perform private.refuse(422, 'invalid', 'A label has at most 80 characters.');
  -- A name the operator has configured; never an address.
  elsif p_server !~ '^[A-Za-z0-9-]{1,32}$' then
    perform private.refuse(422, 'invalid', 'A server is a name of letters, digits and hyphens, such as SIM.');
  elsif (select count(*) from public.broker_accounts a where a.user_id = v_me and a.broker = 'paper') >= c_most then
    perform private.refuse(409, 'too_many', format('You have %s paper accounts, which is the most we keep.', c_most));
  end if;
  insert into public.broker_connections (user_id, broker, environment, server, login_label, status)
  values (v_me, 'paper', 'simulated', p_server, p_label, 'connected') returning id into v_connection;
  insert into public.broker_accounts (
    id, connection_id, user_id, broker, account_id, label, currency, margin_mode, trading_enabled, balance, equity,
    as_of, freshness, last_sync
  ) values (
    v_account, v_connection, v_me, 'paper', 'P' || upper(left(replace(v_account::text, '-', ''), 8)), p_label,
    p_currency, p_margin_mode, true, p_balance, p_balance, clock_timestamp(), 'fresh', clock_timestamp()
  );
  insert into engine.paper_accounts (account_id, balance, currency) values (v_account, p_balance, p_currency);
  return v_account;
end
$$;
comment on function private.connect_paper(text, text, numeric, public.margin_mode, text) is
'public.connect_paper, checked.';

create function private.enable_account(p_account_id uuid) returns void
language plpgsql security definer set search_path = '' as $$
declare
  a constant public.broker_accounts := private.my_account(p_account_id);
begin
  if private.any_live(array[a.id]) then
    perform private.require_step_up();
  end if;
  update public.broker_accounts set trading_enabled = true where id = a.id and not trading_enabled;
  if found then
    perform private.note(a.user_id, 'info', 'account_enabled',
      format('New entries are allowed on %s.', coalesce(a.label, a.account_id)),
      jsonb_build_object('account_id', a.id));
  end if;
end
$$;
comment on function private.enable_account(uuid) is 'public.enable_account, checked.';

create function private.disable_account(p_account_id uuid) returns void
language plpgsql security definer set search_path = '' as $$
declare
  a constant public.broker_accounts := private.my_account(p_account_id);
begin
  update public.broker_accounts set trading_enabled = false where id = a.id and trading_enabled;
  if found then
    perform private.note(a.user_id, 'warning', 'account_disabled',
      format('No new entries on %s; exits go on.', coalesce(a.label, a.account_id)),
      jsonb_build_object('account_id', a.id));
  end if;
end
$$;
comment on function private.disable_account(uuid) is 'public.disable_account, checked.';

create function private.lock_account(p_account_id uuid, p_until timestamptz, p_reason text) returns void
language plpgsql security definer set search_path = '' as $$
declare
  a constant public.broker_accounts := private.my_account(p_account_id);
  v_breach text;
begin
  if p_until is null or p_until <= clock_timestamp() then
    perform private.refuse(422, 'invalid', 'A lock ends in the future.');
  elsif char_length(p_reason) > 200 then
    perform private.refuse(422, 'invalid', 'The reason of a lock has at most 200 characters.');
  end if;
  -- An earlier end is a lift in disguise.
  if a.locked_until > clock_timestamp() and p_until < a.locked_until and private.any_live(array[a.id]) then
    perform private.require_step_up();
  end if;
  select b.rule into v_breach from engine.locks_of(a.id) b where b.until > p_until limit 1;
  if found then
    perform private.refuse(409, 'locked', format(
      'The limit %s locks this account for longer: its lock is lifted (lift_lock), not shortened.', replace(v_breach, '_', ' ')));
  end if;
  update public.broker_accounts set locked_until = p_until, lock_reason = p_reason where id = a.id;
  perform private.note(a.user_id, 'warning', 'account_locked',
    format('%s takes no entries until %s.', coalesce(a.label, a.account_id), p_until),
    jsonb_build_object('account_id', a.id, 'until', p_until, 'reason', p_reason));
end
$$;
comment on function private.lock_account(uuid, timestamptz, text) is 'public.lock_account, checked.';

create function private.unlock_account(p_account_id uuid) returns void
language plpgsql security definer set search_path = '' as $$
declare
  a constant public.broker_accounts := private.my_account(p_account_id);
begin
  if private.any_live(array[a.id]) then
    perform private.require_step_up();
  end if;
  if exists (select 1 from engine.locks_of(a.id)) then
    perform private.refuse(409, 'locked', 'A limit has locked this account: lift_lock asks whether it is still reached, and for a reason.');
  end if;
  update public.broker_accounts set locked_until = null, lock_reason = null
  where id = a.id and locked_until is not null;
  if found then
    perform private.note(a.user_id, 'warning', 'account_unlocked',
      format('The lock of %s was lifted.', coalesce(a.label, a.account_id)), jsonb_build_object('account_id', a.id));
  end if;
end
$$;
comment on function private.unlock_account(uuid) is 'public.unlock_account, checked.';

create function public.connect_paper(
  p_label text default null, p_currency text default 'USD', p_balance numeric default 100000,
  p_margin_mode public.margin_mode default 'netting', p_server text default null
) returns uuid
language sql security invoker set search_path = '' as $$
  select private.connect_paper(p_label, p_currency, p_balance, p_margin_mode, p_server)
$$;
comment on function public.connect_paper(text, text, numeric, public.margin_mode, text) is
'Opens a paper account: play money, the real road. Returns its id. Asks for nothing above a password.';
create function public.enable_account(p_account_id uuid) returns void
language sql security invoker set search_path = '' as $$ select private.enable_account(p_account_id) $$;
comment on function public.enable_account(uuid) is 'Allows new entries on an account. On a live account: step-up.';
create function public.disable_account(p_account_id uuid) returns void
language sql security invoker set search_path = '' as $$ select private.disable_account(p_account_id) $$;
comment on function public.disable_account(uuid) is 'No new entries on an account; exits go on. Always possible.';
create function public.lock_account(p_account_id uuid, p_until timestamptz, p_reason text default null) returns void
language sql security invoker set search_path = '' as $$
  select private.lock_account(p_account_id, p_until, p_reason)
$$;
comment on function public.lock_account(uuid, timestamptz, text) is
'No entries on an account until a moment. Always possible; shortening a lock of a live account: step-up.';
create function public.unlock_account(p_account_id uuid) returns void
language sql security invoker set search_path = '' as $$ select private.unlock_account(p_account_id) $$;
comment on function public.unlock_account(uuid) is 'Lifts the lock of an account. On a live account: step-up.';
