"""What a read, or a failed read, of an account becomes."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal

import pytest
from msgspec.structs import replace

from shared.models.enums import Broker, Freshness, MarginMode
from shared.models.trading import AccountSnapshot
from shared.store.rows import AccountRow
from shared.store.watch_rows import Watched
from tests.unit.risk.builders import NOW, position
from workers.positions import mark

ROW = AccountRow(
    id="a", user_id="u", connection_id="c", broker=Broker.PAPER, account_id="1", currency="USD",
    margin_mode=MarginMode.HEDGING, trading_enabled=True, halt_epoch=0, freshness=Freshness.FRESH,
    environment="simulated", as_of=NOW,
)  # fmt: skip


def watched(freshness: Freshness = Freshness.FRESH, as_of: datetime | None = NOW) -> Watched:
    """An account that was read at `as_of`."""
    return Watched(token=7, account=replace(ROW, freshness=freshness, as_of=as_of), now=NOW)


def test_a_read_is_fresh_and_has_its_time() -> None:
    """Money, positions and the moment of the read, under the lease's token."""
    seen = AccountSnapshot(Decimal(100), Decimal(90), NOW, (position(unrealized_pnl=Decimal(-10)),))
    told = mark.read(watched(), seen)
    assert (told["token"], told["account"], told["freshness"], told["at"]) == (7, "a", "fresh", NOW)
    assert (told["balance"], told["equity"]) == (Decimal(100), Decimal(90))
    assert [each["unrealized_pnl"] for each in told["positions"]] == [Decimal(-10)]


@pytest.mark.parametrize(
    ("was", "seconds", "becomes"),
    [
        ("fresh", 5, "fresh"),
        ("fresh", 6, "stale"),
        ("fresh", 60, "stale"),
        ("fresh", 61, "unknown"),
        ("stale", 1, "stale"),
        ("unknown", 1, "unknown"),
    ],
)
def test_what_could_not_be_read_grows_old(was: str, seconds: int, becomes: str) -> None:
    """Fresh for the freshness limit, then stale, then unknown, and never fresh again without a read."""
    later = NOW + timedelta(seconds=seconds)
    told = mark.unread(watched(Freshness(was)), later, "no answer within 4 seconds")
    assert told["freshness"] == becomes
    assert "balance" not in told
    assert "positions" not in told
    assert told["error"] == "no answer within 4 seconds"


def test_an_account_that_is_read_rarely_is_stale_later() -> None:
    """Every three seconds, as its broker's limits want it: stale four seconds after the next read was due."""
    rare = replace(watched(), every_s=Decimal(3))
    told = [mark.faded(rare, NOW + timedelta(seconds=age)) for age in (7, 8)]
    assert told == ["fresh", "stale"]


def test_what_was_never_read_is_unknown() -> None:
    """No figure, no freshness."""
    assert mark.unread(watched(as_of=None), NOW, "x")["freshness"] == "unknown"
