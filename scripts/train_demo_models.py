"""Train the two small checkpoints of the demo again, from a seed, and measure them.

    python -m scripts.train_demo_models [--seed 1] [--out backend/models/demo] [--work .cache/demo_world] [--quick]

About 70 minutes for SAM, while a second process draws the scenes, and 35 for CLIP, on one CPU core. An interrupted run
goes on where it stopped (SAM at its last check, CLIP after its first stage) as long as --work is kept. CLIP's first
stage needs no SAM: `--only clip` may be started beside `--only sam`. `--quick` goes through all steps in a minute or
two; its models know nothing.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path


def main(arguments: list[str] | None = None) -> None:
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch is imported: the schedule was made for one thread
    from scripts.demo_world import evaluate, train_clip, train_sam

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=1, help="0 to 899; the committed models come from 1")
    parser.add_argument(
        "--out", type=Path, default=Path(".cache/demo_world/out"), help="folder for the two checkpoints"
    )
    parser.add_argument(
        "--work", type=Path, default=Path(".cache/demo_world"), help="folder for scenes and half-done runs"
    )
    parser.add_argument("--only", choices=("sam", "clip"), help="train one of the two")
    parser.add_argument("--quick", action="store_true", help="a few steps of everything, to see that it runs")
    chosen = parser.parse_args(arguments)
    chosen.out.mkdir(parents=True, exist_ok=True)
    work = chosen.work / "quick" if chosen.quick else chosen.work
    sam, clip = chosen.out / "sam_demo.safetensors", chosen.out / "clip_demo.safetensors"
    if chosen.only != "clip":
        schedule = train_sam.QUICK if chosen.quick else train_sam.Schedule()
        sam = train_sam.train(chosen.seed, chosen.out, work, schedule)
    if chosen.only != "sam":
        clip_schedule = train_clip.QUICK if chosen.quick else train_clip.ClipSchedule()
        clip = train_clip.train(chosen.seed, chosen.out, work, clip_schedule, lambda: evaluate.load_demo_sam(sam))
    if sam.exists() and clip.exists():
        evaluate.measure_all(sam, clip, *((4, 1) if chosen.quick else (120, 30)))


if __name__ == "__main__":
    main()
