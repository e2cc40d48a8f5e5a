"""How MetaApi writes accounts, positions, orders, deals, symbols and prices. Ids are text, numbers numbers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from local.venues.metatrader.answers import moment
from local.venues.metatrader.desk import MAGIC, REGION, SERVER, Listing, VenueAccount
from local.venues.trading import Holding, Order, Role, State, Trade

Json = dict[str, Any]
_BROKER_HOURS = timedelta(hours=2)
_SIDES = {"buy": "BUY", "sell": "SELL"}
_EXITS = {Role.STOP_LOSS: "SL", Role.TAKE_PROFIT: "TP"}
_DAYS = ("MONDAY", "TUESDAY", "WEDNESDAY", "THURSDAY", "FRIDAY")


def provisioned(account: VenueAccount, connected: str) -> Json:
    """An account as the provisioning API shows it."""
    return {
        "_id": account.id,
        "name": f"Simulated {account.login}",
        "type": "cloud-g2",
        "login": account.login,
        "server": SERVER,
        "region": REGION,
        "version": account.kind.version,
        "platform": f"mt{account.kind.version}",
        "magic": MAGIC,
        "manualTrades": False,
        "reliability": "high",
        "state": account.state,
        "connectionStatus": connected,
        "quoteStreamingIntervalInSeconds": Decimal("2.5"),
        "accountReplicas": [],
        "connections": [],
    }


def information(account: VenueAccount) -> Json:
    """AccountInformation."""
    book = account.book
    margin, equity = round(book.margin(), 2), round(book.balance + book.open_profit(), 2)
    mode = "RETAIL_HEDGING" if account.kind.hedging else "RETAIL_NETTING"
    level = {"marginLevel": round(equity / margin * 100, 2)} if margin else {}
    return {
        "platform": f"mt{account.kind.version}",
        "broker": "Simulated Markets Ltd",
        "currency": book.currency,
        "server": SERVER,
        "balance": book.balance,
        "equity": equity,
        "margin": margin,
        "freeMargin": equity - margin,
        "leverage": int(book.leverage),
        **level,
        "tradeAllowed": account.trade_allowed,
        "investorMode": account.investor,
        "marginMode": f"ACCOUNT_MARGIN_MODE_{mode}",
        "name": "Simulated trader",
        "login": int(account.login),
        "credit": 0,
        "type": "ACCOUNT_TRADE_MODE_DEMO",
    }


def position(account: VenueAccount, holding: Holding, working: Mapping[str, Order]) -> Json:
    """A position; the orders that protect it are its stopLoss and takeProfit."""
    price = account.book.price_of(holding.contract)
    profit = round(account.book.profit(holding), 2)
    listing, noted = account.listings[holding.contract.name], account.note(holding.id)
    stop, target = working.get(holding.stop_loss_id or ""), working.get(holding.take_profit_id or "")
    return {
        "id": holding.id,
        "type": f"POSITION_TYPE_{_SIDES[holding.side]}",
        "symbol": holding.contract.name,
        "magic": noted.magic,
        **_times("time", "brokerTime", holding.opened),
        "updateTime": moment(holding.opened),
        "openPrice": holding.average,
        "currentPrice": price.bid if holding.side == "buy" else price.ask,
        "currentTickValue": tick_value(account, listing),
        **_present("stopLoss", stop.stop_price if stop else None),
        **_present("takeProfit", target.price if target else None),
        "volume": holding.qty,
        "profit": profit,
        "realizedProfit": 0,
        "unrealizedProfit": profit,
        "swap": 0,
        "commission": 0,
        **_labels(holding.tag, noted.comment),
        "reason": f"POSITION_REASON_{noted.reason}",
    }


def order(account: VenueAccount, row: Order) -> Json:
    """A pending order, or one of the history."""
    noted, ended = account.note(row.id), row.state is not State.WORKING
    kind = "" if row.type == "market" or row.role in _EXITS else f"_{row.type.upper()}"
    done = _times("doneTime", "doneBrokerTime", row.modified) if ended else {}
    asked = row.price if row.type == "limit" else row.stop_price
    pending = bool(kind)
    return {
        "id": row.id,
        "type": f"ORDER_TYPE_{_SIDES[row.side]}{kind}",
        "state": f"ORDER_STATE_{_state(row)}",
        "magic": noted.magic,
        **_times("time", "brokerTime", row.created),
        **done,
        "symbol": row.contract.name,
        "openPrice": asked if pending and asked is not None else row.average or 0,
        **_present("stopLoss", row.stop_loss),
        **_present("takeProfit", row.take_profit),
        "volume": row.qty,
        "currentVolume": row.rest,
        **_present("positionId", row.position_id),
        **_labels(_client_id(row), noted.comment),
        "platform": f"mt{account.kind.version}",
        "reason": f"ORDER_REASON_{_EXITS.get(row.role, noted.reason)}",
        "fillingMode": "ORDER_FILLING_RETURN" if pending else "ORDER_FILLING_FOK",
        "expirationType": "ORDER_TIME_GTC",
    }


def deals(account: VenueAccount, trades: Iterable[Trade]) -> list[Json]:
    """Deals, oldest first; an order that turned a position around made one deal of two trades."""
    found: list[Json] = []
    for trade in trades:
        row = account.order(trade.order_id)
        assert row is not None
        entry = deal(account, row, trade)
        last = found[-1] if found else None
        turned = last is not None and trade.opens and last["orderId"] == entry["orderId"]
        if last is not None and turned and last["entryType"] == "DEAL_ENTRY_OUT":
            last["entryType"], last["volume"] = "DEAL_ENTRY_INOUT", last["volume"] + trade.qty
        else:
            found.append(entry)
    return found


def deal(account: VenueAccount, row: Order, trade: Trade) -> Json:
    """One execution of an order."""
    noted = account.note(row.id)
    return {
        "id": trade.id,
        "platform": f"mt{account.kind.version}",
        "type": f"DEAL_TYPE_{_SIDES[trade.side]}",
        "entryType": "DEAL_ENTRY_IN" if trade.opens else "DEAL_ENTRY_OUT",
        "symbol": row.contract.name,
        "magic": noted.magic,
        **_times("time", "brokerTime", trade.at),
        "volume": trade.qty,
        "price": trade.price,
        "commission": 0,
        "swap": 0,
        "profit": trade.profit,
        "orderId": trade.position_id if account.kind.version == 4 else trade.order_id,
        "positionId": trade.position_id,
        **_labels(_client_id(row), noted.comment),
        "reason": f"DEAL_REASON_{_EXITS.get(row.role, noted.reason)}",
    }


def specification(listing: Listing) -> Json:
    """SymbolSpecification."""
    contract, spec = listing.contract, listing.spec
    pip = {"pipSize": Decimal("0.01") if spec.quote == "JPY" else Decimal("0.0001")}
    sessions = {day: [{"from": "00:05:00.000", "to": "24:00:00.000"}] for day in _DAYS}
    return {
        "symbol": contract.name,
        "tickSize": contract.tick,
        "minVolume": contract.qty_min,
        "maxVolume": contract.qty_max,
        "volumeStep": contract.qty_step,
        "contractSize": contract.lot,
        "digits": listing.digits,
        "point": contract.tick,
        **(pip if listing.is_forex else {}),
        "stopsLevel": listing.stops_level,
        "freezeLevel": 0,
        "executionMode": "SYMBOL_TRADE_EXECUTION_MARKET",
        "fillingModes": ["SYMBOL_FILLING_FOK", "SYMBOL_FILLING_IOC"],
        "tradeMode": "SYMBOL_TRADE_MODE_FULL",
        "quoteSessions": sessions,
        "tradeSessions": sessions,
        "allowedOrderTypes": [
            f"SYMBOL_ORDER_{each}" for each in ("MARKET", "LIMIT", "STOP", "STOP_LIMIT", "SL", "TP")
        ],
        "allowedExpirationModes": ["SYMBOL_EXPIRATION_GTC"],
        "priceCalculationMode": f"SYMBOL_CALC_MODE_{'FOREX' if listing.is_forex else 'CFD'}",
        "baseCurrency": spec.base or spec.quote,
        "profitCurrency": spec.quote,
        "marginCurrency": spec.base or spec.quote,
        "initialMargin": 0,
        "maintenanceMargin": 0,
        "swapMode": "SYMBOL_SWAP_MODE_POINTS",
        "swapRollover3Days": "WEDNESDAY",
        "description": f"{spec.name} of the simulator",
        "path": f"Simulated\\{contract.name}",
    }


def price(account: VenueAccount, listing: Listing) -> Json:
    """SymbolPrice, of this moment."""
    found, value = account.book.price_of(listing.contract), tick_value(account, listing)
    return {
        "symbol": listing.contract.name,
        "bid": found.bid,
        "ask": found.ask,
        "profitTickValue": value,
        "lossTickValue": value,
        "accountCurrencyExchangeRate": 1,
        **_times("time", "brokerTime", datetime.now(UTC)),
    }


def tick_value(account: VenueAccount, listing: Listing) -> Decimal:
    """What a tick on one lot is worth in the account's currency."""
    contract = listing.contract
    worth = account.book.market.convert(contract.tick * contract.lot, contract.quote, account.book.currency)
    return round(worth, 8)


def _state(row: Order) -> str:
    if row.state is State.WORKING:
        return "PARTIAL" if row.filled else "PLACED"
    if row.state is State.REFUSED:
        return "REJECTED"
    return "FILLED" if row.state is State.FILLED else "PARTIAL" if row.filled else "CANCELED"


def _client_id(row: Order) -> str:
    """A stop or target that fired carries its position's id with the last part replaced by its own ticket."""
    if row.role not in _EXITS or not row.tag:
        return row.tag
    return "_".join((*row.tag.split("_")[:2], row.id))


def _labels(client_id: str, comment: str) -> Json:
    return {
        **({"clientId": client_id} if client_id else {}),
        **({"comment": comment, "brokerComment": comment} if comment else {}),
    }


def _present(name: str, value: Any) -> Json:
    return {} if value is None else {name: value}


def _times(name: str, broker_name: str, at: datetime) -> Json:
    local = at + _BROKER_HOURS
    naive = local.strftime("%Y-%m-%d %H:%M:%S.") + f"{local.microsecond // 1000:03d}"
    return {name: moment(at), broker_name: naive}
