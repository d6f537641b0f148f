"""What happens when a device has no memory left: less at once, then the CPU. It costs time and not the answer."""

from __future__ import annotations

import copy
import logging
import threading
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

import torch

log = logging.getLogger(__name__)

ModelT = TypeVar("ModelT", bound=torch.nn.Module)
T = TypeVar("T")


class DeviceModel(Generic[ModelT]):
    """A model on one device, with a copy on the CPU for work that the device has no memory for.

    Args:
        model: With its weights; it is moved to the device and never trained.
        device: Where it runs.
        name: What the log calls it.
    """

    def __init__(self, model: ModelT, device: torch.device, name: str) -> None:
        self.model: ModelT = model.eval().requires_grad_(False).to(device)
        self.device = device
        self._name = name
        self._on_cpu: ModelT | None = None
        self._lock = threading.Lock()

    def run(self, *ways: tuple[str, Callable[[ModelT], T]]) -> T:
        """Do some work in the first way that fits into memory: each on the device, then the last one on the CPU.

        Args:
            ways: What takes the memory, for the log, and the work itself; the way that takes most comes first.

        Raises:
            Whatever the work raises; a lack of memory only where the CPU lacks it too.
        """
        work = ways[-1][1]
        on_cpu = None if self.device.type == "cpu" else lambda: work(self._cpu_copy())
        return self._first_that_fits(ways, on_cpu, "answers on the CPU")

    def run_batch(self, batch: torch.Tensor, work: Callable[[ModelT, torch.Tensor], torch.Tensor]) -> torch.Tensor:
        """Do some work on a batch (B, …), in halves where it does not fit; what does not fit alone goes to the CPU."""
        whole = f"a batch of {len(batch)}", lambda model: work(model, batch)
        if len(batch) < 2:
            return self.run(whole)

        def in_halves() -> torch.Tensor:
            return torch.cat([self.run_batch(half, work) for half in batch.chunk(2)])

        return self._first_that_fits([whole], in_halves, "takes it in halves")

    def _first_that_fits(
        self, ways: Sequence[tuple[str, Callable[[ModelT], T]]], last_resort: Callable[[], T] | None, then: str
    ) -> T:
        for number, (needs, work) in enumerate(ways, 1):
            is_last = number == len(ways)
            try:
                return work(self.model)
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error) or (is_last and last_resort is None):
                    raise
                follows = then if is_last else "tries with less"
                message = "%s is out of memory: no memory for %s (%s). %s %s."
                log.warning(message, self.device, needs, error, self._name, follows)
            free_memory(self.device)  # only here: until it is dropped, the error keeps the tensors of its frames
        assert last_resort is not None
        return last_resort()

    def _cpu_copy(self) -> ModelT:
        with self._lock:
            if self._on_cpu is None:
                self._on_cpu = copy.deepcopy(self.model).to("cpu").float()
            return self._on_cpu


def is_out_of_memory(error: BaseException) -> bool:
    """Whether torch or the system ran out of memory, on whichever device."""
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or "not enough memory" in str(error)


def free_memory(device: torch.device) -> None:
    """Give cached blocks back to the device."""
    if device.type == "cuda":
        torch.cuda.empty_cache()
