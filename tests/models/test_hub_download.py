"""Folders from the hub: resume, the lock, pins, updates, tokens, and every way in which it can fail."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from backend.errors import BadSettings, CheckpointError
from backend.models import download as download_module
from backend.models.download import OnProgress
from backend.models.entries import PublishedFolder
from backend.models.hub import Hub
from backend.models.hub_download import Fetched, HubModel, fetch_model
from backend.models.model_lock import LOCK_NAME, only_one_download, verify_download
from tests.hub_stub import HubStub, commit_of, sha256, start_hub
from tests.servers import LocalServer

REPOSITORY = "owner/model"
WEIGHTS, CONFIG = bytes(range(256)) * 4000, b'{"model_type": "sam2_video"}'
FILES = {"config.json": CONFIG, "model.safetensors": WEIGHTS, "README.md": b"# a card", "vocab.txt": b"[PAD]\n"}
FIRST, SECOND = commit_of(1), commit_of(2)
FOLDER = PublishedFolder(
    REPOSITORY, ("config.json", "model.safetensors"), 1, optional_files=("vocab.txt", "absent.json")
)
NAME = "owner--model"
DIGESTS = {"config.json": sha256(CONFIG), "model.safetensors": sha256(WEIGHTS), "vocab.txt": sha256(b"[PAD]\n")}


@pytest.fixture
def stub(start_server: Callable[[], LocalServer]) -> HubStub:
    hub = start_hub(start_server)
    hub.add(REPOSITORY, FIRST, dict(FILES))
    return hub


@contextmanager
def no_bar(_: str) -> Iterator[OnProgress]:
    yield lambda have, total: None


def fetch(
    stub: HubStub, weights: Path, *, folder: PublishedFolder = FOLDER, token: str = "", update: bool = False
) -> Fetched:
    model = HubModel.of_folder(folder)
    return fetch_model(model, weights, Hub(stub.api.url, token), update=update, open_progress=no_bar)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def refusal(stub: HubStub, weights: Path, **options: object) -> str:
    with pytest.raises(CheckpointError) as caught:
        fetch(stub, weights, **options)  # type: ignore[arg-type]
    return str(caught.value)


def test_the_required_files_and_the_optional_ones_that_exist_are_downloaded_and_locked(
    stub: HubStub, tmp_path: Path
) -> None:
    fetched = fetch(stub, tmp_path)
    assert {name: (tmp_path / NAME / name).read_bytes() for name in DIGESTS} == {n: FILES[n] for n in DIGESTS}
    assert names(tmp_path / NAME) == sorted(DIGESTS)
    assert (fetched.locked.commit, fetched.locked.files, fetched.new_files) == (FIRST, DIGESTS, tuple(sorted(DIGESTS)))
    assert json.loads((tmp_path / LOCK_NAME).read_text()) == {
        "version": 1,
        "models": {NAME: {"repository": REPOSITORY, "commit": FIRST, "files": DIGESTS}},
    }


def test_a_complete_model_is_not_asked_for_again(stub: HubStub, tmp_path: Path) -> None:
    locked = fetch(stub, tmp_path).locked
    before = len(stub.api.seen)
    assert fetch(stub, tmp_path) == Fetched(locked, ())
    assert len(stub.api.seen) == before


@pytest.mark.parametrize("name", ["model.safetensors", "config.json"])
def test_an_interrupted_download_continues_where_it_stopped(stub: HubStub, tmp_path: Path, name: str) -> None:
    stub.cut.add(name)
    assert "run the same command again; it resumes" in refusal(stub, tmp_path)
    assert all(path.endswith(".part") for path in names(tmp_path / NAME))
    assert not (tmp_path / LOCK_NAME).exists()
    stub.api.seen.clear(), stub.storage.seen.clear()
    fetch(stub, tmp_path)
    half = len(FILES[name]) // 2
    assert f"bytes={half}-" in {seen.headers.get("range") for seen in [*stub.api.seen, *stub.storage.seen]}
    assert (tmp_path / NAME / name).read_bytes() == FILES[name]
    assert names(tmp_path / NAME) == sorted(DIGESTS)


def test_the_parts_of_two_commits_are_not_put_together(stub: HubStub, tmp_path: Path) -> None:
    stub.cut.add("model.safetensors")
    refusal(stub, tmp_path)
    newer = WEIGHTS[::-1]
    stub.add(REPOSITORY, SECOND, FILES | {"model.safetensors": newer})
    assert fetch(stub, tmp_path).locked.commit == SECOND
    assert (tmp_path / NAME / "model.safetensors").read_bytes() == newer
    assert names(tmp_path / NAME) == sorted(DIGESTS)  # the part of the first commit is gone


def test_a_branch_that_moved_stays_at_the_locked_commit_until_it_is_updated(stub: HubStub, tmp_path: Path) -> None:
    fetch(stub, tmp_path)
    newer = {**FILES, "config.json": b'{"model_type": "other"}'}
    stub.add(REPOSITORY, SECOND, newer)
    (tmp_path / NAME / "config.json").unlink()
    assert fetch(stub, tmp_path).locked.commit == FIRST
    assert (tmp_path / NAME / "config.json").read_bytes() == CONFIG
    stub.api.seen.clear()
    assert fetch(stub, tmp_path, update=True).locked.commit == SECOND
    assert (tmp_path / NAME / "config.json").read_bytes() == newer["config.json"]
    assert "model.safetensors" not in stub.downloads()  # it is the same in both
    assert json.loads((tmp_path / LOCK_NAME).read_text())["models"][NAME]["commit"] == SECOND


def test_an_update_removes_what_the_new_commit_no_longer_has(stub: HubStub, tmp_path: Path) -> None:
    fetch(stub, tmp_path)
    (tmp_path / NAME / "README.md").write_text("mine")
    stub.add(REPOSITORY, SECOND, {name: FILES[name] for name in FOLDER.files})
    assert sorted(fetch(stub, tmp_path, update=True).locked.files) == ["config.json", "model.safetensors"]
    assert names(tmp_path / NAME) == ["README.md", "config.json", "model.safetensors"]


def test_a_project_that_pins_another_commit_than_is_locked_asks_for_an_update(stub: HubStub, tmp_path: Path) -> None:
    fetch(stub, tmp_path)
    newer = WEIGHTS[::-1]
    stub.add(REPOSITORY, SECOND, FILES | {"model.safetensors": newer})
    pinned = replace(FOLDER, revision=SECOND, pins=(("model.safetensors", sha256(newer)),))
    with pytest.raises(CheckpointError, match=r"Download it again with .* --update"):
        verify_download(tmp_path / NAME, pinned, tmp_path)
    message = refusal(stub, tmp_path, folder=pinned)
    assert f"model.safetensors of {NAME} is locked at commit {FIRST}, and this project pins another one." in message
    assert "run the command with --update." in message
    assert fetch(stub, tmp_path, folder=pinned, update=True).locked.commit == SECOND
    verify_download(tmp_path / NAME, pinned, tmp_path)


def test_an_update_that_is_interrupted_leaves_the_old_model_whole(stub: HubStub, tmp_path: Path) -> None:
    fetch(stub, tmp_path)
    stub.add(REPOSITORY, SECOND, FILES | {"config.json": b"{}", "model.safetensors": WEIGHTS[::-1]})
    stub.cut.add("model.safetensors")
    refusal(stub, tmp_path, update=True)
    assert (tmp_path / NAME / "config.json").read_bytes() == CONFIG
    assert fetch(stub, tmp_path) == Fetched(fetch(stub, tmp_path).locked, ())
    assert fetch(stub, tmp_path, update=True).locked.commit == SECOND


def test_a_file_that_changed_since_the_download_is_refused_by_name(stub: HubStub, tmp_path: Path) -> None:
    fetch(stub, tmp_path)
    (tmp_path / NAME / "config.json").write_bytes(b"{}")
    message = refusal(stub, tmp_path)
    assert f"{tmp_path / NAME} is not as it was downloaded: changed: config.json. Delete what changed" in message
    (tmp_path / NAME / "config.json").unlink()
    fetch(stub, tmp_path)
    (tmp_path / NAME / "adapter_config.json").write_bytes(b"{}")
    assert "has files that were not downloaded: adapter_config.json. Move them away" in refusal(stub, tmp_path)


def test_the_hub_may_not_change_a_commit_that_is_locked(stub: HubStub, tmp_path: Path) -> None:
    fetch(stub, tmp_path)
    for name in ("model.safetensors", "config.json"):
        (tmp_path / NAME / name).unlink()
    stub.commits[REPOSITORY][FIRST]["model.safetensors"] = WEIGHTS[::-1]
    message = refusal(stub, tmp_path)
    assert f"with SHA-256 {sha256(WEIGHTS[::-1])}, but the lock says {sha256(WEIGHTS)}." in message
    assert "Do not use it: a commit's files never change." in message
    stub.commits[REPOSITORY][FIRST].update({"model.safetensors": WEIGHTS, "config.json": CONFIG[::-1]})
    message = refusal(stub, tmp_path)  # the hub publishes no digest of a small file
    assert f"has SHA-256 {sha256(CONFIG[::-1])} instead of {sha256(CONFIG)}." in message


def test_a_file_is_what_this_project_pins_or_it_is_not_downloaded(stub: HubStub, tmp_path: Path) -> None:
    pinned = PublishedFolder(REPOSITORY, FOLDER.files, 1, FIRST, pins=(("model.safetensors", "0" * 64),))
    assert f"with SHA-256 {sha256(WEIGHTS)}, but this project pins {'0' * 64}." in refusal(
        stub, tmp_path, folder=pinned
    )
    assert stub.downloads() == []
    right = PublishedFolder(REPOSITORY, FOLDER.files, 1, FIRST, pins=(("model.safetensors", sha256(WEIGHTS)),))
    assert fetch(stub, tmp_path, folder=right).locked.files == {n: DIGESTS[n] for n in FOLDER.files}


def test_a_storage_that_serves_something_else_is_refused_and_nothing_is_kept(stub: HubStub, tmp_path: Path) -> None:
    stub.published[FIRST, "model.safetensors"] = "1" * 64
    message = refusal(stub, tmp_path)
    assert f"has SHA-256 {sha256(WEIGHTS)} instead of {'1' * 64}. The file was deleted." in message
    assert names(tmp_path / NAME) == [f"config.json.{FIRST[:12]}.part"]


def test_a_folder_that_was_copied_here_is_compared_with_the_hub_and_locked(stub: HubStub, tmp_path: Path) -> None:
    (tmp_path / NAME).mkdir()
    for name in DIGESTS:
        (tmp_path / NAME / name).write_bytes(FILES[name])
    assert fetch(stub, tmp_path).locked.files == DIGESTS
    assert stub.downloads() == []
    (tmp_path / LOCK_NAME).unlink()
    (tmp_path / NAME / "model.safetensors").write_bytes(b"my own")
    assert f"which is not the file of {REPOSITORY} at commit {FIRST}. Move it away, or" in refusal(stub, tmp_path)
    assert (tmp_path / NAME / "model.safetensors").read_bytes() == b"my own"
    assert fetch(stub, tmp_path, update=True).locked.files == DIGESTS


def test_the_lock_keeps_several_models_sorted(stub: HubStub, tmp_path: Path) -> None:
    stub.add("a/first", SECOND, dict(FILES))
    fetch(stub, tmp_path)
    fetch(stub, tmp_path, folder=PublishedFolder("a/first", FOLDER.files, 1))
    text = (tmp_path / LOCK_NAME).read_text()
    assert list(json.loads(text)["models"]) == ["a--first", NAME]
    assert text == json.dumps(json.loads(text), indent=2, sort_keys=True) + "\n"


# ---- refusals


def test_a_repository_that_is_gone_says_so(stub: HubStub, tmp_path: Path) -> None:
    message = refusal(stub, tmp_path, folder=PublishedFolder("owner/gone", ("config.json",), 1))
    assert "/api/models/owner/gone/revision/main: there is no such repository, or it is private" in message
    message = refusal(stub, tmp_path, folder=PublishedFolder(REPOSITORY, ("config.json",), 1, revision="v9"))
    assert "this revision is not there (HTTP 404). It was renamed or deleted. Update this project" in message


def test_a_repository_without_a_required_file_is_named(stub: HubStub, tmp_path: Path) -> None:
    message = refusal(stub, tmp_path, folder=PublishedFolder(REPOSITORY, ("tokenizer.json",), 1))
    assert f"{REPOSITORY} has no tokenizer.json at commit {FIRST}. Update this project" in message


@pytest.mark.parametrize(
    ("token", "status", "whose"), [("", 401, ""), ("hf_other", 403, "The account of HF_TOKEN has no access to it. ")]
)
def test_a_gated_repository_asks_for_its_licence_and_a_token(
    stub: HubStub, tmp_path: Path, token: str, status: int, whose: str
) -> None:
    stub.gated.add(REPOSITORY)
    message = refusal(stub, tmp_path, token=token)
    assert f"is for permitted accounts only (HTTP {status}). {whose}If its authors ask for it, sign in" in message
    assert "accept the licence on the model's page; then set HF_TOKEN" in message
    assert fetch(stub, tmp_path, token=stub.token).locked.files == DIGESTS


def test_the_token_is_sent_to_the_hub_and_not_to_the_storage(stub: HubStub, tmp_path: Path) -> None:
    fetch(stub, tmp_path, token=stub.token)
    assert stub.tokens(stub.api) == {f"Bearer {stub.token}"}
    assert stub.storage.seen and stub.tokens(stub.storage) == {None}


def test_a_redirect_within_the_hub_keeps_the_token(stub: HubStub, tmp_path: Path) -> None:
    """A renamed repository redirects to its new name, and small files to a cache on the same host."""
    stub.private.add(REPOSITORY)
    answer = stub.answer_api

    def rename(seen, handler):  # type: ignore[no-untyped-def]
        if "/owner/old" in seen.path:
            return 307, {"Location": seen.path.replace("owner/old", REPOSITORY)}, b""
        return answer(seen, handler)

    stub.api.respond = rename
    renamed = PublishedFolder("owner/old", FOLDER.files, 1)
    assert fetch(stub, tmp_path, folder=renamed, token=stub.token).locked.commit == FIRST


def test_too_many_requests_and_server_errors_have_their_remedies(stub: HubStub, tmp_path: Path) -> None:
    stub.api.respond = lambda seen, handler: (429, {}, b"")
    assert "too many requests (HTTP 429). Wait some minutes" in refusal(stub, tmp_path)
    stub.api.respond = lambda seen, handler: (502, {}, b"")
    assert "answered HTTP 502 Bad Gateway. Check the network" in refusal(stub, tmp_path)


@pytest.mark.parametrize("text", [b"<html>sign in</html>", b"[]", b'{"sha": "main", "siblings": []}', b'{"sha": 1}'])
def test_what_is_not_the_hubs_document_is_shown(stub: HubStub, tmp_path: Path, text: bytes) -> None:
    stub.api.respond = lambda seen, handler: (200, {}, text)
    message = refusal(stub, tmp_path)
    assert f"did not answer as the hub does: {text.decode()}" in message
    assert "Check HF_ENDPOINT, and whether a proxy" in message


def test_without_a_network_the_hub_is_named(tmp_path: Path) -> None:
    hub = Hub("http://127.0.0.1:1")
    with pytest.raises(CheckpointError, match=r"could not be reached: .*refused.*\. Check the network") as caught:
        fetch_model(HubModel.of_folder(FOLDER), tmp_path, hub, open_progress=no_bar)
    assert f"copy them here: {tmp_path / NAME / 'absent.json'}, {tmp_path / NAME / 'config.json'}" in str(caught.value)


def test_a_disk_that_is_too_small_is_refused_before_the_download(
    stub: HubStub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    needed = sum(len(FILES[name]) for name in DIGESTS)
    monkeypatch.setattr(download_module.shutil, "disk_usage", lambda path: SimpleNamespace(free=needed - 1))
    message = refusal(stub, tmp_path)
    assert f"The disk of {tmp_path} has 1 MB left, and the download needs 1 MB. Free some space" in message
    assert stub.downloads() == []
    monkeypatch.setattr(download_module.shutil, "disk_usage", lambda path: SimpleNamespace(free=needed))
    fetch(stub, tmp_path)


def test_a_disk_that_fills_up_meanwhile_is_named(stub: HubStub, tmp_path: Path) -> None:
    (tmp_path / NAME).mkdir()
    part = tmp_path / NAME / f"model.safetensors.{FIRST[:12]}.part"
    part.symlink_to("/dev/full")
    assert f"The disk is full: {part} could not be written. Free some space and run the same" in refusal(stub, tmp_path)


def test_a_weights_folder_that_is_a_file_is_named(stub: HubStub, tmp_path: Path) -> None:
    (tmp_path / "weights").write_text("")
    assert f"The weights folder {tmp_path / 'weights'} is a file. Set WEIGHTS_DIR" in refusal(
        stub, tmp_path / "weights"
    )


def test_two_downloads_into_one_folder_do_not_mix(stub: HubStub, tmp_path: Path) -> None:
    with only_one_download(tmp_path):
        assert f"Another process downloads into {tmp_path}. Wait until" in refusal(stub, tmp_path)
    fetch(stub, tmp_path)


@pytest.mark.parametrize(
    "damage",
    [
        "{",
        "[]",
        '{"version": 1}',
        '{"version": 1, "models": {"m": {"repository": "a/b", "commit": "main", "files": {"a": "b"}}}}',
        f'{{"version": 1, "models": {{"m": {{"repository": "a/b", "commit": "{FIRST}", "files": {{"a": "b"}}}}}}}}',
    ],
)
def test_a_damaged_lock_is_named_and_not_overwritten(stub: HubStub, tmp_path: Path, damage: str) -> None:
    (tmp_path / LOCK_NAME).write_text(damage)
    message = refusal(stub, tmp_path)
    assert f"The lock {tmp_path / LOCK_NAME} is damaged: " in message
    assert "Restore it from a backup. Or delete it and run" in message
    assert (tmp_path / LOCK_NAME).read_text() == damage


def test_a_lock_of_a_later_version_is_left_alone(stub: HubStub, tmp_path: Path) -> None:
    (tmp_path / LOCK_NAME).write_text('{"version": 2, "models": {}}')
    assert "is of version 2; this project reads version 1. Update the project" in refusal(stub, tmp_path)


# ---- the hub's variables


def test_the_public_hub_is_the_default_and_a_mirror_can_be_set() -> None:
    assert Hub.from_variables({}) == Hub("https://huggingface.co", "")
    given = {"HF_ENDPOINT": "https://mirror.example/", "HF_TOKEN": " hf_x\n"}
    assert Hub.from_variables(given) == Hub("https://mirror.example", "hf_x")
    assert "hf_x" not in repr(Hub.from_variables(given))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"HF_ENDPOINT": "mirror.example"}, "HF_ENDPOINT is 'mirror.example', which is not a URL. Set it to"),
        ({"HF_ENDPOINT": "http://mirror.example", "HF_TOKEN": "hf_x"}, "HF_TOKEN would be sent unencrypted to"),
        ({"HF_TOKEN": "hf_x\nX-Other: y"}, "HF_TOKEN has characters that no token has."),
    ],
)
def test_variables_that_cannot_be_used_are_named(given: dict[str, str], message: str) -> None:
    with pytest.raises(BadSettings) as caught:
        Hub.from_variables(given)
    assert message in str(caught.value)
    assert "hf_x" not in str(caught.value)
