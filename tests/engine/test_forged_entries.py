"""Whatever stands in Redis, a click is answered with the mask of its own image."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import redis

from backend.cache import EmbeddingCache, GuardedRedis, LocalStore, RedisStore, Seal, encode_embedding
from backend.engine import EncodedImage, ImageEncoder
from backend.images import SourceImage
from backend.models.protocols import Segmenter
from backend.models.registry import DEMO_SAM, build_segmenter, find_segmenter
from backend.values import ImageEmbedding, Mask, Prompt, Size
from scripts.demo_circle.targets import encode_png
from scripts.demo_world.scenes import HELD_OUT_SEED, click_point, make_scene
from tests.servers import RedisServer

SCENES = [make_scene(HELD_OUT_SEED + number, Size(400, 300)) for number in range(2)]
IMAGES = [SourceImage(encode_png(scene), f"{number}.png") for number, scene in enumerate(SCENES)]
CLICK = Prompt((click_point(SCENES[0].objects[0].mask),), (1,))


@pytest.fixture(scope="module")
def segmenter() -> Segmenter:
    return build_segmenter(find_segmenter("demo"), DEMO_SAM, device="cpu", dtype="auto")


class Replica:
    """A process of its own on the same Redis, which keeps nothing itself."""

    def __init__(self, segmenter: Segmenter, server: RedisServer, key: str = "") -> None:
        self._segmenter = segmenter
        self.cache = EmbeddingCache(LocalStore(0), RedisStore(GuardedRedis(server.url, 5.0), 60, Seal(key)))
        self._encoder = ImageEncoder(segmenter, self.cache, fingerprint="demo")

    def click(self, image: SourceImage) -> Mask:
        encoded = self._encoder.find(image) or self._encoder.try_encode(image)
        assert isinstance(encoded, EncodedImage)
        return self._segmenter.decode(encoded.embedding, CLICK, max_masks=1)[0].mask


def names_of_images(client: redis.Redis) -> list[str]:
    """The names of the entries of `IMAGES`."""
    names = [name.decode() for name in client.scan_iter("*embedding:demo:*")]
    return [next(name for name in names if image.digest in name) for image in IMAGES]


def with_value(embedding: ImageEmbedding, value: float) -> ImageEmbedding:
    array = embedding.arrays["image_embed"].copy()
    array[:, 3, 3] = value
    return replace(embedding, arrays={"image_embed": array})


FORGERIES = {
    "NaN": lambda own: with_value(own, np.nan),
    "infinity": lambda own: with_value(own, np.inf),
    "a wrong shape": lambda own: replace(own, arrays={"image_embed": own.arrays["image_embed"][:, ::2, ::2]}),
    "a wrong dtype": lambda own: replace(own, arrays={"image_embed": own.arrays["image_embed"].astype(np.float32)}),
    "a wrong name": lambda own: replace(own, arrays={"other": own.arrays["image_embed"]}),
    "another size": lambda own: replace(own, original_size=Size(300, 400)),
    "another input size": lambda own: replace(own, input_size=Size(16, 16)),
}


@pytest.mark.parametrize("name", FORGERIES)
def test_an_entry_with_a_right_checksum_and_wrong_content_gives_no_wrong_mask(
    segmenter: Segmenter, redis_server: RedisServer, name: str
) -> None:
    client, first = redis.Redis.from_url(redis_server.url), Replica(segmenter, redis_server)
    own, _ = [first.click(image) for image in IMAGES]
    entry = names_of_images(client)[0]
    forged = FORGERIES[name](segmenter.encode(IMAGES[0].pixels))
    client.set(entry, Seal().add(entry, encode_embedding(forged)))
    replica = Replica(segmenter, redis_server)
    assert np.array_equal(replica.click(IMAGES[0]), own)
    assert (replica.cache.counts.damaged, replica.cache.counts.computed) == (1, 1)
    after = Replica(segmenter, redis_server)
    assert np.array_equal(after.click(IMAGES[0]), own)
    assert (after.cache.counts.damaged, after.cache.counts.redis_hits) == (0, 1)


def test_the_entry_of_another_image_gives_no_wrong_mask(segmenter: Segmenter, redis_server: RedisServer) -> None:
    client, replica = redis.Redis.from_url(redis_server.url), Replica(segmenter, redis_server)
    own, _ = [replica.click(image) for image in IMAGES]
    assert own.any()
    entry, entry_of_the_other = names_of_images(client)
    client.copy(entry_of_the_other, entry, replace=True)
    assert np.array_equal(replica.click(IMAGES[0]), own)
    assert replica.cache.counts.damaged == 1


def test_with_a_signing_key_an_entry_that_another_client_wrote_gives_no_wrong_mask(
    segmenter: Segmenter, redis_server: RedisServer
) -> None:
    key = "a key of more than sixteen characters"
    client, first = redis.Redis.from_url(redis_server.url), Replica(segmenter, redis_server, key)
    own, _ = [first.click(image) for image in IMAGES]
    entry = names_of_images(client)[0]
    forged = encode_embedding(segmenter.encode(IMAGES[1].pixels))
    for count, seal in enumerate([Seal(), Seal("a guess of what the key may be")], start=1):
        client.set(entry, seal.add(entry, forged))
        assert np.array_equal(first.click(IMAGES[0]), own)
        assert first.cache.counts.damaged == count
