create table public.order_transitions (
  from_status public.order_status not null,
  to_status public.order_status not null,
  primary key (from_status, to_status)
);
comment on table public.order_transitions is 'The state machine of orders: which status may follow which. Enforced by a trigger on orders.';
insert into public.order_transitions (from_status, to_status) values
('pending', 'submitting'), ('pending', 'canceled'), ('pending', 'expired'), ('pending', 'rejected'),
('submitting', 'working'), ('submitting', 'partially_filled'), ('submitting', 'filled'), ('submitting', 'canceled'),
('submitting', 'rejected'), ('submitting', 'unknown'), ('submitting', 'expired'), ('submitting', 'pending'),
('unknown', 'pending'), ('unknown', 'working'), ('unknown', 'partially_filled'), ('unknown', 'filled'),
('unknown', 'canceled'), ('unknown', 'rejected'), ('unknown', 'expired'),
('working', 'partially_filled'), ('working', 'filled'), ('working', 'canceled'), ('working', 'expired'),
('working', 'rejected'),
('partially_filled', 'filled'), ('partially_filled', 'canceled'), ('partially_filled', 'expired'),
-- A fill can overtake the news of a cancel or an expiry: the broker's fill is the truth.
('canceled', 'filled'), ('canceled', 'partially_filled'), ('expired', 'filled'), ('expired', 'partially_filled');

create table public.orders (
  id bigint generated always as identity primary key,
  user_id uuid not null,
  broker public.broker not null,
  account_id uuid not null references public.broker_accounts (id),
  delivery_id bigint references public.deliveries (id) on delete set null,
  leg integer not null default 0,
  client_order_id text not null check (char_length(client_order_id) <= 26),
  venue_order_id text,
  origin public.order_origin not null,
  kind public.command_kind not null default 'place',
  reduce_only boolean not null default false,
  parent_order_id bigint references public.orders (id),
  position_id text,
  endpoint_id uuid,
  tv_symbol text,
  symbol text not null,
  root text not null,
  side public.side not null,
  type public.order_type not null,
  qty numeric not null check (qty > 0),
  filled_qty numeric not null default 0 check (filled_qty >= 0),
  price numeric check (price > 0),
  stop_price numeric check (stop_price > 0),
  avg_price numeric,
  stop_loss numeric,
  take_profit numeric,
  tif public.tif not null default 'gtc',
  status public.order_status not null default 'pending',
  reason public.reason,
  reason_text text check (char_length(reason_text) <= 500),
  currency text,
  tag text,
  trading_day date,
  expires_at timestamptz,
  created_at timestamptz not null default clock_timestamp(),
  updated_at timestamptz not null default clock_timestamp(),
  version integer not null default 1,
  constraint client_order_ids_are_unique_per_account unique (account_id, client_order_id),
  constraint one_order_per_delivery_and_leg unique (delivery_id, leg)
);
comment on table public.orders is 'Every order we sent or saw. A denial has no order row.';
comment on column public.orders.expires_at is 'When a pending entry of ours ends: at the broker where it can do that, else canceled by us.';
create index orders_user on public.orders (user_id, id);
create index orders_open on public.orders (account_id, id)
where status in ('pending', 'submitting', 'working', 'partially_filled', 'unknown');
create index orders_resting on public.orders (expires_at)
where status in ('working', 'partially_filled') and not reduce_only;
create index orders_venue on public.orders (venue_order_id, account_id) where venue_order_id is not null;
create index orders_parent on public.orders (parent_order_id) where parent_order_id is not null;

create function private.order_status_follows_the_table() returns trigger
language plpgsql set search_path = '' as $$
begin
  if not exists (
    select 1 from public.order_transitions t where t.from_status = old.status and t.to_status = new.status
  ) then
    raise exception 'order % cannot go from % to %', old.id, old.status, new.status using errcode = 'check_violation';
  end if;
  return new;
end
$$;
comment on function private.order_status_follows_the_table() is 'Refuses an order status that order_transitions does not allow.';
create trigger order_status_follows_the_table before update of status on public.orders
for each row when (new.status is distinct from old.status) execute function private.order_status_follows_the_table();

create table public.fills (
  id bigint generated always as identity primary key,
  user_id uuid not null,
  account_id uuid not null references public.broker_accounts (id),
  order_id bigint references public.orders (id),
  venue_fill_id text not null,
  venue_order_id text,
  position_id text,
  effect public.effect not null,
  symbol text not null,
  side public.side not null,
  qty numeric not null check (qty > 0),
  price numeric not null,
  commission numeric not null default 0,
  swap numeric not null default 0,
  fee numeric not null default 0,
  realised numeric not null default 0,
  currency text,
  filled_at timestamptz not null,
  created_at timestamptz not null default clock_timestamp(),
  constraint a_fill_is_recorded_once unique (account_id, venue_fill_id)
);
comment on table public.fills is 'Executions as the broker reported them. Insert only.';
create index fills_user on public.fills (user_id, id);
create index fills_order on public.fills (order_id);
-- With the time: of a position its fills since it was opened are asked for, and on a netting account it has those of all time.
create index fills_position on public.fills (account_id, position_id, filled_at);
create index fills_account on public.fills (account_id, id);

create table public.positions (
  id bigint generated always as identity primary key,
  user_id uuid not null,
  broker public.broker not null,
  account_id uuid not null references public.broker_accounts (id),
  venue_position_id text not null,
  symbol text not null,
  root text not null,
  side public.side not null,
  qty numeric not null check (qty >= 0),
  entry_price numeric not null,
  unrealized_pnl numeric,
  stop_loss numeric,
  take_profit numeric,
  endpoint_id uuid,
  tag text,
  opened_at timestamptz not null default clock_timestamp(),
  closed_at timestamptz,
  as_of timestamptz not null default clock_timestamp(),
  freshness public.freshness not null default 'fresh',
  version integer not null default 1,
  constraint one_row_per_venue_position unique (account_id, venue_position_id),
  constraint closed_means_nothing_left check ((closed_at is null) = (qty > 0))
) with (fillfactor = 80);
comment on table public.positions is 'Open and closed positions per broker position id. Opposite rows may stand side by side on hedging accounts.';
create index positions_user on public.positions (user_id, id);
create index positions_open on public.positions (account_id) where closed_at is null;

create table engine.commands (
  id bigint generated always as identity primary key,
  delivery_id bigint not null,
  account_id uuid not null,
  user_id uuid not null,
  leg integer not null,
  kind public.command_kind not null,
  order_id bigint,
  client_order_id text not null,
  root text not null,
  is_entry boolean not null,
  after_fill boolean not null default false,
  request jsonb not null,
  state public.command_state not null default 'pending',
  reason public.reason,
  answer jsonb,
  token bigint,
  send_deadline timestamptz,
  request_timeout_ms integer,
  submitted_at timestamptz,
  answered_at timestamptz,
  lookups integer not null default 0,
  check_at timestamptz,
  checker bigint,
  sends integer not null default 0,
  reserved jsonb,
  constraint one_command_per_delivery_and_leg unique (delivery_id, leg)
) with (fillfactor = 80);
comment on table engine.commands is 'The write-ahead of every write to a broker: it exists before anything is sent. submitting whose holder is gone = unknown.';
comment on column engine.commands.send_deadline is 'The holder must not send after this; a resend may happen only after send_deadline + request_timeout.';
create index commands_open on engine.commands (account_id, root) where state in ('pending', 'submitting', 'unknown');
create index commands_check on engine.commands (check_at) where state = 'unknown';

create table engine.account_days (
  account_id uuid not null,
  trading_day date not null,
  trades integer not null default 0,
  realised numeric not null default 0,
  began_at timestamptz,
  ends_at timestamptz,
  start_balance numeric,
  start_equity numeric,
  source text check (source in ('seen', 'rebuilt', 'confirmed')),
  flows numeric not null default 0,
  high_water numeric,
  low_water numeric,
  close_balance numeric,
  close_equity numeric,
  net numeric,
  primary key (account_id, trading_day),
  constraint a_known_start_says_how_it_is_known check ((source is null) = (start_balance is null or start_equity is null))
);
comment on table engine.account_days is 'An account''s trading day, from reset to reset: money at the reset, its extremes, flows, its close. Not deleted with its account: who connects it again finds its days.';
comment on column engine.account_days.began_at is 'Null until the account was read in it; fills alone do not open a day.';
comment on column engine.account_days.source is 'How the start is known: seen (read within a minute of the reset), rebuilt (from fills and history), confirmed by the trader. Null = it is not.';
comment on column engine.account_days.flows is 'Deposits minus withdrawals since the start.';
comment on column engine.account_days.net is 'Close minus start minus flows, after fees; of a day nobody watched the fills alone.';

create table engine.scope_counters (
  id bigint generated always as identity primary key,
  user_id uuid not null,
  scope text not null,
  trading_day date not null,
  trades integer not null default 0 check (trades >= 0),
  constraint one_counter_per_scope_and_day unique (user_id, scope, trading_day)
);
comment on table engine.scope_counters is 'Trades reserved per day and scope: live or paper of a user, a broker, an account (its id); scope month: of the UTC month that begins on this day.';

create table public.equity_history (
  id bigint generated always as identity primary key,
  user_id uuid not null references public.profiles (id),
  broker public.broker not null,
  account_id uuid not null references public.broker_accounts (id),
  equity numeric not null,
  balance numeric not null,
  unrealized_pnl numeric not null default 0,
  timestamp timestamptz not null default clock_timestamp()
);
comment on table public.equity_history is 'Equity over time, per account.';
create index equity_history_user on public.equity_history (user_id, timestamp);
create index equity_history_account on public.equity_history (account_id, timestamp);

create table public.logs (
  id bigint generated always as identity primary key,
  user_id uuid references public.profiles (id),
  level public.log_level not null,
  type text not null,
  message text not null check (char_length(message) <= 1000),
  details jsonb not null default '{}',
  correlation_id bigint,
  created_at timestamptz not null default clock_timestamp()
);
comment on table public.logs is 'What a user should know happened; correlation_id is the event id.';
create index logs_user on public.logs (user_id, id);
create index logs_created on public.logs (created_at);

create table public.health (
  broker public.broker primary key,
  status text not null default 'unknown' check (status in ('operational', 'degraded', 'down', 'unknown')),
  latency_ms numeric,
  message text,
  updated_at timestamptz not null default clock_timestamp()
);
comment on table public.health is 'Per broker: what the workers last saw.';
insert into public.health (broker) values ('tradelocker'), ('topstepx'), ('metatrader'), ('paper');

create table public.fx_rates (
  currency text primary key check (currency ~ '^[A-Z]{3,5}$'),
  usd numeric not null check (usd > 0),
  as_of timestamptz not null
);
comment on table public.fx_rates is 'US dollars per unit of a currency, with its age; used only while it is fresh.';

create table engine.outbox (
  id bigint primary key,
  account_id uuid,
  user_id uuid not null,
  subject text not null,
  body jsonb not null,
  created_at timestamptz not null default clock_timestamp(),
  told boolean not null default false
);
comment on table engine.outbox is 'Events for the outside, in order per account; the relay deletes what it delivered.';
comment on column engine.outbox.told is 'The trader''s log and his targets have it; what is left are other sinks.';
create table engine.outbox_claims (
  token bigint primary key,
  worker text not null,
  lease_until timestamptz not null,
  ids bigint [] not null,
  accounts uuid [] not null
);
comment on table engine.outbox_claims is 'Which rows of the outbox a relay holds, and of which accounts: a row a batch, so that the outbox itself is written once and deleted once.';
create sequence engine.outbox_id;
comment on sequence engine.outbox_id is 'Ids of outbox rows, drawn under the account lock so that their order is the order of what happened.';

create table engine.counters (
  name text primary key,
  n bigint not null default 0
);
comment on table engine.counters is 'Failures that must not undo a write are counted here (realtime_failures ...).';

create table engine.sessions (
  connection_id uuid primary key,
  version bigint not null default 1,
  key_id text not null,
  sealed bytea not null,
  expires_at timestamptz,
  updated_at timestamptz not null default clock_timestamp()
);
comment on table engine.sessions is 'Session tokens of brokers, sealed; replaced by compare-and-set on version.';
