"""Security suite no. 6: signed alerts, through the real door."""

from __future__ import annotations

import time

import pytest

from shared.crypto.signature import TOLERANCE_S, sign
from tests.security.senders import Sender, alert, make_sender
from tests.support.stacks import RunningStack


@pytest.fixture(scope="module")
def strict(shared_stack: RunningStack) -> Sender:
    """An endpoint that requires a signature."""
    return make_sender(shared_stack, require_signature=True)


@pytest.fixture(scope="module")
def lenient(shared_stack: RunningStack) -> Sender:
    """An endpoint that does not."""
    return make_sender(shared_stack)


def signed_now(sender: Sender, body: bytes, shift_s: int = 0) -> str:
    return sign(sender.signing_secret, body, int(time.time()) + shift_s)


def test_a_right_signature_is_accepted_and_noted(strict: Sender) -> None:
    """The inbox says that it was valid."""
    body = alert()
    answer = strict.post_signed(body, signed_now(strict, body))
    assert answer.status_code == 202
    assert strict.events("signature_valid", f"id = {answer.json()['event_id']}") == "t"


def test_two_spellings_of_one_body_have_two_signatures(strict: Sender) -> None:
    """The MAC is over the bytes, before any decoding."""
    body = alert()
    header = signed_now(strict, body)
    assert strict.post_signed(body + b" ", header).status_code == 401
    marked = b"\xef\xbb\xbf" + body
    assert strict.post_signed(marked, signed_now(strict, marked)).status_code == 202


def test_without_a_signature_a_strict_endpoint_takes_nothing(strict: Sender) -> None:
    """401 signature_invalid, whatever the body."""
    for body in (alert(), b"{", b""):
        answer = strict.post(body)
        assert (answer.status_code, answer.json()["error"]) == (401, "signature_invalid")


@pytest.mark.parametrize("shift_s", [-TOLERANCE_S - 5, TOLERANCE_S + 5])
def test_a_signature_of_another_time_is_refused(strict: Sender, shift_s: int) -> None:
    """Five minutes either way, no more."""
    body = alert()
    assert strict.post_signed(body, signed_now(strict, body, shift_s)).status_code == 401


def test_a_header_sent_twice_is_refused_even_when_both_are_right(strict: Sender) -> None:
    """Exactly one header."""
    body = alert()
    header = signed_now(strict, body)
    assert strict.post_signed(body, header, header).status_code == 401


def test_a_sender_may_rotate_with_up_to_three_signatures(strict: Sender) -> None:
    """One right v1 among three is enough; a fourth is too many."""
    body = alert()
    time_part, _, right = signed_now(strict, body).partition(",v1=")
    wrong = "0" * 64
    assert strict.post_signed(body, f"{time_part},v1={wrong},v1={wrong},v1={right}").status_code == 202
    assert strict.post_signed(body, f"{time_part},v1={right}" + f",v1={wrong}" * 3).status_code == 401


def test_the_secret_of_another_endpoint_does_not_sign(strict: Sender, lenient: Sender) -> None:
    """Each endpoint and version has its own."""
    body = alert()
    assert strict.post_signed(body, signed_now(lenient, body)).status_code == 401


def test_a_wrong_signature_is_refused_where_none_is_required(lenient: Sender) -> None:
    """Who signs must sign right; who does not sign is taken."""
    body = alert()
    assert lenient.post_signed(body, "t=1,v1=" + "0" * 64).status_code == 401
    assert lenient.post_signed(body, "garbage").status_code == 401
    answer = lenient.post(body)
    assert answer.status_code == 202
    assert lenient.events("signature_valid is null", f"id = {answer.json()['event_id']}") == "t"


def test_a_flood_of_wrong_signatures_leaves_the_right_ones_alone(strict: Sender) -> None:
    """They stop reaching the database; a right one passes all the same."""
    for _ in range(120):
        assert strict.post_signed(b"{}", "t=1,v1=" + "0" * 64).status_code == 401
    body = alert()
    assert strict.post_signed(body, signed_now(strict, body)).status_code == 202
