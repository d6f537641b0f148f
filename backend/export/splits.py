"""Splitting a data set into train, val and test: by groups, stratified by class, the same for the same seed.

Images of a group, such as the frames of one video, stay together. A group goes only to a split that still wants images,
so no split has more than its share and one group. Within that,

1. each class that has as many groups as there are splits comes into every split, the scarcest class first (greedy: with
   many classes in one image there may be no way that it finds);
2. the objects of each class are shared out by the fractions, the rarest class first, as in iterative stratification;
3. images without objects fill up what is left.

The order of the rows does not matter: ties are decided by a hash of the seed and the group. Another image or another
label may move other images too.

Example: ten images of one class with the fractions 0.8, 0.1 and 0.1 become eight, one and one.

Source: Sechidis, Tsoumakas, Vlahavas: On the stratification of multi-label data (2011), with groups in place of images.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

SPLITS = ("train", "val", "test")
MAX_CANDIDATES = 100  # groups of a class that are compared for a split


@dataclass(frozen=True)
class SplitRow:
    """What the split of an image depends on.

    Attributes:
        image_id: Unique in the data set; rows with the same one are the same picture.
        objects: Number of objects of each class.
        group: Images of the same group come into the same split; "" for an image by itself.
    """

    image_id: int
    objects: Mapping[str, int]
    group: str = ""


@dataclass
class _Group:
    key: str
    order: bytes
    images: set[int] = field(default_factory=set)
    objects: Counter[str] = field(default_factory=Counter)
    split: str = ""


def assign_splits(rows: Iterable[SplitRow], fractions: Mapping[str, float], seed: int = 0) -> dict[int, str]:
    """Assign each image to a split.

    Args:
        rows: Read once; about 1 kB of memory each.
        fractions: Of each split, above 0, 1 together. A data set of fewer groups than splits leaves splits empty.

    Returns:
        The split's name by the image's id.
    """
    groups = _collect_groups(rows, seed)
    assignment = _Assignment(groups, fractions)
    assignment.cover_classes()
    assignment.share_classes()
    assignment.fill_up()
    return {image_id: group.split for group in groups for image_id in sorted(group.images)}


def _collect_groups(rows: Iterable[SplitRow], seed: int) -> list[_Group]:
    groups: dict[str, _Group] = {}
    for row in rows:
        key = f"group {row.group}" if row.group else f"image {row.image_id}"
        if key not in groups:
            groups[key] = _Group(key, hashlib.sha256(f"{seed} {key}".encode()).digest()[:16])
        groups[key].images.add(row.image_id)
        groups[key].objects.update({name: count for name, count in row.objects.items() if count})
    return sorted(groups.values(), key=lambda group: group.order)


class _Assignment:
    """Groups on their way into the splits.

    Args:
        groups: In the order that decides ties.
    """

    def __init__(self, groups: list[_Group], fractions: Mapping[str, float]) -> None:
        self._groups = groups
        self._names = list(fractions)
        images, objects = sum(len(group.images) for group in groups), Counter[str]()
        self._of_class: defaultdict[str, list[_Group]] = defaultdict(list)
        for group in groups:
            objects.update(group.objects)
            for name in group.objects:
                self._of_class[name].append(group)
        self._free = Counter({name: len(own) for name, own in self._of_class.items()})
        self._wanted = {split: fraction * images for split, fraction in fractions.items()}
        self._wanted_objects = {
            split: {name: fraction * count for name, count in objects.items()} for split, fraction in fractions.items()
        }
        self._lacking = {name: set(fractions) for name, own in self._of_class.items() if len(own) >= len(fractions)}

    def cover_classes(self) -> None:
        """Bring each class into every split, as far as its groups and the size of the splits allow."""
        for own in self._of_class.values():
            own.sort(key=lambda group: len(group.images))  # small ones leave most room; stable, so ties stay in order
        while pending := [name for name, splits in self._lacking.items() if splits]:
            name = min(pending, key=lambda name: (self._free[name] - len(self._lacking[name]), name))
            splits = [split for split in self._open_splits() if split in self._lacking[name]]
            candidates = [group for group in self._of_class[name] if not group.split][:MAX_CANDIDATES]
            if not splits or not candidates:
                self._lacking[name] = set()
                continue
            pairs = [(group, split) for group in candidates for split in splits]
            self._put(*max(pairs, key=lambda pair: (self._gain(*pair), -len(pair[0].images))))

    def share_classes(self) -> None:
        """Share out the objects of each class by the fractions, beginning with the class of the fewest groups left."""
        pending = set(self._of_class)
        while pending:
            name = min(pending, key=lambda name: (self._free[name], name))
            pending.remove(name)
            own = [group for group in self._of_class[name] if not group.split]
            for group in sorted(own, key=lambda group: (-group.objects[name], group.order)):
                self._put(group, self._neediest(name))

    def fill_up(self) -> None:
        """Distribute the groups without objects, large ones first."""
        rest = [group for group in self._groups if not group.split]
        for group in sorted(rest, key=lambda group: (-len(group.images), group.order)):
            self._put(group, self._neediest(None))

    def _open_splits(self) -> list[str]:
        """The splits that want images; there is one as long as a group is free."""
        return [split for split in self._names if self._wanted[split] > 1e-6] or self._names[:1]

    def _neediest(self, name: str | None) -> str:
        def need(split: str) -> tuple[float, float]:
            of_class = self._wanted_objects[split][name] if name is not None else 0.0
            return round(of_class, 6), round(self._wanted[split], 6)

        return max(self._open_splits(), key=need)

    def _gain(self, group: _Group, split: str) -> int:
        """How many classes the split gains by the group, less those that lose a group and need it elsewhere."""
        lacking = [self._lacking[name] for name in group.objects if self._lacking.get(name)]
        return sum(1 if split in splits else -1 for splits in lacking)

    def _put(self, group: _Group, split: str) -> None:
        group.split = split
        self._wanted[split] -= len(group.images)
        for name, count in group.objects.items():
            self._wanted_objects[split][name] -= count
            self._free[name] -= 1
            if name in self._lacking:
                self._lacking[name].discard(split)
