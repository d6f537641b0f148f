"""Protocol of what the hall needs of other rooms."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol


class Fetcher(Protocol):
    """What the hall needs of `fetching.ImageFetcher`."""

    def fetch(
        self,
        image_uri: str,
        task_id: int | None,
        project_id: str,
        *,
        prefetch: bool = False,
        wait_seconds: float | None = None,
        check: Callable[[bytes], object] | None = None,
    ) -> bytes: ...
    def forget(self, content: bytes) -> None: ...
