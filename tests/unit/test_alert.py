"""unify.v1 as pydantic reads it: verdicts, sentences, exactness, and the schema made from it."""

import base64
import json
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from shared.models.alert import Alert
from shared.models.alert_parse import parse_alert
from shared.models.alert_schema import ALERT_SCHEMA_PATH, alert_schema, export_alert_schema
from shared.models.enums import Action, OrderType

PROJECT = Path(__file__).parents[2]
VECTORS: list[dict[str, Any]] = json.loads((PROJECT / "tests/payloads/alerts/vectors.json").read_text())


def body_of(vector: Mapping[str, Any]) -> bytes:
    if "body_base64" in vector:
        return base64.b64decode(vector["body_base64"])
    text: str = vector["body"]
    return text.encode()


def verdict(body: bytes) -> tuple[str, list[str]]:
    judged = parse_alert(body)
    if isinstance(judged, Alert):
        return "accepted", []
    unreadable = any(problem.code == "unreadable" for problem in judged)
    return "unreadable" if unreadable else "invalid", sorted(problem.path for problem in judged)


def alert(**intent: Any) -> bytes:
    return json.dumps({"version": "unify.v1", "intent": intent}).encode()


def sentences(body: bytes) -> list[str]:
    judged = parse_alert(body)
    assert isinstance(judged, list)
    return [problem.message for problem in judged]


def test_the_vector_file_is_large_enough_to_mean_something() -> None:
    """At least 120 bodies, of each verdict some, no name twice."""
    assert len(VECTORS) >= 120
    assert {vector["expect"] for vector in VECTORS} == {"accepted", "invalid", "unreadable"}
    assert len({vector["name"] for vector in VECTORS}) == len(VECTORS)


@pytest.mark.parametrize("vector", VECTORS, ids=[vector["name"] for vector in VECTORS])
def test_every_body_gets_the_verdict_and_the_paths_that_the_edge_gives(vector: dict[str, Any]) -> None:
    """The vector file holds for pydantic; alert_test.ts holds the edge to the same file."""
    assert verdict(body_of(vector)) == (vector["expect"], vector["paths"])


def test_numbers_are_exact_to_the_last_digit() -> None:
    """Neither a JSON number nor a string passes through a double."""
    body = alert(side="buy", symbol="X", qty_mode="lots", qty="QTY", price="1.00000000000000000001")
    judged = parse_alert(body.replace(b'"QTY"', b"0.1000000000000000000000000001"))
    assert isinstance(judged, Alert)
    assert judged.intent.qty == Decimal("0.1000000000000000000000000001")
    assert judged.intent.price == Decimal("1.00000000000000000001")


def test_null_means_absent_where_there_is_a_default() -> None:
    """action null is open, type null is market."""
    judged = parse_alert(alert(side="buy", symbol="X", action=None, type=None))
    assert isinstance(judged, Alert)
    assert (judged.intent.action, judged.intent.type) == (Action.OPEN, OrderType.MARKET)


def test_floats_are_refused_by_the_models_too() -> None:
    """Whoever builds an Alert in Python cannot smuggle a double in."""
    intent = {"side": "buy", "symbol": "X", "qty_mode": "lots", "qty": 0.1}
    with pytest.raises(ValueError, match="qty"):
        Alert.model_validate({"version": "unify.v1", "intent": intent})


@pytest.mark.parametrize(
    ("intent", "sentence"),
    [
        (
            {"side": "buy", "symbol": "X", "sl": 20},
            'intent.sl must be an object that says which unit, such as {"mode":"pips","value":20}',
        ),
        (
            {"side": "buy", "symbol": "X", "qty": 1},
            "intent.qty_mode is missing: say which unit the quantity has"
            " (lots, units, contracts, risk_pct, ...)",
        ),
        (
            {"side": "buy", "symbol": "X", "qty_mode": "risk_pct", "qty": 150},
            "intent.qty must be at most 100: risk_pct is in percent (1.0 = 1 %)",
        ),
        ({"side": "long", "symbol": "X"}, "intent.side must be buy or sell"),
        (
            {"side": "buy", "symbol": "X", "type": "limit"},
            "intent.price is missing: a limit order needs a price",
        ),
        ({"side": "buy", "symbol": "X", "lots": 1}, "intent.lots is not a field of unify.v1"),
        (
            {"side": "buy", "symbol": "X", "tp": [{"mode": "rr"}, 5]},
            'intent.tp[1] must be an object that says which unit, such as {"mode":"rr","value":2}',
        ),
    ],
)
def test_a_refusal_names_the_field_and_what_it_may_be(intent: dict[str, Any], sentence: str) -> None:
    """The sentence is what a trader reads in his inbox."""
    assert sentences(alert(**intent)) == [sentence]


def test_an_unfilled_placeholder_is_named_even_where_it_breaks_the_json() -> None:
    """`"qty":{{close}}` is no JSON; the answer says why."""
    assert "{{placeholder}}" in sentences(b'{"version":"unify.v1","intent":{"qty":{{close}}}}')[0]


def test_the_schema_file_is_the_one_that_these_models_make() -> None:
    """make exports was run after the last change."""
    assert (PROJECT / ALERT_SCHEMA_PATH).read_text() == export_alert_schema()


def test_the_schema_is_flat() -> None:
    """No references and no unions: every validator then reports one path for one fault."""
    text = json.dumps(alert_schema())
    for keyword in ("$ref", "anyOf", "oneOf", "allOf", "$defs"):
        assert f'"{keyword}"' not in text
