"""Rule packs of prop firms: data with its sources and the day they were read. A pack writes settings, no code.

Figures of firms change: `version` says of when a pack is, and what it wrote keeps the version it was written by."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, time
from decimal import Decimal
from functools import cache
from importlib import resources
from typing import Annotated, Any, NamedTuple, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from shared.models.limits import FloorSeed, RuleSettings, Zone

Value = TypeVar("Value")


class PackError(ValueError):
    """There is no such pack, size, stage or option; the message lists those there are."""


class _Data(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", allow_inf_nan=False)


class Source(_Data):
    """Where figures come from, and when they were read there."""

    title: str
    url: str
    read_on: date


class Clocks(_Data):
    """The account's day: its zone and the time of its reset."""

    timezone: Zone
    reset_time: time


class Size(_Data):
    """What a size begins with (account currency), what it has to earn, and the rules that are its own."""

    initial_balance: Annotated[Decimal, Field(ge=0)]
    profit_target: Annotated[Decimal | None, Field(gt=0)] = None
    rules: Mapping[str, Any] = Field(default_factory=dict)


class Stage(_Data):
    """A phase of an account."""

    title: str
    sizes: Mapping[str, Size]
    rules: Mapping[str, Any] = Field(default_factory=dict)


class Option(_Data):
    """What a trader may have chosen with the firm. `stages` None = in every one; `sizes` are rules by size."""

    title: str
    rules: Mapping[str, Any]
    sizes: Mapping[str, Mapping[str, Any]] = Field(default_factory=dict)
    stages: tuple[str, ...] | None = None


class PackData(_Data):
    """A file of this folder. Rules of the pack, its stage, its size and its options are laid over one another."""

    name: str
    version: str
    title: str
    sources: Annotated[tuple[Source, ...], Field(min_length=1)]
    says: tuple[str, ...]
    account: Clocks
    rules: Mapping[str, Any]
    stages: Mapping[str, Stage]
    options: Mapping[str, Option] = Field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class AccountSettings:
    """What a pack says of the account itself; limits count from it. Money in account currency."""

    timezone: str
    reset_time: time
    initial_balance: Decimal


class Applied(NamedTuple):
    """What a pack makes of an account."""

    rules: RuleSettings
    account: AccountSettings


@cache
def packs() -> Mapping[str, PackData]:
    """Every pack, by name."""
    files = sorted(each.name for each in resources.files(__name__).iterdir() if each.name.endswith(".json"))
    read = [
        PackData.model_validate_json(resources.files(__name__).joinpath(name).read_text()) for name in files
    ]
    return {each.name: each for each in read}


def apply_pack(
    name: str,
    size: str,
    stage: str,
    *,
    options: tuple[str, ...] = (),
    floor_seed: FloorSeed | None = None,
) -> Applied:
    """The settings of a pack for an account of this size in this stage. Raises PackError.

    `floor_seed` is the floor that the firm shows now; without it a trailing floor is not armed.
    """
    pack = _named(packs(), name, "pack")
    phase = _named(pack.stages, stage, f"stage of {name}")
    chosen = _named(phase.sizes, size, f"size of {name} {stage}")
    layers = [pack.rules, phase.rules, chosen.rules]
    for each in options:
        option = _named(_options(pack, stage), each, f"option of {name} {stage}")
        layers += [option.rules, option.sizes.get(size, {})]
    rules = _laid_over(layers)
    if floor_seed is not None and "trailing_drawdown" in rules:
        rules["trailing_drawdown"] |= {"floor_seed": floor_seed.model_dump(mode="json")}
    rules["pack"] = {"name": name, "version": pack.version, "size": size, "stage": stage}
    account = AccountSettings(pack.account.timezone, pack.account.reset_time, chosen.initial_balance)
    return Applied(_settings(rules), account)


def variants() -> Iterator[tuple[str, str, str]]:
    """Every pack, size and stage that can be applied."""
    for name, pack in packs().items():
        for stage, phase in pack.stages.items():
            for size in phase.sizes:
                yield name, size, stage


def _options(pack: PackData, stage: str) -> Mapping[str, Option]:
    return {name: each for name, each in pack.options.items() if each.stages is None or stage in each.stages}


def _named(choices: Mapping[str, Value], name: str, what: str) -> Value:
    if name not in choices:
        known = ", ".join(choices) or "none"
        raise PackError(f"There is no {what} called {name}; there is {known}.")
    return choices[name]


def _laid_over(layers: list[Mapping[str, Any]]) -> dict[str, Any]:
    """Rule by rule, a later layer adds fields to an earlier one or replaces them."""
    rules: dict[str, dict[str, Any]] = {}
    for layer in layers:
        for rule, fields in layer.items():
            rules[rule] = rules.get(rule, {}) | dict(fields)
    return rules


def _settings(rules: Mapping[str, Any]) -> RuleSettings:
    """Through JSON, as the database hands settings out: one reading, the same checks."""
    try:
        return RuleSettings.model_validate_json(json.dumps(rules))
    except ValidationError as error:
        raise PackError(f"The pack's rules do not hold together: {error}") from error
