"""The project's pre-annotation and export commands, each run in a process of its own."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from scripts.demo_circle.places import ROOT
from scripts.demo_circle.processes import DemoError


def preannotate(project: int, environment: Mapping[str, str], *options: str, quiet: bool = False) -> str:
    """Run scripts.preannotate; its output goes to the terminal, or is returned if `quiet`."""
    return _run(["scripts.preannotate", "--project", str(project), *options], environment, quiet=quiet)


def export(project: int, folder: Path, environment: Mapping[str, str]) -> Path:
    """Run scripts.export; return the path of the written file."""
    _run(["scripts.export", "--project", str(project), "--out", str(folder)], environment, quiet=True)
    return folder / "instances.json"


def _run(module_and_options: list[str], environment: Mapping[str, str], *, quiet: bool) -> str:
    """Run `python -m …`; raise DemoError with its output if it fails."""
    sink = subprocess.PIPE if quiet else None
    argv = [sys.executable, "-m", *module_and_options]
    done = subprocess.run(argv, env=dict(environment), cwd=ROOT, stdout=sink, stderr=sink, text=True, check=False)
    if done.returncode != 0:
        output = f"{done.stdout or ''}{done.stderr or ''}".strip()
        raise DemoError(
            f"python -m {' '.join(module_and_options)} exited with status {done.returncode}. {output}".strip(),
            remedy="Fix the reported error and start the demo again; it continues where it stopped.",
        )
    return f"{done.stdout or ''}"
