-- What an alert means on an account: which instrument, and how much of a net position.
create function engine.word_for(d public.deliveries) returns jsonb
language plpgsql stable set search_path = '' as $$
begin
  return (
    select to_jsonb(m) - array['id', 'user_id', 'account_id', 'created_at'] from public.symbol_map m
    where m.user_id = d.user_id and (m.account_id is null or m.account_id = d.account_id) and (
      upper(m.tv_symbol) = upper(d.symbol)
      -- A word without an exchange is meant for all of them.
      or upper(m.tv_symbol) = upper(substr(d.symbol, strpos(d.symbol, ':') + 1))
    )
    order by m.account_id nulls last, strpos(m.tv_symbol, ':') desc limit 1
  );
end
$$;
comment on function engine.word_for(public.deliveries) is
'The trader''s own word for a delivery''s symbol, where symbol_map has one: the account''s before the user''s, one with '
'the exchange before one without. Null = there is none.';
alter function engine.word_for(public.deliveries) owner to empire_engine;

create function engine.lots_of(p public.positions, p_tag text) returns numeric
language plpgsql stable set search_path = '' as $$
declare
  f record;
  v_lots numeric [] := '{}';
  v_mine boolean [] := '{}';
  v_left numeric;
  v_take numeric;
begin
  -- Since it was last flat: every opening fill is a lot, an exit takes its own tag's lots first, then the oldest.
  for f in
    select x.effect, x.qty, coalesce(o.tag = p_tag, false) as is_mine, o.tag is not null as is_tagged
    from public.fills x left join public.orders o on o.id = x.order_id
    where x.account_id = p.account_id and x.position_id = p.venue_position_id and x.filled_at >= p.opened_at
    order by x.filled_at, x.id
  loop
    if f.effect = 'open' then
      v_lots := array_append(v_lots, f.qty);
      v_mine := array_append(v_mine, f.is_mine);
      continue;
    end if;
    v_left := f.qty;
    for v_round in 1..2 loop
      for i in 1..cardinality(v_lots) loop
        continue when v_round = 1 and (not f.is_tagged or v_mine[i] <> f.is_mine);
        v_take := least(v_lots[i], v_left);
        v_lots[i] := v_lots[i] - v_take;
        v_left := v_left - v_take;
      end loop;
    end loop;
  end loop;
  return least(p.qty, (
    select coalesce(sum(l.qty), 0) from unnest(v_lots, v_mine) as l (qty, is_mine) where l.is_mine
  ));
end
$$;
comment on function engine.lots_of(public.positions, text) is
'How much of a net position the fills of a tag still hold. What other tags and nobody closed takes the oldest lots.';
alter function engine.lots_of(public.positions, text) owner to empire_engine;

create function engine.held_by_tag(d public.deliveries) returns jsonb
language plpgsql stable set search_path = '' as $$
begin
  return (
    select coalesce(jsonb_object_agg(r.root, r.qty), '{}') from (
      select p.root, sum(case p.side when 'buy' then 1 else -1 end * engine.lots_of(p, d.tag)) as qty
      from public.positions p where p.account_id = d.account_id and p.closed_at is null group by p.root
    ) r
  );
end
$$;
comment on function engine.held_by_tag(public.deliveries) is
'Per root the signed quantity that fills with the delivery''s tag still hold of its account''s net positions.';
alter function engine.held_by_tag(public.deliveries) owner to empire_engine;

create function engine.is_overtaken(k engine.commands) returns boolean
language plpgsql stable set search_path = '' as $$
begin
  return exists (
    select 1
    from public.deliveries d
    join public.broker_accounts a on a.id = d.account_id
    join public.webhook_events own on own.id = d.event_id
    join public.deliveries x on x.account_id = d.account_id and x.id > d.id
    join public.webhook_events e on e.id = x.event_id
    where d.id = k.delivery_id and not x.dry_run
      and (x.symbol is null or engine.symbol_key(x.symbol) = engine.symbol_key(d.symbol))
      and (x.tag is null or x.tag = d.tag)
      and (a.margin_mode = 'netting' or e.endpoint_id is null or e.endpoint_id = own.endpoint_id)
      and case x.action
        -- A sell closes what buys have opened; a cancel names the side of the entry, or one order by its id.
        -- One position by its id is none that is not open yet.
        when 'close' then (x.side is null or x.side::text <> k.request ->> 'side')
          and e.payload #>> '{intent,position_id}' is null
        when 'cancel' then (x.side is null or x.side::text = k.request ->> 'side')
          and e.payload #>> '{intent,order_id}' is null
        else x.action in ('flatten', 'reverse', 'target')
      end
      -- It has had its turn, or has it now. What still waits comes after the entry and sees it.
      and (
        x.outcome in ('executed', 'rejected', 'unknown')
        or (x.outcome = 'skipped' and x.action in ('close', 'cancel', 'flatten') and x.reason is distinct from 'superseded')
        or (x.outcome is null and (select q.state from engine.queue q where q.id = x.id) in ('claimed', 'unsettled'))
      )
  );
end
$$;
comment on function engine.is_overtaken(engine.commands) is
'Whether a later exit of its scope has had its turn before this entry was sent: sent now it would be open although its '
'trader has closed.';
alter function engine.is_overtaken(engine.commands) owner to empire_engine;
