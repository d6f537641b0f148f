"""Imports run only downward. This table is the house; change it together with the house."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
VALUES = {"values", "errors"}
MAY_IMPORT = {
    "values": set(),
    "errors": set(),
    "lru": set(),
    "patience": {"errors"},
    "connection": set(),
    "wording": {"label_studio"},
    "settings": {"errors"},
    "project_settings": {"errors"},
    "geometry": VALUES,
    "cache": VALUES | {"lru"},
    "executor": VALUES | {"patience"},
    "loading": VALUES,
    "image": VALUES | {"lru"},
    "models": VALUES | {"geometry"},
    "label_studio": VALUES | {"geometry", "lru"},
    "export": VALUES | {"geometry"},
    "text_prompts": VALUES,
    "proposed": VALUES,
    "text_finder": VALUES | {"image", "lru", "proposed", "text_prompts"},
    "labeler": VALUES | {"geometry", "image", "lru", "text_finder"},
    "embedding": VALUES | {"executor", "image", "labeler", "patience"},
    "clicks": VALUES | {"geometry", "labeler", "image", "label_studio"},
    "naming": VALUES | {"labeler", "image", "label_studio", "project_settings"},
    "jobs": VALUES | {"project_settings"},
    "predict": VALUES
    | {
        "jobs",
        "embedding",
        "clicks",
        "naming",
        "labeler",
        "image",
        "label_studio",
        "executor",
        "geometry",
        "patience",
        "project_settings",
        "text_prompts",
    },
    "walks": {"label_studio"},
    "warming": VALUES | {"labeler", "image", "label_studio", "predict", "walks"},
    "setups": VALUES | {"label_studio", "project_settings"},
    "status": VALUES | {"cache", "executor"},
    "answering": VALUES | {"jobs", "patience", "predict", "warming", "label_studio", "status", "project_settings"},
    "incoming": VALUES | {"connection", "label_studio"},
    "health": VALUES | {"status"},
    "app": VALUES | {"answering", "connection", "health", "incoming", "wording", "label_studio", "status", "setups"},
    "model": VALUES | {"jobs", "project_settings", "setups", "predict", "label_studio", "settings", "wiring"},
    "wiring": VALUES
    | {
        "settings",
        "cache",
        "executor",
        "loading",
        "image",
        "models",
        "label_studio",
        "labeler",
        "predict",
        "setups",
        "status",
        "warming",
    },
    "wsgi": VALUES | {"cache", "setups", "app", "loading", "predict", "settings", "status", "warming", "wiring"},
}
TENANTS = {
    "flask": {"app"},
    "werkzeug": {"app"},
    "torch": {"models", "loading", "wiring"},
    "torchvision": {"models", "loading"},
    "open_clip": {"models"},
    "segment_anything": {"models"},
    "redis": {"cache"},
    "PIL": {"image", "export"},
    "requests": {"label_studio"},
    "urllib3": {"label_studio"},
    "label_studio_sdk": {"label_studio"},
    "label_studio_ml": {"model"},
    "pycocotools": {"export", "geometry"},
    "cv2": {"geometry", "label_studio", "models"},
    "prometheus_client": {"status"},
}


def modules() -> list[Path]:
    return sorted((ROOT / "backend").rglob("*.py"))


def room_of(path: Path) -> str:
    parts = path.relative_to(ROOT / "backend").with_suffix("").parts
    return "" if parts == ("__init__",) else parts[0]


def imports_of(path: Path) -> set[str]:
    """Absolute dotted names that a module imports, wherever in it."""
    package = list(path.relative_to(ROOT).with_suffix("").parts[:-1])
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            module = ".".join([*base, *([node.module] if node.module else [])])
            names |= {f"{module}.{alias.name}" for alias in node.names}
    return names


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(ROOT)))
def test_a_room_imports_only_what_its_floor_allows(path: Path) -> None:
    room = room_of(path)
    if not room:
        assert imports_of(path) == set(), "backend/__init__.py imports nothing"
        return
    assert room in MAY_IMPORT, f"{room} is a new room: give it a place in the table"
    own = {name.split(".")[1] for name in imports_of(path) if name.startswith("backend.")}
    assert own - {room} <= MAY_IMPORT[room]


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(ROOT)))
def test_a_library_is_used_only_by_its_tenant(path: Path) -> None:
    room = room_of(path)
    strangers = {name.split(".")[0] for name in imports_of(path) if room not in TENANTS.get(name.split(".")[0], {room})}
    assert strangers == set()


def test_the_tables_would_notice_a_wrong_import(tmp_path: Path) -> None:
    assert "cache" not in MAY_IMPORT["labeler"]
    assert "app" not in MAY_IMPORT["wiring"]
    assert imports_of(ROOT / "backend" / "cache" / "stores.py") >= {"redis", "backend.values.ImageEmbedding"}


@pytest.mark.parametrize("name", ["backend", "backend.app", "backend.predict", "backend.wiring", "backend.cache"])
def test_importing_does_not_load_torch(name: str) -> None:
    import subprocess
    import sys

    code = f"import sys, {name}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0
