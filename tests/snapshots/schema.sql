--
-- PostgreSQL database dump
--

SET statement_timeout = 0;
SET lock_timeout = 0;
SET idle_in_transaction_session_timeout = 0;
SET transaction_timeout = 0;
SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
SELECT pg_catalog.set_config('search_path', '', false);
SET check_function_bodies = false;
SET xmloption = content;
SET client_min_messages = warning;
SET row_security = off;

--
-- Name: engine; Type: SCHEMA; Schema: -; Owner: postgres
--

CREATE SCHEMA engine;

ALTER SCHEMA engine OWNER TO postgres;

--
-- Name: SCHEMA engine; Type: COMMENT; Schema: -; Owner: postgres
--

COMMENT ON SCHEMA engine IS 'The queue, the commands and the functions of workers and edge functions. Not exposed by the API.';

--
-- Name: private; Type: SCHEMA; Schema: -; Owner: postgres
--

CREATE SCHEMA private;

ALTER SCHEMA private OWNER TO postgres;

--
-- Name: SCHEMA private; Type: COMMENT; Schema: -; Owner: postgres
--

COMMENT ON SCHEMA private IS 'Security definer functions behind the public verbs. Not exposed by the API.';

--
-- Name: public; Type: SCHEMA; Schema: -; Owner: pg_database_owner
--

CREATE SCHEMA public;

ALTER SCHEMA public OWNER TO pg_database_owner;

--
-- Name: SCHEMA public; Type: COMMENT; Schema: -; Owner: pg_database_owner
--

COMMENT ON SCHEMA public IS 'standard public schema';

--
-- Name: action; Type: TYPE; Schema: public; Owner: postgres
--

CREATE TYPE public.action AS ENUM (
    'open',
    'add',
    'close',
    'reduce',
    'reverse',
    'target',
    'cancel',
    'modify',
    'flatten'
);

ALTER TYPE public.action OWNER TO postgres;

--
-- Name: side; Type: TYPE; Schema: public; Owner: postgres
--

CREATE TYPE public.side AS ENUM (
    'buy',
    'sell'
);

ALTER TYPE public.side OWNER TO postgres;

--
-- Name: alert; Type: TYPE; Schema: engine; Owner: postgres
--

CREATE TYPE engine.alert AS (
	endpoint_id uuid,
	token_version integer,
	broker text,
	action public.action,
	side public.side,
	symbol text,
	tag text,
	order_id text,
	scope text,
	accounts jsonb,
	dry_run boolean,
	fired_at timestamp with time zone,
	key text,
	sha256 text,
	signature_valid boolean,
	client_ip inet,
	problem text
);

ALTER TYPE engine.alert OWNER TO postgres;

--
-- Name: TYPE alert; Type: COMMENT; Schema: engine; Owner: postgres
--

COMMENT ON TYPE engine.alert IS 'What ingest needs of an alert, typed; problem = why it cannot be stored.';

--
-- Name: event_source; Type: TYPE; Schema: public; Owner: postgres
--

CREATE TYPE public.event_source AS ENUM (
    'tradingview',
    'api',
    'dashboard',
    'cli',
    'drill',
    'system'
);

ALTER TYPE public.event_source OWNER TO postgres;

--
-- Name: arrival; Type: TYPE; Schema: engine; Owner: postgres
--

CREATE TYPE engine.arrival AS (
	event_id bigint,
	accounts uuid[],
	source public.event_source,
	action public.action,
	symbol text,
	side public.side,
	tag text,
	endpoint_id uuid,
	by_symbol boolean,
	expires_at timestamp with time zone,
	dry_run boolean,
	order_id text
);

ALTER TYPE engine.arrival OWNER TO postgres;

--
-- Name: TYPE arrival; Type: COMMENT; Schema: engine; Owner: postgres
--

COMMENT ON TYPE engine.arrival IS 'What is to be done for accounts, as the queue takes it. by_symbol = whatever endpoint opened it is meant.';

--
-- Name: call_block; Type: TYPE; Schema: engine; Owner: postgres
--

CREATE TYPE engine.call_block AS (
	id bigint,
	worker text,
	calls integer,
	ends timestamp with time zone
);

ALTER TYPE engine.call_block OWNER TO postgres;

--
-- Name: TYPE call_block; Type: COMMENT; Schema: engine; Owner: postgres
--

COMMENT ON TYPE engine.call_block IS 'Requests that one worker may send, or has sent: at `ends` the last of them has arrived at the broker for certain.';

--
-- Name: broker; Type: TYPE; Schema: public; Owner: postgres
--

CREATE TYPE public.broker AS ENUM (
    'tradelocker',
    'topstepx',
    'metatrader',
    'paper'
);

ALTER TYPE public.broker OWNER TO postgres;

--
-- Name: on_opposite; Type: TYPE; Schema: public; Owner: postgres
--

CREATE TYPE public.on_opposite AS ENUM (
    'refuse',
    'reverse',
    'close',
    'hedge'
);

ALTER TYPE public.on_opposite OWNER TO postgres;

--
-- Name: on_same; Type: TYPE; Schema: public; Owner: postgres
--

CREATE TYPE public.on_same AS ENUM (
    'add',
    'ignore'
);

ALTER TYPE public.on_same OWNER TO postgres;

--
-- Name: qty_mode; Type: TYPE; Schema: public; Owner: postgres
--

CREATE TYPE public.qty_mode AS ENUM (
    'lots',
    'units',
    'contracts',
    'risk_pct',
    'risk_usd',
    'equity_pct',
    'notional',
    'position_pct'
);

ALTER TYPE public.qty_mode OWNER TO postgres;

--
-- Name: scope; Type: TYPE; Schema: public; Owner: postgres
--

CREATE TYPE public.scope AS ENUM (
    'endpoint',
    'symbol'
);

ALTER TYPE public.scope OWNER TO postgres;

SET default_tablespace = '';

SET default_table_access_method = heap;

--
-- Name: webhook_endpoints; Type: TABLE; Schema: public; Owner: postgres
--

CREATE TABLE public.webhook_endpoints (
    id uuid DEFAULT gen_random_uuid() NOT NULL,
    user_id uuid NOT NULL,
    broker public.broker NOT NULL,
    name text NOT NULL,
    format text DEFAULT 'unify.v1'::text NOT NULL,
    token_version integer DEFAULT 1 NOT NULL,
    previous_valid_until timestamp with time zone,
    require_signature boolean DEFAULT false NOT NULL,
    allow_cidrs cidr[],
    max_age_s integer DEFAULT 60 NOT NULL,
    dedupe_window_s integer DEFAULT 60 NOT NULL,
    on_same public.on_same DEFAULT 'add'::public.on_same NOT NULL,
    on_opposite public.on_opposite DEFAULT 'refuse'::public.on_opposite NOT NULL,
    scope public.scope DEFAULT 'endpoint'::public.scope NOT NULL,
    qty_mode public.qty_mode,
    qty numeric,
    allowed_symbols text[],
    allowed_actions public.action[],
    max_qty numeric,
    max_entries_per_day integer,
    alerts_per_minute integer DEFAULT 600 NOT NULL,
    enabled boolean DEFAULT true NOT NULL,
    last_seen_at timestamp with time zone,
    version integer DEFAULT 1 NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT fixed_size_has_mode_and_quantity CHECK (((qty IS NULL) = (qty_mode IS NULL))),
    CONSTRAINT webhook_endpoints_alerts_per_minute_check CHECK (((alerts_per_minute >= 1) AND (alerts_per_minute <= 100000))),
    CONSTRAINT webhook_endpoints_dedupe_window_s_check CHECK (((dedupe_window_s >= 0) AND (dedupe_window_s <= 7776000))),
    CONSTRAINT webhook_endpoints_max_age_s_check CHECK (((max_age_s >= 5) AND (max_age_s <= 86400))),
    CONSTRAINT webhook_endpoints_max_entries_per_day_check CHECK ((max_entries_per_day >= 0)),
    CONSTRAINT webhook_endpoints_max_qty_check CHECK ((max_qty > (0)::numeric)),
    CONSTRAINT webhook_endpoints_name_check CHECK (((char_length(name) >= 1) AND (char_length(name) <= 80))),
    CONSTRAINT webhook_endpoints_qty_check CHECK ((qty > (0)::numeric)),
    CONSTRAINT webhook_endpoints_token_version_check CHECK ((token_version > 0))
);

ALTER TABLE public.webhook_endpoints OWNER TO postgres;

--
-- Name: TABLE webhook_endpoints; Type: COMMENT; Schema: public; Owner: postgres
--

COMMENT ON TABLE public.webhook_endpoints IS 'Where alerts arrive: who owns it, what it may do, how its silence is read. The token is derived, never stored.';

--
-- Name: candidate; Type: TYPE; Schema: engine; Owner: postgres
--

CREATE TYPE engine.candidate AS (
	nth integer,
	said jsonb,
	alert engine.alert,
	endpoint public.webhook_endpoints,
	accounts uuid[],
	event_id bigint
);

ALTER TYPE engine.candidate OWNER TO postgres;

--
-- Name: TYPE candidate; Type: COMMENT; Schema: engine; Owner: postgres
--

COMMENT ON TYPE engine.candidate IS 'An alert that nothing speaks against but the counters: where it stood in the call, who may send it, where it goes.';

--
-- Name: day_start; Type: TYPE; Schema: engine; Owner: postgres
--

CREATE TYPE engine.day_start AS (
	balance numeric,
	equity numeric,
	source text,
	is_mark boolean
);

ALTER TYPE engine.day_start OWNER TO postgres;

--
-- Name: TYPE day_start; Type: COMMENT; Schema: engine; Owner: postgres
--

COMMENT ON TYPE engine.day_start IS 'Money at a reset and how it is known; is_mark = it is the mark itself, so what was paid in before it belongs to the day before.';

--
-- Name: command_kind; Type: TYPE; Schema: public; Owner: postgres
--

CREATE TYPE public.command_kind AS ENUM (
    'place',
    'modify',
    'cancel',
    'close',
    'protect'
);

ALTER TYPE public.command_kind OWNER TO postgres;

--
-- Name: order_origin; Type: TYPE; Schema: public; Owner: postgres
--

CREATE TYPE public.order_origin AS ENUM (
    'alert',
    'api',
    'dashboard',
    'broker',
    'protection',
    'flatten'
);

ALTER TYPE public.order_origin OWNER TO postgres;

--
-- Name: leg; Type: TYPE; Schema: engine; Owner: postgres
--

CREATE TYPE engine.leg AS (
	delivery_id bigint,
	account_id uuid,
	user_id uuid,
	broker public.broker,
	currency text,
	trading_day date,
	endpoint_id uuid,
	origin public.order_origin,
	tv_symbol text,
	leg integer,
	kind public.command_kind,
	begins boolean,
	token bigint,
	lease_until timestamp with time zone,
	client_order_id text,
	order_id bigint,
	side public.side,
	qty numeric,
	reserved jsonb,
	said jsonb
);

ALTER TYPE engine.leg OWNER TO postgres;

--
-- Name: TYPE leg; Type: COMMENT; Schema: engine; Owner: postgres
--

COMMENT ON TYPE engine.leg IS 'A leg that is about to be written: what it says, and what it is written with.';

--
-- Name: mark; Type: TYPE; Schema: engine; Owner: postgres
--

CREATE TYPE engine.mark AS (
	at timestamp with time zone,
	balance numeric,
	equity numeric,
	margin_used numeric,
	is_flat boolean,
	positions text
);

ALTER TYPE engine.mark OWNER TO postgres;

--
-- Name: TYPE mark; Type: COMMENT; Schema: engine; Owner: postgres
--

COMMENT ON TYPE engine.mark IS 'Money of an account as read at a moment; positions = what was open, as one text (null = the read did not say).';

--
-- Name: news; Type: TYPE; Schema: engine; Owner: postgres
--

CREATE TYPE engine.news AS (
	account_id uuid,
	order_id bigint,
	said jsonb
);

ALTER TYPE engine.news OWNER TO postgres;

--
-- Name: TYPE news; Type: COMMENT; Schema: engine; Owner: postgres
--

COMMENT ON TYPE engine.news IS 'What a broker said about an order (null = one we do not know) of an account.';

--
-- Name: situation; Type: TYPE; Schema: engine; Owner: postgres
--

CREATE TYPE engine.situation AS (
	delivery_id bigint,
	user_id uuid,
	account_id uuid,
	broker public.broker,
	expires_at timestamp with time zone,
	max_age_s integer,
	epoch_then bigint,
	epoch_now bigint,
	user_stopped boolean,
	endpoint_disabled boolean,
	account_enabled boolean,
	locked_until timestamp with time zone,
	lock_reason text,
	currency text,
	capital numeric,
	max_order_qty numeric,
	max_risk_pct numeric,
	unresolved text[]
);

ALTER TYPE engine.situation OWNER TO postgres;

--
-- Name: TYPE situation; Type: COMMENT; Schema: engine; Owner: postgres
--

COMMENT ON TYPE engine.situation IS 'A delivery as the hard limits see it.';

--
-- Name: command_state; Type: TYPE; Schema: public; Owner: postgres
--

CREATE TYPE public.command_state AS ENUM (
    'pending',
    'submitting',
    'accepted',
    'rejected',
    'unknown',
    'canceled',
    'expired'
);

ALTER TYPE public.command_state OWNER TO postgres;

--
-- Name: delivery_outcome; Type: TYPE; Schema: public; Owner: postgres
--

CREATE TYPE public.delivery_outcome AS ENUM (
    'executed',
    'denied',
    'rejected',
    'invalid',
    'skipped',
    'unknown'
);

ALTER TYPE public.delivery_outcome OWNER TO postgres;

--
-- Name: delivery_status; Type: TYPE; Schema: public; Owner: postgres
--

CREATE TYPE public.delivery_status AS ENUM (
    'queued',
    'claimed',
    'done',
    'dead'
);

ALTER TYPE public.delivery_status OWNER TO postgres;

--
-- Name: effect; Type: TYPE; Schema: public; Owner: postgres
--

CREATE TYPE public.effect AS ENUM (
    'open',
    'close'
);

ALTER TYPE public.effect OWNER TO postgres;

--
-- Name: environment; Type: TYPE; Schema: public; Owner: postgres
--

CREATE TYPE public.environment AS ENUM (
    'live',
    'demo',
    'simulated'
);

ALTER TYPE public.environment OWNER TO postgres;

--
-- Name: event_status; Type: TYPE; Schema: public; Owner: postgres
--

CREATE TYPE public.event_status AS ENUM (
    'accepted',
    'refused'
);

ALTER TYPE public.event_status OWNER TO postgres;

--
-- Name: executor; Type: TYPE; Schema: public; Owner: postgres
--

CREATE TYPE public.executor AS ENUM (
    'fleet',
    'edge'
);

ALTER TYPE public.executor OWNER TO postgres;

--
-- Name: freshness; Type: TYPE; Schema: public; Owner: postgres
--

CREATE TYPE public.freshness AS ENUM (
    'fresh',
    'stale',
    'unknown'
);

ALTER TYPE public.freshness OWNER TO postgres;

--
-- Name: lane; Type: TYPE; Schema: public; Owner: postgres
--

CREATE TYPE public.lane AS ENUM (
    'normal',
    'urgent'
);

ALTER TYPE public.lane OWNER TO postgres;

--
-- Name: log_level; Type: TYPE; Schema: public; Owner: postgres
--

CREATE TYPE public.log_level AS ENUM (
    'debug',
    'info',
    'warning',
    'error'
);

ALTER TYPE public.log_level OWNER TO postgres;

--
-- Name: margin_mode; Type: TYPE; Schema: public; Owner: postgres
--

CREATE TYPE public.margin_mode AS ENUM (
    'netting',
    'hedging'
);

ALTER TYPE public.margin_mode OWNER TO postgres;

--
-- Name: notification_class; Type: TYPE; Schema: public; Owner: postgres
--

CREATE TYPE public.notification_class AS ENUM (
    'executed',
    'denied',
    'rejected',
    'skipped',
    'exit_failed',
    'unknown',
    'naked',
    'breach',
    'offline',
    'credentials',
    'position',
    'security',
    'test'
);

ALTER TYPE public.notification_class OWNER TO postgres;

--
-- Name: TYPE notification_class; Type: COMMENT; Schema: public; Owner: postgres
--

COMMENT ON TYPE public.notification_class IS 'What a message is about. Quiet hours never hold back exit_failed, unknown, naked, breach, offline and credentials.';

--
-- Name: notification_kind; Type: TYPE; Schema: public; Owner: postgres
--

CREATE TYPE public.notification_kind AS ENUM (
    'email',
    'telegram',
    'discord',
    'slack',
    'webhook'
);

ALTER TYPE public.notification_kind OWNER TO postgres;

--
-- Name: notification_status; Type: TYPE; Schema: public; Owner: postgres
--

CREATE TYPE public.notification_status AS ENUM (
    'waiting',
    'sent',
    'dead',
    'dropped'
);

ALTER TYPE public.notification_status OWNER TO postgres;

--
-- Name: TYPE notification_status; Type: COMMENT; Schema: public; Owner: postgres
--

COMMENT ON TYPE public.notification_status IS 'waiting (to be sent, or sent again) | sent | dead (given up, the log says why) | dropped (its target was removed or switched off)';

--
-- Name: order_status; Type: TYPE; Schema: public; Owner: postgres
--

CREATE TYPE public.order_status AS ENUM (
    'pending',
    'submitting',
    'working',
    'partially_filled',
    'filled',
    'canceled',
    'rejected',
    'expired',
    'unknown'
);

ALTER TYPE public.order_status OWNER TO postgres;

--
-- Name: TYPE order_status; Type: COMMENT; Schema: public; Owner: postgres
--

COMMENT ON TYPE public.order_status IS 'The life of an order; what may follow what is the table order_transitions.';

--
-- Name: order_type; Type: TYPE; Schema: public; Owner: postgres
--

CREATE TYPE public.order_type AS ENUM (
    'market',
    'limit',
    'stop'
);

ALTER TYPE public.order_type OWNER TO postgres;

--
-- Name: plan; Type: TYPE; Schema: public; Owner: postgres
--

CREATE TYPE public.plan AS ENUM (
    'starter',
    'pro',
    'elite'
);

ALTER TYPE public.plan OWNER TO postgres;

--
-- Name: reason; Type: TYPE; Schema: public; Owner: postgres
--

CREATE TYPE public.reason AS ENUM (
    'already_in_position',
    'already_on_side',
    'already_at_target',
    'nothing_to_add_to',
    'nothing_to_close',
    'nothing_to_cancel',
    'nothing_to_modify',
    'wrong_side',
    'superseded',
    'dry_run',
    'below_minimum',
    'above_maximum',
    'size_missing',
    'side_missing',
    'stop_required',
    'stop_too_close',
    'stop_wrong_side',
    'stop_passed',
    'price_missing',
    'no_quote',
    'price_deviation',
    'pip_undefined',
    'instrument_unknown',
    'symbol_ambiguous',
    'symbol_not_allowed',
    'conversion_unknown',
    'opposite_position',
    'position_unknown',
    'balance_unknown',
    'ambiguous',
    'not_supported',
    'account_disabled',
    'account_locked',
    'account_disconnected',
    'endpoint_disabled',
    'kill_switch',
    'halted',
    'max_order_size',
    'max_trades_per_day',
    'max_trades_per_month',
    'max_open_trades',
    'max_concurrent_positions',
    'max_risk_per_trade',
    'daily_loss',
    'day_start_unknown',
    'plan_limit',
    'endpoint_limit',
    'queue_full',
    'stale',
    'ts_in_future',
    'unresolved_order',
    'reduce_too_large',
    'not_flat',
    'executor_offline',
    'lease_lost',
    'leg_not_filled',
    'never_arrived',
    'internal_error',
    'weekly_loss',
    'daily_profit',
    'trailing_drawdown',
    'static_floor',
    'drawdown_not_armed',
    'initial_unknown',
    'max_qty',
    'exposure',
    'margin_use',
    'stop_distance',
    'spread_too_wide',
    'quote_stale',
    'alert_too_old',
    'cool_down',
    'outside_hours',
    'market_holiday',
    'no_calendar_data',
    'flat_by',
    'news_blackout',
    'opposite_elsewhere',
    'consistency',
    'side_not_allowed',
    'duplicate_intent',
    'invalid',
    'broker_mismatch',
    'id_reused',
    'address_not_allowed',
    'address_unknown',
    'signature_invalid',
    'rate_limited',
    'insufficient_margin',
    'insufficient_funds',
    'market_closed',
    'invalid_price',
    'invalid_quantity',
    'invalid_stops',
    'order_not_found',
    'position_not_found',
    'duplicate_order',
    'trading_disabled',
    'risk_rejected',
    'not_authorized',
    'broker_busy',
    'broker_unreachable',
    'broker_rejected'
);

ALTER TYPE public.reason OWNER TO postgres;

--
-- Name: TYPE reason; Type: COMMENT; Schema: public; Owner: postgres
--

COMMENT ON TYPE public.reason IS 'Why something was denied, rejected, skipped or refused. Equal to shared/models/reasons.py.';

--
-- Name: stop_mode; Type: TYPE; Schema: public; Owner: postgres
--

CREATE TYPE public.stop_mode AS ENUM (
    'price',
    'offset',
    'pips',
    'ticks',
    'pct',
    'usd',
    'rr',
    'none'
);

ALTER TYPE public.stop_mode OWNER TO postgres;

--
-- Name: tif; Type: TYPE; Schema: public; Owner: postgres
--

CREATE TYPE public.tif AS ENUM (
    'gtc',
    'day',
    'gtd',
    'ioc',
    'fok'
);

ALTER TYPE public.tif OWNER TO postgres;

--
-- Name: accept_alerts(engine.candidate[]); Type: FUNCTION; Schema: engine; Owner: empire_engine
--

CREATE FUNCTION engine.accept_alerts(p engine.candidate[]) RETURNS TABLE(nth integer, answer jsonb)
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
declare
  v_taken constant bigint [] := engine.take_keys(array(select engine.key_of(c) from unnest(p) c));
  v_counted record;
  v_passed engine.candidate [] := '{}';
  c engine.candidate;
begin
  v_counted := engine.count_alerts(array(select x from unnest(p) x where x.event_id = any (v_taken)));
  foreach c in array coalesce(v_counted.limited, '{}') loop
    nth := c.nth;
    answer := engine.too_many(c,
      format('Too many alerts: this endpoint accepts %s a minute.', (c.endpoint).alerts_per_minute));
    return next;
  end loop;
  foreach c in array coalesce(v_counted.passed, '{}') loop
    nth := c.nth;
    if engine.count_entry(c.endpoint, c.alert) then
      v_passed := v_passed || c;
      answer := jsonb_build_object(
        'http', 202, 'status', 'accepted', 'event_id', c.event_id, 'deliveries', cardinality(c.accounts)
      );
    else
      answer := engine.too_many(c,
        format('This endpoint accepts %s entries a day (UTC); exits pass.', (c.endpoint).max_entries_per_day)
      ) || jsonb_build_object(
        'retry_after', 86400 - floor(extract(epoch from (clock_timestamp() at time zone 'UTC')::time))::integer
      );
    end if;
    return next;
  end loop;
  if v_passed <> '{}' then
    perform engine.store_alerts(v_passed);
  end if;
  -- Another copy was faster; it may stand in this very call.
  foreach c in array p loop
    if c.event_id <> all (v_taken) then
      nth := c.nth;
      answer := engine.answer_if_seen(c.endpoint, c.said, c.alert);
      return next;
    end if;
  end loop;
end
$$;

ALTER FUNCTION engine.accept_alerts(p engine.candidate[]) OWNER TO empire_engine;

--
-- Name: FUNCTION accept_alerts(p engine.candidate[]); Type: COMMENT; Schema: engine; Owner: empire_engine
--

COMMENT ON FUNCTION engine.accept_alerts(p engine.candidate[]) IS 'Keys, limits, inbox, deliveries, queue: for all at once. A null answer = its key was being freed: send it again.';

--
-- Name: accept_intent(jsonb); Type: FUNCTION; Schema: engine; Owner: empire_engine
--

CREATE FUNCTION engine.accept_intent(p jsonb) RETURNS jsonb
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
declare
  v_user constant uuid := (p ->> 'user_id')::uuid;
  v_source constant public.event_source := coalesce(p ->> 'source', 'api')::public.event_source;
  i constant jsonb := p -> 'intent';
  v_given constant jsonb := jsonb_build_object('version', 'unify.v1', 'intent', i)
    -- Nobody can send an alert as the system: the format knows no such source. The inbox's own column says it.
    || case when v_source = 'system' then '{}' else jsonb_build_object('source', v_source) end;
  v_sha constant text := encode(sha256(convert_to(v_given::text, 'UTF8')), 'hex');
  v_key constant text := 'key:' || (p ->> 'idempotency_key');
  v_event bigint;
  v_accounts uuid [];
  s engine.dedupe;
begin
  if jsonb_typeof(i) is distinct from 'object' or octet_length(v_given::text) > 16384 then
    return engine.invalid_intent('intent must be an object of at most 16 kB.');
  elsif not pg_input_is_valid(coalesce(i ->> 'action', 'open'), 'public.action') then
    return engine.invalid_intent('intent.action is not one we know.');
  elsif coalesce(i ->> 'side', 'buy') not in ('buy', 'sell') then
    return engine.invalid_intent('intent.side must be buy or sell.');
  elsif not pg_input_is_valid(coalesce(i ->> 'dry_run', 'false'), 'boolean') then
    return engine.invalid_intent('intent.dry_run must be true or false.');
  end if;
  v_accounts := engine.accounts_of_intent(v_user, p);
  if v_accounts is null then
    return '{"http": 404, "error": "invalid", "message": "None of these accounts is yours."}';
  end if;
  v_event := nextval('public.webhook_events_id_seq');
  if v_key is not null and engine.take_keys(array[
    row(v_user, v_key, v_event, v_sha, clock_timestamp() + interval '24 hours')::engine.dedupe
  ]) = '{}' then
    select d.* into s from engine.dedupe d where d.endpoint_id = v_user and d.key = v_key;
    return case when s.body_sha256 <> v_sha then
      '{"http": 422, "error": "id_reused", "message": "This idempotency key was used before with another intent."}'
    else jsonb_build_object('http', 202, 'status', 'duplicate', 'event_id', s.event_id, 'deliveries', (
      select count(*) from public.deliveries d where d.event_id = s.event_id
    )) end;
  end if;
  perform engine.store_intent(v_event, v_user, v_source, engine.without_secrets(v_given)::text, v_accounts);
  return jsonb_build_object(
    'http', 202, 'status', 'accepted', 'event_id', v_event, 'deliveries', cardinality(v_accounts)
  );
end
$$;

ALTER FUNCTION engine.accept_intent(p jsonb) OWNER TO empire_engine;

--
-- Name: FUNCTION accept_intent(p jsonb); Type: COMMENT; Schema: engine; Owner: empire_engine
--

COMMENT ON FUNCTION engine.accept_intent(p jsonb) IS 'An intent of a user (API, dashboard, CLI) into the same inbox and queue. The caller has proved who the user is.';

--
-- Name: broker_accounts; Type: TABLE; Schema: public; Owner: postgres
--

CREATE TABLE public.broker_accounts (
    id uuid DEFAULT gen_random_uuid() NOT NULL,
    connection_id uuid NOT NULL,
    user_id uuid NOT NULL,
    broker public.broker NOT NULL,
    account_id text NOT NULL,
    label text,
    venue_name text,
    executor public.executor,
    currency text DEFAULT 'USD'::text NOT NULL,
    margin_mode public.margin_mode NOT NULL,
    timezone text DEFAULT 'UTC'::text NOT NULL,
    reset_time time without time zone DEFAULT '00:00:00'::time without time zone NOT NULL,
    trading_enabled boolean DEFAULT false NOT NULL,
    halt_epoch bigint DEFAULT 0 NOT NULL,
    halted_by text[] DEFAULT '{}'::text[] NOT NULL,
    locked_until timestamp with time zone,
    lock_reason text,
    initial_balance numeric,
    next_settings jsonb,
    next_settings_from timestamp with time zone,
    balance numeric,
    equity numeric,
    as_of timestamp with time zone,
    freshness public.freshness DEFAULT 'unknown'::public.freshness NOT NULL,
    last_sync timestamp with time zone,
    api_key text,
    api_key_hash text,
    version integer DEFAULT 1 NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    on_drift text DEFAULT 'adopt'::text NOT NULL,
    drift numeric DEFAULT 0 NOT NULL,
    drift_at timestamp with time zone,
    CONSTRAINT broker_accounts_account_id_check CHECK (((char_length(account_id) >= 1) AND (char_length(account_id) <= 64))),
    CONSTRAINT broker_accounts_api_key_check CHECK ((char_length(api_key) <= 4)),
    CONSTRAINT broker_accounts_currency_check CHECK ((currency ~ '^[A-Z]{3,5}$'::text)),
    CONSTRAINT broker_accounts_halted_by_check CHECK ((halted_by <@ ARRAY['account'::text, 'broker'::text, 'system'::text])),
    CONSTRAINT broker_accounts_initial_balance_check CHECK ((initial_balance >= (0)::numeric)),
    CONSTRAINT broker_accounts_label_check CHECK ((char_length(label) <= 80)),
    CONSTRAINT broker_accounts_lock_reason_check CHECK ((char_length(lock_reason) <= 200)),
    CONSTRAINT broker_accounts_on_drift_check CHECK ((on_drift = ANY (ARRAY['adopt'::text, 'alert'::text, 'flatten'::text]))),
    CONSTRAINT broker_accounts_venue_name_check CHECK ((char_length(venue_name) <= 120)),
    CONSTRAINT topstep_practice_accounts_are_named_so CHECK (((broker <> 'topstepx'::public.broker) OR (executor IS DISTINCT FROM 'fleet'::public.executor) OR (COALESCE(venue_name, ''::text) ~~ 'PRAC-%'::text)))
);

ALTER TABLE public.broker_accounts OWNER TO postgres;

--
-- Name: TABLE broker_accounts; Type: COMMENT; Schema: public; Owner: postgres
--

COMMENT ON TABLE public.broker_accounts IS 'One trading account. Its row is the lock under which everything of the account is ordered.';

--
-- Name: COLUMN broker_accounts.account_id; Type: COMMENT; Schema: public; Owner: postgres
--

COMMENT ON COLUMN public.broker_accounts.account_id IS 'The broker''s own account number, as text.';

--
-- Name: COLUMN broker_accounts.venue_name; Type: COMMENT; Schema: public; Owner: postgres
--

COMMENT ON COLUMN public.broker_accounts.venue_name IS 'What the broker calls it. Not the trader''s to change: Topstep''s practice accounts are known by it.';

--
-- Name: COLUMN broker_accounts.executor; Type: COMMENT; Schema: public; Owner: postgres
--

COMMENT ON COLUMN public.broker_accounts.executor IS 'Who trades it; null = who trades its connection.';

--
-- Name: COLUMN broker_accounts.halt_epoch; Type: COMMENT; Schema: public; Owner: postgres
--

COMMENT ON COLUMN public.broker_accounts.halt_epoch IS 'Raised by flatten, kill switch and breach: nothing claimed under an older epoch may be sent.';

--
-- Name: COLUMN broker_accounts.halted_by; Type: COMMENT; Schema: public; Owner: postgres
--

COMMENT ON COLUMN public.broker_accounts.halted_by IS 'The kill switches that are on for it, besides the user''s own: no entry while there is one.';

--
-- Name: COLUMN broker_accounts.initial_balance; Type: COMMENT; Schema: public; Owner: postgres
--

COMMENT ON COLUMN public.broker_accounts.initial_balance IS 'What it began with: floors and percentages count from it. Until somebody says otherwise the balance at first sight.';

--
-- Name: COLUMN broker_accounts.next_settings; Type: COMMENT; Schema: public; Owner: postgres
--

COMMENT ON COLUMN public.broker_accounts.next_settings IS 'Zone, reset or initial balance that wait to count, from next_settings_from on.';

--
-- Name: COLUMN broker_accounts.on_drift; Type: COMMENT; Schema: public; Owner: postgres
--

COMMENT ON COLUMN public.broker_accounts.on_drift IS 'What follows when the broker shows what we did not do: adopt (the books follow), alert (the owner is told, too), flatten (what was opened elsewhere is closed, too). The books follow in any case.';

--
-- Name: COLUMN broker_accounts.drift; Type: COMMENT; Schema: public; Owner: postgres
--

COMMENT ON COLUMN public.broker_accounts.drift IS 'How much had to be corrected lately, as of drift_at; halves every day.';

--
-- Name: broker_connections; Type: TABLE; Schema: public; Owner: postgres
--

CREATE TABLE public.broker_connections (
    id uuid DEFAULT gen_random_uuid() NOT NULL,
    user_id uuid NOT NULL,
    broker public.broker NOT NULL,
    environment public.environment NOT NULL,
    server text,
    base_url text,
    login_label text,
    executor public.executor DEFAULT 'fleet'::public.executor NOT NULL,
    status text DEFAULT 'new'::text NOT NULL,
    last_error text,
    seal_version integer DEFAULT 0 NOT NULL,
    credential_hint text,
    verified_at timestamp with time zone,
    version integer DEFAULT 1 NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT broker_connections_base_url_check CHECK ((char_length(base_url) <= 200)),
    CONSTRAINT broker_connections_credential_hint_check CHECK ((char_length(credential_hint) <= 4)),
    CONSTRAINT broker_connections_last_error_check CHECK ((char_length(last_error) <= 500)),
    CONSTRAINT broker_connections_login_label_check CHECK ((char_length(login_label) <= 254)),
    CONSTRAINT broker_connections_seal_version_check CHECK ((seal_version >= 0)),
    CONSTRAINT broker_connections_server_check CHECK ((server ~ '^[A-Za-z0-9._ -]{1,64}$'::text)),
    CONSTRAINT broker_connections_status_check CHECK ((status = ANY (ARRAY['new'::text, 'connected'::text, 'failed'::text, 'disabled'::text]))),
    CONSTRAINT topstep_trades_from_the_traders_device CHECK (((broker <> 'topstepx'::public.broker) OR (executor = 'edge'::public.executor) OR (environment = 'simulated'::public.environment)))
);

ALTER TABLE public.broker_connections OWNER TO postgres;

--
-- Name: TABLE broker_connections; Type: COMMENT; Schema: public; Owner: postgres
--

COMMENT ON TABLE public.broker_connections IS 'One login at one broker.';

--
-- Name: COLUMN broker_connections.base_url; Type: COMMENT; Schema: public; Owner: postgres
--

COMMENT ON COLUMN public.broker_connections.base_url IS 'Null: addresses are the operator''s settings. A row that names another one than they do is not used.';

--
-- Name: COLUMN broker_connections.login_label; Type: COMMENT; Schema: public; Owner: postgres
--

COMMENT ON COLUMN public.broker_connections.login_label IS 'The login itself (user name, e-mail, account number); what it is sealed for, so it never changes.';

--
-- Name: COLUMN broker_connections.seal_version; Type: COMMENT; Schema: public; Owner: postgres
--

COMMENT ON COLUMN public.broker_connections.seal_version IS 'The version of the sealed credential in force; raised by each new one and by disconnecting.';

--
-- Name: COLUMN broker_connections.credential_hint; Type: COMMENT; Schema: public; Owner: postgres
--

COMMENT ON COLUMN public.broker_connections.credential_hint IS 'The last characters of what was sealed, for the eye.';

--
-- Name: account_json(public.broker_accounts, public.broker_connections); Type: FUNCTION; Schema: engine; Owner: empire_engine
--

CREATE FUNCTION engine.account_json(a public.broker_accounts, c public.broker_connections) RETURNS jsonb
    LANGUAGE plpgsql IMMUTABLE
    SET search_path TO ''
    AS $$
begin
  return jsonb_build_object(
    'id', a.id, 'user_id', a.user_id, 'connection_id', a.connection_id, 'broker', a.broker, 'account_id', a.account_id,
    'currency', a.currency, 'margin_mode', a.margin_mode, 'timezone', a.timezone, 'reset_time', a.reset_time,
    'trading_enabled', a.trading_enabled,
    'halt_epoch', a.halt_epoch, 'locked_until', a.locked_until, 'lock_reason', a.lock_reason, 'balance', a.balance,
    'equity', a.equity, 'as_of', a.as_of, 'freshness', a.freshness, 'environment', c.environment, 'server', c.server,
    'base_url', c.base_url, 'executor', coalesce(a.executor, c.executor), 'login', c.login_label,
    'seal_version', c.seal_version, 'connection_version', c.version
  );
end
$$;

ALTER FUNCTION engine.account_json(a public.broker_accounts, c public.broker_connections) OWNER TO empire_engine;

--
-- Name: FUNCTION account_json(a public.broker_accounts, c public.broker_connections); Type: COMMENT; Schema: engine; Owner: empire_engine
--

COMMENT ON FUNCTION engine.account_json(a public.broker_accounts, c public.broker_connections) IS 'An account as workers see it.';

--
-- Name: accounts_due(integer, jsonb); Type: FUNCTION; Schema: engine; Owner: empire_engine
--

CREATE FUNCTION engine.accounts_due(p_limit integer, p_pauses jsonb) RETURNS uuid[]
    LANGUAGE plpgsql STABLE
    SET search_path TO ''
    AS $$
declare
  c_now constant timestamptz := clock_timestamp();
begin
  return array(
    select x.account_id from (
      select w.account_id, w.due_at from engine.account_marks w where w.due_at <= c_now
      union
      -- Our own order may have opened something a moment ago: whoever was idle then is due now.
      select w.account_id, coalesce(w.read_at, w.due_at)
      from unnest(engine.busy_accounts()) as b (id) join engine.account_marks w on w.account_id = b.id
      where w.failures = 0 and (w.read_at is null or w.read_at <= c_now - interval '1 second')
    ) x
    join public.broker_accounts a on a.id = x.account_id
    join public.broker_connections c on c.id = a.connection_id
    where c.status = 'connected' and coalesce(a.executor, c.executor) = 'fleet'
      and case when p_pauses ? a.broker::text then engine.reads_left(c.id, (p_pauses ->> a.broker::text)::numeric) >= 1 else true end
    group by x.account_id order by min(x.due_at) limit p_limit
  );
end
$$;

ALTER FUNCTION engine.accounts_due(p_limit integer, p_pauses jsonb) OWNER TO empire_engine;

--
-- Name: FUNCTION accounts_due(p_limit integer, p_pauses jsonb); Type: COMMENT; Schema: engine; Owner: empire_engine
--

COMMENT ON FUNCTION engine.accounts_due(p_limit integer, p_pauses jsonb) IS 'Accounts to be read now, those that wait longest first: every second where something is open, else every 30 seconds and at the reset, and not more of a login than its limits sustain (p_pauses: seconds from one read to the next, by broker). Not those of a login that is disconnected or of a trader''s own device.';

--
-- Name: accounts_of_intent(uuid, jsonb); Type: FUNCTION; Schema: engine; Owner: empire_engine
--

CREATE FUNCTION engine.accounts_of_intent(p_user uuid, p jsonb) RETURNS uuid[]
    LANGUAGE sql STABLE
    SET search_path TO ''
    AS $$
  select array_agg(a.id) from public.broker_accounts a
  where a.user_id = p_user and (
    exists (
      select 1 from jsonb_array_elements_text(coalesce(nullif(p -> 'accounts', 'null'), '[]')) n where n = a.id::text
    ) or exists (
      select 1 from jsonb_array_elements_text(coalesce(nullif(p #> '{intent,accounts}', 'null'), '[]')) n
      where n in (a.id::text, a.account_id, a.label)
    )
  )
$$;

ALTER FUNCTION engine.accounts_of_intent(p_user uuid, p jsonb) OWNER TO empire_engine;

--
-- Name: FUNCTION accounts_of_intent(p_user uuid, p jsonb); Type: COMMENT; Schema: engine; Owner: empire_engine
--

COMMENT ON FUNCTION engine.accounts_of_intent(p_user uuid, p jsonb) IS 'The user''s own accounts that an intent names, by id, number or label; null = none.';

--
-- Name: add_fills(engine.news[]); Type: FUNCTION; Schema: engine; Owner: empire_engine
--

CREATE FUNCTION engine.add_fills(p_news engine.news[]) RETURNS bigint[]
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $_$
declare
  v_new bigint [];
  v_result boolean;
begin
  if p_news is null then
    return '{}';
  end if;
  with added as (
    insert into public.fills (
      user_id, account_id, order_id, venue_fill_id, venue_order_id, position_id, effect, symbol, side, qty, price,
      commission, swap, fee, realised, currency, filled_at
    )
    select a.user_id, a.id, n.order_id, f ->> 'venue_fill_id', f ->> 'venue_order_id', f ->> 'position_id',
      (f ->> 'effect')::public.effect, coalesce(f ->> 'symbol', o.symbol), (f ->> 'side')::public.side,
      (f ->> 'qty')::numeric, (f ->> 'price')::numeric, coalesce((f ->> 'commission')::numeric, 0),
      coalesce((f ->> 'swap')::numeric, 0), coalesce((f ->> 'fee')::numeric, 0),
      coalesce((f ->> 'realised')::numeric, 0), a.currency, (f ->> 'filled_at')::timestamptz
    from unnest(p_news) with ordinality as n (account_id, order_id, said, nth)
    cross join lateral jsonb_path_query(n.said, '$.fills[*] ? (@.type() == "object")') f
    join public.broker_accounts a on a.id = n.account_id
    left join public.orders o on o.id = n.order_id
    order by n.nth
    on conflict on constraint a_fill_is_recorded_once do nothing
    returning id, realised
  )
  select coalesce(array_agg(x.id order by x.id), '{}'), bool_or(x.realised <> 0) into v_new, v_result from added x;
  if v_result is not true then
    return v_new;
  end if;
  insert into engine.account_days as t (account_id, trading_day, realised)
  select f.account_id, engine.trading_day(a.timezone, a.reset_time, f.filled_at), sum(f.realised)
  from public.fills f join public.broker_accounts a on a.id = f.account_id
  where f.id = any (v_new) and f.realised <> 0 group by 1, 2
  on conflict (account_id, trading_day) do update set realised = t.realised + excluded.realised;
  return v_new;
end
$_$;

ALTER FUNCTION engine.add_fills(p_news engine.news[]) OWNER TO empire_engine;

--
-- Name: FUNCTION add_fills(p_news engine.news[]); Type: COMMENT; Schema: engine; Owner: empire_engine
--

COMMENT ON FUNCTION engine.add_fills(p_news engine.news[]) IS 'Records each fill once, with the day''s result; returns those that are new.';

--
-- Name: adopt_fill(public.broker_accounts, jsonb); Type: FUNCTION; Schema: engine; Owner: empire_engine
--

CREATE FUNCTION engine.adopt_fill(a public.broker_accounts, x jsonb) RETURNS boolean
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
declare
  f constant jsonb := x -> 'fill';
  v_order bigint := engine.order_of(a.id, f ->> 'venue_order_id', f ->> 'client_order_id');
  v_new bigint [];
  v_news engine.news [];
begin
  if (select true from public.fills y where y.account_id = a.id and y.venue_fill_id = f ->> 'venue_fill_id') then
    return false;
  end if;
  if v_order is null and f ->> 'venue_order_id' is not null then
    v_order := engine.adopt_order(a, x -> 'order');
  end if;
  v_news := array[row(a.id, v_order, jsonb_build_object('fills', jsonb_build_array(f)))::engine.news];
  v_new := engine.add_fills(v_news);
  perform engine.move_positions(v_new);
  if v_order is not null then
    perform engine.update_orders(array(
      select row(a.id, o.id, jsonb_build_object(
        'fills', jsonb_build_array(f), 'avg_price', s.value / s.qty,
        'status', case when s.qty >= o.qty then 'filled' when o.status in ('working', 'canceled', 'expired') then 'partially_filled' else o.status::text end
      ) || case when o.venue_order_id is null then jsonb_build_object('venue_order_id', f ->> 'venue_order_id') else '{}' end)::engine.news
      from public.orders o cross join lateral (
        select sum(y.qty) as qty, sum(y.qty * y.price) as value from public.fills y where y.order_id = o.id
      ) s where o.id = v_order
    ));
    -- Of an order of somebody else we know no more than its fills.
    update public.orders o set qty = o.filled_qty where o.id = v_order and o.filled_qty > o.qty and o.origin in ('broker', 'protection');
  end if;
  return true;
end
$$;

ALTER FUNCTION engine.adopt_fill(a public.broker_accounts, x jsonb) OWNER TO empire_engine;

--
-- Name: FUNCTION adopt_fill(a public.broker_accounts, x jsonb); Type: COMMENT; Schema: engine; Owner: empire_engine
--

COMMENT ON FUNCTION engine.adopt_fill(a public.broker_accounts, x jsonb) IS 'A fill that we were not told: recorded with its order, ours or (then a row is made) somebody else''s, and its position moved. False = we know it.';

--
-- Name: adopt_order(public.broker_accounts, jsonb); Type: FUNCTION; Schema: engine; Owner: empire_engine
--

CREATE FUNCTION engine.adopt_order(a public.broker_accounts, o jsonb) RETURNS bigint
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
declare
  v_id bigint := engine.order_of(a.id, o ->> 'venue_order_id', o ->> 'client_order_id');
begin
  if v_id is not null then
    return null;
  end if;
  insert into public.orders (
    user_id, broker, account_id, client_order_id, venue_order_id, origin, kind, reduce_only, position_id, symbol, root, side,
    type, qty, filled_qty, price, stop_price, tif, status, currency
  ) values (
    a.user_id, a.broker, a.id,
    -- Orders of others have no id of ours, and every order here has one: made of the broker's, so that it is made once.
    'x_' || left(encode(sha256(convert_to(o ->> 'venue_order_id', 'UTF8')), 'hex'), 24), o ->> 'venue_order_id',
    (o ->> 'origin')::public.order_origin, 'place', coalesce((o ->> 'reduce_only')::boolean, false), o ->> 'position_id',
    o ->> 'symbol', o ->> 'root', (o ->> 'side')::public.side, (o ->> 'type')::public.order_type, (o ->> 'qty')::numeric,
    coalesce((o ->> 'filled_qty')::numeric, 0), nullif((o ->> 'price')::numeric, 0), nullif((o ->> 'stop_price')::numeric, 0),
    coalesce((o ->> 'tif')::public.tif, 'gtc'), (o ->> 'status')::public.order_status, a.currency
  )
  on conflict on constraint client_order_ids_are_unique_per_account do nothing
  returning id into v_id;
  return v_id;
end
$$;

ALTER FUNCTION engine.adopt_order(a public.broker_accounts, o jsonb) OWNER TO empire_engine;

--
-- Name: FUNCTION adopt_order(a public.broker_accounts, o jsonb); Type: COMMENT; Schema: engine; Owner: empire_engine
--

COMMENT ON FUNCTION engine.adopt_order(a public.broker_accounts, o jsonb) IS 'A row for an order that was placed elsewhere. Null = we know it already.';

--
-- Name: advance(public.broker_accounts, engine.mark); Type: FUNCTION; Schema: engine; Owner: empire_engine
--

CREATE FUNCTION engine.advance(a public.broker_accounts, m engine.mark) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
declare
  c_day constant date := engine.trading_day(a.timezone, a.reset_time, m.at);
  k engine.account_marks;
  d engine.account_days;
  s engine.day_start;
begin
  select x.* into k from engine.account_marks x where x.account_id = a.id for update;
  if not found or m.at < k.at then
    return;
  end if;
  select x.* into d from engine.account_days x where x.account_id = a.id and x.trading_day = c_day;
  if d.began_at is distinct from engine.day_began(a.timezone, a.reset_time, c_day) then
    if d.began_at is null or not engine.had_flows(a, c_day) then
      s := engine.find_start(a, k, m, engine.day_began(a.timezone, a.reset_time, c_day));
    end if;
    if s.is_mark then
      k := engine.settle_flows(a, k, m, engine.trading_day(a.timezone, a.reset_time, k.at));
    end if;
    perform engine.open_day(a, k, m, c_day, s);
  end if;
  k := engine.settle_flows(a, k, m, c_day);
  update engine.account_days
  set high_water = greatest(high_water, m.equity), low_water = least(low_water, m.equity)
  where account_id = a.id and trading_day = c_day and not (high_water >= m.equity and low_water <= m.equity) is true;
  perform engine.put_mark(a, k, m);
end
$$;

ALTER FUNCTION engine.advance(a public.broker_accounts, m engine.mark) OWNER TO empire_engine;

--
-- Name: FUNCTION advance(a public.broker_accounts, m engine.mark); Type: COMMENT; Schema: engine; Owner: empire_engine
--

COMMENT ON FUNCTION engine.advance(a public.broker_accounts, m engine.mark) IS 'What a mark means for the account''s day: opened at the reset, money paid in or out, extremes. The caller holds the account.';

--
-- Name: notification_targets; Type: TABLE; Schema: public; Owner: postgres
--

CREATE TABLE public.notification_targets (
    id uuid NOT NULL,
    user_id uuid NOT NULL,
    kind public.notification_kind NOT NULL,
    name text NOT NULL,
    hint text,
    classes public.notification_class[] NOT NULL,
    quiet_from time without time zone,
    quiet_to time without time zone,
    quiet_zone text,
    enabled boolean DEFAULT true NOT NULL,
    verified_at timestamp with time zone,
    last_sent_at timestamp with time zone,
    last_error text,
    version integer DEFAULT 1 NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT notification_targets_classes_check CHECK (((cardinality(classes) >= 1) AND (cardinality(classes) <= 20))),
    CONSTRAINT notification_targets_hint_check CHECK ((char_length(hint) <= 80)),
    CONSTRAINT notification_targets_last_error_check CHECK ((char_length(last_error) <= 300)),
    CONSTRAINT notification_targets_name_check CHECK (((char_length(name) >= 1) AND (char_length(name) <= 80))),
    CONSTRAINT quiet_hours_have_beginning_end_and_zone CHECK (((num_nonnulls(quiet_from, quiet_to, quiet_zone) = ANY (ARRAY[0, 3])) AND (quiet_from IS DISTINCT FROM COALESCE(quiet_to, '24:00:00'::time without time zone))))
);

ALTER TABLE public.notification_targets OWNER TO postgres;

--
-- Name: TABLE notification_targets; Type: COMMENT; Schema: public; Owner: postgres
--

COMMENT ON TABLE public.notification_targets IS 'Where a trader wants to be told of what. Nothing is sent before he has confirmed the code that was sent there.';

--
-- Name: COLUMN notification_targets.hint; Type: COMMENT; Schema: public; Owner: postgres
--

COMMENT ON COLUMN public.notification_targets.hint IS 'The address for the eye (m***@example.com, the host of a webhook). The address itself is sealed.';

--
-- Name: COLUMN notification_targets.classes; Type: COMMENT; Schema: public; Owner: postgres
--

COMMENT ON COLUMN public.notification_targets.classes IS 'What is sent there.';

--
-- Name: after_quiet(public.notification_targets, timestamp with time zone); Type: FUNCTION; Schema: engine; Owner: empire_engine
--

CREATE FUNCTION engine.after_quiet(n public.notification_targets, p_at timestamp with time zone) RETURNS timestamp with time zone
    LANGUAGE plpgsql STABLE
    SET search_path TO ''
    AS $$
declare
  v_local constant timestamp := p_at at time zone n.quiet_zone;
  v_end timestamp;
begin
  if n.quiet_from is null or not (
    case when n.quiet_from < n.quiet_to
      then v_local::time >= n.quiet_from and v_local::time < n.quiet_to
      else v_local::time >= n.quiet_from or v_local::time < n.quiet_to
    end
  ) then
    return p_at;
  end if;
  v_end := v_local::date + n.quiet_to;
  if v_end <= v_local then
    v_end := v_end + interval '1 day';
  end if;
  return v_end at time zone n.quiet_zone;
end
$$;

ALTER FUNCTION engine.after_quiet(n public.notification_targets, p_at timestamp with time zone) OWNER TO empire_engine;

--
-- Name: FUNCTION after_quiet(n public.notification_targets, p_at timestamp with time zone); Type: COMMENT; Schema: engine; Owner: empire_engine
--

COMMENT ON FUNCTION engine.after_quiet(n public.notification_targets, p_at timestamp with time zone) IS 'When something of that moment may be sent to a target: then, or when its quiet hours end, by the clock of their zone.';

--
-- Name: alarm(text, uuid, text, text, jsonb, bigint); Type: FUNCTION; Schema: engine; Owner: empire_engine
--

CREATE FUNCTION engine.alarm(p_key text, p_user uuid, p_class text, p_message text, p_details jsonb, p_event bigint DEFAULT NULL::bigint) RETURNS boolean
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
begin
  insert into engine.alarms (key) values (p_key) on conflict (key) do nothing;
  if not found then
    return false;
  end if;
  perform engine.note(p_user, 'error', p_class, p_message, p_details, p_event);
  return true;
end
$$;

ALTER FUNCTION engine.alarm(p_key text, p_user uuid, p_class text, p_message text, p_details jsonb, p_event bigint) OWNER TO empire_engine;

--
-- Name: FUNCTION alarm(p_key text, p_user uuid, p_class text, p_message text, p_details jsonb, p_event bigint); Type: COMMENT; Schema: engine; Owner: empire_engine
--

COMMENT ON FUNCTION engine.alarm(p_key text, p_user uuid, p_class text, p_message text, p_details jsonb, p_event bigint) IS 'Alarms the trader, once for each key: a line in the log that also goes to his targets. False = he knows.';

--
-- Name: alarm_late_exits(integer); Type: FUNCTION; Schema: engine; Owner: empire_engine
--

CREATE FUNCTION engine.alarm_late_exits(p_limit integer) RETURNS integer
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
declare
  r record;
  v_n integer := 0;
begin
  for r in
    select d.id, d.user_id, d.account_id, d.event_id, d.action, d.symbol, d.numbers, coalesce(a.label, a.account_id) as account, a.broker,
      round(extract(epoch from clock_timestamp() - d.created_at)) as age
    from engine.queue q
    join public.deliveries d on d.id = q.id join public.broker_accounts a on a.id = q.account_id
    where q.is_exit and q.state <> 'unsettled' and d.created_at < clock_timestamp() - interval '30 seconds' and not d.dry_run
      and d.action <> 'cancel' and (select true from engine.alarms k where k.key = 'exit:' || d.id limit 1) is null
    order by d.id limit p_limit
  loop
    v_n := v_n + engine.alarm('exit:' || r.id, r.user_id, 'exit_late', format(
      '%s on %s has not been carried out for %s s. We go on trying; if you cannot wait, close it in %s.',
      concat_ws(' ', initcap(r.action::text), r.symbol), r.account, r.age, engine.name_of(r.broker)),
      jsonb_build_object('account_id', r.account_id, 'delivery_id', r.id, 'seconds', r.age), r.event_id)::integer;
  end loop;
  return v_n;
end
$$;

ALTER FUNCTION engine.alarm_late_exits(p_limit integer) OWNER TO empire_engine;

--
-- Name: FUNCTION alarm_late_exits(p_limit integer); Type: COMMENT; Schema: engine; Owner: empire_engine
--

COMMENT ON FUNCTION engine.alarm_late_exits(p_limit integer) IS 'Exits that have waited for 30 seconds.';

--
-- Name: alarm_naked(integer); Type: FUNCTION; Schema: engine; Owner: empire_engine
--

CREATE FUNCTION engine.alarm_naked(p_limit integer) RETURNS integer
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
declare
  r record;
  v_n integer := 0;
begin
  for r in
    select p.id, p.user_id, p.account_id, p.side, p.qty, p.symbol, p.entry_price, coalesce(a.label, a.account_id) as account, a.broker,
      round(extract(epoch from clock_timestamp() - p.opened_at)) as age
    from engine.naked_positions(p_limit) p join public.broker_accounts a on a.id = p.account_id
  loop
    v_n := v_n + engine.alarm('naked:' || r.id, r.user_id, 'naked', format(
      '%s %s %s on %s, opened at %s, has no stop for %s s, and your limits require one. Set one or close it in %s.',
      initcap(r.side::text), r.qty, r.symbol, r.account, trim_scale(r.entry_price), r.age, engine.name_of(r.broker)),
      jsonb_build_object('account_id', r.account_id, 'position_id', r.id, 'seconds', r.age))::integer;
  end loop;
  return v_n;
end
$$;

ALTER FUNCTION engine.alarm_naked(p_limit integer) OWNER TO empire_engine;

--
-- Name: FUNCTION alarm_naked(p_limit integer); Type: COMMENT; Schema: engine; Owner: empire_engine
--

COMMENT ON FUNCTION engine.alarm_naked(p_limit integer) IS 'Tells of positions without the stop that they should have, once each.';

--
-- Name: alarm_offline(integer); Type: FUNCTION; Schema: engine; Owner: empire_engine
--

CREATE FUNCTION engine.alarm_offline(p_limit integer) RETURNS integer
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
declare
  r record;
  v_n integer := 0;
begin
  for r in
    select f.*, a.user_id, a.broker, coalesce(a.label, a.account_id) as account
    from engine.offline_accounts() f join public.broker_accounts a on a.id = f.account_id
    where (select true from engine.alarms k where k.key = 'offline:' || f.account_id limit 1) is null
    order by a.id limit p_limit
  loop
    v_n := v_n + engine.alarm('offline:' || r.account_id, r.user_id, 'offline', format(
      '%s cannot be reached while %s position%s open on %s: %s. Nothing can be closed from here now; watch it in %s.',
      case when r.device then 'Your device' else engine.name_of(r.broker) end, r.positions,
      case r.positions when 1 then ' is' else 's are' end, r.account, r.what, engine.name_of(r.broker)),
      jsonb_build_object('account_id', r.account_id, 'positions', r.positions))::integer;
  end loop;
  -- It may alarm again once it was there again; what comes and goes all the time does so every ten minutes.
  delete from engine.alarms k where k.key like 'offline:%' and k.at < clock_timestamp() - interval '10 minutes'
    and k.key not in (select 'offline:' || f.account_id from engine.offline_accounts() f);
  return v_n;
end
$$;

ALTER FUNCTION engine.alarm_offline(p_limit integer) OWNER TO empire_engine;

--
-- Name: FUNCTION alarm_offline(p_limit integer); Type: COMMENT; Schema: engine; Owner: empire_engine
--

COMMENT ON FUNCTION engine.alarm_offline(p_limit integer) IS 'Tells of open positions that nothing can be done about from here: once for each time the broker or the device is away.';

--
-- Name: alarm_unknown(integer); Type: FUNCTION; Schema: engine; Owner: empire_engine
--

CREATE FUNCTION engine.alarm_unknown(p_limit integer) RETURNS integer
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
declare
  r record;
  v_n integer := 0;
begin
  for r in
    select c.id, c.kind, c.user_id, c.account_id, c.root, c.is_entry, c.lookups, d.event_id, coalesce(a.label, a.account_id) as account,
      a.broker, round(extract(epoch from clock_timestamp() - c.submitted_at)) as age, o.side, o.qty, o.symbol
    from engine.commands c
    join public.deliveries d on d.id = c.delivery_id join public.broker_accounts a on a.id = c.account_id
    left join public.orders o on o.id = c.order_id
    where c.state = 'unknown' and c.submitted_at < clock_timestamp() - interval '30 seconds'
      and (select true from engine.alarms k where k.key = 'unknown:' || c.id limit 1) is null
    order by c.submitted_at limit p_limit
  loop
    v_n := v_n + engine.alarm('unknown:' || r.id, r.user_id, 'unknown', format(
      'We have not known for %s s whether %s has carried out "%s" on %s (asked %s times). It counts as open risk%s. Look in %s.',
      r.age, engine.name_of(r.broker), concat_ws(' ', r.kind, r.side, r.qty, coalesce(r.symbol, r.root)), r.account, r.lookups,
      case when r.is_entry then ' and is not sent again on a guess' else '' end, engine.name_of(r.broker)),
      jsonb_build_object('account_id', r.account_id, 'command_id', r.id, 'seconds', r.age), r.event_id)::integer;
  end loop;
  return v_n;
end
$$;

ALTER FUNCTION engine.alarm_unknown(p_limit integer) OWNER TO empire_engine;

--
-- Name: FUNCTION alarm_unknown(p_limit integer); Type: COMMENT; Schema: engine; Owner: empire_engine
--

COMMENT ON FUNCTION engine.alarm_unknown(p_limit integer) IS 'Commands whose outcome has not been known for 30 seconds.';

--
-- Name: answer_if_seen(public.webhook_endpoints, jsonb, engine.alert); Type: FUNCTION; Schema: engine; Owner: empire_engine
--

CREATE FUNCTION engine.answer_if_seen(e public.webhook_endpoints, p jsonb, r engine.alert) RETURNS jsonb
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
declare
  s engine.dedupe;
begin
  select d.* into s from engine.dedupe d
  where d.endpoint_id = e.id and d.key = r.key and d.expires_at > clock_timestamp();
  if not found then
    return null;
  elsif s.body_sha256 <> r.sha256 then
    return engine.refuse(e, p, 409, 'id_reused', 'This id was used before with another body.',
      engine.at_path('id', 'already used; ids are kept for 90 days'));
  end if;
  return jsonb_build_object('http', 202, 'status', 'duplicate', 'event_id', s.event_id, 'deliveries', (
    select count(*) from public.deliveries d where d.event_id = s.event_id
  ));
end
$$;

ALTER FUNCTION engine.answer_if_seen(e public.webhook_endpoints, p jsonb, r engine.alert) OWNER TO empire_engine;

--
-- Name: FUNCTION answer_if_seen(e public.webhook_endpoints, p jsonb, r engine.alert); Type: COMMENT; Schema: engine; Owner: empire_engine
--

COMMENT ON FUNCTION engine.answer_if_seen(e public.webhook_endpoints, p jsonb, r engine.alert) IS 'The answer to an alert whose key is taken: duplicate with the original event, or id_reused; null = it is new.';

--
-- Name: apply_account_settings(); Type: FUNCTION; Schema: engine; Owner: empire_engine
--

CREATE FUNCTION engine.apply_account_settings() RETURNS integer
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
declare
  v_ids constant uuid [] := array(
    select a.id from public.broker_accounts a where a.next_settings_from <= clock_timestamp() order by a.id
  );
  a public.broker_accounts;
begin
  -- Late is safe: until then the tighter of the two is not known, but the old one is what counted all day.
  for a in select x.* from public.broker_accounts x where x.id = any (v_ids) order by x.id for no key update loop
    continue when (a.next_settings_from <= clock_timestamp()) is not true;
    a := engine.with_settings(a, a.next_settings);
    update public.broker_accounts set timezone = a.timezone, reset_time = a.reset_time, initial_balance = a.initial_balance,
      next_settings = null, next_settings_from = null
    where id = a.id;
  end loop;
  return cardinality(v_ids);
end
$$;

ALTER FUNCTION engine.apply_account_settings() OWNER TO empire_engine;

--
-- Name: FUNCTION apply_account_settings(); Type: COMMENT; Schema: engine; Owner: empire_engine
--

COMMENT ON FUNCTION engine.apply_account_settings() IS 'Puts settings of accounts in force whose time has come. Returns how many.';

--
-- Name: apply_correction(public.broker_accounts, jsonb, timestamp with time zone); Type: FUNCTION; Schema: engine; Owner: empire_engine
--

CREATE FUNCTION engine.apply_correction(a public.broker_accounts, x jsonb, p_read timestamp with time zone) RETURNS boolean
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
begin
  return case x ->> 'kind'
    when 'fill' then engine.adopt_fill(a, x)
    when 'order_unknown' then engine.adopt_order(a, x -> 'order') is not null
    when 'order_ended' then engine.end_order(a.id, x -> 'order', p_read)
    when 'order_renamed' then engine.rename_order(a.id, x -> 'order', p_read)
    when 'orphan' then (select true from public.orders o where o.id = (x #>> '{order,id}')::bigint and o.account_id = a.id)
    else engine.set_position(a, x -> 'position')
  end;
end
$$;

ALTER FUNCTION engine.apply_correction(a public.broker_accounts, x jsonb, p_read timestamp with time zone) OWNER TO empire_engine;

--
-- Name: FUNCTION apply_correction(a public.broker_accounts, x jsonb, p_read timestamp with time zone); Type: COMMENT; Schema: engine; Owner: empire_engine
--

COMMENT ON FUNCTION engine.apply_correction(a public.broker_accounts, x jsonb, p_read timestamp with time zone) IS 'One correction, in our books. False = they say so already.';

--
-- Name: apply_results(jsonb); Type: FUNCTION; Schema: engine; Owner: empire_engine
--

CREATE FUNCTION engine.apply_results(p_results jsonb) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $_$
declare
  v_pending bigint [];
  v_modifies boolean;
  v_news engine.news [];
begin
  select array_agg(c.order_id) filter (where c.state = 'pending' and c.kind in ('place', 'close')
      and r ->> 'outcome' in ('accepted', 'unknown')),
    bool_or(c.kind = 'modify' and r ->> 'outcome' = 'accepted')
  into v_pending, v_modifies
  from jsonb_array_elements(p_results) r join engine.commands c on c.id = (r ->> 'id')::bigint;
  if v_pending is not null then
    -- The broker's answer is the truth, even to what was never begun by the rules.
    update public.orders o set status = 'submitting' where o.id = any (v_pending) and o.status = 'pending';
  end if;
  update engine.commands c
  set state = (r ->> 'outcome')::public.command_state, reason = (r ->> 'reason')::public.reason,
    answered_at = clock_timestamp(), answer = r - array['fills', 'positions', 'effects'],
    check_at = case when r ->> 'outcome' = 'unknown' then clock_timestamp() end
  from jsonb_array_elements(p_results) r where c.id = (r ->> 'id')::bigint;
  v_news := engine.news_of(p_results);
  if v_news is not null then
    perform engine.move_positions(engine.add_fills(v_news));
    perform engine.update_orders(v_news);
  end if;
  if v_modifies then
    perform engine.change_orders(p_results);
  end if;
  if jsonb_path_exists(p_results, '$[*].positions[*]') then
    perform engine.protect_positions(p_results);
  end if;
end
$_$;

ALTER FUNCTION engine.apply_results(p_results jsonb) OWNER TO empire_engine;

--
-- Name: FUNCTION apply_results(p_results jsonb); Type: COMMENT; Schema: engine; Owner: empire_engine
--

COMMENT ON FUNCTION engine.apply_results(p_results jsonb) IS 'Outcomes of commands: accepted, rejected, unknown, canceled or expired, with all that the answers tell. The caller holds accounts and fence.';

--
-- Name: arm_twin(bigint, bigint, uuid, jsonb); Type: FUNCTION; Schema: engine; Owner: empire_engine
--

CREATE FUNCTION engine.arm_twin(p_run bigint, p_token bigint, p_account uuid, p_values jsonb) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
declare
  a constant public.broker_accounts := engine.twin_account(p_run, p_token, p_account);
begin
  update public.broker_accounts b
  set trading_enabled = true, timezone = coalesce(p_values ->> 'timezone', b.timezone),
    reset_time = coalesce((p_values ->> 'reset_time')::time, b.reset_time),
    initial_balance = coalesce((p_values ->> 'initial_balance')::numeric, b.initial_balance)
  where b.id = a.id;
  perform private.put_twin_limits(a, p_values -> 'limits');
  -- Read now: its day may have just begun.
  update engine.account_marks m set due_at = clock_timestamp() where m.account_id = a.id;
  if p_values -> 'terms' is not null then
    update engine.paper_accounts k set version = version + 1, book = book || jsonb_build_object('terms', p_values -> 'terms')
    where k.account_id = a.id;
  end if;
  if p_values ->> 'week_start' is not null then
    -- As if it had been there when the week began: a new account is not, and knows nothing of it.
    insert into engine.account_days (account_id, trading_day, began_at, ends_at, start_balance, start_equity, source)
    select a.id, w.first, engine.day_began(b.timezone, b.reset_time, w.first), engine.day_began(b.timezone, b.reset_time, w.first + 1),
      (p_values ->> 'week_start')::numeric, (p_values ->> 'week_start')::numeric, 'confirmed'
    from public.broker_accounts b
    cross join lateral (select engine.trading_day(b.timezone, b.reset_time, now()) as today) t
    cross join lateral (select t.today - extract(dow from t.today)::integer as first) w
    where b.id = a.id
    on conflict (account_id, trading_day) do nothing;
  end if;
  if p_values ->> 'trades_today' is not null then
    perform engine.lock_users(array[a.id]);
    update engine.scope_counters c set trades = (p_values ->> 'trades_today')::integer
    from engine.account_scopes s
    where s.account_id = a.id and c.user_id = s.user_id and c.scope = s.scope and c.trading_day = s.trading_day;
  end if;
end
$$;

ALTER FUNCTION engine.arm_twin(p_run bigint, p_token bigint, p_account uuid, p_values jsonb) OWNER TO empire_engine;

--
-- Name: FUNCTION arm_twin(p_run bigint, p_token bigint, p_account uuid, p_values jsonb); Type: COMMENT; Schema: engine; Owner: empire_engine
--

COMMENT ON FUNCTION engine.arm_twin(p_run bigint, p_token bigint, p_account uuid, p_values jsonb) IS 'A synthetic account gets the limits to be drilled (rows as of risk_settings with their scope), its clocks, and the conditions of its own book.';

--
-- Name: arrival_of(engine.candidate); Type: FUNCTION; Schema: engine; Owner: empire_engine
--

CREATE FUNCTION engine.arrival_of(c engine.candidate) RETURNS engine.arrival
    LANGUAGE plpgsql STABLE
    SET search_path TO ''
    AS $$
declare
  r constant engine.alert := c.alert;
  v_now constant timestamptz := clock_timestamp();
begin
  return row(c.event_id, c.accounts, 'tradingview', r.action, r.symbol, r.side, r.tag, (c.endpoint).id,
    coalesce(r.scope, (c.endpoint).scope::text) = 'symbol',
    case when not engine.is_exit(r.action)
      then least(coalesce(r.fired_at, v_now), v_now) + make_interval(secs => (c.endpoint).max_age_s) end,
    r.dry_run, r.order_id)::engine.arrival;
end
$$;

ALTER FUNCTION engine.arrival_of(c engine.candidate) OWNER TO empire_engine;

--
-- Name: FUNCTION arrival_of(c engine.candidate); Type: COMMENT; Schema: engine; Owner: empire_engine
--

COMMENT ON FUNCTION engine.arrival_of(c engine.candidate) IS 'An alert as the queue takes it.';

--
-- Name: assumed_loss(public.broker_accounts); Type: FUNCTION; Schema: engine; Owner: empire_engine
--

CREATE FUNCTION engine.assumed_loss(a public.broker_accounts) RETURNS numeric
    LANGUAGE plpgsql STABLE
    SET search_path TO ''
    AS $$
begin
  return least(a.balance, a.equity) * coalesce((
    select l.max_risk_per_trade_pct from engine.account_limits l where l.account_id = a.id
  ), 5) / 100;
end
$$;

ALTER FUNCTION engine.assumed_loss(a public.broker_accounts) OWNER TO empire_engine;

--
-- Name: FUNCTION assumed_loss(a public.broker_accounts); Type: COMMENT; Schema: engine; Owner: empire_engine
--

COMMENT ON FUNCTION engine.assumed_loss(a public.broker_accounts) IS 'What an entry without a stop is taken to lose where nothing better is known: the ceiling of a trade.';

--
-- Name: at_path(text, text); Type: FUNCTION; Schema: engine; Owner: empire_engine
--

CREATE FUNCTION engine.at_path(p_path text, p_message text) RETURNS jsonb
    LANGUAGE sql IMMUTABLE
    SET search_path TO ''
    AS $$
  select jsonb_build_array(jsonb_build_object('path', p_path, 'message', p_message))
$$;

ALTER FUNCTION engine.at_path(p_path text, p_message text) OWNER TO empire_engine;

--
-- Name: FUNCTION at_path(p_path text, p_message text); Type: COMMENT; Schema: engine; Owner: empire_engine
--

COMMENT ON FUNCTION engine.at_path(p_path text, p_message text) IS 'The details of a refusal: one field and what is wrong with it.';

--
-- Name: begin_send(jsonb, integer); Type: FUNCTION; Schema: engine; Owner: empire_engine
--

CREATE FUNCTION engine.begin_send(p_commands jsonb, p_request_timeout_ms integer) RETURNS jsonb
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    SET plan_cache_mode TO 'force_generic_plan'
    SET enable_seqscan TO 'off'
    SET enable_hashjoin TO 'off'
    SET enable_mergejoin TO 'off'
    AS $$
declare
  r record;
  k engine.commands;
  v_answer jsonb := '[]';
begin
  perform engine.lock_accounts(array(
    select c.delivery_id from jsonb_array_elements(p_commands) x join engine.commands c on c.id = (x ->> 'id')::bigint
  ));
  for r in
    select (x ->> 'id')::bigint as id, (x ->> 'token')::bigint as token from jsonb_array_elements(p_commands) x order by 1
  loop
    select c.* into k from engine.commands c where c.id = r.id;
    v_answer := v_answer || jsonb_build_array(case
      when engine.held(jsonb_build_array(jsonb_build_object('delivery_id', k.delivery_id, 'token', r.token)), true) <> '{}'
        then engine.try_begin(k, p_request_timeout_ms)
      else jsonb_build_object('id', r.id, 'go', false, 'reason', 'lease_lost') end);
  end loop;
  return v_answer;
end
$$;

ALTER FUNCTION engine.begin_send(p_commands jsonb, p_request_timeout_ms integer) OWNER TO empire_engine;

--
-- Name: FUNCTION begin_send(p_commands jsonb, p_request_timeout_ms integer); Type: COMMENT; Schema: engine; Owner: empire_engine
--

COMMENT ON FUNCTION engine.begin_send(p_commands jsonb, p_request_timeout_ms integer) IS 'Begins the send of pending commands: later legs and resumed ones. Only a go = true may be sent.';

--
-- Name: blocks_left(engine.call_block[], text, jsonb, interval, timestamp with time zone); Type: FUNCTION; Schema: engine; Owner: empire_engine
--

CREATE FUNCTION engine.blocks_left(p_blocks engine.call_block[], p_worker text, p_used jsonb, p_window interval, p_now timestamp with time zone) RETURNS engine.call_block[]
    LANGUAGE sql IMMUTABLE
    SET search_path TO ''
    AS $$
  with said as (
    select b.id, b.worker, least(b.calls, u.calls) as calls,
      least(b.ends, p_now - u.age_ms * interval '1 millisecond') as ends
    from unnest(p_blocks) b
    left join jsonb_to_recordset(p_used) u (block bigint, calls integer, age_ms numeric)
      on u.block = b.id and b.worker = p_worker
  )
  select coalesce(array_agg(row(m.id, m.worker, m.calls, m.ends)::engine.call_block order by m.id), '{}')
  from (
    select max(s.id) as id, max(s.worker) as worker, sum(s.calls)::integer as calls, max(s.ends) as ends
    from said s
    where s.calls > 0 and s.ends > p_now - p_window
    -- Old ones of a twentieth of the window are counted together, as late as the last of them.
    group by case
      when cardinality(p_blocks) < 40 or s.ends > p_now - p_window / 20 then s.id
      else -floor(extract(epoch from s.ends) / (extract(epoch from p_window) / 20))::bigint
    end
  ) m
$$;

ALTER FUNCTION engine.blocks_left(p_blocks engine.call_block[], p_worker text, p_used jsonb, p_window interval, p_now timestamp with time zone) OWNER TO empire_engine;

--
-- Name: FUNCTION blocks_left(p_blocks engine.call_block[], p_worker text, p_used jsonb, p_window interval, p_now timestamp with time zone); Type: COMMENT; Schema: engine; Owner: empire_engine
--

COMMENT ON FUNCTION engine.blocks_left(p_blocks engine.call_block[], p_worker text, p_used jsonb, p_window interval, p_now timestamp with time zone) IS 'The blocks that still count in a window, each cut to what its worker says it has really used.';

--
-- Name: books(uuid, bigint); Type: FUNCTION; Schema: engine; Owner: empire_engine
--

CREATE FUNCTION engine.books(p_account uuid, p_token bigint) RETURNS jsonb
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path TO ''
    AS $$
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
        'reduce_only', o.reduce_only, 'origin', o.origin, 'expires_at', o.expires_at
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

ALTER FUNCTION engine.books(p_account uuid, p_token bigint) OWNER TO empire_engine;

--
-- Name: FUNCTION books(p_account uuid, p_token bigint); Type: COMMENT; Schema: engine; Owner: empire_engine
--

COMMENT ON FUNCTION engine.books(p_account uuid, p_token bigint) IS 'What we believe of an account, for its reader to compare: orders and positions that are open or ended lately, the fills we know and since when to ask for more. Null = the token is an old one.';

--
-- Name: breach(uuid, text, text, jsonb, timestamp with time zone, boolean); Type: FUNCTION; Schema: engine; Owner: empire_engine
--

CREATE FUNCTION engine.breach(p_account uuid, p_rule text, p_scope text, p_numbers jsonb, p_until timestamp with time zone, p_flatten boolean) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    SET plan_cache_mode TO 'force_generic_plan'
    SET enable_seqscan TO 'off'
    AS $$
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

ALTER FUNCTION engine.breach(p_account uuid, p_rule text, p_scope text, p_numbers jsonb, p_until timestamp with time zone, p_flatten boolean) OWNER TO empire_engine;

--
-- Name: FUNCTION breach(p_account uuid, p_rule text, p_scope text, p_numbers jsonb, p_until timestamp with time zone, p_flatten boolean); Type: COMMENT; Schema: engine; Owner: empire_engine
--

COMMENT ON FUNCTION engine.breach(p_account uuid, p_rule text, p_scope text, p_numbers jsonb, p_until timestamp with time zone, p_flatten boolean) IS 'A limit of an account is touched: locked (p_until null = until lifted), halted, flattened, told. Returns the flatten''s event (0 = none was asked for), null where the account is locked for that rule already.';

--
-- Name: bury(bigint, text, jsonb); Type: FUNCTION; Schema: engine; Owner: empire_engine
--

CREATE FUNCTION engine.bury(p_delivery bigint, p_error text, p_trace jsonb) RETURNS bigint[]
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
declare
  v_events bigint [];
begin
  insert into engine.dead_letters (delivery_id, error) values (p_delivery, left(p_error, 4000));
  perform engine.cancel_unsent(array[p_delivery], false, 'internal_error');
  -- What was being sent is not lost with the bug: it is unknown, and the settler asks.
  v_events := engine.finish(jsonb_build_array(jsonb_build_object('delivery_id', p_delivery, 'trace', p_trace, 'finish',
    '{"outcome": "invalid", "reason": "internal_error"}'::jsonb)));
  update public.deliveries set status = 'dead' where id = p_delivery and status = 'done';
  return v_events;
end
$$;

ALTER FUNCTION engine.bury(p_delivery bigint, p_error text, p_trace jsonb) OWNER TO empire_engine;

--
-- Name: FUNCTION bury(p_delivery bigint, p_error text, p_trace jsonb); Type: COMMENT; Schema: engine; Owner: empire_engine
--

COMMENT ON FUNCTION engine.bury(p_delivery bigint, p_error text, p_trace jsonb) IS 'Ends a delivery dead with the error kept; returns events to be closed. The caller holds the account.';

--
-- Name: busy_accounts(); Type: FUNCTION; Schema: engine; Owner: empire_engine
--

CREATE FUNCTION engine.busy_accounts() RETURNS uuid[]
    LANGUAGE plpgsql STABLE
    SET search_path TO ''
    AS $$
begin
  return array(
    select p.account_id from public.positions p where p.closed_at is null
    union
    select o.account_id from public.orders o
    where o.status in ('pending', 'submitting', 'working', 'partially_filled', 'unknown')
  );
end
$$;

ALTER FUNCTION engine.busy_accounts() OWNER TO empire_engine;

--
-- Name: FUNCTION busy_accounts(); Type: COMMENT; Schema: engine; Owner: empire_engine
--

COMMENT ON FUNCTION engine.busy_accounts() IS 'Accounts on which something is open or on its way: these are read every second.';

--
-- Name: cancel_unsent(bigint[], boolean, public.reason); Type: FUNCTION; Schema: engine; Owner: empire_engine
--

CREATE FUNCTION engine.cancel_unsent(p_deliveries bigint[], p_entries_only boolean, p_reason public.reason) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
begin
  update public.orders set status = 'canceled', reason = p_reason
  where status = 'pending' and id in (
    select c.order_id from engine.commands c
    where c.delivery_id = any (p_deliveries) and c.state = 'pending' and c.kind in ('place', 'close')
      and (c.is_entry or not p_entries_only)
  );
  update engine.commands set state = 'canceled', reason = p_reason, answered_at = clock_timestamp()
  where delivery_id = any (p_deliveries) and state = 'pending' and (is_entry or not p_entries_only);
end
$$;

ALTER FUNCTION engine.cancel_unsent(p_deliveries bigint[], p_entries_only boolean, p_reason public.reason) OWNER TO empire_engine;

--
-- Name: FUNCTION cancel_unsent(p_deliveries bigint[], p_entries_only boolean, p_reason public.reason); Type: COMMENT; Schema: engine; Owner: empire_engine
--

COMMENT ON FUNCTION engine.cancel_unsent(p_deliveries bigint[], p_entries_only boolean, p_reason public.reason) IS 'Commands written ahead and never begun will not be sent. The caller holds the accounts.';

--
-- Name: cancel_waiting_legs(bigint); Type: FUNCTION; Schema: engine; Owner: empire_engine
--

CREATE FUNCTION engine.cancel_waiting_legs(p_command bigint) RETURNS void
    LANGUAGE sql
    SET search_path TO ''
    AS $$
  select engine.apply_results(jsonb_agg(jsonb_build_object('id', w.id, 'outcome', 'canceled', 'reason', 'leg_not_filled')))
  from engine.commands k join engine.commands w on w.delivery_id = k.delivery_id and w.leg > k.leg
  where k.id = p_command and k.kind in ('place', 'close') and k.state in ('rejected', 'canceled', 'expired')
    and w.after_fill and w.state = 'pending'
  having count(*) > 0
$$;

ALTER FUNCTION engine.cancel_waiting_legs(p_command bigint) OWNER TO empire_engine;

--
-- Name: FUNCTION cancel_waiting_legs(p_command bigint); Type: COMMENT; Schema: engine; Owner: empire_engine
--

COMMENT ON FUNCTION engine.cancel_waiting_legs(p_command bigint) IS 'Ends the legs behind an order that will not fill.';

--
-- Name: change_orders(jsonb); Type: FUNCTION; Schema: engine; Owner: empire_engine
--

CREATE FUNCTION engine.change_orders(p_results jsonb) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
begin
  update public.orders o
  set qty = coalesce((k.request ->> 'qty')::numeric, o.qty), price = coalesce((k.request ->> 'price')::numeric, o.price),
    stop_price = coalesce((k.request ->> 'stop_price')::numeric, o.stop_price),
    venue_order_id = coalesce(r ->> 'venue_order_id', o.venue_order_id)
  from jsonb_array_elements(p_results) r join engine.commands k on k.id = (r ->> 'id')::bigint
  where o.id = k.order_id and k.kind = 'modify' and r ->> 'outcome' = 'accepted';
end
$$;

ALTER FUNCTION engine.change_orders(p_results jsonb) OWNER TO empire_engine;

--
-- Name: FUNCTION change_orders(p_results jsonb); Type: COMMENT; Schema: engine; Owner: empire_engine
--

COMMENT ON FUNCTION engine.change_orders(p_results jsonb) IS 'An accepted modify has made the order what was asked for.';

--
-- Name: change_positions(bigint[]); Type: FUNCTION; Schema: engine; Owner: empire_engine
--

CREATE FUNCTION engine.change_positions(p_fills bigint[]) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
begin
  update public.positions t
  set symbol = n.symbol, root = n.root, side = n.side, qty = n.qty, entry_price = n.entry_price, stop_loss = n.stop_loss,
    take_profit = n.take_profit, endpoint_id = n.endpoint_id, tag = n.tag, opened_at = n.opened_at,
    closed_at = n.closed_at, as_of = clock_timestamp()
  from public.fills f
  join public.broker_accounts a on a.id = f.account_id
  left join public.orders o on o.id = f.order_id
  join public.positions p on p.account_id = f.account_id and p.venue_position_id = f.position_id
  cross join lateral engine.next_position(p, f, o, a) n
  where f.id = any (p_fills) and t.id = p.id;
end
$$;

ALTER FUNCTION engine.change_positions(p_fills bigint[]) OWNER TO empire_engine;

--
-- Name: FUNCTION change_positions(p_fills bigint[]); Type: COMMENT; Schema: engine; Owner: empire_engine
--

COMMENT ON FUNCTION engine.change_positions(p_fills bigint[]) IS 'Adds fills, one a position, to positions that have a row.';

--
-- Name: claim(text, text, text, integer, integer); Type: FUNCTION; Schema: engine; Owner: empire_engine
--

CREATE FUNCTION engine.claim(p_worker text, p_executor text, p_lane text, p_limit integer, p_lease_ms integer) RETURNS SETOF jsonb
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    SET plan_cache_mode TO 'force_generic_plan'
    SET enable_seqscan TO 'off'
    AS $$
declare
  v_token constant bigint := engine.new_token();
  v_ids bigint [];
begin
  -- Losing a claim in a crash of the database is harmless: the row is ready again and nothing was written under it.
  perform set_config('synchronous_commit', 'off', true);
  v_ids := engine.take_heads(p_worker, p_executor::public.executor, p_lane::public.lane, p_limit,
    make_interval(secs => p_lease_ms / 1000.0), v_token);
  if v_ids is not null then
    return query select engine.contexts(v_ids, v_token);
  end if;
end
$$;

ALTER FUNCTION engine.claim(p_worker text, p_executor text, p_lane text, p_limit integer, p_lease_ms integer) OWNER TO empire_engine;

--
-- Name: FUNCTION claim(p_worker text, p_executor text, p_lane text, p_limit integer, p_lease_ms integer); Type: COMMENT; Schema: engine; Owner: empire_engine
--

COMMENT ON FUNCTION engine.claim(p_worker text, p_executor text, p_lane text, p_limit integer, p_lease_ms integer) IS 'Takes up to n heads of a lane for a worker, with one fencing token and a lease, and returns each with its context.';

--
-- Name: claim_connections(text, integer, integer); Type: FUNCTION; Schema: engine; Owner: empire_engine
--

CREATE FUNCTION engine.claim_connections(p_worker text, p_limit integer, p_lease_ms integer) RETURNS SETOF jsonb
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
declare
  v_token constant bigint := engine.new_token();
begin
  return query
    with due as (
      select k.connection_id from engine.connection_checks k
      where k.run_at <= clock_timestamp() and (k.lease_until is null or k.lease_until < clock_timestamp())
      order by k.run_at limit p_limit for update skip locked
    ), taken as (
      update engine.connection_checks k
      set token = v_token, worker = p_worker, attempts = k.attempts + 1,
        lease_until = clock_timestamp() + make_interval(secs => p_lease_ms / 1000.0)
      from due where k.connection_id = due.connection_id
      returning k.connection_id, k.attempts
    )
    select jsonb_build_object(
      'token', v_token, 'attempts', t.attempts, 'id', c.id, 'user_id', c.user_id, 'broker', c.broker,
      'environment', c.environment, 'server', c.server, 'base_url', c.base_url, 'login', c.login_label,
      'executor', c.executor, 'seal_version', c.seal_version
    )
    from taken t join public.broker_connections c on c.id = t.connection_id;
end
$$;

ALTER FUNCTION engine.claim_connections(p_worker text, p_limit integer, p_lease_ms integer) OWNER TO empire_engine;

--
-- Name: FUNCTION claim_connections(p_worker text, p_limit integer, p_lease_ms integer); Type: COMMENT; Schema: engine; Owner: empire_engine
--

COMMENT ON FUNCTION engine.claim_connections(p_worker text, p_limit integer, p_lease_ms integer) IS 'Logins that are due to be checked, each for one worker at a time.';

--
-- Name: claim_drill(text, integer); Type: FUNCTION; Schema: engine; Owner: empire_engine
--

CREATE FUNCTION engine.claim_drill(p_worker text, p_lease_ms integer) RETURNS jsonb
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
declare
  c_tries constant integer := 3;
  v_token constant bigint := engine.new_token();
  r public.drill_runs;
begin
  update public.drill_runs d set status = 'failed', error = 'It was begun three times and never ended.', finished_at = clock_timestamp()
  where d.status = 'running' and d.lease_until < clock_timestamp() and d.attempts >= c_tries;
  select d.* into r from public.drill_runs d
  where d.status = 'waiting' or (d.status = 'running' and d.lease_until < clock_timestamp())
  order by d.id limit 1 for update skip locked;
  if not found then
    return null;
  end if;
  update public.drill_runs d
  set status = 'running', token = v_token, attempts = attempts + 1,
    lease_until = clock_timestamp() + make_interval(secs => p_lease_ms / 1000.0)
  where d.id = r.id;
  perform engine.rest_twins(r.id);
  return (
    select jsonb_build_object(
      'id', r.id, 'token', v_token, 'broker', a.broker, 'environment', c.environment, 'server', c.server,
      'margin_mode', a.margin_mode, 'initial_balance', coalesce(a.initial_balance, a.equity, a.balance),
      'limits', (
        select coalesce(jsonb_agg(jsonb_build_object('scope', s.scope, 'rule', s.rule, 'settings', s.settings) order by s.rule, s.scope), '[]')
        from public.drill_status s where s.account_id = a.id and (r.rule is null or s.rule = r.rule)
      )
    )
    from public.broker_accounts a join public.broker_connections c on c.id = a.connection_id where a.id = r.account_id
  );
end
$$;

ALTER FUNCTION engine.claim_drill(p_worker text, p_lease_ms integer) OWNER TO empire_engine;

--
-- Name: FUNCTION claim_drill(p_worker text, p_lease_ms integer); Type: COMMENT; Schema: engine; Owner: empire_engine
--

COMMENT ON FUNCTION engine.claim_drill(p_worker text, p_lease_ms integer) IS 'The next drill that was asked for, leased to one worker: the account''s broker and its limits in force. Null = there is none.';

--
-- Name: claim_notifications(text, integer, integer, integer, integer); Type: FUNCTION; Schema: engine; Owner: empire_engine
--

CREATE FUNCTION engine.claim_notifications(p_worker text, p_limit integer, p_batch integer, p_lease_ms integer, p_per_minute integer) RETURNS SETOF jsonb
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
declare
  v_token constant bigint := engine.new_token();
begin
  with due as (
    select h.target_id
    from (
      select t.target_id, bool_or(t.event_class = 'test' or engine.is_urgent(t.event_class)) as at_once
      from public.notifications t where t.status = 'waiting' and t.due_at <= clock_timestamp() group by t.target_id
    ) w
    join engine.notification_doors h on h.target_id = w.target_id
    where (h.lease_until is null or h.lease_until < clock_timestamp())
      and (h.rest_until is null or h.rest_until <= clock_timestamp())
      and (w.at_once or engine.sent_lately(h.target_id) < p_per_minute)
    order by h.target_id limit p_limit for update of h skip locked
  )
  update engine.notification_doors h
  set token = v_token, worker = p_worker, lease_until = clock_timestamp() + make_interval(secs => p_lease_ms / 1000.0)
  from due where h.target_id = due.target_id;
  return query
    select jsonb_build_object(
      'target_id', n.id, 'user_id', n.user_id, 'kind', n.kind, 'name', n.name, 'key_id', h.key_id,
      'sealed', encode(h.sealed, 'hex'), 'token', h.token, 'failures', h.failures,
      'code', case when n.verified_at is null then (
        select c.code from engine.notification_codes c where c.target_id = n.id and c.expires_at > clock_timestamp()
      ) end,
      'lately', engine.sent_lately(n.id), 'messages', engine.notification_batch(n.id, p_batch)
    )
    from engine.notification_doors h join public.notification_targets n on n.id = h.target_id
    where h.token = v_token order by n.id;
end
$$;

ALTER FUNCTION engine.claim_notifications(p_worker text, p_limit integer, p_batch integer, p_lease_ms integer, p_per_minute integer) OWNER TO empire_engine;

--
-- Name: FUNCTION claim_notifications(p_worker text, p_limit integer, p_batch integer, p_lease_ms integer, p_per_minute integer); Type: COMMENT; Schema: engine; Owner: empire_engine
--

COMMENT ON FUNCTION engine.claim_notifications(p_worker text, p_limit integer, p_batch integer, p_lease_ms integer, p_per_minute integer) IS 'Targets with messages that are due, each with its sealed address for one relay at a time, and how many messages it got in the last minute.';

--
-- Name: claim_outbox(text, integer, integer); Type: FUNCTION; Schema: engine; Owner: empire_engine
--

CREATE FUNCTION engine.claim_outbox(p_worker text, p_limit integer, p_lease_ms integer) RETURNS SETOF jsonb
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    SET plan_cache_mode TO 'force_generic_plan'
    SET enable_seqscan TO 'off'
    SET enable_hashjoin TO 'off'
    SET enable_mergejoin TO 'off'
    AS $$
declare
  v_token constant bigint := engine.new_token();
  v_held bigint [];
  v_busy uuid [];
  v_ids bigint [];
  v_accounts uuid [];
begin
  -- Asked four times a second: mostly there is nothing, and nothing is written.
  if (select true from engine.outbox o limit 1) is null then
    return;
  end if;
  -- Two at the same moment could take an account's rows out of order: one after the other, each sees the other's claim.
  if not pg_try_advisory_xact_lock(hashtextextended('engine.claim_outbox', 0)) then
    return;
  end if;
  perform set_config('synchronous_commit', 'off', true);
  delete from engine.outbox_claims c where c.lease_until < clock_timestamp();
  v_held := array(select unnest(c.ids) from engine.outbox_claims c);
  v_busy := array(select unnest(c.accounts) from engine.outbox_claims c);
  select array_agg(x.id), coalesce(array_agg(distinct x.account_id) filter (where x.account_id is not null), '{}')
  into v_ids, v_accounts from (
    select o.id, o.account_id from engine.outbox o
    where o.id <> all (v_held) and (o.account_id <> all (v_busy)) is not false
    order by o.id limit p_limit
  ) x;
  if v_ids is not null then
    insert into engine.outbox_claims (token, worker, lease_until, ids, accounts)
    values (v_token, p_worker, clock_timestamp() + make_interval(secs => p_lease_ms / 1000.0), v_ids, v_accounts);
    return query select engine.outbox_rows(v_ids, v_token);
  end if;
end
$$;

ALTER FUNCTION engine.claim_outbox(p_worker text, p_limit integer, p_lease_ms integer) OWNER TO empire_engine;

--
-- Name: FUNCTION claim_outbox(p_worker text, p_limit integer, p_lease_ms integer); Type: COMMENT; Schema: engine; Owner: empire_engine
--

COMMENT ON FUNCTION engine.claim_outbox(p_worker text, p_limit integer, p_lease_ms integer) IS 'The oldest rows for the outside, for one relay at a time; of an account a batch is under way it hands out nothing.';

--
-- Name: claim_unsettled(text, text, integer, integer); Type: FUNCTION; Schema: engine; Owner: empire_engine
--

CREATE FUNCTION engine.claim_unsettled(p_worker text, p_executor text, p_limit integer, p_lease_ms integer) RETURNS SETOF jsonb
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    SET plan_cache_mode TO 'force_generic_plan'
    SET enable_seqscan TO 'off'
    AS $$
declare
  v_checker constant bigint := engine.new_token();
begin
  perform set_config('synchronous_commit', 'off', true);
  return query
    with due as (
      select c.id from engine.commands c
      join public.broker_accounts b on b.id = c.account_id join public.broker_connections n on n.id = b.connection_id
      where c.state = 'unknown' and c.check_at <= clock_timestamp() and coalesce(b.executor, n.executor) = p_executor::public.executor
      order by c.id limit p_limit for update of c skip locked
    ), taken as (
      update engine.commands c
      set checker = v_checker, lookups = lookups + 1,
        check_at = clock_timestamp() + make_interval(secs => p_lease_ms / 1000.0)
      from due where c.id = due.id
      returning c as k
    )
    select jsonb_build_object(
      'command', jsonb_build_object(
        'id', (t.k).id, 'delivery_id', (t.k).delivery_id, 'leg', (t.k).leg, 'kind', (t.k).kind,
        'order_id', (t.k).order_id, 'client_order_id', (t.k).client_order_id, 'request', (t.k).request,
        'submitted_at', (t.k).submitted_at, 'send_deadline', (t.k).send_deadline, 'lookups', (t.k).lookups,
        'may_resend', engine.may_resend(t.k, d, a) = 'yes', 'taken', engine.taken_orders(t.k)
      ),
      'checker', v_checker, 'account', engine.account_json(a, n),
      'delivery', jsonb_build_object(
        'id', d.id, 'event_id', d.event_id, 'action', d.action, 'symbol', d.symbol, 'attempts', d.attempts
      )
    )
    from taken t
    join public.deliveries d on d.id = (t.k).delivery_id
    join public.broker_accounts a on a.id = (t.k).account_id
    join public.broker_connections n on n.id = a.connection_id
    order by (t.k).id;
end
$$;

ALTER FUNCTION engine.claim_unsettled(p_worker text, p_executor text, p_limit integer, p_lease_ms integer) OWNER TO empire_engine;

--
-- Name: FUNCTION claim_unsettled(p_worker text, p_executor text, p_limit integer, p_lease_ms integer); Type: COMMENT; Schema: engine; Owner: empire_engine
--

COMMENT ON FUNCTION engine.claim_unsettled(p_worker text, p_executor text, p_limit integer, p_lease_ms integer) IS 'Unknown commands that are due to be asked about, each for one worker at a time.';

--
-- Name: client_order_id(bigint, integer); Type: FUNCTION; Schema: engine; Owner: empire_engine
--

CREATE FUNCTION engine.client_order_id(p_delivery bigint, p_leg integer) RETURNS text
    LANGUAGE sql STABLE
    SET search_path TO ''
    AS $$
  select 'E' || (select i.code from engine.installation i) || '_' || to_hex(p_delivery) || '_' || to_hex(p_leg)
$$;

ALTER FUNCTION engine.client_order_id(p_delivery bigint, p_leg integer) OWNER TO empire_engine;

--
-- Name: FUNCTION client_order_id(p_delivery bigint, p_leg integer); Type: COMMENT; Schema: engine; Owner: empire_engine
--

COMMENT ON FUNCTION engine.client_order_id(p_delivery bigint, p_leg integer) IS 'The name of a leg at the broker: at most 26 characters, which is the tightest broker, and the same whenever asked.';

--
-- Name: account_marks; Type: TABLE; Schema: engine; Owner: postgres
--

CREATE TABLE engine.account_marks (
    account_id uuid NOT NULL,
    token bigint,
    worker text,
    lease_until timestamp with time zone,
    due_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    read_at timestamp with time zone,
    failures integer DEFAULT 0 NOT NULL,
    at timestamp with time zone,
    balance numeric,
    equity numeric,
    margin_used numeric,
    is_flat boolean,
    base_at timestamp with time zone,
    base_balance numeric,
    base_fill bigint DEFAULT 0 NOT NULL,
    base_positions text,
    stored_at timestamp with time zone,
    high_close numeric,
    peak_equity numeric
)
WITH (fillfactor='50');

ALTER TABLE engine.account_marks OWNER TO postgres;

--
-- Name: TABLE account_marks; Type: COMMENT; Schema: engine; Owner: postgres
--

COMMENT ON TABLE engine.account_marks IS 'What an account was worth when it was last read, and who reads it next. Like its days it outlives the account.';

--
-- Name: COLUMN account_marks.token; Type: COMMENT; Schema: engine; Owner: postgres
--

COMMENT ON COLUMN engine.account_marks.token IS 'The fence of the reader: what an older lease has read is not written.';

--
-- Name: COLUMN account_marks.is_flat; Type: COMMENT; Schema: engine; Owner: postgres
--

COMMENT ON COLUMN engine.account_marks.is_flat IS 'Whether nothing was open at the mark; null = the mark did not say.';

--
-- Name: COLUMN account_marks.base_at; Type: COMMENT; Schema: engine; Owner: postgres
--

COMMENT ON COLUMN engine.account_marks.base_at IS 'The mark up to which the balance is explained by fills and flows; base_fill = the last fill in it.';

--
-- Name: COLUMN account_marks.base_positions; Type: COMMENT; Schema: engine; Owner: postgres
--

COMMENT ON COLUMN engine.account_marks.base_positions IS 'What was open at the base, to see whether a trade lies in between.';

--
-- Name: COLUMN account_marks.stored_at; Type: COMMENT; Schema: engine; Owner: postgres
--

COMMENT ON COLUMN engine.account_marks.stored_at IS 'When equity_history last got a row.';

--
-- Name: COLUMN account_marks.high_close; Type: COMMENT; Schema: engine; Owner: postgres
--

COMMENT ON COLUMN engine.account_marks.high_close IS 'The highest balance at the close of a day, since the account is watched.';

--
-- Name: close_days(public.broker_accounts, engine.account_marks, date, engine.day_start); Type: FUNCTION; Schema: engine; Owner: empire_engine
--

CREATE FUNCTION engine.close_days(a public.broker_accounts, k engine.account_marks, p_day date, s engine.day_start) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
declare
  c_began constant timestamptz := engine.day_began(a.timezone, a.reset_time, p_day);
  d engine.account_days;
  v_close numeric;
begin
  select x.* into d from engine.account_days x
  where x.account_id = a.id and x.trading_day < p_day and x.began_at is not null order by x.trading_day desc limit 1;
  if found and d.close_balance is null then
    v_close := case when d.ends_at = c_began and s.balance is not null then s.balance
      else k.balance + engine.net_between(a.id, k.at, d.ends_at) end;
    update engine.account_days
    set close_balance = v_close, close_equity = case when d.ends_at = c_began then coalesce(s.equity, k.equity) else k.equity end,
      net = v_close - d.start_balance - d.flows
    where account_id = a.id and trading_day = d.trading_day;
    update engine.account_marks set high_close = greatest(high_close, v_close) where account_id = a.id;
  end if;
  -- Days that nobody watched have their fills.
  insert into engine.account_days as t (account_id, trading_day, net)
  select a.id, x.day, sum(x.net) from (
    select engine.trading_day(a.timezone, a.reset_time, f.filled_at) as day, engine.net_of(f) as net from public.fills f
    where f.account_id = a.id and f.filled_at >= d.ends_at and f.filled_at < c_began
  ) x where x.day < p_day group by x.day
  on conflict (account_id, trading_day) do update set net = excluded.net where t.began_at is null;
end
$$;

ALTER FUNCTION engine.close_days(a public.broker_accounts, k engine.account_marks, p_day date, s engine.day_start) OWNER TO empire_engine;

--
-- Name: FUNCTION close_days(a public.broker_accounts, k engine.account_marks, p_day date, s engine.day_start); Type: COMMENT; Schema: engine; Owner: empire_engine
--

COMMENT ON FUNCTION engine.close_days(a public.broker_accounts, k engine.account_marks, p_day date, s engine.day_start) IS 'Closes the days before this one: the last that was open by what the account was worth at its end, the others by fills.';

--
-- Name: close_events(bigint[]); Type: FUNCTION; Schema: engine; Owner: empire_engine
--

CREATE FUNCTION engine.close_events(p_events bigint[]) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
begin
  if cardinality(p_events) > 1 then
    -- Events are shared by accounts, so they are locked last, once a transaction and in one order.
    perform from public.webhook_events e where e.id = any (p_events) order by e.id for no key update;
  end if;
  update public.webhook_events e
  set open_deliveries = e.open_deliveries - c.n, processed = (e.open_deliveries <= c.n)
  from (
    select x.id, count(*)::integer as n from unnest(p_events) as x (id) where x.id is not null group by x.id
  ) c
  where e.id = c.id;
end
$$;

ALTER FUNCTION engine.close_events(p_events bigint[]) OWNER TO empire_engine;

--
-- Name: FUNCTION close_events(p_events bigint[]); Type: COMMENT; Schema: engine; Owner: empire_engine
--

COMMENT ON FUNCTION engine.close_events(p_events bigint[]) IS 'Deliveries of these events have ended (one entry each); an event with none left open is processed. Last in a transaction.';

--
-- Name: deliveries; Type: TABLE; Schema: public; Owner: postgres
--

CREATE TABLE public.deliveries (
    id bigint NOT NULL,
    event_id bigint NOT NULL,
    user_id uuid NOT NULL,
    account_id uuid NOT NULL,
    lane public.lane DEFAULT 'normal'::public.lane NOT NULL,
    action public.action NOT NULL,
    symbol text,
    side public.side,
    tag text,
    status public.delivery_status DEFAULT 'queued'::public.delivery_status NOT NULL,
    outcome public.delivery_outcome,
    reason public.reason,
    numbers jsonb,
    halt_epoch bigint NOT NULL,
    dry_run boolean DEFAULT false NOT NULL,
    expires_at timestamp with time zone,
    attempts integer DEFAULT 0 NOT NULL,
    trace jsonb DEFAULT '[]'::jsonb NOT NULL,
    timings jsonb DEFAULT '{}'::jsonb NOT NULL,
    created_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    finished_at timestamp with time zone,
    version integer DEFAULT 1 NOT NULL,
    CONSTRAINT done_has_an_outcome CHECK (((status <> 'done'::public.delivery_status) OR (outcome IS NOT NULL)))
)
WITH (fillfactor='20');

ALTER TABLE public.deliveries OWNER TO postgres;

--
-- Name: TABLE deliveries; Type: COMMENT; Schema: public; Owner: postgres
--

COMMENT ON TABLE public.deliveries IS 'One alert for one account: its outcome, and the trace of every decision.';

--
-- Name: commands_json(public.deliveries); Type: FUNCTION; Schema: engine; Owner: empire_engine
--

CREATE FUNCTION engine.commands_json(d public.deliveries) RETURNS jsonb
    LANGUAGE plpgsql STABLE
    SET search_path TO ''
    AS $$
begin
  return (
    select coalesce(jsonb_agg(jsonb_build_object(
      'id', k.id, 'leg', k.leg, 'kind', k.kind, 'order_id', k.order_id, 'client_order_id', k.client_order_id,
      'state', k.state, 'request', k.request, 'after_fill', k.after_fill, 'submitted_at', k.submitted_at,
      'order_status', o.status, 'order_filled_qty', o.filled_qty, 'order_qty', o.qty,
      'order_avg_price', o.avg_price, 'order_venue_id', o.venue_order_id, 'order_position_id', o.position_id
    ) order by k.leg), '[]')
    from engine.commands k left join public.orders o on o.id = k.order_id and k.kind in ('place', 'close')
    -- A flatten may have had hundreds of rounds: of those only how far they counted.
    where k.delivery_id = d.id and (
      d.action <> 'flatten' or k.state in ('pending', 'submitting', 'unknown')
      or k.leg = (select max(m.leg) from engine.commands m where m.delivery_id = d.id)
    )
  );
end
$$;

ALTER FUNCTION engine.commands_json(d public.deliveries) OWNER TO empire_engine;

--
-- Name: FUNCTION commands_json(d public.deliveries); Type: COMMENT; Schema: engine; Owner: empire_engine
--

COMMENT ON FUNCTION engine.commands_json(d public.deliveries) IS 'What was written ahead for a delivery by an earlier holder.';

--
-- Name: complain(public.notification_targets, integer, text); Type: FUNCTION; Schema: engine; Owner: empire_engine
--

CREATE FUNCTION engine.complain(n public.notification_targets, p_n integer, p_error text) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
begin
  -- One line an hour: a target that is gone must not fill the log.
  update engine.notification_doors set complained_at = clock_timestamp()
  where target_id = n.id and (complained_at is null or complained_at < clock_timestamp() - interval '1 hour');
  if found then
    perform engine.note(n.user_id, 'error', 'notification_dead', format(
      '%s message%s could not be delivered to %s (%s) and will not be tried again: %s', p_n, case p_n when 1 then '' else 's' end,
      n.name, n.kind, p_error), jsonb_build_object('target_id', n.id));
  end if;
end
$$;

ALTER FUNCTION engine.complain(n public.notification_targets, p_n integer, p_error text) OWNER TO empire_engine;

--
-- Name: FUNCTION complain(n public.notification_targets, p_n integer, p_error text); Type: COMMENT; Schema: engine; Owner: empire_engine
--

COMMENT ON FUNCTION engine.complain(n public.notification_targets, p_n integer, p_error text) IS 'Says in the trader''s log that messages were given up; once an hour and target.';

--
-- Name: conclude(bigint); Type: FUNCTION; Schema: engine; Owner: empire_engine
--

CREATE FUNCTION engine.conclude(p_delivery bigint) RETURNS bigint[]
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
declare
  c record;
begin
  select count(*) filter (where k.state in ('unknown', 'submitting')) as unknown,
    count(*) filter (where k.state = 'pending') as pending, count(*) filter (where k.state = 'accepted') as accepted,
    -- An adjustment that failed leaves what its entry was sent with.
    (array_agg(k.reason order by k.leg) filter (where k.state = 'rejected' and not a.adjusts))[1] as rejected,
    (array_agg(k.reason order by k.leg) filter (where k.state in ('expired', 'canceled') and not a.adjusts))[1] as expired
  into c from engine.commands k
  cross join lateral (select coalesce((k.request ->> 'adjusts')::boolean, false) as adjusts) a
  where k.delivery_id = p_delivery;
  if c.unknown > 0 or not exists (select 1 from engine.queue q where q.id = p_delivery and q.state = 'unsettled') then
    return '{}';
  elsif c.pending > 0 or engine.is_unanchored(p_delivery)
    or exists (select 1 from public.deliveries d where d.id = p_delivery and d.action = 'flatten') then
    -- It stands in its lane again, in front of what arrived later and is not claimed yet. A flatten looks again at
    -- what the account holds now: flat is never concluded from answers.
    update engine.queue q set state = 'waiting', held_since = null
    from engine.queue mine
    where mine.id = p_delivery and q.account_id = mine.account_id and q.lane = mine.lane and q.id >= mine.id
      and q.state in ('ready', 'unsettled') and (q.id = mine.id or q.state = 'ready');
    update public.deliveries set outcome = null, status = 'queued' where id = p_delivery;
    perform engine.promote(array(select d.account_id from public.deliveries d where d.id = p_delivery));
    return '{}';
  end if;
  return engine.finish(jsonb_build_array(jsonb_build_object('delivery_id', p_delivery, 'finish', case
    when c.rejected is not null then jsonb_build_object('outcome', 'rejected', 'reason', c.rejected)
    when c.expired is not null then jsonb_build_object('outcome', 'denied', 'reason', c.expired)
    when c.accepted > 0 then '{"outcome": "executed"}'
    else '{"outcome": "denied", "reason": "never_arrived"}'
  end)));
end
$$;

ALTER FUNCTION engine.conclude(p_delivery bigint) OWNER TO empire_engine;

--
-- Name: FUNCTION conclude(p_delivery bigint); Type: COMMENT; Schema: engine; Owner: empire_engine
--

COMMENT ON FUNCTION engine.conclude(p_delivery bigint) IS 'After a lookup: when nothing of the delivery is unknown any more it goes on with its next leg, or ends. Returns events to be closed. A flatten always goes on.';

--
-- Name: confirm_start(public.broker_accounts, numeric, numeric); Type: FUNCTION; Schema: engine; Owner: empire_engine
--

CREATE FUNCTION engine.confirm_start(a public.broker_accounts, p_amount numeric, p_week numeric) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
declare
  c_day constant date := engine.trading_day(a.timezone, a.reset_time, clock_timestamp());
  c_week constant date := c_day - extract(dow from c_day)::integer;
begin
  perform engine.put_day(a, c_day, row(p_amount, p_amount, 'confirmed', false)::engine.day_start, a.equity);
  if p_week is not null and c_week < c_day then
    perform engine.put_day(a, c_week, row(p_week, p_week, 'confirmed', false)::engine.day_start, null);
  end if;
end
$$;

ALTER FUNCTION engine.confirm_start(a public.broker_accounts, p_amount numeric, p_week numeric) OWNER TO empire_engine;

--
-- Name: FUNCTION confirm_start(a public.broker_accounts, p_amount numeric, p_week numeric); Type: COMMENT; Schema: engine; Owner: empire_engine
--

COMMENT ON FUNCTION engine.confirm_start(a public.broker_accounts, p_amount numeric, p_week numeric) IS 'The trader''s figures for the start of the day, and of the week.';

--
-- Name: contexts(bigint[], bigint); Type: FUNCTION; Schema: engine; Owner: empire_engine
--

CREATE FUNCTION engine.contexts(p_deliveries bigint[], p_token bigint) RETURNS SETOF jsonb
    LANGUAGE plpgsql STABLE
    SET search_path TO ''
    AS $$
begin
  return query
    select jsonb_build_object(
      'token', p_token, 'now', clock_timestamp(),
      'queued_ms', round(extract(epoch from clock_timestamp() - d.created_at) * 1000, 3),
      'delivery', jsonb_build_object(
        'id', d.id, 'event_id', d.event_id, 'user_id', d.user_id, 'account_id', d.account_id, 'lane', d.lane,
        'action', d.action, 'symbol', d.symbol, 'tag', d.tag, 'attempts', d.attempts, 'expires_at', d.expires_at,
        'halt_epoch', d.halt_epoch, 'dry_run', d.dry_run, 'created_at', d.created_at
      ),
      'event', jsonb_build_object(
        'id', e.id, 'source', e.source, 'body', e.body, 'fired_at', e.fired_at, 'received_at', e.received_at,
        'endpoint_id', e.endpoint_id
      ),
      'endpoint', case when w.id is not null then jsonb_build_object(
        'id', w.id, 'on_same', w.on_same, 'on_opposite', w.on_opposite, 'scope', w.scope,
        'multiplier', coalesce(t.multiplier, 1), 'max_qty', w.max_qty, 'allowed_symbols', w.allowed_symbols,
        'qty_mode', w.qty_mode, 'qty', w.qty
      ) end,
      'account', engine.account_json(a, c), 'trading_halted', u.trading_halted or a.halted_by <> '{}',
      -- `limit 1`, not `exists`: the planner may answer an `exists` by hashing the whole table.
      'word', case when (select true from public.symbol_map m where m.user_id = d.user_id limit 1)
        then engine.word_for(d) end,
      'tag_held', case when d.tag is not null and a.margin_mode = 'netting' then engine.held_by_tag(d) end,
      'limits', case when s.has_limits then engine.limits_json(a.id) end,
      'counters', case when s.has_limits then engine.counters_json(a, d.id) end,
      'risk', case when s.has_limits then engine.risk_json(a, d.id) end,
      'stakes', case when s.has_limits then engine.stakes_json(a) end,
      'defaults', case when (select true from public.trading_config g where g.user_id = d.user_id limit 1)
        then engine.defaults_json(a.id) end,
      'positions', (
        select coalesce(jsonb_agg(to_jsonb(p) order by p.id), '[]') from public.positions p
        where p.account_id = a.id and p.closed_at is null
      ),
      'orders', case when (
        select true from public.orders o
        where o.account_id = a.id and o.status in ('pending', 'submitting', 'working', 'partially_filled', 'unknown')
        limit 1
      ) then engine.working_orders(a.id) else '[]' end,
      'unresolved', case when (
        select true from engine.commands k
        where k.account_id = a.id and k.state in ('pending', 'submitting', 'unknown') limit 1
      ) then engine.unresolved_roots(d) else '[]' end,
      'commands', case when (select true from engine.commands k where k.delivery_id = d.id limit 1)
        then engine.commands_json(d) else '[]' end
    )
    from public.deliveries d
    join public.webhook_events e on e.id = d.event_id
    join public.broker_accounts a on a.id = d.account_id
    join public.broker_connections c on c.id = a.connection_id
    join public.profiles u on u.id = d.user_id
    left join public.webhook_endpoints w on w.id = e.endpoint_id
    left join public.webhook_endpoint_accounts t on t.endpoint_id = w.id and t.account_id = a.id
    cross join lateral (
      select (select true from public.risk_settings r where r.user_id = d.user_id limit 1) as has_limits
    ) s
    where d.id = any (p_deliveries)
    order by d.id;
end
$$;

ALTER FUNCTION engine.contexts(p_deliveries bigint[], p_token bigint) OWNER TO empire_engine;

--
-- Name: FUNCTION contexts(p_deliveries bigint[], p_token bigint); Type: COMMENT; Schema: engine; Owner: empire_engine
--

COMMENT ON FUNCTION engine.contexts(p_deliveries bigint[], p_token bigint) IS 'Everything the decision about a delivery may look at, in one snapshot: alert, endpoint, account, limits, positions, orders, what is unresolved.';

--
-- Name: count_alerts(engine.candidate[]); Type: FUNCTION; Schema: engine; Owner: empire_engine
--

CREATE FUNCTION engine.count_alerts(p engine.candidate[], OUT passed engine.candidate[], OUT limited engine.candidate[]) RETURNS record
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
begin
  with counted as (
    insert into engine.endpoint_counters as c (endpoint_id, window_start, kind, n)
    select (x.endpoint).id, date_trunc('minute', clock_timestamp() at time zone 'UTC') at time zone 'UTC', 'alerts', count(*)
    from unnest(p) x group by 1, 2 order by 1
    on conflict (endpoint_id, kind, window_start) do update set n = c.n + excluded.n
    returning c.endpoint_id, c.n
  ), numbered as (
    -- The last of an endpoint in this call has the counter's number, those before it the numbers before.
    select x as one, c.n + 1 - row_number() over (partition by c.endpoint_id order by x.nth desc)
      -- Exits pass up to five times the limit: a flood of entries must not keep a position open.
      > (x.endpoint).alerts_per_minute * (case when engine.is_exit((x.alert).action) then 5 else 1 end) as is_limited
    from unnest(p) x join counted c on c.endpoint_id = (x.endpoint).id
  )
  select array_agg(n.one order by (n.one).nth) filter (where not n.is_limited),
    array_agg(n.one order by (n.one).nth) filter (where n.is_limited)
  into passed, limited from numbered n;
end
$$;

ALTER FUNCTION engine.count_alerts(p engine.candidate[], OUT passed engine.candidate[], OUT limited engine.candidate[]) OWNER TO empire_engine;

--
-- Name: FUNCTION count_alerts(p engine.candidate[], OUT passed engine.candidate[], OUT limited engine.candidate[]); Type: COMMENT; Schema: engine; Owner: empire_engine
--

COMMENT ON FUNCTION engine.count_alerts(p engine.candidate[], OUT passed engine.candidate[], OUT limited engine.candidate[]) IS 'Counts alerts against their endpoints'' limits a minute (UTC).';

--
-- Name: count_entry(public.webhook_endpoints, engine.alert); Type: FUNCTION; Schema: engine; Owner: empire_engine
--

CREATE FUNCTION engine.count_entry(e public.webhook_endpoints, r engine.alert) RETURNS boolean
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
declare
  v_n integer;
begin
  if e.max_entries_per_day is null or engine.is_exit(r.action) then
    return true;
  end if;
  insert into engine.endpoint_counters as c (endpoint_id, window_start, kind, n)
  values (e.id, date_trunc('day', clock_timestamp() at time zone 'UTC') at time zone 'UTC', 'entries', 1)
  on conflict (endpoint_id, kind, window_start) do update set n = c.n + 1
  returning n into v_n;
  return v_n <= e.max_entries_per_day;
end
$$;

ALTER FUNCTION engine.count_entry(e public.webhook_endpoints, r engine.alert) OWNER TO empire_engine;

--
-- Name: FUNCTION count_entry(e public.webhook_endpoints, r engine.alert); Type: COMMENT; Schema: engine; Owner: empire_engine
--

COMMENT ON FUNCTION engine.count_entry(e public.webhook_endpoints, r engine.alert) IS 'Counts an entry against its endpoint''s limit a day (UTC), where it has one; false = one too many.';

--
-- Name: count_open(uuid); Type: FUNCTION; Schema: engine; Owner: empire_engine
--

CREATE FUNCTION engine.count_open(p_connection uuid) RETURNS boolean
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
declare
  c_times constant integer := 10;
  v_hour constant timestamptz := date_trunc('hour', clock_timestamp());
  v_one integer;
  v_all bigint;
  v_usual numeric;
begin
  insert into engine.credential_opens as o (hour, connection_id, n) values (v_hour, p_connection, 1)
  on conflict (hour, connection_id) do update set n = o.n + 1
  returning n into v_one;
  select coalesce(sum(o.n) filter (where o.hour = v_hour), 0), coalesce(sum(o.n) filter (where o.hour < v_hour), 0) / 168.0
  into v_all, v_usual from engine.credential_opens o where o.hour > v_hour - interval '7 days';
  delete from engine.credential_opens o where o.hour < v_hour - interval '8 days';
  -- Usual: each login once for each worker that starts, or what the last week was like.
  v_usual := greatest(20, v_usual, (select count(*) from public.broker_connections b where b.status = 'connected'));
  if v_all <= c_times * v_usual
    and v_one <= c_times * greatest(3, (select count(*) from engine.workers w where w.seen_at > clock_timestamp() - interval '1 minute'))
  then
    return true;
  end if;
  insert into engine.counters as k (name, n) values ('credential_alarm', 1)
  on conflict (name) do update set n = k.n + 1;
  return false;
end
$$;

ALTER FUNCTION engine.count_open(p_connection uuid) OWNER TO empire_engine;

--
-- Name: FUNCTION count_open(p_connection uuid); Type: COMMENT; Schema: engine; Owner: empire_engine
--

COMMENT ON FUNCTION engine.count_open(p_connection uuid) IS 'Counts an opening. False = ten times the usual number this hour, of all logins or of this one: nothing more is handed out.';

--
-- Name: counters_json(public.broker_accounts, bigint); Type: FUNCTION; Schema: engine; Owner: empire_engine
--

CREATE FUNCTION engine.counters_json(a public.broker_accounts, p_delivery bigint) RETURNS jsonb
    LANGUAGE plpgsql STABLE
    SET search_path TO ''
    AS $$
begin
  return jsonb_build_object(
    'trades_today', coalesce((
      select s.trades from engine.scope_counters s
      where s.user_id = a.user_id and s.scope = a.id::text
        and s.trading_day = engine.trading_day(a.timezone, a.reset_time, now())
    ), 0),
    'entries_in_flight', (
      select count(*) from engine.commands k
      where k.account_id = a.id and k.kind = 'place' and k.is_entry and k.delivery_id <> p_delivery
        and k.state in ('pending', 'submitting', 'unknown')
    )
  );
end
$$;

ALTER FUNCTION engine.counters_json(a public.broker_accounts, p_delivery bigint) OWNER TO empire_engine;

--
-- Name: FUNCTION counters_json(a public.broker_accounts, p_delivery bigint); Type: COMMENT; Schema: engine; Owner: empire_engine
--

COMMENT ON FUNCTION engine.counters_json(a public.broker_accounts, p_delivery bigint) IS 'What limits of number are compared with: trades of the day, and entries of other deliveries on their way.';

--
-- Name: day_began(text, time without time zone, date); Type: FUNCTION; Schema: engine; Owner: empire_engine
--

CREATE FUNCTION engine.day_began(p_timezone text, p_reset time without time zone, p_day date) RETURNS timestamp with time zone
    LANGUAGE plpgsql STABLE
    SET search_path TO ''
    AS $$
begin
  return (p_day + p_reset) at time zone p_timezone;
end
$$;

ALTER FUNCTION engine.day_began(p_timezone text, p_reset time without time zone, p_day date) OWNER TO empire_engine;

--
-- Name: FUNCTION day_began(p_timezone text, p_reset time without time zone, p_day date); Type: COMMENT; Schema: engine; Owner: empire_engine
--

COMMENT ON FUNCTION engine.day_began(p_timezone text, p_reset time without time zone, p_day date) IS 'When a trading day begins. A time that the clocks skip or show twice is its later moment. Equal to shared/risk/resets.py.';

--
-- Name: day_json(public.broker_accounts, timestamp with time zone); Type: FUNCTION; Schema: engine; Owner: empire_engine
--

CREATE FUNCTION engine.day_json(a public.broker_accounts, p_now timestamp with time zone) RETURNS jsonb
    LANGUAGE plpgsql STABLE
    SET search_path TO ''
    AS $$
declare
  c_day constant date := engine.trading_day(a.timezone, a.reset_time, p_now);
  c_began constant timestamptz := engine.day_began(a.timezone, a.reset_time, c_day);
  d engine.account_days;
  k engine.account_marks;
  s engine.day_start;
begin
  select x.* into d from engine.account_days x where x.account_id = a.id and x.trading_day = c_day;
  if d.began_at is distinct from c_began then
    -- The watch has not read the account since the reset: what it would make of what is known now. Nobody but us trades a
    -- paper book, so what is known of it is always of now.
    select x.* into k from engine.account_marks x where x.account_id = a.id;
    s := engine.find_start(a, k, row(
      case when a.broker = 'paper' then p_now when a.as_of >= c_began then a.as_of end, a.balance, a.equity, null, null, null
    )::engine.mark, c_began);
    d := row(
      a.id, c_day, 0, 0, c_began, engine.day_began(a.timezone, a.reset_time, c_day + 1), s.balance, s.equity, s.source, 0,
      s.equity, s.equity, null, null, null
    );
  end if;
  if d.source is null then
    return null;
  end if;
  return jsonb_build_object(
    'trading_day', d.trading_day, 'began_at', d.began_at, 'ends_at', d.ends_at, 'start_balance', d.start_balance,
    'start_equity', d.start_equity, 'flows', d.flows, 'high_water', d.high_water, 'low_water', d.low_water,
    'source', d.source
  );
end
$$;

ALTER FUNCTION engine.day_json(a public.broker_accounts, p_now timestamp with time zone) OWNER TO empire_engine;

--
-- Name: FUNCTION day_json(a public.broker_accounts, p_now timestamp with time zone); Type: COMMENT; Schema: engine; Owner: empire_engine
--

COMMENT ON FUNCTION engine.day_json(a public.broker_accounts, p_now timestamp with time zone) IS 'The trading day of an account. Null = its start is not known.';

--
-- Name: dead_letter(bigint, bigint, text, jsonb); Type: FUNCTION; Schema: engine; Owner: empire_engine
--

CREATE FUNCTION engine.dead_letter(p_delivery_id bigint, p_token bigint, p_error text, p_trace jsonb) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    SET plan_cache_mode TO 'force_generic_plan'
    SET enable_seqscan TO 'off'
    AS $$
begin
  perform engine.lock_accounts(array[p_delivery_id]);
  if engine.held(jsonb_build_array(jsonb_build_object('delivery_id', p_delivery_id, 'token', p_token)), false) = '{}' then
    return false;
  end if;
  perform engine.close_events(engine.bury(p_delivery_id, p_error, p_trace));
  return true;
end
$$;

ALTER FUNCTION engine.dead_letter(p_delivery_id bigint, p_token bigint, p_error text, p_trace jsonb) OWNER TO empire_engine;

--
-- Name: FUNCTION dead_letter(p_delivery_id bigint, p_token bigint, p_error text, p_trace jsonb); Type: COMMENT; Schema: engine; Owner: empire_engine
--

COMMENT ON FUNCTION engine.dead_letter(p_delivery_id bigint, p_token bigint, p_error text, p_trace jsonb) IS 'A stage failed with a bug or a broken machine: the delivery ends dead with the error kept, its account goes on.';

--
-- Name: call_windows; Type: TABLE; Schema: engine; Owner: postgres
--

CREATE UNLOGGED TABLE engine.call_windows (
    connection_id uuid NOT NULL,
    route text NOT NULL,
    blocks engine.call_block[] DEFAULT '{}'::engine.call_block[] NOT NULL,
    last_block bigint DEFAULT 0 NOT NULL,
    worker text,
    shared_at timestamp with time zone DEFAULT '-infinity'::timestamp with time zone NOT NULL,
    paused_until timestamp with time zone DEFAULT '-infinity'::timestamp with time zone NOT NULL,
    waiter text,
    waiter_looks_on boolean DEFAULT false NOT NULL,
    waiter_until timestamp with time zone DEFAULT '-infinity'::timestamp with time zone NOT NULL,
    CONSTRAINT call_windows_route_check CHECK (((char_length(route) >= 1) AND (char_length(route) <= 100)))
)
WITH (fillfactor='50');

ALTER TABLE engine.call_windows OWNER TO postgres;

--
-- Name: TABLE call_windows; Type: COMMENT; Schema: engine; Owner: postgres
--

COMMENT ON TABLE engine.call_windows IS 'Per connection and route (a rate limit of the broker) the blocks handed out to workers. Unlogged: a crash of the database forgives, the broker''s own 429 is what is left then.';

--
-- Name: COLUMN call_windows.shared_at; Type: COMMENT; Schema: engine; Owner: postgres
--

COMMENT ON COLUMN engine.call_windows.shared_at IS 'When another worker than the one before last asked: while one is alone its blocks are larger.';

--
-- Name: COLUMN call_windows.paused_until; Type: COMMENT; Schema: engine; Owner: postgres
--

COMMENT ON COLUMN engine.call_windows.paused_until IS 'The broker has said that the fleet is too fast.';

--
-- Name: COLUMN call_windows.waiter; Type: COMMENT; Schema: engine; Owner: postgres
--

COMMENT ON COLUMN engine.call_windows.waiter IS 'Of a limit of one or two: who was told to come back, until waiter_until. The next block is his, whoever asks before him; only orders come before one who merely looks on.';

--
-- Name: deal(engine.call_windows, text, jsonb, timestamp with time zone); Type: FUNCTION; Schema: engine; Owner: empire_engine
--

CREATE FUNCTION engine.deal(INOUT w engine.call_windows, p_worker text, p_ask jsonb, p_now timestamp with time zone, OUT calls integer, OUT starts timestamp with time zone, OUT wait interval) RETURNS record
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
declare
  c_urgent constant boolean := p_ask ->> 'urgent';
  c_looks_on constant boolean := coalesce((p_ask ->> 'background')::boolean, false);
  c_window constant interval := (p_ask ->> 'window_ms')::numeric * interval '1 millisecond';
  c_want constant integer := p_ask ->> 'want';
  c_allowed constant integer := (p_ask ->> 'limit')::integer - case when c_urgent then 0 else (p_ask ->> 'reserve')::integer end;
  -- Of one or two no worker can have a share at all times: there they take turns.
  c_few constant boolean := c_allowed <= 2 and not c_urgent;
  c_alone constant boolean := w.shared_at < p_now - interval '10 seconds';
  c_behind constant boolean := c_few and w.waiter_until > p_now and w.waiter is distinct from p_worker
    and (c_looks_on or not w.waiter_looks_on);
  v_free integer;
begin
  calls := 0;
  starts := greatest(p_now, w.paused_until, engine.first_free(w.blocks, c_allowed, c_window));
  -- Only what is urgent may book ahead: so it is first wherever there is room again.
  if c_want > 0 and not c_behind and (starts = p_now or (c_urgent and starts <= p_now + (p_ask ->> 'within_ms')::numeric * interval '1 millisecond')) then
    select c_allowed - coalesce(sum(b.calls), 0) into v_free from unnest(w.blocks) b where b.ends > starts - c_window;
    calls := least(v_free, case
      when c_urgent then c_want
      -- A second's worth, and half of the room for a worker that may come.
      when c_alone then greatest(c_want, least((v_free + 1) / 2, ceil(c_allowed / extract(epoch from c_window))::integer))
      else least(c_want, greatest(1, c_allowed / 2))
    end);
    w.last_block := w.last_block + 1;
    w.blocks := w.blocks || row(
      w.last_block, p_worker, calls, starts + ((p_ask ->> 'life_ms')::numeric + (p_ask ->> 'grace_ms')::numeric) * interval '1 millisecond'
    )::engine.call_block;
  end if;
  wait := starts - p_now + case
    when c_behind then interval '100 milliseconds'
    -- Who has just had its share comes a little after the others.
    when not c_alone and exists (select 1 from unnest(w.blocks) b where b.worker = p_worker) then interval '30 milliseconds'
    else interval '0'
  end;
  if calls > 0 and w.waiter = p_worker then
    w.waiter_until := '-infinity';
  elsif c_few and calls = 0 and c_want > 0 and not c_behind then
    -- Another worker tells what it has used when it wants more, and would take what that frees: so it is asked for often, and kept.
    if exists (select 1 from unnest(w.blocks) b where b.worker <> p_worker and b.ends > p_now) then
      wait := least(wait, interval '200 milliseconds');
    end if;
    w.waiter_looks_on := c_looks_on and (w.waiter_looks_on or w.waiter is distinct from p_worker or w.waiter_until <= p_now);
    w.waiter := p_worker;
    w.waiter_until := p_now + wait + interval '300 milliseconds';
  end if;
end
$$;

ALTER FUNCTION engine.deal(INOUT w engine.call_windows, p_worker text, p_ask jsonb, p_now timestamp with time zone, OUT calls integer, OUT starts timestamp with time zone, OUT wait interval) OWNER TO empire_engine;

--
-- Name: FUNCTION deal(INOUT w engine.call_windows, p_worker text, p_ask jsonb, p_now timestamp with time zone, OUT calls integer, OUT starts timestamp with time zone, OUT wait interval); Type: COMMENT; Schema: engine; Owner: empire_engine
--

COMMENT ON FUNCTION engine.deal(INOUT w engine.call_windows, p_worker text, p_ask jsonb, p_now timestamp with time zone, OUT calls integer, OUT starts timestamp with time zone, OUT wait interval) IS 'Who gets how much of what is left of a window: the window after it, the calls (0 = none now), from when they may be sent, and how long to wait before asking again. Decides only; the caller holds the row.';

--
-- Name: decide(engine.situation, jsonb, jsonb, bigint[]); Type: FUNCTION; Schema: engine; Owner: empire_engine
--

CREATE FUNCTION engine.decide(s engine.situation, p_legs jsonb, p_scopes jsonb, p_taken bigint[], OUT denial jsonb, OUT takes jsonb) RETURNS record
    LANGUAGE plpgsql STABLE
    SET search_path TO ''
    AS $_$
declare
  l jsonb;
  v_own jsonb;
  v_planned numeric := 0;
  v_entry boolean := false;
  v_closing integer := 0;
begin
  for l in select x from jsonb_array_elements(p_legs) x order by (x ->> 'leg')::integer loop
    if engine.is_limited(l) then
      denial := engine.denial_of_entry(s, l);
      v_entry := v_entry or engine.is_entry(l);
    else
      -- A close of all there is has no quantity of its own, whatever was read as all.
      v_own := l || jsonb_build_object('qty', coalesce(l -> 'request', l) -> 'qty');
      denial := engine.denial_of_exit(s, v_own, v_planned, null);
      if l ->> 'kind' in ('place', 'close') and coalesce(l ->> 'type', 'market') = 'market' then
        v_planned := v_planned + coalesce((v_own ->> 'qty')::numeric, 0);
      end if;
    end if;
    if denial is not null then
      return;
    end if;
    v_closing := v_closing + (l ->> 'kind' = 'close')::integer;
  end loop;
  if v_entry then
    denial := engine.denial_of_room(p_scopes, p_taken, v_closing);
    takes := jsonb_path_query_array(p_scopes, '$[*].id');
  end if;
end
$_$;

ALTER FUNCTION engine.decide(s engine.situation, p_legs jsonb, p_scopes jsonb, p_taken bigint[], OUT denial jsonb, OUT takes jsonb) OWNER TO empire_engine;

--
-- Name: FUNCTION decide(s engine.situation, p_legs jsonb, p_scopes jsonb, p_taken bigint[], OUT denial jsonb, OUT takes jsonb); Type: COMMENT; Schema: engine; Owner: empire_engine
--

COMMENT ON FUNCTION engine.decide(s engine.situation, p_legs jsonb, p_scopes jsonb, p_taken bigint[], OUT denial jsonb, OUT takes jsonb) IS 'The hard limits for one plan: a denial with its numbers, or the counters its trade is counted in.';

--
-- Name: defaults_json(uuid); Type: FUNCTION; Schema: engine; Owner: empire_engine
--

CREATE FUNCTION engine.defaults_json(p_account uuid) RETURNS jsonb
    LANGUAGE plpgsql STABLE
    SET search_path TO ''
    AS $$
begin
  return (select to_jsonb(f) - 'account_id' from engine.account_defaults f where f.account_id = p_account);
end
$$;

ALTER FUNCTION engine.defaults_json(p_account uuid) OWNER TO empire_engine;

--
-- Name: FUNCTION defaults_json(p_account uuid); Type: COMMENT; Schema: engine; Owner: empire_engine
--

COMMENT ON FUNCTION engine.defaults_json(p_account uuid) IS 'What a silent alert gets for an account, as workers read it.';

--
-- Name: defer(jsonb); Type: FUNCTION; Schema: engine; Owner: empire_engine
--

CREATE FUNCTION engine.defer(p_deliveries jsonb) RETURNS jsonb
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    SET plan_cache_mode TO 'force_generic_plan'
    SET enable_seqscan TO 'off'
    AS $$
declare
  r record;
  v_given bigint [];
begin
  perform engine.lock_accounts(engine.delivery_ids(p_deliveries));
  v_given := engine.unsent(engine.held(p_deliveries, false));
  for r in
    select (x ->> 'delivery_id')::bigint as id, (x ->> 'ms')::integer as ms, (x ->> 'reason')::public.reason as reason,
      nullif(x -> 'numbers', 'null') as numbers, coalesce(nullif(x -> 'trace', 'null'), '[]') as trace
    from jsonb_array_elements(p_deliveries) x where (x ->> 'delivery_id')::bigint = any (v_given)
  loop
    perform engine.give_back(r.id, r.ms);
    update public.deliveries
    set attempts = attempts + 1, reason = r.reason, numbers = r.numbers,
      trace = case when jsonb_array_length(trace) < 40 then trace || r.trace else trace end
    where id = r.id;
  end loop;
  return to_jsonb(v_given);
end
$$;

ALTER FUNCTION engine.defer(p_deliveries jsonb) OWNER TO empire_engine;

--
-- Name: FUNCTION defer(p_deliveries jsonb); Type: COMMENT; Schema: engine; Owner: empire_engine
--

COMMENT ON FUNCTION engine.defer(p_deliveries jsonb) IS 'Gives deliveries back to be claimed again after a while: exits that wait for a position to be read or an order to be settled.';

--
-- Name: delivery_ids(jsonb); Type: FUNCTION; Schema: engine; Owner: empire_engine
--

CREATE FUNCTION engine.delivery_ids(p jsonb) RETURNS bigint[]
    LANGUAGE plpgsql IMMUTABLE
    SET search_path TO ''
    AS $$
begin
  return (select array_agg((x ->> 'delivery_id')::bigint) from jsonb_array_elements(p) x);
end
$$;

ALTER FUNCTION engine.delivery_ids(p jsonb) OWNER TO empire_engine;

--
-- Name: FUNCTION delivery_ids(p jsonb); Type: COMMENT; Schema: engine; Owner: empire_engine
--

COMMENT ON FUNCTION engine.delivery_ids(p jsonb) IS 'The delivery_id of each element.';

--
-- Name: denial_of_cool_down(engine.situation, jsonb); Type: FUNCTION; Schema: engine; Owner: empire_engine
--

CREATE FUNCTION engine.denial_of_cool_down(s engine.situation, p_rules jsonb) RETURNS jsonb
    LANGUAGE plpgsql STABLE
    SET search_path TO ''
    AS $$
declare
  l jsonb;
  p jsonb;
  v_until timestamptz;
begin
  for p in select r from jsonb_array_elements(p_rules) r loop
    l := coalesce(l, engine.losses_json(s.account_id));
    v_until := (l ->> 'last_loss_at')::timestamptz
      + make_interval(secs => ((p ->> 'minutes')::numeric * 60)::double precision);
    if (l ->> 'losses_in_a_row')::integer >= (p ->> 'after_losses')::integer and v_until > clock_timestamp() then
      return jsonb_build_object('reason', 'cool_down', 'numbers', jsonb_build_object(
        'value', l -> 'losses_in_a_row', 'limit', p -> 'after_losses', 'minutes', p -> 'minutes', 'scope', p -> 'scope',
        'until', v_until
      ));
    end if;
  end loop;
  return null;
end
$$;

ALTER FUNCTION engine.denial_of_cool_down(s engine.situation, p_rules jsonb) OWNER TO empire_engine;

--
-- Name: FUNCTION denial_of_cool_down(s engine.situation, p_rules jsonb); Type: COMMENT; Schema: engine; Owner: empire_engine
--

COMMENT ON FUNCTION engine.denial_of_cool_down(s engine.situation, p_rules jsonb) IS 'Whether a loss that was recorded since the worker looked makes the account cool down. Null = it does not.';

--
-- Name: denial_of_entry(engine.situation, jsonb); Type: FUNCTION; Schema: engine; Owner: empire_engine
--

CREATE FUNCTION engine.denial_of_entry(s engine.situation, l jsonb) RETURNS jsonb
    LANGUAGE plpgsql STABLE
    SET search_path TO ''
    AS $$
declare
  v_denial jsonb := engine.denial_of_state(s);
  v_loss constant numeric := (l ->> 'worst_loss')::numeric;
begin
  if v_denial is not null then
    return v_denial;
  elsif l ->> 'root' = any (s.unresolved) then
    return jsonb_build_object('reason', 'unresolved_order', 'numbers', jsonb_build_object('symbol', l ->> 'root'));
  elsif (l ->> 'qty')::numeric > s.max_order_qty then
    return engine.denied('max_order_size', (l ->> 'qty')::numeric, s.max_order_qty);
  elsif v_loss > s.capital * s.max_risk_pct / 100 then
    return jsonb_build_object('reason', 'max_risk_per_trade', 'numbers', jsonb_build_object(
      'loss', round(v_loss, 2), 'currency', s.currency, 'base', round(s.capital, 2), 'limit', s.max_risk_pct,
      'value', case when s.capital > 0 then round(v_loss / s.capital * 100, 2) end
    ));
  end if;
  return null;
end
$$;

ALTER FUNCTION engine.denial_of_entry(s engine.situation, l jsonb) OWNER TO empire_engine;

--
-- Name: FUNCTION denial_of_entry(s engine.situation, l jsonb); Type: COMMENT; Schema: engine; Owner: empire_engine
--

COMMENT ON FUNCTION engine.denial_of_entry(s engine.situation, l jsonb) IS 'Whether an entry leg may be sent: state, unresolved orders, order size, the ceiling of loss. Null = it may.';

--
-- Name: denial_of_exit(engine.situation, jsonb, numeric, bigint); Type: FUNCTION; Schema: engine; Owner: empire_engine
--

CREATE FUNCTION engine.denial_of_exit(s engine.situation, l jsonb, p_planned numeric, p_order bigint) RETURNS jsonb
    LANGUAGE plpgsql STABLE
    SET search_path TO ''
    AS $$
declare
  v_side constant public.side := l ->> 'side';
  v_position constant text := l ->> 'venue_position_id';
  v_qty constant numeric := l ->> 'qty';
  v_left numeric;
begin
  -- Something newer (a flatten) covers it.
  if s.epoch_then < s.epoch_now then
    return engine.denied('superseded');
  end if;
  -- The venue's own close of all there is cannot open a position; anything with a quantity could.
  if l ->> 'kind' not in ('place', 'close') or v_qty is null or v_side is null or (l ->> 'after_fill')::boolean then
    return null;
  elsif v_position is not null and not exists (
    select 1 from public.positions p where p.account_id = s.account_id and p.venue_position_id = v_position
  ) then
    return null;
  end if;
  -- What is not fresh is not known to be there.
  select coalesce(sum(p.qty), 0) - p_planned into v_left from public.positions p
  where p.account_id = s.account_id and p.closed_at is null and p.freshness = 'fresh' and p.root = l ->> 'root'
    and p.side <> v_side and (v_position is null or p.venue_position_id = v_position);
  v_left := v_left - engine.exits_in_flight(s.account_id, l ->> 'root', v_side, v_position, p_order);
  if v_qty > v_left then
    return engine.denied('reduce_too_large', v_qty, greatest(v_left, 0));
  end if;
  return null;
end
$$;

ALTER FUNCTION engine.denial_of_exit(s engine.situation, l jsonb, p_planned numeric, p_order bigint) OWNER TO empire_engine;

--
-- Name: FUNCTION denial_of_exit(s engine.situation, l jsonb, p_planned numeric, p_order bigint); Type: COMMENT; Schema: engine; Owner: empire_engine
--

COMMENT ON FUNCTION engine.denial_of_exit(s engine.situation, l jsonb, p_planned numeric, p_order bigint) IS 'Whether an exit leg really reduces: at most the fresh open quantity minus exits in flight and earlier legs of its plan. Null = it does.';

--
-- Name: denial_of_room(jsonb, bigint[], integer); Type: FUNCTION; Schema: engine; Owner: empire_engine
--

CREATE FUNCTION engine.denial_of_room(p_scopes jsonb, p_taken bigint[], p_closing integer) RETURNS jsonb
    LANGUAGE plpgsql IMMUTABLE
    SET search_path TO ''
    AS $$
declare
  s jsonb;
  v_new integer;
  v_open integer;
begin
  for s in select x from jsonb_array_elements(p_scopes) x loop
    v_new := 1 + cardinality(array_positions(p_taken, (s ->> 'id')::bigint));
    -- A reverse frees the room it needs: what it closes first is not counted against it.
    v_open := (s ->> 'open_now')::integer + v_new - p_closing;
    if (s ->> 'trades')::integer + v_new > (s ->> 'max_trades')::integer then
      return engine.denied(
        (case s ->> 'scope' when 'month' then 'max_trades_per_month' else 'max_trades_per_day' end)::public.reason,
        (s ->> 'trades')::integer + v_new, (s ->> 'max_trades')::integer
      );
    elsif v_open > (s ->> 'max_open')::integer then
      return engine.denied('max_open_trades', v_open, (s ->> 'max_open')::integer);
    elsif v_open > (s ->> 'max_positions')::integer then
      return engine.denied('max_concurrent_positions', v_open, (s ->> 'max_positions')::integer);
    end if;
  end loop;
  return null;
end
$$;

ALTER FUNCTION engine.denial_of_room(p_scopes jsonb, p_taken bigint[], p_closing integer) OWNER TO empire_engine;

--
-- Name: FUNCTION denial_of_room(p_scopes jsonb, p_taken bigint[], p_closing integer); Type: COMMENT; Schema: engine; Owner: empire_engine
--

COMMENT ON FUNCTION engine.denial_of_room(p_scopes jsonb, p_taken bigint[], p_closing integer) IS 'Which limit of number one more trade would break; p_taken = counters of the trades admitted before it in this batch. Null = none.';

--
-- Name: denial_of_room_left(jsonb, numeric); Type: FUNCTION; Schema: engine; Owner: empire_engine
--

CREATE FUNCTION engine.denial_of_room_left(p_room jsonb, p_since numeric) RETURNS jsonb
    LANGUAGE plpgsql IMMUTABLE
    SET search_path TO ''
    AS $$
declare
  c_left constant numeric := (p_room ->> 'left')::numeric - p_since;
  c_value constant numeric := (p_room #>> '{numbers,value}')::numeric;
begin
  if p_since = 0 or c_left > 0 or (c_left = 0 and not (p_room ->> 'touch')::boolean) then
    return null;
  end if;
  return jsonb_build_object('reason', p_room ->> 'reason', 'numbers', coalesce(p_room -> 'numbers', '{}') || jsonb_strip_nulls(
    jsonb_build_object(
      'value', c_value + case when (p_room ->> 'falls')::boolean then -p_since else p_since end, 'distance', c_left,
      'since', p_since
    )
  ));
end
$$;

ALTER FUNCTION engine.denial_of_room_left(p_room jsonb, p_since numeric) OWNER TO empire_engine;

--
-- Name: FUNCTION denial_of_room_left(p_room jsonb, p_since numeric); Type: COMMENT; Schema: engine; Owner: empire_engine
--

COMMENT ON FUNCTION engine.denial_of_room_left(p_room jsonb, p_since numeric) IS 'Whether what is gone since leaves an order too little room; the rule''s own numbers, brought up to date. Null = it fits.';

--
-- Name: commands; Type: TABLE; Schema: engine; Owner: postgres
--

CREATE TABLE engine.commands (
    id bigint NOT NULL,
    delivery_id bigint NOT NULL,
    account_id uuid NOT NULL,
    user_id uuid NOT NULL,
    leg integer NOT NULL,
    kind public.command_kind NOT NULL,
    order_id bigint,
    client_order_id text NOT NULL,
    root text NOT NULL,
    is_entry boolean NOT NULL,
    after_fill boolean DEFAULT false NOT NULL,
    request jsonb NOT NULL,
    state public.command_state DEFAULT 'pending'::public.command_state NOT NULL,
    reason public.reason,
    answer jsonb,
    token bigint,
    send_deadline timestamp with time zone,
    request_timeout_ms integer,
    submitted_at timestamp with time zone,
    answered_at timestamp with time zone,
    lookups integer DEFAULT 0 NOT NULL,
    check_at timestamp with time zone,
    checker bigint,
    sends integer DEFAULT 0 NOT NULL,
    reserved jsonb
)
WITH (fillfactor='80');

ALTER TABLE engine.commands OWNER TO postgres;

--
-- Name: TABLE commands; Type: COMMENT; Schema: engine; Owner: postgres
--

COMMENT ON TABLE engine.commands IS 'The write-ahead of every write to a broker: it exists before anything is sent. submitting whose holder is gone = unknown.';

--
-- Name: COLUMN commands.send_deadline; Type: COMMENT; Schema: engine; Owner: postgres
--

COMMENT ON COLUMN engine.commands.send_deadline IS 'The holder must not send after this; a resend may happen only after send_deadline + request_timeout.';

--
-- Name: denial_of_send(engine.commands); Type: FUNCTION; Schema: engine; Owner: empire_engine
--

CREATE FUNCTION engine.denial_of_send(k engine.commands) RETURNS jsonb
    LANGUAGE plpgsql STABLE
    SET search_path TO ''
    AS $$
declare
  s constant engine.situation := (select x from engine.situations(array[k.delivery_id]) x);
begin
  if k.is_entry then
    return coalesce(engine.denial_of_state(s), case when engine.is_overtaken(k) then engine.denied('superseded') end);
  end if;
  -- Since it was written other exits may have closed what it meant to close.
  return engine.denial_of_exit(s, k.request || jsonb_build_object('kind', k.kind, 'root', k.root), 0, k.order_id);
end
$$;

ALTER FUNCTION engine.denial_of_send(k engine.commands) OWNER TO empire_engine;

--
-- Name: FUNCTION denial_of_send(k engine.commands); Type: COMMENT; Schema: engine; Owner: empire_engine
--

COMMENT ON FUNCTION engine.denial_of_send(k engine.commands) IS 'What the limits say about a command that was written ahead earlier. Null = it may be sent.';

--
-- Name: denial_of_state(engine.situation); Type: FUNCTION; Schema: engine; Owner: empire_engine
--

CREATE FUNCTION engine.denial_of_state(s engine.situation) RETURNS jsonb
    LANGUAGE plpgsql STABLE
    SET search_path TO ''
    AS $$
declare
  v_late constant numeric := round(extract(epoch from clock_timestamp() - s.expires_at), 1);
begin
  if v_late >= 0 then
    return jsonb_build_object('reason', 'stale', 'numbers', jsonb_build_object(
      'age_s', s.max_age_s + v_late, 'limit_s', s.max_age_s
    ));
  elsif s.epoch_then < s.epoch_now then
    return engine.denied('halted');
  elsif s.user_stopped then
    return engine.denied('kill_switch');
  elsif not s.account_enabled then
    return engine.denied('account_disabled');
  elsif s.locked_until > clock_timestamp() then
    return jsonb_build_object('reason', 'account_locked', 'numbers', jsonb_strip_nulls(jsonb_build_object(
      'until', s.locked_until, 'lock', s.lock_reason
    )));
  elsif s.endpoint_disabled then
    return engine.denied('endpoint_disabled');
  end if;
  return null;
end
$$;

ALTER FUNCTION engine.denial_of_state(s engine.situation) OWNER TO empire_engine;

--
-- Name: FUNCTION denial_of_state(s engine.situation); Type: COMMENT; Schema: engine; Owner: empire_engine
--

COMMENT ON FUNCTION engine.denial_of_state(s engine.situation) IS 'Why an entry may not be sent now whatever its size: age, halt, kill switch, account, lock, endpoint. Null = it may.';

--
-- Name: denied(public.reason, numeric, numeric); Type: FUNCTION; Schema: engine; Owner: empire_engine
--

CREATE FUNCTION engine.denied(p_reason public.reason, p_value numeric DEFAULT NULL::numeric, p_limit numeric DEFAULT NULL::numeric) RETURNS jsonb
    LANGUAGE sql IMMUTABLE
    SET search_path TO ''
    AS $$
  select jsonb_build_object(
    'reason', p_reason, 'numbers', jsonb_strip_nulls(jsonb_build_object('value', p_value, 'limit', p_limit))
  )
$$;

ALTER FUNCTION engine.denied(p_reason public.reason, p_value numeric, p_limit numeric) OWNER TO empire_engine;

--
-- Name: FUNCTION denied(p_reason public.reason, p_value numeric, p_limit numeric); Type: COMMENT; Schema: engine; Owner: empire_engine
--

COMMENT ON FUNCTION engine.denied(p_reason public.reason, p_value numeric, p_limit numeric) IS 'A denial with the value and the limit it broke.';

--
-- Name: device_seen(uuid); Type: FUNCTION; Schema: engine; Owner: empire_engine
--

CREATE FUNCTION engine.device_seen(p_user_id uuid) RETURNS boolean
    LANGUAGE sql STABLE
    SET search_path TO ''
    AS $$
  select exists (
    select 1 from public.devices d
    where d.user_id = p_user_id and d.revoked_at is null and d.last_seen_at > clock_timestamp() - interval '60 seconds'
  )
$$;

ALTER FUNCTION engine.device_seen(p_user_id uuid) OWNER TO empire_engine;

--
-- Name: FUNCTION device_seen(p_user_id uuid); Type: COMMENT; Schema: engine; Owner: empire_engine
--

COMMENT ON FUNCTION engine.device_seen(p_user_id uuid) IS 'Whether a device of the user has been heard of in the last minute.';

--
-- Name: drop_waiting(uuid); Type: FUNCTION; Schema: engine; Owner: empire_engine
--

CREATE FUNCTION engine.drop_waiting(p_target uuid) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
begin
  update public.notifications set status = 'dropped' where target_id = p_target and status = 'waiting';
end
$$;

ALTER FUNCTION engine.drop_waiting(p_target uuid) OWNER TO empire_engine;

--
-- Name: FUNCTION drop_waiting(p_target uuid); Type: COMMENT; Schema: engine; Owner: empire_engine
--

COMMENT ON FUNCTION engine.drop_waiting(p_target uuid) IS 'What still waits for a target is not sent any more.';

--
-- Name: end_deliveries(jsonb, bigint[]); Type: FUNCTION; Schema: engine; Owner: empire_engine
--

CREATE FUNCTION engine.end_deliveries(p_ends jsonb, p_unknown bigint[]) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
begin
  update public.deliveries d
  set status = (case when d.id = any (p_unknown) then 'claimed' else 'done' end)::public.delivery_status,
    outcome = (case when d.id = any (p_unknown) then 'unknown' else e #>> '{finish,outcome}' end)::public.delivery_outcome,
    reason = (e #>> '{finish,reason}')::public.reason, numbers = nullif(e #> '{finish,numbers}', 'null'),
    trace = d.trace || coalesce(nullif(e -> 'trace', 'null'), '[]'),
    timings = d.timings || coalesce(nullif(e -> 'timings', 'null'), '{}'),
    finished_at = case when d.id <> all (p_unknown) then clock_timestamp() end
  from jsonb_array_elements(p_ends) e
  where d.id = (e ->> 'delivery_id')::bigint;
end
$$;

ALTER FUNCTION engine.end_deliveries(p_ends jsonb, p_unknown bigint[]) OWNER TO empire_engine;

--
-- Name: FUNCTION end_deliveries(p_ends jsonb, p_unknown bigint[]); Type: COMMENT; Schema: engine; Owner: empire_engine
--

COMMENT ON FUNCTION engine.end_deliveries(p_ends jsonb, p_unknown bigint[]) IS 'Outcome, reason and trace; an unknown one is not done.';

--
-- Name: end_entries(integer); Type: FUNCTION; Schema: engine; Owner: empire_engine
--

CREATE FUNCTION engine.end_entries(p_limit integer) RETURNS integer
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
declare
  r record;
  v_event bigint;
  v_body text;
  v_n integer := 0;
begin
  -- Every worker asks; one at a time is enough.
  if not pg_try_advisory_xact_lock(hashtextextended('engine.end_entries', 0)) then
    return 0;
  end if;
  for r in select e.* from engine.entries_to_end(p_limit) e loop
    v_event := nextval('public.webhook_events_id_seq');
    v_body := jsonb_build_object('version', 'unify.v1', 'intent', jsonb_build_object(
      'action', 'cancel', 'symbol', r.symbol, 'order_id', r.order_id::text, 'scope', 'symbol', 'comment', r.why
    ))::text;
    -- A broker that cannot be reached for days is not asked every minute of them.
    insert into engine.endings as n (order_id, event_id, ask_again_at)
    values (r.order_id, v_event, clock_timestamp() + interval '1 minute')
    on conflict (order_id) do update
    set event_id = excluded.event_id, asked = n.asked + 1,
      ask_again_at = clock_timestamp() + least(interval '1 hour', interval '1 minute' * power(2, least(n.asked, 6)));
    perform engine.store_intent(v_event, r.user_id, 'system', v_body, array[r.account_id]);
    v_n := v_n + 1;
  end loop;
  return v_n;
end
$$;

ALTER FUNCTION engine.end_entries(p_limit integer) OWNER TO empire_engine;

--
-- Name: FUNCTION end_entries(p_limit integer); Type: COMMENT; Schema: engine; Owner: empire_engine
--

COMMENT ON FUNCTION engine.end_entries(p_limit integer) IS 'Asks for the cancel of pending entries that may not live on, through the inbox and queue like everybody. Asked again while they stand, after a minute at first and later every hour. Returns how many.';

--
-- Name: end_order(uuid, jsonb, timestamp with time zone); Type: FUNCTION; Schema: engine; Owner: empire_engine
--

CREATE FUNCTION engine.end_order(p_account uuid, o jsonb, p_read timestamp with time zone) RETURNS boolean
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
begin
  update public.orders w
  set status = (o ->> 'status')::public.order_status,
    filled_qty = case when o ->> 'status' = 'filled' then w.qty else w.filled_qty end
  where w.id = (o ->> 'id')::bigint and w.account_id = p_account and w.status in ('working', 'partially_filled')
    and w.updated_at < p_read;
  return found;
end
$$;

ALTER FUNCTION engine.end_order(p_account uuid, o jsonb, p_read timestamp with time zone) OWNER TO empire_engine;

--
-- Name: FUNCTION end_order(p_account uuid, o jsonb, p_read timestamp with time zone); Type: COMMENT; Schema: engine; Owner: empire_engine
--

COMMENT ON FUNCTION engine.end_order(p_account uuid, o jsonb, p_read timestamp with time zone) IS 'An order that stands at the broker no more has ended. False = it has by our books, or they are younger than the read.';

--
-- Name: end_unreachable(integer); Type: FUNCTION; Schema: engine; Owner: empire_engine
--

CREATE FUNCTION engine.end_unreachable(p_limit integer) RETURNS integer
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
declare
  v_accounts constant uuid [] := engine.unreachable_accounts(p_limit);
  v_ended bigint [];
begin
  if cardinality(v_accounts) = 0 then
    return 0;
  end if;
  perform 1 from public.broker_accounts a where a.id = any (v_accounts) order by a.id for no key update;
  -- What may have been sent is settled by asking; a device may have come back while we waited for the locks.
  with gone as (
    delete from engine.queue q
    using public.broker_accounts a join public.broker_connections c on c.id = a.connection_id
    where q.account_id = any (v_accounts) and a.id = q.account_id and q.state in ('waiting', 'ready')
      and (c.status = 'disabled' or (q.executor = 'edge' and not engine.device_seen(q.user_id)))
      and not exists (select 1 from engine.commands k where k.delivery_id = q.id and k.state in ('submitting', 'unknown'))
    returning q.id, q.is_exit, c.status = 'disabled' as disconnected, engine.name_of(a.broker) as broker
  ), ended as (
    update public.deliveries d
    set status = 'done', outcome = 'denied', finished_at = clock_timestamp(),
      reason = (case when g.disconnected then 'account_disconnected' else 'executor_offline' end)::public.reason,
      numbers = case when g.is_exit then jsonb_build_object('close_in', g.broker) end,
      trace = d.trace || jsonb_build_array(jsonb_build_object(
        'stage', 'claim', 'outcome', 'denied', 'ms', 0,
        'detail', jsonb_build_object('reason', case when g.disconnected then 'account_disconnected' else 'executor_offline' end)
      ))
    from gone g where d.id = g.id
    returning d.id
  )
  select coalesce(array_agg(e.id), '{}') into v_ended from ended e;
  perform engine.cancel_unsent(array[d.id], false, d.reason) from public.deliveries d where d.id = any (v_ended);
  perform engine.tell_unreachable(v_ended);
  perform engine.tell(v_ended);
  perform engine.promote(v_accounts);
  perform engine.close_events(array(select d.event_id from public.deliveries d where d.id = any (v_ended)));
  return cardinality(v_ended);
end
$$;

ALTER FUNCTION engine.end_unreachable(p_limit integer) OWNER TO empire_engine;

--
-- Name: FUNCTION end_unreachable(p_limit integer); Type: COMMENT; Schema: engine; Owner: empire_engine
--

COMMENT ON FUNCTION engine.end_unreachable(p_limit integer) IS 'Ends what waits for accounts that nobody can reach: entries are not kept for later, exits say where to close by hand.';

--
-- Name: end_waiting(bigint[], bigint); Type: FUNCTION; Schema: engine; Owner: empire_engine
--

CREATE FUNCTION engine.end_waiting(p_deliveries bigint[], p_by bigint) RETURNS bigint[]
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
declare
  v_ended bigint [];
begin
  -- A claim may have taken a row since it was chosen, and what has commands may have been sent: both go on.
  with gone as (
    delete from engine.queue q
    where q.id = any (p_deliveries) and q.state in ('waiting', 'ready')
      and (select true from engine.commands c where c.delivery_id = q.id limit 1) is null
    returning q.id
  )
  select coalesce(array_agg(g.id), '{}') into v_ended from gone g;
  update public.deliveries
  set status = 'done', outcome = 'skipped', reason = 'superseded', finished_at = clock_timestamp(),
    numbers = jsonb_strip_nulls(jsonb_build_object('by_event', p_by)),
    trace = trace || jsonb_build_array(jsonb_build_object(
      'stage', 'ingest', 'outcome', 'superseded', 'ms', 0,
      'detail', jsonb_strip_nulls(jsonb_build_object('by_event', p_by))
    ))
  where id = any (v_ended);
  perform engine.tell(v_ended);
  perform engine.promote(array(select d.account_id from public.deliveries d where d.id = any (v_ended)));
  return array(select d.event_id from public.deliveries d where d.id = any (v_ended));
end
$$;

ALTER FUNCTION engine.end_waiting(p_deliveries bigint[], p_by bigint) OWNER TO empire_engine;

--
-- Name: FUNCTION end_waiting(p_deliveries bigint[], p_by bigint); Type: COMMENT; Schema: engine; Owner: empire_engine
--

COMMENT ON FUNCTION engine.end_waiting(p_deliveries bigint[], p_by bigint) IS 'Ends deliveries that still wait, made pointless by an event; returns their events, to be closed. The caller holds the accounts.';

--
-- Name: enqueue(engine.arrival[]); Type: FUNCTION; Schema: engine; Owner: empire_engine
--

CREATE FUNCTION engine.enqueue(p engine.arrival[]) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
declare
  a engine.arrival;
  v_line engine.arrival [] := '{}';
  v_events bigint [] := '{}';
begin
  -- The account row is the lock under which "am I the head?" is asked and answered; ascending, as everywhere.
  perform from public.broker_accounts b
  where b.id = any (array(select u.id from unnest(p) x cross join lateral unnest(x.accounts) as u (id)))
  order by b.id for no key update;
  foreach a in array p loop
    if engine.makes_room(a) then
      -- What arrived before it stands in line first, so that it is covered too.
      if v_line <> '{}' then
        v_events := v_events || engine.stand_in_line(v_line);
        v_line := '{}';
      end if;
      v_events := v_events || engine.make_room(a);
    end if;
    v_line := v_line || a;
  end loop;
  v_events := v_events || engine.stand_in_line(v_line);
  if v_events <> '{}' then
    perform engine.close_events(v_events);
  end if;
  -- Told with the commit (decision 0009). Only a hint: workers look by themselves, too.
  perform pg_notify('empire_work', '');
end
$$;

ALTER FUNCTION engine.enqueue(p engine.arrival[]) OWNER TO empire_engine;

--
-- Name: FUNCTION enqueue(p engine.arrival[]); Type: COMMENT; Schema: engine; Owner: empire_engine
--

COMMENT ON FUNCTION engine.enqueue(p engine.arrival[]) IS 'One delivery and one queue row per arrival and account, in the order given, under the locks of the accounts. Exits supersede what waits in their scope. Wakes the workers.';

--
-- Name: entering(jsonb); Type: FUNCTION; Schema: engine; Owner: empire_engine
--

CREATE FUNCTION engine.entering(p_plans jsonb) RETURNS uuid[]
    LANGUAGE plpgsql STABLE
    SET search_path TO ''
    AS $$
begin
  return (
    select array(
      select distinct d.account_id
      from jsonb_array_elements(p_plans) x join public.deliveries d on d.id = (x ->> 'delivery_id')::bigint
      where exists (select 1 from jsonb_array_elements(x -> 'legs') l where engine.is_entry(l))
    )
  );
end
$$;

ALTER FUNCTION engine.entering(p_plans jsonb) OWNER TO empire_engine;

--
-- Name: FUNCTION entering(p_plans jsonb); Type: COMMENT; Schema: engine; Owner: empire_engine
--

COMMENT ON FUNCTION engine.entering(p_plans jsonb) IS 'The accounts on which plans would open something.';

--
-- Name: entries_to_end(integer); Type: FUNCTION; Schema: engine; Owner: empire_engine
--

CREATE FUNCTION engine.entries_to_end(p_limit integer) RETURNS TABLE(order_id bigint, user_id uuid, account_id uuid, symbol text, why text)
    LANGUAGE plpgsql STABLE
    SET search_path TO ''
    AS $$
begin
  return query
    select o.id, o.user_id, o.account_id, coalesce(o.tv_symbol, o.symbol), x.why
    from public.orders o
    join public.broker_accounts a on a.id = o.account_id
    join public.profiles u on u.id = o.user_id
    left join public.webhook_endpoints w on w.id = o.endpoint_id
    cross join lateral (
      select case
        when o.expires_at <= clock_timestamp() then 'Its time is over.'
        when u.trading_halted or a.halted_by <> '{}' or u.status <> 'active' then 'Trading is halted.'
        when not a.trading_enabled then 'The account is disabled.'
        when a.locked_until > clock_timestamp() then 'The account is locked.'
        when w.enabled is false then 'The endpoint is disabled.'
      end as why
    ) x
    where o.status in ('working', 'partially_filled') and not o.reduce_only and o.kind = 'place' and o.origin <> 'broker'
      and x.why is not null
      and not exists (
        select 1 from engine.endings n
        where n.order_id = o.id and (n.ask_again_at > clock_timestamp() or exists (
          select 1 from public.deliveries d where d.event_id = n.event_id and d.status in ('queued', 'claimed')
        ))
      )
    order by o.account_id, o.id limit p_limit;
end
$$;

ALTER FUNCTION engine.entries_to_end(p_limit integer) OWNER TO empire_engine;

--
-- Name: FUNCTION entries_to_end(p_limit integer); Type: COMMENT; Schema: engine; Owner: empire_engine
--

COMMENT ON FUNCTION engine.entries_to_end(p_limit integer) IS 'Pending entries of ours that are to be canceled, with the reason: over their time, or nothing may be opened there any more. Not those that were asked for a while ago or whose cancel is under way.';

--
-- Name: executor_of(public.broker_connections, text); Type: FUNCTION; Schema: engine; Owner: empire_engine
--

CREATE FUNCTION engine.executor_of(c public.broker_connections, p_name text) RETURNS public.executor
    LANGUAGE sql IMMUTABLE
    SET search_path TO ''
    AS $$
  select case when c.executor = 'edge' and c.broker = 'topstepx' and p_name like 'PRAC-%' then 'fleet' end::public.executor
$$;

ALTER FUNCTION engine.executor_of(c public.broker_connections, p_name text) OWNER TO empire_engine;

--
-- Name: FUNCTION executor_of(c public.broker_connections, p_name text); Type: COMMENT; Schema: engine; Owner: empire_engine
--

COMMENT ON FUNCTION engine.executor_of(c public.broker_connections, p_name text) IS 'Who trades an account of a login: null = who trades the login; Topstep''s practice accounts need no device.';

--
-- Name: exits_in_flight(uuid, text, public.side, text, bigint); Type: FUNCTION; Schema: engine; Owner: empire_engine
--

CREATE FUNCTION engine.exits_in_flight(p_account uuid, p_root text, p_side public.side, p_position text, p_not_order bigint) RETURNS numeric
    LANGUAGE plpgsql STABLE
    SET search_path TO ''
    AS $$
begin
  return (
    select coalesce(sum(o.qty - o.filled_qty), 0) from public.orders o
    where o.account_id = p_account and o.root = p_root and o.side = p_side and o.reduce_only and o.type = 'market'
      and o.status in ('pending', 'submitting', 'working', 'partially_filled', 'unknown')
      and o.id is distinct from p_not_order
      and (p_position is null or o.position_id is null or o.position_id = p_position)
  );
end
$$;

ALTER FUNCTION engine.exits_in_flight(p_account uuid, p_root text, p_side public.side, p_position text, p_not_order bigint) OWNER TO empire_engine;

--
-- Name: FUNCTION exits_in_flight(p_account uuid, p_root text, p_side public.side, p_position text, p_not_order bigint); Type: COMMENT; Schema: engine; Owner: empire_engine
--

COMMENT ON FUNCTION engine.exits_in_flight(p_account uuid, p_root text, p_side public.side, p_position text, p_not_order bigint) IS 'What market exits of a root that have no final answer yet may still close.';

--
-- Name: fade(public.broker_accounts, public.freshness); Type: FUNCTION; Schema: engine; Owner: empire_engine
--

CREATE FUNCTION engine.fade(a public.broker_accounts, p_freshness public.freshness) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
begin
  -- Nothing becomes fresher without a read.
  if p_freshness > a.freshness then
    update public.broker_accounts set freshness = p_freshness where id = a.id;
  end if;
  update public.positions set freshness = p_freshness
  where account_id = a.id and closed_at is null and freshness < p_freshness;
end
$$;

ALTER FUNCTION engine.fade(a public.broker_accounts, p_freshness public.freshness) OWNER TO empire_engine;

--
-- Name: FUNCTION fade(a public.broker_accounts, p_freshness public.freshness); Type: COMMENT; Schema: engine; Owner: empire_engine
--

COMMENT ON FUNCTION engine.fade(a public.broker_accounts, p_freshness public.freshness) IS 'An account could not be read: what we know of it is stale, later unknown; never gone.';

--
-- Name: find_start(public.broker_accounts, engine.account_marks, engine.mark, timestamp with time zone); Type: FUNCTION; Schema: engine; Owner: empire_engine
--

CREATE FUNCTION engine.find_start(a public.broker_accounts, k engine.account_marks, m engine.mark, p_began timestamp with time zone) RETURNS engine.day_start
    LANGUAGE plpgsql STABLE
    SET search_path TO ''
    AS $$
declare
  c_near constant interval := '60 seconds';
  h public.equity_history;
  v_balance numeric;
begin
  if k.at between p_began - c_near and p_began and (m.at - p_began > p_began - k.at) is not false then
    return row(k.balance, k.equity, 'seen', false)::engine.day_start;
  elsif m.at - p_began <= c_near then
    return row(m.balance, m.equity, 'seen', true)::engine.day_start;
  end if;
  select e.* into h from public.equity_history e
  where e.account_id = a.id and e.timestamp between p_began - c_near and p_began + c_near
  order by abs(extract(epoch from e.timestamp - p_began)) limit 1;
  if found then
    return row(h.balance, h.equity, 'rebuilt', false)::engine.day_start;
  elsif k.at < p_began and k.is_flat and engine.was_flat(a.id, k.at, p_began)
    and abs(m.balance - k.balance - engine.net_between(a.id, k.at, m.at)) < 0.01 then
    -- Flat before, flat at the reset, and fills explain every cent since: so the balance then is known.
    v_balance := k.balance + engine.net_between(a.id, k.at, p_began);
    return row(v_balance, v_balance, 'rebuilt', false)::engine.day_start;
  elsif a.broker = 'paper' and m.balance is not null then
    -- Its book is ours: nobody else trades there, so its fills are all there is.
    v_balance := m.balance - engine.net_between(a.id, p_began, m.at);
    return row(v_balance, v_balance + (
      select coalesce(sum(p.unrealized_pnl), 0) from public.positions p
      where p.account_id = a.id and p.closed_at is null and p.opened_at <= p_began
    ), 'rebuilt', false)::engine.day_start;
  end if;
  return null;
end
$$;

ALTER FUNCTION engine.find_start(a public.broker_accounts, k engine.account_marks, m engine.mark, p_began timestamp with time zone) OWNER TO empire_engine;

--
-- Name: FUNCTION find_start(a public.broker_accounts, k engine.account_marks, m engine.mark, p_began timestamp with time zone); Type: COMMENT; Schema: engine; Owner: empire_engine
--

COMMENT ON FUNCTION engine.find_start(a public.broker_accounts, k engine.account_marks, m engine.mark, p_began timestamp with time zone) IS 'What an account was worth at a reset: by the nearest mark within a minute, else rebuilt from history or from fills where they suffice. k = the mark before m. Null = it cannot be known.';

--
-- Name: finish(jsonb); Type: FUNCTION; Schema: engine; Owner: empire_engine
--

CREATE FUNCTION engine.finish(p_ends jsonb) RETURNS bigint[]
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
declare
  v_ids constant bigint [] := coalesce(engine.delivery_ids(p_ends), '{}');
  v_accounts constant uuid [] := array(select distinct d.account_id from public.deliveries d where d.id = any (v_ids));
  v_sent bigint [];
  v_unknown bigint [];
  v_unsent bigint [];
  v_done bigint [];
begin
  select coalesce(array_agg(c.delivery_id) filter (where c.state = 'submitting'), '{}'),
    coalesce(array_agg(distinct c.delivery_id) filter (where c.state in ('submitting', 'unknown')), '{}'),
    coalesce(array_agg(distinct c.delivery_id) filter (where c.state not in ('accepted', 'unknown', 'submitting')), '{}')
  into v_sent, v_unknown, v_unsent
  from engine.commands c where c.delivery_id = any (v_ids);
  if v_sent <> '{}' then
    perform engine.make_unknown(v_sent);
  end if;
  v_done := array(select unnest(v_ids) except select unnest(v_unknown));
  v_unsent := array(select unnest(v_unsent) except select unnest(v_unknown));
  if v_unsent <> '{}' then
    perform engine.cancel_unsent(v_unsent, false, 'leg_not_filled');
    perform engine.release_trades(v_unsent);
  end if;
  perform engine.end_deliveries(p_ends, v_unknown);
  if v_unknown <> '{}' then
    -- The settler has the unknown ones from here; their lanes go on.
    update engine.queue set state = 'unsettled', token = null, worker = null, lease_until = null
    where id = any (v_unknown);
  end if;
  delete from engine.queue where id = any (v_done);
  -- Its own statement: its snapshot is younger than the delete and the lock on the accounts.
  if exists (select from engine.queue q where q.account_id = any (v_accounts) and q.state = 'waiting') then
    perform engine.promote(v_accounts);
  end if;
  perform engine.tell(v_ids);
  return array(select d.event_id from public.deliveries d where d.id = any (v_done));
end
$$;

ALTER FUNCTION engine.finish(p_ends jsonb) OWNER TO empire_engine;

--
-- Name: FUNCTION finish(p_ends jsonb); Type: COMMENT; Schema: engine; Owner: empire_engine
--

COMMENT ON FUNCTION engine.finish(p_ends jsonb) IS 'Ends deliveries (or hands them to the settler) and makes the next of their lanes ready; returns events to be closed. The caller holds the accounts.';

--
-- Name: finish_drill(bigint, bigint, text); Type: FUNCTION; Schema: engine; Owner: empire_engine
--

CREATE FUNCTION engine.finish_drill(p_run bigint, p_token bigint, p_error text) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
begin
  if not engine.holds_drill(p_run, p_token) then
    return false;
  end if;
  perform engine.rest_twins(p_run);
  update public.drill_runs r
  set status = case when p_error is null then 'done' else 'failed' end, error = left(p_error, 500), finished_at = clock_timestamp(),
    token = null, lease_until = null
  where r.id = p_run;
  perform engine.note(r.user_id, case when p_error is null and s.failed = 0 then 'info' else 'warning' end::public.log_level, 'drill',
    case when p_error is not null then format('The drill could not be finished: %s', left(p_error, 500))
      else format('%s of %s limits fired in the drill.', s.n - s.failed, s.n) end,
    jsonb_build_object('run_id', r.id, 'account_id', r.account_id, 'limits', s.n, 'failed', s.failed))
  from public.drill_runs r cross join lateral (
    select count(*) as n, count(*) filter (where not d.passed) as failed from public.drills d where d.run_id = r.id
  ) s where r.id = p_run;
  return true;
end
$$;

ALTER FUNCTION engine.finish_drill(p_run bigint, p_token bigint, p_error text) OWNER TO empire_engine;

--
-- Name: FUNCTION finish_drill(p_run bigint, p_token bigint, p_error text); Type: COMMENT; Schema: engine; Owner: empire_engine
--

COMMENT ON FUNCTION engine.finish_drill(p_run bigint, p_token bigint, p_error text) IS 'Ends a drill: its synthetic accounts rest, its owner reads how many limits fired. False = the lease is over.';

--
-- Name: first_free(engine.call_block[], integer, interval); Type: FUNCTION; Schema: engine; Owner: empire_engine
--

CREATE FUNCTION engine.first_free(p_blocks engine.call_block[], p_allowed integer, p_window interval) RETURNS timestamp with time zone
    LANGUAGE sql IMMUTABLE
    SET search_path TO ''
    AS $$
  select n.ends + p_window from (
    select b.ends, sum(b.calls) over (order by b.ends desc, b.id desc) as newer from unnest(p_blocks) b
  ) n
  where n.newer >= p_allowed order by n.ends desc limit 1
$$;

ALTER FUNCTION engine.first_free(p_blocks engine.call_block[], p_allowed integer, p_window interval) OWNER TO empire_engine;

--
-- Name: FUNCTION first_free(p_blocks engine.call_block[], p_allowed integer, p_window interval); Type: COMMENT; Schema: engine; Owner: empire_engine
--

COMMENT ON FUNCTION engine.first_free(p_blocks engine.call_block[], p_allowed integer, p_window interval) IS 'From when on a window has room for one request more; null = now.';

--
-- Name: flatten_again(uuid, text, timestamp with time zone); Type: FUNCTION; Schema: engine; Owner: empire_engine
--

CREATE FUNCTION engine.flatten_again(p_account uuid, p_rule text, p_seen_at timestamp with time zone) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
declare
  a public.broker_accounts;
  v_event bigint;
begin
  select x.* into a from public.broker_accounts x where x.id = p_account for no key update;
  if (select true from engine.locks_of(p_account) l where l.rule = p_rule and l.event_id is not null limit 1) is null
    or (
      -- One is on its way, or the read is older than what the last one has closed.
      select true from (
        select x.* from public.deliveries x where x.account_id = p_account order by x.id desc limit 500
      ) d
      where d.action = 'flatten' and d.lane = 'urgent' and (d.finished_at is null or d.finished_at > p_seen_at) limit 1
    )
  then
    return null;
  end if;
  v_event := nextval('public.webhook_events_id_seq');
  perform engine.store_intent(v_event, a.user_id, 'system', jsonb_build_object('version', 'unify.v1', 'intent',
    jsonb_build_object('action', 'flatten', 'comment', p_rule))::text, array[p_account]);
  perform engine.note(a.user_id, 'error', 'opened_behind_lock', format(
    '%s is locked because its limit %s was reached, and something was opened there since: it is being closed.',
    coalesce(a.label, a.account_id), replace(p_rule, '_', ' ')
  ), jsonb_build_object('account_id', p_account, 'rule', p_rule, 'seen_at', p_seen_at), v_event);
  return v_event;
end
$$;

ALTER FUNCTION engine.flatten_again(p_account uuid, p_rule text, p_seen_at timestamp with time zone) OWNER TO empire_engine;

--
-- Name: FUNCTION flatten_again(p_account uuid, p_rule text, p_seen_at timestamp with time zone); Type: COMMENT; Schema: engine; Owner: empire_engine
--

COMMENT ON FUNCTION engine.flatten_again(p_account uuid, p_rule text, p_seen_at timestamp with time zone) IS 'An account that a breach has flattened and locked was seen to hold something again, and the limit is still touched: it is flattened once more, and its owner is told. Null = not so, or a flatten newer than the read did it. Returns its event.';

--
-- Name: flatten_drift(public.broker_accounts); Type: FUNCTION; Schema: engine; Owner: empire_engine
--

CREATE FUNCTION engine.flatten_drift(a public.broker_accounts) RETURNS bigint
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
declare
  v_event bigint;
begin
  if (
    select true from engine.queue q join public.deliveries d on d.id = q.id
    where q.account_id = a.id and d.action = 'flatten' and d.symbol is null limit 1
  ) then
    return null;
  end if;
  v_event := nextval('public.webhook_events_id_seq');
  perform engine.store_intent(v_event, a.user_id, 'system', jsonb_build_object('version', 'unify.v1', 'intent',
    jsonb_build_object('action', 'flatten', 'comment', 'drift'))::text, array[a.id]);
  insert into public.logs (user_id, level, type, correlation_id, message, details)
  values (a.user_id, 'error', 'books_corrected', v_event, format(
    '%s: something was opened there that is not ours, and you have asked for that to be closed: it is being flattened.',
    coalesce(a.label, a.account_id)), jsonb_build_object('account_id', a.id));
  return v_event;
end
$$;

ALTER FUNCTION engine.flatten_drift(a public.broker_accounts) OWNER TO empire_engine;

--
-- Name: FUNCTION flatten_drift(a public.broker_accounts); Type: COMMENT; Schema: engine; Owner: empire_engine
--

COMMENT ON FUNCTION engine.flatten_drift(a public.broker_accounts) IS 'Closes everything on an account whose owner wants nothing there but ours. Null = that is on its way.';

--
-- Name: flow_in(engine.account_marks, engine.mark, numeric); Type: FUNCTION; Schema: engine; Owner: empire_engine
--

CREATE FUNCTION engine.flow_in(k engine.account_marks, m engine.mark, p_new numeric) RETURNS numeric
    LANGUAGE plpgsql IMMUTABLE
    SET search_path TO ''
    AS $$
declare
  v_rest constant numeric := m.balance - k.base_balance - p_new;
  v_same constant boolean := m.positions = k.base_positions;
  v_gap constant interval := m.at - k.base_at;
begin
  -- A limit on losses must not be talked away: what falls is a loss unless no trade can lie in between, what rises was
  -- paid in unless a trade was closed in between.
  if abs(v_rest) < 0.01 then
    return 0;
  elsif v_rest > 0 then
    return case when v_same or v_gap > interval '10 minutes' then v_rest else 0 end;
  end if;
  return case when v_same and m.is_flat and v_gap <= interval '60 seconds' then v_rest else 0 end;
end
$$;

ALTER FUNCTION engine.flow_in(k engine.account_marks, m engine.mark, p_new numeric) OWNER TO empire_engine;

--
-- Name: FUNCTION flow_in(k engine.account_marks, m engine.mark, p_new numeric); Type: COMMENT; Schema: engine; Owner: empire_engine
--

COMMENT ON FUNCTION engine.flow_in(k engine.account_marks, m engine.mark, p_new numeric) IS 'How much of the change of a balance since the base was paid in (or out, negative): what fills (p_new) do not explain.';

--
-- Name: forget_deliveries(timestamp with time zone, integer); Type: FUNCTION; Schema: engine; Owner: empire_engine
--

CREATE FUNCTION engine.forget_deliveries(p_before timestamp with time zone, p_limit integer) RETURNS integer
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
declare
  v_ids constant bigint [] := array(
    select d.id from public.webhook_events e join public.deliveries d on d.event_id = e.id
    where e.received_at < p_before and d.status in ('done', 'dead')
    order by e.received_at, d.id limit p_limit
  );
begin
  -- Orders outlive their alert. All at once here, not one by one by the foreign key.
  update public.orders set delivery_id = null where delivery_id = any (v_ids);
  delete from engine.commands where delivery_id = any (v_ids);
  delete from engine.reservations where delivery_id = any (v_ids);
  delete from engine.dead_letters where delivery_id = any (v_ids);
  delete from public.deliveries where id = any (v_ids);
  return cardinality(v_ids);
end
$$;

ALTER FUNCTION engine.forget_deliveries(p_before timestamp with time zone, p_limit integer) OWNER TO empire_engine;

--
-- Name: FUNCTION forget_deliveries(p_before timestamp with time zone, p_limit integer); Type: COMMENT; Schema: engine; Owner: empire_engine
--

COMMENT ON FUNCTION engine.forget_deliveries(p_before timestamp with time zone, p_limit integer) IS 'Deletes ended deliveries of alerts received before a time, with their commands. One that is not done is kept however old it is. Returns how many.';

--
-- Name: forget_events(timestamp with time zone, integer); Type: FUNCTION; Schema: engine; Owner: empire_engine
--

CREATE FUNCTION engine.forget_events(p_before timestamp with time zone, p_limit integer) RETURNS integer
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
declare
  v_n integer;
begin
  delete from public.webhook_events where id = any (array(
    select e.id from public.webhook_events e
    where e.received_at < p_before and not exists (select 1 from public.deliveries d where d.event_id = e.id)
    order by e.received_at limit p_limit
  ));
  get diagnostics v_n = row_count;
  return v_n;
end
$$;

ALTER FUNCTION engine.forget_events(p_before timestamp with time zone, p_limit integer) OWNER TO empire_engine;

--
-- Name: FUNCTION forget_events(p_before timestamp with time zone, p_limit integer); Type: COMMENT; Schema: engine; Owner: empire_engine
--

COMMENT ON FUNCTION engine.forget_events(p_before timestamp with time zone, p_limit integer) IS 'Deletes alerts received before a time that have no delivery (any more), refused ones too. Returns how many.';

--
-- Name: give_back(bigint, integer); Type: FUNCTION; Schema: engine; Owner: empire_engine
--

CREATE FUNCTION engine.give_back(p_delivery bigint, p_ms integer) RETURNS void
    LANGUAGE sql
    SET search_path TO ''
    AS $$
  update engine.queue
  set state = 'ready', token = null, worker = null, lease_until = null,
    run_at = clock_timestamp() + make_interval(secs => greatest(p_ms, 0) / 1000.0)
  where id = p_delivery
$$;

ALTER FUNCTION engine.give_back(p_delivery bigint, p_ms integer) OWNER TO empire_engine;

--
-- Name: FUNCTION give_back(p_delivery bigint, p_ms integer); Type: COMMENT; Schema: engine; Owner: empire_engine
--

COMMENT ON FUNCTION engine.give_back(p_delivery bigint, p_ms integer) IS 'A claimed row becomes the ready head again, not before the given delay. The caller holds the account row.';

--
-- Name: had_flows(public.broker_accounts, date); Type: FUNCTION; Schema: engine; Owner: empire_engine
--

CREATE FUNCTION engine.had_flows(a public.broker_accounts, p_day date) RETURNS boolean
    LANGUAGE plpgsql STABLE
    SET search_path TO ''
    AS $$
begin
  return exists (
    select 1 from engine.account_days d
    where d.account_id = a.id and d.flows <> 0 and d.ends_at > engine.day_began(a.timezone, a.reset_time, p_day)
  );
end
$$;

ALTER FUNCTION engine.had_flows(a public.broker_accounts, p_day date) OWNER TO empire_engine;

--
-- Name: FUNCTION had_flows(a public.broker_accounts, p_day date); Type: COMMENT; Schema: engine; Owner: empire_engine
--

COMMENT ON FUNCTION engine.had_flows(a public.broker_accounts, p_day date) IS 'Whether something was paid in or out in days that reach into this one: after a change of zone or reset nobody knows on which side of the new reset that was.';

--
-- Name: halt(uuid[], boolean, text, bigint, bigint); Type: FUNCTION; Schema: engine; Owner: empire_engine
--

CREATE FUNCTION engine.halt(p_accounts uuid[], p_all boolean, p_symbol text, p_before bigint, p_by bigint) RETURNS bigint[]
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
declare
  v_events bigint [];
begin
  update public.broker_accounts set halt_epoch = halt_epoch + 1 where id = any (p_accounts);
  v_events := engine.end_waiting(array(
    select q.id from engine.queue q
    where q.account_id = any (p_accounts) and q.id < p_before and q.state in ('waiting', 'ready')
      and (not q.is_exit or p_all or q.symbol = p_symbol)
  ), p_by);
  -- An entry written ahead and not begun is provably unsent, and never will be sent now.
  perform engine.cancel_unsent(array(
    select q.id from engine.queue q where q.account_id = any (p_accounts) and q.id < p_before
  ), true, 'halted');
  -- What the halt does not cover keeps its right: later arrivals, exits of other symbols, protection still to be sent.
  update public.deliveries d set halt_epoch = a.halt_epoch
  from engine.queue q join public.broker_accounts a on a.id = q.account_id
  where q.account_id = any (p_accounts) and d.id = q.id and (
    q.id >= p_before or (not p_all and (q.symbol = p_symbol) is not true and (q.is_exit or (
      select true from engine.commands c where c.delivery_id = q.id and c.state not in ('pending', 'canceled') limit 1
    )))
  );
  return v_events;
end
$$;

ALTER FUNCTION engine.halt(p_accounts uuid[], p_all boolean, p_symbol text, p_before bigint, p_by bigint) OWNER TO empire_engine;

--
-- Name: FUNCTION halt(p_accounts uuid[], p_all boolean, p_symbol text, p_before bigint, p_by bigint); Type: COMMENT; Schema: engine; Owner: empire_engine
--

COMMENT ON FUNCTION engine.halt(p_accounts uuid[], p_all boolean, p_symbol text, p_before bigint, p_by bigint) IS 'Raises the halt epoch: nothing older may be sent, except exits it does not cover (it covers all, or those of a symbol, or with null none). Returns events to be closed. The caller holds the accounts.';

--
-- Name: hand_out_calls(text, jsonb); Type: FUNCTION; Schema: engine; Owner: empire_engine
--

CREATE FUNCTION engine.hand_out_calls(p_worker text, p_ask jsonb) RETURNS jsonb
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
declare
  c_connection constant uuid := p_ask ->> 'connection_id';
  c_route constant text := p_ask ->> 'route';
  c_window constant interval := (p_ask ->> 'window_ms')::numeric * interval '1 millisecond';
  c_life constant interval := (p_ask ->> 'life_ms')::numeric * interval '1 millisecond';
  v_row engine.call_windows;
  v_now timestamptz;
  d record;
begin
  select * into v_row from engine.call_windows w where w.connection_id = c_connection and w.route = c_route for update;
  if not found then
    insert into engine.call_windows (connection_id, route) values (c_connection, c_route) on conflict do nothing;
    select * into v_row from engine.call_windows w where w.connection_id = c_connection and w.route = c_route for update;
  end if;
  v_now := clock_timestamp();
  v_row.blocks := engine.blocks_left(v_row.blocks, p_worker, p_ask -> 'used', c_window, v_now);
  v_row.paused_until := greatest(v_row.paused_until, v_now + (p_ask ->> 'pause_ms')::numeric * interval '1 millisecond');
  if v_row.worker <> p_worker then
    v_row.shared_at := v_now;
  end if;
  select x.* into d from engine.deal(v_row, p_worker, p_ask, v_now) x;
  v_row := d.w;
  update engine.call_windows w
  set blocks = v_row.blocks, last_block = v_row.last_block, worker = p_worker, shared_at = v_row.shared_at, paused_until = v_row.paused_until,
    waiter = v_row.waiter, waiter_looks_on = v_row.waiter_looks_on, waiter_until = v_row.waiter_until
  where w.connection_id = c_connection and w.route = c_route;
  return jsonb_build_object(
    'block', v_row.last_block, 'calls', d.calls,
    'from_ms', ceil(extract(epoch from d.starts - v_now) * 1000),
    'until_ms', floor(extract(epoch from d.starts - v_now + c_life) * 1000),
    'wait_ms', ceil(extract(epoch from d.wait) * 1000)
  );
end
$$;

ALTER FUNCTION engine.hand_out_calls(p_worker text, p_ask jsonb) OWNER TO empire_engine;

--
-- Name: FUNCTION hand_out_calls(p_worker text, p_ask jsonb); Type: COMMENT; Schema: engine; Owner: empire_engine
--

COMMENT ON FUNCTION engine.hand_out_calls(p_worker text, p_ask jsonb) IS 'One ask of engine.reserve_calls: the caller''s reports are believed, then a block of what is left is handed out.';

--
-- Name: has_work_for(uuid, text, bigint[]); Type: FUNCTION; Schema: engine; Owner: empire_engine
--

CREATE FUNCTION engine.has_work_for(p_connection uuid, p_worker text, p_tokens bigint[]) RETURNS boolean
    LANGUAGE plpgsql STABLE
    SET search_path TO ''
    AS $$
begin
  return exists (
    select 1 from engine.queue q join public.broker_accounts a on a.id = q.account_id
    where a.connection_id = p_connection and q.state = 'claimed' and q.worker = p_worker
      and q.token = any (p_tokens) and q.lease_until > clock_timestamp()
  ) or exists (
    select 1 from engine.commands c join public.broker_accounts a on a.id = c.account_id
    where a.connection_id = p_connection and c.state = 'unknown' and c.checker = any (p_tokens)
      and c.check_at > clock_timestamp()
  ) or exists (
    select 1 from engine.connection_checks k
    where k.connection_id = p_connection and k.worker = p_worker and k.token = any (p_tokens)
      and k.lease_until > clock_timestamp()
  ) or exists (
    select 1 from public.broker_accounts a join engine.account_marks w on w.account_id = a.id
    where a.connection_id = p_connection and w.worker = p_worker and w.token = any (p_tokens)
      and w.lease_until > clock_timestamp()
  ) or exists (
    select 1 from engine.drill_twins t join public.drill_runs r on r.id = t.run_id
    where t.connection_id = p_connection and r.token = any (p_tokens) and r.lease_until > clock_timestamp()
  );
end
$$;

ALTER FUNCTION engine.has_work_for(p_connection uuid, p_worker text, p_tokens bigint[]) OWNER TO empire_engine;

--
-- Name: FUNCTION has_work_for(p_connection uuid, p_worker text, p_tokens bigint[]); Type: COMMENT; Schema: engine; Owner: empire_engine
--

COMMENT ON FUNCTION engine.has_work_for(p_connection uuid, p_worker text, p_tokens bigint[]) IS 'Whether one of these tokens is a live lease on something of this connection: a delivery, an unknown order, a check, an account that is read.';

--
-- Name: heartbeat(text, bigint[], integer); Type: FUNCTION; Schema: engine; Owner: empire_engine
--

CREATE FUNCTION engine.heartbeat(p_worker text, p_tokens bigint[], p_lease_ms integer) RETURNS jsonb
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    SET plan_cache_mode TO 'force_generic_plan'
    SET enable_seqscan TO 'off'
    AS $$
declare
  v_now constant timestamptz := clock_timestamp();
  v_alive bigint [];
begin
  perform set_config('synchronous_commit', 'off', true);
  -- A lease that ran out is not revived, even if nobody has taken it yet: its holder may have been stopped for a while.
  with extended as (
    update engine.queue set lease_until = v_now + make_interval(secs => p_lease_ms / 1000.0)
    where state = 'claimed' and lease_until > v_now and worker = p_worker and token = any (p_tokens)
    returning token
  )
  select array_agg(distinct x.token) into v_alive from extended x;
  return jsonb_build_object('alive', coalesce(to_jsonb(v_alive), '[]'));
end
$$;

ALTER FUNCTION engine.heartbeat(p_worker text, p_tokens bigint[], p_lease_ms integer) OWNER TO empire_engine;

--
-- Name: FUNCTION heartbeat(p_worker text, p_tokens bigint[], p_lease_ms integer); Type: COMMENT; Schema: engine; Owner: empire_engine
--

COMMENT ON FUNCTION engine.heartbeat(p_worker text, p_tokens bigint[], p_lease_ms integer) IS 'Extends the leases of a worker''s claims; a token that is missing in the answer is lost: nothing may be sent under it.';

--
-- Name: held(jsonb, boolean); Type: FUNCTION; Schema: engine; Owner: empire_engine
--

CREATE FUNCTION engine.held(p jsonb, p_alive boolean) RETURNS bigint[]
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
declare
  v_held bigint [];
begin
  with mine as (
    select q.id from jsonb_array_elements(p) x join engine.queue q
      on q.id = (x ->> 'delivery_id')::bigint and q.token = (x ->> 'token')::bigint
    where q.state = 'claimed' and (q.lease_until > clock_timestamp() or not p_alive)
    order by q.id for update of q
  )
  select coalesce(array_agg(m.id), '{}') into v_held from mine m;
  return v_held;
end
$$;

ALTER FUNCTION engine.held(p jsonb, p_alive boolean) OWNER TO empire_engine;

--
-- Name: FUNCTION held(p jsonb, p_alive boolean); Type: COMMENT; Schema: engine; Owner: empire_engine
--

COMMENT ON FUNCTION engine.held(p jsonb, p_alive boolean) IS 'The fence: which deliveries each element''s token still holds (p_alive: with a lease that has not run out), their queue rows locked.';

--
-- Name: held_by_tag(public.deliveries); Type: FUNCTION; Schema: engine; Owner: empire_engine
--

CREATE FUNCTION engine.held_by_tag(d public.deliveries) RETURNS jsonb
    LANGUAGE plpgsql STABLE
    SET search_path TO ''
    AS $$
begin
  return (
    select coalesce(jsonb_object_agg(r.root, r.qty), '{}') from (
      select p.root, sum(case p.side when 'buy' then 1 else -1 end * engine.lots_of(p, d.tag)) as qty
      from public.positions p where p.account_id = d.account_id and p.closed_at is null group by p.root
    ) r
  );
end
$$;

ALTER FUNCTION engine.held_by_tag(d public.deliveries) OWNER TO empire_engine;

--
-- Name: FUNCTION held_by_tag(d public.deliveries); Type: COMMENT; Schema: engine; Owner: empire_engine
--

COMMENT ON FUNCTION engine.held_by_tag(d public.deliveries) IS 'Per root the signed quantity that fills with the delivery''s tag still hold of its account''s net positions.';

--
-- Name: hide(text); Type: FUNCTION; Schema: engine; Owner: empire_engine
--

CREATE FUNCTION engine.hide(p_text text) RETURNS text
    LANGUAGE sql IMMUTABLE
    SET search_path TO ''
    AS $$
  select regexp_replace(p_text,
    '[a-z0-9]{1,8}\.[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\.[0-9]{1,9}\.[A-Za-z0-9_-]{22}'
    || '|whsec_[A-Za-z0-9_-]*|eth_[A-Za-z0-9]{8}_[A-Za-z0-9]{43}|sb_secret_[A-Za-z0-9_-]+'
    || '|eyJ[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*',
    '[redacted]', 'g')
$$;

ALTER FUNCTION engine.hide(p_text text) OWNER TO empire_engine;

--
-- Name: FUNCTION hide(p_text text); Type: COMMENT; Schema: engine; Owner: empire_engine
--

COMMENT ON FUNCTION engine.hide(p_text text) IS 'The text without what is a secret by its look: endpoint tokens, signing secrets, API keys, JWTs. As redact.ts at the door.';

--
-- Name: holds_drill(bigint, bigint); Type: FUNCTION; Schema: engine; Owner: empire_engine
--

CREATE FUNCTION engine.holds_drill(p_run bigint, p_token bigint) RETURNS boolean
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
begin
  update public.drill_runs d set lease_until = greatest(d.lease_until, clock_timestamp() + interval '30 seconds')
  where d.id = p_run and d.token = p_token and d.status = 'running' and d.lease_until > clock_timestamp();
  return found;
end
$$;

ALTER FUNCTION engine.holds_drill(p_run bigint, p_token bigint) OWNER TO empire_engine;

--
-- Name: FUNCTION holds_drill(p_run bigint, p_token bigint); Type: COMMENT; Schema: engine; Owner: empire_engine
--

COMMENT ON FUNCTION engine.holds_drill(p_run bigint, p_token bigint) IS 'Whether a token is the live lease of a drill; it lives half a minute longer then.';

--
-- Name: housekeeping(integer); Type: FUNCTION; Schema: engine; Owner: empire_engine
--

CREATE FUNCTION engine.housekeeping(p_limit integer DEFAULT 2000) RETURNS jsonb
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
declare
  c_keep constant timestamptz := now() - interval '90 days';
  v_dedupe integer;
  v_deliveries integer;
  v_events integer;
  v_logs integer;
  v_notifications integer;
  v_outbox integer;
begin
  -- Every worker asks; one at a time is enough.
  if not pg_try_advisory_xact_lock(hashtextextended('engine.housekeeping', 0)) then
    return '{"more": false}';
  end if;
  perform engine.apply_account_settings();
  -- Small batches: a long delete would hold back vacuum of the queue.
  delete from engine.dedupe where ctid = any (array(select d.ctid from engine.dedupe d where d.expires_at < now() limit p_limit));
  get diagnostics v_dedupe = row_count;
  v_deliveries := engine.forget_deliveries(c_keep, p_limit);
  v_events := engine.forget_events(c_keep, p_limit);
  delete from public.logs where id = any (array(select l.id from public.logs l where l.created_at < c_keep limit p_limit));
  get diagnostics v_logs = row_count;
  delete from public.notifications where id = any (array(
    select n.id from public.notifications n where n.created_at < c_keep limit p_limit
  ));
  get diagnostics v_notifications = row_count;
  -- Nothing is left here for so long unless no relay runs: then nobody wants it.
  delete from engine.outbox where id = any (array(
    select o.id from engine.outbox o where o.created_at < c_keep order by o.id limit p_limit
  ));
  get diagnostics v_outbox = row_count;
  delete from engine.alarms where at < c_keep;
  delete from engine.notification_codes where expires_at < now() - interval '1 day';
  delete from engine.endpoint_counters where window_start < now() - interval '2 days';
  delete from engine.scope_counters where trading_day < now() - interval '100 days';
  delete from engine.endings where ask_again_at < now() - interval '1 day';
  delete from engine.workers where seen_at < now() - interval '1 day';
  return jsonb_build_object(
    'dedupe', v_dedupe, 'deliveries', v_deliveries, 'events', v_events, 'logs', v_logs,
    'notifications', v_notifications, 'outbox', v_outbox,
    'more', greatest(v_dedupe, v_deliveries, v_events, v_logs, v_notifications, v_outbox) >= p_limit
  );
end
$$;

ALTER FUNCTION engine.housekeeping(p_limit integer) OWNER TO empire_engine;

--
-- Name: FUNCTION housekeeping(p_limit integer); Type: COMMENT; Schema: engine; Owner: empire_engine
--

COMMENT ON FUNCTION engine.housekeeping(p_limit integer) IS 'Forgets what need not be remembered, a small batch of each kind; more = there is more of something.';

--
-- Name: hung_exits(integer); Type: FUNCTION; Schema: engine; Owner: empire_engine
--

CREATE FUNCTION engine.hung_exits(p_limit integer) RETURNS bigint[]
    LANGUAGE plpgsql STABLE
    SET search_path TO ''
    AS $$
begin
  return (
    select array(
      select q.id
      from engine.queue h
      join engine.queue q on q.account_id = h.account_id and q.lane = 'normal' and q.state = 'waiting' and q.is_exit
      join public.deliveries d on d.id = q.id
      where h.lane = 'normal' and h.state in ('ready', 'claimed')
        and h.held_since < clock_timestamp() - interval '5 seconds'
        and d.created_at < clock_timestamp() - interval '5 seconds' and not d.dry_run
      order by q.id limit p_limit
    )
  );
end
$$;

ALTER FUNCTION engine.hung_exits(p_limit integer) OWNER TO empire_engine;

--
-- Name: FUNCTION hung_exits(p_limit integer); Type: COMMENT; Schema: engine; Owner: empire_engine
--

COMMENT ON FUNCTION engine.hung_exits(p_limit integer) IS 'Exits of alerts that have waited 5 s behind a head which has held its lane for 5 s.';

--
-- Name: account_identities; Type: TABLE; Schema: engine; Owner: postgres
--

CREATE TABLE engine.account_identities (
    id bigint NOT NULL,
    broker public.broker NOT NULL,
    environment public.environment NOT NULL,
    server text NOT NULL,
    login text NOT NULL,
    account_number text NOT NULL,
    accounts uuid[] NOT NULL,
    locked_until timestamp with time zone,
    lock_reason text,
    initial_balance numeric,
    created_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL
);

ALTER TABLE engine.account_identities OWNER TO postgres;

--
-- Name: TABLE account_identities; Type: COMMENT; Schema: engine; Owner: postgres
--

COMMENT ON TABLE engine.account_identities IS 'Accounts as the brokers know them: (broker, environment, server, login, number), and every row of ours that was one. Never deleted.';

--
-- Name: COLUMN account_identities.login; Type: COMMENT; Schema: engine; Owner: postgres
--

COMMENT ON COLUMN engine.account_identities.login IS 'Lower case. Where no login is known (paper) our own id: such an account is play money that begins anew.';

--
-- Name: COLUMN account_identities.locked_until; Type: COMMENT; Schema: engine; Owner: postgres
--

COMMENT ON COLUMN engine.account_identities.locked_until IS 'The lock of the account, whichever row got it.';

--
-- Name: identity_of(uuid); Type: FUNCTION; Schema: engine; Owner: empire_engine
--

CREATE FUNCTION engine.identity_of(p_account uuid) RETURNS engine.account_identities
    LANGUAGE plpgsql STABLE
    SET search_path TO ''
    AS $$
begin
  return (select i from engine.account_identities i where i.accounts @> array[p_account] limit 1);
end
$$;

ALTER FUNCTION engine.identity_of(p_account uuid) OWNER TO empire_engine;

--
-- Name: FUNCTION identity_of(p_account uuid); Type: COMMENT; Schema: engine; Owner: empire_engine
--

COMMENT ON FUNCTION engine.identity_of(p_account uuid) IS 'The account at its broker that a row of ours is.';

--
-- Name: in_every_list(jsonb); Type: FUNCTION; Schema: engine; Owner: empire_engine
--

CREATE FUNCTION engine.in_every_list(p_lists jsonb) RETURNS jsonb
    LANGUAGE sql IMMUTABLE
    SET search_path TO ''
    AS $$
  select coalesce(jsonb_agg(s.symbol), '[]') from (
    select engine.symbol_key(m.symbol) as symbol
    from jsonb_array_elements(p_lists) with ordinality as l (list, nth), jsonb_array_elements_text(l.list) as m (symbol)
    group by 1 having count(distinct l.nth) = jsonb_array_length(p_lists)
  ) s
$$;

ALTER FUNCTION engine.in_every_list(p_lists jsonb) OWNER TO empire_engine;

--
-- Name: FUNCTION in_every_list(p_lists jsonb); Type: COMMENT; Schema: engine; Owner: empire_engine
--

COMMENT ON FUNCTION engine.in_every_list(p_lists jsonb) IS 'The symbols that each of several lists holds, by their keys.';

--
-- Name: in_flight_json(public.broker_accounts, bigint); Type: FUNCTION; Schema: engine; Owner: empire_engine
--

CREATE FUNCTION engine.in_flight_json(a public.broker_accounts, p_delivery bigint) RETURNS jsonb
    LANGUAGE plpgsql STABLE
    SET search_path TO ''
    AS $$
begin
  return (
    select jsonb_build_object(
      'in_flight_loss', coalesce(sum(coalesce(
        (r.loss ->> o.leg::text)::numeric, (k.request ->> 'worst_loss')::numeric, engine.assumed_loss(a)
      ) * (o.qty - o.filled_qty) / o.qty), 0),
      'in_flight', coalesce(jsonb_agg(jsonb_build_object(
        'root', o.root, 'side', o.side, 'qty', o.qty - o.filled_qty,
        'notional_usd', (r.notional_usd ->> o.leg::text)::numeric * (o.qty - o.filled_qty) / o.qty
      ) order by o.id), '[]')
    )
    from public.orders o
    left join engine.commands k on k.delivery_id = o.delivery_id and k.leg = o.leg
    left join engine.reservations r on r.delivery_id = o.delivery_id
    where o.account_id = a.id and o.status in ('pending', 'submitting', 'working', 'partially_filled', 'unknown')
      and not o.reduce_only and o.kind = 'place' and o.qty > o.filled_qty and o.delivery_id is distinct from p_delivery
  );
end
$$;

ALTER FUNCTION engine.in_flight_json(a public.broker_accounts, p_delivery bigint) OWNER TO empire_engine;

--
-- Name: FUNCTION in_flight_json(a public.broker_accounts, p_delivery bigint); Type: COMMENT; Schema: engine; Owner: empire_engine
--

COMMENT ON FUNCTION engine.in_flight_json(a public.broker_accounts, p_delivery bigint) IS 'Entries of other deliveries that are admitted and no position yet (pending, sent, unknown, working), and what they lose at worst.';

--
-- Name: in_words(jsonb); Type: FUNCTION; Schema: engine; Owner: empire_engine
--

CREATE FUNCTION engine.in_words(p_numbers jsonb) RETURNS text
    LANGUAGE sql IMMUTABLE
    SET search_path TO ''
    AS $$
  select coalesce(string_agg(format('%s %s', replace(n.key, '_', ' '), n.value), ', ' order by n.key), '')
  from jsonb_each_text(p_numbers) n
$$;

ALTER FUNCTION engine.in_words(p_numbers jsonb) OWNER TO empire_engine;

--
-- Name: FUNCTION in_words(p_numbers jsonb); Type: COMMENT; Schema: engine; Owner: empire_engine
--

COMMENT ON FUNCTION engine.in_words(p_numbers jsonb) IS 'Numbers as a trader reads them in a sentence.';

--
-- Name: ingest(jsonb, boolean); Type: FUNCTION; Schema: engine; Owner: empire_engine
--

CREATE FUNCTION engine.ingest(p_alerts jsonb, p_patient boolean DEFAULT true) RETURNS jsonb
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    SET plan_cache_mode TO 'force_generic_plan'
    SET enable_seqscan TO 'off'
    AS $$
declare
  v_answers jsonb [] := array_fill(null::jsonb, array[jsonb_array_length(p_alerts)]);
  v_candidates engine.candidate [] := '{}';
  e public.webhook_endpoints;
  r engine.alert;
  v_judged record;
  x record;
begin
  if not p_patient then
    -- Nobody's alert waits long behind the locked account of another: the caller then tries each alone.
    perform set_config('lock_timeout', '250ms', true);
  end if;
  -- In one order, because a refusal is counted under a lock.
  for x in
    select t.said, t.nth::integer as nth from jsonb_array_elements(p_alerts) with ordinality as t (said, nth)
    order by t.said ->> 'endpoint_id', t.nth
  loop
    r := engine.read_alert(x.said);
    select w.* into e from public.webhook_endpoints w
    join public.profiles u on u.id = w.user_id and u.status = 'active'
    where w.id = r.endpoint_id and w.enabled and (
      w.token_version = r.token_version
      or (w.token_version = r.token_version + 1 and w.previous_valid_until > clock_timestamp())
    );
    if not found then
      v_answers[x.nth] := '{"http": 401, "error": "unauthorized", "message": "This address is not valid (any more)."}';
      continue;
    end if;
    v_judged := engine.judge_alert(e, x.said, r);
    v_answers[x.nth] := v_judged.answer;
    if v_judged.answer is null then
      v_candidates := v_candidates || row(x.nth, x.said, r, e, v_judged.accounts, null)::engine.candidate;
    end if;
  end loop;
  if v_candidates <> '{}' then
    for x in
      select a.nth, a.answer from engine.accept_alerts(array(
        select row(c.nth, c.said, c.alert, c.endpoint, c.accounts, nextval('public.webhook_events_id_seq'))::engine.candidate
        from (select u.* from unnest(v_candidates) u order by u.nth) c
      )) a
    loop
      v_answers[x.nth] := x.answer;
    end loop;
  end if;
  return to_jsonb(v_answers);
end
$$;

ALTER FUNCTION engine.ingest(p_alerts jsonb, p_patient boolean) OWNER TO empire_engine;

--
-- Name: FUNCTION ingest(p_alerts jsonb, p_patient boolean); Type: COMMENT; Schema: engine; Owner: empire_engine
--

COMMENT ON FUNCTION engine.ingest(p_alerts jsonb, p_patient boolean) IS 'The webhook''s one call, for one alert or for several that arrived together: endpoint, age, dedupe, limits, inbox, deliveries, queue. Takes credentials, never a user. Returns the HTTP answers in the order given. Not patient: gives up (55P03) when a lock is not to be had in 250 ms.';

--
-- Name: inherit_days(uuid, uuid, uuid[]); Type: FUNCTION; Schema: engine; Owner: empire_engine
--

CREATE FUNCTION engine.inherit_days(p_account uuid, p_user uuid, p_before uuid[]) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
begin
  insert into engine.account_marks (account_id, at, balance, equity, is_flat, high_close, peak_equity)
  select p_account, m.at, m.balance, m.equity, m.is_flat, h.high_close, h.peak_equity
  from (
    select max(x.high_close) as high_close, max(x.peak_equity) as peak_equity
    from engine.account_marks x where x.account_id = any (p_before)
  ) h
  left join lateral (
    select x.* from engine.account_marks x where x.account_id = any (p_before) and x.at is not null
    order by x.at desc limit 1
  ) m on true
  on conflict (account_id) do nothing;
  if p_before = '{}' then
    return;
  end if;
  insert into engine.account_days (
    account_id, trading_day, trades, realised, began_at, ends_at, start_balance, start_equity, source, flows, high_water,
    low_water, close_balance, close_equity, net
  )
  select distinct on (d.trading_day) p_account, d.trading_day, d.trades, d.realised, d.began_at, d.ends_at,
    d.start_balance, d.start_equity, d.source, d.flows, d.high_water, d.low_water, d.close_balance, d.close_equity, d.net
  from engine.account_days d where d.account_id = any (p_before)
  order by d.trading_day, d.source nulls last, d.began_at
  on conflict (account_id, trading_day) do nothing;
  insert into engine.scope_counters (user_id, scope, trading_day, trades)
  select p_user, p_account::text, s.trading_day, max(s.trades) from engine.scope_counters s
  where s.scope = any (p_before::text []) and s.trading_day > current_date - 3 group by s.trading_day
  on conflict on constraint one_counter_per_scope_and_day do nothing;
end
$$;

ALTER FUNCTION engine.inherit_days(p_account uuid, p_user uuid, p_before uuid[]) OWNER TO empire_engine;

--
-- Name: FUNCTION inherit_days(p_account uuid, p_user uuid, p_before uuid[]); Type: COMMENT; Schema: engine; Owner: empire_engine
--

COMMENT ON FUNCTION engine.inherit_days(p_account uuid, p_user uuid, p_before uuid[]) IS 'A new row of an account begins with the marks, the days and the last days'' counters that its earlier rows had.';

--
-- Name: invalid_intent(text); Type: FUNCTION; Schema: engine; Owner: empire_engine
--

CREATE FUNCTION engine.invalid_intent(p_message text) RETURNS jsonb
    LANGUAGE sql IMMUTABLE
    SET search_path TO ''
    AS $$
  select jsonb_build_object('http', 422, 'error', 'invalid', 'message', p_message)
$$;

ALTER FUNCTION engine.invalid_intent(p_message text) OWNER TO empire_engine;

--
-- Name: FUNCTION invalid_intent(p_message text); Type: COMMENT; Schema: engine; Owner: empire_engine
--

COMMENT ON FUNCTION engine.invalid_intent(p_message text) IS 'The answer to an intent that makes no sense.';

--
-- Name: invariant_rows(); Type: FUNCTION; Schema: engine; Owner: empire_engine
--

CREATE FUNCTION engine.invariant_rows() RETURNS jsonb
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path TO ''
    AS $$
declare
  v record;
  v_n bigint;
  v_all jsonb := '{}';
begin
  for v in select c.relname from pg_catalog.pg_class c
    where c.relnamespace = 'engine'::regnamespace and c.relkind = 'v' and c.relname like 'invariant\_%' order by 1
  loop
    execute format('select count(*) from engine.%I', v.relname) into v_n;
    v_all := v_all || jsonb_build_object(v.relname, v_n);
  end loop;
  return v_all;
end
$$;

ALTER FUNCTION engine.invariant_rows() OWNER TO empire_engine;

--
-- Name: FUNCTION invariant_rows(); Type: COMMENT; Schema: engine; Owner: empire_engine
--

COMMENT ON FUNCTION engine.invariant_rows() IS 'Rows in each invariant view: all must be 0.';

--
-- Name: is_claimed(engine.commands, jsonb); Type: FUNCTION; Schema: engine; Owner: empire_engine
--

CREATE FUNCTION engine.is_claimed(k engine.commands, p_command jsonb) RETURNS boolean
    LANGUAGE sql STABLE
    SET search_path TO ''
    AS $$
  select k.kind = 'place' and exists (
    select 1 from public.orders o
    where o.account_id = k.account_id and o.venue_order_id = p_command ->> 'venue_order_id'
      and o.id <> k.order_id and o.delivery_id is not null and o.kind = 'place'
  )
$$;

ALTER FUNCTION engine.is_claimed(k engine.commands, p_command jsonb) OWNER TO empire_engine;

--
-- Name: FUNCTION is_claimed(k engine.commands, p_command jsonb); Type: COMMENT; Schema: engine; Owner: empire_engine
--

COMMENT ON FUNCTION engine.is_claimed(k engine.commands, p_command jsonb) IS 'Whether the order that a lookup found for a command is already another command''s: then it cannot be this one''s.';

--
-- Name: is_entry(jsonb); Type: FUNCTION; Schema: engine; Owner: empire_engine
--

CREATE FUNCTION engine.is_entry(l jsonb) RETURNS boolean
    LANGUAGE sql IMMUTABLE
    SET search_path TO ''
    AS $$
  select l ->> 'kind' = 'place' and not coalesce((l ->> 'reduce_only')::boolean, false)
$$;

ALTER FUNCTION engine.is_entry(l jsonb) OWNER TO empire_engine;

--
-- Name: FUNCTION is_entry(l jsonb); Type: COMMENT; Schema: engine; Owner: empire_engine
--

COMMENT ON FUNCTION engine.is_entry(l jsonb) IS 'Whether a leg is an order that opens.';

--
-- Name: is_exit(public.action); Type: FUNCTION; Schema: engine; Owner: empire_engine
--

CREATE FUNCTION engine.is_exit(p_action public.action) RETURNS boolean
    LANGUAGE plpgsql IMMUTABLE
    SET search_path TO ''
    AS $$
begin
  return p_action in ('close', 'reduce', 'cancel', 'flatten');
end
$$;

ALTER FUNCTION engine.is_exit(p_action public.action) OWNER TO empire_engine;

--
-- Name: FUNCTION is_exit(p_action public.action); Type: COMMENT; Schema: engine; Owner: empire_engine
--

COMMENT ON FUNCTION engine.is_exit(p_action public.action) IS 'Actions that can only reduce exposure: never refused by limits, locks or age.';

--
-- Name: is_explained(uuid, text); Type: FUNCTION; Schema: engine; Owner: empire_engine
--

CREATE FUNCTION engine.is_explained(p_account uuid, p_root text) RETURNS boolean
    LANGUAGE plpgsql STABLE
    SET search_path TO ''
    AS $$
begin
  return (
    select true from engine.commands k
    where k.account_id = p_account and k.root = p_root and k.state in ('pending', 'submitting', 'unknown') limit 1
  ) is not null;
end
$$;

ALTER FUNCTION engine.is_explained(p_account uuid, p_root text) OWNER TO empire_engine;

--
-- Name: FUNCTION is_explained(p_account uuid, p_root text); Type: COMMENT; Schema: engine; Owner: empire_engine
--

COMMENT ON FUNCTION engine.is_explained(p_account uuid, p_root text) IS 'Whether a command of ours under way may be why the broker shows something else: then its answer is waited for.';

--
-- Name: is_limited(jsonb); Type: FUNCTION; Schema: engine; Owner: empire_engine
--

CREATE FUNCTION engine.is_limited(l jsonb) RETURNS boolean
    LANGUAGE sql IMMUTABLE
    SET search_path TO ''
    AS $$
  select l ->> 'kind' = 'place' and not coalesce((l ->> 'reduce_only')::boolean, false)
    or coalesce((coalesce(l -> 'request', l) ->> 'adds_risk')::boolean, false)
$$;

ALTER FUNCTION engine.is_limited(l jsonb) OWNER TO empire_engine;

--
-- Name: FUNCTION is_limited(l jsonb); Type: COMMENT; Schema: engine; Owner: empire_engine
--

COMMENT ON FUNCTION engine.is_limited(l jsonb) IS 'Whether locks and limits apply to a leg: an entry, or a change that adds risk (a stop widened or removed).';

--
-- Name: is_newer(uuid, text, timestamp with time zone); Type: FUNCTION; Schema: engine; Owner: empire_engine
--

CREATE FUNCTION engine.is_newer(p_account uuid, p_symbol text, p_read timestamp with time zone) RETURNS boolean
    LANGUAGE plpgsql STABLE
    SET search_path TO ''
    AS $$
begin
  return (
    select true from (
      select f.symbol, f.created_at from public.fills f where f.account_id = p_account order by f.id desc limit 100
    ) x where x.symbol = p_symbol and x.created_at > p_read limit 1
  ) is not null;
end
$$;

ALTER FUNCTION engine.is_newer(p_account uuid, p_symbol text, p_read timestamp with time zone) OWNER TO empire_engine;

--
-- Name: FUNCTION is_newer(p_account uuid, p_symbol text, p_read timestamp with time zone); Type: COMMENT; Schema: engine; Owner: empire_engine
--

COMMENT ON FUNCTION engine.is_newer(p_account uuid, p_symbol text, p_read timestamp with time zone) IS 'Whether we have recorded a fill of the symbol after the read: then the read is no evidence about it.';

--
-- Name: is_overtaken(engine.commands); Type: FUNCTION; Schema: engine; Owner: empire_engine
--

CREATE FUNCTION engine.is_overtaken(k engine.commands) RETURNS boolean
    LANGUAGE plpgsql STABLE
    SET search_path TO ''
    AS $$
begin
  return exists (
    select 1
    from public.deliveries d
    join public.broker_accounts a on a.id = d.account_id
    join public.webhook_events own on own.id = d.event_id
    join public.deliveries x on x.account_id = d.account_id and x.id > d.id
    join public.webhook_events e on e.id = x.event_id
    where d.id = k.delivery_id and not x.dry_run
      and (x.symbol is null or engine.symbol_key(x.symbol) = engine.symbol_key(d.symbol))
      and (x.tag is null or x.tag = d.tag)
      and (a.margin_mode = 'netting' or e.endpoint_id is null or e.endpoint_id = own.endpoint_id)
      and case x.action
        -- A sell closes what buys have opened; a cancel names the side of the entry, or one order by its id.
        when 'close' then x.side is null or x.side::text <> k.request ->> 'side'
        when 'cancel' then (x.side is null or x.side::text = k.request ->> 'side')
          and e.payload #>> '{intent,order_id}' is null
        else x.action in ('flatten', 'reverse', 'target')
      end
      -- It has had its turn, or has it now. What still waits comes after the entry and sees it.
      and (
        x.outcome in ('executed', 'rejected', 'unknown')
        or (x.outcome = 'skipped' and x.action in ('close', 'cancel', 'flatten') and x.reason is distinct from 'superseded')
        or (x.outcome is null and (select q.state from engine.queue q where q.id = x.id) in ('claimed', 'unsettled'))
      )
  );
end
$$;

ALTER FUNCTION engine.is_overtaken(k engine.commands) OWNER TO empire_engine;

--
-- Name: FUNCTION is_overtaken(k engine.commands); Type: COMMENT; Schema: engine; Owner: empire_engine
--

COMMENT ON FUNCTION engine.is_overtaken(k engine.commands) IS 'Whether a later exit of its scope has had its turn before this entry was sent: sent now it would be open although its trader has closed.';

--
-- Name: is_quiet(uuid, timestamp with time zone); Type: FUNCTION; Schema: engine; Owner: empire_engine
--

CREATE FUNCTION engine.is_quiet(p_account uuid, p_at timestamp with time zone) RETURNS boolean
    LANGUAGE plpgsql STABLE
    SET search_path TO ''
    AS $$
begin
  return (
    select true from engine.commands c
    where c.account_id = p_account and c.state in ('pending', 'submitting', 'unknown') limit 1
  ) is null and (
    select true from (
      select f.created_at, f.filled_at from public.fills f where f.account_id = p_account order by f.id desc limit 20
    ) f
    where greatest(f.created_at, f.filled_at) > p_at - interval '3 seconds' limit 1
  ) is null;
end
$$;

ALTER FUNCTION engine.is_quiet(p_account uuid, p_at timestamp with time zone) OWNER TO empire_engine;

--
-- Name: FUNCTION is_quiet(p_account uuid, p_at timestamp with time zone); Type: COMMENT; Schema: engine; Owner: empire_engine
--

COMMENT ON FUNCTION engine.is_quiet(p_account uuid, p_at timestamp with time zone) IS 'Whether a balance read at a moment can be compared with our fills: nothing is under way and nothing has just filled.';

--
-- Name: is_unanchored(bigint); Type: FUNCTION; Schema: engine; Owner: empire_engine
--

CREATE FUNCTION engine.is_unanchored(p_delivery bigint) RETURNS boolean
    LANGUAGE sql STABLE
    SET search_path TO ''
    AS $$
  select exists (
    select 1 from engine.commands k join public.orders o on o.id = k.order_id
    where k.delivery_id = p_delivery and k.kind = 'place' and k.is_entry and k.state = 'accepted' and o.filled_qty > 0 and (
      k.request #>> '{sl,mode}' not in ('price', 'none') or k.request #>> '{tp,mode}' not in ('price', 'none')
    )
  ) and not exists (
    select 1 from engine.commands c where c.delivery_id = p_delivery and c.kind in ('protect', 'modify')
  )
$$;

ALTER FUNCTION engine.is_unanchored(p_delivery bigint) OWNER TO empire_engine;

--
-- Name: FUNCTION is_unanchored(p_delivery bigint); Type: COMMENT; Schema: engine; Owner: empire_engine
--

COMMENT ON FUNCTION engine.is_unanchored(p_delivery bigint) IS 'Whether a delivery has a filled entry whose stop or target is a distance, and nothing has measured it from the fill yet.';

--
-- Name: is_urgent(public.notification_class); Type: FUNCTION; Schema: engine; Owner: empire_engine
--

CREATE FUNCTION engine.is_urgent(p_class public.notification_class) RETURNS boolean
    LANGUAGE plpgsql IMMUTABLE
    SET search_path TO ''
    AS $$
begin
  return p_class in ('exit_failed', 'unknown', 'naked', 'breach', 'offline', 'credentials');
end
$$;

ALTER FUNCTION engine.is_urgent(p_class public.notification_class) OWNER TO empire_engine;

--
-- Name: FUNCTION is_urgent(p_class public.notification_class); Type: COMMENT; Schema: engine; Owner: empire_engine
--

COMMENT ON FUNCTION engine.is_urgent(p_class public.notification_class) IS 'Whether money may be at stake this minute: such messages are sent in quiet hours too, one by one, before all others.';

--
-- Name: judge(engine.commands, jsonb); Type: FUNCTION; Schema: engine; Owner: empire_engine
--

CREATE FUNCTION engine.judge(k engine.commands, p jsonb) RETURNS text
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
declare
  v_why text;
begin
  if p ->> 'verdict' = 'found' and p #>> '{command,outcome}' in ('accepted', 'rejected', 'canceled', 'expired')
    and not engine.is_claimed(k, p -> 'command') then
    perform engine.apply_results(jsonb_build_array((p -> 'command') || jsonb_build_object('id', k.id)));
    return 'found';
  elsif p ->> 'verdict' = 'absent' then
    select engine.may_resend(k, d, a) into v_why
    from public.deliveries d join public.broker_accounts a on a.id = d.account_id where d.id = k.delivery_id;
    if v_why = 'yes' then
      perform engine.send_again(k);
      return 'resend';
    elsif v_why <> 'too_early' then
      perform engine.apply_results(jsonb_build_array(jsonb_build_object(
        'id', k.id, 'outcome', 'expired', 'reason', 'never_arrived', 'why', v_why
      )));
      return v_why;
    end if;
  end if;
  update engine.commands
  set check_at = greatest(
    clock_timestamp() + make_interval(secs => coalesce((p ->> 'next_ms')::integer, 1000) / 1000.0),
    case when v_why = 'too_early'
      then send_deadline + make_interval(secs => coalesce(request_timeout_ms, 5000) / 1000.0) end
  ) where id = k.id;
  return null;
end
$$;

ALTER FUNCTION engine.judge(k engine.commands, p jsonb) OWNER TO empire_engine;

--
-- Name: FUNCTION judge(k engine.commands, p jsonb); Type: COMMENT; Schema: engine; Owner: empire_engine
--

COMMENT ON FUNCTION engine.judge(k engine.commands, p jsonb) IS 'What a lookup means for an unknown command: recorded, written again, or ended; null = asked again later.';

--
-- Name: judge_alert(public.webhook_endpoints, jsonb, engine.alert); Type: FUNCTION; Schema: engine; Owner: empire_engine
--

CREATE FUNCTION engine.judge_alert(e public.webhook_endpoints, p jsonb, r engine.alert, OUT answer jsonb, OUT accounts uuid[]) RETURNS record
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
declare
  v_target record;
begin
  -- A resend is answered before anything that could refuse it by now: what was accepted stays accepted.
  answer := coalesce(engine.refusal_of_door(e, r), engine.refusal_of_body(e, p, r), engine.answer_if_seen(e, p, r),
    engine.refusal_of_age(e, p, r));
  if answer is not null then
    return;
  elsif e.allowed_actions is not null and not engine.is_exit(r.action) and not r.action = any (e.allowed_actions) then
    answer := engine.refuse(e, p, 422, 'endpoint_limit', format('This endpoint does not allow %s.', r.action),
      engine.at_path('intent.action', 'not allowed on this endpoint'));
    return;
  end if;
  v_target := engine.targets(e.id, r.accounts);
  accounts := v_target.accounts;
  if v_target.foreign_name is not null or accounts is null then
    answer := engine.refuse(e, p, 422, 'invalid', 'The alert names no account of this endpoint.',
      engine.at_path('intent.accounts', coalesce(format('%s is not an account of this endpoint', v_target.foreign_name),
        'this endpoint has no accounts yet')));
  end if;
end
$$;

ALTER FUNCTION engine.judge_alert(e public.webhook_endpoints, p jsonb, r engine.alert, OUT answer jsonb, OUT accounts uuid[]) OWNER TO empire_engine;

--
-- Name: FUNCTION judge_alert(e public.webhook_endpoints, p jsonb, r engine.alert, OUT answer jsonb, OUT accounts uuid[]); Type: COMMENT; Schema: engine; Owner: empire_engine
--

COMMENT ON FUNCTION engine.judge_alert(e public.webhook_endpoints, p jsonb, r engine.alert, OUT answer jsonb, OUT accounts uuid[]) IS 'Everything that can be said of an alert before it is counted: a refusal, the answer of its first copy, or its accounts.';

--
-- Name: keep_lock(); Type: FUNCTION; Schema: engine; Owner: empire_engine
--

CREATE FUNCTION engine.keep_lock() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
begin
  update engine.account_identities
  set locked_until = new.locked_until, lock_reason = new.lock_reason, initial_balance = new.initial_balance
  where accounts @> array[new.id];
  return null;
end
$$;

ALTER FUNCTION engine.keep_lock() OWNER TO empire_engine;

--
-- Name: FUNCTION keep_lock(); Type: COMMENT; Schema: engine; Owner: empire_engine
--

COMMENT ON FUNCTION engine.keep_lock() IS 'The account''s identity remembers its lock and what it began with.';

--
-- Name: dedupe; Type: TABLE; Schema: engine; Owner: postgres
--

CREATE TABLE engine.dedupe (
    endpoint_id uuid NOT NULL,
    key text NOT NULL,
    event_id bigint,
    body_sha256 text NOT NULL,
    expires_at timestamp with time zone NOT NULL
);

ALTER TABLE engine.dedupe OWNER TO postgres;

--
-- Name: TABLE dedupe; Type: COMMENT; Schema: engine; Owner: postgres
--

COMMENT ON TABLE engine.dedupe IS 'Which alerts were accepted: by the sender''s id, else by the hash of the body. A refused body occupies no key.';

--
-- Name: key_of(engine.candidate); Type: FUNCTION; Schema: engine; Owner: empire_engine
--

CREATE FUNCTION engine.key_of(c engine.candidate) RETURNS engine.dedupe
    LANGUAGE plpgsql STABLE
    SET search_path TO ''
    AS $$
begin
  return row((c.endpoint).id, (c.alert).key, c.event_id, (c.alert).sha256, clock_timestamp() + case
    when (c.alert).key like 'id:%' or (c.alert).fired_at is not null then interval '90 days'
    else make_interval(secs => (c.endpoint).dedupe_window_s) end)::engine.dedupe;
end
$$;

ALTER FUNCTION engine.key_of(c engine.candidate) OWNER TO empire_engine;

--
-- Name: FUNCTION key_of(c engine.candidate); Type: COMMENT; Schema: engine; Owner: empire_engine
--

COMMENT ON FUNCTION engine.key_of(c engine.candidate) IS 'An alert''s dedupe key: kept 90 days where the sender names it or the time is in the body, else for the endpoint''s window.';

--
-- Name: know_account(); Type: FUNCTION; Schema: engine; Owner: empire_engine
--

CREATE FUNCTION engine.know_account() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
declare
  c public.broker_connections;
  i engine.account_identities;
begin
  if exists (
    select 1 from public.broker_accounts a where a.connection_id = new.connection_id and a.account_id = new.account_id
  ) then
    -- An `on conflict` of the caller: no new row.
    return new;
  end if;
  select b.* into c from public.broker_connections b where b.id = new.connection_id;
  insert into engine.account_identities as known (broker, environment, server, login, account_number, accounts)
  values (new.broker, c.environment, lower(coalesce(c.server, '')),
    case when new.broker = 'paper' then new.id::text else coalesce(lower(btrim(c.login_label)), new.id::text) end,
    new.account_id, array[new.id])
  on conflict on constraint one_identity_per_account_at_a_broker do update
  set accounts = known.accounts || excluded.accounts
  returning known.* into i;
  if i.locked_until > greatest(new.locked_until, clock_timestamp()) then
    new.locked_until := i.locked_until;
    new.lock_reason := i.lock_reason;
  end if;
  new.initial_balance := coalesce(i.initial_balance, new.initial_balance, case when new.balance > 0 then new.balance end);
  update engine.account_identities
  set initial_balance = new.initial_balance, locked_until = new.locked_until, lock_reason = new.lock_reason
  where id = i.id and (initial_balance, locked_until, lock_reason)
    is distinct from (new.initial_balance, new.locked_until, new.lock_reason);
  perform engine.inherit_days(new.id, new.user_id, array_remove(i.accounts, new.id));
  return new;
end
$$;

ALTER FUNCTION engine.know_account() OWNER TO empire_engine;

--
-- Name: FUNCTION know_account(); Type: COMMENT; Schema: engine; Owner: empire_engine
--

COMMENT ON FUNCTION engine.know_account() IS 'A row of an account that was here before begins with its lock and its past.';

--
-- Name: lane_of(public.event_source, public.action, boolean); Type: FUNCTION; Schema: engine; Owner: empire_engine
--

CREATE FUNCTION engine.lane_of(p_source public.event_source, p_action public.action, p_dry_run boolean) RETURNS public.lane
    LANGUAGE plpgsql IMMUTABLE
    SET search_path TO ''
    AS $$
begin
  return case
    when p_dry_run then 'normal'
    when p_action = 'flatten' and p_source in ('dashboard', 'cli', 'system', 'api') then 'urgent'
    when p_action = 'close' and p_source in ('dashboard', 'cli', 'system') then 'urgent'
    -- A kill switch cancels what stands at the broker; it must not wait behind what hangs there.
    when p_action = 'cancel' and p_source = 'system' then 'urgent'
    else 'normal'
  end::public.lane;
end
$$;

ALTER FUNCTION engine.lane_of(p_source public.event_source, p_action public.action, p_dry_run boolean) OWNER TO empire_engine;

--
-- Name: FUNCTION lane_of(p_source public.event_source, p_action public.action, p_dry_run boolean); Type: COMMENT; Schema: engine; Owner: empire_engine
--

COMMENT ON FUNCTION engine.lane_of(p_source public.event_source, p_action public.action, p_dry_run boolean) IS 'The urgent lane is for people and risk rules; alerts keep their order of arrival.';

--
-- Name: legs_of(jsonb[], boolean); Type: FUNCTION; Schema: engine; Owner: empire_engine
--

CREATE FUNCTION engine.legs_of(p_plans jsonb[], p_begin boolean) RETURNS engine.leg[]
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
declare
  c_installation constant text := (select i.code from engine.installation i);
begin
  return (
    select array_agg(row(
      d.id, a.id, d.user_id, a.broker, a.currency, engine.trading_day(a.timezone, a.reset_time, now()), q.endpoint_id,
      case
        when d.action = 'flatten' then 'flatten' when e.source = 'dashboard' then 'dashboard'
        when e.source = 'tradingview' then 'alert' else 'api'
      end, d.symbol, l.leg, l.said ->> 'kind', p_begin and l.leads, q.token, q.lease_until,
      -- At most 26 characters, which is the tightest broker, and the same whenever asked.
      'E' || c_installation || '_' || to_hex(d.id) || '_' || to_hex(l.leg),
      case when l.is_order and coalesce((l.said ->> 'qty')::numeric, p.qty) > 0
        and coalesce(l.said ->> 'side', p.closing_side) is not null then nextval('public.orders_id_seq')
        when not l.is_order then (l.said ->> 'order_id')::bigint
      end, coalesce(l.said ->> 'side', p.closing_side), coalesce((l.said ->> 'qty')::numeric, p.qty),
      case when l.leg = l.first then nullif(plan -> 'reserved', 'null') end, l.said
    )::engine.leg order by d.id, l.leg)
    from unnest(p_plans) as plan
    join public.deliveries d on d.id = (plan ->> 'delivery_id')::bigint
    join engine.queue q on q.id = d.id
    join public.broker_accounts a on a.id = d.account_id
    join public.webhook_events e on e.id = d.event_id
    cross join lateral (
      select x as said, (x ->> 'leg')::integer as leg, x ->> 'kind' in ('place', 'close') as is_order,
        min((x ->> 'leg')::integer) over () as first,
        not bool_or(coalesce((x ->> 'after_fill')::boolean, false)) over (order by (x ->> 'leg')::integer) as leads
      from jsonb_array_elements(plan -> 'legs') x
    ) l
    left join lateral engine.what_it_closes(a.id, l.said) p on true
  );
end
$$;

ALTER FUNCTION engine.legs_of(p_plans jsonb[], p_begin boolean) OWNER TO empire_engine;

--
-- Name: FUNCTION legs_of(p_plans jsonb[], p_begin boolean); Type: COMMENT; Schema: engine; Owner: empire_engine
--

COMMENT ON FUNCTION engine.legs_of(p_plans jsonb[], p_begin boolean) IS 'The legs of plans, typed, in order; with p_begin those before any that waits for a fill begin at once.';

--
-- Name: lift_locks(uuid, text); Type: FUNCTION; Schema: engine; Owner: empire_engine
--

CREATE FUNCTION engine.lift_locks(p_account uuid, p_reason text) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
begin
  update engine.breaches set lifted_at = clock_timestamp(), lift_reason = p_reason
  where id = any (array(select b.id from engine.locks_of(p_account) b));
  update public.broker_accounts set locked_until = null, lock_reason = null
  where id = any ((engine.identity_of(p_account)).accounts) and locked_until is not null;
end
$$;

ALTER FUNCTION engine.lift_locks(p_account uuid, p_reason text) OWNER TO empire_engine;

--
-- Name: FUNCTION lift_locks(p_account uuid, p_reason text); Type: COMMENT; Schema: engine; Owner: empire_engine
--

COMMENT ON FUNCTION engine.lift_locks(p_account uuid, p_reason text) IS 'Ends every lock of an account, in all its rows.';

--
-- Name: limits_json(uuid); Type: FUNCTION; Schema: engine; Owner: empire_engine
--

CREATE FUNCTION engine.limits_json(p_account uuid) RETURNS jsonb
    LANGUAGE plpgsql STABLE
    SET search_path TO ''
    AS $$
begin
  return (
    select to_jsonb(l) - 'account_id' || jsonb_build_object('rule_sets', engine.rule_sets(p_account))
    from engine.account_limits l where l.account_id = p_account
  );
end
$$;

ALTER FUNCTION engine.limits_json(p_account uuid) OWNER TO empire_engine;

--
-- Name: FUNCTION limits_json(p_account uuid); Type: COMMENT; Schema: engine; Owner: empire_engine
--

COMMENT ON FUNCTION engine.limits_json(p_account uuid) IS 'The limits in force for an account, as workers read them.';

--
-- Name: risk_settings; Type: TABLE; Schema: public; Owner: postgres
--

CREATE TABLE public.risk_settings (
    id bigint NOT NULL,
    user_id uuid NOT NULL,
    broker public.broker,
    account_id uuid,
    max_daily_loss_usd numeric,
    max_daily_loss_pct numeric,
    max_trades_per_day integer,
    max_open_trades integer,
    max_concurrent_positions integer,
    max_order_qty numeric,
    max_risk_per_trade_pct numeric,
    max_price_deviation_pct numeric,
    stop_required boolean DEFAULT false NOT NULL,
    allowed_symbols text[],
    rules jsonb DEFAULT '{}'::jsonb NOT NULL,
    effective_from timestamp with time zone DEFAULT now() NOT NULL,
    ends_at timestamp with time zone,
    superseded_at timestamp with time zone,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT risk_settings_max_concurrent_positions_check CHECK (((max_concurrent_positions >= 0) AND (max_concurrent_positions <= 100000))),
    CONSTRAINT risk_settings_max_daily_loss_pct_check CHECK (((max_daily_loss_pct >= (0)::numeric) AND (max_daily_loss_pct <= (100)::numeric))),
    CONSTRAINT risk_settings_max_daily_loss_usd_check CHECK (((max_daily_loss_usd >= (0)::numeric) AND (max_daily_loss_usd <= (1000000000)::numeric))),
    CONSTRAINT risk_settings_max_open_trades_check CHECK (((max_open_trades >= 0) AND (max_open_trades <= 100000))),
    CONSTRAINT risk_settings_max_order_qty_check CHECK (((max_order_qty >= (0)::numeric) AND (max_order_qty <= (1000000000)::numeric))),
    CONSTRAINT risk_settings_max_price_deviation_pct_check CHECK (((max_price_deviation_pct >= (0)::numeric) AND (max_price_deviation_pct <= (100)::numeric))),
    CONSTRAINT risk_settings_max_risk_per_trade_pct_check CHECK (((max_risk_per_trade_pct >= (0)::numeric) AND (max_risk_per_trade_pct <= (100)::numeric))),
    CONSTRAINT risk_settings_max_trades_per_day_check CHECK (((max_trades_per_day >= 0) AND (max_trades_per_day <= 100000))),
    CONSTRAINT scope_of_limits_is_user_broker_or_account CHECK (((account_id IS NULL) OR (broker IS NULL)))
);

ALTER TABLE public.risk_settings OWNER TO postgres;

--
-- Name: TABLE risk_settings; Type: COMMENT; Schema: public; Owner: postgres
--

COMMENT ON TABLE public.risk_settings IS 'Limits of a user, a user at a broker, or an account. Null = no limit, 0 = nothing allowed; the tightest scope wins. Written by set_risk() only.';

--
-- Name: COLUMN risk_settings.effective_from; Type: COMMENT; Schema: public; Owner: postgres
--

COMMENT ON COLUMN public.risk_settings.effective_from IS 'When it begins to count. Later than created_at only for what admits more: it waits for the user''s delay.';

--
-- Name: COLUMN risk_settings.ends_at; Type: COMMENT; Schema: public; Owner: postgres
--

COMMENT ON COLUMN public.risk_settings.ends_at IS 'When the row that waits takes its place; null = nothing waits.';

--
-- Name: COLUMN risk_settings.superseded_at; Type: COMMENT; Schema: public; Owner: postgres
--

COMMENT ON COLUMN public.risk_settings.superseded_at IS 'Since when it does not count any more: history.';

--
-- Name: limits_in_force; Type: VIEW; Schema: engine; Owner: postgres
--

CREATE VIEW engine.limits_in_force AS
 SELECT id,
    user_id,
    broker,
    account_id,
    max_daily_loss_usd,
    max_daily_loss_pct,
    max_trades_per_day,
    max_open_trades,
    max_concurrent_positions,
    max_order_qty,
    max_risk_per_trade_pct,
    max_price_deviation_pct,
    stop_required,
    allowed_symbols,
    rules,
    effective_from,
    ends_at,
    superseded_at,
    created_at
   FROM public.risk_settings r
  WHERE ((superseded_at IS NULL) AND (effective_from <= GREATEST(now(), created_at)) AND ((ends_at IS NULL) OR (ends_at > now())));

ALTER VIEW engine.limits_in_force OWNER TO postgres;

--
-- Name: VIEW limits_in_force; Type: COMMENT; Schema: engine; Owner: postgres
--

COMMENT ON VIEW engine.limits_in_force IS 'The row of limits that counts now, per scope: a change that tightens from its commit on, one that loosens from effective_from on.';

--
-- Name: account_limits; Type: VIEW; Schema: engine; Owner: postgres
--

CREATE VIEW engine.account_limits AS
 SELECT a.id AS account_id,
    l.max_order_qty,
    l.max_trades_per_day,
    l.max_open_trades,
    l.max_concurrent_positions,
    l.max_risk_per_trade_pct,
    l.max_daily_loss_usd,
    l.max_daily_loss_pct,
    l.max_price_deviation_pct,
    l.stop_required,
    l.allowed_symbols
   FROM (public.broker_accounts a
     CROSS JOIN LATERAL ( SELECT min(r.max_order_qty) AS max_order_qty,
            min(r.max_trades_per_day) AS max_trades_per_day,
            min(r.max_open_trades) AS max_open_trades,
            min(r.max_concurrent_positions) AS max_concurrent_positions,
            COALESCE(min(r.max_risk_per_trade_pct), (5)::numeric) AS max_risk_per_trade_pct,
            min(r.max_daily_loss_usd) AS max_daily_loss_usd,
            min(r.max_daily_loss_pct) AS max_daily_loss_pct,
            min(r.max_price_deviation_pct) AS max_price_deviation_pct,
            COALESCE(bool_or(r.stop_required), false) AS stop_required,
                CASE
                    WHEN (count(r.allowed_symbols) > 0) THEN engine.in_every_list(jsonb_agg(to_jsonb(r.allowed_symbols)) FILTER (WHERE (r.allowed_symbols IS NOT NULL)))
                    ELSE NULL::jsonb
                END AS allowed_symbols
           FROM engine.limits_in_force r
          WHERE ((r.user_id = a.user_id) AND ((r.broker IS NULL) OR (r.broker = a.broker)) AND ((r.account_id IS NULL) OR (r.account_id = a.id)))) l);

ALTER VIEW engine.account_limits OWNER TO postgres;

--
-- Name: VIEW account_limits; Type: COMMENT; Schema: engine; Owner: postgres
--

COMMENT ON VIEW engine.account_limits IS 'The limits in force for an account: the tightest of user, user + broker and account. Null = no limit.';

--
-- Name: limits_of(uuid); Type: FUNCTION; Schema: engine; Owner: empire_engine
--

CREATE FUNCTION engine.limits_of(p_account uuid) RETURNS engine.account_limits
    LANGUAGE plpgsql STABLE
    SET search_path TO ''
    AS $$
begin
  return (select l from engine.account_limits l where l.account_id = p_account);
end
$$;

ALTER FUNCTION engine.limits_of(p_account uuid) OWNER TO empire_engine;

--
-- Name: FUNCTION limits_of(p_account uuid); Type: COMMENT; Schema: engine; Owner: empire_engine
--

COMMENT ON FUNCTION engine.limits_of(p_account uuid) IS 'The limits in force for an account.';

--
-- Name: load_session(uuid); Type: FUNCTION; Schema: engine; Owner: empire_engine
--

CREATE FUNCTION engine.load_session(p_connection uuid) RETURNS jsonb
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO ''
    AS $$
  select jsonb_build_object(
    'version', s.version, 'key_id', s.key_id, 'sealed', encode(s.sealed, 'hex'), 'expires_at', s.expires_at
  )
  from engine.sessions s where s.connection_id = p_connection
$$;

ALTER FUNCTION engine.load_session(p_connection uuid) OWNER TO empire_engine;

--
-- Name: FUNCTION load_session(p_connection uuid); Type: COMMENT; Schema: engine; Owner: empire_engine
--

COMMENT ON FUNCTION engine.load_session(p_connection uuid) IS 'The newest session of a connection, sealed; null = none.';

--
-- Name: lock_accounts(bigint[]); Type: FUNCTION; Schema: engine; Owner: empire_engine
--

CREATE FUNCTION engine.lock_accounts(p_deliveries bigint[]) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
begin
  perform from public.broker_accounts a
  where a.id = any (array(select d.account_id from public.deliveries d where d.id = any (p_deliveries)))
  order by a.id for no key update;
end
$$;

ALTER FUNCTION engine.lock_accounts(p_deliveries bigint[]) OWNER TO empire_engine;

--
-- Name: FUNCTION lock_accounts(p_deliveries bigint[]); Type: COMMENT; Schema: engine; Owner: empire_engine
--

COMMENT ON FUNCTION engine.lock_accounts(p_deliveries bigint[]) IS 'Locks the account rows of these deliveries, ascending. Order everywhere: user, accounts, queue, orders, counters, events.';

--
-- Name: lock_rows(uuid[], text, timestamp with time zone); Type: FUNCTION; Schema: engine; Owner: empire_engine
--

CREATE FUNCTION engine.lock_rows(p_accounts uuid[], p_rule text, p_until timestamp with time zone) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
begin
  -- A longer lock stays, with its reason.
  update public.broker_accounts set locked_until = p_until, lock_reason = p_rule
  where id = any (p_accounts) and (locked_until is null or locked_until < greatest(p_until, clock_timestamp()));
end
$$;

ALTER FUNCTION engine.lock_rows(p_accounts uuid[], p_rule text, p_until timestamp with time zone) OWNER TO empire_engine;

--
-- Name: FUNCTION lock_rows(p_accounts uuid[], p_rule text, p_until timestamp with time zone); Type: COMMENT; Schema: engine; Owner: empire_engine
--

COMMENT ON FUNCTION engine.lock_rows(p_accounts uuid[], p_rule text, p_until timestamp with time zone) IS 'Locks rows of an account; a longer lock stays.';

--
-- Name: lock_users(uuid[]); Type: FUNCTION; Schema: engine; Owner: empire_engine
--

CREATE FUNCTION engine.lock_users(p_accounts uuid[]) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
begin
  -- One lock a user whatever the day: accounts in two time zones share limits that know no day.
  perform pg_advisory_xact_lock(u.key) from (
    select distinct hashtextextended(a.user_id::text, 0) as key
    from public.broker_accounts a where a.id = any (p_accounts) order by 1
  ) u;
  insert into engine.scope_counters (user_id, scope, trading_day)
  select distinct s.user_id, s.scope, s.trading_day from engine.account_scopes s
  where s.account_id = any (p_accounts) and not exists (
    select 1 from engine.scope_counters c
    where c.user_id = s.user_id and c.scope = s.scope and c.trading_day = s.trading_day
  );
end
$$;

ALTER FUNCTION engine.lock_users(p_accounts uuid[]) OWNER TO empire_engine;

--
-- Name: FUNCTION lock_users(p_accounts uuid[]); Type: COMMENT; Schema: engine; Owner: empire_engine
--

COMMENT ON FUNCTION engine.lock_users(p_accounts uuid[]) IS 'Entries of one user are admitted one batch at a time; their counters exist. Before any account is locked.';

--
-- Name: breaches; Type: TABLE; Schema: engine; Owner: postgres
--

CREATE TABLE engine.breaches (
    id bigint NOT NULL,
    identity_id bigint NOT NULL,
    account_id uuid NOT NULL,
    user_id uuid NOT NULL,
    rule text NOT NULL,
    scope text NOT NULL,
    numbers jsonb DEFAULT '{}'::jsonb NOT NULL,
    until timestamp with time zone NOT NULL,
    at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    seen_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    event_id bigint,
    lifted_at timestamp with time zone,
    lift_reason text,
    CONSTRAINT breaches_lift_reason_check CHECK ((char_length(lift_reason) <= 200)),
    CONSTRAINT breaches_rule_check CHECK ((char_length(rule) <= 64)),
    CONSTRAINT breaches_scope_check CHECK ((scope = ANY (ARRAY['user'::text, 'broker'::text, 'account'::text])))
);

ALTER TABLE engine.breaches OWNER TO postgres;

--
-- Name: TABLE breaches; Type: COMMENT; Schema: engine; Owner: postgres
--

COMMENT ON TABLE engine.breaches IS 'Limits that were touched, and the locks they made: of the account at its broker, so no row of ours that goes takes one along.';

--
-- Name: COLUMN breaches.until; Type: COMMENT; Schema: engine; Owner: postgres
--

COMMENT ON COLUMN engine.breaches.until IS 'When the lock ends by itself; the year 9000 = not before it is lifted.';

--
-- Name: COLUMN breaches.seen_at; Type: COMMENT; Schema: engine; Owner: postgres
--

COMMENT ON COLUMN engine.breaches.seen_at IS 'When the watch last saw the limit touched: not lifted before a later read finds it well.';

--
-- Name: locks_of(uuid); Type: FUNCTION; Schema: engine; Owner: empire_engine
--

CREATE FUNCTION engine.locks_of(p_account uuid) RETURNS SETOF engine.breaches
    LANGUAGE plpgsql STABLE
    SET search_path TO ''
    AS $$
begin
  return query
    select b.* from engine.breaches b
    where b.identity_id = (engine.identity_of(p_account)).id and b.lifted_at is null and b.until > clock_timestamp()
    order by b.until desc, b.id;
end
$$;

ALTER FUNCTION engine.locks_of(p_account uuid) OWNER TO empire_engine;

--
-- Name: FUNCTION locks_of(p_account uuid); Type: COMMENT; Schema: engine; Owner: empire_engine
--

COMMENT ON FUNCTION engine.locks_of(p_account uuid) IS 'The breaches that lock an account now, the longest first.';

--
-- Name: losses_json(uuid); Type: FUNCTION; Schema: engine; Owner: empire_engine
--

CREATE FUNCTION engine.losses_json(p_account uuid) RETURNS jsonb
    LANGUAGE plpgsql STABLE
    SET search_path TO ''
    AS $$
begin
  return (
    with recent as (
      select f.* from public.fills f where f.account_id = p_account and f.position_id is not null order by f.id desc limit 400
    ), held as (
      select r.position_id, r.filled_at, r.id, engine.net_of(r::public.fills) as net,
        sum(case r.effect when 'open' then r.qty else -r.qty end) over w as held
      from recent r window w as (partition by r.position_id order by r.filled_at, r.id)
    ), numbered as (
      -- A round trip ends where nothing is held any more.
      select h.*, count(*) filter (where h.held = 0) over (
        partition by h.position_id order by h.filled_at, h.id rows between unbounded preceding and 1 preceding
      ) as trip
      from held h
    ), trips as (
      select sum(n.net) as net, max(n.filled_at) as at, max(n.id) as id from numbered n
      group by n.position_id, n.trip having bool_or(n.held = 0)
    ), ranked as (
      select t.net, t.at, row_number() over (order by t.at desc, t.id desc) as nth from trips t
    )
    select jsonb_build_object(
      'losses_in_a_row', coalesce(min(r.nth) filter (where r.net >= 0) - 1, count(*)),
      'last_loss_at', max(r.at) filter (where r.net < 0)
    ) from ranked r
  );
end
$$;

ALTER FUNCTION engine.losses_json(p_account uuid) OWNER TO empire_engine;

--
-- Name: FUNCTION losses_json(p_account uuid); Type: COMMENT; Schema: engine; Owner: empire_engine
--

COMMENT ON FUNCTION engine.losses_json(p_account uuid) IS 'How many of the last closed round trips lost in a row, after costs, and when the last one that lost was closed.';

--
-- Name: positions; Type: TABLE; Schema: public; Owner: postgres
--

CREATE TABLE public.positions (
    id bigint NOT NULL,
    user_id uuid NOT NULL,
    broker public.broker NOT NULL,
    account_id uuid NOT NULL,
    venue_position_id text NOT NULL,
    symbol text NOT NULL,
    root text NOT NULL,
    side public.side NOT NULL,
    qty numeric NOT NULL,
    entry_price numeric NOT NULL,
    unrealized_pnl numeric,
    stop_loss numeric,
    take_profit numeric,
    endpoint_id uuid,
    tag text,
    opened_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    closed_at timestamp with time zone,
    as_of timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    freshness public.freshness DEFAULT 'fresh'::public.freshness NOT NULL,
    version integer DEFAULT 1 NOT NULL,
    CONSTRAINT closed_means_nothing_left CHECK (((closed_at IS NULL) = (qty > (0)::numeric))),
    CONSTRAINT positions_qty_check CHECK ((qty >= (0)::numeric))
)
WITH (fillfactor='80');

ALTER TABLE public.positions OWNER TO postgres;

--
-- Name: TABLE positions; Type: COMMENT; Schema: public; Owner: postgres
--

COMMENT ON TABLE public.positions IS 'Open and closed positions per broker position id. Opposite rows may stand side by side on hedging accounts.';

--
-- Name: lots_of(public.positions, text); Type: FUNCTION; Schema: engine; Owner: empire_engine
--

CREATE FUNCTION engine.lots_of(p public.positions, p_tag text) RETURNS numeric
    LANGUAGE plpgsql STABLE
    SET search_path TO ''
    AS $$
declare
  f record;
  v_lots numeric [] := '{}';
  v_mine boolean [] := '{}';
  v_left numeric;
  v_take numeric;
begin
  -- Since it was last flat: every opening fill is a lot, an exit takes its own tag's lots first, then the oldest.
  for f in
    select x.effect, x.qty, coalesce(o.tag = p_tag, false) as is_mine, o.tag is not null as is_tagged
    from public.fills x left join public.orders o on o.id = x.order_id
    where x.account_id = p.account_id and x.position_id = p.venue_position_id and x.filled_at >= p.opened_at
    order by x.filled_at, x.id
  loop
    if f.effect = 'open' then
      v_lots := array_append(v_lots, f.qty);
      v_mine := array_append(v_mine, f.is_mine);
      continue;
    end if;
    v_left := f.qty;
    for v_round in 1..2 loop
      for i in 1..cardinality(v_lots) loop
        continue when v_round = 1 and (not f.is_tagged or v_mine[i] <> f.is_mine);
        v_take := least(v_lots[i], v_left);
        v_lots[i] := v_lots[i] - v_take;
        v_left := v_left - v_take;
      end loop;
    end loop;
  end loop;
  return least(p.qty, (
    select coalesce(sum(l.qty), 0) from unnest(v_lots, v_mine) as l (qty, is_mine) where l.is_mine
  ));
end
$$;

ALTER FUNCTION engine.lots_of(p public.positions, p_tag text) OWNER TO empire_engine;

--
-- Name: FUNCTION lots_of(p public.positions, p_tag text); Type: COMMENT; Schema: engine; Owner: empire_engine
--

COMMENT ON FUNCTION engine.lots_of(p public.positions, p_tag text) IS 'How much of a net position the fills of a tag still hold. What other tags and nobody closed takes the oldest lots.';

--
-- Name: make_positions(bigint[]); Type: FUNCTION; Schema: engine; Owner: empire_engine
--

CREATE FUNCTION engine.make_positions(p_fills bigint[]) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
begin
  insert into public.positions as t (
    user_id, broker, account_id, venue_position_id, symbol, root, side, qty, entry_price, stop_loss, take_profit,
    endpoint_id, tag, opened_at, closed_at
  )
  select a.user_id, a.broker, a.id, f.position_id, n.symbol, n.root, n.side, n.qty, n.entry_price, n.stop_loss,
    n.take_profit, n.endpoint_id, n.tag, n.opened_at, n.closed_at
  from public.fills f
  join public.broker_accounts a on a.id = f.account_id
  left join public.orders o on o.id = f.order_id
  cross join lateral engine.next_position(null, f, o, a) n
  where f.id = any (p_fills);
end
$$;

ALTER FUNCTION engine.make_positions(p_fills bigint[]) OWNER TO empire_engine;

--
-- Name: FUNCTION make_positions(p_fills bigint[]); Type: COMMENT; Schema: engine; Owner: empire_engine
--

COMMENT ON FUNCTION engine.make_positions(p_fills bigint[]) IS 'The rows of positions that fills, one a position, have opened.';

--
-- Name: make_room(engine.arrival); Type: FUNCTION; Schema: engine; Owner: empire_engine
--

CREATE FUNCTION engine.make_room(a engine.arrival) RETURNS bigint[]
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
declare
  c_entries constant public.action [] := array['open', 'add'];
  c_all constant public.action [] := array['open', 'add', 'reverse', 'target', 'modify', 'close', 'reduce', 'cancel'];
  v_key constant text := engine.symbol_key(a.symbol);
  v_endpoint constant uuid := case when not a.by_symbol then a.endpoint_id end;
begin
  if engine.lane_of(a.source, a.action, a.dry_run) = 'urgent' and a.action <> 'cancel' then
    -- A close of one side or tag leaves other exits of its symbol something to do.
    return engine.halt(a.accounts, a.action = 'flatten' and v_key is null,
      case when a.action = 'flatten' or (a.side is null and a.tag is null) then v_key end, 9223372036854775807, a.event_id);
  elsif a.action = 'flatten' then
    return engine.supersede(a.accounts, c_all || 'flatten'::public.action, v_key, null, null, null, a.event_id);
  elsif a.action = 'close' and a.side is null then
    return engine.supersede(a.accounts, c_all, v_key, v_endpoint, a.tag, null, a.event_id);
  elsif a.action = 'close' then
    -- A sell closes what buys would have opened.
    return engine.supersede(a.accounts, c_entries, v_key, v_endpoint, a.tag,
      (case a.side when 'sell' then 'buy' else 'sell' end)::public.side, a.event_id);
  elsif a.order_id is null then
    return engine.supersede(a.accounts, c_entries, v_key, v_endpoint, a.tag, a.side, a.event_id);
  end if;
  -- A cancel of one order by its id covers nothing that waits.
  return '{}';
end
$$;

ALTER FUNCTION engine.make_room(a engine.arrival) OWNER TO empire_engine;

--
-- Name: FUNCTION make_room(a engine.arrival); Type: COMMENT; Schema: engine; Owner: empire_engine
--

COMMENT ON FUNCTION engine.make_room(a engine.arrival) IS 'A close, cancel or flatten ends what waits in its scope; an urgent one halts its accounts. Returns events to be closed. The caller holds the accounts.';

--
-- Name: make_unknown(bigint[]); Type: FUNCTION; Schema: engine; Owner: empire_engine
--

CREATE FUNCTION engine.make_unknown(p_deliveries bigint[]) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
begin
  update public.orders set status = 'unknown'
  where status = 'submitting' and id in (
    select c.order_id from engine.commands c
    where c.delivery_id = any (p_deliveries) and c.state = 'submitting' and c.kind in ('place', 'close')
  );
  update engine.commands set state = 'unknown', check_at = clock_timestamp()
  where delivery_id = any (p_deliveries) and state = 'submitting';
end
$$;

ALTER FUNCTION engine.make_unknown(p_deliveries bigint[]) OWNER TO empire_engine;

--
-- Name: FUNCTION make_unknown(p_deliveries bigint[]); Type: COMMENT; Schema: engine; Owner: empire_engine
--

COMMENT ON FUNCTION engine.make_unknown(p_deliveries bigint[]) IS 'submitting without an answer: whether it arrived cannot be known from here.';

--
-- Name: makes_room(engine.arrival); Type: FUNCTION; Schema: engine; Owner: empire_engine
--

CREATE FUNCTION engine.makes_room(a engine.arrival) RETURNS boolean
    LANGUAGE plpgsql IMMUTABLE
    SET search_path TO ''
    AS $$
begin
  return engine.lane_of(a.source, a.action, a.dry_run) = 'urgent'
    or (a.action in ('close', 'cancel', 'flatten') and not a.dry_run);
end
$$;

ALTER FUNCTION engine.makes_room(a engine.arrival) OWNER TO empire_engine;

--
-- Name: FUNCTION makes_room(a engine.arrival); Type: COMMENT; Schema: engine; Owner: empire_engine
--

COMMENT ON FUNCTION engine.makes_room(a engine.arrival) IS 'Whether it ends what waits in its scope.';

--
-- Name: mark_books(jsonb); Type: FUNCTION; Schema: engine; Owner: empire_engine
--

CREATE FUNCTION engine.mark_books(p_prices jsonb) RETURNS integer
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
declare
  r record;
  v_new jsonb;
  v_marked integer := 0;
begin
  perform set_config('synchronous_commit', 'off', true);
  for r in
    select p.account_id, p.book, t.prices
    from (
      select x.user_id, jsonb_object_agg(x.symbol, x.price) as prices
      from jsonb_to_recordset(p_prices) as x (user_id uuid, symbol text, price numeric) group by x.user_id
    ) t
    join public.broker_accounts a on a.user_id = t.user_id
    join engine.paper_accounts p on p.account_id = a.id
    where jsonb_array_length(coalesce(p.book -> 'positions', '[]')) > 0
    order by p.account_id for update of p
  loop
    select jsonb_object_agg(k.key, k.value) into v_new from jsonb_each(r.prices) k
    where (r.book #> array['prices', k.key]) is distinct from k.value
      and k.key in (select h.value ->> 'symbol' from jsonb_array_elements(r.book -> 'positions') h);
    if v_new is not null then
      update engine.paper_accounts
      set version = version + 1, book = book || jsonb_build_object('prices', coalesce(book -> 'prices', '{}') || v_new)
      where account_id = r.account_id;
      v_marked := v_marked + 1;
    end if;
  end loop;
  return v_marked;
end
$$;

ALTER FUNCTION engine.mark_books(p_prices jsonb) OWNER TO empire_engine;

--
-- Name: FUNCTION mark_books(p_prices jsonb); Type: COMMENT; Schema: engine; Owner: empire_engine
--

COMMENT ON FUNCTION engine.mark_books(p_prices jsonb) IS 'The paper books of these users see these prices ({user_id, symbol, price}, the broker''s own symbols): their open positions are worth that now. What waits in a book meets a price with the next command. Returns how many books changed.';

--
-- Name: mark_of(jsonb); Type: FUNCTION; Schema: engine; Owner: empire_engine
--

CREATE FUNCTION engine.mark_of(x jsonb) RETURNS engine.mark
    LANGUAGE plpgsql IMMUTABLE
    SET search_path TO ''
    AS $$
begin
  return row(
    (x ->> 'at')::timestamptz, (x ->> 'balance')::numeric, (x ->> 'equity')::numeric, (x ->> 'margin_used')::numeric,
    jsonb_array_length(x -> 'positions') = 0, (
      select coalesce(string_agg(concat_ws(':', p ->> 'venue_position_id', p ->> 'side', trim_scale((p ->> 'qty')::numeric)), ','
        order by p ->> 'venue_position_id'), '')
      from jsonb_array_elements(x -> 'positions') p
    )
  )::engine.mark;
end
$$;

ALTER FUNCTION engine.mark_of(x jsonb) OWNER TO empire_engine;

--
-- Name: FUNCTION mark_of(x jsonb); Type: COMMENT; Schema: engine; Owner: empire_engine
--

COMMENT ON FUNCTION engine.mark_of(x jsonb) IS 'A read of an account that brought its money, and what was open.';

--
-- Name: mark_positions(jsonb); Type: FUNCTION; Schema: engine; Owner: empire_engine
--

CREATE FUNCTION engine.mark_positions(p_marks jsonb) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
begin
  -- What the broker says of value and protection is taken as said. Positions it does not name, or that we do not know, are
  -- left to whoever compares the books: here nothing opens or closes.
  update public.positions p
  set unrealized_pnl = (s.said ->> 'unrealized_pnl')::numeric, stop_loss = (s.said ->> 'stop_loss')::numeric,
    take_profit = (s.said ->> 'take_profit')::numeric, as_of = s.at, freshness = 'fresh'
  from (
    select (x ->> 'account')::uuid as account_id, (x ->> 'at')::timestamptz as at, y as said
    from jsonb_array_elements(p_marks) x cross join lateral jsonb_array_elements(x -> 'positions') y
  ) s
  where p.account_id = s.account_id and p.venue_position_id = s.said ->> 'venue_position_id' and p.closed_at is null
    -- A fill that was recorded after the read makes it old.
    and p.as_of < s.at;
end
$$;

ALTER FUNCTION engine.mark_positions(p_marks jsonb) OWNER TO empire_engine;

--
-- Name: FUNCTION mark_positions(p_marks jsonb); Type: COMMENT; Schema: engine; Owner: empire_engine
--

COMMENT ON FUNCTION engine.mark_positions(p_marks jsonb) IS 'Value and protection of positions as a read told them.';

--
-- Name: mark_submitting(bigint[], integer); Type: FUNCTION; Schema: engine; Owner: empire_engine
--

CREATE FUNCTION engine.mark_submitting(p_commands bigint[], p_request_timeout_ms integer) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
begin
  update engine.commands c
  set state = 'submitting', token = q.token, submitted_at = clock_timestamp(), send_deadline = q.lease_until,
    request_timeout_ms = p_request_timeout_ms, sends = c.sends + 1
  from engine.queue q
  where c.id = any (p_commands) and c.state = 'pending' and q.id = c.delivery_id;
  update public.orders set status = 'submitting'
  where status = 'pending' and id in (
    select c.order_id from engine.commands c where c.id = any (p_commands) and c.kind in ('place', 'close')
  );
end
$$;

ALTER FUNCTION engine.mark_submitting(p_commands bigint[], p_request_timeout_ms integer) OWNER TO empire_engine;

--
-- Name: FUNCTION mark_submitting(p_commands bigint[], p_request_timeout_ms integer); Type: COMMENT; Schema: engine; Owner: empire_engine
--

COMMENT ON FUNCTION engine.mark_submitting(p_commands bigint[], p_request_timeout_ms integer) IS 'pending -> submitting for the holder of the lease. The caller holds the accounts and has asked the limits.';

--
-- Name: may_resend(engine.commands, public.deliveries, public.broker_accounts); Type: FUNCTION; Schema: engine; Owner: empire_engine
--

CREATE FUNCTION engine.may_resend(k engine.commands, d public.deliveries, a public.broker_accounts) RETURNS text
    LANGUAGE plpgsql STABLE
    SET search_path TO ''
    AS $$
begin
  -- The old holder could still be sending until its deadline, and its request still be under way after it.
  if clock_timestamp() < k.send_deadline + make_interval(secs => coalesce(k.request_timeout_ms, 5000) / 1000.0) then
    return 'too_early';
  elsif d.expires_at <= clock_timestamp() then
    return 'stale';
  elsif d.halt_epoch < a.halt_epoch then
    return 'superseded';
  elsif k.is_entry and exists (
    select 1 from public.deliveries x
    where x.account_id = d.account_id and x.id > d.id and not x.dry_run
      and x.action in ('close', 'cancel', 'flatten', 'reverse', 'target')
      and (x.symbol is null or engine.symbol_key(x.symbol) = engine.symbol_key(d.symbol))
  ) then
    return 'superseded';
  elsif k.sends >= 3 then
    return 'too_often';
  end if;
  return 'yes';
end
$$;

ALTER FUNCTION engine.may_resend(k engine.commands, d public.deliveries, a public.broker_accounts) OWNER TO empire_engine;

--
-- Name: FUNCTION may_resend(k engine.commands, d public.deliveries, a public.broker_accounts); Type: COMMENT; Schema: engine; Owner: empire_engine
--

COMMENT ON FUNCTION engine.may_resend(k engine.commands, d public.deliveries, a public.broker_accounts) IS 'Whether a command that provably never arrived may be sent again, and if not, why. Entries that a later exit covers are never sent again.';

--
-- Name: move_positions(bigint[]); Type: FUNCTION; Schema: engine; Owner: empire_engine
--

CREATE FUNCTION engine.move_positions(p_fills bigint[]) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
declare
  t record;
begin
  -- In turns of one fill a position: the second must see what the first made of it. Known and new positions are written
  -- apart, so that each write is told live once.
  for t in
    select array_agg(x.id) filter (where x.is_known) as known, array_agg(x.id) filter (where not x.is_known) as new from (
      select f.id, row_number() over (partition by f.account_id, f.position_id order by f.id) as nth,
        p.id is not null or row_number() over (partition by f.account_id, f.position_id order by f.id) > 1 as is_known
      from public.fills f
      left join public.positions p on p.account_id = f.account_id and p.venue_position_id = f.position_id
      where f.id = any (p_fills) and f.position_id is not null
    ) x group by x.nth order by x.nth
  loop
    if t.known is not null then
      perform engine.change_positions(t.known);
    end if;
    if t.new is not null then
      perform engine.make_positions(t.new);
    end if;
  end loop;
end
$$;

ALTER FUNCTION engine.move_positions(p_fills bigint[]) OWNER TO empire_engine;

--
-- Name: FUNCTION move_positions(p_fills bigint[]); Type: COMMENT; Schema: engine; Owner: empire_engine
--

COMMENT ON FUNCTION engine.move_positions(p_fills bigint[]) IS 'Adds new fills to the positions they name, opening or closing rows.';

--
-- Name: naked_positions(integer); Type: FUNCTION; Schema: engine; Owner: empire_engine
--

CREATE FUNCTION engine.naked_positions(p_limit integer) RETURNS SETOF public.positions
    LANGUAGE plpgsql STABLE
    SET search_path TO ''
    AS $$
begin
  return query
    select p.* from public.positions p join public.broker_accounts a on a.id = p.account_id
    where p.closed_at is null and p.stop_loss is null and p.freshness = 'fresh'
      and p.opened_at < clock_timestamp() - interval '10 seconds'
      -- Who asks for stops; without that rule a position without one is the trader's own will.
      and (
        select true from engine.limits_in_force r
        where r.user_id = a.user_id and r.stop_required and (r.broker is null or r.broker = a.broker)
          and (r.account_id is null or r.account_id = a.id) limit 1
      )
      and (
        select true from public.orders o
        where o.account_id = p.account_id and o.status in ('working', 'partially_filled') and o.reduce_only
          and o.stop_price is not null and o.root = p.root and o.side <> p.side limit 1
      ) is null
      and (select true from engine.alarms k where k.key = 'naked:' || p.id limit 1) is null
    order by p.id limit p_limit;
end
$$;

ALTER FUNCTION engine.naked_positions(p_limit integer) OWNER TO empire_engine;

--
-- Name: FUNCTION naked_positions(p_limit integer); Type: COMMENT; Schema: engine; Owner: empire_engine
--

COMMENT ON FUNCTION engine.naked_positions(p_limit integer) IS 'Open positions that have had no stop for 10 seconds where the trader''s limits require one, and of which nobody was told.';

--
-- Name: name_of(public.broker); Type: FUNCTION; Schema: engine; Owner: empire_engine
--

CREATE FUNCTION engine.name_of(p_broker public.broker) RETURNS text
    LANGUAGE sql IMMUTABLE
    SET search_path TO ''
    AS $$
  select case p_broker when 'tradelocker' then 'TradeLocker' when 'topstepx' then 'TopstepX' when 'metatrader' then 'MetaTrader' else 'Paper' end
$$;

ALTER FUNCTION engine.name_of(p_broker public.broker) OWNER TO empire_engine;

--
-- Name: FUNCTION name_of(p_broker public.broker); Type: COMMENT; Schema: engine; Owner: empire_engine
--

COMMENT ON FUNCTION engine.name_of(p_broker public.broker) IS 'A broker as its customers write it.';

--
-- Name: net_between(uuid, timestamp with time zone, timestamp with time zone); Type: FUNCTION; Schema: engine; Owner: empire_engine
--

CREATE FUNCTION engine.net_between(p_account uuid, p_after timestamp with time zone, p_until timestamp with time zone) RETURNS numeric
    LANGUAGE plpgsql STABLE
    SET search_path TO ''
    AS $$
begin
  return (
    select coalesce(sum(engine.net_of(f)), 0) from public.fills f
    where f.account_id = p_account and f.filled_at > p_after and f.filled_at <= p_until
  );
end
$$;

ALTER FUNCTION engine.net_between(p_account uuid, p_after timestamp with time zone, p_until timestamp with time zone) OWNER TO empire_engine;

--
-- Name: FUNCTION net_between(p_account uuid, p_after timestamp with time zone, p_until timestamp with time zone); Type: COMMENT; Schema: engine; Owner: empire_engine
--

COMMENT ON FUNCTION engine.net_between(p_account uuid, p_after timestamp with time zone, p_until timestamp with time zone) IS 'What the fills of a time have added to the balance.';

--
-- Name: fills; Type: TABLE; Schema: public; Owner: postgres
--

CREATE TABLE public.fills (
    id bigint NOT NULL,
    user_id uuid NOT NULL,
    account_id uuid NOT NULL,
    order_id bigint,
    venue_fill_id text NOT NULL,
    venue_order_id text,
    position_id text,
    effect public.effect NOT NULL,
    symbol text NOT NULL,
    side public.side NOT NULL,
    qty numeric NOT NULL,
    price numeric NOT NULL,
    commission numeric DEFAULT 0 NOT NULL,
    swap numeric DEFAULT 0 NOT NULL,
    fee numeric DEFAULT 0 NOT NULL,
    realised numeric DEFAULT 0 NOT NULL,
    currency text,
    filled_at timestamp with time zone NOT NULL,
    created_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT fills_qty_check CHECK ((qty > (0)::numeric))
);

ALTER TABLE public.fills OWNER TO postgres;

--
-- Name: TABLE fills; Type: COMMENT; Schema: public; Owner: postgres
--

COMMENT ON TABLE public.fills IS 'Executions as the broker reported them. Insert only.';

--
-- Name: net_of(public.fills); Type: FUNCTION; Schema: engine; Owner: empire_engine
--

CREATE FUNCTION engine.net_of(f public.fills) RETURNS numeric
    LANGUAGE sql IMMUTABLE
    SET search_path TO ''
    AS $$
  select f.realised - f.commission - f.swap - f.fee
$$;

ALTER FUNCTION engine.net_of(f public.fills) OWNER TO empire_engine;

--
-- Name: FUNCTION net_of(f public.fills); Type: COMMENT; Schema: engine; Owner: empire_engine
--

COMMENT ON FUNCTION engine.net_of(f public.fills) IS 'What a fill has added to the balance: result less costs.';

--
-- Name: net_of(uuid, text); Type: FUNCTION; Schema: engine; Owner: empire_engine
--

CREATE FUNCTION engine.net_of(p_account uuid, p_position text) RETURNS numeric
    LANGUAGE plpgsql STABLE
    SET search_path TO ''
    AS $$
begin
  return (
    select coalesce(sum(case when f.side = 'buy' then f.qty else -f.qty end), 0) from public.fills f
    where f.account_id = p_account and f.position_id = p_position
  ) + (
    select coalesce(sum(j.qty), 0) from engine.adjustments j where j.account_id = p_account and j.position_id = p_position
  );
end
$$;

ALTER FUNCTION engine.net_of(p_account uuid, p_position text) OWNER TO empire_engine;

--
-- Name: FUNCTION net_of(p_account uuid, p_position text); Type: COMMENT; Schema: engine; Owner: empire_engine
--

COMMENT ON FUNCTION engine.net_of(p_account uuid, p_position text) IS 'What fills and adjustments say a position is: long +, short -.';

--
-- Name: new_token(); Type: FUNCTION; Schema: engine; Owner: empire_engine
--

CREATE FUNCTION engine.new_token() RETURNS bigint
    LANGUAGE sql
    SET search_path TO ''
    AS $$
  -- The clock, not a sequence: claims commit asynchronously, and a crash can take an unlogged sequence value back, so that
  -- two holders of one delivery would have the same token.
  select floor(extract(epoch from clock_timestamp()) * 1000000)::bigint
$$;

ALTER FUNCTION engine.new_token() OWNER TO empire_engine;

--
-- Name: FUNCTION new_token(); Type: COMMENT; Schema: engine; Owner: empire_engine
--

COMMENT ON FUNCTION engine.new_token() IS 'A fencing token: microseconds since 1970. A later claim of a delivery has a higher one; an older can neither send nor record.';

--
-- Name: news_of(jsonb); Type: FUNCTION; Schema: engine; Owner: empire_engine
--

CREATE FUNCTION engine.news_of(p_results jsonb) RETURNS engine.news[]
    LANGUAGE plpgsql STABLE
    SET search_path TO ''
    AS $_$
begin
  return (
    select array_agg(row(n.account_id, n.order_id, n.said)::engine.news order by n.nth, n.part) from (
      select r.nth, 0::bigint as part, k.account_id, case when k.kind in ('place', 'close') then k.order_id end as order_id,
        r.said || case r.said ->> 'outcome'
        when 'accepted' then jsonb_build_object('status', coalesce(r.said ->> 'status', 'working'))
        else jsonb_build_object('status', r.said ->> 'outcome')
      end as said
      from jsonb_array_elements(p_results) with ordinality as r (said, nth)
      join engine.commands k on k.id = (r.said ->> 'id')::bigint
      where k.kind in ('place', 'close') or jsonb_path_exists(r.said, '$.fills[*]')
      union all
      select r.nth, e.nth, k.account_id, (
        select o.id from public.orders o where o.account_id = k.account_id and (
          o.client_order_id = e.said ->> 'client_order_id' or o.venue_order_id = e.said ->> 'venue_order_id'
        ) order by o.id desc limit 1
      ), e.said
      from jsonb_array_elements(p_results) with ordinality as r (said, nth)
      join engine.commands k on k.id = (r.said ->> 'id')::bigint
      cross join lateral jsonb_array_elements(
        case when jsonb_typeof(r.said -> 'effects') = 'array' then r.said -> 'effects' else '[]' end
      ) with ordinality as e (said, nth)
    ) n
  );
end
$_$;

ALTER FUNCTION engine.news_of(p_results jsonb) OWNER TO empire_engine;

--
-- Name: FUNCTION news_of(p_results jsonb); Type: COMMENT; Schema: engine; Owner: empire_engine
--

COMMENT ON FUNCTION engine.news_of(p_results jsonb) IS 'What results say about orders: the command''s own, and others (triggered stops, canceled siblings), in the order told.';

--
-- Name: orders; Type: TABLE; Schema: public; Owner: postgres
--

CREATE TABLE public.orders (
    id bigint NOT NULL,
    user_id uuid NOT NULL,
    broker public.broker NOT NULL,
    account_id uuid NOT NULL,
    delivery_id bigint,
    leg integer DEFAULT 0 NOT NULL,
    client_order_id text NOT NULL,
    venue_order_id text,
    origin public.order_origin NOT NULL,
    kind public.command_kind DEFAULT 'place'::public.command_kind NOT NULL,
    reduce_only boolean DEFAULT false NOT NULL,
    parent_order_id bigint,
    position_id text,
    endpoint_id uuid,
    tv_symbol text,
    symbol text NOT NULL,
    root text NOT NULL,
    side public.side NOT NULL,
    type public.order_type NOT NULL,
    qty numeric NOT NULL,
    filled_qty numeric DEFAULT 0 NOT NULL,
    price numeric,
    stop_price numeric,
    avg_price numeric,
    stop_loss numeric,
    take_profit numeric,
    tif public.tif DEFAULT 'gtc'::public.tif NOT NULL,
    status public.order_status DEFAULT 'pending'::public.order_status NOT NULL,
    reason public.reason,
    reason_text text,
    currency text,
    tag text,
    trading_day date,
    expires_at timestamp with time zone,
    created_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    updated_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    version integer DEFAULT 1 NOT NULL,
    CONSTRAINT orders_client_order_id_check CHECK ((char_length(client_order_id) <= 26)),
    CONSTRAINT orders_filled_qty_check CHECK ((filled_qty >= (0)::numeric)),
    CONSTRAINT orders_price_check CHECK ((price > (0)::numeric)),
    CONSTRAINT orders_qty_check CHECK ((qty > (0)::numeric)),
    CONSTRAINT orders_reason_text_check CHECK ((char_length(reason_text) <= 500)),
    CONSTRAINT orders_stop_price_check CHECK ((stop_price > (0)::numeric))
);

ALTER TABLE public.orders OWNER TO postgres;

--
-- Name: TABLE orders; Type: COMMENT; Schema: public; Owner: postgres
--

COMMENT ON TABLE public.orders IS 'Every order we sent or saw. A denial has no order row.';

--
-- Name: COLUMN orders.expires_at; Type: COMMENT; Schema: public; Owner: postgres
--

COMMENT ON COLUMN public.orders.expires_at IS 'When a pending entry of ours ends: at the broker where it can do that, else canceled by us.';

--
-- Name: next_position(public.positions, public.fills, public.orders, public.broker_accounts); Type: FUNCTION; Schema: engine; Owner: empire_engine
--

CREATE FUNCTION engine.next_position(p public.positions, f public.fills, o public.orders, a public.broker_accounts) RETURNS public.positions
    LANGUAGE plpgsql STABLE
    SET search_path TO ''
    AS $$
declare
  n public.positions := p;
  v_opens constant boolean := f.effect = 'open';
  v_reborn constant boolean := p.id is null or (v_opens and (f.filled_at > p.closed_at) is true);
  -- One of the other side opens only where nothing is left: what closed the last one is told later.
  v_turned constant boolean := p.id is not null and v_opens and (f.side <> p.side and f.filled_at >= p.opened_at) is true;
  v_qty constant numeric := f.qty * (case when v_opens then 1 else -1 end);
begin
  if v_reborn or v_turned then
    n.qty := case when v_reborn then 0 else n.qty end;
    n.side := case when v_opens then f.side when f.side = 'buy' then 'sell' else 'buy' end;
    n.symbol := f.symbol;
    n.root := coalesce(o.root, f.symbol);
    n.entry_price := f.price;
    n.endpoint_id := o.endpoint_id;
    n.tag := o.tag;
    n.stop_loss := null;
    n.take_profit := null;
    n.opened_at := f.filled_at;
  end if;
  n.qty := greatest(n.qty + v_qty, 0);
  if v_opens and not v_reborn and p.closed_at is not null then
    -- Late news: what closed this was recorded before it. The fills together say what is left.
    n.qty := greatest(0, (
      select sum(case when x.effect = 'open' then x.qty else -x.qty end) from public.fills x
      where x.account_id = f.account_id and x.position_id = f.position_id
    ));
  end if;
  if v_opens and n.qty > 0 and not v_reborn and not v_turned then
    n.entry_price := case when p.qty = 0 then f.price else (p.entry_price * p.qty + f.price * f.qty) / (p.qty + f.qty) end;
  end if;
  n.closed_at := case when n.qty = 0 then greatest(p.closed_at, f.filled_at) end;
  return n;
end
$$;

ALTER FUNCTION engine.next_position(p public.positions, f public.fills, o public.orders, a public.broker_accounts) OWNER TO empire_engine;

--
-- Name: FUNCTION next_position(p public.positions, f public.fills, o public.orders, a public.broker_accounts); Type: COMMENT; Schema: engine; Owner: empire_engine
--

COMMENT ON FUNCTION engine.next_position(p public.positions, f public.fills, o public.orders, a public.broker_accounts) IS 'A position after one more fill: by the difference, because answers of two lanes may be recorded in either order.';

--
-- Name: next_read(public.broker_accounts, integer, boolean); Type: FUNCTION; Schema: engine; Owner: empire_engine
--

CREATE FUNCTION engine.next_read(a public.broker_accounts, p_failures integer, p_flat boolean) RETURNS timestamp with time zone
    LANGUAGE plpgsql STABLE
    SET search_path TO ''
    AS $$
declare
  c_now constant timestamptz := clock_timestamp();
begin
  if p_failures > 0 then
    -- What cannot be read is asked again soon, and not so often that it adds to the trouble.
    return c_now + least(interval '1 second' * power(2, least(p_failures, 5) - 1), interval '15 seconds');
  end if;
  -- What is open there may be open by hand: we know of it from reads alone. Behind a lock somebody may try.
  return least(c_now + case when p_flat is false then interval '1 second'
    when a.locked_until > c_now then interval '5 seconds' else interval '30 seconds' end, greatest(c_now + interval '100 milliseconds', engine.day_began(
    a.timezone, a.reset_time, engine.trading_day(a.timezone, a.reset_time, c_now) + 1
  )));
end
$$;

ALTER FUNCTION engine.next_read(a public.broker_accounts, p_failures integer, p_flat boolean) OWNER TO empire_engine;

--
-- Name: FUNCTION next_read(a public.broker_accounts, p_failures integer, p_flat boolean); Type: COMMENT; Schema: engine; Owner: empire_engine
--

COMMENT ON FUNCTION engine.next_read(a public.broker_accounts, p_failures integer, p_flat boolean) IS 'When an account is read next by itself: in a second where the read showed something open, in 5 while it is locked, else in 30 seconds; at its reset; a while after reads that failed.';

--
-- Name: note(uuid, public.log_level, text, text, jsonb, bigint); Type: FUNCTION; Schema: engine; Owner: empire_engine
--

CREATE FUNCTION engine.note(p_user uuid, p_level public.log_level, p_type text, p_message text, p_details jsonb DEFAULT '{}'::jsonb, p_event bigint DEFAULT NULL::bigint) RETURNS bigint
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
declare
  v_class constant public.notification_class := (select c.class from engine.log_classes c where c.type = p_type);
  v_log bigint;
begin
  insert into public.logs (user_id, level, type, message, details, correlation_id)
  values (p_user, p_level, p_type, left(p_message, 1000), coalesce(p_details, '{}'), p_event) returning id into v_log;
  if v_class is not null and p_user is not null then
    insert into engine.outbox (id, account_id, user_id, subject, body)
    values (nextval('engine.outbox_id'), (p_details ->> 'account_id')::uuid, p_user, 'empire.log.' || p_type || '.' || p_user,
      jsonb_build_object(
        'schema', 1, 'log_id', v_log, 'event_id', p_event, 'account_id', p_details ->> 'account_id', 'type', p_type,
        'class', v_class, 'level', p_level, 'message', left(p_message, 1000)
      ));
  end if;
  return v_log;
end
$$;

ALTER FUNCTION engine.note(p_user uuid, p_level public.log_level, p_type text, p_message text, p_details jsonb, p_event bigint) OWNER TO empire_engine;

--
-- Name: FUNCTION note(p_user uuid, p_level public.log_level, p_type text, p_message text, p_details jsonb, p_event bigint); Type: COMMENT; Schema: engine; Owner: empire_engine
--

COMMENT ON FUNCTION engine.note(p_user uuid, p_level public.log_level, p_type text, p_message text, p_details jsonb, p_event bigint) IS 'A line in a user''s log, about an alert where there is one (its id is the correlation id); of some types it is told to the outside, too. The only writer of logs.';

--
-- Name: note_correction(public.broker_accounts, jsonb); Type: FUNCTION; Schema: engine; Owner: empire_engine
--

CREATE FUNCTION engine.note_correction(a public.broker_accounts, x jsonb) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
declare
  c_now constant timestamptz := clock_timestamp();
  -- A fill told late is a fact of life, a position that nothing explains is not.
  c_weight constant numeric := case when x ->> 'kind' like 'position%' then 5 when x ->> 'kind' = 'fill' then 1 else 0.5 end;
  v_event bigint;
begin
  if x ->> 'kind' = 'orphan' then
    v_event := nextval('public.webhook_events_id_seq');
    perform engine.store_intent(v_event, a.user_id, 'system', jsonb_build_object('version', 'unify.v1', 'intent', jsonb_build_object(
      'action', 'cancel', 'symbol', x ->> 'symbol', 'order_id', x #>> '{order,id}', 'scope', 'symbol'
    ))::text, array[a.id]);
  end if;
  insert into public.corrections (user_id, account_id, key, kind, symbol, told, numbers, event_id)
  values (a.user_id, a.id, x ->> 'key', x ->> 'kind', x ->> 'symbol', left(x ->> 'told', 1000), coalesce(x -> 'numbers', '{}'), v_event)
  on conflict on constraint a_correction_is_made_once do nothing;
  insert into public.logs (user_id, level, type, correlation_id, message, details)
  values (
    a.user_id, (case when a.on_drift = 'adopt' then coalesce(x ->> 'level', 'warning') else 'error' end)::public.log_level,
    'books_corrected', v_event, left(format('%s: %s', coalesce(a.label, a.account_id), x ->> 'told'), 1000),
    jsonb_build_object('account_id', a.id, 'kind', x ->> 'kind', 'numbers', coalesce(x -> 'numbers', '{}'))
  );
  update public.broker_accounts b
  set drift = round(c_weight + b.drift * power(0.5, coalesce(extract(epoch from c_now - b.drift_at), 0) / 86400)::numeric, 3), drift_at = c_now
  where b.id = a.id;
  if a.on_drift <> 'adopt' then
    insert into engine.outbox (id, account_id, user_id, subject, body)
    values (nextval('engine.outbox_id'), a.id, a.user_id, 'empire.account.drifted.' || a.user_id, jsonb_build_object(
      'schema', 1, 'account_id', a.id, 'kind', x ->> 'kind', 'told', x ->> 'told', 'numbers', coalesce(x -> 'numbers', '{}'), 'at', c_now
    ));
  end if;
end
$$;

ALTER FUNCTION engine.note_correction(a public.broker_accounts, x jsonb) OWNER TO empire_engine;

--
-- Name: FUNCTION note_correction(a public.broker_accounts, x jsonb); Type: COMMENT; Schema: engine; Owner: empire_engine
--

COMMENT ON FUNCTION engine.note_correction(a public.broker_accounts, x jsonb) IS 'A correction was made: its row, the trader''s log, the drift; an orphan is asked to be canceled.';

--
-- Name: note_money(uuid[]); Type: FUNCTION; Schema: engine; Owner: empire_engine
--

CREATE FUNCTION engine.note_money(p_accounts uuid[]) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
declare
  a public.broker_accounts;
begin
  for a in select b.* from public.broker_accounts b where b.id = any (p_accounts) and b.equity is not null order by b.id loop
    perform engine.advance(a, row(a.as_of, a.balance, a.equity, null, (
      select true from public.positions p where p.account_id = a.id and p.closed_at is null limit 1
    ) is null, null)::engine.mark);
  end loop;
end
$$;

ALTER FUNCTION engine.note_money(p_accounts uuid[]) OWNER TO empire_engine;

--
-- Name: FUNCTION note_money(p_accounts uuid[]); Type: COMMENT; Schema: engine; Owner: empire_engine
--

COMMENT ON FUNCTION engine.note_money(p_accounts uuid[]) IS 'What an order''s road has read of an account''s money counts for its day, too. The caller holds the accounts.';

--
-- Name: notification_batch(uuid, integer); Type: FUNCTION; Schema: engine; Owner: empire_engine
--

CREATE FUNCTION engine.notification_batch(p_target uuid, p_limit integer) RETURNS jsonb
    LANGUAGE plpgsql STABLE
    SET search_path TO ''
    AS $$
begin
  return (
    select jsonb_agg(jsonb_build_object(
      'id', x.id, 'class', x.event_class, 'urgent', x.urgent, 'message', x.message, 'event_id', x.event_id, 'attempts', x.attempts,
      'created_at', x.created_at
    ) order by x.urgent desc, x.id)
    from (
      select t.*, engine.is_urgent(t.event_class) as urgent from public.notifications t
      where t.target_id = p_target and t.status = 'waiting' and t.due_at <= clock_timestamp()
      order by engine.is_urgent(t.event_class) desc, t.id limit p_limit
    ) x
  );
end
$$;

ALTER FUNCTION engine.notification_batch(p_target uuid, p_limit integer) OWNER TO empire_engine;

--
-- Name: FUNCTION notification_batch(p_target uuid, p_limit integer); Type: COMMENT; Schema: engine; Owner: empire_engine
--

COMMENT ON FUNCTION engine.notification_batch(p_target uuid, p_limit integer) IS 'What is due at a target, urgent first.';

--
-- Name: offline_accounts(); Type: FUNCTION; Schema: engine; Owner: empire_engine
--

CREATE FUNCTION engine.offline_accounts() RETURNS TABLE(account_id uuid, device boolean, positions bigint, what text)
    LANGUAGE plpgsql STABLE
    SET search_path TO ''
    AS $$
begin
  return query
    select a.id, x.edge, p.n, left(p.what, 300)
    from (
      select y.account_id, count(*) as n, string_agg(concat_ws(' ', y.side, y.qty, y.symbol), ', ' order by y.id) as what
      from public.positions y where y.closed_at is null group by y.account_id
    ) p
    join public.broker_accounts a on a.id = p.account_id join public.broker_connections c on c.id = a.connection_id
    join public.health h on h.broker = a.broker
    cross join lateral (select coalesce(a.executor, c.executor) = 'edge' and not engine.device_seen(a.user_id) as edge) x
    left join engine.account_marks m on m.account_id = a.id
    -- One account that cannot be read is as much out of reach as a whole broker.
    where x.edge or h.status = 'down' or (m.failures >= 3 and m.read_at < clock_timestamp() - interval '30 seconds');
end
$$;

ALTER FUNCTION engine.offline_accounts() OWNER TO empire_engine;

--
-- Name: FUNCTION offline_accounts(); Type: COMMENT; Schema: engine; Owner: empire_engine
--

COMMENT ON FUNCTION engine.offline_accounts() IS 'Accounts with open positions that cannot be read, whose broker is down, or whose device is not seen (device = true).';

--
-- Name: open_again(bigint, boolean, integer); Type: FUNCTION; Schema: engine; Owner: empire_engine
--

CREATE FUNCTION engine.open_again(p_delivery bigint, p_begin boolean, p_request_timeout_ms integer) RETURNS jsonb
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
declare
  k engine.commands;
  v_leading boolean := p_begin;
  v_commands jsonb := '[]';
begin
  for k in select c.* from engine.commands c where c.delivery_id = p_delivery order by c.leg loop
    v_leading := v_leading and not k.after_fill;
    v_commands := v_commands || jsonb_build_array(
      case when v_leading then engine.try_begin(k, p_request_timeout_ms) else '{"go": false}' end || jsonb_build_object(
        'id', k.id, 'leg', k.leg, 'order_id', k.order_id, 'client_order_id', k.client_order_id
      )
    );
  end loop;
  return jsonb_build_object('delivery_id', p_delivery, 'verdict', 'opened', 'commands', v_commands);
end
$$;

ALTER FUNCTION engine.open_again(p_delivery bigint, p_begin boolean, p_request_timeout_ms integer) OWNER TO empire_engine;

--
-- Name: FUNCTION open_again(p_delivery bigint, p_begin boolean, p_request_timeout_ms integer); Type: COMMENT; Schema: engine; Owner: empire_engine
--

COMMENT ON FUNCTION engine.open_again(p_delivery bigint, p_begin boolean, p_request_timeout_ms integer) IS 'Asked again after a lost answer, or by the next holder: what was written the first time is the answer.';

--
-- Name: open_credential(uuid, text, bigint[]); Type: FUNCTION; Schema: engine; Owner: empire_engine
--

CREATE FUNCTION engine.open_credential(p_connection uuid, p_worker text, p_tokens bigint[]) RETURNS jsonb
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
declare
  c public.broker_connections;
  s public.credential_seals;
begin
  select b.* into c from public.broker_connections b where b.id = p_connection;
  if not found or not engine.has_work_for(p_connection, p_worker, p_tokens) then
    return '{"refusal": "no_lease"}';
  elsif c.status = 'disabled' then
    return '{"refusal": "disconnected"}';
  elsif not engine.count_open(p_connection) then
    return '{"refusal": "stopped"}';
  end if;
  select t.* into s from public.credential_seals t
  where t.connection_id = p_connection and t.recipient = 'fleet' order by t.version desc limit 1;
  if not found or s.version <> c.seal_version then
    return '{"refusal": "missing"}';
  end if;
  return jsonb_build_object(
    'key_id', s.key_id, 'version', s.version, 'sealed', encode(s.sealed, 'hex'), 'user_id', c.user_id, 'broker', c.broker,
    'environment', c.environment, 'base_url', c.base_url, 'server', c.server, 'login', c.login_label
  );
end
$$;

ALTER FUNCTION engine.open_credential(p_connection uuid, p_worker text, p_tokens bigint[]) OWNER TO empire_engine;

--
-- Name: FUNCTION open_credential(p_connection uuid, p_worker text, p_tokens bigint[]); Type: COMMENT; Schema: engine; Owner: empire_engine
--

COMMENT ON FUNCTION engine.open_credential(p_connection uuid, p_worker text, p_tokens bigint[]) IS 'The sealed credential of one connection, for a worker that holds a lease on something of it; counted. Else why not.';

--
-- Name: open_day(public.broker_accounts, engine.account_marks, engine.mark, date, engine.day_start); Type: FUNCTION; Schema: engine; Owner: empire_engine
--

CREATE FUNCTION engine.open_day(a public.broker_accounts, k engine.account_marks, m engine.mark, p_day date, s engine.day_start) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
declare
  c_week constant date := p_day - extract(dow from p_day)::integer;
  w engine.day_start;
begin
  perform engine.close_days(a, k, p_day, s);
  if c_week < p_day and (
    select d.source from engine.account_days d where d.account_id = a.id and d.trading_day = c_week
  ) is null then
    -- The week begins with its first day, which nobody watched: perhaps it can still be known.
    w := engine.find_start(a, k, m, engine.day_began(a.timezone, a.reset_time, c_week));
    if w is not null then
      perform engine.put_day(a, c_week, w, null);
    end if;
  end if;
  perform engine.put_day(a, p_day, s, m.equity);
  update engine.account_marks
  set high_close = greatest(high_close, s.balance), peak_equity = greatest(peak_equity, s.equity) where account_id = a.id;
end
$$;

ALTER FUNCTION engine.open_day(a public.broker_accounts, k engine.account_marks, m engine.mark, p_day date, s engine.day_start) OWNER TO empire_engine;

--
-- Name: FUNCTION open_day(a public.broker_accounts, k engine.account_marks, m engine.mark, p_day date, s engine.day_start); Type: COMMENT; Schema: engine; Owner: empire_engine
--

COMMENT ON FUNCTION engine.open_day(a public.broker_accounts, k engine.account_marks, m engine.mark, p_day date, s engine.day_start) IS 'A new trading day begins: the one before is closed, the start is what is known of it.';

--
-- Name: open_held(jsonb, bigint[], uuid[], boolean, integer); Type: FUNCTION; Schema: engine; Owner: empire_engine
--

CREATE FUNCTION engine.open_held(p_plans jsonb, p_held bigint[], p_entering uuid[], p_begin boolean, p_request_timeout_ms integer) RETURNS jsonb
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
declare
  v_answers jsonb := '{}';
  v_taken bigint [] := '{}';
  v_passed jsonb [] := '{}';
  v_legs engine.leg [];
  v_room constant jsonb := (
    select jsonb_object_agg(r.account_id, r.scopes) from engine.room_of(p_entering) r
  );
  r record;
  v record;
begin
  for r in
    select s as situation, s.delivery_id, s.account_id, x.plan
    from engine.situations(p_held) s
    join jsonb_array_elements(p_plans) as x (plan) on (x.plan ->> 'delivery_id')::bigint = s.delivery_id
    order by s.delivery_id
  loop
    v := engine.decide(r.situation, r.plan -> 'legs', v_room -> r.account_id::text, v_taken);
    if v.denial is null and jsonb_typeof(r.plan -> 'risk') = 'object' then
      v.denial := engine.stake(r.situation, r.plan -> 'risk');
    end if;
    if v.denial is not null then
      v_answers := v_answers || jsonb_build_object(
        r.delivery_id, jsonb_build_object('delivery_id', r.delivery_id, 'verdict', 'denied') || v.denial
      );
      continue;
    end if;
    v_passed := array_append(v_passed, r.plan || jsonb_build_object('reserved', v.takes));
    if v.takes is not null then
      v_taken := v_taken || array(select i::bigint from jsonb_array_elements_text(v.takes) i);
    end if;
  end loop;
  if v_taken <> '{}' then
    update engine.scope_counters c set trades = c.trades + t.n
    from (select i as id, count(*)::integer as n from unnest(v_taken) as i group by i) t
    where c.id = t.id;
  end if;
  v_legs := engine.legs_of(v_passed, p_begin);
  perform engine.write_orders(v_legs);
  return v_answers || coalesce(engine.write_commands(v_legs, p_request_timeout_ms), '{}');
end
$$;

ALTER FUNCTION engine.open_held(p_plans jsonb, p_held bigint[], p_entering uuid[], p_begin boolean, p_request_timeout_ms integer) OWNER TO empire_engine;

--
-- Name: FUNCTION open_held(p_plans jsonb, p_held bigint[], p_entering uuid[], p_begin boolean, p_request_timeout_ms integer); Type: COMMENT; Schema: engine; Owner: empire_engine
--

COMMENT ON FUNCTION engine.open_held(p_plans jsonb, p_held bigint[], p_entering uuid[], p_begin boolean, p_request_timeout_ms integer) IS 'Decides plans of different accounts one after another, each seeing what those before it took, and writes what passes. Answers by delivery.';

--
-- Name: open_orders(jsonb, boolean, integer); Type: FUNCTION; Schema: engine; Owner: empire_engine
--

CREATE FUNCTION engine.open_orders(p_plans jsonb, p_begin boolean, p_request_timeout_ms integer) RETURNS jsonb
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    SET plan_cache_mode TO 'force_generic_plan'
    SET enable_seqscan TO 'off'
    SET enable_hashjoin TO 'off'
    SET enable_mergejoin TO 'off'
    AS $$
declare
  v_ids constant bigint [] := engine.delivery_ids(p_plans);
  v_entering constant uuid [] := engine.entering(p_plans);
  v_answers jsonb := '{}';
  v_held bigint [];
  v_known bigint [];
  v_turn bigint [];
begin
  if v_entering <> '{}' then
    perform engine.lock_users(v_entering);
  end if;
  perform engine.lock_accounts(v_ids);
  v_held := engine.held(p_plans, true);
  -- Legs behind those that are written are news: the next round of a flatten.
  v_known := array(
    select distinct c.delivery_id from jsonb_array_elements(p_plans) x
    join engine.commands c on c.delivery_id = (x ->> 'delivery_id')::bigint and c.leg >= (x #>> '{legs,0,leg}')::integer
    where c.delivery_id = any (v_held)
  );
  for v_turn in select t.ids from engine.turns(array(select unnest(v_held) except select unnest(v_known))) t loop
    v_answers := v_answers || engine.open_held(p_plans, v_turn, v_entering, p_begin, p_request_timeout_ms);
  end loop;
  select v_answers || coalesce(jsonb_object_agg(k, engine.open_again(k, p_begin, p_request_timeout_ms)), '{}')
  into v_answers from unnest(v_known) k;
  return (
    select coalesce(jsonb_agg(coalesce(v_answers -> t.id::text, jsonb_build_object(
      'delivery_id', t.id, 'verdict', 'lost', 'reason', 'lease_lost'
    )) order by t.nth), '[]') from unnest(v_ids) with ordinality as t (id, nth)
  );
end
$$;

ALTER FUNCTION engine.open_orders(p_plans jsonb, p_begin boolean, p_request_timeout_ms integer) OWNER TO empire_engine;

--
-- Name: FUNCTION open_orders(p_plans jsonb, p_begin boolean, p_request_timeout_ms integer); Type: COMMENT; Schema: engine; Owner: empire_engine
--

COMMENT ON FUNCTION engine.open_orders(p_plans jsonb, p_begin boolean, p_request_timeout_ms integer) IS 'Writes orders and commands of a batch before anything is sent, re-checking the hard limits under the locks; with p_begin also begins the leading legs in the same commit.';

--
-- Name: open_trades(uuid, text); Type: FUNCTION; Schema: engine; Owner: empire_engine
--

CREATE FUNCTION engine.open_trades(p_user uuid, p_scope text) RETURNS integer
    LANGUAGE plpgsql STABLE
    SET search_path TO ''
    AS $$
begin
  return (
    select sum(
      (select count(*) from public.positions p where p.account_id = s.account_id and p.closed_at is null)
      + (
        select count(*) from public.orders o
        where o.account_id = s.account_id and not o.reduce_only and o.kind = 'place' and o.origin <> 'broker'
          and o.status in ('pending', 'submitting', 'working', 'unknown')
      )
    )::integer
    from engine.account_scopes s where s.user_id = p_user and s.scope = p_scope
  );
end
$$;

ALTER FUNCTION engine.open_trades(p_user uuid, p_scope text) OWNER TO empire_engine;

--
-- Name: FUNCTION open_trades(p_user uuid, p_scope text); Type: COMMENT; Schema: engine; Owner: empire_engine
--

COMMENT ON FUNCTION engine.open_trades(p_user uuid, p_scope text) IS 'Open positions plus entries that have not filled yet, in a scope. A partly filled entry is a position already.';

--
-- Name: open_twin(bigint, bigint, jsonb); Type: FUNCTION; Schema: engine; Owner: empire_engine
--

CREATE FUNCTION engine.open_twin(p_run bigint, p_token bigint, p_twin jsonb) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
begin
  if not engine.holds_drill(p_run, p_token) then
    return false;
  end if;
  perform private.make_twin(p_run, p_twin);
  return true;
end
$$;

ALTER FUNCTION engine.open_twin(p_run bigint, p_token bigint, p_twin jsonb) OWNER TO empire_engine;

--
-- Name: FUNCTION open_twin(p_run bigint, p_token bigint, p_twin jsonb); Type: COMMENT; Schema: engine; Owner: empire_engine
--

COMMENT ON FUNCTION engine.open_twin(p_run bigint, p_token bigint, p_twin jsonb) IS 'Makes a synthetic trader for a drill with a login at a simulated broker: books of our own with their terms, or a sealed login that is checked like every other. False = the lease is over.';

--
-- Name: order_json(public.broker_accounts, bigint, text[]); Type: FUNCTION; Schema: engine; Owner: empire_engine
--

CREATE FUNCTION engine.order_json(a public.broker_accounts, p_delivery bigint, p_rules text[]) RETURNS jsonb
    LANGUAGE plpgsql STABLE
    SET search_path TO ''
    AS $$
begin
  return engine.in_flight_json(a, p_delivery)
    || case when 'cool_down' = any (p_rules) then engine.losses_json(a.id) else '{}' end
    || case when p_rules && array['no_opposite', 'exposure']
      then jsonb_build_object('others', engine.others_json(a)) else '{}' end
    || case when 'duplicates' = any (p_rules)
      then jsonb_build_object('twin', engine.twin_of(a.id, p_delivery)) else '{}' end;
end
$$;

ALTER FUNCTION engine.order_json(a public.broker_accounts, p_delivery bigint, p_rules text[]) OWNER TO empire_engine;

--
-- Name: FUNCTION order_json(a public.broker_accounts, p_delivery bigint, p_rules text[]); Type: COMMENT; Schema: engine; Owner: empire_engine
--

COMMENT ON FUNCTION engine.order_json(a public.broker_accounts, p_delivery bigint, p_rules text[]) IS 'What rules that only orders are refused by look at: entries on their way, losses in a row, other accounts, twins.';

--
-- Name: order_of(uuid, text, text); Type: FUNCTION; Schema: engine; Owner: empire_engine
--

CREATE FUNCTION engine.order_of(p_account uuid, p_venue text, p_client text) RETURNS bigint
    LANGUAGE plpgsql STABLE
    SET search_path TO ''
    AS $$
begin
  return coalesce((
    select o.id from public.orders o where o.account_id = p_account and o.venue_order_id = p_venue order by o.id desc limit 1
  ), (
    select o.id from public.orders o where o.account_id = p_account and o.client_order_id = p_client
  ));
end
$$;

ALTER FUNCTION engine.order_of(p_account uuid, p_venue text, p_client text) OWNER TO empire_engine;

--
-- Name: FUNCTION order_of(p_account uuid, p_venue text, p_client text); Type: COMMENT; Schema: engine; Owner: empire_engine
--

COMMENT ON FUNCTION engine.order_of(p_account uuid, p_venue text, p_client text) IS 'Our row of an order, by the broker''s id of it or by ours. Null = we do not know it.';

--
-- Name: orders_told(bigint); Type: FUNCTION; Schema: engine; Owner: empire_engine
--

CREATE FUNCTION engine.orders_told(p_delivery bigint) RETURNS jsonb
    LANGUAGE plpgsql STABLE
    SET search_path TO ''
    AS $$
begin
  return (
    select coalesce(jsonb_agg(jsonb_build_object(
      'kind', o.kind, 'reduce_only', o.reduce_only, 'side', o.side, 'symbol', o.symbol, 'type', o.type, 'status', o.status,
      'qty', o.qty::text, 'filled_qty', o.filled_qty::text, 'price', coalesce(o.price, o.stop_price)::text,
      'avg_price', o.avg_price::text, 'stop_loss', o.stop_loss::text, 'take_profit', o.take_profit::text,
      'reason_text', o.reason_text
    ) order by o.leg), '[]') from public.orders o where o.delivery_id = p_delivery
  );
end
$$;

ALTER FUNCTION engine.orders_told(p_delivery bigint) OWNER TO empire_engine;

--
-- Name: FUNCTION orders_told(p_delivery bigint); Type: COMMENT; Schema: engine; Owner: empire_engine
--

COMMENT ON FUNCTION engine.orders_told(p_delivery bigint) IS 'The orders of a delivery, as far as a sentence about it needs them.';

--
-- Name: others_json(public.broker_accounts); Type: FUNCTION; Schema: engine; Owner: empire_engine
--

CREATE FUNCTION engine.others_json(a public.broker_accounts) RETURNS jsonb
    LANGUAGE plpgsql STABLE
    SET search_path TO ''
    AS $$
begin
  return (
    select coalesce(jsonb_agg(jsonb_strip_nulls(to_jsonb(x))), '[]')
    from public.broker_accounts b
    cross join lateral (
      select b.id as account_id, p.root, p.side, p.qty, null::numeric as notional_usd from public.positions p
      where p.account_id = b.id and p.closed_at is null
      union all
      select b.id, o.root, o.side, o.qty - o.filled_qty,
        (r.notional_usd ->> o.leg::text)::numeric * (o.qty - o.filled_qty) / o.qty
      from public.orders o left join engine.reservations r on r.delivery_id = o.delivery_id
      where o.account_id = b.id and not o.reduce_only and o.kind = 'place' and o.qty > o.filled_qty
        and o.status in ('pending', 'submitting', 'working', 'partially_filled', 'unknown')
    ) x
    -- Practice is no exposure, and real money is none for practice.
    where b.user_id = a.user_id and b.id <> a.id and (b.broker = 'paper') = (a.broker = 'paper')
  );
end
$$;

ALTER FUNCTION engine.others_json(a public.broker_accounts) OWNER TO empire_engine;

--
-- Name: FUNCTION others_json(a public.broker_accounts); Type: COMMENT; Schema: engine; Owner: empire_engine
--

COMMENT ON FUNCTION engine.others_json(a public.broker_accounts) IS 'Open positions and entries on their way of the trader''s other accounts; paper and real apart.';

--
-- Name: outbox_delivered(bigint, bigint[]); Type: FUNCTION; Schema: engine; Owner: empire_engine
--

CREATE FUNCTION engine.outbox_delivered(p_token bigint, p_ids bigint[]) RETURNS integer
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    SET plan_cache_mode TO 'force_generic_plan'
    SET enable_seqscan TO 'off'
    AS $$
declare
  v_held bigint [];
  v_n integer;
begin
  -- A lease that ran out may still hand in what was delivered under it, as long as nobody else has the rows.
  delete from engine.outbox_claims c where c.token = p_token returning c.ids into v_held;
  delete from engine.outbox o where o.id = any (p_ids) and o.id = any (v_held);
  get diagnostics v_n = row_count;
  return v_n;
end
$$;

ALTER FUNCTION engine.outbox_delivered(p_token bigint, p_ids bigint[]) OWNER TO empire_engine;

--
-- Name: FUNCTION outbox_delivered(p_token bigint, p_ids bigint[]); Type: COMMENT; Schema: engine; Owner: empire_engine
--

COMMENT ON FUNCTION engine.outbox_delivered(p_token bigint, p_ids bigint[]) IS 'Every sink has these rows: they go, and the claim ends. Rows of another token stay. Returns how many went.';

--
-- Name: outbox_rows(bigint[], bigint); Type: FUNCTION; Schema: engine; Owner: empire_engine
--

CREATE FUNCTION engine.outbox_rows(p_ids bigint[], p_token bigint) RETURNS SETOF jsonb
    LANGUAGE plpgsql STABLE
    SET search_path TO ''
    AS $$
begin
  return query
    select jsonb_build_object(
      'id', o.id, 'token', p_token, 'account_id', o.account_id, 'user_id', o.user_id, 'subject', o.subject, 'body', o.body,
      'created_at', o.created_at, 'told', o.told,
      -- Of a delivery its account as the owner calls it, and its orders.
      'context', case when d.id is not null then jsonb_build_object(
        'account', coalesce(a.label, a.account_id), 'broker', engine.name_of(a.broker), 'currency', a.currency,
        'dry_run', d.dry_run, 'side', d.side, 'orders', engine.orders_told(d.id)
      ) end
    )
    from engine.outbox o
    left join public.deliveries d
      on o.subject like 'empire.delivery.%' and not o.told and d.id = (o.body ->> 'delivery_id')::bigint
    left join public.broker_accounts a on a.id = d.account_id
    where o.id = any (p_ids)
    order by o.id;
end
$$;

ALTER FUNCTION engine.outbox_rows(p_ids bigint[], p_token bigint) OWNER TO empire_engine;

--
-- Name: FUNCTION outbox_rows(p_ids bigint[], p_token bigint); Type: COMMENT; Schema: engine; Owner: empire_engine
--

COMMENT ON FUNCTION engine.outbox_rows(p_ids bigint[], p_token bigint) IS 'Rows of the outbox as a relay gets them, each with what a sentence about it needs.';

--
-- Name: paper_answer(uuid, text); Type: FUNCTION; Schema: engine; Owner: empire_engine
--

CREATE FUNCTION engine.paper_answer(p_account uuid, p_client_order_id text) RETURNS jsonb
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO ''
    AS $$
  select o.answer from engine.paper_orders o where o.account_id = p_account and o.client_order_id = p_client_order_id
$$;

ALTER FUNCTION engine.paper_answer(p_account uuid, p_client_order_id text) OWNER TO empire_engine;

--
-- Name: FUNCTION paper_answer(p_account uuid, p_client_order_id text); Type: COMMENT; Schema: engine; Owner: empire_engine
--

COMMENT ON FUNCTION engine.paper_answer(p_account uuid, p_client_order_id text) IS 'What the paper broker answered to this client order id; null = it never arrived.';

--
-- Name: paper_fills_since(uuid, timestamp with time zone); Type: FUNCTION; Schema: engine; Owner: empire_engine
--

CREATE FUNCTION engine.paper_fills_since(p_account uuid, p_since timestamp with time zone) RETURNS SETOF jsonb
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO ''
    AS $$
  select f.fill from engine.paper_fills f where f.account_id = p_account and f.at >= p_since order by f.id
$$;

ALTER FUNCTION engine.paper_fills_since(p_account uuid, p_since timestamp with time zone) OWNER TO empire_engine;

--
-- Name: FUNCTION paper_fills_since(p_account uuid, p_since timestamp with time zone); Type: COMMENT; Schema: engine; Owner: empire_engine
--

COMMENT ON FUNCTION engine.paper_fills_since(p_account uuid, p_since timestamp with time zone) IS 'The paper broker''s executions since a time, oldest first.';

--
-- Name: paper_load(uuid); Type: FUNCTION; Schema: engine; Owner: empire_engine
--

CREATE FUNCTION engine.paper_load(p_account uuid) RETURNS jsonb
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO ''
    AS $$
  select jsonb_build_object('version', p.version, 'balance', p.balance, 'currency', p.currency, 'book', p.book, 'margin_mode', a.margin_mode)
  from engine.paper_accounts p join public.broker_accounts a on a.id = p.account_id
  where p.account_id = p_account
$$;

ALTER FUNCTION engine.paper_load(p_account uuid) OWNER TO empire_engine;

--
-- Name: FUNCTION paper_load(p_account uuid); Type: COMMENT; Schema: engine; Owner: empire_engine
--

COMMENT ON FUNCTION engine.paper_load(p_account uuid) IS 'A paper account''s money and book, with the version to save it by; null when there is none.';

--
-- Name: paper_save(uuid, bigint, numeric, jsonb, jsonb, jsonb); Type: FUNCTION; Schema: engine; Owner: empire_engine
--

CREATE FUNCTION engine.paper_save(p_account uuid, p_version bigint, p_balance numeric, p_book jsonb, p_orders jsonb, p_fills jsonb) RETURNS jsonb
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
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

ALTER FUNCTION engine.paper_save(p_account uuid, p_version bigint, p_balance numeric, p_book jsonb, p_orders jsonb, p_fills jsonb) OWNER TO empire_engine;

--
-- Name: FUNCTION paper_save(p_account uuid, p_version bigint, p_balance numeric, p_book jsonb, p_orders jsonb, p_fills jsonb); Type: COMMENT; Schema: engine; Owner: empire_engine
--

COMMENT ON FUNCTION engine.paper_save(p_account uuid, p_version bigint, p_balance numeric, p_book jsonb, p_orders jsonb, p_fills jsonb) IS 'Replaces a paper book if its version is still the one that was loaded, with the answers given and the executions made.';

--
-- Name: prices_told(bigint); Type: FUNCTION; Schema: engine; Owner: empire_engine
--

CREATE FUNCTION engine.prices_told(p_after bigint) RETURNS jsonb
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path TO ''
    AS $$
declare
  v_last bigint;
  v_after bigint;
begin
  select max(e.id) into v_last from public.webhook_events e;
  v_after := greatest(coalesce(p_after, 0), coalesce(v_last, 0) - 1000);
  return jsonb_build_object(
    'last', coalesce(v_last, 0),
    'prices', (
      select coalesce(jsonb_agg(jsonb_build_object(
        'user_id', e.user_id, 'symbol', e.payload #>> '{intent,symbol}', 'price', e.payload #>> '{intent,ref_price}'
      ) order by e.id), '[]')
      from public.webhook_events e
      where e.id > v_after and e.id <= v_last and e.status = 'accepted'
        and e.payload #>> '{intent,ref_price}' is not null and e.payload #>> '{intent,symbol}' is not null
    )
  );
end
$$;

ALTER FUNCTION engine.prices_told(p_after bigint) OWNER TO empire_engine;

--
-- Name: FUNCTION prices_told(p_after bigint); Type: COMMENT; Schema: engine; Owner: empire_engine
--

COMMENT ON FUNCTION engine.prices_told(p_after bigint) IS 'The prices that accepted alerts after this one came with, oldest first ({user_id, symbol, price}), and the last alert''s id. At most those of the last 1,000 alerts. A price is its user''s own: nobody moves another one''s account.';

--
-- Name: profits_json(uuid); Type: FUNCTION; Schema: engine; Owner: empire_engine
--

CREATE FUNCTION engine.profits_json(p_account uuid) RETURNS jsonb
    LANGUAGE plpgsql STABLE
    SET search_path TO ''
    AS $$
begin
  return (
    select jsonb_build_object('best_day', max(d.net), 'net_profit', sum(d.net)) from engine.account_days d
    where d.account_id = p_account and d.net is not null
  );
end
$$;

ALTER FUNCTION engine.profits_json(p_account uuid) OWNER TO empire_engine;

--
-- Name: FUNCTION profits_json(p_account uuid); Type: COMMENT; Schema: engine; Owner: empire_engine
--

COMMENT ON FUNCTION engine.profits_json(p_account uuid) IS 'The best net day and the sum of all, of days that are over.';

--
-- Name: promote(uuid[]); Type: FUNCTION; Schema: engine; Owner: empire_engine
--

CREATE FUNCTION engine.promote(p_accounts uuid[]) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
begin
  -- Its own statement, so its snapshot is younger than the lock on the account rows that the caller holds: in one
  -- statement with the delete it would miss a row enqueued in between, and the account would sleep.
  update engine.queue q set state = 'ready'
  from (
    select (
      select w.id from engine.queue w
      where w.account_id = a.id and w.lane = l.lane and w.state = 'waiting' order by w.id limit 1
    ) as id
    from unnest(p_accounts) as a (id) cross join unnest(enum_range(null::public.lane)) as l (lane)
    where not exists (
      select 1 from engine.queue h
      where h.account_id = a.id and h.lane = l.lane and h.state in ('ready', 'claimed')
    )
  ) n
  where q.id = n.id;
end
$$;

ALTER FUNCTION engine.promote(p_accounts uuid[]) OWNER TO empire_engine;

--
-- Name: FUNCTION promote(p_accounts uuid[]); Type: COMMENT; Schema: engine; Owner: empire_engine
--

COMMENT ON FUNCTION engine.promote(p_accounts uuid[]) IS 'Makes the oldest waiting row of each lane of these accounts its head, where it has none. The caller holds the accounts.';

--
-- Name: promote_exits(bigint[]); Type: FUNCTION; Schema: engine; Owner: empire_engine
--

CREATE FUNCTION engine.promote_exits(p_deliveries bigint[]) RETURNS bigint[]
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
declare
  d public.deliveries;
  v_events bigint [] := '{}';
begin
  for d in
    select t.* from public.deliveries t join engine.queue q on q.id = t.id
    where t.id = any (p_deliveries) and q.state = 'waiting' and q.lane = 'normal' order by t.id
  loop
    -- An earlier one of this loop may have covered it.
    update engine.queue set lane = 'urgent' where id = d.id and state = 'waiting';
    continue when not found;
    update public.deliveries set lane = 'urgent' where id = d.id;
    v_events := v_events || engine.halt(array[d.account_id], d.action = 'flatten' and d.symbol is null,
      case when d.action = 'flatten' or (d.action = 'close' and d.side is null and d.tag is null)
        then engine.symbol_key(d.symbol) end, d.id, d.event_id);
    perform engine.promote(array[d.account_id]);
  end loop;
  return v_events;
end
$$;

ALTER FUNCTION engine.promote_exits(p_deliveries bigint[]) OWNER TO empire_engine;

--
-- Name: FUNCTION promote_exits(p_deliveries bigint[]); Type: COMMENT; Schema: engine; Owner: empire_engine
--

COMMENT ON FUNCTION engine.promote_exits(p_deliveries bigint[]) IS 'Waiting exits go to the urgent lane, and nothing older that they cover may be sent any more. Returns events to be closed. The caller holds the accounts.';

--
-- Name: protect_positions(jsonb); Type: FUNCTION; Schema: engine; Owner: empire_engine
--

CREATE FUNCTION engine.protect_positions(p_results jsonb) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $_$
begin
  -- What the broker says of protection and value is taken as said; quantities come from fills alone.
  update public.positions p
  set stop_loss = (s.said ->> 'stop_loss')::numeric, take_profit = (s.said ->> 'take_profit')::numeric,
    unrealized_pnl = (s.said ->> 'unrealized_pnl')::numeric, root = coalesce(s.said ->> 'root', p.root),
    as_of = clock_timestamp(), freshness = 'fresh'
  from (
    select distinct on (k.account_id, x ->> 'venue_position_id') k.account_id, x as said
    from jsonb_array_elements(p_results) with ordinality as r (body, nth)
    join engine.commands k on k.id = (r.body ->> 'id')::bigint
    cross join lateral jsonb_path_query(r.body, '$.positions[*] ? (@.type() == "object")') x
    order by k.account_id, x ->> 'venue_position_id', r.nth desc
  ) s
  where p.account_id = s.account_id and p.venue_position_id = s.said ->> 'venue_position_id' and (
    p.as_of < clock_timestamp() - interval '1 second'
    or (p.stop_loss, p.take_profit, p.unrealized_pnl, p.root, p.freshness) is distinct from (
      (s.said ->> 'stop_loss')::numeric, (s.said ->> 'take_profit')::numeric, (s.said ->> 'unrealized_pnl')::numeric,
      coalesce(s.said ->> 'root', p.root), 'fresh'
    )
  );
end
$_$;

ALTER FUNCTION engine.protect_positions(p_results jsonb) OWNER TO empire_engine;

--
-- Name: FUNCTION protect_positions(p_results jsonb); Type: COMMENT; Schema: engine; Owner: empire_engine
--

COMMENT ON FUNCTION engine.protect_positions(p_results jsonb) IS 'Stop, target and value of positions as answers told them.';

--
-- Name: put_accounts(public.broker_connections, jsonb); Type: FUNCTION; Schema: engine; Owner: empire_engine
--

CREATE FUNCTION engine.put_accounts(c public.broker_connections, p_accounts jsonb) RETURNS integer
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
declare
  v_n integer;
begin
  perform 1 from public.broker_accounts a where a.connection_id = c.id order by a.id for no key update;
  insert into public.broker_accounts as a (
    connection_id, user_id, broker, account_id, label, venue_name, executor, currency, margin_mode, balance, as_of,
    api_key
  )
  select c.id, c.user_id, c.broker, f ->> 'number', left(f ->> 'name', 80), left(f ->> 'name', 120),
    engine.executor_of(c, f ->> 'name'), f ->> 'currency', (f ->> 'margin_mode')::public.margin_mode,
    (f ->> 'balance')::numeric, case when f ->> 'balance' is not null then clock_timestamp() end, c.credential_hint
  from jsonb_array_elements(p_accounts) f order by f ->> 'number'
  on conflict (connection_id, account_id) do update
  set venue_name = excluded.venue_name, executor = excluded.executor, currency = excluded.currency,
    margin_mode = excluded.margin_mode, api_key = excluded.api_key,
    -- What was read while trading is newer and whole; a balance from a list is only better than nothing.
    balance = case when a.freshness = 'fresh' then a.balance else coalesce(excluded.balance, a.balance) end;
  get diagnostics v_n = row_count;
  return v_n;
end
$$;

ALTER FUNCTION engine.put_accounts(c public.broker_connections, p_accounts jsonb) OWNER TO empire_engine;

--
-- Name: FUNCTION put_accounts(c public.broker_connections, p_accounts jsonb); Type: COMMENT; Schema: engine; Owner: empire_engine
--

COMMENT ON FUNCTION engine.put_accounts(c public.broker_connections, p_accounts jsonb) IS 'The accounts that a login was found to have; new ones do not trade before their owner says so.';

--
-- Name: put_at_stake(engine.situation, jsonb); Type: FUNCTION; Schema: engine; Owner: empire_engine
--

CREATE FUNCTION engine.put_at_stake(s engine.situation, p_takes jsonb) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
begin
  insert into engine.stakes as t (owner, key, total)
  select case o.key when 'user' then s.user_id else s.account_id end, engine.stake_key(s.broker, o.key, k.key), k.value::numeric
  from jsonb_each(p_takes) o cross join lateral jsonb_each_text(o.value) k order by 1, 2
  on conflict (owner, key) do update set total = t.total + excluded.total;
end
$$;

ALTER FUNCTION engine.put_at_stake(s engine.situation, p_takes jsonb) OWNER TO empire_engine;

--
-- Name: FUNCTION put_at_stake(s engine.situation, p_takes jsonb); Type: COMMENT; Schema: engine; Owner: empire_engine
--

COMMENT ON FUNCTION engine.put_at_stake(s engine.situation, p_takes jsonb) IS 'Adds amounts by kind to what an account and its user have at stake.';

--
-- Name: put_day(public.broker_accounts, date, engine.day_start, numeric); Type: FUNCTION; Schema: engine; Owner: empire_engine
--

CREATE FUNCTION engine.put_day(a public.broker_accounts, p_day date, s engine.day_start, p_equity numeric) RETURNS void
    LANGUAGE sql
    SET search_path TO ''
    AS $$
  insert into engine.account_days as d (
    account_id, trading_day, began_at, ends_at, start_balance, start_equity, source, high_water, low_water
  ) values (
    a.id, p_day, engine.day_began(a.timezone, a.reset_time, p_day), engine.day_began(a.timezone, a.reset_time, p_day + 1),
    s.balance, s.equity, s.source, greatest(s.equity, p_equity), least(s.equity, p_equity)
  )
  on conflict (account_id, trading_day) do update
  set began_at = excluded.began_at, ends_at = excluded.ends_at, start_balance = excluded.start_balance,
    start_equity = excluded.start_equity, source = excluded.source, high_water = excluded.high_water,
    low_water = excluded.low_water, flows = case when d.began_at = excluded.began_at then d.flows else 0 end
$$;

ALTER FUNCTION engine.put_day(a public.broker_accounts, p_day date, s engine.day_start, p_equity numeric) OWNER TO empire_engine;

--
-- Name: FUNCTION put_day(a public.broker_accounts, p_day date, s engine.day_start, p_equity numeric); Type: COMMENT; Schema: engine; Owner: empire_engine
--

COMMENT ON FUNCTION engine.put_day(a public.broker_accounts, p_day date, s engine.day_start, p_equity numeric) IS 'The row of a trading day as it begins.';

--
-- Name: put_mark(public.broker_accounts, engine.account_marks, engine.mark); Type: FUNCTION; Schema: engine; Owner: empire_engine
--

CREATE FUNCTION engine.put_mark(a public.broker_accounts, k engine.account_marks, m engine.mark) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
declare
  -- What changes is kept a minute apart, what does not an hour: a day's start can be found there.
  v_store constant boolean := k.stored_at is null or m.at - k.stored_at >= case
    when (m.equity, m.balance) is distinct from (k.equity, k.balance) or m.is_flat is false then interval '60 seconds'
    else interval '1 hour' end;
begin
  if v_store then
    insert into public.equity_history (user_id, broker, account_id, equity, balance, unrealized_pnl, timestamp)
    values (a.user_id, a.broker, a.id, m.equity, m.balance, m.equity - m.balance, m.at);
  end if;
  update engine.account_marks
  set at = m.at, balance = m.balance, equity = m.equity, margin_used = m.margin_used, is_flat = m.is_flat,
    base_at = k.base_at, base_balance = k.base_balance, base_fill = k.base_fill, base_positions = k.base_positions,
    stored_at = case when v_store then m.at else stored_at end, peak_equity = greatest(peak_equity, m.equity)
  where account_id = a.id;
end
$$;

ALTER FUNCTION engine.put_mark(a public.broker_accounts, k engine.account_marks, m engine.mark) OWNER TO empire_engine;

--
-- Name: FUNCTION put_mark(a public.broker_accounts, k engine.account_marks, m engine.mark); Type: COMMENT; Schema: engine; Owner: empire_engine
--

COMMENT ON FUNCTION engine.put_mark(a public.broker_accounts, k engine.account_marks, m engine.mark) IS 'Keeps a mark as the last one.';

--
-- Name: raise_alarms(integer); Type: FUNCTION; Schema: engine; Owner: empire_engine
--

CREATE FUNCTION engine.raise_alarms(p_limit integer) RETURNS jsonb
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
begin
  -- Every maintenance worker asks; one at a time is enough.
  if not pg_try_advisory_xact_lock(hashtextextended('engine.raise_alarms', 0)) then
    return '{"unknown": 0, "exits": 0, "offline": 0, "naked": 0}';
  end if;
  return jsonb_build_object(
    'unknown', engine.alarm_unknown(p_limit), 'exits', engine.alarm_late_exits(p_limit), 'offline', engine.alarm_offline(p_limit),
    'naked', engine.alarm_naked(p_limit)
  );
end
$$;

ALTER FUNCTION engine.raise_alarms(p_limit integer) OWNER TO empire_engine;

--
-- Name: FUNCTION raise_alarms(p_limit integer); Type: COMMENT; Schema: engine; Owner: empire_engine
--

COMMENT ON FUNCTION engine.raise_alarms(p_limit integer) IS 'Looks for what should have happened and did not, and tells the traders; how many of each.';

--
-- Name: read_alert(jsonb); Type: FUNCTION; Schema: engine; Owner: empire_engine
--

CREATE FUNCTION engine.read_alert(p jsonb) RETURNS engine.alert
    LANGUAGE plpgsql STABLE
    SET search_path TO ''
    AS $_$
declare
  i constant jsonb := p #> '{payload,intent}';
  r engine.alert;
begin
  r.endpoint_id := (p ->> 'endpoint_id')::uuid;
  r.token_version := (p ->> 'token_version')::integer;
  r.signature_valid := (p ->> 'signature_valid')::boolean;
  -- An address that cannot be read is an unknown one, and unknown fails every list.
  r.client_ip := case when pg_input_is_valid(p ->> 'client_ip', 'inet') then (p ->> 'client_ip')::inet end;
  r.sha256 := p ->> 'body_sha256';
  if octet_length(p ->> 'body') > 32768 or coalesce(r.sha256, '') !~ '^[0-9a-f]{64}$' then
    r.problem := 'the body is too long or has no hash';
  elsif jsonb_typeof(i) is distinct from 'object' then
    r.problem := 'there is no intent';
  elsif char_length(p #>> '{payload,id}') > 200 then
    r.problem := 'id is too long';
  end if;
  r.broker := coalesce(i ->> 'broker', p ->> 'broker');
  r.action := coalesce(i ->> 'action', 'open')::public.action;
  r.side := (i ->> 'side')::public.side;
  r.symbol := i ->> 'symbol';
  r.tag := i ->> 'tag';
  r.order_id := i ->> 'order_id';
  r.scope := i ->> 'scope';
  r.accounts := nullif(i -> 'accounts', 'null');
  r.dry_run := coalesce((i ->> 'dry_run')::boolean, false);
  r.fired_at := (p #>> '{payload,ts}')::timestamptz;
  r.key := coalesce('id:' || (p #>> '{payload,id}'), 'body:' || r.sha256);
  return r;
exception when data_exception then
  r.problem := sqlerrm;
  return r;
end
$_$;

ALTER FUNCTION engine.read_alert(p jsonb) OWNER TO empire_engine;

--
-- Name: FUNCTION read_alert(p jsonb); Type: COMMENT; Schema: engine; Owner: empire_engine
--

COMMENT ON FUNCTION engine.read_alert(p jsonb) IS 'The argument of ingest, typed. Never fails: no input may cause more than a 4xx.';

--
-- Name: reads_left(uuid, numeric); Type: FUNCTION; Schema: engine; Owner: empire_engine
--

CREATE FUNCTION engine.reads_left(p_connection uuid, p_pause numeric) RETURNS numeric
    LANGUAGE plpgsql STABLE
    SET search_path TO ''
    AS $$
declare
  -- What was not used is there for a moment when several accounts are due, or something has happened.
  c_most constant numeric := 3;
begin
  return coalesce((
    select least(c_most, k.reads + extract(epoch from clock_timestamp() - k.at) / p_pause)
    from engine.read_credits k where k.connection_id = p_connection
  ), c_most);
end
$$;

ALTER FUNCTION engine.reads_left(p_connection uuid, p_pause numeric) OWNER TO empire_engine;

--
-- Name: FUNCTION reads_left(p_connection uuid, p_pause numeric); Type: COMMENT; Schema: engine; Owner: empire_engine
--

COMMENT ON FUNCTION engine.reads_left(p_connection uuid, p_pause numeric) IS 'How many reads of a login''s accounts may begin now, where its limits sustain one every p_pause seconds: 3 at most.';

--
-- Name: recheck_connection(uuid); Type: FUNCTION; Schema: engine; Owner: empire_engine
--

CREATE FUNCTION engine.recheck_connection(p_connection uuid) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
begin
  insert into engine.connection_checks as k (connection_id)
  select c.id from public.broker_connections c where c.id = p_connection and c.status = 'connected'
  on conflict (connection_id) do update set run_at = clock_timestamp()
  where k.run_at > clock_timestamp() and k.lease_until is null;
  return found;
end
$$;

ALTER FUNCTION engine.recheck_connection(p_connection uuid) OWNER TO empire_engine;

--
-- Name: FUNCTION recheck_connection(p_connection uuid); Type: COMMENT; Schema: engine; Owner: empire_engine
--

COMMENT ON FUNCTION engine.recheck_connection(p_connection uuid) IS 'A worker was refused by the broker of a connected login: it is checked now, so that its owner sees it.';

--
-- Name: reconcile(jsonb); Type: FUNCTION; Schema: engine; Owner: empire_engine
--

CREATE FUNCTION engine.reconcile(p_results jsonb) RETURNS jsonb
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    SET plan_cache_mode TO 'force_generic_plan'
    SET enable_seqscan TO 'off'
    SET enable_hashjoin TO 'off'
    SET enable_mergejoin TO 'off'
    AS $$
declare
  v_answer jsonb := '[]';
  r record;
begin
  perform from public.broker_accounts b
  where b.id = any (array(select (x ->> 'account')::uuid from jsonb_array_elements(p_results) x))
  order by b.id for no key update;
  for r in
    select a as account, x.said from jsonb_array_elements(p_results) as x (said)
    join public.broker_accounts a on a.id = (x.said ->> 'account')::uuid
    join engine.account_marks w on w.account_id = a.id and w.token = (x.said ->> 'token')::bigint
    order by a.id
  loop
    v_answer := v_answer || engine.reconcile_one(r.account, r.said);
  end loop;
  return v_answer;
end
$$;

ALTER FUNCTION engine.reconcile(p_results jsonb) OWNER TO empire_engine;

--
-- Name: FUNCTION reconcile(p_results jsonb); Type: COMMENT; Schema: engine; Owner: empire_engine
--

COMMENT ON FUNCTION engine.reconcile(p_results jsonb) IS 'Corrects the books of accounts by what their broker showed: [{account, token, read_from, lag_s, complete, corrections}]. What a command under way may explain waits, and so does at the first read what no fill explains. Returns [{account, made, waiting}]; an old token changes nothing and is not in it.';

--
-- Name: reconcile_one(public.broker_accounts, jsonb); Type: FUNCTION; Schema: engine; Owner: empire_engine
--

CREATE FUNCTION engine.reconcile_one(a public.broker_accounts, r jsonb) RETURNS jsonb
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
declare
  v_read constant timestamptz := (r ->> 'read_from')::timestamptz - make_interval(secs => coalesce((r ->> 'lag_s')::numeric, 0));
  v_before constant jsonb := coalesce((select k.suspects from engine.reconciled k where k.account_id = a.id), '{}');
  v_suspects jsonb := '{}';
  v_made integer := 0;
  v_waiting integer := 0;
  v_foreign boolean := false;
  v_first timestamptz;
  x jsonb;
begin
  for x in select y from jsonb_array_elements(r -> 'corrections') y loop
    if engine.is_explained(a.id, x ->> 'root')
      or (x ->> 'kind' like 'position%' and engine.is_newer(a.id, x ->> 'symbol', v_read)) then
      v_waiting := v_waiting + 1;
      continue;
    end if;
    if (x ->> 'doubtful')::boolean then
      v_first := (v_before ->> (x ->> 'key'))::timestamptz;
      if v_first is null or v_first > v_read or v_first >= (r ->> 'read_from')::timestamptz then
        v_suspects := v_suspects || jsonb_build_object(x ->> 'key', coalesce(v_first, (r ->> 'read_from')::timestamptz));
        v_waiting := v_waiting + 1;
        continue;
      end if;
    end if;
    if engine.apply_correction(a, x, v_read) then
      perform engine.note_correction(a, x);
      v_made := v_made + 1;
      v_foreign := v_foreign or coalesce((x ->> 'foreign')::boolean, false);
    end if;
  end loop;
  insert into engine.reconciled as k (account_id, agreed_at, suspects)
  values (a.id, case when v_waiting = 0 and (r ->> 'complete')::boolean then (r ->> 'read_from')::timestamptz end, v_suspects)
  on conflict (account_id) do update set agreed_at = coalesce(excluded.agreed_at, k.agreed_at), suspects = excluded.suspects;
  if v_foreign and a.on_drift = 'flatten' then
    perform engine.flatten_drift(a);
  end if;
  return jsonb_build_object('account', a.id, 'made', v_made, 'waiting', v_waiting);
end
$$;

ALTER FUNCTION engine.reconcile_one(a public.broker_accounts, r jsonb) OWNER TO empire_engine;

--
-- Name: FUNCTION reconcile_one(a public.broker_accounts, r jsonb); Type: COMMENT; Schema: engine; Owner: empire_engine
--

COMMENT ON FUNCTION engine.reconcile_one(a public.broker_accounts, r jsonb) IS 'What one read of an account has found to differ. The caller holds the account.';

--
-- Name: record_connection(uuid, bigint, jsonb); Type: FUNCTION; Schema: engine; Owner: empire_engine
--

CREATE FUNCTION engine.record_connection(p_connection uuid, p_token bigint, p_result jsonb) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
declare
  c public.broker_connections;
  v_outcome constant text := p_result ->> 'outcome';
  v_error constant text := left(p_result ->> 'error', 500);
  v_n integer;
begin
  select b.* into c from public.broker_connections b where b.id = p_connection for no key update;
  -- A new credential or a disconnect in the meantime has taken the check away.
  perform 1 from engine.connection_checks k
  where k.connection_id = p_connection and k.token = p_token and k.lease_until > clock_timestamp() for update;
  if not found or c.status = 'disabled' then
    return false;
  elsif v_outcome = 'later' then
    update engine.connection_checks
    set token = null, worker = null, lease_until = null,
      run_at = clock_timestamp() + make_interval(secs => (p_result ->> 'retry_ms')::integer / 1000.0)
    where connection_id = p_connection;
    update public.broker_connections set last_error = v_error where id = c.id and last_error is distinct from v_error;
    return true;
  end if;
  if v_outcome = 'failed' then
    -- Not tried again by itself: many brokers lock a user after some refused logins.
    delete from engine.connection_checks where connection_id = p_connection;
    update public.broker_connections set status = 'failed', last_error = v_error where id = c.id;
    perform engine.tell_connection(c, 'error', 'connection_failed', v_error);
    return true;
  end if;
  -- Looked at again in a day: accounts come and go, passwords are changed elsewhere.
  update engine.connection_checks
  set token = null, worker = null, lease_until = null, attempts = 0, run_at = clock_timestamp() + interval '1 day'
  where connection_id = p_connection;
  v_n := engine.put_accounts(c, p_result -> 'accounts');
  update public.broker_connections
  set status = 'connected', last_error = null, verified_at = clock_timestamp() where id = c.id;
  if c.status <> 'connected' then
    perform engine.tell_connection(c, 'info', 'connection_verified', format(
      'Connected to %s as %s: %s account%s.', c.broker, coalesce(c.login_label, '?'), v_n, case v_n when 1 then '' else 's' end));
  end if;
  return true;
end
$$;

ALTER FUNCTION engine.record_connection(p_connection uuid, p_token bigint, p_result jsonb) OWNER TO empire_engine;

--
-- Name: FUNCTION record_connection(p_connection uuid, p_token bigint, p_result jsonb); Type: COMMENT; Schema: engine; Owner: empire_engine
--

COMMENT ON FUNCTION engine.record_connection(p_connection uuid, p_token bigint, p_result jsonb) IS 'What a check of a login came to: connected with its accounts, failed with a sentence, or to be tried later. False = the check was taken away.';

--
-- Name: record_drill(bigint, bigint, jsonb); Type: FUNCTION; Schema: engine; Owner: empire_engine
--

CREATE FUNCTION engine.record_drill(p_run bigint, p_token bigint, p_result jsonb) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
begin
  if not engine.holds_drill(p_run, p_token) then
    return false;
  end if;
  insert into public.drills (run_id, user_id, account_id, scope, rule, settings, settings_hash, passed, told, numbers)
  select r.id, r.user_id, r.account_id, p_result ->> 'scope', p_result ->> 'rule', p_result -> 'settings',
    md5((p_result -> 'settings')::text), (p_result ->> 'passed')::boolean, left(p_result ->> 'told', 1000), p_result -> 'numbers'
  from public.drill_runs r where r.id = p_run;
  return true;
end
$$;

ALTER FUNCTION engine.record_drill(p_run bigint, p_token bigint, p_result jsonb) OWNER TO empire_engine;

--
-- Name: FUNCTION record_drill(p_run bigint, p_token bigint, p_result jsonb); Type: COMMENT; Schema: engine; Owner: empire_engine
--

COMMENT ON FUNCTION engine.record_drill(p_run bigint, p_token bigint, p_result jsonb) IS 'What one limit did. False = the lease is over.';

--
-- Name: record_executions(jsonb); Type: FUNCTION; Schema: engine; Owner: empire_engine
--

CREATE FUNCTION engine.record_executions(p_results jsonb) RETURNS jsonb
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    SET plan_cache_mode TO 'force_generic_plan'
    SET enable_seqscan TO 'off'
    SET enable_hashjoin TO 'off'
    SET enable_mergejoin TO 'off'
    AS $$
declare
  v_held bigint [];
  v_kept jsonb;
  v_ends jsonb;
begin
  perform engine.lock_accounts(engine.delivery_ids(p_results));
  -- The fence: an older lease records nothing. What it did is found out by asking the broker.
  v_held := engine.held(p_results, false);
  select jsonb_agg(x), jsonb_agg(x) filter (where jsonb_typeof(x -> 'finish') = 'object') into v_kept, v_ends
  from jsonb_array_elements(p_results) x where (x ->> 'delivery_id')::bigint = any (v_held);
  if v_kept is not null then
    perform engine.record_held(v_kept);
  end if;
  if v_ends is not null then
    perform engine.close_events(engine.finish(v_ends));
  end if;
  return (
    select coalesce(jsonb_agg(jsonb_build_object(
      'delivery_id', x -> 'delivery_id', 'recorded', (x ->> 'delivery_id')::bigint = any (v_held)
    ) order by nth), '[]') from jsonb_array_elements(p_results) with ordinality as t (x, nth)
  );
end
$$;

ALTER FUNCTION engine.record_executions(p_results jsonb) OWNER TO empire_engine;

--
-- Name: FUNCTION record_executions(p_results jsonb); Type: COMMENT; Schema: engine; Owner: empire_engine
--

COMMENT ON FUNCTION engine.record_executions(p_results jsonb) IS 'One transaction for a batch: outcomes, fills, positions, traces, outbox rows, deliveries finished, the next of each lane ready.';

--
-- Name: record_health(jsonb); Type: FUNCTION; Schema: engine; Owner: empire_engine
--

CREATE FUNCTION engine.record_health(p_latencies jsonb) RETURNS integer
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
declare
  c_lately constant timestamptz := clock_timestamp() - interval '2 minutes';
  v_told integer;
begin
  perform set_config('synchronous_commit', 'off', true);
  update public.health h
  set status = n.status, message = n.message, latency_ms = coalesce(round((p_latencies ->> h.broker::text)::numeric, 1), h.latency_ms)
  from (
    select s.broker, s.failed, s.read,
      case when s.failed + s.read = 0 then 'unknown' when s.failed = 0 then 'operational' when s.read = 0 then 'down' else 'degraded' end as status,
      case when s.failed > 0 then format('%s of %s accounts could not be read.', s.failed, s.failed + s.read) end as message
    from (
      select o.broker, count(m.account_id) filter (where m.failures > 0) as failed,
        count(m.account_id) filter (where m.failures = 0) as read
      from public.health o
      left join (
        public.broker_accounts a join public.broker_connections c on c.id = a.connection_id and c.status = 'connected'
      ) on a.broker = o.broker
      left join engine.account_marks m on m.account_id = a.id and (m.read_at > c_lately or m.failures > 0)
      group by o.broker
    ) s
  ) n
  -- Several workers tell the same; an unchanged row is written again now and then, so that its age says that they live.
  where n.broker = h.broker and (
    (h.status, h.message) is distinct from (n.status, n.message) or h.updated_at < clock_timestamp() - interval '15 seconds'
  );
  get diagnostics v_told = row_count;
  return v_told;
end
$$;

ALTER FUNCTION engine.record_health(p_latencies jsonb) OWNER TO empire_engine;

--
-- Name: FUNCTION record_health(p_latencies jsonb); Type: COMMENT; Schema: engine; Owner: empire_engine
--

COMMENT ON FUNCTION engine.record_health(p_latencies jsonb) IS 'public.health from what the watch has read in the last two minutes: operational, degraded (some accounts could not be read), down (none could), unknown (nobody looked). p_latencies: milliseconds of a read by broker. Returns how many rows were told.';

--
-- Name: record_held(jsonb); Type: FUNCTION; Schema: engine; Owner: empire_engine
--

CREATE FUNCTION engine.record_held(p_results jsonb) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $_$
declare
  v_commands constant jsonb := (
    select jsonb_agg(y) from jsonb_array_elements(p_results) x cross join lateral jsonb_path_query(x, '$.commands[*] ? (@.type() == "object")') y
    join engine.commands c on c.id = (y ->> 'id')::bigint and c.delivery_id = (x ->> 'delivery_id')::bigint
    where c.state in ('pending', 'submitting')
      and y ->> 'outcome' in ('accepted', 'rejected', 'unknown', 'canceled', 'expired')
  );
  v_limited uuid [];
begin
  if v_commands is not null then
    perform engine.apply_results(v_commands);
  end if;
  with told as (
    update public.broker_accounts a
    set balance = (x #>> '{account,balance}')::numeric, equity = (x #>> '{account,equity}')::numeric,
      as_of = coalesce((x #>> '{account,as_of}')::timestamptz, clock_timestamp()), freshness = 'fresh',
      last_sync = clock_timestamp()
    from jsonb_array_elements(p_results) x join public.deliveries d on d.id = (x ->> 'delivery_id')::bigint
    where a.id = d.account_id and x #>> '{account,balance}' is not null
    returning a.id, a.user_id
  )
  select array_agg(t.id) into v_limited from told t
  where (select true from public.risk_settings r where r.user_id = t.user_id limit 1);
  if v_limited is not null then
    perform engine.note_money(v_limited);
  end if;
  if exists (
    select from jsonb_array_elements(p_results) x where jsonb_typeof(x -> 'finish') is distinct from 'object'
  ) then
    -- No finish: more legs follow, only the trace grows.
    update public.deliveries d
    set trace = d.trace || coalesce(nullif(x -> 'trace', 'null'), '[]'),
      timings = d.timings || coalesce(nullif(x -> 'timings', 'null'), '{}')
    from jsonb_array_elements(p_results) x
    where d.id = (x ->> 'delivery_id')::bigint and jsonb_typeof(x -> 'finish') is distinct from 'object';
  end if;
end
$_$;

ALTER FUNCTION engine.record_held(p_results jsonb) OWNER TO empire_engine;

--
-- Name: FUNCTION record_held(p_results jsonb); Type: COMMENT; Schema: engine; Owner: empire_engine
--

COMMENT ON FUNCTION engine.record_held(p_results jsonb) IS 'Outcomes, money and trace of deliveries whose tokens hold them.';

--
-- Name: record_marks(jsonb); Type: FUNCTION; Schema: engine; Owner: empire_engine
--

CREATE FUNCTION engine.record_marks(p_marks jsonb) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    SET plan_cache_mode TO 'force_generic_plan'
    SET enable_seqscan TO 'off'
    SET enable_hashjoin TO 'off'
    SET enable_mergejoin TO 'off'
    AS $$
declare
  v_held jsonb;
  r record;
begin
  perform set_config('synchronous_commit', 'off', true);
  perform from public.broker_accounts b
  where b.id = any (array(select (x ->> 'account')::uuid from jsonb_array_elements(p_marks) x))
  order by b.id for no key update;
  select jsonb_agg(x) into v_held from jsonb_array_elements(p_marks) x
  join engine.account_marks w on w.account_id = (x ->> 'account')::uuid and w.token = (x ->> 'token')::bigint;
  if v_held is null then
    return;
  end if;
  perform engine.mark_positions(v_held);
  for r in
    select a as account, x.said from jsonb_array_elements(v_held) as x (said)
    join public.broker_accounts a on a.id = (x.said ->> 'account')::uuid order by a.id
  loop
    perform engine.take_mark(r.account, r.said);
  end loop;
end
$$;

ALTER FUNCTION engine.record_marks(p_marks jsonb) OWNER TO empire_engine;

--
-- Name: FUNCTION record_marks(p_marks jsonb); Type: COMMENT; Schema: engine; Owner: empire_engine
--

COMMENT ON FUNCTION engine.record_marks(p_marks jsonb) IS 'What accounts were worth when they were read: money, value and protection of positions, the day''s extremes, a new day at the reset. Only under the tokens that watched_accounts gave. Decides nothing.';

--
-- Name: record_notifications(uuid, bigint, jsonb, boolean, integer); Type: FUNCTION; Schema: engine; Owner: empire_engine
--

CREATE FUNCTION engine.record_notifications(p_target uuid, p_token bigint, p_results jsonb, p_release boolean, p_most integer) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
declare
  n public.notification_targets;
  p jsonb;
begin
  select t.* into n from public.notification_targets t where t.id = p_target for no key update;
  perform 1 from engine.notification_doors h where h.target_id = p_target and h.token = p_token for update;
  if not found then
    return false;
  end if;
  for p in select x from jsonb_array_elements(p_results) with ordinality as r (x, nth) order by nth loop
    perform engine.record_sending(n, p, p_most);
  end loop;
  if p_release then
    update engine.notification_doors set lease_until = null, worker = null where target_id = p_target and token = p_token;
  end if;
  return true;
end
$$;

ALTER FUNCTION engine.record_notifications(p_target uuid, p_token bigint, p_results jsonb, p_release boolean, p_most integer) OWNER TO empire_engine;

--
-- Name: FUNCTION record_notifications(p_target uuid, p_token bigint, p_results jsonb, p_release boolean, p_most integer); Type: COMMENT; Schema: engine; Owner: empire_engine
--

COMMENT ON FUNCTION engine.record_notifications(p_target uuid, p_token bigint, p_results jsonb, p_release boolean, p_most integer) IS 'What became of messages to a target held by this token; false = another relay has it, or the target is gone.';

--
-- Name: record_sending(public.notification_targets, jsonb, integer); Type: FUNCTION; Schema: engine; Owner: empire_engine
--

CREATE FUNCTION engine.record_sending(n public.notification_targets, p jsonb, p_most integer) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
declare
  v_ids constant bigint [] := array(select i::bigint from jsonb_array_elements_text(p -> 'ids') i);
  v_error constant text := left(p ->> 'error', 300);
  -- One moment for all of a digest: it counts once.
  v_now constant timestamptz := clock_timestamp();
  v_dead integer;
begin
  if p ->> 'outcome' = 'sent' then
    update public.notifications
    set status = 'sent', sent_at = v_now, attempts = attempts + 1, in_digest = cardinality(v_ids) > 1, last_error = null
    where id = any (v_ids) and target_id = n.id and status = 'waiting';
    update public.notification_targets set last_sent_at = v_now, last_error = null where id = n.id;
    update engine.notification_doors set failures = 0, rest_until = null where target_id = n.id;
    return;
  end if;
  update public.notifications
  set attempts = attempts + 1, last_error = v_error,
    status = case when p ->> 'outcome' = 'dead' or attempts + 1 >= p_most then 'dead' else 'waiting' end::public.notification_status
  where id = any (v_ids) and target_id = n.id and status = 'waiting';
  update public.notification_targets set last_error = v_error where id = n.id and last_error is distinct from v_error;
  update engine.notification_doors
  set failures = failures + 1,
    rest_until = clock_timestamp() + make_interval(secs => coalesce((p ->> 'retry_ms')::bigint, 0) / 1000.0) where target_id = n.id;
  select count(*) into v_dead from public.notifications t where t.id = any (v_ids) and t.status = 'dead';
  if v_dead > 0 then
    perform engine.complain(n, v_dead, v_error);
  end if;
end
$$;

ALTER FUNCTION engine.record_sending(n public.notification_targets, p jsonb, p_most integer) OWNER TO empire_engine;

--
-- Name: FUNCTION record_sending(n public.notification_targets, p jsonb, p_most integer); Type: COMMENT; Schema: engine; Owner: empire_engine
--

COMMENT ON FUNCTION engine.record_sending(n public.notification_targets, p jsonb, p_most integer) IS 'What became of one message (or digest): sent, to be tried again after a rest of the target, or given up.';

--
-- Name: record_standings(jsonb); Type: FUNCTION; Schema: engine; Owner: empire_engine
--

CREATE FUNCTION engine.record_standings(p_accounts jsonb) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
begin
  perform set_config('synchronous_commit', 'off', true);
  insert into public.risk_standings as s (account_id, scope, rule, user_id, value, threshold, distance, why, at)
  select a.id, y ->> 'scope', y ->> 'rule', a.user_id, (y ->> 'value')::numeric, (y ->> 'threshold')::numeric,
    (y ->> 'distance')::numeric, left(y ->> 'why', 200), (x ->> 'at')::timestamptz
  from jsonb_array_elements(p_accounts) x
  join public.broker_accounts a on a.id = (x ->> 'account')::uuid
  cross join lateral jsonb_array_elements(x -> 'standings') y
  order by a.id, 2, 3
  on conflict (account_id, scope, rule) do update
  set value = excluded.value, threshold = excluded.threshold, distance = excluded.distance, why = excluded.why, at = excluded.at
  where s.at < excluded.at;
  -- What is not set any more stands nowhere.
  delete from public.risk_standings s using jsonb_array_elements(p_accounts) x
  where s.account_id = (x ->> 'account')::uuid and s.at < (x ->> 'at')::timestamptz and not exists (
    select 1 from jsonb_array_elements(x -> 'standings') y where y ->> 'scope' = s.scope and y ->> 'rule' = s.rule
  );
end
$$;

ALTER FUNCTION engine.record_standings(p_accounts jsonb) OWNER TO empire_engine;

--
-- Name: FUNCTION record_standings(p_accounts jsonb); Type: COMMENT; Schema: engine; Owner: empire_engine
--

COMMENT ON FUNCTION engine.record_standings(p_accounts jsonb) IS 'Where the limits of money of these accounts stand ({account, at, standings}); an older read changes nothing.';

--
-- Name: refusal_of_age(public.webhook_endpoints, jsonb, engine.alert); Type: FUNCTION; Schema: engine; Owner: empire_engine
--

CREATE FUNCTION engine.refusal_of_age(e public.webhook_endpoints, p jsonb, r engine.alert) RETURNS jsonb
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
declare
  v_age constant numeric := round(extract(epoch from clock_timestamp() - r.fired_at));
begin
  if v_age < -60 then
    return engine.refuse(e, p, 422, 'ts_in_future', 'ts lies more than 60 seconds in the future.',
      engine.at_path('ts', format('%s seconds ahead of our clock, at most 60', -v_age)));
  elsif v_age >= e.max_age_s and not engine.is_exit(r.action) then
    return engine.refuse(e, p, 409, 'stale',
      format('The alert is %s seconds old, this endpoint accepts %s.', v_age, e.max_age_s)
      || case when mod(v_age, 60) < 5 then ' Did you send {{time}}? Use {{timenow}}.' else '' end,
      engine.at_path('ts', format('%s seconds old, at most %s', v_age, e.max_age_s)));
  end if;
  return null;
end
$$;

ALTER FUNCTION engine.refusal_of_age(e public.webhook_endpoints, p jsonb, r engine.alert) OWNER TO empire_engine;

--
-- Name: FUNCTION refusal_of_age(e public.webhook_endpoints, p jsonb, r engine.alert); Type: COMMENT; Schema: engine; Owner: empire_engine
--

COMMENT ON FUNCTION engine.refusal_of_age(e public.webhook_endpoints, p jsonb, r engine.alert) IS 'Entries may be max_age_s old, exits any age; nothing may come from the future. null = of the right age.';

--
-- Name: refusal_of_body(public.webhook_endpoints, jsonb, engine.alert); Type: FUNCTION; Schema: engine; Owner: empire_engine
--

CREATE FUNCTION engine.refusal_of_body(e public.webhook_endpoints, p jsonb, r engine.alert) RETURNS jsonb
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $_$
begin
  if jsonb_typeof(p -> 'refusal') = 'object' then
    return engine.refuse(e, p, case when p #>> '{refusal,status}' ~ '^4\d\d$' then (p #>> '{refusal,status}')::integer else 422 end,
      'invalid', 'The alert cannot be read.', p #> '{refusal,details}')
      || jsonb_build_object('error', coalesce(p #>> '{refusal,error}', 'invalid'));
  elsif r.problem is not null then
    return engine.refuse(e, p, 422, 'invalid', 'The alert cannot be read.', engine.at_path('$', r.problem));
  elsif r.broker <> e.broker::text or p ->> 'broker' <> e.broker::text then
    return engine.refuse(e, p, 422, 'broker_mismatch', format('This endpoint belongs to %s.', e.broker),
      engine.at_path('intent.broker', format('must be %s or absent', e.broker)));
  end if;
  return null;
end
$_$;

ALTER FUNCTION engine.refusal_of_body(e public.webhook_endpoints, p jsonb, r engine.alert) OWNER TO empire_engine;

--
-- Name: FUNCTION refusal_of_body(e public.webhook_endpoints, p jsonb, r engine.alert); Type: COMMENT; Schema: engine; Owner: empire_engine
--

COMMENT ON FUNCTION engine.refusal_of_body(e public.webhook_endpoints, p jsonb, r engine.alert) IS 'What the edge function or the types refuse, and a broker that is not the endpoint''s; null = readable.';

--
-- Name: refusal_of_door(public.webhook_endpoints, engine.alert); Type: FUNCTION; Schema: engine; Owner: empire_engine
--

CREATE FUNCTION engine.refusal_of_door(e public.webhook_endpoints, r engine.alert) RETURNS jsonb
    LANGUAGE plpgsql STABLE
    SET search_path TO ''
    AS $$
begin
  if r.signature_valid is false or (e.require_signature and r.signature_valid is not true) then
    return '{"http": 401, "error": "signature_invalid",
      "message": "This endpoint wants a valid X-Webhook-Signature header."}';
  elsif e.allow_cidrs is not null and r.client_ip is null then
    return '{"http": 403, "error": "address_unknown",
      "message": "This endpoint allows listed addresses only and yours cannot be told."}';
  elsif e.allow_cidrs is not null and not r.client_ip <<= any (e.allow_cidrs) then
    return '{"http": 403, "error": "address_not_allowed",
      "message": "This endpoint does not accept alerts from your address."}';
  end if;
  return null;
end
$$;

ALTER FUNCTION engine.refusal_of_door(e public.webhook_endpoints, r engine.alert) OWNER TO empire_engine;

--
-- Name: FUNCTION refusal_of_door(e public.webhook_endpoints, r engine.alert); Type: COMMENT; Schema: engine; Owner: empire_engine
--

COMMENT ON FUNCTION engine.refusal_of_door(e public.webhook_endpoints, r engine.alert) IS 'Signature and address rules of an endpoint; null = may come in.';

--
-- Name: refusal_to_lift(public.broker_accounts); Type: FUNCTION; Schema: engine; Owner: empire_engine
--

CREATE FUNCTION engine.refusal_to_lift(a public.broker_accounts) RETURNS text
    LANGUAGE plpgsql STABLE
    SET search_path TO ''
    AS $$
declare
  b engine.breaches;
  k engine.account_marks;
begin
  select x.* into k from engine.account_marks x where x.account_id = a.id;
  select x.* into b from engine.locks_of(a.id) x
  -- The watch says so at every read in which a limit is touched; a read after the last of these has found it well.
  where (k.read_at > x.seen_at and a.freshness = 'fresh') is not true limit 1;
  if not found then
    return null;
  end if;
  return format('The limit %s of %s is still reached (%s), or the account has not been read since: the lock stays.',
    replace(b.rule, '_', ' '), coalesce(a.label, a.account_id), engine.in_words(b.numbers));
end
$$;

ALTER FUNCTION engine.refusal_to_lift(a public.broker_accounts) OWNER TO empire_engine;

--
-- Name: FUNCTION refusal_to_lift(a public.broker_accounts); Type: COMMENT; Schema: engine; Owner: empire_engine
--

COMMENT ON FUNCTION engine.refusal_to_lift(a public.broker_accounts) IS 'Why the lock of an account cannot be lifted now, as a sentence. Null = it can.';

--
-- Name: refuse(public.webhook_endpoints, jsonb, integer, public.reason, text, jsonb); Type: FUNCTION; Schema: engine; Owner: empire_engine
--

CREATE FUNCTION engine.refuse(p_endpoint public.webhook_endpoints, p jsonb, p_http integer, p_reason public.reason, p_message text, p_details jsonb) RETURNS jsonb
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
declare
  v_event bigint;
  v_n integer;
begin
  insert into engine.endpoint_counters as c (endpoint_id, window_start, kind, n)
  values (p_endpoint.id, date_trunc('hour', clock_timestamp()), 'refused', 1)
  on conflict (endpoint_id, kind, window_start) do update set n = c.n + 1
  returning n into v_n;
  -- A flood of bad bodies is counted, not kept.
  if v_n <= 100 then
    insert into public.webhook_events (
      user_id, source, broker, endpoint_id, body, payload, signature, processed, status, reason, details
    ) values (
      p_endpoint.user_id, 'tradingview', p_endpoint.broker, p_endpoint.id,
      case when octet_length(p ->> 'body') > 32768 then left(p ->> 'body', 200) else coalesce(p ->> 'body', '') end,
      nullif(p -> 'payload', 'null'), p ->> 'signature', true, 'refused', p_reason,
      jsonb_build_object('message', p_message, 'details', coalesce(p_details, '[]'))
    ) returning id into v_event;
  end if;
  return jsonb_strip_nulls(jsonb_build_object(
    'http', p_http, 'error', p_reason, 'message', p_message, 'details', p_details, 'event_id', v_event
  ));
end
$$;

ALTER FUNCTION engine.refuse(p_endpoint public.webhook_endpoints, p jsonb, p_http integer, p_reason public.reason, p_message text, p_details jsonb) OWNER TO empire_engine;

--
-- Name: FUNCTION refuse(p_endpoint public.webhook_endpoints, p jsonb, p_http integer, p_reason public.reason, p_message text, p_details jsonb); Type: COMMENT; Schema: engine; Owner: empire_engine
--

COMMENT ON FUNCTION engine.refuse(p_endpoint public.webhook_endpoints, p jsonb, p_http integer, p_reason public.reason, p_message text, p_details jsonb) IS 'Keeps a refused body of an authenticated sender with its reason, at most 100 an hour, and makes the answer.';

--
-- Name: relay_stats(); Type: FUNCTION; Schema: engine; Owner: empire_engine
--

CREATE FUNCTION engine.relay_stats() RETURNS jsonb
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path TO ''
    AS $$
begin
  return jsonb_build_object(
    'outbox', (select count(*) from engine.outbox),
    'outbox_oldest_seconds', coalesce((
      select round(extract(epoch from clock_timestamp() - o.created_at), 3) from engine.outbox o order by o.id limit 1
    ), 0),
    'notifications_waiting', (select count(*) from public.notifications n where n.status = 'waiting'),
    'notifications_oldest_seconds', coalesce((
      select round(extract(epoch from clock_timestamp() - min(n.due_at)), 3) from public.notifications n
      where n.status = 'waiting' and n.due_at <= clock_timestamp()
    ), 0)
  );
end
$$;

ALTER FUNCTION engine.relay_stats() OWNER TO empire_engine;

--
-- Name: FUNCTION relay_stats(); Type: COMMENT; Schema: engine; Owner: empire_engine
--

COMMENT ON FUNCTION engine.relay_stats() IS 'What waits for the relay, and for how long.';

--
-- Name: release(jsonb); Type: FUNCTION; Schema: engine; Owner: empire_engine
--

CREATE FUNCTION engine.release(p_deliveries jsonb) RETURNS integer
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    SET plan_cache_mode TO 'force_generic_plan'
    SET enable_seqscan TO 'off'
    AS $$
declare
  v_given bigint [];
begin
  perform engine.lock_accounts(engine.delivery_ids(p_deliveries));
  v_given := engine.unsent(engine.held(p_deliveries, false));
  perform engine.give_back(i, 0) from unnest(v_given) as g (i);
  return cardinality(v_given);
end
$$;

ALTER FUNCTION engine.release(p_deliveries jsonb) OWNER TO empire_engine;

--
-- Name: FUNCTION release(p_deliveries jsonb); Type: COMMENT; Schema: engine; Owner: empire_engine
--

COMMENT ON FUNCTION engine.release(p_deliveries jsonb) IS 'A draining worker gives back what it claimed and has not begun to send.';

--
-- Name: release_trades(bigint[]); Type: FUNCTION; Schema: engine; Owner: empire_engine
--

CREATE FUNCTION engine.release_trades(p_deliveries bigint[]) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
declare
  v_ids bigint [];
begin
  -- Kept while an entry of the delivery was accepted or may have been; given back once, when none can be.
  v_ids := array(
    select c.id from engine.commands c
    where c.delivery_id = any (p_deliveries) and c.reserved is not null and (
      select true from engine.commands k
      where k.delivery_id = c.delivery_id and k.kind = 'place' and k.is_entry
        and k.state not in ('rejected', 'canceled', 'expired') limit 1
    ) is null
  );
  if v_ids = '{}' then
    return;
  end if;
  perform 1 from engine.scope_counters s
  where s.id in (select i::bigint from engine.commands c, jsonb_array_elements_text(c.reserved) i where c.id = any (v_ids))
  order by s.id for update;
  update engine.scope_counters s set trades = s.trades - r.n
  from (
    select i::bigint as id, count(*)::integer as n
    from engine.commands c, jsonb_array_elements_text(c.reserved) i where c.id = any (v_ids) group by 1
  ) r
  where s.id = r.id;
  update engine.commands set reserved = null where id = any (v_ids);
end
$$;

ALTER FUNCTION engine.release_trades(p_deliveries bigint[]) OWNER TO empire_engine;

--
-- Name: FUNCTION release_trades(p_deliveries bigint[]); Type: COMMENT; Schema: engine; Owner: empire_engine
--

COMMENT ON FUNCTION engine.release_trades(p_deliveries bigint[]) IS 'Gives back the trades reserved for deliveries of which no entry reached the broker.';

--
-- Name: rename_order(uuid, jsonb, timestamp with time zone); Type: FUNCTION; Schema: engine; Owner: empire_engine
--

CREATE FUNCTION engine.rename_order(p_account uuid, o jsonb, p_read timestamp with time zone) RETURNS boolean
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
begin
  update public.orders w set venue_order_id = o ->> 'venue_order_id'
  where w.id = (o ->> 'id')::bigint and w.account_id = p_account and w.venue_order_id is distinct from o ->> 'venue_order_id'
    and w.updated_at < p_read;
  return found;
end
$$;

ALTER FUNCTION engine.rename_order(p_account uuid, o jsonb, p_read timestamp with time zone) OWNER TO empire_engine;

--
-- Name: FUNCTION rename_order(p_account uuid, o jsonb, p_read timestamp with time zone); Type: COMMENT; Schema: engine; Owner: empire_engine
--

COMMENT ON FUNCTION engine.rename_order(p_account uuid, o jsonb, p_read timestamp with time zone) IS 'The broker has given an order of ours another id.';

--
-- Name: replay(uuid, bigint); Type: FUNCTION; Schema: engine; Owner: empire_engine
--

CREATE FUNCTION engine.replay(p_user uuid, p_event bigint) RETURNS jsonb
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
declare
  e public.webhook_events;
  v_accounts uuid [];
  v_event bigint;
begin
  select * into e from public.webhook_events where id = p_event and user_id = p_user and status = 'accepted';
  if not found then
    return '{"http": 404, "error": "invalid", "message": "There is no accepted alert of yours with this number."}';
  end if;
  select array_agg(d.account_id) into v_accounts from public.deliveries d where d.event_id = p_event;
  v_event := nextval('public.webhook_events_id_seq');
  insert into public.webhook_events (
    id, user_id, source, broker, endpoint_id, body, payload, status, dry_run, fired_at, received_at, open_deliveries
  ) overriding system value values (
    v_event, p_user, 'drill', e.broker, e.endpoint_id, e.body, e.payload, 'accepted', true, e.fired_at, clock_timestamp(),
    cardinality(v_accounts)
  );
  perform engine.enqueue(array[row(
    v_event, v_accounts, 'drill', coalesce(e.payload #>> '{intent,action}', 'open'), e.payload #>> '{intent,symbol}',
    e.payload #>> '{intent,side}', e.payload #>> '{intent,tag}', e.endpoint_id, false, null, true, null
  )::engine.arrival]);
  return jsonb_build_object(
    'http', 202, 'status', 'accepted', 'event_id', v_event, 'deliveries', cardinality(v_accounts)
  );
end
$$;

ALTER FUNCTION engine.replay(p_user uuid, p_event bigint) OWNER TO empire_engine;

--
-- Name: FUNCTION replay(p_user uuid, p_event bigint); Type: COMMENT; Schema: engine; Owner: empire_engine
--

COMMENT ON FUNCTION engine.replay(p_user uuid, p_event bigint) IS 'A copy of an accepted alert as a dry run for the same accounts. The caller has proved who the user is.';

--
-- Name: rescue(integer); Type: FUNCTION; Schema: engine; Owner: empire_engine
--

CREATE FUNCTION engine.rescue(p_limit integer) RETURNS jsonb
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    SET plan_cache_mode TO 'force_generic_plan'
    SET enable_seqscan TO 'off'
    AS $_$
declare
  v_now constant timestamptz := clock_timestamp();
  r record;
  v_ids bigint [];
  v_hung bigint [];
  v_rescued bigint [] := '{}';
  v_events bigint [] := '{}';
begin
  v_ids := array(
    select q.id from engine.queue q where q.state = 'claimed' and q.lease_until < v_now order by q.id limit p_limit
  );
  v_hung := engine.hung_exits(p_limit);
  if v_ids = '{}' and v_hung = '{}' then
    return '{"rearmed": 0, "unsettled": 0, "promoted": 0}';
  end if;
  perform engine.lock_accounts(v_ids || v_hung);
  for r in
    select q.id, jsonb_array_length(jsonb_path_query_array(d.trace, '$[*] ? (@.outcome == "lease_expired")')) as lost
    from engine.queue q join public.deliveries d on d.id = q.id
    where q.id = any (v_ids) and q.state = 'claimed' and q.lease_until < v_now order by q.id for update of q
  loop
    v_events := v_events || engine.rescue_one(r.id, r.lost);
    v_rescued := v_rescued || r.id;
  end loop;
  v_events := v_events || engine.promote_exits(v_hung);
  perform engine.close_events(v_events);
  insert into engine.counters as c (name, n) values ('lease_expired', cardinality(v_rescued))
  on conflict (name) do update set n = c.n + excluded.n;
  return (
    select jsonb_build_object(
      'rearmed', count(*) filter (where q.state = 'ready'), 'unsettled', count(*) filter (where q.state = 'unsettled'),
      'promoted', cardinality(v_hung)
    ) from engine.queue q where q.id = any (v_rescued)
  );
end
$_$;

ALTER FUNCTION engine.rescue(p_limit integer) OWNER TO empire_engine;

--
-- Name: FUNCTION rescue(p_limit integer); Type: COMMENT; Schema: engine; Owner: empire_engine
--

COMMENT ON FUNCTION engine.rescue(p_limit integer) IS 'Re-arms expired leases: unsent work is ready again, work that was being sent goes to the settler. Also promotes exits whose lane hangs.';

--
-- Name: rescue_one(bigint, integer); Type: FUNCTION; Schema: engine; Owner: empire_engine
--

CREATE FUNCTION engine.rescue_one(p_delivery bigint, p_lost integer) RETURNS bigint[]
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
declare
  c_patience constant integer := 20;
begin
  update public.deliveries
  set attempts = attempts + 1, trace = trace || jsonb_build_array(jsonb_build_object(
    'stage', 'claim', 'outcome', 'lease_expired', 'ms', 0, 'detail', jsonb_build_object('times', p_lost + 1)
  ))
  where id = p_delivery;
  if engine.unsent(array[p_delivery]) = '{}' then
    return engine.finish(jsonb_build_array(jsonb_build_object(
      'delivery_id', p_delivery, 'finish', '{"outcome": "unknown"}'::jsonb
    )));
  elsif p_lost >= c_patience then
    return engine.bury(p_delivery, format('its lease ran out %s times', p_lost + 1), null);
  end if;
  perform engine.give_back(p_delivery, 0);
  return '{}';
end
$$;

ALTER FUNCTION engine.rescue_one(p_delivery bigint, p_lost integer) OWNER TO empire_engine;

--
-- Name: FUNCTION rescue_one(p_delivery bigint, p_lost integer); Type: COMMENT; Schema: engine; Owner: empire_engine
--

COMMENT ON FUNCTION engine.rescue_one(p_delivery bigint, p_lost integer) IS 'A delivery whose lease ran out: to the settler, ready again, or, after 20 times, dead. Returns events to be closed.';

--
-- Name: reserve_calls(text, jsonb); Type: FUNCTION; Schema: engine; Owner: empire_engine
--

CREATE FUNCTION engine.reserve_calls(p_worker text, p_asks jsonb) RETURNS jsonb
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
declare
  v_ask record;
  v_answers jsonb := '{}';
begin
  -- One order of locks for every worker.
  for v_ask in
    select a.ordinality::text as place, a.value from jsonb_array_elements(p_asks) with ordinality a
    order by a.value ->> 'connection_id', a.value ->> 'route', a.ordinality
  loop
    v_answers := v_answers || jsonb_build_object(v_ask.place, engine.hand_out_calls(p_worker, v_ask.value));
  end loop;
  return (select coalesce(jsonb_agg(a.value order by a.key::integer), '[]') from jsonb_each(v_answers) a);
end
$$;

ALTER FUNCTION engine.reserve_calls(p_worker text, p_asks jsonb) OWNER TO empire_engine;

--
-- Name: FUNCTION reserve_calls(p_worker text, p_asks jsonb); Type: COMMENT; Schema: engine; Owner: empire_engine
--

COMMENT ON FUNCTION engine.reserve_calls(p_worker text, p_asks jsonb) IS 'Hands out requests to a broker: for each ask {connection_id, route, urgent, background, limit, reserve, window_ms, want, within_ms, life_ms, grace_ms, pause_ms, used: [{block, calls, age_ms}]} a block of calls to be sent between from_ms and until_ms from now, or none and when to ask again (wait_ms). In no window are there more than `limit`, whatever workers do or how they die: calls count from the moment they are handed out until a window after they have arrived. `reserve` of the limit is for what is urgent. `used` gives back what was not used; `pause_ms` stops the route for everybody.';

--
-- Name: rest_twins(bigint); Type: FUNCTION; Schema: engine; Owner: empire_engine
--

CREATE FUNCTION engine.rest_twins(p_run bigint) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
begin
  update public.broker_accounts a set trading_enabled = false
  from engine.drill_twins t where t.run_id = p_run and a.user_id = t.user_id and a.trading_enabled;
  update public.broker_connections c set status = 'disabled'
  from engine.drill_twins t where t.run_id = p_run and c.id = t.connection_id and c.status <> 'disabled';
end
$$;

ALTER FUNCTION engine.rest_twins(p_run bigint) OWNER TO empire_engine;

--
-- Name: FUNCTION rest_twins(p_run bigint); Type: COMMENT; Schema: engine; Owner: empire_engine
--

COMMENT ON FUNCTION engine.rest_twins(p_run bigint) IS 'A drill''s synthetic accounts trade no more and are read no more.';

--
-- Name: risk_json(public.broker_accounts, bigint); Type: FUNCTION; Schema: engine; Owner: empire_engine
--

CREATE FUNCTION engine.risk_json(a public.broker_accounts, p_delivery bigint) RETURNS jsonb
    LANGUAGE plpgsql STABLE
    SET search_path TO ''
    AS $$
declare
  c_now constant timestamptz := clock_timestamp();
  c_rules constant text [] := engine.rules_of(a.user_id);
  v_day jsonb;
begin
  if c_rules = '{}' then
    return null;
  end if;
  v_day := engine.day_json(a, c_now);
  return jsonb_build_object(
    'initial_balance', a.initial_balance, 'day', v_day, 'week', engine.week_json(a, c_now, v_day),
    'unprotected', engine.unprotected(a.id)
  ) || coalesce((
    select jsonb_build_object('high_close', m.high_close, 'peak_equity', m.peak_equity)
    from engine.account_marks m where m.account_id = a.id
  ), '{}') || case when 'consistency' = any (c_rules) then engine.profits_json(a.id) else '{}' end
  -- The watch asks every second what an account is worth; what only an order is refused by it need not know.
  || case when p_delivery is not null then engine.order_json(a, p_delivery, c_rules) else '{}' end;
end
$$;

ALTER FUNCTION engine.risk_json(a public.broker_accounts, p_delivery bigint) OWNER TO empire_engine;

--
-- Name: FUNCTION risk_json(a public.broker_accounts, p_delivery bigint); Type: COMMENT; Schema: engine; Owner: empire_engine
--

COMMENT ON FUNCTION engine.risk_json(a public.broker_accounts, p_delivery bigint) IS 'What the rules may know of an account''s money (RiskState), for a delivery or (null) for its watch. Null = the user has no such rule.';

--
-- Name: room_of(uuid[]); Type: FUNCTION; Schema: engine; Owner: empire_engine
--

CREATE FUNCTION engine.room_of(p_accounts uuid[]) RETURNS TABLE(account_id uuid, scopes jsonb)
    LANGUAGE plpgsql STABLE
    SET search_path TO ''
    AS $$
begin
  return query
    with scope as materialized (
      select distinct s.user_id, s.scope, s.trading_day from engine.account_scopes s where s.account_id = any (p_accounts)
    ), counted as materialized (
      select c.id, c.user_id, c.scope, c.trades, cap.trades as max_trades, cap.open_trades as max_open,
        cap.positions as max_positions,
        case when cap.open_trades is not null or cap.positions is not null
          then engine.open_trades(c.user_id, c.scope) end as open_now
      from scope s
      join engine.scope_counters c on c.user_id = s.user_id and c.scope = s.scope and c.trading_day = s.trading_day
      cross join lateral (
        select case when s.scope = 'month' then (
            select l.trades_per_month from public.plan_limits l where l.plan = private.effective_plan(s.user_id)
          ) else min(r.max_trades_per_day) end as trades,
          min(r.max_open_trades) as open_trades, min(r.max_concurrent_positions) as positions
        from engine.limits_in_force r
        where r.user_id = s.user_id and (
          coalesce(r.account_id::text, r.broker::text) = s.scope
          or (r.account_id is null and r.broker is null and s.scope in ('live', 'paper'))
        )
      ) cap
    )
    select s.account_id, jsonb_agg(to_jsonb(c) order by c.id)
    from engine.account_scopes s join counted c on c.user_id = s.user_id and c.scope = s.scope
    where s.account_id = any (p_accounts)
    group by s.account_id;
end
$$;

ALTER FUNCTION engine.room_of(p_accounts uuid[]) OWNER TO empire_engine;

--
-- Name: FUNCTION room_of(p_accounts uuid[]); Type: COMMENT; Schema: engine; Owner: empire_engine
--

COMMENT ON FUNCTION engine.room_of(p_accounts uuid[]) IS 'Per account its scopes: counter, trades and open trades now, and the limits set there. Final under the users'' locks only.';

--
-- Name: rule_sets(uuid); Type: FUNCTION; Schema: engine; Owner: empire_engine
--

CREATE FUNCTION engine.rule_sets(p_account uuid) RETURNS jsonb
    LANGUAGE plpgsql STABLE
    SET search_path TO ''
    AS $$
begin
  return (
    select coalesce(jsonb_agg(jsonb_build_object('scope', x.scope, 'rules', x.rules) order by x.scope), '[]') from (
      select case when r.account_id is not null then 'account' when r.broker is not null then 'broker' else 'user' end as scope,
        jsonb_strip_nulls(r.rules) as rules
      from public.broker_accounts a join engine.limits_in_force r on r.user_id = a.user_id
      where a.id = p_account and (r.broker is null or r.broker = a.broker) and (r.account_id is null or r.account_id = a.id)
    ) x where x.rules <> '{}'
  );
end
$$;

ALTER FUNCTION engine.rule_sets(p_account uuid) OWNER TO empire_engine;

--
-- Name: FUNCTION rule_sets(p_account uuid); Type: COMMENT; Schema: engine; Owner: empire_engine
--

COMMENT ON FUNCTION engine.rule_sets(p_account uuid) IS 'The rules in force for an account, per scope: user, broker, account. All of them are asked.';

--
-- Name: rules_of(uuid); Type: FUNCTION; Schema: engine; Owner: empire_engine
--

CREATE FUNCTION engine.rules_of(p_user uuid) RETURNS text[]
    LANGUAGE plpgsql STABLE
    SET search_path TO ''
    AS $$
begin
  return array(
    select k.key from engine.limits_in_force r cross join lateral jsonb_each(r.rules) k
    where r.user_id = p_user and k.value <> 'null'
    union
    select 'daily_loss' from engine.limits_in_force r
    where r.user_id = p_user and coalesce(r.max_daily_loss_usd, r.max_daily_loss_pct) is not null
  );
end
$$;

ALTER FUNCTION engine.rules_of(p_user uuid) OWNER TO empire_engine;

--
-- Name: FUNCTION rules_of(p_user uuid); Type: COMMENT; Schema: engine; Owner: empire_engine
--

COMMENT ON FUNCTION engine.rules_of(p_user uuid) IS 'Names of the rules that a user has in force in any scope.';

--
-- Name: save_session(uuid, text, bigint, text, bytea, timestamp with time zone); Type: FUNCTION; Schema: engine; Owner: empire_engine
--

CREATE FUNCTION engine.save_session(p_connection uuid, p_worker text, p_version bigint, p_key_id text, p_sealed bytea, p_expires_at timestamp with time zone) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
declare
  v_saved boolean;
begin
  -- The row of the connection: a disconnect or a new credential in the meantime ends its sessions.
  perform 1 from public.broker_connections c where c.id = p_connection and c.status <> 'disabled' for share;
  if not found then
    return false;
  end if;
  insert into engine.sessions as s (connection_id, version, key_id, sealed, expires_at)
  select p_connection, p_version, p_key_id, p_sealed, p_expires_at
  where p_version = 1 or exists (select 1 from engine.sessions o where o.connection_id = p_connection)
  on conflict (connection_id) do update
  set version = excluded.version, key_id = excluded.key_id, sealed = excluded.sealed, expires_at = excluded.expires_at,
    updated_at = clock_timestamp()
  where s.version = excluded.version - 1;
  v_saved := found;
  delete from engine.session_turns t where t.connection_id = p_connection and t.worker = p_worker;
  return v_saved;
end
$$;

ALTER FUNCTION engine.save_session(p_connection uuid, p_worker text, p_version bigint, p_key_id text, p_sealed bytea, p_expires_at timestamp with time zone) OWNER TO empire_engine;

--
-- Name: FUNCTION save_session(p_connection uuid, p_worker text, p_version bigint, p_key_id text, p_sealed bytea, p_expires_at timestamp with time zone); Type: COMMENT; Schema: engine; Owner: empire_engine
--

COMMENT ON FUNCTION engine.save_session(p_connection uuid, p_worker text, p_version bigint, p_key_id text, p_sealed bytea, p_expires_at timestamp with time zone) IS 'Keeps a session if the stored version is one less (none counts as 0), and ends the turn. False = somebody was faster.';

--
-- Name: send_again(engine.commands); Type: FUNCTION; Schema: engine; Owner: empire_engine
--

CREATE FUNCTION engine.send_again(k engine.commands) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
begin
  -- Absent by a lookup that is proof, and nobody can be sending it any more: as good as never sent.
  update engine.commands set state = 'pending', token = null, check_at = null where id = k.id;
  update public.orders set status = 'pending' where id = k.order_id and status = 'unknown' and k.kind in ('place', 'close');
end
$$;

ALTER FUNCTION engine.send_again(k engine.commands) OWNER TO empire_engine;

--
-- Name: FUNCTION send_again(k engine.commands); Type: COMMENT; Schema: engine; Owner: empire_engine
--

COMMENT ON FUNCTION engine.send_again(k engine.commands) IS 'A command that never arrived is written ahead again.';

--
-- Name: sent_lately(uuid); Type: FUNCTION; Schema: engine; Owner: empire_engine
--

CREATE FUNCTION engine.sent_lately(p_target uuid) RETURNS bigint
    LANGUAGE plpgsql STABLE
    SET search_path TO ''
    AS $$
begin
  return (
    select count(distinct t.sent_at) from public.notifications t
    where t.target_id = p_target and t.status = 'sent' and t.sent_at > clock_timestamp() - interval '1 minute'
  );
end
$$;

ALTER FUNCTION engine.sent_lately(p_target uuid) OWNER TO empire_engine;

--
-- Name: FUNCTION sent_lately(p_target uuid); Type: COMMENT; Schema: engine; Owner: empire_engine
--

COMMENT ON FUNCTION engine.sent_lately(p_target uuid) IS 'Messages that went to a target in the last minute; a digest is one.';

--
-- Name: set_position(public.broker_accounts, jsonb); Type: FUNCTION; Schema: engine; Owner: empire_engine
--

CREATE FUNCTION engine.set_position(a public.broker_accounts, p jsonb) RETURNS boolean
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
declare
  v_id constant text := p ->> 'venue_position_id';
  v_qty constant numeric := coalesce((p ->> 'qty')::numeric, 0);
  v_signed constant numeric := case when p ->> 'side' = 'sell' then -v_qty else v_qty end;
  v_missing constant numeric := v_signed - engine.net_of(a.id, v_id);
  o public.positions;
begin
  select x.* into o from public.positions x where x.account_id = a.id and x.venue_position_id = v_id;
  if (o.id is null and v_qty = 0) or (o.qty = v_qty and (v_qty = 0 or o.side = (p ->> 'side')::public.side)) then
    return false;
  end if;
  if v_missing <> 0 then
    insert into engine.adjustments (account_id, position_id, nth, qty)
    select a.id, v_id, count(*) + 1, v_missing from engine.adjustments j where j.account_id = a.id and j.position_id = v_id;
  end if;
  if o.id is null then
    insert into public.positions (
      user_id, broker, account_id, venue_position_id, symbol, root, side, qty, entry_price, unrealized_pnl, stop_loss,
      take_profit, opened_at
    ) values (
      a.user_id, a.broker, a.id, v_id, p ->> 'symbol', p ->> 'root', (p ->> 'side')::public.side, v_qty,
      (p ->> 'entry_price')::numeric, (p ->> 'unrealized_pnl')::numeric, (p ->> 'stop_loss')::numeric,
      (p ->> 'take_profit')::numeric, coalesce((p ->> 'opened_at')::timestamptz, clock_timestamp())
    );
  else
    update public.positions x
    set qty = v_qty, side = case when v_qty = 0 then x.side else (p ->> 'side')::public.side end,
      entry_price = coalesce((p ->> 'entry_price')::numeric, x.entry_price),
      opened_at = case when x.closed_at is null then x.opened_at else coalesce((p ->> 'opened_at')::timestamptz, clock_timestamp()) end,
      closed_at = case when v_qty = 0 then clock_timestamp() end, as_of = clock_timestamp(), freshness = 'fresh'
    where x.id = o.id;
  end if;
  return true;
end
$$;

ALTER FUNCTION engine.set_position(a public.broker_accounts, p jsonb) OWNER TO empire_engine;

--
-- Name: FUNCTION set_position(a public.broker_accounts, p jsonb); Type: COMMENT; Schema: engine; Owner: empire_engine
--

COMMENT ON FUNCTION engine.set_position(a public.broker_accounts, p jsonb) IS 'A position becomes what the broker says (qty 0 = gone); what no fill explains is an adjustment. False = it is so already.';

--
-- Name: settle(jsonb); Type: FUNCTION; Schema: engine; Owner: empire_engine
--

CREATE FUNCTION engine.settle(p_results jsonb) RETURNS jsonb
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    SET plan_cache_mode TO 'force_generic_plan'
    SET enable_seqscan TO 'off'
    SET enable_hashjoin TO 'off'
    SET enable_mergejoin TO 'off'
    AS $$
declare
  v_answer jsonb := '[]';
  v_events bigint [] := '{}';
  v_one record;
  p jsonb;
begin
  perform engine.lock_accounts(array(
    select c.delivery_id from jsonb_array_elements(p_results) x
    join engine.commands c on c.id = (x ->> 'command_id')::bigint
  ));
  for p in select x from jsonb_array_elements(p_results) x order by (x ->> 'command_id')::bigint loop
    v_one := engine.settle_one(p);
    v_answer := v_answer || jsonb_build_array(v_one.answer);
    v_events := v_events || v_one.events;
  end loop;
  perform engine.close_events(v_events);
  return v_answer;
end
$$;

ALTER FUNCTION engine.settle(p_results jsonb) OWNER TO empire_engine;

--
-- Name: FUNCTION settle(p_results jsonb); Type: COMMENT; Schema: engine; Owner: empire_engine
--

COMMENT ON FUNCTION engine.settle(p_results jsonb) IS 'Settles unknown commands by what the broker said when asked.';

--
-- Name: settle_flows(public.broker_accounts, engine.account_marks, engine.mark, date); Type: FUNCTION; Schema: engine; Owner: empire_engine
--

CREATE FUNCTION engine.settle_flows(a public.broker_accounts, k engine.account_marks, m engine.mark, p_day date) RETURNS engine.account_marks
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
declare
  v_flow numeric := 0;
  r record;
begin
  if m.positions is null or not engine.is_quiet(a.id, m.at) then
    return k;
  end if;
  -- A fill told late was in the base already, where it may have looked like money paid in or out.
  select coalesce(max(f.id), k.base_fill) as last, coalesce(sum(engine.net_of(f)) filter (where t.is_late), 0) as late,
    coalesce(sum(engine.net_of(f)) filter (where not t.is_late), 0) as new into r
  from public.fills f cross join lateral (select f.filled_at <= k.base_at - interval '3 seconds' as is_late) t
  where f.account_id = a.id and f.id > k.base_fill;
  if k.base_at is not null then
    v_flow := engine.flow_in(k, m, r.new);
    if v_flow <> 0 then
      perform engine.tell_flow(a, v_flow);
    end if;
    if v_flow <> 0 or r.late <> 0 then
      update engine.account_days d
      set flows = d.flows + v_flow - case when r.late > 0 then least(r.late, greatest(d.flows, 0))
        else greatest(r.late, least(d.flows, 0)) end
      where d.account_id = a.id and d.trading_day = p_day;
    end if;
  end if;
  k.base_at := m.at;
  k.base_balance := m.balance;
  k.base_fill := r.last;
  k.base_positions := m.positions;
  return k;
end
$$;

ALTER FUNCTION engine.settle_flows(a public.broker_accounts, k engine.account_marks, m engine.mark, p_day date) OWNER TO empire_engine;

--
-- Name: FUNCTION settle_flows(a public.broker_accounts, k engine.account_marks, m engine.mark, p_day date); Type: COMMENT; Schema: engine; Owner: empire_engine
--

COMMENT ON FUNCTION engine.settle_flows(a public.broker_accounts, k engine.account_marks, m engine.mark, p_day date) IS 'Adds to the day what was paid in or out since the base, and makes the mark the new base.';

--
-- Name: settle_one(jsonb); Type: FUNCTION; Schema: engine; Owner: empire_engine
--

CREATE FUNCTION engine.settle_one(p jsonb, OUT answer jsonb, OUT events bigint[]) RETURNS record
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
declare
  k engine.commands;
  v_how text;
begin
  answer := jsonb_build_object('command_id', p -> 'command_id', 'settled', false);
  events := '{}';
  select c.* into k from engine.commands c
  where c.id = (p ->> 'command_id')::bigint and c.state = 'unknown' and c.checker = (p ->> 'checker')::bigint for update;
  if not found then
    return;
  end if;
  v_how := engine.judge(k, p);
  update public.deliveries
  set trace = trace || coalesce(nullif(p -> 'trace', 'null'), '[]') || case
    when v_how is null or v_how = 'found' then '[]'
    else jsonb_build_array(jsonb_build_object(
      'stage', 'settle', 'outcome', v_how, 'ms', 0, 'detail', jsonb_build_object('leg', k.leg)
    )) end
  where id = k.delivery_id and (v_how is not null or jsonb_array_length(trace) < 60);
  if v_how is null then
    return;
  end if;
  -- Legs that wait for the fill of a leg which will not fill are never sent.
  perform engine.cancel_waiting_legs(k.id);
  events := engine.conclude(k.delivery_id);
  answer := jsonb_build_object('command_id', k.id, 'settled', true);
end
$$;

ALTER FUNCTION engine.settle_one(p jsonb, OUT answer jsonb, OUT events bigint[]) OWNER TO empire_engine;

--
-- Name: FUNCTION settle_one(p jsonb, OUT answer jsonb, OUT events bigint[]); Type: COMMENT; Schema: engine; Owner: empire_engine
--

COMMENT ON FUNCTION engine.settle_one(p jsonb, OUT answer jsonb, OUT events bigint[]) IS 'What a lookup told about one unknown command. The caller holds the accounts.';

--
-- Name: since_seen(engine.situation, jsonb, jsonb); Type: FUNCTION; Schema: engine; Owner: empire_engine
--

CREATE FUNCTION engine.since_seen(s engine.situation, p_room jsonb, p_risk jsonb) RETURNS numeric
    LANGUAGE plpgsql STABLE
    SET search_path TO ''
    AS $$
declare
  c_owner constant uuid := case p_room ->> 'owner' when 'user' then s.user_id else s.account_id end;
  v_since numeric := coalesce((
    select greatest(t.total - coalesce((p_room ->> 'seen')::numeric, 0), 0) from engine.stakes t
    where t.owner = c_owner and t.key = engine.stake_key(s.broker, p_room ->> 'owner', p_room ->> 'key')
  ), 0);
  v_moved numeric;
begin
  if p_room ->> 'drift' is not null then
    -- The account was read again since the worker looked.
    select a.equity - (p_risk ->> 'equity')::numeric into v_moved from public.broker_accounts a
    where a.id = s.account_id and a.as_of > (p_risk ->> 'as_of')::timestamptz;
    v_since := v_since + greatest(coalesce(case p_room ->> 'drift' when 'down' then -v_moved else v_moved end, 0), 0);
  end if;
  return v_since;
end
$$;

ALTER FUNCTION engine.since_seen(s engine.situation, p_room jsonb, p_risk jsonb) OWNER TO empire_engine;

--
-- Name: FUNCTION since_seen(s engine.situation, p_room jsonb, p_risk jsonb); Type: COMMENT; Schema: engine; Owner: empire_engine
--

COMMENT ON FUNCTION engine.since_seen(s engine.situation, p_room jsonb, p_risk jsonb) IS 'How much of a rule''s room is gone since the worker looked: what others have put at stake, and what the equity has lost (drift down) or won (up).';

--
-- Name: situations(bigint[]); Type: FUNCTION; Schema: engine; Owner: empire_engine
--

CREATE FUNCTION engine.situations(p_deliveries bigint[]) RETURNS SETOF engine.situation
    LANGUAGE plpgsql STABLE
    SET search_path TO ''
    AS $$
begin
  return query
    select d.id, d.user_id, a.id, a.broker, d.expires_at, coalesce(w.max_age_s, 60), d.halt_epoch, a.halt_epoch,
      u.trading_halted or a.halted_by <> '{}' or u.status <> 'active', w.enabled is false, a.trading_enabled, a.locked_until, a.lock_reason,
      a.currency, least(a.balance, a.equity), least((l.set).max_order_qty, w.max_qty),
      coalesce((l.set).max_risk_per_trade_pct, 5),
      array(
        select k.root from engine.commands k
        where k.account_id = a.id and k.delivery_id <> d.id and k.state in ('submitting', 'unknown')
      )
    from public.deliveries d
    join public.webhook_events e on e.id = d.event_id
    join public.broker_accounts a on a.id = d.account_id
    join public.profiles u on u.id = d.user_id
    left join public.webhook_endpoints w on w.id = e.endpoint_id
    cross join lateral (
      select case when (select true from public.risk_settings r where r.user_id = d.user_id limit 1)
        then engine.limits_of(a.id) end as set
    ) l
    where d.id = any (p_deliveries)
    order by d.id;
end
$$;

ALTER FUNCTION engine.situations(p_deliveries bigint[]) OWNER TO empire_engine;

--
-- Name: FUNCTION situations(p_deliveries bigint[]); Type: COMMENT; Schema: engine; Owner: empire_engine
--

COMMENT ON FUNCTION engine.situations(p_deliveries bigint[]) IS 'The situation of each delivery. Final under the account lock only.';

--
-- Name: source_of_day(public.broker_accounts, boolean); Type: FUNCTION; Schema: engine; Owner: empire_engine
--

CREATE FUNCTION engine.source_of_day(a public.broker_accounts, p_week boolean) RETURNS text
    LANGUAGE plpgsql STABLE
    SET search_path TO ''
    AS $$
declare
  v_day date := engine.trading_day(a.timezone, a.reset_time, clock_timestamp());
begin
  if p_week then
    v_day := v_day - extract(dow from v_day)::integer;
  end if;
  return (
    select d.source from engine.account_days d
    where d.account_id = a.id and d.trading_day = v_day and d.began_at = engine.day_began(a.timezone, a.reset_time, v_day)
  );
end
$$;

ALTER FUNCTION engine.source_of_day(a public.broker_accounts, p_week boolean) OWNER TO empire_engine;

--
-- Name: FUNCTION source_of_day(a public.broker_accounts, p_week boolean); Type: COMMENT; Schema: engine; Owner: empire_engine
--

COMMENT ON FUNCTION engine.source_of_day(a public.broker_accounts, p_week boolean) IS 'How the start of today, or of this week, is known. Null = it is not.';

--
-- Name: spend_reads(uuid[], jsonb); Type: FUNCTION; Schema: engine; Owner: empire_engine
--

CREATE FUNCTION engine.spend_reads(p_due uuid[], p_pauses jsonb) RETURNS uuid[]
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
declare
  v_later uuid [] := '{}';
  v_left numeric;
  r record;
begin
  for r in
    select a.id, a.connection_id, (p_pauses ->> a.broker::text)::numeric as pause
    from unnest(p_due) with ordinality d (id, nth) join public.broker_accounts a on a.id = d.id
    where p_pauses ? a.broker::text
    -- One order of locks for every worker.
    order by a.connection_id, d.nth
  loop
    insert into engine.read_credits (connection_id, reads, at)
    select r.connection_id, engine.reads_left(r.connection_id, r.pause), clock_timestamp() on conflict do nothing;
    perform from engine.read_credits k where k.connection_id = r.connection_id for update;
    v_left := engine.reads_left(r.connection_id, r.pause);
    if v_left < 1 then
      v_later := v_later || r.id;
      continue;
    end if;
    update engine.read_credits k set reads = v_left - 1, at = clock_timestamp() where k.connection_id = r.connection_id;
  end loop;
  return case when v_later = '{}' then p_due else array(
    select d.id from unnest(p_due) with ordinality d (id, nth) where d.id <> all (v_later) order by d.nth
  ) end;
end
$$;

ALTER FUNCTION engine.spend_reads(p_due uuid[], p_pauses jsonb) OWNER TO empire_engine;

--
-- Name: FUNCTION spend_reads(p_due uuid[], p_pauses jsonb); Type: COMMENT; Schema: engine; Owner: empire_engine
--

COMMENT ON FUNCTION engine.spend_reads(p_due uuid[], p_pauses jsonb) IS 'Those of the accounts that may be read now by their login''s limits, in the same order; counted. p_pauses: seconds by broker.';

--
-- Name: stake(engine.situation, jsonb); Type: FUNCTION; Schema: engine; Owner: empire_engine
--

CREATE FUNCTION engine.stake(s engine.situation, p_risk jsonb) RETURNS jsonb
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
declare
  x jsonb;
  v_denial jsonb;
begin
  for x in select r from jsonb_array_elements(p_risk -> 'rooms') r loop
    v_denial := engine.denial_of_room_left(x, engine.since_seen(s, x, p_risk));
    if v_denial is not null then
      return v_denial;
    end if;
  end loop;
  v_denial := engine.denial_of_cool_down(s, p_risk -> 'cool_down');
  if v_denial is not null then
    return v_denial;
  end if;
  perform engine.put_at_stake(s, p_risk -> 'takes');
  insert into engine.reservations (delivery_id, account_id, loss, notional_usd)
  values (s.delivery_id, s.account_id, coalesce(p_risk -> 'loss', '{}'), coalesce(p_risk -> 'notional_usd', '{}'))
  on conflict (delivery_id) do nothing;
  return null;
end
$$;

ALTER FUNCTION engine.stake(s engine.situation, p_risk jsonb) OWNER TO empire_engine;

--
-- Name: FUNCTION stake(s engine.situation, p_risk jsonb); Type: COMMENT; Schema: engine; Owner: empire_engine
--

COMMENT ON FUNCTION engine.stake(s engine.situation, p_risk jsonb) IS 'The rules with an amount, asked again with what others have put at stake since the worker looked, and this order''s own amounts put there. The caller holds user and account. Null = it fits.';

--
-- Name: stake_key(public.broker, text, text); Type: FUNCTION; Schema: engine; Owner: empire_engine
--

CREATE FUNCTION engine.stake_key(p_broker public.broker, p_owner text, p_key text) RETURNS text
    LANGUAGE sql IMMUTABLE
    SET search_path TO ''
    AS $$
  -- Practice and real money of a trader have nothing to do with one another.
  select case when p_owner = 'user' and p_broker = 'paper' then 'paper:' else '' end || p_key
$$;

ALTER FUNCTION engine.stake_key(p_broker public.broker, p_owner text, p_key text) OWNER TO empire_engine;

--
-- Name: FUNCTION stake_key(p_broker public.broker, p_owner text, p_key text); Type: COMMENT; Schema: engine; Owner: empire_engine
--

COMMENT ON FUNCTION engine.stake_key(p_broker public.broker, p_owner text, p_key text) IS 'The key under which an amount of an account or its user is kept.';

--
-- Name: stakes_json(public.broker_accounts); Type: FUNCTION; Schema: engine; Owner: empire_engine
--

CREATE FUNCTION engine.stakes_json(a public.broker_accounts) RETURNS jsonb
    LANGUAGE plpgsql STABLE
    SET search_path TO ''
    AS $$
begin
  return (
    select jsonb_build_object(
      'account', coalesce(jsonb_object_agg(s.key, s.total) filter (where s.owner = a.id), '{}'),
      'user', coalesce(jsonb_object_agg(replace(s.key, 'paper:', ''), s.total) filter (
        where s.owner = a.user_id and s.key like 'paper:%' = (a.broker = 'paper')
      ), '{}')
    ) from engine.stakes s where s.owner in (a.id, a.user_id)
  );
end
$$;

ALTER FUNCTION engine.stakes_json(a public.broker_accounts) OWNER TO empire_engine;

--
-- Name: FUNCTION stakes_json(a public.broker_accounts); Type: COMMENT; Schema: engine; Owner: empire_engine
--

COMMENT ON FUNCTION engine.stakes_json(a public.broker_accounts) IS 'What has been put at stake until now on an account, and by its user; seen in the same snapshot as everything else.';

--
-- Name: stand_in_line(engine.arrival[]); Type: FUNCTION; Schema: engine; Owner: empire_engine
--

CREATE FUNCTION engine.stand_in_line(p engine.arrival[]) RETURNS bigint[]
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
declare
  v_full bigint [];
begin
  with line as materialized (
    select nextval('public.deliveries_id_seq') as id, l.*, not l.is_exit and l.waiting + l.nth > 200 as is_full from (
      select x.*, b.id as account_id, b.user_id, b.halt_epoch, coalesce(b.executor, c.executor) as executor, t.lane,
        engine.is_exit(x.action) as is_exit,
        row_number() over (partition by b.id, t.lane order by x.event_id) as nth,
        (
          select count(*) from (
            select from engine.queue q where q.account_id = b.id and q.lane = t.lane limit 200
          ) w
        ) as waiting,
        (
          select true from engine.queue q
          where q.account_id = b.id and q.lane = t.lane and q.state in ('ready', 'claimed') limit 1
        ) as has_head
      from unnest(p) x
      cross join lateral (select engine.lane_of(x.source, x.action, x.dry_run) as lane) t
      cross join lateral unnest(x.accounts) as g (id)
      join public.broker_accounts b on b.id = g.id
      join public.broker_connections c on c.id = b.connection_id
      order by x.event_id, b.id
    ) l
  ), delivered as (
    insert into public.deliveries (
      id, event_id, user_id, account_id, lane, action, symbol, side, tag, halt_epoch, expires_at, dry_run,
      status, outcome, reason, numbers, finished_at
    ) overriding system value
    select l.id, l.event_id, l.user_id, l.account_id, l.lane, l.action, l.symbol, l.side, l.tag, l.halt_epoch, l.expires_at,
      l.dry_run, (case when l.is_full then 'done' else 'queued' end)::public.delivery_status,
      (case when l.is_full then 'denied' end)::public.delivery_outcome,
      (case when l.is_full then 'queue_full' end)::public.reason,
      case when l.is_full then jsonb_build_object('value', l.waiting + l.nth - 1, 'limit', 200) end,
      case when l.is_full then clock_timestamp() end
    from line l
  ), queued as (
    insert into engine.queue (id, account_id, user_id, executor, lane, state, is_exit, symbol, tag, endpoint_id)
    select l.id, l.account_id, l.user_id, l.executor, l.lane,
      case when l.has_head or l.nth > 1 then 'waiting' else 'ready' end, l.is_exit, engine.symbol_key(l.symbol), l.tag,
      l.endpoint_id
    from line l where not l.is_full
  )
  select coalesce(array_agg(l.event_id) filter (where l.is_full), '{}') into v_full from line l;
  return v_full;
end
$$;

ALTER FUNCTION engine.stand_in_line(p engine.arrival[]) OWNER TO empire_engine;

--
-- Name: FUNCTION stand_in_line(p engine.arrival[]); Type: COMMENT; Schema: engine; Owner: empire_engine
--

COMMENT ON FUNCTION engine.stand_in_line(p engine.arrival[]) IS 'One delivery and one queue row per arrival and account; entries behind 200 others are denied. Returns the events of those, to be closed. The caller holds the accounts.';

--
-- Name: stats(); Type: FUNCTION; Schema: engine; Owner: empire_engine
--

CREATE FUNCTION engine.stats() RETURNS jsonb
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO ''
    AS $$
  select jsonb_build_object(
    'queue_ready', (select count(*) from engine.queue where state = 'ready'),
    'queue_waiting', (select count(*) from engine.queue where state = 'waiting'),
    'queue_oldest_seconds', coalesce((
      select round(extract(epoch from clock_timestamp() - d.created_at), 3) from engine.queue q join public.deliveries d on d.id = q.id
      where q.state in ('ready', 'waiting') order by q.id limit 1
    ), 0),
    'unknown_orders', (select count(*) from engine.commands where state = 'unknown'),
    'dead_letters', (select count(*) from engine.dead_letters),
    'counters', (select coalesce(jsonb_object_agg(c.name, c.n), '{}') from engine.counters c),
    'workers', (select coalesce(jsonb_agg(jsonb_build_object('id', w.id, 'kind', w.kind, 'seen_seconds', round(extract(epoch from clock_timestamp() - w.seen_at), 1))), '[]') from engine.workers w where w.seen_at > now() - interval '1 hour'),
    'oldest_xmin_seconds', coalesce((
      select round(extract(epoch from max(clock_timestamp() - s.xact_start)), 1) from pg_catalog.pg_stat_activity s
      where s.datname = current_database() and s.backend_xmin is not null and s.pid <> pg_backend_pid()
    ), 0)
  )
$$;

ALTER FUNCTION engine.stats() OWNER TO empire_engine;

--
-- Name: FUNCTION stats(); Type: COMMENT; Schema: engine; Owner: empire_engine
--

COMMENT ON FUNCTION engine.stats() IS 'The numbers that metrics and doctor show.';

--
-- Name: stop_account(engine.breaches, uuid[], boolean); Type: FUNCTION; Schema: engine; Owner: empire_engine
--

CREATE FUNCTION engine.stop_account(b engine.breaches, p_rows uuid[], p_flatten boolean) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
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

ALTER FUNCTION engine.stop_account(b engine.breaches, p_rows uuid[], p_flatten boolean) OWNER TO empire_engine;

--
-- Name: FUNCTION stop_account(b engine.breaches, p_rows uuid[], p_flatten boolean); Type: COMMENT; Schema: engine; Owner: empire_engine
--

COMMENT ON FUNCTION engine.stop_account(b engine.breaches, p_rows uuid[], p_flatten boolean) IS 'Halts all rows of an account: nothing older that opens is sent any more, what waits ends. With flatten the urgent lane closes everything. The caller holds the rows.';

--
-- Name: store_alerts(engine.candidate[]); Type: FUNCTION; Schema: engine; Owner: empire_engine
--

CREATE FUNCTION engine.store_alerts(p engine.candidate[]) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
declare
  v_quiet uuid [];
begin
  insert into public.webhook_events (
    id, user_id, source, broker, endpoint_id, body, payload, signature, signature_valid, status, dry_run, fired_at,
    open_deliveries
  ) overriding system value
  select c.event_id, (c.endpoint).user_id, 'tradingview', (c.endpoint).broker, (c.endpoint).id, c.said ->> 'body',
    c.said -> 'payload', c.said ->> 'signature', (c.alert).signature_valid, 'accepted', (c.alert).dry_run,
    (c.alert).fired_at, cardinality(c.accounts)
  from unnest(p) c order by c.event_id;
  perform engine.enqueue(array(select engine.arrival_of(c) from unnest(p) c order by c.event_id));
  v_quiet := array(
    select distinct (c.endpoint).id from unnest(p) c
    where ((c.endpoint).last_seen_at < clock_timestamp() - interval '1 minute') is not false order by 1
  );
  if v_quiet <> '{}' then
    update public.webhook_endpoints set last_seen_at = clock_timestamp() where id = any (v_quiet);
  end if;
end
$$;

ALTER FUNCTION engine.store_alerts(p engine.candidate[]) OWNER TO empire_engine;

--
-- Name: FUNCTION store_alerts(p engine.candidate[]); Type: COMMENT; Schema: engine; Owner: empire_engine
--

COMMENT ON FUNCTION engine.store_alerts(p engine.candidate[]) IS 'Inbox, deliveries and queue of accepted alerts.';

--
-- Name: store_intent(bigint, uuid, public.event_source, text, uuid[]); Type: FUNCTION; Schema: engine; Owner: empire_engine
--

CREATE FUNCTION engine.store_intent(p_event bigint, p_user uuid, p_source public.event_source, p_body text, p_accounts uuid[]) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
declare
  i constant jsonb := p_body::jsonb -> 'intent';
  v_action constant public.action := coalesce(i ->> 'action', 'open')::public.action;
  v_dry constant boolean := coalesce((i ->> 'dry_run')::boolean, false);
begin
  insert into public.webhook_events (id, user_id, source, body, payload, status, dry_run, open_deliveries)
  overriding system value values (
    p_event, p_user, p_source, p_body, p_body::jsonb, 'accepted', v_dry, cardinality(p_accounts)
  );
  perform engine.enqueue(array[row(p_event, p_accounts, p_source, v_action, i ->> 'symbol', i ->> 'side', i ->> 'tag', null,
    true, case when not engine.is_exit(v_action) then clock_timestamp() + interval '60 seconds' end,
    v_dry, i ->> 'order_id')::engine.arrival]);
end
$$;

ALTER FUNCTION engine.store_intent(p_event bigint, p_user uuid, p_source public.event_source, p_body text, p_accounts uuid[]) OWNER TO empire_engine;

--
-- Name: FUNCTION store_intent(p_event bigint, p_user uuid, p_source public.event_source, p_body text, p_accounts uuid[]); Type: COMMENT; Schema: engine; Owner: empire_engine
--

COMMENT ON FUNCTION engine.store_intent(p_event bigint, p_user uuid, p_source public.event_source, p_body text, p_accounts uuid[]) IS 'Inbox, deliveries and queue of an intent.';

--
-- Name: supersede(uuid[], public.action[], text, uuid, text, public.side, bigint); Type: FUNCTION; Schema: engine; Owner: empire_engine
--

CREATE FUNCTION engine.supersede(p_accounts uuid[], p_actions public.action[], p_symbol text, p_endpoint uuid, p_tag text, p_side public.side, p_by bigint) RETURNS bigint[]
    LANGUAGE sql
    SET search_path TO ''
    AS $$
  select engine.end_waiting(array(
    select q.id from engine.queue q
    join public.deliveries d on d.id = q.id join public.broker_accounts a on a.id = q.account_id
    where q.account_id = any (p_accounts) and q.state in ('waiting', 'ready') and d.action = any (p_actions)
      and not d.dry_run
      and (p_symbol is null or q.symbol = p_symbol)
      -- A netting account has one position a symbol, so there the endpoint does not narrow the scope.
      and (p_endpoint is null or a.margin_mode = 'netting' or q.endpoint_id = p_endpoint)
      and (p_tag is null or q.tag = p_tag)
      and (p_side is null or d.side is null or d.side = p_side)
  ), p_by)
$$;

ALTER FUNCTION engine.supersede(p_accounts uuid[], p_actions public.action[], p_symbol text, p_endpoint uuid, p_tag text, p_side public.side, p_by bigint) OWNER TO empire_engine;

--
-- Name: FUNCTION supersede(p_accounts uuid[], p_actions public.action[], p_symbol text, p_endpoint uuid, p_tag text, p_side public.side, p_by bigint); Type: COMMENT; Schema: engine; Owner: empire_engine
--

COMMENT ON FUNCTION engine.supersede(p_accounts uuid[], p_actions public.action[], p_symbol text, p_endpoint uuid, p_tag text, p_side public.side, p_by bigint) IS 'Ends what waits in a scope; null = any. p_side = side of what is ended. Returns events to be closed. The caller holds the accounts.';

--
-- Name: symbol_key(text); Type: FUNCTION; Schema: engine; Owner: empire_engine
--

CREATE FUNCTION engine.symbol_key(p_symbol text) RETURNS text
    LANGUAGE plpgsql IMMUTABLE
    SET search_path TO ''
    AS $_$
declare
  v_ticker constant text := pg_catalog.upper(pg_catalog.regexp_replace(p_symbol, '^.*:', ''));
begin
  if v_ticker !~ '[0-9]!?$' then
    return v_ticker;
  end if;
  -- Two digits are a year of the twenties or thirties: ESX50 and HK50 are indices.
  return pg_catalog.regexp_replace(
    pg_catalog.regexp_replace(v_ticker, '[1-9]!$', ''), '^([A-Z0-9]{2,5})[FGHJKMNQUVXZ](20\d\d|[23]\d|\d)$', '\1'
  );
end
$_$;

ALTER FUNCTION engine.symbol_key(p_symbol text) OWNER TO empire_engine;

--
-- Name: FUNCTION symbol_key(p_symbol text); Type: COMMENT; Schema: engine; Owner: empire_engine
--

COMMENT ON FUNCTION engine.symbol_key(p_symbol text) IS 'A TradingView symbol without its exchange, upper case, and of a future its root: what two alerts must share to mean the same thing. Equal to shared/models/symbol_key.py.';

--
-- Name: take_heads(text, public.executor, public.lane, integer, interval, bigint); Type: FUNCTION; Schema: engine; Owner: empire_engine
--

CREATE FUNCTION engine.take_heads(p_worker text, p_executor public.executor, p_lane public.lane, p_limit integer, p_lease interval, p_token bigint) RETURNS bigint[]
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
declare
  v_until constant timestamptz := clock_timestamp() + p_lease;
  v_ids bigint [];
begin
  if (
    select count(*) from (
      select from engine.queue q
      where q.executor = p_executor and q.lane = p_lane and q.state = 'ready' and q.run_at <= clock_timestamp()
      limit p_limit + 1
    ) w
  ) <= p_limit then
    -- Room for all of them: nobody has to stand back.
    with taken as (
      update engine.queue q
      set state = 'claimed', token = p_token, worker = p_worker, lease_until = v_until,
        held_since = coalesce(q.held_since, clock_timestamp())
      where q.id = any (array(
        select r.id from engine.queue r
        where r.executor = p_executor and r.lane = p_lane and r.state = 'ready' and r.run_at <= clock_timestamp()
        order by r.id limit p_limit for update skip locked
      ))
      returning q.id
    )
    select array_agg(t.id) into v_ids from taken t;
    return v_ids;
  end if;
  with heads as materialized (
    select q.id, q.user_id from engine.queue q
    where q.executor = p_executor and q.lane = p_lane and q.state = 'ready' and q.run_at <= clock_timestamp()
    order by q.id limit p_limit * 4
  ), greedy as materialized (
    select array_agg(g.user_id) as users from (
      select h.user_id from heads h group by h.user_id having count(*) > greatest(1, p_limit / 4)
    ) g
  ), behind as materialized (
    -- Only when the window is full of few users: whoever waits behind them. Heads are one per account, so few.
    select q.id, q.user_id from engine.queue q, greedy g
    where g.users is not null and (select count(*) from heads) = p_limit * 4
      and q.executor = p_executor and q.lane = p_lane and q.state = 'ready' and q.run_at <= clock_timestamp()
      and q.id > (select max(h.id) from heads h) and q.user_id <> all (g.users)
    order by q.id limit p_limit
  ), ranked as (
    select h.id, row_number() over (partition by h.user_id order by h.id) > greatest(1, p_limit / 4) as is_extra
    from (select * from heads union all select * from behind) h
  ), locked as materialized (
    -- One user gets a quarter of a batch while others wait; nobody waits for an empty seat.
    select q.id from ranked r join engine.queue q on q.id = r.id
    where q.state = 'ready' order by r.is_extra, r.id limit p_limit for update of q skip locked
  ), taken as (
    update engine.queue q
    set state = 'claimed', token = p_token, worker = p_worker, lease_until = v_until,
      held_since = coalesce(q.held_since, clock_timestamp())
    from locked l where q.id = l.id
    returning q.id
  )
  select array_agg(t.id) into v_ids from taken t;
  return v_ids;
end
$$;

ALTER FUNCTION engine.take_heads(p_worker text, p_executor public.executor, p_lane public.lane, p_limit integer, p_lease interval, p_token bigint) OWNER TO empire_engine;

--
-- Name: FUNCTION take_heads(p_worker text, p_executor public.executor, p_lane public.lane, p_limit integer, p_lease interval, p_token bigint); Type: COMMENT; Schema: engine; Owner: empire_engine
--

COMMENT ON FUNCTION engine.take_heads(p_worker text, p_executor public.executor, p_lane public.lane, p_limit integer, p_lease interval, p_token bigint) IS 'Up to n heads, oldest first, leased to a worker under one token; rows that another worker is taking are passed over.';

--
-- Name: take_keys(engine.dedupe[]); Type: FUNCTION; Schema: engine; Owner: empire_engine
--

CREATE FUNCTION engine.take_keys(p engine.dedupe[]) RETURNS bigint[]
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
declare
  v_events bigint [];
begin
  with taken as (
    insert into engine.dedupe as d (endpoint_id, key, event_id, body_sha256, expires_at)
    -- Of the same key twice in one call the first tries.
    select distinct on (k.endpoint_id, k.key) k.* from unnest(p) k order by k.endpoint_id, k.key, k.event_id
    on conflict (endpoint_id, key) do update
    set event_id = excluded.event_id, body_sha256 = excluded.body_sha256, expires_at = excluded.expires_at
    where d.expires_at <= clock_timestamp()
    returning d.event_id
  )
  select coalesce(array_agg(t.event_id), '{}') into v_events from taken t;
  return v_events;
end
$$;

ALTER FUNCTION engine.take_keys(p engine.dedupe[]) OWNER TO empire_engine;

--
-- Name: FUNCTION take_keys(p engine.dedupe[]); Type: COMMENT; Schema: engine; Owner: empire_engine
--

COMMENT ON FUNCTION engine.take_keys(p engine.dedupe[]) IS 'Takes dedupe keys for events; returns the events whose key was free. Another copy under way is waited for.';

--
-- Name: take_mark(public.broker_accounts, jsonb); Type: FUNCTION; Schema: engine; Owner: empire_engine
--

CREATE FUNCTION engine.take_mark(a public.broker_accounts, x jsonb) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
declare
  m engine.mark;
begin
  if x ->> 'balance' is null or x ->> 'equity' is null or x ->> 'freshness' <> 'fresh' then
    perform engine.fade(a, coalesce((x ->> 'freshness')::public.freshness, 'stale'));
    update engine.account_marks
    set failures = failures + 1, token = null, lease_until = null, due_at = engine.next_read(a, failures + 1, null)
    where account_id = a.id;
    return;
  end if;
  m := engine.mark_of(x);
  update public.broker_accounts
  set balance = m.balance, equity = m.equity, as_of = m.at, freshness = 'fresh', last_sync = clock_timestamp()
  where id = a.id and (as_of is null or as_of <= m.at);
  perform engine.advance(a, m);
  update engine.account_marks
  set failures = 0, read_at = m.at, token = null, lease_until = null, due_at = engine.next_read(a, 0, m.is_flat)
  where account_id = a.id;
end
$$;

ALTER FUNCTION engine.take_mark(a public.broker_accounts, x jsonb) OWNER TO empire_engine;

--
-- Name: FUNCTION take_mark(a public.broker_accounts, x jsonb); Type: COMMENT; Schema: engine; Owner: empire_engine
--

COMMENT ON FUNCTION engine.take_mark(a public.broker_accounts, x jsonb) IS 'One read, or that it failed: money, freshness, the day, and when to read next. The caller holds the account.';

--
-- Name: take_session_turn(uuid, text, integer); Type: FUNCTION; Schema: engine; Owner: empire_engine
--

CREATE FUNCTION engine.take_session_turn(p_connection uuid, p_worker text, p_ms integer) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
begin
  insert into engine.session_turns as t (connection_id, worker, until)
  values (p_connection, p_worker, clock_timestamp() + make_interval(secs => p_ms / 1000.0))
  on conflict (connection_id) do update set worker = excluded.worker, until = excluded.until
  where t.until < clock_timestamp() or t.worker = excluded.worker;
  return found;
end
$$;

ALTER FUNCTION engine.take_session_turn(p_connection uuid, p_worker text, p_ms integer) OWNER TO empire_engine;

--
-- Name: FUNCTION take_session_turn(p_connection uuid, p_worker text, p_ms integer); Type: COMMENT; Schema: engine; Owner: empire_engine
--

COMMENT ON FUNCTION engine.take_session_turn(p_connection uuid, p_worker text, p_ms integer) IS 'True = this worker, and nobody else for the time, asks the broker for a newer session.';

--
-- Name: taken_orders(engine.commands); Type: FUNCTION; Schema: engine; Owner: empire_engine
--

CREATE FUNCTION engine.taken_orders(k engine.commands) RETURNS jsonb
    LANGUAGE plpgsql STABLE
    SET search_path TO ''
    AS $$
begin
  return (
    select coalesce(jsonb_agg(o.venue_order_id), '[]') from public.orders o
    where k.kind in ('place', 'close') and o.account_id = k.account_id and o.id <> k.order_id and o.kind in ('place', 'close')
      and o.delivery_id is not null and o.venue_order_id is not null
      and o.created_at > k.submitted_at - interval '1 hour'
  );
end
$$;

ALTER FUNCTION engine.taken_orders(k engine.commands) OWNER TO empire_engine;

--
-- Name: FUNCTION taken_orders(k engine.commands); Type: COMMENT; Schema: engine; Owner: empire_engine
--

COMMENT ON FUNCTION engine.taken_orders(k engine.commands) IS 'The broker''s ids of orders that other commands of the account have made, closes too: none of them is this command''s.';

--
-- Name: targets(uuid, jsonb); Type: FUNCTION; Schema: engine; Owner: empire_engine
--

CREATE FUNCTION engine.targets(p_endpoint uuid, p_accounts jsonb, OUT accounts uuid[], OUT foreign_name text) RETURNS record
    LANGUAGE plpgsql STABLE
    SET search_path TO ''
    AS $$
begin
  select array_agg(t.account_id) into accounts
  from public.webhook_endpoint_accounts t where t.endpoint_id = p_endpoint;
  if jsonb_typeof(p_accounts) <> 'array' then
    foreign_name := p_accounts::text;
  elsif p_accounts is not null then
    select min(n.name) filter (where a.id is null), array_agg(distinct a.id) filter (where a.id is not null)
    into foreign_name, accounts
    from jsonb_array_elements_text(p_accounts) as n (name)
    left join public.broker_accounts a
      on a.id = any (accounts) and n.name in (a.account_id, a.label, a.id::text);
  end if;
end
$$;

ALTER FUNCTION engine.targets(p_endpoint uuid, p_accounts jsonb, OUT accounts uuid[], OUT foreign_name text) OWNER TO empire_engine;

--
-- Name: FUNCTION targets(p_endpoint uuid, p_accounts jsonb, OUT accounts uuid[], OUT foreign_name text); Type: COMMENT; Schema: engine; Owner: empire_engine
--

COMMENT ON FUNCTION engine.targets(p_endpoint uuid, p_accounts jsonb, OUT accounts uuid[], OUT foreign_name text) IS 'The accounts an alert goes to: the endpoint''s, narrowed by the alert''s own list of numbers, labels or ids; foreign_name is none of them.';

--
-- Name: tell(bigint[]); Type: FUNCTION; Schema: engine; Owner: empire_engine
--

CREATE FUNCTION engine.tell(p_deliveries bigint[]) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
begin
  insert into engine.outbox (id, account_id, user_id, subject, body)
  select nextval('engine.outbox_id'), d.account_id, d.user_id, 'empire.delivery.' || d.outcome || '.' || d.user_id,
    jsonb_build_object(
      'schema', 1, 'delivery_id', d.id, 'event_id', d.event_id, 'account_id', d.account_id, 'action', d.action,
      'symbol', d.symbol, 'outcome', d.outcome, 'reason', d.reason, 'numbers', d.numbers
    )
  from (select * from public.deliveries t where t.id = any (p_deliveries) order by t.id) d;
end
$$;

ALTER FUNCTION engine.tell(p_deliveries bigint[]) OWNER TO empire_engine;

--
-- Name: FUNCTION tell(p_deliveries bigint[]); Type: COMMENT; Schema: engine; Owner: empire_engine
--

COMMENT ON FUNCTION engine.tell(p_deliveries bigint[]) IS 'A row for the outside per delivery. The caller holds the accounts, so ids rise in the order of what happened.';

--
-- Name: tell_breach(engine.breaches, boolean); Type: FUNCTION; Schema: engine; Owner: empire_engine
--

CREATE FUNCTION engine.tell_breach(b engine.breaches, p_flatten boolean) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
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

ALTER FUNCTION engine.tell_breach(b engine.breaches, p_flatten boolean) OWNER TO empire_engine;

--
-- Name: FUNCTION tell_breach(b engine.breaches, p_flatten boolean); Type: COMMENT; Schema: engine; Owner: empire_engine
--

COMMENT ON FUNCTION engine.tell_breach(b engine.breaches, p_flatten boolean) IS 'The trader''s log and the outside hear of a breach.';

--
-- Name: tell_connection(public.broker_connections, public.log_level, text, text); Type: FUNCTION; Schema: engine; Owner: empire_engine
--

CREATE FUNCTION engine.tell_connection(c public.broker_connections, p_level public.log_level, p_type text, p_message text) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
begin
  perform engine.note(c.user_id, p_level, p_type, p_message,
    jsonb_build_object('connection_id', c.id, 'broker', c.broker, 'environment', c.environment));
end
$$;

ALTER FUNCTION engine.tell_connection(c public.broker_connections, p_level public.log_level, p_type text, p_message text) OWNER TO empire_engine;

--
-- Name: FUNCTION tell_connection(c public.broker_connections, p_level public.log_level, p_type text, p_message text); Type: COMMENT; Schema: engine; Owner: empire_engine
--

COMMENT ON FUNCTION engine.tell_connection(c public.broker_connections, p_level public.log_level, p_type text, p_message text) IS 'A line about a login in its owner''s log.';

--
-- Name: tell_flow(public.broker_accounts, numeric); Type: FUNCTION; Schema: engine; Owner: empire_engine
--

CREATE FUNCTION engine.tell_flow(a public.broker_accounts, p_flow numeric) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
begin
  perform engine.note(a.user_id, 'info', 'money_moved', format(
    '%s %s were %s %s: neither a profit nor a loss of the day.', round(abs(p_flow), 2), a.currency,
    case when p_flow > 0 then 'paid in to' else 'paid out of' end, coalesce(a.label, a.account_id)
  ), jsonb_build_object('account_id', a.id, 'amount', p_flow));
end
$$;

ALTER FUNCTION engine.tell_flow(a public.broker_accounts, p_flow numeric) OWNER TO empire_engine;

--
-- Name: FUNCTION tell_flow(a public.broker_accounts, p_flow numeric); Type: COMMENT; Schema: engine; Owner: empire_engine
--

COMMENT ON FUNCTION engine.tell_flow(a public.broker_accounts, p_flow numeric) IS 'The trader sees what was taken for a deposit or a withdrawal.';

--
-- Name: tell_outbox(bigint, jsonb, boolean); Type: FUNCTION; Schema: engine; Owner: empire_engine
--

CREATE FUNCTION engine.tell_outbox(p_token bigint, p_told jsonb, p_last boolean) RETURNS integer
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    SET plan_cache_mode TO 'force_generic_plan'
    SET enable_seqscan TO 'off'
    SET enable_hashjoin TO 'off'
    SET enable_mergejoin TO 'off'
    AS $$
declare
  v_held bigint [];
  v_mine bigint [];
begin
  select c.ids into v_held from engine.outbox_claims c
  where c.token = p_token and c.lease_until > clock_timestamp() for update;
  if v_held is null then
    -- Under a lease that ran out nothing is told: another relay has it by now, or will.
    return 0;
  end if;
  v_mine := array(
    select o.id from jsonb_array_elements(p_told) t join engine.outbox o on o.id = (t ->> 'id')::bigint
    where o.id = any (v_held) and not o.told
  );
  if v_mine <> '{}' then
    perform engine.write_told(p_told, v_mine);
  end if;
  if p_last then
    perform engine.outbox_delivered(p_token, v_held);
  elsif v_mine <> '{}' then
    update engine.outbox set told = true where id = any (v_mine);
  end if;
  return cardinality(v_mine);
end
$$;

ALTER FUNCTION engine.tell_outbox(p_token bigint, p_told jsonb, p_last boolean) OWNER TO empire_engine;

--
-- Name: FUNCTION tell_outbox(p_token bigint, p_told jsonb, p_last boolean); Type: COMMENT; Schema: engine; Owner: empire_engine
--

COMMENT ON FUNCTION engine.tell_outbox(p_token bigint, p_told jsonb, p_last boolean) IS 'Tells traders of rows held by this token, each row once: lines for their logs, messages for their targets. p_last = no other sink wants the rows: they go in the same commit. Returns how many rows were told now.';

--
-- Name: tell_unreachable(bigint[]); Type: FUNCTION; Schema: engine; Owner: empire_engine
--

CREATE FUNCTION engine.tell_unreachable(p_deliveries bigint[]) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
begin
  perform engine.note(d.user_id, 'error', d.reason::text,
    format('%s of %s was not sent: %s', d.action, coalesce(a.label, a.account_id), case d.reason
      when 'executor_offline' then format('cannot reach your device: close in %s now.', d.numbers ->> 'close_in')
      else format('the login is disconnected: close in %s now.', d.numbers ->> 'close_in') end),
    jsonb_build_object('account_id', d.account_id, 'delivery_id', d.id), d.event_id)
  from public.deliveries d join public.broker_accounts a on a.id = d.account_id
  where d.id = any (p_deliveries) and d.numbers ? 'close_in' order by d.id;
end
$$;

ALTER FUNCTION engine.tell_unreachable(p_deliveries bigint[]) OWNER TO empire_engine;

--
-- Name: FUNCTION tell_unreachable(p_deliveries bigint[]); Type: COMMENT; Schema: engine; Owner: empire_engine
--

COMMENT ON FUNCTION engine.tell_unreachable(p_deliveries bigint[]) IS 'An exit that cannot be sent is an alarm in the trader''s log.';

--
-- Name: thin_day(text, date, integer); Type: FUNCTION; Schema: engine; Owner: empire_engine
--

CREATE FUNCTION engine.thin_day(p_grade text, p_day date, p_limit integer) RETURNS integer
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
declare
  c_from constant timestamptz := p_day::timestamp at time zone 'UTC';
  v_n integer;
begin
  delete from public.equity_history where id = any (array(
    select h.id from (
      select e.id, row_number() over (partition by e.account_id, case p_grade when 'hour' then date_trunc('hour', e.timestamp, 'UTC') end
        order by e.timestamp desc, e.id desc) as nth,
        row_number() over (partition by e.account_id order by e.equity desc, e.timestamp, e.id) as high,
        row_number() over (partition by e.account_id order by e.equity, e.timestamp, e.id) as low
      from public.equity_history e where e.timestamp >= c_from and e.timestamp < c_from + interval '1 day'
    ) h
    where h.nth > 1 and h.high > 1 and h.low > 1 limit p_limit
  ));
  get diagnostics v_n = row_count;
  return v_n;
end
$$;

ALTER FUNCTION engine.thin_day(p_grade text, p_day date, p_limit integer) OWNER TO empire_engine;

--
-- Name: FUNCTION thin_day(p_grade text, p_day date, p_limit integer); Type: COMMENT; Schema: engine; Owner: empire_engine
--

COMMENT ON FUNCTION engine.thin_day(p_grade text, p_day date, p_limit integer) IS 'Of each account''s day (UTC) the highest, the lowest and the last equity of each hour, or of the day, stay. Returns how many went.';

--
-- Name: thin_equity(integer); Type: FUNCTION; Schema: engine; Owner: empire_engine
--

CREATE FUNCTION engine.thin_equity(p_limit integer) RETURNS jsonb
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
declare
  v_today constant date := (clock_timestamp() at time zone 'UTC')::date;
  v_gone integer := 0;
  v_more boolean := false;
  g record;
begin
  if not pg_try_advisory_xact_lock(hashtextextended('engine.thin_equity', 0)) then
    return '{"gone": 0, "more": false}';
  end if;
  for g in select * from (values ('hour', v_today - 8), ('day', v_today - 91)) as t (grade, until) loop
    insert into engine.thinned (grade, day)
    select g.grade, least(coalesce((min(e.timestamp) at time zone 'UTC')::date, g.until) - 1, g.until) from public.equity_history e
    on conflict (grade) do nothing;
    -- A day at a time and the batch at most: a long delete would hold back vacuum of the queue.
    update engine.thinned t set day = t.day + 1 where t.grade = g.grade and t.day < g.until;
    if found then
      v_gone := v_gone + engine.thin_day(g.grade, (select t.day from engine.thinned t where t.grade = g.grade), p_limit);
      if v_gone >= p_limit then
        update engine.thinned t set day = t.day - 1 where t.grade = g.grade;
        return jsonb_build_object('gone', v_gone, 'more', true);
      end if;
      v_more := v_more or exists (select 1 from engine.thinned t where t.grade = g.grade and t.day < g.until);
    end if;
  end loop;
  return jsonb_build_object('gone', v_gone, 'more', v_more);
end
$$;

ALTER FUNCTION engine.thin_equity(p_limit integer) OWNER TO empire_engine;

--
-- Name: FUNCTION thin_equity(p_limit integer); Type: COMMENT; Schema: engine; Owner: empire_engine
--

COMMENT ON FUNCTION engine.thin_equity(p_limit integer) IS 'Thins equity_history with age: after a week one value an hour, after 90 days one a day, and always the high and the low of a day.';

--
-- Name: too_many(engine.candidate, text); Type: FUNCTION; Schema: engine; Owner: empire_engine
--

CREATE FUNCTION engine.too_many(c engine.candidate, p_message text) RETURNS jsonb
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
begin
  -- A refused alert occupies no key.
  delete from engine.dedupe d
  where d.endpoint_id = (c.endpoint).id and d.key = (c.alert).key and d.event_id = c.event_id;
  return engine.refuse(c.endpoint, c.said, 429, 'rate_limited', p_message, null)
    || jsonb_build_object('retry_after', 60 - floor(extract(second from clock_timestamp()))::integer);
end
$$;

ALTER FUNCTION engine.too_many(c engine.candidate, p_message text) OWNER TO empire_engine;

--
-- Name: FUNCTION too_many(c engine.candidate, p_message text); Type: COMMENT; Schema: engine; Owner: empire_engine
--

COMMENT ON FUNCTION engine.too_many(c engine.candidate, p_message text) IS 'The answer to an alert beyond its endpoint''s limits.';

--
-- Name: trace_of(bigint); Type: FUNCTION; Schema: engine; Owner: empire_engine
--

CREATE FUNCTION engine.trace_of(p_event bigint) RETURNS jsonb
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO ''
    AS $$
  select jsonb_build_object(
    'event', to_jsonb(e) - array['body', 'payload', 'signature'],
    'intent', e.payload -> 'intent',
    'deliveries', (
      select coalesce(jsonb_agg(to_jsonb(d) || jsonb_build_object(
        'account', (select jsonb_build_object('label', a.label, 'account_id', a.account_id, 'broker', a.broker) from public.broker_accounts a where a.id = d.account_id),
        'orders', (select coalesce(jsonb_agg(to_jsonb(o) order by o.leg), '[]') from public.orders o where o.delivery_id = d.id),
        'commands', (select coalesce(jsonb_agg(to_jsonb(c) - 'request' order by c.leg), '[]') from engine.commands c where c.delivery_id = d.id),
        'fills', (select coalesce(jsonb_agg(to_jsonb(f) order by f.id), '[]') from public.fills f join public.orders o on o.id = f.order_id where o.delivery_id = d.id)
      ) order by d.id), '[]') from public.deliveries d where d.event_id = e.id
    )
  ) from public.webhook_events e where e.id = p_event
$$;

ALTER FUNCTION engine.trace_of(p_event bigint) OWNER TO empire_engine;

--
-- Name: FUNCTION trace_of(p_event bigint); Type: COMMENT; Schema: engine; Owner: empire_engine
--

COMMENT ON FUNCTION engine.trace_of(p_event bigint) IS 'An alert from door to fill: for the operator''s trace command.';

--
-- Name: trading_day(text, time without time zone, timestamp with time zone); Type: FUNCTION; Schema: engine; Owner: empire_engine
--

CREATE FUNCTION engine.trading_day(p_timezone text, p_reset time without time zone, p_at timestamp with time zone) RETURNS date
    LANGUAGE plpgsql STABLE
    SET search_path TO ''
    AS $$
declare
  v_day constant date := ((p_at at time zone p_timezone) - p_reset)::date;
begin
  -- Where the clocks change at the reset, the time of day alone may be there before the reset is.
  return case when (v_day + p_reset) at time zone p_timezone > p_at then v_day - 1 else v_day end;
end
$$;

ALTER FUNCTION engine.trading_day(p_timezone text, p_reset time without time zone, p_at timestamp with time zone) OWNER TO empire_engine;

--
-- Name: FUNCTION trading_day(p_timezone text, p_reset time without time zone, p_at timestamp with time zone); Type: COMMENT; Schema: engine; Owner: empire_engine
--

COMMENT ON FUNCTION engine.trading_day(p_timezone text, p_reset time without time zone, p_at timestamp with time zone) IS 'The trading day a moment belongs to: days run from reset to reset in the account''s zone.';

--
-- Name: try_begin(engine.commands, integer); Type: FUNCTION; Schema: engine; Owner: empire_engine
--

CREATE FUNCTION engine.try_begin(k engine.commands, p_request_timeout_ms integer) RETURNS jsonb
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
declare
  v_denial jsonb;
begin
  if k.state <> 'pending' then
    return jsonb_strip_nulls(jsonb_build_object('id', k.id, 'go', false, 'state', k.state, 'reason',
      case when k.state = 'canceled' then k.reason end));
  end if;
  v_denial := engine.denial_of_send(k);
  if v_denial is not null then
    return jsonb_build_object('id', k.id, 'go', false) || v_denial;
  end if;
  perform engine.mark_submitting(array[k.id], p_request_timeout_ms);
  return jsonb_build_object('id', k.id, 'go', true, 'submitted_at', clock_timestamp());
end
$$;

ALTER FUNCTION engine.try_begin(k engine.commands, p_request_timeout_ms integer) OWNER TO empire_engine;

--
-- Name: FUNCTION try_begin(k engine.commands, p_request_timeout_ms integer); Type: COMMENT; Schema: engine; Owner: empire_engine
--

COMMENT ON FUNCTION engine.try_begin(k engine.commands, p_request_timeout_ms integer) IS 'Begins one command written ahead earlier: whoever gets go = true is the only one who may send. The caller holds lease and account.';

--
-- Name: turns(bigint[]); Type: FUNCTION; Schema: engine; Owner: empire_engine
--

CREATE FUNCTION engine.turns(p_deliveries bigint[]) RETURNS TABLE(ids bigint[])
    LANGUAGE plpgsql STABLE
    SET search_path TO ''
    AS $$
begin
  return query
    select array_agg(t.id order by t.id) from (
      select d.id, row_number() over (partition by d.account_id order by d.id) as nth
      from public.deliveries d where d.id = any (p_deliveries)
    ) t group by t.nth order by t.nth;
end
$$;

ALTER FUNCTION engine.turns(p_deliveries bigint[]) OWNER TO empire_engine;

--
-- Name: FUNCTION turns(p_deliveries bigint[]); Type: COMMENT; Schema: engine; Owner: empire_engine
--

COMMENT ON FUNCTION engine.turns(p_deliveries bigint[]) IS 'Deliveries in turns of one per account: the second of an account (its other lane) must see what the first wrote.';

--
-- Name: twin_account(bigint, bigint, uuid); Type: FUNCTION; Schema: engine; Owner: empire_engine
--

CREATE FUNCTION engine.twin_account(p_run bigint, p_token bigint, p_account uuid) RETURNS public.broker_accounts
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
declare
  a public.broker_accounts;
begin
  select b.* into a from public.broker_accounts b join engine.drill_twins t on t.user_id = b.user_id
  where b.id = p_account and t.run_id = p_run for no key update of b;
  if not found or not engine.holds_drill(p_run, p_token) then
    raise exception 'no account of a drill of this worker' using errcode = '42501';
  end if;
  return a;
end
$$;

ALTER FUNCTION engine.twin_account(p_run bigint, p_token bigint, p_account uuid) OWNER TO empire_engine;

--
-- Name: FUNCTION twin_account(p_run bigint, p_token bigint, p_account uuid); Type: COMMENT; Schema: engine; Owner: empire_engine
--

COMMENT ON FUNCTION engine.twin_account(p_run bigint, p_token bigint, p_account uuid) IS 'A synthetic account of a drill, locked; any other account is refused.';

--
-- Name: twin_accounts(bigint, bigint, uuid); Type: FUNCTION; Schema: engine; Owner: empire_engine
--

CREATE FUNCTION engine.twin_accounts(p_run bigint, p_token bigint, p_connection uuid) RETURNS jsonb
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
begin
  if not engine.holds_drill(p_run, p_token) then
    return null;
  end if;
  return (
    select jsonb_build_object('status', c.status, 'error', c.last_error, 'accounts', (
      select coalesce(jsonb_agg(engine.account_json(a, c) order by a.account_id), '[]')
      from public.broker_accounts a where a.connection_id = c.id
    ))
    from engine.drill_twins t join public.broker_connections c on c.id = t.connection_id
    where t.run_id = p_run and t.connection_id = p_connection
  );
end
$$;

ALTER FUNCTION engine.twin_accounts(p_run bigint, p_token bigint, p_connection uuid) OWNER TO empire_engine;

--
-- Name: FUNCTION twin_accounts(p_run bigint, p_token bigint, p_connection uuid); Type: COMMENT; Schema: engine; Owner: empire_engine
--

COMMENT ON FUNCTION engine.twin_accounts(p_run bigint, p_token bigint, p_connection uuid) IS 'How a synthetic login stands, and the accounts it has.';

--
-- Name: twin_intent(bigint, bigint, uuid, jsonb, timestamp with time zone); Type: FUNCTION; Schema: engine; Owner: empire_engine
--

CREATE FUNCTION engine.twin_intent(p_run bigint, p_token bigint, p_account uuid, p_intent jsonb, p_fired_at timestamp with time zone) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
declare
  a constant public.broker_accounts := engine.twin_account(p_run, p_token, p_account);
  v_answer jsonb;
begin
  v_answer := engine.accept_intent(jsonb_build_object(
    'user_id', a.user_id, 'source', 'drill', 'accounts', jsonb_build_array(a.id), 'intent', p_intent,
    'idempotency_key', gen_random_uuid()
  ));
  if v_answer ->> 'http' <> '202' then
    raise exception '%', v_answer ->> 'message' using errcode = '22023';
  end if;
  if p_fired_at is not null then
    update public.webhook_events e set fired_at = p_fired_at where e.id = (v_answer ->> 'event_id')::bigint;
  end if;
  return (v_answer ->> 'event_id')::bigint;
end
$$;

ALTER FUNCTION engine.twin_intent(p_run bigint, p_token bigint, p_account uuid, p_intent jsonb, p_fired_at timestamp with time zone) OWNER TO empire_engine;

--
-- Name: FUNCTION twin_intent(p_run bigint, p_token bigint, p_account uuid, p_intent jsonb, p_fired_at timestamp with time zone); Type: COMMENT; Schema: engine; Owner: empire_engine
--

COMMENT ON FUNCTION engine.twin_intent(p_run bigint, p_token bigint, p_account uuid, p_intent jsonb, p_fired_at timestamp with time zone) IS 'An alert of a drill to a synthetic account, by the same inbox and queue as every other. p_fired_at = as if it had fired then.';

--
-- Name: twin_of(uuid, bigint); Type: FUNCTION; Schema: engine; Owner: empire_engine
--

CREATE FUNCTION engine.twin_of(p_account uuid, p_delivery bigint) RETURNS bigint
    LANGUAGE plpgsql STABLE
    SET search_path TO ''
    AS $$
declare
  v_window constant interval := make_interval(secs => (
    select max((x #>> '{rules,duplicates,window_s}')::numeric)::double precision
    from jsonb_array_elements(engine.rule_sets(p_account)) x
  ));
  d public.deliveries;
begin
  if v_window is null then
    return null;
  end if;
  select t.* into d from public.deliveries t where t.id = p_delivery;
  return (
    select max(e.id) from (
      select t.* from public.deliveries t where t.account_id = p_account and t.id < p_delivery order by t.id desc limit 500
    ) e
    where e.created_at > d.created_at - v_window and e.action = d.action and e.side is not distinct from d.side
      and engine.symbol_key(e.symbol) = engine.symbol_key(d.symbol) and not e.dry_run
      -- What opened nothing is repeated rightly.
      and (e.outcome is null or e.outcome in ('executed', 'unknown'))
  );
end
$$;

ALTER FUNCTION engine.twin_of(p_account uuid, p_delivery bigint) OWNER TO empire_engine;

--
-- Name: FUNCTION twin_of(p_account uuid, p_delivery bigint); Type: COMMENT; Schema: engine; Owner: empire_engine
--

COMMENT ON FUNCTION engine.twin_of(p_account uuid, p_delivery bigint) IS 'The latest earlier delivery of the account that asked for the same (root, side, action) within the window of `duplicates`, and got it. Null = none.';

--
-- Name: twin_price(bigint, bigint, uuid, text, numeric); Type: FUNCTION; Schema: engine; Owner: empire_engine
--

CREATE FUNCTION engine.twin_price(p_run bigint, p_token bigint, p_account uuid, p_symbol text, p_price numeric) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
declare
  a constant public.broker_accounts := engine.twin_account(p_run, p_token, p_account);
begin
  update engine.paper_accounts k
  set version = version + 1,
    book = book || jsonb_build_object('prices', coalesce(book -> 'prices', '{}') || jsonb_build_object(p_symbol, p_price))
  where k.account_id = a.id;
end
$$;

ALTER FUNCTION engine.twin_price(p_run bigint, p_token bigint, p_account uuid, p_symbol text, p_price numeric) OWNER TO empire_engine;

--
-- Name: FUNCTION twin_price(p_run bigint, p_token bigint, p_account uuid, p_symbol text, p_price numeric); Type: COMMENT; Schema: engine; Owner: empire_engine
--

COMMENT ON FUNCTION engine.twin_price(p_run bigint, p_token bigint, p_account uuid, p_symbol text, p_price numeric) IS 'The market of a synthetic account''s own book is here now.';

--
-- Name: twin_seen(bigint, bigint, uuid, bigint); Type: FUNCTION; Schema: engine; Owner: empire_engine
--

CREATE FUNCTION engine.twin_seen(p_run bigint, p_token bigint, p_account uuid, p_event bigint) RETURNS jsonb
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
declare
  a constant public.broker_accounts := engine.twin_account(p_run, p_token, p_account);
begin
  return jsonb_build_object(
    'now', clock_timestamp(), 'locked_until', a.locked_until, 'lock_reason', a.lock_reason, 'balance', a.balance,
    'equity', a.equity, 'as_of', a.as_of, 'freshness', a.freshness,
    'positions', (select count(*) from public.positions p where p.account_id = a.id and p.closed_at is null),
    'working', (
      select count(*) from public.orders o where o.account_id = a.id and o.status in
      ('pending', 'submitting', 'working', 'partially_filled', 'unknown')
    ),
    'waiting', (select count(*) from engine.queue q where q.account_id = a.id),
    'answer', (
      select jsonb_build_object('outcome', d.outcome, 'reason', d.reason, 'numbers', d.numbers)
      from public.deliveries d where d.event_id = p_event and d.account_id = a.id and d.status in ('done', 'dead')
    )
  );
end
$$;

ALTER FUNCTION engine.twin_seen(p_run bigint, p_token bigint, p_account uuid, p_event bigint) OWNER TO empire_engine;

--
-- Name: FUNCTION twin_seen(p_run bigint, p_token bigint, p_account uuid, p_event bigint); Type: COMMENT; Schema: engine; Owner: empire_engine
--

COMMENT ON FUNCTION engine.twin_seen(p_run bigint, p_token bigint, p_account uuid, p_event bigint) IS 'What is known of a synthetic account now, and what became of an alert to it (null = not finished).';

--
-- Name: unprotected(uuid); Type: FUNCTION; Schema: engine; Owner: empire_engine
--

CREATE FUNCTION engine.unprotected(p_account uuid) RETURNS bigint
    LANGUAGE plpgsql STABLE
    SET search_path TO ''
    AS $$
begin
  return (
    select count(*) from public.positions p
    where p.account_id = p_account and p.closed_at is null and p.stop_loss is null and not exists (
      select 1 from public.orders o
      where o.account_id = p.account_id and o.status in ('working', 'partially_filled') and o.reduce_only
        and o.stop_price is not null and o.root = p.root and o.side <> p.side
    )
  );
end
$$;

ALTER FUNCTION engine.unprotected(p_account uuid) OWNER TO empire_engine;

--
-- Name: FUNCTION unprotected(p_account uuid); Type: COMMENT; Schema: engine; Owner: empire_engine
--

COMMENT ON FUNCTION engine.unprotected(p_account uuid) IS 'How many open positions have no stop.';

--
-- Name: unreachable_accounts(integer); Type: FUNCTION; Schema: engine; Owner: empire_engine
--

CREATE FUNCTION engine.unreachable_accounts(p_limit integer) RETURNS uuid[]
    LANGUAGE plpgsql STABLE
    SET search_path TO ''
    AS $$
begin
  return array(
    select q.account_id from engine.queue q
    where q.executor = 'edge' and q.state = 'ready' and not engine.device_seen(q.user_id)
    union
    select a.id from public.broker_connections c
    join public.broker_accounts a on a.connection_id = c.id join engine.queue q on q.account_id = a.id
    -- Whoever was disconnected long ago has nothing in the queue any more.
    where c.status = 'disabled' and c.updated_at > clock_timestamp() - interval '1 day' and q.state = 'ready'
    order by 1 limit p_limit
  );
end
$$;

ALTER FUNCTION engine.unreachable_accounts(p_limit integer) OWNER TO empire_engine;

--
-- Name: FUNCTION unreachable_accounts(p_limit integer); Type: COMMENT; Schema: engine; Owner: empire_engine
--

COMMENT ON FUNCTION engine.unreachable_accounts(p_limit integer) IS 'Accounts with something to do that nobody can do: their device is not seen, or their login is disconnected.';

--
-- Name: unresolved_roots(public.deliveries); Type: FUNCTION; Schema: engine; Owner: empire_engine
--

CREATE FUNCTION engine.unresolved_roots(d public.deliveries) RETURNS jsonb
    LANGUAGE plpgsql STABLE
    SET search_path TO ''
    AS $$
begin
  return (
    select coalesce(jsonb_agg(distinct k.root), '[]') from engine.commands k
    where k.account_id = d.account_id and k.delivery_id <> d.id and k.state in ('pending', 'submitting', 'unknown')
      -- What is only written down keeps an account from being flat.
      and (k.state <> 'pending' or d.action = 'flatten')
  );
end
$$;

ALTER FUNCTION engine.unresolved_roots(d public.deliveries) OWNER TO empire_engine;

--
-- Name: FUNCTION unresolved_roots(d public.deliveries); Type: COMMENT; Schema: engine; Owner: empire_engine
--

COMMENT ON FUNCTION engine.unresolved_roots(d public.deliveries) IS 'Roots of a delivery''s account with a command of another delivery whose outcome is not known; for a flatten also with one that is only written down.';

--
-- Name: unsent(bigint[]); Type: FUNCTION; Schema: engine; Owner: empire_engine
--

CREATE FUNCTION engine.unsent(p_deliveries bigint[]) RETURNS bigint[]
    LANGUAGE plpgsql STABLE
    SET search_path TO ''
    AS $$
begin
  return (
    select array(select unnest(p_deliveries) except (
      select c.delivery_id from engine.commands c
      where c.delivery_id = any (p_deliveries) and c.state in ('submitting', 'unknown')
    ) order by 1)
  );
end
$$;

ALTER FUNCTION engine.unsent(p_deliveries bigint[]) OWNER TO empire_engine;

--
-- Name: FUNCTION unsent(p_deliveries bigint[]); Type: COMMENT; Schema: engine; Owner: empire_engine
--

COMMENT ON FUNCTION engine.unsent(p_deliveries bigint[]) IS 'Those of the deliveries with nothing under way to a broker: only these may be given back.';

--
-- Name: until_lifted(); Type: FUNCTION; Schema: engine; Owner: empire_engine
--

CREATE FUNCTION engine.until_lifted() RETURNS timestamp with time zone
    LANGUAGE sql IMMUTABLE
    SET search_path TO ''
    AS $$ select '9000-01-01 00:00:00+00'::timestamptz $$;

ALTER FUNCTION engine.until_lifted() OWNER TO empire_engine;

--
-- Name: FUNCTION until_lifted(); Type: COMMENT; Schema: engine; Owner: empire_engine
--

COMMENT ON FUNCTION engine.until_lifted() IS 'The end of a lock that has none: a moment that every language can hold.';

--
-- Name: update_orders(engine.news[]); Type: FUNCTION; Schema: engine; Owner: empire_engine
--

CREATE FUNCTION engine.update_orders(p_news engine.news[]) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
begin
  update public.orders o
  -- News may come late: what the state machine does not allow from here is older than what we know.
  set status = coalesce((
      select t.to_status from public.order_transitions t
      where t.from_status = o.status and t.to_status = (n.said ->> 'status')::public.order_status
    ), o.status),
    venue_order_id = coalesce(n.said ->> 'venue_order_id', o.venue_order_id),
    filled_qty = greatest(o.filled_qty, coalesce((n.said ->> 'filled_qty')::numeric, 0), case
      when jsonb_typeof(n.said -> 'fills') = 'array' and n.said -> 'fills' <> '[]' then (
        select sum(f.qty) from public.fills f where f.order_id = o.id
      ) end),
    avg_price = coalesce((n.said ->> 'avg_price')::numeric, o.avg_price),
    stop_loss = coalesce((n.said ->> 'stop_loss')::numeric, o.stop_loss),
    take_profit = coalesce((n.said ->> 'take_profit')::numeric, o.take_profit),
    reason = coalesce((n.said ->> 'reason')::public.reason, o.reason),
    reason_text = coalesce(left(n.said ->> 'text', 500), o.reason_text),
    position_id = coalesce(n.said #>> '{fills,0,position_id}', o.position_id)
  from (
    select distinct on (x.order_id) x.order_id, x.said
    from unnest(p_news) with ordinality as x (account_id, order_id, said, nth)
    where x.order_id is not null order by x.order_id, x.nth desc
  ) n
  where o.id = n.order_id;
end
$$;

ALTER FUNCTION engine.update_orders(p_news engine.news[]) OWNER TO empire_engine;

--
-- Name: FUNCTION update_orders(p_news engine.news[]); Type: COMMENT; Schema: engine; Owner: empire_engine
--

COMMENT ON FUNCTION engine.update_orders(p_news engine.news[]) IS 'Status and quantities of orders as the broker told them.';

--
-- Name: was_flat(uuid, timestamp with time zone, timestamp with time zone); Type: FUNCTION; Schema: engine; Owner: empire_engine
--

CREATE FUNCTION engine.was_flat(p_account uuid, p_since timestamp with time zone, p_at timestamp with time zone) RETURNS boolean
    LANGUAGE plpgsql STABLE
    SET search_path TO ''
    AS $$
begin
  return (
    select true from public.fills f
    where f.account_id = p_account and f.filled_at > p_since and f.filled_at <= p_at
    group by f.position_id having sum(case f.effect when 'open' then f.qty else -f.qty end) <> 0 limit 1
  ) is null;
end
$$;

ALTER FUNCTION engine.was_flat(p_account uuid, p_since timestamp with time zone, p_at timestamp with time zone) OWNER TO empire_engine;

--
-- Name: FUNCTION was_flat(p_account uuid, p_since timestamp with time zone, p_at timestamp with time zone); Type: COMMENT; Schema: engine; Owner: empire_engine
--

COMMENT ON FUNCTION engine.was_flat(p_account uuid, p_since timestamp with time zone, p_at timestamp with time zone) IS 'Whether nothing was open at a moment, on an account that was flat at an earlier one.';

--
-- Name: watched_accounts(text, integer, integer, jsonb); Type: FUNCTION; Schema: engine; Owner: empire_engine
--

CREATE FUNCTION engine.watched_accounts(p_worker text, p_limit integer, p_lease_ms integer, p_pauses jsonb) RETURNS SETOF jsonb
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    SET plan_cache_mode TO 'force_generic_plan'
    SET enable_seqscan TO 'off'
    AS $$
declare
  v_token constant bigint := engine.new_token();
  -- Some of them somebody is reading.
  v_due constant uuid [] := engine.accounts_due(p_limit * 4, p_pauses);
  v_free uuid [];
  v_taken uuid [];
begin
  if v_due = '{}' then
    return;
  end if;
  perform set_config('synchronous_commit', 'off', true);
  v_free := engine.spend_reads(array(
    select w.account_id from engine.account_marks w
    where w.account_id = any (v_due) and (w.lease_until is null or w.lease_until < clock_timestamp())
    order by array_position(v_due, w.account_id) limit p_limit for update skip locked
  ), p_pauses);
  with free as (
    select f.account_id from unnest(v_free) f (account_id)
  ), taken as (
    update engine.account_marks w
    set token = v_token, worker = p_worker, lease_until = clock_timestamp() + make_interval(secs => p_lease_ms / 1000.0)
    from free where w.account_id = free.account_id
    returning w.account_id
  )
  select array_agg(t.account_id) into v_taken from taken t;
  return query
    select jsonb_build_object(
      'token', v_token, 'now', clock_timestamp(), 'account', engine.account_json(a, c),
      'limits', case when s.has_limits then engine.limits_json(a.id) end,
      'risk', case when s.has_limits then engine.risk_json(a, null) end,
      'positions', (
        select coalesce(jsonb_agg(to_jsonb(p) order by p.id), '[]') from public.positions p
        where p.account_id = a.id and p.closed_at is null
      ),
      'orders', engine.working_orders(a.id)
    )
    from public.broker_accounts a
    join public.broker_connections c on c.id = a.connection_id
    cross join lateral (
      select (select true from public.risk_settings r where r.user_id = a.user_id limit 1) as has_limits
    ) s
    where a.id = any (v_taken)
    order by array_position(v_due, a.id);
end
$$;

ALTER FUNCTION engine.watched_accounts(p_worker text, p_limit integer, p_lease_ms integer, p_pauses jsonb) OWNER TO empire_engine;

--
-- Name: FUNCTION watched_accounts(p_worker text, p_limit integer, p_lease_ms integer, p_pauses jsonb); Type: COMMENT; Schema: engine; Owner: empire_engine
--

COMMENT ON FUNCTION engine.watched_accounts(p_worker text, p_limit integer, p_lease_ms integer, p_pauses jsonb) IS 'Accounts that are due to be read, each leased to one worker with a fencing token, and what it needs to judge them. p_pauses: seconds from one read of a login''s accounts to the next that its limits sustain, by broker; none = it is no concern.';

--
-- Name: week_json(public.broker_accounts, timestamp with time zone, jsonb); Type: FUNCTION; Schema: engine; Owner: empire_engine
--

CREATE FUNCTION engine.week_json(a public.broker_accounts, p_now timestamp with time zone, p_day jsonb) RETURNS jsonb
    LANGUAGE plpgsql STABLE
    SET search_path TO ''
    AS $$
declare
  c_day constant date := engine.trading_day(a.timezone, a.reset_time, p_now);
  c_first constant date := c_day - extract(dow from c_day)::integer;
  v_start numeric := (p_day ->> 'start_equity')::numeric;
begin
  if c_first < c_day then
    select d.start_equity into v_start from engine.account_days d
    where d.account_id = a.id and d.trading_day = c_first and d.source is not null
      and d.began_at = engine.day_began(a.timezone, a.reset_time, c_first);
  end if;
  if v_start is null then
    return null;
  end if;
  return jsonb_build_object(
    'start_equity', v_start, 'ends_at', engine.day_began(a.timezone, a.reset_time, c_first + 7), 'flows', (
      select coalesce(sum(d.flows), 0) from engine.account_days d
      where d.account_id = a.id and d.trading_day between c_first and c_day
    )
  );
end
$$;

ALTER FUNCTION engine.week_json(a public.broker_accounts, p_now timestamp with time zone, p_day jsonb) OWNER TO empire_engine;

--
-- Name: FUNCTION week_json(a public.broker_accounts, p_now timestamp with time zone, p_day jsonb); Type: COMMENT; Schema: engine; Owner: empire_engine
--

COMMENT ON FUNCTION engine.week_json(a public.broker_accounts, p_now timestamp with time zone, p_day jsonb) IS 'The trading week so far, from the first day after Sunday''s reset. Null = its start is not known.';

--
-- Name: what_it_closes(uuid, jsonb); Type: FUNCTION; Schema: engine; Owner: empire_engine
--

CREATE FUNCTION engine.what_it_closes(p_account uuid, l jsonb, OUT closing_side text, OUT qty numeric) RETURNS record
    LANGUAGE plpgsql STABLE
    SET search_path TO ''
    AS $$
begin
  if l ->> 'kind' = 'close' and (l ->> 'side' is null or l ->> 'qty' is null) then
    select case o.side when 'buy' then 'sell' else 'buy' end, o.qty into closing_side, qty from public.positions o
    where o.account_id = p_account and o.closed_at is null and case
      when l ->> 'venue_position_id' is not null then o.venue_position_id = l ->> 'venue_position_id'
      else o.root = l ->> 'root' end
    order by o.id limit 1;
  end if;
end
$$;

ALTER FUNCTION engine.what_it_closes(p_account uuid, l jsonb, OUT closing_side text, OUT qty numeric) OWNER TO empire_engine;

--
-- Name: FUNCTION what_it_closes(p_account uuid, l jsonb, OUT closing_side text, OUT qty numeric); Type: COMMENT; Schema: engine; Owner: empire_engine
--

COMMENT ON FUNCTION engine.what_it_closes(p_account uuid, l jsonb, OUT closing_side text, OUT qty numeric) IS 'Side and quantity of a close that leaves them to the venue, as far as we know the position.';

--
-- Name: with_settings(public.broker_accounts, jsonb); Type: FUNCTION; Schema: engine; Owner: empire_engine
--

CREATE FUNCTION engine.with_settings(a public.broker_accounts, p jsonb) RETURNS public.broker_accounts
    LANGUAGE plpgsql IMMUTABLE
    SET search_path TO ''
    AS $$
begin
  a.timezone := coalesce(p ->> 'timezone', a.timezone);
  a.reset_time := coalesce((p ->> 'reset_time')::time, a.reset_time);
  a.initial_balance := coalesce((p ->> 'initial_balance')::numeric, a.initial_balance);
  return a;
end
$$;

ALTER FUNCTION engine.with_settings(a public.broker_accounts, p jsonb) OWNER TO empire_engine;

--
-- Name: FUNCTION with_settings(a public.broker_accounts, p jsonb); Type: COMMENT; Schema: engine; Owner: empire_engine
--

COMMENT ON FUNCTION engine.with_settings(a public.broker_accounts, p jsonb) IS 'The account with these settings.';

--
-- Name: without_secrets(jsonb, integer); Type: FUNCTION; Schema: engine; Owner: empire_engine
--

CREATE FUNCTION engine.without_secrets(p jsonb, p_depth integer DEFAULT 0) RETURNS jsonb
    LANGUAGE plpgsql IMMUTABLE
    SET search_path TO ''
    AS $$
begin
  return case
    -- Deeper than the format allows (8): refused later. What nobody reads need not be walked through.
    when p_depth > 12 then '"[redacted]"'
    when jsonb_typeof(p) = 'object' then (
      select coalesce(jsonb_object_agg(engine.hide(m.key), case
        when m.value <> 'null' and replace(replace(lower(m.key), '_', ''), '-', '')
          ~ 'passw|passphrase|pwd|token|secret|apikey|licen[sc]e|credential|authori[sz]ation|privatekey' then '"[redacted]"'
        else engine.without_secrets(m.value, p_depth + 1)
      end), '{}')
      from jsonb_each(p) m
    )
    when jsonb_typeof(p) = 'array' then (
      select coalesce(jsonb_agg(engine.without_secrets(e.value, p_depth + 1) order by e.n), '[]')
      from jsonb_array_elements(p) with ordinality e (value, n)
    )
    when jsonb_typeof(p) = 'string' then to_jsonb(engine.hide(p #>> '{}'))
    else p
  end;
end
$$;

ALTER FUNCTION engine.without_secrets(p jsonb, p_depth integer) OWNER TO empire_engine;

--
-- Name: FUNCTION without_secrets(p jsonb, p_depth integer); Type: COMMENT; Schema: engine; Owner: empire_engine
--

COMMENT ON FUNCTION engine.without_secrets(p jsonb, p_depth integer) IS 'The JSON as it may be stored: fields that name a secret and texts that look like one are masked. As redact.ts at the door.';

--
-- Name: word_for(public.deliveries); Type: FUNCTION; Schema: engine; Owner: empire_engine
--

CREATE FUNCTION engine.word_for(d public.deliveries) RETURNS jsonb
    LANGUAGE plpgsql STABLE
    SET search_path TO ''
    AS $$
begin
  return (
    select to_jsonb(m) - array['id', 'user_id', 'account_id', 'created_at'] from public.symbol_map m
    where m.user_id = d.user_id and (m.account_id is null or m.account_id = d.account_id) and (
      upper(m.tv_symbol) = upper(d.symbol)
      -- A word without an exchange is meant for all of them.
      or upper(m.tv_symbol) = upper(substr(d.symbol, strpos(d.symbol, ':') + 1))
    )
    order by m.account_id nulls last, strpos(m.tv_symbol, ':') desc limit 1
  );
end
$$;

ALTER FUNCTION engine.word_for(d public.deliveries) OWNER TO empire_engine;

--
-- Name: FUNCTION word_for(d public.deliveries); Type: COMMENT; Schema: engine; Owner: empire_engine
--

COMMENT ON FUNCTION engine.word_for(d public.deliveries) IS 'The trader''s own word for a delivery''s symbol, where symbol_map has one: the account''s before the user''s, one with the exchange before one without. Null = there is none.';

--
-- Name: worker_seen(text, text, jsonb); Type: FUNCTION; Schema: engine; Owner: empire_engine
--

CREATE FUNCTION engine.worker_seen(p_worker text, p_kind text, p_details jsonb) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
begin
  perform set_config('synchronous_commit', 'off', true);
  insert into engine.workers as w (id, kind, details) values (p_worker, p_kind, p_details)
  on conflict (id) do update set seen_at = clock_timestamp(), details = excluded.details;
end
$$;

ALTER FUNCTION engine.worker_seen(p_worker text, p_kind text, p_details jsonb) OWNER TO empire_engine;

--
-- Name: FUNCTION worker_seen(p_worker text, p_kind text, p_details jsonb); Type: COMMENT; Schema: engine; Owner: empire_engine
--

COMMENT ON FUNCTION engine.worker_seen(p_worker text, p_kind text, p_details jsonb) IS 'A worker process says that it lives.';

--
-- Name: working_orders(uuid); Type: FUNCTION; Schema: engine; Owner: empire_engine
--

CREATE FUNCTION engine.working_orders(p_account uuid) RETURNS jsonb
    LANGUAGE plpgsql STABLE
    SET search_path TO ''
    AS $$
begin
  return (
    select coalesce(jsonb_agg(to_jsonb(o) order by o.id), '[]') from public.orders o
    where o.account_id = p_account and o.status in ('working', 'partially_filled')
  );
end
$$;

ALTER FUNCTION engine.working_orders(p_account uuid) OWNER TO empire_engine;

--
-- Name: FUNCTION working_orders(p_account uuid); Type: COMMENT; Schema: engine; Owner: empire_engine
--

COMMENT ON FUNCTION engine.working_orders(p_account uuid) IS 'The orders of an account that stand at the broker.';

--
-- Name: write_commands(engine.leg[], integer); Type: FUNCTION; Schema: engine; Owner: empire_engine
--

CREATE FUNCTION engine.write_commands(p_legs engine.leg[], p_request_timeout_ms integer) RETURNS jsonb
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
declare
  v_answers jsonb;
begin
  with written as (
    insert into engine.commands as c (
      delivery_id, account_id, user_id, leg, kind, order_id, client_order_id, root, is_entry, after_fill, request,
      reserved, state, token, send_deadline, request_timeout_ms, submitted_at, sends
    )
    select l.delivery_id, l.account_id, l.user_id, l.leg, l.kind, l.order_id, l.client_order_id,
      coalesce(l.said ->> 'root', ''), engine.is_limited(l.said), coalesce((l.said ->> 'after_fill')::boolean, false),
      coalesce(l.said -> 'request', l.said), l.reserved,
      (case when l.begins then 'submitting' else 'pending' end)::public.command_state, b.token, b.lease_until,
      case when l.begins then p_request_timeout_ms end, case when l.begins then clock_timestamp() end, l.begins::integer
    from unnest(p_legs) l left join lateral (select l.token, l.lease_until) b on l.begins
    returning c.*
  )
  select jsonb_object_agg(o.delivery_id, o.answer) into v_answers from (
    select w.delivery_id, jsonb_build_object('delivery_id', w.delivery_id, 'verdict', 'opened', 'commands', jsonb_agg(
      jsonb_build_object(
        'id', w.id, 'leg', w.leg, 'order_id', w.order_id, 'client_order_id', w.client_order_id,
        'go', w.state = 'submitting', 'submitted_at', w.submitted_at
      ) order by w.leg
    )) as answer from written w group by w.delivery_id
  ) o;
  return v_answers;
end
$$;

ALTER FUNCTION engine.write_commands(p_legs engine.leg[], p_request_timeout_ms integer) OWNER TO empire_engine;

--
-- Name: FUNCTION write_commands(p_legs engine.leg[], p_request_timeout_ms integer); Type: COMMENT; Schema: engine; Owner: empire_engine
--

COMMENT ON FUNCTION engine.write_commands(p_legs engine.leg[], p_request_timeout_ms integer) IS 'The commands of legs: pending, or submitting where they begin. Answers by delivery.';

--
-- Name: write_orders(engine.leg[]); Type: FUNCTION; Schema: engine; Owner: empire_engine
--

CREATE FUNCTION engine.write_orders(p_legs engine.leg[]) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
begin
  -- A close of what could not be read has no side or quantity to show: its fills will say what it was.
  insert into public.orders (
    id, user_id, broker, account_id, delivery_id, leg, client_order_id, origin, kind, reduce_only, position_id,
    endpoint_id, tv_symbol, symbol, root, side, type, qty, price, stop_price, stop_loss, take_profit, tif, currency,
    tag, trading_day, expires_at, status
  ) overriding system value
  select l.order_id, l.user_id, l.broker, l.account_id, l.delivery_id, l.leg, l.client_order_id, l.origin, l.kind,
    not engine.is_entry(l.said), l.said ->> 'venue_position_id', l.endpoint_id, l.tv_symbol, l.said ->> 'symbol',
    l.said ->> 'root', l.side, coalesce(l.said ->> 'type', 'market')::public.order_type, l.qty,
    (l.said ->> 'price')::numeric, (l.said ->> 'stop_price')::numeric, (l.said ->> 'stop_loss')::numeric,
    (l.said ->> 'take_profit')::numeric, coalesce(l.said ->> 'tif', 'gtc')::public.tif, l.currency, l.said ->> 'tag',
    l.trading_day, (l.said ->> 'expires_at')::timestamptz,
    (case when l.begins then 'submitting' else 'pending' end)::public.order_status
  from unnest(p_legs) l where l.kind in ('place', 'close') and l.order_id is not null;
end
$$;

ALTER FUNCTION engine.write_orders(p_legs engine.leg[]) OWNER TO empire_engine;

--
-- Name: FUNCTION write_orders(p_legs engine.leg[]); Type: COMMENT; Schema: engine; Owner: empire_engine
--

COMMENT ON FUNCTION engine.write_orders(p_legs engine.leg[]) IS 'The order rows of legs.';

--
-- Name: write_told(jsonb, bigint[]); Type: FUNCTION; Schema: engine; Owner: empire_engine
--

CREATE FUNCTION engine.write_told(p_told jsonb, p_ids bigint[]) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
begin
  -- All lines of a batch in one statement, so that they are told live once. They come from the outbox: of their types none
  -- may go out again, which is why this need not be engine.note.
  insert into public.logs (user_id, level, type, message, details, correlation_id)
  select o.user_id, (t #>> '{line,level}')::public.log_level, t #>> '{line,type}', left(t ->> 'message', 1000),
    jsonb_strip_nulls(jsonb_build_object('account_id', o.account_id, 'delivery_id', o.body -> 'delivery_id')),
    (t ->> 'event_id')::bigint
  from jsonb_array_elements(p_told) with ordinality as x (t, nth) join engine.outbox o on o.id = (t ->> 'id')::bigint
  where o.id = any (p_ids) and jsonb_typeof(t -> 'line') = 'object' order by x.nth;
  insert into public.notifications (user_id, target_id, kind, target_name, event_class, event_key, event_id, message, due_at)
  select o.user_id, n.id, n.kind, n.name, c.class, t ->> 'key', (t ->> 'event_id')::bigint, t ->> 'message',
    case when engine.is_urgent(c.class) then clock_timestamp() else engine.after_quiet(n, clock_timestamp()) end
  from jsonb_array_elements(p_told) with ordinality as x (t, nth) join engine.outbox o on o.id = (t ->> 'id')::bigint
  cross join lateral (select (t ->> 'class')::public.notification_class as class) c
  join public.notification_targets n on n.user_id = o.user_id
  where o.id = any (p_ids) and n.enabled and n.verified_at is not null and c.class = any (n.classes)
  order by x.nth, n.id
  on conflict (target_id, event_key, event_class) do nothing;
end
$$;

ALTER FUNCTION engine.write_told(p_told jsonb, p_ids bigint[]) OWNER TO empire_engine;

--
-- Name: FUNCTION write_told(p_told jsonb, p_ids bigint[]); Type: COMMENT; Schema: engine; Owner: empire_engine
--

COMMENT ON FUNCTION engine.write_told(p_told jsonb, p_ids bigint[]) IS 'Lines for the logs, and messages for the targets that want their class, of these rows of the outbox.';

--
-- Name: account_settings(public.broker_accounts); Type: FUNCTION; Schema: private; Owner: postgres
--

CREATE FUNCTION private.account_settings(a public.broker_accounts) RETURNS jsonb
    LANGUAGE plpgsql IMMUTABLE
    SET search_path TO ''
    AS $$
begin
  return jsonb_build_object(
    'timezone', a.timezone, 'reset_time', left(a.reset_time::text, 5), 'initial_balance', trim_scale(a.initial_balance)
  );
end
$$;

ALTER FUNCTION private.account_settings(a public.broker_accounts) OWNER TO postgres;

--
-- Name: FUNCTION account_settings(a public.broker_accounts); Type: COMMENT; Schema: private; Owner: postgres
--

COMMENT ON FUNCTION private.account_settings(a public.broker_accounts) IS 'From what an account''s days and floors count now.';

--
-- Name: accounts_halted(text, uuid, public.broker, uuid); Type: FUNCTION; Schema: private; Owner: postgres
--

CREATE FUNCTION private.accounts_halted(p_scope text, p_user uuid, p_broker public.broker, p_account uuid) RETURNS uuid[]
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path TO ''
    AS $$
begin
  return array(
    select a.id from public.broker_accounts a
    where (p_scope = 'system' or a.user_id = p_user) and (p_broker is null or a.broker = p_broker)
      and (p_account is null or a.id = p_account)
    order by a.id
  );
end
$$;

ALTER FUNCTION private.accounts_halted(p_scope text, p_user uuid, p_broker public.broker, p_account uuid) OWNER TO postgres;

--
-- Name: FUNCTION accounts_halted(p_scope text, p_user uuid, p_broker public.broker, p_account uuid); Type: COMMENT; Schema: private; Owner: postgres
--

COMMENT ON FUNCTION private.accounts_halted(p_scope text, p_user uuid, p_broker public.broker, p_account uuid) IS 'The accounts that a kill switch is for.';

--
-- Name: accounts_named(uuid, jsonb); Type: FUNCTION; Schema: private; Owner: postgres
--

CREATE FUNCTION private.accounts_named(p_user_id uuid, p_names jsonb) RETURNS uuid[]
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path TO ''
    AS $$
declare
  v_accounts uuid [];
begin
  if coalesce(jsonb_typeof(p_names), 'null') = 'null' then
    select array_agg(a.id) into v_accounts from public.broker_accounts a where a.user_id = p_user_id;
    if cardinality(v_accounts) > 1 then
      perform private.refuse(422, 'invalid', 'You have several accounts: say in "accounts" which ones are meant.');
    end if;
  elsif jsonb_typeof(p_names) <> 'array' then
    perform private.refuse(422, 'invalid', '"accounts" is a list of account ids, numbers or labels.');
  else
    select array_agg(distinct a.id) into v_accounts
    from jsonb_array_elements_text(p_names) n
    join public.broker_accounts a on a.user_id = p_user_id and n in (a.id::text, a.account_id, a.label);
    if exists (
      select 1 from jsonb_array_elements_text(p_names) n where not exists (
        select 1 from public.broker_accounts a where a.user_id = p_user_id and n in (a.id::text, a.account_id, a.label)
      )
    ) then
      v_accounts := null;
    end if;
  end if;
  if v_accounts is null then
    perform private.refuse(404, 'not_found', 'You have no such account.');
  end if;
  return v_accounts;
end
$$;

ALTER FUNCTION private.accounts_named(p_user_id uuid, p_names jsonb) OWNER TO postgres;

--
-- Name: FUNCTION accounts_named(p_user_id uuid, p_names jsonb); Type: COMMENT; Schema: private; Owner: postgres
--

COMMENT ON FUNCTION private.accounts_named(p_user_id uuid, p_names jsonb) IS 'The user''s accounts by id, number or label; none named = his only account.';

--
-- Name: actor(); Type: FUNCTION; Schema: private; Owner: postgres
--

CREATE FUNCTION private.actor() RETURNS text
    LANGUAGE sql STABLE
    SET search_path TO ''
    AS $$
  select session_user || case
    when current_setting('role') in ('none', session_user) then '' else ' as ' || current_setting('role')
  end
$$;

ALTER FUNCTION private.actor() OWNER TO postgres;

--
-- Name: FUNCTION actor(); Type: COMMENT; Schema: private; Owner: postgres
--

COMMENT ON FUNCTION private.actor() IS 'Who is at the keyboard: the login and the role it has taken.';

--
-- Name: add_notification_target(uuid, text, text, text, text, text, text[], jsonb); Type: FUNCTION; Schema: private; Owner: postgres
--

CREATE FUNCTION private.add_notification_target(p_id uuid, p_kind text, p_name text, p_hint text, p_key_id text, p_sealed text, p_classes text[], p_quiet jsonb) RETURNS uuid
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
declare
  c_most constant integer := 20;
  v_me constant uuid := private.me();
  n public.notification_targets;
begin
  perform private.require_step_up();
  perform 1 from public.profiles p where p.id = v_me for no key update;
  if p_id is null or p_kind is null or p_kind <> all (enum_range(null::public.notification_kind)::text []) then
    perform private.refuse(422, 'invalid', 'Name an id (uuid) that you have chosen, and a kind: email, telegram, discord, slack or webhook.');
  elsif coalesce(char_length(btrim(p_name)), 0) not between 1 and 80 or p_name ~ '[[:cntrl:]]' or char_length(p_hint) > 80 then
    perform private.refuse(422, 'invalid', 'A target has a name of 1 to 80 characters, and a hint of at most 80.');
  elsif (select count(*) from public.notification_targets t where t.user_id = v_me) >= c_most then
    perform private.refuse(409, 'too_many', format('You have %s targets, which is the most we keep.', c_most));
  elsif exists (select 1 from public.notification_targets t where t.id = p_id) then
    perform private.refuse(409, 'id_reused', 'This id is in use: choose another one and seal again.');
  elsif not exists (select 1 from public.fleet_keys k where k.key_id = p_key_id and k.retired_at is null) then
    perform private.refuse(422, 'unknown_key', 'Sealed to a key that is not in use here: load the key again and seal anew.');
  end if;
  perform private.check_quiet(p_quiet);
  insert into public.notification_targets (id, user_id, kind, name, hint, classes, quiet_from, quiet_to, quiet_zone)
  values (p_id, v_me, p_kind::public.notification_kind, btrim(p_name), p_hint, private.check_classes(p_classes),
    (p_quiet ->> 'from')::time, (p_quiet ->> 'to')::time, p_quiet ->> 'zone') returning * into n;
  insert into engine.notification_doors (target_id, key_id, sealed) values (p_id, p_key_id, private.seal_bytes(p_sealed));
  perform private.note(v_me, 'warning', 'target_added', format('Messages can go to %s (%s) once its code is confirmed.', n.name, n.kind),
    jsonb_build_object('target_id', n.id, 'kind', n.kind));
  perform private.send_code(n);
  return n.id;
end
$$;

ALTER FUNCTION private.add_notification_target(p_id uuid, p_kind text, p_name text, p_hint text, p_key_id text, p_sealed text, p_classes text[], p_quiet jsonb) OWNER TO postgres;

--
-- Name: FUNCTION add_notification_target(p_id uuid, p_kind text, p_name text, p_hint text, p_key_id text, p_sealed text, p_classes text[], p_quiet jsonb); Type: COMMENT; Schema: private; Owner: postgres
--

COMMENT ON FUNCTION private.add_notification_target(p_id uuid, p_kind text, p_name text, p_hint text, p_key_id text, p_sealed text, p_classes text[], p_quiet jsonb) IS 'public.add_notification_target, checked.';

--
-- Name: admin_disable_account(uuid, text); Type: FUNCTION; Schema: private; Owner: postgres
--

CREATE FUNCTION private.admin_disable_account(p_account_id uuid, p_reason text) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
declare
  a constant public.broker_accounts := private.as_admin('admin_disable_account', p_account_id, p_reason);
begin
  update public.broker_accounts set trading_enabled = false where id = a.id and trading_enabled;
end
$$;

ALTER FUNCTION private.admin_disable_account(p_account_id uuid, p_reason text) OWNER TO postgres;

--
-- Name: FUNCTION admin_disable_account(p_account_id uuid, p_reason text); Type: COMMENT; Schema: private; Owner: postgres
--

COMMENT ON FUNCTION private.admin_disable_account(p_account_id uuid, p_reason text) IS 'public.admin_disable_account, checked.';

--
-- Name: admin_flatten(uuid, text); Type: FUNCTION; Schema: private; Owner: postgres
--

CREATE FUNCTION private.admin_flatten(p_account_id uuid, p_reason text) RETURNS jsonb
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
declare
  a constant public.broker_accounts := private.as_admin('admin_flatten', p_account_id, p_reason);
begin
  return engine.accept_intent(jsonb_build_object(
    'user_id', a.user_id, 'source', 'system', 'intent', '{"action": "flatten"}'::jsonb,
    'accounts', jsonb_build_array(a.id), 'aal2', true
  ));
end
$$;

ALTER FUNCTION private.admin_flatten(p_account_id uuid, p_reason text) OWNER TO postgres;

--
-- Name: FUNCTION admin_flatten(p_account_id uuid, p_reason text); Type: COMMENT; Schema: private; Owner: postgres
--

COMMENT ON FUNCTION private.admin_flatten(p_account_id uuid, p_reason text) IS 'public.admin_flatten, checked.';

--
-- Name: admin_kill_switch(boolean, text, boolean); Type: FUNCTION; Schema: private; Owner: postgres
--

CREATE FUNCTION private.admin_kill_switch(p_on boolean, p_reason text, p_flatten boolean) RETURNS jsonb
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
declare
  v_answer jsonb;
begin
  perform private.require_admin(p_reason);
  if p_on is null or (p_flatten and not p_on) then
    perform private.refuse(422, 'invalid', 'The switch is on or off, and only what is switched on can flatten.');
  end if;
  v_answer := private.halt('system', null, null, null, p_on, p_reason, coalesce(p_flatten, false));
  insert into public.admin_actions (admin_user_id, actor, action, details)
  values ((select auth.uid()), private.actor(), 'admin_kill_switch', v_answer || jsonb_build_object('reason', p_reason));
  perform private.note(u.user_id, 'warning', case when p_on then 'system_halted' else 'system_released' end,
    case when p_on then format('The operator has halted trading: no entries, exits go on. %s', p_reason)
      else 'The operator allows trading again.' end, '{}')
  from (select distinct a.user_id from public.broker_accounts a) u;
  return v_answer;
end
$$;

ALTER FUNCTION private.admin_kill_switch(p_on boolean, p_reason text, p_flatten boolean) OWNER TO postgres;

--
-- Name: FUNCTION admin_kill_switch(p_on boolean, p_reason text, p_flatten boolean); Type: COMMENT; Schema: private; Owner: postgres
--

COMMENT ON FUNCTION private.admin_kill_switch(p_on boolean, p_reason text, p_flatten boolean) IS 'public.admin_kill_switch, checked.';

--
-- Name: any_live(uuid[]); Type: FUNCTION; Schema: private; Owner: postgres
--

CREATE FUNCTION private.any_live(p_account_ids uuid[]) RETURNS boolean
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO ''
    AS $$
  select exists (
    select 1 from public.broker_accounts a join public.broker_connections c on c.id = a.connection_id
    where a.id = any (p_account_ids) and c.environment = 'live'
  )
$$;

ALTER FUNCTION private.any_live(p_account_ids uuid[]) OWNER TO postgres;

--
-- Name: FUNCTION any_live(p_account_ids uuid[]); Type: COMMENT; Schema: private; Owner: postgres
--

COMMENT ON FUNCTION private.any_live(p_account_ids uuid[]) IS 'Whether real money is behind one of these accounts.';

--
-- Name: arm_check(uuid); Type: FUNCTION; Schema: private; Owner: postgres
--

CREATE FUNCTION private.arm_check(p_connection_id uuid) RETURNS void
    LANGUAGE sql SECURITY DEFINER
    SET search_path TO ''
    AS $$
  insert into engine.connection_checks (connection_id) values (p_connection_id)
  on conflict (connection_id) do update
  set run_at = clock_timestamp(), attempts = 0, token = null, worker = null, lease_until = null
$$;

ALTER FUNCTION private.arm_check(p_connection_id uuid) OWNER TO postgres;

--
-- Name: FUNCTION arm_check(p_connection_id uuid); Type: COMMENT; Schema: private; Owner: postgres
--

COMMENT ON FUNCTION private.arm_check(p_connection_id uuid) IS 'A worker is to log in now and say what it found; a check under way counts no more.';

--
-- Name: as_admin(text, uuid, text); Type: FUNCTION; Schema: private; Owner: postgres
--

CREATE FUNCTION private.as_admin(p_action text, p_account_id uuid, p_reason text) RETURNS public.broker_accounts
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
declare
  a public.broker_accounts;
begin
  perform private.require_admin(p_reason);
  select b.* into a from public.broker_accounts b where b.id = p_account_id for no key update;
  if not found then
    perform private.refuse(404, 'not_found', 'There is no such account.');
  end if;
  insert into public.admin_actions (admin_user_id, actor, action, target_user_id, details)
  values ((select auth.uid()), private.actor(), p_action, a.user_id,
    jsonb_build_object('account_id', a.id, 'reason', p_reason));
  perform private.note(a.user_id, 'warning', p_action,
    format('An operator acted on %s: %s', coalesce(a.label, a.account_id), p_reason),
    jsonb_build_object('account_id', a.id));
  return a;
end
$$;

ALTER FUNCTION private.as_admin(p_action text, p_account_id uuid, p_reason text) OWNER TO postgres;

--
-- Name: FUNCTION as_admin(p_action text, p_account_id uuid, p_reason text); Type: COMMENT; Schema: private; Owner: postgres
--

COMMENT ON FUNCTION private.as_admin(p_action text, p_account_id uuid, p_reason text) IS 'Refuses all but an admin with a fresh second factor, records the act, tells the trader; returns the account, locked.';

--
-- Name: as_number(jsonb); Type: FUNCTION; Schema: private; Owner: postgres
--

CREATE FUNCTION private.as_number(p jsonb) RETURNS jsonb
    LANGUAGE plpgsql IMMUTABLE
    SET search_path TO ''
    AS $_$
begin
  -- A number may come as text, exact: browsers' own numbers are not.
  return case
    when jsonb_typeof(p) = 'string' and (p #>> '{}') ~ '^-?(0|[1-9]\d{0,19})(\.\d{1,12})?$' then (p #>> '{}')::jsonb
    when jsonb_typeof(p) = 'object' then (select coalesce(jsonb_object_agg(e.key, private.as_number(e.value)), '{}') from jsonb_each(p) e)
    when jsonb_typeof(p) = 'array' then (
      select coalesce(jsonb_agg(private.as_number(e.value) order by e.nth), '[]') from jsonb_array_elements(p) with ordinality e (value, nth)
    )
    else p end;
end
$_$;

ALTER FUNCTION private.as_number(p jsonb) OWNER TO postgres;

--
-- Name: FUNCTION as_number(p jsonb); Type: COMMENT; Schema: private; Owner: postgres
--

COMMENT ON FUNCTION private.as_number(p jsonb) IS 'Numbers that came as text, as numbers; also inside objects and lists.';

--
-- Name: audit(); Type: FUNCTION; Schema: private; Owner: postgres
--

CREATE FUNCTION private.audit() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
declare
  -- That these changed is recorded, what they were or are is not.
  c_secret constant text [] := array['api_key_hash', 'key_hash', 'sealed', 'stripe_customer_id'];
  c_silent constant text [] := array['version', 'updated_at'];
  v_old constant jsonb := case when tg_op <> 'INSERT' then to_jsonb(old) else '{}' end;
  v_new constant jsonb := case when tg_op <> 'DELETE' then to_jsonb(new) else '{}' end;
  v_row constant jsonb := v_old || v_new;
  v_owner constant uuid := coalesce(
    v_row ->> 'user_id', case when tg_table_name = 'profiles' then v_row ->> 'id' end
  )::uuid;
  v_changes jsonb;
begin
  -- Behind this login PostgREST has checked the token, so auth.uid() is true; behind any other it is only claimed.
  if session_user = 'authenticator' and v_owner = (select auth.uid()) then
    return null;
  end if;
  select jsonb_object_agg(k, case
    when k = any (c_secret) then '"(not shown)"'
    when tg_op = 'UPDATE' then jsonb_build_array(v_old -> k, v_new -> k)
    else v_row -> k
  end) into v_changes
  from jsonb_object_keys(v_row) k
  where k <> all (c_silent) and (tg_op <> 'UPDATE' or v_old -> k is distinct from v_new -> k);
  if v_changes is null then
    return null;
  end if;
  insert into public.admin_actions (admin_user_id, actor, action, target_user_id, details, ip_address)
  values (
    case when session_user = 'authenticator' then (select auth.uid()) end, private.actor(),
    lower(tg_op) || ' ' || tg_table_name, v_owner,
    jsonb_build_object('table', tg_table_schema || '.' || tg_table_name, 'id', v_row -> 'id', 'changes', v_changes),
    case when session_user <> 'authenticator' then inet_client_addr() end
  );
  return null;
end
$$;

ALTER FUNCTION private.audit() OWNER TO postgres;

--
-- Name: FUNCTION audit(); Type: COMMENT; Schema: private; Owner: postgres
--

COMMENT ON FUNCTION private.audit() IS 'Records a write that is not the owner''s: who, what, old and new values (never secrets).';

--
-- Name: cancel_order(bigint); Type: FUNCTION; Schema: private; Owner: postgres
--

CREATE FUNCTION private.cancel_order(p_order_id bigint) RETURNS jsonb
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
declare
  o public.orders;
begin
  select w.* into o from public.orders w where w.id = p_order_id and w.user_id = private.me();
  if not found then
    perform private.refuse(404, 'not_found', 'You have no such order.');
  elsif o.status in ('filled', 'canceled', 'rejected', 'expired') then
    perform private.refuse(409, 'order_is_done', format('The order is %s already.', o.status));
  end if;
  return private.submit_intent(jsonb_build_object(
    'action', 'cancel', 'symbol', coalesce(o.tv_symbol, o.symbol), 'order_id', o.id::text, 'scope', 'symbol',
    'accounts', jsonb_build_array(o.account_id)
  ), null, 'dashboard');
end
$$;

ALTER FUNCTION private.cancel_order(p_order_id bigint) OWNER TO postgres;

--
-- Name: FUNCTION cancel_order(p_order_id bigint); Type: COMMENT; Schema: private; Owner: postgres
--

COMMENT ON FUNCTION private.cancel_order(p_order_id bigint) IS 'public.cancel_order, checked.';

--
-- Name: cancel_pending_risk(jsonb); Type: FUNCTION; Schema: private; Owner: postgres
--

CREATE FUNCTION private.cancel_pending_risk(p_scope jsonb) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
declare
  s constant public.risk_settings := private.risk_scope(private.me(), p_scope);
  o constant public.risk_settings := private.limits_of_scope(s, false);
  w constant public.risk_settings := private.limits_of_scope(s, true);
begin
  if w.id is null then
    return false;
  end if;
  update public.risk_settings r set superseded_at = now() where r.id = w.id;
  update public.risk_settings r set ends_at = null where r.id = o.id;
  perform private.record_change(s.user_id, 'limits_kept', false, 'Your limits stay as they are: what waited to loosen them was cancelled.',
    jsonb_strip_nulls(jsonb_build_object('broker', s.broker, 'account_id', s.account_id, 'cancelled', private.limits_diff(o, w))));
  return true;
end
$$;

ALTER FUNCTION private.cancel_pending_risk(p_scope jsonb) OWNER TO postgres;

--
-- Name: FUNCTION cancel_pending_risk(p_scope jsonb); Type: COMMENT; Schema: private; Owner: postgres
--

COMMENT ON FUNCTION private.cancel_pending_risk(p_scope jsonb) IS 'public.cancel_pending_risk, checked.';

--
-- Name: cancel_waiting_entries(uuid[]); Type: FUNCTION; Schema: private; Owner: postgres
--

CREATE FUNCTION private.cancel_waiting_entries(p_accounts uuid[]) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
declare
  v record;
begin
  for v in
    select o.user_id, coalesce(o.tv_symbol, o.symbol) as symbol, array_agg(distinct o.account_id) as accounts
    from public.orders o
    where o.account_id = any (p_accounts) and o.kind = 'place' and not o.reduce_only
      and o.status in ('working', 'partially_filled', 'unknown')
    group by 1, 2 order by 1, 2
  loop
    perform engine.accept_intent(jsonb_build_object(
      'user_id', v.user_id, 'source', 'system', 'accounts', to_jsonb(v.accounts),
      'intent', jsonb_build_object('action', 'cancel', 'symbol', v.symbol, 'scope', 'symbol')
    ));
  end loop;
end
$$;

ALTER FUNCTION private.cancel_waiting_entries(p_accounts uuid[]) OWNER TO postgres;

--
-- Name: FUNCTION cancel_waiting_entries(p_accounts uuid[]); Type: COMMENT; Schema: private; Owner: postgres
--

COMMENT ON FUNCTION private.cancel_waiting_entries(p_accounts uuid[]) IS 'Asks the brokers to cancel every entry of these accounts that has not filled yet, before anything else.';

--
-- Name: check_account_settings(jsonb); Type: FUNCTION; Schema: private; Owner: postgres
--

CREATE FUNCTION private.check_account_settings(p_values jsonb) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
declare
  m record;
begin
  if jsonb_typeof(p_values) is distinct from 'object' then
    perform private.refuse(422, 'invalid', 'Settings of an account are an object of names and values.');
  end if;
  for m in select * from jsonb_each(p_values) loop
    case m.key
      when 'timezone' then perform private.check_zone(m.key, m.value);
      when 'reset_time' then perform private.check_clock(m.key, m.value);
      when 'initial_balance' then
        perform private.check_number(m.key, private.as_number(m.value), 0, 1000000000, false);
      else perform private.refuse_value(left(m.key, 60), m.value, 'there is no such setting.');
    end case;
  end loop;
end
$$;

ALTER FUNCTION private.check_account_settings(p_values jsonb) OWNER TO postgres;

--
-- Name: FUNCTION check_account_settings(p_values jsonb); Type: COMMENT; Schema: private; Owner: postgres
--

COMMENT ON FUNCTION private.check_account_settings(p_values jsonb) IS 'Refuses settings of an account that are unknown, unreadable or absurd.';

--
-- Name: check_amounts(text, jsonb); Type: FUNCTION; Schema: private; Owner: postgres
--

CREATE FUNCTION private.check_amounts(p_path text, r jsonb) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
declare
  v_name constant text := case when r ? 'limit' then 'limit' else 'amount' end;
  v_amount constant numeric := (r ->> v_name)::numeric;
  v_drawdown constant numeric := case when r ->> 'unit' in ('usd', 'account') then v_amount else 0 end;
  v_begin constant numeric := (r ->> 'start')::numeric - v_drawdown;
begin
  if r ->> 'unit' like 'pct%' and (v_amount > 100 or v_amount = 0) then
    perform private.refuse_value(p_path || '.' || v_name, r -> v_name,
      'in percent it is more than 0 and at most 100 (nothing allowed is a switched off account).');
  elsif r ? 'kind' and v_amount = 0 then
    perform private.refuse_value(p_path || '.amount', r -> 'amount', 'it must be more than 0.');
  elsif (r ->> 'cap')::numeric < v_begin then
    perform private.refuse_value(p_path || '.cap', r -> 'cap',
      format('the floor begins at %s, which is above it.', trim_scale(v_begin)));
  end if;
end
$$;

ALTER FUNCTION private.check_amounts(p_path text, r jsonb) OWNER TO postgres;

--
-- Name: FUNCTION check_amounts(p_path text, r jsonb); Type: COMMENT; Schema: private; Owner: postgres
--

COMMENT ON FUNCTION private.check_amounts(p_path text, r jsonb) IS 'Refuses amounts that contradict their unit or one another: percent over 100, a floor that begins above its cap.';

--
-- Name: check_broker_room(uuid, public.broker); Type: FUNCTION; Schema: private; Owner: postgres
--

CREATE FUNCTION private.check_broker_room(p_user_id uuid, p_broker public.broker) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
declare
  c_most constant integer := 100;
  v_limit constant integer := (
    select l.brokers from public.plan_limits l where l.plan = private.effective_plan(p_user_id)
  );
  v_used constant public.broker [] := array(
    select distinct c.broker from public.broker_connections c
    where c.user_id = p_user_id and c.broker <> 'paper' and c.status <> 'disabled'
  );
begin
  if p_broker <> all (v_used) and cardinality(v_used) >= v_limit then
    perform private.refuse(403, 'plan_limit', format(
      'Your plan includes %s broker%s and you use %s: disconnect one, or change the plan.', v_limit,
      case v_limit when 1 then '' else 's' end, array_to_string(v_used, ', ')));
  elsif (select count(*) from public.broker_connections c where c.user_id = p_user_id and c.broker <> 'paper') >= c_most then
    perform private.refuse(409, 'too_many', format('You have %s broker logins, which is the most we keep.', c_most));
  end if;
end
$$;

ALTER FUNCTION private.check_broker_room(p_user_id uuid, p_broker public.broker) OWNER TO postgres;

--
-- Name: FUNCTION check_broker_room(p_user_id uuid, p_broker public.broker); Type: COMMENT; Schema: private; Owner: postgres
--

COMMENT ON FUNCTION private.check_broker_room(p_user_id uuid, p_broker public.broker) IS 'Refuses a broker that the plan has no room for; paper is not counted.';

--
-- Name: check_classes(text[]); Type: FUNCTION; Schema: private; Owner: postgres
--

CREATE FUNCTION private.check_classes(p_classes text[]) RETURNS public.notification_class[]
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
declare
  c_all constant text [] := enum_range(null::public.notification_class)::text [];
  v_unknown text;
begin
  select c into v_unknown from unnest(p_classes) c where c is null or c <> all (c_all) or c = 'test' limit 1;
  if found or coalesce(cardinality(p_classes), 0) = 0 then
    perform private.refuse(422, 'invalid', format('Name at least one of these classes: %s.', array_to_string(array_remove(c_all, 'test'), ', ')));
  end if;
  return array(select distinct c::public.notification_class as class from unnest(p_classes) c order by class);
end
$$;

ALTER FUNCTION private.check_classes(p_classes text[]) OWNER TO postgres;

--
-- Name: FUNCTION check_classes(p_classes text[]); Type: COMMENT; Schema: private; Owner: postgres
--

COMMENT ON FUNCTION private.check_classes(p_classes text[]) IS 'The classes a target wants; refuses what is none.';

--
-- Name: check_clock(text, jsonb); Type: FUNCTION; Schema: private; Owner: postgres
--

CREATE FUNCTION private.check_clock(p_path text, p jsonb) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $_$
begin
  perform private.check_pattern(p_path, p, '^([01][0-9]|2[0-3]):[0-5][0-9]$', 'a time is "HH:MM", such as "15:05".');
end
$_$;

ALTER FUNCTION private.check_clock(p_path text, p jsonb) OWNER TO postgres;

--
-- Name: FUNCTION check_clock(p_path text, p jsonb); Type: COMMENT; Schema: private; Owner: postgres
--

COMMENT ON FUNCTION private.check_clock(p_path text, p jsonb) IS 'Refuses what is no time of day.';

--
-- Name: check_columns(jsonb); Type: FUNCTION; Schema: private; Owner: postgres
--

CREATE FUNCTION private.check_columns(p_values jsonb) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
declare
  c_most constant jsonb := '{
    "max_daily_loss_usd": 1000000000, "max_daily_loss_pct": 100, "max_trades_per_day": 100000,
    "max_open_trades": 100000, "max_concurrent_positions": 100000, "max_order_qty": 1000000000,
    "max_risk_per_trade_pct": 100, "max_price_deviation_pct": 100}';
  m record;
  v jsonb;
begin
  for m in select * from jsonb_each(p_values) where jsonb_typeof(value) <> 'null' loop
    if c_most ? m.key then
      v := private.as_number(m.value);
      perform private.check_number(m.key, v, 0, (c_most ->> m.key)::numeric, m.key not like '%_pct' and m.key not in ('max_daily_loss_usd', 'max_order_qty'));
    elsif m.key = 'stop_required' and jsonb_typeof(m.value) <> 'boolean' then
      perform private.refuse_value(m.key, m.value, 'it is true or false.');
    elsif m.key = 'allowed_symbols' then
      if jsonb_typeof(m.value) <> 'array' or jsonb_array_length(m.value) > 500 or exists (
        select 1 from jsonb_array_elements(m.value) s
        where jsonb_typeof(s) <> 'string' or char_length(btrim(s #>> '{}')) not between 1 and 64
      ) then
        perform private.refuse_value(m.key, m.value, 'it is a list of at most 500 symbols.');
      end if;
    elsif m.key = 'rules' then
      perform private.check_rules(m.value);
    end if;
  end loop;
end
$$;

ALTER FUNCTION private.check_columns(p_values jsonb) OWNER TO postgres;

--
-- Name: FUNCTION check_columns(p_values jsonb); Type: COMMENT; Schema: private; Owner: postgres
--

COMMENT ON FUNCTION private.check_columns(p_values jsonb) IS 'Refuses limits that are no number, negative, not finite or absurd, with 422 and the field''s name.';

--
-- Name: check_connection(uuid); Type: FUNCTION; Schema: private; Owner: postgres
--

CREATE FUNCTION private.check_connection(p_connection_id uuid) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
declare
  c constant public.broker_connections := private.my_connection(p_connection_id);
begin
  if c.broker = 'paper' or c.status = 'disabled' then
    perform private.refuse(409, 'nothing_to_check', 'There is no login to check: connect it first.');
  elsif not exists (
    select 1 from public.credential_seals s
    where s.connection_id = c.id and s.recipient = 'fleet' and s.version = c.seal_version
  ) then
    perform private.refuse(409, 'nothing_to_check', 'This login is sealed to your device alone: we cannot log in.');
  elsif exists (
    select 1 from engine.connection_checks k where k.connection_id = c.id and k.lease_until > clock_timestamp()
  ) then
    return;
  end if;
  perform private.arm_check(c.id);
end
$$;

ALTER FUNCTION private.check_connection(p_connection_id uuid) OWNER TO postgres;

--
-- Name: FUNCTION check_connection(p_connection_id uuid); Type: COMMENT; Schema: private; Owner: postgres
--

COMMENT ON FUNCTION private.check_connection(p_connection_id uuid) IS 'public.check_connection, checked.';

--
-- Name: check_endpoint_accounts(public.broker, uuid[]); Type: FUNCTION; Schema: private; Owner: postgres
--

CREATE FUNCTION private.check_endpoint_accounts(p_broker public.broker, p_account_ids uuid[]) RETURNS void
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path TO ''
    AS $$
declare
  v_me constant uuid := private.me();
begin
  if exists (
    select 1 from unnest(p_account_ids) i
    where not exists (select 1 from public.broker_accounts a where a.id = i and a.user_id = v_me)
  ) then
    perform private.refuse(404, 'not_found', 'You have no such account.');
  elsif exists (select 1 from public.broker_accounts a where a.id = any (p_account_ids) and a.broker <> p_broker) then
    perform private.refuse(422, 'broker_mismatch', 'All accounts of an endpoint are at the endpoint''s broker.');
  end if;
end
$$;

ALTER FUNCTION private.check_endpoint_accounts(p_broker public.broker, p_account_ids uuid[]) OWNER TO postgres;

--
-- Name: FUNCTION check_endpoint_accounts(p_broker public.broker, p_account_ids uuid[]); Type: COMMENT; Schema: private; Owner: postgres
--

COMMENT ON FUNCTION private.check_endpoint_accounts(p_broker public.broker, p_account_ids uuid[]) IS 'Refuses accounts that are not the user''s own or are at another broker.';

--
-- Name: check_groups(text, jsonb); Type: FUNCTION; Schema: private; Owner: postgres
--

CREATE FUNCTION private.check_groups(p_path text, p jsonb) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $_$
declare
  m record;
  v_seen text [] := '{}';
begin
  perform private.check_size(p_path, p, 'object', 50);
  for m in
    select g.key, r.value as root from jsonb_each(p) g
    cross join lateral jsonb_array_elements(case when jsonb_typeof(g.value) = 'array' then g.value else '[null]' end) r
  loop
    perform private.check_pattern(p_path, to_jsonb(m.key), '^.{1,64}$', 'a group has a name of 1 to 64 characters.');
    perform private.check_size(p_path || '.' || m.key, p -> m.key, 'array', 100);
    perform private.check_root(p_path || '.' || m.key, m.root);
    if m.root #>> '{}' = any (v_seen) then
      perform private.refuse_value(p_path || '.' || m.key, m.root, 'a symbol is named once, in one group.');
    end if;
    v_seen := v_seen || (m.root #>> '{}');
  end loop;
  perform private.check_size(p_path || '.' || e.key, e.value, 'array', 100) from jsonb_each(p) e;
end
$_$;

ALTER FUNCTION private.check_groups(p_path text, p jsonb) OWNER TO postgres;

--
-- Name: FUNCTION check_groups(p_path text, p jsonb); Type: COMMENT; Schema: private; Owner: postgres
--

COMMENT ON FUNCTION private.check_groups(p_path text, p jsonb) IS 'Refuses what are no groups of roots, each root in one.';

--
-- Name: check_kill_switch(public.risk_settings, boolean, text, boolean); Type: FUNCTION; Schema: private; Owner: postgres
--

CREATE FUNCTION private.check_kill_switch(s public.risk_settings, p_on boolean, p_reason text, p_flatten boolean) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
begin
  if p_on is null or char_length(p_reason) > 200 then
    perform private.refuse(422, 'invalid', 'The switch is on or off, and its reason has at most 200 characters.');
  elsif p_flatten and not p_on then
    perform private.refuse(422, 'invalid', 'Only a switch that is thrown can flatten, not one that is released.');
  elsif not p_on and coalesce(s.broker <> 'paper', true) and (s.account_id is null or private.any_live(array[s.account_id])) then
    perform private.require_step_up();
  elsif p_flatten then
    perform private.check_trading_session(private.accounts_halted('user', s.user_id, s.broker, s.account_id), true);
  end if;
end
$$;

ALTER FUNCTION private.check_kill_switch(s public.risk_settings, p_on boolean, p_reason text, p_flatten boolean) OWNER TO postgres;

--
-- Name: FUNCTION check_kill_switch(s public.risk_settings, p_on boolean, p_reason text, p_flatten boolean); Type: COMMENT; Schema: private; Owner: postgres
--

COMMENT ON FUNCTION private.check_kill_switch(s public.risk_settings, p_on boolean, p_reason text, p_flatten boolean) IS 'On is always possible, off asks for a step-up (not where only practice money is), closing for what closing asks for.';

--
-- Name: check_login(uuid, public.broker, text, text, text); Type: FUNCTION; Schema: private; Owner: postgres
--

CREATE FUNCTION private.check_login(p_connection_id uuid, p_broker public.broker, p_server text, p_login text, p_hint text) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $_$
begin
  if p_connection_id is null or p_broker is null then
    perform private.refuse(422, 'invalid', 'Name the broker, and an id (uuid) that you have chosen for the connection.');
  elsif p_broker = 'paper' then
    perform private.refuse(422, 'invalid', 'A paper account needs no login: use connect_paper.');
  elsif coalesce(char_length(btrim(p_login)), 0) not between 1 and 254 or p_login <> btrim(p_login) or p_login ~ '[[:cntrl:]]' then
    perform private.refuse(422, 'invalid', 'A login has 1 to 254 characters, without spaces around it.');
  elsif p_server !~ '^[A-Za-z0-9._ -]{1,64}$' then
    perform private.refuse(422, 'invalid', 'A server is a name such as OSP-DEMO: letters, digits, dots, hyphens; never an address.');
  elsif char_length(p_hint) > 4 then
    perform private.refuse(422, 'invalid', 'The hint is at most the last four characters.');
  end if;
end
$_$;

ALTER FUNCTION private.check_login(p_connection_id uuid, p_broker public.broker, p_server text, p_login text, p_hint text) OWNER TO postgres;

--
-- Name: FUNCTION check_login(p_connection_id uuid, p_broker public.broker, p_server text, p_login text, p_hint text); Type: COMMENT; Schema: private; Owner: postgres
--

COMMENT ON FUNCTION private.check_login(p_connection_id uuid, p_broker public.broker, p_server text, p_login text, p_hint text) IS 'Refuses what is no login at a broker.';

--
-- Name: check_members(text, jsonb, text[]); Type: FUNCTION; Schema: private; Owner: postgres
--

CREATE FUNCTION private.check_members(p_path text, p jsonb, p_fields text[]) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
declare
  v_name text;
begin
  if jsonb_typeof(p) is distinct from 'object' then
    perform private.refuse_value(p_path, p, 'it must be an object.');
  end if;
  select k into v_name from jsonb_object_keys(p) k where k <> all (p_fields) limit 1;
  if found then
    perform private.refuse_value(p_path || '.' || left(v_name, 60), p -> v_name, 'there is no such field.');
  end if;
  select f into v_name from unnest(p_fields) f where p -> f is null or p -> f = 'null' limit 1;
  if found then
    perform private.refuse_value(p_path || '.' || v_name, null, 'it is required.');
  end if;
end
$$;

ALTER FUNCTION private.check_members(p_path text, p jsonb, p_fields text[]) OWNER TO postgres;

--
-- Name: FUNCTION check_members(p_path text, p jsonb, p_fields text[]); Type: COMMENT; Schema: private; Owner: postgres
--

COMMENT ON FUNCTION private.check_members(p_path text, p jsonb, p_fields text[]) IS 'Refuses what is no object of exactly these fields.';

--
-- Name: check_names(text, jsonb); Type: FUNCTION; Schema: private; Owner: postgres
--

CREATE FUNCTION private.check_names(p_path text, p jsonb) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
declare
  m record;
begin
  perform private.check_size(p_path, p, 'object', 200);
  for m in select * from jsonb_each(p) loop
    perform private.check_root(p_path, to_jsonb(m.key));
    perform private.check_root(p_path || '.' || m.key, m.value);
    if p ? (m.value #>> '{}') then
      perform private.refuse_value(p_path || '.' || m.key, m.value, 'it is itself named as a part of another.');
    end if;
  end loop;
end
$$;

ALTER FUNCTION private.check_names(p_path text, p jsonb) OWNER TO postgres;

--
-- Name: FUNCTION check_names(p_path text, p jsonb); Type: COMMENT; Schema: private; Owner: postgres
--

COMMENT ON FUNCTION private.check_names(p_path text, p jsonb) IS 'Refuses what is no object of roots by roots (micro: mini).';

--
-- Name: check_number(text, jsonb, numeric, numeric, boolean); Type: FUNCTION; Schema: private; Owner: postgres
--

CREATE FUNCTION private.check_number(p_path text, p jsonb, p_minimum numeric, p_maximum numeric, p_whole boolean) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
declare
  v numeric;
begin
  if jsonb_typeof(p) is distinct from 'number' then
    perform private.refuse_value(p_path, p, 'it must be a number.');
  end if;
  v := p;
  if v < p_minimum then
    perform private.refuse_value(p_path, p, format('at least %s is allowed.', trim_scale(p_minimum)));
  elsif v > p_maximum then
    perform private.refuse_value(p_path, p, format('at most %s is allowed.', trim_scale(p_maximum)));
  elsif p_whole and v <> trunc(v) then
    perform private.refuse_value(p_path, p, 'it must be a whole number.');
  elsif scale(trim_scale(v)) > 12 then
    perform private.refuse_value(p_path, p, 'it has more than 12 decimals.');
  end if;
end
$$;

ALTER FUNCTION private.check_number(p_path text, p jsonb, p_minimum numeric, p_maximum numeric, p_whole boolean) OWNER TO postgres;

--
-- Name: FUNCTION check_number(p_path text, p jsonb, p_minimum numeric, p_maximum numeric, p_whole boolean); Type: COMMENT; Schema: private; Owner: postgres
--

COMMENT ON FUNCTION private.check_number(p_path text, p jsonb, p_minimum numeric, p_maximum numeric, p_whole boolean) IS 'Refuses what is no number or out of bounds. Null bounds = none.';

--
-- Name: check_pattern(text, jsonb, text, text); Type: FUNCTION; Schema: private; Owner: postgres
--

CREATE FUNCTION private.check_pattern(p_path text, p jsonb, p_pattern text, p_message text) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
begin
  if jsonb_typeof(p) is distinct from 'string' or (p #>> '{}') !~ p_pattern then
    perform private.refuse_value(p_path, p, p_message);
  end if;
end
$$;

ALTER FUNCTION private.check_pattern(p_path text, p jsonb, p_pattern text, p_message text) OWNER TO postgres;

--
-- Name: FUNCTION check_pattern(p_path text, p jsonb, p_pattern text, p_message text); Type: COMMENT; Schema: private; Owner: postgres
--

COMMENT ON FUNCTION private.check_pattern(p_path text, p jsonb, p_pattern text, p_message text) IS 'Refuses what is no text of this form.';

--
-- Name: check_quiet(jsonb); Type: FUNCTION; Schema: private; Owner: postgres
--

CREATE FUNCTION private.check_quiet(p_quiet jsonb) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $_$
begin
  if p_quiet is null or p_quiet = 'null' then
    return;
  elsif jsonb_typeof(p_quiet) <> 'object' or not p_quiet ?& array['from', 'to', 'zone'] or p_quiet - array['from', 'to', 'zone'] <> '{}'
    or not coalesce(p_quiet ->> 'from' ~ '^([01]\d|2[0-3]):[0-5]\d$' and p_quiet ->> 'to' ~ '^([01]\d|2[0-3]):[0-5]\d$', false)
    or p_quiet ->> 'from' = p_quiet ->> 'to' then
    perform private.refuse(422, 'invalid', 'Quiet hours are {"from": "22:00", "to": "07:00", "zone": "Europe/Berlin"}, with two different times.');
  elsif not exists (select 1 from pg_catalog.pg_timezone_names z where z.name = p_quiet ->> 'zone') then
    perform private.refuse(422, 'invalid', format('There is no time zone called %s: write it like Europe/Berlin.', left(p_quiet ->> 'zone', 40)));
  end if;
end
$_$;

ALTER FUNCTION private.check_quiet(p_quiet jsonb) OWNER TO postgres;

--
-- Name: FUNCTION check_quiet(p_quiet jsonb); Type: COMMENT; Schema: private; Owner: postgres
--

COMMENT ON FUNCTION private.check_quiet(p_quiet jsonb) IS 'Refuses quiet hours that are none.';

--
-- Name: check_root(text, jsonb); Type: FUNCTION; Schema: private; Owner: postgres
--

CREATE FUNCTION private.check_root(p_path text, p jsonb) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $_$
begin
  perform private.check_pattern(p_path, p, '^[A-Z0-9][A-Z0-9._/-]{0,31}$',
    'a symbol is written by its root, such as "EURUSD" or "MES".');
end
$_$;

ALTER FUNCTION private.check_root(p_path text, p jsonb) OWNER TO postgres;

--
-- Name: FUNCTION check_root(p_path text, p jsonb); Type: COMMENT; Schema: private; Owner: postgres
--

COMMENT ON FUNCTION private.check_root(p_path text, p jsonb) IS 'Refuses what is not the root of a symbol.';

--
-- Name: check_rule(text, jsonb); Type: FUNCTION; Schema: private; Owner: postgres
--

CREATE FUNCTION private.check_rule(p_rule text, r jsonb) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
declare
  c_path constant text := 'rules.' || p_rule;
  v_name text;
  f engine.rule_fields;
begin
  if jsonb_typeof(r) is distinct from 'object' then
    perform private.refuse_value(c_path, r, 'a rule is an object, or null for off.');
  end if;
  select k into v_name from jsonb_object_keys(r) k where not exists (
    select 1 from engine.rule_fields x where x.rule = p_rule and x.field = k
  ) limit 1;
  if found then
    perform private.refuse_value(c_path || '.' || left(v_name, 60), r -> v_name, 'the rule has no such field.');
  end if;
  for f in select x.* from engine.rule_fields x where x.rule = p_rule loop
    if coalesce(r -> f.field, 'null') <> 'null' then
      perform private.check_rule_field(c_path || '.' || f.field, r -> f.field, f);
    elsif f.required then
      perform private.refuse_value(c_path || '.' || f.field, r -> f.field, 'it is required.');
    end if;
  end loop;
  perform private.check_together(c_path, p_rule, jsonb_strip_nulls(r));
end
$$;

ALTER FUNCTION private.check_rule(p_rule text, r jsonb) OWNER TO postgres;

--
-- Name: FUNCTION check_rule(p_rule text, r jsonb); Type: COMMENT; Schema: private; Owner: postgres
--

COMMENT ON FUNCTION private.check_rule(p_rule text, r jsonb) IS 'Refuses a rule with a field that is unknown, missing, out of bounds or contradictory.';

--
-- Name: rule_fields; Type: TABLE; Schema: engine; Owner: postgres
--

CREATE TABLE engine.rule_fields (
    rule text NOT NULL,
    field text NOT NULL,
    type text NOT NULL,
    minimum numeric,
    maximum numeric,
    choices text[],
    looser text NOT NULL,
    required boolean NOT NULL,
    fallback jsonb,
    unit text NOT NULL,
    CONSTRAINT rule_fields_looser_check CHECK ((looser = ANY (ARRAY['higher'::text, 'lower'::text, 'superset'::text, 'subset'::text, 'any'::text])))
);

ALTER TABLE engine.rule_fields OWNER TO postgres;

--
-- Name: TABLE rule_fields; Type: COMMENT; Schema: engine; Owner: postgres
--

COMMENT ON TABLE engine.rule_fields IS 'The fields of each rule in risk_settings.rules: type, bounds, and which direction admits more (any = every change counts as that).';

--
-- Name: COLUMN rule_fields.type; Type: COMMENT; Schema: engine; Owner: postgres
--

COMMENT ON COLUMN engine.rule_fields.type IS 'quantities = object of root and number; names = object of root and root; groups = object of name and roots; windows = days with from and to; steps = profit_from with per_account; seed = amount, on, by; clock = HH:MM.';

--
-- Name: COLUMN rule_fields.fallback; Type: COMMENT; Schema: engine; Owner: postgres
--

COMMENT ON COLUMN engine.rule_fields.fallback IS 'What an absent field means; null = no limit by this field.';

--
-- Name: check_rule_field(text, jsonb, engine.rule_fields); Type: FUNCTION; Schema: private; Owner: postgres
--

CREATE FUNCTION private.check_rule_field(p_path text, p jsonb, f engine.rule_fields) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
begin
  case f.type
    when 'number' then perform private.check_number(p_path, p, f.minimum, f.maximum, false);
    when 'integer' then perform private.check_number(p_path, p, f.minimum, f.maximum, true);
    when 'text' then perform private.check_text(p_path, p, f);
    when 'clock' then perform private.check_clock(p_path, p);
    when 'zone' then perform private.check_zone(p_path, p);
    when 'names' then perform private.check_names(p_path, p);
    when 'groups' then perform private.check_groups(p_path, p);
    when 'windows' then perform private.check_windows(p_path, p);
    when 'steps' then perform private.check_steps(p_path, p);
    when 'seed' then perform private.check_seed(p_path, p);
    when 'quantities' then
      perform private.check_size(p_path, p, 'object', 200);
      perform private.check_root(p_path, to_jsonb(e.key)) from jsonb_each(p) e;
      perform private.check_number(p_path || '.' || e.key, e.value, f.minimum, f.maximum, false) from jsonb_each(p) e;
    when 'choice' then
      if jsonb_typeof(p) <> 'string' or (p #>> '{}') <> all (f.choices) then
        perform private.refuse_value(p_path, p, format('it is one of %s.', array_to_string(f.choices, ', ')));
      end if;
    when 'choices' then
      if jsonb_typeof(p) <> 'array' or not p <@ to_jsonb(f.choices) then
        perform private.refuse_value(p_path, p, format('it is a list of %s.', array_to_string(f.choices, ', ')));
      end if;
  end case;
end
$$;

ALTER FUNCTION private.check_rule_field(p_path text, p jsonb, f engine.rule_fields) OWNER TO postgres;

--
-- Name: FUNCTION check_rule_field(p_path text, p jsonb, f engine.rule_fields); Type: COMMENT; Schema: private; Owner: postgres
--

COMMENT ON FUNCTION private.check_rule_field(p_path text, p jsonb, f engine.rule_fields) IS 'Refuses a value that its field does not allow.';

--
-- Name: check_rules(jsonb); Type: FUNCTION; Schema: private; Owner: postgres
--

CREATE FUNCTION private.check_rules(p_rules jsonb) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
declare
  m record;
begin
  if jsonb_typeof(p_rules) is distinct from 'object' then
    perform private.refuse_value('rules', p_rules, 'it must be an object of rules.');
  end if;
  for m in select * from jsonb_each(p_rules) loop
    if not exists (select 1 from engine.rule_fields f where f.rule = m.key) then
      perform private.refuse_value('rules.' || left(m.key, 60), m.value, 'there is no such rule.');
    elsif m.value <> 'null' then
      perform private.check_rule(m.key, m.value);
    end if;
  end loop;
end
$$;

ALTER FUNCTION private.check_rules(p_rules jsonb) OWNER TO postgres;

--
-- Name: FUNCTION check_rules(p_rules jsonb); Type: COMMENT; Schema: private; Owner: postgres
--

COMMENT ON FUNCTION private.check_rules(p_rules jsonb) IS 'Refuses rules (an object of rule and settings, null = off) with 422, the field''s path, the value and what is allowed.';

--
-- Name: check_seed(text, jsonb); Type: FUNCTION; Schema: private; Owner: postgres
--

CREATE FUNCTION private.check_seed(p_path text, p jsonb) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $_$
begin
  perform private.check_members(p_path, p, '{amount,on,by}');
  perform private.check_number(p_path || '.amount', p -> 'amount', 0, 1000000000, false);
  if (p ->> 'amount')::numeric = 0 then
    perform private.refuse_value(p_path || '.amount', p -> 'amount', 'it must be more than 0.');
  end if;
  perform private.check_pattern(p_path || '.on', p -> 'on', '^\d{4}-\d\d-\d\d$', 'a day is "YYYY-MM-DD".');
  if not pg_input_is_valid(p ->> 'on', 'date') then
    perform private.refuse_value(p_path || '.on', p -> 'on', 'there is no such day.');
  end if;
  perform private.check_pattern(p_path || '.by', p -> 'by', '^.{1,200}$', 'say who states it, in 1 to 200 characters.');
end
$_$;

ALTER FUNCTION private.check_seed(p_path text, p jsonb) OWNER TO postgres;

--
-- Name: FUNCTION check_seed(p_path text, p jsonb); Type: COMMENT; Schema: private; Owner: postgres
--

COMMENT ON FUNCTION private.check_seed(p_path text, p jsonb) IS 'Refuses what is no amount with its day and who states it.';

--
-- Name: check_size(text, jsonb, text, integer); Type: FUNCTION; Schema: private; Owner: postgres
--

CREATE FUNCTION private.check_size(p_path text, p jsonb, p_type text, p_most integer) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
declare
  v_members integer;
begin
  if jsonb_typeof(p) is distinct from p_type then
    perform private.refuse_value(p_path, p, case p_type when 'array' then 'it must be a list.' else 'it must be an object.' end);
  end if;
  v_members := case p_type when 'array' then jsonb_array_length(p) else (select count(*) from jsonb_object_keys(p)) end;
  if v_members not between 1 and p_most then
    perform private.refuse_value(p_path, p, format('it has 1 to %s members.', p_most));
  end if;
end
$$;

ALTER FUNCTION private.check_size(p_path text, p jsonb, p_type text, p_most integer) OWNER TO postgres;

--
-- Name: FUNCTION check_size(p_path text, p jsonb, p_type text, p_most integer); Type: COMMENT; Schema: private; Owner: postgres
--

COMMENT ON FUNCTION private.check_size(p_path text, p jsonb, p_type text, p_most integer) IS 'Refuses what is no list (or object) of 1 to so many members.';

--
-- Name: check_steps(text, jsonb); Type: FUNCTION; Schema: private; Owner: postgres
--

CREATE FUNCTION private.check_steps(p_path text, p jsonb) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
declare
  s jsonb;
  v_path text;
begin
  perform private.check_size(p_path, p, 'array', 50);
  for i in 0 .. jsonb_array_length(p) - 1 loop
    s := p -> i;
    v_path := format('%s[%s]', p_path, i);
    perform private.check_members(v_path, s, '{profit_from,per_account}');
    perform private.check_number(v_path || '.profit_from', s -> 'profit_from', -1000000000, 1000000000, false);
    perform private.check_number(v_path || '.per_account', s -> 'per_account', 0, 1000000, false);
    if i > 0 and (s ->> 'profit_from')::numeric <= (p -> (i - 1) ->> 'profit_from')::numeric then
      perform private.refuse_value(v_path || '.profit_from', s -> 'profit_from', 'every step begins above the one before.');
    end if;
  end loop;
end
$$;

ALTER FUNCTION private.check_steps(p_path text, p jsonb) OWNER TO postgres;

--
-- Name: FUNCTION check_steps(p_path text, p jsonb); Type: COMMENT; Schema: private; Owner: postgres
--

COMMENT ON FUNCTION private.check_steps(p_path text, p jsonb) IS 'Refuses what are no rising steps of profit and size.';

--
-- Name: check_text(text, jsonb, engine.rule_fields); Type: FUNCTION; Schema: private; Owner: postgres
--

CREATE FUNCTION private.check_text(p_path text, p jsonb, f engine.rule_fields) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $_$
begin
  if f.field in ('calendar', 'name') then
    perform private.check_pattern(p_path, p, '^[a-z][a-z0-9_]{0,62}$', 'a name is of small letters, digits and _.');
  else
    perform private.check_pattern(p_path, p, '^[^[:cntrl:]]{1,32}$', 'it is a text of 1 to 32 characters.');
  end if;
  if not exists (
    select 1 from engine.rule_names n where n.rule = f.rule and n.field = f.field and n.name = p #>> '{}'
  ) and exists (select 1 from engine.rule_names n where n.rule = f.rule and n.field = f.field) then
    perform private.refuse_value(p_path, p, format('there is none of this name; known are %s.', (
      select string_agg(n.name, ', ' order by n.name) from engine.rule_names n where n.rule = f.rule and n.field = f.field
    )));
  end if;
end
$_$;

ALTER FUNCTION private.check_text(p_path text, p jsonb, f engine.rule_fields) OWNER TO postgres;

--
-- Name: FUNCTION check_text(p_path text, p jsonb, f engine.rule_fields); Type: COMMENT; Schema: private; Owner: postgres
--

COMMENT ON FUNCTION private.check_text(p_path text, p jsonb, f engine.rule_fields) IS 'Refuses what is no text, or not the name of a calendar or pack that we have.';

--
-- Name: check_together(text, text, jsonb); Type: FUNCTION; Schema: private; Owner: postgres
--

CREATE FUNCTION private.check_together(p_path text, p_rule text, r jsonb) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
begin
  if r ? 'unit' then
    perform private.check_amounts(p_path, r);
  elsif p_rule = 'max_qty' and not r ?| '{per_account,per_symbol,scaling}' then
    perform private.refuse_value(p_path, r, 'it limits nothing: per_account, per_symbol or scaling is needed.');
  elsif p_rule = 'exposure' and not r ?| '{per_symbol_usd,per_group_usd}' then
    perform private.refuse_value(p_path, r, 'it limits nothing: per_symbol_usd or per_group_usd is needed.');
  elsif p_rule = 'exposure' and (r ? 'per_group_usd') <> (r ? 'groups') then
    perform private.refuse_value(p_path, r, 'per_group_usd and groups go together.');
  elsif p_rule = 'stop_distance' and not r ?| '{min_ticks,min_pct}' then
    perform private.refuse_value(p_path, r, 'it limits nothing: min_ticks or min_pct is needed.');
  elsif p_rule = 'spread' and not r ?| '{max_ticks,max_pct}' then
    perform private.refuse_value(p_path, r, 'it limits nothing: max_ticks or max_pct is needed.');
  elsif p_rule = 'hours' and not r ?| '{calendar,windows}' then
    perform private.refuse_value(p_path, r, 'it limits nothing: calendar or windows is needed.');
  elsif p_rule = 'news' and (r ->> 'before_min')::numeric + (r ->> 'after_min')::numeric = 0 then
    perform private.refuse_value(p_path, r, 'before_min and after_min are both 0: it would stop nothing.');
  elsif p_rule in ('cool_down', 'duplicates') and 0 in ((r ->> 'minutes')::numeric, (r ->> 'window_s')::numeric) then
    perform private.refuse_value(p_path, r, 'for 0 minutes or seconds it would stop nothing.');
  end if;
end
$$;

ALTER FUNCTION private.check_together(p_path text, p_rule text, r jsonb) OWNER TO postgres;

--
-- Name: FUNCTION check_together(p_path text, p_rule text, r jsonb); Type: COMMENT; Schema: private; Owner: postgres
--

COMMENT ON FUNCTION private.check_together(p_path text, p_rule text, r jsonb) IS 'Refuses fields that are right one by one and contradict one another, or together limit nothing.';

--
-- Name: check_trading_session(uuid[], boolean); Type: FUNCTION; Schema: private; Owner: postgres
--

CREATE FUNCTION private.check_trading_session(p_account_ids uuid[], p_exit boolean) RETURNS void
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path TO ''
    AS $$
begin
  if not private.any_live(p_account_ids) then
    return;
  elsif not private.session_is_strong_enough() then
    perform private.refuse(403, 'aal2_required', 'Sign in with your authenticator app to trade on live accounts.');
  elsif not p_exit and not private.mfa_enrolled() then
    perform private.refuse(403, 'second_factor_required',
      'Live accounts need a second factor: set up an authenticator app in your security settings first.');
  end if;
end
$$;

ALTER FUNCTION private.check_trading_session(p_account_ids uuid[], p_exit boolean) OWNER TO postgres;

--
-- Name: FUNCTION check_trading_session(p_account_ids uuid[], p_exit boolean); Type: COMMENT; Schema: private; Owner: postgres
--

COMMENT ON FUNCTION private.check_trading_session(p_account_ids uuid[], p_exit boolean) IS 'Live accounts: entries want a second factor, exits want it where it is enrolled. Paper accounts want nothing.';

--
-- Name: check_windows(text, jsonb); Type: FUNCTION; Schema: private; Owner: postgres
--

CREATE FUNCTION private.check_windows(p_path text, p jsonb) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
declare
  c_days constant jsonb := '["mon", "tue", "wed", "thu", "fri", "sat", "sun"]';
  w jsonb;
  v_path text;
begin
  perform private.check_size(p_path, p, 'array', 50);
  for i in 0 .. jsonb_array_length(p) - 1 loop
    w := p -> i;
    v_path := format('%s[%s]', p_path, i);
    perform private.check_members(v_path, w, '{days,from,to}');
    perform private.check_size(v_path || '.days', w -> 'days', 'array', 7);
    if not w -> 'days' <@ c_days then
      perform private.refuse_value(v_path || '.days', w -> 'days', 'days are mon, tue, wed, thu, fri, sat, sun.');
    end if;
    perform private.check_clock(v_path || '.from', w -> 'from');
    perform private.check_clock(v_path || '.to', w -> 'to');
    if w -> 'from' = w -> 'to' then
      perform private.refuse_value(v_path || '.to', w -> 'to', 'a window that ends when it begins is no time at all.');
    end if;
  end loop;
end
$$;

ALTER FUNCTION private.check_windows(p_path text, p jsonb) OWNER TO postgres;

--
-- Name: FUNCTION check_windows(p_path text, p jsonb); Type: COMMENT; Schema: private; Owner: postgres
--

COMMENT ON FUNCTION private.check_windows(p_path text, p jsonb) IS 'Refuses what are no windows of days with from and to.';

--
-- Name: check_zone(text, jsonb); Type: FUNCTION; Schema: private; Owner: postgres
--

CREATE FUNCTION private.check_zone(p_path text, p jsonb) RETURNS void
    LANGUAGE plpgsql STABLE
    SET search_path TO ''
    AS $$
begin
  if jsonb_typeof(p) is distinct from 'string'
    or not exists (select 1 from pg_catalog.pg_timezone_names z where z.name = p #>> '{}') then
    perform private.refuse_value(p_path, p, 'it must be an IANA time zone, such as "America/Chicago".');
  end if;
end
$$;

ALTER FUNCTION private.check_zone(p_path text, p jsonb) OWNER TO postgres;

--
-- Name: FUNCTION check_zone(p_path text, p jsonb); Type: COMMENT; Schema: private; Owner: postgres
--

COMMENT ON FUNCTION private.check_zone(p_path text, p jsonb) IS 'Refuses what is no time zone by name.';

--
-- Name: close_position(bigint); Type: FUNCTION; Schema: private; Owner: postgres
--

CREATE FUNCTION private.close_position(p_position_id bigint) RETURNS jsonb
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
declare
  p public.positions;
begin
  select o.* into p from public.positions o
  where o.id = p_position_id and o.user_id = private.me() and o.closed_at is null;
  if not found then
    perform private.refuse(404, 'not_found', 'You have no such open position.');
  end if;
  -- The side is that of the order: what closes a long is a sell.
  return private.submit_intent(jsonb_build_object(
    'action', 'close', 'symbol', p.symbol, 'side', case p.side when 'buy' then 'sell' else 'buy' end,
    'scope', 'symbol', 'accounts', jsonb_build_array(p.account_id)
  ), null, 'dashboard');
end
$$;

ALTER FUNCTION private.close_position(p_position_id bigint) OWNER TO postgres;

--
-- Name: FUNCTION close_position(p_position_id bigint); Type: COMMENT; Schema: private; Owner: postgres
--

COMMENT ON FUNCTION private.close_position(p_position_id bigint) IS 'public.close_position, checked.';

--
-- Name: confirm_day_start(uuid, numeric, numeric); Type: FUNCTION; Schema: private; Owner: postgres
--

CREATE FUNCTION private.confirm_day_start(p_account_id uuid, p_amount numeric, p_week numeric) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
declare
  a constant public.broker_accounts := private.my_account(p_account_id);
  v numeric;
begin
  if private.any_live(array[a.id]) then
    perform private.require_step_up();
  end if;
  foreach v in array array[p_amount, coalesce(p_week, p_amount)] loop
    if v is null or v = 'NaN' or v <= 0 or v > 1000000000 then
      perform private.refuse(422, 'invalid', 'The money at the reset is more than 0 and at most 1,000,000,000.');
    elsif a.equity > 0 and v not between a.equity / 10 and a.equity * 10 then
      perform private.refuse(422, 'invalid', format('%s cannot be right: the account has %s %s now.', v, round(a.equity, 2), a.currency));
    end if;
  end loop;
  if engine.source_of_day(a, false) in ('seen', 'rebuilt') then
    perform private.refuse(409, 'known', 'What the account was worth at the reset is known: nothing is to be confirmed.');
  elsif p_week is not null and engine.source_of_day(a, true) in ('seen', 'rebuilt') then
    perform private.refuse(409, 'known', 'What the account was worth when the week began is known: nothing is to be confirmed.');
  end if;
  perform engine.confirm_start(a, p_amount, p_week);
  perform private.note(a.user_id, 'warning', 'day_start_confirmed', format('You confirmed that %s had %s %s at the reset.',
    coalesce(a.label, a.account_id), p_amount, a.currency), jsonb_build_object(
    'account_id', a.id, 'amount', p_amount, 'week', p_week));
end
$$;

ALTER FUNCTION private.confirm_day_start(p_account_id uuid, p_amount numeric, p_week numeric) OWNER TO postgres;

--
-- Name: FUNCTION confirm_day_start(p_account_id uuid, p_amount numeric, p_week numeric); Type: COMMENT; Schema: private; Owner: postgres
--

COMMENT ON FUNCTION private.confirm_day_start(p_account_id uuid, p_amount numeric, p_week numeric) IS 'public.confirm_day_start, checked.';

--
-- Name: connect_broker(uuid, public.broker, public.environment, text, text, text, text, text); Type: FUNCTION; Schema: private; Owner: postgres
--

CREATE FUNCTION private.connect_broker(p_connection_id uuid, p_broker public.broker, p_environment public.environment, p_server text, p_login text, p_key_id text, p_sealed text, p_hint text) RETURNS uuid
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
declare
  v_me constant uuid := private.me();
begin
  perform private.check_login(p_connection_id, p_broker, p_server, p_login, p_hint);
  if p_environment is distinct from 'demo' and p_environment is distinct from 'simulated' then
    perform private.require_step_up();
  end if;
  -- Two connects at the same moment are made one after the other.
  perform 1 from public.profiles p where p.id = v_me for no key update;
  if exists (
    select 1 from public.broker_connections c
    where c.user_id = v_me and c.broker = p_broker and c.environment = p_environment
      and c.server is not distinct from p_server and c.login_label = p_login
  ) then
    perform private.refuse(409, 'already_connected',
      'This login is connected already, or was: seal for its connection (reseal_connection); its limits and locks go on.');
  end if;
  perform private.check_broker_room(v_me, p_broker);
  insert into public.broker_connections (id, user_id, broker, environment, server, login_label, executor, credential_hint)
  values (p_connection_id, v_me, p_broker, p_environment, p_server, p_login,
    case when p_broker = 'topstepx' and p_environment <> 'simulated' then 'edge' else 'fleet' end::public.executor, p_hint);
  perform private.put_seal(p_connection_id, 1, p_key_id, p_sealed);
  perform private.note(v_me, 'warning', 'connection_added', format('A %s login at %s was connected: %s.', p_environment, p_broker, p_login),
    jsonb_build_object('connection_id', p_connection_id));
  return p_connection_id;
exception when unique_violation then
  perform private.refuse(409, 'id_taken', 'That connection id is taken: choose another and seal anew.');
  return null;
end
$$;

ALTER FUNCTION private.connect_broker(p_connection_id uuid, p_broker public.broker, p_environment public.environment, p_server text, p_login text, p_key_id text, p_sealed text, p_hint text) OWNER TO postgres;

--
-- Name: FUNCTION connect_broker(p_connection_id uuid, p_broker public.broker, p_environment public.environment, p_server text, p_login text, p_key_id text, p_sealed text, p_hint text); Type: COMMENT; Schema: private; Owner: postgres
--

COMMENT ON FUNCTION private.connect_broker(p_connection_id uuid, p_broker public.broker, p_environment public.environment, p_server text, p_login text, p_key_id text, p_sealed text, p_hint text) IS 'public.connect_broker, checked.';

--
-- Name: connect_paper(text, text, numeric, public.margin_mode, text); Type: FUNCTION; Schema: private; Owner: postgres
--

CREATE FUNCTION private.connect_paper(p_label text, p_currency text, p_balance numeric, p_margin_mode public.margin_mode, p_server text) RETURNS uuid
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $_$
declare
  c_most constant integer := 500;
  v_me constant uuid := private.me();
  v_connection uuid;
  v_account constant uuid := gen_random_uuid();
begin
  if p_balance is null or p_balance <= 0 or p_balance > 1000000000 then
    perform private.refuse(422, 'invalid', 'A paper account starts with more than 0 and at most 1,000,000,000.');
  elsif p_currency is null or p_currency !~ '^[A-Z]{3,5}$' then
    perform private.refuse(422, 'invalid', 'The currency is three to five capital letters, such as USD.');
  elsif char_length(p_label) > 80 then
    perform private.refuse(422, 'invalid', 'A label has at most 80 characters.');
  -- A name the operator has configured; never an address.
  elsif p_server !~ '^[A-Za-z0-9-]{1,32}$' then
    perform private.refuse(422, 'invalid', 'A server is a name of letters, digits and hyphens, such as SIM.');
  elsif (select count(*) from public.broker_accounts a where a.user_id = v_me and a.broker = 'paper') >= c_most then
    perform private.refuse(409, 'too_many', format('You have %s paper accounts, which is the most we keep.', c_most));
  end if;
  insert into public.broker_connections (user_id, broker, environment, server, login_label, status)
  values (v_me, 'paper', 'simulated', p_server, p_label, 'connected') returning id into v_connection;
  insert into public.broker_accounts (
    id, connection_id, user_id, broker, account_id, label, currency, margin_mode, trading_enabled, balance, equity,
    as_of, freshness, last_sync
  ) values (
    v_account, v_connection, v_me, 'paper', 'P' || upper(left(replace(v_account::text, '-', ''), 8)), p_label,
    p_currency, p_margin_mode, true, p_balance, p_balance, clock_timestamp(), 'fresh', clock_timestamp()
  );
  insert into engine.paper_accounts (account_id, balance, currency) values (v_account, p_balance, p_currency);
  return v_account;
end
$_$;

ALTER FUNCTION private.connect_paper(p_label text, p_currency text, p_balance numeric, p_margin_mode public.margin_mode, p_server text) OWNER TO postgres;

--
-- Name: FUNCTION connect_paper(p_label text, p_currency text, p_balance numeric, p_margin_mode public.margin_mode, p_server text); Type: COMMENT; Schema: private; Owner: postgres
--

COMMENT ON FUNCTION private.connect_paper(p_label text, p_currency text, p_balance numeric, p_margin_mode public.margin_mode, p_server text) IS 'public.connect_paper, checked.';

--
-- Name: count_realtime_failure(); Type: FUNCTION; Schema: private; Owner: postgres
--

CREATE FUNCTION private.count_realtime_failure() RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
begin
  -- The caller holds locks of its own: waiting here for another failing writer could deadlock, and would put every
  -- writer in one row. So a busy row is left alone: the count says that messages are lost, not exactly how many.
  update engine.counters set n = n + 1
  where name = (
    select c.name from engine.counters c where c.name = 'realtime_failures' for update skip locked
  );
end
$$;

ALTER FUNCTION private.count_realtime_failure() OWNER TO postgres;

--
-- Name: FUNCTION count_realtime_failure(); Type: COMMENT; Schema: private; Owner: postgres
--

COMMENT ON FUNCTION private.count_realtime_failure() IS 'Counts a live message that could not be written; never waits.';

--
-- Name: create_endpoint(public.broker, text, uuid[], jsonb); Type: FUNCTION; Schema: private; Owner: postgres
--

CREATE FUNCTION private.create_endpoint(p_broker public.broker, p_name text, p_account_ids uuid[], p_settings jsonb) RETURNS uuid
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
declare
  c_most constant integer := 500;
  v_me constant uuid := private.me();
  e public.webhook_endpoints;
begin
  if p_broker is null or char_length(btrim(coalesce(p_name, ''))) not between 1 and 80 then
    perform private.refuse(422, 'invalid', 'An endpoint has a broker and a name of 1 to 80 characters.');
  elsif (select count(*) from public.webhook_endpoints w where w.user_id = v_me) >= c_most then
    perform private.refuse(409, 'too_many', format('You have %s endpoints, which is the most we keep.', c_most));
  end if;
  perform private.check_endpoint_accounts(p_broker, p_account_ids);
  if private.any_live(p_account_ids) then
    perform private.require_step_up();
  end if;
  insert into public.webhook_endpoints (user_id, broker, name)
  values (v_me, p_broker, btrim(p_name)) returning * into e;
  perform private.save_endpoint(private.with_settings(e, coalesce(p_settings, '{}')));
  insert into public.webhook_endpoint_accounts (endpoint_id, account_id, user_id)
  select distinct e.id, i, v_me from unnest(p_account_ids) i;
  return e.id;
end
$$;

ALTER FUNCTION private.create_endpoint(p_broker public.broker, p_name text, p_account_ids uuid[], p_settings jsonb) OWNER TO postgres;

--
-- Name: FUNCTION create_endpoint(p_broker public.broker, p_name text, p_account_ids uuid[], p_settings jsonb); Type: COMMENT; Schema: private; Owner: postgres
--

COMMENT ON FUNCTION private.create_endpoint(p_broker public.broker, p_name text, p_account_ids uuid[], p_settings jsonb) IS 'public.create_endpoint, checked.';

--
-- Name: custom_access_token_hook(jsonb); Type: FUNCTION; Schema: private; Owner: postgres
--

CREATE FUNCTION private.custom_access_token_hook(event jsonb) RETURNS jsonb
    LANGUAGE plpgsql STABLE
    SET search_path TO ''
    AS $$
declare
  claims jsonb := event -> 'claims';
begin
  if exists (select 1 from private.admins a where a.user_id = (event ->> 'user_id')::uuid) then
    claims := jsonb_set(
      claims, '{app_metadata}', coalesce(nullif(claims -> 'app_metadata', 'null'), '{}') || '{"role": "admin"}'
    );
  elsif claims #>> '{app_metadata,role}' = 'admin' then
    claims := claims #- '{app_metadata,role}';
  end if;
  return jsonb_build_object('claims', claims);
end
$$;

ALTER FUNCTION private.custom_access_token_hook(event jsonb) OWNER TO postgres;

--
-- Name: FUNCTION custom_access_token_hook(event jsonb); Type: COMMENT; Schema: private; Owner: postgres
--

COMMENT ON FUNCTION private.custom_access_token_hook(event jsonb) IS 'Runs when the auth service makes an access token: app_metadata.role is admin for the rows of private.admins only.';

--
-- Name: delivery_message(public.deliveries); Type: FUNCTION; Schema: private; Owner: postgres
--

CREATE FUNCTION private.delivery_message(n public.deliveries) RETURNS jsonb
    LANGUAGE plpgsql IMMUTABLE
    SET search_path TO ''
    AS $$
begin
  return jsonb_build_object(
    'id', n.id::text, 'v', n.version, 'event_id', n.event_id::text, 'account_id', n.account_id, 'lane', n.lane,
    'action', n.action, 'symbol', n.symbol, 'tag', n.tag, 'status', n.status, 'outcome', n.outcome,
    'reason', n.reason, 'numbers', case when n.numbers is not null then private.text_values(n.numbers) end,
    'dry_run', n.dry_run, 'created_at', n.created_at, 'finished_at', n.finished_at
  );
end
$$;

ALTER FUNCTION private.delivery_message(n public.deliveries) OWNER TO postgres;

--
-- Name: FUNCTION delivery_message(n public.deliveries); Type: COMMENT; Schema: private; Owner: postgres
--

COMMENT ON FUNCTION private.delivery_message(n public.deliveries) IS 'A delivery as its owner sees it live.';

--
-- Name: device_seen(uuid); Type: FUNCTION; Schema: private; Owner: postgres
--

CREATE FUNCTION private.device_seen(p_device_id uuid) RETURNS timestamp with time zone
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
declare
  d public.devices := private.my_device(p_device_id);
begin
  if d.revoked_at is not null then
    perform private.refuse(409, 'revoked', 'This device was revoked: it needs a new key.');
  end if;
  -- A device that talks too much costs nothing.
  if d.last_seen_at is null or d.last_seen_at < clock_timestamp() - interval '5 seconds' then
    update public.devices set last_seen_at = clock_timestamp() where id = d.id returning * into d;
  end if;
  return d.last_seen_at;
end
$$;

ALTER FUNCTION private.device_seen(p_device_id uuid) OWNER TO postgres;

--
-- Name: FUNCTION device_seen(p_device_id uuid); Type: COMMENT; Schema: private; Owner: postgres
--

COMMENT ON FUNCTION private.device_seen(p_device_id uuid) IS 'public.device_seen, checked.';

--
-- Name: disable_account(uuid); Type: FUNCTION; Schema: private; Owner: postgres
--

CREATE FUNCTION private.disable_account(p_account_id uuid) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
declare
  a constant public.broker_accounts := private.my_account(p_account_id);
begin
  update public.broker_accounts set trading_enabled = false where id = a.id and trading_enabled;
  if found then
    perform private.note(a.user_id, 'warning', 'account_disabled',
      format('No new entries on %s; exits go on.', coalesce(a.label, a.account_id)),
      jsonb_build_object('account_id', a.id));
  end if;
end
$$;

ALTER FUNCTION private.disable_account(p_account_id uuid) OWNER TO postgres;

--
-- Name: FUNCTION disable_account(p_account_id uuid); Type: COMMENT; Schema: private; Owner: postgres
--

COMMENT ON FUNCTION private.disable_account(p_account_id uuid) IS 'public.disable_account, checked.';

--
-- Name: disconnect_broker(uuid); Type: FUNCTION; Schema: private; Owner: postgres
--

CREATE FUNCTION private.disconnect_broker(p_connection_id uuid) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
declare
  c constant public.broker_connections := private.my_connection(p_connection_id);
  v_accounts constant uuid [] := array(select a.id from public.broker_accounts a where a.connection_id = c.id);
begin
  if c.broker = 'paper' then
    perform private.refuse(422, 'invalid', 'A paper account has no login: disable it instead.');
  elsif c.status = 'disabled' then
    return;
  end if;
  perform 1 from public.broker_accounts a where a.id = any (v_accounts) order by a.id for no key update;
  update public.broker_accounts set trading_enabled = false where id = any (v_accounts) and trading_enabled;
  -- No seal of before fits the version that comes next.
  update public.broker_connections
  set status = 'disabled', last_error = null, credential_hint = null, seal_version = seal_version + 1 where id = c.id;
  delete from public.credential_seals where connection_id = c.id;
  delete from engine.sessions where connection_id = c.id;
  delete from engine.connection_checks where connection_id = c.id;
  perform private.note(c.user_id, 'warning', 'connection_removed', format(
    '%s at %s is disconnected: its credential is deleted, positions that are open there stay open and are yours to watch.',
    c.login_label, c.broker), jsonb_build_object('connection_id', c.id));
end
$$;

ALTER FUNCTION private.disconnect_broker(p_connection_id uuid) OWNER TO postgres;

--
-- Name: FUNCTION disconnect_broker(p_connection_id uuid); Type: COMMENT; Schema: private; Owner: postgres
--

COMMENT ON FUNCTION private.disconnect_broker(p_connection_id uuid) IS 'public.disconnect_broker, checked.';

--
-- Name: effective_plan(uuid); Type: FUNCTION; Schema: private; Owner: postgres
--

CREATE FUNCTION private.effective_plan(p_user_id uuid) RETURNS public.plan
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO ''
    AS $$
  select coalesce((
    select case
      when s.status = 'trialing' and s.trial_end > now() then greatest('pro', s.plan)
      when s.status in ('active', 'past_due') then s.plan
    end
    from public.subscriptions s where s.user_id = p_user_id
  ), 'starter')
$$;

ALTER FUNCTION private.effective_plan(p_user_id uuid) OWNER TO postgres;

--
-- Name: FUNCTION effective_plan(p_user_id uuid); Type: COMMENT; Schema: private; Owner: postgres
--

COMMENT ON FUNCTION private.effective_plan(p_user_id uuid) IS 'The plan whose limits count now: a trial of 14 days has those of Pro; without a paid subscription it is Starter.';

--
-- Name: enable_account(uuid); Type: FUNCTION; Schema: private; Owner: postgres
--

CREATE FUNCTION private.enable_account(p_account_id uuid) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
declare
  a constant public.broker_accounts := private.my_account(p_account_id);
begin
  if private.any_live(array[a.id]) then
    perform private.require_step_up();
  end if;
  update public.broker_accounts set trading_enabled = true where id = a.id and not trading_enabled;
  if found then
    perform private.note(a.user_id, 'info', 'account_enabled',
      format('New entries are allowed on %s.', coalesce(a.label, a.account_id)),
      jsonb_build_object('account_id', a.id));
  end if;
end
$$;

ALTER FUNCTION private.enable_account(p_account_id uuid) OWNER TO postgres;

--
-- Name: FUNCTION enable_account(p_account_id uuid); Type: COMMENT; Schema: private; Owner: postgres
--

COMMENT ON FUNCTION private.enable_account(p_account_id uuid) IS 'public.enable_account, checked.';

--
-- Name: enable_endpoint(uuid, boolean); Type: FUNCTION; Schema: private; Owner: postgres
--

CREATE FUNCTION private.enable_endpoint(p_endpoint_id uuid, p_enabled boolean) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
declare
  e constant public.webhook_endpoints := private.my_endpoint(p_endpoint_id);
begin
  if p_enabled and not e.enabled and private.endpoint_is_live(e.id) then
    perform private.require_step_up();
  end if;
  update public.webhook_endpoints set enabled = p_enabled where id = e.id and enabled <> p_enabled;
end
$$;

ALTER FUNCTION private.enable_endpoint(p_endpoint_id uuid, p_enabled boolean) OWNER TO postgres;

--
-- Name: FUNCTION enable_endpoint(p_endpoint_id uuid, p_enabled boolean); Type: COMMENT; Schema: private; Owner: postgres
--

COMMENT ON FUNCTION private.enable_endpoint(p_endpoint_id uuid, p_enabled boolean) IS 'public.enable_endpoint and public.disable_endpoint, checked.';

--
-- Name: endpoint_admits_more(public.webhook_endpoints, public.webhook_endpoints); Type: FUNCTION; Schema: private; Owner: postgres
--

CREATE FUNCTION private.endpoint_admits_more(o public.webhook_endpoints, n public.webhook_endpoints) RETURNS boolean
    LANGUAGE sql IMMUTABLE
    SET search_path TO ''
    AS $$
  select (o.require_signature and not n.require_signature)
    or (o.allow_cidrs is not null and (n.allow_cidrs is null or exists (
      select 1 from unnest(n.allow_cidrs) c where not c <<= any (o.allow_cidrs)
    )))
    or n.max_age_s > o.max_age_s or n.dedupe_window_s < o.dedupe_window_s
    or n.alerts_per_minute > o.alerts_per_minute
    or private.higher(o.max_qty, n.max_qty) or private.higher(o.max_entries_per_day, n.max_entries_per_day)
    or (o.allowed_symbols is not null and not coalesce(n.allowed_symbols <@ o.allowed_symbols, false))
    or (o.allowed_actions is not null and not coalesce(n.allowed_actions <@ o.allowed_actions, false))
    or (n.on_same, n.on_opposite, n.scope, n.qty_mode, n.qty)
    is distinct from (o.on_same, o.on_opposite, o.scope, o.qty_mode, o.qty)
$$;

ALTER FUNCTION private.endpoint_admits_more(o public.webhook_endpoints, n public.webhook_endpoints) OWNER TO postgres;

--
-- Name: FUNCTION endpoint_admits_more(o public.webhook_endpoints, n public.webhook_endpoints); Type: COMMENT; Schema: private; Owner: postgres
--

COMMENT ON FUNCTION private.endpoint_admits_more(o public.webhook_endpoints, n public.webhook_endpoints) IS 'Whether the changed endpoint could send an order that it could not send before.';

--
-- Name: endpoint_is_live(uuid); Type: FUNCTION; Schema: private; Owner: postgres
--

CREATE FUNCTION private.endpoint_is_live(p_endpoint_id uuid) RETURNS boolean
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO ''
    AS $$
  select private.any_live(array(
    select t.account_id from public.webhook_endpoint_accounts t where t.endpoint_id = p_endpoint_id
  ))
$$;

ALTER FUNCTION private.endpoint_is_live(p_endpoint_id uuid) OWNER TO postgres;

--
-- Name: FUNCTION endpoint_is_live(p_endpoint_id uuid); Type: COMMENT; Schema: private; Owner: postgres
--

COMMENT ON FUNCTION private.endpoint_is_live(p_endpoint_id uuid) IS 'Whether alerts of this endpoint can move real money.';

--
-- Name: webhook_events; Type: TABLE; Schema: public; Owner: postgres
--

CREATE TABLE public.webhook_events (
    id bigint NOT NULL,
    user_id uuid NOT NULL,
    source public.event_source NOT NULL,
    broker public.broker,
    endpoint_id uuid,
    api_key_id text,
    body text NOT NULL,
    payload jsonb,
    signature text,
    signature_valid boolean,
    processed boolean DEFAULT false NOT NULL,
    open_deliveries integer DEFAULT 0 NOT NULL,
    status public.event_status NOT NULL,
    reason public.reason,
    details jsonb,
    dry_run boolean DEFAULT false NOT NULL,
    fired_at timestamp with time zone,
    received_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    version integer DEFAULT 1 NOT NULL,
    CONSTRAINT webhook_events_body_check CHECK ((octet_length(body) <= 32768))
)
WITH (fillfactor='70');

ALTER TABLE public.webhook_events OWNER TO postgres;

--
-- Name: TABLE webhook_events; Type: COMMENT; Schema: public; Owner: postgres
--

COMMENT ON TABLE public.webhook_events IS 'The inbox: one row per alert, kept as it came (secrets masked), accepted or refused with the reason.';

--
-- Name: event_message(public.webhook_events); Type: FUNCTION; Schema: private; Owner: postgres
--

CREATE FUNCTION private.event_message(n public.webhook_events) RETURNS jsonb
    LANGUAGE plpgsql IMMUTABLE
    SET search_path TO ''
    AS $$
begin
  return jsonb_build_object(
    'id', n.id::text, 'v', n.version, 'source', n.source, 'broker', n.broker, 'endpoint_id', n.endpoint_id,
    'status', n.status, 'reason', n.reason, 'processed', n.processed, 'dry_run', n.dry_run,
    'fired_at', n.fired_at, 'received_at', n.received_at
  );
end
$$;

ALTER FUNCTION private.event_message(n public.webhook_events) OWNER TO postgres;

--
-- Name: FUNCTION event_message(n public.webhook_events); Type: COMMENT; Schema: private; Owner: postgres
--

COMMENT ON FUNCTION private.event_message(n public.webhook_events) IS 'An alert as its owner sees it live: what happened to it, never its body or signature.';

--
-- Name: field_admits_more(engine.rule_fields, jsonb, jsonb); Type: FUNCTION; Schema: private; Owner: postgres
--

CREATE FUNCTION private.field_admits_more(f engine.rule_fields, o jsonb, n jsonb) RETURNS boolean
    LANGUAGE plpgsql IMMUTABLE
    SET search_path TO ''
    AS $$
declare
  v_old constant jsonb := coalesce(nullif(o, 'null'), f.fallback);
  v_new constant jsonb := coalesce(nullif(n, 'null'), f.fallback);
begin
  if v_old is not distinct from v_new then
    return false;
  elsif f.looser = 'any' then
    return true;
  elsif v_old is null then
    return false;
  elsif v_new is null then
    return true;
  elsif f.type = 'quantities' then
    return private.number_map_admits_more(v_old, v_new);
  end if;
  return case f.looser
    when 'higher' then v_new::numeric > v_old::numeric
    when 'lower' then v_new::numeric < v_old::numeric
    when 'superset' then not v_new <@ v_old
    else not v_old <@ v_new
  end;
end
$$;

ALTER FUNCTION private.field_admits_more(f engine.rule_fields, o jsonb, n jsonb) OWNER TO postgres;

--
-- Name: FUNCTION field_admits_more(f engine.rule_fields, o jsonb, n jsonb); Type: COMMENT; Schema: private; Owner: postgres
--

COMMENT ON FUNCTION private.field_admits_more(f engine.rule_fields, o jsonb, n jsonb) IS 'Whether a field''s new value could admit an order that the old one refused. Null = its fallback, or no limit.';

--
-- Name: flatten(uuid[], text); Type: FUNCTION; Schema: private; Owner: postgres
--

CREATE FUNCTION private.flatten(p_account_ids uuid[], p_source text) RETURNS jsonb
    LANGUAGE sql SECURITY DEFINER
    SET search_path TO ''
    AS $$
  select private.submit_intent(jsonb_build_object('action', 'flatten', 'accounts', coalesce(
    to_jsonb(p_account_ids),
    (select jsonb_agg(a.id) from public.broker_accounts a where a.user_id = private.me()), '[]'
  )), null, p_source)
$$;

ALTER FUNCTION private.flatten(p_account_ids uuid[], p_source text) OWNER TO postgres;

--
-- Name: FUNCTION flatten(p_account_ids uuid[], p_source text); Type: COMMENT; Schema: private; Owner: postgres
--

COMMENT ON FUNCTION private.flatten(p_account_ids uuid[], p_source text) IS 'public.flatten, checked.';

--
-- Name: flatten_halted(uuid[]); Type: FUNCTION; Schema: private; Owner: postgres
--

CREATE FUNCTION private.flatten_halted(p_accounts uuid[]) RETURNS bigint[]
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
declare
  u record;
  v_events bigint [] := '{}';
begin
  for u in
    select a.user_id, jsonb_agg(a.id order by a.id) as accounts from public.broker_accounts a
    where a.id = any (p_accounts) group by a.user_id order by a.user_id
  loop
    v_events := v_events || (engine.accept_intent(jsonb_build_object(
      'user_id', u.user_id, 'source', 'system', 'intent', '{"action": "flatten"}'::jsonb, 'accounts', u.accounts, 'aal2', true
    )) ->> 'event_id')::bigint;
  end loop;
  return v_events;
end
$$;

ALTER FUNCTION private.flatten_halted(p_accounts uuid[]) OWNER TO postgres;

--
-- Name: FUNCTION flatten_halted(p_accounts uuid[]); Type: COMMENT; Schema: private; Owner: postgres
--

COMMENT ON FUNCTION private.flatten_halted(p_accounts uuid[]) IS 'Flattens accounts before anything else; one event per user, which ends when a read shows that they are flat.';

--
-- Name: follow_login(); Type: FUNCTION; Schema: private; Owner: postgres
--

CREATE FUNCTION private.follow_login() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
begin
  if tg_op = 'INSERT' then
    insert into public.profiles (id, email, name)
    values (new.id, new.email, left(new.raw_user_meta_data ->> 'name', 120))
    on conflict (id) do nothing;
    insert into public.subscriptions (user_id, plan, status, trial_end)
    values (new.id, 'starter', 'trialing', now() + interval '14 days')
    on conflict (user_id) do nothing;
  elsif tg_op = 'UPDATE' then
    update public.profiles set email = new.email where id = new.id;
  else
    update public.profiles set status = 'deleted', email = null, name = null, totp_enabled = false where id = old.id;
    update public.webhook_endpoints set enabled = false where user_id = old.id and enabled;
    update public.broker_accounts set trading_enabled = false where user_id = old.id and trading_enabled;
    update public.api_keys set revoked_at = now() where user_id = old.id and revoked_at is null;
  end if;
  return null;
end
$$;

ALTER FUNCTION private.follow_login() OWNER TO postgres;

--
-- Name: FUNCTION follow_login(); Type: COMMENT; Schema: private; Owner: postgres
--

COMMENT ON FUNCTION private.follow_login() IS 'Sign-up makes the profile and starts the trial; a deleted login leaves a tombstone that trades no more.';

--
-- Name: guard_seal(); Type: FUNCTION; Schema: private; Owner: postgres
--

CREATE FUNCTION private.guard_seal() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
declare
  v_in_force constant integer := (select c.seal_version from public.broker_connections c where c.id = new.connection_id);
begin
  if tg_op <> 'INSERT' then
    raise exception 'credential_seals is insert only' using errcode = '42501';
  elsif new.version < v_in_force + (new.recipient = 'fleet')::integer then
    raise exception 'version % of a sealed credential was there before', new.version using errcode = '42501';
  end if;
  return new;
end
$$;

ALTER FUNCTION private.guard_seal() OWNER TO postgres;

--
-- Name: FUNCTION guard_seal(); Type: COMMENT; Schema: private; Owner: postgres
--

COMMENT ON FUNCTION private.guard_seal() IS 'A seal is never changed, and its version only rises: an old row cannot be put back. A device may be given the version in force: only who knows the credential can seal it for that.';

--
-- Name: halt(text, uuid, public.broker, uuid, boolean, text, boolean); Type: FUNCTION; Schema: private; Owner: postgres
--

CREATE FUNCTION private.halt(p_scope text, p_user uuid, p_broker public.broker, p_account uuid, p_on boolean, p_reason text, p_flatten boolean) RETURNS jsonb
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
declare
  v_accounts constant uuid [] := private.mark_halted(p_scope, p_user, p_broker, p_account, p_on, p_reason);
  v_ended integer := 0;
  v_events bigint [] := '{}';
begin
  if p_on then
    v_ended := private.stop_entries(v_accounts);
    if p_flatten then
      v_events := private.flatten_halted(v_accounts);
    else
      perform private.cancel_waiting_entries(v_accounts);
    end if;
  end if;
  return jsonb_build_object(
    'on', p_on, 'scope', p_scope, 'accounts', cardinality(v_accounts), 'ended', v_ended, 'events', to_jsonb(v_events)
  );
end
$$;

ALTER FUNCTION private.halt(p_scope text, p_user uuid, p_broker public.broker, p_account uuid, p_on boolean, p_reason text, p_flatten boolean) OWNER TO postgres;

--
-- Name: FUNCTION halt(p_scope text, p_user uuid, p_broker public.broker, p_account uuid, p_on boolean, p_reason text, p_flatten boolean); Type: COMMENT; Schema: private; Owner: postgres
--

COMMENT ON FUNCTION private.halt(p_scope text, p_user uuid, p_broker public.broker, p_account uuid, p_on boolean, p_reason text, p_flatten boolean) IS 'The kill switch itself: no entry from this commit on, what waits is ended, pending entries are canceled or everything is closed. events = the flattens that were begun.';

--
-- Name: higher(numeric, numeric); Type: FUNCTION; Schema: private; Owner: postgres
--

CREATE FUNCTION private.higher(p_old numeric, p_new numeric) RETURNS boolean
    LANGUAGE sql IMMUTABLE
    SET search_path TO ''
    AS $$
  select p_old is not null and (p_new is null or p_new > p_old)
$$;

ALTER FUNCTION private.higher(p_old numeric, p_new numeric) OWNER TO postgres;

--
-- Name: FUNCTION higher(p_old numeric, p_new numeric); Type: COMMENT; Schema: private; Owner: postgres
--

COMMENT ON FUNCTION private.higher(p_old numeric, p_new numeric) IS 'Whether a ceiling admits more than before. Null = no ceiling.';

--
-- Name: inherit_halts(); Type: FUNCTION; Schema: private; Owner: postgres
--

CREATE FUNCTION private.inherit_halts() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
begin
  -- A switch thrown at this moment either finds the account or is found by it.
  perform pg_advisory_xact_lock_shared(hashtextextended('engine.halts', 0));
  new.halted_by := new.halted_by || array(
    select h.scope from engine.halts h
    where (h.scope = 'system' or (h.user_id = new.user_id and h.broker = new.broker)) and h.scope <> all (new.halted_by)
    order by h.scope
  );
  return new;
end
$$;

ALTER FUNCTION private.inherit_halts() OWNER TO postgres;

--
-- Name: FUNCTION inherit_halts(); Type: COMMENT; Schema: private; Owner: postgres
--

COMMENT ON FUNCTION private.inherit_halts() IS 'A new account is halted where its broker or the system is.';

--
-- Name: insert_limits(public.risk_settings, timestamp with time zone, timestamp with time zone); Type: FUNCTION; Schema: private; Owner: postgres
--

CREATE FUNCTION private.insert_limits(r public.risk_settings, p_from timestamp with time zone, p_until timestamp with time zone) RETURNS bigint
    LANGUAGE sql SECURITY DEFINER
    SET search_path TO ''
    AS $$
  insert into public.risk_settings (
    user_id, broker, account_id, max_daily_loss_usd, max_daily_loss_pct, max_trades_per_day, max_open_trades,
    max_concurrent_positions, max_order_qty, max_risk_per_trade_pct, max_price_deviation_pct, stop_required,
    allowed_symbols, rules, effective_from, ends_at
  ) values (
    r.user_id, r.broker, r.account_id, r.max_daily_loss_usd, r.max_daily_loss_pct, r.max_trades_per_day,
    r.max_open_trades, r.max_concurrent_positions, r.max_order_qty, r.max_risk_per_trade_pct,
    r.max_price_deviation_pct, r.stop_required, r.allowed_symbols, r.rules, p_from, p_until
  ) returning id
$$;

ALTER FUNCTION private.insert_limits(r public.risk_settings, p_from timestamp with time zone, p_until timestamp with time zone) OWNER TO postgres;

--
-- Name: FUNCTION insert_limits(r public.risk_settings, p_from timestamp with time zone, p_until timestamp with time zone); Type: COMMENT; Schema: private; Owner: postgres
--

COMMENT ON FUNCTION private.insert_limits(r public.risk_settings, p_from timestamp with time zone, p_until timestamp with time zone) IS 'A row of limits that counts between two moments.';

--
-- Name: is_admin(); Type: FUNCTION; Schema: private; Owner: postgres
--

CREATE FUNCTION private.is_admin() RETURNS boolean
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO ''
    AS $$
  select coalesce(
    (select auth.jwt()) -> 'app_metadata' ->> 'role' = 'admin'
    and (select auth.jwt()) ->> 'aal' = 'aal2'
    and exists (select 1 from private.admins a where a.user_id = (select auth.uid())),
    false
  )
$$;

ALTER FUNCTION private.is_admin() OWNER TO postgres;

--
-- Name: FUNCTION is_admin(); Type: COMMENT; Schema: private; Owner: postgres
--

COMMENT ON FUNCTION private.is_admin() IS 'A row in private.admins, the role claim and a session with a second factor: all three.';

--
-- Name: is_live_scope(public.risk_settings); Type: FUNCTION; Schema: private; Owner: postgres
--

CREATE FUNCTION private.is_live_scope(s public.risk_settings) RETURNS boolean
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path TO ''
    AS $$
begin
  return exists (
    select 1 from public.broker_connections c
    where c.user_id = s.user_id and c.environment = 'live' and (s.broker is null or c.broker = s.broker)
      and (s.account_id is null or c.id = (select a.connection_id from public.broker_accounts a where a.id = s.account_id))
  );
end
$$;

ALTER FUNCTION private.is_live_scope(s public.risk_settings) OWNER TO postgres;

--
-- Name: FUNCTION is_live_scope(s public.risk_settings); Type: COMMENT; Schema: private; Owner: postgres
--

COMMENT ON FUNCTION private.is_live_scope(s public.risk_settings) IS 'Whether real money is in a scope of limits.';

--
-- Name: key_bytes(text); Type: FUNCTION; Schema: private; Owner: postgres
--

CREATE FUNCTION private.key_bytes(p_public_key text) RETURNS bytea
    LANGUAGE plpgsql IMMUTABLE
    SET search_path TO ''
    AS $_$
begin
  if p_public_key is null or p_public_key !~ '^[A-Za-z0-9_-]{43}$' then
    perform private.refuse(422, 'invalid', 'A device''s public key is 32 bytes of X25519, as 43 characters of base64url.');
  end if;
  return decode(translate(p_public_key, '-_', '+/') || '=', 'base64');
end
$_$;

ALTER FUNCTION private.key_bytes(p_public_key text) OWNER TO postgres;

--
-- Name: FUNCTION key_bytes(p_public_key text); Type: COMMENT; Schema: private; Owner: postgres
--

COMMENT ON FUNCTION private.key_bytes(p_public_key text) IS 'The bytes of a public key as clients send it.';

--
-- Name: kill_switch(boolean, text, jsonb, boolean); Type: FUNCTION; Schema: private; Owner: postgres
--

CREATE FUNCTION private.kill_switch(p_on boolean, p_reason text, p_scope jsonb, p_flatten boolean) RETURNS jsonb
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
declare
  s constant public.risk_settings := private.risk_scope(private.me(), p_scope);
  v_scope constant text := case when s.account_id is not null then 'account' when s.broker is not null then 'broker' else 'user' end;
  v_answer jsonb;
begin
  perform private.check_kill_switch(s, p_on, p_reason, p_flatten);
  if v_scope = 'user' then
    update public.profiles
    set trading_halted = p_on, halted_at = case when p_on then clock_timestamp() end,
      halt_reason = case when p_on then p_reason end
    where id = s.user_id;
  end if;
  v_answer := private.halt(v_scope, s.user_id, s.broker, s.account_id, p_on, p_reason, coalesce(p_flatten, false));
  perform private.note(s.user_id, 'warning', case when p_on then 'kill_switch_on' else 'kill_switch_off' end,
    format(case when p_on then 'No entries on %s until you release the switch; exits go on.'
      else 'The kill switch is released: entries are allowed again on %s.' end, case v_scope
        when 'user' then 'any account' when 'broker' then 'your accounts at ' || engine.name_of(s.broker)
        else (select coalesce(a.label, a.account_id) from public.broker_accounts a where a.id = s.account_id) end),
    v_answer || jsonb_strip_nulls(jsonb_build_object('reason', p_reason, 'broker', s.broker, 'account_id', s.account_id)));
  return v_answer;
end
$$;

ALTER FUNCTION private.kill_switch(p_on boolean, p_reason text, p_scope jsonb, p_flatten boolean) OWNER TO postgres;

--
-- Name: FUNCTION kill_switch(p_on boolean, p_reason text, p_scope jsonb, p_flatten boolean); Type: COMMENT; Schema: private; Owner: postgres
--

COMMENT ON FUNCTION private.kill_switch(p_on boolean, p_reason text, p_scope jsonb, p_flatten boolean) IS 'public.kill_switch, checked.';

--
-- Name: lift_lock(uuid, text); Type: FUNCTION; Schema: private; Owner: postgres
--

CREATE FUNCTION private.lift_lock(p_account_id uuid, p_reason text) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
declare
  a constant public.broker_accounts := private.my_account(p_account_id);
  v_refusal text;
begin
  if private.any_live(array[a.id]) then
    perform private.require_step_up();
  end if;
  if char_length(btrim(coalesce(p_reason, ''))) not between 3 and 200 then
    perform private.refuse(422, 'invalid', 'Say why, in 3 to 200 characters: it is recorded.');
  elsif (a.locked_until > clock_timestamp()) is not true then
    return;
  end if;
  v_refusal := engine.refusal_to_lift(a);
  if v_refusal is not null then
    perform private.refuse(409, 'still_reached', v_refusal);
  end if;
  perform engine.lift_locks(a.id, p_reason);
  perform private.note(a.user_id, 'warning', 'lock_lifted', format('The lock of %s was lifted: %s',
    coalesce(a.label, a.account_id), p_reason), jsonb_build_object(
    'account_id', a.id, 'was_until', a.locked_until, 'lock', a.lock_reason, 'reason', p_reason));
end
$$;

ALTER FUNCTION private.lift_lock(p_account_id uuid, p_reason text) OWNER TO postgres;

--
-- Name: FUNCTION lift_lock(p_account_id uuid, p_reason text); Type: COMMENT; Schema: private; Owner: postgres
--

COMMENT ON FUNCTION private.lift_lock(p_account_id uuid, p_reason text) IS 'public.lift_lock, checked.';

--
-- Name: limit_values(public.risk_settings); Type: FUNCTION; Schema: private; Owner: postgres
--

CREATE FUNCTION private.limit_values(r public.risk_settings) RETURNS jsonb
    LANGUAGE plpgsql IMMUTABLE
    SET search_path TO ''
    AS $$
begin
  return to_jsonb(r) - array['id', 'user_id', 'broker', 'account_id', 'effective_from', 'ends_at', 'superseded_at', 'created_at'];
end
$$;

ALTER FUNCTION private.limit_values(r public.risk_settings) OWNER TO postgres;

--
-- Name: FUNCTION limit_values(r public.risk_settings); Type: COMMENT; Schema: private; Owner: postgres
--

COMMENT ON FUNCTION private.limit_values(r public.risk_settings) IS 'What a row of limits limits, without whose it is and since when.';

--
-- Name: limits_admit_more(public.risk_settings, public.risk_settings); Type: FUNCTION; Schema: private; Owner: postgres
--

CREATE FUNCTION private.limits_admit_more(o public.risk_settings, n public.risk_settings) RETURNS boolean
    LANGUAGE plpgsql STABLE
    SET search_path TO ''
    AS $$
begin
  return private.higher(o.max_daily_loss_usd, n.max_daily_loss_usd)
    or private.higher(o.max_daily_loss_pct, n.max_daily_loss_pct)
    or private.higher(o.max_trades_per_day, n.max_trades_per_day)
    or private.higher(o.max_open_trades, n.max_open_trades)
    or private.higher(o.max_concurrent_positions, n.max_concurrent_positions)
    or private.higher(o.max_order_qty, n.max_order_qty)
    or private.higher(o.max_risk_per_trade_pct, n.max_risk_per_trade_pct)
    -- Where nobody says anything a trade may risk 5 %: a first ceiling above that admits more.
    or (o.max_risk_per_trade_pct is null and coalesce(n.max_risk_per_trade_pct, 0) > 5)
    or private.higher(o.max_price_deviation_pct, n.max_price_deviation_pct)
    or (o.stop_required and not n.stop_required)
    or (o.allowed_symbols is not null and (
      n.allowed_symbols is null or cardinality(private.symbols_in(n.allowed_symbols, o.allowed_symbols)) < cardinality(n.allowed_symbols)
    ))
    or private.rules_admit_more(o.rules, n.rules);
end
$$;

ALTER FUNCTION private.limits_admit_more(o public.risk_settings, n public.risk_settings) OWNER TO postgres;

--
-- Name: FUNCTION limits_admit_more(o public.risk_settings, n public.risk_settings); Type: COMMENT; Schema: private; Owner: postgres
--

COMMENT ON FUNCTION private.limits_admit_more(o public.risk_settings, n public.risk_settings) IS 'Whether the changed limits could admit an order that the old ones refused.';

--
-- Name: limits_diff(public.risk_settings, public.risk_settings); Type: FUNCTION; Schema: private; Owner: postgres
--

CREATE FUNCTION private.limits_diff(o public.risk_settings, n public.risk_settings) RETURNS jsonb
    LANGUAGE plpgsql IMMUTABLE
    SET search_path TO ''
    AS $$
begin
  return (
    select coalesce(jsonb_object_agg(b.key, jsonb_build_array(a.value, b.value)), '{}')
    from jsonb_each(private.limit_values(o)) a join jsonb_each(private.limit_values(n)) b on b.key = a.key
    where b.value <> a.value
  );
end
$$;

ALTER FUNCTION private.limits_diff(o public.risk_settings, n public.risk_settings) OWNER TO postgres;

--
-- Name: FUNCTION limits_diff(o public.risk_settings, n public.risk_settings); Type: COMMENT; Schema: private; Owner: postgres
--

COMMENT ON FUNCTION private.limits_diff(o public.risk_settings, n public.risk_settings) IS 'What differs: by name, old and new value.';

--
-- Name: limits_of_scope(public.risk_settings, boolean); Type: FUNCTION; Schema: private; Owner: postgres
--

CREATE FUNCTION private.limits_of_scope(s public.risk_settings, p_waiting boolean) RETURNS public.risk_settings
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
declare
  r public.risk_settings;
begin
  select x.* into r from public.risk_settings x
  where x.user_id = s.user_id and x.broker is not distinct from s.broker and x.account_id is not distinct from s.account_id
    and x.superseded_at is null and (x.effective_from > greatest(clock_timestamp(), x.created_at)) = p_waiting
    and (x.ends_at is null or x.ends_at > clock_timestamp());
  return case when found then r else s end;
end
$$;

ALTER FUNCTION private.limits_of_scope(s public.risk_settings, p_waiting boolean) OWNER TO postgres;

--
-- Name: FUNCTION limits_of_scope(s public.risk_settings, p_waiting boolean); Type: COMMENT; Schema: private; Owner: postgres
--

COMMENT ON FUNCTION private.limits_of_scope(s public.risk_settings, p_waiting boolean) IS 'The limits of a scope that are in force, or that wait; the given row where there are none.';

--
-- Name: lock_account(uuid, timestamp with time zone, text); Type: FUNCTION; Schema: private; Owner: postgres
--

CREATE FUNCTION private.lock_account(p_account_id uuid, p_until timestamp with time zone, p_reason text) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
declare
  a constant public.broker_accounts := private.my_account(p_account_id);
  v_breach text;
begin
  if p_until is null or p_until <= clock_timestamp() then
    perform private.refuse(422, 'invalid', 'A lock ends in the future.');
  elsif char_length(p_reason) > 200 then
    perform private.refuse(422, 'invalid', 'The reason of a lock has at most 200 characters.');
  end if;
  -- An earlier end is a lift in disguise.
  if a.locked_until > clock_timestamp() and p_until < a.locked_until and private.any_live(array[a.id]) then
    perform private.require_step_up();
  end if;
  select b.rule into v_breach from engine.locks_of(a.id) b where b.until > p_until limit 1;
  if found then
    perform private.refuse(409, 'locked', format(
      'The limit %s locks this account for longer: its lock is lifted (lift_lock), not shortened.', replace(v_breach, '_', ' ')));
  end if;
  update public.broker_accounts set locked_until = p_until, lock_reason = p_reason where id = a.id;
  perform private.note(a.user_id, 'warning', 'account_locked',
    format('%s takes no entries until %s.', coalesce(a.label, a.account_id), p_until),
    jsonb_build_object('account_id', a.id, 'until', p_until, 'reason', p_reason));
end
$$;

ALTER FUNCTION private.lock_account(p_account_id uuid, p_until timestamp with time zone, p_reason text) OWNER TO postgres;

--
-- Name: FUNCTION lock_account(p_account_id uuid, p_until timestamp with time zone, p_reason text); Type: COMMENT; Schema: private; Owner: postgres
--

COMMENT ON FUNCTION private.lock_account(p_account_id uuid, p_until timestamp with time zone, p_reason text) IS 'public.lock_account, checked.';

--
-- Name: profiles; Type: TABLE; Schema: public; Owner: postgres
--

CREATE TABLE public.profiles (
    id uuid NOT NULL,
    email text,
    name text,
    role text DEFAULT 'user'::text NOT NULL,
    plan_tier public.plan DEFAULT 'starter'::public.plan NOT NULL,
    trial_end timestamp with time zone,
    totp_enabled boolean DEFAULT false NOT NULL,
    brand_id uuid,
    timezone text DEFAULT 'UTC'::text NOT NULL,
    locale text DEFAULT 'en'::text NOT NULL,
    status text DEFAULT 'active'::text NOT NULL,
    trading_halted boolean DEFAULT false NOT NULL,
    halted_at timestamp with time zone,
    halt_reason text,
    loosen_delay integer DEFAULT 1440 NOT NULL,
    loosen_delay_next integer,
    loosen_delay_next_from timestamp with time zone,
    version integer DEFAULT 1 NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT profiles_halt_reason_check CHECK ((char_length(halt_reason) <= 200)),
    CONSTRAINT profiles_locale_check CHECK ((char_length(locale) <= 16)),
    CONSTRAINT profiles_loosen_delay_check CHECK (((loosen_delay >= 0) AND (loosen_delay <= 43200))),
    CONSTRAINT profiles_loosen_delay_next_check CHECK (((loosen_delay_next >= 0) AND (loosen_delay_next <= 43200))),
    CONSTRAINT profiles_name_check CHECK ((char_length(name) <= 120)),
    CONSTRAINT profiles_role_check CHECK ((role = ANY (ARRAY['user'::text, 'admin'::text]))),
    CONSTRAINT profiles_status_check CHECK ((status = ANY (ARRAY['active'::text, 'suspended'::text, 'deleted'::text]))),
    CONSTRAINT profiles_timezone_check CHECK ((char_length(timezone) <= 64))
);

ALTER TABLE public.profiles OWNER TO postgres;

--
-- Name: TABLE profiles; Type: COMMENT; Schema: public; Owner: postgres
--

COMMENT ON TABLE public.profiles IS 'One person. role, plan_tier and totp_enabled are mirrors for the screen: no policy reads them.';

--
-- Name: COLUMN profiles.trading_halted; Type: COMMENT; Schema: public; Owner: postgres
--

COMMENT ON COLUMN public.profiles.trading_halted IS 'The kill switch: no entry of this user is sent while it is on.';

--
-- Name: COLUMN profiles.loosen_delay; Type: COMMENT; Schema: public; Owner: postgres
--

COMMENT ON COLUMN public.profiles.loosen_delay IS 'Minutes that a looser limit of a live account waits before it counts (a day unless the user says otherwise).';

--
-- Name: COLUMN profiles.loosen_delay_next; Type: COMMENT; Schema: public; Owner: postgres
--

COMMENT ON COLUMN public.profiles.loosen_delay_next IS 'A shorter delay that waits itself, until loosen_delay_next_from.';

--
-- Name: loosen_minutes(public.profiles); Type: FUNCTION; Schema: private; Owner: postgres
--

CREATE FUNCTION private.loosen_minutes(p public.profiles) RETURNS integer
    LANGUAGE plpgsql STABLE
    SET search_path TO ''
    AS $$
begin
  return case when p.loosen_delay_next_from <= clock_timestamp() then p.loosen_delay_next else p.loosen_delay end;
end
$$;

ALTER FUNCTION private.loosen_minutes(p public.profiles) OWNER TO postgres;

--
-- Name: FUNCTION loosen_minutes(p public.profiles); Type: COMMENT; Schema: private; Owner: postgres
--

COMMENT ON FUNCTION private.loosen_minutes(p public.profiles) IS 'The user''s delay before looser limits count, in minutes.';

--
-- Name: loosens_from(public.risk_settings); Type: FUNCTION; Schema: private; Owner: postgres
--

CREATE FUNCTION private.loosens_from(s public.risk_settings) RETURNS timestamp with time zone
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path TO ''
    AS $$
begin
  return clock_timestamp() + make_interval(mins => case when private.is_live_scope(s) then (
    select private.loosen_minutes(p) from public.profiles p where p.id = s.user_id
  ) else 0 end);
end
$$;

ALTER FUNCTION private.loosens_from(s public.risk_settings) OWNER TO postgres;

--
-- Name: FUNCTION loosens_from(s public.risk_settings); Type: COMMENT; Schema: private; Owner: postgres
--

COMMENT ON FUNCTION private.loosens_from(s public.risk_settings) IS 'When a change that admits more would count if asked for now: after the user''s delay; at once where only practice money is.';

--
-- Name: make_twin(bigint, jsonb); Type: FUNCTION; Schema: private; Owner: postgres
--

CREATE FUNCTION private.make_twin(p_run bigint, p jsonb) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
declare
  v_user constant uuid := (p ->> 'user_id')::uuid;
  v_connection constant uuid := (p ->> 'connection_id')::uuid;
  b jsonb;
begin
  if p ->> 'environment' <> 'simulated' then
    raise exception 'a drill is never on a real account' using errcode = '42501';
  end if;
  insert into public.profiles (id, name) values (v_user, 'Drill ' || p_run);
  insert into public.broker_connections (id, user_id, broker, environment, server, login_label, status, seal_version)
  values (v_connection, v_user, (p ->> 'broker')::public.broker, 'simulated', p ->> 'server', p ->> 'login',
    case when p ->> 'sealed' is null then 'connected' else 'new' end, 0);
  insert into engine.drill_twins (user_id, run_id, connection_id) values (v_user, p_run, v_connection);
  for b in select x from jsonb_array_elements(p -> 'books') x loop
    insert into public.broker_accounts (
      id, connection_id, user_id, broker, account_id, label, currency, margin_mode, trading_enabled, balance, equity, as_of,
      freshness, last_sync
    ) values (
      (b ->> 'id')::uuid, v_connection, v_user, (p ->> 'broker')::public.broker, 'D' || upper(left(b ->> 'id', 8)), 'drill', 'USD',
      (b ->> 'margin_mode')::public.margin_mode, true, (b ->> 'balance')::numeric, (b ->> 'balance')::numeric, clock_timestamp(),
      'fresh', clock_timestamp()
    );
    insert into engine.paper_accounts (account_id, balance, currency, book)
    values ((b ->> 'id')::uuid, (b ->> 'balance')::numeric, 'USD', jsonb_build_object('terms', b -> 'terms'));
  end loop;
  if p ->> 'sealed' is not null then
    insert into public.credential_seals (connection_id, recipient, key_id, version, sealed)
    values (v_connection, 'fleet', p ->> 'key_id', 1, decode(p ->> 'sealed', 'hex'));
    update public.broker_connections set seal_version = 1 where id = v_connection;
    insert into engine.connection_checks (connection_id) values (v_connection);
  end if;
end
$$;

ALTER FUNCTION private.make_twin(p_run bigint, p jsonb) OWNER TO postgres;

--
-- Name: FUNCTION make_twin(p_run bigint, p jsonb); Type: COMMENT; Schema: private; Owner: postgres
--

COMMENT ON FUNCTION private.make_twin(p_run bigint, p jsonb) IS 'engine.open_twin, which has checked who asks.';

--
-- Name: mark_halted(text, uuid, public.broker, uuid, boolean, text); Type: FUNCTION; Schema: private; Owner: postgres
--

CREATE FUNCTION private.mark_halted(p_scope text, p_user uuid, p_broker public.broker, p_account uuid, p_on boolean, p_reason text) RETURNS uuid[]
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
declare
  v_accounts uuid [] := private.accounts_halted(p_scope, p_user, p_broker, p_account);
begin
  if p_scope = 'user' then
    return v_accounts;
  end if;
  perform 1 from public.broker_accounts a where a.id = any (v_accounts) order by a.id for no key update;
  if p_scope in ('broker', 'system') then
    perform pg_advisory_xact_lock(hashtextextended('engine.halts', 0));
    delete from engine.halts h
    where h.scope = p_scope and h.user_id is not distinct from p_user and h.broker is not distinct from p_broker;
    if p_on then
      insert into engine.halts (scope, user_id, broker, reason) values (p_scope, p_user, p_broker, p_reason);
    end if;
    -- Accounts that were added since we looked.
    v_accounts := private.accounts_halted(p_scope, p_user, p_broker, p_account);
  end if;
  update public.broker_accounts a set halted_by = array_remove(a.halted_by, p_scope) || case when p_on then array[p_scope] else '{}' end
  where a.id = any (v_accounts) and (p_scope = any (a.halted_by)) <> p_on;
  return v_accounts;
end
$$;

ALTER FUNCTION private.mark_halted(p_scope text, p_user uuid, p_broker public.broker, p_account uuid, p_on boolean, p_reason text) OWNER TO postgres;

--
-- Name: FUNCTION mark_halted(p_scope text, p_user uuid, p_broker public.broker, p_account uuid, p_on boolean, p_reason text); Type: COMMENT; Schema: private; Owner: postgres
--

COMMENT ON FUNCTION private.mark_halted(p_scope text, p_user uuid, p_broker public.broker, p_account uuid, p_on boolean, p_reason text) IS 'Throws or releases the switch of an account, a user''s broker or the system; the accounts it is for.';

--
-- Name: me(); Type: FUNCTION; Schema: private; Owner: postgres
--

CREATE FUNCTION private.me() RETURNS uuid
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path TO ''
    AS $$
declare
  who constant uuid := (select auth.uid());
begin
  if who is null or not exists (select 1 from public.profiles p where p.id = who and p.status <> 'deleted') then
    perform private.refuse(401, 'sign_in_required', 'Sign in first.');
  end if;
  return who;
end
$$;

ALTER FUNCTION private.me() OWNER TO postgres;

--
-- Name: FUNCTION me(); Type: COMMENT; Schema: private; Owner: postgres
--

COMMENT ON FUNCTION private.me() IS 'The signed-in user; refuses where there is none.';

--
-- Name: mfa_enrolled(); Type: FUNCTION; Schema: private; Owner: postgres
--

CREATE FUNCTION private.mfa_enrolled() RETURNS boolean
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path TO ''
    AS $$
begin
  -- Not every footing has the table; where it is missing nobody can have a factor.
  if pg_catalog.to_regclass('auth.mfa_factors') is null then
    return false;
  end if;
  return exists (
    select 1 from auth.mfa_factors f where f.user_id = (select auth.uid()) and f.status = 'verified'
  );
end
$$;

ALTER FUNCTION private.mfa_enrolled() OWNER TO postgres;

--
-- Name: FUNCTION mfa_enrolled(); Type: COMMENT; Schema: private; Owner: postgres
--

COMMENT ON FUNCTION private.mfa_enrolled() IS 'Whether the user has a verified second factor.';

--
-- Name: mirror_factor(); Type: FUNCTION; Schema: private; Owner: postgres
--

CREATE FUNCTION private.mirror_factor() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
declare
  owner constant uuid := case tg_op when 'DELETE' then old.user_id else new.user_id end;
begin
  update public.profiles
  set totp_enabled = exists (select 1 from auth.mfa_factors f where f.user_id = owner and f.status = 'verified')
  where id = owner;
  return null;
end
$$;

ALTER FUNCTION private.mirror_factor() OWNER TO postgres;

--
-- Name: FUNCTION mirror_factor(); Type: COMMENT; Schema: private; Owner: postgres
--

COMMENT ON FUNCTION private.mirror_factor() IS 'Shows on the profile whether a second factor is on. Nothing decides by the mirror.';

--
-- Name: mirror_plan(); Type: FUNCTION; Schema: private; Owner: postgres
--

CREATE FUNCTION private.mirror_plan() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
begin
  update public.profiles
  set plan_tier = private.effective_plan(new.user_id), trial_end = new.trial_end
  where id = new.user_id;
  return null;
end
$$;

ALTER FUNCTION private.mirror_plan() OWNER TO postgres;

--
-- Name: FUNCTION mirror_plan(); Type: COMMENT; Schema: private; Owner: postgres
--

COMMENT ON FUNCTION private.mirror_plan() IS 'Shows the subscription on the profile. Nothing decides by the mirror.';

--
-- Name: my_account(uuid); Type: FUNCTION; Schema: private; Owner: postgres
--

CREATE FUNCTION private.my_account(p_account_id uuid) RETURNS public.broker_accounts
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
declare
  a public.broker_accounts;
begin
  select b.* into a from public.broker_accounts b
  where b.id = p_account_id and b.user_id = private.me() for no key update;
  if not found then
    perform private.refuse(404, 'not_found', 'You have no such account.');
  end if;
  return a;
end
$$;

ALTER FUNCTION private.my_account(p_account_id uuid) OWNER TO postgres;

--
-- Name: FUNCTION my_account(p_account_id uuid); Type: COMMENT; Schema: private; Owner: postgres
--

COMMENT ON FUNCTION private.my_account(p_account_id uuid) IS 'The user''s own account, locked; anybody else''s does not exist for him.';

--
-- Name: my_connection(uuid); Type: FUNCTION; Schema: private; Owner: postgres
--

CREATE FUNCTION private.my_connection(p_connection_id uuid) RETURNS public.broker_connections
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
declare
  c public.broker_connections;
begin
  select b.* into c from public.broker_connections b
  where b.id = p_connection_id and b.user_id = private.me() for no key update;
  if not found then
    perform private.refuse(404, 'not_found', 'You have no such connection.');
  end if;
  return c;
end
$$;

ALTER FUNCTION private.my_connection(p_connection_id uuid) OWNER TO postgres;

--
-- Name: FUNCTION my_connection(p_connection_id uuid); Type: COMMENT; Schema: private; Owner: postgres
--

COMMENT ON FUNCTION private.my_connection(p_connection_id uuid) IS 'The user''s own connection, locked; anybody else''s does not exist for him.';

--
-- Name: devices; Type: TABLE; Schema: public; Owner: postgres
--

CREATE TABLE public.devices (
    id uuid DEFAULT gen_random_uuid() NOT NULL,
    user_id uuid NOT NULL,
    name text NOT NULL,
    public_key bytea NOT NULL,
    key_id text GENERATED ALWAYS AS (('d'::text || "left"(encode(sha256(public_key), 'hex'::text), 16))) STORED NOT NULL,
    last_seen_at timestamp with time zone,
    revoked_at timestamp with time zone,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT devices_name_check CHECK (((char_length(name) >= 1) AND (char_length(name) <= 80))),
    CONSTRAINT devices_public_key_check CHECK ((octet_length(public_key) = 32))
);

ALTER TABLE public.devices OWNER TO postgres;

--
-- Name: TABLE devices; Type: COMMENT; Schema: public; Owner: postgres
--

COMMENT ON TABLE public.devices IS 'Edge workers: a trader''s own machine with its sealing key.';

--
-- Name: COLUMN devices.key_id; Type: COMMENT; Schema: public; Owner: postgres
--

COMMENT ON COLUMN public.devices.key_id IS 'What names the key in a seal; short enough to compare with what the device shows.';

--
-- Name: my_device(uuid); Type: FUNCTION; Schema: private; Owner: postgres
--

CREATE FUNCTION private.my_device(p_device_id uuid) RETURNS public.devices
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
declare
  d public.devices;
begin
  select x.* into d from public.devices x where x.id = p_device_id and x.user_id = private.me() for no key update;
  if not found then
    perform private.refuse(404, 'not_found', 'You have no such device.');
  end if;
  return d;
end
$$;

ALTER FUNCTION private.my_device(p_device_id uuid) OWNER TO postgres;

--
-- Name: FUNCTION my_device(p_device_id uuid); Type: COMMENT; Schema: private; Owner: postgres
--

COMMENT ON FUNCTION private.my_device(p_device_id uuid) IS 'The user''s own device, locked; anybody else''s does not exist for him.';

--
-- Name: my_endpoint(uuid); Type: FUNCTION; Schema: private; Owner: postgres
--

CREATE FUNCTION private.my_endpoint(p_endpoint_id uuid) RETURNS public.webhook_endpoints
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
declare
  e public.webhook_endpoints;
begin
  select w.* into e from public.webhook_endpoints w
  where w.id = p_endpoint_id and w.user_id = private.me() for no key update;
  if not found then
    perform private.refuse(404, 'not_found', 'You have no such endpoint.');
  end if;
  return e;
end
$$;

ALTER FUNCTION private.my_endpoint(p_endpoint_id uuid) OWNER TO postgres;

--
-- Name: FUNCTION my_endpoint(p_endpoint_id uuid); Type: COMMENT; Schema: private; Owner: postgres
--

COMMENT ON FUNCTION private.my_endpoint(p_endpoint_id uuid) IS 'The user''s own endpoint, locked; anybody else''s does not exist for him.';

--
-- Name: my_target(uuid); Type: FUNCTION; Schema: private; Owner: postgres
--

CREATE FUNCTION private.my_target(p_target_id uuid) RETURNS public.notification_targets
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
declare
  n public.notification_targets;
begin
  select t.* into n from public.notification_targets t
  where t.id = p_target_id and t.user_id = private.me() for no key update;
  if not found then
    perform private.refuse(404, 'not_found', 'You have no such target.');
  end if;
  return n;
end
$$;

ALTER FUNCTION private.my_target(p_target_id uuid) OWNER TO postgres;

--
-- Name: FUNCTION my_target(p_target_id uuid); Type: COMMENT; Schema: private; Owner: postgres
--

COMMENT ON FUNCTION private.my_target(p_target_id uuid) IS 'The user''s own target, locked; anybody else''s does not exist for him.';

--
-- Name: note(uuid, public.log_level, text, text, jsonb); Type: FUNCTION; Schema: private; Owner: postgres
--

CREATE FUNCTION private.note(p_user_id uuid, p_level public.log_level, p_type text, p_message text, p_details jsonb) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
begin
  perform engine.note(p_user_id, p_level, p_type, p_message, p_details);
end
$$;

ALTER FUNCTION private.note(p_user_id uuid, p_level public.log_level, p_type text, p_message text, p_details jsonb) OWNER TO postgres;

--
-- Name: FUNCTION note(p_user_id uuid, p_level public.log_level, p_type text, p_message text, p_details jsonb); Type: COMMENT; Schema: private; Owner: postgres
--

COMMENT ON FUNCTION private.note(p_user_id uuid, p_level public.log_level, p_type text, p_message text, p_details jsonb) IS 'A line in the user''s own log.';

--
-- Name: number_map_admits_more(jsonb, jsonb); Type: FUNCTION; Schema: private; Owner: postgres
--

CREATE FUNCTION private.number_map_admits_more(o jsonb, n jsonb) RETURNS boolean
    LANGUAGE plpgsql IMMUTABLE
    SET search_path TO ''
    AS $$
begin
  return exists (select 1 from jsonb_each(o) e where coalesce((n ->> e.key)::numeric > (e.value)::numeric, true));
end
$$;

ALTER FUNCTION private.number_map_admits_more(o jsonb, n jsonb) OWNER TO postgres;

--
-- Name: FUNCTION number_map_admits_more(o jsonb, n jsonb); Type: COMMENT; Schema: private; Owner: postgres
--

COMMENT ON FUNCTION private.number_map_admits_more(o jsonb, n jsonb) IS 'Whether a ceiling per symbol is gone or higher than before.';

--
-- Name: order_message(public.orders); Type: FUNCTION; Schema: private; Owner: postgres
--

CREATE FUNCTION private.order_message(n public.orders) RETURNS jsonb
    LANGUAGE plpgsql IMMUTABLE
    SET search_path TO ''
    AS $$
begin
  return jsonb_build_object(
    'id', n.id::text, 'v', n.version, 'account_id', n.account_id, 'broker', n.broker,
    'delivery_id', n.delivery_id::text, 'client_order_id', n.client_order_id, 'venue_order_id', n.venue_order_id,
    'origin', n.origin, 'reduce_only', n.reduce_only, 'symbol', n.symbol, 'side', n.side, 'type', n.type,
    'qty', n.qty::text, 'filled_qty', n.filled_qty::text, 'price', n.price::text, 'stop_price', n.stop_price::text,
    'avg_price', n.avg_price::text, 'stop_loss', n.stop_loss::text, 'take_profit', n.take_profit::text,
    'status', n.status, 'reason', n.reason, 'tag', n.tag, 'created_at', n.created_at, 'updated_at', n.updated_at
  );
end
$$;

ALTER FUNCTION private.order_message(n public.orders) OWNER TO postgres;

--
-- Name: FUNCTION order_message(n public.orders); Type: COMMENT; Schema: private; Owner: postgres
--

COMMENT ON FUNCTION private.order_message(n public.orders) IS 'An order as its owner sees it live.';

--
-- Name: order_status_follows_the_table(); Type: FUNCTION; Schema: private; Owner: postgres
--

CREATE FUNCTION private.order_status_follows_the_table() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
begin
  if new.status is distinct from old.status and not exists (
    select 1 from public.order_transitions t where t.from_status = old.status and t.to_status = new.status
  ) then
    raise exception 'order % cannot go from % to %', old.id, old.status, new.status using errcode = 'check_violation';
  end if;
  return new;
end
$$;

ALTER FUNCTION private.order_status_follows_the_table() OWNER TO postgres;

--
-- Name: FUNCTION order_status_follows_the_table(); Type: COMMENT; Schema: private; Owner: postgres
--

COMMENT ON FUNCTION private.order_status_follows_the_table() IS 'Refuses an order status that order_transitions does not allow.';

--
-- Name: position_message(public.positions); Type: FUNCTION; Schema: private; Owner: postgres
--

CREATE FUNCTION private.position_message(n public.positions) RETURNS jsonb
    LANGUAGE plpgsql IMMUTABLE
    SET search_path TO ''
    AS $$
begin
  return jsonb_build_object(
    'id', n.id::text, 'v', n.version, 'account_id', n.account_id, 'broker', n.broker,
    'venue_position_id', n.venue_position_id, 'symbol', n.symbol, 'root', n.root, 'side', n.side,
    'qty', n.qty::text, 'entry_price', n.entry_price::text, 'unrealized_pnl', n.unrealized_pnl::text,
    'stop_loss', n.stop_loss::text, 'take_profit', n.take_profit::text, 'tag', n.tag, 'opened_at', n.opened_at,
    'closed_at', n.closed_at, 'as_of', n.as_of, 'freshness', n.freshness
  );
end
$$;

ALTER FUNCTION private.position_message(n public.positions) OWNER TO postgres;

--
-- Name: FUNCTION position_message(n public.positions); Type: COMMENT; Schema: private; Owner: postgres
--

COMMENT ON FUNCTION private.position_message(n public.positions) IS 'A position as its owner sees it live.';

--
-- Name: put_limits(public.risk_settings, public.risk_settings, public.risk_settings, timestamp with time zone); Type: FUNCTION; Schema: private; Owner: postgres
--

CREATE FUNCTION private.put_limits(o public.risk_settings, t public.risk_settings, n public.risk_settings, p_from timestamp with time zone) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
declare
  v_keeps constant boolean := private.limit_values(t) = private.limit_values(o) and (o.id is not null or p_from is not null);
  v_id bigint;
begin
  update public.risk_settings s set superseded_at = least(coalesce(s.ends_at, now()), now())
  where s.user_id = n.user_id and s.broker is not distinct from n.broker and s.account_id is not distinct from n.account_id
    and s.superseded_at is null and not (v_keeps and s.id = o.id);
  if v_keeps then
    update public.risk_settings s set ends_at = p_from where s.id = o.id;
    v_id := o.id;
  else
    v_id := private.insert_limits(t, now(), p_from);
  end if;
  return case when p_from is null then v_id else private.insert_limits(n, p_from, null) end;
end
$$;

ALTER FUNCTION private.put_limits(o public.risk_settings, t public.risk_settings, n public.risk_settings, p_from timestamp with time zone) OWNER TO postgres;

--
-- Name: FUNCTION put_limits(o public.risk_settings, t public.risk_settings, n public.risk_settings, p_from timestamp with time zone); Type: COMMENT; Schema: private; Owner: postgres
--

COMMENT ON FUNCTION private.put_limits(o public.risk_settings, t public.risk_settings, n public.risk_settings, p_from timestamp with time zone) IS 'Puts t in force now and n from a moment on (null = t is all); what they replace stays as history. o = what is in force.';

--
-- Name: put_seal(uuid, integer, text, text); Type: FUNCTION; Schema: private; Owner: postgres
--

CREATE FUNCTION private.put_seal(p_connection_id uuid, p_version integer, p_key_id text, p_sealed text) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
declare
  v_recipient constant text := private.recipient_of(p_connection_id, p_key_id);
begin
  insert into public.credential_seals (connection_id, recipient, key_id, version, sealed)
  values (p_connection_id, v_recipient, p_key_id, p_version, private.seal_bytes(p_sealed));
  update public.broker_connections set seal_version = p_version where id = p_connection_id;
  -- What an earlier credential opened is not used any more.
  delete from engine.sessions where connection_id = p_connection_id;
  if v_recipient = 'fleet' then
    perform private.arm_check(p_connection_id);
  else
    delete from engine.connection_checks where connection_id = p_connection_id;
  end if;
end
$$;

ALTER FUNCTION private.put_seal(p_connection_id uuid, p_version integer, p_key_id text, p_sealed text) OWNER TO postgres;

--
-- Name: FUNCTION put_seal(p_connection_id uuid, p_version integer, p_key_id text, p_sealed text); Type: COMMENT; Schema: private; Owner: postgres
--

COMMENT ON FUNCTION private.put_seal(p_connection_id uuid, p_version integer, p_key_id text, p_sealed text) IS 'A credential comes into force and is to be checked, if it is sealed to those who can.';

--
-- Name: put_twin_limits(public.broker_accounts, jsonb); Type: FUNCTION; Schema: private; Owner: postgres
--

CREATE FUNCTION private.put_twin_limits(a public.broker_accounts, p_rows jsonb) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
declare
  r public.risk_settings;
  x jsonb;
begin
  update public.risk_settings s set superseded_at = clock_timestamp() where s.user_id = a.user_id and s.superseded_at is null;
  for x in select e from jsonb_array_elements(p_rows) e loop
    r := jsonb_populate_record(null::public.risk_settings, x);
    insert into public.risk_settings (
      user_id, broker, account_id, max_daily_loss_usd, max_daily_loss_pct, max_trades_per_day, max_open_trades,
      max_concurrent_positions, max_order_qty, max_risk_per_trade_pct, max_price_deviation_pct, stop_required, allowed_symbols,
      rules, effective_from
    ) values (
      a.user_id, case x ->> 'scope' when 'broker' then a.broker end, case x ->> 'scope' when 'account' then a.id end,
      r.max_daily_loss_usd, r.max_daily_loss_pct, r.max_trades_per_day, r.max_open_trades, r.max_concurrent_positions,
      r.max_order_qty, r.max_risk_per_trade_pct, r.max_price_deviation_pct, coalesce(r.stop_required, false), r.allowed_symbols,
      coalesce(r.rules, '{}'), clock_timestamp()
    );
  end loop;
end
$$;

ALTER FUNCTION private.put_twin_limits(a public.broker_accounts, p_rows jsonb) OWNER TO postgres;

--
-- Name: FUNCTION put_twin_limits(a public.broker_accounts, p_rows jsonb); Type: COMMENT; Schema: private; Owner: postgres
--

COMMENT ON FUNCTION private.put_twin_limits(a public.broker_accounts, p_rows jsonb) IS 'Limits of a synthetic trader, as his account''s drill wants them; engine.arm_twin has checked whose it is.';

--
-- Name: recipient_of(uuid, text); Type: FUNCTION; Schema: private; Owner: postgres
--

CREATE FUNCTION private.recipient_of(p_connection_id uuid, p_key_id text) RETURNS text
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
declare
  c constant public.broker_connections := (select b from public.broker_connections b where b.id = p_connection_id);
  v_device constant text := (
    select d.id from public.devices d where d.user_id = c.user_id and d.key_id = p_key_id and d.revoked_at is null limit 1
  );
begin
  if exists (select 1 from public.fleet_keys k where k.key_id = p_key_id and k.retired_at is null) then
    return 'fleet';
  elsif v_device is null then
    perform private.refuse(422, 'unknown_key', 'Sealed to a key that is not in use here: load the key again and seal anew.');
  elsif c.executor <> 'edge' then
    perform private.refuse(422, 'not_on_a_device', 'This login is traded by our workers, not by a device: seal it to the fleet''s key.');
  end if;
  return v_device;
end
$$;

ALTER FUNCTION private.recipient_of(p_connection_id uuid, p_key_id text) OWNER TO postgres;

--
-- Name: FUNCTION recipient_of(p_connection_id uuid, p_key_id text); Type: COMMENT; Schema: private; Owner: postgres
--

COMMENT ON FUNCTION private.recipient_of(p_connection_id uuid, p_key_id text) IS 'Whose key it is: the fleet''s, or a device of the owner where the login is traded from a device. Refuses any other.';

--
-- Name: record_change(uuid, text, boolean, text, jsonb); Type: FUNCTION; Schema: private; Owner: postgres
--

CREATE FUNCTION private.record_change(p_user uuid, p_action text, p_loosens boolean, p_message text, p_details jsonb) RETURNS void
    LANGUAGE sql SECURITY DEFINER
    SET search_path TO ''
    AS $$
  insert into public.admin_actions (actor, action, target_user_id, details) values ('owner', p_action, p_user, p_details);
  select private.note(p_user, case when p_loosens then 'warning' else 'info' end::public.log_level, p_action, p_message, p_details)
$$;

ALTER FUNCTION private.record_change(p_user uuid, p_action text, p_loosens boolean, p_message text, p_details jsonb) OWNER TO postgres;

--
-- Name: FUNCTION record_change(p_user uuid, p_action text, p_loosens boolean, p_message text, p_details jsonb); Type: COMMENT; Schema: private; Owner: postgres
--

COMMENT ON FUNCTION private.record_change(p_user uuid, p_action text, p_loosens boolean, p_message text, p_details jsonb) IS 'A change of limits by their owner, in the audit trail and in his log.';

--
-- Name: record_limits(public.risk_settings, public.risk_settings, public.risk_settings, timestamp with time zone); Type: FUNCTION; Schema: private; Owner: postgres
--

CREATE FUNCTION private.record_limits(o public.risk_settings, t public.risk_settings, n public.risk_settings, p_from timestamp with time zone) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
declare
  v_loosens constant boolean := p_from is not null or private.limits_admit_more(o, n);
begin
  perform private.record_change(n.user_id, case when v_loosens then 'limits_loosened' else 'limits_tightened' end, v_loosens,
    case when p_from is not null then format('Your limits will be looser from %s on; until then those of before count.',
      to_char(p_from at time zone 'UTC', 'YYYY-MM-DD HH24:MI "UTC"'))
    when v_loosens then 'Your limits were loosened.' else 'Your limits were tightened.' end,
    jsonb_strip_nulls(jsonb_build_object('broker', n.broker, 'account_id', n.account_id))
    || jsonb_build_object('now', private.limits_diff(o, t), 'effective_from', coalesce(p_from, clock_timestamp()))
    || case when p_from is null then '{}' else jsonb_build_object('later', private.limits_diff(t, n)) end);
end
$$;

ALTER FUNCTION private.record_limits(o public.risk_settings, t public.risk_settings, n public.risk_settings, p_from timestamp with time zone) OWNER TO postgres;

--
-- Name: FUNCTION record_limits(o public.risk_settings, t public.risk_settings, n public.risk_settings, p_from timestamp with time zone); Type: COMMENT; Schema: private; Owner: postgres
--

COMMENT ON FUNCTION private.record_limits(o public.risk_settings, t public.risk_settings, n public.risk_settings, p_from timestamp with time zone) IS 'Who changed which limits: old and new values, what counts at once and what from when on.';

--
-- Name: refuse(integer, text, text); Type: FUNCTION; Schema: private; Owner: postgres
--

CREATE FUNCTION private.refuse(p_status integer, p_code text, p_message text) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
begin
  raise exception using errcode = 'PT' || p_status, message = p_message, hint = p_code;
end
$$;

ALTER FUNCTION private.refuse(p_status integer, p_code text, p_message text) OWNER TO postgres;

--
-- Name: FUNCTION refuse(p_status integer, p_code text, p_message text); Type: COMMENT; Schema: private; Owner: postgres
--

COMMENT ON FUNCTION private.refuse(p_status integer, p_code text, p_message text) IS 'Ends the call with an HTTP status, a stable code (as hint) and a sentence.';

--
-- Name: refuse_tampering(); Type: FUNCTION; Schema: private; Owner: postgres
--

CREATE FUNCTION private.refuse_tampering() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
begin
  raise exception 'admin_actions is insert only: nobody changes or deletes what is recorded' using errcode = '42501';
end
$$;

ALTER FUNCTION private.refuse_tampering() OWNER TO postgres;

--
-- Name: FUNCTION refuse_tampering(); Type: COMMENT; Schema: private; Owner: postgres
--

COMMENT ON FUNCTION private.refuse_tampering() IS 'Keeps the audit trail as it was written, for every role.';

--
-- Name: refuse_value(text, jsonb, text); Type: FUNCTION; Schema: private; Owner: postgres
--

CREATE FUNCTION private.refuse_value(p_path text, p_value jsonb, p_message text) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
begin
  raise exception using errcode = 'PT422', hint = 'invalid', detail = p_path,
    message = format('%s is %s: %s', left(p_path, 200), coalesce(left(p_value::text, 80), 'missing'), p_message);
end
$$;

ALTER FUNCTION private.refuse_value(p_path text, p_value jsonb, p_message text) OWNER TO postgres;

--
-- Name: FUNCTION refuse_value(p_path text, p_value jsonb, p_message text); Type: COMMENT; Schema: private; Owner: postgres
--

COMMENT ON FUNCTION private.refuse_value(p_path text, p_value jsonb, p_message text) IS '422 for one field: its path (also as detail), what was sent, and what is allowed.';

--
-- Name: register_device(text, text); Type: FUNCTION; Schema: private; Owner: postgres
--

CREATE FUNCTION private.register_device(p_name text, p_public_key text) RETURNS uuid
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
declare
  c_most constant integer := 20;
  v_me constant uuid := private.me();
  v_key constant bytea := private.key_bytes(p_public_key);
  d public.devices;
begin
  if coalesce(char_length(btrim(p_name)), 0) not between 1 and 80 or p_name ~ '[[:cntrl:]]' then
    perform private.refuse(422, 'invalid', 'A device has a name of 1 to 80 characters.');
  end if;
  -- Whoever registers a device can be given credentials and trade with them.
  perform private.require_step_up();
  perform 1 from public.profiles p where p.id = v_me for no key update;
  select x.* into d from public.devices x where x.user_id = v_me and x.public_key = v_key;
  if d.revoked_at is not null then
    perform private.refuse(409, 'revoked', 'This device was revoked: it needs a new key.');
  elsif d.id is not null then
    update public.devices set name = btrim(p_name) where id = d.id;
    return d.id;
  elsif (select count(*) from public.devices x where x.user_id = v_me and x.revoked_at is null) >= c_most then
    perform private.refuse(409, 'too_many', format('You have %s devices, which is the most we keep: revoke one.', c_most));
  end if;
  insert into public.devices (user_id, name, public_key) values (v_me, btrim(p_name), v_key) returning * into d;
  perform private.note(v_me, 'warning', 'device_added', format('The device %s was added, its key is %s.', d.name, d.key_id),
    jsonb_build_object('device_id', d.id, 'key_id', d.key_id));
  return d.id;
end
$$;

ALTER FUNCTION private.register_device(p_name text, p_public_key text) OWNER TO postgres;

--
-- Name: FUNCTION register_device(p_name text, p_public_key text); Type: COMMENT; Schema: private; Owner: postgres
--

COMMENT ON FUNCTION private.register_device(p_name text, p_public_key text) IS 'public.register_device, checked.';

--
-- Name: remove_notification_target(uuid); Type: FUNCTION; Schema: private; Owner: postgres
--

CREATE FUNCTION private.remove_notification_target(p_target_id uuid) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
declare
  n constant public.notification_targets := private.my_target(p_target_id);
begin
  perform private.require_step_up();
  perform engine.drop_waiting(n.id);
  delete from public.notification_targets where id = n.id;
  perform private.note(n.user_id, 'warning', 'target_removed', format('Nothing is sent to %s (%s) any more.', n.name, n.kind),
    jsonb_build_object('target_id', n.id, 'kind', n.kind));
end
$$;

ALTER FUNCTION private.remove_notification_target(p_target_id uuid) OWNER TO postgres;

--
-- Name: FUNCTION remove_notification_target(p_target_id uuid); Type: COMMENT; Schema: private; Owner: postgres
--

COMMENT ON FUNCTION private.remove_notification_target(p_target_id uuid) IS 'public.remove_notification_target, checked.';

--
-- Name: replay_event(bigint); Type: FUNCTION; Schema: private; Owner: postgres
--

CREATE FUNCTION private.replay_event(p_event_id bigint) RETURNS jsonb
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
declare
  v_answer constant jsonb := engine.replay(private.me(), p_event_id);
begin
  if (v_answer ->> 'http')::integer <> 202 then
    perform private.refuse((v_answer ->> 'http')::integer, v_answer ->> 'error', v_answer ->> 'message');
  end if;
  return v_answer;
end
$$;

ALTER FUNCTION private.replay_event(p_event_id bigint) OWNER TO postgres;

--
-- Name: FUNCTION replay_event(p_event_id bigint); Type: COMMENT; Schema: private; Owner: postgres
--

COMMENT ON FUNCTION private.replay_event(p_event_id bigint) IS 'public.replay_event, checked.';

--
-- Name: request_drill(uuid, text); Type: FUNCTION; Schema: private; Owner: postgres
--

CREATE FUNCTION private.request_drill(p_account_id uuid, p_rule text) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
declare
  c_most constant integer := 12;
  a constant public.broker_accounts := private.my_account(p_account_id);
  v_run bigint;
begin
  if not exists (
    select 1 from public.drill_status s where s.account_id = a.id and (p_rule is null or s.rule = p_rule)
  ) then
    perform private.refuse(422, 'invalid', case when p_rule is null then 'No limit is set for this account.'
      else format('The limit %s is not set for this account.', left(p_rule, 64)) end);
  elsif exists (
    select 1 from public.drill_runs r where r.account_id = a.id and r.status in ('waiting', 'running')
  ) then
    perform private.refuse(409, 'already_running', 'This account''s limits are being drilled already.');
  elsif (
    select count(*) from public.drill_runs r where r.user_id = a.user_id and r.requested_at > clock_timestamp() - interval '1 hour'
  ) >= c_most then
    perform private.refuse(429, 'too_many', format('You have drilled %s times in the last hour, which is the most.', c_most));
  end if;
  insert into public.drill_runs (user_id, account_id, rule) values (a.user_id, a.id, p_rule) returning id into v_run;
  return v_run;
end
$$;

ALTER FUNCTION private.request_drill(p_account_id uuid, p_rule text) OWNER TO postgres;

--
-- Name: FUNCTION request_drill(p_account_id uuid, p_rule text); Type: COMMENT; Schema: private; Owner: postgres
--

COMMENT ON FUNCTION private.request_drill(p_account_id uuid, p_rule text) IS 'public.request_drill, checked.';

--
-- Name: require_admin(text); Type: FUNCTION; Schema: private; Owner: postgres
--

CREATE FUNCTION private.require_admin(p_reason text) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
begin
  if not private.is_admin() then
    perform private.refuse(403, 'admin_required', 'Only an admin, signed in with a second factor, may do this.');
  end if;
  perform private.require_step_up();
  if char_length(btrim(coalesce(p_reason, ''))) not between 3 and 200 then
    perform private.refuse(422, 'invalid', 'Say why, in 3 to 200 characters: it is recorded and shown to the trader.');
  end if;
end
$$;

ALTER FUNCTION private.require_admin(p_reason text) OWNER TO postgres;

--
-- Name: FUNCTION require_admin(p_reason text); Type: COMMENT; Schema: private; Owner: postgres
--

COMMENT ON FUNCTION private.require_admin(p_reason text) IS 'Refuses all but an admin with a fresh second factor and a reason.';

--
-- Name: require_step_up(); Type: FUNCTION; Schema: private; Owner: postgres
--

CREATE FUNCTION private.require_step_up() RETURNS void
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path TO ''
    AS $$
begin
  if private.step_up() then
    return;
  elsif private.mfa_enrolled() then
    perform private.refuse(403, 'step_up_required',
      'Confirm with a new code from your authenticator app, then try again. A code counts for 15 minutes.');
  end if;
  perform private.refuse(403, 'second_factor_required',
    'This needs a second factor: set up an authenticator app in your security settings first.');
end
$$;

ALTER FUNCTION private.require_step_up() OWNER TO postgres;

--
-- Name: FUNCTION require_step_up(); Type: COMMENT; Schema: private; Owner: postgres
--

COMMENT ON FUNCTION private.require_step_up() IS 'Refuses unless the second factor was used in the last 15 minutes.';

--
-- Name: reseal_connection(uuid, integer, text, text, text); Type: FUNCTION; Schema: private; Owner: postgres
--

CREATE FUNCTION private.reseal_connection(p_connection_id uuid, p_version integer, p_key_id text, p_sealed text, p_hint text) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
declare
  c constant public.broker_connections := private.my_connection(p_connection_id);
begin
  if c.broker = 'paper' then
    perform private.refuse(422, 'invalid', 'A paper account has no credential.');
  elsif c.environment = 'live' then
    perform private.require_step_up();
  end if;
  perform private.check_login(c.id, c.broker, c.server, coalesce(c.login_label, '-'), p_hint);
  if p_version is distinct from c.seal_version + 1 then
    perform private.refuse(409, 'version_conflict',
      format('The next version of this credential is %s, not %s: read the connection again.', c.seal_version + 1, p_version));
  elsif c.status = 'disabled' then
    perform private.check_broker_room(c.user_id, c.broker);
  end if;
  update public.broker_connections
  set status = 'new', last_error = null, credential_hint = p_hint where id = c.id;
  perform private.put_seal(c.id, p_version, p_key_id, p_sealed);
  perform private.note(c.user_id, 'warning', 'connection_resealed', format('The credential of %s at %s was replaced.', c.login_label, c.broker),
    jsonb_build_object('connection_id', c.id));
end
$$;

ALTER FUNCTION private.reseal_connection(p_connection_id uuid, p_version integer, p_key_id text, p_sealed text, p_hint text) OWNER TO postgres;

--
-- Name: FUNCTION reseal_connection(p_connection_id uuid, p_version integer, p_key_id text, p_sealed text, p_hint text); Type: COMMENT; Schema: private; Owner: postgres
--

COMMENT ON FUNCTION private.reseal_connection(p_connection_id uuid, p_version integer, p_key_id text, p_sealed text, p_hint text) IS 'public.reseal_connection, checked.';

--
-- Name: reveal_endpoint(uuid); Type: FUNCTION; Schema: private; Owner: postgres
--

CREATE FUNCTION private.reveal_endpoint(p_endpoint_id uuid) RETURNS jsonb
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
declare
  e constant public.webhook_endpoints := private.my_endpoint(p_endpoint_id);
begin
  if private.endpoint_is_live(e.id) or not private.session_is_strong_enough() then
    perform private.require_step_up();
  end if;
  insert into public.admin_actions (actor, action, target_user_id, details)
  values ('owner', 'endpoint_revealed', e.user_id, jsonb_build_object('endpoint_id', e.id, 'version', e.token_version));
  perform private.note(e.user_id, 'info', 'endpoint_revealed',
    format('The address of %s was shown.', e.name), jsonb_build_object('endpoint_id', e.id));
  return jsonb_build_object('endpoint_id', e.id, 'version', e.token_version, 'broker', e.broker);
end
$$;

ALTER FUNCTION private.reveal_endpoint(p_endpoint_id uuid) OWNER TO postgres;

--
-- Name: FUNCTION reveal_endpoint(p_endpoint_id uuid); Type: COMMENT; Schema: private; Owner: postgres
--

COMMENT ON FUNCTION private.reveal_endpoint(p_endpoint_id uuid) IS 'public.reveal_endpoint, checked.';

--
-- Name: revoke_device(uuid); Type: FUNCTION; Schema: private; Owner: postgres
--

CREATE FUNCTION private.revoke_device(p_device_id uuid) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
declare
  d constant public.devices := private.my_device(p_device_id);
begin
  if d.revoked_at is not null then
    return;
  end if;
  update public.devices set revoked_at = clock_timestamp() where id = d.id;
  delete from public.credential_seals where recipient = d.id::text;
  perform private.note(d.user_id, 'warning', 'device_revoked', format(
    'The device %s was revoked: nothing is given to it any more. What it has opened it has seen: change the passwords of its logins.',
    d.name), jsonb_build_object('device_id', d.id));
end
$$;

ALTER FUNCTION private.revoke_device(p_device_id uuid) OWNER TO postgres;

--
-- Name: FUNCTION revoke_device(p_device_id uuid); Type: COMMENT; Schema: private; Owner: postgres
--

COMMENT ON FUNCTION private.revoke_device(p_device_id uuid) IS 'public.revoke_device, checked.';

--
-- Name: revoke_endpoint(uuid); Type: FUNCTION; Schema: private; Owner: postgres
--

CREATE FUNCTION private.revoke_endpoint(p_endpoint_id uuid) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
declare
  e constant public.webhook_endpoints := private.my_endpoint(p_endpoint_id);
begin
  update public.webhook_endpoints
  set enabled = false, token_version = token_version + 1, previous_valid_until = null
  where id = e.id;
  perform private.note(e.user_id, 'warning', 'endpoint_revoked',
    format('Every address of %s is dead.', e.name), jsonb_build_object('endpoint_id', e.id));
end
$$;

ALTER FUNCTION private.revoke_endpoint(p_endpoint_id uuid) OWNER TO postgres;

--
-- Name: FUNCTION revoke_endpoint(p_endpoint_id uuid); Type: COMMENT; Schema: private; Owner: postgres
--

COMMENT ON FUNCTION private.revoke_endpoint(p_endpoint_id uuid) IS 'public.revoke_endpoint, checked.';

--
-- Name: risk_scope(uuid, jsonb); Type: FUNCTION; Schema: private; Owner: postgres
--

CREATE FUNCTION private.risk_scope(p_user uuid, p_scope jsonb) RETURNS public.risk_settings
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
declare
  v_scope constant jsonb := coalesce(p_scope, '{}');
  s public.risk_settings;
begin
  if jsonb_typeof(v_scope) <> 'object' or v_scope - array['broker', 'account_id'] <> '{}'
    or (v_scope ->> 'broker' is not null and v_scope ->> 'account_id' is not null)
    or coalesce(v_scope ->> 'broker', 'paper') not in (select unnest(enum_range(null::public.broker))::text)
    or not pg_input_is_valid(coalesce(v_scope ->> 'account_id', p_user::text), 'uuid') then
    perform private.refuse(422, 'invalid', 'The scope is {}, {"broker": ...} or {"account_id": ...}.');
  end if;
  -- Two changes at the same moment are made one after the other, and none while entries of the user are admitted: what
  -- was admitted before is written, what comes after finds the new limits. In the order of locks everywhere.
  perform 1 from public.profiles p where p.id = p_user for no key update;
  perform pg_advisory_xact_lock(hashtextextended(p_user::text, 0));
  s.user_id := p_user;
  s.broker := (v_scope ->> 'broker')::public.broker;
  if v_scope ->> 'account_id' is not null then
    s.account_id := (private.my_account((v_scope ->> 'account_id')::uuid)).id;
  end if;
  s.stop_required := false;
  s.rules := '{}';
  return s;
end
$$;

ALTER FUNCTION private.risk_scope(p_user uuid, p_scope jsonb) OWNER TO postgres;

--
-- Name: FUNCTION risk_scope(p_user uuid, p_scope jsonb); Type: COMMENT; Schema: private; Owner: postgres
--

COMMENT ON FUNCTION private.risk_scope(p_user uuid, p_scope jsonb) IS 'A row without limits for a scope of the user''s; changes of his limits are locked out until the end.';

--
-- Name: rotate_endpoint(uuid); Type: FUNCTION; Schema: private; Owner: postgres
--

CREATE FUNCTION private.rotate_endpoint(p_endpoint_id uuid) RETURNS integer
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
declare
  e constant public.webhook_endpoints := private.my_endpoint(p_endpoint_id);
begin
  if private.endpoint_is_live(e.id) then
    perform private.require_step_up();
  end if;
  update public.webhook_endpoints
  set token_version = token_version + 1, previous_valid_until = clock_timestamp() + interval '24 hours'
  where id = e.id;
  perform private.note(e.user_id, 'warning', 'endpoint_rotated',
    format('%s has a new address; the old one works for 24 hours more.', e.name),
    jsonb_build_object('endpoint_id', e.id));
  return e.token_version + 1;
end
$$;

ALTER FUNCTION private.rotate_endpoint(p_endpoint_id uuid) OWNER TO postgres;

--
-- Name: FUNCTION rotate_endpoint(p_endpoint_id uuid); Type: COMMENT; Schema: private; Owner: postgres
--

COMMENT ON FUNCTION private.rotate_endpoint(p_endpoint_id uuid) IS 'public.rotate_endpoint, checked.';

--
-- Name: rules_admit_more(jsonb, jsonb); Type: FUNCTION; Schema: private; Owner: postgres
--

CREATE FUNCTION private.rules_admit_more(o jsonb, n jsonb) RETURNS boolean
    LANGUAGE plpgsql STABLE
    SET search_path TO ''
    AS $$
begin
  return exists (
    select 1 from jsonb_each(jsonb_strip_nulls(o)) e
    where coalesce(n -> e.key, 'null') = 'null' or exists (
      select 1 from engine.rule_fields f
      where f.rule = e.key and private.field_admits_more(f, e.value -> f.field, n -> e.key -> f.field)
    )
  );
end
$$;

ALTER FUNCTION private.rules_admit_more(o jsonb, n jsonb) OWNER TO postgres;

--
-- Name: FUNCTION rules_admit_more(o jsonb, n jsonb); Type: COMMENT; Schema: private; Owner: postgres
--

COMMENT ON FUNCTION private.rules_admit_more(o jsonb, n jsonb) IS 'Whether the changed rules could admit an order that the old ones refused. Another rule more never does.';

--
-- Name: save_endpoint(public.webhook_endpoints); Type: FUNCTION; Schema: private; Owner: postgres
--

CREATE FUNCTION private.save_endpoint(e public.webhook_endpoints) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
begin
  update public.webhook_endpoints
  set name = e.name, require_signature = e.require_signature, allow_cidrs = e.allow_cidrs, max_age_s = e.max_age_s,
    dedupe_window_s = e.dedupe_window_s, on_same = e.on_same, on_opposite = e.on_opposite, scope = e.scope,
    qty_mode = e.qty_mode, qty = e.qty, allowed_symbols = e.allowed_symbols, allowed_actions = e.allowed_actions,
    max_qty = e.max_qty, max_entries_per_day = e.max_entries_per_day, alerts_per_minute = e.alerts_per_minute
  where id = e.id;
exception when integrity_constraint_violation then
  perform private.refuse(422, 'invalid', format('A setting has a value we do not allow: %s.', sqlerrm));
end
$$;

ALTER FUNCTION private.save_endpoint(e public.webhook_endpoints) OWNER TO postgres;

--
-- Name: FUNCTION save_endpoint(e public.webhook_endpoints); Type: COMMENT; Schema: private; Owner: postgres
--

COMMENT ON FUNCTION private.save_endpoint(e public.webhook_endpoints) IS 'Writes the settings of an endpoint.';

--
-- Name: seal_bytes(text); Type: FUNCTION; Schema: private; Owner: postgres
--

CREATE FUNCTION private.seal_bytes(p_sealed text) RETURNS bytea
    LANGUAGE plpgsql IMMUTABLE
    SET search_path TO ''
    AS $_$
declare
  v bytea;
begin
  if char_length(p_sealed) <= 21846 and p_sealed ~ '^[A-Za-z0-9_-]+$' then
    v := decode(translate(p_sealed, '-_', '+/') || repeat('=', (4 - char_length(p_sealed) % 4) % 4), 'base64');
  end if;
  if v is null or octet_length(v) not between 48 and 16384 then
    perform private.refuse(422, 'invalid', 'The sealed credential is base64url text of 48 to 16384 bytes.');
  end if;
  return v;
exception when invalid_parameter_value then
  perform private.refuse(422, 'invalid', 'The sealed credential is base64url text of 48 to 16384 bytes.');
  return null;
end
$_$;

ALTER FUNCTION private.seal_bytes(p_sealed text) OWNER TO postgres;

--
-- Name: FUNCTION seal_bytes(p_sealed text); Type: COMMENT; Schema: private; Owner: postgres
--

COMMENT ON FUNCTION private.seal_bytes(p_sealed text) IS 'The bytes of a sealed credential as clients send it.';

--
-- Name: seal_to_device(uuid, integer, text, text); Type: FUNCTION; Schema: private; Owner: postgres
--

CREATE FUNCTION private.seal_to_device(p_connection_id uuid, p_version integer, p_key_id text, p_sealed text) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
declare
  c constant public.broker_connections := private.my_connection(p_connection_id);
  v_recipient text;
begin
  if c.environment = 'live' then
    perform private.require_step_up();
  end if;
  v_recipient := private.recipient_of(p_connection_id, p_key_id);
  if c.status = 'disabled' then
    perform private.refuse(409, 'disconnected', 'This login is disconnected: connect it again first (reseal_connection).');
  elsif v_recipient = 'fleet' then
    perform private.refuse(422, 'invalid', 'That is the fleet''s key: seal a new version (reseal_connection).');
  elsif p_version is distinct from c.seal_version then
    perform private.refuse(409, 'version_conflict',
      format('The credential in force is version %s, not %s: read the connection again.', c.seal_version, p_version));
  elsif exists (
    select 1 from public.credential_seals s
    where s.connection_id = c.id and s.recipient = v_recipient and s.version = p_version
  ) then
    return;
  end if;
  insert into public.credential_seals (connection_id, recipient, key_id, version, sealed)
  values (c.id, v_recipient, p_key_id, p_version, private.seal_bytes(p_sealed));
  perform private.note(c.user_id, 'warning', 'connection_sealed_to_device', format(
    'The credential of %s at %s was sealed to a device of yours, key %s.', c.login_label, c.broker, p_key_id),
    jsonb_build_object('connection_id', c.id, 'device_id', v_recipient));
end
$$;

ALTER FUNCTION private.seal_to_device(p_connection_id uuid, p_version integer, p_key_id text, p_sealed text) OWNER TO postgres;

--
-- Name: FUNCTION seal_to_device(p_connection_id uuid, p_version integer, p_key_id text, p_sealed text); Type: COMMENT; Schema: private; Owner: postgres
--

COMMENT ON FUNCTION private.seal_to_device(p_connection_id uuid, p_version integer, p_key_id text, p_sealed text) IS 'public.seal_to_device, checked.';

--
-- Name: send_code(public.notification_targets); Type: FUNCTION; Schema: private; Owner: postgres
--

CREATE FUNCTION private.send_code(n public.notification_targets) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
begin
  -- Not from random(), which can be foreseen: these are the random bits of a uuid.
  insert into engine.notification_codes (target_id, code, expires_at)
  values (n.id, lpad((('x' || right(replace(gen_random_uuid()::text, '-', ''), 8))::bit(32)::bigint % 1000000)::text, 6, '0'),
    clock_timestamp() + interval '30 minutes')
  on conflict (target_id) do update
  set code = excluded.code, wrong = 0, expires_at = excluded.expires_at;
  return private.send_test(n, 'A code was sent to this target: confirm it, and messages will be sent here.');
end
$$;

ALTER FUNCTION private.send_code(n public.notification_targets) OWNER TO postgres;

--
-- Name: FUNCTION send_code(n public.notification_targets); Type: COMMENT; Schema: private; Owner: postgres
--

COMMENT ON FUNCTION private.send_code(n public.notification_targets) IS 'Sends a new code to a target; it counts for 30 minutes and five tries.';

--
-- Name: send_test(public.notification_targets, text); Type: FUNCTION; Schema: private; Owner: postgres
--

CREATE FUNCTION private.send_test(n public.notification_targets, p_text text) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
declare
  c_most constant integer := 10;
  v_id bigint;
begin
  if (
    select count(*) from public.notifications t
    where t.user_id = n.user_id and t.event_class = 'test' and t.created_at > clock_timestamp() - interval '1 hour'
  ) >= c_most then
    perform private.refuse(429, 'rate_limited', format('%s tests and codes an hour are the most we send: try again later.', c_most));
  end if;
  insert into public.notifications (user_id, target_id, kind, target_name, event_class, event_key, message)
  values (n.user_id, n.id, n.kind, n.name, 'test', 't' || gen_random_uuid(), p_text) returning id into v_id;
  update engine.notification_doors set rest_until = null, failures = 0 where target_id = n.id;
  return v_id;
end
$$;

ALTER FUNCTION private.send_test(n public.notification_targets, p_text text) OWNER TO postgres;

--
-- Name: FUNCTION send_test(n public.notification_targets, p_text text); Type: COMMENT; Schema: private; Owner: postgres
--

COMMENT ON FUNCTION private.send_test(n public.notification_targets, p_text text) IS 'A message that is no event, at most ten an hour and user.';

--
-- Name: session_is_strong_enough(); Type: FUNCTION; Schema: private; Owner: postgres
--

CREATE FUNCTION private.session_is_strong_enough() RETURNS boolean
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO ''
    AS $$
  select coalesce((select auth.jwt()) ->> 'aal' = 'aal2', false) or not private.mfa_enrolled()
$$;

ALTER FUNCTION private.session_is_strong_enough() OWNER TO postgres;

--
-- Name: FUNCTION session_is_strong_enough(); Type: COMMENT; Schema: private; Owner: postgres
--

COMMENT ON FUNCTION private.session_is_strong_enough() IS 'Who has enrolled a second factor must have used it in this session; who has none, need not.';

--
-- Name: set_account(uuid, jsonb); Type: FUNCTION; Schema: private; Owner: postgres
--

CREATE FUNCTION private.set_account(p_account_id uuid, p_values jsonb) RETURNS timestamp with time zone
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
declare
  a public.broker_accounts := private.my_account(p_account_id);
  c_live constant boolean := private.any_live(array[a.id]);
  v_old constant jsonb := private.account_settings(a);
  v_new jsonb;
  v_from timestamptz;
begin
  perform private.check_account_settings(p_values);
  v_new := private.account_settings(engine.with_settings(a, coalesce(a.next_settings, '{}') || p_values));
  if v_new = private.account_settings(engine.with_settings(a, coalesce(a.next_settings, '{}'))) then
    return a.next_settings_from;
  elsif v_new = v_old then
    update public.broker_accounts set next_settings = null, next_settings_from = null where id = a.id;
  elsif not c_live then
    a := engine.with_settings(a, v_new);
  else
    perform private.require_step_up();
    v_from := clock_timestamp() + make_interval(mins => (select private.loosen_minutes(p) from public.profiles p where p.id = a.user_id));
    a.next_settings := v_new - array(select k from jsonb_object_keys(v_new) k where v_new -> k = v_old -> k);
    a.next_settings_from := v_from;
  end if;
  update public.broker_accounts set timezone = a.timezone, reset_time = a.reset_time, initial_balance = a.initial_balance,
    next_settings = a.next_settings, next_settings_from = a.next_settings_from
  where id = a.id and v_new <> v_old;
  perform private.record_change(a.user_id, 'account_settings_changed', v_new <> v_old,
    format('The day and the start of %s count by other settings%s.', coalesce(a.label, a.account_id),
      coalesce(to_char(v_from at time zone 'UTC', '" from "YYYY-MM-DD HH24:MI" UTC on"'), '')),
    jsonb_build_object('account_id', a.id, 'old', v_old, 'new', v_new, 'effective_from', coalesce(v_from, clock_timestamp())));
  return v_from;
end
$$;

ALTER FUNCTION private.set_account(p_account_id uuid, p_values jsonb) OWNER TO postgres;

--
-- Name: FUNCTION set_account(p_account_id uuid, p_values jsonb); Type: COMMENT; Schema: private; Owner: postgres
--

COMMENT ON FUNCTION private.set_account(p_account_id uuid, p_values jsonb) IS 'public.set_account, checked.';

--
-- Name: set_endpoint_accounts(uuid, uuid[], numeric[]); Type: FUNCTION; Schema: private; Owner: postgres
--

CREATE FUNCTION private.set_endpoint_accounts(p_endpoint_id uuid, p_account_ids uuid[], p_multipliers numeric[]) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
declare
  e constant public.webhook_endpoints := private.my_endpoint(p_endpoint_id);
  v_growing uuid [];
begin
  if p_multipliers is not null and (
    cardinality(p_multipliers) <> coalesce(cardinality(p_account_ids), 0)
    or exists (select 1 from unnest(p_multipliers) m where m is null or m <= 0 or m > 100)
  ) then
    perform private.refuse(422, 'invalid', 'There is one multiplier above 0 and up to 100 for each account.');
  end if;
  perform private.check_endpoint_accounts(e.broker, p_account_ids);
  select array_agg(w.id) into v_growing
  from unnest(p_account_ids, p_multipliers) w (id, multiplier)
  left join public.webhook_endpoint_accounts t on t.endpoint_id = e.id and t.account_id = w.id
  where t.account_id is null or w.multiplier > t.multiplier;
  if private.any_live(v_growing) then
    perform private.require_step_up();
  end if;
  delete from public.webhook_endpoint_accounts t
  where t.endpoint_id = e.id and t.account_id <> all (coalesce(p_account_ids, '{}'));
  insert into public.webhook_endpoint_accounts as t (endpoint_id, account_id, user_id, multiplier)
  select distinct on (w.id) e.id, w.id, e.user_id, coalesce(w.multiplier, 1)
  from unnest(p_account_ids, p_multipliers) w (id, multiplier)
  order by w.id, w.multiplier
  on conflict (endpoint_id, account_id) do update
  set multiplier = excluded.multiplier
  where p_multipliers is not null and t.multiplier <> excluded.multiplier;
end
$$;

ALTER FUNCTION private.set_endpoint_accounts(p_endpoint_id uuid, p_account_ids uuid[], p_multipliers numeric[]) OWNER TO postgres;

--
-- Name: FUNCTION set_endpoint_accounts(p_endpoint_id uuid, p_account_ids uuid[], p_multipliers numeric[]); Type: COMMENT; Schema: private; Owner: postgres
--

COMMENT ON FUNCTION private.set_endpoint_accounts(p_endpoint_id uuid, p_account_ids uuid[], p_multipliers numeric[]) IS 'public.set_endpoint_accounts, checked.';

--
-- Name: set_loosen_delay(integer); Type: FUNCTION; Schema: private; Owner: postgres
--

CREATE FUNCTION private.set_loosen_delay(p_minutes integer) RETURNS timestamp with time zone
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
declare
  v_me constant uuid := (private.risk_scope(private.me(), '{}')).user_id;
  v_now constant integer := (select private.loosen_minutes(p) from public.profiles p where p.id = v_me);
  v_from constant timestamptz := clock_timestamp() + make_interval(mins => v_now);
begin
  if p_minutes is null or p_minutes not between 0 and 43200 then
    perform private.refuse_value('minutes', to_jsonb(p_minutes), '0 to 43200 minutes (30 days) are allowed.');
  elsif p_minutes >= v_now then
    update public.profiles set loosen_delay = p_minutes, loosen_delay_next = null, loosen_delay_next_from = null where id = v_me;
  else
    -- Shorter is looser: it waits for the delay it shortens.
    perform private.require_step_up();
    update public.profiles set loosen_delay = v_now, loosen_delay_next = p_minutes, loosen_delay_next_from = v_from where id = v_me;
  end if;
  perform private.record_change(v_me, 'loosen_delay_changed', p_minutes < v_now,
    format('Looser limits wait %s minutes instead of %s.', p_minutes, v_now),
    jsonb_build_object('old', v_now, 'new', p_minutes, 'effective_from', case when p_minutes < v_now then v_from end));
  return case when p_minutes < v_now then v_from end;
end
$$;

ALTER FUNCTION private.set_loosen_delay(p_minutes integer) OWNER TO postgres;

--
-- Name: FUNCTION set_loosen_delay(p_minutes integer); Type: COMMENT; Schema: private; Owner: postgres
--

COMMENT ON FUNCTION private.set_loosen_delay(p_minutes integer) IS 'public.set_loosen_delay, checked.';

--
-- Name: set_risk(jsonb, jsonb); Type: FUNCTION; Schema: private; Owner: postgres
--

CREATE FUNCTION private.set_risk(p_scope jsonb, p_values jsonb) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
declare
  s constant public.risk_settings := private.risk_scope(private.me(), p_scope);
  o constant public.risk_settings := private.limits_of_scope(s, false);
  -- What was asked for last is what an absent value leaves unchanged.
  w constant public.risk_settings := private.limits_of_scope(o, true);
  n constant public.risk_settings := private.with_limits(w, p_values);
  t public.risk_settings := n;
  v_from timestamptz;
begin
  if w.id is not null and private.limit_values(n) = private.limit_values(w) then
    return w.id;
  end if;
  if private.limits_admit_more(w, n) and coalesce(s.broker <> 'paper', true)
    and (s.account_id is null or private.any_live(array[s.account_id])) then
    perform private.require_step_up();
  end if;
  if private.limits_admit_more(o, n) then
    -- What waits already has not to wait anew because something was tightened.
    v_from := case when w.id is distinct from o.id and not private.limits_admit_more(w, n) then w.effective_from
      else private.loosens_from(s) end;
    if v_from > clock_timestamp() then
      t := private.tighter_limits(o, n);
    else
      v_from := null;
    end if;
  end if;
  perform private.record_limits(o, t, n, v_from);
  return private.put_limits(o, t, n, v_from);
end
$$;

ALTER FUNCTION private.set_risk(p_scope jsonb, p_values jsonb) OWNER TO postgres;

--
-- Name: FUNCTION set_risk(p_scope jsonb, p_values jsonb); Type: COMMENT; Schema: private; Owner: postgres
--

COMMENT ON FUNCTION private.set_risk(p_scope jsonb, p_values jsonb) IS 'public.set_risk, checked.';

--
-- Name: step_up(); Type: FUNCTION; Schema: private; Owner: postgres
--

CREATE FUNCTION private.step_up() RETURNS boolean
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO ''
    AS $$
  select coalesce((select auth.jwt()) ->> 'aal' = 'aal2', false) and exists (
    select 1
    from jsonb_array_elements(
      case when jsonb_typeof((select auth.jwt()) -> 'amr') = 'array' then (select auth.jwt()) -> 'amr' else '[]' end
    ) as used (entry)
    where used.entry ->> 'method' = 'totp'
      and (used.entry ->> 'timestamp')::numeric >= extract(epoch from clock_timestamp()) - 900
  )
$$;

ALTER FUNCTION private.step_up() OWNER TO postgres;

--
-- Name: FUNCTION step_up(); Type: COMMENT; Schema: private; Owner: postgres
--

COMMENT ON FUNCTION private.step_up() IS 'The second factor was used in this session at most 15 minutes ago.';

--
-- Name: stop_entries(uuid[]); Type: FUNCTION; Schema: private; Owner: postgres
--

CREATE FUNCTION private.stop_entries(p_accounts uuid[]) RETURNS integer
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
declare
  v_ended bigint [];
begin
  -- All accounts before anything else: the order of locks everywhere.
  perform 1 from public.broker_accounts a where a.id = any (p_accounts) order by a.id for no key update;
  update public.broker_accounts set halt_epoch = halt_epoch + 1 where id = any (p_accounts);
  v_ended := engine.supersede(
    p_accounts, array['open', 'add', 'reverse', 'target', 'modify']::public.action [], null, null, null, null, null
  );
  -- Exits are never refused: those in the queue, and deliveries whose protection is still to be sent, go on.
  update public.deliveries d set halt_epoch = a.halt_epoch
  from engine.queue q join public.broker_accounts a on a.id = q.account_id
  where q.account_id = any (p_accounts) and d.id = q.id and (q.is_exit or exists (
    select 1 from engine.commands c where c.delivery_id = q.id and c.state <> 'pending'
  ));
  perform engine.close_events(v_ended);
  return cardinality(v_ended);
end
$$;

ALTER FUNCTION private.stop_entries(p_accounts uuid[]) OWNER TO postgres;

--
-- Name: FUNCTION stop_entries(p_accounts uuid[]); Type: COMMENT; Schema: private; Owner: postgres
--

COMMENT ON FUNCTION private.stop_entries(p_accounts uuid[]) IS 'Nothing of these accounts that opens a position and was accepted before now is sent any more. Returns how many were ended.';

--
-- Name: submit_intent(jsonb, text, text); Type: FUNCTION; Schema: private; Owner: postgres
--

CREATE FUNCTION private.submit_intent(p_intent jsonb, p_idempotency_key text, p_source text) RETURNS jsonb
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
declare
  v_me constant uuid := private.me();
  v_exit constant boolean := coalesce(p_intent ->> 'action', 'open') in ('close', 'reduce', 'cancel', 'flatten');
  v_accounts uuid [];
  v_answer jsonb;
begin
  if jsonb_typeof(p_intent) is distinct from 'object' then
    perform private.refuse(422, 'invalid', 'An intent is an object such as {"action": "open", "side": "buy", ...}.');
  elsif coalesce(p_source, '') not in ('dashboard', 'cli') then
    perform private.refuse(422, 'invalid', 'The source is dashboard or cli.');
  elsif char_length(p_idempotency_key) not between 1 and 128 then
    perform private.refuse(422, 'invalid', 'An idempotency key has 1 to 128 characters.');
  end if;
  v_accounts := private.accounts_named(v_me, p_intent -> 'accounts');
  perform private.check_trading_session(v_accounts, v_exit);
  v_answer := engine.accept_intent(jsonb_build_object(
    'user_id', v_me, 'source', p_source, 'intent', p_intent - 'accounts', 'idempotency_key', p_idempotency_key,
    'accounts', to_jsonb(v_accounts), 'aal2', coalesce((select auth.jwt()) ->> 'aal' = 'aal2', false)
  ));
  if (v_answer ->> 'http')::integer <> 202 then
    perform private.refuse((v_answer ->> 'http')::integer, v_answer ->> 'error', v_answer ->> 'message');
  end if;
  return v_answer;
exception when data_exception then
  perform private.refuse(422, 'invalid', format('The intent cannot be read: %s.', sqlerrm));
end
$$;

ALTER FUNCTION private.submit_intent(p_intent jsonb, p_idempotency_key text, p_source text) OWNER TO postgres;

--
-- Name: FUNCTION submit_intent(p_intent jsonb, p_idempotency_key text, p_source text); Type: COMMENT; Schema: private; Owner: postgres
--

COMMENT ON FUNCTION private.submit_intent(p_intent jsonb, p_idempotency_key text, p_source text) IS 'public.submit_intent, checked.';

--
-- Name: symbols_in(text[], text[]); Type: FUNCTION; Schema: private; Owner: postgres
--

CREATE FUNCTION private.symbols_in(p_symbols text[], p_list text[]) RETURNS text[]
    LANGUAGE plpgsql IMMUTABLE
    SET search_path TO ''
    AS $$
begin
  -- Two spellings of one instrument are one symbol (an exchange in front, a contract month).
  return array(
    select s from unnest(p_symbols) s
    where engine.symbol_key(s) in (select engine.symbol_key(l) from unnest(p_list) l) order by s
  );
end
$$;

ALTER FUNCTION private.symbols_in(p_symbols text[], p_list text[]) OWNER TO postgres;

--
-- Name: FUNCTION symbols_in(p_symbols text[], p_list text[]); Type: COMMENT; Schema: private; Owner: postgres
--

COMMENT ON FUNCTION private.symbols_in(p_symbols text[], p_list text[]) IS 'Those of the symbols that are on a list, by their keys.';

--
-- Name: tell_deliveries(); Type: FUNCTION; Schema: private; Owner: postgres
--

CREATE FUNCTION private.tell_deliveries() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
begin
  if tg_op = 'INSERT' then
    insert into realtime.messages (topic, extension, private, event, payload)
    select 'events:' || n.user_id, 'broadcast', true, 'delivery.created', private.delivery_message(n::public.deliveries)
    from changed n order by n.id;
  else
    -- queued, claimed and queued again are one thing to a trader: not finished yet.
    insert into realtime.messages (topic, extension, private, event, payload)
    select 'events:' || n.user_id, 'broadcast', true, 'delivery.updated', private.delivery_message(n::public.deliveries)
    from changed n join before o on o.id = n.id
    -- What a flatten could not close yet may be another thing in every round.
    where (n.status in ('done', 'dead'), n.outcome, n.reason)
      is distinct from (o.status in ('done', 'dead'), o.outcome, o.reason)
      or (n.reason = 'not_flat' and n.numbers is distinct from o.numbers)
    order by n.id;
  end if;
  return null;
exception when others then
  perform private.count_realtime_failure();
  return null;
end
$$;

ALTER FUNCTION private.tell_deliveries() OWNER TO postgres;

--
-- Name: FUNCTION tell_deliveries(); Type: COMMENT; Schema: private; Owner: postgres
--

COMMENT ON FUNCTION private.tell_deliveries() IS 'Tells owners of new and finished deliveries.';

--
-- Name: tell_events(); Type: FUNCTION; Schema: private; Owner: postgres
--

CREATE FUNCTION private.tell_events() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
begin
  if tg_op = 'INSERT' then
    insert into realtime.messages (topic, extension, private, event, payload)
    select 'events:' || n.user_id, 'broadcast', true, 'event.created', private.event_message(n::public.webhook_events)
    from changed n order by n.id;
  else
    -- That all deliveries of an alert have ended, they have said themselves.
    insert into realtime.messages (topic, extension, private, event, payload)
    select 'events:' || n.user_id, 'broadcast', true, 'event.updated', private.event_message(n::public.webhook_events)
    from changed n join before o on o.id = n.id
    where (n.status, n.reason) is distinct from (o.status, o.reason)
    order by n.id;
  end if;
  return null;
exception when others then
  perform private.count_realtime_failure();
  return null;
end
$$;

ALTER FUNCTION private.tell_events() OWNER TO postgres;

--
-- Name: FUNCTION tell_events(); Type: COMMENT; Schema: private; Owner: postgres
--

COMMENT ON FUNCTION private.tell_events() IS 'Tells owners of new and changed alerts.';

--
-- Name: tell_health(); Type: FUNCTION; Schema: private; Owner: postgres
--

CREATE FUNCTION private.tell_health() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
begin
  insert into realtime.messages (topic, extension, private, event, payload)
  select 'health:system', 'broadcast', true, 'health.updated',
    jsonb_build_object(
      'broker', n.broker, 'v', floor(extract(epoch from n.updated_at) * 1000)::bigint, 'status', n.status,
      'latency_ms', n.latency_ms::text, 'message', n.message, 'updated_at', n.updated_at
    )
  from changed n join before o on o.broker = n.broker
  where (n.status, n.message) is distinct from (o.status, o.message)
  order by n.broker;
  return null;
exception when others then
  perform private.count_realtime_failure();
  return null;
end
$$;

ALTER FUNCTION private.tell_health() OWNER TO postgres;

--
-- Name: FUNCTION tell_health(); Type: COMMENT; Schema: private; Owner: postgres
--

COMMENT ON FUNCTION private.tell_health() IS 'Tells everyone when a broker''s health changes; a new latency alone is no news.';

--
-- Name: tell_logs(); Type: FUNCTION; Schema: private; Owner: postgres
--

CREATE FUNCTION private.tell_logs() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
begin
  insert into realtime.messages (topic, extension, private, event, payload)
  select 'logs:' || n.user_id, 'broadcast', true, 'log.created',
    jsonb_build_object(
      'id', n.id::text, 'v', 1, 'level', n.level, 'type', n.type, 'message', n.message,
      'correlation_id', n.correlation_id::text, 'created_at', n.created_at
    )
  from changed n
  where n.user_id is not null
  order by n.id;
  return null;
exception when others then
  perform private.count_realtime_failure();
  return null;
end
$$;

ALTER FUNCTION private.tell_logs() OWNER TO postgres;

--
-- Name: FUNCTION tell_logs(); Type: COMMENT; Schema: private; Owner: postgres
--

COMMENT ON FUNCTION private.tell_logs() IS 'Tells users of new lines in their log.';

--
-- Name: tell_orders(); Type: FUNCTION; Schema: private; Owner: postgres
--

CREATE FUNCTION private.tell_orders() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
begin
  if tg_op = 'INSERT' then
    insert into realtime.messages (topic, extension, private, event, payload)
    select 'orders:' || n.user_id, 'broadcast', true, 'order.created', private.order_message(n::public.orders)
    from changed n order by n.id;
  else
    -- From pending to submitting nothing happens that a trader could see: the broker has not answered yet.
    insert into realtime.messages (topic, extension, private, event, payload)
    select 'orders:' || n.user_id, 'broadcast', true, 'order.updated', private.order_message(n::public.orders)
    from changed n join before o on o.id = n.id
    where (n.status, n.filled_qty, n.qty) is distinct from (o.status, o.filled_qty, o.qty)
      and not (n.status = 'submitting' and o.status = 'pending')
      or (n.avg_price, n.price, n.stop_price, n.stop_loss, n.take_profit, n.reason, n.venue_order_id)
      is distinct from (o.avg_price, o.price, o.stop_price, o.stop_loss, o.take_profit, o.reason, o.venue_order_id)
    order by n.id;
  end if;
  return null;
exception when others then
  perform private.count_realtime_failure();
  return null;
end
$$;

ALTER FUNCTION private.tell_orders() OWNER TO postgres;

--
-- Name: FUNCTION tell_orders(); Type: COMMENT; Schema: private; Owner: postgres
--

COMMENT ON FUNCTION private.tell_orders() IS 'Tells owners of new and changed orders.';

--
-- Name: tell_positions(); Type: FUNCTION; Schema: private; Owner: postgres
--

CREATE FUNCTION private.tell_positions() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
begin
  if tg_op = 'INSERT' then
    insert into realtime.messages (topic, extension, private, event, payload)
    select 'positions:' || n.user_id, 'broadcast', true, 'position.created', private.position_message(n::public.positions)
    from changed n order by n.id;
  else
    -- as_of alone is no news: every poll of the broker moves it.
    insert into realtime.messages (topic, extension, private, event, payload)
    select 'positions:' || n.user_id, 'broadcast', true, 'position.updated', private.position_message(n::public.positions)
    from changed n join before o on o.id = n.id
    where (n.side, n.qty, n.entry_price, n.unrealized_pnl, n.stop_loss, n.take_profit, n.closed_at, n.freshness)
      is distinct from
      (o.side, o.qty, o.entry_price, o.unrealized_pnl, o.stop_loss, o.take_profit, o.closed_at, o.freshness)
    order by n.id;
  end if;
  return null;
exception when others then
  perform private.count_realtime_failure();
  return null;
end
$$;

ALTER FUNCTION private.tell_positions() OWNER TO postgres;

--
-- Name: FUNCTION tell_positions(); Type: COMMENT; Schema: private; Owner: postgres
--

COMMENT ON FUNCTION private.tell_positions() IS 'Tells owners of new and changed positions.';

--
-- Name: test_notification_target(uuid); Type: FUNCTION; Schema: private; Owner: postgres
--

CREATE FUNCTION private.test_notification_target(p_target_id uuid) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
declare
  n constant public.notification_targets := private.my_target(p_target_id);
begin
  if not n.enabled then
    perform private.refuse(409, 'target_disabled', format('%s is switched off: switch it on first.', n.name));
  elsif n.verified_at is null then
    return private.send_code(n);
  end if;
  return private.send_test(n, format('This is a test: messages of your account arrive at %s.', n.name));
end
$$;

ALTER FUNCTION private.test_notification_target(p_target_id uuid) OWNER TO postgres;

--
-- Name: FUNCTION test_notification_target(p_target_id uuid); Type: COMMENT; Schema: private; Owner: postgres
--

COMMENT ON FUNCTION private.test_notification_target(p_target_id uuid) IS 'public.test_notification_target, checked.';

--
-- Name: text_values(jsonb); Type: FUNCTION; Schema: private; Owner: postgres
--

CREATE FUNCTION private.text_values(p_numbers jsonb) RETURNS jsonb
    LANGUAGE plpgsql IMMUTABLE
    SET search_path TO ''
    AS $$
begin
  if pg_catalog.jsonb_typeof(p_numbers) is distinct from 'object' then
    return null;
  end if;
  return (select pg_catalog.jsonb_object_agg(m.key, m.value) from pg_catalog.jsonb_each_text(p_numbers) m);
end
$$;

ALTER FUNCTION private.text_values(p_numbers jsonb) OWNER TO postgres;

--
-- Name: FUNCTION text_values(p_numbers jsonb); Type: COMMENT; Schema: private; Owner: postgres
--

COMMENT ON FUNCTION private.text_values(p_numbers jsonb) IS 'The members of an object as text, so that a browser shows every digit.';

--
-- Name: tighter_field(engine.rule_fields, jsonb, jsonb); Type: FUNCTION; Schema: private; Owner: postgres
--

CREATE FUNCTION private.tighter_field(f engine.rule_fields, o jsonb, n jsonb) RETURNS jsonb
    LANGUAGE plpgsql IMMUTABLE
    SET search_path TO ''
    AS $$
begin
  if not private.field_admits_more(f, o, n) then
    return n;
  elsif n is null or n = 'null' or f.looser = 'any' then
    return o;
  elsif f.type = 'quantities' then
    return (
      select jsonb_object_agg(k, least((o ->> k)::numeric, (n ->> k)::numeric))
      from (select jsonb_object_keys(o) union select jsonb_object_keys(n)) u (k)
    );
  elsif f.looser = 'superset' then
    return (select coalesce(jsonb_agg(v), '[]') from jsonb_array_elements(n) v where o @> v);
  elsif f.looser = 'subset' then
    return o || (select coalesce(jsonb_agg(v), '[]') from jsonb_array_elements(n) v where not o @> v);
  end if;
  return o;
end
$$;

ALTER FUNCTION private.tighter_field(f engine.rule_fields, o jsonb, n jsonb) OWNER TO postgres;

--
-- Name: FUNCTION tighter_field(f engine.rule_fields, o jsonb, n jsonb); Type: COMMENT; Schema: private; Owner: postgres
--

COMMENT ON FUNCTION private.tighter_field(f engine.rule_fields, o jsonb, n jsonb) IS 'The value that refuses what the old or the new one refuses; of what cannot be compared, the old one.';

--
-- Name: tighter_limits(public.risk_settings, public.risk_settings); Type: FUNCTION; Schema: private; Owner: postgres
--

CREATE FUNCTION private.tighter_limits(o public.risk_settings, n public.risk_settings) RETURNS public.risk_settings
    LANGUAGE plpgsql STABLE
    SET search_path TO ''
    AS $$
begin
  n.max_daily_loss_usd := least(o.max_daily_loss_usd, n.max_daily_loss_usd);
  n.max_daily_loss_pct := least(o.max_daily_loss_pct, n.max_daily_loss_pct);
  n.max_trades_per_day := least(o.max_trades_per_day, n.max_trades_per_day);
  n.max_open_trades := least(o.max_open_trades, n.max_open_trades);
  n.max_concurrent_positions := least(o.max_concurrent_positions, n.max_concurrent_positions);
  n.max_order_qty := least(o.max_order_qty, n.max_order_qty);
  -- Not set means 5 % where no other scope says anything: of the two the tighter, whatever the others say.
  n.max_risk_per_trade_pct := case
    when o.max_risk_per_trade_pct is not distinct from n.max_risk_per_trade_pct then n.max_risk_per_trade_pct
    else least(coalesce(o.max_risk_per_trade_pct, 5), coalesce(n.max_risk_per_trade_pct, 5)) end;
  n.max_price_deviation_pct := least(o.max_price_deviation_pct, n.max_price_deviation_pct);
  n.stop_required := o.stop_required or n.stop_required;
  n.allowed_symbols := case
    when o.allowed_symbols is null then n.allowed_symbols when n.allowed_symbols is null then o.allowed_symbols
    else private.symbols_in(n.allowed_symbols, o.allowed_symbols) end;
  n.rules := private.tighter_rules(o.rules, n.rules);
  return n;
end
$$;

ALTER FUNCTION private.tighter_limits(o public.risk_settings, n public.risk_settings) OWNER TO postgres;

--
-- Name: FUNCTION tighter_limits(o public.risk_settings, n public.risk_settings); Type: COMMENT; Schema: private; Owner: postgres
--

COMMENT ON FUNCTION private.tighter_limits(o public.risk_settings, n public.risk_settings) IS 'Limits that refuse what the old or the new ones refuse: what of a change counts at once.';

--
-- Name: tighter_rule(text, jsonb, jsonb); Type: FUNCTION; Schema: private; Owner: postgres
--

CREATE FUNCTION private.tighter_rule(p_rule text, o jsonb, n jsonb) RETURNS jsonb
    LANGUAGE plpgsql STABLE
    SET search_path TO ''
    AS $$
declare
  v_both jsonb;
begin
  if coalesce(o, 'null') = 'null' then
    return n;
  elsif coalesce(n, 'null') = 'null' or exists (
    select 1 from engine.rule_fields f
    where f.rule = p_rule and f.looser = 'any' and private.field_admits_more(f, o -> f.field, n -> f.field)
  ) then
    -- A limit of 500 and one of 2 percent: the numbers mean different things, so the old rule stays whole.
    return o;
  end if;
  select jsonb_object_agg(f.field, private.tighter_field(f, o -> f.field, n -> f.field)) into v_both
  from engine.rule_fields f where f.rule = p_rule;
  v_both := jsonb_strip_nulls(v_both);
  perform private.check_rule(p_rule, v_both);
  return v_both;
exception when sqlstate 'PT422' then
  return o;
end
$$;

ALTER FUNCTION private.tighter_rule(p_rule text, o jsonb, n jsonb) OWNER TO postgres;

--
-- Name: FUNCTION tighter_rule(p_rule text, o jsonb, n jsonb); Type: COMMENT; Schema: private; Owner: postgres
--

COMMENT ON FUNCTION private.tighter_rule(p_rule text, o jsonb, n jsonb) IS 'A rule that refuses what the old or the new one refuses; where there is none that makes sense, the old one.';

--
-- Name: tighter_rules(jsonb, jsonb); Type: FUNCTION; Schema: private; Owner: postgres
--

CREATE FUNCTION private.tighter_rules(o jsonb, n jsonb) RETURNS jsonb
    LANGUAGE plpgsql STABLE
    SET search_path TO ''
    AS $$
begin
  return (
    select coalesce(jsonb_object_agg(k, private.tighter_rule(k, o -> k, n -> k)), '{}')
    from (select jsonb_object_keys(o) union select jsonb_object_keys(n)) u (k)
  );
end
$$;

ALTER FUNCTION private.tighter_rules(o jsonb, n jsonb) OWNER TO postgres;

--
-- Name: FUNCTION tighter_rules(o jsonb, n jsonb); Type: COMMENT; Schema: private; Owner: postgres
--

COMMENT ON FUNCTION private.tighter_rules(o jsonb, n jsonb) IS 'Rules that refuse what the old or the new ones refuse.';

--
-- Name: touch(); Type: FUNCTION; Schema: private; Owner: postgres
--

CREATE FUNCTION private.touch() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
begin
  if tg_argv[0] <> 'updated_at' then
    new.version := old.version + 1;
  end if;
  if tg_argv[0] <> 'version' then
    new.updated_at := clock_timestamp();
  end if;
  return new;
end
$$;

ALTER FUNCTION private.touch() OWNER TO postgres;

--
-- Name: FUNCTION touch(); Type: COMMENT; Schema: private; Owner: postgres
--

COMMENT ON FUNCTION private.touch() IS 'Raises version and sets updated_at on every update. Argument: both, version or updated_at, whichever the table has.';

--
-- Name: unlock_account(uuid); Type: FUNCTION; Schema: private; Owner: postgres
--

CREATE FUNCTION private.unlock_account(p_account_id uuid) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
declare
  a constant public.broker_accounts := private.my_account(p_account_id);
begin
  if private.any_live(array[a.id]) then
    perform private.require_step_up();
  end if;
  if exists (select 1 from engine.locks_of(a.id)) then
    perform private.refuse(409, 'locked', 'A limit has locked this account: lift_lock asks whether it is still reached, and for a reason.');
  end if;
  update public.broker_accounts set locked_until = null, lock_reason = null
  where id = a.id and locked_until is not null;
  if found then
    perform private.note(a.user_id, 'warning', 'account_unlocked',
      format('The lock of %s was lifted.', coalesce(a.label, a.account_id)), jsonb_build_object('account_id', a.id));
  end if;
end
$$;

ALTER FUNCTION private.unlock_account(p_account_id uuid) OWNER TO postgres;

--
-- Name: FUNCTION unlock_account(p_account_id uuid); Type: COMMENT; Schema: private; Owner: postgres
--

COMMENT ON FUNCTION private.unlock_account(p_account_id uuid) IS 'public.unlock_account, checked.';

--
-- Name: update_endpoint(uuid, jsonb); Type: FUNCTION; Schema: private; Owner: postgres
--

CREATE FUNCTION private.update_endpoint(p_endpoint_id uuid, p_settings jsonb) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
declare
  o constant public.webhook_endpoints := private.my_endpoint(p_endpoint_id);
  n constant public.webhook_endpoints := private.with_settings(o, p_settings);
begin
  if private.endpoint_admits_more(o, n) and private.endpoint_is_live(o.id) then
    perform private.require_step_up();
  end if;
  perform private.save_endpoint(n);
end
$$;

ALTER FUNCTION private.update_endpoint(p_endpoint_id uuid, p_settings jsonb) OWNER TO postgres;

--
-- Name: FUNCTION update_endpoint(p_endpoint_id uuid, p_settings jsonb); Type: COMMENT; Schema: private; Owner: postgres
--

COMMENT ON FUNCTION private.update_endpoint(p_endpoint_id uuid, p_settings jsonb) IS 'public.update_endpoint, checked.';

--
-- Name: update_notification_target(uuid, jsonb); Type: FUNCTION; Schema: private; Owner: postgres
--

CREATE FUNCTION private.update_notification_target(p_target_id uuid, p_settings jsonb) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
declare
  c_names constant text [] := array['name', 'classes', 'quiet', 'enabled'];
  n public.notification_targets := private.my_target(p_target_id);
  v_unknown text;
begin
  perform private.require_step_up();
  if jsonb_typeof(p_settings) is distinct from 'object' then
    perform private.refuse(422, 'invalid', 'Settings are an object of names and values.');
  end if;
  select k into v_unknown from jsonb_object_keys(p_settings) k where k <> all (c_names) limit 1;
  if found then
    perform private.refuse(422, 'invalid', format('A target has no setting called %s.', left(v_unknown, 40)));
  elsif (p_settings ? 'name' and coalesce(char_length(btrim(p_settings ->> 'name')), 0) not between 1 and 80)
    or (p_settings ? 'enabled' and jsonb_typeof(p_settings -> 'enabled') <> 'boolean')
    or (p_settings ? 'classes' and jsonb_typeof(p_settings -> 'classes') <> 'array') then
    perform private.refuse(422, 'invalid', 'name has 1 to 80 characters, classes is a list, enabled is true or false.');
  end if;
  n.name := coalesce(btrim(p_settings ->> 'name'), n.name);
  n.enabled := coalesce((p_settings ->> 'enabled')::boolean, n.enabled);
  if p_settings ? 'classes' then
    n.classes := private.check_classes(array(select jsonb_array_elements_text(p_settings -> 'classes')));
  end if;
  if p_settings ? 'quiet' then
    perform private.check_quiet(p_settings -> 'quiet');
    n.quiet_from := (p_settings #>> '{quiet,from}')::time;
    n.quiet_to := (p_settings #>> '{quiet,to}')::time;
    n.quiet_zone := p_settings #>> '{quiet,zone}';
  end if;
  update public.notification_targets
  set name = n.name, enabled = n.enabled, classes = n.classes, quiet_from = n.quiet_from, quiet_to = n.quiet_to,
    quiet_zone = n.quiet_zone where id = n.id;
  if not n.enabled then
    perform engine.drop_waiting(n.id);
  end if;
  perform private.note(n.user_id, 'warning', 'target_changed', format('What is sent to %s (%s) was changed.', n.name, n.kind),
    jsonb_build_object('target_id', n.id, 'changed', p_settings));
end
$$;

ALTER FUNCTION private.update_notification_target(p_target_id uuid, p_settings jsonb) OWNER TO postgres;

--
-- Name: FUNCTION update_notification_target(p_target_id uuid, p_settings jsonb); Type: COMMENT; Schema: private; Owner: postgres
--

COMMENT ON FUNCTION private.update_notification_target(p_target_id uuid, p_settings jsonb) IS 'public.update_notification_target, checked.';

--
-- Name: verify_notification_target(uuid, text); Type: FUNCTION; Schema: private; Owner: postgres
--

CREATE FUNCTION private.verify_notification_target(p_target_id uuid, p_code text) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
declare
  n constant public.notification_targets := private.my_target(p_target_id);
  k engine.notification_codes;
begin
  if n.verified_at is not null then
    return true;
  end if;
  select c.* into k from engine.notification_codes c where c.target_id = n.id for update;
  if not found or k.expires_at < clock_timestamp() or k.wrong >= 5 then
    perform private.refuse(409, 'code_expired', 'The code is too old, or was tried five times: ask for a new one by a test.');
  elsif k.code is distinct from p_code then
    -- Counted, so no error: one would take the count back.
    update engine.notification_codes set wrong = wrong + 1 where target_id = n.id;
    return false;
  end if;
  delete from engine.notification_codes where target_id = n.id;
  update public.notification_targets set verified_at = clock_timestamp() where id = n.id;
  return true;
end
$$;

ALTER FUNCTION private.verify_notification_target(p_target_id uuid, p_code text) OWNER TO postgres;

--
-- Name: FUNCTION verify_notification_target(p_target_id uuid, p_code text); Type: COMMENT; Schema: private; Owner: postgres
--

COMMENT ON FUNCTION private.verify_notification_target(p_target_id uuid, p_code text) IS 'public.verify_notification_target, checked.';

--
-- Name: with_limits(public.risk_settings, jsonb); Type: FUNCTION; Schema: private; Owner: postgres
--

CREATE FUNCTION private.with_limits(r public.risk_settings, p_values jsonb) RETURNS public.risk_settings
    LANGUAGE plpgsql STABLE
    SET search_path TO ''
    AS $$
declare
  c_names constant text [] := array[
    'max_daily_loss_usd', 'max_daily_loss_pct', 'max_trades_per_day', 'max_open_trades', 'max_concurrent_positions',
    'max_order_qty', 'max_risk_per_trade_pct', 'max_price_deviation_pct', 'stop_required', 'allowed_symbols', 'rules'
  ];
  v_unknown text;
begin
  if jsonb_typeof(p_values) is distinct from 'object' then
    perform private.refuse(422, 'invalid', 'Limits are an object of names and values.');
  end if;
  select k into v_unknown from jsonb_object_keys(p_values) k where k <> all (c_names) limit 1;
  if found then
    perform private.refuse_value(v_unknown, p_values -> v_unknown, 'there is no such limit.');
  end if;
  if jsonb_typeof(p_values -> 'rules') = 'object' then
    p_values := jsonb_set(p_values, '{rules}', private.with_numbers(p_values -> 'rules'));
  end if;
  perform private.check_columns(p_values);
  if jsonb_typeof(p_values -> 'rules') = 'null' or jsonb_typeof(p_values -> 'stop_required') = 'null' then
    perform private.refuse(422, 'invalid', 'rules is an object and stop_required is true or false.');
  end if;
  r := jsonb_populate_record(r, p_values - 'rules');
  r.rules := jsonb_strip_nulls(r.rules || coalesce(p_values -> 'rules', '{}'));
  return r;
exception when data_exception then
  perform private.refuse(422, 'invalid', format('A limit cannot be read: %s.', sqlerrm));
end
$$;

ALTER FUNCTION private.with_limits(r public.risk_settings, p_values jsonb) OWNER TO postgres;

--
-- Name: FUNCTION with_limits(r public.risk_settings, p_values jsonb); Type: COMMENT; Schema: private; Owner: postgres
--

COMMENT ON FUNCTION private.with_limits(r public.risk_settings, p_values jsonb) IS 'The limits with these values and rules (absent = unchanged, null = none); what makes no sense is refused.';

--
-- Name: with_numbers(jsonb); Type: FUNCTION; Schema: private; Owner: postgres
--

CREATE FUNCTION private.with_numbers(p_rules jsonb) RETURNS jsonb
    LANGUAGE plpgsql STABLE
    SET search_path TO ''
    AS $$
declare
  f engine.rule_fields;
begin
  for f in
    select x.* from engine.rule_fields x
    where x.type in ('number', 'integer', 'quantities', 'steps', 'seed') and jsonb_typeof(p_rules -> x.rule -> x.field) <> 'null'
  loop
    p_rules := coalesce(jsonb_set(p_rules, case f.type when 'seed' then array[f.rule, f.field, 'amount'] else array[f.rule, f.field] end,
      private.as_number(case f.type when 'seed' then p_rules #> array[f.rule, f.field, 'amount'] else p_rules #> array[f.rule, f.field] end), false), p_rules);
  end loop;
  return p_rules;
end
$$;

ALTER FUNCTION private.with_numbers(p_rules jsonb) OWNER TO postgres;

--
-- Name: FUNCTION with_numbers(p_rules jsonb); Type: COMMENT; Schema: private; Owner: postgres
--

COMMENT ON FUNCTION private.with_numbers(p_rules jsonb) IS 'Rules whose numbers are numbers, also those that came as text.';

--
-- Name: with_settings(public.webhook_endpoints, jsonb); Type: FUNCTION; Schema: private; Owner: postgres
--

CREATE FUNCTION private.with_settings(e public.webhook_endpoints, p_settings jsonb) RETURNS public.webhook_endpoints
    LANGUAGE plpgsql STABLE
    SET search_path TO ''
    AS $$
declare
  c_names constant text [] := array[
    'name', 'require_signature', 'allow_cidrs', 'max_age_s', 'dedupe_window_s', 'on_same', 'on_opposite', 'scope',
    'qty_mode', 'qty', 'allowed_symbols', 'allowed_actions', 'max_qty', 'max_entries_per_day', 'alerts_per_minute'
  ];
  v_unknown text;
begin
  if jsonb_typeof(p_settings) is distinct from 'object' then
    perform private.refuse(422, 'invalid', 'Settings are an object of names and values.');
  end if;
  select k into v_unknown from jsonb_object_keys(p_settings) k where k <> all (c_names) limit 1;
  if found then
    perform private.refuse(422, 'invalid', format('An endpoint has no setting called %s.', v_unknown));
  end if;
  return jsonb_populate_record(e, p_settings);
exception when data_exception then
  perform private.refuse(422, 'invalid', format('A setting cannot be read: %s.', sqlerrm));
end
$$;

ALTER FUNCTION private.with_settings(e public.webhook_endpoints, p_settings jsonb) OWNER TO postgres;

--
-- Name: FUNCTION with_settings(e public.webhook_endpoints, p_settings jsonb); Type: COMMENT; Schema: private; Owner: postgres
--

COMMENT ON FUNCTION private.with_settings(e public.webhook_endpoints, p_settings jsonb) IS 'The endpoint with these settings; unknown names and unreadable values are refused.';

--
-- Name: add_notification_target(uuid, text, text, text, text, text, text[], jsonb); Type: FUNCTION; Schema: public; Owner: postgres
--

CREATE FUNCTION public.add_notification_target(p_id uuid, p_kind text, p_name text, p_hint text, p_key_id text, p_sealed text, p_classes text[], p_quiet jsonb DEFAULT NULL::jsonb) RETURNS uuid
    LANGUAGE sql
    SET search_path TO ''
    AS $$
  select private.add_notification_target(p_id, p_kind, p_name, p_hint, p_key_id, p_sealed, p_classes, p_quiet)
$$;

ALTER FUNCTION public.add_notification_target(p_id uuid, p_kind text, p_name text, p_hint text, p_key_id text, p_sealed text, p_classes text[], p_quiet jsonb) OWNER TO postgres;

--
-- Name: FUNCTION add_notification_target(p_id uuid, p_kind text, p_name text, p_hint text, p_key_id text, p_sealed text, p_classes text[], p_quiet jsonb); Type: COMMENT; Schema: public; Owner: postgres
--

COMMENT ON FUNCTION public.add_notification_target(p_id uuid, p_kind text, p_name text, p_hint text, p_key_id text, p_sealed text, p_classes text[], p_quiet jsonb) IS 'Adds a target; its address is sealed to the fleet (base64url) for the id that the client chose. A code is sent there. Step-up.';

--
-- Name: admin_disable_account(uuid, text); Type: FUNCTION; Schema: public; Owner: postgres
--

CREATE FUNCTION public.admin_disable_account(p_account_id uuid, p_reason text) RETURNS void
    LANGUAGE sql
    SET search_path TO ''
    AS $$
  select private.admin_disable_account(p_account_id, p_reason)
$$;

ALTER FUNCTION public.admin_disable_account(p_account_id uuid, p_reason text) OWNER TO postgres;

--
-- Name: FUNCTION admin_disable_account(p_account_id uuid, p_reason text); Type: COMMENT; Schema: public; Owner: postgres
--

COMMENT ON FUNCTION public.admin_disable_account(p_account_id uuid, p_reason text) IS 'Admins: no new entries on an account. Recorded, and shown to the trader.';

--
-- Name: admin_flatten(uuid, text); Type: FUNCTION; Schema: public; Owner: postgres
--

CREATE FUNCTION public.admin_flatten(p_account_id uuid, p_reason text) RETURNS jsonb
    LANGUAGE sql
    SET search_path TO ''
    AS $$ select private.admin_flatten(p_account_id, p_reason) $$;

ALTER FUNCTION public.admin_flatten(p_account_id uuid, p_reason text) OWNER TO postgres;

--
-- Name: FUNCTION admin_flatten(p_account_id uuid, p_reason text); Type: COMMENT; Schema: public; Owner: postgres
--

COMMENT ON FUNCTION public.admin_flatten(p_account_id uuid, p_reason text) IS 'Admins: closes everything on an account. Recorded, and shown to the trader.';

--
-- Name: admin_kill_switch(boolean, text, boolean); Type: FUNCTION; Schema: public; Owner: postgres
--

CREATE FUNCTION public.admin_kill_switch(p_on boolean, p_reason text, p_flatten boolean DEFAULT false) RETURNS jsonb
    LANGUAGE sql
    SET search_path TO ''
    AS $$ select private.admin_kill_switch(p_on, p_reason, p_flatten) $$;

ALTER FUNCTION public.admin_kill_switch(p_on boolean, p_reason text, p_flatten boolean) OWNER TO postgres;

--
-- Name: FUNCTION admin_kill_switch(p_on boolean, p_reason text, p_flatten boolean); Type: COMMENT; Schema: public; Owner: postgres
--

COMMENT ON FUNCTION public.admin_kill_switch(p_on boolean, p_reason text, p_flatten boolean) IS 'Admins: no entry on any account of anybody until released; exits go on, and with p_flatten everything is closed. Recorded.';

--
-- Name: cancel_order(bigint); Type: FUNCTION; Schema: public; Owner: postgres
--

CREATE FUNCTION public.cancel_order(p_order_id bigint) RETURNS jsonb
    LANGUAGE sql
    SET search_path TO ''
    AS $$ select private.cancel_order(p_order_id) $$;

ALTER FUNCTION public.cancel_order(p_order_id bigint) OWNER TO postgres;

--
-- Name: FUNCTION cancel_order(p_order_id bigint); Type: COMMENT; Schema: public; Owner: postgres
--

COMMENT ON FUNCTION public.cancel_order(p_order_id bigint) IS 'Cancels an entry that has not filled.';

--
-- Name: cancel_pending_risk(jsonb); Type: FUNCTION; Schema: public; Owner: postgres
--

CREATE FUNCTION public.cancel_pending_risk(p_scope jsonb DEFAULT '{}'::jsonb) RETURNS boolean
    LANGUAGE sql
    SET search_path TO ''
    AS $$ select private.cancel_pending_risk(p_scope) $$;

ALTER FUNCTION public.cancel_pending_risk(p_scope jsonb) OWNER TO postgres;

--
-- Name: FUNCTION cancel_pending_risk(p_scope jsonb); Type: COMMENT; Schema: public; Owner: postgres
--

COMMENT ON FUNCTION public.cancel_pending_risk(p_scope jsonb) IS 'Keeps the limits of a scope as they are: what waits to loosen them is cancelled. Always possible. False = nothing waited.';

--
-- Name: check_connection(uuid); Type: FUNCTION; Schema: public; Owner: postgres
--

CREATE FUNCTION public.check_connection(p_connection_id uuid) RETURNS void
    LANGUAGE sql
    SET search_path TO ''
    AS $$ select private.check_connection(p_connection_id) $$;

ALTER FUNCTION public.check_connection(p_connection_id uuid) OWNER TO postgres;

--
-- Name: FUNCTION check_connection(p_connection_id uuid); Type: COMMENT; Schema: public; Owner: postgres
--

COMMENT ON FUNCTION public.check_connection(p_connection_id uuid) IS 'Has a worker log in again and look for accounts.';

--
-- Name: close_position(bigint); Type: FUNCTION; Schema: public; Owner: postgres
--

CREATE FUNCTION public.close_position(p_position_id bigint) RETURNS jsonb
    LANGUAGE sql
    SET search_path TO ''
    AS $$ select private.close_position(p_position_id) $$;

ALTER FUNCTION public.close_position(p_position_id bigint) OWNER TO postgres;

--
-- Name: FUNCTION close_position(p_position_id bigint); Type: COMMENT; Schema: public; Owner: postgres
--

COMMENT ON FUNCTION public.close_position(p_position_id bigint) IS 'Closes the position''s side of its symbol on its account, before anything else that waits.';

--
-- Name: confirm_day_start(uuid, numeric, numeric); Type: FUNCTION; Schema: public; Owner: postgres
--

CREATE FUNCTION public.confirm_day_start(p_account_id uuid, p_amount numeric, p_week numeric DEFAULT NULL::numeric) RETURNS void
    LANGUAGE sql
    SET search_path TO ''
    AS $$
  select private.confirm_day_start(p_account_id, p_amount, p_week)
$$;

ALTER FUNCTION public.confirm_day_start(p_account_id uuid, p_amount numeric, p_week numeric) OWNER TO postgres;

--
-- Name: FUNCTION confirm_day_start(p_account_id uuid, p_amount numeric, p_week numeric); Type: COMMENT; Schema: public; Owner: postgres
--

COMMENT ON FUNCTION public.confirm_day_start(p_account_id uuid, p_amount numeric, p_week numeric) IS 'Says what an account was worth at today''s reset (and at the week''s first), where nobody saw it. On a live account: step-up.';

--
-- Name: connect_broker(uuid, public.broker, public.environment, text, text, text, text, text); Type: FUNCTION; Schema: public; Owner: postgres
--

CREATE FUNCTION public.connect_broker(p_connection_id uuid, p_broker public.broker, p_environment public.environment, p_login text, p_key_id text, p_sealed text, p_server text DEFAULT NULL::text, p_hint text DEFAULT NULL::text) RETURNS uuid
    LANGUAGE sql
    SET search_path TO ''
    AS $$
  select private.connect_broker(p_connection_id, p_broker, p_environment, p_server, p_login, p_key_id, p_sealed, p_hint)
$$;

ALTER FUNCTION public.connect_broker(p_connection_id uuid, p_broker public.broker, p_environment public.environment, p_login text, p_key_id text, p_sealed text, p_server text, p_hint text) OWNER TO postgres;

--
-- Name: FUNCTION connect_broker(p_connection_id uuid, p_broker public.broker, p_environment public.environment, p_login text, p_key_id text, p_sealed text, p_server text, p_hint text); Type: COMMENT; Schema: public; Owner: postgres
--

COMMENT ON FUNCTION public.connect_broker(p_connection_id uuid, p_broker public.broker, p_environment public.environment, p_login text, p_key_id text, p_sealed text, p_server text, p_hint text) IS 'Adds a broker login under an id the client chose, with its credential as the client sealed it (version 1). Live: step-up.';

--
-- Name: connect_paper(text, text, numeric, public.margin_mode, text); Type: FUNCTION; Schema: public; Owner: postgres
--

CREATE FUNCTION public.connect_paper(p_label text DEFAULT NULL::text, p_currency text DEFAULT 'USD'::text, p_balance numeric DEFAULT 100000, p_margin_mode public.margin_mode DEFAULT 'netting'::public.margin_mode, p_server text DEFAULT NULL::text) RETURNS uuid
    LANGUAGE sql
    SET search_path TO ''
    AS $$
  select private.connect_paper(p_label, p_currency, p_balance, p_margin_mode, p_server)
$$;

ALTER FUNCTION public.connect_paper(p_label text, p_currency text, p_balance numeric, p_margin_mode public.margin_mode, p_server text) OWNER TO postgres;

--
-- Name: FUNCTION connect_paper(p_label text, p_currency text, p_balance numeric, p_margin_mode public.margin_mode, p_server text); Type: COMMENT; Schema: public; Owner: postgres
--

COMMENT ON FUNCTION public.connect_paper(p_label text, p_currency text, p_balance numeric, p_margin_mode public.margin_mode, p_server text) IS 'Opens a paper account: play money, the real road. Returns its id. Asks for nothing above a password.';

--
-- Name: create_endpoint(public.broker, text, uuid[], jsonb); Type: FUNCTION; Schema: public; Owner: postgres
--

CREATE FUNCTION public.create_endpoint(p_broker public.broker, p_name text, p_account_ids uuid[] DEFAULT '{}'::uuid[], p_settings jsonb DEFAULT '{}'::jsonb) RETURNS uuid
    LANGUAGE sql
    SET search_path TO ''
    AS $$
  select private.create_endpoint(p_broker, p_name, p_account_ids, p_settings)
$$;

ALTER FUNCTION public.create_endpoint(p_broker public.broker, p_name text, p_account_ids uuid[], p_settings jsonb) OWNER TO postgres;

--
-- Name: FUNCTION create_endpoint(p_broker public.broker, p_name text, p_account_ids uuid[], p_settings jsonb); Type: COMMENT; Schema: public; Owner: postgres
--

COMMENT ON FUNCTION public.create_endpoint(p_broker public.broker, p_name text, p_account_ids uuid[], p_settings jsonb) IS 'Makes an address for alerts and returns its id. On live accounts: step-up.';

--
-- Name: device_seen(uuid); Type: FUNCTION; Schema: public; Owner: postgres
--

CREATE FUNCTION public.device_seen(p_device_id uuid) RETURNS timestamp with time zone
    LANGUAGE sql
    SET search_path TO ''
    AS $$ select private.device_seen(p_device_id) $$;

ALTER FUNCTION public.device_seen(p_device_id uuid) OWNER TO postgres;

--
-- Name: FUNCTION device_seen(p_device_id uuid); Type: COMMENT; Schema: public; Owner: postgres
--

COMMENT ON FUNCTION public.device_seen(p_device_id uuid) IS 'The device is there, for a minute; to be said every 20 seconds. Entries of its accounts are denied while none is.';

--
-- Name: disable_account(uuid); Type: FUNCTION; Schema: public; Owner: postgres
--

CREATE FUNCTION public.disable_account(p_account_id uuid) RETURNS void
    LANGUAGE sql
    SET search_path TO ''
    AS $$ select private.disable_account(p_account_id) $$;

ALTER FUNCTION public.disable_account(p_account_id uuid) OWNER TO postgres;

--
-- Name: FUNCTION disable_account(p_account_id uuid); Type: COMMENT; Schema: public; Owner: postgres
--

COMMENT ON FUNCTION public.disable_account(p_account_id uuid) IS 'No new entries on an account; exits go on. Always possible.';

--
-- Name: disable_endpoint(uuid); Type: FUNCTION; Schema: public; Owner: postgres
--

CREATE FUNCTION public.disable_endpoint(p_endpoint_id uuid) RETURNS void
    LANGUAGE sql
    SET search_path TO ''
    AS $$ select private.enable_endpoint(p_endpoint_id, false) $$;

ALTER FUNCTION public.disable_endpoint(p_endpoint_id uuid) OWNER TO postgres;

--
-- Name: FUNCTION disable_endpoint(p_endpoint_id uuid); Type: COMMENT; Schema: public; Owner: postgres
--

COMMENT ON FUNCTION public.disable_endpoint(p_endpoint_id uuid) IS 'Alerts are refused until it is enabled again. Always possible.';

--
-- Name: disconnect_broker(uuid); Type: FUNCTION; Schema: public; Owner: postgres
--

CREATE FUNCTION public.disconnect_broker(p_connection_id uuid) RETURNS void
    LANGUAGE sql
    SET search_path TO ''
    AS $$ select private.disconnect_broker(p_connection_id) $$;

ALTER FUNCTION public.disconnect_broker(p_connection_id uuid) OWNER TO postgres;

--
-- Name: FUNCTION disconnect_broker(p_connection_id uuid); Type: COMMENT; Schema: public; Owner: postgres
--

COMMENT ON FUNCTION public.disconnect_broker(p_connection_id uuid) IS 'Ends all access to a broker login and deletes its credential. Always possible. Open positions stay open.';

--
-- Name: enable_account(uuid); Type: FUNCTION; Schema: public; Owner: postgres
--

CREATE FUNCTION public.enable_account(p_account_id uuid) RETURNS void
    LANGUAGE sql
    SET search_path TO ''
    AS $$ select private.enable_account(p_account_id) $$;

ALTER FUNCTION public.enable_account(p_account_id uuid) OWNER TO postgres;

--
-- Name: FUNCTION enable_account(p_account_id uuid); Type: COMMENT; Schema: public; Owner: postgres
--

COMMENT ON FUNCTION public.enable_account(p_account_id uuid) IS 'Allows new entries on an account. On a live account: step-up.';

--
-- Name: enable_endpoint(uuid); Type: FUNCTION; Schema: public; Owner: postgres
--

CREATE FUNCTION public.enable_endpoint(p_endpoint_id uuid) RETURNS void
    LANGUAGE sql
    SET search_path TO ''
    AS $$ select private.enable_endpoint(p_endpoint_id, true) $$;

ALTER FUNCTION public.enable_endpoint(p_endpoint_id uuid) OWNER TO postgres;

--
-- Name: FUNCTION enable_endpoint(p_endpoint_id uuid); Type: COMMENT; Schema: public; Owner: postgres
--

COMMENT ON FUNCTION public.enable_endpoint(p_endpoint_id uuid) IS 'Alerts are taken again. On live accounts: step-up.';

--
-- Name: flatten(uuid[], text); Type: FUNCTION; Schema: public; Owner: postgres
--

CREATE FUNCTION public.flatten(p_account_ids uuid[] DEFAULT NULL::uuid[], p_source text DEFAULT 'dashboard'::text) RETURNS jsonb
    LANGUAGE sql
    SET search_path TO ''
    AS $$ select private.flatten(p_account_ids, p_source) $$;

ALTER FUNCTION public.flatten(p_account_ids uuid[], p_source text) OWNER TO postgres;

--
-- Name: FUNCTION flatten(p_account_ids uuid[], p_source text); Type: COMMENT; Schema: public; Owner: postgres
--

COMMENT ON FUNCTION public.flatten(p_account_ids uuid[], p_source text) IS 'Closes every position and cancels every order of the accounts (none named = all), before anything else.';

--
-- Name: kill_switch(boolean, text, jsonb, boolean); Type: FUNCTION; Schema: public; Owner: postgres
--

CREATE FUNCTION public.kill_switch(p_on boolean, p_reason text DEFAULT NULL::text, p_scope jsonb DEFAULT '{}'::jsonb, p_flatten boolean DEFAULT false) RETURNS jsonb
    LANGUAGE sql
    SET search_path TO ''
    AS $$ select private.kill_switch(p_on, p_reason, p_scope, p_flatten) $$;

ALTER FUNCTION public.kill_switch(p_on boolean, p_reason text, p_scope jsonb, p_flatten boolean) OWNER TO postgres;

--
-- Name: FUNCTION kill_switch(p_on boolean, p_reason text, p_scope jsonb, p_flatten boolean); Type: COMMENT; Schema: public; Owner: postgres
--

COMMENT ON FUNCTION public.kill_switch(p_on boolean, p_reason text, p_scope jsonb, p_flatten boolean) IS 'On: no entry in the scope ({}, {"broker"} or {"account_id"}), at once, always possible; pending entries are canceled, with p_flatten everything is closed; exits go on. Off: step-up. events = flattens begun.';

--
-- Name: lift_lock(uuid, text); Type: FUNCTION; Schema: public; Owner: postgres
--

CREATE FUNCTION public.lift_lock(p_account_id uuid, p_reason text) RETURNS void
    LANGUAGE sql
    SET search_path TO ''
    AS $$ select private.lift_lock(p_account_id, p_reason) $$;

ALTER FUNCTION public.lift_lock(p_account_id uuid, p_reason text) OWNER TO postgres;

--
-- Name: FUNCTION lift_lock(p_account_id uuid, p_reason text); Type: COMMENT; Schema: public; Owner: postgres
--

COMMENT ON FUNCTION public.lift_lock(p_account_id uuid, p_reason text) IS 'Lifts every lock of an account, those of limits too; refused while a limit is still reached. On a live account: step-up.';

--
-- Name: lock_account(uuid, timestamp with time zone, text); Type: FUNCTION; Schema: public; Owner: postgres
--

CREATE FUNCTION public.lock_account(p_account_id uuid, p_until timestamp with time zone, p_reason text DEFAULT NULL::text) RETURNS void
    LANGUAGE sql
    SET search_path TO ''
    AS $$
  select private.lock_account(p_account_id, p_until, p_reason)
$$;

ALTER FUNCTION public.lock_account(p_account_id uuid, p_until timestamp with time zone, p_reason text) OWNER TO postgres;

--
-- Name: FUNCTION lock_account(p_account_id uuid, p_until timestamp with time zone, p_reason text); Type: COMMENT; Schema: public; Owner: postgres
--

COMMENT ON FUNCTION public.lock_account(p_account_id uuid, p_until timestamp with time zone, p_reason text) IS 'No entries on an account until a moment. Always possible; shortening a lock of a live account: step-up.';

--
-- Name: register_device(text, text); Type: FUNCTION; Schema: public; Owner: postgres
--

CREATE FUNCTION public.register_device(p_name text, p_public_key text) RETURNS uuid
    LANGUAGE sql
    SET search_path TO ''
    AS $$ select private.register_device(p_name, p_public_key) $$;

ALTER FUNCTION public.register_device(p_name text, p_public_key text) OWNER TO postgres;

--
-- Name: FUNCTION register_device(p_name text, p_public_key text); Type: COMMENT; Schema: public; Owner: postgres
--

COMMENT ON FUNCTION public.register_device(p_name text, p_public_key text) IS 'Makes a device with its X25519 public key (base64url) known; its id. Again with the same key: the same device. Step-up.';

--
-- Name: remove_notification_target(uuid); Type: FUNCTION; Schema: public; Owner: postgres
--

CREATE FUNCTION public.remove_notification_target(p_target_id uuid) RETURNS void
    LANGUAGE sql
    SET search_path TO ''
    AS $$ select private.remove_notification_target(p_target_id) $$;

ALTER FUNCTION public.remove_notification_target(p_target_id uuid) OWNER TO postgres;

--
-- Name: FUNCTION remove_notification_target(p_target_id uuid); Type: COMMENT; Schema: public; Owner: postgres
--

COMMENT ON FUNCTION public.remove_notification_target(p_target_id uuid) IS 'Removes a target with its address; what was sent stays listed. Step-up.';

--
-- Name: replay_event(bigint); Type: FUNCTION; Schema: public; Owner: postgres
--

CREATE FUNCTION public.replay_event(p_event_id bigint) RETURNS jsonb
    LANGUAGE sql
    SET search_path TO ''
    AS $$ select private.replay_event(p_event_id) $$;

ALTER FUNCTION public.replay_event(p_event_id bigint) OWNER TO postgres;

--
-- Name: FUNCTION replay_event(p_event_id bigint); Type: COMMENT; Schema: public; Owner: postgres
--

COMMENT ON FUNCTION public.replay_event(p_event_id bigint) IS 'The same alert through today''s rules as a dry run: nothing is sent. Returns event_id, status, deliveries.';

--
-- Name: request_drill(uuid, text); Type: FUNCTION; Schema: public; Owner: postgres
--

CREATE FUNCTION public.request_drill(p_account_id uuid, p_rule text DEFAULT NULL::text) RETURNS bigint
    LANGUAGE sql
    SET search_path TO ''
    AS $$ select private.request_drill(p_account_id, p_rule) $$;

ALTER FUNCTION public.request_drill(p_account_id uuid, p_rule text) OWNER TO postgres;

--
-- Name: FUNCTION request_drill(p_account_id uuid, p_rule text); Type: COMMENT; Schema: public; Owner: postgres
--

COMMENT ON FUNCTION public.request_drill(p_account_id uuid, p_rule text) IS 'Has every limit of an account (or one) shown to fire, on a synthetic twin of it. Returns the run; public.drills has the results.';

--
-- Name: reseal_connection(uuid, integer, text, text, text); Type: FUNCTION; Schema: public; Owner: postgres
--

CREATE FUNCTION public.reseal_connection(p_connection_id uuid, p_version integer, p_key_id text, p_sealed text, p_hint text DEFAULT NULL::text) RETURNS void
    LANGUAGE sql
    SET search_path TO ''
    AS $$
  select private.reseal_connection(p_connection_id, p_version, p_key_id, p_sealed, p_hint)
$$;

ALTER FUNCTION public.reseal_connection(p_connection_id uuid, p_version integer, p_key_id text, p_sealed text, p_hint text) OWNER TO postgres;

--
-- Name: FUNCTION reseal_connection(p_connection_id uuid, p_version integer, p_key_id text, p_sealed text, p_hint text); Type: COMMENT; Schema: public; Owner: postgres
--

COMMENT ON FUNCTION public.reseal_connection(p_connection_id uuid, p_version integer, p_key_id text, p_sealed text, p_hint text) IS 'Replaces a connection''s credential (a new password, a new fleet key, connecting again). Live: step-up.';

--
-- Name: reveal_endpoint(uuid); Type: FUNCTION; Schema: public; Owner: postgres
--

CREATE FUNCTION public.reveal_endpoint(p_endpoint_id uuid) RETURNS jsonb
    LANGUAGE sql
    SET search_path TO ''
    AS $$ select private.reveal_endpoint(p_endpoint_id) $$;

ALTER FUNCTION public.reveal_endpoint(p_endpoint_id uuid) OWNER TO postgres;

--
-- Name: FUNCTION reveal_endpoint(p_endpoint_id uuid); Type: COMMENT; Schema: public; Owner: postgres
--

COMMENT ON FUNCTION public.reveal_endpoint(p_endpoint_id uuid) IS 'What the address is derived from; audited. On live accounts: step-up.';

--
-- Name: revoke_device(uuid); Type: FUNCTION; Schema: public; Owner: postgres
--

CREATE FUNCTION public.revoke_device(p_device_id uuid) RETURNS void
    LANGUAGE sql
    SET search_path TO ''
    AS $$ select private.revoke_device(p_device_id) $$;

ALTER FUNCTION public.revoke_device(p_device_id uuid) OWNER TO postgres;

--
-- Name: FUNCTION revoke_device(p_device_id uuid); Type: COMMENT; Schema: public; Owner: postgres
--

COMMENT ON FUNCTION public.revoke_device(p_device_id uuid) IS 'Ends a device: it counts as absent, and what was sealed to it is deleted. Always possible, and for ever.';

--
-- Name: revoke_endpoint(uuid); Type: FUNCTION; Schema: public; Owner: postgres
--

CREATE FUNCTION public.revoke_endpoint(p_endpoint_id uuid) RETURNS void
    LANGUAGE sql
    SET search_path TO ''
    AS $$ select private.revoke_endpoint(p_endpoint_id) $$;

ALTER FUNCTION public.revoke_endpoint(p_endpoint_id uuid) OWNER TO postgres;

--
-- Name: FUNCTION revoke_endpoint(p_endpoint_id uuid); Type: COMMENT; Schema: public; Owner: postgres
--

COMMENT ON FUNCTION public.revoke_endpoint(p_endpoint_id uuid) IS 'Every address of the endpoint is dead at once. Always possible.';

--
-- Name: rotate_endpoint(uuid); Type: FUNCTION; Schema: public; Owner: postgres
--

CREATE FUNCTION public.rotate_endpoint(p_endpoint_id uuid) RETURNS integer
    LANGUAGE sql
    SET search_path TO ''
    AS $$ select private.rotate_endpoint(p_endpoint_id) $$;

ALTER FUNCTION public.rotate_endpoint(p_endpoint_id uuid) OWNER TO postgres;

--
-- Name: FUNCTION rotate_endpoint(p_endpoint_id uuid); Type: COMMENT; Schema: public; Owner: postgres
--

COMMENT ON FUNCTION public.rotate_endpoint(p_endpoint_id uuid) IS 'A new address; the old one works for 24 hours more. Returns the version. On live accounts: step-up.';

--
-- Name: seal_to_device(uuid, integer, text, text); Type: FUNCTION; Schema: public; Owner: postgres
--

CREATE FUNCTION public.seal_to_device(p_connection_id uuid, p_version integer, p_key_id text, p_sealed text) RETURNS void
    LANGUAGE sql
    SET search_path TO ''
    AS $$
  select private.seal_to_device(p_connection_id, p_version, p_key_id, p_sealed)
$$;

ALTER FUNCTION public.seal_to_device(p_connection_id uuid, p_version integer, p_key_id text, p_sealed text) OWNER TO postgres;

--
-- Name: FUNCTION seal_to_device(p_connection_id uuid, p_version integer, p_key_id text, p_sealed text); Type: COMMENT; Schema: public; Owner: postgres
--

COMMENT ON FUNCTION public.seal_to_device(p_connection_id uuid, p_version integer, p_key_id text, p_sealed text) IS 'Gives the credential in force to one more device, for logins that are traded from a device. Live: step-up.';

--
-- Name: set_account(uuid, jsonb); Type: FUNCTION; Schema: public; Owner: postgres
--

CREATE FUNCTION public.set_account(p_account_id uuid, p_values jsonb) RETURNS timestamp with time zone
    LANGUAGE sql
    SET search_path TO ''
    AS $$ select private.set_account(p_account_id, p_values) $$;

ALTER FUNCTION public.set_account(p_account_id uuid, p_values jsonb) OWNER TO postgres;

--
-- Name: FUNCTION set_account(p_account_id uuid, p_values jsonb); Type: COMMENT; Schema: public; Owner: postgres
--

COMMENT ON FUNCTION public.set_account(p_account_id uuid, p_values jsonb) IS 'Sets timezone, reset_time and initial_balance of an account, from which its days, floors and percentages count. On a live account: step-up, and counts from the returned moment on; what was there before again cancels what waits.';

--
-- Name: set_endpoint_accounts(uuid, uuid[], numeric[]); Type: FUNCTION; Schema: public; Owner: postgres
--

CREATE FUNCTION public.set_endpoint_accounts(p_endpoint_id uuid, p_account_ids uuid[], p_multipliers numeric[] DEFAULT NULL::numeric[]) RETURNS void
    LANGUAGE sql
    SET search_path TO ''
    AS $$
  select private.set_endpoint_accounts(p_endpoint_id, p_account_ids, p_multipliers)
$$;

ALTER FUNCTION public.set_endpoint_accounts(p_endpoint_id uuid, p_account_ids uuid[], p_multipliers numeric[]) OWNER TO postgres;

--
-- Name: FUNCTION set_endpoint_accounts(p_endpoint_id uuid, p_account_ids uuid[], p_multipliers numeric[]); Type: COMMENT; Schema: public; Owner: postgres
--

COMMENT ON FUNCTION public.set_endpoint_accounts(p_endpoint_id uuid, p_account_ids uuid[], p_multipliers numeric[]) IS 'Replaces the accounts that alerts go to; multipliers absent = unchanged. Adding a live account: step-up.';

--
-- Name: set_loosen_delay(integer); Type: FUNCTION; Schema: public; Owner: postgres
--

CREATE FUNCTION public.set_loosen_delay(p_minutes integer) RETURNS timestamp with time zone
    LANGUAGE sql
    SET search_path TO ''
    AS $$ select private.set_loosen_delay(p_minutes) $$;

ALTER FUNCTION public.set_loosen_delay(p_minutes integer) OWNER TO postgres;

--
-- Name: FUNCTION set_loosen_delay(p_minutes integer); Type: COMMENT; Schema: public; Owner: postgres
--

COMMENT ON FUNCTION public.set_loosen_delay(p_minutes integer) IS 'How long looser limits of live accounts wait. Longer counts at once (null); shorter asks for a step-up and counts from the returned moment on.';

--
-- Name: set_risk(jsonb, jsonb); Type: FUNCTION; Schema: public; Owner: postgres
--

CREATE FUNCTION public.set_risk(p_scope jsonb, p_values jsonb) RETURNS bigint
    LANGUAGE sql
    SET search_path TO ''
    AS $$ select private.set_risk(p_scope, p_values) $$;

ALTER FUNCTION public.set_risk(p_scope jsonb, p_values jsonb) OWNER TO postgres;

--
-- Name: FUNCTION set_risk(p_scope jsonb, p_values jsonb); Type: COMMENT; Schema: public; Owner: postgres
--

COMMENT ON FUNCTION public.set_risk(p_scope jsonb, p_values jsonb) IS 'Sets limits of a scope ({}, {"broker"} or {"account_id"}); absent = unchanged, null = no limit. Tightening counts at once; loosening asks for a step-up and counts after the user''s delay.';

--
-- Name: submit_intent(jsonb, text, text); Type: FUNCTION; Schema: public; Owner: postgres
--

CREATE FUNCTION public.submit_intent(intent jsonb, idempotency_key text DEFAULT NULL::text, p_source text DEFAULT 'dashboard'::text) RETURNS jsonb
    LANGUAGE sql
    SET search_path TO ''
    AS $$
  select private.submit_intent(intent, idempotency_key, p_source)
$$;

ALTER FUNCTION public.submit_intent(intent jsonb, idempotency_key text, p_source text) OWNER TO postgres;

--
-- Name: FUNCTION submit_intent(intent jsonb, idempotency_key text, p_source text); Type: COMMENT; Schema: public; Owner: postgres
--

COMMENT ON FUNCTION public.submit_intent(intent jsonb, idempotency_key text, p_source text) IS 'What an alert can say, said by a person: into the same inbox and queue. Returns event_id, status, deliveries.';

--
-- Name: test_notification_target(uuid); Type: FUNCTION; Schema: public; Owner: postgres
--

CREATE FUNCTION public.test_notification_target(p_target_id uuid) RETURNS bigint
    LANGUAGE sql
    SET search_path TO ''
    AS $$ select private.test_notification_target(p_target_id) $$;

ALTER FUNCTION public.test_notification_target(p_target_id uuid) OWNER TO postgres;

--
-- Name: FUNCTION test_notification_target(p_target_id uuid); Type: COMMENT; Schema: public; Owner: postgres
--

COMMENT ON FUNCTION public.test_notification_target(p_target_id uuid) IS 'Sends a test, or a new code to a target that is not confirmed; the id of the message.';

--
-- Name: unlock_account(uuid); Type: FUNCTION; Schema: public; Owner: postgres
--

CREATE FUNCTION public.unlock_account(p_account_id uuid) RETURNS void
    LANGUAGE sql
    SET search_path TO ''
    AS $$ select private.unlock_account(p_account_id) $$;

ALTER FUNCTION public.unlock_account(p_account_id uuid) OWNER TO postgres;

--
-- Name: FUNCTION unlock_account(p_account_id uuid); Type: COMMENT; Schema: public; Owner: postgres
--

COMMENT ON FUNCTION public.unlock_account(p_account_id uuid) IS 'Lifts the lock of an account. On a live account: step-up.';

--
-- Name: update_endpoint(uuid, jsonb); Type: FUNCTION; Schema: public; Owner: postgres
--

CREATE FUNCTION public.update_endpoint(p_endpoint_id uuid, p_settings jsonb) RETURNS void
    LANGUAGE sql
    SET search_path TO ''
    AS $$ select private.update_endpoint(p_endpoint_id, p_settings) $$;

ALTER FUNCTION public.update_endpoint(p_endpoint_id uuid, p_settings jsonb) OWNER TO postgres;

--
-- Name: FUNCTION update_endpoint(p_endpoint_id uuid, p_settings jsonb); Type: COMMENT; Schema: public; Owner: postgres
--

COMMENT ON FUNCTION public.update_endpoint(p_endpoint_id uuid, p_settings jsonb) IS 'Changes settings, absent = unchanged. Whatever admits more on a live account: step-up; tightening: always possible.';

--
-- Name: update_notification_target(uuid, jsonb); Type: FUNCTION; Schema: public; Owner: postgres
--

CREATE FUNCTION public.update_notification_target(p_target_id uuid, p_settings jsonb) RETURNS void
    LANGUAGE sql
    SET search_path TO ''
    AS $$ select private.update_notification_target(p_target_id, p_settings) $$;

ALTER FUNCTION public.update_notification_target(p_target_id uuid, p_settings jsonb) OWNER TO postgres;

--
-- Name: FUNCTION update_notification_target(p_target_id uuid, p_settings jsonb); Type: COMMENT; Schema: public; Owner: postgres
--

COMMENT ON FUNCTION public.update_notification_target(p_target_id uuid, p_settings jsonb) IS 'Changes name, classes, quiet ({from, to, zone} or null) or enabled of a target. Another address is another target. Step-up.';

--
-- Name: verify_notification_target(uuid, text); Type: FUNCTION; Schema: public; Owner: postgres
--

CREATE FUNCTION public.verify_notification_target(p_target_id uuid, p_code text) RETURNS boolean
    LANGUAGE sql
    SET search_path TO ''
    AS $$ select private.verify_notification_target(p_target_id, p_code) $$;

ALTER FUNCTION public.verify_notification_target(p_target_id uuid, p_code text) OWNER TO postgres;

--
-- Name: FUNCTION verify_notification_target(p_target_id uuid, p_code text); Type: COMMENT; Schema: public; Owner: postgres
--

COMMENT ON FUNCTION public.verify_notification_target(p_target_id uuid, p_code text) IS 'Confirms the code that was sent to a target; false = it is another one.';

--
-- Name: account_days; Type: TABLE; Schema: engine; Owner: postgres
--

CREATE TABLE engine.account_days (
    account_id uuid NOT NULL,
    trading_day date NOT NULL,
    trades integer DEFAULT 0 NOT NULL,
    realised numeric DEFAULT 0 NOT NULL,
    began_at timestamp with time zone,
    ends_at timestamp with time zone,
    start_balance numeric,
    start_equity numeric,
    source text,
    flows numeric DEFAULT 0 NOT NULL,
    high_water numeric,
    low_water numeric,
    close_balance numeric,
    close_equity numeric,
    net numeric,
    CONSTRAINT a_known_start_says_how_it_is_known CHECK (((source IS NULL) = ((start_balance IS NULL) OR (start_equity IS NULL)))),
    CONSTRAINT account_days_source_check CHECK ((source = ANY (ARRAY['seen'::text, 'rebuilt'::text, 'confirmed'::text])))
);

ALTER TABLE engine.account_days OWNER TO postgres;

--
-- Name: TABLE account_days; Type: COMMENT; Schema: engine; Owner: postgres
--

COMMENT ON TABLE engine.account_days IS 'An account''s trading day, from reset to reset: money at the reset, its extremes, flows, its close. Not deleted with its account: who connects it again finds its days.';

--
-- Name: COLUMN account_days.began_at; Type: COMMENT; Schema: engine; Owner: postgres
--

COMMENT ON COLUMN engine.account_days.began_at IS 'Null until the account was read in it; fills alone do not open a day.';

--
-- Name: COLUMN account_days.source; Type: COMMENT; Schema: engine; Owner: postgres
--

COMMENT ON COLUMN engine.account_days.source IS 'How the start is known: seen (read within a minute of the reset), rebuilt (from fills and history), confirmed by the trader. Null = it is not.';

--
-- Name: COLUMN account_days.flows; Type: COMMENT; Schema: engine; Owner: postgres
--

COMMENT ON COLUMN engine.account_days.flows IS 'Deposits minus withdrawals since the start.';

--
-- Name: COLUMN account_days.net; Type: COMMENT; Schema: engine; Owner: postgres
--

COMMENT ON COLUMN engine.account_days.net IS 'Close minus start minus flows, after fees; of a day nobody watched the fills alone.';

--
-- Name: trading_config; Type: TABLE; Schema: public; Owner: postgres
--

CREATE TABLE public.trading_config (
    id bigint NOT NULL,
    user_id uuid NOT NULL,
    broker public.broker,
    account_id uuid,
    lot_size_mode public.qty_mode,
    fixed_lot_size numeric,
    sl_percentage numeric,
    tp_percentage numeric,
    risk_reward_ratio numeric,
    use_trailing_sl boolean DEFAULT false NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT scope_of_config_is_user_broker_or_account CHECK (((account_id IS NULL) OR (broker IS NULL))),
    CONSTRAINT trading_config_fixed_lot_size_check CHECK ((fixed_lot_size > (0)::numeric)),
    CONSTRAINT trading_config_risk_reward_ratio_check CHECK ((risk_reward_ratio > (0)::numeric)),
    CONSTRAINT trading_config_sl_percentage_check CHECK (((sl_percentage > (0)::numeric) AND (sl_percentage < (100)::numeric))),
    CONSTRAINT trading_config_tp_percentage_check CHECK ((tp_percentage > (0)::numeric))
);

ALTER TABLE public.trading_config OWNER TO postgres;

--
-- Name: TABLE trading_config; Type: COMMENT; Schema: public; Owner: postgres
--

COMMENT ON TABLE public.trading_config IS 'What an alert that is silent about size, stop or target gets. account > broker > user.';

--
-- Name: account_defaults; Type: VIEW; Schema: engine; Owner: postgres
--

CREATE VIEW engine.account_defaults AS
 SELECT a.id AS account_id,
    d.qty_mode,
    d.qty,
    d.sl_pct,
    d.tp_pct,
    d.rr
   FROM (public.broker_accounts a
     CROSS JOIN LATERAL ( SELECT (array_agg(c.lot_size_mode ORDER BY c.far) FILTER (WHERE (c.fixed_lot_size IS NOT NULL)))[1] AS qty_mode,
            (array_agg(c.fixed_lot_size ORDER BY c.far) FILTER (WHERE (c.fixed_lot_size IS NOT NULL)))[1] AS qty,
            (array_agg(c.sl_percentage ORDER BY c.far) FILTER (WHERE (c.sl_percentage IS NOT NULL)))[1] AS sl_pct,
            (array_agg(c.tp_percentage ORDER BY c.far) FILTER (WHERE (c.tp_percentage IS NOT NULL)))[1] AS tp_pct,
            (array_agg(c.risk_reward_ratio ORDER BY c.far) FILTER (WHERE (c.risk_reward_ratio IS NOT NULL)))[1] AS rr
           FROM ( SELECT t.id,
                    t.user_id,
                    t.broker,
                    t.account_id,
                    t.lot_size_mode,
                    t.fixed_lot_size,
                    t.sl_percentage,
                    t.tp_percentage,
                    t.risk_reward_ratio,
                    t.use_trailing_sl,
                    t.updated_at,
                        CASE
                            WHEN (t.account_id IS NOT NULL) THEN 1
                            WHEN (t.broker IS NOT NULL) THEN 2
                            ELSE 3
                        END AS far
                   FROM public.trading_config t
                  WHERE ((t.user_id = a.user_id) AND ((t.broker IS NULL) OR (t.broker = a.broker)) AND ((t.account_id IS NULL) OR (t.account_id = a.id)))) c) d);

ALTER VIEW engine.account_defaults OWNER TO postgres;

--
-- Name: VIEW account_defaults; Type: COMMENT; Schema: engine; Owner: postgres
--

COMMENT ON VIEW engine.account_defaults IS 'What a silent alert gets for an account: the nearest scope that says something.';

--
-- Name: account_identities_id_seq; Type: SEQUENCE; Schema: engine; Owner: postgres
--

ALTER TABLE engine.account_identities ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME engine.account_identities_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

--
-- Name: account_scopes; Type: VIEW; Schema: engine; Owner: postgres
--

CREATE VIEW engine.account_scopes AS
 SELECT a.id AS account_id,
    a.user_id,
    s.scope,
        CASE s.scope
            WHEN 'month'::text THEN (date_trunc('month'::text, (now() AT TIME ZONE 'UTC'::text)))::date
            ELSE t.day
        END AS trading_day
   FROM ((public.broker_accounts a
     CROSS JOIN LATERAL ( SELECT engine.trading_day(a.timezone, a.reset_time, now()) AS day) t)
     CROSS JOIN LATERAL unnest(
        CASE
            WHEN (a.broker = 'paper'::public.broker) THEN ARRAY['paper'::text, (a.id)::text]
            WHEN (( SELECT c.environment
               FROM public.broker_connections c
              WHERE (c.id = a.connection_id)) = 'simulated'::public.environment) THEN ARRAY['live'::text, (a.broker)::text, (a.id)::text]
            ELSE ARRAY['live'::text, (a.broker)::text, (a.id)::text, 'month'::text]
        END) s(scope));

ALTER VIEW engine.account_scopes OWNER TO postgres;

--
-- Name: VIEW account_scopes; Type: COMMENT; Schema: engine; Owner: postgres
--

COMMENT ON VIEW engine.account_scopes IS 'What an entry on an account counts for: the user''s live or paper trading, the broker, the account, on its trading day; and for the plan the user''s UTC month, by its first day.';

--
-- Name: adjustments; Type: TABLE; Schema: engine; Owner: postgres
--

CREATE TABLE engine.adjustments (
    account_id uuid NOT NULL,
    position_id text NOT NULL,
    nth integer NOT NULL,
    qty numeric NOT NULL,
    at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT adjustments_qty_check CHECK ((qty <> (0)::numeric))
);

ALTER TABLE engine.adjustments OWNER TO postgres;

--
-- Name: TABLE adjustments; Type: COMMENT; Schema: engine; Owner: postgres
--

COMMENT ON TABLE engine.adjustments IS 'Quantities (bought +, sold -) of positions that no fill we have seen explains: opened before we came, or told never. A position is the sum of its fills and these; when a fill comes late after all, the next one takes it back.';

--
-- Name: alarms; Type: TABLE; Schema: engine; Owner: postgres
--

CREATE TABLE engine.alarms (
    key text NOT NULL,
    at timestamp with time zone DEFAULT clock_timestamp() NOT NULL
);

ALTER TABLE engine.alarms OWNER TO postgres;

--
-- Name: TABLE alarms; Type: COMMENT; Schema: engine; Owner: postgres
--

COMMENT ON TABLE engine.alarms IS 'What the trader was alarmed about: once for each thing.';

--
-- Name: breaches_id_seq; Type: SEQUENCE; Schema: engine; Owner: postgres
--

ALTER TABLE engine.breaches ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME engine.breaches_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

--
-- Name: commands_id_seq; Type: SEQUENCE; Schema: engine; Owner: postgres
--

ALTER TABLE engine.commands ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME engine.commands_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

--
-- Name: connection_checks; Type: TABLE; Schema: engine; Owner: postgres
--

CREATE TABLE engine.connection_checks (
    connection_id uuid NOT NULL,
    run_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    attempts integer DEFAULT 0 NOT NULL,
    token bigint,
    worker text,
    lease_until timestamp with time zone
);

ALTER TABLE engine.connection_checks OWNER TO postgres;

--
-- Name: TABLE connection_checks; Type: COMMENT; Schema: engine; Owner: postgres
--

COMMENT ON TABLE engine.connection_checks IS 'Logins to be checked: when next, or by whom now; no row for one that was refused, until its owner does something.';

--
-- Name: counters; Type: TABLE; Schema: engine; Owner: postgres
--

CREATE TABLE engine.counters (
    name text NOT NULL,
    n bigint DEFAULT 0 NOT NULL
);

ALTER TABLE engine.counters OWNER TO postgres;

--
-- Name: TABLE counters; Type: COMMENT; Schema: engine; Owner: postgres
--

COMMENT ON TABLE engine.counters IS 'Failures that must not undo a write are counted here (realtime_failures ...).';

--
-- Name: credential_opens; Type: TABLE; Schema: engine; Owner: postgres
--

CREATE TABLE engine.credential_opens (
    hour timestamp with time zone NOT NULL,
    connection_id uuid NOT NULL,
    n integer NOT NULL
);

ALTER TABLE engine.credential_opens OWNER TO postgres;

--
-- Name: TABLE credential_opens; Type: COMMENT; Schema: engine; Owner: postgres
--

COMMENT ON TABLE engine.credential_opens IS 'How often sealed credentials were handed out, per hour and connection.';

--
-- Name: dead_letters; Type: TABLE; Schema: engine; Owner: postgres
--

CREATE TABLE engine.dead_letters (
    id bigint NOT NULL,
    delivery_id bigint NOT NULL,
    error text NOT NULL,
    at timestamp with time zone DEFAULT clock_timestamp() NOT NULL
);

ALTER TABLE engine.dead_letters OWNER TO postgres;

--
-- Name: TABLE dead_letters; Type: COMMENT; Schema: engine; Owner: postgres
--

COMMENT ON TABLE engine.dead_letters IS 'Deliveries whose processing failed with a bug or a broken machine, with the error. Nothing is lost, nothing blocks its account.';

--
-- Name: dead_letters_id_seq; Type: SEQUENCE; Schema: engine; Owner: postgres
--

ALTER TABLE engine.dead_letters ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME engine.dead_letters_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

--
-- Name: drill_twins; Type: TABLE; Schema: engine; Owner: postgres
--

CREATE TABLE engine.drill_twins (
    user_id uuid NOT NULL,
    run_id bigint NOT NULL,
    connection_id uuid NOT NULL
);

ALTER TABLE engine.drill_twins OWNER TO postgres;

--
-- Name: TABLE drill_twins; Type: COMMENT; Schema: engine; Owner: postgres
--

COMMENT ON TABLE engine.drill_twins IS 'Synthetic traders, each with one login: whatever a drill does it does to their accounts, never to a trader''s own.';

--
-- Name: endings; Type: TABLE; Schema: engine; Owner: postgres
--

CREATE TABLE engine.endings (
    order_id bigint NOT NULL,
    event_id bigint NOT NULL,
    asked integer DEFAULT 1 NOT NULL,
    ask_again_at timestamp with time zone NOT NULL
);

ALTER TABLE engine.endings OWNER TO postgres;

--
-- Name: TABLE endings; Type: COMMENT; Schema: engine; Owner: postgres
--

COMMENT ON TABLE engine.endings IS 'Pending entries that were to be canceled: how often it was asked for, the last alert that did, and when it is asked again if the order still stands.';

--
-- Name: endpoint_counters; Type: TABLE; Schema: engine; Owner: postgres
--

CREATE UNLOGGED TABLE engine.endpoint_counters (
    endpoint_id uuid NOT NULL,
    window_start timestamp with time zone NOT NULL,
    kind text NOT NULL,
    n integer DEFAULT 0 NOT NULL
);

ALTER TABLE engine.endpoint_counters OWNER TO postgres;

--
-- Name: TABLE endpoint_counters; Type: COMMENT; Schema: engine; Owner: postgres
--

COMMENT ON TABLE engine.endpoint_counters IS 'Alerts, refused bodies and entries per endpoint and window. Unlogged: a crash forgives.';

--
-- Name: halts; Type: TABLE; Schema: engine; Owner: postgres
--

CREATE TABLE engine.halts (
    id bigint NOT NULL,
    scope text NOT NULL,
    user_id uuid,
    broker public.broker,
    reason text,
    halted_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT a_broker_of_a_user_or_all CHECK ((((scope = 'broker'::text) = (user_id IS NOT NULL)) AND ((scope = 'broker'::text) = (broker IS NOT NULL)))),
    CONSTRAINT halts_reason_check CHECK ((char_length(reason) <= 200)),
    CONSTRAINT halts_scope_check CHECK ((scope = ANY (ARRAY['broker'::text, 'system'::text])))
);

ALTER TABLE engine.halts OWNER TO postgres;

--
-- Name: TABLE halts; Type: COMMENT; Schema: engine; Owner: postgres
--

COMMENT ON TABLE engine.halts IS 'Kill switches that are on for more than one account: an account that is added meanwhile is halted, too.';

--
-- Name: halts_id_seq; Type: SEQUENCE; Schema: engine; Owner: postgres
--

ALTER TABLE engine.halts ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME engine.halts_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

--
-- Name: installation; Type: TABLE; Schema: engine; Owner: postgres
--

CREATE TABLE engine.installation (
    one boolean DEFAULT true NOT NULL,
    code text DEFAULT substr(md5(((random())::text || (clock_timestamp())::text)), 1, 5) NOT NULL,
    CONSTRAINT installation_code_check CHECK ((code ~ '^[a-z0-9]{5}$'::text)),
    CONSTRAINT installation_one_check CHECK (one)
);

ALTER TABLE engine.installation OWNER TO postgres;

--
-- Name: TABLE installation; Type: COMMENT; Schema: engine; Owner: postgres
--

COMMENT ON TABLE engine.installation IS 'A short random word of this installation, part of every client order id: two installations on one broker account never collide.';

--
-- Name: invariant_done_has_an_outcome; Type: VIEW; Schema: engine; Owner: postgres
--

CREATE VIEW engine.invariant_done_has_an_outcome AS
 SELECT id
   FROM public.deliveries d
  WHERE ((status = 'done'::public.delivery_status) AND (outcome IS NULL));

ALTER VIEW engine.invariant_done_has_an_outcome OWNER TO postgres;

--
-- Name: VIEW invariant_done_has_an_outcome; Type: COMMENT; Schema: engine; Owner: postgres
--

COMMENT ON VIEW engine.invariant_done_has_an_outcome IS 'A delivery is done without an outcome.';

--
-- Name: queue; Type: TABLE; Schema: engine; Owner: postgres
--

CREATE TABLE engine.queue (
    id bigint NOT NULL,
    account_id uuid NOT NULL,
    user_id uuid NOT NULL,
    executor public.executor NOT NULL,
    lane public.lane NOT NULL,
    state text NOT NULL,
    run_at timestamp with time zone DEFAULT '-infinity'::timestamp with time zone NOT NULL,
    is_exit boolean NOT NULL,
    symbol text,
    tag text,
    endpoint_id uuid,
    token bigint,
    worker text,
    lease_until timestamp with time zone,
    held_since timestamp with time zone,
    CONSTRAINT claimed_has_a_lease CHECK (((state <> 'claimed'::text) OR ((token IS NOT NULL) AND (lease_until IS NOT NULL)))),
    CONSTRAINT queue_state_check CHECK ((state = ANY (ARRAY['waiting'::text, 'ready'::text, 'claimed'::text, 'unsettled'::text])))
)
WITH (fillfactor='70', autovacuum_vacuum_scale_factor='0.01', autovacuum_vacuum_cost_delay='0');

ALTER TABLE engine.queue OWNER TO postgres;

--
-- Name: TABLE queue; Type: COMMENT; Schema: engine; Owner: postgres
--

COMMENT ON TABLE engine.queue IS 'What is still to be done, FIFO per account and lane: exactly the head of each is ready or claimed. id = delivery. No foreign keys: it must stay narrow.';

--
-- Name: COLUMN queue.state; Type: COMMENT; Schema: engine; Owner: postgres
--

COMMENT ON COLUMN engine.queue.state IS 'waiting (behind the head) | ready (the head) | claimed (a worker has it) | unsettled (an order of it is unknown: the settler has it, the lane goes on)';

--
-- Name: COLUMN queue.held_since; Type: COMMENT; Schema: engine; Owner: postgres
--

COMMENT ON COLUMN engine.queue.held_since IS 'Since when it has held its lane: the first claim. A lane held for long lets exits pass.';

--
-- Name: invariant_done_leaves_nothing_unsent; Type: VIEW; Schema: engine; Owner: postgres
--

CREATE VIEW engine.invariant_done_leaves_nothing_unsent AS
 SELECT id,
    delivery_id,
    state
   FROM engine.commands c
  WHERE ((state = ANY (ARRAY['pending'::public.command_state, 'submitting'::public.command_state, 'unknown'::public.command_state])) AND (NOT (EXISTS ( SELECT 1
           FROM engine.queue q
          WHERE (q.id = c.delivery_id)))));

ALTER VIEW engine.invariant_done_leaves_nothing_unsent OWNER TO postgres;

--
-- Name: VIEW invariant_done_leaves_nothing_unsent; Type: COMMENT; Schema: engine; Owner: postgres
--

COMMENT ON VIEW engine.invariant_done_leaves_nothing_unsent IS 'A delivery has ended and one of its commands has not: nobody would ever send it or ask about it.';

--
-- Name: invariant_events_count_their_deliveries; Type: VIEW; Schema: engine; Owner: postgres
--

CREATE VIEW engine.invariant_events_count_their_deliveries AS
 SELECT e.id,
    e.open_deliveries,
    e.processed,
    d.n AS unfinished
   FROM (public.webhook_events e
     CROSS JOIN LATERAL ( SELECT count(*) AS n
           FROM public.deliveries x
          WHERE ((x.event_id = e.id) AND (x.status <> ALL (ARRAY['done'::public.delivery_status, 'dead'::public.delivery_status])))) d)
  WHERE ((e.status = 'accepted'::public.event_status) AND ((e.open_deliveries <> d.n) OR (e.processed <> (d.n = 0))) AND (e.id > ( SELECT (COALESCE(max(m.id), (0)::bigint) - 10000)
           FROM public.webhook_events m)));

ALTER VIEW engine.invariant_events_count_their_deliveries OWNER TO postgres;

--
-- Name: VIEW invariant_events_count_their_deliveries; Type: COMMENT; Schema: engine; Owner: postgres
--

COMMENT ON VIEW engine.invariant_events_count_their_deliveries IS 'A recent alert''s count of unfinished deliveries, or its processed flag, is wrong.';

--
-- Name: invariant_no_account_sleeps; Type: VIEW; Schema: engine; Owner: postgres
--

CREATE VIEW engine.invariant_no_account_sleeps AS
 SELECT account_id,
    lane
   FROM engine.queue q
  WHERE ((state = 'waiting'::text) AND (NOT (EXISTS ( SELECT 1
           FROM engine.queue h
          WHERE ((h.account_id = q.account_id) AND (h.lane = q.lane) AND (h.state = ANY (ARRAY['ready'::text, 'claimed'::text])))))));

ALTER VIEW engine.invariant_no_account_sleeps OWNER TO postgres;

--
-- Name: VIEW invariant_no_account_sleeps; Type: COMMENT; Schema: engine; Owner: postgres
--

COMMENT ON VIEW engine.invariant_no_account_sleeps IS 'An account has a waiting row and none ready or claimed: nobody would ever wake it.';

--
-- Name: invariant_order_and_command_agree; Type: VIEW; Schema: engine; Owner: postgres
--

CREATE VIEW engine.invariant_order_and_command_agree AS
 SELECT o.id,
    o.status,
    c.state
   FROM (public.orders o
     JOIN engine.commands c ON (((c.order_id = o.id) AND (c.kind = ANY (ARRAY['place'::public.command_kind, 'close'::public.command_kind])))))
  WHERE (((c.state = 'rejected'::public.command_state) AND (o.status <> ALL (ARRAY['rejected'::public.order_status, 'filled'::public.order_status, 'partially_filled'::public.order_status]))) OR ((c.state = 'accepted'::public.command_state) AND (o.status = ANY (ARRAY['pending'::public.order_status, 'submitting'::public.order_status, 'unknown'::public.order_status, 'rejected'::public.order_status]))) OR ((c.state = ANY (ARRAY['canceled'::public.command_state, 'expired'::public.command_state])) AND (o.status = ANY (ARRAY['pending'::public.order_status, 'submitting'::public.order_status, 'unknown'::public.order_status]))));

ALTER VIEW engine.invariant_order_and_command_agree OWNER TO postgres;

--
-- Name: VIEW invariant_order_and_command_agree; Type: COMMENT; Schema: engine; Owner: postgres
--

COMMENT ON VIEW engine.invariant_order_and_command_agree IS 'An order''s status contradicts what its command brought.';

--
-- Name: invariant_position_is_sum_of_fills; Type: VIEW; Schema: engine; Owner: postgres
--

CREATE VIEW engine.invariant_position_is_sum_of_fills AS
 SELECT p.account_id,
    p.venue_position_id,
    p.side,
    p.qty,
    f.net,
    f.qty AS fills_qty
   FROM (public.positions p
     CROSS JOIN LATERAL ( SELECT COALESCE(sum(x.net), (0)::numeric) AS net,
            (COALESCE(sum((x.net * (
                CASE
                    WHEN (p.side = 'buy'::public.side) THEN 1
                    ELSE '-1'::integer
                END)::numeric)) FILTER (WHERE (x.opens IS NULL)), (0)::numeric) + COALESCE(sum(
                CASE
                    WHEN x.opens THEN abs(x.net)
                    ELSE (- abs(x.net))
                END) FILTER (WHERE (x.opens IS NOT NULL)), (0)::numeric)) AS qty,
            COALESCE(bool_or((x.opens IS NOT FALSE)), false) AS opened_here
           FROM ( SELECT
                        CASE
                            WHEN (y.side = 'buy'::public.side) THEN y.qty
                            ELSE (- y.qty)
                        END AS net,
                    (y.effect = 'open'::public.effect) AS opens
                   FROM public.fills y
                  WHERE ((y.account_id = p.account_id) AND (y.position_id = p.venue_position_id))
                UNION ALL
                 SELECT j.qty,
                    NULL::boolean
                   FROM engine.adjustments j
                  WHERE ((j.account_id = p.account_id) AND (j.position_id = p.venue_position_id))) x) f)
  WHERE (((p.closed_at IS NULL) OR (p.as_of > (clock_timestamp() - '1 day'::interval))) AND f.opened_here AND (f.net <>
        CASE
            WHEN (p.side = 'buy'::public.side) THEN p.qty
            ELSE (- p.qty)
        END) AND (NOT ((p.qty = GREATEST(f.qty, (0)::numeric)) AND (abs(f.net) <> f.qty))));

ALTER VIEW engine.invariant_position_is_sum_of_fills OWNER TO postgres;

--
-- Name: VIEW invariant_position_is_sum_of_fills; Type: COMMENT; Schema: engine; Owner: postgres
--

COMMENT ON VIEW engine.invariant_position_is_sum_of_fills IS 'A position differs, in quantity or side, from the sum of its fills and adjustments.';

--
-- Name: invariant_queue_and_delivery_agree; Type: VIEW; Schema: engine; Owner: postgres
--

CREATE VIEW engine.invariant_queue_and_delivery_agree AS
 SELECT q.id,
    q.state,
    d.status
   FROM (engine.queue q
     JOIN public.deliveries d ON ((d.id = q.id)))
  WHERE (d.status = ANY (ARRAY['done'::public.delivery_status, 'dead'::public.delivery_status]))
UNION ALL
 SELECT d.id,
    NULL::text AS state,
    d.status
   FROM public.deliveries d
  WHERE ((d.status = ANY (ARRAY['queued'::public.delivery_status, 'claimed'::public.delivery_status])) AND (NOT (EXISTS ( SELECT 1
           FROM engine.queue q
          WHERE (q.id = d.id)))) AND (d.id > ( SELECT (COALESCE(max(m.id), (0)::bigint) - 100000)
           FROM public.deliveries m)));

ALTER VIEW engine.invariant_queue_and_delivery_agree OWNER TO postgres;

--
-- Name: VIEW invariant_queue_and_delivery_agree; Type: COMMENT; Schema: engine; Owner: postgres
--

COMMENT ON VIEW engine.invariant_queue_and_delivery_agree IS 'A finished delivery still stands in the queue, or an unfinished one does not.';

--
-- Name: invariant_sent_has_an_outcome; Type: VIEW; Schema: engine; Owner: postgres
--

CREATE VIEW engine.invariant_sent_has_an_outcome AS
 SELECT id,
    delivery_id,
    state,
    submitted_at
   FROM engine.commands c
  WHERE ((state = ANY (ARRAY['submitting'::public.command_state, 'unknown'::public.command_state])) AND (submitted_at < (clock_timestamp() - '00:10:00'::interval)));

ALTER VIEW engine.invariant_sent_has_an_outcome OWNER TO postgres;

--
-- Name: VIEW invariant_sent_has_an_outcome; Type: COMMENT; Schema: engine; Owner: postgres
--

COMMENT ON VIEW engine.invariant_sent_has_an_outcome IS 'A command was sent long ago and has no outcome.';

--
-- Name: log_classes; Type: TABLE; Schema: engine; Owner: postgres
--

CREATE TABLE engine.log_classes (
    type text NOT NULL,
    class public.notification_class NOT NULL
);

ALTER TABLE engine.log_classes OWNER TO postgres;

--
-- Name: TABLE log_classes; Type: COMMENT; Schema: engine; Owner: postgres
--

COMMENT ON TABLE engine.log_classes IS 'Lines of the log that are also sent to the trader''s targets, by their type. What is not here is only kept.';

--
-- Name: notification_codes; Type: TABLE; Schema: engine; Owner: postgres
--

CREATE TABLE engine.notification_codes (
    target_id uuid NOT NULL,
    code text NOT NULL,
    wrong integer DEFAULT 0 NOT NULL,
    sends integer DEFAULT 1 NOT NULL,
    since timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    expires_at timestamp with time zone NOT NULL,
    CONSTRAINT notification_codes_code_check CHECK ((code ~ '^[0-9]{6}$'::text))
);

ALTER TABLE engine.notification_codes OWNER TO postgres;

--
-- Name: TABLE notification_codes; Type: COMMENT; Schema: engine; Owner: postgres
--

COMMENT ON TABLE engine.notification_codes IS 'The code that was sent to a new target: who can read it there owns it.';

--
-- Name: notification_doors; Type: TABLE; Schema: engine; Owner: postgres
--

CREATE TABLE engine.notification_doors (
    target_id uuid NOT NULL,
    key_id text NOT NULL,
    sealed bytea NOT NULL,
    token bigint,
    worker text,
    lease_until timestamp with time zone,
    rest_until timestamp with time zone,
    failures integer DEFAULT 0 NOT NULL,
    complained_at timestamp with time zone,
    CONSTRAINT notification_doors_sealed_check CHECK (((octet_length(sealed) >= 48) AND (octet_length(sealed) <= 16384)))
);

ALTER TABLE engine.notification_doors OWNER TO postgres;

--
-- Name: TABLE notification_doors; Type: COMMENT; Schema: engine; Owner: postgres
--

COMMENT ON TABLE engine.notification_doors IS 'The sealed address of a target, and who sends there now. Nobody reads it through the API.';

--
-- Name: outbox; Type: TABLE; Schema: engine; Owner: postgres
--

CREATE TABLE engine.outbox (
    id bigint NOT NULL,
    account_id uuid,
    user_id uuid NOT NULL,
    subject text NOT NULL,
    body jsonb NOT NULL,
    created_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    told boolean DEFAULT false NOT NULL
);

ALTER TABLE engine.outbox OWNER TO postgres;

--
-- Name: TABLE outbox; Type: COMMENT; Schema: engine; Owner: postgres
--

COMMENT ON TABLE engine.outbox IS 'Events for the outside, in order per account; the relay deletes what it delivered.';

--
-- Name: COLUMN outbox.told; Type: COMMENT; Schema: engine; Owner: postgres
--

COMMENT ON COLUMN engine.outbox.told IS 'The trader''s log and his targets have it; what is left are other sinks.';

--
-- Name: outbox_claims; Type: TABLE; Schema: engine; Owner: postgres
--

CREATE TABLE engine.outbox_claims (
    token bigint NOT NULL,
    worker text NOT NULL,
    lease_until timestamp with time zone NOT NULL,
    ids bigint[] NOT NULL,
    accounts uuid[] NOT NULL
);

ALTER TABLE engine.outbox_claims OWNER TO postgres;

--
-- Name: TABLE outbox_claims; Type: COMMENT; Schema: engine; Owner: postgres
--

COMMENT ON TABLE engine.outbox_claims IS 'Which rows of the outbox a relay holds, and of which accounts: a row a batch, so that the outbox itself is written once and deleted once.';

--
-- Name: outbox_id; Type: SEQUENCE; Schema: engine; Owner: postgres
--

CREATE SEQUENCE engine.outbox_id
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;

ALTER SEQUENCE engine.outbox_id OWNER TO postgres;

--
-- Name: SEQUENCE outbox_id; Type: COMMENT; Schema: engine; Owner: postgres
--

COMMENT ON SEQUENCE engine.outbox_id IS 'Ids of outbox rows, drawn under the account lock so that their order is the order of what happened.';

--
-- Name: paper_accounts; Type: TABLE; Schema: engine; Owner: postgres
--

CREATE TABLE engine.paper_accounts (
    account_id uuid NOT NULL,
    version bigint DEFAULT 0 NOT NULL,
    balance numeric NOT NULL,
    currency text DEFAULT 'USD'::text NOT NULL,
    book jsonb DEFAULT '{}'::jsonb NOT NULL
);

ALTER TABLE engine.paper_accounts OWNER TO postgres;

--
-- Name: TABLE paper_accounts; Type: COMMENT; Schema: engine; Owner: postgres
--

COMMENT ON TABLE engine.paper_accounts IS 'A paper account''s money and open book (positions, working orders, last prices); replaced by compare-and-set on version.';

--
-- Name: paper_fills; Type: TABLE; Schema: engine; Owner: postgres
--

CREATE TABLE engine.paper_fills (
    account_id uuid NOT NULL,
    id bigint NOT NULL,
    fill jsonb NOT NULL,
    at timestamp with time zone DEFAULT clock_timestamp() NOT NULL
);

ALTER TABLE engine.paper_fills OWNER TO postgres;

--
-- Name: TABLE paper_fills; Type: COMMENT; Schema: engine; Owner: postgres
--

COMMENT ON TABLE engine.paper_fills IS 'The paper broker''s executions, oldest first.';

--
-- Name: paper_fills_id_seq; Type: SEQUENCE; Schema: engine; Owner: postgres
--

ALTER TABLE engine.paper_fills ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME engine.paper_fills_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

--
-- Name: paper_orders; Type: TABLE; Schema: engine; Owner: postgres
--

CREATE TABLE engine.paper_orders (
    account_id uuid NOT NULL,
    client_order_id text NOT NULL,
    answer jsonb NOT NULL,
    at timestamp with time zone DEFAULT clock_timestamp() NOT NULL
);

ALTER TABLE engine.paper_orders OWNER TO postgres;

--
-- Name: TABLE paper_orders; Type: COMMENT; Schema: engine; Owner: postgres
--

COMMENT ON TABLE engine.paper_orders IS 'What the paper broker answered to each command: a repeated client order id is answered again, never executed again.';

--
-- Name: read_credits; Type: TABLE; Schema: engine; Owner: postgres
--

CREATE UNLOGGED TABLE engine.read_credits (
    connection_id uuid NOT NULL,
    reads numeric NOT NULL,
    at timestamp with time zone NOT NULL
)
WITH (fillfactor='50');

ALTER TABLE engine.read_credits OWNER TO postgres;

--
-- Name: TABLE read_credits; Type: COMMENT; Schema: engine; Owner: postgres
--

COMMENT ON TABLE engine.read_credits IS 'How many reads of its accounts a login may begin at once, as of `at`; more come with time. Only of brokers that count by the login.';

--
-- Name: reconciled; Type: TABLE; Schema: engine; Owner: postgres
--

CREATE TABLE engine.reconciled (
    account_id uuid NOT NULL,
    agreed_at timestamp with time zone,
    suspects jsonb DEFAULT '{}'::jsonb NOT NULL
)
WITH (fillfactor='70');

ALTER TABLE engine.reconciled OWNER TO postgres;

--
-- Name: TABLE reconciled; Type: COMMENT; Schema: engine; Owner: postgres
--

COMMENT ON TABLE engine.reconciled IS 'Since when the books of an account agree with its broker, and what one read has found otherwise.';

--
-- Name: COLUMN reconciled.suspects; Type: COMMENT; Schema: engine; Owner: postgres
--

COMMENT ON COLUMN engine.reconciled.suspects IS 'Key of a difference -> the time of the read that found it first: what no fill explains is believed at the second.';

--
-- Name: reservations; Type: TABLE; Schema: engine; Owner: postgres
--

CREATE TABLE engine.reservations (
    delivery_id bigint NOT NULL,
    account_id uuid NOT NULL,
    loss jsonb DEFAULT '{}'::jsonb NOT NULL,
    notional_usd jsonb DEFAULT '{}'::jsonb NOT NULL
);

ALTER TABLE engine.reservations OWNER TO postgres;

--
-- Name: TABLE reservations; Type: COMMENT; Schema: engine; Owner: postgres
--

COMMENT ON TABLE engine.reservations IS 'Per delivery what its entries lose at worst and are worth, by leg: for the rules of those that come after. Only where the user has rules.';

--
-- Name: COLUMN reservations.loss; Type: COMMENT; Schema: engine; Owner: postgres
--

COMMENT ON COLUMN engine.reservations.loss IS 'By leg, in the account''s currency; without a stop what the rules assumed.';

--
-- Name: rule_names; Type: TABLE; Schema: engine; Owner: postgres
--

CREATE TABLE engine.rule_names (
    rule text NOT NULL,
    field text NOT NULL,
    name text NOT NULL
);

ALTER TABLE engine.rule_names OWNER TO postgres;

--
-- Name: TABLE rule_names; Type: COMMENT; Schema: engine; Owner: postgres
--

COMMENT ON TABLE engine.rule_names IS 'The calendars and packs that exist, by the field that names them; for a field without a row every name is taken.';

--
-- Name: scope_counters; Type: TABLE; Schema: engine; Owner: postgres
--

CREATE TABLE engine.scope_counters (
    id bigint NOT NULL,
    user_id uuid NOT NULL,
    scope text NOT NULL,
    trading_day date NOT NULL,
    trades integer DEFAULT 0 NOT NULL,
    CONSTRAINT scope_counters_trades_check CHECK ((trades >= 0))
);

ALTER TABLE engine.scope_counters OWNER TO postgres;

--
-- Name: TABLE scope_counters; Type: COMMENT; Schema: engine; Owner: postgres
--

COMMENT ON TABLE engine.scope_counters IS 'Trades reserved per day and scope: live or paper of a user, a broker, an account (its id); scope month: of the UTC month that begins on this day.';

--
-- Name: scope_counters_id_seq; Type: SEQUENCE; Schema: engine; Owner: postgres
--

ALTER TABLE engine.scope_counters ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME engine.scope_counters_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

--
-- Name: session_turns; Type: TABLE; Schema: engine; Owner: postgres
--

CREATE TABLE engine.session_turns (
    connection_id uuid NOT NULL,
    worker text NOT NULL,
    until timestamp with time zone NOT NULL
);

ALTER TABLE engine.session_turns OWNER TO postgres;

--
-- Name: TABLE session_turns; Type: COMMENT; Schema: engine; Owner: postgres
--

COMMENT ON TABLE engine.session_turns IS 'Who refreshes a connection''s session now: one at a time, for some seconds.';

--
-- Name: sessions; Type: TABLE; Schema: engine; Owner: postgres
--

CREATE TABLE engine.sessions (
    connection_id uuid NOT NULL,
    version bigint DEFAULT 1 NOT NULL,
    key_id text NOT NULL,
    sealed bytea NOT NULL,
    expires_at timestamp with time zone,
    updated_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL
);

ALTER TABLE engine.sessions OWNER TO postgres;

--
-- Name: TABLE sessions; Type: COMMENT; Schema: engine; Owner: postgres
--

COMMENT ON TABLE engine.sessions IS 'Session tokens of brokers, sealed; replaced by compare-and-set on version.';

--
-- Name: stakes; Type: TABLE; Schema: engine; Owner: postgres
--

CREATE TABLE engine.stakes (
    owner uuid NOT NULL,
    key text NOT NULL,
    total numeric NOT NULL,
    CONSTRAINT stakes_key_check CHECK ((char_length(key) <= 100))
)
WITH (fillfactor='50');

ALTER TABLE engine.stakes OWNER TO postgres;

--
-- Name: TABLE stakes; Type: COMMENT; Schema: engine; Owner: postgres
--

COMMENT ON TABLE engine.stakes IS 'What has ever been put at stake, per account or per user (owner) and kind (loss, quantity, a symbol''s side, dollars). It only rises: the difference between two moments is what was admitted in between, whatever became of it.';

--
-- Name: thinned; Type: TABLE; Schema: engine; Owner: postgres
--

CREATE TABLE engine.thinned (
    grade text NOT NULL,
    day date NOT NULL
);

ALTER TABLE engine.thinned OWNER TO postgres;

--
-- Name: TABLE thinned; Type: COMMENT; Schema: engine; Owner: postgres
--

COMMENT ON TABLE engine.thinned IS 'Up to which day (UTC) equity_history was thinned to a grade: hour, day.';

--
-- Name: workers; Type: TABLE; Schema: engine; Owner: postgres
--

CREATE TABLE engine.workers (
    id text NOT NULL,
    kind text NOT NULL,
    started_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    seen_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    details jsonb DEFAULT '{}'::jsonb NOT NULL
);

ALTER TABLE engine.workers OWNER TO postgres;

--
-- Name: TABLE workers; Type: COMMENT; Schema: engine; Owner: postgres
--

COMMENT ON TABLE engine.workers IS 'Heartbeats of worker processes.';

--
-- Name: admins; Type: TABLE; Schema: private; Owner: postgres
--

CREATE TABLE private.admins (
    user_id uuid NOT NULL,
    granted_at timestamp with time zone DEFAULT now() NOT NULL,
    granted_by text DEFAULT CURRENT_USER NOT NULL
);

ALTER TABLE private.admins OWNER TO postgres;

--
-- Name: TABLE admins; Type: COMMENT; Schema: private; Owner: postgres
--

COMMENT ON TABLE private.admins IS 'Who may be an admin. The token''s role claim and aal2 are needed besides (private.is_admin()).';

--
-- Name: risk_standings; Type: TABLE; Schema: public; Owner: postgres
--

CREATE TABLE public.risk_standings (
    account_id uuid NOT NULL,
    scope text NOT NULL,
    rule text NOT NULL,
    user_id uuid NOT NULL,
    value numeric,
    threshold numeric,
    distance numeric,
    why text,
    at timestamp with time zone NOT NULL,
    CONSTRAINT risk_standings_scope_check CHECK ((scope = ANY (ARRAY['user'::text, 'broker'::text, 'account'::text]))),
    CONSTRAINT risk_standings_why_check CHECK ((char_length(why) <= 200))
)
WITH (fillfactor='70');

ALTER TABLE public.risk_standings OWNER TO postgres;

--
-- Name: TABLE risk_standings; Type: COMMENT; Schema: public; Owner: postgres
--

COMMENT ON TABLE public.risk_standings IS 'Where each limit of money stands since the last read of its account, in the account''s currency. Written by the watch.';

--
-- Name: COLUMN risk_standings.distance; Type: COMMENT; Schema: public; Owner: postgres
--

COMMENT ON COLUMN public.risk_standings.distance IS 'What may still be lost (or, for a cap, won) until it is reached; null = not armed, and why.';

--
-- Name: account_risk; Type: VIEW; Schema: public; Owner: postgres
--

CREATE VIEW public.account_risk WITH (security_invoker='true') AS
 SELECT s.user_id,
    s.account_id,
    s.scope,
    s.rule,
    s.value,
    s.threshold,
    s.distance,
    a.currency,
    s.why,
    s.at,
        CASE
            WHEN (a.locked_until > now()) THEN a.locked_until
            ELSE NULL::timestamp with time zone
        END AS locked_until,
        CASE
            WHEN (a.locked_until > now()) THEN a.lock_reason
            ELSE NULL::text
        END AS lock_reason
   FROM (public.risk_standings s
     JOIN public.broker_accounts a ON ((a.id = s.account_id)));

ALTER VIEW public.account_risk OWNER TO postgres;

--
-- Name: VIEW account_risk; Type: COMMENT; Schema: public; Owner: postgres
--

COMMENT ON VIEW public.account_risk IS 'Each limit of money of each account: value, threshold (buffer taken off), distance in money, and the account''s lock.';

--
-- Name: admin_actions; Type: TABLE; Schema: public; Owner: postgres
--

CREATE TABLE public.admin_actions (
    id bigint NOT NULL,
    admin_user_id uuid,
    actor text DEFAULT CURRENT_USER NOT NULL,
    action text NOT NULL,
    target_user_id uuid,
    details jsonb DEFAULT '{}'::jsonb NOT NULL,
    ip_address inet,
    created_at timestamp with time zone DEFAULT now() NOT NULL
);

ALTER TABLE public.admin_actions OWNER TO postgres;

--
-- Name: TABLE admin_actions; Type: COMMENT; Schema: public; Owner: postgres
--

COMMENT ON TABLE public.admin_actions IS 'Audit trail of admin verbs and of writes by any role to settings, accounts, endpoints, keys, profiles, plans. Insert only.';

--
-- Name: admin_actions_id_seq; Type: SEQUENCE; Schema: public; Owner: postgres
--

ALTER TABLE public.admin_actions ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.admin_actions_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

--
-- Name: api_keys; Type: TABLE; Schema: public; Owner: postgres
--

CREATE TABLE public.api_keys (
    id text NOT NULL,
    user_id uuid NOT NULL,
    name text NOT NULL,
    key_hash bytea NOT NULL,
    scopes text[] NOT NULL,
    allow_cidrs cidr[],
    expires_at timestamp with time zone,
    revoked_at timestamp with time zone,
    last_used_at timestamp with time zone,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT api_keys_id_check CHECK ((id ~ '^[0-9A-Za-z]{8}$'::text)),
    CONSTRAINT api_keys_key_hash_check CHECK ((octet_length(key_hash) = 32)),
    CONSTRAINT api_keys_name_check CHECK (((char_length(name) >= 1) AND (char_length(name) <= 80))),
    CONSTRAINT api_keys_scopes_check CHECK ((scopes <@ ARRAY['read'::text, 'trade'::text, 'reduce'::text]))
);

ALTER TABLE public.api_keys OWNER TO postgres;

--
-- Name: TABLE api_keys; Type: COMMENT; Schema: public; Owner: postgres
--

COMMENT ON TABLE public.api_keys IS 'API keys: only their SHA-256 is stored.';

--
-- Name: brands; Type: TABLE; Schema: public; Owner: postgres
--

CREATE TABLE public.brands (
    id uuid DEFAULT gen_random_uuid() NOT NULL,
    name text NOT NULL,
    settings jsonb DEFAULT '{}'::jsonb NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT brands_name_check CHECK (((char_length(name) >= 1) AND (char_length(name) <= 80)))
);

ALTER TABLE public.brands OWNER TO postgres;

--
-- Name: TABLE brands; Type: COMMENT; Schema: public; Owner: postgres
--

COMMENT ON TABLE public.brands IS 'White labels: name and looks. Not an isolation boundary.';

--
-- Name: corrections; Type: TABLE; Schema: public; Owner: postgres
--

CREATE TABLE public.corrections (
    id bigint NOT NULL,
    user_id uuid NOT NULL,
    account_id uuid NOT NULL,
    key text NOT NULL,
    kind text NOT NULL,
    symbol text,
    told text NOT NULL,
    numbers jsonb DEFAULT '{}'::jsonb NOT NULL,
    event_id bigint,
    at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT corrections_key_check CHECK ((char_length(key) <= 200)),
    CONSTRAINT corrections_kind_check CHECK ((kind = ANY (ARRAY['fill'::text, 'order_unknown'::text, 'order_renamed'::text, 'order_ended'::text, 'position_unknown'::text, 'position_gone'::text, 'position_differs'::text, 'orphan'::text]))),
    CONSTRAINT corrections_told_check CHECK ((char_length(told) <= 1000))
);

ALTER TABLE public.corrections OWNER TO postgres;

--
-- Name: TABLE corrections; Type: COMMENT; Schema: public; Owner: postgres
--

COMMENT ON TABLE public.corrections IS 'What our books had to learn from the broker: a fill told late, an order or a position that somebody made or ended elsewhere. Insert only.';

--
-- Name: COLUMN corrections.key; Type: COMMENT; Schema: public; Owner: postgres
--

COMMENT ON COLUMN public.corrections.key IS 'Kind, the broker''s id and what tells one from the next: made again it is the same.';

--
-- Name: corrections_id_seq; Type: SEQUENCE; Schema: public; Owner: postgres
--

ALTER TABLE public.corrections ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.corrections_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

--
-- Name: credential_seals; Type: TABLE; Schema: public; Owner: postgres
--

CREATE TABLE public.credential_seals (
    id bigint NOT NULL,
    connection_id uuid NOT NULL,
    recipient text NOT NULL,
    key_id text NOT NULL,
    version integer NOT NULL,
    sealed bytea NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT credential_seals_sealed_check CHECK (((octet_length(sealed) >= 48) AND (octet_length(sealed) <= 16384))),
    CONSTRAINT credential_seals_version_check CHECK ((version > 0))
);

ALTER TABLE public.credential_seals OWNER TO postgres;

--
-- Name: TABLE credential_seals; Type: COMMENT; Schema: public; Owner: postgres
--

COMMENT ON TABLE public.credential_seals IS 'Broker credentials sealed by the client (HPKE) to the fleet or to a device. Insert only; nobody reads them through the API.';

--
-- Name: COLUMN credential_seals.recipient; Type: COMMENT; Schema: public; Owner: postgres
--

COMMENT ON COLUMN public.credential_seals.recipient IS 'fleet, or the id of a device.';

--
-- Name: credential_seals_id_seq; Type: SEQUENCE; Schema: public; Owner: postgres
--

ALTER TABLE public.credential_seals ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.credential_seals_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

--
-- Name: deliveries_id_seq; Type: SEQUENCE; Schema: public; Owner: postgres
--

ALTER TABLE public.deliveries ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.deliveries_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

--
-- Name: drill_runs; Type: TABLE; Schema: public; Owner: postgres
--

CREATE TABLE public.drill_runs (
    id bigint NOT NULL,
    user_id uuid NOT NULL,
    account_id uuid NOT NULL,
    rule text,
    status text DEFAULT 'waiting'::text NOT NULL,
    error text,
    requested_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    finished_at timestamp with time zone,
    attempts integer DEFAULT 0 NOT NULL,
    token bigint,
    lease_until timestamp with time zone,
    CONSTRAINT drill_runs_error_check CHECK ((char_length(error) <= 500)),
    CONSTRAINT drill_runs_status_check CHECK ((status = ANY (ARRAY['waiting'::text, 'running'::text, 'done'::text, 'failed'::text])))
);

ALTER TABLE public.drill_runs OWNER TO postgres;

--
-- Name: TABLE drill_runs; Type: COMMENT; Schema: public; Owner: postgres
--

COMMENT ON TABLE public.drill_runs IS 'Drills as they were asked for: of an account''s limits, or of one rule.';

--
-- Name: drill_runs_id_seq; Type: SEQUENCE; Schema: public; Owner: postgres
--

ALTER TABLE public.drill_runs ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.drill_runs_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

--
-- Name: drills; Type: TABLE; Schema: public; Owner: postgres
--

CREATE TABLE public.drills (
    id bigint NOT NULL,
    run_id bigint NOT NULL,
    user_id uuid NOT NULL,
    account_id uuid NOT NULL,
    scope text NOT NULL,
    rule text NOT NULL,
    settings jsonb NOT NULL,
    settings_hash text NOT NULL,
    passed boolean NOT NULL,
    told text NOT NULL,
    numbers jsonb DEFAULT '{}'::jsonb NOT NULL,
    at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT drills_scope_check CHECK ((scope = ANY (ARRAY['user'::text, 'broker'::text, 'account'::text]))),
    CONSTRAINT drills_told_check CHECK ((char_length(told) <= 1000))
);

ALTER TABLE public.drills OWNER TO postgres;

--
-- Name: TABLE drills; Type: COMMENT; Schema: public; Owner: postgres
--

COMMENT ON TABLE public.drills IS 'What each limit did when it was drilled: fired where it should, and not one notch below. Insert only.';

--
-- Name: COLUMN drills.settings_hash; Type: COMMENT; Schema: public; Owner: postgres
--

COMMENT ON COLUMN public.drills.settings_hash IS 'Of the limit''s settings then: a drill of other settings proves nothing.';

--
-- Name: drill_status; Type: VIEW; Schema: public; Owner: postgres
--

CREATE VIEW public.drill_status WITH (security_invoker='true') AS
 SELECT c.user_id,
    c.account_id,
    c.scope,
    c.rule,
    c.settings,
    md5((c.settings)::text) AS settings_hash,
    p.at AS passed_at,
    l.at AS drilled_at,
    l.told,
        CASE
            WHEN (l.id IS NULL) THEN 'never'::text
            WHEN ((NOT l.passed) AND (l.settings_hash = md5((c.settings)::text))) THEN 'failed'::text
            WHEN COALESCE((p.settings_hash <> md5((c.settings)::text)), true) THEN 'stale_settings'::text
            WHEN (p.at < (now() - '30 days'::interval)) THEN 'stale_age'::text
            ELSE 'passed'::text
        END AS state
   FROM ((( SELECT a.user_id,
            a.id AS account_id,
                CASE
                    WHEN (r.account_id IS NOT NULL) THEN 'account'::text
                    WHEN (r.broker IS NOT NULL) THEN 'broker'::text
                    ELSE 'user'::text
                END AS scope,
            s.rule,
            s.settings
           FROM ((public.broker_accounts a
             JOIN public.risk_settings r ON (((r.user_id = a.user_id) AND ((r.broker IS NULL) OR (r.broker = a.broker)) AND ((r.account_id IS NULL) OR (r.account_id = a.id)) AND (r.superseded_at IS NULL) AND (r.effective_from <= GREATEST(now(), r.created_at)) AND ((r.ends_at IS NULL) OR (r.ends_at > now())))))
             CROSS JOIN LATERAL ( SELECT e.key AS rule,
                    e.value AS settings
                   FROM jsonb_each((jsonb_strip_nulls(jsonb_build_object('max_daily_loss_usd', r.max_daily_loss_usd, 'max_daily_loss_pct', r.max_daily_loss_pct, 'max_trades_per_day', r.max_trades_per_day, 'max_open_trades', r.max_open_trades, 'max_concurrent_positions', r.max_concurrent_positions, 'max_order_qty', r.max_order_qty, 'max_risk_per_trade_pct', r.max_risk_per_trade_pct, 'max_price_deviation_pct', r.max_price_deviation_pct, 'stop_required', NULLIF(r.stop_required, false), 'allowed_symbols', r.allowed_symbols)) || (jsonb_strip_nulls(r.rules) - 'pack'::text))) e(key, value)) s)) c
     LEFT JOIN LATERAL ( SELECT d.id,
            d.run_id,
            d.user_id,
            d.account_id,
            d.scope,
            d.rule,
            d.settings,
            d.settings_hash,
            d.passed,
            d.told,
            d.numbers,
            d.at
           FROM public.drills d
          WHERE ((d.account_id = c.account_id) AND (d.scope = c.scope) AND (d.rule = c.rule))
          ORDER BY d.at DESC
         LIMIT 1) l ON (true))
     LEFT JOIN LATERAL ( SELECT d.id,
            d.run_id,
            d.user_id,
            d.account_id,
            d.scope,
            d.rule,
            d.settings,
            d.settings_hash,
            d.passed,
            d.told,
            d.numbers,
            d.at
           FROM public.drills d
          WHERE ((d.account_id = c.account_id) AND (d.scope = c.scope) AND (d.rule = c.rule) AND d.passed)
          ORDER BY d.at DESC
         LIMIT 1) p ON (true));

ALTER VIEW public.drill_status OWNER TO postgres;

--
-- Name: VIEW drill_status; Type: COMMENT; Schema: public; Owner: postgres
--

COMMENT ON VIEW public.drill_status IS 'Every limit in force of every account, and whether it has been seen to fire: passed, failed, never, stale_age (30 days) or stale_settings (it was set otherwise then).';

--
-- Name: drills_id_seq; Type: SEQUENCE; Schema: public; Owner: postgres
--

ALTER TABLE public.drills ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.drills_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

--
-- Name: equity_history; Type: TABLE; Schema: public; Owner: postgres
--

CREATE TABLE public.equity_history (
    id bigint NOT NULL,
    user_id uuid NOT NULL,
    broker public.broker NOT NULL,
    account_id uuid NOT NULL,
    equity numeric NOT NULL,
    balance numeric NOT NULL,
    unrealized_pnl numeric DEFAULT 0 NOT NULL,
    "timestamp" timestamp with time zone DEFAULT clock_timestamp() NOT NULL
);

ALTER TABLE public.equity_history OWNER TO postgres;

--
-- Name: TABLE equity_history; Type: COMMENT; Schema: public; Owner: postgres
--

COMMENT ON TABLE public.equity_history IS 'Equity over time, per account.';

--
-- Name: equity_history_id_seq; Type: SEQUENCE; Schema: public; Owner: postgres
--

ALTER TABLE public.equity_history ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.equity_history_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

--
-- Name: fills_id_seq; Type: SEQUENCE; Schema: public; Owner: postgres
--

ALTER TABLE public.fills ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.fills_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

--
-- Name: fleet_keys; Type: TABLE; Schema: public; Owner: postgres
--

CREATE TABLE public.fleet_keys (
    key_id text NOT NULL,
    public_key text NOT NULL,
    expires_on date NOT NULL,
    signature text NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    retired_at timestamp with time zone,
    CONSTRAINT fleet_keys_key_id_check CHECK ((key_id ~ '^f[0-9a-f]{16}$'::text)),
    CONSTRAINT fleet_keys_public_key_check CHECK ((public_key ~ '^[A-Za-z0-9_-]{43}$'::text)),
    CONSTRAINT fleet_keys_signature_check CHECK ((signature ~ '^[A-Za-z0-9_-]{86}$'::text))
);

ALTER TABLE public.fleet_keys OWNER TO postgres;

--
-- Name: TABLE fleet_keys; Type: COMMENT; Schema: public; Owner: postgres
--

COMMENT ON TABLE public.fleet_keys IS 'Public keys that credentials are sealed to, each signed by the offline root. Clients check the signature: this table is not trusted.';

--
-- Name: fx_rates; Type: TABLE; Schema: public; Owner: postgres
--

CREATE TABLE public.fx_rates (
    currency text NOT NULL,
    usd numeric NOT NULL,
    as_of timestamp with time zone NOT NULL,
    CONSTRAINT fx_rates_currency_check CHECK ((currency ~ '^[A-Z]{3,5}$'::text)),
    CONSTRAINT fx_rates_usd_check CHECK ((usd > (0)::numeric))
);

ALTER TABLE public.fx_rates OWNER TO postgres;

--
-- Name: TABLE fx_rates; Type: COMMENT; Schema: public; Owner: postgres
--

COMMENT ON TABLE public.fx_rates IS 'US dollars per unit of a currency, with its age; used only while it is fresh.';

--
-- Name: health; Type: TABLE; Schema: public; Owner: postgres
--

CREATE TABLE public.health (
    broker public.broker NOT NULL,
    status text DEFAULT 'unknown'::text NOT NULL,
    latency_ms numeric,
    message text,
    updated_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT health_status_check CHECK ((status = ANY (ARRAY['operational'::text, 'degraded'::text, 'down'::text, 'unknown'::text])))
);

ALTER TABLE public.health OWNER TO postgres;

--
-- Name: TABLE health; Type: COMMENT; Schema: public; Owner: postgres
--

COMMENT ON TABLE public.health IS 'Per broker: what the workers last saw.';

--
-- Name: logs; Type: TABLE; Schema: public; Owner: postgres
--

CREATE TABLE public.logs (
    id bigint NOT NULL,
    user_id uuid,
    level public.log_level NOT NULL,
    type text NOT NULL,
    message text NOT NULL,
    details jsonb DEFAULT '{}'::jsonb NOT NULL,
    correlation_id bigint,
    created_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT logs_message_check CHECK ((char_length(message) <= 1000))
);

ALTER TABLE public.logs OWNER TO postgres;

--
-- Name: TABLE logs; Type: COMMENT; Schema: public; Owner: postgres
--

COMMENT ON TABLE public.logs IS 'What a user should know happened; correlation_id is the event id.';

--
-- Name: logs_id_seq; Type: SEQUENCE; Schema: public; Owner: postgres
--

ALTER TABLE public.logs ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.logs_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

--
-- Name: notifications; Type: TABLE; Schema: public; Owner: postgres
--

CREATE TABLE public.notifications (
    id bigint NOT NULL,
    user_id uuid NOT NULL,
    target_id uuid,
    kind public.notification_kind NOT NULL,
    target_name text NOT NULL,
    event_class public.notification_class NOT NULL,
    event_key text NOT NULL,
    event_id bigint,
    message text NOT NULL,
    status public.notification_status DEFAULT 'waiting'::public.notification_status NOT NULL,
    attempts integer DEFAULT 0 NOT NULL,
    in_digest boolean DEFAULT false NOT NULL,
    last_error text,
    due_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    created_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    sent_at timestamp with time zone,
    CONSTRAINT notifications_event_key_check CHECK ((char_length(event_key) <= 120)),
    CONSTRAINT notifications_last_error_check CHECK ((char_length(last_error) <= 300)),
    CONSTRAINT notifications_message_check CHECK ((char_length(message) <= 1500))
)
WITH (fillfactor='80');

ALTER TABLE public.notifications OWNER TO postgres;

--
-- Name: TABLE notifications; Type: COMMENT; Schema: public; Owner: postgres
--

COMMENT ON TABLE public.notifications IS 'What was sent to whom, when, and what became of it.';

--
-- Name: COLUMN notifications.event_key; Type: COMMENT; Schema: public; Owner: postgres
--

COMMENT ON COLUMN public.notifications.event_key IS 'What it is about: d12 a delivery, l55 a line of the log, o99 another row for the outside, t.. a test.';

--
-- Name: notifications_id_seq; Type: SEQUENCE; Schema: public; Owner: postgres
--

ALTER TABLE public.notifications ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.notifications_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

--
-- Name: order_transitions; Type: TABLE; Schema: public; Owner: postgres
--

CREATE TABLE public.order_transitions (
    from_status public.order_status NOT NULL,
    to_status public.order_status NOT NULL
);

ALTER TABLE public.order_transitions OWNER TO postgres;

--
-- Name: TABLE order_transitions; Type: COMMENT; Schema: public; Owner: postgres
--

COMMENT ON TABLE public.order_transitions IS 'The state machine of orders: which status may follow which. Enforced by a trigger on orders.';

--
-- Name: orders_id_seq; Type: SEQUENCE; Schema: public; Owner: postgres
--

ALTER TABLE public.orders ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.orders_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

--
-- Name: pending_risk; Type: VIEW; Schema: public; Owner: postgres
--

CREATE VIEW public.pending_risk WITH (security_invoker='true') AS
 SELECT r.user_id,
    'limits'::text AS kind,
    r.broker,
    r.account_id,
    r.effective_from,
    (to_jsonb(r.*) - ARRAY['id'::text, 'user_id'::text, 'broker'::text, 'account_id'::text, 'effective_from'::text, 'ends_at'::text, 'superseded_at'::text, 'created_at'::text]) AS waits
   FROM public.risk_settings r
  WHERE ((r.superseded_at IS NULL) AND (r.effective_from > GREATEST(now(), r.created_at)))
UNION ALL
 SELECT p.id AS user_id,
    'loosen_delay'::text AS kind,
    NULL::public.broker AS broker,
    NULL::uuid AS account_id,
    p.loosen_delay_next_from AS effective_from,
    jsonb_build_object('minutes', p.loosen_delay_next) AS waits
   FROM public.profiles p
  WHERE (p.loosen_delay_next_from > now())
UNION ALL
 SELECT a.user_id,
    'account'::text AS kind,
    a.broker,
    a.id AS account_id,
    a.next_settings_from AS effective_from,
    a.next_settings AS waits
   FROM public.broker_accounts a
  WHERE (a.next_settings_from IS NOT NULL);

ALTER VIEW public.pending_risk OWNER TO postgres;

--
-- Name: VIEW pending_risk; Type: COMMENT; Schema: public; Owner: postgres
--

COMMENT ON VIEW public.pending_risk IS 'What the user has asked for and does not count yet: looser limits by scope, a shorter delay, another day or start of an account; from when on, and all values that will count then.';

--
-- Name: plan_limits; Type: TABLE; Schema: public; Owner: postgres
--

CREATE TABLE public.plan_limits (
    plan public.plan NOT NULL,
    price_usd numeric NOT NULL,
    brokers integer NOT NULL,
    trades_per_month integer,
    api_per_minute integer NOT NULL,
    heatmap boolean NOT NULL,
    equity_curve boolean NOT NULL,
    api_access text NOT NULL,
    white_label boolean NOT NULL,
    sla text,
    CONSTRAINT plan_limits_api_access_check CHECK ((api_access = ANY (ARRAY['read'::text, 'full'::text, 'full_websocket'::text])))
);

ALTER TABLE public.plan_limits OWNER TO postgres;

--
-- Name: TABLE plan_limits; Type: COMMENT; Schema: public; Owner: postgres
--

COMMENT ON TABLE public.plan_limits IS 'What each plan includes. Null = unlimited.';

--
-- Name: positions_id_seq; Type: SEQUENCE; Schema: public; Owner: postgres
--

ALTER TABLE public.positions ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.positions_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

--
-- Name: risk_settings_id_seq; Type: SEQUENCE; Schema: public; Owner: postgres
--

ALTER TABLE public.risk_settings ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.risk_settings_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

--
-- Name: subscriptions; Type: TABLE; Schema: public; Owner: postgres
--

CREATE TABLE public.subscriptions (
    user_id uuid NOT NULL,
    stripe_customer_id text,
    plan public.plan NOT NULL,
    status text NOT NULL,
    trial_end timestamp with time zone,
    current_period_end timestamp with time zone,
    updated_at timestamp with time zone DEFAULT now() NOT NULL
);

ALTER TABLE public.subscriptions OWNER TO postgres;

--
-- Name: TABLE subscriptions; Type: COMMENT; Schema: public; Owner: postgres
--

COMMENT ON TABLE public.subscriptions IS 'The one source of a user''s plan; written by billing only.';

--
-- Name: symbol_map; Type: TABLE; Schema: public; Owner: postgres
--

CREATE TABLE public.symbol_map (
    id bigint NOT NULL,
    user_id uuid NOT NULL,
    account_id uuid,
    tv_symbol text NOT NULL,
    venue_symbol text NOT NULL,
    pip_size numeric,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT symbol_map_pip_size_check CHECK ((pip_size > (0)::numeric)),
    CONSTRAINT symbol_map_tv_symbol_check CHECK (((char_length(tv_symbol) >= 1) AND (char_length(tv_symbol) <= 64))),
    CONSTRAINT symbol_map_venue_symbol_check CHECK (((char_length(venue_symbol) >= 1) AND (char_length(venue_symbol) <= 64)))
);

ALTER TABLE public.symbol_map OWNER TO postgres;

--
-- Name: TABLE symbol_map; Type: COMMENT; Schema: public; Owner: postgres
--

COMMENT ON TABLE public.symbol_map IS 'A trader''s own word for which instrument of an account a TradingView symbol means.';

--
-- Name: symbol_map_id_seq; Type: SEQUENCE; Schema: public; Owner: postgres
--

ALTER TABLE public.symbol_map ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.symbol_map_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

--
-- Name: trading_config_id_seq; Type: SEQUENCE; Schema: public; Owner: postgres
--

ALTER TABLE public.trading_config ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.trading_config_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

--
-- Name: webhook_endpoint_accounts; Type: TABLE; Schema: public; Owner: postgres
--

CREATE TABLE public.webhook_endpoint_accounts (
    endpoint_id uuid NOT NULL,
    account_id uuid NOT NULL,
    user_id uuid NOT NULL,
    multiplier numeric DEFAULT 1 NOT NULL,
    CONSTRAINT webhook_endpoint_accounts_multiplier_check CHECK (((multiplier > (0)::numeric) AND (multiplier <= (100)::numeric)))
);

ALTER TABLE public.webhook_endpoint_accounts OWNER TO postgres;

--
-- Name: TABLE webhook_endpoint_accounts; Type: COMMENT; Schema: public; Owner: postgres
--

COMMENT ON TABLE public.webhook_endpoint_accounts IS 'The accounts an endpoint''s alerts go to. An alert may narrow them, never widen.';

--
-- Name: webhook_events_id_seq; Type: SEQUENCE; Schema: public; Owner: postgres
--

ALTER TABLE public.webhook_events ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.webhook_events_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

--
-- Name: account_days account_days_pkey; Type: CONSTRAINT; Schema: engine; Owner: postgres
--

ALTER TABLE ONLY engine.account_days
    ADD CONSTRAINT account_days_pkey PRIMARY KEY (account_id, trading_day);

--
-- Name: account_identities account_identities_pkey; Type: CONSTRAINT; Schema: engine; Owner: postgres
--

ALTER TABLE ONLY engine.account_identities
    ADD CONSTRAINT account_identities_pkey PRIMARY KEY (id);

--
-- Name: account_marks account_marks_pkey; Type: CONSTRAINT; Schema: engine; Owner: postgres
--

ALTER TABLE ONLY engine.account_marks
    ADD CONSTRAINT account_marks_pkey PRIMARY KEY (account_id);

--
-- Name: adjustments adjustments_pkey; Type: CONSTRAINT; Schema: engine; Owner: postgres
--

ALTER TABLE ONLY engine.adjustments
    ADD CONSTRAINT adjustments_pkey PRIMARY KEY (account_id, position_id, nth);

--
-- Name: alarms alarms_pkey; Type: CONSTRAINT; Schema: engine; Owner: postgres
--

ALTER TABLE ONLY engine.alarms
    ADD CONSTRAINT alarms_pkey PRIMARY KEY (key);

--
-- Name: breaches breaches_pkey; Type: CONSTRAINT; Schema: engine; Owner: postgres
--

ALTER TABLE ONLY engine.breaches
    ADD CONSTRAINT breaches_pkey PRIMARY KEY (id);

--
-- Name: call_windows call_windows_pkey; Type: CONSTRAINT; Schema: engine; Owner: postgres
--

ALTER TABLE ONLY engine.call_windows
    ADD CONSTRAINT call_windows_pkey PRIMARY KEY (connection_id, route);

--
-- Name: commands commands_pkey; Type: CONSTRAINT; Schema: engine; Owner: postgres
--

ALTER TABLE ONLY engine.commands
    ADD CONSTRAINT commands_pkey PRIMARY KEY (id);

--
-- Name: connection_checks connection_checks_pkey; Type: CONSTRAINT; Schema: engine; Owner: postgres
--

ALTER TABLE ONLY engine.connection_checks
    ADD CONSTRAINT connection_checks_pkey PRIMARY KEY (connection_id);

--
-- Name: counters counters_pkey; Type: CONSTRAINT; Schema: engine; Owner: postgres
--

ALTER TABLE ONLY engine.counters
    ADD CONSTRAINT counters_pkey PRIMARY KEY (name);

--
-- Name: credential_opens credential_opens_pkey; Type: CONSTRAINT; Schema: engine; Owner: postgres
--

ALTER TABLE ONLY engine.credential_opens
    ADD CONSTRAINT credential_opens_pkey PRIMARY KEY (hour, connection_id);

--
-- Name: dead_letters dead_letters_pkey; Type: CONSTRAINT; Schema: engine; Owner: postgres
--

ALTER TABLE ONLY engine.dead_letters
    ADD CONSTRAINT dead_letters_pkey PRIMARY KEY (id);

--
-- Name: dedupe dedupe_pkey; Type: CONSTRAINT; Schema: engine; Owner: postgres
--

ALTER TABLE ONLY engine.dedupe
    ADD CONSTRAINT dedupe_pkey PRIMARY KEY (endpoint_id, key);

--
-- Name: drill_twins drill_twins_pkey; Type: CONSTRAINT; Schema: engine; Owner: postgres
--

ALTER TABLE ONLY engine.drill_twins
    ADD CONSTRAINT drill_twins_pkey PRIMARY KEY (user_id);

--
-- Name: endings endings_pkey; Type: CONSTRAINT; Schema: engine; Owner: postgres
--

ALTER TABLE ONLY engine.endings
    ADD CONSTRAINT endings_pkey PRIMARY KEY (order_id);

--
-- Name: endpoint_counters endpoint_counters_pkey; Type: CONSTRAINT; Schema: engine; Owner: postgres
--

ALTER TABLE ONLY engine.endpoint_counters
    ADD CONSTRAINT endpoint_counters_pkey PRIMARY KEY (endpoint_id, kind, window_start);

--
-- Name: halts halts_pkey; Type: CONSTRAINT; Schema: engine; Owner: postgres
--

ALTER TABLE ONLY engine.halts
    ADD CONSTRAINT halts_pkey PRIMARY KEY (id);

--
-- Name: installation installation_pkey; Type: CONSTRAINT; Schema: engine; Owner: postgres
--

ALTER TABLE ONLY engine.installation
    ADD CONSTRAINT installation_pkey PRIMARY KEY (one);

--
-- Name: log_classes log_classes_pkey; Type: CONSTRAINT; Schema: engine; Owner: postgres
--

ALTER TABLE ONLY engine.log_classes
    ADD CONSTRAINT log_classes_pkey PRIMARY KEY (type);

--
-- Name: notification_codes notification_codes_pkey; Type: CONSTRAINT; Schema: engine; Owner: postgres
--

ALTER TABLE ONLY engine.notification_codes
    ADD CONSTRAINT notification_codes_pkey PRIMARY KEY (target_id);

--
-- Name: notification_doors notification_doors_pkey; Type: CONSTRAINT; Schema: engine; Owner: postgres
--

ALTER TABLE ONLY engine.notification_doors
    ADD CONSTRAINT notification_doors_pkey PRIMARY KEY (target_id);

--
-- Name: commands one_command_per_delivery_and_leg; Type: CONSTRAINT; Schema: engine; Owner: postgres
--

ALTER TABLE ONLY engine.commands
    ADD CONSTRAINT one_command_per_delivery_and_leg UNIQUE (delivery_id, leg);

--
-- Name: scope_counters one_counter_per_scope_and_day; Type: CONSTRAINT; Schema: engine; Owner: postgres
--

ALTER TABLE ONLY engine.scope_counters
    ADD CONSTRAINT one_counter_per_scope_and_day UNIQUE (user_id, scope, trading_day);

--
-- Name: halts one_halt_per_scope; Type: CONSTRAINT; Schema: engine; Owner: postgres
--

ALTER TABLE ONLY engine.halts
    ADD CONSTRAINT one_halt_per_scope UNIQUE NULLS NOT DISTINCT (scope, user_id, broker);

--
-- Name: account_identities one_identity_per_account_at_a_broker; Type: CONSTRAINT; Schema: engine; Owner: postgres
--

ALTER TABLE ONLY engine.account_identities
    ADD CONSTRAINT one_identity_per_account_at_a_broker UNIQUE (broker, environment, server, login, account_number);

--
-- Name: outbox_claims outbox_claims_pkey; Type: CONSTRAINT; Schema: engine; Owner: postgres
--

ALTER TABLE ONLY engine.outbox_claims
    ADD CONSTRAINT outbox_claims_pkey PRIMARY KEY (token);

--
-- Name: outbox outbox_pkey; Type: CONSTRAINT; Schema: engine; Owner: postgres
--

ALTER TABLE ONLY engine.outbox
    ADD CONSTRAINT outbox_pkey PRIMARY KEY (id);

--
-- Name: paper_accounts paper_accounts_pkey; Type: CONSTRAINT; Schema: engine; Owner: postgres
--

ALTER TABLE ONLY engine.paper_accounts
    ADD CONSTRAINT paper_accounts_pkey PRIMARY KEY (account_id);

--
-- Name: paper_fills paper_fills_pkey; Type: CONSTRAINT; Schema: engine; Owner: postgres
--

ALTER TABLE ONLY engine.paper_fills
    ADD CONSTRAINT paper_fills_pkey PRIMARY KEY (account_id, id);

--
-- Name: paper_orders paper_orders_pkey; Type: CONSTRAINT; Schema: engine; Owner: postgres
--

ALTER TABLE ONLY engine.paper_orders
    ADD CONSTRAINT paper_orders_pkey PRIMARY KEY (account_id, client_order_id);

--
-- Name: queue queue_pkey; Type: CONSTRAINT; Schema: engine; Owner: postgres
--

ALTER TABLE ONLY engine.queue
    ADD CONSTRAINT queue_pkey PRIMARY KEY (id);

--
-- Name: read_credits read_credits_pkey; Type: CONSTRAINT; Schema: engine; Owner: postgres
--

ALTER TABLE ONLY engine.read_credits
    ADD CONSTRAINT read_credits_pkey PRIMARY KEY (connection_id);

--
-- Name: reconciled reconciled_pkey; Type: CONSTRAINT; Schema: engine; Owner: postgres
--

ALTER TABLE ONLY engine.reconciled
    ADD CONSTRAINT reconciled_pkey PRIMARY KEY (account_id);

--
-- Name: reservations reservations_pkey; Type: CONSTRAINT; Schema: engine; Owner: postgres
--

ALTER TABLE ONLY engine.reservations
    ADD CONSTRAINT reservations_pkey PRIMARY KEY (delivery_id);

--
-- Name: rule_fields rule_fields_pkey; Type: CONSTRAINT; Schema: engine; Owner: postgres
--

ALTER TABLE ONLY engine.rule_fields
    ADD CONSTRAINT rule_fields_pkey PRIMARY KEY (rule, field);

--
-- Name: rule_names rule_names_pkey; Type: CONSTRAINT; Schema: engine; Owner: postgres
--

ALTER TABLE ONLY engine.rule_names
    ADD CONSTRAINT rule_names_pkey PRIMARY KEY (rule, field, name);

--
-- Name: scope_counters scope_counters_pkey; Type: CONSTRAINT; Schema: engine; Owner: postgres
--

ALTER TABLE ONLY engine.scope_counters
    ADD CONSTRAINT scope_counters_pkey PRIMARY KEY (id);

--
-- Name: session_turns session_turns_pkey; Type: CONSTRAINT; Schema: engine; Owner: postgres
--

ALTER TABLE ONLY engine.session_turns
    ADD CONSTRAINT session_turns_pkey PRIMARY KEY (connection_id);

--
-- Name: sessions sessions_pkey; Type: CONSTRAINT; Schema: engine; Owner: postgres
--

ALTER TABLE ONLY engine.sessions
    ADD CONSTRAINT sessions_pkey PRIMARY KEY (connection_id);

--
-- Name: stakes stakes_pkey; Type: CONSTRAINT; Schema: engine; Owner: postgres
--

ALTER TABLE ONLY engine.stakes
    ADD CONSTRAINT stakes_pkey PRIMARY KEY (owner, key);

--
-- Name: thinned thinned_pkey; Type: CONSTRAINT; Schema: engine; Owner: postgres
--

ALTER TABLE ONLY engine.thinned
    ADD CONSTRAINT thinned_pkey PRIMARY KEY (grade);

--
-- Name: workers workers_pkey; Type: CONSTRAINT; Schema: engine; Owner: postgres
--

ALTER TABLE ONLY engine.workers
    ADD CONSTRAINT workers_pkey PRIMARY KEY (id);

--
-- Name: admins admins_pkey; Type: CONSTRAINT; Schema: private; Owner: postgres
--

ALTER TABLE ONLY private.admins
    ADD CONSTRAINT admins_pkey PRIMARY KEY (user_id);

--
-- Name: corrections a_correction_is_made_once; Type: CONSTRAINT; Schema: public; Owner: postgres
--

ALTER TABLE ONLY public.corrections
    ADD CONSTRAINT a_correction_is_made_once UNIQUE (account_id, key);

--
-- Name: fills a_fill_is_recorded_once; Type: CONSTRAINT; Schema: public; Owner: postgres
--

ALTER TABLE ONLY public.fills
    ADD CONSTRAINT a_fill_is_recorded_once UNIQUE (account_id, venue_fill_id);

--
-- Name: admin_actions admin_actions_pkey; Type: CONSTRAINT; Schema: public; Owner: postgres
--

ALTER TABLE ONLY public.admin_actions
    ADD CONSTRAINT admin_actions_pkey PRIMARY KEY (id);

--
-- Name: api_keys api_keys_pkey; Type: CONSTRAINT; Schema: public; Owner: postgres
--

ALTER TABLE ONLY public.api_keys
    ADD CONSTRAINT api_keys_pkey PRIMARY KEY (id);

--
-- Name: brands brands_pkey; Type: CONSTRAINT; Schema: public; Owner: postgres
--

ALTER TABLE ONLY public.brands
    ADD CONSTRAINT brands_pkey PRIMARY KEY (id);

--
-- Name: broker_accounts broker_accounts_pkey; Type: CONSTRAINT; Schema: public; Owner: postgres
--

ALTER TABLE ONLY public.broker_accounts
    ADD CONSTRAINT broker_accounts_pkey PRIMARY KEY (id);

--
-- Name: broker_connections broker_connections_pkey; Type: CONSTRAINT; Schema: public; Owner: postgres
--

ALTER TABLE ONLY public.broker_connections
    ADD CONSTRAINT broker_connections_pkey PRIMARY KEY (id);

--
-- Name: orders client_order_ids_are_unique_per_account; Type: CONSTRAINT; Schema: public; Owner: postgres
--

ALTER TABLE ONLY public.orders
    ADD CONSTRAINT client_order_ids_are_unique_per_account UNIQUE (account_id, client_order_id);

--
-- Name: corrections corrections_pkey; Type: CONSTRAINT; Schema: public; Owner: postgres
--

ALTER TABLE ONLY public.corrections
    ADD CONSTRAINT corrections_pkey PRIMARY KEY (id);

--
-- Name: credential_seals credential_seals_pkey; Type: CONSTRAINT; Schema: public; Owner: postgres
--

ALTER TABLE ONLY public.credential_seals
    ADD CONSTRAINT credential_seals_pkey PRIMARY KEY (id);

--
-- Name: deliveries deliveries_pkey; Type: CONSTRAINT; Schema: public; Owner: postgres
--

ALTER TABLE ONLY public.deliveries
    ADD CONSTRAINT deliveries_pkey PRIMARY KEY (id);

--
-- Name: devices devices_pkey; Type: CONSTRAINT; Schema: public; Owner: postgres
--

ALTER TABLE ONLY public.devices
    ADD CONSTRAINT devices_pkey PRIMARY KEY (id);

--
-- Name: drill_runs drill_runs_pkey; Type: CONSTRAINT; Schema: public; Owner: postgres
--

ALTER TABLE ONLY public.drill_runs
    ADD CONSTRAINT drill_runs_pkey PRIMARY KEY (id);

--
-- Name: drills drills_pkey; Type: CONSTRAINT; Schema: public; Owner: postgres
--

ALTER TABLE ONLY public.drills
    ADD CONSTRAINT drills_pkey PRIMARY KEY (id);

--
-- Name: equity_history equity_history_pkey; Type: CONSTRAINT; Schema: public; Owner: postgres
--

ALTER TABLE ONLY public.equity_history
    ADD CONSTRAINT equity_history_pkey PRIMARY KEY (id);

--
-- Name: fills fills_pkey; Type: CONSTRAINT; Schema: public; Owner: postgres
--

ALTER TABLE ONLY public.fills
    ADD CONSTRAINT fills_pkey PRIMARY KEY (id);

--
-- Name: fleet_keys fleet_keys_pkey; Type: CONSTRAINT; Schema: public; Owner: postgres
--

ALTER TABLE ONLY public.fleet_keys
    ADD CONSTRAINT fleet_keys_pkey PRIMARY KEY (key_id);

--
-- Name: fx_rates fx_rates_pkey; Type: CONSTRAINT; Schema: public; Owner: postgres
--

ALTER TABLE ONLY public.fx_rates
    ADD CONSTRAINT fx_rates_pkey PRIMARY KEY (currency);

--
-- Name: health health_pkey; Type: CONSTRAINT; Schema: public; Owner: postgres
--

ALTER TABLE ONLY public.health
    ADD CONSTRAINT health_pkey PRIMARY KEY (broker);

--
-- Name: logs logs_pkey; Type: CONSTRAINT; Schema: public; Owner: postgres
--

ALTER TABLE ONLY public.logs
    ADD CONSTRAINT logs_pkey PRIMARY KEY (id);

--
-- Name: notification_targets notification_targets_pkey; Type: CONSTRAINT; Schema: public; Owner: postgres
--

ALTER TABLE ONLY public.notification_targets
    ADD CONSTRAINT notification_targets_pkey PRIMARY KEY (id);

--
-- Name: notifications notifications_pkey; Type: CONSTRAINT; Schema: public; Owner: postgres
--

ALTER TABLE ONLY public.notifications
    ADD CONSTRAINT notifications_pkey PRIMARY KEY (id);

--
-- Name: trading_config one_config_per_scope; Type: CONSTRAINT; Schema: public; Owner: postgres
--

ALTER TABLE ONLY public.trading_config
    ADD CONSTRAINT one_config_per_scope UNIQUE NULLS NOT DISTINCT (user_id, broker, account_id);

--
-- Name: deliveries one_delivery_per_event_and_account; Type: CONSTRAINT; Schema: public; Owner: postgres
--

ALTER TABLE ONLY public.deliveries
    ADD CONSTRAINT one_delivery_per_event_and_account UNIQUE (event_id, account_id);

--
-- Name: orders one_order_per_delivery_and_leg; Type: CONSTRAINT; Schema: public; Owner: postgres
--

ALTER TABLE ONLY public.orders
    ADD CONSTRAINT one_order_per_delivery_and_leg UNIQUE (delivery_id, leg);

--
-- Name: symbol_map one_override_per_symbol; Type: CONSTRAINT; Schema: public; Owner: postgres
--

ALTER TABLE ONLY public.symbol_map
    ADD CONSTRAINT one_override_per_symbol UNIQUE NULLS NOT DISTINCT (user_id, account_id, tv_symbol);

--
-- Name: broker_accounts one_row_per_account_of_a_connection; Type: CONSTRAINT; Schema: public; Owner: postgres
--

ALTER TABLE ONLY public.broker_accounts
    ADD CONSTRAINT one_row_per_account_of_a_connection UNIQUE (connection_id, account_id);

--
-- Name: devices one_row_per_key_of_a_user; Type: CONSTRAINT; Schema: public; Owner: postgres
--

ALTER TABLE ONLY public.devices
    ADD CONSTRAINT one_row_per_key_of_a_user UNIQUE (user_id, public_key);

--
-- Name: positions one_row_per_venue_position; Type: CONSTRAINT; Schema: public; Owner: postgres
--

ALTER TABLE ONLY public.positions
    ADD CONSTRAINT one_row_per_venue_position UNIQUE (account_id, venue_position_id);

--
-- Name: order_transitions order_transitions_pkey; Type: CONSTRAINT; Schema: public; Owner: postgres
--

ALTER TABLE ONLY public.order_transitions
    ADD CONSTRAINT order_transitions_pkey PRIMARY KEY (from_status, to_status);

--
-- Name: orders orders_pkey; Type: CONSTRAINT; Schema: public; Owner: postgres
--

ALTER TABLE ONLY public.orders
    ADD CONSTRAINT orders_pkey PRIMARY KEY (id);

--
-- Name: plan_limits plan_limits_pkey; Type: CONSTRAINT; Schema: public; Owner: postgres
--

ALTER TABLE ONLY public.plan_limits
    ADD CONSTRAINT plan_limits_pkey PRIMARY KEY (plan);

--
-- Name: positions positions_pkey; Type: CONSTRAINT; Schema: public; Owner: postgres
--

ALTER TABLE ONLY public.positions
    ADD CONSTRAINT positions_pkey PRIMARY KEY (id);

--
-- Name: profiles profiles_pkey; Type: CONSTRAINT; Schema: public; Owner: postgres
--

ALTER TABLE ONLY public.profiles
    ADD CONSTRAINT profiles_pkey PRIMARY KEY (id);

--
-- Name: risk_settings risk_settings_pkey; Type: CONSTRAINT; Schema: public; Owner: postgres
--

ALTER TABLE ONLY public.risk_settings
    ADD CONSTRAINT risk_settings_pkey PRIMARY KEY (id);

--
-- Name: risk_standings risk_standings_pkey; Type: CONSTRAINT; Schema: public; Owner: postgres
--

ALTER TABLE ONLY public.risk_standings
    ADD CONSTRAINT risk_standings_pkey PRIMARY KEY (account_id, scope, rule);

--
-- Name: subscriptions subscriptions_pkey; Type: CONSTRAINT; Schema: public; Owner: postgres
--

ALTER TABLE ONLY public.subscriptions
    ADD CONSTRAINT subscriptions_pkey PRIMARY KEY (user_id);

--
-- Name: subscriptions subscriptions_stripe_customer_id_key; Type: CONSTRAINT; Schema: public; Owner: postgres
--

ALTER TABLE ONLY public.subscriptions
    ADD CONSTRAINT subscriptions_stripe_customer_id_key UNIQUE (stripe_customer_id);

--
-- Name: symbol_map symbol_map_pkey; Type: CONSTRAINT; Schema: public; Owner: postgres
--

ALTER TABLE ONLY public.symbol_map
    ADD CONSTRAINT symbol_map_pkey PRIMARY KEY (id);

--
-- Name: notifications told_once_per_target_event_and_class; Type: CONSTRAINT; Schema: public; Owner: postgres
--

ALTER TABLE ONLY public.notifications
    ADD CONSTRAINT told_once_per_target_event_and_class UNIQUE (target_id, event_key, event_class);

--
-- Name: trading_config trading_config_pkey; Type: CONSTRAINT; Schema: public; Owner: postgres
--

ALTER TABLE ONLY public.trading_config
    ADD CONSTRAINT trading_config_pkey PRIMARY KEY (id);

--
-- Name: credential_seals versions_of_a_seal_only_rise; Type: CONSTRAINT; Schema: public; Owner: postgres
--

ALTER TABLE ONLY public.credential_seals
    ADD CONSTRAINT versions_of_a_seal_only_rise UNIQUE (connection_id, recipient, version);

--
-- Name: webhook_endpoint_accounts webhook_endpoint_accounts_pkey; Type: CONSTRAINT; Schema: public; Owner: postgres
--

ALTER TABLE ONLY public.webhook_endpoint_accounts
    ADD CONSTRAINT webhook_endpoint_accounts_pkey PRIMARY KEY (endpoint_id, account_id);

--
-- Name: webhook_endpoints webhook_endpoints_pkey; Type: CONSTRAINT; Schema: public; Owner: postgres
--

ALTER TABLE ONLY public.webhook_endpoints
    ADD CONSTRAINT webhook_endpoints_pkey PRIMARY KEY (id);

--
-- Name: webhook_events webhook_events_pkey; Type: CONSTRAINT; Schema: public; Owner: postgres
--

ALTER TABLE ONLY public.webhook_events
    ADD CONSTRAINT webhook_events_pkey PRIMARY KEY (id);

--
-- Name: account_identities_accounts; Type: INDEX; Schema: engine; Owner: postgres
--

CREATE INDEX account_identities_accounts ON engine.account_identities USING gin (accounts);

--
-- Name: account_marks_due; Type: INDEX; Schema: engine; Owner: postgres
--

CREATE INDEX account_marks_due ON engine.account_marks USING btree (due_at);

--
-- Name: breaches_account; Type: INDEX; Schema: engine; Owner: postgres
--

CREATE INDEX breaches_account ON engine.breaches USING btree (account_id);

--
-- Name: breaches_identity; Type: INDEX; Schema: engine; Owner: postgres
--

CREATE INDEX breaches_identity ON engine.breaches USING btree (identity_id, until) WHERE (lifted_at IS NULL);

--
-- Name: commands_check; Type: INDEX; Schema: engine; Owner: postgres
--

CREATE INDEX commands_check ON engine.commands USING btree (check_at) WHERE (state = 'unknown'::public.command_state);

--
-- Name: commands_open; Type: INDEX; Schema: engine; Owner: postgres
--

CREATE INDEX commands_open ON engine.commands USING btree (account_id, root) WHERE (state = ANY (ARRAY['pending'::public.command_state, 'submitting'::public.command_state, 'unknown'::public.command_state]));

--
-- Name: commands_submitting; Type: INDEX; Schema: engine; Owner: postgres
--

CREATE INDEX commands_submitting ON engine.commands USING btree (send_deadline) WHERE (state = 'submitting'::public.command_state);

--
-- Name: commands_unknown_since; Type: INDEX; Schema: engine; Owner: postgres
--

CREATE INDEX commands_unknown_since ON engine.commands USING btree (submitted_at) WHERE (state = 'unknown'::public.command_state);

--
-- Name: connection_checks_due; Type: INDEX; Schema: engine; Owner: postgres
--

CREATE INDEX connection_checks_due ON engine.connection_checks USING btree (run_at);

--
-- Name: dedupe_expires; Type: INDEX; Schema: engine; Owner: postgres
--

CREATE INDEX dedupe_expires ON engine.dedupe USING btree (expires_at);

--
-- Name: drill_twins_run; Type: INDEX; Schema: engine; Owner: postgres
--

CREATE INDEX drill_twins_run ON engine.drill_twins USING btree (run_id);

--
-- Name: halts_user; Type: INDEX; Schema: engine; Owner: postgres
--

CREATE INDEX halts_user ON engine.halts USING btree (user_id);

--
-- Name: one_head_per_account_and_lane; Type: INDEX; Schema: engine; Owner: postgres
--

CREATE UNIQUE INDEX one_head_per_account_and_lane ON engine.queue USING btree (account_id, lane) WHERE (state = ANY (ARRAY['ready'::text, 'claimed'::text]));

--
-- Name: queue_account; Type: INDEX; Schema: engine; Owner: postgres
--

CREATE INDEX queue_account ON engine.queue USING btree (account_id, lane, id);

--
-- Name: queue_claim; Type: INDEX; Schema: engine; Owner: postgres
--

CREATE INDEX queue_claim ON engine.queue USING btree (executor, lane, id) WHERE (state = 'ready'::text);

--
-- Name: queue_lease; Type: INDEX; Schema: engine; Owner: postgres
--

CREATE INDEX queue_lease ON engine.queue USING btree (lease_until) WHERE (state = 'claimed'::text);

--
-- Name: admin_actions_target; Type: INDEX; Schema: public; Owner: postgres
--

CREATE INDEX admin_actions_target ON public.admin_actions USING btree (target_user_id, id);

--
-- Name: api_keys_user; Type: INDEX; Schema: public; Owner: postgres
--

CREATE INDEX api_keys_user ON public.api_keys USING btree (user_id);

--
-- Name: broker_accounts_user; Type: INDEX; Schema: public; Owner: postgres
--

CREATE INDEX broker_accounts_user ON public.broker_accounts USING btree (user_id);

--
-- Name: broker_connections_disabled; Type: INDEX; Schema: public; Owner: postgres
--

CREATE INDEX broker_connections_disabled ON public.broker_connections USING btree (updated_at) WHERE (status = 'disabled'::text);

--
-- Name: broker_connections_user; Type: INDEX; Schema: public; Owner: postgres
--

CREATE INDEX broker_connections_user ON public.broker_connections USING btree (user_id);

--
-- Name: corrections_user; Type: INDEX; Schema: public; Owner: postgres
--

CREATE INDEX corrections_user ON public.corrections USING btree (user_id, id);

--
-- Name: deliveries_account; Type: INDEX; Schema: public; Owner: postgres
--

CREATE INDEX deliveries_account ON public.deliveries USING btree (account_id, id);

--
-- Name: deliveries_user; Type: INDEX; Schema: public; Owner: postgres
--

CREATE INDEX deliveries_user ON public.deliveries USING btree (user_id, id);

--
-- Name: devices_user; Type: INDEX; Schema: public; Owner: postgres
--

CREATE INDEX devices_user ON public.devices USING btree (user_id);

--
-- Name: drill_runs_account; Type: INDEX; Schema: public; Owner: postgres
--

CREATE INDEX drill_runs_account ON public.drill_runs USING btree (account_id);

--
-- Name: drill_runs_open; Type: INDEX; Schema: public; Owner: postgres
--

CREATE INDEX drill_runs_open ON public.drill_runs USING btree (id) WHERE (status = ANY (ARRAY['waiting'::text, 'running'::text]));

--
-- Name: drill_runs_user; Type: INDEX; Schema: public; Owner: postgres
--

CREATE INDEX drill_runs_user ON public.drill_runs USING btree (user_id);

--
-- Name: drills_limit; Type: INDEX; Schema: public; Owner: postgres
--

CREATE INDEX drills_limit ON public.drills USING btree (account_id, scope, rule, at DESC);

--
-- Name: drills_run; Type: INDEX; Schema: public; Owner: postgres
--

CREATE INDEX drills_run ON public.drills USING btree (run_id);

--
-- Name: drills_user; Type: INDEX; Schema: public; Owner: postgres
--

CREATE INDEX drills_user ON public.drills USING btree (user_id);

--
-- Name: equity_history_account; Type: INDEX; Schema: public; Owner: postgres
--

CREATE INDEX equity_history_account ON public.equity_history USING btree (account_id, "timestamp");

--
-- Name: equity_history_time; Type: INDEX; Schema: public; Owner: postgres
--

CREATE INDEX equity_history_time ON public.equity_history USING brin ("timestamp");

--
-- Name: equity_history_user; Type: INDEX; Schema: public; Owner: postgres
--

CREATE INDEX equity_history_user ON public.equity_history USING btree (user_id, "timestamp");

--
-- Name: fills_account; Type: INDEX; Schema: public; Owner: postgres
--

CREATE INDEX fills_account ON public.fills USING btree (account_id, id);

--
-- Name: fills_order; Type: INDEX; Schema: public; Owner: postgres
--

CREATE INDEX fills_order ON public.fills USING btree (order_id);

--
-- Name: fills_position; Type: INDEX; Schema: public; Owner: postgres
--

CREATE INDEX fills_position ON public.fills USING btree (account_id, position_id);

--
-- Name: fills_user; Type: INDEX; Schema: public; Owner: postgres
--

CREATE INDEX fills_user ON public.fills USING btree (user_id, id);

--
-- Name: logs_created; Type: INDEX; Schema: public; Owner: postgres
--

CREATE INDEX logs_created ON public.logs USING btree (created_at);

--
-- Name: logs_user; Type: INDEX; Schema: public; Owner: postgres
--

CREATE INDEX logs_user ON public.logs USING btree (user_id, id);

--
-- Name: notification_targets_user; Type: INDEX; Schema: public; Owner: postgres
--

CREATE INDEX notification_targets_user ON public.notification_targets USING btree (user_id);

--
-- Name: notifications_created; Type: INDEX; Schema: public; Owner: postgres
--

CREATE INDEX notifications_created ON public.notifications USING btree (created_at);

--
-- Name: notifications_sent; Type: INDEX; Schema: public; Owner: postgres
--

CREATE INDEX notifications_sent ON public.notifications USING btree (target_id, sent_at) WHERE (status = 'sent'::public.notification_status);

--
-- Name: notifications_user; Type: INDEX; Schema: public; Owner: postgres
--

CREATE INDEX notifications_user ON public.notifications USING btree (user_id, id);

--
-- Name: notifications_waiting; Type: INDEX; Schema: public; Owner: postgres
--

CREATE INDEX notifications_waiting ON public.notifications USING btree (due_at) WHERE (status = 'waiting'::public.notification_status);

--
-- Name: one_connection_per_login; Type: INDEX; Schema: public; Owner: postgres
--

CREATE UNIQUE INDEX one_connection_per_login ON public.broker_connections USING btree (user_id, broker, environment, server, login_label) NULLS NOT DISTINCT WHERE ((broker <> 'paper'::public.broker) AND (login_label IS NOT NULL));

--
-- Name: one_limit_row_in_force; Type: INDEX; Schema: public; Owner: postgres
--

CREATE UNIQUE INDEX one_limit_row_in_force ON public.risk_settings USING btree (user_id, broker, account_id, ((ends_at IS NULL))) NULLS NOT DISTINCT WHERE (superseded_at IS NULL);

--
-- Name: orders_open; Type: INDEX; Schema: public; Owner: postgres
--

CREATE INDEX orders_open ON public.orders USING btree (account_id, id) WHERE (status = ANY (ARRAY['pending'::public.order_status, 'submitting'::public.order_status, 'working'::public.order_status, 'partially_filled'::public.order_status, 'unknown'::public.order_status]));

--
-- Name: orders_parent; Type: INDEX; Schema: public; Owner: postgres
--

CREATE INDEX orders_parent ON public.orders USING btree (parent_order_id) WHERE (parent_order_id IS NOT NULL);

--
-- Name: orders_resting; Type: INDEX; Schema: public; Owner: postgres
--

CREATE INDEX orders_resting ON public.orders USING btree (expires_at) WHERE ((status = ANY (ARRAY['working'::public.order_status, 'partially_filled'::public.order_status])) AND (NOT reduce_only));

--
-- Name: orders_user; Type: INDEX; Schema: public; Owner: postgres
--

CREATE INDEX orders_user ON public.orders USING btree (user_id, id);

--
-- Name: orders_venue; Type: INDEX; Schema: public; Owner: postgres
--

CREATE INDEX orders_venue ON public.orders USING btree (account_id, venue_order_id) WHERE (venue_order_id IS NOT NULL);

--
-- Name: positions_open; Type: INDEX; Schema: public; Owner: postgres
--

CREATE INDEX positions_open ON public.positions USING btree (account_id) WHERE (closed_at IS NULL);

--
-- Name: positions_user; Type: INDEX; Schema: public; Owner: postgres
--

CREATE INDEX positions_user ON public.positions USING btree (user_id, id);

--
-- Name: profiles_brand_id; Type: INDEX; Schema: public; Owner: postgres
--

CREATE INDEX profiles_brand_id ON public.profiles USING btree (brand_id);

--
-- Name: risk_settings_account; Type: INDEX; Schema: public; Owner: postgres
--

CREATE INDEX risk_settings_account ON public.risk_settings USING btree (account_id);

--
-- Name: risk_settings_user; Type: INDEX; Schema: public; Owner: postgres
--

CREATE INDEX risk_settings_user ON public.risk_settings USING btree (user_id);

--
-- Name: risk_standings_user; Type: INDEX; Schema: public; Owner: postgres
--

CREATE INDEX risk_standings_user ON public.risk_standings USING btree (user_id);

--
-- Name: symbol_map_account; Type: INDEX; Schema: public; Owner: postgres
--

CREATE INDEX symbol_map_account ON public.symbol_map USING btree (account_id);

--
-- Name: trading_config_account; Type: INDEX; Schema: public; Owner: postgres
--

CREATE INDEX trading_config_account ON public.trading_config USING btree (account_id);

--
-- Name: webhook_endpoint_accounts_account; Type: INDEX; Schema: public; Owner: postgres
--

CREATE INDEX webhook_endpoint_accounts_account ON public.webhook_endpoint_accounts USING btree (account_id);

--
-- Name: webhook_endpoint_accounts_user; Type: INDEX; Schema: public; Owner: postgres
--

CREATE INDEX webhook_endpoint_accounts_user ON public.webhook_endpoint_accounts USING btree (user_id);

--
-- Name: webhook_endpoints_user; Type: INDEX; Schema: public; Owner: postgres
--

CREATE INDEX webhook_endpoints_user ON public.webhook_endpoints USING btree (user_id);

--
-- Name: webhook_events_api_key; Type: INDEX; Schema: public; Owner: postgres
--

CREATE INDEX webhook_events_api_key ON public.webhook_events USING btree (api_key_id) WHERE (api_key_id IS NOT NULL);

--
-- Name: webhook_events_endpoint; Type: INDEX; Schema: public; Owner: postgres
--

CREATE INDEX webhook_events_endpoint ON public.webhook_events USING btree (endpoint_id, id);

--
-- Name: webhook_events_received; Type: INDEX; Schema: public; Owner: postgres
--

CREATE INDEX webhook_events_received ON public.webhook_events USING btree (received_at);

--
-- Name: webhook_events_user; Type: INDEX; Schema: public; Owner: postgres
--

CREATE INDEX webhook_events_user ON public.webhook_events USING btree (user_id, id);

--
-- Name: admins audit; Type: TRIGGER; Schema: private; Owner: postgres
--

CREATE TRIGGER audit AFTER INSERT OR DELETE OR UPDATE ON private.admins FOR EACH ROW WHEN (((pg_trigger_depth() = 0) AND (SESSION_USER <> ALL (ARRAY['empire_worker'::name, 'empire_edge'::name])))) EXECUTE FUNCTION private.audit();

ALTER TABLE private.admins ENABLE ALWAYS TRIGGER audit;

--
-- Name: api_keys audit; Type: TRIGGER; Schema: public; Owner: postgres
--

CREATE TRIGGER audit AFTER INSERT OR DELETE OR UPDATE ON public.api_keys FOR EACH ROW WHEN (((pg_trigger_depth() = 0) AND (SESSION_USER <> ALL (ARRAY['empire_worker'::name, 'empire_edge'::name])))) EXECUTE FUNCTION private.audit();

ALTER TABLE public.api_keys ENABLE ALWAYS TRIGGER audit;

--
-- Name: brands audit; Type: TRIGGER; Schema: public; Owner: postgres
--

CREATE TRIGGER audit AFTER INSERT OR DELETE OR UPDATE ON public.brands FOR EACH ROW WHEN (((pg_trigger_depth() = 0) AND (SESSION_USER <> ALL (ARRAY['empire_worker'::name, 'empire_edge'::name])))) EXECUTE FUNCTION private.audit();

ALTER TABLE public.brands ENABLE ALWAYS TRIGGER audit;

--
-- Name: broker_accounts audit; Type: TRIGGER; Schema: public; Owner: postgres
--

CREATE TRIGGER audit AFTER INSERT OR DELETE OR UPDATE ON public.broker_accounts FOR EACH ROW WHEN (((pg_trigger_depth() = 0) AND (SESSION_USER <> ALL (ARRAY['empire_worker'::name, 'empire_edge'::name])))) EXECUTE FUNCTION private.audit();

ALTER TABLE public.broker_accounts ENABLE ALWAYS TRIGGER audit;

--
-- Name: broker_connections audit; Type: TRIGGER; Schema: public; Owner: postgres
--

CREATE TRIGGER audit AFTER INSERT OR DELETE OR UPDATE ON public.broker_connections FOR EACH ROW WHEN (((pg_trigger_depth() = 0) AND (SESSION_USER <> ALL (ARRAY['empire_worker'::name, 'empire_edge'::name])))) EXECUTE FUNCTION private.audit();

ALTER TABLE public.broker_connections ENABLE ALWAYS TRIGGER audit;

--
-- Name: credential_seals audit; Type: TRIGGER; Schema: public; Owner: postgres
--

CREATE TRIGGER audit AFTER INSERT OR DELETE OR UPDATE ON public.credential_seals FOR EACH ROW WHEN (((pg_trigger_depth() = 0) AND (SESSION_USER <> ALL (ARRAY['empire_worker'::name, 'empire_edge'::name])))) EXECUTE FUNCTION private.audit();

ALTER TABLE public.credential_seals ENABLE ALWAYS TRIGGER audit;

--
-- Name: devices audit; Type: TRIGGER; Schema: public; Owner: postgres
--

CREATE TRIGGER audit AFTER INSERT OR DELETE OR UPDATE ON public.devices FOR EACH ROW WHEN (((pg_trigger_depth() = 0) AND (SESSION_USER <> ALL (ARRAY['empire_worker'::name, 'empire_edge'::name])))) EXECUTE FUNCTION private.audit();

ALTER TABLE public.devices ENABLE ALWAYS TRIGGER audit;

--
-- Name: fleet_keys audit; Type: TRIGGER; Schema: public; Owner: postgres
--

CREATE TRIGGER audit AFTER INSERT OR DELETE OR UPDATE ON public.fleet_keys FOR EACH ROW WHEN (((pg_trigger_depth() = 0) AND (SESSION_USER <> ALL (ARRAY['empire_worker'::name, 'empire_edge'::name])))) EXECUTE FUNCTION private.audit();

ALTER TABLE public.fleet_keys ENABLE ALWAYS TRIGGER audit;

--
-- Name: notification_targets audit; Type: TRIGGER; Schema: public; Owner: postgres
--

CREATE TRIGGER audit AFTER INSERT OR DELETE OR UPDATE ON public.notification_targets FOR EACH ROW WHEN (((pg_trigger_depth() = 0) AND (SESSION_USER <> ALL (ARRAY['empire_worker'::name, 'empire_edge'::name, 'empire_relay'::name, 'empire_maintenance'::name])))) EXECUTE FUNCTION private.audit();

ALTER TABLE public.notification_targets ENABLE ALWAYS TRIGGER audit;

--
-- Name: plan_limits audit; Type: TRIGGER; Schema: public; Owner: postgres
--

CREATE TRIGGER audit AFTER INSERT OR DELETE OR UPDATE ON public.plan_limits FOR EACH ROW WHEN (((pg_trigger_depth() = 0) AND (SESSION_USER <> ALL (ARRAY['empire_worker'::name, 'empire_edge'::name])))) EXECUTE FUNCTION private.audit();

ALTER TABLE public.plan_limits ENABLE ALWAYS TRIGGER audit;

--
-- Name: profiles audit; Type: TRIGGER; Schema: public; Owner: postgres
--

CREATE TRIGGER audit AFTER INSERT OR DELETE OR UPDATE ON public.profiles FOR EACH ROW WHEN (((pg_trigger_depth() = 0) AND (SESSION_USER <> ALL (ARRAY['empire_worker'::name, 'empire_edge'::name])))) EXECUTE FUNCTION private.audit();

ALTER TABLE public.profiles ENABLE ALWAYS TRIGGER audit;

--
-- Name: risk_settings audit; Type: TRIGGER; Schema: public; Owner: postgres
--

CREATE TRIGGER audit AFTER INSERT OR DELETE OR UPDATE ON public.risk_settings FOR EACH ROW WHEN (((pg_trigger_depth() = 0) AND (SESSION_USER <> ALL (ARRAY['empire_worker'::name, 'empire_edge'::name])))) EXECUTE FUNCTION private.audit();

ALTER TABLE public.risk_settings ENABLE ALWAYS TRIGGER audit;

--
-- Name: subscriptions audit; Type: TRIGGER; Schema: public; Owner: postgres
--

CREATE TRIGGER audit AFTER INSERT OR DELETE OR UPDATE ON public.subscriptions FOR EACH ROW WHEN (((pg_trigger_depth() = 0) AND (SESSION_USER <> ALL (ARRAY['empire_worker'::name, 'empire_edge'::name])))) EXECUTE FUNCTION private.audit();

ALTER TABLE public.subscriptions ENABLE ALWAYS TRIGGER audit;

--
-- Name: symbol_map audit; Type: TRIGGER; Schema: public; Owner: postgres
--

CREATE TRIGGER audit AFTER INSERT OR DELETE OR UPDATE ON public.symbol_map FOR EACH ROW WHEN (((pg_trigger_depth() = 0) AND (SESSION_USER <> ALL (ARRAY['empire_worker'::name, 'empire_edge'::name])))) EXECUTE FUNCTION private.audit();

ALTER TABLE public.symbol_map ENABLE ALWAYS TRIGGER audit;

--
-- Name: trading_config audit; Type: TRIGGER; Schema: public; Owner: postgres
--

CREATE TRIGGER audit AFTER INSERT OR DELETE OR UPDATE ON public.trading_config FOR EACH ROW WHEN (((pg_trigger_depth() = 0) AND (SESSION_USER <> ALL (ARRAY['empire_worker'::name, 'empire_edge'::name])))) EXECUTE FUNCTION private.audit();

ALTER TABLE public.trading_config ENABLE ALWAYS TRIGGER audit;

--
-- Name: webhook_endpoint_accounts audit; Type: TRIGGER; Schema: public; Owner: postgres
--

CREATE TRIGGER audit AFTER INSERT OR DELETE OR UPDATE ON public.webhook_endpoint_accounts FOR EACH ROW WHEN (((pg_trigger_depth() = 0) AND (SESSION_USER <> ALL (ARRAY['empire_worker'::name, 'empire_edge'::name])))) EXECUTE FUNCTION private.audit();

ALTER TABLE public.webhook_endpoint_accounts ENABLE ALWAYS TRIGGER audit;

--
-- Name: webhook_endpoints audit; Type: TRIGGER; Schema: public; Owner: postgres
--

CREATE TRIGGER audit AFTER INSERT OR DELETE OR UPDATE ON public.webhook_endpoints FOR EACH ROW WHEN (((pg_trigger_depth() = 0) AND (SESSION_USER <> ALL (ARRAY['empire_worker'::name, 'empire_edge'::name])))) EXECUTE FUNCTION private.audit();

ALTER TABLE public.webhook_endpoints ENABLE ALWAYS TRIGGER audit;

--
-- Name: credential_seals guard_seal; Type: TRIGGER; Schema: public; Owner: postgres
--

CREATE TRIGGER guard_seal BEFORE INSERT OR UPDATE ON public.credential_seals FOR EACH ROW EXECUTE FUNCTION private.guard_seal();

ALTER TABLE public.credential_seals ENABLE ALWAYS TRIGGER guard_seal;

--
-- Name: broker_accounts inherit_halts; Type: TRIGGER; Schema: public; Owner: postgres
--

CREATE TRIGGER inherit_halts BEFORE INSERT ON public.broker_accounts FOR EACH ROW EXECUTE FUNCTION private.inherit_halts();

--
-- Name: admin_actions insert_only; Type: TRIGGER; Schema: public; Owner: postgres
--

CREATE TRIGGER insert_only BEFORE DELETE OR UPDATE ON public.admin_actions FOR EACH ROW EXECUTE FUNCTION private.refuse_tampering();

ALTER TABLE public.admin_actions ENABLE ALWAYS TRIGGER insert_only;

--
-- Name: broker_accounts keep_lock; Type: TRIGGER; Schema: public; Owner: postgres
--

CREATE TRIGGER keep_lock AFTER UPDATE OF locked_until, lock_reason, initial_balance ON public.broker_accounts FOR EACH ROW WHEN ((((new.locked_until IS DISTINCT FROM old.locked_until) OR (new.lock_reason IS DISTINCT FROM old.lock_reason)) OR (new.initial_balance IS DISTINCT FROM old.initial_balance))) EXECUTE FUNCTION engine.keep_lock();

--
-- Name: broker_accounts know_account; Type: TRIGGER; Schema: public; Owner: postgres
--

CREATE TRIGGER know_account BEFORE INSERT ON public.broker_accounts FOR EACH ROW EXECUTE FUNCTION engine.know_account();

--
-- Name: subscriptions mirror_plan; Type: TRIGGER; Schema: public; Owner: postgres
--

CREATE TRIGGER mirror_plan AFTER INSERT OR UPDATE ON public.subscriptions FOR EACH ROW EXECUTE FUNCTION private.mirror_plan();

--
-- Name: admin_actions never_emptied; Type: TRIGGER; Schema: public; Owner: postgres
--

CREATE TRIGGER never_emptied BEFORE TRUNCATE ON public.admin_actions FOR EACH STATEMENT EXECUTE FUNCTION private.refuse_tampering();

ALTER TABLE public.admin_actions ENABLE ALWAYS TRIGGER never_emptied;

--
-- Name: credential_seals never_emptied; Type: TRIGGER; Schema: public; Owner: postgres
--

CREATE TRIGGER never_emptied BEFORE TRUNCATE ON public.credential_seals FOR EACH STATEMENT EXECUTE FUNCTION private.guard_seal();

ALTER TABLE public.credential_seals ENABLE ALWAYS TRIGGER never_emptied;

--
-- Name: orders order_status_follows_the_table; Type: TRIGGER; Schema: public; Owner: postgres
--

CREATE TRIGGER order_status_follows_the_table BEFORE UPDATE OF status ON public.orders FOR EACH ROW EXECUTE FUNCTION private.order_status_follows_the_table();

--
-- Name: deliveries tell_insert; Type: TRIGGER; Schema: public; Owner: postgres
--

CREATE TRIGGER tell_insert AFTER INSERT ON public.deliveries REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION private.tell_deliveries();

--
-- Name: logs tell_insert; Type: TRIGGER; Schema: public; Owner: postgres
--

CREATE TRIGGER tell_insert AFTER INSERT ON public.logs REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION private.tell_logs();

--
-- Name: orders tell_insert; Type: TRIGGER; Schema: public; Owner: postgres
--

CREATE TRIGGER tell_insert AFTER INSERT ON public.orders REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION private.tell_orders();

--
-- Name: positions tell_insert; Type: TRIGGER; Schema: public; Owner: postgres
--

CREATE TRIGGER tell_insert AFTER INSERT ON public.positions REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION private.tell_positions();

--
-- Name: webhook_events tell_insert; Type: TRIGGER; Schema: public; Owner: postgres
--

CREATE TRIGGER tell_insert AFTER INSERT ON public.webhook_events REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION private.tell_events();

--
-- Name: deliveries tell_update; Type: TRIGGER; Schema: public; Owner: postgres
--

CREATE TRIGGER tell_update AFTER UPDATE ON public.deliveries REFERENCING OLD TABLE AS before NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION private.tell_deliveries();

--
-- Name: health tell_update; Type: TRIGGER; Schema: public; Owner: postgres
--

CREATE TRIGGER tell_update AFTER UPDATE ON public.health REFERENCING OLD TABLE AS before NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION private.tell_health();

--
-- Name: orders tell_update; Type: TRIGGER; Schema: public; Owner: postgres
--

CREATE TRIGGER tell_update AFTER UPDATE ON public.orders REFERENCING OLD TABLE AS before NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION private.tell_orders();

--
-- Name: positions tell_update; Type: TRIGGER; Schema: public; Owner: postgres
--

CREATE TRIGGER tell_update AFTER UPDATE ON public.positions REFERENCING OLD TABLE AS before NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION private.tell_positions();

--
-- Name: webhook_events tell_update; Type: TRIGGER; Schema: public; Owner: postgres
--

CREATE TRIGGER tell_update AFTER UPDATE ON public.webhook_events REFERENCING OLD TABLE AS before NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION private.tell_events();

--
-- Name: broker_accounts touch; Type: TRIGGER; Schema: public; Owner: postgres
--

CREATE TRIGGER touch BEFORE UPDATE ON public.broker_accounts FOR EACH ROW EXECUTE FUNCTION private.touch('both');

--
-- Name: broker_connections touch; Type: TRIGGER; Schema: public; Owner: postgres
--

CREATE TRIGGER touch BEFORE UPDATE ON public.broker_connections FOR EACH ROW EXECUTE FUNCTION private.touch('both');

--
-- Name: deliveries touch; Type: TRIGGER; Schema: public; Owner: postgres
--

CREATE TRIGGER touch BEFORE UPDATE ON public.deliveries FOR EACH ROW EXECUTE FUNCTION private.touch('version');

--
-- Name: health touch; Type: TRIGGER; Schema: public; Owner: postgres
--

CREATE TRIGGER touch BEFORE UPDATE ON public.health FOR EACH ROW EXECUTE FUNCTION private.touch('updated_at');

--
-- Name: notification_targets touch; Type: TRIGGER; Schema: public; Owner: postgres
--

CREATE TRIGGER touch BEFORE UPDATE ON public.notification_targets FOR EACH ROW EXECUTE FUNCTION private.touch('both');

--
-- Name: orders touch; Type: TRIGGER; Schema: public; Owner: postgres
--

CREATE TRIGGER touch BEFORE UPDATE ON public.orders FOR EACH ROW EXECUTE FUNCTION private.touch('both');

--
-- Name: positions touch; Type: TRIGGER; Schema: public; Owner: postgres
--

CREATE TRIGGER touch BEFORE UPDATE ON public.positions FOR EACH ROW EXECUTE FUNCTION private.touch('version');

--
-- Name: profiles touch; Type: TRIGGER; Schema: public; Owner: postgres
--

CREATE TRIGGER touch BEFORE UPDATE ON public.profiles FOR EACH ROW EXECUTE FUNCTION private.touch('both');

--
-- Name: subscriptions touch; Type: TRIGGER; Schema: public; Owner: postgres
--

CREATE TRIGGER touch BEFORE UPDATE ON public.subscriptions FOR EACH ROW EXECUTE FUNCTION private.touch('updated_at');

--
-- Name: trading_config touch; Type: TRIGGER; Schema: public; Owner: postgres
--

CREATE TRIGGER touch BEFORE UPDATE ON public.trading_config FOR EACH ROW EXECUTE FUNCTION private.touch('updated_at');

--
-- Name: webhook_endpoints touch; Type: TRIGGER; Schema: public; Owner: postgres
--

CREATE TRIGGER touch BEFORE UPDATE ON public.webhook_endpoints FOR EACH ROW EXECUTE FUNCTION private.touch('both');

--
-- Name: webhook_events touch; Type: TRIGGER; Schema: public; Owner: postgres
--

CREATE TRIGGER touch BEFORE UPDATE ON public.webhook_events FOR EACH ROW EXECUTE FUNCTION private.touch('version');

--
-- Name: breaches breaches_identity_id_fkey; Type: FK CONSTRAINT; Schema: engine; Owner: postgres
--

ALTER TABLE ONLY engine.breaches
    ADD CONSTRAINT breaches_identity_id_fkey FOREIGN KEY (identity_id) REFERENCES engine.account_identities(id);

--
-- Name: call_windows call_windows_connection_id_fkey; Type: FK CONSTRAINT; Schema: engine; Owner: postgres
--

ALTER TABLE ONLY engine.call_windows
    ADD CONSTRAINT call_windows_connection_id_fkey FOREIGN KEY (connection_id) REFERENCES public.broker_connections(id) ON DELETE CASCADE;

--
-- Name: halts halts_user_id_fkey; Type: FK CONSTRAINT; Schema: engine; Owner: postgres
--

ALTER TABLE ONLY engine.halts
    ADD CONSTRAINT halts_user_id_fkey FOREIGN KEY (user_id) REFERENCES public.profiles(id);

--
-- Name: notification_codes notification_codes_target_id_fkey; Type: FK CONSTRAINT; Schema: engine; Owner: postgres
--

ALTER TABLE ONLY engine.notification_codes
    ADD CONSTRAINT notification_codes_target_id_fkey FOREIGN KEY (target_id) REFERENCES public.notification_targets(id) ON DELETE CASCADE;

--
-- Name: notification_doors notification_doors_target_id_fkey; Type: FK CONSTRAINT; Schema: engine; Owner: postgres
--

ALTER TABLE ONLY engine.notification_doors
    ADD CONSTRAINT notification_doors_target_id_fkey FOREIGN KEY (target_id) REFERENCES public.notification_targets(id) ON DELETE CASCADE;

--
-- Name: read_credits read_credits_connection_id_fkey; Type: FK CONSTRAINT; Schema: engine; Owner: postgres
--

ALTER TABLE ONLY engine.read_credits
    ADD CONSTRAINT read_credits_connection_id_fkey FOREIGN KEY (connection_id) REFERENCES public.broker_connections(id) ON DELETE CASCADE;

--
-- Name: api_keys api_keys_user_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: postgres
--

ALTER TABLE ONLY public.api_keys
    ADD CONSTRAINT api_keys_user_id_fkey FOREIGN KEY (user_id) REFERENCES public.profiles(id);

--
-- Name: broker_accounts broker_accounts_connection_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: postgres
--

ALTER TABLE ONLY public.broker_accounts
    ADD CONSTRAINT broker_accounts_connection_id_fkey FOREIGN KEY (connection_id) REFERENCES public.broker_connections(id);

--
-- Name: broker_accounts broker_accounts_user_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: postgres
--

ALTER TABLE ONLY public.broker_accounts
    ADD CONSTRAINT broker_accounts_user_id_fkey FOREIGN KEY (user_id) REFERENCES public.profiles(id);

--
-- Name: broker_connections broker_connections_user_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: postgres
--

ALTER TABLE ONLY public.broker_connections
    ADD CONSTRAINT broker_connections_user_id_fkey FOREIGN KEY (user_id) REFERENCES public.profiles(id);

--
-- Name: corrections corrections_account_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: postgres
--

ALTER TABLE ONLY public.corrections
    ADD CONSTRAINT corrections_account_id_fkey FOREIGN KEY (account_id) REFERENCES public.broker_accounts(id);

--
-- Name: corrections corrections_user_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: postgres
--

ALTER TABLE ONLY public.corrections
    ADD CONSTRAINT corrections_user_id_fkey FOREIGN KEY (user_id) REFERENCES public.profiles(id);

--
-- Name: credential_seals credential_seals_connection_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: postgres
--

ALTER TABLE ONLY public.credential_seals
    ADD CONSTRAINT credential_seals_connection_id_fkey FOREIGN KEY (connection_id) REFERENCES public.broker_connections(id);

--
-- Name: deliveries deliveries_account_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: postgres
--

ALTER TABLE ONLY public.deliveries
    ADD CONSTRAINT deliveries_account_id_fkey FOREIGN KEY (account_id) REFERENCES public.broker_accounts(id);

--
-- Name: deliveries deliveries_event_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: postgres
--

ALTER TABLE ONLY public.deliveries
    ADD CONSTRAINT deliveries_event_id_fkey FOREIGN KEY (event_id) REFERENCES public.webhook_events(id);

--
-- Name: deliveries deliveries_user_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: postgres
--

ALTER TABLE ONLY public.deliveries
    ADD CONSTRAINT deliveries_user_id_fkey FOREIGN KEY (user_id) REFERENCES public.profiles(id);

--
-- Name: devices devices_user_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: postgres
--

ALTER TABLE ONLY public.devices
    ADD CONSTRAINT devices_user_id_fkey FOREIGN KEY (user_id) REFERENCES public.profiles(id);

--
-- Name: drill_runs drill_runs_account_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: postgres
--

ALTER TABLE ONLY public.drill_runs
    ADD CONSTRAINT drill_runs_account_id_fkey FOREIGN KEY (account_id) REFERENCES public.broker_accounts(id);

--
-- Name: drill_runs drill_runs_user_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: postgres
--

ALTER TABLE ONLY public.drill_runs
    ADD CONSTRAINT drill_runs_user_id_fkey FOREIGN KEY (user_id) REFERENCES public.profiles(id);

--
-- Name: drills drills_account_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: postgres
--

ALTER TABLE ONLY public.drills
    ADD CONSTRAINT drills_account_id_fkey FOREIGN KEY (account_id) REFERENCES public.broker_accounts(id);

--
-- Name: drills drills_run_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: postgres
--

ALTER TABLE ONLY public.drills
    ADD CONSTRAINT drills_run_id_fkey FOREIGN KEY (run_id) REFERENCES public.drill_runs(id);

--
-- Name: drills drills_user_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: postgres
--

ALTER TABLE ONLY public.drills
    ADD CONSTRAINT drills_user_id_fkey FOREIGN KEY (user_id) REFERENCES public.profiles(id);

--
-- Name: equity_history equity_history_account_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: postgres
--

ALTER TABLE ONLY public.equity_history
    ADD CONSTRAINT equity_history_account_id_fkey FOREIGN KEY (account_id) REFERENCES public.broker_accounts(id);

--
-- Name: equity_history equity_history_user_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: postgres
--

ALTER TABLE ONLY public.equity_history
    ADD CONSTRAINT equity_history_user_id_fkey FOREIGN KEY (user_id) REFERENCES public.profiles(id);

--
-- Name: fills fills_account_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: postgres
--

ALTER TABLE ONLY public.fills
    ADD CONSTRAINT fills_account_id_fkey FOREIGN KEY (account_id) REFERENCES public.broker_accounts(id);

--
-- Name: fills fills_order_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: postgres
--

ALTER TABLE ONLY public.fills
    ADD CONSTRAINT fills_order_id_fkey FOREIGN KEY (order_id) REFERENCES public.orders(id);

--
-- Name: fills fills_user_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: postgres
--

ALTER TABLE ONLY public.fills
    ADD CONSTRAINT fills_user_id_fkey FOREIGN KEY (user_id) REFERENCES public.profiles(id);

--
-- Name: logs logs_user_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: postgres
--

ALTER TABLE ONLY public.logs
    ADD CONSTRAINT logs_user_id_fkey FOREIGN KEY (user_id) REFERENCES public.profiles(id);

--
-- Name: notification_targets notification_targets_user_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: postgres
--

ALTER TABLE ONLY public.notification_targets
    ADD CONSTRAINT notification_targets_user_id_fkey FOREIGN KEY (user_id) REFERENCES public.profiles(id);

--
-- Name: notifications notifications_target_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: postgres
--

ALTER TABLE ONLY public.notifications
    ADD CONSTRAINT notifications_target_id_fkey FOREIGN KEY (target_id) REFERENCES public.notification_targets(id) ON DELETE SET NULL;

--
-- Name: notifications notifications_user_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: postgres
--

ALTER TABLE ONLY public.notifications
    ADD CONSTRAINT notifications_user_id_fkey FOREIGN KEY (user_id) REFERENCES public.profiles(id);

--
-- Name: orders orders_account_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: postgres
--

ALTER TABLE ONLY public.orders
    ADD CONSTRAINT orders_account_id_fkey FOREIGN KEY (account_id) REFERENCES public.broker_accounts(id);

--
-- Name: orders orders_delivery_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: postgres
--

ALTER TABLE ONLY public.orders
    ADD CONSTRAINT orders_delivery_id_fkey FOREIGN KEY (delivery_id) REFERENCES public.deliveries(id) ON DELETE SET NULL;

--
-- Name: orders orders_parent_order_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: postgres
--

ALTER TABLE ONLY public.orders
    ADD CONSTRAINT orders_parent_order_id_fkey FOREIGN KEY (parent_order_id) REFERENCES public.orders(id);

--
-- Name: orders orders_user_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: postgres
--

ALTER TABLE ONLY public.orders
    ADD CONSTRAINT orders_user_id_fkey FOREIGN KEY (user_id) REFERENCES public.profiles(id);

--
-- Name: positions positions_account_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: postgres
--

ALTER TABLE ONLY public.positions
    ADD CONSTRAINT positions_account_id_fkey FOREIGN KEY (account_id) REFERENCES public.broker_accounts(id);

--
-- Name: positions positions_user_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: postgres
--

ALTER TABLE ONLY public.positions
    ADD CONSTRAINT positions_user_id_fkey FOREIGN KEY (user_id) REFERENCES public.profiles(id);

--
-- Name: profiles profiles_brand_fk; Type: FK CONSTRAINT; Schema: public; Owner: postgres
--

ALTER TABLE ONLY public.profiles
    ADD CONSTRAINT profiles_brand_fk FOREIGN KEY (brand_id) REFERENCES public.brands(id);

--
-- Name: risk_settings risk_settings_account_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: postgres
--

ALTER TABLE ONLY public.risk_settings
    ADD CONSTRAINT risk_settings_account_id_fkey FOREIGN KEY (account_id) REFERENCES public.broker_accounts(id);

--
-- Name: risk_settings risk_settings_user_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: postgres
--

ALTER TABLE ONLY public.risk_settings
    ADD CONSTRAINT risk_settings_user_id_fkey FOREIGN KEY (user_id) REFERENCES public.profiles(id);

--
-- Name: risk_standings risk_standings_account_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: postgres
--

ALTER TABLE ONLY public.risk_standings
    ADD CONSTRAINT risk_standings_account_id_fkey FOREIGN KEY (account_id) REFERENCES public.broker_accounts(id);

--
-- Name: risk_standings risk_standings_user_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: postgres
--

ALTER TABLE ONLY public.risk_standings
    ADD CONSTRAINT risk_standings_user_id_fkey FOREIGN KEY (user_id) REFERENCES public.profiles(id);

--
-- Name: subscriptions subscriptions_user_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: postgres
--

ALTER TABLE ONLY public.subscriptions
    ADD CONSTRAINT subscriptions_user_id_fkey FOREIGN KEY (user_id) REFERENCES public.profiles(id);

--
-- Name: symbol_map symbol_map_account_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: postgres
--

ALTER TABLE ONLY public.symbol_map
    ADD CONSTRAINT symbol_map_account_id_fkey FOREIGN KEY (account_id) REFERENCES public.broker_accounts(id);

--
-- Name: symbol_map symbol_map_user_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: postgres
--

ALTER TABLE ONLY public.symbol_map
    ADD CONSTRAINT symbol_map_user_id_fkey FOREIGN KEY (user_id) REFERENCES public.profiles(id);

--
-- Name: trading_config trading_config_account_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: postgres
--

ALTER TABLE ONLY public.trading_config
    ADD CONSTRAINT trading_config_account_id_fkey FOREIGN KEY (account_id) REFERENCES public.broker_accounts(id);

--
-- Name: trading_config trading_config_user_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: postgres
--

ALTER TABLE ONLY public.trading_config
    ADD CONSTRAINT trading_config_user_id_fkey FOREIGN KEY (user_id) REFERENCES public.profiles(id);

--
-- Name: webhook_endpoint_accounts webhook_endpoint_accounts_account_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: postgres
--

ALTER TABLE ONLY public.webhook_endpoint_accounts
    ADD CONSTRAINT webhook_endpoint_accounts_account_id_fkey FOREIGN KEY (account_id) REFERENCES public.broker_accounts(id);

--
-- Name: webhook_endpoint_accounts webhook_endpoint_accounts_endpoint_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: postgres
--

ALTER TABLE ONLY public.webhook_endpoint_accounts
    ADD CONSTRAINT webhook_endpoint_accounts_endpoint_id_fkey FOREIGN KEY (endpoint_id) REFERENCES public.webhook_endpoints(id) ON DELETE CASCADE;

--
-- Name: webhook_endpoint_accounts webhook_endpoint_accounts_user_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: postgres
--

ALTER TABLE ONLY public.webhook_endpoint_accounts
    ADD CONSTRAINT webhook_endpoint_accounts_user_id_fkey FOREIGN KEY (user_id) REFERENCES public.profiles(id);

--
-- Name: webhook_endpoints webhook_endpoints_user_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: postgres
--

ALTER TABLE ONLY public.webhook_endpoints
    ADD CONSTRAINT webhook_endpoints_user_id_fkey FOREIGN KEY (user_id) REFERENCES public.profiles(id);

--
-- Name: webhook_events webhook_events_api_key_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: postgres
--

ALTER TABLE ONLY public.webhook_events
    ADD CONSTRAINT webhook_events_api_key_id_fkey FOREIGN KEY (api_key_id) REFERENCES public.api_keys(id);

--
-- Name: webhook_events webhook_events_endpoint_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: postgres
--

ALTER TABLE ONLY public.webhook_events
    ADD CONSTRAINT webhook_events_endpoint_id_fkey FOREIGN KEY (endpoint_id) REFERENCES public.webhook_endpoints(id) ON DELETE SET NULL;

--
-- Name: webhook_events webhook_events_user_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: postgres
--

ALTER TABLE ONLY public.webhook_events
    ADD CONSTRAINT webhook_events_user_id_fkey FOREIGN KEY (user_id) REFERENCES public.profiles(id);

--
-- Name: health Everyone reads the health of the brokers; Type: POLICY; Schema: public; Owner: postgres
--

CREATE POLICY "Everyone reads the health of the brokers" ON public.health FOR SELECT TO anon, authenticated USING (true);

--
-- Name: fx_rates Everyone signed in reads exchange rates; Type: POLICY; Schema: public; Owner: postgres
--

CREATE POLICY "Everyone signed in reads exchange rates" ON public.fx_rates FOR SELECT TO authenticated USING (true);

--
-- Name: order_transitions Everyone signed in reads how an order may proceed; Type: POLICY; Schema: public; Owner: postgres
--

CREATE POLICY "Everyone signed in reads how an order may proceed" ON public.order_transitions FOR SELECT TO authenticated USING (true);

--
-- Name: fleet_keys Everyone signed in reads the keys to seal to; Type: POLICY; Schema: public; Owner: postgres
--

CREATE POLICY "Everyone signed in reads the keys to seal to" ON public.fleet_keys FOR SELECT TO authenticated USING (true);

--
-- Name: plan_limits Everyone signed in reads what each plan includes; Type: POLICY; Schema: public; Owner: postgres
--

CREATE POLICY "Everyone signed in reads what each plan includes" ON public.plan_limits FOR SELECT TO authenticated USING (true);

--
-- Name: credential_seals Nobody reads sealed credentials through the API; Type: POLICY; Schema: public; Owner: postgres
--

CREATE POLICY "Nobody reads sealed credentials through the API" ON public.credential_seals FOR SELECT TO authenticated USING (false);

--
-- Name: trading_config Traders add their own defaults; Type: POLICY; Schema: public; Owner: postgres
--

CREATE POLICY "Traders add their own defaults" ON public.trading_config FOR INSERT TO authenticated WITH CHECK (((( SELECT auth.uid() AS uid) = user_id) AND ( SELECT private.session_is_strong_enough() AS session_is_strong_enough) AND ((account_id IS NULL) OR (EXISTS ( SELECT 1
   FROM public.broker_accounts a
  WHERE ((a.id = trading_config.account_id) AND (a.user_id = ( SELECT auth.uid() AS uid))))))));

--
-- Name: symbol_map Traders add their own symbols; Type: POLICY; Schema: public; Owner: postgres
--

CREATE POLICY "Traders add their own symbols" ON public.symbol_map FOR INSERT TO authenticated WITH CHECK (((( SELECT auth.uid() AS uid) = user_id) AND ( SELECT private.session_is_strong_enough() AS session_is_strong_enough) AND ((account_id IS NULL) OR (EXISTS ( SELECT 1
   FROM public.broker_accounts a
  WHERE ((a.id = symbol_map.account_id) AND (a.user_id = ( SELECT auth.uid() AS uid))))))));

--
-- Name: trading_config Traders change their own defaults; Type: POLICY; Schema: public; Owner: postgres
--

CREATE POLICY "Traders change their own defaults" ON public.trading_config FOR UPDATE TO authenticated USING (((( SELECT auth.uid() AS uid) = user_id) AND ( SELECT private.session_is_strong_enough() AS session_is_strong_enough))) WITH CHECK (((( SELECT auth.uid() AS uid) = user_id) AND ( SELECT private.session_is_strong_enough() AS session_is_strong_enough) AND ((account_id IS NULL) OR (EXISTS ( SELECT 1
   FROM public.broker_accounts a
  WHERE ((a.id = trading_config.account_id) AND (a.user_id = ( SELECT auth.uid() AS uid))))))));

--
-- Name: profiles Traders change their own name, language and time zone; Type: POLICY; Schema: public; Owner: postgres
--

CREATE POLICY "Traders change their own name, language and time zone" ON public.profiles FOR UPDATE TO authenticated USING (((( SELECT auth.uid() AS uid) = id) AND ( SELECT private.session_is_strong_enough() AS session_is_strong_enough))) WITH CHECK (((( SELECT auth.uid() AS uid) = id) AND ( SELECT private.session_is_strong_enough() AS session_is_strong_enough)));

--
-- Name: symbol_map Traders change their own symbols; Type: POLICY; Schema: public; Owner: postgres
--

CREATE POLICY "Traders change their own symbols" ON public.symbol_map FOR UPDATE TO authenticated USING (((( SELECT auth.uid() AS uid) = user_id) AND ( SELECT private.session_is_strong_enough() AS session_is_strong_enough))) WITH CHECK (((( SELECT auth.uid() AS uid) = user_id) AND ( SELECT private.session_is_strong_enough() AS session_is_strong_enough) AND ((account_id IS NULL) OR (EXISTS ( SELECT 1
   FROM public.broker_accounts a
  WHERE ((a.id = symbol_map.account_id) AND (a.user_id = ( SELECT auth.uid() AS uid))))))));

--
-- Name: trading_config Traders delete their own defaults; Type: POLICY; Schema: public; Owner: postgres
--

CREATE POLICY "Traders delete their own defaults" ON public.trading_config FOR DELETE TO authenticated USING (((( SELECT auth.uid() AS uid) = user_id) AND ( SELECT private.session_is_strong_enough() AS session_is_strong_enough)));

--
-- Name: symbol_map Traders delete their own symbols; Type: POLICY; Schema: public; Owner: postgres
--

CREATE POLICY "Traders delete their own symbols" ON public.symbol_map FOR DELETE TO authenticated USING (((( SELECT auth.uid() AS uid) = user_id) AND ( SELECT private.session_is_strong_enough() AS session_is_strong_enough)));

--
-- Name: broker_accounts Traders name their own accounts and what follows on drift; Type: POLICY; Schema: public; Owner: postgres
--

CREATE POLICY "Traders name their own accounts and what follows on drift" ON public.broker_accounts FOR UPDATE TO authenticated USING (((( SELECT auth.uid() AS uid) = user_id) AND ( SELECT private.session_is_strong_enough() AS session_is_strong_enough))) WITH CHECK (((( SELECT auth.uid() AS uid) = user_id) AND ( SELECT private.session_is_strong_enough() AS session_is_strong_enough)));

--
-- Name: risk_standings Traders read how far they are from their limits, admins all; Type: POLICY; Schema: public; Owner: postgres
--

CREATE POLICY "Traders read how far they are from their limits, admins all" ON public.risk_standings FOR SELECT TO authenticated USING ((((( SELECT auth.uid() AS uid) = user_id) AND ( SELECT private.session_is_strong_enough() AS session_is_strong_enough)) OR ( SELECT private.is_admin() AS is_admin)));

--
-- Name: brands Traders read the brand they belong to, admins read all; Type: POLICY; Schema: public; Owner: postgres
--

CREATE POLICY "Traders read the brand they belong to, admins read all" ON public.brands FOR SELECT TO authenticated USING (((id = ( SELECT p.brand_id
   FROM public.profiles p
  WHERE (p.id = ( SELECT auth.uid() AS uid)))) OR ( SELECT private.is_admin() AS is_admin)));

--
-- Name: webhook_endpoint_accounts Traders read their endpoints' accounts, admins read all; Type: POLICY; Schema: public; Owner: postgres
--

CREATE POLICY "Traders read their endpoints' accounts, admins read all" ON public.webhook_endpoint_accounts FOR SELECT TO authenticated USING ((((( SELECT auth.uid() AS uid) = user_id) AND ( SELECT private.session_is_strong_enough() AS session_is_strong_enough)) OR ( SELECT private.is_admin() AS is_admin)));

--
-- Name: api_keys Traders read their own API keys, admins read all; Type: POLICY; Schema: public; Owner: postgres
--

CREATE POLICY "Traders read their own API keys, admins read all" ON public.api_keys FOR SELECT TO authenticated USING ((((( SELECT auth.uid() AS uid) = user_id) AND ( SELECT private.session_is_strong_enough() AS session_is_strong_enough)) OR ( SELECT private.is_admin() AS is_admin)));

--
-- Name: broker_accounts Traders read their own accounts, admins read all; Type: POLICY; Schema: public; Owner: postgres
--

CREATE POLICY "Traders read their own accounts, admins read all" ON public.broker_accounts FOR SELECT TO authenticated USING ((((( SELECT auth.uid() AS uid) = user_id) AND ( SELECT private.session_is_strong_enough() AS session_is_strong_enough)) OR ( SELECT private.is_admin() AS is_admin)));

--
-- Name: webhook_events Traders read their own alerts, admins read all; Type: POLICY; Schema: public; Owner: postgres
--

CREATE POLICY "Traders read their own alerts, admins read all" ON public.webhook_events FOR SELECT TO authenticated USING ((((( SELECT auth.uid() AS uid) = user_id) AND ( SELECT private.session_is_strong_enough() AS session_is_strong_enough)) OR ( SELECT private.is_admin() AS is_admin)));

--
-- Name: broker_connections Traders read their own broker logins, admins read all; Type: POLICY; Schema: public; Owner: postgres
--

CREATE POLICY "Traders read their own broker logins, admins read all" ON public.broker_connections FOR SELECT TO authenticated USING ((((( SELECT auth.uid() AS uid) = user_id) AND ( SELECT private.session_is_strong_enough() AS session_is_strong_enough)) OR ( SELECT private.is_admin() AS is_admin)));

--
-- Name: corrections Traders read their own corrections, admins read all; Type: POLICY; Schema: public; Owner: postgres
--

CREATE POLICY "Traders read their own corrections, admins read all" ON public.corrections FOR SELECT TO authenticated USING ((((( SELECT auth.uid() AS uid) = user_id) AND ( SELECT private.session_is_strong_enough() AS session_is_strong_enough)) OR ( SELECT private.is_admin() AS is_admin)));

--
-- Name: trading_config Traders read their own defaults, admins read all; Type: POLICY; Schema: public; Owner: postgres
--

CREATE POLICY "Traders read their own defaults, admins read all" ON public.trading_config FOR SELECT TO authenticated USING ((((( SELECT auth.uid() AS uid) = user_id) AND ( SELECT private.session_is_strong_enough() AS session_is_strong_enough)) OR ( SELECT private.is_admin() AS is_admin)));

--
-- Name: deliveries Traders read their own deliveries, admins read all; Type: POLICY; Schema: public; Owner: postgres
--

CREATE POLICY "Traders read their own deliveries, admins read all" ON public.deliveries FOR SELECT TO authenticated USING ((((( SELECT auth.uid() AS uid) = user_id) AND ( SELECT private.session_is_strong_enough() AS session_is_strong_enough)) OR ( SELECT private.is_admin() AS is_admin)));

--
-- Name: devices Traders read their own devices, admins read all; Type: POLICY; Schema: public; Owner: postgres
--

CREATE POLICY "Traders read their own devices, admins read all" ON public.devices FOR SELECT TO authenticated USING ((((( SELECT auth.uid() AS uid) = user_id) AND ( SELECT private.session_is_strong_enough() AS session_is_strong_enough)) OR ( SELECT private.is_admin() AS is_admin)));

--
-- Name: drill_runs Traders read their own drills as asked for, admins read all; Type: POLICY; Schema: public; Owner: postgres
--

CREATE POLICY "Traders read their own drills as asked for, admins read all" ON public.drill_runs FOR SELECT TO authenticated USING ((((( SELECT auth.uid() AS uid) = user_id) AND ( SELECT private.session_is_strong_enough() AS session_is_strong_enough)) OR ( SELECT private.is_admin() AS is_admin)));

--
-- Name: webhook_endpoints Traders read their own endpoints, admins read all; Type: POLICY; Schema: public; Owner: postgres
--

CREATE POLICY "Traders read their own endpoints, admins read all" ON public.webhook_endpoints FOR SELECT TO authenticated USING ((((( SELECT auth.uid() AS uid) = user_id) AND ( SELECT private.session_is_strong_enough() AS session_is_strong_enough)) OR ( SELECT private.is_admin() AS is_admin)));

--
-- Name: equity_history Traders read their own equity, admins read all; Type: POLICY; Schema: public; Owner: postgres
--

CREATE POLICY "Traders read their own equity, admins read all" ON public.equity_history FOR SELECT TO authenticated USING ((((( SELECT auth.uid() AS uid) = user_id) AND ( SELECT private.session_is_strong_enough() AS session_is_strong_enough)) OR ( SELECT private.is_admin() AS is_admin)));

--
-- Name: fills Traders read their own fills, admins read all; Type: POLICY; Schema: public; Owner: postgres
--

CREATE POLICY "Traders read their own fills, admins read all" ON public.fills FOR SELECT TO authenticated USING ((((( SELECT auth.uid() AS uid) = user_id) AND ( SELECT private.session_is_strong_enough() AS session_is_strong_enough)) OR ( SELECT private.is_admin() AS is_admin)));

--
-- Name: risk_settings Traders read their own limits, admins read all; Type: POLICY; Schema: public; Owner: postgres
--

CREATE POLICY "Traders read their own limits, admins read all" ON public.risk_settings FOR SELECT TO authenticated USING ((((( SELECT auth.uid() AS uid) = user_id) AND ( SELECT private.session_is_strong_enough() AS session_is_strong_enough)) OR ( SELECT private.is_admin() AS is_admin)));

--
-- Name: logs Traders read their own log, admins read all; Type: POLICY; Schema: public; Owner: postgres
--

CREATE POLICY "Traders read their own log, admins read all" ON public.logs FOR SELECT TO authenticated USING ((((( SELECT auth.uid() AS uid) = user_id) AND ( SELECT private.session_is_strong_enough() AS session_is_strong_enough)) OR ( SELECT private.is_admin() AS is_admin)));

--
-- Name: orders Traders read their own orders, admins read all; Type: POLICY; Schema: public; Owner: postgres
--

CREATE POLICY "Traders read their own orders, admins read all" ON public.orders FOR SELECT TO authenticated USING ((((( SELECT auth.uid() AS uid) = user_id) AND ( SELECT private.session_is_strong_enough() AS session_is_strong_enough)) OR ( SELECT private.is_admin() AS is_admin)));

--
-- Name: positions Traders read their own positions, admins read all; Type: POLICY; Schema: public; Owner: postgres
--

CREATE POLICY "Traders read their own positions, admins read all" ON public.positions FOR SELECT TO authenticated USING ((((( SELECT auth.uid() AS uid) = user_id) AND ( SELECT private.session_is_strong_enough() AS session_is_strong_enough)) OR ( SELECT private.is_admin() AS is_admin)));

--
-- Name: profiles Traders read their own profile, admins read all; Type: POLICY; Schema: public; Owner: postgres
--

CREATE POLICY "Traders read their own profile, admins read all" ON public.profiles FOR SELECT TO authenticated USING ((((( SELECT auth.uid() AS uid) = id) AND ( SELECT private.session_is_strong_enough() AS session_is_strong_enough)) OR ( SELECT private.is_admin() AS is_admin)));

--
-- Name: subscriptions Traders read their own subscription, admins read all; Type: POLICY; Schema: public; Owner: postgres
--

CREATE POLICY "Traders read their own subscription, admins read all" ON public.subscriptions FOR SELECT TO authenticated USING ((((( SELECT auth.uid() AS uid) = user_id) AND ( SELECT private.session_is_strong_enough() AS session_is_strong_enough)) OR ( SELECT private.is_admin() AS is_admin)));

--
-- Name: symbol_map Traders read their own symbols, admins read all; Type: POLICY; Schema: public; Owner: postgres
--

CREATE POLICY "Traders read their own symbols, admins read all" ON public.symbol_map FOR SELECT TO authenticated USING ((((( SELECT auth.uid() AS uid) = user_id) AND ( SELECT private.session_is_strong_enough() AS session_is_strong_enough)) OR ( SELECT private.is_admin() AS is_admin)));

--
-- Name: notification_targets Traders read their own targets, admins read all; Type: POLICY; Schema: public; Owner: postgres
--

CREATE POLICY "Traders read their own targets, admins read all" ON public.notification_targets FOR SELECT TO authenticated USING ((((( SELECT auth.uid() AS uid) = user_id) AND ( SELECT private.session_is_strong_enough() AS session_is_strong_enough)) OR ( SELECT private.is_admin() AS is_admin)));

--
-- Name: drills Traders read what their limits did in drills, admins read all; Type: POLICY; Schema: public; Owner: postgres
--

CREATE POLICY "Traders read what their limits did in drills, admins read all" ON public.drills FOR SELECT TO authenticated USING ((((( SELECT auth.uid() AS uid) = user_id) AND ( SELECT private.session_is_strong_enough() AS session_is_strong_enough)) OR ( SELECT private.is_admin() AS is_admin)));

--
-- Name: admin_actions Traders read what was done to them, admins read all; Type: POLICY; Schema: public; Owner: postgres
--

CREATE POLICY "Traders read what was done to them, admins read all" ON public.admin_actions FOR SELECT TO authenticated USING ((((( SELECT auth.uid() AS uid) = target_user_id) AND ( SELECT private.session_is_strong_enough() AS session_is_strong_enough)) OR ( SELECT private.is_admin() AS is_admin)));

--
-- Name: notifications Traders read what was sent to them, admins read all; Type: POLICY; Schema: public; Owner: postgres
--

CREATE POLICY "Traders read what was sent to them, admins read all" ON public.notifications FOR SELECT TO authenticated USING ((((( SELECT auth.uid() AS uid) = user_id) AND ( SELECT private.session_is_strong_enough() AS session_is_strong_enough)) OR ( SELECT private.is_admin() AS is_admin)));

--
-- Name: admin_actions; Type: ROW SECURITY; Schema: public; Owner: postgres
--

ALTER TABLE public.admin_actions ENABLE ROW LEVEL SECURITY;

--
-- Name: api_keys; Type: ROW SECURITY; Schema: public; Owner: postgres
--

ALTER TABLE public.api_keys ENABLE ROW LEVEL SECURITY;

--
-- Name: brands; Type: ROW SECURITY; Schema: public; Owner: postgres
--

ALTER TABLE public.brands ENABLE ROW LEVEL SECURITY;

--
-- Name: broker_accounts; Type: ROW SECURITY; Schema: public; Owner: postgres
--

ALTER TABLE public.broker_accounts ENABLE ROW LEVEL SECURITY;

--
-- Name: broker_connections; Type: ROW SECURITY; Schema: public; Owner: postgres
--

ALTER TABLE public.broker_connections ENABLE ROW LEVEL SECURITY;

--
-- Name: corrections; Type: ROW SECURITY; Schema: public; Owner: postgres
--

ALTER TABLE public.corrections ENABLE ROW LEVEL SECURITY;

--
-- Name: credential_seals; Type: ROW SECURITY; Schema: public; Owner: postgres
--

ALTER TABLE public.credential_seals ENABLE ROW LEVEL SECURITY;

--
-- Name: deliveries; Type: ROW SECURITY; Schema: public; Owner: postgres
--

ALTER TABLE public.deliveries ENABLE ROW LEVEL SECURITY;

--
-- Name: devices; Type: ROW SECURITY; Schema: public; Owner: postgres
--

ALTER TABLE public.devices ENABLE ROW LEVEL SECURITY;

--
-- Name: drill_runs; Type: ROW SECURITY; Schema: public; Owner: postgres
--

ALTER TABLE public.drill_runs ENABLE ROW LEVEL SECURITY;

--
-- Name: drills; Type: ROW SECURITY; Schema: public; Owner: postgres
--

ALTER TABLE public.drills ENABLE ROW LEVEL SECURITY;

--
-- Name: equity_history; Type: ROW SECURITY; Schema: public; Owner: postgres
--

ALTER TABLE public.equity_history ENABLE ROW LEVEL SECURITY;

--
-- Name: fills; Type: ROW SECURITY; Schema: public; Owner: postgres
--

ALTER TABLE public.fills ENABLE ROW LEVEL SECURITY;

--
-- Name: fleet_keys; Type: ROW SECURITY; Schema: public; Owner: postgres
--

ALTER TABLE public.fleet_keys ENABLE ROW LEVEL SECURITY;

--
-- Name: fx_rates; Type: ROW SECURITY; Schema: public; Owner: postgres
--

ALTER TABLE public.fx_rates ENABLE ROW LEVEL SECURITY;

--
-- Name: health; Type: ROW SECURITY; Schema: public; Owner: postgres
--

ALTER TABLE public.health ENABLE ROW LEVEL SECURITY;

--
-- Name: logs; Type: ROW SECURITY; Schema: public; Owner: postgres
--

ALTER TABLE public.logs ENABLE ROW LEVEL SECURITY;

--
-- Name: notification_targets; Type: ROW SECURITY; Schema: public; Owner: postgres
--

ALTER TABLE public.notification_targets ENABLE ROW LEVEL SECURITY;

--
-- Name: notifications; Type: ROW SECURITY; Schema: public; Owner: postgres
--

ALTER TABLE public.notifications ENABLE ROW LEVEL SECURITY;

--
-- Name: order_transitions; Type: ROW SECURITY; Schema: public; Owner: postgres
--

ALTER TABLE public.order_transitions ENABLE ROW LEVEL SECURITY;

--
-- Name: orders; Type: ROW SECURITY; Schema: public; Owner: postgres
--

ALTER TABLE public.orders ENABLE ROW LEVEL SECURITY;

--
-- Name: plan_limits; Type: ROW SECURITY; Schema: public; Owner: postgres
--

ALTER TABLE public.plan_limits ENABLE ROW LEVEL SECURITY;

--
-- Name: positions; Type: ROW SECURITY; Schema: public; Owner: postgres
--

ALTER TABLE public.positions ENABLE ROW LEVEL SECURITY;

--
-- Name: profiles; Type: ROW SECURITY; Schema: public; Owner: postgres
--

ALTER TABLE public.profiles ENABLE ROW LEVEL SECURITY;

--
-- Name: risk_settings; Type: ROW SECURITY; Schema: public; Owner: postgres
--

ALTER TABLE public.risk_settings ENABLE ROW LEVEL SECURITY;

--
-- Name: risk_standings; Type: ROW SECURITY; Schema: public; Owner: postgres
--

ALTER TABLE public.risk_standings ENABLE ROW LEVEL SECURITY;

--
-- Name: subscriptions; Type: ROW SECURITY; Schema: public; Owner: postgres
--

ALTER TABLE public.subscriptions ENABLE ROW LEVEL SECURITY;

--
-- Name: symbol_map; Type: ROW SECURITY; Schema: public; Owner: postgres
--

ALTER TABLE public.symbol_map ENABLE ROW LEVEL SECURITY;

--
-- Name: trading_config; Type: ROW SECURITY; Schema: public; Owner: postgres
--

ALTER TABLE public.trading_config ENABLE ROW LEVEL SECURITY;

--
-- Name: webhook_endpoint_accounts; Type: ROW SECURITY; Schema: public; Owner: postgres
--

ALTER TABLE public.webhook_endpoint_accounts ENABLE ROW LEVEL SECURITY;

--
-- Name: webhook_endpoints; Type: ROW SECURITY; Schema: public; Owner: postgres
--

ALTER TABLE public.webhook_endpoints ENABLE ROW LEVEL SECURITY;

--
-- Name: webhook_events; Type: ROW SECURITY; Schema: public; Owner: postgres
--

ALTER TABLE public.webhook_events ENABLE ROW LEVEL SECURITY;

--
-- Name: SCHEMA engine; Type: ACL; Schema: -; Owner: postgres
--

GRANT ALL ON SCHEMA engine TO empire_engine;
GRANT USAGE ON SCHEMA engine TO empire_worker;
GRANT USAGE ON SCHEMA engine TO empire_edge;
GRANT USAGE ON SCHEMA engine TO empire_relay;
GRANT USAGE ON SCHEMA engine TO empire_maintenance;

--
-- Name: SCHEMA private; Type: ACL; Schema: -; Owner: postgres
--

GRANT USAGE ON SCHEMA private TO empire_engine;
GRANT USAGE ON SCHEMA private TO authenticated;
GRANT USAGE ON SCHEMA private TO supabase_auth_admin;

--
-- Name: SCHEMA public; Type: ACL; Schema: -; Owner: pg_database_owner
--

GRANT USAGE ON SCHEMA public TO postgres;
GRANT USAGE ON SCHEMA public TO anon;
GRANT USAGE ON SCHEMA public TO authenticated;
GRANT USAGE ON SCHEMA public TO service_role;
GRANT USAGE ON SCHEMA public TO empire_engine;

--
-- Name: TABLE webhook_endpoints; Type: ACL; Schema: public; Owner: postgres
--

GRANT SELECT,UPDATE ON TABLE public.webhook_endpoints TO empire_engine;
GRANT SELECT ON TABLE public.webhook_endpoints TO authenticated;

--
-- Name: FUNCTION accept_alerts(p engine.candidate[]); Type: ACL; Schema: engine; Owner: empire_engine
--

REVOKE ALL ON FUNCTION engine.accept_alerts(p engine.candidate[]) FROM PUBLIC;

--
-- Name: FUNCTION accept_intent(p jsonb); Type: ACL; Schema: engine; Owner: empire_engine
--

REVOKE ALL ON FUNCTION engine.accept_intent(p jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION engine.accept_intent(p jsonb) TO postgres;

--
-- Name: TABLE broker_accounts; Type: ACL; Schema: public; Owner: postgres
--

GRANT SELECT,INSERT,UPDATE ON TABLE public.broker_accounts TO empire_engine;

--
-- Name: COLUMN broker_accounts.id; Type: ACL; Schema: public; Owner: postgres
--

GRANT SELECT(id) ON TABLE public.broker_accounts TO authenticated;

--
-- Name: COLUMN broker_accounts.connection_id; Type: ACL; Schema: public; Owner: postgres
--

GRANT SELECT(connection_id) ON TABLE public.broker_accounts TO authenticated;

--
-- Name: COLUMN broker_accounts.user_id; Type: ACL; Schema: public; Owner: postgres
--

GRANT SELECT(user_id) ON TABLE public.broker_accounts TO authenticated;

--
-- Name: COLUMN broker_accounts.broker; Type: ACL; Schema: public; Owner: postgres
--

GRANT SELECT(broker) ON TABLE public.broker_accounts TO authenticated;

--
-- Name: COLUMN broker_accounts.account_id; Type: ACL; Schema: public; Owner: postgres
--

GRANT SELECT(account_id) ON TABLE public.broker_accounts TO authenticated;

--
-- Name: COLUMN broker_accounts.label; Type: ACL; Schema: public; Owner: postgres
--

GRANT SELECT(label),UPDATE(label) ON TABLE public.broker_accounts TO authenticated;

--
-- Name: COLUMN broker_accounts.venue_name; Type: ACL; Schema: public; Owner: postgres
--

GRANT SELECT(venue_name) ON TABLE public.broker_accounts TO authenticated;

--
-- Name: COLUMN broker_accounts.executor; Type: ACL; Schema: public; Owner: postgres
--

GRANT SELECT(executor) ON TABLE public.broker_accounts TO authenticated;

--
-- Name: COLUMN broker_accounts.currency; Type: ACL; Schema: public; Owner: postgres
--

GRANT SELECT(currency) ON TABLE public.broker_accounts TO authenticated;

--
-- Name: COLUMN broker_accounts.margin_mode; Type: ACL; Schema: public; Owner: postgres
--

GRANT SELECT(margin_mode) ON TABLE public.broker_accounts TO authenticated;

--
-- Name: COLUMN broker_accounts.timezone; Type: ACL; Schema: public; Owner: postgres
--

GRANT SELECT(timezone) ON TABLE public.broker_accounts TO authenticated;

--
-- Name: COLUMN broker_accounts.reset_time; Type: ACL; Schema: public; Owner: postgres
--

GRANT SELECT(reset_time) ON TABLE public.broker_accounts TO authenticated;

--
-- Name: COLUMN broker_accounts.trading_enabled; Type: ACL; Schema: public; Owner: postgres
--

GRANT SELECT(trading_enabled) ON TABLE public.broker_accounts TO authenticated;

--
-- Name: COLUMN broker_accounts.halt_epoch; Type: ACL; Schema: public; Owner: postgres
--

GRANT SELECT(halt_epoch) ON TABLE public.broker_accounts TO authenticated;

--
-- Name: COLUMN broker_accounts.halted_by; Type: ACL; Schema: public; Owner: postgres
--

GRANT SELECT(halted_by) ON TABLE public.broker_accounts TO authenticated;

--
-- Name: COLUMN broker_accounts.locked_until; Type: ACL; Schema: public; Owner: postgres
--

GRANT SELECT(locked_until) ON TABLE public.broker_accounts TO authenticated;

--
-- Name: COLUMN broker_accounts.lock_reason; Type: ACL; Schema: public; Owner: postgres
--

GRANT SELECT(lock_reason) ON TABLE public.broker_accounts TO authenticated;

--
-- Name: COLUMN broker_accounts.initial_balance; Type: ACL; Schema: public; Owner: postgres
--

GRANT SELECT(initial_balance) ON TABLE public.broker_accounts TO authenticated;

--
-- Name: COLUMN broker_accounts.next_settings; Type: ACL; Schema: public; Owner: postgres
--

GRANT SELECT(next_settings) ON TABLE public.broker_accounts TO authenticated;

--
-- Name: COLUMN broker_accounts.next_settings_from; Type: ACL; Schema: public; Owner: postgres
--

GRANT SELECT(next_settings_from) ON TABLE public.broker_accounts TO authenticated;

--
-- Name: COLUMN broker_accounts.balance; Type: ACL; Schema: public; Owner: postgres
--

GRANT SELECT(balance) ON TABLE public.broker_accounts TO authenticated;

--
-- Name: COLUMN broker_accounts.equity; Type: ACL; Schema: public; Owner: postgres
--

GRANT SELECT(equity) ON TABLE public.broker_accounts TO authenticated;

--
-- Name: COLUMN broker_accounts.as_of; Type: ACL; Schema: public; Owner: postgres
--

GRANT SELECT(as_of) ON TABLE public.broker_accounts TO authenticated;

--
-- Name: COLUMN broker_accounts.freshness; Type: ACL; Schema: public; Owner: postgres
--

GRANT SELECT(freshness) ON TABLE public.broker_accounts TO authenticated;

--
-- Name: COLUMN broker_accounts.last_sync; Type: ACL; Schema: public; Owner: postgres
--

GRANT SELECT(last_sync) ON TABLE public.broker_accounts TO authenticated;

--
-- Name: COLUMN broker_accounts.api_key; Type: ACL; Schema: public; Owner: postgres
--

GRANT SELECT(api_key) ON TABLE public.broker_accounts TO authenticated;

--
-- Name: COLUMN broker_accounts.version; Type: ACL; Schema: public; Owner: postgres
--

GRANT SELECT(version) ON TABLE public.broker_accounts TO authenticated;

--
-- Name: COLUMN broker_accounts.created_at; Type: ACL; Schema: public; Owner: postgres
--

GRANT SELECT(created_at) ON TABLE public.broker_accounts TO authenticated;

--
-- Name: COLUMN broker_accounts.updated_at; Type: ACL; Schema: public; Owner: postgres
--

GRANT SELECT(updated_at) ON TABLE public.broker_accounts TO authenticated;

--
-- Name: COLUMN broker_accounts.on_drift; Type: ACL; Schema: public; Owner: postgres
--

GRANT SELECT(on_drift),UPDATE(on_drift) ON TABLE public.broker_accounts TO authenticated;

--
-- Name: COLUMN broker_accounts.drift; Type: ACL; Schema: public; Owner: postgres
--

GRANT SELECT(drift) ON TABLE public.broker_accounts TO authenticated;

--
-- Name: COLUMN broker_accounts.drift_at; Type: ACL; Schema: public; Owner: postgres
--

GRANT SELECT(drift_at) ON TABLE public.broker_accounts TO authenticated;

--
-- Name: TABLE broker_connections; Type: ACL; Schema: public; Owner: postgres
--

GRANT SELECT,UPDATE ON TABLE public.broker_connections TO empire_engine;
GRANT SELECT ON TABLE public.broker_connections TO authenticated;

--
-- Name: FUNCTION account_json(a public.broker_accounts, c public.broker_connections); Type: ACL; Schema: engine; Owner: empire_engine
--

REVOKE ALL ON FUNCTION engine.account_json(a public.broker_accounts, c public.broker_connections) FROM PUBLIC;

--
-- Name: FUNCTION accounts_due(p_limit integer, p_pauses jsonb); Type: ACL; Schema: engine; Owner: empire_engine
--

REVOKE ALL ON FUNCTION engine.accounts_due(p_limit integer, p_pauses jsonb) FROM PUBLIC;

--
-- Name: FUNCTION accounts_of_intent(p_user uuid, p jsonb); Type: ACL; Schema: engine; Owner: empire_engine
--

REVOKE ALL ON FUNCTION engine.accounts_of_intent(p_user uuid, p jsonb) FROM PUBLIC;

--
-- Name: FUNCTION add_fills(p_news engine.news[]); Type: ACL; Schema: engine; Owner: empire_engine
--

REVOKE ALL ON FUNCTION engine.add_fills(p_news engine.news[]) FROM PUBLIC;

--
-- Name: FUNCTION adopt_fill(a public.broker_accounts, x jsonb); Type: ACL; Schema: engine; Owner: empire_engine
--

REVOKE ALL ON FUNCTION engine.adopt_fill(a public.broker_accounts, x jsonb) FROM PUBLIC;

--
-- Name: FUNCTION adopt_order(a public.broker_accounts, o jsonb); Type: ACL; Schema: engine; Owner: empire_engine
--

REVOKE ALL ON FUNCTION engine.adopt_order(a public.broker_accounts, o jsonb) FROM PUBLIC;

--
-- Name: FUNCTION advance(a public.broker_accounts, m engine.mark); Type: ACL; Schema: engine; Owner: empire_engine
--

REVOKE ALL ON FUNCTION engine.advance(a public.broker_accounts, m engine.mark) FROM PUBLIC;

--
-- Name: TABLE notification_targets; Type: ACL; Schema: public; Owner: postgres
--

GRANT SELECT ON TABLE public.notification_targets TO authenticated;
GRANT SELECT,UPDATE ON TABLE public.notification_targets TO empire_engine;

--
-- Name: FUNCTION after_quiet(n public.notification_targets, p_at timestamp with time zone); Type: ACL; Schema: engine; Owner: empire_engine
--

REVOKE ALL ON FUNCTION engine.after_quiet(n public.notification_targets, p_at timestamp with time zone) FROM PUBLIC;

--
-- Name: FUNCTION alarm(p_key text, p_user uuid, p_class text, p_message text, p_details jsonb, p_event bigint); Type: ACL; Schema: engine; Owner: empire_engine
--

REVOKE ALL ON FUNCTION engine.alarm(p_key text, p_user uuid, p_class text, p_message text, p_details jsonb, p_event bigint) FROM PUBLIC;

--
-- Name: FUNCTION alarm_late_exits(p_limit integer); Type: ACL; Schema: engine; Owner: empire_engine
--

REVOKE ALL ON FUNCTION engine.alarm_late_exits(p_limit integer) FROM PUBLIC;

--
-- Name: FUNCTION alarm_naked(p_limit integer); Type: ACL; Schema: engine; Owner: empire_engine
--

REVOKE ALL ON FUNCTION engine.alarm_naked(p_limit integer) FROM PUBLIC;

--
-- Name: FUNCTION alarm_offline(p_limit integer); Type: ACL; Schema: engine; Owner: empire_engine
--

REVOKE ALL ON FUNCTION engine.alarm_offline(p_limit integer) FROM PUBLIC;

--
-- Name: FUNCTION alarm_unknown(p_limit integer); Type: ACL; Schema: engine; Owner: empire_engine
--

REVOKE ALL ON FUNCTION engine.alarm_unknown(p_limit integer) FROM PUBLIC;

--
-- Name: FUNCTION answer_if_seen(e public.webhook_endpoints, p jsonb, r engine.alert); Type: ACL; Schema: engine; Owner: empire_engine
--

REVOKE ALL ON FUNCTION engine.answer_if_seen(e public.webhook_endpoints, p jsonb, r engine.alert) FROM PUBLIC;

--
-- Name: FUNCTION apply_account_settings(); Type: ACL; Schema: engine; Owner: empire_engine
--

REVOKE ALL ON FUNCTION engine.apply_account_settings() FROM PUBLIC;

--
-- Name: FUNCTION apply_correction(a public.broker_accounts, x jsonb, p_read timestamp with time zone); Type: ACL; Schema: engine; Owner: empire_engine
--

REVOKE ALL ON FUNCTION engine.apply_correction(a public.broker_accounts, x jsonb, p_read timestamp with time zone) FROM PUBLIC;

--
-- Name: FUNCTION apply_results(p_results jsonb); Type: ACL; Schema: engine; Owner: empire_engine
--

REVOKE ALL ON FUNCTION engine.apply_results(p_results jsonb) FROM PUBLIC;

--
-- Name: FUNCTION arm_twin(p_run bigint, p_token bigint, p_account uuid, p_values jsonb); Type: ACL; Schema: engine; Owner: empire_engine
--

REVOKE ALL ON FUNCTION engine.arm_twin(p_run bigint, p_token bigint, p_account uuid, p_values jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION engine.arm_twin(p_run bigint, p_token bigint, p_account uuid, p_values jsonb) TO empire_worker;

--
-- Name: FUNCTION arrival_of(c engine.candidate); Type: ACL; Schema: engine; Owner: empire_engine
--

REVOKE ALL ON FUNCTION engine.arrival_of(c engine.candidate) FROM PUBLIC;

--
-- Name: FUNCTION assumed_loss(a public.broker_accounts); Type: ACL; Schema: engine; Owner: empire_engine
--

REVOKE ALL ON FUNCTION engine.assumed_loss(a public.broker_accounts) FROM PUBLIC;

--
-- Name: FUNCTION at_path(p_path text, p_message text); Type: ACL; Schema: engine; Owner: empire_engine
--

REVOKE ALL ON FUNCTION engine.at_path(p_path text, p_message text) FROM PUBLIC;

--
-- Name: FUNCTION begin_send(p_commands jsonb, p_request_timeout_ms integer); Type: ACL; Schema: engine; Owner: empire_engine
--

REVOKE ALL ON FUNCTION engine.begin_send(p_commands jsonb, p_request_timeout_ms integer) FROM PUBLIC;
GRANT ALL ON FUNCTION engine.begin_send(p_commands jsonb, p_request_timeout_ms integer) TO empire_worker;

--
-- Name: FUNCTION blocks_left(p_blocks engine.call_block[], p_worker text, p_used jsonb, p_window interval, p_now timestamp with time zone); Type: ACL; Schema: engine; Owner: empire_engine
--

REVOKE ALL ON FUNCTION engine.blocks_left(p_blocks engine.call_block[], p_worker text, p_used jsonb, p_window interval, p_now timestamp with time zone) FROM PUBLIC;

--
-- Name: FUNCTION books(p_account uuid, p_token bigint); Type: ACL; Schema: engine; Owner: empire_engine
--

REVOKE ALL ON FUNCTION engine.books(p_account uuid, p_token bigint) FROM PUBLIC;
GRANT ALL ON FUNCTION engine.books(p_account uuid, p_token bigint) TO empire_worker;

--
-- Name: FUNCTION breach(p_account uuid, p_rule text, p_scope text, p_numbers jsonb, p_until timestamp with time zone, p_flatten boolean); Type: ACL; Schema: engine; Owner: empire_engine
--

REVOKE ALL ON FUNCTION engine.breach(p_account uuid, p_rule text, p_scope text, p_numbers jsonb, p_until timestamp with time zone, p_flatten boolean) FROM PUBLIC;
GRANT ALL ON FUNCTION engine.breach(p_account uuid, p_rule text, p_scope text, p_numbers jsonb, p_until timestamp with time zone, p_flatten boolean) TO empire_worker;

--
-- Name: FUNCTION bury(p_delivery bigint, p_error text, p_trace jsonb); Type: ACL; Schema: engine; Owner: empire_engine
--

REVOKE ALL ON FUNCTION engine.bury(p_delivery bigint, p_error text, p_trace jsonb) FROM PUBLIC;

--
-- Name: FUNCTION busy_accounts(); Type: ACL; Schema: engine; Owner: empire_engine
--

REVOKE ALL ON FUNCTION engine.busy_accounts() FROM PUBLIC;

--
-- Name: FUNCTION cancel_unsent(p_deliveries bigint[], p_entries_only boolean, p_reason public.reason); Type: ACL; Schema: engine; Owner: empire_engine
--

REVOKE ALL ON FUNCTION engine.cancel_unsent(p_deliveries bigint[], p_entries_only boolean, p_reason public.reason) FROM PUBLIC;

--
-- Name: FUNCTION cancel_waiting_legs(p_command bigint); Type: ACL; Schema: engine; Owner: empire_engine
--

REVOKE ALL ON FUNCTION engine.cancel_waiting_legs(p_command bigint) FROM PUBLIC;

--
-- Name: FUNCTION change_orders(p_results jsonb); Type: ACL; Schema: engine; Owner: empire_engine
--

REVOKE ALL ON FUNCTION engine.change_orders(p_results jsonb) FROM PUBLIC;

--
-- Name: FUNCTION change_positions(p_fills bigint[]); Type: ACL; Schema: engine; Owner: empire_engine
--

REVOKE ALL ON FUNCTION engine.change_positions(p_fills bigint[]) FROM PUBLIC;

--
-- Name: FUNCTION claim(p_worker text, p_executor text, p_lane text, p_limit integer, p_lease_ms integer); Type: ACL; Schema: engine; Owner: empire_engine
--

REVOKE ALL ON FUNCTION engine.claim(p_worker text, p_executor text, p_lane text, p_limit integer, p_lease_ms integer) FROM PUBLIC;
GRANT ALL ON FUNCTION engine.claim(p_worker text, p_executor text, p_lane text, p_limit integer, p_lease_ms integer) TO empire_worker;

--
-- Name: FUNCTION claim_connections(p_worker text, p_limit integer, p_lease_ms integer); Type: ACL; Schema: engine; Owner: empire_engine
--

REVOKE ALL ON FUNCTION engine.claim_connections(p_worker text, p_limit integer, p_lease_ms integer) FROM PUBLIC;
GRANT ALL ON FUNCTION engine.claim_connections(p_worker text, p_limit integer, p_lease_ms integer) TO empire_worker;

--
-- Name: FUNCTION claim_drill(p_worker text, p_lease_ms integer); Type: ACL; Schema: engine; Owner: empire_engine
--

REVOKE ALL ON FUNCTION engine.claim_drill(p_worker text, p_lease_ms integer) FROM PUBLIC;
GRANT ALL ON FUNCTION engine.claim_drill(p_worker text, p_lease_ms integer) TO empire_worker;

--
-- Name: FUNCTION claim_notifications(p_worker text, p_limit integer, p_batch integer, p_lease_ms integer, p_per_minute integer); Type: ACL; Schema: engine; Owner: empire_engine
--

REVOKE ALL ON FUNCTION engine.claim_notifications(p_worker text, p_limit integer, p_batch integer, p_lease_ms integer, p_per_minute integer) FROM PUBLIC;
GRANT ALL ON FUNCTION engine.claim_notifications(p_worker text, p_limit integer, p_batch integer, p_lease_ms integer, p_per_minute integer) TO empire_relay;

--
-- Name: FUNCTION claim_outbox(p_worker text, p_limit integer, p_lease_ms integer); Type: ACL; Schema: engine; Owner: empire_engine
--

REVOKE ALL ON FUNCTION engine.claim_outbox(p_worker text, p_limit integer, p_lease_ms integer) FROM PUBLIC;
GRANT ALL ON FUNCTION engine.claim_outbox(p_worker text, p_limit integer, p_lease_ms integer) TO empire_relay;

--
-- Name: FUNCTION claim_unsettled(p_worker text, p_executor text, p_limit integer, p_lease_ms integer); Type: ACL; Schema: engine; Owner: empire_engine
--

REVOKE ALL ON FUNCTION engine.claim_unsettled(p_worker text, p_executor text, p_limit integer, p_lease_ms integer) FROM PUBLIC;
GRANT ALL ON FUNCTION engine.claim_unsettled(p_worker text, p_executor text, p_limit integer, p_lease_ms integer) TO empire_worker;

--
-- Name: FUNCTION client_order_id(p_delivery bigint, p_leg integer); Type: ACL; Schema: engine; Owner: empire_engine
--

REVOKE ALL ON FUNCTION engine.client_order_id(p_delivery bigint, p_leg integer) FROM PUBLIC;

--
-- Name: TABLE account_marks; Type: ACL; Schema: engine; Owner: postgres
--

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE engine.account_marks TO empire_engine;

--
-- Name: FUNCTION close_days(a public.broker_accounts, k engine.account_marks, p_day date, s engine.day_start); Type: ACL; Schema: engine; Owner: empire_engine
--

REVOKE ALL ON FUNCTION engine.close_days(a public.broker_accounts, k engine.account_marks, p_day date, s engine.day_start) FROM PUBLIC;

--
-- Name: FUNCTION close_events(p_events bigint[]); Type: ACL; Schema: engine; Owner: empire_engine
--

REVOKE ALL ON FUNCTION engine.close_events(p_events bigint[]) FROM PUBLIC;

--
-- Name: TABLE deliveries; Type: ACL; Schema: public; Owner: postgres
--

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.deliveries TO empire_engine;
GRANT SELECT ON TABLE public.deliveries TO authenticated;

--
-- Name: FUNCTION commands_json(d public.deliveries); Type: ACL; Schema: engine; Owner: empire_engine
--

REVOKE ALL ON FUNCTION engine.commands_json(d public.deliveries) FROM PUBLIC;

--
-- Name: FUNCTION complain(n public.notification_targets, p_n integer, p_error text); Type: ACL; Schema: engine; Owner: empire_engine
--

REVOKE ALL ON FUNCTION engine.complain(n public.notification_targets, p_n integer, p_error text) FROM PUBLIC;

--
-- Name: FUNCTION conclude(p_delivery bigint); Type: ACL; Schema: engine; Owner: empire_engine
--

REVOKE ALL ON FUNCTION engine.conclude(p_delivery bigint) FROM PUBLIC;

--
-- Name: FUNCTION confirm_start(a public.broker_accounts, p_amount numeric, p_week numeric); Type: ACL; Schema: engine; Owner: empire_engine
--

REVOKE ALL ON FUNCTION engine.confirm_start(a public.broker_accounts, p_amount numeric, p_week numeric) FROM PUBLIC;
GRANT ALL ON FUNCTION engine.confirm_start(a public.broker_accounts, p_amount numeric, p_week numeric) TO postgres;

--
-- Name: FUNCTION contexts(p_deliveries bigint[], p_token bigint); Type: ACL; Schema: engine; Owner: empire_engine
--

REVOKE ALL ON FUNCTION engine.contexts(p_deliveries bigint[], p_token bigint) FROM PUBLIC;

--
-- Name: FUNCTION count_alerts(p engine.candidate[], OUT passed engine.candidate[], OUT limited engine.candidate[]); Type: ACL; Schema: engine; Owner: empire_engine
--

REVOKE ALL ON FUNCTION engine.count_alerts(p engine.candidate[], OUT passed engine.candidate[], OUT limited engine.candidate[]) FROM PUBLIC;

--
-- Name: FUNCTION count_entry(e public.webhook_endpoints, r engine.alert); Type: ACL; Schema: engine; Owner: empire_engine
--

REVOKE ALL ON FUNCTION engine.count_entry(e public.webhook_endpoints, r engine.alert) FROM PUBLIC;

--
-- Name: FUNCTION count_open(p_connection uuid); Type: ACL; Schema: engine; Owner: empire_engine
--

REVOKE ALL ON FUNCTION engine.count_open(p_connection uuid) FROM PUBLIC;

--
-- Name: FUNCTION counters_json(a public.broker_accounts, p_delivery bigint); Type: ACL; Schema: engine; Owner: empire_engine
--

REVOKE ALL ON FUNCTION engine.counters_json(a public.broker_accounts, p_delivery bigint) FROM PUBLIC;

--
-- Name: FUNCTION day_began(p_timezone text, p_reset time without time zone, p_day date); Type: ACL; Schema: engine; Owner: empire_engine
--

REVOKE ALL ON FUNCTION engine.day_began(p_timezone text, p_reset time without time zone, p_day date) FROM PUBLIC;

--
-- Name: FUNCTION day_json(a public.broker_accounts, p_now timestamp with time zone); Type: ACL; Schema: engine; Owner: empire_engine
--

REVOKE ALL ON FUNCTION engine.day_json(a public.broker_accounts, p_now timestamp with time zone) FROM PUBLIC;

--
-- Name: FUNCTION dead_letter(p_delivery_id bigint, p_token bigint, p_error text, p_trace jsonb); Type: ACL; Schema: engine; Owner: empire_engine
--

REVOKE ALL ON FUNCTION engine.dead_letter(p_delivery_id bigint, p_token bigint, p_error text, p_trace jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION engine.dead_letter(p_delivery_id bigint, p_token bigint, p_error text, p_trace jsonb) TO empire_worker;

--
-- Name: TABLE call_windows; Type: ACL; Schema: engine; Owner: postgres
--

GRANT SELECT,INSERT,UPDATE ON TABLE engine.call_windows TO empire_engine;

--
-- Name: FUNCTION deal(INOUT w engine.call_windows, p_worker text, p_ask jsonb, p_now timestamp with time zone, OUT calls integer, OUT starts timestamp with time zone, OUT wait interval); Type: ACL; Schema: engine; Owner: empire_engine
--

REVOKE ALL ON FUNCTION engine.deal(INOUT w engine.call_windows, p_worker text, p_ask jsonb, p_now timestamp with time zone, OUT calls integer, OUT starts timestamp with time zone, OUT wait interval) FROM PUBLIC;

--
-- Name: FUNCTION decide(s engine.situation, p_legs jsonb, p_scopes jsonb, p_taken bigint[], OUT denial jsonb, OUT takes jsonb); Type: ACL; Schema: engine; Owner: empire_engine
--

REVOKE ALL ON FUNCTION engine.decide(s engine.situation, p_legs jsonb, p_scopes jsonb, p_taken bigint[], OUT denial jsonb, OUT takes jsonb) FROM PUBLIC;

--
-- Name: FUNCTION defaults_json(p_account uuid); Type: ACL; Schema: engine; Owner: empire_engine
--

REVOKE ALL ON FUNCTION engine.defaults_json(p_account uuid) FROM PUBLIC;

--
-- Name: FUNCTION defer(p_deliveries jsonb); Type: ACL; Schema: engine; Owner: empire_engine
--

REVOKE ALL ON FUNCTION engine.defer(p_deliveries jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION engine.defer(p_deliveries jsonb) TO empire_worker;

--
-- Name: FUNCTION delivery_ids(p jsonb); Type: ACL; Schema: engine; Owner: empire_engine
--

REVOKE ALL ON FUNCTION engine.delivery_ids(p jsonb) FROM PUBLIC;

--
-- Name: FUNCTION denial_of_cool_down(s engine.situation, p_rules jsonb); Type: ACL; Schema: engine; Owner: empire_engine
--

REVOKE ALL ON FUNCTION engine.denial_of_cool_down(s engine.situation, p_rules jsonb) FROM PUBLIC;

--
-- Name: FUNCTION denial_of_entry(s engine.situation, l jsonb); Type: ACL; Schema: engine; Owner: empire_engine
--

REVOKE ALL ON FUNCTION engine.denial_of_entry(s engine.situation, l jsonb) FROM PUBLIC;

--
-- Name: FUNCTION denial_of_exit(s engine.situation, l jsonb, p_planned numeric, p_order bigint); Type: ACL; Schema: engine; Owner: empire_engine
--

REVOKE ALL ON FUNCTION engine.denial_of_exit(s engine.situation, l jsonb, p_planned numeric, p_order bigint) FROM PUBLIC;

--
-- Name: FUNCTION denial_of_room(p_scopes jsonb, p_taken bigint[], p_closing integer); Type: ACL; Schema: engine; Owner: empire_engine
--

REVOKE ALL ON FUNCTION engine.denial_of_room(p_scopes jsonb, p_taken bigint[], p_closing integer) FROM PUBLIC;

--
-- Name: FUNCTION denial_of_room_left(p_room jsonb, p_since numeric); Type: ACL; Schema: engine; Owner: empire_engine
--

REVOKE ALL ON FUNCTION engine.denial_of_room_left(p_room jsonb, p_since numeric) FROM PUBLIC;

--
-- Name: TABLE commands; Type: ACL; Schema: engine; Owner: postgres
--

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE engine.commands TO empire_engine;

--
-- Name: FUNCTION denial_of_send(k engine.commands); Type: ACL; Schema: engine; Owner: empire_engine
--

REVOKE ALL ON FUNCTION engine.denial_of_send(k engine.commands) FROM PUBLIC;

--
-- Name: FUNCTION denial_of_state(s engine.situation); Type: ACL; Schema: engine; Owner: empire_engine
--

REVOKE ALL ON FUNCTION engine.denial_of_state(s engine.situation) FROM PUBLIC;

--
-- Name: FUNCTION denied(p_reason public.reason, p_value numeric, p_limit numeric); Type: ACL; Schema: engine; Owner: empire_engine
--

REVOKE ALL ON FUNCTION engine.denied(p_reason public.reason, p_value numeric, p_limit numeric) FROM PUBLIC;

--
-- Name: FUNCTION device_seen(p_user_id uuid); Type: ACL; Schema: engine; Owner: empire_engine
--

REVOKE ALL ON FUNCTION engine.device_seen(p_user_id uuid) FROM PUBLIC;

--
-- Name: FUNCTION drop_waiting(p_target uuid); Type: ACL; Schema: engine; Owner: empire_engine
--

REVOKE ALL ON FUNCTION engine.drop_waiting(p_target uuid) FROM PUBLIC;

--
-- Name: FUNCTION end_deliveries(p_ends jsonb, p_unknown bigint[]); Type: ACL; Schema: engine; Owner: empire_engine
--

REVOKE ALL ON FUNCTION engine.end_deliveries(p_ends jsonb, p_unknown bigint[]) FROM PUBLIC;

--
-- Name: FUNCTION end_entries(p_limit integer); Type: ACL; Schema: engine; Owner: empire_engine
--

REVOKE ALL ON FUNCTION engine.end_entries(p_limit integer) FROM PUBLIC;
GRANT ALL ON FUNCTION engine.end_entries(p_limit integer) TO empire_worker;
GRANT ALL ON FUNCTION engine.end_entries(p_limit integer) TO empire_maintenance;

--
-- Name: FUNCTION end_order(p_account uuid, o jsonb, p_read timestamp with time zone); Type: ACL; Schema: engine; Owner: empire_engine
--

REVOKE ALL ON FUNCTION engine.end_order(p_account uuid, o jsonb, p_read timestamp with time zone) FROM PUBLIC;

--
-- Name: FUNCTION end_unreachable(p_limit integer); Type: ACL; Schema: engine; Owner: empire_engine
--

REVOKE ALL ON FUNCTION engine.end_unreachable(p_limit integer) FROM PUBLIC;
GRANT ALL ON FUNCTION engine.end_unreachable(p_limit integer) TO empire_worker;
GRANT ALL ON FUNCTION engine.end_unreachable(p_limit integer) TO empire_maintenance;

--
-- Name: FUNCTION end_waiting(p_deliveries bigint[], p_by bigint); Type: ACL; Schema: engine; Owner: empire_engine
--

REVOKE ALL ON FUNCTION engine.end_waiting(p_deliveries bigint[], p_by bigint) FROM PUBLIC;

--
-- Name: FUNCTION enqueue(p engine.arrival[]); Type: ACL; Schema: engine; Owner: empire_engine
--

REVOKE ALL ON FUNCTION engine.enqueue(p engine.arrival[]) FROM PUBLIC;

--
-- Name: FUNCTION entering(p_plans jsonb); Type: ACL; Schema: engine; Owner: empire_engine
--

REVOKE ALL ON FUNCTION engine.entering(p_plans jsonb) FROM PUBLIC;

--
-- Name: FUNCTION entries_to_end(p_limit integer); Type: ACL; Schema: engine; Owner: empire_engine
--

REVOKE ALL ON FUNCTION engine.entries_to_end(p_limit integer) FROM PUBLIC;

--
-- Name: FUNCTION executor_of(c public.broker_connections, p_name text); Type: ACL; Schema: engine; Owner: empire_engine
--

REVOKE ALL ON FUNCTION engine.executor_of(c public.broker_connections, p_name text) FROM PUBLIC;

--
-- Name: FUNCTION exits_in_flight(p_account uuid, p_root text, p_side public.side, p_position text, p_not_order bigint); Type: ACL; Schema: engine; Owner: empire_engine
--

REVOKE ALL ON FUNCTION engine.exits_in_flight(p_account uuid, p_root text, p_side public.side, p_position text, p_not_order bigint) FROM PUBLIC;

--
-- Name: FUNCTION fade(a public.broker_accounts, p_freshness public.freshness); Type: ACL; Schema: engine; Owner: empire_engine
--

REVOKE ALL ON FUNCTION engine.fade(a public.broker_accounts, p_freshness public.freshness) FROM PUBLIC;

--
-- Name: FUNCTION find_start(a public.broker_accounts, k engine.account_marks, m engine.mark, p_began timestamp with time zone); Type: ACL; Schema: engine; Owner: empire_engine
--

REVOKE ALL ON FUNCTION engine.find_start(a public.broker_accounts, k engine.account_marks, m engine.mark, p_began timestamp with time zone) FROM PUBLIC;

--
-- Name: FUNCTION finish(p_ends jsonb); Type: ACL; Schema: engine; Owner: empire_engine
--

REVOKE ALL ON FUNCTION engine.finish(p_ends jsonb) FROM PUBLIC;

--
-- Name: FUNCTION finish_drill(p_run bigint, p_token bigint, p_error text); Type: ACL; Schema: engine; Owner: empire_engine
--

REVOKE ALL ON FUNCTION engine.finish_drill(p_run bigint, p_token bigint, p_error text) FROM PUBLIC;
GRANT ALL ON FUNCTION engine.finish_drill(p_run bigint, p_token bigint, p_error text) TO empire_worker;

--
-- Name: FUNCTION first_free(p_blocks engine.call_block[], p_allowed integer, p_window interval); Type: ACL; Schema: engine; Owner: empire_engine
--

REVOKE ALL ON FUNCTION engine.first_free(p_blocks engine.call_block[], p_allowed integer, p_window interval) FROM PUBLIC;

--
-- Name: FUNCTION flatten_again(p_account uuid, p_rule text, p_seen_at timestamp with time zone); Type: ACL; Schema: engine; Owner: empire_engine
--

REVOKE ALL ON FUNCTION engine.flatten_again(p_account uuid, p_rule text, p_seen_at timestamp with time zone) FROM PUBLIC;
GRANT ALL ON FUNCTION engine.flatten_again(p_account uuid, p_rule text, p_seen_at timestamp with time zone) TO empire_worker;

--
-- Name: FUNCTION flatten_drift(a public.broker_accounts); Type: ACL; Schema: engine; Owner: empire_engine
--

REVOKE ALL ON FUNCTION engine.flatten_drift(a public.broker_accounts) FROM PUBLIC;

--
-- Name: FUNCTION flow_in(k engine.account_marks, m engine.mark, p_new numeric); Type: ACL; Schema: engine; Owner: empire_engine
--

REVOKE ALL ON FUNCTION engine.flow_in(k engine.account_marks, m engine.mark, p_new numeric) FROM PUBLIC;

--
-- Name: FUNCTION forget_deliveries(p_before timestamp with time zone, p_limit integer); Type: ACL; Schema: engine; Owner: empire_engine
--

REVOKE ALL ON FUNCTION engine.forget_deliveries(p_before timestamp with time zone, p_limit integer) FROM PUBLIC;

--
-- Name: FUNCTION forget_events(p_before timestamp with time zone, p_limit integer); Type: ACL; Schema: engine; Owner: empire_engine
--

REVOKE ALL ON FUNCTION engine.forget_events(p_before timestamp with time zone, p_limit integer) FROM PUBLIC;

--
-- Name: FUNCTION give_back(p_delivery bigint, p_ms integer); Type: ACL; Schema: engine; Owner: empire_engine
--

REVOKE ALL ON FUNCTION engine.give_back(p_delivery bigint, p_ms integer) FROM PUBLIC;

--
-- Name: FUNCTION had_flows(a public.broker_accounts, p_day date); Type: ACL; Schema: engine; Owner: empire_engine
--

REVOKE ALL ON FUNCTION engine.had_flows(a public.broker_accounts, p_day date) FROM PUBLIC;

--
-- Name: FUNCTION halt(p_accounts uuid[], p_all boolean, p_symbol text, p_before bigint, p_by bigint); Type: ACL; Schema: engine; Owner: empire_engine
--

REVOKE ALL ON FUNCTION engine.halt(p_accounts uuid[], p_all boolean, p_symbol text, p_before bigint, p_by bigint) FROM PUBLIC;

--
-- Name: FUNCTION hand_out_calls(p_worker text, p_ask jsonb); Type: ACL; Schema: engine; Owner: empire_engine
--

REVOKE ALL ON FUNCTION engine.hand_out_calls(p_worker text, p_ask jsonb) FROM PUBLIC;

--
-- Name: FUNCTION has_work_for(p_connection uuid, p_worker text, p_tokens bigint[]); Type: ACL; Schema: engine; Owner: empire_engine
--

REVOKE ALL ON FUNCTION engine.has_work_for(p_connection uuid, p_worker text, p_tokens bigint[]) FROM PUBLIC;

--
-- Name: FUNCTION heartbeat(p_worker text, p_tokens bigint[], p_lease_ms integer); Type: ACL; Schema: engine; Owner: empire_engine
--

REVOKE ALL ON FUNCTION engine.heartbeat(p_worker text, p_tokens bigint[], p_lease_ms integer) FROM PUBLIC;
GRANT ALL ON FUNCTION engine.heartbeat(p_worker text, p_tokens bigint[], p_lease_ms integer) TO empire_worker;

--
-- Name: FUNCTION held(p jsonb, p_alive boolean); Type: ACL; Schema: engine; Owner: empire_engine
--

REVOKE ALL ON FUNCTION engine.held(p jsonb, p_alive boolean) FROM PUBLIC;

--
-- Name: FUNCTION held_by_tag(d public.deliveries); Type: ACL; Schema: engine; Owner: empire_engine
--

REVOKE ALL ON FUNCTION engine.held_by_tag(d public.deliveries) FROM PUBLIC;

--
-- Name: FUNCTION hide(p_text text); Type: ACL; Schema: engine; Owner: empire_engine
--

REVOKE ALL ON FUNCTION engine.hide(p_text text) FROM PUBLIC;

--
-- Name: FUNCTION holds_drill(p_run bigint, p_token bigint); Type: ACL; Schema: engine; Owner: empire_engine
--

REVOKE ALL ON FUNCTION engine.holds_drill(p_run bigint, p_token bigint) FROM PUBLIC;

--
-- Name: FUNCTION housekeeping(p_limit integer); Type: ACL; Schema: engine; Owner: empire_engine
--

REVOKE ALL ON FUNCTION engine.housekeeping(p_limit integer) FROM PUBLIC;
GRANT ALL ON FUNCTION engine.housekeeping(p_limit integer) TO empire_worker;
GRANT ALL ON FUNCTION engine.housekeeping(p_limit integer) TO empire_maintenance;

--
-- Name: FUNCTION hung_exits(p_limit integer); Type: ACL; Schema: engine; Owner: empire_engine
--

REVOKE ALL ON FUNCTION engine.hung_exits(p_limit integer) FROM PUBLIC;

--
-- Name: TABLE account_identities; Type: ACL; Schema: engine; Owner: postgres
--

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE engine.account_identities TO empire_engine;

--
-- Name: FUNCTION identity_of(p_account uuid); Type: ACL; Schema: engine; Owner: empire_engine
--

REVOKE ALL ON FUNCTION engine.identity_of(p_account uuid) FROM PUBLIC;

--
-- Name: FUNCTION in_every_list(p_lists jsonb); Type: ACL; Schema: engine; Owner: empire_engine
--

REVOKE ALL ON FUNCTION engine.in_every_list(p_lists jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION engine.in_every_list(p_lists jsonb) TO postgres;

--
-- Name: FUNCTION in_flight_json(a public.broker_accounts, p_delivery bigint); Type: ACL; Schema: engine; Owner: empire_engine
--

REVOKE ALL ON FUNCTION engine.in_flight_json(a public.broker_accounts, p_delivery bigint) FROM PUBLIC;

--
-- Name: FUNCTION in_words(p_numbers jsonb); Type: ACL; Schema: engine; Owner: empire_engine
--

REVOKE ALL ON FUNCTION engine.in_words(p_numbers jsonb) FROM PUBLIC;

--
-- Name: FUNCTION ingest(p_alerts jsonb, p_patient boolean); Type: ACL; Schema: engine; Owner: empire_engine
--

REVOKE ALL ON FUNCTION engine.ingest(p_alerts jsonb, p_patient boolean) FROM PUBLIC;
GRANT ALL ON FUNCTION engine.ingest(p_alerts jsonb, p_patient boolean) TO empire_edge;

--
-- Name: FUNCTION inherit_days(p_account uuid, p_user uuid, p_before uuid[]); Type: ACL; Schema: engine; Owner: empire_engine
--

REVOKE ALL ON FUNCTION engine.inherit_days(p_account uuid, p_user uuid, p_before uuid[]) FROM PUBLIC;

--
-- Name: FUNCTION invalid_intent(p_message text); Type: ACL; Schema: engine; Owner: empire_engine
--

REVOKE ALL ON FUNCTION engine.invalid_intent(p_message text) FROM PUBLIC;

--
-- Name: FUNCTION invariant_rows(); Type: ACL; Schema: engine; Owner: empire_engine
--

REVOKE ALL ON FUNCTION engine.invariant_rows() FROM PUBLIC;
GRANT ALL ON FUNCTION engine.invariant_rows() TO empire_worker;
GRANT ALL ON FUNCTION engine.invariant_rows() TO empire_maintenance;

--
-- Name: FUNCTION is_claimed(k engine.commands, p_command jsonb); Type: ACL; Schema: engine; Owner: empire_engine
--

REVOKE ALL ON FUNCTION engine.is_claimed(k engine.commands, p_command jsonb) FROM PUBLIC;

--
-- Name: FUNCTION is_entry(l jsonb); Type: ACL; Schema: engine; Owner: empire_engine
--

REVOKE ALL ON FUNCTION engine.is_entry(l jsonb) FROM PUBLIC;

--
-- Name: FUNCTION is_exit(p_action public.action); Type: ACL; Schema: engine; Owner: empire_engine
--

REVOKE ALL ON FUNCTION engine.is_exit(p_action public.action) FROM PUBLIC;

--
-- Name: FUNCTION is_explained(p_account uuid, p_root text); Type: ACL; Schema: engine; Owner: empire_engine
--

REVOKE ALL ON FUNCTION engine.is_explained(p_account uuid, p_root text) FROM PUBLIC;

--
-- Name: FUNCTION is_limited(l jsonb); Type: ACL; Schema: engine; Owner: empire_engine
--

REVOKE ALL ON FUNCTION engine.is_limited(l jsonb) FROM PUBLIC;

--
-- Name: FUNCTION is_newer(p_account uuid, p_symbol text, p_read timestamp with time zone); Type: ACL; Schema: engine; Owner: empire_engine
--

REVOKE ALL ON FUNCTION engine.is_newer(p_account uuid, p_symbol text, p_read timestamp with time zone) FROM PUBLIC;

--
-- Name: FUNCTION is_overtaken(k engine.commands); Type: ACL; Schema: engine; Owner: empire_engine
--

REVOKE ALL ON FUNCTION engine.is_overtaken(k engine.commands) FROM PUBLIC;

--
-- Name: FUNCTION is_quiet(p_account uuid, p_at timestamp with time zone); Type: ACL; Schema: engine; Owner: empire_engine
--

REVOKE ALL ON FUNCTION engine.is_quiet(p_account uuid, p_at timestamp with time zone) FROM PUBLIC;

--
-- Name: FUNCTION is_unanchored(p_delivery bigint); Type: ACL; Schema: engine; Owner: empire_engine
--

REVOKE ALL ON FUNCTION engine.is_unanchored(p_delivery bigint) FROM PUBLIC;

--
-- Name: FUNCTION is_urgent(p_class public.notification_class); Type: ACL; Schema: engine; Owner: empire_engine
--

REVOKE ALL ON FUNCTION engine.is_urgent(p_class public.notification_class) FROM PUBLIC;

--
-- Name: FUNCTION judge(k engine.commands, p jsonb); Type: ACL; Schema: engine; Owner: empire_engine
--

REVOKE ALL ON FUNCTION engine.judge(k engine.commands, p jsonb) FROM PUBLIC;

--
-- Name: FUNCTION judge_alert(e public.webhook_endpoints, p jsonb, r engine.alert, OUT answer jsonb, OUT accounts uuid[]); Type: ACL; Schema: engine; Owner: empire_engine
--

REVOKE ALL ON FUNCTION engine.judge_alert(e public.webhook_endpoints, p jsonb, r engine.alert, OUT answer jsonb, OUT accounts uuid[]) FROM PUBLIC;

--
-- Name: FUNCTION keep_lock(); Type: ACL; Schema: engine; Owner: empire_engine
--

REVOKE ALL ON FUNCTION engine.keep_lock() FROM PUBLIC;

--
-- Name: TABLE dedupe; Type: ACL; Schema: engine; Owner: postgres
--

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE engine.dedupe TO empire_engine;

--
-- Name: FUNCTION key_of(c engine.candidate); Type: ACL; Schema: engine; Owner: empire_engine
--

REVOKE ALL ON FUNCTION engine.key_of(c engine.candidate) FROM PUBLIC;

--
-- Name: FUNCTION know_account(); Type: ACL; Schema: engine; Owner: empire_engine
--

REVOKE ALL ON FUNCTION engine.know_account() FROM PUBLIC;

--
-- Name: FUNCTION lane_of(p_source public.event_source, p_action public.action, p_dry_run boolean); Type: ACL; Schema: engine; Owner: empire_engine
--

REVOKE ALL ON FUNCTION engine.lane_of(p_source public.event_source, p_action public.action, p_dry_run boolean) FROM PUBLIC;

--
-- Name: FUNCTION legs_of(p_plans jsonb[], p_begin boolean); Type: ACL; Schema: engine; Owner: empire_engine
--

REVOKE ALL ON FUNCTION engine.legs_of(p_plans jsonb[], p_begin boolean) FROM PUBLIC;

--
-- Name: FUNCTION lift_locks(p_account uuid, p_reason text); Type: ACL; Schema: engine; Owner: empire_engine
--

REVOKE ALL ON FUNCTION engine.lift_locks(p_account uuid, p_reason text) FROM PUBLIC;
GRANT ALL ON FUNCTION engine.lift_locks(p_account uuid, p_reason text) TO postgres;

--
-- Name: FUNCTION limits_json(p_account uuid); Type: ACL; Schema: engine; Owner: empire_engine
--

REVOKE ALL ON FUNCTION engine.limits_json(p_account uuid) FROM PUBLIC;

--
-- Name: TABLE risk_settings; Type: ACL; Schema: public; Owner: postgres
--

GRANT SELECT ON TABLE public.risk_settings TO empire_engine;
GRANT SELECT ON TABLE public.risk_settings TO authenticated;

--
-- Name: TABLE limits_in_force; Type: ACL; Schema: engine; Owner: postgres
--

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE engine.limits_in_force TO empire_engine;

--
-- Name: TABLE account_limits; Type: ACL; Schema: engine; Owner: postgres
--

GRANT SELECT ON TABLE engine.account_limits TO empire_engine;

--
-- Name: FUNCTION limits_of(p_account uuid); Type: ACL; Schema: engine; Owner: empire_engine
--

REVOKE ALL ON FUNCTION engine.limits_of(p_account uuid) FROM PUBLIC;

--
-- Name: FUNCTION load_session(p_connection uuid); Type: ACL; Schema: engine; Owner: empire_engine
--

REVOKE ALL ON FUNCTION engine.load_session(p_connection uuid) FROM PUBLIC;
GRANT ALL ON FUNCTION engine.load_session(p_connection uuid) TO empire_worker;

--
-- Name: FUNCTION lock_accounts(p_deliveries bigint[]); Type: ACL; Schema: engine; Owner: empire_engine
--

REVOKE ALL ON FUNCTION engine.lock_accounts(p_deliveries bigint[]) FROM PUBLIC;

--
-- Name: FUNCTION lock_rows(p_accounts uuid[], p_rule text, p_until timestamp with time zone); Type: ACL; Schema: engine; Owner: empire_engine
--

REVOKE ALL ON FUNCTION engine.lock_rows(p_accounts uuid[], p_rule text, p_until timestamp with time zone) FROM PUBLIC;

--
-- Name: FUNCTION lock_users(p_accounts uuid[]); Type: ACL; Schema: engine; Owner: empire_engine
--

REVOKE ALL ON FUNCTION engine.lock_users(p_accounts uuid[]) FROM PUBLIC;

--
-- Name: TABLE breaches; Type: ACL; Schema: engine; Owner: postgres
--

GRANT SELECT,INSERT,UPDATE ON TABLE engine.breaches TO empire_engine;

--
-- Name: FUNCTION locks_of(p_account uuid); Type: ACL; Schema: engine; Owner: empire_engine
--

REVOKE ALL ON FUNCTION engine.locks_of(p_account uuid) FROM PUBLIC;
GRANT ALL ON FUNCTION engine.locks_of(p_account uuid) TO postgres;

--
-- Name: FUNCTION losses_json(p_account uuid); Type: ACL; Schema: engine; Owner: empire_engine
--

REVOKE ALL ON FUNCTION engine.losses_json(p_account uuid) FROM PUBLIC;

--
-- Name: TABLE positions; Type: ACL; Schema: public; Owner: postgres
--

GRANT SELECT,INSERT,UPDATE ON TABLE public.positions TO empire_engine;
GRANT SELECT ON TABLE public.positions TO authenticated;

--
-- Name: FUNCTION lots_of(p public.positions, p_tag text); Type: ACL; Schema: engine; Owner: empire_engine
--

REVOKE ALL ON FUNCTION engine.lots_of(p public.positions, p_tag text) FROM PUBLIC;

--
-- Name: FUNCTION make_positions(p_fills bigint[]); Type: ACL; Schema: engine; Owner: empire_engine
--

REVOKE ALL ON FUNCTION engine.make_positions(p_fills bigint[]) FROM PUBLIC;

--
-- Name: FUNCTION make_room(a engine.arrival); Type: ACL; Schema: engine; Owner: empire_engine
--

REVOKE ALL ON FUNCTION engine.make_room(a engine.arrival) FROM PUBLIC;

--
-- Name: FUNCTION make_unknown(p_deliveries bigint[]); Type: ACL; Schema: engine; Owner: empire_engine
--

REVOKE ALL ON FUNCTION engine.make_unknown(p_deliveries bigint[]) FROM PUBLIC;

--
-- Name: FUNCTION makes_room(a engine.arrival); Type: ACL; Schema: engine; Owner: empire_engine
--

REVOKE ALL ON FUNCTION engine.makes_room(a engine.arrival) FROM PUBLIC;

--
-- Name: FUNCTION mark_books(p_prices jsonb); Type: ACL; Schema: engine; Owner: empire_engine
--

REVOKE ALL ON FUNCTION engine.mark_books(p_prices jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION engine.mark_books(p_prices jsonb) TO empire_worker;

--
-- Name: FUNCTION mark_of(x jsonb); Type: ACL; Schema: engine; Owner: empire_engine
--

REVOKE ALL ON FUNCTION engine.mark_of(x jsonb) FROM PUBLIC;

--
-- Name: FUNCTION mark_positions(p_marks jsonb); Type: ACL; Schema: engine; Owner: empire_engine
--

REVOKE ALL ON FUNCTION engine.mark_positions(p_marks jsonb) FROM PUBLIC;

--
-- Name: FUNCTION mark_submitting(p_commands bigint[], p_request_timeout_ms integer); Type: ACL; Schema: engine; Owner: empire_engine
--

REVOKE ALL ON FUNCTION engine.mark_submitting(p_commands bigint[], p_request_timeout_ms integer) FROM PUBLIC;

--
-- Name: FUNCTION may_resend(k engine.commands, d public.deliveries, a public.broker_accounts); Type: ACL; Schema: engine; Owner: empire_engine
--

REVOKE ALL ON FUNCTION engine.may_resend(k engine.commands, d public.deliveries, a public.broker_accounts) FROM PUBLIC;

--
-- Name: FUNCTION move_positions(p_fills bigint[]); Type: ACL; Schema: engine; Owner: empire_engine
--

REVOKE ALL ON FUNCTION engine.move_positions(p_fills bigint[]) FROM PUBLIC;

--
-- Name: FUNCTION naked_positions(p_limit integer); Type: ACL; Schema: engine; Owner: empire_engine
--

REVOKE ALL ON FUNCTION engine.naked_positions(p_limit integer) FROM PUBLIC;

--
-- Name: FUNCTION name_of(p_broker public.broker); Type: ACL; Schema: engine; Owner: empire_engine
--

REVOKE ALL ON FUNCTION engine.name_of(p_broker public.broker) FROM PUBLIC;

--
-- Name: FUNCTION net_between(p_account uuid, p_after timestamp with time zone, p_until timestamp with time zone); Type: ACL; Schema: engine; Owner: empire_engine
--

REVOKE ALL ON FUNCTION engine.net_between(p_account uuid, p_after timestamp with time zone, p_until timestamp with time zone) FROM PUBLIC;

--
-- Name: TABLE fills; Type: ACL; Schema: public; Owner: postgres
--

GRANT SELECT,INSERT ON TABLE public.fills TO empire_engine;
GRANT SELECT ON TABLE public.fills TO authenticated;

--
-- Name: FUNCTION net_of(f public.fills); Type: ACL; Schema: engine; Owner: empire_engine
--

REVOKE ALL ON FUNCTION engine.net_of(f public.fills) FROM PUBLIC;

--
-- Name: FUNCTION net_of(p_account uuid, p_position text); Type: ACL; Schema: engine; Owner: empire_engine
--

REVOKE ALL ON FUNCTION engine.net_of(p_account uuid, p_position text) FROM PUBLIC;

--
-- Name: FUNCTION new_token(); Type: ACL; Schema: engine; Owner: empire_engine
--

REVOKE ALL ON FUNCTION engine.new_token() FROM PUBLIC;

--
-- Name: FUNCTION news_of(p_results jsonb); Type: ACL; Schema: engine; Owner: empire_engine
--

REVOKE ALL ON FUNCTION engine.news_of(p_results jsonb) FROM PUBLIC;

--
-- Name: TABLE orders; Type: ACL; Schema: public; Owner: postgres
--

GRANT SELECT,INSERT,UPDATE ON TABLE public.orders TO empire_engine;
GRANT SELECT ON TABLE public.orders TO authenticated;

--
-- Name: FUNCTION next_position(p public.positions, f public.fills, o public.orders, a public.broker_accounts); Type: ACL; Schema: engine; Owner: empire_engine
--

REVOKE ALL ON FUNCTION engine.next_position(p public.positions, f public.fills, o public.orders, a public.broker_accounts) FROM PUBLIC;

--
-- Name: FUNCTION next_read(a public.broker_accounts, p_failures integer, p_flat boolean); Type: ACL; Schema: engine; Owner: empire_engine
--

REVOKE ALL ON FUNCTION engine.next_read(a public.broker_accounts, p_failures integer, p_flat boolean) FROM PUBLIC;

--
-- Name: FUNCTION note(p_user uuid, p_level public.log_level, p_type text, p_message text, p_details jsonb, p_event bigint); Type: ACL; Schema: engine; Owner: empire_engine
--

REVOKE ALL ON FUNCTION engine.note(p_user uuid, p_level public.log_level, p_type text, p_message text, p_details jsonb, p_event bigint) FROM PUBLIC;

--
-- Name: FUNCTION note_correction(a public.broker_accounts, x jsonb); Type: ACL; Schema: engine; Owner: empire_engine
--

REVOKE ALL ON FUNCTION engine.note_correction(a public.broker_accounts, x jsonb) FROM PUBLIC;

--
-- Name: FUNCTION note_money(p_accounts uuid[]); Type: ACL; Schema: engine; Owner: empire_engine
--

REVOKE ALL ON FUNCTION engine.note_money(p_accounts uuid[]) FROM PUBLIC;

--
-- Name: FUNCTION notification_batch(p_target uuid, p_limit integer); Type: ACL; Schema: engine; Owner: empire_engine
--

REVOKE ALL ON FUNCTION engine.notification_batch(p_target uuid, p_limit integer) FROM PUBLIC;

--
-- Name: FUNCTION offline_accounts(); Type: ACL; Schema: engine; Owner: empire_engine
--

REVOKE ALL ON FUNCTION engine.offline_accounts() FROM PUBLIC;

--
-- Name: FUNCTION open_again(p_delivery bigint, p_begin boolean, p_request_timeout_ms integer); Type: ACL; Schema: engine; Owner: empire_engine
--

REVOKE ALL ON FUNCTION engine.open_again(p_delivery bigint, p_begin boolean, p_request_timeout_ms integer) FROM PUBLIC;

--
-- Name: FUNCTION open_credential(p_connection uuid, p_worker text, p_tokens bigint[]); Type: ACL; Schema: engine; Owner: empire_engine
--

REVOKE ALL ON FUNCTION engine.open_credential(p_connection uuid, p_worker text, p_tokens bigint[]) FROM PUBLIC;
GRANT ALL ON FUNCTION engine.open_credential(p_connection uuid, p_worker text, p_tokens bigint[]) TO empire_worker;

--
-- Name: FUNCTION open_day(a public.broker_accounts, k engine.account_marks, m engine.mark, p_day date, s engine.day_start); Type: ACL; Schema: engine; Owner: empire_engine
--

REVOKE ALL ON FUNCTION engine.open_day(a public.broker_accounts, k engine.account_marks, m engine.mark, p_day date, s engine.day_start) FROM PUBLIC;

--
-- Name: FUNCTION open_held(p_plans jsonb, p_held bigint[], p_entering uuid[], p_begin boolean, p_request_timeout_ms integer); Type: ACL; Schema: engine; Owner: empire_engine
--

REVOKE ALL ON FUNCTION engine.open_held(p_plans jsonb, p_held bigint[], p_entering uuid[], p_begin boolean, p_request_timeout_ms integer) FROM PUBLIC;

--
-- Name: FUNCTION open_orders(p_plans jsonb, p_begin boolean, p_request_timeout_ms integer); Type: ACL; Schema: engine; Owner: empire_engine
--

REVOKE ALL ON FUNCTION engine.open_orders(p_plans jsonb, p_begin boolean, p_request_timeout_ms integer) FROM PUBLIC;
GRANT ALL ON FUNCTION engine.open_orders(p_plans jsonb, p_begin boolean, p_request_timeout_ms integer) TO empire_worker;

--
-- Name: FUNCTION open_trades(p_user uuid, p_scope text); Type: ACL; Schema: engine; Owner: empire_engine
--

REVOKE ALL ON FUNCTION engine.open_trades(p_user uuid, p_scope text) FROM PUBLIC;

--
-- Name: FUNCTION open_twin(p_run bigint, p_token bigint, p_twin jsonb); Type: ACL; Schema: engine; Owner: empire_engine
--

REVOKE ALL ON FUNCTION engine.open_twin(p_run bigint, p_token bigint, p_twin jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION engine.open_twin(p_run bigint, p_token bigint, p_twin jsonb) TO empire_worker;

--
-- Name: FUNCTION order_json(a public.broker_accounts, p_delivery bigint, p_rules text[]); Type: ACL; Schema: engine; Owner: empire_engine
--

REVOKE ALL ON FUNCTION engine.order_json(a public.broker_accounts, p_delivery bigint, p_rules text[]) FROM PUBLIC;

--
-- Name: FUNCTION order_of(p_account uuid, p_venue text, p_client text); Type: ACL; Schema: engine; Owner: empire_engine
--

REVOKE ALL ON FUNCTION engine.order_of(p_account uuid, p_venue text, p_client text) FROM PUBLIC;

--
-- Name: FUNCTION orders_told(p_delivery bigint); Type: ACL; Schema: engine; Owner: empire_engine
--

REVOKE ALL ON FUNCTION engine.orders_told(p_delivery bigint) FROM PUBLIC;

--
-- Name: FUNCTION others_json(a public.broker_accounts); Type: ACL; Schema: engine; Owner: empire_engine
--

REVOKE ALL ON FUNCTION engine.others_json(a public.broker_accounts) FROM PUBLIC;

--
-- Name: FUNCTION outbox_delivered(p_token bigint, p_ids bigint[]); Type: ACL; Schema: engine; Owner: empire_engine
--

REVOKE ALL ON FUNCTION engine.outbox_delivered(p_token bigint, p_ids bigint[]) FROM PUBLIC;
GRANT ALL ON FUNCTION engine.outbox_delivered(p_token bigint, p_ids bigint[]) TO empire_relay;

--
-- Name: FUNCTION outbox_rows(p_ids bigint[], p_token bigint); Type: ACL; Schema: engine; Owner: empire_engine
--

REVOKE ALL ON FUNCTION engine.outbox_rows(p_ids bigint[], p_token bigint) FROM PUBLIC;

--
-- Name: FUNCTION paper_answer(p_account uuid, p_client_order_id text); Type: ACL; Schema: engine; Owner: empire_engine
--

REVOKE ALL ON FUNCTION engine.paper_answer(p_account uuid, p_client_order_id text) FROM PUBLIC;
GRANT ALL ON FUNCTION engine.paper_answer(p_account uuid, p_client_order_id text) TO empire_worker;

--
-- Name: FUNCTION paper_fills_since(p_account uuid, p_since timestamp with time zone); Type: ACL; Schema: engine; Owner: empire_engine
--

REVOKE ALL ON FUNCTION engine.paper_fills_since(p_account uuid, p_since timestamp with time zone) FROM PUBLIC;
GRANT ALL ON FUNCTION engine.paper_fills_since(p_account uuid, p_since timestamp with time zone) TO empire_worker;

--
-- Name: FUNCTION paper_load(p_account uuid); Type: ACL; Schema: engine; Owner: empire_engine
--

REVOKE ALL ON FUNCTION engine.paper_load(p_account uuid) FROM PUBLIC;
GRANT ALL ON FUNCTION engine.paper_load(p_account uuid) TO empire_worker;

--
-- Name: FUNCTION paper_save(p_account uuid, p_version bigint, p_balance numeric, p_book jsonb, p_orders jsonb, p_fills jsonb); Type: ACL; Schema: engine; Owner: empire_engine
--

REVOKE ALL ON FUNCTION engine.paper_save(p_account uuid, p_version bigint, p_balance numeric, p_book jsonb, p_orders jsonb, p_fills jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION engine.paper_save(p_account uuid, p_version bigint, p_balance numeric, p_book jsonb, p_orders jsonb, p_fills jsonb) TO empire_worker;

--
-- Name: FUNCTION prices_told(p_after bigint); Type: ACL; Schema: engine; Owner: empire_engine
--

REVOKE ALL ON FUNCTION engine.prices_told(p_after bigint) FROM PUBLIC;
GRANT ALL ON FUNCTION engine.prices_told(p_after bigint) TO empire_worker;

--
-- Name: FUNCTION profits_json(p_account uuid); Type: ACL; Schema: engine; Owner: empire_engine
--

REVOKE ALL ON FUNCTION engine.profits_json(p_account uuid) FROM PUBLIC;

--
-- Name: FUNCTION promote(p_accounts uuid[]); Type: ACL; Schema: engine; Owner: empire_engine
--

REVOKE ALL ON FUNCTION engine.promote(p_accounts uuid[]) FROM PUBLIC;

--
-- Name: FUNCTION promote_exits(p_deliveries bigint[]); Type: ACL; Schema: engine; Owner: empire_engine
--

REVOKE ALL ON FUNCTION engine.promote_exits(p_deliveries bigint[]) FROM PUBLIC;

--
-- Name: FUNCTION protect_positions(p_results jsonb); Type: ACL; Schema: engine; Owner: empire_engine
--

REVOKE ALL ON FUNCTION engine.protect_positions(p_results jsonb) FROM PUBLIC;

--
-- Name: FUNCTION put_accounts(c public.broker_connections, p_accounts jsonb); Type: ACL; Schema: engine; Owner: empire_engine
--

REVOKE ALL ON FUNCTION engine.put_accounts(c public.broker_connections, p_accounts jsonb) FROM PUBLIC;

--
-- Name: FUNCTION put_at_stake(s engine.situation, p_takes jsonb); Type: ACL; Schema: engine; Owner: empire_engine
--

REVOKE ALL ON FUNCTION engine.put_at_stake(s engine.situation, p_takes jsonb) FROM PUBLIC;

--
-- Name: FUNCTION put_day(a public.broker_accounts, p_day date, s engine.day_start, p_equity numeric); Type: ACL; Schema: engine; Owner: empire_engine
--

REVOKE ALL ON FUNCTION engine.put_day(a public.broker_accounts, p_day date, s engine.day_start, p_equity numeric) FROM PUBLIC;

--
-- Name: FUNCTION put_mark(a public.broker_accounts, k engine.account_marks, m engine.mark); Type: ACL; Schema: engine; Owner: empire_engine
--

REVOKE ALL ON FUNCTION engine.put_mark(a public.broker_accounts, k engine.account_marks, m engine.mark) FROM PUBLIC;

--
-- Name: FUNCTION raise_alarms(p_limit integer); Type: ACL; Schema: engine; Owner: empire_engine
--

REVOKE ALL ON FUNCTION engine.raise_alarms(p_limit integer) FROM PUBLIC;
GRANT ALL ON FUNCTION engine.raise_alarms(p_limit integer) TO empire_worker;
GRANT ALL ON FUNCTION engine.raise_alarms(p_limit integer) TO empire_maintenance;

--
-- Name: FUNCTION read_alert(p jsonb); Type: ACL; Schema: engine; Owner: empire_engine
--

REVOKE ALL ON FUNCTION engine.read_alert(p jsonb) FROM PUBLIC;

--
-- Name: FUNCTION reads_left(p_connection uuid, p_pause numeric); Type: ACL; Schema: engine; Owner: empire_engine
--

REVOKE ALL ON FUNCTION engine.reads_left(p_connection uuid, p_pause numeric) FROM PUBLIC;

--
-- Name: FUNCTION recheck_connection(p_connection uuid); Type: ACL; Schema: engine; Owner: empire_engine
--

REVOKE ALL ON FUNCTION engine.recheck_connection(p_connection uuid) FROM PUBLIC;
GRANT ALL ON FUNCTION engine.recheck_connection(p_connection uuid) TO empire_worker;

--
-- Name: FUNCTION reconcile(p_results jsonb); Type: ACL; Schema: engine; Owner: empire_engine
--

REVOKE ALL ON FUNCTION engine.reconcile(p_results jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION engine.reconcile(p_results jsonb) TO empire_worker;

--
-- Name: FUNCTION reconcile_one(a public.broker_accounts, r jsonb); Type: ACL; Schema: engine; Owner: empire_engine
--

REVOKE ALL ON FUNCTION engine.reconcile_one(a public.broker_accounts, r jsonb) FROM PUBLIC;

--
-- Name: FUNCTION record_connection(p_connection uuid, p_token bigint, p_result jsonb); Type: ACL; Schema: engine; Owner: empire_engine
--

REVOKE ALL ON FUNCTION engine.record_connection(p_connection uuid, p_token bigint, p_result jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION engine.record_connection(p_connection uuid, p_token bigint, p_result jsonb) TO empire_worker;

--
-- Name: FUNCTION record_drill(p_run bigint, p_token bigint, p_result jsonb); Type: ACL; Schema: engine; Owner: empire_engine
--

REVOKE ALL ON FUNCTION engine.record_drill(p_run bigint, p_token bigint, p_result jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION engine.record_drill(p_run bigint, p_token bigint, p_result jsonb) TO empire_worker;

--
-- Name: FUNCTION record_executions(p_results jsonb); Type: ACL; Schema: engine; Owner: empire_engine
--

REVOKE ALL ON FUNCTION engine.record_executions(p_results jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION engine.record_executions(p_results jsonb) TO empire_worker;

--
-- Name: FUNCTION record_health(p_latencies jsonb); Type: ACL; Schema: engine; Owner: empire_engine
--

REVOKE ALL ON FUNCTION engine.record_health(p_latencies jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION engine.record_health(p_latencies jsonb) TO empire_worker;

--
-- Name: FUNCTION record_held(p_results jsonb); Type: ACL; Schema: engine; Owner: empire_engine
--

REVOKE ALL ON FUNCTION engine.record_held(p_results jsonb) FROM PUBLIC;

--
-- Name: FUNCTION record_marks(p_marks jsonb); Type: ACL; Schema: engine; Owner: empire_engine
--

REVOKE ALL ON FUNCTION engine.record_marks(p_marks jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION engine.record_marks(p_marks jsonb) TO empire_worker;

--
-- Name: FUNCTION record_notifications(p_target uuid, p_token bigint, p_results jsonb, p_release boolean, p_most integer); Type: ACL; Schema: engine; Owner: empire_engine
--

REVOKE ALL ON FUNCTION engine.record_notifications(p_target uuid, p_token bigint, p_results jsonb, p_release boolean, p_most integer) FROM PUBLIC;
GRANT ALL ON FUNCTION engine.record_notifications(p_target uuid, p_token bigint, p_results jsonb, p_release boolean, p_most integer) TO empire_relay;

--
-- Name: FUNCTION record_sending(n public.notification_targets, p jsonb, p_most integer); Type: ACL; Schema: engine; Owner: empire_engine
--

REVOKE ALL ON FUNCTION engine.record_sending(n public.notification_targets, p jsonb, p_most integer) FROM PUBLIC;

--
-- Name: FUNCTION record_standings(p_accounts jsonb); Type: ACL; Schema: engine; Owner: empire_engine
--

REVOKE ALL ON FUNCTION engine.record_standings(p_accounts jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION engine.record_standings(p_accounts jsonb) TO empire_worker;

--
-- Name: FUNCTION refusal_of_age(e public.webhook_endpoints, p jsonb, r engine.alert); Type: ACL; Schema: engine; Owner: empire_engine
--

REVOKE ALL ON FUNCTION engine.refusal_of_age(e public.webhook_endpoints, p jsonb, r engine.alert) FROM PUBLIC;

--
-- Name: FUNCTION refusal_of_body(e public.webhook_endpoints, p jsonb, r engine.alert); Type: ACL; Schema: engine; Owner: empire_engine
--

REVOKE ALL ON FUNCTION engine.refusal_of_body(e public.webhook_endpoints, p jsonb, r engine.alert) FROM PUBLIC;

--
-- Name: FUNCTION refusal_of_door(e public.webhook_endpoints, r engine.alert); Type: ACL; Schema: engine; Owner: empire_engine
--

REVOKE ALL ON FUNCTION engine.refusal_of_door(e public.webhook_endpoints, r engine.alert) FROM PUBLIC;

--
-- Name: FUNCTION refusal_to_lift(a public.broker_accounts); Type: ACL; Schema: engine; Owner: empire_engine
--

REVOKE ALL ON FUNCTION engine.refusal_to_lift(a public.broker_accounts) FROM PUBLIC;
GRANT ALL ON FUNCTION engine.refusal_to_lift(a public.broker_accounts) TO postgres;

--
-- Name: FUNCTION refuse(p_endpoint public.webhook_endpoints, p jsonb, p_http integer, p_reason public.reason, p_message text, p_details jsonb); Type: ACL; Schema: engine; Owner: empire_engine
--

REVOKE ALL ON FUNCTION engine.refuse(p_endpoint public.webhook_endpoints, p jsonb, p_http integer, p_reason public.reason, p_message text, p_details jsonb) FROM PUBLIC;

--
-- Name: FUNCTION relay_stats(); Type: ACL; Schema: engine; Owner: empire_engine
--

REVOKE ALL ON FUNCTION engine.relay_stats() FROM PUBLIC;
GRANT ALL ON FUNCTION engine.relay_stats() TO empire_relay;

--
-- Name: FUNCTION release(p_deliveries jsonb); Type: ACL; Schema: engine; Owner: empire_engine
--

REVOKE ALL ON FUNCTION engine.release(p_deliveries jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION engine.release(p_deliveries jsonb) TO empire_worker;

--
-- Name: FUNCTION release_trades(p_deliveries bigint[]); Type: ACL; Schema: engine; Owner: empire_engine
--

REVOKE ALL ON FUNCTION engine.release_trades(p_deliveries bigint[]) FROM PUBLIC;

--
-- Name: FUNCTION rename_order(p_account uuid, o jsonb, p_read timestamp with time zone); Type: ACL; Schema: engine; Owner: empire_engine
--

REVOKE ALL ON FUNCTION engine.rename_order(p_account uuid, o jsonb, p_read timestamp with time zone) FROM PUBLIC;

--
-- Name: FUNCTION replay(p_user uuid, p_event bigint); Type: ACL; Schema: engine; Owner: empire_engine
--

REVOKE ALL ON FUNCTION engine.replay(p_user uuid, p_event bigint) FROM PUBLIC;
GRANT ALL ON FUNCTION engine.replay(p_user uuid, p_event bigint) TO postgres;

--
-- Name: FUNCTION rescue(p_limit integer); Type: ACL; Schema: engine; Owner: empire_engine
--

REVOKE ALL ON FUNCTION engine.rescue(p_limit integer) FROM PUBLIC;
GRANT ALL ON FUNCTION engine.rescue(p_limit integer) TO empire_worker;
GRANT ALL ON FUNCTION engine.rescue(p_limit integer) TO empire_maintenance;

--
-- Name: FUNCTION rescue_one(p_delivery bigint, p_lost integer); Type: ACL; Schema: engine; Owner: empire_engine
--

REVOKE ALL ON FUNCTION engine.rescue_one(p_delivery bigint, p_lost integer) FROM PUBLIC;

--
-- Name: FUNCTION reserve_calls(p_worker text, p_asks jsonb); Type: ACL; Schema: engine; Owner: empire_engine
--

REVOKE ALL ON FUNCTION engine.reserve_calls(p_worker text, p_asks jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION engine.reserve_calls(p_worker text, p_asks jsonb) TO empire_worker;

--
-- Name: FUNCTION rest_twins(p_run bigint); Type: ACL; Schema: engine; Owner: empire_engine
--

REVOKE ALL ON FUNCTION engine.rest_twins(p_run bigint) FROM PUBLIC;

--
-- Name: FUNCTION risk_json(a public.broker_accounts, p_delivery bigint); Type: ACL; Schema: engine; Owner: empire_engine
--

REVOKE ALL ON FUNCTION engine.risk_json(a public.broker_accounts, p_delivery bigint) FROM PUBLIC;

--
-- Name: FUNCTION room_of(p_accounts uuid[]); Type: ACL; Schema: engine; Owner: empire_engine
--

REVOKE ALL ON FUNCTION engine.room_of(p_accounts uuid[]) FROM PUBLIC;

--
-- Name: FUNCTION rule_sets(p_account uuid); Type: ACL; Schema: engine; Owner: empire_engine
--

REVOKE ALL ON FUNCTION engine.rule_sets(p_account uuid) FROM PUBLIC;

--
-- Name: FUNCTION rules_of(p_user uuid); Type: ACL; Schema: engine; Owner: empire_engine
--

REVOKE ALL ON FUNCTION engine.rules_of(p_user uuid) FROM PUBLIC;

--
-- Name: FUNCTION save_session(p_connection uuid, p_worker text, p_version bigint, p_key_id text, p_sealed bytea, p_expires_at timestamp with time zone); Type: ACL; Schema: engine; Owner: empire_engine
--

REVOKE ALL ON FUNCTION engine.save_session(p_connection uuid, p_worker text, p_version bigint, p_key_id text, p_sealed bytea, p_expires_at timestamp with time zone) FROM PUBLIC;
GRANT ALL ON FUNCTION engine.save_session(p_connection uuid, p_worker text, p_version bigint, p_key_id text, p_sealed bytea, p_expires_at timestamp with time zone) TO empire_worker;

--
-- Name: FUNCTION send_again(k engine.commands); Type: ACL; Schema: engine; Owner: empire_engine
--

REVOKE ALL ON FUNCTION engine.send_again(k engine.commands) FROM PUBLIC;

--
-- Name: FUNCTION sent_lately(p_target uuid); Type: ACL; Schema: engine; Owner: empire_engine
--

REVOKE ALL ON FUNCTION engine.sent_lately(p_target uuid) FROM PUBLIC;

--
-- Name: FUNCTION set_position(a public.broker_accounts, p jsonb); Type: ACL; Schema: engine; Owner: empire_engine
--

REVOKE ALL ON FUNCTION engine.set_position(a public.broker_accounts, p jsonb) FROM PUBLIC;

--
-- Name: FUNCTION settle(p_results jsonb); Type: ACL; Schema: engine; Owner: empire_engine
--

REVOKE ALL ON FUNCTION engine.settle(p_results jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION engine.settle(p_results jsonb) TO empire_worker;

--
-- Name: FUNCTION settle_flows(a public.broker_accounts, k engine.account_marks, m engine.mark, p_day date); Type: ACL; Schema: engine; Owner: empire_engine
--

REVOKE ALL ON FUNCTION engine.settle_flows(a public.broker_accounts, k engine.account_marks, m engine.mark, p_day date) FROM PUBLIC;

--
-- Name: FUNCTION settle_one(p jsonb, OUT answer jsonb, OUT events bigint[]); Type: ACL; Schema: engine; Owner: empire_engine
--

REVOKE ALL ON FUNCTION engine.settle_one(p jsonb, OUT answer jsonb, OUT events bigint[]) FROM PUBLIC;

--
-- Name: FUNCTION since_seen(s engine.situation, p_room jsonb, p_risk jsonb); Type: ACL; Schema: engine; Owner: empire_engine
--

REVOKE ALL ON FUNCTION engine.since_seen(s engine.situation, p_room jsonb, p_risk jsonb) FROM PUBLIC;

--
-- Name: FUNCTION situations(p_deliveries bigint[]); Type: ACL; Schema: engine; Owner: empire_engine
--

REVOKE ALL ON FUNCTION engine.situations(p_deliveries bigint[]) FROM PUBLIC;

--
-- Name: FUNCTION source_of_day(a public.broker_accounts, p_week boolean); Type: ACL; Schema: engine; Owner: empire_engine
--

REVOKE ALL ON FUNCTION engine.source_of_day(a public.broker_accounts, p_week boolean) FROM PUBLIC;
GRANT ALL ON FUNCTION engine.source_of_day(a public.broker_accounts, p_week boolean) TO postgres;

--
-- Name: FUNCTION spend_reads(p_due uuid[], p_pauses jsonb); Type: ACL; Schema: engine; Owner: empire_engine
--

REVOKE ALL ON FUNCTION engine.spend_reads(p_due uuid[], p_pauses jsonb) FROM PUBLIC;

--
-- Name: FUNCTION stake(s engine.situation, p_risk jsonb); Type: ACL; Schema: engine; Owner: empire_engine
--

REVOKE ALL ON FUNCTION engine.stake(s engine.situation, p_risk jsonb) FROM PUBLIC;

--
-- Name: FUNCTION stake_key(p_broker public.broker, p_owner text, p_key text); Type: ACL; Schema: engine; Owner: empire_engine
--

REVOKE ALL ON FUNCTION engine.stake_key(p_broker public.broker, p_owner text, p_key text) FROM PUBLIC;

--
-- Name: FUNCTION stakes_json(a public.broker_accounts); Type: ACL; Schema: engine; Owner: empire_engine
--

REVOKE ALL ON FUNCTION engine.stakes_json(a public.broker_accounts) FROM PUBLIC;

--
-- Name: FUNCTION stand_in_line(p engine.arrival[]); Type: ACL; Schema: engine; Owner: empire_engine
--

REVOKE ALL ON FUNCTION engine.stand_in_line(p engine.arrival[]) FROM PUBLIC;

--
-- Name: FUNCTION stats(); Type: ACL; Schema: engine; Owner: empire_engine
--

REVOKE ALL ON FUNCTION engine.stats() FROM PUBLIC;
GRANT ALL ON FUNCTION engine.stats() TO empire_worker;
GRANT ALL ON FUNCTION engine.stats() TO empire_maintenance;

--
-- Name: FUNCTION stop_account(b engine.breaches, p_rows uuid[], p_flatten boolean); Type: ACL; Schema: engine; Owner: empire_engine
--

REVOKE ALL ON FUNCTION engine.stop_account(b engine.breaches, p_rows uuid[], p_flatten boolean) FROM PUBLIC;

--
-- Name: FUNCTION store_alerts(p engine.candidate[]); Type: ACL; Schema: engine; Owner: empire_engine
--

REVOKE ALL ON FUNCTION engine.store_alerts(p engine.candidate[]) FROM PUBLIC;

--
-- Name: FUNCTION store_intent(p_event bigint, p_user uuid, p_source public.event_source, p_body text, p_accounts uuid[]); Type: ACL; Schema: engine; Owner: empire_engine
--

REVOKE ALL ON FUNCTION engine.store_intent(p_event bigint, p_user uuid, p_source public.event_source, p_body text, p_accounts uuid[]) FROM PUBLIC;

--
-- Name: FUNCTION supersede(p_accounts uuid[], p_actions public.action[], p_symbol text, p_endpoint uuid, p_tag text, p_side public.side, p_by bigint); Type: ACL; Schema: engine; Owner: empire_engine
--

REVOKE ALL ON FUNCTION engine.supersede(p_accounts uuid[], p_actions public.action[], p_symbol text, p_endpoint uuid, p_tag text, p_side public.side, p_by bigint) FROM PUBLIC;

--
-- Name: FUNCTION symbol_key(p_symbol text); Type: ACL; Schema: engine; Owner: empire_engine
--

REVOKE ALL ON FUNCTION engine.symbol_key(p_symbol text) FROM PUBLIC;
GRANT ALL ON FUNCTION engine.symbol_key(p_symbol text) TO postgres;

--
-- Name: FUNCTION take_heads(p_worker text, p_executor public.executor, p_lane public.lane, p_limit integer, p_lease interval, p_token bigint); Type: ACL; Schema: engine; Owner: empire_engine
--

REVOKE ALL ON FUNCTION engine.take_heads(p_worker text, p_executor public.executor, p_lane public.lane, p_limit integer, p_lease interval, p_token bigint) FROM PUBLIC;

--
-- Name: FUNCTION take_keys(p engine.dedupe[]); Type: ACL; Schema: engine; Owner: empire_engine
--

REVOKE ALL ON FUNCTION engine.take_keys(p engine.dedupe[]) FROM PUBLIC;

--
-- Name: FUNCTION take_mark(a public.broker_accounts, x jsonb); Type: ACL; Schema: engine; Owner: empire_engine
--

REVOKE ALL ON FUNCTION engine.take_mark(a public.broker_accounts, x jsonb) FROM PUBLIC;

--
-- Name: FUNCTION take_session_turn(p_connection uuid, p_worker text, p_ms integer); Type: ACL; Schema: engine; Owner: empire_engine
--

REVOKE ALL ON FUNCTION engine.take_session_turn(p_connection uuid, p_worker text, p_ms integer) FROM PUBLIC;
GRANT ALL ON FUNCTION engine.take_session_turn(p_connection uuid, p_worker text, p_ms integer) TO empire_worker;

--
-- Name: FUNCTION taken_orders(k engine.commands); Type: ACL; Schema: engine; Owner: empire_engine
--

REVOKE ALL ON FUNCTION engine.taken_orders(k engine.commands) FROM PUBLIC;

--
-- Name: FUNCTION targets(p_endpoint uuid, p_accounts jsonb, OUT accounts uuid[], OUT foreign_name text); Type: ACL; Schema: engine; Owner: empire_engine
--

REVOKE ALL ON FUNCTION engine.targets(p_endpoint uuid, p_accounts jsonb, OUT accounts uuid[], OUT foreign_name text) FROM PUBLIC;

--
-- Name: FUNCTION tell(p_deliveries bigint[]); Type: ACL; Schema: engine; Owner: empire_engine
--

REVOKE ALL ON FUNCTION engine.tell(p_deliveries bigint[]) FROM PUBLIC;

--
-- Name: FUNCTION tell_breach(b engine.breaches, p_flatten boolean); Type: ACL; Schema: engine; Owner: empire_engine
--

REVOKE ALL ON FUNCTION engine.tell_breach(b engine.breaches, p_flatten boolean) FROM PUBLIC;

--
-- Name: FUNCTION tell_connection(c public.broker_connections, p_level public.log_level, p_type text, p_message text); Type: ACL; Schema: engine; Owner: empire_engine
--

REVOKE ALL ON FUNCTION engine.tell_connection(c public.broker_connections, p_level public.log_level, p_type text, p_message text) FROM PUBLIC;

--
-- Name: FUNCTION tell_flow(a public.broker_accounts, p_flow numeric); Type: ACL; Schema: engine; Owner: empire_engine
--

REVOKE ALL ON FUNCTION engine.tell_flow(a public.broker_accounts, p_flow numeric) FROM PUBLIC;

--
-- Name: FUNCTION tell_outbox(p_token bigint, p_told jsonb, p_last boolean); Type: ACL; Schema: engine; Owner: empire_engine
--

REVOKE ALL ON FUNCTION engine.tell_outbox(p_token bigint, p_told jsonb, p_last boolean) FROM PUBLIC;
GRANT ALL ON FUNCTION engine.tell_outbox(p_token bigint, p_told jsonb, p_last boolean) TO empire_relay;

--
-- Name: FUNCTION tell_unreachable(p_deliveries bigint[]); Type: ACL; Schema: engine; Owner: empire_engine
--

REVOKE ALL ON FUNCTION engine.tell_unreachable(p_deliveries bigint[]) FROM PUBLIC;

--
-- Name: FUNCTION thin_day(p_grade text, p_day date, p_limit integer); Type: ACL; Schema: engine; Owner: empire_engine
--

REVOKE ALL ON FUNCTION engine.thin_day(p_grade text, p_day date, p_limit integer) FROM PUBLIC;

--
-- Name: FUNCTION thin_equity(p_limit integer); Type: ACL; Schema: engine; Owner: empire_engine
--

REVOKE ALL ON FUNCTION engine.thin_equity(p_limit integer) FROM PUBLIC;
GRANT ALL ON FUNCTION engine.thin_equity(p_limit integer) TO empire_worker;
GRANT ALL ON FUNCTION engine.thin_equity(p_limit integer) TO empire_maintenance;

--
-- Name: FUNCTION too_many(c engine.candidate, p_message text); Type: ACL; Schema: engine; Owner: empire_engine
--

REVOKE ALL ON FUNCTION engine.too_many(c engine.candidate, p_message text) FROM PUBLIC;

--
-- Name: FUNCTION trace_of(p_event bigint); Type: ACL; Schema: engine; Owner: empire_engine
--

REVOKE ALL ON FUNCTION engine.trace_of(p_event bigint) FROM PUBLIC;

--
-- Name: FUNCTION trading_day(p_timezone text, p_reset time without time zone, p_at timestamp with time zone); Type: ACL; Schema: engine; Owner: empire_engine
--

REVOKE ALL ON FUNCTION engine.trading_day(p_timezone text, p_reset time without time zone, p_at timestamp with time zone) FROM PUBLIC;
GRANT ALL ON FUNCTION engine.trading_day(p_timezone text, p_reset time without time zone, p_at timestamp with time zone) TO postgres;

--
-- Name: FUNCTION try_begin(k engine.commands, p_request_timeout_ms integer); Type: ACL; Schema: engine; Owner: empire_engine
--

REVOKE ALL ON FUNCTION engine.try_begin(k engine.commands, p_request_timeout_ms integer) FROM PUBLIC;

--
-- Name: FUNCTION turns(p_deliveries bigint[]); Type: ACL; Schema: engine; Owner: empire_engine
--

REVOKE ALL ON FUNCTION engine.turns(p_deliveries bigint[]) FROM PUBLIC;

--
-- Name: FUNCTION twin_account(p_run bigint, p_token bigint, p_account uuid); Type: ACL; Schema: engine; Owner: empire_engine
--

REVOKE ALL ON FUNCTION engine.twin_account(p_run bigint, p_token bigint, p_account uuid) FROM PUBLIC;

--
-- Name: FUNCTION twin_accounts(p_run bigint, p_token bigint, p_connection uuid); Type: ACL; Schema: engine; Owner: empire_engine
--

REVOKE ALL ON FUNCTION engine.twin_accounts(p_run bigint, p_token bigint, p_connection uuid) FROM PUBLIC;
GRANT ALL ON FUNCTION engine.twin_accounts(p_run bigint, p_token bigint, p_connection uuid) TO empire_worker;

--
-- Name: FUNCTION twin_intent(p_run bigint, p_token bigint, p_account uuid, p_intent jsonb, p_fired_at timestamp with time zone); Type: ACL; Schema: engine; Owner: empire_engine
--

REVOKE ALL ON FUNCTION engine.twin_intent(p_run bigint, p_token bigint, p_account uuid, p_intent jsonb, p_fired_at timestamp with time zone) FROM PUBLIC;
GRANT ALL ON FUNCTION engine.twin_intent(p_run bigint, p_token bigint, p_account uuid, p_intent jsonb, p_fired_at timestamp with time zone) TO empire_worker;

--
-- Name: FUNCTION twin_of(p_account uuid, p_delivery bigint); Type: ACL; Schema: engine; Owner: empire_engine
--

REVOKE ALL ON FUNCTION engine.twin_of(p_account uuid, p_delivery bigint) FROM PUBLIC;

--
-- Name: FUNCTION twin_price(p_run bigint, p_token bigint, p_account uuid, p_symbol text, p_price numeric); Type: ACL; Schema: engine; Owner: empire_engine
--

REVOKE ALL ON FUNCTION engine.twin_price(p_run bigint, p_token bigint, p_account uuid, p_symbol text, p_price numeric) FROM PUBLIC;
GRANT ALL ON FUNCTION engine.twin_price(p_run bigint, p_token bigint, p_account uuid, p_symbol text, p_price numeric) TO empire_worker;

--
-- Name: FUNCTION twin_seen(p_run bigint, p_token bigint, p_account uuid, p_event bigint); Type: ACL; Schema: engine; Owner: empire_engine
--

REVOKE ALL ON FUNCTION engine.twin_seen(p_run bigint, p_token bigint, p_account uuid, p_event bigint) FROM PUBLIC;
GRANT ALL ON FUNCTION engine.twin_seen(p_run bigint, p_token bigint, p_account uuid, p_event bigint) TO empire_worker;

--
-- Name: FUNCTION unprotected(p_account uuid); Type: ACL; Schema: engine; Owner: empire_engine
--

REVOKE ALL ON FUNCTION engine.unprotected(p_account uuid) FROM PUBLIC;

--
-- Name: FUNCTION unreachable_accounts(p_limit integer); Type: ACL; Schema: engine; Owner: empire_engine
--

REVOKE ALL ON FUNCTION engine.unreachable_accounts(p_limit integer) FROM PUBLIC;

--
-- Name: FUNCTION unresolved_roots(d public.deliveries); Type: ACL; Schema: engine; Owner: empire_engine
--

REVOKE ALL ON FUNCTION engine.unresolved_roots(d public.deliveries) FROM PUBLIC;

--
-- Name: FUNCTION unsent(p_deliveries bigint[]); Type: ACL; Schema: engine; Owner: empire_engine
--

REVOKE ALL ON FUNCTION engine.unsent(p_deliveries bigint[]) FROM PUBLIC;

--
-- Name: FUNCTION until_lifted(); Type: ACL; Schema: engine; Owner: empire_engine
--

REVOKE ALL ON FUNCTION engine.until_lifted() FROM PUBLIC;

--
-- Name: FUNCTION update_orders(p_news engine.news[]); Type: ACL; Schema: engine; Owner: empire_engine
--

REVOKE ALL ON FUNCTION engine.update_orders(p_news engine.news[]) FROM PUBLIC;

--
-- Name: FUNCTION was_flat(p_account uuid, p_since timestamp with time zone, p_at timestamp with time zone); Type: ACL; Schema: engine; Owner: empire_engine
--

REVOKE ALL ON FUNCTION engine.was_flat(p_account uuid, p_since timestamp with time zone, p_at timestamp with time zone) FROM PUBLIC;

--
-- Name: FUNCTION watched_accounts(p_worker text, p_limit integer, p_lease_ms integer, p_pauses jsonb); Type: ACL; Schema: engine; Owner: empire_engine
--

REVOKE ALL ON FUNCTION engine.watched_accounts(p_worker text, p_limit integer, p_lease_ms integer, p_pauses jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION engine.watched_accounts(p_worker text, p_limit integer, p_lease_ms integer, p_pauses jsonb) TO empire_worker;

--
-- Name: FUNCTION week_json(a public.broker_accounts, p_now timestamp with time zone, p_day jsonb); Type: ACL; Schema: engine; Owner: empire_engine
--

REVOKE ALL ON FUNCTION engine.week_json(a public.broker_accounts, p_now timestamp with time zone, p_day jsonb) FROM PUBLIC;

--
-- Name: FUNCTION what_it_closes(p_account uuid, l jsonb, OUT closing_side text, OUT qty numeric); Type: ACL; Schema: engine; Owner: empire_engine
--

REVOKE ALL ON FUNCTION engine.what_it_closes(p_account uuid, l jsonb, OUT closing_side text, OUT qty numeric) FROM PUBLIC;

--
-- Name: FUNCTION with_settings(a public.broker_accounts, p jsonb); Type: ACL; Schema: engine; Owner: empire_engine
--

REVOKE ALL ON FUNCTION engine.with_settings(a public.broker_accounts, p jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION engine.with_settings(a public.broker_accounts, p jsonb) TO postgres;

--
-- Name: FUNCTION without_secrets(p jsonb, p_depth integer); Type: ACL; Schema: engine; Owner: empire_engine
--

REVOKE ALL ON FUNCTION engine.without_secrets(p jsonb, p_depth integer) FROM PUBLIC;

--
-- Name: FUNCTION word_for(d public.deliveries); Type: ACL; Schema: engine; Owner: empire_engine
--

REVOKE ALL ON FUNCTION engine.word_for(d public.deliveries) FROM PUBLIC;

--
-- Name: FUNCTION worker_seen(p_worker text, p_kind text, p_details jsonb); Type: ACL; Schema: engine; Owner: empire_engine
--

REVOKE ALL ON FUNCTION engine.worker_seen(p_worker text, p_kind text, p_details jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION engine.worker_seen(p_worker text, p_kind text, p_details jsonb) TO empire_worker;
GRANT ALL ON FUNCTION engine.worker_seen(p_worker text, p_kind text, p_details jsonb) TO empire_relay;
GRANT ALL ON FUNCTION engine.worker_seen(p_worker text, p_kind text, p_details jsonb) TO empire_maintenance;

--
-- Name: FUNCTION working_orders(p_account uuid); Type: ACL; Schema: engine; Owner: empire_engine
--

REVOKE ALL ON FUNCTION engine.working_orders(p_account uuid) FROM PUBLIC;

--
-- Name: FUNCTION write_commands(p_legs engine.leg[], p_request_timeout_ms integer); Type: ACL; Schema: engine; Owner: empire_engine
--

REVOKE ALL ON FUNCTION engine.write_commands(p_legs engine.leg[], p_request_timeout_ms integer) FROM PUBLIC;

--
-- Name: FUNCTION write_orders(p_legs engine.leg[]); Type: ACL; Schema: engine; Owner: empire_engine
--

REVOKE ALL ON FUNCTION engine.write_orders(p_legs engine.leg[]) FROM PUBLIC;

--
-- Name: FUNCTION write_told(p_told jsonb, p_ids bigint[]); Type: ACL; Schema: engine; Owner: empire_engine
--

REVOKE ALL ON FUNCTION engine.write_told(p_told jsonb, p_ids bigint[]) FROM PUBLIC;

--
-- Name: FUNCTION account_settings(a public.broker_accounts); Type: ACL; Schema: private; Owner: postgres
--

REVOKE ALL ON FUNCTION private.account_settings(a public.broker_accounts) FROM PUBLIC;

--
-- Name: FUNCTION accounts_halted(p_scope text, p_user uuid, p_broker public.broker, p_account uuid); Type: ACL; Schema: private; Owner: postgres
--

REVOKE ALL ON FUNCTION private.accounts_halted(p_scope text, p_user uuid, p_broker public.broker, p_account uuid) FROM PUBLIC;

--
-- Name: FUNCTION accounts_named(p_user_id uuid, p_names jsonb); Type: ACL; Schema: private; Owner: postgres
--

REVOKE ALL ON FUNCTION private.accounts_named(p_user_id uuid, p_names jsonb) FROM PUBLIC;

--
-- Name: FUNCTION actor(); Type: ACL; Schema: private; Owner: postgres
--

REVOKE ALL ON FUNCTION private.actor() FROM PUBLIC;

--
-- Name: FUNCTION add_notification_target(p_id uuid, p_kind text, p_name text, p_hint text, p_key_id text, p_sealed text, p_classes text[], p_quiet jsonb); Type: ACL; Schema: private; Owner: postgres
--

REVOKE ALL ON FUNCTION private.add_notification_target(p_id uuid, p_kind text, p_name text, p_hint text, p_key_id text, p_sealed text, p_classes text[], p_quiet jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION private.add_notification_target(p_id uuid, p_kind text, p_name text, p_hint text, p_key_id text, p_sealed text, p_classes text[], p_quiet jsonb) TO authenticated;

--
-- Name: FUNCTION admin_disable_account(p_account_id uuid, p_reason text); Type: ACL; Schema: private; Owner: postgres
--

REVOKE ALL ON FUNCTION private.admin_disable_account(p_account_id uuid, p_reason text) FROM PUBLIC;
GRANT ALL ON FUNCTION private.admin_disable_account(p_account_id uuid, p_reason text) TO authenticated;

--
-- Name: FUNCTION admin_flatten(p_account_id uuid, p_reason text); Type: ACL; Schema: private; Owner: postgres
--

REVOKE ALL ON FUNCTION private.admin_flatten(p_account_id uuid, p_reason text) FROM PUBLIC;
GRANT ALL ON FUNCTION private.admin_flatten(p_account_id uuid, p_reason text) TO authenticated;

--
-- Name: FUNCTION admin_kill_switch(p_on boolean, p_reason text, p_flatten boolean); Type: ACL; Schema: private; Owner: postgres
--

REVOKE ALL ON FUNCTION private.admin_kill_switch(p_on boolean, p_reason text, p_flatten boolean) FROM PUBLIC;
GRANT ALL ON FUNCTION private.admin_kill_switch(p_on boolean, p_reason text, p_flatten boolean) TO authenticated;

--
-- Name: FUNCTION any_live(p_account_ids uuid[]); Type: ACL; Schema: private; Owner: postgres
--

REVOKE ALL ON FUNCTION private.any_live(p_account_ids uuid[]) FROM PUBLIC;

--
-- Name: FUNCTION arm_check(p_connection_id uuid); Type: ACL; Schema: private; Owner: postgres
--

REVOKE ALL ON FUNCTION private.arm_check(p_connection_id uuid) FROM PUBLIC;

--
-- Name: FUNCTION as_admin(p_action text, p_account_id uuid, p_reason text); Type: ACL; Schema: private; Owner: postgres
--

REVOKE ALL ON FUNCTION private.as_admin(p_action text, p_account_id uuid, p_reason text) FROM PUBLIC;

--
-- Name: FUNCTION as_number(p jsonb); Type: ACL; Schema: private; Owner: postgres
--

REVOKE ALL ON FUNCTION private.as_number(p jsonb) FROM PUBLIC;

--
-- Name: FUNCTION audit(); Type: ACL; Schema: private; Owner: postgres
--

REVOKE ALL ON FUNCTION private.audit() FROM PUBLIC;

--
-- Name: FUNCTION cancel_order(p_order_id bigint); Type: ACL; Schema: private; Owner: postgres
--

REVOKE ALL ON FUNCTION private.cancel_order(p_order_id bigint) FROM PUBLIC;
GRANT ALL ON FUNCTION private.cancel_order(p_order_id bigint) TO authenticated;

--
-- Name: FUNCTION cancel_pending_risk(p_scope jsonb); Type: ACL; Schema: private; Owner: postgres
--

REVOKE ALL ON FUNCTION private.cancel_pending_risk(p_scope jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION private.cancel_pending_risk(p_scope jsonb) TO authenticated;

--
-- Name: FUNCTION cancel_waiting_entries(p_accounts uuid[]); Type: ACL; Schema: private; Owner: postgres
--

REVOKE ALL ON FUNCTION private.cancel_waiting_entries(p_accounts uuid[]) FROM PUBLIC;

--
-- Name: FUNCTION check_account_settings(p_values jsonb); Type: ACL; Schema: private; Owner: postgres
--

REVOKE ALL ON FUNCTION private.check_account_settings(p_values jsonb) FROM PUBLIC;

--
-- Name: FUNCTION check_amounts(p_path text, r jsonb); Type: ACL; Schema: private; Owner: postgres
--

REVOKE ALL ON FUNCTION private.check_amounts(p_path text, r jsonb) FROM PUBLIC;

--
-- Name: FUNCTION check_broker_room(p_user_id uuid, p_broker public.broker); Type: ACL; Schema: private; Owner: postgres
--

REVOKE ALL ON FUNCTION private.check_broker_room(p_user_id uuid, p_broker public.broker) FROM PUBLIC;

--
-- Name: FUNCTION check_classes(p_classes text[]); Type: ACL; Schema: private; Owner: postgres
--

REVOKE ALL ON FUNCTION private.check_classes(p_classes text[]) FROM PUBLIC;

--
-- Name: FUNCTION check_clock(p_path text, p jsonb); Type: ACL; Schema: private; Owner: postgres
--

REVOKE ALL ON FUNCTION private.check_clock(p_path text, p jsonb) FROM PUBLIC;

--
-- Name: FUNCTION check_columns(p_values jsonb); Type: ACL; Schema: private; Owner: postgres
--

REVOKE ALL ON FUNCTION private.check_columns(p_values jsonb) FROM PUBLIC;

--
-- Name: FUNCTION check_connection(p_connection_id uuid); Type: ACL; Schema: private; Owner: postgres
--

REVOKE ALL ON FUNCTION private.check_connection(p_connection_id uuid) FROM PUBLIC;
GRANT ALL ON FUNCTION private.check_connection(p_connection_id uuid) TO authenticated;

--
-- Name: FUNCTION check_endpoint_accounts(p_broker public.broker, p_account_ids uuid[]); Type: ACL; Schema: private; Owner: postgres
--

REVOKE ALL ON FUNCTION private.check_endpoint_accounts(p_broker public.broker, p_account_ids uuid[]) FROM PUBLIC;

--
-- Name: FUNCTION check_groups(p_path text, p jsonb); Type: ACL; Schema: private; Owner: postgres
--

REVOKE ALL ON FUNCTION private.check_groups(p_path text, p jsonb) FROM PUBLIC;

--
-- Name: FUNCTION check_kill_switch(s public.risk_settings, p_on boolean, p_reason text, p_flatten boolean); Type: ACL; Schema: private; Owner: postgres
--

REVOKE ALL ON FUNCTION private.check_kill_switch(s public.risk_settings, p_on boolean, p_reason text, p_flatten boolean) FROM PUBLIC;

--
-- Name: FUNCTION check_login(p_connection_id uuid, p_broker public.broker, p_server text, p_login text, p_hint text); Type: ACL; Schema: private; Owner: postgres
--

REVOKE ALL ON FUNCTION private.check_login(p_connection_id uuid, p_broker public.broker, p_server text, p_login text, p_hint text) FROM PUBLIC;

--
-- Name: FUNCTION check_members(p_path text, p jsonb, p_fields text[]); Type: ACL; Schema: private; Owner: postgres
--

REVOKE ALL ON FUNCTION private.check_members(p_path text, p jsonb, p_fields text[]) FROM PUBLIC;

--
-- Name: FUNCTION check_names(p_path text, p jsonb); Type: ACL; Schema: private; Owner: postgres
--

REVOKE ALL ON FUNCTION private.check_names(p_path text, p jsonb) FROM PUBLIC;

--
-- Name: FUNCTION check_number(p_path text, p jsonb, p_minimum numeric, p_maximum numeric, p_whole boolean); Type: ACL; Schema: private; Owner: postgres
--

REVOKE ALL ON FUNCTION private.check_number(p_path text, p jsonb, p_minimum numeric, p_maximum numeric, p_whole boolean) FROM PUBLIC;

--
-- Name: FUNCTION check_pattern(p_path text, p jsonb, p_pattern text, p_message text); Type: ACL; Schema: private; Owner: postgres
--

REVOKE ALL ON FUNCTION private.check_pattern(p_path text, p jsonb, p_pattern text, p_message text) FROM PUBLIC;

--
-- Name: FUNCTION check_quiet(p_quiet jsonb); Type: ACL; Schema: private; Owner: postgres
--

REVOKE ALL ON FUNCTION private.check_quiet(p_quiet jsonb) FROM PUBLIC;

--
-- Name: FUNCTION check_root(p_path text, p jsonb); Type: ACL; Schema: private; Owner: postgres
--

REVOKE ALL ON FUNCTION private.check_root(p_path text, p jsonb) FROM PUBLIC;

--
-- Name: FUNCTION check_rule(p_rule text, r jsonb); Type: ACL; Schema: private; Owner: postgres
--

REVOKE ALL ON FUNCTION private.check_rule(p_rule text, r jsonb) FROM PUBLIC;

--
-- Name: FUNCTION check_rule_field(p_path text, p jsonb, f engine.rule_fields); Type: ACL; Schema: private; Owner: postgres
--

REVOKE ALL ON FUNCTION private.check_rule_field(p_path text, p jsonb, f engine.rule_fields) FROM PUBLIC;

--
-- Name: FUNCTION check_rules(p_rules jsonb); Type: ACL; Schema: private; Owner: postgres
--

REVOKE ALL ON FUNCTION private.check_rules(p_rules jsonb) FROM PUBLIC;

--
-- Name: FUNCTION check_seed(p_path text, p jsonb); Type: ACL; Schema: private; Owner: postgres
--

REVOKE ALL ON FUNCTION private.check_seed(p_path text, p jsonb) FROM PUBLIC;

--
-- Name: FUNCTION check_size(p_path text, p jsonb, p_type text, p_most integer); Type: ACL; Schema: private; Owner: postgres
--

REVOKE ALL ON FUNCTION private.check_size(p_path text, p jsonb, p_type text, p_most integer) FROM PUBLIC;

--
-- Name: FUNCTION check_steps(p_path text, p jsonb); Type: ACL; Schema: private; Owner: postgres
--

REVOKE ALL ON FUNCTION private.check_steps(p_path text, p jsonb) FROM PUBLIC;

--
-- Name: FUNCTION check_text(p_path text, p jsonb, f engine.rule_fields); Type: ACL; Schema: private; Owner: postgres
--

REVOKE ALL ON FUNCTION private.check_text(p_path text, p jsonb, f engine.rule_fields) FROM PUBLIC;

--
-- Name: FUNCTION check_together(p_path text, p_rule text, r jsonb); Type: ACL; Schema: private; Owner: postgres
--

REVOKE ALL ON FUNCTION private.check_together(p_path text, p_rule text, r jsonb) FROM PUBLIC;

--
-- Name: FUNCTION check_trading_session(p_account_ids uuid[], p_exit boolean); Type: ACL; Schema: private; Owner: postgres
--

REVOKE ALL ON FUNCTION private.check_trading_session(p_account_ids uuid[], p_exit boolean) FROM PUBLIC;

--
-- Name: FUNCTION check_windows(p_path text, p jsonb); Type: ACL; Schema: private; Owner: postgres
--

REVOKE ALL ON FUNCTION private.check_windows(p_path text, p jsonb) FROM PUBLIC;

--
-- Name: FUNCTION check_zone(p_path text, p jsonb); Type: ACL; Schema: private; Owner: postgres
--

REVOKE ALL ON FUNCTION private.check_zone(p_path text, p jsonb) FROM PUBLIC;

--
-- Name: FUNCTION close_position(p_position_id bigint); Type: ACL; Schema: private; Owner: postgres
--

REVOKE ALL ON FUNCTION private.close_position(p_position_id bigint) FROM PUBLIC;
GRANT ALL ON FUNCTION private.close_position(p_position_id bigint) TO authenticated;

--
-- Name: FUNCTION confirm_day_start(p_account_id uuid, p_amount numeric, p_week numeric); Type: ACL; Schema: private; Owner: postgres
--

REVOKE ALL ON FUNCTION private.confirm_day_start(p_account_id uuid, p_amount numeric, p_week numeric) FROM PUBLIC;
GRANT ALL ON FUNCTION private.confirm_day_start(p_account_id uuid, p_amount numeric, p_week numeric) TO authenticated;

--
-- Name: FUNCTION connect_broker(p_connection_id uuid, p_broker public.broker, p_environment public.environment, p_server text, p_login text, p_key_id text, p_sealed text, p_hint text); Type: ACL; Schema: private; Owner: postgres
--

REVOKE ALL ON FUNCTION private.connect_broker(p_connection_id uuid, p_broker public.broker, p_environment public.environment, p_server text, p_login text, p_key_id text, p_sealed text, p_hint text) FROM PUBLIC;
GRANT ALL ON FUNCTION private.connect_broker(p_connection_id uuid, p_broker public.broker, p_environment public.environment, p_server text, p_login text, p_key_id text, p_sealed text, p_hint text) TO authenticated;

--
-- Name: FUNCTION connect_paper(p_label text, p_currency text, p_balance numeric, p_margin_mode public.margin_mode, p_server text); Type: ACL; Schema: private; Owner: postgres
--

REVOKE ALL ON FUNCTION private.connect_paper(p_label text, p_currency text, p_balance numeric, p_margin_mode public.margin_mode, p_server text) FROM PUBLIC;
GRANT ALL ON FUNCTION private.connect_paper(p_label text, p_currency text, p_balance numeric, p_margin_mode public.margin_mode, p_server text) TO authenticated;

--
-- Name: FUNCTION count_realtime_failure(); Type: ACL; Schema: private; Owner: postgres
--

REVOKE ALL ON FUNCTION private.count_realtime_failure() FROM PUBLIC;

--
-- Name: FUNCTION create_endpoint(p_broker public.broker, p_name text, p_account_ids uuid[], p_settings jsonb); Type: ACL; Schema: private; Owner: postgres
--

REVOKE ALL ON FUNCTION private.create_endpoint(p_broker public.broker, p_name text, p_account_ids uuid[], p_settings jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION private.create_endpoint(p_broker public.broker, p_name text, p_account_ids uuid[], p_settings jsonb) TO authenticated;

--
-- Name: FUNCTION custom_access_token_hook(event jsonb); Type: ACL; Schema: private; Owner: postgres
--

REVOKE ALL ON FUNCTION private.custom_access_token_hook(event jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION private.custom_access_token_hook(event jsonb) TO supabase_auth_admin;

--
-- Name: FUNCTION delivery_message(n public.deliveries); Type: ACL; Schema: private; Owner: postgres
--

REVOKE ALL ON FUNCTION private.delivery_message(n public.deliveries) FROM PUBLIC;

--
-- Name: FUNCTION device_seen(p_device_id uuid); Type: ACL; Schema: private; Owner: postgres
--

REVOKE ALL ON FUNCTION private.device_seen(p_device_id uuid) FROM PUBLIC;
GRANT ALL ON FUNCTION private.device_seen(p_device_id uuid) TO authenticated;

--
-- Name: FUNCTION disable_account(p_account_id uuid); Type: ACL; Schema: private; Owner: postgres
--

REVOKE ALL ON FUNCTION private.disable_account(p_account_id uuid) FROM PUBLIC;
GRANT ALL ON FUNCTION private.disable_account(p_account_id uuid) TO authenticated;

--
-- Name: FUNCTION disconnect_broker(p_connection_id uuid); Type: ACL; Schema: private; Owner: postgres
--

REVOKE ALL ON FUNCTION private.disconnect_broker(p_connection_id uuid) FROM PUBLIC;
GRANT ALL ON FUNCTION private.disconnect_broker(p_connection_id uuid) TO authenticated;

--
-- Name: FUNCTION effective_plan(p_user_id uuid); Type: ACL; Schema: private; Owner: postgres
--

REVOKE ALL ON FUNCTION private.effective_plan(p_user_id uuid) FROM PUBLIC;
GRANT ALL ON FUNCTION private.effective_plan(p_user_id uuid) TO empire_engine;

--
-- Name: FUNCTION enable_account(p_account_id uuid); Type: ACL; Schema: private; Owner: postgres
--

REVOKE ALL ON FUNCTION private.enable_account(p_account_id uuid) FROM PUBLIC;
GRANT ALL ON FUNCTION private.enable_account(p_account_id uuid) TO authenticated;

--
-- Name: FUNCTION enable_endpoint(p_endpoint_id uuid, p_enabled boolean); Type: ACL; Schema: private; Owner: postgres
--

REVOKE ALL ON FUNCTION private.enable_endpoint(p_endpoint_id uuid, p_enabled boolean) FROM PUBLIC;
GRANT ALL ON FUNCTION private.enable_endpoint(p_endpoint_id uuid, p_enabled boolean) TO authenticated;

--
-- Name: FUNCTION endpoint_admits_more(o public.webhook_endpoints, n public.webhook_endpoints); Type: ACL; Schema: private; Owner: postgres
--

REVOKE ALL ON FUNCTION private.endpoint_admits_more(o public.webhook_endpoints, n public.webhook_endpoints) FROM PUBLIC;

--
-- Name: FUNCTION endpoint_is_live(p_endpoint_id uuid); Type: ACL; Schema: private; Owner: postgres
--

REVOKE ALL ON FUNCTION private.endpoint_is_live(p_endpoint_id uuid) FROM PUBLIC;

--
-- Name: TABLE webhook_events; Type: ACL; Schema: public; Owner: postgres
--

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.webhook_events TO empire_engine;
GRANT SELECT ON TABLE public.webhook_events TO authenticated;

--
-- Name: FUNCTION event_message(n public.webhook_events); Type: ACL; Schema: private; Owner: postgres
--

REVOKE ALL ON FUNCTION private.event_message(n public.webhook_events) FROM PUBLIC;

--
-- Name: FUNCTION field_admits_more(f engine.rule_fields, o jsonb, n jsonb); Type: ACL; Schema: private; Owner: postgres
--

REVOKE ALL ON FUNCTION private.field_admits_more(f engine.rule_fields, o jsonb, n jsonb) FROM PUBLIC;

--
-- Name: FUNCTION flatten(p_account_ids uuid[], p_source text); Type: ACL; Schema: private; Owner: postgres
--

REVOKE ALL ON FUNCTION private.flatten(p_account_ids uuid[], p_source text) FROM PUBLIC;
GRANT ALL ON FUNCTION private.flatten(p_account_ids uuid[], p_source text) TO authenticated;

--
-- Name: FUNCTION flatten_halted(p_accounts uuid[]); Type: ACL; Schema: private; Owner: postgres
--

REVOKE ALL ON FUNCTION private.flatten_halted(p_accounts uuid[]) FROM PUBLIC;

--
-- Name: FUNCTION follow_login(); Type: ACL; Schema: private; Owner: postgres
--

REVOKE ALL ON FUNCTION private.follow_login() FROM PUBLIC;

--
-- Name: FUNCTION guard_seal(); Type: ACL; Schema: private; Owner: postgres
--

REVOKE ALL ON FUNCTION private.guard_seal() FROM PUBLIC;

--
-- Name: FUNCTION halt(p_scope text, p_user uuid, p_broker public.broker, p_account uuid, p_on boolean, p_reason text, p_flatten boolean); Type: ACL; Schema: private; Owner: postgres
--

REVOKE ALL ON FUNCTION private.halt(p_scope text, p_user uuid, p_broker public.broker, p_account uuid, p_on boolean, p_reason text, p_flatten boolean) FROM PUBLIC;

--
-- Name: FUNCTION higher(p_old numeric, p_new numeric); Type: ACL; Schema: private; Owner: postgres
--

REVOKE ALL ON FUNCTION private.higher(p_old numeric, p_new numeric) FROM PUBLIC;

--
-- Name: FUNCTION inherit_halts(); Type: ACL; Schema: private; Owner: postgres
--

REVOKE ALL ON FUNCTION private.inherit_halts() FROM PUBLIC;

--
-- Name: FUNCTION insert_limits(r public.risk_settings, p_from timestamp with time zone, p_until timestamp with time zone); Type: ACL; Schema: private; Owner: postgres
--

REVOKE ALL ON FUNCTION private.insert_limits(r public.risk_settings, p_from timestamp with time zone, p_until timestamp with time zone) FROM PUBLIC;

--
-- Name: FUNCTION is_admin(); Type: ACL; Schema: private; Owner: postgres
--

REVOKE ALL ON FUNCTION private.is_admin() FROM PUBLIC;
GRANT ALL ON FUNCTION private.is_admin() TO authenticated;

--
-- Name: FUNCTION is_live_scope(s public.risk_settings); Type: ACL; Schema: private; Owner: postgres
--

REVOKE ALL ON FUNCTION private.is_live_scope(s public.risk_settings) FROM PUBLIC;

--
-- Name: FUNCTION key_bytes(p_public_key text); Type: ACL; Schema: private; Owner: postgres
--

REVOKE ALL ON FUNCTION private.key_bytes(p_public_key text) FROM PUBLIC;

--
-- Name: FUNCTION kill_switch(p_on boolean, p_reason text, p_scope jsonb, p_flatten boolean); Type: ACL; Schema: private; Owner: postgres
--

REVOKE ALL ON FUNCTION private.kill_switch(p_on boolean, p_reason text, p_scope jsonb, p_flatten boolean) FROM PUBLIC;
GRANT ALL ON FUNCTION private.kill_switch(p_on boolean, p_reason text, p_scope jsonb, p_flatten boolean) TO authenticated;

--
-- Name: FUNCTION lift_lock(p_account_id uuid, p_reason text); Type: ACL; Schema: private; Owner: postgres
--

REVOKE ALL ON FUNCTION private.lift_lock(p_account_id uuid, p_reason text) FROM PUBLIC;
GRANT ALL ON FUNCTION private.lift_lock(p_account_id uuid, p_reason text) TO authenticated;

--
-- Name: FUNCTION limit_values(r public.risk_settings); Type: ACL; Schema: private; Owner: postgres
--

REVOKE ALL ON FUNCTION private.limit_values(r public.risk_settings) FROM PUBLIC;

--
-- Name: FUNCTION limits_admit_more(o public.risk_settings, n public.risk_settings); Type: ACL; Schema: private; Owner: postgres
--

REVOKE ALL ON FUNCTION private.limits_admit_more(o public.risk_settings, n public.risk_settings) FROM PUBLIC;

--
-- Name: FUNCTION limits_diff(o public.risk_settings, n public.risk_settings); Type: ACL; Schema: private; Owner: postgres
--

REVOKE ALL ON FUNCTION private.limits_diff(o public.risk_settings, n public.risk_settings) FROM PUBLIC;

--
-- Name: FUNCTION limits_of_scope(s public.risk_settings, p_waiting boolean); Type: ACL; Schema: private; Owner: postgres
--

REVOKE ALL ON FUNCTION private.limits_of_scope(s public.risk_settings, p_waiting boolean) FROM PUBLIC;

--
-- Name: FUNCTION lock_account(p_account_id uuid, p_until timestamp with time zone, p_reason text); Type: ACL; Schema: private; Owner: postgres
--

REVOKE ALL ON FUNCTION private.lock_account(p_account_id uuid, p_until timestamp with time zone, p_reason text) FROM PUBLIC;
GRANT ALL ON FUNCTION private.lock_account(p_account_id uuid, p_until timestamp with time zone, p_reason text) TO authenticated;

--
-- Name: TABLE profiles; Type: ACL; Schema: public; Owner: postgres
--

GRANT SELECT,UPDATE ON TABLE public.profiles TO empire_engine;
GRANT SELECT ON TABLE public.profiles TO authenticated;

--
-- Name: COLUMN profiles.name; Type: ACL; Schema: public; Owner: postgres
--

GRANT UPDATE(name) ON TABLE public.profiles TO authenticated;

--
-- Name: COLUMN profiles.timezone; Type: ACL; Schema: public; Owner: postgres
--

GRANT UPDATE(timezone) ON TABLE public.profiles TO authenticated;

--
-- Name: COLUMN profiles.locale; Type: ACL; Schema: public; Owner: postgres
--

GRANT UPDATE(locale) ON TABLE public.profiles TO authenticated;

--
-- Name: FUNCTION loosen_minutes(p public.profiles); Type: ACL; Schema: private; Owner: postgres
--

REVOKE ALL ON FUNCTION private.loosen_minutes(p public.profiles) FROM PUBLIC;

--
-- Name: FUNCTION loosens_from(s public.risk_settings); Type: ACL; Schema: private; Owner: postgres
--

REVOKE ALL ON FUNCTION private.loosens_from(s public.risk_settings) FROM PUBLIC;

--
-- Name: FUNCTION make_twin(p_run bigint, p jsonb); Type: ACL; Schema: private; Owner: postgres
--

REVOKE ALL ON FUNCTION private.make_twin(p_run bigint, p jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION private.make_twin(p_run bigint, p jsonb) TO empire_engine;

--
-- Name: FUNCTION mark_halted(p_scope text, p_user uuid, p_broker public.broker, p_account uuid, p_on boolean, p_reason text); Type: ACL; Schema: private; Owner: postgres
--

REVOKE ALL ON FUNCTION private.mark_halted(p_scope text, p_user uuid, p_broker public.broker, p_account uuid, p_on boolean, p_reason text) FROM PUBLIC;

--
-- Name: FUNCTION me(); Type: ACL; Schema: private; Owner: postgres
--

REVOKE ALL ON FUNCTION private.me() FROM PUBLIC;

--
-- Name: FUNCTION mfa_enrolled(); Type: ACL; Schema: private; Owner: postgres
--

REVOKE ALL ON FUNCTION private.mfa_enrolled() FROM PUBLIC;

--
-- Name: FUNCTION mirror_factor(); Type: ACL; Schema: private; Owner: postgres
--

REVOKE ALL ON FUNCTION private.mirror_factor() FROM PUBLIC;

--
-- Name: FUNCTION mirror_plan(); Type: ACL; Schema: private; Owner: postgres
--

REVOKE ALL ON FUNCTION private.mirror_plan() FROM PUBLIC;

--
-- Name: FUNCTION my_account(p_account_id uuid); Type: ACL; Schema: private; Owner: postgres
--

REVOKE ALL ON FUNCTION private.my_account(p_account_id uuid) FROM PUBLIC;

--
-- Name: FUNCTION my_connection(p_connection_id uuid); Type: ACL; Schema: private; Owner: postgres
--

REVOKE ALL ON FUNCTION private.my_connection(p_connection_id uuid) FROM PUBLIC;

--
-- Name: TABLE devices; Type: ACL; Schema: public; Owner: postgres
--

GRANT SELECT ON TABLE public.devices TO empire_engine;
GRANT SELECT ON TABLE public.devices TO authenticated;

--
-- Name: FUNCTION my_device(p_device_id uuid); Type: ACL; Schema: private; Owner: postgres
--

REVOKE ALL ON FUNCTION private.my_device(p_device_id uuid) FROM PUBLIC;

--
-- Name: FUNCTION my_endpoint(p_endpoint_id uuid); Type: ACL; Schema: private; Owner: postgres
--

REVOKE ALL ON FUNCTION private.my_endpoint(p_endpoint_id uuid) FROM PUBLIC;

--
-- Name: FUNCTION my_target(p_target_id uuid); Type: ACL; Schema: private; Owner: postgres
--

REVOKE ALL ON FUNCTION private.my_target(p_target_id uuid) FROM PUBLIC;

--
-- Name: FUNCTION note(p_user_id uuid, p_level public.log_level, p_type text, p_message text, p_details jsonb); Type: ACL; Schema: private; Owner: postgres
--

REVOKE ALL ON FUNCTION private.note(p_user_id uuid, p_level public.log_level, p_type text, p_message text, p_details jsonb) FROM PUBLIC;

--
-- Name: FUNCTION number_map_admits_more(o jsonb, n jsonb); Type: ACL; Schema: private; Owner: postgres
--

REVOKE ALL ON FUNCTION private.number_map_admits_more(o jsonb, n jsonb) FROM PUBLIC;

--
-- Name: FUNCTION order_message(n public.orders); Type: ACL; Schema: private; Owner: postgres
--

REVOKE ALL ON FUNCTION private.order_message(n public.orders) FROM PUBLIC;

--
-- Name: FUNCTION order_status_follows_the_table(); Type: ACL; Schema: private; Owner: postgres
--

REVOKE ALL ON FUNCTION private.order_status_follows_the_table() FROM PUBLIC;

--
-- Name: FUNCTION position_message(n public.positions); Type: ACL; Schema: private; Owner: postgres
--

REVOKE ALL ON FUNCTION private.position_message(n public.positions) FROM PUBLIC;

--
-- Name: FUNCTION put_limits(o public.risk_settings, t public.risk_settings, n public.risk_settings, p_from timestamp with time zone); Type: ACL; Schema: private; Owner: postgres
--

REVOKE ALL ON FUNCTION private.put_limits(o public.risk_settings, t public.risk_settings, n public.risk_settings, p_from timestamp with time zone) FROM PUBLIC;

--
-- Name: FUNCTION put_seal(p_connection_id uuid, p_version integer, p_key_id text, p_sealed text); Type: ACL; Schema: private; Owner: postgres
--

REVOKE ALL ON FUNCTION private.put_seal(p_connection_id uuid, p_version integer, p_key_id text, p_sealed text) FROM PUBLIC;

--
-- Name: FUNCTION put_twin_limits(a public.broker_accounts, p_rows jsonb); Type: ACL; Schema: private; Owner: postgres
--

REVOKE ALL ON FUNCTION private.put_twin_limits(a public.broker_accounts, p_rows jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION private.put_twin_limits(a public.broker_accounts, p_rows jsonb) TO empire_engine;

--
-- Name: FUNCTION recipient_of(p_connection_id uuid, p_key_id text); Type: ACL; Schema: private; Owner: postgres
--

REVOKE ALL ON FUNCTION private.recipient_of(p_connection_id uuid, p_key_id text) FROM PUBLIC;

--
-- Name: FUNCTION record_change(p_user uuid, p_action text, p_loosens boolean, p_message text, p_details jsonb); Type: ACL; Schema: private; Owner: postgres
--

REVOKE ALL ON FUNCTION private.record_change(p_user uuid, p_action text, p_loosens boolean, p_message text, p_details jsonb) FROM PUBLIC;

--
-- Name: FUNCTION record_limits(o public.risk_settings, t public.risk_settings, n public.risk_settings, p_from timestamp with time zone); Type: ACL; Schema: private; Owner: postgres
--

REVOKE ALL ON FUNCTION private.record_limits(o public.risk_settings, t public.risk_settings, n public.risk_settings, p_from timestamp with time zone) FROM PUBLIC;

--
-- Name: FUNCTION refuse(p_status integer, p_code text, p_message text); Type: ACL; Schema: private; Owner: postgres
--

REVOKE ALL ON FUNCTION private.refuse(p_status integer, p_code text, p_message text) FROM PUBLIC;

--
-- Name: FUNCTION refuse_tampering(); Type: ACL; Schema: private; Owner: postgres
--

REVOKE ALL ON FUNCTION private.refuse_tampering() FROM PUBLIC;

--
-- Name: FUNCTION refuse_value(p_path text, p_value jsonb, p_message text); Type: ACL; Schema: private; Owner: postgres
--

REVOKE ALL ON FUNCTION private.refuse_value(p_path text, p_value jsonb, p_message text) FROM PUBLIC;

--
-- Name: FUNCTION register_device(p_name text, p_public_key text); Type: ACL; Schema: private; Owner: postgres
--

REVOKE ALL ON FUNCTION private.register_device(p_name text, p_public_key text) FROM PUBLIC;
GRANT ALL ON FUNCTION private.register_device(p_name text, p_public_key text) TO authenticated;

--
-- Name: FUNCTION remove_notification_target(p_target_id uuid); Type: ACL; Schema: private; Owner: postgres
--

REVOKE ALL ON FUNCTION private.remove_notification_target(p_target_id uuid) FROM PUBLIC;
GRANT ALL ON FUNCTION private.remove_notification_target(p_target_id uuid) TO authenticated;

--
-- Name: FUNCTION replay_event(p_event_id bigint); Type: ACL; Schema: private; Owner: postgres
--

REVOKE ALL ON FUNCTION private.replay_event(p_event_id bigint) FROM PUBLIC;
GRANT ALL ON FUNCTION private.replay_event(p_event_id bigint) TO authenticated;

--
-- Name: FUNCTION request_drill(p_account_id uuid, p_rule text); Type: ACL; Schema: private; Owner: postgres
--

REVOKE ALL ON FUNCTION private.request_drill(p_account_id uuid, p_rule text) FROM PUBLIC;
GRANT ALL ON FUNCTION private.request_drill(p_account_id uuid, p_rule text) TO authenticated;

--
-- Name: FUNCTION require_admin(p_reason text); Type: ACL; Schema: private; Owner: postgres
--

REVOKE ALL ON FUNCTION private.require_admin(p_reason text) FROM PUBLIC;

--
-- Name: FUNCTION require_step_up(); Type: ACL; Schema: private; Owner: postgres
--

REVOKE ALL ON FUNCTION private.require_step_up() FROM PUBLIC;

--
-- Name: FUNCTION reseal_connection(p_connection_id uuid, p_version integer, p_key_id text, p_sealed text, p_hint text); Type: ACL; Schema: private; Owner: postgres
--

REVOKE ALL ON FUNCTION private.reseal_connection(p_connection_id uuid, p_version integer, p_key_id text, p_sealed text, p_hint text) FROM PUBLIC;
GRANT ALL ON FUNCTION private.reseal_connection(p_connection_id uuid, p_version integer, p_key_id text, p_sealed text, p_hint text) TO authenticated;

--
-- Name: FUNCTION reveal_endpoint(p_endpoint_id uuid); Type: ACL; Schema: private; Owner: postgres
--

REVOKE ALL ON FUNCTION private.reveal_endpoint(p_endpoint_id uuid) FROM PUBLIC;
GRANT ALL ON FUNCTION private.reveal_endpoint(p_endpoint_id uuid) TO authenticated;

--
-- Name: FUNCTION revoke_device(p_device_id uuid); Type: ACL; Schema: private; Owner: postgres
--

REVOKE ALL ON FUNCTION private.revoke_device(p_device_id uuid) FROM PUBLIC;
GRANT ALL ON FUNCTION private.revoke_device(p_device_id uuid) TO authenticated;

--
-- Name: FUNCTION revoke_endpoint(p_endpoint_id uuid); Type: ACL; Schema: private; Owner: postgres
--

REVOKE ALL ON FUNCTION private.revoke_endpoint(p_endpoint_id uuid) FROM PUBLIC;
GRANT ALL ON FUNCTION private.revoke_endpoint(p_endpoint_id uuid) TO authenticated;

--
-- Name: FUNCTION risk_scope(p_user uuid, p_scope jsonb); Type: ACL; Schema: private; Owner: postgres
--

REVOKE ALL ON FUNCTION private.risk_scope(p_user uuid, p_scope jsonb) FROM PUBLIC;

--
-- Name: FUNCTION rotate_endpoint(p_endpoint_id uuid); Type: ACL; Schema: private; Owner: postgres
--

REVOKE ALL ON FUNCTION private.rotate_endpoint(p_endpoint_id uuid) FROM PUBLIC;
GRANT ALL ON FUNCTION private.rotate_endpoint(p_endpoint_id uuid) TO authenticated;

--
-- Name: FUNCTION rules_admit_more(o jsonb, n jsonb); Type: ACL; Schema: private; Owner: postgres
--

REVOKE ALL ON FUNCTION private.rules_admit_more(o jsonb, n jsonb) FROM PUBLIC;

--
-- Name: FUNCTION save_endpoint(e public.webhook_endpoints); Type: ACL; Schema: private; Owner: postgres
--

REVOKE ALL ON FUNCTION private.save_endpoint(e public.webhook_endpoints) FROM PUBLIC;

--
-- Name: FUNCTION seal_bytes(p_sealed text); Type: ACL; Schema: private; Owner: postgres
--

REVOKE ALL ON FUNCTION private.seal_bytes(p_sealed text) FROM PUBLIC;

--
-- Name: FUNCTION seal_to_device(p_connection_id uuid, p_version integer, p_key_id text, p_sealed text); Type: ACL; Schema: private; Owner: postgres
--

REVOKE ALL ON FUNCTION private.seal_to_device(p_connection_id uuid, p_version integer, p_key_id text, p_sealed text) FROM PUBLIC;
GRANT ALL ON FUNCTION private.seal_to_device(p_connection_id uuid, p_version integer, p_key_id text, p_sealed text) TO authenticated;

--
-- Name: FUNCTION send_code(n public.notification_targets); Type: ACL; Schema: private; Owner: postgres
--

REVOKE ALL ON FUNCTION private.send_code(n public.notification_targets) FROM PUBLIC;

--
-- Name: FUNCTION send_test(n public.notification_targets, p_text text); Type: ACL; Schema: private; Owner: postgres
--

REVOKE ALL ON FUNCTION private.send_test(n public.notification_targets, p_text text) FROM PUBLIC;

--
-- Name: FUNCTION session_is_strong_enough(); Type: ACL; Schema: private; Owner: postgres
--

REVOKE ALL ON FUNCTION private.session_is_strong_enough() FROM PUBLIC;
GRANT ALL ON FUNCTION private.session_is_strong_enough() TO authenticated;

--
-- Name: FUNCTION set_account(p_account_id uuid, p_values jsonb); Type: ACL; Schema: private; Owner: postgres
--

REVOKE ALL ON FUNCTION private.set_account(p_account_id uuid, p_values jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION private.set_account(p_account_id uuid, p_values jsonb) TO authenticated;

--
-- Name: FUNCTION set_endpoint_accounts(p_endpoint_id uuid, p_account_ids uuid[], p_multipliers numeric[]); Type: ACL; Schema: private; Owner: postgres
--

REVOKE ALL ON FUNCTION private.set_endpoint_accounts(p_endpoint_id uuid, p_account_ids uuid[], p_multipliers numeric[]) FROM PUBLIC;
GRANT ALL ON FUNCTION private.set_endpoint_accounts(p_endpoint_id uuid, p_account_ids uuid[], p_multipliers numeric[]) TO authenticated;

--
-- Name: FUNCTION set_loosen_delay(p_minutes integer); Type: ACL; Schema: private; Owner: postgres
--

REVOKE ALL ON FUNCTION private.set_loosen_delay(p_minutes integer) FROM PUBLIC;
GRANT ALL ON FUNCTION private.set_loosen_delay(p_minutes integer) TO authenticated;

--
-- Name: FUNCTION set_risk(p_scope jsonb, p_values jsonb); Type: ACL; Schema: private; Owner: postgres
--

REVOKE ALL ON FUNCTION private.set_risk(p_scope jsonb, p_values jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION private.set_risk(p_scope jsonb, p_values jsonb) TO authenticated;

--
-- Name: FUNCTION step_up(); Type: ACL; Schema: private; Owner: postgres
--

REVOKE ALL ON FUNCTION private.step_up() FROM PUBLIC;

--
-- Name: FUNCTION stop_entries(p_accounts uuid[]); Type: ACL; Schema: private; Owner: postgres
--

REVOKE ALL ON FUNCTION private.stop_entries(p_accounts uuid[]) FROM PUBLIC;

--
-- Name: FUNCTION submit_intent(p_intent jsonb, p_idempotency_key text, p_source text); Type: ACL; Schema: private; Owner: postgres
--

REVOKE ALL ON FUNCTION private.submit_intent(p_intent jsonb, p_idempotency_key text, p_source text) FROM PUBLIC;
GRANT ALL ON FUNCTION private.submit_intent(p_intent jsonb, p_idempotency_key text, p_source text) TO authenticated;

--
-- Name: FUNCTION symbols_in(p_symbols text[], p_list text[]); Type: ACL; Schema: private; Owner: postgres
--

REVOKE ALL ON FUNCTION private.symbols_in(p_symbols text[], p_list text[]) FROM PUBLIC;

--
-- Name: FUNCTION tell_deliveries(); Type: ACL; Schema: private; Owner: postgres
--

REVOKE ALL ON FUNCTION private.tell_deliveries() FROM PUBLIC;

--
-- Name: FUNCTION tell_events(); Type: ACL; Schema: private; Owner: postgres
--

REVOKE ALL ON FUNCTION private.tell_events() FROM PUBLIC;

--
-- Name: FUNCTION tell_health(); Type: ACL; Schema: private; Owner: postgres
--

REVOKE ALL ON FUNCTION private.tell_health() FROM PUBLIC;

--
-- Name: FUNCTION tell_logs(); Type: ACL; Schema: private; Owner: postgres
--

REVOKE ALL ON FUNCTION private.tell_logs() FROM PUBLIC;

--
-- Name: FUNCTION tell_orders(); Type: ACL; Schema: private; Owner: postgres
--

REVOKE ALL ON FUNCTION private.tell_orders() FROM PUBLIC;

--
-- Name: FUNCTION tell_positions(); Type: ACL; Schema: private; Owner: postgres
--

REVOKE ALL ON FUNCTION private.tell_positions() FROM PUBLIC;

--
-- Name: FUNCTION test_notification_target(p_target_id uuid); Type: ACL; Schema: private; Owner: postgres
--

REVOKE ALL ON FUNCTION private.test_notification_target(p_target_id uuid) FROM PUBLIC;
GRANT ALL ON FUNCTION private.test_notification_target(p_target_id uuid) TO authenticated;

--
-- Name: FUNCTION text_values(p_numbers jsonb); Type: ACL; Schema: private; Owner: postgres
--

REVOKE ALL ON FUNCTION private.text_values(p_numbers jsonb) FROM PUBLIC;

--
-- Name: FUNCTION tighter_field(f engine.rule_fields, o jsonb, n jsonb); Type: ACL; Schema: private; Owner: postgres
--

REVOKE ALL ON FUNCTION private.tighter_field(f engine.rule_fields, o jsonb, n jsonb) FROM PUBLIC;

--
-- Name: FUNCTION tighter_limits(o public.risk_settings, n public.risk_settings); Type: ACL; Schema: private; Owner: postgres
--

REVOKE ALL ON FUNCTION private.tighter_limits(o public.risk_settings, n public.risk_settings) FROM PUBLIC;

--
-- Name: FUNCTION tighter_rule(p_rule text, o jsonb, n jsonb); Type: ACL; Schema: private; Owner: postgres
--

REVOKE ALL ON FUNCTION private.tighter_rule(p_rule text, o jsonb, n jsonb) FROM PUBLIC;

--
-- Name: FUNCTION tighter_rules(o jsonb, n jsonb); Type: ACL; Schema: private; Owner: postgres
--

REVOKE ALL ON FUNCTION private.tighter_rules(o jsonb, n jsonb) FROM PUBLIC;

--
-- Name: FUNCTION touch(); Type: ACL; Schema: private; Owner: postgres
--

REVOKE ALL ON FUNCTION private.touch() FROM PUBLIC;

--
-- Name: FUNCTION unlock_account(p_account_id uuid); Type: ACL; Schema: private; Owner: postgres
--

REVOKE ALL ON FUNCTION private.unlock_account(p_account_id uuid) FROM PUBLIC;
GRANT ALL ON FUNCTION private.unlock_account(p_account_id uuid) TO authenticated;

--
-- Name: FUNCTION update_endpoint(p_endpoint_id uuid, p_settings jsonb); Type: ACL; Schema: private; Owner: postgres
--

REVOKE ALL ON FUNCTION private.update_endpoint(p_endpoint_id uuid, p_settings jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION private.update_endpoint(p_endpoint_id uuid, p_settings jsonb) TO authenticated;

--
-- Name: FUNCTION update_notification_target(p_target_id uuid, p_settings jsonb); Type: ACL; Schema: private; Owner: postgres
--

REVOKE ALL ON FUNCTION private.update_notification_target(p_target_id uuid, p_settings jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION private.update_notification_target(p_target_id uuid, p_settings jsonb) TO authenticated;

--
-- Name: FUNCTION verify_notification_target(p_target_id uuid, p_code text); Type: ACL; Schema: private; Owner: postgres
--

REVOKE ALL ON FUNCTION private.verify_notification_target(p_target_id uuid, p_code text) FROM PUBLIC;
GRANT ALL ON FUNCTION private.verify_notification_target(p_target_id uuid, p_code text) TO authenticated;

--
-- Name: FUNCTION with_limits(r public.risk_settings, p_values jsonb); Type: ACL; Schema: private; Owner: postgres
--

REVOKE ALL ON FUNCTION private.with_limits(r public.risk_settings, p_values jsonb) FROM PUBLIC;

--
-- Name: FUNCTION with_numbers(p_rules jsonb); Type: ACL; Schema: private; Owner: postgres
--

REVOKE ALL ON FUNCTION private.with_numbers(p_rules jsonb) FROM PUBLIC;

--
-- Name: FUNCTION with_settings(e public.webhook_endpoints, p_settings jsonb); Type: ACL; Schema: private; Owner: postgres
--

REVOKE ALL ON FUNCTION private.with_settings(e public.webhook_endpoints, p_settings jsonb) FROM PUBLIC;

--
-- Name: FUNCTION add_notification_target(p_id uuid, p_kind text, p_name text, p_hint text, p_key_id text, p_sealed text, p_classes text[], p_quiet jsonb); Type: ACL; Schema: public; Owner: postgres
--

REVOKE ALL ON FUNCTION public.add_notification_target(p_id uuid, p_kind text, p_name text, p_hint text, p_key_id text, p_sealed text, p_classes text[], p_quiet jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION public.add_notification_target(p_id uuid, p_kind text, p_name text, p_hint text, p_key_id text, p_sealed text, p_classes text[], p_quiet jsonb) TO authenticated;

--
-- Name: FUNCTION admin_disable_account(p_account_id uuid, p_reason text); Type: ACL; Schema: public; Owner: postgres
--

REVOKE ALL ON FUNCTION public.admin_disable_account(p_account_id uuid, p_reason text) FROM PUBLIC;
GRANT ALL ON FUNCTION public.admin_disable_account(p_account_id uuid, p_reason text) TO authenticated;

--
-- Name: FUNCTION admin_flatten(p_account_id uuid, p_reason text); Type: ACL; Schema: public; Owner: postgres
--

REVOKE ALL ON FUNCTION public.admin_flatten(p_account_id uuid, p_reason text) FROM PUBLIC;
GRANT ALL ON FUNCTION public.admin_flatten(p_account_id uuid, p_reason text) TO authenticated;

--
-- Name: FUNCTION admin_kill_switch(p_on boolean, p_reason text, p_flatten boolean); Type: ACL; Schema: public; Owner: postgres
--

REVOKE ALL ON FUNCTION public.admin_kill_switch(p_on boolean, p_reason text, p_flatten boolean) FROM PUBLIC;
GRANT ALL ON FUNCTION public.admin_kill_switch(p_on boolean, p_reason text, p_flatten boolean) TO authenticated;

--
-- Name: FUNCTION cancel_order(p_order_id bigint); Type: ACL; Schema: public; Owner: postgres
--

REVOKE ALL ON FUNCTION public.cancel_order(p_order_id bigint) FROM PUBLIC;
GRANT ALL ON FUNCTION public.cancel_order(p_order_id bigint) TO authenticated;

--
-- Name: FUNCTION cancel_pending_risk(p_scope jsonb); Type: ACL; Schema: public; Owner: postgres
--

REVOKE ALL ON FUNCTION public.cancel_pending_risk(p_scope jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION public.cancel_pending_risk(p_scope jsonb) TO authenticated;

--
-- Name: FUNCTION check_connection(p_connection_id uuid); Type: ACL; Schema: public; Owner: postgres
--

REVOKE ALL ON FUNCTION public.check_connection(p_connection_id uuid) FROM PUBLIC;
GRANT ALL ON FUNCTION public.check_connection(p_connection_id uuid) TO authenticated;

--
-- Name: FUNCTION close_position(p_position_id bigint); Type: ACL; Schema: public; Owner: postgres
--

REVOKE ALL ON FUNCTION public.close_position(p_position_id bigint) FROM PUBLIC;
GRANT ALL ON FUNCTION public.close_position(p_position_id bigint) TO authenticated;

--
-- Name: FUNCTION confirm_day_start(p_account_id uuid, p_amount numeric, p_week numeric); Type: ACL; Schema: public; Owner: postgres
--

REVOKE ALL ON FUNCTION public.confirm_day_start(p_account_id uuid, p_amount numeric, p_week numeric) FROM PUBLIC;
GRANT ALL ON FUNCTION public.confirm_day_start(p_account_id uuid, p_amount numeric, p_week numeric) TO authenticated;

--
-- Name: FUNCTION connect_broker(p_connection_id uuid, p_broker public.broker, p_environment public.environment, p_login text, p_key_id text, p_sealed text, p_server text, p_hint text); Type: ACL; Schema: public; Owner: postgres
--

REVOKE ALL ON FUNCTION public.connect_broker(p_connection_id uuid, p_broker public.broker, p_environment public.environment, p_login text, p_key_id text, p_sealed text, p_server text, p_hint text) FROM PUBLIC;
GRANT ALL ON FUNCTION public.connect_broker(p_connection_id uuid, p_broker public.broker, p_environment public.environment, p_login text, p_key_id text, p_sealed text, p_server text, p_hint text) TO authenticated;

--
-- Name: FUNCTION connect_paper(p_label text, p_currency text, p_balance numeric, p_margin_mode public.margin_mode, p_server text); Type: ACL; Schema: public; Owner: postgres
--

REVOKE ALL ON FUNCTION public.connect_paper(p_label text, p_currency text, p_balance numeric, p_margin_mode public.margin_mode, p_server text) FROM PUBLIC;
GRANT ALL ON FUNCTION public.connect_paper(p_label text, p_currency text, p_balance numeric, p_margin_mode public.margin_mode, p_server text) TO authenticated;

--
-- Name: FUNCTION create_endpoint(p_broker public.broker, p_name text, p_account_ids uuid[], p_settings jsonb); Type: ACL; Schema: public; Owner: postgres
--

REVOKE ALL ON FUNCTION public.create_endpoint(p_broker public.broker, p_name text, p_account_ids uuid[], p_settings jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION public.create_endpoint(p_broker public.broker, p_name text, p_account_ids uuid[], p_settings jsonb) TO authenticated;

--
-- Name: FUNCTION device_seen(p_device_id uuid); Type: ACL; Schema: public; Owner: postgres
--

REVOKE ALL ON FUNCTION public.device_seen(p_device_id uuid) FROM PUBLIC;
GRANT ALL ON FUNCTION public.device_seen(p_device_id uuid) TO authenticated;

--
-- Name: FUNCTION disable_account(p_account_id uuid); Type: ACL; Schema: public; Owner: postgres
--

REVOKE ALL ON FUNCTION public.disable_account(p_account_id uuid) FROM PUBLIC;
GRANT ALL ON FUNCTION public.disable_account(p_account_id uuid) TO authenticated;

--
-- Name: FUNCTION disable_endpoint(p_endpoint_id uuid); Type: ACL; Schema: public; Owner: postgres
--

REVOKE ALL ON FUNCTION public.disable_endpoint(p_endpoint_id uuid) FROM PUBLIC;
GRANT ALL ON FUNCTION public.disable_endpoint(p_endpoint_id uuid) TO authenticated;

--
-- Name: FUNCTION disconnect_broker(p_connection_id uuid); Type: ACL; Schema: public; Owner: postgres
--

REVOKE ALL ON FUNCTION public.disconnect_broker(p_connection_id uuid) FROM PUBLIC;
GRANT ALL ON FUNCTION public.disconnect_broker(p_connection_id uuid) TO authenticated;

--
-- Name: FUNCTION enable_account(p_account_id uuid); Type: ACL; Schema: public; Owner: postgres
--

REVOKE ALL ON FUNCTION public.enable_account(p_account_id uuid) FROM PUBLIC;
GRANT ALL ON FUNCTION public.enable_account(p_account_id uuid) TO authenticated;

--
-- Name: FUNCTION enable_endpoint(p_endpoint_id uuid); Type: ACL; Schema: public; Owner: postgres
--

REVOKE ALL ON FUNCTION public.enable_endpoint(p_endpoint_id uuid) FROM PUBLIC;
GRANT ALL ON FUNCTION public.enable_endpoint(p_endpoint_id uuid) TO authenticated;

--
-- Name: FUNCTION flatten(p_account_ids uuid[], p_source text); Type: ACL; Schema: public; Owner: postgres
--

REVOKE ALL ON FUNCTION public.flatten(p_account_ids uuid[], p_source text) FROM PUBLIC;
GRANT ALL ON FUNCTION public.flatten(p_account_ids uuid[], p_source text) TO authenticated;

--
-- Name: FUNCTION kill_switch(p_on boolean, p_reason text, p_scope jsonb, p_flatten boolean); Type: ACL; Schema: public; Owner: postgres
--

REVOKE ALL ON FUNCTION public.kill_switch(p_on boolean, p_reason text, p_scope jsonb, p_flatten boolean) FROM PUBLIC;
GRANT ALL ON FUNCTION public.kill_switch(p_on boolean, p_reason text, p_scope jsonb, p_flatten boolean) TO authenticated;

--
-- Name: FUNCTION lift_lock(p_account_id uuid, p_reason text); Type: ACL; Schema: public; Owner: postgres
--

REVOKE ALL ON FUNCTION public.lift_lock(p_account_id uuid, p_reason text) FROM PUBLIC;
GRANT ALL ON FUNCTION public.lift_lock(p_account_id uuid, p_reason text) TO authenticated;

--
-- Name: FUNCTION lock_account(p_account_id uuid, p_until timestamp with time zone, p_reason text); Type: ACL; Schema: public; Owner: postgres
--

REVOKE ALL ON FUNCTION public.lock_account(p_account_id uuid, p_until timestamp with time zone, p_reason text) FROM PUBLIC;
GRANT ALL ON FUNCTION public.lock_account(p_account_id uuid, p_until timestamp with time zone, p_reason text) TO authenticated;

--
-- Name: FUNCTION register_device(p_name text, p_public_key text); Type: ACL; Schema: public; Owner: postgres
--

REVOKE ALL ON FUNCTION public.register_device(p_name text, p_public_key text) FROM PUBLIC;
GRANT ALL ON FUNCTION public.register_device(p_name text, p_public_key text) TO authenticated;

--
-- Name: FUNCTION remove_notification_target(p_target_id uuid); Type: ACL; Schema: public; Owner: postgres
--

REVOKE ALL ON FUNCTION public.remove_notification_target(p_target_id uuid) FROM PUBLIC;
GRANT ALL ON FUNCTION public.remove_notification_target(p_target_id uuid) TO authenticated;

--
-- Name: FUNCTION replay_event(p_event_id bigint); Type: ACL; Schema: public; Owner: postgres
--

REVOKE ALL ON FUNCTION public.replay_event(p_event_id bigint) FROM PUBLIC;
GRANT ALL ON FUNCTION public.replay_event(p_event_id bigint) TO authenticated;

--
-- Name: FUNCTION request_drill(p_account_id uuid, p_rule text); Type: ACL; Schema: public; Owner: postgres
--

REVOKE ALL ON FUNCTION public.request_drill(p_account_id uuid, p_rule text) FROM PUBLIC;
GRANT ALL ON FUNCTION public.request_drill(p_account_id uuid, p_rule text) TO authenticated;

--
-- Name: FUNCTION reseal_connection(p_connection_id uuid, p_version integer, p_key_id text, p_sealed text, p_hint text); Type: ACL; Schema: public; Owner: postgres
--

REVOKE ALL ON FUNCTION public.reseal_connection(p_connection_id uuid, p_version integer, p_key_id text, p_sealed text, p_hint text) FROM PUBLIC;
GRANT ALL ON FUNCTION public.reseal_connection(p_connection_id uuid, p_version integer, p_key_id text, p_sealed text, p_hint text) TO authenticated;

--
-- Name: FUNCTION reveal_endpoint(p_endpoint_id uuid); Type: ACL; Schema: public; Owner: postgres
--

REVOKE ALL ON FUNCTION public.reveal_endpoint(p_endpoint_id uuid) FROM PUBLIC;
GRANT ALL ON FUNCTION public.reveal_endpoint(p_endpoint_id uuid) TO authenticated;

--
-- Name: FUNCTION revoke_device(p_device_id uuid); Type: ACL; Schema: public; Owner: postgres
--

REVOKE ALL ON FUNCTION public.revoke_device(p_device_id uuid) FROM PUBLIC;
GRANT ALL ON FUNCTION public.revoke_device(p_device_id uuid) TO authenticated;

--
-- Name: FUNCTION revoke_endpoint(p_endpoint_id uuid); Type: ACL; Schema: public; Owner: postgres
--

REVOKE ALL ON FUNCTION public.revoke_endpoint(p_endpoint_id uuid) FROM PUBLIC;
GRANT ALL ON FUNCTION public.revoke_endpoint(p_endpoint_id uuid) TO authenticated;

--
-- Name: FUNCTION rotate_endpoint(p_endpoint_id uuid); Type: ACL; Schema: public; Owner: postgres
--

REVOKE ALL ON FUNCTION public.rotate_endpoint(p_endpoint_id uuid) FROM PUBLIC;
GRANT ALL ON FUNCTION public.rotate_endpoint(p_endpoint_id uuid) TO authenticated;

--
-- Name: FUNCTION seal_to_device(p_connection_id uuid, p_version integer, p_key_id text, p_sealed text); Type: ACL; Schema: public; Owner: postgres
--

REVOKE ALL ON FUNCTION public.seal_to_device(p_connection_id uuid, p_version integer, p_key_id text, p_sealed text) FROM PUBLIC;
GRANT ALL ON FUNCTION public.seal_to_device(p_connection_id uuid, p_version integer, p_key_id text, p_sealed text) TO authenticated;

--
-- Name: FUNCTION set_account(p_account_id uuid, p_values jsonb); Type: ACL; Schema: public; Owner: postgres
--

REVOKE ALL ON FUNCTION public.set_account(p_account_id uuid, p_values jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION public.set_account(p_account_id uuid, p_values jsonb) TO authenticated;

--
-- Name: FUNCTION set_endpoint_accounts(p_endpoint_id uuid, p_account_ids uuid[], p_multipliers numeric[]); Type: ACL; Schema: public; Owner: postgres
--

REVOKE ALL ON FUNCTION public.set_endpoint_accounts(p_endpoint_id uuid, p_account_ids uuid[], p_multipliers numeric[]) FROM PUBLIC;
GRANT ALL ON FUNCTION public.set_endpoint_accounts(p_endpoint_id uuid, p_account_ids uuid[], p_multipliers numeric[]) TO authenticated;

--
-- Name: FUNCTION set_loosen_delay(p_minutes integer); Type: ACL; Schema: public; Owner: postgres
--

REVOKE ALL ON FUNCTION public.set_loosen_delay(p_minutes integer) FROM PUBLIC;
GRANT ALL ON FUNCTION public.set_loosen_delay(p_minutes integer) TO authenticated;

--
-- Name: FUNCTION set_risk(p_scope jsonb, p_values jsonb); Type: ACL; Schema: public; Owner: postgres
--

REVOKE ALL ON FUNCTION public.set_risk(p_scope jsonb, p_values jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION public.set_risk(p_scope jsonb, p_values jsonb) TO authenticated;

--
-- Name: FUNCTION submit_intent(intent jsonb, idempotency_key text, p_source text); Type: ACL; Schema: public; Owner: postgres
--

REVOKE ALL ON FUNCTION public.submit_intent(intent jsonb, idempotency_key text, p_source text) FROM PUBLIC;
GRANT ALL ON FUNCTION public.submit_intent(intent jsonb, idempotency_key text, p_source text) TO authenticated;

--
-- Name: FUNCTION test_notification_target(p_target_id uuid); Type: ACL; Schema: public; Owner: postgres
--

REVOKE ALL ON FUNCTION public.test_notification_target(p_target_id uuid) FROM PUBLIC;
GRANT ALL ON FUNCTION public.test_notification_target(p_target_id uuid) TO authenticated;

--
-- Name: FUNCTION unlock_account(p_account_id uuid); Type: ACL; Schema: public; Owner: postgres
--

REVOKE ALL ON FUNCTION public.unlock_account(p_account_id uuid) FROM PUBLIC;
GRANT ALL ON FUNCTION public.unlock_account(p_account_id uuid) TO authenticated;

--
-- Name: FUNCTION update_endpoint(p_endpoint_id uuid, p_settings jsonb); Type: ACL; Schema: public; Owner: postgres
--

REVOKE ALL ON FUNCTION public.update_endpoint(p_endpoint_id uuid, p_settings jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION public.update_endpoint(p_endpoint_id uuid, p_settings jsonb) TO authenticated;

--
-- Name: FUNCTION update_notification_target(p_target_id uuid, p_settings jsonb); Type: ACL; Schema: public; Owner: postgres
--

REVOKE ALL ON FUNCTION public.update_notification_target(p_target_id uuid, p_settings jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION public.update_notification_target(p_target_id uuid, p_settings jsonb) TO authenticated;

--
-- Name: FUNCTION verify_notification_target(p_target_id uuid, p_code text); Type: ACL; Schema: public; Owner: postgres
--

REVOKE ALL ON FUNCTION public.verify_notification_target(p_target_id uuid, p_code text) FROM PUBLIC;
GRANT ALL ON FUNCTION public.verify_notification_target(p_target_id uuid, p_code text) TO authenticated;

--
-- Name: TABLE account_days; Type: ACL; Schema: engine; Owner: postgres
--

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE engine.account_days TO empire_engine;

--
-- Name: TABLE trading_config; Type: ACL; Schema: public; Owner: postgres
--

GRANT SELECT ON TABLE public.trading_config TO empire_engine;
GRANT SELECT,DELETE ON TABLE public.trading_config TO authenticated;

--
-- Name: COLUMN trading_config.user_id; Type: ACL; Schema: public; Owner: postgres
--

GRANT INSERT(user_id) ON TABLE public.trading_config TO authenticated;

--
-- Name: COLUMN trading_config.broker; Type: ACL; Schema: public; Owner: postgres
--

GRANT INSERT(broker) ON TABLE public.trading_config TO authenticated;

--
-- Name: COLUMN trading_config.account_id; Type: ACL; Schema: public; Owner: postgres
--

GRANT INSERT(account_id) ON TABLE public.trading_config TO authenticated;

--
-- Name: COLUMN trading_config.lot_size_mode; Type: ACL; Schema: public; Owner: postgres
--

GRANT INSERT(lot_size_mode),UPDATE(lot_size_mode) ON TABLE public.trading_config TO authenticated;

--
-- Name: COLUMN trading_config.fixed_lot_size; Type: ACL; Schema: public; Owner: postgres
--

GRANT INSERT(fixed_lot_size),UPDATE(fixed_lot_size) ON TABLE public.trading_config TO authenticated;

--
-- Name: COLUMN trading_config.sl_percentage; Type: ACL; Schema: public; Owner: postgres
--

GRANT INSERT(sl_percentage),UPDATE(sl_percentage) ON TABLE public.trading_config TO authenticated;

--
-- Name: COLUMN trading_config.tp_percentage; Type: ACL; Schema: public; Owner: postgres
--

GRANT INSERT(tp_percentage),UPDATE(tp_percentage) ON TABLE public.trading_config TO authenticated;

--
-- Name: COLUMN trading_config.risk_reward_ratio; Type: ACL; Schema: public; Owner: postgres
--

GRANT INSERT(risk_reward_ratio),UPDATE(risk_reward_ratio) ON TABLE public.trading_config TO authenticated;

--
-- Name: COLUMN trading_config.use_trailing_sl; Type: ACL; Schema: public; Owner: postgres
--

GRANT INSERT(use_trailing_sl),UPDATE(use_trailing_sl) ON TABLE public.trading_config TO authenticated;

--
-- Name: TABLE account_defaults; Type: ACL; Schema: engine; Owner: postgres
--

GRANT SELECT ON TABLE engine.account_defaults TO empire_engine;

--
-- Name: SEQUENCE account_identities_id_seq; Type: ACL; Schema: engine; Owner: postgres
--

GRANT USAGE ON SEQUENCE engine.account_identities_id_seq TO empire_engine;

--
-- Name: TABLE account_scopes; Type: ACL; Schema: engine; Owner: postgres
--

GRANT SELECT ON TABLE engine.account_scopes TO empire_engine;

--
-- Name: TABLE adjustments; Type: ACL; Schema: engine; Owner: postgres
--

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE engine.adjustments TO empire_engine;

--
-- Name: TABLE alarms; Type: ACL; Schema: engine; Owner: postgres
--

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE engine.alarms TO empire_engine;

--
-- Name: SEQUENCE breaches_id_seq; Type: ACL; Schema: engine; Owner: postgres
--

GRANT USAGE ON SEQUENCE engine.breaches_id_seq TO empire_engine;

--
-- Name: SEQUENCE commands_id_seq; Type: ACL; Schema: engine; Owner: postgres
--

GRANT USAGE ON SEQUENCE engine.commands_id_seq TO empire_engine;

--
-- Name: TABLE connection_checks; Type: ACL; Schema: engine; Owner: postgres
--

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE engine.connection_checks TO empire_engine;

--
-- Name: TABLE counters; Type: ACL; Schema: engine; Owner: postgres
--

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE engine.counters TO empire_engine;

--
-- Name: TABLE credential_opens; Type: ACL; Schema: engine; Owner: postgres
--

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE engine.credential_opens TO empire_engine;

--
-- Name: TABLE dead_letters; Type: ACL; Schema: engine; Owner: postgres
--

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE engine.dead_letters TO empire_engine;

--
-- Name: SEQUENCE dead_letters_id_seq; Type: ACL; Schema: engine; Owner: postgres
--

GRANT USAGE ON SEQUENCE engine.dead_letters_id_seq TO empire_engine;

--
-- Name: TABLE drill_twins; Type: ACL; Schema: engine; Owner: postgres
--

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE engine.drill_twins TO empire_engine;

--
-- Name: TABLE endings; Type: ACL; Schema: engine; Owner: postgres
--

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE engine.endings TO empire_engine;

--
-- Name: TABLE endpoint_counters; Type: ACL; Schema: engine; Owner: postgres
--

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE engine.endpoint_counters TO empire_engine;

--
-- Name: TABLE installation; Type: ACL; Schema: engine; Owner: postgres
--

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE engine.installation TO empire_engine;

--
-- Name: TABLE invariant_done_has_an_outcome; Type: ACL; Schema: engine; Owner: postgres
--

GRANT SELECT ON TABLE engine.invariant_done_has_an_outcome TO empire_engine;

--
-- Name: TABLE queue; Type: ACL; Schema: engine; Owner: postgres
--

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE engine.queue TO empire_engine;

--
-- Name: TABLE invariant_done_leaves_nothing_unsent; Type: ACL; Schema: engine; Owner: postgres
--

GRANT SELECT ON TABLE engine.invariant_done_leaves_nothing_unsent TO empire_engine;

--
-- Name: TABLE invariant_events_count_their_deliveries; Type: ACL; Schema: engine; Owner: postgres
--

GRANT SELECT ON TABLE engine.invariant_events_count_their_deliveries TO empire_engine;

--
-- Name: TABLE invariant_no_account_sleeps; Type: ACL; Schema: engine; Owner: postgres
--

GRANT SELECT ON TABLE engine.invariant_no_account_sleeps TO empire_engine;

--
-- Name: TABLE invariant_order_and_command_agree; Type: ACL; Schema: engine; Owner: postgres
--

GRANT SELECT ON TABLE engine.invariant_order_and_command_agree TO empire_engine;

--
-- Name: TABLE invariant_position_is_sum_of_fills; Type: ACL; Schema: engine; Owner: postgres
--

GRANT SELECT ON TABLE engine.invariant_position_is_sum_of_fills TO empire_engine;

--
-- Name: TABLE invariant_queue_and_delivery_agree; Type: ACL; Schema: engine; Owner: postgres
--

GRANT SELECT ON TABLE engine.invariant_queue_and_delivery_agree TO empire_engine;

--
-- Name: TABLE invariant_sent_has_an_outcome; Type: ACL; Schema: engine; Owner: postgres
--

GRANT SELECT ON TABLE engine.invariant_sent_has_an_outcome TO empire_engine;

--
-- Name: TABLE log_classes; Type: ACL; Schema: engine; Owner: postgres
--

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE engine.log_classes TO empire_engine;

--
-- Name: TABLE notification_codes; Type: ACL; Schema: engine; Owner: postgres
--

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE engine.notification_codes TO empire_engine;

--
-- Name: TABLE notification_doors; Type: ACL; Schema: engine; Owner: postgres
--

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE engine.notification_doors TO empire_engine;

--
-- Name: TABLE outbox; Type: ACL; Schema: engine; Owner: postgres
--

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE engine.outbox TO empire_engine;

--
-- Name: TABLE outbox_claims; Type: ACL; Schema: engine; Owner: postgres
--

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE engine.outbox_claims TO empire_engine;

--
-- Name: SEQUENCE outbox_id; Type: ACL; Schema: engine; Owner: postgres
--

GRANT USAGE ON SEQUENCE engine.outbox_id TO empire_engine;

--
-- Name: TABLE paper_accounts; Type: ACL; Schema: engine; Owner: postgres
--

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE engine.paper_accounts TO empire_engine;

--
-- Name: TABLE paper_fills; Type: ACL; Schema: engine; Owner: postgres
--

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE engine.paper_fills TO empire_engine;

--
-- Name: SEQUENCE paper_fills_id_seq; Type: ACL; Schema: engine; Owner: postgres
--

GRANT USAGE ON SEQUENCE engine.paper_fills_id_seq TO empire_engine;

--
-- Name: TABLE paper_orders; Type: ACL; Schema: engine; Owner: postgres
--

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE engine.paper_orders TO empire_engine;

--
-- Name: TABLE read_credits; Type: ACL; Schema: engine; Owner: postgres
--

GRANT SELECT,INSERT,UPDATE ON TABLE engine.read_credits TO empire_engine;

--
-- Name: TABLE reconciled; Type: ACL; Schema: engine; Owner: postgres
--

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE engine.reconciled TO empire_engine;

--
-- Name: TABLE reservations; Type: ACL; Schema: engine; Owner: postgres
--

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE engine.reservations TO empire_engine;

--
-- Name: TABLE scope_counters; Type: ACL; Schema: engine; Owner: postgres
--

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE engine.scope_counters TO empire_engine;

--
-- Name: SEQUENCE scope_counters_id_seq; Type: ACL; Schema: engine; Owner: postgres
--

GRANT USAGE ON SEQUENCE engine.scope_counters_id_seq TO empire_engine;

--
-- Name: TABLE session_turns; Type: ACL; Schema: engine; Owner: postgres
--

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE engine.session_turns TO empire_engine;

--
-- Name: TABLE sessions; Type: ACL; Schema: engine; Owner: postgres
--

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE engine.sessions TO empire_engine;

--
-- Name: TABLE stakes; Type: ACL; Schema: engine; Owner: postgres
--

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE engine.stakes TO empire_engine;

--
-- Name: TABLE thinned; Type: ACL; Schema: engine; Owner: postgres
--

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE engine.thinned TO empire_engine;

--
-- Name: TABLE workers; Type: ACL; Schema: engine; Owner: postgres
--

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE engine.workers TO empire_engine;

--
-- Name: TABLE admins; Type: ACL; Schema: private; Owner: postgres
--

GRANT SELECT ON TABLE private.admins TO supabase_auth_admin;

--
-- Name: TABLE risk_standings; Type: ACL; Schema: public; Owner: postgres
--

GRANT SELECT ON TABLE public.risk_standings TO authenticated;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.risk_standings TO empire_engine;

--
-- Name: TABLE account_risk; Type: ACL; Schema: public; Owner: postgres
--

GRANT SELECT ON TABLE public.account_risk TO authenticated;

--
-- Name: TABLE admin_actions; Type: ACL; Schema: public; Owner: postgres
--

GRANT SELECT ON TABLE public.admin_actions TO empire_engine;

--
-- Name: COLUMN admin_actions.id; Type: ACL; Schema: public; Owner: postgres
--

GRANT SELECT(id) ON TABLE public.admin_actions TO authenticated;

--
-- Name: COLUMN admin_actions.admin_user_id; Type: ACL; Schema: public; Owner: postgres
--

GRANT SELECT(admin_user_id) ON TABLE public.admin_actions TO authenticated;

--
-- Name: COLUMN admin_actions.actor; Type: ACL; Schema: public; Owner: postgres
--

GRANT SELECT(actor) ON TABLE public.admin_actions TO authenticated;

--
-- Name: COLUMN admin_actions.action; Type: ACL; Schema: public; Owner: postgres
--

GRANT SELECT(action) ON TABLE public.admin_actions TO authenticated;

--
-- Name: COLUMN admin_actions.target_user_id; Type: ACL; Schema: public; Owner: postgres
--

GRANT SELECT(target_user_id) ON TABLE public.admin_actions TO authenticated;

--
-- Name: COLUMN admin_actions.details; Type: ACL; Schema: public; Owner: postgres
--

GRANT SELECT(details) ON TABLE public.admin_actions TO authenticated;

--
-- Name: COLUMN admin_actions.created_at; Type: ACL; Schema: public; Owner: postgres
--

GRANT SELECT(created_at) ON TABLE public.admin_actions TO authenticated;

--
-- Name: SEQUENCE admin_actions_id_seq; Type: ACL; Schema: public; Owner: postgres
--

GRANT USAGE ON SEQUENCE public.admin_actions_id_seq TO empire_engine;

--
-- Name: TABLE api_keys; Type: ACL; Schema: public; Owner: postgres
--

GRANT SELECT ON TABLE public.api_keys TO empire_engine;

--
-- Name: COLUMN api_keys.id; Type: ACL; Schema: public; Owner: postgres
--

GRANT SELECT(id) ON TABLE public.api_keys TO authenticated;

--
-- Name: COLUMN api_keys.user_id; Type: ACL; Schema: public; Owner: postgres
--

GRANT SELECT(user_id) ON TABLE public.api_keys TO authenticated;

--
-- Name: COLUMN api_keys.name; Type: ACL; Schema: public; Owner: postgres
--

GRANT SELECT(name) ON TABLE public.api_keys TO authenticated;

--
-- Name: COLUMN api_keys.scopes; Type: ACL; Schema: public; Owner: postgres
--

GRANT SELECT(scopes) ON TABLE public.api_keys TO authenticated;

--
-- Name: COLUMN api_keys.allow_cidrs; Type: ACL; Schema: public; Owner: postgres
--

GRANT SELECT(allow_cidrs) ON TABLE public.api_keys TO authenticated;

--
-- Name: COLUMN api_keys.expires_at; Type: ACL; Schema: public; Owner: postgres
--

GRANT SELECT(expires_at) ON TABLE public.api_keys TO authenticated;

--
-- Name: COLUMN api_keys.revoked_at; Type: ACL; Schema: public; Owner: postgres
--

GRANT SELECT(revoked_at) ON TABLE public.api_keys TO authenticated;

--
-- Name: COLUMN api_keys.last_used_at; Type: ACL; Schema: public; Owner: postgres
--

GRANT SELECT(last_used_at) ON TABLE public.api_keys TO authenticated;

--
-- Name: COLUMN api_keys.created_at; Type: ACL; Schema: public; Owner: postgres
--

GRANT SELECT(created_at) ON TABLE public.api_keys TO authenticated;

--
-- Name: TABLE brands; Type: ACL; Schema: public; Owner: postgres
--

GRANT SELECT ON TABLE public.brands TO empire_engine;
GRANT SELECT ON TABLE public.brands TO authenticated;

--
-- Name: TABLE corrections; Type: ACL; Schema: public; Owner: postgres
--

GRANT SELECT,INSERT ON TABLE public.corrections TO empire_engine;
GRANT SELECT ON TABLE public.corrections TO authenticated;

--
-- Name: SEQUENCE corrections_id_seq; Type: ACL; Schema: public; Owner: postgres
--

GRANT USAGE ON SEQUENCE public.corrections_id_seq TO empire_engine;

--
-- Name: TABLE credential_seals; Type: ACL; Schema: public; Owner: postgres
--

GRANT SELECT ON TABLE public.credential_seals TO empire_engine;

--
-- Name: SEQUENCE credential_seals_id_seq; Type: ACL; Schema: public; Owner: postgres
--

GRANT USAGE ON SEQUENCE public.credential_seals_id_seq TO empire_engine;

--
-- Name: SEQUENCE deliveries_id_seq; Type: ACL; Schema: public; Owner: postgres
--

GRANT USAGE ON SEQUENCE public.deliveries_id_seq TO empire_engine;

--
-- Name: TABLE drill_runs; Type: ACL; Schema: public; Owner: postgres
--

GRANT SELECT,UPDATE ON TABLE public.drill_runs TO empire_engine;

--
-- Name: COLUMN drill_runs.id; Type: ACL; Schema: public; Owner: postgres
--

GRANT SELECT(id) ON TABLE public.drill_runs TO authenticated;

--
-- Name: COLUMN drill_runs.user_id; Type: ACL; Schema: public; Owner: postgres
--

GRANT SELECT(user_id) ON TABLE public.drill_runs TO authenticated;

--
-- Name: COLUMN drill_runs.account_id; Type: ACL; Schema: public; Owner: postgres
--

GRANT SELECT(account_id) ON TABLE public.drill_runs TO authenticated;

--
-- Name: COLUMN drill_runs.rule; Type: ACL; Schema: public; Owner: postgres
--

GRANT SELECT(rule) ON TABLE public.drill_runs TO authenticated;

--
-- Name: COLUMN drill_runs.status; Type: ACL; Schema: public; Owner: postgres
--

GRANT SELECT(status) ON TABLE public.drill_runs TO authenticated;

--
-- Name: COLUMN drill_runs.error; Type: ACL; Schema: public; Owner: postgres
--

GRANT SELECT(error) ON TABLE public.drill_runs TO authenticated;

--
-- Name: COLUMN drill_runs.requested_at; Type: ACL; Schema: public; Owner: postgres
--

GRANT SELECT(requested_at) ON TABLE public.drill_runs TO authenticated;

--
-- Name: COLUMN drill_runs.finished_at; Type: ACL; Schema: public; Owner: postgres
--

GRANT SELECT(finished_at) ON TABLE public.drill_runs TO authenticated;

--
-- Name: SEQUENCE drill_runs_id_seq; Type: ACL; Schema: public; Owner: postgres
--

GRANT USAGE ON SEQUENCE public.drill_runs_id_seq TO empire_engine;

--
-- Name: TABLE drills; Type: ACL; Schema: public; Owner: postgres
--

GRANT SELECT,INSERT ON TABLE public.drills TO empire_engine;
GRANT SELECT ON TABLE public.drills TO authenticated;

--
-- Name: TABLE drill_status; Type: ACL; Schema: public; Owner: postgres
--

GRANT SELECT ON TABLE public.drill_status TO authenticated;
GRANT SELECT ON TABLE public.drill_status TO empire_engine;

--
-- Name: SEQUENCE drills_id_seq; Type: ACL; Schema: public; Owner: postgres
--

GRANT USAGE ON SEQUENCE public.drills_id_seq TO empire_engine;

--
-- Name: TABLE equity_history; Type: ACL; Schema: public; Owner: postgres
--

GRANT SELECT,INSERT,DELETE ON TABLE public.equity_history TO empire_engine;
GRANT SELECT ON TABLE public.equity_history TO authenticated;

--
-- Name: SEQUENCE equity_history_id_seq; Type: ACL; Schema: public; Owner: postgres
--

GRANT USAGE ON SEQUENCE public.equity_history_id_seq TO empire_engine;

--
-- Name: SEQUENCE fills_id_seq; Type: ACL; Schema: public; Owner: postgres
--

GRANT USAGE ON SEQUENCE public.fills_id_seq TO empire_engine;

--
-- Name: TABLE fleet_keys; Type: ACL; Schema: public; Owner: postgres
--

GRANT SELECT ON TABLE public.fleet_keys TO authenticated;

--
-- Name: TABLE fx_rates; Type: ACL; Schema: public; Owner: postgres
--

GRANT SELECT ON TABLE public.fx_rates TO empire_engine;
GRANT SELECT ON TABLE public.fx_rates TO authenticated;

--
-- Name: TABLE health; Type: ACL; Schema: public; Owner: postgres
--

GRANT SELECT,UPDATE ON TABLE public.health TO empire_engine;
GRANT SELECT ON TABLE public.health TO anon;
GRANT SELECT ON TABLE public.health TO authenticated;

--
-- Name: TABLE logs; Type: ACL; Schema: public; Owner: postgres
--

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.logs TO empire_engine;
GRANT SELECT ON TABLE public.logs TO authenticated;

--
-- Name: SEQUENCE logs_id_seq; Type: ACL; Schema: public; Owner: postgres
--

GRANT USAGE ON SEQUENCE public.logs_id_seq TO empire_engine;

--
-- Name: TABLE notifications; Type: ACL; Schema: public; Owner: postgres
--

GRANT SELECT ON TABLE public.notifications TO authenticated;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.notifications TO empire_engine;

--
-- Name: SEQUENCE notifications_id_seq; Type: ACL; Schema: public; Owner: postgres
--

GRANT USAGE ON SEQUENCE public.notifications_id_seq TO empire_engine;

--
-- Name: TABLE order_transitions; Type: ACL; Schema: public; Owner: postgres
--

GRANT SELECT ON TABLE public.order_transitions TO empire_engine;
GRANT SELECT ON TABLE public.order_transitions TO authenticated;

--
-- Name: SEQUENCE orders_id_seq; Type: ACL; Schema: public; Owner: postgres
--

GRANT USAGE ON SEQUENCE public.orders_id_seq TO empire_engine;

--
-- Name: TABLE pending_risk; Type: ACL; Schema: public; Owner: postgres
--

GRANT SELECT ON TABLE public.pending_risk TO authenticated;

--
-- Name: TABLE plan_limits; Type: ACL; Schema: public; Owner: postgres
--

GRANT SELECT ON TABLE public.plan_limits TO empire_engine;
GRANT SELECT ON TABLE public.plan_limits TO authenticated;

--
-- Name: SEQUENCE positions_id_seq; Type: ACL; Schema: public; Owner: postgres
--

GRANT USAGE ON SEQUENCE public.positions_id_seq TO empire_engine;

--
-- Name: SEQUENCE risk_settings_id_seq; Type: ACL; Schema: public; Owner: postgres
--

GRANT USAGE ON SEQUENCE public.risk_settings_id_seq TO empire_engine;

--
-- Name: TABLE subscriptions; Type: ACL; Schema: public; Owner: postgres
--

GRANT SELECT ON TABLE public.subscriptions TO empire_engine;
GRANT SELECT ON TABLE public.subscriptions TO authenticated;

--
-- Name: TABLE symbol_map; Type: ACL; Schema: public; Owner: postgres
--

GRANT SELECT ON TABLE public.symbol_map TO empire_engine;
GRANT SELECT,DELETE ON TABLE public.symbol_map TO authenticated;

--
-- Name: COLUMN symbol_map.user_id; Type: ACL; Schema: public; Owner: postgres
--

GRANT INSERT(user_id) ON TABLE public.symbol_map TO authenticated;

--
-- Name: COLUMN symbol_map.account_id; Type: ACL; Schema: public; Owner: postgres
--

GRANT INSERT(account_id),UPDATE(account_id) ON TABLE public.symbol_map TO authenticated;

--
-- Name: COLUMN symbol_map.tv_symbol; Type: ACL; Schema: public; Owner: postgres
--

GRANT INSERT(tv_symbol),UPDATE(tv_symbol) ON TABLE public.symbol_map TO authenticated;

--
-- Name: COLUMN symbol_map.venue_symbol; Type: ACL; Schema: public; Owner: postgres
--

GRANT INSERT(venue_symbol),UPDATE(venue_symbol) ON TABLE public.symbol_map TO authenticated;

--
-- Name: COLUMN symbol_map.pip_size; Type: ACL; Schema: public; Owner: postgres
--

GRANT INSERT(pip_size),UPDATE(pip_size) ON TABLE public.symbol_map TO authenticated;

--
-- Name: SEQUENCE symbol_map_id_seq; Type: ACL; Schema: public; Owner: postgres
--

GRANT USAGE ON SEQUENCE public.symbol_map_id_seq TO empire_engine;

--
-- Name: SEQUENCE trading_config_id_seq; Type: ACL; Schema: public; Owner: postgres
--

GRANT USAGE ON SEQUENCE public.trading_config_id_seq TO empire_engine;

--
-- Name: TABLE webhook_endpoint_accounts; Type: ACL; Schema: public; Owner: postgres
--

GRANT SELECT ON TABLE public.webhook_endpoint_accounts TO empire_engine;
GRANT SELECT ON TABLE public.webhook_endpoint_accounts TO authenticated;

--
-- Name: SEQUENCE webhook_events_id_seq; Type: ACL; Schema: public; Owner: postgres
--

GRANT USAGE ON SEQUENCE public.webhook_events_id_seq TO empire_engine;

--
-- PostgreSQL database dump complete
--
