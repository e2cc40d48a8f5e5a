"""Slack: an incoming webhook (https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks)."""

from __future__ import annotations

from collections.abc import Mapping

from yarl import URL

from shared import codec
from shared.crypto.targets import service_path
from workers.relay.doors.port import Letter, judged
from workers.relay.http import post
from workers.relay.outcome import Outcome

MOST = 4000
_ESCAPED = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})


class Slack:
    """Its answers are plain words: `ok`, `no_service`, `channel_is_archived` ..."""

    def __init__(self, service: str, timeout_s: float) -> None:
        self._service, self._timeout_s = service, timeout_s

    async def send(self, address: Mapping[str, str], letter: Letter) -> Outcome:
        """Text without markup: `<!channel>` in a symbol's name pings nobody."""
        text = letter.within(MOST).translate(_ESCAPED)
        body = codec.encode({"text": text, "mrkdwn": False, "unfurl_links": False})
        url = URL(f"{self._service}{service_path('slack', address)}", encoded=True)
        answer = await post(url, body, {"content-type": "application/json"}, self._timeout_s)
        words = answer.body.decode("utf-8", "replace")[:60]
        why = words if words.replace("_", "").isalnum() else ""
        return judged("Slack", answer, answer.rest_s(), why)
