-- The paper broker's books. They are a broker's memory, not ours: what we know of it is in public like for any other.
create table engine.paper_accounts (
  account_id uuid primary key,
  version bigint not null default 0,
  balance numeric not null,
  currency text not null default 'USD',
  book jsonb not null default '{}'
);
comment on table engine.paper_accounts is 'A paper account''s money and open book (positions, working orders, last prices); replaced by compare-and-set on version.';

create table engine.paper_orders (
  account_id uuid not null,
  client_order_id text not null,
  answer jsonb not null,
  at timestamptz not null default clock_timestamp(),
  primary key (account_id, client_order_id)
);
comment on table engine.paper_orders is 'What the paper broker answered to each command: a repeated client order id is answered again, never executed again.';

create table engine.paper_fills (
  account_id uuid not null,
  id bigint generated always as identity,
  fill jsonb not null,
  at timestamptz not null default clock_timestamp(),
  primary key (account_id, id)
);
comment on table engine.paper_fills is 'The paper broker''s executions, oldest first.';
