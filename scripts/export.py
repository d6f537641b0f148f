"""Export annotations as COCO.

    python -m scripts.export --project 1 --out exports/birds --url http://localhost:8080 --api-key TOKEN

writes exports/birds/instances.json: COCO instances, every region with its exact mask. Painted regions (brush, bitmask)
are exported pixel by pixel, drawn ones (polygon, rectangle, ellipse, rotated or not) as the pixels whose centre lies
inside. Each image's `coco_url` is the image's address exactly as in the task's data; Label Studio's own begin with
/data/ and are relative to its address. `file_name` is the last part of it, with the task's id where two would be equal,
so that it is unique in the file.

Of a task with several annotations one is exported: the ground truth if one is marked, otherwise the one that was
changed last. Skipped ("cancelled") annotations do not count. Of a region with several labels, usually a mistake, the
first label is exported. The summary counts both.

An annotated task without masks is exported as a negative. A task without an annotation is skipped, unless
--include-unannotated makes it a negative too. Prompts that were never accepted are not masks; the summary counts them.
A region without a label, or whose mask or shape is missing or broken, fails its task by name, because a missing object
would teach a model that it is background; --skip-bad-regions skips and names only the region. Exit status: 0, or 1 if a
task could not be exported (the others are).
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from backend.bulk import Collected, FetchSize, category_names, collect, list_reasons
from backend.errors import shorten
from backend.export import LabeledImage, build_coco, count_empty, write_json
from backend.fetching import ImageFetcher
from backend.images import SourceImage
from backend.label_studio.config import parse_labeling_config
from backend.label_studio.requests import TaskImage
from backend.settings import Settings
from backend.values import Size
from scripts.console import add_connection_options, read_settings, run_command, show_progress


def summarize(collected: Collected, path: Path) -> str:
    """Summarize what was written and what was skipped."""
    regions = sum(len(image.regions) for image in collected.images)
    empty = count_empty(collected.images)
    negatives = sum(not image.regions for image in collected.images)
    lines = [
        f"{path}: {len(collected.images)} images ({negatives} negatives), {regions - empty} masks; "
        f"{collected.unannotated} tasks not annotated, {len(collected.failures)} failed",
        *_describe_several_labels(collected.images),
    ]
    if collected.several:
        rule = "exported the ground truth if marked, otherwise the newest"
        lines.append(f"  {collected.several} tasks had several annotations; {rule}")
    if empty:
        lines.append(f"  skipped {empty} empty regions")
    if collected.left_out:
        counts = ", ".join(f"{count} {kind}" for kind, count in sorted(collected.left_out.items()))
        lines.append(f"  skipped because they are not masks: {counts} (prompts that were not accepted)")
    if collected.skipped:
        lines.append(f"  skipped because they cannot be exported: {len(collected.skipped)} regions")
        lines += list_reasons(collected.skipped, indent="    ")
    if collected.failures:
        count = len(collected.failures)
        lines.append(f"  {count} tasks could not be exported; the file has all others; exit status 1")
        lines += list_reasons(collected.failures, indent="    ")
    return "\n".join(lines)


def _describe_several_labels(images: Sequence[LabeledImage]) -> list[str]:
    """Count the regions with several labels, with one example to check: they are usually mistakes."""
    ambiguous = [(image, region) for image in images for region in image.regions if region.area and region.other_labels]
    if not ambiguous:
        return []
    image, region = ambiguous[0]
    labels = shorten(", ".join(map(repr, (region.label, *region.other_labels))))
    example = f'region "{shorten(region.region_id)}" of task {image.task_id} with {labels}'
    return [f"  {len(ambiguous)} regions have several labels and were exported with the first; for example {example}"]


def build_parser() -> argparse.ArgumentParser:
    """Build the command's option parser."""
    parser = argparse.ArgumentParser(
        prog="python -m scripts.export",
        description="Export annotated masks as COCO. Of a task with several annotations one is exported: the ground "
        "truth if one is marked, otherwise the newest (changed last).",
    )
    add_connection_options(parser)
    parser.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help="folder for instances.json; created if missing"
    )
    parser.add_argument("--format", choices=["coco"], default="coco", help="file format (default: coco)")
    parser.add_argument(
        "--include-unannotated", action="store_true", help="export tasks without an annotation as negatives"
    )
    parser.add_argument(
        "--skip-bad-regions",
        action="store_true",
        help="skip and name regions without a label or a readable shape, instead of failing their task; "
        "a model then learns that these objects are background",
    )
    return parser


def run(arguments: argparse.Namespace) -> int:
    """Connect, read, write, and print a summary."""
    from backend.label_studio.api import LabelStudioClient
    from backend.wiring import build_limits

    settings = read_settings(arguments.url, arguments.api_key)
    client = LabelStudioClient(settings.label_studio_url, settings.label_studio_api_key)
    project_id = str(arguments.project)
    config = parse_labeling_config(client.project(project_id).label_config, build_limits(settings).config)
    tasks = show_progress(client.iterate_tasks(project_id), "reading")
    collected = collect(
        tasks,
        config,
        build_fetch_size(settings),
        include_unannotated=arguments.include_unannotated,
        skip_bad_regions=arguments.skip_bad_regions,
    )
    path = arguments.out / "instances.json"
    write_json(path, build_coco(collected.images, category_names(config)))
    print(summarize(collected, path))
    return 1 if collected.failures else 0


def build_fetch_size(settings: Settings) -> FetchSize:
    """Build a function that fetches a task's image and returns its upright size, with the limits of the settings."""
    fetcher = ImageFetcher(
        settings.label_studio_url,
        settings.label_studio_api_key,
        settings.image_allowed_hosts,
        settings.image_max_bytes,
        settings.image_timeout_seconds,
        cache_bytes=0,
        allowed_networks=settings.image_allowed_networks,
    )

    def fetch_size(image: TaskImage) -> Size:
        content = fetcher.fetch(image.uri, image.task_id, image.project_id)
        return SourceImage(content, image.uri, settings.image_max_pixels, settings.image_max_scans).size

    return fetch_size


def main(argv: Sequence[str] | None = None) -> int:
    """Parse the options and run; return the exit status."""
    arguments = build_parser().parse_args(argv)
    return run_command(lambda: run(arguments))


if __name__ == "__main__":
    sys.exit(main())
