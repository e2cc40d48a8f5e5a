"""Exits larger than what they protect are found, and fitted to it."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal as D

from msgspec.structs import replace

from shared.models.enums import Action, CommandKind, OrderType, Side, StopMode
from shared.models.reasons import Reason
from shared.models.trading import AccountSnapshot, WorkingOrder
from shared.risk.actions import plan
from shared.risk.decision import Plan, Skipped
from shared.store.book_rows import Books
from tests.unit.risk.builders import BUY, HEDGING, NETTING, SELL, context, order, position, signal, stop
from tests.unit.worker.books import known
from workers.positions.diff import Correction
from workers.positions.oversize import oversized

AT = datetime(2026, 11, 23, 14, 30, tzinfo=UTC)
LONG = position(BUY, "2", stop_loss=D("1.08000"))
STOP = order(SELL, "3", type_=OrderType.STOP, number=1, reduce_only=True, stop_price=D("1.08000"))
NEAR = order(SELL, "1", number=2, reduce_only=True, price=D("1.11"))
FAR = order(SELL, "2", number=3, reduce_only=True, price=D("1.12"))


def found(*orders: WorkingOrder, side: Side = BUY, origin: str = "protection") -> list[Correction]:
    """What a read shows of a position of 2 with these exits, which our books know."""
    books = Books(AT, orders=tuple(replace(known(each), origin=origin) for each in orders))
    held = position(side, "2", stop_loss=D("1.08000"))
    return list(oversized(books, AccountSnapshot(D(1), D(1), AT, (held,), orders)))


def test_a_stop_larger_than_its_position_is_found() -> None:
    """A target has filled and the stop is as large as it was: told with both sizes, believed at the second read."""
    (one,) = found(STOP, FAR)
    assert (
        one.told
        == "EURUSD: a stop or targets of 3 stand at the broker for a position of 2: they are being fitted to it."
    )
    assert (one.kind, one.doubtful, one.position) == (
        "oversized",
        True,
        {"venue_position_id": "p1", "stop_loss": D("1.08000")},
    )
    assert [each.key for each in found(STOP, FAR)] == [one.key], "found again it is the same"


def test_stops_count_together_and_targets_do() -> None:
    """All stops together may be as large as the position, and all targets may: both of two that are larger would fire, and
    turn it around."""
    fits, second = replace(STOP, qty=D(2)), replace(STOP, qty=D(1), id=4, venue_order_id="o4")
    assert len(found(fits, NEAR, FAR)) == 1
    assert found(fits, FAR) == []
    assert found(fits, replace(NEAR, filled_qty=D(1)), FAR) == []
    assert len(found(fits, second)) == 1
    assert found(replace(fits, qty=D(1)), second) == []
    ours = signal(Action.MODIFY, sl=stop(StopMode.PRICE, "1.08000"), position_id="p1", tightens=True)
    answer = plan(ours, context(NETTING, positions=(LONG,), orders=(fits, second)))
    assert isinstance(answer, Plan), answer
    assert [(leg.kind, leg.venue_order_id) for leg in answer.legs] == [(CommandKind.CANCEL, "o4")]


def test_what_is_not_ours_or_of_the_other_side_is_left_alone() -> None:
    """The trader's own orders, and exits of a position that has turned meanwhile, are nobody's mistake."""
    assert found(STOP, FAR, origin="broker") == []
    assert found(STOP, FAR, side=SELL) == []
    assert found(FAR, NEAR) == [], "without a stop there is nothing to name it by"


def test_they_are_fitted_by_a_change_that_moves_nothing() -> None:
    """The stop that stands, once more: on a netting account every exit is made as small as the position; nobody else's
    change does that, and where stops belong to positions nothing is done."""
    ours = signal(Action.MODIFY, sl=stop(StopMode.PRICE, "1.08000"), position_id="p1", tightens=True)
    ctx = context(NETTING, positions=(LONG,), orders=(STOP, NEAR, FAR))
    answer = plan(ours, ctx)
    assert isinstance(answer, Plan), answer
    assert [(leg.kind, leg.venue_order_id, leg.qty, leg.adds_risk) for leg in answer.legs] == [
        (CommandKind.MODIFY, "o1", D(2), False),
        (CommandKind.MODIFY, "o3", D(1), False),
    ]
    for signal_, where in (
        (replace(ours, tightens=False), ctx),
        (ours, replace(ctx, account=context(HEDGING).account)),
    ):
        nothing = plan(signal_, where)
        assert isinstance(nothing, Skipped), nothing
        assert nothing.reason is Reason.NOTHING_TO_MODIFY
