"""Settings of the relay: who it logs in as, how it sends mail, and where messages may go."""

from __future__ import annotations

import re
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from shared.settings import Milliseconds, SettingsError, database_address, faults

SERVICES = {
    "telegram": "https://api.telegram.org",
    "discord": "https://discord.com",
    "slack": "https://hooks.slack.com",
}
"""Where the services are. Operator's data: a trader's target names a bot or a hook, never one of these hosts."""


class RelaySettings(BaseSettings):
    """Environment variables `EMPIRE_<NAME>`. Without `relay_database_url` no relay runs in `empire worker all`.

    `notify_allow_cidrs`: networks that are not public and that webhooks of traders may still reach; only where
    EMPIRE_ENV is not production.
    """

    model_config = SettingsConfigDict(
        env_prefix="EMPIRE_", env_ignore_empty=True, extra="ignore", frozen=True
    )

    relay_database_url: SecretStr | None = None
    statement_cache_size: int = Field(default=200, ge=0)
    fleet_keys_file: Path | None = None
    env: Literal["production", "staging", "development"] = "production"

    smtp_host: str | None = Field(default=None, description="none: no e-mail is sent")
    smtp_port: int = Field(default=587, ge=1, le=65535)
    smtp_security: Literal["starttls", "tls", "none"] = "starttls"
    smtp_user: str | None = None
    smtp_password: SecretStr | None = None
    mail_from: str | None = Field(default=None, description="the sender's address")

    notify_services: dict[str, str] = Field(
        default_factory=dict, description="addresses over the built-in ones"
    )
    notify_allow_cidrs: tuple[IPv4Network | IPv6Network, ...] = ()
    notify_timeout_ms: Milliseconds = 10_000
    notify_lease_ms: Milliseconds = 60_000
    notify_first_retry_ms: Milliseconds = 2_000
    relay_batch: int = Field(default=200, ge=1, le=1000)
    relay_poll_ms: Milliseconds = 250

    @field_validator("relay_database_url")
    @classmethod
    def _is_a_postgres_address(cls, value: SecretStr | None) -> SecretStr | None:
        return None if value is None else database_address(value)

    @field_validator("notify_services")
    @classmethod
    def _are_services(cls, value: dict[str, str]) -> dict[str, str]:
        for name, address in value.items():
            if name not in SERVICES or not re.fullmatch(r"https?://[^\s/?#@]+", address):
                raise ValueError(f"{name}: one of {', '.join(SERVICES)} and an address like https://host")
        return value

    @model_validator(mode="after")
    def _is_safe(self) -> RelaySettings:
        if self.env == "production":
            if self.notify_allow_cidrs:
                raise ValueError(
                    "EMPIRE_NOTIFY_ALLOW_CIDRS opens private networks: not where EMPIRE_ENV is production"
                )
            if self.smtp_host is not None and self.smtp_security == "none":
                raise ValueError("EMPIRE_SMTP_SECURITY none sends passwords in the clear: not in production")
            if any(address.startswith("http:") for address in self.notify_services.values()):
                raise ValueError("EMPIRE_NOTIFY_SERVICES must be https where EMPIRE_ENV is production")
        if self.smtp_host is not None and self.mail_from is None:
            raise ValueError("EMPIRE_MAIL_FROM is missing: the address that e-mail is sent from")
        return self

    def service(self, name: str) -> str:
        """The address of a service, without a slash at its end."""
        return self.notify_services.get(name, SERVICES[name])


def read_relay_settings() -> RelaySettings:
    """Read and check the environment. Raises SettingsError naming every variable missing or wrong."""
    try:
        return RelaySettings()
    except ValidationError as error:
        raise SettingsError("\n".join(faults(error))) from None
