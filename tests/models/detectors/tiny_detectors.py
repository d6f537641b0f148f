"""Detectors of the real classes with few random weights, in folders of the hub's layout."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from backend.models.entries import DetectorEntry
from backend.models.registry import DETECTORS

MAX_TOKENS = 24
WORDS = ("a", "the", "red", "blue", "green", "cat", "dog", "car", "ring", "traffic", "light", "st", "##s", "##ring")
LLMDET, GROUNDING_DINO = DETECTORS["llmdet_tiny"], DETECTORS["grounding_dino_tiny"]


def write_detector(folder: Path, entry: DetectorEntry, *, seed: int = 11, **changes: Any) -> Path:
    """Write config, weights, image processor and tokenizer of a tiny detector; `changes` go into its config."""
    import transformers

    kind = "MMGroundingDino" if entry.model_type == "mm-grounding-dino" else "GroundingDino"
    backbone = {
        "model_type": "swin",
        "image_size": 64,
        "embed_dim": 8,
        "depths": [1, 1, 1, 1],
        "num_heads": [1, 2, 2, 2],
        "window_size": 4,
        "out_indices": [2, 3, 4],
    }
    text = {
        "model_type": "bert",
        "vocab_size": 1100,
        "hidden_size": 32,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "intermediate_size": 32,
    }
    sizes = {
        "d_model": 32,
        "num_queries": 36,
        "encoder_layers": 1,
        "decoder_layers": 2,
        "encoder_ffn_dim": 32,
        "decoder_ffn_dim": 32,
        "encoder_attention_heads": 4,
        "decoder_attention_heads": 4,
        "max_text_len": MAX_TOKENS,
        "init_std": 0.5,
    }
    config = getattr(transformers, f"{kind}Config")(backbone_config=backbone, text_config=text, **sizes | changes)
    torch.manual_seed(seed)  # with 11 each of three texts gets boxes
    transformers.logging.disable_progress_bar()
    getattr(transformers, f"{kind}ForObjectDetection")(config).save_pretrained(folder)
    write_tokenizer(folder)
    size = {"shortest_edge": 96, "longest_edge": 160}
    transformers.GroundingDinoImageProcessor(size=size).save_pretrained(folder)
    transformers.BertTokenizerFast.from_pretrained(folder).save_pretrained(folder)
    return folder


def write_tokenizer(folder: Path) -> None:
    """Write a WordPiece vocabulary in which the marks have the ids of BERT's."""
    marks = {0: "[PAD]", 100: "[UNK]", 101: "[CLS]", 102: "[SEP]", 103: "[MASK]", 1012: ".", 1029: "?"}
    vocabulary = [marks.get(place, f"[unused{place}]") for place in range(1030)] + list(WORDS)
    (folder / "vocab.txt").write_text("\n".join(vocabulary) + "\n")


def without_limit(entry: DetectorEntry) -> DetectorEntry:
    """Return the entry with a default score that every box reaches."""
    return replace(entry, min_score=0.0)
