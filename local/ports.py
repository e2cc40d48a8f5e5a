"""A block of ten loopback ports for one stack, chosen so that two stacks never pick the same."""

from __future__ import annotations

import errno
import socket
from dataclasses import dataclass

DEFAULT_BASE = 24320
"""Below every range from which a kernel lends ports to outgoing connections (Linux from 32768, others from 49152):
a port that is free now would otherwise be somebody's a moment later, before its server binds it."""
SCRATCH_BASE = 21000
"""Throw-away clusters and tests: an installation finds the same ports again while they come and go."""
_STRIDE = 10
_BLOCKS = 150
WIDTH = _STRIDE * _BLOCKS
"""Where a free block is looked for: from the base so far upwards."""
_RESERVATION = 9
SIMULATED = ("tradelocker", "topstepx", "metatrader")
"""Brokers whose simulators have a port in the block."""


class PortsTaken(Exception):
    """The wanted ports are in use; the message names the first one."""


@dataclass(frozen=True, slots=True)
class Ports:
    """`base` is the gateway's, the only one that clients know."""

    base: int

    @property
    def gateway(self) -> int:
        """REST, auth, realtime, functions and static files."""
        return self.base

    @property
    def auth_worker(self) -> int:
        """The gateway's own worker for sign-ins (password hashing would block it)."""
        return self.base + 1

    @property
    def postgres(self) -> int:
        """The database."""
        return self.base + 2

    @property
    def functions(self) -> int:
        """The edge functions' process; it refuses everybody but the gateway."""
        return self.base + 3

    @property
    def paper_venue(self) -> int:
        """The paper venue, when somebody starts one (the demo, a load)."""
        return self.base + 4

    @property
    def venues(self) -> dict[str, int]:
        """The simulated brokers, when somebody starts one (`empire venue`)."""
        return {name: self.base + 5 + nth for nth, name in enumerate(SIMULATED)}

    @property
    def all(self) -> tuple[int, ...]:
        """Every port that a child will listen on."""
        return (self.gateway, self.auth_worker, self.postgres, self.functions)


@dataclass(frozen=True)
class Reservation:
    """A block of ports that is ours while the socket is open; it ends with the process, however that ends."""

    ports: Ports
    _socket: socket.socket

    def release(self) -> None:
        """Give the block back."""
        self._socket.close()


def reserve(base: int | None, preferred: int | None = None, first: int = DEFAULT_BASE) -> Reservation:
    """The block at `base`, or PortsTaken; without a base `preferred`, else the first free one from `first` on."""
    if base is not None:
        return _reserve(base)
    wanted = [] if preferred is None else [preferred]
    for candidate in (*wanted, *range(first, first + WIDTH, _STRIDE)):
        try:
            return _reserve(candidate)
        except PortsTaken:
            continue
    raise PortsTaken(f"No free block of ports from {first} on; name one with --port.")


def _reserve(base: int) -> Reservation:
    ports = Ports(base)
    held = _bind(base + _RESERVATION, as_server=False)
    try:
        for port in (*ports.all, ports.paper_venue, *ports.venues.values()):
            _bind(port, as_server=True).close()
    except PortsTaken:
        held.close()
        raise
    return Reservation(ports, held)


def _bind(port: int, as_server: bool) -> socket.socket:
    opened = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        if as_server:  # for a server a port whose last connections are still in TIME_WAIT is free
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        opened.bind(("127.0.0.1", port))
    except (OSError, OverflowError) as error:
        opened.close()
        if isinstance(error, OSError) and error.errno not in (errno.EADDRINUSE, errno.EACCES):
            raise
        raise PortsTaken(
            f"Port {port} is taken; stop its owner or choose another block with --port."
        ) from None
    return opened
