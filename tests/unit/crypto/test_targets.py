"""Addresses of messages: what Python seals, shows and refuses, browsers seal, show and refuse too."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from shared.crypto import spelling
from shared.crypto.fleet_keys import Keyring
from shared.crypto.sealing import SealError
from shared.crypto.targets import (
    TargetBinding,
    TargetError,
    checked_address,
    hint_of,
    open_address,
    seal_address,
)

TARGETS: dict[str, Any] = json.loads((Path(__file__).parents[2] / "payloads/crypto/targets.json").read_text())
RING = Keyring.parse(
    json.dumps({"current": TARGETS["key_id"], "keys": {TARGETS["key_id"]: TARGETS["private_key"]}})
)
KEY = RING.key(TARGETS["key_id"])


@pytest.mark.parametrize("case", TARGETS["good"], ids=lambda case: case["name"])
def test_an_address_opens_for_its_row(case: dict[str, Any]) -> None:
    """Whoever sealed it; the info and what is shown of it are the same text to the letter."""
    binding = TargetBinding(**case["binding"])
    assert binding.info().decode() == case["info"]
    assert open_address(spelling.decode(case["sealed"]), binding, KEY) == case["values"]
    assert hint_of(binding.kind, case["values"]) == case["hint"]


@pytest.mark.parametrize("case", TARGETS["good"], ids=lambda case: case["name"])
@pytest.mark.parametrize("column", ["user_id", "target_id", "kind", "key_id"])
def test_an_address_opens_for_no_other_row(case: dict[str, Any], column: str) -> None:
    """Each of the four values of the row is bound."""
    binding = TargetBinding(**{**case["binding"], column: "other"})
    with pytest.raises(SealError):
        open_address(spelling.decode(case["sealed"]), binding, KEY)


@pytest.mark.parametrize("case", TARGETS["bad"], ids=lambda case: case["name"])
def test_what_is_no_address_is_not_sealed(case: dict[str, Any]) -> None:
    """Refused before anything is sealed, with a sentence that holds no secret."""
    values: dict[str, str] = case["values"]
    with pytest.raises(TargetError) as caught:
        checked_address(case["kind"], values)
    assert str(caught.value) == case["message"]
    assert not any(value in str(caught.value) for value in values.values() if len(value) > 8)
    binding = TargetBinding("user", "target", case["kind"], TARGETS["key_id"])
    with pytest.raises(TargetError):
        seal_address(values, binding, KEY.public_key())
