"""`GET /trade/config` of TradeLocker: columns, rate limits and limits, as recorded from the real server."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

ORDERS = [
    "id",
    "tradableInstrumentId",
    "routeId",
    "qty",
    "side",
    "type",
    "status",
    "filledQty",
    "avgPrice",
    "price",
    "stopPrice",
    "validity",
    "expireDate",
    "createdDate",
    "lastModified",
    "isOpen",
    "positionId",
    "stopLoss",
    "stopLossType",
    "takeProfit",
    "takeProfitType",
    "strategyId",
]
POSITIONS = [
    "id",
    "tradableInstrumentId",
    "routeId",
    "side",
    "qty",
    "avgPrice",
    "stopLossId",
    "takeProfitId",
    "openDate",
    "unrealizedPl",
    "strategyId",
]
EXECUTIONS = ["id", "price", "side", "createdDate", "qty", "orderId", "positionId", "tradableInstrumentId"]
ACCOUNT = [
    "balance",
    "projectedBalance",
    "availableFunds",
    "blockedBalance",
    "cashBalance",
    "unsettledCash",
    "withdrawalAvailable",
    "stocksValue",
    "optionValue",
    "initialMarginReq",
    "maintMarginReq",
    "marginWarningLevel",
    "blockedForStocks",
    "stockOrdersReq",
    "stopOutLevel",
    "warningMarginReq",
    "marginBeforeWarning",
    "todayGross",
    "todayNet",
    "todayFees",
    "todayVolume",
    "todayTradesCount",
    "openGrossPnL",
    "openNetPnL",
    "positionsCount",
    "ordersCount",
]

_TABLES = {
    "positionsConfig": ("positions", "Positions", POSITIONS),
    "ordersConfig": ("orders", "Orders", ORDERS),
    "ordersHistoryConfig": ("ordersHistory", "Orders history", ORDERS),
    "filledOrdersConfig": ("filledOrders", "Filled orders", EXECUTIONS),
    "accountDetailsConfig": ("accountDetails", "Account details", ACCOUNT),
}

RATE_LIMITS: dict[str, tuple[int, int, str]] = {
    "GET_ACCOUNTS": (2, 1, "SECONDS"),
    "GET_EXECUTIONS": (2, 1, "SECONDS"),
    "GET_INSTRUMENTS": (2, 1, "SECONDS"),
    "GET_ORDERS": (1, 1, "SECONDS"),
    "GET_ORDERS_HISTORY": (1, 1, "SECONDS"),
    "GET_POSITIONS": (1, 1, "SECONDS"),
    "GET_ACCOUNTS_STATE": (4, 2, "SECONDS"),
    "GET_INSTRUMENT_DETAILS": (2, 1, "SECONDS"),
    "GET_TRADE_SESSIONS": (2, 1, "SECONDS"),
    "GET_SESSION_STATUSES": (2, 1, "SECONDS"),
    "PLACE_ORDER": (5, 1, "SECONDS"),
    "MODIFY_ORDER": (5, 1, "SECONDS"),
    "MODIFY_POSITION": (5, 1, "SECONDS"),
    "DAILY_BAR": (5, 1, "SECONDS"),
    "QUOTES": (10, 1, "SECONDS"),
    "DEPTH": (10, 1, "SECONDS"),
    "TRADES": (5, 1, "SECONDS"),
    "QUOTES_HISTORY": (60, 1, "MINUTES"),
}
"""At most `limit` requests in `interval` seconds or minutes, by type."""
UNLIMITED = 1_000_000
MAX_BARS = 50_000
MAX_HISTORY_ROWS = 10_000


@dataclass(frozen=True, slots=True)
class Layout:
    """How this broker lays out its rows: as recorded, or in another order with one column more."""

    reordered: bool = False
    without_tag: bool = False

    def columns(self, table: str) -> list[str]:
        """The column ids of a table, in the order of its rows."""
        names = _TABLES[table][2]
        if table == "accountDetailsConfig" or not self.reordered:
            return list(names)
        return [
            each for each in (*reversed(names), "commission") if each != "strategyId" or not self.without_tag
        ]


def config(layout: Layout, *, limited: bool) -> dict[str, Any]:
    """The answer's `d`; keys in the order in which the real server sends them."""
    tables = {
        name: {
            "id": identifier,
            "title": title,
            "columns": [{"id": each} for each in layout.columns(name)],
        }
        for name, (identifier, title, _) in _TABLES.items()
    }
    flags = ("orders", "ordersHistory", "filledOrders", "positions", "symbolInfo", "marketDepth")
    return {
        "customerAccess": dict.fromkeys(flags, True),
        **tables,
        "rateLimits": [
            {
                "rateLimitType": kind,
                "measure": measure,
                "intervalNum": interval,
                "limit": limit if limited else UNLIMITED,
            }
            for kind, (limit, interval, measure) in RATE_LIMITS.items()
        ],
        "limits": [
            {"limitType": "QUOTES_HISTORY_BARS", "limit": MAX_BARS},
            {"limitType": "MAX_ORDERS_COUNT_IN_HISTORY", "limit": MAX_HISTORY_ROWS},
        ],
    }
