-- Some brokers give what is left of a partly closed position a new number. To us it stays the position it was: which number is
-- which position outlives the worker that has seen it come about.
create table engine.tickets (
  account_id uuid not null references public.broker_accounts (id) on delete cascade,
  ticket text not null check (char_length(ticket) <= 64),
  position_id text not null check (char_length(position_id) <= 64),
  at timestamptz not null default clock_timestamp(),
  primary key (account_id, ticket),
  constraint a_first_ticket_is_its_own check (ticket <> position_id)
);
comment on table engine.tickets is
'Later numbers of positions (ticket) by the one they were opened under (position_id), as a broker gives them with every partial close.';
create index tickets_of_a_position on engine.tickets (account_id, position_id);
grant select, insert on engine.tickets to empire_engine;

create function engine.tickets_of(p_account uuid) returns jsonb
language plpgsql security definer stable set search_path = '' as $$
declare
  -- Lists lag, as in engine.books.
  c_overlap constant interval := '10 minutes';
  c_kept constant integer := 2000;
  v_held text [] := array(
    select p.venue_position_id from public.positions p where p.account_id = p_account and p.closed_at is null
  );
  v_since timestamptz;
begin
  select greatest(a.created_at, (select r.agreed_at - c_overlap from engine.reconciled r where r.account_id = a.id))
  into v_since from public.broker_accounts a where a.id = p_account;
  return jsonb_build_object(
    'since', v_since,
    'open', v_held,
    'positions', (
      select coalesce(jsonb_object_agg(x.id, (
        select sum(f.qty) from public.fills f where f.account_id = p_account and f.position_id = x.id and f.effect = 'open'
      )), '{}')
      from (
        select unnest(v_held) as id
        union
        select y.venue_position_id from (
          select z.venue_position_id from public.positions z
          where z.account_id = p_account and z.closed_at is not null order by z.closed_at desc limit 50
        ) y
      ) x
    ),
    'tickets', (
      select coalesce(jsonb_object_agg(x.ticket, x.position_id), '{}') from (
        select t.ticket, t.position_id from engine.tickets t where t.account_id = p_account and t.position_id = any (v_held)
        union
        select y.ticket, y.position_id from (
          select z.ticket, z.position_id from engine.tickets z where z.account_id = p_account order by z.at desc limit c_kept
        ) y
      ) x
    )
  );
end
$$;
comment on function engine.tickets_of(uuid) is
'What is known of an account whose broker gives positions new numbers: first numbers by later ones, the positions of our books that '
'are open or were lately with what was opened of them, and from when on the broker''s history has to tell the rest.';
alter function engine.tickets_of(uuid) owner to empire_engine;
revoke all on function engine.tickets_of(uuid) from public;
grant execute on function engine.tickets_of(uuid) to empire_worker;

create function engine.keep_tickets(p_account uuid, p_tickets jsonb) returns jsonb
language plpgsql security definer set search_path = '' as $$
begin
  insert into engine.tickets (account_id, ticket, position_id)
  select p_account, x.key, x.value from jsonb_each_text(p_tickets) x order by x.key
  on conflict (account_id, ticket) do nothing;
  return (
    select coalesce(jsonb_object_agg(t.ticket, t.position_id), '{}') from engine.tickets t
    where t.account_id = p_account and t.ticket = any (array(select jsonb_object_keys(p_tickets)))
  );
end
$$;
comment on function engine.keep_tickets(uuid, jsonb) is
'Remembers later numbers of positions: {ticket: first number}. What was kept first stands, and is returned; asked again it changes nothing.';
alter function engine.keep_tickets(uuid, jsonb) owner to empire_engine;
revoke all on function engine.keep_tickets(uuid, jsonb) from public;
grant execute on function engine.keep_tickets(uuid, jsonb) to empire_worker;
