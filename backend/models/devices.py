"""Which device and which precision."""

from __future__ import annotations

import torch

from backend.errors import BadSettings

HAS_BFLOAT16 = 8  # compute capability (Ampere); torch emulates it on older cards, which is slow


def choose_device(name: str) -> torch.device:
    """ "auto" is cuda where there is one. Raises `BadSettings` for a device that is not there."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise BadSettings(f"DEVICE is {name!r}, which torch does not know.", remedy="Use auto, cpu or cuda.") from error
    if device.type == "cuda" and (not torch.cuda.is_available() or (device.index or 0) >= torch.cuda.device_count()):
        raise BadSettings(
            f"DEVICE is {name!r}, but torch sees {torch.cuda.device_count()} CUDA devices.",
            remedy="Use DEVICE=auto, or mend the driver.",
        )
    return device


def choose_encoder_dtype(name: str, device: torch.device) -> torch.dtype:
    """ "auto" is bfloat16 (else float16) on cuda and float32 on a CPU."""
    if name == "auto":
        if device.type != "cuda":
            return torch.float32
        major, _ = torch.cuda.get_device_capability(device)
        return torch.bfloat16 if major >= HAS_BFLOAT16 else torch.float16
    known = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}
    if name not in known:
        raise BadSettings(f"SAM_DTYPE is {name!r}.", remedy=f"Use auto, {', '.join(known)}.")
    return known[name] if device.type == "cuda" else torch.float32
