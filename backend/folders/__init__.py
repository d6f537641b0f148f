"""Image files on this machine's disk, labeled without Label Studio; a run can be interrupted and continued.

Paths, labels and the engine come in; segments, pictures, data sets and predictions for Label Studio go out as files.
"""

from backend.folders.cutouts import CutoutRequest, parse_background
from backend.folders.image_files import FolderImage, ImageLimits, choose_root, find_image_files, name_images
from backend.folders.image_outputs import Layout, OutputWriter
from backend.folders.processing import STAGE_NAMES, FolderWork, describe_failure, process_images
from backend.folders.run_record import FolderRecord
from backend.folders.summary_files import WRITTEN, FolderSummary, write_summary
from backend.folders.vocabulary import (
    Vocabulary,
    build_vocabulary,
    check_vocabulary,
    read_labels_file,
    require_labels,
    split_labels,
)

__all__ = [
    "STAGE_NAMES",
    "WRITTEN",
    "CutoutRequest",
    "FolderImage",
    "FolderRecord",
    "FolderSummary",
    "FolderWork",
    "ImageLimits",
    "Layout",
    "OutputWriter",
    "Vocabulary",
    "build_vocabulary",
    "check_vocabulary",
    "choose_root",
    "describe_failure",
    "find_image_files",
    "name_images",
    "parse_background",
    "process_images",
    "read_labels_file",
    "require_labels",
    "split_labels",
    "write_summary",
]
