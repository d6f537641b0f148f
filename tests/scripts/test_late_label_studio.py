"""A Label Studio that is not up yet when a command starts is waited for; what it refuses is told at once."""

from __future__ import annotations

import re
import signal
import socket
from collections.abc import Callable, Iterator
from http.server import ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from backend.bulk import Outages
from scripts import export, import_annotations, preannotate, report
from tests.bulk.fake_label_studio import PROJECT
from tests.importing.projects import write_coco
from tests.importing.site import ImportSite
from tests.scripts.fakes import FakePredictor
from tests.scripts.test_import_annotations import TASKS, image, uri_of
from tests.servers import free_port, start_local_server
from tests.tokens import LEGACY, PAT, jwt

Main = Callable[[list[str]], int]


class Late:
    """A Label Studio that comes up in the first pause of a command, and counts the pauses."""

    def __init__(self, servers: list[ThreadingHTTPServer]) -> None:
        self.site = ImportSite({task: {"image": uri_of(task)} for task in TASKS})
        self.port, self._servers, self.pauses = free_port(), servers, 0

    def come_up(self) -> None:
        self.site.is_down = False
        if not self._servers:
            self.site.serve(start_local_server(self._servers, port=self.port))

    def rest(self, outages: object, seconds: float) -> None:
        """In place of `Outages.rest`."""
        self.pauses += 1
        self.come_up()


@pytest.fixture
def late(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Late]:
    servers: list[ThreadingHTTPServer] = []
    late = Late(servers)
    monkeypatch.setattr(Outages, "rest", lambda outages, seconds: late.rest(outages, seconds))
    monkeypatch.setenv("LABEL_STUDIO_URL", f"http://127.0.0.1:{late.port}")
    monkeypatch.setenv("LABEL_STUDIO_API_KEY", LEGACY)
    monkeypatch.setenv("RUNS_DIR", str(tmp_path / "runs"))
    predictor = FakePredictor()
    monkeypatch.setattr(predictor, "labeler", SimpleNamespace(can_classify=False), raising=False)
    monkeypatch.setattr("backend.wiring.build_predictor", lambda settings, redis: predictor)
    yield late
    for server in servers:
        server.shutdown()
        server.server_close()


def commands(folder: Path) -> dict[str, tuple[Main, list[str]]]:
    """Each command with its options; preannotate ends after its start, for want of a CLIP model."""
    data_set = str(write_coco(folder / "coco", tuple(image(task, "red") for task in TASKS)))
    coco = ["--project", PROJECT, "--format", "coco", data_set, "--dry-run"]
    return {
        "export": (export.main, ["--project", PROJECT, "--out", str(folder / "out"), "--include-unannotated"]),
        "report": (report.main, ["--project", PROJECT, "--out", str(folder / "report")]),
        "import": (import_annotations.main, coco),
        "preannotate": (preannotate.main, ["--project", PROJECT]),
    }


@pytest.mark.parametrize("name", ["export", "report", "import", "preannotate"])
@pytest.mark.parametrize("cause", ["no connection", "HTTP 503"])
def test_a_late_start_costs_a_command_two_lines_and_nothing_else(
    name: str, cause: str, late: Late, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main, options = commands(tmp_path)[name]
    if cause == "HTTP 503":
        late.come_up()
        late.site.is_down = True
    status = main(options)
    waiting, again, *rest = capsys.readouterr().out.splitlines()
    assert waiting.startswith("Waiting for Label Studio, at most 30 min. Label Studio at ")
    assert re.match(r"Label Studio answers again after \d+ s\.", again)
    assert late.pauses == 1
    assert main(options) == status
    assert capsys.readouterr().out.splitlines() == rest
    assert late.pauses == 1


@pytest.mark.parametrize("name", ["export", "report", "import", "preannotate"])
def test_a_label_studio_that_does_not_come_ends_a_command_after_the_given_time(
    name: str, late: Late, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main, options = commands(tmp_path)[name]
    assert main([*options, "--give-up-after", "0"]) == 1
    assert re.search(r"Label Studio was unavailable for \d+ s", capsys.readouterr().err)
    assert late.pauses == 0


@pytest.mark.parametrize("name", ["export", "report", "import", "preannotate"])
def test_ctrl_c_ends_the_waiting(
    name: str, late: Late, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(late, "rest", lambda outages, seconds: signal.raise_signal(signal.SIGINT))
    main, options = commands(tmp_path)[name]
    assert main(options) == 130
    assert "interrupted" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["export", "report", "import", "preannotate"])
@pytest.mark.parametrize("why", ["token", "project"])
def test_a_wrong_token_or_project_ends_a_command_at_once(
    name: str, why: str, late: Late, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    late.come_up()
    late.site.accepted_tokens = set() if why == "token" else None
    late.site.is_deleted = why == "project"
    main, options = commands(tmp_path)[name]
    assert main(options) == 1
    assert ("HTTP 401" if why == "token" else "HTTP 404") in capsys.readouterr().err
    assert late.pauses == 0


class Resolver:
    """Look-ups of the host studio.example, which is 127.0.0.1; `error` is with what they fail instead."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.error, self._look_up = 0, socket.getaddrinfo
        monkeypatch.setattr(socket, "getaddrinfo", self._resolve)

    def _resolve(self, host: str, *arguments: Any, **options: Any) -> Any:
        if host == "studio.example" and self.error:
            raise socket.gaierror(self.error, "as the test says")
        return self._look_up("127.0.0.1" if host == "studio.example" else host, *arguments, **options)


@pytest.fixture
def resolver(late: Late, monkeypatch: pytest.MonkeyPatch) -> Resolver:
    """Label Studio is at http://studio.example."""
    monkeypatch.setenv("LABEL_STUDIO_URL", f"http://studio.example:{late.port}")
    return Resolver(monkeypatch)


@pytest.mark.parametrize("name", ["export", "report", "import", "preannotate"])
@pytest.mark.parametrize("token", [LEGACY, PAT])
def test_a_host_name_that_does_not_exist_ends_a_command_at_once(
    name: str,
    token: str,
    late: Late,
    resolver: Resolver,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("LABEL_STUDIO_API_KEY", token)
    late.come_up()
    resolver.error = socket.EAI_NONAME
    main, options = commands(tmp_path)[name]
    assert main(options) == 1
    complaint = capsys.readouterr().err
    assert 'The host name "studio.example" of Label Studio\'s URL does not resolve.' in complaint
    assert "Check LABEL_STUDIO_URL or --url." in complaint
    assert late.pauses == 0


@pytest.mark.parametrize("name", ["export", "report", "import", "preannotate"])
@pytest.mark.parametrize("token", [LEGACY, PAT])
def test_https_for_a_server_of_plain_http_ends_a_command_at_once(
    name: str,
    token: str,
    late: Late,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    late.come_up()
    monkeypatch.setenv("LABEL_STUDIO_URL", f"https://127.0.0.1:{late.port}")
    monkeypatch.setenv("LABEL_STUDIO_API_KEY", token)
    main, options = commands(tmp_path)[name]
    assert main(options) == 1
    complaint = capsys.readouterr().err
    assert f"https://127.0.0.1:{late.port} begins with https://, but the server there does not speak TLS" in complaint
    assert f"Set LABEL_STUDIO_URL or --url to http://127.0.0.1:{late.port}, or" in complaint
    assert late.pauses == 0


@pytest.mark.parametrize("error", [socket.EAI_AGAIN, socket.EAI_NODATA])
def test_a_resolver_that_cannot_tell_for_the_moment_is_waited_for(
    error: int, late: Late, resolver: Resolver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    late.come_up()
    resolver.error = error
    monkeypatch.setattr(late, "come_up", lambda: setattr(resolver, "error", 0))
    main, options = commands(tmp_path)["export"]
    assert (main(options), late.pauses) == (0, 1)


def test_a_host_name_that_is_gone_later_is_an_outage(
    late: Late, resolver: Resolver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    late.come_up()
    late.site.is_down = True
    errors = iter([socket.EAI_NONAME, socket.EAI_NONAME, 0])

    def rest(outages: object, seconds: float) -> None:
        late.pauses += 1
        resolver.error = next(errors)
        late.site.is_down = bool(resolver.error)

    monkeypatch.setattr(late, "rest", rest)
    main, options = commands(tmp_path)["export"]
    assert (main(options), late.pauses) == (0, 3)


def test_a_proxys_page_in_place_of_the_token_exchange_is_an_outage_too(
    late: Late, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LABEL_STUDIO_API_KEY", PAT)
    late.come_up()
    late.site.is_down = True
    late.site.fresh_token = lambda: jwt(token_type="access", exp=8102414444)  # type: ignore[method-assign]
    main, options = commands(tmp_path)["export"]
    assert main(options) == 0
    assert capsys.readouterr().out.startswith("Waiting for Label Studio")
