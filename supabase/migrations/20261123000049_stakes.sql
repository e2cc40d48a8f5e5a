-- What entries have at stake. A worker decides by what it was shown at the claim; what others have put at stake since then
-- is added here, under the locks, before its orders are written. Only where the user has rules.
create table engine.reservations (
  delivery_id bigint primary key,
  account_id uuid not null,
  loss jsonb not null default '{}',
  notional_usd jsonb not null default '{}'
);
comment on table engine.reservations is
'Per delivery what its entries lose at worst and are worth, by leg: for the rules of those that come after. Only where the '
'user has rules.';
comment on column engine.reservations.loss is 'By leg, in the account''s currency; without a stop what the rules assumed.';

create table engine.stakes (
  owner uuid not null,
  key text not null check (char_length(key) <= 100),
  total numeric not null,
  primary key (owner, key)
) with (fillfactor = 50);
comment on table engine.stakes is
'What has ever been put at stake, per account or per user (owner) and kind (loss, quantity, a symbol''s side, dollars). It only '
'rises: the difference between two moments is what was admitted in between, whatever became of it.';
grant select, insert, update, delete on engine.reservations, engine.stakes to empire_engine;

create function engine.stake_key(p_broker public.broker, p_owner text, p_key text) returns text
language sql immutable set search_path = '' as $$
  -- Practice and real money of a trader have nothing to do with one another.
  select case when p_owner = 'user' and p_broker = 'paper' then 'paper:' else '' end || p_key
$$;
comment on function engine.stake_key(public.broker, text, text) is 'The key under which an amount of an account or its user is kept.';
alter function engine.stake_key(public.broker, text, text) owner to empire_engine;

create function engine.stakes_json(a public.broker_accounts) returns jsonb
language plpgsql stable set search_path = '' as $$
begin
  return (
    select jsonb_build_object(
      'account', coalesce(jsonb_object_agg(s.key, s.total) filter (where s.owner = a.id), '{}'),
      'user', coalesce(jsonb_object_agg(replace(s.key, 'paper:', ''), s.total) filter (
        where s.owner = a.user_id and s.key like 'paper:%' = (a.broker = 'paper')
      ), '{}')
    ) from engine.stakes s where s.owner in (a.id, a.user_id)
  );
end
$$;
comment on function engine.stakes_json(public.broker_accounts) is
'What has been put at stake until now on an account, and by its user; seen in the same snapshot as everything else.';
alter function engine.stakes_json(public.broker_accounts) owner to empire_engine;

create function engine.since_seen(s engine.situation, p_room jsonb, p_risk jsonb) returns numeric
language plpgsql stable set search_path = '' as $$
declare
  c_owner constant uuid := case p_room ->> 'owner' when 'user' then s.user_id else s.account_id end;
  v_since numeric := coalesce((
    select greatest(t.total - coalesce((p_room ->> 'seen')::numeric, 0), 0) from engine.stakes t
    where t.owner = c_owner and t.key = engine.stake_key(s.broker, p_room ->> 'owner', p_room ->> 'key')
  ), 0);
  v_moved numeric;
begin
  if p_room ->> 'drift' is not null then
    -- The account was read again since the worker looked.
    select a.equity - (p_risk ->> 'equity')::numeric into v_moved from public.broker_accounts a
    where a.id = s.account_id and a.as_of > (p_risk ->> 'as_of')::timestamptz;
    v_since := v_since + greatest(coalesce(case p_room ->> 'drift' when 'down' then -v_moved else v_moved end, 0), 0);
  end if;
  return v_since;
end
$$;
comment on function engine.since_seen(engine.situation, jsonb, jsonb) is
'How much of a rule''s room is gone since the worker looked: what others have put at stake, and what the equity has lost '
'(drift down) or won (up).';
alter function engine.since_seen(engine.situation, jsonb, jsonb) owner to empire_engine;

create function engine.denial_of_room_left(p_room jsonb, p_since numeric) returns jsonb
language plpgsql immutable set search_path = '' as $$
declare
  c_left constant numeric := (p_room ->> 'left')::numeric - p_since;
  c_value constant numeric := (p_room #>> '{numbers,value}')::numeric;
begin
  if p_since = 0 or c_left > 0 or (c_left = 0 and not (p_room ->> 'touch')::boolean) then
    return null;
  end if;
  return jsonb_build_object('reason', p_room ->> 'reason', 'numbers', coalesce(p_room -> 'numbers', '{}') || jsonb_strip_nulls(
    jsonb_build_object(
      'value', c_value + case when (p_room ->> 'falls')::boolean then -p_since else p_since end, 'distance', c_left,
      'since', p_since
    )
  ));
end
$$;
comment on function engine.denial_of_room_left(jsonb, numeric) is
'Whether what is gone since leaves an order too little room; the rule''s own numbers, brought up to date. Null = it fits.';
alter function engine.denial_of_room_left(jsonb, numeric) owner to empire_engine;

create function engine.denial_of_cool_down(s engine.situation, p_rules jsonb) returns jsonb
language plpgsql stable set search_path = '' as $$
declare
  l jsonb;
  p jsonb;
  v_until timestamptz;
begin
  for p in select r from jsonb_array_elements(p_rules) r loop
    l := coalesce(l, engine.losses_json(s.account_id));
    v_until := (l ->> 'last_loss_at')::timestamptz
      + make_interval(secs => ((p ->> 'minutes')::numeric * 60)::double precision);
    if (l ->> 'losses_in_a_row')::integer >= (p ->> 'after_losses')::integer and v_until > clock_timestamp() then
      return jsonb_build_object('reason', 'cool_down', 'numbers', jsonb_build_object(
        'value', l -> 'losses_in_a_row', 'limit', p -> 'after_losses', 'minutes', p -> 'minutes', 'scope', p -> 'scope',
        'until', v_until
      ));
    end if;
  end loop;
  return null;
end
$$;
comment on function engine.denial_of_cool_down(engine.situation, jsonb) is
'Whether a loss that was recorded since the worker looked makes the account cool down. Null = it does not.';
alter function engine.denial_of_cool_down(engine.situation, jsonb) owner to empire_engine;

create function engine.denial_of_margin_use(s engine.situation, p_risk jsonb) returns jsonb
language plpgsql stable set search_path = '' as $$
declare
  m jsonb;
  v_equity numeric;
  v_since numeric;
  v_margin numeric;
begin
  for m in select r from jsonb_array_elements(p_risk -> 'margin_use') r loop
    v_since := coalesce(v_since, engine.since_seen(s, '{"owner": "account", "key": "margin"}' || m, p_risk));
    -- As it was read since the worker looked, else as the worker saw it.
    v_equity := coalesce(v_equity, (
      select a.equity from public.broker_accounts a
      where a.id = s.account_id and a.as_of > (p_risk ->> 'as_of')::timestamptz
    ), (p_risk ->> 'equity')::numeric);
    v_margin := (m ->> 'margin')::numeric + v_since;
    if v_equity is null or v_equity <= 0 or v_margin * 100 > v_equity * (m ->> 'max_pct')::numeric then
      return jsonb_build_object('reason', 'margin_use', 'numbers', jsonb_strip_nulls(jsonb_build_object(
        'value', case when v_equity > 0 then round(v_margin / v_equity * 100, 2) end, 'limit', m -> 'max_pct',
        'distance', case when v_equity > 0 then round((m ->> 'max_pct')::numeric - v_margin / v_equity * 100, 2) end,
        'margin', round(v_margin, 2), 'equity', round(v_equity, 2), 'currency', s.currency, 'scope', m -> 'scope',
        'since', round(v_since, 2)
      )));
    end if;
  end loop;
  return null;
end
$$;
comment on function engine.denial_of_margin_use(engine.situation, jsonb) is
'Whether the margin of this order and of what was admitted since the worker looked is more of the equity, as it is now, than a '
'scope allows. Null = it is not.';
alter function engine.denial_of_margin_use(engine.situation, jsonb) owner to empire_engine;

create function engine.denial_of_duplicate(s engine.situation, p_rules jsonb) returns jsonb
language plpgsql stable set search_path = '' as $$
declare
  p jsonb;
  v_twin bigint;
begin
  for p in select r from jsonb_array_elements(p_rules) r loop
    select max(t.id) into v_twin from public.deliveries d
    cross join lateral (
      select e.* from public.deliveries e where e.account_id = d.account_id and e.id <> d.id order by e.id desc limit 500
    ) t
    join engine.commands k on k.delivery_id = t.id
    where d.id = s.delivery_id and t.action = d.action
      and t.created_at > d.created_at - make_interval(secs => (p ->> 'window_s')::double precision)
      -- Whatever its alert called the symbol: the root is what is ordered. What opened nothing is repeated rightly.
      and k.kind = 'place' and k.is_entry and k.root = p ->> 'root' and k.request ->> 'side' = p ->> 'side'
      and k.state not in ('rejected', 'canceled', 'expired');
    if v_twin is not null then
      return jsonb_build_object('reason', 'duplicate_intent', 'numbers', jsonb_build_object(
        'limit', p -> 'window_s', 'twin', v_twin, 'scope', p -> 'scope'
      ));
    end if;
  end loop;
  return null;
end
$$;
comment on function engine.denial_of_duplicate(engine.situation, jsonb) is
'Whether another delivery of the account has an entry of the same action, root and side within a scope''s window. Null = none.';
alter function engine.denial_of_duplicate(engine.situation, jsonb) owner to empire_engine;

create function engine.put_at_stake(s engine.situation, p_takes jsonb) returns void
language plpgsql set search_path = '' as $$
begin
  insert into engine.stakes as t (owner, key, total)
  select case o.key when 'user' then s.user_id else s.account_id end, engine.stake_key(s.broker, o.key, k.key), k.value::numeric
  from jsonb_each(p_takes) o cross join lateral jsonb_each_text(o.value) k order by 1, 2
  on conflict (owner, key) do update set total = t.total + excluded.total;
end
$$;
comment on function engine.put_at_stake(engine.situation, jsonb) is
'Adds amounts by kind to what an account and its user have at stake.';
alter function engine.put_at_stake(engine.situation, jsonb) owner to empire_engine;

create function engine.stake(s engine.situation, p_risk jsonb) returns jsonb
language plpgsql set search_path = '' as $$
declare
  x jsonb;
  v_denial jsonb;
begin
  for x in select r from jsonb_array_elements(p_risk -> 'rooms') r loop
    v_denial := engine.denial_of_room_left(x, engine.since_seen(s, x, p_risk));
    if v_denial is not null then
      return v_denial;
    end if;
  end loop;
  v_denial := coalesce(
    engine.denial_of_margin_use(s, p_risk), engine.denial_of_cool_down(s, p_risk -> 'cool_down'),
    engine.denial_of_duplicate(s, p_risk -> 'duplicates')
  );
  if v_denial is not null then
    return v_denial;
  end if;
  perform engine.put_at_stake(s, p_risk -> 'takes');
  insert into engine.reservations (delivery_id, account_id, loss, notional_usd)
  values (s.delivery_id, s.account_id, coalesce(p_risk -> 'loss', '{}'), coalesce(p_risk -> 'notional_usd', '{}'))
  on conflict (delivery_id) do nothing;
  return null;
end
$$;
comment on function engine.stake(engine.situation, jsonb) is
'The rules with an amount, asked again with what others have put at stake since the worker looked, and this order''s own '
'amounts put there. The caller holds user and account. Null = it fits.';
alter function engine.stake(engine.situation, jsonb) owner to empire_engine;
