"""The sentences with which TradeLocker refuses (in their style where none is known)."""

from __future__ import annotations

from decimal import Decimal

from local.venues.trading import Refused, Why

TEXTS: dict[str, str] = {
    "closed": "Order cannot be created since trading out of session is forbidden.",
    "close_only": "Order cannot be created. Only positions closing is allowed",
    "order_type": "Order cannot be created since order type is not allowed for current session.",
    "margin": "Not enough margin to create Order #{order_id} {side}   {qty}  Price {price} ",
    "stop_loss": "SL price is not valid for the order. ",
    "take_profit": "TP price is not valid for the order. ",
    "take_profit_not_allowed": "Take profit is not allowed for this instrument",
    "quantity": "{{qty=[must be greater than 0]}}",
    "quantity_step": "{{qty=[must be a multiple of lot step]}}",
    "price": "{{price=[must be greater than 0]}}",
    "stop_price": "{{stopPrice=[must be greater than 0]}}",
    "validity": "{{validity=[TIF is not valid for the order type]}}",
    "strategy_id": "{{strategyId=[size must be between 0 and 32]}}",
    "instrument": "{{tradableInstrumentId=[instrument is not found]}}",
    "route": "{{routeId=[route is not found]}}",
    "type": "{{type=[must be one of market, limit, stop]}}",
    "side": "{{side=[must be one of buy, sell]}}",
    "no_order": "Order {order_id} is not found or is already in a final status.",
    "no_position": "Position {position_id} is not found.",
}
"""By our word for it (the `value` of a `refuse` fault). The first six are verbatim from logs."""


class Refusal(Exception):
    """A refusal that is answered with 200, `s` = error and this sentence."""

    def __init__(self, word: str, **numbers: object) -> None:
        self.text = sentence(word, **numbers)
        super().__init__(self.text)


def sentence(word: str, **numbers: object) -> str:
    """The broker's sentence for a word of TEXTS; an unknown word is its own sentence."""
    sample = {"order_id": "7277816997907785466", "side": "Sell", "qty": "0.64", "price": "43020.00"}
    return TEXTS.get(word, "{word}").format(**{"word": word, "position_id": "0", **sample, **numbers})


def of_book(refused: Refused) -> Refusal:
    """What the book refuses, in TradeLocker's words."""
    numbers = refused.numbers
    match refused.why:
        case Why.QUANTITY:
            positive = isinstance(numbers.get("qty"), Decimal) and numbers["qty"] > Decimal(0)  # type: ignore[operator]
            return Refusal("quantity_step" if positive else "quantity")
        case Why.STOPS:
            return Refusal("take_profit" if numbers.get("which") == "TP" else "stop_loss")
        case Why.MARGIN:
            return Refusal("margin", **{**numbers, "side": str(numbers["side"]).capitalize()})
        case Why.SYMBOL:
            return Refusal("instrument")
        case _:
            return Refusal(refused.why.value, **numbers)
