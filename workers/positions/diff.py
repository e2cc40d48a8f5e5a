"""Our books and the broker's, compared: what ours have to learn. Pure.

Fills come first: what they explain needs no other word. What none explains (`doubtful`) is believed at the second
read that shows it. Every correction has a key that it has again when it is found again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from shared.models.enums import Effect, OrderStatus, OrderType, Side
from shared.models.trading import AccountSnapshot, Fill, Position, WorkingOrder
from shared.store import as_json
from shared.store.book_rows import Books, KnownOrder, KnownPosition
from shared.store.watch_rows import Watched
from workers.positions.nameless import LIVE, closes

NOTHING = Decimal(0)


@dataclass(frozen=True, slots=True)
class Correction:
    """One thing that our books have to learn; `told` is the sentence for the trader.

    `doubtful`: nothing but this read says so. `doubt`: what it is the same doubt by where its key changes, '' = its key
    does not. `foreign`: it adds to the account and is none of our doing. `fill`,
    `order` and `position` are what engine.reconcile writes, by kind.
    """

    key: str
    kind: str
    symbol: str
    root: str
    told: str
    level: str = "warning"
    numbers: Mapping[str, str] = field(default_factory=dict)
    doubtful: bool = False
    doubt: str = ""
    foreign: bool = False
    fill: Mapping[str, Any] | None = None
    order: Mapping[str, Any] | None = None
    position: Mapping[str, Any] | None = None


def differs(watched: Watched, theirs: AccountSnapshot) -> bool:
    """Whether a read shows anything else than what we had before it: positions, orders, or the balance."""
    held = {each.venue_position_id: _signed(each.side, each.qty) for each in watched.positions}
    seen = {each.venue_position_id: _signed(each.side, each.qty) for each in theirs.positions}
    waiting = {(each.venue_order_id, *_terms(each)) for each in watched.orders if each.status in LIVE}
    shown = {(each.venue_order_id, *_terms(each)) for each in theirs.orders}
    return held != seen or waiting != shown or watched.account.balance != theirs.balance


def corrections(ours: Books, theirs: AccountSnapshot, fills: Sequence[Fill]) -> tuple[Correction, ...]:
    """What makes our books say what the broker's do, in the order in which it has to be written."""
    news = _Comparison(ours, theirs, [each for each in fills if each.venue_fill_id not in ours.fills])
    return (
        *news.renamed(),
        *news.placed_elsewhere(),
        *news.changed(),
        *news.told_late(),
        *news.ended(),
        *news.positions(),
        *news.orphans(),
    )


def _signed(side: Side, qty: Decimal) -> Decimal:
    return qty if side is Side.BUY else -qty


def _terms(order: WorkingOrder | KnownOrder) -> tuple[Decimal, Decimal, Decimal | None, Decimal | None]:
    """What an order is for: quantity, what of it is filled, its prices."""
    return order.qty, order.filled_qty, order.price or None, order.stop_price or None


def _words(signed: Decimal) -> str:
    return "flat" if not signed else f"{'long' if signed > 0 else 'short'} {abs(signed):f}"


class _Comparison:
    """One read of an account beside our books; `fills` are those that we do not know."""

    def __init__(self, ours: Books, theirs: AccountSnapshot, fills: Sequence[Fill]) -> None:
        self._theirs, self._fills = theirs, fills
        self._orders: dict[str | None, KnownOrder] = {
            each.venue_order_id: each for each in ours.orders if each.venue_order_id is not None
        }
        self._by_name = {each.client_order_id: each for each in ours.orders}
        self._held = {each.venue_position_id: each for each in ours.positions}
        self._seen = {each.venue_position_id: each for each in theirs.positions}
        self._shown = {each.venue_order_id for each in theirs.orders}
        self._named = {each.client_order_id for each in theirs.orders if each.client_order_id is not None}
        self._closes = closes(ours.orders, self._fills, self._orders)
        self._roots = _roots((*ours.positions, *ours.orders, *theirs.positions, *theirs.orders))

    # Orders

    def renamed(self) -> Iterable[Correction]:
        """An order of ours that the broker now has under another id."""
        for each in self._theirs.orders:
            known = self._by_name.get(each.client_order_id or "")
            if known is not None and known.status in LIVE and each.venue_order_id not in self._orders:
                yield Correction(
                    key=f"order_renamed:{known.id}:{each.venue_order_id}",
                    kind="order_renamed",
                    symbol=known.symbol,
                    root=known.root,
                    level="info",
                    told=f"{known.symbol}: the broker has given our order {known.client_order_id} another number, "
                    f"{each.venue_order_id} instead of {known.venue_order_id}.",
                    order={"id": known.id, "venue_order_id": each.venue_order_id},
                )

    def placed_elsewhere(self) -> Iterable[Correction]:
        """Orders at the broker that are not in our books."""
        for each in self._theirs.orders:
            known = self._by_name.get(each.client_order_id or "") or self._orders.get(each.venue_order_id)
            if each.venue_order_id is None or known is not None:
                continue
            ours = each.reduce_only and self._is_ours(each)
            at = each.price if each.price is not None else each.stop_price
            yield Correction(
                key=f"order_unknown:{each.venue_order_id}",
                kind="order_unknown",
                symbol=each.symbol,
                root=each.root,
                level="info" if ours else "warning",
                foreign=not each.reduce_only,
                told=f"{each.symbol}: the broker has a {each.type.value} order to {each.side.value} {each.qty:f}"
                f"{'' if at is None else f' at {at:f}'}, "
                + ("which protects what we opened." if ours else "which was not placed by us."),
                numbers={"order": each.venue_order_id, "qty": f"{each.qty:f}"},
                order=_order(each, "protection" if ours else "broker"),
            )

    def changed(self) -> Iterable[Correction]:
        """Orders in our books that at the broker have another quantity or price."""
        for each in self._theirs.orders:
            known = self._orders.get(each.venue_order_id)
            if known is None or known.status not in LIVE:
                continue
            (qty, _, *prices), (had, _, *had_prices) = _terms(each), _terms(known)
            if (qty, prices) == (had, had_prices):
                continue
            at = each.price or each.stop_price
            now = f"{qty:f}" + ("" if at is None else f" at {at:f}")
            yield Correction(
                key=f"order_changed:{each.venue_order_id}:{now}",
                kind="order_changed",
                symbol=known.symbol,
                root=known.root,
                level="info",
                doubtful=True,
                told=f"{known.symbol}: at the broker the order to {known.side.value} {had:f} ({each.venue_order_id}) "
                f"is for {now} by now.",
                numbers={"order": each.venue_order_id or "", "qty": f"{qty:f}", "was": f"{had:f}"},
                order={"id": known.id, "qty": qty, "price": each.price, "stop_price": each.stop_price},
            )

    def ended(self) -> Iterable[Correction]:
        """Orders that by our books stand at the broker, and do not."""
        nameless = [
            e for e in self._by_name.values() if e.venue_order_id is None and e.type is OrderType.MARKET
        ]
        for known in (*self._orders.values(), *nameless):
            gone = known.venue_order_id not in self._shown and known.client_order_id not in self._named
            if known.status not in LIVE or not gone:
                continue
            new = sum((each.qty for each in self._fills if self._order_of(each) is known), NOTHING)
            if new and known.filled_qty + new >= known.qty:
                continue  # its fills say so
            yield self._end(known, known.filled_qty + new)

    def _end(self, known: KnownOrder, filled: Decimal) -> Correction:
        status = OrderStatus.CANCELED
        if filled >= known.qty:
            status = OrderStatus.FILLED
        elif known.expires_at is not None and known.expires_at <= self._theirs.at:
            status = OrderStatus.EXPIRED
        return Correction(
            key=f"order_ended:{known.venue_order_id or known.client_order_id}:{filled:f}",
            kind="order_ended",
            symbol=known.symbol,
            root=known.root,
            level="info",
            doubtful=True,
            told=f"{known.symbol}: the order to {known.side.value} {known.qty:f} "
            f"({known.venue_order_id or known.client_order_id}) stands at the broker no more; {filled:f} of it was "
            "filled.",
            numbers={"order": known.venue_order_id or "", "qty": f"{known.qty:f}", "filled": f"{filled:f}"},
            order={"id": known.id, "status": status},
        )

    def orphans(self) -> Iterable[Correction]:
        """Exits of ours that wait at the broker for a position that is gone: they would open one."""
        held = {each.root for each in self._theirs.positions}
        held |= {each.root for pid, each in self._held.items() if self._expected(pid) != 0}
        entries = {each.root for each in self._theirs.orders if each.is_entry}
        for each in self._theirs.orders:
            known = self._orders.get(each.venue_order_id)
            if known is None or not known.reduce_only or known.origin == "broker" or known.status not in LIVE:
                continue
            if known.root in held | entries:
                continue
            yield Correction(
                # Asked for again a minute later, should it still be there.
                key=f"orphan:{known.venue_order_id}:{self._theirs.at:%Y%m%d%H%M}",
                doubt=f"orphan:{known.venue_order_id}",
                kind="orphan",
                symbol=known.symbol,
                root=known.root,
                doubtful=True,
                told=f"{known.symbol}: our order to {known.side.value} {known.qty:f} ({known.venue_order_id}) waits "
                "for a position that is gone: it is being canceled.",
                numbers={"order": known.venue_order_id or "", "qty": f"{known.qty:f}"},
                order={"id": str(known.id)},
            )

    # Fills

    def told_late(self) -> Iterable[Correction]:
        """Executions that are not in our books."""
        for each in self._fills:
            known = self._order_of(each)
            held = self._held.get(each.venue_position_id or "")
            how = _fired(each, held)
            yield Correction(
                key=f"fill:{each.venue_fill_id}",
                kind="fill",
                symbol=each.symbol,
                root=self._root(each),
                level="info" if known is not None or how else "warning",
                foreign=known is None and each.effect is Effect.OPEN,
                told=f"{each.symbol}: {_done(each, known, how)}",
                numbers={
                    "fill": each.venue_fill_id,
                    "qty": f"{each.qty:f}",
                    "price": f"{each.price:f}",
                    "realised": f"{each.realised:f}",
                },
                fill=as_json.fill(each)
                | {"client_order_id": each.client_order_id if known is None else known.client_order_id},
                order=None if known is not None else self._made_of(each, "protection" if how else "broker"),
            )

    def _made_of(self, fill: Fill, origin: str) -> dict[str, Any]:
        """The order that a fill of somebody else's comes from, as far as fills tell."""
        mine = [each for each in self._fills if each.venue_order_id == fill.venue_order_id]
        return {
            "venue_order_id": fill.venue_order_id,
            "client_order_id": fill.client_order_id,
            "origin": origin,
            "symbol": fill.symbol,
            "root": self._root(fill),
            "side": fill.side,
            "type": "market",
            "qty": sum((each.qty for each in mine), NOTHING),
            "reduce_only": fill.effect is Effect.CLOSE,
            "position_id": fill.venue_position_id,
            "status": OrderStatus.FILLED,
        }

    def _order_of(self, fill: Fill) -> KnownOrder | None:
        return (
            self._orders.get(fill.venue_order_id)
            or self._by_name.get(fill.client_order_id or "")
            or self._closes.get(fill.venue_order_id)
        )

    def _root(self, fill: Fill) -> str:
        held = self._held.get(fill.venue_position_id or "") or self._seen.get(fill.venue_position_id or "")
        return self._roots.get(fill.symbol, fill.symbol) if held is None else held.root

    # Positions

    def positions(self) -> Iterable[Correction]:
        """Positions that are not what our books and the new fills together say."""
        for pid in dict.fromkeys((*self._held, *self._seen, *self._filled())):
            seen, expected = self._seen.get(pid), self._expected(pid)
            real = NOTHING if seen is None else _signed(seen.side, seen.qty)
            if real != expected:
                yield self._position(pid, seen, expected, real)

    def _filled(self) -> Iterable[str]:
        return (each.venue_position_id for each in self._fills if each.venue_position_id is not None)

    def _expected(self, pid: str) -> Decimal:
        held = self._held.get(pid)
        known = NOTHING if held is None else _signed(held.side, held.qty)
        return known + sum(
            (_signed(each.side, each.qty) for each in self._fills if each.venue_position_id == pid), NOTHING
        )

    def _position(self, pid: str, seen: Position | None, expected: Decimal, real: Decimal) -> Correction:
        held = self._held.get(pid)
        kind = "position_gone" if seen is None else "position_differs" if expected else "position_unknown"
        symbol, root = self._names(pid)
        ends = {
            "position_gone": "it is gone at the broker, and no fill says how.",
            "position_differs": f"the broker has {_words(real)}, our books {_words(expected)}.",
            "position_unknown": f"the broker has {_words(real)}, {_whose(seen)}.",
        }
        return Correction(
            key=f"{kind}:{pid}:{real:f}:{0 if held is None else held.adjusted}",
            kind=kind,
            symbol=symbol,
            root=root,
            doubtful=True,
            foreign=abs(real) > abs(expected) or real * expected < 0,
            told=f"{symbol}: we had {_words(expected)}; {ends[kind]}"
            if expected
            else f"{symbol}: {ends[kind]}",
            numbers={"position": pid, "ours": f"{expected:f}", "theirs": f"{real:f}"},
            position=as_json.open_position(seen) if seen else {"venue_position_id": pid, "qty": NOTHING},
        )

    def _names(self, pid: str) -> tuple[str, str]:
        known = self._seen.get(pid) or self._held.get(pid)
        if known is not None:
            return known.symbol, known.root
        fill = next(each for each in self._fills if each.venue_position_id == pid)
        return fill.symbol, self._root(fill)

    def _is_ours(self, order: WorkingOrder) -> bool:
        """Whether an exit protects something that we opened, or that a fill of ours, told with it, has opened."""
        opened = (
            self._order_of(e) for e in self._fills if e.effect is Effect.OPEN and e.symbol == order.symbol
        )
        return any(each is not None and each.origin != "broker" for each in opened) or any(
            each.is_ours
            and each.qty
            and (each.venue_position_id == order.position_id or each.root == order.root)
            for each in self._held.values()
        )


def _whose(seen: Position | None) -> str:
    return "which was not opened by us" if seen is None or not seen.doubt else seen.doubt


def _roots(named: Iterable[Position | WorkingOrder | KnownPosition | KnownOrder]) -> dict[str, str]:
    return {each.symbol: each.root for each in named}


def _fired(fill: Fill, held: KnownPosition | None) -> str:
    """'stop' or 'target', where a fill has closed the position at or beyond it; else ''."""
    if held is None or fill.effect is not Effect.CLOSE:
        return ""
    way = 1 if held.side is Side.BUY else -1
    if held.stop_loss is not None and (fill.price - held.stop_loss) * way <= 0:
        return "stop"
    if held.take_profit is not None and (fill.price - held.take_profit) * way >= 0:
        return "target"
    return ""


def _done(fill: Fill, known: KnownOrder | None, how: str) -> str:
    what = f"{'bought' if fill.side is Side.BUY else 'sold'} {fill.qty:f} at {fill.price:f}"
    result = f", result {fill.realised:f}" if fill.effect is Effect.CLOSE else ""
    if how and (known is None or known.reduce_only):
        return f"the {how} was reached: {what}{result}."
    if known is not None:
        return f"{what}{result}: a fill of our order {known.client_order_id} that the broker told later."
    return f"{what}{result}, not by us."


def _order(order: WorkingOrder, origin: str) -> dict[str, Any]:
    status = order.status if order.status in LIVE else OrderStatus.WORKING
    return as_json.order(order) | {"origin": origin, "tif": order.tif, "status": status}
