"""Stories of pages that are opened, of several pictures on one page, of texts, and of kinds of files."""

from __future__ import annotations

import io
from dataclasses import replace

from PIL import Image

from scripts.comparing_answers.clicking import Story
from scripts.comparing_answers.conversation import Conversation
from scripts.comparing_answers.interfaces import BRUSH, ON_AFTER, POLYGON, TEXT, TWO_IMAGES, UNSET_TEXT, Interface
from scripts.comparing_answers.page import Page, body
from scripts.comparing_answers.pictures import Picture, Thing, draw_picture, encode

_TURN = 0x0112  # EXIF's orientation


def state_of(talk: Conversation, picture: Picture, turn: int) -> None:
    """What a program asks that watches over the backend."""
    for path in ("/", "/health", "/ready", "/versions", "/metrics"):
        talk.ask(f"state, {path}", "GET", path)
    talk.ask("state, a browser", "GET", "/", headers={"Accept": "text/html"})


def open_pages(talk: Conversation, picture: Picture, turn: int) -> None:
    """A page is opened: Label Studio requests the settings, then a prediction; then the annotator clicks."""
    interface = BRUSH.of_round(50 + turn)
    setup(talk, "setup", interface, None)
    page = Page(talk, interface, picture)
    page.open()
    page.click("click after opening", picture.things[0].inside, picture.things[0].colour)
    page.predictions = [{"id": 800 + turn, "result": page.shown, "model_version": "earlier", "score": 0.5}]
    document = body([page.task()], interface, None)
    talk.post("page opened, predicted", "/predict", document, opened=())
    talk.post("page opened, no classes", "/predict", body([page.task()], POLYGON.of_round(turn), None), opened=())


def retrieve_many(talk: Conversation, picture: Picture, turn: int) -> None:
    """Several tasks in one request; one of them has no picture any more."""
    interface = BRUSH.of_round(turn)
    pictures = [draw_picture(1000 + 10 * turn + place) for place in range(2)]
    pages = [Page(talk, interface, one, f"{talk.url}/pictures/{one.name}") for one in pictures]
    missing = Page(talk, interface, picture, f"{talk.url}/pictures/missing.png")
    known = Page(talk, interface, picture)
    known.predictions = [{"id": 810 + turn, "result": [{"type": "brushlabels", "id": "known00001", "value": {}}]}]
    tasks = [page.task() for page in (pages[0], missing, known, pages[1])]
    opened = [one.name for one in (picture, *pictures)]
    talk.post("several tasks", "/predict", body(tasks, interface, None), opened=opened)


def work_on_two(talk: Conversation, picture: Picture, turn: int) -> None:
    """Two pictures on one page: opened, then clicked, each in its own shape."""
    other = draw_picture(2000 + turn)
    page = Page(talk, TWO_IMAGES.of_round(turn), picture)
    page.data = {"before": f"{talk.url}/pictures/{picture.name}", "after": f"{talk.url}/pictures/{other.name}"}
    page.open("page opened, several images", [picture.name, other.name])
    first, second = picture.things[0], other.things[1]
    page.click("several images", first.inside, first.colour)
    page.accept()
    page.on(ON_AFTER, other)
    page.click("several images", second.inside, second.colour)
    page.boxes("several images", other.things[1:], second.colour)


def find_texts(talk: Conversation, picture: Picture, turn: int) -> None:
    """What is typed is found: by colour and shape, by colour; what is not there is not; a caption asks for nothing."""
    page = Page(talk, TEXT.of_round(turn), picture)
    first, _, third, *_ = picture.things
    texts = [f"the {third.colour} {third.shape}", f"{first.colour} things", "a photograph of a horse"]
    for count in range(1, len(texts) + 1):
        page.type_text("text", texts[:count])
    page.type_text("text, another area", "A picture.", "caption", "text000002")
    interface = UNSET_TEXT.of_round(turn)
    setup(talk, "setup", interface, {"text_prompt": "find"})
    Page(talk, interface, picture).type_text("text", [f"a {third.shape}"])


def tell_of_work(talk: Conversation, picture: Picture, turn: int) -> None:
    """Webhooks are taken and say nothing."""
    interface = BRUSH.of_round(turn)
    project = {"id": interface.number, "label_config": interface.xml, "title": "one"}
    annotation = {"id": 1, "result": [], "task": 1, "project": interface.number}
    for action in ("ANNOTATION_CREATED", "ANNOTATION_UPDATED"):
        talk.post("webhook", "/webhook", {"action": action, "annotation": annotation, "project": project})
    talk.post("webhook", "/webhook", {"action": "START_TRAINING", "project": project})
    talk.post("webhook", "/webhook", {"action": 7, "annotation": None, "project": []})


def open_files(talk: Conversation, picture: Picture, turn: int) -> None:
    """Kinds of files, among them one that is shown turned; each is clicked on."""
    for file in make_files():
        page = Page(
            talk, BRUSH.of_round(turn), file, f"http://localhost:{talk.url.rpartition(':')[2]}/files/{file.name}"
        )
        page.click("kind of file", file.things[0].inside, file.things[0].colour)


def setup(talk: Conversation, kind: str, interface: Interface, extra_params: object) -> None:
    """What Label Studio sends when the backend is saved, and at every page."""
    document = {"project": interface.project, "schema": interface.xml, "hostname": "http://label-studio.example"}
    talk.post(kind, "/setup", {**document, "access_token": "none", "extra_params": extra_params})


def make_files() -> list[Picture]:
    """One picture in several formats, all of which show the same things but for the turned one."""
    drawn = draw_picture(3000)
    image = Image.open(io.BytesIO(drawn.data))
    exif = Image.Exif()
    exif[_TURN] = 6  # to be shown a quarter turn clockwise
    turned = encode(image, "JPEG", quality=92, exif=exif)
    files = {
        "palette.png": encode(image.quantize(64)),
        "grey.png": encode(image.convert("L")),
        "clear.webp": encode(image.convert("RGBA"), "WEBP", lossless=True, method=0, quality=0),
        "plain.bmp": encode(image, "BMP"),
    }
    others = [Picture(name, data, drawn.size, drawn.things) for name, data in files.items()]
    return [Picture("turned.jpg", turned, drawn.size[::-1], tuple(map(_turn, drawn.things))), *others]


def _turn(thing: Thing) -> Thing:
    """Where the thing is when the picture is shown a quarter turn clockwise; its middle is enough here."""
    height = draw_picture(3000).size[1]
    return replace(thing, x=height - thing.y, y=thing.x)


STORIES: tuple[Story, ...] = (open_pages, retrieve_many, work_on_two, find_texts, tell_of_work, open_files)
