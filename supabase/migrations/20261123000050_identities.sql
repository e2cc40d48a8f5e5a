-- Locks, days and counters belong to the account at the broker, not to our row of it: whoever deletes the row and adds
-- the account again, or connects it a second time (another spelling of the login, another user), finds them again.
create table engine.account_identities (
  id bigint generated always as identity primary key,
  broker public.broker not null,
  environment public.environment not null,
  server text not null,
  login text not null,
  account_number text not null,
  accounts uuid [] not null,
  locked_until timestamptz,
  lock_reason text,
  initial_balance numeric,
  created_at timestamptz not null default clock_timestamp(),
  constraint one_identity_per_account_at_a_broker unique (broker, environment, server, login, account_number)
);
comment on table engine.account_identities is
'Accounts as the brokers know them: (broker, environment, server, login, number), and every row of ours that was one. '
'Never deleted.';
comment on column engine.account_identities.login is
'Lower case. Where no login is known (paper) our own id: such an account is play money that begins anew.';
comment on column engine.account_identities.locked_until is 'The lock of the account, whichever row got it.';
create index account_identities_accounts on engine.account_identities using gin (accounts);

create table engine.account_marks (
  account_id uuid primary key,
  token bigint,
  worker text,
  lease_until timestamptz,
  due_at timestamptz not null default clock_timestamp(),
  began_at timestamptz,
  woken_at timestamptz,
  answered_at timestamptz,
  read_at timestamptz,
  failures integer not null default 0,
  every_s numeric not null default 1,
  at timestamptz,
  balance numeric,
  equity numeric,
  margin_used numeric,
  is_flat boolean,
  base_at timestamptz,
  base_balance numeric,
  base_fill bigint not null default 0,
  base_positions text,
  stored_at timestamptz,
  high_close numeric,
  peak_equity numeric
) with (fillfactor = 50);
comment on table engine.account_marks is
'What an account was worth when it was last read, and who reads it next. Like its days it outlives the account.';
comment on column engine.account_marks.token is 'The fence of the reader: what an older lease has read is not written.';
comment on column engine.account_marks.every_s is
'Seconds between two reads while something is open: what the broker''s limits leave to looking.';
comment on column engine.account_marks.began_at is 'When the last read was begun.';
comment on column engine.account_marks.woken_at is
'When the broker last told that something has happened: a read that was begun before does not answer that.';
comment on column engine.account_marks.answered_at is 'When the last read that answers to that was begun.';
comment on column engine.account_marks.is_flat is 'Whether nothing was open at the mark; null = the mark did not say.';
comment on column engine.account_marks.base_at is
'The mark up to which the balance is explained by fills and flows; base_fill = the last fill in it.';
comment on column engine.account_marks.base_positions is 'What was open at the base, to see whether a trade lies in between.';
comment on column engine.account_marks.stored_at is 'When equity_history last got a row.';
comment on column engine.account_marks.high_close is 'The highest balance at the close of a day, since the account is watched.';
create index account_marks_due on engine.account_marks (due_at);
grant select, insert, update, delete on engine.account_identities, engine.account_marks to empire_engine;
grant usage on sequence engine.account_identities_id_seq to empire_engine;

create function engine.identity_of(p_account uuid) returns engine.account_identities
language plpgsql stable set search_path = '' as $$
begin
  return (select i from engine.account_identities i where i.accounts @> array[p_account] limit 1);
end
$$;
comment on function engine.identity_of(uuid) is 'The account at its broker that a row of ours is.';
alter function engine.identity_of(uuid) owner to empire_engine;

create function engine.inherit_days(p_account uuid, p_user uuid, p_before uuid []) returns void
language plpgsql set search_path = '' as $$
begin
  insert into engine.account_marks (account_id, at, balance, equity, is_flat, high_close, peak_equity)
  select p_account, m.at, m.balance, m.equity, m.is_flat, h.high_close, h.peak_equity
  from (
    select max(x.high_close) as high_close, max(x.peak_equity) as peak_equity
    from engine.account_marks x where x.account_id = any (p_before)
  ) h
  left join lateral (
    select x.* from engine.account_marks x where x.account_id = any (p_before) and x.at is not null
    order by x.at desc limit 1
  ) m on true
  on conflict (account_id) do nothing;
  if p_before = '{}' then
    return;
  end if;
  insert into engine.account_days (
    account_id, trading_day, trades, realised, began_at, ends_at, start_balance, start_equity, source, flows, high_water,
    low_water, close_balance, close_equity, net
  )
  select distinct on (d.trading_day) p_account, d.trading_day, d.trades, d.realised, d.began_at, d.ends_at,
    d.start_balance, d.start_equity, d.source, d.flows, d.high_water, d.low_water, d.close_balance, d.close_equity, d.net
  from engine.account_days d where d.account_id = any (p_before)
  order by d.trading_day, d.source nulls last, d.began_at
  on conflict (account_id, trading_day) do nothing;
  insert into engine.scope_counters (user_id, scope, trading_day, trades)
  select p_user, p_account::text, s.trading_day, max(s.trades) from engine.scope_counters s
  where s.scope = any (p_before::text []) and s.trading_day > current_date - 3 group by s.trading_day
  on conflict on constraint one_counter_per_scope_and_day do nothing;
end
$$;
comment on function engine.inherit_days(uuid, uuid, uuid []) is
'A new row of an account begins with the marks, the days and the last days'' counters that its earlier rows had.';
alter function engine.inherit_days(uuid, uuid, uuid []) owner to empire_engine;

create function engine.know_account() returns trigger
language plpgsql security definer set search_path = '' as $$
declare
  c public.broker_connections;
  i engine.account_identities;
begin
  if exists (
    select 1 from public.broker_accounts a where a.connection_id = new.connection_id and a.account_id = new.account_id
  ) then
    -- An `on conflict` of the caller: no new row.
    return new;
  end if;
  select b.* into c from public.broker_connections b where b.id = new.connection_id;
  insert into engine.account_identities as known (broker, environment, server, login, account_number, accounts)
  values (new.broker, c.environment, lower(coalesce(c.server, '')),
    case when new.broker = 'paper' then new.id::text else coalesce(lower(btrim(c.login_label)), new.id::text) end,
    new.account_id, array[new.id])
  on conflict on constraint one_identity_per_account_at_a_broker do update
  set accounts = known.accounts || excluded.accounts
  returning known.* into i;
  if i.locked_until > greatest(new.locked_until, clock_timestamp()) then
    new.locked_until := i.locked_until;
    new.lock_reason := i.lock_reason;
  end if;
  new.initial_balance := coalesce(i.initial_balance, new.initial_balance, case when new.balance > 0 then new.balance end);
  update engine.account_identities
  set initial_balance = new.initial_balance, locked_until = new.locked_until, lock_reason = new.lock_reason
  where id = i.id and (initial_balance, locked_until, lock_reason)
    is distinct from (new.initial_balance, new.locked_until, new.lock_reason);
  perform engine.inherit_days(new.id, new.user_id, array_remove(i.accounts, new.id));
  return new;
end
$$;
comment on function engine.know_account() is 'A row of an account that was here before begins with its lock and its past.';
alter function engine.know_account() owner to empire_engine;
create trigger know_account before insert on public.broker_accounts
for each row execute function engine.know_account();

create function engine.keep_lock() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  update engine.account_identities
  set locked_until = new.locked_until, lock_reason = new.lock_reason, initial_balance = new.initial_balance
  where accounts @> array[new.id];
  return null;
end
$$;
comment on function engine.keep_lock() is 'The account''s identity remembers its lock and what it began with.';
alter function engine.keep_lock() owner to empire_engine;
create trigger keep_lock after update of locked_until, lock_reason, initial_balance on public.broker_accounts
for each row when (
  (new.locked_until, new.lock_reason, new.initial_balance)
  is distinct from (old.locked_until, old.lock_reason, old.initial_balance)
) execute function engine.keep_lock();
