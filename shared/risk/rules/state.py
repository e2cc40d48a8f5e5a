"""Whether anything may be opened at all: switches, locks, and what is not known."""

from collections.abc import Sequence

from shared.models.command import Leg
from shared.models.context import RiskContext
from shared.models.reasons import Reason
from shared.risk.decision import Denied
from shared.risk.rules.base import Verdict, limited, moment


def kill_switch(legs: Sequence[Leg], ctx: RiskContext) -> Verdict:
    """While trading is halted for everyone, nothing is opened."""
    return Denied(Reason.KILL_SWITCH) if ctx.trading_halted else {}


def account_enabled(legs: Sequence[Leg], ctx: RiskContext) -> Verdict:
    """On an account that is switched off, nothing is opened."""
    return {} if ctx.account.trading_enabled else Denied(Reason.ACCOUNT_DISABLED)


def account_unlocked(legs: Sequence[Leg], ctx: RiskContext) -> Verdict:
    """On an account that is locked, nothing is opened until the lock ends."""
    until = ctx.account.locked_until
    if until is None or until <= ctx.now:
        return {}
    why = {"lock": ctx.account.lock_reason} if ctx.account.lock_reason else {}
    return Denied(Reason.ACCOUNT_LOCKED, {"until": moment(until)} | why)


def no_unresolved_order(legs: Sequence[Leg], ctx: RiskContext) -> Verdict:
    """While we do not know what became of an order, nothing more is opened on its symbol."""
    for leg in limited(legs):
        if leg.root in ctx.unresolved or leg.symbol in ctx.unresolved:
            return Denied(Reason.UNRESOLVED_ORDER, {"symbol": leg.symbol})
    return {}


def positions_known(legs: Sequence[Leg], ctx: RiskContext) -> Verdict:
    """While the account's positions could not be read, nothing is opened."""
    return {} if ctx.positions_known else Denied(Reason.POSITION_UNKNOWN)


def protection_is_kept(legs: Sequence[Leg], ctx: RiskContext) -> Verdict:
    """No order is sent with a trailing stop, break-even or time exit: nothing would move or close it later."""
    for leg in legs:
        for name, wanted in (("trail", leg.trail), ("be", leg.be), ("time_exit_s", leg.time_exit_s)):
            if wanted is not None:
                return Denied(Reason.NOT_SUPPORTED, {"what": f"{name} is not kept by us yet"})
    return {}
