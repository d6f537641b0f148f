"""CLIP: image and text features, zero-shot classification of masks and of whole images."""
