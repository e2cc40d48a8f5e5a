"""A reason and its numbers as a sentence a trader reads: what happened, the numbers, what they can do."""

from collections.abc import Mapping
from string import Formatter

from shared.models.reasons import Reason
from shared.risk.wording import WORDS
from shared.risk.wording.locks import LOCKED_UNTIL_LIFTED

_NEVER = "9000-"
_SINGULAR = {"lots": "lot", "contracts": "contract", "units": "unit"}


def sentence(reason: Reason, numbers: Mapping[str, str]) -> str:
    """What happened, then every number the words did not use in parentheses, then what to do about it."""
    words = WORDS[reason]
    spoken = {
        name: _SINGULAR.get(value, value) if name == "unit" else value for name, value in numbers.items()
    }
    if reason is Reason.ACCOUNT_LOCKED and spoken.get("until", "").startswith(_NEVER):
        del spoken["until"]
        words = LOCKED_UNTIL_LIFTED
    template = next(each for each in words.what if _fields(each) <= spoken.keys())
    what = template.format_map(spoken)
    rest = ", ".join(f"{name} {value}" for name, value in spoken.items() if name not in _fields(template))
    told = f"{what} ({rest})" if rest else what
    return f"{told} {words.advice.format()}"


def _fields(template: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(template) if name}
