"""Whether a change of ours would undo what somebody has done with the stop meanwhile."""

from __future__ import annotations

from decimal import Decimal

import pytest

from shared.models.command import Leg, Protection, is_overtaken
from shared.models.enums import CommandKind, Side

D = Decimal


def change(stop: str | None, *, tightens: bool = False, replaces: str | None = None) -> Leg:
    """A change of a position's stop."""
    return Leg(
        leg=0,
        kind=CommandKind.PROTECT,
        symbol="EURUSD",
        venue_symbol="EURUSD",
        root="EURUSD",
        protection=Protection(None if stop is None else D(stop), D(2)),
        tightens=tightens,
        replaces=None if replaces is None else D(replaces),
    )


@pytest.mark.parametrize(
    ("side", "stands", "overtaken"),
    [
        (Side.BUY, "1.08", False),
        (Side.BUY, "1.09", False),
        (Side.BUY, "1.0901", True),
        (Side.SELL, "1.10", False),
        (Side.SELL, "1.09", False),
        (Side.SELL, "1.0899", True),
        (Side.BUY, None, False),
    ],
)
def test_a_stop_goes_nearer_only(side: Side, stands: str | None, overtaken: bool) -> None:
    """One of ours is overtaken by one nearer to the market, not by one that is where it goes, farther away, or gone; what
    a trader asks for himself by nothing."""
    at = None if stands is None else D(stands)
    assert is_overtaken(change("1.09", tightens=True), side, at) is overtaken
    assert not is_overtaken(change("1.09"), side, at)


@pytest.mark.parametrize(
    ("stands", "overtaken"), [("1.08", False), ("1.09", False), ("1.07", True), ("1.1", True)]
)
def test_what_replaces_another_finds_that_one(stands: str, overtaken: bool) -> None:
    """From anywhere else than where it was nobody moves it, in either direction."""
    assert is_overtaken(change("1.09", replaces="1.08"), Side.BUY, D(stands)) is overtaken


def test_a_target_alone_undoes_nothing() -> None:
    """Where no stop is moved none is moved back."""
    assert not is_overtaken(change(None, tightens=True, replaces="1.08"), Side.BUY, D("1.2"))
