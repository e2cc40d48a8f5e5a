"""What the real server has answered, read by our parser."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from shared import codec
from shared.brokers import rest
from shared.brokers.errors import BrokerError, LoggedOut, NotSent, NoTurn, Refused, Silent, Throttled
from shared.brokers.tradelocker import errors, http, parse, rows
from shared.brokers.transport import Answer
from shared.models.enums import OrderStatus, OrderType, Side
from shared.models.market import InstrumentKind
from shared.models.outcome import Rejected, Unknown
from shared.models.reasons import Reason

D = Decimal
PAYLOADS = Path(__file__).parents[2] / "payloads" / "tradelocker"


def payload(name: str) -> Any:
    """A recorded answer, numbers exact."""
    return codec.decode((PAYLOADS / f"http_{name}.json").read_bytes())


@pytest.fixture
def layout() -> rows.Config:
    """The recorded columns and limits."""
    return rows.config(payload("get_config")["d"])


def test_the_config_names_columns_and_limits(layout: rows.Config) -> None:
    """All 18 limits, in requests per seconds."""
    assert len(layout.limits) == 18
    assert layout.limits["GET_ORDERS"] == (1, 1.0)
    assert layout.limits["GET_ACCOUNTS_STATE"] == (4, 2.0)
    assert layout.limits["QUOTES_HISTORY"] == (60, 60.0)
    assert layout.columns["ordersConfig"].index("strategyId") == 21


def test_a_working_order(layout: rows.Config) -> None:
    """A resting limit order: no fill, no position, no tag."""
    [row] = rows.orders(layout, "ordersConfig", payload("get_orders")["d"]["orders"])
    assert (row.id, row.side, row.type, row.qty) == (
        "7277816997907673698",
        Side.SELL,
        OrderType.LIMIT,
        D(100),
    )
    assert (row.status, row.filled, row.average, row.price) == (
        OrderStatus.WORKING,
        D(0),
        None,
        D("91011.74"),
    )
    assert (row.position_id, row.tag, row.is_final) == (None, None, False)
    assert row.at == datetime(2026, 1, 8, 15, 32, 26, 666000, tzinfo=UTC), "lastModified is cut to seconds"


def test_a_filled_order(layout: rows.Config) -> None:
    """A market order in history: filled, with the position it belongs to."""
    [row] = rows.orders(layout, "ordersHistoryConfig", payload("get_ordersHistory")["d"]["ordersHistory"])
    assert (row.status, row.filled, row.average) == (OrderStatus.FILLED, D(10), D(90263))
    assert (row.position_id, row.tag, row.is_final) == ("7277816997846856994", None, True)


def test_a_position(layout: rows.Config) -> None:
    """A naked position: its stop and target would be orders behind ids."""
    [row] = rows.positions(layout, payload("get_positions")["d"]["positions"])
    assert (row.id, row.side, row.qty, row.average) == ("7277816997846858725", Side.BUY, D(10), D("90415.16"))
    assert (row.stop_loss_id, row.take_profit_id, row.profit) == (None, None, D("-458.10"))


def test_an_instrument() -> None:
    """BTCUSD as recorded: `tickCost` 0 is of no use, the value of a tick comes from the lot; no maximum is none."""
    [listing] = parse.listings(payload("get_instruments")["d"])
    found = parse.instrument(listing, payload("get_instrument")["d"], None)
    assert (listing.id, listing.trade_route, listing.info_routes) == ("206", 9912, (452,))
    assert (found.symbol, found.venue_symbol, found.kind) == ("BTCUSD", "BTCUSD", InstrumentKind.CRYPTO)
    assert (found.tick_size, found.tick_value, found.contract_size) == (D("0.01"), D("0.01"), D(1))
    assert (found.qty_step, found.qty_min, found.qty_max) == (D("0.01"), D("0.01"), parse.NO_MAXIMUM)
    assert (found.base_currency, found.quote_currency, found.pip_size) == ("BTC", "USD", None)


def test_a_quote() -> None:
    """Bid and ask, exact to the last digit."""
    found = parse.quote("BTCUSD", payload("get_quotes")["d"], datetime.now(UTC))
    assert found is not None
    assert (found.bid, found.ask) == (D("77260.5"), D("77261.7"))


def test_the_accounts_of_a_login() -> None:
    """`id` for the path and `accNum` for the header are two things."""
    [entry] = parse.accounts(payload("get_all-accounts"))
    assert (entry.id, entry.acc_num, entry.balance) == ("7080", "1", D("2024.75"))
    assert parse.account_ids(payload("get_accounts")["d"]) == ("7080",)
    assert parse.rules(payload("get_accounts")["d"]) == parse.Rules(brackets=True, partial_close=True)


def test_an_accepted_order() -> None:
    """The order's id, as text."""
    assert rows.identifier(http.unwrapped(payload("post_orders"))["orderId"]) == "7277816997907785466"


@pytest.mark.parametrize(
    "case", payload("post_orders_refused"), ids=lambda case: str(case["answer"]["errmsg"])
)
def test_every_sentence_has_our_word(case: Any) -> None:
    """200 with `s` = error is a refusal, and each recorded sentence has its closed reason."""
    with pytest.raises(Refused) as refused:
        http.unwrapped(case["answer"])
    outcome = errors.outcome_of(refused.value)
    assert isinstance(outcome, Rejected)
    assert (outcome.reason, outcome.text) == (Reason(case["reason"]), case["answer"]["errmsg"])


@pytest.mark.parametrize(
    ("status", "body", "reason"),
    [
        (400, '{"message": "Bad Request"}', Reason.INVALID),
        (401, "", Reason.NOT_AUTHORIZED),
        (403, "<html>Forbidden</html>", Reason.NOT_AUTHORIZED),
        (404, '{"errmsg": "Position is not found"}', Reason.POSITION_NOT_FOUND),
        (404, '{"error": "Order not found"}', Reason.ORDER_NOT_FOUND),
        (404, "nothing here", Reason.BROKER_REJECTED),
        (429, '{"errmsg": "slow down"}', Reason.BROKER_BUSY),
        (429, "error code: 1015", Reason.BROKER_BUSY),
    ],
)
def test_a_4xx_is_a_refusal(status: int, body: str, reason: Reason) -> None:
    """4xx: nothing was done, whatever the body looks like."""
    with pytest.raises(Refused) as refused:
        rest.payload(Answer(status, body.encode()))
    outcome = errors.outcome_of(refused.value)
    assert isinstance(outcome, Rejected)
    assert outcome.reason is reason


@pytest.mark.parametrize(
    ("status", "body"),
    [(500, "{}"), (502, "<html>"), (504, ""), (408, ""), (302, ""), (200, '{"d": 1'), (200, "oops")],
)
def test_what_says_nothing_is_a_doubt(status: int, body: str) -> None:
    """5xx, redirects and answers that cannot be read: it may have been done."""
    with pytest.raises(Silent) as silent:
        rest.payload(Answer(status, body.encode()))
    assert isinstance(errors.outcome_of(silent.value), Unknown)


@pytest.mark.parametrize("answer", [{}, {"d": {}}, [], "ok", {"s": "maybe"}])
def test_an_envelope_without_a_verdict_is_a_doubt(answer: Any) -> None:
    """Only `s` = ok is a yes."""
    with pytest.raises(Silent):
        http.unwrapped(answer)


def test_an_empty_answer_means_done() -> None:
    """204, or 200 without a body, is how changes are often answered."""
    assert http.unwrapped(rest.payload(Answer(204, b""))) is None
    assert http.unwrapped(rest.payload(Answer(200, b""))) is None


def test_every_error_has_an_outcome() -> None:
    """No kind of error is forgotten: refused and unsent are Rejected, silence is Unknown."""
    kinds = {
        NotSent("x"): Reason.BROKER_UNREACHABLE,
        NoTurn("x"): Reason.BROKER_BUSY,
        Refused(200, "no"): Reason.BROKER_REJECTED,
        LoggedOut(401, "no"): Reason.NOT_AUTHORIZED,
        Throttled(429, "no"): Reason.BROKER_BUSY,
        Silent("x"): None,
    }
    shared = {each for each in _all_kinds(BrokerError) if each.__module__ == BrokerError.__module__}
    assert {type(each) for each in kinds} == shared
    for error, reason in kinds.items():
        outcome = errors.outcome_of(error)
        assert outcome.reason is reason if isinstance(outcome, Rejected) else reason is None


def _all_kinds(kind: type) -> set[type]:
    found = set(kind.__subclasses__())
    return found.union(*(_all_kinds(each) for each in found)) if found else set()
