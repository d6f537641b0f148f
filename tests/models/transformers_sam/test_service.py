"""The families in the whole backend: a click over HTTP, and their embeddings in both tiers of the cache."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from werkzeug.test import TestResponse

from backend.cache import EmbeddingCache, GuardedRedis, LocalStore, RedisStore, decode_embedding, encode_embedding
from backend.geometry import mask_iou
from backend.label_studio.results import decode_brush
from backend.models.transformers_sam.segmenter import TransformersSam
from backend.runtime import BackgroundLoader
from backend.server import Metrics, create_app
from backend.settings import Settings
from backend.values import ImageEmbedding, Pixels, Prompt, Size
from backend.wiring import LoadedServices, build_services
from tests.cache.samples import same
from tests.fakes import keypoint, predict_body, rectangle
from tests.models.transformers_sam.tiny_models import SAM_MODELS
from tests.servers import LocalServer, RedisServer

UPRIGHT = Size(60, 80)
TURNED = 6  # EXIF orientation: the stored picture is to be turned by 90 degrees clockwise


class TinyServer:
    """The whole backend around a tiny model, behind HTTP, and the address of the picture that it fetches."""

    def __init__(self, services: LoadedServices, uri: str) -> None:
        self.services, self.uri = services, uri
        loader = BackgroundLoader(lambda: services).start()
        loader.get(60)
        self._client = create_app(loader, Metrics(), max_body_bytes=10**6).test_client()

    def click(self, prompt: dict) -> TestResponse:
        size = {"original_width": UPRIGHT.width, "original_height": UPRIGHT.height}
        return self._client.post("/predict", json=predict_body(self.uri, prompt | size))

    def mask(self, prompt: dict) -> np.ndarray:
        reply = self.click(prompt)
        assert reply.status_code == 200, reply.text
        (result,) = reply.json["results"][0]["result"]
        return decode_brush(result["value"]["rle"], UPRIGHT)


@pytest.fixture
def upright(picture: Callable[[Size], Pixels]) -> Pixels:
    return picture(UPRIGHT)


@pytest.fixture
def server(
    family: str, folder: Path, upright: Pixels, start_server: Callable[[], LocalServer], redis_server: RedisServer
) -> TinyServer:
    """Serves the picture as a camera does that was held upright: stored on its side, with an EXIF orientation."""
    exif = Image.Exif()
    exif[0x0112] = TURNED
    file = io.BytesIO()
    Image.fromarray(np.rot90(upright).copy()).save(file, "PNG", exif=exif)
    pictures = start_server()
    pictures.respond = lambda seen, handler: (200, {"Content-Type": "image/png"}, file.getvalue())
    settings = Settings(
        sam_model=SAM_MODELS[family],
        sam_checkpoint=str(folder),
        clip_model="none",
        redis_url=redis_server.url,
        image_allowed_hosts=frozenset({pictures.url.removeprefix("http://")}),
    )
    return TinyServer(build_services(settings), f"{pictures.url}/a.png")


def test_clicks_and_boxes_over_http_get_the_masks_of_the_upright_picture(
    server: TinyServer, segmenter: TransformersSam, upright: Pixels
) -> None:
    embedding = segmenter.encode(upright)
    for sent, prompt in (
        (keypoint(25, 75, "dog"), Prompt(((15.0, 60.0),), (1,))),  # in percent of 60 x 80 pixels
        (rectangle(10, 20, 50, 60), Prompt(box_xyxy=(6.0, 16.0, 36.0, 64.0))),
    ):
        expected = segmenter.decode(embedding, prompt, max_masks=1)[0].mask
        assert 0.1 < expected.mean() < 0.8
        assert mask_iou(server.mask(sent), expected) > 0.95  # specks are removed on the way
    assert server.services.cache.counts.computed == 1  # the second prompt found the embedding


def test_the_facts_name_the_family(server: TinyServer, family: str) -> None:
    facts = server.services.facts
    assert (facts.sam_name, facts.encoder_dtype, facts.is_demo) == (SAM_MODELS[family], "float32", False)
    assert facts.model_version == f"{SAM_MODELS[family]}-{facts.sam_sha256[:8]}"


def test_an_embedding_of_three_arrays_survives_the_codec_and_redis(
    segmenter: TransformersSam, upright: Pixels, redis_server: RedisServer
) -> None:
    embedding = segmenter.encode(upright)
    spec = segmenter.embedding_spec(UPRIGHT)
    assert same(decode_embedding(encode_embedding(embedding), spec), embedding)

    def other_worker() -> EmbeddingCache:
        return EmbeddingCache(LocalStore(10**8), RedisStore(GuardedRedis(redis_server.url, 5.0), 60))

    other_worker().try_compute("a", lambda: spec, lambda: embedding)
    found = other_worker().find("a", lambda: spec)
    assert found is not None and same(found, embedding)
    assert not found.arrays["image_embed"].flags.writeable  # what comes from the cache must decode nevertheless
    prompt = Prompt(((15.0, 60.0),), (1,))
    masks = [segmenter.decode(one, prompt)[0].mask for one in (found, embedding)]
    assert np.array_equal(*masks)


def test_an_entry_of_the_other_family_is_refused_by_the_cache(
    segmenter: TransformersSam, family: str, upright: Pixels, redis_server: RedisServer
) -> None:
    """Both have the same shapes; the family is part of what an entry must be."""
    embedding, spec = segmenter.encode(upright), segmenter.embedding_spec(UPRIGHT)
    other = "edgetam" if family == "sam2" else "sam2"
    foreign = ImageEmbedding(embedding.arrays, embedding.original_size, embedding.input_size, other)
    store = RedisStore(GuardedRedis(redis_server.url, 5.0), 60)
    store.put("a", foreign)
    cache = EmbeddingCache(LocalStore(10**8), store)
    assert cache.find("a", lambda: spec) is None
    assert cache.counts.damaged == 1
