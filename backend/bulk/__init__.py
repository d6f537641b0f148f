"""Whole projects and folders: stages in threads, annotations for an export, importing predictions, labeling files.

Label Studio's client and task documents, or image files, come in; labeled images, stored predictions, files and
summaries go out.
"""

from backend.bulk.failures import Failures, list_reasons
from backend.bulk.folder_cutouts import CutoutRequest, parse_background
from backend.bulk.folder_images import FolderImage, ImageLimits, choose_root, find_image_files, name_images
from backend.bulk.folder_outputs import Layout, OutputWriter
from backend.bulk.folder_record import FolderRecord
from backend.bulk.folder_run import FolderWork, describe_failure, process_images
from backend.bulk.folder_summary import WRITTEN, FolderSummary, write_summary
from backend.bulk.folder_vocabulary import (
    Vocabulary,
    build_vocabulary,
    check_vocabulary,
    read_labels_file,
    require_labels,
    split_labels,
)
from backend.bulk.import_predictions import Json, Predictions, Summary, import_before_exit, import_chunk
from backend.bulk.outcome import Outcome, Runner
from backend.bulk.pipeline import Pipeline, Run
from backend.bulk.progress import Progress, Snapshot, StageCount
from backend.bulk.read_annotations import Collected, FetchSize, category_names, collect
from backend.bulk.stage import Failed, Finished, Stage

__all__ = [
    "WRITTEN",
    "Collected",
    "CutoutRequest",
    "Failed",
    "Failures",
    "FetchSize",
    "Finished",
    "FolderImage",
    "FolderRecord",
    "FolderSummary",
    "FolderWork",
    "ImageLimits",
    "Json",
    "Layout",
    "Outcome",
    "OutputWriter",
    "Pipeline",
    "Predictions",
    "Progress",
    "Run",
    "Runner",
    "Snapshot",
    "Stage",
    "StageCount",
    "Summary",
    "Vocabulary",
    "build_vocabulary",
    "category_names",
    "check_vocabulary",
    "choose_root",
    "collect",
    "describe_failure",
    "find_image_files",
    "import_before_exit",
    "import_chunk",
    "list_reasons",
    "name_images",
    "parse_background",
    "process_images",
    "read_labels_file",
    "require_labels",
    "split_labels",
    "write_summary",
]
