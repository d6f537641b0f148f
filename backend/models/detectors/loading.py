"""Loading of a detector from a folder in the layout of the Hugging Face hub, without asking the hub anything."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from backend.errors import CheckpointError, shorten
from backend.models.detectors.phrase_tokens import CLS, FULL_STOP, QUESTION_MARK, SEP
from backend.models.entries import DetectorEntry
from backend.models.out_of_memory import is_out_of_memory
from backend.models.transformers_library import import_transformers

NEEDED = (  # one file of each row
    ("config.json",),
    ("model.safetensors",),
    ("preprocessor_config.json", "processor_config.json"),
    ("tokenizer.json", "vocab.txt"),
)
_CONSTANTS = re.compile(r"(position_ids|relative_position_index|num_batches_tracked)$")  # in old files; not weights
_MAX_NAMED = 3  # names of weights in a message


@dataclass(frozen=True)
class LoadedFolder:
    """What a detector's folder holds: the model in float32, its image processor and its tokenizer."""

    model: Any
    image_processor: Any
    tokenizer: Any


def load_folder(entry: DetectorEntry, folder: Path) -> LoadedFolder:
    """Load a detector.

    Raises:
        BadSettings: transformers is missing or of another version.
        CheckpointError: A file is missing or damaged, or the folder holds another model.
    """
    library = import_transformers(f"DETECTOR={entry.name}")
    _check_files(entry, folder)
    local: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}
    try:
        config = library.AutoConfig.from_pretrained(folder, **local)
        _check_family(entry, folder, config.model_type)
        processor = library.AutoProcessor.from_pretrained(folder, **local)
        model, report = library.AutoModelForZeroShotObjectDetection.from_pretrained(
            folder,
            config=config,
            dtype=torch.float32,
            use_safetensors=True,
            output_loading_info=True,
            ignore_mismatched_sizes=True,
            **local,
        )
    except CheckpointError:
        raise
    except Exception as error:  # transformers, tokenizers, safetensors and torch each raise their own family
        if is_out_of_memory(error):
            raise
        raise _damaged(entry, folder, f"it cannot be read: {type(error).__name__}: {error}") from error
    _check_weights(entry, folder, report)
    tokenizer = processor.tokenizer
    borders = tokenizer.convert_tokens_to_ids(["[CLS]", "[SEP]", ".", "?"])
    if borders != [CLS, SEP, FULL_STOP, QUESTION_MARK]:
        raise _damaged(entry, folder, "its tokenizer is not the one of BERT (uncased), whose ids the model needs")
    return LoadedFolder(model, processor.image_processor, tokenizer)


def _check_files(entry: DetectorEntry, folder: Path) -> None:
    missing = [" or ".join(names) for names in NEEDED if not any((folder / name).is_file() for name in names)]
    if missing:
        raise _damaged(entry, folder, f"it has no {', '.join(missing)}")


def _check_family(entry: DetectorEntry, folder: Path, model_type: str) -> None:
    if model_type != entry.model_type:
        raise CheckpointError(
            f"The folder {folder} holds a model of type {shorten(model_type)!r}, but {entry.name} is one of type "
            f"{entry.model_type!r}.",
            remedy=f"Set DETECTOR and DETECTOR_CHECKPOINT to a detector and its folder, or {_download(entry)}.",
        )


def _check_weights(entry: DetectorEntry, folder: Path, report: dict[str, Any]) -> None:
    """Raise `CheckpointError` unless exactly the model's weights were in the file; others would stay random."""
    mismatched = [one[0] if isinstance(one, tuple) else one for one in report.get("mismatched_keys") or ()]
    unexpected = [name for name in report.get("unexpected_keys") or () if not _CONSTANTS.search(name)]
    named = {"no": report.get("missing_keys") or (), "an unknown": unexpected, "a wrong size of": mismatched}
    for problem, names in named.items():
        if names:
            shown = ", ".join(sorted(names)[:_MAX_NAMED])
            more = f" and {len(names) - _MAX_NAMED} more" if len(names) > _MAX_NAMED else ""
            raise _damaged(entry, folder, f"its weights have {problem} {shown}{more}")


def _damaged(entry: DetectorEntry, folder: Path, problem: str) -> CheckpointError:
    message = f"The folder {folder} is not a complete {entry.name}: {problem}."
    return CheckpointError(message, remedy=f"Delete it and {_download(entry)}.")


def _download(entry: DetectorEntry) -> str:
    return f"download it with `python -m scripts.download_models {entry.name}`"
