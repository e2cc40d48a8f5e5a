"""The rules as the database knows them are the rules as the models say."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

from shared.models.limits import RuleSettings, rule_fields, rule_model
from shared.risk.calendars import HOURS, NEWS
from shared.risk.packs import apply_pack, packs, variants
from tests.security.people import OWNER_WITHOUT_FACTOR, acting, seed
from tests.support.clusters import Database


def fallback(rule: str, field: str) -> Any:
    """What the model takes for a field that is absent, as JSON."""
    for name, info in rule_model(rule).model_fields.items():
        if (info.alias or name) == field and not info.is_required() and info.default is not None:
            return info.default
    return None


def test_the_table_is_the_model(database: Database) -> None:
    """Each field of each rule: type, bounds, choices, which way is looser, required, unit, and what absent means."""
    rows = database.sql("select to_jsonb(f) from engine.rule_fields f")
    found = {(each["rule"], each["field"]): each for each in map(_decimals, rows.splitlines())}
    said = {
        (each.rule, each.field): {
            "rule": each.rule,
            "field": each.field,
            "type": each.type,
            "minimum": each.minimum,
            "maximum": each.maximum,
            "choices": None if each.choices is None else list(each.choices),
            "looser": each.looser,
            "required": each.required,
            "unit": each.unit,
            "fallback": fallback(each.rule, each.field),
        }
        for each in rule_fields()
    }
    assert found == said


def _decimals(text: str) -> dict[str, Any]:
    row: dict[str, Any] = json.loads(text, parse_float=Decimal)
    return row


def test_packs_and_calendars_are_known_by_name(database: Database) -> None:
    """A limit can name the packs and calendars there are and no other."""
    rows = database.sql("select rule, name from engine.rule_names").splitlines()
    known = {("pack", each) for each in packs()} | {
        (rule, each) for rule in ("hours", "flat_by") for each in HOURS
    }
    assert {tuple(row.split("|")) for row in rows} == known | {("news", each) for each in NEWS}


async def test_what_packs_write_can_be_set(database: Database) -> None:
    """The rules of every size and stage of every pack pass the checks of the database."""
    seed(database)
    async with acting(database, OWNER_WITHOUT_FACTOR) as connection:
        await connection.execute("savepoint before")
        for name, size, stage in variants():
            rules = apply_pack(name, size, stage).rules.model_dump(mode="json", exclude_none=True)
            await connection.execute("select public.set_risk('{}', $1)", json.dumps({"rules": rules}))
            kept = await connection.fetchval(
                "select rules from public.risk_settings where superseded_at is null and broker is null"
            )
            assert RuleSettings.model_validate_json(kept) == apply_pack(name, size, stage).rules
            await connection.execute("rollback to savepoint before")
