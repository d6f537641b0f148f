"""Run a demo: Label Studio with a connected backend, a project to click in, and a pre-annotated project.

    python -m scripts.demo             run until Ctrl-C; a restart keeps the data
    python -m scripts.demo --reset     delete the data first
    python -m scripts.demo --check     end-to-end check, unattended, on free ports and in a temporary folder

Exit status: 0 if it was stopped or the check passed, 1 otherwise, with the error and its remedy.
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

INSTRUCTIONS = """
Ready after {seconds:.0f} s.

  Label Studio   {url}
  log in with    {username}   password   {password}
  the backend    {backend}   (status page: recent requests and errors)
  log in with    {backend_user}   password   {backend_password}   (new in each run)

  1. Open "{click_title}": {url}/projects/{click}/data
     and a task in it. Below the image switch on "Auto-Annotation". Then click the pink button, the last one of the tool
     bar, until it shows three dots. Both are remembered. (A click on the image would paint: the brush is in hand.)
  2. Click an object: its mask appears, with a label that the backend chose. Alt+click removes a part. The green tick
     below the image accepts the mask; what is not accepted is lost when you submit. Select the mask to see its class.
     Keys 1 to 8 pick a label for the next clicks, the same key drops it. For boxes click the pink button once more.
     Or type what to look for into the field above the image, such as "the red ring", and press Enter.
  3. "{preannotated_title}": {url}/projects/{preannotated}/data
     already has masks and classes.
  4. Export your annotations:
     {python} -m scripts.export --project {click} --out exports/demo --url {url} --api-key {token}

Ctrl-C stops everything. Data is kept in {folder}; --reset deletes it.
"""


def build_parser() -> argparse.ArgumentParser:
    """Build the command's option parser."""
    parser = argparse.ArgumentParser(prog="python -m scripts.demo", description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--check", action="store_true", help="run the end-to-end check unattended, then stop")
    parser.add_argument("--reset", action="store_true", help="delete the demo's data first")
    parser.add_argument("--data-dir", type=Path, default=DEFAULT_FOLDER, metavar="DIR", help="default: .data/demo")
    for name, port in (("label-studio", Ports().label_studio), ("backend", Ports().backend), ("redis", Ports().redis)):
        parser.add_argument(f"--port-{name}", type=positive_int, default=port, metavar="N", help=f"default: {port}")
    parser.add_argument("--no-redis", action="store_true", help="use the backend's in-process cache")
    parser.add_argument(
        "--label-studio", type=Path, default=LABEL_STUDIO, metavar="PATH", help="another label-studio executable"
    )
    return parser


def say(line: str) -> None:
    """Print a line of progress."""
    print(line, flush=True)


def serve(arguments: argparse.Namespace) -> int:
    """Start everything, print the instructions, and watch the programs until Ctrl-C or until one of them ends."""
    started = time.monotonic()
    folder = DemoFolder(arguments.data_dir.resolve())
    ports = Ports(arguments.port_label_studio, arguments.port_backend, arguments.port_redis)
    with _stage(arguments, folder, ports, say) as stage:
        if arguments.reset:
            ports.require_free()  # a running demo would lose its data
            folder.reset()
        opened = stage.open(click_scenes(), preannotated_scenes())
        _preannotate_once(stage, opened)
        say(_instructions(stage, opened, time.monotonic() - started))
        try:
            while True:
                time.sleep(WATCH_SECONDS)
                stage.programs.raise_if_one_exited()
        except KeyboardInterrupt:
            say("Stopping …")
    return 0


def check(arguments: argparse.Namespace) -> int:
    """Run the end-to-end check once; return 0 if it passed."""
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
    """Pre-annotate the second project, unless an earlier run did."""
    state = stage.folder.read_state()
    project = str(opened.preannotated_project)
    if state.get("preannotated") != project:
        commands.preannotate(opened.preannotated_project, stage.command_environment(opened.token))
        stage.folder.write_state({**state, "preannotated": project})


def _instructions(stage: Stage, opened: Opened, seconds: float) -> str:
    return INSTRUCTIONS.format(
        seconds=seconds,
        url=stage.ports.label_studio_url,
        username=USERNAME,
        password=PASSWORD,
        backend=stage.ports.backend_url,
        backend_user=stage.backend_login.user,
        backend_password=stage.backend_login.password,
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
    """Parse the options and run; return the exit status."""
    arguments = build_parser().parse_args(argv)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    return run_command(lambda: check(arguments) if arguments.check else serve(arguments))


if __name__ == "__main__":
    sys.exit(main())
