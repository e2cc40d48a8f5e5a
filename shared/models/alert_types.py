"""The kinds of value an alert holds. Each is strict about its text and carries its own JSON Schema, so that
the edge's validator and pydantic judge alike. A field's description completes "<field> must be ...".

Numbers may be JSON numbers (Decimal from the strict reader) or strings; a double never occurs."""

import re
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any

from pydantic import (
    BeforeValidator,
    Field,
    PlainSerializer,
    PlainValidator,
    StringConstraints,
    WithJsonSchema,
)

from shared.models.strict_json import MAX_NUMBER_LENGTH

# The exponent is bounded to 20 as in the strict reader.
_TAIL = r"(?:\.[0-9]+)?(?:[eE][+-]?0*(?:1?[0-9]|20))?$"
_ANY = r"^-?(?:0|[1-9][0-9]*)" + _TAIL
_NOT_NEGATIVE = r"^(?:0|[1-9][0-9]*)" + _TAIL
_POSITIVE = r"^(?=[0-9.]*[1-9])(?:0|[1-9][0-9]*)" + _TAIL
_WHOLE = r"^[1-9][0-9]{0,6}$"
MAX_WHOLE = 9_999_999
_TIMESTAMP = (
    r"^20[0-9]{2}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12][0-9]|3[01])"
    r"T(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\.[0-9]{1,6})?(?:Z|[+-](?:0[0-9]|1[0-4]):[0-5][0-9])$"
)
# Every printable character except those that could end a string, open a tag or escape something.
_SYMBOL_CHARACTER = r"!#-&(-;=?-\[\]-~"
_SYMBOL = rf"^[{_SYMBOL_CHARACTER}](?:[ {_SYMBOL_CHARACTER}]{{0,62}}[{_SYMBOL_CHARACTER}])?$"
_ONE_LINE = r"^[^\x00-\x1f\x7f]+$"


def _matches(pattern: str, text: str) -> bool:
    return len(text) <= MAX_NUMBER_LENGTH and re.fullmatch(pattern, text) is not None


def _number(pattern: str, holds: Callable[[Decimal], bool]) -> Callable[[Any], Decimal]:
    def read(value: Any) -> Decimal:
        if isinstance(value, str) and _matches(pattern, value):
            return Decimal(value)
        if isinstance(value, int) and not isinstance(value, bool):
            value = Decimal(value)
        if isinstance(value, Decimal) and value.is_finite() and holds(value):
            return value
        raise ValueError("not such a number")

    return read


def _number_schema(pattern: str, **bounds: int) -> WithJsonSchema:
    return WithJsonSchema(
        {"type": ["number", "string"], "pattern": pattern, "maxLength": MAX_NUMBER_LENGTH, **bounds}
    )


def _text(value: Decimal) -> str:
    return format(value, "f")


def _whole(value: Any) -> int:
    if isinstance(value, str) and _matches(_WHOLE, value):
        return int(value)
    if isinstance(value, int) and not isinstance(value, bool):
        value = Decimal(value)
    if isinstance(value, Decimal) and value == value.to_integral_value() and 1 <= value <= MAX_WHOLE:
        return int(value)
    raise ValueError("not a whole number")


def _flag(value: Any) -> bool:
    flags = {"true": True, "false": False}
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value in flags:
        return flags[value]
    raise ValueError("not true or false")


def _moment(value: Any) -> datetime:
    if isinstance(value, datetime) and value.tzinfo is not None:
        return value.astimezone(UTC)
    if isinstance(value, str) and re.fullmatch(_TIMESTAMP, value):
        return datetime.fromisoformat(value).astimezone(UTC)
    raise ValueError("not a time")


_AS_TEXT = PlainSerializer(_text, return_type=str, when_used="json")

Number = Annotated[Decimal, PlainValidator(_number(_ANY, lambda _: True)), _AS_TEXT, _number_schema(_ANY)]
Positive = Annotated[
    Decimal,
    PlainValidator(_number(_POSITIVE, lambda number: number > 0)),
    _AS_TEXT,
    _number_schema(_POSITIVE, exclusiveMinimum=0),
]
NotNegative = Annotated[
    Decimal,
    PlainValidator(_number(_NOT_NEGATIVE, lambda number: number >= 0)),
    _AS_TEXT,
    _number_schema(_NOT_NEGATIVE, minimum=0),
]
Whole = Annotated[
    int,
    PlainValidator(_whole),
    WithJsonSchema({"type": ["integer", "string"], "pattern": _WHOLE, "minimum": 1, "maximum": MAX_WHOLE}),
]
Flag = Annotated[
    bool,
    PlainValidator(_flag),
    WithJsonSchema({"type": ["boolean", "string"], "enum": [True, False, "true", "false"]}),
]
Moment = Annotated[
    datetime,
    PlainValidator(_moment),
    WithJsonSchema({"type": "string", "pattern": _TIMESTAMP, "format": "date-time"}),
]


# One line of text without control characters.
Line64 = Annotated[
    str,
    StringConstraints(min_length=1, max_length=64, pattern=_ONE_LINE),
    Field(description="one line of 1 to 64 characters"),
]
Line128 = Annotated[
    str,
    StringConstraints(min_length=1, max_length=128, pattern=_ONE_LINE),
    Field(description="one line of 1 to 128 characters"),
]
Symbol = Annotated[str, StringConstraints(min_length=1, max_length=64, pattern=_SYMBOL)]
Comment = Annotated[str, StringConstraints(max_length=500)]


def few(longest: int) -> BeforeValidator:
    """A list of 1 to `longest` elements: judged before its elements, so that one fault gives one path."""

    def check(value: Any) -> Any:
        if isinstance(value, list | tuple) and not 1 <= len(value) <= longest:
            raise ValueError("too few or too many")
        return value

    return BeforeValidator(check)


def listed(longest: int, description: str) -> Any:
    """The field of a list that `few` has judged."""
    return Field(
        default=None, description=description, json_schema_extra={"minItems": 1, "maxItems": longest}
    )
