"""What a worker asks of the database: a method per function of schema `engine`, same name, arguments by name.

`postgres.py` speaks to the functions directly; a worker on a trader's own device will reach the same ones
through the Supabase API. Meaning of each: the `comment on function` in supabase/migrations.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, Protocol

from shared.models.calls import CallsGranted, CallsWanted
from shared.store.book_rows import Books, KeptTickets, Reconciled
from shared.store.drill_rows import DrillResult, DrillRun, TwinLogin, TwinSeen
from shared.store.rows import (
    Begun,
    CheckedConnection,
    Claimed,
    ConnectionCheck,
    Deferral,
    Execution,
    Opened,
    PaperBook,
    PaperSaved,
    Plan,
    Recorded,
    Rescued,
    SealedCredential,
    SealedSession,
    Settlement,
    Trace,
    Unsettled,
)
from shared.store.upkeep import Forgotten, Thinned
from shared.store.watch_rows import Stream, ToldPrices, Watched


class StoreUnavailable(ConnectionError):
    """The database did not answer: what was asked may have happened, or not."""


class Store(Protocol):
    """Times in milliseconds. Every method raises StoreUnavailable; a denial or a lost lease is a value."""

    async def claim(
        self, *, worker: str, executor: str, lane: str, limit: int, lease_ms: int
    ) -> list[Claimed]: ...

    async def heartbeat(self, *, worker: str, tokens: Sequence[int], lease_ms: int) -> frozenset[int]:
        """Extend the leases; the tokens that are still ours. Stop sending for the others."""

    async def open_orders(
        self, *, plans: Sequence[Plan], begin: bool, request_timeout_ms: int
    ) -> list[Opened]: ...

    async def begin_send(
        self, *, commands: Sequence[tuple[int, int]], request_timeout_ms: int
    ) -> list[Begun]:
        """commands: (command id, token). Asked once only: when the answer is lost, nothing may be sent."""

    async def record_executions(self, *, results: Sequence[Execution]) -> list[Recorded]: ...

    async def defer(self, *, deliveries: Sequence[Deferral]) -> None: ...

    async def release(self, *, deliveries: Sequence[tuple[int, int]]) -> None:
        """deliveries: (delivery id, token)."""

    async def dead_letter(self, *, delivery_id: int, token: int, error: str, trace: Trace) -> bool: ...

    async def rescue(self, *, limit: int) -> Rescued: ...

    async def claim_unsettled(
        self, *, worker: str, executor: str, limit: int, lease_ms: int
    ) -> list[Unsettled]: ...

    async def settle(self, *, results: Sequence[Settlement]) -> None: ...

    async def end_entries(self, *, limit: int) -> int:
        """How many pending entries were asked to be canceled."""

    async def housekeeping(self, *, limit: int) -> Forgotten:
        """Forget a batch of what is over its time."""

    async def thin_equity(self, *, limit: int) -> Thinned: ...

    async def find_gaps(self, *, limit: int) -> int:
        """How many accounts were found not to hold what their strategy says."""

    async def raise_alarms(self, *, limit: int) -> dict[str, int]:
        """How many of each kind were raised now."""

    async def paper_load(self, *, account: str) -> PaperBook | None: ...

    async def paper_save(
        self,
        *,
        account: str,
        version: int,
        balance: Decimal,
        book: Any,
        orders: Sequence[Any],
        fills: Sequence[Any],
    ) -> PaperSaved:
        """Replace the book if it is still `version`. Not repeated: a lost answer shows in paper_answer."""

    async def paper_answer(self, *, account: str, client_order_id: str) -> bytes | None:
        """The JSON text of the answer given to this client order id; None = it never arrived."""

    async def paper_fills_since(self, *, account: str, since: datetime) -> list[bytes]:
        """Fills as JSON texts, oldest first."""

    async def end_unreachable(self, *, limit: int) -> int: ...

    async def claim_connections(self, *, worker: str, limit: int, lease_ms: int) -> list[ConnectionCheck]: ...

    async def record_connection(self, *, connection: str, token: int, result: CheckedConnection) -> bool: ...

    async def recheck_connection(self, *, connection: str) -> bool: ...

    async def open_credential(
        self, *, connection: str, worker: str, tokens: Sequence[int]
    ) -> SealedCredential:
        """Counted, so asked once only. tokens: leases held, one of them on something of the connection."""

    async def load_session(self, *, connection: str) -> SealedSession | None: ...

    async def take_session_turn(self, *, connection: str, worker: str, ms: int) -> bool: ...

    async def save_session(
        self,
        *,
        connection: str,
        worker: str,
        version: int,
        key_id: str,
        sealed: bytes,
        expires_at: datetime,
    ) -> bool:
        """Compare-and-set. Not repeated: a save of ours whose answer was lost would look like somebody else's."""

    async def reserve_calls(self, *, worker: str, asks: Sequence[CallsWanted]) -> list[CallsGranted]:
        """An answer per ask, in their order. Not repeated: a lost block lapses by itself."""

    async def record_standings(self, *, accounts: Sequence[Mapping[str, Any]]) -> None: ...

    async def claim_drill(self, *, worker: str, lease_ms: int) -> DrillRun | None: ...

    async def open_twin(self, *, run: int, token: int, twin: Mapping[str, Any]) -> bool: ...

    async def twin_accounts(self, *, run: int, token: int, connection: str) -> TwinLogin | None: ...

    async def arm_twin(self, *, run: int, token: int, account: str, values: Mapping[str, Any]) -> None: ...

    async def twin_price(
        self, *, run: int, token: int, account: str, symbol: str, price: Decimal
    ) -> None: ...

    async def twin_intent(
        self, *, run: int, token: int, account: str, intent: Mapping[str, Any], fired_at: datetime | None
    ) -> int:
        """The event. Asked once only: a drill that does not know whether it asked begins anew."""

    async def twin_seen(self, *, run: int, token: int, account: str, event: int | None) -> TwinSeen: ...

    async def record_drill(self, *, run: int, token: int, result: DrillResult) -> bool: ...

    async def finish_drill(self, *, run: int, token: int, error: str | None) -> bool: ...

    async def watched_accounts(
        self, *, worker: str, limit: int, lease_ms: int, pauses: Mapping[str, Decimal], look: bool = True
    ) -> list[Watched]:
        """pauses: seconds from one read of a login's accounts to the next, by broker. look: idle ones, too, on which
        something was opened since (a look at everything that is open)."""

    async def hold_streams(
        self,
        *,
        worker: str,
        brokers: Sequence[str],
        told: Sequence[Mapping[str, Any]],
        limit: int,
        lease_ms: int,
    ) -> list[Stream]:
        """All logins that are this worker's to listen to. told: connection, token, state, why of those it has."""

    async def wake_accounts(self, *, accounts: Sequence[str]) -> int:
        """How many of them are watched."""

    async def record_marks(self, *, marks: Sequence[Mapping[str, Any]]) -> None: ...

    async def keep_guards(self, *, results: Sequence[Mapping[str, Any]]) -> int:
        """How many guards were kept; asked again none."""

    async def keep_naked(self, *, results: Sequence[Mapping[str, Any]]) -> list[tuple[str, str]]:
        """Account and position of those seen first that need no stop."""

    async def books(self, *, account: str, token: int) -> Books | None:
        """None = the token is an old one."""

    async def reconcile(self, *, results: Sequence[Mapping[str, Any]]) -> list[Reconciled]: ...

    async def tickets_of(self, *, account: str) -> KeptTickets: ...

    async def keep_tickets(self, *, account: str, tickets: Mapping[str, str]) -> dict[str, str]:
        """tickets: first ids by later ones. What stands then: of two that differ the one that was kept first."""

    async def breach(
        self,
        *,
        account: str,
        rule: str,
        scope: str,
        numbers: Mapping[str, str],
        until: datetime | None,
        flatten: bool,
    ) -> int | None:
        """The flatten's event, 0 = none was asked for; None = the account is locked for this rule already."""

    async def flatten_again(self, *, account: str, rule: str, seen_at: datetime) -> int | None:
        """The flatten's event; None = none is needed. Repeated it finds the one that is on its way."""

    async def prices_told(self, *, after: int | None) -> ToldPrices: ...

    async def mark_books(self, *, prices: Sequence[Any]) -> int:
        """How many books have changed."""

    async def record_health(self, *, latencies: Mapping[str, float]) -> int:
        """latencies: milliseconds by broker. How many brokers were told about."""

    async def worker_seen(self, *, worker: str, kind: str, details: dict[str, Any]) -> None: ...

    async def invariant_rows(self) -> dict[str, int]:
        """Rows of each invariant view; every number must be 0."""

    async def stats(self) -> dict[str, Any]: ...
