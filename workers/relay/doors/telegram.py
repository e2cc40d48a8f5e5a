"""Telegram: a bot of the trader's own sends to a chat (https://core.telegram.org/bots/api#sendmessage)."""

from __future__ import annotations

from collections.abc import Mapping

from yarl import URL

from shared import codec
from workers.relay.doors.port import Letter, judged
from workers.relay.http import Answer, bounded, post
from workers.relay.outcome import Dead, Outcome

MOST = 4096


class Telegram:
    """The token stands in the path, so the address is never logged or told."""

    def __init__(self, service: str, timeout_s: float) -> None:
        self._service, self._timeout_s = service, timeout_s

    async def send(self, address: Mapping[str, str], letter: Letter) -> Outcome:
        """Plain text, without previews of links; silent unless it is urgent."""
        body = codec.encode(
            {
                "chat_id": address["chat"],
                "text": letter.within(MOST),
                "link_preview_options": {"is_disabled": True},
                "disable_notification": not letter.urgent,
            }
        )
        url = URL(f"{self._service}/bot{address['token']}/sendMessage", encoded=True)
        answer = await post(url, body, {"content-type": "application/json"}, self._timeout_s)
        return _outcome(answer)


def _outcome(answer: Answer) -> Outcome:
    told = answer.json()
    parameters = told.get("parameters")
    parameters = parameters if isinstance(parameters, dict) else {}
    if moved := parameters.get("migrate_to_chat_id"):
        return Dead(f"The Telegram group has become another chat: add a target with the chat {moved}.")
    asked = parameters.get("retry_after")
    rest_s = bounded(float(asked)) if isinstance(asked, int | float) else answer.rest_s()
    return judged("Telegram", answer, rest_s, str(told.get("description") or "")[:150].rstrip("."))
