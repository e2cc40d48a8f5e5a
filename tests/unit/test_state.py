"""Who holds a state folder: one supervisor. Who only asks is nobody, neither to another who asks nor to one that starts."""

from __future__ import annotations

import fcntl
import threading
from pathlib import Path

from local.state import is_locked, lock


def test_the_folder_is_one_supervisors(tmp_path: Path) -> None:
    """While it is held everybody is told so, and nobody else gets it; afterwards it is free."""
    path = tmp_path / "lock"
    assert not is_locked(path)
    held = lock(path)
    assert held is not None
    assert is_locked(path)
    assert lock(path) is None
    held.close()
    assert not is_locked(path)


def test_who_asks_is_no_supervisor(tmp_path: Path) -> None:
    """`empire status` at the moment of another one, or of an `empire up`: the folder is free, and the stack starts."""
    path = tmp_path / "lock"
    asking = path.open("a")
    fcntl.flock(asking, fcntl.LOCK_SH)
    assert not is_locked(path)
    threading.Timer(0.1, asking.close).start()
    held = lock(path)
    assert held is not None
    held.close()
