"""The simulated gateway behaves as the fact sheet says of the real one."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import httpx
import pytest

from local.venues.market import Market
from local.venues.topstepx.book import Book, Bracket, Order, Request
from local.venues.topstepx.contracts import PRODUCTS, Catalogue, Listing, months_from
from local.venues.topstepx.desk import _ids
from local.venues.topstepx.limits import BARS, OTHERS
from local.venues.topstepx.words import OrderType, PositionType, Side, Status
from shared import codec
from shared.brokers.topstepx import products
from tests.conformance.harness import PATIENCE_S
from tests.conformance.simulators import Operator, running_simulator

D = Decimal
TICK = D("0.25")
DAY = date(2026, 11, 25)


@pytest.fixture
def book() -> Book:
    """An account, and a market that stands still at 25,000."""
    contracts = Catalogue(DAY)
    market = Market(contracts.specs())
    made = Book(market, _ids(1), lambda: datetime.now(UTC))
    market.listen(made.on_price)
    return made


def mnq() -> Listing:
    """The active contract of MNQ."""
    return months_from(next(each for each in PRODUCTS if each.root == "MNQ"), DAY)[1]


def request(size: int = 1, side: Side = Side.BID, **changes: Any) -> Request:
    """A market order, unless changed."""
    return Request(mnq(), changes.pop("type", OrderType.MARKET), side, size, **changes)


def price(book: Book, bid: str) -> None:
    """Move the market."""
    book.market.set_price(mnq().id, D(bid))


def children(book: Book, entry: Order) -> tuple[Order, Order]:
    """Stop and target of an entry."""
    stop, target = (each for each in book.orders.values() if each.parent_id == entry.id)
    return stop, target


PROTECTED = {
    "stop_loss": Bracket(-40, OrderType.STOP),
    "take_profit": Bracket(80, OrderType.LIMIT),
    "tag": "a",
}


def test_brackets_live_and_die_with_their_entry(book: Book) -> None:
    """Three ids in a row; asleep until the fill, then at fill +/- ticks; one that fills cancels the other."""
    entry = book.place(request(2, type=OrderType.LIMIT, limit_price=D(24990), **PROTECTED))
    stop, target = children(book, entry)
    assert (stop.id, target.id, target.linked_id) == (entry.id + 1, entry.id + 2, stop.id)
    assert (stop.status, target.status, stop.tag, target.tag) == (
        Status.SUSPENDED,
        Status.SUSPENDED,
        "a-SL",
        "a-TP",
    )
    price(book, "24989.75")
    assert (entry.status, entry.average) == (Status.FILLED, D(24990))
    assert (stop.status, stop.stop_price) == (Status.OPEN, D(24980))
    assert (target.status, target.limit_price) == (Status.OPEN, D(25010))
    price(book, "25010")
    assert (target.status, stop.status) == (Status.FILLED, Status.CANCELLED)
    assert not book.positions
    assert [each.profit for each in book.trades] == [None, D(80)]
    assert book.balance == 50_000 + 80 - 4 * D("0.37")


def test_a_canceled_entry_takes_its_children_along(book: Book) -> None:
    """What never woke up is gone with it."""
    entry = book.place(request(type=OrderType.LIMIT, limit_price=D(24990), **PROTECTED))
    book.cancel(entry.id)
    assert {each.status for each in children(book, entry)} == {Status.CANCELLED}
    assert not book.working


def test_a_close_leaves_what_rests_and_that_can_open(book: Book) -> None:
    """As the real one: a stop that is left behind opens a position the other way."""
    entry = book.place(request(2, **PROTECTED))
    book.close(mnq().id, None)
    stop, _ = children(book, entry)
    assert stop.status is Status.OPEN
    price(book, "24980")
    assert book.positions[mnq().id].type is PositionType.SHORT


def test_an_opposite_order_nets_and_turns_around(book: Book) -> None:
    """One fill that closes and one that opens; scaling in averages."""
    book.place(request(1))
    price(book, "25010")
    book.place(request(1))
    assert book.positions[mnq().id].average == D("25005.25")
    book.place(request(5, Side.ASK))
    position = book.positions[mnq().id]
    assert (position.type, position.size, position.average) == (PositionType.SHORT, 3, D(25010))
    assert [(each.size, each.profit) for each in book.trades[-2:]] == [(2, D(19)), (3, None)]


def test_a_trailing_stop_follows_and_never_goes_back(book: Book) -> None:
    """It stays its ticks behind the best last price."""
    book.place(request(1))
    trail = book.place(request(1, Side.ASK, type=OrderType.TRAILING_STOP, trail_ticks=-40))
    for bid, at in (("25020", "25010"), ("25015", "25010"), ("25030", "25020")):
        price(book, bid)
        assert trail.stop_price == D(at)
    price(book, "25019.75")
    assert (trail.status, book.positions) == (Status.FILLED, {})


def test_months_roll() -> None:
    """The active month by the day, and the ids of the gateway read back as root and month."""
    active = {
        day: {p.root: months_from(p, day)[1].name for p in PRODUCTS} for day in (DAY, date(2026, 12, 14))
    }
    assert active[DAY] == {
        "ES": "ESZ6",
        "MES": "MESZ6",
        "NQ": "NQZ6",
        "MNQ": "MNQZ6",
        "GC": "GCZ6",
        "CL": "CLF7",
    }
    assert active[date(2026, 12, 14)]["MNQ"] == "MNQH7"
    for each in Catalogue(DAY).by_id.values():
        found = products.parts(each.id)
        assert found is not None
        assert (found[0], found[1].year, found[1].month) == (each.product.root, each.year, each.month)


@pytest.fixture(scope="module")
def operator() -> Iterator[Operator]:
    """A simulator whose limits are in force."""
    with running_simulator("topstepx") as running:
        yield running


@pytest.fixture
def asker(operator: Operator) -> Iterator[Asker]:
    """A user of its own."""
    made = Asker(operator, uuid.uuid4().hex)
    yield made
    made.close()


class Asker:
    """Speaks to the simulator as a client would, by hand."""

    def __init__(self, operator: Operator, user: str) -> None:
        self.url, self.token = operator.url, ""
        self._http = httpx.Client(trust_env=False, timeout=PATIENCE_S)
        self.token = self.ask("Auth/loginKey", userName=user, apiKey="0123456789")["token"]
        self.account = self.ask("Account/search", onlyActiveAccounts=True)["accounts"][0]["id"]

    def send(self, path: str, content: bytes) -> httpx.Response:
        """The raw answer."""
        headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        return self._http.post(f"{self.url}/api/{path}", content=content, headers=headers)

    def close(self) -> None:
        """Release its connections."""
        self._http.close()

    def ask(self, path: str, **body: object) -> dict[str, Any]:
        """The answer's JSON; it must be 200."""
        answer = self.send(path, codec.encode(body))
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = codec.decode(answer.content)
        return found


def test_what_a_client_gets_wrong_easily(asker: Asker) -> None:
    """live:true and the other endpoint's time names give nothing and no error; enums as text are 400; letters of a
    path do not matter; a login that is wrong is 200."""
    assert asker.ask("contract/AVAILABLE", live=True)["contracts"] == []
    assert len(asker.ask("Contract/available", live=False)["contracts"]) == 6
    now = datetime.now(UTC)
    wrong = asker.ask("Order/search", accountId=asker.account, startTime=now - timedelta(days=1))
    assert (wrong["orders"], wrong["success"]) == ([], True)
    bars = {"contractId": "CON.F.US.X.Z26", "live": False, "unit": 2, "unitNumber": 1, "limit": 1}
    assert asker.ask("History/retrieveBars", **bars, includePartialBar=True)["errorCode"] == 1
    place = {
        "accountId": asker.account,
        "contractId": "CON.F.US.MNQ.Z26",
        "type": "Market",
        "side": 0,
        "size": 1,
    }
    refused = asker.send("Order/place", codec.encode(place))
    assert (refused.status_code, codec.decode(refused.content)["status"]) == (400, 400)
    assert asker.ask("Order/searchOpen", accountId=1)["errorCode"] == 1
    assert asker.ask("Auth/loginKey", userName="x", apiKey="short") == {
        "token": None, "success": False, "errorCode": 3, "errorMessage": None,
    }  # fmt: skip
    bad = asker.send("Order/v2/query", codec.encode({"filter": {"accountId": asker.account}, "pageSize": -1}))
    assert bad.status_code == 400
    asker.token = "nonsense"
    assert asker.send("Account/search", b"{}").status_code == 401


def test_too_many_requests(asker: Asker) -> None:
    """Bars and everything else are counted apart, by user."""
    contract = asker.ask("Contract/available", live=False)["contracts"][0]["id"]
    now = datetime.now(UTC)
    body = codec.encode({
        "contractId": contract, "live": False, "startTime": now - timedelta(days=1), "endTime": now, "unit": 3,
        "unitNumber": 1, "limit": 5, "includePartialBar": False,
    })  # fmt: skip
    bars = [asker.send("History/retrieveBars", body).status_code for _ in range(BARS[0] + 1)]
    assert (bars.count(200), bars[-1]) == (BARS[0], 429)
    others = [
        asker.send("Order/searchOpen", codec.encode({"accountId": asker.account})).status_code
        for _ in range(OTHERS[0])
    ]
    assert others.index(429) == OTHERS[0] - 3
