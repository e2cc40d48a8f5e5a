"""Steps of prices and quantities, and how numbers are written in traces. Decimal in, Decimal out."""

from decimal import ROUND_CEILING, ROUND_FLOOR, Context, Decimal

from shared.models.enums import OrderType, Side

# Wide enough for every product and quotient of numbers an alert can carry: rounding happens only where a
# line says so.
EXACT = Context(prec=120)


def floor_to(value: Decimal, step: Decimal) -> Decimal:
    """The largest multiple of `step` that is <= value."""
    return _to_step(value, step, ROUND_FLOOR)


def ceil_to(value: Decimal, step: Decimal) -> Decimal:
    """The smallest multiple of `step` that is >= value."""
    return _to_step(value, step, ROUND_CEILING)


def _to_step(value: Decimal, step: Decimal, rounding: str) -> Decimal:
    steps = EXACT.divide(value, step).to_integral_value(rounding)
    return EXACT.multiply(steps, step)


def stop_on_grid(price: Decimal, position_side: Side, tick_size: Decimal) -> Decimal:
    """A stop-loss moves toward the entry: up under a long, down over a short. The loss only gets smaller."""
    return ceil_to(price, tick_size) if position_side is Side.BUY else floor_to(price, tick_size)


def target_on_grid(price: Decimal, position_side: Side, tick_size: Decimal) -> Decimal:
    """A take-profit moves toward the entry: down over a long, up under a short."""
    return floor_to(price, tick_size) if position_side is Side.BUY else ceil_to(price, tick_size)


def entry_on_grid(price: Decimal, side: Side, kind: OrderType, tick_size: Decimal) -> Decimal:
    """A buy limit goes down, a sell limit up: never a worse price. A stop entry goes away from the market."""
    downward = (kind is OrderType.LIMIT) == (side is Side.BUY)
    return floor_to(price, tick_size) if downward else ceil_to(price, tick_size)


def shown(value: Decimal, decimals: int = 8) -> str:
    """A number as a trader writes it: no exponent, no trailing zeros, at most `decimals` places."""
    # `format` takes twice as long, and a verdict has sixty numbers.
    text = str(value)
    if "E" in text:
        text = format(value, "f")
    point = text.find(".")
    if point >= 0:
        if len(text) - point - 1 > decimals:
            text = f"{value:.{decimals}f}"
        text = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if text == "-0" else text
