"""What two symbols of alerts must share to mean the same thing. Equal to `engine.symbol_key`: one list of vectors."""

from __future__ import annotations

import re
from functools import lru_cache

_CONTINUOUS = re.compile(r"[1-9]!$")
_DATED = re.compile(r"^([A-Z0-9]{2,5}?)[FGHJKMNQUVXZ](20\d\d|[23]\d|\d)$")
"""Root, month, year. Two digits are a year of the twenties or thirties: ESX50 and HK50 are indices."""


@lru_cache(maxsize=4096)
def symbol_key(symbol: str) -> str:
    """A TradingView symbol without its exchange, upper case; of a future its root, whatever the month.

    MES1!, CME_MINI:MESZ2026 and MESZ6 are MES.
    """
    ticker = symbol.rpartition(":")[2].upper()
    return _DATED.sub(r"\1", _CONTINUOUS.sub("", ticker))
