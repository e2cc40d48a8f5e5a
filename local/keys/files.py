"""Where the keys of an installation are. By itself here: who only passes a path on needs nothing that opens keys."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from local.paths import Paths


@dataclass(frozen=True, slots=True)
class KeyFiles:
    """Where the keys of an installation are."""

    root: Path
    root_public: Path
    fleet: Path

    @classmethod
    def of(cls, paths: Paths) -> KeyFiles:
        """Those of a state folder."""
        return cls(paths.keys / "root.key", paths.keys / "root.pub", paths.keys / "fleet.json")

    def root_text(self) -> str:
        """The root's public key, which clients are built with; empty where there is none yet."""
        return self.root_public.read_text().strip() if self.root_public.exists() else ""
