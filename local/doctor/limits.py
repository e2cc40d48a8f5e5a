"""The limits that traders have set: whether what they are judged by lasts."""

from __future__ import annotations

from local.doctor.checks import check
from local.status import Installation
from shared import clock
from shared.risk.calendars.ends import ending

_NAMED = """
select distinct r.value ->> 'calendar' from engine.limits_in_force l cross join lateral jsonb_each(l.rules) r
where jsonb_typeof(r.value) = 'object' and r.value ->> 'calendar' is not null order by 1
"""


@check("calendars")
def _calendars(found: Installation) -> str | None:
    named = found.boot.cluster.sql(_NAMED, found.boot.database).splitlines()
    return " ".join(said for each in named if (said := ending(each, clock.now())) is not None) or None
