"""Cache of what Grounding DINO's text backbone makes of a token sequence, which depends on nothing but the tokens."""

from __future__ import annotations

import copy
from types import SimpleNamespace
from typing import Any

import torch

from backend.runtime import LeastRecentlyUsed

MAX_BYTES = 32_000_000  # 256 tokens of 768 float32 values take 0.8 MB


class CachedTextBackbone(torch.nn.Module):
    """Text backbone that remembers its last outputs, in place of `model.text_backbone`.

    Args:
        backbone: BERT; called by position with the token ids, their attention masks, types and positions, of which all
            follow from the token ids.
    """

    def __init__(self, backbone: torch.nn.Module) -> None:
        super().__init__()
        self.backbone = backbone
        self._outputs = LeastRecentlyUsed[tuple[object, ...], torch.Tensor](MAX_BYTES, lambda kept: kept.nbytes)

    def forward(self, input_ids: torch.Tensor, *args: Any, **kwargs: Any) -> Any:
        """Return an object with `last_hidden_state`, (B, T, C)."""
        key = (*input_ids.shape, input_ids.cpu().numpy().tobytes())
        hidden = self._outputs.get(key)
        if hidden is None:
            hidden = self.backbone(input_ids, *args, **kwargs).last_hidden_state
            self._outputs.put(key, hidden)
        return SimpleNamespace(last_hidden_state=hidden)

    def __deepcopy__(self, memo: dict[int, Any]) -> CachedTextBackbone:
        """Copy the weights; the copy, which may go to another device, begins with an empty cache."""
        return CachedTextBackbone(copy.deepcopy(self.backbone, memo))
