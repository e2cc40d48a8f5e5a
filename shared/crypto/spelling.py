"""How keys and seals are written: base64url without padding, and JSON in one spelling only.

Twin of supabase/functions/_shared/sealing.ts."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping


def encode(raw: bytes) -> str:
    """base64url without padding."""
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def decode(text: str) -> bytes:
    """The bytes of a base64url text in its one spelling. Raises ValueError."""
    try:
        raw = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except (binascii.Error, UnicodeEncodeError):
        raise ValueError("not base64url") from None
    # Compared with its own encoding: stray bits in the last character would make two spellings.
    if encode(raw) != text:
        raise ValueError("not base64url")
    return raw


def canonical(values: Mapping[str, str | int | None]) -> bytes:
    """One JSON text for the same values in every language: names sorted, no spaces, UTF-8.

    Raises ValueError for text that is no Unicode (lone surrogates)."""
    text = json.dumps(dict(values), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return text.encode()
