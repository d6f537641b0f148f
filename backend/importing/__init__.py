"""From a data set's files back into a project: images are matched to tasks, regions become results, and are sent.

`export` reads the files; plans, results and counts go out.
"""

from backend.importing.box_plan import BoxPlan, plan_file_boxes
from backend.importing.build_results import ResultCounts, ResultOptions
from backend.importing.choose_control import add_ordinary_rectangles, check_shape
from backend.importing.compare_pictures import compare_pictures, list_pairs
from backend.importing.create_tasks import ReadyTask, TaskCreator, read_ready
from backend.importing.drawn_boxes import DrawnBoxes
from backend.importing.find_pictures import PictureFolder, PictureLimits
from backend.importing.match_images import Place, TaskIndex
from backend.importing.new_tasks import (
    GivenPictures,
    NewTask,
    PictureSource,
    PrefixedPictures,
    choose_image,
    plan_with_new,
)
from backend.importing.plan import TaskImport, check_labels, fail_image, name_unused_renames, plan_import
from backend.importing.send_annotations import SendCounts, send_annotations, with_existing
from backend.importing.send_predictions import PlannedTasks, PredictionBuilder, clear_stored
from backend.importing.task_results import TaskResults, has_same_regions

__all__ = [
    "BoxPlan",
    "DrawnBoxes",
    "GivenPictures",
    "NewTask",
    "PictureFolder",
    "PictureLimits",
    "PictureSource",
    "Place",
    "PlannedTasks",
    "PredictionBuilder",
    "PrefixedPictures",
    "ReadyTask",
    "ResultCounts",
    "ResultOptions",
    "SendCounts",
    "TaskCreator",
    "TaskImport",
    "TaskIndex",
    "TaskResults",
    "add_ordinary_rectangles",
    "check_labels",
    "check_shape",
    "choose_image",
    "clear_stored",
    "compare_pictures",
    "fail_image",
    "has_same_regions",
    "list_pairs",
    "name_unused_renames",
    "plan_file_boxes",
    "plan_import",
    "plan_with_new",
    "read_ready",
    "send_annotations",
    "with_existing",
]
