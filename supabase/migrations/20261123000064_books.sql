-- Our books say what the broker says. What a read has found to differ is corrected here: once, under the account's lock and
-- the reader's token, and nothing that a command of our own under way may still explain.
alter table public.broker_accounts
add column on_drift text not null default 'adopt' check (on_drift in ('adopt', 'alert', 'flatten')),
add column drift numeric not null default 0,
add column drift_at timestamptz;
comment on column public.broker_accounts.on_drift is
'What follows when the broker shows what we did not do: adopt (the books follow), alert (the owner is told, too), flatten '
'(what was opened elsewhere is closed, too). The books follow in any case.';
comment on column public.broker_accounts.drift is 'How much had to be corrected lately, as of drift_at; halves every day.';
grant select (on_drift, drift, drift_at), update (on_drift) on public.broker_accounts to authenticated;

create table public.corrections (
  id bigint generated always as identity primary key,
  user_id uuid not null references public.profiles (id),
  account_id uuid not null references public.broker_accounts (id),
  key text not null check (char_length(key) <= 200),
  kind text not null check (kind in (
    'fill', 'order_unknown', 'order_renamed', 'order_changed', 'order_ended', 'position_unknown', 'position_gone', 'position_differs',
    'orphan', 'oversized'
  )),
  symbol text,
  told text not null check (char_length(told) <= 1000),
  numbers jsonb not null default '{}',
  event_id bigint,
  at timestamptz not null default clock_timestamp(),
  constraint a_correction_is_made_once unique (account_id, key)
);
comment on table public.corrections is
'What our books had to learn from the broker: a fill told late, an order or a position that somebody made or ended elsewhere. '
'Insert only.';
comment on column public.corrections.key is 'Kind, the broker''s id and what tells one from the next: made again it is the same.';
create index corrections_user on public.corrections (user_id, id);
grant select, insert on public.corrections to empire_engine;
alter table public.corrections enable row level security;
grant select on public.corrections to authenticated;
create policy "Traders read their own corrections, admins read all"
on public.corrections for select to authenticated
using (
  ((select auth.uid()) = user_id and (select private.session_is_strong_enough()))
  or (select private.is_admin())
);

create table engine.adjustments (
  account_id uuid not null,
  position_id text not null,
  nth integer not null,
  qty numeric not null check (qty <> 0),
  at timestamptz not null default clock_timestamp(),
  primary key (account_id, position_id, nth)
);
comment on table engine.adjustments is
'Quantities (bought +, sold -) of positions that no fill we have seen explains: opened before we came, or told never. A '
'position is the sum of its fills and these; when a fill comes late after all, the next one takes it back.';

create table engine.reconciled (
  account_id uuid primary key,
  agreed_at timestamptz,
  suspects jsonb not null default '{}',
  believed_at timestamptz
) with (fillfactor = 70);
comment on table engine.reconciled is 'Since when the books of an account agree with its broker, and what one read has found otherwise.';
comment on column engine.reconciled.suspects is
'Key of a difference (its doubt, where it has one) -> the time of the read that found it first: what no fill explains is believed at '
'the second.';
comment on column engine.reconciled.believed_at is 'From when on a read can settle a doubt: then the account is read. Null = there is none.';
grant select, insert, update, delete on engine.adjustments, engine.reconciled to empire_engine;

create function engine.look_again(p_account uuid, p_read timestamptz) returns void
language plpgsql set search_path = '' as $$
declare
  -- Most lists are not behind for longer; what is told later still is seen at the look that comes every few minutes.
  c_lag constant interval := '15 seconds';
begin
  insert into engine.reconciled as k (account_id, believed_at) values (p_account, p_read + c_lag)
  on conflict (account_id) do update set believed_at = least(
    case when k.believed_at > p_read then k.believed_at end, excluded.believed_at
  );
end
$$;
comment on function engine.look_again(uuid, timestamptz) is
'A balance has moved by what no fill explains: the account''s fills are asked for once more when they should be listed.';
alter function engine.look_again(uuid, timestamptz) owner to empire_engine;

create function engine.net_of(p_account uuid, p_position text) returns numeric
language plpgsql stable set search_path = '' as $$
begin
  return (
    select coalesce(sum(case when f.side = 'buy' then f.qty else -f.qty end), 0) from public.fills f
    where f.account_id = p_account and f.position_id = p_position
  ) + (
    select coalesce(sum(j.qty), 0) from engine.adjustments j where j.account_id = p_account and j.position_id = p_position
  );
end
$$;
comment on function engine.net_of(uuid, text) is 'What fills and adjustments say a position is: long +, short -.';
alter function engine.net_of(uuid, text) owner to empire_engine;

create function engine.books(p_account uuid, p_token bigint) returns jsonb
language plpgsql security definer stable set search_path = '' as $$
declare
  -- Lists lag, and a fill may be booked a moment before it is shown.
  c_overlap constant interval := '10 minutes';
  v_since timestamptz;
  v_user uuid;
begin
  if (select true from engine.account_marks w where w.account_id = p_account and w.token = p_token) is null then
    return null;
  end if;
  select greatest(a.created_at, (select r.agreed_at - c_overlap from engine.reconciled r where r.account_id = a.id)), a.user_id
  into v_since, v_user from public.broker_accounts a where a.id = p_account;
  return jsonb_build_object(
    'since', v_since,
    'fills', (
      select coalesce(jsonb_agg(x.venue_fill_id), '[]') from (
        select f.venue_fill_id, f.filled_at from public.fills f where f.account_id = p_account order by f.id desc limit 2000
      ) x where x.filled_at >= v_since - c_overlap
    ),
    'positions', (
      select coalesce(jsonb_agg(jsonb_build_object(
        'venue_position_id', p.venue_position_id, 'symbol', p.symbol, 'root', p.root, 'side', p.side, 'qty', p.qty,
        'entry_price', p.entry_price, 'stop_loss', p.stop_loss, 'take_profit', p.take_profit,
        'is_ours', p.endpoint_id is not null or (
          select true from public.fills f join public.orders o on o.id = f.order_id
          where f.account_id = p.account_id and f.position_id = p.venue_position_id and o.origin <> 'broker' limit 1
        ) is not null,
        'adjusted', (
          select count(*) from engine.adjustments j where j.account_id = p.account_id and j.position_id = p.venue_position_id
        )
      ) order by p.id), '[]')
      from (
        select q.* from public.positions q where q.account_id = p_account and q.closed_at is null
        union all
        select q.* from (
          select z.* from public.positions z where z.account_id = p_account and z.closed_at is not null order by z.closed_at desc limit 50
        ) q
      ) p
    ),
    'orders', (
      select coalesce(jsonb_agg(jsonb_build_object(
        'id', o.id, 'client_order_id', o.client_order_id, 'venue_order_id', o.venue_order_id, 'symbol', o.symbol,
        'root', o.root, 'side', o.side, 'type', o.type, 'status', o.status, 'qty', o.qty, 'filled_qty', o.filled_qty,
        'reduce_only', o.reduce_only, 'origin', o.origin, 'expires_at', o.expires_at, 'price', o.price,
        'stop_price', o.stop_price, 'created_at', o.created_at, 'position_id', o.position_id
      ) order by o.id), '[]')
      from (
        select w.* from public.orders w
        where w.account_id = p_account and w.status in ('pending', 'submitting', 'working', 'partially_filled', 'unknown')
        union all
        select w.* from (
          select z.* from public.orders z where z.user_id = v_user order by z.id desc limit 500
        ) w
        where w.account_id = p_account and w.status in ('filled', 'canceled', 'rejected', 'expired')
      ) o
    )
  );
end
$$;
comment on function engine.books(uuid, bigint) is
'What we believe of an account, for its reader to compare: orders and positions that are open or ended lately, the fills we '
'know and since when to ask for more. Null = the token is an old one.';
alter function engine.books(uuid, bigint) owner to empire_engine;
revoke all on function engine.books(uuid, bigint) from public;
grant execute on function engine.books(uuid, bigint) to empire_worker;

create view engine.invariant_position_is_sum_of_fills as
select p.account_id, p.venue_position_id, p.side, p.qty, f.net, f.qty as fills_qty
from public.positions p
cross join lateral (
  select coalesce(sum(x.net), 0) as net, coalesce(sum(x.net * case when p.side = 'buy' then 1 else -1 end) filter (where x.opens is null), 0)
    + coalesce(sum(case when x.opens then abs(x.net) else -abs(x.net) end) filter (where x.opens is not null), 0) as qty,
    coalesce(bool_or(x.opens is not false), false) as opened_here
  from (
    select case when y.side = 'buy' then y.qty else -y.qty end as net, y.effect = 'open' as opens
    from public.fills y where y.account_id = p.account_id and y.position_id = p.venue_position_id
    union all
    select j.qty, null from engine.adjustments j where j.account_id = p.account_id and j.position_id = p.venue_position_id
  ) x
) f
-- What closed long ago does not change any more.
where (p.closed_at is null or p.as_of > clock_timestamp() - interval '1 day')
  and f.opened_here and f.net <> case when p.side = 'buy' then p.qty else -p.qty end
  -- While what closed a position is still to be told, the sum of sides says nothing: then what was opened and not closed does.
  and not (p.qty = greatest(f.qty, 0) and abs(f.net) <> f.qty);
comment on view engine.invariant_position_is_sum_of_fills is
'A position differs, in quantity or side, from the sum of its fills and adjustments.';
grant select on engine.invariant_position_is_sum_of_fills to empire_engine;
