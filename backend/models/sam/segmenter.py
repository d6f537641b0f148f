"""SamSegmenter: an image to its embedding, an embedding and a prompt to masks. There is no current image.

Results equal those of `segment_anything.SamPredictor` and `SamAutomaticMaskGenerator` with the same weights; the tests
compare them. Unlike there, the embedding is an argument, a click is decoded with less work (see `prompt_decoder`), only
the masks that are used are upscaled to the original size, and a device that runs out of memory costs time but does not
change the result.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from segment_anything.modeling import Sam

from backend.models.device_segmenter import DeviceSegmenter
from backend.models.mask_prompt import coverage_to_logits
from backend.models.sam.automatic_masks import AutomaticMasks, batch_sizes
from backend.models.sam.prompt_decoder import PromptDecoder
from backend.models.sam.prompt_groups import PromptGroups
from backend.models.sam.resize import ResizeToInput
from backend.models.sam.steps import FAMILY, IMAGE_EMBED, enlarge
from backend.models.sam.torch_prompt import prompt_to_torch
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


class SamSegmenter(DeviceSegmenter[Sam, "_Decoders"]):
    """SAM on one device.

    Args:
        model: SAM with its weights; it is moved to the device and never trained.
        device: "auto", "cpu", "cuda" or "cuda:N".
        encoder_dtype: "auto" (bfloat16 or float16 on CUDA, float32 on a CPU) or a torch dtype's name.
        name: The model's name in the registry, for the log and for errors.
        family: Family name in the embeddings; those of another family are refused.
    """

    def __init__(
        self,
        model: Sam,
        *,
        device: str = "auto",
        encoder_dtype: str = "auto",
        name: str = "SAM",
        family: str = FAMILY,
    ) -> None:
        super().__init__(
            model,
            lambda copy: _Decoders(copy, self.encode),
            preprocessing=f"pre{PREPROCESSING_VERSION}",
            family=family,
            device=device,
            encoder_dtype=encoder_dtype,
            name=name,
        )
        self._transform = ResizeToInput(model.image_encoder.img_size)

    def encode(self, pixels: Pixels) -> ImageEmbedding:
        """Run the image encoder, the expensive half of SAM.

        Args:
            pixels: uint8 RGB (H, W, 3).

        Returns:
            One array, "image_embed", in `embedding_dtype`; (256, 64, 64) for SAM's own models.

        Source: segment_anything.SamPredictor.set_image.
        """
        resized = self._transform.apply_image(pixels)
        features = self._sam.run(("an image", lambda model: self._encode(model, resized)))
        size, input_size = (Size(a.shape[1], a.shape[0]) for a in (pixels, resized))
        arrays = {IMAGE_EMBED: features.astype(self.embedding_dtype, copy=False)}
        return ImageEmbedding(arrays, size, input_size, self._family)

    def embedding_spec(self, size: Size) -> EmbeddingSpec:
        """Return the arrays and sizes that `encode` returns for an image of this size."""
        prompt_encoder, transform = self._sam.model.prompt_encoder, self._transform
        height, width = transform.get_preprocess_shape(size.height, size.width, transform.target_length)
        shape = (prompt_encoder.embed_dim, *prompt_encoder.image_embedding_size)
        return EmbeddingSpec({IMAGE_EMBED: (self.embedding_dtype, shape)}, size, Size(width, height), self._family)

    def decode_many(self, embedding: ImageEmbedding, prompts: Sequence[Prompt]) -> list[Candidate]:
        """Predict the best mask of each prompt, which is a single click or a box alone; the masks have no logits."""

        def decode_in_groups(count: int, model: Sam) -> list[Candidate]:
            return self._decoders_of(model, embedding).groups.decode(embedding, prompts, count)

        sizes = batch_sizes(self._sam.model) if prompts else ()
        variants = [(f"{count} prompts at once", partial(decode_in_groups, count)) for count in sizes]
        return self._sam.run(*variants) if variants else []

    def propose(
        self, embedding: ImageEmbedding, parameters: ProposalParameters, pixels: Pixels | None = None
    ) -> list[Candidate]:
        """Generate masks of everything in the image: `SamAutomaticMaskGenerator` on an existing embedding.

        Args:
            pixels: Of the image; needed only with `parameters.crop_n_layers`, whose crops are encoded here.

        Returns:
            Best predicted IoU first.
        """

        def propose_in_batches(points: int, model: Sam) -> list[Candidate]:
            return self._decoders_of(model, embedding).automatic_masks.propose(embedding, parameters, points, pixels)

        sizes = batch_sizes(self._sam.model)
        return self._sam.run(*((f"{points} points at once", partial(propose_in_batches, points)) for points in sizes))

    def mask_to_logits(self, mask: Mask) -> NDArray[np.float32]:
        """Convert a mask on the page (an answer, painted, or pre-annotated) to SAM's mask prompt.

        SAM's own logits are not kept: another replica, or the same one after a restart, does not have them and would
        answer the next click differently. They grow with the distance from the border, and so do these. Mean IoU after
        one corrective click on 391 objects of tuning scenes of the demo world and 394 of the second renderer:

        - from SAM's own logits 0.9490 and 0.9486, from these 0.9485 and 0.9472;
        - with 3 logits a pixel 0.9482 and 0.9460; with 10 inside and -10 outside 0.9474 and 0.9438.

        Returns:
            float32 (1, M, M), see `coverage_to_logits`; M is four times the side of the embedding.
        """
        side = self._sam.model.prompt_encoder.mask_input_size[0]
        length = self._transform.target_length
        height, width = self._transform.get_preprocess_shape(mask.shape[0], mask.shape[1], length)
        resized = torch.from_numpy(mask.astype(np.float32))[None, None]
        resized = torch.nn.functional.interpolate(resized, (height, width), mode="bilinear", antialias=True)
        canvas = torch.zeros(1, 1, length, length)
        canvas[..., :height, :width] = resized
        canvas = torch.nn.functional.interpolate(canvas, (side, side), mode="bilinear", antialias=True)
        return coverage_to_logits(canvas[0, 0].numpy())

    @torch.inference_mode()
    def _encode(self, model: Sam, resized: Pixels) -> NDArray[np.float32]:
        image = torch.as_tensor(resized, device=model.device).permute(2, 0, 1).contiguous()[None]
        use_autocast = self._encoder_dtype != torch.float32 and model.device.type == "cuda"
        with torch.autocast(model.device.type, dtype=self._encoder_dtype, enabled=use_autocast):
            features = model.image_encoder(model.preprocess(image))
        array: NDArray[np.float32] = features[0].float().cpu().numpy()
        return array

    @torch.inference_mode()
    def _decode(
        self,
        model: Sam,
        embedding: ImageEmbedding,
        prompt: Prompt,
        max_masks: int | None,
        revise: ReviseLogits | None,
    ) -> list[Candidate]:
        """Decode with one copy. Source: segment_anything.SamPredictor.predict_torch."""
        points, boxes, masks = prompt_to_torch(model, embedding, prompt)
        sparse, dense = model.prompt_encoder(points=points, boxes=boxes, masks=masks)
        low_res_masks, scores = self._decoders_of(model, embedding).prompts.decode(
            embedding,
            sparse[0],
            None if masks is None else dense,
            multimask=prompt.is_single_click,
            max_masks=max_masks,
        )
        if revise is not None:
            scale = _cells_per_pixel(model, embedding)
            revised = np.stack([revise(logits, scale) for logits in low_res_masks.cpu().numpy()])
            low_res_masks = torch.as_tensor(revised, device=model.device)
        enlarged = enlarge(model, low_res_masks[None], embedding)[0] > model.mask_threshold
        arrays = (t.cpu().numpy() for t in (enlarged, scores, low_res_masks))
        return [Candidate(m, float(s), logits[None]) for m, s, logits in zip(*arrays, strict=True)]


class _Decoders:
    """What decodes embeddings with one copy of the model."""

    def __init__(self, model: Sam, encode: Callable[[Pixels], ImageEmbedding]) -> None:
        self.prompts, self.groups = PromptDecoder(model), PromptGroups(model)
        self.automatic_masks = AutomaticMasks(model, encode)


def _cells_per_pixel(model: Sam, embedding: ImageEmbedding) -> tuple[float, float]:
    """Return the columns and rows of the low-resolution masks for each pixel of the original image."""
    cells = model.prompt_encoder.mask_input_size[0] / model.image_encoder.img_size
    original, given = embedding.original_size, embedding.input_size
    return cells * given.width / original.width, cells * given.height / original.height
