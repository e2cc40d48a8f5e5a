"""What the outside may set, read once at start. Nothing else in shared or workers reads the environment."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import unquote

from pydantic import Field, PostgresDsn, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from shared.known_defaults import KNOWN_DEFAULTS

Milliseconds = Annotated[int, Field(gt=0)]


class SettingsError(Exception):
    """The environment is incomplete or wrong; the message lists every fault, one a line."""


def database_address(value: SecretStr) -> SecretStr:
    """The address of a database. Raises ValueError for what is none, and for passwords that everybody knows."""
    try:
        hosts = PostgresDsn(value.get_secret_value()).hosts()
    except ValidationError:
        # The address holds a password: never repeat it in an error.
        raise ValueError("must look like postgresql://role:password@host:port/database") from None
    if any(unquote(host["password"] or "") in KNOWN_DEFAULTS for host in hosts):
        raise ValueError("has a password that is a known default: set one with empire keys db")
    return value


class WorkerSettings(BaseSettings):
    """Settings of the worker processes: environment variables `EMPIRE_<NAME>`.

    `lease_ms` is how long a claim is ours without a heartbeat; `send_margin_ms` is what we keep off its end:
    within it nothing is sent any more, so a slow clock or a stopped process cannot send after its lease.
    `request_timeout_ms`: so long after its holder's deadline a request may still be under way; at least every
    adapter's own timeout. Only then may the database allow a command to be sent again.
    """

    model_config = SettingsConfigDict(
        env_prefix="EMPIRE_", env_ignore_empty=True, extra="ignore", frozen=True
    )

    worker_database_url: SecretStr
    statement_cache_size: int = Field(default=200, ge=0, description="0 behind a transaction pooler")
    paper_venue_url: str | None = Field(
        default=None, pattern=r"^https?://[^\s]+$", description="of paper accounts that name a server (SIM)"
    )
    env: Literal["production", "staging", "development"] = Field(
        default="production", description="simulated brokers are reached only where this is not production"
    )
    venues: dict[str, dict[str, str]] = Field(
        default_factory=dict,
        description='addresses of brokers, over the built-in ones: {"<broker>": {"live|demo|simulated": "https://..."}}',
    )
    fleet_keys_file: Path | None = Field(
        default=None, description="the private keys credentials are sealed to"
    )
    log_level: str = Field(default="info", pattern="^(debug|info|warning|error)$")

    worker_batch: int = Field(default=128, ge=1, le=1000, description="deliveries of one claim, at most")
    worker_in_flight: int = Field(default=256, ge=1, description="deliveries worked on at once, at most")
    worker_urgent_room: int = Field(default=32, ge=1, description="kept free beside it for the urgent lane")
    lease_ms: Milliseconds = 5000
    heartbeat_ms: Milliseconds = 1500
    send_margin_ms: Milliseconds = 1000
    request_timeout_ms: Milliseconds = 10_000
    poll_min_ms: Milliseconds = 40
    poll_max_ms: Milliseconds = 400
    drain_ms: Milliseconds = 15000
    stream_silent_ms: Milliseconds = Field(
        default=30_000,
        description="so long a broker's own connection may say nothing, not even a ping (every 15 s)",
    )
    fill_wait_ms: Milliseconds = Field(
        default=10000, description="how long a leg waits for the leg before it"
    )

    @field_validator("worker_database_url")
    @classmethod
    def _is_a_postgres_address(cls, value: SecretStr) -> SecretStr:
        return database_address(value)

    @field_validator("venues")
    @classmethod
    def _are_addresses(cls, value: dict[str, dict[str, str]]) -> dict[str, dict[str, str]]:
        for broker, addresses in value.items():
            for environment, address in addresses.items():
                allowed = r"https?" if environment == "simulated" else "https"
                if not re.fullmatch(allowed + r"://[^\s/?#@]+(/[^\s?#]*)?", address):
                    raise ValueError(f"{broker} {environment} must look like https://host, without a login")
        return value

    @model_validator(mode="after")
    def _lease_outlives_heartbeat_and_margin(self) -> WorkerSettings:
        if self.heartbeat_ms + self.send_margin_ms >= self.lease_ms:
            raise ValueError("EMPIRE_LEASE_MS must exceed EMPIRE_HEARTBEAT_MS + EMPIRE_SEND_MARGIN_MS")
        return self


class _Roles(BaseSettings):
    """Addresses of the narrower roles, for processes that do nothing else."""

    model_config = SettingsConfigDict(
        env_prefix="EMPIRE_", env_ignore_empty=True, extra="ignore", frozen=True
    )

    maintenance_database_url: SecretStr | None = None
    relay_database_url: SecretStr | None = None


def read_worker_settings(role: Literal["worker", "maintenance", "relay"] = "worker") -> WorkerSettings:
    """Read and check the whole environment. A role of its own address logs in there, else as the worker.

    Raises SettingsError naming every variable missing or wrong.
    """
    own = getattr(_Roles(), f"{role}_database_url", None)
    if role == "relay" and own is None:
        raise SettingsError("EMPIRE_RELAY_DATABASE_URL: is missing: the relay logs in as empire_relay")
    try:
        return WorkerSettings() if own is None else WorkerSettings(worker_database_url=own)  # pyright: ignore
    except ValidationError as error:
        raise SettingsError("\n".join(faults(error))) from None


def faults(error: ValidationError) -> list[str]:
    """Every variable missing or wrong, one a line, never its value."""
    found = []
    for fault in error.errors(include_input=False, include_url=False):
        name = (
            "EMPIRE_" + "_".join(str(part) for part in fault["loc"]).upper()
            if fault["loc"]
            else "environment"
        )
        found.append(f"{name}: {fault['msg'].removeprefix('Value error, ')}")
    return found
