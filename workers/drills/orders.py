"""Drills of limits on a single order and on its market: one order beyond the limit, one a notch below it."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

from shared.models.enums import Side
from shared.models.limits import AlertAge, Exposure, MarginUse, MaxQty, QuoteAge, Sides, Spread, StopDistance
from shared.models.reasons import Reason
from shared.risk.grid import shown
from shared.store.drill_rows import DrilledLimit
from workers.drills.shown import Shown, judged
from workers.drills.twin import LEVERAGE, DrillFailed, Twin

FAR_TICKS = Decimal(500)


async def max_order_qty(twin: Twin, limit: DrilledLimit) -> Shown:
    most = Decimal(limit.settings)
    return await _by_size(twin, limit, most, Reason.MAX_ORDER_SIZE)


async def _by_size(twin: Twin, limit: DrilledLimit, most: Decimal, reason: Reason) -> Shown:
    """The first size on the broker's steps above `most`, then the last one that is not."""
    below, beyond = twin.down(most), twin.up(most)
    if beyond <= most:
        beyond += twin.step
    await twin.arm(limit)
    refused = await twin.entry(beyond)
    passed = await twin.entry(below) if below >= twin.least else None
    return judged(refused, passed, (f"{shown(beyond)} {twin.symbol}", f"{shown(below)}"), reason)


async def stop_required(twin: Twin, limit: DrilledLimit) -> Shown:
    await twin.arm(limit)
    naked = await twin.entry(twin.least)
    stopped = await twin.entry(twin.least, stop_ticks=FAR_TICKS)
    return judged(naked, stopped, ("without a stop", "with one"), Reason.STOP_REQUIRED)


async def allowed_symbols(twin: Twin, limit: DrilledLimit) -> Shown:
    """The list, and the list without the twin's symbol: what is not named is not opened."""
    listed = [str(each) for each in limit.settings]
    others = [each for each in listed if each.upper() not in (twin.symbol.upper(), twin.instrument.root)]
    await twin.arm(DrilledLimit(limit.scope, limit.rule, others))
    refused = await twin.entry(twin.least)
    await twin.arm(DrilledLimit(limit.scope, limit.rule, [*others, twin.symbol]))
    passed = await twin.entry(twin.least)
    what = (f"{twin.symbol}, not on the list", f"{twin.symbol} on the list")
    return judged(refused, passed, what, Reason.SYMBOL_NOT_ALLOWED)


async def max_risk_per_trade(twin: Twin, limit: DrilledLimit) -> Shown:
    await twin.arm(limit)
    base = (await twin.seen()).balance or Decimal(0)
    money = base * Decimal(limit.settings) / 100
    qty, ticks = per_ticks(twin, money)
    # Exactly the limit is allowed: one tick more than fits is not.
    beyond = ticks if twin.loss(qty, ticks) > money else ticks + 1
    refused = await twin.entry(qty, stop_ticks=beyond)
    passed = await twin.entry(qty, stop_ticks=beyond - 1) if beyond > 1 else None
    what = (
        f"{shown(twin.loss(qty, beyond))} at risk of {shown(base)}",
        f"{shown(twin.loss(qty, beyond - 1))}",
    )
    return judged(refused, passed, what, Reason.MAX_RISK_PER_TRADE)


def per_ticks(twin: Twin, money: Decimal) -> tuple[Decimal, Decimal]:
    """A quantity and the least whole ticks over which it loses at least so much (about 2,000 ticks, a few lots)."""
    one = twin.loss(Decimal(1), Decimal(2000))
    qty = min(twin.up(money / one), max(twin.down(Decimal(10)), twin.least))
    per_tick = twin.loss(qty, Decimal(1)) - twin.loss(qty, Decimal(0))
    ticks = max((money - twin.loss(qty, Decimal(0))) / per_tick, Decimal(1))
    whole = ticks.to_integral_value()
    return qty, whole if whole >= ticks else whole + 1


async def max_price_deviation(twin: Twin, limit: DrilledLimit) -> Shown:
    await twin.arm(limit)
    ask, share = await twin.ask(), Decimal(limit.settings) / 100
    near, far = ask / (1 + share * Decimal("0.99")), ask / (1 + share * Decimal("1.05") + Decimal("0.0001"))
    refused = await twin.entry(twin.least, ref_price=_six(far))
    passed = await twin.entry(twin.least, ref_price=_six(near))
    return judged(
        refused,
        passed,
        (f"alert at {shown(_six(far))}, market at {shown(ask)}", f"alert at {shown(_six(near))}"),
        Reason.PRICE_DEVIATION,
    )


def _six(price: Decimal) -> Decimal:
    return price.quantize(Decimal("0.000001"))


async def sides(twin: Twin, limit: DrilledLimit) -> Shown:
    allowed = Sides.model_validate(limit.settings, strict=False).allowed
    await twin.arm(limit)
    refused = [each for each in Side if each not in allowed]
    if not refused:
        raise DrillFailed("both sides are allowed: there is nothing to refuse")
    beyond = await twin.entry(twin.least, side=refused[0])
    below = await twin.entry(twin.least, side=refused[0].opposite) if allowed else None
    return judged(beyond, below, (f"a {refused[0]}", f"a {refused[0].opposite}"), Reason.SIDE_NOT_ALLOWED)


async def stop_distance(twin: Twin, limit: DrilledLimit) -> Shown:
    setting = StopDistance.model_validate(limit.settings, strict=False)
    await twin.arm(limit)
    pct = (setting.min_pct or Decimal(0)) / 100 * await twin.ask() / twin.instrument.tick_size
    least = max(setting.min_ticks or Decimal(0), pct).to_integral_value(rounding="ROUND_CEILING")
    if least <= 1:
        raise DrillFailed("no stop is nearer than one tick: there is nothing to refuse")
    refused = await twin.entry(twin.least, stop_ticks=least - 1)
    passed = await twin.entry(twin.least, stop_ticks=least)
    return judged(
        refused,
        passed,
        (f"stop {shown(least - 1)} ticks away", f"{shown(least)} ticks"),
        Reason.STOP_DISTANCE,
    )


async def spread(twin: Twin, limit: DrilledLimit) -> Shown:
    setting = Spread.model_validate(limit.settings, strict=False)
    bid, tick = await twin.bid(), twin.instrument.tick_size
    limits = [] if setting.max_ticks is None else [setting.max_ticks]
    if setting.max_pct is not None:
        limits.append(bid * setting.max_pct / 100 / tick)
    most = min(limits).to_integral_value(rounding="ROUND_FLOOR")
    await twin.widen(limit, most + 2)
    refused = await twin.entry(twin.least)
    if twin.gaps and most < 1:
        return judged(refused, None, (f"a spread of {shown(most + 2)} ticks", ""), Reason.SPREAD_TOO_WIDE)
    await twin.widen(limit, most)
    passed = await twin.entry(twin.least)
    return judged(
        refused, passed, (f"a spread of {shown(most + 2)} ticks", f"of {shown(most)}"), Reason.SPREAD_TOO_WIDE
    )


async def quote_age(twin: Twin, limit: DrilledLimit) -> Shown:
    most = QuoteAge.model_validate(limit.settings, strict=False).max_s
    await twin.arm(limit, terms={"quote_age_s": most + 1, "leverage": LEVERAGE})
    refused = await twin.entry(twin.least)
    # Younger by ten seconds, where there are so many: it grows older until it is judged.
    younger = min(max(most - 10, Decimal(0)), Decimal(50))
    await twin.arm(limit, terms={"quote_age_s": younger, "leverage": LEVERAGE})
    passed = await twin.entry(twin.least) if most >= 2 else None
    # A quote of more than a minute is none, whatever is set.
    return judged(
        refused,
        passed,
        (f"a quote {shown(most + 1)} s old", "a younger one"),
        Reason.QUOTE_STALE,
        Reason.NO_QUOTE,
    )


async def alert_age(twin: Twin, limit: DrilledLimit) -> Shown:
    most = AlertAge.model_validate(limit.settings, strict=False).max_s
    await twin.arm(limit)
    now = (await twin.seen()).now
    refused = await twin.entry(twin.least, fired_at=now - timedelta(seconds=float(most) + 1))
    passed = await twin.entry(twin.least) if most >= 2 else None
    return judged(refused, passed, (f"an alert {shown(most + 1)} s old", "a new one"), Reason.ALERT_TOO_OLD)


async def max_qty(twin: Twin, limit: DrilledLimit) -> Shown:
    """Of the account as a whole; where only symbols have a maximum, of the first that can be traded here."""
    setting = MaxQty.model_validate(limit.settings, strict=False)
    if setting.scaling:
        # A new twin has earned nothing: the step at 0 counts.
        steps = [each for each in setting.scaling if each.profit_from <= 0] or list(setting.scaling[:1])
        totals = [steps[-1].per_account, *([setting.per_account] if setting.per_account is not None else [])]
        return await _by_size(twin, limit, min(totals), Reason.MAX_QTY)
    if setting.per_account is not None:
        return await _by_size(twin, limit, setting.per_account, Reason.MAX_QTY)
    named = {name.upper(): most for name, most in (setting.per_symbol or {}).items()}
    if twin.instrument.root.upper() in named:
        return await _by_size(twin, limit, named[twin.instrument.root.upper()], Reason.MAX_QTY)
    # The twin's symbol takes the place of one that its broker may not have; the number is the trader's.
    most = min(named.values())
    settings = {**limit.settings, "per_symbol": {twin.instrument.root.upper(): most}}
    return await _by_size(twin, DrilledLimit(limit.scope, limit.rule, settings), most, Reason.MAX_QTY)


async def exposure(twin: Twin, limit: DrilledLimit) -> Shown:
    setting = Exposure.model_validate(limit.settings, strict=False)
    settings: dict[str, Any] = dict(limit.settings)
    if setting.per_symbol_usd is not None:
        most = setting.per_symbol_usd
    elif setting.per_group_usd is not None:
        most = setting.per_group_usd
        settings["groups"] = {"drill": [twin.instrument.root.upper()]}
    else:
        raise DrillFailed("neither a symbol nor a group has a limit")
    ask, instrument = await twin.ask(), twin.instrument
    one = ask / instrument.tick_size * instrument.tick_value
    return await _by_size(twin, DrilledLimit(limit.scope, limit.rule, settings), most / one, Reason.EXPOSURE)


async def margin_use(twin: Twin, limit: DrilledLimit) -> Shown:
    """The smallest order whose margin is beyond the share of equity, and the next smaller one."""
    setting = MarginUse.model_validate(limit.settings, strict=False)
    await twin.arm(limit)
    ask, instrument = await twin.ask(), twin.instrument
    one = instrument.margin_per_unit or (
        ask / instrument.tick_size * instrument.tick_value / (getattr(setting, "leverage", None) or 1)
    )
    equity = (await twin.seen()).equity or Decimal(0)
    return await _by_size(twin, limit, equity * setting.max_pct / 100 / one, Reason.MARGIN_USE)
