"""Which label, which classes and which control a mask gets; scores are compared by hand."""

from __future__ import annotations

import numpy as np
import pytest

from backend.label_studio.config import ClassControl
from backend.label_studio.requests import SegmentAll
from backend.label_studio.results import decode_brush
from backend.predict.region_labels import choose
from backend.projects import ProjectSettings
from backend.values import Candidate, ClassScore, Size
from tests.fakes import CONFIG, CONFIG_WITH_IMAGE_CHOICES, OPTIONS, FakeClassifier, Hall, keypoint, noise_png

SCORES = (ClassScore("a", 0.5), ClassScore("b", 0.3), ClassScore("c", 0.2))
POLYGONS = '<PolygonLabels name="p" toName="img"><Label value="dog"/><Label value="car"/></PolygonLabels>'
TWO_KINDS = CONFIG.replace("</View>", f"{POLYGONS}</View>").replace(
    '<Label value="AUTO"/>', '<Label value="AUTO"/><Label value="car"/>'
)


@pytest.mark.parametrize(
    ("multiple", "given", "chosen"),
    [
        (False, {}, ("a",)),
        (False, {"clip_threshold": 0.5}, ("a",)),
        (False, {"clip_threshold": 0.51}, ()),
        (True, {}, ("a", "b")),
        (True, {"choices_threshold": 0.31}, ("a",)),
        (True, {"choices_threshold": 0.6, "clip_threshold": 0.0}, ()),
        (True, {"choices_threshold": 0.0}, ("a", "b", "c")),
    ],
)
def test_a_single_choice_is_the_best_and_a_multiple_one_all_that_are_probable(
    multiple: bool, given: dict[str, float], chosen: tuple[str, ...]
) -> None:
    control = ClassControl("c", "i", multiple=multiple)
    assert choose(control, SCORES, ProjectSettings(**given)) == chosen
    assert choose(control, (), ProjectSettings(**given)) == ()


def named(hall: Hall, *prompts: dict, xml: str = CONFIG, **options) -> list[tuple[str, object]]:
    results = hall.document(*prompts, xml=xml, **options)["result"]
    return [(result["from_name"], result["value"].get(result["type"])) for result in results]


def test_a_label_is_answered_by_the_control_that_has_it() -> None:
    hall = Hall(classifier=FakeClassifier())
    assert named(hall, keypoint(50, 50, "dog"), xml=TWO_KINDS)[0] == ("b", ["dog"])
    assert named(hall, keypoint(50, 50, "car"), xml=TWO_KINDS)[0] == ("p", ["car"])


def test_the_preferred_kind_goes_first() -> None:
    hall, polygons = Hall(classifier=FakeClassifier()), ProjectSettings(answer="polygon")
    assert named(hall, keypoint(50, 50, "dog"), xml=TWO_KINDS, settings=polygons)[0] == ("p", ["dog"])
    assert named(hall, keypoint(50, 50, "cat"), xml=TWO_KINDS, settings=polygons)[0] == ("b", ["cat"])


def test_clip_chooses_among_the_labels_of_all_answer_controls() -> None:
    class Last(FakeClassifier):
        def _scores(self, vocabulary):  # type: ignore[no-untyped-def]
            return tuple(reversed(super()._scores(vocabulary)))

    assert named(Hall(classifier=Last()), keypoint(50, 50, "AUTO"), xml=TWO_KINDS)[0] == ("p", ["car"])


def test_the_projects_auto_label_goes_before_the_servers() -> None:
    on, off = ProjectSettings(auto_label=True), ProjectSettings(auto_label=False)
    assert named(Hall(classifier=FakeClassifier()), keypoint(50, 50, "dog"), settings=on)[0] == ("b", ["cat"])
    hall = Hall(classifier=FakeClassifier(), auto_label=True)
    assert named(hall, keypoint(50, 50, "dog"), settings=off)[0] == ("b", ["dog"])


def test_a_class_that_is_not_probable_enough_is_left_out_and_the_mask_stays() -> None:
    hall = Hall(classifier=FakeClassifier(score=0.4))
    assert named(hall, keypoint(50, 50, "dog"), settings=ProjectSettings(clip_threshold=0.5)) == [("b", ["dog"])]


def test_every_per_region_control_is_answered_and_only_where_it_is_for_the_label() -> None:
    more = """<Choices name="fur" toName="img" perRegion="true" choice="multiple" whenLabelValue="dog">
    <Choice value="long"/><Choice value="curly"/></Choices>
    <Taxonomy name="tree" toName="img" perRegion="true"><Choice value="a"><Choice value="b"/></Choice></Taxonomy>
    </View>"""
    xml = CONFIG.replace("</View>", more)
    hall = Hall(classifier=FakeClassifier())
    everything = [("kind", ["black"]), ("fur", ["long", "curly"]), ("tree", [["a", "b"]])]
    assert [name for name, _ in named(hall, keypoint(50, 50, "dog"), xml=xml)] == ["b", "kind", "fur", "tree"]
    assert named(hall, keypoint(50, 50, "dog"), xml=xml)[1:] == everything
    assert [name for name, _ in named(hall, keypoint(50, 50, "cat"), xml=xml)] == ["b", "kind", "tree"]


def test_every_image_level_control_is_answered() -> None:
    more = """<Choices name="tags" toName="img" choice="multiple"><Choice value="day"/><Choice value="rain"/>
    <Choice value="snow"/></Choices></View>"""
    xml = CONFIG_WITH_IMAGE_CHOICES.replace("</View>", more)
    document = Hall(classifier=FakeClassifier()).document(xml=xml)
    said = [(result["from_name"], result["value"]["choices"]) for result in document["result"]]
    assert said == [("place", ["indoor"]), ("tags", ["day", "rain"])]  # 0.8, 0.4, 0.27 of which top_k keeps two
    assert document["score"] == pytest.approx(0.8)


def test_the_clip_threshold_is_for_regions_and_not_for_the_image() -> None:
    hall = Hall(classifier=FakeClassifier(score=0.4))
    settings = ProjectSettings(clip_threshold=0.5)
    assert named(hall, xml=CONFIG_WITH_IMAGE_CHOICES, settings=settings) == [("place", ["indoor"])]


def test_shapes_without_labels_are_answered_without_one() -> None:
    xml = """<View><Image name="img" value="$photo"/><Brush name="b" toName="img"/>
    <KeyPointLabels name="k" toName="img"><Label value="Thing"/></KeyPointLabels></View>"""
    for hall in (Hall(), Hall(classifier=FakeClassifier())):
        assert [result["type"] for result in hall.document(keypoint(50, 50, "Thing"), xml=xml)["result"]] == ["brush"]
        assert len(hall.document(xml=xml, request=SegmentAll(OPTIONS))["result"]) == 3


TWO_IMAGES = CONFIG.replace(
    "</View>",
    """<Image name="second" value="$other"/>
    <PolygonLabels name="p2" toName="second"><Label value="cat"/><Label value="dog"/></PolygonLabels>
    <KeyPointLabels name="k2" toName="second"><Label value="cat"/><Label value="dog"/></KeyPointLabels>
    <Choices name="place" toName="second"><Choice value="indoor"/><Choice value="outdoor"/></Choices></View>""",
)
BOTH = {"id": 1, "data": {"photo": "a.png", "other": "b.png"}}


def two_image_hall() -> Hall:
    return Hall(classifier=FakeClassifier(), files={"a.png": noise_png(40, 30, 1), "b.png": noise_png(60, 50, 2)})


def test_a_click_is_answered_for_the_image_it_was_made_on() -> None:
    hall = two_image_hall()
    prompt = keypoint(50, 50, "dog", size=(60, 50)) | {"from_name": "k2", "to_name": "second"}
    (polygon,) = hall.task_document(BOTH, TWO_IMAGES, [prompt])["result"]
    assert (polygon["from_name"], polygon["to_name"], polygon["type"]) == ("p2", "second", "polygonlabels")
    assert (polygon["original_width"], polygon["original_height"]) == (60, 50)
    assert hall.fetcher.fetched == [("b.png", 1, "3")]
    first = hall.task_document(BOTH, TWO_IMAGES, [keypoint(50, 50, "dog")])["result"]
    assert {result["to_name"] for result in first} == {"img"}


def test_pre_annotation_goes_through_all_images_of_a_task() -> None:
    document = two_image_hall().task_document(BOTH, TWO_IMAGES, [], request=SegmentAll(OPTIONS))
    counted = [(result["from_name"], result["to_name"]) for result in document["result"]]
    assert counted.count(("b", "img")) == 3 and counted.count(("p2", "second")) == 3
    assert counted[-1] == ("place", "second")


def test_a_task_without_one_of_its_images_is_answered_for_the_other() -> None:
    document = two_image_hall().task_document(
        {"id": 1, "data": {"other": "b.png"}}, TWO_IMAGES, [], request=SegmentAll(OPTIONS)
    )
    assert {result["to_name"] for result in document["result"]} == {"second"}


def test_masks_lose_their_specks_unless_the_project_wants_them(monkeypatch: pytest.MonkeyPatch) -> None:
    def areas(settings: ProjectSettings, *prompts: dict) -> list[int]:
        hall = Hall()
        mask = np.zeros((30, 40), bool)
        mask[5:15, 5:15] = True
        mask[8, 8] = False
        mask[20:22, 30:32] = True
        monkeypatch.setattr(hall.segmenter, "decode", lambda *_, max_masks=None: [Candidate(mask.copy(), 0.9)])
        found = hall.document(*prompts, settings=settings)["result"]
        return [int(decode_brush(result["value"]["rle"], Size(40, 30)).sum()) for result in found]

    inside, on_speck = keypoint(25, 25), keypoint(77.5, 70)
    assert areas(ProjectSettings(), inside) == [100]  # the pinhole is filled, 4 pixels of a speck are gone
    assert areas(ProjectSettings(clean_masks=False), inside) == [103]
    assert areas(ProjectSettings(), on_speck) == [104]  # a person clicked on it
