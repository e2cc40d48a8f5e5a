"""The trader's own HTTPS address: JSON, signed as alerts to us are (docs/notifications.md)."""

from __future__ import annotations

from collections.abc import Mapping

from shared import clock, codec
from shared.crypto.signature import SIGNATURE_HEADER, sign
from workers.relay.doors.port import Letter
from workers.relay.guard import Guard
from workers.relay.http import post
from workers.relay.outcome import Dead, Later, Outcome, Sent


class Webhook:
    """What the server answers beyond its status is not read on: it may be somebody else's secret."""

    def __init__(self, guard: Guard, timeout_s: float) -> None:
        self._guard, self._timeout_s = guard, timeout_s

    async def send(self, address: Mapping[str, str], letter: Letter) -> Outcome:
        """Any 2xx takes it. A redirect is not followed."""
        url = self._guard.url(address["url"])
        body = codec.encode(
            {
                "version": "notification.v1",
                "id": letter.key,
                "class": letter.notification_class,
                "urgent": letter.urgent,
                "event_id": None if letter.event_id is None else str(letter.event_id),
                "message": letter.text,
                "at": letter.at,
            }
        )
        headers = {
            "content-type": "application/json",
            SIGNATURE_HEADER: sign(address["secret"], body, int(clock.now().timestamp())),
        }
        answer = await post(url, body, headers, self._timeout_s, self._guard)
        if 200 <= answer.status < 300:
            return Sent()
        if 300 <= answer.status < 400:
            return Dead(
                f"It answered {answer.status}, a redirect, which is not followed: give its final address."
            )
        if answer.status == 410:
            return Dead("It answered 410: it is gone.")
        return Later(f"It answered {answer.status}.", answer.rest_s())
