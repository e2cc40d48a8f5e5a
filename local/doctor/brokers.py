"""The brokers: whether each that somebody trades at can be reached from here. Nothing is logged in to."""

from __future__ import annotations

import json
from collections.abc import Iterator

import httpx

from local.doctor.checks import check
from local.programs import worker
from local.status import Installation
from shared.brokers.port import LoginRefused
from shared.brokers.registry import ADDRESSES
from shared.brokers.venues import SIMULATED, Venues
from shared.models.enums import Broker

_TIMEOUT_S = 10.0
# Simulated brokers come and go (the demo starts and ends one): they are missed only where something waits for them.
_TRADED_AT = """
select distinct c.broker, c.environment, coalesce(c.server, '') from public.broker_connections c
where c.status = 'connected' and c.executor = 'fleet' and case
  when c.broker = 'paper' and c.server is null then false
  when c.environment <> 'simulated' then true
  else exists (
    select from engine.queue q join public.broker_accounts a on a.id = q.account_id where a.connection_id = c.id
  ) or exists (
    select from engine.commands k join public.broker_accounts a on a.id = k.account_id
    where a.connection_id = c.id and k.state in ('submitting', 'unknown')
  ) end
order by 1, 2, 3
"""


@check("brokers")
def _brokers(found: Installation) -> str | None:
    silent = [sentence for sentence in map(_unreachable, _addresses(found)) if sentence]
    return "; ".join(silent) if silent else None


def _addresses(found: Installation) -> Iterator[tuple[str, str]]:
    """Each broker that is traded at, with its address or the sentence that says why there is none."""
    settings = worker(found.boot, "execution", {}).environment
    production = settings["EMPIRE_ENV"] == "production"
    venues = Venues(ADDRESSES, json.loads(settings["EMPIRE_VENUES"]), production=production)
    for line in found.boot.cluster.sql(_TRADED_AT, found.boot.database).splitlines():
        broker, environment, server = line.split("|")
        if broker == Broker.PAPER:
            yield f"the paper venue {server}", settings["EMPIRE_PAPER_VENUE_URL"]
            continue
        region = None if environment == SIMULATED else server or None
        try:
            yield f"{broker} {environment}", venues.address(Broker(broker), environment, region, None)
        except LoginRefused as error:
            yield f"{broker} {environment}", str(error)


def _unreachable(traded_at: tuple[str, str]) -> str | None:
    name, address = traded_at
    if not address.startswith("http"):
        return f"{name}: {address}"
    try:
        status = httpx.get(address, timeout=_TIMEOUT_S).status_code
    except httpx.HTTPError as error:
        return f"{name} cannot be reached at {address} ({type(error).__name__})."
    # Whatever it says of this page: somebody is there, and it is not his maintenance notice.
    return f"{name} answers {status} at {address}." if status >= 500 else None


@check("watch")
def _watch(found: Installation) -> str | None:
    """Whether what we know of the accounts is known of now."""
    told = found.boot.cluster.sql(
        "select string_agg(format('%s is %s: %s', broker, status, message), ' ' order by broker)"
        " from engine.broker_health() where status in ('degraded', 'down')",
        found.boot.database,
    )
    return f"{told} What we know of them is old." if told else None
