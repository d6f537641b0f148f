"""Report what people's reviews say about the model.

    python -m scripts.report --project 1 --out reports/birds --url http://localhost:8080 --api-key TOKEN

writes reports/birds/report.html, one page with everything inside, and its figures as CSV files. Each mask that the
model proposed is compared with what a person left of it: accepted untouched, edited, given another class, deleted; and
what was missing. docs/report.md explains the figures.

Every submitted annotation counts, those of several people of one task too; skipped ("cancelled") ones and drafts do
not. Nothing in Label Studio is changed. Regions and tasks that cannot be read are listed in the page, and nothing else
is. Exit status: 0, or 1 if there is nothing to report or it cannot be written.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path

from backend.errors import BadSettings, ExportError
from backend.export import write_bytes
from backend.report import (
    MAX_PICTURES,
    Figures,
    ReviewReader,
    Reviews,
    build_region_link,
    build_tables,
    check_matplotlib,
    compute_figures,
    render_page,
    write_headline,
    write_sentences,
)
from backend.settings import Settings
from scripts.console import positive_int, read_settings, run_command, show_progress
from scripts.control_options import check_controls
from scripts.reporting.pictures import draw_pictures
from scripts.reporting.sources import Source, open_file, open_project
from scripts.waiting import add_give_up_option, build_outages

PAGE = "report.html"
PROBE = ".report-can-be-written"


def build_parser() -> argparse.ArgumentParser:
    """Build the command's option parser."""
    parser = argparse.ArgumentParser(
        prog="python -m scripts.report",
        description="Report how good a model's proposals were, from what people made of them, as one HTML page "
        "and CSV files.",
    )
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--project", type=positive_int, metavar="ID", help="the number in the project's address")
    source.add_argument(
        "--file", type=Path, metavar="JSON", help='an export of Label Studio in the format "JSON", with predictions'
    )
    parser.add_argument("--config", type=Path, metavar="XML", help="the labeling config, only with --file")
    parser.add_argument("--url", metavar="URL", help="of Label Studio (default: LABEL_STUDIO_URL)")
    parser.add_argument(
        "--api-key", metavar="TOKEN", help="a personal access token or a legacy token (default: LABEL_STUDIO_API_KEY)"
    )
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder; created if missing")
    parser.add_argument(
        "--class-from",
        default="",
        metavar="CONTROL",
        help="per-region choices that hold the class (default: the label)",
    )
    parser.add_argument(
        "--keep",
        action="append",
        default=[],
        metavar="CONTROL",
        help="count the boxes of this control, which may be prompts of its smart tool, as work; may be repeated",
    )
    parser.add_argument(
        "--link-url", metavar="URL", help="Label Studio's address in a browser, for the links (default: --url)"
    )
    add_give_up_option(parser)
    parser.add_argument("--no-pictures", action="store_true", help="leave out the pictures of the worst regions")
    return parser


def run(arguments: argparse.Namespace) -> int:
    """Read, compute, write, and print the sentences."""
    check_matplotlib()
    settings = _read_settings(arguments)
    check_folder(arguments.out)
    check_writable(arguments.out)  # before an hour of reading, not after it
    source = _open_source(arguments, settings)
    check_controls({"--keep": arguments.keep}, source.config, source.read_all)
    reviews = ReviewReader(source.config, arguments.class_from, arguments.keep).read(
        show_progress(source.tasks, "reading")
    )
    figures = compute_figures(reviews)
    project_id = str(arguments.project or "")
    candidates = [] if arguments.no_pictures else reviews.worst.pick(MAX_PICTURES)
    pictures = draw_pictures(candidates, source.config, settings, project_id)
    link_url = str(arguments.link_url or (settings.label_studio_url if settings else "")).rstrip("/")

    link_of = partial(build_region_link, link_url, project_id) if link_url and project_id else lambda row: ""
    page = render_page(source.title, reviews, figures, pictures, link_of)
    for name, content in build_tables(figures, reviews).items():
        write_bytes(arguments.out / name, content)
    write_bytes(arguments.out / PAGE, page.encode("utf-8", "replace"))
    print(summarize(figures, reviews, arguments.out / PAGE))
    return 0


def check_folder(folder: Path) -> None:
    """Raise `ExportError` if a folder has files and is no earlier report."""
    if folder.is_dir() and any(folder.iterdir()) and not (folder / PAGE).exists():
        message = f"{folder} has files, but no {PAGE}, so it is not an earlier report."
        raise ExportError(message, remedy="Choose an empty or a new folder with --out.")


def check_writable(folder: Path) -> None:
    """Check that files can be written into a folder; one that does not exist yet is not left behind.

    Raises:
        ExportError: It cannot be created or written.
    """
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    try:
        write_bytes(folder / PROBE, b"")
        (folder / PROBE).unlink(missing_ok=True)
    finally:
        for path in missing:
            with suppress(OSError):  # not created, or not empty any more
                path.rmdir()


def _read_settings(arguments: argparse.Namespace) -> Settings | None:
    """Read the settings; None for a report from a file, which needs no Label Studio."""
    if arguments.link_url and not arguments.link_url.startswith(("http://", "https://")):
        message = f'--link-url must be an http(s) URL, but is "{arguments.link_url}".'
        raise BadSettings(message, remedy="Give Label Studio's address, for example http://localhost:8080.")
    if (arguments.file is None) != (arguments.config is None):
        message = "--file and --config belong together." if arguments.config is None else "--config needs --file."
        raise BadSettings(
            message, remedy="Give the labeling config of the exported project, an XML file, with --config."
        )
    return read_settings(arguments.url, arguments.api_key) if arguments.file is None else None


def _open_source(arguments: argparse.Namespace, settings: Settings | None) -> Source:
    from backend.label_studio.api import LabelStudioClient
    from backend.wiring import build_limits

    if settings is None:
        return open_file(arguments.file, arguments.config, build_limits(Settings.from_environment({})).config)
    client = LabelStudioClient(settings.label_studio_url, settings.label_studio_api_key)
    outages = build_outages(client, arguments.project, arguments)
    return open_project(client, arguments.project, build_limits(settings).config, outages)


def summarize(figures: Figures, reviews: Reviews, path: Path) -> str:
    """Write the page's first screen as text."""
    lines = [write_headline(figures.total), *(one.text for one in write_sentences(figures, reviews))]
    return "\n".join([*lines, f"{path} has the whole report."])


def main(argv: Sequence[str] | None = None) -> int:
    """Parse the options and run; return the exit status."""
    arguments = build_parser().parse_args(argv)
    return run_command(lambda: run(arguments))


if __name__ == "__main__":
    sys.exit(main())
