"""TransformersSam: SAM 2.1 and EdgeTAM behind the `Segmenter` protocol. There is no current image.

Results equal those of transformers' own model with the same weights; the tests compare them. Unlike there, only the
masks that are used are upscaled to the original size.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from backend.models.device_segmenter import DeviceSegmenter
from backend.models.mask_prompt import coverage_to_logits
from backend.models.transformers_sam.automatic_masks import AutomaticMasks
from backend.models.transformers_sam.preprocessing import normalize, squash
from backend.models.transformers_sam.prompt_decoder import PromptDecoder, batch_sizes
from backend.models.transformers_sam.steps import (
    HIGH_RES_0,
    HIGH_RES_1,
    IMAGE_EMBED,
    LEVELS,
    MASK_THRESHOLD,
    cells_per_pixel,
    enlarge,
    prompts_to_tensors,
)
from backend.values import (
    Candidate,
    EmbeddingSpec,
    ImageEmbedding,
    Mask,
    Pixels,
    Prompt,
    ProposalParameters,
    ReviseLogits,
    Size,
)

PREPROCESSING_VERSION = 1  # version of the steps before the encoder; part of every cache key


class TransformersSam(DeviceSegmenter[Any, "_Decoders"]):
    """Sam2Model or EdgeTamModel of transformers on one device.

    Args:
        model: The model with its weights; it is moved to the device and never trained.
        family: "sam2" or "edgetam", the family of its embeddings; those of another family are refused.
        device: "auto", "cpu", "cuda" or "cuda:N".
        encoder_dtype: "auto" (bfloat16 or float16 on CUDA, float32 on a CPU) or a torch dtype's name.
        name: The model's name in the registry, for the log and for errors.
    """

    def __init__(
        self, model: Any, *, family: str, device: str = "auto", encoder_dtype: str = "auto", name: str = "SAM 2"
    ) -> None:
        self._side = int(model.prompt_encoder.input_image_size)
        super().__init__(
            model,
            lambda copy: _Decoders(copy, self.encode),
            preprocessing=f"squash{self._side}v{PREPROCESSING_VERSION}",
            family=family,
            device=device,
            encoder_dtype=encoder_dtype,
            name=name,
        )

    def encode(self, pixels: Pixels) -> ImageEmbedding:
        """Run the image encoder.

        Args:
            pixels: uint8 RGB (H, W, 3).

        Returns:
            Three arrays in `embedding_dtype`, for the published models 8.4 MB: "image_embed" (256, 64, 64), without the
            model's `no_memory_embedding`, "high_res_0" (32, 256, 256) and "high_res_1" (64, 128, 128).

        Source: transformers.Sam2Model.get_image_features.
        """
        squashed = squash(pixels, self._side)
        levels = self._sam.run(("an image", lambda model: self._encode(model, squashed)))
        arrays = {
            name: level.astype(self.embedding_dtype, copy=False) for name, level in zip(LEVELS, levels, strict=True)
        }
        size = Size(pixels.shape[1], pixels.shape[0])
        return ImageEmbedding(arrays, size, Size(self._side, self._side), self._family)

    def embedding_spec(self, size: Size) -> EmbeddingSpec:
        """Return the arrays and sizes that `encode` returns for an image of this size."""
        model = self._sam.model
        channels = model.config.mask_decoder_config.hidden_size
        by_name = {HIGH_RES_0: channels // 8, HIGH_RES_1: channels // 4, IMAGE_EMBED: channels}
        sides = zip(by_name, model.backbone_feature_sizes, strict=True)
        arrays = {name: (self.embedding_dtype, (by_name[name], *map(int, side))) for name, side in sides}
        return EmbeddingSpec(arrays, size, Size(self._side, self._side), self._family)

    def decode_many(self, embedding: ImageEmbedding, prompts: Sequence[Prompt]) -> list[Candidate]:
        """Predict the best mask of each prompt, which is a single click or a box alone; the masks have no logits."""

        def decode_in_groups(count: int, model: Any) -> list[Candidate]:
            return self._decode_groups(model, embedding, prompts, count)

        sizes = batch_sizes(self._sam.model) if prompts else ()
        variants = [(f"{count} prompts at once", partial(decode_in_groups, count)) for count in sizes]
        return self._sam.run(*variants) if variants else []

    def propose(
        self, embedding: ImageEmbedding, parameters: ProposalParameters, pixels: Pixels | None = None
    ) -> list[Candidate]:
        """Generate masks of everything in the image.

        Args:
            pixels: Of the image; needed only with `parameters.crop_n_layers`, whose crops are encoded here.

        Returns:
            Best predicted IoU first.
        """

        def propose_in_batches(points: int, model: Any) -> list[Candidate]:
            return self._decoders_of(model, embedding).automatic_masks.propose(embedding, parameters, points, pixels)

        sizes = batch_sizes(self._sam.model)
        return self._sam.run(*((f"{points} points at once", partial(propose_in_batches, points)) for points in sizes))

    def mask_to_logits(self, mask: Mask) -> NDArray[np.float32]:
        """Convert a mask on the page to SAM 2's mask prompt, squashed as the image is.

        Returns:
            float32 (1, M, M), see `coverage_to_logits`; M is four times the side of "image_embed".
        """
        side = self._sam.model.prompt_encoder.mask_input_size
        whole = torch.from_numpy(mask.astype(np.float32))[None, None]
        coverage = torch.nn.functional.interpolate(whole, side, mode="bilinear", antialias=True)
        return coverage_to_logits(coverage[0, 0].numpy())

    @torch.inference_mode()
    def _encode(self, model: Any, squashed: torch.Tensor) -> list[NDArray[np.float32]]:
        use_autocast = self._encoder_dtype != torch.float32 and model.device.type == "cuda"
        with torch.autocast(model.device.type, dtype=self._encoder_dtype, enabled=use_autocast):
            features = model.get_image_features(normalize(squashed.to(model.device)), return_dict=True)
        sides = zip(features.fpn_hidden_states, model.backbone_feature_sizes, strict=True)
        return [level[:, 0].T.reshape(-1, *side).float().cpu().numpy() for level, side in sides]  # of (S, 1, C)

    @torch.inference_mode()
    def _decode(
        self,
        model: Any,
        embedding: ImageEmbedding,
        prompt: Prompt,
        max_masks: int | None,
        revise: ReviseLogits | None,
    ) -> list[Candidate]:
        """Decode with one copy. Source: transformers.Sam2Model.forward, Sam2Processor.post_process_masks."""
        tensors = prompts_to_tensors(model, embedding.original_size, prompt)
        decoder = self._decoders_of(model, embedding).prompts
        logits, scores = (found[0] for found in decoder.decode(embedding, tensors, multimask=prompt.is_single_click))
        best = torch.argsort(scores, descending=True)[:max_masks]
        logits, scores = logits[best], scores[best]
        if revise is not None:
            scale = cells_per_pixel(model, embedding.original_size)
            revised = np.stack([revise(one, scale) for one in logits.cpu().numpy()])
            logits = torch.as_tensor(revised, device=model.device)
        masks = enlarge(logits[None], embedding.original_size)[0] > MASK_THRESHOLD
        arrays = (t.cpu().numpy() for t in (masks, scores, logits))
        return [Candidate(mask, float(score), low_res[None]) for mask, score, low_res in zip(*arrays, strict=True)]

    @torch.inference_mode()
    def _decode_groups(
        self, model: Any, embedding: ImageEmbedding, prompts: Sequence[Prompt], prompts_at_once: int
    ) -> list[Candidate]:
        decoder, size = self._decoders_of(model, embedding).prompts, embedding.original_size
        candidates: dict[int, Candidate] = {}
        for multimask in (True, False):
            places = [place for place, prompt in enumerate(prompts) if prompt.is_single_click is multimask]
            for start in range(0, len(places), prompts_at_once):
                group = places[start : start + prompts_at_once]
                tensors = prompts_to_tensors(model, size, *(prompts[place] for place in group))
                logits, scores = decoder.decode(embedding, tensors, multimask=multimask)
                best = torch.arange(len(group), device=scores.device), scores.argmax(dim=1)
                masks = enlarge(logits[best][:, None], size)[:, 0] > MASK_THRESHOLD
                found = map(Candidate, masks.cpu().numpy(), scores[best].tolist())
                candidates |= dict(zip(group, found, strict=True))
        return [candidates[place] for place in range(len(prompts))]


class _Decoders:
    """What decodes embeddings with one copy of the model."""

    def __init__(self, model: Any, encode: Callable[[Pixels], ImageEmbedding]) -> None:
        self.prompts, self.automatic_masks = PromptDecoder(model), AutomaticMasks(model, encode)
