"""The models of the rules: what they take, what they refuse, and what every field says of itself."""

from decimal import Decimal

import pytest
from pydantic import ValidationError

from shared import codec
from shared.models.context import Limits
from shared.models.limits import RuleSettings, rule_fields

REFUSED = [
    ('{"daily_loss": {"limit": -1, "unit": "usd"}}', "daily_loss.limit"),
    ('{"daily_loss": {"limit": "NaN", "unit": "usd"}}', "daily_loss.limit"),
    ('{"daily_loss": {"limit": "Infinity", "unit": "usd"}}', "daily_loss.limit"),
    ('{"daily_loss": {"limit": 101, "unit": "pct_of_initial"}}', "daily_loss"),
    ('{"daily_loss": {"limit": 5}}', "daily_loss.unit"),
    ('{"daily_loss": {"limit": 5, "unit": "usd", "buffer_pct": 100}}', "daily_loss.buffer_pct"),
    ('{"daily_los": {"limit": 5}}', "daily_los"),
    ('{"weekly_loss": {"limit": 5, "unit": "pct_of_day_start"}}', "weekly_loss.unit"),
    ('{"hours": {"tz": "Mars/Base"}}', "hours.tz"),
    ('{"hours": {"windows": [{"days": ["mon"], "from": "09:00", "to": "09:00"}]}}', "hours.windows.0"),
    ('{"hours": {"windows": [{"days": [], "from": "09:00", "to": "10:00"}]}}', "hours.windows.0.days"),
    ('{"flat_by": {"time": "24:00", "tz": "UTC"}}', "flat_by.time"),
    ('{"exposure": {"groups": {"a": ["ES", "NQ"], "b": ["ES"]}}}', "exposure"),
    ('{"max_qty": {"per_symbol": {"es": 1}}}', "max_qty.per_symbol.es"),
    ('{"max_qty": {"scaling": [{"profit_from": 5, "per_account": 1}, {"profit_from": 5, "per_account": 2}]}}', "max_qty"),
    ('{"sides": {"allowed": ["long"]}}', "sides.allowed.0"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "place"), REFUSED, ids=[each[0][:60] for each in REFUSED])
def test_refused_with_the_field(text: str, place: str) -> None:
    """What is out of bounds, unknown or contradicts itself is refused, and the error names the field."""
    with pytest.raises(ValidationError) as caught:
        RuleSettings.model_validate_json(text)
    assert ".".join(str(each) for each in caught.value.errors()[0]["loc"]).startswith(place)


def test_numbers_of_the_database_stay_exact() -> None:
    """Rules inside the limits of a claim are read with every digit, and a broken one is not readable."""
    text = '{"rule_sets":[{"scope":"user","rules":{"daily_loss":{"limit":500.123456789012345678,"unit":"usd"}}}]}'
    found = codec.decode_as(Limits, text).rule_sets[0]
    assert found.scope == "user"
    assert found.rules.daily_loss is not None
    assert found.rules.daily_loss.limit == Decimal("500.123456789012345678")
    with pytest.raises(codec.NotReadable, match=r"daily_loss\.limit"):
        codec.decode_as(Limits, text.replace("500.1", "-500.1"))


def test_every_field_says_what_it_is() -> None:
    """Each field of each rule has a type, what loosens it, and bounds where it is a number."""
    fields = list(rule_fields())
    assert {each.rule for each in fields} == set(RuleSettings.model_fields)
    for each in fields:
        assert (each.minimum is not None and each.maximum is not None) == (
            each.type in ("number", "integer", "quantities")
        ), each
        assert (each.choices is not None) == (each.type in ("choice", "choices")), each


def test_a_round_trip_changes_nothing() -> None:
    """Settings written as JSON, null where a rule is off, read back as the same settings."""
    text = (
        '{"hours": {"windows": [{"days": ["mon"], "from": "22:00", "to": "02:00"}], "tz": "America/Chicago"},'
        ' "max_qty": {"per_symbol": {"ES": 3}}, "news": null}'
    )
    read = RuleSettings.model_validate_json(text)
    assert RuleSettings.model_validate_json(read.model_dump_json()) == read
