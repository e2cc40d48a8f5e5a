"""Security suite no. 5: endpoint tokens, forged, truncated, of another endpoint, revoked, rotated."""

from __future__ import annotations

import pytest

from shared.crypto.endpoint_token import TokenKeys
from tests.security.senders import Sender, alert, make_sender, reveal
from tests.support.clusters import wait_until
from tests.support.stacks import RunningStack

UNAUTHORIZED = '{"error":"unauthorized","message":"This address is not valid (any more)."}'


def assert_unauthorized(sender: Sender, token: str) -> None:
    """The one answer to every token that does not count."""
    answer = sender.post(alert(), token)
    assert (answer.status_code, answer.text) == (401, UNAUTHORIZED)


def keys_of(stack: RunningStack) -> TokenKeys:
    """The installation's master keys, as an operator has them."""
    return TokenKeys.parse(stack.boot.secrets.token_keys)


@pytest.fixture
def sender(shared_stack: RunningStack) -> Sender:
    """An endpoint of a new user."""
    return make_sender(shared_stack)


def test_the_address_that_the_owner_is_shown_takes_alerts(sender: Sender) -> None:
    """The function `endpoint` derives what the function `webhook` verifies."""
    answer = sender.post(alert())
    assert answer.status_code == 202
    assert answer.json().keys() == {"event_id", "status", "deliveries"}
    assert sender.token == keys_of(sender.stack).token(sender.endpoint_id, 1)
    assert sender.events("broker, status") == "paper|accepted"


def test_nobody_else_is_shown_the_address(sender: Sender) -> None:
    """Another user's endpoint does not exist for him, and without a session there is nothing to see."""
    stranger = sender.stack.create_user()
    assert reveal(sender.stack, stranger, sender.endpoint_id).status_code == 404


def test_forged_truncated_and_foreign_tokens_get_one_answer(sender: Sender) -> None:
    """One changed character anywhere, a missing one, the MAC of another endpoint: the same 401."""
    other = make_sender(sender.stack)
    for at in (len(sender.token) - 1, len(sender.token) - 22, 5, 0):
        changed = "b" if sender.token[at] != "b" else "c"
        assert_unauthorized(sender, sender.token[:at] + changed + sender.token[at + 1 :])
    assert_unauthorized(sender, sender.token[:-1])
    assert_unauthorized(sender, sender.token.removesuffix(sender.mac) + other.mac)
    assert sender.events("id") == ""


def test_a_right_mac_alone_never_suffices(sender: Sender) -> None:
    """An endpoint that never was, a version not yet made: the MAC is ours, the database says no."""
    keys = keys_of(sender.stack)
    assert_unauthorized(sender, keys.token("00000000-0000-4000-8000-00000000dead", 1))
    assert_unauthorized(sender, keys.token(sender.endpoint_id, 2))


def test_a_rotated_token_works_for_a_day_more_and_not_longer(sender: Sender) -> None:
    """After a rotation both work; when the day is over, or after a second rotation, only the newest."""
    sender.call("rotate_endpoint", p_endpoint_id=sender.endpoint_id)
    second = sender.reveal()["token"]
    assert second != sender.token
    assert sender.post(alert(), second).status_code == 202
    assert sender.post(alert()).status_code == 202
    sender.call("rotate_endpoint", p_endpoint_id=sender.endpoint_id)
    assert_unauthorized(sender, sender.token)
    sender.stack.database.sql(
        f"update public.webhook_endpoints set previous_valid_until = now() where id = '{sender.endpoint_id}'"
    )
    assert_unauthorized(sender, second)
    assert sender.post(alert(), sender.reveal()["token"]).status_code == 202


@pytest.mark.parametrize("verb", ["revoke_endpoint", "disable_endpoint"])
def test_a_revoked_or_disabled_endpoint_answers_like_one_that_never_was(sender: Sender, verb: str) -> None:
    """At once, and to the letter as to a forged token."""
    sender.call(verb, p_endpoint_id=sender.endpoint_id)
    assert_unauthorized(sender, sender.token)


def test_a_suspended_user_sends_nothing(sender: Sender) -> None:
    """His endpoints answer like ones that never were."""
    sender.stack.database.sql(
        f"update public.profiles set status = 'suspended' where id = '{sender.user.id}'"
    )
    assert_unauthorized(sender, sender.token)


def test_without_a_database_forgeries_are_still_401_and_the_rest_is_503(own_stack: RunningStack) -> None:
    """No query before the MAC. What got 503 is sent again and accepted once, then recognised."""
    sender = make_sender(own_stack)
    body = alert()
    own_stack.postgres.stop()
    try:
        assert_unauthorized(sender, sender.token[:-1])
        refused = sender.post(body)
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "5")
    finally:
        own_stack.postgres.start()
    answers = []

    def answered() -> bool:
        answers.append(sender.post(body))
        return answers[-1].status_code == 202

    wait_until(answered)
    assert answers[-1].json()["status"] == "accepted"
    again = sender.post(body).json()
    assert (again["status"], again["event_id"]) == ("duplicate", answers[-1].json()["event_id"])
