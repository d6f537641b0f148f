"""Fallbacks for a device that runs out of memory: smaller batches, then the CPU. The result stays the same.

Where the CPU runs out of memory too, the error says so and names a smaller model. It is not chained: the error of torch
or the operating system, which is logged, keeps the tensors of its frames alive.
"""

from __future__ import annotations

import copy
import logging
import threading
from collections.abc import Callable, Sequence
from typing import Generic, NoReturn, TypeVar

import torch

from backend.models.smaller import out_of_memory

log = logging.getLogger(__name__)

ModelT = TypeVar("ModelT", bound=torch.nn.Module)
T = TypeVar("T")


class DeviceModel(Generic[ModelT]):
    """A model on one device, with a copy on the CPU for work that does not fit into the device's memory.

    Args:
        model: Model with its weights; it is moved to the device and never trained.
        device: Device that it runs on.
        name: Name of the model in the registry, for the log and for errors.

    Raises:
        OutOfMemory: The weights do not fit into the device's memory.
    """

    def __init__(self, model: ModelT, device: torch.device, name: str) -> None:
        self.device, self._name = device, name
        moved = explain_out_of_memory(name, _describe(device), "its weights", lambda: model.to(device))
        self.model: ModelT = moved.eval().requires_grad_(False)
        self._on_cpu: ModelT | None = None
        self._lock = threading.Lock()

    def run(self, *variants: tuple[str, Callable[[ModelT], T]]) -> T:
        """Run the first variant of some work that fits into memory: each on the device, then the last one on the CPU.

        Args:
            variants: What needs the memory, for the log, and the work itself; the one that needs the most comes first.

        Raises:
            Whatever the work raises; `OutOfMemory` if the CPU runs out of memory too.
        """
        subject, work = variants[-1]
        if self.device.type == "cpu":
            return self._run_first_fitting(variants, lambda: self._give_up(subject), "giving up")

        def on_cpu() -> T:
            places = f"{self.device} and on the CPU"
            return explain_out_of_memory(self._name, places, subject, lambda: work(self._cpu_copy()))

        return self._run_first_fitting(variants, on_cpu, "falling back to the CPU")

    def run_batch(self, batch: torch.Tensor, work: Callable[[ModelT, torch.Tensor], torch.Tensor]) -> torch.Tensor:
        """Run some work on a batch (B, …); halve it while it does not fit, and run a single item on the CPU."""
        whole = f"a batch of {len(batch)}", lambda model: work(model, batch)
        if len(batch) < 2:
            return self.run(whole)

        def in_halves() -> torch.Tensor:
            return torch.cat([self.run_batch(half, work) for half in batch.chunk(2)])

        return self._run_first_fitting([whole], in_halves, "splitting the batch in half")

    def _run_first_fitting(
        self, variants: Sequence[tuple[str, Callable[[ModelT], T]]], fallback: Callable[[], T], fallback_name: str
    ) -> T:
        for number, (subject, work) in enumerate(variants, 1):
            try:
                return work(self.model)
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error):
                    raise
                next_step = fallback_name if number == len(variants) else "retrying with a smaller batch"
                message = "%s ran out of memory on %s with %s (%s); %s."
                log.warning(message, self._name, self.device, subject, str(error), next_step)
            free_memory(self.device)  # outside the except block, where the error keeps the tensors of its frames alive
        return fallback()

    def _give_up(self, subject: str) -> NoReturn:
        raise out_of_memory(self._name, _describe(self.device), subject)

    def _cpu_copy(self) -> ModelT:
        with self._lock:
            if self._on_cpu is None:
                self._on_cpu = copy.deepcopy(self.model).to("cpu").float()
            return self._on_cpu


def explain_out_of_memory(name: str, places: str, subject: str, work: Callable[[], T]) -> T:
    """Run some work that has no fallback; raises `OutOfMemory` if it needs too much memory. See `smaller`."""
    try:
        return work()
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        log.warning("%s ran out of memory on %s with %s (%s).", name, places, subject, str(error))
    raise out_of_memory(name, places, subject)


def _describe(device: torch.device) -> str:
    return "the CPU" if device.type == "cpu" else str(device)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether torch or the operating system ran out of memory, on any device."""
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or "not enough memory" in str(error)


def free_memory(device: torch.device) -> None:
    """Return torch's cached blocks to the device."""
    if device.type == "cuda":
        torch.cuda.empty_cache()
