"""Micro futures and the minis they are a fraction of, as the exchange lists them. A rule may name its own."""

from collections.abc import Mapping
from typing import Final

MINI_OF: Final[Mapping[str, str]] = {
    "MES": "ES", "MNQ": "NQ", "M2K": "RTY", "MYM": "YM",
    "MGC": "GC", "SIL": "SI", "MHG": "HG", "MCL": "CL", "MNG": "NG",
    "M6E": "6E", "M6A": "6A", "M6B": "6B",
}  # fmt: skip
"""Root of the micro -> root of the mini. What is not here counts as a contract of its own."""


def mini(root: str, given: Mapping[str, str] | None = None) -> str:
    """The root that a micro belongs to; any other root is its own."""
    return (MINI_OF if given is None else given).get(root, root)
