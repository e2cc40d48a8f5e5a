"""The traders of a load: users with accounts at the paper venue and an endpoint each."""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass

from local.console import session
from local.demo.people import Trader, new_login, with_account
from local.status import Installation

USERS = 10


@dataclass(frozen=True)
class Population:
    """Traders (one account and endpoint each), spread over a few users."""

    traders: list[Trader]

    def any(self) -> Trader:
        """One of them, at random."""
        return random.choice(self.traders)


async def make(found: Installation, accounts: int) -> Population:
    """`accounts` traders over USERS users."""
    made = await asyncio.gather(*(_user(found, n, accounts // USERS) for n in range(USERS)))
    return Population([trader for traders in made for trader in traders])


async def _user(found: Installation, number: int, accounts: int) -> list[Trader]:
    login = await new_login(found, f"load-{number}@empire.example")
    client = await session.sign_in(login)
    return [
        await with_account(login, client, f"load {number}.{n}", server="SIM", alerts_per_minute=100_000)
        for n in range(accounts)
    ]
