"""What an order puts at stake, as the database asks it again under the locks: the rules that leave an amount.

A worker decides by what it was shown at the claim. Rooms are what its rules left after this order; the database takes
off what others have put at stake since, and what the account has lost since, and only then writes the order. Pure."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal, localcontext
from typing import Any, Literal

from msgspec import Struct

from shared.models.command import Leg
from shared.models.context import RiskContext
from shared.models.enums import Side
from shared.models.reasons import Reason
from shared.risk.book import book_after, sizes
from shared.risk.decision import Check, Denied
from shared.risk.fit import Fitted
from shared.risk.grid import EXACT
from shared.risk.margin import instrument_of, last_price, margin_after, margin_of
from shared.risk.micros import mini
from shared.risk.money import account_per_usd, price_of_one_unit
from shared.risk.open_risk import at_risk

ZERO = Decimal(0)
Amounts = Mapping[str, Decimal]


class _Room(Struct, frozen=True):
    """How a rule's room shrinks: by what is put under `key` of the account or the user, and as the equity moves.

    `touch`: reaching the limit counts as passing it. `falls`: the rule's value is an equity that falls to its limit.
    """

    owner: Literal["account", "user"]
    key: str
    reason: Reason
    touch: bool = True
    drift: Literal["down", "up"] | None = None
    falls: bool = False


_ROOMS: Mapping[str, _Room] = {
    "daily_loss": _Room("account", "loss", Reason.DAILY_LOSS, drift="down"),
    "weekly_loss": _Room("account", "loss", Reason.WEEKLY_LOSS, drift="down"),
    "trailing_drawdown": _Room("account", "loss", Reason.TRAILING_DRAWDOWN, drift="down", falls=True),
    "static_floor": _Room("account", "loss", Reason.STATIC_FLOOR, drift="down", falls=True),
    "daily_profit": _Room("account", "", Reason.DAILY_PROFIT, drift="up"),
    "consistency": _Room("account", "", Reason.CONSISTENCY, touch=False, drift="up"),
    "max_qty": _Room("account", "qty", Reason.MAX_QTY, touch=False),
    "exposure": _Room("user", "notional", Reason.EXPOSURE, touch=False),
}


def at_stake(fitted: Fitted, ctx: RiskContext, account: Amounts, user: Amounts) -> dict[str, Any] | None:
    """Plan.risk of engine.open_orders; None where nothing is opened or the user has no such rule.

    `account` and `user` are the totals at stake when `ctx` was seen. Money in account currency.
    """
    entries = [leg for leg in fitted.legs if leg.is_limited]
    if ctx.risk is None or not entries:
        return None
    with localcontext(EXACT):
        losses, worth = _losses(entries, ctx), _notional(entries, ctx)
        margins, margin = _margins(fitted.legs, ctx, account)
        mine = {"loss": sum(losses.values(), ZERO), "qty": _qty(entries), "margin": margin}
        theirs = {"notional": sum(worth.values(), ZERO)} | _sides(entries)
    rooms = [*_rooms(fitted.checks, account, user), *_opposites(entries, ctx, user)]
    return {
        "equity": ctx.account.equity,
        "as_of": ctx.account.as_of,
        "rooms": rooms,
        "margin_use": margins,
        "duplicates": _windows(entries, ctx),
        "cool_down": [
            {
                "scope": each.scope,
                "after_losses": each.rules.cool_down.after_losses,
                "minutes": each.rules.cool_down.minutes,
            }
            for each in ctx.limits.rule_sets
            if each.rules.cool_down is not None
        ],
        "takes": {"account": _some(mine), "user": _some(theirs)},
        "loss": {str(leg): loss for leg, loss in losses.items()},
        "notional_usd": {str(leg): value for leg, value in worth.items()},
    }


def _rooms(checks: Sequence[Check], account: Amounts, user: Amounts) -> Iterator[dict[str, Any]]:
    for check in checks:
        room, left = _ROOMS.get(check.rule), check.numbers.get("distance")
        if room is None or left is None or not check.ok or check.numbers.get("action") == "warn":
            continue
        yield {
            "owner": room.owner,
            "key": room.key,
            "seen": (account if room.owner == "account" else user).get(room.key, ZERO),
            "left": Decimal(left),
            "reason": room.reason,
            "touch": room.touch,
            "drift": room.drift,
            "falls": room.falls,
            "numbers": dict(check.numbers),
        }


def _opposites(entries: Iterable[Leg], ctx: RiskContext, user: Amounts) -> Iterator[dict[str, Any]]:
    """Nothing may have been opened on the other side since: no room at all."""
    if all(each.rules.no_opposite is None for each in ctx.limits.rule_sets):
        return
    for leg in entries:
        if leg.side is not None:
            key = _side(leg.root, leg.side.opposite)
            numbers = {"root": leg.root, "side": leg.side.value, "held": leg.side.opposite.value}
            yield {
                "owner": "user",
                "key": key,
                "seen": user.get(key, ZERO),
                "left": ZERO,
                "reason": Reason.OPPOSITE_ELSEWHERE,
                "touch": False,
                "numbers": numbers,
            }


def _margins(legs: Sequence[Leg], ctx: RiskContext, account: Amounts) -> tuple[list[dict[str, Any]], Decimal]:
    """Per scope that limits it the margin in use after this order; and what the order takes, at its dearest."""
    asked: list[dict[str, Any]] = []
    taken = ZERO
    for each in ctx.limits.rule_sets:
        rule = each.rules.margin_use
        if rule is None:
            continue
        after = margin_after(book_after(legs, ctx), legs, ctx, rule.leverage)
        own = margin_of(legs, ctx, rule.leverage)
        if isinstance(after, Denied) or isinstance(own, Denied):
            continue  # nothing becomes larger: an entry without a known margin is denied by its rule
        taken = max(taken, own)
        asked.append(
            {
                "scope": each.scope,
                "max_pct": rule.max_pct,
                "margin": after,
                "seen": account.get("margin", ZERO),
            }
        )
    return (asked, taken) if sizes(legs) else ([], ZERO)


def _windows(entries: Iterable[Leg], ctx: RiskContext) -> list[dict[str, Any]]:
    """What the database looks for again among the orders themselves: the same root and side within a scope's window."""
    return [
        {
            "scope": each.scope,
            "window_s": each.rules.duplicates.window_s,
            "root": leg.root,
            "side": leg.side.value,
        }
        for each in ctx.limits.rule_sets
        if each.rules.duplicates is not None and each.rules.duplicates.window_s > 0
        for leg in entries
        if leg.is_entry and leg.side is not None
    ]


def _losses(entries: Iterable[Leg], ctx: RiskContext) -> dict[int, Decimal]:
    found = ((leg.leg, at_risk((leg,), ctx)) for leg in entries)
    return {leg: risk.order for leg, risk in found if risk is not None}


def _qty(entries: Iterable[Leg]) -> Decimal:
    return sum((leg.qty for leg in entries if leg.is_entry and leg.qty is not None), ZERO)


def _notional(entries: Iterable[Leg], ctx: RiskContext) -> dict[int, Decimal]:
    """US dollars each entry is worth; nothing for one whose price or rate is not known."""
    found: dict[int, Decimal] = {}
    for leg in entries:
        instrument, price, rate = (
            instrument_of(leg.root, ctx),
            last_price(leg.root, ctx),
            account_per_usd(ctx),
        )
        if instrument is None or isinstance(price, Denied) or not rate or not leg.is_entry or leg.qty is None:
            continue
        worth = price_of_one_unit(price, instrument, ctx)
        if worth is not None:
            found[leg.leg] = leg.qty * worth / rate
    return found


def _sides(entries: Iterable[Leg]) -> dict[str, Decimal]:
    found: dict[str, Decimal] = {}
    for leg in entries:
        if leg.is_entry and leg.side is not None and leg.qty is not None:
            key = _side(leg.root, leg.side)
            found[key] = found.get(key, ZERO) + leg.qty
    return found


def _side(root: str, side: Side) -> str:
    return f"{mini(root.upper())}:{side.value}"


def _some(amounts: Amounts) -> dict[str, Decimal]:
    return {key: amount for key, amount in amounts.items() if amount > 0}
