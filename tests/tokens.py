"""Tokens of Label Studio's two kinds, which no server accepts."""

from __future__ import annotations

import base64
import json
from typing import Any

LEGACY = "0123456789abcdef0123456789abcdef01234567"


def jwt(**claims: Any) -> str:
    parts = ({"alg": "HS256", "typ": "JWT"}, claims, "signature")
    return ".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts)


PAT = jwt(token_type="refresh", exp=8102414444, iat=1795214444, jti="x", user_id="1")
