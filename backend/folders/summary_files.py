"""The files about all images, from the records of those that are done: predictions, COCO, statistics, failures."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from backend.bulk import list_reasons
from backend.errors import shorten
from backend.export import (
    DataSet,
    LabeledImage,
    LabelStatistics,
    encode_rows,
    write_bytes,
    write_coco,
    write_json_list,
)
from backend.folders.image_files import FolderImage
from backend.folders.image_outputs import CUTOUTS, OVERLAYS, SEGMENTS, build_label_config, region_from_json
from backend.folders.run_record import FolderRecord
from backend.values import Size

Json = dict[str, Any]
PREDICTIONS, COCO, STATISTICS, FAILURES = "predictions.json", "instances.json", "statistics.csv", "failures.csv"
LABEL_CONFIG = "label_config.xml"
WRITTEN = (SEGMENTS, OVERLAYS, CUTOUTS, "predictions*.json", COCO, STATISTICS, FAILURES, LABEL_CONFIG)
MAX_PREDICTIONS_BYTES = 100_000_000  # of a file; Label Studio takes requests of up to 250 MiB
MAX_LABELS_SHOWN = 12


@dataclass
class FolderSummary:
    """What an output folder has after a run.

    Attributes:
        images: Done, in this run and before.
        skipped: Of them, done before.
        counts: Segments by label.
        without_object: Images in which nothing was found to cut out.
        same: Pairs of images with the same content, by name; the first of each image.
        failures: Name and reason of each image that failed.
        predictions: Names of the files for Label Studio.
    """

    images: int = 0
    skipped: int = 0
    counts: dict[str, int] = field(default_factory=dict)
    without_object: int = 0
    same: list[tuple[str, str]] = field(default_factory=list)
    failures: list[tuple[str, str]] = field(default_factory=list)
    predictions: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        by_count = sorted((item for item in self.counts.items() if item[1]), key=lambda item: -item[1])
        shown = ", ".join(f"{label} {count}" for label, count in by_count[:MAX_LABELS_SHOWN])
        more = f", … {len(by_count) - MAX_LABELS_SHOWN} more labels" if len(by_count) > MAX_LABELS_SHOWN else ""
        segments = f", {sum(self.counts.values())} segments" + (f" ({shown}{more})" if shown else "")
        before = f" ({self.skipped} of them before)" if self.skipped else ""
        lines = [f"{self.images} images done{before}{segments if self.counts else ''}, {len(self.failures)} failed"]
        if self.without_object:
            lines.append(f"  found nothing to cut out in {self.without_object} images")
        if self.same:
            first, second = self.same[0]
            example = f"{shorten(second)} and {shorten(first)}"
            lines.append(f"  {len(self.same)} images have the same content as an earlier one, for example {example}")
        return "\n".join([*lines, *list_reasons([reason for _, reason in self.failures], indent="  ")])


def write_summary(
    record: FolderRecord,
    images: Sequence[FolderImage],
    labels: Sequence[str],
    *,
    cuts_out: bool,
    failures: Iterable[tuple[str, str]] = (),
) -> FolderSummary:
    """Write the files about all images that are done, one image in memory at a time.

    Args:
        labels: All labels; empty if only cut-outs were made, which these files are not about.
        cuts_out: Whether cut-outs were asked for.

    Raises:
        ExportError: A file cannot be written.
    """
    folder, summary = record.folder, FolderSummary(failures=sorted(failures))
    failed = {name for name, _ in summary.failures}
    images = [image for image in images if image.name not in failed]  # one may be done, but have changed since
    statistics, first_of = LabelStatistics(labels), dict[str, str]()
    for image, document in record.read_done(images):
        summary.images += 1
        summary.without_object += cuts_out and not document["has_cutout"]
        statistics.add_image([(one["label"], one["area"], one["score"]) for one in document["segments"]])
        if first_of.setdefault(document["digest"], image.name) != image.name:
            summary.same.append((first_of[document["digest"]], image.name))
    if labels:
        summary.counts = {label: of.count for label, of in statistics.counts.items()}
        write_bytes(folder / STATISTICS, statistics.encode_csv())
        write_bytes(folder / LABEL_CONFIG, build_label_config(labels).encode())
        data_set = DataSet("Made by scripts.label_folder", tuple(dict.fromkeys(labels)))
        write_coco(folder / COCO, _read_images(record, images), data_set)
        tasks = (document["task"] for _, document in record.read_done(images))
        written = write_json_list(folder / PREDICTIONS, tasks, MAX_PREDICTIONS_BYTES)
        summary.predictions = [path.name for path in written]
    if summary.failures:
        write_bytes(folder / FAILURES, encode_rows(("image", "reason"), summary.failures))
    else:
        (folder / FAILURES).unlink(missing_ok=True)
    return summary


def _read_images(record: FolderRecord, images: Sequence[FolderImage]) -> Iterator[LabeledImage]:
    for number, (image, document) in enumerate(record.read_done(images), start=1):
        size = Size(*document["size"])
        regions = tuple(region_from_json(one, size) for one in document["segments"])
        uri = document["task"]["data"]["image"]
        yield LabeledImage(image.name, size, number, None, regions, image_uri=uri, image_id=number)
