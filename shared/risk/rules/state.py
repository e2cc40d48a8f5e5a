"""Whether anything may be opened at all: switches, locks, and what is not known."""

from shared.models.reasons import Reason
from shared.risk.decision import Denied
from shared.risk.rules.base import Verdict, moment
from shared.risk.rules.case import Case


def kill_switch(case: Case) -> Verdict:
    """While trading is halted for everyone, nothing is opened."""
    return Denied(Reason.KILL_SWITCH) if case.ctx.trading_halted else {}


def account_enabled(case: Case) -> Verdict:
    """On an account that is switched off, nothing is opened."""
    return {} if case.ctx.account.trading_enabled else Denied(Reason.ACCOUNT_DISABLED)


def account_unlocked(case: Case) -> Verdict:
    """On an account that is locked, nothing is opened until the lock ends."""
    account = case.ctx.account
    if account.locked_until is None or account.locked_until <= case.ctx.now:
        return {}
    why = {"lock": account.lock_reason} if account.lock_reason else {}
    return Denied(Reason.ACCOUNT_LOCKED, {"until": moment(account.locked_until)} | why)


def no_unresolved_order(case: Case) -> Verdict:
    """While we do not know what became of an order, nothing more is opened on its symbol."""
    unresolved = case.ctx.unresolved
    for leg in case.limited:
        if leg.root in unresolved or leg.symbol in unresolved:
            return Denied(Reason.UNRESOLVED_ORDER, {"symbol": leg.symbol})
    return {}


def positions_known(case: Case) -> Verdict:
    """While the account's positions could not be read, nothing is opened."""
    return {} if case.ctx.positions_known else Denied(Reason.POSITION_UNKNOWN)
