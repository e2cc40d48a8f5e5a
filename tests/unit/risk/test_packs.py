"""The packs of prop firms: they hold together, and day by day they say what the firm's own examples say."""

import json
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from local.paths import PROJECT
from shared.models.command import Leg
from shared.models.context import Limits, RiskState, TradingDay
from shared.models.enums import CommandKind
from shared.models.limits import FloorSeed, RuleSettings, ScopedRules
from shared.risk.decision import Denied
from shared.risk.floors import Money, Standing, standings
from shared.risk.packs import Applied, PackError, apply_pack, packs, variants
from shared.risk.resets import last_time, next_time
from shared.risk.rules.case import Case
from shared.risk.rules.size import max_qty
from shared.risk.watch import breaches
from tests.unit.risk.builders import BUY, MNQ, NETTING, NOW, D, account, context, position

VECTORS = sorted((PROJECT / "tests" / "payloads" / "packs").glob("*.json"))


def read(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text(), parse_float=Decimal, parse_int=Decimal)
    return found


def applied(vector: dict[str, Any]) -> Applied:
    seed = vector["floor_seed"]
    return apply_pack(
        vector["pack"], vector["size"], vector["stage"], options=tuple(vector["options"]),
        floor_seed=None if seed is None else FloorSeed(amount=seed, on=date(2026, 11, 1), by="the vector"),
    )  # fmt: skip


def lived(vector: dict[str, Any], made: Applied) -> Iterator[tuple[dict[str, Any], datetime, RiskState]]:
    """Each mark of each day, with the state in which the account is then."""
    state = RiskState(initial_balance=made.account.initial_balance)
    zone, reset = made.account.timezone, made.account.reset_time
    for each in vector["days"]:
        for mark in each["marks"]:
            at = datetime.fromisoformat(mark["at"])
            day = TradingDay(
                date.fromisoformat(each["day"]), last_time(at, reset, zone), next_time(at, reset, zone),
                each["start"], each.get("start_equity", each["start"]),
            )  # fmt: skip
            yield mark, at, replace(state, day=day)
        net = each["close"] - each["start"]
        highest = each["close"] if state.high_close is None else max(state.high_close, each["close"])
        best = net if state.best_day is None else max(state.best_day, net)
        state = replace(state, high_close=highest, best_day=best, net_profit=(state.net_profit or D(0)) + net)


@pytest.mark.parametrize("path", VECTORS, ids=lambda path: path.stem)
def test_what_the_firms_say(path: Path) -> None:
    """Value, limit, distance and verdict of each rule at each mark are those of the firm's example."""
    vector = read(path)
    made = applied(vector)
    limits = Limits(rule_sets=(ScopedRules("account", made.rules),))
    for mark, at, state in lived(vector, made):
        found = {rule: each for _, rule, each in standings(limits, state, Money(mark["equity"], D(1)))}
        for rule, wanted in mark["stands"].items():
            stands = found[rule]
            assert isinstance(stands, Standing), (rule, stands)
            told = {"value": stands.value, "limit": stands.limit, "distance": stands.distance}
            assert told == wanted, (mark["at"], rule)
        read_now = account(
            equity=mark["equity"], timezone=made.account.timezone, reset_time=made.account.reset_time
        )
        closed = breaches(read_now, (position(),), state, limits, at)
        assert [each.rule for each in closed] == mark["breaches"], mark["at"]


@pytest.mark.parametrize("variant", list(variants()), ids="-".join)
def test_every_variant_can_be_applied(variant: tuple[str, str, str]) -> None:
    """Every size of every stage makes settings that hold together and name the pack that wrote them."""
    name, size, stage = variant
    made = apply_pack(name, size, stage)
    assert made.rules.pack is not None
    assert (made.rules.pack.name, made.rules.pack.size, made.rules.pack.stage) == variant
    assert made.rules.pack.version == packs()[name].version
    assert made.rules.daily_loss or made.rules.trailing_drawdown
    assert made.account.initial_balance >= 0


@pytest.mark.parametrize("name", list(packs()))
def test_every_option_can_be_applied(name: str) -> None:
    """An option adds its rules where it may be chosen, for every size."""
    pack = packs()[name]
    for option, each in pack.options.items():
        for stage in each.stages or pack.stages:
            for size in pack.stages[stage].sizes:
                made = apply_pack(name, size, stage, options=(option,))
                assert all(getattr(made.rules, rule) is not None for rule in each.rules)


def test_every_variant_has_an_example() -> None:
    """A vector for each size of Topstep and each kind of rule, and for each of the other packs."""
    told = [read(path) for path in VECTORS]
    shown = {(each["pack"], each["size"], each["stage"]) for each in told}
    assert {each for each in variants() if each[0] == "topstep"} <= shown
    assert {each["pack"] for each in told} == set(packs())
    assert all(each["source"] for each in told)


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        (("tip_top", "50K", "combine"), "no pack called tip_top; there is topstep"),
        (("topstep", "51K", "combine"), "no size of topstep combine called 51K; there is 50K, 100K, 150K"),
        (("topstep", "50K", "live"), "no stage of topstep called live; there is combine, express_funded"),
    ],
)
def test_what_there_is_not_is_said(asked: tuple[str, str, str], words: str) -> None:
    """A wrong name is answered with the right ones."""
    with pytest.raises(PackError, match=words):
        apply_pack(*asked)


def test_an_option_of_another_stage_is_refused() -> None:
    """The consistency path is chosen by funded traders only."""
    with pytest.raises(PackError, match="no option of topstep combine called consistency_path"):
        apply_pack("topstep", "50K", "combine", options=("consistency_path",))


def test_without_the_firms_floor_a_trailing_pack_is_not_armed() -> None:
    """What the account has reached before is not guessed from its size."""
    made = apply_pack("topstep", "50K", "combine")
    assert made.rules.trailing_drawdown is not None
    assert made.rules.trailing_drawdown.floor_seed is None


@pytest.mark.parametrize(
    "path", [path for path in VECTORS if "contracts" in read(path)], ids=lambda path: path.stem
)
def test_the_scaling_plan_by_the_balance(path: Path) -> None:
    """As many contracts as the plan says at a balance pass, one more does not; ten micros are one."""
    vector = read(path)
    made = applied(vector)
    es = replace(MNQ, symbol="ESZ6", venue_symbol="ES", root="ES")
    for step in vector["contracts"]:
        day = TradingDay(
            NOW.date(), NOW - timedelta(hours=6), NOW + timedelta(hours=6), step["balance"], step["balance"]
        )
        state = RiskState(initial_balance=made.account.initial_balance, day=day)
        scoped = (ScopedRules("account", RuleSettings(max_qty=made.rules.max_qty)),)
        for instrument, each in ((es, D(1)), (MNQ, D(10))):
            held = account(NETTING, balance=step["balance"], equity=step["balance"])
            ctx = replace(
                context(NETTING, account=held, limits=Limits(rule_sets=scoped), risk=state),
                instrument=instrument,
            )
            for qty, passes in ((step["allowed"] * each, True), (step["allowed"] * each + 1, False)):
                leg = Leg(
                    0,
                    CommandKind.PLACE,
                    instrument.symbol,
                    instrument.venue_symbol,
                    instrument.root,
                    BUY,
                    qty=qty,
                )
                verdict = max_qty(Case([leg], ctx))
                assert isinstance(verdict, Denied) is not passes, (step, qty, verdict)
