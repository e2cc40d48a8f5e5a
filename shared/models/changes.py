"""A copy of a frozen value with some fields changed."""

from dataclasses import replace
from typing import Any, TypeVar

T = TypeVar("T")


def changed(value: T, **fields: Any) -> T:
    """`dataclasses.replace`, but the value itself where nothing differs: a leg is copied a tenth as often."""
    for name, wanted in fields.items():
        if getattr(value, name) is not wanted:
            copied: T = replace(value, **fields)  # type: ignore[type-var]
            return copied
    return value
