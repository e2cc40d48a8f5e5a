"""The words for what was skipped because nothing had to be done."""

from collections.abc import Mapping

from shared.models.reasons import Reason
from shared.risk.wording.words import Words

WORDS: Mapping[Reason, Words] = {
    Reason.ALREADY_IN_POSITION: Words(
        ("A position on this side is already open and the endpoint ignores further entries.",),
        "Set on_same to add if every alert should add to it.",
    ),
    Reason.ALREADY_ON_SIDE: Words(
        (
            "The position is already on the {side} side, so there was nothing to reverse.",
            "The position is already on the wanted side, so there was nothing to reverse.",
        ),
        "Nothing to do.",
    ),
    Reason.ALREADY_AT_TARGET: Words(
        (
            "The position of {position} is already at the target of {target}.",
            "The position is already at its target.",
        ),
        "Nothing to do.",
    ),
    Reason.NOTHING_TO_ADD_TO: Words(
        ("There is no {side} position to add to.", "There is no position to add to."),
        "Use action open for a first entry.",
    ),
    Reason.NOTHING_TO_CLOSE: Words(
        (
            "Exits for {in_flight} are already on their way, so nothing is left to close.",
            "There is no open position to close.",
        ),
        "If you see one at the broker, check the alert's tag and scope.",
    ),
    Reason.NOTHING_TO_CANCEL: Words(
        ("There is no pending entry that matches.",),
        "Stops and targets are never canceled by cancel; use modify, or check order_id, tag and side.",
    ),
    Reason.NOTHING_TO_MODIFY: Words(
        ("The change would leave everything as it is.",),
        "Give an sl, tp or price that differs from what is set.",
    ),
    Reason.WRONG_SIDE: Words(
        (
            "A {side} order cannot close what is open here: it is on the same side.",
            "What is open here is on the same side as the closing order.",
        ),
        "Leave side out to close whatever is open.",
    ),
    Reason.SUPERSEDED: Words(
        ("A later close or cancel made this alert pointless before it was sent.",), "Nothing to do."
    ),
    Reason.DRY_RUN: Words(
        ("This was a dry run: everything was decided and nothing was sent.",),
        "Take dry_run out to trade.",
    ),
}
