"""Security suite no. 7: whose address counts behind 0, 1 and 2 trusted proxies."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest

from local import programs
from local.scratch import Service
from tests.security.senders import LOOPBACK, Sender, alert, make_sender
from tests.support.stacks import RunningStack

TRADINGVIEW = "52.89.214.238"


@contextmanager
def trusting(stack: RunningStack, hops: int) -> Iterator[None]:
    """The functions process with another TRUSTED_PROXY_HOPS."""
    program = programs.functions(stack.boot)
    environment = {**program.environment, "TRUSTED_PROXY_HOPS": str(hops)}
    changed = Service(replace(program, environment=environment))
    stack.functions.stop()
    changed.start()
    try:
        yield
    finally:
        changed.stop()
        stack.functions.start()


def outcome(sender: Sender, *forwarded: str) -> tuple[int, str | None]:
    """Status and error of an alert with these X-Forwarded-For lines."""
    answer = sender.post_with(alert(), [("x-forwarded-for", line) for line in forwarded])
    return answer.status_code, answer.json().get("error")


@pytest.fixture(scope="module")
def for_tradingview(shared_stack: RunningStack) -> Sender:
    """An endpoint that takes alerts from one of TradingView's addresses only."""
    return make_sender(shared_stack, allow_cidrs=[f"{TRADINGVIEW}/32"])


@pytest.fixture(scope="module")
def for_loopback(shared_stack: RunningStack) -> Sender:
    """An endpoint that takes alerts from this machine only."""
    return make_sender(shared_stack, allow_cidrs=[LOOPBACK])


NOT_ALLOWED = (403, "address_not_allowed")
UNKNOWN = (403, "address_unknown")
ACCEPTED = (202, None)


@pytest.mark.parametrize(
    "forwarded", [(), (TRADINGVIEW,), (f"{TRADINGVIEW}, {TRADINGVIEW}",), (TRADINGVIEW, TRADINGVIEW), ("x",)]
)
def test_behind_the_gateway_alone_a_sender_cannot_choose_his_address(
    for_tradingview: Sender, for_loopback: Sender, forwarded: tuple[str, ...]
) -> None:
    """One hop, as embedded: the gateway appends who really called, and that counts."""
    assert outcome(for_tradingview, *forwarded) == NOT_ALLOWED
    assert outcome(for_loopback, *forwarded) == ACCEPTED


def test_without_trusted_proxies_the_peer_counts(for_tradingview: Sender, for_loopback: Sender) -> None:
    """No hops: the header is not read at all."""
    with trusting(for_loopback.stack, 0):
        assert outcome(for_tradingview, TRADINGVIEW) == NOT_ALLOWED
        assert outcome(for_loopback, TRADINGVIEW) == ACCEPTED


def test_behind_two_proxies_the_second_from_the_right_counts(
    for_tradingview: Sender, for_loopback: Sender
) -> None:
    """Two hops: the outer proxy wrote it. Fewer entries than proxies, or no address there: unknown."""
    with trusting(for_loopback.stack, 2):
        assert outcome(for_tradingview, TRADINGVIEW) == ACCEPTED
        assert outcome(for_tradingview, f"6.6.6.6, {TRADINGVIEW}") == ACCEPTED
        assert outcome(for_tradingview, "6.6.6.6", TRADINGVIEW) == ACCEPTED
        assert outcome(for_tradingview, f"::ffff:{TRADINGVIEW}") == ACCEPTED
        assert outcome(for_tradingview, f"{TRADINGVIEW}, 6.6.6.6") == NOT_ALLOWED
        for bad in ("", "unknown", f"{TRADINGVIEW}:443", "52.89.214", f"{TRADINGVIEW},"):
            assert outcome(for_tradingview, bad) == UNKNOWN
        assert outcome(for_tradingview) == UNKNOWN
        assert outcome(for_loopback) == UNKNOWN
