"""Images of a data set that no task has → the tasks to create: each with an address, or with a picture to upload."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol
from urllib.parse import quote

from backend.bulk import Failures
from backend.errors import BackendError, BadDataSet, BadSettings, shorten
from backend.export import FoundDataSet, FoundImage
from backend.importing.find_pictures import REMEDY, PictureFolder
from backend.importing.match_images import TaskIndex
from backend.importing.plan import TaskImport, fail_image, group_by_task
from backend.importing.upload_names import SCHEMES, is_address, name_uploads, path_of
from backend.label_studio.config import ImageConfig, LabelingConfig, data_keys

RAW_SCHEMES = ("s3://", "gs://", "azure-blob://")  # their keys are not percent-encoded
LOCAL = "/data/"


@dataclass(frozen=True)
class NewTask:
    """A task to create.

    Attributes:
        name: Of `name_uploads`.
        address: What its data says; "" for a picture that is uploaded.
        picture: File of that picture.
    """

    found: FoundImage
    name: str
    address: str = ""
    picture: Path | None = None

    @property
    def file_name(self) -> str:
        """What the picture is uploaded as."""
        return self.name if self.found.has_ending or self.picture is None else self.name + self.picture.suffix


class PictureSource(Protocol):
    """Where pictures come from, and the folder of those on this machine."""

    @property
    def folder(self) -> PictureFolder: ...

    def addressed(self, found: FoundImage) -> FoundImage:
        """Return the image with the address that its task gets, if it gets one."""
        ...

    def task_for(self, found: FoundImage, name: str) -> NewTask:
        """Return the task for an image; raises `BadDataSet`."""
        ...


@dataclass(frozen=True)
class GivenPictures:
    """The address that the file has for an image (`coco_url`, `flickr_url`, `file_name`), otherwise a file.

    Attributes:
        uses_addresses: Whether addresses in the file count; not with --images.
    """

    folder: PictureFolder
    uses_addresses: bool = True

    def addressed(self, found: FoundImage) -> FoundImage:
        return found

    def task_for(self, found: FoundImage, name: str) -> NewTask:
        addresses = [text for text in (found.uri, found.file_name) if is_address(text)] if self.uses_addresses else []
        if addresses:
            return NewTask(found, name, addresses[0])
        return NewTask(found, name, picture=self.folder.root / self.folder.find(found))


@dataclass(frozen=True)
class PrefixedPictures:
    """Addresses of a prefix and the path of the picture in the data set's folder.

    Attributes:
        prefix: A "/" is put after it unless it ends with "/" or "=".
        folder: Its files tell the endings of the pictures of label files.

    Raises:
        BadSettings: The prefix is no address.
    """

    prefix: str
    folder: PictureFolder

    def __post_init__(self) -> None:
        if not self.prefix.startswith((*SCHEMES, LOCAL)):
            message = f"--image-prefix {shorten(self.prefix)} is no address that Label Studio could show pictures from."
            remedy = f"Begin it with {', '.join(SCHEMES)} or {LOCAL}local-files/, or upload files with --images DIR."
            raise BadSettings(message, remedy=remedy)

    def addressed(self, found: FoundImage) -> FoundImage:
        path = path_of(found)
        if not found.has_ending:
            try:
                path = path.with_name(self.folder.find(found).name)
            except BadDataSet:
                return found
        if not path.name:
            return found
        start = self.prefix if self.prefix.endswith(("/", "=")) else f"{self.prefix}/"
        return replace(found, uri=start + (str(path) if start.startswith(RAW_SCHEMES) else quote(str(path))))

    def task_for(self, found: FoundImage, name: str) -> NewTask:
        if not found.uri.startswith(self.prefix):
            self.folder.find(found)  # says what is missing
            raise BadDataSet(f"{found.name} has no name.", remedy=REMEDY)
        return NewTask(found, name, found.uri)


def choose_image(config: LabelingConfig) -> ImageConfig:
    """Return the image that new tasks show.

    Raises:
        BadSettings: The labeling config shows several images, or other data, so a picture alone makes no task.
    """
    images, keys = [image for image in config.images if image.answers], data_keys(config.xml)
    if len(images) == 1 and keys == [images[0].data_key]:
        return images[0]
    message = f"The labeling config shows {shorten(', '.join(keys))} of each task, and a picture alone has only one."
    fields = ", ".join(f'"{key}": …' for key in keys)
    remedy = f"Import tasks with {{{shorten(fields)}}} in Label Studio first, then run this without --create-tasks."
    raise BadSettings(message, remedy=remedy)


def plan_with_new(
    data_set: FoundDataSet, index: TaskIndex, failures: Failures, source: PictureSource
) -> tuple[list[TaskImport], list[NewTask]]:
    """Match images to tasks by their names, and plan a task for each that has none.

    Task ids of the data set are ignored: those of another project may be ids of other tasks here, also of such that
    this command has created. A task that has exactly an image's address, or the name that its picture is uploaded
    under, is no other image's, however many pictures have the same name.

    Args:
        index: Those tasks are removed from it.

    Returns:
        Planned tasks by ascending id, and those to create, in the order of the data set.
    """
    names, matched, rest = name_uploads(data_set.images), [], []
    for found, name in zip(data_set.images, names, strict=True):
        place = index.find_exactly(found, name)
        if place is None:
            rest.append((found, name))
        else:
            matched.append((found, place))
    index.remove(place for _, place in matched)
    new: dict[tuple[str, str], list[NewTask]] = {}
    for found, name in rest:
        try:
            if place := index.find(found):
                matched.append((found, place))
                continue
            task = source.task_for(found, name)
        except BackendError as error:
            fail_image(failures, str(error))
        else:
            new.setdefault((task.address, "" if task.address else name), []).append(task)
    for tasks in [tasks for tasks in new.values() if len(tasks) > 1]:
        shown = ", ".join(task.found.name for task in tasks[:3])
        what = tasks[0].address or tasks[0].picture
        reason = f"{len(tasks)} images of the data set have the same picture {shorten(what)}: {shown}."
        fail_image(failures, f"{reason} Make one image of them.", len(tasks))
    return group_by_task(matched, failures), [tasks[0] for tasks in new.values() if len(tasks) == 1]
