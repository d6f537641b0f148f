"""Export what people annotated.

    python -m scripts.export --project 1 --out exports/birds --url http://localhost:8080 --api-key TOKEN

writes exports/birds/instances.json: COCO instances, every region with its exact mask: what was painted (brush,
bitmask) pixel by pixel, what was drawn (polygon, rectangle, ellipse, turned or not) as the pixels whose middle lies in
it. Each image's `coco_url` is the address of the picture exactly as the task's data has it; Label Studio's own begin
with /data/ and continue its address. `file_name` is the last part of it, with the task's number where two would be the
same: a name to save the picture under that no other image of the file has.

Of a task with several annotations one is exported: the ground truth if one is marked so, otherwise the newest, which is
the one that was changed last. Skipped ("cancelled") ones do not count. Of a region with several labels, as happens by
accident, the first is exported. How many there were of both is said at the end.

A task that was annotated and has no masks is a negative and kept; one that nobody has annotated says nothing and is
left out, unless --include-unannotated calls it a negative too. Prompts that were never accepted are no masks; how many
were left out is said at the end. A region without a label, or whose mask or shape is missing or broken, fails its task
by name, for an image that lacks an object teaches a model that it is background; --skip-bad-regions leaves out the
region only, and names it. Exit status: 0, or 1 when a task could not be exported (the others are).
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from backend.bulk import Collected, FetchSize, category_names, collect
from backend.errors import shorten
from backend.export import LabeledImage, build_coco, count_empty, write_json
from backend.fetching import ImageFetcher
from backend.images import SourceImage
from backend.label_studio.config import parse_labeling_config
from backend.label_studio.requests import TaskImage
from backend.settings import Settings
from backend.values import Size
from scripts.console import add_connection_options, read_settings, run_command, show_progress

REASONS_SHOWN = 20


def summarize(collected: Collected, path: Path) -> str:
    """What was written, and what was not."""
    regions = sum(len(image.regions) for image in collected.images)
    empty = count_empty(collected.images)
    negatives = sum(not image.regions for image in collected.images)
    lines = [
        f"{path}: {len(collected.images)} images ({negatives} negatives), {regions - empty} masks; "
        f"{collected.unannotated} tasks not annotated, {len(collected.failures)} failed",
        *_describe_several_labels(collected.images),
    ]
    if collected.several:
        taken = "of each the ground truth was taken, otherwise the newest"
        lines.append(f"  {collected.several} tasks had several annotations; {taken}")
    if empty:
        lines.append(f"  {empty} regions without a single pixel were left out")
    if collected.left_out:
        counts = ", ".join(f"{count} {kind}" for kind, count in sorted(collected.left_out.items()))
        lines.append(f"  left out, for they are no masks: {counts} (prompts that were not accepted)")
    if collected.skipped:
        lines.append(f"  left out of their images, for they cannot be exported: {len(collected.skipped)} regions")
        lines += _list_some(collected.skipped)
    if collected.failures:
        count = len(collected.failures)
        lines.append(f"  {count} tasks could not be exported; all the others are in the file. The exit status is 1")
        lines += _list_some(collected.failures)
    return "\n".join(lines)


def _describe_several_labels(images: Sequence[LabeledImage]) -> list[str]:
    """A line with one example, for a region with two labels is as a rule a slip that somebody should look at."""
    found = [(image, region) for image in images for region in image.regions if region.area and region.other_labels]
    if not found:
        return []
    image, region = found[0]
    labels = shorten(", ".join(map(repr, (region.label, *region.other_labels))))
    example = f'region "{shorten(region.region_id)}" of task {image.task_id} with {labels}'
    return [f"  {len(found)} regions have several labels and were exported with the first; for example {example}"]


def _list_some(reasons: Sequence[str]) -> list[str]:
    lines = [f"    {reason}" for reason in reasons[:REASONS_SHOWN]]
    return [*lines, f"    … and {len(reasons) - REASONS_SHOWN} more"] if len(reasons) > REASONS_SHOWN else lines


def build_parser() -> argparse.ArgumentParser:
    """The command's options."""
    parser = argparse.ArgumentParser(
        prog="python -m scripts.export",
        description="Export the masks that people annotated. Of a task with several annotations one is exported: the "
        "ground truth if one is marked so, otherwise the newest (changed last).",
    )
    add_connection_options(parser)
    parser.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help="folder for instances.json; made if missing"
    )
    parser.add_argument("--format", choices=["coco"], default="coco", help="of the file (default: coco)")
    parser.add_argument(
        "--include-unannotated", action="store_true", help="keep tasks that nobody has annotated, as negatives"
    )
    parser.add_argument(
        "--skip-bad-regions",
        action="store_true",
        help="leave out regions without a label or a readable shape, and name them, instead of failing their task; "
        "a model then learns that what they show is background",
    )
    return parser


def run(arguments: argparse.Namespace) -> int:
    """Connect, read, write, and say what was written."""
    from backend.label_studio.api import LabelStudioClient

    settings = read_settings(arguments.url, arguments.api_key)
    client = LabelStudioClient(settings.label_studio_url, settings.label_studio_api_key)
    project_id = str(arguments.project)
    config = parse_labeling_config(client.project(project_id).label_config)
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
    """A function that fetches a task's image and measures it upright, with the limits of the settings."""
    fetcher = ImageFetcher(
        settings.label_studio_url,
        settings.label_studio_api_key,
        settings.image_allowed_hosts,
        settings.image_max_bytes,
        settings.image_timeout_seconds,
        cache_bytes=0,
    )

    def fetch_size(image: TaskImage) -> Size:
        content = fetcher.fetch(image.uri, image.task_id, image.project_id)
        return SourceImage(content, image.uri, settings.image_max_pixels).size

    return fetch_size


def main(argv: Sequence[str] | None = None) -> int:
    """Parse the options and run; returns the exit status."""
    arguments = build_parser().parse_args(argv)
    return run_command(lambda: run(arguments))


if __name__ == "__main__":
    sys.exit(main())
