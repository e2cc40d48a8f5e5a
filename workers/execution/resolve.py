"""Signal -> RiskContext: instrument, quote, account state, limits. The only stage before `write` that reads.

What the claim brought is used as it is; the broker is asked only for what is missing or too old.
"""

from __future__ import annotations

from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TypeVar

from msgspec.structs import replace

from shared.brokers.port import Broker, Capabilities, ReadFailed
from shared.models.context import (
    Counters,
    EndpointRules,
    ExitTerms,
    Limits,
    RiskContext,
    SymbolWord,
    TradingDefaults,
)
from shared.models.enums import Action, Freshness, QtyMode, StopMode
from shared.models.market import Ambiguous, Instrument, Quote
from shared.models.signal import Signal, StopSpec
from shared.models.trading import Account, AccountSnapshot, Position, WorkingOrder
from shared.store.rows import Claimed, Defaults, Event

MONEY_MODES = frozenset({QtyMode.RISK_PCT, QtyMode.RISK_USD, QtyMode.EQUITY_PCT, QtyMode.NOTIONAL})
MONEY_RULES = (
    "daily_loss", "weekly_loss", "daily_profit", "trailing_drawdown", "static_floor", "consistency",
)  # fmt: skip
MONEY_AGE = timedelta(seconds=5)
"""A size that is a share of the account, and a rule of what it may lose, need money read within this time.

So does the word that nothing is open."""
EXITS = frozenset({Action.CLOSE, Action.REDUCE, Action.REVERSE, Action.TARGET})
"""What does something to a position, where there is one."""
NO_RULES, NO_LIMITS, NO_DEFAULTS, NOTHING_COUNTED = EndpointRules(), Limits(), Defaults(), Counters()
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Resolved:
    """The context, and the snapshot when one had to be read (to be recorded with the delivery)."""

    context: RiskContext
    snapshot: AccountSnapshot | None
    unread: str | None


async def context_for(claimed: Claimed, signal: Signal, broker: Broker) -> Resolved:
    """Everything the decisions may look at. What could not be read is unknown in it, never empty or flat."""
    account = claimed.account.account()
    unread: list[str] = []
    found = quote = snapshot = None
    if signal.symbol is not None:
        found = await _read(instrument_for(broker, signal.symbol, claimed.word), unread)
    asked = not unread
    must_read = _must_read(claimed, signal, account) or _flat_of_old(claimed, signal, found)
    if must_read:
        snapshot = await _read(broker.snapshot(), unread)
    positions = claimed.positions if snapshot is None else _positions(claimed, snapshot)
    orders = claimed.orders if snapshot is None else _orders(claimed, snapshot)
    if isinstance(found, Ambiguous) and signal.is_exit:
        found = await _read(_held(broker, found, (*positions, *orders)), unread)
    instrument = found if isinstance(found, Instrument) else None
    if instrument is not None:
        quote = await _read(broker.quote(instrument, signal.ref_price), unread)
    held = await _held_instruments(broker, claimed, signal, (*positions, *orders), unread)
    dollars = _needs_dollars(claimed, signal)
    quoted = {each.quote_currency for each in (instrument, *held.values()) if each is not None}
    rates = await _read(_rates(broker, account, instrument, quote, quoted, dollars), unread) or {}
    context = RiskContext(
        now=claimed.now,
        account=_with_money(account, snapshot),
        instrument=instrument,
        quote=quote,
        positions=positions,
        orders=orders,
        positions_known=snapshot is not None or not must_read,
        instrument_known=asked,
        unresolved=frozenset(claimed.unresolved),
        endpoint=claimed.endpoint or NO_RULES,
        limits=claimed.limits or NO_LIMITS,
        defaults=_defaults(claimed.defaults or NO_DEFAULTS),
        counters=claimed.counters or NOTHING_COUNTED,
        risk=claimed.risk,
        trading_halted=claimed.trading_halted,
        rates=rates,
        usd_rate=rates.get("USD"),
        word=claimed.word,
        tifs=broker.capabilities.tifs,
        tag_qty=_held_by_tag(claimed, instrument),
        ambiguous=found if isinstance(found, Ambiguous) else None,
        margin_used=snapshot.margin_used if snapshot is not None else None,
        held={root: each for root, each in held.items() if instrument is None or root != instrument.root},
        fired_at=_fired_at(claimed.event),
        exits=_exit_terms(broker.capabilities),
    )
    return Resolved(context, snapshot, "; ".join(unread) or None)


async def instrument_for(
    broker: Broker, symbol: str, word: SymbolWord | None
) -> Instrument | Ambiguous | None:
    """What the symbol means here. The trader's own word decides before anything is guessed."""
    if word is None:
        return await broker.instrument(symbol)
    found = await broker.instrument(word.venue_symbol)
    if not isinstance(found, Instrument):
        return found
    why = f"{symbol} is {word.venue_symbol}: the symbol map says so"
    return replace(found, why=why, pip_size=found.pip_size if word.pip_size is None else word.pip_size)


def _exit_terms(can: Capabilities) -> ExitTerms:
    return ExitTerms(can.limit_exits, can.partial_close, can.stop_orders)


def _fired_at(event: Event) -> datetime:
    """When the alert fired, by its own word, and never later than it came."""
    return event.received_at if event.fired_at is None else min(event.fired_at, event.received_at)


def _held_by_tag(claimed: Claimed, instrument: Instrument | None) -> Decimal | None:
    """What the tag's fills still hold of this root; None where nobody counts (hedging, no tag)."""
    if claimed.tag_held is None or instrument is None:
        return None
    return claimed.tag_held.get(instrument.root, Decimal(0))


async def _held(
    broker: Broker, found: Ambiguous, seen: Sequence[Position | WorkingOrder]
) -> Instrument | Ambiguous | None:
    """Of what a symbol could mean an exit means the one that is held. None = there is nothing to exit from."""
    names = {name for each in seen for name in (each.symbol, each.venue_symbol)}
    held = tuple(name for name in found.candidates if name in names)
    if len(held) > 1:
        return replace(found, candidates=held)
    instrument = await broker.instrument(held[0]) if held else None
    if not isinstance(instrument, Instrument):
        return instrument
    return replace(
        instrument, why=f"{found.symbol} is {held[0]}: of {', '.join(found.candidates)} the one held"
    )


async def _read(reading: Awaitable[T], unread: list[str]) -> T | None:
    """The value, or None with the reason kept: one read that fails does not take the others with it."""
    try:
        return await reading
    except ReadFailed as error:
        unread.append(str(error) or "the broker could not be read")
        return None


def _flat_of_old(claimed: Claimed, signal: Signal, found: Instrument | Ambiguous | None) -> bool:
    """An exit that finds nothing to exit from, by books that somebody may have overtaken at the broker: it looks."""
    as_of = claimed.account.as_of
    if signal.action not in EXITS or (as_of is not None and claimed.now - as_of <= MONEY_AGE):
        return False
    root = found.root if isinstance(found, Instrument) else None
    return not any(root is None or each.root == root for each in claimed.positions)


def _must_read(claimed: Claimed, signal: Signal, account: Account) -> bool:
    """A flatten looks itself; else only when what we know is not fresh, or too old for the size asked."""
    if account.freshness is not Freshness.FRESH or signal.action is Action.FLATTEN:
        return True
    if signal.is_exit:
        return False
    if any(each.rules.margin_use is not None for each in (claimed.limits or NO_LIMITS).rule_sets):
        return True  # what is used of the margin only a read tells
    wants_money = _money_mode(claimed, signal) or _money_rule(claimed.limits or NO_LIMITS)
    return wants_money and (account.as_of is None or claimed.now - account.as_of > MONEY_AGE)


def _money_rule(limits: Limits) -> bool:
    """Whether a rule is set that asks what the account is worth now."""
    if limits.max_daily_loss_usd is not None or limits.max_daily_loss_pct is not None:
        return True
    return any(getattr(each.rules, rule) is not None for each in limits.rule_sets for rule in MONEY_RULES)


def _money_mode(claimed: Claimed, signal: Signal) -> bool:
    endpoint = claimed.endpoint or NO_RULES
    mode = signal.qty_mode or endpoint.qty_mode or (claimed.defaults or NO_DEFAULTS).qty_mode
    return not signal.is_exit and mode in MONEY_MODES


async def _held_instruments(
    broker: Broker,
    claimed: Claimed,
    signal: Signal,
    seen: Sequence[Position | WorkingOrder],
    unread: list[str],
) -> dict[str, Instrument]:
    """What the broker states about the roots the account holds, where a rule values them."""
    if claimed.risk is None or signal.is_exit:
        return {}
    symbols = {each.root: each.symbol for each in seen}
    found = {root: await _read(broker.instrument(symbol), unread) for root, symbol in symbols.items()}
    return {root: each for root, each in found.items() if isinstance(each, Instrument)}


def _needs_dollars(claimed: Claimed, signal: Signal) -> bool:
    if claimed.risk is not None and not signal.is_exit:
        return True
    given = (signal.sl, *(signal.tp or ()))
    return _money_mode(claimed, signal) or any(each and each.mode is StopMode.USD for each in given)


async def _rates(
    broker: Broker,
    account: Account,
    instrument: Instrument | None,
    quote: Quote | None,
    quoted: set[str],
    dollars: bool,
) -> Mapping[str, Decimal]:
    """Account currency per unit of each quote currency, and per dollar where money is in dollars."""
    wanted = quoted | {"USD"} if dollars else quoted
    rates = {account.currency: Decimal(1)}
    for currency in sorted(wanted - rates.keys()):
        if (
            instrument
            and quote
            and (instrument.base_currency, instrument.quote_currency)
            == (
                account.currency,
                currency,
            )
        ):
            rates[currency] = 1 / quote.ask
        elif (rate := await broker.rate(currency, account.currency)) is not None:
            rates[currency] = rate
    return rates


def _with_money(account: Account, snapshot: AccountSnapshot | None) -> Account:
    if snapshot is None:
        return account
    return replace(
        account,
        balance=snapshot.balance,
        equity=snapshot.equity,
        as_of=snapshot.at,
        freshness=Freshness.FRESH,
    )


def _positions(claimed: Claimed, snapshot: AccountSnapshot) -> tuple[Position, ...]:
    """What the broker holds, with what we know of who opened it."""
    known = {each.venue_position_id: each for each in claimed.positions}
    return tuple(
        replace(each, id=ours.id, endpoint_id=ours.endpoint_id, tag=ours.tag) if ours else each
        for each in snapshot.positions
        for ours in [known.get(each.venue_position_id)]
    )


def _orders(claimed: Claimed, snapshot: AccountSnapshot) -> tuple[WorkingOrder, ...]:
    known = {each.venue_order_id: each for each in claimed.orders if each.venue_order_id is not None}
    return tuple(
        replace(each, id=ours.id, endpoint_id=ours.endpoint_id, tag=ours.tag, origin=ours.origin)
        if ours
        else each
        for each in snapshot.orders
        for ours in [known.get(each.venue_order_id) if each.venue_order_id is not None else None]
    )


def _defaults(defaults: Defaults) -> TradingDefaults:
    """trading_config's percentages as stop and target; a reward ratio is used where no percentage is set."""
    sl = StopSpec(StopMode.PCT, defaults.sl_pct) if defaults.sl_pct is not None else None
    tp = None
    if defaults.tp_pct is not None:
        tp = StopSpec(StopMode.PCT, defaults.tp_pct)
    elif defaults.rr is not None:
        tp = StopSpec(StopMode.RR, defaults.rr)
    return TradingDefaults(qty_mode=defaults.qty_mode, qty=defaults.qty, sl=sl, tp=tp)
