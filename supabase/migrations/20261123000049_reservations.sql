-- What the entries of a user with rules have reserved: written with their orders, in the same commit.
create table engine.reservations (
  delivery_id bigint primary key,
  account_id uuid not null,
  loss jsonb not null default '{}',
  notional_usd jsonb not null default '{}'
);
comment on table engine.reservations is
'Per delivery what its entries lose at worst and are worth, by leg: for the rules of those that come after. Only where the '
'user has rules.';
comment on column engine.reservations.loss is 'By leg, in the account''s currency; without a stop what the rules assumed.';
grant select, insert, update, delete on engine.reservations to empire_engine;
