"""JSON in which money stays exact."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal as D

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared import codec


@dataclass(frozen=True, slots=True)
class Amount:
    """Something with money in it."""

    value: D
    note: str = ""


@given(st.decimals(allow_nan=False, allow_infinity=False))
def test_a_number_comes_back_as_it_went_in(value: D) -> None:
    """Any Decimal, written as a literal and read into a field, is the same to the last digit."""
    assert codec.decode_as(Amount, codec.encode(Amount(value))).value == value


def test_a_number_is_a_literal() -> None:
    """Money is written as a JSON number, not as text, and read without passing through a float."""
    text = b'{"value":0.1000000000000000055511151231257827,"note":""}'
    assert codec.encode(codec.decode_as(Amount, text)) == text
    assert codec.decode(text)["value"] == D("0.1000000000000000055511151231257827")


@pytest.mark.parametrize("text", [b"", b"{", b'{"note":"x"}', b'{"value":true}', b'{"value":"many"}', b"[]"])
def test_what_does_not_fit_is_said(text: bytes) -> None:
    """Anything of another shape is NotReadable, with the place."""
    with pytest.raises(codec.NotReadable):
        codec.decode_as(Amount, text)


def test_unknown_fields_are_ignored() -> None:
    """A database that tells more than we know of is not an error."""
    assert codec.decode_as(Amount, b'{"value":1,"more":[1]}') == Amount(D(1))
