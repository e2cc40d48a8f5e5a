"""Whether an account takes stops and targets with an entry: a setting of TopstepX that its API does not show.

An order is sent that is certain to be refused: its stop is on the wrong side and its price far from the market. What
it is refused for tells: a wrong stop (Auto OCO Brackets) or any stop at all (Position Brackets). Should it ever be
taken, it is taken back at once.
"""

from __future__ import annotations

import secrets
from decimal import Decimal

from shared import clock, log
from shared.brokers.errors import BrokerError, UnreadableError
from shared.brokers.topstepx.account import Desk
from shared.brokers.topstepx.errors import Denied, reason_of
from shared.brokers.topstepx.rows import LIMIT, STOP, ContractRow
from shared.models.reasons import Reason

_log = log.get("topstepx")
AWAY = Decimal("0.1")
"""The share of the price by which the probe's limit is under the market."""


async def takes_brackets(desk: Desk) -> bool | None:
    """True = Auto OCO Brackets, False = Position Brackets, None = it did not show (market closed, no price)."""
    try:
        order_id = await _probe(desk)
    except Denied as error:
        return {Reason.INVALID_STOPS: True, Reason.NOT_SUPPORTED: False}.get(reason_of(error))
    except (BrokerError, UnreadableError) as error:
        _log.info("the bracket setting could not be probed", error=str(error))
        return None
    if order_id is not None:
        _log.error("the gateway has taken an order that it had to refuse; it is canceled", order_id=order_id)
        await desk.client.cancel(order_id, clock.monotonic() + desk.timing.send_within)
    return None


async def _probe(desk: Desk) -> str | None:
    active = await desk.catalogue.active()
    contract = next((each for each in active.values() if each.root == "MES"), None)
    contract = contract or next(iter(active.values()), None)
    last = None if contract is None else await desk.catalogue.last_price(contract.id)
    if contract is None or last is None:
        return None
    return await desk.client.place(_body(contract, last), clock.monotonic() + desk.timing.send_within)


def _body(contract: ContractRow, last: Decimal) -> dict[str, object]:
    """A limit to buy one, far below the market, with a stop above its price."""
    far = last * (1 - AWAY)
    return {
        "contractId": contract.id,
        "type": LIMIT,
        "side": 0,
        "size": 1,
        "limitPrice": far - far % contract.tick_size,
        "customTag": f"probe-{secrets.token_hex(8)}",
        "stopLossBracket": {"ticks": 40, "type": STOP},
    }
