"""Make a project whose corrections are known, for a look at `scripts.report`.

    python -m scripts.demo                                    in another terminal
    python -m scripts.report_demo --url http://127.0.0.1:8080

uploads scenes of the demo world, imports made-up predictions, corrects them as a person would, all through Label
Studio's API, and prints what the report must find. Exit status: 0, or 1 if Label Studio refuses something.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from backend.label_studio.config import parse_labeling_config
from scripts.console import positive_int, run_command, show_progress
from scripts.demo_circle.places import PASSWORD, ROOT, USERNAME
from scripts.demo_circle.site import LabelStudioSite
from scripts.demo_circle.targets import encode_png, preannotated_scenes
from scripts.demo_world.scenes import Scene
from scripts.reporting.corrections import Correction, build_pair, correct_scene

TITLE = "Reviewed by a script"
VERSION = "made-up-1"


@dataclass(frozen=True)
class ReviewedProject:
    """A project, and the corrections in it by task id."""

    number: int
    corrections: Mapping[int, Sequence[Correction]]

    @property
    def counts(self) -> Counter[str]:
        """Number of regions by outcome."""
        return Counter(one.outcome for listed in self.corrections.values() for one in listed)


def make_reviewed_project(
    site: LabelStudioSite, scenes: Mapping[str, Scene], hand_made: Mapping[str, Scene] | None = None, title: str = TITLE
) -> ReviewedProject:
    """Create a project with predictions and annotations made from them.

    Args:
        hand_made: Further scenes, annotated without a prediction.
    """
    label_config = (ROOT / "label_config.xml").read_text(encoding="utf-8")
    config = parse_labeling_config(label_config)
    project = site.create_project(title, label_config, "Predictions with known errors, corrected by a script.")
    others = dict(hand_made or {})
    both = {**scenes, **others}
    tasks = site.upload_images(project, {name: encode_png(scene) for name, scene in both.items()})
    corrections = {name: correct_scene(scene, number) for number, (name, scene) in enumerate(both.items())}
    pairs = {
        name: build_pair(corrections[name], config, VERSION, number, hand_made=name in others)
        for number, name in enumerate(both)
    }
    site.import_predictions(project, [{"task": tasks[name], **pairs[name][0]} for name in scenes])
    for name, (_, annotation) in show_progress(pairs.items(), "annotating"):
        parents = [one["id"] for one in site.task(tasks[name])["predictions"]]
        parent = {"parent_prediction": parents[0]} if parents else {}
        site.annotate(tasks[name], annotation["result"], lead_time=annotation["lead_time"], **parent)
    return ReviewedProject(project, {tasks[name]: corrections[name] for name in scenes})


def main(argv: Sequence[str] | None = None) -> int:
    """Parse the options and run; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m scripts.report_demo", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--url", required=True, metavar="URL", help="of the demo's Label Studio")
    parser.add_argument("--tasks", type=positive_int, default=40, metavar="N", help="with predictions (default: 40)")
    arguments = parser.parse_args(argv)

    def run() -> int:
        site = LabelStudioSite(arguments.url)
        site.log_in(USERNAME, PASSWORD)
        drawn = list(preannotated_scenes(arguments.tasks + 8).items())
        project = make_reviewed_project(site, dict(drawn[:-8]), dict(drawn[-8:]))
        print(f"Project {project.number}: " + ", ".join(f"{count} {kind}" for kind, count in project.counts.items()))
        return 0

    return run_command(run)


if __name__ == "__main__":
    sys.exit(main())
