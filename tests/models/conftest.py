from __future__ import annotations

import pytest
from segment_anything.modeling import Sam

from backend.models.checkpoints import load_into
from backend.models.registry import DEMO_SAM
from backend.models.sam.architectures import build_sam


@pytest.fixture(scope="module")
def demo_sam() -> Sam:
    model = build_sam("demo")
    load_into(model, DEMO_SAM, "demo")
    return model
