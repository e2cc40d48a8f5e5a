"""The words for every reason. Per reason: what happened, most exact first (the first whose numbers are all
there is used, the last one needs none), and what the trader can do. A file per family of reasons."""

from collections.abc import Mapping

from shared.models.reasons import Reason
from shared.risk.wording import broker, door, locks, rules, size, skipped
from shared.risk.wording.words import Words

WORDS: Mapping[Reason, Words] = {
    **skipped.WORDS,
    **size.WORDS,
    **locks.WORDS,
    **rules.WORDS,
    **door.WORDS,
    **broker.WORDS,
}

__all__ = ["WORDS", "Words"]
