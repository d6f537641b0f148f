"""Whole projects: stages in threads, imports that store each prediction exactly once, annotations for an export, a page
of predictions to look at before they are imported.

Label Studio's client and task documents come in; labeled images, stored predictions and summaries go out.
"""

from backend.bulk.annotation_choice import RULES, AnnotationChoice, list_annotations, parse_choice, parse_time
from backend.bulk.annotation_reader import AnnotationReader, FetchSize
from backend.bulk.attach_pictures import PictureCounts, PictureSource, attach_pictures
from backend.bulk.chunks import ChunkLimits
from backend.bulk.contact_sheet import ContactSheet
from backend.bulk.delivery import PredictionStore, Target
from backend.bulk.encode_saved import encode_saved_region
from backend.bulk.failures import Failures, list_reasons
from backend.bulk.image_regions import ControlChoice
from backend.bulk.label_names import LabelNames, category_names, key_point_names
from backend.bulk.ledger import FailedTask, Ledger, RunIdentity, TaskState
from backend.bulk.outages import Outages, StopFlag, Stopped
from backend.bulk.outcome import ClosableRunner, Outcome, Outcomes, Runner
from backend.bulk.pipeline import Pipeline, Run
from backend.bulk.pipeline_runner import PipelineRunner
from backend.bulk.prediction_importer import PredictionImporter
from backend.bulk.progress import Progress, Snapshot, StageCount
from backend.bulk.project_run import UNCHANGED, ProjectRun
from backend.bulk.ray_engine import RayActors, load_ray
from backend.bulk.read_annotations import Merge, ReadOptions, collect, read_images
from backend.bulk.read_counts import Collected, ReadCounts, Undecided
from backend.bulk.run_folder import RunFolder, describe_changes, identify_run
from backend.bulk.run_lease import describe_holder, hold_lock, refuse
from backend.bulk.stage import Failed, Finished, Stage
from backend.bulk.summary import Summary
from backend.bulk.sweep import Sweep, SweepReport
from backend.bulk.task_file import read_task_file
from backend.bulk.task_pipeline import DECODE_THREADS, FETCH_THREADS, STAGE_NAMES, TaskSteps, build_task_pipeline
from backend.bulk.time_estimate import Clock, MaskTime, describe_mask_time, measure_mask_time
from backend.bulk.worker_errors import RayUnavailable, WorkerDied, WorkersUnusable
from backend.bulk.worker_processes import WorkerProcesses
from backend.bulk.worker_runner import WorkerRunner

__all__ = [
    "DECODE_THREADS",
    "FETCH_THREADS",
    "RULES",
    "STAGE_NAMES",
    "UNCHANGED",
    "AnnotationChoice",
    "AnnotationReader",
    "ChunkLimits",
    "Clock",
    "ClosableRunner",
    "Collected",
    "ContactSheet",
    "ControlChoice",
    "Failed",
    "FailedTask",
    "Failures",
    "FetchSize",
    "Finished",
    "LabelNames",
    "Ledger",
    "MaskTime",
    "Merge",
    "Outages",
    "Outcome",
    "Outcomes",
    "PictureCounts",
    "PictureSource",
    "Pipeline",
    "PipelineRunner",
    "PredictionImporter",
    "PredictionStore",
    "Progress",
    "ProjectRun",
    "RayActors",
    "RayUnavailable",
    "ReadCounts",
    "ReadOptions",
    "Run",
    "RunFolder",
    "RunIdentity",
    "Runner",
    "Snapshot",
    "Stage",
    "StageCount",
    "StopFlag",
    "Stopped",
    "Summary",
    "Sweep",
    "SweepReport",
    "Target",
    "TaskState",
    "TaskSteps",
    "Undecided",
    "WorkerDied",
    "WorkerProcesses",
    "WorkerRunner",
    "WorkersUnusable",
    "attach_pictures",
    "build_task_pipeline",
    "category_names",
    "collect",
    "describe_changes",
    "describe_holder",
    "describe_mask_time",
    "encode_saved_region",
    "hold_lock",
    "identify_run",
    "key_point_names",
    "list_annotations",
    "list_reasons",
    "load_ray",
    "measure_mask_time",
    "parse_choice",
    "parse_time",
    "read_images",
    "read_task_file",
    "refuse",
]
