"""docs/brokers.md: what each broker can do, from what its adapter declares and what its README says of it."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal

from local.paths import PROJECT
from shared.brokers.port import Capabilities
from shared.brokers.registry import DECLARED
from shared.models.enums import Broker
from shared.risk.grid import shown

_ADAPTERS = PROJECT / "shared" / "brokers"
_CONTRACT = PROJECT / "tests" / "conformance" / "broker_contract.py"
_PARTS = ("contract_trading.py", "contract_doubts.py", "contract_moods.py")
_NAMES = {
    Broker.TRADELOCKER: "TradeLocker",
    Broker.TOPSTEPX: "TopstepX",
    Broker.METATRADER: "MetaTrader",
    Broker.PAPER: "paper",
}
_SECTIONS = (
    "Capabilities",
    "What it does",
    "Limits of it",
    "What it does not do",
    "What cannot go wrong there",
    "Never confirmed",
)
"""Of an adapter's README, where it has them: in words what the table says, what it lacks, what nobody has seen yet."""
_DEPENDS = "as the account is set"

Say = Callable[[Capabilities], str]


def _yes(value: bool) -> str:
    return "yes" if value else "no"


def _seconds(value: Decimal) -> str:
    return f"{shown(value)} s"


def _enforced(declared: Capabilities) -> bool:
    return declared.client_id == "enforced"


def _recognised(declared: Capabilities) -> str:
    return "needs no label" if _enforced(declared) else _yes(declared.recognises)


def _lookup(declared: Capabilities) -> str:
    """So long it may be under way, and then its lists may lag behind."""
    lag = declared.lookup_lag_s
    return f"after {_seconds(declared.request_timeout_s + lag)}" if lag else "at once"


def _reading(declared: Capabilities) -> str:
    """By the login where the broker counts so, else each account by itself."""
    pause = declared.read_pause_s
    return f"in turn, one every {_seconds(pause)}" if pause else "each by itself"


def _open(declared: Capabilities) -> str:
    return _seconds(max(declared.read_every_s, declared.read_pause_s))


def _too_large(it: Capabilities) -> str:
    return "closes what is open" if it.exits_shrink else "is fitted by us"


def _several(it: Capabilities) -> str:
    return "limit orders there" if it.limit_exits else "the last one there, the others by us"


_ROWS: tuple[tuple[str, str, Say], ...] = (
    ("client_id", "our order id at the broker", lambda it: "refused when repeated" if _enforced(it) else "a label"),
    ("client_order_id_length", "its length, at most", lambda it: str(it.client_order_id_length)),
    ("lookup_lag_s", "an order that is not found was not placed", _lookup),
    ("recognises", "an order whose label was lost is found", _recognised),
    ("request_timeout_s", "without an answer it is unknown after", lambda it: _seconds(it.request_timeout_s)),
    ("any_symbol", "a symbol it does not know", lambda it: "is a share in dollars" if it.any_symbol else "is refused"),
    ("order_types", "order types", lambda it: ", ".join(sorted(it.order_types))),
    ("tifs", "times in force at the broker (others are kept by us)", lambda it: ", ".join(sorted(it.tifs))),
    ("brackets_on_entry", "stop and target with the entry", lambda it: _yes(it.brackets_on_entry)),
    ("stop_orders", "stop and target are", lambda it: "orders of their own" if it.stop_orders else "the position's"),
    ("exits_shrink", "a stop larger than its position", _too_large),
    ("limit_exits", "several targets of one position", _several),
    ("modify_protection", "stop and target of a position can be changed", lambda it: _yes(it.modify_protection)),
    ("modify_order", "a waiting order can be changed", lambda it: _yes(it.modify_order)),
    ("partial_close", "a position can be closed in part", lambda it: _yes(it.partial_close)),
    ("hedging", "both sides of a symbol at once", lambda it: _yes(it.hedging)),
    ("quotes", "its own quotes (else the alert's price, or the last one)", lambda it: _yes(it.quotes)),
    ("read_pause_s", "the accounts of one login are read", _reading),
    ("read_every_s", "one on which something is open, every", _open),
)  # fmt: skip
"""Field of Capabilities, what it is to a trader, and how its value is said: every field once."""


def broker_page() -> str:
    """The page as Markdown."""
    parts = [_HEAD, *_table(), "", *_contract()]
    for broker, name in _NAMES.items():
        parts += ["", f"## {name[0].upper()}{name[1:]}", *_readme(broker)]
    return "\n".join(parts) + "\n"


def fields_on_the_page() -> set[str]:
    """The fields of Capabilities that the table has a row for."""
    return {field for field, _, _ in _ROWS}


_HEAD = """# Brokers

Made by `make exports` from what the adapters declare, from their READMEs and from the contract that they are tested
against; do not edit. Everything here was proved against simulators (`empire venue`); no adapter has met a real account
yet. Live Topstep accounts are watched only, until there is a worker for the trader's own device.
"""


def _table() -> Iterator[str]:
    yield "| | " + " | ".join(_NAMES.values()) + " |"
    yield "|---|" + "---|" * len(_NAMES)
    for _, title, say in _ROWS:
        yield f"| {title} | " + " | ".join(_said(DECLARED[broker], say) for broker in _NAMES) + " |"


def _said(variants: Sequence[Capabilities], say: Say) -> str:
    """What holds for every account of the broker, or that it depends on the account."""
    said = {say(each) for each in variants}
    return said.pop() if len(said) == 1 else _DEPENDS


def _contract() -> Iterator[str]:
    tested = sorted(name for broker, name in _NAMES.items() if _is_tested(broker))
    yield "## The contract"
    yield ""
    yield f"One suite, `tests/conformance/broker_contract.py`, for {', '.join(tested)}; each passes all of it:"
    yield ""
    for told in _promises():
        yield f"- {told}"
    own = [name for broker, name in _NAMES.items() if not _is_tested(broker)]
    if own:
        yield ""
        yield f"Tested by suites of their own instead: {', '.join(own)}."


def _is_tested(broker: Broker) -> bool:
    suite = _CONTRACT.with_name(f"test_{broker.value}.py")
    return suite.exists() and "(BrokerContract)" in suite.read_text()


def _promises() -> Iterator[str]:
    """What every test of the contract says, each as one line."""
    for part in _PARTS:
        for node in ast.walk(ast.parse(_CONTRACT.with_name(part).read_text())):
            if isinstance(node, ast.AsyncFunctionDef) and node.name.startswith("test_"):
                yield " ".join((ast.get_docstring(node) or node.name).split())


def _readme(broker: Broker) -> Iterator[str]:
    text = (_ADAPTERS / broker.value / "README.md").read_text()
    found = dict(re.findall(r"^## ([^\n]+)\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL))
    for title in _SECTIONS:
        if title in found:
            yield ""
            yield f"### {title}"
            yield ""
            yield found[title].strip()
