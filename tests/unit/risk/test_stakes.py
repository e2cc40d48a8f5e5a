"""What an order puts at stake: the rooms that its rules left, by what they shrink, and what it takes itself."""

from __future__ import annotations

from decimal import Decimal as D
from typing import Any

from msgspec.structs import replace

from shared.models.context import Limits, RiskContext
from shared.models.enums import Action, StopMode
from shared.models.reasons import Reason
from shared.risk import actions, policy
from shared.risk import fit as grid
from shared.risk.decision import Plan
from shared.risk.fit import Fitted
from shared.risk.policy import Approved
from shared.risk.stakes import at_stake
from tests.unit.risk.builders import BUY, NETTING, context, position, risk_state, scoped, signal, stop

RULES: dict[str, Any] = {
    "daily_loss": {"limit": 1000, "unit": "usd"},
    "static_floor": {"amount": 2000, "unit": "account"},
    "max_qty": {"per_account": 5},
    "exposure": {"per_symbol_usd": 1_000_000},
    "no_opposite": {},
    "cool_down": {"after_losses": 2, "minutes": 15},
}


def fitted(ctx: RiskContext, qty: str = "1") -> Fitted:
    """A buy with a stop of 20 pips through the rules."""
    plan = actions.plan(signal(Action.OPEN, BUY, qty, sl=stop(StopMode.PIPS, "20")), ctx)
    assert isinstance(plan, Plan), plan
    approved = policy.evaluate(plan, ctx)
    assert isinstance(approved, Approved), approved
    done = grid.fit(approved, ctx)
    assert isinstance(done, Fitted)
    return done


def limited(**changes: Any) -> RiskContext:
    return context(NETTING, limits=Limits(rule_sets=(scoped(**RULES),)), risk=risk_state(), **changes)


def test_rooms_are_what_the_rules_left() -> None:
    """A loss of 200 under a day's 900: 700 left; the floor, the quantity and the dollars in their own units."""
    ctx = limited()
    told = at_stake(fitted(ctx), ctx, {"loss": D(40)}, {"EURUSD:sell": D(3)})
    assert told is not None
    rooms = {each["reason"]: each for each in told["rooms"]}
    daily = rooms[Reason.DAILY_LOSS]
    assert (daily["left"], daily["key"], daily["seen"], daily["touch"], daily["drift"]) == (
        700,
        "loss",
        40,
        True,
        "down",
    )
    assert (rooms[Reason.STATIC_FLOOR]["key"], rooms[Reason.STATIC_FLOOR]["falls"]) == ("loss", True)
    assert (rooms[Reason.MAX_QTY]["left"], rooms[Reason.MAX_QTY]["touch"]) == (4, False)
    assert (rooms[Reason.EXPOSURE]["owner"], rooms[Reason.EXPOSURE]["left"]) == ("user", 890_000)
    opposite = rooms[Reason.OPPOSITE_ELSEWHERE]
    assert (opposite["key"], opposite["seen"], opposite["left"]) == ("EURUSD:sell", 3, 0)
    assert told["cool_down"] == [{"scope": "account", "after_losses": 2, "minutes": D(15)}]


def test_takes_are_what_the_order_risks_and_is_worth() -> None:
    """Loss, quantity, dollars and side, per account and per user; by leg for those that come after."""
    ctx = limited()
    told = at_stake(fitted(ctx, "2"), ctx, {}, {})
    assert told is not None
    assert told["takes"] == {
        "account": {"loss": D(400), "qty": D(2)},
        "user": {"notional": D(220_000), "EURUSD:buy": D(2)},
    }
    assert told["loss"] == {"0": D(400)}
    assert told["notional_usd"] == {"0": D(220_000)}
    assert told["equity"] == 10_000


def test_margin_is_asked_again_per_scope() -> None:
    """Two lots of 110,000 each at 50 and at 100 times: what is in use after the order, and the dearer as what it takes."""
    sets = (
        scoped("user", margin_use={"max_pct": 60, "leverage": 50}),
        scoped("account", margin_use={"max_pct": 40, "leverage": 100}),
    )
    ctx = context(NETTING, limits=Limits(rule_sets=sets), risk=risk_state(), margin_used=D(300))
    told = at_stake(fitted(ctx), ctx, {"margin": D(5)}, {})
    assert told is not None
    assert told["margin_use"] == [
        {"scope": "user", "max_pct": D(60), "margin": D(2500), "seen": D(5)},
        {"scope": "account", "max_pct": D(40), "margin": D(1400), "seen": D(5)},
    ]
    assert told["takes"]["account"]["margin"] == D(2200)


def test_windows_are_looked_at_again_by_root_and_side() -> None:
    """A window of nothing asks nothing."""
    sets = (scoped("user", duplicates={"window_s": 10}), scoped("account", duplicates={"window_s": 0}))
    ctx = context(NETTING, limits=Limits(rule_sets=sets), risk=risk_state())
    told = at_stake(fitted(ctx), ctx, {}, {})
    assert told is not None
    assert told["duplicates"] == [{"scope": "user", "window_s": D(10), "root": "EURUSD", "side": "buy"}]
    assert (told["margin_use"], "margin" in told["takes"]["account"]) == ([], False)


def test_a_share_that_caps_is_asked_again_and_one_that_warns_is_not() -> None:
    """The narrower share only warns: what is left is what the cap of the other scope leaves, and it binds."""
    warns = scoped("user", consistency={"max_pct": 10, "target": 1000, "action": "warn"})
    caps = scoped("account", consistency={"max_pct": 50, "target": 1000, "action": "cap"})
    for sets, left in (((warns, caps), [D(500)]), ((warns,), [])):
        ctx = context(NETTING, limits=Limits(rule_sets=sets), risk=risk_state())
        told = at_stake(fitted(ctx), ctx, {}, {})
        assert told is not None
        assert [each["left"] for each in told["rooms"] if each["reason"] is Reason.CONSISTENCY] == left


def test_exits_and_users_without_rules_put_nothing_at_stake() -> None:
    """A close is no stake, and where nothing is known of risk nothing is asked."""
    held = limited(positions=(position(BUY),))
    plan = actions.plan(signal(Action.CLOSE), held)
    assert isinstance(plan, Plan)
    approved = policy.evaluate(plan, held)
    assert isinstance(approved, Approved)
    done = grid.fit(approved, held)
    assert isinstance(done, Fitted)
    assert at_stake(done, held, {}, {}) is None
    plain = replace(context(NETTING), risk=None)
    assert at_stake(fitted(plain), plain, {}, {}) is None
