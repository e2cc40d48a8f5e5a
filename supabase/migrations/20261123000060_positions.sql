-- What the watch of open accounts needs beside its leases: prices for the books that are kept here, and what it tells
-- everybody about the brokers.

create function engine.prices_told(p_after bigint) returns jsonb
language plpgsql security definer stable set search_path = '' as $$
declare
  v_last bigint;
  v_after bigint;
begin
  select max(e.id) into v_last from public.webhook_events e;
  v_after := greatest(coalesce(p_after, 0), coalesce(v_last, 0) - 1000);
  return jsonb_build_object(
    'last', coalesce(v_last, 0),
    'prices', (
      select coalesce(jsonb_agg(jsonb_build_object(
        'user_id', e.user_id, 'symbol', e.payload #>> '{intent,symbol}', 'price', e.payload #>> '{intent,ref_price}'
      ) order by e.id), '[]')
      from public.webhook_events e
      where e.id > v_after and e.id <= v_last and e.status = 'accepted'
        and e.payload #>> '{intent,ref_price}' is not null and e.payload #>> '{intent,symbol}' is not null
    )
  );
end
$$;
comment on function engine.prices_told(bigint) is
'The prices that accepted alerts after this one came with, oldest first ({user_id, symbol, price}), and the last alert''s '
'id. At most those of the last 1,000 alerts. A price is its user''s own: nobody moves another one''s account.';
alter function engine.prices_told(bigint) owner to empire_engine;
revoke all on function engine.prices_told(bigint) from public;
grant execute on function engine.prices_told(bigint) to empire_worker;

create function engine.mark_books(p_prices jsonb) returns integer
language plpgsql security definer set search_path = '' as $$
declare
  r record;
  v_new jsonb;
  v_marked integer := 0;
begin
  perform set_config('synchronous_commit', 'off', true);
  for r in
    select p.account_id, p.book, t.prices
    from (
      select x.user_id, jsonb_object_agg(x.symbol, x.price) as prices
      from jsonb_to_recordset(p_prices) as x (user_id uuid, symbol text, price numeric) group by x.user_id
    ) t
    join public.broker_accounts a on a.user_id = t.user_id
    join engine.paper_accounts p on p.account_id = a.id
    where jsonb_array_length(coalesce(p.book -> 'positions', '[]')) > 0
    order by p.account_id for update of p
  loop
    select jsonb_object_agg(k.key, k.value) into v_new from jsonb_each(r.prices) k
    where (r.book #> array['prices', k.key]) is distinct from k.value
      and k.key in (select h.value ->> 'symbol' from jsonb_array_elements(r.book -> 'positions') h);
    if v_new is not null then
      update engine.paper_accounts
      set version = version + 1, book = book || jsonb_build_object('prices', coalesce(book -> 'prices', '{}') || v_new)
      where account_id = r.account_id;
      v_marked := v_marked + 1;
    end if;
  end loop;
  return v_marked;
end
$$;
comment on function engine.mark_books(jsonb) is
'The paper books of these users see these prices ({user_id, symbol, price}, the broker''s own symbols): their open positions '
'are worth that now. What waits in a book meets a price with the next command. Returns how many books changed.';
alter function engine.mark_books(jsonb) owner to empire_engine;
revoke all on function engine.mark_books(jsonb) from public;
grant execute on function engine.mark_books(jsonb) to empire_worker;

create function engine.record_health(p_latencies jsonb) returns integer
language plpgsql security definer set search_path = '' as $$
declare
  v_told integer;
begin
  perform set_config('synchronous_commit', 'off', true);
  perform engine.fade_unread();
  update public.health h
  set status = n.status, message = n.message, latency_ms = coalesce(round((p_latencies ->> h.broker::text)::numeric, 1), h.latency_ms)
  from engine.broker_health() n
  -- Several workers tell the same; an unchanged row is written again now and then, so that its age says that they live.
  where n.broker = h.broker and (
    (h.status, h.message) is distinct from (n.status, n.message) or h.updated_at < clock_timestamp() - interval '15 seconds'
  );
  get diagnostics v_told = row_count;
  perform engine.tell_health();
  return v_told;
end
$$;
comment on function engine.record_health(jsonb) is
'public.health as engine.broker_health sees it, what was not read lately is stale, and the health of the house is told when it '
'changes. p_latencies: milliseconds of a read by broker. Returns how many rows of brokers were told.';
alter function engine.record_health(jsonb) owner to empire_engine;
revoke all on function engine.record_health(jsonb) from public;
grant execute on function engine.record_health(jsonb) to empire_worker;

create function engine.flatten_again(p_account uuid, p_rule text, p_seen_at timestamptz) returns bigint
language plpgsql security definer set search_path = '' as $$
declare
  a public.broker_accounts;
  v_event bigint;
begin
  select x.* into a from public.broker_accounts x where x.id = p_account for no key update;
  if (select true from engine.locks_of(p_account) l where l.rule = p_rule and l.event_id is not null limit 1) is null
    or (
      -- One is on its way, or the read is older than what the last one has closed.
      select true from (
        select x.* from public.deliveries x where x.account_id = p_account order by x.id desc limit 500
      ) d
      where d.action = 'flatten' and d.lane = 'urgent' and (d.finished_at is null or d.finished_at > p_seen_at) limit 1
    )
  then
    return null;
  end if;
  v_event := nextval('public.webhook_events_id_seq');
  perform engine.store_intent(v_event, a.user_id, 'system', jsonb_build_object('version', 'unify.v1', 'intent',
    jsonb_build_object('action', 'flatten', 'comment', p_rule))::text, array[p_account]);
  perform engine.note(a.user_id, 'error', 'opened_behind_lock', format(
    '%s is locked because its limit %s was reached, and something was opened there since: it is being closed.',
    coalesce(a.label, a.account_id), replace(p_rule, '_', ' ')
  ), jsonb_build_object('account_id', p_account, 'rule', p_rule, 'seen_at', p_seen_at), v_event);
  return v_event;
end
$$;
comment on function engine.flatten_again(uuid, text, timestamptz) is
'An account that a breach has flattened and locked was seen to hold something again, and the limit is still touched: it is '
'flattened once more, and its owner is told. Null = not so, or a flatten newer than the read did it. Returns its event.';
alter function engine.flatten_again(uuid, text, timestamptz) owner to empire_engine;
revoke all on function engine.flatten_again(uuid, text, timestamptz) from public;
grant execute on function engine.flatten_again(uuid, text, timestamptz) to empire_worker;
