"""Options of threads and workers, and the settings that each process gets."""

from __future__ import annotations

import argparse
import pickle
import re
from dataclasses import replace

import pytest

from backend.bulk import PipelineRunner, WorkerRunner, WorkersUnusable
from backend.errors import BadSettings
from backend.label_studio.config import parse_labeling_config
from backend.label_studio.requests import SegmentAll
from backend.projects import ProjectSettings
from backend.settings import Settings
from backend.values import ProposalOptions, Size
from scripts.measuring.place import make_pictures, serve
from scripts.preannotating.running import (
    add_runner_options,
    build_job,
    build_runner,
    build_worker,
    check_runner_options,
    choose_models,
    list_actor_settings,
    list_gpus,
    list_worker_settings,
)
from tests.fakes import CONFIG, FakeClassifier, Hall

OPTIONS = ProposalOptions(6, 0.6, 0.6, 20, 0.7)


def parse(*options: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    add_runner_options(parser)
    return parser.parse_args(options)


@pytest.mark.parametrize(
    ("text", "workers"),
    [("1", ("",)), ("3", ("", "", "")), ("cuda:0,cuda:1", ("cuda:0", "cuda:1")), ("cpu, cpu", ("cpu", "cpu"))],
)
def test_workers_are_a_number_or_a_device_each(text: str, workers: tuple[str, ...]) -> None:
    assert parse("--workers", text).workers == workers


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("0", "must be a number from 1 to 256, got 0"),
        ("1000", "must be a number from 1 to 256, got 1000"),
        ("-1", "must be a number, or devices such as cuda:0,cuda:1, got '-1'"),
        ("gpu0", "must be a number, or devices such as cuda:0,cuda:1, got 'gpu0'"),
        ("cuda:0,", "must be a number, or devices such as cuda:0,cuda:1, got 'cuda:0,'"),
        ("", "must be a number, or devices such as cuda:0,cuda:1, got ''"),
    ],
)
def test_other_workers_are_refused_in_words(text: str, message: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse(f"--workers={text}")
    assert message in capsys.readouterr().err


def test_workers_share_the_cores_unless_the_user_says_otherwise() -> None:
    threads = [one.torch_threads for one in list_worker_settings(Settings(), ("", ""), cores=8)]
    assert threads == [4, 4]
    assert [one.torch_threads for one in list_worker_settings(Settings(), ("",) * 3, cores=2)] == [1, 1, 1]
    assert [one.torch_threads for one in list_worker_settings(Settings(torch_threads=6), ("", ""), cores=8)] == [6, 6]


def test_each_worker_gets_its_device() -> None:
    assert [one.device for one in list_worker_settings(Settings(device="cpu"), ("", "cuda:1"), 4)] == ["cpu", "cuda:1"]


def test_a_bulk_process_keeps_no_caches_and_with_workers_no_model_on_the_device() -> None:
    settings = Settings(device="cuda")
    alone, parent = choose_models(settings, parse()), choose_models(settings, parse("--workers", "2"))
    assert (alone.cache_max_bytes, alone.image_cache_max_bytes, alone.device) == (0, 0, "cuda")
    assert parent.device == "cpu"


def job_of(settings: Settings, *options: str, xml: str = CONFIG):
    return build_job(parse(*options), settings, "1", xml, SegmentAll(OPTIONS), ProjectSettings())


def test_embeddings_are_kept_only_in_redis_and_only_if_they_are_wanted() -> None:
    shared = Settings(redis_url="redis://127.0.0.1:1/0")
    assert job_of(shared).uses_cache
    assert not job_of(shared, "--no-embeddings").uses_cache
    assert not job_of(Settings()).uses_cache


def test_a_job_can_be_sent_to_a_worker() -> None:
    job = job_of(Settings(device="cpu"), "--window", "5")
    assert pickle.loads(pickle.dumps(job)) == job
    assert job.window == 5


def test_without_workers_the_threads_of_this_process_predict() -> None:
    hall = Hall(classifier=FakeClassifier())
    runner, progress = build_runner(parse(), hall.predictor, job_of(Settings()))
    assert isinstance(runner, PipelineRunner)
    (outcome,) = runner([{"id": 1, "data": {"photo": "a.png"}}])
    assert [result["type"] for result in outcome.prediction["result"]] == ["brushlabels", "choices"] * 3
    assert {name: count.items for name, count in progress.snapshot().stages.items()} == dict.fromkeys(
        ("fetch", "decode", "encode", "segment", "crop", "classify", "build"), 1
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--engine", "ray"), "--engine ray does not say how many actors there are to be."),
        (("--workers", "2", "--ray-address", "a:1"), "--ray-address a:1 has no meaning without --engine ray."),
    ],
)
def test_options_of_ray_that_contradict_each_other_are_refused(
    options: tuple[str, ...], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    probed: list[str] = []
    monkeypatch.setattr("scripts.preannotating.running.load_ray", probed.append)
    with pytest.raises(BadSettings) as refused:
        check_runner_options(parse(*options))
    assert refused.value.message == message
    assert probed == []
    check_runner_options(parse("--engine", "ray", "--workers", "2", "--ray-address", "a:1"))
    assert probed == ["a:1"]


def test_an_actor_sees_one_gpu_or_none_and_has_one_cpu() -> None:
    devices = ("cuda:0", "cuda:1", "auto", "cpu")
    assert [one.device for one in list_actor_settings(Settings(), devices)] == ["cuda", "cuda", "cpu", "cpu"]
    assert [one.torch_threads for one in list_actor_settings(Settings(), ("cpu",))] == [1]
    assert [one.torch_threads for one in list_actor_settings(Settings(torch_threads=4), ("cpu",))] == [4]


def test_actors_reserve_a_gpu_each_or_share_one_that_several_name() -> None:
    assert list_gpus(("cuda:0", "cuda:1")) == [1.0, 1.0]
    assert list_gpus(("cuda", "cuda")) == [1.0, 1.0]
    assert list_gpus(("cuda:0", "cuda:0", "cuda:1", "auto")) == [0.5, 0.5, 1.0, 0.0]


@pytest.mark.parametrize(
    ("option", "environment", "address"), [("", "", ""), ("", "b:2", "b:2"), ("a:1", "b:2", "a:1")]
)
def test_the_option_for_rays_address_wins_over_the_environment(
    option: str, environment: str, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAY_ADDRESS", environment)
    given: dict[str, object] = {}

    class Actors:
        places = 2

        def __init__(self, function: str, jobs: list, **options: object) -> None:
            given.update(options, jobs=len(jobs))

    monkeypatch.setattr("scripts.preannotating.running.RayActors", Actors)
    options = ("--engine", "ray", "--workers", "cuda:0,cuda:1", "--ray-address", option)
    build_runner(parse(*options), Hall().predictor, job_of(Settings(), "--window", "3"))
    assert given == {"jobs": 2, "address": address, "gpus": [1.0, 1.0], "calls_at_once": 3}


def test_a_worker_with_other_weights_refuses_to_work(monkeypatch: pytest.MonkeyPatch) -> None:
    predictor = Hall().predictor
    monkeypatch.setattr("backend.wiring.build_predictor", lambda settings: predictor)
    job = replace(job_of(Settings()), model_version="sam-0a1b2c3d")
    with pytest.raises(WorkersUnusable, match=f"has loaded the models {re.escape(predictor.model_version)}, not sam-0"):
        build_worker(job)
    build_worker(replace(job, model_version=predictor.model_version))


@pytest.mark.slow
def test_two_workers_with_the_demo_models_give_the_documents_of_one_process() -> None:
    labels = '<Label value="red ring"/><Label value="blue square"/>'
    xml = f'<View><Image name="a" value="$a"/><BrushLabels name="m" toName="a">{labels}</BrushLabels></View>'
    pictures = make_pictures(4, Size(240, 180), first=300)
    tasks = [{"id": number, "data": {"a": picture.uri}} for number, picture in enumerate(pictures)]
    tasks.append({"id": 9, "data": {"a": "/data/upload/1/missing.png"}})
    from backend.wiring import build_predictor

    with serve({picture.uri: picture.png for picture in pictures}) as url:
        settings = Settings(device="cpu", torch_threads=1, label_studio_url=url)
        job, predictor = job_of(settings, xml=xml), build_predictor(choose_models(settings, parse()))
        alone = {one.task["id"]: one for one in build_runner(parse(), predictor, job)[0](tasks)}
        runner, progress = build_runner(parse("--workers", "2"), predictor, job)
        assert isinstance(runner, WorkerRunner)
        together = {one.task["id"]: one for one in runner(tasks)}
        runner.close()
    assert parse_labeling_config(xml).images[0].answers
    for number in range(4):
        assert rle_of(together[number]) == rle_of(alone[number]) != []
    assert str(together[9].error) == str(alone[9].error)
    assert progress.snapshot().stages["build"].items == 4


def rle_of(outcome) -> list:
    return [(result["value"]["rle"], result["value"]["brushlabels"]) for result in outcome.prediction["result"]]
