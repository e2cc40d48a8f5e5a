"""The paper broker's matching: what each command does to a book."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal as D

import pytest
from msgspec.structs import replace

from shared.brokers.paper.book import PaperAnswer, PaperCommand, PaperState, PaperTerms
from shared.brokers.paper.matching import apply, meet_price
from shared.models.command import Protection
from shared.models.enums import CommandKind, Effect, OrderStatus, OrderType, Side, Tif
from shared.models.reasons import Reason

NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
NETTING = PaperState(D(100_000))
HEDGING = PaperState(D(100_000), hedging=True)
BUY = PaperCommand("c1", CommandKind.PLACE, "EURUSD", Side.BUY, qty=D(1), market_price=D("1.1"))
SELL = replace(BUY, client_order_id="c2", side=Side.SELL)
CLOSE = PaperCommand("c3", CommandKind.CLOSE, "EURUSD", market_price=D("1.11"))


def done(state: PaperState, *commands: PaperCommand) -> tuple[PaperState, PaperAnswer]:
    """The book and the last answer after these commands; each must be accepted."""
    answer = PaperAnswer()
    for command in commands:
        state, answer = apply(state, command, NOW)
        assert answer.accepted is not None, answer
    return state, answer


def refused(state: PaperState, command: PaperCommand) -> Reason:
    """Why the command is refused; positions, orders and money stay as they were."""
    after, answer = apply(state, command, NOW)
    assert answer.rejected is not None, answer
    assert (after.positions, after.orders, after.balance) == (state.positions, state.orders, state.balance)
    return answer.rejected.reason


def test_market_order_opens_a_position() -> None:
    """A market order is filled whole, at the price that came with it, and opens one position."""
    state, answer = done(NETTING, BUY)
    accepted = answer.accepted
    assert accepted is not None
    assert (accepted.status, accepted.filled_qty, accepted.avg_price) == (OrderStatus.FILLED, D(1), D("1.1"))
    assert [(fill.effect, fill.client_order_id) for fill in accepted.fills] == [(Effect.OPEN, "c1")]
    assert [(each.side, each.qty, each.entry_price) for each in state.positions] == [
        (Side.BUY, D(1), D("1.1"))
    ]


def test_netting_averages_the_entry() -> None:
    """A second entry on the same side makes one position at the average price."""
    state, _ = done(NETTING, BUY, replace(BUY, client_order_id="c2", market_price=D("1.2")))
    assert [(each.qty, each.entry_price) for each in state.positions] == [(D(2), D("1.15"))]


def test_hedging_keeps_positions_apart() -> None:
    """On a hedging book every entry is a position of its own, opposite ones side by side."""
    state, _ = done(HEDGING, BUY, SELL)
    assert [each.side for each in state.positions] == [Side.BUY, Side.SELL]


def test_netting_flip_closes_then_opens() -> None:
    """A larger opposite order closes the position and opens the rest under a new id, as two fills."""
    state, answer = done(NETTING, BUY, replace(SELL, qty=D(3), market_price=D("1.11")))
    assert answer.accepted is not None
    closing, opening = answer.accepted.fills
    assert (closing.effect, closing.qty, closing.realised) == (Effect.CLOSE, D(1), D(1000))
    assert (opening.effect, opening.qty) == (Effect.OPEN, D(2))
    assert closing.venue_position_id != opening.venue_position_id
    assert state.balance == D(101_000)


def test_close_books_the_profit() -> None:
    """Closing realises the difference times the contract, in the account's currency."""
    state, answer = done(NETTING, BUY, CLOSE)
    assert state.positions == ()
    assert state.balance == D(101_000)
    assert answer.accepted is not None
    assert [each.qty for each in answer.accepted.positions] == [D(0)]


def test_partial_close_leaves_the_rest() -> None:
    """Closing part of a position leaves the rest at its entry price."""
    state, _ = done(NETTING, BUY, replace(CLOSE, qty=D("0.4")))
    assert [(each.qty, each.entry_price) for each in state.positions] == [(D("0.6"), D("1.1"))]


def test_profit_is_converted_into_the_account_currency() -> None:
    """USDJPY profit is in yen: in a dollar book it is divided by the pair's last price."""
    entry = replace(BUY, symbol="USDJPY", market_price=D(150))
    state, _ = done(NETTING, entry, replace(CLOSE, symbol="USDJPY", market_price=D(151)))
    assert state.balance == D(100_000) + (D(100_000) / D(151)).quantize(D("0.01"))


def test_slippage_and_commission_cost() -> None:
    """Slippage worsens every market fill by its ticks; commission is taken per unit and side."""
    terms = PaperTerms(slippage_ticks=D(2), commission_per_unit=D("3.5"))
    state, answer = done(replace(NETTING, terms=terms), BUY, replace(CLOSE, market_price=D("1.1")))
    assert answer.accepted is not None
    assert answer.accepted.avg_price == D("1.09998")
    assert state.balance == D(100_000) - D(4) - D(7)


@pytest.mark.parametrize(
    ("type_", "side", "at", "reached", "filled_at"),
    [
        (OrderType.LIMIT, Side.BUY, "1.09", "1.085", "1.09"),
        (OrderType.LIMIT, Side.SELL, "1.12", "1.13", "1.12"),
        (OrderType.STOP, Side.BUY, "1.12", "1.13", "1.13"),
        (OrderType.STOP, Side.SELL, "1.09", "1.085", "1.085"),
    ],
)
def test_pending_order_waits_for_its_price(
    type_: OrderType, side: Side, at: str, reached: str, filled_at: str
) -> None:
    """A limit fills at its own price, a stop at the market's; neither before its price is reached."""
    limit = type_ is OrderType.LIMIT
    order = replace(
        BUY, side=side, type=type_, price=D(at) if limit else None, stop_price=None if limit else D(at)
    )
    state, answer = done(NETTING, order)
    assert answer.accepted is not None
    assert answer.accepted.status is OrderStatus.WORKING
    state, _ = meet_price(state, "EURUSD", D("1.1"), NOW)
    assert len(state.orders) == 1
    state, answer = meet_price(state, "EURUSD", D(reached), NOW)
    assert answer.accepted is not None
    (effect,) = answer.accepted.effects
    assert (effect.client_order_id, effect.status, effect.avg_price) == (
        "c1",
        OrderStatus.FILLED,
        D(filled_at),
    )
    assert state.orders == ()


@pytest.mark.parametrize(("price", "name"), [("1.08", "SL"), ("1.13", "TP")])
def test_protection_closes_the_position(price: str, name: str) -> None:
    """A price beyond stop or target closes the position; the effect names which, and there is no order of ours."""
    entry = replace(BUY, protection=Protection(stop_loss=D("1.09"), take_profit=D("1.12")))
    state, _ = done(NETTING, entry)
    state, answer = meet_price(state, "EURUSD", D(price), NOW)
    assert answer.accepted is not None
    (effect,) = answer.accepted.effects
    assert effect.venue_order_id is not None
    assert effect.venue_order_id.endswith(name)
    assert effect.client_order_id is None
    assert state.positions == ()


def test_price_of_a_refused_command_still_counts() -> None:
    """A refused close tells what its price set off: the stop that closed the position just before."""
    entry = replace(BUY, protection=Protection(stop_loss=D("1.09")))
    state, _ = done(NETTING, entry)
    _, answer = apply(state, replace(CLOSE, market_price=D("1.08")), NOW)
    assert answer.rejected is not None
    assert answer.rejected.reason is Reason.POSITION_NOT_FOUND
    assert [each.status for each in answer.rejected.effects] == [OrderStatus.FILLED]
    assert [each.qty for each in answer.rejected.positions] == [D(0)]


def test_exits_of_a_closed_position_are_swept() -> None:
    """When a position is gone, the reduce-only orders that waited for it are canceled."""
    exit_ = replace(SELL, type=OrderType.LIMIT, price=D("1.2"), reduce_only=True)
    state, answer = done(NETTING, BUY, exit_, CLOSE)
    assert answer.accepted is not None
    assert [(each.client_order_id, each.status) for each in answer.accepted.effects] == [
        ("c2", OrderStatus.CANCELED)
    ]
    assert state.orders == ()


def test_cancel_and_modify_of_a_pending_order() -> None:
    """A pending order moves to its new price, and is gone after its cancel."""
    order = replace(BUY, type=OrderType.LIMIT, price=D("1.05"))
    state, answer = done(NETTING, order)
    assert answer.accepted is not None
    name = answer.accepted.venue_order_id
    modify = PaperCommand("c2", CommandKind.MODIFY, "EURUSD", price=D("1.06"), order_id=name)
    state, _ = done(state, modify)
    assert [each.price for each in state.orders] == [D("1.06")]
    state, _ = done(state, PaperCommand("c3", CommandKind.CANCEL, "EURUSD", order_id=name))
    assert state.orders == ()


def test_protect_sets_and_clears() -> None:
    """Stop and target are set, left alone when absent, and removed only when that is said."""
    state, _ = done(NETTING, BUY)
    protect = PaperCommand("c2", CommandKind.PROTECT, "EURUSD", protection=Protection(stop_loss=D("1.09")))
    state, _ = done(state, protect, replace(protect, protection=Protection(take_profit=D("1.2"))))
    assert [(each.stop_loss, each.take_profit) for each in state.positions] == [(D("1.09"), D("1.2"))]
    state, _ = done(state, replace(protect, protection=Protection(clear_stop_loss=True)))
    assert [(each.stop_loss, each.take_profit) for each in state.positions] == [(None, D("1.2"))]


def test_immediate_orders_never_rest() -> None:
    """A limit that cannot fill now and is immediate-or-cancel is taken and canceled."""
    order = replace(BUY, type=OrderType.LIMIT, price=D("1.05"), tif=Tif.IOC)
    state, answer = done(NETTING, order)
    assert answer.accepted is not None
    assert answer.accepted.status is OrderStatus.CANCELED
    assert state.orders == ()


@pytest.mark.parametrize(
    ("command", "reason"),
    [
        (replace(BUY, qty=D("0.005")), Reason.INVALID_QUANTITY),
        (replace(BUY, qty=D("0.015")), Reason.INVALID_QUANTITY),
        (replace(BUY, qty=D(100), market_price=D("1.1")), Reason.INSUFFICIENT_MARGIN),
        (replace(BUY, market_price=None), Reason.NO_QUOTE),
        (replace(BUY, symbol="ES2!"), Reason.INSTRUMENT_UNKNOWN),
        (replace(BUY, symbol="EURKRW", market_price=D(1500)), Reason.CONVERSION_UNKNOWN),
        (replace(BUY, protection=Protection(stop_loss=D("1.2"))), Reason.INVALID_STOPS),
        (replace(BUY, protection=Protection(take_profit=D("1.0"))), Reason.INVALID_STOPS),
        (replace(BUY, type=OrderType.STOP, stop_price=D("1.05")), Reason.INVALID_PRICE),
        (replace(BUY, reduce_only=True), Reason.POSITION_NOT_FOUND),
        (CLOSE, Reason.POSITION_NOT_FOUND),
        (PaperCommand("c1", CommandKind.CANCEL, "EURUSD", order_id="O9"), Reason.ORDER_NOT_FOUND),
        (PaperCommand("c1", CommandKind.PROTECT, "EURUSD", position_id="P9"), Reason.POSITION_NOT_FOUND),
    ],
)
def test_refusals_have_a_reason_and_change_nothing(command: PaperCommand, reason: Reason) -> None:
    """What a broker would not do is refused with our word for it, and the book stays as it was."""
    assert refused(NETTING, command) is reason


def test_close_of_more_than_is_open_is_refused() -> None:
    """An exit never flips: closing or reducing by more than is open is refused."""
    state, _ = done(NETTING, BUY)
    assert refused(state, replace(CLOSE, qty=D(2))) is Reason.INVALID_QUANTITY
    assert refused(state, replace(SELL, qty=D(2), reduce_only=True)) is Reason.INVALID_QUANTITY


def test_account_without_money_opens_nothing() -> None:
    """With no equity left an entry is refused for lack of funds."""
    assert refused(replace(NETTING, balance=D(0)), BUY) is Reason.INSUFFICIENT_FUNDS
