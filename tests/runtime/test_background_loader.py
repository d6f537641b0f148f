"""Loading in the background."""

from __future__ import annotations

import pytest

from backend.errors import CheckpointError
from backend.runtime import BackgroundLoader


def test_an_error_that_is_raised_again_and_again_does_not_collect_tracebacks() -> None:
    def fail():
        raise CheckpointError("sam.pth is damaged.", remedy="Fetch it again.")

    loader = BackgroundLoader(fail).start()
    depths = []
    for _ in range(20):
        with pytest.raises(CheckpointError) as caught:
            loader.get(10)
        depths.append(len(caught.traceback))
    assert len(set(depths[1:])) == 1
