"""Pascal VOC: an XML file with the boxes of each picture, and two indexed PNGs with its masks.

    Annotations/photo-task7.xml         boxes, in the order of the objects
    SegmentationClass/photo-task7.png   index of the class of each pixel, from 1 in the order of the labeling config
    SegmentationObject/photo-task7.png  index of the object of each pixel, from 1 in the order of the XML file
    ImageSets/Main/train.txt            names of the pictures of each split; the same in ImageSets/Segmentation
    JPEGImages/photo-task7.jpg          only if pictures are exported; in whichever format they have
    labelmap.txt                        names and colours of the classes

A pixel has one object: where objects overlap it belongs to the later one. The index is a byte, 255 is "void" (not to be
learned or judged), so the 255th object of a picture and further ones are void in both PNGs. A group (`is_crowd`) is
"difficult", which VOC's evaluation ignores. Boxes are whole pixels from 1, including the last one.

Worked example: the pixels (1, 0) and (2, 0) of an image are the box xmin 2, ymin 1, xmax 3, ymax 1.

Source: the VOC 2012 development kit, section 4 of its documentation.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from xml.etree import ElementTree

import numpy as np
from PIL import Image

from backend.errors import ExportError, shorten
from backend.export.files import link_or_copy
from backend.export.names import UniqueStems
from backend.export.records import DataSet, EncodedRegion, LabeledImage
from backend.export.writers.voc_labels import (
    BACKGROUND,
    MAX_INDEX,
    VOID,
    build_labelmap,
    build_palette,
    name_labels,
    strip_xml,
)
from backend.values import Pixels

DEFAULT_SPLIT = "train"
IMAGE_SETS = ("ImageSets/Main", "ImageSets/Segmentation")
FOLDERS = ("Annotations", "JPEGImages", "SegmentationClass", "SegmentationObject", *IMAGE_SETS)
_PALETTE = bytes(value for colour in build_palette() for value in colour)


class VocWriter:
    """Writer of Pascal VOC."""

    def begin(self, folder: Path, data_set: DataSet) -> None:
        labels = len(data_set.categories)
        if labels > MAX_INDEX:
            raise ExportError(
                f"The labeling config has {labels} labels for masks, and Pascal VOC holds {MAX_INDEX}.",
                remedy="Choose another format, such as --format coco.",
            )
        self._folder, self._data_set = folder, data_set
        self._names = name_labels(data_set.categories)
        self._indexes = {label: index for index, label in enumerate(data_set.categories, start=1)}
        self._stems = UniqueStems()
        self._sets: dict[str, list[str]] = {split: [] for split in data_set.splits or (DEFAULT_SPLIT,)}
        self._overlapped, self._hidden, self._void = 0, 0, 0
        for name in FOLDERS:
            (folder / name).mkdir(parents=True, exist_ok=True)

    def add(self, image: LabeledImage) -> None:
        stem = self._stems.take(image.file_name)
        picture = stem + PurePosixPath(image.file_name).suffix
        regions = [region for region in image.regions if region.area]
        classes, objects = self._paint(image, regions)
        _save(classes, self._folder / "SegmentationClass" / f"{stem}.png")
        _save(objects, self._folder / "SegmentationObject" / f"{stem}.png")
        document = self._build_xml(image, picture, regions)
        (self._folder / "Annotations" / f"{stem}.xml").write_bytes(document)
        self._sets[image.split or DEFAULT_SPLIT].append(stem)
        if image.picture is not None:
            link_or_copy(image.picture, self._folder / "JPEGImages" / picture)

    def close(self) -> Sequence[str]:
        for split, stems in self._sets.items():
            for name in IMAGE_SETS:
                text = "".join(f"{stem}\n" for stem in stems)
                (self._folder / name / f"{split}.txt").write_text(text, encoding="utf-8")
        labelmap = build_labelmap(list(self._names.values()), with_void=self._void > 0)
        (self._folder / "labelmap.txt").write_text(labelmap, encoding="utf-8")
        return list(self._notes())

    def _notes(self) -> list[str]:
        notes = []
        if not self._data_set.with_pictures:
            notes.append("the pictures are missing: copy them into JPEGImages, or export them with --with-images")
        if self._overlapped:
            notes.append(
                f"{self._overlapped} masks are partly under later ones in the PNGs, {self._hidden} of them completely"
            )
        if self._void:
            notes.append(f"{self._void} masks are void, because an 8-bit PNG holds {MAX_INDEX} objects of a picture")
        renamed = [f"{label!r} is {name!r}" for label, name in self._names.items() if label != name]
        if renamed:
            notes.append(f"labels that Pascal VOC cannot hold have other names: {shorten(', '.join(renamed))}")
        return notes

    def _paint(self, image: LabeledImage, regions: Sequence[EncodedRegion]) -> tuple[Pixels, Pixels]:
        """Paint the objects over each other; return the indexes of classes and of objects, uint8 (H, W)."""
        shape = image.size.height, image.size.width
        classes, objects = np.full(shape, BACKGROUND, np.uint8), np.full(shape, BACKGROUND, np.uint8)
        for number, region in enumerate(regions, start=1):
            x, y, width, height = region.bbox
            place = slice(y, y + height), slice(x, x + width)
            mask = region.decode_mask()[place]
            classes[place][mask] = self._indexes[region.label] if number <= MAX_INDEX else VOID
            objects[place][mask] = number if number <= MAX_INDEX else VOID
        self._count(regions, objects)
        return classes, objects

    def _count(self, regions: Sequence[EncodedRegion], objects: Pixels) -> None:
        visible = np.bincount(objects.ravel(), minlength=VOID + 1)[1 : MAX_INDEX + 1].tolist()
        shown = list(zip(visible, regions, strict=False))
        self._overlapped += sum(pixels < region.area for pixels, region in shown)
        self._hidden += sum(not pixels for pixels, _ in shown)
        self._void += max(len(regions) - MAX_INDEX, 0)

    def _build_xml(self, image: LabeledImage, picture: str, regions: Sequence[EncodedRegion]) -> bytes:
        root = ElementTree.Element("annotation")
        _add(root, "folder", self._data_set.name)
        _add(root, "filename", picture)
        size = ElementTree.SubElement(root, "size")
        for name, value in (("width", image.size.width), ("height", image.size.height), ("depth", 3)):
            _add(size, name, value)
        _add(root, "segmented", int(bool(regions)))
        for region in regions:
            entry = ElementTree.SubElement(root, "object")
            _add(entry, "name", self._names[region.label])
            _add(entry, "pose", "Unspecified")
            _add(entry, "truncated", 0)
            _add(entry, "difficult", int(region.is_crowd))
            x, y, width, height = region.bbox
            box = ElementTree.SubElement(entry, "bndbox")
            for name, value in (("xmin", x + 1), ("ymin", y + 1), ("xmax", x + width), ("ymax", y + height)):
                _add(box, name, value)
        ElementTree.indent(root)
        return ElementTree.tostring(root, encoding="utf-8", xml_declaration=True) + b"\n"


def _add(parent: ElementTree.Element, name: str, value: object) -> None:
    ElementTree.SubElement(parent, name).text = strip_xml(str(value))


def _save(indexes: Pixels, path: Path) -> None:
    """Save uint8 (H, W) as an indexed PNG with VOC's palette."""
    picture = Image.fromarray(indexes).convert("L")
    picture = Image.frombytes("P", picture.size, picture.tobytes())
    picture.putpalette(_PALETTE)
    picture.save(path, "PNG")
