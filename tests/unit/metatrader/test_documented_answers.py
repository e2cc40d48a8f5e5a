"""MetaApi's documented objects, read by our parser."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from shared import clock, codec
from shared.brokers.errors import Throttled, UnreadableError
from shared.brokers.metatrader import http, parse, rows
from shared.brokers.metatrader.catalogue import Names
from shared.brokers.metatrader.rows import (
    DealRow,
    Information,
    OrderRow,
    PositionRow,
    PriceRow,
    Specification,
)
from shared.brokers.metatrader.views import Lens, net_before
from shared.brokers.transport import Answer
from shared.models.enums import Effect, MarginMode, OrderStatus, OrderType, Side
from shared.models.market import InstrumentKind

D = Decimal
PAYLOADS = Path(__file__).parents[2] / "payloads" / "metatrader"
LENS = Lens("ours", Names({"EURUSD": "EURUSD"}))


def payload(name: str) -> Any:
    """A documented answer, numbers exact."""
    return codec.decode((PAYLOADS / f"http_{name}.json").read_bytes())


def changed(name: str, **values: object) -> Any:
    """The first object of an answer with some fields replaced (None = absent)."""
    found = payload(name)
    first = found[0] if isinstance(found, list) else found
    return {key: value for key, value in {**first, **values}.items() if value is not None}


def test_an_account() -> None:
    """Money exact; the login is text, though it is written as a number."""
    found = rows.one(Information, "x", payload("get_account-information"))
    assert (found.login, found.server, found.currency) == ("50001234", "Example-Demo", "USD")
    assert (found.balance, found.equity, found.margin) == (D("10000.0"), D("10042.5"), D("217.4"))
    assert (found.margin_mode, found.trade_allowed, found.investor_mode) == (MarginMode.HEDGING, True, False)


@pytest.mark.parametrize(
    ("word", "mode"),
    [
        ("RETAIL_NETTING", MarginMode.NETTING),
        ("EXCHANGE", MarginMode.NETTING),
        ("RETAIL_HEDGING", MarginMode.HEDGING),
    ],
)
def test_margin_modes(word: str, mode: MarginMode) -> None:
    """Exchange accounts net, too."""
    body = changed("get_account-information", marginMode=f"ACCOUNT_MARGIN_MODE_{word}")
    assert rows.one(Information, "x", body).margin_mode is mode


def test_a_position() -> None:
    """Its stop and target belong to it."""
    [row] = rows.many(PositionRow, "x", payload("get_positions"))
    position = LENS.position(row)
    assert (position.venue_position_id, position.side, position.qty) == ("46640001", Side.BUY, D("0.10"))
    assert (position.entry_price, position.stop_loss, position.take_profit) == (
        D("1.08012"),
        D("1.075"),
        D("1.09"),
    )
    assert (row.client_id, position.unrealized_pnl) == ("EH_a1b2c3d4e5_1", D("9.8"))
    assert position.opened_at == datetime(2026, 1, 5, 9, 30, 3, 223000, tzinfo=UTC)


def test_ids_may_be_numbers_and_no_level_may_be_zero() -> None:
    """Documents show ids both ways; MetaTrader's own word for no stop is 0."""
    row = rows.one(
        PositionRow, "x", changed("get_positions", id=46640001, stopLoss=0, takeProfit=None, clientId="")
    )
    assert (row.id, row.stop_loss, row.take_profit, row.client_id) == ("46640001", None, None, None)


def test_a_pending_order() -> None:
    """What is left is what is not filled."""
    [row] = rows.many(OrderRow, "x", payload("get_orders"))
    order = LENS.working(row)
    assert (order.side, order.type, order.price, order.stop_price) == (
        Side.BUY,
        OrderType.LIMIT,
        D("1.07"),
        None,
    )
    assert (order.status, order.filled_qty, order.is_entry) == (OrderStatus.WORKING, D(0), True)
    part = rows.one(
        OrderRow, "x", changed("get_orders", state="ORDER_STATE_PARTIAL", currentVolume=D("0.15"))
    )
    assert (part.working, part.filled, part.ended) == (
        OrderStatus.PARTIALLY_FILLED,
        D("0.05"),
        OrderStatus.CANCELED,
    )


@pytest.mark.parametrize(
    ("word", "kind", "side"),
    [
        ("BUY", OrderType.MARKET, Side.BUY),
        ("SELL", OrderType.MARKET, Side.SELL),
        ("SELL_LIMIT", OrderType.LIMIT, Side.SELL),
        ("BUY_STOP", OrderType.STOP, Side.BUY),
        ("SELL_STOP_LIMIT", OrderType.STOP, Side.SELL),
    ],
)
def test_order_types(word: str, kind: OrderType, side: Side) -> None:
    """A stop-limit order waits as a stop."""
    row = rows.one(OrderRow, "x", changed("get_orders", type=f"ORDER_TYPE_{word}"))
    assert (row.kind, row.side) == (kind, side)


def test_deals() -> None:
    """Deposits are no trades; costs are costs; what closed by a stop is nobody's order."""
    _, entry, exit_ = rows.many(DealRow, "x", payload("get_history-deals"))
    assert [each.is_trade for each in rows.many(DealRow, "x", payload("get_history-deals"))] == [
        False,
        True,
        True,
    ]
    [opened] = LENS.fills(entry, entry.client_id)
    [closed] = LENS.fills(exit_, None)
    assert (opened.effect, opened.qty, opened.price) == (Effect.OPEN, D("0.1"), D("1.08012"))
    assert (opened.commission, opened.realised, opened.client_order_id) == (
        D("0.35"),
        D(0),
        "EH_a1b2c3d4e5_1",
    )
    assert (closed.effect, closed.realised, closed.swap, closed.side) == (
        Effect.CLOSE,
        D("-51.2"),
        D("1.2"),
        Side.SELL,
    )
    assert exit_.is_levels


def test_a_deal_that_turned_a_position_around_is_two_fills() -> None:
    """It closed what there was and opened the rest; both keep the deal's name apart."""
    _, entry, exit_ = rows.many(DealRow, "x", payload("get_history-deals"))
    body = {"id": "9", "type": "DEAL_TYPE_SELL", "entryType": "DEAL_ENTRY_INOUT", "time": "2026-01-05T12:00:00.001Z",
            "volume": D("0.3"), "price": D("1.08"), "profit": D("-1.2"), "commission": D("-1"), "positionId": "46640001",
            "symbol": "EURUSD"}  # fmt: skip
    deal = rows.one(DealRow, "x", body)
    held = net_before([deal, entry], deal)
    first, second = LENS.fills(deal, None, held)
    assert (held, first.effect, first.qty, first.realised) == (D("0.1"), Effect.CLOSE, D("0.1"), D("-1.2"))
    assert (second.effect, second.qty, second.realised, second.commission) == (
        Effect.OPEN,
        D("0.2"),
        D(0),
        D(0),
    )
    assert len({first.venue_fill_id, second.venue_fill_id}) == 2
    later = rows.one(DealRow, "x", {**body, "time": "2026-01-06T00:00:00.000Z"})
    assert net_before([entry, exit_, later], later) == 0


def test_a_history_in_an_envelope() -> None:
    """A bare list, or an object that says whether it is complete; anything else is not read."""
    deals = payload("get_history-deals")
    assert rows.history(DealRow, "x", deals)[1]
    for name in ("deals", "historyDeals"):
        found, whole = rows.history(DealRow, "x", {name: deals, "synchronizing": True})
        assert (len(found), whole) == (3, False)
        assert rows.history(DealRow, "x", {name: deals, "synchronizing": False})[1]
    with pytest.raises(UnreadableError):
        rows.history(DealRow, "x", {"rows": deals})


@pytest.mark.parametrize(
    "broken", [{"volume": "much"}, {"volume": None}, {"time": "2026-01-05 11:30"}, {"id": None}]
)
def test_what_cannot_be_read_is_not_guessed(broken: dict[str, object]) -> None:
    """A missing number, and a time that does not say its zone."""
    with pytest.raises(UnreadableError):
        rows.one(PositionRow, "positions", changed("get_positions", **broken))


def instrument(currency: str = "USD", price: dict[str, object] | None = None, **spec: object) -> Any:
    """EURUSD's contract with changes."""
    row = rows.one(PriceRow, "x", changed("get_current-price", **(price or {})))
    return parse.instrument(
        "EURUSD", rows.one(Specification, "x", changed("get_specification", **spec)), row, currency
    )


def test_an_instrument() -> None:
    """Grid, pip and distance as the broker states them."""
    found = instrument(stopsLevel=20)
    assert (found.tick_size, found.tick_value, found.contract_size) == (D("0.00001"), D("1.0"), D(100_000))
    assert (found.qty_step, found.qty_min, found.qty_max) == (D("0.01"), D("0.01"), D(100))
    assert (found.quote_currency, found.base_currency, found.pip_size) == ("USD", "EUR", D("0.0001"))
    assert (found.kind, found.min_stop_distance) == (InstrumentKind.FOREX, D("0.00020"))


def test_what_a_tick_is_worth() -> None:
    """In the profit currency by the contract; what the broker states where the contract does not say it; never 0."""
    assert instrument("EUR").quote_currency == "USD"
    assert instrument("EUR").tick_value == D(1)
    lossy = instrument(price={"lossTickValue": D("1.01")})
    assert (lossy.tick_value, lossy.loss_tick_value) == (D("1.0"), D("1.01"))
    stated = instrument("EUR", {"profitTickValue": D("0.9"), "lossTickValue": D("0.9")},
                        priceCalculationMode="SYMBOL_CALC_MODE_FUTURES")  # fmt: skip
    assert (stated.quote_currency, stated.tick_value, stated.kind) == ("EUR", D("0.9"), InstrumentKind.FOREX)
    assert instrument("EUR", {"profitTickValue": 0}, priceCalculationMode="SYMBOL_CALC_MODE_FUTURES") is None


def test_a_quote() -> None:
    """Of the broker's last tick; a clock ahead of ours is not believed."""
    row = rows.one(PriceRow, "x", payload("get_current-price"))
    early, late = datetime(2026, 1, 5, 9, 30, tzinfo=UTC), datetime(2026, 1, 5, 10, tzinfo=UTC)
    found = parse.quote("EURUSD", row, late)
    assert found is not None
    assert (found.bid, found.ask, found.at) == (D("1.08100"), D("1.08112"), row.time)
    again = parse.quote("EURUSD", row, early)
    assert again is not None
    assert again.at == early


def test_a_429_says_how_long_to_be_quiet() -> None:
    """By recommendedRetryTime, else by the header, else a second."""
    body = payload("429")
    body["metadata"]["recommendedRetryTime"] = rows.moment(clock.now() + timedelta(seconds=30))
    cases = [
        (Answer(429, codec.encode(body)), (28, 30)),
        (Answer(429, b"error code: 1015", {"Retry-After": "7"}), (7, 7)),
        (Answer(429, b"error code: 1015"), (1, 1)),
    ]
    for response, (least, most) in cases:
        with pytest.raises(Throttled) as throttled:
            http.payload(response)
        assert throttled.value.retry_after_s is not None
        assert least <= throttled.value.retry_after_s <= most


def test_a_trade_that_was_done() -> None:
    """Ids as text, and none where the answer has none."""
    whole = payload("post_trade")
    assert http.trade_result(Answer(200, codec.encode(whole))) == http.Done("46640001", "46640001")
    bare = {"numericCode": 10009, "stringCode": "TRADE_RETCODE_DONE", "orderId": ""}
    assert http.trade_result(Answer(200, codec.encode(bare))) == http.Done(None, None)
