"""What is done about a position without its stop, decided from one read after another (semantics 5). Pure.

After 3 seconds the stop is asked for again, after 10 the position is closed or its owner alarmed, as the limits say.
Where the market has passed the stop it is closed, as the stop would have closed it. No proof: a read that may be older
than our last word, and anything while a command of ours is under way.
"""

from datetime import datetime, timedelta
from decimal import Decimal, localcontext

from msgspec import Struct
from msgspec.structs import replace

from shared.models.enums import DeliveryOutcome, Side
from shared.models.naked import ALARMS, CLOSE, CLOSES, STOP, Naked
from shared.models.reasons import Reason
from shared.models.trading import Position
from shared.risk.grid import EXACT, shown
from shared.risk.guarding import AGAIN_AT_MOST_S, AGAIN_S, REMEMBERED
from shared.risk.levels import Market, ahead, room

AGAIN_AFTER = timedelta(seconds=3)
"""So long without its stop, and the stop is asked for again."""
ENDS_AFTER = timedelta(seconds=10)
"""So long, and the policy decides."""


class Lists(Struct, frozen=True):
    """What the broker's lists are worth: how far they lag, and whether a stop set twice is two orders."""

    lag: timedelta
    doubles: bool

    @property
    def quiet(self) -> timedelta:
        """So long after a word of ours its stop may not be shown, though it stands."""
        return min(self.lag, REMEMBERED)


class Act(Struct, frozen=True):
    """What to ask for: `kind` stop (at `stop`) or close; `told` says why, in words."""

    kind: str
    told: str
    stop: Decimal | None = None


class Look(Struct, frozen=True):
    """A naked position after a read. `alarm`: what its owner has to know now. `ended`: why it is naked no more."""

    naked: Naked
    act: Act | None = None
    alarm: str | None = None
    ended: str | None = None


def look(naked: Naked, position: Position | None, market: Market | None, now: datetime, lists: Lists) -> Look:
    """What to do. `position` as just read (None = not read, or not there), `market` None = no quote."""
    over = _over(naked, position)
    if over is not None:
        return Look(naked, ended=over)
    if position is None or position.side is not naked.side or naked.is_busy:
        return Look(naked)
    with localcontext(EXACT):
        act = _act(naked, position, market, now, lists)
        alarm = _alarm(naked, position, now, lists)
    return Look(naked if act is None else _asking(naked), act, alarm)


def may_act(naked: Naked, now: datetime, lists: Lists) -> bool:
    """Whether the stop may be asked for at this read, so that a quote is worth its request."""
    return (
        not naked.is_busy and _wants_its_stop(naked) and _is_due(naked, now, lists) and _may_ask(naked, now)
    )


def _act(naked: Naked, position: Position, market: Market | None, now: datetime, lists: Lists) -> Act | None:
    """The close when its time is over, and yet once the stop before it, however late we come."""
    again = _again(naked, position, market, now, lists)
    if again is not None and (naked.asked is None or naked.asked.at < naked.since):
        return again
    return _closing(naked, position, now, lists) or again


def _over(naked: Naked, position: Position | None) -> str | None:
    if not naked.row_open or naked.row_opened_at != naked.opened_at:
        return "the position is closed"
    if not naked.is_asked and not naked.required:
        return "no stop is asked for any more"
    if position is not None and position.side is naked.side and position.stop_loss is not None:
        return "its stop stands"
    return None


def _wants_its_stop(naked: Naked) -> bool:
    """A stop that stood and went is set again, unless its owner has said that he wants to be told, and no more."""
    return naked.stop is not None and not (naked.policy == ALARMS and naked.has_stood)


def _is_due(naked: Naked, now: datetime, lists: Lists) -> bool:
    """Whether the stop is away for good: where setting it twice makes two, a list that lags is no proof."""
    if now - naked.since < AGAIN_AFTER:
        return False
    return not lists.doubles or naked.word_at is None or now - naked.word_at > lists.quiet


def _ends(naked: Naked, now: datetime, lists: Lists) -> bool:
    """Whether its time is over. What was seen standing, or was set by us, has stood for as long as lists may lag."""
    last = naked.asked
    was_set = last is not None and last.kind == STOP and last.outcome is DeliveryOutcome.EXECUTED
    since = naked.since
    if naked.word_at is not None and (naked.has_stood or was_set or lists.doubles):
        since = max(since, naked.word_at + lists.quiet)
    return now - since >= ENDS_AFTER


def _closing(naked: Naked, position: Position, now: datetime, lists: Lists) -> Act | None:
    if naked.policy != CLOSES or not _ends(naked, now, lists) or not _may_close(naked, now):
        return None
    tries = 0 if naked.asked is None or naked.asked.kind != STOP else naked.failures + 1
    if naked.stop is None:
        why = "and none is known that could be set"
    elif tries:
        why = f"and setting the one at {shown(naked.stop)} again has not helped ({tries} times)"
    else:
        why = f"and the one at {shown(naked.stop)} could not be set again"
    return Act(CLOSE, f"{_what(naked, position, now)}, {why}: it is being closed.")


def _again(
    naked: Naked, position: Position, market: Market | None, now: datetime, lists: Lists
) -> Act | None:
    """The stop once more; the close where the market has passed it."""
    if naked.stop is None or naked.is_changing or not may_act(naked, now, lists):
        return None
    level, last = naked.stop, naked.asked
    price = (
        None if market is None or not market.usable(now) else market.quote.entry_price(naked.side.opposite)
    )
    if price is not None and ahead(price, level, naked.side) <= 0:
        where = f"The market at {shown(price)}"
    elif last is not None and last.kind == STOP and last.reason is Reason.STOP_PASSED and price is None:
        where = "The market"
    else:
        return _set(naked, position, market, price, now)
    told = f"{where} has passed {shown(level)}, where the stop of {naked.symbol} belongs: it is being closed."
    return Act(CLOSE, told)


def _set(
    naked: Naked, position: Position, market: Market | None, price: Decimal | None, now: datetime
) -> Act:
    wanted = level = naked.stop or Decimal(0)
    if market is not None and price is not None:
        level = room(wanted, price, market, naked.side)
    near = "" if level == wanted else f", as near to {shown(wanted)} as the broker allows now"
    return Act(
        STOP, f"{_what(naked, position, now)}: its stop is set again at {shown(level)}{near}.", stop=level
    )


def _alarm(naked: Naked, position: Position, now: datetime, lists: Lists) -> str | None:
    """Once, where nothing closes it."""
    if naked.is_told or naked.policy == CLOSES or not _ends(naked, now, lists):
        return None
    what = _what(naked, position, now)
    if naked.stop is None:
        return f"{what}, and your limits require one."
    if not _wants_its_stop(naked):
        return f"{what}; the last one was at {shown(naked.stop)}."
    return f"{what}; setting the one at {shown(naked.stop)} again has not helped so far."


def _what(naked: Naked, position: Position, now: datetime) -> str:
    held = "long" if position.side is Side.BUY else "short"
    seconds = int((now - naked.since).total_seconds())
    return (
        f"{naked.symbol}, {held} {shown(position.qty)} from {shown(position.entry_price)}, "
        f"has had no stop for {seconds} s"
    )


def _may_ask(naked: Naked, now: datetime) -> bool:
    """One at a time; what did not help is asked for again, less and less often."""
    last = naked.asked
    if last is None:
        return True
    if last.outcome is None or last.ended_at is None:
        return False
    return now >= last.ended_at + _pause(naked)


def _may_close(naked: Naked, now: datetime) -> bool:
    """A stop that was asked for, and waits or was refused, does not keep the close waiting."""
    return naked.asked is None or naked.asked.kind == STOP or _may_ask(naked, now)


def _pause(naked: Naked) -> timedelta:
    return timedelta(seconds=min(AGAIN_S << min(naked.failures, 10), AGAIN_AT_MOST_S))


def _asking(naked: Naked) -> Naked:
    return replace(naked, failures=0 if naked.asked is None else naked.failures + 1)
