"""The files of one image: segments, overlay, cut-out, and its entry for Label Studio.

segments/street/a.png/car_3fa9c01b2e4d-01_0.97.png     or segments/car/car_3fa9c01b2e4d-01_0.97.png
overlays/street/a.png.jpg
cutouts/street/a.png.png
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote
from xml.sax.saxutils import quoteattr

from backend.export import (
    Background,
    EncodedRegion,
    LabelNames,
    Segment,
    choose_colours,
    encode_cutout,
    encode_overlay,
    encode_region,
    encode_segment,
    write_bytes,
)
from backend.folders.image_files import FolderImage, OpenedImage
from backend.folders.run_record import FolderRecord
from backend.label_studio.config import ConfigLimits, parse_labeling_config
from backend.label_studio.results import LabeledRegion, build_prediction, build_results
from backend.values import Mask, Size

Json = dict[str, Any]
SEGMENTS, OVERLAYS, CUTOUTS = "segments", "overlays", "cutouts"


@dataclass(frozen=True)
class Layout:
    """How results are laid out.

    Attributes:
        by_label: Segments lie in a folder for each label, not for each image.
        url_prefix: What stands before an image's name in the tasks for Label Studio.
        model_version: Of the predictions.
    """

    by_label: bool
    url_prefix: str
    model_version: str


@dataclass(frozen=True)
class ImageResults:
    """What was made of an image.

    Attributes:
        segments: None if only a cut-out was asked for.
        cutout: The object to cut out; None if none was found or asked for.
    """

    opened: OpenedImage
    segments: Sequence[Segment] | None
    cutout: Mask | None = None


def build_label_config(labels: Sequence[str]) -> str:
    """Build the labeling config that the predictions fit; labels have the colours of the overlays."""
    rows = "".join(
        f'    <Label value={quoteattr(label)} background="#{bytes(colour).hex()}"/>\n'
        for label, colour in choose_colours(labels).items()
    )
    brush = f'  <BrushLabels name="mask" toName="image">\n{rows}  </BrushLabels>\n' if labels else ""
    return f'<View>\n  <Image name="image" value="$image" zoom="true" zoomControl="true"/>\n{brush}</View>\n'


class OutputWriter:
    """Writer of the files of one image after the other, on one thread at a time.

    Args:
        labels: All labels that a segment can have.
        background, soft_edges: Of cut-outs.
    """

    def __init__(
        self,
        record: FolderRecord,
        labels: Sequence[str],
        layout: Layout,
        background: Background = Background(),
        soft_edges: float = 0.0,
    ) -> None:
        self._record, self._layout = record, layout
        self._names, self._colours = LabelNames(labels), choose_colours(labels)
        self._background, self._soft_edges = background, soft_edges
        limits = ConfigLimits(max_classes=max(len(labels), 1))
        self._config = parse_labeling_config(build_label_config(labels), limits).images[0] if labels else None

    def write(self, results: ImageResults) -> Json:
        """Write the files of an image, and then its record, which is returned.

        Raises:
            ExportError: A file cannot be written. The image then counts as not done.
        """
        image, pixels, folder = results.opened.image, results.opened.source.pixels, self._record.folder
        segments, files = results.segments or (), {}
        for segment in segments:
            files[segment.segment_id] = f"{self._segment_folder(image, segment)}/{self._names.of_segment(segment)}"
        overlay = f"{OVERLAYS}/{image.name}.jpg" if results.segments is not None else None
        cutout = f"{CUTOUTS}/{image.name}.png" if results.cutout is not None else None
        listed = [*files.values(), *(name for name in (overlay, cutout) if name)]
        self._record.begin(image, listed)
        for segment in segments:
            write_bytes(folder / files[segment.segment_id], encode_segment(pixels, segment.mask), sync=False)
        if overlay is not None:
            write_bytes(folder / overlay, encode_overlay(pixels, segments, self._colours), sync=False)
        if cutout is not None and results.cutout is not None:
            picture = encode_cutout(pixels, results.cutout, self._background, self._soft_edges)
            write_bytes(folder / cutout, picture, sync=False)
        document = self._build_record(results, cutout is not None)
        self._record.finish(results.opened, listed, document)
        return document

    def _segment_folder(self, image: FolderImage, segment: Segment) -> str:
        return f"{SEGMENTS}/{self._names.of(segment.label) if self._layout.by_label else image.name}"

    def _build_record(self, results: ImageResults, has_cutout: bool) -> Json:
        image, source, segments = results.opened.image, results.opened.source, results.segments or ()
        regions = [encode_region(one.mask, one.label, one.segment_id, score=one.confidence) for one in segments]
        return {
            "digest": source.digest,
            "size": [source.size.width, source.size.height],
            "has_cutout": has_cutout,
            "segments": [_region_to_json(region) for region in regions],
            "task": self._build_task(image, segments) if results.segments is not None else None,
        }

    def _build_task(self, image: FolderImage, segments: Sequence[Segment]) -> Json:
        """Build a task with its prediction, whose score is the lowest confidence: Label Studio asks for those first."""
        assert self._config is not None
        regions = [LabeledRegion(one.mask, one.label, one.segment_id, score=one.confidence) for one in segments]
        score = min((one.confidence for one in segments), default=0.0)
        prediction = build_prediction(build_results(regions, self._config), self._layout.model_version, score)
        return {"data": {"image": build_uri(image, self._layout)}, "predictions": [prediction]}


def build_uri(image: FolderImage, layout: Layout) -> str:
    """Build the address of an image for Label Studio."""
    return layout.url_prefix + quote(image.name, errors="surrogateescape")


def _region_to_json(region: EncodedRegion) -> Json:
    return {name: getattr(region, name) for name in ("region_id", "label", "segmentation", "area", "bbox", "score")}


def region_from_json(document: Json, size: Size) -> EncodedRegion:
    """Read a region of an image's record."""
    box = tuple(document["bbox"])
    return EncodedRegion(
        document["region_id"],
        document["label"],
        size,
        document["segmentation"],
        document["area"],
        box,
        document["score"],
    )
