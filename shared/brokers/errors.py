"""What can go wrong between us and any broker, and what it says about a write.

BrokerError
├── NotSent        provably nothing left: no connection, the time was over
│   └── NoTurn     our turn under the broker's rate limit would come too late
├── Silent         it may have it: timeout, cut connection, 5xx, an answer that cannot be read
└── Refused        it said no, and nothing was done
    ├── LoggedOut  401: the token is not good (any more)
    └── Throttled  429, as JSON or as the plain text of the network in front of it
"""

from __future__ import annotations

from collections.abc import Callable

from shared.models.outcome import Rejected, Unknown
from shared.models.reasons import Reason

SILENT_S = 1.0
"""The pause after a 429 that names none."""
OVERTAKEN = "the stop was moved meanwhile, and stays"
"""Said of a change of ours that would undo somebody's (shared.models.command.is_overtaken): it was not sent."""


class BrokerError(Exception):
    """The broker did not do, or did not tell, what it was asked."""


class NotSent(BrokerError):
    """Not one byte of the request left."""


class NoTurn(NotSent):
    """Too many requests before ours: the broker was not asked."""


class Silent(BrokerError):
    """The request may have been done."""


class Refused(BrokerError):
    """It said no: `text` in its own words, `status` of the HTTP answer (often 200, with the no in its body)."""

    def __init__(self, status: int, text: str, retry_after_s: float | None = None) -> None:
        super().__init__(text)
        self.status, self.text, self.retry_after_s = status, text, retry_after_s


class LoggedOut(Refused):
    """The session is over."""


class Throttled(Refused):
    """Too many requests. `retry_after_s` is how long the broker wants us to be quiet; None = it does not say."""

    @property
    def pause_s(self) -> float:
        """How long we are quiet."""
        return SILENT_S if self.retry_after_s is None else self.retry_after_s


class UnreadableError(Exception):
    """An answer does not have the shape it must have; the message names the place. For a write: Silent."""


def outcome_of(error: BrokerError, reason_of: Callable[[Refused], Reason]) -> Rejected | Unknown:
    """A write that failed this way: refused (in the broker's words) or unsent for certain, or not known."""
    if isinstance(error, Refused):
        return Rejected(reason_of(error), error.text[:500])
    if isinstance(error, NotSent):
        reason = Reason.BROKER_BUSY if isinstance(error, NoTurn) else Reason.BROKER_UNREACHABLE
        return Rejected(reason, str(error)[:500])
    return Unknown(str(error)[:500])
