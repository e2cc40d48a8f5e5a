"""Exits of an entry that fills after its own answer: where its average says they belong, decided from one read. Pure.

A waiting order fills when nobody of ours is looking, better or worse than its price, and in parts. Its stop and
target keep their distance from the average of all that it has filled (semantics 5): what is risked is what was
approved. Whoever has set one of them elsewhere since has the last word.
"""

from datetime import datetime
from decimal import Decimal, localcontext

from msgspec.structs import replace

from shared.models.enums import DeliveryOutcome
from shared.models.guard import CLOSE, MOVE, Anchored, Guard
from shared.models.market import Instrument
from shared.models.reasons import Reason
from shared.models.trading import Position
from shared.risk.decision import Denied
from shared.risk.grid import EXACT, shown
from shared.risk.guarding import REMEMBERED, Act, Look, asking, fills_on, may_ask
from shared.risk.levels import Market, ahead, room
from shared.risk.prices import Anchor, stop_price, target_price


def is_due(guard: Guard) -> bool:
    """Whether its average is another one than its exits were measured from."""
    return guard.anchor is not None and bool(guard.qty) and guard.anchor.price != guard.entry_price


def measured(
    told: Look, before: Guard, position: Position | None, market: Market | None, now: datetime
) -> Look:
    """A guard's look with what its entry's average asks for; another move of the stop waits for the next read."""
    guard = told.guard
    if guard.anchor is None or told.ended is not None or (told.act is not None and told.act.kind != MOVE):
        return told
    if not is_due(guard):
        return told if told.act is not None else _over(told)
    if position is None or position.side is not guard.side or market is None or not market.usable(now):
        return told
    if position.stop_loss is None and guard.anchor.sl is not None:
        return told  # first of all it gets a stop (shared/risk/naked.py)
    alone = replace(told, guard=replace(guard, stop=before.stop, failures=before.failures), act=None)
    with localcontext(EXACT):
        found = _measured(alone, guard.anchor, position, market, now)
    return told if found is alone else found


def _measured(told: Look, anchor: Anchored, position: Position, market: Market, now: datetime) -> Look:
    guard = told.guard
    stop, target = _stands(guard, position, now)
    alone = anchor.is_first and position.qty == guard.qty
    anchor = replace(
        anchor,
        sl=anchor.sl if alone or stop == anchor.stop else None,
        tp=anchor.tp if alone or target == anchor.target else None,
    )
    level, goal = _wanted(guard, anchor, stop, market.instrument)
    price = market.quote.entry_price(guard.side.opposite)
    if level is not None and stop is not None and _passed(guard, level, stop, price):
        if not may_ask(guard, now):
            return told
        why = (
            f"The market at {shown(price)} has passed {shown(level)}, where the stop of {guard.symbol} belongs by the "
            f"average of its entry, {shown(guard.entry_price or price)}: it is being closed."
        )
        return replace(told, guard=asking(guard), act=Act(CLOSE, why))
    level = None if level is None else room(level, price, market, guard.side)
    level = None if level == stop else level
    goal = None if goal == target or (goal is not None and ahead(goal, price, guard.side) <= 0) else goal
    if level is None and goal is None:
        # It stands: the risk counts from here, where a trail or break-even counts in it.
        kept = replace(anchor, price=guard.entry_price, stop=stop, target=target, is_first=False)
        again = None if anchor.sl is not None and not guard.is_secured else guard.risk_distance
        return _over(replace(told, guard=replace(guard, anchor=kept, risk_distance=again)))
    if not may_ask(guard, now):
        return told
    anchor = replace(anchor, stop=stop, target=target, is_first=False)
    guard = replace(asking(guard), anchor=anchor, stop=level or guard.stop)
    return replace(
        told, guard=guard, act=Act(MOVE, _told(guard, level, goal), level, target=goal, replaces=stop)
    )


def _stands(guard: Guard, position: Position, now: datetime) -> tuple[Decimal | None, Decimal | None]:
    """Stop and target at the broker; of a stop that we have just set the list may not know yet."""
    last = guard.asked
    recent = (
        last is not None
        and last.kind == MOVE
        and last.outcome in (DeliveryOutcome.EXECUTED, DeliveryOutcome.SKIPPED)
        and last.ended_at is not None
        and now - last.ended_at <= REMEMBERED
    )
    stop = guard.stop if recent and guard.stop is not None else position.stop_loss
    return stop, position.take_profit


def _wanted(
    guard: Guard, anchor: Anchored, stop: Decimal | None, instrument: Instrument
) -> tuple[Decimal | None, Decimal | None]:
    """Where stop and target belong; None = they are nobody's to move."""
    entry = Anchor(guard.side, guard.entry_price or Decimal(0), instrument)
    level = None if anchor.sl is None or stop is None else _price(stop_price(anchor.sl, entry))
    goal = None if anchor.tp is None else _price(target_price(anchor.tp, entry, level or stop))
    return level, goal


def _price(found: Decimal | Denied) -> Decimal | None:
    return None if isinstance(found, Denied) or found <= 0 else found


def _passed(guard: Guard, level: Decimal, stop: Decimal, price: Decimal) -> bool:
    """Whether a stop that belongs nearer could not be set any more: there it would have closed the position."""
    last = guard.asked
    refused = last is not None and last.kind == MOVE and last.reason is Reason.STOP_PASSED
    return ahead(level, stop, guard.side) > 0 and (ahead(price, level, guard.side) <= 0 or refused)


def _told(guard: Guard, level: Decimal | None, goal: Decimal | None) -> str:
    to = [
        f"its {name} goes to {shown(at)}"
        for name, at in (("stop", level), ("target", goal))
        if at is not None
    ]
    qty, average = guard.qty or Decimal(0), guard.entry_price or Decimal(0)
    return (
        f"{shown(qty)} of {guard.symbol} is filled at {shown(average)} on average: {' and '.join(to)}, as far from "
        "there as was asked for."
    )


def _over(told: Look) -> Look:
    """Where its order fills no more, or nothing is left to be measured, that is all."""
    guard, anchor = told.guard, told.guard.anchor
    if anchor is None or (fills_on(guard) and (anchor.sl, anchor.tp) != (None, None)):
        return told
    guard = replace(guard, anchor=None)
    keeps = (guard.trail, guard.be, guard.time_exit_s, guard.ladder) != (None, None, None, None)
    return replace(told, guard=guard, ended=None if keeps else "its exits stand where its fill says")
