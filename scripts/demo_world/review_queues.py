"""Queues of masks and of tasks as a person reviews them, a fifth damaged, and how early they show what is wrong."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from scripts.demo_world.damage import KINDS
from scripts.demo_world.review_figures import Queue
from scripts.demo_world.review_signals import FORMULAS, Signals

DAMAGED = 0.2
FIRST_PART = 0.25
DRAWS = 50


@dataclass(frozen=True)
class Reviewed:
    """A mask with its class.

    Attributes:
        kind: How it was damaged; "" for the pipeline's own.
        is_error: Whether a review should find it.
        trust: As `scripts.preannotate --review` scores it.
        signals: For the other formulas.
    """

    kind: str
    is_error: bool
    trust: float
    signals: Signals


@dataclass(frozen=True)
class ReviewedTask:
    """The masks of one scene, each as the pipeline made it and once damaged, and the number of missing objects."""

    own: tuple[Reviewed, ...]
    damaged: tuple[Reviewed, ...]
    missing: int


def queue_masks(tasks: Sequence[ReviewedTask], rng: np.random.Generator) -> list[Reviewed]:
    """Draw the masks of a project, of which a fifth is damaged."""
    pairs = [pair for task in tasks for pair in zip(task.own, task.damaged, strict=True)]
    is_damaged = rng.permutation(len(pairs)) < round(DAMAGED * len(pairs))
    return [damaged if flag else own for (own, damaged), flag in zip(pairs, is_damaged, strict=True)]


def queue_tasks(tasks: Sequence[ReviewedTask], rng: np.random.Generator, share: float = DAMAGED) -> Queue:
    """Draw the tasks of a project: in a share of them one mask is damaged. A task without a mask has the trust 0."""
    is_damaged = rng.permutation(len(tasks)) < round(share * len(tasks))
    trust, is_error = [], []
    for task, flag in zip(tasks, is_damaged, strict=True):
        masks = list(task.own)
        if flag and masks:
            place = int(rng.integers(len(masks)))
            masks[place] = task.damaged[place]
        trust.append(min((mask.trust for mask in masks), default=0.0))
        is_error.append(any(mask.is_error for mask in masks))
    return Queue(np.array(trust), np.array(is_error))


def summarize(tasks: Sequence[ReviewedTask], draws: int = DRAWS) -> dict[str, Any]:
    """Compute all figures, means over the draws."""
    drawn = [queue_masks(tasks, np.random.default_rng(number)) for number in range(draws)]
    task_queues = [queue_tasks(tasks, np.random.default_rng((number, 1))) for number in range(draws)]
    queues = [_queue(masks, lambda mask: mask.trust) for masks in drawn]
    of_missing = Queue(
        np.array([min((mask.trust for mask in task.own), default=0.0) for task in tasks]),
        np.array([task.missing > 0 for task in tasks]),
    )
    return {
        "tasks": len(tasks),
        "masks": len(drawn[0]),
        "own_errors": sum(mask.is_error for task in tasks for mask in task.own),
        "review": _mean_figures(queues),
        "undamaged": _mean_figures([_queue([mask for task in tasks for mask in task.own], lambda mask: mask.trust)]),
        "by_kind": {kind or "the pipeline's own": _found_of_kind(drawn, queues, kind) for kind in ("", *KINDS)},
        "formulas": {name: _figures_of(formula, drawn, tasks) for name, formula in FORMULAS.items()},
        "by_task": _mean_figures(task_queues),
        "by_undamaged_task": _mean_figures([queue_tasks(tasks, np.random.default_rng(0), share=0)]),
        "missing": sum(task.missing for task in tasks),
        "tasks_with_missing": of_missing.errors,
        "tasks_with_missing_in_first_part": of_missing.found_in_first(FIRST_PART),
        "curve": np.mean([queue.found() for queue in queues], axis=0).tolist(),
        "task_curve": np.mean([queue.found() for queue in task_queues], axis=0).tolist(),
    }


def _queue(masks: Sequence[Reviewed], trust: Callable[[Reviewed], float]) -> Queue:
    return Queue(np.array([trust(mask) for mask in masks]), np.array([mask.is_error for mask in masks]))


def _figures_of(
    formula: Callable[[Signals], float], drawn: Sequence[Sequence[Reviewed]], tasks: Sequence[ReviewedTask]
) -> dict[str, float]:
    """The figures of another formula, and those of its queue without any damage."""
    figures = _mean_figures([_queue(masks, lambda mask: formula(mask.signals)) for masks in drawn])
    undamaged = _queue([mask for task in tasks for mask in task.own], lambda mask: formula(mask.signals))
    return figures | {f"undamaged_{name}": value for name, value in _mean_figures([undamaged]).items()}


def _mean_figures(queues: Sequence[Queue]) -> dict[str, float]:
    found = [queue.found_in_first(FIRST_PART) for queue in queues]
    return {
        "errors": float(np.mean([queue.errors for queue in queues])),
        "found": float(np.mean(found)),
        "found_min": min(found),
        "best": float(np.mean([queue.best_in_first(FIRST_PART) for queue in queues])),
        "auroc": float(np.mean([queue.auroc for queue in queues])),
        "average_precision": float(np.mean([queue.average_precision for queue in queues])),
    }


def _found_of_kind(drawn: Sequence[Sequence[Reviewed]], queues: Sequence[Queue], kind: str) -> float:
    """The share of the errors of one kind in the first part of the queue of all masks, over all draws."""
    of_kind = [
        Queue(queue.trust, np.array([mask.is_error and mask.kind == kind for mask in masks]))
        for masks, queue in zip(drawn, queues, strict=True)
    ]
    found = sum(queue.found_in_first(FIRST_PART) * queue.errors for queue in of_kind)
    return found / max(sum(queue.errors for queue in of_kind), 1)


def format_figures(renderer: str, figures: dict[str, Any]) -> str:
    """Format the figures of one renderer as Markdown."""
    review = figures["review"]
    lines = [
        f"\n{renderer}: {figures['tasks']} tasks with {figures['masks']} masks; the pipeline's own errors are "
        f"{figures['own_errors']}; with the damage {review['errors']:.0f} errors.",
        f"Missing: {figures['missing']} objects in {figures['tasks_with_missing']} tasks, of which "
        f"{figures['tasks_with_missing_in_first_part']:.3f} are in the first quarter.",
        _format_plain("\nMasks", review),
        _format_plain("Masks without any damage", figures["undamaged"]),
        _format_plain("Tasks", figures["by_task"]),
        _format_plain("Tasks without any damage", figures["by_undamaged_task"]),
        "\n| formula | first quarter | AUROC | average precision | undamaged: first quarter | AUROC |",
        "|---|--:|--:|--:|--:|--:|",
    ]
    for name, row in figures["formulas"].items():
        values = (row[key] for key in ("found", "auroc", "average_precision", "undamaged_found", "undamaged_auroc"))
        lines.append(f"| {name} | " + " | ".join(f"{value:.3f}" for value in values) + " |")
    kinds = ", ".join(f"{kind} {share:.2f}" for kind, share in figures["by_kind"].items())
    return "\n".join([*lines, f"\nIn the first quarter by kind: {kinds}"])


def _format_plain(what: str, figures: dict[str, float]) -> str:
    return (
        f"{what}: {figures['errors']:.0f} with an error, {figures['found']:.3f} of them in the first quarter (at least "
        f"{figures['found_min']:.3f}, the best order {figures['best']:.3f}), AUROC {figures['auroc']:.3f}, average "
        f"precision {figures['average_precision']:.3f}."
    )
