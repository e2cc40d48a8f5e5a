"""The rules of `risk_settings.rules`: one model a rule, its bounds, units, and what counts as loosening it.

Null or absent = the rule is off, 0 = nothing allowed. Percent is percent. `set_risk()` checks the same bounds in
SQL from the data table `engine.rule_fields`; a test holds that table against `rule_fields()`."""

from collections.abc import Iterator, Mapping
from datetime import date
from decimal import Decimal
from typing import Annotated, Any, Literal, Self, get_args
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from msgspec import Struct
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator
from pydantic.fields import FieldInfo

Looser = Literal["higher", "lower", "any", "superset", "subset"]
"""Which change of a field admits an order refused before; `any` = every change counts as one."""
Kind = Literal[
    "number", "integer", "text", "date", "choice", "choices", "clock", "zone",
    "quantities", "names", "groups", "windows", "steps", "seed",
]  # fmt: skip
"""How a field is written in JSON: the types of `engine.rule_fields`."""
MoneyUnit = Literal["usd", "account", "pct_of_initial"]
DayUnit = Literal["usd", "account", "pct_of_initial", "pct_of_day_start"]
Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
RuleScope = Literal["user", "broker", "account"]

MOST_MONEY, MOST_QTY = 1_000_000_000, 1_000_000
_CLOCK = r"^([01][0-9]|2[0-3]):[0-5][0-9]$"
_NAME = r"^[a-z][a-z0-9_]{0,62}$"
_ROOT = r"^[A-Z0-9][A-Z0-9._/-]{0,31}$"


def _field(
    kind: Kind, looser: Looser, unit: str = "", low: int | Decimal | None = None, high: int | None = None
) -> Any:
    """What a field is, as pydantic keeps it. Bounds are inclusive and, for a map, those of its values."""
    extra: dict[str, Any] = {"kind": kind, "looser": looser, "unit": unit, "low": low, "high": high}
    if kind in ("number", "integer"):
        return Field(ge=low, le=high, json_schema_extra=extra)
    return Field(json_schema_extra=extra)


def _known_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(f"{name} is not an IANA time zone") from None
    return name


Zone = Annotated[str, Field(max_length=64), AfterValidator(_known_zone), _field("zone", "any")]
Clock = Annotated[str, Field(pattern=_CLOCK), _field("clock", "any", "HH:MM")]
Name = Annotated[str, Field(pattern=_NAME), _field("text", "any")]
Root = Annotated[str, Field(pattern=_ROOT)]
Qty = Annotated[Decimal, Field(ge=0, le=MOST_QTY)]
Seconds = Annotated[Decimal, _field("number", "higher", "s", 0, 86_400)]
Percent = Annotated[Decimal, _field("number", "higher", "%", 0, 100)]
Buffer = Annotated[Decimal, _field("number", "lower", "% of the amount", 0, 99)]
LeastMinutes = Annotated[Decimal, _field("number", "lower", "min", 0, 10_080)]
MonthOfMinutes = Annotated[Decimal, _field("number", "lower", "min", 0, 43_200)]
Money = Annotated[Decimal, _field("number", "higher", "as unit", 0, MOST_MONEY)]
Level = Annotated[Decimal, _field("number", "any", "account currency", 0, MOST_MONEY)]
Dollars = Annotated[Decimal, _field("number", "higher", "USD", 0, MOST_MONEY)]
EntryAction = Annotated[Literal["deny", "flatten"], _field("choice", "any")]


class _Rule(BaseModel):
    """Settings of a rule: frozen, and what is not known is refused."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", allow_inf_nan=False)


class _Money(_Rule):
    @model_validator(mode="after")
    def _percent_has_an_end(self) -> Self:
        amount, unit = getattr(self, "limit", getattr(self, "amount", None)), getattr(self, "unit", "")
        if isinstance(amount, Decimal) and unit.startswith("pct") and amount > 100:
            raise ValueError(f"{amount} % is more than all of it (100 %)")
        return self


class DailyLoss(_Money):
    """The zone and the reset of the day are the account's (timezone, reset_time)."""

    limit: Money
    unit: Annotated[DayUnit, _field("choice", "any")]
    reference: Annotated[Literal["balance", "equity", "max"], _field("choice", "any")] = "max"
    buffer_pct: Buffer = Decimal(10)


class WeeklyLoss(_Money):
    """The week begins with the first trading day after Sunday's reset."""

    limit: Money
    unit: Annotated[MoneyUnit, _field("choice", "any")]
    buffer_pct: Buffer = Decimal(10)


class DailyProfit(_Money):
    limit: Money
    unit: Annotated[DayUnit, _field("choice", "any")]
    action: EntryAction = "deny"


class FloorSeed(_Rule):
    """The floor as it stood when the watch began (the firm shows it): at which equity, since when, and who says so.

    An account that is funded from 0 has one below it.
    """

    amount: Annotated[Decimal, Field(ge=-MOST_MONEY, le=MOST_MONEY)]
    on: date
    by: Annotated[str, Field(min_length=1, max_length=200)]


class TrailingDrawdown(_Money):
    """`start` and `cap` in account currency; absent = the initial balance, and no cap. The buffer is of `amount`."""

    kind: Annotated[Literal["end_of_day", "intraday"], _field("choice", "any")]
    amount: Money
    unit: Annotated[MoneyUnit, _field("choice", "any")]
    start: Level | None = None
    cap: Level | None = None
    buffer_pct: Buffer = Decimal(0)
    floor_seed: Annotated[FloorSeed | None, _field("seed", "any")] = None


class StaticFloor(_Money):
    """floor = initial balance - amount. The buffer is of `amount`."""

    amount: Money
    unit: Annotated[MoneyUnit, _field("choice", "any")]
    buffer_pct: Buffer = Decimal(0)


class ScalingStep(_Rule):
    """From this profit on (start of the day against the initial balance, account currency) so many are allowed."""

    profit_from: Annotated[Decimal, Field(ge=-MOST_MONEY, le=MOST_MONEY)]
    per_account: Qty


class MaxQty(_Rule):
    """Contracts or lots at once, working entries included. Without `mini_of` the exchange's micros are known."""

    per_account: Annotated[Decimal | None, _field("number", "higher", "contracts", 0, MOST_QTY)] = None
    per_symbol: Annotated[
        Mapping[Root, Qty] | None, _field("quantities", "higher", "contracts", 0, MOST_QTY)
    ] = None
    micros_per_mini: Annotated[Decimal, _field("number", "any", "micros", 1, 1000)] = Decimal(10)
    mini_of: Annotated[Mapping[Root, Root] | None, _field("names", "any")] = None
    scaling: Annotated[tuple[ScalingStep, ...] | None, _field("steps", "any", "contracts")] = None

    @model_validator(mode="after")
    def _steps_rise(self) -> Self:
        froms = [each.profit_from for each in self.scaling or ()]
        if froms != sorted(set(froms)):
            raise ValueError("scaling: every step begins at a higher profit_from than the one before")
        return self


class Exposure(_Rule):
    """Notional value, all positions and pending entries; a group is a set of roots that move together."""

    per_symbol_usd: Dollars | None = None
    per_group_usd: Dollars | None = None
    groups: Annotated[
        Mapping[Annotated[str, Field(min_length=1, max_length=64)], tuple[Root, ...]] | None,
        _field("groups", "any"),
    ] = None

    @model_validator(mode="after")
    def _one_group_a_root(self) -> Self:
        roots = [root for group in (self.groups or {}).values() for root in group]
        twice = sorted({root for root in roots if roots.count(root) > 1})
        if twice:
            raise ValueError(f"groups: {', '.join(twice)} in more than one")
        return self


class MarginUse(_Rule):
    """`leverage`: what the broker grants, for orders whose margin it does not state; absent = those are denied."""

    max_pct: Annotated[Decimal, _field("number", "higher", "% of equity", 0, 100)]
    leverage: Annotated[Decimal | None, _field("number", "any", "times", 1, 5000)] = None


class StopDistance(_Rule):
    min_ticks: Annotated[Decimal | None, _field("number", "lower", "ticks", 0, MOST_QTY)] = None
    min_pct: Annotated[Decimal | None, _field("number", "lower", "% of the entry", 0, 100)] = None


class Spread(_Rule):
    max_ticks: Annotated[Decimal | None, _field("number", "higher", "ticks", 0, MOST_QTY)] = None
    max_pct: Annotated[Decimal | None, _field("number", "higher", "% of the price", 0, 100)] = None


class QuoteAge(_Rule):
    max_s: Seconds


class AlertAge(_Rule):
    max_s: Seconds


class CoolDown(_Rule):
    after_losses: Annotated[int, _field("integer", "higher", "losses in a row", 1, 100)] = 1
    minutes: LeastMinutes


class Window(_Rule):
    """On these days from one time to another; `to` before `from` = it ends on the next day."""

    model_config = ConfigDict(validate_by_name=True, validate_by_alias=True, serialize_by_alias=True)

    days: Annotated[tuple[Weekday, ...], Field(min_length=1, max_length=7)]
    begin: Annotated[Clock, Field(alias="from")]
    end: Annotated[Clock, Field(alias="to")]

    @model_validator(mode="after")
    def _is_some_time(self) -> Self:
        if self.begin == self.end:
            raise ValueError(f"from and to are both {self.begin}")
        return self


class Hours(_Rule):
    """Both are asked where both are set. `tz` is the zone of the windows."""

    calendar: Name | None = None
    windows: Annotated[
        tuple[Window, ...] | None, Field(min_length=1, max_length=50), _field("windows", "any")
    ] = None
    tz: Zone = "UTC"


class FlatBy(_Rule):
    """Flat by `time`; nothing is opened from `no_entry_from` (absent = `time`) until the account's next reset.

    With a `calendar` also flat so many minutes before its market closes: at an early close, before a weekend.
    """

    time: Clock
    tz: Zone
    no_entry_from: Clock | None = None
    calendar: Name | None = None
    before_close_min: Annotated[Decimal, _field("number", "lower", "min", 0, 720)] = Decimal(15)


class News(_Rule):
    calendar: Name
    before_min: MonthOfMinutes
    after_min: MonthOfMinutes
    action: EntryAction = "deny"


class NoOpposite(_Rule):
    across: Annotated[Literal["user"], _field("choice", "any")] = "user"


class Consistency(_Rule):
    """The best day against all net profit, or against the profit `target` (account currency) while that is more."""

    max_pct: Annotated[Decimal, _field("number", "higher", "%", 0, 99)]
    target: Annotated[Decimal | None, _field("number", "higher", "account currency", 0, MOST_MONEY)] = None
    action: Annotated[Literal["warn", "cap"], _field("choice", "any")] = "warn"


class Sides(_Rule):
    allowed: Annotated[tuple[Literal["buy", "sell"], ...], _field("choices", "superset")]


class Duplicates(_Rule):
    window_s: Annotated[Decimal, _field("number", "lower", "s", 0, 86_400)]


class Pack(_Rule):
    """Which pack wrote these rules; it decides nothing itself."""

    name: Name
    version: Annotated[str, Field(min_length=1, max_length=32), _field("text", "any")]
    size: Annotated[str, Field(min_length=1, max_length=32), _field("text", "any")]
    stage: Annotated[str, Field(min_length=1, max_length=32), _field("text", "any")]


class RuleSettings(_Rule):
    """`risk_settings.rules` of one scope. None = the rule is off."""

    daily_loss: DailyLoss | None = None
    weekly_loss: WeeklyLoss | None = None
    daily_profit: DailyProfit | None = None
    trailing_drawdown: TrailingDrawdown | None = None
    static_floor: StaticFloor | None = None
    max_qty: MaxQty | None = None
    exposure: Exposure | None = None
    margin_use: MarginUse | None = None
    stop_distance: StopDistance | None = None
    spread: Spread | None = None
    quote_age: QuoteAge | None = None
    alert_age: AlertAge | None = None
    cool_down: CoolDown | None = None
    hours: Hours | None = None
    flat_by: FlatBy | None = None
    news: News | None = None
    no_opposite: NoOpposite | None = None
    consistency: Consistency | None = None
    sides: Sides | None = None
    duplicates: Duplicates | None = None
    pack: Pack | None = None


class ScopedRules(Struct, frozen=True):
    """The rules that one scope sets. Every scope is asked, so that the tightest decides."""

    scope: RuleScope
    rules: RuleSettings


class RuleField(Struct, frozen=True):
    """One field of one rule, as `engine.rule_fields` keeps it; `choices` only where its type is a choice."""

    rule: str
    field: str
    type: Kind
    minimum: Decimal | None
    maximum: Decimal | None
    choices: tuple[str, ...] | None
    looser: Looser
    required: bool
    unit: str


def rule_model(rule: str) -> type[BaseModel]:
    """The model of a rule of RuleSettings."""
    for each in get_args(RuleSettings.model_fields[rule].annotation):
        if isinstance(each, type) and issubclass(each, BaseModel):
            return each
    raise TypeError(f"{rule} has no model")


def rule_fields() -> Iterator[RuleField]:
    """Every field of every rule, in the order of the models."""
    for rule in RuleSettings.model_fields:
        for name, info in rule_model(rule).model_fields.items():
            yield _described(rule, name, info)


def _described(rule: str, name: str, info: FieldInfo) -> RuleField:
    said = _extra(info)
    low, high = said["low"], said["high"]
    return RuleField(
        rule=rule,
        field=info.alias or name,
        type=said["kind"],
        minimum=None if low is None else Decimal(low),
        maximum=None if high is None else Decimal(high),
        choices=_choices(info.annotation) if said["kind"] in ("choice", "choices") else None,
        looser=said["looser"],
        required=info.is_required(),
        unit=said["unit"],
    )


def _extra(info: FieldInfo) -> dict[str, Any]:
    """What `_field` said, also where the type is `Something | None` and pydantic left it inside."""
    if isinstance(info.json_schema_extra, dict):
        return info.json_schema_extra
    for member in get_args(info.annotation):
        for each in getattr(member, "__metadata__", ()):
            if isinstance(each, FieldInfo) and isinstance(each.json_schema_extra, dict):
                return each.json_schema_extra
    raise TypeError("a field of a rule says what it is by _field()")


def _choices(annotation: Any) -> tuple[str, ...]:
    """The texts of a Literal, also inside a tuple."""
    inside = get_args(annotation)
    if inside and all(isinstance(each, str) for each in inside):
        return tuple(inside)
    return _choices(inside[0])
