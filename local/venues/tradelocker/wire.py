"""How TradeLocker writes things: rows of strings or null, 19-digit ids as strings, numbers in objects."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from typing import Any

from local.venues.tradelocker.config import ACCOUNT
from local.venues.tradelocker.desk import Listing, VenueAccount
from local.venues.trading import Holding, Order, State, Trade

Row = dict[str, str | None]
_STATES = {
    State.WORKING: "New",
    State.FILLED: "Filled",
    State.CANCELED: "Cancelled",
    State.REFUSED: "Refused",
}


def cells(rows: Iterable[Row], columns: list[str]) -> list[list[str | None]]:
    """Rows in the order of the columns; a column that a row does not know is null."""
    return [[row.get(name) for name in columns] for row in rows]


def order_row(order: Order, listing: Listing) -> Row:
    """A row of /orders or /ordersHistory. An order that works still has no fill, no tag is null there."""
    ended = order.state is not State.WORKING
    market = order.type == "market"
    row: Row = {
        "id": order.id,
        "tradableInstrumentId": str(listing.id),
        "routeId": str(listing.trade_route),
        "qty": _text(order.qty),
        "side": order.side,
        "type": order.type,
        "status": _STATES[order.state],
        "filledQty": _text(order.filled) if order.filled or ended else None,
        "avgPrice": _text(order.average),
        "price": _text(order.average if market else order.price),
        "stopPrice": "0" if market and ended else _text(order.stop_price),
        "validity": "IOC" if market else "GTC",
        "expireDate": None,
        "createdDate": _ms(order.created),
        "lastModified": str(int(order.modified.timestamp()) * 1000),
        "isOpen": "false" if ended else "true",
        "positionId": order.position_id,
        "strategyId": order.tag or ("" if ended else None),
    }
    for name, level in (("stopLoss", order.stop_loss), ("takeProfit", order.take_profit)):
        row[name] = _text(level)
        row[name + "Type"] = None if level is None else "absolute"
    return row


def position_row(holding: Holding, listing: Listing, profit: Decimal) -> Row:
    """A row of /positions. Stop and target are orders behind the two ids."""
    return {
        "id": holding.id,
        "tradableInstrumentId": str(listing.id),
        "routeId": str(listing.trade_route),
        "side": holding.side,
        "qty": _text(holding.qty),
        "avgPrice": _text(holding.average),
        "stopLossId": holding.stop_loss_id,
        "takeProfitId": holding.take_profit_id,
        "openDate": _ms(holding.opened),
        "unrealizedPl": f"{profit:.2f}",
        "strategyId": holding.tag or None,
    }


def execution_row(trade: Trade, listing: Listing) -> Row:
    """A row of /executions."""
    return {
        "id": trade.id,
        "price": _text(trade.price),
        "side": trade.side,
        "createdDate": _ms(trade.at),
        "qty": _text(trade.qty),
        "orderId": trade.order_id,
        "positionId": trade.position_id,
        "tradableInstrumentId": str(listing.id),
    }


def account_state(account: VenueAccount) -> list[Decimal]:
    """The numbers of /state, in the order of the config's accountDetails columns."""
    book = account.book
    profit, margin = book.open_profit(), book.margin()
    known = {
        "balance": book.balance,
        "projectedBalance": book.balance + profit,
        "availableFunds": book.balance + profit - margin,
        "cashBalance": book.balance,
        "withdrawalAvailable": book.balance,
        "initialMarginReq": margin,
        "maintMarginReq": margin,
        "stopOutLevel": Decimal(50),
        "todayTradesCount": Decimal(len(book.trades)),
        "openGrossPnL": profit,
        "openNetPnL": profit,
        "positionsCount": Decimal(len(book.holdings)),
        "ordersCount": Decimal(len(book.working)),
    }
    return [round(known.get(name, Decimal(0)), 2) for name in ACCOUNT]


def account_details(account: VenueAccount) -> list[dict[str, Any]]:
    """The answer of /trade/accounts."""
    return [
        {
            "id": account.id,
            "name": account.name,
            "type": "DEMO",
            "currency": account.book.currency,
            "status": "ACTIVE",
            "tradingRules": {
                "supportBrackets": True,
                "supportPartialClosePosition": True,
                "supportSelfTrading": True,
                "supportTradingOutOfTradingHours": False,
                "supportTrailingStop": True,
            },
            "riskRules": {"maxPositionsNumber": None, "maxPendingOrdersNumber": None, "maxOrdersCount": None},
        }
    ]


def instrument(listing: Listing) -> dict[str, Any]:
    """One object of /instruments."""
    name = listing.contract.name
    routes = [{"id": listing.trade_route, "type": "TRADE"}]
    routes += [{"id": route, "type": "INFO"} for route in listing.info_routes]
    return {
        "tradableInstrumentId": listing.id,
        "id": listing.symbol_id,
        "name": name,
        "description": f"{name} of the simulator",
        "type": listing.kind,
        "tradingExchange": listing.kind.title(),
        "marketDataExchange": listing.kind.title(),
        "country": None,
        "logoUrl": None,
        "localizedName": name,
        "routes": routes,
        "barSource": "BID",
        "hasIntraday": True,
        "hasDaily": True,
    }


def instrument_details(listing: Listing) -> dict[str, Any]:
    """The answer of /trade/instruments/{id}, with every key of the recorded one."""
    contract = listing.contract
    nothing = (
        "betSize betStep bettingCurrency contractMonth country deliveryStatus exerciseStyle firstTradeDate"
        " industry lastTradeDate logoUrl marketCap noticeDate sector settlementDate strikePrice strikeType"
    )
    return {
        **dict.fromkeys(nothing.split()),
        "barSource": "BID",
        "baseCurrency": listing.spec.base or contract.priced_as,
        "description": f"{contract.name} of the simulator",
        "hasDaily": True,
        "hasIntraday": True,
        "isin": "",
        "leverage": "100.00",
        "localizedName": contract.name,
        "lotSize": contract.lot,
        "lotStep": contract.qty_step,
        "margin_hedging_type": "fx_cfd",
        "marketDataExchange": listing.kind.title(),
        "maxLot": contract.qty_max,
        "minLot": contract.qty_min,
        "name": contract.name,
        "quotingCurrency": contract.quote,
        "settlementSystem": "Immediate",
        "symbolStatus": "FULLY_OPEN",
        "tickCost": [{"leftRangeLimit": None, "tickCost": Decimal("0.0")}],
        "tickSize": [{"leftRangeLimit": None, "tickSize": contract.tick}],
        "tradeSessionId": 1547,
        "tradeSessionStatusId": 20,
        "tradingExchange": listing.kind.title(),
        "type": listing.kind,
    }


def _text(value: Decimal | None) -> str | None:
    return None if value is None else f"{value:f}"


def _ms(at: datetime) -> str:
    return str(int(at.timestamp() * 1000))
