"""Waiting for an embedding takes none of the models' threads."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import redis

from backend.cache import EmbeddingCache, GuardedRedis, LocalStore, RedisStore
from backend.cache.stores import lease_key
from backend.engine import ImageEncoder, embed_queued
from backend.errors import ClientDisconnected, Overloaded
from backend.images import SourceImage
from backend.runtime import Deadline, PriorityExecutor
from backend.values import Priority
from tests.fakes import FakeSegmenter, noise_png
from tests.servers import RedisServer


def encoder_on(server: RedisServer, segmenter: FakeSegmenter) -> ImageEncoder:
    cache = EmbeddingCache(LocalStore(10**7), RedisStore(GuardedRedis(server.url, 5.0), 60))
    return ImageEncoder(segmenter, cache, fingerprint="fake")


def count_attempts(encoder: ImageEncoder) -> threading.Semaphore:
    """Released each time the encoder has answered that another thread or worker encodes an image."""
    attempts, try_encode = threading.Semaphore(0), encoder.try_encode

    def counted(image: SourceImage, **options: bool):
        made = try_encode(image, **options)
        attempts.release()
        return made

    encoder.try_encode = counted
    return attempts


def test_clicks_on_an_image_that_a_replica_encodes_leave_the_models_free(redis_server: RedisServer) -> None:
    segmenter = FakeSegmenter()
    encoder, executor = encoder_on(redis_server, segmenter), PriorityExecutor(1)
    image, other = SourceImage(noise_png(40, 30, 1)), SourceImage(noise_png(40, 30, 2))
    client = redis.Redis.from_url(redis_server.url)
    lease = lease_key(f"embedding:fake:{image.digest}")
    client.set(lease, "a replica", px=10_000)
    attempts = count_attempts(encoder)
    with ThreadPoolExecutor(3) as pool:
        waiting = [pool.submit(embed_queued, encoder, executor, image, Priority.CLICK) for _ in range(3)]
        assert all(attempts.acquire(timeout=20) for _ in waiting)
        assert embed_queued(encoder, executor, other, Priority.CLICK, Deadline.after(10)) is not None
        assert not any(future.done() for future in waiting)
        client.delete(lease)
        assert len({future.result(20).embedding.arrays["image_embed"].tobytes() for future in waiting}) == 1
    assert len(segmenter.encoded) == 2


def test_a_click_on_an_image_that_is_being_prepared_waits_outside_the_models() -> None:
    segmenter, go, begun = FakeSegmenter(), threading.Event(), threading.Event()
    encode = segmenter.encode

    def slowly(pixels):
        begun.set()
        assert go.wait(20)
        return encode(pixels)

    segmenter.encode = slowly
    encoder = ImageEncoder(segmenter, EmbeddingCache(LocalStore(0)), fingerprint="fake")
    executor, image = PriorityExecutor(2, for_clicks=1), SourceImage(noise_png(40, 30, 1))
    with ThreadPoolExecutor(4) as pool:
        prepared = pool.submit(embed_queued, encoder, executor, image, Priority.WARM)
        assert begun.wait(20)
        attempts = count_attempts(encoder)
        clicks = [pool.submit(embed_queued, encoder, executor, image, Priority.CLICK) for _ in range(3)]
        assert all(attempts.acquire(timeout=20) for _ in clicks)
        assert executor.run(Priority.CLICK, lambda: "free", Deadline.after(10)) == "free"
        go.set()
        assert all(click.result(20).embedding is prepared.result(20).embedding for click in clicks)
    assert len(segmenter.encoded) == 1


def test_who_leaves_while_somebody_else_encodes_is_waited_for_no_longer(redis_server: RedisServer) -> None:
    encoder, image = encoder_on(redis_server, FakeSegmenter()), SourceImage(noise_png(40, 30, 1), "a.png")
    redis.Redis.from_url(redis_server.url).set(lease_key(f"embedding:fake:{image.digest}"), "a replica", px=10_000)
    gone = threading.Event()
    threading.Timer(0.2, gone.set).start()
    with pytest.raises(ClientDisconnected):
        embed_queued(encoder, PriorityExecutor(1), image, Priority.CLICK, Deadline.after(30, gone.is_set))


def test_a_replica_that_takes_too_long_is_said(redis_server: RedisServer) -> None:
    encoder, image = encoder_on(redis_server, FakeSegmenter()), SourceImage(noise_png(40, 30, 1), "a.png")
    redis.Redis.from_url(redis_server.url).set(lease_key(f"embedding:fake:{image.digest}"), "a replica", px=10_000)
    with pytest.raises(Overloaded, match=r"Another worker has been encoding a\.png for too long"):
        embed_queued(encoder, PriorityExecutor(1), image, Priority.CLICK, Deadline.after(1.0))
