-- Live: what changed is told once per statement to the owner's private topic. A message is a hint: clients read before
-- they act, so a lost message is counted and never undoes the write it tells of.

create function private.touch() returns trigger
language plpgsql set search_path = '' as $$
begin
  if tg_argv[0] <> 'updated_at' then
    new.version := old.version + 1;
  end if;
  if tg_argv[0] <> 'version' then
    new.updated_at := clock_timestamp();
  end if;
  return new;
end
$$;
comment on function private.touch() is
'Raises version and sets updated_at on every update. Argument: both, version or updated_at, whichever the table has.';
revoke all on function private.touch() from public;

-- What every alert writes raises its version itself: a call for each row of it was a twentieth of the road.
create trigger touch before update on public.profiles
for each row execute function private.touch('both');
create trigger touch before update on public.broker_connections
for each row execute function private.touch('both');
create trigger touch before update on public.broker_accounts
for each row when (new.version = old.version) execute function private.touch('both');
create trigger touch before update on public.webhook_endpoints
for each row execute function private.touch('both');
create trigger touch before update on public.orders
for each row when (new.version = old.version) execute function private.touch('both');
create trigger touch before update on public.webhook_events
for each row when (new.version = old.version) execute function private.touch('version');
create trigger touch before update on public.deliveries
for each row when (new.version = old.version) execute function private.touch('version');
create trigger touch before update on public.positions
for each row when (new.version = old.version) execute function private.touch('version');
create trigger touch before update on public.subscriptions
for each row execute function private.touch('updated_at');
create trigger touch before update on public.trading_config
for each row execute function private.touch('updated_at');
create trigger touch before update on public.health
for each row execute function private.touch('updated_at');

insert into engine.counters (name) values ('realtime_failures') on conflict (name) do nothing;

create function private.count_realtime_failure() returns void
language plpgsql security definer set search_path = '' as $$
begin
  -- The caller holds locks of its own: waiting here for another failing writer could deadlock, and would put every
  -- writer in one row. So a busy row is left alone: the count says that messages are lost, not exactly how many.
  update engine.counters set n = n + 1
  where name = (
    select c.name from engine.counters c where c.name = 'realtime_failures' for update skip locked
  );
end
$$;
comment on function private.count_realtime_failure() is 'Counts a live message that could not be written; never waits.';
revoke all on function private.count_realtime_failure() from public;

-- A random id is made by the operating system's secrets, for each of the seven messages of an alert: a thirtieth of all its work.
-- Nobody reads a message by its id, so these are counted.
create sequence private.message_ids cache 32;
comment on sequence private.message_ids is 'Ids of live messages.';

create function private.message_id() returns uuid
language plpgsql set search_path = '' as $$
begin
  return lpad(to_hex(nextval('private.message_ids')), 32, '0')::uuid;
end
$$;
comment on function private.message_id() is 'The id of the next live message.';
revoke all on function private.message_id() from public;

create function private.text_values(p_numbers jsonb) returns jsonb
language plpgsql immutable set search_path = '' as $$
begin
  if pg_catalog.jsonb_typeof(p_numbers) is distinct from 'object' then
    return null;
  end if;
  return (select pg_catalog.jsonb_object_agg(m.key, m.value) from pg_catalog.jsonb_each_text(p_numbers) m);
end
$$;
comment on function private.text_values(jsonb) is
'The members of an object as text, so that a browser shows every digit.';
revoke all on function private.text_values(jsonb) from public;

-- The functions below are definer functions of postgres because realtime.messages has no insert policy for anyone.
-- One statement each: they run inside every write of the road. An update tells only rows in which something a client sees
-- has changed.

create function private.event_message(n public.webhook_events) returns jsonb
language plpgsql immutable set search_path = '' as $$
begin
  return jsonb_build_object(
    'id', n.id::text, 'v', n.version, 'source', n.source, 'broker', n.broker, 'endpoint_id', n.endpoint_id,
    'status', n.status, 'reason', n.reason, 'processed', n.processed, 'dry_run', n.dry_run,
    'fired_at', n.fired_at, 'received_at', n.received_at
  );
end
$$;
comment on function private.event_message(public.webhook_events) is 'An alert as its owner sees it live: what happened to it, never its body or signature.';
revoke all on function private.event_message(public.webhook_events) from public;

create function private.tell_events() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  insert into realtime.messages (id, topic, extension, private, event, payload)
  select private.message_id(), 'events:' || n.user_id, 'broadcast', true, 'event.created', private.event_message(n::public.webhook_events)
  from changed n order by n.id;
  return null;
exception when others then
  perform private.count_realtime_failure();
  return null;
end
$$;
comment on function private.tell_events() is 'Tells owners of new alerts.';
revoke all on function private.tell_events() from public;

create function private.tell_event() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  insert into realtime.messages (id, topic, extension, private, event, payload)
  values (private.message_id(), 'events:' || new.user_id, 'broadcast', true, 'event.updated', private.event_message(new));
  return null;
exception when others then
  perform private.count_realtime_failure();
  return null;
end
$$;
comment on function private.tell_event() is
'Tells the owner of an alert that became something else. A row at a time: that all its deliveries have ended, which is the '
'usual change, they have said themselves, and for that nothing is to be collected.';
revoke all on function private.tell_event() from public;

create function private.tell_deliveries() returns trigger
language plpgsql security definer set search_path = '' as $$
declare
  v_news bigint [];
begin
  if tg_op = 'UPDATE' then
    -- queued, claimed and queued again are one thing to a trader: not finished yet.
    v_news := array(
      select n.id from changed n join before o on o.id = n.id
      where (n.status in ('done', 'dead'), n.outcome, n.reason)
        is distinct from (o.status in ('done', 'dead'), o.outcome, o.reason)
        -- What a flatten could not close yet may be another thing in every round.
        or (n.reason = 'not_flat' and n.numbers is distinct from o.numbers)
    );
    if v_news = '{}' then
      return null;
    end if;
  end if;
  insert into realtime.messages (id, topic, extension, private, event, payload)
  select private.message_id(), 'events:' || n.user_id, 'broadcast', true, case when v_news is null then 'delivery.created' else 'delivery.updated' end,
    jsonb_build_object(
      'id', n.id::text, 'v', n.version, 'event_id', n.event_id::text, 'account_id', n.account_id, 'lane', n.lane,
      'action', n.action, 'symbol', n.symbol, 'tag', n.tag, 'status', n.status, 'outcome', n.outcome,
      'reason', n.reason, 'numbers', case when n.numbers is not null then private.text_values(n.numbers) end,
      'dry_run', n.dry_run, 'created_at', n.created_at, 'finished_at', n.finished_at
    )
  from changed n where v_news is null or n.id = any (v_news) order by n.id;
  return null;
exception when others then
  perform private.count_realtime_failure();
  return null;
end
$$;
comment on function private.tell_deliveries() is 'Tells owners of new and finished deliveries.';
revoke all on function private.tell_deliveries() from public;

create function private.tell_orders() returns trigger
language plpgsql security definer set search_path = '' as $$
declare
  v_news bigint [];
begin
  if tg_op = 'UPDATE' then
    -- From pending to submitting nothing happens that a trader could see: the broker has not answered yet.
    v_news := array(
      select n.id from changed n join before o on o.id = n.id
      where (n.status, n.filled_qty, n.qty) is distinct from (o.status, o.filled_qty, o.qty)
        and not (n.status = 'submitting' and o.status = 'pending')
        or (n.avg_price, n.price, n.stop_price, n.stop_loss, n.take_profit, n.reason, n.venue_order_id)
        is distinct from (o.avg_price, o.price, o.stop_price, o.stop_loss, o.take_profit, o.reason, o.venue_order_id)
    );
    if v_news = '{}' then
      return null;
    end if;
  end if;
  insert into realtime.messages (id, topic, extension, private, event, payload)
  select private.message_id(), 'orders:' || n.user_id, 'broadcast', true, case when v_news is null then 'order.created' else 'order.updated' end,
    jsonb_build_object(
      'id', n.id::text, 'v', n.version, 'account_id', n.account_id, 'broker', n.broker,
      'delivery_id', n.delivery_id::text, 'client_order_id', n.client_order_id, 'venue_order_id', n.venue_order_id,
      'origin', n.origin, 'reduce_only', n.reduce_only, 'symbol', n.symbol, 'side', n.side, 'type', n.type,
      'qty', n.qty::text, 'filled_qty', n.filled_qty::text, 'price', n.price::text, 'stop_price', n.stop_price::text,
      'avg_price', n.avg_price::text, 'stop_loss', n.stop_loss::text, 'take_profit', n.take_profit::text,
      'status', n.status, 'reason', n.reason, 'tag', n.tag, 'created_at', n.created_at, 'updated_at', n.updated_at
    )
  from changed n where v_news is null or n.id = any (v_news) order by n.id;
  return null;
exception when others then
  perform private.count_realtime_failure();
  return null;
end
$$;
comment on function private.tell_orders() is 'Tells owners of new and changed orders.';
revoke all on function private.tell_orders() from public;

create function private.tell_positions() returns trigger
-- Who marks positions has hash joins off for its own plans: here hundreds of rows before meet hundreds after.
language plpgsql security definer set search_path = '' set enable_hashjoin = on as $$
declare
  v_news bigint [];
begin
  if tg_op = 'UPDATE' then
    -- as_of alone is no news: every poll of the broker moves it.
    v_news := array(
      select n.id from changed n join before o on o.id = n.id
      where (n.side, n.qty, n.entry_price, n.unrealized_pnl, n.stop_loss, n.take_profit, n.closed_at, n.freshness)
        is distinct from
        (o.side, o.qty, o.entry_price, o.unrealized_pnl, o.stop_loss, o.take_profit, o.closed_at, o.freshness)
    );
    if v_news = '{}' then
      return null;
    end if;
  end if;
  insert into realtime.messages (id, topic, extension, private, event, payload)
  select private.message_id(), 'positions:' || n.user_id, 'broadcast', true, case when v_news is null then 'position.created' else 'position.updated' end,
    jsonb_build_object(
      'id', n.id::text, 'v', n.version, 'account_id', n.account_id, 'broker', n.broker,
      'venue_position_id', n.venue_position_id, 'symbol', n.symbol, 'root', n.root, 'side', n.side,
      'qty', n.qty::text, 'entry_price', n.entry_price::text, 'unrealized_pnl', n.unrealized_pnl::text,
      'stop_loss', n.stop_loss::text, 'take_profit', n.take_profit::text, 'tag', n.tag, 'opened_at', n.opened_at,
      'closed_at', n.closed_at, 'as_of', n.as_of, 'freshness', n.freshness
    )
  -- Hashed: a thousand compared with a thousand, one by one, take longer than to tell them.
  from changed n where v_news is null or n.id in (select unnest(v_news)) order by n.id;
  return null;
exception when others then
  perform private.count_realtime_failure();
  return null;
end
$$;
comment on function private.tell_positions() is 'Tells owners of new and changed positions.';
revoke all on function private.tell_positions() from public;

create function private.tell_logs() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  insert into realtime.messages (id, topic, extension, private, event, payload)
  select private.message_id(), 'logs:' || n.user_id, 'broadcast', true, 'log.created',
    jsonb_build_object(
      'id', n.id::text, 'v', 1, 'level', n.level, 'type', n.type, 'message', n.message,
      'correlation_id', n.correlation_id::text, 'created_at', n.created_at
    )
  from changed n
  where n.user_id is not null
  order by n.id;
  return null;
exception when others then
  perform private.count_realtime_failure();
  return null;
end
$$;
comment on function private.tell_logs() is 'Tells users of new lines in their log.';
revoke all on function private.tell_logs() from public;

create function private.tell_health() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  insert into realtime.messages (id, topic, extension, private, event, payload)
  select private.message_id(), 'health:system', 'broadcast', true, 'health.updated',
    jsonb_build_object(
      'broker', n.broker, 'v', floor(extract(epoch from n.updated_at) * 1000)::bigint, 'status', n.status,
      'latency_ms', n.latency_ms::text, 'message', n.message, 'updated_at', n.updated_at
    )
  from changed n join before o on o.broker = n.broker
  where (n.status, n.message) is distinct from (o.status, o.message)
  order by n.broker;
  return null;
exception when others then
  perform private.count_realtime_failure();
  return null;
end
$$;
comment on function private.tell_health() is
'Tells everyone when a broker''s health changes; a new latency alone is no news.';
revoke all on function private.tell_health() from public;

create trigger tell_insert after insert on public.webhook_events
referencing new table as changed for each statement execute function private.tell_events();
create trigger tell_update after update on public.webhook_events for each row
when ((old.status, old.reason) is distinct from (new.status, new.reason)) execute function private.tell_event();
create trigger tell_insert after insert on public.deliveries
referencing new table as changed for each statement execute function private.tell_deliveries();
create trigger tell_update after update on public.deliveries
referencing old table as before new table as changed for each statement execute function private.tell_deliveries();
create trigger tell_insert after insert on public.orders
referencing new table as changed for each statement execute function private.tell_orders();
create trigger tell_update after update on public.orders
referencing old table as before new table as changed for each statement execute function private.tell_orders();
create trigger tell_insert after insert on public.positions
referencing new table as changed for each statement execute function private.tell_positions();
create trigger tell_update after update on public.positions
referencing old table as before new table as changed for each statement execute function private.tell_positions();
create trigger tell_insert after insert on public.logs
referencing new table as changed for each statement execute function private.tell_logs();
create trigger tell_update after update on public.health
referencing old table as before new table as changed for each statement execute function private.tell_health();
