"""What a delivery leaves in its trace: late words are written once, and never stand in the way of an outcome."""

from __future__ import annotations

from typing import Any, cast

from shared.models.enums import Stage
from workers.execution.job import Job

NOBODYS: Any = cast(Any, None)


def test_late_words_are_written_when_they_are_told() -> None:
    """A detail that is a function is asked once, when the trace is; one that breaks says so in its place."""
    job, asked = Job(NOBODYS, NOBODYS, 0.0), []

    def words() -> dict[str, Any]:
        asked.append("told")
        return {"checks": []}

    def broken() -> dict[str, Any]:
        raise ZeroDivisionError

    job.step(Stage.RISK, "approved", words)
    job.step(Stage.FIT, "fitted", broken)
    job.step(Stage.WRITE, "opened")
    assert asked == []
    for _ in range(2):
        assert [each["detail"] for each in job.told()] == [
            {"checks": []},
            {"error": "This could not be written: ZeroDivisionError."},
            {},
        ]
    assert asked == ["told"]
