"""A fresh stack in a temporary folder, for as long as something is measured on it."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from local.control import UpOptions, remove_state, start, stop
from local.paths import Paths
from local.status import Installation, installation


@contextmanager
def fresh_stack(pg: int, workers: bool = True) -> Iterator[Installation]:
    """Up until the block ends; ends the program when the stack does not stay up."""
    with tempfile.TemporaryDirectory(prefix="empire-bench-") as folder:
        paths = Paths.find(Path(folder) / "home")
        start(paths, UpOptions(pg=pg, workers=workers))
        try:
            found = installation(paths)
            if found is None:
                sys.exit("the stack did not stay up")
            yield found
        finally:
            stop(paths)
            # As root its databases are outside of the folder, a gigabyte each time.
            remove_state(paths)
