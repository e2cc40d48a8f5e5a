-- How many requests the fleet may still send to a broker: every worker asks here for blocks before it sends.
create type engine.call_block as (id bigint, worker text, calls integer, ends timestamptz);
comment on type engine.call_block is
'Requests that one worker may send, or has sent: at `ends` the last of them has arrived at the broker for certain.';

create unlogged table engine.call_windows (
  connection_id uuid not null references public.broker_connections (id) on delete cascade,
  route text not null check (char_length(route) between 1 and 100),
  blocks engine.call_block [] not null default '{}',
  last_block bigint not null default 0,
  worker text,
  shared_at timestamptz not null default '-infinity',
  paused_until timestamptz not null default '-infinity',
  waiter text,
  waiter_looks_on boolean not null default false,
  waiter_until timestamptz not null default '-infinity',
  primary key (connection_id, route)
) with (fillfactor = 50);
comment on table engine.call_windows is
'Per connection and route (a rate limit of the broker) the blocks handed out to workers. Unlogged: a crash of the '
'database forgives, the broker''s own 429 is what is left then.';
comment on column engine.call_windows.shared_at is 'When another worker than the one before last asked: while one is alone its blocks are larger.';
comment on column engine.call_windows.paused_until is 'The broker has said that the fleet is too fast.';
comment on column engine.call_windows.waiter is
'Of a limit of one or two: who was told to come back, until waiter_until. The next block is his, whoever asks before him; only '
'orders come before one who merely looks on.';
grant select, insert, update on engine.call_windows to empire_engine;

create function engine.blocks_left(
  p_blocks engine.call_block [], p_worker text, p_used jsonb, p_window interval, p_now timestamptz
) returns engine.call_block []
language sql immutable set search_path = '' as $$
  with said as (
    select b.id, b.worker, least(b.calls, u.calls) as calls,
      least(b.ends, p_now - u.age_ms * interval '1 millisecond') as ends
    from unnest(p_blocks) b
    left join jsonb_to_recordset(p_used) u (block bigint, calls integer, age_ms numeric)
      on u.block = b.id and b.worker = p_worker
  )
  select coalesce(array_agg(row(m.id, m.worker, m.calls, m.ends)::engine.call_block order by m.id), '{}')
  from (
    select max(s.id) as id, max(s.worker) as worker, sum(s.calls)::integer as calls, max(s.ends) as ends
    from said s
    where s.calls > 0 and s.ends > p_now - p_window
    -- Old ones of a twentieth of the window are counted together, as late as the last of them.
    group by case
      when cardinality(p_blocks) < 40 or s.ends > p_now - p_window / 20 then s.id
      else -floor(extract(epoch from s.ends) / (extract(epoch from p_window) / 20))::bigint
    end
  ) m
$$;
comment on function engine.blocks_left(engine.call_block [], text, jsonb, interval, timestamptz) is
'The blocks that still count in a window, each cut to what its worker says it has really used.';
alter function engine.blocks_left(engine.call_block [], text, jsonb, interval, timestamptz) owner to empire_engine;

create function engine.first_free(p_blocks engine.call_block [], p_allowed integer, p_window interval) returns timestamptz
language sql immutable set search_path = '' as $$
  select n.ends + p_window from (
    select b.ends, sum(b.calls) over (order by b.ends desc, b.id desc) as newer from unnest(p_blocks) b
  ) n
  where n.newer >= p_allowed order by n.ends desc limit 1
$$;
comment on function engine.first_free(engine.call_block [], integer, interval) is
'From when on a window has room for one request more; null = now.';
alter function engine.first_free(engine.call_block [], integer, interval) owner to empire_engine;

create function engine.deal(
  inout w engine.call_windows, p_worker text, p_ask jsonb, p_now timestamptz, out calls integer, out starts timestamptz, out wait interval
)
language plpgsql set search_path = '' as $$
declare
  c_urgent constant boolean := p_ask ->> 'urgent';
  c_looks_on constant boolean := coalesce((p_ask ->> 'background')::boolean, false);
  c_window constant interval := (p_ask ->> 'window_ms')::numeric * interval '1 millisecond';
  c_want constant integer := p_ask ->> 'want';
  c_allowed constant integer := (p_ask ->> 'limit')::integer - case when c_urgent then 0 else (p_ask ->> 'reserve')::integer end;
  -- Of one or two no worker can have a share at all times: there they take turns.
  c_few constant boolean := c_allowed <= 2 and not c_urgent;
  c_alone constant boolean := w.shared_at < p_now - interval '10 seconds';
  c_behind constant boolean := c_few and w.waiter_until > p_now and w.waiter is distinct from p_worker
    and (c_looks_on or not w.waiter_looks_on);
  v_free integer;
begin
  calls := 0;
  starts := greatest(p_now, w.paused_until, engine.first_free(w.blocks, c_allowed, c_window));
  -- Only what is urgent may book ahead: so it is first wherever there is room again.
  if c_want > 0 and not c_behind and (starts = p_now or (c_urgent and starts <= p_now + (p_ask ->> 'within_ms')::numeric * interval '1 millisecond')) then
    select c_allowed - coalesce(sum(b.calls), 0) into v_free from unnest(w.blocks) b where b.ends > starts - c_window;
    calls := least(v_free, case
      when c_urgent then c_want
      -- A second's worth, and half of the room for a worker that may come.
      when c_alone then greatest(c_want, least((v_free + 1) / 2, ceil(c_allowed / extract(epoch from c_window))::integer))
      else least(c_want, greatest(1, c_allowed / 2))
    end);
    w.last_block := w.last_block + 1;
    w.blocks := w.blocks || row(
      w.last_block, p_worker, calls, starts + ((p_ask ->> 'life_ms')::numeric + (p_ask ->> 'grace_ms')::numeric) * interval '1 millisecond'
    )::engine.call_block;
  end if;
  wait := starts - p_now + case
    when c_behind then interval '100 milliseconds'
    -- Who has just had its share comes a little after the others.
    when not c_alone and exists (select 1 from unnest(w.blocks) b where b.worker = p_worker) then interval '30 milliseconds'
    else interval '0'
  end;
  if calls > 0 and w.waiter = p_worker then
    w.waiter_until := '-infinity';
  elsif c_few and calls = 0 and c_want > 0 and not c_behind then
    -- Another worker tells what it has used when it wants more, and would take what that frees: so it is asked for often, and kept.
    if exists (select 1 from unnest(w.blocks) b where b.worker <> p_worker and b.ends > p_now) then
      wait := least(wait, interval '200 milliseconds');
    end if;
    w.waiter_looks_on := c_looks_on and (w.waiter_looks_on or w.waiter is distinct from p_worker or w.waiter_until <= p_now);
    w.waiter := p_worker;
    w.waiter_until := p_now + wait + interval '300 milliseconds';
  end if;
end
$$;
comment on function engine.deal(engine.call_windows, text, jsonb, timestamptz) is
'Who gets how much of what is left of a window: the window after it, the calls (0 = none now), from when they may be sent, and how '
'long to wait before asking again. Decides only; the caller holds the row.';
alter function engine.deal(engine.call_windows, text, jsonb, timestamptz) owner to empire_engine;

create function engine.hand_out_calls(p_worker text, p_ask jsonb) returns jsonb
language plpgsql set search_path = '' as $$
declare
  c_connection constant uuid := p_ask ->> 'connection_id';
  c_route constant text := p_ask ->> 'route';
  c_window constant interval := (p_ask ->> 'window_ms')::numeric * interval '1 millisecond';
  c_life constant interval := (p_ask ->> 'life_ms')::numeric * interval '1 millisecond';
  v_row engine.call_windows;
  v_now timestamptz;
  d record;
begin
  select * into v_row from engine.call_windows w where w.connection_id = c_connection and w.route = c_route for update;
  if not found then
    insert into engine.call_windows (connection_id, route) values (c_connection, c_route) on conflict do nothing;
    select * into v_row from engine.call_windows w where w.connection_id = c_connection and w.route = c_route for update;
  end if;
  v_now := clock_timestamp();
  v_row.blocks := engine.blocks_left(v_row.blocks, p_worker, p_ask -> 'used', c_window, v_now);
  v_row.paused_until := greatest(v_row.paused_until, v_now + (p_ask ->> 'pause_ms')::numeric * interval '1 millisecond');
  if v_row.worker <> p_worker then
    v_row.shared_at := v_now;
  end if;
  select x.* into d from engine.deal(v_row, p_worker, p_ask, v_now) x;
  v_row := d.w;
  update engine.call_windows w
  set blocks = v_row.blocks, last_block = v_row.last_block, worker = p_worker, shared_at = v_row.shared_at, paused_until = v_row.paused_until,
    waiter = v_row.waiter, waiter_looks_on = v_row.waiter_looks_on, waiter_until = v_row.waiter_until
  where w.connection_id = c_connection and w.route = c_route;
  return jsonb_build_object(
    'block', v_row.last_block, 'calls', d.calls,
    'from_ms', ceil(extract(epoch from d.starts - v_now) * 1000),
    'until_ms', floor(extract(epoch from d.starts - v_now + c_life) * 1000),
    'wait_ms', ceil(extract(epoch from d.wait) * 1000)
  );
end
$$;
comment on function engine.hand_out_calls(text, jsonb) is
'One ask of engine.reserve_calls: the caller''s reports are believed, then a block of what is left is handed out.';
alter function engine.hand_out_calls(text, jsonb) owner to empire_engine;

create function engine.reserve_calls(p_worker text, p_asks jsonb) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  v_ask record;
  v_answers jsonb := '{}';
begin
  -- One order of locks for every worker.
  for v_ask in
    select a.ordinality::text as place, a.value from jsonb_array_elements(p_asks) with ordinality a
    order by a.value ->> 'connection_id', a.value ->> 'route', a.ordinality
  loop
    v_answers := v_answers || jsonb_build_object(v_ask.place, engine.hand_out_calls(p_worker, v_ask.value));
  end loop;
  return (select coalesce(jsonb_agg(a.value order by a.key::integer), '[]') from jsonb_each(v_answers) a);
end
$$;
comment on function engine.reserve_calls(text, jsonb) is
'Hands out requests to a broker: for each ask {connection_id, route, urgent, background, limit, reserve, window_ms, want, within_ms, '
'life_ms, grace_ms, pause_ms, used: [{block, calls, age_ms}]} a block of calls to be sent between from_ms and until_ms from now, '
'or none and when to ask again (wait_ms). In no window are there more than `limit`, whatever workers do or how they die: '
'calls count from the moment they are handed out until a window after they have arrived. `reserve` of the limit is for what '
'is urgent. `used` gives back what was not used; `pause_ms` stops the route for everybody.';
alter function engine.reserve_calls(text, jsonb) owner to empire_engine;
revoke all on function engine.reserve_calls(text, jsonb) from public;
grant execute on function engine.reserve_calls(text, jsonb) to empire_worker;
