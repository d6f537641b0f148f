"""transformers' own way from an image and a prompt to masks, which the adapter must equal."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from backend.values import Mask, Pixels, Prompt
from tests.models.transformers_sam.tiny_models import SIDE


@dataclass(frozen=True)
class LibraryAnswer:
    """Best first: masks (N, H, W), scores (N,), logits (N, M, M)."""

    masks: list[Mask]
    scores: list[float]
    logits: NDArray[np.float32]


def build_processor(side: int = SIDE) -> Any:
    import transformers

    low = {"height": side // 4, "width": side // 4}
    images = transformers.Sam2ImageProcessor(size={"height": side, "width": side}, mask_size=low)
    return transformers.Sam2Processor(images, target_size=side)


def ask_library(model: Any, pixels: Pixels, prompt: Prompt) -> LibraryAnswer:
    """`model(image_embeddings=…)` and `post_process_masks`, with the processor's pixels and coordinates."""
    processor, sizes = build_processor(), [list(pixels.shape[:2])]
    arguments: dict[str, Any] = {}
    if prompt.point_coords:
        points, labels = [[[list(xy) for xy in prompt.point_coords]]], [[list(prompt.point_labels)]]
        given = processor(input_points=points, input_labels=labels, original_sizes=sizes, return_tensors="pt")
        arguments |= {"input_points": given["input_points"], "input_labels": given["input_labels"]}
    if prompt.box_xyxy is not None:
        given = processor(input_boxes=[[list(prompt.box_xyxy)]], original_sizes=sizes, return_tensors="pt")
        arguments["input_boxes"] = given["input_boxes"]
    if prompt.mask_logits is not None:
        arguments["input_masks"] = torch.from_numpy(prompt.mask_logits)[None]
    with torch.no_grad():
        pixel_values = processor(images=pixels, return_tensors="pt")["pixel_values"]
        embeddings = model.get_image_embeddings(pixel_values)
        output = model(image_embeddings=embeddings, multimask_output=prompt.is_single_click, **arguments)
    masks = processor.post_process_masks(output.pred_masks, sizes)[0][0]
    scores = output.iou_scores[0, 0]
    order = torch.argsort(scores, descending=True)
    return LibraryAnswer(list(masks[order].numpy()), scores[order].tolist(), output.pred_masks[0, 0, order].numpy())
