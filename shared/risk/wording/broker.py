"""The words for what the broker rejected."""

from collections.abc import Mapping

from shared.models.reasons import Reason
from shared.risk.wording.words import Words

WORDS: Mapping[Reason, Words] = {
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
