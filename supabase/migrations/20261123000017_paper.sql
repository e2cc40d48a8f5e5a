-- The memory of the paper broker, as the paper adapter asks for it.
create function engine.paper_load(p_account uuid) returns jsonb
language sql security definer stable set search_path = '' as $$
  select jsonb_build_object('version', p.version, 'balance', p.balance, 'currency', p.currency, 'book', p.book, 'margin_mode', a.margin_mode)
  from engine.paper_accounts p join public.broker_accounts a on a.id = p.account_id
  where p.account_id = p_account
$$;
comment on function engine.paper_load(uuid) is
'A paper account''s money and book, with the version to save it by; null when there is none.';
alter function engine.paper_load(uuid) owner to empire_engine;
revoke all on function engine.paper_load(uuid) from public;
grant execute on function engine.paper_load(uuid) to empire_worker;

create function engine.paper_answer(p_account uuid, p_client_order_id text) returns jsonb
language sql security definer stable set search_path = '' as $$
  select o.answer from engine.paper_orders o where o.account_id = p_account and o.client_order_id = p_client_order_id
$$;
comment on function engine.paper_answer(uuid, text) is
'What the paper broker answered to this client order id; null = it never arrived.';
alter function engine.paper_answer(uuid, text) owner to empire_engine;
revoke all on function engine.paper_answer(uuid, text) from public;
grant execute on function engine.paper_answer(uuid, text) to empire_worker;

create function engine.paper_save(
  p_account uuid, p_version bigint, p_balance numeric, p_book jsonb, p_orders jsonb, p_fills jsonb
) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  v_version bigint;
begin
  update engine.paper_accounts set version = version + 1, balance = p_balance, book = p_book
  where account_id = p_account and version = p_version returning version into v_version;
  if not found then
    return '{"saved": false}';
  end if;
  -- The primary key refuses a client order id that was executed before, whatever the caller believes.
  insert into engine.paper_orders (account_id, client_order_id, answer)
  select p_account, o ->> 'client_order_id', o -> 'answer' from jsonb_array_elements(p_orders) o;
  insert into engine.paper_fills (account_id, fill) select p_account, f from jsonb_array_elements(p_fills) f;
  return jsonb_build_object('saved', true, 'version', v_version);
end
$$;
comment on function engine.paper_save(uuid, bigint, numeric, jsonb, jsonb, jsonb) is
'Replaces a paper book if its version is still the one that was loaded, with the answers given and the executions '
'made.';
alter function engine.paper_save(uuid, bigint, numeric, jsonb, jsonb, jsonb) owner to empire_engine;
revoke all on function engine.paper_save(uuid, bigint, numeric, jsonb, jsonb, jsonb) from public;
grant execute on function engine.paper_save(uuid, bigint, numeric, jsonb, jsonb, jsonb) to empire_worker;

create function engine.paper_fills_since(p_account uuid, p_since timestamptz) returns setof jsonb
language sql security definer stable set search_path = '' as $$
  select f.fill from engine.paper_fills f where f.account_id = p_account and f.at >= p_since order by f.id
$$;
comment on function engine.paper_fills_since(uuid, timestamptz) is
'The paper broker''s executions since a time, oldest first.';
alter function engine.paper_fills_since(uuid, timestamptz) owner to empire_engine;
revoke all on function engine.paper_fills_since(uuid, timestamptz) from public;
grant execute on function engine.paper_fills_since(uuid, timestamptz) to empire_worker;
