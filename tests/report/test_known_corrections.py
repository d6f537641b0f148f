"""The whole report on scenes of the demo world whose corrections a script made: every number is known."""

from __future__ import annotations

from collections import Counter

import pytest

from backend.label_studio.config import parse_labeling_config
from backend.report import ReviewReader, compute_figures
from scripts.demo_circle.targets import preannotated_scenes
from scripts.reporting.corrections import build_documents
from tests.paths import ROOT

CONFIG = parse_labeling_config((ROOT / "label_config.xml").read_text(encoding="utf-8"))
WORDS = {
    "untouched": "accepted untouched",
    "edited": "edited",
    "reclassified": "reclassified",
    "deleted": "deleted",
    "added": "added by hand",
}


def test_the_figures_of_a_reviewed_project_are_those_of_its_corrections() -> None:
    documents = list(build_documents(preannotated_scenes(8), CONFIG, "made-up"))
    corrections = [one for _, listed in documents for one in listed]
    truth = Counter(WORDS[one.outcome] for one in corrections)
    assert truth.keys() == set(WORDS.values())

    reviews = ReviewReader(CONFIG).read(document for document, _ in documents)
    total = compute_figures(reviews).total

    assert reviews.problems == []
    assert Counter(row.outcome.value for row in reviews.regions) == truth
    found = {(row.task, row.proposal_id): row.iou for row in reviews.regions if row.is_kept}
    expected = {
        (document["id"], one.proposal.region_id): one.iou
        for document, listed in documents
        for one in listed
        if one.proposal is not None and one.final is not None
    }
    assert found == pytest.approx(expected)
    assert total.acceptance == pytest.approx(truth["accepted untouched"] / (truth.total() - truth["added by hand"]))
    right = [
        one for one in corrections if one.outcome == "untouched" or (one.outcome == "edited" and (one.iou or 0) >= 0.5)
    ]
    assert total.precision == pytest.approx(len(right) / (truth.total() - truth["added by hand"]))
    assert total.recall == pytest.approx(len(right) / (truth.total() - truth["deleted"]))
    confused = Counter(
        (one.proposal.label, one.final.label)
        for one in corrections
        if one.outcome == "reclassified" and one.proposal and one.final
    )
    counts = compute_figures(reviews).confusion.counts
    assert {pair: count for pair, count in counts.items() if "" not in pair and pair[0] != pair[1]} == confused
