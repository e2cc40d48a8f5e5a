"""`python -m local.advisors`: the Supabase advisors on a freshly migrated database must find nothing."""

from __future__ import annotations

import sys

from local.scratch import quick_folder, scratch_cluster

_DATABASE = "advised"
_EXPECTED = frozenset({"unused_index"})
"""On an empty database no index has been used yet."""


def main() -> int:
    """Print each finding as one line; 1 when there is one."""
    with scratch_cluster(parent=quick_folder()) as cluster:
        cluster.prepare(_DATABASE)
        findings = cluster.cli.advisors(cluster.url("postgres", _DATABASE))
    unexpected = [finding for finding in findings if finding["name"] not in _EXPECTED]
    for finding in unexpected:
        print(f"{finding['level']} {finding['name']}: {finding['detail']}")
    return 1 if unexpected else 0


if __name__ == "__main__":
    sys.exit(main())
