-- Corrections, applied. A correction: {key, kind, symbol, root, told, numbers, level} and, by kind, fill, order or position.
create function engine.is_explained(p_account uuid, p_root text) returns boolean
language plpgsql stable set search_path = '' as $$
begin
  return (
    select true from engine.commands k
    where k.account_id = p_account and k.root = p_root and k.state in ('pending', 'submitting', 'unknown') limit 1
  ) is not null;
end
$$;
comment on function engine.is_explained(uuid, text) is
'Whether a command of ours under way may be why the broker shows something else: then its answer is waited for.';
alter function engine.is_explained(uuid, text) owner to empire_engine;

create function engine.is_newer(p_account uuid, p_symbol text, p_read timestamptz) returns boolean
language plpgsql stable set search_path = '' as $$
begin
  return (
    select true from (
      select f.symbol, f.created_at from public.fills f where f.account_id = p_account order by f.id desc limit 100
    ) x where x.symbol = p_symbol and x.created_at > p_read limit 1
  ) is not null;
end
$$;
comment on function engine.is_newer(uuid, text, timestamptz) is
'Whether we have recorded a fill of the symbol after the read: then the read is no evidence about it.';
alter function engine.is_newer(uuid, text, timestamptz) owner to empire_engine;

create function engine.order_of(p_account uuid, p_venue text, p_client text) returns bigint
language plpgsql stable set search_path = '' as $$
begin
  return coalesce((
    select o.id from public.orders o where o.account_id = p_account and o.venue_order_id = p_venue order by o.id desc limit 1
  ), (
    select o.id from public.orders o where o.account_id = p_account and o.client_order_id = p_client
  ));
end
$$;
comment on function engine.order_of(uuid, text, text) is 'Our row of an order, by the broker''s id of it or by ours. Null = we do not know it.';
alter function engine.order_of(uuid, text, text) owner to empire_engine;

create function engine.adopt_order(a public.broker_accounts, o jsonb) returns bigint
language plpgsql set search_path = '' as $$
declare
  v_id bigint := engine.order_of(a.id, o ->> 'venue_order_id', o ->> 'client_order_id');
begin
  if v_id is not null then
    return null;
  end if;
  insert into public.orders (
    user_id, broker, account_id, client_order_id, venue_order_id, origin, kind, reduce_only, position_id, symbol, root, side,
    type, qty, filled_qty, price, stop_price, tif, status, currency
  ) values (
    a.user_id, a.broker, a.id,
    -- Orders of others have no id of ours, and every order here has one: made of the broker's, so that it is made once.
    'x_' || left(encode(sha256(convert_to(o ->> 'venue_order_id', 'UTF8')), 'hex'), 24), o ->> 'venue_order_id',
    (o ->> 'origin')::public.order_origin, 'place', coalesce((o ->> 'reduce_only')::boolean, false), o ->> 'position_id',
    o ->> 'symbol', o ->> 'root', (o ->> 'side')::public.side, (o ->> 'type')::public.order_type, (o ->> 'qty')::numeric,
    coalesce((o ->> 'filled_qty')::numeric, 0), nullif((o ->> 'price')::numeric, 0), nullif((o ->> 'stop_price')::numeric, 0),
    coalesce((o ->> 'tif')::public.tif, 'gtc'), (o ->> 'status')::public.order_status, a.currency
  )
  on conflict on constraint client_order_ids_are_unique_per_account do nothing
  returning id into v_id;
  return v_id;
end
$$;
comment on function engine.adopt_order(public.broker_accounts, jsonb) is
'A row for an order that was placed elsewhere. Null = we know it already.';
alter function engine.adopt_order(public.broker_accounts, jsonb) owner to empire_engine;

create function engine.adopt_fill(a public.broker_accounts, x jsonb) returns boolean
language plpgsql set search_path = '' as $$
declare
  f constant jsonb := x -> 'fill';
  v_order bigint := engine.order_of(a.id, f ->> 'venue_order_id', f ->> 'client_order_id');
  v_new bigint [];
  v_news engine.news [];
begin
  if (select true from public.fills y where y.account_id = a.id and y.venue_fill_id = f ->> 'venue_fill_id') then
    return false;
  end if;
  if v_order is null and f ->> 'venue_order_id' is not null then
    v_order := engine.adopt_order(a, x -> 'order');
  end if;
  v_news := array[row(a.id, v_order, jsonb_build_object('fills', jsonb_build_array(f)))::engine.news];
  v_new := engine.add_fills(v_news);
  perform engine.move_positions(v_new, null);
  if v_order is not null then
    perform engine.update_orders(array(
      select row(a.id, o.id, jsonb_build_object(
        'fills', jsonb_build_array(f), 'avg_price', s.value / s.qty,
        'status', case when s.qty >= o.qty then 'filled' when o.status in ('working', 'canceled', 'expired') then 'partially_filled' else o.status::text end
      ) || case when o.venue_order_id is null then jsonb_build_object('venue_order_id', f ->> 'venue_order_id') else '{}' end)::engine.news
      from public.orders o cross join lateral (
        select sum(y.qty) as qty, sum(y.qty * y.price) as value from public.fills y where y.order_id = o.id
      ) s where o.id = v_order
    ));
    -- Of an order of somebody else we know no more than its fills.
    update public.orders o set qty = o.filled_qty where o.id = v_order and o.filled_qty > o.qty and o.origin in ('broker', 'protection');
    if v_new <> '{}' then
      perform engine.anchor_later(array[v_order]);
    end if;
  end if;
  return true;
end
$$;
comment on function engine.adopt_fill(public.broker_accounts, jsonb) is
'A fill that we were not told: recorded with its order, ours or (then a row is made) somebody else''s, and its position moved. '
'False = we know it.';
alter function engine.adopt_fill(public.broker_accounts, jsonb) owner to empire_engine;

create function engine.end_order(p_account uuid, o jsonb, p_read timestamptz) returns boolean
language plpgsql set search_path = '' as $$
begin
  update public.orders w
  set status = (o ->> 'status')::public.order_status,
    filled_qty = case when o ->> 'status' = 'filled' then w.qty else w.filled_qty end
  where w.id = (o ->> 'id')::bigint and w.account_id = p_account and w.status in ('working', 'partially_filled')
    and w.updated_at < p_read;
  return found;
end
$$;
comment on function engine.end_order(uuid, jsonb, timestamptz) is
'An order that stands at the broker no more has ended. False = it has by our books, or they are younger than the read.';
alter function engine.end_order(uuid, jsonb, timestamptz) owner to empire_engine;

create function engine.set_position(a public.broker_accounts, p jsonb) returns boolean
language plpgsql set search_path = '' as $$
declare
  v_id constant text := p ->> 'venue_position_id';
  v_qty constant numeric := coalesce((p ->> 'qty')::numeric, 0);
  v_signed constant numeric := case when p ->> 'side' = 'sell' then -v_qty else v_qty end;
  v_missing constant numeric := v_signed - engine.net_of(a.id, v_id);
  o public.positions;
begin
  select x.* into o from public.positions x where x.account_id = a.id and x.venue_position_id = v_id;
  if (o.id is null and v_qty = 0) or (o.qty = v_qty and (v_qty = 0 or o.side = (p ->> 'side')::public.side)) then
    return false;
  end if;
  if v_missing <> 0 then
    insert into engine.adjustments (account_id, position_id, nth, qty)
    select a.id, v_id, count(*) + 1, v_missing from engine.adjustments j where j.account_id = a.id and j.position_id = v_id;
  end if;
  if o.id is null then
    insert into public.positions (
      user_id, broker, account_id, venue_position_id, symbol, root, side, qty, entry_price, unrealized_pnl, stop_loss,
      take_profit, opened_at
    ) values (
      a.user_id, a.broker, a.id, v_id, p ->> 'symbol', p ->> 'root', (p ->> 'side')::public.side, v_qty,
      (p ->> 'entry_price')::numeric, (p ->> 'unrealized_pnl')::numeric, (p ->> 'stop_loss')::numeric,
      (p ->> 'take_profit')::numeric, coalesce((p ->> 'opened_at')::timestamptz, clock_timestamp())
    );
  else
    update public.positions x
    set qty = v_qty, side = case when v_qty = 0 then x.side else (p ->> 'side')::public.side end,
      entry_price = coalesce((p ->> 'entry_price')::numeric, x.entry_price),
      opened_at = case when x.closed_at is null then x.opened_at else coalesce((p ->> 'opened_at')::timestamptz, clock_timestamp()) end,
      closed_at = case when v_qty = 0 then clock_timestamp() end, as_of = clock_timestamp(), freshness = 'fresh'
    where x.id = o.id;
  end if;
  return true;
end
$$;
comment on function engine.set_position(public.broker_accounts, jsonb) is
'A position becomes what the broker says (qty 0 = gone); what no fill explains is an adjustment. False = it is so already.';
alter function engine.set_position(public.broker_accounts, jsonb) owner to empire_engine;

create function engine.apply_correction(a public.broker_accounts, x jsonb, p_read timestamptz) returns boolean
language plpgsql set search_path = '' as $$
begin
  return case x ->> 'kind'
    when 'fill' then engine.adopt_fill(a, x)
    when 'order_unknown' then engine.adopt_order(a, x -> 'order') is not null
    when 'order_ended' then engine.end_order(a.id, x -> 'order', p_read)
    when 'order_renamed' then engine.rename_order(a.id, x -> 'order', p_read)
    when 'order_changed' then engine.change_order(a.id, x -> 'order', p_read)
    when 'orphan' then (select true from public.orders o where o.id = (x #>> '{order,id}')::bigint and o.account_id = a.id)
    when 'oversized' then (
      select true from public.positions p
      where p.account_id = a.id and p.venue_position_id = x #>> '{position,venue_position_id}' and p.closed_at is null
        and p.qty = (x #>> '{numbers,qty}')::numeric
    )
    else engine.set_position(a, x -> 'position')
  end;
end
$$;
comment on function engine.apply_correction(public.broker_accounts, jsonb, timestamptz) is
'One correction, in our books. False = they say so already.';
alter function engine.apply_correction(public.broker_accounts, jsonb, timestamptz) owner to empire_engine;

create function engine.change_order(p_account uuid, o jsonb, p_read timestamptz) returns boolean
language plpgsql set search_path = '' as $$
begin
  update public.orders w
  set qty = (o ->> 'qty')::numeric, price = nullif((o ->> 'price')::numeric, 0), stop_price = nullif((o ->> 'stop_price')::numeric, 0)
  where w.id = (o ->> 'id')::bigint and w.account_id = p_account and w.status in ('working', 'partially_filled')
    and w.updated_at < p_read;
  return found;
end
$$;
comment on function engine.change_order(uuid, jsonb, timestamptz) is
'An order is at the broker for another quantity or at another price than in our books. False = they are younger than the read.';
alter function engine.change_order(uuid, jsonb, timestamptz) owner to empire_engine;

create function engine.rename_order(p_account uuid, o jsonb, p_read timestamptz) returns boolean
language plpgsql set search_path = '' as $$
begin
  update public.orders w set venue_order_id = o ->> 'venue_order_id'
  where w.id = (o ->> 'id')::bigint and w.account_id = p_account and w.venue_order_id is distinct from o ->> 'venue_order_id'
    and w.updated_at < p_read;
  return found;
end
$$;
comment on function engine.rename_order(uuid, jsonb, timestamptz) is 'The broker has given an order of ours another id.';
alter function engine.rename_order(uuid, jsonb, timestamptz) owner to empire_engine;

create function engine.note_correction(a public.broker_accounts, x jsonb) returns void
language plpgsql set search_path = '' as $$
declare
  c_now constant timestamptz := clock_timestamp();
  -- A fill told late is a fact of life, a position that nothing explains is not.
  c_weight constant numeric := case when x ->> 'kind' like 'position%' then 5 when x ->> 'kind' = 'fill' then 1 else 0.5 end;
  v_event bigint;
begin
  if x ->> 'kind' = 'orphan' then
    v_event := nextval('public.webhook_events_id_seq');
    perform engine.store_intent(v_event, a.user_id, 'system', jsonb_build_object('version', 'unify.v1', 'intent', jsonb_build_object(
      'action', 'cancel', 'symbol', x ->> 'symbol', 'order_id', x #>> '{order,id}', 'scope', 'symbol'
    ))::text, array[a.id]);
  end if;
  if x ->> 'kind' = 'oversized' then
    v_event := nextval('public.webhook_events_id_seq');
    -- The stop that stands, once more: nothing is moved by it, and what is too large is fitted to the position.
    perform engine.store_intent(v_event, a.user_id, 'system', jsonb_build_object('version', 'unify.v1', 'intent', jsonb_build_object(
      'action', 'modify', 'symbol', x ->> 'symbol', 'position_id', x #>> '{position,venue_position_id}', 'scope', 'symbol',
      'sl', jsonb_build_object('mode', 'price', 'value', x #> '{position,stop_loss}'), 'comment', left(x ->> 'told', 500)
    ))::text, array[a.id]);
  end if;
  insert into public.corrections (user_id, account_id, key, kind, symbol, told, numbers, event_id)
  values (a.user_id, a.id, x ->> 'key', x ->> 'kind', x ->> 'symbol', left(x ->> 'told', 1000), coalesce(x -> 'numbers', '{}'), v_event)
  on conflict on constraint a_correction_is_made_once do nothing;
  perform engine.note(
    a.user_id, (case when a.on_drift = 'adopt' then coalesce(x ->> 'level', 'warning') else 'error' end)::public.log_level,
    -- What is open has changed, by a fill or without one: of that the trader is told. Orders that came and went are not that.
    case when x ->> 'kind' = 'fill' or x ->> 'kind' like 'position%' then 'position_changed' else 'books_corrected' end,
    format('%s: %s', coalesce(a.label, a.account_id), x ->> 'told'),
    jsonb_build_object('account_id', a.id, 'kind', x ->> 'kind', 'numbers', coalesce(x -> 'numbers', '{}')), v_event
  );
  update public.broker_accounts b
  set drift = round(c_weight + b.drift * power(0.5, coalesce(extract(epoch from c_now - b.drift_at), 0) / 86400)::numeric, 3), drift_at = c_now
  where b.id = a.id;
  if a.on_drift <> 'adopt' then
    insert into engine.outbox (id, account_id, user_id, subject, body)
    values (nextval('engine.outbox_id'), a.id, a.user_id, 'empire.account.drifted.' || a.user_id, jsonb_build_object(
      'schema', 1, 'account_id', a.id, 'kind', x ->> 'kind', 'told', x ->> 'told', 'numbers', coalesce(x -> 'numbers', '{}'), 'at', c_now
    ));
  end if;
end
$$;
comment on function engine.note_correction(public.broker_accounts, jsonb) is
'A correction was made: its row, the trader''s log and messages, the drift; an orphan is asked to be canceled.';
alter function engine.note_correction(public.broker_accounts, jsonb) owner to empire_engine;

create function engine.flatten_drift(a public.broker_accounts) returns bigint
language plpgsql set search_path = '' as $$
declare
  v_event bigint;
begin
  if (
    select true from engine.queue q join public.deliveries d on d.id = q.id
    where q.account_id = a.id and d.action = 'flatten' and d.symbol is null limit 1
  ) then
    return null;
  end if;
  v_event := nextval('public.webhook_events_id_seq');
  perform engine.store_intent(v_event, a.user_id, 'system', jsonb_build_object('version', 'unify.v1', 'intent',
    jsonb_build_object('action', 'flatten', 'comment', 'drift'))::text, array[a.id]);
  insert into public.logs (user_id, level, type, correlation_id, message, details)
  values (a.user_id, 'error', 'books_corrected', v_event, format(
    '%s: something was opened there that is not ours, and you have asked for that to be closed: it is being flattened.',
    coalesce(a.label, a.account_id)), jsonb_build_object('account_id', a.id));
  return v_event;
end
$$;
comment on function engine.flatten_drift(public.broker_accounts) is
'Closes everything on an account whose owner wants nothing there but ours. Null = that is on its way.';
alter function engine.flatten_drift(public.broker_accounts) owner to empire_engine;

create function engine.reconcile_one(a public.broker_accounts, r jsonb) returns jsonb
language plpgsql set search_path = '' as $$
declare
  v_read constant timestamptz := (r ->> 'read_from')::timestamptz - make_interval(secs => coalesce((r ->> 'lag_s')::numeric, 0));
  v_before constant jsonb := coalesce((select k.suspects from engine.reconciled k where k.account_id = a.id), '{}');
  v_suspects jsonb := '{}';
  v_made integer := 0;
  v_waiting integer := 0;
  v_foreign boolean := false;
  v_first timestamptz;
  v_doubt text;
  v_believed timestamptz;
  x jsonb;
begin
  for x in select y from jsonb_array_elements(r -> 'corrections') y loop
    if engine.is_explained(a.id, x ->> 'root')
      or (x ->> 'kind' like 'position%' and engine.is_newer(a.id, x ->> 'symbol', v_read))
      -- What protects a position that the compared books did not have yet would be taken for somebody else's, for good.
      or (x ->> 'kind' = 'order_unknown' and engine.is_newer(a.id, x ->> 'symbol', (r ->> 'read_from')::timestamptz)) then
      v_waiting := v_waiting + 1;
      continue;
    end if;
    if (x ->> 'doubtful')::boolean then
      -- What is asked for again has another key every minute, and is the same doubt all the while.
      v_doubt := coalesce(nullif(x ->> 'doubt', ''), x ->> 'key');
      v_first := (v_before ->> v_doubt)::timestamptz;
      if v_first is null or v_first > v_read or v_first >= (r ->> 'read_from')::timestamptz then
        v_first := coalesce(v_first, (r ->> 'read_from')::timestamptz);
        v_suspects := v_suspects || jsonb_build_object(v_doubt, v_first);
        v_believed := least(v_believed, v_first + ((r ->> 'read_from')::timestamptz - v_read));
        v_waiting := v_waiting + 1;
        continue;
      end if;
    end if;
    if engine.apply_correction(a, x, v_read) then
      perform engine.note_correction(a, x);
      v_made := v_made + 1;
      v_foreign := v_foreign or coalesce((x ->> 'foreign')::boolean, false);
    end if;
  end loop;
  insert into engine.reconciled as k (account_id, agreed_at, suspects, believed_at)
  values (
    a.id, case when v_waiting = 0 and (r ->> 'complete')::boolean then (r ->> 'read_from')::timestamptz end, v_suspects, v_believed
  )
  on conflict (account_id) do update
  set agreed_at = coalesce(excluded.agreed_at, k.agreed_at), suspects = excluded.suspects, believed_at = least(
    excluded.believed_at, case when k.believed_at > (r ->> 'read_from')::timestamptz then k.believed_at end
  );
  if v_foreign and a.on_drift = 'flatten' then
    perform engine.flatten_drift(a);
  end if;
  return jsonb_build_object('account', a.id, 'made', v_made, 'waiting', v_waiting);
end
$$;
comment on function engine.reconcile_one(public.broker_accounts, jsonb) is
'What one read of an account has found to differ. The caller holds the account.';
alter function engine.reconcile_one(public.broker_accounts, jsonb) owner to empire_engine;

create function engine.reconcile(p_results jsonb) returns jsonb
language plpgsql security definer
set search_path = '' set plan_cache_mode = force_generic_plan
set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off as $$
declare
  v_answer jsonb := '[]';
  r record;
begin
  perform from public.broker_accounts b
  where b.id = any (array(select (x ->> 'account')::uuid from jsonb_array_elements(p_results) x))
  order by b.id for no key update;
  for r in
    select a as account, x.said from jsonb_array_elements(p_results) as x (said)
    join public.broker_accounts a on a.id = (x.said ->> 'account')::uuid
    join engine.account_marks w on w.account_id = a.id and w.token = (x.said ->> 'token')::bigint
    order by a.id
  loop
    v_answer := v_answer || engine.reconcile_one(r.account, r.said);
  end loop;
  return v_answer;
end
$$;
comment on function engine.reconcile(jsonb) is
'Corrects the books of accounts by what their broker showed: [{account, token, read_from, lag_s, complete, corrections}]. '
'What a command under way may explain waits, and so does at the first read what no fill explains. Returns [{account, made, '
'waiting}]; an old token changes nothing and is not in it.';
alter function engine.reconcile(jsonb) owner to empire_engine;
revoke all on function engine.reconcile(jsonb) from public;
grant execute on function engine.reconcile(jsonb) to empire_worker;
