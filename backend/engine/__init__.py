"""The heart: encoded image and prompt to masks, classes and regions. No Label Studio, no HTTP, no torch.

Models and the cache come in through the protocols of `ports`.
"""

from backend.engine.background import with_background
from backend.engine.clean_proposals import keep_clean
from backend.engine.detect_queued import detect_queued
from backend.engine.embed_queued import embed_queued
from backend.engine.encode_texts_queued import encode_texts_queued
from backend.engine.encoded_image import EncodedImage
from backend.engine.forced_clicks import clicks_of, keep_painted
from backend.engine.found_mask import FoundMask
from backend.engine.image_encoder import ImageEncoder
from backend.engine.image_labeler import ImageLabeler
from backend.engine.review import trust_in
from backend.engine.segment_image import (
    classify_candidates,
    classify_crops,
    classify_many,
    clean_candidate,
    is_probable,
    keep_probable,
    segment,
    segment_image,
)
from backend.engine.similar_masks import GENERAL_WORDS, pick_unlabeled
from backend.engine.text_matching import content_words, named_class, parse_text, words_to_encode

__all__ = [
    "GENERAL_WORDS",
    "EncodedImage",
    "FoundMask",
    "ImageEncoder",
    "ImageLabeler",
    "classify_candidates",
    "classify_crops",
    "classify_many",
    "clean_candidate",
    "clicks_of",
    "content_words",
    "detect_queued",
    "embed_queued",
    "encode_texts_queued",
    "is_probable",
    "keep_clean",
    "keep_painted",
    "keep_probable",
    "named_class",
    "parse_text",
    "pick_unlabeled",
    "segment",
    "segment_image",
    "trust_in",
    "with_background",
    "words_to_encode",
]
