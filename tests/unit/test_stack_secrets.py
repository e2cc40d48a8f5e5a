"""Secrets of an installation: fresh, private, never a known default. Ports: whole blocks, never shared."""

from __future__ import annotations

import json
import os
import socket
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from local.account import Account, can_enter
from local.ports import DEFAULT_BASE, SCRATCH_BASE, WIDTH, PortsTaken, reserve
from local.secrets import (
    Secrets,
    UnsafeStart,
    generate,
    load_or_create,
    refuse_known_defaults,
    refuse_open_bind,
)
from shared.known_defaults import KNOWN_DEFAULTS
from tests.unit.test_ports import NOBODYS


def test_two_installations_share_no_secret(tmp_path: Path) -> None:
    """Every value of one installation differs from every value of another."""
    first, second = (load_or_create(tmp_path / name) for name in ("one", "two"))
    values = [
        {*held.passwords.values(), held.jwt_secret, held.publishable_key, held.secret_key, held.anon_jwt}
        | {held.service_jwt, held.token_keys, held.functions_secret, held.metrics_token}
        for held in (first, second)
    ]
    assert not values[0] & values[1]
    assert len(values[0]) == 8 + len(first.passwords)


def test_the_file_is_private_and_kept(tmp_path: Path) -> None:
    """The file is 0600 and a second start reads the same secrets."""
    file = tmp_path / "secrets.json"
    first = load_or_create(file)
    assert file.stat().st_mode & 0o777 == 0o600
    assert load_or_create(file) == first
    assert [entry.name for entry in tmp_path.iterdir()] == ["secrets.json"]


def test_a_readable_file_is_refused(tmp_path: Path) -> None:
    """Secrets that others could read are not used."""
    file = tmp_path / "secrets.json"
    load_or_create(file)
    file.chmod(0o644)
    with pytest.raises(UnsafeStart, match="can be read by others"):
        load_or_create(file)


@pytest.mark.parametrize("value", [*sorted(KNOWN_DEFAULTS), "", "short"])
@pytest.mark.parametrize("name", ["jwt_secret", "secret_key", "functions_secret", "metrics_token"])
def test_a_known_default_is_refused_without_naming_it(name: str, value: str) -> None:
    """The error names the setting and never the value."""
    with pytest.raises(UnsafeStart, match=name) as refused:
        refuse_known_defaults(_with(generate(), name, value))
    assert len(value) < 6 or value not in str(refused.value)


def _with(held: Secrets, name: str, value: str) -> Secrets:
    return Secrets(**{**asdict(held), name: value})


def test_a_default_password_is_refused() -> None:
    """Each role's password is looked at, too."""
    held = generate()
    with pytest.raises(UnsafeStart, match="password of postgres"):
        refuse_known_defaults(replace(held, passwords={**held.passwords, "postgres": "postgres"}))


def test_secrets_are_not_printed() -> None:
    """A traceback or log that shows the object shows no secret."""
    held = generate()
    assert held.jwt_secret not in repr(held)
    assert json.dumps(held.passwords["postgres"])[1:-1] not in str(held)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.9.10", "::1", "localhost"])
def test_loopback_may_be_bound(host: str) -> None:
    """Addresses that only this machine reaches are fine."""
    refuse_open_bind(host)


@pytest.mark.parametrize(
    "host", ["0.0.0.0", "::", "10.0.0.1", "2001:db8::1", "example.com", "", "127.0.0.1.evil"]
)
def test_other_addresses_may_not(host: str) -> None:
    """Whatever others could reach, or we cannot judge, is refused."""
    with pytest.raises(UnsafeStart):
        refuse_open_bind(host)


def test_a_reserved_block_is_not_given_twice() -> None:
    """Two starts at once get different blocks; a released one is free again."""
    first, second = (reserve(None, first=NOBODYS + 300) for _ in range(2))
    assert not set(first.ports.all) & set(second.ports.all)
    with pytest.raises(PortsTaken):
        reserve(first.ports.base)
    first.release()
    reserve(first.ports.base).release()
    second.release()


def test_a_block_with_one_taken_port_is_not_used() -> None:
    """Every port of the block must be free, not only the first."""
    block = reserve(None, first=NOBODYS + 400)
    block.release()
    taken = block.ports.functions
    with socket.create_server(("127.0.0.1", taken)), pytest.raises(PortsTaken, match=str(taken)):
        reserve(block.ports.base)


def test_no_block_lies_where_the_kernel_lends_ports() -> None:
    """Outgoing connections take ports of the kernel's own range: our blocks lie below it, to the last one."""
    lent = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    for first in (DEFAULT_BASE, SCRATCH_BASE):
        assert first + WIDTH <= min(lent, 32768)
    assert SCRATCH_BASE + WIDTH <= DEFAULT_BASE


def test_an_account_cannot_enter_below_a_closed_folder(tmp_path: Path) -> None:
    """One folder on the way without passage for strangers is enough."""
    stranger = Account(uid=os.getuid() + 54321, gid=os.getgid() + 54321)
    inner = tmp_path / "closed" / "open"
    inner.mkdir(parents=True)
    inner.parent.chmod(0o700)
    assert not can_enter(stranger, inner)
    assert can_enter(None, inner)
