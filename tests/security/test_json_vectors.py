"""Security suite no. 12: both validators judge every body alike, and no body causes a 5xx."""

from __future__ import annotations

import base64
import json
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from local import deno
from local.paths import PROJECT
from shared.models.alert import Alert
from shared.models.alert_parse import parse_alert
from shared.models.alert_schema import alert_schema
from tests.security.senders import Sender, alert, make_sender
from tests.support.stacks import RunningStack

VECTORS: list[dict[str, Any]] = json.loads(
    (PROJECT / "tests/payloads/alerts/vectors.json").read_text(encoding="utf-8")
)
_JUDGE = Path(__file__).with_name("judge.ts")
Verdict = tuple[str, list[str]]


def body_of(vector: dict[str, Any]) -> bytes:
    if "body_base64" in vector:
        return base64.b64decode(vector["body_base64"])
    return str(vector["body"]).encode()


def by_python(body: bytes) -> Verdict:
    judged = parse_alert(body)
    if isinstance(judged, Alert):
        return "accepted", []
    unreadable = any(problem.code == "unreadable" for problem in judged)
    return "unreadable" if unreadable else "invalid", sorted(problem.path for problem in judged)


class Edge:
    """The edge's validator, in the runtime that serves it."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(
            deno.command(_JUDGE, [f"--allow-read={PROJECT}", "--allow-env"]),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=deno.environment({}),
            cwd=PROJECT,
        )

    def judge(self, body: bytes) -> Verdict:
        """Its verdict and paths."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(base64.b64encode(body).decode() + "\n")
        self.process.stdin.flush()
        verdict, paths = json.loads(self.process.stdout.readline())
        return verdict, sorted(paths)


@pytest.fixture(scope="module")
def edge() -> Iterator[Edge]:
    """One process for the module."""
    running = Edge()
    yield running
    running.process.kill()
    running.process.communicate()


@pytest.fixture(scope="module")
def sender(shared_stack: RunningStack) -> Sender:
    """An endpoint of a new user."""
    return make_sender(shared_stack)


FIELDS = [
    *alert_schema()["properties"]["intent"]["properties"],
    "mode",
    "value",
    "portion",
    "trigger",
    "plus",
]
WORDS = [
    *("open", "close", "reduce", "reverse", "target", "cancel", "modify", "flatten", "add", "buy", "sell"),
    *("limit", "stop", "market", "gtd", "day", "lots", "risk_pct", "position_pct", "pips", "rr", "none"),
    *("pct", "price", "usd", "EURUSD", "2026-10-14T14:30:00Z", "2026-02-30T00:00:00Z", "true", "{{close}}"),
]
NUMBERS = [
    "0",
    "-1",
    "1.5",
    "1e-05",
    "1e21",
    "100.0001",
    "0.3333333333333333333333",
    "00",
    "+1",
    "1,5",
    "NaN",
]


class Literal(str):
    """Text that stands in the body as it is: a number in a spelling of its own."""


scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.sampled_from(WORDS),
    st.sampled_from(NUMBERS),
    st.sampled_from(NUMBERS).map(Literal),
    st.text(max_size=4),
    st.integers(min_value=-(10**9), max_value=10**9),
)
parts = st.dictionaries(st.sampled_from(FIELDS) | st.text(max_size=3), scalars, max_size=5)
values = st.one_of(scalars, parts, st.lists(scalars | parts, max_size=3))
sound = {
    "action": st.sampled_from(WORDS[:9]),
    "side": st.sampled_from(["buy", "sell"]),
    "symbol": st.just("EURUSD"),
    "qty_mode": st.sampled_from(["lots", "risk_pct", "position_pct"]),
    "qty": st.sampled_from([1, "0.5", 100, -2, 0]),
    "type": st.sampled_from(["market", "limit", "stop"]),
    "price": st.sampled_from([None, 1, "2.5"]),
    "stop_price": st.sampled_from([None, 1]),
    "sl": st.fixed_dictionaries(
        {"mode": st.sampled_from(["pips", "pct", "none"])}, optional={"value": scalars}
    ),
    "tp": st.lists(
        st.fixed_dictionaries(
            {"mode": st.sampled_from(["pips", "rr", "none"])},
            optional={"value": st.just(2), "portion": st.sampled_from([0.25, "0.5", 1, 2])},
        ),
        max_size=3,
    ),
}
intents = st.fixed_dictionaries({}, optional=sound) | st.dictionaries(
    st.sampled_from(FIELDS), values, max_size=6
)
bodies = st.builds(
    lambda intent, more: {"version": "unify.v1", "intent": intent, **more},
    st.one_of(
        intents, st.builds(lambda a, b: {**a, **b}, st.fixed_dictionaries({}, optional=sound), intents)
    ),
    st.dictionaries(st.sampled_from(["ts", "id", "source", "version", "x"]), scalars, max_size=2),
)


def written(value: Any) -> str:
    """JSON, with literals as they are."""
    if isinstance(value, Literal):
        return str(value)
    if isinstance(value, dict):
        return "{" + ",".join(f"{json.dumps(name)}:{written(item)}" for name, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(written(item) for item in value) + "]"
    return json.dumps(value)


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """A body with a piece cut out and something else put in."""
    body = written(draw(bodies)).encode()
    start = draw(st.integers(0, len(body)))
    end = draw(st.integers(start, min(len(body), start + 5)))
    other = draw(
        st.sampled_from([b"", b'"', b"{", b"[", b"]", b"}", b",", b"\\", b"\\u0000", b"\xff", b"{{", b"1e99"])
    )
    return body[:start] + other + body[end:]


def test_every_vector_is_judged_alike(edge: Edge) -> None:
    """And as the file says."""
    for vector in VECTORS:
        body, expected = body_of(vector), (vector["expect"], vector["paths"])
        assert (vector["name"], by_python(body), edge.judge(body)) == (vector["name"], expected, expected)


@settings(max_examples=600, deadline=None, suppress_health_check=list(HealthCheck))
@given(body=bodies.map(lambda body: written(body).encode()))
def test_any_alert_is_judged_alike(edge: Edge, body: bytes) -> None:
    """Made of our fields, with sound and unsound values: the same verdict, the same paths."""
    assert edge.judge(body) == by_python(body)


@settings(max_examples=400, deadline=None, suppress_health_check=list(HealthCheck))
@given(body=damaged() | st.binary(max_size=60) | st.text(max_size=60).map(str.encode))
@example(body=b'{"a":' * 5000)
@example(body=b"[" * 16000)
@example(body=b'"' + b"\\u0041" * 2700 + b'"')
def test_any_bytes_are_judged_alike(edge: Edge, body: bytes) -> None:
    """Damaged alerts and noise too, without an exception."""
    assert edge.judge(body) == by_python(body)


@pytest.mark.parametrize("vector", VECTORS, ids=[vector["name"] for vector in VECTORS])
def test_the_door_answers_every_vector_with_its_verdict(sender: Sender, vector: dict[str, Any]) -> None:
    """400 unreadable, 422 with exactly these paths; what is valid is judged by the endpoint only."""
    answer = sender.post(body_of(vector))
    if vector["expect"] == "accepted":
        named_account = vector["name"] == "every field given"
        assert answer.status_code in (202, 409) or answer.json()["error"] in OF_THE_ENDPOINT or named_account
        return
    expected = (400, "unreadable") if vector["expect"] == "unreadable" else (422, "invalid")
    assert (answer.status_code, answer.json()["error"]) == expected
    assert sorted(detail["path"] for detail in answer.json()["details"]) == vector["paths"]


OF_THE_ENDPOINT = {"ts_in_future", "broker_mismatch", "stale"}


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    body=damaged() | st.binary(max_size=200),
    content_type=st.sampled_from(["application/json", "text/plain; charset=utf-16", "x", ""]),
)
def test_no_body_causes_a_5xx(sender: Sender, body: bytes, content_type: str) -> None:
    """Whatever is sent under whatever type, the answer is JSON and below 500."""
    answer = sender.post(body, content_type=content_type)
    assert answer.status_code in (202, 400, 409, 422)
    assert isinstance(answer.json(), dict)


def test_what_is_refused_stays_in_the_inbox_with_its_reason(shared_stack: RunningStack) -> None:
    """Readable or not, with the paths; numbers and text as they came."""
    sender = make_sender(shared_stack)
    event = sender.post(alert(side="long")).json()["event_id"]
    assert (
        sender.events("status, reason, payload is null, processed", f"id = {event}") == "refused|invalid|t|t"
    )
    assert sender.events("details #>> '{details,0,path}'", f"id = {event}") == "intent.side"
    sender.post(b"\x00buy")
    assert sender.events("body", "body like '%buy'") == "\\u0000buy"


def test_an_accepted_alert_is_kept_to_the_digit(sender: Sender) -> None:
    """The number in the payload is the one that was sent, not what a double makes of it."""
    exact = "0.1000000000000000000000000001"
    answer = sender.post(alert(qty="QTY").replace(b'"QTY"', exact.encode()))
    event = answer.json()["event_id"]
    assert sender.events("payload #>> '{intent,qty}'", f"id = {event}") == exact


def test_size_encoding_method_and_path(sender: Sender) -> None:
    """413, 415, 405, 404: each before the body is judged."""
    assert sender.post(alert(meta={"a": "x" * 17_000})).status_code == 413
    assert sender.post(alert(), content_encoding="gzip").status_code == 415
    address = f"{sender.stack.api_url}/functions/v1/webhook"
    assert httpx.get(f"{address}/paper/{sender.token}").status_code == 405
    assert httpx.post(f"{address}/binance/{sender.token}", content=alert()).status_code == 404
    assert httpx.post(f"{address}/{sender.token}", content=alert()).status_code == 404


def test_a_body_without_a_length_is_counted_while_it_is_read(sender: Sender) -> None:
    """A chunked body of 16 kB and more is cut off."""

    def chunks(count: int) -> Iterator[bytes]:
        yield from (b" " * 1024 for _ in range(count))
        yield alert()

    address = f"{sender.stack.api_url}/functions/v1/webhook/paper/{sender.token}"
    assert httpx.post(address, content=chunks(2)).status_code == 202
    assert httpx.post(address, content=chunks(64)).status_code == 413


def test_the_same_alert_four_times_at_once_is_one_event(sender: Sender) -> None:
    """One is accepted, three are told it is a duplicate, of the same event."""
    body = alert()
    with ThreadPoolExecutor(4) as pool:
        answers = [answer.json() for answer in pool.map(lambda _: sender.post(body), range(4))]
    assert sorted(answer["status"] for answer in answers) == ["accepted"] + ["duplicate"] * 3
    assert len({answer["event_id"] for answer in answers}) == 1


def test_the_other_address_of_the_webhook_is_the_same_door(sender: Sender) -> None:
    """/api/unify/v1/webhook is served too."""
    address = f"{sender.stack.api_url}/api/unify/v1/webhook/paper/{sender.token}"
    assert httpx.post(address, content=alert()).status_code == 202
