"""What a broker tells of its own accord about the accounts of a login: that something has happened, and where.

It is a reason to look, never the truth: what an event says is not taken from it. A read of the account follows.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Protocol, runtime_checkable

from shared.brokers.port import ReadFailed
from shared.models.trading import Account


class WentSilent(ReadFailed):
    """The connection stands, and nothing comes over it any more, not even a sign of life."""


class Hearer(Protocol):
    """Who is told. Called in the loop that listens; neither may wait."""

    def live(self) -> None:
        """From now on nothing is missed. What happened before was told to nobody: read every account."""

    def news(self, account_number: str | None) -> None:
        """Something has happened on this account of the login; None = on any of them."""


@runtime_checkable
class StreamLogin(Protocol):
    """A broker whose logins can be listened to."""

    async def listen(self, connection: Account, accounts: Collection[str], hearer: Hearer) -> None:
        """Listen to these account numbers over a connection of its own until it ends; only the connection's fields of
        `connection` are looked at. Always ends by raising: WentSilent, LoginRefused, else ReadFailed that says why.
        """
