"""Over HTTP, as Label Studio was recorded: a click with the key point while the mask of a box waits for the tick.

The request of such a click has only its own point, and the box in the draft that was saved some seconds before.
"""

from __future__ import annotations

from typing import Any

import pytest

from backend.label_studio.config import parse_labeling_config
from backend.label_studio.results import parse_regions
from backend.values import Candidate, ImageEmbedding, Prompt
from tests.fakes import FakeSegmenter, Hall, png
from tests.recorded import load_payload
from tests.server.fakes import ServerOnFakes

LINE = '<View><!-- backend: {"messages": "says", "min_score": 0.5} --><TextArea name="says" toName="image"/>'
CLICK = load_payload("interactive_keypoint_with_draft")  # with the label Cat at (448, 336); the draft has the box
BOX = CLICK["tasks"][0]["drafts"][0]["result"][0]  # about (64, 48, 255, 201)

Json = dict[str, Any]


class Sleepy(FakeSegmenter):
    """A segmenter that is sure of nothing any more, if told so."""

    is_asleep = False

    def decode(self, embedding: ImageEmbedding, prompt: Prompt, **more: Any) -> list[Candidate]:
        found = super().decode(embedding, prompt, **more)
        return [Candidate(one.mask, 0.0 if self.is_asleep else one.score, one.low_res_logits) for one in found]


def body(*prompts: Json, draft: bool = False) -> Json:
    (task,) = CLICK["tasks"]
    return CLICK | {
        "label_config": CLICK["label_config"].replace("<View>", LINE, 1),
        "tasks": [task if draft else task | {"drafts": []}],
        "params": CLICK["params"] | {"context": {"result": list(prompts)}},
    }


@pytest.mark.parametrize("draft", [False, True], ids=["at once", "once the page is saved"])
def test_a_refused_click_answers_with_the_mask_of_the_box_and_says_why(draft: bool) -> None:
    segmenter = Sleepy()
    server = ServerOnFakes(Hall(segmenter=segmenter, files={CLICK["tasks"][0]["data"]["image"]: png(640, 480)}))
    (boxed,) = server.predict(body(BOX)).json["results"]
    mask = [result for result in boxed["result"] if result["type"] != "textarea"]
    segmenter.is_asleep = True
    reply = server.predict(body(*CLICK["params"]["context"]["result"], draft=draft))
    *kept, line = reply.json["results"][0]["result"]
    assert reply.status_code == 200 and kept == mask and mask[0]["type"] == "brushlabels"
    assert line["value"]["text"][0].startswith("No object here.")


def test_a_new_object_is_answered_together_with_the_mask_of_the_box_in_the_draft() -> None:
    server = ServerOnFakes(Hall(files={CLICK["tasks"][0]["data"]["image"]: png(640, 480)}))
    (boxed,) = server.predict(body(BOX)).json["results"]
    (both,) = server.predict(body(*CLICK["params"]["context"]["result"], draft=True)).json["results"]
    config = parse_labeling_config(CLICK["label_config"]).images[0]
    (old,) = parse_regions([one for one in boxed["result"] if one["type"] != "textarea"], config)
    new, repeated = parse_regions([one for one in both["result"] if one["type"] != "textarea"], config)
    assert repeated.region_id == old.region_id and (repeated.mask == old.mask).all() and old.mask[100, 100]
    assert new.mask[336, 448] and not new.mask[100, 100]
