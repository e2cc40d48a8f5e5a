"""The guides in docs/ say what is: reasons, fields, modes, commands, links and the alert on the page."""

from __future__ import annotations

import re

import pytest
import typer

from bench import __main__ as bench
from bench import readings
from local.commands import app
from local.paths import PROJECT
from shared.models.alert import Alert
from shared.models.alert_parse import parse_alert
from shared.models.enums import Action, QtyMode, Stage, StopMode
from shared.models.reasons import Reason

DOCS = PROJECT / "docs"
PAGES = sorted([PROJECT / "README.md", PROJECT / "CHANGELOG.md", *DOCS.rglob("*.md")])
ALERTS, BENCH, SECURITY = ((DOCS / f"{name}.md").read_text() for name in ("alerts", "bench", "security"))


def table(page: str, head: str) -> list[list[str]]:
    """The cells of the table whose first heading is that."""
    rows = re.search(rf"^\| {head} \|.*\n\|[-|]+\n((?:\|.*\n)+)", page, re.MULTILINE)
    assert rows is not None, head
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in rows[1].splitlines()]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_somewhere(page: object) -> None:
    """To a file of the checkout."""
    file = PROJECT / str(page)
    links = [link for link in re.findall(r"\]\(([^)#]+)\)", file.read_text()) if "://" not in link]
    assert [link for link in links if not (file.parent / link).exists()] == []


def test_the_alert_of_the_page_is_one() -> None:
    """With its placeholder filled in, it passes the validation of the door."""
    found = re.search(r"```json\n(.*?)```", ALERTS, re.DOTALL)
    assert found is not None
    alert = parse_alert(found[1].replace("{{timenow}}", "2026-10-14T14:30:00Z").encode())
    assert isinstance(alert, Alert), alert


def test_every_action_mode_and_reason_is_there() -> None:
    """The tables hold every action and quantity mode, and reasons that exist."""
    assert [row[0] for row in table(ALERTS, "action")] == list(Action)
    modes = [mode for row in table(ALERTS, "qty_mode") for mode in row[0].split(", ")]
    assert sorted(modes) == sorted(QtyMode)
    nothing_to_do = [word for row in table(ALERTS, "action") for word in re.findall(r"`(\w+)`", row[2])]
    assert len(nothing_to_do) >= 7
    assert set(nothing_to_do) <= set(Reason)
    assert set(re.findall(r"`(stale|id_reused|max_trades_per_day)\b", ALERTS)) <= set(Reason)
    for mode in StopMode:
        assert f"`{mode}`" in ALERTS
    told = re.search(r"shows the stages: ([\w, \n]+),\nexecute, record", ALERTS)
    assert told is not None
    stages = [*re.findall(r"\w+", told[1]), "execute", "record"]
    assert stages == [stage for stage in Stage if stage in stages]


def test_the_figures_of_the_page_are_the_benchs() -> None:
    """Every field of the last line, and of one load, is explained; and no other."""
    fields = {field.strip("`") for row in table(BENCH, "field") for field in row[0].split(", ")}
    source = "".join((PROJECT / "bench" / f"{name}.py").read_text() for name in ("__main__", "readings"))
    report = re.findall(r'^        "(\w+)": |report\["(\w+)"\] = ', source, re.MULTILINE)
    named = {field.removesuffix("[]").lstrip(".") for field in fields}
    assert named == {one or other for one, other in report} - {"per_s", "stack", "worker"}
    assert f"{bench.ACCOUNTS} paper accounts" in BENCH
    assert all(str(rate) in BENCH for rate in bench.RATES)
    assert readings.percentiles([1.0, 2.0]).keys() == {"p50", "p99"}


def test_the_commands_of_the_guides_exist() -> None:
    """`empire X ...` in a guide is a command, with its options."""
    console = typer.main.get_command(app)
    for line in re.findall(r"`empire ([a-z][^`]*)`", SECURITY):
        command, words = console, line.split()
        while words and words[0] in getattr(command, "commands", {}):
            command = command.commands[words.pop(0)]  # type: ignore[attr-defined]
        assert command is not console, line
        options = {option for each in command.params for option in each.opts}
        assert {word for word in words if word.startswith("-")} <= options, line
