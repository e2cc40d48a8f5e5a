"""Puts a plan before the rules. The only place where an Approved is made."""

from collections.abc import Sequence
from dataclasses import InitVar, dataclass
from decimal import localcontext

from shared.models.command import Leg
from shared.models.context import RiskContext
from shared.models.enums import CommandKind
from shared.risk.decision import Check, Denied, Note, Plan, Sizing
from shared.risk.grid import EXACT
from shared.risk.rules import OFF, RULES
from shared.risk.rules.case import Case


class _Seal:
    """Only this module holds one: whoever has an Approved has passed the rules."""


_SEAL = _Seal()
_NAMED = tuple((rule.__name__, rule) for rule in RULES)
_UNASKED = {name: Check(name, True, OFF, asked=False) for name, _ in _NAMED}


@dataclass(frozen=True, slots=True)
class Approved:
    """Legs that may be sent. Made by `evaluate` only: a type error elsewhere, and a TypeError.

    `refused`: the entry was refused and only exits are left (a reverse on a locked account closes).
    """

    legs: tuple[Leg, ...]
    checks: tuple[Check, ...]
    notes: tuple[Note, ...]
    sizing: Sizing | None
    refused: Denied | None
    seal: InitVar[_Seal]

    def __post_init__(self, seal: _Seal) -> None:
        if seal is not _SEAL:
            raise TypeError("an Approved is made by shared.risk.policy.evaluate only")


def evaluate(plan: Plan, ctx: RiskContext) -> Approved | Denied:
    """Approved, or Denied by the first rule that fails. Rules are asked only about what can increase exposure.

    A refused entry never takes an exit down with it: what only reduces is approved without it.
    """
    if not any(leg.is_limited for leg in plan.legs):
        return _approved(plan, plan.legs, (), None)
    with localcontext(EXACT):
        checks, refused = _ask(plan.legs, ctx)
    if refused is None:
        return _approved(plan, plan.legs, checks, None)
    exits = _exits(plan.legs)
    return _approved(plan, exits, checks, refused) if exits else refused


def _ask(legs: Sequence[Leg], ctx: RiskContext) -> tuple[tuple[Check, ...], Denied | None]:
    """Every rule's verdict, so that a trace shows all that stands in the way, and the first that denies."""
    checks: list[Check] = []
    refused: Denied | None = None
    case = Case(legs, ctx)
    for name, rule in _NAMED:
        verdict = rule(case)
        if isinstance(verdict, Denied):
            checks.append(Check(name, False, verdict.numbers, reason=verdict.reason))
            refused = refused or verdict
        else:
            checks.append(_UNASKED[name] if verdict is OFF else Check(name, True, verdict))
    told = tuple(checks)
    return told, None if refused is None else Denied(refused.reason, refused.numbers, told)


def _exits(legs: Sequence[Leg]) -> tuple[Leg, ...]:
    """What is worth sending without the entry: nothing, unless a position gets smaller or safer by it."""
    left = tuple(leg for leg in legs if not leg.is_limited and leg.kind is not CommandKind.PLACE)
    return left if any(leg.kind in (CommandKind.CLOSE, CommandKind.PROTECT) for leg in left) else ()


def _approved(
    plan: Plan, legs: tuple[Leg, ...], checks: tuple[Check, ...], refused: Denied | None
) -> Approved:
    sizing = None if refused else plan.sizing
    return Approved(legs, checks, plan.notes, sizing, refused, _SEAL)
