-- Which of two settings is the tighter one. A change counts field by field: what tightens at once, what admits an order
-- refused before after the user's delay. Whatever cannot be compared (another unit, zone, window) counts as loosening.

create function private.number_map_admits_more(o jsonb, n jsonb) returns boolean
language plpgsql immutable set search_path = '' as $$
begin
  return exists (select 1 from jsonb_each(o) e where coalesce((n ->> e.key)::numeric > (e.value)::numeric, true));
end
$$;
comment on function private.number_map_admits_more(jsonb, jsonb) is
'Whether a ceiling per symbol is gone or higher than before.';
revoke all on function private.number_map_admits_more(jsonb, jsonb) from public;

create function private.field_admits_more(f engine.rule_fields, o jsonb, n jsonb) returns boolean
language plpgsql immutable set search_path = '' as $$
declare
  v_old constant jsonb := coalesce(nullif(o, 'null'), f.fallback);
  v_new constant jsonb := coalesce(nullif(n, 'null'), f.fallback);
begin
  if v_old is not distinct from v_new then
    return false;
  elsif f.looser = 'any' then
    return true;
  elsif v_old is null then
    return false;
  elsif v_new is null then
    return true;
  elsif f.type = 'quantities' then
    return private.number_map_admits_more(v_old, v_new);
  end if;
  return case f.looser
    when 'higher' then v_new::numeric > v_old::numeric
    when 'lower' then v_new::numeric < v_old::numeric
    when 'superset' then not v_new <@ v_old
    else not v_old <@ v_new
  end;
end
$$;
comment on function private.field_admits_more(engine.rule_fields, jsonb, jsonb) is
'Whether a field''s new value could admit an order that the old one refused. Null = its fallback, or no limit.';
revoke all on function private.field_admits_more(engine.rule_fields, jsonb, jsonb) from public;

create function private.tighter_field(f engine.rule_fields, o jsonb, n jsonb) returns jsonb
language plpgsql immutable set search_path = '' as $$
begin
  if not private.field_admits_more(f, o, n) then
    return n;
  elsif n is null or n = 'null' or f.looser = 'any' then
    return o;
  elsif f.type = 'quantities' then
    return (
      select jsonb_object_agg(k, least((o ->> k)::numeric, (n ->> k)::numeric))
      from (select jsonb_object_keys(o) union select jsonb_object_keys(n)) u (k)
    );
  elsif f.looser = 'superset' then
    return (select coalesce(jsonb_agg(v), '[]') from jsonb_array_elements(n) v where o @> v);
  elsif f.looser = 'subset' then
    return o || (select coalesce(jsonb_agg(v), '[]') from jsonb_array_elements(n) v where not o @> v);
  end if;
  return o;
end
$$;
comment on function private.tighter_field(engine.rule_fields, jsonb, jsonb) is
'The value that refuses what the old or the new one refuses; of what cannot be compared, the old one.';
revoke all on function private.tighter_field(engine.rule_fields, jsonb, jsonb) from public;

create function private.rules_admit_more(o jsonb, n jsonb) returns boolean
language plpgsql stable set search_path = '' as $$
begin
  return exists (
    select 1 from jsonb_each(jsonb_strip_nulls(o)) e
    where coalesce(n -> e.key, 'null') = 'null' or exists (
      select 1 from engine.rule_fields f
      where f.rule = e.key and private.field_admits_more(f, e.value -> f.field, n -> e.key -> f.field)
    )
  );
end
$$;
comment on function private.rules_admit_more(jsonb, jsonb) is
'Whether the changed rules could admit an order that the old ones refused. Another rule more never does.';
revoke all on function private.rules_admit_more(jsonb, jsonb) from public;

create function private.tighter_rule(p_rule text, o jsonb, n jsonb) returns jsonb
language plpgsql stable set search_path = '' as $$
declare
  v_both jsonb;
begin
  if coalesce(o, 'null') = 'null' then
    return n;
  elsif coalesce(n, 'null') = 'null' or exists (
    select 1 from engine.rule_fields f
    where f.rule = p_rule and f.looser = 'any' and private.field_admits_more(f, o -> f.field, n -> f.field)
  ) then
    -- A limit of 500 and one of 2 percent: the numbers mean different things, so the old rule stays whole.
    return o;
  end if;
  select jsonb_object_agg(f.field, private.tighter_field(f, o -> f.field, n -> f.field)) into v_both
  from engine.rule_fields f where f.rule = p_rule;
  v_both := jsonb_strip_nulls(v_both);
  perform private.check_rule(p_rule, v_both);
  return v_both;
exception when sqlstate 'PT422' then
  return o;
end
$$;
comment on function private.tighter_rule(text, jsonb, jsonb) is
'A rule that refuses what the old or the new one refuses; where there is none that makes sense, the old one.';
revoke all on function private.tighter_rule(text, jsonb, jsonb) from public;

create function private.tighter_rules(o jsonb, n jsonb) returns jsonb
language plpgsql stable set search_path = '' as $$
begin
  return (
    select coalesce(jsonb_object_agg(k, private.tighter_rule(k, o -> k, n -> k)), '{}')
    from (select jsonb_object_keys(o) union select jsonb_object_keys(n)) u (k)
  );
end
$$;
comment on function private.tighter_rules(jsonb, jsonb) is 'Rules that refuse what the old or the new ones refuse.';
revoke all on function private.tighter_rules(jsonb, jsonb) from public;

create function private.symbols_in(p_symbols text [], p_list text []) returns text []
language plpgsql immutable set search_path = '' as $$
begin
  -- Two spellings of one instrument are one symbol (an exchange in front, a contract month).
  return array(
    select s from unnest(p_symbols) s
    where engine.symbol_key(s) in (select engine.symbol_key(l) from unnest(p_list) l) order by s
  );
end
$$;
comment on function private.symbols_in(text [], text []) is 'Those of the symbols that are on a list, by their keys.';
revoke all on function private.symbols_in(text [], text []) from public;

create function private.naked_care(r public.risk_settings) returns integer
language plpgsql immutable set search_path = '' as $$
begin
  return case when coalesce(r.naked_policy = 'close', r.stop_required) then 2 when r.naked_policy is null then 1 else 0 end;
end
$$;
comment on function private.naked_care(public.risk_settings) is
'What limits want done about a position without its stop: 2 = closed, 1 = its stop set again, 0 = that alone where none ever stood.';
revoke all on function private.naked_care(public.risk_settings) from public;

create function private.tighter_naked(o public.risk_settings, n public.risk_settings) returns text
language plpgsql immutable set search_path = '' as $$
begin
  return case
    when private.naked_care(n) = 2 then n.naked_policy
    when private.naked_care(o) = 2 then o.naked_policy
    -- Of two that do not close: a stop that one of them requires would, where nothing is said.
    when o.stop_required or n.stop_required then 'alarm'
    when o.naked_policy is not null then n.naked_policy
  end;
end
$$;
comment on function private.tighter_naked(public.risk_settings, public.risk_settings) is
'The policy that closes naked positions where the old or the new limits do, and only there; beside the tighter stop_required.';
revoke all on function private.tighter_naked(public.risk_settings, public.risk_settings) from public;

create function private.limits_admit_more(o public.risk_settings, n public.risk_settings) returns boolean
language plpgsql stable set search_path = '' as $$
begin
  return private.higher(o.max_daily_loss_usd, n.max_daily_loss_usd)
    or private.higher(o.max_daily_loss_pct, n.max_daily_loss_pct)
    or private.higher(o.max_trades_per_day, n.max_trades_per_day)
    or private.higher(o.max_open_trades, n.max_open_trades)
    or private.higher(o.max_concurrent_positions, n.max_concurrent_positions)
    or private.higher(o.max_order_qty, n.max_order_qty)
    or private.higher(o.max_risk_per_trade_pct, n.max_risk_per_trade_pct)
    -- Where nobody says anything a trade may risk 5 %: a first ceiling above that admits more.
    or (o.max_risk_per_trade_pct is null and coalesce(n.max_risk_per_trade_pct, 0) > 5)
    or private.higher(o.max_price_deviation_pct, n.max_price_deviation_pct)
    or (o.stop_required and not n.stop_required)
    or private.naked_care(o) > private.naked_care(n)
    or (o.allowed_symbols is not null and (
      n.allowed_symbols is null or cardinality(private.symbols_in(n.allowed_symbols, o.allowed_symbols)) < cardinality(n.allowed_symbols)
    ))
    or private.rules_admit_more(o.rules, n.rules);
end
$$;
comment on function private.limits_admit_more(public.risk_settings, public.risk_settings) is
'Whether the changed limits could admit an order that the old ones refused.';
revoke all on function private.limits_admit_more(public.risk_settings, public.risk_settings) from public;

create function private.tighter_limits(o public.risk_settings, n public.risk_settings) returns public.risk_settings
language plpgsql stable set search_path = '' as $$
begin
  n.max_daily_loss_usd := least(o.max_daily_loss_usd, n.max_daily_loss_usd);
  n.max_daily_loss_pct := least(o.max_daily_loss_pct, n.max_daily_loss_pct);
  n.max_trades_per_day := least(o.max_trades_per_day, n.max_trades_per_day);
  n.max_open_trades := least(o.max_open_trades, n.max_open_trades);
  n.max_concurrent_positions := least(o.max_concurrent_positions, n.max_concurrent_positions);
  n.max_order_qty := least(o.max_order_qty, n.max_order_qty);
  -- Not set means 5 % where no other scope says anything: of the two the tighter, whatever the others say.
  n.max_risk_per_trade_pct := case
    when o.max_risk_per_trade_pct is not distinct from n.max_risk_per_trade_pct then n.max_risk_per_trade_pct
    else least(coalesce(o.max_risk_per_trade_pct, 5), coalesce(n.max_risk_per_trade_pct, 5)) end;
  n.max_price_deviation_pct := least(o.max_price_deviation_pct, n.max_price_deviation_pct);
  n.naked_policy := private.tighter_naked(o, n);
  n.stop_required := o.stop_required or n.stop_required;
  n.allowed_symbols := case
    when o.allowed_symbols is null then n.allowed_symbols when n.allowed_symbols is null then o.allowed_symbols
    else private.symbols_in(n.allowed_symbols, o.allowed_symbols) end;
  n.rules := private.tighter_rules(o.rules, n.rules);
  return n;
end
$$;
comment on function private.tighter_limits(public.risk_settings, public.risk_settings) is
'Limits that refuse what the old or the new ones refuse: what of a change counts at once.';
revoke all on function private.tighter_limits(public.risk_settings, public.risk_settings) from public;
