"""What happens at a broker without us, at each broker's simulator: our books follow. Real processes, real logins."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from decimal import Decimal as D
from functools import partial
from typing import Any

import pytest

from local.console.connecting import Place
from local.demo.people import endpoint_url
from local.keys.files import KeyFiles
from shared import codec
from shared.brokers.metatrader.connect import MetaTrader
from shared.brokers.port import Broker, ConnectLogin
from shared.brokers.session import Login
from shared.brokers.topstepx.connect import TopstepX
from shared.brokers.tradelocker.connect import TradeLocker
from shared.brokers.transport import open_http
from shared.models.enums import Side
from shared.models.market import Instrument
from shared.models.trading import Account
from tests.conformance import test_metatrader, test_topstepx, test_tradelocker
from tests.conformance.harness import accepted, close_of, entry, sent
from tests.conformance.simulators import Operator, running_simulator
from tests.integration.test_worker_connections import send
from tests.support.clusters import Database
from tests.support.connections import PASSWORD, USER, Customer, fleet_worker
from tests.support.stacks import RunningStack
from tests.support.trading import PATIENCE_S, until


@dataclass(frozen=True)
class Case:
    """A broker's market: the symbol as we and as its simulator name it, and bid and ask as we begin."""

    place: Place
    secret: str
    user: str
    symbol: str
    listing: str
    qty: dict[str, Any]
    bid: D
    spread: D
    step: D
    """A move that reaches the limit; ten times as far lies the stop."""


CASES = [
    Case(
        Place("tradelocker", "simulated", "SIM"),
        PASSWORD,
        USER,
        "OANDA:EURUSD",
        "EURUSD",
        {"qty_mode": "lots", "qty": 0.1},
        D("1.10000"),
        D("0.00006"),
        D("0.00100"),
    ),
    Case(
        Place("topstepx", "simulated"),
        "an-api-key-of-projectx",
        "trader",
        "CME_MINI:MNQ1!",
        "MNQ",
        {"qty_mode": "contracts", "qty": 2},
        D("25000.00"),
        D("0.25"),
        D("5.00"),
    ),
    Case(
        Place("metatrader", "simulated", "SIM"),
        PASSWORD,
        USER,
        "EURUSD",
        "EURUSD",
        {"qty_mode": "lots", "qty": 0.1},
        D("1.10000"),
        D("0.00006"),
        D("0.00100"),
    ),
]


async def begin(trader: Customer, case: Case) -> str:
    """Connect, enable, make an endpoint; its address."""
    connection = await trader.connect(case.place, case.secret, case.user)
    assert (await trader.checked(connection))["status"] == "connected"
    account = (await trader.accounts(connection))[0]
    await trader.call("enable_account", p_account_id=account["id"])
    endpoint = await trader.call(
        "create_endpoint", p_broker=case.place.broker, p_name="T", p_account_ids=[account["id"]]
    )
    return await endpoint_url(trader.login, trader.client, endpoint)


async def becomes(database: Database, question: str, answer: str, within_s: float = 3 * PATIENCE_S) -> None:
    """Wait until the database answers so, its accounts read without a pause at first. A login's limits are of a minute."""
    began = time.monotonic()

    async def there() -> bool:
        # Where nothing is open by our books it would be read in half a minute. Read without a pause for long, a login has no
        # reads left of its limits, and what is waited for is not seen for a minute.
        pause_s = 0 if time.monotonic() - began < 5 else 3
        database.sql(
            "update engine.account_marks set due_at = least(due_at,"
            f" greatest(now(), read_at + interval '{pause_s} seconds'))"
        )
        return database.sql(question) == answer

    try:
        await until(there, within_s)
    except TimeoutError:
        shown = database.sql(
            "select jsonb_agg(l order by l ->> 'at') from ("
            " select jsonb_build_object('at', created_at, 'type', type, 'message', message) as l from public.logs"
            " union all"
            " select jsonb_build_object('at', at, 'kind', kind, 'told', told) from public.corrections) x"
        )
        raise TimeoutError(f"{question}: {database.sql(question)!r}, not {answer!r}; {shown}") from None


@pytest.mark.parametrize("case", CASES, ids=[each.place.broker for each in CASES])
async def test_a_limit_is_filled_and_its_stop_fires(
    stack: RunningStack, trader: Customer, files: KeyFiles, case: Case
) -> None:
    """Nobody asks for either: the waiting entry is filled by the market, later its stop closes what it opened. Both are in
    our books with their fills, the result is the broker's, no order is left standing, and every sum holds."""
    sql = stack.database.sql

    comes = partial(becomes, stack.database)
    with running_simulator(case.place.broker, "--no-limits") as venue:
        move = mover(venue, case)
        with (
            fleet_worker(stack.database, files, {case.place.broker: venue.url}),
            fleet_worker(stack.database, files, {case.place.broker: venue.url}, "positions"),
        ):
            url = await begin(trader, case)
            move(0)
            alert = {"action": "open", "side": "buy", "symbol": case.symbol, "type": "limit", **case.qty}
            stop = {"mode": "price", "value": str(case.bid - 10 * case.step)}
            road = await send(trader, url, **alert, price=str(case.bid - case.step), sl=stop)
            assert [each["outcome"] for each in road.deliveries] == ["executed"], road.deliveries
            ours = (
                f"client_order_id = '{sql('select client_order_id from public.orders order by id limit 1')}'"
            )
            move(-2)
            await comes("select count(*) from public.positions where closed_at is null", "1")
            await comes(f"select status from public.orders where {ours}", "filled")
            await comes("select count(*) from public.positions where stop_loss is not null", "1")
            move(-11)
            await comes("select count(*) from public.positions where closed_at is null", "0")
            await comes(
                "select count(*) from public.orders where status in ('working', 'partially_filled')", "0"
            )
            books = [each for each in venue.state().values() if each.get("positions")]
    assert books == []
    fills = codec.decode(sql("select jsonb_agg(to_jsonb(f) order by id) from public.fills f"))
    assert [each["effect"] for each in fills] == ["open", "close"], fills
    assert fills[1]["realised"] < 0
    assert sql("select engine.invariant_rows()::text ~ '[1-9]'") == "f"
    assert sql("select count(*) = count(distinct key) from public.corrections") == "t"


def mover(venue: Operator, case: Case) -> Callable[[int], None]:
    """Moves the simulated market by so many steps from where it began."""
    listing = venue.ask("contracts")[case.listing] if case.place.broker == "topstepx" else case.listing

    def move(steps: int) -> None:
        bid = case.bid + steps * case.step
        venue.price(listing, bid, bid + case.spread)

    return move


@asynccontextmanager
async def the_hand(venue: Operator, case: Case, number: str) -> AsyncIterator[Broker]:
    """Somebody else with the same login: what is done there nobody tells us."""

    async def login(_: Account) -> Login:
        return Login(venue.url, case.place.server or "", case.user, case.secret)

    made: Mapping[str, Callable[[], tuple[ConnectLogin, Account]]] = {
        "tradelocker": lambda: (TradeLocker(open_http, login), test_tradelocker.account(number)),
        "topstepx": lambda: (TopstepX(open_http, login), test_topstepx.account(number)),
        "metatrader": lambda: (MetaTrader(open_http, login), test_metatrader.account(number)),
    }
    connect, account = made[case.place.broker]()
    yield await connect(account)
    await connect.close()


@pytest.mark.parametrize("case", CASES, ids=[each.place.broker for each in CASES])
async def test_what_is_done_by_hand(
    stack: RunningStack, trader: Customer, files: KeyFiles, case: Case
) -> None:
    """Half of what an alert opened is closed by hand, then more is opened by hand, then all of it is closed by hand: each
    time our quantity is the broker's, and the orders of it are the broker's own."""
    sql = stack.database.sql
    ours = "select coalesce(sum(case when side = 'buy' then qty else -qty end), 0) from public.positions where closed_at is null"
    with (
        running_simulator(case.place.broker, "--no-limits") as venue,
        fleet_worker(stack.database, files, {case.place.broker: venue.url}),
        fleet_worker(stack.database, files, {case.place.broker: venue.url}, "positions"),
    ):
        url = await begin(trader, case)
        mover(venue, case)(0)
        number = sql("select account_id from public.broker_accounts where trading_enabled")
        async with the_hand(venue, case, number) as hand:

            async def follows() -> None:
                snapshot = await hand.snapshot()
                held = sum(
                    (each.qty if each.side is Side.BUY else -each.qty for each in snapshot.positions),
                    D(0),
                )
                await becomes(stack.database, f"select trim_scale(({ours}))", f"{held.normalize():f}")
                assert sql("select engine.invariant_rows()::text ~ '[1-9]'") == "f"

            road = await send(trader, url, action="open", side="buy", symbol=case.symbol, **case.qty)
            assert [each["outcome"] for each in road.deliveries] == ["executed"], road.deliveries
            instrument = await hand.instrument(case.symbol)
            assert isinstance(instrument, Instrument)
            (held,) = (await hand.snapshot()).positions
            accepted(await hand.execute(sent(close_of(instrument, held, held.qty / 2))))
            await follows()
            accepted(await hand.execute(sent(entry(instrument, held.qty))))
            await follows()
            for each in (await hand.snapshot()).positions:
                accepted(await hand.execute(sent(close_of(instrument, each))))
            await follows()
            assert D(sql(ours)) == 0
    origins = sql("select string_agg(distinct origin::text, ' ') from public.orders")
    assert origins == "alert broker"
    assert sql("select count(*) from engine.adjustments") == "0"
