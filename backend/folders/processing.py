"""A run over the images of a folder: read, encode, segment and label, write; each stage in threads of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from backend.bulk import Pipeline, Progress, Stage, StopFlag
from backend.engine import EncodedImage, ImageLabeler
from backend.errors import BackendError, ExportError, shorten
from backend.folders.cutouts import CutoutRequest, choose_object
from backend.folders.image_files import FolderImage, ImageLimits, OpenedImage, open_image
from backend.folders.image_outputs import ImageResults, OutputWriter
from backend.folders.segments import find_segments
from backend.folders.vocabulary import Vocabulary
from backend.images import SourceImage
from backend.values import ProposalOptions

WINDOW = 4  # images in memory; decoded ones of 64 megapixels take 192 MB each
STAGE_NAMES = ("read", "encode", "segment", "write")
Encode = Callable[[SourceImage], EncodedImage]
OnDone = Callable[[FolderImage, Exception | None], None]


@dataclass(frozen=True)
class FolderWork:
    """What is done with each image.

    Attributes:
        encode: Makes the embedding of an image.
        vocabulary: Empty if only a cut-out is asked for.
        cutout: None if none is asked for.
    """

    encode: Encode
    labeler: ImageLabeler
    limits: ImageLimits
    vocabulary: Vocabulary
    options: ProposalOptions
    cutout: CutoutRequest | None = None

    @property
    def makes_all_masks(self) -> bool:
        """Whether everything in an image is segmented, and not only what a point or a box, also a detector's, names."""
        cutout = self.cutout
        if self.vocabulary.texts and self.labeler.boxes is not None:
            return False
        return not self.vocabulary.is_empty or (cutout is not None and not cutout.points and cutout.box_xyxy is None)

    def open(self, image: FolderImage) -> OpenedImage:
        """Read and decode an image; raises as `open_image`."""
        return open_image(image, self.limits)

    def encode_image(self, opened: OpenedImage) -> tuple[OpenedImage, EncodedImage]:
        """Encode an image that was read."""
        return opened, self.encode(opened.source)

    def find(self, both: tuple[OpenedImage, EncodedImage]) -> ImageResults:
        """Find the segments of an encoded image, and the object to cut out."""
        opened, encoded = both
        segments, mask = None, None
        if not self.vocabulary.is_empty:
            segments = find_segments(self.labeler, encoded, opened.image.image_id, self.vocabulary, self.options)
        if self.cutout is not None:
            mask = choose_object(self.labeler, encoded, self.cutout, segments, self.options)
        return ImageResults(opened, segments, mask)


def process_images(
    images: Iterable[FolderImage],
    work: FolderWork,
    writer: OutputWriter,
    on_done: OnDone,
    *,
    stop: StopFlag,
    progress: Progress,
) -> None:
    """Process images, in any order; one that fails does not stop the others.

    Args:
        on_done: Called on this thread with each image that is done or has failed.
        stop: Ends the work as soon as what is in the stages is done.
        progress: Counts it.

    Raises:
        ExportError: The results cannot be written, so those of the other images could not either.
    """
    read, encode, segment, write = STAGE_NAMES
    stages: Sequence[Stage] = (
        Stage(read, work.open, threads=2),
        Stage(encode, work.encode_image, pool="model"),
        Stage(segment, work.find, pool="model"),
        Stage(write, writer.write),
    )
    with Pipeline(stages, window=WINDOW, lookahead=WINDOW, progress=progress).run(images) as run:
        for finished in run:
            if isinstance(finished.error, ExportError):
                raise finished.error
            on_done(finished.item, finished.error)
            if stop.is_set():
                run.stop()


def describe_failure(image: FolderImage, error: Exception) -> str:
    """Describe why an image failed, for a person."""
    name = shorten(image.name)  # safe to print, whatever bytes the file system has
    text = str(error) if isinstance(error, BackendError) else shorten(f"{type(error).__name__}: {error}")
    return text if name in text else f"{name}: {text}"
