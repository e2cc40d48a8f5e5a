"""What a decision is: a plan, or the reason why there is none. Outcomes are values."""

from collections.abc import Mapping
from decimal import Decimal
from types import MappingProxyType
from typing import NamedTuple

from msgspec import Struct, field

from shared.models.command import Leg
from shared.models.enums import QtyMode
from shared.models.reasons import Reason
from shared.risk.grid import shown

_NO_NUMBERS: Mapping[str, str] = MappingProxyType({})


class Note(Struct, frozen=True):
    """Something the trader should know although it changed nothing or was decided for them."""

    text: str
    numbers: Mapping[str, str] = field(default_factory=dict)


class Check(NamedTuple):
    """One rule's verdict with its numbers (`value`, `limit` and `distance` where the rule compares).

    `asked` False: nobody has set this rule. `reason`: why it denies, where it does.
    """

    rule: str
    ok: bool
    numbers: Mapping[str, str] = _NO_NUMBERS
    asked: bool = True
    reason: Reason | None = None


class Sizing(Struct, frozen=True):
    """How a quantity came about, every factor of it, so that a trace can show the arithmetic.

    qty = floor to `qty_step` of `qty_before_step`, which is, by mode: the fixed quantity in the venue's unit,
    `risk_money / loss_per_unit`, or `notional_money / price_of_one_unit`. `*_money`, `tick_value`,
    `commission_per_unit`, `loss_per_unit` and `worst_loss` are in the account's `currency`; `ticks` is the
    distance from entry to stop. None = not a factor here. `cut_from` is the quantity before a ceiling cut it.
    """

    mode: QtyMode | None
    amount: Decimal
    source: str
    unit: str
    currency: str
    qty: Decimal
    qty_before_step: Decimal
    qty_step: Decimal
    base_money: Decimal | None = None
    risk_money: Decimal | None = None
    notional_money: Decimal | None = None
    price_of_one_unit: Decimal | None = None
    entry_price: Decimal | None = None
    stop_price: Decimal | None = None
    ticks: Decimal | None = None
    slippage_ticks: Decimal | None = None
    tick_value: Decimal | None = None
    commission_per_unit: Decimal | None = None
    loss_per_unit: Decimal | None = None
    worst_loss: Decimal | None = None
    cut_from: Decimal | None = None

    def numbers(self) -> dict[str, str]:
        """Every factor that took part, as text."""
        values = ((name, getattr(self, name)) for name in self.__struct_fields__)
        return {
            name: shown(value) if isinstance(value, Decimal) else str(value)
            for name, value in values
            if value is not None
        }


class Plan(Struct, frozen=True):
    """What to send, in order, before any limit is looked at. `sizing` is the arithmetic of an entry."""

    legs: tuple[Leg, ...]
    notes: tuple[Note, ...] = ()
    sizing: Sizing | None = None


class Skipped(Struct, frozen=True):
    """Nothing had to be done."""

    reason: Reason
    numbers: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[Note, ...] = ()


class Denied(Struct, frozen=True):
    """We do not do it. `checks` holds the verdict of every rule; the first that denies gave reason and numbers.

    `retry_after_read`: an exit which only lacks a fresh read of the account. It is not refused: read again,
    plan again, and tell the user meanwhile.
    """

    reason: Reason
    numbers: Mapping[str, str] = field(default_factory=dict)
    checks: tuple[Check, ...] = ()
    retry_after_read: bool = False
