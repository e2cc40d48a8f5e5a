"""Where a trader's messages go: an address sealed by the client to the fleet, bound to its target's row.

`info` binds a seal to user, target, kind and key, so one target's address never opens as another's. A target's
address never changes: another address is another target.

Twin of supabase/functions/_shared/targets.ts: tests/payloads/crypto/targets.json is read by both.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from urllib.parse import urlsplit

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey

from shared.crypto import spelling
from shared.crypto.sealing import seal, unseal

_LABEL = b"empire-target/1|"
_DISCORD_HOST = re.compile(r"(?:\w+\.)?discord(?:app)?\.com", re.ASCII)
_DISCORD_PATH = re.compile(r"/api(?:/v\d{1,2})?/webhooks/\d{5,25}/[A-Za-z0-9_-]{20,120}", re.ASCII)
_SLACK_HOST = re.compile(r"hooks\.slack\.com")
_SLACK_PATH = re.compile(r"/(?:services|workflows|triggers)(?:/[A-Za-z0-9]{4,40}){2,5}")
_MAIL = re.compile(r"[^\s@<>,;:\"()\[\]\\\x00-\x1f\x7f-\x9f]{1,64}@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+")
_BOT = re.compile(r"\d{3,20}:[A-Za-z0-9_-]{20,100}", re.ASCII)
_CHAT = re.compile(r"-?\d{1,20}|@[A-Za-z0-9_]{4,40}", re.ASCII)
_HTTPS = re.compile(r"https://([^/?#]*)([^?#]*)", re.IGNORECASE)
FIELDS: Mapping[str, tuple[str, ...]] = {
    "email": ("address",),
    "telegram": ("token", "chat"),
    "discord": ("url",),
    "slack": ("url",),
    "webhook": ("url", "secret"),
}
"""What makes up the address of each kind."""


class TargetError(Exception):
    """An address cannot be used. The message is for the trader and never holds a secret."""


@dataclass(frozen=True, slots=True)
class TargetBinding:
    """The row an address belongs to."""

    user_id: str
    target_id: str
    kind: str
    key_id: str

    def info(self) -> bytes:
        """HPKE's info. Nothing of it is secret."""
        return _LABEL + spelling.canonical(asdict(self))


def checked_address(kind: str, values: Mapping[str, str]) -> dict[str, str]:
    """The address of a kind, whole and well-formed. Raises TargetError."""
    if kind not in FIELDS:
        raise TargetError(f"There is no kind {kind}: choose one of {', '.join(FIELDS)}.")
    if set(values) != set(FIELDS[kind]) or not all(isinstance(value, str) for value in values.values()):
        raise TargetError(f"The address of a target of kind {kind} is: {', '.join(FIELDS[kind])}.")
    if fault := _fault(kind, values):
        raise TargetError(fault)
    return dict(values)


def seal_address(values: Mapping[str, str], binding: TargetBinding, public_key: X25519PublicKey) -> bytes:
    """An address sealed for its row. Raises TargetError, SealError."""
    plain = spelling.canonical(checked_address(binding.kind, values))
    return seal(plain, binding.info(), public_key)


def open_address(sealed: bytes, binding: TargetBinding, private_key: X25519PrivateKey) -> dict[str, str]:
    """The address of a row. Raises TargetError, SealError."""
    try:
        values = json.loads(unseal(sealed, binding.info(), private_key))
    except ValueError:
        values = None
    if not isinstance(values, dict):
        raise TargetError("What was sealed is no address: add the target again.")
    return checked_address(binding.kind, values)


def hint_of(kind: str, values: Mapping[str, str]) -> str:
    """What of an address may be shown: enough to know it by, nothing to send with."""
    if kind == "email":
        name, _, host = values["address"].rpartition("@")
        return f"{name[0]}***@{host}"[:80]
    if kind == "telegram":
        return f"bot {values['token'].split(':')[0]}, chat {values['chat']}"[:80]
    return (urlsplit(values["url"]).hostname or "")[:80]


def service_path(kind: str, values: Mapping[str, str]) -> str:
    """The path of a Discord or Slack hook; its host is the operator's setting, not the trader's word."""
    return urlsplit(values["url"]).path


def _fault(kind: str, values: Mapping[str, str]) -> str | None:
    match kind:
        case "email" if not _MAIL.fullmatch(values["address"]) or len(values["address"]) > 254:
            return "That is no e-mail address: it looks like name@example.com."
        case "telegram" if not (_BOT.fullmatch(values["token"]) and _CHAT.fullmatch(values["chat"])):
            return "A bot's token looks like 123456:ABC..., a chat is a number or @channel."
        case "discord" if not _is_hook(values["url"], _DISCORD_HOST, _DISCORD_PATH):
            return "A Discord webhook looks like https://discord.com/api/webhooks/<number>/<token>."
        case "slack" if not _is_hook(values["url"], _SLACK_HOST, _SLACK_PATH):
            return "A Slack webhook looks like https://hooks.slack.com/services/T.../B.../...."
        case "webhook" if not 16 <= len(values["secret"]) <= 256:
            return "The signing secret of a webhook has 16 to 256 characters."
        case "webhook" if len(values["url"]) > 2000 or not _has_host(values["url"]):
            return "A webhook's address begins with https:// and has at most 2000 characters."
    return None


def _is_hook(url: str, host: re.Pattern[str], path: re.Pattern[str]) -> bool:
    parts = _HTTPS.fullmatch(url)
    return parts is not None and bool(host.fullmatch(parts[1]) and path.fullmatch(parts[2]))


def _has_host(url: str) -> bool:
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return parts.scheme in ("https", "http") and bool(parts.hostname)
