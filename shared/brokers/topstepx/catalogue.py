"""What can be traded: contracts by a chart's symbol, their ticks, their last prices, kept for a while."""

from __future__ import annotations

from decimal import Decimal

from shared import clock
from shared.brokers import futures
from shared.brokers.futures import Month
from shared.brokers.kept import Kept
from shared.brokers.pacing import foreground
from shared.brokers.symbols import Chosen
from shared.brokers.topstepx import products
from shared.brokers.topstepx.client import Client
from shared.brokers.topstepx.rows import ContractRow
from shared.models.market import Ambiguous, Instrument, InstrumentKind

ACTIVE_TTL_S = 120.0
"""The active month changes once in months; a refusal as inactive forgets it at once."""
PRICE_TTL_S = 1.0
LARGEST = Decimal(10_000)
"""Contracts. The gateway names no largest order; the account's own limit is a matter of risk rules."""


class Catalogue:
    """Contracts of a login. Raises BrokerError and UnreadableError."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._active: Kept[dict[str, ContractRow]] = Kept(ACTIVE_TTL_S)
        self._seen: dict[str, ContractRow] = {}
        self._prices: dict[str, Kept[Decimal | None]] = {}

    async def chosen(self, symbol: str) -> Chosen | Ambiguous | None:
        """The contract a symbol means, and why it is the one; None where it means none of them."""
        own = symbol.strip()
        if products.parts(own) is not None:
            return Chosen(own, f"{own} is the broker's own name")
        asked = futures.read(symbol, products.PRODUCTS, clock.now().year)
        if asked is None:
            return None
        known = [each.contract for each in (await self.active()).values()]
        if asked.month is not None:
            known += await self._dated(asked.root, asked.month, {each.name for each in known})
        return futures.choose(symbol, asked, known)

    async def row(self, contract_id: str) -> ContractRow | None:
        """A contract by its id, also one that is not active any more."""
        active = await self.active()
        if contract_id in active:
            return active[contract_id]
        kept = self._seen.get(contract_id)
        if kept is None:
            kept = await self._client.contract(contract_id)
            if kept is not None:
                self._seen[contract_id] = kept
        return kept

    async def active(self) -> dict[str, ContractRow]:
        """The active contracts by id."""
        return await self._active.get(self._read_active)

    def forget_active(self) -> None:
        """A contract turned out not to be active: ask again."""
        self._active.forget()
        self._seen.clear()

    async def last_price(self, contract_id: str) -> Decimal | None:
        """The price of the last trade."""
        kept = self._prices.setdefault(contract_id, Kept(PRICE_TTL_S))
        return await kept.get(lambda: self._client.last_price(contract_id))

    async def _dated(self, root: str, month: Month, known: set[str]) -> list[futures.Contract]:
        own = products.contract_id(root, month)
        if own is None or own in known:
            return []
        row = await self.row(own)
        return [] if row is None else [row.contract]

    async def _read_active(self) -> dict[str, ContractRow]:
        with foreground():
            found = await self._client.contracts()
        return {each.id: each for each in found if each.contract.active}


def instrument(row: ContractRow, why: str) -> Instrument:
    """A contract as our instrument: its month is the symbol, its root groups the months. Pure."""
    return Instrument(
        symbol=row.contract.symbol,
        venue_symbol=row.id,
        root=row.root,
        kind=InstrumentKind.FUTURE,
        tick_size=row.tick_size,
        tick_value=row.tick_value,
        qty_step=Decimal(1),
        qty_min=Decimal(1),
        qty_max=LARGEST,
        contract_size=row.tick_value / row.tick_size,
        quote_currency="USD",
        qty_unit="contracts",
        why=why,
    )
