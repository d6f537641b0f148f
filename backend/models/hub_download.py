"""Downloads of a model's files from the hub: each resumes, and the lock says what they must be.

All files are downloaded and verified under names that end in .part before the first of them gets its own name, so a
folder is never half of one commit and half of another. The expected digest is that of the lock, of this project's pins
or of the hub, in this order. A small file is in none of them at first: it is trusted when it comes, and locked then.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path

from backend.errors import CheckpointError
from backend.models.checkpoints import sha256_of
from backend.models.download import OnProgress, check_disk, download_part
from backend.models.entries import PublishedFolder
from backend.models.http_get import Unreachable
from backend.models.hub import Hub, HubFile, Snapshot
from backend.models.model_lock import LockedModel, find_differences, only_one_download, read_lock, write_to_lock

OpenProgress = Callable[[str], AbstractContextManager[OnProgress]]
"""Called with a file's name before its download."""


@dataclass(frozen=True)
class HubModel:
    """Files of a repository on the hub and where they go.

    Attributes:
        name: Of the folder, or of the single file, in the weights folder.
        repository: "owner/name".
        revision: Branch, tag or commit that is downloaded if none is locked.
        files: Path below the weights folder by name on the hub.
        optional: Those of the names that the repository need not have.
        pins: SHA-256 by name on the hub, where this project knows it.
    """

    name: str
    repository: str
    revision: str
    files: Mapping[str, str]
    optional: frozenset[str] = frozenset()
    pins: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of_folder(cls, folder: PublishedFolder) -> HubModel:
        """Build the model of a registry's folder."""
        names = (*folder.files, *folder.optional_files)
        files = {name: f"{folder.file_name}/{name}" for name in names}
        optional, pins = frozenset(folder.optional_files), dict(folder.pins)
        return cls(folder.file_name, folder.repository, folder.revision, files, optional, pins)


@dataclass(frozen=True)
class Fetched:
    """A model that is complete and locked; `new_files` were downloaded, or trusted as they lay there, just now."""

    locked: LockedModel
    new_files: tuple[str, ...]


def fetch_model(
    model: HubModel, weights_dir: Path, hub: Hub, *, update: bool = False, open_progress: OpenProgress
) -> Fetched:
    """Download what is missing of a model and lock it. Without anything missing, the hub is not asked.

    Args:
        update: Take the newest commit of the revision in place of the locked one, and replace files that differ.

    Raises:
        CheckpointError: A file is not what the lock, this project or the hub says; no network, permission or space.
    """
    with only_one_download(weights_dir):
        before = read_lock(weights_dir).get(model.name)
        locked = None if update else before
        if locked is not None:
            differences = find_differences(weights_dir / model.name, locked)
            _refuse_changes(weights_dir / model.name, differences.changed, differences.added)
            _refuse_other_commit(model, locked)
            if not differences.missing and _required(model) <= locked.files.keys():
                return Fetched(locked, ())
        try:
            snapshot = hub.fetch_snapshot(model.repository, locked.commit if locked else model.revision)
        except Unreachable as error:
            where = ", ".join(sorted({f"{weights_dir / target}" for target in model.files.values()}))
            remedy = f"{error.remedy} Without a network, download the files elsewhere and copy them here: {where}."
            raise CheckpointError(error.message, remedy=remedy) from error
        return _Download(model, weights_dir, hub, snapshot, before, update, open_progress).run()


def _required(model: HubModel) -> set[str]:
    return {Path(target).name for name, target in model.files.items() if name not in model.optional}


def _refuse_changes(path: Path, changed: tuple[str, ...], added: tuple[str, ...]) -> None:
    if changed:
        raise CheckpointError(
            f"{path} is not as it was downloaded: changed: {', '.join(changed)}.",
            remedy="Delete what changed and run the command again: it comes from the same commit. If you meant to "
            "change it, copy it to another folder and set its path; --update takes the hub's newest commit.",
        )
    if added:
        raise CheckpointError(
            f"{path} has files that were not downloaded: {', '.join(added)}.",
            remedy="Move them away: the model's classes may read them.",
        )


def _refuse_other_commit(model: HubModel, locked: LockedModel) -> None:
    for name, digest in model.pins.items():
        if locked.files.get(Path(model.files[name]).name, digest) != digest:
            raise CheckpointError(
                f"{name} of {model.name} is locked at commit {locked.commit}, and this project pins another one.",
                remedy="The project was updated since the download: run the command with --update.",
            )


@dataclass(frozen=True)
class _Download:
    """One run for one model; `before` is its entry in the lock."""

    model: HubModel
    weights_dir: Path
    hub: Hub
    snapshot: Snapshot
    before: LockedModel | None
    update: bool
    open_progress: OpenProgress

    @property
    def locked(self) -> LockedModel | None:
        return None if self.update else self.before

    def run(self) -> Fetched:
        wanted = self._choose_files()
        missing = {name: file for name, file in wanted.items() if not self._is_here(file)}
        check_disk(self.weights_dir, sum(self._remaining_bytes(file) for file in missing.values()))
        for file in missing.values():
            self._fetch(file)
        for name in missing:
            self._put_in_place(name)
        digests = {self._target(name).name: sha256_of(self._target(name)) for name in wanted}
        self._remove_old_files(digests)
        result = LockedModel(self.model.repository, self.snapshot.commit, digests)
        if result != self.before:
            write_to_lock(self.weights_dir, self.model.name, result)
        known = self.locked.files.keys() if self.locked else set()
        return Fetched(result, tuple(sorted(digests.keys() - known | {self._target(name).name for name in missing})))

    def _remove_old_files(self, current: Mapping[str, str]) -> None:
        """Remove files of the commit before that the new one does not have: the model's classes may read them."""
        ours = {self._target(name).name: self._target(name) for name in self.model.files}
        for name in self.before.files if self.before else {}:
            if name in ours and name not in current:
                ours[name].unlink(missing_ok=True)

    def _choose_files(self) -> dict[str, HubFile]:
        absent = [name for name in self.model.files if name not in self.snapshot.files]
        required = [name for name in absent if name not in self.model.optional]
        if required:
            raise CheckpointError(
                f"{self.model.repository} has no {', '.join(required)} at commit {self.snapshot.commit}.",
                remedy="Update this project: the model may have moved. Or copy its weights into the weights folder.",
            )
        return {name: self.snapshot.files[name] for name in self.model.files if name not in absent}

    def _is_here(self, file: HubFile) -> bool:
        """Whether the right file is in place; one that differs is refused, or replaced by an update."""
        target, expected = self._target(file.name), self._expected(file)
        if not target.exists():
            return False
        actual = sha256_of(target)
        if actual == expected:
            return True
        if expected is None and not self.update and (file.size is None or target.stat().st_size == file.size):
            return True  # a small file that was copied here by hand; its present digest is locked
        if not self.update:
            raise CheckpointError(
                f"{target} has SHA-256 {actual}, which is not the file of {self.model.repository} at commit "
                f"{self.snapshot.commit}.",
                remedy="Move it away, or replace it with --update.",
            )
        return False

    def _expected(self, file: HubFile) -> str | None:
        """Return the digest that the file must have.

        Raises:
            CheckpointError: The hub publishes another one than is locked or pinned.
        """
        locked = self.locked.files.get(self._target(file.name).name) if self.locked else None
        pinned = self.model.pins.get(file.name)
        for digest, owner in ((locked, "the lock says"), (pinned, "this project pins")):
            if digest is not None and file.sha256 not in (None, digest):
                raise CheckpointError(
                    f"The hub has {file.name} of {self.model.repository} at commit {self.snapshot.commit} with SHA-256 "
                    f"{file.sha256}, but {owner} {digest}.",
                    remedy="Do not use it: a commit's files never change. Check HF_ENDPOINT, and ask its operator; if "
                    "the hub itself says so, report it to this project.",
                )
        return locked or pinned or file.sha256

    def _fetch(self, file: HubFile) -> None:
        url = self.hub.file_url(self.model.repository, self.snapshot.commit, file.name)
        part, digest = self._part(file.name), self._expected(file)
        with self.open_progress(file.name) as on_progress:
            download_part(url, part, sha256=digest, size=file.size, token=self.hub.token, on_progress=on_progress)

    def _put_in_place(self, name: str) -> None:
        target = self._target(name)
        try:
            self._part(name).replace(target)
            for stale in target.parent.glob(f"{target.name}.*.part"):  # of other commits
                stale.unlink()
        except OSError as error:
            raise CheckpointError(f"{target} could not be written: {error}.", remedy="Make it writable.") from error

    def _remaining_bytes(self, file: HubFile) -> int:
        part = self._part(file.name)
        return max(0, (file.size or 0) - (part.stat().st_size if part.exists() else 0))

    def _target(self, name: str) -> Path:
        return self.weights_dir / self.model.files[name]

    def _part(self, name: str) -> Path:
        """Return the path of the unfinished file. It names the commit: parts of two must not be put together."""
        target = self._target(name)
        return target.with_name(f"{target.name}.{self.snapshot.commit[:12]}.part")
