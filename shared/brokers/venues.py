"""Where brokers are: operator data, never what a user typed and never what a row says.

Built-in addresses are in registry.py; the settings add to them or replace them. `{region}` in an address is
filled from the connection's server, and only by a word that cannot be anything but a part of a host name.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from shared.brokers.port import LoginRefused
from shared.models.enums import Broker

Addresses = Mapping[str, Mapping[str, str]]
"""By broker and environment (live, demo, simulated)."""

SIMULATED = "simulated"
_PART_OF_A_HOST = re.compile(r"[a-z0-9-]{1,32}")


class Venues:
    """The addresses of this installation. In production nothing is simulated."""

    def __init__(self, built_in: Addresses, configured: Addresses, *, production: bool) -> None:
        self._known = {
            broker: {**built_in.get(broker, {}), **configured.get(broker, {})}
            for broker in {*built_in, *configured}
        }
        self._production = production

    def address(self, broker: Broker, environment: str, region: str | None, claimed: str | None) -> str:
        """The base URL to log in at. Raises LoginRefused with a sentence.

        `claimed` is the row's own base_url: None, or the very same address. Another one is not tried.
        """
        if environment == SIMULATED and self._production:
            raise LoginRefused("Simulated brokers are not available on this installation.")
        template = self._known.get(broker.value, {}).get(environment)
        if template is None:
            raise LoginRefused(f"This installation knows no {environment} address of {broker.value}.")
        address = template.replace("{region}", _region(region)) if "{region}" in template else template
        if claimed is not None and claimed.rstrip("/") != address.rstrip("/"):
            raise LoginRefused(
                "The connection names another address than this installation does: nothing was sent to it."
            )
        return address.rstrip("/")


def region_part(text: str) -> str:
    """`text`, if it may become a part of a host name. Raises LoginRefused."""
    if not _PART_OF_A_HOST.fullmatch(text):
        raise LoginRefused("A region has 1 to 32 small letters, digits and hyphens, such as new-york.")
    return text


def _region(text: str | None) -> str:
    if text is None:
        raise LoginRefused("This broker has several regions: name one, such as new-york.")
    return region_part(text)
