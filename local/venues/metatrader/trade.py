"""POST /trade: what each actionType does to an account's book, and the result code and ids it is answered with."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal

from local.venues.faults import Faults, Kind
from local.venues.metatrader.codes import Refusal, of_book
from local.venues.metatrader.desk import MAGIC, Note, VenueAccount
from local.venues.metatrader.fields import Fields
from local.venues.trading import Holding, Order, Refused, Request, State, Why


@dataclass(frozen=True, slots=True)
class Result:
    """A yes: its code, and the ids that the answer names."""

    code: int
    order_id: str = ""
    position_id: str = ""

    def ids(self) -> dict[str, str]:
        """As they are written; what there is not is not written."""
        named = {"orderId": self.order_id, "positionId": self.position_id}
        return {name: value for name, value in named.items() if value}


class Trades:
    """Does trades. Raises Refusal or HttpError, and then nothing was done."""

    def __init__(self, faults: Faults) -> None:
        self._faults = faults

    def do(self, account: VenueAccount, fields: Fields) -> Result:
        """One request."""
        if account.investor:
            raise Refusal(-8)
        if not account.trade_allowed:
            raise Refusal(10026 if account.kind.version == 5 else 133)
        does: dict[str, Callable[[VenueAccount, Fields], Result]] = {
            "POSITION_MODIFY": self._protect,
            "POSITION_PARTIAL": self._close,
            "POSITION_CLOSE_ID": self._close,
            "POSITIONS_CLOSE_SYMBOL": self._close_symbol,
            "ORDER_MODIFY": self._modify,
            "ORDER_CANCEL": self._cancel,
        }
        try:
            return does.get(fields.action, self._place)(account, fields)
        except Refused as refused:
            raise of_book(refused, account.kind.version) from refused

    # Entries.

    def _place(self, account: VenueAccount, fields: Fields) -> Result:
        request = self._request(account, fields)
        faults, note = self._faults, _note(fields)
        if faults.take("place", Kind.REFUSE_LATER):
            return Result(10008, self._noted(account, account.book.refuse(request), note).id)
        late = faults.take("place", Kind.LATE_FILL) if request.type == "market" else None
        order = self._noted(account, account.book.place(request, delayed=late is not None), note)
        if faults.take("place", Kind.DUPLICATE_TAG):
            self._noted(account, account.book.place(request), note)
        if late is not None:
            asyncio.get_running_loop().call_later(late.seconds, account.book.meet, order.id)
            return Result(10008, order.id)
        return _placed(account, order)

    def _request(self, account: VenueAccount, fields: Fields) -> Request:
        _, _, side, *kinds = fields.action.split("_")
        kind = kinds[0].lower() if kinds else "market"
        if len(kinds) > 1 or fields.action == "POSITION_CLOSE_BY":
            raise Refusal(-4)
        listing = account.listings.get(fields.text("symbol"))
        if listing is None:
            raise Refusal(4106)
        price = fields.number("openPrice")
        self._check_pending(account, fields, side.lower(), kind, price)
        partial = self._faults.take("place", Kind.PARTIAL_FILL)
        dropped = self._faults.take("place", Kind.DROP_BRACKET)
        request = Request(
            name=listing.contract.name,
            side=side.lower(),
            type=kind,
            qty=fields.number("volume") or Decimal(0),
            price=price if kind == "limit" else None,
            stop_price=price if kind == "stop" else None,
            stop_loss=None if dropped else fields.level("stopLoss"),
            take_profit=None if dropped else fields.level("takeProfit"),
            tag="" if self._faults.take("place", Kind.STRIP_COMMENT) else fields.text("clientId"),
            fill_share=partial.number if partial is not None else Decimal(1),
        )
        self._check_distance(account, request)
        return request

    def _check_pending(
        self, account: VenueAccount, fields: Fields, side: str, kind: str, price: Decimal | None
    ) -> None:
        """A waiting order has to wait: on the other side of the market it is no limit, and no stop."""
        if kind == "market" or price is None:
            return
        now = account.book.price_of(account.listings[fields.text("symbol")].contract)
        below = price < now.ask if side == "buy" else price < now.bid
        if below is not ((side == "buy") is (kind == "limit")):
            raise of_book(Refused(Why.PRICE), account.kind.version)

    def _check_distance(self, account: VenueAccount, request: Request) -> None:
        listing = account.listings[request.name]
        least = listing.stops_level * listing.contract.tick
        now = account.book.price_of(listing.contract)
        at = request.price or request.stop_price or (now.bid if request.side == "buy" else now.ask)
        for level in (request.stop_loss, request.take_profit):
            if level is not None and abs(level - at) < least:
                raise of_book(Refused(Why.STOPS), account.kind.version)

    # Exits.

    def _close(self, account: VenueAccount, fields: Fields) -> Result:
        held = account.book.holdings.get(fields.text("positionId"))
        qty = fields.number("volume")
        if held is not None and qty is not None and qty > held.qty:
            raise Refusal(10038 if account.kind.version == 5 else 131)
        partial = self._faults.take("close", Kind.PARTIAL_FILL)
        share = partial.number if partial is not None else Decimal(1)
        return self._closed(account, fields, fields.text("positionId"), qty, share)

    def _closed(
        self, account: VenueAccount, fields: Fields, position_id: str, qty: Decimal | None, share: Decimal
    ) -> Result:
        held = account.book.holdings.get(position_id)
        tag = "" if held is None else held.tag
        order = account.book.close(position_id, qty, share=share)
        stripped = self._faults.take("close", Kind.STRIP_COMMENT)
        label = tag if account.kind.version == 4 else fields.text("clientId")
        order.tag = "" if stripped else label
        self._noted(account, order, _note(fields))
        left = account.book.holdings.get(position_id)
        if left is not None and account.kind.version == 4:
            _renumber(account, left, said=not stripped)
        account.book.changed()
        code = _done(account) if not order.rest else 10010
        return Result(code, position_id if account.kind.version == 4 else order.id, position_id)

    def _close_symbol(self, account: VenueAccount, fields: Fields) -> Result:
        if fields.text("symbol") not in account.listings:
            raise Refusal(4106)
        held = [
            each for each in account.book.holdings.values() if each.contract.name == fields.text("symbol")
        ]
        if not held:
            raise Refusal(4753)
        for each in held:
            self._closed(account, fields, each.id, None, Decimal(1))
        return Result(_done(account))

    # Changes.

    def _protect(self, account: VenueAccount, fields: Fields) -> Result:
        """Both levels at once: one that is not named, or 0, is removed."""
        position_id = fields.text("positionId")
        held = account.book.holdings.get(position_id)
        if held is None:
            raise Refused(Why.NO_POSITION)
        levels = {"stop_loss": fields.level("stopLoss"), "take_profit": fields.level("takeProfit")}
        if levels == _levels(account, held):
            return Result(_unchanged(account), position_id=position_id)
        if not self._faults.take("protect", Kind.DROP_BRACKET):
            account.book.protect(position_id, **levels)
        return Result(_done(account), position_id=position_id)

    def _modify(self, account: VenueAccount, fields: Fields) -> Result:
        order = _waiting(account, fields)
        price = fields.number("openPrice")
        kind = order.type
        self._check_side(account, order, price)
        levels = {"stop_loss": fields.level("stopLoss"), "take_profit": fields.level("takeProfit")}
        name = "price" if kind == "limit" else "stop_price"
        if (getattr(order, name), order.stop_loss, order.take_profit) == (price, *levels.values()):
            return Result(_unchanged(account), order.id)
        account.book.modify(order.id, **{name: price}, **levels)
        return Result(_done(account), order.id)

    def _check_side(self, account: VenueAccount, order: Order, price: Decimal | None) -> None:
        said = Fields("", {"symbol": order.contract.name})
        self._check_pending(account, said, order.side, order.type, price)

    def _cancel(self, account: VenueAccount, fields: Fields) -> Result:
        order = _waiting(account, fields)
        account.book.cancel(order.id)
        return Result(_done(account), order.id)

    @staticmethod
    def _noted(account: VenueAccount, order: Order, note: Note) -> Order:
        account.notes[order.id] = note
        return order


def by_hand(account: VenueAccount, name: str, side: str, qty: Decimal) -> Order:
    """A market order that the trader gives in his own terminal: no magic, no clientId."""
    order = account.book.place(Request(name, side, "market", qty))
    account.notes[order.id] = Note(0, "CLIENT")
    return order


def _placed(account: VenueAccount, order: Order) -> Result:
    """How far it came: netting leaves no position when the order only took from one."""
    if order.state is State.WORKING:
        return Result(_done(account), order.id)
    code = _done(account) if not order.rest else 10010 if order.filled else 10006
    if code == 10006:
        raise Refusal(code)
    return Result(code, order.id, order.position_id or "")


def _note(fields: Fields) -> Note:
    magic = fields.body.get("magic")
    return Note(MAGIC if magic is None else int(magic), "EXPERT", fields.text("comment"))


def _done(account: VenueAccount) -> int:
    return 10009 if account.kind.version == 5 else 0


def _unchanged(account: VenueAccount) -> int:
    return 10025 if account.kind.version == 5 else 1


def _levels(account: VenueAccount, held: Holding) -> dict[str, Decimal | None]:
    working = account.book.working
    stop, target = working.get(held.stop_loss_id or ""), working.get(held.take_profit_id or "")
    return {
        "stop_loss": stop.stop_price if stop else None,
        "take_profit": target.price if target else None,
    }


def _waiting(account: VenueAccount, fields: Fields) -> Order:
    order = account.book.working.get(fields.text("orderId"))
    if order is None or order.role != "entry":
        raise Refusal(4754)
    return order


def _renumber(account: VenueAccount, held: Holding, *, said: bool) -> None:
    """MetaTrader 4: what is left of a partly closed position has a new ticket, and a comment that names the old, where
    the broker leaves comments alone (`said`)."""
    old, held.id = held.id, next(account.book.ids)
    account.book.holdings[held.id] = account.book.holdings.pop(old)
    for bracket_id in (held.stop_loss_id, held.take_profit_id):
        bracket = account.book.working.get(bracket_id or "")
        if bracket is not None:
            bracket.position_id = held.id
    held.tag = ""
    account.notes[held.id] = Note(account.note(old).magic, "EXPERT", f"from #{old}" if said else "")
