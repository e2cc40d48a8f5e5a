"""How much. First the formulas, each with the unit in its parameters' names; then which of them a mode uses.

Sizes round down, never up. A computed quantity above a ceiling is cut and says so; a fixed one is denied."""

from decimal import Decimal

from msgspec import Struct
from msgspec.structs import replace

from shared.models.context import RiskContext
from shared.models.enums import QtyMode
from shared.models.market import Instrument
from shared.models.reasons import Reason
from shared.models.signal import Signal
from shared.risk.decision import Denied, Sizing
from shared.risk.grid import EXACT, ceil_to, floor_to, shown
from shared.risk.money import (
    account_per_usd,
    conversion_unknown,
    fresh_base,
    fresh_equity,
    loss_tick_value,
    price_of_one_unit,
)

FIXED_MODES = frozenset({QtyMode.LOTS, QtyMode.UNITS, QtyMode.CONTRACTS})
CENT = Decimal("0.01")
MONEY_STEP = Decimal("0.00000001")
PERCENT_STEP = Decimal("0.0001")
RISK_MODES = frozenset({QtyMode.RISK_PCT, QtyMode.RISK_USD})


def loss_of_one_unit(
    entry_price: Decimal,
    stop_price: Decimal,
    slippage_ticks: Decimal,
    tick_size: Decimal,
    tick_value_money: Decimal,
    commission_money: Decimal,
) -> Decimal:
    """What a quantity of 1 loses at its stop: distance and slippage in ticks, and the commission."""
    ticks = abs(entry_price - stop_price) / tick_size + slippage_ticks
    return ticks * tick_value_money + commission_money


def loss_at_stop(
    qty: Decimal, entry_price: Decimal, stop_price: Decimal, instrument: Instrument, ctx: RiskContext
) -> Decimal | None:
    """What a quantity loses at its stop, in account currency, rounded up; None = no conversion rate."""
    tick_value = loss_tick_value(instrument, ctx)
    if tick_value is None:
        return None
    slippage, commission = ctx.defaults.slippage_ticks, instrument.commission_per_unit
    of_one = loss_of_one_unit(entry_price, stop_price, slippage, instrument.tick_size, tick_value, commission)
    return ceil_to(qty * of_one, MONEY_STEP)


def percent_of(base_money: Decimal, percent: Decimal) -> Decimal:
    """1.0 is one percent."""
    return base_money * percent / 100


def affordable_qty(budget_money: Decimal, cost_of_one_money: Decimal, qty_step: Decimal) -> Decimal:
    """The largest multiple of `qty_step` whose cost stays within the budget; never negative."""
    # Whole steps: a quotient with endless digits would have been rounded, and perhaps up onto the step.
    steps = EXACT.divide_int(budget_money, EXACT.multiply(cost_of_one_money, qty_step))
    return max(Decimal(0), EXACT.multiply(steps, qty_step))


def qty_of_lots(qty_lots: Decimal, instrument: Instrument) -> Decimal:
    """Lots (or contracts) in the venue's unit: where it counts units, a lot is `contract_size` of them."""
    return qty_lots * instrument.contract_size if instrument.qty_unit == "units" else qty_lots


def qty_of_units(qty_units: Decimal, instrument: Instrument) -> Decimal:
    """Units in the venue's unit: lots and contracts hold `contract_size` of them."""
    return qty_units if instrument.qty_unit == "units" else qty_units / instrument.contract_size


class SizeRequest(Struct, frozen=True):
    """An amount in a mode and where it was found; mode None = already in the venue's unit (a size of a
    position).
    """

    mode: QtyMode | None
    amount: Decimal
    source: str

    @property
    def is_fixed(self) -> bool:
        return self.mode is None or self.mode in FIXED_MODES


def requested(signal: Signal, ctx: RiskContext) -> SizeRequest | None:
    """The size asked for: the alert's, else the endpoint's, else trading_config's; None when nobody said one.

    An amount without a mode takes the mode of the next one that has one. The endpoint's multiplier for
    this account applies to every size but a share of a position.
    """
    levels = (
        (signal.qty_mode, signal.qty, "alert"),
        (ctx.endpoint.qty_mode, ctx.endpoint.qty, "endpoint"),
        (ctx.defaults.qty_mode, ctx.defaults.qty, "trading_config"),
    )
    wanted_mode = signal.qty_mode
    for index, (_, amount, source) in enumerate(levels):
        mode = next((each for each, *_ in levels[index:] if each is not None), None)
        if amount is None or mode is None or (wanted_mode is not None and mode is not wanted_mode):
            continue
        factor = Decimal(1) if mode is QtyMode.POSITION_PCT else ctx.endpoint.multiplier
        return SizeRequest(mode, amount * factor, source)
    return None


def fixed_qty(request: SizeRequest, instrument: Instrument) -> Decimal:
    """A fixed amount in the venue's unit, before the step."""
    if request.mode is QtyMode.UNITS:
        return qty_of_units(request.amount, instrument)
    if request.mode is None:
        return request.amount
    return qty_of_lots(request.amount, instrument)


class _Cost(Struct, frozen=True):
    """What the stop costs: the factors of loss_per_unit, in account currency. None = there is no stop."""

    ticks: Decimal
    tick_value: Decimal
    loss_per_unit: Decimal


def size_entry(
    request: SizeRequest,
    instrument: Instrument,
    ctx: RiskContext,
    entry_price: Decimal | None,
    stop_price: Decimal | None,
) -> Sizing | Denied:
    """The quantity of an entry, with all its factors; or why there is none."""
    if request.mode is QtyMode.POSITION_PCT or request.amount <= 0:
        amount = {"mode": request.mode or "position", "value": shown(request.amount)}
        return Denied(
            Reason.INVALID if request.mode is QtyMode.POSITION_PCT else Reason.BELOW_MINIMUM, amount
        )
    cost = _stop_cost(instrument, ctx, entry_price, stop_price)
    if isinstance(cost, Denied):
        return cost
    if request.is_fixed:
        sizing: Sizing | Denied = _fixed(request, instrument, ctx)
    elif request.mode in RISK_MODES:
        sizing = _by_risk(request, instrument, ctx, cost)
    else:
        sizing = _by_notional(request, instrument, ctx, entry_price)
    if isinstance(sizing, Denied):
        return sizing
    return _judged(
        _with_cost(sizing, ctx, instrument, cost, entry_price, stop_price), request, instrument, ctx
    )


def _stop_cost(
    instrument: Instrument, ctx: RiskContext, entry_price: Decimal | None, stop_price: Decimal | None
) -> _Cost | Denied | None:
    if entry_price is None or stop_price is None:
        return None
    tick_value = loss_tick_value(instrument, ctx)
    if tick_value is None:
        return conversion_unknown(instrument.quote_currency, ctx)
    loss = loss_of_one_unit(
        entry_price,
        stop_price,
        ctx.defaults.slippage_ticks,
        instrument.tick_size,
        tick_value,
        instrument.commission_per_unit,
    )
    return _Cost(abs(entry_price - stop_price) / instrument.tick_size, tick_value, loss)


def _start(
    request: SizeRequest, instrument: Instrument, ctx: RiskContext, qty: Decimal, qty_before_step: Decimal
) -> Sizing:
    return Sizing(
        mode=request.mode,
        amount=request.amount,
        source=request.source,
        unit=instrument.qty_unit,
        currency=ctx.account.currency,
        qty=qty,
        qty_before_step=qty_before_step,
        qty_step=instrument.qty_step,
    )


def _fixed(request: SizeRequest, instrument: Instrument, ctx: RiskContext) -> Sizing:
    asked = fixed_qty(request, instrument)
    return _start(request, instrument, ctx, floor_to(asked, instrument.qty_step), asked)


def _by_risk(
    request: SizeRequest, instrument: Instrument, ctx: RiskContext, cost: _Cost | None
) -> Sizing | Denied:
    if cost is None:
        return Denied(Reason.STOP_REQUIRED, {"what": "size", "mode": str(request.mode)})
    if cost.loss_per_unit <= 0:
        return Denied(Reason.INSTRUMENT_UNKNOWN, {"symbol": instrument.symbol, "loss_per_unit": "0"})
    base = fresh_base(ctx) if request.mode is QtyMode.RISK_PCT else None
    if isinstance(base, Denied):
        return base
    risk_money = _budget(request.amount, base, ctx)
    if isinstance(risk_money, Denied):
        return risk_money
    qty = affordable_qty(risk_money, cost.loss_per_unit, instrument.qty_step)
    sizing = _start(request, instrument, ctx, qty, risk_money / cost.loss_per_unit)
    return replace(sizing, base_money=base, risk_money=risk_money)


def _budget(amount: Decimal, base_money: Decimal | None, ctx: RiskContext) -> Decimal | Denied:
    """What may be spent, in account currency: percent of a base, or without one an amount in US dollars."""
    if base_money is not None:
        return percent_of(base_money, amount)
    rate = account_per_usd(ctx)
    return conversion_unknown("USD", ctx) if rate is None else amount * rate


def _by_notional(
    request: SizeRequest, instrument: Instrument, ctx: RiskContext, entry_price: Decimal | None
) -> Sizing | Denied:
    if entry_price is None:
        return Denied(Reason.NO_QUOTE)
    one_unit = price_of_one_unit(entry_price, instrument, ctx)
    if one_unit is None:
        return conversion_unknown(instrument.quote_currency, ctx)
    base = fresh_equity(ctx) if request.mode is QtyMode.EQUITY_PCT else None
    if isinstance(base, Denied):
        return base
    notional = _budget(request.amount, base, ctx)
    if isinstance(notional, Denied):
        return notional
    qty = affordable_qty(notional, one_unit, instrument.qty_step)
    sizing = _start(request, instrument, ctx, qty, notional / one_unit)
    return replace(sizing, base_money=base, notional_money=notional, price_of_one_unit=one_unit)


def _with_cost(
    sizing: Sizing,
    ctx: RiskContext,
    instrument: Instrument,
    cost: _Cost | None,
    entry_price: Decimal | None,
    stop_price: Decimal | None,
) -> Sizing:
    if cost is None:
        return replace(sizing, entry_price=entry_price)
    return replace(
        sizing,
        entry_price=entry_price,
        stop_price=stop_price,
        ticks=cost.ticks,
        slippage_ticks=ctx.defaults.slippage_ticks,
        tick_value=cost.tick_value,
        commission_per_unit=instrument.commission_per_unit,
        loss_per_unit=cost.loss_per_unit,
        worst_loss=sizing.qty * cost.loss_per_unit,
    )


def _judged(
    sizing: Sizing, request: SizeRequest, instrument: Instrument, ctx: RiskContext
) -> Sizing | Denied:
    """Below the minimum is denied. Above a maximum a fixed size is denied, a computed one cut."""
    if sizing.qty < instrument.qty_min or sizing.qty <= 0:
        return Denied(Reason.BELOW_MINIMUM, _minimum_numbers(sizing, request, instrument, ctx))
    if request.is_fixed:
        # The endpoint's and the limits' ceilings are rules of their own (rules.max_order_size).
        if sizing.qty <= instrument.qty_max:
            return sizing
        numbers = {
            "value": shown(sizing.qty),
            "limit": shown(instrument.qty_max),
            "unit": instrument.qty_unit,
        }
        return Denied(Reason.ABOVE_MAXIMUM, numbers)
    ceilings = (instrument.qty_max, ctx.endpoint.max_qty, ctx.limits.max_order_qty)
    ceiling = min(each for each in ceilings if each is not None)
    if sizing.qty <= ceiling:
        return sizing
    cut = floor_to(ceiling, instrument.qty_step)
    if cut < instrument.qty_min or cut <= 0:
        numbers = {"value": shown(sizing.qty), "limit": shown(ceiling), "unit": instrument.qty_unit}
        return Denied(Reason.MAX_ORDER_SIZE, numbers)
    worst = None if sizing.loss_per_unit is None else cut * sizing.loss_per_unit
    return replace(sizing, qty=cut, cut_from=sizing.qty, worst_loss=worst)


def _minimum_numbers(
    sizing: Sizing, request: SizeRequest, instrument: Instrument, ctx: RiskContext
) -> dict[str, str]:
    """What the smallest order would cost, rounded up, against what is allowed, rounded down: never the same number."""
    smallest = max(ceil_to(instrument.qty_min, instrument.qty_step), instrument.qty_step)
    numbers = {
        "qty_min": shown(smallest),
        "unit": instrument.qty_unit,
        "value": shown(sizing.qty_before_step),
    }
    in_money = {"currency": ctx.account.currency}
    if sizing.risk_money is not None and sizing.loss_per_unit is not None:
        risk = smallest * sizing.loss_per_unit
        if sizing.base_money is not None and sizing.base_money > 0:
            percent, allowed = (
                ceil_to(risk / sizing.base_money * 100, CENT),
                floor_to(request.amount, PERCENT_STEP),
            )
            return numbers | {"risk_pct": shown(percent), "allowed_pct": shown(allowed)}
        return numbers | in_money | _against("risk", risk, sizing.risk_money)
    if sizing.notional_money is not None and sizing.price_of_one_unit is not None:
        return (
            numbers | in_money | _against("worth", smallest * sizing.price_of_one_unit, sizing.notional_money)
        )
    return numbers


def _against(what: str, cost_money: Decimal, allowed_money: Decimal) -> dict[str, str]:
    return {what: shown(ceil_to(cost_money, CENT)), "allowed": shown(floor_to(allowed_money, CENT))}
