"""The rules' verdicts of a trace, a line each: what was looked at, what is left, and what was denied in words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from shared.models.reasons import Reason
from shared.risk.reasons import sentence

OF_CHECKS = frozenset({"checks", "not_set"})
"""The details of a step that these lines show."""
_COMPARED = ("value", "limit", "distance", "scope", "unit", "currency")
_UNITS = {
    "risk_per_trade": "%", "price_near_alert": "%", "margin_use": "%", "exposure": "USD", "quote_age": "s",
    "alert_age": "s", "duplicates": "s",
}  # fmt: skip
"""Of rules that compare in one unit always; elsewhere the numbers name it."""
_VERDICT = ("rule", "ok", "reason")


def check_lines(detail: Mapping[str, Any]) -> Iterator[str]:
    """Rules that deny first, then those that let it through with their numbers, then how many others there are."""
    checks = detail.get("checks")
    if not isinstance(checks, list):
        return
    yield from (_denied(each) for each in checks if not each.get("ok"))
    holding = [each for each in checks if each.get("ok")]
    yield from (_held(each) for each in holding if _numbers(each))
    silent = sum(1 for each in holding if not _numbers(each))
    yield f"{silent} more hold, {detail.get('not_set', 0)} are not set"


def _denied(check: dict[str, Any]) -> str:
    numbers = {name: str(value) for name, value in _numbers(check).items()}
    said = str(check.get("reason"))
    words = sentence(Reason(said), numbers) if said in set(Reason) else str(numbers)
    return f"DENIES {check.get('rule')}: {words}"


def _held(check: dict[str, Any]) -> str:
    numbers = _numbers(check)
    rest = {name: value for name, value in numbers.items() if name not in _COMPARED}
    more = f" ({', '.join(f'{name} {value}' for name, value in rest.items())})" if rest else ""
    return f"{check.get('rule')}: {_compared(numbers, _UNITS.get(str(check.get('rule'))))}{more}"


def _compared(numbers: Mapping[str, Any], unit: str | None) -> str:
    """`120 of 450 USD, 330 left, set for the user`."""
    unit = unit or numbers.get("unit") or numbers.get("currency") or ""
    value, limit, left = (numbers.get(name) for name in ("value", "limit", "distance"))
    parts = []
    if value is not None and limit is not None:
        parts.append(f"{value} of {limit} {unit}".strip())
    elif value is not None or limit is not None:
        parts.append(f"limit {limit} {unit}".strip() if value is None else str(value))
    if left is not None:
        parts.append(f"{left} left" if parts else f"{left} {unit} left")
    if numbers.get("scope") is not None:
        parts.append(f"set for the {numbers['scope']}")
    return ", ".join(parts)


def _numbers(check: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in check.items() if name not in _VERDICT}
