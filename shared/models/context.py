"""Everything a decision may look at, gathered by the resolve stage: pure stages read nothing else."""

from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal

from msgspec import Struct, field

from shared.models.enums import OnOpposite, OnSame, QtyMode, Scope, Side
from shared.models.limits import ScopedRules
from shared.models.market import Ambiguous, Instrument, Quote
from shared.models.signal import StopSpec
from shared.models.trading import Account, Position, WorkingOrder


class EndpointRules(Struct, frozen=True):
    """What the webhook endpoint says about its alerts. Alerts that came in otherwise have the defaults."""

    id: str | None = None
    on_same: OnSame = OnSame.ADD
    on_opposite: OnOpposite = OnOpposite.REFUSE
    scope: Scope = Scope.ENDPOINT
    multiplier: Decimal = Decimal(1)
    max_qty: Decimal | None = None
    allowed_symbols: tuple[str, ...] | None = None
    qty_mode: QtyMode | None = None
    qty: Decimal | None = None


class Limits(Struct, frozen=True):
    """The limits in force. None = no limit, 0 = nothing allowed.

    The columns hold the tightest of user, user + broker and account; `rule_sets` the rules of each of the three
    that sets any: all are asked.
    """

    max_order_qty: Decimal | None = None
    max_trades_per_day: int | None = None
    max_open_trades: int | None = None
    max_concurrent_positions: int | None = None
    max_risk_per_trade_pct: Decimal | None = Decimal(5)
    max_daily_loss_usd: Decimal | None = None
    max_daily_loss_pct: Decimal | None = None
    stop_required: bool = False
    allowed_symbols: tuple[str, ...] | None = None
    max_price_deviation_pct: Decimal | None = None
    rule_sets: tuple[ScopedRules, ...] = ()


class TradingDefaults(Struct, frozen=True):
    """trading_config in force, merged account > broker > user. `slippage_ticks` is allowed for when sizing by risk."""

    qty_mode: QtyMode | None = None
    qty: Decimal | None = None
    sl: StopSpec | None = None
    tp: StopSpec | None = None
    slippage_ticks: Decimal = Decimal(0)


class TradingDay(Struct, frozen=True):
    """The account's trading day, from reset to reset in its own zone. Money in account currency.

    `flows` are deposits minus withdrawals since `began_at`; `high_water` and `low_water` the extremes of equity.
    """

    trading_day: date
    began_at: datetime
    ends_at: datetime
    start_balance: Decimal | None
    start_equity: Decimal | None
    flows: Decimal = Decimal(0)
    high_water: Decimal | None = None
    low_water: Decimal | None = None


class TradingWeek(Struct, frozen=True):
    """The week so far: it begins with the first trading day after Sunday's reset. Money as in TradingDay."""

    start_equity: Decimal | None
    flows: Decimal = Decimal(0)
    ends_at: datetime | None = None


class InFlight(Struct, frozen=True):
    """An entry of another delivery that is admitted and not yet part of a position."""

    root: str
    side: Side
    qty: Decimal
    notional_usd: Decimal | None = None


class Elsewhere(Struct, frozen=True):
    """An open position or a working entry of another account of the same trader."""

    account_id: str
    root: str
    side: Side
    qty: Decimal
    notional_usd: Decimal | None = None


class RiskState(Struct, frozen=True):
    """What the database remembers of an account's money. None = not known: a rule that needs it denies.

    `day` is None when its reset was not seen and nothing rebuilt or confirmed it. `high_close` is the highest balance
    at a day's close and `peak_equity` the highest equity, since the account is watched or from what was seeded.
    `best_day` is the best net day, `net_profit` the sum of net days. `losses_in_a_row` counts closed round trips that
    lost, net. `in_flight_loss` is what the entries of `in_flight` lose at worst. `unprotected` positions have no stop.
    `twin` is the earlier delivery that asked for the same. `others` are the trader's other accounts.
    """

    initial_balance: Decimal | None = None
    day: TradingDay | None = None
    week: TradingWeek | None = None
    high_close: Decimal | None = None
    peak_equity: Decimal | None = None
    best_day: Decimal | None = None
    net_profit: Decimal | None = None
    losses_in_a_row: int = 0
    last_loss_at: datetime | None = None
    in_flight_loss: Decimal = Decimal(0)
    in_flight: tuple[InFlight, ...] = ()
    unprotected: int = 0
    twin: int | None = None
    others: tuple[Elsewhere, ...] = ()


class Counters(Struct, frozen=True):
    """Trades of the trading day (reserved with the order, so entries in flight are in it), and entries in flight."""

    trades_today: int = 0
    entries_in_flight: int = 0


class SymbolWord(Struct, frozen=True):
    """The trader's own word for the alert's symbol on this account (symbol_map). `pip_size` None = not said."""

    venue_symbol: str
    pip_size: Decimal | None = None
    tv_symbol: str | None = None


class ExitTerms(Struct, frozen=True):
    """What the broker can do about exits. The port's words: shared/brokers/port.py, Capabilities."""

    limit_exits: bool = True
    partial_close: bool = True
    stop_orders: bool = True


class RiskContext(Struct, frozen=True):
    """One account at one moment. `now` is the database's clock at the claim.

    `instrument_known` False: the broker could not be asked; None with True: it has no such instrument.
    `positions` and `orders` are all of the account's, `positions_known` is False when they could not be read:
    then no order may be sized or reversed from them. `unresolved` holds roots (symbols) with an order whose
    outcome is unknown. `rates` maps a currency to the account currency (1 unit = rate), each fresh <= 60 s.
    `usd_rate` is account currency per US dollar. `tag_qty` (netting) is the signed quantity which fills with the
    signal's tag still hold; None = not counted: then a position holds it whose own tag it is. `word` is what the trader
    says the alert's symbol means here; `instrument` was looked for by it. `tifs` are the times in force the broker
    knows (None = not asked). `ambiguous`: several instruments fit it. `risk` is what the database remembers of the
    account's money (None where the user has no limits). `margin_used` is what the broker states as used, in account
    currency; None = it does not. `held` are the instruments of the account's positions and entries by root, where a
    rule needs them. `fired_at` is when the alert fired, or else came; None = not born of an alert. `exits`: what the
    broker can do about them.
    """

    now: datetime
    account: Account
    instrument: Instrument | None
    quote: Quote | None
    positions: tuple[Position, ...] = ()
    orders: tuple[WorkingOrder, ...] = ()
    positions_known: bool = True
    instrument_known: bool = True
    unresolved: frozenset[str] = frozenset()
    endpoint: EndpointRules = EndpointRules()
    limits: Limits = Limits()
    defaults: TradingDefaults = TradingDefaults()
    counters: Counters = Counters()
    trading_halted: bool = False
    rates: Mapping[str, Decimal] = field(default_factory=dict)
    usd_rate: Decimal | None = None
    tag_qty: Decimal | None = None
    word: SymbolWord | None = None
    tifs: frozenset[str] | None = None
    ambiguous: Ambiguous | None = None
    risk: RiskState | None = None
    margin_used: Decimal | None = None
    held: Mapping[str, Instrument] = field(default_factory=dict)
    fired_at: datetime | None = None
    exits: ExitTerms = ExitTerms()
