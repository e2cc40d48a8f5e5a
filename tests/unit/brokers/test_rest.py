"""What an answer of a broker's REST API is, before anybody looks at what it holds."""

from __future__ import annotations

from datetime import timedelta
from email.utils import format_datetime

import pytest

from shared import clock
from shared.brokers import rest
from shared.brokers.errors import LoggedOut, Refused, Silent, Throttled
from shared.brokers.transport import Answer


@pytest.mark.parametrize(("said", "seconds"), [("2", 2.0), ("0.5", 0.5), ("-1", 0.0), ("soon", None)])
def test_retry_after_in_seconds(said: str, seconds: float | None) -> None:
    """A number is seconds; what is neither number nor date says nothing."""
    assert rest.retry_after_s(Answer(429, b"", {"Retry-After": said})) == seconds


def test_retry_after_as_a_date() -> None:
    """A date is the time until then, and one that has passed is now."""
    soon, past = clock.now() + timedelta(seconds=30), clock.now() - timedelta(seconds=30)
    found = rest.retry_after_s(Answer(429, b"", {"Retry-After": format_datetime(soon, usegmt=True)}))
    assert found is not None
    assert 25 < found <= 30
    gone = Answer(429, b"", {"Retry-After": format_datetime(past, usegmt=True)})
    assert rest.retry_after_s(gone) == 0
    assert rest.retry_after_s(Answer(429, b"")) is None


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ('{"errorMessage": "slow down"}', "slow down"),
        ("error code: 1015", "error code: 1015"),
        ("", "HTTP 429"),
    ],
)
def test_too_many_requests_in_any_dress(body: str, text: str) -> None:
    """429 as JSON, as the plain text of a network in front, or empty: refused, and for how long if it says so."""
    with pytest.raises(Throttled, match=text) as throttled:
        rest.payload(Answer(429, body.encode(), {"Retry-After": "3"}))
    assert throttled.value.retry_after_s == 3


@pytest.mark.parametrize(
    ("status", "kind"), [(401, LoggedOut), (400, Refused), (408, Silent), (425, Silent), (502, Silent)]
)
def test_statuses(status: int, kind: type[Exception]) -> None:
    """4xx is a no, except those that say nothing; 5xx is a doubt."""
    with pytest.raises(kind) as caught:
        rest.payload(Answer(status, b'{"message": "words"}'))
    assert type(caught.value) is kind
    assert "words" in str(caught.value)
