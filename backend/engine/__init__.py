"""The heart: encoded image and prompt to masks, classes and regions. No Label Studio, no HTTP, no torch.

Models and the cache come in through the protocols of `ports`.
"""

from backend.engine.embed_queued import embed_in_turn
from backend.engine.image_labeler import ImageLabeler
from backend.engine.text_matching import named_class, parse_text

__all__ = ["ImageLabeler", "embed_in_turn", "named_class", "parse_text"]
