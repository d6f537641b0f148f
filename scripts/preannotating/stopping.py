"""What SIGINT and SIGTERM do to a run: the first one lets it finish what is under way, the second ends it at once."""

from __future__ import annotations

import os
import signal
import sys
from types import FrameType

from backend.bulk import StopFlag

SIGNALS = (signal.SIGINT, signal.SIGTERM)
STOPPING = "\nstopping: what is under way is finished and imported; press Ctrl-C again to end at once\n"


class StopSignals:
    """Context manager that sets `flag` on the first signal, and raises KeyboardInterrupt on the second.

    Attributes:
        number: The signal; 0 before there was any.
    """

    def __init__(self) -> None:
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
        os.write(sys.stderr.fileno(), STOPPING.encode())  # print is not safe in a signal handler
