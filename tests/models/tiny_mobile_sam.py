"""A small MobileSAM with random weights whose masks cover part of the image."""

from __future__ import annotations

import torch
from segment_anything.modeling import Sam
from torch import Tensor

from backend.models.sam.architectures import DecoderSizes
from backend.models.sam.mobile_sam import build_mobile_sam, published_name
from backend.models.sam.tiny_vit import TinyVitSizes

SIZES = TinyVitSizes(
    embed_dims=(8, 16, 24, 32), depths=(1, 1, 2, 1), num_heads=(1, 2, 3, 4), window_sizes=(7, 7, 14, 7)
)
IMAGE_SIZE = 256


def build_tiny() -> Sam:
    """Build a MobileSAM with the real classes, 256-pixel input, an embedding (32, 16, 16) and 64 x 64 masks."""
    return build_mobile_sam(SIZES, DecoderSizes(channels=32, mlp_dim=64, num_heads=4), image_size=IMAGE_SIZE)


def build_random() -> Sam:
    """Build a tiny MobileSAM of which every weight, bias and statistic is random.

    The seed and the gains are chosen so that masks cover between 5 and 95 % of the image, and that rounding does not
    grow from layer to layer, as it does with larger weights.
    """
    model, generator = build_tiny(), torch.Generator().manual_seed(19)
    for name, tensor in model.state_dict().items():
        if tensor.dtype != torch.float32:  # number of batches that the statistics are of
            continue
        noise = torch.randn(tensor.shape, generator=generator)
        if name.endswith("running_var"):
            tensor.copy_(0.5 + noise.abs())
        elif tensor.dim() == 1:
            tensor.copy_(0.2 * noise + float(name.endswith("weight")))
        elif name.endswith("attention_biases") or "embed" in name or "token" in name:
            tensor.copy_(noise)
        else:
            tensor.copy_(noise * (0.8 / tensor[0].numel() ** 0.5))
    for network in model.mask_decoder.output_hypernetworks_mlps:  # whose output is a factor of the logits
        network.layers[-1].weight.data *= 4
        network.layers[-1].bias.data *= 4
    return model.eval()


def publish(model: Sam) -> dict[str, Tensor]:
    """Return a state dict with the published file's names, its classifier included."""
    state = {published_name(name): tensor.clone() for name, tensor in model.state_dict().items()}
    width = SIZES.embed_dims[-1]
    unused = {
        "norm_head.weight": (width,),
        "norm_head.bias": (width,),
        "head.weight": (1000, width),
        "head.bias": (1000,),
    }
    return state | {f"image_encoder.{name}": torch.zeros(shape) for name, shape in unused.items()}
