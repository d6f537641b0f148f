"""The floor plan: which room may import which, checked against the code. Change it together with the house.

A row lists exactly what its room imports, so a row that is wider than the code fails too. Rows are sorted by floor: a
room imports only rooms of the rows above it.
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

from tests.paths import ROOT

BACKEND = ROOT / "backend"
ROOMS_OF_LABEL_STUDIO = {"config", "results", "requests", "api"}
MAY_IMPORT: dict[str, set[str]] = {
    "": set(),
    "values": set(),
    "safe_text": set(),
    "errors": {"safe_text"},
    "settings": {"errors", "safe_text"},
    "logs": {"safe_text"},
    "runtime": {"errors", "values"},
    "geometry": {"values"},
    "export": {"errors", "geometry", "values"},
    "models": {"errors", "geometry", "runtime", "values"},
    "cache": {"errors", "runtime", "values"},
    "images": {"errors", "runtime", "values"},
    "fetching": {"errors", "runtime", "safe_text"},
    "engine": {"errors", "geometry", "images", "runtime", "values"},
    "label_studio": set(),
    "label_studio/config": {"errors", "values"},
    "label_studio/results": {"errors", "geometry", "label_studio/config", "values"},
    "label_studio/requests": {"errors", "geometry", "label_studio/config", "label_studio/results", "runtime", "values"},
    "label_studio/api": {"errors", "fetching", "runtime"},
    "projects": {"errors", "label_studio/config", "runtime"},
    "prefetch": {"errors", "images", "label_studio/config", "label_studio/requests", "values"},
    "bulk": {
        "errors",
        "export",
        "geometry",
        "images",
        "label_studio/api",
        "label_studio/config",
        "label_studio/requests",
        "label_studio/results",
        "values",
    },
    "importing": {
        "bulk",
        "errors",
        "export",
        "geometry",
        "images",
        "label_studio/api",
        "label_studio/config",
        "label_studio/requests",
        "label_studio/results",
        "values",
    },
    "report": {
        "errors",
        "export",
        "geometry",
        "images",
        "label_studio/config",
        "label_studio/results",
        "values",
    },
    "folders": {
        "bulk",
        "engine",
        "errors",
        "export",
        "geometry",
        "images",
        "label_studio/config",
        "label_studio/results",
        "values",
    },
    "predict": {
        "engine",
        "errors",
        "fetching",
        "geometry",
        "images",
        "label_studio/config",
        "label_studio/requests",
        "label_studio/results",
        "projects",
        "runtime",
        "values",
    },
    "wiring": {
        "cache",
        "engine",
        "errors",
        "fetching",
        "images",
        "label_studio/api",
        "label_studio/config",
        "label_studio/requests",
        "models",
        "predict",
        "prefetch",
        "projects",
        "runtime",
        "settings",
        "values",
    },
    "server": {
        "cache",
        "errors",
        "label_studio/config",
        "label_studio/requests",
        "label_studio/results",
        "logs",
        "predict",
        "prefetch",
        "projects",
        "runtime",
        "safe_text",
        "values",
    },
    "http_worker": {"errors", "runtime"},
    "wsgi": {"cache", "errors", "logs", "runtime", "safe_text", "server", "settings", "wiring"},
    "model": {
        "errors",
        "label_studio/config",
        "label_studio/requests",
        "label_studio/results",
        "predict",
        "projects",
        "safe_text",
        "settings",
        "wiring",
    },
}
PARTS_OF_MODELS = {"sam", "clip", "transformers_sam", "detectors", "automatic_masks"}
PARTS_OF_EXPORT = {"writers", "readers", "output_folder"}
LOADED_LAZILY = {"models"}  # importing the room itself must not load torch, so its modules are imported by name
TENANTS = {
    "cv2": {"geometry", "label_studio/results", "models"},
    "flask": {"server"},
    "gunicorn": {"http_worker", "logs"},
    "jinja2": {"report", "server"},
    "label_studio_ml": {"model"},
    "label_studio_sdk": {"label_studio/api"},
    "matplotlib": {"report"},
    "open_clip": {"models"},
    "PIL": {"images", "export"},
    "prometheus_client": {"server"},
    "pycocotools": {"export", "geometry"},
    "pydantic": {"settings"},
    "pythonjsonlogger": {"logs"},
    "ray": {"bulk"},
    "redis": {"cache"},
    "requests": {"fetching", "label_studio/api"},
    "segment_anything": {"models"},
    "timm": {"models"},
    "torch": {"models", "runtime", "wiring"},
    "torchvision": {"models", "runtime"},
    "transformers": {"models"},
    "urllib3": {"fetching"},
    "werkzeug": {"server"},
}


def modules() -> list[Path]:
    return sorted(BACKEND.rglob("*.py"))


def room_of_parts(parts: tuple[str, ...]) -> str:
    """The room of a dotted name below `backend`; "" for the package itself."""
    if len(parts) > 1 and parts[0] == "label_studio" and parts[1] in ROOMS_OF_LABEL_STUDIO:
        return f"label_studio/{parts[1]}"
    return parts[0] if parts else ""


def room_of(path: Path) -> str:
    parts = path.relative_to(BACKEND).with_suffix("").parts
    return room_of_parts(parts[:-1] if parts[-1] == "__init__" else parts)


@cache
def imports_of(path: Path) -> frozenset[tuple[str, str]]:
    """(module, name) of each import, wherever in the module; the name is "" for `import module`."""
    package = path.relative_to(ROOT).with_suffix("").parts[:-1]
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {(alias.name, "") for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            module = ".".join([*base, *([node.module] if node.module else [])])
            found |= {(module, alias.name) for alias in node.names}
    return frozenset(found)


def rooms_imported_by(path: Path) -> set[str]:
    names = [module if module != "backend" else f"backend.{name}" for module, name in imports_of(path)]
    rooms = {room_of_parts(tuple(name.split(".")[1:])) for name in names if name.split(".")[0] == "backend"}
    return rooms - {room_of(path)}


def test_each_room_imports_exactly_what_its_row_says() -> None:
    actual: dict[str, set[str]] = {room: set() for room in MAY_IMPORT}
    for path in modules():
        actual.setdefault(room_of(path), set()).update(rooms_imported_by(path))
    assert {room: sorted(rooms) for room, rooms in actual.items()} == {
        room: sorted(rooms) for room, rooms in MAY_IMPORT.items()
    }


def test_imports_run_only_downward() -> None:
    above: set[str] = set()
    for room, allowed in MAY_IMPORT.items():
        assert allowed <= above, f"{room} imports {sorted(allowed - above)}, which are not below it"
        above.add(room)


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(ROOT)))
def test_a_room_is_imported_by_its_public_names(path: Path) -> None:
    """From another room one imports the room, not its files: what the room's `__init__` hands on is its interface."""
    private = {
        module
        for module, _ in imports_of(path)
        if module.startswith("backend.")
        and (room := room_of_parts(tuple(module.split(".")[1:]))) not in {room_of(path), *LOADED_LAZILY}
        and module != "backend." + room.replace("/", ".")
    }
    assert private == set()


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(ROOT)))
def test_a_library_is_used_only_by_its_tenants(path: Path) -> None:
    room = room_of(path)
    used = {module.split(".")[0] for module, _ in imports_of(path)}
    assert {library for library in used if room not in TENANTS.get(library, {room})} == set()


def test_ray_is_imported_in_one_module_and_only_when_it_is_used() -> None:
    importing = {
        path.name for path in modules() if any(module.split(".")[0] == "ray" for module, _ in imports_of(path))
    }
    assert importing == {"ray_engine.py"}
    code = "import sys, backend.bulk; sys.exit('ray' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


def test_the_package_itself_imports_nothing() -> None:
    assert imports_of(BACKEND / "__init__.py") == frozenset()


def test_a_room_says_what_it_is_for() -> None:
    for folder in {path.parent for path in modules()}:
        documented = ast.get_docstring(ast.parse((folder / "__init__.py").read_text(encoding="utf-8")))
        assert documented, f"{folder.relative_to(ROOT)}/__init__.py has no docstring"


def test_only_doors_stand_loose() -> None:
    loose = {path.name for path in BACKEND.glob("*.py")}
    assert loose == {"__init__.py", "values.py", "errors.py", "wiring.py", "wsgi.py", "model.py"}


def test_no_file_is_longer_than_250_lines() -> None:
    lengths = {str(path.relative_to(ROOT)): len(path.read_text(encoding="utf-8").splitlines()) for path in modules()}
    assert {path: length for path, length in lengths.items() if length > 250} == {}


BROAD = {"Exception", "BaseException", "BackendError"}


def names_in(*nodes: ast.AST | None) -> set[str]:
    """Names and attributes that stand anywhere in some code."""
    found = [part for node in nodes if node is not None for part in ast.walk(node)]
    return {part.id for part in found if isinstance(part, ast.Name)} | {
        part.attr for part in found if isinstance(part, ast.Attribute)
    }


def drops_its_error(node: ast.AST) -> bool:
    """Whether code catches any error and neither raises, nor logs, nor uses what it has caught."""
    if isinstance(node, ast.Call):
        return bool(names_in(node.func) & {"suppress"} and names_in(*node.args) & BROAD)
    if not isinstance(node, ast.ExceptHandler) or not (node.type is None or names_in(node.type) & BROAD):
        return False
    raises = any(isinstance(part, ast.Raise) for statement in node.body for part in ast.walk(statement))
    return not (raises or names_in(*node.body) & {node.name, "exception", "print_exc", "exc_info"})


@pytest.mark.parametrize("code", ["suppress(Exception)", "contextlib.suppress(OSError, errors.BackendError)"])
def test_a_suppressed_catch_all_is_seen(code: str) -> None:
    assert any(map(drops_its_error, ast.walk(ast.parse(code))))


@pytest.mark.parametrize(
    ("handler", "drops"),
    [
        ("except Exception: pass", True),
        ("except: x = 1", True),
        ("except (OSError, BackendError) as error: x = 1", True),
        ("except BaseException: raise", False),
        ("except Exception: log.exception('x')", False),
        ("except Exception as error: failures.append(error)", False),
        ("except OSError: pass", False),
    ],
)
def test_a_catch_all_is_told_from_one_that_keeps_its_error(handler: str, drops: bool) -> None:
    assert any(map(drops_its_error, ast.walk(ast.parse(f"try: work()\n{handler}")))) == drops


def test_every_catch_all_raises_logs_or_records_what_it_has_caught() -> None:
    """Errors of one kind, such as OSError when something is tidied up, may be passed over; any error may not."""
    files = [*BACKEND.rglob("*.py"), *(ROOT / "scripts").rglob("*.py")]
    dropped = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in files
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if drops_its_error(node)
    ]
    assert dropped == []


def test_the_readmes_tree_shows_every_room() -> None:
    tree = (ROOT / "README.md").read_text(encoding="utf-8").split("## How it works")[1].split("```")[1]
    shown = set(re.findall(r"[├└]── (\w+)/", tree))
    assert (
        shown == {path.parent.name for path in modules() if path.parent != BACKEND} - PARTS_OF_MODELS - PARTS_OF_EXPORT
    )


def test_the_checks_read_what_is_there() -> None:
    cache_room = BACKEND / "cache"
    assert {"redis"} <= {module for module, _ in imports_of(cache_room / "redis_client.py")}
    assert rooms_imported_by(cache_room / "stores.py") >= {"runtime", "values"}
    assert room_of(BACKEND / "label_studio" / "results" / "build.py") == "label_studio/results"


@pytest.mark.parametrize(
    "name",
    [
        "backend",
        "backend.server",
        "backend.predict",
        "backend.wiring",
        "backend.cache",
        "backend.bulk",
        "backend.models.registry",
        "backend.models.checkpoints",
        "backend.models.download",
    ],
)
def test_importing_does_not_load_torch(name: str) -> None:
    code = f"import sys, {name}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0
