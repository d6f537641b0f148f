"""Benchmark inputs: pictures of the demo world behind a small HTTP server that stands in for Label Studio."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from backend.values import Size
from scripts.demo_circle.site import keypoint
from scripts.demo_world.scenes import HELD_OUT_SEED, Scene, click_point, make_scene

ROOT = Path(__file__).parent.parent.parent
FULL_HD = Size(1920, 1080)
CLASSES_AND_MASKS = (ROOT / "label_config.xml").read_text(encoding="utf-8")
MASKS_ONLY = (
    '<View><Image name="image" value="$image"/>'
    '<BrushLabels name="brush" toName="image"><Label value="red"/><Label value="blue"/></BrushLabels>'
    '<KeyPointLabels name="click" toName="image" smart="true"><Label value="red"/><Label value="blue"/>'
    "</KeyPointLabels></View>"
)
_FIRST_SEED = HELD_OUT_SEED + 5000  # not the scenes of the demo

Json = dict[str, Any]


@dataclass(frozen=True)
class Picture:
    """One task's image: its scene, the point to click, and the path it is served under."""

    scene: Scene
    png: bytes
    uri: str

    @property
    def click(self) -> tuple[float, float]:
        return click_point(max((o.mask for o in self.scene.objects), key=np.count_nonzero))


def make_pictures(count: int, size: Size = FULL_HD, *, first: int = 0) -> list[Picture]:
    """Draw held-out scenes as PNG."""
    pictures = []
    for index in range(first, first + count):
        scene = make_scene(_FIRST_SEED + index, size)
        png = cv2.imencode(".png", cv2.cvtColor(scene.pixels, cv2.COLOR_RGB2BGR))[1].tobytes()
        pictures.append(Picture(scene, png, f"/data/upload/1/{index:08x}.png"))
    return pictures


def build_body(
    picture: Picture, label_config: str, annotations: Sequence[Json] = (), drafts: Sequence[Json] = ()
) -> Json:
    """Build the body that Label Studio posts to /predict for a click with the label "red"."""
    size, (x, y) = picture.scene.size, picture.click
    prompts = keypoint(x, y, (size.width, size.height), "red")
    if "<KeyPointLabels" in label_config:  # one result with the label, instead of one for each
        value = {**prompts[0]["value"], "keypointlabels": ["red"]}
        prompts = [{**prompts[0], "type": "keypointlabels", "value": value}]
    task = {"id": 1, "data": {"image": picture.uri}, "predictions": []}
    task |= {"annotations": list(annotations), "drafts": list(drafts)}
    context = {"context": {"result": prompts}}
    return {"tasks": [task], "project": "1.1", "label_config": label_config, "params": context}


@contextmanager
def serve(files: Mapping[str, bytes]) -> Iterator[str]:
    """Serve `files` by path on a free local port; yield the URL."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            content = files.get(self.path)
            self.send_response(404 if content is None else 200)
            self.send_header("Content-Type", "image/png")
            self.send_header("Content-Length", str(len(content or b"")))
            self.end_headers()
            self.wfile.write(content or b"")

        def log_message(self, *_: object) -> None:
            """Log nothing."""

    with run_server(Handler) as url:
        yield url


@contextmanager
def run_server(handler: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    """Serve on a free local port, in threads of this process; yield the URL."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
