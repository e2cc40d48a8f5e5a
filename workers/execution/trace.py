"""What each stage leaves in the trace: named fields only, so that nothing secret or endless can get in."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from shared.models.command import Leg
from shared.models.context import RiskContext
from shared.models.outcome import Accepted, Outcome, Rejected
from shared.models.problem import Problem
from shared.models.signal import Signal
from shared.models.trading import AccountSnapshot
from shared.risk.decision import Check, Note, Sizing
from shared.risk.lifetime import is_ours

Detail = dict[str, Any]
_MANY = (list, dict, tuple, str)
MOST = 20
"""Entries of a list in the trace, at most."""


def _said(**values: Any) -> Detail:
    """What there is to say: no None, no False, nothing empty; 0 is something."""
    return {
        name: value
        for name, value in values.items()
        if value is not None and value is not False and (value or type(value) not in _MANY)
    }


def of_signal(signal: Signal) -> Detail:
    """What the alert asks for, as it was understood."""
    return _said(
        action=signal.action,
        side=signal.side,
        symbol=signal.symbol,
        type=signal.type,
        qty=signal.qty,
        qty_mode=signal.qty_mode,
        price=signal.price,
        stop_price=signal.stop_price,
        sl=_spec(signal.sl),
        tp=[_spec(each) for each in signal.tp or ()],
        **_guards(signal),
        tag=signal.tag,
        position_id=signal.position_id,
        ref_price=signal.ref_price,
    )


def _guards(said: Signal | Leg) -> Detail:
    """Trailing stop, break-even and time exit."""
    trail, be = said.trail, said.be
    return {
        "trail": trail
        and _said(mode=trail.mode, value=trail.value, activate=trail.activate, step=trail.step),
        "be": be and _said(trigger=_spec(be.trigger), plus=_spec(be.plus)),
        "time_exit_s": said.time_exit_s,
    }


def _rungs(leg: Leg) -> list[Detail]:
    """Targets that we see to."""
    rungs = leg.ladder.rungs if leg.ladder is not None else ()
    return [_said(qty=each.qty, **(_spec(each.spec) or {})) for each in rungs]


def _spec(spec: Any) -> Detail | None:
    return None if spec is None else _said(mode=spec.mode, value=spec.value, portion=spec.portion)


def of_problems(problems: Iterable[Problem]) -> Detail:
    """Why a body is invalid."""
    return {"problems": [{"path": each.path, "message": each.message} for each in problems][:MOST]}


def of_context(context: RiskContext, snapshot: AccountSnapshot | None, unread: str | None) -> Detail:
    """What the decision is based on, each value with its age."""
    account, instrument, quote = context.account, context.instrument, context.quote
    age = None if account.as_of is None else round((context.now - account.as_of).total_seconds(), 3)
    return _said(
        symbol=instrument.symbol if instrument else None,
        venue_symbol=instrument.venue_symbol if instrument else None,
        why=instrument.why or None if instrument else None,
        ambiguous=list(context.ambiguous.candidates) if context.ambiguous else None,
        symbol_map=context.word.venue_symbol if context.word else None,
        pip_size=context.word.pip_size if context.word else None,
        tick_size=instrument.tick_size if instrument else None,
        qty_step=instrument.qty_step if instrument else None,
        bid=quote.bid if quote else None,
        ask=quote.ask if quote else None,
        quote_source=quote.source if quote else None,
        balance=account.balance,
        equity=account.equity,
        currency=account.currency,
        money_age_s=age if age is None or age > 0 else 0,
        read_now=snapshot is not None,
        unread=unread,
        positions=[
            _said(id=each.venue_position_id, symbol=each.symbol, side=each.side, qty=each.qty)
            for each in context.positions[:MOST]
        ],
        pending_orders=len(context.orders),
        unresolved=sorted(context.unresolved),
    )


def of_plan(legs: Iterable[Leg], notes: Iterable[Note], sizing: Sizing | None) -> Detail:
    """What is to be sent, and how its size came about."""
    return _said(
        legs=of_legs(legs),
        sizing=sizing.numbers() if sizing else None,
        notes=[_said(text=each.text, numbers=dict(each.numbers)) for each in notes],
    )


def of_checks(checks: Sequence[Check]) -> Detail:
    """Every rule's verdict with its numbers; of those that nobody has set only how many they are."""
    asked = [each for each in checks if each.asked]
    told = [_said(rule=each.rule, reason=each.reason, **each.numbers) | {"ok": each.ok} for each in asked]
    return _said(checks=told, not_set=sum(1 for each in checks if not each.asked))


def of_legs(legs: Iterable[Leg]) -> list[Detail]:
    """Legs in short."""
    return [
        _said(
            leg=leg.leg,
            kind=leg.kind,
            symbol=leg.symbol,
            side=leg.side,
            type=leg.type,
            qty=leg.qty,
            price=leg.price,
            stop_price=leg.stop_price,
            stop_loss=leg.protection.stop_loss,
            take_profit=leg.protection.take_profit,
            reduce_only=leg.reduce_only,
            after_fill=leg.after_fill,
            expires_at=leg.expires_at,
            expiry="ours" if is_ours(leg) else None,
            **_guards(leg),
            targets=_rungs(leg),
            kept="by us" if leg.trail or leg.be or leg.time_exit_s or leg.ladder else None,
            position=leg.venue_position_id,
            order=leg.venue_order_id,
            worst_loss=leg.worst_loss,
        )
        for leg in legs
    ][:MOST]


def of_outcome(leg: Leg, client_order_id: str, outcome: Outcome) -> Detail:
    """What the broker said about one leg."""
    detail = {"leg": leg.leg, "kind": leg.kind, "client_order_id": client_order_id}
    if isinstance(outcome, Accepted):
        told = _said(
            venue_order_id=outcome.venue_order_id,
            status=outcome.status,
            filled_qty=outcome.filled_qty or None,
            avg_price=outcome.avg_price,
        )
    elif isinstance(outcome, Rejected):
        told = _said(reason=outcome.reason, text=outcome.text[:200], numbers=outcome.numbers)
    else:
        told = _said(text=outcome.text[:200])
    return detail | told
