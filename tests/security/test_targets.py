"""Targets of messages: what is refused, and that a code can be tried five times only."""

from __future__ import annotations

import json

import pytest

from shared.crypto.targets import TargetError, checked_address
from tests.security.people import (
    GUARDED,
    OWNER_STEPPED_UP,
    acting,
    refused,
    target,
)
from tests.support.clusters import Database


@pytest.mark.parametrize(
    "settings",
    [
        {"quiet": {"from": "22:00", "to": "22:00", "zone": "UTC"}},
        {"quiet": {"from": "22:00", "to": "7", "zone": "UTC"}},
        {"quiet": {"from": "22:00", "to": "07:00", "zone": "Mars/Base"}},
        {"classes": []},
        {"classes": ["everything"]},
        {"classes": ["test"]},
        {"enabled": "yes"},
        {"name": ""},
        {"address": "x"},
    ],
    ids=str,
)
async def test_settings_that_are_none(peopled: Database, settings: dict[str, object]) -> None:
    """Refused with a sentence, whatever is wrong with them."""
    async with acting(peopled, OWNER_STEPPED_UP) as connection, refused(connection, "PT422", "invalid"):
        await connection.fetchval(
            "select public.update_notification_target($1::text::uuid, $2)",
            target(GUARDED),
            json.dumps(settings),
        )


async def test_a_code_is_tried_five_times(peopled: Database) -> None:
    """The sixth try is refused even with the right code; ten tests and codes an hour are sent."""
    async with acting(peopled, OWNER_STEPPED_UP) as connection:
        verify = "select public.verify_notification_target($1::text::uuid, $2)"
        assert await connection.fetchval(verify, target(GUARDED), "000000") is True  # confirmed already
        for nth in range(10):
            assert await connection.fetchval(
                "select public.test_notification_target($1::text::uuid)", target(GUARDED)
            ), nth
        async with refused(connection, "PT429", "rate_limited"):
            await connection.fetchval(
                "select public.test_notification_target($1::text::uuid)", target(GUARDED)
            )


async def test_wrong_codes_are_counted(own_people: Database) -> None:
    """Five wrong ones, then not even the right one counts."""
    own_people.sql(
        f"update public.notification_targets set verified_at = null where id = '{target(GUARDED)}';"
        " insert into engine.notification_codes (target_id, code, expires_at)"
        f" values ('{target(GUARDED)}', '123456', now() + interval '1 minute')"
    )
    async with acting(own_people, OWNER_STEPPED_UP) as connection:
        verify = "select public.verify_notification_target($1::text::uuid, $2)"
        for _ in range(5):
            assert await connection.fetchval(verify, target(GUARDED), "000000") is False
        async with refused(connection, "PT409", "code_expired"):
            await connection.fetchval(verify, target(GUARDED), "123456")


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        ("email", {"address": "a@b"}),
        ("email", {"address": "a@example.com\nBcc: b@example.com"}),
        ("email", {"address": "a@example.com, b@example.com"}),
        ("telegram", {"token": "123456:" + "A" * 30, "chat": "1/../x"}),
        ("telegram", {"token": "123456:AAAA/../../x", "chat": "1"}),
        ("discord", {"url": "https://discord.com.evil.example/api/webhooks/1234567/" + "a" * 30}),
        ("discord", {"url": "https://x@discord.com/api/webhooks/1234567/" + "a" * 30}),
        ("discord", {"url": "https://discord.com/api/webhooks/../../users/" + "a" * 30}),
        ("slack", {"url": "http://hooks.slack.com/services/T0000/B0000/XXXX"}),
        ("slack", {"url": "https://hooks.slack.com:444/services/T0000/B0000/XXXX"}),
        ("webhook", {"url": "ftp://example.com/", "secret": "s" * 16}),
        ("webhook", {"url": "https://example.com/", "secret": "short"}),
        ("webhook", {"url": "https://example.com/"}),
        ("pager", {"number": "1"}),
    ],
    ids=str,
)
def test_addresses_that_are_none(kind: str, values: dict[str, str]) -> None:
    """Refused before anything is sealed, and again when it is opened; the sentence holds no secret."""
    with pytest.raises(TargetError) as caught:
        checked_address(kind, values)
    assert not any(value in str(caught.value) for value in values.values() if len(value) > 8)
