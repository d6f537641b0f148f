"""What a request needs: a control for its answer, an image of its size, the classes that CLIP compares it with."""

from __future__ import annotations

from collections.abc import Sequence

from backend.engine import GENERAL_WORDS, ImageLabeler, with_background, words_to_encode
from backend.errors import BadPrompt
from backend.images import SourceImage
from backend.label_studio.config import ImageConfig, distinct, label_for_click
from backend.label_studio.requests import (
    ClassifyImage,
    Click,
    FindEverything,
    FindLike,
    FindText,
    Request,
    ResizeLast,
    SegmentAll,
    ShowHelp,
)
from backend.predict.region_labels import region_vocabularies
from backend.values import ClassName


def has_answer(request: Request, config: ImageConfig) -> bool:
    """Whether the labeling config has a control for the answer."""
    match request:
        case Click() | SegmentAll() | ShowHelp():
            return True
        case FindText() | FindEverything() | FindLike() | ResizeLast():
            return bool(config.answers)
        case ClassifyImage():
            return bool(config.image_choices)


def texts_to_encode(
    labeler: ImageLabeler, request: Request, config: ImageConfig, *, auto_label: bool
) -> list[Sequence[ClassName]]:
    """Return the vocabularies that CLIP compares the image with for a request; [] if it does not look at it.

    Args:
        auto_label: Whether CLIP picks the label for clicks too.
    """
    of_image = [control.labels for control in config.image_choices]
    match request:
        case Click(prompts=prompts):
            picked = [label_for_click(config, prompt.label, auto_label) for prompt in prompts]
            vocabularies = region_vocabularies(config, with_labels=None in picked)
        case FindText() if labeler.boxes is not None:  # CLIP only picks what the text is not the name of
            vocabularies = region_vocabularies(config, with_labels=True)
        case FindText():
            searched = labeler.known_classes(search_vocabulary(config))
            vocabularies = [*region_vocabularies(config, with_labels=True), searched, words_to_encode(searched)]
        case SegmentAll(options=options):
            words = options.background_words if options else ()
            of_regions = region_vocabularies(config, with_labels=True)
            vocabularies = [*(with_background(vocabulary, words) for vocabulary in of_regions), *of_image]
        case FindEverything():
            vocabularies = region_vocabularies(config, with_labels=True)
        case FindLike():  # the general words count against a mask even where CLIP cannot read them
            return [labeler.known_classes(compared_classes(config)), GENERAL_WORDS]
        case ClassifyImage():
            vocabularies = [*of_image]
        case ResizeLast() | ShowHelp():
            vocabularies = []
    return [vocabulary for vocabulary in vocabularies if labeler.knows(vocabulary)]


def search_vocabulary(config: ImageConfig) -> tuple[ClassName, ...]:
    """Return the classes of the image, which compete with a text for each mask."""
    return distinct([*(label for control in config.region_choices for label in control.labels), *config.answer_classes])


def compared_classes(config: ImageConfig) -> tuple[ClassName, ...]:
    """Return the classes by which masks are compared: those of the first per-region control, or the labels."""
    return config.region_choices[0].labels if config.region_choices else config.answer_classes


def check_drawn_size(request: Request, image: SourceImage) -> None:
    """Raise `BadPrompt` for a click that was drawn on an image of another size."""
    for prompt in request.prompts if isinstance(request, Click) else ():
        if prompt.drawn_size != image.size:
            raise BadPrompt(
                f"The prompt was drawn on an image of {prompt.drawn_size} pixels, but {image.name} is {image.size}.",
                remedy="Reload the page: the image was replaced after it was opened.",
            )
