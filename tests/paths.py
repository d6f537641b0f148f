"""Where tests find the project's own files."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
PAYLOADS = ROOT / "tests" / "payloads"
