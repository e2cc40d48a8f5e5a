"""`python -m bench.chaos`: thousands of alerts at the simulated brokers while everything goes wrong, from a seed.

A run is one alert on one account. Real workers are killed and stopped, real simulators fail; at the end every
account's orders at the broker are held against our books. The last line is one JSON object; the program fails
when anything was doubled, lost, or not settled in its time. Sentences about each go to stderr.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from shared import codec
from tests.integration.chaos.brokers import Plan, Played, play
from tests.integration.chaos.venues import KINDS
from tests.integration.chaos.weather import Climate
from tests.support.clusters import clone, template_cluster
from tests.support.stacks import running_stack


def main() -> None:
    """Play and print."""
    parser = argparse.ArgumentParser(prog="python -m bench.chaos")
    parser.add_argument("--runs", type=int, default=1000, help="alerts, spread over all accounts")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--brokers", nargs="+", default=list(KINDS), choices=list(KINDS))
    parser.add_argument(
        "--logins", type=int, default=4, help="at each broker; each has two or three accounts"
    )
    parser.add_argument("--seconds", type=float, default=float("inf"), help="no new alerts after that")
    parser.add_argument("--pg", type=int, default=18, choices=(16, 18))
    parser.add_argument(
        "--evidence", type=Path, help="a file for what is known of the accounts complained of"
    )
    chosen = parser.parse_args()
    seats = sum(KINDS[name].accounts for name in chosen.brokers) * chosen.logins
    plan = Plan(
        chosen.brokers,
        chosen.seed,
        chosen.logins,
        -(-chosen.runs // seats),
        chosen.seconds,
        climate=Climate(),
    )
    began = time.monotonic()
    with template_cluster(chosen.pg) as cluster, running_stack(clone(cluster)) as stack:
        played = asyncio.run(play(stack, plan))
    _explain(played)
    if chosen.evidence:
        chosen.evidence.write_bytes(codec.encode(played.told.evidence))
    print(json.dumps(_report(chosen, played, time.monotonic() - began)))
    sys.exit(0 if played.told.faultless else 1)


def _report(chosen: argparse.Namespace, played: Played, took_s: float) -> dict[str, Any]:
    totals = played.totals()
    return {
        "runs": totals["alerts"],
        "seed": chosen.seed,
        "brokers": chosen.brokers,
        **totals,
        "took_s": round(took_s),
    }


def _explain(played: Played) -> None:
    told = played.told
    for name in ("doubles", "lost", "late", "differing", "by_hand", "behind"):
        for sentence in getattr(told, name):
            print(f"{name}: {sentence}", file=sys.stderr)


if __name__ == "__main__":
    main()
