"""Where twins live: in books of our own, whose prices nobody else sees."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Protocol

from shared.brokers.registry import OWN_BOOKS, Registry
from shared.models.enums import MarginMode
from shared.models.market import Instrument
from shared.models.trading import Account
from shared.store.drill_rows import DrillRun, TwinLogin
from workers.drills.twin import LEVERAGE, Desk, DrillFailed, Twin

BALANCE, LEAST = Decimal(100_000), Decimal(1000)
"""Money of a twin whose account's own is not known, or is too little to trade with."""
SYMBOL, PRICE = "EURUSD", Decimal("1.10000")


@dataclass(frozen=True, slots=True)
class OwnBook:
    """Prices of one synthetic account's own book."""

    desk: Desk
    account: str

    async def move(self, symbol: str, bid: Decimal, ask: Decimal | None = None) -> None:
        # The ask is where the book's terms put it.
        await self.desk.store.twin_price(**self.desk.lease, account=self.account, symbol=symbol, price=bid)


class Place(Protocol):
    """Where twins are made."""

    @property
    def name(self) -> str:
        """What the result says of where it was shown."""

    def serves(self, run: DrillRun) -> bool:
        """Whether this account's twins may live here."""

    async def twins(self, desk: Desk, hedging: bool, count: int) -> list[Twin]:
        """So many accounts of one new trader, each with an instrument that has a price. Raises DrillFailed."""

    async def rest(self, twins: Sequence[Twin]) -> None:
        """Their drill is over."""


class OwnBooks:
    """Synthetic accounts in books of our own: nobody else sees their prices."""

    name = "own book"

    def __init__(self, brokers: Registry) -> None:
        self._brokers = brokers

    def serves(self, run: DrillRun) -> bool:
        """Every account."""
        return True

    async def twins(self, desk: Desk, hedging: bool, count: int) -> list[Twin]:
        mode = MarginMode.HEDGING if hedging else desk.run.margin_mode
        balance = desk.run.initial_balance
        book: dict[str, Any] = {"margin_mode": mode, "terms": {"leverage": LEVERAGE}}
        book["balance"] = balance if balance is not None and balance >= LEAST else BALANCE
        ids = [str(uuid.uuid4()) for _ in range(count)]
        broker, server = OWN_BOOKS
        login = await opened(
            desk, broker=broker, server=server, login=None, books=[{"id": each, **book} for each in ids]
        )
        return [await self._twin(desk, row.account()) for row in login.accounts]

    async def _twin(self, desk: Desk, account: Account) -> Twin:
        market, broker = OwnBook(desk, account.id), await self._brokers.broker(account)
        instrument = await broker.instrument(SYMBOL)
        if not isinstance(instrument, Instrument):
            raise DrillFailed(f"{SYMBOL} is not known")
        await market.move(instrument.venue_symbol, PRICE)
        return Twin(desk, account, broker, market, instrument)

    async def rest(self, twins: Sequence[Twin]) -> None:
        """Nothing: a book that nobody asks costs nothing."""


async def opened(desk: Desk, **values: Any) -> TwinLogin:
    """A new synthetic trader with one login. Raises DrillFailed when the drill is not ours any more."""
    connection = values.pop("connection_id", None) or str(uuid.uuid4())
    twin = {"user_id": str(uuid.uuid4()), "connection_id": connection, "environment": "simulated"} | values
    if not await desk.store.open_twin(**desk.lease, twin=twin):
        raise DrillFailed("the drill is over")
    login = await desk.store.twin_accounts(**desk.lease, connection=connection)
    if login is None:
        raise DrillFailed("the drill is over")
    return login
