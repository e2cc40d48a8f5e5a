"""What the words for a reason are."""

from typing import NamedTuple


class Words(NamedTuple):
    """`what`: alternatives from exact to general. `advice`: what to do now."""

    what: tuple[str, ...]
    advice: str
