"""Prefetch: the images of opened tasks are encoded in the background, then those of the tasks that come next.

Takes opened tasks and positions in a project, and fills the embedding cache.
"""

from backend.prefetch.warmer import Warmer

__all__ = ["Warmer"]
