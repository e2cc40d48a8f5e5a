"""docs/brokers.md holds every capability of every broker, and what nobody has confirmed yet."""

from __future__ import annotations

from local import broker_page
from shared.brokers.port import Capabilities
from shared.brokers.registry import DECLARED, with_logins
from shared.models.enums import Broker


def test_every_capability_has_a_row_and_every_broker_a_column() -> None:
    """A new capability or broker cannot be left out of the page."""
    assert broker_page.fields_on_the_page() == set(Capabilities.__struct_fields__)
    assert set(DECLARED) == set(Broker)
    head = next(line for line in broker_page.broker_page().splitlines() if line.startswith("| | "))
    assert head == "| | TradeLocker | TopstepX | MetaTrader | paper |"


def test_what_depends_on_the_account_says_so() -> None:
    """MetaTrader and paper accounts hedge or net, Topstep ones take brackets or not: neither yes nor no."""
    lines = broker_page.broker_page().splitlines()
    (hedging,) = [line for line in lines if line.startswith("| both sides")]
    assert [cell.strip() for cell in hedging.split("|")[2:-1]] == [
        "yes",
        "no",
        "as the account is set",
        "as the account is set",
    ]


def test_each_adapter_tells_what_was_never_confirmed() -> None:
    """Every broker that one logs in at has its list."""
    page = broker_page.broker_page()
    assert page.count("### Never confirmed") == len(with_logins(None, None))  # type: ignore[arg-type]
    assert "### What it does not do" in page
