"""Training of the demo's SAM: first on windows of scenes, then on whole canvases."""

from __future__ import annotations

import contextlib
import json
import multiprocessing
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import cv2
import numpy as np
import torch
from safetensors.torch import save_file
from segment_anything.modeling import Sam
from torch import Tensor, nn
from tqdm import tqdm

from scripts.demo_world import batched
from scripts.demo_world.evaluate_sam import quick_check
from scripts.demo_world.losses import prompt_loss, scene_targets
from scripts.demo_world.pool import Pool, write_pool
from scripts.demo_world.prompts import Prompts, Window, augment, correct, cut_window, draw_prompts
from scripts.demo_world.sam_trainer import Schedule, Trainer, start


def draw_batch(pool: Pool, schedule: Schedule, seed: int, step: int) -> tuple[list[Window], list[Prompts]]:
    """Draw the windows and prompts of one step, deterministically."""
    rng = np.random.default_rng((seed, step))
    early = step < schedule.window_steps
    batch = schedule.window_batch if early else schedule.canvas_batch
    first = step * schedule.window_batch // 2 if early else step * batch
    windows = []
    for i in range(batch):
        scene = first + (i // 2 if early else i)
        windows.append(cut_window(rng, augment(rng, pool[scene]), 128 if early else 256))
    count = schedule.window_prompts if early else schedule.canvas_prompts
    return windows, [draw_prompts(rng, w, count) for w in windows]


def normalise(sam: Sam, windows: list[Window]) -> Tensor:
    """Normalise windows to (B, 3, S, S) as Sam.preprocess does: padding is zero after the normalisation."""
    pixels = torch.from_numpy(np.stack([w.pixels for w in windows])).permute(0, 3, 1, 2).float()
    inside = torch.from_numpy(np.stack([w.inside for w in windows]))[:, None]
    return (pixels - sam.pixel_mean) / sam.pixel_std * inside


def _stack(prompts: list[Prompts]) -> Prompts:
    columns = zip(*[(p.coords, p.labels, p.targets, p.hit) for p in prompts], strict=True)
    return Prompts(*[np.concatenate(c) for c in columns])


def batch_loss(
    trainer: Trainer, windows: list[Window], prompts: list[Prompts], rng: np.random.Generator, *, late: bool
) -> tuple[Tensor, dict[str, float]]:
    """Compute the loss of first answers and, for half of the prompts, of a correction with or without the mask."""
    sam, offsets = trainer.sam, [w.offset for w in windows]
    asked, count = _stack(prompts), len(prompts[0].hit)
    with torch.autocast("cpu", torch.bfloat16):
        embeddings = batched.encode(sam, normalise(sam, windows), offsets)
        positions = batched.dense_positions(sam, offsets, embeddings.shape[-1])
        owner = torch.arange(len(windows)).repeat_interleave(count)
        logits, scores = _answer(sam, embeddings, positions, owner, asked, None)
        side = 4 * embeddings.shape[-1]
        scene = torch.from_numpy(np.stack([scene_targets(w.covers, side) for w in windows]))
        loss = 0.5 * trainer.head.loss(embeddings, scene)
    targets, hit = torch.from_numpy(asked.targets), torch.from_numpy(asked.hit)
    single = torch.from_numpy((asked.labels == (1, -1)).all(axis=1))
    loss = loss + prompt_loss(logits, scores, targets, hit, single)

    best = torch.where(single, 1 + scores[:, 1:].argmax(dim=1), 0)
    chosen = logits.detach()[torch.arange(len(best)), best]
    some = np.flatnonzero(asked.hit)
    some = rng.permutation(some)[: max(1, len(some) // 2)]
    if len(some):
        part = Prompts(asked.coords[some], asked.labels[some], asked.targets[some], asked.hit[some])
        places = np.float32(offsets)[owner.numpy()[some]]
        again = correct(rng, part, (chosen[some] > 0).numpy(), places)
        use = torch.from_numpy(rng.random(len(some)) < (0.3 if late else 0.5))
        with torch.autocast("cpu", torch.bfloat16):
            dense = batched.embed_masks(sam, chosen[some][:, None], use)
            logits2, scores2 = _answer(sam, embeddings, positions, owner[some], again, dense)
        loss = loss + (1.5 if late else 0.6) * prompt_loss(
            logits2, scores2, targets[some], hit[some], torch.zeros(len(some), dtype=torch.bool)
        )
    return loss, _measure(logits.detach(), best, targets, hit, single)


def _answer(
    sam: Sam, embeddings: Tensor, positions: Tensor, owner: Tensor, asked: Prompts, dense: Tensor | None
) -> tuple[Tensor, Tensor]:
    sparse = batched.embed_prompts(sam, torch.from_numpy(asked.coords), torch.from_numpy(asked.labels))
    return batched.decode(sam, embeddings[owner], positions[owner], sparse, dense)


def _measure(logits: Tensor, best: Tensor, targets: Tensor, hit: Tensor, single: Tensor) -> dict[str, float]:
    answer, target = logits[torch.arange(len(best)), best] > 0, targets > 0.5
    ious = (answer & target).sum(dim=(1, 2)) / (answer | target).sum(dim=(1, 2)).clamp(min=1)
    kinds = {"click": hit & single, "other": hit & ~single}
    return {name: float(ious[chosen].mean()) for name, chosen in kinds.items() if chosen.any()}


def train_step(trainer: Trainer, schedule: Schedule, pool: Pool, seed: int) -> dict[str, float]:
    """Run one training step; return its loss and IoUs."""
    windows, prompts = draw_batch(pool, schedule, seed, trainer.step)
    rng, late = np.random.default_rng((seed, trainer.step, 1)), trainer.step >= schedule.corrections_from
    loss, measured = batch_loss(trainer, windows, prompts, rng, late=late)
    for optimizer in trainer.optimizers:
        optimizer.zero_grad(set_to_none=True)
    loss.backward()
    parameters = [p for o in trainer.optimizers for g in o.param_groups for p in g["params"]]
    nn.utils.clip_grad_norm_(parameters, 2.0)
    for optimizer in trainer.optimizers:
        for group in optimizer.param_groups:
            group["lr"] = schedule.rate(trainer.step)
        optimizer.step()
    trainer.step += 1
    trainer.update_average()
    return {"loss": float(loss.detach()), **measured}


@contextlib.contextmanager
def _drawing_pool(work: Path, seed: int, shards: int) -> Iterator[Pool]:
    """Yield a pool that a second process fills while the training reads it."""
    folder = work / f"seed_{seed}"
    writer = multiprocessing.get_context("spawn").Process(target=write_pool, args=(folder, seed, shards), daemon=True)
    writer.start()
    try:
        yield Pool(folder, shards, is_alive=writer.is_alive)
    finally:
        writer.terminate()
        writer.join()


def save_weights(weights: dict[str, Tensor], path: Path, about: dict[str, str]) -> None:
    """Write float32 safetensors, atomically."""
    partial = path.with_suffix(".partial")
    save_file({n: v.float().contiguous() for n, v in weights.items()}, partial, metadata=about)
    partial.chmod(0o644)
    partial.rename(path)


def train(seed: int, out: Path, work: Path, schedule: Schedule) -> Path:
    """Train from the seed, or resume an interrupted run in `work`; return the path of the weights."""
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    work.mkdir(parents=True, exist_ok=True)
    trainer, state, path = start(seed), work / f"sam_{seed}.pt", out / "sam_demo.safetensors"
    if state.exists():
        trainer.load(state)
    running: dict[str, float] = {}
    began = time.monotonic()
    with (
        _drawing_pool(work, seed, schedule.shards) as pool,
        tqdm(total=schedule.steps, initial=trainer.step, unit="step", mininterval=5) as bar,
    ):
        while trainer.step < schedule.steps:
            for name, value in train_step(trainer, schedule, pool, seed).items():
                running[name] = 0.98 * running.get(name, value) + 0.02 * value
            bar.update()
            bar.set_postfix({n: f"{v:.3f}" for n, v in running.items()}, refresh=False)
            if trainer.step % schedule.check_every == 0 or trainer.step == schedule.steps:
                trainer.save(state)
                checked = quick_check(trainer.averaged_sam())
                note = {"step": trainer.step, "minutes": (time.monotonic() - began) / 60, **running, **checked}
                with (work / f"sam_{seed}.jsonl").open("a") as log:
                    log.write(json.dumps({n: round(v, 4) for n, v in note.items()}) + "\n")
                save_weights(
                    trainer.average,
                    path,
                    {"seed": str(seed), "step": str(trainer.step), "schedule": json.dumps(asdict(schedule))},
                )
    return path
