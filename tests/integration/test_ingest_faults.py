"""Connections cut under load: the sender always learns whether to send again, and nothing is stored twice."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

from tests.security.senders import Sender, alert, make_sender
from tests.support.clusters import wait_until
from tests.support.stacks import RunningStack

ALERTS = 400
CUTS = 3


def cut_connections(stack: RunningStack) -> None:
    """End every session of the edge functions, as a failover does."""
    stack.database.sql("select pg_terminate_backend(pid) from pg_stat_activity where usename = 'empire_edge'")


def post_until_stored(sender: Sender, body: bytes, seen: list[int]) -> int:
    """Post as TradingView does, again after 503 only; the event's id."""
    stored: list[int] = []

    def answered() -> bool:
        answer = sender.post(body)
        seen.append(answer.status_code)
        assert answer.status_code in (202, 503)
        if answer.status_code == 202:
            stored.append(answer.json()["event_id"])
        return bool(stored)

    wait_until(answered)
    return stored[0]


def test_connections_cut_under_load_lose_and_double_nothing(stack: RunningStack) -> None:
    """Every alert ends as exactly one event, and the functions process heals without a restart."""
    sender = make_sender(stack)
    functions = stack.functions.pid
    bodies = [alert() for _ in range(ALERTS)]
    seen: list[int] = []
    cut_at = {ALERTS * (n + 1) // (CUTS + 1) for n in range(CUTS)}
    lock = threading.Lock()

    def post(numbered: tuple[int, bytes]) -> int:
        if numbered[0] in cut_at:
            with lock:
                cut_connections(stack)
        return post_until_stored(sender, numbered[1], seen)

    with ThreadPoolExecutor(8) as pool:
        events = list(pool.map(post, enumerate(bodies)))
    assert len(set(events)) == ALERTS
    assert sender.events("count(*) over ()").splitlines() == [str(ALERTS)] * ALERTS
    assert stack.functions.pid == functions
    assert sender.post(alert()).status_code == 202


def test_alerts_one_after_another_keep_one_session(stack: RunningStack) -> None:
    """Only what overlaps takes another: each session holds memory in Postgres, and begins cold."""
    sender = make_sender(stack)
    cut_connections(stack)
    wait_until(lambda: sender.post(alert()).status_code == 202)
    assert {sender.post(alert()).status_code for _ in range(12)} == {202}
    sessions = stack.database.sql("select count(*) from pg_stat_activity where usename = 'empire_edge'")
    assert sessions == "1"


def test_a_locked_account_delays_no_other_endpoint(stack: RunningStack) -> None:
    """Alerts that wait for their account's lock must come again; those of others pass, however many wait."""
    held, free = make_sender(stack), make_sender(stack)
    assert held.post(alert()).status_code == 202

    def hold() -> None:
        with suppress(RuntimeError):  # it is ended below
            stack.database.sql(
                f"begin; select 1 from public.broker_accounts where user_id = '{held.user.id}' for update;"
                " select pg_sleep(600); commit"
            )

    with ThreadPoolExecutor(20) as pool:
        holding = pool.submit(hold)
        wait_until(lambda: stack.database.sql(f"select count(*) {_SLEEPING}") != "0")
        waiting = [pool.submit(held.post, alert()) for _ in range(16)]
        quick = [free.post(alert()) for _ in range(20)]
        assert not holding.done()
        stack.database.sql(f"select pg_terminate_backend(pid) {_SLEEPING}")
        assert {answer.status_code for answer in quick} == {202}
        # Behind the lock they would take two seconds and a half. A busy machine may hold up one of them.
        assert sorted(answer.elapsed.total_seconds() for answer in quick)[-2] < 2
        assert {answer.result().status_code for answer in waiting} <= {202, 503}
    wait_until(lambda: held.post(alert()).status_code == 202)


_SLEEPING = "from pg_stat_activity where wait_event = 'PgSleep' and datname = current_database()"
