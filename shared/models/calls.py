"""Requests to a broker as the fleet shares them out: what a worker asks for, and what it is handed."""

from msgspec import Struct


class CallsUsed(Struct, frozen=True):
    """What became of a block: `calls` were made, the last has certainly arrived `age_ms` ago (negative = will have)."""

    block: int
    calls: int
    age_ms: int


class CallsWanted(Struct, frozen=True):
    """Up to `want` requests on a route of a connection, of which the broker allows `limit` in `window_ms`.

    background: only to look on, and after whatever waits for an order. reserve: so many of the limit are kept for what
    is urgent. within_ms: how long the most patient caller waits.
    life_ms: how long a block may be used once it has begun; grace_ms: so long a request may take to arrive.
    pause_ms > 0: the broker has refused us for that time. Milliseconds are whole.
    """

    connection_id: str
    route: str
    urgent: bool
    limit: int
    reserve: int
    window_ms: int
    want: int
    within_ms: int
    life_ms: int
    grace_ms: int
    pause_ms: int = 0
    background: bool = False
    used: tuple[CallsUsed, ...] = ()


class CallsGranted(Struct, frozen=True):
    """`calls` requests, to be sent from `from_ms` to `until_ms` after the answer was made; 0 = ask in `wait_ms`."""

    block: int
    calls: int
    from_ms: int
    until_ms: int
    wait_ms: int
