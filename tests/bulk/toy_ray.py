"""A run on actors of Ray, in a process of its own: `sleep` until it is stopped, or `join` the Ray at an address."""

from __future__ import annotations

import sys
from contextlib import closing
from itertools import count

from backend.bulk import RayActors, WorkerRunner
from scripts.preannotating.stopping import StopSignals

TOYS = "tests.bulk.toy_workers"


def sleep() -> int:
    """Print the folder of the Ray once it works; return the status of a run that a signal has stopped."""
    host = RayActors(f"{TOYS}:build", [2], calls_at_once=2)
    with StopSignals() as signals, closing(WorkerRunner(host, in_flight=2)) as runner:
        outcomes = runner({"id": number, "do": "sleep", "seconds": 0.05} for number in count())
        for outcome in outcomes:
            assert outcome.error is None
            if outcome.task["id"] == 0:
                print(host.folder, flush=True)
            if signals.flag.is_set():
                outcomes.stop()
    print("stopped without an error", flush=True)
    return signals.exit_status


def join(address: str, actors: int = 1) -> int:
    """Work on a task at an address, and print why that is not possible."""
    host = RayActors(f"{TOYS}:build", [1] * actors, address=address, place_seconds=3)
    with closing(WorkerRunner(host)) as runner:
        try:
            print([outcome.prediction for outcome in runner([{"id": 1}])])
        except Exception as error:
            print(error)
    return 0


if __name__ == "__main__":
    sys.exit(sleep() if sys.argv[1] == "sleep" else join(sys.argv[2], *map(int, sys.argv[3:])))
