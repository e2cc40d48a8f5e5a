"""Ten thousand things that happen at a broker, most of them not by us: at every quiet point our books are the broker's."""

from __future__ import annotations

import asyncio
import random
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from msgspec.structs import replace

from shared.brokers.paper.book import PaperAnswer, PaperCommand, PaperOrder, PaperState
from shared.brokers.paper.broker import PaperBroker
from shared.brokers.paper.matching import apply, meet_price
from shared.models.command import Protection
from shared.models.enums import Broker, CommandKind, Freshness, MarginMode, OrderType, Side
from shared.models.outcome import Accepted
from shared.models.trading import Account, AccountSnapshot, Fill
from shared.store.book_rows import Books
from tests.unit.worker.books import applied, known, summed
from workers.positions.diff import LIVE, corrections

D = Decimal
START = datetime(2026, 3, 2, 12, tzinfo=UTC)
PRICES = {"EURUSD": D("1.10000"), "GBPUSD": D("1.30000"), "USDCAD": D("1.40000")}


class Venue:
    """The paper broker's own matching with its book in memory; implements `Book`."""

    def __init__(self, hedging: bool) -> None:
        self.book = PaperState(D(10_000_000), hedging=hedging, prices=dict(PRICES))
        self.done: list[Fill] = []
        self.answers: dict[str, PaperAnswer] = {}
        self.now = START

    def tick(self) -> datetime:
        """A moment later."""
        self.now += timedelta(seconds=1)
        return self.now

    def command(self, command: PaperCommand) -> PaperAnswer:
        """Somebody's command."""
        self.book, answer = apply(self.book, command, self.tick())
        self.answers[command.client_order_id] = answer
        return self._kept(answer)

    def move(self, symbol: str, price: Decimal) -> PaperAnswer:
        """The market."""
        self.book, answer = meet_price(self.book, symbol, price, self.tick())
        return self._kept(answer)

    def _kept(self, answer: PaperAnswer) -> PaperAnswer:
        outcome = answer.outcome
        told = list(outcome.fills) if isinstance(outcome, Accepted) else []
        self.done += [*(each for state in outcome.effects for each in state.fills), *told]
        return answer

    async def execute(self, command: PaperCommand) -> PaperAnswer:
        """As the port's book."""
        return self.command(command)

    async def answer(self, client_order_id: str) -> PaperAnswer | None:
        """As the port's book."""
        return self.answers.get(client_order_id)

    async def state(self) -> PaperState:
        """As the port's book."""
        return self.book

    async def fills(self, since: datetime) -> tuple[Fill, ...]:
        """As the port's book."""
        return tuple(each for each in self.done if each.at >= since)


class Life:
    """One account: what happens there, and what we know of it."""

    def __init__(self, seed: int, hedging: bool) -> None:
        self.dice = random.Random(seed)
        self.venue = Venue(hedging)
        mode = MarginMode.HEDGING if hedging else MarginMode.NETTING
        account = Account(
            *(
                "a",
                "u",
                "c",
                Broker.PAPER,
                "1",
                "USD",
                mode,
                "simulated",
                "fleet",
                True,
                0,
                None,
                None,
                None,
                None,
            ),
            *(None, Freshness.FRESH),
        )
        self.broker = PaperBroker(account, self.venue)
        self.ours = Books(START)
        self.number = 0
        self.corrected = 0

    def step(self) -> None:
        """A command of ours or by hand, or the market; of ours we hear the answer, or not."""
        dice, symbol = self.dice, self.dice.choice(list(PRICES))
        price = self.venue.book.prices[symbol]
        if dice.random() < 0.4:
            self.venue.move(symbol, (price * (1 + D(dice.randint(-40, 40)) / 10_000)).quantize(D("0.00001")))
            return
        answer = self.venue.command(self._command(symbol, price))
        outcome = answer.outcome
        if isinstance(outcome, Accepted) and dice.random() < 0.5:
            self._heard(outcome.fills)

    def _heard(self, fills: tuple[Fill, ...]) -> None:
        """The answer to a command of ours: its own fills only, as a worker records them."""
        self.ours = replace(
            self.ours,
            fills=self.ours.fills | {each.venue_fill_id for each in fills},
            positions=summed(fills, self.ours.positions),
        )

    def _command(self, symbol: str, price: Decimal) -> PaperCommand:
        dice = self.dice
        self.number += 1
        made = PaperCommand(
            f"C{self.number}",
            CommandKind.PLACE,
            symbol,
            dice.choice(list(Side)),
            qty=D(dice.randint(1, 5)) / 10,
        )
        kind, waiting = dice.random(), self.venue.book.orders
        if kind < 0.25 and self.venue.book.positions:
            held = dice.choice(self.venue.book.positions)
            return replace(
                made, kind=CommandKind.CLOSE, symbol=held.symbol, side=None, qty=None, position_id=held.id
            )
        if kind < 0.4 and waiting:
            return self._cancel(made, dice.choice(waiting))
        away = price * D(dice.randint(1, 30)) / 10_000
        below = (price - away).quantize(D("0.00001"))
        above = (price + away).quantize(D("0.00001"))
        if kind < 0.6:
            return replace(made, type=OrderType.LIMIT, price=below if made.side is Side.BUY else above)
        stop, target = (below, above) if made.side is Side.BUY else (above, below)
        return replace(made, protection=Protection(stop, target)) if kind < 0.8 else made

    def _cancel(self, made: PaperCommand, order: PaperOrder) -> PaperCommand:
        return replace(
            made, kind=CommandKind.CANCEL, symbol=order.symbol, side=None, qty=None, order_id=order.id
        )

    async def compare(self) -> None:
        """A quiet point: a read, the fills since, the corrections; then ours are theirs, and nothing is left to correct."""
        theirs = await self.broker.snapshot()
        fills = await self.broker.fills(self.ours.since - timedelta(minutes=10))
        found = corrections(self.ours, theirs, fills)
        assert not [each for each in found if each.kind.startswith("position")], "every fill was told"
        self.corrected += len(found)
        self.ours = applied(self.ours, found, fills, theirs.orders)
        self._same(theirs)
        assert corrections(self.ours, theirs, fills) == ()
        # What ended is forgotten after a while, and fills are asked for since the books agreed.
        kept = tuple(each for each in self.ours.orders if each.status in LIVE)
        held = tuple(each for each in self.ours.positions if each.qty)
        self.ours = replace(self.ours, since=self.venue.now, orders=kept, positions=held)

    def _same(self, theirs: AccountSnapshot) -> None:
        held = {each.venue_position_id: (each.side, each.qty) for each in self.ours.positions if each.qty}
        assert held == {each.venue_position_id: (each.side, each.qty) for each in theirs.positions}
        standing = {each for each in self.ours.orders if each.status in LIVE}
        assert {each.venue_order_id for each in standing} == {each.venue_order_id for each in theirs.orders}
        told = [each for each in self.venue.done if each.venue_fill_id in self.ours.fills]
        result = sum((each.realised - each.commission for each in told), D(0))
        assert theirs.balance == 10_000_000 + result


@pytest.mark.parametrize("hedging", [False, True], ids=["netting", "hedging"])
def test_our_books_follow_ten_thousand_steps(hedging: bool) -> None:
    """Orders by us and by hand, answers lost, limits filled, stops and targets fired, orders taken back: at every quiet point
    positions, waiting orders and money agree with the broker's to the cent, by fills alone."""

    async def play() -> Life:
        life = Life(20_261_123, hedging)
        for number in range(1, 5001):
            life.step()
            if life.dice.random() < 0.1 or number == 5000:
                await life.compare()
        return life

    life = asyncio.run(play())
    assert life.corrected > 2000, life.corrected
    assert len(life.venue.done) > 2000


def test_the_stand_in_keeps_orders_apart() -> None:
    """Two orders of one venue have two rows."""
    life = Life(1, hedging=False)
    for _ in range(200):
        life.step()
    seen = asyncio.run(life.broker.snapshot())
    assert len({known(each).id for each in seen.orders}) == len(seen.orders)
