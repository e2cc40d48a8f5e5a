"""What holds for any sequence of commands on any paper book."""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, datetime
from decimal import Decimal as D

from hypothesis import given, settings
from hypothesis import strategies as st

from shared import codec
from shared.brokers.paper.book import PaperCommand, PaperState, PaperTerms
from shared.brokers.paper.matching import apply
from shared.brokers.paper.wire import Kept, fills_of
from shared.models.command import Protection
from shared.models.enums import CommandKind, Effect, OrderType, Side

NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
PRICES = st.integers(900, 1300).map(lambda points: D(points) / 1000)
SIZES = st.integers(1, 300).map(lambda hundredths: D(hundredths) / 100)
OPTIONAL_PRICES = st.none() | PRICES

commands = st.builds(
    PaperCommand,
    client_order_id=st.uuids().map(lambda name: name.hex),
    kind=st.sampled_from(CommandKind),
    symbol=st.sampled_from(["EURUSD", "GBPUSD"]),
    side=st.sampled_from(Side),
    type=st.sampled_from(OrderType),
    qty=SIZES,
    price=PRICES,
    stop_price=PRICES,
    protection=st.builds(Protection, stop_loss=OPTIONAL_PRICES, take_profit=OPTIONAL_PRICES),
    reduce_only=st.booleans(),
    position_id=st.none() | st.integers(1, 12).map(lambda number: f"P{number}"),
    order_id=st.integers(1, 12).map(lambda number: f"O{number}"),
    market_price=OPTIONAL_PRICES,
)
terms = st.builds(PaperTerms, slippage_ticks=st.sampled_from([D(0), D(3)]), commission_per_unit=st.just(D(2)))


@settings(max_examples=300, deadline=None)
@given(st.lists(commands, max_size=15), st.booleans(), terms)
def test_positions_and_money_follow_from_the_fills(
    given_commands: list[PaperCommand], hedging: bool, given_terms: PaperTerms
) -> None:
    """Every position is the sum of its fills, money changes by fills only, exits never flip, ids never repeat."""
    state = PaperState(D(100_000), hedging=hedging, terms=given_terms)
    held: dict[str, D] = defaultdict(D)
    seen: set[str] = set()
    money = D(100_000)
    for command in given_commands:
        state, answer = apply(state, command, NOW)
        for fill in fills_of(answer):
            assert fill.venue_fill_id not in seen
            seen.add(fill.venue_fill_id)
            assert fill.venue_position_id is not None
            held[fill.venue_position_id] += fill.qty if fill.effect is Effect.OPEN else -fill.qty
            money += fill.realised - fill.commission
        assert {each.id: each.qty for each in state.positions} == {k: v for k, v in held.items() if v}
        assert state.balance == money
        assert all(each.qty > 0 for each in state.positions)
        if not hedging:
            symbols = [each.symbol for each in state.positions]
            assert len(symbols) == len(set(symbols))


@settings(max_examples=100, deadline=None)
@given(st.lists(commands, max_size=8), st.booleans())
def test_book_survives_its_json(given_commands: list[PaperCommand], hedging: bool) -> None:
    """A book written as JSON and read back is the same book, to the last digit."""
    state = PaperState(D(100_000), hedging=hedging)
    for command in given_commands:
        state, _ = apply(state, command, NOW)
        again = codec.decode_as(Kept, codec.encode(Kept.of(state)))
        assert again.state(state.balance, state.currency, hedging) == state
        assert codec.decode_as(PaperCommand, codec.encode(command)) == command
