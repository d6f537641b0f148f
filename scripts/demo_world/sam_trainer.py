"""State of a training run of the demo's SAM: schedule, models, optimizers and the average of the weights."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import torch
from segment_anything.modeling import Sam
from torch import Tensor, nn

from backend.models.sam.architectures import build_sam
from scripts.demo_world.losses import SceneHead


@dataclass(frozen=True)
class Schedule:
    """Steps, batch sizes and learning rate of a training run.

    From step `cooldown_from` on the rate decreases linearly, by 1 / `cooldown_steps` of its maximum per step, and over
    the last `final_steps` to a hundredth. From step `corrections_from` on, answers to corrective clicks have a higher
    weight, and fewer of them get the previous mask.
    """

    window_steps: int = 4000
    canvas_steps: int = 4000
    warmup_steps: int = 150
    cooldown_from: int = 5220
    cooldown_steps: int = 3480
    final_steps: int = 1000
    corrections_from: int = 6000
    window_batch: int = 8
    window_prompts: int = 4
    canvas_batch: int = 2
    canvas_prompts: int = 8
    learning_rate: float = 2e-3
    shards: int = 45
    check_every: int = 500

    @property
    def steps(self) -> int:
        return self.window_steps + self.canvas_steps

    def rate(self, step: int) -> float:
        warm, left = (step + 1) / self.warmup_steps, (self.steps - step) / self.final_steps
        slow = 1 - (step - self.cooldown_from) / self.cooldown_steps
        return self.learning_rate * min(1.0, warm, max(min(slow, left), 0.01))


QUICK = Schedule(window_steps=20, canvas_steps=10, final_steps=10, shards=1, check_every=15)


@dataclass
class Trainer:
    """State of a training run, saved as a whole so that an interrupted run can resume."""

    sam: Sam
    head: SceneHead
    optimizers: list[torch.optim.Optimizer]
    average: dict[str, Tensor]
    step: int = 0

    def save(self, path: Path) -> None:
        state = {
            "sam": self.sam.state_dict(),
            "head": self.head.state_dict(),
            "optimizers": [o.state_dict() for o in self.optimizers],
            "average": self.average,
            "step": self.step,
        }
        torch.save(state, path.with_suffix(".partial"))
        path.with_suffix(".partial").rename(path)

    def load(self, path: Path) -> None:
        state = torch.load(path, weights_only=True)
        self.sam.load_state_dict(state["sam"])
        self.head.load_state_dict(state["head"])
        for optimizer, saved in zip(self.optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(saved)
        self.average, self.step = state["average"], state["step"]

    def update_average(self) -> None:
        keep = min(0.998, (1 + self.step) / (10 + self.step))
        for name, value in self.sam.state_dict().items():
            self.average[name].lerp_(value, 1 - keep)

    def averaged_sam(self) -> Sam:
        sam = build_sam("demo")
        sam.load_state_dict(self.average)
        return sam


def start(seed: int) -> Trainer:
    """Build a new model, with prompt position frequencies of several scales and a sinusoidal position table."""
    torch.manual_seed(seed)
    sam = build_sam("demo").train()
    frequencies = sam.prompt_encoder.pe_layer.positional_encoding_gaussian_matrix
    frequencies.mul_(torch.logspace(0, math.log10(5), frequencies.shape[1]))
    _set_waves(sam.image_encoder.pos_embed)
    head = SceneHead(sam.prompt_encoder.embed_dim)
    parameters = dict([*sam.named_parameters(), *head.named_parameters(prefix="head")])
    matrices = [p for n, p in parameters.items() if p.ndim == 2 and "embed" not in n and "token" not in n]
    chosen = {id(p) for p in matrices}
    others = [p for p in parameters.values() if id(p) not in chosen]
    optimizers = [
        torch.optim.Muon(matrices, lr=1e-3, weight_decay=0.01, adjust_lr_fn="match_rms_adamw"),
        torch.optim.AdamW(others, lr=1e-3, betas=(0.9, 0.98), weight_decay=0.01),
    ]
    return Trainer(sam, head, optimizers, {n: v.clone() for n, v in sam.state_dict().items()})


def _set_waves(table: nn.Parameter) -> None:
    """Initialize a learned table (1, g, g, C) with sines and cosines of x and y."""
    _, grid, _, channels = table.shape
    speeds = torch.logspace(0, -1.5, channels // 4) * math.pi / 2
    angles = torch.arange(grid)[:, None] * speeds
    wave = torch.cat([angles.sin(), angles.cos()], dim=1)
    both = torch.cat([wave[None].expand(grid, -1, -1), wave[:, None].expand(-1, grid, -1)], dim=2)
    table.data.copy_(0.3 * both[None])
