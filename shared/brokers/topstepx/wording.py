"""Legs as the bodies of ProjectX's requests. Pure."""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any

from shared.brokers.port import Sent
from shared.brokers.topstepx.rows import LIMIT, REDUCES, STOP, STOP_LOSS, TAKE_PROFIT, WIRE_SIDE, WIRE_TYPE
from shared.models.command import Leg, Protection
from shared.models.enums import OrderType, Side

TAG_LENGTH = 50
"""How long a tag may be is documented nowhere; children add `-SL` and `-TP`."""


def placing(leg: Leg, contract_id: str, tag: str) -> dict[str, Any]:
    """Order/place without brackets: our id is the customTag, which an account takes once."""
    assert leg.side is not None
    assert leg.qty is not None
    body: dict[str, Any] = {
        "contractId": contract_id,
        "type": WIRE_TYPE[leg.type],
        "side": WIRE_SIDE[leg.side],
        "size": int(leg.qty),
        "customTag": tag + REDUCES if leg.reduce_only else tag,
    }
    if leg.type is OrderType.LIMIT:
        body["limitPrice"] = leg.price
    if leg.type is OrderType.STOP:
        body["stopPrice"] = leg.stop_price
    return body


def tag_of(command: Sent) -> str:
    """The customTag under which a command's order goes out."""
    return command.client_order_id + (REDUCES if command.leg.reduce_only else "")


def brackets(wanted: Protection, side: Side, reference: Decimal, tick: Decimal) -> dict[str, Any] | None:
    """Stop and target of an entry as signed ticks from `reference`, where it is expected to be filled.

    None when a level is not on its side of the reference: it would be refused, or fire at once.
    """
    body: dict[str, Any] = {}
    sign = 1 if side is Side.BUY else -1
    named = (
        ("stopLossBracket", wanted.stop_loss, STOP, -sign),
        ("takeProfitBracket", wanted.take_profit, LIMIT, sign),
    )
    for name, level, kind, direction in named:
        if level is None:
            continue
        ticks = int(((level - reference) / tick).to_integral_value(ROUND_HALF_EVEN))
        if ticks * direction <= 0:
            return None
        body[name] = {"ticks": ticks, "type": kind}
    return body


def guarding(
    contract_id: str,
    position_side: Side,
    qty: Decimal,
    tag: str,
    *,
    stop: Decimal | None,
    target: Decimal | None,
) -> dict[str, Any]:
    """Order/place of a stop (or a target) of our own, tagged as the child it stands for."""
    kind = {"type": STOP, "stopPrice": stop} if stop is not None else {"type": LIMIT, "limitPrice": target}
    return {
        "contractId": contract_id,
        "side": WIRE_SIDE[position_side.opposite],
        "size": int(qty),
        "customTag": tag + (STOP_LOSS if stop is not None else TAKE_PROFIT),
        **kind,
    }


def modifying(leg: Leg) -> dict[str, Any]:
    """Order/modify: only what changes."""
    body: dict[str, Any] = {}
    if leg.qty is not None:
        body["size"] = int(leg.qty)
    if leg.price is not None:
        body["limitPrice"] = leg.price
    if leg.stop_price is not None:
        body["stopPrice"] = leg.stop_price
    return body
