-- What a rule may be set to, as data: one row per field of shared/models/limits.py (a test holds the two together).
create table engine.rule_fields (
  rule text not null,
  field text not null,
  type text not null,
  minimum numeric,
  maximum numeric,
  choices text [],
  looser text not null check (looser in ('higher', 'lower', 'superset', 'subset', 'any')),
  required boolean not null,
  fallback jsonb,
  unit text not null,
  primary key (rule, field)
);
comment on table engine.rule_fields is
'The fields of each rule in risk_settings.rules: type, bounds, and which direction admits more (any = every change counts '
'as that).';
comment on column engine.rule_fields.type is
'quantities = object of root and number; names = object of root and root; groups = object of name and roots; windows = '
'days with from and to; steps = profit_from with per_account; seed = amount, on, by; clock = HH:MM.';
comment on column engine.rule_fields.fallback is 'What an absent field means; null = no limit by this field.';

insert into engine.rule_fields (
  rule, field, type, minimum, maximum, choices, looser, required, fallback, unit
) values
('daily_loss', 'limit', 'number', 0, 1000000000, null, 'higher', true, null, 'as unit'),
('daily_loss', 'unit', 'choice', null, null, '{usd,account,pct_of_initial,pct_of_day_start}', 'any', true, null, ''),
('daily_loss', 'reference', 'choice', null, null, '{balance,equity,max}', 'any', false, '"max"', ''),
('daily_loss', 'buffer_pct', 'number', 0, 99, null, 'lower', false, '10', '% of the amount'),
('weekly_loss', 'limit', 'number', 0, 1000000000, null, 'higher', true, null, 'as unit'),
('weekly_loss', 'unit', 'choice', null, null, '{usd,account,pct_of_initial}', 'any', true, null, ''),
('weekly_loss', 'buffer_pct', 'number', 0, 99, null, 'lower', false, '10', '% of the amount'),
('daily_profit', 'limit', 'number', 0, 1000000000, null, 'higher', true, null, 'as unit'),
('daily_profit', 'unit', 'choice', null, null, '{usd,account,pct_of_initial,pct_of_day_start}', 'any', true, null, ''),
('daily_profit', 'action', 'choice', null, null, '{deny,flatten}', 'any', false, '"deny"', ''),
('trailing_drawdown', 'kind', 'choice', null, null, '{end_of_day,intraday}', 'any', true, null, ''),
('trailing_drawdown', 'amount', 'number', 0, 1000000000, null, 'higher', true, null, 'as unit'),
('trailing_drawdown', 'unit', 'choice', null, null, '{usd,account,pct_of_initial}', 'any', true, null, ''),
('trailing_drawdown', 'start', 'number', 0, 1000000000, null, 'any', false, null, 'account currency'),
('trailing_drawdown', 'cap', 'number', 0, 1000000000, null, 'any', false, null, 'account currency'),
('trailing_drawdown', 'buffer_pct', 'number', 0, 99, null, 'lower', false, '0', '% of the amount'),
('trailing_drawdown', 'floor_seed', 'seed', null, null, null, 'any', false, null, ''),
('static_floor', 'amount', 'number', 0, 1000000000, null, 'higher', true, null, 'as unit'),
('static_floor', 'unit', 'choice', null, null, '{usd,account,pct_of_initial}', 'any', true, null, ''),
('static_floor', 'buffer_pct', 'number', 0, 99, null, 'lower', false, '0', '% of the amount'),
('max_qty', 'per_account', 'number', 0, 1000000, null, 'higher', false, null, 'contracts'),
('max_qty', 'per_symbol', 'quantities', 0, 1000000, null, 'higher', false, null, 'contracts'),
('max_qty', 'micros_per_mini', 'number', 1, 1000, null, 'any', false, '10', 'micros'),
('max_qty', 'mini_of', 'names', null, null, null, 'any', false, null, ''),
('max_qty', 'scaling', 'steps', null, null, null, 'any', false, null, 'contracts'),
('exposure', 'per_symbol_usd', 'number', 0, 1000000000, null, 'higher', false, null, 'USD'),
('exposure', 'per_group_usd', 'number', 0, 1000000000, null, 'higher', false, null, 'USD'),
('exposure', 'groups', 'groups', null, null, null, 'any', false, null, ''),
('margin_use', 'max_pct', 'number', 0, 100, null, 'higher', true, null, '% of equity'),
('margin_use', 'leverage', 'number', 1, 5000, null, 'any', false, null, 'times'),
('stop_distance', 'min_ticks', 'number', 0, 1000000, null, 'lower', false, null, 'ticks'),
('stop_distance', 'min_pct', 'number', 0, 100, null, 'lower', false, null, '% of the entry'),
('spread', 'max_ticks', 'number', 0, 1000000, null, 'higher', false, null, 'ticks'),
('spread', 'max_pct', 'number', 0, 100, null, 'higher', false, null, '% of the price'),
('quote_age', 'max_s', 'number', 0, 86400, null, 'higher', true, null, 's'),
('alert_age', 'max_s', 'number', 0, 86400, null, 'higher', true, null, 's'),
('cool_down', 'after_losses', 'integer', 1, 100, null, 'higher', false, '1', 'losses in a row'),
('cool_down', 'minutes', 'number', 0, 10080, null, 'lower', true, null, 'min'),
('hours', 'calendar', 'text', null, null, null, 'any', false, null, ''),
('hours', 'windows', 'windows', null, null, null, 'any', false, null, ''),
('hours', 'tz', 'zone', null, null, null, 'any', false, '"UTC"', ''),
('flat_by', 'time', 'clock', null, null, null, 'any', true, null, 'HH:MM'),
('flat_by', 'tz', 'zone', null, null, null, 'any', true, null, ''),
('flat_by', 'no_entry_from', 'clock', null, null, null, 'any', false, null, 'HH:MM'),
('flat_by', 'calendar', 'text', null, null, null, 'any', false, null, ''),
('flat_by', 'before_close_min', 'number', 0, 720, null, 'lower', false, '15', 'min'),
('news', 'calendar', 'text', null, null, null, 'any', true, null, ''),
('news', 'before_min', 'number', 0, 43200, null, 'lower', true, null, 'min'),
('news', 'after_min', 'number', 0, 43200, null, 'lower', true, null, 'min'),
('news', 'action', 'choice', null, null, '{deny,flatten}', 'any', false, '"deny"', ''),
('no_opposite', 'across', 'choice', null, null, '{user}', 'any', false, '"user"', ''),
('consistency', 'max_pct', 'number', 0, 99, null, 'higher', true, null, '%'),
('consistency', 'target', 'number', 0, 1000000000, null, 'higher', false, null, 'account currency'),
('consistency', 'action', 'choice', null, null, '{warn,cap}', 'any', false, '"warn"', ''),
('sides', 'allowed', 'choices', null, null, '{buy,sell}', 'superset', true, null, ''),
('duplicates', 'window_s', 'number', 0, 86400, null, 'lower', true, null, 's'),
('pack', 'name', 'text', null, null, null, 'any', true, null, ''),
('pack', 'version', 'text', null, null, null, 'any', true, null, ''),
('pack', 'size', 'text', null, null, null, 'any', true, null, ''),
('pack', 'stage', 'text', null, null, null, 'any', true, null, '');

create table engine.rule_names (
  rule text not null,
  field text not null,
  name text not null,
  primary key (rule, field, name)
);
comment on table engine.rule_names is
'The calendars and packs that exist, by the field that names them; for a field without a row every name is taken.';
insert into engine.rule_names (rule, field, name) values
('flat_by', 'calendar', 'always'),
('flat_by', 'calendar', 'cme_energy'),
('flat_by', 'calendar', 'cme_equity'),
('flat_by', 'calendar', 'cme_metals'),
('flat_by', 'calendar', 'forex'),
('hours', 'calendar', 'always'),
('hours', 'calendar', 'cme_energy'),
('hours', 'calendar', 'cme_equity'),
('hours', 'calendar', 'cme_metals'),
('hours', 'calendar', 'forex'),
('news', 'calendar', 'us_high_impact'),
('pack', 'name', 'topstep'),
('pack', 'name', 'two_step_cet'),
('pack', 'name', 'two_step_cfd');
