"""Choice of the torch device and of the encoder's precision."""

from __future__ import annotations

import torch

from backend.errors import BadSettings

MIN_BFLOAT16_CAPABILITY = 8  # major compute capability (Ampere); older cards emulate bfloat16, which is slow


def choose_device(name: str) -> torch.device:
    """Return the torch device; "auto" is CUDA if available. Raises `BadSettings` if the device does not exist."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise BadSettings(f"DEVICE is {name!r}, which torch does not know.", remedy="Use auto, cpu or cuda.") from error
    if device.type == "cuda" and (not torch.cuda.is_available() or (device.index or 0) >= torch.cuda.device_count()):
        raise BadSettings(
            f"DEVICE is {name!r}, but torch sees {torch.cuda.device_count()} CUDA devices.",
            remedy="Use DEVICE=auto, or repair the CUDA driver.",
        )
    return device


def choose_encoder_dtype(name: str, device: torch.device) -> torch.dtype:
    """Return the dtype: "auto" is bfloat16 on CUDA (float16 on older cards); on a CPU it is always float32."""
    if name == "auto":
        if device.type != "cuda":
            return torch.float32
        major, _ = torch.cuda.get_device_capability(device)
        return torch.bfloat16 if major >= MIN_BFLOAT16_CAPABILITY else torch.float16
    known = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}
    if name not in known:
        message = f"SAM_DTYPE is {name!r}, which is not a known dtype."
        raise BadSettings(message, remedy=f"Use one of auto, {', '.join(known)}.")
    return known[name] if device.type == "cuda" else torch.float32
