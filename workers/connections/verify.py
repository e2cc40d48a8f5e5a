"""Checks new and changed broker logins: logs in, tells which accounts there are, or why it cannot.

    claim      engine.claim_connections: each login for one worker at a time
    log in     through the adapter, exactly as trading does
    record     connected with its accounts, looked at again in a day | failed, a new credential is needed |
               later, tried again by itself

What the trader reads in last_error is a sentence. A login that the broker refused is not tried again: many
brokers lock a user after some.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from shared import log
from shared.brokers.port import LoginRefused, ReadFailed
from shared.brokers.registry import Registry
from shared.models.enums import Freshness, MarginMode
from shared.models.trading import Account
from shared.store.port import Store
from shared.store.rows import CheckedConnection, ConnectionCheck
from workers.leases import Leases

_log = log.get("connections")
BATCH = 8
LEASE_MS = 60_000
CHECK_S = 40.0
"""Within the lease, so that a result is never recorded too late."""
FIRST_MS, LONGEST_MS = 2_000, 600_000
MOST_ATTEMPTS = 150
"""A day of tries every ten minutes."""


@dataclass(frozen=True, slots=True)
class Office:
    """What checking needs; one per worker process."""

    store: Store
    brokers: Registry
    leases: Leases
    worker: str


async def verify_due(office: Office) -> int:
    """Check every login that is due, side by side, also those that trading was refused. Returns how many."""
    for connection in office.brokers.refused():
        await office.store.recheck_connection(connection=connection)
    due = await office.store.claim_connections(worker=office.worker, limit=BATCH, lease_ms=LEASE_MS)
    with office.leases.held(each.token for each in due):
        await asyncio.gather(*(_check(each, office) for each in due))
    return len(due)


async def _check(check: ConnectionCheck, office: Office) -> None:
    result = await _result(check, office)
    recorded = await office.store.record_connection(connection=check.id, token=check.token, result=result)
    _log.info(
        "login checked",
        connection_id=check.id,
        broker=check.broker.value,
        outcome=result.outcome if recorded else "overtaken",
        accounts=len(result.accounts),
        attempts=check.attempts,
    )


async def _result(check: ConnectionCheck, office: Office) -> CheckedConnection:
    try:
        async with asyncio.timeout(CHECK_S):
            found = await office.brokers.accounts(_as_account(check))
    except LoginRefused as error:
        tried = check.login or "no login"
        at = f" at {check.server}" if check.server else ""
        return CheckedConnection("failed", f"{_sentence(str(error))} Tried as {tried}{at}.")
    except ReadFailed as error:
        return _later(check, str(error))
    except TimeoutError:
        return _later(check, f"no answer within {CHECK_S:.0f} seconds")
    except Exception as error:  # noqa: BLE001 - one broken adapter must not stop the others' checks
        _log.error("check failed", connection_id=check.id, exc_info=error)
        return _later(check, "an error of ours, which was recorded")
    if not found:
        return CheckedConnection("failed", "The login is right, but it has no account to trade with.")
    return CheckedConnection("connected", accounts=tuple(found))


def _later(check: ConnectionCheck, why: str) -> CheckedConnection:
    if check.attempts >= MOST_ATTEMPTS:
        return CheckedConnection(
            "failed", f"Given up after {check.attempts} tries; the last one: {_sentence(why)}"
        )
    pause_ms = min(FIRST_MS * 2 ** min(check.attempts - 1, 10), LONGEST_MS)
    words = _words(why)
    told = f"The broker could not be asked ({words}). Trying again in {pause_ms // 1000} s (try {check.attempts})."
    return CheckedConnection("later", told, pause_ms)


def _sentence(text: str) -> str:
    """The broker's or our own words as a sentence."""
    words = _words(text)
    return f"{words[0].upper()}{words[1:]}."


def _words(text: str) -> str:
    return " ".join(text.split())[:300].rstrip(" .") or "no reason was given"


def _as_account(check: ConnectionCheck) -> Account:
    """The connection in the shape adapters take; what only an account has is empty."""
    return Account(
        id=check.id,
        user_id=check.user_id,
        connection_id=check.id,
        broker=check.broker,
        account_number="",
        currency="",
        margin_mode=MarginMode.NETTING,
        environment=check.environment,
        executor=check.executor,
        trading_enabled=False,
        halt_epoch=0,
        locked_until=None,
        lock_reason=None,
        balance=None,
        equity=None,
        as_of=None,
        freshness=Freshness.UNKNOWN,
        server=check.server,
        seal_version=check.seal_version,
    )
