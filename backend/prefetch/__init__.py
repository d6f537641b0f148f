"""What is computed before anybody asks: the image of an opened task, then those of the tasks that come next.

Tasks and positions in a project come in; embeddings end up in the cache.
"""

from backend.prefetch.warmer import Warmer

__all__ = ["Warmer"]
