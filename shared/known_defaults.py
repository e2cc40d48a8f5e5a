"""Secrets that are none. By themselves here: whoever only compares with them needs no settings and their libraries."""

from __future__ import annotations

KNOWN_DEFAULTS = frozenset(
    {
        "super-secret-jwt-token-with-at-least-32-characters-long",
        "your-super-secret-jwt-token-with-at-least-32-characters-long",
        "your-super-secret-and-long-postgres-password",
        "sb_publishable_ACJWlzQHlZjBrEguHvfOxg_3BJgxAaH",
        "sb_secret_N7UND0UgjKTVK-Uodkm0Hg_xSvEMPvz",
        "postgres",
        "password",
        "changeme",
    }
)
"""Secrets printed in somebody's documentation. Whatever starts with one of them is open to everybody."""
