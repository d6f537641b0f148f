"""The one site of all browser tests: its projects, its people, and what the backend counts."""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import requests

from backend.label_studio.config import parse_labeling_config
from backend.label_studio.results import parse_regions
from backend.values import Mask, Region
from scripts.demo_circle.places import ROOT
from scripts.demo_circle.site import Json, LabelStudioSite
from scripts.demo_circle.stage import Opened, Stage
from scripts.demo_circle.targets import Target, click_scene, click_scenes, encode_png, find_targets

LABEL_CONFIG = (ROOT / "label_config.xml").read_text(encoding="utf-8")
OTHER_CONFIG = """
<View>
  <Image name="photo" value="$picture"/>
  <Header value="Dot"/>
  <KeyPointLabels name="dot" toName="photo" smart="true" smartOnly="true">
    <Label value="thing" hotkey="1"/> <Label value="other thing" hotkey="2"/>
  </KeyPointLabels>
  <Header value="Frame"/>
  <RectangleLabels name="frame" toName="photo" smart="true" smartOnly="true">
    <Label value="thing" hotkey="q"/> <Label value="other thing" hotkey="w"/>
  </RectangleLabels>
  <Header value="Silhouette"/>
  <BrushLabels name="silhouette" toName="photo" smart="false">
    <Label value="thing" hotkey="z"/> <Label value="other thing" hotkey="x"/>
  </BrushLabels>
  <Choices name="form" toName="photo" perRegion="true" choice="single">
    <Choice value="circle" hotkey="f19"/> <Choice value="square" hotkey="f19"/> <Choice value="triangle" hotkey="f19"/>
    <Choice value="star" hotkey="f19"/> <Choice value="ring" hotkey="f19"/> <Choice value="cross" hotkey="f19"/>
    <Choice value="ellipse" hotkey="f19"/> <Choice value="crescent" hotkey="f19"/>
  </Choices>
</View>
"""
"""Another vocabulary under other names: the image, the controls and the field of the tasks are called otherwise."""
PATIENCE_SECONDS = 120
MAX_SCENES = 60
REST_SECONDS = 4.0  # longer than the encoder takes for an image on a busy machine
_COMPUTED = re.compile(r'^backend_embeddings_total\{source="computed"\} ([0-9.e+]+)$', re.MULTILINE)


@dataclass(frozen=True)
class Project:
    """A project and its connection to the backend, by their ids; `tasks` are ids by the name of the image."""

    number: int
    backend: int
    tasks: Mapping[str, int]
    label_config: str


@dataclass(frozen=True)
class Site:
    """Label Studio and the backend, both running."""

    opened: Opened
    stage: Stage

    @property
    def url(self) -> str:
        return self.label_studio.url

    @property
    def label_studio(self) -> LabelStudioSite:
        return self.opened.site

    def make_project(
        self, title: str, images: Mapping[str, bytes], label_config: str = LABEL_CONFIG, backend_url: str = ""
    ) -> Project:
        """A new project with a backend connected, the session's or another with its login; one task for each image."""
        number = self.label_studio.create_project(title, label_config, "")
        self.label_studio.upload_images(number, images)
        backend = self.label_studio.connect_backend(
            number, backend_url or self.stage.ports.backend_url, "SAM + CLIP", self.opened.backend_login
        )
        return Project(number, backend, self.label_studio.tasks_by_name(number), label_config)

    def scene_project(self, title: str, *scenes: str, label_config: str = LABEL_CONFIG) -> Project:
        """A new project with some of the first ten scenes."""
        drawn = click_scenes(10)
        return self.make_project(title, {name: encode_png(drawn[name]) for name in scenes}, label_config)

    def fresh_project(self, title: str, *scenes: str) -> Project:
        """The same with scenes that nobody's cache knows: one pixel is of any colour."""
        images = {}
        for name in scenes:
            pixels = click_scenes(10)[name].pixels.copy()
            pixels[0, 0] = list(secrets.token_bytes(3))
            images[name] = encode_png(replace(click_scenes(10)[name], pixels=pixels))
        return self.make_project(title, images)

    def objects_of_new_projects(self, title: str) -> Iterator[tuple[Project, Target]]:
        """The objects of consecutive held-out scenes, each scene in a new project as soon as it is reached."""
        for number in range(MAX_SCENES):
            scenes = dict([click_scene(number)])
            targets = find_targets(scenes)
            if targets:
                images = {name: encode_png(scene) for name, scene in scenes.items()}
                project = self.make_project(f"{title} {number}", images)
                yield from ((project, target) for target in targets)

    def click_project(self) -> Project:
        """The demo's own project."""
        number = self.opened.click_project
        return Project(number, self.opened.click_backend, self.label_studio.tasks_by_name(number), LABEL_CONFIG)

    def ask(self, project: Project, name: str, prompts: Sequence[Json]) -> Mask:
        """The mask that a click in a project is answered with, asking Label Studio without a page; perhaps empty."""
        results = self.label_studio.predict_interactively(project.backend, project.tasks[name], prompts)
        config = parse_labeling_config(project.label_config).images[0]
        masks = [region.mask for region in parse_regions(results, config)]
        size = prompts[0]["original_height"], prompts[0]["original_width"]
        return np.logical_or.reduce([np.zeros(size, bool), *masks])

    def annotation(self, task: int) -> list[Json]:
        """What was submitted for a task, which must have exactly one annotation."""
        return list(self._only_annotation(task)["result"])

    def _only_annotation(self, task: int) -> Json:
        annotations = self.label_studio.task(task)["annotations"]
        said = [(one["id"], one["created_at"], one["completed_by"], len(one["result"])) for one in annotations]
        assert len(annotations) == 1, f"task {task} has {len(annotations)} annotations: {said}"
        only: Json = annotations[0]
        return only

    def draft_regions(self, project: Project, name: str) -> list[Region]:
        """The masks in the one draft of a task."""
        (draft,) = self.label_studio.task(project.tasks[name])["drafts"]
        return parse_regions(draft["result"], parse_labeling_config(project.label_config).images[0])

    def sign_up(self, username: str, password: str) -> None:
        """Let a second person in, by the organization's invitation."""
        with requests.Session() as session:
            session.trust_env = False
            link = self.label_studio.invite_link()
            session.get(link, timeout=PATIENCE_SECONDS)
            form = {"email": username, "password": password, "csrfmiddlewaretoken": session.cookies["csrftoken"]}
            answer = session.post(
                link, form, headers={"Referer": link}, allow_redirects=False, timeout=PATIENCE_SECONDS
            )
        assert answer.status_code == requests.codes.found, answer.text[:2000]

    def encoded_images(self) -> int:
        """How many images SAM's encoder has seen since the backend was started."""
        with requests.Session() as session:
            session.trust_env = False
            session.auth = self.opened.backend_login.pair
            found = _COMPUTED.search(session.get(f"{self.stage.ports.backend_url}/metrics", timeout=30).text)
        return int(float(found[1])) if found else 0

    def backend_url_with_login(self) -> str:
        """The backend's address for a browser, which would otherwise ask for the password."""
        user, password = self.opened.backend_login.pair
        return self.stage.ports.backend_url.replace("://", f"://{user}:{password}@")

    def command_environment(self) -> dict[str, str]:
        """What the project's commands need to find this site."""
        return self.stage.command_environment(self.opened.token)

    def author(self, task: int) -> int:
        """The id of the user who made the one annotation of a task."""
        return int(self._only_annotation(task)["completed_by"]["id"])

    def encoded_when_at_rest(self) -> int:
        """How many images the encoder has seen when it has nothing more to do."""
        return self.wait_encoded(0)

    def wait_encoded(self, at_least: int) -> int:
        """Until the encoder has seen so many images and rests; returns how many it has seen."""
        end = time.monotonic() + PATIENCE_SECONDS
        count, since = self.encoded_images(), time.monotonic()
        while time.monotonic() < end:
            now = self.encoded_images()
            if now != count:
                count, since = now, time.monotonic()
            if count >= at_least and time.monotonic() - since > REST_SECONDS:
                return count
            time.sleep(0.1)
        raise AssertionError(f"the encoder has seen {count} images, not {at_least}, and {PATIENCE_SECONDS} s are over")

    def wait_for_draft(self, task: int, region_id: str) -> None:
        """Until Label Studio has saved the page with that region; the backend reads accepted masks from there."""
        end = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < end:
            drafts = self.label_studio.task(task).get("drafts") or []
            if any(result.get("id") == region_id for draft in drafts for result in draft["result"]):
                return
            time.sleep(0.1)
        raise AssertionError(f"no draft with {region_id} came in {PATIENCE_SECONDS} s")
