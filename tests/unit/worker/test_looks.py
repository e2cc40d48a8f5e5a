"""When an account's books are compared with what its broker shows: not at every read while our own orders are under way."""

from __future__ import annotations

import pytest

from shared.store.book_rows import Reconciled
from workers.positions.reconcile import EVERY_S, PATIENCE_S, Look

NOTHING, WAITS = Reconciled("a", made=0, waiting=0), Reconciled("a", made=0, waiting=1)


def test_a_difference_on_an_account_at_rest_is_looked_at_at_once() -> None:
    """Somebody has traded by hand, and nothing of ours can be why."""
    assert Look(100.0).is_due(differs=True, moving=False, now=101.0)


def test_while_our_orders_are_under_way_a_difference_is_given_time() -> None:
    """They are mostly why, and reads agree again; what stays is looked at, whatever else is under way."""
    look = Look(100.0)
    assert not look.is_due(differs=True, moving=True, now=101.0)
    assert not look.is_due(differs=False, moving=True, now=102.0)
    for late in (0.0, PATIENCE_S - 0.1):
        assert not look.is_due(differs=True, moving=True, now=103.0 + late)
    assert look.is_due(differs=True, moving=True, now=103.0 + PATIENCE_S)


def test_the_difference_is_looked_at_when_they_are_done() -> None:
    """Not before the first read after them."""
    look = Look(100.0)
    assert not look.is_due(differs=True, moving=True, now=101.0)
    assert look.is_due(differs=True, moving=False, now=102.0)


@pytest.mark.parametrize("told", [NOTHING, WAITS], ids=["explained", "waits"])
def test_what_was_looked_at(told: Reconciled) -> None:
    """Where nothing waits any more a new difference has its own time; what waits is looked at again, ever less often."""
    look = Look(100.0)
    assert look.is_due(differs=True, moving=False, now=101.0)
    look.saw(told, 101.0)
    assert look.is_due(differs=True, moving=True, now=103.0) is (told is WAITS)


def test_minutes_after_the_last_look_there_is_another() -> None:
    """Nothing differs, and a trade may have left no other trace than its fill."""
    look = Look(100.0)
    assert not look.is_due(differs=False, moving=True, now=100.0 + EVERY_S)
    assert look.is_due(differs=False, moving=True, now=101.0 + EVERY_S)
