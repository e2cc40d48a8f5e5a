"""What the embedded stack reads from supabase/config.toml, so that one file rules every footing."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass

from local.paths import PROJECT


@dataclass(frozen=True, slots=True)
class ProjectConfig:
    """Functions called without a JWT check, life of an access token in seconds, the token hook's address."""

    functions_without_jwt: tuple[str, ...]
    jwt_expiry_s: int
    access_token_hook: str


def read_project_config() -> ProjectConfig:
    """Parse supabase/config.toml."""
    config = tomllib.loads((PROJECT / "supabase" / "config.toml").read_text())
    functions = config.get("functions", {})
    auth = config.get("auth", {})
    hook = auth.get("hook", {}).get("custom_access_token", {})
    return ProjectConfig(
        functions_without_jwt=tuple(
            sorted(name for name, f in functions.items() if not f.get("verify_jwt", True))
        ),
        jwt_expiry_s=auth.get("jwt_expiry", 900),
        access_token_hook=hook.get("uri", "") if hook.get("enabled") else "",
    )
