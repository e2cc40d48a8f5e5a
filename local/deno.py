"""How Deno programs of ours are started: pinned packages only, no prompts, the narrowest permissions."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from local.paths import PROJECT, base_environment, deno_binary, deno_cache


class DenoError(Exception):
    """A Deno program ended with an error; the message is what it printed."""


def command(script: Path, permissions: Sequence[str]) -> list[str]:
    """The command line of a script. What was not installed from the lock is not fetched later."""
    pinned = ["--quiet", "--no-prompt", "--cached-only", "--frozen", "--no-remote"]
    return [str(deno_binary()), "run", *pinned, *permissions, str(script)]


def environment(values: Mapping[str, str]) -> dict[str, str]:
    """The whole environment of a Deno child: the given values and what Deno itself needs."""
    deno = {"DENO_DIR": str(deno_cache()), "DENO_NO_UPDATE_CHECK": "1", "NO_COLOR": "1"}
    return {**base_environment(), **deno, **values}


def run(script: Path, permissions: Sequence[str], values: Mapping[str, str], timeout_s: float = 60) -> str:
    """Run a script to its end and return its output. Raises DenoError."""
    done = subprocess.run(
        command(script, permissions),
        env=environment(values),
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=False,
        timeout=timeout_s,
    )
    if done.returncode != 0:
        raise DenoError(
            f"{script.name} ended with {done.returncode}: {done.stderr.strip() or done.stdout.strip()}"
        )
    return done.stdout
