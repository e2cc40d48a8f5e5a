"""Targets of messages: what is refused, and that a code can be tried five times only."""

from __future__ import annotations

import json

import pytest

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
