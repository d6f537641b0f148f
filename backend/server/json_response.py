"""JSON responses."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson
from flask import Response


def json_response(document: Mapping[str, Any], http_status: int = 200) -> Response:
    """Build a response whose body is the document as JSON."""
    return Response(orjson.dumps(document), status=http_status, content_type="application/json")
