"""The alert format `unify.v1`: what TradingView (or the API, the dashboard, the CLI) sends us.

null means absent everywhere. Units are always in a mode; a bare number is refused. Meanings: docs/alerts.md.
From these models comes supabase/functions/_shared/alert.schema.json, which the edge validates with; rules
between fields are in alert_rules.py and, for the edge, in alert_rules.ts."""

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from shared.models import alert_rules
from shared.models.alert_types import (
    Comment,
    Flag,
    Line64,
    Line128,
    Moment,
    NotNegative,
    Number,
    Positive,
    Symbol,
    Whole,
    few,
    listed,
)
from shared.models.enums import Action, Broker, OrderType, QtyMode, Scope, Side, Tif

MAX_TARGETS = 10
MAX_ACCOUNTS = 100
_NUMBER = 'a number such as 1.5 or "1.5"'
_ABOVE_ZERO = 'a number above 0, such as 1.5 or "1.5"'
_TIME = "a time such as 2026-10-14T14:30:00Z"

StopLossMode = Literal["price", "offset", "pips", "ticks", "pct", "usd", "none"]
TakeProfitMode = Literal["price", "offset", "pips", "ticks", "pct", "usd", "rr", "none"]
TrailMode = Literal["offset", "pips", "ticks", "pct", "none"]
TriggerMode = Literal["offset", "pips", "ticks", "pct", "rr"]
PlusMode = Literal["offset", "pips", "ticks", "pct"]
Source = Literal["tradingview", "api", "dashboard", "cli", "drill"]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class StopLoss(_Part):
    """Where the position is given up. `usd` = loss of the whole order."""

    mode: StopLossMode = Field(
        description="one of price, offset, pips, ticks, pct, usd, none (rr is for take-profits only)"
    )
    value: Positive | None = Field(default=None, description=_ABOVE_ZERO)


class Target(_Part):
    """One take-profit. `rr` = multiple of the distance fill to stop, `portion` = share of the quantity."""

    mode: TakeProfitMode = Field(description="one of price, offset, pips, ticks, pct, usd, rr, none")
    value: Positive | None = Field(default=None, description=_ABOVE_ZERO)
    portion: Positive | None = Field(default=None, description="a share of the quantity above 0 and up to 1")


class Trail(_Part):
    """A stop that follows. `activate` (profit before it starts) and `step` are in the unit of `mode`."""

    mode: TrailMode = Field(description="one of offset, pips, ticks, pct, none")
    value: Positive | None = Field(default=None, description=_ABOVE_ZERO)
    activate: NotNegative | None = Field(default=None, description="a number of 0 or more")
    step: Positive | None = Field(default=None, description=_ABOVE_ZERO)


class Trigger(_Part):
    """The profit at which the stop moves to break-even."""

    mode: TriggerMode = Field(description="one of offset, pips, ticks, pct, rr")
    value: Positive = Field(description=_ABOVE_ZERO)


class Plus(_Part):
    """How far beyond the entry the break-even stop lies."""

    mode: PlusMode = Field(description="one of offset, pips, ticks, pct")
    value: NotNegative = Field(description="a number of 0 or more")


class BreakEven(_Part):
    """Move the stop to the entry (plus a little) once the trade is ahead. mode none removes it."""

    mode: Literal["none"] | None = Field(default=None, description="none, or absent")
    trigger: Trigger | None = Field(
        default=None, description='an object that says which unit, such as {"mode":"pips","value":20}'
    )
    plus: Plus | None = Field(
        default=None, description='an object that says which unit, such as {"mode":"pips","value":1}'
    )


def _as_targets(value: Any) -> Any:
    """One take-profit may be written without the list."""
    return [value] if isinstance(value, dict) else value


class Intent(_Part):
    """What is wanted. Which fields an action needs: alert_rules.py."""

    broker: Broker | None = Field(default=None, description=f"one of {', '.join(Broker)}")
    action: Action = Field(
        default=Action.OPEN,
        description="one of open, add, close, reduce, reverse, target, cancel, modify, flatten",
    )
    side: Side | None = Field(default=None, description="buy or sell")
    type: OrderType = Field(default=OrderType.MARKET, description="one of market, limit, stop")
    symbol: Symbol | None = Field(
        default=None, description="a symbol such as EURUSD or CME_MINI:MNQ1!, at most 64 characters"
    )
    qty_mode: QtyMode | None = Field(
        default=None,
        description="one of lots, units, contracts, risk_pct, risk_usd, equity_pct, notional, position_pct",
    )
    qty: Number | None = Field(default=None, description=_NUMBER)
    price: Positive | None = Field(default=None, description=_ABOVE_ZERO)
    stop_price: Positive | None = Field(default=None, description=_ABOVE_ZERO)
    ref_price: Positive | None = Field(default=None, description=_ABOVE_ZERO)
    position_size: Number | None = Field(default=None, description=_NUMBER)
    sl: StopLoss | None = Field(
        default=None, description='an object that says which unit, such as {"mode":"pips","value":20}'
    )
    tp: Annotated[tuple[Target, ...] | None, few(MAX_TARGETS), BeforeValidator(_as_targets)] = listed(
        MAX_TARGETS,
        'an object that says which unit, such as {"mode":"rr","value":2}, or a list of 1 to 10 of them',
    )
    trail: Trail | None = Field(
        default=None, description='an object that says which unit, such as {"mode":"pips","value":20}'
    )
    be: BreakEven | None = Field(
        default=None, description='an object such as {"trigger":{"mode":"pips","value":20}}'
    )
    time_exit_s: Whole | None = Field(default=None, description="a whole number of seconds, 1 to 9999999")
    tif: Tif | None = Field(default=None, description="one of gtc, day, gtd, ioc, fok")
    expires_at: Moment | None = Field(default=None, description=_TIME)
    ts_bar: Moment | None = Field(default=None, description=_TIME)
    tag: Line64 | None = Field(default=None, description="one line of 1 to 64 characters")
    order_id: Line64 | None = Field(default=None, description="one line of 1 to 64 characters")
    position_id: Line64 | None = Field(default=None, description="one line of 1 to 64 characters")
    scope: Scope | None = Field(default=None, description="endpoint or symbol")
    accounts: Annotated[tuple[Line64, ...] | None, few(MAX_ACCOUNTS)] = listed(
        MAX_ACCOUNTS, "a list of 1 to 100 account ids, each a text of 1 to 64 characters"
    )
    dry_run: Flag | None = Field(default=None, description="true or false")
    comment: Comment | None = Field(default=None, description="a text of at most 500 characters")
    meta: dict[str, Any] | None = Field(default=None, description="an object of at most 1 kB of text")

    @model_validator(mode="before")
    @classmethod
    def _null_is_absent(cls, value: Any) -> Any:
        """null for a field with a default means the default."""
        if isinstance(value, dict):
            return {
                name: given for name, given in value.items() if given is not None or name not in _DEFAULTED
            }
        return value


_DEFAULTED = frozenset({"action", "type"})


class Alert(_Part):
    """One alert: the envelope around an intent. `id` is the sender's own dedupe key, `ts` the firing time."""

    version: Literal["unify.v1"] = Field(description='"unify.v1"')
    source: Source | None = Field(default=None, description="one of tradingview, api, dashboard, cli, drill")
    ts: Moment | None = Field(default=None, description=_TIME + "; use {{timenow}}")
    id: Line128 | None = Field(default=None, description="one line of 1 to 128 characters")
    intent: Intent = Field(description="an object")

    @model_validator(mode="after")
    def _rules_between_fields(self) -> Self:
        problems = alert_rules.check(self.intent)
        if problems:
            raise alert_rules.RuleError(problems)
        return self
