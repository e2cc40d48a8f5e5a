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
