"""Which task an image of a data set belongs to: by its task id, otherwise by the name of its picture.

The first row that has a task decides; a row with several is ambiguous:

| by            | of the image in the data set            | of the task                                        |
|---------------|-----------------------------------------|----------------------------------------------------|
| task id       | `task_id`                               | its id; the pictures' names must not contradict it |
| address       | `coco_url`, `file_name`                 | the URI of its image                               |
| export name   | `file_name`, such as `photo-task12.jpg` | the name that an export gives it                   |
| name          | last part of `coco_url`, `file_name`    | last part of its URI                               |
| uploaded name | the same, as it is or without digits,   | the same without the eight digits of each upload   |
|               | or as `upload_names` would write it     |                                                    |

Names of label files have no ending, and are compared with the names of pictures without theirs.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from backend.errors import BadDataSet, shorten
from backend.export import FoundImage, build_file_name, build_image_id, build_image_parts, uri_to_name
from backend.importing.upload_names import build_upload_name, path_of, without_digits
from backend.label_studio.config import ImageConfig, LabelingConfig

IMPORT_REMEDY = "Import the picture into the project first, under the same name."
MAX_NAMED = 3
LEVELS = ("address", "export name", "name", "uploaded name")


@dataclass(frozen=True)
class Place:
    """An image of a task.

    Attributes:
        image: Its controls.
        uri: As in the task's data.
        image_id: That an export gives it.
        file_name: That an export gives it.
    """

    task_id: int
    image: ImageConfig
    uri: str
    image_id: int
    file_name: str


class TaskIndex:
    """The images of a project's tasks, by everything that they can be found by.

    Args:
        tasks: Documents with "id" and "data".
        project_id: For messages.

    Attributes:
        last_task_id: The highest id; 0 without tasks.
    """

    def __init__(self, tasks: Iterable[Mapping[str, Any]], config: LabelingConfig, project_id: str) -> None:
        self._project_id = project_id
        self.last_task_id = 0
        self._by_task: dict[int, list[Place]] = {}
        self._by_name: dict[tuple[str, bool, str], list[Place]] = {}
        parts = build_image_parts([image.name for image in config.images if image.answers])
        for task in tasks:
            self.last_task_id = max(self.last_task_id, task["id"])
            for image in config.images_in(task["data"]):
                uri = task["data"][image.data_key]
                if image.answers and isinstance(uri, str):
                    self._add(task["id"], image, uri, parts[image.name])

    def __len__(self) -> int:
        return len(self._by_task)

    def match(self, found: FoundImage, *, by_name: bool = False, remedy: str = IMPORT_REMEDY) -> Place:
        """Return the place of an image.

        Args:
            by_name: Whether its task id is ignored.
            remedy: Of an image whose names no task has.

        Raises:
            BadDataSet: No task has it, or several may.
        """
        if found.task_id is not None and not by_name:
            return self._by_task_id(found, found.task_id)
        if place := self.find(found):
            return place
        name = shorten(found.file_name or found.uri or "none")
        message = f"{_capital(found.name)}: no task of project {self._project_id} shows a picture of the name {name}."
        raise BadDataSet(message, remedy=remedy)

    def find(self, found: FoundImage) -> Place | None:
        """Return the place that an image's names lead to; None if no task has one of them.

        Raises:
            BadDataSet: Several tasks may have it.
        """
        for key in _keys_of(found):
            if places := self._by_name.get(key):
                if len(places) > 1:
                    raise _ambiguous(found, places)
                return places[0]
        return None

    def find_exactly(self, found: FoundImage, upload_name: str) -> Place | None:
        """Return the one place with an image's address, or with the name that its picture is uploaded under."""
        keys = [("address", True, text) for text in (found.uri, found.file_name)]
        for key in (*keys, ("uploaded name", found.has_ending, upload_name)):
            places = self._by_name.get(key, ())
            if key[2] and len(places) == 1:
                return places[0]
        return None

    def remove(self, places: Iterable[Place]) -> None:
        """Make places unfindable by name."""
        removed = {(place.task_id, place.image.name) for place in places}
        for key, own in self._by_name.items():
            self._by_name[key] = [place for place in own if (place.task_id, place.image.name) not in removed]

    def _by_task_id(self, found: FoundImage, task_id: int) -> Place:
        places = self._by_task.get(task_id, [])
        if not places:
            message = f"{_capital(found.name)} is of task {task_id}, which project {self._project_id} does not have."
            remedy = "The file is of another project: name that one, or match its images by their names with --by-name."
            raise BadDataSet(message, remedy=remedy)
        if len(places) > 1:
            places = [place for place in places if place.image_id == found.image_id or place.uri == found.uri]
        if len(places) != 1:
            message = f"{_capital(found.name)} is of task {task_id}, which shows several images."
            raise BadDataSet(message, remedy="Match images by their names with --by-name.")
        place = places[0]
        if found.uri and found.uri != place.uri and uri_to_name(found.uri) != uri_to_name(place.uri):
            message = (
                f"{_capital(found.name)} is of task {task_id} and shows {shorten(found.uri)}, but in project "
                f"{self._project_id} that task shows {shorten(place.uri)}."
            )
            remedy = "The file is of another Label Studio: match its images by their names with --by-name."
            raise BadDataSet(message, remedy=remedy)
        return place

    def _add(self, task_id: int, image: ImageConfig, uri: str, part: str) -> None:
        image_id = build_image_id(task_id, image.name if part else "")
        place = Place(task_id, image, uri, image_id, build_file_name(uri, task_id, part))
        self._by_task.setdefault(task_id, []).append(place)
        name = uri_to_name(uri)
        names = dict(zip(LEVELS, (uri, place.file_name, name, without_digits(name)), strict=True))
        for level, text in names.items():
            for has_ending in (True, False):
                key = level, has_ending, text if has_ending else _stem(text)
                if key[2]:
                    self._by_name.setdefault(key, []).append(place)


def _keys_of(found: FoundImage) -> Iterator[tuple[str, bool, str]]:
    """Yield the keys to look an image up by, in the order of the rows."""
    last = PurePosixPath(found.file_name.replace("\\", "/")).name
    names = [name for name in (uri_to_name(found.uri) if found.uri else "", last) if name]
    texts = {"address": [found.uri, found.file_name], "export name": [last], "name": names}
    uploaded = [build_upload_name(path_of(found), is_unique=one, has_ending=found.has_ending) for one in (True, False)]
    texts["uploaded name"] = [*names, *map(without_digits, names), *uploaded]
    for level in LEVELS:
        for text in dict.fromkeys(texts[level]):
            if text:
                yield level, found.has_ending, text


def _stem(name: str) -> str:
    return PurePosixPath(name).stem


def _ambiguous(found: FoundImage, places: list[Place]) -> BadDataSet:
    named = ", ".join(f"{place.task_id} ({shorten(place.uri)})" for place in places[:MAX_NAMED])
    more = f" and {len(places) - MAX_NAMED} more" if len(places) > MAX_NAMED else ""
    message = f"{_capital(found.name)} may be of several tasks: {named}{more}."
    remedy = 'Give the image the address of its picture as "coco_url" in the file; its "task_id" counts '
    remedy += "without --by-name and --create-tasks."
    return BadDataSet(message, remedy=remedy)


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
