"""A client whose socket is cut: it joins again, reads again, and has missed nothing."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from decimal import Decimal

import asyncpg

from local.console.following import Following, following
from supabase import acreate_client
from tests.support.stacks import RunningStack
from tests.support.trading import until

POSITIONS = 5
_MAKE = """
insert into public.positions (user_id, broker, account_id, venue_position_id, symbol, root, side, qty, entry_price)
values ($1, 'paper', $2, $3, 'EURUSD', 'EURUSD', 'buy', 1, 1.1)
"""


class Wire:
    """A line to the gateway that can be cut: what goes through it ends, and nothing new does until it is mended."""

    def __init__(self, port: int) -> None:
        self._port, self._is_cut = port, False
        self._open: set[asyncio.StreamWriter] = set()

    def cut(self) -> None:
        """Every connection through it breaks."""
        self._is_cut = True
        for each in self._open:
            each.transport.abort()

    def mend(self) -> None:
        """New ones go through."""
        self._is_cut = False

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection through it."""
        if self._is_cut:
            writer.transport.abort()
            return
        there, back = await asyncio.open_connection("127.0.0.1", self._port)
        ends = {writer, back}
        self._open |= ends
        await asyncio.gather(self._pump(reader, back), self._pump(there, writer))
        self._open -= ends

    async def _pump(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            while data := await source.read(65536):
                sink.write(data)
        sink.close()


@asynccontextmanager
async def wire_to(stack: RunningStack) -> AsyncIterator[tuple[Wire, str]]:
    """The wire, and the address at which clients find it."""
    wire = Wire(int(stack.api_url.rsplit(":", 1)[1]))
    async with await asyncio.start_server(wire.serve, "127.0.0.1", 0) as server:
        yield wire, f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        wire.cut()


async def changed(connection: asyncpg.Connection, user: str, dice: random.Random, number: int) -> None:
    """Something happens to the positions: a value, a close, or a new one."""
    what = dice.random()
    mine = (
        "(select id from public.positions where user_id = $1 and closed_at is null order by random() limit 1)"
    )
    if what < 0.7:
        text = f"update public.positions set unrealized_pnl = $2 where id = {mine}"
        await connection.execute(text, user, Decimal(dice.randint(-9999, 9999)) / 100)
    elif what < 0.85:
        await connection.execute(
            f"update public.positions set qty = 0, closed_at = now() where id = {mine}", user
        )
    else:
        await connection.execute(_MAKE, user, user, f"n{number}")


async def test_a_client_whose_socket_is_cut_misses_nothing(stack: RunningStack) -> None:
    """Positions change all the time while the socket is cut three times, for a while each: in the end the client has every
    row as it is, the closed ones as closed, by messages and by reading again after each join."""
    user = stack.create_user()
    dice = random.Random(7)
    connection = await asyncpg.connect(stack.url("supabase_admin"))
    await connection.execute(
        f"""
        insert into public.broker_connections (id, user_id, broker, environment, status)
        values ('{user.id}', '{user.id}', 'paper', 'simulated', 'connected');
        insert into public.broker_accounts (id, connection_id, user_id, broker, account_id, margin_mode)
        values ('{user.id}', '{user.id}', '{user.id}', 'paper', 'P1', 'hedging');
        """
    )
    for number in range(POSITIONS):
        await connection.execute(_MAKE, user.id, user.id, f"p{number}")

    async def same(live: Following) -> bool:
        rows = await connection.fetch(
            "select id::text, version, qty::text, unrealized_pnl::text, closed_at is null as is_open"
            " from public.positions where user_id = $1",
            user.id,
        )
        held = {
            key: (x["v"], x["qty"], x["unrealized_pnl"], x["closed_at"] is None)
            for key, x in live.rows.items()
        }
        return held == {x["id"]: (x["version"], x["qty"], x["unrealized_pnl"], x["is_open"]) for x in rows}

    async with wire_to(stack) as (wire, address):
        client = await acreate_client(address, stack.publishable_key)
        await client.auth.sign_in_with_password({"email": user.email, "password": user.password})
        async with following(client, user.id) as live:
            assert await same(live)
            for turn in range(1, 4):
                for number in range(20):
                    await changed(connection, user.id, dice, 100 * turn + number)
                await until(lambda: same(live))
                wire.cut()
                for number in range(20, 40):
                    await changed(connection, user.id, dice, 100 * turn + number)
                assert not await same(live)
                wire.mend()
                await until(lambda turn=turn: _joined(live, turn + 1))
                await until(lambda: same(live))
        await client.realtime.close()
    assert sum(map(len, live.changes.values())) > 20, "messages came through, too"
    await connection.close()


async def _joined(live: Following, times: int) -> bool:
    return live.joins >= times
