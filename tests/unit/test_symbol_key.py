"""Python and the database agree which symbols are the same; the database's half is in the engine's tests."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from shared.models.symbol_key import symbol_key

VECTORS: dict[str, str] = json.loads(
    (Path(__file__).parents[1] / "payloads" / "symbols" / "keys.json").read_text()
)


@pytest.mark.parametrize(("symbol", "key"), VECTORS.items())
def test_key(symbol: str, key: str) -> None:
    """Without its exchange; of a future the root, in any month; an index is not a future."""
    assert symbol_key(symbol) == key
    assert symbol_key(key) == key, "a key is its own key"
