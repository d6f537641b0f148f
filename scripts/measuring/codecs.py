"""Brush RLE encoding and decoding against label_studio_sdk's converter."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from label_studio_sdk.converter.brush import decode_rle, mask2rle

from backend.label_studio.results import decode_brush, encode_brush
from backend.values import Mask, Size
from scripts.measuring.timing import Row, compare

TURN_MS = 100  # a codec runs repeatedly for about this long
SDK = "label_studio_sdk.converter"


def measure_codec(what: str, masks: Sequence[Mask], *, repeats: int) -> list[Row]:
    """Measure all masks in each repeat; the times are per mask."""
    height, width = masks[0].shape
    encoded = [encode_brush(mask) for mask in masks]
    sdk_masks = [mask.astype(np.uint8) * 255 for mask in masks]
    if encoded != [mask2rle(mask) for mask in sdk_masks]:
        raise AssertionError("the encoded bytes differ from the SDK's, so the times are not comparable")
    size, each = Size(width, height), len(masks)
    return [
        per_mask(
            compare(
                "Brush RLE",
                f"encode a mask, {what}",
                lambda: [encode_brush(mask) for mask in masks],
                f"{SDK}: mask2rle",
                lambda: [mask2rle(mask) for mask in sdk_masks],
                repeats=repeats,
                aim=8,
                remark="the same bytes",
                turn_ms=TURN_MS,
            ),
            each,
        ),
        per_mask(
            compare(
                "Brush RLE",
                f"decode a mask to (H, W), {what}",
                lambda: [decode_brush(rle, size) for rle in encoded],
                f"{SDK}: decode_rle",
                lambda: [decode_rle(rle).reshape(height, width, 4)[:, :, 3] > 127 for rle in encoded],
                repeats=repeats,
                aim=30,
                turn_ms=TURN_MS,
            ),
            each,
        ),
    ]


def per_mask(row: Row, masks: int) -> Row:
    """Convert a row for several masks to one per mask."""
    values = {**vars(row), "p50_ms": row.p50_ms / masks, "p95_ms": row.p95_ms / masks}
    values["peer_p50_ms"] = None if row.peer_p50_ms is None else row.peer_p50_ms / masks
    return Row(**values)
