"""Train the demo's two small checkpoints from a seed, and evaluate them.

    python -m scripts.train_demo_models [--seed 1] [--out backend/models/demo] [--work .cache/demo_world] [--quick]

On one CPU core SAM takes about 70 minutes, while a second process draws the scenes, and CLIP 35. An interrupted run
resumes (SAM from its last check, CLIP after its first stage) as long as --work is kept. CLIP's first stage needs no
SAM, so `--only clip` can run in parallel with `--only sam`. `--quick` runs all steps in a minute or two; its models are
useless.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path


def main(arguments: list[str] | None = None) -> None:
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # before importing torch: the schedule assumes one thread
    from scripts.demo_world import evaluate, sam_trainer, train_clip, train_sam

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=1, help="0 to 899; the committed models come from 1")
    parser.add_argument(
        "--out", type=Path, default=Path(".cache/demo_world/out"), help="folder for the two checkpoints"
    )
    parser.add_argument(
        "--work", type=Path, default=Path(".cache/demo_world"), help="folder for scenes and training state"
    )
    parser.add_argument("--only", choices=("sam", "clip"), help="train one of the two")
    parser.add_argument("--quick", action="store_true", help="run a few steps of everything, as a smoke test")
    chosen = parser.parse_args(arguments)
    chosen.out.mkdir(parents=True, exist_ok=True)
    work = chosen.work / "quick" if chosen.quick else chosen.work
    sam, clip = chosen.out / "sam_demo.safetensors", chosen.out / "clip_demo.safetensors"
    if chosen.only != "clip":
        schedule = sam_trainer.QUICK if chosen.quick else sam_trainer.Schedule()
        sam = train_sam.train(chosen.seed, chosen.out, work, schedule)
    if chosen.only != "sam":
        clip_schedule = train_clip.QUICK if chosen.quick else train_clip.ClipSchedule()
        clip = train_clip.train(chosen.seed, chosen.out, work, clip_schedule, lambda: evaluate.load_demo_sam(sam))
    if sam.exists() and clip.exists():
        evaluate.measure_all(sam, clip, *((4, 1) if chosen.quick else (120, 30)))


if __name__ == "__main__":
    main()
