create table public.broker_connections (
  id uuid primary key default gen_random_uuid(),
  user_id uuid not null references public.profiles (id),
  broker public.broker not null,
  environment public.environment not null,
  server text check (server ~ '^[A-Za-z0-9._ -]{1,64}$'),
  base_url text check (char_length(base_url) <= 200),
  login_label text check (char_length(login_label) <= 254),
  executor public.executor not null default 'fleet',
  status text not null default 'new' check (status in ('new', 'connected', 'failed', 'disabled')),
  last_error text check (char_length(last_error) <= 500),
  seal_version integer not null default 0 check (seal_version >= 0),
  credential_hint text check (char_length(credential_hint) <= 4),
  verified_at timestamptz,
  version integer not null default 1,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  -- Topstep allows orders from the trader's own device only.
  constraint topstep_trades_from_the_traders_device check (
    broker <> 'topstepx' or executor = 'edge' or environment = 'simulated'
  )
);
comment on table public.broker_connections is 'One login at one broker.';
comment on column public.broker_connections.login_label is
'The login itself (user name, e-mail, account number); what it is sealed for, so it never changes.';
comment on column public.broker_connections.base_url is
'Null: addresses are the operator''s settings. A row that names another one than they do is not used.';
comment on column public.broker_connections.seal_version is
'The version of the sealed credential in force; raised by each new one and by disconnecting.';
comment on column public.broker_connections.credential_hint is 'The last characters of what was sealed, for the eye.';
create index broker_connections_user on public.broker_connections (user_id);
-- Locks and counters belong to a login: connected again it is the same row.
create unique index one_connection_per_login
on public.broker_connections (user_id, broker, environment, server, login_label) nulls not distinct
where broker <> 'paper' and login_label is not null;

create table public.broker_accounts (
  id uuid primary key default gen_random_uuid(),
  connection_id uuid not null references public.broker_connections (id),
  user_id uuid not null references public.profiles (id),
  broker public.broker not null,
  account_id text not null check (char_length(account_id) between 1 and 64),
  label text check (char_length(label) <= 80),
  venue_name text check (char_length(venue_name) <= 120),
  executor public.executor,
  currency text not null default 'USD' check (currency ~ '^[A-Z]{3,5}$'),
  margin_mode public.margin_mode not null,
  timezone text not null default 'UTC',
  reset_time time not null default '00:00',
  trading_enabled boolean not null default false,
  halt_epoch bigint not null default 0,
  halted_by text [] not null default '{}' check (halted_by <@ array['account', 'broker', 'system']),
  locked_until timestamptz,
  lock_reason text check (char_length(lock_reason) <= 200),
  initial_balance numeric check (initial_balance >= 0),
  next_settings jsonb,
  next_settings_from timestamptz,
  balance numeric,
  equity numeric,
  as_of timestamptz,
  freshness public.freshness not null default 'unknown',
  last_sync timestamptz,
  api_key text check (char_length(api_key) <= 4),
  api_key_hash text,
  version integer not null default 1,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  constraint one_row_per_account_of_a_connection unique (connection_id, account_id),
  constraint topstep_practice_accounts_are_named_so check (
    broker <> 'topstepx' or executor is distinct from 'fleet' or coalesce(venue_name, '') like 'PRAC-%'
  )
);
comment on table public.broker_accounts is 'One trading account. Its row is the lock under which everything of the account is ordered.';
comment on column public.broker_accounts.account_id is 'The broker''s own account number, as text.';
comment on column public.broker_accounts.venue_name is 'What the broker calls it. Not the trader''s to change: Topstep''s practice accounts are known by it.';
comment on column public.broker_accounts.executor is 'Who trades it; null = who trades its connection.';
comment on column public.broker_accounts.halt_epoch is 'Raised by flatten, kill switch and breach: nothing claimed under an older epoch may be sent.';
comment on column public.broker_accounts.halted_by is 'The kill switches that are on for it, besides the user''s own: no entry while there is one.';
comment on column public.broker_accounts.next_settings is 'Zone, reset or initial balance that wait to count, from next_settings_from on.';
comment on column public.broker_accounts.initial_balance is 'What it began with: floors and percentages count from it. Until somebody says otherwise the balance at first sight.';
create index broker_accounts_user on public.broker_accounts (user_id);

create table public.credential_seals (
  id bigint generated always as identity primary key,
  connection_id uuid not null references public.broker_connections (id),
  recipient text not null,
  key_id text not null,
  version integer not null check (version > 0),
  sealed bytea not null check (octet_length(sealed) between 48 and 16384),
  created_at timestamptz not null default now(),
  constraint versions_of_a_seal_only_rise unique (connection_id, recipient, version)
);
comment on column public.credential_seals.recipient is 'fleet, or the id of a device.';
comment on table public.credential_seals is 'Broker credentials sealed by the client (HPKE) to the fleet or to a device. Insert only; nobody reads them through the API.';

create table public.devices (
  id uuid primary key default gen_random_uuid(),
  user_id uuid not null references public.profiles (id),
  name text not null check (char_length(name) between 1 and 80),
  public_key bytea not null check (octet_length(public_key) = 32),
  key_id text not null generated always as ('d' || left(encode(sha256(public_key), 'hex'), 16)) stored,
  last_seen_at timestamptz,
  revoked_at timestamptz,
  created_at timestamptz not null default now(),
  constraint one_row_per_key_of_a_user unique (user_id, public_key)
);
comment on table public.devices is 'Edge workers: a trader''s own machine with its sealing key.';
comment on column public.devices.key_id is 'What names the key in a seal; short enough to compare with what the device shows.';
create index devices_user on public.devices (user_id);

create table public.webhook_endpoints (
  id uuid primary key default gen_random_uuid(),
  user_id uuid not null references public.profiles (id),
  broker public.broker not null,
  name text not null check (char_length(name) between 1 and 80),
  format text not null default 'unify.v1',
  token_version integer not null default 1 check (token_version > 0),
  previous_valid_until timestamptz,
  require_signature boolean not null default false,
  allow_cidrs cidr [],
  max_age_s integer not null default 60 check (max_age_s between 5 and 86400),
  dedupe_window_s integer not null default 60 check (dedupe_window_s between 0 and 7776000),
  on_same public.on_same not null default 'add',
  on_opposite public.on_opposite not null default 'refuse',
  scope public.scope not null default 'endpoint',
  qty_mode public.qty_mode,
  qty numeric check (qty > 0),
  allowed_symbols text [],
  allowed_actions public.action [],
  max_qty numeric check (max_qty > 0),
  max_entries_per_day integer check (max_entries_per_day >= 0),
  alerts_per_minute integer not null default 600 check (alerts_per_minute between 1 and 100000),
  on_gap text not null default 'notify' check (on_gap in ('notify', 'catch_up', 'flatten')),
  heartbeat_s integer check (heartbeat_s between 60 and 2592000),
  enabled boolean not null default true,
  last_seen_at timestamptz,
  version integer not null default 1,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  constraint fixed_size_has_mode_and_quantity check ((qty is null) = (qty_mode is null))
);
comment on column public.webhook_endpoints.on_gap is
'What follows when an account does not hold what an alert''s position_size says: notify, catch_up (the position is asked for), flatten.';
comment on column public.webhook_endpoints.heartbeat_s is 'At least one alert is expected in so many seconds; null = silence means nothing.';
comment on table public.webhook_endpoints is 'Where alerts arrive: who owns it, what it may do, how its silence is read. The token is derived, never stored.';
create index webhook_endpoints_user on public.webhook_endpoints (user_id);

create table public.webhook_endpoint_accounts (
  endpoint_id uuid not null references public.webhook_endpoints (id) on delete cascade,
  account_id uuid not null references public.broker_accounts (id),
  user_id uuid not null references public.profiles (id),
  multiplier numeric not null default 1 check (multiplier > 0 and multiplier <= 100),
  primary key (endpoint_id, account_id)
);
comment on table public.webhook_endpoint_accounts is 'The accounts an endpoint''s alerts go to. An alert may narrow them, never widen.';
create index webhook_endpoint_accounts_account on public.webhook_endpoint_accounts (account_id);
create index webhook_endpoint_accounts_user on public.webhook_endpoint_accounts (user_id);

create table public.api_keys (
  id text primary key check (id ~ '^[0-9A-Za-z]{8}$'),
  user_id uuid not null references public.profiles (id),
  name text not null check (char_length(name) between 1 and 80),
  key_hash bytea not null check (octet_length(key_hash) = 32),
  scopes text [] not null check (scopes <@ array['read', 'trade', 'reduce']),
  allow_cidrs cidr [],
  expires_at timestamptz,
  revoked_at timestamptz,
  last_used_at timestamptz,
  created_at timestamptz not null default now()
);
comment on table public.api_keys is 'API keys: only their SHA-256 is stored.';
create index api_keys_user on public.api_keys (user_id);

create table public.symbol_map (
  id bigint generated always as identity primary key,
  user_id uuid not null references public.profiles (id),
  account_id uuid references public.broker_accounts (id),
  tv_symbol text not null check (char_length(tv_symbol) between 1 and 64),
  venue_symbol text not null check (char_length(venue_symbol) between 1 and 64),
  pip_size numeric check (pip_size > 0),
  created_at timestamptz not null default now(),
  constraint one_override_per_symbol unique nulls not distinct (user_id, account_id, tv_symbol)
);
comment on table public.symbol_map is 'A trader''s own word for which instrument of an account a TradingView symbol means.';
create index symbol_map_account on public.symbol_map (account_id);
