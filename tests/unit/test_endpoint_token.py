"""Endpoint tokens and webhook signatures: what Python makes and verifies, the edge makes and verifies too."""

import json
from pathlib import Path
from typing import Any

import pytest

from shared.crypto.endpoint_token import Credential, TokenKeys, TokenKeysError
from shared.crypto.signature import sign, verify

CRYPTO = Path(__file__).parents[1] / "payloads/crypto"
TOKENS: dict[str, Any] = json.loads((CRYPTO / "tokens.json").read_text())
SIGNATURES: dict[str, Any] = json.loads((CRYPTO / "signatures.json").read_text())
KEYS = TokenKeys.parse(TOKENS["keys"])


def ids(cases: list[dict[str, Any]]) -> list[str]:
    return [case["name"] for case in cases]


@pytest.mark.parametrize("case", TOKENS["good"], ids=[case["token"][:44] for case in TOKENS["good"]])
def test_tokens_and_secrets_of_the_vector_file(case: dict[str, Any]) -> None:
    """Each is verified; those of the current key are also made to the letter."""
    named = Credential(case["kid"], case["endpoint_id"], case["version"])
    assert KEYS.verify(case["token"]) == named
    assert KEYS.signing_secret(named.endpoint_id, named.version, named.kid) == case["signing_secret"]
    if named.kid == KEYS.current:
        assert KEYS.token(named.endpoint_id, named.version) == case["token"]


@pytest.mark.parametrize("case", TOKENS["forged"], ids=ids(TOKENS["forged"]))
def test_forged_and_malformed_tokens_are_refused(case: dict[str, Any]) -> None:
    """Nothing but the one spelling of a right token passes."""
    assert KEYS.verify(case["token"]) is None


@pytest.mark.parametrize("case", TOKENS["bad_keys"], ids=ids(TOKENS["bad_keys"]))
def test_bad_keys_stop_the_start_and_are_not_repeated(case: dict[str, Any]) -> None:
    """The error says what is expected and never holds a key."""
    with pytest.raises(TokenKeysError) as caught:
        TokenKeys.parse(case["keys"])
    key = case["keys"].partition(":")[2][:20]
    assert not key or key not in str(caught.value)


def test_keys_do_not_show_themselves() -> None:
    """A TokenKeys in a log or a traceback holds no key."""
    assert repr(KEYS) == "TokenKeys(current='k2')"


@pytest.mark.parametrize("case", SIGNATURES["cases"], ids=ids(SIGNATURES["cases"]))
def test_signature_headers_of_the_vector_file(case: dict[str, Any]) -> None:
    """Each header is judged as the file says."""
    body = case["body"].encode()
    assert verify(case["header"], SIGNATURES["secret"], body, case["now"]) is case["valid"]


def test_what_is_signed_is_verified_and_only_with_the_same_secret() -> None:
    """The secret is used whole, prefix included."""
    header = sign("whsec_a", b"{}", 1_700_000_000)
    assert verify(header, "whsec_a", b"{}", 1_700_000_000)
    assert not verify(header, "a", b"{}", 1_700_000_000)
