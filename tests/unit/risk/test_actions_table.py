"""Semantics 2, cell by cell, on netting and on hedging accounts."""

import pytest
from msgspec.structs import replace

from shared.models.command import Leg
from shared.models.context import RiskContext
from shared.models.enums import (
    Action,
    CommandKind,
    Freshness,
    MarginMode,
    OnOpposite,
    OnSame,
    OrderType,
    QtyMode,
    Side,
)
from shared.models.market import Ambiguous
from shared.models.reasons import Reason
from shared.models.signal import Signal
from shared.risk.actions import plan
from shared.risk.decision import Denied, Plan, Skipped
from shared.risk.reasons import sentence
from tests.unit.risk.builders import (
    BUY,
    EURUSD,
    HEDGING,
    NETTING,
    SELL,
    D,
    EndpointRules,
    context,
    guard,
    order,
    position,
    signal,
)

BOTH = pytest.mark.parametrize("mode", [NETTING, HEDGING])
CLOSE, PLACE, CANCEL = CommandKind.CLOSE, CommandKind.PLACE, CommandKind.CANCEL


def legs(answer: Plan | Skipped | Denied) -> tuple[Leg, ...]:
    assert isinstance(answer, Plan), answer
    assert [leg.leg for leg in answer.legs] == list(range(len(answer.legs)))
    return answer.legs


def skipped(answer: Plan | Skipped | Denied) -> Reason:
    assert isinstance(answer, Skipped), answer
    return answer.reason


def denied(answer: Plan | Skipped | Denied) -> Reason:
    assert isinstance(answer, Denied), answer
    return answer.reason


def kinds(answer: Plan | Skipped | Denied) -> list[CommandKind]:
    return [leg.kind for leg in legs(answer)]


def holding(mode: MarginMode, side: Side, qty: str = "1") -> RiskContext:
    return context(mode, positions=(position(side, qty),))


def unread(mode: MarginMode) -> RiskContext:
    return context(mode, positions_known=False)


# ------------------------------------------------------------------------------------------------ open
@BOTH
def test_an_ambiguous_symbol_is_denied_with_its_candidates(mode: MarginMode) -> None:
    """What could be one of several is never guessed, for no action; the trader reads which they are."""
    found = Ambiguous("EURUSD", ("EURUSD.r", "EURUSDm"))
    ctx = context(mode, instrument=None, ambiguous=found)
    for action in Action:
        answer = plan(signal(action, BUY, "1"), ctx)
        assert isinstance(answer, Denied)
        assert answer.reason is Reason.SYMBOL_AMBIGUOUS
        told = sentence(answer.reason, answer.numbers)
        assert told.startswith("EURUSD could be EURUSD.r, EURUSDm: choose one in the symbol map.")


@BOTH
def test_open_flat(mode: MarginMode) -> None:
    """open while flat is one entry of qty."""
    (entry,) = legs(plan(signal(Action.OPEN, BUY, "0.5"), context(mode)))
    assert (entry.kind, entry.side, entry.qty, entry.after_fill) == (PLACE, BUY, D("0.5"), False)


@BOTH
def test_open_same_side_adds(mode: MarginMode) -> None:
    """open beside a position on its side is one more entry when on_same is add."""
    assert kinds(plan(signal(Action.OPEN, BUY, "0.5"), holding(mode, BUY))) == [PLACE]


@BOTH
def test_open_same_side_ignored(mode: MarginMode) -> None:
    """open beside a position on its side is skipped when on_same is ignore."""
    ctx = context(mode, positions=(position(BUY),), endpoint=EndpointRules(id="e", on_same=OnSame.IGNORE))
    assert skipped(plan(signal(Action.OPEN, BUY, "0.5"), ctx)) is Reason.ALREADY_IN_POSITION


@BOTH
def test_open_opposite_refused(mode: MarginMode) -> None:
    """open against a position is denied unless the endpoint says otherwise."""
    assert denied(plan(signal(Action.OPEN, BUY, "1"), holding(mode, SELL))) is Reason.OPPOSITE_POSITION


@BOTH
def test_open_opposite_reverses(mode: MarginMode) -> None:
    """open against a position with on_opposite reverse closes it, then enters once the close is filled."""
    ctx = context(
        mode, positions=(position(SELL),), endpoint=EndpointRules(id="e", on_opposite=OnOpposite.REVERSE)
    )
    close, entry = legs(plan(signal(Action.OPEN, BUY, "0.4"), ctx))
    assert (close.kind, close.side, close.qty) == (CLOSE, BUY, None)
    assert (entry.kind, entry.side, entry.qty, entry.after_fill) == (PLACE, BUY, D("0.4"), True)


@BOTH
def test_open_opposite_closes(mode: MarginMode) -> None:
    """open against a position with on_opposite close only closes it."""
    ctx = context(
        mode, positions=(position(SELL),), endpoint=EndpointRules(id="e", on_opposite=OnOpposite.CLOSE)
    )
    assert kinds(plan(signal(Action.OPEN, BUY, "1"), ctx)) == [CLOSE]


def test_open_opposite_hedges() -> None:
    """open against a position with on_opposite hedge is an entry on a hedging account, denied on netting."""
    endpoint = EndpointRules(id="e", on_opposite=OnOpposite.HEDGE)
    ask = signal(Action.OPEN, BUY, "1")
    assert kinds(plan(ask, context(HEDGING, positions=(position(SELL),), endpoint=endpoint))) == [PLACE]
    net = context(NETTING, positions=(position(SELL),), endpoint=endpoint)
    assert denied(plan(ask, net)) is Reason.OPPOSITE_POSITION


@BOTH
@pytest.mark.parametrize("action", [Action.OPEN, Action.ADD, Action.REVERSE, Action.TARGET, Action.MODIFY])
def test_unknown_position_denies_entries(mode: MarginMode, action: Action) -> None:
    """open, add, reverse, target and modify are denied while the position is unknown or stale."""
    ask = signal(action, BUY, "1")
    assert denied(plan(ask, unread(mode))) is Reason.POSITION_UNKNOWN
    stale = context(mode, positions=(position(BUY, freshness=Freshness.STALE),))
    assert denied(plan(ask, stale)) is Reason.POSITION_UNKNOWN


@BOTH
@pytest.mark.parametrize("action", [Action.OPEN, Action.ADD])
def test_side_has_no_default(mode: MarginMode, action: Action) -> None:
    """open and add without a side are denied."""
    assert denied(plan(signal(action, None, "1"), context(mode))) is Reason.SIDE_MISSING


# ------------------------------------------------------------------------------------------------ add
@BOTH
def test_add(mode: MarginMode) -> None:
    """add is skipped while flat, an entry beside its own side, denied against the other."""
    ask = signal(Action.ADD, BUY, "0.5")
    assert skipped(plan(ask, context(mode))) is Reason.NOTHING_TO_ADD_TO
    assert kinds(plan(ask, holding(mode, BUY))) == [PLACE]
    assert denied(plan(ask, holding(mode, SELL))) is Reason.OPPOSITE_POSITION


# ------------------------------------------------------------------------------------------------ close
@BOTH
def test_close_flat(mode: MarginMode) -> None:
    """close while flat cancels the scope's pending entries; without any it is skipped."""
    assert skipped(plan(signal(Action.CLOSE), context(mode))) is Reason.NOTHING_TO_CLOSE
    (cancel,) = legs(plan(signal(Action.CLOSE), context(mode, orders=(order(),))))
    assert (cancel.kind, cancel.venue_order_id, cancel.order_id) == (CANCEL, "o1", 1)


@BOTH
def test_close_wrong_side(mode: MarginMode) -> None:
    """A buy that closes cannot close a long: skipped."""
    assert skipped(plan(signal(Action.CLOSE, BUY), holding(mode, BUY))) is Reason.WRONG_SIDE


@BOTH
@pytest.mark.parametrize("side", [SELL, None])
def test_close(mode: MarginMode, side: Side | None) -> None:
    """close closes all of scope, then its stops and targets once that is filled, then its pending entries."""
    held = position(BUY, "0.7")
    orders = (order(BUY, number=5), guard(held, OrderType.STOP, 6), guard(held, OrderType.LIMIT, 7))
    close, stop_gone, target_gone, entry_gone = legs(
        plan(signal(Action.CLOSE, side), context(mode, positions=(held,), orders=orders))
    )
    assert (close.kind, close.side, close.qty, close.held_qty) == (CLOSE, SELL, None, D("0.7"))
    assert close.venue_position_id == ("p1" if mode is HEDGING else None)
    assert [(leg.venue_order_id, leg.after_fill) for leg in (stop_gone, target_gone)] == [
        ("o6", True),
        ("o7", True),
    ]
    assert (entry_gone.venue_order_id, entry_gone.after_fill) == ("o5", False)


@BOTH
def test_close_ignores_and_notes_what_it_does_not_need(mode: MarginMode) -> None:
    """qty and price of a close are ignored and noted; the whole position is closed."""
    answer = plan(signal(Action.CLOSE, None, "0.1", price=D(1)), holding(mode, BUY))
    assert isinstance(answer, Plan)
    assert answer.legs[0].qty is None
    assert dict(answer.notes[0].numbers) == {"qty": "0.1", "price": "1"}


def test_close_unknown_netting() -> None:
    """close of an unread netting position is the venue's own close; with a side or a tag it reads first."""
    (close,) = legs(plan(signal(Action.CLOSE), unread(NETTING)))
    assert (close.kind, close.side, close.qty, close.symbol) == (CLOSE, None, None, "EURUSD")
    for ask in (signal(Action.CLOSE, SELL), signal(Action.CLOSE, tag="t")):
        answer = plan(ask, unread(NETTING))
        assert isinstance(answer, Denied)
        assert answer.retry_after_read


def test_close_unknown_hedging() -> None:
    """close on a hedging account closes by id what was last seen; nothing seen means read first."""
    stale = context(HEDGING, positions=(position(BUY, freshness=Freshness.STALE),), positions_known=False)
    (close,) = legs(plan(signal(Action.CLOSE), stale))
    assert (close.venue_position_id, close.qty) == ("p1", None)
    answer = plan(signal(Action.CLOSE), unread(HEDGING))
    assert isinstance(answer, Denied)
    assert answer.retry_after_read


# ------------------------------------------------------------------------------------------------ reduce
@BOTH
def test_reduce_flat_and_wrong_side(mode: MarginMode) -> None:
    """reduce is skipped while flat, and when its side is the position's."""
    assert skipped(plan(signal(Action.REDUCE, None, "0.1"), context(mode))) is Reason.NOTHING_TO_CLOSE
    assert skipped(plan(signal(Action.REDUCE, BUY, "0.1"), holding(mode, BUY))) is Reason.WRONG_SIDE


@BOTH
@pytest.mark.parametrize(
    ("held", "qty", "qty_mode", "closed"),
    [
        ("1", "0.3", QtyMode.LOTS, "0.3"),
        ("1", "0.359", QtyMode.LOTS, "0.35"),
        ("1", "5", QtyMode.LOTS, None),
        ("1", "25000", QtyMode.UNITS, "0.25"),
        ("1", "0.4", QtyMode.CONTRACTS, "0.4"),
        ("0.05", "50", QtyMode.POSITION_PCT, "0.02"),
        ("1", "100", QtyMode.POSITION_PCT, None),
        ("1", "400", QtyMode.POSITION_PCT, None),
    ],
)
def test_reduce(mode: MarginMode, held: str, qty: str, qty_mode: QtyMode, closed: str | None) -> None:
    """reduce closes min(qty, position), rounded down; None = all of it."""
    (close,) = legs(plan(signal(Action.REDUCE, None, qty, mode=qty_mode), holding(mode, BUY, held)))
    assert (close.kind, close.side, close.qty) == (CLOSE, SELL, None if closed is None else D(closed))


@BOTH
def test_reduce_to_nothing_or_to_all(mode: MarginMode) -> None:
    """A reduction that rounds to 0 is skipped; a rest below the venue's minimum is closed too."""
    small = signal(Action.REDUCE, None, "10", mode=QtyMode.POSITION_PCT)
    assert skipped(plan(small, holding(mode, BUY, "0.05"))) is Reason.BELOW_MINIMUM
    coarse = context(mode, positions=(position(BUY, "1"),), instrument=replace(EURUSD, qty_min=D("0.1")))
    (close,) = legs(plan(signal(Action.REDUCE, None, "0.95"), coarse))
    assert close.qty is None


@BOTH
def test_reduce_fits_protection(mode: MarginMode) -> None:
    """After a reduction all stops together are no larger than the rest, and all targets are not."""
    held = position(BUY, "1")
    orders = (
        guard(held, OrderType.STOP, 6),
        guard(held, OrderType.LIMIT, 7, qty=D("0.5")),
        guard(held, OrderType.LIMIT, 8, qty=D("0.5")),
    )
    ctx = context(mode, positions=(held,), orders=orders)
    close, stop_leg, last_target = legs(plan(signal(Action.REDUCE, None, "0.4"), ctx))
    assert close.qty == D("0.4")
    assert (stop_leg.kind, stop_leg.venue_order_id, stop_leg.qty) == (CommandKind.MODIFY, "o6", D("0.6"))
    assert (last_target.venue_order_id, last_target.qty, last_target.after_fill) == ("o8", D("0.1"), True)
    assert not stop_leg.is_limited


@BOTH
def test_reduce_waits_for_a_read(mode: MarginMode) -> None:
    """reduce of an unread position is not refused: it waits for a fresh read."""
    answer = plan(signal(Action.REDUCE, None, "0.1"), unread(mode))
    assert isinstance(answer, Denied)
    assert answer.retry_after_read


@BOTH
def test_reduce_leaves_exits_in_flight_alone(mode: MarginMode) -> None:
    """A reduction takes at most the position minus exits already sent and not yet settled."""
    held = position(BUY, "1")
    flying = guard(held, OrderType.MARKET, 8, qty=D("0.7"))
    ctx = context(mode, positions=(held,), orders=(flying,))
    (close,) = legs(plan(signal(Action.REDUCE, None, "0.5"), ctx))
    assert close.qty == D("0.3")


# ------------------------------------------------------------------------------------------------ reverse
@BOTH
def test_reverse_flat(mode: MarginMode) -> None:
    """reverse while flat is an entry; without a side it is denied."""
    (entry,) = legs(plan(signal(Action.REVERSE, SELL, "0.2"), context(mode)))
    assert (entry.kind, entry.side, entry.qty, entry.after_fill) == (PLACE, SELL, D("0.2"), False)
    assert denied(plan(signal(Action.REVERSE, None, "0.2"), context(mode))) is Reason.SIDE_MISSING


@BOTH
def test_reverse_already_there(mode: MarginMode) -> None:
    """reverse onto the side that is held is skipped."""
    assert skipped(plan(signal(Action.REVERSE, BUY, "1"), holding(mode, BUY))) is Reason.ALREADY_ON_SIDE


@BOTH
@pytest.mark.parametrize(("qty", "opened"), [("0.3", "0.3"), (None, "1")])
def test_reverse(mode: MarginMode, qty: str | None, opened: str) -> None:
    """reverse closes, cancels protection and pending entries, then opens qty, or as much as was closed."""
    held = position(BUY, "1")
    orders = (guard(held, OrderType.STOP, 6), order(BUY, number=7))
    answer = legs(plan(signal(Action.REVERSE, None, qty), context(mode, positions=(held,), orders=orders)))
    assert [leg.kind for leg in answer] == [CLOSE, CANCEL, CANCEL, PLACE]
    assert (answer[0].qty, answer[3].side, answer[3].qty) == (None, SELL, D(opened))
    assert [leg.after_fill for leg in answer] == [False, True, False, True]


@BOTH
def test_position_size_beats_qty(mode: MarginMode) -> None:
    """A reversal's qty 2 with position_size -1 opens 1: qty held the closing part too. The trace says so."""
    answer = plan(signal(Action.REVERSE, SELL, "2", position_size=D(-1)), holding(mode, BUY))
    assert legs(answer)[-1].qty == D(1)
    assert isinstance(answer, Plan)
    assert dict(answer.notes[0].numbers) == {"position_size": "1", "qty": "2"}


@BOTH
def test_reverse_to_nothing(mode: MarginMode) -> None:
    """A reversal whose strategy holds nothing afterwards closes only."""
    assert kinds(plan(signal(Action.REVERSE, SELL, "1", position_size=D(0)), holding(mode, BUY))) == [CLOSE]


# ------------------------------------------------------------------------------------------------ target
@BOTH
@pytest.mark.parametrize(
    ("held", "side", "qty", "kind", "amount"),
    [
        (None, None, "0.5", PLACE, "0.5"),
        (None, SELL, "0.5", PLACE, "0.5"),
        ((BUY, "1"), None, "1.5", PLACE, "0.5"),
        ((BUY, "1"), None, "0.4", CLOSE, "0.6"),
        ((SELL, "1"), None, "-0.4", CLOSE, "0.6"),
        ((BUY, "1"), None, "0", CLOSE, None),
        ((BUY, "1"), BUY, "0", CLOSE, None),
    ],
)
def test_target(
    mode: MarginMode,
    held: tuple[Side, str] | None,
    side: Side | None,
    qty: str,
    kind: CommandKind,
    amount: str | None,
) -> None:
    """target makes the position this big: entry of the amount or the difference, or a reduction by it."""
    ctx = context(mode, positions=(position(*held),) if held else ())
    (leg,) = legs(plan(signal(Action.TARGET, side, qty), ctx))
    assert (leg.kind, leg.qty) == (kind, None if amount is None else D(amount))


@BOTH
def test_target_reached_or_crossed(mode: MarginMode) -> None:
    """target is skipped when it is held already, and reverses when it is on the other side."""
    assert skipped(plan(signal(Action.TARGET, None, "1"), holding(mode, BUY))) is Reason.ALREADY_AT_TARGET
    assert skipped(plan(signal(Action.TARGET, None, "0"), context(mode))) is Reason.ALREADY_AT_TARGET
    close, entry = legs(plan(signal(Action.TARGET, None, "-0.5"), holding(mode, BUY)))
    assert (close.kind, close.qty, entry.side, entry.qty) == (CLOSE, None, SELL, D("0.5"))
    assert entry.after_fill


# ------------------------------------------------------------------------------------------------ cancel
def _cancel_case(mode: MarginMode) -> RiskContext:
    held = position(BUY)
    orders = (
        order(BUY, number=1, tag="t"),
        order(SELL, number=2),
        order(BUY, number=3, symbol="XAUUSD"),
        guard(held, OrderType.STOP, 4, tag="t"),
    )
    return context(mode, positions=(held,), orders=orders)


@BOTH
@pytest.mark.parametrize(
    ("ask", "gone"),
    [
        (signal(Action.CANCEL), ["o1", "o2"]),
        (signal(Action.CANCEL, SELL), ["o2"]),
        (signal(Action.CANCEL, tag="t"), ["o1"]),
        (signal(Action.CANCEL, order_id="o2"), ["o2"]),
        (signal(Action.CANCEL, order_id="c1"), ["o1"]),
        (signal(Action.CANCEL, order_id="4"), []),
        (signal(Action.CANCEL, order_id="unheard of"), []),
    ],
)
def test_cancel(mode: MarginMode, ask: Signal, gone: list[str]) -> None:
    """cancel takes pending entries of scope by order_id, tag, side or symbol, and never protection."""
    for ctx in (_cancel_case(mode), replace(_cancel_case(mode), positions_known=False)):
        answer = plan(ask, ctx)
        if gone:
            assert [leg.venue_order_id for leg in legs(answer)] == gone
        else:
            assert skipped(answer) is Reason.NOTHING_TO_CANCEL


def test_cancel_takes_an_exit_by_its_id_where_nothing_is_open() -> None:
    """A stop whose position is gone protects nothing; beside a position of its root, or while positions are not known, it
    stays."""
    held = position()
    stop_order = guard(held, OrderType.STOP)
    ask = signal(Action.CANCEL, order_id=stop_order.venue_order_id)
    flat = context(orders=(stop_order,))
    (leg,) = legs(plan(ask, flat))
    assert (leg.kind, leg.venue_order_id) == (CANCEL, stop_order.venue_order_id)
    for ctx in (replace(flat, positions=(held,)), replace(flat, positions_known=False)):
        skipped = plan(ask, ctx)
        assert isinstance(skipped, Skipped)
        assert skipped.reason is Reason.NOTHING_TO_CANCEL


# ------------------------------------------------------------------------------------------------ flatten
@BOTH
def test_flatten(mode: MarginMode) -> None:
    """flatten cancels every order, then closes every position of the account, manual ones too."""
    mine, manual = position(BUY), position(SELL, symbol="XAUUSD", number=2, endpoint_id=None)
    orders = (order(number=5), guard(mine, OrderType.STOP, 6), order(SELL, number=7, symbol="XAUUSD"))
    ctx = context(mode, positions=(mine, manual), orders=orders, instrument=None)
    answer = legs(plan(signal(Action.FLATTEN, symbol=None), ctx))
    assert [leg.kind for leg in answer] == [CANCEL] * 3 + [CLOSE] * 2
    assert [leg.symbol for leg in answer[3:]] == ["EURUSD", "XAUUSD"]
    assert not any(leg.after_fill or leg.is_limited for leg in answer)


@BOTH
def test_flatten_symbol(mode: MarginMode) -> None:
    """flatten with a symbol leaves the others alone."""
    mine, other = position(BUY, endpoint_id="another"), position(SELL, symbol="XAUUSD", number=2)
    orders = (order(number=5, endpoint_id=None), order(SELL, number=7, symbol="XAUUSD"))
    answer = legs(plan(signal(Action.FLATTEN), context(mode, positions=(mine, other), orders=orders)))
    assert [(leg.kind, leg.symbol) for leg in answer] == [(CANCEL, "EURUSD"), (CLOSE, "EURUSD")]


@BOTH
def test_flatten_flat_and_unknown(mode: MarginMode) -> None:
    """flatten of a flat account is skipped; of an unread one it goes on until it could be read."""
    ask = signal(Action.FLATTEN, symbol=None)
    assert skipped(plan(ask, context(mode, instrument=None))) is Reason.NOTHING_TO_CLOSE
    answer = plan(ask, context(mode, instrument=None, positions_known=False))
    assert isinstance(answer, Denied)
    assert answer.retry_after_read


@BOTH
@pytest.mark.parametrize("action", list(Action))
def test_dry_runs_plan_the_same(mode: MarginMode, action: Action) -> None:
    """A dry run decides exactly what the real alert would have done."""
    for ctx in (context(mode), holding(mode, BUY), holding(mode, SELL), unread(mode)):
        for qty in (None, "0.5"):
            assert plan(signal(action, BUY, qty, dry_run=True), ctx) == plan(signal(action, BUY, qty), ctx)
