"""Discord: a channel's webhook (https://docs.discord.com/developers/resources/webhook#execute-webhook)."""

from __future__ import annotations

from collections.abc import Mapping

from yarl import URL

from shared import codec
from shared.crypto.targets import service_path
from workers.relay.doors.port import Letter, judged
from workers.relay.http import bounded, post
from workers.relay.outcome import Outcome

MOST = 2000


class Discord:
    """With `wait`, so that an answer means that the message is there."""

    def __init__(self, service: str, timeout_s: float) -> None:
        self._service, self._timeout_s = service, timeout_s

    async def send(self, address: Mapping[str, str], letter: Letter) -> Outcome:
        """Nobody is pinged, whatever stands in the text."""
        body = codec.encode({"content": letter.within(MOST), "allowed_mentions": {"parse": []}})
        url = URL(f"{self._service}{service_path('discord', address)}?wait=true", encoded=True)
        answer = await post(url, body, {"content-type": "application/json"}, self._timeout_s)
        told = answer.json()
        asked = told.get("retry_after")
        rest_s = bounded(float(asked)) if isinstance(asked, int | float) else answer.rest_s()
        return judged("Discord", answer, rest_s, str(told.get("message") or "")[:150].rstrip("."))
