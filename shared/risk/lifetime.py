"""How long a pending order lives: at the broker where it can do that, else by us (semantics 3).

What the broker lacks is kept here: the order goes out good till canceled, and is canceled when its time is over.
"""

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

from msgspec.structs import replace

from shared.models.changes import changed
from shared.models.command import Leg
from shared.models.context import RiskContext
from shared.models.enums import CommandKind, OrderType, Tif
from shared.models.reasons import Reason
from shared.risk.decision import Denied


def kept(leg: Leg, ctx: RiskContext) -> Leg | Denied:
    """The leg with a time in force the broker knows. Denied: only the broker could do what is asked (ioc, fok)."""
    if leg.kind is not CommandKind.PLACE or ctx.tifs is None or leg.tif in ctx.tifs:
        return leg
    if leg.type is OrderType.MARKET:
        return changed(leg, tif=Tif.GTC)
    if leg.tif in (Tif.IOC, Tif.FOK):
        instead = "only the broker could do that: use a market order, or tif gtc, day or gtd"
        return Denied(Reason.NOT_SUPPORTED, {"what": f"{leg.tif} on a {leg.type} order", "instead": instead})
    if leg.tif is Tif.DAY and leg.is_entry:
        ends = day_ends(ctx.now, ctx.account.timezone, ctx.account.reset_time)
        leg = replace(leg, expires_at=ends if leg.expires_at is None else min(ends, leg.expires_at))
    return changed(leg, tif=Tif.GTC)


def day_ends(now: datetime, timezone: str, reset: time) -> datetime:
    """The next reset of an account's trading day after `now`, UTC. Days run from reset to reset in its zone."""
    zone = ZoneInfo(timezone)
    since_midnight = timedelta(hours=reset.hour, minutes=reset.minute, seconds=reset.second)
    day = (now.astimezone(zone).replace(tzinfo=None) - since_midnight).date()
    return datetime.combine(day + timedelta(days=1), reset, zone).astimezone(UTC)


def is_ours(leg: Leg) -> bool:
    """True when the end of an order's life is kept by us and not by the broker."""
    return leg.expires_at is not None and leg.tif is not Tif.GTD
