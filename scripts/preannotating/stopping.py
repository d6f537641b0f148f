"""What SIGINT and SIGTERM do to a run: the first one lets it finish what is under way, the second ends it at once."""

from __future__ import annotations

import os
import signal
import sys
from types import FrameType

from backend.bulk import StopFlag

SIGNALS = (signal.SIGINT, signal.SIGTERM)
STOPPING = "what is under way is finished and imported"


class StopSignals:
    """Context manager that sets `flag` on the first signal, and raises KeyboardInterrupt on the second.

    Args:
        consequence: What the first one means, for the person who sent it.

    Attributes:
        number: The signal; 0 before there was any.
    """

    def __init__(self, consequence: str = STOPPING) -> None:
        self._said = f"\nstopping: {consequence}; press Ctrl-C again to end at once\n".encode()
        self.flag = StopFlag()
        self.number = 0

    def __enter__(self) -> StopSignals:
        self._before = {number: signal.signal(number, self._receive) for number in SIGNALS}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    @property
    def exit_status(self) -> int:
        """The status of a process that ended because of the signal, as shells report it."""
        return 128 + self.number

    def _receive(self, number: int, frame: FrameType | None) -> None:
        if self.number:
            raise KeyboardInterrupt
        self.number = number
        self.flag.set()
        os.write(sys.stderr.fileno(), self._said)  # print is not safe in a signal handler
