"""The whole circle, as `make demo` would show it."""

from __future__ import annotations

import subprocess
import sys

import pytest

from scripts.demo_circle.places import ROOT


@pytest.mark.timeout(1200)
@pytest.mark.usefixtures("label_studio")
def test_clicks_become_masks_and_classes_and_leave_as_coco() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "scripts.demo", "--check"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=1180,
        check=False,
    )
    said = done.stdout + done.stderr
    print(said)
    assert done.returncode == 0, said
    assert "PASSED" in said
