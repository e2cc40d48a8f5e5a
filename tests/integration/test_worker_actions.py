"""What each action comes to on the whole road: alert in, real worker, paper broker, orders and positions out.

The table of the semantics, cell by cell where a position is known; netting and hedging where they differ. Reverse,
close, flatten, scopes and relative stops have files of their own.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal as D
from typing import Any

import pytest

from local.scratch import ScratchCluster
from tests.support.clusters import Database, clone
from tests.support.trading import Trader, new_trader, worker

PRICE = 1.1
BUY: dict[str, Any] = {"side": "buy", "qty": 0.1}
SELL: dict[str, Any] = {"side": "sell", "qty": 0.1}
LIMIT: dict[str, Any] = {**BUY, "type": "limit", "price": 1.05}
STOP: dict[str, Any] = {"sl": {"mode": "price", "value": 1.09}}
DONE = "executed"


def step(action: str, said: str = DONE, **intent: Any) -> tuple[dict[str, Any], str]:
    """An alert, and how it must end: its outcome, or outcome and reason."""
    return {"action": action, "symbol": "EURUSD", "ref_price": PRICE, "qty_mode": "lots", **intent}, said


@dataclass(frozen=True)
class Case:
    """Alerts one after another; then the open positions on each kind of account, and the pending entries."""

    name: str
    steps: tuple[tuple[dict[str, Any], str], ...]
    netting: tuple[str, ...] = ()
    hedging: tuple[str, ...] | None = None
    pending: tuple[str, ...] = ()

    def held(self, mode: str) -> list[str]:
        """The open positions there must be, as text."""
        return sorted(self.netting if mode == "netting" or self.hedging is None else self.hedging)


OPEN = step("open", **BUY)
CASES = (
    Case("add to nothing", (step("add", "skipped nothing_to_add_to", **BUY),)),
    Case("add", (OPEN, step("add", side="buy", qty=0.2)), ("buy 0.3",), ("buy 0.1", "buy 0.2")),
    Case("add to the other side", (OPEN, step("add", "denied opposite_position", **SELL)), ("buy 0.1",)),
    Case(
        "add with a stop",
        (OPEN, step("add", **BUY, **STOP)),
        ("buy 0.2 sl 1.09",),
        ("buy 0.1", "buy 0.1 sl 1.09"),
    ),
    Case("reduce nothing", (step("reduce", "skipped nothing_to_close", qty=0.1),)),
    Case("reduce", (OPEN, step("reduce", qty=0.04)), ("buy 0.06",)),
    Case("reduce a short", (step("open", **SELL), step("reduce", side="buy", qty=0.04)), ("sell 0.06",)),
    Case(
        "reduce the wrong side",
        (OPEN, step("reduce", "skipped wrong_side", side="buy", qty=0.04)),
        ("buy 0.1",),
    ),
    Case("reduce by more than there is", (OPEN, step("reduce", qty=5))),
    Case(
        "reduce by less than a step", (OPEN, step("reduce", "skipped below_minimum", qty=0.001)), ("buy 0.1",)
    ),
    Case("reduce rounds down", (OPEN, step("reduce", qty=0.0199)), ("buy 0.09",)),
    Case("reduce by percent", (OPEN, step("reduce", qty=50, qty_mode="position_pct")), ("buy 0.05",)),
    Case(
        "reduce keeps the stop",
        (step("open", **BUY, **STOP), step("reduce", qty=0.04)),
        ("buy 0.06 sl 1.09",),
    ),
    Case(
        "reduce over several positions",
        (OPEN, step("add", side="buy", qty=0.2), step("reduce", qty=0.25)),
        ("buy 0.05",),
    ),
    Case("target from nothing", (step("target", side="buy", qty=0.2),), ("buy 0.2",)),
    Case("target by its sign", (step("target", qty=-0.2),), ("sell 0.2",)),
    Case("target above", (OPEN, step("target", qty=0.3)), ("buy 0.3",), ("buy 0.1", "buy 0.2")),
    Case("target below", (OPEN, step("target", qty=0.03)), ("buy 0.03",)),
    Case("target reached", (OPEN, step("target", "skipped already_at_target", qty=0.1)), ("buy 0.1",)),
    Case("target on the other side", (OPEN, step("target", side="sell", qty=0.2)), ("sell 0.2",)),
    Case("target nothing", (OPEN, step("target", qty=0))),
    Case("target nothing from nothing", (step("target", "skipped already_at_target", qty=0),)),
    Case("cancel nothing", (step("cancel", "skipped nothing_to_cancel"),)),
    Case("cancel by symbol", (step("open", **LIMIT), step("cancel"))),
    Case(
        "cancel by tag",
        (
            step("open", **LIMIT, tag="a"),
            step("open", **LIMIT, tag="b"),
            step("cancel", symbol=None, tag="a"),
        ),
        pending=("buy 0.1 at 1.05 b",),
    ),
    Case(
        "cancel by side",
        (
            step("open", **LIMIT),
            step("open", side="sell", qty=0.2, type="limit", price=1.2, tag="s"),
            step("cancel", side="buy"),
        ),
        pending=("sell 0.2 at 1.2 s",),
    ),
    Case(
        "cancel another symbol",
        (step("open", **LIMIT), step("cancel", "skipped nothing_to_cancel", symbol="XAUUSD")),
        pending=("buy 0.1 at 1.05",),
    ),
    Case(
        "cancel leaves position and stop",
        (step("open", **BUY, **STOP), step("open", **LIMIT), step("cancel")),
        ("buy 0.1 sl 1.09",),
    ),
    Case("modify where nothing is", (step("modify", "denied ambiguous", **STOP),)),
    Case("modify sets a stop", (OPEN, step("modify", **STOP)), ("buy 0.1 sl 1.09",)),
    Case(
        "modify moves what it names and leaves the rest",
        (
            step("open", **BUY, **STOP, tp={"mode": "price", "value": 1.2}),
            step("modify", sl={"mode": "price", "value": 1.095}),
        ),
        ("buy 0.1 sl 1.095 tp 1.2",),
    ),
    Case(
        "modify removes",
        (
            step("open", **BUY, **STOP, tp={"mode": "price", "value": 1.2}),
            step("modify", tp={"mode": "none"}),
        ),
        ("buy 0.1 sl 1.09",),
    ),
    Case(
        "modify every position of the scope",
        (OPEN, step("add", side="buy", qty=0.2), step("modify", **STOP)),
        ("buy 0.3 sl 1.09",),
        ("buy 0.1 sl 1.09", "buy 0.2 sl 1.09"),
    ),
    Case(
        "modify a stop that the market has passed",
        (OPEN, step("modify", "denied stop_passed", sl={"mode": "price", "value": 1.15})),
        ("buy 0.1",),
    ),
    Case(
        "modify a pending entry",
        (step("open", **LIMIT), step("modify", price=1.06)),
        pending=("buy 0.1 at 1.06",),
    ),
    Case(
        "modify one of two pending entries",
        (step("open", **LIMIT), step("open", **LIMIT), step("modify", "denied ambiguous", price=1.06)),
        pending=("buy 0.1 at 1.05", "buy 0.1 at 1.05"),
    ),
)


@pytest.fixture(scope="module")
def served(cluster: ScratchCluster) -> Iterator[Database]:
    """One database with a worker, for every trader of this module."""
    database = clone(cluster)
    with worker(database):
        yield database
    database.drop()


async def positions(trader: Trader) -> list[str]:
    """The open positions as text."""
    held = [row for row in await trader.rows("positions") if row["closed_at"] is None]
    return sorted(
        f"{row['side']} {row['qty'].normalize():f}"
        + "".join(
            f" {name} {row[column].normalize():f}"
            for name, column in (("sl", "stop_loss"), ("tp", "take_profit"))
            if row[column] is not None
        )
        for row in held
    )


async def entries(trader: Trader) -> list[str]:
    """The pending entries as text."""
    waiting = await trader.rows("orders", status="working", kind="place", reduce_only=False)
    return sorted(
        f"{row['side']} {row['qty'].normalize():f} at {row['price'].normalize():f} {row['tag'] or ''}".rstrip()
        for row in waiting
    )


async def play(trader: Trader, case: Case) -> None:
    """Every alert of a case, each when the one before has ended."""
    for intent, said in case.steps:
        done = await trader.delivery(await trader.alert(**intent))
        assert " ".join(filter(None, (done["outcome"], done["reason"]))) == said, done
        assert done["trace"], done


@pytest.mark.parametrize("mode", ["netting", "hedging"])
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
async def test_an_action_leaves_what_it_promises(served: Database, case: Case, mode: str) -> None:
    """Outcome and reason of each alert, the positions with their stops, the pending entries; our books agree."""
    connection = await served.connect("supabase_admin")
    try:
        trader = await new_trader(served, connection, mode=mode)
        await play(trader, case)
        assert await positions(trader) == case.held(mode)
        assert await entries(trader) == sorted(case.pending)
        ended = {row["status"] for row in await trader.rows("orders")}
        assert ended <= {"filled", "working", "canceled"}
        assert await trader.invariants() == {}
    finally:
        await connection.close()


@pytest.mark.parametrize("mode", ["netting", "hedging"])
async def test_cancel_by_the_id_of_an_order(served: Database, mode: str) -> None:
    """The order's own id names it, the broker's or ours; its neighbours stay."""
    connection = await served.connect("supabase_admin")
    try:
        trader = await new_trader(served, connection, mode=mode)
        for tag in ("a", "b", "c"):
            await trader.delivery(await trader.alert(**step("open", **LIMIT, tag=tag)[0]))
        first, second, _ = await trader.rows("orders")
        for order_id in (first["client_order_id"], second["venue_order_id"]):
            done = await trader.delivery(await trader.alert(action="cancel", order_id=order_id))
            assert done["outcome"] == DONE, done
        assert [row["status"] for row in await trader.rows("orders")] == ["canceled", "canceled", "working"]
        assert await trader.invariants() == {}
    finally:
        await connection.close()


async def test_a_reduce_in_flight_is_not_reduced_again(served: Database) -> None:
    """Five reduces of 0.03 sent at once on 0.1: the position is closed and never turned around."""
    connection = await served.connect("supabase_admin")
    try:
        trader = await new_trader(served, connection)
        assert (await trader.delivery(await trader.alert(**OPEN[0])))["outcome"] == DONE
        events = [await trader.alert(**step("reduce", qty=0.03)[0]) for _ in range(5)]
        ends = [await trader.delivery(event) for event in events]
        assert [end["outcome"] for end in ends] == [DONE] * 4 + ["skipped"]
        sold = [row["filled_qty"] for row in await trader.rows("orders", kind="close")]
        sold += [row["filled_qty"] for row in await trader.rows("orders", kind="place", reduce_only=True)]
        assert sum(sold) == D("0.1")
        assert await positions(trader) == []
        assert await trader.invariants() == {}
    finally:
        await connection.close()
