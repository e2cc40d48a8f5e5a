-- Gaps: what a missed alert leaves behind. An alert may say what its strategy holds afterwards (position_size); once its own
-- order is settled and the account was read again, that is compared with what the account really holds.
create table public.gaps (
  id bigint generated always as identity primary key,
  user_id uuid not null references public.profiles (id),
  endpoint_id uuid references public.webhook_endpoints (id) on delete set null,
  account_id uuid not null references public.broker_accounts (id),
  symbol text not null,
  tag text not null default '',
  event_id bigint not null,
  expected numeric not null,
  actual numeric not null,
  is_exact boolean not null,
  told text not null check (char_length(told) <= 1000),
  policy text not null check (policy in ('notify', 'catch_up', 'flatten')),
  action_event_id bigint,
  found_at timestamptz not null default clock_timestamp(),
  seen_at timestamptz not null default clock_timestamp(),
  resolved_at timestamptz
);
comment on table public.gaps is
'Where an account does not hold what the strategy says it holds: a missed or refused alert left it behind. Open until both agree.';
comment on column public.gaps.symbol is 'The symbol without exchange and month, as alerts share it.';
comment on column public.gaps.event_id is 'The last alert that showed it.';
comment on column public.gaps.expected is 'The strategy''s position after that alert, long +, short -, times the account''s multiplier.';
comment on column public.gaps.actual is 'What the account held in that scope.';
comment on column public.gaps.is_exact is 'Whether the quantities can be compared; else only the sides are.';
comment on column public.gaps.action_event_id is 'The catch-up or flatten that was asked for.';
create unique index one_open_gap on public.gaps (account_id, endpoint_id, symbol, tag) nulls not distinct where resolved_at is null;
create index gaps_user on public.gaps (user_id, id);
create index gaps_endpoint on public.gaps (endpoint_id);
grant select, insert, update on public.gaps to empire_engine;
alter table public.gaps enable row level security;
grant select on public.gaps to authenticated;
create policy "Traders read their own gaps, admins read all"
on public.gaps for select to authenticated
using (
  ((select auth.uid()) = user_id and (select private.session_is_strong_enough()))
  or (select private.is_admin())
);

create table engine.gap_checks (
  delivery_id bigint primary key,
  event_id bigint not null,
  endpoint_id uuid not null,
  account_id uuid not null,
  symbol text not null,
  tag text not null default '',
  expected numeric not null,
  is_exact boolean not null,
  noted_at timestamptz not null default clock_timestamp(),
  verdict text check (verdict in ('agrees', 'gap', 'overtaken', 'not_read'))
);
comment on table engine.gap_checks is
'What alerts have said their strategy holds afterwards, to be compared once it is settled; null = not yet. Kept for a while, so '
'that no alert is compared twice.';
create index gap_checks_open on engine.gap_checks (delivery_id) where verdict is null;
create table engine.gap_scan (
  id boolean primary key default true check (id),
  event_id bigint not null
);
comment on table engine.gap_scan is 'Up to which alert it was looked for what strategies say they hold.';
grant select, insert, update, delete on engine.gap_checks, engine.gap_scan to empire_engine;

create function engine.note_expectations() returns void
language plpgsql set search_path = '' as $$
declare
  -- Ids are drawn before they are committed: the last ones are looked at again.
  c_overlap constant integer := 1000;
  v_last constant bigint := coalesce((select max(e.id) from public.webhook_events e), 0);
  v_from constant bigint := greatest(coalesce((select s.event_id from engine.gap_scan s), v_last), v_last - 20000) - c_overlap;
begin
  insert into engine.gap_checks (delivery_id, event_id, endpoint_id, account_id, symbol, tag, expected, is_exact)
  select d.id, e.id, e.endpoint_id, d.account_id, engine.symbol_key(d.symbol), coalesce(d.tag, ''),
    (e.payload #>> '{intent,position_size}')::numeric * coalesce(t.multiplier, 1),
    coalesce(e.payload #>> '{intent,qty_mode}' in ('lots', 'contracts'), false)
  from public.webhook_events e
  join public.deliveries d on d.event_id = e.id and d.symbol is not null
  left join public.webhook_endpoint_accounts t on t.endpoint_id = e.endpoint_id and t.account_id = d.account_id
  where e.id > v_from and e.id <= v_last and e.status = 'accepted' and not e.dry_run and e.endpoint_id is not null
    and e.received_at > clock_timestamp() - interval '15 minutes'
    and pg_input_is_valid(e.payload #>> '{intent,position_size}', 'numeric')
  on conflict (delivery_id) do nothing;
  insert into engine.gap_scan (event_id) values (v_last) on conflict (id) do update set event_id = excluded.event_id;
  delete from engine.gap_checks c where c.verdict is not null and c.event_id < v_last - 2 * c_overlap
    and c.noted_at < clock_timestamp() - interval '1 hour';
end
$$;
comment on function engine.note_expectations() is 'Notes what new alerts say their strategy holds.';
alter function engine.note_expectations() owner to empire_engine;

create function engine.root_of(p_account uuid, p_delivery bigint, p_symbol text) returns text
language plpgsql stable set search_path = '' as $$
begin
  return coalesce(
    (select o.root from public.orders o where o.delivery_id = p_delivery order by o.leg limit 1), (
      select x.root from (
        select o.root, o.tv_symbol from public.orders o
        where o.user_id = (select a.user_id from public.broker_accounts a where a.id = p_account) and o.account_id = p_account
        order by o.id desc limit 200
      ) x where engine.symbol_key(x.tv_symbol) = p_symbol limit 1
    ), p_symbol
  );
end
$$;
comment on function engine.root_of(uuid, bigint, text) is 'What an alert''s symbol is called in the books of an account.';
alter function engine.root_of(uuid, bigint, text) owner to empire_engine;

create function engine.actual_of(p_account uuid, p_endpoint uuid, p_root text, p_tag text) returns numeric
language plpgsql stable set search_path = '' as $$
declare
  v_hedging constant boolean := (select a.margin_mode = 'hedging' from public.broker_accounts a where a.id = p_account);
begin
  if not v_hedging and p_tag <> '' then
    return (
      select coalesce(sum(case p.side when 'buy' then 1 else -1 end * engine.lots_of(p, p_tag)), 0)
      from public.positions p where p.account_id = p_account and p.closed_at is null and p.root = p_root
    );
  end if;
  return (
    select coalesce(sum(case when p.side = 'buy' then p.qty else -p.qty end), 0) from public.positions p
    where p.account_id = p_account and p.closed_at is null and p.root = p_root
      and (not v_hedging or (p.endpoint_id = p_endpoint and (p_tag = '' or p.tag = p_tag)))
  );
end
$$;
comment on function engine.actual_of(uuid, uuid, text, text) is
'What an account holds in the scope of an alert (semantics 2): its net position, or on hedging what came through the endpoint.';
alter function engine.actual_of(uuid, uuid, text, text) owner to empire_engine;

create function engine.agrees(p_expected numeric, p_exact boolean, p_actual numeric) returns boolean
language plpgsql immutable set search_path = '' as $$
begin
  -- Quantities are rounded down to the broker's step: that is no missed alert.
  return sign(p_expected) = sign(p_actual)
    and (not p_exact or abs(abs(p_expected) - abs(p_actual)) <= abs(p_expected) * 0.05);
end
$$;
comment on function engine.agrees(numeric, boolean, numeric) is
'Whether an account holds what its strategy says: the same side, and where quantities can be compared the same within 5 %.';
alter function engine.agrees(numeric, boolean, numeric) owner to empire_engine;

create function engine.holding_in_words(p_signed numeric) returns text
language plpgsql immutable set search_path = '' as $$
begin
  return case when p_signed = 0 then 'flat' else format('%s %s', case when p_signed > 0 then 'long' else 'short' end, trim_scale(abs(p_signed))) end;
end
$$;
comment on function engine.holding_in_words(numeric) is 'A signed quantity as a trader says it.';
alter function engine.holding_in_words(numeric) owner to empire_engine;

create function engine.verdict_of(c engine.gap_checks, d public.deliveries, p_root text) returns text
language plpgsql stable set search_path = '' as $$
begin
  if (
    -- A later word on the same symbol, whoever's: this alert no longer says what is to be held.
    select true from public.deliveries x
    where x.account_id = c.account_id and x.id > c.delivery_id and not x.dry_run and x.action not in ('modify', 'cancel')
      and (x.symbol is null or engine.symbol_key(x.symbol) = c.symbol) limit 1
  ) then
    return 'overtaken';
  elsif d.status not in ('done', 'dead') or engine.is_explained(c.account_id, p_root) then
    return null;
  elsif (
    -- Not flat, not held: unknown until it was read after all that we did.
    select true from engine.account_marks m join public.broker_accounts a on a.id = m.account_id
    where m.account_id = c.account_id and m.failures = 0 and a.freshness = 'fresh' and m.read_at > d.finished_at + interval '3 seconds'
  ) is null then
    return case when c.noted_at < clock_timestamp() - interval '15 minutes' then 'not_read' end;
  end if;
  return case when engine.agrees(c.expected, c.is_exact, engine.actual_of(c.account_id, c.endpoint_id, p_root, c.tag))
    then 'agrees' else 'gap' end;
end
$$;
comment on function engine.verdict_of(engine.gap_checks, public.deliveries, text) is
'Whether an account holds what an alert said, once its order is settled and the account was read after it. Null = not yet.';
alter function engine.verdict_of(engine.gap_checks, public.deliveries, text) owner to empire_engine;

create function engine.act_on_gap(c engine.gap_checks, d public.deliveries, w public.webhook_endpoints) returns bigint
language plpgsql set search_path = '' as $$
declare
  i constant jsonb := (select e.payload -> 'intent' from public.webhook_events e where e.id = c.event_id);
  v_event bigint;
  v_intent jsonb;
begin
  if w.on_gap = 'flatten' then
    v_intent := jsonb_build_object('action', 'flatten', 'symbol', d.symbol);
  elsif w.on_gap = 'catch_up' and (c.is_exact or c.expected = 0) then
    v_intent := jsonb_strip_nulls(jsonb_build_object(
      'action', 'target', 'symbol', d.symbol, 'tag', d.tag, 'qty', i -> 'position_size', 'qty_mode', coalesce(i ->> 'qty_mode', 'lots'),
      'sl', i -> 'sl', 'tp', i -> 'tp', 'trail', i -> 'trail', 'be', i -> 'be', 'time_exit_s', i -> 'time_exit_s', 'scope', i -> 'scope'
    ));
  else
    return null;
  end if;
  v_event := nextval('public.webhook_events_id_seq');
  perform engine.store_intent(v_event, d.user_id, 'system', jsonb_build_object('version', 'unify.v1', 'intent',
    v_intent || jsonb_build_object('comment', format('gap after alert %s', c.event_id)))::text, array[c.account_id],
    case when w.on_gap = 'catch_up' then w.id end);
  return v_event;
end
$$;
comment on function engine.act_on_gap(engine.gap_checks, public.deliveries, public.webhook_endpoints) is
'What the endpoint''s policy asks for: the position that the strategy says (under all limits, as any alert), everything of the '
'symbol closed, or nothing. Returns its event.';
alter function engine.act_on_gap(engine.gap_checks, public.deliveries, public.webhook_endpoints) owner to empire_engine;

create function engine.found_gap(c engine.gap_checks, d public.deliveries, p_actual numeric) returns void
language plpgsql set search_path = '' as $$
declare
  w constant public.webhook_endpoints := (select x from public.webhook_endpoints x where x.id = c.endpoint_id);
  a constant public.broker_accounts := (select x from public.broker_accounts x where x.id = c.account_id);
  v_event constant bigint := engine.act_on_gap(c, d, w);
  v_told constant text := left(format(
    '%s: after alert %s your strategy holds %s of %s, the account %s. An alert was missed or not carried out (this one: %s). %s',
    coalesce(a.label, a.account_id), c.event_id, engine.holding_in_words(c.expected), c.symbol, engine.holding_in_words(p_actual),
    concat_ws(', ', d.outcome, replace(d.reason::text, '_', ' ')), case
      when v_event is null and w.on_gap = 'catch_up' then 'How much to catch up cannot be told from it: look at it yourself.'
      when v_event is null then 'Nothing is done about it: the endpoint says notify.'
      when w.on_gap = 'flatten' then 'It is being closed.' else 'It is being caught up with.'
    end), 1000);
  v_known constant boolean := (
    select true from public.gaps g
    where g.account_id = c.account_id and g.endpoint_id = c.endpoint_id and g.symbol = c.symbol and g.tag = c.tag
      and g.resolved_at is null and (g.expected, g.actual) = (c.expected, p_actual) limit 1
  );
begin
  insert into public.gaps as g (
    user_id, endpoint_id, account_id, symbol, tag, event_id, expected, actual, is_exact, told, policy, action_event_id
  ) values (
    d.user_id, c.endpoint_id, c.account_id, c.symbol, c.tag, c.event_id, c.expected, p_actual, c.is_exact, v_told, w.on_gap, v_event
  )
  on conflict (account_id, endpoint_id, symbol, tag) where resolved_at is null do update
  set event_id = excluded.event_id, expected = excluded.expected, actual = excluded.actual, is_exact = excluded.is_exact,
    told = excluded.told, policy = excluded.policy, action_event_id = coalesce(excluded.action_event_id, g.action_event_id),
    seen_at = clock_timestamp();
  if v_known and v_event is null then
    return; -- He knows.
  end if;
  perform engine.note(d.user_id, 'warning', 'gap', v_told, jsonb_build_object(
    'account_id', c.account_id, 'endpoint_id', c.endpoint_id, 'symbol', c.symbol, 'expected', c.expected, 'actual', p_actual
  ), c.event_id);
end
$$;
comment on function engine.found_gap(engine.gap_checks, public.deliveries, numeric) is
'An account does not hold what its strategy says: the row for the dashboard, the trader''s log, and what the policy asks for.';
alter function engine.found_gap(engine.gap_checks, public.deliveries, numeric) owner to empire_engine;

create function engine.close_gaps() returns void
language plpgsql set search_path = '' as $$
begin
  update public.gaps g set resolved_at = clock_timestamp()
  from public.broker_accounts a
  where g.resolved_at is null and a.id = g.account_id and a.freshness = 'fresh'
    and engine.agrees(g.expected, g.is_exact, engine.actual_of(
      g.account_id, g.endpoint_id, engine.root_of(g.account_id, null, g.symbol), g.tag
    ));
end
$$;
comment on function engine.close_gaps() is 'Gaps that are none any more, whoever saw to it.';
alter function engine.close_gaps() owner to empire_engine;

create function engine.find_gaps(p_limit integer) returns integer
language plpgsql security definer set search_path = '' as $$
declare
  r record;
  v_root text;
  v_verdict text;
  v_found integer := 0;
begin
  -- Every maintenance worker asks; one at a time is enough.
  if not pg_try_advisory_xact_lock(hashtextextended('engine.find_gaps', 0)) then
    return 0;
  end if;
  perform engine.note_expectations();
  for r in
    select c, d from engine.gap_checks c left join public.deliveries d on d.id = c.delivery_id
    where c.verdict is null order by (c).account_id, (c).delivery_id limit p_limit
  loop
    v_root := engine.root_of((r.c).account_id, (r.c).delivery_id, (r.c).symbol);
    v_verdict := case when r.d is null then 'overtaken' else engine.verdict_of(r.c, r.d, v_root) end;
    if v_verdict = 'gap' then
      perform engine.found_gap(r.c, r.d, engine.actual_of((r.c).account_id, (r.c).endpoint_id, v_root, (r.c).tag));
      v_found := v_found + 1;
    end if;
    if v_verdict is not null then
      update engine.gap_checks x set verdict = v_verdict where x.delivery_id = (r.c).delivery_id;
    end if;
  end loop;
  perform engine.close_gaps();
  return v_found;
end
$$;
comment on function engine.find_gaps(integer) is
'Compares what strategies say they hold with what accounts hold, once for each alert. Returns how many do not agree.';
alter function engine.find_gaps(integer) owner to empire_engine;
revoke all on function engine.find_gaps(integer) from public;
grant execute on function engine.find_gaps(integer) to empire_worker, empire_maintenance;

create function engine.alarm_silence(p_limit integer) returns integer
language plpgsql set search_path = '' as $$
declare
  r record;
  v_n integer := 0;
begin
  for r in
    select w.id, w.user_id, w.name, w.heartbeat_s, greatest(w.last_seen_at, w.created_at) as since
    from public.webhook_endpoints w
    where w.enabled and w.heartbeat_s is not null
      -- When it was last heard is noted once a minute.
      and greatest(w.last_seen_at, w.created_at) < clock_timestamp() - make_interval(secs => w.heartbeat_s + 60)
    order by w.id limit p_limit
  loop
    v_n := v_n + engine.alarm('silent:' || r.id || ':' || extract(epoch from r.since)::bigint, r.user_id, 'endpoint_silent', format(
      'The endpoint "%s" has not been heard of since %s UTC; an alert is expected every %s s. Is the alert still active in TradingView?',
      r.name, to_char(r.since at time zone 'UTC', 'YYYY-MM-DD HH24:MI'), r.heartbeat_s
    ), jsonb_build_object('endpoint_id', r.id, 'heartbeat_s', r.heartbeat_s, 'since', r.since))::integer;
  end loop;
  return v_n;
end
$$;
comment on function engine.alarm_silence(integer) is 'Endpoints from which nothing has come for longer than expected: told once for each silence.';
alter function engine.alarm_silence(integer) owner to empire_engine;
