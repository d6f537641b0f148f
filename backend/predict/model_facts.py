"""ModelFacts: which models are loaded, as data. The room that shows it words it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ModelFacts:
    """Identity of the loaded models.

    Attributes:
        sam_name: Architecture, as in SAM_MODEL.
        sam_sha256: Digest of SAM's checkpoint, in hexadecimal.
        clip_name: Architecture, as in CLIP_MODEL.
        clip_sha256: Digest of CLIP's checkpoint; "" if CLIP is not loaded.
        clip_problem: Why CLIP is not loaded; "" if it is.
        device: Where SAM runs, as torch names it ("cpu", "cuda:0").
        encoder_dtype: Of SAM's image encoder ("float32", "float16").
        model_version: Identifies the weights; stored with every prediction.
        is_demo: Whether one of the models is a demo model, which knows only the demo's synthetic shapes.
        sam_family: Models of one family share code and the layout of their embeddings ("sam1", "sam2").
        detector_name: As in DETECTOR.
        detector_sha256: Digest of the detector's folder; "" if none is loaded.
        detector_problem: Why none is loaded; "" if one is.
    """

    sam_name: str
    sam_sha256: str
    clip_name: str
    clip_sha256: str
    clip_problem: str
    device: str
    encoder_dtype: str
    model_version: str
    is_demo: bool
    sam_family: str = "sam1"
    detector_name: str = "none"
    detector_sha256: str = ""
    detector_problem: str = "DETECTOR is none"

    @property
    def has_clip(self) -> bool:
        return not self.clip_problem

    @property
    def lacks_detector(self) -> bool:
        """Whether a detector was asked for and is not loaded."""
        return self.detector_name != "none" and bool(self.detector_problem)
