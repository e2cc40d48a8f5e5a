"""The simulators' order book: money and quantities add up, whatever is asked of it."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.venues.faults import BadFault, Fault, Faults, Kind, parse_faults
from local.venues.market import Market
from local.venues.matching import Book
from local.venues.trading import Contract, Refused, Request, Role, State, Why

D = Decimal
EURUSD = Contract("EURUSD", "EURUSD", D("0.00001"), D(100_000), "USD", D("0.01"), D("0.01"), D(100))


def new_book(*, hedging: bool = True) -> Book:
    """An account on a market that stands still."""
    market = Market()
    ids = (str(number) for number in count(1))
    book = Book(market, {"EURUSD": EURUSD}, ids, lambda: datetime.now(UTC), hedging=hedging)
    market.listen(book.on_price)
    return book


def buy(qty: str, **more: object) -> Request:
    """A market order to buy."""
    return Request("EURUSD", "buy", "market", D(qty), **more)  # type: ignore[arg-type]


steps = st.one_of(
    st.tuples(st.just("place"), st.sampled_from(["buy", "sell"]), st.integers(1, 30)),
    st.tuples(st.just("close"), st.integers(0, 5), st.integers(1, 30)),
    st.tuples(st.just("move"), st.integers(-200, 200), st.just(0)),
)


@pytest.mark.parametrize("hedging", [True, False], ids=["hedging", "netting"])
@given(script=st.lists(steps, max_size=25))
def test_trades_explain_positions_and_money(hedging: bool, script: list[tuple[str, object, int]]) -> None:
    """Position = sum of its trades, balance = start + profits, and every bracket is as large as its position."""
    book = new_book(hedging=hedging)
    start = book.balance
    for what, which, size in script:
        assert _do(book, what, which, D(size) / 100) in (None, Why.QUANTITY, Why.STOPS, Why.MARGIN)
        _assert_sound(book, start)


def _do(book: Book, what: str, which: object, qty: Decimal) -> Why | None:
    try:
        if what == "place":
            long = which == "buy"
            levels = {
                "stop_loss": D("1.08") if long else D("1.11"),
                "take_profit": D("1.11") if long else D("1.08"),
            }
            book.place(Request("EURUSD", str(which), "market", qty, **levels))
        elif what == "close" and book.holdings:
            holdings = list(book.holdings)
            book.close(holdings[int(str(which)) % len(holdings)], qty)
        elif what == "move":
            book.market.set_price("EURUSD", D("1.095") + int(str(which)) * D("0.0001"))
    except Refused as refused:
        return refused.why
    return None


def _assert_sound(book: Book, start: Decimal) -> None:
    assert book.balance == start + sum((each.profit for each in book.trades), D(0))
    signs = {"buy": 1, "sell": -1}
    for holding in book.holdings.values():
        trades = [each for each in book.trades if each.position_id == holding.id]
        net = sum((each.qty * signs[each.side] for each in trades), D(0))
        assert net == holding.qty * signs[holding.side]
        assert holding.qty > 0
    if not book.hedging:
        assert len(book.holdings) <= 1
    guarded = {each.id: each for each in book.holdings.values()}
    for order in book.working.values():
        assert order.role in (Role.STOP_LOSS, Role.TAKE_PROFIT)
        assert order.rest == guarded[order.position_id or ""].qty


def test_the_same_seed_is_the_same_market() -> None:
    """Two markets with one seed show the same prices, on the tick, ask above bid."""
    one, other = Market(seed=7), Market(seed=7)
    for _ in range(300):
        one.step()
        other.step()
    for name, spec in one.specs.items():
        price = one.price(name)
        assert price == other.price(name)
        assert price.bid > 0
        assert price.ask - price.bid == spec.spread
        assert price.bid % spec.tick == 0


def test_a_price_set_by_hand_stays() -> None:
    """Until it is released."""
    market = Market()
    market.set_price("EURUSD", D("1.2"))
    market.step()
    assert market.price("EURUSD").bid == D("1.2")
    with pytest.raises(ValueError, match="multiples"):
        market.set_price("EURUSD", D("1.000001"))


def test_a_stop_fills_at_the_market_and_a_limit_at_its_price() -> None:
    """A gap costs the stop and gives the limit no more than it asked for."""
    book = new_book()
    book.place(buy("1", stop_loss=D("1.09"), take_profit=D("1.10")))
    book.market.set_price("EURUSD", D("1.085"))
    assert [(each.state, each.average) for each in book.ended[1:]] == [
        (State.CANCELED, None),
        (State.FILLED, D("1.085")),
    ]
    book.place(buy("1", take_profit=D("1.10")))
    book.market.set_price("EURUSD", D("1.15"))
    assert book.ended[-1].average == D("1.10")


def test_no_margin_no_order() -> None:
    """What the account cannot carry is refused, and leaves nothing behind."""
    book = new_book()
    with pytest.raises(Refused) as refused:
        book.place(buy("100"))
    assert refused.value.why is Why.MARGIN
    assert not book.ended
    assert not book.holdings


def test_faults_are_read_from_a_line() -> None:
    """kind, value, operation, how often."""
    assert parse_faults("late=2@place:0.1, refuse=margin@place:x1,reorder_columns") == [
        Fault(Kind.LATE, "2", "place", None, 0.1),
        Fault(Kind.REFUSE, "margin", "place", 1, 1.0),
        Fault(Kind.REORDER_COLUMNS),
    ]
    for wrong in ("nonsense", "late:often", "late@place:x"):
        with pytest.raises(BadFault, match="kind"):
            parse_faults(wrong)


def test_a_fault_is_used_up() -> None:
    """Counted down where it strikes, and nowhere else."""
    faults = Faults(parse_faults("refuse@place:x2, late"))
    assert faults.take("close", Kind.REFUSE) is None
    assert [faults.take("place", Kind.REFUSE) is None for _ in range(3)] == [False, False, True]
    assert [each.kind for each in faults.active()] == [Kind.LATE]


def test_the_same_seed_is_the_same_trouble() -> None:
    """Faults that come by chance come at the same requests again."""
    one, other = Faults(parse_faults("late:0.3"), 5), Faults(parse_faults("late:0.3"), 5)
    drawn = [(one.take("x", Kind.LATE) is None, other.take("x", Kind.LATE) is None) for _ in range(100)]
    assert all(first == second for first, second in drawn)
    assert 10 < sum(1 for first, _ in drawn if not first) < 60
