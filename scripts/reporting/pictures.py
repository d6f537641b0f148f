"""Pictures of the worst regions: their images are fetched after everything is read, through the guarded fetcher."""

from __future__ import annotations

from collections.abc import Sequence

from backend.errors import ImageUnavailable
from backend.images import SourceImage
from backend.label_studio.config import LabelingConfig
from backend.label_studio.requests import parse_task
from backend.report import Candidate, Picture, draw_picture
from backend.settings import Settings
from scripts.console import show_progress
from scripts.image_fetching import build_fetcher

CACHE_BYTES = 64 << 20  # several of the worst regions often lie in one image


def draw_pictures(
    candidates: Sequence[Candidate], config: LabelingConfig, settings: Settings | None, project_id: str
) -> list[Picture]:
    """Cut the regions out of their images; one whose image cannot be fetched has outlines and the reason.

    Args:
        settings: None without a Label Studio to ask.
    """
    fetcher = build_fetcher(settings, CACHE_BYTES) if settings else None

    def fetch_image(candidate: Candidate) -> SourceImage:
        if fetcher is None or settings is None:
            message = "The image was not fetched, because the report was made from a file."
            raise ImageUnavailable(message, remedy="Use --project.")
        document = {"id": candidate.row.task, "data": candidate.data}
        images = parse_task(document, config, project_id=project_id).images
        image = next(image for image in images if image.name == candidate.row.image)
        content = fetcher.fetch(image.uri, image.task_id, project_id)
        return SourceImage(content, image.uri, settings.image_max_pixels, settings.image_max_scans)

    shown = show_progress(candidates, "pictures", "picture")
    return [draw_picture(candidate, fetch_image) for candidate in shown]
