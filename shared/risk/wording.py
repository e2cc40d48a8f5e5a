"""The words for every reason. Per reason: what happened, most exact first (the first whose numbers are all
there is used, the last one needs none), and what the trader can do."""

from collections.abc import Mapping
from typing import NamedTuple

from shared.models.reasons import Reason


class Words(NamedTuple):
    """`what`: alternatives from exact to general. `advice`: what to do now."""

    what: tuple[str, ...]
    advice: str


WORDS: Mapping[Reason, Words] = {
    Reason.ALREADY_IN_POSITION: Words(
        ("A position on this side is already open and the endpoint ignores further entries.",),
        "Set on_same to add if every alert should add to it.",
    ),
    Reason.ALREADY_ON_SIDE: Words(
        (
            "The position is already on the {side} side, so there was nothing to reverse.",
            "The position is already on the wanted side, so there was nothing to reverse.",
        ),
        "Nothing to do.",
    ),
    Reason.ALREADY_AT_TARGET: Words(
        (
            "The position of {position} is already at the target of {target}.",
            "The position is already at its target.",
        ),
        "Nothing to do.",
    ),
    Reason.NOTHING_TO_ADD_TO: Words(
        ("There is no {side} position to add to.", "There is no position to add to."),
        "Use action open for a first entry.",
    ),
    Reason.NOTHING_TO_CLOSE: Words(
        (
            "Exits for {in_flight} are already on their way, so nothing is left to close.",
            "There is no open position to close.",
        ),
        "If you see one at the broker, check the alert's tag and scope.",
    ),
    Reason.NOTHING_TO_CANCEL: Words(
        ("There is no pending entry that matches.",),
        "Stops and targets are never canceled by cancel; use modify, or check order_id, tag and side.",
    ),
    Reason.NOTHING_TO_MODIFY: Words(
        ("The change would leave everything as it is.",),
        "Give an sl, tp or price that differs from what is set.",
    ),
    Reason.WRONG_SIDE: Words(
        (
            "A {side} order cannot close what is open here: it is on the same side.",
            "What is open here is on the same side as the closing order.",
        ),
        "Leave side out to close whatever is open.",
    ),
    Reason.SUPERSEDED: Words(
        ("A later close or cancel made this alert pointless before it was sent.",), "Nothing to do."
    ),
    Reason.DRY_RUN: Words(
        ("This was a dry run: everything was decided and nothing was sent.",),
        "Take dry_run out to trade.",
    ),
    Reason.BELOW_MINIMUM: Words(
        (
            "{qty_min} {unit} would risk {risk_pct} %, you allow {allowed_pct} %.",
            "{qty_min} {unit} would risk {risk} {currency}, you allow {allowed} {currency}.",
            "{qty_min} {unit} is worth {worth} {currency}, you asked for {allowed} {currency}.",
            "{value} {unit} is below the smallest order of {qty_min} {unit}.",
            "The quantity is below the smallest order the broker takes.",
        ),
        "Use a nearer stop, a larger size or a larger account; sizes are never rounded up.",
    ),
    Reason.ABOVE_MAXIMUM: Words(
        (
            "{value} {unit} is more than the broker takes in one order ({limit} {unit}).",
            "The quantity is more than the broker takes in one order.",
        ),
        "Send a smaller quantity, or several orders.",
    ),
    Reason.SIZE_MISSING: Words(
        ("Neither the alert nor the endpoint nor your trading settings say how much to trade.",),
        "Add qty and qty_mode to the alert, or set a default size.",
    ),
    Reason.SIDE_MISSING: Words(
        (
            "The alert does not say buy or sell, and {action} needs it here.",
            "The alert does not say buy or sell.",
        ),
        "Add side to the alert.",
    ),
    Reason.STOP_REQUIRED: Words(
        (
            "A size in {mode} is calculated from the stop, and there is none.",
            "This account opens nothing without a stop-loss.",
        ),
        "Add sl to the alert, or set a default stop in your trading settings.",
    ),
    Reason.STOP_TOO_CLOSE: Words(
        (
            "The {what} is {distance} from the entry; the least is {minimum} (spread or broker's minimum).",
            "The stop or target is nearer to the entry than the spread or the broker's minimum.",
        ),
        "Move it further away.",
    ),
    Reason.STOP_WRONG_SIDE: Words(
        (
            "The stop at {stop} is on the wrong side of the entry at {entry} for a {side}.",
            "The target at {target} is on the wrong side of the entry at {entry} for a {side}.",
            "The stop or target is on the wrong side of the entry.",
        ),
        "A buy has its stop below and its target above the entry, a sell the other way round.",
    ),
    Reason.STOP_PASSED: Words(
        (
            "The market at {market} has already passed the stop at {stop}.",
            "The market has already passed the stop.",
        ),
        "The setup is over; wait for the next one or give another stop.",
    ),
    Reason.PRICE_MISSING: Words(
        ("A {type} order needs {field}, and the alert has none.", "The order's price is missing."),
        "Add price for a limit order, stop_price for a stop order.",
    ),
    Reason.NO_QUOTE: Words(
        (
            "The last quote is {age_s} s old; {limit_s} s are allowed.",
            "There is no quote to calculate the order from.",
        ),
        "Check that the market is open; with ref_price a simulated account needs no quote.",
    ),
    Reason.PRICE_DEVIATION: Words(
        (
            "The price is {price}, {value} % from the alert's {alert_price}; {limit} % are allowed.",
            "The price has moved further from the alert's price than you allow.",
        ),
        "Raise the allowed deviation if you accept later entries.",
    ),
    Reason.PIP_UNDEFINED: Words(
        ("What a pip of {symbol} is, nobody has defined.", "A pip is not defined for this instrument."),
        "Use mode offset (price units) or ticks, or set pip_size for the symbol.",
    ),
    Reason.INSTRUMENT_UNKNOWN: Words(
        (
            "The broker does not state enough about {symbol} to trade it.",
            "The symbol is unknown at this broker.",
        ),
        "Check the symbol, or map it to the broker's own name.",
    ),
    Reason.SYMBOL_AMBIGUOUS: Words(
        (
            "{symbol} could be {candidates}: choose one in the symbol map.",
            "More than one instrument of the broker fits this symbol.",
        ),
        "Map the symbol to one of the broker's names.",
    ),
    Reason.SYMBOL_NOT_ALLOWED: Words(
        (
            "{symbol} is not on the list of allowed symbols ({allowed}).",
            "The symbol is not on the list of allowed symbols.",
        ),
        "Add it to the list of the account and of the endpoint if you want to trade it.",
    ),
    Reason.CONVERSION_UNKNOWN: Words(
        (
            "There is no rate from {from} to {to} that is at most 60 s old.",
            "A currency could not be converted with a fresh rate.",
        ),
        "Use a size in lots or contracts with a stop as price, or try again.",
    ),
    Reason.OPPOSITE_POSITION: Words(
        (
            "A position on the other side of this {side} is open and the endpoint does not trade against it.",
            "A position on the other side is open.",
        ),
        "Close it first, or set on_opposite to reverse, close or hedge.",
    ),
    Reason.POSITION_UNKNOWN: Words(
        ("The account's positions could not be read, and nothing is opened blindly.",),
        "It is tried again; check the connection to the broker.",
    ),
    Reason.BALANCE_UNKNOWN: Words(
        (
            "Balance and equity were read {age_s} s ago; {limit_s} s are allowed.",
            "Balance and equity of the account are not known.",
        ),
        "Check the connection to the broker, or use a fixed size.",
    ),
    Reason.AMBIGUOUS: Words(
        (
            "{pending_entries} pending entries fit, and exactly one can be modified.",
            "Both a long ({long}) and a short ({short}) are in scope.",
            "More than one thing fits what the alert names.",
        ),
        "Name it with order_id, tag or side.",
    ),
    Reason.NOT_SUPPORTED: Words(
        ("This is not supported: {what}.", "The broker or the account does not support this."),
        "Change the alert.",
    ),
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
        ("This would be trade {value} of the day; {limit} are allowed.", "The day's trades are used up."),
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
    Reason.INVALID: Words(
        ("The field {field} with the value {value} makes no sense here.", "The alert cannot be understood."),
        "See the list of fields in the guide to alerts.",
    ),
    Reason.BROKER_MISMATCH: Words(
        ("The alert names another broker than its endpoint.",), "Correct broker, or leave it out."
    ),
    Reason.ID_REUSED: Words(
        ("This id was already used for another alert.",), "Give every alert an id of its own."
    ),
    Reason.ADDRESS_NOT_ALLOWED: Words(
        ("The alert came from an address that is not on the endpoint's list.",),
        "Add the address if it is yours; change the token if it is not.",
    ),
    Reason.ADDRESS_UNKNOWN: Words(
        ("The sender's address could not be determined, and the endpoint has an address list.",),
        "Check the proxy settings of the deployment.",
    ),
    Reason.SIGNATURE_INVALID: Words(
        ("The signature does not fit the alert.",), "Sign the raw body with the endpoint's secret."
    ),
    Reason.RATE_LIMITED: Words(
        ("More alerts came than are allowed; wait {retry_after} s.", "More alerts came than are allowed."),
        "Send fewer alerts.",
    ),
    Reason.INSUFFICIENT_MARGIN: Words(
        ("The broker says the margin does not suffice.",), "Use a smaller size or close something."
    ),
    Reason.INSUFFICIENT_FUNDS: Words(
        ("The broker says the money does not suffice.",), "Use a smaller size or add funds."
    ),
    Reason.MARKET_CLOSED: Words(
        ("The market is closed.",), "Entries are not kept for later; send it when the market is open."
    ),
    Reason.INVALID_PRICE: Words(
        ("The broker did not take the price.",), "Check price against the market and the tick size."
    ),
    Reason.INVALID_QUANTITY: Words(
        ("The broker did not take the quantity.",), "Check qty against the broker's minimum and step."
    ),
    Reason.INVALID_STOPS: Words(
        ("The broker did not take the stop or target.",), "Move them further from the market."
    ),
    Reason.ORDER_NOT_FOUND: Words(
        ("The broker does not know the order any more.",), "It was filled or canceled; see the position."
    ),
    Reason.POSITION_NOT_FOUND: Words(
        ("The broker does not know the position any more.",), "It is closed already; nothing to do."
    ),
    Reason.DUPLICATE_ORDER: Words(
        ("The broker has an order with this number already; it was not sent twice.",), "Nothing to do."
    ),
    Reason.TRADING_DISABLED: Words(
        ("The broker does not allow trading on this account or symbol now.",),
        "Ask the broker, or look at the account there.",
    ),
    Reason.RISK_REJECTED: Words(
        ("The broker's own risk limits refused the order.",), "See the account's rules at the broker."
    ),
    Reason.NOT_AUTHORIZED: Words(
        ("The broker did not accept our login for this.",), "Connect the account again."
    ),
    Reason.BROKER_BUSY: Words(
        ("The broker has too many requests and refused the order.",), "Send it again a little later."
    ),
    Reason.BROKER_UNREACHABLE: Words(
        ("The broker could not be reached; nothing was sent.",), "Check the broker's status."
    ),
    Reason.BROKER_REJECTED: Words(
        ("The broker refused the order: {text}.", "The broker refused the order."),
        "Look up the broker's message.",
    ),
}
