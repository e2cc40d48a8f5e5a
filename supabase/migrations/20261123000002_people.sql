-- profiles has no foreign key to auth.users on purpose: deleting a login must never cascade into evidence.
create table public.profiles (
  id uuid primary key,
  email text,
  name text check (char_length(name) <= 120),
  role text not null default 'user' check (role in ('user', 'admin')),
  plan_tier public.plan not null default 'starter',
  trial_end timestamptz,
  totp_enabled boolean not null default false,
  brand_id uuid,
  timezone text not null default 'UTC' check (char_length(timezone) <= 64),
  locale text not null default 'en' check (char_length(locale) <= 16),
  status text not null default 'active' check (status in ('active', 'suspended', 'deleted')),
  trading_halted boolean not null default false,
  halted_at timestamptz,
  halt_reason text check (char_length(halt_reason) <= 200),
  loosen_delay integer not null default 1440 check (loosen_delay between 0 and 43200),
  loosen_delay_next integer check (loosen_delay_next between 0 and 43200),
  loosen_delay_next_from timestamptz,
  version integer not null default 1,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);
comment on table public.profiles is 'One person. role, plan_tier and totp_enabled are mirrors for the screen: no policy reads them.';
comment on column public.profiles.loosen_delay is
'Minutes that a looser limit of a live account waits before it counts (a day unless the user says otherwise).';
comment on column public.profiles.loosen_delay_next is 'A shorter delay that waits itself, until loosen_delay_next_from.';
comment on column public.profiles.trading_halted is 'The kill switch: no entry of this user is sent while it is on.';

create table private.admins (
  user_id uuid primary key,
  granted_at timestamptz not null default now(),
  granted_by text not null default current_user
);
comment on table private.admins is 'Who may be an admin. The token''s role claim and aal2 are needed besides (private.is_admin()).';

create table public.brands (
  id uuid primary key default gen_random_uuid(),
  name text not null check (char_length(name) between 1 and 80),
  settings jsonb not null default '{}',
  created_at timestamptz not null default now()
);
comment on table public.brands is 'White labels: name and looks. Not an isolation boundary.';
alter table public.profiles add constraint profiles_brand_fk foreign key (brand_id) references public.brands (id);
create index profiles_brand_id on public.profiles (brand_id);

create table public.plan_limits (
  plan public.plan primary key,
  price_usd numeric not null,
  brokers integer not null,
  trades_per_month integer,
  api_per_minute integer not null,
  heatmap boolean not null,
  equity_curve boolean not null,
  api_access text not null check (api_access in ('read', 'full', 'full_websocket')),
  white_label boolean not null,
  sla text
);
comment on table public.plan_limits is 'What each plan includes. Null = unlimited.';
insert into public.plan_limits values
('starter', 29, 1, 100, 100, false, false, 'read', false, null),
('pro', 79, 3, null, 500, true, true, 'full', false, null),
('elite', 199, 1000, null, 2000, true, true, 'full_websocket', true, '99.9 %');

create table public.subscriptions (
  user_id uuid primary key references public.profiles (id),
  stripe_customer_id text unique,
  plan public.plan not null,
  status text not null,
  trial_end timestamptz,
  current_period_end timestamptz,
  updated_at timestamptz not null default now()
);
comment on table public.subscriptions is 'The one source of a user''s plan; written by billing only.';

create table public.admin_actions (
  id bigint generated always as identity primary key,
  admin_user_id uuid,
  actor text not null default current_user,
  action text not null,
  target_user_id uuid,
  details jsonb not null default '{}',
  ip_address inet,
  created_at timestamptz not null default now()
);
comment on table public.admin_actions is 'Audit trail of admin verbs and of writes by any role to settings, accounts, endpoints, keys, profiles, plans. Insert only.';
create index admin_actions_target on public.admin_actions (target_user_id, id);
