"""A copy of a frozen value with some fields changed."""

from typing import Any, TypeVar

from msgspec import Struct
from msgspec.structs import replace

T = TypeVar("T", bound=Struct)


def changed(value: T, **fields: Any) -> T:
    """`msgspec.structs.replace`, but the value itself where nothing differs: a leg is seldom copied at all."""
    for name, wanted in fields.items():
        if getattr(value, name) is not wanted:
            return replace(value, **fields)
    return value
