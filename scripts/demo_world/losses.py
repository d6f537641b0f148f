"""Training losses of SAM's masks and scores, and an auxiliary head on the embedding, discarded after training."""

from __future__ import annotations

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional


def mask_losses(logits: Tensor, targets: Tensor) -> Tensor:
    """Compute the loss (N, M) of logits (N, M, h, w) against covers (N, h, w): SAM's focal + dice, and borders.

    The targets are fractions, so focal loss uses |target - probability| instead of SAM's 1 - p_t.
    """
    target = targets[:, None].expand_as(logits)
    entropy = functional.binary_cross_entropy_with_logits(logits, target, reduction="none")
    probability = logits.sigmoid()
    focal = ((target - probability) ** 2 * entropy).mean(dim=(2, 3))
    overlap, total = (probability * target).sum(dim=(2, 3)), (probability + target).sum(dim=(2, 3))
    dice = 1 - (2 * overlap + 1) / (total + 1)
    band = border_band(targets)[:, None]
    border = (entropy * band).sum(dim=(2, 3)) / (band.sum(dim=(2, 3)) + 1)
    return 20 * focal + dice + 2 * entropy.mean(dim=(2, 3)) + border


def border_band(targets: Tensor) -> Tensor:
    """Return 1 within two pixels of a border of the covers (N, h, w), else 0."""
    x = targets[:, None]
    return ((functional.max_pool2d(x, 5, 1, 2) + functional.max_pool2d(-x, 5, 1, 2)) > 0.5).float()[:, 0]


def true_ious(logits: Tensor, targets: Tensor) -> Tensor:
    """Compute the IoU (N, M) of thresholded masks with the covers; 0 for an empty target."""
    answer, target = logits > 0, (targets > 0.5)[:, None]
    overlap, union = (answer & target).sum(dim=(2, 3)), (answer | target).sum(dim=(2, 3))
    return overlap / union.clamp(min=1)


def prompt_loss(logits: Tensor, scores: Tensor, targets: Tensor, hit: Tensor, single_click: Tensor) -> Tensor:
    """Compute the loss of four masks per prompt: the first, the best of the other three, and 0.4 of their mean."""
    losses = mask_losses(logits, targets)
    several = losses[:, 1:].min(dim=1).values + 0.4 * losses[:, 1:].mean(dim=1)
    masks = losses[:, 0] + torch.where(single_click, 1.2 * several, 0.2 * several)
    ious = torch.where(hit[:, None], true_ious(logits.detach(), targets), 0.0)
    return (masks * hit).sum() / hit.sum().clamp(min=1) + 2 * functional.mse_loss(scores, ious)


class SceneHead(nn.Module):
    """Auxiliary head: predicts foreground, borders, object centres and sizes from the embedding, without a prompt."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.project = nn.Conv2d(channels, 6 * 16, 1)

    def forward(self, embeddings: Tensor) -> Tensor:
        """Map (B, C, g, g) to (B, 6, 4g, 4g)."""
        return functional.pixel_shuffle(self.project(embeddings), 4).float()

    def loss(self, embeddings: Tensor, targets: Tensor) -> Tensor:
        """Compute the loss against `targets` (B, 6, 4g, 4g) from scene_targets."""
        answer = self(embeddings)
        what = functional.binary_cross_entropy_with_logits(answer[:, :2], targets[:, :2])
        inside = targets[:, :1] > 0.5
        where = functional.smooth_l1_loss(answer[:, 2:], targets[:, 2:], reduction="none", beta=0.2) * inside
        return 2 * what + where.sum() / (4 * inside.sum() + 1)


def scene_targets(covers: NDArray[np.uint8], side: int) -> NDArray[np.float32]:
    """Build (6, side, side) from covers: foreground, border, offset to the centre (x, y), log width and height."""
    result = np.zeros((6, side, side), np.float32)
    grid_y, grid_x = np.mgrid[:side, :side].astype(np.float32)
    for cover in covers:
        mask = cover > 127
        result[0] = np.maximum(result[0], cover / np.float32(255))
        edge = cv2.morphologyEx(mask.astype(np.uint8), cv2.MORPH_GRADIENT, np.ones((3, 3), np.uint8))
        result[1] = np.maximum(result[1], edge)
        rows, columns = np.nonzero(mask)
        result[2][mask], result[3][mask] = (columns.mean() - grid_x[mask]) / 16, (rows.mean() - grid_y[mask]) / 16
        result[4][mask], result[5][mask] = np.log((np.ptp(columns) + 1) / 24), np.log((np.ptp(rows) + 1) / 24)
    return result
