"""Every rule: what it lets through, what it denies, with which numbers, and that no exit ever meets one."""

from collections.abc import Mapping
from datetime import timedelta

import pytest
from msgspec.structs import replace

from shared.models.context import Counters, Limits, RiskContext, SymbolWord
from shared.models.enums import Action, OnOpposite, OrderType, QtyMode, StopMode
from shared.models.market import Quote
from shared.models.reasons import Reason
from shared.risk.actions import plan
from shared.risk.decision import Denied, Plan
from shared.risk.policy import Approved, evaluate
from shared.risk.rules import RULES
from tests.unit.risk.builders import (
    BUY,
    HEDGING,
    MNQ,
    NETTING,
    NOW,
    SELL,
    XAUUSD,
    D,
    EndpointRules,
    account,
    context,
    guard,
    limits,
    order,
    position,
    risk_state,
    signal,
    stop,
)

ENTRY = signal(Action.OPEN, BUY, "0.5", sl=stop(StopMode.PIPS, "20"), ref_price=D("1.09900"))
NAKED = signal(Action.OPEN, BUY, "0.5")
NAKED_FUTURE = signal(Action.OPEN, BUY, "1", mode=QtyMode.CONTRACTS)
DAY = risk_state(start="10300", in_flight_loss=D(100))
ENDS = "2026-11-24T00:00:00+00:00"


def verdict(ctx: RiskContext, ask: object = ENTRY) -> Approved | Denied:
    answer = plan(ask, ctx)  # type: ignore[arg-type]
    assert isinstance(answer, Plan), answer
    return evaluate(answer, ctx)


DENIALS: list[tuple[Reason, RiskContext, Mapping[str, str]]] = [
    (Reason.KILL_SWITCH, context(trading_halted=True), {}),
    (Reason.ACCOUNT_DISABLED, context(account=account(trading_enabled=False)), {}),
    (
        Reason.ACCOUNT_LOCKED,
        context(account=account(locked_until=NOW + timedelta(hours=1), lock_reason="daily loss")),
        {"until": "2026-11-23T15:30:00+00:00", "lock": "daily loss"},
    ),
    (Reason.UNRESOLVED_ORDER, context(unresolved=frozenset({"EURUSD"})), {"symbol": "EURUSD"}),
    (
        Reason.SYMBOL_NOT_ALLOWED,
        context(limits=Limits(allowed_symbols=("XAUUSD",))),
        {"symbol": "EURUSD", "allowed": "XAUUSD", "where": "account"},
    ),
    (
        Reason.SYMBOL_NOT_ALLOWED,
        context(endpoint=EndpointRules(id="e", allowed_symbols=())),
        {"symbol": "EURUSD", "allowed": "", "where": "endpoint"},
    ),
    (
        Reason.MAX_ORDER_SIZE,
        context(limits=limits(max_order_qty="0.4")),
        {"value": "0.5", "limit": "0.4", "distance": "-0.1"},
    ),
    (
        Reason.MAX_ORDER_SIZE,
        context(endpoint=EndpointRules(id="e", max_qty=D("0.3")), limits=limits(max_order_qty="0.4")),
        {"value": "0.5", "limit": "0.3", "distance": "-0.2"},
    ),
    (
        Reason.MAX_TRADES_PER_DAY,
        context(limits=limits(max_trades_per_day=5), counters=Counters(trades_today=5)),
        {"value": "6", "limit": "5", "distance": "-1", "until": ENDS},
    ),
    (
        Reason.MAX_OPEN_TRADES,
        context(limits=limits(max_open_trades=2), positions=(position(number=1),), orders=(order(),)),
        {"value": "3", "limit": "2", "distance": "-1"},
    ),
    (
        Reason.MAX_CONCURRENT_POSITIONS,
        context(limits=limits(max_concurrent_positions=1), positions=(position(symbol="XAUUSD"),)),
        {"value": "2", "limit": "1", "distance": "-1"},
    ),
    (
        Reason.PRICE_DEVIATION,
        context(limits=limits(max_price_deviation_pct="0.05")),
        {"value": "0.091", "limit": "0.05", "distance": "-0.041", "price": "1.1", "alert_price": "1.099"},
    ),
    (
        Reason.MAX_RISK_PER_TRADE,
        context(limits=limits(max_risk_per_trade_pct="0.9")),
        {"value": "1", "limit": "0.9", "loss": "100", "base": "10000", "distance": "-0.1", "currency": "USD"},
    ),
    (
        Reason.DAY_START_UNKNOWN,
        context(limits=limits(max_daily_loss_usd="500")),
        {"asked_by": "daily_loss", "why": "the account was not read at the day's reset", "scope": "account"},
    ),
    (
        Reason.DAILY_LOSS,
        context(limits=limits(max_daily_loss_usd="500"), risk=DAY),
        {
            "value": "500",
            "limit": "450",
            "distance": "-50",
            "loss": "300",
            "open_risk": "100",
            "order": "100",
            "currency": "USD",
            "scope": "account",
            "until": ENDS,
        },
    ),
    (
        Reason.DAILY_LOSS,
        context(limits=limits(max_daily_loss_pct="5"), risk=DAY),
        {
            "value": "500",
            "limit": "463.5",
            "distance": "-36.5",
            "loss": "300",
            "open_risk": "100",
            "order": "100",
            "currency": "USD",
            "scope": "account",
            "until": ENDS,
        },
    ),
    (Reason.BALANCE_UNKNOWN, context(account=account(balance=None)), {}),
]


@pytest.mark.parametrize(("reason", "ctx", "numbers"), DENIALS, ids=[each[0].value for each in DENIALS])
def test_denied_with_numbers(reason: Reason, ctx: RiskContext, numbers: Mapping[str, str]) -> None:
    """Each rule denies with its value, limit and what is left, and the trace holds every rule's verdict."""
    answer = verdict(ctx)
    assert isinstance(answer, Denied)
    assert (answer.reason, dict(answer.numbers)) == (reason, dict(numbers))
    assert [check.rule for check in answer.checks] == [rule.__name__ for rule in RULES]
    failed = next(check for check in answer.checks if not check.ok)
    assert failed.reason is reason
    assert dict(failed.numbers) == dict(numbers)


EXITS = [
    signal(Action.CLOSE),
    signal(Action.REDUCE, None, "0.5"),
    signal(Action.FLATTEN),
    signal(Action.CANCEL),
    signal(Action.TARGET, None, "0.5"),
    signal(Action.MODIFY, sl=stop(StopMode.PRICE, "1.095")),
]


@pytest.mark.parametrize(("reason", "ctx", "numbers"), DENIALS, ids=[each[0].value for each in DENIALS])
@pytest.mark.parametrize("ask", EXITS, ids=[each.action.value for each in EXITS])
def test_exits_are_never_refused(ask: object, reason: Reason, ctx: RiskContext, numbers: object) -> None:
    """Whatever refuses an entry lets every exit pass."""
    held = position(BUY, "1", number=7, stop_loss=D("1.09"), endpoint_id="e")
    where = replace(ctx, positions=(held,), orders=(order(), guard(held, OrderType.STOP)))
    answer = verdict(where, ask)
    assert isinstance(answer, Approved), answer
    assert answer.refused is None


def test_a_refused_reverse_still_closes() -> None:
    """On an account that opens nothing a reverse closes and does not enter: the refusal is kept for the
    trace.
    """
    held = position(BUY, "1")
    ctx = context(
        positions=(held,), orders=(guard(held, OrderType.STOP),), account=account(trading_enabled=False)
    )
    for ask, where in (
        (signal(Action.REVERSE), ctx),
        (
            signal(Action.OPEN, SELL, "1"),
            replace(ctx, endpoint=EndpointRules(id="e", on_opposite=OnOpposite.REVERSE)),
        ),
    ):
        answer = verdict(where, ask)
        assert isinstance(answer, Approved)
        assert [leg.kind.value for leg in answer.legs] == ["close", "cancel"]
        assert answer.refused is not None
        assert answer.refused.reason is Reason.ACCOUNT_DISABLED
        assert answer.sizing is None


def test_approved_keeps_every_check() -> None:
    """An entry that passes has been before every rule, in order."""
    answer = verdict(context())
    assert isinstance(answer, Approved)
    assert [check.rule for check in answer.checks] == [rule.__name__ for rule in RULES]
    assert all(check.ok for check in answer.checks)


def test_at_the_limit_is_allowed() -> None:
    """A limit of n allows n."""
    ctx = context(
        limits=limits(
            max_order_qty="0.5", max_trades_per_day=1, max_open_trades=1, max_concurrent_positions=1,
            max_risk_per_trade_pct="1",
        )
    )  # fmt: skip
    assert isinstance(verdict(ctx), Approved)


@pytest.mark.parametrize(
    "name", ["max_trades_per_day", "max_open_trades", "max_concurrent_positions", "max_risk_per_trade_pct"]
)
def test_zero_allows_nothing(name: str) -> None:
    """0 = nothing allowed."""
    assert isinstance(verdict(context(limits=Limits(**{name: 0}))), Denied)  # type: ignore[arg-type]


def test_a_lock_that_is_over_is_none() -> None:
    """A lock ends at its time by itself."""
    assert isinstance(verdict(context(account=account(locked_until=NOW))), Approved)


def test_stop_required() -> None:
    """Where a stop is required an entry without one is denied; elsewhere it passes, its risk unmeasured."""
    refused = verdict(context(limits=limits(stop_required=True)), NAKED)
    assert isinstance(refused, Denied)
    assert refused.reason is Reason.STOP_REQUIRED
    assert isinstance(verdict(context(), NAKED), Approved)


def test_a_naked_entry_counts_the_ceiling_as_its_loss() -> None:
    """Without a stop the daily limit counts the margin, or else the ceiling of a trade: 5 % of 10,000."""
    ctx = context(limits=limits(max_daily_loss_usd="900"), risk=replace(DAY, in_flight_loss=D(20)))
    refused = verdict(ctx, NAKED)
    assert isinstance(refused, Denied)
    assert refused.numbers["order"] == "500"


def test_positions_unknown_denies_entries() -> None:
    """A plan made before is not approved once positions are unknown."""
    answer = plan(ENTRY, context())
    assert isinstance(answer, Plan)
    refused = evaluate(answer, context(positions_known=False))
    assert isinstance(refused, Denied)
    assert refused.reason is Reason.POSITION_UNKNOWN


def test_what_a_reverse_closes_makes_room() -> None:
    """A reversal of the only allowed position passes; adding to a netting position opens no second one."""
    one = limits(max_concurrent_positions=1, max_open_trades=1)
    for mode in (HEDGING, NETTING):
        ctx = context(mode, positions=(position(BUY),), orders=(order(),), limits=one)
        answer = verdict(ctx, signal(Action.REVERSE))
        assert isinstance(answer, Approved)
        assert answer.refused is None
    added = context(NETTING, positions=(position(BUY),), limits=limits(max_concurrent_positions=1))
    assert isinstance(verdict(added, signal(Action.ADD, BUY, "0.1")), Approved)
    hedged = context(HEDGING, positions=(position(BUY),), limits=limits(max_concurrent_positions=1))
    assert isinstance(verdict(hedged, signal(Action.ADD, BUY, "0.1")), Denied)


def test_several_portions_are_one_trade() -> None:
    """Three targets and what runs on are one trade, although four orders."""
    tp = tuple(stop(StopMode.RR, str(n), "0.3") for n in (1, 2, 3))
    ask = signal(Action.OPEN, BUY, "0.9", sl=stop(StopMode.PIPS, "20"), tp=tp)
    answer = verdict(context(HEDGING, limits=limits(max_trades_per_day=1, max_open_trades=1)), ask)
    assert isinstance(answer, Approved)
    assert len(answer.legs) == 4


def test_deviation_needs_a_quote() -> None:
    """Where deviation is limited, an alert with a price and no quote is denied; without either it passes."""
    ctx = context(limits=limits(max_price_deviation_pct="1"), quote=None)
    refused = verdict(ctx, signal(Action.OPEN, BUY, "0.5", ref_price=D("1.1")))
    assert isinstance(refused, Denied)
    assert refused.reason is Reason.NO_QUOTE
    assert isinstance(verdict(ctx, NAKED), Approved)


def test_unresolved_elsewhere_does_not_matter() -> None:
    """An order in doubt on one symbol stops entries there only; a root stops all its months."""
    assert isinstance(verdict(context(unresolved=frozenset({"XAUUSD"}))), Approved)
    gold = context(instrument=XAUUSD, unresolved=frozenset({"XAUUSD"}))
    assert isinstance(verdict(gold, NAKED), Denied)


def test_a_rule_reads_like_a_promise() -> None:
    """Every rule has a sentence a trader would sign."""
    for rule in RULES:
        assert rule.__doc__
        assert rule.__doc__.strip().endswith(".")


@pytest.mark.parametrize(
    ("allowed", "passes"),
    [
        ("MES", False), ("MNQ", True), ("MNQ1!", True), ("CME_MINI:MNQH7", True), ("mnqz6", True), ("NQ1!", False),
    ],
)  # fmt: skip
def test_lists_name_the_root(allowed: str, passes: bool) -> None:
    """A future on a list is allowed in any month, under any exchange."""
    ctx = context(NETTING, instrument=MNQ, limits=Limits(allowed_symbols=(allowed,)))
    assert isinstance(verdict(ctx, NAKED_FUTURE), Approved) is passes


def test_lists_know_the_traders_own_word() -> None:
    """What the trader calls XAUUSD is allowed where XAUUSD is, whatever the broker calls it."""
    gold = replace(XAUUSD, symbol="GOLD", root="GOLD")
    word = SymbolWord("GOLD", tv_symbol="TVC:XAUUSD")
    price = Quote("GOLD", D("2399.80"), D("2400"), NOW)
    plain = context(instrument=XAUUSD, limits=Limits(allowed_symbols=("XAUUSD",)))
    ctx = replace(plain, instrument=gold, quote=price, word=word)
    assert isinstance(verdict(ctx, NAKED), Approved)
    assert isinstance(verdict(replace(ctx, word=None), NAKED), Denied)
