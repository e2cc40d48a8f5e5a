"""Everything a decision may look at, gathered by the resolve stage: pure stages read nothing else."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from shared.models.enums import OnOpposite, OnSame, QtyMode, Scope
from shared.models.market import Ambiguous, Instrument, Quote
from shared.models.signal import StopSpec
from shared.models.trading import Account, Position, WorkingOrder


@dataclass(frozen=True, slots=True)
class EndpointRules:
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


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits in force: the tightest of user, user + broker and account. None = no limit, 0 = nothing allowed."""

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


@dataclass(frozen=True, slots=True)
class TradingDefaults:
    """trading_config in force, merged account > broker > user. `slippage_ticks` is allowed for when sizing by risk."""

    qty_mode: QtyMode | None = None
    qty: Decimal | None = None
    sl: StopSpec | None = None
    tp: StopSpec | None = None
    slippage_ticks: Decimal = Decimal(0)


@dataclass(frozen=True, slots=True)
class DayLoss:
    """The trading day so far, in account currency (semantics 6).

    `loss` = reference at the reset - equity now + withdrawals - deposits (negative = profit); `open_risk` = what the
    open positions still lose down to their stops; `reference` is what a limit in percent counts from.
    """

    loss: Decimal
    open_risk: Decimal
    reference: Decimal


@dataclass(frozen=True, slots=True)
class Counters:
    """Trades of the trading day (reserved with the order, so entries in flight are in it), and entries in flight."""

    trades_today: int = 0
    entries_in_flight: int = 0


@dataclass(frozen=True, slots=True)
class SymbolWord:
    """The trader's own word for the alert's symbol on this account (symbol_map). `pip_size` None = not said."""

    venue_symbol: str
    pip_size: Decimal | None = None
    tv_symbol: str | None = None


@dataclass(frozen=True, slots=True)
class RiskContext:
    """One account at one moment. `now` is the database's clock at the claim.

    `instrument_known` False: the broker could not be asked; None with True: it has no such instrument.
    `positions` and `orders` are all of the account's, `positions_known` is False when they could not be read:
    then no order may be sized or reversed from them. `unresolved` holds roots (symbols) with an order whose
    outcome is unknown. `rates` maps a currency to the account currency (1 unit = rate), each fresh <= 60 s.
    `usd_rate` is account currency per US dollar. `tag_qty` (netting) is the signed quantity which fills with the
    signal's tag still hold; None = not counted: then a position holds it whose own tag it is. `day` is None when
    the start of the day is not known: with a daily loss limit set, entries are denied. `word` is what the trader
    says the alert's symbol means here; `instrument` was looked for by it. `tifs` are the times in force the broker
    knows (None = not asked). `ambiguous`: several instruments fit it.
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
    day: DayLoss | None = None
    word: SymbolWord | None = None
    tifs: frozenset[str] | None = None
    ambiguous: Ambiguous | None = None
