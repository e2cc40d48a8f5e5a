"""The words for what we deny for a limit, a lock or because it could not be sent."""

from collections.abc import Mapping

from shared.models.reasons import Reason
from shared.risk.wording.words import Words

WORDS: Mapping[Reason, Words] = {
    Reason.ACCOUNT_DISABLED: Words(
        ("Trading on this account is switched off.",), "Switch it on; exits work all the time."
    ),
    Reason.ACCOUNT_LOCKED: Words(
        (
            "The account is locked until {until}: {lock}.",
            "The account is locked until {until}.",
            "The account is locked.",
        ),
        "Exits still work; the lock ends by itself.",
    ),
    Reason.ACCOUNT_DISCONNECTED: Words(
        (
            "The account is not connected to its broker: close in {close_in} now.",
            "The account is not connected to its broker.",
        ),
        "Connect it again in the settings.",
    ),
    Reason.ENDPOINT_DISABLED: Words(("The webhook endpoint is switched off.",), "Switch it on."),
    Reason.KILL_SWITCH: Words(
        ("The kill switch is on: nothing is opened anywhere.",),
        "Exits still work; entries do again when it is released.",
    ),
    Reason.HALTED: Words(
        ("The account was halted after this alert arrived, so it is not sent any more.",),
        "Send a new alert once trading goes on.",
    ),
    Reason.MAX_ORDER_SIZE: Words(
        (
            "{value} is more than the largest order you allow ({limit}).",
            "The order is larger than you allow.",
        ),
        "Send a smaller quantity or raise the maximum.",
    ),
    Reason.MAX_TRADES_PER_DAY: Words(
        (
            "This would be trade {value} of the day; {limit} are allowed, and the day ends {until}.",
            "This would be trade {value} of the day; {limit} are allowed.",
            "The day's trades are used up.",
        ),
        "Trading goes on after the day's reset.",
    ),
    Reason.MAX_TRADES_PER_MONTH: Words(
        ("This would be trade {value} of the month; {limit} are allowed.", "The month's trades are used up."),
        "Trading goes on next month, or with a larger plan.",
    ),
    Reason.MAX_OPEN_TRADES: Words(
        ("This would be open trade {value}; {limit} are allowed.", "Too many trades are open."),
        "Close one or cancel a pending entry first.",
    ),
    Reason.MAX_CONCURRENT_POSITIONS: Words(
        ("This would be open position {value}; {limit} are allowed.", "Too many positions are open."),
        "Close one first.",
    ),
    Reason.MAX_RISK_PER_TRADE: Words(
        (
            "The stop would cost {loss} {currency}, {value} % of {base}; {limit} % are allowed.",
            "The trade would risk more than you allow for one trade.",
        ),
        "Use a smaller size or a nearer stop.",
    ),
    Reason.DAILY_LOSS: Words(
        (
            "Today's loss {loss}, open risk {open_risk} and this order's {order} make {value} {currency}; "
            "the limit set for the {scope} is {limit} {currency}, and the day ends {until}.",
            "Today's loss {loss}, open risk {open_risk} and this order's {order} make {value} {currency}; "
            "the limit is {limit} {currency}.",
            "The order could reach the daily loss limit.",
        ),
        "Use a smaller size, or wait for the day's reset.",
    ),
    Reason.DAY_START_UNKNOWN: Words(
        ("What the account was worth at the start of the day is not known, and a daily limit is set.",),
        "Confirm the figure on the account's page.",
    ),
    Reason.PLAN_LIMIT: Words(
        ("Your plan's limit of {limit} is reached.", "Your plan's limit is reached."),
        "Upgrade, or wait until it starts again.",
    ),
    Reason.ENDPOINT_LIMIT: Words(
        ("The endpoint's limit of {limit} is reached.", "The endpoint's limit is reached."),
        "Raise the limit of the endpoint.",
    ),
    Reason.QUEUE_FULL: Words(
        ("Too many alerts of yours are waiting already.",), "Send fewer alerts at once."
    ),
    Reason.STALE: Words(
        (
            "The alert was {age_s} s old when it would have been sent; {limit_s} s are allowed.",
            "The order was to end at {expires_at}, and that was over before it could be sent.",
            "The alert was too old when it would have been sent.",
        ),
        "Check that ts is {{{{timenow}}}}, or raise the endpoint's maximum age.",
    ),
    Reason.TS_IN_FUTURE: Words(
        (
            "The alert's ts is {ahead_s} s in the future; 60 s are allowed.",
            "The alert's ts is more than 60 s in the future.",
        ),
        "Send {{{{timenow}}}} as ts and check the sender's clock.",
    ),
    Reason.UNRESOLVED_ORDER: Words(
        (
            "What became of an earlier order on {symbol} is not known yet; nothing more is opened there.",
            "What became of an earlier order is not known yet.",
        ),
        "It is being asked from the broker; exits still work.",
    ),
    Reason.REDUCE_TOO_LARGE: Words(
        (
            "The exit of {value} is larger than the {limit} that are open.",
            "The exit is larger than the position.",
        ),
        "Use close to close all of it.",
    ),
    Reason.NOT_FLAT: Words(
        (
            "The account is not flat yet: {left}.",
            "The account is not flat yet: what was sent is being looked at again.",
        ),
        "It is tried again until a read of the account shows nothing; you can close it at the broker meanwhile.",
    ),
    Reason.EXECUTOR_OFFLINE: Words(
        (
            "Cannot reach your device: close in {close_in} now.",
            "The device that trades this account is offline.",
        ),
        "Start it; nothing is kept for later.",
    ),
    Reason.LEASE_LOST: Words(
        ("Another worker took over before this order was sent.",),
        "Nothing to do: the other one goes on with it.",
    ),
    Reason.LEG_NOT_FILLED: Words(
        ("The order before it was not completely filled, so this one was not sent.",),
        "Check the position at the broker; send the alert again if you still want it.",
    ),
    Reason.NEVER_ARRIVED: Words(
        ("The broker never received the order, and it was too late to send it again.",),
        "Send a new alert if you still want it.",
    ),
    Reason.INTERNAL_ERROR: Words(
        ("Something on our side went wrong and nothing more was sent.",),
        "Check the position; tell support the event's number.",
    ),
}

LOCKED_UNTIL_LIFTED = Words(
    (
        "The account is locked until you lift the lock: {lock}.",
        "The account is locked until you lift the lock.",
    ),
    "Exits still work.",
)
"""For a lock that no time ends: its `until` is engine.until_lifted(), the year 9000."""
