"""The environment is read once, and all its faults are told together."""

from __future__ import annotations

import pytest

from shared.settings import SettingsError, read_worker_settings

ADDRESS = "postgresql://empire_worker:hush@127.0.0.1:5432/postgres"


def test_every_fault_is_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """One run names every variable that is wrong, and never repeats a password."""
    monkeypatch.setenv("EMPIRE_WORKER_DATABASE_URL", "mysql://root:hush@somewhere")
    monkeypatch.setenv("EMPIRE_WORKER_BATCH", "many")
    monkeypatch.setenv("EMPIRE_LOG_LEVEL", "loud")
    with pytest.raises(SettingsError) as caught:
        read_worker_settings()
    told = str(caught.value)
    for name in ("EMPIRE_WORKER_DATABASE_URL", "EMPIRE_WORKER_BATCH", "EMPIRE_LOG_LEVEL"):
        assert name in told
    assert "hush" not in told


def test_lease_must_outlive_heartbeat_and_margin(monkeypatch: pytest.MonkeyPatch) -> None:
    """A lease that ends before its heartbeat could extend it is refused at start."""
    monkeypatch.setenv("EMPIRE_WORKER_DATABASE_URL", ADDRESS)
    monkeypatch.setenv("EMPIRE_LEASE_MS", "2000")
    with pytest.raises(SettingsError, match="EMPIRE_LEASE_MS"):
        read_worker_settings()


def test_secrets_do_not_show(monkeypatch: pytest.MonkeyPatch) -> None:
    """Settings may be printed: the database's password is not in them."""
    monkeypatch.setenv("EMPIRE_WORKER_DATABASE_URL", ADDRESS)
    settings = read_worker_settings()
    assert settings.worker_database_url.get_secret_value() == ADDRESS
    assert "hush" not in repr(settings)


@pytest.mark.parametrize(
    "password", ["postgres", "%70ostgres", "your-super-secret-and-long-postgres-password"]
)
def test_a_known_default_password_stops_the_start(monkeypatch: pytest.MonkeyPatch, password: str) -> None:
    """Security suite no. 18: on any host, however it is spelled, and without repeating it."""
    address = f"postgresql://empire_worker:{password}@db.example.com:5432/postgres"
    monkeypatch.setenv("EMPIRE_WORKER_DATABASE_URL", address)
    with pytest.raises(SettingsError, match="EMPIRE_WORKER_DATABASE_URL: has a password") as caught:
        read_worker_settings()
    assert password not in str(caught.value).replace("postgresql", "")
