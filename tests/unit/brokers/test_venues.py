"""Addresses of brokers are operator data: what a row or a user says never becomes a host (security suite no. 11)."""

from __future__ import annotations

import pytest

from shared.brokers.port import LoginRefused
from shared.brokers.registry import ADDRESSES
from shared.brokers.venues import Venues, region_part
from shared.models.enums import Broker
from shared.settings import SettingsError, read_worker_settings

REGIONAL = {"metatrader": {"live": "https://api-v1.{region}.example.com"}}
VENUES = Venues(ADDRESSES, REGIONAL, production=False)
HOSTILE = (
    "evil.example",
    "new-york.evil.example/",
    "x@evil.example",
    "127.0.0.1",
    "[::1]",
    "New-York",
    "a" * 33,
    "",
    "a b",
    "a\n",
    "a%2e",
    "a:80",
    "é",
    "../x",
)


def test_the_built_in_addresses() -> None:
    """Live and demo are known without any setting; a simulator is not."""
    assert VENUES.address(Broker.TRADELOCKER, "demo", "OSP-DEMO", None) == "https://demo.tradelocker.com"
    with pytest.raises(LoginRefused, match="no simulated address of tradelocker"):
        VENUES.address(Broker.TRADELOCKER, "simulated", None, None)


def test_every_built_in_address_is_https() -> None:
    """A secret never travels in the clear."""
    addresses = [address for known in ADDRESSES.values() for address in known.values()]
    assert addresses
    assert [address for address in addresses if not address.startswith("https://")] == []


def test_a_region_is_a_part_of_the_host() -> None:
    """A plain word fills the address in."""
    assert (
        VENUES.address(Broker.METATRADER, "live", "new-york", None) == "https://api-v1.new-york.example.com"
    )


@pytest.mark.parametrize("region", HOSTILE, ids=repr)
def test_nothing_else_becomes_a_host(region: str) -> None:
    """Dots, ports, users, other scripts, capitals, too long, empty: refused."""
    with pytest.raises(LoginRefused, match="1 to 32 small letters"):
        VENUES.address(Broker.METATRADER, "live", region, None)
    with pytest.raises(LoginRefused):
        region_part(region)


def test_a_region_has_to_be_named() -> None:
    """Where the address has a place for it."""
    with pytest.raises(LoginRefused, match="name one"):
        VENUES.address(Broker.METATRADER, "live", None, None)


@pytest.mark.parametrize("claimed", ["https://evil.example", "https://demo.tradelocker.com.evil.example", ""])
def test_an_address_in_the_row_is_an_assertion(claimed: str) -> None:
    """The same one passes, another one is refused and not tried."""
    same = "https://demo.tradelocker.com"
    assert VENUES.address(Broker.TRADELOCKER, "demo", None, same + "/") == same
    with pytest.raises(LoginRefused, match="another address"):
        VENUES.address(Broker.TRADELOCKER, "demo", None, claimed)


def test_production_has_no_simulators() -> None:
    """Whatever is configured."""
    configured = {"tradelocker": {"simulated": "http://127.0.0.1:1"}}
    assert Venues({}, configured, production=False).address(Broker.TRADELOCKER, "simulated", None, None)
    with pytest.raises(LoginRefused, match="not available"):
        Venues({}, configured, production=True).address(Broker.TRADELOCKER, "simulated", None, None)


@pytest.mark.parametrize(
    "address",
    [
        '{"tradelocker": {"live": "http://live.tradelocker.com"}}',
        '{"tradelocker": {"demo": "ftp://x"}}',
        '{"tradelocker": {"live": "https://user:secret@host"}}',
        '{"tradelocker": {"live": "https://host/?x=1"}}',
        '{"tradelocker": {"simulated": "x"}}',
    ],
)
def test_addresses_in_the_settings(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    """Real brokers by https only, never with a login or a query in the address; said without repeating it."""
    monkeypatch.setenv(
        "EMPIRE_WORKER_DATABASE_URL", "postgresql://empire_worker:hush@127.0.0.1:5432/postgres"
    )
    monkeypatch.setenv("EMPIRE_VENUES", address)
    with pytest.raises(SettingsError, match="EMPIRE_VENUES") as caught:
        read_worker_settings()
    assert "secret" not in str(caught.value)


def test_an_installation_is_production_unless_it_says_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    """A forgotten setting is the safe one."""
    monkeypatch.setenv(
        "EMPIRE_WORKER_DATABASE_URL", "postgresql://empire_worker:hush@127.0.0.1:5432/postgres"
    )
    assert read_worker_settings().env == "production"
