"""Label Studio's recorded JSON in tests/payloads."""

from __future__ import annotations

import json
from typing import Any

from tests.paths import PAYLOADS


def load_payload(name: str) -> Any:
    """A recorded document; of a recorded request its JSON body."""
    document = json.loads((PAYLOADS / f"{name}.json").read_text())
    return document["json"] if isinstance(document, dict) and "json" in document else document
