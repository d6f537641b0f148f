"""All stories in their order, told to one backend until enough requests are made."""

from __future__ import annotations

import contextlib
import re
from pathlib import Path

from scripts.comparing_answers import clicking, correcting, opening, refusing, settling
from scripts.comparing_answers.backend import Backend
from scripts.comparing_answers.conversation import Conversation, Enough
from scripts.comparing_answers.exchanges import Exchange
from scripts.comparing_answers.picture_server import Page, PictureServer
from scripts.comparing_answers.pictures import Picture, draw_picture

STORIES = (*clicking.STORIES, *correcting.STORIES, *settling.STORIES, *opening.STORIES)
PICTURES_OF_A_TURN = 5
MAX_TURNS = 40
_PICTURE = re.compile(r"/picture-(\d+)\.png$")


def serve_pictures() -> PictureServer:
    """A server that finds every picture of every story; not started yet."""
    pages = refusing.list_pages(draw_picture(0))
    pages |= {f"/files/{file.name}": Page(file.data) for file in opening.make_files()}
    return PictureServer(lambda path: pages.get(path) or _find_picture(path))


def _find_picture(path: str) -> Page | None:
    number = _PICTURE.search(path)
    return Page(draw_picture(int(number[1])).data) if number else None


def replay(checkout: Path, python: str, port: int, pictures: PictureServer, most: int, log: Path) -> list[Exchange]:
    """Start the backend of a checkout and make `most` requests."""
    with Backend(checkout, python, port, pictures.url, log) as backend:
        talk = Conversation(backend, most, pictures.url)
        with contextlib.suppress(Enough):
            tell_stories(talk)
        return talk.exchanges


def tell_stories(talk: Conversation) -> None:
    """Every story once, the refusals, then every story again with other pictures."""
    opening.state_of(talk, draw_picture(0), 0)
    for turn in range(MAX_TURNS):
        for place, story in enumerate(STORIES):
            story(talk, picture_of(turn, place), turn)
        if turn == 0:
            for refuse in refusing.STORIES:
                refuse(talk, draw_picture(0))


def picture_of(turn: int, place: int) -> Picture:
    """Several stories have one picture, for encoding it takes most of the time."""
    return draw_picture(turn * PICTURES_OF_A_TURN + place % PICTURES_OF_A_TURN)
