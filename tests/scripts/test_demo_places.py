"""Where the demo keeps things: ports that are taken are named, and only its own folder is deleted."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from scripts.demo_circle.places import (
    IMPORT_FLAG,
    DemoFolder,
    Ports,
    free_port,
    free_ports,
    is_free,
    label_studio_environment,
)
from scripts.demo_circle.processes import DemoError


@pytest.fixture
def taken_port() -> Iterator[int]:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        yield server.getsockname()[1]


def test_a_taken_port_is_named_with_the_option_that_moves_it(taken_port: int) -> None:
    ports = Ports(label_studio=free_port(), backend=taken_port, redis=free_port())
    with pytest.raises(DemoError) as caught:
        ports.require_free()
    assert caught.value.message == f"Port {taken_port} for backend is in use by another program."
    assert caught.value.remedy.startswith("Stop that program, or choose another port: --port-backend ")


def test_free_ports_are_free_and_different(taken_port: int) -> None:
    ports = free_ports()
    ports.require_free()
    assert len({ports.label_studio, ports.backend, ports.redis, taken_port}) == 4
    assert not is_free(taken_port)


def test_reset_deletes_what_the_demo_made(tmp_path: Path) -> None:
    folder = DemoFolder(tmp_path / "demo")
    folder.prepare()
    folder.write_state({"token": "secret"})
    folder.reset()
    assert not folder.path.exists()
    folder.reset()


def test_reset_leaves_a_folder_alone_that_the_demo_did_not_make(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(DemoError) as caught:
        DemoFolder(tmp_path).reset()
    assert caught.value.message == f"{tmp_path} was not created by the demo, so it is not deleted."
    assert (tmp_path / "thesis.tex").exists()


def test_a_data_directory_that_is_a_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DemoError) as caught:
        DemoFolder(tmp_path / "file").prepare()
    assert str(tmp_path / "file") in caught.value.message
    assert caught.value.remedy == "Choose another one with --data-dir."


def test_the_state_is_kept_for_its_owner_only_and_a_damaged_one_is_forgotten(tmp_path: Path) -> None:
    folder = DemoFolder(tmp_path)
    assert folder.read_state() == {}
    folder.write_state({"token": "secret"})
    (written,) = tmp_path.iterdir()
    assert written.stat().st_mode & 0o777 == 0o600
    assert folder.read_state() == {"token": "secret"}
    written.write_text("{broken")
    assert folder.read_state() == {}


def test_label_studio_gets_settings_with_which_its_database_waits(tmp_path: Path) -> None:
    folder = DemoFolder(tmp_path)
    folder.prepare()
    environment = label_studio_environment(folder, Ports(), {})
    settings = Path(environment["PYTHONPATH"], environment["DJANGO_SETTINGS_MODULE"] + ".py").read_text()
    assert '"transaction_mode": "IMMEDIATE"' in settings and '"timeout": 120' in settings


def test_label_studio_gets_what_it_needs_and_nothing_of_another_installation(tmp_path: Path) -> None:
    mine = {"PATH": "/bin", "LABEL_STUDIO_BASE_DATA_DIR": "/home/me/real", "POSTGRE_HOST": "db", "DJANGO_DB": "default"}
    environment = label_studio_environment(DemoFolder(tmp_path), Ports(label_studio=8123), mine)
    assert environment["PATH"] == "/bin"
    assert environment["LABEL_STUDIO_BASE_DATA_DIR"] == str(tmp_path / "label-studio")
    assert environment["LABEL_STUDIO_HOST"] == "http://127.0.0.1:8123"
    assert environment["LABEL_STUDIO_USE_DEFAULT_BANNED_SUBNETS"] == "false"
    assert environment[IMPORT_FLAG] == "true"
    assert {"POSTGRE_HOST", "DJANGO_DB"}.isdisjoint(environment)


def test_label_studio_gets_a_key_that_it_can_read_back_and_keeps_it(tmp_path: Path) -> None:
    """A dollar sign at its beginning would stand for the name of another variable."""
    folder = DemoFolder(tmp_path / "demo")
    folder.prepare()
    file = folder.label_studio / ".env"
    first = file.read_text()
    name, _, key = first.strip().partition("=")
    assert (name, len(key), key.isalnum()) == ("SECRET_KEY", 64, True)
    assert file.stat().st_mode & 0o077 == 0, "others could forge tokens"
    folder.prepare()
    assert file.read_text() == first
