create table public.webhook_events (
  id bigint generated always as identity primary key,
  user_id uuid not null references public.profiles (id),
  source public.event_source not null,
  broker public.broker,
  endpoint_id uuid references public.webhook_endpoints (id) on delete set null,
  api_key_id text references public.api_keys (id),
  body text not null check (octet_length(body) <= 32768),
  payload jsonb,
  signature text,
  signature_valid boolean,
  processed boolean not null default false,
  open_deliveries integer not null default 0,
  status public.event_status not null,
  reason public.reason,
  details jsonb,
  dry_run boolean not null default false,
  fired_at timestamptz,
  received_at timestamptz not null default clock_timestamp(),
  version integer not null default 1
) with (fillfactor = 70);
comment on table public.webhook_events is 'The inbox: one row per alert, kept as it came (secrets masked), accepted or refused with the reason.';
create index webhook_events_user on public.webhook_events (user_id, id);
create index webhook_events_endpoint on public.webhook_events (endpoint_id, id);
create index webhook_events_received on public.webhook_events (received_at);
create index webhook_events_api_key on public.webhook_events (api_key_id) where api_key_id is not null;

-- Rows that name an account have its owner's id and no foreign key of their own to the profile: the account has that key, and
-- each would be one more locked row for every alert.
create table public.deliveries (
  id bigint generated always as identity primary key,
  event_id bigint not null references public.webhook_events (id),
  user_id uuid not null,
  account_id uuid not null references public.broker_accounts (id),
  lane public.lane not null default 'normal',
  action public.action not null,
  symbol text,
  side public.side,
  tag text,
  status public.delivery_status not null default 'queued',
  outcome public.delivery_outcome,
  reason public.reason,
  numbers jsonb,
  halt_epoch bigint not null,
  dry_run boolean not null default false,
  expires_at timestamptz,
  attempts integer not null default 0,
  trace jsonb not null default '[]',
  timings jsonb not null default '{}',
  created_at timestamptz not null default clock_timestamp(),
  finished_at timestamptz,
  version integer not null default 1,
  constraint done_has_an_outcome check (status <> 'done' or outcome is not null),
  constraint one_delivery_per_event_and_account unique (event_id, account_id)
)
-- A row grows sixfold when its trace is written: with this much room it stays on its page, and no index is touched.
with (fillfactor = 20);
comment on table public.deliveries is 'One alert for one account: its outcome, and the trace of every decision.';
create index deliveries_user on public.deliveries (user_id, id);
create index deliveries_account on public.deliveries (account_id, id);

create table engine.dedupe (
  endpoint_id uuid not null,
  key text not null,
  event_id bigint,
  body_sha256 text not null,
  expires_at timestamptz not null,
  primary key (endpoint_id, key)
);
comment on table engine.dedupe is 'Which alerts were accepted: by the sender''s id, else by the hash of the body. A refused body occupies no key.';
create index dedupe_expires on engine.dedupe (expires_at);

create unlogged table engine.endpoint_counters (
  endpoint_id uuid not null,
  window_start timestamptz not null,
  kind text not null,
  n integer not null default 0,
  primary key (endpoint_id, kind, window_start)
);
comment on table engine.endpoint_counters is 'Alerts, refused bodies and entries per endpoint and window. Unlogged: a crash forgives.';

create table engine.queue (
  id bigint primary key,
  account_id uuid not null,
  user_id uuid not null,
  executor public.executor not null,
  lane public.lane not null,
  state text not null check (state in ('waiting', 'ready', 'claimed', 'unsettled')),
  run_at timestamptz not null default '-infinity',
  is_exit boolean not null,
  symbol text,
  tag text,
  endpoint_id uuid,
  token bigint,
  worker text,
  lease_until timestamptz,
  held_since timestamptz,
  is_head boolean not null generated always as (state in ('ready', 'claimed')) stored,
  constraint claimed_has_a_lease check (state <> 'claimed' or (token is not null and lease_until is not null))
) with (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_cost_delay = 0);
comment on table engine.queue is 'What is still to be done, FIFO per account and lane: exactly the head of each is ready or claimed. id = delivery. No foreign keys: it must stay narrow.';
comment on column engine.queue.state is 'waiting (behind the head) | ready (the head) | claimed (a worker has it) | unsettled (an order of it is unknown: the settler has it, the lane goes on)';
comment on column engine.queue.held_since is 'Since when it has held its lane: the first claim. A lane held for long lets exits pass.';
comment on column engine.queue.is_head is 'ready or claimed. Indexes name it and not the state: a claim then changes nothing indexed and stays in its page.';
create index queue_heads on engine.queue (executor, lane, id) where is_head;
create index queue_account on engine.queue (account_id, lane, id);
-- The promise of one at a time is an index before it is code.
create unique index one_head_per_account_and_lane on engine.queue (account_id, lane) where is_head;
create function engine.new_token() returns bigint
language sql volatile set search_path = '' as $$
  -- The clock, not a sequence: claims commit asynchronously, and a crash can take an unlogged sequence value back, so that
  -- two holders of one delivery would have the same token.
  select floor(extract(epoch from clock_timestamp()) * 1000000)::bigint
$$;
comment on function engine.new_token() is
'A fencing token: microseconds since 1970. A later claim of a delivery has a higher one; an older can neither send nor record.';
alter function engine.new_token() owner to empire_engine;

create table engine.workers (
  id text primary key,
  kind text not null,
  started_at timestamptz not null default clock_timestamp(),
  seen_at timestamptz not null default clock_timestamp(),
  details jsonb not null default '{}'
);
comment on table engine.workers is 'Heartbeats of worker processes.';

create table engine.dead_letters (
  id bigint generated always as identity primary key,
  delivery_id bigint not null,
  error text not null,
  at timestamptz not null default clock_timestamp()
);
comment on table engine.dead_letters is 'Deliveries whose processing failed with a bug or a broken machine, with the error. Nothing is lost, nothing blocks its account.';

create table engine.installation (
  one boolean primary key default true check (one),
  code text not null default substr(md5(random()::text || clock_timestamp()::text), 1, 5) check (code ~ '^[a-z0-9]{5}$')
);
comment on table engine.installation is 'A short random word of this installation, part of every client order id: two installations on one broker account never collide.';
insert into engine.installation default values;
