"""What the real gateway has answered, read by our parser."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from local.venues.topstepx import refusals
from shared import codec
from shared.brokers.errors import LoggedOut, NotSent, Silent, Throttled, UnreadableError
from shared.brokers.topstepx import errors, products, rows
from shared.brokers.topstepx.envelope import opened
from shared.brokers.topstepx.errors import Denied
from shared.models.enums import OrderStatus, OrderType, Side
from shared.models.outcome import Rejected, Unknown
from shared.models.reasons import Reason

D = Decimal
PAYLOADS = Path(__file__).parents[2] / "payloads" / "topstepx"


def payload(name: str) -> Any:
    """A recorded answer, numbers exact."""
    return codec.decode((PAYLOADS / f"http_post_{name}.json").read_bytes())


def test_an_account() -> None:
    """Id as text, money exact."""
    [row] = rows.accounts(payload("account_search"))
    assert row == rows.AccountRow("101", "PRAC-V2-101-1", D(50_000), True, True)


def test_contracts_have_a_root_and_a_month() -> None:
    """ENQ is NQ; an expired one is readable and not active."""
    assert [(each.root, each.contract.symbol) for each in rows.contracts(payload("contract_search"))] == [
        ("NQ", "NQU2025"),
        ("MNQ", "MNQU2025"),
    ]
    expired = rows.contract(payload("contract_searchById"))
    assert expired is not None
    assert (expired.contract.symbol, expired.contract.active, expired.tick_value) == ("NQH2025", False, D(5))


def test_a_filled_order() -> None:
    """Nine digits behind the point are the number they are; no tag is none."""
    [row] = rows.orders(payload("order_search"))
    assert (row.id, row.side, row.type, row.qty) == ("36598", Side.BUY, OrderType.MARKET, D(1))
    assert (row.status, row.filled, str(row.average)) == (OrderStatus.FILLED, D(1), "6335.25")
    assert row.tag is None
    assert row.created == datetime(2025, 7, 18, 21, 0, 1, 268009, UTC)


def test_an_order_that_was_seen_before_is_as_the_list_shows_it_now() -> None:
    """One that has not changed is the same row; one of which any field has, is read anew."""
    known: dict[int, tuple[rows.Row, rows.OrderRow]] = {}
    [first] = rows.orders(payload("order_search"), known)
    [same] = rows.orders(payload("order_search"), known)
    assert same is first
    answer = payload("order_search")
    answer["orders"][0] |= {"status": 5, "fillVolume": 0}
    [now] = rows.orders(answer, known)
    assert (now.status, now.filled, now.average) == (OrderStatus.REJECTED, D(0), None)
    assert rows.orders(answer, known) == [now]


def test_an_entry_and_its_suspended_children() -> None:
    """Missing fields are null fields; children are no entries of ours, and are not awake."""
    entry, stop, target = rows.orders(payload("order_query_children"))
    assert (entry.tag, entry.is_child, entry.suspended, entry.price) == (
        "eth-0001",
        False,
        False,
        D("28410.25"),
    )
    assert [(e.tag, e.is_child, e.suspended, e.status) for e in (stop, target)] == [
        (None, True, True, OrderStatus.WORKING)
    ] * 2


def test_a_position_has_its_direction_in_its_type() -> None:
    """Long 2 at 1575.75; one without a size is none."""
    answer = payload("position_searchOpen")
    [row] = rows.positions(answer)
    assert (row.contract_id, row.side, row.qty, row.average) == (
        "CON.F.US.GMET.J25",
        Side.BUY,
        D(2),
        D("1575.75"),
    )
    answer["positions"][0] |= {"type": 0, "size": 0}
    assert rows.positions(answer) == []


def test_half_turns_are_read_oldest_first() -> None:
    """The opening one has no profit, a voided one did not happen."""
    found = rows.trades(payload("trade_search"), {})
    assert [(each.id, each.profit, each.fees) for each in found] == [
        ("8603", None, D("1.4")),
        ("8604", D(50), D("1.4")),
    ]


def test_the_last_price_is_the_youngest_bars() -> None:
    """Bars come newest first, or not."""
    answer = payload("retrieveBars")
    assert rows.last_price(answer) == D("2210.1")
    answer["bars"].reverse()
    assert rows.last_price(answer) == D("2210.1")
    assert rows.last_price({"bars": []}) is None


@pytest.mark.parametrize(
    "change",
    [
        {"side": None},
        {"side": 7},
        {"type": 0},
        {"status": "Open"},
        {"size": "1"},
        {"id": 1.5},
        {"creationTimestamp": "?"},
    ],
)
def test_what_does_not_fit_is_not_guessed(change: dict[str, Any]) -> None:
    """A missing side is no buy, although a buy is 0."""
    answer = payload("order_search")
    answer["orders"][0] |= change
    with pytest.raises(UnreadableError):
        rows.orders(answer)


def test_a_time_may_have_more_digits() -> None:
    """Seven digits of a second, Z or an offset: the same moment."""
    assert rows.moment("2025-01-21T16:13:52.5232931Z") == rows.moment("2025-01-21T16:13:52.523293+00:00")


def test_every_sentence_has_its_reason() -> None:
    """All that are documented or were seen live."""
    for text, word in payload("place_refused"):
        assert errors.reason_of(Denied("place", 2, text)) is Reason(word), text


DOUBTS = {
    "place": {6, 7},
    "modify": {4, 5},
    "cancel": {4, 5},
    "close": {6, 7},
    "partial_close": {7, 8},
    "login": {8},
    "validate": {4},
    "read": set(),
}
"""Codes that do not say that nothing was done."""
PLACE = {
    1: Reason.NOT_AUTHORIZED,
    2: Reason.BROKER_REJECTED,
    3: Reason.INSUFFICIENT_FUNDS,
    4: Reason.TRADING_DISABLED,
    5: Reason.MARKET_CLOSED,
    8: Reason.INSTRUMENT_UNKNOWN,
    9: Reason.INSTRUMENT_UNKNOWN,
    10: Reason.TRADING_DISABLED,
}
CHANGE = {
    1: Reason.NOT_AUTHORIZED,
    2: Reason.ORDER_NOT_FOUND,
    3: Reason.BROKER_REJECTED,
    6: Reason.TRADING_DISABLED,
}
CLOSE = {
    1: Reason.NOT_AUTHORIZED,
    2: Reason.POSITION_NOT_FOUND,
    3: Reason.INSTRUMENT_UNKNOWN,
    4: Reason.INSTRUMENT_UNKNOWN,
}
REASONS = {
    "place": PLACE,
    "modify": {**CHANGE, 7: Reason.INSTRUMENT_UNKNOWN},
    "cancel": CHANGE,
    "close": {**CLOSE, 5: Reason.MARKET_CLOSED, 8: Reason.TRADING_DISABLED},
    "partial_close": {
        **CLOSE,
        5: Reason.INVALID_QUANTITY,
        6: Reason.MARKET_CLOSED,
        9: Reason.TRADING_DISABLED,
    },
    "login": dict.fromkeys((1, 2, 3, 4, 5, 6, 7, 9, 10), Reason.NOT_AUTHORIZED),
    "validate": dict.fromkeys((1, 2, 3), Reason.NOT_AUTHORIZED),
    "read": {1: Reason.INVALID},
}


def test_every_code_of_every_endpoint() -> None:
    """A no is Rejected with its reason; pending and unknown errors are doubts, never refusals."""
    for endpoint, codes in errors.CODES.items():
        assert set(codes) == DOUBTS[endpoint] | set(REASONS[endpoint]), endpoint
        for code in codes:
            answer = {"orderId": 5, "success": False, "errorCode": code, "errorMessage": None}
            if code in DOUBTS[endpoint]:
                with pytest.raises(Silent):
                    opened(endpoint, answer)
                continue
            with pytest.raises(Denied) as caught:
                opened(endpoint, answer)
            outcome = errors.outcome_of(caught.value)
            assert isinstance(outcome, Rejected)
            assert outcome.reason is REASONS[endpoint][code], (endpoint, code)
            assert len(outcome.text) > 10


def test_the_simulator_refuses_with_every_code() -> None:
    """Every documented code of an endpoint can be asked of the simulator."""
    for endpoint, table in refusals.TABLES.items():
        assert {code for code, _ in table.values()} == set(errors.CODES[endpoint]), endpoint


def test_an_envelope_is_a_success_only_when_it_says_so() -> None:
    """Neither 200 nor an order's id is one; a code nobody knows is a doubt."""
    assert opened("place", payload("order_place"))["orderId"] == 9056
    with pytest.raises(Denied) as caught:
        opened("place", payload("order_place_position_brackets"))
    assert caught.value.order_id == "9057"
    assert "Auto OCO Brackets" in errors.SET_AUTO_OCO
    for answer in (
        None,
        [],
        "ok",
        {},
        {"orderId": 5},
        {"success": "yes"},
        {"success": False, "errorCode": 99},
    ):
        with pytest.raises(Silent):
            opened("place", answer)


def test_what_an_error_says_about_a_write() -> None:
    """Unsent and refused are Rejected, silence is Unknown."""
    said = {
        NotSent("no connection"): Reason.BROKER_UNREACHABLE,
        Throttled(429, "Too Many Requests"): Reason.BROKER_BUSY,
        LoggedOut(401, "HTTP 401"): Reason.NOT_AUTHORIZED,
    }
    for error, reason in said.items():
        outcome = errors.outcome_of(error)
        assert isinstance(outcome, Rejected)
        assert outcome.reason is reason
    assert isinstance(errors.outcome_of(Silent("timeout")), Unknown)


def test_a_refused_login_says_why() -> None:
    """Code 3 of the login has no sentence of its own: ours."""
    with pytest.raises(Denied, match="user name or API key is not right"):
        opened("login", payload("loginKey_refused"))


def test_a_leg_may_name_a_contract_by_our_symbol() -> None:
    """A position of our books has only that; ids stay what they are, and other words too."""
    names = {
        "CON.F.US.ENQ.Z26": "CON.F.US.ENQ.Z26",
        "NQZ2026": "CON.F.US.ENQ.Z26",
        "MNQH27": "CON.F.US.MNQ.H27",
        "NQ1!": "NQ1!",
        "EURUSD": "EURUSD",
    }
    assert {word: products.named(word, 2026) for word in names} == names
