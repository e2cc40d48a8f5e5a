"""The garbage collector of a process that handles thousands of orders a second."""

from __future__ import annotations

import gc


def calm() -> None:
    """What is loaded now stays: the collector need not look at it again with every few hundred orders."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)
