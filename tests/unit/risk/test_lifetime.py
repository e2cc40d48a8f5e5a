"""How long a pending entry lives, and who ends it."""

from datetime import UTC, datetime, time, timedelta

import pytest
from msgspec.structs import replace

from shared.models.command import Leg
from shared.models.context import RiskContext
from shared.models.enums import Action, OrderType, Tif
from shared.models.reasons import Reason
from shared.risk.actions import plan
from shared.risk.decision import Denied, Plan
from shared.risk.fit import Fitted, fit
from shared.risk.lifetime import day_ends, is_ours
from shared.risk.policy import Approved, evaluate
from tests.unit.risk.builders import BUY, MNQ, NOW, D, account, context, signal

LATER = NOW + timedelta(hours=3)
ALL = frozenset({"gtc", "day", "gtd", "ioc", "fok"})
ONLY_GTC = frozenset({"gtc"})


def sent(ctx: RiskContext, **given: object) -> Leg | Denied:
    """The leg of a limit entry as it goes out, or why it does not."""
    asked = {"type": OrderType.LIMIT, "price": D("1.09000"), **given}
    planned = plan(signal(Action.OPEN, BUY, "1", **asked), ctx)
    if not isinstance(planned, Plan):
        assert isinstance(planned, Denied)
        return planned
    approved = evaluate(planned, ctx)
    assert isinstance(approved, Approved), approved
    fitted = fit(approved, ctx)
    return fitted.legs[0] if isinstance(fitted, Fitted) else fitted


@pytest.mark.parametrize(
    ("tifs", "given", "tif", "expires_at", "ours"),
    [
        (ONLY_GTC, {}, Tif.GTC, NOW + timedelta(hours=24), True),
        (ONLY_GTC, {"expires_at": LATER}, Tif.GTC, LATER, True),
        (ONLY_GTC, {"tif": Tif.GTD, "expires_at": LATER}, Tif.GTC, LATER, True),
        (ALL, {"tif": Tif.GTD, "expires_at": LATER}, Tif.GTD, LATER, False),
        (ONLY_GTC, {"tif": Tif.DAY}, Tif.GTC, datetime(2026, 11, 24, tzinfo=UTC), True),
        (ONLY_GTC, {"tif": Tif.DAY, "expires_at": LATER}, Tif.GTC, LATER, True),
        (ALL, {"tif": Tif.DAY}, Tif.DAY, NOW + timedelta(hours=24), True),
        (ALL, {"tif": Tif.FOK}, Tif.FOK, NOW + timedelta(hours=24), True),
        (ONLY_GTC, {"type": OrderType.MARKET, "price": None, "tif": Tif.IOC}, Tif.GTC, None, False),
        (None, {"tif": Tif.GTD, "expires_at": LATER}, Tif.GTD, LATER, False),
    ],
)
def test_lifetime(
    tifs: frozenset[str] | None, given: dict[str, object], tif: Tif, expires_at: datetime | None, ours: bool
) -> None:
    """24 hours at most unless said otherwise; what the broker lacks goes out good till canceled, and we end it."""
    leg = sent(context(tifs=tifs), **given)
    assert isinstance(leg, Leg), leg
    assert (leg.tif, leg.expires_at, is_ours(leg)) == (tif, expires_at, ours)


@pytest.mark.parametrize("tif", [Tif.IOC, Tif.FOK])
def test_what_only_the_broker_can_do(tif: Tif) -> None:
    """An order that is to fill at once or not at all cannot be imitated: denied, never left working."""
    denied = sent(context(tifs=ONLY_GTC), tif=tif)
    assert isinstance(denied, Denied)
    assert (denied.reason, denied.numbers["what"]) == (Reason.NOT_SUPPORTED, f"{tif} on a limit order")


def test_a_time_that_is_over() -> None:
    """An entry whose own time has passed is not sent any more."""
    denied = sent(context(), expires_at=NOW)
    assert isinstance(denied, Denied)
    assert (denied.reason, dict(denied.numbers)) == (Reason.STALE, {"expires_at": NOW.isoformat()})


def test_futures_live_for_the_accounts_day() -> None:
    """Futures are day orders; the day is the account's own, and its end is an hour of its zone."""
    chicago = account(timezone="America/Chicago", reset_time=time(17))
    ctx = replace(context(instrument=MNQ, tifs=ONLY_GTC), account=chicago)
    leg = sent(ctx, price=D(19000))
    assert isinstance(leg, Leg)
    assert leg.expires_at == datetime(2026, 11, 23, 23, tzinfo=UTC)


@pytest.mark.parametrize(
    ("now", "zone", "reset", "ends"),
    [
        ("2026-11-23T14:30", "UTC", time(0), "2026-11-24T00:00"),
        ("2026-11-23T23:00", "America/Chicago", time(17), "2026-11-24T23:00"),
        ("2026-11-23T22:59", "America/Chicago", time(17), "2026-11-23T23:00"),
        ("2026-03-08T08:30", "America/New_York", time(2, 30), "2026-03-09T06:30"),
        ("2026-10-31T23:00", "America/New_York", time(17), "2026-11-01T22:00"),
    ],
)
def test_day_ends(now: str, zone: str, reset: time, ends: str) -> None:
    """Days run from reset to reset in the account's zone, clock changes included."""
    at = datetime.fromisoformat(now).replace(tzinfo=UTC)
    assert day_ends(at, zone, reset) == datetime.fromisoformat(ends).replace(tzinfo=UTC)
