"""Protection that was given as a distance follows the average fill; what was given as a price stays."""

from decimal import Decimal

import pytest
from msgspec.structs import replace

from shared.models.command import Leg
from shared.models.enums import Action, CommandKind, StopMode
from shared.risk.actions import plan
from shared.risk.anchoring import FilledAt, Resting, is_relative, moved_protection, moved_target
from shared.risk.decision import Plan
from shared.risk.fit import fit
from shared.risk.policy import Approved, evaluate
from tests.unit.risk.builders import (
    BUY,
    EURUSD,
    HEDGING,
    NETTING,
    SELL,
    D,
    MarginMode,
    Side,
    context,
    signal,
    stop,
)

TWO = (stop(StopMode.RR, "1", "0.5"), stop(StopMode.RR, "2", "0.5"))


def entry(side: Side = BUY, mode: MarginMode = HEDGING, **given: object) -> tuple[Leg, ...]:
    """The fitted legs of an open of 0.25 lots: bid 1.0999, ask 1.1."""
    ctx = context(mode)
    planned = plan(signal(Action.OPEN, side, "0.25", **given), ctx)
    assert isinstance(planned, Plan), planned
    approved = evaluate(planned, ctx)
    assert isinstance(approved, Approved), approved
    fitted = fit(approved, ctx)
    return fitted.legs  # type: ignore[union-attr]


def filled(price: str) -> FilledAt:
    return FilledAt(D(price), D("0.25"), "p1")


@pytest.mark.parametrize(
    ("sl", "tp", "price", "moved"),
    [
        (stop(StopMode.PIPS, "50"), stop(StopMode.RR, "2"), "1.10050", ("1.09550", "1.11050")),
        (stop(StopMode.OFFSET, "0.005"), stop(StopMode.TICKS, "500"), "1.09950", ("1.09450", "1.10450")),
        (stop(StopMode.PCT, "1"), stop(StopMode.PCT, "2"), "1.20000", ("1.18800", "1.22400")),
        (stop(StopMode.USD, "125"), None, "1.10050", ("1.09550", None)),
        (stop(StopMode.PRICE, "1.095"), stop(StopMode.RR, "1"), "1.10100", (None, "1.10700")),
        (stop(StopMode.PRICE, "1.095"), stop(StopMode.PRICE, "1.11"), "1.10100", None),
        (stop(StopMode.PIPS, "50"), stop(StopMode.RR, "2"), "1.10000", None),
        (stop(StopMode.PIPS, "50"), None, "1.100004", ("1.09501", None)),
    ],
)
def test_long(sl: object, tp: object, price: str, moved: tuple[str | None, str | None] | None) -> None:
    """Each mode keeps its distance from the fill; nothing is sent where nothing moves."""
    (leg,) = entry(sl=sl, tp=(tp,) if tp else None)
    change = moved_protection(leg, filled(price), EURUSD)
    if moved is None:
        assert change is None
        return
    assert change is not None
    told = change.protection
    assert (told.stop_loss, told.take_profit) == tuple(None if each is None else D(each) for each in moved)
    assert (change.kind, change.venue_position_id, change.qty) == (CommandKind.PROTECT, "p1", D("0.25"))
    assert change.adjusts
    assert not change.is_limited


def test_short() -> None:
    """A short's stop stands above its fill, its target below."""
    (leg,) = entry(SELL, sl=stop(StopMode.PIPS, "50"), tp=(stop(StopMode.RR, "2"),))
    change = moved_protection(leg, filled("1.09900"), EURUSD)
    assert change is not None
    assert (change.protection.stop_loss, change.protection.take_profit) == (D("1.10400"), D("1.08900"))


def test_targets_that_rest_as_orders_move() -> None:
    """Netting: each limit exit gets the price its multiple of |fill - stop| asks for."""
    opening, *exits = entry(BUY, NETTING, sl=stop(StopMode.PIPS, "50"), tp=TWO)
    changes = [
        moved_target(Resting(leg, number, f"o{number}"), opening, filled("1.10020"), EURUSD)
        for number, leg in enumerate(exits)
    ]
    assert [(each.kind, each.venue_order_id, each.order_id, each.price) for each in changes if each] == [
        (CommandKind.MODIFY, "o0", 0, D("1.10520")),
        (CommandKind.MODIFY, "o1", 1, D("1.11020")),
    ]
    assert all(each and each.adjusts and not each.is_limited and not each.after_fill for each in changes)
    unmoved = moved_target(Resting(exits[0], 1, "o"), opening, filled("1.10000"), EURUSD)
    assert unmoved is None


def test_what_is_relative() -> None:
    """Prices and nothing at all are not relative."""
    assert not is_relative(entry()[0])
    assert not is_relative(entry(sl=stop(StopMode.PRICE, "1.095"))[0])
    assert is_relative(entry(sl=stop(StopMode.PIPS, "50"))[0])
    assert is_relative(entry(tp=(stop(StopMode.PCT, "1"),))[0])
    assert replace(entry()[0], adjusts=True).adjusts
    assert isinstance(filled("1.1").price, Decimal)
