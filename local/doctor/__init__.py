"""`empire doctor`: one question per check, answered by OK or by one sentence that says what to do."""

from __future__ import annotations

# isort: off
# Importing a room registers its checks; they are asked in this order.
from local.doctor import data, limits, doors, keys, brokers
from local.doctor.checks import CHECKS, examine

# isort: on

__all__ = ["CHECKS", "brokers", "data", "doors", "examine", "keys", "limits"]
