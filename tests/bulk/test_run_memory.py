"""The memory of a run does not grow with the project: from the listing through the importer to the ledger."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.paths import ROOT

TASKS = 40_000
MEASURE = f"""
import json, re, sys, time
from pathlib import Path
from backend.bulk import *

def peak():  # MiB
    return int(re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1]) / 1024

class Store:
    bytes = count = 0
    def tasks_with_version(self, project_id, task_ids, version):
        return set()
    def existing_tasks(self, project_id, task_ids):
        return set(task_ids)
    def import_documents(self, project_id, documents):
        self.count += len(documents)
        self.bytes += sum(map(len, documents))
        return len(documents)

store, summary, stop = Store(), Summary(), StopFlag()
rle = "x" * 26_000
def predict(task):
    return {{"result": [{{"type": "brush", "value": {{"rle": rle}}}}], "score": 0.5}}

folder = RunFolder(Path(sys.argv[1]), RunIdentity("a", "3", "v"))
target, outages = Target(store, "3", "v"), Outages(lambda: None, stop)
before, started = peak(), time.monotonic()
with folder.open_ledger() as ledger:
    importer = PredictionImporter(target, ledger, outages, summary)
    tasks = ({{"id": number, "data": {{"image": f"{{number}}.png"}}}} for number in range(1, {TASKS + 1}))
    runner = PipelineRunner(Pipeline([Stage("toy", predict)]))
    ProjectRun(target, tasks, runner, importer, ledger, outages, summary, stop).run()
    done = ledger.counts()[TaskState.DONE]
print(json.dumps({{"grown": peak() - before, "created": summary.created, "count": store.count, "done": done,
                  "megabytes": store.bytes / 1e6, "seconds": time.monotonic() - started}}))
"""


@pytest.mark.slow
def test_a_gigabyte_of_predictions_passes_through_flat_memory(tmp_path: Path) -> None:
    command = [sys.executable, "-c", MEASURE, str(tmp_path)]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    measured = json.loads(run.stdout)
    print(measured)
    assert measured["created"] == measured["count"] == measured["done"] == TASKS
    assert measured["megabytes"] > 1000
    assert measured["grown"] < 200  # MiB, of which three chunks of 20 MB and the join of one
