"""Every reason is a sentence with its numbers and a way on."""

import pytest

from shared.models.reasons import Reason
from shared.risk.reasons import sentence
from shared.risk.wording import WORDS


@pytest.mark.parametrize("reason", list(Reason))
def test_every_reason_says_what_happened_and_what_to_do(reason: Reason) -> None:
    """Without any number there is still a sentence about what happened and one about what to do."""
    said = sentence(reason, {})
    what, advice = WORDS[reason].what[-1], WORDS[reason].advice
    assert said.startswith(what)
    assert advice.endswith(".")
    assert "{" not in what


@pytest.mark.parametrize("reason", list(Reason))
def test_every_number_is_told(reason: Reason) -> None:
    """No number is lost: what the words do not use is in parentheses."""
    assert "(surprise 42)" in sentence(reason, {"surprise": "42"})


def test_the_most_exact_words_win() -> None:
    """With the numbers of a rule the sentence holds them."""
    said = sentence(Reason.MAX_TRADES_PER_DAY, {"value": "6", "limit": "5"})
    assert said == "This would be trade 6 of the day; 5 are allowed. Trading goes on after the day's reset."
    stale = sentence(Reason.STALE, {"age_s": "75", "limit_s": "60"})
    assert stale.startswith("The alert was 75 s old when it would have been sent; 60 s are allowed.")
    assert "{{timenow}}" in stale


def test_a_lock_without_an_end_names_no_year() -> None:
    """A lock that only its owner lifts is told as that, not as one that ends in the year 9000."""
    told = sentence(Reason.ACCOUNT_LOCKED, {"until": "9000-01-01T00:00:00+00:00", "lock": "static_floor"})
    assert told == "The account is locked until you lift the lock: static_floor. Exits still work."
