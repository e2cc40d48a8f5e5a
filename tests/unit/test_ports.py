"""The block of ports of a stack: every one of them is free when it is chosen."""

from __future__ import annotations

import socket

import pytest

from local.ports import SCRATCH_BASE, SIMULATED, WIDTH, Ports, PortsTaken, reserve

NOBODYS = SCRATCH_BASE + WIDTH
"""Above the blocks that other tests take: one that is given back here is not somebody else's at once."""


@pytest.mark.parametrize("name", SIMULATED)
def test_a_simulated_brokers_port_is_looked_at_too(name: str) -> None:
    """A block in which somebody else listens where a simulator would is not taken; it is when he has gone."""
    found = reserve(None, first=NOBODYS + 100 * SIMULATED.index(name))
    found.release()
    base = found.ports.base
    with socket.socket() as stranger:
        stranger.bind(("127.0.0.1", Ports(base).venues[name]))
        stranger.listen()
        with pytest.raises(PortsTaken, match=str(Ports(base).venues[name])):
            reserve(base)
    reserve(base).release()
