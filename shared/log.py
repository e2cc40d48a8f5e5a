"""Structured logs: JSON lines when stdout is not a terminal, coloured text when it is. Secrets stay out."""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import MutableMapping
from typing import Any

import structlog

_SECRET_NAME = re.compile(
    r"(password|passwd|secret|token_value|api_?key|authorization|credential|dsn|database_url|jwt|cookie|signature)",
    re.IGNORECASE,
)
_SECRET_TEXT = re.compile(
    r"(?P<keep>://[^:/@\s]+:)[^@\s]+(?=@)"  # scheme://role:password@host
    r"|(?P<word>\bBearer\s+)\S+"
    r"|\beyJ[\w-]+\.[\w-]+\.[\w-]*",
    re.IGNORECASE,
)
HIDDEN = "[hidden]"


def setup(level: str = "info") -> None:
    """Configure structlog once for this process. `level` is debug, info, warning or error."""
    terminal = sys.stdout.isatty()
    renderer: Any = structlog.dev.ConsoleRenderer() if terminal else structlog.processors.JSONRenderer()
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            hide_secrets,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        # sys.stdout is line-buffered only on a terminal; a supervisor reads our lines from a pipe.
        logger_factory=structlog.WriteLoggerFactory(file=sys.stdout),
        cache_logger_on_first_use=True,
    )


def get(name: str) -> structlog.stdlib.BoundLogger:
    """A logger that says where its lines come from."""
    logger: structlog.stdlib.BoundLogger = structlog.get_logger(room=name)
    return logger


def hide_secrets(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """structlog processor: hides values by their name, and passwords and bearer tokens inside any text."""
    for name, value in event.items():
        event[name] = _hidden(name, value)
    return event


def _hidden(name: str, value: Any) -> Any:
    if _SECRET_NAME.search(name):
        return HIDDEN
    if isinstance(value, str):
        return _SECRET_TEXT.sub(_cover, value)
    if isinstance(value, dict):
        return {key: _hidden(str(key), inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_hidden("", inner) for inner in value]
    return value


def _cover(match: re.Match[str]) -> str:
    return (match["keep"] or match["word"] or "") + HIDDEN
