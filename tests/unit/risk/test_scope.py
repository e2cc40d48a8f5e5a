"""What an alert means by its symbol, tag, endpoint and scope."""

import pytest
from msgspec.structs import replace

from shared.models.context import SymbolWord
from shared.models.enums import Action, CommandKind, OnOpposite, OrderType, Scope
from shared.models.reasons import Reason
from shared.risk.actions import plan
from shared.risk.decision import Denied, Plan, Skipped
from tests.unit.risk.builders import (
    BUY,
    HEDGING,
    MNQ,
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


def closed(answer: Plan | Skipped | Denied) -> list[str | None]:
    assert isinstance(answer, Plan), answer
    return [leg.venue_position_id for leg in answer.legs if leg.kind is CommandKind.CLOSE]


MINE = position(BUY, number=1)
TAGGED = position(BUY, number=2, tag="t")
OTHER = position(SELL, number=3, endpoint_id="another")
MANUAL = position(BUY, number=4, endpoint_id=None)
ALL = (MINE, TAGGED, OTHER, MANUAL)


def test_hedging_means_this_endpoint() -> None:
    """On a hedging account an alert means the positions its endpoint opened, with its tag if it has one."""
    ctx = context(HEDGING, positions=ALL)
    assert closed(plan(signal(Action.CLOSE), ctx)) == ["p1", "p2"]
    assert closed(plan(signal(Action.CLOSE, tag="t"), ctx)) == ["p2"]


def test_scope_symbol_means_every_position() -> None:
    """`scope: symbol` means every position of the symbol, manual ones too; the alert's word beats the
    endpoint's.
    """
    ctx = context(HEDGING, positions=ALL)
    assert closed(plan(signal(Action.CLOSE, scope=Scope.SYMBOL), ctx)) == ["p1", "p2", "p3", "p4"]
    wide = context(HEDGING, positions=ALL, endpoint=EndpointRules(id="e", scope=Scope.SYMBOL))
    assert closed(plan(signal(Action.CLOSE, scope=Scope.ENDPOINT), wide)) == ["p1", "p2"]


def test_without_an_endpoint_the_symbol_is_meant() -> None:
    """A click or an API call has no endpoint: it means the symbol, a tag narrows it, an id names one."""
    ctx = context(HEDGING, positions=ALL, endpoint=EndpointRules())
    assert closed(plan(signal(Action.CLOSE), ctx)) == ["p1", "p2", "p3", "p4"]
    assert closed(plan(signal(Action.CLOSE, tag="t"), ctx)) == ["p2"]
    assert closed(plan(signal(Action.CLOSE, position_id="p3"), ctx)) == ["p3"]
    assert closed(
        plan(signal(Action.CLOSE, symbol=None, position_id="4"), replace(ctx, instrument=None))
    ) == ["p4"]


def test_close_needs_something_named() -> None:
    """A close without any symbol is not a flatten: it is denied."""
    answer = plan(signal(Action.CLOSE, symbol=None), context(HEDGING, positions=ALL, instrument=None))
    assert isinstance(answer, Denied)
    assert answer.reason is Reason.INSTRUMENT_UNKNOWN


def test_an_exit_finds_its_position_without_an_instrument() -> None:
    """When the symbol cannot be resolved any more, a close still finds the position by its name."""
    ctx = context(HEDGING, positions=ALL, instrument=None)
    assert closed(plan(signal(Action.CLOSE, symbol="FX:EURUSD"), ctx)) == ["p1", "p2"]


def test_netting_tag_limits_the_quantity() -> None:
    """On netting a tag closes what its fills still hold, and leaves the rest its protection."""
    held = position(BUY, "3")
    orders = (
        guard(held, OrderType.STOP, 5, tag="t", qty=D(1)),
        guard(held, OrderType.STOP, 6, tag="u", qty=D(2)),
    )
    ctx = context(NETTING, positions=(held,), orders=orders, tag_qty=D(1))
    answer = plan(signal(Action.CLOSE, tag="t"), ctx)
    assert isinstance(answer, Plan)
    assert [(leg.kind, leg.qty, leg.venue_order_id) for leg in answer.legs] == [
        (CommandKind.CLOSE, D(1), None),
        (CommandKind.CANCEL, None, "o5"),
    ]


def test_netting_tag_that_holds_nothing() -> None:
    """A tag whose fills hold nothing has nothing to close, whatever other tags hold."""
    ctx = context(NETTING, positions=(position(BUY, "3", tag="u"),), tag_qty=D(0))
    for each in (ctx, replace(ctx, tag_qty=None)):
        answer = plan(signal(Action.CLOSE, tag="t"), each)
        assert isinstance(answer, Skipped)
        assert answer.reason is Reason.NOTHING_TO_CLOSE


def test_netting_entry_never_eats_another_tags_position() -> None:
    """A tag cannot reverse into a position that other tags hold on netting: denied, not netted away."""
    ctx = context(NETTING, positions=(position(BUY, "3"),), tag_qty=D(1))
    for action in (Action.REVERSE, Action.TARGET, Action.OPEN, Action.ADD):
        answer = plan(signal(action, SELL, "1", tag="t"), ctx)
        assert isinstance(answer, Denied), action
        assert answer.reason is Reason.OPPOSITE_POSITION
    reversing = replace(ctx, endpoint=EndpointRules(id="e", on_opposite=OnOpposite.REVERSE))
    assert isinstance(plan(signal(Action.OPEN, SELL, "1", tag="t"), reversing), Denied)


@pytest.mark.parametrize("name", ["MNQ1!", "CME_MINI:MNQ1!", "MNQZ6"])
def test_futures_are_found_in_any_month(name: str) -> None:
    """A close finds the open position in any month of the root; a reverse opens in the month active now."""
    old = position(BUY, "2", symbol="MNQU6", root="MNQ", entry="19500", venue_symbol="CON.F.US.MNQ.U26")
    ctx = context(NETTING, positions=(old,), instrument=MNQ)
    answer = plan(signal(Action.CLOSE, symbol=name), ctx)
    assert isinstance(answer, Plan)
    assert answer.legs[0].venue_symbol == "CON.F.US.MNQ.U26"
    swapped = plan(signal(Action.REVERSE, symbol=name), ctx)
    assert isinstance(swapped, Plan)
    assert [leg.symbol for leg in swapped.legs] == ["MNQU6", "MNQZ6"]


def test_reduce_takes_the_oldest_first() -> None:
    """On hedging a reduction closes the oldest positions first."""
    first, second = position(BUY, "0.3", number=1), position(BUY, "0.5", number=2)
    answer = plan(signal(Action.REDUCE, None, "0.4"), context(HEDGING, positions=(second, first)))
    assert isinstance(answer, Plan)
    assert [(leg.venue_position_id, leg.qty) for leg in answer.legs] == [("p1", None), ("p2", D("0.1"))]


@pytest.mark.parametrize("action", [Action.REVERSE, Action.TARGET, Action.REDUCE])
def test_a_long_and_a_short_in_scope_are_ambiguous(action: Action) -> None:
    """Which of two opposite positions to reverse or reduce is not guessed."""
    both = (position(BUY, number=1), position(SELL, "0.5", number=2))
    answer = plan(signal(action, None, "0.1"), context(HEDGING, positions=both))
    assert isinstance(answer, Denied)
    assert (answer.reason, dict(answer.numbers)) == (Reason.AMBIGUOUS, {"long": "1", "short": "0.5"})


def test_orders_without_a_brokers_id_are_told() -> None:
    """A pending entry we cannot name at the broker is not canceled silently: the plan says so."""
    unnamed = replace(order(), venue_order_id=None)
    answer = plan(signal(Action.CLOSE), context(HEDGING, positions=(MINE,), orders=(unnamed,)))
    assert isinstance(answer, Plan)
    assert [leg.kind for leg in answer.legs] == [CommandKind.CLOSE]
    assert "cannot be canceled" in answer.notes[0].text


def test_unread_instrument_is_found_by_the_traders_word() -> None:
    """An exit whose instrument cannot be read finds its position under the trader's own word for it."""
    gold = position(BUY, symbol="GOLD")
    ctx = context(HEDGING, positions=(gold,), instrument=None, word=SymbolWord("GOLD"))
    assert closed(plan(signal(Action.CLOSE, symbol="TVC:XAUUSD"), ctx)) == ["p1"]


@pytest.mark.parametrize("action", [Action.CLOSE, Action.REDUCE, Action.CANCEL])
def test_what_could_not_be_asked_is_not_nothing(action: Action) -> None:
    """While the instrument cannot be read an exit that finds nothing by the name waits, it is not over: GOLD is XAUUSD."""
    held = (position(symbol="XAUUSD"),)
    ctx = replace(context(HEDGING, positions=held, instrument=None), instrument_known=False)
    answer = plan(signal(action, qty="1", symbol="OANDA:GOLD"), ctx)
    assert isinstance(answer, Denied)
    assert (answer.reason, answer.retry_after_read) == (Reason.INSTRUMENT_UNKNOWN, True)
    known = replace(ctx, instrument_known=True)
    assert isinstance(plan(signal(action, qty="1", symbol="OANDA:GOLD"), known), Skipped)
