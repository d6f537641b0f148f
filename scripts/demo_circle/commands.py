"""The project's own commands, run as a person runs them: pre-annotation and export in a process of their own."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from scripts.demo_circle.places import ROOT
from scripts.demo_circle.processes import DemoError


def preannotate(project: int, environment: Mapping[str, str], *, quiet: bool = False) -> str:
    """Run scripts.preannotate; its progress goes to the terminal, unless `quiet` returns it."""
    return _run(["scripts.preannotate", "--project", str(project)], environment, quiet=quiet)


def export(project: int, folder: Path, environment: Mapping[str, str]) -> Path:
    """Run scripts.export; returns the path of the file it wrote."""
    _run(["scripts.export", "--project", str(project), "--out", str(folder)], environment, quiet=True)
    return folder / "instances.json"


def _run(module_and_options: list[str], environment: Mapping[str, str], *, quiet: bool) -> str:
    """Run `python -m …`; raises DemoError with what it said when it fails."""
    sink = subprocess.PIPE if quiet else None
    argv = [sys.executable, "-m", *module_and_options]
    done = subprocess.run(argv, env=dict(environment), cwd=ROOT, stdout=sink, stderr=sink, text=True, check=False)
    if done.returncode != 0:
        said = f"{done.stdout or ''}{done.stderr or ''}".strip()
        raise DemoError(
            f"python -m {' '.join(module_and_options)} ended with status {done.returncode}. {said}".strip(),
            remedy="Mend what it says and start the demo again; it goes on where it stopped.",
        )
    return f"{done.stdout or ''}"
