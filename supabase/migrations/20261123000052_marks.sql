-- Reading accounts: who reads which one next, and what a read becomes. One reader per account in the fleet.
create function engine.busy_accounts() returns uuid []
language plpgsql stable set search_path = '' as $$
begin
  return array(
    select p.account_id from public.positions p where p.closed_at is null
    union
    select o.account_id from public.orders o
    where o.status in ('pending', 'submitting', 'working', 'partially_filled', 'unknown')
  );
end
$$;
comment on function engine.busy_accounts() is 'Accounts on which something is open or on its way: these are read every second.';
alter function engine.busy_accounts() owner to empire_engine;

-- A broker that counts requests by the login lets one read of its accounts through every so many seconds.
create unlogged table engine.read_credits (
  connection_id uuid primary key references public.broker_connections (id) on delete cascade,
  reads numeric not null,
  at timestamptz not null
) with (fillfactor = 50);
comment on table engine.read_credits is
'How many reads of its accounts a login may begin at once, as of `at`; more come with time. Only of brokers that count by the login.';
grant select, insert, update on engine.read_credits to empire_engine;

create function engine.reads_left(p_connection uuid, p_pause numeric) returns numeric
language plpgsql stable set search_path = '' as $$
declare
  -- What was not used is there for a moment when several accounts are due, or something has happened.
  c_most constant numeric := 4;
begin
  return coalesce((
    select least(c_most, k.reads + extract(epoch from clock_timestamp() - k.at) / p_pause)
    from engine.read_credits k where k.connection_id = p_connection
  ), c_most);
end
$$;
comment on function engine.reads_left(uuid, numeric) is
'How many reads of a login''s accounts may begin now, where its limits sustain one every p_pause seconds: 4 at most.';
alter function engine.reads_left(uuid, numeric) owner to empire_engine;

create function engine.is_exposed(w engine.account_marks) returns boolean
language plpgsql stable set search_path = '' as $$
begin
  return w.is_flat is not true or (
    select true from public.positions p where p.account_id = w.account_id and p.closed_at is null limit 1
  ) is not null or (
    select true from public.orders o
    where o.account_id = w.account_id and o.status in ('pending', 'submitting', 'working', 'partially_filled', 'unknown') limit 1
  ) is not null;
end
$$;
comment on function engine.is_exposed(engine.account_marks) is
'Whether something is open or on its way on an account, by its last read or by our books; an account that was never read may be.';
alter function engine.is_exposed(engine.account_marks) owner to empire_engine;

create function engine.can_wait(w engine.account_marks) returns boolean
language plpgsql stable set search_path = '' as $$
begin
  -- For ten seconds, and no longer: an open account would take every read there is.
  return w.due_at > clock_timestamp() - interval '10 seconds' and not engine.is_exposed(w) and (
    select true from public.broker_accounts a
    join public.broker_accounts b on b.connection_id = a.connection_id and b.id <> a.id
    join engine.account_marks m on m.account_id = b.id
    where a.id = w.account_id and engine.is_exposed(m) limit 1
  ) is not null;
end
$$;
comment on function engine.can_wait(engine.account_marks) is
'Whether nothing is open on an account that is due, and something is on another one of its login: that goes first.';
alter function engine.can_wait(engine.account_marks) owner to empire_engine;

create function engine.is_woken(w engine.account_marks) returns boolean
language plpgsql stable set search_path = '' as $$
begin
  return coalesce(w.woken_at > coalesce(w.began_at, '-infinity'), false) or (
    select true from engine.reconciled r
    where r.account_id = w.account_id and r.believed_at <= clock_timestamp() and r.believed_at > coalesce(w.began_at, '-infinity')
  ) is not null;
end
$$;
comment on function engine.is_woken(engine.account_marks) is
'Whether the next read of an account has a cause: its broker has told of something, or what was doubted can be believed by now.';
alter function engine.is_woken(engine.account_marks) owner to empire_engine;

create function engine.reads_wanted(w engine.account_marks, p_pause numeric) returns numeric
language plpgsql stable set search_path = '' as $$
begin
  -- One is kept for what has just happened somewhere; where much happens, it happens without that for a while.
  if engine.is_woken(w) and coalesce(w.answered_at, '-infinity') <= clock_timestamp() - 2 * make_interval(secs => p_pause) then
    return 1;
  end if;
  return case
    -- Where a position stands without its stop every read counts.
    when (select true from engine.naked n where n.account_id = w.account_id and n.ended_at is null limit 1) then 1
    when engine.is_woken(w) then 2 when engine.can_wait(w) then 3 else 2
  end;
end
$$;
comment on function engine.reads_wanted(engine.account_marks, numeric) is
'How many reads its login must have left for an account to be read: first what was told of or can be settled, then what is open.';
alter function engine.reads_wanted(engine.account_marks, numeric) owner to empire_engine;

create function engine.spend_reads(p_due uuid [], p_pauses jsonb) returns uuid []
language plpgsql set search_path = '' as $$
declare
  v_later uuid [] := '{}';
  v_left numeric;
  r record;
begin
  for r in
    select a.id, a.connection_id, k.pause, engine.reads_wanted(w, k.pause) as wanted
    from unnest(p_due) with ordinality d (id, nth) join public.broker_accounts a on a.id = d.id
    join engine.account_marks w on w.account_id = a.id
    cross join lateral (select (p_pauses ->> a.broker::text)::numeric as pause) k
    where k.pause is not null
    -- One order of locks for every worker; of a login what has been told of goes first.
    order by a.connection_id, wanted, d.nth
  loop
    insert into engine.read_credits (connection_id, reads, at)
    select r.connection_id, engine.reads_left(r.connection_id, r.pause), clock_timestamp() on conflict do nothing;
    perform from engine.read_credits k where k.connection_id = r.connection_id for update;
    v_left := engine.reads_left(r.connection_id, r.pause);
    if v_left < r.wanted then
      v_later := v_later || r.id;
      continue;
    end if;
    update engine.read_credits k set reads = v_left - 1, at = clock_timestamp() where k.connection_id = r.connection_id;
  end loop;
  return case when v_later = '{}' then p_due else array(
    select d.id from unnest(p_due) with ordinality d (id, nth) where d.id <> all (v_later) order by d.nth
  ) end;
end
$$;
comment on function engine.spend_reads(uuid [], jsonb) is
'Those of the accounts that may be read now by their login''s limits, in the same order; counted. p_pauses: seconds by broker.';
alter function engine.spend_reads(uuid [], jsonb) owner to empire_engine;

create function engine.may_be_read(w engine.account_marks, p_pauses jsonb) returns boolean
language plpgsql stable set search_path = '' as $$
begin
  return (
    select case when k.pause is null then true else engine.reads_left(c.id, k.pause) >= engine.reads_wanted(w, k.pause) end
    from public.broker_accounts a join public.broker_connections c on c.id = a.connection_id
    cross join lateral (select (p_pauses ->> a.broker::text)::numeric as pause) k
    where a.id = w.account_id and c.status = 'connected' and coalesce(a.executor, c.executor) = 'fleet'
  );
end
$$;
comment on function engine.may_be_read(engine.account_marks, jsonb) is
'Whether the fleet reads an account and its login''s limits leave a read now. Not one of a login that is disconnected or of a '
'trader''s own device (null or false). p_pauses: seconds from one read to the next, by broker.';
alter function engine.may_be_read(engine.account_marks, jsonb) owner to empire_engine;

create function engine.accounts_due(p_limit integer, p_pauses jsonb, p_look boolean) returns uuid []
language plpgsql stable set search_path = '' as $$
declare
  c_now constant timestamptz := clock_timestamp();
  v_due engine.account_marks [];
begin
  -- In the order of the index, and no further than needed: however many are late, the oldest are found at once.
  v_due := array(
    select w from engine.account_marks w
    where w.due_at <= c_now and (w.lease_until is null or w.lease_until < c_now) and engine.may_be_read(w, p_pauses)
    order by w.due_at limit p_limit
  );
  if p_look then
    v_due := v_due || array(
      select k.w from unnest(engine.busy_accounts()) as b (id) cross join lateral (
        -- Each by its own look-up, whatever the plan was made for. Whose next read is further away than of an open account was
        -- idle at the last one; is_flat does not say that: whoever executes an order may have read the account, too.
        select w from engine.account_marks w
        where w.account_id = b.id and w.due_at > c_now + w.every_s * interval '1 second'
          and (w.lease_until is null or w.lease_until < c_now) and w.failures = 0
          and (w.read_at is null or w.read_at <= c_now - w.every_s * interval '1 second') limit 1
      ) k
      where engine.may_be_read(k.w, p_pauses) limit p_limit
    );
  end if;
  return array(
    select x.account_id from unnest(v_due) x
    order by case when x.due_at > c_now then coalesce(x.read_at, x.due_at) else x.due_at end limit p_limit
  );
end
$$;
comment on function engine.accounts_due(integer, jsonb, boolean) is
'Accounts to be read now that nobody reads, those that wait longest first: every second where something is open (rarer where '
'its broker''s limits want that), else every 30 seconds and at the reset, and not more of a login than its limits sustain. '
'p_look: also those that were idle and on which something was opened or ordered since: one look at everything that is open.';
alter function engine.accounts_due(integer, jsonb, boolean) owner to empire_engine;

create function engine.held_json(p_account uuid) returns json
language plpgsql stable set search_path = '' as $$
begin
  return (
    select coalesce(json_agg(json_build_object(
      'id', p.id, 'account_id', p.account_id, 'venue_position_id', p.venue_position_id, 'symbol', p.symbol, 'root', p.root,
      'side', p.side, 'qty', p.qty, 'entry_price', p.entry_price, 'stop_loss', p.stop_loss, 'take_profit', p.take_profit,
      'unrealized_pnl', p.unrealized_pnl, 'opened_at', p.opened_at, 'freshness', p.freshness, 'endpoint_id', p.endpoint_id,
      'tag', p.tag
    ) order by p.id), '[]')
    from public.positions p where p.account_id = p_account and p.closed_at is null
  );
end
$$;
comment on function engine.held_json(uuid) is 'The open positions of an account, as the watch reads them.';
alter function engine.held_json(uuid) owner to empire_engine;

create function engine.watched_accounts(
  p_worker text, p_limit integer, p_lease_ms integer, p_pauses jsonb, p_look boolean default true
) returns setof json
language plpgsql security definer
set search_path = '' set plan_cache_mode = force_generic_plan set enable_seqscan = off as $$
declare
  v_token constant bigint := engine.new_token();
  -- Another worker may be taking some of them now.
  v_due constant uuid [] := engine.accounts_due(p_limit * 4, p_pauses, p_look);
  v_free uuid [];
  v_taken uuid [];
  v_woken uuid [];
begin
  if v_due = '{}' then
    return;
  end if;
  perform set_config('synchronous_commit', 'off', true);
  v_free := engine.spend_reads(array(
    select w.account_id from engine.account_marks w
    where w.account_id = any (v_due) and (w.lease_until is null or w.lease_until < clock_timestamp())
    order by array_position(v_due, w.account_id) limit p_limit for update skip locked
  ), p_pauses);
  with free as (
    select w.account_id, engine.is_woken(w) as woken
    from engine.account_marks w where w.account_id = any (v_free)
  ), taken as (
    update engine.account_marks w
    set token = v_token, worker = p_worker, lease_until = clock_timestamp() + make_interval(secs => p_lease_ms / 1000.0),
      began_at = clock_timestamp(), answered_at = case when free.woken then clock_timestamp() else w.answered_at end
    from free where w.account_id = free.account_id
    returning w.account_id, free.woken
  )
  select array_agg(t.account_id), coalesce(array_agg(t.account_id) filter (where t.woken), '{}') into v_taken, v_woken from taken t;
  return query
    -- json, not jsonb: it is read once, as text.
    select json_build_object(
      'token', v_token, 'now', clock_timestamp(), 'account', engine.account_json(a, c), 'woken', a.id = any (v_woken),
      'moving', (select true from engine.queue q where q.account_id = a.id limit 1) is not null,
      'limits', case when s.has_limits then engine.limits_json(a.id) end,
      'risk', case when s.has_limits then engine.risk_json(a, null) end,
      'positions', engine.held_json(a.id), 'orders', engine.working_orders(a.id), 'every_s', w.every_s,
      'guards', case when (select true from engine.guards g where g.account_id = a.id and g.ended_at is null limit 1)
        then engine.guards_json(a.id) else '[]' end,
      'naked', case when (select true from engine.naked n where n.account_id = a.id and n.ended_at is null limit 1)
        then engine.naked_json(a) else '[]' end
    )
    from public.broker_accounts a
    join engine.account_marks w on w.account_id = a.id
    join public.broker_connections c on c.id = a.connection_id
    cross join lateral (
      select (select true from public.risk_settings r where r.user_id = a.user_id limit 1) as has_limits
    ) s
    where a.id = any (v_taken)
    order by array_position(v_due, a.id);
end
$$;
comment on function engine.watched_accounts(text, integer, integer, jsonb, boolean) is
'Accounts that are due to be read, each leased to one worker with a fencing token, and what it needs to judge them. p_pauses: '
'seconds from one read of a login''s accounts to the next that its limits sustain, by broker; none = it is no concern. p_look: '
'see engine.accounts_due.';
alter function engine.watched_accounts(text, integer, integer, jsonb, boolean) owner to empire_engine;
revoke all on function engine.watched_accounts(text, integer, integer, jsonb, boolean) from public;
grant execute on function engine.watched_accounts(text, integer, integer, jsonb, boolean) to empire_worker;

create function engine.next_read(a public.broker_accounts, p_failures integer, p_flat boolean, p_every_s numeric) returns timestamptz
language plpgsql stable set search_path = '' as $$
declare
  c_now constant timestamptz := clock_timestamp();
begin
  if p_failures > 0 then
    -- What cannot be read is asked again soon, and not so often that it adds to the trouble.
    return c_now + least(interval '1 second' * power(2, least(p_failures, 5) - 1), interval '15 seconds');
  end if;
  -- What is open there may be open by hand: we know of it from reads alone, where the broker does not tell us. Behind a lock
  -- somebody may try.
  return least(c_now + case when p_flat is false then p_every_s * interval '1 second'
    when a.locked_until > c_now then interval '5 seconds' when engine.is_live(a.connection_id) then interval '1 minute'
    else interval '30 seconds' end, greatest(c_now + interval '100 milliseconds', engine.day_began(
    a.timezone, a.reset_time, engine.trading_day(a.timezone, a.reset_time, c_now) + 1
  )));
end
$$;
comment on function engine.next_read(public.broker_accounts, integer, boolean, numeric) is
'When an account is read next by itself: p_every_s after a read that showed something open, in 5 while it is locked, else in 30 '
'seconds, or a minute where its broker tells us what happens; at its reset; a while after reads that failed.';
alter function engine.next_read(public.broker_accounts, integer, boolean, numeric) owner to empire_engine;

create function engine.fade(a public.broker_accounts, p_freshness public.freshness) returns void
language plpgsql set search_path = '' as $$
begin
  -- Nothing becomes fresher without a read.
  if p_freshness > a.freshness then
    update public.broker_accounts set freshness = p_freshness where id = a.id;
  end if;
  update public.positions set freshness = p_freshness
  where account_id = a.id and closed_at is null and freshness < p_freshness;
end
$$;
comment on function engine.fade(public.broker_accounts, public.freshness) is
'An account could not be read: what we know of it is stale, later unknown; never gone.';
alter function engine.fade(public.broker_accounts, public.freshness) owner to empire_engine;

create function engine.note_money(p_accounts uuid []) returns void
language plpgsql set search_path = '' as $$
declare
  a public.broker_accounts;
begin
  for a in select b.* from public.broker_accounts b where b.id = any (p_accounts) and b.equity is not null order by b.id loop
    perform engine.advance(a, row(a.as_of, a.balance, a.equity, null, (
      select true from public.positions p where p.account_id = a.id and p.closed_at is null limit 1
    ) is null, null)::engine.mark);
  end loop;
end
$$;
comment on function engine.note_money(uuid []) is
'What an order''s road has read of an account''s money counts for its day, too. The caller holds the accounts.';
alter function engine.note_money(uuid []) owner to empire_engine;
