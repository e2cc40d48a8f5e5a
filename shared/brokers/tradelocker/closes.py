"""Which of the broker's orders are whose closes: a close has no id, only position, side, quantity and time. Pure.

A close makes one order. That of a part is for the part; that of all there is comes last, because it leaves nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal

from msgspec import Struct

from shared import clock
from shared.brokers.tradelocker.rows import OrderRow
from shared.models.command import Rival
from shared.models.enums import OrderType


class Claim(Struct, frozen=True):
    """A close of ours of one position, which has made an order or may have.

    qty: None = all there is, which was `held`. since: no older order is its. certain: the broker has said yes.
    under_way: it may still be done.
    """

    name: str
    qty: Decimal | None
    held: Decimal | None
    since: datetime
    certain: bool = False
    under_way: bool = False


def claim_of(rival: Rival, apart: timedelta) -> Claim:
    """What a lookup is told of another close; `apart`: how far clocks may be from one another."""
    return Claim(
        name=rival.client_order_id,
        qty=rival.qty,
        held=rival.held_qty,
        since=rival.submitted_at - apart,
        certain=rival.certain,
        under_way=rival.under_way,
    )


def whose(rows: Sequence[OrderRow], claims: Iterable[Claim], last: OrderRow | None) -> dict[str, OrderRow]:
    """The order of each claim, by its name; who is not in it has none among these.

    `rows` are closes of the position that are nobody else's; `last` has left nothing of it (None = something is left,
    or what ended it may not be listed yet). Equal claims have equal rights, so that whoever asks, in whatever order,
    is told the same: of too few orders those that the broker has taken have theirs first, then those sent first.
    """
    made = sorted((each for each in rows if each.type is OrderType.MARKET), key=age)
    # In this order they have a right to what there is.
    asked = sorted(claims, key=lambda each: (not each.certain, each.since, each.name))
    found = _of_all(made, asked, last)
    rest = [each for each in made if each.id not in {row.id for row in found.values()}]
    for qty in {each.qty for each in asked if each.qty is not None}:
        alike = [each for each in rest if each.qty == qty]
        pairs: list[tuple[Claim, OrderRow]] = []
        for claim in (each for each in asked if each.qty == qty):
            pairs = _paired([*(each for each, _ in pairs), claim], alike) or pairs
        found |= {claim.name: row for claim, row in pairs}
    return found


def _paired(claims: Sequence[Claim], rows: Sequence[OrderRow]) -> list[tuple[Claim, OrderRow]]:
    """The last close with the last order, and so on; empty where they do not fit or there are too few orders.

    From the end: of what there is too much, the first may have been told to somebody else before.
    """
    if len(claims) > len(rows):
        return []
    latest = sorted(claims, key=lambda each: (each.since, each.name), reverse=True)
    pairs = list(zip(latest, reversed(rows), strict=False))
    fit = all(row.created is None or row.created >= claim.since for claim, row in pairs)
    return pairs if fit else []


def loose(rows: Iterable[OrderRow], claim: Claim, given: Mapping[str, OrderRow]) -> list[OrderRow]:
    """Orders that could be a part's and are nobody's: somebody else has made them, or it has."""
    known = {each.id for each in given.values()}
    return [
        each
        for each in rows
        if (each.type, each.qty) == (OrderType.MARKET, claim.qty)
        and (each.created is None or each.created >= claim.since)
        and each.id not in known
    ]


def age(row: OrderRow) -> tuple[datetime, str]:
    """Later ones are greater."""
    return row.created or row.at or clock.EPOCH, row.id


def _of_all(made: Sequence[OrderRow], asked: Sequence[Claim], last: OrderRow | None) -> dict[str, OrderRow]:
    """The order of a close of all there is: the last one; or one for what was held that was not filled completely."""
    whole = next((each for each in asked if each.qty is None), None)
    if whole is None or not made:
        return {}
    if last is None:
        short = made[-1].qty == whole.held and made[-1].filled < made[-1].qty
        return {whole.name: made[-1]} if short else {}
    if last.id not in {each.id for each in made}:
        return {}
    parts = sum(1 for each in asked if each.qty == last.qty)
    others = sum(1 for each in made if each.qty == last.qty and each.id != last.id)
    return {whole.name: last} if whole.certain or others >= parts else {}
