"""Show everything: Label Studio with a connected backend, pictures to click on, and a project that is pre-annotated.

    python -m scripts.demo             until Ctrl-C; starting again goes on with the same data
    python -m scripts.demo --reset     from the beginning
    python -m scripts.demo --check     the whole circle unattended, on free ports and in a temporary folder

Exit status: 0 when it was stopped or the check passed, 1 otherwise, with what was wrong and what to do.
"""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

from scripts.console import positive_int, run_command
from scripts.demo_circle import commands
from scripts.demo_circle.circle import run_circle
from scripts.demo_circle.places import DEFAULT_FOLDER, PASSWORD, USERNAME, DemoFolder, Ports, free_ports
from scripts.demo_circle.stage import CLICK_TITLE, LABEL_STUDIO, PREANNOTATED_TITLE, Opened, Say, Stage
from scripts.demo_circle.targets import click_scenes, find_targets, preannotated_scenes, scenes_to_check

WATCH_SECONDS = 1.0
CHECK_SCENES = 3

WHAT_TO_DO = """
Ready after {seconds:.0f} s.

  Label Studio   {url}
  log in with    {username}   password   {password}
  the backend    {backend}   (what it is doing, and why if it does not)

  1. Open "{click_title}": {url}/projects/{click}/data
     and a task in it. Below the picture switch on "Auto-Annotation".
  2. Press M for the smart key point, then 9 (AUTO, or 1 to 8 for a colour), and click an object: its mask appears.
     Alt+click takes something away again. The green tick below accepts it; select the region to see its class.
     Accept before you submit: what was not accepted is lost. For boxes click the tool's button once more, then g.
  3. "{preannotated_title}": {url}/projects/{preannotated}/data
     has masks and classes already.
  4. Export what you submitted:
     {python} -m scripts.export --project {click} --out exports/demo --url {url} --api-key {token}

Ctrl-C stops everything. Data stays in {folder}; --reset deletes it.
"""


def build_parser() -> argparse.ArgumentParser:
    """The command's options."""
    parser = argparse.ArgumentParser(prog="python -m scripts.demo", description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--check", action="store_true", help="prove the whole circle unattended, then stop")
    parser.add_argument("--reset", action="store_true", help="delete the demo's data first")
    parser.add_argument("--data-dir", type=Path, default=DEFAULT_FOLDER, metavar="DIR", help="default: .data/demo")
    for name, port in (("label-studio", Ports().label_studio), ("backend", Ports().backend), ("redis", Ports().redis)):
        parser.add_argument(f"--port-{name}", type=positive_int, default=port, metavar="N", help=f"default: {port}")
    parser.add_argument("--no-redis", action="store_true", help="use the backend's in-process cache")
    parser.add_argument(
        "--label-studio", type=Path, default=LABEL_STUDIO, metavar="PATH", help="another label-studio program"
    )
    return parser


def say(line: str) -> None:
    """Tell the person at the terminal what is going on."""
    print(line, flush=True)


def serve(arguments: argparse.Namespace) -> int:
    """Bring everything up, say what to click, and watch until somebody stops it or a program ends."""
    started = time.monotonic()
    folder = DemoFolder(arguments.data_dir.resolve())
    ports = Ports(arguments.port_label_studio, arguments.port_backend, arguments.port_redis)
    with _stage(arguments, folder, ports, say) as stage:
        if arguments.reset:
            ports.require_free()  # a demo that runs would lose its data under its feet
            folder.reset()
        opened = stage.open(click_scenes(), preannotated_scenes())
        _preannotate_once(stage, opened)
        say(_what_to_do(stage, opened, time.monotonic() - started))
        try:
            while True:
                time.sleep(WATCH_SECONDS)
                stage.programs.raise_if_one_ended()
        except KeyboardInterrupt:
            say("Stopping …")
    return 0


def check(arguments: argparse.Namespace) -> int:
    """Go round the circle once; returns 0 when everything is as it should be."""
    started = time.monotonic()

    def tell(line: str) -> None:
        say(f"{time.monotonic() - started:4.0f} s  {line}")

    scenes = scenes_to_check()
    negative = {name: scene for name, scene in click_scenes(len(scenes) + 1).items() if name not in scenes}
    with (
        tempfile.TemporaryDirectory(prefix="demo-") as folder,
        _stage(arguments, DemoFolder(Path(folder)), free_ports(), tell) as stage,
    ):
        opened = stage.open({**scenes, **negative}, preannotated_scenes(CHECK_SCENES))
        environment = stage.command_environment(opened.token)
        report = run_circle(opened, find_targets(scenes), environment, tell)
    say(f"\n{report}")
    for failure in report.failures:
        print(f"FAILED: {failure}", file=sys.stderr)
    say(f"{'FAILED' if report.failures else 'PASSED'} after {time.monotonic() - started:.0f} s")
    return 1 if report.failures else 0


def _stage(arguments: argparse.Namespace, folder: DemoFolder, ports: Ports, tell: Say) -> Stage:
    return Stage(
        folder,
        ports,
        tell,
        label_studio=arguments.label_studio,
        with_redis=not arguments.no_redis,
    )


def _preannotate_once(stage: Stage, opened: Opened) -> None:
    """Pre-annotate the second project, unless an earlier start has done so."""
    state = stage.folder.read_state()
    project = str(opened.preannotated_project)
    if state.get("preannotated") != project:
        commands.preannotate(opened.preannotated_project, stage.command_environment(opened.token))
        stage.folder.write_state({**state, "preannotated": project})


def _what_to_do(stage: Stage, opened: Opened, seconds: float) -> str:
    return WHAT_TO_DO.format(
        seconds=seconds,
        url=stage.ports.label_studio_url,
        username=USERNAME,
        password=PASSWORD,
        backend=stage.ports.backend_url,
        click_title=CLICK_TITLE,
        click=opened.click_project,
        preannotated_title=PREANNOTATED_TITLE,
        preannotated=opened.preannotated_project,
        python=sys.executable,
        token=opened.token,
        folder=stage.folder.path,
    )


def _interrupt(_: int, __: FrameType | None) -> None:
    raise KeyboardInterrupt


def main(argv: Sequence[str] | None = None) -> int:
    """Parse the options and run; returns the exit status."""
    arguments = build_parser().parse_args(argv)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    return run_command(lambda: check(arguments) if arguments.check else serve(arguments))


if __name__ == "__main__":
    sys.exit(main())
