"""Loading of a detector from a folder in the layout of the Hugging Face hub, without asking the hub anything."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from backend.models.detectors.phrase_tokens import CLS, FULL_STOP, QUESTION_MARK, SEP
from backend.models.entries import DetectorEntry
from backend.models.model_folder import (
    OF_DETECTOR,
    check_folder,
    check_type,
    check_weights,
    download_remedy,
    read_config,
    refuse_folder,
)
from backend.models.out_of_memory import is_out_of_memory
from backend.models.transformers_library import import_transformers

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
    check_folder(folder, entry.name, OF_DETECTOR)
    config = read_config(folder, entry.name)
    other = f"Set DETECTOR and DETECTOR_CHECKPOINT to a detector and its folder. {download_remedy(entry.name)}"
    check_type(folder, entry.name, config, (entry.model_type,), other)
    check_weights(folder, entry.name)
    local: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}
    try:
        processor = library.AutoProcessor.from_pretrained(folder, **local)
        model, report = library.AutoModelForZeroShotObjectDetection.from_pretrained(
            folder,
            dtype=torch.float32,
            use_safetensors=True,
            output_loading_info=True,
            ignore_mismatched_sizes=True,
            **local,
        )
    except Exception as error:  # transformers, tokenizers, safetensors and torch each raise their own family
        if is_out_of_memory(error):
            raise
        raise refuse_folder(folder, entry.name, f"it cannot be read: {type(error).__name__}: {error}") from error
    _check_report(entry, folder, report)
    tokenizer = processor.tokenizer
    borders = tokenizer.convert_tokens_to_ids(["[CLS]", "[SEP]", ".", "?"])
    if borders != [CLS, SEP, FULL_STOP, QUESTION_MARK]:
        raise refuse_folder(
            folder, entry.name, "its tokenizer is not the one of BERT (uncased), whose ids the model needs"
        )
    return LoadedFolder(model, processor.image_processor, tokenizer)


def _check_report(entry: DetectorEntry, folder: Path, report: dict[str, Any]) -> None:
    """Raise `CheckpointError` unless exactly the model's weights were in the file; others would stay random."""
    mismatched = [one[0] if isinstance(one, tuple) else one for one in report.get("mismatched_keys") or ()]
    unexpected = [name for name in report.get("unexpected_keys") or () if not _CONSTANTS.search(name)]
    named = {"no": report.get("missing_keys") or (), "an unknown": unexpected, "a wrong size of": mismatched}
    for problem, names in named.items():
        if names:
            shown = ", ".join(sorted(names)[:_MAX_NAMED])
            more = f" and {len(names) - _MAX_NAMED} more" if len(names) > _MAX_NAMED else ""
            raise refuse_folder(folder, entry.name, f"its weights have {problem} {shown}{more}")
