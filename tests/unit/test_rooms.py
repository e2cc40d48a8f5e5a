"""The rooms of the house: where a broker's name may stand, what an adapter consists of, who imports whom."""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from local.paths import PROJECT
from shared.models.enums import Broker

SHARED, WORKERS = PROJECT / "shared", PROJECT / "workers"
BROKERS = SHARED / "brokers"
ADAPTERS = sorted(folder.parent.name for folder in BROKERS.glob("*/broker.py"))

# Every name a broker goes by. `paper` is an English word, too; as a word of its own it names the broker.
NAMES = re.compile(
    r"tradelocker|topstep|projectx|metatrader|metaapi|truforex|(?<![a-z])mt[45](?![a-z])|(?<![a-z])paper(?![a-z])",
    re.IGNORECASE,
)
ALLOWED_FILES = {
    BROKERS / "registry.py",
    SHARED / "models" / "enums.py",
    SHARED / "models" / "rows.py",  # generated from the database's own enum
}
# The paper broker's book is kept in our database: the store names its functions as SQL does, and one setting
# says where the books are that are not.
PAPER_ROWS = re.compile(
    r"\b(engine\.)?(paper_(load|save|answer|fills_since)|Paper(Book|Saved))\b|A paper account's money and book"
)
PAPER_VENUE = re.compile(r"\bpaper_venue_url\b|\bof paper accounts that name a server\b")
EXCUSED = {
    SHARED / "store": PAPER_ROWS,
    SHARED / "settings.py": PAPER_VENUE,
    WORKERS / "cli.py": PAPER_VENUE,
}


def own_room(file: Path) -> bool:
    """Whether the file belongs to an adapter's folder or to the rule packs, which are about one broker each."""
    folders = [*(BROKERS / name for name in ADAPTERS), SHARED / "risk" / "packs"]
    return any(file.is_relative_to(folder) for folder in folders)


def excused(file: Path, line: str) -> str:
    """The line without the names that may stand there."""
    for place, pattern in EXCUSED.items():
        if file == place or file.is_relative_to(place):
            line = pattern.sub("", line)
    return line


def sources() -> Iterator[Path]:
    """The Python files of shared and workers."""
    for room in (SHARED, WORKERS):
        yield from sorted(room.rglob("*.py"))


def imports(file: Path) -> set[str]:
    """The modules a file imports, wherever in it the import stands."""
    found = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= {node.module or "", *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


def test_a_brokers_name_stands_in_its_own_places_only() -> None:
    """In shared and workers: its folder, registry.py, the rule packs and one enum."""
    strangers = [
        f"{file.relative_to(PROJECT)}:{number}: {line.strip()}"
        for file in sources()
        if file not in ALLOWED_FILES and not own_room(file)
        for number, line in enumerate(file.read_text().splitlines(), 1)
        if NAMES.search(excused(file, line))
    ]
    assert strangers == []


def test_the_grep_sees_names_in_any_spelling() -> None:
    """The rule above is no empty one."""
    seen = [
        "TradeLocker",
        "broker == 'paper'",
        "PAPER_URL",
        "mt5_login",
        "x.PROJECTX",
        "a.TopstepX",
        "_mt4 = 1",
    ]
    assert [text for text in seen if not NAMES.search(text)] == []
    assert not NAMES.search("newspaper, wallpapers, formt4")


def test_only_the_registry_imports_adapters() -> None:
    """Outside its folder nobody in shared and workers imports an adapter."""
    adapters = tuple(f"shared.brokers.{name}" for name in ADAPTERS)
    importers = {
        file
        for file in sources()
        if not own_room(file) and any(name.startswith(adapters) for name in imports(file))
    }
    assert importers == {BROKERS / "registry.py"}


@pytest.mark.parametrize("name", ADAPTERS)
def test_an_adapter_has_its_files_and_its_fence(name: str) -> None:
    """It is one of the enum, says in README what it can do, and the import rules keep it apart."""
    assert name in set(Broker)
    folder = BROKERS / name
    assert {"__init__.py", "broker.py", "errors.py", "README.md"} <= {
        entry.name for entry in folder.iterdir()
    }
    contracts = tomllib.loads((PROJECT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    apart = [module for each in contracts if each["type"] == "independence" for module in each["modules"]]
    assert f"shared.brokers.{name}" in apart
    for other in set(ADAPTERS) - {name}:
        assert not [file for file in folder.rglob("*.py") if any(other in module for module in imports(file))]


def test_the_port_is_short() -> None:
    """What an adapter's author must read fits on three screens."""
    assert len((BROKERS / "port.py").read_text().splitlines()) < 150
