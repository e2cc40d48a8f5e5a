"""Five loopback ports in a row for one stack, chosen so that two stacks never pick the same."""

from __future__ import annotations

import errno
import socket
from dataclasses import dataclass

DEFAULT_BASE = 54320
_STRIDE = 10
_BLOCKS = 200
_RESERVATION = 9


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


def reserve(base: int | None, preferred: int = DEFAULT_BASE) -> Reservation:
    """The block at `base`, or PortsTaken; without a base the first free block, `preferred` first."""
    if base is not None:
        return _reserve(base)
    for candidate in (preferred, *range(DEFAULT_BASE, DEFAULT_BASE + _STRIDE * _BLOCKS, _STRIDE)):
        try:
            return _reserve(candidate)
        except PortsTaken:
            continue
    raise PortsTaken(f"No free block of ports from {DEFAULT_BASE}; name one with --port.")


def _reserve(base: int) -> Reservation:
    ports = Ports(base)
    held = _bind(base + _RESERVATION)
    try:
        for port in ports.all:
            _bind(port).close()
    except PortsTaken:
        held.close()
        raise
    return Reservation(ports, held)


def _bind(port: int) -> socket.socket:
    opened = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        # As servers do: a port whose last connections are still in TIME_WAIT is free.
        if port % _STRIDE != _RESERVATION:
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
