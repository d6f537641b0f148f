"""Segmenters of any family at real size with random weights, each in a process of its own.

What is measured goes through the `Segmenter` protocol, so a new entry of the registry needs only its random weights and
its library's own call.
"""

from __future__ import annotations

import multiprocessing
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

from backend.values import Size
from scripts.measuring.timing import Clock, Row, compare

DEFAULT_FAMILIES = ("mobile_sam", "sam2.1_hiera_tiny", "edgetam")
CLICK_AIM = 1.0
FULL_HD = Size(1920, 1080)
T = TypeVar("T")


@dataclass(frozen=True)
class FamilyFigures:
    """What one segmenter takes.

    Attributes:
        name: The value of SAM_MODEL.
        parameters: Number of its parameters.
        peak_mb: Memory at its peak while it is loaded, encodes an image and decodes a click, beyond that of the process
            with torch alone; 10^6 bytes.
        cache_mb: Arrays of one image in the cache, 10^6 bytes.
        max_logit: Largest absolute logit of the library's best mask.
        max_difference: Largest difference of the logits here, through the float16 embedding, from the library's.
        rows: Times.
    """

    name: str
    parameters: int
    peak_mb: float
    cache_mb: float
    max_logit: float
    max_difference: float
    rows: tuple[Row, ...]


def measure_families(
    names: Sequence[str], folder: Path, *, encodes: int, clicks: int, threads: int, size: Size = FULL_HD
) -> list[FamilyFigures]:
    """Measure segmenters one after the other.

    Args:
        names: Values of SAM_MODEL.
        folder: For their weights, each of which is deleted before the next is written.
        encodes, clicks: Repeats of each.
        threads: Torch threads; 0 for torch's own number.
        size: Of the image.

    Raises:
        BadSettings: Unknown name, or a family whose random weights cannot be made.
    """
    run = _Run(encodes, clicks, threads, size, Clock.chosen)
    return [_measure_family(name, folder / name, run) for name in names]


@dataclass(frozen=True)
class _Run:
    """Arguments of `measure_families`, and the clock, which a new process does not know."""

    encodes: int
    clicks: int
    threads: int
    size: Size
    clock: str


def _measure_family(name: str, folder: Path, run: _Run) -> FamilyFigures:
    folder.mkdir()
    try:
        checkpoint = _run_in_process(partial(_write_weights, name, folder))
        return _run_in_process(partial(_measure, name, checkpoint, run))
    finally:
        shutil.rmtree(folder)


def _run_in_process(work: Callable[[], T]) -> T:
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(work)


def _write_weights(name: str, folder: Path) -> Path:
    from backend.models.registry import find_segmenter
    from scripts.measuring.random_weights import write_random_weights

    return write_random_weights(find_segmenter(name), folder)


def _measure(name: str, checkpoint: Path, run: _Run) -> FamilyFigures:
    """Measure a segmenter in this process, which must be new: its memory is compared with that at its start."""
    import numpy as np
    import torch

    from backend.models.registry import build_segmenter, find_segmenter
    from backend.values import Prompt
    from scripts.measuring.library_peers import build_peer
    from scripts.measuring.place import make_pictures

    Clock.chosen = run.clock
    torch.set_num_threads(run.threads or torch.get_num_threads())
    (picture,) = make_pictures(1, run.size)
    pixels, prompt = picture.scene.pixels, Prompt((picture.click,), (1,))

    before_mb, entry = reset_peak_mb(), find_segmenter(name)
    segmenter = build_segmenter(entry, checkpoint, device="cpu", dtype="float32")
    embedding = segmenter.encode(pixels)
    (best,) = segmenter.decode(embedding, prompt, max_masks=1)
    peak_mb = read_peak_mb() - before_mb

    peer = build_peer(entry, segmenter)
    peer.encode(pixels)
    expected = peer.click(*picture.click)
    assert best.low_res_logits is not None
    group = f"{name}, random weights"
    rows = (
        compare(
            group,
            "encode an image",
            lambda: segmenter.encode(pixels),
            peer.encode_name,
            lambda: peer.encode(pixels),
            repeats=run.encodes,
        ),
        compare(
            group,
            "warm click: decode to the best mask",
            lambda: segmenter.decode(embedding, prompt, max_masks=1),
            peer.click_name,
            lambda: peer.click(*picture.click),
            repeats=run.clicks,
            aim=CLICK_AIM,
        ),
        compare(
            group,
            "warm click: decode to all three masks",
            lambda: segmenter.decode(embedding, prompt),
            peer.click_name,
            lambda: peer.click(*picture.click),
            repeats=run.clicks,
        ),
    )
    return FamilyFigures(
        name=name,
        parameters=sum(parameter.numel() for parameter in segmenter._sam.model.parameters()),  # type: ignore[attr-defined]
        peak_mb=peak_mb,
        cache_mb=embedding.nbytes / 1e6,
        max_logit=float(np.abs(expected).max()),
        max_difference=float(np.abs(best.low_res_logits[0] - expected).max()),
        rows=rows,
    )


def reset_peak_mb() -> float:
    """Forget the largest memory that this process has had so far; return what it has now, in 10^6 bytes."""
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    return read_peak_mb()


def read_peak_mb() -> float:
    """Return the largest memory that this process has had since the last reset, in 10^6 bytes."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:")) * 1024 / 1e6
