"""What each rule without an amount of its own must answer, told a second time and without the rules' code.

A model draws a situation and says whether the rule of its name denies an entry of ENTRY's market in it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Any

from hypothesis import assume
from hypothesis import strategies as st
from msgspec.structs import replace

from shared.models.command import Leg, Protection
from shared.models.context import Counters, Elsewhere, Limits, RiskContext
from shared.models.enums import MarginMode, Side
from shared.models.limits import ScopedRules
from shared.risk.calendars import NEWS
from tests.unit.risk.asking import CLOSE, ENTRY
from tests.unit.risk.builders import (
    BUY,
    NOW,
    SELL,
    D,
    EndpointRules,
    account,
    context,
    order,
    position,
    risk_state,
    scoped,
)
from tests.unit.risk.worlds import money, some

MINUTE = timedelta(minutes=1)
WEEK = 7 * 24 * 60
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
OFFSETS = {"UTC": 0, "Asia/Tokyo": 9, "America/Phoenix": -7}
"""Zones without summer time, in hours: what a window of theirs means can be counted on the fingers."""


@dataclass(frozen=True, slots=True)
class Situation:
    """A plan in a context, and what the rule must say of it."""

    ctx: RiskContext
    legs: tuple[Leg, ...]
    denied: bool


Model = Callable[[st.DrawFn], Situation]


def plain(**changes: Any) -> RiskContext:
    """A context in which everything is known and nothing is set."""
    return replace(context(risk=risk_state(), fired_at=NOW), **changes)


def entry(denied: bool, leg: Leg = ENTRY, *sets: ScopedRules, **changes: Any) -> Situation:
    """One entry before the rule."""
    ctx = plain(**changes)
    return Situation(replace(ctx, limits=replace(ctx.limits, rule_sets=sets)), (leg,), denied)


# --- switches -----------------------------------------------------------------------------------------------------


def kill_switch(draw: st.DrawFn) -> Situation:
    halted = draw(st.booleans())
    return entry(halted, trading_halted=halted)


def account_enabled(draw: st.DrawFn) -> Situation:
    enabled = draw(st.booleans())
    return entry(not enabled, account=account(trading_enabled=enabled))


def account_unlocked(draw: st.DrawFn) -> Situation:
    left = draw(st.none() | st.integers(-2, 2))
    until = None if left is None else NOW + timedelta(microseconds=left)
    return entry(left is not None and left > 0, account=account(locked_until=until))


def no_unresolved_order(draw: st.DrawFn) -> Situation:
    names = draw(st.frozensets(st.sampled_from(["EURUSD", "USDJPY", "MNQ"])))
    return entry("EURUSD" in names, unresolved=names)


def positions_known(draw: st.DrawFn) -> Situation:
    known = draw(st.booleans())
    return entry(not known, positions_known=known)


# --- what and how much --------------------------------------------------------------------------------------------


def symbol_allowed(draw: st.DrawFn) -> Situation:
    lists = st.none() | st.lists(st.sampled_from(["XAUUSD", "OANDA:EURUSD", "eurusd", "EURUSDX"])).map(tuple)
    of_account, of_endpoint = draw(lists), draw(lists)
    fits = [{"OANDA:EURUSD", "eurusd"} & set(each) for each in (of_account, of_endpoint) if each is not None]
    endpoint = EndpointRules(id="e", allowed_symbols=of_endpoint)
    return entry(not all(fits), endpoint=endpoint, limits=Limits(allowed_symbols=of_account))


def sides(draw: st.DrawFn) -> Situation:
    side, lists = draw(st.sampled_from(Side)), st.sets(st.sampled_from(["buy", "sell"])).map(tuple)
    user, own = draw(lists), draw(lists)
    sets = (scoped("user", sides={"allowed": user}), scoped("account", sides={"allowed": own}))
    return entry(side.value not in {*user} & {*own}, replace(ENTRY, side=side), *sets)


def order_size(draw: st.DrawFn) -> Situation:
    ceilings = st.none() | some("0", "2")
    of_account, of_endpoint, qty = draw(ceilings), draw(ceilings), draw(some("0.01", "2"))
    over = any(each is not None and qty > each for each in (of_account, of_endpoint))
    endpoint = EndpointRules(id="e", max_qty=of_endpoint)
    return entry(over, replace(ENTRY, qty=qty), endpoint=endpoint, limits=Limits(max_order_qty=of_account))


def no_opposite(draw: st.DrawFn) -> Situation:
    others = draw(
        st.lists(
            st.tuples(st.sampled_from(["EURUSD", "eurusd", "XAUUSD"]), st.sampled_from(Side)), max_size=3
        )
    )
    held = tuple(Elsewhere("b", root, side, D(1)) for root, side in others)
    against = any(root.upper() == "EURUSD" and side is SELL for root, side in others)
    return entry(against, ENTRY, scoped("user", no_opposite={}), risk=risk_state(others=held))


# --- how many -----------------------------------------------------------------------------------------------------


def trades_per_day(draw: st.DrawFn) -> Situation:
    used, most = draw(st.integers(0, 4)), draw(st.none() | st.integers(0, 4))
    over = most is not None and used >= most
    return entry(over, counters=Counters(trades_today=used), limits=Limits(max_trades_per_day=most))


def _held(draw: st.DrawFn) -> tuple[list[str], list[str], dict[str, Any], tuple[Leg, ...]]:
    """Symbols held before and after the plan, what the context says of them, and the plan: closes, then the entry."""
    mode = draw(st.sampled_from(MarginMode))
    before = draw(
        st.lists(
            st.sampled_from(["EURUSD", "XAUUSD", "USDJPY"]), max_size=3, unique=mode is MarginMode.NETTING
        )
    )
    closed = draw(st.sets(st.sampled_from(range(len(before))))) if before else set()
    held = tuple(position(symbol=symbol, number=at) for at, symbol in enumerate(before))
    legs = tuple(
        replace(CLOSE, symbol=before[at], root=before[at], venue_position_id=f"p{at}")
        for at in sorted(closed)
    )
    after = [symbol for at, symbol in enumerate(before) if at not in closed]
    return before, after, {"account": account(mode), "positions": held}, (*legs, ENTRY)


def open_trades(draw: st.DrawFn) -> Situation:
    _, after, facts, legs = _held(draw)
    waiting, flying, most = draw(st.integers(0, 2)), draw(st.integers(0, 2)), draw(st.integers(0, 6))
    orders = tuple(order(BUY, number=each) for each in range(waiting))
    counters = Counters(entries_in_flight=flying)
    ctx = plain(**facts, orders=orders, counters=counters, limits=Limits(max_open_trades=most))
    return Situation(ctx, legs, len(after) + waiting + flying + 1 > most)


def concurrent_positions(draw: st.DrawFn) -> Situation:
    _, after, facts, legs = _held(draw)
    flying, most = draw(st.integers(0, 2)), draw(st.integers(0, 5))
    adds = facts["account"].margin_mode is MarginMode.NETTING and "EURUSD" in after
    ctx = plain(
        **facts, counters=Counters(entries_in_flight=flying), limits=Limits(max_concurrent_positions=most)
    )
    return Situation(ctx, legs, len(after) + flying + (0 if adds else 1) > most)


# --- prices and money ---------------------------------------------------------------------------------------------


def stop_required(draw: st.DrawFn) -> Situation:
    required, stop_price = draw(st.booleans()), draw(st.sampled_from([None, D("1.09")]))
    leg = replace(ENTRY, protection=Protection(stop_loss=stop_price))
    return entry(required and stop_price is None, leg, limits=Limits(stop_required=required))


def price_near_alert(draw: st.DrawFn) -> Situation:
    """A buy fills at 1.1."""
    said, most_pct = draw(st.none() | some("1.08", "1.12", 4)), draw(some("0", "2"))
    away = 0 if said is None else abs(D("1.1") - said) * 100
    denied = said is not None and away > most_pct * said
    return entry(denied, replace(ENTRY, ref_price=said), limits=Limits(max_price_deviation_pct=most_pct))


def risk_per_trade(draw: st.DrawFn) -> Situation:
    balance, equity, loss = draw(money(1, 20000)), draw(money(-10, 20000)), draw(money(0, 500))
    most_pct = draw(some("0", "5"))
    base = min(balance, equity)
    denied = base <= 0 or loss > base * most_pct / Decimal(100)
    ctx_account = account(balance=balance, equity=equity)
    leg, set_ = replace(ENTRY, worst_loss=loss), Limits(max_risk_per_trade_pct=most_pct)
    return entry(denied, leg, account=ctx_account, limits=set_)


# --- when ---------------------------------------------------------------------------------------------------------


def hours(draw: st.DrawFn) -> Situation:
    """Minutes of a week, from Monday 0:00 of the windows' zone."""
    zone, minute = draw(st.sampled_from(sorted(OFFSETS))), draw(st.integers(0, WEEK - 1))
    quarters = st.integers(0, 95).map(lambda each: each * 15)
    windows, is_open = [], False
    for _ in range(draw(st.integers(1, 3))):
        days, begin, end = (
            draw(st.sets(st.sampled_from(range(7)), min_size=1)),
            draw(quarters),
            draw(quarters),
        )
        assume(begin != end)
        lasts = (end - begin) % (24 * 60)
        is_open |= any((minute - day * 24 * 60 - begin) % WEEK < lasts for day in days)
        named = tuple(DAYS[day] for day in sorted(days))
        windows.append({"days": named, "from": _clock(begin), "to": _clock(end)})
    monday = NOW.replace(hour=0, minute=0) - NOW.weekday() * 24 * 60 * MINUTE
    now = monday + (minute - OFFSETS[zone] * 60) * MINUTE
    return entry(not is_open, ENTRY, scoped("user", hours={"windows": tuple(windows), "tz": zone}), now=now)


def _clock(minute: int) -> str:
    return f"{minute // 60:02}:{minute % 60:02}"


def news(draw: st.DrawFn) -> Situation:
    """From so many minutes before an event until so many after it, the last minute not included."""
    calendar = NEWS["us_high_impact"]
    moments = [moment for moment, _ in calendar.moments]
    before, after = draw(st.integers(0, 90)), draw(st.integers(0, 90))
    now = draw(st.sampled_from(moments)) + draw(st.integers(-91, 91)) * MINUTE
    assume(calendar.covers(now) and calendar.covers(now + before * MINUTE))
    near = any(each - before * MINUTE <= now < each + after * MINUTE for each in moments)
    setting = {"calendar": "us_high_impact", "before_min": before, "after_min": after}
    return entry(near, ENTRY, scoped("broker", news=setting), now=now)


MODELS: Mapping[str, Model] = {
    each.__name__: each
    for each in (
        kill_switch, account_enabled, account_unlocked, no_unresolved_order, positions_known,
        symbol_allowed, sides, order_size, no_opposite, trades_per_day, open_trades, concurrent_positions,
        stop_required, price_near_alert, risk_per_trade, hours, news,
    )
}  # fmt: skip


@st.composite
def situations(draw: st.DrawFn, rule: str) -> Situation:
    """What the model of this rule draws."""
    return MODELS[rule](draw)
