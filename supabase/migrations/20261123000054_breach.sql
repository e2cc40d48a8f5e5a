-- A limit that is touched: the account is locked, halted and flattened in one transaction, and stays locked until the rule's
-- time or until its owner lifts the lock. Nothing of this waits for a broker.
create table engine.breaches (
  id bigint generated always as identity primary key,
  identity_id bigint not null references engine.account_identities (id),
  account_id uuid not null,
  user_id uuid not null,
  rule text not null check (char_length(rule) <= 64),
  scope text not null check (scope in ('user', 'broker', 'account')),
  numbers jsonb not null default '{}',
  until timestamptz not null,
  at timestamptz not null default clock_timestamp(),
  seen_at timestamptz not null default clock_timestamp(),
  event_id bigint,
  lifted_at timestamptz,
  lift_reason text check (char_length(lift_reason) <= 200)
);
comment on table engine.breaches is
'Limits that were touched, and the locks they made: of the account at its broker, so no row of ours that goes takes one along.';
comment on column engine.breaches.until is 'When the lock ends by itself; the year 9000 = not before it is lifted.';
comment on column engine.breaches.seen_at is 'When the watch last saw the limit touched: not lifted before a later read finds it well.';
create index breaches_identity on engine.breaches (identity_id, until) where lifted_at is null;
create index breaches_account on engine.breaches (account_id);
grant select, insert, update on engine.breaches to empire_engine;
grant usage on sequence engine.breaches_id_seq to empire_engine;

create function engine.until_lifted() returns timestamptz
language sql immutable set search_path = '' as $$ select '9000-01-01 00:00:00+00'::timestamptz $$;
comment on function engine.until_lifted() is 'The end of a lock that has none: a moment that every language can hold.';
alter function engine.until_lifted() owner to empire_engine;

create function engine.locks_of(p_account uuid) returns setof engine.breaches
language plpgsql stable set search_path = '' as $$
begin
  return query
    select b.* from engine.breaches b
    where b.identity_id = (engine.identity_of(p_account)).id and b.lifted_at is null and b.until > clock_timestamp()
    order by b.until desc, b.id;
end
$$;
comment on function engine.locks_of(uuid) is 'The breaches that lock an account now, the longest first.';
alter function engine.locks_of(uuid) owner to empire_engine;

create function engine.in_words(p_numbers jsonb) returns text
language sql immutable set search_path = '' as $$
  select coalesce(string_agg(format('%s %s', replace(n.key, '_', ' '), n.value), ', ' order by n.key), '')
  from jsonb_each_text(p_numbers) n
$$;
comment on function engine.in_words(jsonb) is 'Numbers as a trader reads them in a sentence.';
alter function engine.in_words(jsonb) owner to empire_engine;

create function engine.tell_breach(b engine.breaches, p_flatten boolean) returns void
language plpgsql set search_path = '' as $$
declare
  v_until constant text := case when b.until = engine.until_lifted() then 'until you lift the lock'
    else 'until ' || to_char(b.until at time zone 'UTC', 'YYYY-MM-DD HH24:MI') || ' UTC' end;
  v_message text;
  a public.broker_accounts;
begin
  select x.* into a from public.broker_accounts x where x.id = b.account_id;
  v_message := left(format(
    '%s: the limit %s (%s) is reached: %s. %sNo entries %s; exits go on.', coalesce(a.label, a.account_id),
    replace(b.rule, '_', ' '), b.scope, engine.in_words(b.numbers), case when p_flatten then 'Everything is being closed. ' else '' end,
    v_until
  ), 1000);
  perform engine.note(b.user_id, 'error', 'risk_breached', v_message,
    jsonb_build_object('account_id', b.account_id, 'rule', b.rule, 'numbers', b.numbers, 'until', b.until), b.event_id);
  insert into engine.outbox (id, account_id, user_id, subject, body)
  values (nextval('engine.outbox_id'), b.account_id, b.user_id, 'empire.risk.breached.' || b.user_id, jsonb_build_object(
    'schema', 1, 'breach_id', b.id, 'account_id', b.account_id, 'rule', b.rule, 'scope', b.scope, 'numbers', b.numbers,
    'until', nullif(b.until, engine.until_lifted()), 'at', b.at, 'flatten', p_flatten, 'event_id', b.event_id,
    'message', v_message
  ));
end
$$;
comment on function engine.tell_breach(engine.breaches, boolean) is 'The trader''s log and the outside hear of a breach.';
alter function engine.tell_breach(engine.breaches, boolean) owner to empire_engine;

create function engine.lock_rows(p_accounts uuid [], p_rule text, p_until timestamptz) returns void
language plpgsql set search_path = '' as $$
begin
  -- A longer lock stays, with its reason.
  update public.broker_accounts set locked_until = p_until, lock_reason = p_rule
  where id = any (p_accounts) and (locked_until is null or locked_until < greatest(p_until, clock_timestamp()));
end
$$;
comment on function engine.lock_rows(uuid [], text, timestamptz) is 'Locks rows of an account; a longer lock stays.';
alter function engine.lock_rows(uuid [], text, timestamptz) owner to empire_engine;

create function engine.stop_account(b engine.breaches, p_rows uuid [], p_flatten boolean) returns void
language plpgsql set search_path = '' as $$
declare
  c_others constant uuid [] := case when p_flatten then array_remove(p_rows, b.account_id) else p_rows end;
  v_ended bigint [];
begin
  if c_others <> '{}' then
    v_ended := engine.halt(c_others, false, null, 9223372036854775807, b.event_id);
  end if;
  if p_flatten then
    perform engine.store_intent(b.event_id, b.user_id, 'system', jsonb_build_object('version', 'unify.v1', 'intent',
      jsonb_build_object('action', 'flatten', 'comment', b.rule))::text, array[b.account_id]);
  end if;
  if cardinality(v_ended) > 0 then
    perform engine.close_events(v_ended);
  end if;
end
$$;
comment on function engine.stop_account(engine.breaches, uuid [], boolean) is
'Halts all rows of an account: nothing older that opens is sent any more, what waits ends. With flatten the urgent lane '
'closes everything. The caller holds the rows.';
alter function engine.stop_account(engine.breaches, uuid [], boolean) owner to empire_engine;

create function engine.breach(
  p_account uuid, p_rule text, p_scope text, p_numbers jsonb, p_until timestamptz, p_flatten boolean
) returns bigint
language plpgsql security definer
set search_path = '' set plan_cache_mode = force_generic_plan set enable_seqscan = off as $$
declare
  c_until constant timestamptz := coalesce(p_until, engine.until_lifted());
  i engine.account_identities;
  b engine.breaches;
  v_rows uuid [];
begin
  i := engine.identity_of(p_account);
  v_rows := array(select a.id from public.broker_accounts a where a.id = any (i.accounts) order by a.id);
  if p_account <> all (v_rows) then
    return null;
  end if;
  -- Under the same locks as open_orders: what passed before is flattened, what comes after sees the lock.
  perform from public.broker_accounts a where a.id = any (v_rows) order by a.id for no key update;
  update engine.breaches x set seen_at = clock_timestamp()
  where x.identity_id = i.id and x.rule = p_rule and x.lifted_at is null and x.until > clock_timestamp();
  if found then
    return null;
  end if;
  insert into engine.breaches (identity_id, account_id, user_id, rule, scope, numbers, until, event_id)
  select i.id, a.id, a.user_id, p_rule, p_scope, coalesce(p_numbers, '{}'), c_until,
    case when p_flatten then nextval('public.webhook_events_id_seq') end
  from public.broker_accounts a where a.id = p_account
  returning * into b;
  perform engine.lock_rows(v_rows, p_rule, c_until);
  perform engine.stop_account(b, v_rows, p_flatten);
  perform engine.tell_breach(b, p_flatten);
  return coalesce(b.event_id, 0);
end
$$;
comment on function engine.breach(uuid, text, text, jsonb, timestamptz, boolean) is
'A limit of an account is touched: locked (p_until null = until lifted), halted, flattened, told. Returns the flatten''s event '
'(0 = none was asked for), null where the account is locked for that rule already.';
alter function engine.breach(uuid, text, text, jsonb, timestamptz, boolean) owner to empire_engine;
revoke all on function engine.breach(uuid, text, text, jsonb, timestamptz, boolean) from public;
grant execute on function engine.breach(uuid, text, text, jsonb, timestamptz, boolean) to empire_worker;
