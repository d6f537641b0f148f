"""Parts of a project, each for a machine of its own."""

from __future__ import annotations

import argparse
from dataclasses import dataclass


@dataclass(frozen=True)
class Shard:
    """The `index`-th of `count` parts of a project, counted from 1; a task's id decides where it belongs."""

    index: int
    count: int

    def __str__(self) -> str:
        return f"{self.index}/{self.count}"

    def holds(self, task_id: int) -> bool:
        """Return whether a task belongs to this part."""
        return task_id % self.count == self.index - 1


def parse_shard(text: str) -> Shard:
    """Parse an option such as "1/2"."""
    index, slash, count = text.partition("/")
    if not (slash and index.isascii() and index.isdigit() and count.isascii() and count.isdigit()):
        raise argparse.ArgumentTypeError(f"must be a part and a number of parts such as 1/2, got {text}")
    shard = Shard(int(index), int(count))
    if not 1 <= shard.index <= shard.count:
        raise argparse.ArgumentTypeError(f"must be a part from 1 to {shard.count}, got {text}")
    return shard
