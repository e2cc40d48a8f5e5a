"""Sealed credentials and fleet keys: what Python seals, signs and refuses, browsers seal, sign and refuse too."""

import json
from dataclasses import asdict, replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from shared.crypto import fleet_keys, spelling
from shared.crypto.fleet_keys import FleetKeyError, Keyring, SignedKey
from shared.crypto.sealing import (
    Binding,
    Credential,
    SealError,
    SessionBinding,
    UnknownKeyError,
    open_credential,
    seal,
    seal_credential,
    unseal,
)

CRYPTO = Path(__file__).parents[2] / "payloads/crypto"
SEALS: dict[str, Any] = json.loads((CRYPTO / "seals.json").read_text())
FLEET_KEYS: dict[str, Any] = json.loads((CRYPTO / "fleet_keys.json").read_text())
RING = Keyring.parse(
    json.dumps({"current": SEALS["key_id"], "keys": {SEALS["key_id"]: SEALS["private_key"]}})
)
ROOT = fleet_keys.read_root(FLEET_KEYS["root"])
TODAY = date.fromisoformat(FLEET_KEYS["today"])


def ids(cases: list[dict[str, Any]]) -> list[str]:
    return [case["name"] for case in cases]


@pytest.mark.parametrize("case", SEALS["good"], ids=ids(SEALS["good"]))
def test_a_seal_opens_for_its_row(case: dict[str, Any]) -> None:
    """Whoever sealed it; the info is the same text to the letter."""
    binding = Binding(**case["binding"])
    assert binding.info().decode() == case["info"]
    opened = open_credential(spelling.decode(case["sealed"]), binding, RING.key(SEALS["key_id"]))
    assert opened == Credential(**case["credential"])


@pytest.mark.parametrize("case", SEALS["bad"], ids=ids(SEALS["bad"]))
def test_a_seal_opens_for_no_other_row(case: dict[str, Any]) -> None:
    """Swapped, older, altered, shortened, or naming another login inside: a sentence, and nothing of it."""
    with pytest.raises(SealError, match=r"^The sealed credential .*\.|enter it again") as caught:
        open_credential(
            spelling.decode(case["sealed"]), Binding(**case["binding"]), RING.key(SEALS["key_id"])
        )
    assert "correct horse" not in str(caught.value)


@pytest.mark.parametrize("name", sorted(Binding.__dataclass_fields__))
def test_every_column_of_the_row_is_bound(name: str) -> None:
    """Each of the nine values of a binding changes the info."""
    binding = Binding(**SEALS["good"][0]["binding"])
    other = 2 if name == "version" else "other"
    assert replace(binding, **{name: other}).info() != binding.info()


def test_a_credential_for_another_login_is_not_sealed() -> None:
    """A mistake of the sender is found before anything leaves."""
    case = SEALS["good"][0]
    public = RING.key(SEALS["key_id"]).public_key()
    for wrong in ({"login": "other"}, {"server": "other"}, {"server": None}):
        with pytest.raises(SealError, match="another login or server"):
            seal_credential(
                replace(Credential(**case["credential"]), **wrong), Binding(**case["binding"]), public
            )


def test_secrets_are_not_shown() -> None:
    """Neither a credential nor a keyring shows what it holds when it is printed."""
    credential = Credential("trader", "hunter2hunter2", None, "tl-developer")
    for shown in (repr(credential), repr(RING)):
        assert "hunter2" not in shown
        assert "tl-developer" not in shown
        assert SEALS["private_key"] not in shown


def test_a_seal_that_is_too_long_is_refused() -> None:
    """What the table would not keep is refused with the numbers."""
    binding = Binding(**SEALS["good"][0]["binding"])
    long = replace(Credential(**SEALS["good"][0]["credential"]), secret="x" * 20_000)
    with pytest.raises(SealError, match="at most 16384"):
        seal_credential(long, binding, RING.key(SEALS["key_id"]).public_key())


def test_sessions_are_bound_to_connection_and_version() -> None:
    """Tokens put into another row, or an older row put back, do not open."""
    key = RING.key(SEALS["key_id"])
    binding = SessionBinding("9a1b7a60-0000-4000-8000-000000000002", 3, SEALS["key_id"])
    sealed = seal(b"tokens", binding.info(), key.public_key())
    assert unseal(sealed, binding.info(), key) == b"tokens"
    for other in (replace(binding, connection_id="x"), replace(binding, version=4)):
        with pytest.raises(SealError):
            unseal(sealed, other.info(), key)


@pytest.mark.parametrize("case", FLEET_KEYS["good"], ids=ids(FLEET_KEYS["good"]))
def test_a_signed_key_is_sealed_to(case: dict[str, Any]) -> None:
    """Signed by the root, under its own id, not expired."""
    found, public = fleet_keys.newest_valid([case["key"]], ROOT, TODAY)
    assert (found, public.public_bytes_raw()) == (
        case["key"]["key_id"],
        spelling.decode(case["key"]["public_key"]),
    )


@pytest.mark.parametrize("case", FLEET_KEYS["bad"], ids=ids(FLEET_KEYS["bad"]))
def test_any_other_key_is_refused(case: dict[str, Any]) -> None:
    """Unsigned, signed by somebody else, altered, misnamed or expired: a sentence, and nothing is sealed."""
    with pytest.raises(FleetKeyError, match=case["key"]["key_id"]):
        fleet_keys.newest_valid([case["key"]], ROOT, TODAY)


def test_a_forged_newest_key_does_not_hide_a_good_one() -> None:
    """Rows come newest first; a key that is not signed is passed over for the signed one behind it."""
    good, forged = FLEET_KEYS["good"][0]["key"], FLEET_KEYS["bad"][1]["key"]
    assert fleet_keys.newest_valid([forged, good], ROOT, TODAY)[0] == good["key_id"]
    with pytest.raises(FleetKeyError, match="no fleet key yet"):
        fleet_keys.newest_valid([], ROOT, TODAY)


def test_a_rotation_keeps_what_was_sealed_before() -> None:
    """The new key is current, the old one still opens; taken out, what it opened is of an unknown key."""
    old = fleet_keys.new_keyring()
    both = Keyring.parse(old.with_new().text())
    assert both.current != old.current
    assert both.key(old.current).private_bytes_raw() == old.key(old.current).private_bytes_raw()
    with pytest.raises(FleetKeyError, match="rotate first"):
        both.without(both.current)
    with pytest.raises(UnknownKeyError, match=old.current):
        both.without(old.current).key(old.current)


def test_what_a_key_file_must_be(tmp_path: Path) -> None:
    """Readable by its owner only, whole, and each key under its own id; the error never holds a key."""
    path = tmp_path / "fleet.json"
    ring = fleet_keys.new_keyring()
    path.write_text(ring.text())
    path.chmod(0o644)
    with pytest.raises(FleetKeyError, match="0600"):
        Keyring.load(path)
    path.chmod(0o600)
    assert Keyring.load(path).current == ring.current
    with pytest.raises(FleetKeyError, match="cannot be read"):
        Keyring.load(tmp_path / "missing.json")
    secret = spelling.encode(ring.key(ring.current).private_bytes_raw())
    misnamed = {"current": "f0000000000000000", "keys": {"f0000000000000000": secret}}
    for text in ("", "[]", "{}", json.dumps(misnamed), json.dumps({"current": "x", "keys": {}})):
        with pytest.raises(FleetKeyError) as caught:
            Keyring.parse(text)
        assert secret not in str(caught.value)


def test_a_signature_covers_the_whole_statement() -> None:
    """What was signed verifies under the root only, and in no other field's words."""
    root, stranger = (fleet_keys.new_root() for _ in range(2))
    ring = fleet_keys.new_keyring()
    signed = fleet_keys.sign(ring.key(ring.current).public_key(), TODAY, root)
    assert SignedKey.read(asdict(signed)).checked(root.public_key(), TODAY)
    with pytest.raises(FleetKeyError, match="not signed"):
        signed.checked(stranger.public_key(), TODAY)
