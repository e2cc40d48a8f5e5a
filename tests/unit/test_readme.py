"""README.md says what is: every command, option, file and alert on it is there."""

from __future__ import annotations

import re

import pytest
import typer

from local.commands import app
from local.console import commands, events
from local.paths import PROJECT
from shared.brokers.paper.broker import DECLARED
from shared.models.alert import Alert
from shared.models.alert_parse import parse_alert
from shared.models.enums import OrderType
from shared.settings import WorkerSettings
from tests.support.readme import TEXT, blocks, printed_in_order, spans

CONSOLE = typer.main.get_command(app)
MAKEFILE = (PROJECT / "Makefile").read_text()


def called(program: str) -> list[list[str]]:
    """The words after the program's name in every code span and console line that calls it."""
    lines = [
        *spans(),
        *(line.removeprefix("$ ") for block in blocks("console") for line in block.splitlines()),
    ]
    words = [line.replace("[", "").replace("]", "").split() for line in lines]
    return [line[1:] for line in words if line and line[0].removeprefix(".venv/bin/") == program]


def test_every_make_target_exists() -> None:
    """`make X` on the page is a target, and the two of the first screen are among them."""
    targets = {
        word for line in re.findall(r"^\.PHONY: (.*)$", MAKEFILE, re.MULTILINE) for word in line.split()
    }
    named = [words[0] for words in called("make")]
    assert len(named) >= 6
    assert set(named) <= targets
    assert {"demo", "test"} <= set(named)


def test_every_command_and_option_of_the_console_exists() -> None:
    """`empire X --option` on the page is what the console script takes."""
    lines = called("empire")
    assert len(lines) >= 6
    for name, *words in lines:
        command = CONSOLE.commands[name]  # type: ignore[attr-defined]
        options = {option for each in command.params for option in each.opts}
        assert {word for word in words if word.startswith("-")} <= options, (name, words)
    short = {words[0] for words in (span.split() for span in spans()) if words[0] in CONSOLE.commands}  # type: ignore[attr-defined]
    assert "replay" in short
    assert "--all" in {option for each in CONSOLE.commands["flatten"].params for option in each.opts}  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("outcomes", "code"),
    [
        (["executed"], 0),
        (["executed", "skipped"], 0),
        (["executed", "denied"], 2),
        (["rejected"], 2),
        (["denied", "unknown"], 3),
        ([None], 3),
        ([], 3),
    ],
)
def test_send_ends_as_the_page_says(outcomes: list[str | None], code: int) -> None:
    """0 filled, 2 denied or rejected, 3 unknown: the worst of all accounts decides."""
    assert "ends with 0 filled, 2 denied or rejected, 3 unknown" in TEXT
    road = events.Road(event={}, deliveries=[{"outcome": outcome} for outcome in outcomes])
    assert commands.exit_code(road) == code


def test_every_file_and_folder_exists() -> None:
    """What "Reading the code" names, and what is linked."""
    (tree,) = [block for block in blocks("text") if block.startswith("supabase/")]
    folders = [line.split()[0] for line in tree.splitlines() if line[0] != " "]
    assert set(folders) == {"supabase/", "workers/", "shared/", "local/", "tests/", "bench/", "docs/"}
    linked = re.findall(r"\]\(([^)]+)\)", TEXT)
    inside = {
        "supabase/": ("migrations", "policies.sql", "functions"),
        "workers/": ("runtime.py", "execution/pipeline.py"),
        "shared/": ("models", "risk", "brokers", "store"),
        "tests/": ("unit", "integration", "security", "acceptance", "conformance"),
        "docs/": ("alerts.md", "decisions"),
    }
    named = [folder + name for folder, names in inside.items() for name in names]
    assert [name for name in (*folders, *linked, *named) if not (PROJECT / name).exists()] == []
    for name in named:
        assert name.split("/", 1)[1].rsplit("/", 1)[-1] in tree


def test_the_alert_of_the_page_is_one() -> None:
    """Filled in as TradingView fills it in, it passes the same validation as at the door."""
    (text,) = blocks("json")
    for place, value in {
        "{{timenow}}": "2026-10-14T14:30:00Z",
        "{{exchange}}": "OANDA",
        "{{ticker}}": "EURUSD",
        "{{close}}": "1.0850",
    }.items():
        assert place in text
        text = text.replace(place, value)
    alert = parse_alert(text.encode())
    assert isinstance(alert, Alert), alert


def test_the_paper_broker_does_what_the_page_says() -> None:
    """Netting and hedging, market, limit and stop orders."""
    assert "netting and hedging, market, limit and stop orders" in TEXT
    assert {each.hedging for each in DECLARED} == {True, False}
    assert all(set(each.order_types) == set(OrderType) for each in DECLARED)


def test_the_deployment_of_the_page_is_complete() -> None:
    """Every edge function is deployed; what a worker must be told is named, and every name is a setting of his."""
    functions = {file.parent.name for file in (PROJECT / "supabase" / "functions").glob("[!_]*/index.ts")}
    deployed = re.search(r"supabase functions\s+deploy ([\w -]+)", TEXT)
    assert deployed is not None
    assert set(deployed[1].split()) == functions
    fields = WorkerSettings.model_fields
    required = {f"EMPIRE_{name.upper()}" for name, field in fields.items() if field.is_required()}
    named = set(re.findall(r"EMPIRE_\w+", TEXT))
    assert required <= named <= {f"EMPIRE_{name.upper()}" for name in fields}


def test_the_shape_of_lines_is_told_apart() -> None:
    """Numbers, times and ids may differ; words may not; a missing line is found."""
    page = "alert 1 took 3.5 ms\n...\norder E42426_1_0: filled 0.10 MNQZ2026 ...\n"
    assert printed_in_order(page, "alert 22  took 7 ms\nx\norder Eabcdef_9_1: filled 1 MNQH2027 @ 3") == []
    assert len(printed_in_order(page, "alert 22 took 7 ms\norder Eabcdef_9_1: rejected")) == 1
    assert len(printed_in_order(page, "")) == 2
