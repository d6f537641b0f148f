"""Features of the images that are being searched, which are the same in every pass over the texts."""

from __future__ import annotations

import copy
import threading
from typing import Any

import torch
from torch.utils.weak import WeakTensorKeyDictionary

Features = tuple[tuple[torch.Tensor, torch.Tensor], ...]


class DeviceImage:
    """The tensors of an image, moved to each device once.

    Args:
        pixel_values: float32 (1, 3, H, W).
        pixel_mask: (1, H, W), 1 where the image is.
    """

    def __init__(self, pixel_values: torch.Tensor, pixel_mask: torch.Tensor) -> None:
        self._tensors = pixel_values, pixel_mask
        self._moved: dict[torch.device, tuple[torch.Tensor, torch.Tensor]] = {}

    def on(self, device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the pixels and their mask there; the same tensors at every call."""
        if device not in self._moved:
            pixel_values, pixel_mask = self._tensors
            self._moved[device] = pixel_values.to(device), pixel_mask.to(device)
        return self._moved[device]


class CachedImageBackbone(torch.nn.Module):
    """Image backbone that runs once for each tensor of pixels, in place of `model.backbone.conv_encoder`. Thread-safe.

    The features are kept as long as the tensor lives, so no image is hashed and none outlives its search.

    Args:
        backbone: Swin; called by position with the pixels and their mask.
    """

    def __init__(self, backbone: torch.nn.Module) -> None:
        super().__init__()
        self.backbone = backbone
        self._features = WeakTensorKeyDictionary()
        self._lock = threading.Lock()

    def forward(self, pixel_values: torch.Tensor, pixel_mask: torch.Tensor) -> list[tuple[torch.Tensor, torch.Tensor]]:
        """Return each level's features (1, C, H, W) and its mask (1, H, W)."""
        with self._lock:
            features: Features | None = self._features.get(pixel_values)
        if features is None:
            features = tuple(self.backbone(pixel_values, pixel_mask))
            with self._lock:
                self._features[pixel_values] = features
        return list(features)

    def __deepcopy__(self, memo: dict[int, Any]) -> CachedImageBackbone:
        """Copy the weights; the copy, which may go to another device, begins without features."""
        return CachedImageBackbone(copy.deepcopy(self.backbone, memo))
