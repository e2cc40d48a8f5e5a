"""The Supabase CLI (its native binary from npm): migrations, lints and row types against any Postgres."""

from __future__ import annotations

import json
import platform
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal
from urllib.parse import unquote, urlsplit, urlunsplit

from local import deno
from local.paths import PROJECT, caller_environment, deno_binary, deno_cache

VERSION = "3.1.0"
_LOCK = Path(__file__).with_name("supabase_cli.lock")
_MACHINES = {"x86_64": "x64", "amd64": "x64", "aarch64": "arm64", "arm64": "arm64"}


class SupabaseCliError(Exception):
    """The CLI failed; the message is what it printed."""


def install() -> None:
    """Fetch the binary of this platform, held against the lock file. Nothing happens when it is there."""
    options = ["--quiet", "--no-config", f"--lock={_LOCK}", "--frozen"]
    command = [str(deno_binary()), "cache", *options, f"npm:{_package()}@{VERSION}"]
    subprocess.run(command, env=caller_environment(), check=True)


@dataclass(frozen=True, slots=True)
class SupabaseCli:
    """Commands of the CLI. `home` holds all it writes; the project's supabase folder is only read."""

    home: Path

    def db_push(self, url: str) -> None:
        """Apply the migrations that the database does not have yet."""
        self._run(["db", "push", "--yes", "--skip-vault"], url)

    def pending_migrations(self, url: str) -> list[str]:
        """Versions in supabase/migrations that the database does not have."""
        rows = self._json(["migration", "list"], url)["migrations"]
        return [row["local"] for row in rows if row["local"] and not row["remote"]]

    def advisors(self, url: str) -> list[dict[str, Any]]:
        """The findings of every advisor, informative ones too. A clean database gives an empty list."""
        printed = self._run(["db", "advisors", "--type", "all", "--level", "info", "--fail-on", "none"], url)
        findings: list[dict[str, Any]] = json.loads(printed) if printed.startswith("[") else []
        return findings

    def gen_types(self, url: str, language: Literal["typescript", "python"], schemas: Sequence[str]) -> str:
        """Row types of the schemas as source text."""
        return self._run(["gen", "types", "--lang", language, "--schema", ",".join(schemas)], url)

    def _json(self, arguments: list[str], url: str) -> dict[str, Any]:
        answer: dict[str, Any] = json.loads(self._run([*arguments, "--output-format", "json"], url))
        return answer

    def _run(self, arguments: list[str], url: str) -> str:
        address, password = _without_password(url)
        self._prepare_folder()
        done = subprocess.run(
            [_binary(), *arguments, "--workdir", self.home, "--agent", "no", f"--remote={address}"],
            # The password travels in the environment: a command line can be read by everybody on the machine.
            env=deno.environment({"HOME": str(self.home), "PGPASSWORD": password, "DO_NOT_TRACK": "1"}),
            cwd=self.home,
            capture_output=True,
            text=True,
            check=False,
            stdin=subprocess.DEVNULL,
        )
        if done.returncode != 0:
            raise SupabaseCliError(
                f"supabase {' '.join(arguments[:2])}: {done.stderr.strip() or done.stdout.strip()}"
            )
        return done.stdout.strip()

    def _prepare_folder(self) -> None:
        folder = self.home / "supabase"
        folder.mkdir(parents=True, exist_ok=True)
        for name in ("config.toml", "migrations"):
            link = folder / name
            if not link.is_symlink():
                link.symlink_to(PROJECT / "supabase" / name)


def _package() -> str:
    machine = _MACHINES.get(platform.machine().lower(), platform.machine())
    return f"@supabase/cli-{platform.system().lower()}-{machine}"


def _binary() -> Path:
    found = deno_cache() / "npm" / "registry.npmjs.org" / _package() / VERSION / "bin" / "supabase"
    if not found.exists():
        raise SupabaseCliError(f"The Supabase CLI {VERSION} is not installed for this machine; run make.")
    return found


def _without_password(url: str) -> tuple[str, str]:
    parts = urlsplit(url)
    place = f"{parts.username}@{parts.hostname}:{parts.port or 5432}"
    return urlunsplit(parts._replace(netloc=place)), unquote(parts.password or "")


if __name__ == "__main__":
    install()
