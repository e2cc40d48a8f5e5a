"""How what several settings say becomes one verdict, and how its numbers are written."""

from __future__ import annotations

from decimal import Decimal, getcontext

import pytest

from shared.models.reasons import Reason
from shared.risk.decision import Denied
from shared.risk.grid import EXACT
from shared.risk.rules.base import OFF, Judged, at_least, at_most, compared, tightest
from tests.unit.risk.builders import D

SPREAD, STOP = Reason.SPREAD_TOO_WIDE, Reason.STOP_DISTANCE


def judged(name: str, distance: str | None, refused: Reason | None = None) -> Judged:
    """What one setting says."""
    return Judged({"what": name}, None if distance is None else D(distance), refused)


@pytest.mark.parametrize(
    ("user", "account", "scope"),
    [
        (judged("a", "1"), judged("b", "2"), "user"),
        (judged("a", "1"), judged("b", "1"), "user"),
        (judged("a", "1"), judged("b", "-2", SPREAD), "account"),
        (judged("a", None), judged("b", "-2", SPREAD), "account"),
        (judged("a", "-5", STOP), judged("b", None, SPREAD), "account"),
        (judged("a", "5"), judged("b", None), "account"),
    ],
)
def test_of_two_the_one_that_denies_and_then_the_one_that_leaves_least(
    user: Judged, account: Judged, scope: str
) -> None:
    """What cannot be told leaves less than any number; where they are equal, the wider scope is named."""
    one = account if scope == "account" else user
    assert isinstance(one.numbers, dict)
    numbers = one.numbers | {"scope": scope}
    expected = numbers if one.refused is None else Denied(one.refused, numbers)
    assert tightest([("user", user), ("account", account)]) == expected
    assert tightest([("account", account), ("user", user)]) == expected


def test_numbers_of_what_passes_are_written_once_and_only_when_somebody_looks() -> None:
    """As exactly as the rule calculated, wherever they are looked at."""
    written: list[int] = []

    def tell() -> dict[str, str]:
        written.append(getcontext().prec)
        return {"value": "1"}

    verdict = tightest([("user", Judged(tell, D(1)))])
    assert written == []
    assert repr(verdict) == "{'value': '1', 'scope': 'user'}"
    assert verdict == {"value": "1", "scope": "user"}
    assert written == [EXACT.prec]


def test_nothing_set_is_off() -> None:
    """The verdict of a rule that nobody has set is told from one that let the order through."""
    assert tightest([]) is OFF


def test_numbers_of_what_passes_are_written_once_and_when_asked_for() -> None:
    """Exactly, however late that is, and with whose setting it was; what denies is written at once."""
    asked: list[str] = []

    def tell() -> dict[str, str]:
        asked.append("told")
        return {"value": str(D(1) / 3)}

    passes, third = tightest([("broker", Judged(tell))]), "0." + 120 * "3"
    assert asked == []
    assert passes == {"value": third, "scope": "broker"}
    assert (len(passes), list(passes), repr(passes)) == (2, ["value", "scope"], repr(dict(passes)))
    assert asked == ["told"]
    assert tightest([("user", Judged(tell, None, SPREAD))]) == Denied(
        SPREAD, {"value": str(D(1) / 3), "scope": "user"}
    )
    assert asked == ["told", "told"]


def told(one: Judged) -> tuple[dict[str, str], Decimal | None, Reason | None]:
    """All that a setting says, its numbers written out."""
    assert callable(one.numbers)
    return dict(one.numbers()), one.distance, one.refused


@pytest.mark.parametrize(("limit", "left", "refused"), [("2.006", "0", None), ("2.0059", "-0.0001", SPREAD)])
def test_a_value_may_reach_its_limit(limit: str, left: str, refused: Reason | None) -> None:
    """Every number is written with the places asked for, the verdict is that of the exact ones."""
    said = told(at_most(D("2.006"), D(limit), SPREAD, 2, {"unit": "ticks"}))
    assert said[1:] == (D(left), refused)
    assert said[0] == {"value": "2.01", "limit": "2.01", "distance": "0", "unit": "ticks"}
    assert told(at_least(D(limit), D("2.006"), STOP, 2, OFF))[1:] == (D(left), refused and STOP)


def test_without_a_word_numbers_have_eight_places() -> None:
    """As many as the smallest quantity of a venue has."""
    expected = {"value": "1.12345679", "limit": "2.12345679", "distance": "0.00000001"}
    numbers = D("1.123456789"), D("2.123456789"), D("0.000000009")
    assert compared(*numbers) == expected
    assert told(at_most(D("1.123456789"), D("2.123456789"), SPREAD))[0] == expected | {"distance": "1"}
