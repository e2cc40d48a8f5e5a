"""Fixtures of what whole roads share."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from local.keys.files import KeyFiles
from tests.support.connections import Customer, customer, publish
from tests.support.stacks import RunningStack


@pytest.fixture
async def trader(stack: RunningStack, files: KeyFiles) -> AsyncIterator[Customer]:
    """A user of a stack of the test's own."""
    await publish(stack.database, files)
    async with customer(stack, files) as made:
        yield made
