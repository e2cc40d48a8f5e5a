"""What a guard does at a price: the exits that brokers lack, decided from one read (semantics 5). Pure.

A stop only moves toward profit, by steps; break-even once; a time exit when it is due. The stop in force is always the
one at the broker: without us it stays where it was moved last. Where the market has passed the level at which the stop
could not be set in time, the position is closed, as the stop would have closed it.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal, localcontext

from msgspec import Struct
from msgspec.structs import replace

from shared.models.enums import CommandState, DeliveryOutcome, OrderStatus, Side, StopMode
from shared.models.guard import CLOSE, MOVE, REDUCE, Guard
from shared.models.ladder import Ladder
from shared.models.market import Instrument
from shared.models.signal import StopSpec, TrailSpec
from shared.models.trading import Position
from shared.risk.grid import EXACT, shown, stop_on_grid
from shared.risk.levels import Market, ahead, room

BLIND = timedelta(seconds=60)
"""So long without a quote, and the trader hears of it."""
REMEMBERED = timedelta(seconds=15)
"""So often the moment of the last quote is noted; and so long lists of a broker may show the stop before a move."""
AGAIN_S, AGAIN_AT_MOST_S = 2, 60
"""What was refused is asked for again after so long, twice that, and so on."""
_OVER = frozenset({CommandState.REJECTED, CommandState.CANCELED, CommandState.EXPIRED})
_UNFILLED = frozenset({OrderStatus.REJECTED, OrderStatus.CANCELED, OrderStatus.EXPIRED})
_FILLS_ON = frozenset({OrderStatus.WORKING, OrderStatus.PARTIALLY_FILLED, OrderStatus.UNKNOWN})
_DONE = frozenset({DeliveryOutcome.EXECUTED, DeliveryOutcome.SKIPPED})


class Act(Struct, frozen=True):
    """What to ask for: `kind` move with the `stop`, close, or reduce with the `qty`. `told` says why, in words.

    `target` or `replaces`: an entry's exits measured again; the stop moves only where `replaces` still stands.
    """

    kind: str
    told: str
    stop: Decimal | None = None
    qty: Decimal | None = None
    target: Decimal | None = None
    replaces: Decimal | None = None


class Due(Struct, frozen=True):
    """An exit of a ladder to be asked for: `qty` of rung `nth`; at a `price` it waits for, or (None) at the market.
    `failures`: how often it was asked for in vain."""

    nth: int
    qty: Decimal
    price: Decimal | None
    told: str
    failures: int = 0


class Look(Struct, frozen=True):
    """A guard after a read. `ended`: why it is over. `blind`: without a quote for too long. `exits`: what its targets
    ask for (shared/risk/laddering.py)."""

    guard: Guard
    act: Act | None = None
    ended: str | None = None
    blind: bool = False
    exits: tuple[Due, ...] = ()


def newest(guards: Sequence[Guard]) -> tuple[Guard, ...]:
    """Of each order and position the last word counts for trail and for break-even; what it replaces is gone.

    A word that the broker has not accepted (yet) is none. Time exits belong each to its own entry, and so do targets;
    those that are said of the position replace what we would have closed at others.
    """
    said: dict[str, set[object]] = {"trail": set(), "be": set(), "ladder": set()}
    found: list[Guard] = []
    for guard in sorted(guards, key=lambda each: each.id, reverse=True):
        names = {("order", guard.order_id), ("position", guard.position_id)} - {
            ("order", None),
            ("position", None),
        }
        trail, be, ladder = guard.trail, guard.be, guard.ladder
        if trail is not None and names & said["trail"]:
            trail = None
        if be is not None and names & said["be"]:
            be = None
        if ladder is not None and _is_replaced(guard, ladder, said["ladder"]):
            ladder = None
        if guard.command_state is CommandState.ACCEPTED or guard.qty:
            for part, mine in (("trail", trail), ("be", be)):
                if mine is not None:
                    said[part] |= names
            if ladder is not None:
                said["ladder"].add(_whose(guard))
            trail = None if trail is not None and trail.mode is StopMode.NONE else trail
            be = None if be is not None and be.trigger.mode is StopMode.NONE else be
            ladder = ladder if ladder is None or ladder.rungs else None
        found.append(replace(guard, trail=trail, be=be, ladder=ladder))
    return tuple(reversed(found))


def _whose(guard: Guard) -> tuple[str, object]:
    """What targets were said of: an entry, or a position."""
    return ("position", guard.position_id) if guard.order_id is None else ("order", guard.order_id)


def _is_replaced(guard: Guard, ladder: Ladder, said: set[object]) -> bool:
    """Whether later targets take the place of these. What is still to be placed at the broker belongs to the entry."""
    by_position = guard.position_id is not None and not ladder.at_broker
    return _whose(guard) in said or (by_position and ("position", guard.position_id) in said)


def look(guard: Guard, position: Position | None, market: Market | None, now: datetime) -> Look:
    """What to do about one guard. `position` as just read (None = not read, or not there), `market` None = no quote."""
    over = _over(guard)
    if over is not None:
        return Look(guard, ended=over)
    if not _in_force(guard):
        return Look(guard)
    if guard.opened_at not in (None, guard.row_opened_at):
        guard = replace(
            guard, best=None
        )  # the entry's first part was stopped out, this is what it has filled since
    guard = replace(guard, opened_at=guard.row_opened_at)
    under_way = guard.asked is not None and guard.asked.outcome is None
    if _is_due(guard, now):
        return _timed_out(guard, guard.qty if position is None else position.qty, now)
    if not wants_price(guard):
        return Look(guard)
    if position is None or position.side is not guard.side or market is None or not market.usable(now):
        since = guard.quoted_at or guard.entered_at or guard.created_at or now
        return Look(guard, blind=now - since > BLIND)
    with localcontext(EXACT):
        return _at_market(guard, position, market, now, under_way)


def wants_price(guard: Guard) -> bool:
    """Whether a price can still move its stop: a break-even that stands is done."""
    return guard.trail is not None or (guard.be is not None and not guard.is_secured)


def _over(guard: Guard) -> str | None:
    """Why there is nothing left to see to; None = there is."""
    if (guard.trail, guard.be, guard.time_exit_s, guard.ladder, guard.anchor) == (None,) * 5:
        return "replaced"
    if guard.command_state in _OVER:
        return "the broker did not take it"
    if guard.order_status in _UNFILLED and not guard.qty:
        return "its order ended without a fill"
    if guard.row_opened_at is None or (guard.order_id is not None and not guard.qty):
        return None
    if (guard.ladder is not None or guard.anchor is not None) and fills_on(guard):
        return None  # what it fills from now on has targets, too
    if guard.opened_at is not None and guard.opened_at != guard.row_opened_at:
        return "the position is closed"
    return None if guard.row_open else "the position is closed"


def fills_on(guard: Guard) -> bool:
    """Whether its entry may fill more."""
    return guard.order_status in _FILLS_ON


def _in_force(guard: Guard) -> bool:
    """Whether the broker has accepted it and there is a position to guard."""
    if guard.command_state is not CommandState.ACCEPTED and not guard.qty:
        return False
    return guard.row_open and guard.row_opened_at is not None and (guard.order_id is None or bool(guard.qty))


# Time


def _is_due(guard: Guard, now: datetime) -> bool:
    if guard.time_exit_s is None or guard.entered_at is None:
        return False
    return now >= guard.entered_at + timedelta(seconds=guard.time_exit_s)


def _timed_out(guard: Guard, held: Decimal | None, now: datetime) -> Look:
    """The position goes, or of a net position that others have added to as much as this entry has bought."""
    last = guard.asked
    if last is not None and last.kind == REDUCE and last.outcome in _DONE:
        rest = replace(guard, time_exit_s=None)
        return Look(rest, ended="its time is over" if rest.trail is None and rest.be is None else None)
    # A move that is under way, or was refused, does not keep it waiting.
    if last is not None and last.kind != MOVE and not may_ask(guard, now):
        return Look(guard)
    told = f"{guard.symbol} has been open for {guard.time_exit_s} s, its time exit: it is being closed."
    if held is None or guard.qty is None or held <= guard.qty:
        return Look(asking(guard), Act(CLOSE, told))
    return Look(asking(guard), Act(REDUCE, told, qty=guard.qty))


def may_ask(guard: Guard, now: datetime) -> bool:
    """One at a time; what did not help is asked for again, less and less often."""
    last = guard.asked
    if last is None:
        return True
    if last.outcome is None or last.ended_at is None:
        return False
    if last.kind == MOVE and last.outcome in _DONE:
        return True
    return now >= last.ended_at + timedelta(seconds=pause_s(guard.failures))


def pause_s(failures: int) -> int:
    """Seconds before what was refused so often in a row is asked for again."""
    return min(AGAIN_S << min(failures, 10), AGAIN_AT_MOST_S)


def asking(guard: Guard) -> Guard:
    """The guard as it asks: how often in a row the asking has not helped."""
    last = guard.asked
    failed = last is not None and (last.outcome not in _DONE or last.kind != MOVE)
    return replace(guard, failures=guard.failures + 1 if failed else 0)


# Price


def _at_market(guard: Guard, position: Position, market: Market, now: datetime, under_way: bool) -> Look:
    price = market.quote.entry_price(guard.side.opposite)
    guard = _seen(guard, position, price, now)
    stand = _in_force_now(guard, position, now)
    level, told = _level(guard, position, market.instrument, stand)
    if guard.be is not None and _secures(guard, position, stand):
        guard = replace(guard, is_secured=True)
    if level is None or under_way or not may_ask(guard, now):
        return Look(guard)
    if ahead(price, level, guard.side) <= 0:
        why = (
            f"The market at {shown(price)} has passed {shown(level)}, where the stop of {guard.symbol} belongs: "
            "it is being closed."
        )
        return Look(asking(guard), Act(CLOSE, why))
    level = room(level, price, market, guard.side)
    if stand is not None and ahead(level, stand, guard.side) <= 0:
        return Look(guard)
    return Look(replace(asking(guard), stop=level), Act(MOVE, told.format(stop=shown(level)), stop=level))


def _seen(guard: Guard, position: Position, price: Decimal, now: datetime) -> Guard:
    """The best price so far, and what `rr` counts in, once a stop is there."""
    best = price if guard.best is None or ahead(price, guard.best, guard.side) > 0 else guard.best
    risk = guard.risk_distance
    if risk is None and position.stop_loss is not None:
        risk = abs(position.entry_price - position.stop_loss)
    noted = guard.quoted_at is not None and now - guard.quoted_at < REMEMBERED
    quoted_at = guard.quoted_at if noted else now
    return replace(guard, best=best, risk_distance=risk, quoted_at=quoted_at)


def _in_force_now(guard: Guard, position: Position, now: datetime) -> Decimal | None:
    """The stop at the broker. One that we have just set counts, though the broker's list may not show it yet."""
    last, stand = guard.asked, position.stop_loss
    if (
        guard.stop is None
        or last is None
        or last.kind != MOVE
        or last.outcome is not DeliveryOutcome.EXECUTED
    ):
        return stand
    if last.ended_at is None or now - last.ended_at > REMEMBERED:
        return stand
    return guard.stop if stand is None or ahead(guard.stop, stand, guard.side) > 0 else stand


def _level(
    guard: Guard, position: Position, instrument: Instrument, stand: Decimal | None
) -> tuple[Decimal | None, str]:
    """Where the stop belongs, on the tick, and why; None = where it is, or not yet a step further."""
    was = "" if stand is None else f" from {shown(stand)}"
    found: list[tuple[Decimal, str]] = []
    trail = _trailing(guard, position)
    if trail is not None and guard.trail is not None:
        level = stop_on_grid(trail, guard.side, instrument.tick_size)
        step = max(_size(guard.trail, guard.trail.step, position.entry_price), instrument.tick_size)
        if stand is None or ahead(level, stand, guard.side) >= step:
            why = (
                f"The trailing stop of {guard.symbol} goes{was} to {{stop}}: the best price was "
                f"{shown(guard.best or trail)}."
            )
            found.append((level, why))
    even = None if guard.is_secured else _break_even(guard, position)
    if even is not None:
        level = stop_on_grid(even, guard.side, instrument.tick_size)
        if stand is None or ahead(level, stand, guard.side) > 0:
            why = (
                f"The stop of {guard.symbol} goes{was} to break-even at {{stop}}: entered at "
                f"{shown(position.entry_price)}, the best price was {shown(guard.best or even)}."
            )
            found.append((level, why))
    if not found:
        return None, ""
    return max(found, key=lambda each: ahead(each[0], position.entry_price, guard.side))


def _trailing(guard: Guard, position: Position) -> Decimal | None:
    """The level behind the best price; None = no trail, or the profit has not begun it."""
    trail, best = guard.trail, guard.best
    if trail is None or best is None:
        return None
    entry = position.entry_price
    if trail.activate and ahead(best, entry, guard.side) < _size(trail, trail.activate, entry):
        return None
    apart = _size(trail, trail.value, best)
    return best - apart if guard.side is Side.BUY else best + apart


def _break_even(guard: Guard, position: Position) -> Decimal | None:
    """Entry and a little; None = no break-even, or the profit has not been there yet."""
    be, best, entry = guard.be, guard.best, position.entry_price
    if be is None or best is None:
        return None
    wanted = _apart(be.trigger, entry, guard.risk_distance)
    if wanted is None or ahead(best, entry, guard.side) < wanted:
        return None
    plus = Decimal(0) if be.plus is None else _apart(be.plus, entry, None) or Decimal(0)
    return entry + plus if guard.side is Side.BUY else entry - plus


def _secures(guard: Guard, position: Position, stand: Decimal | None) -> bool:
    """Whether the stop is where break-even wanted it: from then on that is done, once."""
    even = _break_even(guard, position)
    return even is not None and stand is not None and ahead(stand, even, guard.side) >= 0


def _size(trail: TrailSpec, value: Decimal | None, price: Decimal) -> Decimal:
    """A distance of a trail in price units; its percentages are of `price`."""
    amount = value or Decimal(0)
    return amount * price / 100 if trail.mode is StopMode.PCT else amount


def _apart(spec: StopSpec, entry: Decimal, risk: Decimal | None) -> Decimal | None:
    value = spec.value or Decimal(0)
    if spec.mode is StopMode.RR:
        return None if risk is None else value * risk
    return value * entry / 100 if spec.mode is StopMode.PCT else value
