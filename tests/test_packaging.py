"""The files at the root are the truth: requirements, make targets, container, compose, README."""

from __future__ import annotations

import ast
import os
import re
import runpy
import subprocess
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from backend.settings import Settings
from scripts.demo_circle.places import IMPORT_FLAG
from scripts.healthcheck import PID_FILE
from tests.paths import ROOT

VARIABLES = [name for name, _, _ in Settings.documentation()]
PRODUCT = ["requirements.txt", "requirements-models.txt"]
EXTRAS = ["requirements-formats.txt", "requirements-report.txt", "requirements-ray.txt"]
REQUIREMENTS = [*PRODUCT, "requirements-dev.txt", *EXTRAS]
PINNED = [
    *REQUIREMENTS,
    "requirements-label-studio-ml.txt",
    "requirements-label-studio.txt",
    "requirements-audit.txt",
]
LOCKS = ["requirements.lock", "requirements-label-studio-ml.lock"]
CONSTRAINTS = ["constraints.txt", "constraints-label-studio.txt"]


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def lines(name: str) -> list[str]:
    return [line for line in read(name).splitlines() if line.strip() and not line.startswith("#")]


def pins(*names: str) -> dict[str, str]:
    """Canonical distribution name -> version."""
    found = {}
    for line in (line for name in names for line in lines(name)):
        distribution, version = line.split("==")
        found[canonicalize_name(distribution)] = version
    return found


# ---- requirements


@pytest.mark.parametrize("name", [*PINNED, *CONSTRAINTS])
def test_every_requirement_is_one_pinned_version_for_every_python(name: str) -> None:
    unpinned = [line for line in lines(name) if not re.fullmatch(r"[A-Za-z0-9_.-]+==[0-9][A-Za-z0-9.]*", line)]
    assert unpinned == []
    assert lines(name)


@pytest.mark.parametrize("name", [*PINNED, *CONSTRAINTS, "Dockerfile", "Makefile", "scripts/setup/make_venv.sh"])
def test_nothing_says_where_packages_come_from(name: str) -> None:
    written = read(name).replace("http://127.0.0.1:9090", "")  # the health check asks its own container
    for forbidden in ("://", "file:", "--hash", "--index", "-index-url", "--find-links", "--trusted-host"):
        assert forbidden not in written


def locked(name: str) -> dict[str, tuple[str, list[str]]]:
    """Canonical distribution name -> version and SHA-256 digests of its files."""
    entries = re.split(r"\n(?=\S)", read(name).strip())
    found = {}
    for entry in entries:
        distribution, version = re.match(r"([A-Za-z0-9._-]+)==(\S+)", entry).groups()
        found[canonicalize_name(distribution)] = version, re.findall(r"--hash=sha256:([0-9a-f]{64})\b", entry)
    return found


def test_the_container_locks_every_requirement_at_its_version_with_digests() -> None:
    lock = locked("requirements.lock")
    versions = {name: version for name, (version, _) in lock.items()}
    assert pins(*PRODUCT).items() <= versions.items()
    known = pins(*PRODUCT, "constraints.txt")
    assert {name: known.get(name, version) for name, version in versions.items()} == versions
    assert [name for name, (_, digests) in lock.items() if not digests] == []
    assert "gunicorn" in lock and len(lock) > 80


def test_label_studio_ml_is_locked_apart_from_the_server() -> None:
    versions = {name: version for name, (version, _) in locked("requirements-label-studio-ml.lock").items()}
    assert versions == pins("requirements-label-studio-ml.txt")
    assert "label-studio-ml" not in locked("requirements.lock")


@pytest.mark.parametrize("name", LOCKS)
def test_a_lock_does_not_say_where_packages_come_from(name: str) -> None:
    assert not re.search(r"://|@|--(?!hash)", read(name))


def test_the_audit_fails_on_a_package_that_it_could_not_look_up() -> None:
    (command,) = re.findall(r"pip-audit .+", read("Makefile"))
    assert {"--strict", "--require-hashes", "requirements.lock"} <= set(command.split())


def test_constraints_and_requirements_do_not_name_the_same_package() -> None:
    assert pins(*REQUIREMENTS).keys() & pins("constraints.txt").keys() == set()
    assert pins("requirements-label-studio.txt").keys() & pins("constraints-label-studio.txt").keys() == set()


def test_label_studio_ml_brings_no_version_of_its_own_for_what_is_pinned_elsewhere() -> None:
    elsewhere, here = pins(*REQUIREMENTS, "constraints.txt"), pins("requirements-label-studio-ml.txt")
    assert {name: here[name] for name in here.keys() & elsewhere.keys()} == {
        name: elsewhere[name] for name in here.keys() & elsewhere.keys()
    }


def _needed(name: str, extras: frozenset[str]) -> Iterator[tuple[str, frozenset[str]]]:
    for text in metadata.requires(name) or ():
        requirement = Requirement(text)
        environments = [{"extra": extra} for extra in extras | {""}]
        if requirement.marker is None or any(requirement.marker.evaluate(e) for e in environments):
            yield canonicalize_name(requirement.name), frozenset(requirement.extras)


def test_everything_that_the_requirements_bring_along_is_pinned() -> None:
    known = pins(*REQUIREMENTS, "constraints.txt")
    waiting = [(name, frozenset[str]()) for name in pins(*REQUIREMENTS)]
    seen = set(waiting)
    while waiting:
        name, extras = waiting.pop()
        new = set(_needed(name, extras)) - seen
        seen |= new
        waiting += new
    assert {name for name, _ in seen} - known.keys() == set()
    assert len(seen) > 80  # torch's and the SDK's dependencies were really followed


def test_label_studio_ml_finds_everything_it_needs_without_its_own_pins() -> None:
    there = pins(*REQUIREMENTS, "constraints.txt", "requirements-label-studio-ml.txt")
    needed = {n for name in pins("requirements-label-studio-ml.txt") for n, _ in _needed(name, frozenset())}
    assert needed - there.keys() == {"attr"}  # the `attr` of its metadata is a mistake: it imports attrs


def _owners() -> dict[str, str]:
    """Which distribution a package is of; Python 3.10's own `packages_distributions` knows those with top_level.txt."""
    return {
        file.parts[0].split(".")[0]: name
        for distribution in metadata.distributions()
        for name in (distribution.metadata["Name"],)  # once, because each access parses the metadata again
        for file in distribution.files or ()
        if file.suffix in (".py", ".so")
    }


def imported_distributions(*folders: str) -> dict[str, str]:
    """Canonical distribution name -> a file that imports it; the standard library and the project left out."""
    owners, found = _owners(), {}
    for path in (path for folder in folders for path in sorted((ROOT / folder).rglob("*.py"))):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
                names = [node.module]
            for top in {name.split(".")[0] for name in names} - {"backend", "scripts", "tests"}:
                if top not in sys.stdlib_module_names:
                    found[canonicalize_name(owners[top])] = str(path.relative_to(ROOT))
    return found


def test_the_product_imports_exactly_what_its_requirements_name() -> None:
    imported = imported_distributions("backend", "scripts").keys() - {"label-studio-ml"}  # model.py, its own file
    assert imported == pins(*PRODUCT, *EXTRAS).keys()


def test_what_only_some_commands_need_is_imported_only_when_it_is_needed() -> None:
    modules = [f"scripts.{path.stem}" for path in sorted((ROOT / "scripts").glob("*.py"))]
    names = [name.replace("-", "_") for name in pins(*EXTRAS, "requirements-models.txt")]
    code = f"import importlib, sys\nfor name in {modules}: importlib.import_module(name)\n"
    code += f"assert not set({names}) & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


def test_the_tests_import_only_what_is_named() -> None:
    imported = imported_distributions("tests").keys()
    assert imported - pins(*REQUIREMENTS, "requirements-label-studio-ml.txt").keys() == set()


# ---- make and its scripts


def make_targets() -> dict[str, str]:
    """Target -> what `make help` says of it."""
    return dict(re.findall(r"^([a-z-]+):.*## (.+)$", read("Makefile"), flags=re.MULTILINE))


def test_make_alone_lists_every_target_with_a_sentence() -> None:
    shown = subprocess.run(["make"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for target, sentence in make_targets().items():
        assert re.search(rf"make {target} +{re.escape(sentence)}", shown)


@pytest.mark.parametrize("target", make_targets())
def test_make_knows_how_to_make_every_target(target: str) -> None:
    planned = subprocess.run(["make", "--dry-run", target], cwd=ROOT, capture_output=True, text=True, check=False)
    assert planned.returncode == 0, planned.stderr


def installed_by(target: str, fresh: Path) -> tuple[list[str], set[str]]:
    """What a target would install in a folder without environments: requirement files in order, system packages."""
    for name in ("Makefile", *PINNED, *CONSTRAINTS):
        (fresh / name).write_text(read(name), encoding="utf-8")
    planned = subprocess.run(["make", "--dry-run", target], cwd=fresh, capture_output=True, text=True, check=True)
    programs = re.findall(r"system_packages\.sh (.+)|unpack_package\.sh \S+ (\S+)", planned.stdout)
    commands = {pair.split("=")[0] for found in programs for pair in "".join(found).split()}
    return re.findall(r"-r (\S+)", planned.stdout), commands


BACKEND = PRODUCT
TOOLS = ["requirements-dev.txt", *EXTRAS, "requirements-label-studio-ml.txt"]
LABEL_STUDIO = ["requirements-label-studio.txt"]


@pytest.mark.parametrize(
    ("target", "files", "programs"),
    [
        ("setup", BACKEND, set()),
        ("demo", BACKEND + LABEL_STUDIO, {"redis-server"}),
        ("check", BACKEND + LABEL_STUDIO, {"redis-server"}),
        ("lint", BACKEND + TOOLS, set()),
        ("quick", BACKEND + TOOLS, {"redis-server"}),
        (
            "test",
            BACKEND + TOOLS + LABEL_STUDIO,
            {"redis-server", "chromium", "chromedriver", "nginx", "prometheus"},
        ),
    ],
)
def test_on_a_fresh_machine_a_target_installs_what_it_needs_and_nothing_else(
    tmp_path: Path, target: str, files: list[str], programs: set[str]
) -> None:
    assert installed_by(target, tmp_path) == (files, programs)


def test_quick_leaves_out_every_kind_of_test_that_the_project_marks() -> None:
    (expression,) = re.findall(r"^QUICK := '(.+)'$", read("Makefile"), flags=re.MULTILINE)
    marked = re.findall(r'^    "(\w+): ', read("pyproject.toml").split("markers = [")[1], flags=re.MULTILINE)
    assert sorted(expression.split(" and ")) == sorted(f"not {marker}" for marker in marked)


def test_the_workflow_runs_the_whole_check_and_the_quick_one_on_the_oldest_and_the_newest_python() -> None:
    workflow = yaml.safe_load(read(".github/workflows/ci.yml"))
    assert workflow[True].keys() == {"push", "pull_request"}  # YAML 1.1 reads the key `on` as true
    jobs = workflow["jobs"]
    commands = {name: [step["run"] for step in job["steps"] if "run" in step] for name, job in jobs.items()}
    assert ".ci/run" in commands["whole"]
    assert jobs["whole"]["container"]["image"].startswith("debian:")
    assert commands["quick"] == ["make quick", "make lint"]
    oldest, beyond = re.findall(r"3\.(\d+)", read("pyproject.toml").split("requires-python = ")[1].splitlines()[0])
    assert jobs["quick"]["strategy"]["matrix"]["python"] == [f"3.{oldest}", f"3.{int(beyond) - 1}"]


def test_the_workflow_caches_packages_by_everything_that_the_quick_check_installs(tmp_path: Path) -> None:
    steps = yaml.safe_load(read(".github/workflows/ci.yml"))["jobs"]["quick"]["steps"]
    (listed,) = (step["with"]["cache-dependency-path"].split() for step in steps if "cache" in step.get("with", {}))
    installed, _ = installed_by("quick", tmp_path)
    assert sorted(listed) == sorted({*installed, "constraints.txt"})


@pytest.mark.parametrize("path", [".ci/run", *(f"scripts/setup/{p.name}" for p in (ROOT / "scripts/setup").iterdir())])
def test_shell_scripts_can_be_run(path: str) -> None:
    assert os.access(ROOT / path, os.X_OK)
    subprocess.run(["bash", "-n", path], cwd=ROOT, check=True)


def run_setup(script: str, *arguments: str, path: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a script of scripts/setup where the PATH holds nothing but what `path` does."""
    return subprocess.run(
        ["/bin/sh", str(ROOT / "scripts/setup" / script), *arguments],
        env={"PATH": str(path), **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def place(folder: Path, name: str, script: str) -> Path:
    program = folder / name
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    return program


def test_without_a_python_the_setup_says_which_ones_would_do(tmp_path: Path) -> None:
    place(tmp_path, "cat", 'while IFS= read -r line; do echo "$line"; done')
    asked = run_setup("find_python.sh", path=tmp_path)
    assert asked.returncode == 1
    assert "needs Python 3.10, 3.11, 3.12 or 3.13 with the modules venv and sqlite3" in asked.stderr
    assert "make setup PYTHON=/path/to/python" in asked.stderr


def test_a_python_on_the_path_that_does_not_run_is_passed_over(tmp_path: Path) -> None:
    place(tmp_path, "python3.11", "exit 127  # what a version manager's shim does for a version that is switched off")
    good = place(tmp_path, "python3", f'exec {sys.executable} "$@"')
    assert run_setup("find_python.sh", path=tmp_path).stdout.strip() == str(good)


def test_the_python_that_was_asked_for_is_taken_before_any_other(tmp_path: Path) -> None:
    place(tmp_path, "python3", f'exec {sys.executable} "$@"')
    mine = place(tmp_path, "mine", f'exec {sys.executable} "$@"')
    assert run_setup("find_python.sh", path=tmp_path, PYTHON=str(mine)).stdout.strip() == str(mine)


def test_a_system_package_that_cannot_be_installed_is_named_and_costs_nothing_else(tmp_path: Path) -> None:
    said = run_setup("system_packages.sh", "no-such-command=no-such-package", path=tmp_path)
    assert said.returncode == 0
    assert "NOT INSTALLED: no-such-package (apt-get is not available)" in said.stderr
    assert "the tests that need Redis are skipped" in said.stderr


def test_a_required_system_package_that_cannot_be_installed_stops_the_check(tmp_path: Path) -> None:
    said = run_setup("system_packages.sh", "--required", "no-such-command=no-such-package", path=tmp_path)
    assert said.returncode == 1
    assert "NOT INSTALLED: no-such-package" in said.stderr


def test_system_packages_are_left_alone_when_told_so(tmp_path: Path) -> None:
    place(tmp_path, "apt-get", "echo apt-get was called; exit 0")
    said = run_setup("system_packages.sh", "no-such-command=x", path=tmp_path, SYSTEM_PACKAGES="no")
    assert "NOT INSTALLED: x (SYSTEM_PACKAGES=no)" in said.stderr
    assert "apt-get was called" not in said.stdout


def test_a_command_that_is_there_is_not_installed_again(tmp_path: Path) -> None:
    place(tmp_path, "redis-server", "exit 0")
    said = run_setup("system_packages.sh", "redis-server=redis-server", path=tmp_path)
    assert (said.returncode, said.stdout, said.stderr) == (0, "", "")


@pytest.mark.parametrize(("options", "status"), [([], 0), (["-p", "tests.nothing_skipped"], 1)])
def test_where_nothing_may_be_skipped_a_skip_is_a_failure_that_is_named(
    tmp_path: Path, options: list[str], status: int
) -> None:
    test = tmp_path / "test_one.py"
    test.write_text("import pytest\ndef test_skipped(): pytest.skip('no reason')\ndef test_passed(): pass\n")
    command = [sys.executable, "-m", "pytest", "-c", os.devnull, "--rootdir", str(tmp_path), *options, str(test)]
    environment = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    ran = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert ran.returncode == status
    assert ("SKIPPED WHERE NOTHING MAY BE SKIPPED: test_one.py::test_skipped" in ran.stdout) == bool(status)


# ---- container and compose


def compose(name: str = "docker-compose.yml") -> dict[str, Any]:
    services: dict[str, Any] = yaml.safe_load(read(name))["services"]
    return services


def interpolate(value: str, given: dict[str, str]) -> str:
    """Compose's ${NAME}, ${NAME:-default} and ${NAME:?message}."""
    pattern = r"\$\{([A-Z_]+)(?::([-?])([^}]*))?\}"
    return re.sub(pattern, lambda m: given.get(m[1]) or (m[3] if m[2] == "-" else ""), value)


@pytest.mark.parametrize("name", ["docker-compose.yml", "docker-compose.gpu.yml"])
def test_the_backend_reads_every_variable_that_compose_sets(name: str) -> None:
    assert compose(name)["backend"]["environment"].keys() - set(VARIABLES) == set()


def test_compose_passes_every_setting_on() -> None:
    assert set(VARIABLES) - compose()["backend"]["environment"].keys() == set()


def test_compose_gives_the_backend_settings_that_it_accepts() -> None:
    environment = compose()["backend"]["environment"]
    given = {"LABEL_STUDIO_API_KEY": "t", "REDIS_PASSWORD": "p", "BASIC_AUTH_PASS": "p"}
    settings = Settings.from_environment({k: interpolate(v, given) for k, v in environment.items()})
    assert (settings.basic_auth_user, settings.basic_auth_pass) == ("label-studio", "p")
    assert not settings.allow_anonymous
    assert settings.label_studio_url == "http://label-studio:8080"
    assert settings.label_studio_api_key == "t"
    assert settings.redis_url == "redis://:p@redis:6379/0"
    assert settings.weights_dir == "/weights"
    assert settings.sam_model == Settings().sam_model
    assert settings.clip_model == Settings().clip_model


def test_the_backend_and_label_studio_share_one_token_and_no_secret_has_a_default() -> None:
    backend, label_studio = (compose()[service]["environment"] for service in ("backend", "label-studio"))
    assert backend["LABEL_STUDIO_API_KEY"] == label_studio["LABEL_STUDIO_USER_TOKEN"]
    for secret in (
        backend["LABEL_STUDIO_API_KEY"],
        backend["BASIC_AUTH_PASS"],
        label_studio["LABEL_STUDIO_PASSWORD"],
    ):
        assert re.fullmatch(r"\$\{[A-Z_]+:\?[^}]+\}", secret)


def test_the_example_of_dotenv_names_only_what_compose_reads() -> None:
    named = set(re.findall(r"^(?:# )?([A-Z_]+)=", read(".env.example"), flags=re.MULTILINE))
    read_by_compose = set(re.findall(r"\$\{([A-Z_]+)", read("docker-compose.yml")))
    required = set(re.findall(r"\$\{([A-Z_]+):\?", read("docker-compose.yml")))
    assert required <= named <= read_by_compose


def test_label_studio_may_reach_the_backend_and_is_the_version_that_was_tested() -> None:
    service = compose()["label-studio"]
    assert service["environment"]["LABEL_STUDIO_USE_DEFAULT_BANNED_SUBNETS"] == "false"
    assert service["environment"][IMPORT_FLAG] == "true"
    tag = interpolate(service["image"], {}).partition(":")[2]
    assert tag == pins("requirements-label-studio.txt")["label-studio"]


def test_redis_is_a_bounded_cache_that_only_the_backend_reaches() -> None:
    service = compose()["redis"]
    assert "ports" not in service
    assert re.search(r"--requirepass \$\{REDIS_PASSWORD:\?[^}]+\}", service["command"])
    assert service["environment"]["REDISCLI_AUTH"].startswith("${REDIS_PASSWORD:?")  # for its health check
    on_its_network = {name for name, one in compose().items() if "cache" in one["networks"]}
    assert service["networks"] == ["cache"] and on_its_network == {"redis", "backend"}
    assert yaml.safe_load(read("docker-compose.yml"))["networks"]["cache"] == {"internal": True}
    assert "--maxmemory " in service["command"]
    assert "--maxmemory-policy allkeys-lru" in service["command"]


@pytest.mark.parametrize("name", ["redis", "backend", "proxy"])
def test_a_container_can_write_only_where_it_must_and_has_no_privileges(name: str) -> None:
    service = compose()[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"] and "cap_add" not in service
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert re.fullmatch(r"\d+[mg]", interpolate(service["mem_limit"], {}))
    assert 0 < service["pids_limit"] <= 512


def test_a_stuck_server_fails_its_health_check_which_stops_it_and_it_is_started_again() -> None:
    dockerfile, service = read("Dockerfile"), compose()["backend"]
    assert 'CMD ["python", "-m", "scripts.healthcheck"]' in dockerfile  # tests/scripts/test_healthcheck.py
    assert f'"--pid", "{PID_FILE}"' in dockerfile
    assert service["restart"] == "unless-stopped"
    assert any(path.startswith("/tmp:") for path in service["tmpfs"])


def test_only_this_machine_reaches_the_proxy_and_label_studio() -> None:
    published = [interpolate(port, {}) for one in compose().values() for port in one.get("ports", ())]
    assert len(published) == 2
    assert all(port.startswith("127.0.0.1:") for port in published)


def test_every_service_has_a_health_check() -> None:
    assert "HEALTHCHECK" in read("Dockerfile")
    assert {name for name, service in compose().items() if "healthcheck" not in service} == {"backend"}


def test_a_gpu_is_reserved_only_by_the_override() -> None:
    assert "deploy" not in compose()["backend"]
    devices = compose("docker-compose.gpu.yml")["backend"]["deploy"]["resources"]["reservations"]["devices"]
    assert devices == [{"driver": "nvidia", "count": 1, "capabilities": ["gpu"]}]


def test_every_volume_that_a_service_mounts_is_declared() -> None:
    declared = yaml.safe_load(read("docker-compose.yml"))["volumes"].keys()
    mounted = {volume.split(":")[0] for service in compose().values() for volume in service.get("volumes", ())}
    files = {path for path in mounted if path.startswith("./")}
    assert mounted - files == declared
    assert [path for path in files if not (ROOT / path).is_file()] == []


def test_the_container_runs_one_unprivileged_process_that_loads_after_the_fork() -> None:
    dockerfile = read("Dockerfile")
    command = re.search(r"^CMD \[(.+)\]$", dockerfile, flags=re.MULTILINE)
    assert command is not None
    assert '"gunicorn", "-b"' in command[1]
    assert "--preload" not in command[1]
    configuration = runpy.run_path(str(ROOT / "gunicorn.conf.py"))
    assert configuration["workers"] == 1
    assert not configuration.get("preload_app")
    assert re.search(r"^USER [1-9]\d+$", dockerfile, flags=re.MULTILINE)


def test_every_package_of_the_container_is_checked_against_its_digest() -> None:
    dockerfile = read("Dockerfile")
    installs = re.findall(r"pip install .+", dockerfile)
    assert len(installs) == 2
    assert all("--require-hashes --no-deps -r requirements" in install for install in installs)
    only_if_asked = r'RUN if \[ "\$\{WITH_LABEL_STUDIO_ML\}" = true \]; then \\\n +' + re.escape(installs[1])
    assert re.search(only_if_asked, dockerfile)
    assert "ARG WITH_LABEL_STUDIO_ML=false" in dockerfile
    assert "FROM ${PYTHON_IMAGE}" in dockerfile


def test_the_container_copies_only_what_exists_and_is_not_ignored() -> None:
    copied = {
        source
        for arguments in re.findall(r"^COPY (.+)$", read("Dockerfile"), flags=re.MULTILINE)
        for source in arguments.split()[:-1]
    }
    assert [source for source in copied if not (ROOT / source).exists()] == []
    assert copied == {line[1:] for line in lines(".dockerignore") if line.startswith("!")}


def test_the_container_has_every_file_of_the_backend_but_compiled_ones() -> None:
    assert "COPY backend backend" in read("Dockerfile")
    excluded = {line for line in lines(".dockerignore") if not line.startswith("!")} - {"*"}
    assert excluded == {"**/__pycache__", "**/*.pyc"}
    assert (ROOT / "backend/server/templates/status_page.html").is_file()
    assert (ROOT / "backend/report/templates/report.html").is_file()


def test_the_container_sets_only_variables_that_the_backend_or_its_tools_read() -> None:
    environment = re.search(r"^ENV ((?:.+\\\n)*.+)$", read("Dockerfile"), flags=re.MULTILINE)
    assert environment is not None
    names = re.findall(r"([A-Z_]+)=", environment[1])
    known = {*VARIABLES, "LOGNAME"}  # torch asks for it, and fails where the user's id has no name
    assert [name for name in names if not name.startswith(("PYTHON", "PIP_")) and name not in known] == []


# ---- what is written for people

PAGES = [
    "README.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
    *(f"docs/{path.name}" for path in sorted((ROOT / "docs").glob("*.md"))),
]


def test_the_configuration_table_is_the_one_that_settings_gives() -> None:
    rows = re.findall(r"^\| `([A-Z_]+)` \| (.*?) \| (.*) \|$", read("README.md"), flags=re.MULTILINE)
    shown = [(name, default.strip("` "), about.strip()) for name, default, about in rows]
    expected = [(name, default, about) for name, default, about in Settings.documentation()]
    assert shown == expected, "\n".join(f"| `{n}` | {f'`{d}`' if d else ''} | {a} |" for n, d, a in expected)


@pytest.mark.parametrize("page", PAGES)
def test_every_make_target_that_a_page_names_exists(page: str) -> None:
    code = re.findall(r"`([^`\n]+)`|^ *\$? *(make [^\n]+)$", read(page), flags=re.MULTILINE)
    named = {match for part in code for match in re.findall(r"(?:^|&& )make ([a-z-]+)", part[0] or part[1])}
    assert named - make_targets().keys() == set()


@pytest.mark.parametrize("page", PAGES)
def test_every_script_that_a_page_names_exists(page: str) -> None:
    modules = re.findall(r"python -m (scripts(?:\.\w+)+|backend(?:\.\w+)*)", read(page))
    assert [m for m in modules if not (ROOT / f"{m.replace('.', '/')}.py").exists()] == []


@pytest.mark.parametrize("page", PAGES)
def test_every_relative_link_and_picture_leads_somewhere(page: str) -> None:
    targets = re.findall(r"\]\(([^)#\s]+)[^)]*\)", read(page)) + re.findall(r'(?:src|href)="([^"#]+)"', read(page))
    relative = [target for target in targets if not re.match(r"[a-z]+:", target)]
    assert [target for target in relative if not ((ROOT / page).parent / target).exists()] == []


def test_every_test_that_the_security_page_names_exists() -> None:
    named = re.findall(r"`(tests/[\w/.]+)`", read("docs/security.md"))
    assert len(named) > 30
    assert [path for path in named if not (ROOT / path).exists()] == []


def test_the_changelog_describes_this_version() -> None:
    version = re.search(r'^version = "(.+)"$', read("pyproject.toml"), flags=re.MULTILINE)
    assert version is not None
    sections = re.findall(r"^## (\S+)", read("CHANGELOG.md"), flags=re.MULTILINE)
    assert version[1] == next(section for section in sections if section != "Unreleased")
