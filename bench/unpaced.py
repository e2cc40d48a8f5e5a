"""`python -m bench.unpaced worker execution`: a worker as it is, but for the brokers' limits: here nobody reaches them.

A bench sends in a minute what a broker allows in an hour. Paced, it would measure the brokers' limits.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from bench.adapters import limitless
from local.venues.tradelocker.config import RATE_LIMITS
from shared.brokers.blocks import Reserve
from shared.brokers.metatrader.client import LIMITS as METATRADER_LIMITS
from shared.brokers.metatrader.connect import MetaTrader
from shared.brokers.port import ConnectLogin
from shared.brokers.session import OpenLogin, Sessions
from shared.brokers.topstepx.client import LIMITS as TOPSTEPX_LIMITS
from shared.brokers.topstepx.connect import TopstepX
from shared.brokers.tradelocker.connect import TradeLocker
from shared.brokers.transport import open_http
from shared.models import enums
from workers import cli


def with_logins(
    open_login: OpenLogin, sessions: Sessions, reserve: Reserve | None = None
) -> Mapping[enums.Broker, ConnectLogin]:
    """The brokers as the registry connects them; `reserve` is not asked, no window is ever full."""
    tradelocker, topstepx, metatrader = map(limitless, (RATE_LIMITS, TOPSTEPX_LIMITS, METATRADER_LIMITS))
    return {
        enums.Broker.TRADELOCKER: TradeLocker(open_http, open_login, sessions, limits=tradelocker),
        enums.Broker.TOPSTEPX: TopstepX(open_http, open_login, sessions, limits=topstepx),
        enums.Broker.METATRADER: MetaTrader(open_http, open_login, limits=metatrader),
    }


if __name__ == "__main__":
    cli.with_logins = with_logins
    cli.main()
