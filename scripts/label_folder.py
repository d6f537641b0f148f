"""Segment and label image files, without Label Studio: automatic masks by SAM, classes by CLIP.

    python -m scripts.label_folder photos --out labeled --labels car,bus,person
    python -m scripts.label_folder photos --out red-cars --text "the red car"           only what the text names
    python -m scripts.label_folder photo.jpg --out cut --background remove --point 320,200

It can be interrupted and started again with the same options, and continues where it stopped. Exit status: 0 if every
image is done, 1 if some failed (failures.csv has the reasons), 130 if it was interrupted.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

from backend.bulk import Clock, Progress, StopFlag, describe_mask_time, measure_mask_time
from backend.engine import EncodedImage
from backend.errors import BackendError, BadSettings, shorten
from backend.folders import (
    STAGE_NAMES,
    WRITTEN,
    CutoutRequest,
    FolderImage,
    FolderRecord,
    FolderWork,
    ImageLimits,
    Layout,
    OutputWriter,
    Vocabulary,
    build_vocabulary,
    check_vocabulary,
    choose_root,
    describe_failure,
    find_image_files,
    name_images,
    parse_background,
    process_images,
    read_labels_file,
    require_labels,
    split_labels,
    write_summary,
)
from backend.label_studio.requests import FindText
from backend.settings import Settings
from backend.values import ProposalOptions
from scripts.console import run_and_leave, run_command
from scripts.labeling_folder.options import build_parser
from scripts.live_display import show_progress_of
from scripts.preannotating.masks import override
from scripts.preannotating.running import limit_caches
from scripts.preannotating.stopping import StopSignals
from scripts.preannotating.text_options import check_detector
from scripts.preannotating.time_estimate import choose_cpu_clock


def read_vocabulary(arguments: argparse.Namespace, max_labels: int) -> Vocabulary:
    """Read the labels and texts; prints what a person should know about them."""
    labels = split_labels(arguments.labels or "")
    if arguments.labels_file is not None:
        labels = read_labels_file(arguments.labels_file)
    vocabulary, remarks = build_vocabulary(labels, arguments.text, split_labels(arguments.keep), max_labels)
    named = arguments.labels is not None or arguments.labels_file is not None
    if named or arguments.background is None:
        require_labels(vocabulary)
    for remark in remarks:
        print(remark, flush=True)
    return vocabulary


def read_cutout(arguments: argparse.Namespace, max_pixels: int) -> CutoutRequest | None:
    """Read what is cut out; None if nothing is.

    Raises:
        BadSettings, BadImage: The background is invalid, or an object is named without a background.
    """
    if arguments.background is None:
        if arguments.point or arguments.box:
            raise BadSettings(
                "--point and --box say what is cut out, but there is no --background.",
                remedy="Add --background remove, or a colour or an image.",
            )
        return None
    background = parse_background(arguments.background, max_pixels)
    points = tuple(arguments.point)
    return CutoutRequest(background, points, arguments.box, bool(arguments.text), arguments.soft_edges)


def choose_options(default: ProposalOptions, arguments: argparse.Namespace) -> ProposalOptions:
    """Return the checkpoint's parameters of automatic masks with the given ones replaced."""
    options = override(default, arguments)
    return replace(options, background_words=tuple(dict.fromkeys(split_labels(arguments.background_words))))


def collect_settings(
    arguments: argparse.Namespace, vocabulary: Vocabulary, options: ProposalOptions, models: str, layout: Layout
) -> dict[str, Any]:
    """Collect everything that affects the results; a run with other values does not continue this one."""
    return {
        "labels": [label.name for label in vocabulary.labels],
        "texts": vocabulary.texts,
        "keep": vocabulary.keep,
        **asdict(options),
        "models": models,
        "by_label": layout.by_label,
        "image_url": layout.url_prefix,
        "background": arguments.background,
        "points": arguments.point,
        "box": arguments.box,
        "soft_edges": arguments.soft_edges,
    }


def build_layout(arguments: argparse.Namespace, root: Path, models: str, settings: Sequence[object]) -> Layout:
    """Build the layout; the model version names the models and a digest of everything else that affects predictions."""
    prefix = arguments.image_url or f"/data/local-files/?d={quote(root.name + '/' if root.name else '')}"
    digest = hashlib.sha256(json.dumps(settings).encode()).hexdigest()
    return Layout(arguments.by_label, prefix, f"{models}-folder-{digest[:8]}")


def print_time_estimate(pending: Sequence[FolderImage], work: FolderWork, cpu_clock: Clock | None) -> None:
    """Measure the first image and print how long the masks of all will take, or why that is not known.

    Args:
        cpu_clock: As of `choose_cpu_clock`.
    """
    if not pending or not work.makes_all_masks:
        return
    try:
        source = work.open(pending[0]).source
    except BackendError as error:
        print(f"The time is not estimated. {shorten(str(error))}", flush=True)
        return
    encoded: list[EncodedImage] = []
    measured = measure_mask_time(
        lambda: encoded.append(work.encode(source)),
        lambda options: work.labeler.propose(encoded[-1], options),
        work.options,
        cpu_clock=cpu_clock,
    )
    print(describe_mask_time(measured, len(pending), "image"), flush=True)


def label_images(
    images: Sequence[FolderImage],
    record: FolderRecord,
    work: FolderWork,
    writer: OutputWriter,
    stop: StopFlag,
    cpu_clock: Clock | None,
) -> tuple[int, list[tuple[str, str]]]:
    """Process the images that are not done; returns how many were, and the failures by name with their reason."""
    pending = [image for image in images if not record.is_done(image)]
    print_time_estimate(pending, work, cpu_clock)
    failures: list[tuple[str, str]] = []

    def report(image: FolderImage, error: Exception | None) -> None:
        if error is not None:
            failures.append((image.name, describe_failure(image, error)))

    if pending:
        progress = Progress(STAGE_NAMES, total=len(pending))
        with show_progress_of(progress, "labeling"):
            process_images(pending, work, writer, report, stop=stop, progress=progress)
    return len(images) - len(pending), failures


def run(arguments: argparse.Namespace) -> int:
    """Find the images, load the models, label, and print a summary."""
    from backend.wiring import build_predictor

    settings = Settings.from_environment()
    vocabulary = read_vocabulary(arguments, settings.max_classes)
    cutout = read_cutout(arguments, settings.image_max_pixels)
    record = FolderRecord(arguments.out.absolute())
    earlier = None if arguments.start_over and record.is_ours else record.read_settings()
    files = find_image_files(arguments.images, record.folder)
    root = choose_root(files, arguments.root or (Path(earlier["root"]) if earlier and "root" in earlier else None))
    images = name_images(files, root)
    print(f"{len(images)} images in {shorten(root)}: loading the models …", flush=True)
    predictor = build_predictor(limit_caches(settings))
    options = choose_options(predictor.default_proposal(), arguments)
    models = predictor.version_for(FindText(vocabulary.texts)) if vocabulary.texts else predictor.model_version
    if vocabulary.texts:
        check_detector(settings.detector, predictor.labeler)
    check_vocabulary(vocabulary, options.background_words, predictor.labeler)
    layout = build_layout(arguments, root, models, [vocabulary.names, vocabulary.texts, asdict(options)])
    limits = ImageLimits(settings.image_max_bytes, settings.image_max_pixels, settings.image_max_scans)
    work = FolderWork(predictor.encode, predictor.labeler, limits, vocabulary, options, cutout)
    with record.locked(), StopSignals("the images under way are finished") as signals:
        if arguments.start_over:
            record.delete_results(WRITTEN)
        record.begin_run({"root": str(root), **collect_settings(arguments, vocabulary, options, models, layout)})
        pictures = (cutout.background, cutout.soft_edges) if cutout else ()
        writer = OutputWriter(record, vocabulary.names, layout, *pictures)
        skipped, failures = label_images(images, record, work, writer, signals.flag, choose_cpu_clock(settings))
        if signals.number:
            print("interrupted; completed work is kept, run the same command to continue", file=sys.stderr)
            return signals.exit_status
        summary = write_summary(record, images, vocabulary.names, cuts_out=cutout is not None, failures=failures)
    summary.skipped = skipped
    print(f"{arguments.out}: {summary}", flush=True)
    if summary.predictions and arguments.image_url is None:
        print(describe_import(root, arguments.out, summary.predictions), flush=True)
    return 1 if failures else 0


def describe_import(root: Path, out: Path, predictions: Sequence[str]) -> str:
    """Describe how the results get into Label Studio."""
    return (
        f"To review it in Label Studio: start it with LABEL_STUDIO_LOCAL_FILES_SERVING_ENABLED=true and "
        f"LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT={root.parent}, create a project with {out}/label_config.xml, add a "
        f"local storage with the path {root}, and import {', '.join(f'{out}/{name}' for name in predictions)}."
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Parse the options and run; return the exit status."""
    arguments = build_parser().parse_args(argv)
    return run_command(lambda: run(arguments))


if __name__ == "__main__":
    run_and_leave(main)
