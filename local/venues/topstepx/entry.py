"""Order entry: a request checked in the order in which the gateway is believed to check it, and what it does."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from decimal import Decimal

from local.venues.faults import Faults, Kind
from local.venues.topstepx.body import Body, Malformed
from local.venues.topstepx.book import Bracket, Order, Request
from local.venues.topstepx.contracts import Catalogue, Listing
from local.venues.topstepx.desk import VenueAccount
from local.venues.topstepx.refusals import PLACE, Refusal
from local.venues.topstepx.words import OrderType, Side

REJECTED_CODE = 2
MAX_TRAIL_TICKS = 1000
FAR = Decimal("0.5")
"""A price further from the market than this share of it is outside the allowed range."""
PLACEABLE = frozenset(OrderType) - {OrderType.UNKNOWN, OrderType.STOP_LIMIT}
ONE = Decimal(1)


class Entry:
    """Places, changes, cancels and closes on one account."""

    def __init__(self, contracts: Catalogue, faults: Faults) -> None:
        self._contracts, self._faults = contracts, faults

    def place(self, account: VenueAccount, body: Body) -> Order:
        """The order it made. Raises Malformed, or Refusal, of which every one of code 2 has made an order too."""
        request = self._request(account, body)
        fault = self._faults.take("place", Kind.REFUSE)
        try:
            if fault is not None:
                raise Refusal(fault.value)
            self._check(account, request, body)
        except Refusal as no:
            if PLACE.get(no.word, (REJECTED_CODE, None))[0] == REJECTED_CODE:
                no.order_id = account.book.reject(request).id
            raise
        return self._taken(account, request)

    def modify(self, account: VenueAccount, body: Body) -> Order:
        """What is absent or null stays. There is no largest trail here."""
        self._refused("modify")
        if account.live:
            raise Refusal("account_rejected")
        order = account.book.orders.get(body.integer("orderId"))
        if order is None:
            raise Refusal("order")
        changes: dict[str, Decimal | int] = {}
        size = body.integer_or_none("size")
        if size is not None:
            if size <= order.filled:
                raise Refusal("size")
            changes["size"] = size
        for theirs, ours in (("limitPrice", "limit_price"), ("stopPrice", "stop_price")):
            value = body.number_or_none(theirs)
            if value is not None:
                _aligned(order.listing, value)
                changes[ours] = value
        if order.type is OrderType.TRAILING_STOP:
            changes |= self._trail_change(account, order, body)
        return account.book.modify(order.id, **changes)

    def cancel(self, account: VenueAccount, body: Body) -> None:
        self._refused("cancel")
        if account.follower or account.live:
            raise Refusal("follower" if account.follower else "account_rejected")
        account.book.cancel(body.integer("orderId"), with_sibling=account.cancels_siblings)

    def close(self, account: VenueAccount, body: Body, operation: str) -> Order:
        """closeContract, or partialCloseContract where `operation` is partial_close. Both at market."""
        self._refused(operation)
        size = body.integer("size") if operation == "partial_close" else None
        contract_id = body.text("contractId")
        listing = self._contracts.by_id.get(contract_id)
        if account.live:
            raise Refusal("account_rejected")
        if listing is None:
            raise Refusal("contract")
        if contract_id not in account.book.positions:
            raise Refusal("position")
        if self._contracts.is_expired(listing):
            raise Refusal("inactive")
        if not account.open:
            raise Refusal("closed")
        partial = self._faults.take("close", Kind.PARTIAL_FILL)
        return account.book.close(contract_id, size, share=partial.number if partial else ONE)

    # A request as it is written.

    def _request(self, account: VenueAccount, body: Body) -> Request:
        """What of it decides nothing yet: any integer and any price are let through to be rejected."""
        kind, side, size = body.integer("type"), body.integer("side"), body.integer("size")
        listing = self._contracts.by_id.get(body.text("contractId"))
        if account.live or not account.can_trade or listing is None or not self._contracts.is_active(listing):
            raise _not_an_order(account, listing)
        if not account.open:
            raise Refusal("closed")
        if side not in (0, 1) or kind not in list(OrderType):
            raise Malformed("The request field is required.")
        type_, limit = OrderType(kind), body.number_or_none("limitPrice")
        price = account.book.market.price(listing.id)
        if type_ in (OrderType.JOIN_BID, OrderType.JOIN_ASK):
            limit = price.bid if type_ is OrderType.JOIN_BID else price.ask
        return Request(
            listing=listing,
            type=type_,
            side=Side(side),
            size=size,
            limit_price=limit,
            stop_price=body.number_or_none("stopPrice"),
            tag=body.text_or_none("customTag"),
            stop_loss=_bracket(body, "stopLossBracket"),
            take_profit=_bracket(body, "takeProfitBracket"),
            trail_ticks=_trail_ticks(listing, account.book.last(listing), body.number_or_none("trailPrice")),
        )

    def _check(self, account: VenueAccount, request: Request, body: Body) -> None:
        if request.type not in PLACEABLE:
            raise Refusal("type")
        if request.size <= 0:
            raise Refusal("size")
        self._check_prices(account, request)
        if request.tag is not None and request.tag in account.book.tags:
            raise Refusal("tag")
        _check_brackets(account, request)
        if request.type is OrderType.TRAILING_STOP:
            _check_trail(request, body.number_or_none("trailPrice"))
        held = account.book.positions.get(request.listing.id)
        same = held is None or held.sign == request.side.sign
        if request.size + (held.size if held and same else 0) > account.max_size:
            raise Refusal("size_limit", limit=account.max_size)

    def _check_prices(self, account: VenueAccount, request: Request) -> None:
        needed = {OrderType.LIMIT: request.limit_price, OrderType.STOP: request.stop_price}
        if request.type in needed:
            value, last = needed[request.type], account.book.last(request.listing)
            if value is None or abs(value - last) > last * FAR:
                raise Refusal("price_range")
            _aligned(request.listing, value)
        price = account.book.market.price(request.listing.id)
        if request.type is OrderType.STOP and request.stop_price is not None:
            buys = request.side is Side.BID
            if request.stop_price < price.ask if buys else request.stop_price > price.bid:
                raise Refusal("price_range")

    # What is done with it.

    def _taken(self, account: VenueAccount, request: Request) -> Order:
        take: Callable[..., object] = self._faults.take
        if take("place", Kind.DROP_BRACKET):
            request = _bare(request)
        if take("place", Kind.REFUSE_LATER):
            return account.book.reject(request)
        partial = self._faults.take("place", Kind.PARTIAL_FILL)
        late = self._faults.take("place", Kind.LATE_FILL) if request.type is OrderType.MARKET else None
        order = account.book.place(
            request, share=partial.number if partial else ONE, delayed=late is not None
        )
        if late is not None:
            asyncio.get_running_loop().call_later(late.seconds, account.book.meet, order.id)
        if take("place", Kind.DUPLICATE_TAG) and request.tag is not None:
            account.book.reject(request)  # a tag is unique: the second one is an order that was rejected
        return order

    def _trail_change(self, account: VenueAccount, order: Order, body: Body) -> dict[str, Decimal | int]:
        level = body.number_or_none("trailPrice")
        if level is None:
            return {}
        _aligned(order.listing, level, "trail_price")
        ticks = _trail_ticks(order.listing, account.book.last(order.listing), level)
        return {} if ticks is None else {"trail_ticks": ticks}

    def _refused(self, operation: str) -> None:
        fault = self._faults.take(operation, Kind.REFUSE)
        if fault is not None:
            raise Refusal(fault.value)


def _not_an_order(account: VenueAccount, listing: Listing | None) -> Refusal:
    if not account.can_trade:
        return Refusal("violation")
    if account.live:
        return Refusal("account_rejected")
    return Refusal("contract" if listing is None else "inactive")


def _bracket(body: Body, name: str) -> Bracket | None:
    part = body.part(name)
    if part is None:
        return None
    kind = part.integer("type")
    if kind not in list(OrderType):
        raise Malformed("The request field is required.")
    return Bracket(part.integer("ticks"), OrderType(kind))


def _check_brackets(account: VenueAccount, request: Request) -> None:
    """Ticks are signed, from the fill: a stop below a buy is negative, a target above it positive."""
    stop, target, sign = request.stop_loss, request.take_profit, request.side.sign
    if (stop or target) and not account.auto_oco:
        raise Refusal("position_brackets")
    word = "long" if request.side is Side.BID else "short"
    if stop is not None and stop.type not in (OrderType.STOP, OrderType.TRAILING_STOP):
        raise Refusal("stop_loss_type", type=stop.type.name.title())
    if target is not None and target.type is not OrderType.LIMIT:
        raise Refusal("take_profit_type", type=target.type.name.title())
    if stop is not None and stop.ticks * sign >= 0:
        raise Refusal(f"stop_loss_ticks_{word}", ticks=stop.ticks)
    if target is not None and target.ticks * sign <= 0:
        raise Refusal(f"take_profit_ticks_{word}", ticks=target.ticks)


def _trail_ticks(listing: Listing, last: Decimal, level: Decimal | None) -> int | None:
    """`trailPrice` is a price: how far it is from the last one now, is how far the stop stays behind."""
    if level is None:
        return None
    ticks = int(abs(last - level) / listing.product.tick)
    return ticks if level > last else -ticks


def _check_trail(request: Request, level: Decimal | None) -> None:
    if level is None or request.trail_ticks is None:
        raise Refusal("trail_not_set")
    _aligned(request.listing, level, "trail_price")
    if abs(request.trail_ticks) > MAX_TRAIL_TICKS:
        raise Refusal("trail_maximum")


def _aligned(listing: Listing, value: Decimal, word: str = "price_tick") -> None:
    if value <= 0 or value % listing.product.tick:
        raise Refusal(word)


def _bare(request: Request) -> Request:
    return Request(
        request.listing, request.type, request.side, request.size, request.limit_price, request.stop_price,
        request.trail_ticks, request.tag,
    )  # fmt: skip
