"""Several targets for what is open already, or for an entry that waits: the legs that replace what it has.

Where the broker takes limit exits they all go there, once the old ones are gone. Elsewhere it holds the farthest one of
a position, which closes all that is left, and we see to the nearer ones (semantics 2, 5).
"""

from collections.abc import Mapping, Sequence
from decimal import Decimal

from msgspec.structs import replace

from shared.models.changes import changed
from shared.models.command import Leg
from shared.models.context import RiskContext
from shared.models.enums import OrderType, StopMode
from shared.models.ladder import Ladder, Rung
from shared.models.market import Instrument
from shared.models.reasons import Reason
from shared.models.signal import Signal, StopSpec
from shared.models.trading import Position, WorkingOrder
from shared.risk.decision import Denied
from shared.risk.ladder_terms import Part, Target, laddered, nearest_first, no_parts, without_farthest
from shared.risk.legs import cancel_legs
from shared.risk.prices import Anchor, target_price, target_refused
from shared.risk.scope import Holding, exits_of
from shared.risk.targets import exit_leg, parts_of, portions_of, split

Shares = Mapping[str, Sequence[tuple[Decimal, StopSpec | None]]]


def shared_out(
    holdings: Sequence[Holding], specs: Sequence[StopSpec], instrument: Instrument
) -> Shares | Denied:
    """What of each position leaves at which target: portions of all there is, the oldest position first."""
    if any(not each.whole for each in holdings):
        what = "several targets for the part of a position that a tag holds"
        return Denied(Reason.NOT_SUPPORTED, {"what": what, "instead": "leave out the tag"})
    portions = portions_of(specs)
    if isinstance(portions, Denied):
        return portions
    positions = sorted((each.position for each in holdings), key=_age)
    total = sum((each.qty for each in positions), Decimal(0))
    parts = [*zip(split(total, portions, instrument.qty_step, instrument.qty_min), specs, strict=True)]
    left: list[tuple[Decimal, StopSpec | None]] = [each for each in parts if each[0] > 0]
    shares: dict[str, list[tuple[Decimal, StopSpec | None]]] = {}
    for position in positions:
        mine, rest = shares.setdefault(position.venue_position_id, []), position.qty
        while rest > 0:
            qty, spec = left.pop(0) if left else (rest, None)
            if qty > rest:
                left.insert(0, (qty - rest, spec))
            mine.append((min(qty, rest), spec))
            rest -= min(qty, rest)
    return shares


def retargeted(
    leg: Leg, position: Position, shares: Sequence[tuple[Decimal, StopSpec | None]], anchor: Anchor,
    stop: Decimal | None, ctx: RiskContext,
) -> list[Leg] | Denied:  # fmt: skip
    """The legs that give one position these targets; `leg` is the change of its stop, `stop` the one in force then."""
    parts = _priced(shares, anchor, stop)
    if isinstance(parts, Denied):
        return parts
    if ctx.exits.limit_exits:
        return _at_broker(leg, position, parts, ctx)
    if len(parts) > 1 and not ctx.exits.partial_close:
        return no_parts(len(parts))
    ends, farthest = without_farthest(parts, nearest_first(parts, position.entry_price))
    rungs = (Rung(each.qty, StopSpec(StopMode.PRICE, each.target.price)) for each in ends if each.target)
    leg = replace(leg, ladder=Ladder(tuple(rungs), at_broker=False))
    return [
        _with_target(
            leg, position, None if farthest is None or farthest.target is None else farthest.target.price
        )
    ]


def without_limit_exits(position: Position, ctx: RiskContext) -> list[Leg]:
    """Cancels the limit exits of a position that are no part of what the broker calls its target."""
    if not ctx.exits.limit_exits or ctx.exits.stop_orders:
        return []
    return cancel_legs(_targets(position, ctx), ctx)


def laddered_entry(
    leg: Leg, order: WorkingOrder, signal: Signal, anchor: Anchor, instrument: Instrument, ctx: RiskContext
) -> Leg | Denied:
    """The change of an entry that waits which gives what it still fills these targets."""
    stop = leg.protection.stop_loss
    targets: list[Target] = []
    for spec in signal.tp or ():
        price = target_price(spec, anchor, stop)
        if isinstance(price, Denied):
            return price
        refused = target_refused(price, anchor)
        if refused is not None:
            return refused
        targets.append(Target(spec, price))
    left = (order.qty if leg.qty is None else leg.qty) - order.filled_qty
    cut = parts_of(left, targets, instrument)
    if isinstance(cut, Denied):
        return cut
    made = laddered(replace(leg, sl=signal.sl), cut[0], anchor.price, ctx.exits)
    if isinstance(made, Denied) or made.ladder is None:
        return made
    made = replace(made, sl=None, tp=None, ladder=replace(made.ladder, after=order.filled_qty))
    had = order.id is None or order.take_profit is not None
    gone = had and made.protection.take_profit is None
    return replace(made, protection=changed(made.protection, clear_take_profit=gone))


def _at_broker(leg: Leg, position: Position, parts: Sequence[Part], ctx: RiskContext) -> list[Leg]:
    """The old targets go, then as many limit orders as there are parts; they wait until the old ones are gone."""
    old = without_limit_exits(position, ctx)
    had = position.take_profit is not None or (ctx.exits.stop_orders and bool(_targets(position, ctx)))
    leg = replace(leg, protection=changed(leg.protection, clear_take_profit=had))
    change = [] if leg.protection.empty and leg.trail is None and leg.be is None else [leg]
    return old + change + [exit_leg(leg, each.qty, each.target) for each in parts if each.target is not None]


def _priced(
    shares: Sequence[tuple[Decimal, StopSpec | None]], anchor: Anchor, stop: Decimal | None
) -> list[Part] | Denied:
    parts = []
    for qty, spec in shares:
        price = None if spec is None else target_price(spec, anchor, stop)
        if isinstance(price, Denied):
            return price
        parts.append(Part(qty, None if spec is None or price is None else Target(spec, price)))
    return parts


def _with_target(leg: Leg, position: Position, target: Decimal | None) -> Leg:
    return replace(
        leg,
        protection=changed(
            leg.protection,
            take_profit=target if target != position.take_profit else None,
            clear_take_profit=target is None and position.take_profit is not None,
        ),
    )


def _targets(position: Position, ctx: RiskContext) -> list[WorkingOrder]:
    return [each for each in exits_of(position, ctx) if each.type is OrderType.LIMIT]


def _age(position: Position) -> tuple[bool, float, str]:
    opened = position.opened_at
    return opened is None, opened.timestamp() if opened else 0.0, position.venue_position_id
