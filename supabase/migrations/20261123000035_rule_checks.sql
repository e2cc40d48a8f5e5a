-- Settings that make no sense are refused when they are set, with the field, the value and what is allowed: a limit that
-- cannot be read would be a limit that never fires. The same bounds are in shared/models/limits.py.

create function private.refuse_value(p_path text, p_value jsonb, p_message text) returns void
language plpgsql set search_path = '' as $$
begin
  raise exception using errcode = 'PT422', hint = 'invalid', detail = p_path,
    message = format('%s is %s: %s', left(p_path, 200), coalesce(left(p_value::text, 80), 'missing'), p_message);
end
$$;
comment on function private.refuse_value(text, jsonb, text) is
'422 for one field: its path (also as detail), what was sent, and what is allowed.';
revoke all on function private.refuse_value(text, jsonb, text) from public;

create function private.check_number(p_path text, p jsonb, p_minimum numeric, p_maximum numeric, p_whole boolean)
returns void
language plpgsql set search_path = '' as $$
declare
  v numeric;
begin
  if jsonb_typeof(p) is distinct from 'number' then
    perform private.refuse_value(p_path, p, 'it must be a number.');
  end if;
  v := p;
  if v < p_minimum then
    perform private.refuse_value(p_path, p, format('at least %s is allowed.', trim_scale(p_minimum)));
  elsif v > p_maximum then
    perform private.refuse_value(p_path, p, format('at most %s is allowed.', trim_scale(p_maximum)));
  elsif p_whole and v <> trunc(v) then
    perform private.refuse_value(p_path, p, 'it must be a whole number.');
  elsif scale(trim_scale(v)) > 12 then
    perform private.refuse_value(p_path, p, 'it has more than 12 decimals.');
  end if;
end
$$;
comment on function private.check_number(text, jsonb, numeric, numeric, boolean) is
'Refuses what is no number or out of bounds. Null bounds = none.';
revoke all on function private.check_number(text, jsonb, numeric, numeric, boolean) from public;

create function private.check_pattern(p_path text, p jsonb, p_pattern text, p_message text) returns void
language plpgsql set search_path = '' as $$
begin
  if jsonb_typeof(p) is distinct from 'string' or (p #>> '{}') !~ p_pattern then
    perform private.refuse_value(p_path, p, p_message);
  end if;
end
$$;
comment on function private.check_pattern(text, jsonb, text, text) is 'Refuses what is no text of this form.';
revoke all on function private.check_pattern(text, jsonb, text, text) from public;

create function private.check_root(p_path text, p jsonb) returns void
language plpgsql set search_path = '' as $$
begin
  perform private.check_pattern(p_path, p, '^[A-Z0-9][A-Z0-9._/-]{0,31}$',
    'a symbol is written by its root, such as "EURUSD" or "MES".');
end
$$;
comment on function private.check_root(text, jsonb) is 'Refuses what is not the root of a symbol.';
revoke all on function private.check_root(text, jsonb) from public;

create function private.check_clock(p_path text, p jsonb) returns void
language plpgsql set search_path = '' as $$
begin
  perform private.check_pattern(p_path, p, '^([01][0-9]|2[0-3]):[0-5][0-9]$', 'a time is "HH:MM", such as "15:05".');
end
$$;
comment on function private.check_clock(text, jsonb) is 'Refuses what is no time of day.';
revoke all on function private.check_clock(text, jsonb) from public;

create function private.check_zone(p_path text, p jsonb) returns void
language plpgsql stable set search_path = '' as $$
begin
  if jsonb_typeof(p) is distinct from 'string'
    or not exists (select 1 from pg_catalog.pg_timezone_names z where z.name = p #>> '{}') then
    perform private.refuse_value(p_path, p, 'it must be an IANA time zone, such as "America/Chicago".');
  end if;
end
$$;
comment on function private.check_zone(text, jsonb) is 'Refuses what is no time zone by name.';
revoke all on function private.check_zone(text, jsonb) from public;

create function private.check_size(p_path text, p jsonb, p_type text, p_most integer) returns void
language plpgsql set search_path = '' as $$
declare
  v_members integer;
begin
  if jsonb_typeof(p) is distinct from p_type then
    perform private.refuse_value(p_path, p, case p_type when 'array' then 'it must be a list.' else 'it must be an object.' end);
  end if;
  v_members := case p_type when 'array' then jsonb_array_length(p) else (select count(*) from jsonb_object_keys(p)) end;
  if v_members not between 1 and p_most then
    perform private.refuse_value(p_path, p, format('it has 1 to %s members.', p_most));
  end if;
end
$$;
comment on function private.check_size(text, jsonb, text, integer) is 'Refuses what is no list (or object) of 1 to so many members.';
revoke all on function private.check_size(text, jsonb, text, integer) from public;

create function private.check_members(p_path text, p jsonb, p_fields text []) returns void
language plpgsql set search_path = '' as $$
declare
  v_name text;
begin
  if jsonb_typeof(p) is distinct from 'object' then
    perform private.refuse_value(p_path, p, 'it must be an object.');
  end if;
  select k into v_name from jsonb_object_keys(p) k where k <> all (p_fields) limit 1;
  if found then
    perform private.refuse_value(p_path || '.' || left(v_name, 60), p -> v_name, 'there is no such field.');
  end if;
  select f into v_name from unnest(p_fields) f where p -> f is null or p -> f = 'null' limit 1;
  if found then
    perform private.refuse_value(p_path || '.' || v_name, null, 'it is required.');
  end if;
end
$$;
comment on function private.check_members(text, jsonb, text []) is 'Refuses what is no object of exactly these fields.';
revoke all on function private.check_members(text, jsonb, text []) from public;

create function private.check_names(p_path text, p jsonb) returns void
language plpgsql set search_path = '' as $$
declare
  m record;
begin
  perform private.check_size(p_path, p, 'object', 200);
  for m in select * from jsonb_each(p) loop
    perform private.check_root(p_path, to_jsonb(m.key));
    perform private.check_root(p_path || '.' || m.key, m.value);
    if p ? (m.value #>> '{}') then
      perform private.refuse_value(p_path || '.' || m.key, m.value, 'it is itself named as a part of another.');
    end if;
  end loop;
end
$$;
comment on function private.check_names(text, jsonb) is 'Refuses what is no object of roots by roots (micro: mini).';
revoke all on function private.check_names(text, jsonb) from public;

create function private.check_groups(p_path text, p jsonb) returns void
language plpgsql set search_path = '' as $$
declare
  m record;
  v_seen text [] := '{}';
begin
  perform private.check_size(p_path, p, 'object', 50);
  for m in
    select g.key, r.value as root from jsonb_each(p) g
    cross join lateral jsonb_array_elements(case when jsonb_typeof(g.value) = 'array' then g.value else '[null]' end) r
  loop
    perform private.check_pattern(p_path, to_jsonb(m.key), '^.{1,64}$', 'a group has a name of 1 to 64 characters.');
    perform private.check_size(p_path || '.' || m.key, p -> m.key, 'array', 100);
    perform private.check_root(p_path || '.' || m.key, m.root);
    if m.root #>> '{}' = any (v_seen) then
      perform private.refuse_value(p_path || '.' || m.key, m.root, 'a symbol is named once, in one group.');
    end if;
    v_seen := v_seen || (m.root #>> '{}');
  end loop;
  perform private.check_size(p_path || '.' || e.key, e.value, 'array', 100) from jsonb_each(p) e;
end
$$;
comment on function private.check_groups(text, jsonb) is 'Refuses what are no groups of roots, each root in one.';
revoke all on function private.check_groups(text, jsonb) from public;

create function private.check_windows(p_path text, p jsonb) returns void
language plpgsql set search_path = '' as $$
declare
  c_days constant jsonb := '["mon", "tue", "wed", "thu", "fri", "sat", "sun"]';
  w jsonb;
  v_path text;
begin
  perform private.check_size(p_path, p, 'array', 50);
  for i in 0 .. jsonb_array_length(p) - 1 loop
    w := p -> i;
    v_path := format('%s[%s]', p_path, i);
    perform private.check_members(v_path, w, '{days,from,to}');
    perform private.check_size(v_path || '.days', w -> 'days', 'array', 7);
    if not w -> 'days' <@ c_days then
      perform private.refuse_value(v_path || '.days', w -> 'days', 'days are mon, tue, wed, thu, fri, sat, sun.');
    end if;
    perform private.check_clock(v_path || '.from', w -> 'from');
    perform private.check_clock(v_path || '.to', w -> 'to');
    if w -> 'from' = w -> 'to' then
      perform private.refuse_value(v_path || '.to', w -> 'to', 'a window that ends when it begins is no time at all.');
    end if;
  end loop;
end
$$;
comment on function private.check_windows(text, jsonb) is 'Refuses what are no windows of days with from and to.';
revoke all on function private.check_windows(text, jsonb) from public;

create function private.check_steps(p_path text, p jsonb) returns void
language plpgsql set search_path = '' as $$
declare
  s jsonb;
  v_path text;
begin
  perform private.check_size(p_path, p, 'array', 50);
  for i in 0 .. jsonb_array_length(p) - 1 loop
    s := p -> i;
    v_path := format('%s[%s]', p_path, i);
    perform private.check_members(v_path, s, '{profit_from,per_account}');
    perform private.check_number(v_path || '.profit_from', s -> 'profit_from', -1000000000, 1000000000, false);
    perform private.check_number(v_path || '.per_account', s -> 'per_account', 0, 1000000, false);
    if i > 0 and (s ->> 'profit_from')::numeric <= (p -> (i - 1) ->> 'profit_from')::numeric then
      perform private.refuse_value(v_path || '.profit_from', s -> 'profit_from', 'every step begins above the one before.');
    end if;
  end loop;
end
$$;
comment on function private.check_steps(text, jsonb) is 'Refuses what are no rising steps of profit and size.';
revoke all on function private.check_steps(text, jsonb) from public;

create function private.check_seed(p_path text, p jsonb) returns void
language plpgsql set search_path = '' as $$
begin
  perform private.check_members(p_path, p, '{amount,on,by}');
  perform private.check_number(p_path || '.amount', p -> 'amount', 0, 1000000000, false);
  if (p ->> 'amount')::numeric = 0 then
    perform private.refuse_value(p_path || '.amount', p -> 'amount', 'it must be more than 0.');
  end if;
  perform private.check_pattern(p_path || '.on', p -> 'on', '^\d{4}-\d\d-\d\d$', 'a day is "YYYY-MM-DD".');
  if not pg_input_is_valid(p ->> 'on', 'date') then
    perform private.refuse_value(p_path || '.on', p -> 'on', 'there is no such day.');
  end if;
  perform private.check_pattern(p_path || '.by', p -> 'by', '^.{1,200}$', 'say who states it, in 1 to 200 characters.');
end
$$;
comment on function private.check_seed(text, jsonb) is 'Refuses what is no amount with its day and who states it.';
revoke all on function private.check_seed(text, jsonb) from public;

create function private.check_text(p_path text, p jsonb, f engine.rule_fields) returns void
language plpgsql set search_path = '' as $$
begin
  if f.field in ('calendar', 'name') then
    perform private.check_pattern(p_path, p, '^[a-z][a-z0-9_]{0,62}$', 'a name is of small letters, digits and _.');
  else
    perform private.check_pattern(p_path, p, '^[^[:cntrl:]]{1,32}$', 'it is a text of 1 to 32 characters.');
  end if;
  if not exists (
    select 1 from engine.rule_names n where n.rule = f.rule and n.field = f.field and n.name = p #>> '{}'
  ) and exists (select 1 from engine.rule_names n where n.rule = f.rule and n.field = f.field) then
    perform private.refuse_value(p_path, p, format('there is none of this name; known are %s.', (
      select string_agg(n.name, ', ' order by n.name) from engine.rule_names n where n.rule = f.rule and n.field = f.field
    )));
  end if;
end
$$;
comment on function private.check_text(text, jsonb, engine.rule_fields) is
'Refuses what is no text, or not the name of a calendar or pack that we have.';
revoke all on function private.check_text(text, jsonb, engine.rule_fields) from public;

create function private.check_rule_field(p_path text, p jsonb, f engine.rule_fields) returns void
language plpgsql set search_path = '' as $$
begin
  case f.type
    when 'number' then perform private.check_number(p_path, p, f.minimum, f.maximum, false);
    when 'integer' then perform private.check_number(p_path, p, f.minimum, f.maximum, true);
    when 'text' then perform private.check_text(p_path, p, f);
    when 'clock' then perform private.check_clock(p_path, p);
    when 'zone' then perform private.check_zone(p_path, p);
    when 'names' then perform private.check_names(p_path, p);
    when 'groups' then perform private.check_groups(p_path, p);
    when 'windows' then perform private.check_windows(p_path, p);
    when 'steps' then perform private.check_steps(p_path, p);
    when 'seed' then perform private.check_seed(p_path, p);
    when 'quantities' then
      perform private.check_size(p_path, p, 'object', 200);
      perform private.check_root(p_path, to_jsonb(e.key)) from jsonb_each(p) e;
      perform private.check_number(p_path || '.' || e.key, e.value, f.minimum, f.maximum, false) from jsonb_each(p) e;
    when 'choice' then
      if jsonb_typeof(p) <> 'string' or (p #>> '{}') <> all (f.choices) then
        perform private.refuse_value(p_path, p, format('it is one of %s.', array_to_string(f.choices, ', ')));
      end if;
    when 'choices' then
      if jsonb_typeof(p) <> 'array' or not p <@ to_jsonb(f.choices) then
        perform private.refuse_value(p_path, p, format('it is a list of %s.', array_to_string(f.choices, ', ')));
      end if;
  end case;
end
$$;
comment on function private.check_rule_field(text, jsonb, engine.rule_fields) is 'Refuses a value that its field does not allow.';
revoke all on function private.check_rule_field(text, jsonb, engine.rule_fields) from public;

create function private.check_amounts(p_path text, r jsonb) returns void
language plpgsql set search_path = '' as $$
declare
  v_name constant text := case when r ? 'limit' then 'limit' else 'amount' end;
  v_amount constant numeric := (r ->> v_name)::numeric;
  v_drawdown constant numeric := case when r ->> 'unit' in ('usd', 'account') then v_amount else 0 end;
  v_begin constant numeric := (r ->> 'start')::numeric - v_drawdown;
begin
  if r ->> 'unit' like 'pct%' and (v_amount > 100 or v_amount = 0) then
    perform private.refuse_value(p_path || '.' || v_name, r -> v_name,
      'in percent it is more than 0 and at most 100 (nothing allowed is a switched off account).');
  elsif r ? 'kind' and v_amount = 0 then
    perform private.refuse_value(p_path || '.amount', r -> 'amount', 'it must be more than 0.');
  elsif (r ->> 'cap')::numeric < v_begin then
    perform private.refuse_value(p_path || '.cap', r -> 'cap',
      format('the floor begins at %s, which is above it.', trim_scale(v_begin)));
  end if;
end
$$;
comment on function private.check_amounts(text, jsonb) is
'Refuses amounts that contradict their unit or one another: percent over 100, a floor that begins above its cap.';
revoke all on function private.check_amounts(text, jsonb) from public;

create function private.check_together(p_path text, p_rule text, r jsonb) returns void
language plpgsql set search_path = '' as $$
begin
  if r ? 'unit' then
    perform private.check_amounts(p_path, r);
  elsif p_rule = 'max_qty' and not r ?| '{per_account,per_symbol,scaling}' then
    perform private.refuse_value(p_path, r, 'it limits nothing: per_account, per_symbol or scaling is needed.');
  elsif p_rule = 'exposure' and not r ?| '{per_symbol_usd,per_group_usd}' then
    perform private.refuse_value(p_path, r, 'it limits nothing: per_symbol_usd or per_group_usd is needed.');
  elsif p_rule = 'exposure' and (r ? 'per_group_usd') <> (r ? 'groups') then
    perform private.refuse_value(p_path, r, 'per_group_usd and groups go together.');
  elsif p_rule = 'stop_distance' and not r ?| '{min_ticks,min_pct}' then
    perform private.refuse_value(p_path, r, 'it limits nothing: min_ticks or min_pct is needed.');
  elsif p_rule = 'spread' and not r ?| '{max_ticks,max_pct}' then
    perform private.refuse_value(p_path, r, 'it limits nothing: max_ticks or max_pct is needed.');
  elsif p_rule = 'hours' and not r ?| '{calendar,windows}' then
    perform private.refuse_value(p_path, r, 'it limits nothing: calendar or windows is needed.');
  elsif p_rule = 'news' and (r ->> 'before_min')::numeric + (r ->> 'after_min')::numeric = 0 then
    perform private.refuse_value(p_path, r, 'before_min and after_min are both 0: it would stop nothing.');
  elsif p_rule in ('cool_down', 'duplicates') and 0 in ((r ->> 'minutes')::numeric, (r ->> 'window_s')::numeric) then
    perform private.refuse_value(p_path, r, 'for 0 minutes or seconds it would stop nothing.');
  end if;
end
$$;
comment on function private.check_together(text, text, jsonb) is
'Refuses fields that are right one by one and contradict one another, or together limit nothing.';
revoke all on function private.check_together(text, text, jsonb) from public;

create function private.check_rule(p_rule text, r jsonb) returns void
language plpgsql set search_path = '' as $$
declare
  c_path constant text := 'rules.' || p_rule;
  v_name text;
  f engine.rule_fields;
begin
  if jsonb_typeof(r) is distinct from 'object' then
    perform private.refuse_value(c_path, r, 'a rule is an object, or null for off.');
  end if;
  select k into v_name from jsonb_object_keys(r) k where not exists (
    select 1 from engine.rule_fields x where x.rule = p_rule and x.field = k
  ) limit 1;
  if found then
    perform private.refuse_value(c_path || '.' || left(v_name, 60), r -> v_name, 'the rule has no such field.');
  end if;
  for f in select x.* from engine.rule_fields x where x.rule = p_rule loop
    if coalesce(r -> f.field, 'null') <> 'null' then
      perform private.check_rule_field(c_path || '.' || f.field, r -> f.field, f);
    elsif f.required then
      perform private.refuse_value(c_path || '.' || f.field, r -> f.field, 'it is required.');
    end if;
  end loop;
  perform private.check_together(c_path, p_rule, jsonb_strip_nulls(r));
end
$$;
comment on function private.check_rule(text, jsonb) is 'Refuses a rule with a field that is unknown, missing, out of bounds or contradictory.';
revoke all on function private.check_rule(text, jsonb) from public;

create function private.check_rules(p_rules jsonb) returns void
language plpgsql set search_path = '' as $$
declare
  m record;
begin
  if jsonb_typeof(p_rules) is distinct from 'object' then
    perform private.refuse_value('rules', p_rules, 'it must be an object of rules.');
  end if;
  for m in select * from jsonb_each(p_rules) loop
    if not exists (select 1 from engine.rule_fields f where f.rule = m.key) then
      perform private.refuse_value('rules.' || left(m.key, 60), m.value, 'there is no such rule.');
    elsif m.value <> 'null' then
      perform private.check_rule(m.key, m.value);
    end if;
  end loop;
end
$$;
comment on function private.check_rules(jsonb) is
'Refuses rules (an object of rule and settings, null = off) with 422, the field''s path, the value and what is allowed.';
revoke all on function private.check_rules(jsonb) from public;

create function private.as_number(p jsonb) returns jsonb
language plpgsql immutable set search_path = '' as $$
begin
  -- A number may come as text, exact: browsers' own numbers are not.
  return case
    when jsonb_typeof(p) = 'string' and (p #>> '{}') ~ '^-?(0|[1-9]\d{0,19})(\.\d{1,12})?$' then (p #>> '{}')::jsonb
    when jsonb_typeof(p) = 'object' then (select coalesce(jsonb_object_agg(e.key, private.as_number(e.value)), '{}') from jsonb_each(p) e)
    when jsonb_typeof(p) = 'array' then (
      select coalesce(jsonb_agg(private.as_number(e.value) order by e.nth), '[]') from jsonb_array_elements(p) with ordinality e (value, nth)
    )
    else p end;
end
$$;
comment on function private.as_number(jsonb) is 'Numbers that came as text, as numbers; also inside objects and lists.';
revoke all on function private.as_number(jsonb) from public;

create function private.with_numbers(p_rules jsonb) returns jsonb
language plpgsql stable set search_path = '' as $$
declare
  f engine.rule_fields;
begin
  for f in
    select x.* from engine.rule_fields x
    where x.type in ('number', 'integer', 'quantities', 'steps', 'seed') and jsonb_typeof(p_rules -> x.rule -> x.field) <> 'null'
  loop
    p_rules := coalesce(jsonb_set(p_rules, case f.type when 'seed' then array[f.rule, f.field, 'amount'] else array[f.rule, f.field] end,
      private.as_number(case f.type when 'seed' then p_rules #> array[f.rule, f.field, 'amount'] else p_rules #> array[f.rule, f.field] end), false), p_rules);
  end loop;
  return p_rules;
end
$$;
comment on function private.with_numbers(jsonb) is 'Rules whose numbers are numbers, also those that came as text.';
revoke all on function private.with_numbers(jsonb) from public;

create function private.check_columns(p_values jsonb) returns void
language plpgsql set search_path = '' as $$
declare
  c_most constant jsonb := '{
    "max_daily_loss_usd": 1000000000, "max_daily_loss_pct": 100, "max_trades_per_day": 100000,
    "max_open_trades": 100000, "max_concurrent_positions": 100000, "max_order_qty": 1000000000,
    "max_risk_per_trade_pct": 100, "max_price_deviation_pct": 100}';
  m record;
  v jsonb;
begin
  for m in select * from jsonb_each(p_values) where jsonb_typeof(value) <> 'null' loop
    if c_most ? m.key then
      v := private.as_number(m.value);
      perform private.check_number(m.key, v, 0, (c_most ->> m.key)::numeric, m.key not like '%_pct' and m.key not in ('max_daily_loss_usd', 'max_order_qty'));
    elsif m.key = 'stop_required' and jsonb_typeof(m.value) <> 'boolean' then
      perform private.refuse_value(m.key, m.value, 'it is true or false.');
    elsif m.key = 'naked_policy' and m.value not in ('"close"', '"alarm"') then
      perform private.refuse_value(m.key, m.value, 'it is close or alarm.');
    elsif m.key = 'allowed_symbols' then
      if jsonb_typeof(m.value) <> 'array' or jsonb_array_length(m.value) > 500 or exists (
        select 1 from jsonb_array_elements(m.value) s
        where jsonb_typeof(s) <> 'string' or char_length(btrim(s #>> '{}')) not between 1 and 64
      ) then
        perform private.refuse_value(m.key, m.value, 'it is a list of at most 500 symbols.');
      end if;
    elsif m.key = 'rules' then
      perform private.check_rules(m.value);
    end if;
  end loop;
end
$$;
comment on function private.check_columns(jsonb) is
'Refuses limits that are no number, negative, not finite or absurd, with 422 and the field''s name.';
revoke all on function private.check_columns(jsonb) from public;
