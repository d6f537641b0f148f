"""Registry of the data set formats by the name that `--format` takes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from backend.export.writers.coco import CocoWriter
from backend.export.writers.datumaro import DatumaroWriter
from backend.export.writers.huggingface import HuggingFaceWriter
from backend.export.writers.instances import InstanceWriter
from backend.export.writers.labeler_folders import BoxWriter, ColourMaskWriter, IdMaskWriter, OverlayWriter
from backend.export.writers.panoptic import PanopticWriter
from backend.export.writers.parquet import ParquetWriter
from backend.export.writers.roboflow import RoboflowWriter
from backend.export.writers.semantic import SemanticWriter
from backend.export.writers.voc import VocWriter
from backend.export.writers.webdataset import WebDatasetWriter
from backend.export.writers.writer import Writer
from backend.export.writers.yolo_det import YoloDetWriter
from backend.export.writers.yolo_obb import YoloObbWriter
from backend.export.writers.yolo_pose import YoloPoseWriter
from backend.export.writers.yolo_seg import YoloSegWriter


@dataclass(frozen=True)
class FormatOptions:
    """What a person may choose about formats.

    Attributes:
        polygon_tolerance: Pixels that an outline may leave the mask in formats of outlines; COCO writes outlines
            instead of exact masks only if it is set.
    """

    polygon_tolerance: float | None = None


@dataclass(frozen=True)
class Format:
    """An entry of the registry.

    Attributes:
        build: Builds a writer.
        description: Half a line for `--help`.
        needs_pictures: Whether it cannot be written without `--with-images`.
    """

    build: Callable[[FormatOptions], Writer]
    description: str
    needs_pictures: bool = False


FORMATS: Mapping[str, Format] = MappingProxyType(
    {
        "coco": Format(
            lambda options: CocoWriter(options.polygon_tolerance),
            "COCO instances with exact masks; polygons with --polygons; key points in a file of their own",
        ),
        "yolo-seg": Format(
            lambda options: YoloSegWriter(options.polygon_tolerance or 0.0),
            "Ultralytics segmentation: one outline per object, holes and parts joined",
        ),
        "yolo-det": Format(lambda options: YoloDetWriter(), "Ultralytics detection: boxes"),
        "yolo-obb": Format(lambda options: YoloObbWriter(), "Ultralytics oriented boxes"),
        "yolo-pose": Format(lambda options: YoloPoseWriter(), "Ultralytics poses: rectangles with their key points"),
        "roboflow": Format(
            lambda options: RoboflowWriter(lambda: CocoWriter(options.polygon_tolerance)),
            "COCO in Roboflow's layout, as RF-DETR reads it",
        ),
        "voc": Format(lambda options: VocWriter(), "Pascal VOC: boxes in XML, masks in indexed PNGs"),
        "panoptic": Format(lambda options: PanopticWriter(), "COCO panoptic, one PNG a picture, later regions on top"),
        "semantic": Format(lambda options: SemanticWriter(), "an indexed PNG of classes a picture"),
        "instances": Format(lambda options: InstanceWriter(), "a 16-bit PNG of object ids a picture"),
        "id_masks": Format(lambda options: IdMaskWriter(), "a black and white PNG an object"),
        "masks": Format(lambda options: ColourMaskWriter(), "a PNG a picture in the colours of the classes"),
        "overlays": Format(
            lambda options: OverlayWriter(), "pictures with outlines, labels and boxes", needs_pictures=True
        ),
        "bboxes": Format(lambda options: BoxWriter(), "a CSV of boxes a picture"),
        "huggingface": Format(
            lambda options: HuggingFaceWriter(), "an imagefolder with metadata.jsonl", needs_pictures=True
        ),
        "webdataset": Format(lambda options: WebDatasetWriter(), "tar files of pictures and JSON", needs_pictures=True),
        "parquet": Format(lambda options: ParquetWriter(), "a row a picture; needs pyarrow"),
        "datumaro": Format(lambda options: DatumaroWriter(), "Datumaro's own JSON"),
    }
)
