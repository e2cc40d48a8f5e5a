"""The words for what we deny for its size, price or position."""

from collections.abc import Mapping

from shared.models.reasons import Reason
from shared.risk.wording.words import Words

WORDS: Mapping[Reason, Words] = {
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
            "The {what} in {mode} is a multiple of the distance to the stop, and there is none.",
            "A size in {mode} is calculated from the stop, and there is none.",
            "This account opens nothing without a stop-loss.",
        ),
        "Add sl to the alert, or set a default stop in your trading settings.",
    ),
    Reason.STOP_TOO_CLOSE: Words(
        (
            "The {what} would be {distance} from the {of}; the least is {minimum} (spread or broker's minimum).",
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
        (
            "This is not supported: {what}; {instead}.",
            "This is not supported: {what}.",
            "The broker or the account does not support this.",
        ),
        "Change the alert.",
    ),
}
