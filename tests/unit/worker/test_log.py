"""Secrets never reach a log line."""

from __future__ import annotations

from typing import Any

import pytest

from shared.log import HIDDEN, hide_secrets


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("password", "hush"),
        ("worker_database_url", "hush"),
        ("api_key", "hush"),
        ("authorization", "Bearer hush"),
        ("error", "cannot reach postgresql://empire:hush@host/db"),
        ("error", "header Bearer hush was refused"),
        ("details", {"token": {"api_key": "hush"}}),
        ("details", ["postgresql://empire:hush@host/db"]),
        ("error", "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJodXNoIn0.hush"),
    ],
)
def test_secret_is_hidden(name: str, value: Any) -> None:
    """By its name, or by its look inside any text, at any depth."""
    shown = str(hide_secrets(None, "info", {name: value}))
    assert "hush" not in shown
    assert HIDDEN in shown


def test_the_rest_is_shown() -> None:
    """What is no secret stays as it is."""
    event = {"event": "delivery failed", "delivery_id": 7, "account_id": "a-b-c", "reason": "stale"}
    assert hide_secrets(None, "info", dict(event)) == event
