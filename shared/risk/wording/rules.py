"""The words for what a rule of the trader's own denies."""

from collections.abc import Mapping

from shared.models.reasons import Reason
from shared.risk.wording.words import Words

_TO_FLOOR = (
    "Equity {equity} {currency} less open risk {open_risk} and this order's {order} makes {value}; "
    "the floor set for the {scope} is {limit} {currency}."
)

WORDS: Mapping[Reason, Words] = {
    Reason.WEEKLY_LOSS: Words(
        (
            "This week's loss {loss}, open risk {open_risk} and this order's {order} make {value} {currency}; "
            "the limit set for the {scope} is {limit} {currency}, and the week ends {until}.",
            "The order could reach the weekly loss limit.",
        ),
        "Use a smaller size, or wait for the week's reset.",
    ),
    Reason.DAILY_PROFIT: Words(
        (
            "Today's profit of {value} {currency} has reached the cap set for the {scope} "
            "({limit} {currency}); nothing is opened until {until}.",
            "Today's profit has reached your cap.",
        ),
        "Trading goes on after the day's reset; exits still work.",
    ),
    Reason.TRAILING_DRAWDOWN: Words(
        (_TO_FLOOR, "The order could take the account to its trailing floor."),
        "Use a smaller size or a nearer stop.",
    ),
    Reason.STATIC_FLOOR: Words(
        (_TO_FLOOR, "The order could take the account to its floor."),
        "Use a smaller size or a nearer stop.",
    ),
    Reason.DRAWDOWN_NOT_ARMED: Words(
        (
            "The trailing floor set for the {scope} is not armed: {why}.",
            "The trailing floor is not armed: what the account had reached before is not known.",
        ),
        "Give floor_seed (amount, date, who says so) in the rule.",
    ),
    Reason.INITIAL_UNKNOWN: Words(
        (
            "What the account began with is not known, and {asked_by} counts from it.",
            "What the account began with is not known, and a limit counts from it.",
        ),
        "Set the account's initial balance.",
    ),
    Reason.MAX_QTY: Words(
        (
            "This would make {value} in {what}; {limit} are allowed by the limit set for the {scope}.",
            "The position would be larger than you allow.",
        ),
        "Use a smaller size, or close something first.",
    ),
    Reason.EXPOSURE: Words(
        (
            "This would make {value} USD in {what}; the limit set for the {scope} is {limit} USD.",
            "The exposure would be larger than you allow.",
        ),
        "Use a smaller size, or close something first.",
    ),
    Reason.MARGIN_USE: Words(
        (
            "Margin in use would be {value} % of equity; the limit set for the {scope} is {limit} %.",
            "More margin would be in use than you allow.",
        ),
        "Use a smaller size, or close something first.",
    ),
    Reason.STOP_DISTANCE: Words(
        (
            "The stop is {value} {unit} from the entry; the least set for the {scope} is {limit} {unit}.",
            "The stop is nearer to the entry than you allow.",
        ),
        "Move the stop further away.",
    ),
    Reason.SPREAD_TOO_WIDE: Words(
        (
            "The spread is {value} {unit}; the most set for the {scope} is {limit} {unit}.",
            "The spread is wider than you allow.",
        ),
        "Wait for a quieter market.",
    ),
    Reason.QUOTE_STALE: Words(
        (
            "The quote is {value} s old; the most set for the {scope} is {limit} s.",
            "The quote is older than you allow.",
        ),
        "Check that the market is open.",
    ),
    Reason.ALERT_TOO_OLD: Words(
        (
            "The alert is {value} s old; the most set for the {scope} is {limit} s.",
            "The alert is older than you allow.",
        ),
        "Check that ts is {{{{timenow}}}} and that alerts arrive in time.",
    ),
    Reason.COOL_DOWN: Words(
        (
            "After {value} losses in a row nothing is opened until {until} (set for the {scope}).",
            "The account pauses after its losses.",
        ),
        "Trading goes on when the pause ends; exits still work.",
    ),
    Reason.OUTSIDE_HOURS: Words(
        (
            "It is {now}, outside the trading hours set for the {scope}; they begin at {until}.",
            "It is outside your trading hours.",
        ),
        "Entries are not kept for later; send it within the hours.",
    ),
    Reason.MARKET_HOLIDAY: Words(
        (
            "The market ({calendar}) is closed for {holiday} until {until}.",
            "The market has a holiday.",
        ),
        "Entries are not kept for later; send it when the market is open.",
    ),
    Reason.NO_CALENDAR_DATA: Words(
        (
            "The data of the calendar {calendar} ends on {valid_until}, and nothing is opened without its data.",
            "There is no calendar {calendar}, and nothing is opened without its data.",
            "A calendar that your limits name has no data for today.",
        ),
        "Bring the calendar up to date, or take the rule away.",
    ),
    Reason.FLAT_BY: Words(
        (
            "The account is to be flat by {time} {tz}; nothing is opened until {until}.",
            "The account is to be flat by now.",
        ),
        "Trading goes on with the next session; exits still work.",
    ),
    Reason.NEWS_BLACKOUT: Words(
        (
            "{event} is at {at}; nothing is opened until {until} (set for the {scope}).",
            "Important news is near.",
        ),
        "Entries are not kept for later; send it after the news.",
    ),
    Reason.OPPOSITE_ELSEWHERE: Words(
        (
            "Another account of yours ({account}) has a {held} of {qty} in {root}; this would be a {side}.",
            "Another account of yours holds the other side.",
        ),
        "Close it there first: opposite positions across accounts are what you forbade.",
    ),
    Reason.CONSISTENCY: Words(
        (
            "Today's profit of {value} {currency} is more than the {limit} {currency} that one day may earn "
            "({max_pct} % of the profit, set for the {scope}); nothing is opened until {until}.",
            "Today makes a larger share of the profit than you allow.",
        ),
        "Spread the profit over more days; exits still work.",
    ),
    Reason.SIDE_NOT_ALLOWED: Words(
        (
            "A {side} is not allowed; the limits set for the {scope} allow {allowed}.",
            "This side is not allowed.",
        ),
        "Change the allowed sides if you want to trade it.",
    ),
    Reason.DUPLICATE_INTENT: Words(
        (
            "The same order was asked for within {limit} s already (delivery {twin}).",
            "The same order was asked for a moment ago.",
        ),
        "Nothing to do, unless you wanted it twice.",
    ),
}
