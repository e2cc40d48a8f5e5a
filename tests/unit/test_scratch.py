"""What killed runs leave in temporary folders, in memory or on disk, is known by the process in their names."""

from __future__ import annotations

import os
import secrets
import subprocess
import tempfile
from pathlib import Path

from local.scratch import abandoned, quick_folder


def test_only_folders_of_ended_processes_are_abandoned() -> None:
    """A folder of a process that has ended is found, wherever temporary things are; ours and others' are not."""
    ended = subprocess.Popen(["true"])
    ended.wait()
    prefix = f"empire-{secrets.token_hex(4)}-"
    names = [f"{prefix}{ended.pid}-a", f"{prefix}{os.getpid()}-a", f"{prefix}word-a"]
    parents = {Path(tempfile.gettempdir()), quick_folder()}
    made = [parent / name for parent in sorted(parents) for name in names]
    try:
        for folder in made:
            folder.mkdir()
        assert sorted(abandoned(prefix)) == sorted(parent / names[0] for parent in parents)
    finally:
        for folder in made:
            folder.rmdir()
