-- An account's days: what it was worth at the reset, what was paid in and out since, its extremes and its close. All of
-- it from marks (money read at a moment). Where the reset was not seen and cannot be rebuilt, it is not known, and says so.
create type engine.mark as (
  at timestamptz, balance numeric, equity numeric, margin_used numeric, is_flat boolean, positions text
);
comment on type engine.mark is
'Money of an account as read at a moment; positions = what was open, as one text (null = the read did not say).';
create type engine.day_start as (balance numeric, equity numeric, source text, is_mark boolean);
comment on type engine.day_start is
'Money at a reset and how it is known; is_mark = it is the mark itself, so what was paid in before it belongs to the day before.';

create function engine.net_of(f public.fills) returns numeric
language sql immutable set search_path = '' as $$
  select f.realised - f.commission - f.swap - f.fee
$$;
comment on function engine.net_of(public.fills) is 'What a fill has added to the balance: result less costs.';
alter function engine.net_of(public.fills) owner to empire_engine;

create function engine.net_between(p_account uuid, p_after timestamptz, p_until timestamptz) returns numeric
language plpgsql stable set search_path = '' as $$
begin
  return (
    select coalesce(sum(engine.net_of(f)), 0) from public.fills f
    where f.account_id = p_account and f.filled_at > p_after and f.filled_at <= p_until
  );
end
$$;
comment on function engine.net_between(uuid, timestamptz, timestamptz) is 'What the fills of a time have added to the balance.';
alter function engine.net_between(uuid, timestamptz, timestamptz) owner to empire_engine;

create function engine.find_start(a public.broker_accounts, k engine.account_marks, m engine.mark, p_began timestamptz)
returns engine.day_start
language plpgsql stable set search_path = '' as $$
declare
  c_near constant interval := '60 seconds';
  h public.equity_history;
  v_balance numeric;
begin
  if k.at between p_began - c_near and p_began and (m.at - p_began > p_began - k.at) is not false then
    return row(k.balance, k.equity, 'seen', false)::engine.day_start;
  elsif m.at - p_began <= c_near then
    return row(m.balance, m.equity, 'seen', true)::engine.day_start;
  end if;
  select e.* into h from public.equity_history e
  where e.account_id = a.id and e.timestamp between p_began - c_near and p_began + c_near
  order by abs(extract(epoch from e.timestamp - p_began)) limit 1;
  if found then
    return row(h.balance, h.equity, 'rebuilt', false)::engine.day_start;
  elsif k.at < p_began and k.is_flat and engine.was_flat(a.id, k.at, p_began)
    and abs(m.balance - k.balance - engine.net_between(a.id, k.at, m.at)) < 0.01 then
    -- Flat before, flat at the reset, and fills explain every cent since: so the balance then is known.
    v_balance := k.balance + engine.net_between(a.id, k.at, p_began);
    return row(v_balance, v_balance, 'rebuilt', false)::engine.day_start;
  elsif a.broker = 'paper' and m.balance is not null then
    -- Its book is ours: nobody else trades there, so its fills are all there is.
    v_balance := m.balance - engine.net_between(a.id, p_began, m.at);
    return row(v_balance, v_balance + (
      select coalesce(sum(p.unrealized_pnl), 0) from public.positions p
      where p.account_id = a.id and p.closed_at is null and p.opened_at <= p_began
    ), 'rebuilt', false)::engine.day_start;
  end if;
  return null;
end
$$;
comment on function engine.find_start(public.broker_accounts, engine.account_marks, engine.mark, timestamptz) is
'What an account was worth at a reset: by the nearest mark within a minute, else rebuilt from history or from fills '
'where they suffice. k = the mark before m. Null = it cannot be known.';
alter function engine.find_start(public.broker_accounts, engine.account_marks, engine.mark, timestamptz) owner to empire_engine;

create function engine.was_flat(p_account uuid, p_since timestamptz, p_at timestamptz) returns boolean
language plpgsql stable set search_path = '' as $$
begin
  return (
    select true from public.fills f
    where f.account_id = p_account and f.filled_at > p_since and f.filled_at <= p_at
    group by f.position_id having sum(case f.effect when 'open' then f.qty else -f.qty end) <> 0 limit 1
  ) is null;
end
$$;
comment on function engine.was_flat(uuid, timestamptz, timestamptz) is
'Whether nothing was open at a moment, on an account that was flat at an earlier one.';
alter function engine.was_flat(uuid, timestamptz, timestamptz) owner to empire_engine;

create function engine.is_quiet(p_account uuid, p_at timestamptz) returns boolean
language plpgsql stable set search_path = '' as $$
begin
  return (
    select true from engine.commands c
    where c.account_id = p_account and c.state in ('pending', 'submitting', 'unknown') limit 1
  ) is null and (
    select true from (
      select f.created_at, f.filled_at from public.fills f where f.account_id = p_account order by f.id desc limit 20
    ) f
    where greatest(f.created_at, f.filled_at) > p_at - interval '3 seconds' limit 1
  ) is null;
end
$$;
comment on function engine.is_quiet(uuid, timestamptz) is
'Whether a balance read at a moment can be compared with our fills: nothing is under way and nothing has just filled.';
alter function engine.is_quiet(uuid, timestamptz) owner to empire_engine;

create function engine.flow_in(k engine.account_marks, m engine.mark, p_new numeric) returns numeric
language plpgsql immutable set search_path = '' as $$
declare
  v_rest constant numeric := m.balance - k.base_balance - p_new;
  v_same constant boolean := m.positions = k.base_positions;
  v_gap constant interval := m.at - k.base_at;
begin
  -- A limit on losses must not be talked away: what falls is a loss unless no trade can lie in between, what rises was
  -- paid in unless a trade was closed in between.
  if abs(v_rest) < 0.01 then
    return 0;
  elsif v_rest > 0 then
    return case when v_same or v_gap > interval '10 minutes' then v_rest else 0 end;
  end if;
  return case when v_same and m.is_flat and v_gap <= interval '60 seconds' then v_rest else 0 end;
end
$$;
comment on function engine.flow_in(engine.account_marks, engine.mark, numeric) is
'How much of the change of a balance since the base was paid in (or out, negative): what fills (p_new) do not explain.';
alter function engine.flow_in(engine.account_marks, engine.mark, numeric) owner to empire_engine;

create function engine.settle_flows(a public.broker_accounts, k engine.account_marks, m engine.mark, p_day date)
returns engine.account_marks
language plpgsql set search_path = '' as $$
declare
  v_flow numeric := 0;
  r record;
begin
  if m.positions is null or not engine.is_quiet(a.id, m.at) then
    return k;
  end if;
  -- A fill told late was in the base already, where it may have looked like money paid in or out.
  select coalesce(max(f.id), k.base_fill) as last, coalesce(sum(engine.net_of(f)) filter (where t.is_late), 0) as late,
    coalesce(sum(engine.net_of(f)) filter (where not t.is_late), 0) as new into r
  from public.fills f cross join lateral (select f.filled_at <= k.base_at - interval '3 seconds' as is_late) t
  where f.account_id = a.id and f.id > k.base_fill;
  if k.base_at is not null then
    if abs(m.balance - k.base_balance - r.new) >= 0.01 then
      -- Perhaps by a trade that opened and closed between two reads, whose fills the broker is slow to list.
      perform engine.look_again(a.id, m.at);
    end if;
    v_flow := engine.flow_in(k, m, r.new);
    if v_flow <> 0 then
      perform engine.tell_flow(a, v_flow);
    end if;
    if v_flow <> 0 or r.late <> 0 then
      update engine.account_days d
      set flows = d.flows + v_flow - case when r.late > 0 then least(r.late, greatest(d.flows, 0))
        else greatest(r.late, least(d.flows, 0)) end
      where d.account_id = a.id and d.trading_day = p_day;
    end if;
  end if;
  k.base_at := m.at;
  k.base_balance := m.balance;
  k.base_fill := r.last;
  k.base_positions := m.positions;
  return k;
end
$$;
comment on function engine.settle_flows(public.broker_accounts, engine.account_marks, engine.mark, date) is
'Adds to the day what was paid in or out since the base, and makes the mark the new base.';
alter function engine.settle_flows(public.broker_accounts, engine.account_marks, engine.mark, date) owner to empire_engine;

create function engine.tell_flow(a public.broker_accounts, p_flow numeric) returns void
language plpgsql set search_path = '' as $$
begin
  perform engine.note(a.user_id, 'info', 'money_moved', format(
    '%s %s were %s %s: neither a profit nor a loss of the day.', round(abs(p_flow), 2), a.currency,
    case when p_flow > 0 then 'paid in to' else 'paid out of' end, coalesce(a.label, a.account_id)
  ), jsonb_build_object('account_id', a.id, 'amount', p_flow));
end
$$;
comment on function engine.tell_flow(public.broker_accounts, numeric) is 'The trader sees what was taken for a deposit or a withdrawal.';
alter function engine.tell_flow(public.broker_accounts, numeric) owner to empire_engine;

create function engine.close_days(a public.broker_accounts, k engine.account_marks, p_day date, s engine.day_start)
returns void
language plpgsql set search_path = '' as $$
declare
  c_began constant timestamptz := engine.day_began(a.timezone, a.reset_time, p_day);
  d engine.account_days;
  v_close numeric;
begin
  select x.* into d from engine.account_days x
  where x.account_id = a.id and x.trading_day < p_day and x.began_at is not null order by x.trading_day desc limit 1;
  if found and d.close_balance is null then
    v_close := case when d.ends_at = c_began and s.balance is not null then s.balance
      else k.balance + engine.net_between(a.id, k.at, d.ends_at) end;
    update engine.account_days
    set close_balance = v_close, close_equity = case when d.ends_at = c_began then coalesce(s.equity, k.equity) else k.equity end,
      net = v_close - d.start_balance - d.flows
    where account_id = a.id and trading_day = d.trading_day;
    update engine.account_marks set high_close = greatest(high_close, v_close) where account_id = a.id;
  end if;
  -- Days that nobody watched have their fills.
  insert into engine.account_days as t (account_id, trading_day, net)
  select a.id, x.day, sum(x.net) from (
    select engine.trading_day(a.timezone, a.reset_time, f.filled_at) as day, engine.net_of(f) as net from public.fills f
    where f.account_id = a.id and f.filled_at >= d.ends_at and f.filled_at < c_began
  ) x where x.day < p_day group by x.day
  on conflict (account_id, trading_day) do update set net = excluded.net where t.began_at is null;
end
$$;
comment on function engine.close_days(public.broker_accounts, engine.account_marks, date, engine.day_start) is
'Closes the days before this one: the last that was open by what the account was worth at its end, the others by fills.';
alter function engine.close_days(public.broker_accounts, engine.account_marks, date, engine.day_start) owner to empire_engine;

create function engine.open_day(
  a public.broker_accounts, k engine.account_marks, m engine.mark, p_day date, s engine.day_start
) returns void
language plpgsql set search_path = '' as $$
declare
  c_week constant date := p_day - extract(dow from p_day)::integer;
  w engine.day_start;
begin
  perform engine.close_days(a, k, p_day, s);
  if c_week < p_day and (
    select d.source from engine.account_days d where d.account_id = a.id and d.trading_day = c_week
  ) is null then
    -- The week begins with its first day, which nobody watched: perhaps it can still be known.
    w := engine.find_start(a, k, m, engine.day_began(a.timezone, a.reset_time, c_week));
    if w is not null then
      perform engine.put_day(a, c_week, w, null);
    end if;
  end if;
  perform engine.put_day(a, p_day, s, m.equity);
  update engine.account_marks
  set high_close = greatest(high_close, s.balance), peak_equity = greatest(peak_equity, s.equity) where account_id = a.id;
end
$$;
comment on function engine.open_day(public.broker_accounts, engine.account_marks, engine.mark, date, engine.day_start) is
'A new trading day begins: the one before is closed, the start is what is known of it.';

create function engine.had_flows(a public.broker_accounts, p_day date) returns boolean
language plpgsql stable set search_path = '' as $$
begin
  return exists (
    select 1 from engine.account_days d
    where d.account_id = a.id and d.flows <> 0 and d.ends_at > engine.day_began(a.timezone, a.reset_time, p_day)
  );
end
$$;
comment on function engine.had_flows(public.broker_accounts, date) is
'Whether something was paid in or out in days that reach into this one: after a change of zone or reset nobody knows on '
'which side of the new reset that was.';
alter function engine.had_flows(public.broker_accounts, date) owner to empire_engine;

create function engine.put_day(a public.broker_accounts, p_day date, s engine.day_start, p_equity numeric) returns void
language sql set search_path = '' as $$
  insert into engine.account_days as d (
    account_id, trading_day, began_at, ends_at, start_balance, start_equity, source, high_water, low_water
  ) values (
    a.id, p_day, engine.day_began(a.timezone, a.reset_time, p_day), engine.day_began(a.timezone, a.reset_time, p_day + 1),
    s.balance, s.equity, s.source, greatest(s.equity, p_equity), least(s.equity, p_equity)
  )
  on conflict (account_id, trading_day) do update
  set began_at = excluded.began_at, ends_at = excluded.ends_at, start_balance = excluded.start_balance,
    start_equity = excluded.start_equity, source = excluded.source, high_water = excluded.high_water,
    low_water = excluded.low_water, flows = case when d.began_at = excluded.began_at then d.flows else 0 end
$$;
comment on function engine.put_day(public.broker_accounts, date, engine.day_start, numeric) is 'The row of a trading day as it begins.';
alter function engine.put_day(public.broker_accounts, date, engine.day_start, numeric) owner to empire_engine;
alter function engine.open_day(public.broker_accounts, engine.account_marks, engine.mark, date, engine.day_start)
owner to empire_engine;

create function engine.advance(a public.broker_accounts, m engine.mark) returns void
language plpgsql set search_path = '' as $$
declare
  c_day constant date := engine.trading_day(a.timezone, a.reset_time, m.at);
  k engine.account_marks;
  d engine.account_days;
  s engine.day_start;
  v_is_new boolean;
begin
  select x.* into k from engine.account_marks x where x.account_id = a.id for update;
  if not found or m.at < k.at then
    return;
  end if;
  select x.* into d from engine.account_days x where x.account_id = a.id and x.trading_day = c_day;
  v_is_new := d.began_at is distinct from engine.day_began(a.timezone, a.reset_time, c_day);
  if v_is_new then
    perform engine.keep_end(a, k);
    if d.began_at is null or not engine.had_flows(a, c_day) then
      s := engine.find_start(a, k, m, engine.day_began(a.timezone, a.reset_time, c_day));
    end if;
    if s.is_mark then
      k := engine.settle_flows(a, k, m, engine.trading_day(a.timezone, a.reset_time, k.at));
    end if;
    perform engine.open_day(a, k, m, c_day, s);
  end if;
  k := engine.settle_flows(a, k, m, c_day);
  update engine.account_days
  set high_water = greatest(high_water, m.equity), low_water = least(low_water, m.equity)
  where account_id = a.id and trading_day = c_day and not (high_water >= m.equity and low_water <= m.equity) is true;
  perform engine.put_mark(a, k, m, found or v_is_new);
end
$$;
comment on function engine.advance(public.broker_accounts, engine.mark) is
'What a mark means for the account''s day: opened at the reset, money paid in or out, extremes. The caller holds the account.';

create function engine.keep_end(a public.broker_accounts, k engine.account_marks) returns void
language plpgsql set search_path = '' as $$
begin
  insert into public.equity_history (user_id, broker, account_id, equity, balance, unrealized_pnl, timestamp)
  select a.user_id, a.broker, a.id, k.equity, k.balance, k.equity - k.balance, k.at
  where k.at > k.stored_at and k.equity is not null and k.balance is not null;
end
$$;
comment on function engine.keep_end(public.broker_accounts, engine.account_marks) is
'The last mark of a day stays in equity_history, whatever was kept a moment before.';
alter function engine.keep_end(public.broker_accounts, engine.account_marks) owner to empire_engine;

create function engine.put_mark(a public.broker_accounts, k engine.account_marks, m engine.mark, p_must boolean) returns void
language plpgsql set search_path = '' as $$
declare
  -- Highs and lows of the day and its first mark are kept; else what changes a minute apart, what does not an hour: a
  -- day's start can be found there.
  v_store constant boolean := p_must or k.stored_at is null or m.at - k.stored_at >= case
    when (m.equity, m.balance) is distinct from (k.equity, k.balance) or m.is_flat is false then interval '60 seconds'
    else interval '1 hour' end;
begin
  if v_store then
    insert into public.equity_history (user_id, broker, account_id, equity, balance, unrealized_pnl, timestamp)
    values (a.user_id, a.broker, a.id, m.equity, m.balance, m.equity - m.balance, m.at);
  end if;
  update engine.account_marks
  set at = m.at, balance = m.balance, equity = m.equity, margin_used = m.margin_used, is_flat = m.is_flat,
    base_at = k.base_at, base_balance = k.base_balance, base_fill = k.base_fill, base_positions = k.base_positions,
    stored_at = case when v_store then m.at else stored_at end, peak_equity = greatest(peak_equity, m.equity)
  where account_id = a.id;
end
$$;
comment on function engine.put_mark(public.broker_accounts, engine.account_marks, engine.mark, boolean) is
'Keeps a mark as the last one, and in equity_history where it must be there or the last one there is old enough.';
alter function engine.put_mark(public.broker_accounts, engine.account_marks, engine.mark, boolean) owner to empire_engine;
alter function engine.advance(public.broker_accounts, engine.mark) owner to empire_engine;
