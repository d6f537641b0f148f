"""The best masks of many prompts on one image: single clicks and boxes, which have two tokens each, in groups.

Source: segment_anything.SamPredictor.predict_torch.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from segment_anything.modeling import Sam
from torch import Tensor

from backend.models.sam.grouped_point_decoder import DecodedPoints, GroupedPointDecoder
from backend.models.sam.mask_upscaler import MaskUpscaler
from backend.models.sam.steps import enlarge, features_of
from backend.models.sam.torch_prompt import prompt_to_torch
from backend.values import Candidate, ImageEmbedding, Prompt


class PromptGroups:
    """Decoder of a model with frozen weights for one mask a prompt. Thread-safe, keeps nothing of an image."""

    def __init__(self, model: Sam) -> None:
        self._model, self._decoder = model, GroupedPointDecoder(model)
        self._upscaler = MaskUpscaler(model.mask_decoder, model.prompt_encoder.image_embedding_size[0])

    @torch.inference_mode()
    def decode(self, embedding: ImageEmbedding, prompts: Sequence[Prompt], prompts_at_once: int) -> list[Candidate]:
        """Predict the best mask of each prompt; each is a single click or a box alone, and there is at least one."""
        image = self._decoder.share(features_of(self._model, embedding))
        candidates: list[Candidate] = []
        for start in range(0, len(prompts), prompts_at_once):
            group = prompts[start : start + prompts_at_once]
            logits, scores = self._pick(self._decoder.decode(image, self._encode(embedding, group)), group)
            masks = enlarge(self._model, logits[:, None], embedding)[:, 0] > self._model.mask_threshold
            candidates += map(Candidate, masks.cpu().numpy(), scores.tolist())
        return candidates

    def _encode(self, embedding: ImageEmbedding, prompts: Sequence[Prompt]) -> Tensor:
        """Embed prompts: (B, 2, C)."""
        tensors = (prompt_to_torch(self._model, embedding, prompt) for prompt in prompts)
        encoder = self._model.prompt_encoder
        return torch.cat([encoder(points=points, boxes=boxes, masks=None)[0] for points, boxes, _ in tensors])

    def _pick(self, decoded: DecodedPoints, prompts: Sequence[Prompt]) -> tuple[Tensor, Tensor]:
        """Return logits (B, M, M) and scores (B,): of a click the best of three candidates, of a box the single one."""
        decoder, tokens = self._model.mask_decoder, decoded.tokens
        scores = decoder.iou_prediction_head(tokens[:, 0])  # (B, 1 + 3)
        best = (1 + scores[:, 1:].argmax(dim=1)).tolist()
        kinds = [kind if prompt.is_single_click else 0 for kind, prompt in zip(best, prompts, strict=True)]
        networks = decoder.output_hypernetworks_mlps
        kernels = torch.stack([networks[kind](tokens[place, 1 + kind]) for place, kind in enumerate(kinds)])
        logits = self._upscaler.upscale(decoded.images, kernels[:, None])  # (B, 1, S * 16)
        return self._upscaler.to_grid(logits[:, 0]), scores[range(len(kinds)), kinds]
