"""MetaApi's objects as it writes them, read exactly: ids are text, numbers Decimal, times UTC. Pure.

Unknown fields are ignored. What must be there and is not is an UnreadableError, never a guess.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any, TypeVar

import msgspec

from shared import codec
from shared.brokers.errors import UnreadableError
from shared.models.enums import MarginMode, OrderStatus, OrderType, Side

T = TypeVar("T")
Utc = Annotated[datetime, msgspec.Meta(tz=True)]
"""A time that says its zone; the broker's own naive times are never read."""
_IDS = frozenset({"id", "_id", "orderId", "positionId", "login"})
_ZERO_IS_NONE = frozenset({"stopLoss", "takeProfit", "stopLimitPrice"})
_EMPTY_IS_NONE = frozenset({"orderId", "positionId", "clientId", "comment", "brokerComment"})
_STATES = {
    "STARTED": OrderStatus.WORKING,
    "PLACED": OrderStatus.WORKING,
    "PARTIAL": OrderStatus.PARTIALLY_FILLED,
    "FILLED": OrderStatus.FILLED,
    "CANCELED": OrderStatus.CANCELED,
    "REJECTED": OrderStatus.REJECTED,
    "EXPIRED": OrderStatus.EXPIRED,
}
_WORKING = frozenset({OrderStatus.WORKING, OrderStatus.PARTIALLY_FILLED})
_LEVELS = frozenset({"SL", "TP", "SO"})


class _Row(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """Fields are named as MetaApi names them, in our spelling."""


class AccountRow(_Row, frozen=True, kw_only=True):
    """An account as the provisioning API has it. `login` and `server` are the broker's."""

    id: str
    login: str = ""
    server: str = ""
    name: str = ""
    region: str = ""
    state: str = ""
    connection_status: str = ""
    magic: int | None = None
    manual_trades: bool = False


class Information(_Row, frozen=True, kw_only=True):
    """The terminal's account information."""

    login: str
    server: str
    currency: str
    balance: Decimal
    equity: Decimal
    margin: Decimal | None = None
    trade_allowed: bool = True
    investor_mode: bool = False
    margin_mode_: str = msgspec.field(default="ACCOUNT_MARGIN_MODE_RETAIL_HEDGING", name="marginMode")
    platform: str = ""
    name: str = ""

    @property
    def margin_mode(self) -> MarginMode:
        """Exchange accounts net as well. MetaTrader 4, which only hedges, may not say."""
        return MarginMode.HEDGING if self.margin_mode_.endswith("HEDGING") else MarginMode.NETTING

    @property
    def is_mt4(self) -> bool:
        return self.platform == "mt4"


class PositionRow(_Row, frozen=True, kw_only=True):
    """An open position; its stop and target belong to it."""

    id: str
    type: str
    symbol: str
    volume: Decimal
    open_price: Decimal
    current_price: Decimal | None = None
    time: Utc | None = None
    stop_loss: Decimal | None = None
    take_profit: Decimal | None = None
    profit: Decimal | None = None
    unrealized_profit: Decimal | None = None
    client_id: str | None = None
    comment: str | None = None
    now: str | None = None
    doubt: str = ""

    @property
    def ticket(self) -> str:
        """What the terminal calls it now, which may be another than `id` on MetaTrader 4."""
        return self.now or self.id

    @property
    def side(self) -> Side:
        return _side(self.type)


class OrderRow(_Row, frozen=True, kw_only=True):
    """A pending order, or one of the history. `current_volume` is what is not filled."""

    id: str
    type: str
    state: str
    symbol: str
    volume: Decimal
    current_volume: Decimal = Decimal(0)
    open_price: Decimal | None = None
    stop_limit_price: Decimal | None = None
    stop_loss: Decimal | None = None
    take_profit: Decimal | None = None
    time: Utc | None = None
    done_time: Utc | None = None
    position_id: str | None = None
    client_id: str | None = None
    magic: int = 0
    reason: str = ""
    expiration_type: str = ""
    expiration_time: Utc | None = None

    @property
    def side(self) -> Side:
        return _side(self.type)

    @property
    def kind(self) -> OrderType:
        """A stop-limit order waits as a stop."""
        word = self.type.removeprefix("ORDER_TYPE_")
        return (
            OrderType.STOP if "_STOP" in word else OrderType.LIMIT if "_LIMIT" in word else OrderType.MARKET
        )

    @property
    def filled(self) -> Decimal:
        return max(self.volume - self.current_volume, Decimal(0))

    @property
    def is_order(self) -> bool:
        """Not MetaTrader's marker of two positions that closed one another."""
        return self.type != "ORDER_TYPE_CLOSE_BY"

    @property
    def is_levels(self) -> bool:
        """A stop, a target or a stop-out of the broker's that fired: no order of anybody's."""
        return self.reason.removeprefix("ORDER_REASON_") in _LEVELS

    @property
    def working(self) -> OrderStatus:
        """The status of a row of the pending orders, where nothing is final."""
        status = _STATES.get(self.state.removeprefix("ORDER_STATE_"), OrderStatus.WORKING)
        return status if status in _WORKING else OrderStatus.WORKING

    @property
    def ended(self) -> OrderStatus:
        """The status of a row of the history, where everything is final: filled in part is then a rest canceled."""
        status = _STATES.get(self.state.removeprefix("ORDER_STATE_"), OrderStatus.CANCELED)
        return OrderStatus.CANCELED if status in _WORKING else status


class DealRow(_Row, frozen=True, kw_only=True):
    """One execution, or a movement of money (which has no symbol)."""

    id: str
    type: str
    time: Utc
    profit: Decimal = Decimal(0)
    entry_type: str = ""
    symbol: str = ""
    volume: Decimal = Decimal(0)
    price: Decimal = Decimal(0)
    commission: Decimal = Decimal(0)
    swap: Decimal = Decimal(0)
    order_id: str | None = None
    position_id: str | None = None
    client_id: str | None = None
    magic: int = 0
    reason: str = ""

    @property
    def side(self) -> Side:
        return _side(self.type)

    @property
    def is_trade(self) -> bool:
        return self.type in ("DEAL_TYPE_BUY", "DEAL_TYPE_SELL") and bool(self.volume)

    @property
    def opens(self) -> bool:
        return self.entry_type == "DEAL_ENTRY_IN"

    @property
    def age(self) -> tuple[datetime, int, str]:
        """What deals are ordered by: tickets rise."""
        return self.time, len(self.id), self.id

    @property
    def turns(self) -> bool:
        """A net position closed and opened the other way round, in one deal."""
        return self.entry_type == "DEAL_ENTRY_INOUT"

    @property
    def is_levels(self) -> bool:
        """A stop, a target or a stop-out of the broker's."""
        return self.reason.removeprefix("DEAL_REASON_") in _LEVELS


class Specification(_Row, frozen=True, kw_only=True):
    """A symbol's contract. Distances of `stops_level` are in points; the value of a tick is in the price."""

    symbol: str
    tick_size: Decimal
    min_volume: Decimal
    max_volume: Decimal
    volume_step: Decimal
    contract_size: Decimal
    digits: int = 0
    point: Decimal | None = None
    pip_size: Decimal | None = None
    stops_level: Decimal = Decimal(0)
    price_calculation_mode: str = ""
    base_currency: str | None = None
    profit_currency: str | None = None


class PriceRow(_Row, frozen=True, kw_only=True):
    """Bid and ask, and what a tick of one lot is worth in the account's currency."""

    symbol: str
    bid: Decimal
    ask: Decimal
    time: Utc | None = None
    profit_tick_value: Decimal | None = None
    loss_tick_value: Decimal | None = None


def one(shape: type[T], place: str, value: Any) -> T:
    """One object as its row."""
    try:
        return codec.convert(shape, _readable(value))
    except (codec.NotReadable, TypeError, ValueError) as error:
        raise UnreadableError(f"{place}: {error}") from error


def many(shape: type[T], place: str, value: Any) -> list[T]:
    """A list of objects as rows."""
    if not isinstance(value, list):
        raise UnreadableError(f"{place}: not a list")
    return [one(shape, place, each) for each in value]


def history(shape: type[T], place: str, value: Any) -> tuple[list[T], bool]:
    """Rows of a history, and whether it is complete: a bare list, or an envelope that says so."""
    if not isinstance(value, Mapping):
        return many(shape, place, value), True
    names = ("deals", "historyDeals", "orders", "historyOrders")
    name = next((each for each in names if each in value), None)
    if name is None:
        raise UnreadableError(f"{place}: neither a list nor an envelope of one")
    return many(shape, place, value[name]), value.get("synchronizing") is not True


def names(value: Any) -> list[str]:
    """The account's symbols."""
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        raise UnreadableError("symbols: not a list of names")
    return value


def moment(at: datetime) -> str:
    """A time as MetaApi writes it."""
    at = at.astimezone(UTC)
    return at.strftime("%Y-%m-%dT%H:%M:%S.") + f"{at.microsecond // 1000:03d}Z"


def _readable(value: Any) -> Any:
    """Ids as text whether they came as text or number, levels of 0 as none, `_id` as `id`."""
    if not isinstance(value, Mapping):
        return value
    return {
        ("id" if name == "_id" else name): _cell(name, cell)
        for name, cell in value.items()
        if _is_said(name, cell)
    }


def _is_said(name: str, cell: Any) -> bool:
    if cell is None or (name in _EMPTY_IS_NONE and cell == ""):
        return False
    return not (name in _ZERO_IS_NONE and cell in (0, "0"))


def _cell(name: str, cell: Any) -> Any:
    return str(cell) if name in _IDS and isinstance(cell, int) and not isinstance(cell, bool) else cell


def _side(word: str) -> Side:
    return Side.SELL if "_SELL" in word else Side.BUY
