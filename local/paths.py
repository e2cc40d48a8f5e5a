"""Where the embedded stack keeps its things. The only file of `local` that reads the environment."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent
"""The checkout: supabase/, local/api, local/functions are found from here."""

VENV = PROJECT / ".venv"


@dataclass(frozen=True, slots=True)
class Paths:
    """The state folder of one installation; everything the stack writes is below it."""

    home: Path

    @classmethod
    def find(cls, home: Path | None = None) -> Paths:
        """The given folder, else EMPIRE_HOME, else `.empire` in the project."""
        chosen = home or Path(os.environ.get("EMPIRE_HOME") or PROJECT / ".empire")
        return cls(chosen.expanduser().absolute())

    def create(self) -> None:
        """Make the folder. As root, others may pass through, not look: Postgres runs as another account."""
        self.home.mkdir(parents=True, exist_ok=True)
        self.home.chmod(0o711 if os.geteuid() == 0 else 0o700)
        self.logs.mkdir(mode=0o700, exist_ok=True)

    @property
    def secrets(self) -> Path:
        """Every generated secret of this installation, 0600."""
        return self.home / "secrets.json"

    @property
    def state(self) -> Path:
        """What runs now: pids, ports, nonce. Written by the supervisor, 0600."""
        return self.home / "stack.json"

    @property
    def login(self) -> Path:
        """The login of the person at the terminal (the demo user at first), 0600."""
        return self.home / "login.json"

    @property
    def keys(self) -> Path:
        """The root's and the fleet's keys."""
        return self.home / "keys"

    @property
    def lock(self) -> Path:
        """Held by the one supervisor of this folder for as long as it lives."""
        return self.home / "lock"

    @property
    def logs(self) -> Path:
        """One file per child, and the supervisor's own."""
        return self.home / "logs"

    def log(self, name: str) -> Path:
        """The log file of one child."""
        return self.logs / f"{name}.log"


def deno_binary() -> Path:
    """The Deno executable of the virtual environment."""
    return VENV / "bin" / "deno"


def deno_cache() -> Path:
    """Deno's package cache: beside the other installed things, shared by all state folders."""
    return VENV / "deno"


def base_environment() -> dict[str, str]:
    """What every child gets: a search path, a language, the time zone; nothing else of the caller's."""
    kept = {name: os.environ[name] for name in ("PATH", "TZ") if name in os.environ}
    return {"LANG": "C.UTF-8", **kept}


def caller_environment() -> dict[str, str]:
    """The caller's own environment, for set-up steps: proxies and certificates of his network are in it."""
    return {**os.environ, "DENO_DIR": str(deno_cache())}
