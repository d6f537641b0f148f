"""The page: complete in itself, safe with any text, the same for the same input; its sentences and pictures."""

from __future__ import annotations

import csv
import io
import re
import sys
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image

from backend.errors import ExportError, ImageUnavailable
from backend.images import SourceImage
from backend.report import (
    MAX_PICTURES,
    Candidate,
    Reviews,
    build_region_link,
    build_tables,
    check_matplotlib,
    compute_figures,
    draw_picture,
    render_page,
    write_headline,
    write_sentences,
)
from backend.report.outcomes import Outcome
from backend.report.sentences import percent
from tests.fakes import png
from tests.report.project import HEIGHT, WIDTH, annotation, box, brush, damaged, five_outcomes, prediction, read, task

SQUARE = box(0, 0, 10, 10)


def fetch_plain(candidate: Candidate) -> SourceImage:
    return SourceImage(png(WIDTH, HEIGHT))


def page_of(reviews: Reviews, title: str = "Animals") -> str:
    pictures = [draw_picture(candidate, fetch_plain) for candidate in reviews.worst.pick()]
    return render_page(title, reviews, compute_figures(reviews), pictures, lambda row: f"http://ls/{row.task}")


def said(*tasks: dict[str, object]) -> str:
    reviews = read(*tasks)
    figures = compute_figures(reviews)
    return " ".join([write_headline(figures.total), *(one.text for one in write_sentences(figures, reviews))])


class References(HTMLParser):
    """The tags of a page, and what it would load or lead to."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.loaded: list[str] = []
        self.links: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        for name, value in attrs:
            if tag == "a" and name == "href":
                self.links.append(value or "")
            elif name in ("src", "href", "xlink:href", "data", "srcset"):
                self.loaded.append(value or "")


def test_the_page_loads_nothing_from_anywhere_and_runs_no_script() -> None:
    page = page_of(read(five_outcomes()))
    references = References(page)
    assert not references.tags & {"script", "link", "iframe", "object", "base", "form"}
    assert all(re.match(r"#|data:image/jpeg;base64,", one) for one in references.loaded)
    assert {one.split(",")[0] for one in references.loaded} >= {"data:image/jpeg;base64"}
    assert references.links and set(references.links) == {"http://ls/1"}
    assert not re.findall(r"url\((?!#)|@import", page)


def test_a_link_selects_the_final_region_and_a_deleted_one_in_its_prediction() -> None:
    rows = {row.outcome: row for row in read(five_outcomes(7)).regions}

    def link(outcome: Outcome) -> str:
        return build_region_link("http://ls", "3", rows[outcome])

    place = f"http://ls/projects/3/data?task=7&annotation={rows[Outcome.EDITED].annotation}"
    assert link(Outcome.EDITED) == f"{place}&region=r2"
    assert link(Outcome.ADDED) == f"{place}&region=n1"
    assert link(Outcome.DELETED) == "http://ls/projects/3/data?task=7&annotation=7&region=r4"
    odd = replace(rows[Outcome.EDITED], region_id="a&b #1")
    assert build_region_link("http://ls", "3", odd) == f"{place}&region=a%26b+%231"


def test_text_from_outside_is_escaped_everywhere() -> None:
    evil = "<img src=x onerror=alert(1)>\"'"
    square = box(0, 0, 10, 10)
    proposed = prediction(1, brush("a", square, evil, 0.5), brush("b", box(20, 0, 30, 10), "cat", 0.5), version=evil)
    final = annotation(1, brush("a", square, "cat", 0.5), damaged(evil), by=evil)
    page = page_of(read(task(1, [proposed], [final, {**final, "completed_by": {"email": "x" + evil}}])), evil)
    assert "<img" not in page
    assert page.count("&lt;img src=x onerror=alert(1)&gt;") >= 6  # title, class, version, person, problem, pair


def test_the_same_input_gives_the_same_bytes_without_a_date() -> None:
    first, second = page_of(read(five_outcomes())), page_of(read(five_outcomes()))
    assert first == second
    assert "dc:date" not in first


def test_plots_follow_the_colours_of_a_light_and_a_dark_page() -> None:
    page = page_of(read(*(five_outcomes(number) for number in range(1, 6))))
    plots = [svg for svg in re.findall(r"<svg.*?</svg>", page, flags=re.DOTALL) if "<text" in svg]
    assert len(plots) == 3
    for svg in plots:
        assert re.findall(r"#[0-9a-f]{6}\b", svg) == []  # no fixed colour
        assert {"var(--text)", "var(--line)", "var(--mark)"} <= set(re.findall(r"var\(--\w+\)", svg))
        assert re.search(r"<svg [^>]*viewBox", svg) and not re.search(r"<svg [^>]*width=", svg)
    assert "prefers-color-scheme:dark" in page
    ids = re.findall(r' id="([^"]+)"', page)
    assert len(ids) == len(set(ids))
    assert set(re.findall(r"url\(#([^)]+)\)", page)) <= set(ids)


def test_the_order_of_the_tasks_has_a_plot_of_its_own_and_a_table() -> None:
    square = brush("a", SQUARE, score=0.5)
    tasks = [
        task(n, [{**prediction(n, square), "score": n / 20}], [annotation(n, *[square] * (n > 5))])
        for n in range(1, 21)  # in the first five the mask is deleted
    ]
    reviews = read(*tasks)
    page = page_of(reviews)
    assert "share of tasks looked at" in page and "task by task: 20 tasks, the lowest score first" in page
    text = said(*tasks).replace("\u00a0", " ")
    assert "the first 25 % of them hold 100 % of the errors; no order of tasks reaches more than 100 %." in text
    assert "Sorting by score hardly helps" in text  # of the masks, which all have one score
    rows = list(csv.DictReader(io.StringIO(build_tables(compute_figures(reviews), reviews)["task_order.csv"].decode())))
    assert [row["by_score"] for row in rows] == ["0.0", "0.2", "0.4", "0.6", "0.8", *["1.0"] * 16]


def test_the_first_screen_says_what_became_of_the_proposals_and_where_to_start() -> None:
    text = said(*(five_outcomes(number) for number in range(1, 6))).replace("\u00a0", " ")
    assert "Of 20 masks that the model proposed, 25 % were accepted untouched." in text
    assert (
        "Of the others 5 were edited, 5 got another class and 5 were deleted; "
        "5 objects that the model had missed were added by hand."
    ) in text
    assert (
        "Start with class “cat”: 10 of its 15 masks needed work, most often their outlines (5 edited, mean IoU of its "
        "kept masks 0.83). It accounts for 50 % of all work."
    ) in text
    assert "Only 20 reviewed masks: the shares can still change a lot." in text


def test_a_cause_is_the_main_one_only_if_it_is_that_of_more_than_half() -> None:
    before, after = brush("a", box(0, 0, 10, 10)), brush("a", box(0, 0, 10, 5))
    edited = [task(number, [prediction(number, before)], [annotation(number, after)]) for number in (1, 2)]
    deleted = [task(number, [prediction(number, before)], [annotation(number)]) for number in (3, 4)]
    assert "mostly their outlines (2 edited" in said(*edited, deleted[0])
    assert "most often their outlines (2 edited" in said(*edited, *deleted)


def test_a_class_that_works_is_named_and_perfect_proposals_leave_nothing_to_do() -> None:
    square = brush("a", SQUARE, "cat", 0.95)
    text = said(*(task(number, [prediction(number, square)], [annotation(number, square)]) for number in range(1, 13)))
    assert "Works well: “cat” (100\u00a0% of 12 accepted untouched)." in text
    assert "Nobody had to change anything." in text
    assert "Start with" not in text


def test_missing_scores_are_a_sentence_and_no_plot() -> None:
    square = brush("a", SQUARE)
    reviews = read(task(1, [prediction(1, square)], [annotation(1, square)]))
    assert "The proposals have no scores" in said(task(1, [prediction(1, square)], [annotation(1, square)]))
    assert "The proposals have no scores." in page_of(reviews)


def test_one_annotator_is_a_sentence_in_place_of_a_table() -> None:
    assert "No task was annotated by two people" in page_of(read(five_outcomes()))


def test_without_tasks_to_compare_with_no_hours_are_claimed() -> None:
    page = page_of(read(five_outcomes()))
    assert "Hours saved are not estimated" in page
    assert "Proposals saved" not in page


def test_saved_hours_are_shown_with_their_formula() -> None:
    square = brush("a", SQUARE)
    tasks = [task(n, [prediction(n, square)], [annotation(n, square, lead_time=60)]) for n in range(1, 61)]
    tasks += [task(n, [], [annotation(None, square, lead_time=120.0)]) for n in range(61, 67)]
    page = page_of(read(*tasks))
    assert "60 × (120.0 s − 60.0 s) ÷ 3600 = <b>1.00</b>" in page
    assert "Proposals saved about 1.0 hours so far: an annotation takes 60 s with them and 120 s without." in page


def test_model_versions_are_compared_in_a_sentence() -> None:
    square, other = brush("a", SQUARE), brush("a", SQUARE, "dog")
    tasks = [task(n, [prediction(n, square, version="one")], [annotation(n, square)]) for n in range(1, 11)]
    tasks += [task(n, [prediction(n, square, version="two")], [annotation(n, other)]) for n in range(11, 21)]
    text = said(*tasks).replace("\u00a0", " ")
    assert "2 model versions were reviewed: one had 100 % accepted untouched, two 0 %." in text


def test_people_who_disagree_are_named() -> None:
    square, other = brush("a", SQUARE), brush("a", SQUARE, "dog")
    text = said(task(1, [prediction(1, square)], [annotation(1, square, by="ann"), annotation(1, other, by="bo")]))
    assert "ann and bo agree on only 0\u00a0% of their regions: settle the rules first." in text


def test_damaged_regions_are_listed_in_the_page_and_lost_labels_are_named() -> None:
    proposed = prediction(1, brush("a", SQUARE, "fox"), damaged("b"))
    document = task(1, [proposed], [annotation(1, brush("a", SQUARE, "fox"))])
    assert "1 region or task could not be compared and is listed at the end." in said(document)
    assert "1 region has a label that the labeling config no longer has: “fox”." in said(document)
    assert "task 1, prediction: Region &#34;b&#34; (brush): " in page_of(read(document))


@pytest.mark.parametrize(
    ("share", "text"),
    [(None, "–"), (0, "0 %"), (0.004, "under 1 %"), (0.5, "50 %"), (0.996, "over 99 %"), (1, "100 %")],
)
def test_only_all_is_a_hundred_percent(share: float | None, text: str) -> None:
    assert percent(share).replace("\u00a0", " ") == text


def test_a_picture_shows_both_outlines_at_the_place_of_the_region() -> None:
    document = task(1, [prediction(1, brush("a", box(10, 5, 14, 9)))], [annotation(1, brush("a", box(10, 5, 14, 7)))])
    (candidate,) = read(document).worst.pick()
    pixels = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    pixels[5:9, 10:14] = 255

    picture = draw_picture(candidate, lambda one: SourceImage(_encode(pixels)))

    # the crop is the whole image, as it is smaller than the least crop; corners are pixels
    assert (picture.size.width, picture.size.height) == (36, 20)
    corners = re.findall(r"[ML]([\d.]+) ([\d.]+)", picture.proposed_path)
    assert {(float(x), float(y)) for x, y in corners} == {(10, 5), (14, 5), (14, 9), (10, 9)}
    corners = re.findall(r"[ML]([\d.]+) ([\d.]+)", picture.final_path)
    assert {(float(x), float(y)) for x, y in corners} == {(10, 5), (14, 5), (14, 7), (10, 7)}
    assert SourceImage(picture.preview).pixels[6, 12].min() > 200


def _encode(pixels: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def test_an_image_that_cannot_be_fetched_leaves_the_outlines_and_the_reason() -> None:
    def fail(candidate: Candidate) -> SourceImage:
        raise ImageUnavailable("The image is gone.", remedy="Upload it again.")

    reviews = read(five_outcomes())
    pictures = [draw_picture(candidate, fail) for candidate in reviews.worst.pick()]
    assert {picture.problem for picture in pictures} == {"The image is gone."}
    page = render_page("Animals", reviews, compute_figures(reviews), pictures)
    assert "data:image" not in page
    assert page.count("The image is gone.") == 4


def test_the_pictures_show_each_kind_of_error_in_turn_and_are_at_most_so_many() -> None:
    reviews = read(*(five_outcomes(number) for number in range(1, 41)))
    kinds = [candidate.row.outcome for candidate in reviews.worst.pick()]
    assert len(kinds) == MAX_PICTURES
    assert kinds[:4] == [Outcome.EDITED, Outcome.RECLASSIFIED, Outcome.DELETED, Outcome.ADDED]
    assert sum(map(len, reviews.worst.heaps.values())) == 4 * MAX_PICTURES  # of 160 errors


def test_the_surest_deletion_comes_first_and_what_two_people_deleted_is_shown_once() -> None:
    def deleted(number: int, score: float, *people: str) -> dict[str, object]:
        proposed = prediction(number, brush("a", SQUARE, "cat", score))
        return task(number, [proposed], [annotation(number, by=person) for person in people])

    reviews = read(deleted(1, 0.3, "ann"), deleted(2, 0.9, "ann", "bo"), deleted(3, 0.6, "ann"))
    assert [candidate.row.task for candidate in reviews.worst.pick()] == [2, 3, 1]


def test_the_tables_are_the_figures() -> None:
    reviews = read(five_outcomes())
    tables = build_tables(compute_figures(reviews), reviews)
    rows = {name: list(csv.DictReader(io.StringIO(content.decode()))) for name, content in tables.items()}
    (total,) = rows["total.csv"]
    assert {name: total[name] for name in ("proposals", "untouched", "edited", "reclassified", "deleted", "added")} == {
        "proposals": "4",
        **dict.fromkeys(("untouched", "edited", "reclassified", "deleted", "added"), "1"),
    }
    assert (total["acceptance"], total["mean_iou"]) == ("0.25", "0.833333")
    assert [row["outcome"] for row in rows["regions.csv"]] == [
        "accepted untouched",
        "edited",
        "reclassified",
        "deleted",
        "added by hand",
    ]
    assert {(row["proposed_class"], row["final_class"], row["count"]) for row in rows["confusion.csv"]} == {
        ("cat", "cat", "2"),
        ("cat", "dog", "1"),
        ("dog", "(nothing)", "1"),
        ("(nothing)", "hen", "1"),
    }
    assert rows["annotations.csv"][0]["lead_seconds"] == "12.5"
    assert [row["right"] for row in rows["calibration.csv"]] == ["0.0", "0.0", "1.0", "1.0"]


def test_without_matplotlib_the_error_names_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ExportError) as raised:
        check_matplotlib()
    assert raised.value.remedy == "Install it with `pip install -r requirements-report.txt -c constraints.txt`."


def test_text_that_utf8_cannot_hold_does_not_break_the_tables() -> None:
    half = "cat \ud83d"
    square = brush("a", SQUARE, half)
    reviews = read(task(1, [prediction(1, square, version=half)], [annotation(1, square, by=half)]))
    tables = build_tables(compute_figures(reviews), reviews)
    assert "cat ?" in tables["regions.csv"].decode() and "cat ?" in tables["annotators.csv"].decode()
    assert page_of(reviews).encode("utf-8", "replace")
