"""The header `X-Webhook-Signature: t=<unix seconds>,v1=<hex>`: HMAC-SHA256 over "<t>.<raw body>", keyed with
the whole signing secret.

Twin of supabase/functions/_shared/signature.ts: tests/payloads/crypto/signatures.json holds both to equal
results."""

import hmac
import re

SIGNATURE_HEADER = "X-Webhook-Signature"
TOLERANCE_S = 300
_HEADER = re.compile(r"t=([0-9]{1,12})((?:,v1=[0-9a-fA-F]{64}){1,3})")


def sign(secret: str, body: bytes, now: int) -> str:
    """The header that signs `body` at `now` (unix seconds)."""
    return f"t={now},v1={_digest(secret, str(now), body).hex()}"


def verify(header: str, secret: str, body: bytes, now: int) -> bool:
    """True when one of the header's v1 is right and its time within 300 s of `now` (unix seconds).

    A header sent twice arrives joined by ", " and is refused. Up to three v1 allow a sender to rotate."""
    match = _HEADER.fullmatch(header)
    if match is None or abs(now - int(match[1])) > TOLERANCE_S:
        return False
    expected = _digest(secret, match[1], body)
    given = [bytes.fromhex(signature) for signature in match[2].split(",v1=")[1:]]
    return any(hmac.compare_digest(signature, expected) for signature in given)


def _digest(secret: str, time: str, body: bytes) -> bytes:
    return hmac.digest(secret.encode(), time.encode() + b"." + body, "sha256")
