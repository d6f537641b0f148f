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
from typing import TYPE_CHECKING, TypeVar

import numpy as np
from numpy.typing import NDArray

from backend.values import ImageEmbedding, Prompt, Size
from scripts.measuring.place import Picture, make_pictures
from scripts.measuring.timing import Clock, Row, compare

if TYPE_CHECKING:  # torch is imported only in the processes that measure
    from backend.models.entries import SegmenterEntry
    from backend.models.protocols import Segmenter
    from scripts.measuring.library_peers import LibraryPeer

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


@dataclass(frozen=True)
class _Subject:
    """A segmenter after its first click, and what that took.

    Attributes:
        logits: float32 (256, 256), of its best mask.
        peak_mb: As in `FamilyFigures`.
    """

    segmenter: Segmenter
    embedding: ImageEmbedding
    picture: Picture
    logits: NDArray[np.float32]
    peak_mb: float


def _measure(name: str, checkpoint: Path, run: _Run) -> FamilyFigures:
    """Measure a segmenter in this process, which must be new: its memory is compared with that at its start."""
    import torch

    from backend.models.registry import find_segmenter
    from scripts.measuring.library_peers import build_peer

    Clock.chosen = run.clock
    torch.set_num_threads(run.threads or torch.get_num_threads())
    (picture,) = make_pictures(1, run.size)
    entry = find_segmenter(name)
    subject = _load_and_click(entry, checkpoint, picture)
    peer = build_peer(entry, subject.segmenter)
    peer.encode(picture.scene.pixels)
    expected = peer.click(*picture.click)
    return FamilyFigures(
        name=name,
        parameters=_count_parameters(subject.segmenter),
        peak_mb=subject.peak_mb,
        cache_mb=subject.embedding.nbytes / 1e6,
        max_logit=float(np.abs(expected).max()),
        max_difference=float(np.abs(subject.logits - expected).max()),
        rows=_compare_times(f"{name}, random weights", subject, peer, run),
    )


def _load_and_click(entry: SegmenterEntry, checkpoint: Path, picture: Picture) -> _Subject:
    """Load a segmenter, encode the picture and decode a click in it."""
    from backend.models.registry import build_segmenter

    before_mb = reset_peak_mb()
    segmenter = build_segmenter(entry, checkpoint, device="auto", dtype="float32")
    embedding = segmenter.encode(picture.scene.pixels)
    (best,) = segmenter.decode(embedding, Prompt((picture.click,), (1,)), max_masks=1)
    peak_mb = read_peak_mb() - before_mb
    assert best.low_res_logits is not None
    return _Subject(segmenter, embedding, picture, best.low_res_logits[0], peak_mb)


def _count_parameters(segmenter: Segmenter) -> int:
    model = segmenter._sam.model  # type: ignore[attr-defined]
    return sum(parameter.numel() for parameter in model.parameters())


def _compare_times(group: str, subject: _Subject, peer: LibraryPeer, run: _Run) -> tuple[Row, ...]:
    """Compare the times of the encoder and of warm clicks, whose image is encoded, with the library's own calls."""
    segmenter, embedding, picture = subject.segmenter, subject.embedding, subject.picture
    prompt = Prompt((picture.click,), (1,))

    def compare_click(what: str, max_masks: int | None, aim: float | None) -> Row:
        return compare(
            group,
            f"warm click: decode to {what}",
            lambda: segmenter.decode(embedding, prompt, max_masks=max_masks),
            peer.click_name,
            lambda: peer.click(*picture.click),
            repeats=run.clicks,
            aim=aim,
        )

    return (
        compare(
            group,
            "encode an image",
            lambda: segmenter.encode(picture.scene.pixels),
            peer.encode_name,
            lambda: peer.encode(picture.scene.pixels),
            repeats=run.encodes,
        ),
        compare_click("the best mask", 1, CLICK_AIM),
        compare_click("all three masks", None, None),
    )


def reset_peak_mb() -> float:
    """Forget the largest memory that this process has had so far; return what it has now, in 10^6 bytes."""
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    return read_peak_mb()


def read_peak_mb() -> float:
    """Return the largest memory that this process has had since the last reset, in 10^6 bytes."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:")) * 1024 / 1e6
