"""Write ahead: orders and commands exist, with their client order ids, before anything is sent."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from msgspec.structs import fields, replace

from shared import clock
from shared.brokers.port import Sent, WrittenAhead
from shared.models.changes import changed
from shared.models.command import Leg
from shared.models.enums import Action, CommandState, DeliveryOutcome, OrderStatus, Stage
from shared.models.outcome import Outcome
from shared.models.reasons import Reason
from shared.models.signal import Signal
from shared.risk.fit import Fitted
from shared.store.port import StoreUnavailable
from shared.store.rows import Command, Numbers, Opened, OpenedCommand, Plan
from workers.execution.desk import Desk
from workers.execution.job import Ended, Job, Later, Lost, ended

_DEFAULTS = {field.name: field.default for field in fields(Leg)}
RETRY_S = 0.2
PATIENCE = 20
"""Times an exit that would close more than is open now is given back; then it is denied with its numbers."""


@dataclass(slots=True)
class Step:
    """One command on its way. `go` = we, and only we, may send it now. `known`: as the holder before us left it."""

    command_id: int
    client_order_id: str
    leg: Leg
    proof: Fitted | WrittenAhead
    state: CommandState
    go: bool
    submitted_at: datetime | None = None
    denial: tuple[Reason, Numbers] | None = None
    outcome: Outcome | None = None
    filled: bool = False
    recorded: bool = False
    order_id: int | None = None
    known: Command | None = None

    def sent(self, send_by: float = float("inf")) -> Sent:
        """As the port takes it; `send_by` (monotonic) is the lease's deadline."""
        at = self.submitted_at or clock.now()
        return Sent(self.command_id, self.client_order_id, self.leg, self.proof, at, send_by)


@dataclass(slots=True)
class Written:
    """A delivery's commands, by leg. `refused`: why its entry was refused when only exits are left."""

    steps: list[Step]
    refused: tuple[Reason, Numbers] | None = None


async def write_ahead(
    job: Job, signal: Signal, fitted: Fitted, risk: dict[str, Any] | None, desk: Desk
) -> Written | Ended | Later | Lost:
    """One engine.open_orders for all that is ready at this moment; also begins the leading legs.

    `risk` is what the order puts at stake, where the user has rules (shared/risk/stakes.py).
    """
    first = 1 + max((each.leg for each in job.claimed.commands), default=-1)
    legs = [_priced(changed(leg, leg=first + leg.leg), signal) for leg in fitted.legs]
    plan = Plan(job.id, job.lease.token, [_as_json(leg) for leg in legs], _behind(risk, first))
    opened = await _open(job, plan, desk)
    job.clocked("written_ms")
    if isinstance(opened, Lost) or opened.verdict == "lost":
        return Lost()
    if opened.verdict == "denied":
        return _denied(job, signal, opened)
    by_leg = {leg.leg: leg for leg in legs}
    commands = [each for each in opened.commands if each.leg in by_leg]
    job.step(Stage.WRITE, "opened", {"commands": [_told(each) for each in commands]})
    refused = fitted.refused
    return Written(
        [_step(each, by_leg[each.leg], fitted) for each in commands],
        (refused.reason, numbers_text(refused.numbers)) if refused else None,
    )


def resumed(commands: Iterable[Command]) -> Written:
    """What another holder wrote ahead: `pending` is provably unsent, the others have their outcome."""
    return Written(
        [
            Step(
                command_id=each.id,
                client_order_id=each.client_order_id,
                leg=each.request,
                proof=WrittenAhead(),
                state=each.state,
                go=False,
                filled=each.order_status is OrderStatus.FILLED,
                recorded=each.state is not CommandState.PENDING,
                order_id=each.order_id,
                known=each,
            )
            for each in sorted(commands, key=lambda command: command.leg)
        ]
    )


async def write_more(job: Job, legs: list[Leg], written: Written, desk: Desk) -> list[Step] | Lost:
    """Legs behind those that are written: their steps, none of them when the database denies them."""
    first = 1 + max(each.leg.leg for each in written.steps)
    legs = [replace(leg, leg=first + index) for index, leg in enumerate(legs)]
    opened = await _open(job, Plan(job.id, job.lease.token, [_as_json(leg) for leg in legs]), desk)
    if isinstance(opened, Lost) or opened.verdict == "lost":
        return Lost()
    detail = {"reason": opened.reason} if opened.verdict == "denied" else {"legs": len(legs)}
    job.step(Stage.WRITE, opened.verdict, detail)
    by_leg = {leg.leg: leg for leg in legs}
    return [_step(each, by_leg[each.leg], WrittenAhead()) for each in opened.commands if each.leg in by_leg]


async def _open(job: Job, plan: Plan, desk: Desk) -> Opened | Lost:
    while job.lease.may_send():
        try:
            return await desk.opening.ask(plan)
        except StoreUnavailable:
            # Safe to ask again: what the first time wrote is the answer.
            await asyncio.sleep(RETRY_S)
    return Lost()


def _denied(job: Job, signal: Signal, opened: Opened) -> Ended | Later:
    reason, numbers = opened.reason or Reason.INTERNAL_ERROR, numbers_text(opened.numbers)
    job.step(Stage.WRITE, "denied", {"reason": reason, **numbers})
    waits = signal.action in (Action.CLOSE, Action.REDUCE, Action.FLATTEN)
    if reason is Reason.REDUCE_TOO_LARGE and waits and job.claimed.delivery.attempts < PATIENCE:
        return Later(reason, numbers)  # an earlier exit is still in flight: what it leaves is read again
    outcome = DeliveryOutcome.SKIPPED if reason is Reason.SUPERSEDED else DeliveryOutcome.DENIED
    return ended(outcome, reason, numbers)


def _behind(risk: dict[str, Any] | None, first: int) -> dict[str, Any] | None:
    """The amounts by leg, numbered as the legs are written."""
    if risk is None or first == 0:
        return risk
    moved = {
        name: {str(first + int(leg)): amount for leg, amount in risk[name].items()}
        for name in ("loss", "notional_usd")
    }
    return risk | moved


def _priced(leg: Leg, signal: Signal) -> Leg:
    """Exits carry the alert's price too: a book without quotes fills them at it."""
    return (
        leg
        if leg.ref_price is not None or signal.symbol is None
        else replace(leg, ref_price=signal.ref_price)
    )


def _guard(leg: Leg) -> dict[str, Any]:
    """What we see to ourselves while what the leg opens, or changes, is open; empty = nothing."""
    kept = {"trail": leg.trail, "be": leg.be, "time_exit_s": leg.time_exit_s, "ladder": leg.ladder}
    return {} if not any(kept.values()) else {"guard": kept}


def _request(leg: Leg) -> dict[str, Any]:
    """The leg without what it says by default: half of it, which the database would take apart and keep twice."""
    return {name: value for name, default in _DEFAULTS.items() if (value := getattr(leg, name)) != default}


def _as_json(leg: Leg) -> dict[str, Any]:
    """The leg's columns, where it says something, beside the leg itself, which comes back as it was when another
    worker goes on."""
    columns = {
        "leg": leg.leg,
        "kind": leg.kind,
        "symbol": leg.symbol,
        "venue_symbol": leg.venue_symbol,
        "root": leg.root,
        "side": leg.side,
        "type": leg.type,
        "qty": leg.held_qty if leg.qty is None else leg.qty,
        "price": leg.price,
        "stop_price": leg.stop_price,
        "tif": leg.tif,
        "expires_at": leg.expires_at,
        "stop_loss": leg.protection.stop_loss,
        "take_profit": leg.protection.take_profit,
        "reduce_only": leg.reduce_only,
        "after_fill": leg.after_fill,
        "venue_position_id": leg.venue_position_id,
        "venue_order_id": leg.venue_order_id,
        "order_id": leg.order_id,
        "ref_price": leg.ref_price,
        "worst_loss": leg.worst_loss,
        "tag": leg.tag,
        "request": _request(leg),
    }
    said = {name: value for name, value in columns.items() if value is not None and value is not False}
    return _guard(leg) | said


def _step(opened: OpenedCommand, leg: Leg, proof: Fitted | WrittenAhead) -> Step:
    denial = None
    if not opened.go and opened.reason is not None:
        denial = (opened.reason, numbers_text(opened.numbers))
    return Step(
        command_id=opened.id,
        client_order_id=opened.client_order_id,
        leg=leg,
        proof=proof,
        state=CommandState.SUBMITTING if opened.go else CommandState.PENDING,
        go=opened.go,
        submitted_at=opened.submitted_at,
        denial=denial,
        order_id=opened.order_id,
    )


def _told(opened: OpenedCommand) -> dict[str, Any]:
    return {"leg": opened.leg, "order_id": opened.order_id, "client_order_id": opened.client_order_id}


def numbers_text(numbers: Any) -> Numbers:
    """Numbers of a denial as text."""
    return {str(name): str(value) for name, value in (numbers or {}).items()}
