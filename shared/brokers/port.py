"""The port every broker adapter implements. The docstrings are the contract; tests/conformance holds it.

An adapter: client.py (I/O), parse.py (pure), broker.py (this port), errors.py (their codes -> ours),
README.md. It never retries a write, never raises for a refusal and never guesses: a write returns Accepted,
Rejected or Unknown; a read returns its value or raises `ReadFailed`.
"""

from datetime import datetime
from decimal import Decimal
from typing import Protocol

from msgspec import Struct

from shared.models.command import Leg, Rival
from shared.models.market import Ambiguous, Instrument, Quote
from shared.models.outcome import Lookup, Outcome
from shared.models.trading import Account, AccountSnapshot, Fill, FoundAccount
from shared.risk.fit import Fitted


class ReadFailed(Exception):
    """A read could not be done (network, login, throttled). The value stays unknown, never flat."""


class LoginRefused(ReadFailed):
    """This login will not do as it stands: trying again without a new credential is of no use."""


class Capabilities(Struct, frozen=True):
    """What an adapter can do, declared and not discovered by failure.

    client_id: 'enforced' = the venue refuses a repeated client order id; 'label' = it is only carried along.
    lookup_lag_s: 0 = a lookup that does not find an order is proof (authoritative); n = lists lag up to n s.
    request_timeout_s: after that long without an answer a write is Unknown.
    modify_protection: stop and target of an open position can be changed.
    stop_orders: a position's stop and target are orders of their own; False = they belong to the position.
    limit_exits: several targets of a position wait there as limit orders; False = one does, we see to the others.
    exits_shrink: a stop or target never closes more than is open; False = it would turn the position around.
    recognises: an entry whose label was lost is found all the same, where it is the only one that it can be.
    any_symbol: there is no list of instruments; a word that is nothing else is a share in dollars.
    read_pause_s: so many seconds apart a login's accounts can be read on and on, beside orders; 0 = as fast as we read.
    read_every_s: so many seconds apart an open account is read, where its own limits leave no more beside orders.
    """

    client_id: str
    lookup_lag_s: Decimal
    request_timeout_s: Decimal
    brackets_on_entry: bool
    hedging: bool
    modify_order: bool
    partial_close: bool
    order_types: frozenset[str]
    tifs: frozenset[str]
    client_order_id_length: int
    quotes: bool
    modify_protection: bool = True
    stop_orders: bool = True
    exits_shrink: bool = True
    limit_exits: bool = False
    recognises: bool = False
    any_symbol: bool = False
    read_pause_s: Decimal = Decimal(0)
    read_every_s: Decimal = Decimal(1)


class WrittenAhead(Struct, frozen=True):
    """This leg comes back from engine.commands, where only fitted legs are written."""


class Sent(Struct, frozen=True):
    """A command as it goes out, or went out: the leg, its ids, and what proves that it may be sent.

    send_by: monotonic seconds (shared.clock), the end of the lease it is sent under. Whatever it waits for, nothing
    of it leaves after that: somebody else may be asking the broker about it. Without meaning for a lookup.
    taken: the broker's ids of orders that are other commands' of ours; rivals: closes of the same position whose order
    is not known. Both for a lookup, which must not take theirs for this one's.
    """

    command_id: int
    client_order_id: str
    leg: Leg
    proof: Fitted | WrittenAhead
    submitted_at: datetime
    send_by: float = float("inf")
    taken: frozenset[str] = frozenset()
    rivals: tuple[Rival, ...] = ()


class Broker(Protocol):
    """One logged-in broker account. Every method is safe to call concurrently."""

    @property
    def capabilities(self) -> Capabilities: ...

    async def instrument(self, symbol: str) -> Instrument | Ambiguous | None:
        """The instrument for a TradingView symbol (`EXCHANGE:TICKER` or `TICKER`), or None. Cached.

        A name of the broker's own, as symbol_map holds it, means exactly that and nothing else. Ambiguous when
        several fit equally well: never guessed. `why` of the instrument says how it was chosen. Raises ReadFailed.
        """

    async def quote(self, instrument: Instrument, ref_price: Decimal | None) -> Quote | None:
        """The current quote; of a broker without them the alert's ref_price, else its last price. Raises ReadFailed."""

    async def rate(self, currency: str, into: str) -> Decimal | None:
        """What one unit of `currency` is worth in `into`, at most 60 s old; None = unknown. Raises ReadFailed."""

    async def snapshot(self) -> AccountSnapshot:
        """Money, positions and working orders, read now. Raises ReadFailed."""

    async def execute(self, command: Sent) -> Outcome:
        """Send exactly one command, at most once. A refusal is Rejected, a doubt Unknown; nothing is raised.

        Rejected only when the broker said no, or when provably nothing was sent: not after `send_by`, and (as
        nothing_to_modify) not where a stop that we move ourselves was moved by somebody since (is_overtaken).
        """

    async def lookup(self, command: Sent) -> Lookup:
        """Ask whether a command sent before arrived, and what became of it. Reads only; safe to repeat."""

    async def fills(self, since: datetime) -> tuple[Fill, ...]:
        """Executions since a time (UTC), oldest first. Raises ReadFailed."""

    async def close(self) -> None:
        """Release connections. Nothing is sent to the broker."""


class Connect(Protocol):
    """Makes a Broker for an account; the registry holds one per broker name."""

    async def __call__(self, account: Account) -> Broker:
        """Log in and assert login and server of the account. Raises ReadFailed when that cannot be done."""


class ConnectLogin(Connect, Protocol):
    """Makes Brokers of accounts that share a login; opened once however many of them ask."""

    async def accounts(self, connection: Account) -> list[FoundAccount]:
        """Log in and tell which accounts there are; only the connection's fields are looked at.

        Raises LoginRefused when the broker says no to the login, ReadFailed when it cannot be asked.
        """

    async def forget(self, connection_id: str) -> None:
        """The credential was replaced or taken away: whoever asks next logs in anew."""

    async def close(self) -> None:
        """Release every connection. Nothing is sent to the broker."""
