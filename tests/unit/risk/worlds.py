"""Random accounts and settings that the properties of the rules are tried on."""

from collections.abc import Mapping
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy
from msgspec.structs import replace

from shared.models.context import Elsewhere, InFlight, RiskContext, RiskState
from shared.models.enums import MarginMode, Side
from shared.models.market import Quote
from shared.models.trading import Position
from tests.unit.risk.builders import BUY, NOW, USDJPY, D, account, context, order, position, risk_state

MANY = settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
SEED = {"amount": 8000, "on": date(2026, 11, 1), "by": "the trader"}


def money(low: int, high: int) -> SearchStrategy[Decimal]:
    return st.integers(low * 100, high * 100).map(lambda cents: Decimal(cents) / 100)


def some(low: str, high: str, places: int = 2) -> SearchStrategy[Decimal]:
    return st.decimals(D(low), D(high), allow_nan=False, allow_infinity=False, places=places)


@st.composite
def states(draw: st.DrawFn) -> RiskState:
    state = risk_state(str(draw(money(9000, 11000))))
    flows = draw(st.sampled_from([D(0), D(100), D(-100)]))
    assert state.day is not None
    return replace(
        state,
        day=replace(state.day, flows=flows),
        high_close=draw(money(9500, 11000)),
        peak_equity=draw(money(9500, 11000)),
        best_day=draw(money(0, 900)),
        net_profit=draw(money(-500, 2000)),
        losses_in_a_row=draw(st.integers(0, 4)),
        last_loss_at=NOW - timedelta(minutes=draw(st.integers(0, 90))),
        in_flight_loss=draw(money(0, 300)),
        in_flight=draw(
            st.lists(
                st.builds(InFlight, st.just("EURUSD"), st.sampled_from(Side), some("0.1", "3")), max_size=2
            ).map(tuple)
        ),
        twin=draw(st.sampled_from([None, None, 7])),
        others=draw(
            st.lists(
                st.builds(
                    Elsewhere, st.just("b"), st.just("EURUSD"), st.sampled_from(Side), some("0.1", "3")
                ),
                max_size=2,
            ).map(tuple)
        ),
    )


@st.composite
def positions(draw: st.DrawFn) -> tuple[Position, ...]:
    stops = st.sampled_from([None, D("1.09"), D("1.098")])
    own = position(
        BUY, str(draw(some("0.1", "2"))), stop_loss=draw(stops), unrealized_pnl=draw(money(-300, 300))
    )
    yen = position(
        BUY, "0.2", number=2, symbol="USDJPY", entry="150", stop_loss=D(149), unrealized_pnl=D(0)
    )  # fmt: skip
    return draw(st.sampled_from([(), (own,), (yen,), (own, yen)]))


@st.composite
def contexts(draw: st.DrawFn) -> RiskContext:
    spread = draw(st.integers(0, 40)) * D("0.00001")
    quote = Quote("EURUSD", D("1.1") - spread, D("1.1"), NOW - timedelta(seconds=draw(st.integers(0, 59))))
    held = draw(positions())
    entries = (order(number=3, side=BUY),) if draw(st.booleans()) else ()
    plain = context(
        draw(st.sampled_from(MarginMode)),
        positions=held,
        orders=entries,
        account=account(
            equity=draw(money(8500, 11500)),
            as_of=NOW - timedelta(seconds=draw(st.sampled_from([0, 0, 0, 6]))),
        ),
    )
    return replace(
        plain,
        quote=quote,
        risk=draw(states()),
        rates={"JPY": D("0.0067")},
        held={"USDJPY": USDJPY},
        margin_used=draw(st.sampled_from([None, D(0), D(4000)])),
        fired_at=NOW - timedelta(seconds=draw(st.integers(0, 90))),
        account=replace(plain.account, margin_mode=plain.account.margin_mode),
    )


AMOUNT = money(0, 2500)
SETTINGS: Mapping[str, SearchStrategy[dict[str, Any]]] = {
    "daily_loss": st.fixed_dictionaries(
        {"limit": AMOUNT, "unit": st.sampled_from(["usd", "account"]), "buffer_pct": some("0", "50"),
         "reference": st.sampled_from(["balance", "equity", "max"])}
    ),
    "weekly_loss": st.fixed_dictionaries({"limit": AMOUNT, "unit": st.just("usd"), "buffer_pct": some("0", "50")}),
    "daily_profit": st.fixed_dictionaries({"limit": AMOUNT, "unit": st.just("account")}),
    "trailing_drawdown": st.fixed_dictionaries(
        {"kind": st.sampled_from(["end_of_day", "intraday"]), "amount": AMOUNT, "unit": st.just("account"),
         "floor_seed": st.just(SEED), "buffer_pct": some("0", "50")}
    ),
    "static_floor": st.fixed_dictionaries({"amount": AMOUNT, "unit": st.just("account"), "buffer_pct": some("0", "50")}),
    "max_qty": st.fixed_dictionaries({"per_account": some("0", "5")}),
    "exposure": st.fixed_dictionaries({"per_symbol_usd": money(0, 500000)}),
    "margin_use": st.fixed_dictionaries({"max_pct": some("0", "100"), "leverage": st.just(30)}),
    "stop_distance": st.fixed_dictionaries({"min_ticks": some("0", "400", 0)}),
    "spread": st.fixed_dictionaries({"max_ticks": some("0", "40", 0)}),
    "quote_age": st.fixed_dictionaries({"max_s": some("0", "60", 0)}),
    "alert_age": st.fixed_dictionaries({"max_s": some("0", "90", 0)}),
    "cool_down": st.fixed_dictionaries({"after_losses": st.integers(1, 5), "minutes": some("0", "90", 0)}),
    "consistency": st.fixed_dictionaries({"max_pct": some("0", "99"), "action": st.just("cap")}),
    "duplicates": st.fixed_dictionaries({"window_s": some("0", "60", 0)}),
}  # fmt: skip
"""Rules that compare numbers, with settings on both sides of what the contexts hold."""
