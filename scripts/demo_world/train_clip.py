"""Training of the demo's CLIP: crops against every caption of the demo world."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import open_clip
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file
from segment_anything.modeling import Sam
from torch import Tensor
from torch.nn import functional
from tqdm import tqdm

from backend.models.registry import DEMO_CONFIGS
from scripts.demo_world import captions
from scripts.demo_world.crops import Crops, draw_crops, join, take
from scripts.demo_world.scenes import SHAPES

MODEL_NAME = "demo-clip"
_MAX_SCALE = math.log(100)


@dataclass(frozen=True)
class ClipSchedule:
    """Scenes, steps and learning rates: first crops under true and rough masks, then also under SAM's masks."""

    scenes: int = 3200
    steps: int = 2400
    learning_rate: float = 2.5e-3
    sam_scenes: int = 2600
    sam_steps: int = 2600
    sam_learning_rate: float = 1.5e-3
    batch: int = 112
    images: int = 20
    warmup_steps: int = 60


QUICK = ClipSchedule(scenes=40, steps=20, sam_scenes=40, sam_steps=10, batch=32, images=8)


def rate(step: int, steps: int, warmup_steps: int, highest: float) -> float:
    """Return the learning rate: linear warm-up, then cosine decay to a hundredth."""
    wave = 0.5 * (1 + math.cos(math.pi * step / steps))
    return highest * min(1.0, (step + 1) / warmup_steps) * max(wave, 0.01)


def start(seed: int) -> Any:
    """Build the demo's CLIP from its open_clip config, with random weights."""
    torch.manual_seed(seed)
    open_clip.add_model_config(DEMO_CONFIGS)
    model, _, _ = open_clip.create_model_and_transforms(MODEL_NAME)
    model.visual.to(memory_format=torch.channels_last)  # 0.23 s per step instead of 0.33 s, with the same results
    return model


def normalise(pixels: NDArray[np.uint8]) -> Tensor:
    """Normalise (N, S, S, 3) to (N, 3, S, S), as open_clip's evaluation transform does at the model's size."""
    mean, std = (torch.tensor(v).view(3, 1, 1) for v in (open_clip.OPENAI_DATASET_MEAN, open_clip.OPENAI_DATASET_STD))
    return (torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 255 - mean) / std


def augment(rng: np.random.Generator, pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Flip, rotate, shift and zoom each crop and scale its brightness; hues do not change."""
    side, result = pixels.shape[1], np.empty_like(pixels)
    for i, crop in enumerate(pixels):
        turn = cv2.getRotationMatrix2D(
            (side / 2, side / 2), rng.uniform(-20, 20) + 90 * rng.integers(4), rng.uniform(0.9, 1.1)
        )
        turn[:, 2] += rng.uniform(-3, 3, 2)
        turned = cv2.warpAffine(crop, turn, (side, side), borderMode=cv2.BORDER_REFLECT_101)
        result[i] = turned[:, ::-1] if rng.random() < 0.5 else turned
    return np.clip(result * rng.uniform(0.92, 1.08, (len(result), 1, 1, 1)), 0, 255).astype(np.uint8)


def _features(model: Any, tokenizer: Any, sentences: list[str]) -> Tensor:
    return model.encode_text(tokenizer(sentences), normalize=True)


def step_loss(
    model: Any, tokenizer: Any, crops: Crops, schedule: ClipSchedule, rng: np.random.Generator
) -> tuple[Tensor, float]:
    """Compute the loss: crops against classes, backgrounds, colours and shapes; whole images against backgrounds."""
    chosen, whole = (
        rng.integers(len(crops.pixels), size=schedule.batch),
        rng.integers(len(crops.images), size=schedule.images),
    )
    flipped = crops.images[whole][:, :, :: rng.choice([-1, 1])]
    pixels = np.concatenate([augment(rng, crops.pixels[chosen]), flipped])
    with torch.autocast("cpu", torch.bfloat16):
        features = functional.normalize(model.encode_image(normalise(pixels)).float(), dim=-1)
    objects, images = features[: schedule.batch], features[schedule.batch :]
    banks = [
        captions.class_sentences(rng),
        captions.background_sentences(rng),
        captions.colour_sentences(rng),
        captions.shape_sentences(rng),
    ]
    texts = _features(model, tokenizer, [s for bank in banks for s in bank]).split([len(bank) for bank in banks])
    classes, backgrounds, colours, shapes = texts
    scale = model.logit_scale.exp()
    colour, shape = torch.from_numpy(crops.colours[chosen]), torch.from_numpy(crops.shapes[chosen])
    answers = scale * objects @ torch.cat([classes, backgrounds]).T
    truth = colour * len(SHAPES) + shape
    loss = functional.cross_entropy(answers, truth, label_smoothing=0.02)
    loss = (
        loss
        + 0.5 * functional.cross_entropy(scale * objects @ colours.T, colour)
        + 0.5 * functional.cross_entropy(scale * objects @ shapes.T, shape)
    )
    background = torch.from_numpy(crops.backgrounds[whole])
    loss = loss + 0.5 * functional.cross_entropy(scale * images @ torch.cat([backgrounds, classes]).T, background)
    return loss, float((answers.argmax(dim=1) == truth).float().mean())


def train(seed: int, out: Path, work: Path, schedule: ClipSchedule, load_sam: Callable[[], Sam]) -> Path:
    """Train from the seed, or resume after a first stage in `work`; return the path of the weights.

    The first stage needs no SAM, so it can run while SAM still trains (`load_sam` is called after it).
    """
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    work.mkdir(parents=True, exist_ok=True)
    model, tokenizer = start(seed).train(), open_clip.get_tokenizer(MODEL_NAME)
    side, first = model.visual.image_size, work / f"clip_{seed}.pt"
    drawn = draw_crops(seed, schedule.scenes, side)
    if first.exists():
        model.load_state_dict(torch.load(first, weights_only=True))
    else:
        train_stage(model, tokenizer, drawn, schedule, schedule.steps, schedule.learning_rate, (seed, 2))
        torch.save(model.state_dict(), first.with_suffix(".partial"))
        first.with_suffix(".partial").rename(first)
    seen = draw_crops(seed, schedule.sam_scenes, side, load_sam())
    both = join(seen, take(drawn, len(seen.pixels)))
    train_stage(model, tokenizer, both, schedule, schedule.sam_steps, schedule.sam_learning_rate, (seed, 3))
    return save(model, out / "clip_demo.safetensors", {"seed": str(seed), "schedule": json.dumps(asdict(schedule))})


def train_stage(
    model: Any, tokenizer: Any, crops: Crops, schedule: ClipSchedule, steps: int, highest: float, seed: tuple[int, int]
) -> None:
    """Update the model in place for `steps` steps."""
    weights = [p for p in model.parameters() if p.ndim > 1]
    others = [p for p in model.parameters() if p.ndim <= 1]
    groups = [{"params": weights, "weight_decay": 0.05}, {"params": others, "weight_decay": 0.0}]
    optimizer, right = torch.optim.AdamW(groups, betas=(0.9, 0.98)), 0.0
    with tqdm(range(steps), desc="CLIP", unit="step", mininterval=5) as bar:
        for step in bar:
            rng = np.random.default_rng((seed[0], step, seed[1]))
            loss, accuracy = step_loss(model, tokenizer, crops, schedule, rng)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            for group in optimizer.param_groups:
                group["lr"] = rate(step, steps, schedule.warmup_steps, highest)
            optimizer.step()
            model.logit_scale.data.clamp_(0, _MAX_SCALE)
            right = 0.97 * right + 0.03 * accuracy
            bar.set_postfix({"loss": f"{float(loss.detach()):.3f}", "right": f"{right:.3f}"}, refresh=False)


def save(model: Any, path: Path, about: dict[str, str]) -> Path:
    partial = path.with_suffix(".partial")
    halves = {n: v.half() if v.is_floating_point() else v for n, v in model.state_dict().items()}
    save_file({n: v.contiguous() for n, v in halves.items()}, partial, metadata=about)
    partial.chmod(0o644)
    partial.rename(path)
    return path
