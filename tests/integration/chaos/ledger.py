"""The reckoning: what every simulator has in its own journal and book, against what our books and traces say."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from dataclasses import dataclass, field
from decimal import Decimal as D
from typing import Any

from shared import codec
from tests.integration.chaos.accidents import net
from tests.integration.chaos.venues import Floor, Seat, Venue

GRACE_S = 30.0
AGREED_S = 90.0
"""So long the watch may take to learn what was not told while the commands were under way, at all accounts."""
AT_BROKER = frozenset({"working", "filled", "partially_filled"})
CHILDREN = ("-SL", "-TP", "-RO")
"""What an adapter places to protect a position is no entry."""
NOT_AT_BROKER = frozenset({"rejected", "expired", "pending"})


@dataclass
class Reckoning:
    """Totals; every list is of sentences and must be empty, one apart: `by_hand` have lost their labels. `behind` are
    orders that the broker has taken and whose fills are not in our books, though the watch has had its time.
    """

    alerts: int = 0
    orders: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    settled_s: list[float] = field(default_factory=list)
    doubles: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    late: list[str] = field(default_factory=list)
    differing: list[str] = field(default_factory=list)
    by_hand: list[str] = field(default_factory=list)
    behind: list[str] = field(default_factory=list)
    invariants: dict[str, int] = field(default_factory=dict)
    evidence: dict[str, Any] = field(default_factory=dict)
    """Of every account that a sentence is about: deliveries with their traces, orders, the broker's journal and book."""

    @property
    def sentences(self) -> int:
        """How many there are."""
        return sum(map(len, (self.doubles, self.lost, self.late, self.differing, self.by_hand, self.behind)))

    @property
    def faultless(self) -> bool:
        """Nothing doubled, nothing lost, nothing left open or unknown to our books that could be known."""
        return not (
            self.doubles or self.lost or self.late or self.differing or self.behind or self.invariants
        )

    @property
    def settled_p99(self) -> float | None:
        """Seconds from the end of the broker's answer time to the end of the doubt."""
        ordered = sorted(self.settled_s)
        return round(ordered[min(len(ordered) - 1, len(ordered) * 99 // 100)], 2) if ordered else None


@dataclass(frozen=True)
class Doubt:
    """A delivery that is not done, and for how long one of its commands has been sent without an outcome."""

    delivery: int
    client_order_id: str
    age_s: float


async def doubts(seat: Seat, floor: Floor) -> list[Doubt]:
    """What is still open on an account."""
    rows = await floor.connection.fetch(
        "select d.id, c.client_order_id, extract(epoch from clock_timestamp() - coalesce(c.submitted_at, d.created_at))"
        " from public.deliveries d left join engine.commands c on c.delivery_id = d.id"
        "   and c.state in ('pending', 'submitting', 'unknown')"
        " where d.account_id = $1 and d.status not in ('done', 'dead')",
        seat.account,
    )
    return [Doubt(row[0], row[1] or "", float(row[2])) for row in rows]


async def wait_settled(floor: Floor, longest_s: float | None = None) -> None:
    """Until nothing is open any more, or what is open is as old as it may get, or `longest_s` is over."""
    ends = time.monotonic() + (longest_s or float("inf"))
    while time.monotonic() < ends:
        opened = [(seat, each) for seat in floor.seats for each in await doubts(seat, floor)]
        if all(each.age_s > allowed_s(seat.venue) for seat, each in opened):
            return
        await asyncio.sleep(0.25)


async def wait_agreed(floor: Floor) -> None:
    """Until our books are the broker's on every account where nothing is in doubt, or the watch has had its time."""
    ends = time.monotonic() + AGREED_S
    while time.monotonic() < ends:
        if await _agree(floor):
            return
        await asyncio.sleep(0.5)


async def _agree(floor: Floor) -> bool:
    for venue in floor.venues:
        state = venue.operator.state()
        for seat in (each for each in floor.seats if each.venue is venue):
            if await doubts(seat, floor):
                continue
            if await floor.untold(seat) or await _ours(floor, seat) != _theirs(seat, state[seat.number]):
                return False
    return True


def allowed_s(venue: Venue) -> float:
    """A doubt may last so long after a send: until the answer can no longer come, the lists' lag, and half a minute."""
    return venue.kind.timeout_s + venue.kind.lag_s + GRACE_S


async def reckon(floor: Floor) -> Reckoning:
    """Compare every account."""
    told = Reckoning()
    for venue in floor.venues:
        log, state = venue.operator.log(), venue.operator.state()
        for seat in (each for each in floor.seats if each.venue is venue):
            mine = [each for each in log if each["account"] == seat.number]
            await _account(told, floor, seat, mine, state[seat.number])
    invariants = await floor.seats[0].trader.invariants()
    # While an order is in doubt its fills are not in our books, whatever of them has reached the position.
    unsure = [seat.account for seat in floor.seats if await doubts(seat, floor)]
    text = (
        "select count(*) from engine.invariant_position_is_sum_of_fills where account_id <> all ($1::uuid[])"
    )
    if not await floor.connection.fetchval(text, unsure):
        invariants.pop("invariant_position_is_sum_of_fills", None)
    if told.by_hand:
        invariants.pop("invariant_sent_has_an_outcome", None)
    told.invariants = invariants
    return told


async def _account(
    told: Reckoning, floor: Floor, seat: Seat, log: list[dict[str, Any]], book: dict[str, Any]
) -> None:
    told.alerts += len(seat.events)
    before = told.sentences
    where = f"{seat.venue.kind.broker} {seat.number}"
    rows = await floor.connection.fetch(
        # What the watch has asked for meanwhile was no alert.
        "select coalesce(reason::text, outcome::text, status::text) from public.deliveries"
        " where account_id = $1 and event_id = any ($2)",
        *(seat.account, seat.events),
    )
    told.outcomes.update(row[0] for row in rows)
    if len(rows) != len(seat.events):
        told.lost.append(f"{where}: {len(seat.events)} alerts accepted, {len(rows)} deliveries")
    sure = await _open_ones(told, floor, seat, where, _unlabelled(log, book))
    orders = await floor.connection.fetch("select * from public.orders where account_id = $1", seat.account)
    placed = Counter(
        each["tag"] for each in log if each["operation"] == "place" and each["applied"] and each["tag"]
    )
    for order in orders:
        if order["kind"] == "place" and order["delivery_id"] is not None:
            _order(told, where, order, placed.pop(order["client_order_id"], 0))
    # Stops and targets that an adapter places itself carry the name of the command that asked for them.
    ours = tuple(await floor.names(seat))
    told.lost += [f"{where}: nobody here knows {tag}" for tag in placed if not tag.startswith(ours)]
    sent = await floor.connection.fetchval(
        # A close of a symbol, whatever there is of it, has no order of its own.
        "select count(*) from engine.commands where account_id = $1 and kind = 'close'"
        " and state in ('submitting', 'unknown', 'accepted')",
        seat.account,
    )
    _closes(told, where, sent, log)
    untold = await floor.untold(seat) if sure else []
    if untold:
        told.behind.append(f"{where}: fills that are not in our books: {', '.join(untold)}")
    if sure:
        _compare(told, where, await _ours(floor, seat), _theirs(seat, book))
    await _times(told, floor, seat)
    if told.sentences > before:
        told.evidence[where] = {"log": log, "book": book, **await _written(floor, seat)}


async def _written(floor: Floor, seat: Seat) -> dict[str, Any]:
    tables = ("public.deliveries", "public.orders", "public.fills", "public.positions", "engine.commands")
    return {
        table: codec.decode(
            await floor.connection.fetchval(
                f"select coalesce(jsonb_agg(to_jsonb(t) order by id), '[]') from {table} t where account_id = $1",
                seat.account,
            )
        )
        for table in tables
    }


async def _open_ones(told: Reckoning, floor: Floor, seat: Seat, where: str, unlabelled: set[str]) -> bool:
    opened = await doubts(seat, floor)
    stripped = [each for each in opened if each.client_order_id in unlabelled]
    for each in opened:
        text = f"{where}: delivery {each.delivery} ({each.client_order_id}) open for {each.age_s:.0f} s"
        if stripped:
            # What waits behind it on its account waits for the same person.
            told.by_hand += [text] if each in stripped else []
        elif each.age_s > allowed_s(seat.venue):
            told.late.append(text)
    return not opened


def _unlabelled(log: list[dict[str, Any]], book: dict[str, Any]) -> set[str]:
    """Client order ids whose order has lost its label at the broker."""
    kept = [*book.get("working", ()), *book.get("ended", ()), *book.get("orders", ())]
    bare = {str(each["id"]) for each in kept if not each["tag"]}
    return {each["tag"] for each in log if each["operation"] == "place" and each["order_id"] in bare}


def _order(told: Reckoning, where: str, order: Any, made: int) -> None:
    told.orders += made
    text = f"{where}: order {order['client_order_id']} is {order['status']}, the broker has made {made}"
    status = order["status"]
    if made > 1:
        told.doubles.append(text)
    elif (
        (status in AT_BROKER and not made)
        or (status in NOT_AT_BROKER and made)
        or (status == "canceled" and bool(order["venue_order_id"]) is not bool(made))
    ):
        told.lost.append(text)


def _closes(told: Reckoning, where: str, ours: int, log: list[dict[str, Any]]) -> None:
    """A close that was done twice is a double, too: at most one for each close of ours."""
    done = sum(1 for each in log if each["operation"] in ("close", "partial_close") and each["applied"])
    if done > ours:
        told.doubles.append(f"{where}: {done} closes at the broker, {ours} of ours")


def _compare(told: Reckoning, where: str, ours: tuple[D, int], theirs: tuple[D, int]) -> None:
    if ours != theirs:
        told.differing.append(
            f"{where}: we hold {ours[0]} with {ours[1]} waiting entries, the broker {theirs[0]} with {theirs[1]}"
        )


async def _ours(floor: Floor, seat: Seat) -> tuple[D, int]:
    held = await floor.connection.fetch(
        "select side, qty from public.positions where account_id = $1 and closed_at is null", seat.account
    )
    waiting = await floor.connection.fetchval(
        "select count(*) from public.orders where account_id = $1 and kind = 'place' and type = 'limit'"
        " and not reduce_only and parent_order_id is null and status in ('working', 'partially_filled')",
        seat.account,
    )
    return net([dict(row) for row in held]), waiting


def _theirs(seat: Seat, book: dict[str, Any]) -> tuple[D, int]:
    if seat.venue.kind.broker == "topstepx":
        held = sum((D(each["size"]) * (1 if each["type"] == 1 else -1) for each in book["positions"]), D(0))
        waiting = [e for e in book["orders"] if e["status"] == 1 and not e["parent_id"] and e["limit_price"]]
        return held, sum(1 for each in waiting if not each["tag"].endswith(CHILDREN))
    return net(book["positions"]), sum(1 for each in book["working"] if each["role"] == "entry")


async def _times(told: Reckoning, floor: Floor, seat: Seat) -> None:
    rows = await floor.connection.fetch(
        "select extract(epoch from d.finished_at - max(c.submitted_at)) from public.deliveries d"
        " join engine.commands c on c.delivery_id = d.id"
        " where d.account_id = $1 and d.status = 'done' and c.lookups > 0 group by d.id, d.finished_at",
        seat.account,
    )
    told.settled_s += [float(row[0]) for row in rows if row[0] is not None]
