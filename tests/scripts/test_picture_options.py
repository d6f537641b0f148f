"""--with-images over real HTTP: through the guarded fetcher, with its limits and its token."""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from backend.bulk import PictureCounts
from backend.export import ExportFolder
from backend.settings import Settings
from scripts.exporting.pictures import add_picture_options, build_picture_stream, describe_pictures
from tests.bulk.test_attach_pictures import image, picture
from tests.servers import Answer, LocalServer, Seen
from tests.tokens import LEGACY


def parse(*options: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    add_picture_options(parser)
    return parser.parse_args(options)


@pytest.fixture
def server(start_server: Callable[[], LocalServer]) -> LocalServer:
    def respond(seen: Seen, handler: BaseHTTPRequestHandler) -> Answer:
        if "gone" in seen.path:
            return 404, {}, b""
        return 200, {}, picture(seen.path) + bytes(20_000 if "large" in seen.path else 0)

    server = start_server()
    server.respond = respond
    return server


def read_settings(server: LocalServer, **more: str) -> Settings:
    return Settings.from_environment({"LABEL_STUDIO_URL": server.url, "LABEL_STUDIO_API_KEY": LEGACY, **more})


def test_pictures_come_through_the_guarded_fetcher(server: LocalServer, tmp_path: Path) -> None:
    settings, counts = read_settings(server, IMAGE_MAX_BYTES="10000"), PictureCounts()
    uris = ["/data/upload/1/a.png", "http://169.254.169.254/secret.png", "/data/upload/1/gone.png", "/data/large.png"]
    images = [image(number, uri) for number, uri in enumerate(uris, start=1)]
    stream = build_picture_stream(parse("--with-images"), settings, "5", counts)
    (attached,) = stream(iter(images), tmp_path)
    assert attached.picture is not None and attached.picture.read_bytes() == picture("/data/upload/1/a.png")
    assert [reason.split(":")[0] for reason in counts.failures] == ["task 2", "task 3", "task 4"]
    assert "IMAGE_ALLOWED_HOSTS" in counts.failures[0]
    assert "HTTP 404" in counts.failures[1]
    assert "larger than the limit of 10000 bytes" in counts.failures[2]
    assert {seen.headers["authorization"] for seen in server.seen} == {f"Token {LEGACY}"}
    assert describe_pictures(counts) == ["  pictures: 1 fetched"]


def test_a_run_that_label_studio_left_is_continued(server: LocalServer, tmp_path: Path) -> None:
    settings, images = read_settings(server), [image(number, f"/data/{number}.png") for number in range(1, 60)]
    respond, folder, replies = server.respond, ExportFolder(tmp_path / "birds"), itertools.count()

    def leave(seen: Seen, handler: BaseHTTPRequestHandler) -> Answer | None:
        return respond(seen, handler) if next(replies) < 10 else None  # the connection ends without a reply

    server.respond = leave
    with pytest.raises(Exception, match="20 pictures in a row could not be fetched"), folder:
        list(
            build_picture_stream(parse("--with-images"), settings, "5", PictureCounts())(iter(images), folder.pictures)
        )
    server.respond, counts = respond, PictureCounts()
    server.seen.clear()
    with folder:
        stream = build_picture_stream(parse("--with-images"), settings, "5", counts)
        assert len(list(stream(iter(images), folder.pictures))) == 59
    assert (counts.resumed, counts.fetched) == (10, 49)
    assert len(server.seen) == 49
    assert describe_pictures(counts) == ["  pictures: 49 fetched, 10 were here already"]


def test_without_the_option_nothing_is_fetched(server: LocalServer, tmp_path: Path) -> None:
    counts = PictureCounts()
    images = [image(1)]
    assert list(build_picture_stream(parse(), read_settings(server), "5", counts)(iter(images), tmp_path)) == images
    assert server.seen == []
    assert describe_pictures(counts) == []
