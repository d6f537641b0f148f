"""The "mobile_sam" family: MobileSAM, which is SAM with a TinyViT in place of its image encoder.

Prompt encoder, mask decoder and preprocessing are those of SAM, so `SamSegmenter` serves it. The published file holds a
state dict. The names of the encoder's parameters are those of TinyViT's first code, which differ from timm's:

    published                                     here, below "image_encoder."
    image_encoder.patch_embed.seq.0.c.weight      patch_embed.conv1.conv.weight
    image_encoder.patch_embed.seq.2.bn.bias       patch_embed.conv2.bn.bias
    image_encoder.layers.0.downsample.conv1…      stages.1.downsample.conv1…   at the end there, at the beginning here
    image_encoder.layers.2.blocks.5.local_conv.c… stages.2.blocks.5.local_conv.conv…
    image_encoder.neck.0.weight                   neck.0.weight
    prompt_encoder.…, mask_decoder.…              the same names
    image_encoder.norm_head.…, image_encoder.head.…, ….attention_bias_idxs   not used: the classifier, and indices that
                                                  timm computes

Source: mobile_sam/build_sam.py and mobile_sam/modeling/tiny_vit_sam.py of https://github.com/ChaoningZhang/MobileSAM.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from segment_anything.modeling import Sam

from backend.errors import CheckpointError
from backend.models.checkpoints import assign_weights, load_state_dict
from backend.models.entries import SegmenterEntry
from backend.models.protocols import Segmenter
from backend.models.sam.architectures import DecoderSizes, assemble_sam
from backend.models.sam.segmenter import SamSegmenter
from backend.models.sam.tiny_vit import PIXELS_PER_CELL, TINY_VIT_5M, TinyVitEncoder, TinyVitSizes

IMAGE_SIZE = 1024
_DECODER = DecoderSizes(channels=256, mlp_dim=2048, num_heads=8)
_UNUSED = re.compile(r"image_encoder\.(norm_head|head)\.|.*\.attention_bias_idxs$")
_REMEDY = "Set SAM_MODEL and SAM_CHECKPOINT to a model and its checkpoint, or download mobile_sam.pt again with `{}`."
_DOWNLOAD = "python -m scripts.download_models mobile_sam"


def build(entry: SegmenterEntry, checkpoint: Path, *, device: str, dtype: str) -> Segmenter:
    """Build MobileSAM and load its published weights.

    Raises:
        BadSettings: Unknown device or dtype.
        CheckpointError: Damaged, or the weights of another model.
    """
    model = build_mobile_sam()
    load_published(model, checkpoint, entry.name)
    return SamSegmenter(model, device=device, encoder_dtype=dtype, name=entry.name, family=entry.family)


def build_mobile_sam(
    sizes: TinyVitSizes = TINY_VIT_5M, decoder: DecoderSizes = _DECODER, *, image_size: int = IMAGE_SIZE
) -> Sam:
    """Build MobileSAM with random weights, in evaluation mode, on the CPU; other sizes are for tests."""
    encoder = TinyVitEncoder(sizes, img_size=image_size, out_chans=decoder.channels)
    return assemble_sam(encoder, decoder, image_size=image_size, pixels_per_cell=PIXELS_PER_CELL)


def published_name(name: str) -> str:
    """Return the name that a parameter of ours has in the published file."""
    prefix, _, rest = name.partition(".")
    if prefix != "image_encoder":
        return name
    rest = re.sub(r"^patch_embed\.conv([12])\.", lambda match: f"patch_embed.seq.{2 * int(match[1]) - 2}.", rest)
    rest = re.sub(r"^stages\.(\d+)\.downsample\.", lambda match: f"layers.{int(match[1]) - 1}.downsample.", rest)
    rest = re.sub(r"^stages\.", "layers.", rest)
    return f"{prefix}.{re.sub(r'[.]conv[.]weight$', '.c.weight', rest)}"


def load_published(model: Sam, path: Path, model_name: str) -> None:
    """Load a file with the published names; all names and shapes must match, except for unused ones.

    Raises:
        CheckpointError: A folder, a damaged file, or the weights of another model; its names are the file's.
    """
    if path.is_dir():
        raise CheckpointError(
            f"{path} is a folder, but the weights of {model_name!r} are one file.", remedy=_REMEDY.format(_DOWNLOAD)
        )
    state = load_state_dict(path)
    names = {name: published_name(name) for name in model.state_dict()}
    expected = set(names.values())
    missing = [name for name in names.values() if name not in state]
    unexpected = [name for name in state if name not in expected and not _UNUSED.match(name)]
    if missing or unexpected:
        differences = [_list("missing", missing), _list("unexpected", unexpected)]
        message = (
            f"The checkpoint {path} does not match the model {model_name!r}: {'; '.join(filter(None, differences))}."
        )
        raise CheckpointError(f"{message}{_guess_family(state)}", remedy=_REMEDY.format(_DOWNLOAD))
    assign_weights(model, {name: state[published] for name, published in names.items()}, path, model_name)


def _list(what: str, names: Sequence[str]) -> str:
    more = f" and {len(names) - 2} more" if len(names) > 2 else ""
    return f"{what} {', '.join(names[:2])}{more}" if names else ""


def _guess_family(state: Mapping[str, object]) -> str:
    """Return a sentence on whose weights they are, if their names tell."""
    if any(name.startswith("image_encoder.blocks.") for name in state):
        return " These are weights of SAM's first release (vit_b, vit_l, vit_h)."
    if any(name.startswith(("vision_encoder.", "detector_model.")) for name in state):
        return " These are weights of a model of transformers, such as SAM 2.1 or EdgeTAM."
    return ""
