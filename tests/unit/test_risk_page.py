"""docs/risk.md holds every rule with its settings and what it denies with."""

from __future__ import annotations

from local import risk_page
from shared.models.limits import RuleSettings, rule_fields
from shared.models.reasons import Reason
from shared.risk.calendars import HOURS, NEWS
from shared.risk.rules import RULES
from tests.unit.risk.test_rules import DENIALS
from tests.unit.risk.test_rules_of_scopes import CASES


def test_every_rule_is_on_the_page_with_what_it_denies() -> None:
    """A new rule cannot be left out, and each has a reason whose sentence is there."""
    page, told = risk_page.risk_page(), risk_page.reasons_on_the_page()
    assert list(told) == [rule.__name__ for rule in RULES]
    for name, reasons in told.items():
        assert f"### {name}\n" in page
        assert reasons
        assert all(f"- `{reason}`: " in page for reason in reasons)


def test_every_setting_is_on_the_page() -> None:
    """Each field of each rule, but the pack's, which decides nothing."""
    page = risk_page.risk_page()
    for field in rule_fields():
        section = page.partition(f"### {field.rule}\n")[2].partition("\n### ")[0]
        assert field.rule == "pack" or f"| `{field.field}` |" in section, field
    assert set(RuleSettings.model_fields) - {"pack"} <= {rule.__name__ for rule in RULES}


def test_every_calendar_is_on_the_page() -> None:
    """With its source and its end."""
    page = risk_page.risk_page()
    for each in (*HOURS.values(), *NEWS.values()):
        assert f"| `{each.name}` |" in page
        assert each.source in page


def test_what_rules_deny_with_in_tests_is_on_the_page() -> None:
    """No rule denies with a reason that its section does not tell."""
    told = {reason for reasons in risk_page.reasons_on_the_page().values() for reason in reasons}
    met = {reason for reason, *_ in DENIALS} | {case.reason for case in CASES.values() if case.reason}
    assert met <= told | {Reason.SIDE_MISSING}
