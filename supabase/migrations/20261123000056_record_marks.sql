-- What reads of accounts become, many at a time: a statement each for all of them. What happens on every day of every
-- account (the first read of a day, fills, money paid in or out) is the business of engine.advance, an account at a time.
create type engine.account_read as (
  account_id uuid, at timestamptz, balance numeric, equity numeric, margin_used numeric, is_flat boolean, positions text,
  every_s numeric, due_at timestamptz
);
comment on type engine.account_read is
'A read of an account that brought its money. positions = what was open, as one text; due_at = when it is read next by itself.';
create type engine.plain_read as (
  account_id uuid, at timestamptz, balance numeric, equity numeric, margin_used numeric, is_flat boolean, positions text,
  every_s numeric, due_at timestamptz, trading_day date, is_quiet boolean, is_extreme boolean, is_kept boolean
);
comment on type engine.plain_read is
'A read of an account whose day and balance are known: is_quiet = it is the new base, is_extreme = a new high or low of the '
'day, is_kept = equity_history gets it.';

create type engine.position_read as (
  id bigint, at timestamptz, side public.side, qty numeric, entry_price numeric, stop_loss numeric, take_profit numeric,
  unrealized_pnl numeric
);
comment on type engine.position_read is 'One of our positions as a read of its account told it.';

create function engine.every_s(p_account uuid, p_every_s numeric) returns numeric
language plpgsql stable set search_path = '' as $$
begin
  return p_every_s * (
    select greatest(1, count(*)) from public.broker_accounts a
    join public.broker_accounts b on b.connection_id = a.connection_id join engine.account_marks w on w.account_id = b.id
    where a.id = p_account and w.is_flat is false
  );
end
$$;
comment on function engine.every_s(uuid, numeric) is
'Seconds between two reads of an account that shares the limits of its broker with the others of its login: those on which '
'something is open take turns.';
alter function engine.every_s(uuid, numeric) owner to empire_engine;

create function engine.reads_in(p_marks jsonb) returns engine.account_read []
language plpgsql stable set search_path = '' as $$
begin
  return array(
    select row(
      x.account, x.at, x.balance, x.equity, x.margin_used, x.positions = '[]', h.held, e.every_s,
      least(engine.next_read(a.a, 0, x.positions = '[]', e.every_s), case when (
        select true from engine.naked n where n.account_id = x.account and n.ended_at is null limit 1
      ) then engine.naked_due(x.account) end)
    )::engine.account_read
    from jsonb_to_recordset(p_marks) as x (
      account uuid, freshness text, at timestamptz, balance numeric, equity numeric, margin_used numeric, every_s numeric,
      shares_limits boolean, positions jsonb
    )
    cross join lateral (select b as a from public.broker_accounts b where b.id = x.account limit 1) a
    cross join lateral (
      select case when x.shares_limits then engine.every_s(x.account, coalesce(x.every_s, 1)) else coalesce(x.every_s, 1) end as every_s
    ) e
    cross join lateral (
      select coalesce(string_agg(concat_ws(':', y.venue_position_id, y.side, trim_scale(y.qty)), ',' order by y.venue_position_id), '')
        as held
      from jsonb_to_recordset(x.positions) as y (venue_position_id text, side text, qty numeric)
    ) h
    where x.freshness = 'fresh' and x.balance is not null and x.equity is not null order by x.account
  );
end
$$;
comment on function engine.reads_in(jsonb) is 'Those of the marks that brought money, by account.';
alter function engine.reads_in(jsonb) owner to empire_engine;

create function engine.mark_positions(p_marks jsonb) returns void
language plpgsql set search_path = '' as $$
declare
  c_accounts constant uuid [] := array(select x.account from jsonb_to_recordset(p_marks) as x (account uuid));
  -- Each is found by a look-up of its own: a plan made when the table was small would hold every mark against every open
  -- position. For the same reason it is said below whose positions can be meant at all.
  c_reads constant engine.position_read [] := array(
    select row(k.id, x.at, y.side, y.qty, y.entry_price, y.stop_loss, y.take_profit, y.unrealized_pnl)::engine.position_read
    from jsonb_to_recordset(p_marks) as x (account uuid, at timestamptz, positions jsonb)
    cross join lateral jsonb_to_recordset(x.positions) as y (
      venue_position_id text, side public.side, qty numeric, entry_price numeric, stop_loss numeric, take_profit numeric,
      unrealized_pnl numeric
    )
    cross join lateral (
      select q.id from public.positions q where q.account_id = x.account and q.venue_position_id = y.venue_position_id limit 1
    ) k
  );
begin
  -- What the broker says of value and protection is taken as said. Positions it does not name, or that we do not know, are
  -- left to whoever compares the books: here nothing opens or closes.
  update public.positions p
  set unrealized_pnl = s.unrealized_pnl, stop_loss = s.stop_loss, take_profit = s.take_profit, as_of = s.at, freshness = 'fresh',
    version = p.version + 1,
    -- A broker averages over fills in its own way, and its profit counts from that. Of the same quantity only.
    entry_price = case when p.side = s.side and p.qty = s.qty then coalesce(nullif(s.entry_price, 0), p.entry_price)
      else p.entry_price end, extremes_of = p.opened_at,
    worst_pnl = least(s.unrealized_pnl, case when p.extremes_of = p.opened_at then p.worst_pnl end),
    best_pnl = greatest(s.unrealized_pnl, case when p.extremes_of = p.opened_at then p.best_pnl end)
  from unnest(c_reads) s
  where p.id = s.id and p.account_id = any (c_accounts) and p.closed_at is null
    -- A fill that was recorded after the read makes it old.
    and p.as_of < s.at;
end
$$;
comment on function engine.mark_positions(jsonb) is
'Value, protection and average price of positions as a read told them, and the extremes of their value since they were opened.';
alter function engine.mark_positions(jsonb) owner to empire_engine;

create function engine.plain_reads(p_reads engine.account_read []) returns engine.plain_read []
language plpgsql stable set search_path = '' as $$
begin
  return array(
    select row(
      m.account_id, m.at, m.balance, m.equity, m.margin_used, m.is_flat, m.positions, m.every_s, m.due_at, d.trading_day,
      q.is_quiet, x.is_extreme, x.is_extreme or k.stored_at is null or m.at - k.stored_at >= case
        when (m.equity, m.balance) is distinct from (k.equity, k.balance) or not m.is_flat then interval '60 seconds'
        else interval '1 hour' end
    )::engine.plain_read
    from unnest(p_reads) m
    cross join lateral (
      select b.timezone, b.reset_time, engine.trading_day(b.timezone, b.reset_time, m.at) as day
      from public.broker_accounts b where b.id = m.account_id limit 1
    ) a
    cross join lateral (select w.* from engine.account_marks w where w.account_id = m.account_id limit 1) k
    cross join lateral (
      select e.* from engine.account_days e where e.account_id = m.account_id and e.trading_day = a.day limit 1
    ) d
    cross join lateral (select engine.is_quiet(m.account_id, m.at) as is_quiet) q
    cross join lateral (select (d.high_water >= m.equity and d.low_water <= m.equity) is not true as is_extreme) x
    where (m.at < k.at) is not true and d.began_at = engine.day_began(a.timezone, a.reset_time, a.day)
      and (k.base_at is null or not q.is_quiet or abs(m.balance - k.base_balance) < 0.01)
      and (select true from public.fills f where f.account_id = m.account_id and f.id > k.base_fill limit 1) is null
  );
end
$$;
comment on function engine.plain_reads(engine.account_read []) is
'Those reads that open no day and bring no fill and no money paid in or out: for them engine.advance would only note the figures.';
alter function engine.plain_reads(engine.account_read []) owner to empire_engine;

create function engine.due_after(w engine.account_marks, p_due_at timestamptz) returns timestamptz
language plpgsql stable set search_path = '' as $$
begin
  return case
    when w.woken_at > w.began_at then clock_timestamp()
    -- Lists may lag behind what was told.
    when w.woken_at > clock_timestamp() - interval '12 seconds' then least(p_due_at, clock_timestamp() + interval '1 second')
    else least(p_due_at, (
      select r.believed_at from engine.reconciled r where r.account_id = w.account_id and r.believed_at > clock_timestamp()
    ))
  end;
end
$$;
comment on function engine.due_after(engine.account_marks, timestamptz) is
'When an account is read next after a read: at once when something has happened since it began, soon when that was lately, and when '
'what it has left in doubt can be settled.';
alter function engine.due_after(engine.account_marks, timestamptz) owner to empire_engine;

create function engine.note_plain(p_reads engine.plain_read []) returns void
language plpgsql set search_path = '' as $$
declare
  -- Whatever the plan was made for: no more of a table is looked at than these.
  c_accounts constant uuid [] := array(select m.account_id from unnest(p_reads) m);
begin
  update engine.account_days d
  set high_water = greatest(d.high_water, m.equity), low_water = least(d.low_water, m.equity)
  from unnest(p_reads) m
  where m.is_extreme and d.account_id = m.account_id and d.trading_day = m.trading_day and d.account_id = any (c_accounts);
  insert into public.equity_history (user_id, broker, account_id, equity, balance, unrealized_pnl, timestamp)
  select a.user_id, a.broker, a.id, m.equity, m.balance, m.equity - m.balance, m.at
  from unnest(p_reads) m join public.broker_accounts a on a.id = m.account_id and a.id = any (c_accounts)
  where m.is_kept;
  update engine.account_marks w
  set at = m.at, balance = m.balance, equity = m.equity, margin_used = m.margin_used, is_flat = m.is_flat,
    peak_equity = greatest(w.peak_equity, m.equity), stored_at = case when m.is_kept then m.at else w.stored_at end,
    base_at = case when m.is_quiet then m.at else w.base_at end,
    base_balance = case when m.is_quiet then m.balance else w.base_balance end,
    base_positions = case when m.is_quiet then m.positions else w.base_positions end,
    failures = 0, read_at = m.at, token = null, lease_until = null, every_s = m.every_s, due_at = engine.due_after(w, m.due_at)
  from unnest(p_reads) m where w.account_id = m.account_id and w.account_id = any (c_accounts);
end
$$;
comment on function engine.note_plain(engine.plain_read []) is
'What engine.advance and the end of a read do for plain reads, all at once: extremes of the day, equity_history, the last mark.';
alter function engine.note_plain(engine.plain_read []) owner to empire_engine;

create function engine.note_read(m engine.account_read) returns void
language plpgsql set search_path = '' as $$
declare
  a public.broker_accounts;
begin
  select b.* into a from public.broker_accounts b where b.id = m.account_id;
  perform engine.advance(a, row(m.at, m.balance, m.equity, m.margin_used, m.is_flat, m.positions)::engine.mark);
  update engine.account_marks w
  set failures = 0, read_at = m.at, token = null, lease_until = null, every_s = m.every_s, due_at = engine.due_after(w, m.due_at)
  where w.account_id = m.account_id;
end
$$;
comment on function engine.note_read(engine.account_read) is
'One read that is not plain: the day, its money, and when to read next. The caller holds the account.';
alter function engine.note_read(engine.account_read) owner to empire_engine;

create function engine.note_unread(p_account uuid, p_freshness public.freshness) returns void
language plpgsql set search_path = '' as $$
declare
  a public.broker_accounts;
begin
  select b.* into a from public.broker_accounts b where b.id = p_account;
  perform engine.fade(a, p_freshness);
  update engine.account_marks
  set failures = failures + 1, token = null, lease_until = null, due_at = engine.next_read(a, failures + 1, null, every_s)
  where account_id = p_account;
end
$$;
comment on function engine.note_unread(uuid, public.freshness) is
'A read that failed: what is known is worth no more than that, and when to read next. The caller holds the account.';
alter function engine.note_unread(uuid, public.freshness) owner to empire_engine;

create function engine.record_marks(p_marks jsonb) returns void
language plpgsql security definer
set search_path = '' set plan_cache_mode = force_generic_plan
set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off as $$
declare
  v_accounts uuid [] := array(select x.account from jsonb_to_recordset(p_marks) as x (account uuid));
  v_held jsonb;
  v_reads engine.account_read [];
  v_plain engine.plain_read [];
  r record;
begin
  perform set_config('synchronous_commit', 'off', true);
  perform from public.broker_accounts b where b.id = any (v_accounts) order by b.id for no key update;
  -- Whoever wakes accounts locks these, in the same order.
  perform from engine.account_marks w where w.account_id = any (v_accounts) order by w.account_id for update;
  select jsonb_agg(x.said) into v_held from jsonb_array_elements(p_marks) as x (said)
  cross join lateral (
    select w.token from engine.account_marks w where w.account_id = (x.said ->> 'account')::uuid limit 1
  ) w where w.token = (x.said ->> 'token')::bigint;
  if v_held is null then
    return;
  end if;
  v_reads := engine.reads_in(v_held);
  perform engine.mark_positions(v_held);
  update public.broker_accounts a
  set balance = m.balance, equity = m.equity, as_of = m.at, freshness = 'fresh', last_sync = clock_timestamp(),
    version = a.version + 1, updated_at = clock_timestamp()
  from unnest(v_reads) m
  where a.id = m.account_id and a.id = any (v_accounts) and (a.as_of is null or a.as_of <= m.at);
  v_plain := engine.plain_reads(v_reads);
  perform engine.note_plain(v_plain);
  perform engine.note_read(m) from unnest(v_reads) m
  where m.account_id <> all (array(select x.account_id from unnest(v_plain) x));
  perform engine.note_unread(x.account, coalesce(x.freshness, 'stale'))
  from jsonb_to_recordset(v_held) as x (account uuid, freshness public.freshness, balance numeric, equity numeric)
  where x.balance is null or x.equity is null or x.freshness is distinct from 'fresh' order by x.account;
end
$$;
comment on function engine.record_marks(jsonb) is
'What accounts were worth when they were read: money, value and protection of positions, the day''s extremes, a new day '
'at the reset. Only under the tokens that watched_accounts gave. Decides nothing.';
alter function engine.record_marks(jsonb) owner to empire_engine;
revoke all on function engine.record_marks(jsonb) from public;
grant execute on function engine.record_marks(jsonb) to empire_worker;
