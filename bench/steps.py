"""`python -m bench.steps`: hours of what the tests play for seconds: accounts at the simulated brokers in seeded steps.

Each round is a new seed at each kind of account, in a database of its own: the market moves, alerts come, somebody else
trades there by hand, writes fail, lists lag, workers are replaced; whenever it is quiet our books have to be the
broker's to the cent and the tick, and every invariant empty. What differs ends the program with the seed that shows it.
The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from local.scratch import ScratchCluster
from tests.integration.steps.cases import CASES, lived
from tests.support.clusters import clone, template_cluster


def main() -> None:
    """Play and print."""
    parser = argparse.ArgumentParser(prog="python -m bench.steps")
    parser.add_argument("--minutes", type=float, default=60, help="no new round after that")
    parser.add_argument("--steps", type=int, default=10_000, help="of a round, at each account")
    parser.add_argument("--seed", type=int, default=1, help="of the first round")
    parser.add_argument("--cases", nargs="+", default=list(CASES), choices=list(CASES))
    parser.add_argument("--pg", type=int, default=18, choices=(16, 18))
    chosen = parser.parse_args()
    began, counts, rounds = time.monotonic(), Counter[str](), 0
    with template_cluster(chosen.pg) as cluster:
        while time.monotonic() - began < chosen.minutes * 60:
            for case in chosen.cases:
                counts += _played(cluster, case, chosen.seed + rounds, chosen.steps)
            rounds += 1
            print(f"seed {chosen.seed + rounds - 1} held", file=sys.stderr, flush=True)
    print(json.dumps({"rounds": rounds, "seconds": round(time.monotonic() - began, 1), **counts}))


def _played(cluster: ScratchCluster, case: str, seed: int, steps: int) -> Counter[str]:
    database = clone(cluster)
    try:
        return asyncio.run(lived(database, case, seed, steps)).count
    except AssertionError as error:
        sys.exit(f"{case}, seed {seed}: {error}")
    finally:
        database.drop()


if __name__ == "__main__":
    main()
