"""Command: send damaged requests to the application and report the answers; exits with 1 if any is wrong."""

from __future__ import annotations

import argparse
import sys
import time

from tests.fuzzing.damaged_requests import BODY_ROUTES, ROUTES
from tests.fuzzing.trial import run_trials


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzzing", description=__doc__)
    parser.add_argument("--bodies", type=int, default=100_000, help="number of requests")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    started = time.monotonic()
    report = run_trials(arguments.bodies, arguments.seed)
    print(report.table())
    all_routes, with_body = report.share_answered(ROUTES), report.share_answered(BODY_ROUTES)
    print(f"Answered with 200: {all_routes:.1%}; of the requests with a body {with_body:.1%}.")
    seconds, wrong = time.monotonic() - started, report.problems.total()
    print(f"{arguments.bodies} requests, seed {arguments.seed}, in {seconds:.0f} s; {wrong} wrong answers.")
    for problem, count in report.problems.most_common():
        print(f"{count:6} {problem}")
        for request in report.examples[problem][:1]:
            print(f"       {request.method} {request.path[:60]} {request.headers} {request.body[:300]!r}")
    return 1 if report.problems else 0


if __name__ == "__main__":
    sys.exit(main())
